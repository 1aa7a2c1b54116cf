/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * answer: a client's name and password, out of the attributes of its answer to
 * XAuth (draft-beaulieu-ike-xauth 6.2).  Pure.
 */
#ifndef CULVERT_ANSWER_H
#define CULVERT_ANSWER_H

#include "base/proto.h"
#include "base/rd.h"

struct answer {
	struct msg_xauth_req *req;	/* its user and password are filled in */
	bool user, password;		/* it had one */
	const char *fault;		/* the first one; NULL = none yet */
};

/* req: zeroed by the caller, but for what is none of this. */
void answer_init(struct answer *, struct msg_xauth_req *req);

/* One attribute: its type, and its value of any length. What is neither name nor password does no harm. */
void answer_attr(struct answer *, uint16_t type, struct rd value);

/* After the last: NULL, or what is wrong with it, for the log.  Then req has no password. */
const char *answer_end(struct answer *);

#endif
