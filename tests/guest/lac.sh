#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs inside a guest: Debian's xl2tpd and pppd without IPsec, as an access
# concentrator or a client of plain L2TP.
#
#   lac.sh up      calls; prints NAME=VALUE lines (times in ms)
#   lac.sh down    hangs up, and ends xl2tpd
#
# /mnt/lac.conf says whom to call: SERVER[:PORT] USER PASSWORD, and by which one of
# pap, chap and mschap-v2 (AUTH); GLOBAL, LAC and PPP hold further lines of the
# programs' own configurations, SECRET the tunnel's secret.
set -u
# shellcheck disable=SC1091
. /mnt/lac.conf
log=/mnt/log
run=/run/lac
GLOBAL=${GLOBAL:-} LAC=${LAC:-} PPP=${PPP:-} SECRET=${SECRET:-} MRU=${MRU:-1360}

# within SECONDS COMMAND…: false if it does not come true in that time.
within()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.02 <>"$run/never"
	done
	return 0
}

write_conf()
{
	printf '[global]\nport = 1701\n%s\n[lac vpn]\nlns = %s\npppoptfile = /etc/ppp/options.lac\nautodial = no\nredial = no\n%s\n' \
		"$GLOBAL" "$SERVER" "$LAC" >/etc/xl2tpd/lac.conf
	printf '* * %s\n' "$SECRET" >/etc/xl2tpd/l2tp-secrets
	echo lock >/etc/ppp/options
	cat >/etc/ppp/options.lac <<-END
	name "$USER"
	password "$PASSWORD"
	ipcp-accept-local
	ipcp-accept-remote
	refuse-eap
	refuse-mschap
	$(for a in pap chap mschap-v2; do [ $a = "$AUTH" ] || echo refuse-$a; done)
	noauth
	noipdefault
	nodefaultroute
	mtu $MRU
	mru $MRU
	debug
	logfile $log/pppd
	$PPP
	END
	printf '#!/bin/bash\necho "${EPOCHREALTIME/./} $IPLOCAL $IPREMOTE" >%s/up\n' $run >/etc/ppp/ip-up
	printf '#!/bin/bash\n' >/etc/ppp/ip-down
	chmod 600 /etc/ppp/options.lac /etc/xl2tpd/l2tp-secrets
	chmod 755 /etc/ppp/ip-up /etc/ppp/ip-down
}

do_up()
{
	local called up address peer
	mkdir -p $run
	[ -p $run/never ] || mkfifo $run/never $run/up || return 1
	write_conf
	: >$log/pppd
	xl2tpd -D -c /etc/xl2tpd/lac.conf -s /etc/xl2tpd/l2tp-secrets -C $run/control -p $run/pid >$log/xl2tpd 2>&1 &
	within 20 test -p $run/control || return 1
	exec 8<>$run/up
	called=$EPOCHREALTIME
	echo "c vpn" >$run/control
	read -rt "${LIMIT:-20}" up address peer <&8 || { echo error=l2tp; return 1; }
	printf 'call_ms=%s\naddress=%s\npeer=%s\nmtu=%s\n' "$(((up - ${called/./}) / 1000))" "$address" "$peer" \
		"$(cat /sys/class/net/ppp0/mtu)"
	# Whatever the test does next can only go through the tunnel.
	ip route replace 198.51.100.0/24 dev ppp0
}

do_down()
{
	local pid
	pid=$(cat $run/pid)
	# PPP first, as a user who hangs up; xl2tpd's own "d" ends the tunnel below it, and
	# pppd then waits in vain for an answer.
	kill "$(cat /run/ppp0.pid)"
	within 20 test ! -e /sys/class/net/ppp0 || { echo error=ppp0-stays; return 1; }
	kill "$pid" && within 10 test ! -e "/proc/$pid"
}

case ${1:-} in
up) do_up ;;
down) do_down ;;
*) echo "lac.sh up|down"; exit 2 ;;
esac
