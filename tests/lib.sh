# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# shellcheck disable=SC2034 # what tests read
# What every test that needs root shares: a private set of network namespaces
# with links between them, processes that end with the test, and TAP lines.
#
#   . "${0%/*}/../lib.sh"
#   rig_begin "what this test shows"
#   ns_add srv; ns_add net
#   link srv out0 net s0
#   check "the server answers" ns srv ping -c1 -W5 192.0.2.1
#   rig_end
#
# Nothing here touches the machine's own namespace.  Names are random, so any
# number of runs go side by side; whatever way a test ends, rig_cleanup takes
# away what it made.  KEEP=1 in the environment keeps the working directory.

set -u
export LC_ALL=C
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
build=${BUILD:-$top/build}      # where the programs under test are
# BUILD_ROOT says that they have another root than this script, and which (tests/full/trixie.sh).
RIG_WAIT=${RIG_WAIT:-60}        # seconds until anything waited for counts as dead

rig_id=
rig_dir=
rig_ns=()
rig_pids=()
rig_n=0
rig_bad=0
rig_skipped=0
rig_ended=no

# rig_begin TEXT: working directory, clean-up; TEXT heads the output.
rig_begin()
{
	[ "$(id -u)" = 0 ] || rig_skip_all "needs root"
	rig_id=$(od -An -N3 -tx1 /dev/urandom | tr -d ' ')
	rig_dir=$(mktemp -d "${TMPDIR:-/tmp}/culvert-test.XXXXXX") || exit 1
	trap rig_cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 141' PIPE
	trap 'exit 143' TERM HUP
	echo "# $1"
}

# rig_sandbox: no process of any server in this test made a system call that its sandbox refuses.
rig_sandbox()
{
	local f
	for f in "$rig_dir"/culvertd*.log; do
		[ -e "$f" ] || continue
		grep -H 'killed by signal 31$' "$f" && return 1
	done
	return 0
}

# rig_end: the plan line, and the script's exit status.
rig_end()
{
	if [ -e "$rig_dir/culvertd.log" ]; then
		check "no process was killed by its sandbox (SIGSYS)" rig_sandbox
	fi
	rig_ended=yes
	echo "1..$rig_n"
	exit $((rig_bad > 0))
}

# rig_skip_all WHY: the whole script cannot run here.
rig_skip_all()
{
	echo "1..0 # SKIP $1"
	rig_ended=yes
	exit 0
}

rig_cleanup()
{
	local status=$? n pid
	trap - EXIT
	trap '' INT TERM HUP PIPE
	if [ $rig_ended = no ]; then
		rig_n=$((rig_n + 1))
		echo "not ok $rig_n - the script ran to its end"
		status=1
	fi
	[ $rig_bad -gt 0 ] && rig_logs
	rig_kill TERM "${rig_pids[@]}"
	for n in "${rig_ns[@]}"; do
		# Whoever still runs in a namespace that only we know is ours.
		for pid in $(ip netns pids "$n" 2>/dev/null); do
			kill -KILL "$pid" 2>/dev/null
		done
		ip netns del "$n" 2>/dev/null
	done
	awk -v d="$rig_dir/" 'index($5, d) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
		while read -r n; do umount -l "$n"; done
	if [ "${KEEP:-0}" = 1 ]; then
		echo "# kept: $rig_dir"
	else
		rm -rf "$rig_dir"
	fi
	exit "$status"
}

# rig_logs: the tail of every log, so that a failure can be read from the output.
rig_logs()
{
	local f
	for f in "$rig_dir"/*.log "$rig_dir"/*/*.log "$rig_dir"/*/share/log/*; do
		[ -s "$f" ] || continue
		echo "# --- ${f#"$rig_dir"/}"
		tail -n "${RIG_LOG_LINES:-40}" "$f" | tr -d '\r' | sed 's/^/# /'
	done
}

# rig_kill SIGNAL PID…: asks, waits up to 5 s, then insists.
rig_kill()
{
	local sig=$1 pid i
	shift
	for pid; do kill -"$sig" "$pid" 2>/dev/null; done
	for pid; do
		for ((i = 0; i < 250; i++)); do
			rig_alive "$pid" || break
			sleep 0.02
		done
		kill -KILL "$pid"
		wait "$pid"
	done 2>/dev/null
}

# rig_alive PID: runs and is no zombie.
rig_alive()
{
	local state
	state=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) || return 1
	case $state in
	'' | Z* | X*) return 1 ;;
	esac
}

# ok TEXT, not_ok TEXT, skip TEXT WHY: one result each.
ok()
{
	rig_n=$((rig_n + 1))
	echo "ok $rig_n - $1"
}

not_ok()
{
	rig_n=$((rig_n + 1))
	rig_bad=$((rig_bad + 1))
	echo "not ok $rig_n - $1"
}

skip()
{
	rig_n=$((rig_n + 1))
	rig_skipped=$((rig_skipped + 1))
	echo "ok $rig_n - $1 # SKIP $2"
}

note()
{
	echo "# $*"
}

# check TEXT COMMAND…: ok if COMMAND succeeds; its output is shown if it fails.
# COMMAND runs in this shell: it may be a function that sets variables.
check()
{
	local text=$1
	shift
	if "$@" >"$rig_dir/out" 2>&1; then
		ok "$text"
	else
		not_ok "$text"
		tail -n 20 "$rig_dir/out" | sed 's/^/#   /'
		return 1
	fi
}

# check_eq TEXT WANTED GOT
check_eq()
{
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		not_ok "$1"
		printf 'wanted: %s\ngot:    %s\n' "$2" "$3" | sed 's/^/#   /'
		return 1
	fi
}

# must COMMAND…: a step without which the rest means nothing.
must()
{
	"$@" >"$rig_dir/out" 2>&1 && return 0
	not_ok "set-up: $*"
	tail -n 20 "$rig_dir/out" | sed 's/^/#   /'
	rig_end
}

# wait_for COMMAND…: until it succeeds; false after RIG_WAIT seconds.
wait_for()
{
	local end=$((SECONDS + RIG_WAIT))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# not COMMAND…
not()
{
	! "$@"
}

now_ms()
{
	local t=${EPOCHREALTIME/./}
	echo $((t / 1000))
}

# ns_add NAME: a namespace with its lo up; nsname NAME: what the kernel calls it.
ns_add()
{
	ip netns add "cv$rig_id-$1" || return 1
	rig_ns+=("cv$rig_id-$1")
	ip -n "cv$rig_id-$1" link set lo up
}

nsname()
{
	echo "cv$rig_id-$1"
}

# ns NAME COMMAND…: runs COMMAND there.
ns()
{
	local name=$1
	shift
	ip netns exec "cv$rig_id-$name" "$@"
}

# link A IF B IF: a veth pair between two namespaces, both ends up.
link()
{
	ip -n "cv$rig_id-$1" link add "$2" type veth peer name "$4" netns "cv$rig_id-$3" &&
		ip -n "cv$rig_id-$1" link set "$2" up &&
		ip -n "cv$rig_id-$3" link set "$4" up
}

# bridge NAME BR IF…: a bridge there with these ports.
bridge()
{
	local name=cv$rig_id-$1 br=$2 port
	shift 2
	ip -n "$name" link add "$br" type bridge forward_delay 0 && ip -n "$name" link set "$br" up || return 1
	for port; do
		ip -n "$name" link set "$port" master "$br" || return 1
	done
}

# addr NAME IF ADDRESS/LEN…
addr()
{
	local name=cv$rig_id-$1 dev=$2 a
	shift 2
	for a; do
		ip -n "$name" addr add "$a" dev "$dev" || return 1
	done
}

# start TAG COMMAND…: in the background, output in TAG.log, ended with the test;
# its pid in $started.  PDEATHSIG covers a test that is itself killed.
start()
{
	local tag=$1
	shift
	setpriv --pdeathsig KILL -- "$@" </dev/null >"$rig_dir/$tag.log" 2>&1 &
	started=$!
	rig_pids+=("$started")
}

# start_ns NAME TAG COMMAND…: the same in a namespace.
start_ns()
{
	local name=$1 tag=$2
	shift 2
	start "$tag" ip netns exec "cv$rig_id-$name" "$@"
}
