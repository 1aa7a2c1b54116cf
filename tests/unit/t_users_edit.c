/* SPDX-License-Identifier: GPL-2.0-or-later */
/* users_edit: what changes in the file, and that nothing else does, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/users_edit.h"

#define NT "0123456789abcdefABCDEF0123456789"
/* Around every row below: each of these must be there afterwards, as it is. */
#define HEAD "# a comment: joe:password=x:\n\nann:\\\n\t:password=a:\\\n\t:no-such-field=1:\n#\n"
#define TAIL "\nbob:password=b:disabled:\nbad row\njoey:password=^:\n"

static const char *const fields[] = { "password=new\\072", "expires=2030-01-01Z", NULL };

static const struct {
	enum users_op op;
	const char *before, *after;	/* after NULL: err */
	int err;
	const char *why;
} rows[] = {
	/* del */
	{ USERS_DEL, "joe:password=x:\n", "", 0, NULL },
	{ USERS_DEL, "joe:\\\n\t:password=x:\\\n\t:disabled:\n", "", 0, NULL },
	{ USERS_DEL, "joe:password=x:\n# and\njoe:password=y:\njoe:nonsense:\n", "# and\n", 0, NULL },
	{ USERS_DEL, "joe:password=^:\n", "", 0, NULL },
	{ USERS_DEL, "Joe:password=x:\n", NULL, -ENOENT, "there is no such user" },
	{ USERS_DEL, "joe\n", NULL, -ENOENT, NULL },
	{ USERS_DEL, " joe:password=x:\n", NULL, -ENOENT, NULL },
	/* another password */
	{ USERS_SECRET, "joe:password=x:\n", "joe:password=new\\072:\n", 0, NULL },
	{ USERS_SECRET, "joe:password=x", "joe:password=new\\072", 0, NULL },
	{ USERS_SECRET, "joe:\\\n\t:framed-ip-address=10.0.0.7:\\\n\t:password=x y\\072z:\\\n\t:sh:\n",
	  "joe:\\\n\t:framed-ip-address=10.0.0.7:\\\n\t:password=new\\072:\\\n\t:sh:\n", 0, NULL },
	{ USERS_SECRET, "joe:nt-hash=" NT ":disabled:\n", "joe:password=new\\072:disabled:\n", 0, NULL },
	{ USERS_SECRET, "joe:password=x:nt-hash=" NT ":sh:password=y:\n", "joe:password=new\\072:sh:\n", 0, NULL },
	{ USERS_SECRET, "joe:\\\n\t:disabled:\n", "joe:password=new\\072:\\\n\t:disabled:\n", 0, NULL },
	{ USERS_SECRET, "joe:password=^:\n", "joe:password=new\\072:\n", 0, NULL },
	{ USERS_SECRET, "joe:pass\\\nword=two\\\nlines:sh:\n", "joe:password=new\\072:sh:\n", 0, NULL },
	{ USERS_SECRET, "joe:password=\njoe:password=x:\n", "joe:password=\njoe:password=new\\072:\n", 0, NULL },
	{ USERS_SECRET, "joe:password=x:framed-ip-address=10.0:\n", NULL, -EINVAL, "his row at line 8: joe: framed-ip-address is no IPv4 address" },
	{ USERS_SECRET, "joel:password=x:\n", NULL, -ENOENT, NULL },
	/* off and on */
	{ USERS_DISABLE, "joe:password=x:\n", "joe:disabled:password=x:\n", 0, NULL },
	{ USERS_DISABLE, "joe:\\\n\t:password=x:\n", "joe:disabled:\\\n\t:password=x:\n", 0, NULL },
	{ USERS_DISABLE, "joe:password=x:disabled=no:\n", "joe:disabled:password=x:\n", 0, NULL },
	{ USERS_DISABLE, "joe:password=x:\njoe:password=y:\n", "joe:disabled:password=x:\njoe:password=y:\n", 0, NULL },
	{ USERS_DISABLE, "joe:disabled:password=x:\n", NULL, -EALREADY, "he is disabled already" },
	{ USERS_DISABLE, "joe:password=^:\n", NULL, -EINVAL, "his row at line 8: joe: a ^ at the end" },
	{ USERS_ENABLE, "joe:disabled:password=x:\n", "joe:password=x:\n", 0, NULL },
	{ USERS_ENABLE, "joe:\\\n\t:password=x:\\\n\t:disabled=yes:\n", "joe:\\\n\t:password=x:\\\n\t:\n", 0, NULL },
	{ USERS_ENABLE, "joe:password=x:disabled", "joe:password=x:", 0, NULL },
	{ USERS_ENABLE, "joe:disabled:password=x:disabled:\n", "joe:password=x:\n", 0, NULL },
	{ USERS_ENABLE, "joe:password=x:\n", NULL, -EALREADY, "he is not disabled" },
	/* a new one, who stands at the end */
	{ USERS_ADD, "joe:password=x:\n", NULL, -EEXIST, "there is this user already, at line 8" },
	{ USERS_ADD, "joe:password=^:\n", NULL, -EEXIST, "there is a row of this user already, with a mistake" },
	{ USERS_ADD, "", "", 0, NULL },
};

static char *join(const char *a, const char *b, const char *c)
{
	char *s;

	assert_true(asprintf(&s, "%s%s%s", a, b, c) >= 0);
	return s;
}

static void t_rows(void **st)
{
	static const char added[] = "joe:\\\n\t:password=new\\072:\\\n\t:expires=2030-01-01Z:\n";

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const struct users_change c = { .op = rows[i].op, .name = "joe", .fields = fields };
		/* A row without an end is the last one. */
		bool last = *rows[i].before && rows[i].before[strlen(rows[i].before) - 1] != '\n';
		char *text = join(HEAD "\n", rows[i].before, last ? "" : TAIL), *out = NULL, why[512];
		size_t n = 0;
		int err = users_edit(text, strlen(text), &c, &out, &n, why);

		if (err != rows[i].err || (rows[i].why && !strstr(why, rows[i].why)))
			fail_msg("row %zu: %d %s", i, err, why);
		if (!err) {
			char *want = join(HEAD "\n", rows[i].after, last ? "" : TAIL);

			if (c.op == USERS_ADD) {
				char *more = join(want, added, "");

				free(want);
				want = more;
			}
			if (n != strlen(want) || memcmp(out, want, n))
				fail_msg("row %zu gives:\n%.*s\nexpected:\n%s", i, (int)n, out, want);
			free(want);
			free(out);
		}
		free(text);
	}
}

/* The end of the file, where a new row goes. */
static void t_end(void **st)
{
	static const struct { const char *before, *between; } ends[] = {
		{ "", "" }, { "# x", "\n" }, { "# x \\", "\n" }, { "ann:password=a:\n", "" }, { "ann:password=a:", "\n" },
		{ "ann:password=a:\\", "\n\n" }, { "ann:password=a:\\\n", "\n" }, { "ann:\\\n\t:password=a:\\\n", "\n" }, { "\n\n", "" },
	};
	const struct users_change c = { .op = USERS_ADD, .name = "joe", .fields = fields + 2 };
	const char *const one[] = { "password=x", NULL };
	const struct users_change add = { .op = USERS_ADD, .name = "joe", .fields = one };
	char *out, why[512];
	size_t n;

	for (size_t i = 0; i < N_ELEMENTS(ends); i++) {
		char *want = join(ends[i].before, ends[i].between, "joe:\\\n\t:password=x:\n");

		if (users_edit(ends[i].before, strlen(ends[i].before), &add, &out, &n, why))
			fail_msg("row %zu: %s", i, why);
		if (n != strlen(want) || memcmp(out, want, n))
			fail_msg("row %zu gives:\n%.*s", i, (int)n, out);
		free(want);
		free(out);
	}
	/* Nobody without a password, and nobody of such a name. */
	assert_int_equal(users_edit("", 0, &c, &out, &n, why), -EINVAL);
	assert_non_null(strstr(why, "there is no password"));
	assert_int_equal(users_edit("", 0, &(struct users_change){ .op = USERS_ADD, .name = "a:b", .fields = one }, &out, &n, why),
		-EINVAL);
	assert_int_equal(users_edit("", 0, &(struct users_change){ .op = USERS_ADD, .name = "#a", .fields = one }, &out, &n, why),
		-EINVAL);
}

/* An empty file would leave those in force who stood in it. */
static void t_last(void **st)
{
	static const char one[] = "# x\njoe:password=x:\nbad:password=^:\n", bad[] = "joe:password=^:\n";
	const struct users_change c = { .op = USERS_DEL, .name = "joe" };
	char *out, why[512];
	size_t n;

	assert_int_equal(users_edit(one, sizeof(one) - 1, &c, &out, &n, why), -EINVAL);
	assert_non_null(strstr(why, "he is the last one"));
	/* One who was in force never. */
	assert_int_equal(users_edit(bad, sizeof(bad) - 1, &c, &out, &n, why), 0);
	assert_int_equal(n, 0);
	free(out);
}

/* Any byte may be in a password; the longest one, too. */
static void t_bytes(void **st)
{
	uint8_t password[USERS_PASSWORD_MAX];
	char field[USERS_FIELD_MAX], *out, why[512];
	const char *const f[] = { field, NULL };
	const struct users_change c = { .op = USERS_ADD, .name = "joe", .fields = f };

	for (unsigned round = 0; round < 3; round++) {
		struct conf_msgs m = { 0 };
		const struct user *u;
		struct users *t;
		size_t n;

		/* All there are, then the dearest, then digits behind what is written as three. */
		for (unsigned i = 0; i < sizeof(password); i++)
			password[i] = (uint8_t)(round == 0 ? i : round == 1 ? 0xff : i % 2 ? '0' + i % 8 : 7);
		users_field(field, "password", password, sizeof(password));
		assert_int_equal(users_edit("", 0, &c, &out, &n, why), 0);
		assert_int_equal(users_load(out, n, "f", &t, &m), 0);
		u = users_find(t, (const uint8_t *)"joe", 3);
		assert_non_null(u);
		assert_int_equal(u->password_len, sizeof(password));
		assert_memory_equal(u->password, password, sizeof(password));
		conf_msgs_free(&m);
		users_free(t);
		free(out);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rows), cmocka_unit_test(t_end), cmocka_unit_test(t_last), cmocka_unit_test(t_bytes),
	};

	return cmocka_run_group_tests_name("users_edit", tests, NULL, NULL);
}
