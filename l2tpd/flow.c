/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tunnels of one client: which of them a datagram is for, how many there
 * may be, and the ids that all flows of an engine share.
 */
#include "l2tpd/flow.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define SLOTS N_ELEMENTS(((struct l2tp_flow *)0)->tunnel)

const struct l2tp_conf l2tp_conf_default = {
	.rws = 8,
	.hello_interval_ms = 60000,
	.hello_timeout_ms = 30000,
	.retransmit_ms = 1000,
	.retransmit_max = 5,
	.setup_timeout_ms = 30000,
	.idle_timeout_ms = 16000,
	.max_tunnels = 2,
	.max_half_open = 2,
	.max_sessions = 4,
};

const char *l2tp_reason_str(enum l2tp_reason r)
{
	static const char *const names[L2TP_REASONS] = {
		[L2TP_REASON_NONE] = "none",
		[L2TP_REASON_PEER] = "closed by peer",
		[L2TP_REASON_ADMIN] = "closed by administrator",
		[L2TP_REASON_SHUTDOWN] = "shutdown",
		[L2TP_REASON_IDLE] = "no call",
		[L2TP_REASON_HELLO] = "hello timeout",
		[L2TP_REASON_NO_ACK] = "no acknowledgement",
		[L2TP_REASON_SETUP] = "setup timeout",
		[L2TP_REASON_SUPERSEDED] = "superseded",
		[L2TP_REASON_REFUSED] = "refused",
		[L2TP_REASON_PROTOCOL] = "protocol error",
		[L2TP_REASON_TIE] = "lost tie-breaker",
		[L2TP_REASON_AUTH] = "tunnel authentication failed",
		[L2TP_REASON_TUNNEL] = "tunnel gone",
	};

	return (unsigned)r < L2TP_REASONS ? names[r] : "?";
}

const char *l2tp_counter_name(enum l2tp_counter n)
{
	static const char *const names[L2TP_COUNTERS] = {
		[L2TP_CNT_MALFORMED] = "l2tp_ctl_malformed",
		[L2TP_CNT_UNKNOWN_TUNNEL] = "l2tp_ctl_unknown_tunnel",
		[L2TP_CNT_UNKNOWN_SESSION] = "l2tp_ctl_unknown_session",
		[L2TP_CNT_DUPLICATE] = "l2tp_ctl_duplicate",
		[L2TP_CNT_WINDOW] = "l2tp_ctl_window",
		[L2TP_CNT_BAD] = "l2tp_ctl_bad_avp",
		[L2TP_CNT_ILLEGAL] = "l2tp_ctl_illegal",
		[L2TP_CNT_REFUSED] = "l2tp_ctl_refused",
		[L2TP_CNT_RESENT] = "l2tp_ctl_resent",
		[L2TP_CNT_AUTH] = "l2tp_ctl_auth",
		[L2TP_CNT_TOLD] = "l2tp_ctl_told",
	};

	return (unsigned)n < L2TP_COUNTERS ? names[n] : "?";
}

void l2tp_out_init(struct l2tp_out *o)
{
	o->n = o->n_send = o->n_call = o->n_cause = 0;
	o->news = wr_of(o->said, sizeof(o->said));
	o->w = wr_of(o->buf, sizeof(o->buf));
}

/* ---- ids ---- */

void l2tp_ids_init(struct l2tp_ids *ids, const struct rng *seed)
{
	memset(ids, 0, sizeof(*ids));
	ids->rng = *seed;
}

static bool id_taken(const struct l2tp_ids *ids, uint16_t id)
{
	return ids->bits[id / 64] >> id % 64 & 1;
}

uint16_t l2tp_ids_take(struct l2tp_ids *ids)
{
	uint16_t id = (uint16_t)rng_u32(&ids->rng);

	if (ids->n >= 65535)
		return 0;
	/* A few more throws, then upwards from the last one: it ends also when nearly all are taken. */
	for (unsigned i = 0; i < 8 && (!id || id_taken(ids, id)); i++)
		id = (uint16_t)rng_u32(&ids->rng);
	while (!id || id_taken(ids, id))
		id++;
	ids->bits[id / 64] |= 1ull << id % 64;
	ids->n++;
	return id;
}

void l2tp_ids_release(struct l2tp_ids *ids, uint16_t id)
{
	if (!id || !id_taken(ids, id))
		return;
	ids->bits[id / 64] &= ~(1ull << id % 64);
	ids->n--;
}

/* ---- the flow ---- */

static struct l2tp_ctx context(struct l2tp_flow *f, uint64_t now_ms, struct l2tp_out *out)
{
	return (struct l2tp_ctx){
		.conf = f->conf, .rng = &f->rng, .cnt = f->cnt, .now_ms = now_ms, .out = out,
	};
}

void l2tp_flow_init(struct l2tp_flow *f, const struct l2tp_conf *conf, struct l2tp_ids *ids,
	const struct rng *seed)
{
	memset(f, 0, sizeof(*f));
	f->conf = conf;
	f->ids = ids;
	f->rng = *seed;
}

static void discard(struct l2tp_flow *f, unsigned slot)
{
	const struct l2tp_tunnel *t = f->tunnel[slot];

	if (!t)
		return;
	if (t->was_up) {
		/* Its number: what it did not acknowledge, it may not have. */
		f->past[f->next_past] = (struct l2tp_past){ t->id, t->peer_id, t->x.una, t->x.nr };
		f->next_past = (f->next_past + 1) % L2TP_LINGER_MAX;
	}
	l2tp_ids_release(f->ids, t->id);
	free(f->tunnel[slot]);
	f->tunnel[slot] = NULL;
}

void l2tp_flow_free(struct l2tp_flow *f)
{
	for (unsigned i = 0; i < SLOTS; i++)
		discard(f, i);
	f->own = false;
	memset(f->past, 0, sizeof(f->past));
}

/* Send what the call led to, and free what came to its end. */
static void finish(struct l2tp_ctx *c, struct l2tp_flow *f)
{
	for (unsigned i = 0; i < SLOTS; i++) {
		if (!f->tunnel[i])
			continue;
		l2tp_tunnel_flush(c, f->tunnel[i]);
		if (f->tunnel[i]->dead)
			discard(f, i);
	}
}

static unsigned live(const struct l2tp_flow *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOTS; i++)
		n += f->tunnel[i] && !f->tunnel[i]->gone;
	return n;
}

static unsigned limit(const struct l2tp_flow *f)
{
	return MIN(f->conf->max_tunnels, (unsigned)L2TP_TUNNELS_MAX);
}

static struct l2tp_tunnel *by_id(const struct l2tp_flow *f, uint16_t id)
{
	for (unsigned i = 0; i < SLOTS; i++)
		if (f->tunnel[i] && f->tunnel[i]->id == id)
			return f->tunnel[i];
	return NULL;
}

static struct l2tp_tunnel *by_peer(const struct l2tp_flow *f, uint16_t peer_id, uint16_t port)
{
	struct l2tp_tunnel *found = NULL;

	/* One that lives is meant before one that lingers with the same id. */
	for (unsigned i = 0; i < SLOTS; i++) {
		struct l2tp_tunnel *t = f->tunnel[i];

		if (t && t->peer_id == peer_id && t->port == port && (!found || found->gone))
			found = t;
	}
	return found;
}

/* A place in the flow's table; the one that lingers longest makes room. */
static unsigned free_slot(struct l2tp_flow *f)
{
	unsigned oldest = SLOTS;

	for (unsigned i = 0; i < SLOTS; i++) {
		if (!f->tunnel[i])
			return i;
		if (f->tunnel[i]->gone &&
		    (oldest == SLOTS || f->tunnel[i]->linger_ms < f->tunnel[oldest]->linger_ms))
			oldest = i;
	}
	if (oldest < SLOTS)
		discard(f, oldest);
	return oldest;
}

/* NULL: out of memory or of ids. */
static struct l2tp_tunnel *new_tunnel(struct l2tp_ctx *c, struct l2tp_flow *f, uint16_t port, bool lac)
{
	unsigned slot = free_slot(f);
	struct l2tp_tunnel *t;
	uint16_t id;

	if (slot == SLOTS)
		return NULL;
	t = l2tp_tunnel_new(f->conf);
	id = t ? l2tp_ids_take(f->ids) : 0;
	if (!id) {
		free(t);
		return NULL;
	}
	l2tp_tunnel_init(t, c, id, port, lac);
	f->tunnel[slot] = t;
	return t;
}

enum way {
	WAY_FREE,
	WAY_FULL,			/* its tunnels are all in use */
	WAY_LATER,			/* that is being found out: the request will come again */
};

/*
 * For a client that asks for a tunnel.  Its established ones are asked whether
 * they live: it may have vanished and be back.  At the limit the oldest tunnel
 * that is half open makes way: its client gave it up, or nobody is there.  An
 * established one does only when it stays silent.
 */
static enum way make_way(struct l2tp_ctx *c, struct l2tp_flow *f)
{
	struct l2tp_tunnel *oldest = NULL;
	unsigned half = 0;
	bool asked = false;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct l2tp_tunnel *t = f->tunnel[i];

		if (!t || t->gone || t->lac)
			continue;
		if (t->state == L2TP_TUN_ESTABLISHED) {
			asked |= l2tp_tunnel_probe(c, t);
			continue;
		}
		half++;
		if (!oldest || t->born_ms < oldest->born_ms)
			oldest = t;
	}
	if (live(f) < limit(f) && half < f->conf->max_half_open)
		return WAY_FREE;
	if (!oldest)
		return asked ? WAY_LATER : WAY_FULL;
	l2tp_tunnel_close(c, oldest, L2TP_REASON_SUPERSEDED, L2TP_STOP_GENERAL, 0);
	return WAY_FREE;
}

/*
 * Whether an SCCRQ that names the peer id of a tunnel we have is that tunnel's
 * own, sent again.  After the peer's StopCCN, or once it has ours, an id may
 * be used anew (Windows does so at once).
 */
static bool same_request(const struct l2tp_tunnel *t)
{
	if (!t->gone)
		return !t->lac;
	return !t->lac && !t->was_up && !t->stopped_by_peer && !xport_idle(&t->x);
}

/*
 * 4.4.3, Tie Breaker: the peer's request against ours that wait for a reply.
 * The lower value wins, one against none wins, equal ones both lose, and
 * without any there are two tunnels.  False: the peer's request lost.
 */
static bool break_tie(struct l2tp_ctx *c, struct l2tp_flow *f, const struct l2tp_msg *m)
{
	bool its = L2TP_HAS(m, AVP_TIE_BREAKER), stays = true;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct l2tp_tunnel *t = f->tunnel[i];
		int order;

		if (!t || t->state != L2TP_TUN_WAIT_CTL_REPLY || (!its && !t->tie))
			continue;
		order = !its ? 1 : !t->tie ? -1 : memcmp(m->tie_breaker.p, t->tie_breaker, sizeof(t->tie_breaker));
		if (order >= 0)
			stays = false;
		if (order <= 0)
			l2tp_tunnel_lose(c, t);
	}
	return stays;
}

static void sccrq(struct l2tp_ctx *c, struct l2tp_flow *f, const struct l2tp_hdr *h,
	const struct l2tp_msg *m, uint16_t port)
{
	struct l2tp_tunnel *t = m->tunnel ? by_peer(f, m->tunnel, port) : NULL;
	enum way way;

	if (t && same_request(t)) {
		l2tp_tunnel_input(c, t, h);
		return;
	}
	/* A connection begins with 0 (5.8); this is the middle of one that we do not have. */
	if (h->ns || h->nr) {
		f->cnt[L2TP_CNT_WINDOW]++;
		return;
	}
	if (!break_tie(c, f, m))
		return;
	/* One that is refused anyway pushes nobody out. */
	way = m->bad ? WAY_FREE : make_way(c, f);
	t = way == WAY_LATER ? NULL : new_tunnel(c, f, port, false);
	if (!t) {
		f->cnt[L2TP_CNT_REFUSED]++;
		return;
	}
	l2tp_tunnel_accept(c, t, h, m, way == WAY_FULL);
	f->own |= !t->gone;
}

/* Between StopCCNs for tunnels that are not. */
enum { TELL_MS = 1000 };

/*
 * Somebody uses a tunnel that is not there: StopCCN, so that it gives it up at
 * once, unless that could be meant for somebody else or tell him something.  We
 * have no state for it; what its numbers must be, the message says or the past.
 */
static void tell_no_tunnel(struct l2tp_ctx *c, struct l2tp_flow *f, uint16_t tunnel, uint16_t port,
	const struct l2tp_hdr *its)
{
	uint8_t buf[64];
	struct wr w = wr_of(buf, sizeof(buf));
	struct l2tp_msg m = {
		.type = L2TP_STOPCCN, .has = 1ull << AVP_ASSIGNED_TUNNEL_ID | 1ull << AVP_RESULT_CODE,
		.tunnel = tunnel, .result = L2TP_STOP_ERROR, .error = L2TP_ERR_NO_TUNNEL,
	};
	struct l2tp_hdr h = { 0 };
	size_t at = c->out->w.len;

	if (!f->own || !tunnel || id_taken(f->ids, tunnel) || (f->told_ms && c->now_ms < f->told_ms + TELL_MS))
		return;
	/* 4.4.3: a peer whose id we do not know finds its tunnel by the Assigned Tunnel ID. */
	for (unsigned i = 0; i < L2TP_LINGER_MAX; i++)
		if (f->past[i].id == tunnel)
			h = (struct l2tp_hdr){ f->past[i].peer_id, 0, f->past[i].ns, f->past[i].nr, { 0 } };
	if (its) {
		h.ns = its->nr;
		h.nr = (uint16_t)(its->ns + 1);
	}
	l2tp_msg_write(&w, &m);
	h.body = rd_of(buf, w.len);
	l2tp_hdr_write(&c->out->w, &h);
	c->out->eff[c->out->n++] = (struct l2tp_effect){
		.type = L2TP_EFF_SEND, .tunnel = tunnel, .peer_tunnel = h.tunnel, .port = port,
		.data = c->out->buf + at, .len = c->out->w.len - at,
	};
	c->out->n_send++;
	f->told_ms = c->now_ms;
	f->cnt[L2TP_CNT_TOLD]++;
}

/* A control message for a tunnel id that the flow does not have, or not from this port. */
static void unknown_tunnel(struct l2tp_ctx *c, struct l2tp_flow *f, const struct l2tp_hdr *h, uint16_t port)
{
	struct l2tp_msg m;

	f->cnt[L2TP_CNT_UNKNOWN_TUNNEL]++;
	/* A ZLB asks for nothing, and a StopCCN has what it wants. */
	if (!h->body.n)
		return;
	(void)l2tp_msg_parse(h->body, &m);
	if (m.type && m.type != L2TP_STOPCCN && m.type != L2TP_SCCRQ)
		tell_no_tunnel(c, f, h->tunnel, port, h);
}

/* The tunnel that we dialled and whose peer has no id yet; NULL where there is none, or more than one. */
static struct l2tp_tunnel *waiting(const struct l2tp_flow *f, uint16_t port)
{
	struct l2tp_tunnel *found = NULL;

	for (unsigned i = 0; i < SLOTS; i++) {
		struct l2tp_tunnel *t = f->tunnel[i];

		if (!t || t->state != L2TP_TUN_WAIT_CTL_REPLY || t->port != port)
			continue;
		if (found)
			return NULL;
		found = t;
	}
	return found;
}

/* Tunnel ID 0: the sender has no id of ours yet (4.4.3). */
static void without_id(struct l2tp_ctx *c, struct l2tp_flow *f, const struct l2tp_hdr *h,
	uint16_t port)
{
	struct l2tp_tunnel *t;
	struct l2tp_msg m;

	if (h->body.n) {
		(void)l2tp_msg_parse_secret(h->body, rd_of(f->conf->secret, f->conf->secret_len), &m);
		if (m.type == L2TP_SCCRQ) {
			sccrq(c, f, h, &m, port);
			return;
		}
		/* One that could not read our SCCRQ, say for the want of a secret, has no id to put there. */
		if (m.type == L2TP_STOPCCN && m.tunnel &&
		    ((t = by_peer(f, m.tunnel, port)) || (t = waiting(f, port)))) {
			l2tp_tunnel_input(c, t, h);
			return;
		}
	}
	f->cnt[L2TP_CNT_UNKNOWN_TUNNEL]++;
}

void l2tp_flow_input(struct l2tp_flow *f, struct rd datagram, uint16_t port, uint64_t now_ms,
	struct l2tp_out *out)
{
	struct l2tp_ctx c = context(f, now_ms, out);
	struct l2tp_tunnel *t;
	struct l2tp_hdr h;

	if (!l2tp_hdr_parse(datagram, &h)) {
		f->cnt[L2TP_CNT_MALFORMED]++;
		return;
	}
	if (!h.tunnel) {
		without_id(&c, f, &h, port);
	} else {
		t = by_id(f, h.tunnel);
		if (t && t->port == port)
			l2tp_tunnel_input(&c, t, &h);
		else
			unknown_tunnel(&c, f, &h, port);
	}
	finish(&c, f);
}

void l2tp_flow_stray(struct l2tp_flow *f, uint16_t tunnel, uint16_t session, uint16_t port, uint64_t now_ms,
	struct l2tp_out *out)
{
	struct l2tp_ctx c = context(f, now_ms, out);
	struct l2tp_tunnel *t = by_id(f, tunnel);

	if (!t)
		tell_no_tunnel(&c, f, tunnel, port, NULL);
	else if (!t->gone && t->port == port)
		l2tp_session_stray(&c, t, session);
	finish(&c, f);
}

void l2tp_flow_heard(struct l2tp_flow *f, uint16_t tunnel, uint64_t now_ms)
{
	struct l2tp_tunnel *t = by_id(f, tunnel);

	if (t)
		t->heard_ms = now_ms;
}

void l2tp_flow_expire(struct l2tp_flow *f, uint64_t now_ms, struct l2tp_out *out)
{
	struct l2tp_ctx c = context(f, now_ms, out);

	for (unsigned i = 0; i < SLOTS; i++)
		if (f->tunnel[i])
			l2tp_tunnel_expire(&c, f->tunnel[i]);
	finish(&c, f);
}

void l2tp_flow_ask(struct l2tp_flow *f, uint64_t now_ms, struct l2tp_out *out)
{
	struct l2tp_ctx c = context(f, now_ms, out);

	for (unsigned i = 0; i < SLOTS; i++) {
		struct l2tp_tunnel *t = f->tunnel[i];

		if (t && !t->gone && !t->lac && t->state == L2TP_TUN_ESTABLISHED)
			(void)l2tp_tunnel_probe(&c, t);
	}
	finish(&c, f);
}

uint64_t l2tp_flow_deadline(const struct l2tp_flow *f)
{
	uint64_t at = UINT64_MAX;

	for (unsigned i = 0; i < SLOTS; i++)
		if (f->tunnel[i])
			at = MIN(at, l2tp_tunnel_deadline(f->tunnel[i], f->conf));
	return at;
}

void l2tp_flow_close(struct l2tp_flow *f, enum l2tp_reason reason, uint64_t now_ms,
	struct l2tp_out *out)
{
	struct l2tp_ctx c = context(f, now_ms, out);
	enum l2tp_stop_result result =
		reason == L2TP_REASON_SHUTDOWN ? L2TP_STOP_SHUTDOWN : L2TP_STOP_GENERAL;

	for (unsigned i = 0; i < SLOTS; i++)
		if (f->tunnel[i])
			l2tp_tunnel_close(&c, f->tunnel[i], reason, result, 0);
	finish(&c, f);
}

bool l2tp_session_close(struct l2tp_flow *f, uint16_t tunnel, uint16_t session, uint16_t result,
	uint16_t error, uint64_t now_ms, struct l2tp_out *out)
{
	return l2tp_session_close_cause(f, tunnel, session, result, error, NULL, now_ms, out);
}

bool l2tp_session_close_cause(struct l2tp_flow *f, uint16_t tunnel, uint16_t session, uint16_t result,
	uint16_t error, const struct l2tp_cause *cause, uint64_t now_ms, struct l2tp_out *out)
{
	struct l2tp_ctx c = context(f, now_ms, out);
	struct l2tp_tunnel *t = by_id(f, tunnel);
	struct l2tp_session *s = t ? l2tp_tunnel_session(t, session) : NULL;

	if (!s)
		return false;
	l2tp_session_end(&c, t, s, L2TP_REASON_ADMIN, result, error, cause);
	finish(&c, f);
	return true;
}

uint16_t l2tp_flow_dial(struct l2tp_flow *f, uint16_t port, uint64_t now_ms, struct l2tp_out *out)
{
	struct l2tp_ctx c = context(f, now_ms, out);
	struct l2tp_tunnel *t = live(f) < limit(f) ? new_tunnel(&c, f, port, true) : NULL;
	uint16_t id;

	if (!t)
		return 0;
	id = t->id;
	(void)l2tp_session_dial(&c, t);
	l2tp_tunnel_dial(&c, t);
	finish(&c, f);
	return id;
}

uint16_t l2tp_flow_call(struct l2tp_flow *f, uint16_t tunnel, uint64_t now_ms, struct l2tp_out *out)
{
	struct l2tp_ctx c = context(f, now_ms, out);
	struct l2tp_tunnel *t = by_id(f, tunnel);
	struct l2tp_session *s = t && !t->gone && t->lac ? l2tp_session_dial(&c, t) : NULL;
	uint16_t id;

	if (!s)
		return 0;
	id = s->id;
	finish(&c, f);
	return id;
}

bool l2tp_flow_idle(const struct l2tp_flow *f)
{
	return !live(f);
}

const struct l2tp_tunnel *l2tp_flow_tunnel(const struct l2tp_flow *f, uint16_t tunnel)
{
	const struct l2tp_tunnel *t = by_id(f, tunnel);

	return t && !t->gone ? t : NULL;
}

const struct l2tp_session *l2tp_flow_session(const struct l2tp_flow *f, uint16_t tunnel,
	uint16_t session)
{
	struct l2tp_tunnel *t = by_id(f, tunnel);
	struct l2tp_session *s = t && !t->gone ? l2tp_tunnel_session(t, session) : NULL;

	return s && s->state == L2TP_SES_ESTABLISHED ? s : NULL;
}
