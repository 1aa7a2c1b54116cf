#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# interface tun0: one TUN per engine for all sessions, each of them a route.
# One session with real traffic, 500 logins, then 2,000 held,
# the same over the death of netd, manager and an engine, and what it costs.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154,SC2206
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

HELD=2000

rig_begin "one device per engine, a route per session"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

must dial_network
must web_start
must ns srv ethtool -K in0 gro off
must dial_server 63.250 20 's/pppx0/tun0/'
check_eq "it says that the uplink handles every packet by itself, and what helps" 1 \
	"$(grep -c 'if=in0 gro is off: .*: ethtool -K in0 gro on$' "$rig_dir/culvertd.log")"
check_eq "and nothing of UDP, which is worth nothing without GRO" 0 "$(grep -c 'rx-udp-gro-forwarding' "$rig_dir/culvertd.log")"
check_eq "and nothing of what is on" 0 "$(grep -c 'gso is off' "$rig_dir/culvertd.log")"

# dial_end: the one in the background hangs up.
dial_end()
{
	kill -TERM "$(ip netns pids "$(nsname cli)" | head -n 1)"
	wait_for not rig_alive "$started"
}

# routes DEVICE: how many sessions are behind it.
routes()
{
	ip -n "$(nsname srv)" route show dev "$1" | wc -l
}

all_routes()
{
	echo $(($(routes tun0) + $(routes tun0-1)))
}

rows()
{
	ctl -n session brief | grep -c alice
}

# state: of what N sessions hold, on one line; state_of N is what it should be.
state()
{
	echo "rows=$(rows) routes=$(all_routes) netd=$(counter routes) leases=$(counter leases)" \
		"split=$(engine_sessions 0)+$(engine_sessions 1)=$(routes tun0)+$(routes tun0-1)" \
		"devices=$(ip -n "$(nsname srv)" -o link | grep -cE ': (tun|pppx)')"
}

state_is()
{
	local a b want now
	a=$(engine_sessions 0) b=$(engine_sessions 1)
	want="rows=$1 routes=$1 netd=$1 leases=$1 split=$a+$b=$a+$b devices=2"
	now=$(state)
	if [ "$now" != "$want" ] || [ $((a + b)) != "$1" ]; then
		echo "wanted: $want"
		echo "got:    $now"
		return 1
	fi
}

up_is()
{
	[ "$(ctl status | awk '$1 ~ /^engine/ && $2 == "sessions" { n += $3 } END { print n + 0 }')" = "$1" ]
}

# child ROLE [INDEX]: its pid.
child()
{
	pgrep -P "$server_pid" -f "culvertd -P $1 -I ${2:-0}" | head -n 1
}

# pss, cpu_ms: of all processes of the server.
pss()
{
	local p
	for p in $server_pid $(pgrep -P "$server_pid"); do
		awk '/^Pss:/ { print $2 }' "/proc/$p/smaps_rollup"
	done | awk '{ n += $1 } END { print n }'
}

cpu_ms()
{
	local p
	for p in $server_pid $(pgrep -P "$server_pid"); do
		sed 's/.*) //' "/proc/$p/stat"
	done | awk -v hz="$(getconf CLK_TCK)" '{ n += $12 + $13 } END { printf "%d\n", n * 1000 / hz }'
}

# pss_each: each process, on one line.
pss_each()
{
	local p
	for p in $server_pid $(pgrep -P "$server_pid"); do
		echo "$(tr '\0' ' ' <"/proc/$p/cmdline" | sed -E 's,^[^ ]*/,,; s/ -d.*//') $(awk '/^Pss:/ { print $2 "K" }' "/proc/$p/smaps_rollup")"
	done | paste -sd, | sed 's/,/, /g'
}

# --- the devices --------------------------------------------------------------

check "each engine has a device, and nobody a route" wait_for state_is 0
for dev in tun0 tun0-1; do
	check_eq "$dev: our address, no peer, the tunnel's MTU" "$POOL.1/32 1360" \
		"$(ip -n "$(nsname srv)" -o addr show dev $dev | awk '/inet/ { print $4 }' | xargs) $(ns srv cat /sys/class/net/$dev/mtu)"
done

# --- real traffic -----------------------------------------------------------------

dial_start tun --tun vpn0
check "one session with a TUN" wait_for eval 'ip -n "$(nsname cli)" -o link show dev vpn0 | grep -q UP'
ip -n "$(nsname cli)" route add $INSIDE dev vpn0
check "it holds a route and no device" wait_for state_is 1
check "packets go through it" ns cli ping -c 3 -i 0.2 -W 5 $INSIDE
check "our end answers" ns cli ping -c 1 -W 5 -I vpn0 $POOL.1
check_eq "HTTP through it, 20 MB whole" "$web_sum" "$(ns cli curl -sf -m 60 http://$INSIDE:8080/file | sha256sum | cut -d" " -f1)"
check "it came in super-packets: $(counter tx_packets) packets, $(counter tun_reads) reads, $(counter tx_sends) sends" \
	test "$(counter tx_packets)" -gt $((4 * $(counter tun_reads))) -a "$(counter tx_packets)" -gt $((4 * $(counter tx_sends)))
check_eq "no header of the kernel's was wrong" 0 "$(counter tun_bad)"
# segments NAMESPACE ADDRESS: 30 datagrams from one send.
segments()
{
	ns "$1" python3 -c 'import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
data = b"".join(bytes([i]) * 1000 for i in range(30))
s.sendmsg([data], [(17, 103, struct.pack("H", 1000))], 0, (sys.argv[1], 4011))' "$2"
}
# segments_arrive NAMESPACE ADDRESS FROM: all of them, whole and in order.
segments_arrive()
{
	ns "$1" timeout 20 python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 4011))
open(sys.argv[2], "w").close()
sys.exit(any(s.recv(9999) != bytes([i]) * 1000 for i in range(30)))' "$2" "$rig_dir/listens" &
	started=$!
	wait_for test -e "$rig_dir/listens"
	rm "$rig_dir/listens"
	segments "$3" "$2"
	wait "$started"
}
address=$(ip -n "$(nsname cli)" -o -4 addr show dev vpn0 | sed 's,.*inet \([0-9.]*\).*,\1,')
check "a train of UDP to the client" segments_arrive cli "$address" srv
check "a train of UDP from the client" segments_arrive in $INSIDE cli
check_eq "still none" "0 0" "$(counter tun_bad) $(counter tun_full)"
check_eq "translated" $INNER "$(ns cli curl -sf -m 20 http://$INSIDE:8080/from)"
check "its listing shows the shared device" grep -qE '^tun0(-1)?$' <(ctl -n session all | awk '/Concentrated Interface/ { print $NF }')
ns srv ip route add $POOL.200/32 dev tun0
ns srv ping -c 1 -W 1 $POOL.200 >/dev/null
check_eq "a packet for nobody is counted" 1 "$(counter ip_nobody)"
ns srv ip route del $POOL.200/32 dev tun0
dial_end
check_eq "all went well" 1 "$(got tun ok)"
check "nothing is held" wait_for state_is 0

# --- 500 logins, one after another: up, and at once down ----------------------------

fresh=$(pss)
note "fresh: $(pss_each)"
cpu=$(cpu_ms) began=$(now_ms)
check "500 logins" dial logins -n 500 --from $PREFIX --timeout 120
grep -hE '^(result|datagrams)' "$rig_dir/logins.dial" | sed 's/^/# /'
note "500 logins in $(($(now_ms) - began)) ms, server CPU $(awk -v c=$(($(cpu_ms) - cpu)) 'BEGIN { printf "%.2f", c / 500 }') ms each"
check_eq "all of them" "500 0" "$(got logins up) $(got logins failed)"
check "nothing is held" wait_for state_is 0
check_eq "every one had a route" 501 "$(counter route_added)"
check_eq "none failed" 0 "$(counter route_failed)"

# --- held ------------------------------------------------------------------------

before=$(pss)
note "after 500 that are gone: $(pss_each)"
cpu=$(cpu_ms) began=$(now_ms)
dial_start held -n $HELD --from $PREFIX --hold 600 --timeout 200 --ping 5000
RIG_WAIT=200
check "$HELD come up" wait_for up_is $HELD
RIG_WAIT=60
note "$HELD logins in $(($(now_ms) - began)) ms, server CPU $(awk -v c=$(($(cpu_ms) - cpu)) -v n=$HELD 'BEGIN { printf "%.2f", c / n }') ms each"
check "$HELD routes, leases, rows, and each at its engine's device" wait_for state_is $HELD || state | sed 's/^/# /'
note "engine 0: $(routes tun0) sessions, engine 1: $(routes tun0-1)"
check "both engines have some" test "$(routes tun0)" -gt $((HELD / 5)) -a "$(routes tun0-1)" -gt $((HELD / 5))
check_eq "$HELD inside addresses" $HELD "$(ctl -n session brief | awk '/alice/ { print $2 }' | sort -u | wc -l)"
after=$(pss)
note "held: $(pss_each)"
note "memory per session: $(awk -v a="$after" -v b="$fresh" -v n=$HELD 'BEGIN { printf "%.1f", (a - b) / n }') KB (Pss of all processes), $((after - before)) KB more than after 500 that are gone"

# --- netd, manager, engine end under them -------------------------------------------

for what in netd manager; do
	pid=$(child $what)
	check "$what is killed" kill -KILL "$pid"
	check "$what is back" wait_for eval 'p=$(child $what); [ -n "$p" ] && [ "$p" != "$pid" ] && ctl status'
	check "$what: all $HELD stay" wait_for state_is $HELD || state | sed 's/^/# /'
done
# A session that is new to both.
check "a login after that" dial again --from 198.18.200.0/24 --ping 50 --hold 1 --max-outage 1000
check "$HELD are left" wait_for state_is $HELD
began_on_1=$(engine_sessions 1)
pid=$(child engine 0)
check "engine 0 is killed" kill -KILL "$pid"
check "only the other's $began_on_1 sessions are left" wait_for state_is "$began_on_1" || state | sed 's/^/# /'

dial_end
check "all hang up: nothing is held" wait_for state_is 0 || state | sed 's/^/# /'
check "a login at each engine" dial last -n 20 --from $PREFIX --ping 50 --hold 1 --max-outage 1000
check_eq "none lost a ping" "20 0" "$(got last up) $(got last pings_lost)"
check "nothing is held" wait_for state_is 0
ip -n "$(nsname srv)" link del tun0
check "somebody deletes a device: it is made anew, and serves" dial anew -n 20 --from $PREFIX --ping 50 --hold 1
check "nothing is held" wait_for state_is 0 || state | sed 's/^/# /'
kill -TERM "$server_pid"
check "the server ends" wait_for not rig_alive "$server_pid"
check "no device stays" eval '! ip -n "$(nsname srv)" -o link | grep -qE ": (tun|pppx)"'
rig_end
