#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs inside a guest (tests/guest/): one L2TP/IPsec server, and iperf3 beside it.
#
#   guest.sh culvert|culvert-kernel|xl2tpd|xl2tpd-user|l2tpns      returns when it takes calls
#
# /mnt/lns.conf as tests/guest/lns.sh has it, and BUILD.  The server's inside address
# is INSIDE.
set -u
# shellcheck disable=SC1091
. /mnt/lns.conf
log=/mnt/log

# within SECONDS COMMAND…
within()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}

# Where ESP is done: user or kernel.
do_culvert()
{
	local run=/tmp/run
	# It may lie below what is a tmpfs here.
	if [ ! -x "$BUILD/culvertd" ]; then
		mkdir -p "$BUILD" && mount -t hostfs -o "$BUILD" none "$BUILD" || return 1
	fi
	mkdir -p $run && chmod 755 $run
	umask 077
	cat >$run/conf <<-END
	set engines 1
	set esp $1
	ike passive esp transport from any to any quick auth hmac-sha1 enc aes-256 psk "$PSK"
	tunnel L2TP protocol l2tp {
		listen on $LOCAL
		authentication-method mschapv2
		mru $MTU
	}
	ipcp HOME {
		pool-address "$FIRST-$LAST"
		dns-servers $DNS1
	}
	interface tun0 address $INSIDE ipcp HOME
	authentication USERS type local {
		users-file "$run/users"
	}
	bind tunnel from L2TP authenticated by USERS to tun0
	firewall {
		off
	}
	END
	printf '%s:\\\n\t:password=%s:\n' "$USER" "$PASSWORD" >$run/users
	"$BUILD/culvertd" -d -f $run/conf -r $run >$log/culvertd 2>&1 &
	within 60 "$BUILD/culvertctl" -s $run/culvert.sock status
}

# What carries it in the kernel is the same for both; who speaks L2TP and PPP is not.
do_xl2tpd()
{
	echo "USERSPACE=$1" >>/mnt/lns.conf
	bash /mnt/lns.sh start
}

do_l2tpns()
{
	bash /mnt/lns.sh start || return 1
	pkill -x xl2tpd
	within 10 sh -c '! pgrep -x xl2tpd'
	python3 /mnt/radius.py 1812 secret >$log/radius 2>&1 &
	mkdir -p /etc/l2tpns /var/run/l2tpns/acct
	cat >/etc/l2tpns/startup-config <<-END
	set debug 2
	set log_file "$log/l2tpns"
	set pid_file "/tmp/l2tpns.pid"
	set l2tp_mtu 1500
	set primary_dns $DNS1
	set secondary_dns $DNS2
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
	echo "${FIRST%.*}.64/26" >/etc/l2tpns/ip_pool
	: >/etc/l2tpns/users
	l2tpns >$log/l2tpns.out 2>&1 &
	within 20 sh -c 'ss -Huan "sport = 1701" | grep -q .'
}

case ${1:-} in
culvert) do_culvert user ;;
culvert-kernel) do_culvert kernel ;;
xl2tpd) do_xl2tpd "" ;;
xl2tpd-user) do_xl2tpd yes ;;
l2tpns) do_l2tpns ;;
*) exit 2 ;;
esac || exit 1
iperf3 -s -p 5201 >$log/iperf3 2>&1 &
within 20 sh -c 'ss -Htln "sport = 5201" | grep -q .'
