/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * child: what every process that culvertd starts does the same way.
 *
 * The parent executes `culvertd -P ROLE -I INDEX` with its channel as
 * descriptor 3.  The child confines itself, receives MSG_CONF, then what its
 * role needs, then MSG_START, and answers MSG_READY.
 */
#ifndef CULVERT_CHILD_H
#define CULVERT_CHILD_H

#include "l2tpd/peer.h"

enum { CHILD_FD = 3 };

/* The unprivileged account of engines and manager, and what stands in for it
 * while the system has no such account. */
#define CHILD_USER "_culvert"
#define CHILD_USER_FALLBACK "nobody"

/*
 * The numeric identity of `user`, or of CHILD_USER_FALLBACK where there is no
 * such account (*ret_fallback says so). 0 or -ENOENT.
 */
MUST_USE int child_identity(const char *user, uint32_t *ret_uid, uint32_t *ret_gid, bool *ret_fallback);

/*
 * Give up root for `user`, die with the parent, no core, no new privileges,
 * not traceable.  Exits on failure: a child never runs with more than it should.
 */
void child_confine(const char *user);

/* Die with the parent (signal sig), checked against a parent that died first. */
void child_die_with_parent(int sig);

#endif
