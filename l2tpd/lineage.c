/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/lineage.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* One flow that is asked for a virgin. */
struct lin_probe {
	uint64_t serial;		/* of that flow, which may end meanwhile; 0 = none */
	uint8_t nonce[LIN_NONCE];	/* one for all tries: it has one way to be known */
	uint8_t tries, rounds;
	uint64_t next_ms;		/* of the next try; UINT64_MAX = none */
	uint64_t from_ms;		/* of this round */
	uint64_t until_ms;		/* an answer counts until then */
};

/* What a virgin has to do with others. */
struct lin_join {
	bool looked;			/* candidates were chosen */
	bool barred;
	uint8_t misses;
	uint8_t n_named;
	uint64_t look_ms;		/* when to choose them */
	unsigned n;
	struct lin_probe probe[LIN_PROBES];
};

const char *lin_counter_name(enum lin_counter n)
{
	static const char *const names[LIN_COUNTERS] = {
		[LIN_CNT_PROBES] = "lineage_probes", [LIN_CNT_JOINS] = "lineage_joins",
		[LIN_CNT_MISSES] = "lineage_misses", [LIN_CNT_BARRED] = "lineage_barred",
	};

	return (unsigned)n < LIN_COUNTERS ? names[n] : "?";
}

void lin_out_init(struct lin_out *out)
{
	out->n = 0;
}

static struct lin_effect *effect(struct lin_out *out, enum lin_effect_type type, struct lin_flow *f)
{
	struct lin_effect *eff = &out->eff[out->n];

	if (out->n == LIN_EFFECTS)
		return NULL;
	out->n++;
	*eff = (struct lin_effect){ .type = type, .flow = f };
	return eff;
}

/* ---- who is there ---- */
static unsigned ip_hash(const struct addr *a)
{
	uint32_t h = 2166136261u;

	for (unsigned i = 0; i < sizeof(a->ip); i++)
		h = (h ^ a->ip[i]) * 16777619u;
	return (h ^ h >> 15) % LIN_BUCKETS;
}

void lin_book_init(struct lin_book *b, const struct rng *seed)
{
	memset(b, 0, sizeof(*b));
	b->rng = *seed;
	for (unsigned i = 0; i < LIN_BUCKETS; i++) {
		list_init(&b->by_id[i]);
		list_init(&b->by_ip[i]);
	}
}

void lin_flow_init(struct lin_book *b, struct lin_flow *f, const struct addr *peer, uint32_t conf)
{
	*f = (struct lin_flow){ .serial = ++b->serial, .first = *peer, .peer = *peer, .conf = conf };
	list_init(&f->lins);
	list_push(&b->by_ip[ip_hash(peer)], &f->by_ip);
	b->n_flow++;
}

/* It will not join, or has nobody to join any more. */
static void join_end(struct lin_flow *f)
{
	if (f->join)
		OPENSSL_cleanse(f->join, sizeof(*f->join));
	free(f->join);
	f->join = NULL;
}

void lin_flow_end(struct lin_book *b, struct lin_flow *f)
{
	join_end(f);
	list_del(&f->by_ip);
	b->n_flow--;
}

void lin_add(struct lin_book *b, struct lin *l, const struct lineage *id, struct lin_flow *f)
{
	*l = (struct lin){ .root = f, .id = *id };
	list_push(&b->by_id[id->counter % LIN_BUCKETS], &l->by_id);
	list_push(&f->lins, &l->of_root);
	b->n_lin++;
}

void lin_del(struct lin_book *b, struct lin *l)
{
	list_del(&l->by_id);
	list_del(&l->of_root);
	b->n_lin--;
}

struct lin *lin_find(const struct lin_book *b, const struct lineage *id)
{
	LIST_EACH(&b->by_id[id->counter % LIN_BUCKETS], i) {
		struct lin *l = CONTAINER_OF(i, struct lin, by_id);

		if (lineage_eq(&l->id, id))
			return l;
	}
	return NULL;
}

void lin_flow_moved(struct lin_book *b, struct lin_flow *f, const struct addr *peer)
{
	if (!addr_ip_eq(&f->peer, peer)) {
		list_del(&f->by_ip);
		list_push(&b->by_ip[ip_hash(peer)], &f->by_ip);
	}
	f->peer = *peer;
}

void lin_session_up(struct lin_flow *f, const struct lin_session *s)
{
	for (unsigned i = 0; i < f->n_session; i++)
		if (f->session[i].tunnel == s->tunnel && f->session[i].session == s->session)
			return;
	if (f->n_session < LIN_SESSIONS)
		f->session[f->n_session++] = *s;
}

void lin_session_gone(struct lin_flow *f, uint16_t tunnel, uint16_t session)
{
	for (unsigned i = 0; i < f->n_session; i++) {
		if (f->session[i].tunnel != tunnel || f->session[i].session != session)
			continue;
		f->session[i] = f->session[--f->n_session];
		return;
	}
}

const struct list *lin_at(const struct lin_book *b, const struct addr *peer)
{
	return &b->by_ip[ip_hash(peer)];
}

/* ---- whom to ask ---- */

/* May virgin f turn out to be x's client? */
static bool may_be(const struct lin_flow *f, const struct lin_flow *x)
{
	return x != f && x->own && x->n_session && x->pairs && x->conf == f->conf &&
		(addr_ip_eq(&x->peer, &f->peer) || addr_ip_eq(&x->peer, &f->first)) && !strcmp(x->ike_id, f->ike_id);
}

/* Where those are that f may be: at its address, or at the one that it had. */
struct places {
	const struct list *in[2];
	unsigned n;
};

static struct places places(const struct lin_book *b, const struct lin_flow *f)
{
	struct places p = { { &b->by_ip[ip_hash(&f->peer)], &b->by_ip[ip_hash(&f->first)] }, 2 };

	p.n = p.in[0] == p.in[1] ? 1 : 2;
	return p;
}

/* The flow that a probe is for; NULL: it ended, or is not as it was. */
static struct lin_flow *probed(const struct lin_book *b, const struct lin_flow *f, const struct lin_probe *p)
{
	struct places in = places(b, f);

	for (unsigned k = 0; k < in.n; k++) {
		LIST_EACH(in.in[k], i) {
			struct lin_flow *x = CONTAINER_OF(i, struct lin_flow, by_ip);

			if (x->serial == p->serial)
				return may_be(f, x) ? x : NULL;
		}
	}
	return NULL;
}

static struct lin_probe *probe_of(struct lin_join *j, const struct lin_flow *x)
{
	for (unsigned i = 0; i < j->n; i++)
		if (j->probe[i].serial == x->serial)
			return &j->probe[i];
	return NULL;
}

/* A round of Echo-Requests begins; there is room. */
static struct lin_probe *probe_new(struct lin_book *b, struct lin_join *j, const struct lin_flow *x, uint64_t now_ms)
{
	struct lin_probe *p = &j->probe[j->n++];

	*p = (struct lin_probe){ .serial = x->serial, .rounds = 1, .next_ms = now_ms, .from_ms = now_ms };
	rng_bytes(&b->rng, p->nonce, sizeof(p->nonce));
	return p;
}

/* Who had the virgin's very address goes before the others, then who is newer. */
static bool better(const struct lin_flow *f, const struct lin_flow *x, const struct lin_flow *than)
{
	bool a = addr_eq(&x->peer, &f->peer), z = addr_eq(&than->peer, &f->peer);

	return a != z ? a : x->serial > than->serial;
}

/* The best of those that may be asked and are not yet. */
static void look(struct lin_book *b, struct lin_flow *f, uint64_t now_ms)
{
	struct lin_join *j = f->join;
	struct lin_flow *best[LIN_CANDIDATES];
	unsigned n = 0;

	j->looked = true;
	LIST_EACH(&b->by_ip[ip_hash(&f->peer)], i) {
		struct lin_flow *x = CONTAINER_OF(i, struct lin_flow, by_ip);
		unsigned at = n;

		if (!may_be(f, x) || probe_of(j, x))
			continue;
		while (at > 0 && better(f, x, best[at - 1]))
			at--;
		if (at == LIN_CANDIDATES)
			continue;
		if (n < LIN_CANDIDATES)
			n++;
		memmove(best + at + 1, best + at, (n - 1 - at) * sizeof(best[0]));
		best[at] = x;
	}
	for (unsigned i = 0; i < n && j->n < LIN_PROBES; i++)
		(void)probe_new(b, j, best[i], now_ms);
}

/* Too many at once for one address: later. */
static bool rate_ok(struct lin_book *b, const struct lin_flow *f, uint64_t now_ms)
{
	struct lin_rate *r = &b->rate[ip_hash(&f->peer)];

	if (now_ms - r->from_ms >= 1000)
		*r = (struct lin_rate){ .from_ms = now_ms };
	if (r->sent >= LIN_RATE)
		return false;
	r->sent++;
	return true;
}

/* Send what is due of one probe. */
static void probe_expire(struct lin_book *b, struct lin_flow *f, struct lin_probe *p, uint64_t now_ms, struct lin_out *out)
{
	struct lin_effect *eff;
	struct lin_flow *x;

	if (now_ms < p->next_ms)
		return;
	x = probed(b, f, p);
	if (!x) {
		p->next_ms = UINT64_MAX;
		return;
	}
	if (!rate_ok(b, f, now_ms)) {
		p->next_ms = now_ms + LIN_RATE_WAIT_MS;
		return;
	}
	eff = effect(out, LIN_EFF_PROBE, x);
	if (!eff) {
		p->next_ms = now_ms + 1;
		return;
	}
	eff->at = x->session[0];
	if (!addr_eq(&x->peer, &f->peer))
		eff->also = f->peer;
	memcpy(eff->nonce, p->nonce, sizeof(eff->nonce));
	b->cnt[LIN_CNT_PROBES]++;
	p->until_ms = now_ms + LIN_NONCE_MS;
	p->next_ms = p->tries + 1 < LIN_TRIES ? now_ms + (1000ull << p->tries) : UINT64_MAX;
	p->tries++;
}

void lin_flow_ready(struct lin_flow *f, const char *ike_id, uint64_t now_ms)
{
	str_copy(f->ike_id, sizeof(f->ike_id), ike_id);
	if (f->own || f->join)
		return;
	f->join = calloc(1, sizeof(*f->join));
	/* Without memory its client dials again. */
	if (f->join)
		f->join->look_ms = now_ms + LIN_FIRST_MS;
}

void lin_expire(struct lin_book *b, struct lin_flow *f, uint64_t now_ms, struct lin_out *out)
{
	struct lin_join *j = f->join;

	if (!j || j->barred)
		return;
	if (!j->looked && now_ms >= j->look_ms)
		look(b, f, now_ms);
	for (unsigned i = 0; i < j->n; i++)
		probe_expire(b, f, &j->probe[i], now_ms, out);
}

uint64_t lin_deadline(const struct lin_flow *f)
{
	const struct lin_join *j = f->join;
	uint64_t at = UINT64_MAX;

	if (!j || j->barred)
		return at;
	if (!j->looked)
		at = j->look_ms;
	for (unsigned i = 0; i < j->n; i++)
		at = MIN(at, j->probe[i].next_ms);
	return at;
}

void lin_flow_own(struct lin_book *b, struct lin_flow *f, struct lin_out *out)
{
	if (f->own)
		return;
	f->own = true;
	/*
	 * Whoever was at this address and port is not there any more, dead or moved
	 * by its NAT: if it is dead, it need not be waited for.
	 */
	LIST_EACH(&b->by_ip[ip_hash(&f->peer)], i) {
		struct lin_flow *x = CONTAINER_OF(i, struct lin_flow, by_ip);

		if (may_be(f, x) && addr_eq(&x->peer, &f->peer))
			(void)effect(out, LIN_EFF_ASK, x);
	}
	join_end(f);
}

/* ---- the proof ---- */
static bool has_session(const struct lin_flow *x, const struct lin_seen *s)
{
	for (unsigned i = 0; i < x->n_session; i++)
		if (x->session[i].tunnel == s->tunnel && x->session[i].port == s->port &&
		    (s->control || x->session[i].session == s->session))
			return true;
	return false;
}

/* The flow that the virgin has proved to be, or NULL. */
static struct lin_flow *proved(const struct lin_book *b, const struct lin_flow *f, const struct lin_seen *s, uint64_t now_ms)
{
	struct lin_flow *ret = NULL;

	if (s->control || s->echo.n != LIN_NONCE)
		return NULL;
	/* All of them, whichever it is: the time says nothing. */
	for (unsigned i = 0; i < f->join->n; i++) {
		const struct lin_probe *p = &f->join->probe[i];
		bool same = !CRYPTO_memcmp(s->echo.p, p->nonce, LIN_NONCE);
		struct lin_flow *x;

		if (same && p->tries && now_ms < p->until_ms && (x = probed(b, f, p)) && has_session(x, s))
			ret = x;
	}
	return ret;
}

/* So many IKE_SAs are one client's; the oldest goes first. */
static void end_excess(struct lin_flow *x, struct lin_out *out)
{
	unsigned n = 0;

	LIST_EACH(&x->lins, i)
		n++;
	LIST_EACH(&x->lins, i) {
		struct lin_effect *eff;

		if (n-- <= LIN_LINEAGES)
			break;
		eff = effect(out, LIN_EFF_END, x);
		if (eff)
			eff->lin = CONTAINER_OF(i, struct lin, of_root);
	}
}

void lin_add_more(struct lin_book *b, struct lin *l, const struct lineage *id, struct lin_flow *x, struct lin_out *out)
{
	lin_add(b, l, id, x);
	end_excess(x, out);
}

/* The only place where a lineage gets another root. */
static void join(struct lin_book *b, struct lin_flow *f, struct lin_flow *x, struct lin_out *out)
{
	LIST_EACH(&f->lins, i) {
		struct lin *l = CONTAINER_OF(i, struct lin, of_root);

		list_del(&l->of_root);
		list_push(&x->lins, &l->of_root);
		l->root = x;
	}
	join_end(f);
	b->cnt[LIN_CNT_JOINS]++;
	end_excess(x, out);
	(void)effect(out, LIN_EFF_JOIN, x);
}

/* The flow whose ids a virgin's packet has, among those that it might be. */
static struct lin_flow *named(const struct lin_book *b, const struct lin_flow *f, const struct lin_seen *s)
{
	struct places in = places(b, f);

	for (unsigned k = 0; k < in.n; k++) {
		LIST_EACH(in.in[k], i) {
			struct lin_flow *x = CONTAINER_OF(i, struct lin_flow, by_ip);

			if (may_be(f, x) && has_session(x, s))
				return x;
		}
	}
	return NULL;
}

/* See that x is asked. False: it was, often enough. */
static bool ask(struct lin_book *b, struct lin_flow *f, struct lin_flow *x, uint64_t now_ms, struct lin_out *out)
{
	struct lin_join *j = f->join;
	struct lin_probe *p = probe_of(j, x);

	if (!p) {
		if (j->n_named == LIN_NAMED || j->n == LIN_PROBES)
			return false;
		j->n_named++;
		p = probe_new(b, j, x, now_ms);
	} else if (p->next_ms == UINT64_MAX && now_ms >= p->until_ms) {
		if (p->rounds == LIN_ROUNDS || now_ms - p->from_ms < LIN_AGAIN_MS)
			return false;
		p->rounds++;
		p->tries = 0;
		p->next_ms = p->from_ms = now_ms;
		rng_bytes(&b->rng, p->nonce, sizeof(p->nonce));
	}
	probe_expire(b, f, p, now_ms, out);
	return true;
}

enum lin_way lin_packet(struct lin_book *b, struct lin_flow *f, const struct lin_seen *s, uint64_t now_ms,
	struct lin_out *out)
{
	struct lin_join *j = f->join;
	struct lin_flow *x;

	if (f->own)
		return LIN_PASS;
	/* It has no id of ours yet: an SCCRQ, or nothing that would be answered. */
	if (s->control && !s->tunnel)
		return LIN_PASS;
	if (!j || j->barred)
		return LIN_DROP;
	x = proved(b, f, s, now_ms);
	if (x) {
		join(b, f, x, out);
		return LIN_PASS;
	}
	x = named(b, f, s);
	if (x)
		return ask(b, f, x, now_ms, out) ? LIN_HOLD : LIN_DROP;
	b->cnt[LIN_CNT_MISSES]++;
	if (j->misses++ == LIN_MISSES) {
		j->barred = true;
		b->cnt[LIN_CNT_BARRED]++;
	}
	return LIN_DROP;
}
