#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A folder may include only what stands above it (ARCHITECTURE.md, Layers).
: "${top_srcdir:=.}"
cd "$top_srcdir" || exit 1
bad=0
# folder: what it may include besides itself
check()
{
	dir=$1 allowed=$2
	for f in "$dir"/*.c "$dir"/*.h "$dir"/*.y; do
		[ -f "$f" ] || continue
		sed -n 's/^#include "\([^"]*\)".*/\1/p' "$f" | while read -r inc; do
			case $inc in
			*/*) top=${inc%%/*} ;;
			*) continue ;;
			esac
			case " $dir $allowed " in
			*" $top "*) ;;
			*) echo "$f includes $inc: $dir may use only: $allowed" ;;
			esac
		done
	done
}
out=$(
	check base ""
	check ppp "base"
	check esp "base"
	check l2tpd "base ppp esp"
	check firewall "base"
	check ctl "base ppp esp l2tpd"
	# strongSwan's own headers are found by their folder there.
	check ike-plugin "base daemon.h library.h plugins config sa kernel network credentials processing utils collections bus crypto selectors encoding threading attributes"
	# The cores are pure: no clock, no socket, no event loop, no log.
	for f in ppp/*.[ch] esp/*.[ch] l2tpd/avp.[ch] l2tpd/msg.[ch] l2tpd/secret.[ch] l2tpd/xport.[ch] l2tpd/tunnel.[ch] \
	    l2tpd/session.[ch] l2tpd/flow.[ch] l2tpd/lineage.[ch] l2tpd/l2tp.h l2tpd/seg.[ch] l2tpd/coal.[ch] l2tpd/vnet.h l2tpd/csum.h \
	    l2tpd/bucket.h l2tpd/turns.h l2tpd/dump.[ch] l2tpd/idle.h l2tpd/pool.[ch] l2tpd/radpkt.[ch] l2tpd/radserver.h \
	    l2tpd/backoff.[ch] l2tpd/users_row.[ch] l2tpd/users_edit.[ch] firewall/ruleset.[ch] \
	    ctl/dial_ike.[ch] ctl/dial_crypto.[ch] ctl/dial_ip.[ch] ctl/dial_stat.[ch]; do
		[ -f "$f" ] || continue
		grep -nE '\b(now_ms|random_bytes|socket|recv|sendto|gettimeofday|clock_gettime|time)\(|<event2|base/log\.h|<sys/socket\.h>' "$f" |
			grep -vE '^\S*:\s*/?\*' | sed "s|^|$f is a pure core: |"
	done
)
if [ -n "$out" ]; then
	echo "$out"
	bad=1
fi
exit $bad
