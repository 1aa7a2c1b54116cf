/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dseq: numbers of data messages (RFC 2661 5.4), of one session.  They are there
 * to find out what came late or twice; nothing is ever sent again.
 */
#ifndef CULVERT_DSEQ_H
#define CULVERT_DSEQ_H

#include <stdbool.h>
#include <stdint.h>

struct dseq {
	bool out;		/* we number what we send … */
	uint16_t ns;		/* … with this one next; it stays when numbering pauses */
	bool any;		/* a number was received */
	uint16_t next;		/* the one after the highest */
	uint8_t astray;		/* in a row that were far behind */
	uint64_t seen;		/* bit i: next - 1 - i was received */
};

enum dseq_verdict {
	DSEQ_NEXT,		/* in order, or the first after a gap */
	DSEQ_LATE,		/* overtaken by a later one, for the first time */
	DSEQ_STALE,		/* seen before, or too old to say */
};

enum { DSEQ_WINDOW = 64, DSEQ_ASTRAY = 16 };

/* A message with this number came. */
static inline enum dseq_verdict dseq_in(struct dseq *d, uint16_t ns)
{
	uint16_t ahead = ns - d->next, behind = d->next - ns;
	uint64_t bit;

	/* A peer that counts anew would be heard no more for half a turn. */
	if (!d->any || (ahead >= 0x8000 && behind > DSEQ_WINDOW && ++d->astray >= DSEQ_ASTRAY)) {
		d->any = true;
		d->astray = 0;
		d->next = (uint16_t)(ns + 1);
		d->seen = 1;
		return DSEQ_NEXT;
	}
	if (ahead < 0x8000) {
		d->seen = ahead >= DSEQ_WINDOW - 1 ? 1 : d->seen << (ahead + 1) | 1;
		d->next = (uint16_t)(ns + 1);
		d->astray = 0;
		return DSEQ_NEXT;
	}
	if (behind > DSEQ_WINDOW)
		return DSEQ_STALE;
	d->astray = 0;
	bit = 1ull << (behind - 1);
	if (d->seen & bit)
		return DSEQ_STALE;
	d->seen |= bit;
	return DSEQ_LATE;
}

#endif
