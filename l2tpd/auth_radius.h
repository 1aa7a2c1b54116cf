/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * auth_radius: logins for which auth waits for culvert-radius.  Any number of
 * them at once; one that came to a radius that died is asked again of the next.
 */
#ifndef CULVERT_AUTH_RADIUS_H
#define CULVERT_AUTH_RADIUS_H

#include "base/list.h"
#include "base/proto.h"

enum { AUTH_RADIUS_BUCKETS = 1024 };

struct auth_asked;

struct auth_radius {
	struct list by_tag[AUTH_RADIUS_BUCKETS];
	uint32_t next_tag;
	unsigned n;
};

void auth_radius_init(struct auth_radius *);

/*
 * A login that a server is to judge: ask gets its tag, and is copied.  judged: what is
 * known of it already (auth, bind, user).  False: no memory.
 */
bool auth_radius_add(struct auth_radius *, struct msg_radius_ask *ask, const struct msg_judged *judged);

/* The answer: *ret is the whole verdict, *ret_ask (wipe it) what was asked.  False: nobody waits for it. */
bool auth_radius_said(struct auth_radius *, const struct msg_radius_said *, struct msg_radius_ask *ret_ask,
	struct msg_judged *ret);

/* Those without an answer, for a new radius: each is given to ask(). */
void auth_radius_again(struct auth_radius *, void ask(void *arg, const struct msg_radius_ask *), void *arg);

/* The manager was replaced: its successor asks for all of them anew. */
void auth_radius_forget(struct auth_radius *);

#endif
