#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# run.sh BUILDDIR TARGET SECONDS: fuzzes one target, starting from its seeds and
# old crashes; what is found new goes to BUILDDIR/corpus/, what breaks it to
# BUILDDIR/fuzz-TARGET-*.  The log's last line is the status.
dir=$1 target=$2 seconds=$3
here=$(cd "${0%/*}" && pwd -P)
name=${target#fuzz_}
log=$dir/fuzz-$target.log
corpus=("$dir/corpus/$name")
mkdir -p "${corpus[0]}"
for d in "$here/corpus/$name" "$here/crash/$name"; do
	[ -d "$d" ] && corpus+=("$d")
done
export ASAN_OPTIONS=quarantine_size_mb=32
"$dir/tests/fuzz/$target" -max_total_time="$seconds" -rss_limit_mb=512 -timeout=5 -print_final_stats=1 \
	-artifact_prefix="$dir/fuzz-$name-" "${corpus[@]}" >"$log" 2>&1 </dev/null
status=$?
echo "run.sh: status $status" >>"$log"
echo "$target: status $status, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs"
exit 0
