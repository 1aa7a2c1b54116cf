#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# culvert-dial against a server that is not ours: Debian's strongSwan, xl2tpd and
# pppd on a kernel of their own.  Client and server of one project share their
# errors; here one of the two is somebody else's.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../guest/guest.sh"

rig_begin "culvert-dial logs in to strongSwan, xl2tpd and pppd"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must test -x "$build/culvert-dial"

PEER_INSIDE=$POOL.1

# lns VERB: lns.sh in the guest.
lns()
{
	guest_run peer "bash /mnt/lns.sh $1"
}

# peer_holds PPP SAS: so many PPP interfaces and ESP SAs.
peer_holds()
{
	[ "$(lns ppp | grep -c .)" = "$1" ] && [ "$(lns sas)" = "$2" ]
}

peer_start()
{
	printf '%s=%q\n' LOCAL $OUTER PSK "$PSK" USER alice PASSWORD "$(password_of alice)" \
		INSIDE $PEER_INSIDE FIRST $POOL.10 LAST $POOL.99 DNS1 9.9.9.9 DNS2 149.112.112.112 \
		>"$rig_dir/peer/share/lns.conf" && lns start
}

shows()
{
	grep -h -vE '^(session=|usage|result)' "$rig_dir/$1.dial" "$rig_dir/$1.log" 2>/dev/null | sed 's/^/# /'
}

must ns_add wan
must ns_add cli
must link cli c0 wan w0
must bridge wan br0 w0
must addr cli c0 $CLIENT/24
guest_start peer wan br0 $OUTER/24 || rig_end
must peer_start
start_ns cli wire tcpdump -i c0 -n -U -w "$rig_dir/wire.pcap"
wire_pid=$started
wait_for grep -q 'listening on' "$rig_dir/wire.log"

printf '%s\n' "$PSK" >"$rig_dir/psk"
password_of alice >"$rig_dir/password"
# There is no NAT, and strongSwan uses ESP without UDP then: it is told that there is one.
dial_cmd=("$build/culvert-dial" -s "$OUTER" -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password"
	--force-natt --timeout 40 --time)

check "at first the peer holds nothing" peer_holds 0 0

# --- pings of its own ---

dial_start ping --ping 100 --hold 60
check "it comes up" wait_for grep -q ' up ' "$rig_dir/ping.log"
note "$(grep ' up ' "$rig_dir/ping.log")"
check "with an address of the peer's range" grep -qE " ip=${POOL//./\\.}\.[1-9][0-9] mtu=1360 " "$rig_dir/ping.log"
check "the peer has one PPP interface and two ESP SAs in UDP" wait_for peer_holds 1 2
check "pppd was convinced by MS-CHAPv2" grep -q 'rcvd \[CHAP Response .*name = "alice"' "$rig_dir/peer/share/log/pppd"
check "the peer's kernel answers pings" wait_for eval '[ "$(lns echoes)" -ge 10 ]'
kill -TERM "$started"
check "hangs up" wait_for not rig_alive "$started"
shows ping
check_eq "all went well" 1 "$(got ping ok)"
check "the answers arrive ($(got ping pings) sent, $(got ping pings_lost) lost)" \
	test $(($(got ping pings) - $(got ping pings_lost))) -ge 10
# pppd says that it agrees, and only then makes its interface work: what comes between goes nowhere.
check_eq "and none was lost once pppd had its interface" "$(got ping pings_early)" "$(got ping pings_lost)"
check "hang-up: no PPP interface and no ESP SA stays at the peer" wait_for peer_holds 0 0

# --- through a TUN ---

dial_start tun --tun vpn0
check "a TUN comes up" wait_for eval 'ip -n "$(nsname cli)" -o link show dev vpn0 | grep -q ",UP"'
wait_for ns cli ping -c 1 -W 1 $PEER_INSIDE	# until pppd has its interface
check "the kernels on both ends ping through it" ns cli ping -c 10 -i 0.1 -W 5 $PEER_INSIDE
check "large packets too" ns cli ping -c 3 -i 0.1 -W 5 -M 'do' -s 1332 $PEER_INSIDE
check "and the peer pings us" guest_run peer \
	"ping -c 3 -i 0.1 -W 5 $(sed -nE 's/.* up .* ip=([0-9.]+) .*/\1/p' "$rig_dir/tun.log")"
kill -TERM "$started"
check "SIGTERM: it hangs up" wait_for not rig_alive "$started"
check_eq "and says that all went well" 1 "$(got tun ok)"
check "the peer holds nothing again" wait_for peer_holds 0 0

# --- wrong secrets ---

check "a wrong password: exit status 1" eval 'dial password --wrong-password; [ $? = 1 ]'
shows password
check "it fails in phase ppp" grep -q '^failed: 1, phase ppp, "authentication failed: E=691' "$rig_dir/password.dial"
check "the peer holds nothing of it" wait_for peer_holds 0 0
check "a wrong pre-shared key: exit status 1" eval 'dial psk -k wrong --timeout 3; [ $? = 1 ]'
shows psk
check "it fails in phase ike" grep -q '^failed: 1, phase ike' "$rig_dir/psk.dial"
check "and makes no SA" peer_holds 0 0
check "the right secrets work after that" dial again --ping 100 --hold 1

# --- on the wire ---

sleep 0.3
rig_kill INT "$wire_pid"
check "there was ESP in UDP" test "$(tcpdump -n -r "$rig_dir/wire.pcap" 'udp port 4500 and udp[8:4] != 0' 2>/dev/null | wc -l)" -ge 40
# The peer's last words come after its SAs are gone and go in the clear; the kernel answers with ICMP.
check "no ESP without, and from us nothing but IKE and ESP" \
	test -z "$(tcpdump -n -r "$rig_dir/wire.pcap" "ip proto 50 or (ip src $CLIENT and not icmp and not udp port 500 and not udp port 4500)" 2>/dev/null)"
rig_end
