# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154
# A network for culvert-dial: clients of a whole prefix in one namespace, our
# server, and a host behind it.  Sourced after tests/lib.sh and tests/server.sh.
#
#   cli   c0 192.0.2.10 and every address of 198.18.0.0/16
#   srv   out0 192.0.2.1, in0 198.51.100.1
#   in    198.51.100.2

CLIENT=192.0.2.10
PREFIX=198.18.0.0/16

dial_network()
{
	ns_add srv && ns_add cli && ns_add in || return 1
	link srv out0 cli c0 && link srv in0 in i0 &&
		addr srv out0 $OUTER/24 && addr cli c0 $CLIENT/24 &&
		addr srv in0 $INNER/24 && addr in i0 $INSIDE/24 || return 1
	# A prefix of clients behind one interface, with no address for each.
	ip -n "$(nsname srv)" route add $PREFIX via $CLIENT &&
		ip -n "$(nsname cli)" route add local $PREFIX dev lo
}

# dial_server LAST [HELLO [SED]]: our server with a pool up to LAST of $POOL's network
# (1.250), HELLOs after that many seconds of silence (2), and SED over its configuration.
dial_server()
{
	server_run=$rig_dir/run
	mkdir -p "$server_run" || return 1
	(umask 077 && server_conf |
		sed "s/hello-interval 3/hello-interval ${2:-2}/; s/hello-timeout 12/hello-timeout 4/
			s/-$POOL\.99\"/-${POOL%.*}.$1\"/; ${3-}" >"$server_run/conf") || return 1
	server_start && dial_prepare
}

# dial_prepare: for a server that was started otherwise.
dial_prepare()
{
	printf '%s\n' "$PSK" >"$rig_dir/psk"
	password_of alice >"$rig_dir/password"
	# What every call has in common.
	dial_cmd=("$build/culvert-dial" -s $OUTER -k "@$rig_dir/psk" -u alice -p "@$rig_dir/password")
}

# dial TAG OPTION…: to its end; output in TAG.dial, status is its own.
dial()
{
	local tag=$1
	shift
	ns cli timeout 200 "${dial_cmd[@]}" "$@" >"$rig_dir/$tag.dial" 2>&1
}

# dial_start TAG OPTION…: in the background, output in TAG.log.
dial_start()
{
	local tag=$1
	shift
	start_ns cli "$tag" "${dial_cmd[@]}" "$@"
}

# got TAG FIELD: of the line that begins with "result".
got()
{
	sed -nE "s/^result .*\<$2=([^ ]+).*/\1/p" "$rig_dir/$1.dial" "$rig_dir/$1.log" 2>/dev/null
}

# engine_sessions N: of that engine.
engine_sessions()
{
	ctl status | awk -v e="engine$1" '$1 == e && $2 == "sessions" { print $3 }'
}

# all_held: what the server holds beside held's list.
all_held()
{
	echo "$(held) flows=$(counter flows) ike=$(counter ike_sas_now) pending=$(counter login_pending)"
}

all_held_is()
{
	[ "$(all_held)" = "$1" ]
}
