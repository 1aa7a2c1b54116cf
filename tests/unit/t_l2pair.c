/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A LAC and an LNS, both of them ours, over a wire in memory that loses,
 * doubles, delays and reorders by script, under a clock that jumps from event
 * to event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "l2tp_util.h"

enum { LAC, LNS, ENDS };
enum { WIRE = 256, LATENCY_MS = 10 };

struct end {
	struct l2tp_conf conf;
	struct l2tp_ids ids;
	struct l2tp_flow flow;
	unsigned tunnels_up, tunnels_gone, sessions_up, sessions_gone;
	uint16_t tunnel, session;	/* the last that came up */
	enum l2tp_reason tunnel_reason, session_reason;
	uint16_t result, error;
	uint64_t up_ms;			/* when the last session came up */
};

struct pair {
	struct end e[ENDS];
	uint64_t now;
	struct {
		unsigned to;
		uint64_t at;
		size_t len;
		uint8_t bytes[L2TP_DATAGRAM_MAX];
	} wire[WIRE];
	unsigned n;
	unsigned sent;			/* datagrams ever */
	/* The script. */
	int lose;			/* this datagram, from 0; -1 none */
	bool twice;			/* each comes twice */
	bool cut[ENDS];			/* nothing gets to this end */
	unsigned loss_percent, jitter_ms;
	struct rng rng;
};

static struct l2tp_out out;

static void pair_init(struct pair *p, uint64_t seed)
{
	memset(p, 0, sizeof(*p));
	p->now = 1000;
	p->lose = -1;
	rng_init_test(&p->rng, seed);
	for (unsigned i = 0; i < ENDS; i++) {
		struct end *e = &p->e[i];
		struct rng r;

		rng_init_test(&r, seed * 2 + i + 1000);
		e->conf = l2tp_conf_default;
		strcpy(e->conf.host_name, i == LAC ? "lac" : "lns");
		l2tp_ids_init(&e->ids, &r);
		l2tp_flow_init(&e->flow, &e->conf, &e->ids, &r);
	}
}

static void wire_put(struct pair *p, unsigned to, const struct l2tp_effect *f)
{
	unsigned copies = p->twice ? 2 : 1;

	if ((int)p->sent++ == p->lose || p->cut[to])
		return;
	while (copies--) {
		uint32_t luck = rng_u32(&p->rng);

		if (luck % 100 < p->loss_percent)
			continue;
		assert_true(p->n < WIRE && f->len <= L2TP_DATAGRAM_MAX);
		p->wire[p->n].to = to;
		p->wire[p->n].at = p->now + LATENCY_MS + (p->jitter_ms ? (luck >> 8) % p->jitter_ms : 0);
		p->wire[p->n].len = f->len;
		memcpy(p->wire[p->n].bytes, f->data, f->len);
		p->n++;
	}
}

/* Work through what a call on this end led to. */
static void drain(struct pair *p, unsigned i)
{
	struct end *e = &p->e[i];

	assert_true(out.n <= L2TP_EFFECTS_MAX);
	assert_false(out.w.bad);
	for (unsigned k = 0; k < out.n; k++) {
		const struct l2tp_effect *f = &out.eff[k];

		switch (f->type) {
		case L2TP_EFF_SEND:
			assert_true(l2tp_is_control(rd_of(f->data, f->len)));
			assert_int_equal(f->port, 1701);
			wire_put(p, !i, f);
			break;
		case L2TP_EFF_TUNNEL_UP:
			e->tunnels_up++;
			e->tunnel = f->tunnel;
			break;
		case L2TP_EFF_TUNNEL_GONE:
			e->tunnels_gone++;
			e->tunnel_reason = f->reason;
			e->result = f->result;
			e->error = f->error;
			assert_null(l2tp_flow_tunnel(&e->flow, f->tunnel));
			break;
		case L2TP_EFF_SESSION_UP:
			e->sessions_up++;
			e->session = f->session;
			e->up_ms = p->now;
			assert_int_not_equal(f->peer_session, 0);
			assert_int_not_equal(f->peer_tunnel, 0);
			break;
		case L2TP_EFF_SESSION_GONE:
			e->sessions_gone++;
			e->session_reason = f->reason;
			break;
		}
	}
}

/* The next thing that happens, up to `until`. False: nothing more before it. */
static bool step(struct pair *p, uint64_t until)
{
	uint64_t at = UINT64_MAX;
	unsigned first = 0, who = 0;
	bool data = false;

	for (unsigned i = 0; i < ENDS; i++) {
		uint64_t d = l2tp_flow_deadline(&p->e[i].flow);

		if (d < at) {
			at = d;
			who = i;
		}
	}
	for (unsigned k = 0; k < p->n; k++) {
		if (p->wire[k].at <= at && (!data || p->wire[k].at < p->wire[first].at)) {
			first = k;
			data = true;
		}
	}
	if (data)
		at = p->wire[first].at;
	if (at > until) {
		p->now = until;
		return false;
	}
	p->now = MAX(p->now, at);
	l2tp_out_init(&out);
	if (data) {
		who = p->wire[first].to;
		l2tp_flow_input(&p->e[who].flow, rd_of(p->wire[first].bytes, p->wire[first].len), 1701,
			p->now, &out);
		p->n--;
		memmove(&p->wire[first], &p->wire[first + 1], (p->n - first) * sizeof(p->wire[0]));
	} else {
		l2tp_flow_expire(&p->e[who].flow, p->now, &out);
	}
	drain(p, who);
	return true;
}

static void run(struct pair *p, uint64_t ms)
{
	uint64_t until = p->now + ms;
	unsigned steps = 0;

	while (step(p, until))
		assert_true(++steps < 200000);	/* a deadline that never moves */
}

static uint16_t dial(struct pair *p)
{
	uint16_t id;

	l2tp_out_init(&out);
	id = l2tp_flow_dial(&p->e[LAC].flow, 1701, p->now, &out);
	drain(p, LAC);
	return id;
}

static void connect(struct pair *p)
{
	assert_int_not_equal(dial(p), 0);
	run(p, 500);
	assert_int_equal(p->e[LAC].sessions_up, 1);
	assert_int_equal(p->e[LNS].sessions_up, 1);
}

static void close_flow(struct pair *p, unsigned i, enum l2tp_reason reason)
{
	l2tp_out_init(&out);
	l2tp_flow_close(&p->e[i].flow, reason, p->now, &out);
	drain(p, i);
}

/* Nothing lives, nothing lingers, no id is taken, and all that came up went. */
static void all_gone(struct pair *p)
{
	run(p, 3600 * 1000);
	for (unsigned i = 0; i < ENDS; i++) {
		struct end *e = &p->e[i];

		assert_true(l2tp_flow_idle(&e->flow));
		assert_int_equal(l2tp_flow_deadline(&e->flow), UINT64_MAX);
		assert_int_equal(e->ids.n, 0);
		for (size_t k = 0; k < N_ELEMENTS(e->ids.bits); k++)
			assert_int_equal(e->ids.bits[k], 0);
		assert_true(e->tunnels_gone >= e->tunnels_up);
		assert_true(e->sessions_gone >= e->sessions_up);
		l2tp_flow_free(&e->flow);
	}
}

/* Without loss: three round trips and a half, and both know the other's ids. */
static void t_connect(void **st)
{
	struct pair p;
	const struct l2tp_session *a, *b;
	const struct l2tp_tunnel *ta, *tb;

	pair_init(&p, 1);
	connect(&p);
	assert_int_equal(p.e[LNS].up_ms - 1000, 5 * LATENCY_MS);
	ta = l2tp_flow_tunnel(&p.e[LAC].flow, p.e[LAC].tunnel);
	tb = l2tp_flow_tunnel(&p.e[LNS].flow, p.e[LNS].tunnel);
	a = l2tp_flow_session(&p.e[LAC].flow, p.e[LAC].tunnel, p.e[LAC].session);
	b = l2tp_flow_session(&p.e[LNS].flow, p.e[LNS].tunnel, p.e[LNS].session);
	assert_true(ta && tb && a && b);
	assert_int_equal(ta->peer_id, tb->id);
	assert_int_equal(tb->peer_id, ta->id);
	assert_int_equal(a->peer_id, b->id);
	assert_int_equal(b->peer_id, a->id);
	assert_string_equal(ta->host_name, "lns");
	assert_string_equal(tb->host_name, "lac");
	assert_int_equal(p.e[LAC].flow.cnt[L2TP_CNT_RESENT] + p.e[LNS].flow.cnt[L2TP_CNT_RESENT], 0);
	close_flow(&p, LAC, L2TP_REASON_ADMIN);
	all_gone(&p);
	assert_int_equal(p.e[LNS].tunnel_reason, L2TP_REASON_PEER);
	assert_int_equal(p.e[LNS].result, L2TP_STOP_GENERAL);
	assert_int_equal(p.e[LNS].sessions_gone, 1);
	assert_int_equal(p.e[LNS].session_reason, L2TP_REASON_TUNNEL);
}

/* Any one datagram is lost, both of the opening and of the end. */
static void t_lose_one(void **st)
{
	for (int k = 0; k < 14; k++) {
		struct pair p;

		pair_init(&p, 2);
		p.lose = k;
		assert_int_not_equal(dial(&p), 0);
		run(&p, 5000);
		if (p.e[LAC].sessions_up != 1 || p.e[LNS].sessions_up != 1)
			fail_msg("datagram %d", k);
		assert_true(p.e[LNS].up_ms <= 1000 + 2000);
		close_flow(&p, LNS, L2TP_REASON_SHUTDOWN);
		run(&p, 3000);
		assert_int_equal(p.e[LAC].tunnels_gone, 1);
		assert_int_equal(p.e[LAC].result, L2TP_STOP_SHUTDOWN);
		all_gone(&p);
		assert_int_equal(p.e[LAC].tunnels_up + p.e[LNS].tunnels_up, 2);
	}
}

/* The StopCCN, its acknowledgement, the StopCCN again: each lost once. */
static void t_lose_stop(void **st)
{
	for (int k = 0; k < 4; k++) {
		struct pair p;

		pair_init(&p, 3);
		connect(&p);
		p.lose = (int)p.sent + k;
		close_flow(&p, LAC, L2TP_REASON_ADMIN);
		assert_int_equal(p.e[LAC].tunnels_gone, 1);	/* told at once */
		run(&p, 2000);
		assert_int_equal(p.e[LNS].tunnels_gone, 1);
		all_gone(&p);
		assert_int_equal(p.e[LNS].flow.cnt[L2TP_CNT_UNKNOWN_TUNNEL], 0);
	}
}

static void t_twice(void **st)
{
	struct pair p;

	pair_init(&p, 4);
	p.twice = true;
	connect(&p);
	assert_true(p.e[LNS].flow.cnt[L2TP_CNT_DUPLICATE] >= 3);
	assert_int_equal(p.e[LNS].ids.n, 1);
	/* Acknowledgements do not breed acknowledgements. */
	assert_true(p.sent < 40);
	close_flow(&p, LAC, L2TP_REASON_ADMIN);
	all_gone(&p);
	assert_int_equal(p.e[LNS].tunnels_up, 1);
}

/* Loss of 30 %, doubles and disorder, with a secret and without: whatever comes of it, it comes to an end on both sides. */
static void t_storm(void **st)
{
	unsigned connected = 0;

	for (uint64_t seed = 0; seed < 150; seed++) {
		struct pair p;
		uint16_t id;

		pair_init(&p, 100 + seed);
		p.loss_percent = 30;
		p.jitter_ms = 120;
		p.twice = seed & 1;
		p.e[LAC].conf.rws = p.e[LNS].conf.rws = (uint16_t)(1 + seed % 4);
		for (unsigned i = 0; i < ENDS; i++) {
			memcpy(p.e[i].conf.secret, "storm", 5);
			p.e[i].conf.secret_len = seed % 3 ? 5 : 0;
			p.e[i].conf.hide = seed % 3 == 2;
		}
		id = dial(&p);
		assert_int_not_equal(id, 0);
		for (unsigned i = 0; i < 3; i++) {	/* they wait for the tunnel */
			l2tp_out_init(&out);
			assert_int_not_equal(l2tp_flow_call(&p.e[LAC].flow, id, p.now, &out), 0);
			drain(&p, LAC);
		}
		run(&p, 29000);
		connected += p.e[LAC].sessions_up && p.e[LNS].sessions_up;
		assert_true(p.e[LNS].sessions_up <= 4);
		close_flow(&p, seed % 3 ? LAC : LNS, L2TP_REASON_ADMIN);
		all_gone(&p);
	}
	assert_true(connected > 140);
}

/* Only order is lost. */
static void t_reorder(void **st)
{
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct pair p;

		pair_init(&p, 300 + seed);
		p.jitter_ms = 100;
		connect(&p);
		for (unsigned i = 0; i < 3; i++) {
			l2tp_out_init(&out);
			assert_int_not_equal(
				l2tp_flow_call(&p.e[LAC].flow, p.e[LAC].tunnel, p.now, &out), 0);
			drain(&p, LAC);
		}
		run(&p, 3000);
		assert_int_equal(p.e[LAC].sessions_up, 4);
		assert_int_equal(p.e[LNS].sessions_up, 4);
		close_flow(&p, LNS, L2TP_REASON_ADMIN);
		all_gone(&p);
	}
}

/* A client vanishes: HELLO finds out, and all of it comes back. */
static void t_hello(void **st)
{
	struct pair p;
	uint64_t t0;

	pair_init(&p, 5);
	connect(&p);
	/* Alive and silent: HELLOs go both ways and nothing ends. */
	run(&p, 600 * 1000);
	assert_int_equal(p.e[LNS].tunnels_gone, 0);
	assert_true(p.sent >= 24);
	assert_true(p.sent < 80);
	p.cut[LNS] = true;
	t0 = p.now;
	while (!p.e[LNS].tunnels_gone)
		assert_true(step(&p, t0 + 200 * 1000));
	assert_true(p.now <= t0 + 90 * 1000);
	assert_int_equal(p.e[LNS].tunnel_reason, L2TP_REASON_HELLO);
	assert_int_equal(p.e[LNS].sessions_gone, 1);
	assert_int_equal(p.e[LNS].ids.n, 0);	/* nobody is there: it does not linger */
	all_gone(&p);
	assert_int_equal(p.e[LAC].tunnel_reason, L2TP_REASON_HELLO);
}

/* A client that leaves HELLO unanswered while its data flows stays; when the data ends, it goes. */
static void t_hello_data(void **st)
{
	struct pair p;

	pair_init(&p, 6);
	connect(&p);
	p.cut[LNS] = true;	/* its answers; its data is ours to say */
	for (unsigned s = 0; s < 1000; s += 20) {
		run(&p, 20 * 1000);
		/* With pauses of 80 s, longer than the interval. */
		if (s % 80 == 0)
			l2tp_flow_heard(&p.e[LNS].flow, p.e[LNS].tunnel, p.now);
		assert_int_equal(p.e[LNS].tunnels_gone, 0);
	}
	assert_true(p.e[LNS].flow.cnt[L2TP_CNT_RESENT] > 20);
	run(&p, 90 * 1000);
	assert_int_equal(p.e[LNS].tunnels_gone, 1);
	assert_int_equal(p.e[LNS].tunnel_reason, L2TP_REASON_HELLO);
	all_gone(&p);

	/* Data alone keeps HELLO away. */
	pair_init(&p, 7);
	connect(&p);
	for (unsigned s = 0; s < 600; s += 10) {
		for (unsigned i = 0; i < ENDS; i++)
			l2tp_flow_heard(&p.e[i].flow, p.e[i].tunnel, p.now);
		run(&p, 10 * 1000);
	}
	assert_true(p.sent < 12);
	/* And no HELLO at all where none is wanted. */
	p.e[LAC].conf.hello_interval_ms = p.e[LNS].conf.hello_interval_ms = 0;
	run(&p, 3600 * 1000);
	assert_true(p.sent < 12);
	close_flow(&p, LAC, L2TP_REASON_ADMIN);
	all_gone(&p);
}

/* CDN from either side; the tunnel follows its last call after a while. */
static void t_cdn(void **st)
{
	for (unsigned who = 0; who < ENDS; who++) {
		struct pair p;
		struct end *e = &p.e[who], *o = &p.e[!who];
		uint64_t t0;

		pair_init(&p, 8);
		connect(&p);
		l2tp_out_init(&out);
		assert_false(l2tp_session_close(&e->flow, e->tunnel, (uint16_t)(e->session + 1),
			L2TP_CDN_ADMIN, 0, p.now, &out));
		assert_false(l2tp_session_close(&e->flow, (uint16_t)(e->tunnel + 1), e->session,
			L2TP_CDN_ADMIN, 0, p.now, &out));
		assert_int_equal(out.n, 0);
		t0 = p.now;
		assert_true(l2tp_session_close(&e->flow, e->tunnel, e->session, L2TP_CDN_ADMIN, 0, p.now,
			&out));
		drain(&p, who);
		assert_int_equal(e->sessions_gone, 1);
		assert_int_equal(e->session_reason, L2TP_REASON_ADMIN);
		run(&p, 1000);
		assert_int_equal(o->sessions_gone, 1);
		assert_int_equal(o->session_reason, L2TP_REASON_PEER);
		assert_int_equal(p.e[LNS].tunnels_gone, 0);
		while (!p.e[LNS].tunnels_gone)
			assert_true(step(&p, t0 + 60 * 1000));
		assert_true(p.now >= t0 + 16000 && p.now <= t0 + 17000);
		all_gone(&p);
	}
}

/* Limits: a second tunnel is its own; a third is refused; calls over the limit too. */
static void t_limits(void **st)
{
	struct pair p;
	uint16_t first;

	pair_init(&p, 9);
	p.e[LAC].conf.max_tunnels = 3;
	p.e[LAC].conf.max_sessions = 8;
	connect(&p);
	first = p.e[LAC].tunnel;
	assert_int_not_equal(dial(&p), 0);
	run(&p, 500);
	assert_int_equal(p.e[LNS].tunnels_up, 2);
	assert_int_equal(p.e[LNS].sessions_up, 2);
	assert_int_equal(p.e[LNS].ids.n, 2);
	assert_int_not_equal(dial(&p), 0);
	run(&p, 500);
	assert_int_equal(p.e[LNS].tunnels_up, 2);
	assert_int_equal(p.e[LAC].tunnels_gone, 1);
	assert_int_equal(p.e[LAC].result, L2TP_STOP_ERROR);
	assert_int_equal(p.e[LAC].error, L2TP_ERR_RESOURCES);
	assert_int_equal(dial(&p) != 0, 1);	/* the LAC may try again */
	run(&p, 500);
	for (unsigned i = 0; i < 8; i++) {
		l2tp_out_init(&out);
		assert_int_equal(l2tp_flow_call(&p.e[LAC].flow, first, p.now, &out) != 0, i < 7);
		drain(&p, LAC);
	}
	run(&p, 2000);
	assert_int_equal(p.e[LNS].sessions_up, 2 + 3);
	assert_int_equal(p.e[LAC].sessions_up, 2 + 3);
	assert_int_equal(l2tp_tunnel_calls(l2tp_flow_tunnel(&p.e[LAC].flow, first)), 4);
	close_flow(&p, LNS, L2TP_REASON_SHUTDOWN);
	assert_int_equal(p.e[LNS].sessions_gone, 5);
	all_gone(&p);
}

/* Nobody answers: each side gives up in time. */
static void t_nobody(void **st)
{
	struct pair p;

	pair_init(&p, 10);
	p.cut[LNS] = true;
	assert_int_not_equal(dial(&p), 0);
	run(&p, 31 * 1000);
	assert_int_equal(p.e[LAC].tunnels_gone, 1);
	assert_int_equal(p.e[LAC].sessions_gone, 1);
	all_gone(&p);
	assert_true(p.sent <= 12);

	pair_init(&p, 11);	/* half open: SCCRP goes nowhere */
	p.cut[LAC] = true;
	assert_int_not_equal(dial(&p), 0);
	run(&p, 32 * 1000);
	assert_int_equal(p.e[LNS].tunnels_gone, 1);
	assert_int_equal(p.e[LNS].tunnels_up, 0);
	all_gone(&p);
}

/* A call that is never connected goes by itself, with a CDN. */
static void t_setup(void **st)
{
	struct pair p;
	unsigned k;

	pair_init(&p, 12);
	p.e[LNS].conf.setup_timeout_ms = 700;
	assert_int_not_equal(dial(&p), 0);
	for (k = 0; k < 100 && !p.e[LAC].sessions_up; k++)
		assert_true(step(&p, p.now + 100));
	/* ICCN is on the wire: lose it, and its second sending comes too late. */
	p.n = 0;
	run(&p, 800);
	assert_int_equal(p.e[LNS].sessions_up, 0);
	assert_int_equal(p.e[LAC].sessions_gone, 1);
	assert_int_equal(p.e[LAC].session_reason, L2TP_REASON_PEER);
	run(&p, 60 * 1000);
	assert_int_equal(p.e[LNS].tunnel_reason, L2TP_REASON_IDLE);
	all_gone(&p);
}

/* The flow goes while tunnels live: nothing is left, and nothing is sent. */
static void t_free(void **st)
{
	struct pair p;

	pair_init(&p, 13);
	connect(&p);
	l2tp_flow_free(&p.e[LNS].flow);
	p.e[LNS].tunnels_up = p.e[LNS].sessions_up = 0;	/* its owner knows */
	assert_int_equal(p.e[LNS].ids.n, 0);
	assert_true(l2tp_flow_idle(&p.e[LNS].flow));
	run(&p, 200 * 1000);
	assert_int_equal(p.e[LAC].tunnel_reason, L2TP_REASON_HELLO);
	assert_true(p.e[LNS].flow.cnt[L2TP_CNT_UNKNOWN_TUNNEL] > 0);
	all_gone(&p);
}

/* Plain data: a flow that is copied byte by byte, with its tunnels, goes on. */
static void t_copied(void **st)
{
	struct pair p;
	struct l2tp_flow *f = &p.e[LNS].flow;

	pair_init(&p, 14);
	assert_int_not_equal(dial(&p), 0);
	for (unsigned i = 0; i < 200 && step(&p, 2000); i++) {
		for (size_t k = 0; k < N_ELEMENTS(f->tunnel); k++) {
			struct l2tp_tunnel *copy;
			size_t size;

			if (!f->tunnel[k])
				continue;
			size = sizeof(*copy) + f->tunnel[k]->n_places * sizeof(copy->session[0]);
			copy = malloc(size);
			memcpy(copy, f->tunnel[k], size);
			memset(f->tunnel[k], 0xee, size);
			free(f->tunnel[k]);
			f->tunnel[k] = copy;
		}
	}
	assert_int_equal(p.e[LNS].sessions_up, 1);
	assert_int_equal(p.e[LAC].sessions_up, 1);
	close_flow(&p, LNS, L2TP_REASON_ADMIN);
	all_gone(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_connect), cmocka_unit_test(t_lose_one),
		cmocka_unit_test(t_lose_stop), cmocka_unit_test(t_twice), cmocka_unit_test(t_storm),
		cmocka_unit_test(t_reorder), cmocka_unit_test(t_hello), cmocka_unit_test(t_hello_data),
		cmocka_unit_test(t_cdn), cmocka_unit_test(t_limits), cmocka_unit_test(t_nobody),
		cmocka_unit_test(t_setup), cmocka_unit_test(t_free), cmocka_unit_test(t_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
