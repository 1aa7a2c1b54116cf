#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs inside a guest: Debian's xl2tpd and pppd without IPsec, as an access
# concentrator or a client of plain L2TP.  Calls have numbers, and an xl2tpd
# each, so that several may be up at once.
#
#   lac.sh up N        calls; prints NAME=VALUE lines (times in ms)
#   lac.sh traffic N   pings of the link's size, a file down, a file up; all through
#                      this call, and all as they were sent
#   lac.sh down N      hangs up, and ends xl2tpd
#
# /mnt/lac.N.conf says whom to call: SERVER[:PORT] USER PASSWORD, and by which one of
# pap, chap, mschap-v2 and eap (AUTH); GLOBAL, LAC and PPP hold further lines of the
# programs' own configurations, SECRET the tunnel's secret.  /mnt/traffic.conf:
# INSIDE, whose web server has the file, DOWN_SUM of its first 2 MB, and UP_SUM of
# what it says to /mnt/up.bin.
set -u
n=${2:?which call}
# shellcheck disable=SC1090
. "/mnt/lac.$n.conf"
log=/mnt/log
run=/run/lac/$n
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
	printf '[global]\nport = %s\n%s\n[lac vpn]\nlns = %s\npppoptfile = %s/options\nautodial = no\nredial = no\n%s\n' \
		$((1701 + n)) "$GLOBAL" "$SERVER" "$run" "$LAC" >"$run/conf"
	printf '* * %s\n' "$SECRET" >"$run/secrets"
	echo lock >/etc/ppp/options
	cat >"$run/options" <<-END
	name "$USER"
	password "$PASSWORD"
	linkname vpn$n
	ipcp-accept-local
	ipcp-accept-remote
	refuse-mschap
	$(for a in pap chap mschap-v2 eap; do [ $a = "$AUTH" ] || echo refuse-$a; done)
	noauth
	noipdefault
	nodefaultroute
	mtu $MRU
	mru $MRU
	debug
	logfile $log/pppd.$n
	$PPP
	END
	# The same for all calls, one of which may be running it.
	# shellcheck disable=SC2016
	printf '#!/bin/bash\necho "${EPOCHREALTIME/./} $IPLOCAL $IPREMOTE $IFNAME" >/run/lac/${LINKNAME#vpn}/up\n' >"/etc/ppp/ip-up.$n"
	printf '#!/bin/bash\n' >"/etc/ppp/ip-down.$n"
	chmod 600 "$run/options" "$run/secrets"
	chmod 755 "/etc/ppp/ip-up.$n" "/etc/ppp/ip-down.$n"
	mv "/etc/ppp/ip-up.$n" /etc/ppp/ip-up
	mv "/etc/ppp/ip-down.$n" /etc/ppp/ip-down
}

do_up()
{
	local called up address peer dev
	mkdir -p "$run"
	[ -p "$run/never" ] || mkfifo "$run/never" "$run/up" || return 1
	write_conf
	: >"$log/pppd.$n"
	xl2tpd -D -c "$run/conf" -s "$run/secrets" -C "$run/control" -p "$run/pid" >"$log/xl2tpd.$n" 2>&1 &
	within 20 test -p "$run/control" || return 1
	exec 8<>"$run/up"
	called=$EPOCHREALTIME
	echo "c vpn" >"$run/control"
	read -rt "${LIMIT:-20}" up address peer dev <&8 || { echo error=l2tp; return 1; }
	echo "$dev" >"$run/dev"
	printf 'call_ms=%s\naddress=%s\npeer=%s\nmtu=%s\n' "$(((up - ${called/./}) / 1000))" "$address" "$peer" \
		"$(cat "/sys/class/net/$dev/mtu")"
	# Whoever is bound to the device goes there, whatever the others have.
	ip route replace 198.51.100.0/24 dev "$dev" metric $((n + 1))
}

do_traffic()
{
	local dev mtu down up
	# shellcheck disable=SC1091
	. /mnt/traffic.conf
	dev=$(cat "$run/dev") && mtu=$(cat "/sys/class/net/$dev/mtu") || return 1
	ping -I "$dev" -c 2 -i 0.2 -W 5 -M do -s $((mtu - 28)) "$INSIDE" >/dev/null || { echo error=ping; return 1; }
	down=$(curl -s -m 30 --interface "$dev" "http://$INSIDE:8080/file" | head -c 2000000 | sha256sum | cut -d' ' -f1)
	up=$(curl -sf -m 30 --interface "$dev" -T /mnt/up.bin "http://$INSIDE:8080/up" | sha256sum | cut -d' ' -f1)
	echo "mtu=$mtu down=$down up=$up"
	[ "$down" = "$DOWN_SUM" ] && [ "$up" = "$UP_SUM" ]
}

do_down()
{
	local pid dev
	# PPP first, as a user who hangs up; xl2tpd's own "d" ends the tunnel below it, and
	# pppd then waits in vain for an answer.
	dev=$(cat "$run/dev" 2>/dev/null)
	if [ -n "$dev" ] && [ -e "/sys/class/net/$dev" ]; then
		kill "$(cat "/run/$dev.pid")"
		within 20 test ! -e "/sys/class/net/$dev" || { echo error=ppp-stays; return 1; }
	fi
	rm -f "$run/dev"
	pid=$(cat "$run/pid") && kill "$pid" && within 10 test ! -e "/proc/$pid"
}

case ${1:-} in
up) do_up ;;
traffic) do_traffic ;;
down) do_down ;;
*) echo "lac.sh up|traffic|down N"; exit 2 ;;
esac
