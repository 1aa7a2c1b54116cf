/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * users_row: the users file as rows of fields, with where each byte of a row stands in the
 * file: for the loader, which says where a mistake is, and for whoever changes a field and
 * must leave all else as it is.
 *
 * A row is a line and those that it is continued by; getcap(3) has its fields between colons.
 */
#ifndef CULVERT_USERS_ROW_H
#define CULVERT_USERS_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum { USERS_ROW_MAX = 8192 };		/* bytes of one row, its lines joined */

struct users_row {
	size_t start, end;		/* its lines in the file, the last newline too */
	unsigned line;			/* of its first byte, from 1 */
	bool too_long;			/* text is only its beginning */
	bool open;			/* the file ends where the row was to go on */
	size_t len;
	char text[USERS_ROW_MAX];	/* the lines joined, and a NUL */
	uint32_t at[USERS_ROW_MAX];	/* where each byte stands in the file, and the end */
};

/* A file that is read row by row. */
struct users_text {
	const char *p;			/* borrowed */
	size_t n;			/* below 4 GB */
	size_t pos;			/* zero at first, as the next one */
	unsigned lines;			/* before pos */
};

/* The next row, be it empty or a comment. False at the end of the file. */
bool users_row_next(struct users_text *, struct users_row *ret);

/* Nothing, or a comment? */
bool users_row_is_blank(const struct users_row *);

/* Of its name: all up to the first colon. */
size_t users_row_name_len(const struct users_row *);

/* The place of the row's byte i in the file, as a person counts: from 1. */
void users_row_place(const struct users_text *, const struct users_row *, size_t i, unsigned *ret_line,
	unsigned *ret_col);

struct users_field {
	const char *p;			/* in the row's text, without blanks before it */
	size_t n;
	size_t i;			/* where it begins there */
	bool closed;			/* a colon stands behind it */
};

/* The next field that is not empty; *i is 0 at first. False: there are no more. */
bool users_field_next(const struct users_row *, size_t *i, struct users_field *ret);

/* Is the field name=…?  Its value, or NULL. */
const char *users_field_is(const struct users_field *, const char *name, size_t *ret_len);

#endif
