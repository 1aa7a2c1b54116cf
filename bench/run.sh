#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The benchmark: culvert, SoftEther, culvert without ciphers and plain routing, in
# network namespaces on this one machine, in turn, several rounds; one table and
# one plot of the medians.  bench/README.md says what each number means.
#
#   sudo bench/run.sh [--quick] [--all] [--rounds N] [--time S] [--only PART]… [--candidate NAME]… [--out DIR]
#
# PART is throughput (or its halves, tcp and udp), engines, logins, auth, sessions, latency or
# guests.  --all measures every combination of the throughput factors (hours) in place of one factor at a time.
# --quick is a matter of minutes and says whether it works at all.
# BUILD=… names the build, NULL_BUILD=… the one configured with
# --enable-bench-null-crypto; ./setup.sh bench makes both and what else it needs.
# shellcheck disable=SC1091,SC2016,SC2034,SC2046,SC2086,SC2154
here=$(cd "$(dirname "$0")" && pwd -P)
. "$here/../tests/lib.sh"
. "$top/tests/server.sh"
. "$top/tests/dial.sh"
. "$top/tests/guest/guest.sh"
. "$here/softether.sh"
. "$here/lib.sh"
. "$here/parts.sh"

quick=no all=no rounds='' seconds='' only='' wanted='' out=
usage()
{
	sed -n 's/^#   sudo /usage: /p' "$0" >&2
	exit 2
}

while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=yes ;;
	--all) all=yes ;;
	--rounds | --time | --only | --candidate | --out)
		[ $# -ge 2 ] || usage
		case $1 in
		--rounds) rounds=$2 ;;
		--time) seconds=$2 ;;
		--only) only="$only $2" ;;
		--candidate) wanted="$wanted $2" ;;
		--out) out=$2 ;;
		esac
		shift
		;;
	*) usage ;;
	esac
	shift
done
case $rounds$seconds in *[!0-9]*) usage ;; esac
for part in $only; do
	case $part in throughput | tcp | udp | engines | logins | auth | sessions | latency | guests) ;; *) usage ;; esac
done
if [ $quick = yes ]; then
	rounds=${rounds:-1} seconds=${seconds:-1} only=${only:-throughput logins auth sessions}
	RESULTS=${out:-}
else
	rounds=${rounds:-5} seconds=${seconds:-3} only=${only:-throughput engines logins auth sessions latency guests}
	RESULTS=${out:-$here/results}
fi
wanted=${wanted:-culvert softether null plain}

rig_begin "benchmark"
for p in culvertd culvert-iked culvert-dial bench/udpload bench/auth_time; do
	must test -x "$build/$p"
done
must command -v iperf3
RESULTS=${RESULTS:-$rig_dir/results}
must mkdir -p "$RESULTS"
raw=$RESULTS/raw.tsv
printf 'part\ttest\tclients\tmtu\tsuite\tpinned\tcandidate\tround\tmetric\tvalue\n' >"$raw"
facts >"$RESULTS/facts.txt"
sed 's/^/# /' "$RESULTS/facts.txt"
: >"$RESULTS/notes.txt"
began=$SECONDS
for part in $only; do
	note "--- $part"
	"part_$part"
done
note "took $((SECONDS - began)) s, load average at the end: $(cut -d' ' -f1-3 /proc/loadavg)"
echo "load average at the end: $(cut -d' ' -f1-3 /proc/loadavg); took $((SECONDS - began)) s" >>"$RESULTS/facts.txt"
check "the table is made" python3 "$here/report.py" "$RESULTS"
sed 's/^/# /' "$RESULTS/table.md"
rig_end
