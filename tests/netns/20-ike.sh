#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154
# culvert-iked with a real client (strongSwan in a guest), and the harness in
# culvertd's place: what the engines are told, and when.
. "${0%/*}/../lib.sh"
. "${0%/*}/../guest/guest.sh"

rig_begin "culvert-iked and a real IKEv1 client"
if why=$(guest_missing); then rig_skip_all "$why"; fi
[ -x "$build/culvert-iked" ] || rig_skip_all "no $build/culvert-iked (configure --with-strongswan)"

must ns_add srv
must ns_add nat
must link srv out0 nat s0
must bridge nat br0 s0
must addr srv out0 192.0.2.1/24
# bob is on the server's own network, carol behind NAT
must ns_add home
must link nat h0 home up0
must ip -n "$(nsname nat)" link set h0 master br0
must addr home up0 192.0.2.50/24
must ip -n "$(nsname home)" link add br1 type bridge forward_delay 0
must ip -n "$(nsname home)" link set br1 up
must addr home br1 10.9.0.1/24
must ns home sysctl -qw net.ipv4.ip_forward=1
# A UDP mapping lives a second after its last packet, so that a port can change hands.
must ns home sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1 net.netfilter.nf_conntrack_udp_timeout_stream=1

# nat_ports CAROL DAVE: the NAT's ports for their port 4500
nat_ports()
{
	ns home nft -f - <<END
table ip nat
delete table ip nat
table ip nat {
	chain post {
		type nat hook postrouting priority 100
		oifname "up0" ip saddr 10.9.0.10 udp sport 4500 snat to 192.0.2.50:$1
		oifname "up0" ip saddr 10.9.0.11 udp sport 4500 snat to 192.0.2.50:$2
		oifname "up0" masquerade random
	}
}
END
}
must nat_ports 41000 42000

# iked_start OPTION…: the server; its lines and the harness's in $rig_dir/iked.log
iked_start()
{
	[ ! -e "$rig_dir/iked.log" ] || mv "$rig_dir/iked.log" "$rig_dir/iked-old.log"
	rm -f "$rig_dir/ctl"
	mkfifo "$rig_dir/ctl" || return 1
	exec {ctl}<>"$rig_dir/ctl"
	start_ns srv iked bash -c 'exec "$@" <"$0"' "$rig_dir/ctl" \
		"$build/tests/ike/harness" -u 65534 -g 65534 "$@" "$build/culvert-iked"
	wait_for grep -q '^parent0 READY' "$rig_dir/iked.log"
}

tell()
{
	echo "$*" >&"$ctl"
}

# seen N PATTERN: at least N lines of the harness
seen()
{
	[ "$(grep -cE "$2" "$rig_dir/iked.log")" -ge "$1" ]
}

count()
{
	grep -cE "$1" "$rig_dir/iked.log"
}

# stat NAME: a counter, 0 if it is not listed
stat_of()
{
	local n
	n=$(count '^manager0 STATS')
	tell stats
	wait_for seen $((n + 1)) '^manager0 STATS'
	n=$(grep '^manager0 STATS' "$rig_dir/iked.log" | tail -n 1 | grep -oE " $1=[0-9]+" | cut -d= -f2)
	echo "${n:-0}"
}

# client NAME PSK IKE ESP [ID]: strongSwan's configuration in a guest, and its start
client()
{
	guest_run "$1" "cat >/etc/strongswan.conf <<'END'
charon {
	load = random nonce openssl aes sha1 sha2 md5 hmac kdf gmp kernel-netlink socket-default stroke updown
	install_routes = no
	filelog {
		main {
			path = /mnt/log/charon
			default = 1
			flush_line = yes
		}
	}
}
END
cat >/etc/ipsec.conf <<'END'
config setup
conn vpn
	keyexchange=ikev1
	authby=secret
	type=transport
	left=%defaultroute
	leftprotoport=17/1701
	right=192.0.2.1
	rightprotoport=17/1701
	ike=$3!
	esp=$4!
	${5:+leftid=$5}
	keyingtries=1
	rekey=no
	auto=add
conn weak-ike
	also=vpn
	ike=3des-sha1-modp1024!
conn weak-esp
	also=vpn
	ike=aes256-sha256-modp2048!
	esp=3des-sha1!
END
printf '%%any 192.0.2.1 : PSK \"%s\"\n' '$2' >/etc/ipsec.secrets
ipsec start >>/mnt/log/starter 2>&1
for i in \$(seq 300); do ipsec statusall 2>/dev/null | grep -q ' vpn: ' && exit 0; sleep 0.1; done; exit 1"
}

psk="correct horse"
check "iked comes up" iked_start -k "$psk"
check "as nobody, without capabilities" bash -c '
	pid=$(ip netns pids "$0" | while read -r p; do grep -lq culvert-iked /proc/$p/comm && echo $p; done)
	grep -qE "^Uid:.65534" /proc/$pid/status && grep -q "^CapEff:.0000000000000000" /proc/$pid/status &&
	grep -q "^NoNewPrivs:.1" /proc/$pid/status' "$(nsname srv)"
guest_start bob nat br0 192.0.2.10/24 192.0.2.1 || rig_end
check "bob's strongSwan starts" client bob "$psk" aes256-sha1-modp2048 aes256-sha1

# --- a login without NAT: the client takes itself for NATed ---
check "bob: Main Mode and Quick Mode" guest_run bob 'ipsec up vpn'
check "bob's SAs are UDP-encapsulated" guest_run bob 'test $(ip xfrm state | grep -c "encap type espinudp sport 4500 dport 4500") = 2'
check "the engine hears of the SPI, then of both SAs, in one lineage" wait_for seen 1 \
	'SA_ADD lineage=1 dir=out .* local=192.0.2.1:4500 peer=192.0.2.10:4500 id="192.0.2.10"'
check_eq "in this order" "SPI_NEW SA_ADD/in SA_ADD/out" "$(grep -oE '(SPI_NEW|SA_ADD) lineage=1( dir=[a-z]+)?' "$rig_dir/iked.log" |
	sed 's/ lineage=1//; s/ dir=/\//' | tr '\n' ' ' | sed 's/ $//')"
spi=$(sed -nE 's/^engine([01]) SA_ADD lineage=1 dir=in spi=([0-9a-f]+) .*/\2/p' "$rig_dir/iked.log")
engine=$(sed -nE 's/^engine([01]) SA_ADD lineage=1 dir=in .*/\1/p' "$rig_dir/iked.log")
check_eq "the SPI carries its engine" "$engine" $((0x$spi >> 26))
check "the outbound SA names its inbound partner" seen 1 "^engine$engine SA_ADD lineage=1 dir=out .* pair=$spi"
guest_run bob 'python3 -c "import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind((\"\", 1701)); \
	s.sendto(b\"x\", (\"192.0.2.1\", 1701))"'
check "ESP comes to that engine's socket" wait_for seen 1 "^engine$engine ESP spi=$spi"
check_eq "the fake was counted" 1 "$(stat_of ike_natd_faked)"

# --- the client rekeys, then does phase 1 again ---
check "bob rekeys" guest_run bob 'ipsec stroke rekey "vpn{1}"'
check "the same lineage gets another pair" wait_for seen 2 'SA_ADD lineage=1 dir=out'
check "the old outbound SA goes" wait_for seen 1 "SA_DEL lineage=1 dir=out .* pair=$spi"
check_eq "in one engine" 1 "$(grep -E 'SA_ADD lineage=1' "$rig_dir/iked.log" | cut -d' ' -f1 | sort -u | wc -l)"
tell expire
check "an SA that the engine dropped is deleted at the client" wait_for seen 1 'SA_DEL lineage=1 dir=in'
guest_run bob 'ipsec down vpn' >/dev/null
check "bob hangs up: the lineage ends" wait_for seen 1 'FLOW_END lineage=1$'
check_eq "every SA is deleted" "$(count 'SA_ADD lineage=1')" "$(count 'SA_DEL lineage=1')"
check "FLOW_END is the last message" bash -c 'grep lineage=1 "$0" | tail -n 1 | grep -q FLOW_END' "$rig_dir/iked.log"

check "bob dials again" guest_run bob 'ipsec up vpn'
check "a new lineage" wait_for seen 1 'SA_ADD lineage=[2-9] dir=out'
guest_run bob 'ipsec stroke rekey "vpn[2]"' >/dev/null
# charon takes the first phase 1's SAs over; they stay who they were
check "bob's client does phase 1 again" wait_for guest_run bob 'ipsec status | grep "vpn\[3\]: ESTABLISHED"'
check_eq "which changes no SA" 0 "$(count 'SA_DEL lineage=2')"
check "its next Quick Mode" guest_run bob 'ipsec stroke rekey "vpn{3}"'
check "is another lineage" wait_for seen 1 'SA_ADD lineage=3 dir=out'
check_eq "in the same engine" 1 "$(grep -E 'SA_ADD lineage=[23]' "$rig_dir/iked.log" | cut -d' ' -f1 | sort -u | wc -l)"

# --- the engine ends a client ---
tell kill
check "FLOW_KILL ends the IKE_SA at the client" wait_for guest_run bob 'ipsec status | grep -q "(0 up"'
check "and the lineages that it held" wait_for seen 3 'FLOW_END'

# --- behind a real NAT ---
guest_start carol home br1 10.9.0.10/24 10.9.0.1 || rig_end
check "carol's strongSwan starts" client carol "$psk" aes256-sha256-ecp256 aes128-sha256-modp2048 192.168.7.11
faked=$(stat_of ike_natd_faked)
check "carol, behind NAT: Main Mode and Quick Mode" guest_run carol 'ipsec up vpn'
check "her SAs are at the NAT's address" wait_for seen 1 'SA_ADD .* dir=out .* peer=192.0.2.50:41000 id="192.168.7.11"'
check "with the algorithms that she asked for, and PFS" seen 2 'SA_ADD .* enc=1 auth=2 .* id="192.168.7.11"'
check_eq "nothing was faked for her" "$faked" "$(stat_of ike_natd_faked)"
tell "move 192.0.2.50 41001"
check "the engine saw her at another port: charon follows" wait_for seen 1 'SA_MOVE .* peer=192.0.2.50:41001'
tell "move 192.0.2.50 41000"
check "and back" wait_for seen 1 'SA_MOVE .* peer=192.0.2.50:41000'

# --- her NAT gives her port to somebody with the same identity ---
# Of whom the last SA was that the engine heard of.
latest() { sed -nE 's/.* SA_ADD lineage=([0-9]+) dir=in .* id="192.168.7.11"/\1/p' "$rig_dir/iked.log" | tail -n 1; }
carol=$(latest)
carol_spi=$(sed -nE 's/.* SA_ADD .* dir=in spi=([0-9a-f]+) .*/\1/p' "$rig_dir/iked.log" | tail -n 1)
guest_run carol 'pkill -STOP charon'
sleep 3
must nat_ports 43000 41000
guest_start dave home br1 10.9.0.11/24 10.9.0.1 || rig_end
check "dave's strongSwan starts" client dave "$psk" aes256-sha256-ecp256 aes128-sha256 192.168.7.11
check "dave dials from carol's port" guest_run dave 'ipsec up vpn'
check "charon takes carol's SAs for his" seen 1 'detected reauth of existing IKE_SA, adopting 1 children'
check "but he is another lineage" wait_for eval '[ "$(latest)" != "$carol" ]'
dave=$(latest)
check_eq "and her SAs stay" 0 "$(count "SA_DEL lineage=$carol ")"
refused=$(stat_of ike_move_refused)
tell "move 192.0.2.50 43000 $carol $carol_spi"
check_eq "her packets from a new port do not move his IKE_SA" $((refused + 1)) "$(stat_of ike_move_refused)"
check_eq "nor his SAs" 0 "$(count "SA_MOVE lineage=$dave ")"
sleep 3
must nat_ports 43000 44000
check "dave rekeys from a new port" guest_run dave 'ipsec stroke rekey "vpn{1}"'
check "his SAs move" wait_for seen 1 "SA_MOVE lineage=$dave .* peer=192.0.2.50:44000"
check_eq "hers do not" 0 "$(count "SA_MOVE lineage=$carol .*44000")"
guest_kill dave
must ns home sysctl -qw net.netfilter.nf_conntrack_udp_timeout=120 net.netfilter.nf_conntrack_udp_timeout_stream=120
guest_run carol 'pkill -CONT charon; ipsec down vpn; ipsec up vpn' >/dev/null
check "carol dials again" wait_for guest_run carol 'ipsec status | grep -q "INSTALLED, TRANSPORT"'

# --- what must not work ---
before=$(stat_of ike_psk_mismatch)
guest_run bob 'printf "%%any 192.0.2.1 : PSK \"wrong\"\n" >/etc/ipsec.secrets; ipsec rereadsecrets'
adds=$(count SA_ADD)
check "a wrong PSK: no connection" not guest_run bob 'timeout 8 ipsec up vpn'
check_eq "no SA" "$adds" "$(count SA_ADD)"
check_eq "one line in the log" 1 "$(count 'main mode from 192.0.2.10 failed: wrong pre-shared key\?')"
check_eq "counted once" $((before + 1)) "$(stat_of ike_psk_mismatch)"
guest_run bob 'ipsec down vpn' >/dev/null

guest_run bob "printf '%%any 192.0.2.1 : PSK \"$psk\"\n' >/etc/ipsec.secrets; ipsec rereadsecrets"
check "a proposal that is too weak: no connection" guest_run bob 'ipsec up weak-ike | grep "weak-ike. failed"'
check_eq "refused and counted" 1 "$(stat_of ike_proposal_refused)"
check "an ESP proposal that the engine cannot do: no SA" guest_run bob 'ipsec up weak-esp | grep "weak-esp. failed"'
check_eq "refused and counted too" 1 "$(stat_of ike_child_refused)"
guest_run bob 'ipsec down vpn; ipsec down weak-esp' >/dev/null

cat >"$rig_dir/junk.py" <<'END'
import os, socket, struct
def hdr(version, exchange, length=28, cookie=b"ABCDEFGH", marker=b""):
    return marker + cookie + b"\0" * 8 + bytes([1, version, exchange, 0]) + b"\0" * 4 + struct.pack(">I", length)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
z = b"\0\0\0\0"
for port, m in ((500, b""), (4500, z)):
    for p in (hdr(0x20, 34), hdr(0x10, 4), hdr(0x10, 77), hdr(0x10, 2, 5000), hdr(0x10, 2, 28, b"\0" * 8), b"", b"x", b"\xff",
              hdr(0x10, 2), hdr(0x10, 2, 128) + os.urandom(100), hdr(0x10, 5), hdr(0x10, 32)):
        s.sendto(m + p if p != b"\xff" else p, ("192.0.2.1", port))
    for i in range(300):
        s.sendto(m + os.urandom(i), ("192.0.2.1", port))
        s.sendto(m + hdr(0x10, 2, 28 + i) + os.urandom(i), ("192.0.2.1", port))
END
check "junk" ns home python3 "$rig_dir/junk.py"
check_eq "IKEv2 is counted" yes "$([ "$(stat_of ike_rx_version)" -ge 2 ] && echo yes)"
check_eq "aggressive mode is counted" 2 "$(stat_of ike_rx_aggressive)"
tell stray
check_eq "a stray from an engine is counted" 1 "$(stat_of ike_rx_stray)"
check "carol is still up" guest_run carol 'ipsec status | grep -q "INSTALLED, TRANSPORT"'

# --- an engine dies ---
engine=$(sed -nE 's/^engine([01]) SA_ADD .* id="192.168.7.11"/\1/p' "$rig_dir/iked.log" | tail -n 1)
tell "lose $engine"
check "the clients of an engine that died are ended" wait_for guest_run carol 'ipsec status | grep -q "(0 up"'
check "they may come back on another one" guest_run carol 'ipsec up vpn'
check_eq "there" $((1 - engine)) "$(sed -nE 's/^engine([01]) SA_ADD .* id="192.168.7.11"/\1/p' "$rig_dir/iked.log" | tail -n 1)"
tell "peer $engine"

# --- the end ---
tell shutdown
check "MSG_SHUTDOWN: iked ends" wait_for seen 1 '^iked exit=0'
check "after it told its clients" wait_for guest_run carol 'ipsec status | grep -q "(0 up"'
check "iked starts again" iked_start -k "$psk" -c 2
check "bob's Main Mode goes well, his Quick Mode does not" \
	guest_run bob 'ipsec up weak-esp | grep -q "IKE_SA weak-esp.*established"; ipsec status | grep -q "(1 up"'
check "an IKE_SA that holds nothing is ended after a while" wait_for guest_run bob 'ipsec status | grep -q "(0 up"'
check_eq "which is counted" 1 "$(stat_of ike_childless)"
check "carol's holds something" guest_run carol 'ipsec up vpn'
check "her second one takes that over" guest_run carol 'ipsec up weak-esp | grep -q "IKE_SA weak-esp.*established"'
wait_for seen 1 'adopting 1 children'
sleep 5
check "while she has SAs, IKE_SAs without are left alone" guest_run carol 'ipsec status | grep -q "(2 up"'
check_eq "by us: charon ends the old one after 10 s" 1 "$(stat_of ike_childless)"
tell quit
check "EOF from the parent: iked is gone" wait_for seen 1 '^iked exit=0'
rig_end
