#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every process is killed (SIGKILL) and hung (SIGSTOP) under traffic and while
# logins are on their way: the others go on, it comes back, nothing stays behind.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "any process can be killed at any moment"
must test -x "$build/culvertd"
must test -x "$build/culvert-dial"

must dial_network
must dial_server 1.250

# witness TAG ADDRESS: four clients behind it, pinging all the time; its pid in $started.
witness()
{
	dial_start "$1" -n 4 --from "$2/32" --ping 50 --target $INSIDE --hold 300 --time || return 1
	wait_for eval '[ "$(grep -c " up " "$rig_dir/'"$1"'.log")" = 4 ]'
}

# hang_up TAG PID: orderly, and wait for its report.
hang_up()
{
	local p
	for p in $(ip netns pids "$(nsname cli)"); do
		grep -qz -- "--from" /proc/$p/cmdline 2>/dev/null && tr '\0' ' ' </proc/$p/cmdline | grep -q -- "--from $3/32" && kill -TERM $p
	done
	wait_for not rig_alive "$2"
}

# child ROLE [INDEX]: the pid of a process of our server.
child()
{
	case $1 in
	iked | radius) pgrep -P "$server_pid" -f culvert-$1 ;;
	engine) pgrep -P "$server_pid" -f "culvertd -P engine -I $2" ;;
	*) pgrep -P "$server_pid" -f "culvertd -P $1 " ;;
	esac
}

# since LINE TEXT: the server's log has it after that line.
since()
{
	tail -n "+$(($1 + 1))" "$rig_dir/culvertd.log" | grep -qE -- "$2"
}

# all_back LINE NAME…: each of them, after that line.
all_back()
{
	local line=$1 n
	shift
	for n; do
		since "$line" "$n is back" || return 1
	done
}

none_alive()
{
	local p
	for p; do
		rig_alive "$p" && return 1
	done
	return 0
}

fds()
{
	find "/proc/$1/fd" -maxdepth 1 -type l 2>/dev/null | wc -l
}

before=$(all_held)
parent_fds=$(fds "$server_pid")

# --- two witnesses in two engines -------------------------------------------

a0= a1=
for i in $(seq 1 12); do
	dial_start where --from 198.18.1.$i/32 --hold 300
	check "198.18.1.$i" wait_for eval '[ "$(counter sessions)" -ge 1 ]'
	if [ "$(engine_sessions 0)" -gt 0 ]; then a0=198.18.1.$i; else a1=198.18.1.$i; fi
	kill -TERM "$started"
	wait_for all_held_is "$before"
	[ -n "$a0" ] && [ -n "$a1" ] && break
done
check "an address for each engine: $a0, $a1" test -n "$a0" -a -n "$a1"

# fault SIGNAL ROLE [INDEX]: what happens, and what must not.
fault()
{
	local sig=$1 role=$2 index=${3-} name=$2${3-} pid lines w0 w1 storm began
	must witness w0 $a0
	w0=$started
	must witness w1 $a1
	w1=$started
	pid=$(child $role $index)
	lines=$(wc -l <"$rig_dir/culvertd.log")
	# More logins at once than the server can do: in every phase when it happens.
	rm -f "$rig_dir/storm.log"
	dial_start storm -n 80 -r 400 --from 198.18.2.0/24 --timeout 40 --hold 1 --time
	storm=$started
	wait_for eval '[ "$(grep -c " up " "$rig_dir/storm.log")" -ge 10 ]'
	note "$(grep -c ' up ' "$rig_dir/storm.log") of 80 logins are through"
	began=$(now_ms)
	kill -$sig "$pid"
	check "SIG$sig $name: it is back" wait_for since $lines "$name is back"
	# A second is what we want; five times that is dead.
	[ $sig = STOP ] || check "and was soon" test $(($(now_ms) - began)) -lt 5000
	note "$(tail -n "+$((lines + 1))" "$rig_dir/culvertd.log" | grep -oE "$name is back after.*")"
	[ $sig = KILL ] || check "it was declared stuck" since $lines "$name has been stuck"
	check "culvertctl answers" wait_for eval 'ctl status >/dev/null'
	check "new logins work at once" dial again -n 4 --from 198.18.3.0/24 --timeout 20
	wait_for not rig_alive "$storm"
	case $role in
	engine | iked) note "logins on the way: $(got storm up) of 80 came up" ;;
	*) check_eq "logins on the way came through" "80 0" "$(got storm up) $(got storm failed)" ;;
	esac
	hang_up w0 $w0 $a0
	hang_up w1 $w1 $a1
	if [ $role = engine ]; then
		check "its sessions ended with their counters" since $lines 'session down user="alice".*in_bytes=[1-9].*its engine ended'
		check_eq "the other engine's clients lost nothing" "0 0" "$(got w$((1 - index)) pings_lost) $(got w$((1 - index)) lost)"
		check_eq "its own were told" 4 "$(got w$index lost)"
	else
		check_eq "nobody lost a packet" "0 0 0 0" "$(got w0 pings_lost) $(got w0 lost) $(got w1 pings_lost) $(got w1 lost)"
	fi
	check "everything came back" wait_for all_held_is "$before" || note "now: $(all_held), at first: $before"
	check_eq "the parent leaks no descriptor" "$parent_fds" "$(fds "$server_pid")"
}

for role in auth radius manager netd iked "engine 0" "engine 1"; do
	fault KILL $role
done
fault STOP engine 0
if [ "${FULL:-0}" = 1 ]; then
	for role in auth radius manager netd iked "engine 1"; do
		fault STOP $role
	done
fi

# --- several at once ----------------------------------------------------------

must witness w0 $a0
w0=$started
lines=$(wc -l <"$rig_dir/culvertd.log")
kill -KILL "$(child manager)" "$(child auth)" "$(child netd)" "$(child iked)" "$(child engine 1)"
check "five at once: all are back" wait_for all_back $lines manager auth netd iked engine1
check "new logins work" wait_for dial again -n 4 --from 198.18.3.0/24 --timeout 20
hang_up w0 $w0 $a0
check_eq "engine 0's clients lost nothing" "0 0" "$(got w0 pings_lost) $(got w0 lost)"
check "everything came back" wait_for all_held_is "$before" || note "now: $(all_held), at first: $before"

# --- a parent that was stopped blames nobody ----------------------------------

lines=$(wc -l <"$rig_dir/culvertd.log")
kill -STOP "$server_pid"
sleep 7
kill -CONT "$server_pid"
sleep 2
check "after the parent was stopped for 7 s nobody is killed" not since $lines "stuck|killed"

# --- a second server, and the parent's death ----------------------------------

check "a second server refuses and names the first" eval \
	'! ns srv "$build/culvertd" -d -f "$server_run/conf" -r "$server_run" >"$rig_dir/second.log" 2>&1 && grep -q "pid $server_pid" "$rig_dir/second.log"'
must witness w0 $a0
children=$(pgrep -P "$server_pid" | xargs)
kill -KILL "$server_pid"
check "the parent's death ends all" wait_for none_alive $children
check "no device stays" eval '! ip -n "$(nsname srv)" -o link | grep -q pppx'
check "nothing is forwarded any more" test "$(ns srv cat /proc/sys/net/ipv4/ip_forward)" = 0
check "it starts again from there" server_start
check_eq "with nothing held" "$before" "$(all_held)"

# --- SIGTERM says goodbye -------------------------------------------------------

must witness w1 $a1
w1=$started
kill -TERM "$server_pid"
check "SIGTERM: it ends" wait_for not rig_alive "$server_pid"
check "and its clients were told" wait_for eval '[ "$(grep -c " ended " "$rig_dir/w1.log")" = 4 ]'
rig_end
