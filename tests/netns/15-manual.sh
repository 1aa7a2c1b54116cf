#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What stands in the manuals, and what is pasted from elsewhere, serves clients: the very
# text, with this network's names in the place of the files', interfaces' and hosts'.
# shellcheck disable=SC1091,SC2016,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "the examples of the manuals serve, and a pasted npppd.conf"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"
must dial_network

# example PAGE N: the N-th example of a manual.
example()
{
	awk -v n="$2" '/^\.Sh/ { ex = /EXAMPLES/ } ex && /^\.Bd/ { on = ++i == n; next } /^\.Ed/ { on = 0 }
		on { gsub(/\\e/, "\\"); print }' "$top/man/$1"
}

# here NAME: what comes on standard input, with the names of this network, as a file of the server.
here()
{
	(umask 077 && sed "s|/etc/culvert/|$server_run/|; s|/etc/npppd/npppd-users|$server_run/users|; s/\"eth0\"/\"in0\"/
		s/203\.0\.113\.5/$OUTER/" >"$server_run/$1") && [ -s "$server_run/$1" ]
}

# serve KEY: what is in conf, until it serves; clients have that key.
serve()
{
	server_start || return 1
	printf '%s\n' "$1" >"$rig_dir/psk"
}

# dial_as TAG USER PASSWORD
dial_as()
{
	ns cli timeout 100 "$build/culvert-dial" -s $OUTER -k "@$rig_dir/psk" -u "$2" -p "$3" --ping 50 --hold 1 \
		--timeout 20 >"$rig_dir/$1.dial" 2>&1
}

# address_of USER: from the log line of his session.
address_of()
{
	sed -nE "s/.* session up user=\"$1\" .* ip=([0-9.]+) .*/\1/p" "$rig_dir/culvertd.log" | tail -n 1
}

over()
{
	rig_kill TERM "$server_pid"
	rm -f "$server_run/conf"
}

server_run=$rig_dir/run
mkdir -p "$server_run"
key=jinx-bottle-osprey-kiwi
echo $key | here psk
example culvert-users.5 1 | here users

# --- the personal server ---

must eval 'example culvert.conf.5 2 | here conf'
must serve $key
check "the manual's server: alice of its users connects" dial_as alice alice two:goats
check_eq "no ping was lost" 0 "$(got alice pings_lost)"
check "bob connects" dial_as bob bob one-wolf
note "alice $(address_of alice), bob $(address_of bob)"
check_eq "with the address that his row gives him" 192.168.87.10 "$(address_of bob)"
check "alice had one of the pool" grep -qE '^192\.168\.87\.([1-9][0-9]|1[0-9][0-9]|20[0-9])$' <<<"$(address_of alice)"
check "another password is refused" eval '! dial_as wrong alice two-goats'
check "clients are translated: the rules are there" eval 'ns srv nft list table inet culvert | grep -q masquerade'
over

# --- one line ---

must eval 'example culvert.conf.5 1 | here conf'
# Whose users would be those of this machine.
printf 'authentication LOCAL type local { users-file "users" }\n' >>"$server_run/conf"
must serve $key
check "the smallest file: alice connects" dial_as small alice two:goats
over

# --- the control socket elsewhere ---

must eval 'example culvert.conf.5 1 | here conf'
printf 'authentication LOCAL type local { users-file "users" }\ncontrol { socket "elsewhere.sock" }\n' >>"$server_run/conf"
echo "nobody's socket" >"$server_run/elsewhere.sock"
check "a file in the socket's place: the server does not start" eval '! serve $key'
check "it says so" grep -q "elsewhere.sock: there is another file: remove it" "$rig_dir/culvertd.log"
check "and leaves it alone" grep -q nobody "$server_run/elsewhere.sock"
rm "$server_run/elsewhere.sock"
must serve $key
check "a control socket elsewhere: culvertctl reload goes there by itself" ctl reload
check "and by its own name" "$build/culvertctl" -s "$server_run/elsewhere.sock" status
rig_kill TERM "$server_pid"
check "neither stays" eval 'wait_for not rig_alive $server_pid; ! ls "$server_run" | grep sock'
rm -f "$server_run/conf"

# --- npppd.conf, and both forms of the ike statement ---

must eval '{ sed "/^ike /,\$d" "$top/tests/conf/npppd-default.in"; cat "$top/tests/conf/ike-both.in"; } | here conf'
must serve hR4tZ9wLq2Xm7Bv1
check "a pasted npppd.conf: alice connects by what the second ike statement allows" dial_as npppd alice two:goats
check "with an address of its pool" grep -q '^10\.0\.0\.' <<<"$(address_of alice)"
over
rig_end
