/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * routes: which session addresses are routed to which shared TUN, as netd
 * knows it.  A table by address; pure.
 */
#ifndef CULVERT_ROUTES_H
#define CULVERT_ROUTES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/util.h"

enum { ROUTE_BUCKETS = 4096 };

struct route {
	struct list link;
	uint32_t ip;			/* host order; of a network the first one */
	uint32_t mask;			/* all ones: a host */
	uint16_t mtu;			/* as asked for; 0 = not known */
	unsigned dev;			/* the owner's number of the device */
	bool kept;			/* the manager named it since it was last asked to */
};

struct routes {
	struct list bucket[ROUTE_BUCKETS];
	unsigned n;
};

void routes_init(struct routes *);

/* The route of an address, or of the network that begins with it, or NULL. */
struct route *routes_find(struct routes *, uint32_t ip);

/* A new one, for an address that has none, of a host until mask is set.  NULL: out of memory. */
MUST_USE struct route *routes_add(struct routes *, uint32_t ip, unsigned dev);
void routes_del(struct routes *, struct route *);

/* Call each(ctx, r) for every route; it may delete r, nothing else. */
typedef void routes_each_fn(void *ctx, struct route *r);
void routes_each(struct routes *, routes_each_fn *, void *ctx);

#endif
