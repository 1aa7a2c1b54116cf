#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `set esp kernel` and clients that do not stay as they are: phase 2 and phase 1 again, eight
# at one address whom nothing tells apart, other ports and addresses, and an engine that dies.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154,SC2206
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../guest/guest.sh"
. "${0%/*}/../kernel.sh"

rig_begin "ESP in the kernel: rekeying, phase 1 again, NATs that forget, an engine's crash"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"
MEGABYTES=3
must kernel_network
must kernel_server 3.250
printf '%s\n' "$PSK" >"$rig_dir/psk"
password_of alice >"$rig_dir/password"
dial_cmd=("$build/culvert-dial" -s $OUTER -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password")

# A packet that comes before its keys waits nowhere in a kernel: some pings are lost, and told.
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

# down DEVICE: the file, slowly enough that much happens meanwhile.
down()
{
	ns cli curl -sf -m 60 --limit-rate 400K --interface "$1" http://$INSIDE:8080/file | sha256sum | cut -d' ' -f1
}

held_again()
{
	check "$1" wait_for held_is "$empty" || note "now: $(held), at first: $empty"
}

empty=$(held)
note "before: $empty"

dial_start qm --tun vpn0 --time --rekey 1 --rekey-esp aes128-sha256 --overlap 600 --ping 20
must up qm 1
ip -n "$(nsname cli)" route add $INSIDE dev vpn0
check_eq "the file comes down whole while phase 2 is done again and again" "$web_sum" "$(down vpn0)"
check "it was, often" wait_for eval '[ "$(again qm 2)" -ge 3 ]'
check "old SAs go when the client deletes them" wait_for eval '[ "$(counter sas)" -le 3 ]'
check_eq "one flow, and one mark" "1 1" "$(counter flows) $(on 'ip xfrm state | grep -oE "reqid [0-9]+" | sort -u | wc -l')"
session_end qm
check_eq "its session stayed" "1 0" "$(got qm ok) $(got qm lost)"
held_again "all is given back"

dial_start mm --tun vpn0 --time --reauth 1 --overlap 400 --ping 20
must up mm 1
ip -n "$(nsname cli)" route add $INSIDE dev vpn0
check_eq "the file comes down whole while phase 1 is done again and again" "$web_sum" "$(down vpn0)"
check "it was, often" wait_for eval '[ "$(again mm 1)" -ge 3 ]'
check "each time the client proved who it is" wait_for eval '[ "$(counter lineage_joins)" -ge 3 ]'
session_end mm
check_eq "its session stayed" "1 0" "$(got mm ok) $(got mm lost)"
held_again "all is given back"

dial_start nat -n 8 --inner 192.168.1.10 --tun vpn%d --time --rekey 2 --reauth 3 --overlap 500 --ping 50
must up nat 8
for i in 0 5; do
	(down vpn$i >"$rig_dir/sum$i") &
	loads+=($!)
done
wait "${loads[@]}"
check_eq "two of eight behind one address: each its own file, whole" "$web_sum $web_sum" \
	"$(cat "$rig_dir/sum0") $(cat "$rig_dir/sum5")"
check "all did phase 1 again" wait_for eval '[ "$(again nat 1)" -ge 8 ]'
session_end nat
check_eq "none of the eight was lost" "1 0" "$(got nat ok) $(got nat lost)"
held_again "all is given back"

dial_start move -n 2 --from $PREFIX --tun vpn%d --time --move 1 --rekey 3 --ping 20 --max-outage 2000
must up move 2
check_eq "the file comes down whole over changing ports and addresses" "$web_sum" "$(down vpn0)"
check "they came from elsewhere" wait_for eval '[ "$(grep -c " moved" "$rig_dir/move.log")" -ge 4 ]'
check "the server saw it" wait_for eval '[ "$(counter endpoint_moved)" -ge 4 ]'
session_end move
check_eq "none was lost" 1 "$(got move ok)"
note "$(got move pings_lost) of $(got move pings) pings lost"
held_again "all is given back"

dial_start crash --tun vpn0 --time --ping 50
must up crash 1
check "an engine with a client is killed" on 'e=$('"$programs/culvertctl -s /run/culvert/culvert.sock status"' |
	awk "\$2 == \"flows\" && \$3 == 1 { sub(\"engine\", \"\", \$1); print \$1; exit }")
	kill -9 $(pgrep -f -- "-P engine -I $e")'
check "it is back" wait_for eval 'grep -q "engine[01] is back" "$rig_dir/server/share/log/culvertd"'
held_again "its client is gone, and what the kernel had of him"
session_end crash
check "who dials next is served" ns cli timeout 60 "${dial_cmd[@]}" --ping 50 --hold 1
held_again "all is given back"
check "nobody was killed by the sandbox" not logged 'signal 31'
rig_end
