# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154
# RADIUS servers behind our server: real ones (FreeRADIUS), and one that does as it
# is told (radius/bad.py).  Sourced after tests/lib.sh, server.sh and dial.sh.
#
#   in    198.51.100.2, .3 …: a RADIUS server each

RADIUS_SECRET='jinx bottle "radius" #1'

# radius_conf NAME ADDRESS: its files, in $rig_dir/NAME; users are of standard input.
radius_conf()
{
	local dir=$rig_dir/$1 secret=${RADIUS_SECRET//\"/\\\\\\\"}
	mkdir -p "$dir" || return 1
	(
		umask 077
		sed "s|@name@|$1|; s|@dir@|$dir|; s|@lib@|/usr/lib/freeradius|; s|@client@|$INNER|
			s|@secret@|$secret|; s|@address@|$2|" "$top/tests/radius/radiusd.conf" >"$dir/radiusd.conf" &&
			cat >"$dir/users"
	)
}

# radius_start NAME: a FreeRADIUS with those files, in namespace in; its pid in $started.
radius_start()
{
	start_ns in "$1" freeradius -fxx -l stdout -d "$rig_dir/$1" || return 1
	wait_for grep -q 'Ready to process requests' "$rig_dir/$1.log"
}

# radius_auth WORDS [ADDRESS…]: an authentication block RADIUS with these servers (198.51.100.2), and WORDS
# (lines) in its list.
radius_auth()
{
	local words=$1 a
	shift
	echo "authentication RADIUS type radius {"
	echo "authentication-server {"
	for a in "${@:-$INSIDE}"; do
		printf 'address %s secret %s\n' "$a" "'$RADIUS_SECRET'"
	done
	printf '%s\n}\n}\n' "$words"
}
