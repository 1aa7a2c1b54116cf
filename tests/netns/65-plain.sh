#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Plain L2TP: the listener without IPsec.  xl2tpd and pppd with a kernel of their
# own as its clients, in a row for each way to log in and each option that a
# client may bring; culvert-dial for many at once, for a bad wire, and for what
# happens when processes end; and strangers.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"

BIG_OUTER=192.0.2.3
MPPE_OUTER=192.0.2.4
SECRET_OUTER=192.0.2.5
OUTER6=2001:db8::1
rig_begin "L2TP without IPsec, where it is wanted"
must test -x "$build/culvertd"
must test -x "$build/culvert-dial"
must network_up
must web_start
for a in $BIG_OUTER $MPPE_OUTER $SECRET_OUTER; do
	ip -n "$(nsname srv)" addr add $a/24 dev out0
done
ip -n "$(nsname srv)" addr add $OUTER6/64 dev out0 nodad

# plain_conf: one tunnel for all ways to log in, and one with IPsec beside it.
plain_conf()
{
	server_conf | sed "s/listen on $OUTER/&\n\t\tl2tp-require-ipsec no/
		s/authentication-method mschapv2/authentication-method mschapv2 chap pap/
		s/hello-interval 3/hello-interval 2/; s/hello-timeout 12/hello-timeout 20/"
	cat <<-END
	tunnel BIG protocol l2tp {
		l2tp-require-ipsec no
		listen on $BIG_OUTER port 1702
		l2tp-data-use-seq yes
		listen on $OUTER6
		mru 1500
	}
	tunnel MPPE protocol l2tp {
		l2tp-require-ipsec no
		listen on $MPPE_OUTER
		mppe required
	}
	tunnel SECRET protocol l2tp {
		l2tp-require-ipsec no
		listen on $SECRET_OUTER
		l2tp-secret "tunnel-secret-1"
		l2tp-hide-avps yes
	}
	bind tunnel from BIG authenticated by LOCAL to pppx0
	bind tunnel from MPPE authenticated by LOCAL to pppx0
	bind tunnel from SECRET authenticated by LOCAL to pppx0
	END
}

server_run=$rig_dir/run
mkdir -p "$server_run"
(umask 077 && plain_conf >"$server_run/conf")
check "the server starts" server_start || rig_end
check "and warns that the tunnel is in the clear" logged "takes clients in the clear"
check "UDP 1701 is bound" eval 'ns srv ss -Huln "sport = 1701" | grep -q "$OUTER:1701"'
before=$(held)
note "before: $before"

# --- strangers ---

# stranger HEX…: each as a datagram to the listener; prints what comes back, within a second.
stranger()
{
	ns wan python3 - "$OUTER" "$@" <<-'END'
	import socket, sys
	s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	s.settimeout(1)
	for m in sys.argv[2:]:
	    s.sendto(bytes.fromhex(m), (sys.argv[1], 1701))
	try:
	    while True:
	        print(s.recv(4096).hex())
	except OSError:
	    pass
	END
}

ip -n "$(nsname wan)" addr add 192.0.2.9/24 dev br0
sccrq=c802003f00000000000000008008000000000001800800000002010080070000000778800a00000003000000038008000000090007
check_eq "garbage, data, ZLB, HELLO, an SCCRQ in the middle, one without AVPs: no answer" "" \
	"$(stranger 00 ffffffff 0002000100010021 c802000c0000000000000000 c8020014000000000000000080080000 \
		c80200140000000000000000800800000006 c8020014000000000000000080080000 \
		c8020014000000000000000080080000000001 c802003f000000000001000080080000000000018008000000020100)"
check_eq "and no state" "$before flows=0" "$(held) flows=$(counter flows)"
check "they were counted" test "$(counter plain_stranger)" -ge 5

# flood N: an SCCRQ from each of so many ports; how many answers came, of how many bytes at most, and from where.
flood()
{
	ns wan python3 - "$OUTER" "$1" $sccrq <<-'END'
	import socket, sys, time
	n, m = int(sys.argv[2]), bytes.fromhex(sys.argv[3])
	socks = []
	for i in range(n):
	    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    s.setblocking(False)
	    s.sendto(m, (sys.argv[1], 1701))
	    socks.append(s)
	    time.sleep(0.0005)
	time.sleep(0.3)
	got = [s.recvfrom(4096) for s in socks]
	assert all(a == (sys.argv[1], 1701) and d[18:20] == b"\0\2" for d, a in got)
	print("answers=%d" % len(got))
	END
}

sccrq=c802003500000000000000008008000000000001800800000002010080070000000778800a00000003000000038008000000090007
check_eq "600 strangers, each with an SCCRQ: each is answered, once and from port 1701" answers=600 "$(flood 600)"
held_open=$(counter flows)
note "half open now: $held_open, made way: $(counter plain_evicted)"
check "not all of them are kept, since they have one address" test "$held_open" -le $((2 * 128)) -a "$held_open" -gt 0

# --- xl2tpd and pppd ---

if missing=$(guest_missing); then
	skip "xl2tpd and pppd as clients" "$missing"
	rig_end
fi
head -c 1000000 /dev/urandom >"$rig_dir/up"
must guest_start lac wan br0 192.0.2.10/24
note "lac: $guest_boot_ms ms to boot"
cp "$rig_dir/up" "$rig_dir/lac/share/up.bin"

# lac_conf KEY=VALUE…
lac_conf()
{
	local kv
	{
		printf 'SERVER=%q\nUSER=alice\nPASSWORD=%q\nAUTH=mschap-v2\n' $OUTER "$(password_of alice)"
		for kv; do printf '%s=%q\n' "${kv%%=*}" "${kv#*=}"; done
	} >"$rig_dir/lac/share/lac.conf"
}

lac_get()
{
	sed -n "s/^$1=//p" "$rig_dir/lac/call"
}

lac_up()
{
	local status
	guest_run lac "LIMIT=$LIMIT bash /mnt/lac.sh up" >"$rig_dir/lac/call"
	status=$?
	cat "$rig_dir/lac/call"
	return $status
}
LIMIT=20

# traffic: pings of the tunnel's size, a file down, a file up.
traffic()
{
	local mtu sum up
	mtu=$(lac_get mtu)
	sum=$(guest_run lac "ping -c 2 -i 0.1 -W 5 -M do -s $((mtu - 28)) $INSIDE >/dev/null && \
		curl -s -m 20 http://$INSIDE:8080/file | head -c 2000000 | sha256sum | cut -d' ' -f1") || return 1
	up=$(guest_run lac "curl -sf -m 20 -T /mnt/up.bin http://$INSIDE:8080/up" | sha256sum | cut -d' ' -f1)
	echo "mtu=$mtu down=$sum up=$up"
	[ "$sum" = "$down_sum" ] && [ "$up" = "$up_sum" ]
}

down_sum=$(ns in curl -s http://127.0.0.1:8080/file | head -c 2000000 | sha256sum | cut -d' ' -f1)
up_sum=$(ns in curl -sf -T "$rig_dir/up" http://127.0.0.1:8080/up | sha256sum | cut -d' ' -f1)

# row TEXT KEY=VALUE…: the whole life of a session with these settings of the client.
# Until it hangs up, a test may be given in $during.
during=
row()
{
	local text=$1
	shift
	lac_conf "$@"
	if ! check "$text: connects" lac_up; then
		guest_run lac 'kill $(cat /run/lac/pid); sleep 1' >/dev/null
		return 1
	fi
	note "$text: $(lac_get call_ms) ms, mtu $(lac_get mtu)"
	check "$text: pings, a file down, a file up" traffic
	[ -z "$during" ] || $during
	check "$text: hangs up, and everything came back" eval "guest_run lac 'bash /mnt/lac.sh down' && wait_for held_is '$before'"
	during=
}

listed()
{
	check_eq "it is listed with its address and port" "192.0.2.10:1701" \
		"$(ctl session all | sed -n 's/.*Tunnel From *: //p')"
	check "and in the log as a plain one" grep -q 'session up user="alice" .* flow=plain-[0-9]* peer=192.0.2.10:1701' \
		"$rig_dir/culvertd.log"
}

during=listed
row "MS-CHAPv2"
row "PAP" AUTH=pap
row "CHAP" AUTH=chap
row "all that compresses is offered" PPP=$'vj-max-slots 16\ndeflate 15,15\nbsdcomp 15,15'
row "mru 576, one control message at a time" MRU=576 LAC='tunnel rws = 1'
row "mru 1280, by user space, with lengths" MRU=1280 GLOBAL='force userspace = yes' LAC='length bit = yes'
row "MPPE required" SERVER=$MPPE_OUTER PPP=$'require-mppe-128'
row "a tunnel secret" SERVER=$SECRET_OUTER SECRET=tunnel-secret-1 LAC='challenge = yes'
row "a tunnel secret, AVPs hidden both ways" SERVER=$SECRET_OUTER SECRET=tunnel-secret-1 LAC=$'challenge = yes\nhidden bit = yes'

numbered()
{
	check "the client's kernel numbers what it sends, as the server does" guest_run lac 'grep -q /S/ /proc/net/pppol2tp'
}

during=numbered
row "mru 1500, numbered data, at another port" MRU=1500 SERVER=$BIG_OUTER:1702
during=

# --- a bad wire: 20 % lost, 5 % doubled and late ---

# bad_wire, good_wire: of everything between a client at br0 and the server, both ways.
bad_wire()
{
	ns wan nft -f - <<-END
	table bridge bad {
		chain forward {
			type filter hook forward priority 0
			ip protocol udp udp dport 1701 numgen random mod 100 < 20 drop
			ip protocol udp udp sport 1701 numgen random mod 100 < 20 drop
		}
	}
	END
}

good_wire()
{
	ns wan nft delete table bridge bad
}

# Sometimes it gives up by its own limits and has to call again: not in every check.
if [ -n "${FULL:-}" ]; then
	LIMIT=45
	must bad_wire
	lac_conf GLOBAL='max retries = 12'
	# A client that gave up calls again.
	lac_up_again()
	{
		lac_up || { guest_run lac 'kill $(cat /run/lac/pid); sleep 1'; lac_up; }
	}
	check "xl2tpd connects through 20 % loss" lac_up_again
	note "20 % loss: $(lac_get call_ms) ms"
	check "and the session stays" eval 'sleep 8; [ "$(ctl session brief | grep -c alice)" = 1 ]'
	good_wire
	check "it hangs up" eval "guest_run lac 'bash /mnt/lac.sh down' && wait_for held_is '$before'"
fi
guest_kill lac

# --- culvert-dial: many, on a bad wire, over processes that end ---

password_of alice >"$rig_dir/password"
dial_cmd=("$build/culvert-dial" -s $OUTER --no-ipsec -u alice -p "@$rig_dir/password")

# dial TAG OPTION…, got TAG FIELD: from the namespace nat, as tests/dial.sh has them.
dial()
{
	local tag=$1
	shift
	ns nat timeout 200 "${dial_cmd[@]}" "$@" >"$rig_dir/$tag.dial" 2>&1
}

got()
{
	sed -nE "s/^result .*\<$2=([^ ]+).*/\1/p" "$rig_dir/$1.dial" "$rig_dir/$1.log" 2>/dev/null
}

check "60 behind one address, all at once" dial crowd -n 60 --ping 100 --hold 1 --max-outage 1000
check_eq "none lost a ping" 0 "$(got crowd pings_lost)"
ip -n "$(nsname nat)" addr add 2001:db8::2/64 dev wan0 nodad
start_ns nat relay python3 "$top/tests/relay6.py" 1799 $OUTER6 1701
relay_pid=$started
wait_for eval '[ -n "$(ns nat ss -Hlun sport = :1799)" ]'
dial_by6()
{
	ns nat "$build/culvert-dial" -s 127.0.0.1 --port 1799 --no-ipsec -u alice -p "@$rig_dir/password" -n 5 --ping 20 \
		--hold 3 --time >"$rig_dir/six.dial" 2>&1 &
	wait_for eval '[ "$(ctl session all | grep -c "Tunnel From .* \[2001:db8::2\]:[0-9]")" = 5 ]' && wait $!
}
check "five whose server is reached by IPv6, listed with their addresses" dial_by6
check_eq "none lost a ping" 0 "$(got six pings_lost)"
rig_kill TERM "$relay_pid"
# At such a rate one in a hundred logins gives up by the protocols' own timers.
dial wire -n 30 --ping 300 --hold 10 --loss 20 --dup 5 --reorder 5 --timeout 60
check "20 % loss, 5 % twice, 5 % late: 30 come up within a minute" test "$(got wire up)" -ge 27
check_eq "and all of them stay" 0 "$(got wire lost)"
note "bad wire: logins min/median/max $(got wire all_ms) ms, pings $(got wire pings), lost $(got wire pings_lost)"

# up_many TAG N: so many that stay, in the background.
up_many()
{
	start_ns nat "$1" "${dial_cmd[@]}" -n "$2" --ping 200 --hold "${3:-40}" --time
	wait_for eval '[ "$(grep -c " up " "$rig_dir/'"$1"'.log")" = '"$2"' ]'
}

role_pid()
{
	pgrep -P "$server_pid" -f "culvertd -P $1( |$)" | head -n 1
}

check "eight that stay" up_many stay 8
dial_pid=$started
kill -KILL "$(role_pid manager)"
check "the manager ends: nothing happens to them" wait_for eval 'logged "manager is back" && [ "$(ctl session brief | grep -c alice)" = 8 ]'
kill -KILL "$(pgrep -P "$server_pid" culvert-iked)"
check "iked ends: it is none of their business" wait_for logged "iked is back"
check_eq "all are there" 8 "$(ctl session brief | grep -c alice)"
kill -KILL "$(pgrep -P "$server_pid" -f 'culvertd -P engine -I 0')"
check "an engine ends: its sessions are gone" wait_for eval 'logged "engine0 is back" && [ "$(ctl session brief | grep -c alice)" -lt 8 ]'
left=$(ctl session brief | grep -c alice)
note "of the other engine: $left"
check "who comes again is served" dial again --hold 0
kill -TERM "$(ip netns pids "$(nsname nat)" | head -n 1)"
wait_for not rig_alive "$dial_pid"

# --- gone without a word; killed by an administrator; a reload ---

check "three vanish" dial gone -n 3 --vanish-after 0
check "HELLO finds out" wait_for held_is "$before"
check "two that stay" up_many two 2
check "one is ended by culvertctl" ctl clear ppp-id "$(ctl session brief | awk '/alice/ { print $1; exit }')"
check "and its client heard of it" wait_for eval '[ "$(grep -c " ended " "$rig_dir/two.log")" = 1 ]'
sed -i "0,/l2tp-require-ipsec no/s//l2tp-require-ipsec yes/" "$server_run/conf"
check "a reload that wants IPsec" ctl reload
check "ends the other one" wait_for held_is "$before"
check "and lets nobody in" not dial none --timeout 2
rig_end
