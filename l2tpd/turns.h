/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * turns: who is next, of those that have something to do.  Pure.
 *
 * One that had nothing a moment ago comes first; all others take turns of
 * TURN_QUANTUM (deficit round robin: what one takes too much, it waits for).
 * So whoever needs little is not behind whoever needs much.
 */
#ifndef CULVERT_TURNS_H
#define CULVERT_TURNS_H

#include "base/list.h"

enum {
	TURN_QUANTUM = 65536,		/* bytes, and for each packet … */
	TURN_PACKET = 600,		/* … so many, for that is how it is with the work */
};

struct turn {
	struct list link;		/* in one of the rings, while there may be something to do */
	int credit;
};

struct turns {
	struct list fresh, ring;
};

static inline void turns_init(struct turns *ts)
{
	list_init(&ts->fresh);
	list_init(&ts->ring);
}

static inline bool turns_empty(const struct turns *ts)
{
	return list_empty(&ts->fresh) && list_empty(&ts->ring);
}

static inline void turn_init(struct turn *t)
{
	list_init(&t->link);
}

/* There is something to do; harmless when it stands there already. */
static inline void turn_join(struct turns *ts, struct turn *t)
{
	if (!list_empty(&t->link))
		return;
	t->credit = TURN_QUANTUM;
	list_push(&ts->fresh, &t->link);
}

/* There is nothing to do any more; harmless when there was not. */
static inline void turn_leave(struct turn *t)
{
	list_del(&t->link);
}

/* Whose turn it is, or NULL. */
static inline struct turn *turns_next(struct turns *ts)
{
	for (;;) {
		struct list *l = !list_empty(&ts->fresh) ? &ts->fresh : &ts->ring;
		struct turn *t = CONTAINER_OF(l->next, struct turn, link);

		if (list_empty(l))
			return NULL;
		if (t->credit > 0)
			return t;
		t->credit += TURN_QUANTUM;
		list_del(&t->link);
		list_push(&ts->ring, &t->link);
	}
}

/* It did so much. */
static inline void turn_pay(struct turn *t, size_t bytes, unsigned packets)
{
	t->credit -= (int)bytes + (int)packets * TURN_PACKET;
}

#endif
