#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs inside a guest: Debian's strongSwan as a client of XAuth ("Cisco IPSec"),
# which has its address by Mode Config and no L2TP.
#
#   xauth.sh start      charon, nothing connected yet
#   xauth.sh reconf     takes another user, password or suite from /mnt/vpn.conf
#   xauth.sh up         connects; prints NAME=VALUE lines (times in ms); $LIMIT
#                       seconds are its patience
#   xauth.sh rekey 1    phase 1 again, with a new login; rekey 2: phase 2
#   xauth.sh down       hangs up
#
# /mnt/vpn.conf is as for vpn.sh.
set -u
# shellcheck disable=SC1091
. /mnt/vpn.conf
# shellcheck disable=SC1091
. /mnt/parts.sh
stroke="timeout ${LIMIT:-45} /usr/lib/ipsec/stroke"

write_conf()
{
	put /etc/strongswan.conf <<-END
	charon {
		load = random nonce openssl aes sha1 sha2 md5 hmac kdf gmp kernel-netlink socket-default stroke resolve xauth-generic
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
	leftauth=psk
	leftauth2=xauth
	rightauth=psk
	xauth_identity=$USER
	left=$LOCAL
	leftsourceip=%config
	right=$SERVER
	rightsubnet=0.0.0.0/0
	ike=$IKE!
	esp=$ESP!
	keyingtries=1
	rekey=no
	dpdaction=none
	auto=add
END
	printf '%s : PSK "%s"\n%s : XAUTH "%s"\n' "$LOCAL %any" "$PSK" "$USER" "$PASSWORD" >/etc/ipsec.secrets
	chmod 600 /etc/ipsec.secrets
}

do_start()
{
	run_up || return 1
	write_conf
	: >$log/charon
	ipsec start >>$log/starter 2>&1 || return 1
	within 60 added 0
}

# The address that the server gave, if any.
given()
{
	ip -o -4 addr show dev vec0 | awk -v own="$LOCAL" '{ sub("/.*", "", $4); if ($4 != own) print $4 }'
}

# Inbound ESP SAs in the kernel, all of them in UDP and in tunnel mode.
sas()
{
	ip xfrm state | awk -v dst="$LOCAL" '
		$1 == "src" { want = $4 == dst } want && /mode tunnel/ { t++ } want && /espinudp/ { u++ }
		END { print t + 0 "/" u + 0 }'
}

do_up()
{
	local began=$EPOCHREALTIME address
	if ! $stroke up vpn >$log/ipsec-up 2>&1 || ! has_sas; then
		cat $log/ipsec-up
		echo
		echo error=ike
		return 1
	fi
	echo "ike_ms=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))"
	address=$(given)
	printf 'address=%s\nsas=%s\n' "$address" "$(sas)"
	sed -n 's/^nameserver \([^ ]*\).*/\1/p' /etc/resolv.conf | sort | xargs echo | sed 's/^/dns=/'
	# Whatever the test does next can only go through the tunnel.
	# shellcheck disable=SC2046
	ip route replace 198.51.100.0/24 $(ip -o route get "$SERVER" | sed -n 's/^[^ ]* \(via [^ ]* \)\?dev \([^ ]*\).*/\1dev \2/p') src "$address"
}

has_sas()
{
	[[ $(/usr/lib/ipsec/stroke status) =~ vpn\{[0-9]+\}:\ *INSTALLED ]]
}

# The IKE_SAs and SAs that are up, to see new ones.
ids()
{
	local line
	while read -r line; do
		[[ $line =~ (vpn[[{][0-9]+[]}]):\ *(ESTABLISHED|INSTALLED) ]] && echo "${BASH_REMATCH[1]}"
	done <<<"$(/usr/lib/ipsec/stroke status)"
}

rekeyed()
{
	[ "$(ids)" != "$1" ] && has_sas
}

do_rekey()
{
	local before
	before=$(ids)
	case $1 in
	1) $stroke rekey 'vpn[]' ;;
	*) $stroke rekey 'vpn{}' ;;
	esac >>$log/ipsec-up 2>&1
	within "${LIMIT:-45}" rekeyed "$before" || { /usr/lib/ipsec/stroke status; return 1; }
	echo "address=$(given)"
}

no_ike()
{
	[[ $(/usr/lib/ipsec/stroke status) != *'vpn['* ]]
}

do_down()
{
	ip route del 198.51.100.0/24
	$stroke down 'vpn[*]' >>$log/ipsec-up 2>&1
	within 20 no_ike
}

do_reconf()
{
	conf_again
}

case ${1:-} in
start) do_start ;;
reconf) do_reconf ;;
up) do_up ;;
rekey) do_rekey "$2" ;;
down) do_down ;;
*) echo "xauth.sh start|reconf|up|rekey|down"; exit 2 ;;
esac
