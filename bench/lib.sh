# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2046,SC2154,SC2206
# The candidates, each in the same network.  Sourced after tests/lib.sh,
# tests/server.sh, tests/dial.sh and bench/softether.sh.
#
#   cli   c0 192.0.2.10, and a prefix of client addresses     clients, iperf3 -c
#   srv   out0 192.0.2.1, in0 198.51.100.1                    the server; forwards, NAT, MSS clamp
#   in    198.51.100.2                                        iperf3 -s, udpload serve
#
# Every candidate meets the same rules, and they are the benchmark's: culvert's own
# firewall is off, so that rules are no difference between them.
#
#   bench_network                     the three, and the inside host's programs
#   bench_pin yes|no                  the server on CPU 0 and all else on CPU 1, or anything anywhere
#   cand_start NAME MTU SUITE         culvert, null, softether or plain; false: cand_why says why not
#   cand_clients N                    N clients, their addresses in $sources
#   cand_stop
#   load VERB OPTION…                 bench/load.py with all that the candidate's measurement needs

IPERF_PORT=5201
UDP_PORT=5100
CROWD=198.19.0.0/16	# clients beside those with a device, which are in $PREFIX
SUITES="aes256-sha1 aes256-sha256 aes128-sha1 aes256-gcm"
# SoftEther's tools take neither blanks nor quotes.
PSK=bench-pre-shared-key
candidate=
cand_why=
sources=
dial_pid=
pinger=
pinger_pid=
pinned=no
bench_build=$build
null_build=${NULL_BUILD:-$build-null}
iperf_n=0

bench_network()
{
	local ns
	dial_network || return 1
	# No filter on the reverse path; room for many flows at once; and no
	# neighbour entry that must be asked for while something is measured.
	for ns in cli srv in; do
		ns $ns sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
			net.ipv4.ip_local_port_range="10000 65000" || return 1
	done
	ns srv sysctl -qw net.ipv4.ip_forward=1 &&
		ns srv nft -f - <<-END || return 1
		table inet bench {
			chain raw_in {
				type filter hook prerouting priority raw
				fib daddr type local udp dport { 500, 4500 } notrack
			}
			chain raw_out {
				type filter hook output priority raw
				udp sport { 500, 4500 } notrack
			}
			chain forward_all {
				type filter hook forward priority filter
				ct state invalid drop
				tcp flags syn tcp option maxseg size set 1360
			}
			chain post {
				type nat hook postrouting priority srcnat
				oifname "in0" masquerade
			}
		}
		END
	ip -n "$(nsname srv)" route add $CROWD via $CLIENT &&
		ip -n "$(nsname cli)" route add local $CROWD dev lo || return 1
	# What a server sends to its clients' addresses comes back here; datagrams for
	# clients without a device (spray) go in without NAT.
	ip -n "$(nsname in)" route add default via $INNER || return 1
	bench_pin no
	udp_serve || return 1
}

# Where packets are worked on: RPS takes every veth's receive work to its own side's CPU.
bench_pin()
{
	local mask_server=0 mask_load=0
	pinned=$1
	if [ "$1" = yes ]; then
		[ "$(nproc)" -ge 2 ] || { echo "one CPU only"; return 1; }
		mask_server=1 mask_load=2
	fi
	ns srv sh -c "for d in out0 in0; do echo $mask_server >/sys/class/net/\$d/queues/rx-0/rps_cpus; done" &&
		ns cli sh -c "echo $mask_load >/sys/class/net/c0/queues/rx-0/rps_cpus" &&
		ns in sh -c "echo $mask_load >/sys/class/net/i0/queues/rx-0/rps_cpus"
}

# bench_merge yes|no: the inside device receives as a network card does that waits for
# more before it interrupts, and merges datagrams of one flow (rx-udp-gro-forwarding).
bench_merge()
{
	if [ "$1" = yes ]; then
		ns srv ethtool -K in0 gro on rx-udp-gro-forwarding on &&
			ns srv sh -c 'cd /sys/class/net/in0 && echo 50000 >gro_flush_timeout && echo 2 >napi_defer_hard_irqs'
	else
		ns srv sh -c 'cd /sys/class/net/in0 && echo 0 >napi_defer_hard_irqs && echo 0 >gro_flush_timeout'
		ns srv ethtool -K in0 rx-udp-gro-forwarding off gro off
	fi
}

# on_load: what stands before a command of the load's side.
on_load()
{
	[ $pinned != yes ] || echo taskset -c 1
}

load_cpu()
{
	if [ $pinned = yes ]; then echo 1; else echo "0-$(($(nproc) - 1))"; fi
}

udp_serve()
{
	start_ns in udpserve "$build/bench/udpload" -c "$rig_dir/in.counters" serve $UDP_PORT
	start_ns in udpsink "$build/bench/udpload" -c "$rig_dir/sink.counters" serve 9
	wait_for test -s "$rig_dir/in.counters" -a -s "$rig_dir/sink.counters"
}

# iperf_serve N: so many of them; the later ones are started when first needed.
iperf_serve()
{
	for ((; iperf_n < $1; iperf_n++)); do
		start_ns in "iperf3-$iperf_n" iperf3 -s -p $((IPERF_PORT + iperf_n))
	done
	wait_for eval '[ "$(ns in ss -Htln | grep -c ":52[0-9][0-9] ")" -ge '"$1"' ]'
	load_affinity
}

# load_affinity: the inside host's programs run where the load runs.
load_affinity()
{
	local p
	for p in $(ip netns pids "$(nsname in)"); do
		taskset -acp "$(load_cpu)" "$p" >/dev/null 2>&1
	done
	return 0
}

# ---- candidates ----

password_of()
{
	echo "bench-pass-word-$1"
}

# suite_offer SUITE: the words of culvert.conf's "quick".
suite_words()
{
	case $1 in
	aes256-sha1) echo "auth hmac-sha1 enc aes-256" ;;
	aes256-sha256) echo "auth hmac-sha2-256 enc aes-256" ;;
	aes128-sha1) echo "auth hmac-sha1 enc aes-128" ;;
	aes256-gcm) echo "enc aes-256-gcm" ;;
	esac
}

# suite_dial SUITE: culvert-dial's word for it.
suite_dial()
{
	case $1 in
	aes256-gcm) echo aes256gcm16 ;;
	*) echo "$1" ;;
	esac
}

# bench_conf MTU SUITE: culvert's.
bench_conf()
{
	cat <<-END
	set engines ${ENGINES:-$([ $pinned = yes ] && echo 1 || nproc)}
	ike passive esp transport from any to any quick $(suite_words "$2") psk "$PSK"
	tunnel L2TP protocol l2tp {
		listen on $OUTER
		authentication-method mschapv2
		l2tp-hello-interval 60
		l2tp-hello-timeout 30
		mru $1
	}
	ipcp HOME {
		pool-address "${POOL%.*}.0.10-${POOL%.*}.${POOL_LAST:-3.250}"
		dns-servers 9.9.9.9
	}
	interface ${INTERFACE:-tun0} address $POOL.1 ipcp HOME
	authentication LOCAL type local {
		users-file "$server_run/users"
	}
	bind tunnel from L2TP authenticated by LOCAL to ${INTERFACE:-tun0}
	firewall {
		off
	}
	END
}

cand_start()
{
	candidate=$1 cand_why='' cand_skip='' sources='' dial_pid=
	cand_mtu=$2 cand_suite=$3
	printf '%s\n' "$PSK" >"$rig_dir/psk"
	password_of alice >"$rig_dir/password"
	"cand_start_$1" "$2" "$3"
}

cand_start_plain()
{
	:
}

culvert_start()
{
	build=$1
	shift
	server_run=$rig_dir/run
	rm -rf "$server_run" && mkdir -p "$server_run" && chmod 755 "$rig_dir" "$server_run" || return 1
	(umask 077 && bench_conf "$@" >"$server_run/conf" && server_users >"$server_run/users") || return 1
	if ! "$build/culvertd" -n -f "$server_run/conf" >"$rig_dir/out" 2>&1; then
		case $(cat "$rig_dir/out") in
		*"not built yet"*) cand_skip="culvert with $2: not built yet" ;;
		*) cand_why="culvert: $(tail -n 1 "$rig_dir/out")" ;;
		esac
		return 1
	fi
	start_ns srv culvertd $([ $pinned = yes ] && echo taskset -c 0) "$build/culvertd" -d -f "$server_run/conf" -r "$server_run"
	server_pid=$started
	wait_for server_up_or_dead
	ctl status >/dev/null || { cand_why="culvert does not start"; return 1; }
	# After a login culvert-iked makes keys ahead: with this group they are made in a moment.
	dial_cmd=("$build/culvert-dial" -s $OUTER -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password" --group ecp256)
}

cand_start_culvert()
{
	culvert_start "$bench_build" "$@"
}

cand_start_null()
{
	[ -x "$null_build/culvertd" ] || { cand_skip="culvert without ciphers: no build in $null_build"; return 1; }
	culvert_start "$null_build" "$@"
}

cand_start_softether()
{
	if cand_skip=$(softether_missing); then
		cand_skip="SoftEther: $cand_skip"
		return 1
	fi
	softether_start "$(nsname srv)" "$rig_dir/softether" $OUTER &&
		softether_setup "$(nsname srv)" "$PSK" alice "$(password_of alice)" >"$rig_dir/softether-setup.log" 2>&1 ||
		{ cand_why="SoftEther cannot be set up: $(tail -n 2 "$rig_dir/softether-setup.log" | xargs)"; return 1; }
	for p in $(softether_pids "$rig_dir/softether"); do
		taskset -acp "$(if [ $pinned = yes ]; then echo 0; else load_cpu; fi)" "$p" >/dev/null
	done
	dial_cmd=("$bench_build/culvert-dial" -s $OUTER -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password")
}

# cand_server_pids: of all processes of the server.
cand_server_pids()
{
	case $candidate in
	culvert | null) echo "$server_pid" $(pgrep -P "$server_pid") ;;
	softether) softether_pids "$rig_dir/softether" | xargs ;;
	esac
}

# cand_clients N: each with an address, in $sources; all behind one device of one process.
cand_clients()
{
	local n=$1 a cli
	cli=$(nsname cli)
	iperf_serve "$n"
	sources=
	if [ $candidate = plain ]; then
		ip -n "$cli" route replace $INSIDE via $OUTER || return 1
		sources=$CLIENT
		[ "$n" = 1 ] || sources=$(python3 -c "print(*['198.18.0.%d' % (i + 1) for i in range($n)])")
		return 0
	fi
	ip -n "$cli" route flush exact $INSIDE 2>/dev/null
	start_ns cli dial $(on_load) "${dial_cmd[@]}" -n "$n" --tun vpn0 --mru "$cand_mtu" --esp "$(suite_dial "$cand_suite")" \
		--time $([ "$n" = 1 ] || echo --from $PREFIX)
	dial_pid=$started
	wait_for clients_up "$n"
	sources=$(sed -nE 's/.* up .* ip=([0-9.]+) .*/\1/p' "$rig_dir/dial.log" | xargs)
	if ! rig_alive "$dial_pid" || [ "$(wc -w <<<"$sources")" != "$n" ]; then
		# What the other side does not speak is no failure of ours.
		if [ $candidate = softether ] && grep -q 'phase ike' "$rig_dir/dial.log"; then
			cand_skip="SoftEther with $cand_suite: it does not agree to it"
		else
			cand_why="$candidate: $(grep -hE '^failed|^lost' "$rig_dir/dial.log" | head -n 1)"
		fi
		return 1
	fi
	ip -n "$cli" route replace $INSIDE dev vpn0 && wait_for ns cli ping -c 1 -W 1 -I "${sources%% *}" $INSIDE &&
		server_rests
}

# cand_pinger: one more client, whose address is in $pinger, beside the one in $sources.  It has a
# process and a device of its own that go before all else of the load's, so that what a
# neighbour adds to its round trips is the server's and not the crowded client machine's.
cand_pinger()
{
	local cli
	cli=$(nsname cli) pinger=
	if [ $candidate = plain ]; then
		pinger=198.18.0.2
		return 0
	fi
	start_ns cli pinger chrt -r 1 $(on_load) "${dial_cmd[@]}" -n 1 --tun vpn1 --mru "$cand_mtu" \
		--esp "$(suite_dial "$cand_suite")" --time --from $PREFIX
	pinger_pid=$started
	wait_for eval 'grep -q " up local=" "$rig_dir/pinger.log" && ip -n "$(nsname cli)" link show vpn1 || ! rig_alive "$pinger_pid"'
	pinger=$(sed -nE 's/.* up .* ip=([0-9.]+) .*/\1/p' "$rig_dir/pinger.log")
	[ -n "$pinger" ] || { cand_why="$candidate: $(grep -hE '^failed|^lost' "$rig_dir/pinger.log" | head -n 1)"; return 1; }
	ip -n "$cli" route replace $INSIDE dev vpn1 table 77 && ip -n "$cli" rule add from "$pinger" table 77 priority 77 &&
		wait_for ns cli ping -c 1 -W 1 -I "$pinger" $INSIDE && server_rests
}

pinger_stop()
{
	[ $candidate = plain ] || rig_kill TERM "$pinger_pid"
	ip -n "$(nsname cli)" rule del priority 77 2>/dev/null
	return 0
}

# server_rests: until it has done what follows a login in its own time (culvert-iked
# makes keys ahead), or does not for a minute.  SoftEther never quite rests.
server_rests()
{
	local began=$SECONDS before after
	[ $candidate = culvert ] || [ $candidate = null ] || return 0
	before=$(server_cpu_ns)
	while sleep 0.5; do
		after=$(server_cpu_ns)
		[ $((after - before)) -gt 10000000 ] && [ $((SECONDS - began)) -lt 60 ] || return 0
		before=$after
	done
}

clients_up()
{
	[ "$(grep -c ' up local=' "$rig_dir/dial.log")" -ge "$1" ] && ip -n "$(nsname cli)" link show vpn0 || ! rig_alive "$dial_pid"
}

# clients_stop: they hang up.
clients_stop()
{
	[ -z "$dial_pid" ] || rig_kill TERM "$dial_pid"
	dial_pid=
	sources=
}

cand_stop()
{
	clients_stop
	case $candidate in
	culvert | null) rig_kill TERM "$server_pid" ;;
	softether) softether_stop "$rig_dir/softether" ;;
	esac
	ns srv conntrack -F 2>/dev/null
	candidate=
}

# counters_here: the processor's own, of cycles.
counters_here()
{
	[ -n "${bench_counters:-}" ] ||
		bench_counters=$(perf stat -x, -e cycles -- true 2>&1 | grep -q '^[0-9]' && echo yes || echo no)
	[ "$bench_counters" = yes ]
}

# bench_congestion: what TCP goes by, whatever this machine's default is; false: that it is.
# BBR paces its sender, so it would be measured and not the server.
bench_congestion()
{
	grep -qw cubic /proc/sys/net/ipv4/tcp_available_congestion_control && echo cubic
}

# load VERB OPTION…
load()
{
	local verb=$1 dial=()
	shift
	[ $candidate = plain ] || dial=(--dial "$(printf '%q ' "${dial_cmd[@]}" --mru "$cand_mtu" --esp "$(suite_dial "$cand_suite")")")
	python3 "$top/bench/load.py" "$verb" --ns "$(nsname cli)" --target $INSIDE --sources "$sources" --mtu "$cand_mtu" \
		--bytes $((cand_mtu - 28)) --pids "$(cand_server_pids)" --tmp "$rig_dir" --port $IPERF_PORT --udp-port $UDP_PORT \
		--udpload "$bench_build/bench/udpload" --server-counters "$rig_dir/in.counters" \
		--sink-counters "$rig_dir/sink.counters" --crowd $CROWD \
		--congestion "$(bench_congestion)" "${dial[@]}" $(counters_here && echo --perf) \
		$([ $pinned = yes ] && echo --cpu 0 --load-cpu 1) "$@"
}
