#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a login costs the server, and how long it takes: so many at once, each
# with an address of its own, on one `interface tun0`; the whole login, and the
# IKE part alone (libcharon with our plugin, no L2TP).
#
#   sudo bench/logins.sh [-n LOGINS] [-a "AT_ONCE…"] [-r ROUNDS] [-m "full ike"] [-e ENGINES] [-g GROUP] [-o "DIAL OPTIONS"] [-R]
#
# With -R a FreeRADIUS of Debian judges them, and is told of each session; it is no part of the server.
#
# One line per run, NAME=VALUE, CPU times in ms per login, of all threads of each
# process, from the first message to the last session's being up.
# BUILD=… names the build; the machine should have nothing else to do.
# shellcheck disable=SC1091,SC2034,SC2046,SC2086,SC2154,SC2317
. "${0%/*}/../tests/lib.sh"
. "${0%/*}/../tests/server.sh"
. "${0%/*}/../tests/dial.sh"
. "${0%/*}/../tests/radius.sh"

logins=1000 at_once="1 100 1000" rounds=1 modes="ike full" engines=2 group=modp2048 dial_options= by_radius=no
while getopts n:a:r:m:e:g:o:R opt; do
	case $opt in
	n) logins=$OPTARG ;;
	a) at_once=$OPTARG ;;
	r) rounds=$OPTARG ;;
	m) modes=$OPTARG ;;
	e) engines=$OPTARG ;;
	g) group=$OPTARG ;;
	o) dial_options=$OPTARG ;;
	R) by_radius=yes ;;
	*) exit 2 ;;
	esac
done

# cpu: of every process of the server since its start, in ms: "iked 12", one per line.
cpu()
{
	local p role
	for p in $server_pid $(pgrep -P "$server_pid") $(pgrep -P "$(pgrep -d, -P "$server_pid")"); do
		role=$(tr '\0' ' ' <"/proc/$p/cmdline" | sed -nE 's/.*-P ([a-z]+).*/\1/p')
		case $(tr '\0' ' ' <"/proc/$p/cmdline") in *culvert-iked*) role=iked ;; *culvert-radius*) role=radius ;; esac
		# Every thread's, in ns; the kernel's own sum is in ticks of 10 ms.
		cat /proc/$p/task/*/schedstat 2>/dev/null |
			awk -v r="${role:-parent}" '{ n += $1 } END { printf "%s %.3f\n", r, n / 1e6 }'
	done
}

# cpu_between BEFORE AFTER N: "iked_ms=… …" of each role, and all_ms.
cpu_between()
{
	awk -v n="$3" '
		NR == FNR { was[$1] += $2; next }
		{ is[$1] += $2 }
		END {
			for (r in is) { d = (is[r] - was[r]) / n; all += d; printf "%s_ms=%.3f ", r, d }
			printf "all_ms=%.3f per_cpu_s=%.0f", all, 1000 / all
		}' "$1" "$2"
}

up()
{
	[ "$(grep -c ' up local=' "$rig_dir/$1.log")" -ge "$2" ] || ! rig_alive "$started"
}

# run MODE AT_ONCE ROUND
run()
{
	local tag=$1-$2-$3 n=$logins stop=
	[ "$2" = 1 ] && n=$((logins < 100 ? logins : 100))
	[ "$1" = ike ] && stop="--stop-after ike"
	cpu >"$rig_dir/before"
	dial_start $tag -n $n -w $2 --from $PREFIX --hold 600 --timeout 120 --time $stop --ike aes256-sha1-$group $dial_options
	RIG_WAIT=300 wait_for up $tag $n
	cpu >"$rig_dir/after"
	sleep 0.2
	kill -TERM $(ip netns pids "$(nsname cli)") 2>/dev/null
	RIG_WAIT=300 wait_for not rig_alive "$started"
	RIG_WAIT=300 wait_for gone
	cpu >"$rig_dir/ended"
	echo "mode=$1 at_once=$2 round=$3 n=$n $(cpu_between "$rig_dir/before" "$rig_dir/after" $n)" \
		"end_ms=$(cpu_between "$rig_dir/after" "$rig_dir/ended" $n | sed -E 's/.*all_ms=([^ ]+).*/\1/')" \
		"$(grep -ohE '(ok|up|rate|ike_ms|l2tp_ms|ppp_ms|all_ms|ike_us|all_us|ike_resent)=[^ ]+' <(grep '^result' "$rig_dir/$tag.log") |
			sed 's/^all_/login_/' | xargs)"
}

gone()
{
	[ "$(counter flows)" = 0 ] && [ "$(counter ike_sas_now)" = 0 ]
}

rig_begin "the cost of a login"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"
must dial_network
radius_sed=
if [ $by_radius = yes ]; then
	must test -x "$build/culvert-radius"
	command -v freeradius >/dev/null || rig_skip_all "needs freeradius"
	echo "alice Cleartext-Password := \"$(password_of alice)\"" | must radius_conf one $INSIDE
	# Not its log of each packet: the CPU is the server's under test.
	must start_ns in one freeradius -f -l stdout -d "$rig_dir/one"
	must wait_for ns in sh -c 'ss -Hulnp | grep -q ":1813 "'
	{
		radius_auth "" | sed '$d'
		printf 'accounting-server {\naddress %s secret %s\n}\n}\n' $INSIDE "'$RADIUS_SECRET'"
	} >"$rig_dir/auth"
	radius_sed="/authentication LOCAL/,/}/d; s/by LOCAL/by RADIUS/; \$r $rig_dir/auth"
fi
must dial_server 63.250 60 "s/pppx0/tun0/; 1a set engines $engines
	s/^ike .* any psk /ike passive esp transport from any to any main auth hmac-sha1 enc aes-256 group $group psk /
	$radius_sed"
for round in $(seq "$rounds"); do
	for n in $at_once; do
		for mode in $modes; do
			run "$mode" "$n" "$round"
		done
	done
done
rig_ended=yes
