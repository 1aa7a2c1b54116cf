/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reload: the parent reads its file again, and takes every child from the
 * configuration in force (parent.conf) to the next one, step by step.  All of
 * it or nothing: a file with a mistake, and rules that the kernel refuses,
 * change nothing; what came of it goes to the log and to whoever asked.
 *
 * The parent says what happens to its children; what it offers for that stands
 * in parent.h.  One reload runs at a time; the next one that is wanted begins
 * when it is over.
 */
#ifndef CULVERT_RELOAD_H
#define CULVERT_RELOAD_H

#include "base/proto.h"
#include "base/util.h"

struct parent;
struct child_proc;
struct reload;

/* For the parent, whose event base is there. 0 and *ret, or -ENOMEM. */
MUST_USE int reload_new(struct parent *, struct reload **ret);
void reload_free(struct reload *);	/* wipes its secrets; NULL is fine */
/* Lock its secrets in memory. 0 or -errno. */
MUST_USE int reload_lock(struct reload *);

/* Somebody wants one; by_ctl: the manager, who is told what came of it. It begins as soon as every child is ready. */
void reload_want(struct reload *, bool by_ctl);

/* Between its begin and its end? */
bool reload_running(const struct reload *);

/* A child is ready, for the first time or again; died; said this. */
void reload_child_ready(struct reload *);
void reload_child_died(struct reload *, const struct child_proc *);
void reload_applied(struct reload *, const struct child_proc *, const struct msg_applied *);
void reload_note(struct reload *, const struct child_proc *, const struct msg_note *);

#endif
