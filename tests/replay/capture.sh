#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's xl2tpd and pppd on a kernel of their own call tests/replay/record, which is the server's cores on a
# plain UDP port; what both said becomes .rpl files in DIR.  For whoever adds a capture; no test.
#
#   sudo BUILD=build tests/replay/capture.sh DIR [NAME]
# shellcheck disable=SC1091,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../guest/guest.sh"
dir=${1:?where to}
only=${2:-}
rig_begin "what xl2tpd and pppd say"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must ns_add wan
must bridge wan br0
must addr wan br0 192.0.2.1/24
must guest_start guest wan br0 192.0.2.10/24 || rig_end

# record NAME SECONDS "what record is told" "xl2tpd.conf lines" "pppd options" [COMMAND after 3 s]
record()
{
	local name=$1 seconds=$2 server=$3 lac=$4 ppp=$5 then=${6:-}
	[ -z "$only" ] || [ "$only" = "$name" ] || return 0
	printf '%s\n' "[global]" "port = 1701" "[lac vpn]" "lns = 192.0.2.1" "pppoptfile = /etc/ppp/options.vpn" \
		"autodial = no" "redial = no" "$lac" >"$rig_dir/guest/share/xl2tpd.conf"
	printf '%s\n' 'name bob' 'noauth' 'noipdefault' 'nodefaultroute' 'usepeerdns' 'debug' 'logfile /mnt/log/pppd' \
		"$ppp" >"$rig_dir/guest/share/options.vpn"
	# shellcheck disable=SC2086
	ns wan "$build/tests/replay/record" 192.0.2.1 1701 "$seconds" $server >"$rig_dir/$name.body" &
	local pid=$!
	guest_run guest "cp /mnt/xl2tpd.conf /etc/xl2tpd/xl2tpd.conf
		echo '* * shared' >/etc/xl2tpd/l2tp-secrets
		cp /mnt/options.vpn /etc/ppp/options.vpn
		chmod 600 /etc/ppp/options.vpn
		: >/mnt/log/pppd
		xl2tpd -D -C /run/l2tp-control -p /run/xl2tpd.pid >/mnt/log/xl2tpd 2>&1 &
		until test -p /run/l2tp-control; do sleep 0.05; done
		echo 'c vpn' >/run/l2tp-control
		sleep 3
		$then
		sleep 0.5
		echo 'd vpn' >/run/l2tp-control
		sleep 1
		pkill -x xl2tpd
		sleep 1
		rm -f /run/l2tp-control"
	wait "$pid"
	cp "$rig_dir/guest/share/log/pppd" "$rig_dir/$name.pppd"
	{
		echo "# SPDX-License-Identifier: GPL-2.0-or-later"
		echo "client xl2tpd $(dpkg-query -Wf '${Version}' xl2tpd), pppd $(dpkg-query -Wf '${Version}' ppp) (Debian): $name"
		echo "source captured: from the real programs, by tests/replay/capture.sh"
		# The right password is taken for granted by what records.
		sed "s/\"secret\")/\"$(sed -n 's/^password //p' <<<"$ppp")\")/" "$rig_dir/$name.body"
	} >"$dir/$name.rpl"
	note "$name: $(wc -l <"$dir/$name.rpl") lines"
}

quiet='noccp
novj
nodeflate
nobsdcomp'
record xl2tpd-mschapv2 20 "" "" "password secret
refuse-eap
$quiet
mtu 1360
mru 1360" 'ping -c 2 -i 0.2 -I ppp0 10.0.0.1 >/dev/null 2>&1'
record xl2tpd-pap 20 "auth pap" "length bit = yes" "password secret
$quiet"
record xl2tpd-chap 20 "auth chap" "length bit = no" "password secret
$quiet"
record xl2tpd-compression 20 "" "" 'password secret
refuse-eap
deflate 15
bsdcomp 15
mru 1500'
record xl2tpd-wrong-password 20 "" "" "password wrong
refuse-eap
$quiet"
record xl2tpd-rws1 20 "" "tunnel rws = 1" "password secret
refuse-eap
$quiet"
record xl2tpd-ipv6 20 "ipv6 1" "" "password secret
refuse-eap
$quiet
+ipv6
multilink"
record xl2tpd-eap 20 "" "" "password secret
refuse-mschap-v2
refuse-mschap
refuse-chap
refuse-pap
$quiet"
record xl2tpd-secret 20 "secret shared auth pap" "challenge = yes
hidden bit = yes" "password secret
$quiet"
record xl2tpd-mppe-128 20 "auth mschapv2 mppe 01000040" "" "password secret
require-mppe-128
nomppe-stateful
novj"
record xl2tpd-mppe-40 20 "auth mschapv2 mppe 20" "" "password secret
require-mppe-40
mppe-stateful
novj"
record xl2tpd-eap-md5 20 "auth eap-md5" "" "password secret
$quiet"
record xl2tpd-eap-mschapv2 20 "auth eap" "" "password secret
$quiet"
rig_end
