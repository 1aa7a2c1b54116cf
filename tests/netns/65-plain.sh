#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Plain L2TP: the listener without IPsec.  xl2tpd and pppd with a kernel of their
# own as its clients, one for each way to log in and each option that a client
# may bring, several at once; culvert-dial for many at once, for a bad wire, and
# for what happens when processes end; and strangers.  FULL: each combination,
# and bad wires for longer.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"

BIG_OUTER=192.0.2.3
MPPE_OUTER=192.0.2.4
SECRET_OUTER=192.0.2.5
STATE_OUTER=192.0.2.6
EAP_OUTER=192.0.2.7
OUTER6=2001:db8::1
rig_begin "L2TP without IPsec, where it is wanted"
must test -x "$build/culvertd"
must test -x "$build/culvert-dial"
must network_up
must web_start
for a in $BIG_OUTER $MPPE_OUTER $SECRET_OUTER $STATE_OUTER $EAP_OUTER; do
	ip -n "$(nsname srv)" addr add $a/24 dev out0
done
ip -n "$(nsname srv)" addr add $OUTER6/64 dev out0 nodad

# plain_conf: one tunnel for all ways to log in, and one with IPsec beside it.
plain_conf()
{
	server_conf | sed "s/listen on $OUTER/&\n\t\tl2tp-require-ipsec no/
		s/authentication-method mschapv2/authentication-method mschapv2 chap pap/
		s/hello-interval 3/hello-interval 2/; s/hello-timeout 12/hello-timeout 20/
		s/-$POOL\.99\"/-$POOL.199\"/"
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
	tunnel STATE protocol l2tp {
		l2tp-require-ipsec no
		listen on $STATE_OUTER
		mppe required
		mppe-key-state stateful
	}
	tunnel EAP protocol l2tp {
		l2tp-require-ipsec no
		listen on $EAP_OUTER
		authentication-method eap-md5
	}
	tunnel SECRET protocol l2tp {
		l2tp-require-ipsec no
		listen on $SECRET_OUTER
		authentication-method mschapv2 pap
		l2tp-secret "tunnel-secret-1"
		l2tp-hide-avps yes
	}
	bind tunnel from BIG authenticated by LOCAL to pppx0
	bind tunnel from MPPE authenticated by LOCAL to pppx0
	bind tunnel from SECRET authenticated by LOCAL to pppx0
	bind tunnel from STATE authenticated by LOCAL to pppx0
	bind tunnel from EAP authenticated by LOCAL to pppx0
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

# --- culvert-dial, in front of the same server; what takes long begins now ---

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

check "three vanish" dial gone -n 3 --vanish-after 0
# At such a rate one in a hundred logins gives up by the protocols' own timers.
wire_n=10 wire_hold=3
[ -z "${FULL:-}" ] || wire_n=30 wire_hold=10
dial wire -n $wire_n --ping 300 --hold $wire_hold --loss 20 --dup 5 --reorder 5 --timeout 60 &
wire_pid=$!

# --- xl2tpd and pppd ---

# row TEXT KEY=VALUE…: one more client with these settings.
rows=()
row()
{
	local text=$1 kv
	shift
	{
		printf 'SERVER=%q\nUSER=alice\nPASSWORD=%q\nAUTH=mschap-v2\n' $OUTER "$(password_of alice)"
		for kv; do printf '%s=%q\n' "${kv%%=*}" "${kv#*=}"; done
	} >"$rig_dir/lac/share/lac.${#rows[@]}.conf"
	rows+=("$text")
}

# each VERB TEXT: of lac.sh, for all of them at once.  What each printed is in lac/VERB.N.
each()
{
	local verb=$1 text=$2 n sent=()
	for n in "${!rows[@]}"; do
		guest_send lac "LIMIT=${LIMIT:-20} bash /mnt/lac.sh $verb $n"
		sent[n]=$guest_cmd
	done
	for n in "${!rows[@]}"; do
		check "${rows[n]}: $text" each_result "$verb" "$n" "${sent[n]}"
	done
}

each_result()
{
	local status
	guest_wait lac "$3" >"$rig_dir/lac/$1.$2"
	status=$?
	cat "$rig_dir/lac/$1.$2"
	return $status
}

lac_get()
{
	sed -n "s/^$2=//p" "$rig_dir/lac/up.$1"
}

pppd_log()
{
	cat "$rig_dir/lac/share/log/pppd.$1"
}

# all_of_it: the whole life of the sessions of all rows, which are forgotten then.
# Until they hang up, tests may be given in $during.
during=
all_of_it()
{
	local n
	each up "connects"
	for n in "${!rows[@]}"; do note "${rows[n]}: $(lac_get "$n" call_ms) ms, mtu $(lac_get "$n" mtu)"; done
	each traffic "pings, a file down, a file up"
	[ -z "$during" ] || $during
	each down "hangs up"
	rows=() during=
}

listed()
{
	check_eq "the first is listed with its address and port" "192.0.2.10:1701" \
		"$(ctl session all | sed -n 's/.*Tunnel From *: //p' | grep -x '192.0.2.10:1701')"
	check "and in the log as a plain one" grep -q 'session up user="alice" .* flow=plain-[0-9]* peer=192.0.2.10:1701' \
		"$rig_dir/culvertd.log"
	check "MPPE has state, both ways" logged "mppe in=128bits,stateful out=128bits,stateful"
	check "and pppd says so" grep -q 'MPPE 128-bit stateful compression enabled' "$rig_dir/lac/share/log/pppd.1"
	check_eq "nothing was in the clear" 0 "$(counter mppe_clear)"
	check "EAP-MD5 was spoken" grep -q 'rcvd \[EAP Success' "$rig_dir/lac/share/log/pppd.3"
	check "and no CHAP" not grep -q 'CHAP Challenge' "$rig_dir/lac/share/log/pppd.3"
	check "the client's kernel numbers what it sends, as the server does" guest_run lac 'grep -q /S/ /proc/net/pppol2tp'
}

if missing=$(guest_missing); then
	skip "xl2tpd and pppd as clients" "$missing"
else
	head -c 1000000 /dev/urandom >"$rig_dir/up"
	must guest_start lac wan br0 192.0.2.10/24
	note "lac: $guest_boot_ms ms to boot"
	cp "$rig_dir/up" "$rig_dir/lac/share/up.bin"
	printf 'INSIDE=%s\nDOWN_SUM=%s\nUP_SUM=%s\n' $INSIDE \
		"$(ns in curl -s http://127.0.0.1:8080/file | head -c 2000000 | sha256sum | cut -d' ' -f1)" \
		"$(ns in curl -sf -T "$rig_dir/up" http://127.0.0.1:8080/up | sha256sum | cut -d' ' -f1)" >"$rig_dir/lac/share/traffic.conf"

	during=listed
	row "MS-CHAPv2, all that compresses is offered" PPP=$'vj-max-slots 16\ndeflate 15,15\nbsdcomp 15,15'
	row "MPPE with state" SERVER=$STATE_OUTER PPP=$'require-mppe-128\nmppe-stateful'
	row "PAP, a tunnel secret, AVPs hidden both ways, by user space" SERVER=$SECRET_OUTER SECRET=tunnel-secret-1 \
		LAC=$'challenge = yes\nhidden bit = yes' GLOBAL='force userspace = yes'
	row "EAP-MD5, mru 576, one control message at a time" SERVER=$EAP_OUTER AUTH=eap MRU=576 LAC='tunnel rws = 1'
	row "mru 1500, numbered data, at another port" MRU=1500 SERVER=$BIG_OUTER:1702
	all_of_it
	if [ -n "${FULL:-}" ]; then
		row "PAP" AUTH=pap
		row "CHAP" AUTH=chap
		row "EAP-MD5" AUTH=eap SERVER=$EAP_OUTER
		row "VJ is offered" PPP='vj-max-slots 16'
		row "Deflate is offered" PPP='deflate 15,15'
		row "BSD-Compress is offered" PPP='bsdcomp 15,15'
		all_of_it
		row "mru 576" MRU=576
		row "mru 1280, by user space, with lengths" MRU=1280 GLOBAL='force userspace = yes' LAC='length bit = yes'
		row "MPPE required, with lengths" SERVER=$MPPE_OUTER PPP=$'require-mppe-128' LAC='length bit = yes'
		row "MPPE of 40 bits, with state" SERVER=$STATE_OUTER PPP=$'require-mppe-40\nnomppe-128\nmppe-stateful'
		row "a tunnel secret" SERVER=$SECRET_OUTER SECRET=tunnel-secret-1 LAC='challenge = yes'
		row "a tunnel secret, AVPs hidden both ways" SERVER=$SECRET_OUTER SECRET=tunnel-secret-1 \
			LAC=$'challenge = yes\nhidden bit = yes'
		all_of_it
	fi
fi

# --- many at once, by IPv4 and IPv6 ---

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

# --- a bad wire: 20 % lost, 5 % doubled and late ---

RIG_WAIT=300 must wait_for not rig_alive $wire_pid
check "20 % loss, 5 % twice, 5 % late: $wire_n come up within a minute" test "$(got wire up)" -ge $((wire_n - wire_n / 10))
check_eq "and all of them stay" 0 "$(got wire lost)"
note "bad wire: logins min/median/max $(got wire all_ms) ms, pings $(got wire pings), lost $(got wire pings_lost)"
check "of all of these, and of the three that vanished, everything came back" wait_for held_is "$before"

# bad_wire PERCENT, good_wire: of everything between a client at br0 and the server, both ways.
bad_wire()
{
	ns wan nft -f - <<-END
	table bridge bad {
		chain forward {
			type filter hook forward priority 0
			ip protocol udp udp dport 1701 numgen random mod 100 < $1 drop
			ip protocol udp udp sport 1701 numgen random mod 100 < $1 drop
		}
	}
	END
}

good_wire()
{
	ns wan nft delete table bridge bad
}

lossy()
{
	guest_run lac "ping -I \$(cat /run/lac/0/dev) -c 200 -i 0.05 -W 5 -q $INSIDE" | sed -nE 's/.* ([0-9]+) received.*/\1/p'
}

# Sometimes it gives up by its own limits and has to call again: not in every check.
if [ -n "${FULL:-}" ] && ! guest_missing >/dev/null; then
	LIMIT=45
	must bad_wire 20
	row "20 % loss" GLOBAL='max retries = 12'
	# A client that gave up calls again.
	up_again()
	{
		guest_run lac "LIMIT=45 bash /mnt/lac.sh up 0" >"$rig_dir/lac/up.0" && return
		guest_run lac "bash /mnt/lac.sh down 0" >/dev/null
		guest_run lac "LIMIT=45 bash /mnt/lac.sh up 0" >"$rig_dir/lac/up.0"
	}
	check "xl2tpd connects through 20 % loss" up_again
	note "20 % loss: $(lac_get 0 call_ms) ms"
	check "and the session stays" eval 'sleep 8; [ "$(ctl session brief | grep -c alice)" = 1 ]'
	good_wire
	each down "hangs up"
	rows=()

	# With state the kernel at the other end has to notice the loss, and pppd to ask for a new beginning.
	row "MPPE with state, 5 % loss" SERVER=$STATE_OUTER PPP=$'require-mppe-128\nmppe-stateful'
	each up "connects"
	must bad_wire 5
	answered=$(lossy)
	good_wire
	note "5 % loss: $answered of 200 pings answered, $(counter mppe_lost) asked for anew by us"
	check "pings come through between losses" test "${answered:-0}" -gt 50
	check "pppd asked for a new beginning" eval 'pppd_log 0 | grep -q "sent \[CCP ResetReq"'
	check "so did we" eval 'pppd_log 0 | grep -q "rcvd \[CCP ResetReq"'
	each traffic "pings, a file down, a file up, on a good wire again"
	each down "hangs up"
	rows=()
	check "everything came back" wait_for held_is "$before"
fi
[ -z "${guest_pid[lac]:-}" ] || guest_kill lac

# --- processes that end ---

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

# --- killed by an administrator; a reload ---

check "two that stay" up_many two 2
check "one is ended by culvertctl" ctl clear ppp-id "$(ctl session brief | awk '/alice/ { print $1; exit }')"
check "and its client heard of it" wait_for eval '[ "$(grep -c " ended " "$rig_dir/two.log")" = 1 ]'
sed -i "0,/l2tp-require-ipsec no/s//l2tp-require-ipsec yes/" "$server_run/conf"
check "a reload that wants IPsec" ctl reload
check "ends the other one" wait_for held_is "$before"
check "and lets nobody in" not dial none --timeout 2
rig_end
