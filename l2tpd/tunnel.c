/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control connections: the table of RFC 2661 7.2.1, HELLO (5.5), and what
 * becomes of a message that is no good (7.1).
 *
 * With a secret in the settings both ends prove that they have it (5.1.1): our
 * SCCRQ or SCCRP has a Challenge, and a peer without the right answer is not
 * acceptable.
 *
 * deviation: without a secret a Challenge is answered without a Challenge
 * Response.  The client was authenticated by IPsec, and one that insists ends
 * the tunnel itself.
 */
#include "l2tpd/tunnel.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum event {
	EV_OPEN,		/* local open request */
	EV_SCCRQ, EV_SCCRQ_BAD,	/* BAD: not acceptable */
	EV_SCCRP, EV_SCCRP_BAD,
	EV_SCCCN, EV_SCCCN_BAD,
	EV_STOPCCN,
	EV_LOSE,		/* SCCRQ, lose tie-breaker */
	EV_CLOSE,		/* admin tunnel close */
	EVENTS,
};

enum {
	SCCRQ = 1,		/* send it … */
	SCCRP = 2,
	SCCCN = 4,
	STOP = 8,
	OPEN = 16,		/* tunnel-open to waiting sessions */
	CLEAN = 32,		/* clean up */
};

#define IDLE L2TP_TUN_IDLE
#define WAIT_REPLY L2TP_TUN_WAIT_CTL_REPLY
#define WAIT_CONN L2TP_TUN_WAIT_CTL_CONN
#define ESTABLISHED L2TP_TUN_ESTABLISHED

/*
 * RFC 2661 7.2.1.  Not in it: an SCCRQ for a tunnel that waits for its reply
 * (one with a tunnel id of its own, so no collision) is out of sequence, and
 * 7.1 says clear; a local close before the tunnel is established does what it
 * does afterwards.
 */
static const struct cell {
	uint8_t act, next;
} table[L2TP_TUN_STATES][EVENTS] = {
	[L2TP_TUN_IDLE] = {
		[EV_OPEN] = { SCCRQ, WAIT_REPLY },
		[EV_SCCRQ] = { SCCRP, WAIT_CONN },
		[EV_SCCRQ_BAD] = { STOP | CLEAN, IDLE },
		[EV_SCCRP] = { STOP | CLEAN, IDLE }, [EV_SCCRP_BAD] = { STOP | CLEAN, IDLE },
		[EV_SCCCN] = { CLEAN, IDLE }, [EV_SCCCN_BAD] = { CLEAN, IDLE },
		[EV_STOPCCN] = { CLEAN, IDLE },
	},
	[L2TP_TUN_WAIT_CTL_REPLY] = {
		[EV_SCCRQ] = { STOP | CLEAN, IDLE }, [EV_SCCRQ_BAD] = { STOP | CLEAN, IDLE },
		[EV_SCCRP] = { SCCCN | OPEN, ESTABLISHED },
		[EV_SCCRP_BAD] = { STOP | CLEAN, IDLE },
		[EV_SCCCN] = { STOP | CLEAN, IDLE }, [EV_SCCCN_BAD] = { STOP | CLEAN, IDLE },
		[EV_STOPCCN] = { CLEAN, IDLE },
		[EV_LOSE] = { CLEAN, IDLE },
		[EV_CLOSE] = { STOP | CLEAN, IDLE },
	},
	[L2TP_TUN_WAIT_CTL_CONN] = {
		[EV_SCCRQ] = { STOP | CLEAN, IDLE }, [EV_SCCRQ_BAD] = { STOP | CLEAN, IDLE },
		[EV_SCCRP] = { STOP | CLEAN, IDLE }, [EV_SCCRP_BAD] = { STOP | CLEAN, IDLE },
		[EV_SCCCN] = { OPEN, ESTABLISHED },
		[EV_SCCCN_BAD] = { STOP | CLEAN, IDLE },
		[EV_STOPCCN] = { CLEAN, IDLE },
		[EV_CLOSE] = { STOP | CLEAN, IDLE },
	},
	[L2TP_TUN_ESTABLISHED] = {
		[EV_OPEN] = { OPEN, ESTABLISHED },
		[EV_SCCRQ] = { STOP | CLEAN, IDLE }, [EV_SCCRQ_BAD] = { STOP | CLEAN, IDLE },
		[EV_SCCRP] = { STOP | CLEAN, IDLE }, [EV_SCCRP_BAD] = { STOP | CLEAN, IDLE },
		[EV_SCCCN] = { STOP | CLEAN, IDLE }, [EV_SCCCN_BAD] = { STOP | CLEAN, IDLE },
		[EV_STOPCCN] = { CLEAN, IDLE },
		[EV_CLOSE] = { STOP | CLEAN, IDLE },
	},
};

/* Why an event happens: the codes that a StopCCN has, and what the owner is told. */
struct why {
	enum l2tp_reason reason;
	uint16_t result, error;
	const char *text;	/* Error Message, or NULL */
};

enum { VERSION_1_0 = 0x0100 };

enum {
	PROBE_MS = 6000,		/* three HELLOs, 2 s apart on the average … */
	PROBE_FRESH_MS = 2000,		/* … unless it was heard so recently */
	EXPIRE_EFFECTS = 16,		/* of calls that end by themselves, in one call of the core */
};

struct l2tp_tunnel *l2tp_tunnel_new(const struct l2tp_conf *conf)
{
	unsigned n = MIN(conf->max_sessions, (unsigned)L2TP_SESSIONS_MAX);
	struct l2tp_tunnel *t = calloc(1, sizeof(*t) + n * sizeof(t->session[0]));

	if (t)
		t->n_places = (uint16_t)n;
	return t;
}

void l2tp_tunnel_init(struct l2tp_tunnel *t, const struct l2tp_ctx *c, uint16_t id, uint16_t port,
	bool lac)
{
	t->id = id;
	t->port = port;
	t->lac = lac;
	t->born_ms = t->heard_ms = c->now_ms;
	xport_init(&t->x, c->conf->retransmit_ms);
}

unsigned l2tp_tunnel_calls(const struct l2tp_tunnel *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < t->n_places; i++)
		n += t->session[i].state != L2TP_SES_IDLE && t->session[i].state != L2TP_SES_CLOSING;
	return n;
}

struct l2tp_session *l2tp_tunnel_session(struct l2tp_tunnel *t, uint16_t id)
{
	for (unsigned i = 0; i < t->n_places; i++)
		if (t->session[i].state != L2TP_SES_IDLE && t->session[i].id == id)
			return &t->session[i];
	return NULL;
}

struct l2tp_session *l2tp_tunnel_peer_session(struct l2tp_tunnel *t, uint16_t peer_id)
{
	for (unsigned i = 0; i < t->n_places; i++)
		if (t->session[i].state != L2TP_SES_IDLE && t->session[i].state != L2TP_SES_CLOSING &&
		    t->session[i].peer_id == peer_id)
			return &t->session[i];
	return NULL;
}

/* ---- effects ---- */

struct l2tp_effect *l2tp_tunnel_tell(struct l2tp_ctx *c, const struct l2tp_tunnel *t,
	const struct l2tp_session *s, enum l2tp_effect_type type, enum l2tp_reason reason, uint16_t result,
	uint16_t error)
{
	struct l2tp_out *o = c->out;

	/* L2TP_EFFECTS_STATE has room for all that one call can end and begin. */
	if (o->n >= L2TP_EFFECTS_MAX)
		return NULL;
	o->eff[o->n] = (struct l2tp_effect){
		.type = type,
		.reason = reason,
		.tunnel = t->id,
		.peer_tunnel = t->peer_id,
		.session = s ? s->id : 0,
		.peer_session = s ? s->peer_id : 0,
		.port = t->port,
		.result = result,
		.error = error,
	};
	return &o->eff[o->n++];
}

void l2tp_tunnel_flush(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	struct l2tp_out *o = c->out;
	uint32_t resent = t->x.resent;

	if (t->state == ESTABLISHED)
		l2tp_session_pump(c, t);
	if (t->overflow && !t->gone)
		l2tp_tunnel_close(c, t, L2TP_REASON_NO_ACK, L2TP_STOP_ERROR, L2TP_ERR_RESOURCES);
	while (!t->dead && o->n_send < L2TP_EFFECTS_SEND && o->n < L2TP_EFFECTS_MAX) {
		size_t at = o->w.len;

		if (!xport_poll(&t->x, t->peer_id, c->now_ms, &o->w))
			break;
		o->eff[o->n++] = (struct l2tp_effect){
			.type = L2TP_EFF_SEND,
			.tunnel = t->id,
			.peer_tunnel = t->peer_id,
			.port = t->port,
			.data = o->buf + at,
			.len = o->w.len - at,
		};
		o->n_send++;
	}
	c->cnt[L2TP_CNT_RESENT] += t->x.resent - resent;
}

/* ---- messages of the tunnel itself ---- */

void l2tp_tunnel_send(struct l2tp_ctx *c, struct l2tp_tunnel *t, uint16_t peer_session,
	const struct l2tp_msg *m)
{
	uint8_t buf[XPORT_BODY_MAX], vector[L2TP_VECTOR];
	struct wr w = wr_of(buf, sizeof(buf));
	struct avp_hiding h = {
		.secret = rd_of(c->conf->secret, c->conf->secret_len), .vector = rd_of(vector, sizeof(vector)),
	};

	/* Not before the peer has seen our name and we its answer: it may choose the secret by
	 * them, as xl2tpd does, and has none until then. */
	if (c->conf->hide && h.secret.n && m->type != L2TP_SCCRQ && m->type != L2TP_SCCRP) {
		rng_bytes(c->rng, vector, sizeof(vector));
		l2tp_msg_write_hidden(&w, m, &h);
	} else {
		l2tp_msg_write(&w, m);
	}
	if (!xport_send(&t->x, peer_session, &w))
		t->overflow = true;
}

static struct rd secret_of(const struct l2tp_ctx *c)
{
	return rd_of(c->conf->secret, c->conf->secret_len);
}

/* The answer to the Challenge in `to`, if it is there and we have a secret. */
static void answer(const struct l2tp_ctx *c, struct l2tp_msg *m, const struct l2tp_msg *to,
	uint8_t buf[static L2TP_RESPONSE])
{
	if (!to || !c->conf->secret_len || !L2TP_HAS(to, AVP_CHALLENGE) ||
	    !l2tp_response((uint8_t)m->type, secret_of(c), to->challenge, buf))
		return;
	m->has |= 1ull << AVP_CHALLENGE_RESPONSE;
	m->response = rd_of(buf, L2TP_RESPONSE);
}

/* SCCRQ (6.1) and SCCRP (6.2) say nearly the same; to: the SCCRQ that is answered. */
static void send_start(struct l2tp_ctx *c, struct l2tp_tunnel *t, enum l2tp_msg_type type,
	const struct l2tp_msg *to)
{
	uint8_t response[L2TP_RESPONSE];
	const char *host = c->conf->host_name, *vendor = c->conf->vendor_name;
	struct l2tp_msg m = {
		.type = type,
		.has = 1ull << AVP_PROTOCOL_VERSION | 1ull << AVP_FRAMING_CAPABILITIES |
		       1ull << AVP_HOST_NAME | 1ull << AVP_ASSIGNED_TUNNEL_ID |
		       1ull << AVP_RECEIVE_WINDOW_SIZE | 1ull << AVP_FIRMWARE_REVISION,
		.version = VERSION_1_0,
		.framing_capabilities = 3,	/* asynchronous and synchronous */
		.host_name = rd_of(host, strnlen(host, L2TP_NAME_MAX)),
		.tunnel = t->id,
		.rws = c->conf->rws,
		.firmware = 1,
	};

	if (vendor[0]) {
		m.has |= 1ull << AVP_VENDOR_NAME;
		m.vendor_name = rd_of(vendor, strnlen(vendor, L2TP_NAME_MAX));
	}
	answer(c, &m, to, response);
	if (c->conf->secret_len) {
		rng_bytes(c->rng, t->challenge, sizeof(t->challenge));
		m.has |= 1ull << AVP_CHALLENGE;
		m.challenge = rd_of(t->challenge, sizeof(t->challenge));
	}
	if (type == L2TP_SCCRQ && c->conf->tie_breaker) {
		t->tie = true;
		rng_bytes(c->rng, t->tie_breaker, sizeof(t->tie_breaker));
		m.has |= 1ull << AVP_TIE_BREAKER;
		m.tie_breaker = rd_of(t->tie_breaker, sizeof(t->tie_breaker));
	}
	l2tp_tunnel_send(c, t, 0, &m);
}

static void send_scccn(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_msg *to)
{
	uint8_t response[L2TP_RESPONSE];
	struct l2tp_msg m = { .type = L2TP_SCCCN };

	answer(c, &m, to, response);
	l2tp_tunnel_send(c, t, 0, &m);
}

static void send_stop(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct why *why)
{
	uint8_t buf[XPORT_LAST];
	struct wr w = wr_of(buf, sizeof(buf));
	struct l2tp_msg m = {
		.type = L2TP_STOPCCN,
		.has = 1ull << AVP_ASSIGNED_TUNNEL_ID | 1ull << AVP_RESULT_CODE,
		.tunnel = t->id,
		.result = why->result,
		.error = why->error,
	};

	if (why->text)
		m.error_text = rd_of(why->text, strlen(why->text));
	l2tp_msg_write(&w, &m);
	/* What waits for a place in the window is for sessions that go with the tunnel (5.7). */
	xport_send_last(&t->x, &w);
}

/* ---- the state machine ---- */

static void open_up(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	if (!t->was_up) {
		t->was_up = true;
		t->idle_ms = c->now_ms;
		l2tp_tunnel_tell(c, t, NULL, L2TP_EFF_TUNNEL_UP, L2TP_REASON_NONE, 0, 0);
	}
	/* Calls that wait for it: l2tp_session_pump(). */
}

static void clean(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct why *why)
{
	unsigned before = c->out->n;

	for (unsigned i = 0; i < t->n_places; i++)
		if (t->session[i].state != L2TP_SES_IDLE)
			l2tp_session_drop(c, t, &t->session[i], c->out->n - before < L2TP_TOLD_MAX);
	l2tp_tunnel_tell(c, t, NULL, L2TP_EFF_TUNNEL_GONE, why->reason, why->result, why->error);
	t->gone = true;
	t->linger_ms = c->now_ms + xport_cycle_ms(c->conf->retransmit_ms, c->conf->retransmit_max);
}

/* m: the message that the event is, or NULL. */
static void step(struct l2tp_ctx *c, struct l2tp_tunnel *t, enum event ev, const struct why *why,
	const struct l2tp_msg *m)
{
	const struct cell *cell = &table[t->state][ev];

	if (!cell->act)
		return;
	t->state = cell->next;
	if (cell->act & SCCRQ)
		send_start(c, t, L2TP_SCCRQ, NULL);
	if (cell->act & SCCRP)
		send_start(c, t, L2TP_SCCRP, m);
	if (cell->act & SCCCN)
		send_scccn(c, t, m);
	if (cell->act & OPEN)
		open_up(c, t);
	if (cell->act & STOP)
		send_stop(c, t, why);
	if (cell->act & CLEAN)
		clean(c, t, why);
}

void l2tp_tunnel_dial(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	const struct why none = { 0 };

	step(c, t, EV_OPEN, &none, NULL);
}

void l2tp_tunnel_close(struct l2tp_ctx *c, struct l2tp_tunnel *t, enum l2tp_reason reason,
	uint16_t result, uint16_t error)
{
	const struct why why = { reason, result, error, NULL };

	if (!t->gone)
		step(c, t, EV_CLOSE, &why, NULL);
}

void l2tp_tunnel_lose(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	const struct why why = { .reason = L2TP_REASON_TIE };

	step(c, t, EV_LOSE, &why, NULL);
	/* "silently discard": nothing to retransmit, nobody to acknowledge. */
	t->dead = t->gone;
}

/* The peer vanished: there is nobody to tell. */
static void lost(struct l2tp_ctx *c, struct l2tp_tunnel *t, enum l2tp_reason reason)
{
	const struct why why = { .reason = reason };

	if (!t->gone) {
		clean(c, t, &why);
		t->state = IDLE;
	}
	t->dead = true;
}

/* What SCCRQ and SCCRP tell about the peer. */
static void learn(struct l2tp_tunnel *t, const struct l2tp_msg *m)
{
	struct rd name = m->host_name;

	t->peer_id = m->tunnel;
	if (L2TP_HAS(m, AVP_RECEIVE_WINDOW_SIZE))
		xport_set_rws(&t->x, m->rws);
	/* Apple's clients count the string's NUL in. */
	while (name.n && !name.p[name.n - 1])
		name.n--;
	str_escape(t->host_name, sizeof(t->host_name), name.p, name.n);
}

/* 5.1.1: with a secret, whether the answer to our Challenge is right; *why says that it is not. */
static bool proven(struct l2tp_ctx *c, const struct l2tp_tunnel *t, const struct l2tp_msg *m, struct why *why)
{
	if (m->bad)
		return false;
	if (!c->conf->secret_len ||
	    (L2TP_HAS(m, AVP_CHALLENGE_RESPONSE) &&
	     l2tp_response_ok((uint8_t)m->type, secret_of(c), rd_of(t->challenge, sizeof(t->challenge)),
		     m->response)))
		return true;
	*why = (struct why){ L2TP_REASON_AUTH, L2TP_STOP_AUTH, 0, NULL };
	c->cnt[L2TP_CNT_AUTH]++;
	return false;
}

/*
 * Whether an SCCRQ or SCCRP is acceptable; *why says how it is not.  A major
 * version other than ours is not (4.4.2, Result Code 5); a revision above ours
 * is the peer's to step down from.
 */
static bool acceptable(struct l2tp_ctx *c, const struct l2tp_msg *m, struct why *why)
{
	if (m->bad)
		return false;
	if (m->version >> 8 != VERSION_1_0 >> 8) {
		*why = (struct why){ L2TP_REASON_REFUSED, L2TP_STOP_VERSION, VERSION_1_0, NULL };
		c->cnt[L2TP_CNT_REFUSED]++;
		return false;
	}
	return true;
}

/* 7.1: what is out of sequence clears the connection, and so does a bad AVP with M (4.1). */
static struct why fault(const struct l2tp_msg *m)
{
	if (m->bad)
		return (struct why){ L2TP_REASON_PROTOCOL, L2TP_STOP_ERROR, m->bad, m->bad_text };
	return (struct why){ L2TP_REASON_PROTOCOL, L2TP_STOP_FSM, 0, NULL };
}

void l2tp_tunnel_accept(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_hdr *h,
	const struct l2tp_msg *m, bool full)
{
	struct why why = fault(m);
	bool ok;

	(void)xport_input(&t->x, h, c->now_ms);
	if (m->bad)
		c->cnt[L2TP_CNT_BAD]++;
	learn(t, m);
	ok = acceptable(c, m, &why);
	if (ok && full) {
		why = (struct why){ L2TP_REASON_REFUSED, L2TP_STOP_ERROR, L2TP_ERR_RESOURCES, NULL };
		c->cnt[L2TP_CNT_REFUSED]++;
		ok = false;
	}
	step(c, t, ok ? EV_SCCRQ : EV_SCCRQ_BAD, &why, m);
}

/* A message about calls; they exist in an established tunnel only. */
static void call_message(struct l2tp_ctx *c, struct l2tp_tunnel *t, uint16_t session,
	const struct l2tp_msg *m)
{
	const struct why why = fault(m);
	struct l2tp_session *s = NULL;

	if (t->state != ESTABLISHED) {
		c->cnt[L2TP_CNT_ILLEGAL]++;
		step(c, t, EV_CLOSE, &why, m);
		return;
	}
	if (session)
		s = l2tp_tunnel_session(t, session);
	else if (m->type == L2TP_CDN && m->session)
		/* 4.4.4: from a peer that had no id of ours yet */
		s = l2tp_tunnel_peer_session(t, m->session);
	l2tp_session_message(c, t, s, session, m);
}

static void start_message(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_msg *m)
{
	struct why why = fault(m);
	bool good;

	switch (m->type) {
	case L2TP_SCCRQ:
		c->cnt[L2TP_CNT_ILLEGAL]++;
		step(c, t, EV_SCCRQ, &why, m);
		break;
	case L2TP_SCCRP:
		good = acceptable(c, m, &why);
		if (t->state != WAIT_REPLY) {
			c->cnt[L2TP_CNT_ILLEGAL]++;
		} else {
			learn(t, m);
			good = good && proven(c, t, m, &why);
		}
		step(c, t, good ? EV_SCCRP : EV_SCCRP_BAD, &why, m);
		break;
	default:
		good = !m->bad;
		if (t->state != WAIT_CONN)
			c->cnt[L2TP_CNT_ILLEGAL]++;
		else
			good = proven(c, t, m, &why);
		step(c, t, good ? EV_SCCCN : EV_SCCCN_BAD, &why, m);
		break;
	}
}

/* The next message in order, of a tunnel that is not gone. */
static void message(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_hdr *h)
{
	struct l2tp_msg m;
	struct why why;

	if (l2tp_msg_parse_secret(h->body, secret_of(c), &m) == L2TP_PARSE_IGNORE)
		return;
	if (l2tp_msg_is_call(m.type)) {
		call_message(c, t, h->session, &m);
		return;
	}
	if (m.bad)
		c->cnt[L2TP_CNT_BAD]++;
	why = fault(&m);
	switch (m.type) {
	case L2TP_SCCRQ:
	case L2TP_SCCRP:
	case L2TP_SCCCN:
		start_message(c, t, &m);
		break;
	case L2TP_STOPCCN:
		/* Before SCCRP the peer's id is in this message only; our ZLB needs it. */
		if (!t->peer_id)
			t->peer_id = m.tunnel;
		t->stopped_by_peer = true;
		why = (struct why){ L2TP_REASON_PEER, m.result, m.error, NULL };
		step(c, t, EV_STOPCCN, &why, &m);
		break;
	default:
		/* HELLO, which xport has answered already, and what could not be read at all. */
		if (m.bad)
			step(c, t, EV_CLOSE, &why, &m);
		break;
	}
}

void l2tp_tunnel_input(struct l2tp_ctx *c, struct l2tp_tunnel *t, const struct l2tp_hdr *h)
{
	struct l2tp_hdr next = *h;

	switch (xport_input(&t->x, h, c->now_ms)) {
	case XPORT_DROP:
		c->cnt[L2TP_CNT_WINDOW]++;
		return;
	case XPORT_DUP:
		c->cnt[L2TP_CNT_DUPLICATE]++;
		/* A late copy of the SCCRQ says nothing about who lives now. */
		if (!h->tunnel)
			return;
		break;
	case XPORT_ACK:
	case XPORT_EARLY:
		break;
	case XPORT_NEW:
		do {
			/* Once gone it acknowledges, no more. */
			if (!t->gone)
				message(c, t, &next);
		} while (xport_next(&t->x, &next));
		break;
	}
	t->heard_ms = c->now_ms;
}

/* ---- time ---- */

static bool hello_waits(const struct l2tp_tunnel *t)
{
	return t->hello && xport_outstanding(&t->x, t->hello_ns);
}

/*
 * When to send a HELLO, or to give up on the one that waits.  Whatever was
 * heard since it was sent answers it (some clients never do, and their data
 * proves them as well); it stays in the queue, is sent again and again, and so
 * asks the next time too, after the same silence.
 */
static uint64_t hello_deadline(const struct l2tp_tunnel *t, const struct l2tp_conf *conf)
{
	uint64_t ask_ms = t->heard_ms + conf->hello_interval_ms;

	if (t->state != ESTABLISHED || !conf->hello_interval_ms)
		return UINT64_MAX;
	if (!hello_waits(t))
		return ask_ms;
	return (t->heard_ms > t->hello_ms ? ask_ms : t->hello_ms) + conf->hello_timeout_ms;
}

static uint64_t idle_deadline(const struct l2tp_tunnel *t, const struct l2tp_conf *conf)
{
	return t->state == ESTABLISHED && !l2tp_tunnel_calls(t) ? t->idle_ms + conf->idle_timeout_ms
								: UINT64_MAX;
}

static uint64_t setup_deadline(const struct l2tp_tunnel *t, const struct l2tp_conf *conf)
{
	return t->state == ESTABLISHED ? UINT64_MAX : t->born_ms + conf->setup_timeout_ms;
}

/* A call in the tunnel that is not yet established. */
static uint64_t call_deadline(const struct l2tp_session *s, const struct l2tp_conf *conf)
{
	return s->state == L2TP_SES_WAIT_REPLY || s->state == L2TP_SES_WAIT_CONNECT
		       ? s->born_ms + conf->setup_timeout_ms
		       : UINT64_MAX;
}

static void send_hello(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	const struct l2tp_msg m = { .type = L2TP_HELLO };

	t->hello = true;
	t->hello_ns = xport_ns(&t->x);
	t->hello_ms = c->now_ms;
	l2tp_tunnel_send(c, t, 0, &m);
}

/* Within the same millisecond, too: nothing had been heard for PROBE_FRESH_MS when it was asked. */
static bool probe_answered(const struct l2tp_tunnel *t)
{
	return t->heard_ms >= t->probe_ms;
}

static uint64_t probe_deadline(const struct l2tp_tunnel *t)
{
	return t->state != ESTABLISHED || !t->probe_ms || probe_answered(t) ? UINT64_MAX : t->probe_ms + PROBE_MS;
}

bool l2tp_tunnel_probe(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	if (c->now_ms < t->heard_ms + PROBE_FRESH_MS)
		return false;
	if (t->probe_ms && !probe_answered(t))
		return true;
	t->probe_ms = c->now_ms;
	/* Sent at once, after 1 and after 3 seconds, with the usual intervals. */
	if (hello_waits(t))
		xport_again(&t->x, c->now_ms);
	else
		send_hello(c, t);
	return true;
}

/* False: the peer does not acknowledge. */
static bool expire_xport(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	/* A HELLO at the queue's head is judged by hello_deadline(), and sent again until then. */
	bool patient = !t->gone && hello_waits(t) && t->hello_ns == t->x.una;

	return xport_expire(&t->x, patient ? UINT32_MAX : c->conf->retransmit_max, c->now_ms);
}

void l2tp_tunnel_expire(struct l2tp_ctx *c, struct l2tp_tunnel *t)
{
	const struct l2tp_conf *conf = c->conf;

	if (!expire_xport(c, t)) {
		lost(c, t, L2TP_REASON_NO_ACK);
		return;
	}
	if (t->gone) {
		t->dead = c->now_ms >= t->linger_ms;
		return;
	}
	if (c->now_ms >= probe_deadline(t)) {
		lost(c, t, L2TP_REASON_SUPERSEDED);
		return;
	}
	if (c->now_ms >= hello_deadline(t, conf)) {
		if (hello_waits(t)) {
			lost(c, t, L2TP_REASON_HELLO);
			return;
		}
		send_hello(c, t);
	}
	/* The rest at once afterwards: their time is over, so it is the deadline. */
	for (unsigned i = 0; i < t->n_places && c->out->n < EXPIRE_EFFECTS; i++)
		if (c->now_ms >= call_deadline(&t->session[i], conf))
			l2tp_session_end(c, t, &t->session[i], L2TP_REASON_SETUP, L2TP_CDN_TIMEOUT, 0, NULL);
	if (c->now_ms >= setup_deadline(t, conf))
		l2tp_tunnel_close(c, t, L2TP_REASON_SETUP, L2TP_STOP_GENERAL, 0);
	else if (c->now_ms >= idle_deadline(t, conf))
		l2tp_tunnel_close(c, t, L2TP_REASON_IDLE, L2TP_STOP_GENERAL, 0);
}

uint64_t l2tp_tunnel_deadline(const struct l2tp_tunnel *t, const struct l2tp_conf *conf)
{
	uint64_t at = xport_deadline(&t->x);

	if (t->gone)
		return MIN(at, t->linger_ms);
	at = MIN(at, hello_deadline(t, conf));
	at = MIN(at, probe_deadline(t));
	at = MIN(at, idle_deadline(t, conf));
	at = MIN(at, setup_deadline(t, conf));
	for (unsigned i = 0; i < t->n_places; i++)
		at = MIN(at, call_deadline(&t->session[i], conf));
	return at;
}
