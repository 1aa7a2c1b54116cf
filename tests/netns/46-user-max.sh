#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# user-max-session … replace: the oldest session of the same user goes, and the
# count holds over a new manager.
# shellcheck disable=SC1091,SC2009,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "no more sessions of a user than allowed"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

must dial_network
must ns srv ethtool -K in0 gro on
must dial_server 3.250 60 "s/pppx0/tun0/; 1a set user-max-session 3 replace"
check_eq "it says that the uplink does not merge UDP, and what helps" 1 \
	"$(grep -c 'if=in0 rx-udp-gro-forwarding is off: .*: ethtool -K in0 rx-udp-gro-forwarding on$' "$rig_dir/culvertd.log")"

# rows USER
rows()
{
	ctl -n session brief | grep -c "$1"
}

rows_are()
{
	[ "$(rows alice) $(rows bob)" = "$1 $2" ]
}

# gone: the numbers of the sessions that ended, in their order.
gone()
{
	sed -nE 's/^session=([0-9]+) ended.*/\1/p' "$rig_dir/five.log" | xargs
}

gone_are()
{
	[ "$(gone)" = "$1" ]
}

password_of bob >"$rig_dir/password.bob"
dial_start bob -u bob -p "@$rig_dir/password.bob" -n 2 -w 1 --from 198.18.7.0/24 --hold 60
check "two of bob" wait_for rows_are 0 2
dial_start five -n 5 -w 1 --from $PREFIX --hold 60 --time
check "five of alice, one after another: the first two went" wait_for gone_are "0 1" || note "$(gone)"
check "three are left, and bob's" wait_for rows_are 3 2
pid=$(pgrep -P "$server_pid" -f "culvertd -P manager")
check "the manager is killed" kill -KILL "$pid"
check "and is back" wait_for eval 'p=$(pgrep -P "$server_pid" -f "culvertd -P manager"); [ -n "$p" ] && [ "$p" != "$pid" ] && ctl status'
check "one more of alice" dial one --from 198.18.8.0/24
check "the next oldest went" wait_for gone_are "0 1 2" || note "$(gone)"
check "two are left, and bob's" wait_for rows_are 2 2
rig_end
