/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mark: which marks (base/proto.h) are taken, where the kernel does ESP.
 *
 * As with SPIs (spi.h) a freed one comes again only after all the others of its
 * engine, and the first one is random.  What the kernel has of an iked before this
 * one is reserved for good.  Pure.
 */
#ifndef CULVERT_MARK_H
#define CULVERT_MARK_H

#include "base/proto.h"

struct marks {
	uint32_t next[CONF_ENGINES_MAX];	/* the number to try first */
	uint64_t map[CONF_ENGINES_MAX * MARK_NUMBERS / 64];	/* one bit a mark */
};

/* NULL without memory; free() ends it.  start: any number. */
struct marks *marks_new(uint32_t start);

/* A free one of that engine, or 0: there is none. */
uint32_t marks_take(struct marks *, unsigned engine);

/* It is in use, whoever has it.  Others than ours are nobody's business. */
void marks_reserve(struct marks *, uint32_t mark);

void marks_free(struct marks *, uint32_t mark);

#endif
