/* SPDX-License-Identifier: GPL-2.0-or-later */
/* list: an intrusive doubly linked ring.  An element is in at most one list per link. */
#ifndef CULVERT_LIST_H
#define CULVERT_LIST_H

#include <stdbool.h>

#include "base/util.h"

struct list {
	struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
	l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Put e at the end of l. */
static inline void list_push(struct list *l, struct list *e)
{
	e->prev = l->prev;
	e->next = l;
	l->prev->next = e;
	l->prev = e;
}

/* Take e out of its list; harmless for one that is in none (list_init). */
static inline void list_del(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

/* The loop body may delete e, nothing else. */
#define LIST_EACH(l, e) for (struct list *e = (l)->next, *e##_n; e##_n = e->next, e != (l); e = e##_n)

#endif
