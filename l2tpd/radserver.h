/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * radserver: which server of a list is asked next.  Pure: the time is an argument.
 *
 * The first one that is not dead; a server that left a request unanswered is dead
 * for dead-time, unless it answered somebody meanwhile.  Where all are dead the
 * one is asked that will be alive first: a list always has somebody to ask.
 */
#ifndef CULVERT_RADSERVER_H
#define CULVERT_RADSERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"

struct rad_servers {
	uint64_t dead_until_ms[CONF_RADIUS_SERVERS];	/* 0 = alive */
	uint64_t heard_ms[CONF_RADIUS_SERVERS];		/* its last good reply */
};

/* The server to ask, of the first n; none of `tried` (bits). -1: all were. */
static inline int rad_server_next(const struct rad_servers *s, unsigned n, unsigned tried, uint64_t now_ms)
{
	int best = -1;

	for (unsigned i = 0; i < n && i < CONF_RADIUS_SERVERS; i++) {
		uint64_t until = s->dead_until_ms[i] > now_ms ? s->dead_until_ms[i] : 0;

		if (tried & 1u << i)
			continue;
		if (!until)
			return (int)i;
		if (best < 0 || until < s->dead_until_ms[best])
			best = (int)i;
	}
	return best;
}

static inline void rad_server_heard(struct rad_servers *s, unsigned i, uint64_t now_ms)
{
	s->heard_ms[i] = now_ms;
	s->dead_until_ms[i] = 0;
}

/* A request of asked_ms was not answered. True: it is dead from now on, and was not before. */
static inline bool rad_server_silent(struct rad_servers *s, unsigned i, uint64_t asked_ms, uint32_t dead_time_s,
	uint64_t now_ms)
{
	bool was = s->dead_until_ms[i] > now_ms;

	if (!dead_time_s || s->heard_ms[i] > asked_ms)
		return false;
	s->dead_until_ms[i] = now_ms + dead_time_s * 1000ull;
	return !was;
}

#endif
