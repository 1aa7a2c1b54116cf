#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# `set esp kernel` on Debian's own kernel, whole machine and firewall included: two real
# clients behind one NAT, a crash of iked, and nothing of ours left in the kernel at the end.
# shellcheck disable=SC1091,SC2016,SC2034,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"
. "${0%/*}/image.sh"

rig_begin "Debian 12's kernel does ESP: two clients behind one NAT, a crash of iked, the end"
[ "$(dpkg --print-architecture)" = amd64 ] || rig_skip_all "the image is made for amd64"
if why=$(guest_missing); then
	rig_skip_all "$why"
fi
for p in qemu-system-x86_64 debootstrap mke2fs dpkg-scanpackages; do
	command -v $p >/dev/null || rig_skip_all "$p is missing"
done
package=${PACKAGE:-$(echo "$top"/.deps/deb/culvert_*.deb)}
[ -e "$package" ] || rig_skip_all "no package in .deps/deb (./setup.sh package builds it)"
RIG_WAIT=300
must image_make "$package"

#   wan   bridge br0 192.0.2.0/24: the machine .1, NAT .2, the way on .254
#         198.51.100.2 is a web server that clients have no other way to
#   nat   bridge lan0 10.77.0.0/24 behind masquerade: clients .10, .11
for n in wan nat; do
	must ns_add $n
done
must link nat wan0 wan n0
must bridge wan br0 n0
must bridge nat lan0
must addr wan br0 192.0.2.254/24
must addr wan lo $INSIDE/32
must addr nat wan0 $NAT_OUTER/24
must addr nat lan0 10.77.0.1/24
must ns nat sysctl -qw net.ipv4.ip_forward=1
must ns nat nft 'table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }; }'
must ip -n "$(nsname wan)" tuntap add vm0 mode tap
must ip -n "$(nsname wan)" link set vm0 master br0 up
start_ns wan web python3 "$top/tests/httpd.py" 8080 4 "$CANARY"
web_sum=
must wait_for ns wan curl -sf -m 5 -o /dev/null http://127.0.0.1:8080/sum
web_sum=$(ns wan curl -sf http://127.0.0.1:8080/sum)
mkdir "$rig_dir/carry"
cp -r "$image/repo" "$top/setup.sh" "$rig_dir/carry/" && cp "$package" "$rig_dir/carry/culvert.deb" &&
	mkdir "$rig_dir/carry/etc" && cp "$top/etc/culvert.conf" "$rig_dir/carry/etc/" &&
	tar -cf "$rig_dir/carry.tar" -C "$rig_dir/carry" .
must test -s "$rig_dir/carry.tar"
began=$(now_ms)
must vm_start wan vm0 "$rig_dir/carry.tar"
must vm_up
note "booted in $((($(now_ms) - began) / 1000)) s"

told()
{
	sed -n "s/^  $1 *//p" "$rig_dir/setup.log"
}

xfrm_held()
{
	vm 'echo "states=$(ip xfrm state | grep -c "proto esp") policies=$(ip xfrm policy | grep -c "dir out.*priority [0-9]")"'
}

xfrm_held_is()
{
	[ "$(xfrm_held)" = "$1" ]
}

status_of()
{
	vm "culvertctl status" | awk -v n="$1" 'NR > 1 && $2 == n { sum += $3 } END { print sum + 0 }'
}

must vm 'mkdir /carry && tar -x --no-same-owner -C /carry -f /dev/vdb'
must vm 'apt-get -q update'
must vm '/lib/systemd/systemd-networkd-wait-online --timeout=120'
must vm 'cd / && /carry/setup.sh --package /carry/culvert.deb >/tmp/setup.log 2>&1'
vm 'cat /tmp/setup.log; uname -r' >"$rig_dir/setup.log"
account=$(told Account) password=$(told Password) secret=$(told Secret)
check "the kernel is Debian's ($(tail -n 1 "$rig_dir/setup.log"))" grep -q cloud "$rig_dir/setup.log"
must vm 'sed -i "1i set esp kernel" /etc/culvert/culvert.conf && systemctl restart culvert'
check "ESP is in the kernel" vm 'journalctl -q -u culvert -o cat | grep "esp mode=kernel reason=\"set esp kernel: an SA could be added\""'
check "nothing was denied to it" vm '! journalctl -q -u culvert --no-pager | grep -iE "denied|not permitted|SIGSYS|bad system call"'
check_eq "the kernel has its guard and no more" "states=0 policies=1" "$(xfrm_held)"

# transfer GUEST: down and up, and the sums.
transfer()
{
	guest_run "$1" "
		curl -sS -m 200 -o /tmp/file http://$INSIDE:8080/file &&
		echo got=\$(sha256sum </tmp/file | cut -d' ' -f1) &&
		echo arrived=\$(curl -sS -m 200 -T /tmp/file http://$INSIDE:8080/up)" >"$rig_dir/$1/transfer"
}

for i in 1 2; do
	check "nat$i: boots" guest_start nat$i nat lan0 10.77.0.1$((i - 1))/24 10.77.0.1 || rig_end
	check "nat$i: strongSwan and xl2tpd run" vpn_start nat$i 192.0.2.1 "$secret" "$account" "$password" || rig_end
done
must capture_start wan br0 outer
outer_pid=$started
for i in 1 2; do
	check "nat$i: logs in" vpn_up nat$i || rig_end
	note "nat$i: IKE $(vpn_get nat$i ike_ms) ms, L2TP+PPP $(vpn_get nat$i ppp_ms) ms"
done
check_eq "four SAs, two policies and the guard" "states=4 policies=3" "$(xfrm_held)"
check "each client has a mark of its own" vm '[ "$(ip xfrm state | grep -oE "reqid [0-9]+" | sort -u | wc -l)" = 2 ]'
check_eq "engines sealed and opened nothing" 0 "$(($(status_of crypto_openssl) + $(status_of crypto_ipsec_mb)))"
transfer nat1 &
one=$!
transfer nat2 &
wait $one $!
for g in nat1 nat2; do
	check_eq "$g: 4 MB down and up through NAT and firewall, unharmed" "got=$web_sum arrived=$web_sum" \
		"$(xargs <"$rig_dir/$g/transfer")"
done
check_eq "nobody got what was the other's" "0 0" "$(status_of l2tp_unknown_session) $(status_of ip_spoofed)"

guest_send nat1 "ping -c 40 -i 0.2 -W 10 $INSIDE"
pinging=$guest_cmd
check "iked is killed" vm 'kill -9 $(pidof culvert-iked)'
check "iked is back" wait_for vm 'journalctl -q -u culvert -o cat | grep "iked is back"'
check "all pings came back meanwhile" guest_wait nat1 $pinging
check_eq "the kernel has what it had" "states=4 policies=3" "$(xfrm_held)"
check "nat2 hangs up, whom nobody's IKE knows" vpn_down nat2
check "the kernel forgets him" wait_for xfrm_held_is "states=2 policies=2"
check "nat2: logs in again" vpn_up nat2
check "and works" guest_run nat2 "ping -c 3 -W 10 $INSIDE"
rig_kill INT "$outer_pid"
check "nothing but IKE and ESP came from the clients" capture_none outer \
	"ip and src host $NAT_OUTER and not (udp port 500 or udp port 4500 or igmp)"
check "no L2TP in the clear" capture_none outer 'udp port 1701'
check "systemctl stop" vm 'systemctl stop culvert'
check_eq "the kernel has nothing of ours" "states=0 policies=0" "$(xfrm_held)"
check "nor 1701" vm '! ss -Huln | grep ":1701 "'
vm 'journalctl -q -u culvert --no-pager -o short-precise' >"$rig_dir/journal.log"
rig_end
