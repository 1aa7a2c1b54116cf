/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Incoming calls: the tables of RFC 2661 7.4.1 and 7.4.2.  Outgoing calls
 * (7.5) are refused.
 *
 * A message for a session that is not there meets the row "idle", on a
 * session made for the occasion; only an acceptable ICRQ gets a place.
 */
#include "l2tpd/session.h"

#include <string.h>

#include "base/util.h"
#include "l2tpd/tunnel.h"

enum event {
	EV_OPEN,		/* tunnel-open */
	EV_ICRQ, EV_ICRQ_BAD,	/* BAD: not acceptable */
	EV_ICRP, EV_ICRP_BAD,
	EV_ICCN, EV_ICCN_BAD,
	EV_CDN,
	EV_CLOSE,		/* local close request */
	EVENTS,
};

enum {
	ICRQ = 1,		/* send it … */
	ICRP = 2,
	ICCN = 4,
	CDN = 8,
	UP = 16,		/* prepare for data */
	CLEAN = 32,		/* clean up */
	LEGAL = 64,		/* a cell that the RFC expects of a peer without faults */
};

#define IDLE L2TP_SES_IDLE
#define ESTABLISHED L2TP_SES_ESTABLISHED

struct cell {
	uint8_t act, next;
};

/* Over, but for a CDN that waits: nothing but the peer's own matters. */
#define CLOSING_ROW { \
	[EV_ICRQ ... EV_ICCN_BAD] = { LEGAL, L2TP_SES_CLOSING }, \
	[EV_CDN] = { CLEAN | LEGAL, IDLE }, \
	[EV_CLOSE] = { LEGAL, L2TP_SES_CLOSING }, \
}

/* RFC 2661 7.4.1.  Two events are not in it: a local close in wait-tunnel has no one to
 * tell, and an idle LAC that gets an ICRQ answers as in wait-reply. */
static const struct cell lac_table[L2TP_SES_STATES][EVENTS] = {
	[L2TP_SES_IDLE] = {
		[EV_ICRQ] = { CDN | CLEAN, IDLE }, [EV_ICRQ_BAD] = { CDN | CLEAN, IDLE },
		[EV_ICRP] = { CLEAN, IDLE }, [EV_ICRP_BAD] = { CLEAN, IDLE },
		[EV_ICCN] = { CLEAN, IDLE }, [EV_ICCN_BAD] = { CLEAN, IDLE },
		[EV_CDN] = { CLEAN | LEGAL, IDLE },
	},
	[L2TP_SES_WAIT_TUNNEL] = {
		[EV_OPEN] = { ICRQ | LEGAL, L2TP_SES_WAIT_REPLY },
		[EV_CLOSE] = { CLEAN | LEGAL, IDLE },
	},
	[L2TP_SES_WAIT_REPLY] = {
		[EV_ICRQ] = { CDN | CLEAN, IDLE }, [EV_ICRQ_BAD] = { CDN | CLEAN, IDLE },
		[EV_ICRP] = { ICCN | UP | LEGAL, ESTABLISHED },
		[EV_ICRP_BAD] = { CDN | CLEAN, IDLE },
		[EV_ICCN] = { CLEAN, IDLE }, [EV_ICCN_BAD] = { CLEAN, IDLE },
		[EV_CDN] = { CLEAN | LEGAL, IDLE },
		[EV_CLOSE] = { CDN | CLEAN | LEGAL, IDLE },
	},
	[L2TP_SES_ESTABLISHED] = {
		[EV_ICRQ] = { CDN | CLEAN, IDLE }, [EV_ICRQ_BAD] = { CDN | CLEAN, IDLE },
		[EV_ICRP] = { CDN | CLEAN, IDLE }, [EV_ICRP_BAD] = { CDN | CLEAN, IDLE },
		[EV_ICCN] = { CDN | CLEAN, IDLE }, [EV_ICCN_BAD] = { CDN | CLEAN, IDLE },
		[EV_CDN] = { CLEAN | LEGAL, IDLE },
		[EV_CLOSE] = { CDN | CLEAN | LEGAL, IDLE },
	},
	[L2TP_SES_CLOSING] = CLOSING_ROW,
};

/* RFC 2661 7.4.2 */
static const struct cell lns_table[L2TP_SES_STATES][EVENTS] = {
	[L2TP_SES_IDLE] = {
		[EV_ICRQ] = { ICRP | LEGAL, L2TP_SES_WAIT_CONNECT },
		[EV_ICRQ_BAD] = { CDN | CLEAN | LEGAL, IDLE },
		[EV_ICRP] = { CDN | CLEAN, IDLE }, [EV_ICRP_BAD] = { CDN | CLEAN, IDLE },
		[EV_ICCN] = { CLEAN, IDLE }, [EV_ICCN_BAD] = { CLEAN, IDLE },
		[EV_CDN] = { CLEAN | LEGAL, IDLE },
	},
	[L2TP_SES_WAIT_CONNECT] = {
		[EV_ICRQ] = { CDN | CLEAN, IDLE }, [EV_ICRQ_BAD] = { CDN | CLEAN, IDLE },
		[EV_ICRP] = { CDN | CLEAN, IDLE }, [EV_ICRP_BAD] = { CDN | CLEAN, IDLE },
		[EV_ICCN] = { UP | LEGAL, ESTABLISHED },
		[EV_ICCN_BAD] = { CDN | CLEAN, IDLE },
		[EV_CDN] = { CLEAN | LEGAL, IDLE },
		[EV_CLOSE] = { CDN | CLEAN | LEGAL, IDLE },
	},
	[L2TP_SES_ESTABLISHED] = {
		[EV_ICRQ] = { CDN | CLEAN, IDLE }, [EV_ICRQ_BAD] = { CDN | CLEAN, IDLE },
		[EV_ICRP] = { CDN | CLEAN, IDLE }, [EV_ICRP_BAD] = { CDN | CLEAN, IDLE },
		[EV_ICCN] = { CDN | CLEAN, IDLE }, [EV_ICCN_BAD] = { CDN | CLEAN, IDLE },
		[EV_CDN] = { CLEAN | LEGAL, IDLE },
		[EV_CLOSE] = { CDN | CLEAN | LEGAL, IDLE },
	},
	[L2TP_SES_CLOSING] = CLOSING_ROW,
};

/* Why an event happens: the codes that a CDN has, and what the owner is told. */
struct why {
	enum l2tp_reason reason;
	uint16_t result, error;
	const char *text;	/* Error Message, or NULL */
	const struct l2tp_cause *cause;	/* RFC 3145, or NULL */
};

/* The most that these messages take in the queue, hidden or not. */
enum {
	CDN_ROOM = 192, ICRQ_ROOM = 192,
	STRAY_MS = 1000,	/* between CDNs for sessions that are not … */
	STRAY_GAP_MS = 3000,	/* … and after one that was */
};

static uint16_t new_id(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	uint16_t id;

	do {
		id = (uint16_t)rng_u32(c->rng);
	} while (!id || l2tp_tunnel_session(t, id));
	return id;
}

static struct l2tp_session *place(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	/* A reload may have lowered the limit that the tunnel's places were made by. */
	if (l2tp_tunnel_calls(t) >= c->conf->max_sessions)
		return NULL;
	for (unsigned i = 0; i < t->n_places; i++)
		if (t->session[i].state == IDLE)
			return &t->session[i];
	return NULL;
}

static void send_icrq(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_session *s)
{
	struct l2tp_msg m = {
		.type = L2TP_ICRQ,
		.has = 1ull << AVP_ASSIGNED_SESSION_ID | 1ull << AVP_CALL_SERIAL_NUMBER,
		.session = s->id,
		.call_serial = rng_u32(c->rng),
	};

	l2tp_tunnel_send(c, t, 0, &m);
}

static void send_icrp(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_session *s)
{
	struct l2tp_msg m = {
		.type = L2TP_ICRP, .has = 1ull << AVP_ASSIGNED_SESSION_ID, .session = s->id,
	};

	l2tp_tunnel_send(c, t, s->peer_id, &m);
}

static void send_iccn(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_session *s)
{
	/* No modem is there: the speed is for the books, the framing synchronous. */
	struct l2tp_msg m = {
		.type = L2TP_ICCN,
		.has = 1ull << AVP_TX_CONNECT_SPEED | 1ull << AVP_FRAMING_TYPE,
		.tx_speed = 1000000000,
		.framing_type = 1,
	};

	if (c->conf->sequencing)
		m.has |= 1ull << AVP_SEQUENCING_REQUIRED;

	l2tp_tunnel_send(c, t, s->peer_id, &m);
}

static struct rd news(struct l2tp_out *o, struct rd r)
{
	size_t at = o->news.len;

	wr_bytes(&o->news, r.p, r.n);
	return rd_of(o->news.p + at, o->news.bad ? 0 : r.n);
}

static void send_cdn(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_session *s,
	const struct why *why)
{
	struct l2tp_msg m = {
		.type = L2TP_CDN,
		.has = 1ull << AVP_RESULT_CODE | 1ull << AVP_ASSIGNED_SESSION_ID,
		.result = why->result,
		.error = why->error,
		/* The AVP MUST NOT be 0: a call that got no id here gets one for this message. */
		.session = s->id ? s->id : new_id(c, t),
	};

	if (why->text)
		m.error_text = rd_of(why->text, strlen(why->text));
	if (why->cause) {
		m.has |= 1ull << AVP_PPP_DISCONNECT_CAUSE;
		m.cause = *why->cause;
		m.cause.text.n = MIN(m.cause.text.n, (size_t)L2TP_TEXT_MAX);
	}
	l2tp_tunnel_send(c, t, s->peer_id, &m);
}

/* What a received message says of why, for the owner; borrowed from *m no more. */
static const struct l2tp_cause *cause_news(struct l2tp_ctx *c, const struct l2tp_msg *m)
{
	struct l2tp_out *o = c->out;
	struct l2tp_cause *n;

	if (!L2TP_HAS(m, AVP_PPP_DISCONNECT_CAUSE) || o->n_cause == N_ELEMENTS(o->cause))
		return NULL;
	n = &o->cause[o->n_cause++];
	*n = m->cause;
	n->text = news(o, m->cause.text);
	return n;
}

/* The same of a call that comes in. */
static const struct l2tp_call *call_news(struct l2tp_ctx *c, const struct l2tp_session *s,
	const struct l2tp_msg *m)
{
	static const uint64_t lcp = 1ull << AVP_LAST_SENT_LCP_CONFREQ | 1ull << AVP_LAST_RECEIVED_LCP_CONFREQ;
	struct l2tp_out *o = c->out;
	struct l2tp_call *n;
	size_t at = o->news.len;

	if (o->n_call == N_ELEMENTS(o->call))
		return NULL;
	n = &o->call[o->n_call++];
	*n = (struct l2tp_call){
		.sequencing = s->sequencing,
		.proxy_lcp = (m->has & lcp) == lcp,
		.initial_lcp = news(o, m->initial_lcp),
		.last_sent_lcp = news(o, m->last_sent_lcp),
		.last_received_lcp = news(o, m->last_received_lcp),
		.proxy_type = m->proxy_type,
		.proxy_id = (uint8_t)m->proxy_id,	/* 4.4.5: the high octet is reserved */
		.proxy_name = news(o, m->proxy_name),
		.proxy_challenge = news(o, m->proxy_challenge),
		.proxy_response = news(o, m->proxy_response),
	};
	if (o->news.bad) {
		/* No room: PPP begins anew, as if the LAC had said nothing. */
		*n = (struct l2tp_call){ .sequencing = n->sequencing };
		o->news.bad = false;
		o->news.len = at;
	}
	return n;
}

static void clean(struct l2tp_ctx *c, struct l2tp_tunnel *t, struct l2tp_session *s,
	enum l2tp_session_state was, const struct why *why, bool tell)
{
	struct l2tp_effect *eff;

	if (tell && was != L2TP_SES_CLOSING && (s->lac ? was != IDLE : was == ESTABLISHED)) {
		eff = l2tp_tunnel_tell(c, t, s, L2TP_EFF_SESSION_GONE, why->reason, why->result, why->error);
		if (eff)
			eff->cause = why->cause;
	}
	if (s->state != L2TP_SES_CLOSING)
		*s = (struct l2tp_session){ 0 };
	t->ended_ms = c->now_ms;
	if (was != IDLE && !l2tp_tunnel_calls(t))
		t->idle_ms = c->now_ms;
}

/* CDN, or a place in which it waits. */
static void end_call(struct l2tp_ctx *c, struct l2tp_tunnel *t, struct l2tp_session *s, bool placed,
	const struct why *why)
{
	if (xport_room(&t->x, CDN_ROOM)) {
		send_cdn(c, t, s, why);
	} else if (placed) {
		s->state = L2TP_SES_CLOSING;
		s->result = why->result;
		s->error = why->error;
	}
	/* One that has no place was an answer, and can be asked for again. */
}

/* m: the message that the event is, or NULL. */
static void step(struct l2tp_ctx *c, struct l2tp_tunnel *t, struct l2tp_session *s, enum event ev,
	const struct why *why, const struct l2tp_msg *m)
{
	enum l2tp_session_state was = s->state;
	const struct cell *cell = s->lac ? &lac_table[was][ev] : &lns_table[was][ev];
	struct l2tp_effect *eff;

	if (!(cell->act & LEGAL))
		c->cnt[L2TP_CNT_ILLEGAL]++;
	if (!cell->act)
		return;
	s->state = cell->next;
	if (cell->act & ICRQ)
		send_icrq(c, t, s);
	if (cell->act & ICRP)
		send_icrp(c, t, s);
	if (cell->act & ICCN)
		send_iccn(c, t, s);
	if (cell->act & CDN)
		end_call(c, t, s, was != IDLE, why);
	if (cell->act & UP) {
		eff = l2tp_tunnel_tell(c, t, s, L2TP_EFF_SESSION_UP, L2TP_REASON_NONE, 0, 0);
		if (eff && m)
			eff->call = call_news(c, s, m);
	}
	if (cell->act & CLEAN)
		clean(c, t, s, was, why, true);
}

/* A call that asks to be let in. */
static void icrq(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_msg *m, struct why *why)
{
	struct l2tp_session none = { .lac = t->lac, .peer_id = m->session };
	struct l2tp_session *s = m->session ? l2tp_tunnel_peer_session(t, m->session) : NULL;

	/* The same call twice, not as a retransmission: the peer is confused about that call. */
	if (s) {
		why->error = L2TP_ERR_SESSION_ID;
		step(c, t, s, EV_ICRQ, why, m);
		return;
	}
	if (m->bad) {
		step(c, t, &none, EV_ICRQ_BAD, why, m);
		return;
	}
	s = t->lac ? NULL : place(c, t);
	if (!s) {
		/* A LAC's tunnel takes no calls; an LNS has no place left now. */
		why->reason = L2TP_REASON_REFUSED;
		why->result = t->lac ? L2TP_CDN_NEVER_FACILITIES : L2TP_CDN_NO_FACILITIES;
		why->error = L2TP_ERR_NONE;
		c->cnt[L2TP_CNT_REFUSED]++;
		step(c, t, &none, EV_ICRQ_BAD, why, m);
		return;
	}
	*s = none;
	s->id = new_id(c, t);
	s->born_ms = c->now_ms;
	step(c, t, s, EV_ICRQ, why, m);
}

/* OCRQ: we have no line to dial out on (7.5.1, not acceptable). */
static void refuse_ocrq(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_msg *m)
{
	struct l2tp_session none = { .peer_id = m->session };
	const struct why why = { .result = L2TP_CDN_NEVER_FACILITIES };

	c->cnt[L2TP_CNT_REFUSED]++;
	end_call(c, t, &none, false, &why);
}

void l2tp_session_stray(struct l2tp_ctx *c, struct l2tp_tunnel *t, uint16_t session)
{
	/* Its Assigned Session ID is what the peer knows the call by (4.4.4). */
	const struct l2tp_session none = { .id = session };
	const struct why why = { .result = L2TP_CDN_ERROR, .error = L2TP_ERR_SESSION_ID };

	/* Not for what crossed a CDN of ours or the peer's on its way, and once in a while only. */
	if (t->state != L2TP_TUN_ESTABLISHED || !session || l2tp_tunnel_session(t, session) ||
	    c->now_ms < t->told_ms + STRAY_MS || (t->ended_ms && c->now_ms < t->ended_ms + STRAY_GAP_MS) ||
	    !xport_room(&t->x, CDN_ROOM))
		return;
	t->told_ms = c->now_ms;
	c->cnt[L2TP_CNT_TOLD]++;
	send_cdn(c, t, &none, &why);
}

void l2tp_session_message(struct l2tp_ctx *c, struct l2tp_tunnel *t, struct l2tp_session *s, uint16_t id,
	const struct l2tp_msg *m)
{
	struct l2tp_session none = { .lac = t->lac, .peer_id = m->session };
	struct why why = {
		.reason = L2TP_REASON_PROTOCOL,
		.result = L2TP_CDN_ERROR,
		.error = m->bad ? m->bad : L2TP_ERR_SESSION_ID,
		.text = m->bad ? m->bad_text : NULL,
	};

	if (m->bad)
		c->cnt[L2TP_CNT_BAD]++;
	if (!s && m->type != L2TP_ICRQ && m->type != L2TP_OCRQ) {
		c->cnt[L2TP_CNT_UNKNOWN_SESSION]++;
		s = &none;
	}
	switch (m->type) {
	case L2TP_ICRQ:
		if (s)
			step(c, t, s, EV_ICRQ, &why, m);
		else
			icrq(c, t, m, &why);
		break;
	case L2TP_ICRP:
		if (s->state == L2TP_SES_WAIT_REPLY && m->session)
			s->peer_id = m->session;
		step(c, t, s, m->bad ? EV_ICRP_BAD : EV_ICRP, &why, m);
		break;
	case L2TP_ICCN:
		if (!s->lac)
			s->sequencing = L2TP_HAS(m, AVP_SEQUENCING_REQUIRED);
		step(c, t, s, m->bad ? EV_ICCN_BAD : EV_ICCN, &why, m);
		break;
	case L2TP_CDN:
		why = (struct why){ L2TP_REASON_PEER, m->result, m->error, NULL, cause_news(c, m) };
		step(c, t, s, EV_CDN, &why, m);
		break;
	case L2TP_OCRQ:
		refuse_ocrq(c, t, m);
		break;
	case L2TP_WEN:
	case L2TP_SLI:
		/* Errors on a line that is none, and asynchronous framing: nothing to do. */
		if (s->state == IDLE)
			l2tp_session_stray(c, t, id);
		else if (m->bad)
			step(c, t, s, EV_CLOSE, &why, m);
		break;
	default:
		/* OCRP, OCCN: we never send OCRQ (7.5.2, idle: clean up). */
		c->cnt[L2TP_CNT_ILLEGAL]++;
		if (s->state != IDLE)
			step(c, t, s, EV_CLOSE, &why, m);
		break;
	}
}

struct l2tp_session *l2tp_session_dial(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	struct l2tp_session *s = place(c, t);

	if (!s)
		return NULL;
	*s = (struct l2tp_session){
		.id = new_id(c, t),
		.state = L2TP_SES_WAIT_TUNNEL,
		.lac = true,
		.sequencing = c->conf->sequencing,
		.born_ms = c->now_ms,
	};
	return s;
}

void l2tp_session_pump(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	for (unsigned i = 0; i < t->n_places; i++) {
		struct l2tp_session *s = &t->session[i];
		const struct why why = { .result = s->result, .error = s->error };

		if (s->state == L2TP_SES_WAIT_TUNNEL && xport_room(&t->x, ICRQ_ROOM)) {
			step(c, t, s, EV_OPEN, &why, NULL);
		} else if (s->state == L2TP_SES_CLOSING && xport_room(&t->x, CDN_ROOM)) {
			send_cdn(c, t, s, &why);
			*s = (struct l2tp_session){ 0 };
		}
	}
}

void l2tp_session_end(struct l2tp_ctx *c, struct l2tp_tunnel *t, struct l2tp_session *s,
	enum l2tp_reason reason, uint16_t result, uint16_t error, const struct l2tp_cause *cause)
{
	const struct why why = { reason, result, error, NULL, cause };

	step(c, t, s, EV_CLOSE, &why, NULL);
}

void l2tp_session_drop(struct l2tp_ctx *c, struct l2tp_tunnel *t, struct l2tp_session *s, bool tell)
{
	const struct why why = { .reason = L2TP_REASON_TUNNEL };
	enum l2tp_session_state was = s->state;

	s->state = IDLE;
	clean(c, t, s, was, &why, tell);
}
