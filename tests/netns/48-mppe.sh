#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# MPPE between our server and culvert-dial: required, with state and without,
# real traffic through it, on a wire that loses, with keys from MS-CHAPv2 and
# from EAP; and who has it not.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "PPP encrypts, too"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

must dial_network
must web_start
must dial_server 3.250 2 's/mschapv2/mschapv2 eap chap eap-md5\n\tmppe required/'

down()
{
	ns cli curl -sf -m 60 http://$INSIDE:8080/file | sha256sum | cut -d' ' -f1
}

dial_end()
{
	kill -TERM "$(ip netns pids "$(nsname cli)" | head -n 1)"
	wait_for not rig_alive "$started"
}

check_eq "a warning says that it is the second encryption" 1 "$(grep -c 'mppe does it a second time' "$rig_dir/culvertd.log")"

# Session 0's way and the server's.
for kind in 128,stateless 128,stateful 56,stateless 40,stateful; do
	tag=mppe-$kind
	want=$(sed 's/,/bits,/' <<<$kind)
	dial_start $tag --tun vpn0 --time --mppe required,$kind
	check "$kind: up" wait_for grep -q ' up ' "$rig_dir/$tag.log"
	check_eq "$kind: agreed on" "in=$want out=$want" "$(sed -n 's/.* mppe //p' "$rig_dir/$tag.log")"
	wait_for eval 'ip -n "$(nsname cli)" -o link show dev vpn0 | grep -q UP'
	ip -n "$(nsname cli)" route add $INSIDE dev vpn0
	check_eq "$kind: four octets less than without" 1356 "$(ns cli cat /sys/class/net/vpn0/mtu)"
	check_eq "$kind: and at the server" 1356 "$(ns srv cat "/sys/class/net/$(ns srv ls /sys/class/net | grep -m 1 '^ppp')/mtu")"
	check "$kind: packets pass" ns cli ping -c 3 -i 0.2 -W 5 $INSIDE
	check_eq "$kind: 20 MB came down whole" "$web_sum" "$(down)"
	check "$kind: hangs up" dial_end
	check_eq "$kind: all went well" 1 "$(got $tag ok)"
done
check_eq "nothing was in the clear, and nothing could not be read" "0 0" "$(counter mppe_clear) $(counter mppe_bad)"

check "100 at once" dial many --from $PREFIX -n 100 --ping 100 --hold 3 --mppe required
check_eq "no ping was lost" 0 "$(got many pings_lost)"

check "keys from EAP" dial eap --from $PREFIX -n 10 --ping 100 --hold 2 --auth eap --mppe required
check_eq "no ping was lost" 0 "$(got eap pings_lost)"

# Some are lost; those that follow are read all the same.
for kind in stateless stateful; do
	check "$kind, 5 % lost: it stays up" dial loss-$kind --loss 5 --ping 20 --hold 10 --seed 5 --mppe required,$kind
	note "$kind: $(got loss-$kind pings) pings, $(got loss-$kind pings_lost) lost"
	check "most of what was sent came back" test $((2 * $(got loss-$kind pings_lost))) -lt "$(got loss-$kind pings)"
done
check "with state the peer was asked to begin anew" test "$(counter mppe_lost)" -ge 1

check "without MPPE there is no session" eval '! dial none --timeout 20'
check "nor with chap, which is not offered" eval '! dial chap --timeout 20 --auth chap --mppe required'
check "nor by MD5 inside EAP" eval '! dial md5 --timeout 20 --auth eap-md5 --mppe required'
check "a wrong password by EAP" eval '! dial wrong --timeout 20 --auth eap --mppe required --wrong-password'
check_eq "is told as one" 1 "$(grep -c 'login failed .*wrong name or password' "$rig_dir/culvertd.log")"
check_eq "the log says why" 1 "$(grep -c 'reason="MPPE\|reason="no answer to CCP' "$rig_dir/culvertd.log" | sed 's/^[1-9].*/1/')"

rig_end
