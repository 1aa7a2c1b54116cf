/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases: each address once, longest free first, a user's own where it can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "l2tpd/pool.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))

static struct pool *make(uint32_t first, uint32_t last, uint32_t own)
{
	struct conf_ipcp c = { .n_pool = 1, .pool = { { .first = first, .last = last } } };
	struct pool *p;

	assert_int_equal(pool_new(&c, own, &p), 0);
	return p;
}

static void t_all_once(void **st)
{
	struct pool *p = make(IP(10, 0, 0, 1), IP(10, 0, 0, 5), IP(10, 0, 0, 1));
	uint32_t got[4];

	assert_int_equal(pool_size(p), 4);
	for (unsigned i = 0; i < 4; i++) {
		got[i] = pool_lease(p, 0);
		assert_int_equal(got[i], IP(10, 0, 0, 2 + i));
	}
	assert_int_equal(pool_lease(p, 0), 0);
	pool_release(p, got[2]);
	pool_release(p, got[2]);		/* twice is once */
	pool_release(p, got[0]);
	assert_int_equal(pool_in_use(p), 2);
	assert_int_equal(pool_lease(p, 0), got[2]);	/* free longest */
	assert_int_equal(pool_lease(p, 0), got[0]);
	assert_int_equal(pool_lease(p, 0), 0);
	pool_free(p);
}

static void t_framed(void **st)
{
	struct pool *p = make(IP(10, 0, 0, 2), IP(10, 0, 0, 4), 0);

	assert_int_equal(pool_lease(p, IP(10, 0, 0, 3)), IP(10, 0, 0, 3));
	assert_int_equal(pool_lease(p, IP(10, 0, 0, 3)), IP(10, 0, 0, 2));	/* busy: a dynamic one */
	assert_int_equal(pool_lease(p, IP(10, 9, 9, 9)), IP(10, 0, 0, 4));	/* not ours */
	assert_int_equal(pool_lease(p, 0), 0);
	pool_release(p, IP(10, 0, 0, 3));
	assert_int_equal(pool_lease(p, 0), IP(10, 0, 0, 3));
	pool_release(p, IP(10, 9, 9, 9));
	assert_int_equal(pool_in_use(p), 3);
	pool_free(p);
}

static void t_edges(void **st)
{
	struct pool *p = make(IP(10, 0, 0, 0), IP(10, 0, 1, 255), IP(10, 0, 0, 1));

	assert_int_equal(pool_size(p), 512 - 4 - 1);
	pool_free(p);
	p = make(IP(10, 0, 0, 254), IP(10, 0, 0, 255), 0);	/* asked for by name: given */
	assert_int_equal(pool_size(p), 2);
	pool_free(p);
}

/* That address or none. */
static void t_claim(void **st)
{
	struct pool *p = make(IP(10, 0, 0, 1), IP(10, 0, 0, 4), IP(10, 0, 0, 2));

	assert_true(pool_claim(p, IP(10, 0, 0, 3)));
	assert_false(pool_claim(p, IP(10, 0, 0, 3)));
	assert_false(pool_claim(p, IP(10, 0, 0, 2)));	/* the server's own */
	assert_false(pool_claim(p, IP(10, 0, 0, 9)));
	assert_int_equal(pool_in_use(p), 1);
	assert_int_equal(pool_lease(p, IP(10, 0, 0, 3)), IP(10, 0, 0, 1));
	assert_int_equal(pool_lease(p, 0), IP(10, 0, 0, 4));
	assert_int_equal(pool_lease(p, 0), 0);
	pool_release(p, IP(10, 0, 0, 3));
	assert_int_equal(pool_lease(p, 0), IP(10, 0, 0, 3));
	pool_free(p);
}

/* Any order of leases and releases against a plain set. */
static void t_model(void **st)
{
	struct pool *p = make(IP(10, 0, 0, 1), IP(10, 0, 0, 60), 0);
	bool have[256] = { false };
	unsigned n = 0;

	srand(7);
	for (int i = 0; i < 20000; i++) {
		unsigned k = 1 + (unsigned)rand() % 64;

		if (rand() % 2) {
			uint32_t ip = pool_lease(p, rand() % 2 ? IP(10, 0, 0, k) : 0);

			if (!ip) {
				assert_int_equal(n, 60);
				continue;
			}
			assert_false(have[ip & 255]);
			have[ip & 255] = true;
			n++;
		} else {
			pool_release(p, IP(10, 0, 0, k));
			n -= have[k];
			have[k] = false;
		}
		assert_int_equal(pool_in_use(p), n);
	}
	pool_free(p);
}

/* One that a client asks for: only what anybody could get. */
static void t_take(void **st)
{
	struct conf_ipcp c = { .n_pool = 2, .pool = {
		{ .first = IP(10, 0, 0, 1), .last = IP(10, 0, 0, 4) },
		{ .first = IP(10, 0, 1, 1), .last = IP(10, 0, 1, 4), .static_only = true },
	} };
	struct pool *p;

	assert_int_equal(pool_new(&c, IP(10, 0, 0, 4), &p), 0);
	assert_true(pool_take(p, IP(10, 0, 0, 2)));
	assert_false(pool_take(p, IP(10, 0, 0, 2)));
	assert_false(pool_take(p, IP(10, 0, 0, 4)));
	assert_false(pool_take(p, IP(10, 0, 0, 5)));
	assert_false(pool_take(p, IP(10, 0, 1, 2)));
	assert_int_equal(pool_in_use(p), 1);
	assert_int_equal(pool_lease(p, 0), IP(10, 0, 0, 1));
	assert_int_equal(pool_lease(p, 0), IP(10, 0, 0, 3));
	assert_int_equal(pool_lease(p, 0), 0);
	pool_release(p, IP(10, 0, 0, 2));
	assert_int_equal(pool_lease(p, 0), IP(10, 0, 0, 2));
	pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_all_once), cmocka_unit_test(t_take), cmocka_unit_test(t_framed), cmocka_unit_test(t_edges),
		cmocka_unit_test(t_claim),
		cmocka_unit_test(t_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
