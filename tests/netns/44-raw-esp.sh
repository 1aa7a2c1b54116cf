#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ESP without UDP (protocol 50), and IPv6 outside: culvert-dial by each of four ways,
# with transfers, rekeying, a short path, behind NAT66; two engines, each with its own
# SPIs; and what must be dropped.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2153,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

OUTER6=2001:db8:1::1
CLIENT6=2001:db8:1::10
PREFIX6=2001:db8:2::/64
HOME6=fd00:7::
rig_begin "ESP with and without UDP, over IPv4 and IPv6"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

must dial_network
must web_start
must ip -n "$(nsname srv)" addr add $OUTER6/64 dev out0 nodad
must ip -n "$(nsname cli)" addr add $CLIENT6/64 dev c0 nodad
must ip -n "$(nsname srv)" route add $PREFIX6 via $CLIENT6
must ip -n "$(nsname cli)" route add local $PREFIX6 dev lo
must dial_server 3.250 20 "1i set raw-esp yes
	s/listen on $OUTER/&\n\t\tlisten on $OUTER6/"
# Protocol 50 is the port that they are listed with.
raw_sockets()
{
	ns srv cat /proc/net/raw /proc/net/raw6 | grep -c ':0032 '
}

check "the firewall lets protocol 50 in" eval 'ns srv nft list chain inet culvert input | grep -q "meta l4proto esp accept"'
check_eq "each engine has a raw socket for each address" "4" "$(raw_sockets)"

# by SERVER OPTION…: how dial and dial_start call from now on.
by()
{
	local server=$1
	shift
	dial_cmd=("$build/culvert-dial" -s "$server" -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password" "$@")
}

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
	kill -TERM "$started"
	wait_for not rig_alive "$started"
}

head -c 20000000 /dev/urandom >"$rig_dir/up"
up_sum=$(sha256sum <"$rig_dir/up" | cut -d' ' -f1)
before=$(all_held)
note "before: $before"

# way TAG SERVER FROM PORT WIRE OPTION…: everything of one way; WIRE is the only thing on the wire.
way()
{
	local tag=$1 server=$2 from=$3 port=$4 wire=$5
	shift 5
	by $server
	must capture_start srv out0 "$tag-wire"
	local capture=$started
	dial_start $tag --tun vpn0 --time --ping 20 --rekey 1 --rekey-esp aes128-sha256 --overlap 500 "$@"
	must wait_for grep -q ' up ' "$rig_dir/$tag.log"
	ip -n "$(nsname cli)" route add $INSIDE dev vpn0
	check_eq "$tag: 20 MB down and up, whole, over SAs that are replaced" "$web_sum $up_sum" \
		"$(down --limit-rate 10M) $(up --limit-rate 10M)"
	check "$tag: they were" wait_for eval '[ "$(grep -c " phase=2 again" "$rig_dir/'$tag'.log")" -ge 2 ]'
	check_eq "$tag: the session is listed with where it comes from" "$from:$port" \
		"$(ctl -n session all | sed -n 's/.*Tunnel From *: //p')"
	# Fragments: what is too long for the path outside still comes.
	ip -n "$(nsname srv)" link set out0 mtu 1280
	ip -n "$(nsname cli)" link set c0 mtu 1280
	check "$tag: the longest packets pass a path of 1280 octets" ns cli ping -c 2 -i 0.2 -W 5 -M "do" -s 1332 $INSIDE
	ip -n "$(nsname srv)" link set out0 mtu 1500
	ip -n "$(nsname cli)" link set c0 mtu 1500
	dial_end
	check_eq "$tag: all went well, no ping was lost, no packet bad" "1 0 0" "$(got $tag ok) $(got $tag pings_lost) $(got $tag bad)"
	check "$tag: all is given back" wait_for all_held_is "$before"
	rig_kill INT $capture
	check "$tag: nothing but $wire on the wire" capture_none "$tag-wire" "not arp and not igmp and not icmp6 and not (ip6 and ip6[6] = 0) and not ($wire)"
	check "$tag: and much of that ($(capture_count "$tag-wire" "$wire") packets)" \
		test "$(stat -c %s "$rig_dir/$tag-wire.pcap")" -gt 40000000
}

# A later fragment says of IPv6 only that it is one.
frag6='(ip6 and ip6[6] = 44)'
way raw4 $OUTER $CLIENT 1701 "ip proto 50 or udp port 500" --raw-esp
raw4=$(counter esp_raw_packets)
check "raw4: it came to the raw sockets ($raw4)" test "$raw4" -gt 10000
way raw6 $OUTER6 "[$CLIENT6]" 1701 "ip6 proto 50 or (ip6 and udp port 500) or $frag6" --raw-esp
raw6=$(($(counter esp_raw_packets) - raw4))
check "raw6: it came to the raw sockets ($raw6)" test "$raw6" -gt 10000
way udp6 $OUTER6 "[$CLIENT6]" 4500 "ip6 and (udp port 500 or udp port 4500) or $frag6" --force-natt
check_eq "udp6: it did not" $((raw4 + raw6)) "$(counter esp_raw_packets)"
check "no canary on any wire" eval '! cat "$rig_dir"/*-wire.pcap | grep -qaF "$CANARY"'

# --- phase 1 again, on port 500, and many at once: each engine gets its own SPIs ---

for v in 4 6; do
	if [ $v = 4 ]; then by $OUTER --raw-esp; else by $OUTER6 --raw-esp; PREFIX=$PREFIX6; fi
	joins=$(counter lineage_joins)
	dial_start many$v -n 30 --from $PREFIX --time --ping 100 --rekey 2 --reauth 3 --overlap 500 --hold 3600
	check "IPv$v: thirty over a prefix" wait_for eval '[ "$(grep -c " up .* raw$" "$rig_dir/many'$v'.log")" = 30 ]'
	check "IPv$v: both engines have some ($(engine_sessions 0) and $(engine_sessions 1))" \
		test "$(engine_sessions 0)" -ge 3 -a "$(engine_sessions 1)" -ge 3
	check "IPv$v: all do phase 1 again and go on" wait_for eval '[ $(($(counter lineage_joins) - joins)) -ge 30 ]'
	dial_end
	check_eq "IPv$v: none was lost, nor a ping" "1 0" "$(got many$v ok) $(got many$v pings_lost)"
	check "IPv$v: all is given back" wait_for all_held_is "$before"
done

# of ENGINE COUNTER
of()
{
	ctl status | awk -v e="engine$1" -v c="$2" '$1 == e && $2 == c { print $3 }'
}

check "both engines read from their raw sockets ($(of 0 esp_raw_packets) and $(of 1 esp_raw_packets))" \
	test "$(of 0 esp_raw_packets)" -gt 100 -a "$(of 1 esp_raw_packets)" -gt 100
check_eq "and no packet was another's" "0 0" "$(of 0 esp_unknown_spi) $(of 1 esp_unknown_spi)"

# --- behind NAT66 ---

ns_add home
must link home h0 cli l0
must ip -n "$(nsname home)" addr add ${HOME6}10/64 dev h0 nodad
must ip -n "$(nsname cli)" addr add ${HOME6}1/64 dev l0 nodad
must ip -n "$(nsname home)" route add default via ${HOME6}1
must ns cli sysctl -qw net.ipv6.conf.all.forwarding=1
must ns cli nft -f - <<-END
table ip6 nat66 {
	chain post {
		type nat hook postrouting priority srcnat
		ip6 saddr ${HOME6}/64 oifname "c0" masquerade
	}
}
END
raw=$(counter esp_raw_packets)
ns home timeout 60 "$build/culvert-dial" -s $OUTER6 -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password" --raw-esp \
	-n 3 --ping 20 --hold 1 >"$rig_dir/nat66.dial" 2>&1
check_eq "three behind NAT66: all went well, in UDP" "1 0 0 $raw" \
	"$(got nat66 ok) $(got nat66 pings_lost) $(got nat66 bad) $(counter esp_raw_packets)"

# --- what must be dropped: a client pings all the while ---

for v in 4 6; do
	if [ $v = 4 ]; then
		by $OUTER --raw-esp
		server=$OUTER client=$CLIENT other=198.18.7.7
	else
		by $OUTER6 --raw-esp
		server=$OUTER6 client=$CLIENT6 other=2001:db8:2::77
	fi
	dial_start witness$v --ping 20 --hold 3600 --time
	witness=$started
	must wait_for grep -q ' up ' "$rig_dir/witness$v.log"
	must capture_start cli c0 back$v
	capture=$started
	declare -A was=()
	names="unknown:esp_unknown_spi short:esp_short replayed:esp_replayed bad_icv:esp_bad_icv source:esp_wrong_source way:esp_wrong_way"
	for n in $names; do was[$n]=$(counter ${n#*:}); done
	check "IPv$v: a client's packets, and others, sent in its name" \
		eval 'ns cli python3 "$top/tests/raw_esp.py" '"$server $client $other"' c0 >"$rig_dir/attack"'
	for n in $names; do
		want=$(sed -n "s/^${n%:*}=//p" "$rig_dir/attack")
		check "IPv$v: ${n%:*}: each of $want is dropped and counted" \
			wait_for eval '[ "$(($(counter '${n#*:}') - '${was[$n]}'))" = '$want' ]'
	done
	kill -TERM $witness
	check "IPv$v: the client hangs up" wait_for not rig_alive $witness
	rig_kill INT $capture
	check_eq "IPv$v: the client lost nothing, and did not move" "1 0 0" \
		"$(got witness$v ok) $(got witness$v pings_lost) $(counter endpoint_moved)"
	check "IPv$v: nobody was told anything" capture_none back$v "src $server and (icmp or icmp6 and ip6[40] < 128)"
done

# --- who has the keys and comes from another address: where IKE saw him, or nowhere ---

by $OUTER6 --raw-esp
wrong=$(counter esp_wrong_source)
dial_start move --from $PREFIX6 --ping 20 --move 1 --hold 3600 --time
must wait_for grep -q ' moved' "$rig_dir/move.log"
check "a client that moves is not followed" wait_for eval '[ "$(counter esp_wrong_source)" -gt '$wrong' ]'
check_eq "and stays listed where it was" "2001:db8:2::1" "$(ctl -n session all | sed -n 's/.*Tunnel From *: \[\(.*\)\].*/\1/p')"
dial_end
check_eq "nobody moved" 0 "$(counter endpoint_moved)"

# --- an engine that ends takes its raw socket along: the next one gets it again ---

kill -KILL "$(pgrep -P "$server_pid" -f 'culvertd -P engine -I 0')"
kill -KILL "$(pgrep -P "$server_pid" -f 'culvertd -P engine -I 1')"
check "both engines are back" wait_for eval 'logged "engine0 is back" && logged "engine1 is back"'
by $OUTER --raw-esp
PREFIX=198.18.0.0/16
check "IPv4: four that come after" dial after4 -n 4 --from $PREFIX --ping 50 --hold 1
by $OUTER6 --raw-esp
check "IPv6: four that come after" dial after6 -n 4 --from $PREFIX6 --ping 50 --hold 1
check "they came to the raw sockets ($(counter esp_raw_packets))" test "$(counter esp_raw_packets)" -gt 100

# --- without the option ---

rig_kill TERM "$server_pid"
sed -i '/raw-esp/d' "$server_run/conf"
check "the server again, without raw-esp" server_start
by $OUTER6 --raw-esp
check "a client that would: it is brought onto UDP, over IPv6, too" dial plain6 --ping 50 --hold 1
check_eq "no raw socket, no rule, and nothing came there" "0 0 0" "$(raw_sockets) \
$(ns srv nft list table inet culvert | grep -c esp) $(counter esp_raw_packets)"
rig_end
