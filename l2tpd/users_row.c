/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/users_row.h"

#include <string.h>

bool users_row_next(struct users_text *t, struct users_row *r)
{
	bool more = true;

	if (t->pos >= t->n)
		return false;
	r->start = t->pos;
	r->line = t->lines + 1;
	r->len = 0;
	r->too_long = false;
	/* Lines that end in a backslash go on; a comment does not. */
	while (more && t->pos < t->n) {
		const char *line = t->p + t->pos, *nl = memchr(line, '\n', t->n - t->pos);
		size_t len = nl ? (size_t)(nl - line) : t->n - t->pos, take;

		more = len && line[len - 1] == '\\' && !(r->len == 0 && line[0] == '#');
		len -= more;
		take = r->too_long ? 0 : len;
		if (r->len + take >= sizeof(r->text)) {
			take = sizeof(r->text) - 1 - r->len;
			r->too_long = true;
		}
		memcpy(r->text + r->len, line, take);
		for (size_t i = 0; i <= take; i++)
			r->at[r->len + i] = (uint32_t)(t->pos + i);
		r->len += take;
		t->lines++;
		t->pos += nl ? (size_t)(nl - line) + 1 : t->n - t->pos;
	}
	r->text[r->len] = '\0';
	r->end = t->pos;
	r->open = more;
	return true;
}

bool users_row_is_blank(const struct users_row *r)
{
	return r->len == 0 || r->text[0] == '#' || strspn(r->text, " \t") == r->len;
}

size_t users_row_name_len(const struct users_row *r)
{
	const char *colon = memchr(r->text, ':', r->len);

	return colon ? (size_t)(colon - r->text) : r->len;
}

void users_row_place(const struct users_text *t, const struct users_row *r, size_t i, unsigned *ret_line,
	unsigned *ret_col)
{
	const char *at = t->p + r->at[i], *line = t->p + r->start, *nl;

	*ret_line = r->line;
	while ((nl = memchr(line, '\n', (size_t)(at - line)))) {
		line = nl + 1;
		++*ret_line;
	}
	*ret_col = (unsigned)(at - line) + 1;
}

bool users_field_next(const struct users_row *r, size_t *i, struct users_field *ret)
{
	size_t at = *i ? *i : users_row_name_len(r);

	while (at < r->len) {
		const char *f = r->text + at + 1, *end = r->text + r->len, *stop;	/* after the colon */

		stop = memchr(f, ':', (size_t)(end - f));
		ret->closed = stop != NULL;
		if (!stop)
			stop = end;
		at = (size_t)(stop - r->text);
		while (f < stop && (*f == ' ' || *f == '\t'))
			f++;
		*ret = (struct users_field){ f, (size_t)(stop - f), (size_t)(f - r->text), ret->closed };
		*i = at;
		if (ret->n)
			return true;
	}
	return false;
}

const char *users_field_is(const struct users_field *f, const char *name, size_t *ret_len)
{
	size_t len = strlen(name);

	if (f->n <= len || memcmp(f->p, name, len) || f->p[len] != '=')
		return NULL;
	*ret_len = f->n - len - 1;
	return f->p + len + 1;
}
