/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * users: the users file, npppd-users(5)'s getcap text: who may log in, with
 * which password, and what address he gets.
 *
 * Only the auth process holds one.  A bad row is left out with a message and
 * the others count; names are bytes and are compared as such.
 */
#ifndef CULVERT_USERS_H
#define CULVERT_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "l2tpd/conf.h"

enum {
	USERS_FILE_MAX = 32 << 20,	/* bytes */
	USERS_MAX = 200000,		/* rows */
	USERS_ROW_MAX = 4096,		/* bytes of one row, its lines joined */
	USERS_NAME_MAX = 127,		/* bytes; what a session row can show */
	/* RFC 2759 8.1: up to 256 Unicode characters, of up to four bytes here */
	USERS_PASSWORD_MAX = 1024,
};

struct user {
	const char *name;		/* name_len bytes and a NUL */
	const char *password;		/* password_len bytes and a NUL; none inside */
	const char *calling_number;	/* "" = none is written */
	uint16_t name_len, password_len;
	uint32_t framed_ip;		/* host order; 0 = from the pool */
	uint32_t framed_netmask;	/* host order; all ones when none is written */
	unsigned line;			/* of the file */
};

struct users;

/*
 * Read the text of n bytes.  path: what messages call it.  0 and *ret (owned by
 * the caller, users_free()), or -E2BIG (too large), -ENOMEM.  A row that is left
 * out, a field that has no effect and a password that is soon guessed are warnings
 * in msgs, with the user's name and never a password.
 */
MUST_USE int users_load(const void *text, size_t n, const char *path, struct users **ret,
	struct conf_msgs *msgs);

/* As users_load(), from the start of an open file; fd stays open. Besides: -errno of a read. */
MUST_USE int users_load_fd(int fd, const char *path, struct users **ret, struct conf_msgs *msgs);

/*
 * Read the users files of a configuration, for what there is to say about them.
 * 0, or -1 and an error in msgs where one cannot be read.  One that is not there is
 * no news: conf_load() has warned of it.
 */
MUST_USE int users_check(const struct conf *, struct conf_msgs *msgs);

/*
 * Warn of users of this authentication whose framed-ip-address is in no pool that
 * its binds lead to, and of a calling-number that nobody asks for, or one that is missing.
 */
void users_judge(const struct users *, const struct conf *, unsigned auth, struct conf_msgs *msgs);

/* The user with this name or NULL; valid until users_free(). */
const struct user *users_find(const struct users *, const uint8_t *name, size_t len);

size_t users_count(const struct users *);

/* The user at i < users_count(), in the order of the file. */
const struct user *users_at(const struct users *, size_t i);

/* Wipes it. NULL is fine. */
void users_free(struct users *);

#endif
