#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Accounting against what iperf3 really moved, of sessions by L2TP and by XAuth: octets
# and packets are those of the IP packets inside the tunnel, headers and all, without PPP, L2TP and ESP.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../radius.sh"

rig_begin "RADIUS accounting of bytes, by L2TP and by XAuth"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-radius"
must test -x "$build/culvert-dial"
command -v freeradius >/dev/null || rig_skip_all "needs freeradius"
command -v iperf3 >/dev/null || rig_skip_all "needs iperf3"

must dial_network
printf '%s\n' "DEFAULT Cleartext-Password := \"$(password_of alice)\"" '	Acct-Interim-Interval = 60' | must radius_conf one $INSIDE
must radius_start one
detail=$rig_dir/one/detail
must mkdir -p "$rig_dir/run"
radius_auth "" | sed '$d' >"$rig_dir/auth"
printf 'accounting-server {\naddress %s secret %s\n}\n}\n' $INSIDE "'$RADIUS_SECRET'" >>"$rig_dir/auth"
must dial_server 0.99 20 "s/to pppx0/to tun0/; s/pppx0 address/tun0 address/; s/by LOCAL/by RADIUS/
	s/esp transport from any to any/esp tunnel from any to any xauth/
	/authentication LOCAL/,/}/d
	\$r $rig_dir/auth"

# records TYPE USER: how many; field TYPE USER NAME: of the last one.
records() { awk -v RS= -v t="Acct-Status-Type = $1" -v u="User-Name = \"$2\"" 'index($0, t) && index($0, u) { n++ } END { print n + 0 }' "$detail"; }
field()
{
	awk -v RS= -v t="Acct-Status-Type = $1" -v u="User-Name = \"$2\"" 'index($0, t) && index($0, u) { r = $0 } END { print r }' "$detail" |
		sed -n "s/^\t$3 = //p" | tr -d '"' | head -n 1
}
has() { [ "$(records "$1" "$2")" -ge "${3:-1}" ]; }

COUNT=4000 LENGTH=1200		# datagrams
IP=$((LENGTH + 28))
# What else passes: iperf3's control connection, by TCP.
CONTROL=60000 CONTROL_PACKETS=400
# iperf up|down: COUNT datagrams; "SENT RECEIVED" to $rig_dir/iperf.up, .down
iperf()
{
	start_ns in iperf-server iperf3 -s -1 -B $INSIDE
	wait_for ns in sh -c 'ss -Hltn | grep -q :5201' || return 1
	ns cli timeout 60 iperf3 -c $INSIDE -u -b 40M -l $LENGTH -k $COUNT --json $([ $1 = up ] || echo -R) >"$rig_dir/iperf.json" || return 1
	python3 - "$rig_dir/iperf.json" >"$rig_dir/iperf.$1" <<-'END'
	import json, sys
	end = json.load(open(sys.argv[1]))["end"]["sum"]
	print(end["packets"], end["packets"] - end["lost_packets"])
	END
}
# within LABEL GOT EACH SENT RECEIVED REST: all that arrived is counted, and no more than was sent.
within()
{
	check "$1: $2 for $5 received and $4 sent" test "$2" -ge $(($5 * $3)) -a "$2" -le $(($4 * $3 + $6))
}

# client NAME OPTION…
client()
{
	local user=$1 pid up_sent up_got down_sent down_got
	shift
	dial_start $user -u $user --from 198.18.0.7 --tun vpn0 "$@"
	pid=$started
	check "$user is up" wait_for eval 'ip -n "$(nsname cli)" -o link show dev vpn0 | grep -q UP' || return
	check "$user: Start" wait_for has Start $user
	check "  with his address" test "$(field Start $user Framed-IP-Address)" = \
		"$(ip -n "$(nsname cli)" -o -4 addr show dev vpn0 | awk '{ print $4 }' | cut -d/ -f1)"
	check "  and where he comes from" grep -q '^198\.18\.0\.7' <<<"$(field Start $user Calling-Station-Id)"
	must ip -n "$(nsname cli)" route add $INSIDE dev vpn0
	check "$user: iperf3 up" iperf up
	check "$user: iperf3 down" iperf down
	if [ -n "${FULL:-}" ]; then
		check "$user: an Interim, after a minute" eval 'RIG_WAIT=90 wait_for has Interim-Update $user'
		check "  with what he moved until then" test "$(field Interim-Update $user Acct-Input-Octets)" -ge $((COUNT * IP / 2))
	fi
	kill -TERM $pid
	check "$user: Stop" wait_for has Stop $user
	read -r up_sent up_got <"$rig_dir/iperf.up"
	read -r down_sent down_got <"$rig_dir/iperf.down"
	within "  input octets" "$(field Stop $user Acct-Input-Octets)" $IP $up_sent $up_got $CONTROL
	within "  input packets" "$(field Stop $user Acct-Input-Packets)" 1 $up_sent $up_got $CONTROL_PACKETS
	within "  output octets" "$(field Stop $user Acct-Output-Octets)" $IP $down_sent $down_got $CONTROL
	within "  output packets" "$(field Stop $user Acct-Output-Packets)" 1 $down_sent $down_got $CONTROL_PACKETS
	wait_for not rig_alive $pid
	check_eq "  which is what the client counts" "$(got $user ip_out_bytes) $(got $user ip_out) $(got $user ip_in_bytes) $(got $user ip_in)" \
		"$(field Stop $user Acct-Input-Octets) $(field Stop $user Acct-Input-Packets) $(
		)$(field Stop $user Acct-Output-Octets) $(field Stop $user Acct-Output-Packets)"
	check_eq "  User-Request" User-Request "$(field Stop $user Acct-Terminate-Cause)"
	check_eq "  of the same session" "$(field Start $user Acct-Session-Id)" "$(field Stop $user Acct-Session-Id)"
	check "  of its time" test "$(field Stop $user Acct-Session-Time)" -ge 1
}

client by-l2tp
client by-xauth --xauth
check_eq "one Start and one Stop each" "1 1 1 1" \
	"$(records Start by-l2tp) $(records Stop by-l2tp) $(records Start by-xauth) $(records Stop by-xauth)"
check_eq "nothing waits any more" 0 "$(counter acct_waiting)"
rig_end
