/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bucket: a token bucket.  Pure: the time is an argument.
 *
 * It fills at `rate` and holds `burst`.  A packet passes while the bucket is
 * not in debt, and may bring it into debt by its own length; so a packet
 * longer than the burst passes too, and the rate holds over time.
 */
#ifndef CULVERT_BUCKET_H
#define CULVERT_BUCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bucket {
	uint64_t rate;		/* bytes per second; 0 = no limit */
	int64_t burst, level;	/* thousandths of a byte, so that a millisecond of any rate counts */
	uint64_t at_ms;
};

/* A full one. */
static inline struct bucket bucket_of(uint64_t rate, uint32_t burst, uint64_t now_ms)
{
	const int64_t full = (int64_t)burst * 1000;

	return (struct bucket){ .rate = rate, .burst = full, .level = full, .at_ms = now_ms };
}

static inline bool bucket_take(struct bucket *b, size_t n, uint64_t now_ms)
{
	if (!b->rate)
		return true;
	if (now_ms > b->at_ms) {
		uint64_t passed = now_ms - b->at_ms, room = (uint64_t)(b->burst - b->level);

		b->at_ms = now_ms;
		/* rate * passed / 1000 bytes; past a full bucket nothing is computed that could overflow */
		b->level = passed > room / b->rate ? b->burst : b->level + (int64_t)(b->rate * passed);
	}
	if (b->level <= 0)
		return false;
	b->level -= (int64_t)n * 1000;
	return true;
}

#endif
