/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf_merge: from the configuration in force and a new file to the one that
 * is in force next, and what to tell a person about it.  Pure: no file, no
 * clock; the parent uses it at a reload.
 */
#ifndef CULVERT_CONF_MERGE_H
#define CULVERT_CONF_MERGE_H

#include <stdio.h>

#include "base/conf.h"
#include "base/util.h"

/* What cannot change while the server runs. */
struct conf_fixed {
	const struct addr *sock;	/* where its sockets are bound; ports do not count */
	unsigned n_sock;
	const struct addr *plain;	/* the same for plain L2TP; with ports */
	unsigned n_plain;
	uint32_t rows;			/* of each engine's session table */
};

/* Rows of a session table for that max-session (0 = unlimited). */
uint32_t conf_rows(uint32_t max_session);

/*
 * *ret: the file's configuration with every object at the index that it has in
 * live, where that has one of its name (a bind: of its three names).  New
 * objects get unused indices; what is gone leaves a hole, which is not filled
 * in the same reload, so that an index that is under way between two processes
 * meets the object that was meant, or none.  A hole of a tunnel keeps its settings.
 *
 * What only a restart can change stays as in live: engines, esp, the control
 * socket, a max-session that the tables are too small for, addresses to listen
 * on that no socket is bound to, plain L2TP where it has none.  conf_diff() from *ret to file tells which.
 *
 * 0, or -ENOSPC when the objects of both do not fit together, and why[] says
 * which.  ret may not be live or file.
 */
MUST_USE int conf_merge(const struct conf *live, const struct conf *file, const struct conf_fixed *,
	struct conf *ret, char why[static 128]);

enum conf_diff_style {
	CONF_DIFF_CHANGED,	/* "changed: ipcp HOME: dns-servers 192.0.2.1 -> 192.0.2.2 (new sessions)" */
	CONF_DIFF_RESTART,	/* "needs a restart: set engines 2 -> 4" */
};

/*
 * Write a line for each difference, by the canonical form of both; how many.
 * A secret is never written, only that it changed.  Neither order nor indices
 * of objects are a difference.  -ENOMEM.
 */
MUST_USE int conf_diff(FILE *, const struct conf *from, const struct conf *to, enum conf_diff_style);

/*
 * NULL, or why a session may not stay under this configuration: indices of
 * what it came by, and its address in host order.
 */
const char *conf_session_fault(const struct conf *, unsigned tunnel, unsigned auth, unsigned interface, uint32_t ip);

#endif
