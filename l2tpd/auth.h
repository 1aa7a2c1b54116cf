/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * auth: judges logins against the users files, and has culvert-radius ask RADIUS
 * servers for those that are not in any.  Answers verdicts, never
 * secrets or hashes.  A process of its own, so that what reads a stranger's
 * packets and what knows the passwords are two.
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
 * stays, and the log says so. 0 or -errno.
 */
MUST_USE int auth_load_users(struct auth *, unsigned index, int fd);

/*
 * Judge a request. Takes the same way for an unknown user and a wrong password.
 * True: *ret is the verdict.  False: a RADIUS server is to judge it, and *ret has what
 * is known of the login.
 */
bool auth_judge(struct auth *, const struct msg_judge *, struct msg_judged *ret);

/* What to ask the servers of conf.auth[auth], which auth_judge() said; *ret is complete but for its tag. */
void auth_question(const struct auth *, const struct msg_judge *, unsigned auth, struct msg_radius_ask *ret);

/*
 * May a user who was let in still log in, for all that is known here?  False
 * only when his authentication is local and its users are known.
 */
bool auth_knows(const struct auth *, const struct msg_user_check *);

/* The process. Never returns but by exiting. */
void auth_main(void) __attribute__((noreturn));

#endif
