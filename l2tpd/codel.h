/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * codel: when a queue is to lose a packet so that its senders slow down
 * (controlled delay, RFC 8289).  Pure: the time is an argument.
 *
 * A queue that was never shorter than CODEL_TARGET_MS for CODEL_INTERVAL_MS has
 * senders that are faster than who empties it: they are told by a loss, and by
 * the next one the sooner the longer it lasts.  A burst that is gone within the
 * interval loses nothing.  So queues stay short without a limit that cuts off the
 * end of whole bursts, which TCP takes long to mend.
 */
#ifndef CULVERT_CODEL_H
#define CULVERT_CODEL_H

#include <stdbool.h>
#include <stdint.h>

enum {
	CODEL_TARGET_MS = 5,		/* RFC 8289 4.3, 4.4 */
	CODEL_INTERVAL_MS = 100,
};

/* All zero at first. */
struct codel {
	uint64_t above_ms;	/* when it will have been above the target for an interval; 0 = it is below */
	uint64_t next_ms;	/* dropping: when the next loss is due */
	uint32_t count;		/* losses since dropping began */
	uint32_t last_count;	/* what count was when it began */
	bool dropping;
};

/* An interval's part that shrinks with the square root of count (RFC 8289 5.5, without floating point). */
static inline uint64_t codel_gap_ms(uint32_t count)
{
	uint32_t root = 1;

	while ((uint64_t)(root + 1) * (root + 1) <= count)
		root++;
	return CODEL_INTERVAL_MS / root;
}

/*
 * A packet leaves the queue after it waited so long; last: nothing is left behind
 * it.  True: it, or one packet of it, is to be lost or marked.
 */
static inline bool codel_take(struct codel *c, uint64_t waited_ms, bool last, uint64_t now_ms)
{
	bool above = waited_ms >= CODEL_TARGET_MS && !last;

	if (!above)
		c->above_ms = 0;
	else if (!c->above_ms)
		c->above_ms = now_ms + CODEL_INTERVAL_MS;
	if (!c->above_ms || now_ms < c->above_ms) {
		if (!above)
			c->dropping = false;
		return false;
	}
	if (c->dropping) {
		if (now_ms < c->next_ms)
			return false;
		c->count++;
		c->next_ms += codel_gap_ms(c->count);
		return true;
	}
	/* Soon after the last time: go on where that ended. */
	c->dropping = true;
	c->count = now_ms < c->next_ms + 16 * CODEL_INTERVAL_MS && c->count - c->last_count > 1 ? c->count - c->last_count : 1;
	c->last_count = c->count;
	c->next_ms = now_ms + codel_gap_ms(c->count);
	return true;
}

#endif
