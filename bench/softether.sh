# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# SoftEther VPN Server (Debian's softether-vpnserver and softether-vpncmd) in a
# network namespace, for comparison.  To be sourced; needs root.
#
#   softether_missing                    says why it cannot run here; false: it can
#   softether_version                    "5.01.9674…", of the package
#   softether_start NS DIR ADDRESS       runs it in namespace NS, its files below DIR, IKE on ADDRESS
#   softether_setup NS PSK USER PASSWORD [COUNT]
#                                        L2TP/IPsec, one hub, USER (and USER0 … USERn-1 with COUNT),
#                                        and tap_soft as the hub's way out
#   softether_stop DIR                   ends it and everything of it
#   softether_pids DIR                   its processes, for accounting
#
# Nothing of the machine is touched: the server has a mount namespace, where /var
# and /run are its own, and a PID namespace, so that nothing of it outlives
# softether_stop (its first process starts the real one and would leave it behind).
#
# The hub is bridged to tap_soft, which has SE_GATEWAY/SE_LEN; from there the
# namespace forwards like for any other server.  Clients get addresses from the
# hub's own DHCP server (SecureNAT with its NAT off).

SE_GATEWAY=${SE_GATEWAY:-10.66.0.1}
SE_VIRTUAL=${SE_VIRTUAL:-10.66.0.2}     # the DHCP server itself
SE_LEN=${SE_LEN:-16}
SE_MASK=${SE_MASK:-255.255.0.0}
SE_FIRST=${SE_FIRST:-10.66.1.1}
SE_LAST=${SE_LAST:-10.66.250.250}
SE_ADMIN=culvert-bench
se_program=/usr/libexec/softether/vpnserver/vpnserver
se_command=/usr/libexec/softether/vpncmd/vpncmd

softether_missing()
{
	local p
	[ "$(id -u)" = 0 ] || { echo "needs root"; return 0; }
	for p in $se_program $se_command; do
		[ -x "$p" ] || { echo "no $p (packages softether-vpnserver, softether-vpncmd)"; return 0; }
	done
	return 1
}

softether_version()
{
	dpkg-query -W -f '${Version}\n' softether-vpnserver
}

# se_cmd NS ARGUMENT…: vpncmd there, as administrator of the server.
se_cmd()
{
	local ns=$1
	shift
	ip netns exec "$ns" $se_command localhost:5555 /SERVER /PASSWORD:"$SE_ADMIN" /CSV "$@"
}

# The same before there is a password.
se_first()
{
	ip netns exec "$1" $se_command localhost:5555 /SERVER /CMD:ServerPasswordSet "$SE_ADMIN"
}

se_wait()
{
	local i
	for ((i = 0; i < 600; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}

softether_start()
{
	local ns=$1 dir=$2 address=$3
	mkdir -p "$dir/var/lib/softether" "$dir/var/log/softether" "$dir/var/tmp" || return 1
	# It reads its address from here, and names itself 0.0.0.0 to clients otherwise.
	# No start-up check of the internet, no dynamic DNS, no listening cloud.
	cat >"$dir/var/lib/softether/vpn_server.config" <<-END
	declare root
	{
		declare DDnsClient
		{
			bool Disabled true
		}
		declare ListenerList
		{
			declare Listener0
			{
				bool DisableDos true
				bool Enabled true
				uint Port 5555
			}
		}
		declare ServerConfiguration
		{
			string ListenIP $address
			bool DisableDosProtection true
			bool DisableGetHostNameWhenAcceptTcp true
			bool DisableNatTraversal true
			bool NoLinuxArpFilter true
			bool UseKeepConnect false
		}
	}
	END
	# shellcheck disable=SC2016
	setpriv --pdeathsig KILL -- ip netns exec "$ns" \
		unshare --mount --pid --fork --kill-child=KILL --mount-proc sh -c '
			mount --bind "$1/var" /var && mount -t tmpfs none /run && mkdir /run/softether || exit 1
			exec '$se_program' execsvc
		' sh "$dir" </dev/null >"$dir/softether.log" 2>&1 &
	echo $! >"$dir/pid"
}

# What vpncmd is to do once the server is up.
se_script()
{
	local psk=$1 user=$2 password=$3 count=$4 i
	cat <<-END
	IPsecEnable /L2TP:yes /L2TPRAW:no /ETHERIP:no /PSK:$psk /DEFAULTHUB:DEFAULT
	HubCreate DEFAULT /PASSWORD:$SE_ADMIN
	BridgeCreate DEFAULT /DEVICE:soft /TAP:yes
	Hub DEFAULT
	LogDisable packet
	LogDisable security
	SecureNatEnable
	NatDisable
	SecureNatHostSet /MAC:none /IP:$SE_VIRTUAL /MASK:$SE_MASK
	DhcpSet /START:$SE_FIRST /END:$SE_LAST /MASK:$SE_MASK /EXPIRE:7200 /GW:$SE_GATEWAY /DNS:9.9.9.9 /DNS2:none /DOMAIN:none /LOG:no
	UserCreate $user /GROUP:none /REALNAME:none /NOTE:none
	UserPasswordSet $user /PASSWORD:$password
	END
	for ((i = 0; i < count; i++)); do
		echo "UserCreate $user$i /GROUP:none /REALNAME:none /NOTE:none"
		echo "UserPasswordSet $user$i /PASSWORD:$password"
	done
}

# The script comes by a file that only we can read: it has the secrets.
softether_setup()
{
	local ns=$1 script status
	shift
	se_wait se_first "$ns" || return 1
	script=$(mktemp) || return 1
	se_script "$1" "$2" "$3" "${4:-0}" >"$script"
	se_cmd "$ns" /IN:"$script"
	status=$?
	rm -f "$script"
	[ $status = 0 ] && se_wait ip -n "$ns" link show tap_soft &&
		ip -n "$ns" addr replace "$SE_GATEWAY/$SE_LEN" dev tap_soft && ip -n "$ns" link set tap_soft up &&
		se_wait se_listens "$ns"
}

# IKE is the last thing that it opens.
se_listens()
{
	ip netns exec "$1" ss -Hlun | awk '{ print $4 }' | grep -q ':4500$'
}

softether_pids()
{
	local p
	p=$(cat "$1/pid") && p=$(pgrep -P "$p") && echo "$p" && pgrep -P "$p"
}

softether_stop()
{
	local pid all i
	pid=$(cat "$1/pid") || return 1
	all=$(softether_pids "$1")
	kill -KILL "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	rm -f "$1/pid"
	# Those of its PID namespace end a little later, and hold the ports that the next server wants.
	for ((i = 0; i < 200; i++)); do
		# shellcheck disable=SC2086
		kill -0 $all 2>/dev/null || return 0
		sleep 0.05
	done
	return 1
}
