#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# user-max-session … replace: the new session has the old one's address and interface, while
# the server still says goodbye to that one's client, which is gone.  A new manager, too, takes it so.
# shellcheck disable=SC1091,SC2009,SC2016,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "a new manager, and a session that was just replaced"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

# One address; one engine, so that the old session's row comes first.
must dial_network
must dial_server 0.10 60 "1a set engines 1
	1a set user-max-session 1 replace"

dial_start old --from 198.18.7.0/24 --hold 60 --time
check "a session" wait_for grep -q ' up ' "$rig_dir/old.log"
# The namespace's wrapper, and the program itself.
for pid in $(ip netns pids "$(nsname cli)"); do
	tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q -- '--from 198.18.7.0' && kill -KILL "$pid"
done
dial_start new --from 198.18.8.0/24 --hold 60 --ping 50 --target "$INSIDE" --time
new=$started
check "its client is gone, and dials again" wait_for grep -q ' up ' "$rig_dir/new.log"
check_eq "  the old session is there yet" 2 "$(ctl -n session brief | grep -c L2TP)"
pid=$(pgrep -P "$server_pid" -f "culvertd -P manager")
check "the manager is killed" kill -KILL "$pid"
check "  and is back" wait_for grep -q 'manager is back' "$rig_dir/culvertd.log"
check "the old session ends" wait_for grep -q 'session down user="alice" ppp_id=0 ' "$rig_dir/culvertd.log"
check "  and not the new one" not grep -q 'session down user="alice" ppp_id=1 ' "$rig_dir/culvertd.log"
check_eq "  whose address the new one has" 1 "$(counter leases)"
check "  and nobody else gets" eval '! dial other --from 198.18.9.0/24 -u bob -p "$(password_of bob)" --timeout 5'
rig_kill TERM "$new"
check "until that one hangs up" wait_for eval '[ "$(counter leases) $(counter sessions)" = "0 0" ]'
rig_end
