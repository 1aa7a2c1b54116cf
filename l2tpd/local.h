/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local: the back-end of "authentication … type local": is this the password of a user of
 * the users file?
 *
 * A login costs the same, whoever it is of: a user who is not there, a wrong password, a
 * user who is disabled or expired, whichever secret the file has of him.  So with one
 * crypt hash in the file each PAP login computes one.
 */
#ifndef CULVERT_LOCAL_H
#define CULVERT_LOCAL_H

#include "base/proto.h"
#include "base/rd.h"
#include "l2tpd/users.h"

/* The users of one authentication, ready to be judged. */
struct local;

/* Takes the users over, also when it fails. 0 and *ret, or -ENOMEM. mschap_init() was called. */
MUST_USE int local_new(struct users *, struct local **ret);
void local_free(struct local *);

/* Of NULL, NULL. */
const struct users *local_users(const struct local *);

/* Does judging by this enum auth_method take longer than other logins should wait? */
bool local_is_slow(const struct local *, uint32_t method);

/*
 * Judge the request of the user called name (domain and realm are off).  callnum: his number
 * must be right, too.  now_s: of time(2).  NULL, and in *ret what goes with a right login
 * (mschap_auth, keys, address, limit); or why not, for the log, and none of that in *ret.
 */
const char *local_judge(const struct local *, struct rd name, const struct msg_auth_req *, bool callnum, int64_t now_s,
	struct msg_judged *ret);

#endif
