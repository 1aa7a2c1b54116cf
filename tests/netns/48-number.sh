#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# callnum-check: a user comes from his calling-number alone, and a client that
# has the right password and another number learns no more than one with a wrong password.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "calling numbers"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

must dial_network
must mkdir -p "$rig_dir/run"
(umask 077 && printf '%s:password=%s%s:\n' alice "$(password_of alice)" ':calling-number=+1 555 1234' \
	bob "$(password_of alice)" '' >"$rig_dir/run/users")
must dial_server 1.250 60 "/protocol l2tp/a callnum-check yes"

why() { sed -nE "s/.*login failed user=.$1. .* reason=(.*)/\\1/p" "$rig_dir/culvertd.log" | tail -n 1; }
# What the client is told, but for the challenge.
told() { sed -nE 's/ C=[0-9A-F]+//; /^ *failed:/p' "$rig_dir/$1.dial"; }

check "from his number" dial right --calling-number '+1 555 1234' --ping 20 --hold 1 --target "$INSIDE"
check "not from another one" eval "! dial other --timeout 15 --calling-number '+1 555 1235'"
check_eq "  the log says why" '"wrong calling number"' "$(why alice)"
check "not from a longer one" eval "! dial longer --timeout 15 --calling-number '+1 555 12345'"
check_eq "  the log says why" '"wrong calling number"' "$(why alice)"
check "not without one" eval "! dial none --timeout 15"
check_eq "  the log says why" '"a call without a calling number"' "$(why alice)"
check "not with his number and a wrong password" eval "! dial wrong --timeout 15 --calling-number '+1 555 1234' --wrong-password"
check_eq "  the log says why" '"wrong name or password"' "$(why alice)"
check "a wrong password shows as such" grep -q "E=691" "$rig_dir/wrong.dial"
check_eq "a wrong number looks the same" "$(told wrong)" "$(told other)"
check "nor who has no number in the file" eval "! dial bob --timeout 15 -u bob --calling-number '+1 555 1234'"
check_eq "  the log says why" '"this user has no calling-number"' "$(why bob)"
check "from his number, as before" dial again --calling-number '+1 555 1234' --ping 20 --hold 1 --target "$INSIDE"
check "nothing is left" wait_for eval '[ "$(counter leases) $(counter sessions)" = "0 0" ]'
rig_end
