#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Dead peer detection (RFC 3706) asks a client that is silent, and leaves one alone
# whose ESP says that it lives: charon hears of ESP only from its kernel, which is us.
# shellcheck disable=SC1091,SC2016,SC2034,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "dead peer detection, of a client with traffic and one without"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

LOUD=198.18.1.1
SILENT=198.18.2.1

# asked ADDRESS: how often we sent it an Informational exchange (RFC 2408 3.1: type 5; after the marker of RFC 3948).
asked()
{
	capture_count wire "udp and src port 4500 and dst host $1 and udp[8:4] = 0 and udp[30] = 5"
}

must dial_network
# Five times what engines take to report what was used; HELLO is not to make the silent one speak.
must dial_server 3.250 600 's/^tunnel L2TP/set dpd 25\n&/'
must capture_start srv out0 wire
dial_start loud --from $LOUD/32 --ping 200 --hold 600 --time
loud=$started
check "one with traffic comes up" wait_for grep -q ' up ' "$rig_dir/loud.log"
dial_start silent --from $SILENT/32 --hold 600 --time
silent=$started
check "then one without" wait_for grep -q ' up ' "$rig_dir/silent.log"
# It is asked after the other one would have been.
check "the silent one is asked" eval 'RIG_WAIT=150 wait_for eval "[ \$(asked $SILENT) -ge 1 ]"'
check_eq "the one with traffic is not" 0 "$(asked $LOUD)"
check_eq "both are there" 2 "$(ctl -n session brief | grep -c alice)"
kill -TERM "$loud" "$silent"
check "they hang up" eval 'wait_for not rig_alive "$loud" && wait_for not rig_alive "$silent"'
check_eq "all went well" "1 1" "$(got loud ok) $(got silent ok)"
rig_end
