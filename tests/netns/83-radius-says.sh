#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What FreeRADIUS says of whom it lets in, and what the server makes of it, on an
# interface of the session's own and on a shared one: limits, measured in bytes that
# came through; the pool; networks behind the client; the MTU; how many sessions.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"
. "${0%/*}/../radius.sh"

rig_begin "RADIUS: rates, pools, networks, MTU, port limits"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-radius"
must test -x "$build/culvert-dial"
command -v freeradius >/dev/null || rig_skip_all "needs freeradius"

WORDS='pass "word" 9'
GUESTS=10.66.0 NET=10.70.1.0/24 BEHIND=10.70.1.9 SECOND=10.71.0.0/16
must dial_network
must web_start
# Who ends in @tun has his session on tun0, all others on an interface of their own.
users()
{
	local at
	for at in '' @tun; do
		cat <<-END
		slow$at Cleartext-Password := '$WORDS'
		  WISPr-Bandwidth-Max-Up = 1000000, WISPr-Bandwidth-Max-Down = 2000000
		router$at Cleartext-Password := '$WORDS'
		  Mikrotik-Rate-Limit = "3M/1M 6M/2M 1M/1M 8/8"
		odd$at Cleartext-Password := '$WORDS'
		  Mikrotik-Rate-Limit = "fast"
		guest$at Cleartext-Password := '$WORDS'
		  Framed-Pool = "GUESTS"
		lost$at Cleartext-Password := '$WORDS'
		  Framed-Pool = "NOWHERE"
		site$at Cleartext-Password := '$WORDS'
		  Framed-Route = "$NET 0.0.0.0 1", Framed-Route += "$SECOND 0.0.0.0 1"
		thief$at Cleartext-Password := '$WORDS'
		  Framed-Route = "10.70.1.128/25 0.0.0.0 1"
		local$at Cleartext-Password := '$WORDS'
		  Framed-Route = "198.51.100.128/25 0.0.0.0 1"
		pool$at Cleartext-Password := '$WORDS'
		  Framed-Route = "$POOL.0/24 0.0.0.0 1"
		small$at Cleartext-Password := '$WORDS'
		  Framed-MTU = 600
		large$at Cleartext-Password := '$WORDS'
		  Framed-MTU = 1490
		tiny$at Cleartext-Password := '$WORDS'
		  Framed-MTU = 40
		walled$at Cleartext-Password := '$WORDS'
		  Framed-Route = "$NET 0.0.0.0 1", Filter-Id = "wall"
		inside-out$at Cleartext-Password := '$WORDS'
		  Framed-Route = "$CLIENT/32 0.0.0.0 1"
		two$at Cleartext-Password := '$WORDS'
		  Port-Limit = 2
		END
	done
	echo "DEFAULT Cleartext-Password := '$WORDS'"
}
users | must radius_conf one $INSIDE
must radius_start one

must mkdir -p "$rig_dir/run"
{
	radius_auth "timeout 1"
	radius_auth "timeout 1" | sed '1s/.*/authentication TUN type radius {\nusername-suffix "@tun"/'
	printf 'ipcp GUESTS {\npool-address "%s.10-%s.19"\ndns-servers 192.0.2.54\n}\n' $GUESTS $GUESTS
	printf 'interface tun0 address %s.2 ipcp HOME\n' $POOL
} >"$rig_dir/blocks"
must dial_server 0.99 20 "s/esp transport from any to any/esp tunnel from any to any xauth/
	/nat on/a filter wall {\npass proto tcp to $INSIDE port 8080\n}
	/^interface pppx0/r $rig_dir/blocks
	/authentication LOCAL/,/}/d
	s/bind tunnel from L2TP authenticated by LOCAL to pppx0/bind tunnel from L2TP authenticated by RADIUS to pppx0\nbind tunnel from L2TP authenticated by TUN to tun0/"
printf '%s' "$WORDS" >"$rig_dir/words"

login()
{
	local tag=$1 user=$2
	shift 2
	dial "$tag" -u "$user" -p "@$rig_dir/words" "$@"
}
role_pid() { pgrep -P "$server_pid" -f "culvertd -P $1( |\$)" | head -n 1; }
tun_is_up() { ip -n "$(nsname cli)" -o link show dev vpn0 2>/dev/null | grep -q '[<,]UP'; }
# come TAG USER OPTION…: with a TUN, until it is up.
come()
{
	local tag=$1 user=$2
	shift 2
	dial_start "$tag" -u "$user" -p "@$rig_dir/words" --tun vpn0 "$@"
	wait_for eval 'tun_is_up || not rig_alive $started' && tun_is_up && ip -n "$(nsname cli)" route add $INSIDE dev vpn0
}
dial_end() { kill -TERM "$(ip netns pids "$(nsname cli)" | head -n 1)"; wait_for not rig_alive "$started"; }
# shown LABEL: of the only session.
shown() { ctl -n session all | sed -nE "s/^ *$1 *: ([^ ]*).*/\1/p"; }
refused() { grep -qE "login refused user=\"$1\" .*reason=\"$2\"" "$rig_dir/culvertd.log"; }
routed() { ip -n "$(nsname srv)" route show "$1" | grep -oE 'dev (pppx|tun)[0-9-]+'; }
# within BYTES MS BPS: is it from half to one and a half of that rate?
within() { [ $(($1 * 16000 / $2)) -ge "$3" ] && [ $(($1 * 16000 / $2)) -le $(($3 * 3)) ]; }
# moved Input|Output CURL-OPTION…: bytes of the session, and milliseconds, of four seconds of trying.
moved()
{
	local what=$1 from to before after
	shift
	before=$(shown "$what Bytes") from=$(date +%s%3N)
	ns cli curl -s -m 4 -o /dev/null "$@"
	after=$(shown "$what Bytes") to=$(date +%s%3N)
	echo $((after - before)) $((to - from))
}
file=http://$INSIDE:8080/file up=http://$INSIDE:8080/up
head -c 20000000 /dev/urandom >"$rig_dir/up"

for at in '' @tun; do
	note "sessions ${at:+of tun0}${at:-of their own interface}"

	# Rates. Both ways of saying it; one each is measured.
	for who in slow:2000000:1000000 router:1000000:3000000; do
		IFS=: read -r user down_bps up_bps <<<"$who"
		check "$user$at comes in" come "$user" $user$at
		check_eq "  the listing has the limits" "$up_bps $down_bps" "$(shown 'Input Limit') $(shown 'Output Limit')"
		if [ "$user${at:-own}" = slowown ] || [ "$user$at" = router@tun ]; then
			read -r bytes ms <<<"$(moved Output $file)"
			check "  $bytes bytes to it in $ms ms, at $down_bps bit/s" within "$bytes" "$ms" $down_bps
			read -r bytes ms <<<"$(moved Input -T "$rig_dir/up" $up)"
			check "  $bytes bytes from it in $ms ms, at $up_bps bit/s" within "$bytes" "$ms" $up_bps
		fi
		check "  and it hangs up" dial_end
	done
	check "free$at comes in" come free free$at
	check_eq "  without a limit" "" "$(shown 'Input Limit')$(shown 'Output Limit')"
	check_eq "  and has 20 MB, which would take the slow one 80 s" "$web_sum" \
		"$(ns cli curl -sf -m 40 $file | sha256sum | cut -d' ' -f1)"
	check "  and hangs up" dial_end
	check "a rate that is none: refused" not login odd odd$at
	check "  and the log says so" logged 'reason="RADIUS reply: Mikrotik-Rate-Limit"'

	# The pool.
	check "guest$at: an address of the pool" login guest guest$at --ping 100 --hold 1
	check "  that Framed-Pool names" grep -qE "session up user=\"guest$at\" .* ip=$GUESTS\.1[0-9] " "$rig_dir/culvertd.log"
	check "a pool that is not there: refused" not login lost lost$at
	check "  and the log says so" refused "lost$at" "no ipcp has the name of its Framed-Pool"

	# Networks behind.
	check "site$at comes in" come site site$at
	check "  both networks are routed to it" wait_for eval 'routed $NET && routed $SECOND'
	must ip -n "$(nsname cli)" addr add $BEHIND/32 dev vpn0
	must ip -n "$(nsname in)" route replace $NET via $INNER
	reach() { ns in ping -c 2 -i 0.2 -W 5 $BEHIND >/dev/null; }
	send() { ns cli ping -c 1 -W "${2:-5}" -I "$1" $INSIDE >/dev/null; }
	check "  an address in one is reached from behind the server" reach
	check "  and sends" send $BEHIND
	must ip -n "$(nsname cli)" addr add 10.70.2.1/32 dev vpn0
	spoofed=$(counter ip_spoofed)
	check "  one that is in none does not" not send 10.70.2.1 1
	check_eq "  it is counted" 1 "$(($(counter ip_spoofed) - spoofed))"
	check "  the listing has them" eval 'ctl -n session all | grep -q "Framed Route *: $NET"'
	check "a part of it for another user: refused" not login thief thief$at --from 198.18.0.7
	check "  and the log says so" refused "thief$at" "its Framed-Route is another session's"
	for role in netd manager; do
		before=$(grep -c "$role is back" "$rig_dir/culvertd.log")
		kill -KILL "$(role_pid $role)"
		check "$role is killed and started again" wait_for eval '[ "$(grep -c "$role is back" "$rig_dir/culvertd.log")" -gt $before ]'
		wait_for eval 'ctl session brief >/dev/null'
		check "  the network is still reached" reach
		check "  and still nobody else's" not login thief-$role thief$at --from 198.18.0.7
	done
	check "  it hangs up" dial_end
	check "  and nothing is routed" wait_for not eval 'routed $NET || routed $SECOND'
	check "walled$at comes in, with a filter" come walled walled$at
	check "  and its network" wait_for eval 'routed $NET'
	must ip -n "$(nsname cli)" addr add $BEHIND/32 dev vpn0
	check "  the filter passes what it says, from behind as well" \
		wait_for eval 'ns cli curl -sf -m 5 --interface $BEHIND http://$INSIDE:8080/sum >/dev/null'
	check "  and nothing else" not send $BEHIND 1
	check "  it hangs up" dial_end
	check "  and nothing is left in the filter" wait_for eval '[ "$(counter filtered)" = 0 ]'
	check "a network where the server is: ended" not login local local$at --hold 5
	check "  and the log says so" wait_for logged "user=\"local$at\" its Framed-Route is a network of this host"
	check "one over a pool: refused" not login pool pool$at
	check "  and the log says so" refused "pool$at" "its Framed-Route and a pool overlap"

	check "one with its address outside: refused" not login inside-out inside-out$at
	check "  and the log says so" refused "inside-out$at" "its Framed-Route holds its address outside"

	# The MTU.
	check "small$at comes in" come small small$at
	check_eq "  its MTU is lowered" 600 "$(shown MRU)"
	check "  what is longer comes in fragments" eval 'ns cli ping -c 1 -W 5 -s 1000 $INSIDE >/dev/null'
	before=$(counter ip_too_big)
	check_eq "  a file comes whole" "$web_sum" "$(ns cli curl -sf -m 40 $file | sha256sum | cut -d' ' -f1)"
	check_eq "  and no packet was too long" "$before" "$(counter ip_too_big)"
	check "  the kernel knows" eval 'ip -n "$(nsname srv)" -o link show type tun | grep -q "mtu 600" ||
		ip -n "$(nsname srv)" route show | grep -q "mtu 600"'
	check "  it hangs up" dial_end
	check "large$at comes in" come large large$at
	check_eq "  with what LCP agreed on" 1360 "$(shown MRU)"
	check "  it hangs up" dial_end
	check "an MTU of 40: refused" not login tiny tiny$at
	check "the server is told what LCP agreed on" grep -q 'Framed-MTU = 1360' "$rig_dir/one.log"

	# How many.
	dial_start pair -n 2 --from $PREFIX -u two$at -p "@$rig_dir/words" --hold 100
	check "two sessions of two$at" wait_for eval '[ "$(counter leases)" = 2 ]'
	check "a third one: refused" not login third two$at --from 198.18.0.99
	check "  and the log says so" refused "two$at" "its Port-Limit is reached"
	check "  they hang up" dial_end
done

# Without L2TP and PPP.
check "XAuth: slow comes in" come xslow slow --xauth
check_eq "  the listing has the limits" "1000000 2000000" "$(shown 'Input Limit') $(shown 'Output Limit')"
read -r bytes ms <<<"$(moved Output $file)"
check "  $bytes bytes to it in $ms ms, at 2000000 bit/s" within "$bytes" "$ms" 2000000
read -r bytes ms <<<"$(moved Input -T "$rig_dir/up" $up)"
check "  $bytes bytes from it in $ms ms, at 1000000 bit/s" within "$bytes" "$ms" 1000000
check "  and it hangs up" dial_end
check "XAuth: small comes in" come xsmall small --xauth
check_eq "  its MTU is lowered" 600 "$(shown MRU)"
check_eq "  a file comes whole" "$web_sum" "$(ns cli curl -sf -m 40 $file | sha256sum | cut -d' ' -f1)"
check "  and it hangs up" dial_end
check "XAuth: site is let in without its networks" login xsite site --xauth --hold 1
check "  and the log says so" logged 'user="site" Framed-Route is ignored'

# The same with what is there replaced.
must sed -i '1i set user-max-session 0 replace' "$server_run/conf"
must ctl reload
dial_start pair2 -n 2 --from $PREFIX -u two -p "@$rig_dir/words" --hold 100
check "two sessions, again" wait_for eval '[ "$(counter leases)" = 2 ]'
check "a third one replaces the oldest" login replaced two --from 198.18.0.99 --hold 1
check "  and the log says so" grep -qE 'session down user="two" .*replaced by a newer login' "$rig_dir/culvertd.log"
dial_end
check "nothing is left" wait_for eval '[ "$(counter sessions) $(counter leases)" = "0 0" ]'
check_eq "no route either" "" "$(ip -n "$(nsname srv)" route show | grep -E '10\.(70|71)\.')"
rig_end
