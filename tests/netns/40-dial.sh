#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# culvert-dial against our server: one session with real traffic, many behind
# one address, many over a prefix, on a bad wire, with wrong secrets, as a
# flood, and gone without a word.  FULL: a wire that loses one in five.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "many clients of one process, some of them rude"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

must dial_network
must web_start
must dial_server 3.250

shows()
{
	grep -h -vE '^(session=|usage|result)' "$rig_dir/$1.dial" "$rig_dir/$1.log" 2>/dev/null | sed 's/^/# /'
}

sessions_are()
{
	[ "$(counter sessions)" = "$(($1 * 2))" ]	# the manager's and the engines'
}

before=$(all_held)
note "before: $before"

# --- a flood of half-open IKE_SAs, which are held for 30 s: first, so that the end sees them go ---

check "300 that send MM1 and no more: none comes up" eval '! dial flood --from $PREFIX -n 300 --flood ike --timeout 1'
check_eq "all of them failed in IKE" 300 "$(got flood failed)"
check "one that means it does" dial one --ping 50 --hold 1 --max-outage 1000
shows one
check_eq "no ping was lost" 0 "$(got one pings_lost)"
check "and there were some" test "$(got one pings)" -ge 5

# --- what the processes of the server may do ---

# in_force ROLE FIELD: from the kernel, of every process of that role, each value once.
in_force()
{
	local pid
	for pid in $(pgrep -P "$server_pid" -f "$1"); do
		sed -nE "s/^$2:[[:space:]]*//p" "/proc/$pid/status"
	done | sort -u
}

for role in "culvertd -P engine" "culvertd -P manager" "culvertd -P auth" culvert-radius; do
	check_eq "${role##* }: a seccomp filter, no new privileges, no capability" "2 1 0000000000000000" \
		"$(in_force "$role" Seccomp) $(in_force "$role" NoNewPrivs) $(in_force "$role" CapEff)"
done
workers=$(pgrep -P "$(pgrep -P "$server_pid" -f culvert-radius)")
check_eq "so have its workers" "2 1" "$(sed -nE 's/^(Seccomp|NoNewPrivs):[[:space:]]*//p' "/proc/$workers/status" | sort -r | xargs)"
check_eq "status says so, for two engines, manager, auth and radius" 5 "$(counter sandbox_seccomp)"
note "Landlock: ABI $(ctl status | awk '$2 == "sandbox_landlock" { print $3 }' | sort -u | xargs)"

# --- one session with a TUN ---

dial_start tun --tun vpn0
check "a TUN comes up" wait_for ip -n "$(nsname cli)" addr show dev vpn0 up
wait_for eval 'ip -n "$(nsname cli)" -o link show dev vpn0 | grep -q UP'
ip -n "$(nsname cli)" route add $INSIDE dev vpn0
check "real packets go through it" ns cli ping -c 3 -i 0.2 -W 5 $INSIDE
check_eq "it has the MTU that PPP agreed on" "$(ctl -n session brief | grep -c alice) 1360" \
	"1 $(ns cli cat /sys/class/net/vpn0/mtu)"
# udp_segments NS DEVICE: does it take super-packets of UDP?
udp_segments()
{
	ns "$1" ethtool -k "$2" | sed -n 's/^tx-udp-segmentation: //p'
}
check_eq "it takes the same super-packets as the server's" \
	"$(udp_segments srv "$(ns srv ls /sys/class/net | grep -m 1 '^ppp')")" "$(udp_segments cli vpn0)"
# down/up [CURL OPTION…]: the sum of what came through; of what arrived and what was sent.
down()
{
	ns cli curl -sf -m 60 "$@" http://$INSIDE:8080/file | sha256sum | cut -d' ' -f1
}

up()
{
	ns cli curl -sf -m 60 "$@" -T "$rig_dir/up" http://$INSIDE:8080/up
}

dial_end()
{
	kill -TERM "$(ip netns pids "$(nsname cli)" | head -n 1)"
	wait_for not rig_alive "$started"
}

head -c 20000000 /dev/urandom >"$rig_dir/up"
up_sum=$(sha256sum <"$rig_dir/up" | cut -d' ' -f1)
check_eq "20 MB came down whole" "$web_sum" "$(down)"
check_eq "20 MB went up whole" "$up_sum" "$(up)"
# What the device counts is super-packets.
from_kernel=$(ns cli cat /sys/class/net/vpn0/statistics/tx_packets)
to_kernel=$(ns cli cat /sys/class/net/vpn0/statistics/rx_packets)
check "SIGTERM: it hangs up" dial_end
check_eq "and says that all went well" 1 "$(got tun ok)"
note "$(got tun ip_out) packets out of $from_kernel from the device, $(got tun ip_in) as $to_kernel to it"
check "what the kernel gave was cut" test "$(got tun ip_out)" -gt $((2 * from_kernel))
check "what it got was put together" test "$(got tun ip_in)" -gt "$to_kernel"
check_eq "every packet of ESP arrived, and in its turn" "0 0" "$(got tun esp_lost) $(got tun esp_late)"

# --- several with TUNs ---

# inside_of TAG N: the inside address of session N.
inside_of()
{
	sed -nE "s/^session=$2 up .* ip=([0-9.]+) .*/\1/p" "$rig_dir/$1.log"
}

dial_start each -n 3 --from $PREFIX --tun vpn%d --time
check "a device for each of three" wait_for eval '[ "$(grep -c " up " "$rig_dir/each.log")" = 3 ]'
for i in 0 2; do
	check_eq "session $i: down and up through its own device" "$web_sum $up_sum" \
		"$(down --interface vpn$i) $(up --interface vpn$i)"
done
dial_end
check_eq "all went well" 1 "$(got each ok)"
dial_start one-for-all -n 8 --from $PREFIX --tun vpn0 --time --stats
check "one device for eight" wait_for eval '[ "$(grep -c " up " "$rig_dir/one-for-all.log")" = 8 ]'
ip -n "$(nsname cli)" route add $INSIDE dev vpn0
for i in 1 6; do
	a=$(inside_of one-for-all $i)
	check_eq "session $i ($a): down and up" "$web_sum $up_sum" "$(down --interface $a) $(up --interface $a)"
done
dial_end
check_eq "all went well" 1 "$(got one-for-all ok)"
# out_of TAG N: bytes that session N sent, by its line of --stats.
out_of()
{
	sed -nE "s/^stats session=$2 .* out_bytes=([0-9]+) .*/\1/p" "$rig_dir/$1.log"
}
check_eq "a line for each" 8 "$(grep -c '^stats session=' "$rig_dir/one-for-all.log")"
check "who sent, and who did not ($(out_of one-for-all 6), $(out_of one-for-all 3) bytes)" \
	test "$(out_of one-for-all 6)" -gt 20000000 -a "$(out_of one-for-all 3)" -lt 100000

# --- source and ring ---

# arrived: bytes that came to the host behind the server; counters of packets take a
# super-packet for one.
arrived()
{
	ns in cat /sys/class/net/i0/statistics/rx_bytes
}

was=$(arrived)
check "a source of two sessions" dial source -n 2 --from $PREFIX --source 500 --burst 1 --size 100 --hold 1 --target $INSIDE
check "it sent ($(got source sourced))" test "$(got source sourced)" -ge 100
check "that arrives ($(($(arrived) - was)) bytes)" test $(($(arrived) - was)) -ge $(($(got source sourced) * 100 / 2))
was=$(arrived)
check "a ring of 3,000 packets for each of two" \
	dial ring -n 2 --from $PREFIX --source 2000 --ring 3000 --size 100 --ping 20 --hold 3 --target $INSIDE
shows ring
check_eq "all of it was sent, and no more" 6000 "$(got ring sourced)"
check "it arrives ($(($(arrived) - was)) bytes)" test $(($(arrived) - was)) -ge 300000
check "pings pass in between ($(got ring pings), $(got ring pings_lost) lost)" test "$(got ring pings_lost)" -lt $(($(got ring pings) / 2))
check_eq "the server saw no number twice, and none too late" "0 0" "$(counter esp_replayed) $(counter esp_bad_icv)"

# --- again and again ---

check "10 log in, hang up, and that three times" dial again -n 10 --from $PREFIX --again 2 --hold 0 --reuse-dh
check_eq "30 logins" "30 30 3" "$(got again sessions) $(got again up) $(got again rounds)"
check "p50 and p99 of the login ($(got again all_us) us)" eval '[[ $(got again all_us) =~ ^[1-9][0-9]*/[1-9][0-9]*$ ]]'
check "10 vanish and come again" dial back -n 10 --from $PREFIX --again 1 --vanish-after 0
check_eq "20 logins" "20 20" "$(got back sessions) $(got back up)"
check "the server finds that they are gone" wait_for sessions_are 0

# --- suites ---

check "one suite for each phase" dial suite --ike aes256-sha256-ecp256 --esp aes128-sha256 --ping 50 --hold 1
check_eq "no ping was lost" 0 "$(got suite pings_lost)"
check "a suite that the server has not: exit status 1" eval 'dial none --ike aes128-sha1-modp1024; [ $? = 1 ]'
check "and says so" grep -q 'phase ike, "the peer refuses: notify 14 NO-PROPOSAL-CHOSEN"' "$rig_dir/none.dial"

held=$(counter ike_sas_now)
check "a suite for Quick Mode that the server has not" eval '! dial pfs --esp 3des-sha1'
check "is refused after Main Mode" grep -q 'phase ike, "the peer refuses: notify 14 NO-PROPOSAL-CHOSEN"' "$rig_dir/pfs.dial"
check "and the IKE_SA is deleted" wait_for eval '[ "$(counter ike_sas_now)" -le '$held' ]'

# --- wrong secrets ---

check "a wrong password: exit status 1" eval 'dial password --wrong-password; [ $? = 1 ]'
check "and says why" grep -q '^failed: 1, phase ppp, "authentication failed: E=691' "$rig_dir/password.dial"
check "a wrong pre-shared key: exit status 1" eval 'dial psk -k wrong --timeout 3; [ $? = 1 ]'
check "and says where" grep -q '^failed: 1, phase ike' "$rig_dir/psk.dial"
check "usage: exit status 2" eval 'dial usage --hold x; [ $? = 2 ]'

# --- 20 behind one NAT, all of them 192.168.1.10 ---

dial_start nat -n 20 --inner 192.168.1.10 --ping 100 --hold 30 --max-outage 2000 --time
check "20 behind one address with one inner identity" wait_for sessions_are 20
wait_for eval '[ "$(grep -c " up " "$rig_dir/nat.log")" = 20 ]'
check_eq "20 ports of one address" 20 "$(ctl -n session brief | grep -oE "$CLIENT:[0-9]+" | sort -u | wc -l)"
check_eq "20 inside addresses" 20 "$(ctl -n session brief | awk '/alice/ { print $2 }' | sort -u | wc -l)"
sleep 0.5
kill -TERM "$(ip netns pids "$(nsname cli)" | head -n 1)"
wait_for not rig_alive "$started"
shows nat
check_eq "all were fine" "1 0" "$(got nat ok) $(got nat pings_lost)"

# --- 100 over a prefix ---

dial_start many -n 100 --from $PREFIX --ping 200 --hold 30 --max-outage 3000 --time
check "100 over a prefix" wait_for sessions_are 100
wait_for eval '[ "$(grep -c " up " "$rig_dir/many.log")" = 100 ]'
check "they reach engine 0 ($(engine_sessions 0))" test "$(engine_sessions 0)" -ge 20
check "and engine 1 ($(engine_sessions 1))" test "$(engine_sessions 1)" -ge 20
check_eq "100 addresses" 100 "$(ctl -n session brief | grep -oE '198\.18\.[0-9.]+:4500' | sort -u | wc -l)"
sleep 0.5
kill -TERM "$(ip netns pids "$(nsname cli)" | head -n 1)"
wait_for not rig_alive "$started"
shows many
check_eq "all were fine" "1 0" "$(got many ok) $(got many pings_lost)"
check_eq "no packet came to an SPI of nobody" 0 "$(counter esp_unknown_spi)"

# --- a bad wire ---

check "5 % lost, 5 % doubled, 10 % overtaken, both ways: 30 come up" \
	dial wire -n 30 --from $PREFIX --ping 300 --loss 5 --dup 5 --reorder 10 --timeout 90
shows wire
check "the wire was bad" grep -qE '^datagrams: [1-9][0-9]* dropped, [1-9][0-9]* doubled, [1-9][0-9]* delayed' "$rig_dir/wire.dial"

# By the kernels, where they arrive, of IKE and ESP alike.
if [ -n "${FULL:-}" ]; then
	lossy()
	{
		ns "$1" nft -f - <<-END
		table inet lossy {
			chain input {
				type filter hook input priority -10
				udp $2 { 500, 4500 } numgen random mod 100 < 20 counter drop
			}
		}
		END
	}
	must lossy srv dport
	must lossy cli sport
	dial lossy -n 30 --from $PREFIX --ping 300 --hold 10 --timeout 120
	shows lossy
	check "20 % of IKE and ESP lost, both ways: of 30 come up ($(got lossy up))" test "$(got lossy up)" -ge 27
	check_eq "and all of them stay" 0 "$(got lossy lost)"
	note "pings $(got lossy pings), lost $(got lossy pings_lost), logins $(got lossy all_ms) ms"
	for n in srv cli; do
		check "it was lossy at $n" eval 'ns $n nft list table inet lossy | grep -q "counter packets [1-9]"'
		ns $n nft delete table inet lossy
	done
fi

check "messages of IKE that come again when their time is over: 30 come up" \
	dial replay -n 30 --from $PREFIX --ping 300 --replay
shows replay
check "nobody had to wait for an answer, and said no more twice than QM3 ($(got replay ike_resent))" \
	test "$(got replay ike_resent)" -le 30
check "it was seen ($(counter ike_not_due))" test "$(counter ike_not_due)" -ge 60

# --- floods inside the tunnel ---

dial_start witness --from $PREFIX --ping 100 --hold 60 --max-outage 5000 --time
wait_for grep -q ' up ' "$rig_dir/witness.log"
for f in l2tp ppp; do
	dial $f -n 4 --from 198.18.9.0/24 --flood $f --flood-rate 500 --hold 1 --timeout 20
	note "$f: $(got $f flooded) packets"
	check "a flood of $f was sent" test "$(got $f flooded)" -ge 100
done
kill -TERM "$(ip netns pids "$(nsname cli)" | head -n 1)"
wait_for not rig_alive "$started"
shows witness
check_eq "another client had its answers" 1 "$(got witness ok)"

# --- gone without a word ---

check "10 come up and vanish" dial vanish -n 10 --from $PREFIX --vanish-after 0
check_eq "the server still has them" 20 "$(counter sessions)"
check "HELLO finds out: all is as at first" wait_for all_held_is "$before" ||
	note "now: $(all_held), at first: $before"
rig_end
