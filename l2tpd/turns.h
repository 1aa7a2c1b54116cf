/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * turns: who is next, of those that have something to do.  Pure.
 *
 * One that had nothing a moment ago comes first; all others take turns of
 * TURN_QUANTUM (deficit round robin: what one takes too much, it waits for).
 * So whoever needs little is not behind whoever needs much.
 *
 * One that has nothing any more rests in the ring until all others in it had
 * their turn.  Were it forgotten at once, some that come and go could keep the
 * first place among them for ever, and those in the ring would get nothing.
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
	bool resting;			/* in the ring, with nothing to do */
};

struct turns {
	struct list fresh, ring;
};

static inline void turns_init(struct turns *ts)
{
	list_init(&ts->fresh);
	list_init(&ts->ring);
}

/* Nobody has anything to do; false also while somebody only rests. */
static inline bool turns_empty(const struct turns *ts)
{
	return list_empty(&ts->fresh) && list_empty(&ts->ring);
}

static inline void turn_init(struct turn *t)
{
	list_init(&t->link);
	t->resting = false;
}

/* There is something to do; harmless when it stands there already. */
static inline void turn_join(struct turns *ts, struct turn *t)
{
	t->resting = false;
	if (!list_empty(&t->link))
		return;
	t->credit = TURN_QUANTUM;
	list_push(&ts->fresh, &t->link);
}

/* What it did is paid, and there is nothing more to do at the moment. */
static inline void turn_rest(struct turns *ts, struct turn *t)
{
	list_del(&t->link);
	if (list_empty(&ts->ring))
		return;
	if (t->credit <= 0)
		t->credit += TURN_QUANTUM;
	t->resting = true;
	list_push(&ts->ring, &t->link);
}

/* It will be gone; harmless when it was in no ring. */
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
		if (!t->resting && t->credit > 0)
			return t;
		list_del(&t->link);
		if (t->resting)
			continue;
		t->credit += TURN_QUANTUM;
		list_push(&ts->ring, &t->link);
	}
}

/* It did so much. */
static inline void turn_pay(struct turn *t, size_t bytes, unsigned packets)
{
	t->credit -= (int)bytes + (int)packets * TURN_PACKET;
}

#endif
