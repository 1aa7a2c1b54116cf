#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients that say nothing: asleep, behind a wire that is cut for a while, dead.
# Apple's speak DPD, Windows' do not; L2TP's HELLO asks both.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "silent clients, dead ones, and their neighbours"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"
must dial_network

# up TAG N
up()
{
	wait_for eval '[ "$(grep -c " up " "$rig_dir/'$1'.log")" = '$2' ]'
}

# rows_are N
rows_are()
{
	[ "$(ctl session brief | grep -cE '^ *[0-9]+ ')" = "$1" ]
}

# again DPD HELLO TIMEOUT: the server with other patience.
again()
{
	[ -z "$server_pid" ] || { kill -TERM "$server_pid" && wait_for not rig_alive "$server_pid"; }
	dial_server 1.250 $2 "s/hello-timeout .*/hello-timeout $3/; 1i set dpd $1"
}

# cut, mend: the clients' wire; what they send goes nowhere, nor comes anything to them.
cut()
{
	ns cli nft -f - <<-END
	table ip t {
		chain o { type filter hook output priority 0; ip daddr $OUTER udp dport { 500, 4500 } drop; }
		chain i { type filter hook input priority 0; ip saddr $OUTER udp sport { 500, 4500 } drop; }
	}
	END
}

mend()
{
	ns cli nft delete table ip t
}

# dial_end TAG PID: SIGTERM, and its last line.
dial_end()
{
	kill -TERM $2
	wait_for not rig_alive $2
	grep -E '^(lost|failed|pings)' "$rig_dir/$1.log" | sed 's/^/# /'
}

# --- DPD alone ---

must again 2 3600 3600
before=$(all_held)
dial_start neighbour -n 2 --inner 192.168.1.10 --ping 50 --hold 3600
neighbour=$started
wait_for rows_are 2
dial_start windows -n 2 --inner 192.168.1.10 --manner windows --vanish-after 1 --hold 3600 --time
up windows 2
dial_start apple -n 2 --inner 192.168.1.10 --initial-contact --vanish-after 1 --hold 3600 --time
check "six clients with one address and one identity; the last say that all others with it are dead" wait_for rows_are 6
check "two die that speak DPD: they are found" wait_for rows_are 4
check_eq "their IKE_SAs are gone, and those of two that died before and do not speak it are not" 4 "$(counter ike_sas_now)"
dial_end neighbour $neighbour
check_eq "their neighbours lost nothing" "1 0 0" "$(got neighbour ok) $(got neighbour lost) $(got neighbour pings_lost)"
check "they left" wait_for rows_are 2

# --- HELLO alone ---

must again 3600 2 4
dial_start neighbour -n 2 --inner 192.168.1.10 --ping 50 --hold 3600
neighbour=$started
# These have nothing to say.
dial_start quiet -n 2 --inner 192.168.1.10 --hold 3600
quiet=$started
wait_for rows_are 4
dial_start windows -n 2 --inner 192.168.1.10 --manner windows --vanish-after 1 --hold 3600 --time
check "six clients" wait_for rows_are 6
check "two die that do not speak DPD: HELLO finds them" wait_for rows_are 4
check "their IKE_SAs end with them" wait_for eval '[ "$(counter ike_sas_now)" = 4 ]'
dial_end quiet $quiet
check_eq "who said nothing at all is still there" "1 0" "$(got quiet ok) $(got quiet lost)"
dial_end neighbour $neighbour
check_eq "their neighbours lost nothing" "1 0 0" "$(got neighbour ok) $(got neighbour lost) $(got neighbour pings_lost)"
check "all is given back" wait_for all_held_is "$before" || note "now: $(all_held), at first: $before"

# --- asleep, or in a tunnel ---

must again 3600 2 60
dial_start sleeper -n 3 --inner 192.168.1.10 --ping 100 --hold 3600
sleeper=$started
check "three clients" wait_for rows_are 3
check "their wire is cut" cut
sleep 6
check "and mended" mend
sleep 1
dial_end sleeper $sleeper
check_eq "they go on with the sessions that they had" "1 0 3" "$(got sleeper ok) $(got sleeper lost) $(counter login_ok)"
check "it was cut ($(got sleeper pings_lost) of $(got sleeper pings) pings lost)" test "$(got sleeper pings_lost)" -gt 30
check "all is given back" wait_for all_held_is "$before" || note "now: $(all_held), at first: $before"
rig_end
