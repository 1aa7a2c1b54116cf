/* SPDX-License-Identifier: GPL-2.0-or-later */
/* backoff: who has to wait and for how long, by a clock that is a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "l2tpd/backoff.h"

enum { S = 1000, START = 123456789 };

static struct backoff *b;
static uint64_t now;

static int setup(void **st)
{
	static const uint8_t seed[16] = "a seed of 16 oct";

	now = START;
	return backoff_new(seed, &b);
}

static int teardown(void **st)
{
	backoff_free(b);
	return 0;
}

static struct backoff_who who(const char *user, uint32_t ip)
{
	return (struct backoff_who){ .auth = 1, .user = rd_of(user, strlen(user)), .source = addr_v4(ip, 4500) };
}

static unsigned wait_s;

static enum backoff_answer ask(const struct backoff_who *w)
{
	return backoff_ask(b, w, now, &wait_s);
}

static void wrong(const struct backoff_who *w, unsigned n)
{
	while (n--)
		backoff_tell(b, w, false, now);
}

static void right(const struct backoff_who *w)
{
	backoff_tell(b, w, true, now);
}

/* Ten are free, then 2, 4, 8 … 120 s, from whatever address. */
static void t_user(void **st)
{
	static const unsigned waits[] = { 2, 4, 8, 16, 32, 64, 120, 120, 120 };

	for (unsigned i = 0; i < BACKOFF_USER_FREE; i++) {
		struct backoff_who w = who("joe", 100 + i);

		assert_int_equal(ask(&w), BACKOFF_NONE);
		wrong(&w, 1);
	}
	for (unsigned i = 0; i < N_ELEMENTS(waits); i++) {
		struct backoff_who w = who("joe", 200 + i), other = who("jo", 200 + i), elsewhere = w;

		assert_int_equal(ask(&w), BACKOFF_NONE);
		wrong(&w, 1);
		assert_int_equal(ask(&w), BACKOFF_USER);
		assert_int_equal(wait_s, waits[i]);
		/* Nobody else, and not the one of that name elsewhere. */
		assert_int_equal(ask(&other), BACKOFF_NONE);
		elsewhere.auth = 2;
		assert_int_equal(ask(&elsewhere), BACKOFF_NONE);
		now += waits[i] * S - 1;
		assert_int_equal(ask(&w), BACKOFF_USER);
		assert_int_equal(wait_s, 1);
		now++;
	}
	/* An hour and more later all is forgotten: ten are free again. */
	now += 20 * BACKOFF_FORGET_S * S;
	for (unsigned i = 0; i < BACKOFF_USER_FREE; i++) {
		struct backoff_who w = who("joe", 300 + i);

		assert_int_equal(ask(&w), BACKOFF_NONE);
		wrong(&w, 1);
	}
}

/* Twenty of an address, whoever they are for; up to ten minutes. */
static void t_source(void **st)
{
	static const unsigned waits[] = { 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600 };
	char name[16];

	for (unsigned i = 0; i < BACKOFF_SOURCE_FREE + N_ELEMENTS(waits); i++) {
		struct backoff_who w, other;

		snprintf(name, sizeof(name), "user%u", i);
		w = who(name, 0x0a000001);
		other = who(name, 0x0a000002);
		assert_int_equal(ask(&w), BACKOFF_NONE);
		wrong(&w, 1);
		assert_int_equal(ask(&other), BACKOFF_NONE);
		if (i < BACKOFF_SOURCE_FREE)
			continue;
		assert_int_equal(ask(&w), BACKOFF_SOURCE);
		/* Ten minutes take one off the count. */
		assert_true(wait_s <= waits[i - BACKOFF_SOURCE_FREE] && 2 * wait_s >= waits[i - BACKOFF_SOURCE_FREE]);
		/* Its port is no matter. */
		w.source.port++;
		assert_int_equal(ask(&w), BACKOFF_SOURCE);
		now += wait_s * S;
	}
}

/* A lock is for strangers. */
static void t_known(void **st)
{
	struct backoff_who home = who("joe", 1), office = who("ann", 1), cafe = who("joe", 2), robber = who("joe", 3);

	right(&home);
	wrong(&robber, 15);
	assert_int_equal(ask(&robber), BACKOFF_USER);
	assert_int_equal(ask(&cafe), BACKOFF_USER);
	assert_int_equal(ask(&home), BACKOFF_SPARED);
	/* Somebody else's success there is none of his. */
	right(&(struct backoff_who){ .auth = 1, .user = rd_of("ann", 3), .source = addr_v4(2, 0) });
	assert_int_equal(ask(&cafe), BACKOFF_USER);

	/* A phone at home with an old password: no mark against him elsewhere, nor against others at home. */
	now += 1000 * BACKOFF_FORGET_S * (uint64_t)S;
	assert_int_equal(ask(&cafe), BACKOFF_NONE);
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(ask(&home) == BACKOFF_NONE || ask(&home) == BACKOFF_SPARED);
		wrong(&home, 1);
	}
	assert_int_equal(ask(&home), BACKOFF_SPARED);
	assert_int_equal(ask(&office), BACKOFF_SPARED);
	assert_int_equal(ask(&cafe), BACKOFF_NONE);
	/* But those whose passwords are tried there wait. */
	wrong(&office, 15);
	assert_int_equal(ask(&office), BACKOFF_USER);
	assert_int_equal(ask(&home), BACKOFF_SPARED);
	right(&office);
	assert_int_equal(ask(&office), BACKOFF_SPARED);
}

/* IPv6: a /64 is one. */
static void t_ipv6(void **st)
{
	struct backoff_who w = who("a", 0), same, other;

	assert_true(addr_parse("2001:db8::1", 0, &w.source));
	same = other = w;
	same.user = other.user = rd_of("b", 1);
	assert_true(addr_parse("2001:db8::ffff:0:0:9", 0, &same.source));
	assert_true(addr_parse("2001:db8:0:1::1", 0, &other.source));
	wrong(&w, BACKOFF_SOURCE_FREE + 1);
	assert_int_equal(ask(&same), BACKOFF_SOURCE);
	assert_int_equal(ask(&other), BACKOFF_NONE);
}

/* Two million names and addresses later the one who failed most still waits, and a known one is known. */
static void t_flood(void **st)
{
	struct backoff_who guessed = who("joe", 7), home = who("ann", 8), stranger = who("ann", 9);
	char name[24];

	right(&home);
	wrong(&guessed, 15);
	wrong(&stranger, 15);
	for (unsigned i = 0; i < 2000000; i++) {
		struct backoff_who w;

		snprintf(name, sizeof(name), "n%u", i);
		w = who(name, 0x0b000000 + i);
		wrong(&w, 1);
	}
	assert_int_equal(ask(&guessed), BACKOFF_USER);
	assert_int_equal(ask(&stranger), BACKOFF_USER);
	assert_int_equal(ask(&home), BACKOFF_SPARED);
}

/* What was no wrong password after all is not counted, for the user and for the address. */
static void t_take_back(void **st)
{
	struct backoff_who w = who("joe", 1), other = who("ann", 1);

	for (int i = 0; i < 100; i++) {
		wrong(&w, 1);
		backoff_take_back(b, &w, now);
		assert_int_equal(ask(&w), BACKOFF_NONE);
	}
	wrong(&w, 10);
	assert_int_equal(ask(&w), BACKOFF_NONE);
	wrong(&w, 1);
	assert_int_equal(ask(&w), BACKOFF_USER);
	/* The way that it closed stays closed; the next one is the eleventh again. */
	backoff_take_back(b, &w, now);
	assert_int_equal(ask(&w), BACKOFF_USER);
	now += 2 * S;
	wrong(&w, 1);
	assert_int_equal(ask(&w), BACKOFF_USER);
	assert_int_equal(wait_s, 2);
	/* What was forgotten meanwhile, and of whom nothing is known. */
	now += 200ull * BACKOFF_FORGET_S * S;
	backoff_take_back(b, &w, now);
	backoff_take_back(b, &other, now);
	wrong(&w, 10);
	assert_int_equal(ask(&w), BACKOFF_NONE);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_user, setup, teardown), cmocka_unit_test_setup_teardown(t_source, setup, teardown),
		cmocka_unit_test_setup_teardown(t_known, setup, teardown), cmocka_unit_test_setup_teardown(t_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(t_flood, setup, teardown), cmocka_unit_test_setup_teardown(t_take_back, setup, teardown),
	};

	return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
