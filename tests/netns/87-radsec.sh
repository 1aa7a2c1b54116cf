#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# RADIUS over TLS (RFC 6614) with FreeRADIUS, which listens by TLS only and wants a certificate: logins and
# accounting, a server that is killed and comes back, and certificates that are not to be accepted.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../radius.sh"

rig_begin "RADIUS over TLS"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-radius"
must test -x "$build/culvert-dial"
command -v freeradius >/dev/null || rig_skip_all "needs freeradius"

must dial_network
WORDS='pass "word" 9'
pki=$rig_dir/pki
must mkdir "$pki"

# authority NAME; cert NAME AUTHORITY SUBJECT-ALT-NAME [OPTION…]
authority()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=authority $1" \
		-keyout "$pki/$1.key" -out "$pki/$1.pem" 2>/dev/null
}
cert()
{
	local name=$1 by=$2 san=$3
	shift 3
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$name" -keyout "$pki/$name.key" -out "$pki/$name.csr" 2>/dev/null &&
		openssl x509 -req -in "$pki/$name.csr" -CA "$pki/$by.pem" -CAkey "$pki/$by.key" -CAcreateserial \
			-extfile <(echo "subjectAltName=$san") -out "$pki/$name.pem" "$@" 2>/dev/null
}
must authority ours
must authority other
must cert server ours "DNS:radius.example.net,IP:$INSIDE" -days 30
must cert late ours "DNS:radius.example.net,IP:$INSIDE" -days -1
must cert vpn ours "DNS:vpn.example.net" -days 30
must chmod 600 "$pki"/*.key

# FreeRADIUS without a UDP socket.
users() { printf 'brief Cleartext-Password := "%s"\n\tSession-Timeout = 3\nDEFAULT Cleartext-Password := "%s"\n' "${WORDS//\"/\\\"}" "${WORDS//\"/\\\"}"; }
users | must radius_conf one $INSIDE
must python3 - "$rig_dir/one/radiusd.conf" $INNER $INSIDE "$pki" <<'END'
import re, sys
path, client, address, pki = sys.argv[1:]
text = open(path).read()
text = re.sub(r"client vpn \{.*?\n\}\n", """clients radsec {
	client vpn {
		ipaddr = %s
		proto = tls
		secret = radsec
	}
}
""" % client, text, flags=re.S)
text = re.sub(r"\tlisten \{.*?\n\t\}\n", "", text, flags=re.S)
text = text.replace("server vpn {\n", """server vpn {
	listen {
		type = auth+acct
		ipaddr = %s
		port = 2083
		proto = tcp
		clients = radsec
		tls {
			private_key_file = %s/server.key
			certificate_file = %s/server.pem
			ca_file = %s/ours.pem
			require_client_cert = yes
			tls_min_version = "1.2"
			tls_max_version = "1.3"
			ecdh_curve = "prime256v1"
		}
	}
""" % (address, pki, pki, pki))
open(path, "w").write(text)
END
must radius_start one
one=$started
detail=$rig_dir/one/detail

# conf TLS-WORDS: the authentication by these servers.
conf()
{
	cat <<END
authentication RADIUS type radius {
	authentication-server {
		tls $1
		address $INSIDE
		timeout 2
		max-tries 2
	}
	accounting-server {
		tls $1
		address $INSIDE
		timeout 2
		max-tries 2
	}
}
END
}
GOOD="ca \"$pki/ours.pem\" cert \"$pki/vpn.pem\" key \"$pki/vpn.key\" server-name radius.example.net"
conf "$GOOD" >"$rig_dir/auth"
must mkdir -p "$rig_dir/run"
must dial_server 3.250 20 "s/to pppx0/to tun0/; s/pppx0 address/tun0 address/; s/by LOCAL/by RADIUS/
	s/mschapv2/pap mschapv2/
	/authentication LOCAL/,/}/d
	\$r $rig_dir/auth"
printf '%s' "$WORDS" >"$rig_dir/words"
sed '/^authentication RADIUS/,$d' "$server_run/conf" >"$rig_dir/without"

# login TAG USER OPTION…
login()
{
	local tag=$1 user=$2
	shift 2
	dial "$tag" -u "$user" -p "@$rig_dir/words" --from 198.18.0.7 --timeout 15 "$@"
}
# reload_with WORDS: the server goes by these from now on.
reload_with()
{
	(umask 077 && { cat "$rig_dir/without"; conf "$1"; } >"$server_run/conf") && ctl reload
}
lines() { grep -cF -- "$1" "$rig_dir/culvertd.log"; }
# refused WHY: nobody is let in, and the log says why.
refused()
{
	local before
	before=$(lines "$1")
	not login refused roy && [ "$(lines "$1")" -gt "$before" ]
}

check "Accounting-On, by TLS" wait_for grep -q 'Acct-Status-Type = Accounting-On' "$detail"
for m in pap mschapv2; do
	check "$m, by TLS" login $m roy --auth $m --hold 1
	check "$m, wrong password: refused" not login wrong-$m roy --auth $m --wrong-password
done
check "Start and Stop" wait_for eval '[ "$(grep -c "Acct-Status-Type = Stop" "$detail")" -ge 2 ]'
login brief brief --hold 60
check "what a reply says counts: Session-Timeout" grep -qE 'session down user="brief" .*Session timeout' "$rig_dir/culvertd.log"
dial_start many -u roy -p "@$rig_dir/words" --from $PREFIX -n 300 -w 300 --hold 1 --timeout 60
check "300 logins at once" wait_for grep -q '^result ' "$rig_dir/many.log"
check_eq "  all are let in" 300 "$(got many up)"
check_eq "no datagram went to the server's UDP ports" 0 "$(ns srv ss -Hunp | grep -c culvert-radius)"
note "connections: $(counter radius_tls_up) opened, $(ns srv ss -Htn "dst $INSIDE:2083" | wc -l) there"

rig_kill KILL $one
must radius_start one
one=$started
check "it was killed and is back: let in" login again roy --hold 0
rig_kill KILL $one
check "it is away: refused" not login away roy
check "  and the log says why" logged 'reason="RADIUS timeout"'
check "  with what became of the connection" logged "radius server=$INSIDE:2083: no TLS connection: Connection refused"
must radius_start one
one=$started
check "it is back: let in" wait_for login back roy --hold 0
check "  and accounting reached it" wait_for eval '[ "$(counter acct_waiting)" = 0 ]'

# A firewall on the way forgets the connections that are there, and says nothing.
forgotten=$(ns srv ss -Htn "dst $INSIDE:2083" | awk '{ sub(/.*:/, "", $4); print $4 }' | paste -sd,)
must ns srv nft "table inet forgets {
	chain out { type filter hook output priority 0; ip daddr $INSIDE tcp sport { $forgotten } drop; }
	chain in { type filter hook input priority 0; ip saddr $INSIDE tcp dport { $forgotten } drop; }
}"
check "its connections are dead: refused" not login dead roy
check "  they are given up, and new ones made: let in" wait_for login alive roy --hold 0
check "  and the log says what it was" logged "radius server=$INSIDE:2083: the TLS connection is silent, and closed"
check "  accounting reached it, too" wait_for eval '[ "$(counter acct_waiting)" = 0 ]'
ns srv nft delete table inet forgets

# Certificates.
accepted="its certificate is not accepted"
check "another authority" reload_with "${GOOD/ours.pem/other.pem}"
check "  is not accepted" refused "$accepted: self-signed certificate in certificate chain"
check "another name" reload_with "${GOOD/radius.example.net/radius.example.com}"
check "  is not accepted" refused "$accepted: hostname mismatch"
check "no name: its address" reload_with "${GOOD% server-name*}"
check "  is what it is for: let in" login address roy --hold 0
check "no certificate of ours" reload_with "ca \"$pki/ours.pem\" server-name radius.example.net"
check "  is refused by the server" not login nocert roy
check "what is right again" reload_with "$GOOD"
check "  lets in" login right roy --hold 0
sed -i "s|$pki/server\.|$pki/late.|" "$rig_dir/one/radiusd.conf"
rig_kill KILL $one
must radius_start one
one=$started
check "a certificate that has expired is not accepted" refused "$accepted: certificate has expired"

# Files.
must chmod 644 "$pki/vpn.key"
"$build/culvertd" -n -f "$server_run/conf" >"$rig_dir/said" 2>&1
check "a key that others may read is named" grep -q 'vpn.key holds secrets and is open to others' "$rig_dir/said"
check "  and not used" not ctl reload
must chmod 600 "$pki/vpn.key"
check "no key is in the log" not grep -q 'PRIVATE KEY' "$rig_dir/culvertd.log"
# A record of accounting may be under way.
check "nothing is left over" wait_for eval '[ "$(counter radius_busy) $(counter radius_waiting)" = "0 0" ]'
rig_end
