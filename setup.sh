#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sets culvert up from a checkout.
#
#   sudo ./setup.sh [--server NAME]       install or upgrade it, start it, say what to type into a phone
#   sudo ./setup.sh --package FILE        the same with a package that was built elsewhere
#   sudo ./setup.sh remove [--packages]   take it away again, and the packages that it needed
#   sudo ./setup.sh package               only build the Debian package, in .deps/deb/
#   sudo ./setup.sh build                 what building needs, then the build, in build/
#   sudo ./setup.sh check [--full]        that, and what testing needs, then every test
#   sudo ./setup.sh bench [OPTION…]       how fast it is, beside others: bench/README.md
#
# Nothing is installed but Debian packages, and no service of theirs is started
# but culvert's own.  Packages that come in are noted in /var/lib/culvert/packages.
# Exit status: 0 done, 1 it failed, 2 wrong usage.
set -u
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
top=$(cd "$(dirname "$0")" && pwd -P) || exit 1
cd "$top" || exit 1
deps=$top/.deps
jobs=$(nproc)
verb=
passed=0 failed=0 skipped=0
failures=() skips=()
etc=/etc/culvert
state=/var/lib/culvert
pidfile=/run/culvert/culvertd.pid

BUILD_PACKAGES="build-essential autoconf automake libtool pkg-config bison dpkg-dev xz-utils
	libssl-dev libevent-dev libnftables-dev libmnl-dev libseccomp-dev libradcli-dev libgnutls28-dev nettle-dev libcrypt-dev
	strongswan-libcharon libstrongswan libstrongswan-standard-plugins"
INSTALL_PACKAGES="iproute2 adduser"
PACKAGE_PACKAGES="debhelper fakeroot"
CHECK_PACKAGES="lintian mandoc libcmocka-dev clang libclang-rt-dev
	iproute2 nftables iputils-ping tcpdump ethtool kmod busybox-static python3 openssl curl util-linux procps
	ppp xl2tpd strongswan-starter strongswan-charon libcharon-extauth-plugins iperf3 valgrind ike-scan
	softether-vpnserver softether-vpncmd l2tpns freeradius freeradius-utils sqlite3"
# Whom it is compared with, and what measures; none of their services is left enabled.
BENCH_PACKAGES="iproute2 nftables iputils-ping ethtool kmod busybox-static python3 openssl util-linux procps
	ppp xl2tpd strongswan-starter strongswan-charon libcharon-extauth-plugins
	iperf3 softether-vpnserver softether-vpncmd l2tpns linux-perf"
# A whole machine, booted.
FULL_PACKAGES="debootstrap e2fsprogs qemu-system-x86"
# Only where Debian has them: ciphers in vector registers; a real kernel for the clients, as a program.
if [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ]; then
	BUILD_PACKAGES="$BUILD_PACKAGES libipsec-mb-dev"
	CHECK_PACKAGES="$CHECK_PACKAGES user-mode-linux"
	BENCH_PACKAGES="$BENCH_PACKAGES user-mode-linux"
fi

usage()
{
	cat >&2 <<-END
	usage: sudo ./setup.sh [--server NAME|ADDRESS] [--package FILE]
	                                                install or upgrade culvert and start it;
	                                                NAME: what clients dial, where the machine does not know;
	                                                FILE: the package, if it was built elsewhere
	       sudo ./setup.sh remove [--packages]      remove it, its users and its configuration
	       sudo ./setup.sh package                  build the Debian package, for another machine
	       sudo ./setup.sh build                    install what building needs, and build
	       sudo ./setup.sh check [--full]           install what testing needs too, build, run every test
	       sudo ./setup.sh bench [--quick | OPTION…]
	                                                install what others are, measure them and it (bench/README.md)
	END
	exit 2
}

say()
{
	printf 'setup.sh: %s\n' "$*"
}

die()
{
	printf 'setup.sh: %s\n' "$*" >&2
	if [ "$verb" = check ]; then
		failed=$((failed + 1)) failures+=("$*")
		summary
	fi
	exit 1
}

# The build belongs to whoever the checkout belongs to, and needs no root.
owner=$(stat -c %u "$top")
group=$(stat -c %g "$top")
as_owner()
{
	if [ "$owner" = 0 ]; then
		"$@"
	else
		setpriv --reuid="$owner" --regid="$group" --clear-groups env HOME="$top/.deps" "$@"
	fi
}

# --- packages -------------------------------------------------------------

policy=/usr/sbin/policy-rc.d
policy_ours=no

undo()
{
	[ $policy_ours = yes ] && rm -f "$policy"
	policy_ours=no
}
trap undo EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

lists_fresh()
{
	[ -n "$(find /var/lib/apt/lists -maxdepth 1 -name '*_Packages*' -mtime -1 -print -quit 2>/dev/null)" ]
}

# What comes in, so that it can go again: ours is the package, these are its needs.
packages_now()
{
	dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed //p' | grep -vx 'culvert.*' | sort
}

# packages_note BEFORE: note down what is installed now and was not in BEFORE.
packages_note()
{
	local new
	new=$(comm -13 <(printf '%s\n' "$1") <(packages_now))
	[ -n "$new" ] || return 0
	mkdir -p $state && printf '%s\n' "$new" >>$state/packages && sort -u -o $state/packages $state/packages
}

# need PACKAGE…: installs those that are missing.  Debian starts a service when
# its package comes in; strongSwan's and xl2tpd's would take the ports that
# culvert wants, and this is somebody's machine: a policy-rc.d for the time of
# the installation keeps them from starting (in containers too), and those
# that came with us stay off at the next boot.
need()
{
	local p missing=() unit units=() before
	for p; do installed "$p" || missing+=("$p"); done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing: ${missing[*]}"
	for unit in xl2tpd strongswan-starter softether-vpnserver l2tpns freeradius; do
		case " ${missing[*]} " in *" $unit "*) units+=("$unit") ;; esac
	done
	if [ ! -e $policy ]; then
		policy_ours=yes
		printf '#!/bin/sh\n# only while setup.sh of culvert installs packages\nexit 101\n' >$policy || die "cannot write $policy"
		chmod 755 $policy
	fi
	before=$(packages_now)
	lists_fresh || apt-get -q -o DPkg::Lock::Timeout=300 update || say "apt-get update failed; trying with the lists there are"
	if ! apt_install "${missing[@]}"; then
		# The lists may name packages that the archive has since replaced.
		apt-get -q -o DPkg::Lock::Timeout=300 update
		apt_install "${missing[@]}" || { packages_note "$before"; die "cannot install: ${missing[*]}"; }
	fi
	packages_note "$before"
	undo
	for unit in "${units[@]}"; do
		if command -v systemctl >/dev/null; then
			systemctl disable --quiet "$unit.service" >/dev/null 2>&1 || true
		elif [ -e "/etc/init.d/$unit" ]; then
			update-rc.d "$unit" disable >/dev/null 2>&1 || true
		fi
	done
}

apt_install()
{
	apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" </dev/null
}

# --- strongSwan's headers -------------------------------------------------

# Debian packages no headers of libcharon, and its structs change between
# releases: they come from the source package of the release that is installed.
strongswan_source()
{
	local upstream list='' parts='' f apt versions suites from v conf=$deps/apt tmp
	upstream=$(dpkg-query -W -f '${source:Upstream-Version}' strongswan-libcharon)
	[ -n "$upstream" ] || die "strongswan-libcharon is not installed"
	strongswan=$deps/strongswan-$upstream
	[ -e "$strongswan/src/libcharon/daemon.h" ] && return 0

	# The machine's own package sources, as sources of source packages; /etc/apt
	# stays as it is.
	eval "$(apt-config shell list Dir::Etc::sourcelist/f parts Dir::Etc::sourceparts/d)"
	rm -rf "$conf" "$deps"/fetch.*
	mkdir -p "$conf/parts" "$conf/lists/partial" "$conf/cache" || die "cannot write $conf"
	for f in "$list" "${parts%/}"/*.list; do
		[ -f "$f" ] && sed -nE 's/^[[:space:]]*deb(-src)?[[:space:]]/deb-src /p' "$f"
	done | grep -v '[ :]cdrom:' | sort -u >"$conf/parts/machine.list"
	for f in "${parts%/}"/*.sources; do
		[ -f "$f" ] && sed -E 's/^[Tt]ypes:.*/Types: deb-src/' "$f" >"$conf/parts/${f##*/}"
	done
	apt="-q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts=$conf/parts -o Dir::State::Lists=$conf/lists
		-o Dir::Cache=$conf/cache"
	tmp=$(mktemp -d "$deps/fetch.XXXXXX") || die "cannot write $deps"
	chmod 755 "$tmp" && chown _apt "$tmp"
	# apt fetches as _apt where that user can reach the directory.
	setpriv --reuid=_apt --clear-groups test -w "$tmp" 2>/dev/null || apt="$apt -o APT::Sandbox::User=root"

	say "fetching strongSwan $upstream (its source package; nothing of it is installed)"
	# A third-party source may have no source packages; only strongSwan's counts.
	# shellcheck disable=SC2086
	apt-get $apt update || say "not every package source could be read"

	# Any Debian revision of that release will do: the archive drops a revision's
	# files when the next one comes, often before the index says so.  The one
	# installed first, then from the newest down.
	# shellcheck disable=SC2086
	versions=$(apt-cache $apt showsrc strongswan 2>/dev/null | awk -v u="$upstream" '
		/^Package:/ { p = $2 }
		/^Version:/ && p == "strongswan" {
			v = $2; sub(/^[0-9]+:/, "", v); sub(/-[^-]*$/, "", v)
			if (v == u) print $2
		}' | sort -urV)
	[ -n "$versions" ] || die "no package source of this machine has strongSwan $upstream, the version installed"
	f=$(dpkg-query -W -f '${source:Version}' strongswan-libcharon)
	# shellcheck disable=SC2086
	suites=$(apt-get $apt indextargets --format 'strongswan/$(CODENAME)' 'Created-By: Sources' | sort -u)
	for v in $(printf '%s\n' "$versions" | grep -xF -- "$f") $(printf '%s\n' "$versions" | grep -vxF -- "$f"); do
		# apt takes the first archive that lists a version, whose files may be gone while another one has them.
		for from in "strongswan=$v" $suites; do
			# apt checks every file against the signed index.
			# shellcheck disable=SC2086
			(cd "$tmp" && apt-get $apt source --download-only --only-source "$from") &&
				[ -e "$tmp/strongswan_${v#*:}.dsc" ] &&
				dpkg-source -x "$tmp/strongswan_${v#*:}.dsc" "$tmp/tree" >"$deps/dpkg-source.log" 2>&1 && break 2
			rm -rf "$tmp/tree"
		done
		say "strongswan $v cannot be had"
	done
	if [ ! -d "$tmp/tree" ]; then
		# The upstream tarball outlives the revisions, and has the headers.
		for f in "$tmp"/strongswan_"$upstream".orig.tar.*; do
			case $f in *'*' | *.asc | *.FAILED) continue ;; esac
			mkdir "$tmp/tree" && tar -xf "$f" -C "$tmp/tree" --strip-components=1 && break
			rm -rf "$tmp/tree"
		done
	fi
	[ -e "$tmp/tree/src/libcharon/daemon.h" ] || die "cannot fetch the source of strongSwan $upstream"
	rm -rf "$strongswan"
	{ chown -R "$owner:$group" "$tmp/tree" && chmod -R a+rX "$tmp/tree" && mv "$tmp/tree" "$strongswan"; } ||
		die "cannot write $strongswan"
	rm -rf "$tmp" "$conf"
}

# --- build ----------------------------------------------------------------

# tree DIR ARGUMENT…: a build directory, configured with these arguments.
tree()
{
	local dir=$1
	shift
	set -- --with-strongswan="$strongswan" "$@"
	as_owner mkdir -p "$dir" || die "cannot write $dir"
	if [ ! -e "$dir/Makefile" ] || [ "$(cat "$dir/.arguments" 2>/dev/null)" != "$*" ]; then
		(cd "$dir" && as_owner "$top/configure" -q "$@") || die "configure failed in $dir (see $dir/config.log)"
		printf '%s\n' "$*" | as_owner tee "$dir/.arguments" >/dev/null
	fi
	as_owner make -s -j"$jobs" -C "$dir" || die "the build in $dir failed"
}

# One set-up at a time in one checkout.
deps_lock()
{
	mkdir -p "$deps" && chown "$owner:$group" "$deps" || exit 1
	exec 9>"$deps/lock" && flock 9
}

do_build()
{
	local p
	# shellcheck disable=SC2086
	need $BUILD_PACKAGES
	deps_lock
	strongswan_source
	# make would follow most changes by itself, but adds no new helper files.
	if [ ! -x configure ] || [ -n "$(find configure.ac Makefile.am ./*/*.mk -newer Makefile.in 2>&1)" ]; then
		as_owner mkdir -p m4
		as_owner autoreconf -fi || die "autoreconf failed"
	fi
	tree "$top/build"
	for p in culvertd culvertctl; do
		[ ! -e "build/$p" ] || as_owner ln -sfn "build/$p" "$p"
	done
}

# --- check ----------------------------------------------------------------

# suite DIR NAME: make check there; counts from automake's summary.
suite()
{
	local log=$1/test-suite.log status n
	say "$2: make check"
	rm -f "$log"
	as_owner make -s -j"$jobs" -C "$1" check </dev/null
	status=$?
	n=$(count PASS "$log"); passed=$((passed + n))
	n=$(count XFAIL "$log"); passed=$((passed + n))
	n=$(count SKIP "$log"); skipped=$((skipped + n))
	[ "$n" -eq 0 ] || skips+=("$2: $n of make check, see $log")
	n=$(($(count FAIL "$log") + $(count XPASS "$log") + $(count ERROR "$log")))
	[ "$n" -eq 0 ] && [ $status -ne 0 ] && n=1
	failed=$((failed + n))
	[ "$n" -eq 0 ] || failures+=("$2: $n of make check, see $log")
}

count()
{
	local n
	n=$(sed -n "s/^# $1: *//p" "$2" 2>/dev/null | head -n 1)
	echo "${n:-0}"
}

# tally NAME LOG STATUS: of a test script that has run.  Its lines are TAP, or it
# is one test by its exit status.
tally()
{
	local name=$1 log=$2 status=$3 p=0 f=0 s=0 line
	while read -r line; do
		case $line in
		"1..0 # SKIP "*) s=$((s + 1)) skips+=("$name: ${line#*# SKIP }") ;;
		"ok "*"# SKIP "*) s=$((s + 1)) skips+=("$name: ${line#ok }") ;;
		"ok "*) p=$((p + 1)) ;;
		"not ok "*) f=$((f + 1)) failures+=("$name: ${line#not ok }") ;;
		esac
	done <"$log"
	if [ "$status" -ne 0 ] && [ $f -eq 0 ]; then
		f=1
		failures+=("$name: exit status $status")
	fi
	[ $((p + f + s)) -gt 0 ] || p=1
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# scripts BUILD LABEL SCRIPT…: run them, $AT_ONCE at a time, by default two for each CPU:
# they wait more than they work.  What each says is shown whole, in the order of the arguments.
scripts()
{
	local build=$1 label=$2 t log dir=$deps/tap.$$ shower began=$SECONDS
	shift 2
	mkdir -p "$dir" || die "cannot write $dir"
	export dir
	(
		for t; do
			log=$dir/$(basename "$t")
			until [ -e "$log.status" ] || [ -e "$dir/end" ]; do
				kill -0 $$ 2>/dev/null || exit
				sleep 0.2
			done
			echo "== $t ($(cat "$log.seconds") s)"
			cat "$log"
		done
	) 9>&- &
	shower=$!
	# shellcheck disable=SC2016
	printf '%s\n' "$@" | BUILD=$build top_srcdir=$top top_builddir=$build SCRIPT_SECONDS=${SCRIPT_SECONDS:-600} \
		xargs -P "${AT_ONCE:-$((2 * jobs))}" -I '{}' bash -c '
			log=$dir/$(basename "$1")
			timeout --kill-after=30 "$SCRIPT_SECONDS" "$1" </dev/null >"$log" 2>&1
			status=$?
			echo $SECONDS >"$log.seconds"
			echo $status >"$log.new" && mv "$log.new" "$log.status"' _ '{}' 9>&-
	: >"$dir/end"
	wait $shower
	for t; do
		log=$dir/$(basename "$t")
		tally "${t#"$top/"}${label:+ ($label)}" "$log" "$(cat "$log.status" 2>/dev/null || echo 1)"
	done
	[ $# -eq 1 ] || say "$# scripts: $((SECONDS - began)) s"
	rm -rf "$dir"
}

# root_scripts: those of tests/netns/, the longest ones first, so that none is left alone at the end.
root_scripts()
{
	local t long=()
	for t in 30-install 75-paste 55-kernel-esp 23-nat 67-xauth 10-client 11-raw-esp; do
		long+=("$top/tests/netns/$t.sh")
	done
	printf '%s\n' "${long[@]}"
	printf '%s\n' "$top"/tests/netns/*.sh | grep -vxF "$(printf '%s\n' "${long[@]}")"
}

# fuzz SECONDS: every target in turn, $jobs at a time, all within SECONDS.
fuzz()
{
	local dir=$top/build-fuzz targets=() t name each log
	tree "$dir" --enable-werror --enable-sanitize --enable-fuzz CC=clang
	as_owner make -s -j"$jobs" -C "$dir" check TESTS= >/dev/null || die "the fuzz targets do not build"
	for t in "$dir"/tests/fuzz/fuzz_*; do
		case $t in *.*) continue ;; esac
		[ -x "$t" ] && [ -f "$t" ] && targets+=("${t##*/}")
	done
	[ ${#targets[@]} -gt 0 ] || { failed=$((failed + 1)) failures+=("no fuzz targets"); return; }
	each=$(($1 * jobs / ${#targets[@]}))
	[ "$each" -ge 3 ] || each=3
	[ "$each" -le "$1" ] || each=$1
	say "fuzz: ${#targets[@]} targets, $each s each"
	printf '%s\n' "${targets[@]}" | as_owner xargs -P "$jobs" -I '{}' bash "$top/tests/fuzz/run.sh" "$dir" '{}' "$each" 9>&-
	for name in "${targets[@]}"; do
		log=$dir/fuzz-$name.log
		if [ "$(tail -n 1 "$log" 2>/dev/null)" = "run.sh: status 0" ]; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			failures+=("$name, see $log")
			tail -n 40 "$log"
		fi
	done
}

do_check()
{
	local full=$1 root
	if [ "$full" = yes ]; then
		CHECK_PACKAGES="$CHECK_PACKAGES $FULL_PACKAGES"
		export FULL=1		# scripts with a longer form take it
	fi
	# shellcheck disable=SC2086
	need $BUILD_PACKAGES $PACKAGE_PACKAGES $INSTALL_PACKAGES $CHECK_PACKAGES
	# Without cmocka the last configure left the unit tests out.
	grep -qs '^UNIT_TESTS_TRUE = *$' build/Makefile || rm -f build/.arguments
	do_build
	suite "$top/build" "plain build"
	tree "$top/build-san" --enable-werror --enable-sanitize
	suite "$top/build-san" "sanitizer build"
	as_owner make -s -j"$jobs" -C "$top/build" bench-programs bench/trace >/dev/null || die "the benchmark does not build"
	# Where CI runs, it must have something to compare with.
	REGRESS_MUST=$(system_tested && echo 1) scripts "$top/build" "" "$top/bench/regress.py"
	# A test for each check of the parsers; otherwise of every twelfth.
	MUTATE_SAMPLE=$([ "$full" = yes ] && echo 1 || echo 12) SCRIPT_SECONDS=1800 scripts "$top/build" "" "$top/tests/mutate.py"
	mapfile -t root < <(root_scripts)
	scripts "$top/build" "" "${root[@]}"
	# By itself: it measures, though nothing depends on the numbers.
	tree "$top/build-null" --enable-bench-null-crypto
	scripts "$top/build" "" "$top/tests/bench.sh"
	if [ "$full" = yes ]; then
		SCRIPT_SECONDS=1200 scripts "$top/build-san" sanitizers "${root[@]}"
		package_build
		AT_ONCE=2 PACKAGE=$package SCRIPT_SECONDS=2400 scripts "$top/build" "" "$top"/tests/full/monkey.sh "$top"/tests/full/ten-thousand.sh "$top"/tests/full/slow-start.sh "$top"/tests/full/qemu.sh "$top"/tests/full/kernel-esp.sh \
			"$top"/tests/full/trixie.sh
		fuzz 40
	else
		fuzz 120
	fi
	summary
	[ $failed -eq 0 ]
}

# system_tested: Debian 12 on amd64, its own compiler.
system_tested()
{
	# shellcheck disable=SC1091
	(. /etc/os-release && [ "$ID-$VERSION_ID" = debian-12 ]) && [ "$(dpkg --print-architecture)" = amd64 ] && [ -z "${CC:-}" ]
}

# --- bench ----------------------------------------------------------------

do_bench()
{
	# shellcheck disable=SC2086
	need $BUILD_PACKAGES $BENCH_PACKAGES
	do_build
	tree "$top/build-null" --enable-bench-null-crypto
	as_owner make -s -j"$jobs" -C "$top/build" bench-programs || die "the benchmark does not build"
	local status
	BUILD=$top/build NULL_BUILD=$top/build-null "$top/bench/run.sh" "$@" 9>&-
	status=$?
	[ ! -d bench/results ] || chown -R "$owner:$group" bench/results
	return $status
}

summary()
{
	local line
	echo
	for line in "${skips[@]}"; do echo "skipped: $line"; done
	for line in "${failures[@]}"; do echo "failed: $line"; done
	echo "$passed passed, $failed failed, $skipped skipped"
}

# --- install --------------------------------------------------------------

server=			# --server: what clients dial
package=		# --package, or the one built here
account=		# what culvertctl said of the first user, if he was made now
changed=no		# the program is another one than before

systemd_runs()
{
	[ -d /run/systemd/system ]
}

# culvertd holds a lock on its pid file as long as it lives.
culvertd_runs()
{
	[ -e $pidfile ] && ! flock -n $pidfile true
}

# Where it is tested; the plugin is written for the releases of strongSwan that these have.
system_supported()
{
	local ID='' VERSION_ID='' PRETTY_NAME=''
	# shellcheck disable=SC1091
	[ -r /etc/os-release ] && . /etc/os-release
	case $ID-$VERSION_ID in
	debian-12 | debian-13) command -v apt-get >/dev/null && return ;;
	esac
	die "${PRETTY_NAME:-this system} is not supported: culvert installs on Debian 12 and 13"
}

tun_there()
{
	[ -c /dev/net/tun ] || modprobe -q tun 2>/dev/null
	[ -c /dev/net/tun ] ||
		die "/dev/net/tun is missing: load the module (modprobe tun); a container gets it from its host (--device /dev/net/tun --cap-add NET_ADMIN)"
	(: <>/dev/net/tun) 2>/dev/null ||
		die "/dev/net/tun cannot be opened: the container's host must allow it (--device /dev/net/tun --cap-add NET_ADMIN)"
}

# The ports of IKE: ours, or free.  /proc tells without any package that they
# are taken; ss tells by whom.
ports_free()
{
	local port hex who remedy
	culvertd_runs && return
	for port in 500 4500; do
		hex=$(printf '%04X' $port)
		awk -v p=":$hex$" '$2 ~ p { found = 1 } END { exit !found }' /proc/self/net/udp /proc/self/net/udp6 2>/dev/null ||
			continue
		who=$(ss -Hulpn "sport = :$port" 2>/dev/null | sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/\1 (process \2)/p' | head -n 1)
		case $who in
		charon* | starter*) remedy="stop strongSwan (systemctl disable --now strongswan-starter strongswan)" ;;
		pluto*) remedy="stop Libreswan (systemctl disable --now ipsec)" ;;
		vpnserver*) remedy="stop SoftEther or switch its L2TP server off" ;;
		*) remedy="stop that program" ;;
		esac
		die "UDP port $port is taken by ${who:-another program}: $remedy, then run this again"
	done
}

# The package, of this checkout as it is, in .deps/; sets $package and $source_hash.
package_build()
{
	local dir=$deps/deb
	source_hash=$(
		{
			dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' strongswan-libcharon libstrongswan
			find . \( -path ./.git -o -path ./.deps -o -path './build*' -o -path ./autom4te.cache \) -prune -o \
				-type f -print0 | git_ignored_out | sort -z | xargs -0 sha256sum
		} | sha256sum | cut -d' ' -f1
	)
	package=$(echo "$dir"/culvert_*.deb)
	[ -e "$package" ] && [ "$(cat "$dir/hash" 2>/dev/null)" = "$source_hash" ] && return
	say "building the Debian package (log: $dir/log)"
	rm -rf "$dir"
	as_owner mkdir -p "$dir/culvert" || die "cannot write $dir"
	find . \( -path ./.git -o -path ./.deps -o -path './build*' -o -path ./autom4te.cache \) -prune -o -type f -print0 |
		git_ignored_out | tar -c --null -T - | as_owner tar -x -C "$dir/culvert" || die "cannot write $dir"
	(cd "$dir/culvert" && as_owner env STRONGSWAN_SRC="$strongswan" DEB_BUILD_PROFILES="nocheck" \
		DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$jobs" dpkg-buildpackage -b -us -uc) \
		>"$dir/log" 2>&1 9>&- </dev/null || { tail -n 30 "$dir/log" >&2; die "the package does not build, see $dir/log"; }
	rm -rf "$dir/culvert"
	package=$(echo "$dir"/culvert_*.deb)
	[ -e "$package" ] || die "the package does not build, see $dir/log"
	echo "$source_hash" | as_owner tee "$dir/hash" >/dev/null
}

# What autoreconf and a build in the checkout itself leave is no source.
git_ignored_out()
{
	grep -zvE '^\./(configure~?|config\.h\.in~?|aclocal\.m4|Makefile\.in|build-aux/.*|m4/.*\.m4|.*\.(o|lo|la|so)|culvert(d|ctl|-iked|-firewall))$'
}

do_package()
{
	# shellcheck disable=SC2086
	need $BUILD_PACKAGES $PACKAGE_PACKAGES
	deps_lock
	strongswan_source
	package_build
}

package_install()
{
	local before
	if installed culvert && [ "$(cat $state/hash 2>/dev/null)" = "$source_hash" ] && [ -z "$(dpkg -V culvert)" ]; then
		say "culvert $(dpkg-query -W -f '${Version}' culvert) is installed and current"
		return
	fi
	changed=yes
	before=$(packages_now)
	apt_install --reinstall --allow-downgrades "$package" || die "cannot install $package"
	packages_note "$before"
	mkdir -p $state && echo "$source_hash" >$state/hash
}

# secret N: N groups of four out of 31 letters and digits that nobody takes for
# another one: 4.95 bits each.
secret()
{
	tr -dc 'abcdefghjkmnpqrstuvwxyz23456789' </dev/urandom | head -c $((4 * $1)) | sed 's/..../&-/g; s/-$//'
}

# The interface and the address that lead to the Internet.
default_if()
{
	ip -4 route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1
}

default_address()
{
	ip -4 route get 192.88.99.1 2>/dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p' | head -n 1
}

ip_number()
{
	local a b c d
	IFS=. read -r a b c d <<<"$1"
	echo $(((a << 24) + (${b:-0} << 16) + (${c:-0} << 8) + ${d:-0}))
}

# free_net: the first three numbers of a /24 that no route of this machine touches.
free_net()
{
	local net prefix len n used=() mask at
	while read -r prefix; do
		len=32
		case $prefix in */*) len=${prefix#*/} ;; esac
		used+=("$(ip_number "${prefix%/*}") $len")
	done < <(ip -4 route show table all | sed -nE 's/^([a-z]+ )?([0-9.]+(\/[0-9]+)?) .*/\2/p' | sort -u)
	for net in 192.168.87 192.168.187 10.87.87 10.187.87 172.27.87 172.19.87 10.231.17; do
		n=$(ip_number $net.0)
		for at in "${used[@]}"; do
			len=${at#* }
			[ "$len" -le 24 ] || len=24
			mask=$((len ? (0xffffffff << (32 - len)) & 0xffffffff : 0))
			[ $((n & mask)) -ne $((${at% *} & mask)) ] || continue 2
		done
		echo $net
		return
	done
	return 1
}

# What is missing of the configuration; what is there stays as it is.
configure_server()
{
	local dev net user
	{ mkdir -p $etc && chmod 700 $etc; } || die "cannot write $etc"
	umask 077
	if [ ! -e $etc/psk ]; then
		secret 7 >$etc/psk || die "cannot write $etc/psk"
	fi
	if [ ! -e $etc/users ]; then
		user=${SUDO_USER:-vpn}
		case $user in root | *[!a-z0-9_.-]*) user=vpn ;; esac
		echo "# culvert-users(5); culvertctl user changes it, and so may you: it counts within seconds." >$etc/users ||
			die "cannot write $etc/users"
		# What it prints is shown by tell, once.
		account=$(culvertctl -u $etc/users user add "$user") || { rm -f $etc/users; die "cannot make a user, see above"; }
	fi
	if [ ! -e $etc/culvert.conf ]; then
		dev=$(default_if)
		[ -n "$dev" ] || die "there is no IPv4 default route: connect this machine to the network first, then run this again"
		net=$(free_net) || die "every network that could be the clients' is in use here: write $etc/culvert.conf by hand (culvert.conf(5))"
		sed -e "s/^ext_if = .*/ext_if = \"$dev\"/" -e "s/192\.168\.87\./$net./g" \
			-e "${server:+s/^#set server-name .*/set server-name \"$server\"/}" etc/culvert.conf >$etc/culvert.conf.new &&
			mv $etc/culvert.conf.new $etc/culvert.conf || die "cannot write $etc/culvert.conf"
		say "wrote $etc/culvert.conf: clients get addresses of $net.0/24 and reach the Internet through $dev"
	fi
	umask 022
	culvertd -n >$state/check 2>&1 || { cat $state/check >&2; rm -f $state/check; die "$etc/culvert.conf has a mistake, see above; mend it and run this again"; }
	rm -f $state/check
}

service_start()
{
	if systemd_runs; then
		systemctl enable --quiet culvert.service
		systemctl reset-failed culvert.service 2>/dev/null
		if ! systemctl start culvert.service; then
			journalctl --no-pager -q -o cat -n 20 -u culvert.service >&2
			die "the server does not start, see above (journalctl -u culvert)"
		fi
	else
		if [ $changed = yes ] && culvertd_runs; then
			start-stop-daemon --stop --quiet --oknodo --retry=TERM/20/KILL/5 --pidfile $pidfile
		fi
		culvertd_runs || culvertd 9>&- </dev/null || die "the server does not start, see above"
	fi
	culvertctl status >/dev/null || die "the server runs and does not answer culvertctl"
}

tell()
{
	local name address user password
	name=$(culvertd -nv 2>/dev/null | sed -n 's/^set server-name "\(.*\)"$/\1/p')
	address=$(default_address)
	user=$(sed -n 's/^Account *//p' <<<"$account")
	password=$(sed -n 's/^Password *//p' <<<"$account")
	if [ -z "$account" ]; then
		user=$(culvertctl -u $etc/users user list 2>/dev/null | awk 'NR == 3 { print $1 }')
		password="(as before; another one: sudo culvertctl user passwd ${user:-NAME})"
	fi
	cat <<-END

	  Type      L2TP
	  Server    ${server:-${name:-${address:-(the address of this machine)}}}
	  Account   ${user:-(none yet: sudo culvertctl user add NAME)}
	  Password  $password
	  Secret    $(cat $etc/psk)

	  Who is online:  sudo culvertctl session brief
	  More users:     sudo culvertctl user add NAME
	  Settings:       $etc/culvert.conf (culvert.conf(5)); then: culvertctl reload
	END
	echo
	if [ -n "$server" ] && [ "$server" != "$name" ]; then
		say "$etc/culvert.conf is kept: to keep the name too, put there: set server-name \"$server\""
	fi
	case ${server:-$name}/$address in
	/10.* | /192.168.* | /172.1[6-9].* | /172.2[0-9].* | /172.3[01].* | /100.6[4-9].* | /100.[7-9][0-9].* | /100.1[01][0-9].* | /100.12[0-7].*)
		say "$address is a private address: from outside, clients dial the public one, with UDP 500 and 4500 forwarded here (sudo ./setup.sh --server NAME|ADDRESS)" ;;
	*) say "UDP 500 and 4500 must reach this machine: open them in a firewall in front of it" ;;
	esac
	systemd_runs || say "there is no systemd here: have /usr/sbin/culvertd run when the machine starts"
	systemd_runs || [ -S /dev/log ] || say "there is no syslog here: nobody hears what the server says (install rsyslog, or run culvertd -d)"
}

do_install()
{
	system_supported
	tun_there
	ports_free
	# shellcheck disable=SC2086
	need $INSTALL_PACKAGES
	if [ -n "$package" ]; then
		package=$(realpath -e -- "$package") || die "there is no such package"
		source_hash=$(sha256sum <"$package" | cut -d' ' -f1)
	else
		do_package
	fi
	package_install
	configure_server
	service_start
	tell
}

# --- remove ---------------------------------------------------------------

# packages_removable: of those that came in for culvert, what nobody else needs by now.
packages_removable()
{
	local mine
	mine=$(for p in $(cat $state/packages 2>/dev/null); do installed "$p" && echo "$p"; done)
	[ -n "$mine" ] || return
	# shellcheck disable=SC2086
	apt-mark auto $mine >/dev/null
	apt-get -s -o APT::AutoRemove::RecommendsImportant=false -o APT::AutoRemove::SuggestsImportant=false autoremove |
		sed -n 's/^Remv \([^ ]*\).*/\1/p' | sort | comm -12 - <(sed 's/:.*//' <<<"$mine" | sort)
}

do_remove()
{
	local with_packages=$1 list extra
	if ! dpkg-query -W culvert >/dev/null 2>&1 && [ ! -e $etc ] && [ ! -e $state ]; then
		say "culvert is not installed"
		return
	fi
	if systemd_runs && installed culvert; then
		systemctl disable --quiet --now culvert.service
	fi
	if dpkg-query -W culvert >/dev/null 2>&1; then
		# The list outlives the package, whose purge takes the directory.
		list=$(cat $state/packages 2>/dev/null)
		dpkg --purge culvert || die "the package cannot be removed, see above"
		[ -z "$list" ] || { mkdir -p $state && printf '%s\n' "$list" >$state/packages; }
	fi
	rm -rf $etc /run/culvert
	# A server that was killed could not take its rules away.
	if command -v nft >/dev/null && nft list table inet culvert >/dev/null 2>&1; then
		nft delete table inet culvert
	fi
	say "removed: the program, its service and accounts, and $etc with users and secret"
	if [ -s $state/packages ]; then
		list=$(packages_removable)
		if [ -n "$list" ] && [ "$with_packages" = yes ]; then
			# shellcheck disable=SC2086
			extra=$(apt-get -s purge $list | sed -n 's/^\(Remv\|Purg\) \([^ ]*\).*/\2/p' | sort -u | comm -23 - <(echo "$list"))
			[ -z "$extra" ] || die "other packages need them: ${extra//$'\n'/ }; nothing more is removed"
			# shellcheck disable=SC2086
			apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 purge $list </dev/null ||
				die "the packages cannot be removed, see above"
			say "removed the packages that came in for it"
		elif [ -n "$list" ]; then
			say "these packages came in for it and nothing else needs them (sudo ./setup.sh remove --packages removes them):"
			# shellcheck disable=SC2086
			printf '%s\n' $list | paste -sd' ' | fold -s -w 90 | sed 's/^/  /'
			return
		fi
	fi
	rm -rf $state
}

# --- what was asked for ---------------------------------------------------

args=$*
verb=${1:-install}
full=no packages=no
case $verb in
--*) verb=install ;;
*) [ $# -eq 0 ] || shift ;;
esac
case $verb in
build | package) ;;
check) [ "${1:-}" = --full ] && full=yes && shift ;;
bench)
	bench_args=("$@")
	set --
	;;
remove) [ "${1:-}" = --packages ] && packages=yes && shift ;;
install)
	while [ $# -gt 0 ]; do
		case $1 in
		--server=*) server=${1#*=} ;;
		--package=*) package=${1#*=} ;;
		--server | --package)
			[ $# -ge 2 ] || usage
			[ "$1" = --server ] && server=$2 || package=$2
			shift
			;;
		*) usage ;;
		esac
		shift
	done
	case $server in
	*[!A-Za-z0-9.:-]*) die "--server takes a name or an address, and \"$server\" is neither" ;;
	esac
	;;
*) usage ;;
esac
[ $# -eq 0 ] || usage
[ "$(id -u)" = 0 ] || die "this installs packages and changes the network: run it as root (sudo ./setup.sh${args:+ $args})"
[ $verb = install ] || command -v apt-get >/dev/null || die "this is for Debian and its like: there is no apt-get here"
case $verb in
install) do_install ;;
remove) do_remove $packages ;;
package)
	do_package
	say "the package is $package"
	;;
build)
	do_build
	say "built; start it with: sudo ./culvertd -d -f FILE"
	;;
check) do_check $full ;;
bench) do_bench "${bench_args[@]}" ;;
esac
