#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients that make new SAs for old ones while they use them: phase 2 with the
# same suite and another, phase 1 as a Mac does every 48 minutes, both at once by
# clients behind one NAT that look the same, and coming from elsewhere meanwhile.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "rekeying, phase 1 again, and NATs that forget"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

must dial_network
must web_start
must dial_server 3.250 20

# session_end: SIGTERM, and its last line.
session_end()
{
	kill -TERM "$(ip netns pids "$(nsname cli)" | head -n 1)"
	wait_for not rig_alive "$started"
	grep -E '^(lost|failed|pings)' "$rig_dir/$1.log" | sed 's/^/# /'
}

# up TAG N
up()
{
	wait_for eval '[ "$(grep -c " up " "$rig_dir/'$1'.log")" = '$2' ]'
}

# again TAG PHASE: how often all of its sessions did that.
again()
{
	grep -c " phase=$2 again" "$rig_dir/$1.log"
}

# often TEXT N COMMAND…: its number, waited for: how much fits into one download is the machine's affair.
often()
{
	local text=$1 least=$2
	shift 2
	check "$text" wait_for at_least "$least" "$@"
	note "$("$@")"
}

at_least()
{
	[ "$("${@:2}")" -ge "$1" ]
}

# suites TAG: how many its sessions had.
suites()
{
	grep ' phase=2 again' "$rig_dir/$1.log" | grep -oE 'enc=[0-9]+ auth=[0-9]+' | sort -u | wc -l
}

# joined: since $joins was set.
joined()
{
	echo $(($(counter lineage_joins) - joins))
}

moved()
{
	grep -c ' moved' "$rig_dir/move.log"
}

# down DEVICE: a file of 20 MB, slowly enough that much happens meanwhile.
down()
{
	ns cli curl -sf -m 60 --limit-rate 3M --interface "$1" http://$INSIDE:8080/file | sha256sum | cut -d' ' -f1
}

before=$(all_held)
note "before: $before"

# --- phase 2 ---

dial_start qm --tun vpn0 --time --rekey 1 --rekey-esp aes128-sha256 --overlap 600 --ping 20
must up qm 1
ip -n "$(nsname cli)" route add $INSIDE dev vpn0
check_eq "20 MB come down whole while phase 2 is done again and again" "$web_sum" "$(down vpn0)"
often "it was, often" 4 again qm 2
often "with another suite every other time" 2 suites qm
check "old SAs go when the client deletes them" wait_for eval '[ "$(counter sas)" -le 3 ]'
check_eq "one flow, one session, nothing joined" "1 1 0" "$(counter flows) $(ctl -n session brief | grep -c alice) $(counter lineage_joins)"
session_end qm
check_eq "no packet was lost" "1 0" "$(got qm ok) $(got qm pings_lost)"
check "all is given back" wait_for all_held_is "$before"

# --- its third message gets lost, one in three; nobody answers it ---

# Every three seconds: of pairs that are not whole yet a client may have few.
dial_start quick -n 4 --inner 192.168.1.10 --time --rekey 3 --overlap 400 --ping 250 --lose-quick 33 --hold 3600
must up quick 4
often "they do phase 2 again" 12 again quick 2
often "the server asks for it again" 2 counter ike_quick_again
session_end quick
check_eq "none of the four was lost" "1 0" "$(got quick ok) $(got quick lost)"
note "$(got quick pings_lost) of $(got quick pings) pings lost, longest outage $(got quick outage_ms) ms"
check "all is given back" wait_for all_held_is "$before"

# --- phase 1 ---

joins=$(counter lineage_joins)
dial_start mm --tun vpn0 --time --reauth 1 --overlap 400 --ping 20
must up mm 1
ip -n "$(nsname cli)" route add $INSIDE dev vpn0
check_eq "20 MB come down whole while phase 1 is done again and again" "$web_sum" "$(down vpn0)"
often "it was, often" 4 again mm 1
often "each time the client proved who it is" 4 joined
check "old IKE_SAs go when the client deletes them" wait_for eval '[ "$(counter ike_sas_now)" -le 2 ]'
check "old SAs, too" wait_for eval '[ "$(counter sas)" -le 2 ]'
check_eq "one session" 1 "$(ctl -n session brief | grep -c alice)"
session_end mm
check_eq "no packet was lost" "1 0" "$(got mm ok) $(got mm pings_lost)"
check "all is given back" wait_for all_held_is "$before"

# --- both, by clients that nothing tells apart ---

joins=$(counter lineage_joins)
dial_start nat -n 8 --inner 192.168.1.10 --tun vpn%d --time --rekey 2 --reauth 3 --overlap 500 --ping 50
must up nat 8
for i in 0 5; do
	(down vpn$i >"$rig_dir/sum$i") &
	loads+=($!)
done
check "one more of them comes, and says that all others with its name are dead" \
	dial ninth --inner 192.168.1.10 --initial-contact --ping 50 --hold 1
wait "${loads[@]}"
check_eq "two of eight behind one address: each its own 20 MB, whole" "$web_sum $web_sum" \
	"$(cat "$rig_dir/sum0") $(cat "$rig_dir/sum5")"
often "all did phase 1 again" 8 again nat 1
often "and phase 2" 8 again nat 2
often "their new IKE_SAs were theirs" 8 joined
check "eight sessions" wait_for eval '[ "$(ctl -n session brief | grep -c alice)" = 8 ]'
session_end nat
check_eq "none of the eight was lost, and no packet of theirs" "1 0" "$(got nat ok) $(got nat pings_lost)"
check "all is given back" wait_for all_held_is "$before"

# --- another port, another address, and phase 2 in between ---

dial_start move -n 2 --from $PREFIX --tun vpn%d --time --move 1 --rekey 3 --reauth 4 --ping 20 --max-outage 10000
must up move 2
check_eq "20 MB come down whole over changing ports and addresses" "$web_sum" "$(down vpn0)"
often "they came from elsewhere" 4 moved
often "the server saw it" 4 counter endpoint_moved
session_end move
check_eq "none was lost" 1 "$(got move ok)"
note "$(got move pings_lost) of $(got move pings) pings lost: those on their way when the port changed"
check "all is given back" wait_for all_held_is "$before"
check_eq "nothing came to an SPI of nobody, nothing was forged" "0 0" "$(counter esp_bad_icv) $(counter lineage_barred)"
note "probes=$(counter lineage_probes) joins=$(counter lineage_joins) held=$(counter join_held) dropped=$(counter join_dropped) misses=$(counter lineage_misses) refused=$(counter ike_move_refused)"
rig_end
