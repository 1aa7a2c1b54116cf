#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs inside a guest: Debian's strongSwan, xl2tpd and pppd as an L2TP/IPsec
# server, the way an administrator sets them up.  pppd keeps its defaults where
# it can: what it proposes beyond the necessary is for the client to refuse.
#
#   lns.sh start      the programs; returns when they take calls
#   lns.sh sas        how many ESP SAs the kernel has, all of them in UDP
#   lns.sh ppp        the PPP interfaces
#   lns.sh echoes     how many pings the kernel has answered
#
# /mnt/lns.conf says who we are: LOCAL PSK USER PASSWORD INSIDE FIRST LAST DNS1 DNS2,
# and MTU, if it is another than 1360.  USERSPACE=yes keeps xl2tpd from using the
# kernel's L2TP.
set -u
# shellcheck disable=SC1091
. /mnt/lns.conf
log=/mnt/log

# within SECONDS COMMAND…: false if it does not come true in that time.
within()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

write_conf()
{
	cat >/etc/strongswan.conf <<-END
	charon {
		load = random nonce openssl aes sha1 sha2 md5 hmac kdf gmp kernel-netlink socket-default stroke updown
		install_routes = no
		filelog {
			main {
				path = $log/charon
				default = 1
				flush_line = yes
			}
		}
	}
	END
	# Its parser wants a section's lines indented.
	cat >/etc/ipsec.conf <<END
config setup
conn l2tp
	keyexchange=ikev1
	authby=secret
	type=transport
	left=$LOCAL
	leftprotoport=17/1701
	right=%any
	rightprotoport=17/%any
	rekey=no
	auto=add
END
	printf '%s : PSK "%s"\n' "$LOCAL %any" "$PSK" >/etc/ipsec.secrets
	cat >/etc/xl2tpd/xl2tpd.conf <<-END
	[global]
	port = 1701
	[lns default]
	ip range = $FIRST-$LAST
	local ip = $INSIDE
	require authentication = yes
	name = peer
	ppp debug = yes
	pppoptfile = /etc/ppp/options.lns
	length bit = yes
	END
	[ -z "${USERSPACE:-}" ] || sed -i 's/^port = 1701/&\nforce userspace = yes/' /etc/xl2tpd/xl2tpd.conf
	echo lock >/etc/ppp/options
	cat >/etc/ppp/options.lns <<-END
	require-mschap-v2
	ms-dns $DNS1
	ms-dns $DNS2
	mtu ${MTU:-1360}
	mru ${MTU:-1360}
	debug
	logfile $log/pppd
	END
	printf '"%s" * "%s" *\n' "$USER" "$PASSWORD" >/etc/ppp/chap-secrets
	chmod 600 /etc/ipsec.secrets /etc/ppp/chap-secrets
}

do_start()
{
	write_conf
	ipsec start >>$log/starter 2>&1 || return 1
	xl2tpd -D -c /etc/xl2tpd/xl2tpd.conf -C /run/xl2tpd/l2tp-control -p /run/xl2tpd/pid >$log/xl2tpd 2>&1 &
	within 60 sh -c 'ipsec statusall | grep -q " l2tp: "' &&
		within 20 sh -c 'ss -Huan "sport = 1701" | grep -q .'
}

case ${1:-} in
start) do_start ;;
sas) ip xfrm state | grep -c 'encap type espinudp' ;;
ppp) cd /sys/class/net && printf '%s\n' ppp* | grep -v '\*' ;;
echoes) awk '$1 == "Icmp:" && !at { while ($++at != "OutEchoReps") ; next } $1 == "Icmp:" { print $at }' /proc/net/snmp ;;
*) echo "lns.sh start|sas|ppp|echoes"; exit 2 ;;
esac
