#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What a bad configuration, a wrong password, a wrong key and packets of
# strangers do: they are refused or counted, and nobody else notices.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"

rig_begin "bad input disturbs nobody"
must test -x "$build/culvertd"
must network_up

# --- a broken configuration -----------------------------------------------

broken=$rig_dir/broken.conf
printf 'ike passive esp transport from any to any psk "x"\nset max-sessions 3\n' >"$broken"
chmod 600 "$broken"
mkdir "$rig_dir/nowhere"
before=$(ns srv sh -c 'ip -o link; ip -o addr; ip route; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward')
for option in -n -d; do
	ns srv timeout 20 "$build/culvertd" $option -f "$broken" -r "$rig_dir/nowhere" >"$rig_dir/broken.out" 2>&1
	check_eq "culvertd $option: exit status 1" 1 $?
	check "culvertd $option: names file, line and column" grep -qE "^$broken:2:[0-9]+: " "$rig_dir/broken.out"
done
check_eq "nothing was touched" "$before" \
	"$(ns srv sh -c 'ip -o link; ip -o addr; ip route; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward')"
check "no run directory either" test -z "$(ls -A "$rig_dir/nowhere")"

if why=$(guest_missing); then
	skip "the rest" "$why"
	rig_end
fi
must web_start
must server_start
must capture_start srv out0 outer
guest_start witness wan br0 192.0.2.10/24 192.0.2.254 || rig_end
connect witness alice || rig_end
held=$(held)

undisturbed()
{
	check "the witness is not disturbed" guest_run witness "ping -c 3 -i 0.2 -W 5 $INSIDE"
	check "nothing is held for it" wait_for held_is "$held" || note "now: $(held), before: $held"
}

# --- a wrong password, a wrong key ----------------------------------------

guest_start bad wan br0 192.0.2.11/24 192.0.2.254 || rig_end
must vpn_start bad $OUTER "$PSK" bob "not his password"
LIMIT=12 vpn_up bad >/dev/null
check_eq "a wrong password: no connection" l2tp "$(vpn_get bad error)"
check "the client is told so, as MS-CHAPv2 does" grep -qE 'rcvd \[CHAP Failure .*E=691 R=[01] C=[0-9A-F]{32} V=3' \
	"$rig_dir/bad/share/log/pppd"
check_eq "one line in the log" 1 "$(grep -c 'login failed user="bob"' "$rig_dir/culvertd.log")"
check "with the address to ban" grep -qE 'login failed user="bob" .*from=192\.0\.2\.11[ :]' "$rig_dir/culvertd.log"
check "no password in the log" not grep -qE "not his password|pass-word" "$rig_dir/culvertd.log"
vpn_down bad >/dev/null
undisturbed

must vpn_reconf bad $OUTER "another key" bob "$(password_of bob)"
refused=$(counter ike_psk_mismatch)
LIMIT=8 vpn_up bad >/dev/null
check_eq "a wrong key: no connection" ike "$(vpn_get bad error)"
check "it is counted" test "$(counter ike_psk_mismatch)" -gt "$refused"
guest_run bad 'ipsec down vpn; ip xfrm state flush; ip xfrm policy' >/dev/null 2>&1
undisturbed

# --- strangers' packets ---------------------------------------------------

must addr wan br0 192.0.2.66/24
spi=$(guest_run witness "ip xfrm state list src 192.0.2.10 dst $OUTER" | sed -n 's/.*spi 0x\([0-9a-f]*\).*/\1/p')
check "the witness has one SA to us" grep -qE '^[0-9a-f]{8}$' <<<"$spi"
moved=$(counter endpoint_moved)

# attack TEXT COUNTERS KIND ARGUMENT…: fifty packets, all of them counted
attack()
{
	local text=$1 names=$2 kind=$3 c was=0
	shift 3
	for c in $names; do was=$((was + $(counter $c))); done
	must ns wan python3 "$top/tests/attack.py" $OUTER "$kind" 50 "$@"
	check "$text: all counted" wait_for counted "$names" $((was + 50)) || ctl status
}

# counted COUNTERS VALUE: their sum reaches it
counted()
{
	local c sum=0
	for c in $1; do sum=$((sum + $(counter $c))); done
	[ $sum -ge "$2" ]
}

esp_dropped="esp_unknown_spi esp_short"
ike_dropped="ike_rx_short ike_rx_junk ike_rx_version ike_rx_aggressive ike_rx_port_500 ike_bad_message ike_rx_esp"
attack "ESP with unknown SPIs" "esp_unknown_spi" unknown
attack "a live SA's SPI, a wrong ICV" "esp_bad_icv" icv "$spi"
must guest_run witness "ping -c 60 -i 0.02 -W 5 $INSIDE"
sleep 0.2
attack "the witness's own packets again" "esp_replayed" replay "$rig_dir/outer.pcap" 192.0.2.10 "$spi"
attack "junk on 4500" "$esp_dropped $ike_dropped rx_keepalive" junk 4500
attack "junk on 500" "$ike_dropped" junk 500
sleep 0.5
check "nobody was answered" capture_none outer 'src host 192.0.2.1 and dst host 192.0.2.66 and ip'
check_eq "no client was taken to have moved" "$moved" "$(counter endpoint_moved)"
undisturbed

# --- and the door is not shut ---------------------------------------------

must vpn_reconf bad $OUTER "$PSK" bob "$(password_of bob)"
check "with the right key and password it connects" vpn_up bad
check "and reaches the network" guest_run bad "ping -c 2 -i 0.2 -W 5 $INSIDE"
rig_end
