# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154
# Guests: a real Linux kernel with ESP, L2TP and PPP as an ordinary process
# (User Mode Linux), for clients that are not ours.  Sourced after tests/lib.sh.
#
#   guest_start bob nat br0 10.77.0.10/24 10.77.0.1     boots, waits until it is up
#   guest_run bob 'ip -br addr'                         runs, prints, passes its status on
#   guest_kill bob                                      gone without a word
#
# A guest's directory is $rig_dir/bob; its share/ is /mnt inside, share/etc is
# its /etc, share/log what tests want to see when they fail.

declare -A guest_pid guest_fd
guest_cpus=$(taskset -cp $$ | sed 's/.*: //') guest_turn=$RANDOM
GUEST_MEM=${GUEST_MEM:-384M}
guest_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
guest_modules=/usr/lib/uml/modules

# guest_missing: prints why no guest can run here; false if one can.
guest_missing()
{
	if ! command -v linux.uml >/dev/null; then
		echo "no linux.uml (package user-mode-linux; amd64 and i386 only)"
	elif [ ! -d "$guest_modules" ]; then
		echo "no $guest_modules"
	else
		return 1
	fi
}

# UML keeps the guest's memory in a file: where there is room for it.
guest_tmp()
{
	local kb
	kb=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
	if [ "${kb:-0}" -gt $((1024 * 1024)) ]; then
		echo /dev/shm
	else
		echo "$rig_dir"
	fi
}

# guest_cpu: that of the newest guest, of those that we may use.
guest_cpu()
{
	local part list=()
	for part in ${guest_cpus//,/ }; do
		mapfile -t -O ${#list[@]} list < <(seq "${part%-*}" "${part#*-}")
	done
	echo "${list[guest_turn % ${#list[@]}]}"
}

# guest_etc DIR: an /etc with only what the programs need, and nothing of the host's own.
guest_etc()
{
	local f
	mkdir -p "$1" || return 1
	for f in passwd group nsswitch.conf protocols services ld.so.cache ld.so.conf ld.so.conf.d \
	    alternatives ipsec.d strongswan.d ppp xl2tpd iproute2; do
		[ -e /etc/$f ] && cp -a /etc/$f "$1/"
	done
	rm -f "$1"/ppp/*secrets "$1"/ppp/peers/* "$1"/ppp/ip-up.d/* "$1"/ppp/ip-down.d/*
	: >"$1/resolv.conf"
	: >"$1/fstab"
}

# guest_start NAME NS BRIDGE ADDRESS/LEN [GATEWAY]: boots a guest with its NIC on
# BRIDGE in namespace NS and waits until it takes commands.  Boot time in
# $guest_boot_ms.
guest_start()
{
	local name=$1 ns bridge=$3 address=$4 gateway=${5:-} dir=$rig_dir/$1 share=$rig_dir/$1/share mac fifo began fd
	ns=$(nsname "$2")
	mkdir -p "$share/log" "$dir/uml" && guest_etc "$share/etc" || return 1
	printf '127.0.0.1 localhost\n%s %s\n' "${address%/*}" "$name" >"$share/etc/hosts"
	echo "$name" >"$share/etc/hostname"
	printf 'NAME=%s\nADDRESS=%s\nGATEWAY=%s\n' "$name" "$address" "$gateway" >"$share/guest.conf"
	cp "$guest_here"/*.sh "$guest_here"/init "$guest_here"/commands "$share/" || return 1
	mkdir -p "$share/root/lib" || return 1
	if ls "$guest_modules"/*/modules.dep >/dev/null 2>&1; then
		ln -s "$guest_modules" "$share/root/lib/modules"
	else
		cp -r "$guest_modules" "$share/root/lib/modules" && depmod -b "$share/root" "$(ls "$guest_modules")" || return 1
	fi
	printf '#!/bin/busybox sh\nexec /sbin/modprobe -d /mnt/root "$@"\n' >"$share/modprobe" && chmod 755 "$share/modprobe"
	mac=02:$(od -An -N5 -tx1 /dev/urandom | sed 's/^ //; s/ /:/g')
	ip -n "$ns" tuntap add "t-$name" mode tap vnet_hdr &&
		ip -n "$ns" link set "t-$name" master "$bridge" up || return 1
	[ -e "$rig_dir/xstate.so" ] ||
		"${CC:-cc}" -O2 -shared -fPIC -o "$rig_dir/xstate.so" "$guest_here/xstate.c" || return 1
	# The guest's kernel and its processes take turns: on one CPU that costs a third less.
	guest_turn=$((guest_turn + 1))
	fifo=$dir/cmd
	mkfifo "$fifo" && exec {fd}<>"$fifo" || return 1
	guest_fd[$name]=$fd
	began=$(now_ms)
	# A PID namespace of its own: when the first process goes, all of the
	# guest's host processes go with it.
	TMPDIR=$(guest_tmp) setpriv --pdeathsig KILL -- ip netns exec "$ns" \
		unshare --pid --fork --kill-child -- taskset -c "$(guest_cpu)" env LD_PRELOAD="$rig_dir/xstate.so" linux.uml mem="$GUEST_MEM" umid="$name" uml_dir="$dir/uml/" \
		root=/dev/root rootfstype=hostfs rootflags=/ ro init="$share/init" share="$share" \
		"vec0:transport=tap,ifname=t-$name,depth=128,gro=0,mac=$mac" \
		con=null con0=null,fd:1 ssl=null ssl0=fd:0,null quiet panic=-1 \
		<"$fifo" >"$dir/console.log" 2>&1 &
	guest_pid[$name]=$!
	rig_pids+=("$!")
	wait_for guest_up_or_dead "$name"
	[ -e "$share/up" ] || { not_ok "guest $name boots"; return 1; }
	guest_boot_ms=$(($(now_ms) - began))
}

guest_up_or_dead()
{
	[ -e "$rig_dir/$1/share/up" ] || ! rig_alive "${guest_pid[$1]}"
}

# guest_send NAME COMMAND: starts it there and returns; its number in $guest_cmd.
# The number is taken by a mkdir, so that subshells may run commands too.
guest_send()
{
	local share=$rig_dir/$1/share
	guest_cmd=1
	while ! mkdir "$share/n.$guest_cmd" 2>/dev/null; do
		[ -d "$share" ] || return 1
		guest_cmd=$((guest_cmd + 1))
	done
	printf '%s\n' "$2" >"$share/cmd.$guest_cmd"
	echo "$guest_cmd" >&"${guest_fd[$1]}"
}

# guest_wait NAME NUMBER: its output, and its exit status; 124 if it hangs, 125
# if the guest died.
guest_wait()
{
	local share=$rig_dir/$1/share end=$((SECONDS + RIG_WAIT))
	until [ -s "$share/rc.$2" ]; do
		rig_alive "${guest_pid[$1]}" || return 125
		[ $SECONDS -lt $end ] || { cat "$share/out.$2"; return 124; }
		sleep 0.02
	done
	cat "$share/out.$2"
	return "$(<"$share/rc.$2")"
}

# guest_run NAME COMMAND: both.
guest_run()
{
	guest_send "$1" "$2" && guest_wait "$1" "$guest_cmd"
}

# guest_kill NAME: as if its power went.
guest_kill()
{
	rig_kill KILL "${guest_pid[$1]}"
}

# vpn_conf NAME SERVER PSK USER PASSWORD [IKE ESP [AUTH]]: whom the guest will call.
vpn_conf()
{
	local share=$rig_dir/$1/share
	{
		printf 'SERVER=%q\nPSK=%q\nUSER=%q\nPASSWORD=%q\n' "$2" "$3" "$4" "$5"
		printf 'IKE=%q\nESP=%q\n' "${6:-aes256-sha1-modp2048}" "${7:-aes256-sha1}"
		printf 'AUTH=%q\n' "${8:-mschap-v2}"
		sed -n 's/^ADDRESS=\(.*\)\/.*/LOCAL=\1/p' "$share/guest.conf"
	} >"$share/vpn.conf"
}

# vpn_start NAME …: the same, and the VPN client's programs in the guest.
vpn_start()
{
	vpn_conf "$@" && guest_run "$1" '. /mnt/vpn.sh start'
}

# vpn_reconf NAME …: the same for programs that run.
vpn_reconf()
{
	vpn_conf "$@" && guest_run "$1" '. /mnt/vpn.sh reconf'
}

# vpn_up NAME: connects; what vpn.sh prints is kept for vpn_get.  LIMIT=seconds
# of patience before it.
vpn_up()
{
	guest_run "$1" "LIMIT=${LIMIT:-45}; . /mnt/vpn.sh up" >"$rig_dir/$1/vpn"
	local status=$?
	cat "$rig_dir/$1/vpn"
	return $status
}

# vpn_get NAME FIELD: what the last vpn_up printed.
vpn_get()
{
	sed -n "s/^$2=//p" "$rig_dir/$1/vpn"
}

vpn_down()
{
	guest_run "$1" '. /mnt/vpn.sh down'
}
