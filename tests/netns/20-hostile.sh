#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What must not work, and must disturb nobody: broken configurations, wrong
# keys, names and passwords, junk on every door, packets of others once more.
# A witness pings through the VPN all the while and loses nothing.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"

WITNESS=192.0.2.10
MALLORY=192.0.2.20
ATTACKER=192.0.2.66

rig_begin "bad input is refused, counted, and disturbs nobody"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
must test -x "$build/culvertd"
must test -x "$build/culvertctl"
must network_up
must ns_add atk
must link atk a0 wan w1
must ip -n "$(nsname wan)" link set w1 master br0
must addr atk a0 $ATTACKER/24

# hostile NAME ARGUMENT…: the attacker; what it printed is kept for got.
hostile()
{
	local name=$1
	shift
	ns atk python3 "$top/tests/hostile.py" "$@" >"$rig_dir/$name.hostile" 2>&1 || { cat "$rig_dir/$name.hostile"; return 1; }
}

# got NAME FIELD
got()
{
	sed -n "s/^$2=//p" "$rig_dir/$1.hostile"
}

# --- configurations -----------------------------------------------------------

conf=$rig_dir/conf
mkdir -p "$conf"
chmod 755 "$rig_dir" "$conf"
server_run=$conf
server_conf >"$conf/good"
server_users >"$conf/users"
chmod 600 "$conf"/*

# world: everything that a start could have touched.  What the kernel does by
# itself to a new link (IPv6 addresses, states) is left out.
world()
{
	local n=cv$rig_id-srv
	ip -n $n -o link | awk '{ print $2 }'
	ip -n $n -4 -o addr
	ip -n $n -4 route show table all
	ip netns exec $n nft list ruleset
	ip netns exec $n ss -Hua
	ip netns exec $n cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/rp_filter \
		/proc/sys/net/ipv4/conf/*/send_redirects
	ls "$conf"
}

# refuses TEXT FILE PATTERN: both to check and to start, with this message.
refuses()
{
	local text=$1 file=$2 pattern=$3 option status before
	before=$(world)
	for option in -n -d; do
		ns srv timeout 20 "$build/culvertd" $option -f "$file" -r "$conf/none" >"$rig_dir/said" 2>&1
		status=$?
		if ! { [ $status = 1 ] && grep -v ' warning: ' "$rig_dir/said" | grep -qE -- "$pattern" && [ ! -e "$conf/none" ] && [ "$(world)" = "$before" ]; }; then
			not_ok "$text (culvertd $option)"
			sed "s/^/#   status $status: /" "$rig_dir/said"
			return 1
		fi
	done
	ok "$text"
}

at="^${conf//./\\.}/bad:[0-9]+:[0-9]+: "
# broken TEXT SED PATTERN: the good file, changed like this.
broken()
{
	sed -E "$2" "$conf/good" >"$conf/bad"
	chmod 600 "$conf/bad"
	refuses "$1" "$conf/bad" "$3"
}

check "the good file is good" ns srv "$build/culvertd" -n -f "$conf/good" -r "$conf/none"
broken "an unknown word" 's/listen on/lisen on/' "$at"
broken "a value out of range" 's/l2tp-hello-interval 3/l2tp-hello-interval 99999999999/' "$at"
broken "a brace that is not closed" '$d' "$at"
broken "an unknown authentication" 's/by LOCAL/by LOCALE/' "$at"
broken "an unknown interface in the firewall" 's/nat on .*/nat on $nothing/' "$at"
broken "an address that is none" 's/listen on .*/listen on 192.0.2.256/' "$at"
broken "a string without an end" 's/psk "(.*)"/psk "\1/' "$at"
broken "a line of 64 KB" "s/psk .*/&$(head -c 65536 /dev/zero | tr '\0' x | fold -w 4096 | head -n 1)/; s/x{4096}/&&&&&&&&&&&&&&&&/" "$at"
head -c 3000 /dev/urandom >"$conf/bad"
refuses "noise" "$conf/bad" "bad:[0-9]+:[0-9]+: "
refuses "a file that is not there" "$conf/missing" "$conf/missing"
refuses "a directory" "$conf" "$conf"
ln -s "$conf/good" "$conf/link"
cp "$conf/good" "$conf/bad"
chmod 644 "$conf/bad"
refuses "a file with a key that others may read, and what to do" "$conf/bad" "chmod 600 $conf/bad"
chmod 600 "$conf/bad"
chmod 644 "$conf/users"
refuses "a users file that others may read, and what to do" "$conf/bad" "${at}.*chmod 600 $conf/users"
chmod 600 "$conf/users"
chown nobody "$conf/users"
refuses "a users file of another account, and what to do" "$conf/bad" "${at}.*chown root $conf/users"

# --- the witness ----------------------------------------------------------------

must server_start
must capture_start srv out0 outer
outer_pid=$started
guest_start plain wan br0 $WITNESS/24 192.0.2.254 || rig_end
guest_start mallory wan br0 $MALLORY/24 192.0.2.254 || rig_end
connect plain alice || rig_end
guest_send plain "exec ping -i 0.1 $INSIDE >/mnt/log/ping"
ping_cmd=$guest_cmd
wait_for grep -q icmp_seq=10 "$rig_dir/plain/share/log/ping"
rig_kill TERM "$outer_pid"

check "a second server in this run directory is refused" eval '
	! ns srv timeout 20 "$build/culvertd" -d -f "$server_run/conf" -r "$server_run" >"$rig_dir/second" 2>&1 &&
	grep -q "another culvertd is running .*pid $(cat "$server_run/culvertd.pid")" "$rig_dir/second" && ctl status'

# --- wrong key, name, password ---------------------------------------------------

mismatch=$(counter ike_psk_mismatch)
spis=$(counter ike_sa_add)
check "mallory: strongSwan and xl2tpd run" vpn_start mallory $OUTER "not the key at all" bob "not the password"
check "a wrong PSK: no connection" not guest_run mallory 'timeout 5 ipsec up vpn'
check_eq "a wrong PSK: no SA" "$spis" "$(counter ike_sa_add)"
check_eq "a wrong PSK: counted once" $((mismatch + 1)) "$(counter ike_psk_mismatch)"
check_eq "a wrong PSK: one line" 1 "$(grep -c "main mode from $MALLORY failed: wrong pre-shared key?" "$rig_dir/culvertd.log")"

# What a hang-up leaves in xl2tpd and charon is none of this test's business: each try begins anew.
anew="pkill -x xl2tpd
	while pgrep -x 'xl2tpd|pppd'; do sleep 0.05; done
	ipsec down vpn
	ipsec rereadsecrets
	rm -f /run/vpn/l2tp-control
	xl2tpd -D -c /etc/xl2tpd/xl2tpd.conf -C /run/vpn/l2tp-control -p /run/vpn/xl2tpd.pid >/mnt/log/xl2tpd 2>&1 &
	until test -p /run/vpn/l2tp-control; do sleep 0.05; done
	: >/mnt/log/pppd"

# as USER PASSWORD: what mallory's pppd will say, for sed.
as()
{
	echo "s/^name .*/name \"$1\"/; s/^password .*/password \"$2\"/"
}

# login USER PASSWORD TAG: one try that must fail; pppd's view of it in TAG.ppp, the server's line in TAG.line.
login()
{
	local from
	from=$(wc -l <"$rig_dir/culvertd.log")
	printf '%s\n' "$(as "$1" "$2")" >"$rig_dir/mallory/share/as"
	guest_run mallory "$anew
		sed -i -f /mnt/as /etc/ppp/options.vpn
		timeout 20 /usr/lib/ipsec/stroke up vpn || exit 1
		echo 'c vpn' >/run/vpn/l2tp-control
		for i in \$(seq 400); do
			grep -q 'Connection terminated' /mnt/log/pppd && exit 0
			sleep 0.05
		done
		exit 1" || return 1
	# What differs from one try to the next: ids, magic numbers, challenges.
	sed -nE 's/^(sent|rcvd) //p' "$rig_dir/mallory/share/log/pppd" |
		sed -E 's/id=0x[0-9a-f]+/id/; s/<[0-9a-f]{32,}>/<hex>/; s/magic 0x[0-9a-f]+/magic/; s/C=[0-9A-F]+/C=/; s/name = "[^"]*"/name/' \
		>"$rig_dir/$3.ppp"
	tail -n "+$((from + 1))" "$rig_dir/culvertd.log" | grep 'login failed' >"$rig_dir/$3.line"
}

# refused TAG USER
refused()
{
	local last
	check "$1: the failure that clients understand" grep -qE 'CHAP Failure id=0x[0-9a-f]+ "E=691 R=0 C=[0-9A-F]{32} V=3' \
		"$rig_dir/mallory/share/log/pppd"
	last=$(cat "$rig_dir/$1.line")
	check "$1: one line in the log, with user, realm, address, reason" grep -qE \
		"^[-0-9]+ [0-9:.]+ manager: login failed user=\"$2\" realm=LOCAL from=${MALLORY//./\\.}:4500 reason=\"wrong name or password\"$" \
		<<<"$last"
	check_eq "$1: not more than one" 1 "$(wc -l <"$rig_dir/$1.line")"
}

guest_run mallory "printf '%s : PSK \"%s\"\n' '$MALLORY %any' '$PSK' >/etc/ipsec.secrets"
denied=$(counter login_denied)
sessions=$(counter sessions)
check "bob tries a wrong password" login bob "not the password" password
refused password bob
check "somebody tries a name that is not there" login zoe "not the password" name
refused name zoe
check "wrong name and wrong password look the same to a client" diff "$rig_dir/password.ppp" "$rig_dir/name.ppp"
check "and in the log" diff <(sed 's/^[^m]*//; s/bob/x/' "$rig_dir/password.line") <(sed 's/^[^m]*//; s/zoe/x/' "$rig_dir/name.line")
# A name made to look like somebody else's line.
evil='x\\" realm=LOCAL from=9.9.9.9:4500 reason=\\"wrong name or password'
check "a name that would forge a line" login "$evil" "not the password" forged
check_eq "three tries counted" $((denied + 3)) "$(counter login_denied)"
check_eq "fail2ban's filter finds the three, and only the true address" "$MALLORY $MALLORY $MALLORY" \
	"$(python3 "$top/tests/hostile.py" ban "$top/etc/fail2ban/culvert.conf" "$rig_dir/culvertd.log" | xargs)"
check_eq "no session came of it" "$sessions" "$(counter sessions)"

as bob "$(password_of bob)" >"$rig_dir/mallory/share/as"
guest_run mallory "$anew
	sed -i -f /mnt/as /etc/ppp/options.vpn" >/dev/null
check "with the right password bob is in" vpn_up mallory

# --- junk from outside, to which there is no answer at all -----------------------

must capture_start atk a0 silent
silent_pid=$started
declare -A was
# since: remembers all counters; more NAME…: by how much these grew together.
since()
{
	local name value
	was=()
	while read -r _ name value; do
		was[$name]=$((${was[$name]:-0} + value))
	done < <(ctl status | tail -n +2)
}

more()
{
	local sum=0 name
	for name; do
		sum=$((sum + $(counter "$name") - ${was[$name]:-0}))
	done
	echo $sum
}

since
check "SPIs that nobody has, and ESP of 0 to 64 octets" hostile esp esp $OUTER
check_eq "those with an SPI are counted" $((255 + 300 + 4 * 57)) "$(more esp_unknown_spi)"
check_eq "those without as well, also three of a single octet, but not 0xff" 19 "$(more esp_short)"

since
check "NAT-keepalives" ns atk python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for b in (b"\xff", b"\xff", b"\xfe", b"\xff\xff"):
    s.sendto(b, (sys.argv[1], 4500))' $OUTER
check "are counted, and what only looks like one is not" wait_for eval '[ "$(more rx_keepalive) $(more esp_short) $(more ike_rx_short)" = "2 1 1" ]'

since
check "noise on 500 and 4500" hostile junk junk $OUTER
check "is counted" test "$(more ike_rx_short ike_rx_junk ike_rx_version esp_unknown_spi)" -gt 400

since
check "IKEv2, aggressive mode, headers that lie" hostile foreign ike $OUTER foreign
check_eq "IKEv2 is counted" 8 "$(more ike_rx_version)"
check_eq "aggressive mode is counted" 2 "$(more ike_rx_aggressive)"
check "the lies are counted" test "$(more ike_rx_short ike_rx_junk)" -ge 20
check_eq "none is charon's" 0 "$(more ike_rx)"

for as in "" $WITNESS; do
	from=${as:-another address}
	since
	check "the witness's packets once more, from $from" hostile replay capture "$rig_dir/outer.pcap" replay $OUTER $WITNESS $as
	check_eq "every one is a replay" "$(got replay packets)" "$(more esp_replayed)"
	since
	check "one of them with a wrong bit, from $from" hostile flip capture "$rig_dir/outer.pcap" flip $OUTER $WITNESS $as
	check_eq "every one is refused" "$(got flip packets)" "$(more esp_bad_icv esp_short)"
	since
	check "sequence numbers far ahead, from $from" hostile ahead capture "$rig_dir/outer.pcap" ahead $OUTER $WITNESS $as
	check_eq "every one fails its ICV" "$(got ahead packets)" "$(more esp_bad_icv)"
	check_eq "the witness did not move" 0 "$(counter endpoint_moved)"
done
check "L2TP without IPsec" hostile clear clear $OUTER
rig_kill TERM $silent_pid
check "no answer to any of it" capture_none silent "src host $OUTER and not arp and not (icmp[0] = 3 and icmp[30:2] = 1701)"
check "and none from 1701" capture_none silent "src host $OUTER and udp port 1701"

# --- IKE that may be answered, once ----------------------------------------------

since
check "weak proposals" hostile weak ike $OUTER weak
check_eq "one answer each" 4 "$(got weak back)"
check "shorter than what was sent" test "$(got weak back_bytes)" -lt "$(got weak sent_bytes)"
check_eq "each is counted" 4 "$(more ike_proposal_refused)"
check "Main Mode begun and left" hostile begun ike $OUTER begun
check "one answer each, less than twice as long" eval '
	[ "$(got begun back)" -le "$(got begun sent)" ] && [ "$(got begun back_bytes)" -lt $((2 * $(got begun sent_bytes))) ]'
check "IKE that is broken in the middle" hostile broken ike $OUTER broken
note "sent $(got broken sent) packets, $(got broken sent_bytes) octets; back $(got broken back) packets, $(got broken back_bytes) octets"
check "less comes back than was sent" eval '[ "$(got broken back)" -le "$(got broken sent)" ] && [ "$(got broken back_bytes)" -lt "$(got broken sent_bytes)" ]'

# --- a client with good keys ------------------------------------------------------

# SPI, last sequence number and keys of mallory's SA to the server, as her kernel has them.
guest_run mallory "ip xfrm state" | awk -v to=$OUTER '
	/^src/ { on = $4 == to }
	on && /proto esp/ { spi = $4 }
	on && /auth-trunc/ { auth = $3 }
	on && /enc / { enc = $3 }
	on && match($0, /oseq 0x[0-9a-f]+/) { seq = substr($0, RSTART + 5, RLENGTH - 5) }
	END { print spi, seq, enc, auth }' >"$rig_dir/keys"
tunnel=$(sed -nE 's/.*Connection established to .* Remote: ([0-9]+).*/\1/p' "$rig_dir/mallory/share/log/xl2tpd" | tail -n 1)
session=$(sed -nE 's/.*Call established with .* Remote: ([0-9]+),.*/\1/p' "$rig_dir/mallory/share/log/xl2tpd" | tail -n 1)
since
check "ports, lengths, padding, addresses that lie, inside ESP" \
	hostile inside inside "$rig_dir/keys" lies $OUTER $MALLORY "$tunnel" "$session" "$(vpn_get mallory address)"
for n in not_1701:inner_not_1701 inner_bad:inner_bad bad_pad:esp_bad_pad l2tp_bad:l2tp_bad spoofed:ip_spoofed \
    ip_bad:ip_bad ppp_bad:ppp_bad unknown_session:l2tp_unknown_session; do
	check_eq "counted: ${n%:*}" "$(got inside ${n%:*})" "$(more ${n#*:})"
done
check "L2TP control messages and PPP frames that are broken" \
	hostile noise inside "$rig_dir/keys" noise $OUTER $MALLORY "$tunnel" "$session" -
check "the control messages are counted" test "$(more l2tp_ctl_malformed l2tp_ctl_unknown_tunnel l2tp_ctl_window \
	l2tp_ctl_duplicate l2tp_ctl_bad_avp l2tp_ctl_illegal l2tp_ctl_refused)" -ge 30
check_eq "none moved her, none was a replay, none failed" 0 "$(more endpoint_moved esp_replayed esp_bad_icv)"
check "she is still connected" eval 'ctl session brief | grep -q " bob "'
check "from another address a good packet moves her, and her alone" eval '
	hostile moved moved "$rig_dir/keys" $OUTER && [ "$(more endpoint_moved)" = 1 ] &&
	grep -q "peer=$MALLORY:4500 moved from=$MALLORY:4500 to=$ATTACKER:" "$rig_dir/culvertd.log"'

# --- the control socket ------------------------------------------------------------

check_eq "another account is refused" "Permission denied" "$(
	python3 "$top/tests/hostile.py" uid "$server_run/culvert.sock" 65534 | sed -n 's/^refused=//p')"
check_eq "its mode" 660 "$(stat -c %a "$server_run/culvert.sock")"
start ctl python3 "$top/tests/hostile.py" ctl "$server_run/culvert.sock"
check "junk, then 40 connections that never read" wait_for grep -q holding= "$rig_dir/ctl.log"
check "others are still served: status" ctl status
check "others are still served: session brief" eval 'ctl session brief | grep -q " alice "'

# --- after all that ------------------------------------------------------------------

guest_run plain 'sleep 0.5; pkill -INT -x ping' >/dev/null
guest_wait plain "$ping_cmd" >/dev/null
ping=$rig_dir/plain/share/log/ping
pings=$(grep -oE 'icmp_seq=[0-9]+' "$ping" | cut -d= -f2)
note "the witness: $(grep transmitted "$ping")"
check "the witness pinged all the while" test "$(wc -l <<<"$pings")" -ge 100
check "the witness lost nothing" diff <(seq "$(wc -l <<<"$pings")") <(sort -n <<<"$pings")
check "nor heard anything twice" not grep -q 'DUP!' "$ping"
check "no secret in its log" not grep -qF -e "$PSK" -e "$(password_of bob)" -e "not the password" "$rig_dir/culvertd.log"
kill -TERM "$server_pid"
check "the server ends" wait_for not rig_alive "$server_pid"
check "no process of it ended before, or complained" not grep -qE 'was killed by|ended with status|ERROR: .*Sanitizer|runtime error' \
	"$rig_dir/culvertd.log"
rig_end
