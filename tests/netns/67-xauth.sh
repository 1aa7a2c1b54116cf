#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's strongSwan as a client of XAuth ("Cisco IPSec"), on a real kernel's
# ESP, against our server: no L2TP and no PPP, the same users, pools and listing.
# Without NAT and twice behind one, logins that are refused, both phases again,
# every way to end, and beside it a client of L2TP by the same ike statement.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"

# What guests transfer costs them most.
MEGABYTES=5
[ "${FULL:-0}" = 1 ] && MEGABYTES=20

rig_begin "clients without L2TP: XAuth, Mode Config, ESP in tunnel mode"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must test -x "$build/culvertd"
must test -x "$build/culvert-dial"
must network_up
must addr wan br0 192.0.2.50/24
must web_start

server_run=$rig_dir/run
must mkdir -p "$server_run"
(umask 077 && server_conf | sed 's/ike passive esp transport from any to any/ike passive esp tunnel from any to any xauth/
	1i set dpd 5\nset user-max-session 1 replace' >"$server_run/conf")
{ server_users; for u in $(seq 0 39); do printf 'u%d:\\\n\t:password=%s:\n' "$u" "$(password_of alice)"; done; } >"$server_run/users"
chmod 600 "$server_run/users"
must server_start
must capture_start srv out0 outer
outer_pid=$started
before=$(held)
note "before: $before"

# x GUEST WORD…: xauth.sh there.
x()
{
	local guest=$1
	shift
	guest_run "$guest" "LIMIT=${LIMIT:-45}; . /mnt/xauth.sh $*"
}

# x_up GUEST: connects; what it prints is kept for vpn_get.
x_up()
{
	x "$1" up >"$rig_dir/$1/vpn"
	local status=$?
	cat "$rig_dir/$1/vpn"
	return $status
}

# row USER: its line of the listing; ppp_id USER: the first word of that.
row()
{
	ctl -n session brief | grep " $1 "
}

ppp_id()
{
	row "$1" | awk '{ print $1 }'
}

gone()
{
	! row "$1"
}

# x_start GUEST USER [ESP]: charon runs there.
x_start()
{
	vpn_conf "$1" "$OUTER" "$PSK" "$2" "$(password_of "$2")" aes256-sha1-modp2048 "${3:-aes256-sha1}" && x "$1" start
}

# everything GUEST USER OUTER-ADDRESS: all that a connected client can see, and the server of it.
everything()
{
	local guest=$1 user=$2 from=$3 address dev
	address=$(vpn_get "$guest" address)
	check "$guest: Mode Config gave an address of the pool" grep -qE "^${POOL//./\\.}\.[1-9][0-9]$" <<<"$address"
	check_eq "$guest: and DNS as configured" "149.112.112.112 9.9.9.9" "$(vpn_get "$guest" dns)"
	check_eq "$guest: ESP is in tunnel mode and in UDP" 1/1 "$(vpn_get "$guest" sas)"
	check "$guest: pings the network behind the server" guest_run "$guest" "ping -c 3 -i 0.2 -W 5 $INSIDE"
	check_eq "$guest: is seen there with the server's address" $INNER \
		"$(guest_run "$guest" "curl -sS -m 60 http://$INSIDE:8080/from")"
	check "$guest: session brief shows it" grep -qE "^ *[0-9]+ ${address//./\\.} +$user +IPsec ${from//./\\.}:[0-9]+\$" \
		<<<"$(row "$user")"
	dev=$(ctl session all username "$user" protocol ipsec | sed -n 's/^ *Concentrated Interface *: //p')
	check "$guest: session all shows its interface ($dev)" grep -qE '^(pppx|tun)[0-9-]+$' <<<"$dev"
	[ "${dev#pppx}" = "$dev" ] && return
	check_eq "$guest: the interface carries the name" "$user" \
		"$(ip -n "$(nsname srv)" -o link show dev "$dev" | sed -n 's/.*alias \([^ ]*\).*/\1/p')"
	check_eq "$guest: and the tunnel's MTU" 1360 "$(ns srv cat "/sys/class/net/$dev/mtu")"
}

# transfer GUEST: the file down and up, and the sums.
transfer()
{
	local out
	out=$(guest_run "$1" "
		curl -sS -m 45 -o /tmp/file -w 'down=%{speed_download}\n' http://$INSIDE:8080/file &&
		echo $CANARY-$1 >>/tmp/file &&
		curl -sS -m 45 -o /tmp/up -T /tmp/file -w 'up=%{speed_upload}\n' http://$INSIDE:8080/up &&
		echo got=\$(head -c $((MEGABYTES << 20)) /tmp/file | sha256sum | cut -d' ' -f1) &&
		echo sent=\$(sha256sum </tmp/file | cut -d' ' -f1) &&
		echo arrived=\$(cat /tmp/up)")
	echo "$out" >"$rig_dir/$1/transfer"
}

transfer_get()
{
	sed -n "s/^$2=//p" "$rig_dir/$1/transfer"
}

transferred()
{
	check_eq "$1: $MEGABYTES MB came down unharmed" "$web_sum" "$(transfer_get "$1" got)"
	check "$1: $MEGABYTES MB went up" grep -qE '^[0-9a-f]{64}$' <<<"$(transfer_get "$1" arrived)"
	check_eq "$1: unharmed" "$(transfer_get "$1" sent)" "$(transfer_get "$1" arrived)"
	check "$1: the server counted them" awk -v least=$((MEGABYTES * 1000000)) '
		/Input Bytes|Output Bytes/ { if ($4 > least) n++ } END { exit n != 2 }' <<<"$(ctl session all username "$2")"
}

# --- two behind one NAT, at once --------------------------------------------

guest_start nat1 nat lan0 10.77.0.10/24 10.77.0.1 || rig_end
guest_start nat2 nat lan0 10.77.0.11/24 10.77.0.1 || rig_end
check "nat1: charon runs" x_start nat1 bob || rig_end
check "nat2: charon runs" x_start nat2 carol aes256gcm16 || rig_end
check "nat1: connects" x_up nat1 || rig_end
check "nat2: connects" x_up nat2 || rig_end
note "IKE, login and SAs: nat1 $(vpn_get nat1 ike_ms) ms, nat2 $(vpn_get nat2 ike_ms) ms"
everything nat1 bob $NAT_OUTER
everything nat2 carol $NAT_OUTER
check "they have two addresses" test "$(vpn_get nat1 address)" != "$(vpn_get nat2 address)"
transfer nat1 &
one=$!
transfer nat2 &
wait $one $!
transferred nat1 bob
transferred nat2 carol
check_eq "nothing was taken for another's" "0 0 0" "$(counter ip_spoofed) $(counter inner_bad) $(counter esp_bad_icv)"

# --- both phases again --------------------------------------------------------

id=$(ppp_id bob)
address=$(vpn_get nat1 address)
guest_send nat1 "ping -c 60 -i 0.1 -W 5 $INSIDE"
pings=$guest_cmd
check "nat1 makes new SAs (phase 2)" x nat1 rekey 2
check_eq "which are the same session" "$id" "$(ppp_id bob)"
check "nat1 does phase 1 again, with another login" x nat1 rekey 1
check "no ping was lost" grep -q ' 60 received, 0% packet loss' <<<"$(guest_wait nat1 $pings)"
check_eq "and that is the same session as well" "$id $address" "$(ppp_id bob) $(row bob | awk '{ print $2 }')"
check "it still works" guest_run nat1 "ping -c 3 -i 0.2 -W 5 $INSIDE"
check_eq "three logins were good" 3 "$(counter ike_xauth_good)"
check_eq "two sessions, two leases" "2 2" "$(ctl -n session brief | grep -c IPsec) $(counter leases)"

# --- logins that are refused --------------------------------------------------

printf '%s\n' "$PSK" >"$rig_dir/psk"
password_of alice >"$rig_dir/password"

check "nat2 hangs up" x nat2 down
check "its row goes" wait_for gone carol
one=$(held)
refused=0
for who in "carol wrong" "nobody $(printf %0255d 0)"; do
	vpn_conf nat2 "$OUTER" "$PSK" ${who% *} "${who#* }"
	must x nat2 reconf
	check "nobody gets in as ${who:0:12}" not x_up nat2
	refused=$((refused + 1))
	check_eq "it is counted" $refused "$(counter login_denied)"
	check "and logged for who bans" grep -qE "login failed user=\"${who% *}\" realm=LOCAL from=${NAT_OUTER//./\\.}:[0-9]+ reason=\"wrong name or password\"" \
		"$rig_dir/culvertd.log"
done
check "no password is in the log" not grep -qE "pass-word 7|0000000000" "$rig_dir/culvertd.log"
vpn_conf nat2 "$OUTER" "$PSK" carol "$(printf %0256d 0)"
must x nat2 reconf
check "nor with a password longer than any" not x_up nat2
check_eq "which nobody is asked about" "$refused 1" "$(counter login_denied) $(counter ike_xauth_malformed)"
check "nothing stays behind of that" wait_for held_is "$one" || note "now: $(held), then: $one"

# Quick Mode without a login at all.
n=$(counter ike_sa_add)
check "nor anybody who does not ask" not ns wan timeout 60 "$build/culvert-dial" -s $OUTER --xauth --skip-login -k "@$rig_dir/psk" \
	-u carol -p "@$rig_dir/password" --hold 1 --timeout 5
check_eq "for whom there is no SA" "$n" "$(counter ike_sa_add)"

# user-max-session 1 replace: the newer login of a user has precedence.
vpn_conf nat2 "$OUTER" "$PSK" bob "$(password_of bob)"
must x nat2 reconf
check "nat2 connects as bob" x_up nat2
check_eq "bob's older session was replaced" 1 "$(ctl session brief | grep -c ' bob ')"
check "it is nat2's" grep -q "$(vpn_get nat2 address)" <<<"$(row bob)"
check "nat1 was told" wait_for guest_run nat1 '! ipsec status | grep -q "vpn{.*INSTALLED"'

# --- beside L2TP --------------------------------------------------------------

check "a client of L2TP gets in by the same ike statement" ns wan timeout 60 "$build/culvert-dial" -s $OUTER -k "@$rig_dir/psk" \
	-u alice -p "@$rig_dir/password" --ping 20 --target $INSIDE --hold 1
check_eq "and bob is still here" 1 "$(ctl session brief | grep -c ' bob .*IPsec')"

# --- many at once -------------------------------------------------------------

# dial OPTION…: as often as wanted, from one address and with one identity.
x_dial=("$build/culvert-dial" -s $OUTER --xauth -k "@$rig_dir/psk" -u u%d -p "@$rig_dir/password" --from 192.0.2.50/32
	--inner 192.168.1.2 --target $INSIDE)

# child ROLE: the pid of a process of our server.
child()
{
	pgrep -P "$server_pid" -f "culvertd -P $1 "
}

# Both phases are done again all the while, and nobody may be taken for another.
start_ns wan twenty timeout 90 "${x_dial[@]}" -n 20 --ping 50 --hold 7 --rekey 2 --reauth 3 --overlap 500
twenty=$started
check "twenty more come from one place" wait_for eval '[ "$(ctl -n session brief | grep -c " u[0-9]* .*IPsec")" = 20 ]'
for role in manager auth netd; do
	kill -KILL "$(child $role)"
	check "$role is back" wait_for grep -q "$role is back" "$rig_dir/culvertd.log"
done
check "all twenty are still here" wait_for eval '[ "$(ctl -n session brief | grep -c " u[0-9]* .*IPsec")" = 20 ]'
check "and end by themselves" wait_for not rig_alive $twenty
result=$(grep '^result' "$rig_dir/twenty.log")
note "$(grep -oE '(sessions|ike_ms|pings|pings_lost|rekeys|reauths)=[^ ]*' <<<"$result" | xargs)"
check "none of them lost a ping" grep -q ' failed=0 lost=0 .* pings_lost=0 ' <<<"$result"
check_eq "each had one session" 20 "$(grep -c 'session up user="u[0-9]*"' "$rig_dir/culvertd.log")"

# More than charon has threads, and nobody to judge them: others' IKE goes on.  The parent would kill auth: it stops, too.
kill -STOP "$server_pid"
auth=$(child auth)
kill -STOP "$auth"
start_ns wan forty timeout 90 "${x_dial[@]}" -n 40 --hold 1
forty=$started
sleep 1
start_ns wan five timeout 60 "$build/culvert-dial" -s $OUTER -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password" \
	-n 5 --from 192.0.2.50/32 --stop-after ike --hold 2 --time
check "meanwhile IKE goes on" wait_for eval '[ "$(grep -c " up " "$rig_dir/five.log")" = 5 ]'
check_eq "while they still wait" 20 "$(grep -c 'session up user="u[0-9]*"' "$rig_dir/culvertd.log")"
kill -CONT "$auth" "$server_pid"
check "auth goes on, and judges them" wait_for not rig_alive $forty
check "all forty got in" grep -q '^result .* up=40 failed=0 ' "$rig_dir/forty.log"

# --- every way to end ---------------------------------------------------------

check_eq "clear ends it" 0 "$(ctl clear username bob >/dev/null; echo $?)"
check "nat2 was told" wait_for guest_run nat2 '! ipsec status | grep -q "vpn{.*INSTALLED"'
check "all comes back" wait_for held_is "$before" || note "now: $(held), at first: $before"

guest_run nat2 'ip route del 198.51.100.0/24 2>/dev/null'
check "nat2 connects again" x_up nat2
sed -i '/^bob:/,/password/d' "$server_run/users"
check "bob is taken from the users" ctl reload
check "and his session ends" wait_for gone bob
check "all comes back" wait_for held_is "$before" || note "now: $(held), at first: $before"

# The device for all sessions; and an iked that dies.
sed -i 's/pppx0/tun0/' "$server_run/conf"
check "reload to a device for all" ctl reload
guest_run nat2 'ip route del 198.51.100.0/24 2>/dev/null'
vpn_conf nat2 "$OUTER" "$PSK" carol "$(password_of carol)"
must x nat2 reconf
check "nat2 connects" x_up nat2
everything nat2 carol $NAT_OUTER
kill -KILL "$(pgrep -P "$server_pid" -f culvert-iked)"
check "iked is back" wait_for grep -q 'iked is back' "$rig_dir/culvertd.log"
check "nat2 is not disturbed" guest_run nat2 "ping -c 3 -i 0.2 -W 5 $INSIDE"
id=$(ppp_id carol)
check "it does phase 1 again, or all of it" x nat2 rekey 1 || x nat2 up
check_eq "and its session goes on" "$id" "$(ppp_id carol)"
guest_kill nat2
check "it vanishes: DPD finds out" wait_for gone carol
check "all comes back" wait_for held_is "$before" || note "now: $(held), at first: $before"

sed -i 's/any xauth psk/any psk/' "$server_run/conf"
check "reload to an ike statement without the word" ctl reload
asked=$(counter judged)
check "no client without L2TP gets in any more" not ns wan timeout 60 "$build/culvert-dial" -s $OUTER --xauth -k "@$rig_dir/psk" -u u1 \
	-p "@$rig_dir/password" --hold 1 --timeout 4
check_eq "and nobody is asked about it" "$asked" "$(counter judged)"
check "one with L2TP does" ns wan timeout 60 "$build/culvert-dial" -s $OUTER -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password" --hold 1

# --- on the wire --------------------------------------------------------------

sleep 0.3
rig_kill INT "$outer_pid"
# What comes to a client that has ended is told to be unreachable.
check "nothing but IKE and ESP on the wire" capture_none outer \
	'ip and not (udp port 500 or udp port 4500 or igmp or icmp[icmptype] = icmp-unreach)'
check "no inner address on the wire" capture_none outer "net $POOL.0/24 or host $INSIDE or host $INNER"
check "and not what was transferred" not grep -qaF "$CANARY" "$rig_dir/outer.pcap"
rig_end
