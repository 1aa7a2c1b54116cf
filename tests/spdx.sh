#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every source file names its licence.
: "${top_srcdir:=.}"
cd "$top_srcdir" || exit 1
bad=$(find . \( -path ./build -o -path ./.git -o -path ./.deps -o -path ./build-aux -o -path ./m4 \) -prune -o -type f \
	\( -name '*.c' -o -name '*.h' -o -name '*.y' -o -name '*.sh' -o -name '*.mk' -o -name '*.am' -o -name '*.ac' \
	-o -name '*.py' -o -name '*.[1578]' -o -name '*.conf' \) -print |
	grep -vE '^\./(aclocal|config\.h|autom4te|libtool|build-[a-z]*/)' |
	while read -r f; do head -4 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' || echo "$f"; done)
[ -z "$bad" ] || { echo "no SPDX line in:"; echo "$bad"; exit 1; }
