#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Configurations that people paste, as they stand: OpenBSD's stock npppd.conf with the
# ike lines of an ipsec.conf, in the tunnel form and the transport form; one with two
# tunnels, three kinds of authentication and both kinds of interface; one written for
# PPTP; and the single line. Each with logins, pings through, addresses, listings, and
# everything given back.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../guest/guest.sh"

OTHER=192.0.2.3			# a second address of the server
PASSWORD='open sesame 9'
LONG_PSK='tail-gunner-osprey-lilac'
serial=0 clients=1

rig_begin "pasted configurations run"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"
must dial_network
must addr srv out0 $OTHER/24
# A place for a client that is not ours.
must ip -n "$(nsname cli)" addr del $CLIENT/24 dev c0
must bridge cli br0 c0
must addr cli br0 $CLIENT/24
must ip -n "$(nsname srv)" route replace $PREFIX via $CLIENT
# Nothing is translated here but where a file says so.
for net in 10.0.0.0/8 192.168.87.0/24; do
	must ip -n "$(nsname in)" route add $net via $INNER
done
# Paths are those of the originals: the servers see an /etc of their own.
must cp -a /etc "$rig_dir/etc"
must mkdir -p "$rig_dir/etc/npppd" "$rig_dir/etc/culvert"

# users NAME[:FIELD…]…: a users file as npppd-users(5) has it, all with the one password.
users()
{
	local u
	for u; do
		printf '%s:\\\n\t:password=%s:%s\n' "${u%%:*}" "$PASSWORD" \
			"$([ "${u#*:}" = "$u" ] || printf '\\\n\t:%s:' "${u#*:}")"
	done
}

(
	umask 077
	users johnnyb tommyg >"$rig_dir/etc/npppd/npppd-users"
	users alice bob >"$rig_dir/etc/culvert/users"
	users alice bob carol dave:framed-ip-address=10.55.1.5 erin:framed-ip-address=10.99.0.1 >"$rig_dir/etc/npppd/local"
	users gina hugo ida jan >"$rig_dir/etc/npppd/guests"
	echo "$PASSWORD" >"$rig_dir/password"
	echo SECRETKEY >"$rig_dir/psk-article"
	echo "$LONG_PSK" >"$rig_dir/psk-long"
)

# serve: a server with the configuration that comes in.
serve()
{
	serial=$((serial + 1))
	server_run=$rig_dir/run$serial
	server_log=$rig_dir/culvertd.log
	[ $serial = 1 ] || server_log=$rig_dir/culvertd$serial.log
	mkdir -p "$server_run" && chmod 755 "$rig_dir" "$server_run" || return 1
	(umask 077 && cat >"$server_run/culvert.conf") || return 1
	start_ns srv "$(basename "$server_log" .log)" sh -c 'mount --bind "$1" /etc && shift && exec "$@"' - \
		"$rig_dir/etc" "$build/culvertd" -d -f "$server_run/culvert.conf" -r "$server_run"
	server_pid=$started
	wait_for server_up_or_dead
	ctl status >/dev/null || { cat "$server_log"; return 1; }
	idle=$(given_back)
}

said()
{
	grep -qF -- "$1" "$server_log" || { grep -v 'users file=' "$server_log" | tail -n 8; return 1; }
}

# warned LINE TEXT: about that line of the file (as a regular expression), with its place.
warned()
{
	said "culvert.conf:$(grep -nE -- "$1" "$server_run/culvert.conf" | head -n 1 | cut -d: -f1):" &&
		grep -qE "culvert.conf:$(grep -nE -- "$1" "$server_run/culvert.conf" | head -n 1 | cut -d: -f1):[0-9]+: warning: $2" "$server_log"
}

# Everything that sessions hold, with both kinds of devices and all routes to clients.
given_back()
{
	echo "$(held) flows=$(counter flows) ike=$(counter ike_sas_now) pending=$(counter login_pending)" \
		"netd=$(counter routes) tun=$(ip -n "$(nsname srv)" route | grep -c 'dev tun')"
}

given_back_is()
{
	[ "$(given_back)" = "$1" ]
}

# serve_end: nothing is held, the server ends, and no password stands in its log.
serve_end()
{
	check "$1: everything came back" wait_for given_back_is "$idle" || given_back | sed "s/^/# $idle\n# /"
	kill -TERM "$server_pid"
	check "$1: the server ends" wait_for not rig_alive "$server_pid"
	check "$1: no secret is in the log" not grep -qiE \
		"$PASSWORD|SECRETKEY|$LONG_PSK|$(printf %s "$PASSWORD" | od -An -v -tx1 | tr -d ' \n')" "$server_log"
	check "$1: no device stays" not eval 'ip -n "$(nsname srv)" -o link | grep -E ": (tun|pppx)"'
}

# caller TAG USER OPTION…: a client; its PSK is $psk and it calls $server.
psk=$rig_dir/psk-article
server=$OUTER
caller()
{
	local tag=$1 user=$2
	shift 2
	start_ns cli "$tag" "$build/culvert-dial" -s $server -k "@$psk" -u "$user" -p "@$rig_dir/password" \
		--from "198.18.$serial.$((clients++))" --timeout 20 "$@"
	eval "pid_$tag=$started"
}

# field USER NAME: of session all, of that user's newest.
field()
{
	ctl -n session all | awk -v u="$1" -v f="$2" '
		{ k = $0; sub(/ *: .*/, "", k); sub(/^ +/, "", k); v = $0; sub(/^[^:]*: /, "", v) }
		k == "Username" { mine = (v == u) }
		mine && k == f { last = v }
		END { print last }'
}

listed()
{
	[ "$(ctl -n session brief | awk -v u="$1" '$3 == u' | wc -l)" = "$2" ]
}

# up TEXT TAG USER AS OPTION…: a client that stays, known as AS, and pings through.
up()
{
	local text=$1 tag=$2 user=$3 as=$4 n
	shift 4
	n=$(ctl -n session brief | awk -v u="$as" '$3 == u' | wc -l)
	caller "$tag" "$user" --hold 600 --ping 50 --target $INSIDE "$@"
	check "$text: $user logs in" wait_for listed "$as" $((n + 1)) ||
		tail -n 4 "$rig_dir/$tag.log" "$server_log" | sed 's/^/# /'
	check "$text: packets pass" wait_for passes "$as"
}

passes()
{
	[ "$(field "$1" "Output Packets")" -ge 3 ] && [ "$(field "$1" "Input Packets")" -ge 3 ]
}

# down TEXT TAG: it hangs up, and has lost no ping since the first was answered.
down()
{
	local pid=pid_$2
	kill -TERM "${!pid}"
	check "$1: the client ends" wait_for not rig_alive "${!pid}"
	check_eq "$1: it was up to the end, no ping lost" "1 0" "$(got "$2" ok) $(($(got "$2" pings_lost) - $(got "$2" pings_early)))"
}

# refused TEXT TAG USER REASON OPTION…: no login, and why.
refused()
{
	local text=$1 tag=$2 user=$3 reason=$4 pid=pid_$2
	shift 4
	caller "$tag" "$user" "$@"
	check "$text" wait_for not rig_alive "${!pid}"
	check_eq "$text: nobody came up" 0 "$(got "$tag" up)"
	check "$text: the client hears why" grep -F -- "$reason" "$rig_dir/$tag.log"
}

# shows TEXT AS REALM IFNAME ADDRESS: the listing, and the device.
shows()
{
	local dev
	dev=$(field "$2" "Concentrated Interface")
	check_eq "$1: realm, interface, address" "$3 $4 $5 1360 L2TP" "$(field "$2" "Realm Name") $dev \
$(field "$2" "Assigned IPv4 Address") $(field "$2" MRU) $(field "$2" "Tunnel Protocol")"
	check "$1: the way to it is that device" eval \
		"ip -n $(nsname srv) route get $5 | grep -q 'dev $dev '"
}

# --- 1: what OpenBSD installs, and the article's ike lines --------------------------------

stock()
{
	cat <<-'END'
	# $OpenBSD: npppd.conf
	# sample npppd configuration file.  see npppd.conf(5)

	authentication LOCAL type local {
		users-file "/etc/npppd/npppd-users"
	}
	#authentication RADIUS type radius {
	#	authentication-server {
	#		address 192.168.0.1 secret "hogehoge"
	#	}
	#	accounting-server {
	#		address 192.168.0.1 secret "hogehoge"
	#	}
	#}

	tunnel L2TP protocol l2tp {
		listen on 0.0.0.0
		listen on ::
	}

	ipcp IPCP {
		pool-address 10.0.0.2-10.0.0.254
		dns-servers 8.8.8.8
	}

	# use pppx(4) interface.  use an interface per a ppp session.
	interface pppx0 address 10.0.0.1 ipcp IPCP
	bind tunnel from L2TP authenticated by LOCAL to pppx0
	END
}

article_ike()
{
	cat <<-END

	ike passive esp tunnel from "$OUTER" to any \\
	     main group "modp1024" \\
	     quick group "modp1024" \\
	     psk "SECRETKEY"
	END
}

check "stock npppd.conf, and the article's lines of ipsec.conf: the server starts" serve < <(stock; article_ike)
check "its short key is warned about, with the place" warned "psk .SECRETKEY" "the pre-shared key"
up "modp1024, with forward secrecy" pfs johnnyb johnnyb --group modp1024 --pfs modp1024
shows "it" johnnyb LOCAL pppx0 10.0.0.2
check_eq "its device carries the name, our address and the client's" "johnnyb 10.0.0.1 10.0.0.2/32 1360" \
	"$(ns srv cat /sys/class/net/pppx0/ifalias) $(ip -n "$(nsname srv)" -o addr show dev pppx0 | awk '/inet / { print $4, $6 }') \
$(ns srv cat /sys/class/net/pppx0/mtu)"
up "modp1024, without" nopfs tommyg tommyg --group modp1024 --auth mschapv2
shows "it" tommyg LOCAL pppx1 10.0.0.3
refused "another group than the file's is refused" other johnnyb "phase ike" --group modp2048
refused "PAP is not offered" pap johnnyb "phase ppp" --group modp1024 --auth pap
check "the log says so" said 'reason="no common authentication method"'
down "forward secrecy" pfs
down "without" nopfs
serve_end "stock"

# --- 2: the transport form, and both in one file -------------------------------------------

check "esp transport, proto udp, port 1701: the server starts" serve < <(
	stock
	cat <<-END
	ike passive esp transport \\
		proto udp from $OUTER to any port 1701 \\
		main auth "hmac-sha1" enc "aes" group modp1024 \\
		quick auth "hmac-sha1" enc "aes" \\
		psk "$LONG_PSK"
	END
)
psk=$rig_dir/psk-long
up "transport" one johnnyb johnnyb --group modp1024
shows "it" johnnyb LOCAL pppx0 10.0.0.2
down "transport" one
serve_end "transport"

check "both forms in one file: the server starts" serve < <(
	stock
	article_ike
	cat <<-END
	set dpd 5
	ike passive esp transport proto udp from "$OTHER" port 1701 to any \\
		main group modp2048 psk "$LONG_PSK"
	END
)
psk=$rig_dir/psk-article
refused "forward secrecy with another group is refused" otherpfs johnnyb "phase ike" --group modp1024 --pfs modp2048
up "tunnel form" tunnel johnnyb johnnyb --group modp1024 --pfs modp1024
psk=$rig_dir/psk-long server=$OTHER
up "transport form" transport tommyg tommyg
shows "the first" johnnyb LOCAL pppx0 10.0.0.2
shows "the second" tommyg LOCAL pppx1 10.0.0.3
psk=$rig_dir/psk-article
refused "the one's key does not open the other's address" wrong johnnyb "phase ike" --timeout 8
down "tunnel form" tunnel
down "transport form" transport
serve_end "both"

# --- 3: two tunnels, three authentications, three interfaces --------------------------------

whole()
{
	cat <<-END
	ike passive esp tunnel from any to any psk "$LONG_PSK"
	set max-session 6
	set user-max-session 2 ${1:-}

	authentication LOCAL type local {
		users-file "/etc/npppd/local"
	}
	authentication GUEST type local {
		username-suffix "@guest"
		strip-atmark-realm yes
		users-file "/etc/npppd/guests"
		user-max-session 1
	}
	authentication RADIUS type radius {
		username-suffix "@corp"
		strip-nt-domain yes
		strip-atmark-realm yes
		authentication-server {
			address 198.51.100.2 secret "CanYouHackMe"
			timeout 1
			max-tries 1
		}
		accounting-server {
			address 198.51.100.2 secret "CanYouHackMe"
		}
	}

	tunnel STAFF protocol l2tp {
		listen on $OUTER
		authentication-method pap chap mschapv2
		chap-name "concentrator"
		idle-timeout 3600
		ipcp-timeout 2
		tcp-mss-adjust yes
		debug-dump-pktin lcp pap chap
		debug-dump-pktout ipcp
		l2tp-ctrl-in-pktdump yes
		l2tp-data-out-pktdump yes
	}
	tunnel VISITORS protocol l2tp {
		listen on $OTHER
		authentication-method chap
		idle-timeout 3
		lcp-keepalive yes
		lcp-keepalive-interval 1
		l2tp-hello-interval 1
		l2tp-ctrl-out-pktdump yes
		l2tp-data-in-pktdump yes
	}

	ipcp OFFICE {
		pool-address "10.55.0.2-10.55.0.9"
		pool-address 10.55.1.0/28 for static
		dns-servers 192.0.2.53
		nbns-servers 192.0.2.54 192.0.2.55
		allow-user-selected-address no
		max-session 3
	}
	ipcp GUESTS {
		pool-address 10.56.0.0/24
		allow-user-selected-address yes
	}

	interface pppx0 address 10.55.0.1 ipcp OFFICE
	interface tun0 address 10.57.0.1 ipcp GUESTS
	interface pppx10 address 10.57.0.2 ipcp GUESTS

	bind tunnel from STAFF authenticated by LOCAL to pppx0
	bind tunnel from STAFF authenticated by GUEST to tun0
	bind tunnel from STAFF authenticated by RADIUS to pppx0
	bind tunnel from VISITORS authenticated by GUEST to pppx10
	END
}

psk=$rig_dir/psk-long server=$OUTER
check "two tunnels, three interfaces: the server starts" serve < <(whole)
check "PAP is warned about, with the place" warned 'authentication-method pap' 'pap hands'
check "RADIUS is nothing to warn of" not warned 'type radius' 'type radius'
n=2
for method in pap chap mschapv2; do
	up "by $method" m$method alice alice --auth $method
	shows "it" alice LOCAL pppx0 10.55.0.$n
	down "by $method" m$method
	check "by $method: it is gone" wait_for given_back_is "$idle"
	n=$((n + 1))
done
check "what was asked for is dumped, a password is not" said "received PAP 01"
check "what was sent as well" said "sent IPCP 01"
check "and nothing else" not grep -E "sent (LCP|PAP|CHAP)|received IPCP" "$server_log"
check "of L2TP, control messages that came" said "received L2TP SCCRQ tunnel=0 session=0 ns=0 nr=0 c802"
check "and data that was sent" said "sent L2TP data tunnel="
check "and nothing else of it" not grep -E "sent L2TP [^d]|received L2TP data" "$server_log"
for method in pap chap mschapv2; do
	refused "a wrong password by $method" w$method alice "authentication failed" --auth $method --wrong-password
	refused "an unknown name by $method" u$method nobody "authentication failed" --auth $method
done
check_eq "a name and a password fail alike" 6 "$(grep -c 'login failed .*reason="wrong name or password"' "$server_log")"
refused "a name of RADIUS, whose server is silent" radius 'WORK\joe@corp' "authentication failed"
check "it says so" said 'login failed user="joe" realm=RADIUS'
check "and why" said 'reason="RADIUS timeout"'

up "own address" fixed dave dave --auth pap
shows "it" dave LOCAL pppx0 10.55.1.5
up "own address is in no pool" nowhere erin erin
check "the log says so" said 'user="erin" framed-ip-address is busy or outside the pool'
shows "it" erin LOCAL pppx1 10.55.0.5
up "a suffix leads to the shared interface" guest gina@guest gina
dev=$(field gina "Concentrated Interface")
shows "it" gina GUEST "$dev" 10.56.0.1
check "which is tun0 of its engine" grep -qxE 'tun0(-1)?' <<<"$dev"
server=$OTHER
up "the other tunnel, the same pool, a device of its own" visitor hugo@guest hugo --auth chap
shows "it" hugo GUEST pppx10 10.56.0.2
check "there, of L2TP, control messages that were sent are dumped" said "sent L2TP SCCRP tunnel="
check "and data that came" said "received L2TP data tunnel="
check_eq "our end there" 10.57.0.2 "$(ip -n "$(nsname srv)" -o addr show dev pppx10 | awk '/inet / { print $4 }')"
refused "a name without a suffix is nobody's there" nosuffix alice "authentication failed"
refused "MS-CHAPv2 is not offered there" nomschap hugo@guest "phase ppp" --auth mschapv2
refused "a user's second one, by his authentication's own limit" second hugo@guest "phase ppp"
check "the log says why" said 'login refused user="hugo" realm=GUEST'
server=$OUTER
up "a third address of that pool" third carol carol
refused "a fourth: the pool's max-session" fourth bob "phase ppp"
check "the log says why" said 'user="bob" realm=LOCAL from='
check "namely" said 'reason="max-session of the ipcp reached"'
down "own address" fixed
down "a third" third
up "there is room again" again carol carol
up "a user's second one" another carol carol --auth chap
up "a sixth in all" sixth ida@guest ida --ask 10.56.0.2
shows "another one has the address that it asks for:" ida GUEST "$(field ida "Concentrated Interface")" 10.56.0.3
check "the log says so" said 'user="ida" asks for 10.56.0.2, which is busy or outside the pool'
refused "a seventh: max-session" seventh jan@guest "phase ppp"
check "the log says why" said 'reason="max-session reached"'
for tag in nowhere guest again another sixth; do
	down "$tag" $tag
done

# A pppd by each way, while hugo goes on pinging.
if why=$(guest_missing); then
	skip "pppd logs in by PAP, CHAP and MS-CHAPv2" "$why"
else
	guest_start pppd cli br0 192.0.2.20/24 || rig_end
	n=start
	for auth in pap chap mschap-v2; do
		check "pppd: strongSwan and xl2tpd run" vpn_$n pppd $OUTER "$LONG_PSK" bob "$PASSWORD" \
			aes256-sha1-modp2048 aes256-sha1 $auth
		check "pppd, $auth: connects" vpn_up pppd
		check "pppd, $auth: packets pass" guest_run pppd "ping -c 3 -i 0.2 -W 5 $INSIDE"
		check_eq "pppd, $auth: the name server of its pool" 192.0.2.53 "$(vpn_get pppd dns1)"
		case $auth in
		pap) agreed='auth pap' ;;
		chap) agreed='auth chap MD5' ;;
		*) agreed='auth chap MS-v2' ;;
		esac
		check "pppd, $auth: this is what was agreed on" grep -q "sent \[LCP ConfAck .*<$agreed>" "$rig_dir/pppd/share/log/pppd"
		check "pppd: hangs up" vpn_down pppd
		check "pppd: it is gone" wait_for listed bob 0
		n=reconf
	done
	guest_kill pppd
fi

# hugo pings: he stays where another idles out, whose link is kept alive all the time.
server=$OTHER
caller quiet gina@guest --hold 600
check "one that sends nothing comes up" wait_for eval 'ctl -n session brief | grep -q gina'
check "and is sent away" wait_for not rig_alive "$pid_quiet"
check "as idle" grep -q 'session down user="gina" .*reason="Idle timeout"' "$server_log"
check "after 3 s or more" grep -qE 'session down user="gina" .*duration_s=([3-9]|[1-9][0-9]+) ' "$server_log"
check "who pings all the time is not, after longer" test "$(field hugo "Elapsed Time" | cut -d" " -f1)" -gt 3
down "who pings" visitor
serve_end "whole"

# The same with replace: a user's newest counts.
check "with user-max-session 2 replace: the server starts" serve < <(whole replace | sed 's/max-session 3$/max-session 2/')
server=$OUTER
up "first" first alice alice --auth chap
up "second" second alice alice --auth pap
up "who asks for an address" asks gina@guest gina --ask 10.56.0.77
shows "it" gina GUEST "$(field gina "Concentrated Interface")" 10.56.0.77
server=$OTHER
up "on a device of its own, too" asks2 hugo@guest hugo --ask 10.56.0.200
shows "it" hugo GUEST pppx10 10.56.0.200
check_eq "and the device's other end is that" 10.56.0.200/32 "$(ip -n "$(nsname srv)" -o addr show dev pppx10 | awk '/inet / { print $6 }')"
server=$OUTER
caller newest alice --hold 600 --ping 50 --target $INSIDE --auth mschapv2
check "the first is replaced" wait_for not rig_alive "$pid_first"
check "the log says so" said 'reason="replaced by a newer login"'
check_eq "two are left" 2 "$(ctl -n session brief | grep -c alice)"
for tag in second newest asks asks2; do
	down "$tag" $tag
done
serve_end "replace"

# --- 4: a file for PPTP --------------------------------------------------------------------

check "an npppd.conf for PPTP, with an L2TP tunnel beside: the server starts" serve <<END
set max-session 200
set user-max-session 1

tunnel EXAMPLE protocol pptp {
	listen on $OUTER
	pptp-hostname "vpn.example.net"
	pptp-vendor-name "openbsd-npppd"
	mppe required
	mppe-key-length 128
	mppe-key-state stateless
	idle-timeout 3600
}

ipcp EXAMPLE {
	pool-address "10.60.0.2-10.60.0.250"
	dns-servers 192.0.2.53 192.0.2.54
	allow-user-selected-address no
}

interface pppx0 address 10.60.0.1 ipcp EXAMPLE

authentication RADIUS type radius {
	strip-nt-domain yes
	strip-atmark-realm yes
	authentication-server {
		address 198.51.100.2 secret "CanYouHackMe"
		address 198.51.100.2 port 1645 secret "CanYouHackMe"
	}
	accounting-server {
		address 198.51.100.2 secret "CanYouHackMe"
	}
}

bind tunnel from EXAMPLE authenticated by RADIUS to pppx0

tunnel L2TP protocol l2tp {
	listen on $OUTER
}
authentication LOCAL type local {
	users-file "/etc/npppd/npppd-users"
}
bind tunnel from L2TP authenticated by LOCAL to pppx0
ike passive esp tunnel from "$OUTER" to any psk "$LONG_PSK"
END
check "the tunnel is left out, with its place" warned "tunnel EXAMPLE" \
	"protocol pptp is not built yet: this tunnel and its binds are left out"
up "beside it" l2tp johnnyb johnnyb
shows "it" johnnyb LOCAL pppx0 10.60.0.2
down "beside it" l2tp
serve_end "PPTP"

# --- 5: one line ---------------------------------------------------------------------------

check "one line: the server starts" serve <<<"ike passive esp transport from any to any psk \"$LONG_PSK\""
up "one line" line alice alice
shows "it" alice LOCAL pppx0 192.168.87.10
down "one line" line
serve_end "one line"
rig_end
