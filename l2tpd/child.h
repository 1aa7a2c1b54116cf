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

/*
 * Open the channel to the parent and run the loop until the process exits.
 * MSG_PING is answered here and does not reach cb; the parent's end is the
 * process's end.
 */
void child_start(struct peer *parent, struct event_base *, enum role self, peer_msg_cb *cb, void *arg)
	__attribute__((noreturn));

/*
 * MSG_PEER: take the channel to a process of role want in *p, in place of an
 * older one.  Exits on one of another role: the parent is broken.
 */
void child_take_peer(struct peer *p, struct event_base *, enum role self, enum role want, struct msg *,
	peer_msg_cb *, void *arg);

/* Die with the parent (signal sig), checked against a parent that died first. */
void child_die_with_parent(int sig);

#endif
