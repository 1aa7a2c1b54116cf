/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dial_stat: how culvert-dial counts: times, and what is missing among sequence numbers. Pure. */
#ifndef CULVERT_CTL_DIAL_STAT_H
#define CULVERT_CTL_DIAL_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HIST_SUB = 16,			/* buckets of each power of two: a quantile is at most 1/16 too high */
	HIST_POWERS = 21,		/* from 16 µs up to 33 s; longer ones count as that */
	HIST_BUCKETS = HIST_SUB * (1 + HIST_POWERS),
};

/* Times in microseconds. All zero: none yet. */
struct hist {
	uint64_t n, sum_us;
	uint32_t min_us, max_us;
	uint32_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *, uint64_t us);
void hist_merge(struct hist *, const struct hist *from);

/* The time that so many per mille are not longer than; 0 when there is none. */
uint32_t hist_quantile(const struct hist *, unsigned per_mille);
uint32_t hist_mean(const struct hist *);

/* Sequence numbers from 1 on, each at most once, not always in order. All zero: none yet. */
struct seq_track {
	uint32_t top;			/* highest */
	uint32_t got;
	uint32_t late;			/* behind one that was sent later */
};

void seq_track_add(struct seq_track *, uint32_t seq);

/* Those up to the highest that did not come. */
uint32_t seq_track_lost(const struct seq_track *);

/*
 * ESP numbers of a ring of packets that are sealed beforehand: behind each
 * RING_RUN of them RING_FREE are left out, for what is sent in between.
 */
enum {
	RING_RUN = 16, RING_FREE = 4,
	RING_AHEAD = 512,		/* no further ahead of the ring: the receiver's window moves with it */
};

/* Of packet i of a ring whose first one has the number `first`. */
uint64_t ring_number(uint32_t first, unsigned i);

/*
 * For what is sent now that `sent` of n packets are: the next number that was
 * left out, or, when all are sent, the one behind both.  last: the last that
 * this function gave, 0 = none yet.  0: so many were used in between that the
 * receiver would take what is left of the ring for old.
 */
uint64_t ring_between(uint32_t first, unsigned n, unsigned sent, uint64_t last);

/* Of n sorted values the one that so many per mille are not above; 0 when n is 0. */
uint64_t sorted_quantile(const uint64_t *v, size_t n, unsigned per_mille);

#endif
