#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Debian 13, whose strongSwan is 6.0: this tree builds there by its own setup.sh without
# a warning and passes make check; tests of real clients and of culvert-dial pass against
# the server that was built; set-up installs the package, a client of this machine logs
# in with what set-up told, and remove leaves nothing.
#
# Debian 13 is a folder that programs have for their root, in namespaces of their own; the
# kernel is this machine's.  It is kept in .deps/debian13 for the next time, with the
# packages that the build needs and without this tree.  TRIXIE_TESTS names other root tests.
# shellcheck disable=SC1091,SC2016,SC2154
. "${0%/*}/../lib.sh"

RELEASE=trixie
image=$top/.deps/debian13
root=$image/root

# mirrors: where this machine itself gets Debian from, as a sources.list for $RELEASE;
# DEBIAN_MIRROR names another place.
mirrors()
{
	if [ -n "${DEBIAN_MIRROR:-}" ]; then
		echo "deb $DEBIAN_MIRROR $RELEASE main"
		return
	fi
	apt-get indextargets --format '$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Identifier: Packages' |
		awk -v here="$(. /etc/os-release && echo "$VERSION_CODENAME")" -v release=$RELEASE '
			$3 == "main" && $2 ~ "^" here "(-updates|-security)?$" {
				sub("^" here, release, $2)
				print "deb", $1, $2, "main"
			}' | sort -u
}

# locked COMMAND…: nobody else works on the folder meanwhile.
locked()
{
	mkdir -p "$image" && (flock 8 && "$@" 8>&-) 8>"$image/lock"
}

image_make()
{
	local key list
	list=$(mirrors)
	key=$({ declare -f image_make; echo "$list"; } | sha256sum)
	[ "$(cat "$image/key" 2>/dev/null)" = "$key" ] && return
	rm -rf "$root" "$image/headers" "$image/key"
	# By itself: what it mounts goes with it, however it ends.
	unshare --mount --propagation private debootstrap --variant=minbase \
		--include=ca-certificates,iproute2,adduser,python3,libcmocka-dev \
		$RELEASE "$root" "$(awk -v r=$RELEASE '$3 == r { print $2; exit }' <<<"$list")" || return 1
	echo "$list" >"$root/etc/apt/sources.list"
	in_root apt-get -q update && in_root apt-get -q -y upgrade || return 1
	echo "$key" >"$image/key"
}

# in_root COMMAND…: in the folder, with this machine's devices and the directory of tests.
# A script, since programs that look like those of a build are made of it.
in_root_make()
{
	cat >"$rig_dir/in-root" <<-END && chmod 755 "$rig_dir" "$rig_dir/in-root"
	#!/bin/sh
	DEBIAN_FRONTEND=noninteractive IN_ROOT=1 exec unshare --mount --propagation private sh -c '
		mount --bind /proc "\$0/proc" && mount --rbind /dev "\$0/dev" && mount --rbind /sys "\$0/sys" &&
			mkdir -p "\$0${rig_dir%/*}" && mount --rbind "${rig_dir%/*}" "\$0${rig_dir%/*}" &&
			cd / && exec chroot "\$0" "\$@"' "$root" "\$@"
	END
}

in_root()
{
	"$rig_dir/in-root" "$@"
}

# tree_make: this tree without what was built of it, and what was fetched for it the last time.
tree_make()
{
	mkdir -p "$tree/.deps" && tar -C "$top" -c --anchored --exclude=./.git --exclude=./.deps --exclude='./build*' \
		--exclude=./autom4te.cache --exclude='./m4/*.m4' --exclude=./aclocal.m4 --exclude=./configure \
		--exclude=./config.h.in --exclude=./Makefile.in --exclude='./culvert[dc]*' . | tar -x -C "$tree" || return 1
	[ ! -d "$image/headers" ] || cp -a "$image"/headers/. "$tree/.deps/"
}

tree_keep()
{
	[ -d "$image/headers" ] || { mkdir "$image/headers" && cp -a "$tree"/.deps/strongswan-* "$image/headers/"; }
}

# programs_make: $rig_dir/build looks like a build directory, and what it holds runs in the folder.
programs_make()
{
	local p
	mkdir -p "$rig_dir/build/tests/ike" && ln -s "$tree/build/.libs" "$rig_dir/build/.libs" || return 1
	for p in culvertd culvertctl culvert-dial culvert-iked culvert-firewall tests/ike/harness; do
		[ -x "$tree/build/$p" ] || return 1
		cat >"$rig_dir/build/$p" <<-END && chmod 755 "$rig_dir/build/$p" || return 1
		#!/bin/sh
		# Started by one that is there already?
		[ -z "\${IN_ROOT:-}" ] || exec "$tree/build/$p" "\$@"
		exec "$rig_dir/in-root" "$tree/build/$p" "\$@"
		END
	done
}

# passes SCRIPT: a root test of this tree does, with programs that run in the folder.
passes()
{
	local log=$rig_dir/${1%.sh}.log status n
	BUILD=$rig_dir/build BUILD_ROOT=$root "$top/tests/netns/$1" >"$log" 2>&1 </dev/null
	status=$?
	n=$(grep -c '^ok ' "$log")
	if grep -q '^1\.\.0 # SKIP' "$log"; then
		skip "$1" "$(sed -n 's/^1\.\.0 # SKIP //p' "$log")"
	elif [ $status = 0 ] && [ "$n" -gt 0 ]; then
		ok "$1 passes ($n)"
	else
		not_ok "$1 passes"
		grep -A 3 '^not ok' "$log" | sed 's/^/#   /'
	fi
}

rig_begin "Debian 13 and strongSwan 6.0: build, check, clients, set-up"
for p in debootstrap apt-get nsenter; do
	command -v $p >/dev/null || rig_skip_all "$p is missing"
done
[ -n "$(mirrors)" ] || rig_skip_all "this machine's package sources are not Debian's: DEBIAN_MIRROR=URL names one"
tree=$rig_dir/tree
in_root_make
[ -e "$image/key" ] || note "making a Debian 13 (some minutes, once)"
must locked image_make

# --- build and make check ---

must tree_make
check "setup.sh build" locked in_root sh -c "exec '$tree/setup.sh' build >'$rig_dir/setup-build.log' 2>&1" || rig_end
locked tree_keep
check "with culvert-iked" test -x "$tree/build/culvert-iked"
note "$(in_root sh -c '. /etc/os-release; printf "%s, %s" "$PRETTY_NAME" "$(gcc --version | head -n 1)"
	dpkg-query -W -f ", \${Package} \${Version}" strongswan-libcharon libssl3t64 libnftables1 libipsec-mb2' 2>/dev/null)"
check "for strongSwan 6" grep -q -- '-DSS_VERSION=0x06' "$tree/build/Makefile"
check "make check" in_root sh -c "make -s -C '$tree/build' -j$(nproc) check >'$rig_dir/make-check.log' 2>&1"
check_eq "nothing of it failed or was skipped" "# SKIP:  0 # FAIL:  0 # ERROR: 0" \
	"$(grep -E '^# (FAIL|SKIP|ERROR): ' "$tree/build/test-suite.log" | xargs -d '\n' | sed 's/ *$//')"
check "its unit tests were there ($(grep '^# PASS' "$tree/build/test-suite.log"))" \
	grep -q '^PASS: tests/unit/t_ike$' "$rig_dir/make-check.log"

# libtool says of every build that our archives are no shared libraries.
check_eq "all of that without a warning" "" \
	"$(grep -ih 'warning:' "$rig_dir/setup-build.log" "$rig_dir/make-check.log" | grep -v '^libtool: ' | head -n 5)"

# --- clients ---

must programs_make
# Real clients; what engines are told; every suite; one that tries everything; DPD; rekeying.
for t in ${TRIXIE_TESTS-10-client.sh 20-ike.sh 21-proposals.sh 40-dial.sh 48-dpd.sh 48-rekey.sh}; do
	passes $t
done

# --- set-up: a machine made of the folder, which is not written to ---

check "setup.sh package" locked in_root sh -c "exec '$tree/setup.sh' package >'$rig_dir/setup-package.log' 2>&1" || rig_end
machine=$rig_dir/machine
machine_boot()
{
	mkdir -p "$machine" && ns_add srv && ns_add net && link srv out0 net n0 && addr srv out0 192.0.2.1/24 &&
		addr net n0 192.0.2.254/24 && ip -n "$(nsname srv)" route add default via 192.0.2.254 || return 1
	start_ns srv machine unshare --mount --pid --uts --ipc --fork --kill-child --propagation private sh -c '
		mount -t tmpfs -o mode=755 tmpfs "$1" && mkdir "$1/up" "$1/work" "$1/root" &&
			mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/up,workdir=$1/work" "$1/root" &&
			mount --rbind /dev "$1/root/dev" && mount -t proc proc "$1/root/proc" && mount -t sysfs sysfs "$1/root/sys" &&
			mount -t tmpfs tmpfs "$1/root/run" && mkdir -p "$1/root$3" && mount --rbind "$3" "$1/root$3" &&
			touch "$4" && exec chroot "$1/root" sleep infinity' sh "$machine" "$root" "${rig_dir%/*}" "$rig_dir/booted" || return 1
	wait_for test -e "$rig_dir/booted" || return 1
	init=$(pgrep -P "$started" -x sleep) || init=$(pgrep -P "$(pgrep -P "$started")" -x sleep)
}

m()
{
	nsenter -t "$init" -m -p -u -i -n -r -w env -u SUDO_USER PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"
}

told()
{
	sed -n "s/^  $1 *//p" "$rig_dir/setup.log"
}

must machine_boot
check "setup.sh installs" m sh -c "exec '$tree/setup.sh' >'$rig_dir/setup.log' 2>&1" || rig_end
check_eq "it tells the server's address" 192.0.2.1 "$(told Server)"
(umask 077 && told Secret >"$rig_dir/psk" && told Password >"$rig_dir/password")
check "a client of this machine logs in with what it told, and pings" ns net timeout 120 "$build/culvert-dial" -s 192.0.2.1 \
	-k "@$rig_dir/psk" -u "$(told Account)" -p "@$rig_dir/password" --ping 50 --hold 2
check "and is gone when it hung up" wait_for eval '[ "$(m culvertctl status | awk "\$2 == \"sessions\" { n += \$3 } END { print n + 0 }")" = 0 ]'
check "setup.sh remove" m sh -c "exec '$tree/setup.sh' remove >'$rig_dir/setup-remove.log' 2>&1"
check "the ports are free" m sh -c '! ss -Huln | grep -E ":(500|4500) "'
check "and nothing of it is there" m sh -c '! test -e /etc/culvert && ! test -e /usr/sbin/culvertd'
rig_end
