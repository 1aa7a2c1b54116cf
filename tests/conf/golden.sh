#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Each NAME.in gives NAME.ok (the canonical form, which confcheck reads back) or no
# output and exit 1, and the messages of NAME.err.  UPDATE=1 writes them anew.
: "${top_srcdir:=.}" "${top_builddir:=.}"
dir=$top_srcdir/tests/conf
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=0 n=0
for in in "$dir"/*.in; do
	name=$(basename "$in" .in)
	"$top_builddir/tests/conf/confcheck" -n "$in" >"$tmp/ok" 2>"$tmp/err"
	status=$?
	n=$((n + 1))
	if [ -n "$UPDATE" ] && [ $status -le 1 ]; then
		rm -f "$dir/$name.ok" "$dir/$name.err"
		[ $status -eq 0 ] && cp "$tmp/ok" "$dir/$name.ok"
		[ -s "$tmp/err" ] && cp "$tmp/err" "$dir/$name.err"
	fi
	want=1 ok=/dev/null err=/dev/null
	[ -f "$dir/$name.ok" ] && want=0 ok=$dir/$name.ok
	[ -f "$dir/$name.err" ] && err=$dir/$name.err
	[ $status -eq $want ] || { echo "$name: exit status $status, expected $want"; bad=1; }
	diff -u "$ok" "$tmp/ok" || { echo "$name: other output"; bad=1; }
	diff -u "$err" "$tmp/err" || { echo "$name: other messages"; bad=1; }
	if [ $want -eq 1 ] && [ $err = /dev/null ]; then
		echo "$name: refused without a message"
		bad=1
	fi
done
[ $n -gt 10 ] || { echo "only $n cases"; bad=1; }
exit $bad
