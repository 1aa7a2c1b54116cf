#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# EAP that a RADIUS server speaks with the client (RFC 3579): FreeRADIUS at one end; at the other culvert-dial by
# MSCHAPv2 and MD5, and Debian's pppd by TLS, with MPPE from the keys that they make.  Then a server that breaks
# off, and says what it should not.  FULL: pppd by MD5 and MSCHAPv2, too.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../radius.sh"
. "${0%/*}/../guest/guest.sh"

rig_begin "RADIUS: EAP of any method, passed through"
must test -x "$build/culvertd"
must test -x "$build/culvert-radius"
must test -x "$build/culvert-dial"
command -v freeradius >/dev/null || rig_skip_all "needs freeradius"
command -v openssl >/dev/null || rig_skip_all "needs openssl"

BAD=198.51.100.3
CLIENT=192.0.2.20
WORDS='pass "word" 9'
must network_up
must ns_add cli
must link cli c0 wan c1
must ip -n "$(nsname wan)" link set c1 master br0 up
must addr cli c0 $CLIENT/24
must ip -n "$(nsname srv)" route add $PREFIX via $CLIENT
must ip -n "$(nsname cli)" route add local $PREFIX dev lo
must addr in i0 $BAD/24

# certificate NAME SUBJECT…: of the test's own authority.
certificate()
{
	local name=$1
	shift
	openssl req -newkey rsa:2048 -nodes -keyout "$rig_dir/$name.key" -out "$rig_dir/$name.csr" -subj "/CN=$*" &&
		openssl x509 -req -in "$rig_dir/$name.csr" -CA "$rig_dir/ca.pem" -CAkey "$rig_dir/ca.key" -CAcreateserial -days 2 \
			-out "$rig_dir/$name.pem"
}
certificates()
{
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout "$rig_dir/ca.key" -out "$rig_dir/ca.pem" -subj "/CN=test ca" &&
		certificate radius radius.test && certificate tessa tessa && certificate mallory mallory &&
		openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout "$rig_dir/mallory.key" -out "$rig_dir/mallory.pem" -subj /CN=tessa
}
must certificates >"$rig_dir/openssl.log" 2>&1

must radius_conf one $INSIDE <<END
short Cleartext-Password := '$WORDS'
	Session-Timeout = 3600, Class = 0x0102
tessa EAP-Type := TLS
mona Cleartext-Password := '$WORDS', EAP-Type := MD5
DEFAULT Cleartext-Password := '$WORDS'
END
cat >"$rig_dir/one/tls.conf" <<END
tls-config common {
	private_key_file = $rig_dir/radius.key
	certificate_file = $rig_dir/radius.pem
	ca_file = $rig_dir/ca.pem
	tls_min_version = "1.2"
	tls_max_version = "1.2"
	fragment_size = 4000
}
tls {
	tls = common
}
END
must radius_start one
must start_ns in bad python3 "$top/tests/radius/bad.py" $BAD "$RADIUS_SECRET"
must wait_for grep -q ready "$rig_dir/bad.log"

must mkdir -p "$rig_dir/run"
(umask 077 && server_users >"$rig_dir/run/users")
{
	radius_auth 'timeout 2
max-tries 1' $INSIDE
	radius_auth 'timeout 5
max-tries 1' $BAD $INSIDE | sed "s/ RADIUS type radius {/ BAD type radius {\nusername-suffix \"@bad\"\nstrip-atmark-realm yes/
		s/^address.*/& message-authenticator no/"
	radius_auth 'timeout 5' $INSIDE | sed "s/ RADIUS type radius {/ CHAPS type radius {\neap-capable no\nusername-suffix \"@chap\"/"
} >"$rig_dir/auth"
must dial_server 0.99 20 "s/mschapv2$/eap mschapv2\n\tmppe yes/; s/by LOCAL/by CHAPS BAD LOCAL RADIUS/
	\$r $rig_dir/auth"
printf '%s' "$WORDS" >"$rig_dir/words"

from=0
# login TAG USER OPTION…
login()
{
	local tag=$1 user=$2
	shift 2
	from=$((from + 1))
	dial "$tag" -u "$user" -p "@$rig_dir/words" --from 198.18.1.$((from % 250 + 1)) --timeout 30 "$@"
}
role_pid() { pgrep -P "$server_pid" -f "$1" | head -n 1; }
failed_for() { grep -qE "login failed user=\"$1\" realm=$2 from=198\.18\.[0-9.:]+ reason=\"$3\"" "$rig_dir/culvertd.log"; }
up_as() { grep -qE "session up user=\"$1\" " "$rig_dir/culvertd.log"; }
told() { grep -qE -- "$1" "$rig_dir/one.log"; }

check "MSCHAPv2, with MPPE" login ms roy --auth eap --mppe required --ping 100 --hold 1
check_eq "  and pings went through it" 0 "$(got ms pings_lost)"
check "  by EAP-Message" told 'EAP-Message = 0x02'
check "  with Framed-MTU" told 'Framed-MTU = 1346'
check "  and State" told 'State = 0x'
check "  and not as CHAP" not told 'MS-CHAP2-Response = |CHAP-Password = '
check "MD5, which the client wants instead" login md5 short --auth eap-md5 --hold 1
check "a wrong password: refused" not login wrong roy --auth eap --wrong-password
check "  and the log says who refuses" failed_for roy RADIUS "the RADIUS server refuses"
check "  once" [ "$(grep -c 'login failed user="roy"' "$rig_dir/culvertd.log")" = 1 ]
check "OFFICE\\ray, whose Identity the server is told as it is" login nt 'OFFICE\ray' --auth eap-md5 --hold 1
check "  is ray" up_as ray
check "  and OFFICE\\ray there" told 'User-Name = "OFFICE.*ray"'
password_of alice >"$rig_dir/password"
check "alice, of the file" dial alice --auth eap --from 198.18.2.1 --mppe required --hold 1
check "  with a wrong password: refused" not dial alice-wrong --auth eap --from 198.18.2.1 --wrong-password
check_eq "  no server was asked for her" 0 "$(grep -c 'User-Name = "alice"' "$rig_dir/one.log")"
check "where EAP is not for: refused" not login chaps roy@chap --auth eap
check "  and the log says so" failed_for roy@chap CHAPS "this authentication is not eap-capable"

# What a server should not say.
bads="hush unsigned none gap len code id long states bare failure other reject endless"
declare -A pids
for b in $bads good stateless named; do
	from=$((from + 1))
	dial_start "bad-$b" -u "eap-$b@bad" -p "@$rig_dir/words" --auth eap-md5 --from 198.18.3.$from --hold 1 --timeout 40
	pids[$b]=$started
	case $b in
	hush | unsigned) ;;
	*) wait $started ;;
	esac
	# The log has ten lines of a kind a second, and leaves out the others.
	[ $((from % 5)) != 0 ] || sleep 1.2
done
wait ${pids[hush]} ${pids[unsigned]}
let_in() { [ "$(got "bad-$1" ok)" = 1 ]; }
check "good: let in" let_in good
check "stateless: let in" let_in stateless
check "named: let in" let_in named
check "  with the name that the server gives" up_as somebody
because()
{
	check "$1: not let in" not let_in $1
	check "  since: $2" failed_for "eap-$1" BAD "$2"
}
because none "RADIUS reply: no EAP-Message"
because gap "RADIUS reply: EAP-Message"
because len "RADIUS reply: an EAP-Message of another length"
because code "RADIUS reply: a Challenge without EAP Request"
because id "RADIUS reply: EAP Request, Identifier of the last"
because long "RADIUS reply: EAP longer than the link takes"
because states "RADIUS reply: State"
because bare "RADIUS reply: no EAP-Message"
because failure "RADIUS reply: an Accept without EAP Success"
because other "RADIUS reply: EAP Success of another Identifier"
because reject "the RADIUS server refuses"
because hush "RADIUS timeout"
because endless "EAP without an end: 100 round trips"
check_eq "a conversation has one port" 1 "$(sed -n 's/^eap-endless@bad .* port \([^ ]*\) .*/\1/p' "$rig_dir/bad.log" | sort -u | wc -l)"
check "what has no signature is not heard" [ "$(counter radius_unsigned)" -ge 1 ]
check_eq "every request is signed, in its first attribute" 0 "$(grep -c UNSIGNED "$rig_dir/bad.log")"
check_eq "no other server was asked in the middle" 0 "$(grep -c 'User-Name = "eap-hush' "$rig_dir/one.log")"

dial_start guess -u guy -p "@$rig_dir/words" --auth eap --wrong-password --from $PREFIX -n 20 -r 20
check "20 guesses at once, from everywhere" wait_for grep -q '^result ' "$rig_dir/guess.log"
check_eq "  let nobody in" 0 "$(got guess up)"
check "  and those behind the eleventh are held back ($(counter held_user))" [ "$(counter held_user)" -ge 1 ]

# Each process killed while a server thinks.
asked_twice() { [ "$(grep -c "^eap-slow+$1@" "$rig_dir/bad.log")" -ge 2 ]; }
for role in culvert-radius 'culvertd -P auth' 'culvertd -P manager'; do
	tag=${role##* }
	dial_start "slow-$tag" -u "eap-slow+$tag@bad" -p "@$rig_dir/words" --auth eap-md5 --from 198.18.4.1 --hold 1 --timeout 40
	must wait_for asked_twice $tag
	kill -KILL "$(role_pid "$role")"
	check "$tag is killed in the middle of a conversation" wait_for grep -q '^result ' "$rig_dir/slow-$tag.log"
	check_eq "  the login goes on" 1 "$(got slow-$tag ok)"
done
check_eq "nothing is left over" "0 0 0" "$(counter radius_busy) $(counter radius_waiting) $(counter radius_asked)"

if why=$(guest_missing); then
	skip "pppd by EAP: $why"
	rig_end
	exit
fi
must guest_start plain wan br0 192.0.2.10/24 192.0.2.254
must cp "$rig_dir"/{ca,tessa,mallory}.pem "$rig_dir"/{tessa,mallory}.key "$rig_dir/plain/share/"
check "strongSwan and xl2tpd run" vpn_start plain "$OUTER" "$PSK" peter "pass word 9" aes256-sha1-modp2048 aes256-sha1 || rig_end
must guest_run plain "sed -i 's/^refuse-eap\$//; s/^noccp\$//' /etc/ppp/options.vpn; echo refuse-mschap-v2 >>/etc/ppp/options.vpn
	cp /etc/ppp/options.vpn /tmp/options"
pppd_log() { cat "$rig_dir/plain/share/log/pppd"; }
# options LINES: pppd's, behind the common ones.
options()
{
	guest_run plain "cat /tmp/options - >/etc/ppp/options.vpn <<'END'
$1
END
	: >/mnt/log/pppd"
}
# session NAME: up, packets pass, down.
session()
{
	check "pppd, $1: connects" vpn_up plain || { pppd_log | tail -n 60 | sed 's/^/# /'; return 1; }
	check "pppd, $1: packets pass" guest_run plain "ping -c 3 -i 0.2 -W 5 $INSIDE"
	check "pppd, $1: ends" vpn_down plain
}
words=$(printf 'password "%s"' "${WORDS//\"/\\\"}")
if [ -n "${FULL:-}" ]; then
	must options "name mona
$words
noccp"
	session MD5
	check "  it was MD5" grep -q 'rcvd \[EAP Request .*MD5-Challenge' "$rig_dir/plain/share/log/pppd"
	check "  and nothing else" not grep -q 'rcvd \[EAP Request .*MSCHAPv2' "$rig_dir/plain/share/log/pppd"
	must options "name peter
require-mppe-128
$words"
	session MSCHAPv2
	check "  it was MSCHAPv2" grep -q 'rcvd \[EAP Request .*MSCHAPv2' "$rig_dir/plain/share/log/pppd"
	check "  with MPPE" grep -q 'MPPE 128-bit stateless compression enabled' "$rig_dir/plain/share/log/pppd"
fi
must options 'name tessa
require-mppe-128
ca /mnt/ca.pem
cert /mnt/tessa.pem
key /mnt/tessa.key
remotename radius.test'
session TLS
check "  it was TLS" grep -q 'rcvd \[EAP Request .*TLS' "$rig_dir/plain/share/log/pppd"
# Its certificates are longer, and its own fragment_size is no limit.
check "  in fragments that fit" grep -qE 'sent \[EAP Response id=0x.. TLS --- *\]|sent \[EAP Response .* TLS <ack>|rcvd \[EAP Request .* TLS LM-' "$rig_dir/plain/share/log/pppd"
check "  with MPPE" grep -q 'MPPE 128-bit stateless compression enabled' "$rig_dir/plain/share/log/pppd"
check "  tessa is who came" up_as tessa
check_eq "  nothing was in the clear, and nothing could not be read" "0 0" "$(counter mppe_clear) $(counter mppe_bad)"
must options 'name tessa
ca /mnt/ca.pem
cert /mnt/mallory.pem
key /mnt/mallory.key
remotename radius.test'
must guest_send plain 'bash /mnt/vpn.sh up'
check "pppd, TLS with a certificate of somebody else's: refused" wait_for grep -qE \
	'login failed user="tessa" realm=RADIUS .* reason="the RADIUS server refuses"' "$rig_dir/culvertd.log"
check_eq "  she was there once" 1 "$(grep -c 'session up user="tessa"' "$rig_dir/culvertd.log")"
check "no secret is in the log" not grep -qF -e 'jinx bottle' -e "$WORDS" "$rig_dir/culvertd.log"
rig_end
