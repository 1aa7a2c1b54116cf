/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * idle: has a session had no IP packet for too long?  Pure; for the engine.
 *
 * Nothing is done per packet: from time to time the owner shows the session's
 * packet counter, and a counter that stood still is silence.  So silence is
 * noticed up to one step late, and never early.
 */
#ifndef CULVERT_IDLE_H
#define CULVERT_IDLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

#define IDLE_NEVER UINT64_MAX

enum { IDLE_STEP_MIN_MS = 1000, IDLE_STEP_MAX_MS = 60000 };

struct idle {
	uint64_t timeout_ms;	/* 0 = off */
	uint64_t last_ms;	/* the last packet came no later */
	uint64_t due_ms;	/* when to call idle_over() next; IDLE_NEVER = not */
	uint64_t packets;	/* the counter then */
};

static inline void idle_next(struct idle *i, uint64_t now_ms)
{
	uint64_t step = MAX(IDLE_STEP_MIN_MS, MIN(IDLE_STEP_MAX_MS, i->timeout_ms / 16));

	i->due_ms = MIN(now_ms + step, i->last_ms + i->timeout_ms);
}

/* The session is up, with this many packets so far. */
static inline void idle_start(struct idle *i, uint64_t timeout_ms, uint64_t packets, uint64_t now_ms)
{
	*i = (struct idle){ .timeout_ms = timeout_ms, .last_ms = now_ms, .due_ms = IDLE_NEVER, .packets = packets };
	if (timeout_ms)
		idle_next(i, now_ms);
}

/* Another time from now on; silence counts since it began. */
static inline void idle_change(struct idle *i, uint64_t timeout_ms, uint64_t packets, uint64_t now_ms)
{
	bool silent = i->timeout_ms && packets == i->packets;

	if (!timeout_ms || !silent) {
		idle_start(i, timeout_ms, packets, now_ms);
		return;
	}
	i->timeout_ms = timeout_ms;
	idle_next(i, now_ms);
}

/* Is it over?  Too early does no harm; it says so once. */
static inline bool idle_over(struct idle *i, uint64_t packets, uint64_t now_ms)
{
	if (now_ms < i->due_ms)
		return false;
	if (packets != i->packets) {
		i->packets = packets;
		i->last_ms = now_ms;
	} else if (now_ms - i->last_ms >= i->timeout_ms) {
		i->due_ms = IDLE_NEVER;
		return true;
	}
	idle_next(i, now_ms);
	return false;
}

#endif
