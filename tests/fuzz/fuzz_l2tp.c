/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The L2TP core as hostile clients see it: two flows of one engine, fed with
 * records of one octet of what to do, one of length, and as many of content:
 *
 *   what & 7   0 a control datagram as it is
 *              1 AVPs for a tunnel that exists: octet 0 which tunnel (low four
 *                bits) and session (high four), 1 and 2 what to add to the
 *                right Ns and Nr, then the AVPs
 *              2 time passes: 2^(octet 0 & 31) ms, or up to the deadline
 *              3 a data datagram
 *              4 the owner ends a call      5 the owner ends all
 *              6 the owner dials            7 data was heard
 *   what & 8   the flow      what & 16  the UDP port
 *   what 0xff  other settings: octet 0 has a secret (1), hiding (2), Tie Breaker
 *              (4), Sequencing Required (8); octet 1 sessions per tunnel
 *   what 0xfe  the right SCCCN, where a secret is set, for the tunnel of octet 0
 *   what 0xfd  a data message of a session that the owner does not have: ids
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "l2tpd/flow.h"
#include "l2tpd/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FLOWS = 2, SLOTS = L2TP_TUNNELS_MAX + L2TP_LINGER_MAX, PORT = 1701 };

static struct l2tp_conf conf;
static struct l2tp_ids ids;
static struct l2tp_flow flow[FLOWS];
static struct l2tp_out out;
static uint64_t now;
/* What a flow's client ever said as a number, so what we may call it by. */
static uint8_t said[FLOWS][65536 / 8];
static struct up {
	uint16_t tunnel, session;	/* session 0: the tunnel itself */
} up[FLOWS][2048];
static unsigned n_up[FLOWS];
static bool wide;		/* once there were more sessions per tunnel than are told of */

#define MUST(c) do { \
	if (!(c)) \
		abort(); \
} while (0)

static bool take_up(unsigned f, uint16_t tunnel, uint16_t session)
{
	for (unsigned i = 0; i < n_up[f]; i++) {
		if (up[f][i].tunnel == tunnel && up[f][i].session == session) {
			up[f][i] = up[f][--n_up[f]];
			return true;
		}
	}
	return false;
}

static void put_up(unsigned f, uint16_t tunnel, uint16_t session)
{
	MUST(!take_up(f, tunnel, session));
	MUST(n_up[f] < N_ELEMENTS(up[f]));
	up[f][n_up[f]++] = (struct up){ tunnel, session };
}

static void check_send(unsigned f, const struct l2tp_effect *e)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;

	MUST(e->len <= L2TP_DATAGRAM_MAX);
	MUST(l2tp_hdr_parse(rd_of(e->data, e->len), &h));
	MUST(h.body.p + h.body.n == e->data + e->len);
	/* Any secret that was set meanwhile: a message may have waited. */
	MUST(!h.body.n || l2tp_msg_parse(h.body, &m) == L2TP_PARSE_OK ||
		l2tp_msg_parse_secret(h.body, rd_of("s", 1), &m) == L2TP_PARSE_OK);
	MUST(h.tunnel == e->peer_tunnel);
	MUST(!h.tunnel || (said[f][h.tunnel / 8] & 1 << h.tunnel % 8));
	MUST(!h.session || (said[f][h.session / 8] & 1 << h.session % 8));
	MUST(e->port == PORT || e->port == PORT + 1);
}

/* Inside of what the owner was given. */
static bool own(struct rd r)
{
	return !r.n || (r.p >= out.said && r.p + r.n <= out.said + sizeof(out.said));
}

static void check_call(const struct l2tp_call *c)
{
	MUST(own(c->initial_lcp) && own(c->last_sent_lcp) && own(c->last_received_lcp) && own(c->proxy_name) &&
		own(c->proxy_challenge) && own(c->proxy_response));
}

static void check_effects(unsigned f)
{
	MUST(out.n <= L2TP_EFFECTS_MAX && !out.w.bad);
	for (unsigned i = 0; i < out.n; i++) {
		const struct l2tp_effect *e = &out.eff[i];

		MUST(e->tunnel);
		switch (e->type) {
		case L2TP_EFF_SEND:
			check_send(f, e);
			break;
		case L2TP_EFF_TUNNEL_UP:
			put_up(f, e->tunnel, 0);
			break;
		case L2TP_EFF_TUNNEL_GONE:
			(void)take_up(f, e->tunnel, 0);
			for (unsigned k = 0; k < n_up[f];) {
				/* Those that were not told of one by one; with few sessions, all are. */
				MUST(up[f][k].tunnel != e->tunnel || conf.max_sessions > L2TP_TOLD_MAX || wide);
				if (up[f][k].tunnel == e->tunnel)
					up[f][k] = up[f][--n_up[f]];
				else
					k++;
			}
			MUST(!l2tp_flow_tunnel(&flow[f], e->tunnel));
			break;
		case L2TP_EFF_SESSION_UP:
			MUST(e->session && e->peer_session && e->peer_tunnel && e->call);
			check_call(e->call);
			put_up(f, e->tunnel, e->session);
			break;
		case L2TP_EFF_SESSION_GONE:
			MUST(e->session);
			MUST(!e->cause || !e->cause->text.n || own(e->cause->text));
			(void)take_up(f, e->tunnel, e->session);
			break;
		}
	}
}

/* Everything is bounded, and the ids that are taken are those of tunnels. */
static void check_state(void)
{
	unsigned n = 0;

	for (unsigned f = 0; f < FLOWS; f++) {
		unsigned live = 0, calls = 0;

		for (unsigned i = 0; i < SLOTS; i++) {
			const struct l2tp_tunnel *t = flow[f].tunnel[i];

			if (!t)
				continue;
			n++;
			live += !t->gone;
			MUST(!t->dead && t->id && (ids.bits[t->id / 64] >> t->id % 64 & 1));
			MUST(l2tp_tunnel_calls(t) <= t->n_places);
			MUST(!t->gone || !l2tp_tunnel_calls(t));
			MUST(t->x.high <= t->x.n && t->x.next <= t->x.high && t->x.n <= XPORT_QUEUE);
			MUST(t->x.used <= XPORT_BYTES);
			for (unsigned k = 0; k < t->n_places; k++)
				calls += t->session[k].state == L2TP_SES_ESTABLISHED;
		}
		MUST(live <= conf.max_tunnels);
		MUST(l2tp_flow_idle(&flow[f]) == !live);
		for (unsigned k = 0; k < n_up[f]; k++) {
			if (!up[f][k].session) {
				MUST(l2tp_flow_tunnel(&flow[f], up[f][k].tunnel));
				continue;
			}
			MUST(l2tp_flow_session(&flow[f], up[f][k].tunnel, up[f][k].session));
			calls--;
		}
		MUST(!calls);
	}
	MUST(n == ids.n);
}

static void after(unsigned f)
{
	check_effects(f);
	check_state();
}

static void input(unsigned f, uint16_t port, struct rd r)
{
	uint8_t *exact = malloc(r.n ? r.n : 1);

	if (r.n)
		memcpy(exact, r.p, r.n);
	for (size_t i = 0; i + 1 < r.n; i++) {
		unsigned v = (unsigned)r.p[i] << 8 | r.p[i + 1];

		said[f][v / 8] |= (uint8_t)(1 << v % 8);
	}
	l2tp_out_init(&out);
	l2tp_flow_input(&flow[f], rd_of(exact, r.n), port, now, &out);
	/* One datagram never has a burst for an answer. */
	MUST(out.n_send <= 2 * XPORT_HOLD + SLOTS);
	after(f);
	free(exact);
}

static const struct l2tp_tunnel *pick(unsigned f, unsigned n)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		const struct l2tp_tunnel *t = flow[f].tunnel[(n + i) % SLOTS];

		if (t)
			return t;
	}
	return NULL;
}

static void helped(unsigned f, uint16_t port, struct rd r)
{
	uint8_t which = rd_u8(&r), buf[600];
	int8_t ns, nr;
	const struct l2tp_tunnel *t = pick(f, which & 15);
	struct l2tp_hdr h;
	struct wr w = wr_of(buf, sizeof(buf));

	ns = (int8_t)rd_u8(&r);
	nr = (int8_t)rd_u8(&r);
	if (r.bad || !t)
		return;
	h = (struct l2tp_hdr){
		.tunnel = t->id,
		.session = which >> 4 < t->n_places ? t->session[which >> 4].id : 0,
		.ns = (uint16_t)(t->x.nr + ns),
		.nr = (uint16_t)(t->x.una + t->x.high + nr),
		.body = r,
	};
	l2tp_hdr_write(&w, &h);
	input(f, port, rd_of(buf, w.len));
}

static void expire(unsigned f)
{
	for (unsigned i = 0;; i++) {
		MUST(i < 8);
		l2tp_out_init(&out);
		l2tp_flow_expire(&flow[f], now, &out);
		after(f);
		if (l2tp_flow_deadline(&flow[f]) > now)
			return;
	}
}

static void pass(unsigned f, uint8_t how)
{
	uint64_t at = l2tp_flow_deadline(&flow[f]);

	if (how & 32)
		now += 1ull << (how & 31) % 22;
	else if (at != UINT64_MAX)
		now = MAX(now, at);
	for (unsigned i = 0; i < FLOWS; i++)
		expire(i);
}

static void data_message(unsigned f, struct rd r)
{
	struct rd p = r;
	struct l2tp_data d;

	if (!l2tp_data_parse(&p, &d)) {
		MUST(p.p == r.p && p.n == r.n);
		return;
	}
	MUST(p.p >= r.p + L2TP_DATA_HEADER && p.p + p.n <= r.p + r.n);
	if (l2tp_flow_session(&flow[f], d.tunnel, d.session))
		l2tp_flow_heard(&flow[f], d.tunnel, now);
}

static void settings(struct rd r)
{
	uint8_t bits = rd_u8(&r), n = rd_u8(&r);

	conf.secret[0] = 's';
	conf.secret_len = bits & 1;
	conf.hide = bits & 2;
	conf.tie_breaker = bits & 4;
	conf.sequencing = bits & 8;
	conf.max_sessions = n ? n : 4;
	wide |= n > L2TP_TOLD_MAX;
}

static void proven_scccn(unsigned f, uint16_t port, struct rd r)
{
	const struct l2tp_tunnel *t = pick(f, rd_u8(&r));
	uint8_t response[L2TP_RESPONSE], body[64], buf[96];
	struct wr b = wr_of(body, sizeof(body)), w = wr_of(buf, sizeof(buf));
	struct l2tp_msg m = { .type = L2TP_SCCCN, .has = 1ull << AVP_CHALLENGE_RESPONSE };
	struct l2tp_hdr h;

	if (!t || !l2tp_response(L2TP_SCCCN, rd_of("s", 1), rd_of(t->challenge, sizeof(t->challenge)), response))
		return;
	m.response = rd_of(response, sizeof(response));
	l2tp_msg_write(&b, &m);
	h = (struct l2tp_hdr){
		.tunnel = t->id, .ns = t->x.nr, .nr = (uint16_t)(t->x.una + t->x.high), .body = rd_of(body, b.len),
	};
	l2tp_hdr_write(&w, &h);
	input(f, port, rd_of(buf, w.len));
}

static void stray(unsigned f, uint16_t port, struct rd r)
{
	uint16_t tunnel = rd_u16(&r), session = rd_u16(&r);

	said[f][tunnel / 8] |= (uint8_t)(1 << tunnel % 8);
	said[f][session / 8] |= (uint8_t)(1 << session % 8);
	l2tp_flow_stray(&flow[f], tunnel, session, port, now, &out);
	MUST(out.n <= 2);
	after(f);
}

static void record(uint8_t what, struct rd r)
{
	unsigned f = what >> 3 & 1;
	uint16_t port = PORT + (what >> 4 & 1);
	const struct l2tp_tunnel *t = pick(f, r.n ? r.p[0] : 0);

	l2tp_out_init(&out);
	if (what == 0xff) {
		settings(r);
		return;
	}
	if (what == 0xfe) {
		proven_scccn(0, port, r);
		return;
	}
	if (what == 0xfd) {
		stray(f, port, r);
		return;
	}
	switch (what & 7) {
	case 0:
		input(f, port, r);
		break;
	case 1:
		helped(f, port, r);
		break;
	case 2:
		pass(f, r.n ? r.p[0] : 0);
		break;
	case 3:
		data_message(f, r);
		break;
	case 4:
		if (t && r.n > 1 && t->n_places)
			(void)l2tp_session_close(&flow[f], t->id, t->session[r.p[1] % t->n_places].id,
				L2TP_CDN_ADMIN, 0, now, &out);
		after(f);
		break;
	case 5:
		l2tp_flow_close(&flow[f], L2TP_REASON_SHUTDOWN, now, &out);
		after(f);
		MUST(l2tp_flow_idle(&flow[f]));
		break;
	case 6:
		if (t && r.n > 1)
			(void)l2tp_flow_call(&flow[f], t->id, now, &out);
		else
			(void)l2tp_flow_dial(&flow[f], port, now, &out);
		after(f);
		break;
	case 7:
		if (t)
			l2tp_flow_heard(&flow[f], t->id, now);
		break;
	}
}

/* The parsers alone, on the whole input. */
static void one_shot(struct rd r)
{
	struct l2tp_msg m;
	struct l2tp_hdr h;

	(void)l2tp_hdr_parse(r, &h);
	if (l2tp_msg_parse_secret(r, rd_of("s", 1), &m) == L2TP_PARSE_BAD)
		MUST(m.bad && m.n_clear <= sizeof(m.clear));
	if (l2tp_msg_parse(r, &m) == L2TP_PARSE_BAD)
		MUST(m.bad && m.bad <= L2TP_ERR_UNKNOWN_AVP && memchr(m.bad_text, 0, sizeof(m.bad_text)));
	else
		MUST(!m.bad);
	MUST(!L2TP_HAS(&m, AVP_ASSIGNED_TUNNEL_ID) || m.tunnel);
	MUST(!L2TP_HAS(&m, AVP_ASSIGNED_SESSION_ID) || m.session);
	MUST(!L2TP_HAS(&m, AVP_RECEIVE_WINDOW_SIZE) || m.rws);
	MUST(!L2TP_HAS(&m, AVP_HOST_NAME) ||
		(m.host_name.p >= r.p && m.host_name.p + m.host_name.n <= r.p + r.n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size);
	struct rng seed;

	one_shot(r);
	conf = l2tp_conf_default;
	wide = false;
	memcpy(conf.host_name, "fuzz", 5);
	rng_init_test(&seed, 1);
	l2tp_ids_init(&ids, &seed);
	memset(said, 0, sizeof(said));
	for (unsigned f = 0; f < FLOWS; f++) {
		l2tp_flow_init(&flow[f], &conf, &ids, &seed);
		n_up[f] = 0;
	}
	now = 1000;
	while (r.n) {
		uint8_t what = rd_u8(&r), len;
		struct rd body;

		len = rd_u8(&r);
		body = rd_sub(&r, MIN(len, r.n));
		record(what, body);
	}
	/* The end: all of it comes back, in bounded time. */
	for (unsigned f = 0; f < FLOWS; f++) {
		uint64_t t0 = now;

		l2tp_out_init(&out);
		l2tp_flow_close(&flow[f], L2TP_REASON_ADMIN, now, &out);
		after(f);
		MUST(!n_up[f]);
		for (unsigned i = 0; l2tp_flow_deadline(&flow[f]) != UINT64_MAX; i++) {
			MUST(i < 1000);
			now = MAX(now, l2tp_flow_deadline(&flow[f]));
			expire(f);
		}
		MUST(now <= t0 + 40000);
	}
	MUST(!ids.n);
	/* And when the owner has no time for that. */
	for (unsigned f = 0; f < FLOWS; f++)
		l2tp_flow_free(&flow[f]);
	return 0;
}
