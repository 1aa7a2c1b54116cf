#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Five minutes of one random fault every five seconds, under held sessions and
# a steady stream of logins.  A client that dials again is never without the
# server for more than 10 s, nothing is in the clear on the wire, and at the end
# everything came back.  MONKEY_S and MONKEY_SEED choose another run.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

seconds=${MONKEY_S:-300}
seed=${MONKEY_SEED:-$RANDOM}
RANDOM=$seed

rig_begin "a random fault every 5 s for $seconds s (seed $seed)"
must test -x "$build/culvertd"
must test -x "$build/culvert-dial"

must dial_network
must dial_server 1.250
before=$(held)
parent_fds=$(find "/proc/$server_pid/fd" -type l | wc -l)
must capture_start srv out0 outer

# A client that dials again and again: a line with the time of each success.
redial()
{
	local until=$((SECONDS + seconds)) n=0
	while [ $SECONDS -lt $until ]; do
		n=$((n + 1))
		if "${dial_cmd[@]}" --from 198.18.7.$((n % 250 + 1))/32 --timeout 8 --ping 50 --target $INSIDE --hold 1 --max-outage 2000 \
			>"$rig_dir/redial.one" 2>&1; then
			date +%s.%N
		else
			sed -n 's/^/failed: /p' "$rig_dir/redial.one" >&2
		fi
	done
}
export -f redial
export SECONDS seconds rig_dir INSIDE

# Held sessions: another batch whenever the last one has come to its end.
hold()
{
	local until=$((SECONDS + seconds)) n=0
	while [ $SECONDS -lt $until ]; do
		n=$((n + 1))
		"${dial_cmd[@]}" -n 20 --from 198.18.$((100 + n % 50)).0/24 --timeout 8 --ping 200 --target $INSIDE --hold 10
	done
}

children()
{
	pgrep -P "$server_pid"
}

redial_began=$(date +%s.%N)
(ip netns exec "$(nsname cli)" bash -c "$(declare -p dial_cmd); $(declare -f redial); redial" >"$rig_dir/redial.ok" 2>"$rig_dir/redial.bad") &
redial_pid=$!
(ip netns exec "$(nsname cli)" bash -c "$(declare -p dial_cmd); $(declare -f hold); hold" >"$rig_dir/hold.log" 2>&1) &
hold_pid=$!
rig_pids+=("$redial_pid" "$hold_pid")

end=$((SECONDS + seconds))
faults=0
while [ $SECONDS -lt $end ] && rig_alive "$server_pid"; do
	mapfile -t pids < <(children)
	[ ${#pids[@]} -gt 0 ] || break
	victim=${pids[RANDOM % ${#pids[@]}]}
	case $((RANDOM % 6)) in
	0) what=STOP ;;
	1) what=HUP-parent ;;
	2) what=users ;;
	*) what=KILL ;;
	esac
	case $what in
	HUP-parent)
		sed "s/9\.9\.9\.[0-9]*/9.9.9.$((RANDOM % 250 + 1))/" "$server_run/conf" >"$server_run/conf.new"
		chmod 600 "$server_run/conf.new" && mv "$server_run/conf.new" "$server_run/conf"
		kill -HUP "$server_pid"
		;;
	users) touch "$server_run/users" ;;
	*) kill -$what "$victim" 2>/dev/null ;;
	esac
	faults=$((faults + 1))
	sleep 5
done
note "$faults faults"
check "the server lives" rig_alive "$server_pid"
wait_for not rig_alive "$redial_pid"
redial_ended=$(date +%s.%N)
RIG_WAIT=120 wait_for not rig_alive "$hold_pid"
note "$(wc -l <"$rig_dir/redial.ok") dialled well, $(grep -c '^failed: result' "$rig_dir/redial.bad") failed"
gap=$({ echo "$redial_began"; cat "$rig_dir/redial.ok"; echo "$redial_ended"; } |
	awk 'NR > 1 && $1 - last > max { max = $1 - last } { last = $1 } END { printf "%.1f", max }')
note "longest time without a good login: $gap s"
check "clients dialled well all the while" test "$(wc -l <"$rig_dir/redial.ok")" -ge $((seconds / 10))
check "and batches were held" test "$(grep -c ' of 20 came up' "$rig_dir/hold.log")" -ge $((seconds / 60))
# A hung process is declared stuck after 5 s; a login that hits it fails by its own timeout of 8 s.
check "never without a good login for 5 + 8 + 10 s" awk -v g="$gap" 'BEGIN { exit !(g < 5 + 8 + 10) }'
check "everything came back" wait_for held_is "$before" || note "now: $(held), at first: $before"
check_eq "the parent leaks no descriptor" "$parent_fds" "$(find "/proc/$server_pid/fd" -type l | wc -l)"
check_eq "nothing but IKE, ESP and ICMP on the wire" 0 \
	"$(capture_count outer 'ip and not udp port 500 and not udp port 4500 and not icmp and not igmp')"
check_eq "no inner address on the wire" 0 "$(capture_count outer "net $POOL.0/16 or host $INSIDE")"
check "no process was refused a system call" not grep -q "killed by signal 31" "$rig_dir/culvertd.log"
kill -TERM "$server_pid"
check "it ends orderly" wait_for not rig_alive "$server_pid"
rig_end
