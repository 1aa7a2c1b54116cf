#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The whole way on Debian 12 with systemd and the stock cloud kernel, which has no
# PPP: a package built elsewhere is carried in and set up, a real client logs in with
# what set-up told, again after a reboot, and remove leaves the machine as it was.
# shellcheck disable=SC1091,SC2016,SC2034,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../guest/guest.sh"
. "${0%/*}/image.sh"

rig_begin "Debian 12 with systemd and the cloud kernel: set up, log in, reboot, remove"
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

#   wan   bridge br0 192.0.2.0/24: the machine .1, the client .10, the way on .254
#         198.51.100.2 is a place in the Internet that the client has no other way to
must ns_add wan
must bridge wan br0
must addr wan br0 192.0.2.254/24
must ip -n "$(nsname wan)" addr add 198.51.100.2/32 dev lo
must ip -n "$(nsname wan)" tuntap add vm0 mode tap
must ip -n "$(nsname wan)" link set vm0 master br0 up
mkdir "$rig_dir/carry"
cp -r "$image/repo" "$top/setup.sh" "$rig_dir/carry/" && cp "$package" "$rig_dir/carry/culvert.deb" &&
	mkdir "$rig_dir/carry/etc" && cp "$top/etc/culvert.conf" "$rig_dir/carry/etc/" &&
	tar -cf "$rig_dir/carry.tar" -C "$rig_dir/carry" .
must test -s "$rig_dir/carry.tar"

began=$(now_ms)
must vm_start wan vm0 "$rig_dir/carry.tar"
must vm_up
note "booted in $((($(now_ms) - began) / 1000)) s"

# What there is, but for logs and caches.
picture()
{
	vm 'find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/log -o \
			-path /var/cache -o -path /var/lib/apt -o -path /var/lib/dpkg -o -path /carry -o -path /var/lib/systemd \
			-o -path /var/tmp \) -prune -o ! -name "*-" ! -name .pwd.lock ! -name ld.so.cache ! -name "*.pyc" -printf "%p %y %m %u\n" | sort
		cat /etc/passwd /etc/group /etc/shadow
		find /etc -xdev -type f ! -name "*-" ! -name ld.so.cache -exec sha256sum {} + | sort -k2
		dpkg-query -W -f "\${db:Status-Status} \${Package}\n" | grep -v ^not-installed
		ip -o link | sed "s/ qlen.*//"; ip -4 route; cat /proc/sys/net/ipv4/ip_forward'
}

connects()
{
	local guest=$1
	check "$guest: boots" guest_start "$guest" wan br0 "$2" || return 1
	check "$guest: strongSwan and xl2tpd run" vpn_start "$guest" 192.0.2.1 "$secret" "$account" "$password" || return 1
	check "$guest: logs in" vpn_up "$guest" || return 1
	note "$guest: IKE $(vpn_get "$guest" ike_ms) ms, L2TP+PPP $(vpn_get "$guest" ppp_ms) ms"
	check "$guest: reaches the Internet through it" guest_run "$guest" "ping -c 3 -W 10 198.51.100.2"
	check "$guest: is listed" vm "culvertctl -n session brief | grep -E ' $account +L2TP +${2%/*}:'"
}

told()
{
	sed -n "s/^  $1 *//p" "$rig_dir/setup.log"
}

must vm 'mkdir /carry && tar -x --no-same-owner -C /carry -f /dev/vdb'
must vm 'apt-get -q update'
check "systemd runs the machine" vm 'systemctl is-system-running --wait'
check "the kernel is the cloud kernel" vm 'uname -r | grep cloud'
check "which has no PPP" vm '! modprobe ppp_generic'
must vm '/lib/systemd/systemd-networkd-wait-online --timeout=120'
picture >"$rig_dir/before"

check "setup.sh --package" vm 'cd / && /carry/setup.sh --package /carry/culvert.deb >/tmp/setup.log 2>&1'
vm 'cat /tmp/setup.log' >"$rig_dir/setup.log"
account=$(told Account) password=$(told Password) secret=$(told Secret)
check_eq "it tells the server's address" 192.0.2.1 "$(told Server)"
check "the unit is active" vm 'systemctl is-active culvert && systemctl is-enabled culvert'
check "systemd knows that it serves" vm 'systemctl show -p StatusText culvert | grep "Serving on 0.0.0.0"'
check "no other IKE daemon came with it" vm '! dpkg -s strongswan-starter strongswan-charon charon-systemd 2>/dev/null | grep "^Package"'
check "its lines are in the journal, with their level" vm 'journalctl -q -u culvert -p notice -o cat | grep "^culvertd: ready"'
connects ann 192.0.2.10/24
check "set-up again changes nothing" vm 'p=$(systemctl show -p MainPID culvert); /carry/setup.sh --package /carry/culvert.deb && [ "$p" = "$(systemctl show -p MainPID culvert)" ]'
check "the client is still there" guest_run ann "ping -c 1 -W 10 198.51.100.2"
check "a reload is one" vm 'echo "set dpd 61" >>/etc/culvert/culvert.conf && systemctl reload culvert && systemctl is-active culvert'
check "its report is in the journal" vm 'journalctl -q -u culvert -o cat | grep "changed: set dpd 75 -> 61"'
check "one of a file with a mistake fails, with the reason" vm 'echo "set dpb 62" >>/etc/culvert/culvert.conf && ! systemctl reload culvert &&
	systemctl is-active culvert && journalctl -q -u culvert -o cat | grep "did you mean \"dpd\"" && sed -i "/^set dp/d" /etc/culvert/culvert.conf'
check "the next one works" vm 'systemctl reload culvert && systemctl is-active culvert'
check "a stop is orderly, and a start works" vm "systemctl restart culvert && journalctl -q -u culvert -o cat | grep SIGTERM: && ! journalctl -q -u culvert -o cat | grep \"Killing process\""
guest_kill ann

boot=$(vm 'cat /proc/sys/kernel/random/boot_id')
vm 'systemd-run -q --on-active=1 systemctl reboot'
rebooted()
{
	local id
	id=$(VM_SECONDS=20 vm_up && VM_SECONDS=20 vm 'cat /proc/sys/kernel/random/boot_id') && [ -n "$id" ] && [ "$id" != "$boot" ]
}
check "the machine reboots" wait_for rebooted
check "and serves again" wait_for vm 'systemctl is-active culvert'
check "at the first attempt" vm 'n=$(systemctl show --value -p NRestarts culvert)
	[ "$n" = 0 ] || { echo "restarts: $n"; journalctl -q -b -u culvert --no-pager -o short-precise | tail -n 15; false; }'
connects ben 192.0.2.11/24
check "a server that was killed is started again" vm 'p=$(systemctl show --value -p MainPID culvert)
	kill -9 $p; for i in $(seq 60); do sleep 1; q=$(systemctl show --value -p MainPID culvert)
	[ $q != 0 ] && [ $q != $p ] && systemctl is-active culvert && exit 0; done; exit 1'
guest_kill ben
check "its netd undid its work before" vm 'journalctl -q -u culvert -o cat | grep "netd: the parent is gone" && ! journalctl -q -u culvert -o cat | grep "Killing process"'
check "nothing was denied to it" vm '! journalctl -q -u culvert --no-pager | grep -iE "denied|not permitted|SIGSYS|bad system call"'
vm 'journalctl -q -u culvert --no-pager -o short-precise' >"$rig_dir/journal.log"

check "setup.sh remove --packages" vm 'cd / && /carry/setup.sh remove --packages >/tmp/remove.log 2>&1'
vm 'cat /tmp/remove.log' >"$rig_dir/remove.log"
check "ports 500 and 4500 are free" vm '! ss -Huln | grep -E ":(500|4500) "'
check "no rule masquerades, no device is left" vm '[ "$(cat /sys/module/nft_masq/refcnt)" = 0 ] && ! ip -o link | grep pppx'
picture >"$rig_dir/after"
# A boot may turn up what was not there before, but nothing of ours.
diff "$rig_dir/before" "$rig_dir/after" | grep '^[<>]' >"$rig_dir/out"
check_eq "everything is as before" "" "$(cat "$rig_dir/out")"
rig_end
