#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every client's messages to the server's cores (*.rpl); then that a file which is wrong fails, and where it says
# so (bad/*.rpl, each with a line "# says: ...").
srcdir=${srcdir:-.}
replay=./tests/replay/replay
failed=0
$replay "$srcdir"/tests/replay/*.rpl || failed=1
for file in "$srcdir"/tests/replay/bad/*.rpl; do
	says=$(sed -n 's/^# says: //p' "$file")
	out=$($replay "$file")
	status=$?
	if [ $status != 1 ] || ! printf '%s\n' "$out" | grep -qF -- "/$says"; then
		echo "$file: status $status, and not the words it should have: $says"
		echo "$out"
		failed=1
	fi
done
exit $failed
