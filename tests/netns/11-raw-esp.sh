#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's strongSwan on a real kernel, with that kernel's ESP, without UDP: over IPv4
# with xl2tpd and pppd; over IPv6, which xl2tpd does not speak, with culvert-dial's
# plain L2TP under strongSwan's policy; and over IPv6 in UDP.
# shellcheck disable=SC1091,SC2016,SC2086,SC2153,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"

OUTER6=2001:db8:1::1
GUEST6=2001:db8:1::10
rig_begin "a real kernel's ESP without UDP, over IPv4 and IPv6"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must test -x "$build/culvertd"
must test -x "$build/culvert-dial"
must network_up
must web_start
must ip -n "$(nsname srv)" addr add $OUTER6/64 dev out0 nodad
server_run=$rig_dir/run
mkdir -p "$server_run"
(umask 077 && server_conf | sed "1i set raw-esp yes
	s/listen on $OUTER/&\n\t\tlisten on $OUTER6/" >"$server_run/conf")
must server_start
must capture_start srv out0 outer
outer_pid=$started
before=$(held)
note "before: $before"

guest_start bob wan br0 192.0.2.10/24 192.0.2.254 || rig_end
guest_run bob "/mnt/modprobe -a esp6 tun; ip addr add $GUEST6/64 dev vec0 nodad" >/dev/null

# transfer TAG [CURL OPTION…]: 20 MB down, 10 MB up, and the sums.
transfer()
{
	local tag=$1 out
	shift
	out=$(guest_run bob "
		curl -s -m 45 $* http://$INSIDE:8080/file | sha256sum | cut -d' ' -f1
		head -c 10000000 /dev/urandom >/tmp/up && echo $CANARY >>/tmp/up
		sha256sum </tmp/up | cut -d' ' -f1
		curl -s -m 45 $* -T /tmp/up http://$INSIDE:8080/up")
	check_eq "$tag: 20 MB came down unharmed" "$web_sum" "$(sed -n 1p <<<"$out")"
	check "$tag: 10 MB went up" grep -qE '^[0-9a-f]{64}$' <<<"$(sed -n 3p <<<"$out")"
	check_eq "$tag: unharmed" "$(sed -n 2p <<<"$out")" "$(sed -n 3p <<<"$out")"
}

# --- IPv4, xl2tpd and pppd ---

connect bob alice aes256-sha256 || rig_end
check_eq "IPv4: its kernel's ESP is not in UDP" none "$(vpn_get bob encap)"
check "IPv4: the session is listed with where it comes from" \
	grep -q ' alice .* 192\.0\.2\.10:1701$' <<<"$(ctl -n session brief)"
transfer IPv4
raw=$(counter esp_raw_packets)
check "IPv4: it came to the raw sockets ($raw)" test "$raw" -gt 5000
check "IPv4: strongSwan rekeys" guest_run bob 'ipsec stroke rekey "vpn{1}"'
check "IPv4: new SAs, and the old one's turn is over" wait_for eval '[ "$(counter sas)" -le 2 ]'
check "IPv4: pings go on over them" guest_run bob "ping -c 5 -i 0.1 -W 5 $INSIDE"
check_eq "IPv4: one flow" 1 "$(counter flows)"
check "IPv4: hangs up" vpn_down bob
# Port 1701 is another's from now on.
guest_run bob 'ipsec stop; kill $(cat /run/vpn/xl2tpd.pid)' >/dev/null
check "IPv4: all is given back" wait_for held_is "$before"

# --- IPv6: strongSwan's policy for what culvert-dial says in the clear ---

# six NAME OPTION: a connection for UDP between any port here and 1701 there.
six()
{
	guest_run bob "cat >/etc/ipsec.conf <<'END'
config setup
conn $1
	keyexchange=ikev1
	authby=secret
	type=transport
	left=$GUEST6
	leftprotoport=17/1701
	right=$OUTER6
	rightprotoport=17/1701
	ike=aes256-sha256-modp2048!
	esp=aes256-sha1!
	rekey=no
	keyingtries=1
	$2
	auto=add
END
printf '%s : PSK \"%s\"\n' '$GUEST6 %any' '$PSK' >/etc/ipsec.secrets
printf '%s' \"$(password_of alice)\" >/tmp/password
ipsec start >>/mnt/log/starter 2>&1
for i in \$(seq 300); do ipsec statusall 2>/dev/null | grep -q ' $1: ' && exec ipsec up $1; sleep 0.1; done; exit 1"
}

# dial_up, dial_over: L2TP and PPP by culvert-dial, on a TUN.
dial_up()
{
	guest_run bob "$build/culvert-dial -s $OUTER6 --no-ipsec -u alice -p @/tmp/password --tun vpn0 --time --mru 1360 \
		>/mnt/log/dial 2>&1 & echo \$! >/tmp/dial.pid
		for i in \$(seq 200); do grep -q ' up ' /mnt/log/dial && break; sleep 0.1; done
		ip route add $INSIDE dev vpn0 && grep ' up ' /mnt/log/dial"
}

dial_over()
{
	guest_run bob "kill \$(cat /tmp/dial.pid); for i in \$(seq 100); do grep '^result ok=1' /mnt/log/dial && break
		sleep 0.1; done; grep -q '^result ok=1 ' /mnt/log/dial"
}

# all_of TAG NAME PORT ENCAPS
all_of()
{
	local tag=$1 name=$2 port=$3
	check_eq "$tag: the kernel's SAs" "$4" "$(guest_run bob 'ip xfrm state' | grep -c 'encap type espinudp')"
	check "$tag: L2TP and PPP come up" dial_up
	check "$tag: listed with where it comes from" grep -q " alice .* \[$GUEST6\]:$port\$" <<<"$(ctl -n session brief)"
	transfer "$tag" --interface vpn0
	# Its kernel drops what has no checksum, or a wrong one (RFC 8200 8.1).
	check_eq "$tag: no checksum was wrong there" 0 \
		"$(guest_run bob 'awk "/^Udp6InCsumErrors|^Udp6InErrors/ { n += \$2 } END { print n + 0 }" /proc/net/snmp6')"
	check "$tag: strongSwan rekeys" guest_run bob "ipsec stroke rekey '$name{1}'"
	check "$tag: pings go on" guest_run bob "ping -c 5 -i 0.1 -W 5 -I vpn0 $INSIDE"
	check "$tag: hangs up" dial_over
	guest_run bob "ipsec down $name; ipsec stop; ip xfrm state flush" >/dev/null
	check "$tag: all is given back" wait_for held_is "$before"
}

raw=$(counter esp_raw_packets)
check "IPv6: strongSwan connects" six raw6 ""
all_of IPv6 raw6 1701 0
check "IPv6: it came to the raw sockets" test "$(counter esp_raw_packets)" -gt $((raw + 5000))
raw=$(counter esp_raw_packets)
check "IPv6 in UDP: strongSwan connects" six udp6 forceencaps=yes
all_of "IPv6 in UDP" udp6 4500 2
check_eq "IPv6 in UDP: nothing came to the raw sockets" "$raw" "$(counter esp_raw_packets)"
check_eq "no packet was nobody's, none was bad" "0 0 0 0" \
	"$(counter esp_unknown_spi) $(counter inner_bad) $(counter esp_bad_icv) $(counter esp_wrong_way)"

# --- on the wire ---

rig_kill INT "$outer_pid"
check "nothing but IKE and ESP on the wire" capture_none outer "(ip and not (proto 50 or udp port 500 or igmp)) or (ip6 and not
	(ip6 proto 50 or udp port 500 or udp port 4500 or icmp6 or ip6[6] = 0 or ip6[6] = 44))"
check "both kinds of protocol 50 ($(capture_count outer 'ip proto 50') and $(capture_count outer 'ip6 proto 50') packets)" \
	test "$(capture_count outer 'ip proto 50')" -gt 5000 -a "$(capture_count outer 'ip6 proto 50')" -gt 5000
check "and not the canary" not grep -qaF "$CANARY" "$rig_dir/outer.pcap"
rig_end
