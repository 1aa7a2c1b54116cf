#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What L2TP itself can do: a secret of the tunnel, hidden AVPs, numbered data.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../dial.sh"

rig_begin "tunnel secrets, hidden AVPs, numbered data"
must test -x "$build/culvertd"
must test -x "$build/culvert-iked"
must test -x "$build/culvert-dial"

printf 'osprey-lilac-9-tail-gunner' >"$rig_dir/secret"
printf 'osprey-lilac-9-tail-Gunner' >"$rig_dir/wrong"
chmod 600 "$rig_dir/secret" "$rig_dir/wrong"
must dial_network
must dial_server 3.250 60 "/protocol l2tp/a mppe yes\n\tl2tp-secret file \"$rig_dir/secret\""

check "with the secret" dial secret --tunnel-secret "@$rig_dir/secret" --ping 20 --hold 1 --target "$INSIDE"
check "  and hidden AVPs" dial hidden --tunnel-secret "@$rig_dir/secret" --hide --ping 20 --hold 1 --target "$INSIDE"
check "  and 20 at once, with doubles and disorder" dial lossy --tunnel-secret "@$rig_dir/secret" --hide -n 20 --from $PREFIX --dup 20 --reorder 20
check "not without it" eval '! dial no --timeout 15 --time'
check "  for that reason" eval "grep -q 'result=4 error=0' '$rig_dir/no.dial'"
check "not with another one" eval '! dial no --timeout 15 --time --tunnel-secret "@$rig_dir/wrong"'
check "  for that reason" eval "grep -q 'result=4 error=0' '$rig_dir/no.dial'"
check "not with another one to hide by" eval '! dial no --timeout 15 --time --hide --tunnel-secret "@$rig_dir/wrong"'
check "  for that reason" eval "grep -q 'result=2 error=' '$rig_dir/no.dial'"
check_eq "the server counts who was not right, and did not find out itself" 1 "$(counter l2tp_ctl_auth)"
check "numbered data, as the client requires" dial numbered --tunnel-secret "@$rig_dir/secret" --sequence --ping 10 --hold 2 \
	--target "$INSIDE" --max-outage 0
check_eq "  none of it late" "0 0" "$(counter l2tp_late) $(counter l2tp_stale)"
check "  and encrypted by PPP as well" dial mppe --tunnel-secret "@$rig_dir/secret" --sequence --mppe required --ping 10 --hold 2 \
	--target "$INSIDE" --max-outage 0
check_eq "  none of it bad" "0 0" "$(counter mppe_bad) $(counter mppe_lost)"
check "  with disorder" dial disorder --tunnel-secret "@$rig_dir/secret" --sequence --ping 5 --hold 2 --target "$INSIDE" \
	--reorder 20 -n 5 --from $PREFIX
check "  which is noticed" [ "$(counter l2tp_late)" -gt 0 ]
check "nothing is left" wait_for eval '[ "$(counter leases) $(counter sessions)" = "0 0" ]'
rig_end
