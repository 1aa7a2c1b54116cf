#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every test that CONFORMANCE.md names exists: the file, in it the case (a
# function that cmocka is given), in it the row.  And every row is there: 1 to 82, E1 to E6, R1 to R16, X1 to X6.
: "${top_srcdir:=.}"
cd "$top_srcdir/tests" || exit 1
bad=0
say()
{
	echo "tests/$1: $2"
	bad=1
}

# names FILE: what stands in backquotes and is a test's name, one a line.
names()
{
	# shellcheck disable=SC2016
	grep '^|' "$1" | grep -oE '`(t_[a-z0-9_]+(:[^`]*)?|[a-z0-9-]+\.rpl|[0-9]{2}-[a-z0-9-]+\.sh(:[^`]*)?|fuzz_[a-z0-9_]+)`' |
		tr -d '`' | sort -u
}

list=$(mktemp) || exit 1
trap 'rm -f "$list"' EXIT
doc=CONFORMANCE.md
names $doc >"$list"
[ -s "$list" ] || say $doc "names no test"
while read -r name; do
	file=${name%%:*}
	rest=${name#"$file"}
	rest=${rest#:}
	case $file in
	t_*) path=unit/$file.c ;;
	*.rpl) path=replay/$file ;;
	*.sh) path=netns/$file ;;
	*) path=fuzz/$file.c ;;
	esac
	[ -f "$path" ] || { say $doc "$name: there is no tests/$path"; continue; }
	case $file in
	t_*)
		case=${rest%%:*}
		row=${rest#"$case"}
		row=${row#:}
		if [ -n "$case" ]; then
			grep -q "^static void $case(" "$path" || say $doc "$name: no case $case"
			[ "$(grep -cE "[(, ]${case}[),]" "$path")" -ge 1 ] || say $doc "$name: $case is not run"
		fi
		[ -z "$row" ] || grep -qF "\"$row\"" "$path" || say $doc "$name: no row of this name"
		;;
	*.sh)
		[ -z "$rest" ] || grep -qF -- "$rest" "$path" || say $doc "$name: it has no such words"
		;;
	esac
done <"$list"
for no in $(seq 1 82) E1 E2 E3 E4 E5 E6 R1 R2 R3 R4 R5 R6 R7 R8 R9 R10 R11 R12 R13 R14 R15 R16 X1 X2 X3 X4 X5 X6 A1 A2 A3 A4; do
	[ "$(grep -c "^| $no |" CONFORMANCE.md)" = 1 ] || say CONFORMANCE.md "no row $no, or two"
done
# A rule of a file is a row of the table; what the table names says so.
for file in replay/*.rpl; do
	sed -n 's/^rule //p' "$file" | tr ' ' '\n' >"$list"
	while read -r rule; do
		grep "^| $rule |" CONFORMANCE.md | grep -qF "\`${file#replay/}\`" || say CONFORMANCE.md "$rule: $file is not named"
	done <"$list"
done
# A row that is shown names a test; one that is not says why.
awk -F'|' -v file=tests/CONFORMANCE.md '
	/^\| [ARX]?[0-9]/ {
		state = $(NF - 2); tests = $(NF - 1)
		gsub(/ /, "", state)
		if (state !~ /^(now|part|later|none)$/) { print file ": a state that is none: " $0; bad = 1 }
		if (state ~ /^(now|part)$/ && tests !~ /`/) { print file ": no test: " $0; bad = 1 }
		if (state ~ /^(later|none)$/ && length(tests) < 10) { print file ": no reason: " $0; bad = 1 }
	}
	END { exit bad }' CONFORMANCE.md || bad=1
exit $bad
