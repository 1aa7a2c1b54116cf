#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# culvert.conf(5) and the keyword table say the same: every word stands in an .It line
# behind Ic and the other way round; what is not (wholly) built says "not built yet" there.
# The examples are configurations.
: "${top_srcdir:=.}" "${top_builddir:=.}"
check=$top_builddir/tests/conf/confcheck
man=$top_srcdir/man/culvert.conf.5
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
bad=0

# "WORD says": says is 1 where the text of an item with this word says that it is not built.
# Items without a text of their own share the next one's.
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
	for (w in item) { says[w] = says[w] || body ~ /[Nn]ot built yet/; known[w] = 1 }
	delete item; body = ""
}
/^\.It / { if (body != "") flush(); $0 = substr($0, 5); xo = /Xo/; words(1); next }
xo && /^\.Xc/ { xo = 0; next }
xo { $0 = substr($0, 2); words(1); next }
/^\.(El|Ss|Sh)/ { flush(); next }
{ body = body " " $0 }
END { for (w in known) print w, says[w] + 0 }
' "$man" | sort >"$tmp/man"

"$check" -k >"$tmp/table" || exit 1
cut -d' ' -f1 "$tmp/table" | sort -u >"$tmp/words"
cut -d' ' -f1 "$tmp/man" >"$tmp/documented"
[ "$(wc -l <"$tmp/words")" -gt 150 ] || { echo "the table has too few words"; bad=1; }
for w in $(comm -23 "$tmp/words" "$tmp/documented"); do
	echo "$w is a keyword and not in culvert.conf(5)"
	bad=1
done
for w in $(comm -13 "$tmp/words" "$tmp/documented"); do
	echo "$w is in culvert.conf(5) and no keyword"
	bad=1
done
while read -r w state; do
	case $state in
	later | soft | partly)
		grep -qx "$w 1" "$tmp/man" || { echo "$w: culvert.conf(5) must say that it is not built yet"; bad=1; }
		;;
	esac
done <"$tmp/table"

# Comments that show defaults are part of the example: with them, it means the same.
"$check" -n "$top_srcdir/etc/culvert.conf" >"$tmp/a" 2>"$tmp/err" || { cat "$tmp/err"; bad=1; }
[ ! -s "$tmp/err" ] || { cat "$tmp/err"; bad=1; }
sed -E 's/^(	?)#([a-z])/\1\2/' "$top_srcdir/etc/culvert.conf" >"$tmp/culvert.conf"
cmp -s "$tmp/culvert.conf" "$top_srcdir/etc/culvert.conf" && { echo "etc/culvert.conf shows no defaults"; bad=1; }
"$check" -n "$tmp/culvert.conf" >"$tmp/b" || bad=1
diff -u "$tmp/a" "$tmp/b" || { echo "etc/culvert.conf shows other values than the defaults"; bad=1; }

# Each example of the manual.
awk -v out="$tmp/ex" '/^\.Sh/ { ex = /EXAMPLES/ } ex && /^\.Bd/ { n++; on = 1; next } /^\.Ed/ { on = 0 }
	on { print > (out n ".conf") }' "$man"
n=0
for f in "$tmp"/ex*.conf; do
	"$check" -n "$f" >/dev/null || { echo "an example of culvert.conf(5) is refused"; bad=1; }
	n=$((n + 1))
done
[ $n -ge 2 ] || { echo "culvert.conf(5) has $n examples"; bad=1; }

if command -v mandoc >/dev/null; then
	for f in "$top_srcdir"/man/*.[58]; do
		mandoc -Tlint -W warning "$f" >"$tmp/lint" || { cat "$tmp/lint"; bad=1; }
	done
fi
exit $bad
