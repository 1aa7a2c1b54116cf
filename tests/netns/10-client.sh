#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian's strongSwan, xl2tpd and pppd on a real kernel against our server: one
# client without NAT, then two at once behind one NAT, both from port 1701.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"

# What guests transfer costs them most.
MEGABYTES=5
[ "${FULL:-0}" = 1 ] && MEGABYTES=20

rig_begin "a real client's packets go through our server"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must test -x "$build/culvertd"
must test -x "$build/culvertctl"
must network_up
must web_start
# A slow guest is not a dead one.
server_run=$rig_dir/run
must mkdir -p "$server_run"
(umask 077 && server_conf | sed 's/hello-timeout 12/hello-timeout 24/' >"$server_run/conf")
must server_start
must capture_start srv out0 outer
outer_pid=$started
must capture_start srv in0 inner
inner_pid=$started
before=$(held)
note "before: $before"

# everything GUEST USER OUTER-ADDRESS: all that a connected client can see, and the server of it.
everything()
{
	local guest=$1 user=$2 from=$3 address row dev
	address=$(vpn_get "$guest" address)
	check "$guest: has an address of the pool" grep -qE "^${POOL//./\\.}\.[1-9][0-9]$" <<<"$address"
	check_eq "$guest: ESP is in UDP" udp "$(vpn_get "$guest" encap)"
	check_eq "$guest: the server's address inside" $POOL.1 "$(vpn_get "$guest" peer)"
	check_eq "$guest: DNS as configured" "9.9.9.9 149.112.112.112" "$(vpn_get "$guest" dns1) $(vpn_get "$guest" dns2)"
	check_eq "$guest: and in resolv.conf" "9.9.9.9 149.112.112.112" "$(vpn_get "$guest" resolver | xargs)"
	check "$guest: xl2tpd speaks from port 1701" guest_run "$guest" "ss -Huan 'sport = 1701' | grep -q ."
	check "$guest: pings the network behind the server" guest_run "$guest" "ping -c 3 -i 0.2 -W 5 $INSIDE"
	check_eq "$guest: is seen there with the server's address" $INNER \
		"$(guest_run "$guest" "curl -sS -m 60 http://$INSIDE:8080/from")"

	row=$(ctl session brief | grep " $user ")
	check "$guest: session brief shows it" grep -qE "^ *[0-9]+ ${address//./\\.} +$user +L2TP  *${from//./\\.}:[0-9]+\$" <<<"$row"
	dev=$(ctl session all username "$user" | sed -n 's/^ *Concentrated Interface *: //p')
	check "$guest: session all shows its interface ($dev)" grep -qE '^pppx[0-9]+$' <<<"$dev"
	check_eq "$guest: the interface carries the name" "$user" \
		"$(ip -n "$(nsname srv)" -o link show dev "$dev" | sed -n 's/.*alias \([^ ]*\).*/\1/p')"
	check_eq "$guest: and the negotiated MTU" "$(vpn_get "$guest" mtu)" "$(ns srv cat "/sys/class/net/$dev/mtu")"
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
	awk -v g="$1" -v d="$(transfer_get "$1" down)" -v u="$(transfer_get "$1" up)" \
		'BEGIN { printf "# %s: %.0f Mbit/s down, %.0f Mbit/s up\n", g, d * 8e-6, u * 8e-6 }'
	check "$1: the server counted them" awk -v least=$((MEGABYTES * 1000000)) '
		/Input Bytes|Output Bytes/ { if ($4 > least) n++ } END { exit n != 2 }' <<<"$(ctl session all username "$2")"
}

# cipher GUEST HASH ICV-BITS KEY-BITS [CIPHER]: what its kernel's SAs have, both ways.
cipher()
{
	check_eq "$1: ESP is ${5:-aes} with $4 bits and HMAC-$2-$3" "2 2" "$(guest_run "$1" 'ip xfrm state' |
		awk -v a="hmac($2)" -v t="$3" -v k="$4" -v c="cbc(${5:-aes})" '
			$1 == "auth-trunc" && $2 == a && $NF == t { n++ }
			$1 == "enc" && $2 == c && (length($3) - 2) * 4 == k { m++ }
			END { print n + 0, m + 0 }')"
}

# aead GUEST KEY-BITS: its kernel's SAs have AES-GCM with a 16-octet ICV (4 octets of salt end the key shown).
aead()
{
	check_eq "$1: ESP is AES-GCM-$2" 2 "$(guest_run "$1" 'ip xfrm state' |
		awk -v k="$2" '$1 == "aead" && $2 == "rfc4106(gcm(aes))" && $4 == 128 && (length($3) - 2) * 4 == k + 32 { n++ }
			END { print n + 0 }')"
}

# --- without NAT ----------------------------------------------------------

guest_start plain wan br0 192.0.2.10/24 192.0.2.254 || rig_end
connect plain alice aes256-sha256 || rig_end
cipher plain sha256 128 256
everything plain alice 192.0.2.10
transfer plain
transferred plain alice
check_eq "one row" 1 "$(ctl session brief | grep -cE '^ *[0-9]+ ')"

# --- two behind one NAT ---------------------------------------------------

guest_start nat1 nat lan0 10.77.0.10/24 10.77.0.1 || rig_end
guest_start nat2 nat lan0 10.77.0.11/24 10.77.0.1 || rig_end
connect nat1 bob aes256-sha1 || rig_end
cipher nat1 sha1 96 256
connect nat2 carol aes128-sha1 || rig_end
cipher nat2 sha1 96 128
everything nat1 bob $NAT_OUTER
everything nat2 carol $NAT_OUTER
check_eq "three rows" 3 "$(ctl session brief | grep -cE '^ *[0-9]+ ')"
check "no two have one address" test -z "$(for g in plain nat1 nat2; do vpn_get $g address; done | sort | uniq -d)"
# Both at once: what belongs to one must never reach the other.
transfer nat1 &
one=$!
transfer nat2 &
wait $one $!
transferred nat1 bob
transferred nat2 carol
check "the first still works" guest_run plain "ping -c 2 -i 0.2 -W 5 $INSIDE"

# --- on the wire ----------------------------------------------------------

sleep 0.3
rig_kill INT "$outer_pid" "$inner_pid"
# A kernel tells of its multicast groups (IGMP) when a link comes up.
ike_esp='udp port 500 or udp port 4500 or igmp'
check "no UDP 1701 on the wire" capture_none outer 'udp port 1701'
check "nothing but IKE and ESP on the wire" capture_none outer "ip and not ($ike_esp)"
check "no inner address on the wire" capture_none outer "net $POOL.0/24 or host $INSIDE or host $INNER"
check "the capture has the transfers ($(capture_count outer "$ike_esp") packets)" \
	test "$(stat -c %s "$rig_dir/outer.pcap")" -gt $(((5 * MEGABYTES) << 20)) || sed 's/^/# /' "$rig_dir/outer.log"
check "the canary is to be seen behind the server" grep -qaF "$CANARY" "$rig_dir/inner.pcap"
check "and not on the wire" not grep -qaF "$CANARY" "$rig_dir/outer.pcap"

# --- everything comes back ------------------------------------------------

two=$(held)
check "nat2 hangs up" vpn_down nat2
check "its row goes" wait_for eval '[ "$(ctl session brief | grep -c " carol ")" = 0 ]'
check "bob is not disturbed" guest_run nat1 "ping -c 2 -i 0.2 -W 5 $INSIDE"
sed -i '1i set proposals legacy' "$server_run/conf"
check "3DES is let in" ctl reload
suites="aes256gcm16 aes128-sha384 aes256-sha512 3des-sha1"
[ "${FULL:-0}" = 1 ] && suites+=" aes128gcm16 aes128-sha256"
for suite in $suites; do
	check "nat2 takes another of our ESP suites, $suite" vpn_reconf nat2 "$OUTER" "$PSK" carol \
		"$(password_of carol)" aes256-sha1-modp2048 $suite
	check "it can come back" vpn_up nat2 && note "nat2 again: IKE $(vpn_get nat2 ike_ms) ms, L2TP+PPP $(vpn_get nat2 ppp_ms) ms"
	case $suite in
	aes256gcm16) aead nat2 256 ;;
	aes128gcm16) aead nat2 128 ;;
	aes128-sha384) cipher nat2 sha384 192 128 ;;
	aes256-sha512) cipher nat2 sha512 256 256 ;;
	3des-sha1) cipher nat2 sha1 96 192 des3_ede ;;
	*) cipher nat2 sha256 128 128 ;;
	esac
	check "and works, for packets of any length" guest_run nat2 "for n in 0 1 7 8 15 16 1300; do
		ping -c 1 -s \$n -W 5 $INSIDE || exit 1; done"
	check "the same is held as before" wait_for held_is "$two" || note "now: $(held), then: $two"
	if [ $suite = aes256gcm16 ]; then
		transfer nat2
		transferred nat2 carol
	fi
	check "nat2 hangs up" vpn_down nat2
	check "its row goes" wait_for eval '[ "$(ctl session brief | grep -c " carol ")" = 0 ]'
done
check "plain hangs up" vpn_down plain
guest_kill nat1
check "nat1 vanished: HELLO finds out, and all is as at first" wait_for held_is "$before" ||
	note "now: $(held), at first: $before"

kill -TERM "$server_pid"
check "the server ends" wait_for not rig_alive "$server_pid"
check "and leaves no table" eval '! ns srv nft list tables | grep -q culvert'
check "no device" eval '! ip -n "$(nsname srv)" -o link | grep -q pppx'
check "no forwarding" test "$(ns srv cat /proc/sys/net/ipv4/ip_forward)" = 0
rig_end
