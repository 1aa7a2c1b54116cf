#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sets culvert up from a checkout.
#
#   sudo ./setup.sh build            what building needs, then the build, in build/
#   sudo ./setup.sh check [--full]   that, and what testing needs, then every test
#
# Nothing is installed but Debian packages, and no service of theirs is started.
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

BUILD_PACKAGES="build-essential autoconf automake libtool pkg-config bison dpkg-dev xz-utils
	libssl-dev libevent-dev libnftables-dev libmnl-dev
	strongswan-libcharon libstrongswan libstrongswan-standard-plugins"
CHECK_PACKAGES="libcmocka-dev clang libclang-rt-dev
	iproute2 nftables iputils-ping tcpdump kmod busybox-static python3 openssl curl util-linux procps
	ppp xl2tpd strongswan-starter strongswan-charon libcharon-extauth-plugins"
# Only where Debian has it: a real kernel for the clients, as a program.
[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] && CHECK_PACKAGES="$CHECK_PACKAGES user-mode-linux"

usage()
{
	cat >&2 <<-END
	usage: sudo ./setup.sh build            install what building needs, and build
	       sudo ./setup.sh check [--full]   install what testing needs too, build, run every test
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

# need PACKAGE…: installs those that are missing.  Debian starts a service when
# its package comes in; strongSwan's and xl2tpd's would take the ports that
# culvert wants, and this is somebody's machine: a policy-rc.d for the time of
# the installation keeps them from starting (in containers too), and those
# that came with us stay off at the next boot.
need()
{
	local p missing=() unit units=()
	for p; do installed "$p" || missing+=("$p"); done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing: ${missing[*]}"
	for unit in xl2tpd strongswan-starter; do
		case " ${missing[*]} " in *" $unit "*) units+=("$unit") ;; esac
	done
	if [ ! -e $policy ]; then
		policy_ours=yes
		printf '#!/bin/sh\n# only while setup.sh of culvert installs packages\nexit 101\n' >$policy || die "cannot write $policy"
		chmod 755 $policy
	fi
	lists_fresh || apt-get -q -o DPkg::Lock::Timeout=300 update || say "apt-get update failed; trying with the lists there are"
	if ! apt_install "${missing[@]}"; then
		# The lists may name packages that the archive has since replaced.
		apt-get -q -o DPkg::Lock::Timeout=300 update
		apt_install "${missing[@]}" || die "cannot install: ${missing[*]}"
	fi
	undo
	if command -v systemctl >/dev/null; then
		for unit in "${units[@]}"; do
			systemctl disable --quiet "$unit.service" >/dev/null 2>&1 || true
		done
	fi
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
	local upstream list='' parts='' f apt versions v conf=$deps/apt tmp
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
	for v in $(printf '%s\n' "$versions" | grep -xF -- "$f") $(printf '%s\n' "$versions" | grep -vxF -- "$f"); do
		# apt checks every file against the signed index.
		# shellcheck disable=SC2086
		(cd "$tmp" && apt-get $apt source --download-only --only-source "strongswan=$v") &&
			dpkg-source -x "$tmp/strongswan_${v#*:}.dsc" "$tmp/tree" >"$deps/dpkg-source.log" 2>&1 && break
		say "strongswan $v cannot be had"
		rm -rf "$tmp/tree"
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

do_build()
{
	local p
	# shellcheck disable=SC2086
	need $BUILD_PACKAGES
	mkdir -p "$deps" && chown "$owner:$group" "$deps" || exit 1
	# One set-up at a time in one checkout.
	exec 9>"$deps/lock" && flock 9
	strongswan_source
	# make itself sees to it later that generated files follow their sources.
	if [ ! -x configure ] || [ ! -e Makefile.in ]; then
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

# script FILE [LABEL]: a test that needs root; its lines are TAP.
script()
{
	local name=${1#"$top/"}${2:+ ($2)} log=$deps/tap status p f line
	say "$name"
	timeout --kill-after=30 "${SCRIPT_SECONDS:-300}" "$1" </dev/null 2>&1 9>&- | tee "$log.$$"
	status=${PIPESTATUS[0]}
	p=0 f=0
	while read -r line; do
		case $line in
		"1..0 # SKIP "*) skipped=$((skipped + 1)) skips+=("$name: ${line#*# SKIP }") ;;
		"ok "*"# SKIP "*) skipped=$((skipped + 1)) skips+=("$name: ${line#ok }") ;;
		"ok "*) p=$((p + 1)) ;;
		"not ok "*) f=$((f + 1)) failures+=("$name: ${line#not ok }") ;;
		esac
	done <"$log.$$"
	rm -f "$log.$$"
	if [ "$status" -ne 0 ] && [ $f -eq 0 ]; then
		f=1
		failures+=("$name: exit status $status")
	fi
	passed=$((passed + p)) failed=$((failed + f))
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
	local full=$1 t
	# shellcheck disable=SC2086
	need $BUILD_PACKAGES $CHECK_PACKAGES
	# Without cmocka the last configure left the unit tests out.
	grep -qs '^UNIT_TESTS_TRUE = *$' build/Makefile || rm -f build/.arguments
	do_build
	suite "$top/build" "plain build"
	tree "$top/build-san" --enable-werror --enable-sanitize
	suite "$top/build-san" "sanitizer build"
	for t in "$top"/tests/netns/*.sh; do
		BUILD=$top/build script "$t"
	done
	if [ "$full" = yes ]; then
		for t in "$top"/tests/netns/*.sh; do
			BUILD=$top/build-san script "$t" sanitizers
		done
		fuzz 40
	else
		fuzz 120
	fi
	summary
	[ $failed -eq 0 ]
}

summary()
{
	local line
	echo
	for line in "${skips[@]}"; do echo "skipped: $line"; done
	for line in "${failures[@]}"; do echo "failed: $line"; done
	echo "$passed passed, $failed failed, $skipped skipped"
}

[ $# -gt 0 ] || {
	echo "setup.sh: installing comes with the next release; for now: sudo ./setup.sh build" >&2
	exit 2
}
verb=$1
shift
full=no
case $verb in
build) ;;
check) [ "${1:-}" = --full ] && full=yes && shift ;;
*) usage ;;
esac
[ $# -eq 0 ] || usage
[ "$(id -u)" = 0 ] || die "this installs packages and makes network namespaces: run it as root (sudo ./setup.sh $verb)"
command -v apt-get >/dev/null || die "this is for Debian and its like: there is no apt-get here"
case $verb in
build)
	do_build
	say "built; start it with: sudo ./culvertd -d -f FILE"
	;;
check) do_check $full ;;
esac
