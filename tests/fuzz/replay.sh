#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every fuzz target runs its corpus and its old crashes.
: "${top_srcdir:=.}" "${top_builddir:=.}"
n=0
for t in $FUZZ_TARGETS; do
	name=${t##*/fuzz_}
	set --
	for f in "$top_srcdir/tests/fuzz/corpus/$name"/* "$top_srcdir/tests/fuzz/crash/$name"/*; do
		[ -f "$f" ] && set -- "$@" "$f"
	done
	if [ $# -eq 0 ]; then
		echo "fuzz_$name has no corpus"
		exit 1
	fi
	"$top_builddir/$t" "$@" >/dev/null || { echo "fuzz_$name fails"; exit 1; }
	echo "fuzz_$name: $# inputs"
	n=$((n + 1))
done
[ $n -gt 0 ] || { echo "no fuzz target was given"; exit 1; }
