# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2046,SC2086,SC2154,SC2155,SC2254
# The parts of the benchmark.  Sourced by bench/run.sh.
#
# What is measured goes to $raw, a row for each number:
#   part test clients mtu suite pinned candidate round metric value

BASE_SUITE=aes256-sha1
BASE_MTU=1400

# measure PART TEST CLIENTS ROUND COMMAND…: its "METRIC VALUE" lines become rows.
# One that fails is a failed test, and leaves no row.
measure()
{
	local part=$1 test=$2 clients=$3 round=$4 head
	shift 4
	head="$part	$test	$clients	${cand_mtu:-$BASE_MTU}	${cand_suite:-$BASE_SUITE}	$pinned	$candidate	$round"
	if "$@" >"$rig_dir/measured" 2>"$rig_dir/measure.err" && [ -s "$rig_dir/measured" ]; then
		sed -E "s/^([^ ]+) (.*)/$head\t\1\t\2/" "$rig_dir/measured" >>"$raw"
		ok "$part, $test, $clients clients, ${cand_mtu:-$BASE_MTU} ${cand_suite:-$BASE_SUITE}, pinned $pinned, $candidate, round $round: $(
			grep -E '^(mbit|cpu0_ns_pkt|process_ns_pkt|kpps_got|over_left_pct|ping_p50_ms|ping_p99_ms|per_cpu_s|login_p50_ms|kb_each|idle_cpu_pct) ' "$rig_dir/measured" |
				tr '\n' ' ' | sed 's/ $//; s/\([a-z]\) \([0-9]\)/\1=\2/g')"
	else
		not_ok "$part, $test, $clients clients, ${cand_mtu:-} ${cand_suite:-}, pinned $pinned, $candidate, round $round"
		tail -n 5 "$rig_dir/measure.err" "$rig_dir/measured" | sed 's/^/#   /'
	fi
}

# missing TEXT: what cannot be measured here, once; it stands below the table.
missing()
{
	grep -qxF -- "$1" "$RESULTS/notes.txt" && return
	echo "$1" >>"$RESULTS/notes.txt"
	skip "measure" "$1"
}

version_of()
{
	dpkg-query -W -f '${Version}' "$1" 2>/dev/null || echo "not installed"
}

facts()
{
	echo "date: $(date -u +%Y-%m-%d)"
	echo "culvert: $(git -C "$top" describe --always --dirty 2>/dev/null || sed -n 's/^AC_INIT(\[culvert\], \[\(.*\)\])/\1/p' "$top/configure.ac"), $("${CC:-gcc}" --version | head -n 1)"
	echo "CPU: $(nproc) × $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1), governor $(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo none)$(grep -qw hypervisor /proc/cpuinfo && echo ', in a virtual machine')"
	echo "memory: $(awk '/^MemTotal/ { printf "%.1f GB", $2 / 1048576 }' /proc/meminfo)"
	echo "kernel: $(uname -r | grep -oE '^[0-9.]+'), TCP by $(bench_congestion || sysctl -n net.ipv4.tcp_congestion_control)"
	echo "versions: OpenSSL $(version_of libssl3), ipsec-mb $(dpkg-query -W -f '${Package} ${Version} ' 'libipsec-mb1*' 2>/dev/null || echo none), libcharon $(version_of strongswan-libcharon), iperf3 $(version_of iperf3), SoftEther $(version_of softether-vpnserver), xl2tpd $(version_of xl2tpd), l2tpns $(version_of l2tpns), User Mode Linux $(version_of user-mode-linux)"
	echo "load average before: $(cut -d' ' -f1-3 /proc/loadavg)"
	echo "hardware counters: $(counters_here && echo yes || echo none)"
	echo "repeat: sudo ./setup.sh bench$([ $quick = yes ] && echo ' --quick')"
}

# The namespaces of all parts but the guests', once.
network_once()
{
	[ -z "${network_is_up:-}" ] || return 0
	must bench_network
	network_is_up=yes
}

wants()
{
	case " $wanted " in *" $1 "*) return 0 ;; esac
	return 1
}

# ---- throughput ----

# star: "PINNED CLIENTS MTU SUITE CANDIDATES TESTS", one factor varied at a time.
star()
{
	local pin n mtu suite
	if [ $quick = yes ]; then
		echo "yes 1 $BASE_MTU $BASE_SUITE culvert,softether,null,plain tcp-down,tcp-up,udp-down"
		echo "yes 8 $BASE_MTU $BASE_SUITE culvert tcp-down,tcp-up"
		echo "no 1 $BASE_MTU $BASE_SUITE culvert,plain tcp-down,udp-up"
		return
	fi
	if [ $all = yes ]; then
		for pin in yes no; do for n in 1 8 64; do for mtu in 1400 1280; do for suite in $SUITES; do
			echo "$pin $n $mtu $suite culvert,softether,null,plain tcp-down,tcp-up,tcp-both,udp-down,udp-up,udp-both"
		done; done; done; done
		return
	fi
	echo "yes 1 $BASE_MTU $BASE_SUITE culvert,softether,null,plain tcp-down,tcp-up,tcp-both,udp-down,udp-down-gro,udp-up,udp-both"
	echo "no 1 $BASE_MTU $BASE_SUITE culvert,softether,null,plain tcp-down,tcp-up,tcp-both,udp-down,udp-up"
	for n in 8 64; do
		echo "yes $n $BASE_MTU $BASE_SUITE culvert,softether,null,plain tcp-down,tcp-up,udp-down,udp-up"
	done
	echo "no 8 $BASE_MTU $BASE_SUITE culvert,softether,plain tcp-down,tcp-up"
	echo "yes 1 1280 $BASE_SUITE culvert,softether,null,plain tcp-down,tcp-up"
	for suite in $SUITES; do
		[ $suite = $BASE_SUITE ] || echo "yes 1 $BASE_MTU $suite culvert,softether tcp-down,tcp-up"
	done
}

# TCP, then UDP: to find the pace that UDP bears takes four times as long as a
# TCP connection, so it has half the rounds.
part_throughput()
{
	throughput_of tcp "$rounds"
	throughput_of udp $((rounds > 1 ? rounds / 2 : 1))
}

part_tcp()
{
	throughput_of tcp "$rounds"
}

part_udp()
{
	throughput_of udp "$rounds"
}

# throughput_of KIND ROUNDS
throughput_of()
{
	local kind=$1 times=$2 round pin n mtu suite names tests name test
	network_once
	for ((round = 1; round <= times; round++)); do
		while read -r pin n mtu suite names tests <&3; do
			tests=$(tr , '\n' <<<"$tests" | grep "^$kind-") || continue
			for name in ${names//,/ }; do
				wants $name || continue
				# Neither knows ciphers.
				case $name-$suite in null-$BASE_SUITE | plain-$BASE_SUITE) ;; null-* | plain-*) continue ;; esac
				bench_pin $pin || { missing "pinned: $(nproc) CPU only"; continue; }
				if ! cand_start $name $mtu $suite || ! cand_clients $n; then
					if [ -n "$cand_skip" ]; then
						missing "$cand_skip"
					else
						not_ok "$name, $n clients, $mtu $suite, pinned $pin: ${cand_why:-does not work}"
					fi
					cand_stop
					continue
				fi
				for test in $tests; do
					case $test in
					udp-down-gro)
						bench_merge yes
						measure throughput $test $n $round load peak --dir down \
							--time $((seconds > 2 ? 2 : seconds)) --omit 0.5
						bench_merge no
						;;
					tcp-*) measure throughput $test $n $round load tcp --dir ${test#tcp-} --time $seconds ;;
					udp-*) measure throughput $test $n $round load peak --dir ${test#udp-} \
						--time $((seconds > 2 ? 2 : seconds)) --omit 0.5 $([ $quick = yes ] && echo --step 4 --refine 0) ;;
					esac
				done
				cand_stop
			done
		done 3< <(star)
	done
}

# ---- engines ----

# What a second engine brings: both CPUs for everything, the load from a ring.
part_engines()
{
	local round n clients=64
	[ $quick = no ] || clients=8
	network_once
	bench_pin no
	for ((round = 1; round <= rounds; round++)); do
		for n in 1 2; do
			candidate=culvert
			ENGINES=$n
			if ! cand_start culvert $BASE_MTU $BASE_SUITE || ! cand_clients $clients; then
				not_ok "engines: $n: ${cand_why:-does not work}"
			else
				measure engines udp-up-$n $clients $round load peak --dir up --time $((seconds > 2 ? 2 : seconds)) \
					--omit 0.5
				measure engines tcp-down-$n $clients $round load tcp --dir down --time $seconds
			fi
			unset ENGINES
			cand_stop
		done
	done
}

# ---- logins ----

# Who: full is the whole login, ike stops after Quick Mode: libcharon with our
# plugin alone.
part_logins()
{
	local n=1000 at="1 100 1000" group
	cand_mtu='' cand_suite='' pinned=no
	[ $quick = yes ] && n=100 at="1 100"
	for group in modp2048 ecp256; do
		candidate=culvert
		"$here/logins.sh" -n $n -a "$at" -r $rounds -m "ike full" -g "$group" >"$rig_dir/logins.out" 2>"$rig_dir/measure.err" ||
			{ not_ok "logins, $group"; tail -n 5 "$rig_dir/measure.err" "$rig_dir/logins.out" | sed 's/^/#   /'; continue; }
		while read -r line <&3; do
			login_row $group "$line"
		done 3< <(grep '^mode=' "$rig_dir/logins.out")
	done
	logins_radius $n
	candidate=openssl
	measure logins primitives 1 1 openssl_speed
	network_once
	wants softether && logins_softether
}

# logins_radius N: the same, judged by FreeRADIUS and told to it; its own CPU time is not the server's.
logins_radius()
{
	local line
	if ! command -v freeradius >/dev/null; then
		missing "logins by RADIUS: freeradius is not installed"
		return
	fi
	"$here/logins.sh" -R -n $1 -a 100 -r $rounds -m full >"$rig_dir/logins.out" 2>"$rig_dir/measure.err" ||
		{ not_ok "logins by RADIUS"; tail -n 5 "$rig_dir/measure.err" "$rig_dir/logins.out" | sed 's/^/#   /'; return; }
	while read -r line <&3; do
		login_row modp2048-radius "$line"
	done 3< <(grep '^mode=' "$rig_dir/logins.out")
}

# field NAME LINE
field()
{
	sed -nE "s/(^|.* )$1=([^ ]+).*/\2/p" <<<"$2"
}

login_row()
{
	local group=$1 line=$2 mode at
	mode=$(field mode "$line") at=$(field at_once "$line")
	candidate=$([ "$mode" = ike ] && echo libcharon || echo culvert)
	measure logins "login-$group" "$at" "$(field round "$line")" login_metrics "$mode" "$line"
}

login_metrics()
{
	local mode=$1 line=$2 t
	echo "up $(field up "$line")"
	echo "rate $(field rate "$line")"
	echo "per_cpu_s $(field per_cpu_s "$line")"
	echo "cpu_ms $(field all_ms "$line")"
	for t in iked engine manager auth radius netd parent; do
		echo "cpu_${t}_ms $(field ${t}_ms "$line")"
	done | grep ' [0-9]'
	t=$(field "$([ "$mode" = ike ] && echo ike_us || echo login_us)" "$line")
	awk -F/ '{ printf "login_p50_ms %.2f\nlogin_p99_ms %.2f\n", $1 / 1000, $2 / 1000 }' <<<"$t"
	t=$(field "$([ "$mode" = ike ] && echo ike_ms || echo login_ms)" "$line")
	echo "login_max_ms ${t##*/}"
	[ "$(field up "$line")" = "$(field n "$line")" ]
}

openssl_speed()
{
	openssl speed -seconds 1 ffdh2048 ecdhp256 2>/dev/null |
		awk '/ffdh2048|2048 bits ffdh/ { print "ffdh2048_ops_s", $NF } /nistp256/ { print "ecdhp256_ops_s", $NF }'
}

# All at once is more than its handshake takes within our patience: 1 and 100.
logins_softether()
{
	local at n round
	for ((round = 1; round <= rounds; round++)); do
		bench_pin no
		cand_start softether $BASE_MTU $BASE_SUITE || { missing "$cand_why"; return; }
		for at in 1 100; do
			n=$([ $at = 1 ] && echo 20 || echo 100)
			measure logins login-modp2048 $at $round softether_logins $n $at
		done
		cand_stop
	done
	cand_mtu='' cand_suite=''
}

server_cpu_ns()
{
	cat $(for p in $(cand_server_pids); do echo "/proc/$p/task/*/schedstat"; done) 2>/dev/null |
		awk '{ n += $1 } END { printf "%.0f\n", n }'
}

softether_logins()
{
	local before after
	before=$(server_cpu_ns)
	dial logins -n $1 -w $2 --from $PREFIX --timeout 60 --hold 1
	after=$(server_cpu_ns)
	echo "up $(got logins up)"
	echo "rate $(got logins rate)"
	echo "cpu_ms $(awk -v d=$((after - before)) -v n=$1 'BEGIN { printf "%.3f", d / n / 1e6 }')"
	echo "per_cpu_s $(awk -v d=$((after - before)) -v n=$1 'BEGIN { printf "%.0f", n * 1e9 / d }')"
	echo "login_p50_ms $(got logins all_ms | cut -d/ -f2)"
	[ "$(got logins up)" -gt 0 ]
}

# ---- what a verdict costs, and whether it tells who is there ----

part_auth()
{
	local n=1000 round test case
	cand_mtu='' cand_suite='' pinned=no
	[ $quick = yes ] && n=100
	for ((round = 1; round <= rounds; round++)); do
		if ! "$build/bench/auth_time" $n >"$rig_dir/auth_time.out" 2>"$rig_dir/measure.err"; then
			not_ok "verdicts: $(tail -n 1 "$rig_dir/measure.err")"
			return
		fi
		while read -r test case <&3; do
			candidate=$case
			measure auth "$test" 1 $round sed -n "s/^$test $case //p" "$rig_dir/auth_time.out"
		done 3< <(cut -d' ' -f1,2 "$rig_dir/auth_time.out" | uniq)
	done
}

# ---- sessions held ----

# roles: "ROLE PSS_KB" of each process of culvert.
roles()
{
	local p role
	for p in $(cand_server_pids); do
		role=$(tr '\0' ' ' <"/proc/$p/cmdline" | sed -nE 's/.*-P ([a-z]+).*/\1/p')
		case $(tr '\0' ' ' <"/proc/$p/cmdline") in *culvert-iked*) role=iked ;; *culvert-radius*) role=radius ;; esac
		echo "${role:-parent} $(awk '/^Pss:/ { print $2 }' "/proc/$p/smaps_rollup")"
	done | awk '{ n[$1] += $2 } END { for (r in n) print r, n[r] }' | sort
}

sessions_up()
{
	[ "$(ctl status | awk '$1 ~ /^engine/ && $2 == "sessions" { n += $3 } END { print n + 0 }')" -ge "$1" ] ||
		! rig_alive "$crowd_pid"
}

# crowd TAG N WINDOW: that many clients in the background, until all are up.
crowd()
{
	start_ns cli "$1" $(on_load) "${dial_cmd[@]}" --group modp2048 -n "$2" -w "$3" \
		--from $CROWD --hold 3600 --timeout 300 --time
	crowd_pid=$started
	RIG_WAIT=600 wait_for crowd_up "$1" "$2"
	rig_alive "$crowd_pid" && [ "$(grep -c ' up local=' "$rig_dir/$1.log")" = "$2" ]
}

crowd_up()
{
	[ "$(grep -c ' up local=' "$rig_dir/$1.log")" -ge "$2" ] || ! rig_alive "$crowd_pid"
}

part_sessions()
{
	local n round held="1000 10000"
	network_once
	[ $quick = yes ] && held=300
	for n in $held; do
		for ((round = 1; round <= (rounds > 2 ? 2 : rounds); round++)); do
			candidate=culvert
			bench_pin yes || bench_pin no
			POOL_LAST=120.250
			if ! cand_start culvert $BASE_MTU $BASE_SUITE || ! cand_clients 1; then
				not_ok "sessions: culvert does not work: $cand_why"
			else
				measure sessions held $n $round sessions_held $n
			fi
			rig_kill KILL ${crowd_pid:-}
			cand_stop
			unset POOL_LAST
		done
	done
}

# at_once N: all of them, or as many as we may have sockets for: two each while they log in.
at_once()
{
	local room=$(($(ulimit -Hn) - $1 - 500))
	if [ $room -ge "$1" ]; then echo 0; else echo $room; fi
}

# What n sessions cost while they are held, and when all of them come back at once.
sessions_held()
{
	local n=$1 cpu began took
	roles >"$rig_dir/roles.0"
	load tcp --dir down --time $seconds | sed -n 's/^mbit /witness_alone_mbit /p'
	cpu=$(server_cpu_ns) began=$(now_ms)
	crowd crowd-a "$n" 64 || { tail -n 3 "$rig_dir/crowd-a.log"; return 1; }
	took=$(($(now_ms) - began))
	awk -v c=$(($(server_cpu_ns) - cpu)) -v n="$n" -v t=$took \
		'BEGIN { printf "login_cpu_ms %.3f\nlogin_rate %.1f\n", c / n / 1e6, n * 1000 / t }'
	sleep 1
	roles >"$rig_dir/roles.1"
	awk -v n="$n" 'NR == FNR { was[$1] = $2; next }
		{ d = ($2 - was[$1]) / n; all += d; printf "kb_each_%s %.2f\n", $1, d }
		END { printf "kb_each %.2f\n", all }' "$rig_dir/roles.0" "$rig_dir/roles.1"
	server_rests
	# A minute: everybody's HELLO is in it.
	load cpu --time $([ $quick = yes ] && echo 2 || echo 60) | sed -n 's/^process_pct /idle_cpu_pct /p'
	load tcp --dir down --time $seconds | sed -n 's/^mbit /witness_mbit /p'
	# They vanish, and come back all at once.
	rig_kill KILL "$crowd_pid"
	cpu=$(server_cpu_ns) began=$(now_ms)
	crowd crowd-b "$n" "$(at_once "$n")" || { tail -n 3 "$rig_dir/crowd-b.log"; return 1; }
	took=$(($(now_ms) - began))
	awk -v c=$(($(server_cpu_ns) - cpu)) -v n="$n" -v t=$took \
		'BEGIN { printf "storm_cpu_ms %.3f\nstorm_s %.1f\n", c / n / 1e6, t / 1000 }'
}

# ---- latency and single packets ----

part_latency()
{
	local round name dir n
	network_once
	for ((round = 1; round <= rounds; round++)); do
		for name in culvert softether plain; do
			wants $name || continue
			bench_pin yes || bench_pin no
			if ! cand_start $name $BASE_MTU $BASE_SUITE || ! cand_clients 1 || ! cand_pinger; then
				[ -n "$cand_skip" ] && missing "$cand_skip" || not_ok "latency: $name: ${cand_why:-does not work}"
				cand_stop
				continue
			fi
			measure latency idle 1 $round load ping --time $((seconds > 2 ? 5 : 1)) --sources "$pinger"
			for dir in down up; do
				measure latency "beside-$dir" 2 $round load ping --time $((seconds > 2 ? 5 : 1)) \
					--sources "$pinger" --neighbours "$sources" --dir $dir
			done
			pinger_stop
			clients_stop
			if [ $name != plain ]; then
				n=$([ $quick = yes ] && echo 20 || echo 200)
				measure latency voice-up $n $round voice up $n
				measure latency voice-down $n $round voice down $n
			fi
			cand_stop
		done
	done
}

# voice up|down N: one packet of 160 bytes per client at a time: the most that gets through.
voice()
{
	local dir=$1 n=$2 rate=$([ $quick = yes ] && echo 4000 || echo 20000) best=0 got missed=0 offered
	: >"$rig_dir/voice.best"
	while :; do
		"voice_$dir" $n $rate >"$rig_dir/voice" || return 1
		got=$(sed -n 's/^got_pps //p' "$rig_dir/voice")
		[ "${got%.*}" -gt "$best" ] && best=${got%.*} && cp "$rig_dir/voice" "$rig_dir/voice.best"
		# Twice less than nine tenths of what is sent arrive: that was too much.
		offered=$rate
		[ $dir = down ] || offered=$((rate * $(voice_up_now) / n))
		[ "${got%.*}" -ge $((offered * 9 / 10)) ] || missed=$((missed + 1))
		[ $missed -lt 2 ] && [ $quick = no ] && [ $rate -lt 2000000 ] || break
		rate=$((rate * 14 / 10))
	done
	cat "$rig_dir/voice.best"
}

# voice_crowd N OPTION…: that many clients; SoftEther refuses one in some hundred when so many come and
# go, so nineteen in twenty of its are enough.
voice_crowd()
{
	local n=$1 need=$1
	shift
	[ $candidate != softether ] || need=$((n * 19 / 20))
	start_ns cli voice $(on_load) "${dial_cmd[@]}" -n $n --from $CROWD --hold 60 --timeout 60 --time "$@"
	crowd_pid=$started
	wait_for eval 'voice_logged_in $n || ! rig_alive "$crowd_pid"'
	[ "$(voice_up_now)" -lt $need ] || return 0
	rig_kill TERM "$crowd_pid"
	echo "not all of $n clients log in: $(grep -h ' ended phase=' "$rig_dir/voice.log" | head -n 1)" >&2
	return 1
}

voice_up_now()
{
	grep -c ' up local=' "$rig_dir/voice.log"
}

# voice_logged_in N: each is up, or was refused.
voice_logged_in()
{
	[ "$(grep -cE ' up local=| ended phase=' "$rig_dir/voice.log")" -ge "$1" ]
}

voice_up()
{
	local n=$1 rate=$2
	voice_crowd $n --source $((rate / n)) --size 160 --target $INSIDE || return 1
	sleep 0.5
	load rate --counters "$rig_dir/sink.counters" --time $((seconds > 2 ? 2 : seconds)) |
		awk '{ print } $1 == "kpps_got" { print "got_pps", $2 * 1000 }'
	rig_kill TERM "$crowd_pid"
	wait_for voice_gone
}

voice_gone()
{
	case $candidate in
	softether) return 0 ;;
	esac
	[ "$(counter sessions)" = 0 ]
}

voice_down()
{
	local n=$1 rate=$2 list t=$((seconds > 2 ? 2 : seconds))
	voice_crowd $n || return 1
	list=$(sed -nE 's/.* up .* ip=([0-9.]+).*/\1/p' "$rig_dir/voice.log" | xargs)
	load spray --ns "$(nsname in)" --sources "$list" --rate $rate --time $t --bytes 160 >"$rig_dir/spray" ||
		{ rig_kill TERM "$crowd_pid"; return 1; }
	sleep 0.2
	rig_kill TERM "$crowd_pid"
	awk -v t=$t -v got="$(got voice ip_in_discard)" '
		{ v[$1] = $2 }
		END {
			printf "got_pps %.0f\nkpps_got %.2f\nsent_kpps %.2f\n", got / t, got / t / 1e3, v["window_sent"] / t / 1e3
			if (got) printf "process_ns_pkt %.0f\n", v["window_process_ns"] / got
			if (got && v["window_cpu0_ns"]) printf "cpu0_ns_pkt %.0f\n", v["window_cpu0_ns"] / got
		}' "$rig_dir/spray"
	wait_for voice_gone
}

# ---- in a guest ----

# Servers that need a kernel with ESP, or are compared with one, on a kernel as a
# process: slow for all of them alike, so only ratios count.
part_guests()
{
	local round name why
	if why=$(guest_missing); then
		missing "servers in a guest: $why"
		return
	fi
	pinned=no cand_mtu=1360 cand_suite=$BASE_SUITE
	must ns_add gwan
	must ns_add gcli
	must link gcli c0 gwan w0
	must bridge gwan br0 w0
	must addr gcli c0 $CLIENT/24
	printf '%s\n' "$PSK" >"$rig_dir/psk"
	password_of alice >"$rig_dir/password"
	for ((round = 1; round <= (rounds > 2 ? 2 : rounds); round++)); do
		for name in culvert culvert-kernel xl2tpd xl2tpd-user l2tpns; do
			candidate=$name
			if [ $name = l2tpns ] && ! command -v l2tpns >/dev/null; then
				missing "l2tpns: not installed"
				continue
			fi
			guest_one "$name" "$round" || not_ok "guests: $name: $guest_why"
			[ -z "$dial_pid" ] || rig_kill TERM "$dial_pid"
			dial_pid=
			guest_kill "$guest_name"
			ip -n "$(nsname gwan)" link del "t-$guest_name" 2>/dev/null
		done
	done
}

guest_one()
{
	local name=$1 round=$2 dir
	guest_n=$((${guest_n:-0} + 1))
	guest_name=g$guest_n guest_why="does not boot"
	guest_start "$guest_name" gwan br0 $OUTER/24 || return 1
	printf '%s=%q\n' LOCAL $OUTER PSK "$PSK" USER alice PASSWORD "$(password_of alice)" INSIDE $POOL.1 FIRST $POOL.10 \
		LAST $POOL.99 DNS1 9.9.9.9 DNS2 149.112.112.112 MTU $cand_mtu BUILD "$bench_build" \
		>"$rig_dir/$guest_name/share/lns.conf"
	cp "$top/bench/guest.sh" "$top/bench/radius.py" "$rig_dir/$guest_name/share/"
	guest_why="does not start"
	guest_run "$guest_name" "bash /mnt/guest.sh $name" >"$rig_dir/$guest_name.start.log" 2>&1 || return 1
	guest_why="takes no call"
	# Another machine has the address by now.
	ip -n "$(nsname gcli)" neigh flush dev c0
	start_ns gcli gdial "$bench_build/culvert-dial" -s $OUTER -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password" \
		--force-natt --timeout 40 --mru $cand_mtu --tun vpn0 --time
	dial_pid=$started
	wait_for eval 'grep -q " up local=" "$rig_dir/gdial.log" || ! rig_alive "$dial_pid"'
	wait_for eval 'ip -n "$(nsname gcli)" -o link show dev vpn0 | grep -q ",UP" || ! rig_alive "$dial_pid"'
	rig_alive "$dial_pid" || return 1
	sources=$(sed -nE 's/.* up .* ip=([0-9.]+) .*/\1/p' "$rig_dir/gdial.log")
	ip -n "$(nsname gcli)" route replace $POOL.1 dev vpn0
	guest_why="carries nothing"
	wait_for ns gcli ping -c 1 -W 1 -I "$sources" $POOL.1 || return 1
	for dir in down up; do
		measure guests tcp-$dir 1 "$round" load tcp --ns "$(nsname gcli)" --target $POOL.1 --dir $dir --time $seconds
	done
}
