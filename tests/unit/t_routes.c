/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of routes that netd keeps, the names of shared devices, and which device the default route has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/msg.h"
#include "l2tpd/routes.h"
#include "l2tpd/uplink.h"

static struct routes t;
static unsigned seen;

static void drop_odd(void *ctx, struct route *r)
{
	seen++;
	if (r->ip % 2)
		routes_del(ctx, r);
}

/* Neighbours, and addresses that share a bucket. */
static void t_table(void **st)
{
	enum { N = 3 * ROUTE_BUCKETS };
	const uint32_t first = 10u << 24;

	routes_init(&t);
	assert_null(routes_find(&t, first));
	for (uint32_t i = 0; i < N; i++) {
		struct route *r = routes_add(&t, first + i, i % 7);

		assert_non_null(r);
		assert_false(r->kept);
		assert_int_equal(r->mtu, 0);
	}
	assert_int_equal(t.n, N);
	for (uint32_t i = 0; i < N; i++) {
		struct route *r = routes_find(&t, first + i);

		assert_non_null(r);
		assert_int_equal(r->ip, first + i);
		assert_int_equal(r->dev, i % 7);
	}
	assert_null(routes_find(&t, first + N));
	assert_null(routes_find(&t, first - 1));
	seen = 0;
	routes_each(&t, drop_odd, &t);
	assert_int_equal(seen, N);
	assert_int_equal(t.n, N / 2);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(!routes_find(&t, first + i), i % 2);
	for (uint32_t i = 0; i < N; i += 2)
		routes_del(&t, routes_find(&t, first + i));
	assert_int_equal(t.n, 0);
	assert_null(routes_find(&t, first));
}

static void t_names(void **st)
{
	static const struct {
		const char *interface;
		unsigned engine;
		const char *want;
	} rows[] = {
		{ "tun0", 0, "tun0" }, { "tun0", 1, "tun0-1" }, { "tun12", 31, "tun12-31" },
		{ "tun999999", 0, "tun999999" }, { "tun999999", CONF_ENGINES_MAX - 1, "tun999999-31" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct conf_interface f = { .name = "" };
		char got[CONF_IFNAME_MAX];

		memcpy(f.name, rows[i].interface, strlen(rows[i].interface) + 1);
		shared_ifname(&f, rows[i].engine, got);
		assert_string_equal(got, rows[i].want);
	}
}

/* What the message table refuses of the messages about shared devices. */
static void t_messages(void **st)
{
	static const struct {
		enum role from, to;
		uint32_t type;
		uint32_t interface, engine;
		int32_t err;
		uint16_t mtu;
		bool fd, want;
		uint32_t mask;
	} rows[] = {
		{ ROLE_MANAGER, ROLE_NETD, MSG_ROUTE_ADD, 0, 0, 0, 1360, false, true, 0 },
		{ ROLE_MANAGER, ROLE_NETD, MSG_ROUTE_ADD, 0, 0, 0, 1360, false, true, 0xfffffff8 },
		{ ROLE_MANAGER, ROLE_NETD, MSG_ROUTE_ADD, 0, 0, 0, 1360, false, false, 0xfffffff5 },
		{ ROLE_MANAGER, ROLE_NETD, MSG_ROUTE_ADD, CONF_INTERFACES - 1, CONF_ENGINES_MAX - 1, 0, 68, false, true, 0 },
		{ ROLE_MANAGER, ROLE_NETD, MSG_ROUTE_ADD, CONF_INTERFACES, 0, 0, 1360, false, false, 0 },
		{ ROLE_MANAGER, ROLE_NETD, MSG_ROUTE_ADD, 0, CONF_ENGINES_MAX, 0, 1360, false, false, 0 },
		{ ROLE_MANAGER, ROLE_NETD, MSG_ROUTE_ADD, UINT32_MAX, UINT32_MAX, 0, 1360, false, false, 0 },
		{ ROLE_MANAGER, ROLE_NETD, MSG_ROUTE_ADD, 0, 0, 0, 67, false, false, 0 },
		{ ROLE_MANAGER, ROLE_NETD, MSG_ROUTE_ADD, 0, 0, 0, 1360, true, false, 0 },
		{ ROLE_MANAGER, ROLE_NETD, MSG_ROUTE_DEL, 0, 0, 0, 1360, false, true, 0 },
		{ ROLE_ENGINE, ROLE_NETD, MSG_ROUTE_ADD, 0, 0, 0, 1360, false, false, 0 },
		{ ROLE_MANAGER, ROLE_ENGINE, MSG_ROUTE_ADD, 0, 0, 0, 1360, false, false, 0 },
		{ ROLE_NETD, ROLE_MANAGER, MSG_ROUTE_DONE, 0, 0, -17, 1360, false, true, 0 },
		{ ROLE_NETD, ROLE_MANAGER, MSG_ROUTE_DONE, 0, 0, 1, 1360, false, false, 0 },
		{ ROLE_NETD, ROLE_MANAGER, MSG_ROUTE_DONE, 0, 0, -4096, 1360, false, false, 0 },
	};
	static const struct {
		enum role from, to;
		uint32_t type;
		struct msg_shared m;
		bool fd, want;
	} shared[] = {
		{ ROLE_MANAGER, ROLE_NETD, MSG_SHARED_ADD, { 0, 0 }, false, true },
		{ ROLE_MANAGER, ROLE_NETD, MSG_SHARED_ADD, { CONF_INTERFACES, 0 }, false, false },
		{ ROLE_MANAGER, ROLE_NETD, MSG_SHARED_ADD, { 0, CONF_ENGINES_MAX }, false, false },
		{ ROLE_MANAGER, ROLE_NETD, MSG_SHARED_ADD, { 0, 0 }, true, false },
		{ ROLE_MANAGER, ROLE_ENGINE, MSG_SHARED_TUN, { 1, 1 }, true, true },
		{ ROLE_MANAGER, ROLE_ENGINE, MSG_SHARED_TUN, { 1, 1 }, false, false },
		{ ROLE_MANAGER, ROLE_ENGINE, MSG_SHARED_TUN, { 1, CONF_ENGINES_MAX }, true, false },
		{ ROLE_NETD, ROLE_ENGINE, MSG_SHARED_TUN, { 1, 1 }, true, false },
	};
	struct {
		uint32_t type, len;
		union {
			struct msg_route route;
			struct msg_shared shared;
		};
	} d;

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		memset(&d, 0, sizeof(d));
		d.type = rows[i].type;
		d.len = sizeof(d.route);
		d.route = (struct msg_route){
			.interface = rows[i].interface, .engine = rows[i].engine, .err = rows[i].err, .mtu = rows[i].mtu, .mask = rows[i].mask,
		};
		if (msg_check(rows[i].from, rows[i].to, &d, 8 + d.len, rows[i].fd) != rows[i].want)
			fail_msg("row %zu", i);
	}
	for (size_t i = 0; i < N_ELEMENTS(shared); i++) {
		memset(&d, 0, sizeof(d));
		d.type = shared[i].type;
		d.len = sizeof(d.shared);
		d.shared = shared[i].m;
		if (msg_check(shared[i].from, shared[i].to, &d, 8 + d.len, shared[i].fd) != shared[i].want)
			fail_msg("shared row %zu", i);
	}
}

/* /proc/net/route, as the kernel writes it. */
static void t_default_route(void **st)
{
#define HEAD "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define ROW(dev, dst, flags, metric, mask) \
	dev "\t" dst "\t010200C0\t" flags "\t0\t0\t" metric "\t" mask "\t0\t0\t0      \n"
	static const struct {
		const char *text, *want;	/* NULL = none */
	} rows[] = {
		{ HEAD, NULL },
		{ HEAD ROW("eth0", "00000000", "0003", "0", "00000000"), "eth0" },
		{ HEAD ROW("eth0", "000200C0", "0001", "0", "00FFFFFF"), NULL },
		{ HEAD ROW("eth0", "000200C0", "0001", "0", "00FFFFFF") ROW("ens3", "00000000", "0003", "100", "00000000"),
			"ens3" },
		{ HEAD ROW("wlan0", "00000000", "0003", "600", "00000000") ROW("eth1", "00000000", "0003", "100", "00000000"),
			"eth1" },
		{ HEAD ROW("eth1", "00000000", "0003", "100", "00000000") ROW("wlan0", "00000000", "0003", "600", "00000000"),
			"eth1" },
		{ HEAD ROW("tun1", "00000000", "0001", "0", "00000080") ROW("*", "00000000", "0200", "0", "00000000"), NULL },
		{ HEAD ROW("eth0", "00000000", "0002", "0", "00000000"), NULL },	/* down */
		{ HEAD ROW("a-name-that-is-too-long", "00000000", "0003", "0", "00000000"), NULL },
		{ "eth0\t00000000\t010200C0\t0003", NULL },
		{ "\n", NULL },
	};

	for (unsigned i = 0; i < N_ELEMENTS(rows); i++) {
		FILE *f = fmemopen((void *)(uintptr_t)rows[i].text, strlen(rows[i].text), "r");
		char name[CONF_IFNAME_MAX] = "?";
		bool found;

		assert_non_null(f);
		found = uplink_default(f, name);
		fclose(f);
		if (found != (rows[i].want != NULL) || (found && strcmp(name, rows[i].want)))
			fail_msg("row %u: %s", i, found ? name : "none");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_table), cmocka_unit_test(t_names), cmocka_unit_test(t_messages), cmocka_unit_test(t_default_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
