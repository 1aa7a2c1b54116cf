/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of the IKE plugin that need no charon: statements, proposals, SPIs, clients, datagrams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/wr.h"
#include "ike-plugin/hdr.h"
#include "ike-plugin/match.h"
#include "ike-plugin/order.h"
#include "ike-plugin/admit.h"
#include "ike-plugin/answer.h"
#include "ike-plugin/seldom.h"
#include "ike-plugin/suite.h"
#include "ike-plugin/table.h"

static struct addr ip(const char *s, uint16_t port)
{
	struct addr a;

	assert_true(addr_parse(s, port, &a));
	return a;
}

static void t_match(void **st)
{
	static const struct {
		const char *from, *to;
		uint8_t prefix;
		char not;			/* k: no key */
	} ike[] = {
		{ "", "", 0, 0 },				/* 0: from any to any */
		{ "", "10.0.0.0", 8, 0 },
		{ "", "10.1.2.0", 23, 0 },
		{ "192.0.2.1", "10.1.2.0", 23, 0 },	/* 3: the same net, but names our address */
		{ "192.0.2.2", "", 0, 0 },
		{ "", "10.1.2.0", 25, 'x' },	/* 5: XAuth as well, which is asked about later */
		{ "", "10.1.2.0", 24, 'k' },	/* 6: never */
		{ "", "2001:db8::", 33, 0 },
		{ "0.0.0.0", "10.0.0.0", 8, 0 },		/* 8: as 1, but later */
	};
	static const struct {
		const char *local, *peer;
		int want;
	} cases[] = {
		{ "192.0.2.9", "198.51.100.1", 0 },
		{ "192.0.2.2", "198.51.100.1", 4 },
		{ "192.0.2.9", "10.1.4.0", 1 },
		{ "192.0.2.2", "10.1.4.0", 1 },
		{ "192.0.2.9", "10.1.2.1", 5 },
		{ "192.0.2.9", "10.1.2.129", 2 },
		{ "192.0.2.9", "10.1.3.255", 2 },
		{ "192.0.2.1", "10.1.3.255", 3 },
		{ "2001:db8::1", "2001:db8:7fff::1", 7 },
		{ "2001:db8::1", "2001:db8:8000::1", 0 },
	};
	static struct conf c;

	for (unsigned i = 0; i < N_ELEMENTS(ike); i++) {
		struct conf_ike *k = &c.ike[c.n_ike++];

		if (ike[i].from[0])
			k->from = ip(ike[i].from, 0);
		if (ike[i].to[0])
			k->to = ip(ike[i].to, 0);
		k->to_prefix = ike[i].prefix;
		k->xauth = ike[i].not == 'x';
		k->psk_len = ike[i].not == 'k' ? 0 : 3;
	}
	for (unsigned i = 0; i < N_ELEMENTS(cases); i++) {
		struct addr local = ip(cases[i].local, 500), peer = ip(cases[i].peer, 40000);

		assert_int_equal(match_ike(&c, &local, &peer), cases[i].want);
	}
	c.ike[0].psk_len = 0;
	assert_int_equal(match_ike(&c, &(struct addr){ .family = 4 }, &(struct addr){ .family = 4, .ip = { 11 } }), -1);
	c.ike[1].psk_len = CONF_SECRET_MAX + 1;
	assert_false(match_usable(&c.ike[1]));
}

#define PFS "modp2048-ecp256-ecp384-modp1536-modp1024-modpnone"

/* A statement's words → its suites, joined. */
static void t_suite(void **st)
{
	static const struct {
		const char *enc, *auth, *group;
		enum conf_proposals set;
		bool quick;
		const char *want;		/* NULL: refused */
	} cases[] = {
		{ "", "", "", CONF_PROP_DEFAULT, false,
		  "aes256-sha256-ecp256 aes256-sha384-ecp384 aes256-sha1-ecp384 aes128-sha1-ecp256 aes256-sha256-modp2048 "
		  "aes256-sha1-modp2048 aes128-sha256-modp2048 aes128-sha1-modp2048 aes256-sha512-modp2048 "
		  "aes256-sha384-modp2048" },
		{ "aes-256", "hmac-sha1", "modp1024", CONF_PROP_DEFAULT, false, "aes256-sha1-modp1024" },
		{ "", "hmac-sha1", "modp1024", CONF_PROP_DEFAULT, false, "aes256-sha1-modp1024 aes128-sha1-modp1024" },
		{ "aes", "hmac-sha2-256", "ecp256", CONF_PROP_DEFAULT, false, "aes256-sha256-ecp256 aes128-sha256-ecp256" },
		{ "3des", "hmac-md5", "modp1536", CONF_PROP_DEFAULT, false, "3des-md5-modp1536" },
		{ "aes-128", "hmac-sha1", "", CONF_PROP_LEGACY, false,
		  "aes128-sha1-ecp256 aes128-sha1-ecp384 aes128-sha1-modp2048 aes128-sha1-modp1536 aes128-sha1-modp1024" },
		{ "des", "", "", CONF_PROP_DEFAULT, false, NULL },
		{ "", "sha1", "", CONF_PROP_DEFAULT, false, NULL },
		{ "", "", "modp768", CONF_PROP_LEGACY, false, NULL },
		{ "", "", "", CONF_PROP_DEFAULT, true,
		  "aes256gcm16-" PFS " aes128gcm16-" PFS " aes256-sha1-" PFS " aes128-sha1-" PFS " aes256-sha256-" PFS
		  " aes128-sha256-" PFS " aes256-sha512-" PFS " aes128-sha512-" PFS " aes256-sha384-" PFS
		  " aes128-sha384-" PFS },
		{ "", "hmac-sha1", "", CONF_PROP_LEGACY, true, "aes256-sha1-" PFS " aes128-sha1-" PFS " 3des-sha1-" PFS },
		{ "aes-128", "hmac-sha2-256", "modp1024", CONF_PROP_DEFAULT, true, "aes128-sha256-modp1024-modpnone" },
		{ "aes", "hmac-sha1", "modp1024", CONF_PROP_DEFAULT, true,
		  "aes256-sha1-modp1024-modpnone aes128-sha1-modp1024-modpnone" },
		{ "aes-256-gcm", "", "none", CONF_PROP_DEFAULT, true, "aes256gcm16-modpnone" },
		{ "aes-128-gcm", "", "ecp256", CONF_PROP_DEFAULT, true, "aes128gcm16-ecp256-modpnone" },
		{ "aes-256-gcm", "hmac-sha1", "none", CONF_PROP_DEFAULT, true, NULL },
		{ "", "hmac-sha1", "none", CONF_PROP_DEFAULT, true, "aes256-sha1-modpnone aes128-sha1-modpnone" },
		{ "aes", "", "none", CONF_PROP_DEFAULT, true,
		  "aes256-sha1-modpnone aes128-sha1-modpnone aes256-sha256-modpnone aes128-sha256-modpnone "
		  "aes256-sha512-modpnone aes128-sha512-modpnone aes256-sha384-modpnone aes128-sha384-modpnone" },
		{ "3des", "hmac-sha1", "none", CONF_PROP_DEFAULT, true, "3des-sha1-modpnone" },
		{ "aes-192", "", "", CONF_PROP_DEFAULT, true, NULL },	/* known, but not to our engine */
		{ "", "hmac-md5", "", CONF_PROP_LEGACY, true, NULL },
		{ "", "hmac-sha2-512", "none", CONF_PROP_DEFAULT, true, "aes256-sha512-modpnone aes128-sha512-modpnone" },
		{ "aes-256", "hmac-sha1", "none", CONF_PROP_DEFAULT, true, "aes256-sha1-modpnone" },
		{ "", "", "none", CONF_PROP_DEFAULT, false, NULL },
		{ "", "", "modp768", CONF_PROP_DEFAULT, true, NULL },
	};
	static struct suites s;

	for (unsigned i = 0; i < N_ELEMENTS(cases); i++) {
		struct conf_ike k = { 0 };
		const char *word = NULL;
		char got[2048] = "";
		bool ok;

		str_copy(cases[i].quick ? k.quick_enc : k.main_enc, 16, cases[i].enc);
		str_copy(cases[i].quick ? k.quick_auth : k.main_auth, 16, cases[i].auth);
		str_copy(cases[i].quick ? k.quick_group : k.main_group, 16, cases[i].group);
		ok = (cases[i].quick ? suite_quick : suite_main)(&k, cases[i].set, &s, &word);
		assert_int_equal(ok, cases[i].want != NULL);
		if (!ok) {
			/* the word to blame is the one that was given */
			assert_true(word[0]);
			continue;
		}
		for (unsigned n = 0; n < s.n; n++) {
			if (n)
				strcat(got, " ");
			strcat(got, s.s[n]);
		}
		assert_string_equal(got, cases[i].want);
	}
	/* The weak ones are there only when asked for. */
	for (int set = CONF_PROP_DEFAULT; set <= CONF_PROP_LEGACY; set++) {
		struct conf_ike k = { 0 };
		const char *word;
		unsigned weak = 0;

		assert_true(suite_main(&k, set, &s, &word));
		for (unsigned n = 0; n < s.n; n++)
			weak += strstr(s.s[n], "3des") || strstr(s.s[n], "md5") || strstr(s.s[n], "modp1024");
		assert_int_equal(weak > 0, set == CONF_PROP_LEGACY);
		weak = 0;
		assert_true(suite_quick(&k, set, &s, &word));
		for (unsigned n = 0; n < s.n; n++)
			weak += strstr(s.s[n], "3des") || strstr(s.s[n], "md5");
		assert_int_equal(weak > 0, set == CONF_PROP_LEGACY);
	}
}

/* Our first suite that is in a client's list: what charon agrees on. NULL: none. */
static const char *agreed(const struct suites *ours, const char *const *theirs, const char *end)
{
	for (unsigned i = 0; i < ours->n; i++)
		for (unsigned t = 0; theirs[t]; t++) {
			size_t len = strlen(theirs[t]);

			if (!strncmp(ours->s[i], theirs[t], len) && !strncmp(ours->s[i] + len, end, 1))
				return theirs[t];
		}
	return NULL;
}

/* A flood from forged addresses, one from a real one, and those who were there before. */
static void t_admit(void **st)
{
	struct admit *a = calloc(1, sizeof(*a));
	struct addr office = addr_v4(0xc0000201, 500), loud = addr_v4(0xc0000202, 500);
	struct addr six = { .family = 6, .ip = { 0x20, 1, 0xd, 0xb8, 0, 0, 0, 7, 1 } };
	unsigned strangers = 0, known = 0, one = 0;
	uint8_t mm1[20] = { 1, [17] = 0x10, [18] = 2 };

	a->key[0] = 3;
	a->key[1] = 5;
	for (unsigned i = 0; i < 5000; i++)
		assert_true(admit_ok(a, &office, ADMIT_FREELY - 1, 1000));
	admit_know(a, &office);
	admit_know(a, &six);
	/* a minute: a thousand forged addresses and a hundred tries of one address every second */
	for (unsigned s = 0; s < 60; s++) {
		for (unsigned i = 0; i < 1000; i++)
			strangers += admit_ok(a, &(struct addr){ .family = 4, .ip = { 10, (uint8_t)s, (uint8_t)(i >> 8), (uint8_t)i } },
				ADMIT_FREELY, 1000 + 1000 * s + i);
		for (unsigned i = 0; i < 100; i++)
			one += admit_ok(a, &loud, ADMIT_FREELY, 1999 + 1000 * s);
		/* its first 20 come at once, after that one a second */
		for (unsigned i = 0; i < (s ? 1 : 20); i++)
			known += admit_ok(a, &office, ADMIT_FREELY, 1999 + 1000 * s);
	}
	assert_in_range(strangers, 55 * 60, 63 * 60);
	assert_int_equal(known, 20 + 59);
	assert_true(one <= ADMIT_EACH_BURST + 60 * ADMIT_EACH_RATE);
	/* Who is known has its own limit, and its /64 is one of it. */
	for (known = 0; admit_ok(a, &six, ADMIT_FREELY, 100000); known++)
		six.ip[15]++;
	assert_int_equal(known, ADMIT_EACH_BURST);
	six.ip[7]++;
	assert_true(admit_ok(a, &six, ADMIT_FREELY, 100000));
	/* The limit for strangers is used up by them, and comes back. */
	for (unsigned i = 0; i < ADMIT_STRANGERS_BURST; i++)
		(void)admit_ok(a, &(struct addr){ .family = 4, .ip = { 11, 0, 0, (uint8_t)i } }, ADMIT_FREELY, 100000);
	assert_false(admit_ok(a, &(struct addr){ .family = 4, .ip = { 12 } }, ADMIT_FREELY, 100000));
	assert_true(admit_ok(a, &(struct addr){ .family = 4, .ip = { 13 } }, ADMIT_FREELY, 100017));

	assert_true(admit_is_first(mm1, sizeof(mm1)));
	assert_false(admit_is_first(mm1, 18));
	mm1[8] = 1;
	assert_false(admit_is_first(mm1, sizeof(mm1)));
	mm1[8] = 0;
	mm1[18] = 5;
	assert_false(admit_is_first(mm1, sizeof(mm1)));
	free(a);
}

static void t_seldom(void **st)
{
	struct seldom *s = calloc(1, sizeof(*s));
	struct addr a = addr_v4(0xc0000201, 500), six = { .family = 6, .ip = { 192, 0, 2, 1 } };

	assert_true(seldom_ok(s, &a, 1000));
	a.port = 4500;
	assert_false(seldom_ok(s, &a, 1000));
	assert_false(seldom_ok(s, &a, 60999));
	assert_true(seldom_ok(s, &six, 60999));
	assert_true(seldom_ok(s, &a, 61000));
	assert_false(seldom_ok(s, &a, 120999));
	/* Many others: those that came last are known, and no place is taken twice. */
	for (uint32_t i = 0; i < 2 * SELDOM_SOURCES; i++)
		assert_true(seldom_ok(s, &(struct addr){ .family = 4, .ip = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i } }, 121000 + i));
	for (uint32_t i = SELDOM_SOURCES; i < 2 * SELDOM_SOURCES; i++)
		assert_false(seldom_ok(s, &(struct addr){ .family = 4, .ip = { 10, 0, (uint8_t)(i >> 8), (uint8_t)i } }, 122000));
	assert_true(seldom_ok(s, &a, 122000));
	free(s);
}

/* What each client's list comes to, by our order; tests/netns/21-proposals.sh has the same with the server. */
static void t_clients(void **st)
{
	static const struct {
		const char *name, *main[16], *quick[10];
		const char *want_main[2], *want_quick[2];	/* by default, and with legacy */
	} clients[] = {
		{ "Apple",
		  { "aes256-sha256-modp2048", "aes256-sha1-modp2048", "aes256-md5-modp2048", "aes256-sha512-modp2048",
		    "aes256-sha256-modp1536", "aes256-sha1-modp1536", "aes256-md5-modp1536", "aes256-sha256-modp1024",
		    "aes256-sha1-modp1024", "aes256-md5-modp1024", "aes128-sha1-modp1024", "aes128-md5-modp1024",
		    "3des-sha1-modp1024", "3des-md5-modp1024" },
		  { "aes256-sha256", "aes256-sha1", "aes256-md5", "aes128-sha256", "aes128-sha1", "aes128-md5", "3des-sha256",
		    "3des-sha1", "3des-md5" },
		  { "aes256-sha256-modp2048", "aes256-sha256-modp2048" }, { "aes256-sha1", "aes256-sha1" } },
		{ "Windows 10 and 11",
		  { "aes256-sha1-ecp384", "aes128-sha1-ecp256", "aes256-sha1-modp2048", "3des-sha1-modp2048", "3des-sha1-modp1024" },
		  { "aes256-sha1", "aes128-sha1", "3des-sha1", "des-md5" },
		  { "aes256-sha1-ecp384", "aes256-sha1-ecp384" }, { "aes256-sha1", "aes256-sha1" } },
		{ "Android up to 11",
		  { "aes256-sha384-modp1024", "aes256-sha256-modp1024", "aes256-sha1-modp1024", "aes256-md5-modp1024" },
		  { "aes256-sha512", "aes256-sha384", "aes256-sha256", "aes256-sha1" },
		  { NULL, "aes256-sha256-modp1024" }, { "aes256-sha1", "aes256-sha1" } },
		{ "MikroTik",
		  { "aes128-sha1-modp2048", "aes128-sha1-modp1024", "3des-sha1-modp2048", "3des-sha1-modp1024" },
		  { "aes256-sha1", "aes192-sha1", "aes128-sha1" },
		  { "aes128-sha1-modp2048", "aes128-sha1-modp2048" }, { "aes256-sha1", "aes256-sha1" } },
		{ "Windows XP", { "3des-sha1-modp2048", "3des-sha1-modp1024", "3des-md5-modp1024" }, { "3des-md5", "3des-sha1" },
		  { NULL, "3des-sha1-modp2048" }, { NULL, "3des-sha1" } },
	};
	static struct suites s;
	struct conf_ike any = { 0 };
	const char *word;

	for (unsigned i = 0; i < N_ELEMENTS(clients); i++)
		for (int set = CONF_PROP_DEFAULT; set <= CONF_PROP_LEGACY; set++) {
			const char *got, *want = clients[i].want_main[set == CONF_PROP_LEGACY];

			assert_true(suite_main(&any, set, &s, &word));
			got = agreed(&s, clients[i].main, "");
			if (!got != !want || (got && strcmp(got, want)))
				fail_msg("%s, phase 1: %s", clients[i].name, got ? got : "nothing");
			assert_true(suite_quick(&any, set, &s, &word));
			got = agreed(&s, clients[i].quick, "-");
			want = clients[i].want_quick[set == CONF_PROP_LEGACY];
			if (!got != !want || (got && strcmp(got, want)))
				fail_msg("%s, phase 2: %s", clients[i].name, got ? got : "nothing");
		}
}

static void t_spi(void **st)
{
	struct spi_pool *p = spi_pool_new(5, SPI_SLOTS - 2);
	uint32_t a, b, c, spi;

	assert_non_null(p);
	assert_true(spi_take(p, 0x1ab, &a));
	assert_int_equal(a, spi_make(5, SPI_SLOTS - 2, 0xab));
	assert_true(spi_take(p, 1, &b));
	assert_true(spi_take(p, 2, &c));
	assert_int_equal(spi_slot(b), SPI_SLOTS - 1);
	assert_int_equal(spi_slot(c), 1);	/* not 0 */
	assert_int_equal(spi_engine(c), 5);

	/* A freed slot does not come again at once, but may be had back. */
	spi_free(p, b);
	assert_true(spi_take(p, 3, &spi));
	assert_int_equal(spi_slot(spi), 2);
	assert_true(spi_retake(p, b));
	assert_false(spi_retake(p, b));
	assert_false(spi_retake(p, spi_make(4, 9, 0)));
	assert_false(spi_retake(p, spi_make(5, 0, 0)));
	spi_free(p, spi_make(5, 0, 0));
	assert_int_equal(p->used, 4);

	/* All of them, each once; then none, until one is freed. */
	while (p->used < SPI_SLOTS - 1)
		assert_true(spi_take(p, 0, &spi));
	assert_false(spi_take(p, 0, &spi));
	spi_free(p, a);
	spi_free(p, a);
	assert_true(spi_take(p, 7, &spi));
	assert_int_equal(spi, spi_make(5, SPI_SLOTS - 2, 7));
	assert_false(spi_take(p, 0, &spi));
	free(p);
}

/* Each mark once, never one that somebody has, and a freed one last. */
static void t_marks(void **st)
{
	struct marks *m = marks_new(MARK_NUMBERS - 2);
	struct table *t = table_new(77, 123, 1);
	struct addr here = { .family = 4 }, there = { .family = 4, .port = 9 };
	struct lin *x, *y;
	struct sa *sa;
	uint32_t a, b, last = 0;
	unsigned n;

	assert_non_null(m);
	marks_reserve(m, mark_make(3, 1));
	marks_reserve(m, 0x12345);			/* not of ours */
	a = marks_take(m, 3);
	assert_int_equal(a, mark_make(3, MARK_NUMBERS - 2));
	assert_true(mark_is_ours(a));
	assert_int_equal(mark_engine(a), 3);
	assert_int_equal(marks_take(m, 3), mark_make(3, MARK_NUMBERS - 1));
	b = marks_take(m, 3);
	assert_int_equal(b, mark_make(3, 2));		/* not 0, and 1 is taken */
	assert_int_equal(marks_take(m, 4), mark_make(4, MARK_NUMBERS - 2));
	assert_int_equal(marks_take(m, CONF_ENGINES_MAX), 0);
	marks_free(m, a);
	for (n = 0; marks_take(m, 3); n++)
		;
	assert_int_equal(n, MARK_NUMBERS - 2 - 3 + 1);	/* but 0, 1 and three; and the freed one */
	marks_free(m, b);
	marks_free(m, mark_make(3, 0));
	marks_free(m, 0);
	last = marks_take(m, 3);
	assert_int_equal(last, b);
	assert_int_equal(marks_take(m, 3), 0);
	free(m);

	/* A lineage has one from its first SA to its end; without them there are none. */
	assert_non_null(t);
	t->alive[0] = true;
	x = table_lin(t, 1);
	sa = table_sa_new(t, x, &here, &there, 0);
	assert_non_null(sa);
	assert_int_equal(x->mark, 0);
	t->marks = marks_new(1);
	y = table_lin(t, 2);
	assert_int_equal(y->mark, 0);
	sa = table_sa_new(t, y, &here, &there, 0);
	a = y->mark;
	assert_int_equal(a, mark_make(0, 1));
	assert_non_null(table_sa_new(t, y, &here, &there, 0));
	assert_int_equal(y->mark, a);
	assert_non_null(table_sa_new(t, table_lin(t, 3), &here, &there, 0));
	assert_int_equal(table_lin(t, 3)->mark, mark_make(0, 2));
	for (n = 3; n < MARK_NUMBERS; n++)
		assert_true(marks_take(t->marks, 0) > 0);
	assert_null(table_sa_new(t, table_lin(t, 4), &here, &there, 0));	/* no mark, no SA */
	LIST_EACH(&y->sas, i)
		table_in_del(t, CONTAINER_OF(i, struct sa, of_lin));
	assert_null(table_sa_new(t, table_lin(t, 4), &here, &there, 0));
	table_ike_gone(t, 2);
	assert_non_null(table_sa_new(t, table_lin(t, 4), &here, &there, 0));
	assert_int_equal(table_lin(t, 4)->mark, a);
	table_delete(t);
}

static struct table *table(unsigned engines)
{
	struct table *t = table_new(77, 123, engines);

	assert_non_null(t);
	for (unsigned i = 0; i < engines; i++)
		t->alive[i] = true;
	return t;
}

/* A whole life: announce, both SAs, a rekey, charon's way to delete, the end. */
static void t_lineage(void **st)
{
	struct addr local = ip("192.0.2.1", 4500), peer = ip("198.51.100.7", 4500);
	struct table *t = table(2);
	struct table_end end;
	struct lin *l = table_lin(t, 9);
	struct sa *a, *b;

	assert_ptr_equal(table_lin(t, 9), l);
	assert_int_equal(l->id.epoch, 77);
	assert_int_equal(l->id.counter, 1);
	assert_ptr_equal(table_lin_by_id(t, &l->id), l);
	assert_null(table_lin_by_id(t, &(struct lineage){ 78, 1 }));
	a = table_sa_new(t, l, &local, &peer, 1);
	assert_non_null(a);
	l->announced = true;
	assert_int_equal(spi_engine(a->spi), l->engine);
	table_out_set(t, a, 0xc0000001, &peer);
	b = table_sa_new(t, l, &local, &peer, 2);
	table_out_set(t, b, 0xc0000002, &peer);
	assert_int_equal(spi_engine(a->spi), spi_engine(b->spi));
	assert_ptr_equal(table_sa(t, a->spi), a);
	assert_null(table_sa(t, a->spi ^ 1));	/* another generation */

	/* rekeyed: first the old outbound SA goes, much later its inbound one */
	assert_ptr_equal(table_sa_by_out(t, 0xc0000001, &peer, 9), a);
	end = table_out_del(t, a);
	assert_false(end.flow_end);
	assert_null(table_sa_by_out(t, 0xc0000001, &peer, 9));
	end = table_in_del(t, a);
	assert_false(end.flow_end);
	assert_int_equal(t->n_sa, 1);

	/* the IKE_SA goes before the SAs that it holds */
	table_ike_deleted(t, 8);
	table_ike_deleted(t, 9);
	end = table_ike_gone(t, 9);
	assert_false(end.flow_end);
	end = table_in_del(t, b);
	assert_false(end.flow_end);
	end = table_out_del(t, b);
	assert_true(end.flow_end);
	assert_true(end.deleted);
	assert_int_equal(end.lineage.counter, 1);
	assert_int_equal(t->n_lin, 0);
	assert_int_equal(t->n_sa, 0);
	assert_int_equal(t->pool[end.engine]->used, 0);

	/* charon may number again from where it was: another client */
	assert_int_equal(table_lin(t, 9)->id.counter, 2);
	/* one that never got an SPI ends without a word */
	assert_false(table_ike_gone(t, 9).flow_end);
	assert_false(table_ike_gone(t, 9).flow_end);
	assert_int_equal(t->n_lin, 0);
	table_delete(t);
}

/* Two clients behind one NAT with the same outbound SPI, even from one port after a change of it. */
static void t_collision(void **st)
{
	struct addr local = ip("192.0.2.1", 4500), peer = ip("198.51.100.7", 4500), moved = ip("198.51.100.7", 4501);
	struct table *t = table(1);
	struct sa *a = table_sa_new(t, table_lin(t, 1), &local, &peer, 1);
	struct sa *b = table_sa_new(t, table_lin(t, 2), &local, &moved, 2);
	uint32_t a_spi = a->spi;

	table_out_set(t, a, 0xc0000001, &peer);
	table_out_set(t, b, 0xc0000001, &moved);
	assert_ptr_equal(table_sa_by_out(t, 0xc0000001, &peer, 1), a);
	assert_ptr_equal(table_sa_by_out(t, 0xc0000001, &moved, 1), b);
	/* b shows up at a's port: now the IKE_SA tells them apart … */
	table_out_move(t, b, &peer);
	assert_ptr_equal(table_sa_by_out(t, 0xc0000001, &peer, 1), a);
	assert_ptr_equal(table_sa_by_out(t, 0xc0000001, &peer, 2), b);
	/* … and where one IKE_SA adopted both, what was deleted a moment ago. */
	(void)table_in_del(t, a);
	assert_ptr_equal(table_sa_by_out(t, 0xc0000001, &peer, 2), a);
	(void)table_out_del(t, a);
	assert_null(table_sa(t, a_spi));
	assert_ptr_equal(table_sa_by_out(t, 0xc0000001, &peer, 1), b);
	/* the SPI that charon had us free, and then wants after all */
	assert_non_null(table_sa_again(t, table_lin(t, 1), &local, &peer, a_spi));
	assert_null(table_sa_again(t, table_lin(t, 1), &local, &peer, a_spi));
	table_delete(t);
}

static void t_placement(void **st)
{
	struct addr local = ip("192.0.2.1", 4500), peer = ip("198.51.100.7", 4500), other_port = ip("198.51.100.7", 1);
	struct table *t = table(4);
	struct lin *a = table_lin(t, 1), *b = table_lin(t, 2);
	unsigned used = 0, home;
	struct sa *sa;

	assert_false(table_has_sa_at(t, &peer));
	assert_non_null(table_sa_new(t, a, &local, &peer, 1));
	assert_true(table_has_sa_at(t, &other_port));
	assert_false(table_has_sa_at(t, &local));
	home = a->engine;
	/* the same address: the same engine, also when the first one moved there from elsewhere */
	assert_non_null(table_sa_new(t, b, &local, &other_port, 1));
	assert_int_equal(b->engine, home);
	for (uint32_t i = 0; i < 64; i++) {
		struct addr p = addr_v4(0x0a000000 + i, 4500);
		struct lin *l = table_lin(t, 100 + i);

		assert_non_null(table_sa_new(t, l, &local, &p, i));
		used |= 1u << l->engine;
		if (l->engine != home) {
			struct addr q = addr_v4(0x0b000000 + i, 4500);
			struct lin *again = table_lin(t, 1000 + i);

			table_lin_move(t, l, &q);
			assert_non_null(table_sa_new(t, again, &local, &q, i));
			assert_int_equal(again->engine, l->engine);
		}
	}
	assert_int_equal(used, 0xf);	/* they spread */

	/* a dead engine gets nobody new, and its clients nothing */
	t->alive[home] = false;
	assert_null(table_sa_new(t, a, &local, &peer, 1));
	sa = table_sa_new(t, table_lin(t, 5000), &local, &peer, 1);
	assert_non_null(sa);
	assert_int_not_equal(sa->lin->engine, home);
	memset(t->alive, 0, sizeof(t->alive));
	assert_null(table_sa_new(t, table_lin(t, 5001), &local, &peer, 1));

	/* SPIs that an engine kept from before */
	used = t->pool[1]->used;
	table_reserve(t, spi_make(1, 4711, 3));
	table_reserve(t, spi_make(1, 4711, 3));
	table_reserve(t, spi_make(9, 4711, 3));
	assert_int_equal(t->pool[1]->used, used + 1);
	table_unreserve(t, sa->spi);		/* in use: not by this */
	table_unreserve(t, spi_make(1, 4711, 3));
	assert_int_equal(t->pool[1]->used, used);
	table_delete(t);
}

/* Clients whose addresses differ at the end only are shared out among the engines all the same. */
static void t_neighbours(void **st)
{
	static const char *const first[] = { "198.18.0.0", "2001:db8:2::", "2001:db8:2::211:22ff:fe33:4400" };

	for (unsigned engines = 2; engines <= 8; engines++) {
		for (size_t i = 0; i < N_ELEMENTS(first); i++) {
			struct addr local = ip("192.0.2.1", 4500), base = ip(first[i], 4500);
			struct table *t = table(engines);
			unsigned n[8] = { 0 };

			for (uint32_t k = 1; k <= 64; k++) {
				struct addr p = addr_nth(&base, k);
				struct lin *l = table_lin(t, k);

				assert_non_null(table_sa_new(t, l, &local, &p, k));
				n[l->engine]++;
			}
			for (unsigned e = 0; e < engines; e++)
				if (n[e] < 64 / engines / 3)
					fail_msg("%s and on: engine %u of %u has %u of 64", first[i], e, engines, n[e]);
			table_delete(t);
		}
	}
}

/* Whatever order things end in, nothing is left and no lineage ends twice or early. */
static void t_random(void **st)
{
	enum { CLIENTS = 40, STEPS = 20000 };
	struct addr local = ip("192.0.2.1", 4500);
	struct table *t = table(3);
	struct { uint32_t uid; struct sa *sa[6]; } c[CLIENTS] = { 0 };
	unsigned ended = 0, announced = 0;
	uint32_t uid = 0;
	struct rng rng;

	rng_init_test(&rng, 42);
	for (unsigned step = 0; step < STEPS || t->n_lin; step++) {
		unsigned i = rng_u32(&rng) % CLIENTS, k = rng_u32(&rng) % 6;
		struct addr peer = addr_v4(0x0a000000 + i / 4, (uint16_t)(4500 + i % 2));
		struct table_end end = { 0 };
		struct sa *sa = c[i].sa[k];
		struct lin *l;

		switch (rng_u32(&rng) % 4) {
		case 0:
		case 1:
			if (sa || step >= STEPS)
				break;
			if (!c[i].uid)
				c[i].uid = ++uid;
			l = table_lin(t, c[i].uid);
			c[i].sa[k] = sa = table_sa_new(t, l, &local, &peer, step);
			assert_non_null(sa);
			announced += !l->announced;
			l->announced = true;
			if (step & 1)
				table_out_set(t, sa, 0xc0000001 + k % 2, &peer);
			break;
		case 2:
			if (!sa || sa->in_gone)
				break;
			if (!sa->out)
				c[i].sa[k] = NULL;
			else if (step & 2)
				break;
			end = table_in_del(t, sa);
			if (c[i].sa[k]) {
				assert_false(end.flow_end);
				c[i].sa[k] = NULL;
				end = table_out_del(t, sa);
			}
			break;
		default:
			if (c[i].uid && (step & 7) == 0) {
				end = table_ike_gone(t, c[i].uid);
				c[i].uid = 0;
			}
			break;
		}
		ended += end.flow_end;
		for (unsigned n = 0; end.flow_end && n < 6; n++)
			assert_true(!c[i].sa[n] || c[i].sa[n]->lin->id.counter != end.lineage.counter);
	}
	assert_int_equal(ended, announced);
	assert_int_equal(t->n_sa, 0);
	for (unsigned e = 0; e < 3; e++)
		assert_int_equal(t->pool[e]->used, 0);
	table_delete(t);
}

static void t_hdr(void **st)
{
	static const struct {
		uint8_t version, exchange;
		uint32_t cookie, length;
		unsigned extra;			/* bytes after the header */
		bool natt;
		uint16_t port;
		enum hdr_kind want;
	} cases[] = {
		{ 0x10, 2, 1, 28, 0, false, 500, HDR_IKE },
		{ 0x10, 2, 1, 28, 9, false, 12345, HDR_IKE },
		{ 0x10, 5, 1, 36, 8, true, 4500, HDR_IKE },
		{ 0x10, 6, 1, 28, 0, true, 40000, HDR_IKE },
		{ 0x10, 32, 1, 28, 0, true, 40000, HDR_IKE },
		{ 0x10, 32, 1, 28, 0, true, 500, HDR_PORT_500 },
		{ 0x10, 4, 1, 28, 0, false, 500, HDR_AGGRESSIVE },
		{ 0x10, 33, 1, 28, 0, false, 500, HDR_BAD },
		{ 0x10, 0, 1, 28, 0, false, 500, HDR_BAD },
		{ 0x20, 34, 1, 28, 0, false, 500, HDR_VERSION },
		{ 0x00, 2, 1, 28, 0, false, 500, HDR_VERSION },
		{ 0x10, 2, 0, 28, 0, false, 500, HDR_BAD },
		{ 0x10, 2, 1, 27, 0, false, 500, HDR_BAD },
		{ 0x10, 2, 1, 29, 0, false, 500, HDR_BAD },
		{ 0x10, 2, 1, 0xffffffff, 99, false, 500, HDR_BAD },
	};
	uint8_t buf[160];

	for (unsigned i = 0; i < N_ELEMENTS(cases); i++) {
		struct wr w = wr_of(buf, sizeof(buf));

		memset(buf, 0, sizeof(buf));
		if (cases[i].natt)
			wr_u32(&w, 0);
		wr_u32(&w, 0);
		wr_u32(&w, cases[i].cookie);
		(void)wr_room(&w, 9);
		wr_u8(&w, cases[i].version);
		wr_u8(&w, cases[i].exchange);
		(void)wr_room(&w, 5);
		wr_u32(&w, cases[i].length);
		(void)wr_room(&w, cases[i].extra);
		assert_false(w.bad);
		assert_int_equal(hdr_classify(buf, w.len, cases[i].natt, cases[i].port), cases[i].want);
		/* cut anywhere, it is short or keeps its port's verdict, and nothing is read beyond it */
		for (size_t n = 0; n < (cases[i].natt ? 32u : 28u); n++) {
			uint8_t *copy = malloc(n ? n : 1);
			enum hdr_kind got;

			memcpy(copy, buf, n);
			got = hdr_classify(copy, n, cases[i].natt, cases[i].port);
			assert_true(got == HDR_SHORT || got == HDR_PORT_500);
			free(copy);
		}
	}
	assert_int_equal(hdr_classify("\xff", 1, true, 4500), HDR_KEEPALIVE);
	assert_int_equal(hdr_classify("\xff", 1, false, 500), HDR_KEEPALIVE);
	assert_int_equal(hdr_classify("\xfe", 1, true, 4500), HDR_SHORT);
	assert_int_equal(hdr_classify("\x04\x00\x01\x01xxxx", 8, true, 4500), HDR_ESP);
	assert_int_equal(hdr_classify(NULL, 0, true, 4500), HDR_SHORT);
}

/* What comes to one ISAKMP SA, one after the other. */
static void t_order(void **st)
{
	enum { MM = 2, INFO = 5, MODE = 6, QM = 32, CLEAR = 0, CRYPT = 1, SA = 1, KE = 4, ID = 5, HASH = 8, FRAGMENT = 132 };
	static const struct {
		uint8_t payload, exchange, flags;
		uint32_t mid;
		uint64_t digest;
		bool due, took;		/* may charon see it; does charon take it */
	} in[] = {
		{ HASH, QM, CLEAR, 7, 90, false, false },
		{ FRAGMENT, MM, CLEAR, 0, 91, true, true },
		{ SA, MM, CLEAR, 0, 1, true, true },		/* 2: the first message */
		{ SA, MM, CLEAR, 0, 1, true, false },		/* again: its answer was lost */
		{ SA, MM, CLEAR, 0, 92, false, false },
		{ ID, MM, CRYPT, 0, 5, false, false },		/* the fifth before the third */
		{ HASH, INFO, CLEAR, 9, 93, false, false },
		{ KE, MM, CLEAR, 0, 94, true, false },		/* charon refuses it, and nothing has changed */
		{ KE, MM, CLEAR, 0, 3, true, true },		/* 8 */
		{ KE, MM, CLEAR, 0, 3, true, false },
		{ SA, MM, CLEAR, 0, 1, false, false },		/* the first one, late */
		{ KE, MM, CLEAR, 0, 95, false, false },
		{ ID, MM, CRYPT, 0, 96, true, false },		/* 12: cannot be decrypted */
		{ KE, MM, CLEAR, 0, 3, true, false },		/* charon still repeats this answer */
		{ ID, MM, CRYPT, 0, 5, true, true },
		{ ID, MM, CRYPT, 0, 5, true, false },
		{ KE, MM, CLEAR, 0, 3, false, false },		/* 16 */
		{ ID, MM, CRYPT, 0, 97, false, false },
		{ HASH, QM, CRYPT, 7, 71, true, true },
		{ HASH, QM, CRYPT, 7, 71, true, false },
		{ ID, MM, CRYPT, 0, 5, false, false },		/* 20 */
		{ HASH, INFO, CRYPT, 9, 98, true, true },
		{ HASH, QM, CRYPT, 7, 71, false, false },	/* charon would take it for the third */
		{ HASH, QM, CRYPT, 7, 73, true, true },
		{ HASH, QM, CRYPT, 7, 71, false, false },	/* 24 */
		{ HASH, QM, CRYPT, 7, 73, false, false },
		{ HASH, QM, CRYPT, 8, 81, true, true },		/* the next one */
		{ HASH, QM, CRYPT, 7, 71, false, false },
		{ HASH, MODE, CRYPT, 8, 99, true, true },	/* 28 */
	};
	struct order o = { 0 };
	uint8_t buf[28];

	for (unsigned i = 0; i < N_ELEMENTS(in); i++) {
		struct wr w = wr_of(buf, sizeof(buf));

		(void)wr_room(&w, 16);
		wr_u8(&w, in[i].payload);
		wr_u8(&w, 0x10);
		wr_u8(&w, in[i].exchange);
		wr_u8(&w, in[i].flags);
		wr_u32(&w, in[i].mid);
		wr_u32(&w, 28);
		assert_false(w.bad);
		if (order_due(&o, rd_of(buf, sizeof(buf)), in[i].digest) != in[i].due)
			fail_msg("message %u is%s due", i, in[i].due ? " not" : "");
		if (in[i].took)
			order_took(&o, rd_of(buf, sizeof(buf)), in[i].digest);
	}
	/* No header: that is for charon to say; nothing is read behind the end. */
	for (size_t n = 0; n < 24; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		memcpy(copy, buf, n);
		assert_true(order_due(&o, rd_of(copy, n), 1));
		order_took(&o, rd_of(copy, n), 1);
		free(copy);
	}
}

/* Attributes of an answer to XAuth. */
#define A(type, text) { type, text, sizeof(text) - 1 }

static void t_answer(void **st)
{
	enum { USER = 16521, PASSWORD = 16522, PASSCODE = 16523, MESSAGE = 16524, STATUS = 16527, LONG = 300 };
	static const struct {
		const char *name;
		struct { uint16_t type; const char *value; size_t n; } attr[4];
		const char *fault, *user;
		const char *password;
	} rows[] = {
		{ "name and password", { A(USER, "joe"), A(PASSWORD, "secret") }, NULL, "joe", "secret" },
		{ "the other way round", { A(PASSWORD, "secret"), A(USER, "joe") }, NULL, "joe", "secret" },
		{ "more than was asked for", { A(MESSAGE, "hi"), A(USER, "joe"), A(1, "x"), A(PASSWORD, "s") }, NULL, "joe", "s" },
		{ "a C string", { A(USER, "joe"), A(PASSWORD, "secret\0") }, NULL, "joe", "secret" },
		{ "an empty password", { A(USER, "joe"), A(PASSWORD, "") }, NULL, "joe", "" },
		{ "a password of one zero", { A(USER, "joe"), A(PASSWORD, "\0") }, NULL, "joe", "" },
		{ "no name", { A(PASSWORD, "secret") }, "no name", "", "" },
		{ "no password", { A(USER, "joe") }, "no password", "joe", "" },
		{ "a passcode for it", { A(USER, "joe"), A(PASSCODE, "123456") }, "no password", "joe", "" },
		{ "nothing", { A(MESSAGE, "hi") }, "no name", "", "" },
		{ "an empty name", { A(USER, ""), A(PASSWORD, "secret") }, "an empty name", "", "" },
		{ "two names", { A(USER, "joe"), A(USER, "jim"), A(PASSWORD, "secret") }, "two names", "joe", "" },
		{ "two passwords", { A(USER, "joe"), A(PASSWORD, "secret"), A(PASSWORD, "other") }, "two passwords", "joe", "" },
		{ "it gave up", { A(USER, "joe"), A(PASSWORD, "secret"), A(STATUS, "") }, "the client gave up", "joe", "" },
		{ "the first fault counts", { A(USER, ""), A(USER, "joe") }, "an empty name", "", "" },
	};
	static uint8_t big[LONG];
	struct answer a;

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct msg_xauth_req m = { .user_len = 0 };
		const char *why;

		answer_init(&a, &m);
		for (size_t k = 0; k < 4 && rows[i].attr[k].type; k++)
			answer_attr(&a, rows[i].attr[k].type, rd_of(rows[i].attr[k].value, rows[i].attr[k].n));
		why = answer_end(&a);
		if ((why == NULL) != (rows[i].fault == NULL) || (why && strcmp(why, rows[i].fault)) ||
		    m.user_len != strlen(rows[i].user) || memcmp(m.user, rows[i].user, m.user_len) ||
		    m.password_len != strlen(rows[i].password) || memcmp(m.password, rows[i].password, m.password_len))
			fail_msg("%s: %s", rows[i].name, why ? why : "taken");
		for (size_t k = m.password_len; k < sizeof(m.password); k++)
			assert_int_equal(m.password[k], 0);
	}
	/* As long as there is room, and longer. */
	memset(big, 'x', sizeof(big));
	for (size_t n = 254; n <= LONG; n++) {
		struct msg_xauth_req m = { .user_len = 0 };

		answer_init(&a, &m);
		answer_attr(&a, USER, rd_of(big, n));
		answer_attr(&a, PASSWORD, rd_of("s", 1));
		assert_int_equal(answer_end(&a) == NULL, n <= sizeof(m.user));
		memset(&m, 0, sizeof(m));
		answer_init(&a, &m);
		answer_attr(&a, USER, rd_of("joe", 3));
		answer_attr(&a, PASSWORD, rd_of(big, n));
		assert_int_equal(answer_end(&a) == NULL, n <= sizeof(m.password));
	}
}

/* A lineage has an engine before it has an SA, and its end is told; which are one client's, an engine says. */
static void t_login(void **st)
{
	struct table *t = table_new(9, 1, 2);
	struct addr at = ip("198.51.100.1", 4500), local = ip("192.0.2.1", 4500);
	struct lin *a = table_lin(t, 1), *b = table_lin(t, 2), *c = table_lin(t, 3);
	struct table_end end;

	assert_false(table_place(t, a, &at));
	t->alive[0] = t->alive[1] = true;
	assert_true(table_place(t, a, &at));
	assert_non_null(table_sa_new(t, a, &local, &at, 7));
	/* A second login from there comes to the engine that has the first one's session. */
	t->alive[!a->engine] = true;
	assert_true(table_place(t, b, &at));
	assert_int_equal(b->engine, a->engine);
	assert_true(table_place(t, c, &at));
	assert_false(table_same_client(t, a->id.counter, b->id.counter));
	assert_true(table_same_client(t, a->id.counter, a->id.counter));
	table_join(t, &b->id, &a->id);
	assert_true(table_same_client(t, a->id.counter, b->id.counter));
	assert_true(table_same_client(t, b->id.counter, a->id.counter));
	assert_false(table_same_client(t, c->id.counter, b->id.counter));
	assert_false(table_same_client(t, 77, a->id.counter));
	b->announced = true;
	end = table_ike_gone(t, 2);
	assert_true(end.flow_end);
	end = table_ike_gone(t, 3);
	assert_false(end.flow_end);
	t->alive[a->engine] = false;
	assert_false(table_place(t, a, &at));
	table_delete(t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_match), cmocka_unit_test(t_suite), cmocka_unit_test(t_clients), cmocka_unit_test(t_seldom), cmocka_unit_test(t_admit), cmocka_unit_test(t_spi), cmocka_unit_test(t_marks),
		cmocka_unit_test(t_lineage), cmocka_unit_test(t_collision), cmocka_unit_test(t_placement), cmocka_unit_test(t_neighbours),
		cmocka_unit_test(t_random), cmocka_unit_test(t_hdr), cmocka_unit_test(t_order), cmocka_unit_test(t_answer),
		cmocka_unit_test(t_login),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
