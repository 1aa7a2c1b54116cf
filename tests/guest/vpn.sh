#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs inside a guest: Debian's strongSwan, xl2tpd and pppd as an L2TP/IPsec
# client, the way a user sets them up.
#
#   vpn.sh start      the programs, nothing connected yet
#   vpn.sh reconf     takes another key, user or password from /mnt/vpn.conf
#   vpn.sh up         connects; prints NAME=VALUE lines (times in ms); $LIMIT
#                     seconds are its patience for each half
#   vpn.sh down       hangs up
#
# /mnt/vpn.conf says whom to call: SERVER PSK USER PASSWORD IKE ESP, LOCAL, and by
# which one of pap, chap and mschap-v2 (AUTH).
set -u
# shellcheck disable=SC1091
. /mnt/vpn.conf
# shellcheck disable=SC1091
. /mnt/parts.sh

write_conf()
{
	local refuse='' a
	for a in pap chap mschap-v2; do
		[ $a = "$AUTH" ] || refuse+="refuse-$a"$'\n'
	done
	put /etc/strongswan.conf <<-END
	charon {
		load = random nonce openssl aes sha1 sha2 md5 hmac kdf gmp kernel-netlink socket-default stroke updown
		install_routes = no
		filelog {
			main {
				path = $log/charon
				time_format = %s
				time_add_ms = yes
				default = 1
				flush_line = yes
			}
		}
	}
	END
	# Its parser wants a section's lines indented.
	put /etc/ipsec.conf <<END
config setup
conn vpn
	keyexchange=ikev1
	authby=secret
	type=transport
	left=$LOCAL
	leftprotoport=17/1701
	right=$SERVER
	rightprotoport=17/1701
	ike=$IKE!
	esp=$ESP!
	keyingtries=1
	rekey=no
	auto=add
END
	printf '%s : PSK "%s"\n' "$LOCAL %any" "$PSK" >/etc/ipsec.secrets
	put /etc/xl2tpd/xl2tpd.conf <<-END
	[global]
	port = 1701
	[lac vpn]
	lns = $SERVER
	pppoptfile = /etc/ppp/options.vpn
	length bit = yes
	autodial = no
	redial = no
	END
	put /etc/ppp/options <<-END
	lock
	END
	put /etc/ppp/options.vpn <<-END
	name "$USER"
	password "$PASSWORD"
	ipcp-accept-local
	ipcp-accept-remote
	refuse-eap
	refuse-mschap
	$refuse
	noauth
	lcp-restart 1
	lcp-max-configure 30
	lcp-max-terminate 1
	noccp
	noipdefault
	usepeerdns
	nodefaultroute
	mtu 1360
	mru 1360
	debug
	logfile $log/pppd
	END
	put /etc/ppp/ip-up <<-END
	#!/bin/bash
	echo "\${EPOCHREALTIME/./} \$IPLOCAL \$IPREMOTE \${DNS1:-none} \${DNS2:-none}" >$run/up
	END
	put /etc/ppp/ip-down <<-END
	#!/bin/bash
	: >$run/down
	END
	chmod 600 /etc/ipsec.secrets /etc/ppp/options.vpn
	chmod 755 /etc/ppp/ip-up /etc/ppp/ip-down
}

do_start()
{
	local route
	run_up && mkfifo $run/up || return 1
	write_conf
	# The server stays reachable when the default route moves into the tunnel.
	route=$(ip -o route get "$SERVER")
	# shellcheck disable=SC2086
	ip route replace ${route%% uid *} || return 1
	: >$log/charon
	ipsec start >>$log/starter 2>&1 || return 1
	within 60 added 0 || return 1
	xl2tpd -D -c /etc/xl2tpd/xl2tpd.conf -C $run/l2tp-control -p $run/xl2tpd.pid >$log/xl2tpd 2>&1 &
	within 20 test -p $run/l2tp-control
}

# Without IPsec xl2tpd would connect in the clear, and happily: no call before
# charon says that the CHILD_SA, and with it the policy, is in the kernel.
# Nothing slow stands between that and the call: the time is the server's.
do_up()
{
	local lines called began child up address peer dns1 dns2 line
	mapfile -t lines <$log/charon
	lines=${#lines[@]}
	rm -f $run/down
	exec 8<>$run/up
	if ! timeout "${LIMIT:-60}" /usr/lib/ipsec/stroke up vpn >$log/ipsec-up 2>&1; then
		cat $log/ipsec-up
		echo
		echo error=ike
		return 1
	fi
	called=$EPOCHREALTIME
	echo "c vpn" >$run/l2tp-control
	read -rt "${LIMIT:-45}" up address peer dns1 dns2 <&8
	began=$(logged_ms "initiating Main Mode" "$lines")
	child=$(logged_ms "CHILD_SA vpn" "$lines")
	echo "ike_ms=$((child - began))"
	if [[ $(ip xfrm state) == *'encap type espinudp'* ]]; then echo encap=udp; else echo encap=none; fi
	if [ -z "$up" ]; then
		echo error=l2tp
		return 1
	fi
	echo "ppp_ms=$((up / 1000 - child))"
	echo "call_ms=$(((up - ${called/./}) / 1000))"
	printf 'address=%s\npeer=%s\ndns1=%s\ndns2=%s\n' "$address" "$peer" "$dns1" "$dns2"
	while read -r line; do
		echo "${line/#nameserver /resolver=}"
	done </etc/ppp/resolv.conf
	echo "mtu=$(</sys/class/net/ppp0/mtu)"
	# Whatever the test does next can only go through the tunnel.
	ip route replace default dev ppp0
}

do_down()
{
	echo "d vpn" >$run/l2tp-control
	within 20 test ! -e /sys/class/net/ppp0 || { echo error=ppp0-stays; return 1; }
	/usr/lib/ipsec/stroke down vpn >>$log/ipsec-up 2>&1
	ip xfrm state flush
}

do_reconf()
{
	conf_again
}

case ${1:-} in
start) do_start ;;
reconf) do_reconf ;;
up) do_up ;;
down) do_down ;;
*) echo "vpn.sh start|reconf|up|down"; exit 2 ;;
esac
