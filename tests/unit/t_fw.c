/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The firewall: configuration → request → text.  The text of each row is
 * tests/fw/NAME.nft; CULVERT_GOLDEN=write makes the files anew, to be read
 * before they are committed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fwreq.h"
#include "base/log.h"
#include "firewall/ruleset.h"
#include "l2tpd/fw.h"
#include "l2tpd/paths.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

enum { MANY = 20000 };

static char text[RULESET_MAX];

/* In two filters, and in one that is gone: hosts and networks. */
static const struct fwreq_member member[] = {
	{ IP(192, 168, 87, 10), UINT32_MAX, 1 },
	{ IP(192, 168, 87, 64), 0xfffffff8, 0 },
	{ IP(192, 168, 87, 12), UINT32_MAX, CONF_FILTERS },
	{ IP(192, 168, 87, 72), 0xfffffff8, CONF_FILTERS },
	{ IP(192, 168, 87, 11), UINT32_MAX, 0 },
};

/* One tunnel, one interface with one pool, no firewall block. */
static struct conf conf_of(void)
{
	struct conf c = { .engines = 2, .n_tunnel = 1, .n_ipcp = 1, .n_interface = 1 };

	c.tunnel[0].ingress_filter = c.tunnel[0].tcp_mss_adjust = c.tunnel[0].l2tp_require_ipsec = true;
	c.tunnel[0].n_listen = 1;
	memcpy(c.tunnel[0].name, "T", 2);
	memcpy(c.ipcp[0].name, "I", 2);
	c.ipcp[0].n_pool = 1;
	c.ipcp[0].pool[0] = (struct conf_pool){ IP(192, 168, 87, 10), IP(192, 168, 87, 209), false };
	c.interface[0] = (struct conf_interface){ "pppx0", true, IP(192, 168, 87, 1), 0 };
	return c;
}

static void set_nat(struct conf *c)
{
	c->firewall.present = c->firewall.nat = true;
	memcpy(c->firewall.nat_on, "eth0", 5);
}

static void set_snat(struct conf *c)
{
	set_nat(c);
	memcpy(c->firewall.nat_on, "wan-0.7_x", 10);
	c->firewall.nat_to = IP(203, 0, 113, 5);
}

static void set_open(struct conf *c)
{
	c->firewall.present = c->firewall.client_to_client = true;
	c->tunnel[0].ingress_filter = c->tunnel[0].tcp_mss_adjust = false;
	c->tunnel[0].l2tp_require_ipsec = false;
	c->tunnel[0].listen[0].family = 4;
}

/* Plain L2TP at some addresses, and at a port of its own; a tunnel that wants none. */
static void set_plain_l2tp(struct conf *c)
{
	struct conf_tunnel *t = &c->tunnel[1];

	c->n_tunnel = 2;
	*t = c->tunnel[0];
	memcpy(t->name, "LAC", 4);
	t->l2tp_require_ipsec = false;
	t->n_listen = 4;
	t->listen[0] = addr_v4(IP(192, 0, 2, 1), 0);
	assert_true(addr_parse("2001:db8::1", 0, &t->listen[1]));
	t->listen[2] = addr_v4(IP(192, 0, 2, 2), 1702);
	assert_true(addr_parse("::", 0, &t->listen[3]));
}

static void set_raw_esp(struct conf *c)
{
	c->raw_esp = true;
}

/* A server may name networks that are in no pool. */
static void set_radius(struct conf *c)
{
	c->n_auth = 1;
	memcpy(c->auth[0].name, "R", 2);
	c->auth[0].type = CONF_TYPE_RADIUS;
}

static void set_kernel(struct conf *c)
{
	c->esp_kernel = true;
}

/* Ranges out of order, one inside another, touching, single; two interfaces. */
static void set_pools(struct conf *c)
{
	c->n_ipcp = c->n_interface = 2;
	c->interface[1] = (struct conf_interface){ "pppx1", true, IP(10, 0, 0, 1), 1 };
	memcpy(c->ipcp[1].name, "J", 2);
	c->ipcp[1].n_pool = 5;
	c->ipcp[1].pool[0] = (struct conf_pool){ IP(10, 0, 1, 0), IP(10, 0, 1, 255), false };
	c->ipcp[1].pool[1] = (struct conf_pool){ IP(10, 0, 0, 2), IP(10, 0, 0, 2), true };
	c->ipcp[1].pool[2] = (struct conf_pool){ IP(10, 0, 1, 7), IP(10, 0, 1, 8), true };
	c->ipcp[1].pool[3] = (struct conf_pool){ IP(10, 0, 2, 0), IP(10, 0, 2, 9), false };
	c->ipcp[1].pool[4] = (struct conf_pool){ IP(172, 16, 0, 9), IP(172, 16, 0, 9), false };
}

/* One device of each engine for all sessions. */
static void set_shared(struct conf *c)
{
	set_nat(c);
	c->interface[0] = (struct conf_interface){ "tun0", false, IP(192, 168, 87, 1), 0 };
}

/* Both kinds. */
static void set_mixed(struct conf *c)
{
	set_pools(c);
	c->interface[1] = (struct conf_interface){ "tun7", false, IP(10, 0, 0, 1), 1 };
}

static void set_no_pool(struct conf *c)
{
	c->n_ipcp = c->n_interface = 0;
}

/* Rules of all kinds: nets that overlap, touch, and are all; ports likewise. */
static void set_rules(struct conf *c)
{
	struct conf_firewall *f = &c->firewall;

	set_nat(c);
	f->rule[f->n_rule++] = (struct conf_rule){ .filter = CONF_FILTERS };
	f->rule[f->n_rule++] = (struct conf_rule){
		.filter = CONF_FILTERS, .pass = true, .n_to = 3, .n_port = 4,
		.to = { { IP(10, 0, 0, 0), 0xff000000 }, { IP(10, 9, 0, 0), 0xffff0000 }, { IP(192, 0, 2, 1), UINT32_MAX } },
		.port = { { 443, 443 }, { 8000, 8100 }, { 80, 80 }, { 8050, 8200 } },
	};
	f->rule[f->n_rule++] = (struct conf_rule){
		.filter = CONF_FILTERS, .pass = true, .proto = CONF_RULE_ICMP, .from = { IP(192, 168, 87, 16), 0xfffffff0 },
		.n_to = 2, .to = { { IP(192, 0, 2, 0), 0xffffff80 }, { IP(192, 0, 2, 128), 0xffffff80 } },
	};
	f->rule[f->n_rule++] = (struct conf_rule){
		.filter = CONF_FILTERS, .proto = CONF_RULE_UDP, .n_to = 2,
		.to = { { IP(240, 0, 0, 0), 0xf0000000 }, { IP(255, 255, 255, 255), UINT32_MAX } },
	};
}

static void set_filters(struct conf *c)
{
	struct conf_firewall *f = &c->firewall;

	set_rules(c);
	f->n_rule = 1;
	f->rule[0].n_to = 1;
	f->rule[0].to[0] = (struct conf_prefix){ IP(10, 0, 0, 0), 0xff000000 };
	f->n_filter = 2;
	memcpy(f->filter[0].name, "staff", 6);
	memcpy(f->filter[1].name, "Guest-1.in", 11);
	f->rule[f->n_rule++] = (struct conf_rule){ .filter = 0, .pass = true };
	f->rule[f->n_rule++] = (struct conf_rule){
		.filter = 0, .proto = CONF_RULE_TCP, .n_port = 1, .port = { { 25, 25 } },
	};
	f->rule[f->n_rule++] = (struct conf_rule){
		.filter = 1, .pass = true, .proto = CONF_RULE_UDP, .n_port = 1, .port = { { 53, 53 } },
		.n_to = 1, .to = { { IP(10, 0, 0, 53), UINT32_MAX } },
	};
}

static const struct {
	const char *name;
	void (*set)(struct conf *);
	unsigned n_member;
} golden[] = {
	{ "plain", NULL, 0 },
	{ "nat", set_nat, 0 },
	{ "snat", set_snat, 0 },
	{ "open", set_open, 0 },
	{ "plain-l2tp", set_plain_l2tp, 0 },
	{ "kernel", set_kernel, 0 },
	{ "radius", set_radius, 0 },
	{ "raw-esp", set_raw_esp, 0 },
	{ "pools", set_pools, 0 },
	{ "no-pool", set_no_pool, 0 },
	{ "shared", set_shared, 0 },
	{ "mixed", set_mixed, 0 },
	{ "rules", set_rules, 0 },
	{ "filters", set_filters, 0 },
	{ "members", set_filters, N_ELEMENTS(member) },
};

static struct fwreq request(void (*set)(struct conf *))
{
	static const uint16_t ports[2] = { 10000, 32767 };
	struct conf c = conf_of();

	if (set)
		set(&c);
	return fw_request(&c, ports);
}

static void build(const struct fwreq *r)
{
	struct wr w = wr_of(text, sizeof(text));

	ruleset_build(r, member, &w);
	wr_u8(&w, 0);
	assert_false(w.bad);
}

static FILE *golden_open(const char *name, const char *mode)
{
	const char *top = getenv("top_srcdir");
	char path[512];

	snprintf(path, sizeof(path), "%s/tests/fw/%s.nft", top ? top : ".", name);
	return fopen(path, mode);
}

static void golden_check(const char *name)
{
	static char want[RULESET_MAX];
	const char *mode = getenv("CULVERT_GOLDEN");
	FILE *f;

	if (mode && !strcmp(mode, "write")) {
		f = golden_open(name, "w");
		assert_non_null(f);
		assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
		return;
	}
	f = golden_open(name, "r");
	if (!f)
		fail_msg("tests/fw/%s.nft is missing", name);
	want[fread(want, 1, sizeof(want) - 1, f)] = '\0';
	fclose(f);
	if (strcmp(text, want))
		fail_msg("not what tests/fw/%s.nft says:\n%s", name, text);
}

static void t_golden(void **st)
{
	for (size_t i = 0; i < N_ELEMENTS(golden); i++) {
		struct fwreq r = request(golden[i].set);

		r.n_member = golden[i].n_member;
		assert_null(fwreq_check(&r));
		assert_null(fwreq_check_members(&r, member));
		build(&r);
		golden_check(golden[i].name);
	}
}

static void t_remove(void **st)
{
	struct fwreq r = { .magic = FWREQ_MAGIC, .remove = 1 };

	assert_null(fwreq_check(&r));
	build(&r);
	golden_check("remove");
}

/* The fullest request fits with room to spare; a small buffer is not overrun. */
static void t_size(void **st)
{
	struct fwreq r = request(set_snat);
	struct wr w;
	char small[700];

	r.n_pool = FWREQ_RANGES;
	for (uint32_t i = 0; i < FWREQ_RANGES; i++)
		r.pool[i] = (struct fwreq_range){ IP(198, 218, 100 + i, 100), IP(198, 218, 100 + i, 254) };
	r.n_session_if = FWREQ_SESSION_IFS;
	for (uint32_t i = 0; i < FWREQ_SESSION_IFS; i++)
		memcpy(r.session_if[i], "tun999999-*", 12);
	r.n_plain = FWREQ_PLAINS;
	for (uint32_t i = 0; i < FWREQ_PLAINS; i++) {
		assert_true(addr_parse("2001:db8:1234:5678:9abc:def0:1234:5678", (uint16_t)(60000 + i), &r.plain[i]));
		r.plain[i].ip[15] = (uint8_t)i;
	}
	r.n_filter = CONF_FILTERS;
	for (uint32_t i = 0; i < CONF_FILTERS; i++) {
		memset(r.filter[i].name, 'x', CONF_NAME_MAX - 1);
		r.filter[i].name[0] = (char)('a' + i);
	}
	r.n_rule = CONF_RULES;
	for (uint32_t i = 0; i < CONF_RULES; i++) {
		struct conf_rule *u = &r.rule[i];

		*u = (struct conf_rule){
			.filter = (uint8_t)(i % CONF_FILTERS), .pass = true, .n_to = CONF_RULE_NETS, .n_port = CONF_RULE_PORTS,
			.from = { IP(198, 218, 100, 128), 0xffffff80 },
		};
		for (unsigned k = 0; k < CONF_RULE_NETS; k++)
			u->to[k] = (struct conf_prefix){ IP(198, 218, 100 + 2 * k, 128), 0xffffff80 };
		for (unsigned k = 0; k < CONF_RULE_PORTS; k++)
			u->port[k] = (struct conf_port_range){ (uint16_t)(50000 + 1000 * k), (uint16_t)(50500 + 1000 * k) };
	}
	assert_null(fwreq_check(&r));
	build(&r);
	assert_true(strlen(text) < RULESET_MAX / 3 * 2);
	w = wr_of(small, sizeof(small));
	ruleset_build(&r, member, &w);
	assert_true(w.bad);
}

/* ---- what fwreq_check() refuses; every row from a good request with everything ---- */
static void set_all(struct conf *c)
{
	set_filters(c);
	set_snat(c);
}

#define BAD(name, change) static void bad_##name(struct fwreq *r) { change; }
BAD(magic, r->magic++)
BAD(flag_nat, r->nat = 2)
BAD(flag_remove, r->remove = 255)
BAD(flag_c2c, r->client_to_client = 7)
BAD(flag_source, r->source_check = FWREQ_SOURCE_ROUTE + 1)
BAD(flag_mss, r->mss_clamp = 2)
BAD(flag_raw, r->raw_esp = 2)
BAD(l2tp, r->l2tp = FWREQ_L2TP_IPSEC + 1)
BAD(ike_port, r->ike_port[1] = 0)
BAD(if_empty, r->nat_on[0] = '\0')
BAD(if_no_end, memset(r->nat_on, 'a', sizeof(r->nat_on)))
BAD(if_quote, memcpy(r->nat_on, "e\"", 3))
BAD(if_newline, memcpy(r->nat_on, "e\nflush", 8))
BAD(if_space, memcpy(r->nat_on, "e th", 5))
BAD(if_slash, memcpy(r->nat_on, "a/b", 4))
BAD(if_star, memcpy(r->nat_on, "eth*", 5))
BAD(if_high, memcpy(r->nat_on, "\xc3\xa4", 3))
BAD(if_dot, memcpy(r->nat_on, ".", 2))
BAD(if_dots, memcpy(r->nat_on, "..", 3))
BAD(session_star, memcpy(r->session_if[0], "*", 2))
BAD(session_mid_star, memcpy(r->session_if[0], "p*x", 4))
BAD(session_two_stars, memcpy(r->session_if[0], "p**", 4))
BAD(session_empty, r->session_if[0][0] = '\0')
BAD(session_second, (r->n_session_if = 2, memcpy(r->session_if[1], "a b", 4)))
BAD(session_none, r->n_session_if = 0)
BAD(session_n, r->n_session_if = FWREQ_SESSION_IFS + 1)
BAD(pool_n, r->n_pool = FWREQ_RANGES + 1)
BAD(pool_n_huge, r->n_pool = UINT32_MAX)
BAD(pool_order, r->pool[0].last = r->pool[0].first - 1)
BAD(pool_zero, r->pool[0].first = IP(0, 255, 255, 255))
BAD(pool_multicast, r->pool[0].last = IP(224, 0, 0, 0))
BAD(pool_over_loopback, (r->pool[0].first = IP(126, 0, 0, 0), r->pool[0].last = IP(128, 0, 0, 0)))
BAD(pool_in_loopback, (r->pool[0].first = IP(127, 0, 0, 1), r->pool[0].last = IP(127, 0, 0, 1)))
BAD(server_n, r->n_server = FWREQ_SERVERS + 1)
BAD(server_zero, r->server[0] = 0)
BAD(plain_n, r->n_plain = FWREQ_PLAINS + 1)
BAD(plain_family, (r->n_plain = 1, r->plain[0] = (struct addr){ .family = 5, .port = 1701 }))
BAD(plain_none, (r->n_plain = 1, r->plain[0] = (struct addr){ .port = 1701 }))
BAD(plain_port, (r->n_plain = 1, r->plain[0] = (struct addr){ .family = 4 }))
BAD(filter_n, r->n_filter = CONF_FILTERS + 1)
BAD(filter_empty, r->filter[0].name[0] = '\0')
BAD(filter_no_end, memset(r->filter[0].name, 'a', CONF_NAME_MAX))
BAD(filter_space, memcpy(r->filter[0].name, "a b", 4))
BAD(filter_brace, memcpy(r->filter[1].name, "a}", 3))
BAD(filter_newline, memcpy(r->filter[1].name, "a\nflush", 8))
BAD(filter_slash, memcpy(r->filter[1].name, "a/b", 4))
BAD(filter_high, memcpy(r->filter[1].name, "\xc3\xa4", 3))
BAD(filter_twice, r->filter[1] = r->filter[0])
BAD(rule_n, r->n_rule = CONF_RULES + 1)
BAD(rule_n_huge, r->n_rule = UINT32_MAX)
BAD(rule_pass, memset(&r->rule[0].pass, 2, 1))
BAD(rule_filter, r->rule[0].filter = 2)
BAD(rule_filter_more, r->rule[0].filter = CONF_FILTERS + 1)
BAD(rule_proto, r->rule[0].proto = CONF_RULE_ICMP + 1)
BAD(rule_to_n, r->rule[0].n_to = CONF_RULE_NETS + 1)
BAD(rule_port_n, r->rule[0].n_port = CONF_RULE_PORTS + 1)
BAD(rule_from_mask, r->rule[0].from.mask = 0xff00ff00)
BAD(rule_from_host, (r->rule[0].from.mask = 0xffffff00, r->rule[0].from.net = 1))
BAD(rule_to_mask, r->rule[0].to[0].mask = 0xff00ff00)
BAD(rule_to_host, r->rule[0].to[0].net |= 1)
BAD(rule_icmp_port, r->rule[2].proto = CONF_RULE_ICMP)
BAD(rule_port_zero, r->rule[2].port[0].first = 0)
BAD(rule_port_order, r->rule[2].port[0].last = 24)
BAD(member_n, r->n_member = FWREQ_MEMBERS + 1)
BAD(member_n_huge, r->n_member = UINT32_MAX)
BAD(member_remove, (r->remove = 1, r->n_member = 1))
BAD(nat_to, r->nat_to = IP(255, 255, 255, 255))
BAD(nat_port_order, r->nat_port[0] = r->nat_port[1] + 1)
BAD(nat_port_low, r->nat_port[0] = 1023)

#define ROW(name) { #name, bad_##name }
static const struct {
	const char *name;
	void (*spoil)(struct fwreq *);
} bad[] = {
	ROW(magic), ROW(flag_nat), ROW(flag_remove), ROW(flag_c2c), ROW(flag_source), ROW(flag_mss), ROW(flag_raw), ROW(l2tp),
	ROW(ike_port), ROW(if_empty), ROW(if_no_end), ROW(if_quote), ROW(if_newline), ROW(if_space),
	ROW(if_slash), ROW(if_star), ROW(if_high), ROW(if_dot), ROW(if_dots), ROW(session_star),
	ROW(session_mid_star), ROW(session_two_stars), ROW(session_empty), ROW(session_second), ROW(session_none), ROW(session_n), ROW(pool_n), ROW(pool_n_huge),
	ROW(pool_order), ROW(pool_zero), ROW(pool_multicast), ROW(pool_over_loopback), ROW(pool_in_loopback),
	ROW(server_n), ROW(server_zero), ROW(plain_n), ROW(plain_family), ROW(plain_none), ROW(plain_port), ROW(filter_n), ROW(filter_empty), ROW(filter_no_end), ROW(filter_space), ROW(filter_brace), ROW(filter_newline), ROW(filter_slash),
	ROW(filter_high), ROW(filter_twice), ROW(rule_n), ROW(rule_n_huge), ROW(rule_pass), ROW(rule_filter), ROW(rule_filter_more),
	ROW(rule_proto), ROW(rule_to_n), ROW(rule_port_n), ROW(rule_from_mask), ROW(rule_from_host), ROW(rule_to_mask), ROW(rule_to_host),
	ROW(rule_icmp_port), ROW(rule_port_zero), ROW(rule_port_order), ROW(member_n), ROW(member_n_huge), ROW(member_remove),
	ROW(nat_to), ROW(nat_port_order), ROW(nat_port_low),
};

static void t_refused(void **st)
{
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		struct fwreq r = request(set_all);

		assert_null(fwreq_check(&r));
		bad[i].spoil(&r);
		if (!fwreq_check(&r))
			fail_msg("%s: not refused", bad[i].name);
	}
}

static void t_members_refused(void **st)
{
	static const struct fwreq_member rows[] = {
		{ IP(10, 0, 0, 1), 0xffffff00, 0 },		/* host bits */
		{ IP(10, 0, 0, 0), 0xff00ff00, 0 },
		{ IP(0, 0, 0, 0), 0, 0 },
		{ IP(126, 0, 0, 0), 0xfe000000, 0 },		/* loopback is in it */
		{ IP(127, 0, 0, 1), UINT32_MAX, 0 },
		{ IP(224, 0, 0, 1), UINT32_MAX, 0 },
		{ IP(10, 0, 0, 1), UINT32_MAX, 2 },		/* there are two */
		{ IP(10, 0, 0, 1), UINT32_MAX, CONF_FILTERS + 1 },
		{ IP(10, 0, 0, 1), UINT32_MAX, UINT32_MAX },
	};
	struct fwreq r = request(set_filters);

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct fwreq_member m[2] = { member[0], rows[i] };

		r.n_member = 1;
		assert_null(fwreq_check_members(&r, m));
		r.n_member = 2;
		if (!fwreq_check_members(&r, m))
			fail_msg("row %zu: not refused", i);
	}
}

/* Who was in a filter that is gone is kept from everything, also where no filter and no rule is left. */
static void t_members_gone(void **st)
{
	struct fwreq r = request(NULL);
	const struct fwreq_member gone = { IP(192, 168, 87, 10), UINT32_MAX, CONF_FILTERS };
	struct wr w = wr_of(text, sizeof(text));

	r.n_member = 1;
	assert_null(fwreq_check(&r));
	assert_null(fwreq_check_members(&r, &gone));
	ruleset_build(&r, &gone, &w);
	wr_u8(&w, 0);
	assert_false(w.bad);
	assert_non_null(strstr(text, "set gone_host {\n\t\ttype ipv4_addr\n\t\telements = {\n\t\t\t192.168.87.10\n"));
	assert_non_null(strstr(text, "ip saddr @gone_host drop\n"));
	assert_non_null(strstr(text, "jump rules"));
}

/* Names that are good. */
static void t_names(void **st)
{
	static const char *const good[] = { "e", "eth0", "wlp0s20f3", "br-lan.100", "A_b", "abcdefghijklmno", "a.." };

	for (size_t i = 0; i < N_ELEMENTS(good); i++) {
		struct fwreq r = request(set_nat);

		memcpy(r.nat_on, good[i], strlen(good[i]) + 1);
		if (fwreq_check(&r))
			fail_msg("%s: refused", good[i]);
	}
}

static void t_nat_ports(void **st)
{
	static const struct {
		uint16_t local[2], want[2];
		bool apart;
	} rows[] = {
		{ { 32768, 60999 }, { 10000, 32767 }, true },	/* Linux's default */
		{ { 1024, 65535 }, { 10000, 32767 }, false },
		{ { 1024, 50000 }, { 50001, 65535 }, true },
		{ { 10000, 60000 }, { 60001, 65535 }, true },
		{ { 14096, 65535 }, { 10000, 14095 }, true },
		{ { 14095, 65535 }, { 10000, 32767 }, false },
		{ { 1024, 9999 }, { 10000, 65535 }, true },
		{ { 1024, 5000 }, { 10000, 65535 }, true },
		{ { 61000, 61000 }, { 10000, 60999 }, true },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint16_t got[2];
		bool apart = fw_nat_ports(rows[i].local[0], rows[i].local[1], got);

		assert_int_equal(got[0], rows[i].want[0]);
		assert_int_equal(got[1], rows[i].want[1]);
		assert_int_equal(apart, rows[i].apart);
	}
}

/* ---- running the helper, played by shell scripts ---- */
static void t_helper(void **st)
{
	static const struct {
		const char *script;
		unsigned timeout_ms;
		int want;
	} rows[] = {
		{ NULL, 20000, -ENOENT },
		{ "test $(/usr/bin/wc -c) = $SIZE", 20000, 0 },		/* more than a pipe holds */
		{ "echo a; exec >&- 2>&-; exec /usr/bin/cat >/dev/null", 20000, 0 },	/* deaf, then reads */
		{ "exit 0", 20000, 0 },				/* without reading */
		{ "exit 1", 20000, -EIO },
		{ "test -z \"$SECRET\"", 20000, 0 },		/* no environment */
		{ "test ! -e /proc/self/fd/77", 20000, 0 },	/* no descriptor of ours */
		{ "i=0; while test $i -lt 3000; do echo 'line\033'; i=$((i+1)); done", 20000, 0 },
		{ "kill -9 $$", 20000, -EIO },
		{ "exec /usr/bin/sleep 600", 50, -ETIMEDOUT },
		{ "while :; do echo noise; done", 50, -ETIMEDOUT },
	};
	char dir[] = "/tmp/t_fw.XXXXXX", path[64];
	struct fwreq r = request(NULL);
	struct fwreq_member *many = calloc(MANY, sizeof(*many));

	assert_non_null(many);
	r.n_member = MANY;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/culvert-firewall", dir);
	paths_set_dir(dir);
	setenv("SECRET", "x", 1);
	assert_int_equal(dup2(STDERR_FILENO, 77), 77);
	signal(SIGPIPE, SIG_IGN);
	log_max = LOG_EMERG;
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (rows[i].script) {
			FILE *f = fopen(path, "w");

			assert_non_null(f);
			fprintf(f, "#!/bin/sh\nSIZE=%zu\n%s\n", sizeof(r) + MANY * sizeof(*many), rows[i].script);
			assert_int_equal(fclose(f), 0);
			assert_int_equal(chmod(path, 0700), 0);
		}
		if (fw_apply(&r, many, rows[i].timeout_ms, LOG_DEBUG) != rows[i].want)
			fail_msg("%s: not %d", rows[i].script, rows[i].want);
	}
	free(many);
	close(77);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_golden), cmocka_unit_test(t_remove), cmocka_unit_test(t_size),
		cmocka_unit_test(t_refused), cmocka_unit_test(t_names), cmocka_unit_test(t_members_refused),
		cmocka_unit_test(t_members_gone), cmocka_unit_test(t_nat_ports),
		cmocka_unit_test(t_helper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
