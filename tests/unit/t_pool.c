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

/* A user's network: all of it or none, static addresses alone, and one lease. */
static void t_net(void **st)
{
	static const struct conf_ipcp c = { .n_pool = 2, .pool = {
		{ .first = IP(10, 0, 0, 1), .last = IP(10, 0, 0, 14), .static_only = true },
		{ .first = IP(10, 0, 0, 16), .last = IP(10, 0, 0, 20) },
	} };
	const uint32_t mask = 0xfffffff8, own = IP(10, 0, 0, 3);
	struct pool *p;

	assert_int_equal(pool_new(&c, 0, &p), 0);
	assert_int_equal(pool_lease(p, own), own);
	assert_true(pool_claim(p, IP(10, 0, 0, 6)));
	assert_false(pool_claim_net(p, own, mask));
	/* Nothing was taken. */
	assert_true(pool_claim(p, IP(10, 0, 0, 1)));
	pool_release(p, IP(10, 0, 0, 1));
	pool_release(p, IP(10, 0, 0, 6));
	assert_true(pool_claim_net(p, own, mask));
	assert_int_equal(pool_in_use(p), 1);
	for (unsigned i = 1; i < 8; i++)
		assert_false(pool_claim(p, IP(10, 0, 0, i)));
	assert_true(pool_claim(p, IP(10, 0, 0, 8)));
	/* Another network that would have some of it. */
	assert_false(pool_claim_net(p, IP(10, 0, 0, 8), 0xfffffff0));
	pool_release_net(p, own, mask);
	assert_false(pool_claim(p, own));
	assert_true(pool_claim(p, IP(10, 0, 0, 7)));
	pool_release(p, own);
	assert_int_equal(pool_in_use(p), 2);
	/* Dynamic ones are promised to nobody. */
	assert_true(pool_claim(p, IP(10, 0, 0, 17)));
	assert_false(pool_claim_net(p, IP(10, 0, 0, 17), 0xfffffffc));
	pool_free(p);
}

static void t_net_fits(void **st)
{
	static struct conf c = { .n_ipcp = 1, .ipcp = { { .name = "I", .n_pool = 3, .pool = {
		{ .first = IP(10, 0, 0, 1), .last = IP(10, 0, 0, 14), .static_only = true },
		{ .first = IP(10, 0, 0, 20), .last = IP(10, 0, 0, 31) },
		{ .first = IP(10, 0, 0, 33), .last = IP(10, 0, 0, 40), .static_only = true },
	} } } };
	static const struct { uint32_t ip, mask; bool fits; } rows[] = {
		{ IP(10, 0, 0, 3), 0xfffffff0, true },		/* without its ends, as a pool-address in CIDR is */
		{ IP(10, 0, 0, 3), 0xfffffff8, true }, { IP(10, 0, 0, 9), 0xfffffffe, true },
		{ IP(10, 0, 0, 9), 0xffffffff, true },
		{ IP(10, 0, 0, 3), 0xffffffe0, false },		/* more than that */
		{ IP(10, 0, 0, 21), 0xfffffffc, false },	/* dynamic */
		{ IP(10, 0, 0, 33), 0xfffffffc, true }, { IP(10, 0, 0, 39), 0xfffffff8, true },
		{ IP(10, 0, 0, 41), 0xfffffff8, false }, { IP(10, 0, 0, 3), 0xff00ff00, false }, { IP(10, 0, 0, 3), 0, false },
		{ IP(10, 0, 0, 1), 0xfffffffe, false },		/* two hosts, and one is not there */
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++)
		if (conf_net_fits(&c, 0, rows[i].ip, rows[i].mask) != rows[i].fits)
			fail_msg("row %zu", i);
	assert_false(conf_net_fits(&c, 1, IP(10, 0, 0, 3), 0xfffffff8));
	/* An end that is somebody else's dynamic one. */
	c.ipcp[0].pool[1].first = IP(10, 0, 0, 15);
	assert_false(conf_net_fits(&c, 0, IP(10, 0, 0, 9), 0xfffffff8));
	assert_true(conf_net_fits(&c, 0, IP(10, 0, 0, 3), 0xfffffff8));
}

/* What a RADIUS server may name: addresses of any ipcp, and networks that are nobody's. */
static void t_framed_by_radius(void **st)
{
	static const struct conf c = {
		.n_ipcp = 3, .ipcp = {
			{ .name = "A", .n_pool = 1, .pool = { { .first = IP(10, 0, 0, 10), .last = IP(10, 0, 0, 20) } } },
			{ .name = "", .n_pool = 1, .pool = { { .first = IP(10, 0, 1, 10), .last = IP(10, 0, 1, 20) } } },	/* a hole */
			{ .name = "B", .n_pool = 2, .pool = {
				{ .first = IP(10, 0, 2, 10), .last = IP(10, 0, 2, 20) },
				{ .first = IP(10, 0, 2, 40), .last = IP(10, 0, 2, 47), .static_only = true },
			} },
		},
		.n_interface = 2, .interface = {
			{ .name = "pppx0", .address = IP(10, 0, 0, 1), .ipcp = 0 }, { .name = "tun0", .address = IP(10, 0, 2, 1), .ipcp = 2 },
		},
	};
	static const struct { uint32_t ip; unsigned interface; bool local, radius; } addrs[] = {
		{ IP(10, 0, 0, 10), 0, true, true }, { IP(10, 0, 2, 47), 0, false, true }, { IP(10, 0, 0, 10), 1, false, true },
		{ IP(10, 0, 2, 10), 1, true, true }, { IP(10, 0, 1, 10), 0, false, false }, { IP(10, 0, 0, 9), 0, false, false },
		{ IP(10, 0, 0, 10), 2, false, false }, { 0, 0, false, false },
	};
	static const struct { uint32_t net, mask; const char *why; } nets[] = {
		{ IP(10, 1, 0, 0), 0xffff0000, NULL }, { IP(10, 0, 0, 21), ~0u, NULL }, { IP(10, 0, 1, 0), 0xffffff00, NULL },
		{ IP(10, 0, 0, 20), ~0u, "its Framed-Route and a pool overlap" }, { IP(10, 0, 0, 10), ~0u, "its Framed-Route and a pool overlap" },
		{ IP(10, 0, 2, 44), 0xfffffffc, "its Framed-Route and a pool overlap" },
		{ IP(10, 0, 0, 0), 0xff000000, "its Framed-Route and a pool overlap" },
		{ IP(10, 0, 2, 0), 0xfffffff8, "its Framed-Route holds the server's own address" },
	};

	for (size_t i = 0; i < N_ELEMENTS(addrs); i++)
		if (conf_may_have(&c, addrs[i].interface, addrs[i].ip, false) != addrs[i].local ||
		    conf_may_have(&c, addrs[i].interface, addrs[i].ip, true) != addrs[i].radius)
			fail_msg("address %zu", i);
	for (size_t i = 0; i < N_ELEMENTS(nets); i++) {
		const char *why = conf_route_fault(&c, nets[i].net, nets[i].mask);

		if (strcmp(why ? why : "", nets[i].why ? nets[i].why : ""))
			fail_msg("network %zu: %s", i, why ? why : "");
	}
	assert_int_equal(conf_ipcp_with(&c, IP(10, 0, 2, 40)), 2);
	assert_int_equal(conf_ipcp_with(&c, IP(10, 0, 1, 10)), CONF_IPCPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_all_once), cmocka_unit_test(t_take), cmocka_unit_test(t_framed), cmocka_unit_test(t_edges),
		cmocka_unit_test(t_claim), cmocka_unit_test(t_net), cmocka_unit_test(t_net_fits), cmocka_unit_test(t_framed_by_radius),
		cmocka_unit_test(t_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
