#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Rules of the firewall block, and the filter that a RADIUS server names (Filter-Id): who
# has one reaches what it says and no more, the others what they did before; nothing gets
# by while processes are killed and the configuration is read again; an address that
# somebody else gets is free of it.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../radius.sh"

SECOND=198.51.100.3	# reached by everybody but who is in filter guest
THIRD=198.51.100.4	# reached by who is in filter staff
OWN=192.0.2.3		# of ours, for sessions with a device of their own
OFFICE=10.55.2

rig_begin "rules of the firewall, and Filter-Id"
must test -x "$build/culvertd"
must test -x "$build/culvert-radius"
must test -x "$build/culvert-dial"
command -v freeradius >/dev/null || rig_skip_all "needs freeradius"

WORDS='pass "word" 9'
must dial_network
must addr in i0 $SECOND/24 $THIRD/24
must addr srv out0 $OWN/24
users()
{
	cat <<END
guest Cleartext-Password := '$WORDS'
	Filter-Id = "guest"
staff Cleartext-Password := '$WORDS'
	Filter-Id = "staff"
fixed Cleartext-Password := '$WORDS'
	Filter-Id = "guest", Framed-IP-Address = $POOL.201
after Cleartext-Password := '$WORDS'
	Framed-IP-Address = $POOL.201
netguest Cleartext-Password := '$WORDS'
	Filter-Id = "guest", Framed-IP-Address = $POOL.209, Framed-IP-Netmask = 255.255.255.248
netafter Cleartext-Password := '$WORDS'
	Framed-IP-Address = $POOL.209, Framed-IP-Netmask = 255.255.255.248
nobody Cleartext-Password := '$WORDS'
	Filter-Id = "nosuch"
odd Cleartext-Password := '$WORDS'
	Filter-Id = "std.ppp; drop"
two Cleartext-Password := '$WORDS'
	Filter-Id = "guest", Filter-Id += "staff"
DEFAULT Cleartext-Password := '$WORDS'
END
}
users | must radius_conf one $INSIDE
must radius_start one
start_ns in web python3 "$top/tests/httpd.py" 8080 1 "$CANARY"
start_ns in web2 python3 "$top/tests/httpd.py" 8081 1 "$CANARY"

must mkdir -p "$rig_dir/run"
(umask 077 && server_users >"$rig_dir/run/users")
radius_auth "timeout 5" >"$rig_dir/auth"
must dial_server 0.99 20 "/pool-address/a pool-address $POOL.200/29 for static\npool-address $POOL.208/29 for static
	s/to pppx0/to tun0/; s/pppx0 address/tun0 address/; s/by LOCAL/by RADIUS/
	\$a tunnel OWN protocol l2tp {\nlisten on $OWN\nl2tp-hello-interval 3\nl2tp-hello-timeout 12\n}
	\$a ipcp OFFICE {\npool-address \"$OFFICE.10-$OFFICE.99\"\n}
	\$a interface pppx0 address $OFFICE.1 ipcp OFFICE
	\$a bind tunnel from OWN authenticated by RADIUS to pppx0
	/nat on/a block to $THIRD\nfilter guest {\npass proto icmp to $INSIDE\npass proto tcp to $INSIDE port 8080\n}
	/nat on/a filter staff {\npass to any\nblock to $INSIDE\n}
	\$r $rig_dir/auth"
printf '%s' "$WORDS" >"$rig_dir/words"
cp "$server_run/conf" "$rig_dir/first"

# login TAG USER OPTION…
login()
{
	local tag=$1 user=$2
	shift 2
	dial "$tag" -u "$user" -p "@$rig_dir/words" --from 198.18.0.7 "$@"
}

# client TAG USER TARGET OPTION…: in the background, pinging it, until it is up.
client()
{
	local tag=$1 user=$2 target=$3
	shift 3
	dial_start "$tag" -u "$user" -p "@$rig_dir/words" --ping 20 --target $target --hold 900 --time "$@" &&
		wait_for grep -q ' up ' "$rig_dir/$tag.log"
}

# answered TAG: how many of its pings were: "all", "none" or "some".
answered()
{
	local n lost
	n=$(got $1 pings) lost=$(got $1 pings_lost)
	if [ "${n:-0}" -lt 10 ]; then
		echo "too few: $n"
	elif [ "$lost" = 0 ]; then
		echo all
	elif [ "$lost" = "$n" ]; then
		echo none
	else
		echo "some: $lost of $n lost"
	fi
}

# pings USER TARGET: a session that pings it.
pings()
{
	rm -f "$rig_dir/try.dial"
	login try $1 --ping 20 --target $2 --hold 1
	answered try
}

# reaches USER WANT OPTION…: three sessions at once.
reaches()
{
	local user=$1 want=$2 all='' pids='' n
	shift 2
	for n in 2 3 4; do
		dial "$user-$n" -u $user -p "@$rig_dir/words" --from 198.18.0.$n --ping 20 --target 198.51.100.$n --hold 1 "$@" &
		pids+=" $!"
	done
	wait $pids
	for n in 2 3 4; do
		all+="${all:+ }$(answered $user-$n)"
	done
	check_eq "  $user: INSIDE, SECOND, THIRD" "$want" "$all"
}

# in_filter, nets_in_filter: who is in one: FILTER:ADDRESS …
elements()
{
	ns srv nft list table inet culvert 2>/dev/null | awk -v kind=$1 '
		$1 == "set" { name = index($2, kind "_") == 1 ? substr($2, length(kind) + 2) : "" }
		name != "" && /elements = / { on = 1 }
		{ last = /}/ }
		name != "" && on { gsub(/[{},]|elements =/, " "); for (i = 1; i <= NF; i++) if ($i ~ /^[0-9]/) print name ":" $i }
		last { on = 0 }' | sort | xargs
}
in_filter() { elements host; }
nets_in_filter() { elements net; }
in_filter_is() { [ "$(in_filter)" = "$1" ]; }
nets_in_filter_is() { [ "$(nets_in_filter)" = "$1" ]; }
role_pid() { pgrep -P "$server_pid" -f "$1"; }
back() { [ "$(grep -c " $1 is back " "$rig_dir/culvertd.log")" -ge "$2" ]; }
put() { (umask 077 && cat >"$server_run/conf.new") && mv "$server_run/conf.new" "$server_run/conf"; }
reload() { sed -E "$1" "$rig_dir/first" | put && ctl reload >"$rig_dir/report" 2>&1; }
ip_of() { ctl -n session brief | awk -v u="$1" '$3 == u { print $2 }'; }

# --- what they reach -------------------------------------------------------------

for at in $OUTER $OWN; do
	note "$([ $at = $OUTER ] && echo "interface tun0" || echo "interface pppx0")"
	reaches roy "all all none" -s $at
	reaches guest "all none none" -s $at
	reaches staff "none all all" -s $at
	check "  nobody is in a filter any more" wait_for in_filter_is ""
done

must client tcp guest $INSIDE --tun vpn0 --from 198.18.2.0/24
tcp=$started
ip -n "$(nsname cli)" route add $INSIDE dev vpn0
check "TCP to the port that the filter passes" ns cli curl -sf -m 20 -o /dev/null http://$INSIDE:8080/sum
check "  and not to another one" not ns cli curl -sf -m 2 -o /dev/null http://$INSIDE:8081/sum
rig_kill TERM $tcp

check "a Filter-Id that names no filter: refused" not login nobody nobody
check "  and the log says so" logged 'login refused user="nobody" realm=RADIUS from=198.18.0.7'
check "  with the reason" logged 'reason="its Filter-Id names no filter"'
check "  and the name" logged 'user="nobody" Filter-Id is "nosuch": the firewall block has no filter of that name'
check "one that can be no name: refused" not login odd odd
check "two of them: refused" not login two two
check "  and the log says so" logged 'reason="RADIUS reply: several Filter-Ids"'

# --- an address that somebody else gets ---------------------------------------------

check_eq "a fixed address, with a filter" none "$(pings fixed $SECOND)"
check_eq "  the next user of it has none" all "$(pings after $SECOND)"
must client net netguest $SECOND --from 198.18.2.0/24
check_eq "a network, with a filter" "guest:$POOL.208/29" "$(nets_in_filter)"
rig_kill TERM $started
check "  it ends with the session" wait_for nets_in_filter_is ""
check_eq "  the next user of it has none" all "$(pings netafter $SECOND)"

# --- nothing gets by -----------------------------------------------------------------

must client blocked guest $SECOND --from 198.18.1.0/24 -n 2
blocked=$started
must client passed guest $INSIDE -s $OWN --from 198.18.2.0/24
passed=$started
must client free roy $SECOND --from 198.18.3.0/24
free=$started
must client net netguest $SECOND --from 198.18.4.0/24
net=$started
must wait_for eval '[ "$(grep -c " up " "$rig_dir/blocked.log")" = 2 ]'
members=$(in_filter)
check_eq "three are in the filter" 3 "$(grep -o guest: <<<"$members" | wc -l)"
check "culvertctl says whose it is" eval 'ctl -n session all | grep -A8 "Username  *: guest" | grep -qE "Filter  *: guest"'
all_there() { check_eq "  all are where they were" "$members guest:$POOL.208/29" "$(in_filter) $(nets_in_filter)"; }
for who in netd manager "netd manager"; do
	n=0
	for role in $who; do
		eval "n_$role=\$((\$(grep -c \" $role is back \" \"\$rig_dir/culvertd.log\") + 1))"
		kill -KILL "$(role_pid "culvertd -P $role")"
	done
	for role in $who; do
		eval "n=\$n_$role"
		check "$role is killed ($who)" wait_for back $role $n
	done
	check "  a login is served" wait_for login again roy --hold 0
	all_there
done
check "a reload with other rules" reload "s/block to $THIRD/block to $THIRD port 1-5/; s/port 8080/port 8081/"
all_there
check "a reload without filter staff" reload "/^filter staff/,/^}/d"
all_there

for c in $blocked $passed $free $net; do
	rig_kill TERM $c
done
check_eq "not one ping of theirs was answered that should not" "$(got blocked pings)" "$(got blocked pings_lost)"
check_eq "  nor of the network's" "$(got net pings)" "$(got net pings_lost)"
check "  and there were many ($(got blocked pings))" [ "$(got blocked pings)" -ge 20 ]
check_eq "all were that should be, of $(got passed pings) and $(got free pings)" "0 0" \
	"$(got passed pings_lost) $(got free pings_lost)"
check "nobody is in a filter any more" wait_for eval 'in_filter_is "" && nets_in_filter_is ""'

# An engine's sessions end with it; those of others stay.
must client engines guest $SECOND --from 198.18.1.0/24 -n 8
must wait_for eval '[ "$(grep -c " up " "$rig_dir/engines.log")" = 8 ]'
engine=0
[ "$(engine_sessions 0)" -ge 1 ] || engine=1
left=$((8 - $(engine_sessions $engine)))
kill -KILL "$(role_pid "culvertd -P engine -I $engine")"
check "an engine is killed" wait_for back engine$engine 1
check "  its sessions are in no filter, the others' ($left) are" wait_for eval \
	'[ "$(in_filter | grep -o guest: | wc -l)" = $left ]'
rig_kill TERM $started
check "nobody is in a filter any more" wait_for in_filter_is ""

# --- a filter that goes away --------------------------------------------------------------

reload ''
must client goes staff $SECOND --from 198.18.2.0/24
goes=$started
check "the filter is removed" reload "/^filter staff/,/^}/d"
check "  the report says who ends" grep -q "^ended: staff at .*: its filter was removed" "$rig_dir/report"
check "  and he does" wait_for logged 'its filter was removed'
rig_kill TERM $goes
check "  he is refused now" not login staff2 staff
check "  the filter comes back" reload ''
check_eq "  and he is let in" all "$(pings staff $SECOND)"
must client off guest $INSIDE --from 198.18.2.0/24
off=$started
check "the firewall is off" reload 's/^(.*)nat on/\1off\n&/'
check "  who has a filter ends" grep -q "^ended: guest at .*: its filter is off with the firewall" "$rig_dir/report"
check "  then the table goes" wait_for eval '! ns srv nft list table inet culvert >/dev/null 2>&1'
rig_kill TERM $off
check "  and one with a filter is refused" not login off2 guest
check "  as the log says" logged 'reason="its Filter-Id needs the firewall, which is off"'
check "  one without is let in" login off3 roy --hold 0
check "it is on again" reload ''
check_eq "  and the filter counts" none "$(pings guest $SECOND)"
rig_end
