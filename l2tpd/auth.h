/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * auth: judges logins: whose they are (by the binds), whether he may be judged now
 * (backoff.h), and by his authentication's back-end whether he is who he says: local.h
 * here, and for RADIUS culvert-radius asks the servers.  Answers verdicts, never secrets or
 * hashes.  A process of its own, so that what reads a stranger's packets and what knows the
 * passwords are two.
 */
#ifndef CULVERT_AUTH_H
#define CULVERT_AUTH_H

#include "base/proto.h"
#include "base/util.h"

struct auth;

/* conf is copied. 0, -ENOMEM, -ENOTSUP (the crypto library has no MD4 or DES). */
MUST_USE int auth_new(const struct conf *, struct auth **ret);
void auth_free(struct auth *);

/*
 * A reload: the next configuration, then its users files by auth_load_users(),
 * then auth_apply() puts all of it in force at once.  0 or -ENOMEM.
 */
MUST_USE int auth_prepare(struct auth *, const struct conf *);
void auth_apply(struct auth *);

/* Between the two, warnings about users files go there and not to the log. */
typedef void auth_warn_fn(void *arg, const char *text);
void auth_on_warning(struct auth *, auth_warn_fn *, void *arg);

/*
 * Read the users file of conf.auth[index] from fd; between auth_prepare() and
 * auth_apply() of the next configuration.  On failure the set that was in force
 * stays, the log says so, and auth_alarm(). 0 or -errno.
 */
MUST_USE int auth_load_users(struct auth *, unsigned index, int fd);

/* The users file of conf.auth[index] cannot be had, and why: the same as on failure. */
void auth_miss_users(struct auth *, unsigned index, const char *why);

/* What a person should know of the users file of conf.auth[index]; "" = nothing. */
const char *auth_alarm(const struct auth *, unsigned index);

/*
 * The time, of CLOCK_MONOTONIC and of time(2): that of all that follows.
 * Returns a bit for every authentication one of whose users may not log in any more who
 * could before, since the last call: he was removed, disabled, or has expired.
 */
uint32_t auth_tick(struct auth *, uint64_t mono_ms, int64_t wall_s);

/*
 * Judge a request. Takes the same way for an unknown user, a wrong password and a disabled user.
 * True: *ret is the verdict.  False: a RADIUS server is to judge it, and *ret has what
 * is known of the login.
 */
bool auth_judge(struct auth *, const struct msg_judge *, struct msg_judged *ret);

/* What to ask the servers of conf.auth[auth], which auth_judge() said; *ret is complete but for its tag. */
void auth_question(const struct auth *, const struct msg_judge *, unsigned auth, struct msg_radius_ask *ret);

/*
 * What was said to that question, and *judged made of it.  A server's word on the password
 * counts for the back-off as a verdict of auth_judge() does, a fault or a silence does not.
 * Of questions asked at the same time, those behind too many wrong passwords learn nothing:
 * *judged becomes a refusal.
 */
void auth_heard(struct auth *, const struct msg_radius_ask *, const struct msg_radius_said *, struct msg_judged *judged);

/* Does auth_judge() take so long that other logins should not wait for it? */
bool auth_is_slow(const struct auth *, const struct msg_judge *);

/*
 * May a user who was let in still log in, for all that is known here?  Something
 * else than USER_STAYS only when his authentication is local and its users are known.
 */
enum user_gone auth_user_gone(const struct auth *, const struct msg_user_check *);

/* The process. Never returns but by exiting. */
void auth_main(void) __attribute__((noreturn));

#endif
