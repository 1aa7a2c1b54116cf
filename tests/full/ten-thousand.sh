#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# 10,000 sessions (or as many as the argument says) on interface tun0: all come
# up, are held, seen, hung up and dialled anew at once; with a witness among them, and
# what they cost: CPU of a login, memory of a session, CPU of doing nothing.
# shellcheck disable=SC1091,SC2016,SC2034,SC2046,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

N=${1:-10000}
IDLE_S=${IDLE_S:-20}
RIG_WAIT=600

rig_begin "$N sessions on one server"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"
if [ "$(ulimit -Hn)" != unlimited ] && [ "$(ulimit -Hn)" -lt $((N + 100)) ]; then
	rig_skip_all "each of two culvert-dial needs $((N + 100)) open files"
fi

# each FIELD: every process of the server and what the kernel says of it, in $rig_dir/FIELD.
# cpu: ms of CPU; pss: KB.
role()
{
	case $(tr '\0' ' ' <"/proc/$1/cmdline") in
	*culvert-iked*) echo iked ;;
	*culvert-radius*) echo radius ;;
	*) tr '\0' ' ' <"/proc/$1/cmdline" | sed -nE 's/.*-P ([a-z]+).*/\1/p; t; s/.*/parent/p' ;;
	esac
}

cpu()
{
	local p
	for p in $server_pid $(pgrep -P "$server_pid"); do
		cat /proc/$p/task/*/schedstat 2>/dev/null | awk -v r="$(role $p)" '{ n += $1 } END { printf "%s %.3f\n", r, n / 1e6 }'
	done
}

pss()
{
	local p
	for p in $server_pid $(pgrep -P "$server_pid"); do
		awk -v r="$(role $p)" '/^Pss:/ { print r, $2 }' "/proc/$p/smaps_rollup"
	done
}

# change BEFORE AFTER N UNIT: by process and in all, divided by N.
change()
{
	awk -v n="$3" -v u="$4" '
		NR == FNR { was[$1] += $2; next }
		{ is[$1] += $2 }
		END {
			for (r in is) { d = (is[r] - was[r]) / n; all += d; printf "%s %.3f, ", r, d }
			printf "all %.3f %s", all, u
		}' "$rig_dir/$1" "$rig_dir/$2"
}

# The clients are two processes: each needs two descriptors a session.
dials=

came_up()
{
	cat "$rig_dir/$1"-[ab].log | grep -c ' up local='
}

# up TAG: or failed; nobody waits any more.
up()
{
	[ "$(cat "$rig_dir/$1"-[ab].log | grep -cE ' (up local|ended phase)=')" -ge $N ] || ! dials_live
}

up_is()
{
	[ "$(came_up "$1")" = $N ] && ! grep -q ' ended ' "$rig_dir/$1"-[ab].log
}

dials_live()
{
	local p
	for p in $dials; do
		rig_alive "$p" && return 0
	done
	return 1
}

# dials_end SIGNAL
dials_end()
{
	kill -"$1" $(ip netns pids "$(nsname cli)") 2>/dev/null
	wait_for not dials_live
}

# Once a second: the answer costs the server something.
nothing_held()
{
	sleep 1
	[ "$(counter flows) $(counter ike_sas_now) $(counter sessions) $(counter leases) $(counter routes)" = "0 0 0 0 0" ]
}

log_in()
{
	cpu >"$rig_dir/cpu0"
	dial_start "$1-a" -n $((N / 2)) -w 128 --from 198.18.0.0/17 --hold 3600 --timeout 300 --time
	dials=$started
	dial_start "$1-b" -n $((N - N / 2)) -w 128 --from 198.18.128.0/17 --hold 3600 --timeout 300 --time
	dials="$dials $started"
	wait_for up "$1"
	cpu >"$rig_dir/cpu1"
	check "$1: $N come up" up_is "$1" ||
		grep -h ' ended ' "$rig_dir/$1"-[ab].log | sed 's/.*phase/# phase/' | sort | uniq -c | sort -rn | head
	note "$1: CPU per login: $(change cpu0 cpu1 $N ms)"
}

must dial_network
# In a storm the addresses of those who are gone are still leased.
must dial_server 127.250 60 "s/pppx0/tun0/; 1a set engines 2"
check "one login" dial warm -n 1 --from $PREFIX
wait_for nothing_held
pss >"$rig_dir/pss0"
log_in first
pss >"$rig_dir/pss1"
note "memory: $(change pss0 pss1 $N "KB per session")"
check_eq "the server holds $N" "$N $N $N" "$(counter leases) $(counter routes) $(counter ike_sas_now)"
began=$(now_ms)
ctl -n session brief >"$rig_dir/brief"
note "session brief: $(($(now_ms) - began)) ms"
check_eq "session brief shows $N, each once" "$N $N" \
	"$(grep -c alice "$rig_dir/brief") $(awk '/alice/ { print $2 }' "$rig_dir/brief" | sort -u | wc -l)"
check_eq "each engine's device has its sessions' routes" "$(engine_sessions 0) $(engine_sessions 1)" \
	"$(ip -n "$(nsname srv)" route show dev tun0 | wc -l) $(ip -n "$(nsname srv)" route show dev tun0-1 | wc -l)"
sleep 5
cpu >"$rig_dir/cpu0"
sleep "$IDLE_S"
cpu >"$rig_dir/cpu1"
note "idle: $(change cpu0 cpu1 "$(awk -v s=$IDLE_S 'BEGIN { print s * 10 }')" "% of a core")"
check "a witness among them: no ping is lost" dial witness --from 198.18.250.0/24 --ping 20 --hold 10 --max-outage 500
note "$(grep -h '^pings' "$rig_dir/witness.dial")"
cpu >"$rig_dir/cpu0"
dials_end TERM
check "all hang up: nothing is held" wait_for nothing_held
cpu >"$rig_dir/cpu1"
note "CPU per hang-up: $(change cpu0 cpu1 $N ms)"
check_eq "none was lost before" "0 0" "$(got first-a lost) $(got first-b lost)"
log_in again
pss >"$rig_dir/pss2"
note "memory: $(change pss0 pss2 $N "KB per session")"
check_eq "the server holds $N" "$N $N $N" "$(counter leases) $(counter routes) $(counter ike_sas_now)"
# A reconnect storm: the clients are gone without a word and are back at once, on their old addresses.
dials_end KILL
log_in storm
check "nothing of the old ones stays" wait_for eval '[ "$(counter sessions) $(counter leases)" = "$((2 * N)) $N" ]'
dials_end TERM
check "all hang up: nothing is held" wait_for nothing_held
check_eq "netd did all it was asked for" "0 0" "$(counter route_failed) $(counter chan_full)"
rig_end
