#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Our LAC: culvert-dial without IPsec at servers that are not ours, xl2tpd and
# l2tpns with a kernel of their own and SoftEther.
# shellcheck disable=SC1091,SC2016,SC2086,SC2154
. "${0%/*}/../lib.sh"
. "${0%/*}/../server.sh"
. "${0%/*}/../guest/guest.sh"
. "${0%/*}/../../bench/softether.sh"

PEER=192.0.2.10
PEER_INSIDE=10.99.0.1
rig_begin "L2TP without IPsec at other servers"
must test -x "$build/culvert-dial"
must network_up
password=pass-word-7
echo $password >"$rig_dir/password"

# call TEXT SERVER TARGET OPTION…: up, pings that are all answered, and an orderly end.
call()
{
	local text=$1 server=$2 target=$3 tag=call
	shift 3
	if ! check "$text: comes up, pings, hangs up" ns nat timeout 100 "$build/culvert-dial" -s "$server" --no-ipsec \
		-u alice -p "@$rig_dir/password" --target "$target" --ping 50 --hold 1 --timeout 20 --max-outage 1000 --time "$@"
	then
		return 1
	fi
	cp "$rig_dir/out" "$rig_dir/$tag.dial"
	# pppd answers ours before its own device is up.
	check_eq "$text: no ping was lost after the first answer" "$(sed -nE 's/^result .* pings_early=([^ ]+).*/\1/p' "$rig_dir/$tag.dial")" \
		"$(sed -nE 's/^result .* pings_lost=([^ ]+).*/\1/p' "$rig_dir/$tag.dial")"
	note "$text: $(sed -nE 's/.* up local=[^ ]+ (.*)/\1/p' "$rig_dir/$tag.dial" | head -n 1)"
}

# lns_conf KEY=VALUE…
lns_conf()
{
	local kv
	{
		printf 'LOCAL=%s\nUSER=alice\nPASSWORD=%s\nINSIDE=%s\nFIRST=10.99.0.10\nLAST=10.99.0.99\n' $PEER $password $PEER_INSIDE
		for kv; do printf '%s=%q\n' "${kv%%=*}" "${kv#*=}"; done
	} >"$rig_dir/peer/share/lns.conf"
}

# no_links: it has heard that the call is over.
no_links()
{
	[ "$(guest_run peer 'bash /mnt/plain-lns.sh links')" = 0 ]
}

if missing=$(guest_missing); then
	skip "xl2tpd and l2tpns as servers" "$missing"
else
	must guest_start peer wan br0 $PEER/24
	cp "$top/bench/radius.py" "$rig_dir/peer/share/"
	for auth in pap chap mschap-v2; do
		lns_conf AUTH=require-$auth
		check "xl2tpd with $auth runs" guest_run peer 'bash /mnt/plain-lns.sh xl2tpd'
		call "xl2tpd, $auth" $PEER $PEER_INSIDE
		check "xl2tpd, $auth: it has no link left" wait_for no_links
		check "xl2tpd ends" guest_run peer 'bash /mnt/plain-lns.sh stop'
	done
	lns_conf
	if ! guest_run peer 'command -v l2tpns' >/dev/null; then
		skip "l2tpns" "it is not installed"
	elif check "l2tpns runs" guest_run peer 'bash /mnt/plain-lns.sh l2tpns'; then
		call "l2tpns, pap" $PEER $PEER_INSIDE --auth pap
		call "l2tpns, chap" $PEER $PEER_INSIDE --auth chap
	fi
fi

if missing=$(softether_missing); then
	skip "SoftEther as a server" "$missing"
else
	link_soft()
	{
		ns_add soft && link soft out0 wan f0 && ip -n "$(nsname wan)" link set f0 master br0 &&
			addr soft out0 192.0.2.20/24
	}
	must link_soft
	softether_start "$(nsname soft)" "$rig_dir/softether" 192.0.2.20
	rig_pids+=("$(cat "$rig_dir/softether/pid")")
	if check "SoftEther runs" softether_setup "$(nsname soft)" 0123456789abcdef alice $password &&
	   check "and takes L2TP without IPsec" se_cmd "$(nsname soft)" /CMD:IPsecEnable /L2TP:yes /L2TPRAW:yes /ETHERIP:no \
		/PSK:0123456789abcdef /DEFAULTHUB:DEFAULT && wait_for eval 'ns soft ss -Hluan "sport = 1701" | grep -q .'; then
		call "SoftEther" 192.0.2.20 $SE_GATEWAY
	fi
fi
rig_end
