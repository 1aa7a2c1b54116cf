/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seldom: one line of the log per source and minute, for what a client with a
 * mistake in it does again and again. Pure.
 *
 * It remembers the last sources only; who comes from more of them at once gets
 * more lines, as many as the caller's log_rate lets through.
 */
#ifndef CULVERT_SELDOM_H
#define CULVERT_SELDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

enum { SELDOM_SOURCES = 64, SELDOM_MS = 60000 };

/* All zero: nobody yet. */
struct seldom {
	struct {
		struct addr who;	/* without a port; family 0: free */
		uint64_t at_ms;
	} source[SELDOM_SOURCES];
};

/* True when there was no line about this address (its port does not count) for a minute, and this one is it. */
bool seldom_ok(struct seldom *, const struct addr *, uint64_t now_ms);

#endif
