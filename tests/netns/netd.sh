#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# netd and its firewall against the real kernel, as root, in namespaces of its
# own.  Usage: tests/netns/netd.sh [BUILD DIRECTORY]
#
#	client (a TUN of netd) - server - ext0 ---- outside	198.51.100.0/24, translated
#				    '---- lan0 ---- lan		10.50.0.0/24, routed
: "${top_srcdir:=$(dirname "$0")/../..}"
build=$(cd "${1:-${top_builddir:-.}}" && pwd) || exit 2
tag=cvt$(od -An -N3 -tx1 /dev/urandom | tr -d ' ')
clean()
{
	for ns in server outside lan; do
		ip netns pids "$tag-$ns" 2>/dev/null | xargs -r kill 2>/dev/null
		ip netns del "$tag-$ns" 2>/dev/null
	done
}
trap clean EXIT
trap 'exit 1' INT TERM HUP
set -e
for ns in server outside lan; do
	ip netns add "$tag-$ns"
	ip -n "$tag-$ns" link set lo up
done
wire()	# other end's namespace, our device, prefix of both addresses
{
	ip -n "$tag-server" link add "$2" type veth peer name peer0 netns "$tag-$1"
	ip -n "$tag-server" addr add "$3.1/24" dev "$2"
	ip -n "$tag-server" addr add "$4::1/64" dev "$2" nodad
	ip -n "$tag-server" link set "$2" up
	ip -n "$tag-$1" addr add "$3.2/24" dev peer0
	ip -n "$tag-$1" addr add "$4::2/64" dev peer0 nodad
	ip -n "$tag-$1" link set peer0 up
	ip -n "$tag-$1" route add default via "$3.1"
	ip -n "$tag-$1" route add default via "$4::1"
}
wire outside ext0 198.51.100 2001:db8:1
wire lan lan0 10.50.0 2001:db8:2
ip -n "$tag-outside" addr add 198.51.100.3/24 dev peer0
ip -n "$tag-outside" addr add 169.254.169.254/32 dev peer0
ip -n "$tag-server" route add 169.254.169.254 via 198.51.100.2
ip netns exec "$tag-server" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=1
ip netns exec "$tag-server" python3 "$top_srcdir/tests/netd/netd.py" "$build" "$tag-outside" "$tag-lan"
