# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154
# The network that the client tests share, and our server in it.  Sourced after
# tests/lib.sh.
#
#   wan   bridge br0 192.0.2.0/24: server .1, NAT .2, clients without NAT .10…
#   nat   bridge lan0 10.77.0.0/24 behind masquerade: clients .10…
#   srv   the server: out0 192.0.2.1, in0 198.51.100.1
#   in    the network behind it: 198.51.100.2, a web server; knows no other route

OUTER=192.0.2.1
NAT_OUTER=192.0.2.2
INNER=198.51.100.1
INSIDE=198.51.100.2
POOL=10.55.0
PSK='mot de passe 1'
CANARY="culvert-canary-$$-$RANDOM$RANDOM"
server_run=
server_pid=
server_ns=srv
server_tag=

network_up()
{
	local n
	for n in wan nat srv in; do
		ns_add $n || return 1
	done
	link srv out0 wan s0 && link nat wan0 wan n0 && link srv in0 in i0 &&
		bridge wan br0 s0 n0 && bridge nat lan0 &&
		addr srv out0 $OUTER/24 && addr srv in0 $INNER/24 && addr in i0 $INSIDE/24 &&
		addr nat wan0 $NAT_OUTER/24 && addr nat lan0 10.77.0.1/24 || return 1
	ns nat sysctl -qw net.ipv4.ip_forward=1 &&
		ns nat nft -f - <<-END
		table ip nat {
			chain post {
				type nat hook postrouting priority srcnat
				oifname "wan0" masquerade
			}
		}
		END
}

# web_start: the web server behind the VPN, with a file of MEGABYTES (20).
web_start()
{
	start_ns in web python3 "$top/tests/httpd.py" 8080 ${MEGABYTES:-20} "$CANARY" || return 1
	wait_for ns in curl -sf -m 5 -o /dev/null http://127.0.0.1:8080/sum || return 1
	web_sum=$(ns in curl -sf http://127.0.0.1:8080/sum)
}

# server_conf: the configuration in $server_run; override what differs and write
# it before server_start.
server_conf()
{
	cat <<-END
	ext_if = "in0"
	ike passive esp transport from any to any psk "$PSK"
	tunnel L2TP protocol l2tp {
		listen on $OUTER
		authentication-method mschapv2
		l2tp-hello-interval 3
		l2tp-hello-timeout 12
	}
	ipcp HOME {
		pool-address "$POOL.10-$POOL.99"
		dns-servers 9.9.9.9 149.112.112.112
	}
	interface pppx0 address $POOL.1 ipcp HOME
	authentication LOCAL type local {
		users-file "$server_run/users"
	}
	bind tunnel from L2TP authenticated by LOCAL to pppx0
	firewall {
		nat on \$ext_if
	}
	END
}

# password_of USER
password_of()
{
	echo "$1's pass-word 7"
}

server_users()
{
	local u
	for u in alice bob carol; do
		printf '%s:\\\n\t:password=%s:\n' $u "$(password_of $u)"
	done
}

# server_is [NAMESPACE]: which of several servers ctl and server_start are about from now on (srv); its run
# directory is run.NAMESPACE, its log culvertd.NAMESPACE.log.
server_is()
{
	server_ns=${1:-srv}
	server_tag=${1:+.$1}
	server_run=$rig_dir/run$server_tag
}

# server_start: our server, until its control socket answers.
server_start()
{
	server_run=$rig_dir/run$server_tag
	mkdir -p "$server_run" && chmod 755 "$rig_dir" "$server_run" || return 1
	[ -e "$server_run/conf" ] || (umask 077 && server_conf >"$server_run/conf") || return 1
	[ -e "$server_run/users" ] || (umask 077 && server_users >"$server_run/users") || return 1
	start_ns $server_ns culvertd$server_tag "$build/culvertd" -d -f "$server_run/conf" -r "$server_run"
	server_pid=$started
	wait_for server_up_or_dead
	ctl status >/dev/null
}

server_up_or_dead()
{
	ctl status >/dev/null || not rig_alive "$server_pid"
}

# connect GUEST USER [ESP]: the whole way, with the times it took.
connect()
{
	check "$1: strongSwan and xl2tpd run" vpn_start "$1" "$OUTER" "$PSK" "$2" "$(password_of "$2")" \
		aes256-sha1-modp2048 "${3:-aes256-sha1}" || return 1
	check "$1: connects" vpn_up "$1" || return 1
	note "$1: IKE $(vpn_get "$1" ike_ms) ms, L2TP+PPP $(vpn_get "$1" ppp_ms) ms"
}

# ctl ARGUMENT…: culvertctl at this server.
ctl()
{
	"$build/culvertctl" -s "$server_run/culvert.sock" "$@"
}

# counter NAME: over all processes.
counter()
{
	ctl status | awk -v n="$1" 'NR > 1 && $2 == n { sum += $3 } END { print sum + 0 }'
}

# held: what sessions hold, on one line.  Equal before and after means that
# everything came back.
held()
{
	echo "sas=$(counter sas) sessions=$(counter sessions) leases=$(counter leases) tuns=$(counter tuns)" \
		"devices=$(ip -n "$(nsname srv)" -o link | grep -c ': pppx')" \
		"routes=$(ip -n "$(nsname srv)" route | grep -c "^$POOL")" \
		"rows=$(ctl session brief | grep -cE '^ *[0-9]+ ')"
}

held_is()
{
	[ "$(held)" = "$1" ]
}

# capture_start NAME IF TAG: everything that passes there, to TAG.pcap.
capture_start()
{
	start_ns "$1" "$3" tcpdump -i "$2" -n -U -B 32768 -w "$rig_dir/$3.pcap" || return 1
	wait_for grep -q 'listening on' "$rig_dir/$3.log"
}

# capture_count TAG FILTER
capture_count()
{
	tcpdump -n -r "$rig_dir/$1.pcap" "$2" 2>/dev/null | wc -l
}

# capture_none TAG FILTER: false, and shows some, if there are any.
capture_none()
{
	tcpdump -n -r "$rig_dir/$1.pcap" "$2" 2>/dev/null | head -n 5 >"$rig_dir/caught"
	cat "$rig_dir/caught"
	[ ! -s "$rig_dir/caught" ]
}

# logged TEXT: the server said so.
logged()
{
	grep -qF -- "$1" "$rig_dir/culvertd.log"
}
