#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Any number of clients behind one NAT that nothing tells apart: the same private
# address (each behind a router of its own), the same identity, port 1701, the same
# tunnel ids.  Twenty of culvert-dial and three real guests at once; they come and
# go, rekey, do phase 1 again, and their NAT forgets them and moves.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../guest/guest.sh"

rig_begin "clients behind one NAT that look the same"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

PRIVATE=192.168.1.10
SECOND=192.0.2.3
guests="g1 g2 g3"

must network_up
must addr nat wan0 $SECOND/24
# The network of culvert-dial, and a router for each guest, whose inside all look alike.
must ns_add cli
must link nat l0 cli c0
must ip -n "$(nsname nat)" link set l0 master lan0
must addr cli c0 10.77.0.100/24
must ip -n "$(nsname cli)" route add default via 10.77.0.1
home()
{
	ns_add h$1 && link nat l$1 h$1 up0 && ip -n "$(nsname nat)" link set l$1 master lan0 &&
		addr h$1 up0 10.77.0.1$1/24 && ip -n "$(nsname h$1)" route add default via 10.77.0.1 &&
		bridge h$1 br1 && addr h$1 br1 192.168.1.1/24 && ns h$1 sysctl -qw net.ipv4.ip_forward=1 &&
		ns h$1 nft -f - <<-END
		table ip nat {
			chain post {
				type nat hook postrouting priority srcnat
				oifname "up0" masquerade random
			}
		}
		END
}
for i in 1 2 3; do
	must home $i
done

# nat_again SNAT: the NAT forgets all that it knew, and gives out other ports, or another address.
nat_again()
{
	ns nat nft -f - <<-END || return 1
	delete table ip nat
	table ip nat {
		chain post {
			type nat hook postrouting priority srcnat
			oifname "wan0" ip protocol udp $1
		}
	}
	END
	# What conntrack -F does.
	ns nat python3 -c 'import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.send(struct.pack("=IHHIIBBH", 20, 1 << 8 | 2, 5, 1, 0, 0, 0, 0))
assert struct.unpack_from("=i", s.recv(4096), 16)[0] == 0'
}

must web_start
server_run=$rig_dir/run
must mkdir -p "$server_run"
(umask 077 && server_conf | sed "s/-$POOL\.99\"/-${POOL%.*}.1.250\"/; s/hello-interval 3/hello-interval 60/; s/hello-timeout 12/hello-timeout 30/" \
	>"$server_run/conf")
must server_start
dial_prepare
before=$(all_held)
note "before: $before"

# session_end TAG: SIGTERM, and its last line.
session_end()
{
	kill -TERM "$dial_pid"
	wait_for not rig_alive "$dial_pid"
	grep -E '^(lost|failed|pings)' "$rig_dir/$1.log" | sed 's/^/# /'
}

# each FUNCTION: for all guests at once; false if one was false.
each()
{
	local g pids=() ok=0
	for g in $guests; do
		"$1" $g ${user[$g]} >"$rig_dir/$g/each" 2>&1 &
		pids+=($!)
	done
	for p in "${pids[@]}"; do
		wait $p || ok=1
	done
	return $ok
}

prepare()
{
	vpn_start $1 $OUTER "$PSK" $2 "$(password_of $2)"
}

# load GUEST: 20 MB, slowly enough that much happens meanwhile, and small packets all the while.
load()
{
	guest_run $1 "ping -i 0.2 $INSIDE >/mnt/log/ping & curl -sS -m 55 --limit-rate 3M http://$INSIDE:8080/file | sha256sum | cut -d' ' -f1
		kill -INT \$!; wait \$!" >"$rig_dir/$1/sum"
}

loads_begin()
{
	for g in $guests; do
		rm -f "$rig_dir/$g/share/log/ping"
	done
	each load &
	loads=$!
	for g in $guests; do
		wait_for eval '[ "$(grep -c icmp_seq "$rig_dir/'$g'/share/log/ping")" -ge 3 ]'
	done
}

loads_end()
{
	wait $loads
	for g in $guests; do
		check_eq "$g: 20 MB came down whole, $1" "$web_sum" "$(cat "$rig_dir/$g/sum")"
		check "$g: the same session" eval 'ctl session brief | grep -q " $(vpn_get '$g' address) "'
	done
}

sessions_are()
{
	[ "$(ctl session brief | grep -cE '^ *[0-9]+ ')" = "$1" ]
}

declare -A user=([g1]=alice [g2]=bob [g3]=carol)

# --- all at once ---

dial_start calm -n 20 --inner $PRIVATE --ping 50 --time --hold 3600
dial_pid=$started
for g in $guests; do
	guest_start $g h${g#g} br1 $PRIVATE/24 192.168.1.1 || rig_end
done
check "twenty clients behind one address, with one private address" \
	wait_for eval '[ "$(grep -c " up " "$rig_dir/calm.log")" = 20 ]'
check "three guests with that one, too: strongSwan and xl2tpd run" each prepare
check "they connect" each vpn_up
check "23 sessions from one address" sessions_are 23
check_eq "all of them" 23 "$(ctl session brief | grep -c "$NAT_OUTER:")"
check_eq "with as many flows" 23 "$(counter flows)"

# --- phase 2 and phase 1 again, by real clients, at once and while they download ---

joins=$(counter lineage_joins)
loads_begin
newest='newest() { ipsec status | sed -nE "s/.*vpn$1([0-9]+)$2.*(INSTALLED|ESTABLISHED).*/\1/p" | sort -n | tail -n 1; }
	phase2() { ipsec stroke rekey "vpn{$(newest "\{" "\}")}"; sleep 1; }
	phase1() { ipsec stroke rekey "vpn[$(newest "\[" "\]")]"; sleep 1; }'
guest_send g1 "$newest; phase2; phase2; phase2"
guest_send g2 "$newest; phase1; phase2; phase1; phase2"
guest_send g3 'sed -i "s/^	esp=.*/	esp=aes128-sha256!/" /etc/ipsec.conf; ipsec update; sleep 1; ipsec up vpn'
# One comes, says that all others with its name are dead, does everything again and again, leaves, is back.
check "one more rekeys, does phase 1 again, leaves and comes back, three times" dial restless --inner $PRIVATE --initial-contact \
	--rekey 1 --reauth 2 --overlap 200 --ping 50 --hold 3 --again 2
loads_end "while it did phase 1 or 2 again"
# established GUEST WHAT N: so many of these.
established()
{
	[ "$(grep -c "$2 vpn.*established" "$rig_dir/$1/share/log/charon")" -ge "$3" ]
}
check "g1 did phase 2 again" wait_for established g1 CHILD_SA 4
check "g2 did phase 1 again" wait_for established g2 IKE_SA 2
check "and proved who it is" wait_for eval '[ "$(counter lineage_joins)" -gt '$joins' ]'
check "g3 has another suite" wait_for guest_run g3 'ip xfrm state | grep -q "hmac(sha256)"'

# --- one leaves, one loses its power, one comes back ---

check "g3 hangs up" vpn_down g3
check "its session goes" wait_for sessions_are 22
check "g3 dials again" vpn_up g3
check "23 again" sessions_are 23
session_end calm
check_eq "of the twenty none was lost, and no packet of theirs" "1 0 0" "$(got calm ok) $(got calm lost) $(got calm pings_lost)"
check "they are gone" wait_for sessions_are 3

# --- the NAT forgets ---

dial_start moved -n 20 --inner $PRIVATE --ping 50 --time --hold 3600
dial_pid=$started
check "twenty again" wait_for eval '[ "$(grep -c " up " "$rig_dir/moved.log")" = 20 ]'
loads_begin
# all_from PATTERN: that is where the server has heard all of them last.
all_from()
{
	[ "$(ctl session brief | grep -cE " $1\$")" = 23 ]
}
# move TO PATTERN: what the NAT gives out, and what that is to the server.
move()
{
	check "the NAT forgets all, and gives out: $1" nat_again "$1"
	check "all are heard from there" wait_for all_from "$2"
}
move "masquerade to :20000-29999" "$NAT_OUTER:2[0-9]{4}"
move "snat to $SECOND" "$SECOND:[0-9]+"
move "snat to $NAT_OUTER:30000-39999" "$NAT_OUTER:3[0-9]{4}"
loads_end "over three moves"
check "23 sessions" sessions_are 23
session_end moved
check_eq "of the twenty none was lost" "1 0" "$(got moved ok) $(got moved lost)"
note "$(got moved pings_lost) of $(got moved pings) pings lost: those on their way when the NAT forgot"

# --- the end ---

hang_up()
{
	vpn_down $1 && guest_run $1 "ipsec stop"
}
check "the guests hang up" each hang_up
check "all is given back" wait_for all_held_is "$before" || note "now: $(all_held), at first: $before"
check_eq "nothing came that was forged" 0 "$(counter esp_bad_icv)"
note "probes=$(counter lineage_probes) joins=$(counter lineage_joins) held=$(counter join_held) dropped=$(counter join_dropped) misses=$(counter lineage_misses) barred=$(counter lineage_barred) refused=$(counter ike_move_refused)"
rig_end
