#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# setup.sh installs, upgrades and removes culvert on a machine that is this one's
# copy: an overlay of its root with namespaces of its own, so that nothing stays.
# There is no systemd in it and no way to the Internet.
# shellcheck disable=SC1091,SC2016,SC2154
. "${0%/*}/../lib.sh"

rig_begin "set-up installs, upgrades and removes"
case $build in *-san) rig_skip_all "setup.sh makes its own build" ;; esac
for p in dpkg-buildpackage dh lintian; do
	command -v $p >/dev/null || rig_skip_all "$p is missing"
done
release=$(dpkg-query -W -f '${source:Upstream-Version}' strongswan-libcharon 2>/dev/null)
[ -e "$top/.deps/strongswan-$release/src/libcharon/daemon.h" ] ||
	rig_skip_all "the headers of strongSwan $release are not in .deps (./setup.sh build fetches them)"

# --- the machine ----------------------------------------------------------

root=$rig_dir/ov/root
overlay()
{
	mkdir -p "$rig_dir/ov/$2.up" "$rig_dir/ov/$2.work" &&
		mount -t overlay overlay -o "lowerdir=$1,upperdir=$rig_dir/ov/$2.up,workdir=$rig_dir/ov/$2.work" "$3"
}

machine_up()
{
	mkdir "$rig_dir/ov" && mount -t tmpfs -o mode=755 tmpfs "$rig_dir/ov" && mkdir "$root" &&
		overlay / root "$root" || return 1
	# A checkout on a file system of its own is not in that copy.
	[ -e "$root$top/setup.sh" ] || { mkdir -p "$root$top" && overlay "$top" top "$root$top"; } || return 1
	rm -rf "$root$top/.deps/deb" "$root/etc/culvert" "$root/var/lib/culvert" "$root/run/culvert" &&
		mkdir -p "$root/tmp/t" && chmod 1777 "$root/tmp"
}

# A process that holds the machine's mounts and pids; what runs in it ends with it.
machine_boot()
{
	start_ns srv init unshare --mount --pid --uts --ipc --fork --kill-child --propagation private \
		sh -c "mount --rbind /dev $root/dev && mount -t sysfs sysfs $root/sys && mount -t proc proc $root/proc &&
			mount -t tmpfs tmpfs $root/run && touch $root/tmp/t/up && exec chroot $root sleep infinity" || return 1
	wait_for test -e "$root/tmp/t/up" || return 1
	init=$(pgrep -P "$started" -x sleep) || init=$(pgrep -P "$(pgrep -P "$started")" -x sleep)
}

m()
{
	nsenter -t "$init" -m -p -u -i -n -r -w env -u SUDO_USER PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@" 9>&-
}

setup()
{
	m "$top/setup.sh" "$@" >"$rig_dir/setup.log" 2>&1
}

# refused WHAT TEXT: setup.sh fails, and says TEXT.
refused()
{
	local status
	setup
	status=$?
	check_eq "$1: exit status" 1 $status
	check "$1: it says so, and what to do" grep -qF -- "$2" "$rig_dir/setup.log" || tail -n 5 "$rig_dir/setup.log"
}

# What is there: every file that differs from the real machine's, but for what
# logs, caches and the package manager leave; accounts, packages, the network.
picture()
{
	local f lower
	(cd "$rig_dir/ov/root.up" && find . \( -path ./tmp -o -path ./root -o -path ./run -o -path ./var/cache -o \
		-path ./var/log -o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path ".$top" \) -prune -o \
		! -name .pwd.lock ! -path './etc/*-' ! -path ./etc/ld.so.cache -print) | sort |
		while read -r f; do
			f=$rig_dir/ov/root.up/$f lower=/$f
			if [ -d "$f" ]; then
				[ -d "$lower" ] || echo "new directory ${f#*.up/.}"
			elif ! [ -f "$f" ] || ! cmp -s "$f" "$lower" ||
			    [ "$(stat -c '%a %u %g' "$f")" != "$(stat -c '%a %u %g' "$lower")" ]; then
				stat -c "${f#*.up/.} %F %a %U" "$f"
			fi
		done
	m sh -c 'cat /etc/passwd /etc/group /etc/shadow /etc/gshadow; ls /run
		dpkg-query -W -f "\${db:Status-Status} \${binary:Package}\n" | grep -v "^not-installed"
		ip -o link; ip -4 route; cat /proc/sys/net/ipv4/ip_forward; nft list ruleset'
}

told()
{
	sed -n "s/^  $1 *//p" "$rig_dir/setup.log"
}

must ns_add srv
must ns_add net
must link srv out0 net n0
must addr srv out0 192.0.2.1/24
must addr net n0 192.0.2.254/24
must ip -n "$(nsname srv)" route add default via 192.0.2.254
# The network that set-up would take first is in use.
must ip -n "$(nsname srv)" route add 192.168.80.0/21 via 192.0.2.254
must ns srv sysctl -qw net.ipv4.ip_forward=0
if ! machine_up >"$rig_dir/out" 2>&1; then
	rig_skip_all "no overlay of the root file system: $(tail -n 1 "$rig_dir/out")"
fi
must machine_boot
must m true

# --- what is in the way ---------------------------------------------------

m cp /etc/os-release /tmp/t/os-release
m sh -c 'rm /etc/os-release; echo "ID=fedora PRETTY_NAME=Fedora" | tr " " "\n" >/etc/os-release'
refused "another system" "Fedora is not supported: culvert installs on Debian 12 and 13"
m sh -c 'printf "ID=debian\nVERSION_ID=11\nPRETTY_NAME=Debian-11\n" >/etc/os-release'
refused "an old system" "Debian-11 is not supported: culvert installs on Debian 12 and 13"
m sh -c 'printf "ID=debian\nVERSION_ID=14\nPRETTY_NAME=Debian-14\n" >/etc/os-release'
refused "a system with another strongSwan" "Debian-14 is not supported: culvert installs on Debian 12 and 13"
m sh -c 'rm /etc/os-release && cp /usr/lib/os-release /etc/os-release'
for port in 500 4500; do
	m sh -c 'python3 -c "
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((\"0.0.0.0\", $1))
time.sleep(600)" >/dev/null 2>&1 & echo $! >/tmp/t/taker' sh $port
	wait_for ns srv sh -c "ss -Huln 'sport = :$port' | grep -q ."
	refused "port $port is taken" "UDP port $port is taken by python3 (process "
	m kill "$(m cat /tmp/t/taker)"
	wait_for ns srv sh -c "! ss -Huln 'sport = :$port' | grep -q ."
done
m mount -t tmpfs tmpfs /dev/net
refused "no TUN" "/dev/net/tun is missing: load the module"
m umount /dev/net
check_eq "not root" "setup.sh: this installs packages and changes the network: run it as root (sudo ./setup.sh)" \
	"$(m setpriv --reuid=65534 --clear-groups bash "$top/setup.sh" 2>&1)"
setup --serve
check_eq "wrong usage: exit status" 2 $?
check "nothing was changed so far" m test ! -e /etc/culvert -a ! -e /usr/sbin/culvertd

# --- first time -----------------------------------------------------------

picture >"$rig_dir/before"
check "setup.sh installs" setup || tail -n 20 "$rig_dir/setup.log"
cp "$rig_dir/setup.log" "$rig_dir/first.log"
check_eq "it tells the server's address" 192.0.2.1 "$(told Server)"
check_eq "an account" vpn "$(told Account)"
password=$(told Password) secret=$(told Secret)
check "a password of six groups without look-alikes" grep -qxE '([a-hjkmnp-z2-9]{4}-){5}[a-hjkmnp-z2-9]{4}' <<<"$password"
check "a secret of seven" grep -qxE '([a-hjkmnp-z2-9]{4}-){6}[a-hjkmnp-z2-9]{4}' <<<"$secret"
check "and how to see who is online" grep -q 'culvertctl session brief' "$rig_dir/setup.log"
check_eq "the secret is the one in the file" "$secret" "$(m cat /etc/culvert/psk)"
check "the password too" m grep -qF ":password=$password:" /etc/culvert/users
check_eq "modes" "700 root:root 600 root:root 600 root:root 600 root:root" \
	"$(m stat -c '%a %U:%G' /etc/culvert /etc/culvert/culvert.conf /etc/culvert/psk /etc/culvert/users | xargs)"
check "the configuration leads out of out0" m grep -qx 'ext_if = "out0"' /etc/culvert/culvert.conf
check "the clients' network is none that is in use" m grep -q 'pool-address "192.168.187.10-' /etc/culvert/culvert.conf
check "culvertd finds the configuration good" m culvertd -n
check "the service answers" m culvertctl status
check "it listens on both ports" test "$(ns srv ss -Huln 'sport = :500 or sport = :4500' | grep -c .)" -ge 2
pid=$(m cat /run/culvert/culvertd.pid)
check_eq "its processes are the package's" "/usr/libexec/culvert/culvert-iked /usr/libexec/culvert/culvert-radius /usr/sbin/culvertd" \
	"$(m sh -c 'for p in /proc/[0-9]*; do readlink $p/exe; done' | grep culvert | sort -u | xargs)"
check_eq "and have its accounts" "_culvert _culvert-auth _culvert-ike root" \
	"$(m sh -c 'ps -eo user:32,comm | grep culvert' | awk '{ print $1 }' | sort -u | xargs)"
check_eq "forwarding is on" 1 "$(ns srv cat /proc/sys/net/ipv4/ip_forward)"
check "the firewall is there" ns srv nft list table inet culvert
check "lintian has nothing against the package" m lintian --allow-root --fail-on error,warning "$(m sh -c "echo '$top'/.deps/deb/*.deb")"

# --- again, and an upgrade -------------------------------------------------

m sh -c 'echo "# mine" >>/etc/culvert/culvert.conf; printf "zoe:\\\\\n\t:password=zoes-own:\n" >>/etc/culvert/users'
m sh -c 'cat /etc/culvert/*' >"$rig_dir/conf.1"
check "setup.sh again" setup --server vpn.example.net || tail -n 20 "$rig_dir/setup.log"
check_eq "nothing changed, so the server was not restarted" "$pid" "$(m cat /run/culvert/culvertd.pid)"
check_eq "--server is what clients dial" vpn.example.net "$(told Server)"
check_eq "the rest is as before" "vpn $secret" "$(told Account) $(told Secret)"
check "but the password, which is shown once" test "$(told Password)" != "$password"
check "and nowhere" not grep -qF "$password" "$rig_dir/setup.log"
check "one more user" m sh -c 'culvertctl user add yves | grep -q "^Password  " && culvertctl user show yves'
check "and one less" m culvertctl user del yves
m sh -c 'cat /etc/culvert/*' >"$rig_dir/conf.2"
check "the configuration is untouched" cmp "$rig_dir/conf.1" "$rig_dir/conf.2"
m sh -c "echo another >/var/lib/culvert/hash"
check "setup.sh with another version installed" setup || tail -n 20 "$rig_dir/setup.log"
check "the server was restarted" test "$pid" != "$(m cat /run/culvert/culvertd.pid)"
check "and answers" m culvertctl status
m sh -c 'cat /etc/culvert/*' >"$rig_dir/conf.2"
check "the configuration is untouched still" cmp "$rig_dir/conf.1" "$rig_dir/conf.2"

# --- the supervisor --------------------------------------------------------

pid=$(m cat /run/culvert/culvertd.pid)
m kill -KILL "$pid"
check "a server that was killed is started again" wait_for m sh -c "[ \$(cat /run/culvert/culvertd.pid) != $pid ] && culvertctl status"
m sh -c 'echo rubbish >>/etc/culvert/culvert.conf'
refused "a broken configuration" "/etc/culvert/culvert.conf has a mistake"
check "where it is, is said" grep -q '^/etc/culvert/culvert.conf:[0-9]*:1: unknown statement "rubbish"' "$rig_dir/setup.log"

# --- remove ----------------------------------------------------------------

# As if it had come in with culvert: nobody needs it but the build.
m sh -c 'echo bison >>/var/lib/culvert/packages'
check "setup.sh remove" setup remove || tail -n 20 "$rig_dir/setup.log"
check "the packages that came in for it are listed" grep -qx '  bison' "$rig_dir/setup.log"
check "and installed still" m sh -c 'command -v bison'
check "setup.sh remove --packages" setup remove --packages || tail -n 20 "$rig_dir/setup.log"
check "now they are gone" not m sh -c 'command -v bison'
check_eq "no process is left" "" "$(m sh -c 'for p in /proc/[0-9]*; do readlink $p/exe; done' | grep culvert)"
picture >"$rig_dir/after"
diff "$rig_dir/before" "$rig_dir/after" | grep '^[<>]' | grep -vE 'bison|yacc|^> adduser$' >"$rig_dir/out"
check_eq "everything else is as before" "" "$(cat "$rig_dir/out")"
setup remove
check "remove again has nothing to do" grep -q 'culvert is not installed' "$rig_dir/setup.log"
rig_end
