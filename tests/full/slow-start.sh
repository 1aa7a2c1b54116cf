#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A process that hangs while the server starts: a reload that is asked for then gives
# up, and nobody is told that the server serves before it does.
# shellcheck disable=SC1091,SC2016,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "a reload before the server is ready"
must dial_network
server_run=$rig_dir/run
must mkdir -p "$server_run"
(umask 077 && server_conf >"$server_run/conf" && server_users >"$server_run/users")
start_ns srv culvertd "$build/culvertd" -d -f "$server_run/conf" -r "$server_run"
server_pid=$started

# An engine tries ciphers before it is ready: time enough to stop it.
hang()
{
	hung=$(pgrep -P "$server_pid" -f "culvertd -P engine -I 1") && kill -STOP "$hung"
}

says()
{
	grep -q -- "$1" "$rig_dir/culvertd.log"
}

while rig_alive "$server_pid" && not hang; do :; done
must not says "ready listen"
check "the signal is taken" eval 'wait_for says "ike spawning" && kill -HUP "$server_pid" && wait_for says SIGHUP'
check "the reload says who does not run" wait_for says "engine1 does not run: the configuration was not read"
check "  and that nothing changed" wait_for says "reload: nothing changed"
check "  but not that the server serves" not says "ready listen"
kill -CONT "$hung"
check "that comes when it does" wait_for says "ready listen"
check "a reload is done then" eval 'kill -HUP "$server_pid"; wait_for eval "[ \$(grep -c \"reload: nothing changed\" $rig_dir/culvertd.log) = 2 ]"'
rig_end
