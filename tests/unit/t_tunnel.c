/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tunnels and calls against a peer that is written by hand: every message in
 * every state (RFC 2661 7.2.1, 7.4.1, 7.4.2), bad openings, and the habits of
 * real clients.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "l2tp_util.h"

enum { PORT = 50123, PEER_TUNNEL = 7, PEER_SESSION = 0x55 };

static struct l2tp_conf conf;
static struct l2tp_ids ids;
static struct l2tp_flow flow;
static struct l2tp_out out;
static uint64_t now;
static uint16_t tid, sid;	/* ours */
static uint16_t ns;		/* the peer's next Ns */

static void fresh(void)
{
	struct rng seed;

	l2tp_flow_free(&flow);
	conf = l2tp_conf_default;
	strcpy(conf.host_name, "vpn");
	rng_init_test(&seed, 1);
	l2tp_ids_init(&ids, &seed);
	l2tp_flow_init(&flow, &conf, &ids, &seed);
	now = 5000;
	ns = tid = sid = 0;
}

/* A message whose numbers are given; the peer acknowledges all that we sent when nr is -1. */
static void say(uint16_t tunnel, uint16_t session, uint16_t its_ns, int nr, const char *avps)
{
	uint8_t buf[2048];
	const struct l2tp_tunnel *t = tid ? l2tp_flow_tunnel(&flow, tid) : NULL;
	size_t n;

	if (nr < 0)
		nr = t ? (uint16_t)(t->x.una + t->x.high) : 0;
	n = control(buf, sizeof(buf), tunnel, session, its_ns, (uint16_t)nr, avps);
	l2tp_out_init(&out);
	l2tp_flow_input(&flow, rd_of(buf, n), PORT, now, &out);
}

/* The peer's next message in order. */
static void next(uint16_t session, const char *avps)
{
	say(tid, session, ns++, -1, avps);
}

static void open_half(const char *sccrq)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;

	say(0, 0, ns++, 0, sccrq);
	assert_true(sent(&out, L2TP_SCCRP, &h, &m));
	tid = m.tunnel;
}

static void open_tunnel(void)
{
	open_half(M_SCCRQ(0007));
	next(0, M_SCCCN);
	assert_int_equal(count(&out, L2TP_EFF_TUNNEL_UP), 1);
}

static void open_call(bool up)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;

	next(0, M_ICRQ(0055));
	assert_true(sent(&out, L2TP_ICRP, &h, &m));
	assert_int_equal(h.session, PEER_SESSION);
	sid = m.session;
	if (up) {
		next(sid, M_ICCN);
		assert_int_equal(count(&out, L2TP_EFF_SESSION_UP), 1);
	}
}

/* We dial; stops before the answer to SCCRQ (0), ICRQ (1), or goes on to established (2). */
static void dial(int how_far)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;

	l2tp_out_init(&out);
	tid = l2tp_flow_dial(&flow, PORT, now, &out);
	assert_int_not_equal(tid, 0);
	assert_true(sent(&out, L2TP_SCCRQ, &h, &m));
	assert_int_equal(h.tunnel, 0);
	if (how_far == 0)
		return;
	next(0, M_SCCRP(0007));
	assert_true(sent(&out, L2TP_SCCCN, &h, &m));
	assert_int_equal(h.tunnel, PEER_TUNNEL);
	assert_true(sent(&out, L2TP_ICRQ, &h, &m));	/* at once: no round trip is lost */
	assert_int_equal(h.session, 0);
	sid = m.session;
	if (how_far == 1)
		return;
	next(sid, M_ICRP(0055));
	assert_true(sent(&out, L2TP_ICCN, &h, &m));
	assert_int_equal(h.session, PEER_SESSION);
	assert_int_equal(count(&out, L2TP_EFF_SESSION_UP), 1);
}

/* After each case: nothing may be left of it. */
static int clear(void **st)
{
	l2tp_flow_free(&flow);
	return ids.n ? -1 : 0;
}

/* What a message did, as text: "up", "stop R/E" (StopCCN), "cdn R/E", "gone", "ack", … */
static const char *outcome(void)
{
	static char text[64];
	struct l2tp_hdr h;
	struct l2tp_msg m;

	if (sent(&out, L2TP_STOPCCN, &h, &m))
		snprintf(text, sizeof(text), "stop %u/%u", m.result, m.error);
	else if (sent(&out, L2TP_CDN, &h, &m))
		snprintf(text, sizeof(text), "cdn %u/%u%s", m.result, m.error,
			effect(&out, L2TP_EFF_SESSION_GONE, 0) ? " gone" : "");
	else if (effect(&out, L2TP_EFF_TUNNEL_GONE, 0))
		snprintf(text, sizeof(text), "end");
	else if (effect(&out, L2TP_EFF_SESSION_GONE, 0))
		snprintf(text, sizeof(text), "gone");
	else if (effect(&out, L2TP_EFF_SESSION_UP, 0))
		snprintf(text, sizeof(text), "up");
	else if (effect(&out, L2TP_EFF_TUNNEL_UP, 0))
		snprintf(text, sizeof(text), "open");
	else if (sent(&out, L2TP_ICRP, &h, &m))
		snprintf(text, sizeof(text), "icrp");
	else if (sent(&out, 0, &h, &m))
		snprintf(text, sizeof(text), "ack");
	else
		snprintf(text, sizeof(text), "nothing");
	return text;
}

/* RFC 2661 7.2.1: every message in every state of a tunnel. */
static void t_tunnel_matrix(void **st)
{
	static const struct {
		const char *name, *avps;
		const char *want[3];	/* wait-ctl-reply, wait-ctl-conn, established */
	} rows[] = {
		{ "SCCRQ", M_SCCRQ(0007), { "stop 7/0", "stop 7/0", "stop 7/0" } },
		{ "SCCRP", M_SCCRP(0007), { "open", "stop 7/0", "stop 7/0" } },
		{ "SCCRP, version 2", MT(02) "8008 0000 0002 0200" HOST FRAMING TID(0007),
			{ "stop 5/256", "stop 5/256", "stop 5/256" } },
		{ "SCCRP, no id", MT(02) VER10 HOST FRAMING, { "stop 2/3", "stop 2/3", "stop 2/3" } },
		{ "SCCCN", M_SCCCN, { "stop 7/0", "open", "stop 7/0" } },
		{ "SCCCN, bad AVP", MT(03) "8006 0000 00ff", { "stop 2/8", "stop 2/8", "stop 2/8" } },
		{ "StopCCN", M_STOPCCN(0007), { "end", "end", "end" } },
		{ "StopCCN, nothing in it", MT(04), { "end", "end", "end" } },
		{ "HELLO", M_HELLO, { "ack", "ack", "ack" } },
		{ "HELLO, bad AVP", MT(06) "8006 0000 00ff", { "stop 2/8", "stop 2/8", "stop 2/8" } },
		{ "ICRQ", M_ICRQ(0055), { "stop 7/0", "stop 7/0", "icrp" } },
		{ "ICRP", M_ICRP(0055), { "stop 7/0", "stop 7/0", "cdn 2/5" } },
		{ "ICCN", M_ICCN, { "stop 7/0", "stop 7/0", "ack" } },
		{ "OCRQ", M_OCRQ(0055), { "stop 7/0", "stop 7/0", "cdn 5/0" } },
		{ "OCRP", M_OCRP(0055), { "stop 7/0", "stop 7/0", "ack" } },
		{ "OCCN", M_OCCN, { "stop 7/0", "stop 7/0", "ack" } },
		{ "CDN", M_CDN(0055), { "stop 7/0", "stop 7/0", "ack" } },
		{ "WEN", M_WEN, { "stop 7/0", "stop 7/0", "ack" } },
		{ "SLI", M_SLI, { "stop 7/0", "stop 7/0", "ack" } },
		{ "unknown type, M", MT(11), { "stop 2/8", "stop 2/8", "stop 2/8" } },
		{ "unknown type", "0008 0000 0000 0011", { "ack", "ack", "ack" } },
		{ "no Message Type", VER10, { "stop 2/3", "stop 2/3", "stop 2/3" } },
		{ "cut AVP", "80", { "stop 2/3", "stop 2/3", "stop 2/3" } },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		for (unsigned state = 0; state < 3; state++) {
			const char *got;

			fresh();
			if (state == 0)
				dial(0);
			else if (state == 1)
				open_half(M_SCCRQ(0007));
			else
				open_tunnel();
			next(0, rows[i].avps);
			got = outcome();
			if (strcmp(got, rows[i].want[state]))
				fail_msg("%s in state %u: %s, not %s", rows[i].name, state, got,
					rows[i].want[state]);
			/* What ended is told once, and every message was acknowledged somehow. */
			assert_int_equal(count(&out, L2TP_EFF_TUNNEL_GONE),
				!strncmp(got, "stop", 4) || !strcmp(got, "end"));
			assert_int_equal(l2tp_flow_idle(&flow), count(&out, L2TP_EFF_TUNNEL_GONE));
			assert_true(count(&out, L2TP_EFF_SEND) > 0);
			assert_int_equal(out.eff[out.n - 1].type, L2TP_EFF_SEND);
			clear(st);
			assert_int_equal(ids.n, 0);
		}
	}
}

/* RFC 2661 7.4.1 and 7.4.2: every message in every state of a call. */
static void t_call_matrix(void **st)
{
	/* The states: LNS wait-connect, LNS established, LAC wait-reply, LAC established. */
	static const struct {
		const char *name, *avps;
		const char *want[4];
	} rows[] = {
		{ "ICRQ", M_ICRQ(0066), { "cdn 2/5", "cdn 2/5 gone", "cdn 2/5 gone", "cdn 2/5 gone" } },
		{ "ICRP", M_ICRP(0055), { "cdn 2/5", "cdn 2/5 gone", "up", "cdn 2/5 gone" } },
		{ "ICRP, session 0", M_ICRP(0000), { "cdn 2/3", "cdn 2/3 gone", "cdn 2/3 gone", "cdn 2/3 gone" } },
		{ "ICCN", M_ICCN, { "up", "cdn 2/5 gone", "gone", "cdn 2/5 gone" } },
		{ "ICCN, no speed", MT(0c) FTYPE, { "cdn 2/3", "cdn 2/3 gone", "gone", "cdn 2/3 gone" } },
		{ "ICCN, unknown AVP with M", M_ICCN "8006 0000 00ff",
			{ "cdn 2/8", "cdn 2/8 gone", "gone", "cdn 2/8 gone" } },
		{ "CDN", M_CDN(0055), { "ack", "gone", "gone", "gone" } },
		{ "CDN, nothing in it", MT(0e), { "ack", "gone", "gone", "gone" } },
		{ "WEN", M_WEN, { "ack", "ack", "ack", "ack" } },
		{ "SLI", M_SLI, { "ack", "ack", "ack", "ack" } },
		{ "SLI, unknown AVP with M", M_SLI "8006 0000 00ff",
			{ "cdn 2/8", "cdn 2/8 gone", "cdn 2/8 gone", "cdn 2/8 gone" } },
		{ "OCRQ", M_OCRQ(0066), { "cdn 5/0", "cdn 5/0", "cdn 5/0", "cdn 5/0" } },
		{ "OCRP", M_OCRP(0066), { "cdn 2/5", "cdn 2/5 gone", "cdn 2/5 gone", "cdn 2/5 gone" } },
		{ "OCCN", M_OCCN, { "cdn 2/5", "cdn 2/5 gone", "cdn 2/5 gone", "cdn 2/5 gone" } },
		{ "HELLO", M_HELLO, { "ack", "ack", "ack", "ack" } },
		{ "unknown type", "0008 0000 0000 0011", { "ack", "ack", "ack", "ack" } },
		{ "StopCCN", M_STOPCCN(0007), { "end", "end", "end", "end" } },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		for (unsigned state = 0; state < 4; state++) {
			const char *got;
			const struct l2tp_tunnel *t;
			bool stays;

			fresh();
			if (state < 2) {
				open_tunnel();
				open_call(state == 1);
			} else {
				dial(state == 3 ? 2 : 1);
			}
			next(sid, rows[i].avps);
			got = outcome();
			if (strcmp(got, rows[i].want[state]))
				fail_msg("%s in state %u: %s, not %s", rows[i].name, state, got,
					rows[i].want[state]);
			t = l2tp_flow_tunnel(&flow, tid);
			stays = !strcmp(got, "up") || (!strcmp(got, "ack") && strncmp(rows[i].name, "CDN", 3)) ||
				!strncmp(rows[i].name, "OCRQ", 4);
			assert_int_equal(t ? l2tp_tunnel_calls(t) : 0, stays);
			assert_int_equal(l2tp_flow_session(&flow, tid, sid) != NULL,
				!strcmp(got, "up") || (stays && (state & 1)));
			clear(st);
			assert_int_equal(ids.n, 0);
		}
	}
}

/* An SCCRQ that cannot be served. */
static void t_refused(void **st)
{
	static const struct {
		const char *why, *avps, *want;
		unsigned to;		/* Tunnel ID of the StopCCN */
	} rows[] = {
		{ "version 2", MT(01) "8008 0000 0002 0200" HOST FRAMING TID(0007), "stop 5/256", 7 },
		{ "version 0", MT(01) "8008 0000 0002 0000" HOST FRAMING TID(0007), "stop 5/256", 7 },
		{ "unknown AVP with M", M_SCCRQ(0007) "8006 0000 00ff", "stop 2/8", 7 },
		{ "unknown AVP with M before the id", MT(01) "8006 0000 00ff" VER10 HOST FRAMING TID(0007),
			"stop 2/8", 7 },
		{ "vendor's AVP with M", M_SCCRQ(0007) "8006 0137 0001", "stop 2/8", 7 },
		{ "hidden AVP", M_SCCRQ(0007) "c00a 0000 0004 01020304", "stop 2/8", 7 },
		{ "window 0", M_SCCRQ(0007) RWS(0000), "stop 2/3", 7 },
		{ "no name", MT(01) VER10 FRAMING TID(0007), "stop 2/3", 7 },
		{ "no id", MT(01) VER10 HOST FRAMING, "stop 2/3", 0 },
		{ "id 0", M_SCCRQ(0000), "stop 2/3", 0 },
		{ "cut", M_SCCRQ(0007) "8008 00", "stop 2/2", 7 },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct l2tp_hdr h;
		struct l2tp_msg m;
		uint16_t id;

		fresh();
		say(0, 0, 0, 0, rows[i].avps);
		if (strcmp(outcome(), rows[i].want))
			fail_msg("%s: %s, not %s", rows[i].why, outcome(), rows[i].want);
		assert_true(sent(&out, L2TP_STOPCCN, &h, &m));
		assert_int_equal(h.tunnel, rows[i].to);
		assert_int_equal(h.nr, 1);
		assert_true(l2tp_flow_idle(&flow));
		/* Lost: the request again makes nothing new; the StopCCN again by its own clock. */
		id = m.tunnel;
		if (rows[i].to) {
			say(0, 0, 0, 0, rows[i].avps);
			assert_string_equal(outcome(), "ack");
			assert_int_equal(ids.n, 1);
		}
		now += 1000;
		l2tp_out_init(&out);
		l2tp_flow_expire(&flow, now, &out);
		assert_true(sent(&out, L2TP_STOPCCN, &h, &m));
		assert_int_equal(m.tunnel, id);
		/* In the end nothing is kept. */
		while (l2tp_flow_deadline(&flow) != UINT64_MAX) {
			now = MAX(now, l2tp_flow_deadline(&flow));
			l2tp_out_init(&out);
			l2tp_flow_expire(&flow, now, &out);
		}
		assert_int_equal(ids.n, 0);
		assert_true(now <= 5000 + 31000);
	}
}

/* What must not be answered, and must not leave anything behind. */
static void t_silent(void **st)
{
	static const struct {
		const char *why;
		uint16_t tunnel, ns, nr;
		const char *avps;
		enum l2tp_counter counter;
	} rows[] = {
		{ "ZLB, tunnel 0", 0, 0, 0, "", L2TP_CNT_UNKNOWN_TUNNEL },
		{ "HELLO, tunnel 0", 0, 0, 0, M_HELLO, L2TP_CNT_UNKNOWN_TUNNEL },
		{ "SCCCN, tunnel 0", 0, 1, 1, M_SCCCN, L2TP_CNT_UNKNOWN_TUNNEL },
		{ "SCCRP, tunnel 0", 0, 0, 1, M_SCCRP(0007), L2TP_CNT_UNKNOWN_TUNNEL },
		{ "ICRQ, tunnel 0", 0, 0, 1, M_ICRQ(0001), L2TP_CNT_UNKNOWN_TUNNEL },
		{ "StopCCN, tunnel 0, not ours", 0, 1, 1, M_STOPCCN(0008), L2TP_CNT_UNKNOWN_TUNNEL },
		{ "StopCCN, tunnel 0, no id", 0, 1, 1, MT(04), L2TP_CNT_UNKNOWN_TUNNEL },
		{ "junk, tunnel 0", 0, 0, 0, "8008 0000", L2TP_CNT_UNKNOWN_TUNNEL },
		{ "SCCRQ with Ns 1", 0, 1, 0, M_SCCRQ(0008), L2TP_CNT_WINDOW },
		{ "SCCRQ with Nr 1", 0, 0, 1, M_SCCRQ(0008), L2TP_CNT_WINDOW },
		{ "SCCRQ to a tunnel that is not", 1, 0, 0, M_SCCRQ(0008), L2TP_CNT_UNKNOWN_TUNNEL },
		{ "SCCRQ with another's id as its tunnel", 1, 1, 1, M_SCCRQ(0007), L2TP_CNT_UNKNOWN_TUNNEL },
		{ "ZLB to a tunnel that is not", 1, 0, 0, "", L2TP_CNT_UNKNOWN_TUNNEL },
		{ "StopCCN to a tunnel that is not", 1, 0, 0, M_STOPCCN(0007), L2TP_CNT_UNKNOWN_TUNNEL },
	};

	for (unsigned with = 0; with < 2; with++) {
		for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
			uint16_t to = rows[i].tunnel;

			fresh();
			if (with) {
				open_tunnel();
				if (to)
					to = (uint16_t)(tid + 1 ? tid + 1 : 1);
			}
			say(to, 0, rows[i].ns, rows[i].nr, rows[i].avps);
			if (out.n)
				fail_msg("%s: %s", rows[i].why, outcome());
			assert_int_equal(ids.n, with);
			assert_int_equal(flow.cnt[rows[i].counter], 1);
		}
	}
	/* No header at all, L2F, L2TPv3. */
	fresh();
	open_tunnel();
	for (unsigned i = 0; i < 16; i++) {
		uint8_t buf[12] = { 0xc8, (uint8_t)i, 0, 12, (uint8_t)(tid >> 8), (uint8_t)tid };

		l2tp_out_init(&out);
		l2tp_flow_input(&flow, rd_of(buf, i == 2 ? 11 : 12), PORT, now, &out);
		assert_int_equal(out.n, 0);
	}
	assert_int_equal(flow.cnt[L2TP_CNT_MALFORMED], 16);
	/* The right tunnel from another port is none of ours either (8.1). */
	fresh();
	open_tunnel();
	for (size_t i = 0; i < 2; i++) {
		uint8_t buf[64];
		size_t n = control(buf, sizeof(buf), i ? 0 : tid, 0, ns, 1, M_STOPCCN(0007));

		l2tp_out_init(&out);
		l2tp_flow_input(&flow, rd_of(buf, n), PORT + 1, now, &out);
		assert_int_equal(out.n, 0);
	}
	assert_non_null(l2tp_flow_tunnel(&flow, tid));
}

/* SCCRP as documented, to the byte. */
static void t_sccrp(void **st)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;
	uint8_t want[256];
	char text[512];
	size_t n;

	fresh();
	strcpy(conf.vendor_name, "cv");
	say(0, 0, 0, 0, M_SCCRQ(0007));
	assert_true(sent(&out, L2TP_SCCRP, &h, &m));
	snprintf(text, sizeof(text), MT(02) VER10 FRAMING "8009 0000 0007 76706e"
		"8008 0000 0009 %04x" RWS(0008) "0008 0000 0006 0001" "0008 0000 0008 6376", m.tunnel);
	n = hex(text, want, sizeof(want));
	assert_int_equal(h.body.n, n);
	assert_memory_equal(h.body.p, want, n);
	assert_int_equal(h.tunnel, 7);
	assert_int_equal(h.session, 0);
	assert_int_equal(effect(&out, L2TP_EFF_SEND, 0)->port, PORT);
}

/* The same SCCRQ again, before and after the tunnel is up. */
static void t_sccrq_again(void **st)
{
	fresh();
	open_half(M_SCCRQ(0007));
	say(0, 0, 0, 0, M_SCCRQ(0007));
	assert_string_equal(outcome(), "ack");
	assert_int_equal(ids.n, 1);
	next(0, M_SCCCN);
	assert_string_equal(outcome(), "open");
	now += 100;
	say(0, 0, 0, 0, M_SCCRQ(0007));
	assert_string_equal(outcome(), "ack");
	assert_int_equal(count(&out, L2TP_EFF_SEND), 1);
	/* It is no sign of life of the tunnel's peer. */
	assert_int_equal(l2tp_flow_tunnel(&flow, tid)->heard_ms, now - 100);
	assert_int_equal(ids.n, 1);
	assert_int_equal(flow.cnt[L2TP_CNT_DUPLICATE], 2);
	/* After its StopCCN the peer may use its id anew at once. */
	next(0, M_STOPCCN(0007));
	assert_string_equal(outcome(), "end");
	say(tid, 0, (uint16_t)(ns - 1), 1, M_STOPCCN(0007));
	assert_string_equal(outcome(), "ack");		/* its StopCCN again */
	ns = 0;
	open_tunnel();
	assert_int_equal(ids.n, 2);
	/* So may one that gave up before it had our SCCRP. */
	fresh();
	open_half(M_SCCRQ(0007));
	say(0, 0, 1, 0, M_STOPCCN(0007));
	assert_string_equal(outcome(), "end");
	tid = ns = 0;
	open_tunnel();
	assert_int_equal(ids.n, 2);
}

/* StopCCN before the peer knows our id: by its own, from its port. */
static void t_stop_without_id(void **st)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;

	fresh();
	open_half(M_SCCRQ(0007));
	say(0, 0, 1, 0, M_STOPCCN(0007));
	assert_string_equal(outcome(), "end");
	assert_true(sent(&out, 0, &h, &m));
	assert_int_equal(h.tunnel, 7);
	assert_int_equal(h.nr, 2);
	assert_int_equal(effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->reason, L2TP_REASON_PEER);

	/* From one that could not even read our id; not where it could mean two. */
	fresh();
	dial(0);
	say(0, 0, 0, 1, MT(04) TID(0009) RESULT_ERR(0002, 0002));
	assert_string_equal(outcome(), "end");
	assert_int_equal(effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->error, 2);
	fresh();
	dial(0);
	dial(0);
	say(0, 0, 0, 1, MT(04) TID(0009) RESULT_ERR(0002, 0002));
	assert_int_equal(out.n, 0);

	/* And the answer to an SCCRQ of ours that is refused. */
	fresh();
	dial(0);
	next(0, MT(04) TID(0009) RESULT_ERR(0002, 0004));
	assert_string_equal(outcome(), "end");
	assert_int_equal(effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->result, 2);
	assert_int_equal(effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->error, 4);
	assert_int_equal(effect(&out, L2TP_EFF_SESSION_GONE, 0)->reason, L2TP_REASON_TUNNEL);
	assert_true(sent(&out, 0, &h, &m));
	assert_int_equal(h.tunnel, 9);
}

/* A call is refused over the limit, with the ids that the peer needs; CDN by the peer's id. */
static void t_call_limit(void **st)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;

	fresh();
	conf.max_sessions = 2;
	open_tunnel();
	next(0, M_ICRQ(0055));
	assert_string_equal(outcome(), "icrp");
	next(0, M_ICRQ(0056));
	assert_string_equal(outcome(), "icrp");
	next(0, M_ICRQ(0057));
	assert_string_equal(outcome(), "cdn 4/0");
	assert_true(sent(&out, L2TP_CDN, &h, &m));
	assert_int_equal(h.session, 0x57);
	assert_int_not_equal(m.session, 0);
	assert_int_equal(flow.cnt[L2TP_CNT_REFUSED], 1);
	/* Gives up one that it has no id of yet. */
	next(0, M_CDN(0056));
	assert_string_equal(outcome(), "ack");
	assert_int_equal(l2tp_tunnel_calls(l2tp_flow_tunnel(&flow, tid)), 1);
	next(0, M_ICRQ(0058));
	assert_string_equal(outcome(), "icrp");
	/* The same id for a second call ends the first (7.4.2). */
	next(0, M_ICRQ(0058));
	assert_string_equal(outcome(), "cdn 2/5");
	assert_true(sent(&out, L2TP_CDN, &h, &m));
	assert_int_equal(h.session, 0x58);
	next(0, M_ICRQ(0000));
	assert_string_equal(outcome(), "cdn 2/3");
	assert_true(sent(&out, L2TP_CDN, &h, &m));
	assert_int_equal(h.session, 0);
	/* A LAC takes no calls. */
	fresh();
	dial(2);
	next(0, M_ICRQ(0066));
	assert_string_equal(outcome(), "cdn 5/0");
}

/* At the limit the oldest half-open tunnel makes way, an established one never. */
static void t_tunnel_limit(void **st)
{
	uint16_t first;

	fresh();
	open_half(M_SCCRQ(0001));
	first = tid;
	now += 10;
	ns = 0;
	open_half(M_SCCRQ(0002));
	assert_int_equal(ids.n, 2);
	now += 10;
	ns = 0;
	say(0, 0, ns++, 0, M_SCCRQ(0003));
	assert_int_equal(count(&out, L2TP_EFF_TUNNEL_GONE), 1);
	assert_int_equal(effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->tunnel, first);
	assert_int_equal(effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->reason, L2TP_REASON_SUPERSEDED);

	fresh();
	conf.max_tunnels = 1;
	open_tunnel();
	first = tid;
	for (unsigned i = 0; i < 40; i++) {
		char avps[256];

		now += 10;
		snprintf(avps, sizeof(avps), MT(01) VER10 HOST FRAMING "8008 0000 0009 %04x", 0x100 + i);
		tid = 0;
		say(0, 0, 0, 0, avps);
		assert_string_equal(outcome(), "stop 2/4");
		assert_non_null(l2tp_flow_tunnel(&flow, first));
		assert_true(ids.n <= L2TP_TUNNELS_MAX + L2TP_LINGER_MAX);
	}
	/* A request that is no good pushes nobody out. */
	fresh();
	conf.max_tunnels = 1;
	open_half(M_SCCRQ(0001));
	first = tid;
	say(0, 0, 0, 0, M_SCCRQ(0002) "8006 0000 00ff");
	assert_non_null(l2tp_flow_tunnel(&flow, first));
}

/* 4.4.3, Tie Breaker: every pair of values. */
static void t_tie(void **st)
{
	static const struct {
		bool ours;
		int its;		/* against ours: -1 below, 0 equal, 1 above; 9: it has none */
		bool ours_stays, its_stays;
	} rows[] = {
		{ false, 9, true, true }, { false, -1, false, true }, { true, 9, true, false },
		{ true, -1, false, true }, { true, 1, true, false }, { true, 0, false, false },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct l2tp_hdr h;
		struct l2tp_msg m;
		char avps[256] = M_SCCRQ(0007);
		uint8_t tie[8] = { 0, 0, 0, 0, 0, 0, 0, 1 };
		unsigned carry = (unsigned)rows[i].its;

		fresh();
		conf.tie_breaker = rows[i].ours;
		dial(0);
		assert_true(sent(&out, L2TP_SCCRQ, &h, &m));
		assert_int_equal(L2TP_HAS(&m, AVP_TIE_BREAKER), rows[i].ours);
		if (rows[i].ours)
			memcpy(tie, m.tie_breaker.p, sizeof(tie));
		for (unsigned k = sizeof(tie); k-- > 0 && rows[i].its != 9 && carry;) {
			unsigned sum = tie[k] + carry;	/* plus or minus one, over all octets */

			tie[k] = (uint8_t)sum;
			carry = rows[i].its < 0 ? (tie[k] == 0xff ? carry : 0) : sum >> 8;
		}
		if (rows[i].its != 9)
			snprintf(avps + strlen(avps), sizeof(avps) - strlen(avps),
				"000e 0000 0005 %02x%02x%02x%02x%02x%02x%02x%02x", tie[0], tie[1], tie[2], tie[3],
				tie[4], tie[5], tie[6], tie[7]);
		say(0, 0, 0, 0, avps);
		if (count(&out, L2TP_EFF_TUNNEL_GONE) != !rows[i].ours_stays ||
		    sent(&out, L2TP_SCCRP, &h, &m) != rows[i].its_stays)
			fail_msg("row %zu: %s", i, outcome());
		/* Silently: whoever lost is not told. */
		assert_false(sent(&out, L2TP_STOPCCN, &h, &m));
		assert_int_equal(ids.n, rows[i].ours_stays + rows[i].its_stays);
		if (!rows[i].ours_stays) {
			assert_int_equal(effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->reason, L2TP_REASON_TIE);
			assert_int_equal(count(&out, L2TP_EFF_SESSION_GONE), 1);
		}
	}
}

static void pass_until(uint64_t until)
{
	while (l2tp_flow_deadline(&flow) <= until) {
		now = MAX(now, l2tp_flow_deadline(&flow));
		l2tp_out_init(&out);
		l2tp_flow_expire(&flow, now, &out);
		if (count(&out, L2TP_EFF_TUNNEL_GONE))
			return;
	}
	now = until;
}

static unsigned hellos(uint64_t until)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;
	unsigned n = 0;

	while (l2tp_flow_deadline(&flow) <= until) {
		now = MAX(now, l2tp_flow_deadline(&flow));
		l2tp_out_init(&out);
		l2tp_flow_expire(&flow, now, &out);
		n += sent(&out, L2TP_HELLO, &h, &m);
		if (count(&out, L2TP_EFF_TUNNEL_GONE))
			break;
	}
	return n;
}

/* A client that is back asks for another tunnel: its old one is asked three times, and goes or stays. */
static void t_superseded(void **st)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;
	uint64_t asked;
	uint16_t first;

	fresh();
	open_tunnel();
	open_call(true);
	first = tid;
	say(tid, 0, ns, 2, "");
	now += 30000;
	asked = now;
	/* Two tunnels may be: the new one is there at once. */
	tid = ns = 0;
	say(0, 0, 0, 0, M_SCCRQ(0008));
	assert_true(sent(&out, L2TP_HELLO, &h, &m));
	assert_int_equal(h.tunnel, PEER_TUNNEL);
	assert_true(sent(&out, L2TP_SCCRP, &h, &m));
	tid = m.tunnel;
	say(tid, 0, 1, 1, M_SCCCN);
	say(tid, 0, 2, 1, M_ICRQ(0056));
	assert_true(sent(&out, L2TP_ICRP, &h, &m));
	say(tid, m.session, 3, 2, M_ICCN);
	assert_int_equal(hellos(asked + 60000), 2);
	assert_int_equal(now, asked + 6000);
	assert_int_equal(effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->reason, L2TP_REASON_SUPERSEDED);
	assert_int_equal(effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->tunnel, first);
	assert_int_equal(count(&out, L2TP_EFF_SESSION_GONE), 1);
	assert_non_null(l2tp_flow_tunnel(&flow, tid));

	/* One whose peer answers, or whose data comes, stays. */
	for (unsigned data = 0; data < 2; data++) {
		fresh();
		open_tunnel();
		open_call(true);
		first = tid;
		say(tid, 0, ns, 2, "");
		now += 30000;
		tid = 0;
		say(0, 0, 0, 0, M_SCCRQ(0008));
		now += 5900;
		if (data)
			l2tp_flow_heard(&flow, first, now);
		else
			say(first, 0, ns, 3, "");
		pass_until(now + 20000);
		assert_non_null(l2tp_flow_tunnel(&flow, first));
	}

	/* At the limit: no answer until it is known; then the request, sent again, is served or refused. */
	for (unsigned alive = 0; alive < 2; alive++) {
		fresh();
		conf.max_tunnels = 1;
		open_tunnel();
		open_call(true);
		first = tid;
		say(tid, 0, ns, 2, "");
		now += 30000;
		tid = 0;
		say(0, 0, 0, 0, M_SCCRQ(0008));
		assert_false(sent(&out, L2TP_SCCRP, &h, &m) || sent(&out, L2TP_STOPCCN, &h, &m));
		assert_int_equal(ids.n, 1);
		now += 1000;
		if (alive)
			say(first, 0, ns, 3, "");
		say(0, 0, 0, 0, M_SCCRQ(0008));
		assert_int_equal(sent(&out, L2TP_STOPCCN, &h, &m), alive);
		if (alive)
			continue;
		assert_int_equal(ids.n, 1);
		pass_until(now + 5000);
		assert_null(l2tp_flow_tunnel(&flow, first));
		now += 1000;
		say(0, 0, 0, 0, M_SCCRQ(0008));
		assert_true(sent(&out, L2TP_SCCRP, &h, &m));
	}
}

/* Somebody speaks to a tunnel that is not: who is told to give it up, and who is not. */
static void t_told(void **st)
{
	static struct l2tp_flow other;
	struct rng seed;
	struct l2tp_hdr h;
	struct l2tp_msg m;
	uint8_t buf[256];
	uint16_t old, strange;
	size_t n;

	/* A client whose tunnel we lost: told with the numbers that it waits for. */
	fresh();
	open_tunnel();
	open_call(true);
	old = tid;
	pass_until(now + 200000);
	assert_null(l2tp_flow_tunnel(&flow, old));
	say(old, 0, 2, 4, M_HELLO);
	assert_true(sent(&out, L2TP_STOPCCN, &h, &m));
	assert_int_equal(h.tunnel, PEER_TUNNEL);
	assert_int_equal(h.ns, 4);
	assert_int_equal(h.nr, 3);
	assert_int_equal(m.tunnel, old);
	assert_int_equal(m.result, L2TP_STOP_ERROR);
	assert_int_equal(m.error, L2TP_ERR_NO_TUNNEL);
	assert_int_equal(ids.n, 0);
	/* Not for each message. */
	now += 500;
	say(old, 0, 2, 4, M_HELLO);
	assert_int_equal(out.n, 0);
	now += 500;
	/* Data says the same. */
	l2tp_out_init(&out);
	l2tp_flow_stray(&flow, old, 5, PORT, now, &out);
	assert_true(sent(&out, L2TP_STOPCCN, &h, &m));
	assert_int_equal(h.tunnel, PEER_TUNNEL);
	assert_int_equal(h.nr, 4);
	assert_int_equal(flow.cnt[L2TP_CNT_TOLD], 2);
	/* Never a ZLB or a StopCCN. */
	now += 1000;
	say(old, 0, 2, 4, "");
	assert_int_equal(out.n, 0);
	say(old, 0, 2, 4, M_STOPCCN(0007));
	assert_int_equal(out.n, 0);
	/* An id that we never had: found by the Assigned Tunnel ID. */
	strange = (uint16_t)(old + 1 ? old + 1 : 1);
	say(strange, 0, 2, 4, M_ICCN);
	assert_true(sent(&out, L2TP_STOPCCN, &h, &m));
	assert_int_equal(h.tunnel, 0);
	assert_int_equal(m.tunnel, strange);

	/* An id of another flow: silence, from whoever asks. */
	now += 1000;
	rng_init_test(&seed, 3);
	l2tp_flow_init(&other, &conf, &ids, &seed);
	n = control(buf, sizeof(buf), 0, 0, 0, 0, M_SCCRQ(0007));
	l2tp_out_init(&out);
	l2tp_flow_input(&other, rd_of(buf, n), PORT, now, &out);
	assert_true(sent(&out, L2TP_SCCRP, &h, &m));
	say(m.tunnel, 0, 1, 1, M_HELLO);
	assert_int_equal(out.n, 0);
	l2tp_out_init(&out);
	l2tp_flow_stray(&flow, m.tunnel, 5, PORT, now, &out);
	assert_int_equal(out.n, 0);
	l2tp_flow_free(&other);

	/* A flow that never had a tunnel: silence. */
	fresh();
	say(1, 0, 0, 0, M_HELLO);
	assert_int_equal(out.n, 0);
	l2tp_out_init(&out);
	l2tp_flow_stray(&flow, 1, 5, PORT, now, &out);
	assert_int_equal(out.n, 0);
	/* Nor does an SCCRQ that was refused change that. */
	say(0, 0, 0, 0, M_SCCRQ(0007) "8006 0000 00ff");
	say(1, 0, 0, 0, M_HELLO);
	assert_int_equal(out.n, 0);
}

/* The same for sessions. */
static void t_told_session(void **st)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;

	fresh();
	open_tunnel();
	now += 5000;
	l2tp_out_init(&out);
	l2tp_flow_stray(&flow, tid, 0x77, PORT, now, &out);
	assert_true(sent(&out, L2TP_CDN, &h, &m));
	assert_int_equal(h.tunnel, PEER_TUNNEL);
	assert_int_equal(h.session, 0);
	assert_int_equal(m.session, 0x77);
	assert_int_equal(m.result, L2TP_CDN_ERROR);
	assert_int_equal(m.error, L2TP_ERR_SESSION_ID);
	/* Not for each, not from another port, not for one that is about to be. */
	l2tp_flow_stray(&flow, tid, 0x78, PORT, now + 500, &out);
	assert_int_equal(flow.cnt[L2TP_CNT_TOLD], 1);
	l2tp_flow_stray(&flow, tid, 0x78, PORT + 1, now + 5000, &out);
	assert_int_equal(flow.cnt[L2TP_CNT_TOLD], 1);
	now += 1000;
	open_call(false);
	l2tp_flow_stray(&flow, tid, sid, PORT, now, &out);
	assert_int_equal(flow.cnt[L2TP_CNT_TOLD], 1);
	next(sid, M_ICCN);
	/* Data that crossed the CDN. */
	next(sid, M_CDN(0055));
	l2tp_flow_stray(&flow, tid, sid, PORT, now + 2000, &out);
	assert_int_equal(flow.cnt[L2TP_CNT_TOLD], 1);
	now += 4000;
	next(sid, M_WEN);
	assert_string_equal(outcome(), "cdn 2/5");
	assert_int_equal(flow.cnt[L2TP_CNT_TOLD], 2);
}

static unsigned admin_cdns(void)
{
	const struct l2tp_effect *e;
	struct l2tp_hdr h;
	struct l2tp_msg m;
	unsigned n = 0;

	for (unsigned k = 0; (e = effect(&out, L2TP_EFF_SEND, k)); k++) {
		assert_true(l2tp_hdr_parse(rd_of(e->data, e->len), &h));
		m.type = 0;
		if (h.body.n)
			assert_int_equal(l2tp_msg_parse(h.body, &m), L2TP_PARSE_OK);
		n += m.type == L2TP_CDN && m.result == L2TP_CDN_ADMIN;
	}
	return n;
}

/* A LAC's tunnel with many calls: all come, and all go, though not all CDNs find room at once. */
static void t_many(void **st)
{
	static uint16_t sids[300];
	unsigned cdns = 0, gone = 0;
	struct l2tp_hdr h;
	struct l2tp_msg m;

	fresh();
	conf.max_sessions = 300;
	open_tunnel();
	for (unsigned i = 0; i < 300; i++) {
		char avps[128];

		snprintf(avps, sizeof(avps), MT(0a) "8008 0000 000e %04x" SERIAL, i + 1);
		next(0, avps);
		assert_true(sent(&out, L2TP_ICRP, &h, &m));
		sids[i] = m.session;
		next(sids[i], M_ICCN);
		assert_string_equal(outcome(), "up");
	}
	next(0, M_ICRQ(1000));
	assert_string_equal(outcome(), "cdn 4/0");
	/* The owner ends all of them at once. */
	for (unsigned i = 0; i < 300; i++) {
		l2tp_out_init(&out);
		assert_true(l2tp_session_close(&flow, tid, sids[i], L2TP_CDN_ADMIN, 0, now, &out));
		gone += count(&out, L2TP_EFF_SESSION_GONE);
		assert_int_equal(count(&out, L2TP_EFF_TUNNEL_GONE), 0);
		cdns += admin_cdns();
		assert_null(l2tp_flow_session(&flow, tid, sids[i]));
	}
	assert_int_equal(gone, 300);
	assert_true(cdns < 20);
	/* One that ends from there meanwhile needs no CDN any more. */
	next(sids[299], M_CDN(012c));
	cdns += admin_cdns();
	for (unsigned i = 0; i < 1000 && !xport_idle(&l2tp_flow_tunnel(&flow, tid)->x); i++) {
		say(tid, 0, ns, -1, "");
		cdns += admin_cdns();
	}
	assert_int_equal(cdns, 299);
	assert_int_equal(l2tp_tunnel_calls(l2tp_flow_tunnel(&flow, tid)), 0);
	for (unsigned i = 0; i < l2tp_flow_tunnel(&flow, tid)->n_places; i++)
		assert_int_equal(l2tp_flow_tunnel(&flow, tid)->session[i].state, L2TP_SES_IDLE);

	/* With their tunnel: the first few are told of, the tunnel's end says the rest. */
	fresh();
	conf.max_sessions = 100;
	open_tunnel();
	for (unsigned i = 0; i < 100; i++) {
		char avps[128];

		snprintf(avps, sizeof(avps), MT(0a) "8008 0000 000e %04x" SERIAL, i + 1);
		next(0, avps);
		assert_true(sent(&out, L2TP_ICRP, &h, &m));
		next(m.session, M_ICCN);
	}
	next(0, M_STOPCCN(0007));
	assert_int_equal(count(&out, L2TP_EFF_SESSION_GONE), L2TP_TOLD_MAX);
	assert_int_equal(count(&out, L2TP_EFF_TUNNEL_GONE), 1);
}

/* Many calls that we make, and that nobody answers. */
static void t_many_dialled(void **st)
{
	unsigned gone = 0;

	fresh();
	conf.max_sessions = 100;
	dial(0);
	for (unsigned i = 1; i < 100; i++) {
		l2tp_out_init(&out);
		assert_int_not_equal(l2tp_flow_call(&flow, tid, now, &out), 0);
	}
	l2tp_out_init(&out);
	assert_int_equal(l2tp_flow_call(&flow, tid, now, &out), 0);
	next(0, M_SCCRP(0007));
	assert_int_equal(count(&out, L2TP_EFF_TUNNEL_UP), 1);
	for (unsigned i = 0; i < 1000 && gone < 100; i++) {
		say(tid, 0, ns, -1, "");
		now = MAX(now, l2tp_flow_deadline(&flow));
		l2tp_out_init(&out);
		l2tp_flow_expire(&flow, now, &out);
		gone += count(&out, L2TP_EFF_SESSION_GONE);
		assert_int_equal(count(&out, L2TP_EFF_TUNNEL_GONE), 0);
	}
	assert_int_equal(gone, 100);
}

/* RFC 3145: the PPP Disconnect Cause Code, out and in. */
static void t_cause(void **st)
{
	static const struct l2tp_cause cause = {
		.code = L2TP_CAUSE_ECHO, .proto = 0xc021, .direction = L2TP_CAUSE_AT_LOCAL,
		.text = { (const uint8_t *)"keepalive", 9, false },
	};
	const struct l2tp_effect *e;
	struct l2tp_hdr h;
	struct l2tp_msg m;
	struct avp a;
	struct rd r;

	fresh();
	open_tunnel();
	open_call(true);
	l2tp_out_init(&out);
	assert_true(l2tp_session_close_cause(&flow, tid, sid, L2TP_CDN_ADMIN, 0, &cause, now, &out));
	assert_true(sent(&out, L2TP_CDN, &h, &m));
	assert_true(L2TP_HAS(&m, AVP_PPP_DISCONNECT_CAUSE));
	assert_int_equal(m.cause.code, L2TP_CAUSE_ECHO);
	assert_int_equal(m.cause.proto, 0xc021);
	assert_int_equal(m.cause.direction, L2TP_CAUSE_AT_LOCAL);
	assert_int_equal(m.cause.text.n, 9);
	for (r = h.body; r.n && avp_next(&r, &a);)
		assert_int_equal(a.mandatory, a.type != AVP_PPP_DISCONNECT_CAUSE);	/* 2: MUST NOT be */

	fresh();
	open_tunnel();
	open_call(true);
	next(sid, M_CDN(0055) "000f 0000 002e 0003 c021 01 627965 1b");
	e = effect(&out, L2TP_EFF_SESSION_GONE, 0);
	assert_non_null(e);
	assert_non_null(e->cause);
	assert_int_equal(e->cause->code, 3);
	assert_int_equal(e->cause->proto, 0xc021);
	assert_int_equal(e->cause->direction, L2TP_CAUSE_AT_PEER);
	assert_int_equal(e->cause->text.n, 4);
	assert_memory_equal(e->cause->text.p, "bye\x1b", 4);
	/* Too short, or with M: as if it were not there; a CDN is a CDN. */
	for (unsigned i = 0; i < 2; i++) {
		fresh();
		open_tunnel();
		open_call(true);
		next(sid, i ? M_CDN(0055) "800a 0000 002e 0003 c021" : M_CDN(0055) "000a 0000 002e 0003 c021");
		assert_string_equal(outcome(), "gone");
		assert_null(effect(&out, L2TP_EFF_SESSION_GONE, 0)->cause);
	}
}

#define PROXY "000a 0000 001a 0104 05dc" "0010 0000 001b 01040578 050612345678" \
	"000a 0000 001c 0104 05dc" "0008 0000 001d 0002" "0009 0000 001e 6a6f65" \
	"000a 0000 001f 01020304" "0008 0000 0020 0007" "0016 0000 0021 101112131415161718191a1b1c1d1e1f"

/* Proxy LCP and authentication: told as the LAC says them. */
static void t_proxy(void **st)
{
	const struct l2tp_call *call;

	fresh();
	open_tunnel();
	open_call(false);
	next(sid, M_ICCN PROXY);
	assert_string_equal(outcome(), "up");
	call = effect(&out, L2TP_EFF_SESSION_UP, 0)->call;
	assert_non_null(call);
	assert_true(call->proxy_lcp);
	assert_false(call->sequencing);
	assert_int_equal(call->initial_lcp.n, 4);
	assert_int_equal(call->last_sent_lcp.n, 10);
	assert_int_equal(call->last_sent_lcp.p[4], 5);
	assert_int_equal(call->last_received_lcp.n, 4);
	assert_int_equal(call->proxy_type, L2TP_PROXY_CHAP);
	assert_int_equal(call->proxy_id, 7);
	assert_memory_equal(call->proxy_name.p, "joe", 3);
	assert_int_equal(call->proxy_challenge.n, 4);
	assert_int_equal(call->proxy_response.n, 16);
	/* They are the effect's own: the message is gone. */
	assert_true(call->proxy_name.p >= out.said && call->proxy_name.p < out.said + sizeof(out.said));
	/* Without them; with a part of them. */
	fresh();
	open_tunnel();
	open_call(false);
	next(sid, M_ICCN "0010 0000 001b 01040578 050612345678 8006 0000 0027");
	call = effect(&out, L2TP_EFF_SESSION_UP, 0)->call;
	assert_false(call->proxy_lcp);
	assert_true(call->sequencing);
	assert_int_equal(call->proxy_type, L2TP_PROXY_NONE_SAID);
	/* More than there is room for: PPP will begin anew. */
	fresh();
	open_tunnel();
	open_call(false);
	{
		static uint8_t big[4096];
		struct wr w = wr_of(big, sizeof(big));
		struct l2tp_hdr h = { .tunnel = tid, .session = sid, .ns = ns++, .nr = 2 };
		struct l2tp_msg m = {
			.type = L2TP_ICCN, .tx_speed = 1, .framing_type = 1,
			.has = 1ull << AVP_TX_CONNECT_SPEED | 1ull << AVP_FRAMING_TYPE |
			       1ull << AVP_INITIAL_RECEIVED_LCP_CONFREQ | 1ull << AVP_LAST_SENT_LCP_CONFREQ |
			       1ull << AVP_LAST_RECEIVED_LCP_CONFREQ,
		};
		static uint8_t zeros[700], body[3000];
		struct wr b = wr_of(body, sizeof(body));

		m.initial_lcp = m.last_sent_lcp = m.last_received_lcp = rd_of(zeros, sizeof(zeros));
		l2tp_msg_write(&b, &m);
		h.body = rd_of(body, b.len);
		l2tp_hdr_write(&w, &h);
		l2tp_out_init(&out);
		l2tp_flow_input(&flow, rd_of(big, w.len), PORT, now, &out);
		assert_string_equal(outcome(), "up");
		assert_false(effect(&out, L2TP_EFF_SESSION_UP, 0)->call->proxy_lcp);
		assert_int_equal(effect(&out, L2TP_EFF_SESSION_UP, 0)->call->initial_lcp.n, 0);
	}
}

/* The openings of real clients, and their ways to end. */
static void t_clients(void **st)
{
	static const struct {
		const char *who, *sccrq, *icrq, *iccn, *cdn, *stop, *name;
	} rows[] = {
		{ "Apple",	/* a NUL in the name; ends with malformed Result Codes */
			MT(01) VER10 FRAMING "800d 0000 0007 6950686f6e6500" TID(0007) RWS(0004),
			M_ICRQ(0055), M_ICCN,
			MT(0e) SID(0055) "800e 0000 0001 0300 0000 000000ff",
			MT(04) TID(0007) "800e 0000 0001 0100 0000 000000ff", "iPhone" },
		{ "Windows",	/* vendor AVPs, no Tx/Rx surprises, Physical Channel ID with M */
			MT(01) VER10 "800a 0000 0003 00000001 800a 0000 0004 00000000 0008 0000 0006 0a00"
			"800a 0000 0007 57494e31" "000f 0000 0008 4d6963726f736f6674" TID(0007) RWS(0008),
			M_ICRQ(0055) "800a 0000 0019 00000000 0016 0137 0001 00112233445566778899aabbccddeeff",
			M_ICCN "8008 0000 001d 0004", M_CDN(0055), M_STOPCCN(0007), "WIN1" },
		{ "Android",	/* a window of one, a Challenge */
			MT(01) VER10 "800f 0000 0007 616e6f6e796d6f7573" FRAMING TID(0007) RWS(0001)
			"8026 0000 000b 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
			M_ICRQ(0055), M_ICCN, MT(0e) SID(0055) RESULT(0003), MT(04) TID(0007) RESULT(0006),
			"anonymous" },
		{ "xl2tpd",	/* Rx Connect Speed with M */
			MT(01) VER10 FRAMING "800a 0000 0004 00000000 0008 0000 0006 0690" HOST
			"0013 0000 0008 78656c6572616e63652e636f6d" TID(0007) RWS(0004),
			M_ICRQ(0055) "800a 0000 0012 00000000",
			M_ICCN "800a 0000 0026 000f4240", M_CDN(0055),
			MT(04) TID(0007) "8014 0000 0001 00010000 476f6f64627965 212121", "x" },
		{ "kl2tpd",	/* no window; the name first */
			MT(01) VER10 HOST FRAMING TID(0007), M_ICRQ(0055), M_ICCN, M_CDN(0055),
			M_STOPCCN(0007), "x" },
		{ "hostile name",
			MT(01) VER10 FRAMING "800f 0000 0007 1b5b326a250a22007f" TID(0007),
			M_ICRQ(0055), M_ICCN, M_CDN(0055), M_STOPCCN(0007), "\\x1b[2j%\\x0a\\x22\\x00\\x7f" },
		{ "name of NULs", MT(01) VER10 FRAMING "8009 0000 0007 000000" TID(0007),
			M_ICRQ(0055), M_ICCN, M_CDN(0055), M_STOPCCN(0007), "" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct l2tp_hdr h;
		struct l2tp_msg m;
		const struct l2tp_session *s;

		fresh();
		open_half(rows[i].sccrq);
		assert_string_equal(l2tp_flow_tunnel(&flow, tid)->host_name, rows[i].name);
		/* A ZLB at once for SCCCN and ICCN, which nothing else answers. */
		next(0, M_SCCCN);
		assert_int_equal(count(&out, L2TP_EFF_TUNNEL_UP), 1);
		assert_true(sent(&out, 0, &h, &m));
		assert_int_equal(h.nr, 2);
		next(0, rows[i].icrq);
		assert_true(sent(&out, L2TP_ICRP, &h, &m));
		sid = m.session;
		next(sid, rows[i].iccn);
		assert_int_equal(count(&out, L2TP_EFF_SESSION_UP), 1);
		assert_true(sent(&out, 0, &h, &m));
		s = l2tp_flow_session(&flow, tid, sid);
		assert_non_null(s);
		assert_int_equal(s->peer_id, PEER_SESSION);
		next(sid, rows[i].cdn);
		assert_int_equal(count(&out, L2TP_EFF_SESSION_GONE), 1);
		assert_true(effect(&out, L2TP_EFF_SESSION_GONE, 0)->result <= 11);
		next(0, rows[i].stop);
		assert_string_equal(outcome(), "end");
		if (effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->result < 1 ||
		    effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->result > 7)
			fail_msg("%s: result %u", rows[i].who, effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->result);
	}
}

/* A name as long as it gets is cut, not overrun. */
static void t_long_name(void **st)
{
	char avps[4096] = MT(01) VER10 FRAMING TID(0007) "83ff 0000 0007 ";

	for (unsigned i = 0; i < AVP_VALUE_MAX; i++)
		strcat(avps, "01");
	fresh();
	open_half(avps);
	assert_int_equal(strlen(l2tp_flow_tunnel(&flow, tid)->host_name), 60);	/* whole escapes only */
}

/* Window of one: a second answer waits, and the acknowledgement does not wait with it. */
static void t_window_one(void **st)
{
	struct l2tp_hdr h;
	struct l2tp_msg m;

	fresh();
	open_half(M_SCCRQ(0007) RWS(0001));
	next(0, M_SCCCN);
	say(tid, 0, ns++, 1, M_ICRQ(0055));
	assert_true(sent(&out, L2TP_ICRP, &h, &m));
	say(tid, 0, ns++, 1, M_ICRQ(0056));	/* Nr 1: has not seen the first ICRP */
	assert_string_equal(outcome(), "ack");
	assert_int_equal(count(&out, L2TP_EFF_SEND), 1);
	say(tid, 0, ns, 2, "");
	assert_string_equal(outcome(), "icrp");
	assert_true(sent(&out, L2TP_ICRP, &h, &m));
	assert_int_equal(h.session, 0x56);
}

/* Sequencing Required is kept for the owner. */
static void t_sequencing(void **st)
{
	fresh();
	open_tunnel();
	open_call(false);
	next(sid, M_ICCN "8006 0000 0027");
	assert_string_equal(outcome(), "up");
	assert_true(l2tp_flow_session(&flow, tid, sid)->sequencing);
}

/* A peer that takes no answers fills our queue: it is heard no more, and ends by itself. */
static void t_flood(void **st)
{
	unsigned gone = 0;

	fresh();
	open_tunnel();
	for (unsigned i = 0; i < 1000; i++) {
		char avps[128];

		snprintf(avps, sizeof(avps), MT(0a) "8008 0000 000e %04x" SERIAL, i + 1);
		say(tid, 0, ns, 1, avps);
		if (l2tp_flow_tunnel(&flow, tid)->x.nr != ns)
			ns++;
		assert_true(l2tp_tunnel_calls(l2tp_flow_tunnel(&flow, tid)) <= conf.max_sessions);
	}
	assert_true(flow.cnt[L2TP_CNT_WINDOW] > 900);
	while (!gone) {
		now = MAX(now, l2tp_flow_deadline(&flow));
		l2tp_out_init(&out);
		l2tp_flow_expire(&flow, now, &out);
		gone = count(&out, L2TP_EFF_TUNNEL_GONE);
	}
	assert_int_equal(effect(&out, L2TP_EFF_TUNNEL_GONE, 0)->reason, L2TP_REASON_NO_ACK);
	assert_true(now <= 5000 + 31000);
	while (l2tp_flow_deadline(&flow) != UINT64_MAX) {
		now = MAX(now, l2tp_flow_deadline(&flow));
		l2tp_out_init(&out);
		l2tp_flow_expire(&flow, now, &out);
		assert_int_equal(count(&out, L2TP_EFF_TUNNEL_GONE), 0);
	}
	assert_true(now <= 5000 + 2 * 31000);
	assert_int_equal(ids.n, 0);
}

/* Ids: all 65535 are given out, each once, 0 never; a released one comes again. */
static void t_ids(void **st)
{
	static uint8_t seen[65536];
	static struct l2tp_ids all;
	struct rng seed;

	rng_init_test(&seed, 9);
	l2tp_ids_init(&all, &seed);
	for (unsigned i = 0; i < 65535; i++) {
		uint16_t id = l2tp_ids_take(&all);

		assert_int_not_equal(id, 0);
		assert_int_equal(seen[id]++, 0);
	}
	assert_int_equal(l2tp_ids_take(&all), 0);
	l2tp_ids_release(&all, 4711);
	l2tp_ids_release(&all, 4711);
	l2tp_ids_release(&all, 0);
	assert_int_equal(all.n, 65534);
	assert_int_equal(l2tp_ids_take(&all), 4711);
	/* None left: an SCCRQ is not answered. */
	fresh();
	ids.n = 65535;
	say(0, 0, 0, 0, M_SCCRQ(0007));
	assert_int_equal(out.n, 0);
	assert_int_equal(flow.cnt[L2TP_CNT_REFUSED], 1);
	ids.n = 0;
}

static void t_names(void **st)
{
	for (unsigned i = 0; i < L2TP_REASONS; i++)
		assert_non_null(l2tp_reason_str(i));
	for (unsigned i = 0; i < L2TP_COUNTERS; i++)
		assert_non_null(l2tp_counter_name(i));
	assert_string_equal(l2tp_reason_str(L2TP_REASONS), "?");
	assert_string_equal(l2tp_counter_name(L2TP_COUNTERS), "?");
	assert_string_equal(l2tp_msg_name(L2TP_STOPCCN), "StopCCN");
	assert_string_equal(l2tp_msg_name(5), "?");
}

#define CASE(f) cmocka_unit_test_teardown(f, clear)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(t_tunnel_matrix), CASE(t_call_matrix), CASE(t_refused), CASE(t_silent), CASE(t_sccrp),
		CASE(t_sccrq_again), CASE(t_stop_without_id), CASE(t_call_limit), CASE(t_tunnel_limit),
		CASE(t_tie), CASE(t_superseded), CASE(t_told), CASE(t_told_session), CASE(t_many),
		CASE(t_many_dialled), CASE(t_cause), CASE(t_proxy), CASE(t_clients), CASE(t_long_name), CASE(t_window_one), CASE(t_sequencing),
		CASE(t_flood), CASE(t_ids), CASE(t_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
