/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backoff: who guesses passwords has to wait, for the user's sake and by where he comes from.
 *
 * A user, be there one of that name or not, has ten wrong passwords, an address twenty; each
 * further one closes the way for two seconds, four, and so on, for the user up to two
 * minutes, for the address up to ten.  One wrong password is forgotten every ten minutes.
 *
 * A lock is for strangers.  From where a user logged in before, his password is always
 * looked at, and an address from where anybody did is not locked as such (of those behind
 * one NAT a single one may have a wrong password in his phone).  What goes wrong there is no
 * mark against the user elsewhere either.
 *
 * Pure, and of a fixed size: a place that a new name or address needs is taken from who has
 * failed least.  Names and addresses are known by a keyed hash only.
 */
#ifndef CULVERT_BACKOFF_H
#define CULVERT_BACKOFF_H

#include "base/addr.h"
#include "base/rd.h"
#include "base/util.h"

enum {
	BACKOFF_USER_FREE = 10, BACKOFF_USER_MAX_S = 120,
	BACKOFF_SOURCE_FREE = 20, BACKOFF_SOURCE_MAX_S = 600,
	BACKOFF_FIRST_S = 2,
	BACKOFF_FORGET_S = 600,
};

struct backoff;

/* Who asks. */
struct backoff_who {
	unsigned auth;			/* of which authentication the user is */
	struct rd user;			/* as it is looked up */
	struct addr source;		/* IPv6: its /64; the port is no matter */
};

enum backoff_answer {
	BACKOFF_NONE,			/* judge him */
	BACKOFF_SPARED,			/* judge him: others would have to wait, he is known there */
	BACKOFF_USER,			/* too many wrong passwords of this user */
	BACKOFF_SOURCE,			/* … from this address */
};

/* seed: random; the same one gives the same answers. 0 and *ret, or -ENOMEM. */
MUST_USE int backoff_new(const uint8_t seed[static 16], struct backoff **ret);
void backoff_free(struct backoff *);

/* May he be judged?  *ret_wait_s, where not: how long not. */
enum backoff_answer backoff_ask(struct backoff *, const struct backoff_who *, uint64_t now_ms,
	unsigned *ret_wait_s);

/* He was judged. */
void backoff_tell(struct backoff *, const struct backoff_who *, bool right, uint64_t now_ms);

/* One backoff_tell() of a wrong password was none.  A way that it closed stays closed for its time. */
void backoff_take_back(struct backoff *, const struct backoff_who *, uint64_t now_ms);

#endif
