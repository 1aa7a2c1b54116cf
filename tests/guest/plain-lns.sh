#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs inside a guest: a server of plain L2TP that is not ours.
#
#   plain-lns.sh xl2tpd|l2tpns     returns when it takes calls
#   plain-lns.sh stop              ends it
#   plain-lns.sh links             how many PPP links it has; l2tpns has none in the kernel
#
# /mnt/lns.conf says who we are: LOCAL USER PASSWORD INSIDE FIRST LAST, AUTH (a line of
# pppd's: require-pap …), XL (a line of xl2tpd's section), SECRET (the tunnel's).
set -u
# shellcheck disable=SC1091
. /mnt/lns.conf
log=/mnt/log
AUTH=${AUTH:-require-mschap-v2} XL=${XL:-} SECRET=${SECRET:-}

# within SECONDS COMMAND…: false if it does not come true in that time.
within()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
	return 0
}

listens()
{
	within 20 sh -c 'ss -Huan "sport = 1701" | grep -q .'
}

do_xl2tpd()
{
	mkdir -p /run/xl2tpd
	cat >/etc/xl2tpd/xl2tpd.conf <<-END
	[global]
	port = 1701
	[lns default]
	ip range = $FIRST-$LAST
	local ip = $INSIDE
	require authentication = yes
	name = peer
	pppoptfile = /etc/ppp/options.lns
	length bit = yes
	$XL
	END
	printf '* * %s\n' "$SECRET" >/etc/xl2tpd/l2tp-secrets
	echo lock >/etc/ppp/options
	printf '%s\nmtu 1360\nmru 1360\ndebug\nlogfile %s/pppd\n' "$AUTH" "$log" >/etc/ppp/options.lns
	printf '"%s" * "%s" *\n' "$USER" "$PASSWORD" | tee /etc/ppp/chap-secrets >/etc/ppp/pap-secrets
	chmod 600 /etc/ppp/*-secrets /etc/xl2tpd/l2tp-secrets
	xl2tpd -D -c /etc/xl2tpd/xl2tpd.conf -s /etc/xl2tpd/l2tp-secrets -C /run/xl2tpd/l2tp-control -p /run/lns.pid \
		>$log/xl2tpd 2>&1 &
	listens
}

do_l2tpns()
{
	python3 /mnt/radius.py 1812 secret >$log/radius 2>&1 &
	mkdir -p /etc/l2tpns /var/run/l2tpns/acct
	cat >/etc/l2tpns/startup-config <<-END
	set debug 2
	set log_file "$log/l2tpns"
	set pid_file "/run/lns.pid"
	set l2tp_mtu 1500
	set primary_radius 127.0.0.1
	set primary_radius_port 1812
	set radius_secret "secret"
	set radius_authtypes "pap, chap"
	set bind_address $LOCAL
	set iftun_address $INSIDE
	set peer_address $INSIDE
	set cli_bind_address 127.0.0.1
	set cluster_interface "vec0"
	set allow_duplicate_users yes
	END
	[ -z "$SECRET" ] || echo "set l2tp_secret \"$SECRET\"" >>/etc/l2tpns/startup-config
	echo "${FIRST%.*}.64/26" >/etc/l2tpns/ip_pool
	: >/etc/l2tpns/users
	l2tpns >$log/l2tpns.out 2>&1 &
	listens
}

case ${1:-} in
xl2tpd) do_xl2tpd ;;
l2tpns) do_l2tpns ;;
stop)
	pid=$(cat /run/lns.pid) && kill "$pid" && within 20 test ! -e "/proc/$pid"
	;;
links) cd /sys/class/net && printf '%s\n' ppp* | grep -vc '\*' ;;
*) echo "plain-lns.sh xl2tpd|l2tpns|stop|links"; exit 2 ;;
esac
