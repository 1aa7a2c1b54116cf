/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lineages and joins: cases one by one, and then clients, one of them hostile,
 * that do everything at random against a model which knows whose is whose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "l2tpd/lineage.h"

#define NAT 0xc0000201u
#define ELSEWHERE 0xc0000301u

static struct lin_book book;
static struct lin_out out;
static uint64_t now;

static int setup(void **st)
{
	struct rng seed;

	rng_init_test(&seed, 7);
	lin_book_init(&book, &seed);
	now = 1000000;
	return 0;
}

/* A client with one IKE_SA. */
struct one {
	struct lin_flow flow;
	struct lin lin;
	uint16_t tunnel;
};

static void arrive(struct one *c, uint32_t ip, uint16_t port, const char *id, uint64_t counter)
{
	struct addr at = addr_v4(ip, port);

	memset(c, 0, sizeof(*c));
	lin_flow_init(&book, &c->flow, &at, 0);
	lin_add(&book, &c->lin, &(struct lineage){ 1, counter }, &c->flow);
	c->flow.pairs = 1;
	lin_flow_ready(&c->flow, id, now);
}

static void dials(struct one *c, uint16_t tunnel)
{
	lin_out_init(&out);
	lin_flow_own(&book, &c->flow, &out);
	c->tunnel = tunnel;
	lin_session_up(&c->flow, &(struct lin_session){ tunnel, 1, 1701 });
}

static void leave(struct one *c)
{
	lin_flow_end(&book, &c->flow);
	lin_del(&book, &c->lin);
}

static enum lin_way data(struct one *c, uint16_t tunnel, uint16_t session, uint16_t port)
{
	struct lin_seen s = { .tunnel = tunnel, .session = session, .port = port };

	lin_out_init(&out);
	return lin_packet(&book, &c->flow, &s, now, &out);
}

static enum lin_way control(struct one *c, uint16_t tunnel)
{
	struct lin_seen s = { .control = true, .tunnel = tunnel, .port = 1701 };

	lin_out_init(&out);
	return lin_packet(&book, &c->flow, &s, now, &out);
}

static enum lin_way reply(struct one *c, uint16_t tunnel, const uint8_t *nonce, size_t n)
{
	struct lin_seen s = { .tunnel = tunnel, .session = 1, .port = 1701, .echo = rd_of(nonce, n) };

	lin_out_init(&out);
	return lin_packet(&book, &c->flow, &s, now, &out);
}

static unsigned effects(enum lin_effect_type t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < out.n; i++)
		n += out.eff[i].type == t;
	return n;
}

static void expire(struct one *c)
{
	lin_out_init(&out);
	lin_expire(&book, &c->flow, now, &out);
}

/* ---- cases ---- */

/* A, that has a tunnel, and V, that is new; both behind one NAT with one identity. */
static struct one a, b, v;

static void a_and_v(void)
{
	arrive(&a, NAT, 4500, "192.168.1.10", 1);
	dials(&a, 77);
	arrive(&v, NAT, 5001, "192.168.1.10", 2);
}

static void t_named_then_proved(void **st)
{
	uint8_t nonce[LIN_NONCE];

	a_and_v();
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	assert_int_equal(effects(LIN_EFF_PROBE), 1);
	assert_ptr_equal(out.eff[0].flow, &a.flow);
	assert_int_equal(out.eff[0].at.tunnel, 77);
	memcpy(nonce, out.eff[0].nonce, LIN_NONCE);
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	assert_int_equal(effects(LIN_EFF_PROBE), 0);	/* it is being asked */
	assert_int_equal(control(&v, 77), LIN_HOLD);
	assert_ptr_equal(v.lin.root, &v.flow);
	assert_int_equal(reply(&v, 77, nonce, LIN_NONCE), LIN_PASS);
	assert_int_equal(out.eff[out.n - 1].type, LIN_EFF_JOIN);
	assert_ptr_equal(out.eff[out.n - 1].flow, &a.flow);
	assert_ptr_equal(v.lin.root, &a.flow);
	assert_ptr_equal(lin_find(&book, &v.lin.id), &v.lin);
	assert_true(list_empty(&v.flow.lins));
	assert_int_equal(book.cnt[LIN_CNT_JOINS], 1);
	assert_int_equal(lin_deadline(&v.flow), UINT64_MAX);
	leave(&v);
	leave(&a);
}

/* Nobody has to say anything: the server asks, again and again for a while. */
static void t_asked_by_itself(void **st)
{
	uint64_t at[8];
	unsigned n = 0;

	a_and_v();
	assert_int_equal(lin_deadline(&v.flow), now + LIN_FIRST_MS);
	expire(&v);
	assert_int_equal(out.n, 0);
	for (uint64_t from = now; lin_deadline(&v.flow) != UINT64_MAX;) {
		now = lin_deadline(&v.flow);
		expire(&v);
		if (effects(LIN_EFF_PROBE) && n < 8)
			at[n++] = now - from;
	}
	assert_int_equal(n, LIN_TRIES);
	assert_int_equal(at[1] - at[0], 1000);
	assert_int_equal(at[2] - at[1], 2000);
	assert_int_equal(at[4] - at[3], 8000);
	/* Who comes later than it looked is asked when he is named. */
	arrive(&b, NAT, 4501, "192.168.1.10", 3);
	dials(&b, 78);
	expire(&v);
	assert_int_equal(out.n, 0);
	assert_int_equal(data(&v, 78, 1, 1701), LIN_HOLD);
	assert_int_equal(effects(LIN_EFF_PROBE), 1);
	leave(&b);
	leave(&v);
	leave(&a);
}

/* A login as usual costs nobody a packet, and is never joined. */
static void t_own(void **st)
{
	uint8_t nonce[LIN_NONCE];

	a_and_v();
	(void)data(&v, 77, 1, 1701);
	memcpy(nonce, out.eff[0].nonce, LIN_NONCE);
	assert_int_equal(control(&v, 0), LIN_PASS);	/* SCCRQ, or Apple's HELLO */
	dials(&v, 78);
	assert_int_equal(effects(LIN_EFF_ASK), 0);
	assert_int_equal(lin_deadline(&v.flow), UINT64_MAX);
	/* What it says now is said to its own L2TP core. */
	assert_int_equal(reply(&v, 77, nonce, LIN_NONCE), LIN_PASS);
	assert_int_equal(out.n, 0);
	assert_ptr_equal(v.lin.root, &v.flow);
	leave(&v);
	leave(&a);
}

/* The NAT gave a port to another, or the client begins anew: whoever was there is asked for a sign of life. */
static void t_port_takeover(void **st)
{
	arrive(&a, NAT, 4500, "192.168.1.10", 1);
	dials(&a, 77);
	arrive(&b, NAT, 4600, "192.168.1.10", 2);
	dials(&b, 78);
	arrive(&v, NAT, 4500, "192.168.1.10", 3);
	dials(&v, 79);
	assert_int_equal(effects(LIN_EFF_ASK), 1);
	assert_ptr_equal(out.eff[0].flow, &a.flow);
	/* Once: a second tunnel takes nobody's place. */
	dials(&v, 80);
	assert_int_equal(out.n, 0);
	assert_ptr_equal(v.lin.root, &v.flow);
	assert_ptr_equal(a.lin.root, &a.flow);
	leave(&v);
	leave(&b);
	leave(&a);
}

/* The old SA's place is dead: the question goes to the new one's as well. */
static void t_moved(void **st)
{
	struct addr far = addr_v4(ELSEWHERE, 999);

	a_and_v();
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	assert_true(addr_eq(&out.eff[0].also, &v.flow.peer));
	leave(&v);
	/* Nor is it there any more where it came up. */
	arrive(&v, NAT, 4500, "192.168.1.10", 2);
	lin_flow_moved(&book, &v.flow, &far);
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	assert_int_equal(effects(LIN_EFF_PROBE), 1);
	assert_true(addr_eq(&out.eff[0].also, &far));
	assert_int_equal(reply(&v, 77, out.eff[0].nonce, LIN_NONCE), LIN_PASS);
	assert_ptr_equal(v.lin.root, &a.flow);
	leave(&v);
	/* Where both are, once is enough. */
	arrive(&v, NAT, 4500, "192.168.1.10", 3);
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	assert_int_equal(out.eff[0].also.family, 0);
	leave(&v);
	leave(&a);
}

static void t_nonce_binding(void **st)
{
	struct lin_seen told = { .control = true, .tunnel = 77, .session = 1, .port = 1701 };
	uint8_t nonce[LIN_NONCE], other[LIN_NONCE + 1];

	a_and_v();
	arrive(&b, NAT, 5002, "192.168.1.10", 3);
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	memcpy(nonce, out.eff[0].nonce, LIN_NONCE);
	/* on another virgin, whether it was asked for that one or not */
	assert_int_equal(reply(&b, 77, nonce, LIN_NONCE), LIN_HOLD);
	assert_int_equal(reply(&b, 77, nonce, LIN_NONCE), LIN_HOLD);
	assert_ptr_equal(b.lin.root, &b.flow);
	/* on the old SA */
	assert_int_equal(reply(&a, 77, nonce, LIN_NONCE), LIN_PASS);
	assert_int_equal(out.n, 0);
	/* one octet less, one more, one other */
	memcpy(other, nonce, LIN_NONCE);
	other[LIN_NONCE] = 0;
	assert_int_equal(reply(&v, 77, nonce, LIN_NONCE - 1), LIN_HOLD);
	assert_int_equal(reply(&v, 77, other, LIN_NONCE + 1), LIN_HOLD);
	other[LIN_NONCE - 1] ^= 1;
	assert_int_equal(reply(&v, 77, other, LIN_NONCE), LIN_HOLD);
	/* with other ids than those of the session that was asked */
	assert_int_equal(reply(&v, 99, nonce, LIN_NONCE), LIN_DROP);
	/* in a control message */
	assert_int_equal(control(&v, 77), LIN_HOLD);
	told.echo = rd_of(nonce, LIN_NONCE);
	lin_out_init(&out);
	assert_int_equal(lin_packet(&book, &v.flow, &told, now, &out), LIN_HOLD);
	assert_ptr_equal(v.lin.root, &v.flow);
	/* late */
	now += LIN_NONCE_MS;
	assert_int_equal(reply(&v, 77, nonce, LIN_NONCE), LIN_HOLD);
	assert_ptr_equal(v.lin.root, &v.flow);
	leave(&b);
	leave(&v);
	leave(&a);
}

/* Once used it is nothing any more: neither for the client nor for another. */
static void t_reused(void **st)
{
	uint8_t nonce[LIN_NONCE];
	struct one w;

	a_and_v();
	(void)data(&v, 77, 1, 1701);
	memcpy(nonce, out.eff[0].nonce, LIN_NONCE);
	assert_int_equal(reply(&v, 77, nonce, LIN_NONCE), LIN_PASS);
	lin_flow_end(&book, &v.flow);
	arrive(&w, NAT, 5001, "192.168.1.10", 4);
	assert_int_equal(reply(&w, 77, nonce, LIN_NONCE), LIN_HOLD);
	assert_ptr_equal(w.lin.root, &w.flow);
	leave(&w);
	lin_del(&book, &v.lin);
	leave(&a);
}

/* It hung up between question and answer; or another has its ids now. */
static void t_gone_meanwhile(void **st)
{
	uint8_t nonce[LIN_NONCE];

	a_and_v();
	(void)data(&v, 77, 1, 1701);
	memcpy(nonce, out.eff[0].nonce, LIN_NONCE);
	lin_session_gone(&a.flow, 77, 1);
	assert_int_equal(reply(&v, 77, nonce, LIN_NONCE), LIN_DROP);
	leave(&a);
	arrive(&b, NAT, 4501, "192.168.1.10", 3);
	dials(&b, 77);
	assert_int_equal(reply(&v, 77, nonce, LIN_NONCE), LIN_HOLD);
	assert_ptr_equal(v.lin.root, &v.flow);
	assert_int_equal(effects(LIN_EFF_PROBE), 1);
	assert_memory_not_equal(out.eff[0].nonce, nonce, LIN_NONCE);
	leave(&b);
	leave(&v);
}

/* Who is never asked, whatever the virgin says. */
static void t_never_asked(void **st)
{
	struct {
		uint32_t ip;
		const char *id;
		uint32_t conf;
		unsigned pairs;
		uint16_t port;
	} t[] = {
		{ ELSEWHERE, "192.168.1.10", 0, 1, 1701 }, { NAT, "192.168.1.11", 0, 1, 1701 },
		{ NAT, "192.168.1.10", 1, 1, 1701 }, { NAT, "192.168.1.10", 0, 0, 1701 },
		{ NAT, "192.168.1.10", 0, 1, 1702 },
	};

	for (unsigned i = 0; i < N_ELEMENTS(t); i++) {
		arrive(&a, t[i].ip, 4500, t[i].id, 1);
		dials(&a, 77);
		a.flow.conf = t[i].conf;
		a.flow.pairs = t[i].pairs;
		arrive(&v, NAT, 5001, "192.168.1.10", 2);
		assert_int_equal(data(&v, 77, 1, t[i].port), LIN_DROP);
		assert_int_equal(out.n, 0);
		if (t[i].port == 1701) {
			now = lin_deadline(&v.flow);
			expire(&v);
			assert_int_equal(out.n, 0);
		}
		leave(&v);
		leave(&a);
	}
	/* Nor where the two addresses share a bucket, as some of these do. */
	for (uint32_t i = 0; i < 8 * LIN_BUCKETS; i++) {
		arrive(&a, ELSEWHERE + i, 4500, "192.168.1.10", 1);
		dials(&a, 77);
		arrive(&v, NAT, 5001, "192.168.1.10", 2);
		assert_int_equal(data(&v, 77, 1, 1701), LIN_DROP);
		leave(&v);
		leave(&a);
	}
	/* It moved here meanwhile: now it may be. */
	arrive(&a, ELSEWHERE, 4500, "192.168.1.10", 1);
	dials(&a, 77);
	arrive(&v, NAT, 5001, "192.168.1.10", 2);
	assert_int_equal(data(&v, 77, 1, 1701), LIN_DROP);
	lin_flow_moved(&book, &a.flow, &(struct addr){ 0 });
	a.flow.peer = (struct addr){ 0 };
	lin_flow_moved(&book, &a.flow, &v.flow.peer);
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	leave(&v);
	leave(&a);
}

/* Data is of a session, not of any in its tunnel; a session that is told of twice is one. */
static void t_sessions(void **st)
{
	a_and_v();
	assert_int_equal(data(&v, 77, 2, 1701), LIN_DROP);
	assert_int_equal(out.n, 0);
	assert_int_equal(control(&v, 77), LIN_HOLD);
	leave(&v);
	lin_session_up(&a.flow, &(struct lin_session){ 77, 1, 1701 });
	assert_int_equal(a.flow.n_session, 1);
	lin_session_gone(&a.flow, 77, 1);
	arrive(&v, NAT, 5001, "192.168.1.10", 3);
	assert_int_equal(data(&v, 77, 1, 1701), LIN_DROP);
	leave(&v);
	leave(&a);
}

/* A later SA: who has a tunnel does not begin to ask, and who was asked about is not forgotten. */
static void t_later_sa(void **st)
{
	uint8_t nonce[LIN_NONCE];

	a_and_v();
	lin_flow_ready(&a.flow, "192.168.1.10", now);
	assert_int_equal(lin_deadline(&a.flow), UINT64_MAX);
	expire(&a);
	assert_int_equal(out.n, 0);
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	memcpy(nonce, out.eff[0].nonce, LIN_NONCE);
	lin_flow_ready(&v.flow, "192.168.1.10", now);
	assert_int_equal(reply(&v, 77, nonce, LIN_NONCE), LIN_PASS);
	lin_flow_end(&book, &v.flow);
	lin_del(&book, &v.lin);
	leave(&a);
}

/* An owner that left no room for it is told again when it comes again, and no try is lost. */
static void t_no_room(void **st)
{
	struct lin_seen s = { .tunnel = 77, .session = 1, .port = 1701 };

	a_and_v();
	lin_out_init(&out);
	out.n = LIN_EFFECTS;
	assert_int_equal(lin_packet(&book, &v.flow, &s, now, &out), LIN_HOLD);
	assert_int_equal(out.n, LIN_EFFECTS);
	assert_int_equal(book.cnt[LIN_CNT_PROBES], 0);
	assert_int_equal(lin_deadline(&v.flow), now + 1);
	now++;
	expire(&v);
	assert_int_equal(effects(LIN_EFF_PROBE), 1);
	assert_int_equal(reply(&v, 77, out.eff[0].nonce, LIN_NONCE), LIN_PASS);
	lin_flow_end(&book, &v.flow);
	lin_del(&book, &v.lin);
	leave(&a);
}

/* All tunnel ids there are: nobody is disturbed but who may be meant, and the chance is gone. */
static void t_guess(void **st)
{
	unsigned held = 0, probes = 0;

	a_and_v();
	for (unsigned i = 0; i < LIN_MISSES; i++)
		assert_int_equal(data(&v, (uint16_t)(1000 + i), 1, 1701), LIN_DROP);
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	assert_int_equal(data(&v, 999, 1, 1701), LIN_DROP);
	assert_int_equal(book.cnt[LIN_CNT_BARRED], 1);
	for (unsigned i = 1; i < 65536; i++) {
		held += data(&v, (uint16_t)i, 1, 1701) == LIN_HOLD;
		held += control(&v, (uint16_t)i) == LIN_HOLD;
		probes += out.n;
	}
	assert_int_equal(held + probes, 0);
	assert_int_equal(lin_deadline(&v.flow), UINT64_MAX);
	/* Nobody is asked any more, not even who was. */
	now += LIN_NONCE_MS;
	expire(&v);
	assert_int_equal(out.n, 0);
	/* A tunnel of its own it may have. */
	assert_int_equal(control(&v, 0), LIN_PASS);
	leave(&v);
	leave(&a);
}

/* However often it names whom: so many Echo-Requests, and no more. */
static void t_bounded(void **st)
{
	static struct one n[LIN_PROBES + 8];
	unsigned probes = 0;

	for (unsigned i = 0; i < N_ELEMENTS(n); i++) {
		arrive(&n[i], NAT, (uint16_t)(4000 + i), "192.168.1.10", i + 1);
		dials(&n[i], (uint16_t)(100 + i));
	}
	arrive(&v, NAT, 5001, "192.168.1.10", 99);
	for (unsigned s = 0; s < 3600; s++) {
		for (unsigned i = 0; i < N_ELEMENTS(n); i++) {
			(void)data(&v, (uint16_t)(100 + i), 1, 1701);
			probes += effects(LIN_EFF_PROBE);
		}
		expire(&v);
		probes += effects(LIN_EFF_PROBE);
		now += 1000;
	}
	assert_true(probes > LIN_PROBES);
	assert_true(probes <= LIN_PROBES * LIN_TRIES * LIN_ROUNDS);
	assert_int_equal(probes, book.cnt[LIN_CNT_PROBES]);
	leave(&v);
	for (unsigned i = 0; i < N_ELEMENTS(n); i++)
		leave(&n[i]);
}

/* How many it may name, and when it may name one again. */
static void t_named(void **st)
{
	static struct one n[LIN_NAMED + 2];
	uint8_t nonce[LIN_NONCE];

	for (unsigned i = 0; i < N_ELEMENTS(n); i++) {
		arrive(&n[i], NAT, (uint16_t)(4000 + i), "192.168.1.10", i + 1);
		dials(&n[i], (uint16_t)(100 + i));
	}
	arrive(&v, NAT, 5001, "192.168.1.10", 99);
	for (unsigned i = 0; i < N_ELEMENTS(n); i++) {
		assert_int_equal(data(&v, (uint16_t)(100 + i), 1, 1701), i < LIN_NAMED ? LIN_HOLD : LIN_DROP);
		assert_int_equal(effects(LIN_EFF_PROBE), i < LIN_NAMED);
		if (!i)
			memcpy(nonce, out.eff[0].nonce, LIN_NONCE);
	}
	/* When all tries of a round are over, and none of it counts any more: another round. */
	while (lin_deadline(&v.flow) != UINT64_MAX) {
		now = lin_deadline(&v.flow);
		expire(&v);
	}
	assert_int_equal(data(&v, 100, 1, 1701), LIN_HOLD);
	assert_int_equal(out.n, 0);
	now += LIN_NONCE_MS;
	assert_int_equal(data(&v, 100, 1, 1701), LIN_HOLD);
	assert_int_equal(effects(LIN_EFF_PROBE), 1);
	assert_memory_not_equal(out.eff[0].nonce, nonce, LIN_NONCE);
	leave(&v);
	for (unsigned i = 0; i < N_ELEMENTS(n); i++)
		leave(&n[i]);

	/* Its round ended before it was asked: no other one at once. */
	a_and_v();
	for (unsigned i = 0; i < LIN_BUCKETS; i++)
		book.rate[i] = (struct lin_rate){ .from_ms = now, .sent = LIN_RATE };
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	assert_int_equal(out.n, 0);
	now += LIN_RATE_WAIT_MS;
	a.flow.pairs = 0;
	expire(&v);
	a.flow.pairs = 1;
	now += 1000;
	assert_int_equal(data(&v, 77, 1, 1701), LIN_DROP);
	assert_int_equal(out.n, 0);
	now += LIN_AGAIN_MS;
	assert_int_equal(data(&v, 77, 1, 1701), LIN_HOLD);
	assert_int_equal(effects(LIN_EFF_PROBE), 1);
	leave(&v);
	leave(&a);
}

/* An office comes back at once: all are asked for, but not all in the same second. */
static void t_rate(void **st)
{
	static struct one n[8], w[100];
	unsigned probes = 0, second = 0;

	for (unsigned i = 0; i < N_ELEMENTS(n); i++) {
		arrive(&n[i], NAT, (uint16_t)(4000 + i), "192.168.1.10", i + 1);
		dials(&n[i], (uint16_t)(100 + i));
	}
	for (unsigned i = 0; i < N_ELEMENTS(w); i++)
		arrive(&w[i], NAT, (uint16_t)(5000 + i), "192.168.1.10", 100 + i);
	now += LIN_FIRST_MS;
	for (unsigned ms = 0; ms < 60000; ms += 50, now += 50)
		for (unsigned i = 0; i < N_ELEMENTS(w); i++) {
			expire(&w[i]);
			probes += effects(LIN_EFF_PROBE);
			if (ms < 1000)
				second += effects(LIN_EFF_PROBE);
		}
	assert_int_equal(second, LIN_RATE);
	assert_int_equal(probes, 100 * 8 * LIN_TRIES);
	for (unsigned i = 0; i < N_ELEMENTS(w); i++)
		leave(&w[i]);
	for (unsigned i = 0; i < N_ELEMENTS(n); i++)
		leave(&n[i]);
}

/* A client that never deletes an IKE_SA keeps the newest few. */
static void t_lineages(void **st)
{
	static struct one w[10];
	unsigned ends = 0;

	arrive(&a, NAT, 4500, "192.168.1.10", 1);
	dials(&a, 77);
	for (unsigned i = 0; i < N_ELEMENTS(w); i++) {
		struct lin *end = NULL;
		unsigned n = 0;

		arrive(&w[i], NAT, (uint16_t)(5000 + i), "192.168.1.10", 2 + i);
		assert_int_equal(data(&w[i], 77, 1, 1701), LIN_HOLD);
		assert_int_equal(reply(&w[i], 77, out.eff[0].nonce, LIN_NONCE), LIN_PASS);
		assert_int_equal(effects(LIN_EFF_JOIN), 1);
		for (unsigned k = 0; k < out.n; k++)
			if (out.eff[k].type == LIN_EFF_END) {
				end = out.eff[k].lin;
				ends++;
			}
		lin_flow_end(&book, &w[i].flow);
		if (end) {
			assert_ptr_equal(end, CONTAINER_OF(a.flow.lins.next, struct lin, of_root));
			lin_del(&book, end);
		}
		LIST_EACH(&a.flow.lins, k)
			n++;
		assert_true(n <= LIN_LINEAGES);
	}
	assert_int_equal(ends, 1 + N_ELEMENTS(w) - LIN_LINEAGES);
	LIST_EACH(&a.flow.lins, k)
		lin_del(&book, CONTAINER_OF(k, struct lin, of_root));
	lin_flow_end(&book, &a.flow);
	assert_int_equal(book.n_lin + book.n_flow, 0);
}

/* ---- at random ---- */

/*
 * Clients behind one NAT, all with one identity and one configuration, tunnel ids
 * of three bits; client 0 is hostile and says what it likes with whatever it has
 * ever been told.  What the model knows and the core does not: whose each flow and
 * each nonce is.
 */
enum { CLIENTS = 4, FLOWS = 64, STEPS = 3000000, IDS = 8, TOLD = 64 };

struct mflow {
	bool used, has_session;
	unsigned client;
	struct lin_flow f;
	unsigned held;
};

struct mlin {
	bool used;
	unsigned client;
	struct lin lin;
};

static struct world {
	struct rng rng;
	uint64_t dice;
	struct mflow flow[FLOWS];
	struct mlin lin[FLOWS];
	uint64_t counter;
	/* nonces that a client was told, over its own SAs */
	uint8_t told[CLIENTS][TOLD][LIN_NONCE];
	unsigned n_told[CLIENTS];
	unsigned joins, delivered, held, dropped, barred, probes;
} w;

/* Many and cheap (xorshift); what is compared comes from w.rng. */
static unsigned dice(unsigned n)
{
	w.dice ^= w.dice << 13;
	w.dice ^= w.dice >> 7;
	w.dice ^= w.dice << 17;
	return (unsigned)(w.dice >> 32) % n;
}

static struct mflow *flow_at(struct lin_flow *f)
{
	return CONTAINER_OF(f, struct mflow, f);
}

static struct addr anywhere(void)
{
	/* A NAT of four ports: who had one yesterday is nobody today. */
	return addr_v4(dice(16) ? NAT : ELSEWHERE, (uint16_t)(4500 + dice(4)));
}

static void mlin_free(struct mlin *l)
{
	lin_del(&book, &l->lin);
	l->used = false;
}

static void mflow_free(struct mflow *m)
{
	LIST_EACH(&m->f.lins, i)
		mlin_free(CONTAINER_OF(i, struct mlin, lin.of_root));
	lin_flow_end(&book, &m->f);
	m->used = false;
}

static unsigned lineages(struct lin_flow *f)
{
	unsigned n = 0;

	LIST_EACH(&f->lins, i)
		n++;
	return n;
}

/* What the core wants, done and judged. from: the virgin that the packet came on, or NULL. */
static void apply(struct mflow *from)
{
	for (unsigned i = 0; i < out.n; i++) {
		struct lin_effect *e = &out.eff[i];
		struct mflow *x = flow_at(e->flow);

		assert_true(x->used);
		switch (e->type) {
		case LIN_EFF_PROBE: {
			unsigned c = x->client;

			/* It goes over an SA of x: its client alone can read it. */
			assert_true(x->f.own && x->has_session);
			memcpy(w.told[c][w.n_told[c]++ % TOLD], e->nonce, LIN_NONCE);
			w.probes++;
			break;
		}
		case LIN_EFF_ASK:
			assert_true(x->f.own);
			break;
		case LIN_EFF_END:
			assert_int_equal(CONTAINER_OF(e->lin, struct mlin, lin)->client, x->client);
			mlin_free(CONTAINER_OF(e->lin, struct mlin, lin));
			break;
		case LIN_EFF_JOIN:
			assert_int_equal(i, out.n - 1);
			assert_non_null(from);
			assert_int_equal(from->client, x->client);	/* the invariant */
			assert_true(list_empty(&from->f.lins));
			assert_true(lineages(&x->f) <= LIN_LINEAGES);
			w.joins++;
			mflow_free(from);
			break;
		}
	}
	assert_true(out.n <= LIN_EFFECTS);
}

/* Every lineage is where its client's flow is, and joins alone change that. */
static void roots_right(void)
{
	unsigned n = 0, flows = 0;

	for (unsigned i = 0; i < FLOWS; i++) {
		flows += w.flow[i].used;
		if (!w.lin[i].used)
			continue;
		n++;
		assert_true(flow_at(w.lin[i].lin.root)->used);
		assert_int_equal(flow_at(w.lin[i].lin.root)->client, w.lin[i].client);
	}
	assert_int_equal(book.n_lin, n);
	assert_int_equal(book.n_flow, flows);
}

static struct mflow *some_flow(void)
{
	struct mflow *m = &w.flow[dice(FLOWS)];

	return m->used ? m : NULL;
}

static struct mlin *some_lin(void)
{
	struct mlin *l = &w.lin[dice(FLOWS)];

	return l->used ? l : NULL;
}

static void new_ike_sa(void)
{
	struct mflow *m = &w.flow[dice(FLOWS)];
	struct mlin *l = &w.lin[dice(FLOWS)];
	struct addr at = anywhere();

	if (m->used || l->used)
		return;
	*m = (struct mflow){ .used = true, .client = dice(CLIENTS) };
	l->used = true;
	l->client = m->client;
	lin_flow_init(&book, &m->f, &at, 0);
	lin_add(&book, &l->lin, &(struct lineage){ 1, ++w.counter }, &m->f);
	m->f.pairs = 1;
	lin_flow_ready(&m->f, "192.168.1.10", now);
}

/* The L2TP core gives each id to one tunnel. */
static bool id_free(uint16_t tunnel)
{
	for (unsigned i = 0; i < FLOWS; i++)
		for (unsigned k = 0; w.flow[i].used && k < w.flow[i].f.n_session; k++)
			if (w.flow[i].f.session[k].tunnel == tunnel)
				return false;
	return true;
}

static void dial(struct mflow *m)
{
	uint16_t tunnel = (uint16_t)(1 + dice(IDS));

	if (m->has_session || !id_free(tunnel))
		return;
	lin_out_init(&out);
	lin_flow_own(&book, &m->f, &out);
	apply(NULL);
	lin_session_up(&m->f, &(struct lin_session){ tunnel, (uint16_t)(1 + dice(2)), 1701 });
	m->has_session = true;
}

static void hang_up(struct mflow *m)
{
	if (!m->has_session)
		return;
	lin_session_gone(&m->f, m->f.session[0].tunnel, m->f.session[0].session);
	m->has_session = false;
}

/* A packet over an SA of lineage l. What does its sender put in? */
static void packet(struct mlin *l)
{
	struct mflow *m = flow_at(l->lin.root);
	struct lin_seen s = { .port = 1701, .control = !dice(4) };
	uint8_t nonce[LIN_NONCE];
	bool hostile = !m->client;
	enum lin_way way;

	if (hostile && dice(2)) {
		s.tunnel = (uint16_t)(1 + dice(IDS));
		s.session = (uint16_t)(1 + dice(2));
		s.port = dice(8) ? 1701 : 1702;
	} else {
		/* Some session of the same client's, if it has one: what a client that did phase 1 again says. */
		for (unsigned i = 0; i < FLOWS; i++) {
			struct mflow *x = &w.flow[i];

			if (x->used && x->client == m->client && x->f.n_session) {
				s.tunnel = x->f.session[0].tunnel;
				s.session = x->f.session[0].session;
			}
		}
	}
	if (w.n_told[m->client] && dice(2)) {
		unsigned n = MIN(w.n_told[m->client], (unsigned)TOLD);

		memcpy(nonce, w.told[m->client][dice(3) ? (w.n_told[m->client] - 1) % TOLD : dice(n)], LIN_NONCE);
		if (hostile && !dice(4))
			nonce[dice(LIN_NONCE)] ^= (uint8_t)(1 << dice(8));
		s.echo = rd_of(nonce, hostile && !dice(8) ? dice(LIN_NONCE) : LIN_NONCE);
	} else if (hostile && dice(2)) {
		rng_bytes(&w.rng, nonce, sizeof(nonce));
		s.echo = rd_of(nonce, LIN_NONCE);
	}
	lin_out_init(&out);
	way = lin_packet(&book, &m->f, &s, now, &out);
	apply(m);
	switch (way) {
	case LIN_PASS: {
		/* It reaches sessions of its lineage's root, whatever ids it has. */
		struct mflow *to = flow_at(l->lin.root);

		assert_true(l->used && to->used);
		assert_int_equal(to->client, l->client);	/* the invariant */
		assert_true(to->f.own || (s.control && !s.tunnel));
		w.delivered++;
		break;
	}
	case LIN_HOLD:
		assert_false(m->f.own);
		w.held++;
		break;
	case LIN_DROP:
		assert_false(m->f.own);
		w.dropped++;
		break;
	}
}

static void step(void)
{
	struct mflow *m;
	struct mlin *l;
	struct addr at;

	switch (dice(16)) {
	case 0:
	case 1:
		new_ike_sa();
		break;
	case 2:
		if ((m = some_flow()) && !dice(4))
			mflow_free(m);
		break;
	case 3:
		if ((m = some_flow()))
			dial(m);
		break;
	case 4:
		if ((m = some_flow()) && !dice(4))
			hang_up(m);
		break;
	case 5:
		if ((m = some_flow())) {
			at = anywhere();
			lin_flow_moved(&book, &m->f, &at);
		}
		break;
	case 6:
		now += dice(dice(8) ? 500 : 8000);
		break;
	case 7:
		/* One of several IKE_SAs ends. */
		if ((l = some_lin()) && lineages(l->lin.root) > 1)
			mlin_free(l);
		break;
	case 8:
		if ((m = some_flow()))
			m->f.pairs = dice(4);
		break;
	case 9:
	case 10:
		if ((m = some_flow()) && now >= lin_deadline(&m->f)) {
			lin_out_init(&out);
			lin_expire(&book, &m->f, now, &out);
			apply(NULL);
		}
		break;
	default:
		if ((l = some_lin()))
			packet(l);
	}
}

static void t_random(void **st)
{
	memset(&w, 0, sizeof(w));
	rng_init_test(&w.rng, 20);
	w.dice = 0x9e3779b97f4a7c15;
	for (unsigned i = 0; i < STEPS; i++) {
		step();
		if (!(i & 63))
			roots_right();
	}
	roots_right();
	print_message("%u joins, %u packets delivered, %u held, %u dropped, %u probes, %llu barred\n", w.joins, w.delivered,
		w.held, w.dropped, w.probes, (unsigned long long)book.cnt[LIN_CNT_BARRED]);
	/* All of it happened, often. */
	assert_true(w.joins > 1000 && w.delivered > 100000 && w.held > 1000 && w.dropped > 10000 && w.probes > 10000);
	assert_int_equal(w.joins, book.cnt[LIN_CNT_JOINS]);
	for (unsigned i = 0; i < FLOWS; i++)
		if (w.flow[i].used)
			mflow_free(&w.flow[i]);
	assert_int_equal(book.n_flow + book.n_lin, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(t_named_then_proved, setup), cmocka_unit_test_setup(t_asked_by_itself, setup),
		cmocka_unit_test_setup(t_own, setup), cmocka_unit_test_setup(t_port_takeover, setup),
		cmocka_unit_test_setup(t_nonce_binding, setup), cmocka_unit_test_setup(t_reused, setup),
		cmocka_unit_test_setup(t_moved, setup),
		cmocka_unit_test_setup(t_gone_meanwhile, setup), cmocka_unit_test_setup(t_never_asked, setup),
		cmocka_unit_test_setup(t_guess, setup), cmocka_unit_test_setup(t_bounded, setup),
		cmocka_unit_test_setup(t_rate, setup), cmocka_unit_test_setup(t_lineages, setup),
		cmocka_unit_test_setup(t_sessions, setup), cmocka_unit_test_setup(t_no_room, setup),
		cmocka_unit_test_setup(t_later_sa, setup), cmocka_unit_test_setup(t_named, setup),
		cmocka_unit_test_setup(t_random, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
