#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `set esp kernel`, with a kernel that has ESP (User Mode Linux): two real clients behind
# one NAT, both from port 1701, whose packets the kernel opens and seals; what comes without
# an SA is refused; culvert-iked dies and traffic goes on; nothing stays in the kernel.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"
. "${0%/*}/../kernel.sh"

rig_begin "ESP in the kernel: two clients behind one NAT, a crash of iked, and the end"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"

# --- where the kernel has no ESP -----------------------------------------

must ns_add bare
bare=$rig_dir/bare
mkdir "$bare" && chmod 755 "$rig_dir" "$bare"
server_run=$bare
# bare_conf MODE
bare_conf()
{
	(umask 077 && server_conf | sed "1i set esp $1
		s/nat on .*/off/; /^ext_if/d; s/listen on .*/listen on 127.0.0.1/" >"$bare/conf" && server_users >"$bare/users")
}
if ns bare ip xfrm state add src 127.0.0.1 dst 127.0.0.2 proto esp spi 0x1001 mode transport \
	enc 'cbc(aes)' 0x00112233445566778899aabbccddeeff auth 'hmac(sha1)' 0x0011223344556677889900112233445566778899 2>/dev/null; then
	note "this machine's kernel has ESP: what is said where there is none is not shown"
else
	bare_conf kernel
	ns bare timeout 20 "$build/culvertd" -d -f "$bare/conf" -r "$bare/run" >"$rig_dir/bare.log" 2>&1
	check_eq "set esp kernel: no start" 1 $?
	check "with the reason" grep -E 'set esp kernel: the kernel has no (ESP|XFRM).*"set esp user" needs nothing' "$rig_dir/bare.log"
	bare_conf auto
	start_ns bare auto "$build/culvertd" -d -f "$bare/conf" -r "$bare/run"
	check "set esp auto: it serves" wait_for "$build/culvertctl" -s "$bare/run/culvert.sock" status
	check "in user space, and says why" grep -E 'esp mode=user reason="set esp auto: the kernel has no (ESP|XFRM)' "$rig_dir/auto.log"
	check "and status does" eval '"$build/culvertctl" -s "$bare/run/culvert.sock" status | grep -E "^engine0 +esp_kernel +0$"'
	kill -TERM "$started"
	wait_for not rig_alive "$started"
fi

# --- where it has ---------------------------------------------------------

must kernel_network
must kernel_server 0.99
note "booted in $guest_boot_ms ms"

check "it says which mode is in force, and why" logged 'esp mode=kernel reason="set esp kernel: an SA could be added"'
check_eq "and status does" "2" "$(counter esp_kernel)"
check "iked has CAP_NET_ADMIN and nothing else" test \
	"$(on 'grep -h "^Cap\(Prm\|Eff\|Bnd\|Amb\)" /proc/$(pidof culvert-iked)/status' | awk '{ print $2 }' | xargs)" = \
	"0000000000001000 0000000000001000 0000000000001000 0000000000000000"
empty=$(held)
note "before: $empty"
must capture_start wan br0 outer
outer_pid=$started

# --- two behind one NAT ---------------------------------------------------

guest_start nat1 nat lan0 10.77.0.10/24 10.77.0.1 || rig_end
guest_start nat2 nat lan0 10.77.0.11/24 10.77.0.1 || rig_end
connect nat1 bob aes256-sha1 || rig_end
connect nat2 carol aes256gcm16 || rig_end
check "both speak from port 1701" eval 'for g in nat1 nat2; do guest_run $g "ss -Huan \"sport = 1701\" | grep -q ." || exit 1; done'
on 'ip xfrm state' >"$rig_dir/state"
check_eq "the kernel has four SAs, in UDP, and each client a mark of its own" "4 4 2" \
	"$(grep -c 'proto esp' "$rig_dir/state") $(grep -c 'type espinudp' "$rig_dir/state") $(grep -oE 'reqid [0-9]+' "$rig_dir/state" | sort -u | wc -l)"
check_eq "what they open is marked, what they seal has to be" "2 2" \
	"$(grep -cE '^[[:space:]]output-mark 0xc5' "$rig_dir/state") $(grep -cE '^[[:space:]]mark 0xc5' "$rig_dir/state")"
check_eq "the engines never saw a key: they sealed and opened nothing" 0 "$(($(counter crypto_openssl) + $(counter crypto_ipsec_mb)))"

# transfer GUEST: down and up, and the sums.
transfer()
{
	guest_run "$1" "
		curl -sS -m 60 -o /tmp/file http://$INSIDE:8080/file &&
		echo got=\$(sha256sum </tmp/file | cut -d' ' -f1) &&
		echo arrived=\$(curl -sS -m 60 -T /tmp/file http://$INSIDE:8080/up)" >"$rig_dir/$1/transfer"
}

transferred()
{
	check_eq "$1: down and up, unharmed" "got=$web_sum arrived=$web_sum" "$(xargs <"$rig_dir/$1/transfer")"
}

for g in nat1 nat2; do
	check "$g: pings the server's network" guest_run $g "ping -c 3 -i 0.2 -W 5 $INSIDE"
done
transfer nat1 &
one=$!
transfer nat2 &
wait $one $!
transferred nat1
transferred nat2
check_eq "nobody got what was the other's" "0 0" "$(counter l2tp_unknown_session) $(counter ip_spoofed)"

# --- what has no SA is refused -------------------------------------------

cat >"$rig_dir/sccrq.py" <<-'END'
	import socket, struct, sys
	def avp(kind, value): return struct.pack(">HHH", 0x8000 | 6 + len(value), 0, kind) + value
	body = (avp(0, b"\0\1") + avp(2, b"\1\0") + avp(3, b"\0\0\0\3") + avp(7, b"clear") + avp(9, b"\0\7") + avp(10, b"\0\4"))
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.bind(("", 1701))
	s.settimeout(2)
	for _ in range(3):
	    s.sendto(struct.pack(">HHHHHH", 0xc802, 12 + len(body), 0, 0, 0, 0) + body, (sys.argv[1], 1701))
	try:
	    s.recv(2000)
	    sys.exit("answered")
	except TimeoutError:
	    pass
END
drops()
{
	on "awk '\$1 == \"XfrmInTmplMismatch\" { print \$2 }' /proc/net/xfrm_stat"
}
before=$(drops)
check "an SCCRQ in the clear gets no answer" ns wan python3 "$rig_dir/sccrq.py" $OUTER
check_eq "the kernel dropped all three: no SA had opened them" $((before + 3)) "$(drops)"
check "it opened no tunnel" test "$(counter flows)" = 2
# Somebody else's rules give every packet that comes in the mark of one of the two.
mark=$(grep -m1 -oE 'output-mark 0xc5[0-9a-f]+' "$rig_dir/state" | cut -d' ' -f2)
must on "tc qdisc add dev vec0 clsact && tc filter add dev vec0 ingress protocol ip matchall action skbedit mark $mark"
before=$(drops)
check "nor does one with a client's mark ($mark)" ns wan python3 "$rig_dir/sccrq.py" $OUTER
check_eq "the kernel dropped it" $((before + 3)) "$(drops)"
for g in nat1 nat2; do
	check "$g: its SA's mark counts, not what its packets had" guest_run $g "ping -c 3 -i 0.2 -W 5 $INSIDE"
done
check_eq "nobody got what was the other's" "0 0" "$(counter l2tp_unknown_session) $(counter ip_spoofed)"
must on 'tc qdisc del dev vec0 clsact'

# --- iked dies ------------------------------------------------------------

guest_send nat1 "ping -c 40 -i 0.1 -W 5 $INSIDE"
pinging=$guest_cmd
states=$(on 'ip xfrm state | grep "proto esp" | sort')
iked=$(on 'pidof culvert-iked')
on "kill -9 $iked"
check "iked is back" wait_for logged 'iked is back'
check "all pings came back meanwhile" guest_wait nat1 $pinging
check_eq "the kernel has the same SAs" "$states" "$(on 'ip xfrm state | grep "proto esp" | sort')"
check "the other goes on, too" guest_run nat2 "ping -c 3 -i 0.2 -W 5 $INSIDE"
check "nat2, whose IKE_SA nobody knows any more, hangs up" vpn_down nat2
check "its SAs and its policy go from the kernel" wait_for xfrm_held_is "states=2 policies=2"
check "it can come back" vpn_up nat2
check "and works" guest_run nat2 "ping -c 3 -i 0.2 -W 5 $INSIDE"
check "bob is not disturbed" guest_run nat1 "ping -c 2 -i 0.2 -W 5 $INSIDE"
check "nat2 hangs up" vpn_down nat2
guest_kill nat1
check "nat1 vanished: HELLO finds out, and all is as at first" wait_for held_is "$empty" ||
	note "now: $(held), at first: $empty"

# --- on the wire ----------------------------------------------------------

sleep 0.3
rig_kill INT "$outer_pid"
check "nothing but IKE and ESP came from or to a client" capture_none outer \
	"ip and not (udp port 500 or udp port 4500 or igmp) and not host 192.0.2.254"
check "no answer in the clear" capture_none outer "src host $OUTER and udp port 1701"
check "the capture has the transfers" test "$(stat -c %s "$rig_dir/outer.pcap")" -gt $((16 << 20))
check "no canary on the wire" not grep -qaF "$CANARY" "$rig_dir/outer.pcap"

# --- the end --------------------------------------------------------------

check "nat2 once more" vpn_up nat2
check "the parent is killed: netd takes everything back" on "kill -9 \$(cat /run/culvert/culvertd.pid)"
check "the kernel has nothing of ours" wait_for xfrm_held_is "states=0 policies=0"
check "no process is left" wait_for on '! pidof culvertd culvert-iked'
check "it starts again" kernel_server_again
on "kill -TERM \$(cat /run/culvert/culvertd.pid)"
check "and ends" wait_for on '! pidof culvertd culvert-iked'
check "the kernel has nothing of ours" xfrm_held_is "states=0 policies=0"
check "nobody was killed by the sandbox" not logged 'signal 31'
rig_end
