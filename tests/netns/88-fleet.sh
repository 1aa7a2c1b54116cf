#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A fleet: two servers and one FreeRADIUS with SQLite, by the very files of culvert-fleet(7).
# Users, limits and addresses are shared, accounting of both is one table; a user moves,
# a server dies with all of its processes and comes back.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "a fleet: two servers, FreeRADIUS, SQLite"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-radius"
must test -x "$build/culvert-dial"
[ -e /usr/lib/freeradius/rlm_sql_sqlite.so ] || rig_skip_all "needs freeradius with rlm_sql_sqlite"
command -v sqlite3 >/dev/null || rig_skip_all "needs sqlite3"

#   cli   bridge c0 192.0.2.10 and every address of 198.18.0.0/16
#   srv   out0 192.0.2.1, in0 198.51.100.1: vpn1
#   srv2  out0 192.0.2.4, in0 198.51.100.4: vpn2
#   in    bridge i0 198.51.100.2: FreeRADIUS, a web server
OUTER2=192.0.2.4
INNER2=198.51.100.4
for n in srv srv2 cli in; do
	must ns_add $n
done
must link srv out0 cli c1
must link srv2 out0 cli c2
must link srv in0 in i1
must link srv2 in0 in i2
must bridge cli c0 c1 c2
must bridge in i0 i1 i2
must addr cli c0 $CLIENT/24
must addr in i0 $INSIDE/24
must addr srv out0 $OUTER/24
must addr srv in0 $INNER/24
must addr srv2 out0 $OUTER2/24
must addr srv2 in0 $INNER2/24
for n in srv srv2; do
	must ip -n "$(nsname $n)" route add $PREFIX via $CLIENT
done
must ip -n "$(nsname cli)" route add local $PREFIX dev lo
must chmod 755 "$rig_dir"
must web_start

# manual NAME: the file of that name in culvert-fleet(7), with this test's paths.
manual()
{
	awk -v want="$1" '/^\.Bd -literal/ { first = 1; next } /^\.Ed/ { on = 0 }
		first { first = 0; name = $0; sub(/^(#|--) /, "", name); on = name == want }
		on { gsub(/\\e/, "\\"); sub(/^\\&/, ""); print; n++ }
		END { exit !n }' "$top/man/culvert-fleet.7" |
		sed "s|/etc/freeradius/3.0|$raddb|g; s|/var/lib/freeradius|$rig_dir/db|g; s|/etc/culvert/psk|$rig_dir/psk|"
	return "${PIPESTATUS[0]}"
}
# sql NAME: what the manual has of that name; query WORDS: one line for each row.
sql() { manual "$1" | sqlite3 -bail "$rig_dir/db/fleet.db"; }
query() { sqlite3 -separator ' ' -cmd '.timeout 5000' "$rig_dir/db/fleet.db" "$*"; }

# Debian's own configuration of FreeRADIUS, and the files of the manual.
raddb=$rig_dir/raddb
must cp -a /etc/freeradius/3.0 "$raddb"
must rm "$raddb/sites-enabled/default"
must sed -i "s|^raddbdir = .*|raddbdir = $raddb|; s|^run_dir = .*|run_dir = $rig_dir/db|; s|^logdir = .*|logdir = $rig_dir/db|" \
	"$raddb/radiusd.conf"
must install -d -o freerad -g freerad -m 700 "$rig_dir/db"
for f in clients.conf mods-enabled/sql mods-enabled/sqlippool sites-enabled/vpn; do
	must eval 'manual "/etc/freeradius/3.0/$f" >"$rig_dir/manual"'
	must install -o root -g freerad -m 640 "$rig_dir/manual" "$raddb/$f"
done
must sql "sqlite3 /var/lib/freeradius/fleet.db"
must sql "sqlite3 /var/lib/freeradius/fleet.db, users"
for u in mover crash c1 c2 c3 c4 c5 c6; do
	must query "INSERT INTO radusergroup (username, groupname) VALUES ('$u', 'one');
		INSERT INTO radcheck (username, attribute, op, value) VALUES ('$u', 'Cleartext-Password', ':=', 'her password')"
done
must chown -R freerad: "$rig_dir/db"
must start_ns in radius freeradius -fxx -l stdout -d "$raddb"
check "FreeRADIUS starts with the manual's files" wait_for grep -q 'Ready to process requests' "$rig_dir/radius.log"

PSK='tail-gunner-osprey-lilac'
must dial_prepare
must chmod 600 "$rig_dir/psk"
printf 'her password' >"$rig_dir/password"
for n in srv srv2; do
	server_is $n
	must mkdir -p "$server_run"
	(umask 077 && manual /etc/culvert/culvert.conf | sed "s/eth0/in0/; $([ $n = srv ] || echo 's/vpn1/vpn2/')" >"$server_run/conf")
	must server_start
	eval "pid_$n=\$server_pid"
done

# begins TAG SERVER USER OPTION…: a session there, until it is ended by "ends TAG"; up: and it is up.
begins()
{
	local tag=$1 to=$2 user=$3
	shift 3
	dial_start $tag -s $to -u $user --from 198.18.0.$((++clients)) --hold 600 --time "$@"
	eval "dial_$tag=\$started"
}
is_up()
{
	local tag=$1
	wait_for grep -qE '^result | up local=' "$rig_dir/$tag.log"
	grep -q ' up local=' "$rig_dir/$tag.log"
}
up() { begins "$@" && is_up $1; }
ends() { eval "kill -TERM \$dial_$1"; wait_for not eval "rig_alive \$dial_$1"; }
clients=0
# rows WORDS: how many there are of radacct; open rows.
rows() { query "SELECT count(*) FROM radacct WHERE $*"; }
is() { [ "$(rows "${*:2}")" = "$1" ]; }
row_of() { query "SELECT $2 FROM radacct WHERE username = '$1' ORDER BY radacctid DESC LIMIT 1"; }
let_in_again() { up "$@" || { ends "$1"; return 1; }; }

# --- limits and moving ---------------------------------------------------------

check "mover is at vpn1" up m1 $OUTER mover --tun vpn0
check "  which is a row" wait_for is 1 "username = 'mover' AND acctstoptime IS NULL"
check_eq "  of vpn1, with the address that he has" "$INNER vpn1 $(ip -n "$(nsname cli)" -o -4 addr show dev vpn0 | awk '{ print $4 }' | cut -d/ -f1)" \
	"$(row_of mover "nasipaddress, calledstationid, framedipaddress")"
check_eq "  which is leased" 1 "$(query "SELECT count(*) FROM radippool WHERE username = 'mover' AND nasipaddress = '$INNER'
	AND framedipaddress = '$(row_of mover framedipaddress)' AND expiry_time > datetime('now')")"
check "at vpn2 he is refused: he may be there once" not up m2 $OUTER2 mover
check "  by FreeRADIUS, which says why" grep -q 'Reply-Message.*already logged in' "$rig_dir/radius.log"
must ip -n "$(nsname cli)" route add $INSIDE dev vpn0
check_eq "20 MB come down by vpn1" "$web_sum" "$(ns cli curl -sf -m 60 http://$INSIDE:8080/file | sha256sum | cut -d' ' -f1)"
check "he hangs up" ends m1
check "  the row is closed" wait_for is 1 "username = 'mover' AND acctstoptime IS NOT NULL"
check_eq "  for his reason" User-Request "$(row_of mover acctterminatecause)"
check "  with what he moved" test "$(row_of mover acctoutputoctets)" -gt 20000000
check_eq "  and his address is free" 0 "$(query "SELECT count(*) FROM radippool WHERE username = 'mover' AND expiry_time > datetime('now')")"
check "he is at vpn2" up m3 $OUTER2 mover
check "  which is another row" wait_for is 1 "username = 'mover' AND acctstoptime IS NULL AND calledstationid = 'vpn2'"
check_eq "  one at each, of two ids" "2 2 2" \
	"$(query "SELECT count(*), count(DISTINCT acctsessionid), count(DISTINCT nasipaddress) FROM radacct WHERE username = 'mover'")"
check "at vpn1 he is refused now" not up m4 $OUTER mover
check "bob may be there twice: at vpn1" up b1 $OUTER bob -p "his password"
check "  and at vpn2" up b2 $OUTER2 bob -p "his password"
check "  which are two rows" wait_for is 2 "username = 'bob' AND acctstoptime IS NULL"
check "  but not three times" not up b3 $OUTER bob -p "his password"

# --- addresses -----------------------------------------------------------------

for i in 1 2 3 4 5 6; do
	begins c$i $([ $((i % 2)) = 0 ] && echo $OUTER || echo $OUTER2) c$i
done
for i in 1 2 3 4 5 6; do
	check "c$i is in" is_up c$i
done
check "six more" wait_for is 6 "username LIKE 'c_' AND acctstoptime IS NULL"
check_eq "nine sessions, nine addresses" "9 9" "$(query "SELECT count(*), count(DISTINCT framedipaddress) FROM radacct WHERE acctstoptime IS NULL")"
query "UPDATE radippool SET expiry_time = datetime('now', '+1 day') WHERE expiry_time < datetime('now')"
check "no address is left: refused" not up full $OUTER alice
query "UPDATE radippool SET expiry_time = datetime('now', '-1 hour') WHERE nasipaddress = ''"
check "  and let in when there is one" let_in_again full2 $OUTER alice

# --- a server dies -------------------------------------------------------------

check "crash is at vpn1" up k1 $OUTER crash --ping 50
check "  which is a row" wait_for is 1 "username = 'crash' AND acctstoptime IS NULL"
address=$(row_of crash framedipaddress)
open2=$(rows "nasipaddress = '$INNER2' AND acctstoptime IS NULL")
kill -KILL $(ip netns pids "$(nsname srv)")
must wait_for eval '[ -z "$(ip netns pids "$(nsname srv)")" ]'
check "vpn1 is killed; at vpn2 his place is taken" not up k2 $OUTER2 crash
query "UPDATE radacct SET acctupdatetime = acctupdatetime - 1201 WHERE nasipaddress = '$INNER' AND acctstoptime IS NULL"
check "after 20 minutes without an Interim he is let in there" up k3 $OUTER2 crash
check "  which is another row" wait_for is 2 "username = 'crash' AND acctstoptime IS NULL"
check "  with another address" test "$(row_of crash framedipaddress)" != "$address"
server_is srv
must server_start
check "vpn1 is back: no row of its own is open" wait_for is 0 "nasipaddress = '$INNER' AND acctstoptime IS NULL"
check_eq "  crash's was ended by its Stop" NAS-Reboot \
	"$(query "SELECT acctterminatecause FROM radacct WHERE username = 'crash' AND nasipaddress = '$INNER'")"
check_eq "  those at vpn2 go on" $((open2 + 1)) "$(rows "nasipaddress = '$INNER2' AND acctstoptime IS NULL")"
freed() { [ "$(query "SELECT count(*) FROM radippool WHERE nasipaddress = '$INNER' AND expiry_time > datetime('now')")" = 0 ]; }
check "  its leases are free" wait_for freed
check "he may come back when he is gone from vpn2" eval 'ends k3 && wait_for is 0 "username = '\''crash'\'' AND acctstoptime IS NULL" &&
	let_in_again k4 $OUTER crash'

# The manual's own remedy, for a server that never comes back.
check "vpn1 has sessions again" wait_for is 1 "nasipaddress = '$INNER' AND acctstoptime IS NULL"
kill -KILL $(ip netns pids "$(nsname srv)")
check "vpn1 is killed for good" sql "sqlite3 /var/lib/freeradius/fleet.db, vpn1 is gone"
check "  who was there is let in at vpn2 at once" up k5 $OUTER2 crash
check "  which is a row" wait_for is 1 "username = 'crash' AND acctstoptime IS NULL AND calledstationid = 'vpn2'"
check "the manual's list of who is where" eval 'sql "sqlite3 /var/lib/freeradius/fleet.db, who" >"$rig_dir/who"'
check "  has him at vpn2" grep -q "^crash|vpn2|$(row_of crash framedipaddress)\$" "$rig_dir/who"
check "  and what mover moved" grep -qE '^mover\|[0-9]+\|2[0-9]{7}$' "$rig_dir/who"

# What FreeRADIUS has to be told while it is away.
check "m3 hangs up" ends m3
rig_kill TERM "$(ip netns pids "$(nsname in)" | while read -r p; do grep -qx freeradius "/proc/$p/comm" && echo $p; done)"
check "FreeRADIUS is away, c1 hangs up" ends c1
must start_ns in radius2 freeradius -fxx -l stdout -d "$raddb"
check "it is back: c1's row is closed" wait_for is 0 "username = 'c1' AND acctstoptime IS NULL"
check_eq "no two sessions have one Acct-Session-Id" 0 "$(query "SELECT count(*) - count(DISTINCT acctsessionid) FROM radacct")"
check_eq "no row has other times than it can" 0 "$(rows "acctstoptime < acctstarttime OR acctsessiontime < 0")"
rig_end
