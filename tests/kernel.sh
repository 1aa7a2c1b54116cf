# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2016,SC2034,SC2086,SC2154
# Our server where the kernel has ESP: in a guest (User Mode Linux), with `set esp
# kernel`.  Sourced after tests/lib.sh, tests/server.sh and tests/guest/guest.sh.
#
#   wan   bridge br0 192.0.2.0/24: the server .1, NAT .2, culvert-dial .10, this side .254
#   nat   bridge lan0 10.77.0.0/24 behind masquerade: clients .10…
#   cli   culvert-dial's: 192.0.2.10 and every address of 198.18.0.0/16
#
# 198.51.100.2, with the web server, is the guest's own: this kernel has no nftables for
# IPv4, so nothing is forwarded.

CLIENT=192.0.2.10
PREFIX=198.18.0.0/16

kernel_network()
{
	local n
	for n in wan nat cli; do
		ns_add $n || return 1
	done
	link nat wan0 wan n0 && link cli c0 wan c1 && bridge wan br0 n0 c1 && bridge nat lan0 &&
		addr wan br0 192.0.2.254/24 && addr nat wan0 $NAT_OUTER/24 && addr nat lan0 10.77.0.1/24 &&
		addr cli c0 $CLIENT/24 || return 1
	ns nat sysctl -qw net.ipv4.ip_forward=1 &&
		ns nat nft 'table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "wan0" masquerade; }; }' &&
		ip -n "$(nsname cli)" route add local $PREFIX dev lo
}

# on COMMAND: in the server's guest.
on()
{
	guest_run server "$1"
}

# kernel_server LAST [SED]: boots the guest with a pool up to LAST of $POOL's network, the web
# server in it, and our server; SED over its configuration.
kernel_server()
{
	server_run=/mnt
	guest_start server wan br0 $OUTER/24 192.0.2.254 || return 1
	(umask 077 && server_conf | sed "
		1i set esp kernel
		s/nat on .*/off/; /^ext_if/d
		s/hello-interval 3/hello-interval 2/; s/hello-timeout 12/hello-timeout 4/
		s/-$POOL\.99\"/-${POOL%.*}.$1\"/; ${2-}" >"$rig_dir/server/share/conf" &&
		server_users >"$rig_dir/server/share/users") && cp "$top/tests/httpd.py" "$rig_dir/server/share/" || return 1
	programs=$(cd "$build" && pwd -P)
	# They may lie below what is a tmpfs there.
	on "[ -x $programs/culvertd ] || { mkdir -p $programs && mount -t hostfs -o $programs none $programs; }" || return 1
	on "ip addr add $INSIDE/32 dev lo; ip route add $PREFIX via $CLIENT
		python3 /mnt/httpd.py 8080 ${MEGABYTES:-8} $CANARY >/mnt/log/web 2>&1 &" || return 1
	kernel_server_again || return 1
	web_sum=$(on "curl -sf --retry 50 --retry-delay 1 --retry-connrefused http://$INSIDE:8080/sum")
	[ -n "$web_sum" ]
}

# Our server, once more.
kernel_server_again()
{
	starts=$(kernel_server_starts)
	guest_send server "cd / && exec $programs/culvertd -d -f /mnt/conf -r /run/culvert >>/mnt/log/culvertd 2>&1" || return 1
	server_cmd=$guest_cmd
	wait_for kernel_server_up_or_dead
	ctl status >/dev/null
}

# All of its processes were ready so often: the slow guest answers before that, but not in time.
kernel_server_starts()
{
	grep -s ' ready listen=' "$rig_dir/server/share/log/culvertd" | wc -l
}

kernel_server_up_or_dead()
{
	[ "$(kernel_server_starts)" -gt "$starts" ] || [ -s "$rig_dir/server/share/rc.$server_cmd" ]
}

# ctl ARGUMENT…: culvertctl there.
ctl()
{
	on "$programs/culvertctl -s /run/culvert/culvert.sock $*"
}

# xfrm_held: what is in the guest's kernel, on one line; the sockets' own policies do not count.
xfrm_held()
{
	on 'echo "states=$(ip xfrm state | grep -c "proto esp") policies=$(ip xfrm policy | grep -c "dir out.*priority [0-9]")"'
}

xfrm_held_is()
{
	[ "$(xfrm_held)" = "$1" ]
}

# held: what sessions hold; a kernel's part of it, too.
held()
{
	on "s=\$($programs/culvertctl -s /run/culvert/culvert.sock status)
		for c in flows sas sessions leases tuns ike_sas_now; do
			awk -v n=\$c 'NR > 1 && \$2 == n { sum += \$3 } END { printf \"%s=%d \", n, sum }' <<<\"\$s\"
		done
		echo devices=\$(ip -o link | grep -c ': pppx')" && xfrm_held
}

# logged TEXT: the server said so.
logged()
{
	grep -qF -- "$1" "$rig_dir/server/share/log/culvertd"
}
