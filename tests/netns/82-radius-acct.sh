#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Accounting with FreeRADIUS: rows against the bytes that were really moved, causes, On
# and Off, Class; an accounting server that is away and comes back; each process killed,
# and the whole server, with sessions up.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../radius.sh"

rig_begin "RADIUS accounting"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-radius"
must test -x "$build/culvert-dial"
command -v freeradius >/dev/null || rig_skip_all "needs freeradius"

SECOND=198.51.100.3
WORDS='pass "word" 9'
must dial_network
must addr in i0 $SECOND/24
must web_start
users()
{
	echo "brief Cleartext-Password := '$WORDS'
	Session-Timeout = 3, Class = 0x627269656620636c617373, Class += 0x74776f
talker Cleartext-Password := '$WORDS'
	Acct-Interim-Interval = 1
DEFAULT Cleartext-Password := '$WORDS'"
}
# Two servers: one for logins, the other for accounting.
for r in "one $INSIDE" "two $SECOND"; do
	users | must radius_conf $r
	must radius_start ${r% *}
	eval "${r% *}=\$started"
done
detail=$rig_dir/two/detail

must mkdir -p "$rig_dir/run"
radius_auth "timeout 1
max-tries 2" >"$rig_dir/auth"
sed -i '$d' "$rig_dir/auth"
printf 'accounting-server {\naddress %s secret %s\ntimeout 1\nmax-tries 2\ndead-time 2\n}\n}\n' $SECOND "'$RADIUS_SECRET'" >>"$rig_dir/auth"
must dial_server 3.250 20 "s/to pppx0/to tun0/; s/pppx0 address/tun0 address/; s/by LOCAL/by RADIUS/
	/authentication LOCAL/,/}/d
	\$r $rig_dir/auth"
printf '%s' "$WORDS" >"$rig_dir/words"

login()
{
	local tag=$1 user=$2
	shift 2
	dial "$tag" -u "$user" -p "@$rig_dir/words" --from 198.18.0.7 "$@"
}
role_pid() { pgrep -P "$server_pid" -f "$1" | head -n 1; }
# records TYPE USER: how many; field TYPE USER NAME: of the last one.
records() { awk -v RS= -v t="Acct-Status-Type = $1" -v u="User-Name = \"$2\"" 'index($0, t) && index($0, u) { n++ } END { print n + 0 }' "$detail"; }
field()
{
	awk -v RS= -v t="Acct-Status-Type = $1" -v u="User-Name = \"$2\"" 'index($0, t) && index($0, u) { r = $0 } END { print r }' "$detail" |
		sed -n "s/^\t$3 = //p" | tr -d '"' | head -n 1
}
has() { [ "$(records "$1" "$2")" -ge "${3:-1}" ]; }
all_told() { [ "$(counter acct_waiting)" = 0 ]; }

check "Accounting-On" wait_for grep -q 'Acct-Status-Type = Accounting-On' "$detail"

dial_start roy -u roy -p "@$rig_dir/words" --from 198.18.0.8 --tun vpn0
check "roy is up" wait_for eval 'ip -n "$(nsname cli)" -o link show dev vpn0 | grep -q UP'
check "Start" wait_for has Start roy
for f in Acct-Session-Id NAS-Port Framed-IP-Address Calling-Station-Id Event-Timestamp Acct-Delay-Time Tunnel-Type:0 NAS-Identifier \
	NAS-IP-Address; do
	check "  has $f" test -n "$(field Start roy "$f")"
done
must ip -n "$(nsname cli)" route add $INSIDE dev vpn0
check_eq "20 MB came down whole" "$web_sum" "$(ns cli curl -sf -m 60 http://$INSIDE:8080/file | sha256sum | cut -d' ' -f1)"
row=$(ctl -n session all | awk '/Input Bytes/ { i = $4 } /Output Bytes/ { o = $4 } END { print i, o }')
kill -TERM "$(ip netns pids "$(nsname cli)" | head -n 1)"
check "Stop" wait_for has Stop roy
check_eq "  with the bytes of the session table" "$row" "$(field Stop roy Acct-Input-Octets) $(field Stop roy Acct-Output-Octets)"
check "  which are those that were moved" test "$(field Stop roy Acct-Output-Octets)" -gt 20000000
check_eq "  User-Request" User-Request "$(field Stop roy Acct-Terminate-Cause)"
check_eq "  of the same session" "$(field Start roy Acct-Session-Id)" "$(field Stop roy Acct-Session-Id)"

login brief brief --hold 60
check "Session-Timeout: its Stop" wait_for has Stop brief
check_eq "  says so" Session-Timeout "$(field Stop brief Acct-Terminate-Cause)"
check_eq "  with both Classes" 2 "$(awk -v RS= '/= Stop/ && /"brief"/' "$detail" | grep -c '	Class = ')"
check "  after three seconds" test "$(field Stop brief Acct-Session-Time)" -ge 3

dial_start gone -u gone -p "@$rig_dir/words" --from 198.18.0.9 --hold 60
check "gone is up" wait_for has Start gone
ctl clear username gone >/dev/null
check "cleared: its Stop" wait_for has Stop gone
check_eq "  says so" Admin-Reset "$(field Stop gone Acct-Terminate-Cause)"

# RFC 2869 2.1: a minute is the least.
if [ -n "${FULL:-}" ]; then
	check "talker, more than a minute" login talker talker --ping 100 --hold 75
	check "  has an Interim" has Interim-Update talker
	check "  with what it moved until then" test "$(field Interim-Update talker Acct-Input-Packets)" -gt 100
	check "  and not more than one" not has Interim-Update talker 2
fi

# The accounting server is away for a while.
rig_kill KILL $two
dial_start away -u away -p "@$rig_dir/words" --from 198.18.0.10 --hold 2
check "the log says that records wait" wait_for logged "no accounting server of RADIUS answers: records wait in the spool"
check "a session begins and ends meanwhile" wait_for grep -q '^result ' "$rig_dir/away.log"
check_eq "  and came in" 1 "$(got away ok)"
kill -KILL "$(role_pid 'culvertd -P manager')"
check "the manager is killed meanwhile" wait_for grep -q 'manager is back' "$rig_dir/culvertd.log"
must radius_start two
two=$started
check "it is back: Start and Stop" wait_for eval 'has Start away && has Stop away'
check "  some time ago" test "$(field Stop away Acct-Delay-Time)" -ge 1
check "  nothing waits any more" wait_for all_told

# Killed with a session up: the session goes on, and ends once.
dial_start stays -u stays -p "@$rig_dir/words" --from 198.18.0.11 --ping 100 --hold 60
check "stays is up" wait_for has Start stays
for role in 'culvertd -P manager' culvert-radius; do
	name=$(sed 's/.* //; s/culvert-//' <<<"$role")
	backs=$(grep -c "$name is back" "$rig_dir/culvertd.log")
	kill -KILL "$(role_pid "$role")"
	check "$role is killed" wait_for eval '[ "$(grep -c "$name is back" "$rig_dir/culvertd.log")" -gt "$backs" ]'
done
check "  it is there all the same" wait_for eval 'ctl session brief | grep -q stays'
ctl clear username stays >/dev/null
check "it has its Stop" wait_for has Stop stays
check_eq "  one" "1 1" "$(records Start stays) $(records Stop stays)"
check_eq "  of the same session" "$(field Start stays Acct-Session-Id)" "$(field Stop stays Acct-Session-Id)"
check_eq "  for the right reason" Admin-Reset "$(field Stop stays Acct-Terminate-Cause)"

# An engine dies: what its sessions moved is told.
dial_start lost -u lost -p "@$rig_dir/words" --from 198.18.0.12 --ping 50 --hold 60
check "lost is up" wait_for has Start lost
sleep 1
for e in 0 1; do kill -KILL "$(role_pid "culvertd -P engine -I $e")"; done
check "its engine is killed: its Stop" wait_for has Stop lost
check_eq "  says so" NAS-Error "$(field Stop lost Acct-Terminate-Cause)"
check "  with what it moved" test "$(field Stop lost Acct-Input-Octets)" -gt 300
check "the engines are back" wait_for eval 'grep -q "engine0 is back" "$rig_dir/culvertd.log" && grep -q "engine1 is back" "$rig_dir/culvertd.log"'

# Everything dies, and is started again.
dial_start crash -u crash -p "@$rig_dir/words" --from 198.18.0.13 --ping 50 --hold 60
check "crash is up" wait_for has Start crash
wait_for all_told
ons=$(grep -c Accounting-On "$detail")
kill -KILL $server_pid
must wait_for eval '[ -z "$(ip netns pids "$(nsname srv)")" ]'
must server_start
check "the server was killed and started again: a Stop" wait_for has Stop crash
check_eq "  says so" NAS-Reboot "$(field Stop crash Acct-Terminate-Cause)"
check_eq "  of the same session" "$(field Start crash Acct-Session-Id)" "$(field Stop crash Acct-Session-Id)"
on_again() { [ "$(grep -c Accounting-On "$detail")" -gt "$ons" ]; }
check "  and an Accounting-On" wait_for on_again

dial_start last -u last -p "@$rig_dir/words" --from 198.18.0.14 --hold 60
check "last is up" wait_for has Start last
rig_kill TERM $server_pid
check "the server ends: its Stop" wait_for has Stop last
check_eq "  says so" Admin-Reboot "$(field Stop last Acct-Terminate-Cause)"
check "  and an Accounting-Off" wait_for grep -q 'Acct-Status-Type = Accounting-Off' "$detail"
ids=$(sed -n 's/^\tAcct-Session-Id = //p' "$detail" | sort | uniq -c | awk '$1 > 2' | wc -l)
check_eq "no two sessions have one Acct-Session-Id" 0 "$ids"
check "the spool can be read by nobody else" test "$(stat -c %a "$server_run/accounting")" = 600
rig_end
