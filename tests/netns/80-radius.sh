#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Logins that FreeRADIUS judges: every method, what it says of a session, users of a
# file before it, two servers of which one is killed while logins go on, and each
# process of ours killed.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../radius.sh"

rig_begin "RADIUS: FreeRADIUS judges logins"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-radius"
must test -x "$build/culvert-dial"
command -v freeradius >/dev/null || rig_skip_all "needs freeradius"

SECOND=198.51.100.3
WORDS='pass "word" 9'
must dial_network
must addr in i0 $SECOND/24
users()
{
	cat <<END
fix Cleartext-Password := '$WORDS'
	Framed-IP-Address = $POOL.201, Framed-IP-Netmask = 255.255.255.248
foreign Cleartext-Password := '$WORDS'
	Framed-IP-Address = 192.0.2.99
brief Cleartext-Password := '$WORDS'
	Session-Timeout = 3
idle Cleartext-Password := '$WORDS'
	Idle-Timeout = 2
told Cleartext-Password := '$WORDS'
	MS-Primary-DNS-Server = 192.0.2.53, Service-Type = Framed-User, Framed-Protocol = PPP, Class = 0x0102
admin Cleartext-Password := '$WORDS'
	Service-Type = Administrative-User
barred Auth-Type := Reject
	Reply-Message = "not today"
DEFAULT Cleartext-Password := '$WORDS'
END
}
for r in "one $INSIDE" "two $SECOND"; do
	users | must radius_conf $r
	must radius_start ${r% *}
	eval "${r% *}=\$started"
done

must mkdir -p "$rig_dir/run"
(umask 077 && server_users >"$rig_dir/run/users")
radius_auth "timeout 1
max-tries 2
dead-time 4" $INSIDE $SECOND >"$rig_dir/auth"
must dial_server 0.99 20 "s/mschapv2/pap chap mschapv2 eap eap-md5\n\tmppe yes/
	/dns-servers/d; /pool-address/a pool-address $POOL.200/29 for static
	s/esp transport from any to any/esp tunnel from any to any xauth/
	s/to pppx0/to tun0/; s/pppx0 address/tun0 address/; s/by LOCAL/by LOCAL RADIUS/
	1a radius nas-id \"vpn number 1\"
	\$r $rig_dir/auth"
printf '%s' "$WORDS" >"$rig_dir/words"

# login TAG USER OPTION…
login()
{
	local tag=$1 user=$2
	shift 2
	dial "$tag" -u "$user" -p "@$rig_dir/words" --from 198.18.0.7 "$@"
}
role_pid() { pgrep -P "$server_pid" -f "$1" | head -n 1; }
up_with() { grep -qE "session up user=\"$1\" .* ip=$2 " "$rig_dir/culvertd.log"; }
failed_for() { grep -qE "login failed user=\"roy\" realm=RADIUS from=198\.18\.0\.7(:[0-9]+)? reason=\"$1\"" "$rig_dir/culvertd.log"; }
asked() { grep -c "User-Name = \"$1\"" "$rig_dir/one.log"; }

for m in pap chap mschapv2 eap eap-md5; do
	check "$m" login $m roy --auth $m --ping 100 --hold 1
done
check "MPPE, with the keys that the server sends" login mppe roy --auth mschapv2 --mppe required --ping 100 --hold 1
check_eq "  and pings went through it" 0 "$(got mppe pings_lost)"
for m in pap chap mschapv2 eap; do
	check "$m, wrong password: refused" not login wrong-$m roy --auth $m --wrong-password
done
check "the log says who refuses" failed_for "the RADIUS server refuses"
for a in 'NAS-Identifier = "vpn number 1"' "NAS-IP-Address = $INNER" 'NAS-Port-Type = Virtual' 'Service-Type = Framed-User' \
	'Framed-Protocol = PPP' 'Calling-Station-Id = "198.18.0.7"' 'Message-Authenticator = 0x'; do
	check "the server is told $a" grep -qF "$a" "$rig_dir/one.log"
done
check_eq "and no Proxy-State" 0 "$(grep -c Proxy-State "$rig_dir/one.log")"

before=$(asked roy)
check "XAuth" login xauth roy --xauth --hold 1
check "  and the server is asked" [ "$(asked roy)" -gt "$before" ]
check "XAuth, wrong password: refused" not login wrong-xauth roy --xauth --wrong-password
check "OFFICE\\roy is roy" login domain 'OFFICE\roy' --hold 1
check "Framed-IP-Address" login fix fix --ping 100 --hold 1
check "  is what he gets" up_with fix $POOL.201
check "one in no pool: refused" not login foreign foreign
check "  and the log says so" logged 'reason="its Framed-IP-Address is busy or in no pool"'
check "what is not for PPP: refused" not login admin admin
check "  and the log says so" logged 'reason="RADIUS reply: Service-Type is not Framed"'
check "told: lets in" login told told --hold 1
check "barred: refused" not login barred barred --auth pap
check "  with the server's words" grep -q 'not today' "$rig_dir/barred.dial"
login brief brief --ping 100 --hold 60
check "Session-Timeout ends a session" grep -qE 'session down user="brief" .*Session timeout' "$rig_dir/culvertd.log"
login idle idle --hold 60
check "Idle-Timeout ends an idle one" grep -qE 'session down user="idle" .*Idle timeout' "$rig_dir/culvertd.log"

dial_start guess -u guy -p "@$rig_dir/words" --wrong-password --from $PREFIX -n 20 -r 20
check "20 guesses at once, from everywhere" wait_for grep -q '^result ' "$rig_dir/guess.log"
check_eq "  let nobody in" 0 "$(got guess up)"
check "  and those behind the eleventh are held back ($(counter held_user))" [ "$(counter held_user)" -ge 1 ]

password_of alice >"$rig_dir/password"
check "alice, of the file" dial alice --from 198.18.0.8 --hold 1
check "alice with a wrong password" not dial alice-wrong --from 198.18.0.8 --wrong-password
check_eq "no server was asked for her" 0 "$(asked alice)"

dial_start many -u roy -p "@$rig_dir/words" --from $PREFIX -n 60 -r 15 --time --ping 200 --hold 8
must wait_for eval '[ "$(grep -c " up " "$rig_dir/many.log")" -ge 10 ]'
rig_kill KILL $one
check "60 logins, one server killed meanwhile" wait_for grep -q '^result ' "$rig_dir/many.log"
check_eq "  all are let in" 60 "$(got many up)"
check "the log names the silent server" logged "radius server=$INSIDE:1812 does not answer: others are asked first for 4 s"
check "a login is let in while it is away" login dead roy --hold 0
before=$(counter radius_failovers)
check "the next one does not wait for it" login dead2 roy --hold 0
check_eq "  it goes to the other one at once" 0 "$(($(counter radius_failovers) - before))"
must radius_start one
one=$started
again() { login again roy --hold 1 && logged "radius server=$INSIDE:1812 answers again"; }
check "it is back, and is asked first again" wait_for again

for role in culvert-radius 'culvertd -P auth'; do
	kill -KILL "$(role_pid "$role")"
	check "$role is killed: the next login is let in" wait_for login killed roy --hold 1
done
kill -KILL "$(pgrep -P "$(role_pid culvert-radius)" | head -n 1)"
check "its workers are killed: the next login is let in" wait_for login killed roy --hold 1

rig_kill KILL $one $two
check "no server is left: refused" not login none roy
check "  and the log says why" failed_for "RADIUS timeout"
check "alice comes in all the same" dial alice2 --from 198.18.0.8 --hold 1
check "no secret is in the log" not grep -qF -e 'jinx bottle' -e "$WORDS" "$rig_dir/culvertd.log"
check_eq "nothing is left over" "0 0 0" "$(counter radius_busy) $(counter radius_waiting) $(counter radius_asked)"
rig_end
