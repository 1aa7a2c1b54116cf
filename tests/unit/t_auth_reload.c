/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auth over a reload: which users are in force, and who is still one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/auth.h"

/* 45 letters of two bytes each: escaped it does not fit a session's row. */
#define LONG "éééééééééééééééééééééééééééééééééééééééééééé"
#define USER(n) n ":password=x:\n"

static int file(const char *text)
{
	int fd = memfd_create("users", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static int load(struct auth *a, unsigned i, const char *text)
{
	int fd = file(text), err = auth_load_users(a, i, fd);

	close(fd);
	return err;
}

static enum user_gone gone(const struct auth *a, unsigned i, const char *name)
{
	struct msg_user_check m = { .auth = i };

	str_escape(m.user, sizeof(m.user), name, strlen(name));
	return auth_user_gone(a, &m);
}

static bool knows(const struct auth *a, unsigned i, const char *name)
{
	return gone(a, i, name) == USER_STAYS;
}

/* Authentications LOCAL and OTHER, a RADIUS one and one that nothing is known of. */
static struct conf conf_of(void)
{
	struct conf c = { .n_auth = 4 };

	memcpy(c.auth[0].name, "LOCAL", 6);
	memcpy(c.auth[0].users_file, "/users", 7);
	memcpy(c.auth[1].name, "OTHER", 6);
	memcpy(c.auth[1].users_file, "/other", 7);
	memcpy(c.auth[2].name, "RADIUS", 7);
	c.auth[2].type = CONF_TYPE_RADIUS;
	memcpy(c.auth[3].name, "NEVER", 6);
	memcpy(c.auth[3].users_file, "/never", 7);
	return c;
}

static struct auth *start(const struct conf *c)
{
	struct auth *a = NULL;

	assert_int_equal(auth_new(c, &a), 0);
	assert_int_equal(load(a, 0, USER("joe") USER("a b\"c") USER(LONG) "shut:password=:\n"), 0);
	assert_int_equal(load(a, 1, USER("ann")), 0);
	return a;
}

static void t_knows(void **st)
{
	static const struct {
		unsigned auth;
		const char *name;
		bool known;
	} rows[] = {
		{ 0, "joe", true }, { 0, "jo", false }, { 0, "joe ", false }, { 0, "ann", false }, { 0, "", false },
		{ 0, "a b\"c", true }, { 0, "a b\\x22c", false },
		{ 0, LONG, true }, { 0, "a" LONG, false },
		{ 0, "shut", false },		/* without a password nobody logs in */
		{ 1, "ann", true }, { 1, "joe", false },
		{ 2, "joe", true },		/* who knows */
		{ 3, "joe", true },
	};
	struct conf c = conf_of();
	struct auth *a = start(&c);

	for (size_t i = 0; i < N_ELEMENTS(rows); i++)
		if (knows(a, rows[i].auth, rows[i].name) != rows[i].known)
			fail_msg("row %zu: %s of %u", i, rows[i].name, rows[i].auth);
	auth_free(a);
}

/* Nothing of the next configuration counts before it is applied, and then all of it. */
static void t_apply(void **st)
{
	struct conf c = conf_of(), d = c;
	struct auth *a = start(&c);

	/* OTHER goes, its place is empty; LOCAL stays; a new one comes. */
	memset(&d.auth[1], 0, sizeof(d.auth[1]));
	d.n_auth = 5;
	memcpy(d.auth[4].name, "NEW", 4);
	memcpy(d.auth[4].users_file, "/new", 5);
	assert_int_equal(auth_prepare(a, &d), 0);
	assert_int_equal(load(a, 0, USER("jim")), 0);
	assert_int_equal(load(a, 4, USER("eve")), 0);
	assert_int_equal(load(a, 1, USER("ann")), -EINVAL);
	assert_true(knows(a, 0, "joe"));
	assert_false(knows(a, 0, "jim"));
	assert_true(knows(a, 1, "ann"));
	auth_apply(a);
	assert_false(knows(a, 0, "joe"));
	assert_true(knows(a, 0, "jim"));
	assert_true(knows(a, 4, "eve"));
	assert_false(knows(a, 4, "ann"));
	/* Once more without preparation: nothing. */
	auth_apply(a);
	assert_true(knows(a, 0, "jim"));
	/* Prepared and never applied; then another one. */
	assert_int_equal(auth_prepare(a, &c), 0);
	assert_int_equal(load(a, 0, USER("tim")), 0);
	assert_int_equal(auth_prepare(a, &d), 0);
	auth_apply(a);
	assert_true(knows(a, 0, "jim"));
	assert_false(knows(a, 0, "tim"));
	auth_free(a);
}

/* A file that cannot be read or is empty leaves the users in force, unless it is another file. */
static void t_stay(void **st)
{
	struct conf c = conf_of(), d = c;
	struct auth *a = start(&c);

	assert_int_equal(auth_prepare(a, &d), 0);
	assert_int_equal(load(a, 0, "# nobody\n"), -ENODATA);
	auth_apply(a);
	assert_true(knows(a, 0, "joe"));
	assert_false(knows(a, 0, "jim"));
	assert_true(knows(a, 1, "ann"));

	memcpy(d.auth[0].users_file, "/elsewhere", 11);
	assert_int_equal(auth_prepare(a, &d), 0);
	assert_int_equal(load(a, 0, "# nobody\n"), 0);
	auth_apply(a);
	assert_false(knows(a, 0, "joe"));

	/* Another file that is not there: nothing is known, so nobody is said to be gone. */
	memcpy(d.auth[1].users_file, "/nowhere", 9);
	assert_int_equal(auth_prepare(a, &d), 0);
	auth_apply(a);
	assert_true(knows(a, 1, "ann"));
	assert_true(knows(a, 1, "nobody"));
	auth_free(a);
}

/* Who may not log in any more, why, and that the manager is told so; a mistake in a row is none's end. */
static void t_gone(void **st)
{
	static const char all[] = USER("joe") USER("ann") "eve:password=x:expires=2030-01-01Z:\n";
	enum { T2030 = 1893542400 };	/* the end of that day */
	struct conf c = conf_of();
	struct auth *a = start(&c);

	assert_int_equal(auth_tick(a, 1, T2030 - 10), 0);
	assert_int_equal(load(a, 0, all), 0);
	/* LONG and the others of before are gone. */
	assert_int_equal(auth_tick(a, 2, T2030 - 9), 1);
	assert_int_equal(auth_tick(a, 3, T2030 - 8), 0);
	assert_int_equal(load(a, 0, all), 0);
	assert_int_equal(auth_tick(a, 4, T2030 - 8), 0);
	/* A user more, another password: nobody goes. */
	assert_int_equal(load(a, 0, USER("joe") "ann:password=y:\n" USER("new") "eve:password=x:expires=2030-01-01Z:\n"), 0);
	assert_int_equal(auth_tick(a, 5, T2030 - 7), 0);
	assert_int_equal(gone(a, 0, "eve"), USER_STAYS);
	/* eve expires, and the clock alone says so. */
	assert_int_equal(auth_tick(a, 6, T2030 - 1), 0);
	assert_int_equal(auth_tick(a, 7, T2030), 1);
	assert_int_equal(gone(a, 0, "eve"), USER_HAS_EXPIRED);
	assert_int_equal(auth_tick(a, 8, T2030 + 1), 0);
	/* One is disabled, one has a mistake in his row, one is removed. */
	assert_int_equal(load(a, 0, "joe:disabled:password=x:\nann:password=y^:\n"), 0);
	assert_int_equal(auth_tick(a, 9, T2030 + 2), 1);
	assert_int_equal(gone(a, 0, "joe"), USER_IS_DISABLED);
	assert_int_equal(gone(a, 0, "ann"), USER_STAYS);
	assert_int_equal(gone(a, 0, "new"), USER_REMOVED);
	auth_free(a);
}

/* What culvertctl status says of a users file. */
static void t_alarm(void **st)
{
	struct conf c = conf_of();
	struct auth *a = start(&c);

	assert_string_equal(auth_alarm(a, 0), "users file /users: 1 rows have a mistake and are left out; culvertd -n says which");
	assert_string_equal(auth_alarm(a, 1), "");
	assert_int_equal(load(a, 0, USER("joe") USER("jim")), 0);
	assert_int_equal(auth_tick(a, 1, 1), 1);
	assert_string_equal(auth_alarm(a, 0), "");
	assert_int_equal(load(a, 0, ""), -ENODATA);
	assert_string_equal(auth_alarm(a, 0), "users file /users is empty now: the 2 users that were known stay in force");
	assert_true(knows(a, 0, "joe"));
	assert_int_equal(load(a, 0, "\177ELF:::junk\n:\n"), -ENODATA);
	assert_string_equal(auth_alarm(a, 0), "users file /users has no user without a mistake now: the 2 users that were known "
		"stay in force");
	auth_miss_users(a, 0, "/users cannot be opened: No such file or directory");
	assert_string_equal(auth_alarm(a, 0), "users file /users cannot be had (/users cannot be opened: No such file or directory): "
		"the 2 users that were known stay in force");
	assert_int_equal(auth_load_users(a, 0, -1), -EBADF);
	assert_string_equal(auth_alarm(a, 0), "users file /users cannot be read (Bad file descriptor): the 2 users that were known "
		"stay in force");
	assert_true(knows(a, 0, "jim"));
	assert_false(knows(a, 0, "ann"));
	assert_int_equal(auth_tick(a, 1, 1), 0);
	/* From the beginning: nobody is let in. */
	auth_miss_users(a, 3, "not there");
	assert_string_equal(auth_alarm(a, 3), "users file /never cannot be had (not there): nobody can log in by NEVER");
	assert_int_equal(load(a, 0, USER("joe")), 0);
	assert_string_equal(auth_alarm(a, 0), "");
	auth_free(a);
}

static int setup(void **st)
{
	log_max = -1;		/* what it says of empty files is meant for somebody else */
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_knows), cmocka_unit_test(t_apply), cmocka_unit_test(t_stay),
		cmocka_unit_test(t_gone), cmocka_unit_test(t_alarm),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
