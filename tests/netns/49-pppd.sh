#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What PPP can agree on, with Debian's pppd and the kernel's PPP at the other
# end: MPPE of both lengths that it knows, with state and without; its other
# compressions, which are rejected; EAP; IPV6CP.  MPPE with state is in
# 65-plain.sh.  FULL: each of it by itself, with ten times the data.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"

rig_begin "pppd agrees with our server on what PPP has to offer"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must test -x "$build/culvertd"
must network_up
must web_start
server_run=$rig_dir/run
mkdir -p "$server_run"
(umask 077 && server_conf |
	sed 's/mschapv2$/mschapv2 eap-md5\n\tmppe yes/; s/^ipcp/ipv6cp SIX {\n}\nipcp/' >"$server_run/conf")
must server_start
must guest_start plain wan br0 192.0.2.10/24 192.0.2.254
check "strongSwan and xl2tpd run" vpn_start plain "$OUTER" "$PSK" alice "$(password_of alice)" aes256-sha1-modp2048 aes256-sha1 ||
	rig_end

# options LINES: pppd's, in place of noccp; the others as vpn.sh wrote them.
options()
{
	guest_run plain "cp -n /etc/ppp/options.vpn /tmp/options && sed 's/^noccp\$/$1/' /tmp/options >/etc/ppp/options.vpn &&
		: >/mnt/log/pppd"
}

pppd_log()
{
	cat "$rig_dir/plain/share/log/pppd"
}

bytes=2000000
[ -z "${FULL:-}" ] || bytes=20000000
sum=$(ns in curl -s http://127.0.0.1:8080/file | head -c $bytes | sha256sum | cut -d' ' -f1)

# session NAME LINES: up with these options, packets pass, a file comes down whole, and down.
session()
{
	must options "$2"
	check "$1: connects" vpn_up plain || { pppd_log | tail -n 40 | sed 's/^/# /'; return 1; }
	check "$1: packets pass" guest_run plain "ping -c 3 -i 0.2 -W 5 $INSIDE"
	check_eq "$1: a file came down whole" "$sum" \
		"$(guest_run plain "curl -sS -m 60 http://$INSIDE:8080/file 2>/dev/null | head -c $bytes | sha256sum" | cut -d' ' -f1)"
	check "$1: ends" vpn_down plain
}

# agreed: what the server's log says of the newest session's MPPE.
agreed()
{
	sed -n 's/.* mppe \(in=.*\)/\1/p' "$rig_dir/culvertd.log" | tail -n 1
}

session "128 bits" 'require-mppe-128'
check_eq "128 bits: stateless" "in=128bits,stateless out=128bits,stateless" "$(agreed)"
check_eq "128 bits: four octets less" 1356 "$(vpn_get plain mtu)"
check "128 bits: pppd says so" grep -q 'MPPE 128-bit stateless compression enabled' "$rig_dir/plain/share/log/pppd"
session "40 bits" 'require-mppe-40\nnomppe-128'
check_eq "40 bits: stateless" "in=40bits,stateless out=40bits,stateless" "$(agreed)"
note "late: $(counter mppe_late)"
check_eq "nothing was in the clear, and nothing could not be read" "0 0" "$(counter mppe_clear) $(counter mppe_bad)"
before=$(grep -c ' mppe in=' "$rig_dir/culvertd.log")
session "Deflate, BSD-Compress and VJ offered, IPV6CP" 'deflate 15\nbsdcomp 15\nvj-max-slots 16\n+ipv6'
check "they were rejected" grep -q 'rcvd \[CCP ConfRej .*<deflate' "$rig_dir/plain/share/log/pppd"
check "IPV6CP opened" grep -q 'local  LL address' "$rig_dir/plain/share/log/pppd"
if [ -n "${FULL:-}" ]; then
	session "Deflate and BSD-Compress offered" 'deflate 15\nbsdcomp 15'
	session "no CCP" 'noccp'
	session "VJ offered" 'noccp\nvj-max-slots 16'
	session "IPV6CP" 'noccp\n+ipv6'
fi
check_eq "and none of these had MPPE" "$before" "$(grep -c ' mppe in=' "$rig_dir/culvertd.log")"
must guest_run plain "sed -i 's/^refuse-eap\$//' /tmp/options; echo refuse-mschap-v2 >>/tmp/options"
session "EAP" 'noccp'
check "EAP was spoken" grep -q 'rcvd \[EAP Success' "$rig_dir/plain/share/log/pppd"
check "and no MS-CHAPv2" not grep -q 'CHAP Challenge' "$rig_dir/plain/share/log/pppd"
rig_end
