/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/dial_stat.h"

#include "base/util.h"

static unsigned bucket_of(uint32_t us)
{
	unsigned power = 0;

	while (us >> power >= 2 * HIST_SUB)
		power++;
	if (us < HIST_SUB)
		return us;
	return MIN(HIST_SUB * power + (us >> power), (unsigned)HIST_BUCKETS - 1);
}

/* The longest time that belongs to a bucket. */
static uint32_t bucket_end(unsigned i)
{
	unsigned power = i < HIST_SUB ? 0 : i / HIST_SUB - 1;

	return (uint32_t)(((uint64_t)(i - HIST_SUB * power) + 1) << power) - 1;
}

void hist_add(struct hist *h, uint64_t us)
{
	uint32_t v = (uint32_t)MIN(us, UINT32_MAX);

	h->min_us = h->n ? MIN(h->min_us, v) : v;
	h->max_us = MAX(h->max_us, v);
	h->n++;
	h->sum_us += v;
	h->bucket[bucket_of(v)]++;
}

void hist_merge(struct hist *h, const struct hist *from)
{
	if (!from->n)
		return;
	h->min_us = h->n ? MIN(h->min_us, from->min_us) : from->min_us;
	h->max_us = MAX(h->max_us, from->max_us);
	h->n += from->n;
	h->sum_us += from->sum_us;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		h->bucket[i] += from->bucket[i];
}

uint32_t hist_quantile(const struct hist *h, unsigned per_mille)
{
	uint64_t below = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		below += h->bucket[i];
		if (h->n && below * 1000 >= h->n * per_mille && below)
			return i + 1 < HIST_BUCKETS ? MIN(bucket_end(i), h->max_us) : h->max_us;
	}
	return 0;
}

uint32_t hist_mean(const struct hist *h)
{
	return h->n ? (uint32_t)(h->sum_us / h->n) : 0;
}

void seq_track_add(struct seq_track *t, uint32_t seq)
{
	t->got++;
	if (seq > t->top)
		t->top = seq;
	else
		t->late++;
}

uint32_t seq_track_lost(const struct seq_track *t)
{
	return t->top - MIN(t->got, t->top);
}

uint64_t sorted_quantile(const uint64_t *v, size_t n, unsigned per_mille)
{
	size_t rank = (n * per_mille + 999) / 1000;

	return n ? v[MAX(rank, (size_t)1) - 1] : 0;
}

uint64_t ring_number(uint32_t first, unsigned i)
{
	return first + (uint64_t)(i / RING_RUN) * (RING_RUN + RING_FREE) + i % RING_RUN;
}

uint64_t ring_between(uint32_t first, unsigned n, unsigned sent, uint64_t last)
{
	enum { TURN = RING_RUN + RING_FREE };
	uint64_t now = ring_number(first, sent), next = ring_number(first, sent - sent % RING_RUN) + RING_RUN;
	uint64_t in;

	if (sent >= n)
		return MAX(last, ring_number(first, n - 1)) + 1;
	if (last >= next) {
		in = (last - first) % TURN;
		next = in + 1 < TURN ? last + 1 : last + 1 + RING_RUN;
	}
	return next > now + RING_AHEAD ? 0 : next;
}
