#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# RFC 5176 with radclient: sessions that end by every key, alone and several, timeouts that change
# under them, every refusal; RAD-05: what is forged, old, sent again or a stranger's does
# nothing; other addresses, clients and secrets by a reload; processes killed.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../radius.sh"

rig_begin "RADIUS: Disconnect and Change of Authorization"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-radius"
must test -x "$build/culvert-dial"
command -v freeradius >/dev/null || rig_skip_all "needs freeradius"
command -v radclient >/dev/null || rig_skip_all "needs freeradius-utils"

PLAIN=198.51.100.3		# a client that neither signs nor dates
STRANGER=198.51.100.4
WORDS='pass "word" 9'
SECRET='kiwi bottle "dae" 17'
must dial_network
must addr in i0 $PLAIN/24
must addr in i0 $STRANGER/24
must radius_conf one $INSIDE <<<"brief Cleartext-Password := '$WORDS'
	Session-Timeout = 6
DEFAULT Cleartext-Password := '$WORDS'"
must radius_start one
detail=$rig_dir/one/detail

must mkdir -p "$rig_dir/run"
printf '%s' "$WORDS" >"$rig_dir/words"
printf '%s\n' "$SECRET" >"$rig_dir/secret"
printf '%s\n' "another $SECRET" >"$rig_dir/secret2"
radius_auth "timeout 1
max-tries 2" >"$rig_dir/auth"
sed -i '$d' "$rig_dir/auth"
printf 'accounting-server {\naddress %s secret %s\ntimeout 1\n}\n}\n' $INSIDE "'$RADIUS_SECRET'" >>"$rig_dir/auth"
printf 'radius dae listen on %s\nradius dae client %s secret %s\n' $INNER $INSIDE "'$SECRET'" >>"$rig_dir/auth"
printf 'radius dae client %s secret %s message-authenticator no event-timestamp no\n' $PLAIN "'$SECRET'" >>"$rig_dir/auth"
must dial_server 3.250 20 "s/esp transport from any to any/esp tunnel from any to any xauth/
	s/to pppx0/to tun0/; s/pppx0 address/tun0 address/; s/by LOCAL/by LOCAL RADIUS/
	/nat on/a filter staff {\npass to any\n}
	1a radius nas-id \"vpn number 1\"
	\$r $rig_dir/auth"

# ask WHAT ATTRIBUTE…: radclient's words, from $INSIDE; ask_at PORT SECRETFILE WHAT …
ask_at()
{
	local port=$1 secret=$2 what=$3
	shift 3
	printf '%s\n' "$@" 'Message-Authenticator = 0x00' "Event-Timestamp = $(date +%s)" "Packet-Src-IP-Address = $INSIDE" |
		ns in radclient -x -r 3 -t 10 -S "$secret" $INNER:$port $what >"$rig_dir/said" 2>&1
	cat "$rig_dir/said" >>"$rig_dir/radclient.log"
}
ask() { ask_at 3799 "$rig_dir/secret" "$@"; }
acks() { ask "$@"; grep -qE 'Received (Disconnect|CoA)-ACK' "$rig_dir/said"; }
# naks CAUSE WHAT ATTRIBUTE…: with that Error-Cause, as radclient's dictionary has it.
naks()
{
	local cause=$1
	shift
	ask "$@"
	grep -qE 'Received (Disconnect|CoA)-NAK' "$rig_dir/said" && grep -q "Error-Cause = $cause" "$rig_dir/said"
}
# raw USER OPTION…: the code of the answer, of dae.py.
raw() { ns in python3 "$top/tests/radius/dae.py" $INNER 3799 "$rig_dir/secret" "$@"; }

from=10
# up USER OPTION…: a session of his, until it is ended.
up()
{
	local n
	n=$(ups "$1")
	from=$((from + 1))
	dial_start "$1-$from" -u "$1" -p "@$rig_dir/words" --from 198.18.0.$from --hold 100 "${@:2}"
	wait_for eval "[ \$(ups $1) -gt $n ]"
}
ups() { grep -c "session up user=\"$1\"" "$rig_dir/culvertd.log"; }
downs() { grep "session down user=\"$1\"" "$rig_dir/culvertd.log" | grep -c "${2-}"; }
there() { ctl session brief | grep -c "\<$1\>"; }
last_up() { grep "session up user=\"$1\"" "$rig_dir/culvertd.log" | tail -n 1 | sed -n "s/.* $2=\([^ ]*\).*/\1/p"; }
acct() { awk -v RS= -v t="Acct-Status-Type = $1" -v u="User-Name = \"$2\"" 'index($0, t) && index($0, u) { r = $0 } END { print r }' "$detail" | sed -n "s/^\t$3 = //p" | tr -d '"' | head -n 1; }
stopped() { [ -n "$(acct Stop "$1" Acct-Session-Id)" ]; }
role_pid() { pgrep -P "$server_pid" -f "$1" | head -n 1; }
killed()
{
	local name backs
	name=$(sed 's/.* //; s/culvert-//' <<<"$1")
	backs=$(grep -c "$name is back" "$rig_dir/culvertd.log")
	kill -KILL "$(role_pid "$1")"
	wait_for eval "[ \$(grep -c '$name is back' '$rig_dir/culvertd.log') -gt $backs ]"
}
ended_by_radius() { [ "$(downs "$1" 'reason="disconnected by RADIUS"')" = "$2" ]; }

# --- one by one, by every key; the ACK comes when the session is gone
key()
{
	case $1 in
	name) echo "User-Name = $2" ;;
	port) echo "NAS-Port = $(last_up $2 ppp_id)" ;;
	address) echo "Framed-IP-Address = $(last_up $2 ip)" ;;
	caller) echo "Calling-Station-Id = 198.18.0.$from" ;;
	number) echo "Calling-Station-Id = 0815" ;;
	id) wait_for eval "[ -n \"\$(acct Start $2 Acct-Session-Id)\" ]" && echo "Acct-Session-Id = $(acct Start $2 Acct-Session-Id)" ;;
	esac
}
for k in name port address caller number id; do
	check "user-$k is up" up user-$k $([ $k = number ] && echo --calling-number 0815)
	check "  Disconnect-Request by $k: ACK" acks disconnect "$(key $k user-$k)"
	check "  and it is gone by then" ended_by_radius user-$k 1
done
check "the log names who asked" grep -qE "dae client=$INSIDE:[0-9]+ disconnects user=\"user-name\" ppp_id=" "$rig_dir/culvertd.log"
check "the Stop" wait_for stopped user-name
check_eq "  says why" Admin-Reset "$(acct Stop user-name Acct-Terminate-Cause)"
check "  so does the ACK" grep -q 'Acct-Terminate-Cause = Admin-Reset' "$rig_dir/radclient.log"
check "anna is up by XAuth" up anna --xauth
check "  ended, by all there is of her" acks disconnect "User-Name = anna" "$(key port anna)" "$(key address anna)" "$(key id anna)" \
	'NAS-Identifier = "vpn number 1"' "NAS-IP-Address = $INNER" 'Class = 0x627965'
check "  and she is gone" ended_by_radius anna 1
check "  with the Class in her Stop" wait_for eval '[ "$(acct Stop anna Class)" = 0x627965 ]'
check "two are up" eval 'up twin && up twin'
check "  both end by their name" acks disconnect "User-Name = twin"
check "  and are gone" ended_by_radius twin 2

# --- who is not meant stays, and why
check "roy is up" up roy
check "alice is, of the users file" eval 'dial_start alice --from 198.18.0.9 --hold 100 && wait_for eval "[ \$(ups alice) = 1 ]"'
check "another port: no such session" naks Session-Context-Not-Found disconnect "User-Name = roy" "NAS-Port = 999999"
check "nobody's name: no such session" naks Session-Context-Not-Found disconnect "User-Name = ray"
check "alice is none of theirs" naks Administratively-Prohibited disconnect "User-Name = alice"
check "nobody is named" naks Missing-Attribute disconnect 'NAS-Identifier = "vpn number 1"'
check "a CoA that changes nothing" naks Missing-Attribute coa "User-Name = roy"
check "another server's name" naks NAS-Identification-Mismatch disconnect "User-Name = roy" "NAS-Identifier = other"
check "another server's address" naks NAS-Identification-Mismatch disconnect "User-Name = roy" "NAS-IP-Address = 192.0.2.99"
check "what is not known" naks Unsupported-Attribute disconnect "User-Name = roy" "Session-Timeout = 1"
check "  in a CoA: nothing of it is done" naks Unsupported-Attribute coa "User-Name = roy" "Session-Timeout = 1" "Framed-Pool = x"
check "a name without letters" naks Invalid-Request disconnect 'Attr-44 = 0x' "User-Name = roy" 'User-Name = roy'
check "another protocol" naks Invalid-Attribute-Value coa "User-Name = roy" "Framed-Protocol = SLIP" "Session-Timeout = 1"
check "Authorize Only" naks Unsupported-Service coa "User-Name = roy" "Service-Type = Authorize-Only" "State = 0x0102"
check "  and the State comes back" grep -qE 'State = 0x0102' <(sed '1,/NAK/d' "$rig_dir/said")
check "Proxy-States come back in order" eval 'naks Session-Context-Not-Found disconnect "User-Name = ray" "Proxy-State = 0x6f6e65" "Proxy-State = 0x74776f" &&
	[ "$(sed "1,/NAK/d" "$rig_dir/said" | grep -c "Proxy-State = 0x6f6e65\|Proxy-State = 0x74776f")" = 2 ]'
check_eq "roy and alice are there" "1 1" "$(there roy) $(there alice)"

# --- RAD-05
n=$(counter dae_requests)
check_eq "a forged authenticator: no answer" none "$(raw roy from=$INSIDE forge=authenticator wait=0.3)"
check_eq "a forged Message-Authenticator: none" none "$(raw roy from=$INSIDE forge=message wait=0.3)"
check_eq "no Message-Authenticator: none" none "$(raw roy from=$INSIDE without=message wait=0.3)"
check_eq "no Event-Timestamp: none" none "$(raw roy from=$INSIDE without=time wait=0.3)"
check_eq "a stranger: none" none "$(raw roy from=$STRANGER wait=0.3)"
check_eq "of an hour ago: none" none "$(raw roy from=$INSIDE age=3600 wait=0.3)"
check_eq "of an hour ahead: none" none "$(raw roy from=$INSIDE age=-3600 wait=0.3)"
check_eq "old, of the client that need not date: none" none "$(raw roy from=$PLAIN age=3600 wait=0.3)"
check_eq "each was counted, and none was a request" "2 1 1 1 3 0" "$(counter dae_forged) $(counter dae_unsigned) $(counter dae_undated) $(counter dae_strangers) $(counter dae_stale) $(($(counter dae_requests) - n))"
check "and the log says which" eval 'logged "has a wrong authenticator" && logged "has no Message-Authenticator" && logged "has no Event-Timestamp"'
check_eq "roy is there" 1 "$(there roy)"
check_eq "a good one: ACK" 41 "$(raw roy from=$INSIDE save="$rig_dir/good")"
check "  he is gone" ended_by_radius roy 1
check "he is up again" up roy
check_eq "the same packet again: the same answer" 41 "$(raw roy from=$INSIDE file="$rig_dir/good")"
check_eq "  from a stranger's address none" none "$(raw roy from=$STRANGER file="$rig_dir/good" wait=0.3)"
check_eq "  from another client's, with the same secret, the same" 41 "$(raw roy from=$PLAIN file="$rig_dir/good")"
check_eq "  and he stays" "1 1" "$(there roy) $(downs roy)"
check "it was one request" eval '[ "$(counter dae_duplicates)" = 2 ]'
check_eq "the client that need not sign: ACK" 41 "$(raw roy from=$PLAIN without=message)"

# --- changes
check "brief is up, for 6 s" up brief --ping 200
check "  for 600 by a CoA" acks coa "User-Name = brief" "Session-Timeout = 600"
check "tom is up by XAuth" up tom --xauth
check "  his time is over" acks coa "User-Name = tom" "Session-Timeout = 1"
check "  and he goes" wait_for eval '[ "$(downs tom "Session timeout")" = 1 ]'
check "ida is up" up ida
check "  idle for too long" acks coa "User-Name = ida" "Idle-Timeout = 1" "Acct-Interim-Interval = 600"
check "  and she goes" wait_for eval '[ "$(downs ida "Idle timeout")" = 1 ]'
check_eq "  as her Stop says" Idle-Timeout "$(wait_for stopped ida; acct Stop ida Acct-Terminate-Cause)"
check "fay is up" up fay
filter_of() { ns srv nft list table inet culvert | grep -A 9 "set host_$1 " | grep -cE "[^0-9.]$(last_up fay ip)([^0-9.]|$)"; }
netd=$(pgrep -P "$server_pid" -f 'culvertd -P netd')
kill -STOP "$netd"
(acks coa "User-Name = fay" "Filter-Id = staff"; echo $? >"$rig_dir/fay.acked") &
asked=$!
sleep 1
check "  into another filter: no answer while netd stands still" not test -e "$rig_dir/fay.acked"
kill -CONT "$netd"
wait "$asked"
check_eq "  ACK when it goes on" 0 "$(cat "$rig_dir/fay.acked")"
check "  and she is there" test "$(filter_of staff)" -ge 1
check "  one that is none: refused" naks Invalid-Attribute-Value coa "User-Name = fay" "Filter-Id = nobody" "Session-Timeout = 1"
check "  and nothing changed" eval '[ "$(there fay) $(filter_of staff)" = "1 1" ]'
limits() { ctl session all | grep -A 30 "Username *: $1\$" | sed -nE 's/^ *(In|Out)put Limit *: //p' | xargs; }
check "  other limits" acks coa "User-Name = fay" 'Mikrotik-Rate-Limit = "1M/2M"' "WISPr-Bandwidth-Max-Down = 512000"
check "  which she has" wait_for eval '[ "$(limits fay)" = "1000000 bit/s 512000 bit/s" ]'
check "  one of them gone" acks coa "User-Name = fay" "WISPr-Bandwidth-Max-Up = 0"
check "  and the other one there" wait_for eval '[ "$(limits fay)" = "512000 bit/s" ]'
check "max is up" up max --ping 200
check "  with other time and Class" acks coa "User-Name = max" "Session-Timeout = 7" "Class = 0x6e6577" "Service-Type = Framed-User"
check "the manager is killed" killed 'culvertd -P manager'
check "  max goes when it is time" wait_for eval '[ "$(downs max "Session timeout")" = 1 ]'
check "  with the Class in his Stop" wait_for eval '[ "$(acct Stop max Class)" = 0x6e6577 ]'
check "  after 7 seconds, not one" test "$(acct Stop max Acct-Session-Time)" -ge 7
check "brief has been here for longer than 6" eval '[ "$(there brief)" = 1 ] && [ "$(downs brief)" = 0 ]'
check "  whom the new manager knows by the old id" acks disconnect "$(key id brief)" "Calling-Station-Id = $(acct Start brief Calling-Station-Id)"

# --- a reload
check "rita is up" up rita --ping 200 --max-outage 3000
check_eq "a request, kept for later" 42 "$(raw nobody from=$INSIDE save="$rig_dir/early")"
sed -i "s/^radius dae listen .*/radius dae listen on 0.0.0.0\nradius dae listen on 0.0.0.0 port 1700/
	s/^radius dae client $INSIDE .*/radius dae client $INSIDE secret 'another $SECRET'/" "$server_run/conf"
check "reload: other addresses, another secret" eval 'ctl reload >"$rig_dir/report" 2>&1'
check "  says so" grep -qF 'changed: radius dae: listen on 198.51.100.1 port 3799 -> 0.0.0.0 port 3799, 0.0.0.0 port 1700' "$rig_dir/report"
check "  and shows no secret" not grep -qF kiwi "$rig_dir/report"
check_eq "the old secret: no answer" none "$(raw rita from=$INSIDE wait=0.3)"
ask_at 1700 "$rig_dir/secret2" disconnect "User-Name = nobody"
check "the new one, at the new port" grep -q 'Received Disconnect-NAK' "$rig_dir/said"
ask_at 3799 "$rig_dir/secret2" coa "User-Name = rita" "Session-Timeout = 900"
check "  and at the old one" grep -q 'Received CoA-ACK' "$rig_dir/said"
start_ns srv squatter python3 -c 'import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 1701)); print("bound", flush=True); time.sleep(100)'
must wait_for grep -q bound "$rig_dir/squatter.log"
sed -i "s/port 1700/port 1701/" "$server_run/conf"
check "a port that is taken: refused" not eval 'ctl reload >"$rig_dir/report" 2>&1'
check "  and said" grep -q 'radius dae listen on 0.0.0.0:1701: Address already in use' "$rig_dir/report"
ask_at 1700 "$rig_dir/secret2" disconnect "User-Name = nobody"
check "  nothing has changed" grep -q 'Received Disconnect-NAK' "$rig_dir/said"
check "culvert-radius is killed" killed culvert-radius
check_eq "  what its predecessor may have seen: no answer" none "$(raw nobody from=$PLAIN file="$rig_dir/early" wait=0.3)"
ask_at 1700 "$rig_dir/secret2" disconnect "User-Name = rita"
check "  rita is ended" grep -q 'Received Disconnect-ACK' "$rig_dir/said"
check "  by all of it only now" ended_by_radius rita 1
sed -i "/^radius dae /d" "$server_run/conf"
check "reload: off" eval 'ctl reload >"$rig_dir/report" 2>&1'
check "  no socket is left" eval '! ns srv ss -Huln | grep -qE ":(3799|1700)\>"'
check_eq "alice was here all the time" "1 0" "$(there alice) $(downs alice)"
check "no secret is in the log" not grep -qF -e kiwi -e "$WORDS" "$rig_dir/culvertd.log"
check_eq "nothing waits" 0 "$(counter dae_waiting)"
rig_end
