#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154
# What strangers get from IKE, and what they cannot take from others: an office comes back all at
# once, a flood of first messages, wrong keys in a loop, a scanner for hashes of the key.
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "strangers at the door of IKE"
must test -x "$build/culvert-dial"
[ -x "$build/culvert-iked" ] || rig_skip_all "no $build/culvert-iked (configure --with-strongswan)"
command -v ike-scan >/dev/null || rig_skip_all "no ike-scan (Debian's package of that name)"
must dial_network
must dial_server 1.250

# iked_pid, and what it has in memory, in kB
iked_pid()
{
	local p
	for p in $(ip netns pids "$(nsname srv)"); do
		[ "$(cat "/proc/$p/comm" 2>/dev/null)" = culvert-iked ] && echo "$p" && return
	done
}

iked_rss()
{
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$(iked_pid)/status"
}

# --- an office behind one address, after a restart of the server ---
kill -TERM "$server_pid"
check "the server ends" wait_for not rig_alive "$server_pid"
must server_start
check "20 clients behind one address come back at once" dial office -n 20 -w 20 --timeout 60
check_eq "all of them" 20 "$(got office up)"
check "within a minute" test "$(got office took_ms)" -lt 60000
note "office: $(got office took_ms) ms"

# --- a flood of first messages from forged addresses ---
n=5000 in_s=6
[ -z "${FULL:-}" ] || n=50000 in_s=60
cat >"$rig_dir/flood.py" <<'END'
import os, random, socket, struct, sys, time
server, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
# Main Mode 1: AES-256, SHA-1, group 14, a pre-shared key
sa = bytes.fromhex("00000038" "00000001" "00000001" "0000002c" "01010001" "00000024" "01010000"
                   "80010007" "800e0100" "80020002" "8004000e" "80030001" "800b0001" "800c7080")
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
begun, size = time.monotonic(), 0
for i in range(count):
    data = os.urandom(8) + bytes(8) + bytes([1, 0x10, 2, 0]) + struct.pack(">II", 0, 28 + len(sa)) + sa
    udp = struct.pack(">HHHH", 500, 500, 8 + len(data), 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(data), 0, 0, 64, 17, 0,
                     bytes([198, 18, random.randrange(128, 256), random.randrange(1, 255)]), socket.inet_aton(server))
    raw.sendto(ip + udp + data, (server, 0))
    size += 28 + len(data)
    late = begun + i * seconds / count - time.monotonic()
    if late > 0.005:
        time.sleep(late)
print(count, size)
END
# Answers to forged addresses go nowhere.
must ns cli nft -f - <<END
table ip t {
	chain i {
		type filter hook input priority -1
		ip daddr 198.18.128.0/17 udp dport 500 counter drop
	}
}
END
check "a client was here" dial known --from 198.18.3.3/32
dial_start witness --ping 50 --hold 3600
witness=$started
wait_for eval '[ "$(counter sessions)" = 1 ]'
rss=$(iked_rss)
sas=$(counter ike_sas_now)
start_ns cli flood python3 "$rig_dir/flood.py" $OUTER $n $in_s
flood=$started
check "not all of them are let in" wait_for eval '[ "$(counter ike_rx_limited)" -gt 100 ]'
note "$(counter ike_rx_limited) are not, so far"
dial known --timeout 10 --from 198.18.3.3/32
check_eq "while $n forged first messages come in $in_s s, a client that was here before connects" 1 "$(got known up)"
note "known: $(got known took_ms) ms with $(counter ike_sas_now) logins under way"
check "not more than 4000 are under way" test "$(counter ike_sas_now)" -lt 4000
RIG_WAIT=$((RIG_WAIT + in_s)) wait_for not rig_alive "$flood"
dial known --timeout 10 --from 198.18.3.3/32
check_eq "and at its end" 1 "$(got known up)"
# What went out to them: nft counts whole IP packets.
read -r back back_bytes < <(ns cli nft list chain ip t i | sed -nE 's/.* counter packets ([0-9]+) bytes ([0-9]+) .*/\1 \2/p')
read -r sent sent_bytes <"$rig_dir/flood.log"
check "not one more answer than messages, not more than twice their size ($back of $back_bytes, $sent of $sent_bytes octets)" \
	test "$back" -gt 0 -a "$back" -le "$sent" -a "$back_bytes" -le $((2 * sent_bytes))
check "no answer is longer than twice its question" test $((back_bytes / back)) -le $((2 * sent_bytes / sent))
now=$(iked_rss)
check "what they hold in memory stays below 64 MB ($((now - rss)) kB)" test $((now - rss)) -lt 65536
must ns cli nft delete table ip t
check "a stranger connects again" dial stranger --from 198.18.200.7/32 --timeout 20
# They are let go half a minute later; meanwhile what has nothing to do with them.

# --- a key for each network that clients come from ---
sed -i 's/^\(.*ike .* from any to\) any psk .*/&\n\1 198.18.0.0\/17 psk "the key of another office"/' "$server_run/conf"
echo "the key of another office" >"$rig_dir/psk.other"
check "another key for one network: reload" ctl reload
# with KEY TAG TIMEOUT OPTION…
with()
{
	local key=$1 tag=$2 timeout=$3
	shift 3
	ns cli timeout 60 "$build/culvert-dial" -s $OUTER -k "@$rig_dir/$key" -u alice -p "@$rig_dir/password" --timeout $timeout "$@" \
		>"$rig_dir/$tag.dial" 2>&1
}
check "from there with its own" with psk.other own 20 --from 198.18.3.3/32
check "from there not with that of all others" not with psk others 3 --from 198.18.3.3/32
check "from elsewhere not with that of the network" not with psk.other elsewhere 3 --from 198.18.200.3/32
check "from elsewhere with that of all others" with psk usual 20 --from 198.18.200.3/32
# --- what a scanner learns ---
# scan TAG OPTION…
scan()
{
	local tag=$1
	shift
	ns cli timeout 60 ike-scan --sport=0 --retry=1 --timeout=1500 "$@" $OUTER >"$rig_dir/$tag.scan" 2>&1
}
# All at once: what they do is wait for answers.
n=0 scans=()
for id in "" vpn $OUTER; do
	n=$((n + 1))
	scan aggressive$n --aggressive --pskcrack="$rig_dir/hashes$n" ${id:+--id="$id"} &
	scans+=($!)
	scan suite$n --aggressive --pskcrack="$rig_dir/hashes$n-suite" --trans=7/256,2,1,14 --dhgroup=14 ${id:+--id="$id"} &
	scans+=($!)
done
scan two --ikev2 --pskcrack="$rig_dir/hashes-two" &
scans+=($!)
wait "${scans[@]}"
n=0
for id in "" vpn $OUTER; do
	n=$((n + 1))
	check "ike-scan, aggressive mode as \"$id\": silence" \
		grep -q '0 returned handshake; 0 returned notify' "$rig_dir/aggressive$n.scan"
	check "ike-scan, aggressive mode with our suite as \"$id\": silence" \
		grep -q '0 returned handshake; 0 returned notify' "$rig_dir/suite$n.scan"
done
check "ike-scan, IKEv2: silence" grep -q '0 returned handshake; 0 returned notify' "$rig_dir/two.scan"
scan main --trans=7/256,2,1,14
check "ike-scan, Main Mode: a suite and no hash" eval \
	'grep -q "1 returned handshake" "$rig_dir/main.scan" && ! grep -qi "hash payload\|KeyExchange" "$rig_dir/main.scan"'
scan weak
check "ike-scan, Main Mode with weak suites: a notification" grep -q '0 returned handshake; 1 returned notify' "$rig_dir/weak.scan"
check "ike-scan has no hash of the key" eval '[ -z "$(cat "$rig_dir"/hashes*)" ]'

# --- what the flood left ---
check "what the flood held is let go" wait_for eval '[ "$(counter ike_sas_now)" -le '$((sas + 1))' ]'

# --- wrong keys, again and again ---
mismatch=$(counter ike_psk_mismatch)
lines=$(grep -c 'failed: wrong pre-shared key' "$rig_dir/culvertd.log")
echo "not the key" >"$rig_dir/psk.wrong"
ns cli timeout 60 "$build/culvert-dial" -s $OUTER -k "@$rig_dir/psk.wrong" -u alice -p "@$rig_dir/password" -n 30 -w 30 \
	--timeout 4 >"$rig_dir/wrong.dial" 2>&1
check_eq "30 wrong keys: nobody comes up" 0 "$(got wrong up)"
check_eq "each is counted" $((mismatch + 30)) "$(counter ike_psk_mismatch)"
check_eq "one line for the address" $((lines + 1)) "$(grep -c 'failed: wrong pre-shared key' "$rig_dir/culvertd.log")"

kill -TERM $witness
check "who was connected stays" wait_for eval '[ -n "$(got witness pings)" ]'
check_eq "and loses nothing" 0/0 "$(got witness lost)/$(got witness pings_lost)"
rig_end
