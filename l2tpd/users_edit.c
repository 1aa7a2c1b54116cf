/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/users_edit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void users_field(char ret[static USERS_FIELD_MAX], const char *name, const void *value, size_t n)
{
	const uint8_t *v = value;
	size_t o = (size_t)snprintf(ret, USERS_FIELD_MAX, "%.20s=", name);

	for (size_t i = 0; i < n && o + 5 < USERS_FIELD_MAX; i++) {
		if (v[i] == '\\' || v[i] == '^') {
			ret[o++] = '\\';
			ret[o++] = (char)v[i];
		} else if (v[i] < ' ' || v[i] > '~' || v[i] == ':') {
			/* Three digits, whatever stands behind them. */
			o += (size_t)snprintf(ret + o, USERS_FIELD_MAX - o, "\\%03o", v[i]);
		} else {
			ret[o++] = (char)v[i];
		}
	}
	ret[o] = '\0';
}

/* ---- the text that is made ---- */

struct text {
	char *p;
	size_t n, cap;
	bool failed;
};

static void put(struct text *t, const char *p, size_t n)
{
	if (t->n + n > t->cap) {
		size_t cap = 2 * (t->n + n) + 256;
		char *more = malloc(cap);

		if (!more) {
			t->failed = true;
			return;
		}
		/* Not realloc(): it would leave secrets behind. */
		if (t->p) {
			memcpy(more, t->p, t->n);
			explicit_bzero(t->p, t->n);
			free(t->p);
		}
		t->p = more;
		t->cap = cap;
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void put_str(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

/* ---- the change ---- */

struct edit {
	const char *text;		/* as it was */
	size_t n;
	size_t done;			/* how much of it stands in out */
	struct text out;
	const struct users_change *c;
};

/* What stood from to end becomes s. */
static void replace(struct edit *e, size_t from, size_t end, const char *s)
{
	put(&e->out, e->text + e->done, from - e->done);
	put_str(&e->out, s);
	e->done = end;
}

static bool is_secret(const struct users_field *f)
{
	size_t len;

	return users_field_is(f, "password", &len) || users_field_is(f, "nt-hash", &len) || users_field_is(f, "crypt", &len);
}

static bool is_disabled(const struct users_field *f)
{
	static const char word[] = "disabled";
	size_t n = sizeof(word) - 1;

	return f->n >= n && !memcmp(f->p, word, n) && (f->n == n || f->p[n] == '=');
}

/* A field goes, with the colon that closes it. */
static void drop_field(struct edit *e, const struct users_row *r, const struct users_field *f)
{
	size_t end = f->i + f->n;

	replace(e, r->at[f->i], f->closed ? r->at[end] + 1 : r->at[end], "");
}

static void insert_field(struct edit *e, const struct users_row *r, const char *field)
{
	size_t at = r->at[users_row_name_len(r)] + 1;

	replace(e, at, at, field);
	put_str(&e->out, ":");
}

static void change_row(struct edit *e, const struct users_row *r)
{
	const struct users_change *c = e->c;
	struct users_field f;
	bool put_it = false;
	size_t i = 0;

	if (c->op == USERS_DEL) {
		replace(e, r->start, r->end, "");
		return;
	}
	/* In front of all others: the first of several counts. */
	if (c->op == USERS_DISABLE)
		insert_field(e, r, "disabled");
	if (c->op == USERS_SECRET) {
		while (users_field_next(r, &i, &f))
			put_it = put_it || is_secret(&f);
		if (!put_it)
			insert_field(e, r, c->fields[0]);
		put_it = !put_it;
		i = 0;
	}
	while (users_field_next(r, &i, &f)) {
		if (c->op != USERS_SECRET && is_disabled(&f)) {
			drop_field(e, r, &f);
		} else if (c->op == USERS_SECRET && is_secret(&f)) {
			if (put_it)
				drop_field(e, r, &f);
			else
				replace(e, r->at[f.i], r->at[f.i + f.n], c->fields[0]);
			put_it = true;
		}
	}
}

static void add_row(struct edit *e, bool open)
{
	const struct users_change *c = e->c;

	put(&e->out, e->text, e->n);
	e->done = e->n;
	/* The last line may have no end, or say that it goes on. */
	if (e->n && e->text[e->n - 1] != '\n')
		put_str(&e->out, "\n");
	if (open)
		put_str(&e->out, "\n");
	put_str(&e->out, c->name);
	put_str(&e->out, ":");
	for (size_t i = 0; c->fields[i]; i++) {
		put_str(&e->out, "\\\n\t:");
		put_str(&e->out, c->fields[i]);
		put_str(&e->out, ":");
	}
	put_str(&e->out, "\n");
}

static bool is_his(const struct users_row *r, const char *name)
{
	size_t n = users_row_name_len(r);

	return !users_row_is_blank(r) && n < r->len && n == strlen(name) && !memcmp(r->text, name, n);
}

/* ---- what came out ---- */

static PRINTF(2, 3) int fail(char why[static 512], const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, 512, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static bool same_user(const struct user *a, const struct user *b, bool but_secret, bool but_disabled)
{
	return (but_secret || (a->secret == b->secret && a->password_len == b->password_len &&
			       !memcmp(a->password, b->password, a->password_len) && !strcmp(a->crypt, b->crypt) &&
			       !memcmp(a->nt_hash, b->nt_hash, sizeof(a->nt_hash)))) &&
	       (but_disabled || a->disabled == b->disabled) && !strcmp(a->calling_number, b->calling_number) &&
	       a->has_max_session == b->has_max_session && a->max_session == b->max_session &&
	       a->expires_s == b->expires_s && a->framed_ip == b->framed_ip && a->framed_netmask == b->framed_netmask;
}

static const struct user *find(const struct users *u, const char *name)
{
	return users_find(u, (const uint8_t *)name, strlen(name));
}

/* The first thing that the loader says of one of his rows. */
static int say_row(const struct edit *e, char why[static 512])
{
	struct users_text t = { .p = e->out.p, .n = e->out.n };
	struct users_row *r = malloc(sizeof(*r));
	struct conf_msgs m = { 0 };
	struct users *u;
	int err = fail(why, "the row would not be read");

	while (r && users_row_next(&t, r)) {
		if (!is_his(r, e->c->name))
			continue;
		if (users_load(e->out.p + r->start, r->end - r->start, "", &u, &m) == 0) {
			const char *text = m.n ? strstr(m.line[0], "warning: ") : NULL;

			if (text)
				err = fail(why, "his row at line %u: %s", r->line, text + strlen("warning: "));
			users_free(u);
		}
		conf_msgs_free(&m);
		break;
	}
	if (r)
		explicit_bzero(r, sizeof(*r));
	free(r);
	return err;
}

/* Everybody else as before, and he as he was to be? */
static int check(const struct edit *e, const struct users *old, char why[static 512])
{
	const struct users_change *c = e->c;
	const struct user *was = find(old, c->name), *is;
	struct conf_msgs msgs = { 0 };
	size_t others = 0;
	struct users *new;
	int err = users_load(e->out.p, e->out.n, "", &new, &msgs);

	conf_msgs_free(&msgs);
	if (err) {
		snprintf(why, 512, "%s", err == -E2BIG ? "the file would be too large" : strerror(-err));
		return err;
	}
	for (size_t i = 0; !err && i < users_count(old); i++) {
		const struct user *w = users_at(old, i), *now;

		if (w == was)
			continue;
		now = find(new, w->name);
		others++;
		if (!now || !same_user(w, now, false, false))
			err = fail(why, "another user would be another: nothing is written (line %u)", w->line);
	}
	is = find(new, c->name);
	if (!err && users_count(new) - (is != NULL) != others)
		err = fail(why, "there would be another user more: nothing is written");
	if (!err && c->op == USERS_DEL)
		err = is ? fail(why, "he would still be there") : 0;
	else if (!err && !is)
		err = say_row(e, why);
	else if (!err && ((c->op == USERS_ENABLE && is->disabled) || (c->op == USERS_DISABLE && !is->disabled) ||
		 (was && !same_user(was, is, c->op == USERS_SECRET, c->op == USERS_ENABLE || c->op == USERS_DISABLE))))
		err = fail(why, "he would be another than was wanted: nothing is written (line %u)", is->line);
	/* The server would take an empty file for a broken one, and go on with those that it knows. */
	if (!err && c->op == USERS_DEL && !users_count(new) && users_count(old)) {
		fail(why, "he is the last one, and an empty file leaves him in force: disable him, or add another one first");
		err = -EINVAL;
	}
	users_free(new);
	return err;
}

int users_edit(const char *text, size_t n, const struct users_change *c, char **ret_text, size_t *ret_n,
	char why[static 512])
{
	struct edit e = { .text = text, .n = n, .c = c };
	struct users_text t = { .p = text, .n = n };
	struct conf_msgs msgs = { 0 };
	const struct user *was;
	struct users_row *r;
	struct users *old;
	unsigned rows = 0;
	bool open = false;
	int err = users_load(text, n, "", &old, &msgs);

	conf_msgs_free(&msgs);
	why[0] = '\0';
	if (err) {
		snprintf(why, 512, "%s", strerror(-err));
		return err;
	}
	r = malloc(sizeof(*r));
	was = find(old, c->name);
	if (users_name_fault(c->name, strlen(c->name)))
		err = fail(why, "%s", users_name_fault(c->name, strlen(c->name)));
	while (!err && r && users_row_next(&t, r)) {
		open = r->open;
		if (!is_his(r, c->name))
			continue;
		rows++;
		/* The one that counts; where none does, the first. */
		if (c->op == USERS_DEL || (was ? r->line == was->line : rows == 1))
			change_row(&e, r);
	}
	if (!err && (!r || e.out.failed)) {
		err = -ENOMEM;
	} else if (!err && c->op == USERS_ADD && rows) {
		if (was)
			fail(why, "there is this user already, at line %u", was->line);
		else
			fail(why, "there is a row of this user already, with a mistake");
		err = -EEXIST;
	} else if (!err && c->op != USERS_ADD && !rows) {
		fail(why, "there is no such user");
		err = -ENOENT;
	} else if (!err && was && ((c->op == USERS_ENABLE && !was->disabled) || (c->op == USERS_DISABLE && was->disabled))) {
		fail(why, "%s", was->disabled ? "he is disabled already" : "he is not disabled");
		err = -EALREADY;
	}
	if (!err && c->op == USERS_ADD)
		add_row(&e, open);
	if (!err) {
		put(&e.out, text + e.done, n - e.done);
		err = e.out.failed ? -ENOMEM : check(&e, old, why);
	}
	if (err == -ENOMEM)
		snprintf(why, 512, "%s", strerror(ENOMEM));
	if (r)
		explicit_bzero(r, sizeof(*r));
	free(r);
	users_free(old);
	if (err) {
		if (e.out.p)
			explicit_bzero(e.out.p, e.out.n);
		free(e.out.p);
		return err;
	}
	*ret_text = e.out.p;
	*ret_n = e.out.n;
	return 0;
}
