/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pool: the addresses of one ipcp, each leased to at most one session. */
#ifndef CULVERT_POOL_H
#define CULVERT_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/util.h"

struct pool;

/*
 * A pool of conf's ranges.  reserved (the server's own address) is never
 * leased, nor is a range's address that ends in .0 or .255 of a /24 boundary
 * when the range spans it. 0 or -ENOMEM (more than CONF_POOL_ADDRS, too).
 */
MUST_USE int pool_new(const struct conf_ipcp *, uint32_t reserved, struct pool **ret);
void pool_free(struct pool *);		/* NULL is fine */

/*
 * Lease an address: want (a user's framed address; 0 = none) when it is in the
 * pool and free, else the dynamic one that has been free longest, so that a
 * late packet for a former holder finds nobody.  0 = none left.
 */
uint32_t pool_lease(struct pool *, uint32_t want);

/* Lease this one, when it is free and of the dynamic kind: another was promised to nobody. */
bool pool_take(struct pool *, uint32_t ip);
/* Lease that address or none. */
MUST_USE bool pool_claim(struct pool *, uint32_t ip);

/*
 * Lease all other addresses of the network of an address that is leased: when each of them
 * is static and free, else none.  They do not count as leases: a session has one.
 */
MUST_USE bool pool_claim_net(struct pool *, uint32_t ip, uint32_t mask);
/* Give those back; the address itself stays leased. */
void pool_release_net(struct pool *, uint32_t ip, uint32_t mask);

/* Give it back; one that is not leased is ignored. */
void pool_release(struct pool *, uint32_t ip);

uint32_t pool_in_use(const struct pool *);
uint32_t pool_size(const struct pool *);	/* addresses that dynamic leases can come from */

#endif
