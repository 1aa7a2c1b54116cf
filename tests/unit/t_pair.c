/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client and a server in one process: L2TP and PPP cores of both roles talk
 * through ESP over a wire that loses, doubles and delays what it is told to.
 * Time is a number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "esp/esp.h"
#include "l2tpd/flow.h"
#include "l2tpd/msg.h"
#include "ppp/mschap.h"
#include "ppp/ppp.h"

enum { WIRE_MAX = 256, PKT_MAX = 2048 };

struct packet {
	uint64_t at_ms;
	size_t len;
	uint8_t data[PKT_MAX];
};

/* What happens to the nth packet of one direction, from 1. */
struct trouble {
	unsigned lose, lose_every, dup, lose_from;
	unsigned delay_ms;
};

struct side {
	const char *name;
	bool lns;
	struct side *other;
	struct l2tp_conf lc;
	struct ppp_conf pc;
	struct l2tp_ids ids;
	struct l2tp_flow flow;
	struct ppp ppp;
	bool call, up, gone;
	uint16_t tunnel, session, peer_tunnel, peer_session;
	char reason[64];
	struct esp_sa *in, *out;
	/* the wire towards this side */
	struct packet wire[WIRE_MAX];
	unsigned head, tail;
	/* of what this side sends */
	struct trouble tr;
	unsigned sent;
	unsigned refused;	/* packets that ESP did not open */
};

struct pair {
	struct side c, s;
	uint64_t now;
	const char *password;	/* what the server knows */
	bool refuse;
};

static void send_l2tp(struct pair *p, struct side *a, const uint8_t *msg, size_t n)
{
	struct side *b = a->other;
	struct packet *pk;
	struct esp_pkt e;
	unsigned copies = 1;

	a->sent++;
	if (a->sent == a->tr.lose || (a->tr.lose_every && a->sent % a->tr.lose_every == 0) ||
	    (a->tr.lose_from && a->sent >= a->tr.lose_from))
		copies = 0;
	else if (a->sent == a->tr.dup)
		copies = 2;
	for (; copies; copies--) {
		pk = &b->wire[b->tail++ % WIRE_MAX];
		assert_true(b->tail - b->head <= WIRE_MAX);
		pk->at_ms = p->now + a->tr.delay_ms;
		memcpy(pk->data + esp_payload_offset(a->out), msg, n);
		e = (struct esp_pkt){ .sa = a->out, .p = pk->data, .len = n, .next_header = 17 };
		if (copies == 1) {
			esp_seal(&e, 1);
			assert_int_equal(e.verdict, ESP_OK);
			pk->len = e.len;
			if (a->sent == a->tr.dup) {	/* the same packet twice: the second is a replay */
				struct packet *two = &b->wire[(b->tail - 2) % WIRE_MAX];

				two->len = pk->len;
				memcpy(two->data, pk->data, pk->len);
			}
		}
	}
}

static void send_ppp(struct pair *p, struct side *a, const uint8_t *frame, size_t n)
{
	uint8_t buf[PKT_MAX];

	(void)l2tp_data_header(buf, a->peer_tunnel, a->peer_session);
	memcpy(buf + L2TP_DATA_HEADER, frame, n);
	send_l2tp(p, a, buf, L2TP_DATA_HEADER + n);
}

static void ppp_effects(struct pair *p, struct side *a, struct ppp_out *out);

static void judge(struct pair *p, struct side *a)
{
	const struct ppp_auth_req *r = &a->ppp.req;
	struct ppp_verdict v = {
		.ip = 0x0a000002, .ip_local = 0x0a000001, .dns = { 0x09090909 }, .refused = p->refuse,
		.reason = "because",
	};
	uint8_t hash[MSCHAP_HASH];
	struct ppp_out out;

	assert_int_equal(r->method, PPP_AUTH_MSCHAPV2);
	assert_true(mschap_nt_hash(p->password, strlen(p->password), hash));
	v.ok = mschap_check(r->response, r->challenge, rd_of(r->user, r->user_len), hash, v.mschap_auth) && !p->refuse;
	ppp_out_init(&out);
	ppp_verdict(&a->ppp, &v, p->now, &out);
	ppp_effects(p, a, &out);
}

static void l2tp_effects(struct pair *p, struct side *a, struct l2tp_out *out);

static void ppp_effects(struct pair *p, struct side *a, struct ppp_out *out)
{
	struct l2tp_out lo;

	for (unsigned i = 0; i < out->n; i++) {
		switch (out->eff[i].type) {
		case PPP_EFF_SEND:
			send_ppp(p, a, out->eff[i].data, out->eff[i].len);
			break;
		case PPP_EFF_AUTH:
			judge(p, a);
			break;
		case PPP_EFF_UP:
			a->up = true;
			break;
		case PPP_EFF_ADDR:
		case PPP_EFF_MPPE_ON:
		case PPP_EFF_MPPE_OFF:
		case PPP_EFF_MPPE_FLUSH:
			fail_msg("nobody may choose, or encrypt");
			break;
		case PPP_EFF_DOWN:
			a->up = false;
			break;
		case PPP_EFF_GONE:
			a->call = false;
			if (!a->gone)
				snprintf(a->reason, sizeof(a->reason), "%s", a->ppp.reason);
			a->gone = true;
			l2tp_out_init(&lo);
			(void)l2tp_session_close(&a->flow, a->tunnel, a->session, L2TP_CDN_ADMIN, 0, p->now, &lo);
			l2tp_effects(p, a, &lo);
			return;
		}
	}
}

static void l2tp_effects(struct pair *p, struct side *a, struct l2tp_out *out)
{
	struct ppp_out po;
	struct rng seed;

	for (unsigned i = 0; i < out->n; i++) {
		struct l2tp_effect *e = &out->eff[i];

		switch (e->type) {
		case L2TP_EFF_SEND:
			send_l2tp(p, a, e->data, e->len);
			break;
		case L2TP_EFF_SESSION_UP:
			assert_false(a->call);
			a->call = true;
			a->tunnel = e->tunnel;
			a->session = e->session;
			a->peer_tunnel = e->peer_tunnel;
			a->peer_session = e->peer_session;
			rng_init_test(&seed, a->lns ? 11 : 12);
			ppp_out_init(&po);
			ppp_init(&a->ppp, &a->pc, &seed);
			ppp_start(&a->ppp, p->now, &po);
			ppp_effects(p, a, &po);
			break;
		case L2TP_EFF_SESSION_GONE:
			if (!a->call)
				break;
			a->call = false;
			if (!a->gone)
				snprintf(a->reason, sizeof(a->reason), "%s", l2tp_reason_str(e->reason));
			a->gone = true;
			ppp_out_init(&po);
			ppp_lower_down(&a->ppp, "session ended", p->now, &po);
			for (unsigned k = 0; k < po.n; k++)
				if (po.eff[k].type == PPP_EFF_DOWN)
					a->up = false;
			break;
		default:
			break;
		}
	}
}

static void receive(struct pair *p, struct side *a)
{
	struct packet *pk = &a->wire[a->head++ % WIRE_MAX];
	struct esp_pkt e = { .sa = a->in, .p = pk->data, .len = pk->len };
	struct l2tp_out lo;
	struct ppp_out po;
	struct l2tp_data d;
	struct rd r;

	esp_open(&e, 1);
	if (e.verdict != ESP_OK) {
		a->refused++;
		return;
	}
	r = rd_of(e.payload, e.payload_len);
	if (l2tp_is_control(r)) {
		l2tp_out_init(&lo);
		l2tp_flow_input(&a->flow, r, 1701, p->now, &lo);
		l2tp_effects(p, a, &lo);
		return;
	}
	if (!l2tp_data_parse(&r, &d) || !a->call || d.tunnel != a->tunnel || d.session != a->session)
		return;
	l2tp_flow_heard(&a->flow, d.tunnel, p->now);
	ppp_out_init(&po);
	ppp_input(&a->ppp, r, p->now, &po);
	ppp_effects(p, a, &po);
}

static void expire(struct pair *p, struct side *a)
{
	struct l2tp_out lo;
	struct ppp_out po;

	if (l2tp_flow_deadline(&a->flow) <= p->now) {
		l2tp_out_init(&lo);
		l2tp_flow_expire(&a->flow, p->now, &lo);
		l2tp_effects(p, a, &lo);
	}
	if (a->call && ppp_deadline(&a->ppp) <= p->now) {
		ppp_out_init(&po);
		ppp_expire(&a->ppp, p->now, &po);
		ppp_effects(p, a, &po);
	}
}

static uint64_t next(const struct side *a)
{
	uint64_t at = l2tp_flow_deadline(&a->flow);

	if (a->call)
		at = MIN(at, ppp_deadline(&a->ppp));
	if (a->head != a->tail)
		at = MIN(at, a->wire[a->head % WIRE_MAX].at_ms);
	return at;
}

/* Let time pass until `until`, or until done() says so. */
static void run(struct pair *p, uint64_t until, bool (*done)(const struct pair *))
{
	for (unsigned steps = 0; steps < 100000; steps++) {
		uint64_t at = MIN(next(&p->c), next(&p->s));

		if (done && done(p))
			return;
		if (at > until) {
			p->now = until;
			return;
		}
		p->now = MAX(p->now, at);
		for (unsigned k = 0; k < 2; k++) {
			struct side *a = k ? &p->s : &p->c;

			if (a->head != a->tail && a->wire[a->head % WIRE_MAX].at_ms <= p->now)
				receive(p, a);
			expire(p, a);
		}
	}
	fail_msg("no rest in 100000 steps");
}

static void side_init(struct pair *p, struct side *a, struct side *other, bool lns)
{
	struct rng seed;

	a->name = lns ? "server" : "client";
	a->lns = lns;
	a->other = other;
	a->lc = l2tp_conf_default;
	strcpy(a->lc.host_name, a->name);
	a->pc = (struct ppp_conf){
		.authenticator = lns, .auth = PPP_AUTH_MSCHAPV2, .mru = lns ? 1360 : 1280, .name = "server",
		.user = "alice", .password = "secret", .want_dns = true, .limits = PPP_LIMITS, .auth_timeout_ms = 30000,
	};
	rng_init_test(&seed, lns ? 1 : 2);
	l2tp_ids_init(&a->ids, &seed);
	rng_init_test(&seed, lns ? 3 : 4);
	l2tp_flow_init(&a->flow, &a->lc, &a->ids, &seed);
}

static struct pair *pair_new(void)
{
	struct pair *p = calloc(1, sizeof(*p));
	static const uint8_t k1[32] = { 1 }, k2[32] = { 2 };
	struct esp_keys a = { ESP_AES_CBC_256, ESP_HMAC_SHA1_96, k1, 32, k2, 20 };
	struct esp_keys b = { ESP_AES_CBC_256, ESP_HMAC_SHA1_96, k2, 32, k1, 20 };

	assert_non_null(p);
	p->now = 1000000;
	p->password = "secret";
	side_init(p, &p->c, &p->s, false);
	side_init(p, &p->s, &p->c, true);
	assert_int_equal(esp_sa_new(0x1000, &a, false, &p->c.out), 0);
	assert_int_equal(esp_sa_new(0x1000, &a, true, &p->s.in), 0);
	assert_int_equal(esp_sa_new(0x2000, &b, false, &p->s.out), 0);
	assert_int_equal(esp_sa_new(0x2000, &b, true, &p->c.in), 0);
	return p;
}

/* Whatever happened, everything comes back. */
static void pair_free(struct pair *p)
{
	for (unsigned k = 0; k < 2; k++) {
		struct side *a = k ? &p->s : &p->c;

		l2tp_flow_free(&a->flow);
		assert_int_equal(a->ids.n, 0);
		assert_int_equal(a->call ? a->ppp.lost : 0, 0);
		esp_sa_free(a->in);
		esp_sa_free(a->out);
	}
	free(p);
}

static void dial(struct pair *p)
{
	struct l2tp_out lo;

	l2tp_out_init(&lo);
	assert_true(l2tp_flow_dial(&p->c.flow, 1701, p->now, &lo) != 0);
	l2tp_effects(p, &p->c, &lo);
}

static bool both_up(const struct pair *p)
{
	return p->c.up && p->s.up;
}

static bool server_gone(const struct pair *p)
{
	return p->s.gone;
}

static bool both_gone(const struct pair *p)
{
	return p->s.gone && p->c.gone;
}

static void assert_up(const struct pair *p)
{
	assert_true(both_up(p));
	assert_int_equal(p->c.ppp.ip_local, 0x0a000002);
	assert_int_equal(p->s.ppp.ip_remote, 0x0a000002);
	assert_int_equal(p->c.ppp.dns[0], 0x09090909);
	assert_int_equal(ppp_mtu(&p->s.ppp), 1280);
}

static void t_connect(void **st)
{
	struct pair *p = pair_new();
	uint64_t from = p->now;

	dial(p);
	run(p, p->now + 60000, both_up);
	assert_up(p);
	/* Nothing waits for a timer: on a wire without delay no time passes. */
	assert_int_equal(p->now, from);
	pair_free(p);
}

/* A round trip of 40 ms: as many as the handshakes need, no timer. */
static void t_connect_rtt(void **st)
{
	struct pair *p = pair_new();
	uint64_t from = p->now;

	p->c.tr.delay_ms = p->s.tr.delay_ms = 20;
	dial(p);
	run(p, p->now + 60000, both_up);
	assert_up(p);
	assert_true(p->now - from <= 8 * 40);
	pair_free(p);
}

/* Any one packet lost, on either side. */
static void t_lose_one(void **st)
{
	for (unsigned n = 1; n <= 16; n++) {
		for (unsigned who = 0; who < 2; who++) {
			struct pair *p = pair_new();

			(who ? &p->s : &p->c)->tr.lose = n;
			dial(p);
			run(p, p->now + 60000, both_up);
			if (!both_up(p))
				fail_msg("not up without packet %u of the %s", n, who ? "server" : "client");
			assert_up(p);
			pair_free(p);
		}
	}
}

/* Every nth packet lost, both ways. */
static void t_lose_many(void **st)
{
	for (unsigned n = 3; n <= 9; n++) {
		struct pair *p = pair_new();

		p->c.tr.lose_every = n;
		p->s.tr.lose_every = n + 1;
		dial(p);
		run(p, p->now + 120000, both_up);
		if (!both_up(p))
			fail_msg("not up with every %uth packet lost", n);
		pair_free(p);
	}
}

/* A packet that comes twice is a replay: ESP drops it, nobody else notices. */
static void t_duplicate(void **st)
{
	for (unsigned n = 1; n <= 8; n++) {
		struct pair *p = pair_new();

		p->c.tr.dup = n;
		dial(p);
		run(p, p->now + 60000, both_up);
		assert_up(p);
		assert_int_equal(p->s.refused, 1);
		pair_free(p);
	}
}

static void t_wrong_password(void **st)
{
	struct pair *p = pair_new();

	p->password = "other";
	dial(p);
	run(p, p->now + 60000, both_gone);
	assert_true(both_gone(p));
	assert_false(p->c.up || p->s.up);
	pair_free(p);
}

static void t_refused(void **st)
{
	struct pair *p = pair_new();

	p->refuse = true;
	dial(p);
	run(p, p->now + 60000, both_gone);
	assert_true(both_gone(p));
	assert_false(p->c.up || p->s.up);
	assert_string_equal(p->s.reason, "because");
	pair_free(p);
}

static void t_hang_up(void **st)
{
	struct pair *p = pair_new();
	struct ppp_out po;

	dial(p);
	run(p, p->now + 60000, both_up);
	ppp_out_init(&po);
	ppp_close(&p->c.ppp, "hang up", p->now, &po);
	ppp_effects(p, &p->c, &po);
	run(p, p->now + 60000, both_gone);
	assert_true(both_gone(p));
	/* The tunnel follows its last call. */
	run(p, p->now + 120000, NULL);
	assert_true(l2tp_flow_idle(&p->s.flow));
	assert_int_equal(p->s.ids.n, 0);
	pair_free(p);
}

/* The client is silent for ever after: HELLO finds out. */
static void t_vanish(void **st)
{
	struct pair *p = pair_new();
	uint64_t from;

	dial(p);
	run(p, p->now + 60000, both_up);
	run(p, p->now + 5000, NULL);
	assert_up(p);
	p->c.tr.lose_from = 1;
	from = p->now;
	run(p, p->now + 300000, server_gone);
	assert_true(server_gone(p));
	assert_string_equal(p->s.reason, l2tp_reason_str(L2TP_REASON_TUNNEL));
	assert_in_range(p->now - from, 30000, 100000);	/* 60 s of silence, 30 s of HELLO, both in simulated time */
	assert_false(p->s.call);
	pair_free(p);
}

/* An idle link that is alive stays. */
static void t_idle(void **st)
{
	struct pair *p = pair_new();

	dial(p);
	run(p, p->now + 60000, both_up);
	run(p, p->now + 3600 * 1000, NULL);
	assert_up(p);
	pair_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_connect), cmocka_unit_test(t_connect_rtt), cmocka_unit_test(t_lose_one),
		cmocka_unit_test(t_lose_many), cmocka_unit_test(t_duplicate), cmocka_unit_test(t_wrong_password),
		cmocka_unit_test(t_refused), cmocka_unit_test(t_hang_up), cmocka_unit_test(t_vanish),
		cmocka_unit_test(t_idle),
	};

	if (!mschap_init())
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
