/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/routes.h"

#include <stdlib.h>

void routes_init(struct routes *t)
{
	for (unsigned i = 0; i < ROUTE_BUCKETS; i++)
		list_init(&t->bucket[i]);
	t->n = 0;
}

/* Pools are ranges: neighbours go to different buckets. */
static struct list *bucket_of(struct routes *t, uint32_t ip)
{
	return &t->bucket[ip % ROUTE_BUCKETS];
}

struct route *routes_find(struct routes *t, uint32_t ip)
{
	LIST_EACH(bucket_of(t, ip), e) {
		struct route *r = CONTAINER_OF(e, struct route, link);

		if (r->ip == ip)
			return r;
	}
	return NULL;
}

struct route *routes_add(struct routes *t, uint32_t ip, unsigned dev)
{
	struct route *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->ip = ip;
	r->mask = UINT32_MAX;
	r->dev = dev;
	list_push(bucket_of(t, ip), &r->link);
	t->n++;
	return r;
}

void routes_del(struct routes *t, struct route *r)
{
	list_del(&r->link);
	t->n--;
	free(r);
}

void routes_each(struct routes *t, routes_each_fn *each, void *ctx)
{
	for (unsigned i = 0; i < ROUTE_BUCKETS; i++)
		LIST_EACH(&t->bucket[i], e)
			each(ctx, CONTAINER_OF(e, struct route, link));
}
