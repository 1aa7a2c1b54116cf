/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tundev: TUN devices by /dev/net/tun and rtnetlink, for netd.
 *
 * Every function needs CAP_NET_ADMIN, returns 0 or -errno and blocks only as
 * long as the kernel works on the request itself.
 */
#ifndef CULVERT_TUNDEV_H
#define CULVERT_TUNDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

struct mnl_socket;

/* A rtnetlink socket. */
struct rtnl {
	struct mnl_socket *nl;
	uint32_t seq;
};

MUST_USE int rtnl_open(struct rtnl *ret);
void rtnl_close(struct rtnl *);

/*
 * A new TUN of that name: no packet information, a virtio header in front of
 * each packet (vnet.h), gone with its last descriptor.  It gives and takes
 * super-packets of TCP over IPv4, and of UDP where the kernel has that (6.2).
 * -EBUSY when any device of that name exists.
 */
MUST_USE int tundev_create(const char *ifname, int *ret_fd, unsigned *ret_index);

struct tundev_setup {
	uint32_t ip_local, ip_peer;	/* host order; a peer other than ip_local gets a /32 route */
	uint32_t mask;			/* all ones, or of a network behind ip_peer that gets a route as well */
	unsigned n_nets;
	struct tundev_net { uint32_t ip, mask; } net[8];	/* more networks there, each with a route */
	uint16_t mtu;
	uint32_t txqlen;		/* packets */
	uint32_t group;			/* link group */
	const char *alias;		/* ifalias */
};

/* Address a new device, without IPv6, and bring it up. */
MUST_USE int tundev_setup(struct rtnl *, unsigned index, const char *ifname,
			  const struct tundev_setup *);

/*
 * Take the address off, with it every route, and move the device to a link
 * group; it exists until the group is deleted.  ip_local 0: whatever addresses
 * it has, by taking the link down (slower).
 */
MUST_USE int tundev_retire(struct rtnl *, unsigned index, uint32_t ip_local, uint32_t ip_peer,
			   uint32_t group);

/* Another address without a peer, and another MTU, of a device that is in service; its routes stay. */
MUST_USE int tundev_change(struct rtnl *, unsigned index, uint32_t ip_was, uint32_t ip, uint16_t mtu);

/* Delete one device, or all of a group at the price of one. */
MUST_USE int tundev_delete(struct rtnl *, unsigned index);
MUST_USE int tundev_delete_group(struct rtnl *, uint32_t group);

/*
 * The route of the network ip with that mask (all ones: of one address) to a
 * device.  mtu 0: the device's.  replace: whatever route it has is ours and moves; else -EEXIST when there is one.
 */
MUST_USE int tundev_route_add(struct rtnl *, unsigned index, uint32_t ip, uint32_t mask, uint16_t mtu,
			      bool replace);
MUST_USE int tundev_route_del(struct rtnl *, unsigned index, uint32_t ip, uint32_t mask);

struct tundev_route {
	unsigned index;
	uint32_t ip, mask;
	bool direct;			/* by no gateway: the network is the device's own */
	bool is_static;			/* made as tundev_route_add() does, by a program */
};

typedef void tundev_route_fn(void *ctx, const struct tundev_route *);

/* Is the last message of the list with this sequence number among those of len bytes? */
bool tundev_is_done(const void *buf, size_t len, uint32_t seq);

/* Call each(ctx, …) for every route to any device but a default one; for some of them twice, maybe. */
MUST_USE int tundev_routes(struct rtnl *, tundev_route_fn *each, void *ctx);

typedef void tundev_each_fn(void *ctx, unsigned index, const char *ifname);

/* Call each(ctx, …) for every device of a link group. */
MUST_USE int tundev_list(struct rtnl *, uint32_t group, tundev_each_fn *each, void *ctx);

#endif
