#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck disable=SC1091,SC2154
# Proof of the ground the other tests stand on: namespaces, TUN, and a guest
# whose kernel does ESP, L2TP and PPP.
. "${0%/*}/../lib.sh"
. "${0%/*}/../guest/guest.sh"

rig_begin "namespaces, TUN and a guest with ESP, L2TP and PPP"
note "host kernel $(uname -r), $(nproc) cores"
must ns_add srv
must ns_add net
must link srv out0 net s0
must bridge net br0 s0
must addr srv out0 192.0.2.1/24
check "a TUN in a namespace" ip -n "$(nsname srv)" tuntap add dev pppx0 mode tun
check "nftables in a namespace" ns srv nft add table inet rigtest

if why=$(guest_missing); then
	skip "a guest boots" "$why"
	rig_end
fi
guest_start bob net br0 192.0.2.10/24 192.0.2.1 || rig_end
note "guest kernel $(guest_run bob 'uname -r'), up in $guest_boot_ms ms"
ok "a guest boots"
check "it reaches the server's namespace" guest_run bob 'ping -c 1 -W 10 192.0.2.1'
check "its kernel takes an ESP SA" guest_run bob 'ip xfrm state add src 192.0.2.10 dst 192.0.2.1 \
	proto esp spi 0x1234 mode transport encap espinudp 4500 4500 0.0.0.0 \
	auth-trunc "hmac(sha256)" 0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 128 \
	enc "cbc(aes)" 0x000102030405060708090a0b0c0d0e0f'
check "and shows it" guest_run bob 'ip xfrm state | grep -q "spi 0x00001234"'
check "it has PPP over L2TP" guest_run bob 'test -c /dev/ppp && grep -q ^l2tp_ppp /proc/modules'
guest_run bob 'exit 7'
check_eq "a command's status comes back" 7 $?
pid=${guest_pid[bob]}
guest_kill bob
check "a killed guest is gone" wait_for not rig_alive "$pid"
rig_end
