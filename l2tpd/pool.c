/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/pool.h"

#include <errno.h>
#include <stdlib.h>

struct slot {
	uint32_t ip;
	bool leased, dynamic;
	bool queued;		/* in the queue of free dynamic ones, maybe leased by name meanwhile */
	uint32_t next;		/* there; an index, NONE at its end */
};

enum { NONE = UINT32_MAX };

struct pool {
	uint32_t n, in_use, n_dynamic;
	uint32_t head, tail;	/* free dynamic slots, longest free first */
	struct slot *slot;	/* sorted by ip */
};

static int by_ip(const void *a, const void *b)
{
	uint32_t x = ((const struct slot *)a)->ip, y = ((const struct slot *)b)->ip;

	return x < y ? -1 : x > y;
}

static struct slot *pool_find(const struct pool *p, uint32_t ip)
{
	struct slot key = { .ip = ip };

	return p->n ? bsearch(&key, p->slot, p->n, sizeof(key), by_ip) : NULL;
}

static void pool_append(struct pool *p, uint32_t i)
{
	p->slot[i].next = NONE;
	p->slot[i].queued = true;
	if (p->head == NONE)
		p->head = i;
	else
		p->slot[p->tail].next = i;
	p->tail = i;
}

int pool_new(const struct conf_ipcp *c, uint32_t reserved, struct pool **ret)
{
	struct pool *p = calloc(1, sizeof(*p));
	uint64_t n = 0;

	if (!p)
		return -ENOMEM;
	p->head = p->tail = NONE;
	for (unsigned i = 0; i < c->n_pool; i++)
		n += (uint64_t)c->pool[i].last - c->pool[i].first + 1;
	if (n > CONF_POOL_ADDRS || (n && !(p->slot = calloc(n, sizeof(*p->slot))))) {
		pool_free(p);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < c->n_pool; i++) {
		const struct conf_pool *r = &c->pool[i];

		for (uint64_t ip = r->first; ip <= r->last; ip++) {
			/* Clients and middle boxes treat these as networks and broadcasts. */
			bool edge = ((ip & 0xff) == 0 || (ip & 0xff) == 0xff) && r->last - r->first >= 0xff;

			if (ip == reserved || edge)
				continue;
			p->slot[p->n++] = (struct slot){ .ip = (uint32_t)ip, .dynamic = !r->static_only, .next = NONE };
		}
	}
	if (p->n)
		qsort(p->slot, p->n, sizeof(*p->slot), by_ip);
	for (uint32_t i = 0; i < p->n; i++) {
		if (p->slot[i].dynamic) {
			p->n_dynamic++;
			pool_append(p, i);
		}
	}
	*ret = p;
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	free(p->slot);
	free(p);
}

uint32_t pool_lease(struct pool *p, uint32_t want)
{
	struct slot *s = want ? pool_find(p, want) : NULL;

	if (s && !s->leased) {
		s->leased = true;
		p->in_use++;
		return s->ip;
	}
	while (p->head != NONE) {
		s = &p->slot[p->head];
		p->head = s->next;
		s->queued = false;
		if (s->leased)
			continue;
		s->leased = true;
		p->in_use++;
		return s->ip;
	}
	return 0;
}

bool pool_take(struct pool *p, uint32_t ip)
{
	struct slot *s = pool_find(p, ip);

	return s && s->dynamic && pool_claim(p, ip);
}

bool pool_claim(struct pool *p, uint32_t ip)
{
	struct slot *s = pool_find(p, ip);

	if (!s || s->leased)
		return false;
	s->leased = true;
	p->in_use++;
	return true;
}

/* The first slot from an address on. */
static uint32_t slot_from(const struct pool *p, uint32_t ip)
{
	uint32_t lo = 0, hi = p->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (p->slot[mid].ip < ip)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool pool_claim_net(struct pool *p, uint32_t ip, uint32_t mask)
{
	uint32_t first = slot_from(p, ip & mask), end;

	for (end = first; end < p->n && !((p->slot[end].ip ^ ip) & mask); end++)
		if (p->slot[end].ip != ip && (p->slot[end].leased || p->slot[end].dynamic))
			return false;
	for (uint32_t i = first; i < end; i++)
		p->slot[i].leased = true;
	return true;
}

void pool_release_net(struct pool *p, uint32_t ip, uint32_t mask)
{
	for (uint32_t i = slot_from(p, ip & mask); i < p->n && !((p->slot[i].ip ^ ip) & mask); i++)
		if (p->slot[i].ip != ip)
			p->slot[i].leased = false;
}

void pool_release(struct pool *p, uint32_t ip)
{
	struct slot *s = pool_find(p, ip);

	if (!s || !s->leased)
		return;
	s->leased = false;
	p->in_use--;
	if (s->dynamic && !s->queued)
		pool_append(p, (uint32_t)(s - p->slot));
}

uint32_t pool_in_use(const struct pool *p)
{
	return p->in_use;
}

uint32_t pool_size(const struct pool *p)
{
	return p->n_dynamic;
}
