# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What vpn.sh and xauth.sh share, inside a guest.  A process costs a guest a hundred
# times what it costs the host: what bash can do by itself, it does.
log=/mnt/log
run=/run/vpn

# run_up: a directory, with what within waits by.
run_up()
{
	mkdir -p $run && mkfifo $run/never
}

# within SECONDS COMMAND…: false if it does not come true in that time.
within()
{
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		read -rt 0.05 <>"$run/never"
	done
	return 0
}

# put FILE: what comes in.
put()
{
	local text
	IFS= read -rd '' text
	printf '%s' "$text" >"$1"
}

# logged TEXT: the number of lines of charon's log that have it.
logged()
{
	local lines n=0 line
	mapfile -t lines <"$log/charon"
	for line in "${lines[@]}"; do
		[[ $line != *"$1"* ]] || n=$((n + 1))
	done
	echo $n
}

# The moment (ms) of the first line of charon's log that has TEXT after line FROM.
logged_ms()
{
	local lines line
	mapfile -t -s "$2" lines <"$log/charon"
	for line in "${lines[@]}"; do
		if [[ $line == *"$1"* && $line =~ ^([0-9]+)\.([0-9]{3}) ]]; then
			echo "${BASH_REMATCH[1]}${BASH_REMATCH[2]}"
			return
		fi
	done
}

# added N: charon has taken the connection more than N times.
added()
{
	[ "$(logged "added configuration 'vpn'")" -gt "$1" ]
}

# conf_again: what write_conf writes now counts.
conf_again()
{
	local conf secrets n
	conf=$(</etc/ipsec.conf) secrets=$(</etc/ipsec.secrets)
	write_conf
	[ "$secrets" = "$(</etc/ipsec.secrets)" ] || /usr/lib/ipsec/stroke rereadsecrets
	# A connection that changed is read again; its old SAs are gone by then.
	[ "$conf" = "$(</etc/ipsec.conf)" ] && return
	n=$(logged "added configuration 'vpn'")
	kill -HUP "$(</run/starter.charon.pid)"
	within 20 added "$n"
}
