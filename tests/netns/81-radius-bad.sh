#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# RAD-01 to RAD-04: a RADIUS server that answers wrongly, twice, late or not at all, or
# whose replies are malformed, lets nobody in; 500 logins at once are all answered by a
# slow one; a session that is up sees nothing of it.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../radius.sh"

rig_begin "RADIUS: a server that is not to be trusted"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-radius"
must test -x "$build/culvert-dial"

must dial_network
must addr in i0 198.51.100.3/24
for a in 2 3; do
	must start_ns in bad$a python3 "$top/tests/radius/bad.py" 198.51.100.$a "$RADIUS_SECRET"
	must wait_for grep -q ready "$rig_dir/bad$a.log"
done
must mkdir -p "$rig_dir/run"
(umask 077 && server_users >"$rig_dir/run/users")
{
	radius_auth 'timeout 2
max-tries 1
max-failovers 0
dead-time 0'
	radius_auth 'timeout 2
max-tries 1' 198.51.100.3 | sed "s/ RADIUS type radius {/ LAX type radius {\nusername-suffix \"@lax\"\nstrip-atmark-realm yes/
		s/^address.*/& message-authenticator no/"
	for name in PATIENT QUIET; do
		radius_auth 'timeout 40
max-tries 1' | sed "s/ RADIUS type radius {/ $name type radius {\nusername-suffix \"@${name,,}\"\nstrip-atmark-realm yes/"
	done
} >"$rig_dir/auth"
must dial_server 3.250 20 "s/mschapv2/pap mschapv2/; s/to pppx0/to tun0/; s/pppx0 address/tun0 address/
	s/by LOCAL/by LAX PATIENT QUIET LOCAL RADIUS/
	\$r $rig_dir/auth"
echo x >"$rig_dir/x"

# login USER: in the background, by PAP, output in login-USER.log.
login()
{
	dial_start "login-$1" -u "$1" -p "@$rig_dir/x" --auth pap --from 198.18.0.$((10 + ${#logins[@]} / 2)) --hold 1 --timeout 20
	logins+=("$1" "$started")
}
let_in() { [ "$(got "login-$1" ok)" = 1 ]; }
count() { echo "$(counter radius_$1)"; }

dial_start witness --from 198.18.9.9 --ping 50 --hold 120
check "a witness is up" wait_for grep -q 'session up user="alice"' "$rig_dir/culvertd.log"

bad="no-ma wrong-ma zero-ma short-ma two-ma wrong-auth wrong-secret wrong-id wrong-code wrong-port reject-accept
	short long len-short len-long attr-0 attr-1 attr-over type-0
	vsa-3 vsa-sub-1 vsa-sub-over ms-empty ip-3 ip-two ip-loop mask timeout-3 service framed filter mppe-one mppe-odd
	esc challenge silent"
good="good last padded accept-twice no-ma@lax good@lax"
logins=()
for u in $bad $good wrong-ma@lax; do
	login $u
done
for ((i = 1; i < ${#logins[@]}; i += 2)); do
	wait "${logins[i]}"
done
for u in $good; do
	check "$u: let in" let_in $u
done
for u in $bad wrong-ma@lax; do
	check "$u: not let in" not let_in $u
done
check "the log says RADIUS timeout" logged 'realm=RADIUS from=198.18.0'
check "  in these words" logged 'reason="RADIUS timeout"'
check "a malformed attribute is named" logged 'reason="RADIUS reply: Framed-IP-Address"'
check_eq "four replies were late, doubled, or to nothing that was asked" 4 "$(count late)"
check_eq "one has no signature" 1 "$(count unsigned)"
check "those that are forged are counted" test "$(count forged)" -ge 7
check "those that are malformed are counted" test "$(count malformed)" -ge 7
check_eq "every request is signed, in its first attribute" 0 "$(grep -c UNSIGNED "$rig_dir/bad2.log")"
check "escapes do not reach the log" not grep -q "$(printf '\033')" "$rig_dir/culvertd.log"

# Whoever else reaches the loopback interface is not relayed.
before="$(grep -c . "$rig_dir/bad2.log")"
port=$(ns srv ss -Hulnp 'src 127.0.0.1' | awk '/culvert-radius/ { sub(/.*:/, "", $4); print $4; exit }')
for ((i = 0; i < 50; i++)); do
	head -c $((20 + i * 7)) /dev/urandom | ns srv python3 -c '
import socket, sys
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(sys.stdin.buffer.read(), ("127.0.0.1", int(sys.argv[1])))' "$port"
done
check "what strangers send to the relay is counted" wait_for eval '[ "$(count strange)" -ge 50 ]'
check_eq "and goes nowhere" "$before" "$(grep -c . "$rig_dir/bad2.log")"

# A server that takes five seconds for each, and 500 who come at once.
dial_start crowd -u slow-5@patient -p "@$rig_dir/x" --auth pap --from $PREFIX -n 500 -w 500 --hold 1 --timeout 60
check "500 logins at once, a slow server" wait_for grep -q '^result ' "$rig_dir/crowd.log"
check_eq "  all of them are answered" 500 "$(got crowd up)"
note "$(grep '^result ' "$rig_dir/crowd.log")"

kill -TERM $(ip netns pids "$(nsname cli)") 2>/dev/null
check "the witness ends" wait_for grep -q '^result ' "$rig_dir/witness.log"
check_eq "the witness lost no ping" 0 "$(got witness pings_lost)"
check_eq "nothing is left over" "0 0 0" "$(counter radius_busy) $(counter radius_waiting) $(counter radius_asked)"

# More who wait for a silent server than RADIUS has places for: another authentication's logins do not.
dial_start quiet -u silent@quiet -p "@$rig_dir/x" --auth pap --from 198.18.128.0/17 -n 600 -w 600 --hold 1 --timeout 60
check "600 logins at a silent server" wait_for eval '[ $(($(counter radius_busy) + $(counter radius_waiting))) = 600 ]'
rm -f "$rig_dir/login-last.log"
login last
check "  keep nobody waiting who has another server" wait_for let_in last
check "  while they wait" test $(($(counter radius_busy) + $(counter radius_waiting))) = 600
rig_end
