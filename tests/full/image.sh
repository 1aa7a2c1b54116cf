# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2016,SC2154
# A Debian 12 with systemd and the cloud kernel, as a disk for QEMU, and a
# repository with what a package needs there.  Sourced after tests/lib.sh.

# Where this machine itself gets bookworm from; DEBIAN_MIRROR names another place.
MIRROR=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Identifier: Packages' |
	awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')}
image=$top/.deps/debian12

in_image()
{
	DEBIAN_FRONTEND=noninteractive unshare --mount --propagation private sh -c '
		root=$1
		shift
		mount --bind /proc "$root/proc" && mount --bind /dev "$root/dev" && exec chroot "$root" "$@"' sh "$image/root" "$@"
}

# image_make PACKAGE: $image/disk, vmlinuz, initrd and repo/; kept for the next time.
image_make()
{
	local key unit
	key=$(cat "${BASH_SOURCE[0]}" "$top/tests/full/agent" <(dpkg-deb -f "$1" Depends) | sha256sum)
	[ "$(cat "$image/key" 2>/dev/null)" = "$key" ] && return
	note "making a Debian 12 image (some minutes, once)"
	rm -rf "$image"
	mkdir -p "$image/repo" || return 1
	debootstrap --variant=minbase --include=systemd-sysv,udev,dbus,kmod,iproute2,initramfs-tools \
		bookworm "$image/root" "$MIRROR" || return 1
	echo "deb $MIRROR bookworm main" >"$image/root/etc/apt/sources.list"
	in_image apt-get -q update && in_image apt-get -q -y install --no-install-recommends linux-image-cloud-amd64 &&
		in_image apt-get clean || return 1
	cp "$image"/root/boot/vmlinuz-* "$image/vmlinuz" && cp "$image"/root/boot/initrd.img-* "$image/initrd" || return 1

	cp "$1" "$image/root/tmp/p.deb" &&
		in_image apt-get -q -y install --no-install-recommends --download-only /tmp/p.deb &&
		mv "$image"/root/var/cache/apt/archives/*.deb "$image/repo/" &&
		rm "$image/root/tmp/p.deb" && (cd "$image/repo" && dpkg-scanpackages -m . >Packages) || return 1
	echo "deb [trusted=yes] file:/carry/repo ./" >"$image/root/etc/apt/sources.list"
	rm -rf "$image"/root/var/lib/apt/lists/* "$image"/root/var/cache/apt/*

	echo "/dev/vda / ext4 defaults 0 1" >"$image/root/etc/fstab"
	echo testmachine >"$image/root/etc/hostname"
	printf '127.0.0.1 localhost testmachine\n' >"$image/root/etc/hosts"
	printf '[Match]\nName=en*\n[Network]\nAddress=192.0.2.1/24\nGateway=192.0.2.254\nLinkLocalAddressing=no\n' \
		>"$image/root/etc/systemd/network/lan.network"
	install -m 755 "$top/tests/full/agent" "$image/root/usr/local/sbin/agent" || return 1
	unit=$image/root/etc/systemd/system/agent.service
	printf '%s\n' '[Service]' 'ExecStart=/usr/local/sbin/agent' 'StandardInput=tty-force' 'StandardOutput=tty' \
		'TTYPath=/dev/ttyS1' 'Restart=always' '[Install]' 'WantedBy=multi-user.target' >"$unit"
	in_image systemctl enable systemd-networkd agent || return 1
	truncate -s 2G "$image/disk" && mke2fs -q -t ext4 -d "$image/root" "$image/disk" || return 1
	rm -rf "$image/root"
	echo "$key" >"$image/key"
}

# vm_start NS TAP CARRY: boots it with its card on TAP and the tar file CARRY as its second disk.
vm_start()
{
	start_ns "$1" vm qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 -display none \
		-kernel "$image/vmlinuz" -initrd "$image/initrd" -append "root=/dev/vda rw console=ttyS0 quiet" \
		-drive "file=$image/disk,format=raw,if=virtio,snapshot=on" \
		-drive "file=$3,format=raw,if=virtio,readonly=on" \
		-netdev "tap,id=n,ifname=$2,script=no,downscript=no" -device virtio-net-pci,netdev=n \
		-device virtio-rng-pci -serial "file:$rig_dir/console.log" \
		-chardev "socket,id=agent,path=$rig_dir/agent,server=on,wait=off" -serial chardev:agent || return 1
	wait_for test -S "$rig_dir/agent"
}

# vm COMMAND: runs there, prints, passes its status on.
vm()
{
	python3 "$top/tests/full/vm.py" "$rig_dir/agent" "${VM_SECONDS:-600}" "$1"
}

# vm_up: its agent answers.
vm_up()
{
	python3 "$top/tests/full/vm.py" "$rig_dir/agent" "${VM_SECONDS:-600}"
}
