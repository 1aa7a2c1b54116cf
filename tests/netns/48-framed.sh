#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# framed-ip-network: a user's whole network is routed to his session, on an interface
# of its own and on a shared one; nobody else gets an address of it or may send from
# it, whichever process is killed meanwhile.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

kind=${1:-pppx0}
rig_begin "networks behind users, $kind"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

NET=$POOL.200/29 OWN=$POOL.201 OTHER=$POOL.204
must dial_network
must mkdir -p "$rig_dir/run"
(umask 077 && printf '%s:password=%s:framed-ip-address=%s:\n' alice "$(password_of alice):framed-ip-network=255.255.255.248" $OWN \
	bob "$(password_of alice)" $OTHER >"$rig_dir/run/users")
must dial_server 0.99 20 "/pool-address/a pool-address $POOL.200/29 for static
	s/pppx0/$kind/"

# role_pid NAME: of that process of the server.
role_pid() { pgrep -P "$server_pid" -f "culvertd -P $1( |\$)" | head -n 1; }
# The network's route, and how many there are.
net_route() { ip -n "$(nsname srv)" route show $NET | grep -oE 'dev (pppx|tun)[0-9-]+'; }
alone() { ip -n "$(nsname srv)" route show | grep -cE "^($OWN|$OTHER) "; }
there() { ns srv ping -c 2 -i 0.2 -W 5 $OTHER >/dev/null; }
from() { ns cli ping -c 1 -W 2 -I "$1" $INNER >/dev/null; }
dial_end() { kill -TERM "$(ip netns pids "$(nsname cli)" | head -n 1)"; wait_for not rig_alive "$started"; }
bob_gets() { dial "$1" -u bob --from 198.18.0.7 --ping 20 --hold 1 --target "$INSIDE" && grep -qE "session up user=\"bob\" .* ip=$2 " "$rig_dir/culvertd.log"; }

dial_start tun --tun vpn0
check "alice comes up" wait_for eval 'ip -n "$(nsname cli)" -o link show dev vpn0 | grep -q UP'
check_eq "with her own address" $OWN "$(ctl -n session brief | awk '/alice/ { print $2 }')"
must ip -n "$(nsname cli)" addr add $OTHER/32 dev vpn0
must ip -n "$(nsname cli)" addr add $POOL.208/32 dev vpn0
must ip -n "$(nsname cli)" route add $INNER dev vpn0
check "her network is routed to her" wait_for net_route
check "another address of it is reached" there
check "and sends" from $OTHER
spoofed=$(counter ip_spoofed)
check "one that is next to it does not" not from $POOL.208
check_eq "it is counted" 1 "$(($(counter ip_spoofed) - spoofed))"
check "bob, whose address is in it, gets another one" bob_gets busy $POOL.10
check "the log says so" grep -q 'user="bob" framed-ip-address is busy' "$rig_dir/culvertd.log"
for role in netd manager; do
	kill -KILL "$(role_pid $role)"
	check "$role is killed and started again" wait_for grep -q "$role is back" "$rig_dir/culvertd.log"
	wait_for eval 'ctl session brief >/dev/null'
	check "  the network is still reached" there
	check "  and still hers" bob_gets "busy-$role" $POOL.1[0-9]
	check "  and routed to her" net_route
done
dial_end
check "she hangs up: nothing is routed" wait_for not net_route
check "bob gets his address now" bob_gets free $OTHER
check "nothing is left" wait_for eval '[ "$(counter leases) $(counter sessions)" = "0 0" ]'
check_eq "no route either" 0 "$(alone)"
rig_end
