/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * users: the users file, npppd-users(5)'s getcap text: who may log in, with
 * which password, and what address he gets.
 *
 * Of the server's processes only auth holds one; culvertctl changes the file.  A bad row is
 * left out with a message and the others count; names are bytes and are compared as such.
 */
#ifndef CULVERT_USERS_H
#define CULVERT_USERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "l2tpd/conf.h"
#include "l2tpd/users_row.h"

enum {
	USERS_FILE_MAX = 32 << 20,	/* bytes */
	USERS_MAX = 200000,		/* rows */
	USERS_NAME_MAX = 127,		/* bytes; what a session row can show */
	/* RFC 2759 8.1: up to 256 Unicode characters, of up to four bytes here */
	USERS_PASSWORD_MAX = 1024,
	USERS_NT_HASH = 16,
	USERS_CRYPT_MAX = 255,		/* bytes of a crypt(3) hash */
};

/* What stands for the secret in the file. */
enum user_secret {
	USER_PASSWORD = 1,		/* itself: for every method */
	USER_NT_HASH,			/* for MS-CHAPv2 and PAP */
	USER_CRYPT,			/* for PAP alone */
};

struct user {
	const char *name;		/* name_len bytes and a NUL */
	const char *password;		/* USER_PASSWORD: password_len bytes and a NUL; a NUL may be inside */
	const char *crypt;		/* USER_CRYPT: a hash that users_crypt_fault() finds nothing wrong with */
	const char *calling_number;	/* "" = none is written */
	uint16_t name_len, password_len;
	uint8_t secret;			/* enum user_secret */
	bool disabled;
	bool has_max_session;
	uint32_t max_session;		/* 0 = no limit */
	int64_t expires_s;		/* from this second of time(2) on he may not log in; 0 = never */
	const char *expires;		/* as it is written; "" = not at all */
	uint8_t nt_hash[USERS_NT_HASH];	/* USER_NT_HASH */
	uint32_t framed_ip;		/* host order; 0 = from the pool */
	uint32_t framed_netmask;	/* host order; all ones when none is written */
	unsigned line;			/* of the file */
};

enum user_state {
	USER_ACTIVE,
	USER_DISABLED,
	USER_EXPIRED,
	USER_UNKNOWN,
	USER_UNREADABLE,		/* there is a row of his, and a mistake in it */
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

/* Is there a row of this name, even one that was left out for a mistake? */
bool users_has(const struct users *, const uint8_t *name, size_t len);

/* May this user log in at now_s of time(2)?  Disabled counts before expired. */
enum user_state user_state(const struct user *, int64_t now_s);

/*
 * The same by a name.  A row that is left out for a mistake makes its user unreadable, not
 * unknown; one without a password is no user's.
 */
enum user_state users_state(const struct users *, const uint8_t *name, size_t len, int64_t now_s);

/* When the next user expires after now_s; 0 = nobody will. */
int64_t users_next_expiry(const struct users *, int64_t now_s);

/* Rows that were left out. */
size_t users_bad_rows(const struct users *);

/*
 * A time: YYYY-MM-DD, the end of that day, or YYYY-MM-DDTHH:MM[:SS], the colons at pleasure; as
 * the clock here has it, or with a Z behind it that of UTC. False: it is none.
 */
MUST_USE bool users_parse_expiry(const char *, int64_t *ret);

/* NULL, or why the text is no hash of crypt(3) that is served: its form, its method, or what a login costs. */
const char *users_crypt_fault(const char *);

/* How much of it says what it costs: hashes that are alike there take the same time. */
size_t users_crypt_cost_len(const char *);

/* Why nobody can have this name in the file, or NULL. */
const char *users_name_fault(const char *name, size_t n);

size_t users_count(const struct users *);

/* The user at i < users_count(), in the order of the file; and where that one is. */
const struct user *users_at(const struct users *, size_t i);
size_t users_index(const struct users *, const struct user *);

/* Wipes it. NULL is fine. */
void users_free(struct users *);

#endif
