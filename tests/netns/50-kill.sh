#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Every process is killed and stopped under traffic: the others go on, it comes
# back, nothing stays behind.
# shellcheck disable=SC1091,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"

rig_begin "any process can be killed at any moment"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must test -x "$build/culvertd"
must network_up
must web_start
must server_start
before=$(held)

# child NAME: the pid of a process of our server ("engine 0", "netd", …).
child()
{
	local role=${1%% *} index=${1#* }
	case $role in
	iked) pgrep -P "$server_pid" -f 'culvert-iked' ;;
	engine) pgrep -P "$server_pid" -f "culvertd -P engine -I $index" ;;
	*) pgrep -P "$server_pid" -f "culvertd -P $role" ;;
	esac
}

# back NAME OLDPID: another process has its place, and is ready.
back()
{
	local pid
	pid=$(child "$1") && [ -n "$pid" ] && [ "$pid" != "$2" ] &&
		grep -q "${1/ /} is back" "$rig_dir/culvertd.log" && ctl status >/dev/null
}

# engine_of USER: the engine that holds a user's session, by what engines count.
engine_with()
{
	ctl status | awk '$1 ~ /^engine/ && $2 == "sessions" && $3 > 0 { print substr($1, 7) }' | sort | xargs
}

up()
{
	check "$1: connects" vpn_up "$1"
}

# ping_start GUEST; ping_lost GUEST: how many of its pings had no answer.
ping_start()
{
	guest_run "$1" "ping -i 0.1 -W 2 $INSIDE >/mnt/ping.log 2>&1 & echo \$! >/mnt/ping.pid"
}

ping_lost()
{
	guest_run "$1" 'kill -INT $(cat /mnt/ping.pid); sleep 0.5; cat /mnt/ping.log' |
		sed -nE 's/^([0-9]+) packets transmitted, ([0-9]+) received.*/\1 \2/p' | awk '{ print $1 - $2, "of", $1 }'
}

# --- two clients in two engines --------------------------------------------

guest_start one wan br0 192.0.2.10/24 192.0.2.254 || rig_end
check "one: strongSwan and xl2tpd run" vpn_start one $OUTER "$PSK" alice "$(password_of alice)"
up one
e1=$(engine_with)
# The engine of a client is a hash of its address: one of these is in the other one.
for last in 11 12 13 14 15 16 17; do
	guest_start two wan br0 192.0.2.$last/24 192.0.2.254 || rig_end
	check "two: strongSwan and xl2tpd run" vpn_start two $OUTER "$PSK" bob "$(password_of bob)"
	up two
	[ "$(engine_with)" = "0 1" ] && break
	vpn_down two
	guest_kill two
done
check_eq "two clients in two engines" "0 1" "$(engine_with)"
both=$(held)

# --- kill -9, then STOP -----------------------------------------------------

for sig in KILL STOP; do
	for name in auth manager netd iked; do
		: >"$rig_dir/culvertd.log.mark"
		pid=$(child $name)
		lines=$(wc -l <"$rig_dir/culvertd.log")
		ping_start one
		ping_start two
		kill -$sig "$pid"
		began=$(now_ms)
		check "$name after SIG$sig is back" wait_for eval \
			'p=$(child $name); [ -n "$p" ] && [ "$p" != "$pid" ] && tail -n +$((lines + 1)) "$rig_dir/culvertd.log" | grep -q "$name is back"'
		note "$name: back $(($(now_ms) - began)) ms after SIG$sig"
		[ $sig = KILL ] || check "$name was declared stuck" grep -q "$name has been stuck" "$rig_dir/culvertd.log"
		check "culvertctl answers" wait_for eval 'ctl status >/dev/null'
		check_eq "no session was lost" 2 "$(ctl session brief | grep -cE '^ *[0-9]+ ')"
		check_eq "one lost no packet" 0 "$(ping_lost one | cut -d' ' -f1)"
		check_eq "two lost no packet" 0 "$(ping_lost two | cut -d' ' -f1)"
		check "the same is held as before" wait_for held_is "$both" || note "now: $(held), then: $both"
		# Old sessions can end, new ones can begin.
		if [ $sig = KILL ] || [ $name = iked ]; then
			check "two hangs up" vpn_down two
			check "and logs in again" vpn_up two
			check "the same is held as before" wait_for held_is "$both" || note "now: $(held), then: $both"
		fi
	done
	pid=$(child "engine $e1")
	lines=$(wc -l <"$rig_dir/culvertd.log")
	ping_start two
	kill -$sig "$pid"
	began=$(now_ms)
	check "engine $e1 after SIG$sig is back" wait_for eval \
		'tail -n +$((lines + 1)) "$rig_dir/culvertd.log" | grep -q "engine$e1 is back"'
	note "engine: back $(($(now_ms) - began)) ms after SIG$sig"
	check "its session ended with its counters" wait_for eval \
		'tail -n +$((lines + 1)) "$rig_dir/culvertd.log" | grep -q "session down user=\"alice\".*its engine ended"'
	check "nothing stale is left" wait_for eval '[ "$(ctl session brief | grep -cE "^ *[0-9]+ ")" = 1 ]'
	check_eq "two lost no packet" 0 "$(ping_lost two | cut -d' ' -f1)"
	vpn_down one
	check "one logs in again" vpn_up one
	check "one works" guest_run one "ping -c 2 -i 0.2 -W 5 $INSIDE"
	check "the same is held as before" wait_for held_is "$both" || note "now: $(held), then: $both"
done

# --- a second server, and the parent's death --------------------------------

check "a second server refuses and names the first" eval \
	'! ns srv "$build/culvertd" -d -f "$server_run/conf" -r "$server_run" >"$rig_dir/second" 2>&1 && grep -q "pid $server_pid" "$rig_dir/second"'
check "one still works" guest_run one "ping -c 2 -i 0.2 -W 5 $INSIDE"
children=$(pgrep -P "$server_pid" | xargs)
kill -KILL "$server_pid"
check "the parent's death ends all" wait_for eval '! for p in $children; do rig_alive $p && break; done | grep -q . && ! rig_alive ${children%% *}'
check "all children are gone" wait_for eval 'n=0; for p in $children; do rig_alive $p && n=1; done; [ $n = 0 ]'
check "no device stays" eval '! ip -n "$(nsname srv)" -o link | grep -q pppx'
check "nothing is forwarded any more" test "$(ns srv cat /proc/sys/net/ipv4/ip_forward)" = 0
check "no table stays" eval '! ns srv nft list tables | grep -q culvert'
rm -f "$server_run/conf.second"
check "it starts again from there" server_start
check_eq "with nothing held" "$before" "$(held)"
kill -TERM "$server_pid"
check "and ends" wait_for not rig_alive "$server_pid"
rig_end
