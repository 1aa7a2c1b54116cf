#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# culvert.conf(5), the commented etc/culvert.conf and the keyword table say the same:
# every word stands in an .It line behind Ic and the other way round, with its state,
# range and default; every option stands in etc/culvert.conf, in its statement.  The
# examples of the manuals are configurations that culvertd accepts without a word.
: "${top_srcdir:=.}" "${top_builddir:=.}"
check=$top_builddir/tests/conf/confcheck
man=$top_srcdir/man/culvert.conf.5
example=$top_srcdir/etc/culvert.conf
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=0
fail() { echo "$*"; bad=1; }

"$check" -k >"$tmp/table" || exit 1
[ "$(wc -l <"$tmp/table")" -gt 180 ] || fail "the table has too few words"

# The text of an item belongs to the words behind Ic in its .It line; items without one
# of their own share the next one's.
awk '
function words(from,    i, ic) {
	ic = 0
	for (i = from; i <= NF; i++) {
		if ($i ~ /^(Ic|Op|Xo|Oo|Oc)$/) { if ($i == "Ic") ic = 1; continue }
		if ($i ~ /^(Ar|No|Ns|Pa)$/) { ic = 0; continue }
		if (ic && $i ~ /^[a-z0-9-]+$/) item[$i] = 1
	}
}
function flush(    w) {
	for (w in item) text[w] = text[w] " " body
	delete item; body = ""
}
function bad(what) { print what; failed = 1 }
# Is this sentence in the text? Commas and points may follow its last word.
function says(w, what) { return (" " text[w] " ") ~ (" " what "[ .,:;]") }
FNR == NR {
	if (/^\.It /) { if (body != "") flush(); $0 = substr($0, 5); xo = /Xo/; words(1) }
	else if (xo && /^\.Xc/) xo = 0
	else if (xo) { $0 = substr($0, 2); words(1) }
	else if (/^\.(El|Ss|Sh)/) flush()
	else body = body " " $0
	next
}
{ known[$1] = 1 }
!($1 in text) { bad($1 " is a keyword and not in culvert.conf(5)"); next }
$3 ~ /^(later|soft|partly)$/ && !says($1, "[Nn]ot built yet") { bad($1 ": culvert.conf(5) must say that it is not built yet") }
$3 == "no-effect" && !says($1, "means nothing here") { bad($1 ": culvert.conf(5) must say that it means nothing here") }
$3 == "cannot" && !says($1, "cannot be served") { bad($1 ": culvert.conf(5) must say that it cannot be served") }
$6 != "-" && !says($1, "default is (\\.Ic )?" $6) { bad($1 ": culvert.conf(5) must say that the default is " $6) }
$3 == "works" && $5 > 0 && $5 < 4294967295 && !says($1, $4 " to " $5) {
	bad($1 ": culvert.conf(5) must say that it is from " $4 " to " $5)
}
$6 != "-" { defaults++ }
END {
	for (w in text) if (!(w in known)) bad(w " is in culvert.conf(5) and no keyword")
	if (defaults < 30) bad("only " defaults " keywords have a default")
	exit failed
}' "$man" "$tmp/table" || bad=1

# Comments that show defaults are part of the example: with them, it means the same.
"$check" -n "$example" >"$tmp/a" 2>"$tmp/err" || { cat "$tmp/err"; bad=1; }
[ ! -s "$tmp/err" ] || { cat "$tmp/err"; bad=1; }
sed -E 's/^(	*)#([a-z])/\1\2/' "$example" >"$tmp/culvert.conf"
cmp -s "$tmp/culvert.conf" "$example" && fail "etc/culvert.conf shows no defaults"
"$check" -n "$tmp/culvert.conf" >"$tmp/b" 2>"$tmp/err" || { cat "$tmp/err"; bad=1; }
diff -u "$tmp/a" "$tmp/b" || fail "etc/culvert.conf shows other values than the defaults"

# Every option of the table stands there, in its statement; the ike statement is one line.
awk '
FNR == NR { if ($2 != "-" && $3 != "cannot") want[$2 " " $1] = 1; next }
{ sub(/^\t*#!? ?/, ""); sub(/^\t*/, "") }
depth == 0 && !joined { have["top " $1] = 1; in_ = $1 }
/^set / || /^radius / { have[$1 " " $2] = 1 }
/\\$/ || joined { for (i = 1; i <= NF; i++) have[in_ " " $i] = 1 }
{ joined = /\\$/ }
depth > 0 { have[in_ " " $1] = 1 }
/\{$/ { depth++ }
/^\}/ { depth-- }
END { for (w in want) if (!(w in have)) { print "etc/culvert.conf does not show " w; failed = 1 }
	exit failed }' "$tmp/table" "$example" || bad=1

# Lines behind #! are not built yet; when one is, it is to stand there as the others do.
sed -E 's/^(	*)#! /\1/' "$example" >"$tmp/later.conf"
"$check" -n "$tmp/later.conf" >/dev/null 2>"$tmp/err"
awk -F: '
FNR == NR { if (/not built yet/) said[$2] = 1; next }
/^\t*#! / {
	line = $0; sub(/^\t*#! /, "", line)
	if (depth == 0) whole = FNR in said
	if (!whole && !(FNR in said) && line !~ /^\}/) { print FILENAME ":" FNR ": this is built: " line; failed = 1 }
	if (line ~ /\{$/) depth++
	if (line ~ /^\}/) depth--
	n++
}
END { if (n < 15) { print "etc/culvert.conf shows only " n " lines that are not built yet"; failed = 1 } exit failed }
' "$tmp/err" "$example" || { cat "$tmp/err"; bad=1; }

# Each example of the manuals, and ours, by the program itself; the files that they name are
# those of the other examples.
mkdir "$tmp/etc" || exit 1
umask 077
examples() {
	awk -v out="$tmp/$2" '/^\.Sh/ { ex = /EXAMPLES/ } ex && /^\.Bd/ { n++; on = 1; next } /^\.Ed/ { on = 0 }
		on { gsub(/\\e/, "\\"); print > (out n) }' "$top_srcdir/man/$1"
}
examples culvert.conf.5 conf && examples culvert-users.5 users && examples culvert-fleet.7 fleet
if [ ! -f "$tmp/conf2" ] || ! grep -q '^tunnel' "$tmp/fleet1" || [ ! -f "$tmp/users1" ] || [ -f "$tmp/users2" ]; then
	fail "the manuals have other examples than this test knows"
fi
echo "tail-gunner-osprey-lilac" >"$tmp/etc/psk"
for f in "$tmp"/conf? "$tmp/fleet1" "$example"; do
	sed "s|/etc/culvert/|$tmp/etc/|" "$f" >"$tmp/etc/culvert.conf"
	# The smallest file names no users.
	grep -qE "users-file|type radius" "$tmp/etc/culvert.conf" ||
		echo "authentication LOCAL type local { users-file \"$tmp/etc/users\" }" >>"$tmp/etc/culvert.conf"
	# With the manual's users; those of ours are comments.
	for users in "$tmp/users1" "$top_srcdir/etc/users"; do
		sed 's/^#\([a-z	]\)/\1/' "$users" >"$tmp/etc/users"
		"$top_builddir/culvertd" -n -f "$tmp/etc/culvert.conf" >"$tmp/out" 2>&1 || fail "culvertd -n refuses ${f##*/}"
		# What this machine's own networks are is no matter here.
		grep -vE "is in the network of this host's|there is no interface eth0 on this host" "$tmp/out" | diff -u "$top_srcdir/tests/conf/good" - ||
			fail "culvertd -n says more about ${f##*/}"
	done
done

if command -v mandoc >/dev/null; then
	for f in "$top_srcdir"/man/*.[1578]; do
		mandoc -Tlint -W warning "$f" >"$tmp/lint" || { cat "$tmp/lint"; bad=1; }
	done
else
	echo "mandoc is not there: the manuals' markup is not looked at"
fi
# groff has limits of its own, and lintian looks with it.
if command -v groff >/dev/null; then
	for f in "$top_srcdir"/man/*.[1578]; do
		groff -mandoc -Tutf8 -ww -Z "$f" 2>"$tmp/lint" >/dev/null
		grep -v "cannot adjust line\|can't break line" "$tmp/lint" && { echo "$f: groff"; bad=1; }
	done
else
	echo "groff is not there: it does not look at the manuals"
fi
exit $bad
