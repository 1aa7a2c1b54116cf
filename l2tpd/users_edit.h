/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * users_edit: one change to the text of a users file.  All that is not about the user
 * stays byte by byte: comments, the order, blank lines, rows with mistakes, fields that nobody
 * knows.  Pure; ctl/users_file.h has the file.
 */
#ifndef CULVERT_USERS_EDIT_H
#define CULVERT_USERS_EDIT_H

#include "l2tpd/users.h"

enum users_op {
	USERS_ADD,			/* a row at the end */
	USERS_DEL,			/* every row of his */
	USERS_SECRET,			/* another password in the row that counts */
	USERS_ENABLE, USERS_DISABLE,
};

struct users_change {
	enum users_op op;
	const char *name;		/* NUL at its end */
	/* ADD: fields, as "expires=2030-12-31"; NULL ends them.  SECRET: the first one is it. */
	const char *const *fields;
};

/* At most of a value, escaped: each byte as four. */
enum { USERS_FIELD_MAX = 4 * USERS_PASSWORD_MAX + 32 };

/* "name=" and the bytes of a value, as a field is written. */
void users_field(char ret[static USERS_FIELD_MAX], const char *name, const void *value, size_t n);

/*
 * 0, and the new text in *ret_text (the caller's, to free; it holds secrets), or an error and
 * why: -EEXIST, -ENOENT (no such user), -EINVAL (what would come out is not what was wanted), -EALREADY
 * (nothing is to be done), -ENOMEM.  What comes out has been read again: it has the change, and
 * every other user as before.
 */
MUST_USE int users_edit(const char *text, size_t n, const struct users_change *, char **ret_text, size_t *ret_n,
	char ret_why[static 512]);

#endif
