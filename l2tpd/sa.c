/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flows, their lineages and their SAs: what iked says, turned into what data.c
 * looks up.  Which lineages are one flow, lineage.c decides.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/engine.h"
#include "l2tpd/msg.h"

enum {
	FLOW_IDLE_S = 60,	/* without a tunnel: it never dialled, or hung up and kept its SAs */
	FLOW_ORPHAN_S = 5,	/* without a tunnel, when iked does not know it any more: nobody can delete its SAs */
	FLOW_NO_SA_S = 10,	/* without an SA: one that rekeys late may still come back */
	MOVE_TELL_MS = 1000,	/* of moves to another address iked hears at once, but not more often */
	MOVE_QUIET_MS = 5000,	/* after ESP moved the peer, IKE's older news is ignored for so long */
	XAUTH_QUIET_S = 300,	/* of a client of XAuth that iked does not know any more: longer than any DPD of its own */
	OLD_OUT_MAX = 2,	/* outbound SAs of a flow that IKE has deleted, but not their partners */
};

static void ike_end(struct lin_ike *);
static void flow_idle(evutil_socket_t fd, short what, void *arg);
static void flow_timer(evutil_socket_t fd, short what, void *arg);

/* ---- flows ---- */
static struct lin_ike *ike_of(struct lin *l)
{
	return CONTAINER_OF(l, struct lin_ike, lin);
}

static struct flow *flow_of(struct lin_flow *f)
{
	return CONTAINER_OF(f, struct flow, lin);
}

#define EACH_IKE(f, i) LIST_EACH(&(f)->lin.lins, i)
#define IKE_AT(i) ike_of(CONTAINER_OF(i, struct lin, of_root))

const struct lineage *flow_lineage(const struct flow *f)
{
	return f->plain ? &f->plain_lineage : &CONTAINER_OF(f->lin.lins.next, struct lin, of_root)->id;
}

/* No iked knows anything of it any more. */
static bool orphan(const struct flow *f)
{
	EACH_IKE(f, i)
		if (!IKE_AT(i)->orphan)
			return false;
	return true;
}

/* Does a tunnel statement take plain L2TP there, so far as the port says? */
static bool takes_plain(const struct conf_tunnel *t, const struct addr *at, const struct addr *local)
{
	return !t->l2tp_require_ipsec && conf_plain_port(at) == local->port;
}

/* The address itself before "any", then the first in the file. */
unsigned tunnel_of(const struct engine *e, const struct addr *local, bool plain)
{
	unsigned best = CONF_TUNNELS;
	bool best_is_any = true;

	for (unsigned t = 0; t < e->conf.n_tunnel; t++) {
		for (unsigned i = 0; conf_has_tunnel(&e->conf, t) && i < e->conf.tunnel[t].n_listen; i++) {
			const struct addr *at = &e->conf.tunnel[t].listen[i];
			bool any = addr_is_any(at) && at->family == local->family;

			if ((!any && !addr_ip_eq(at, local)) ||
			    (plain && !takes_plain(&e->conf.tunnel[t], at, local)))
				continue;
			if (best == CONF_TUNNELS || (best_is_any && !any) ||
			    (best_is_any == any && e->conf.tunnel[t].order < e->conf.tunnel[best].order)) {
				best = t;
				best_is_any = any;
			}
		}
	}
	return best;
}

/* Its socket of ESP, in UDP or without, or of what the kernel opened. */
static int sock_of(const struct engine *e, const struct addr *local, bool raw)
{
	int any = -1;

	for (unsigned i = 0; i < e->n_sock; i++) {
		if (e->sock[i].plain || e->sock[i].raw != raw)
			continue;
		if (addr_ip_eq(&e->sock[i].at, local))
			return (int)i;
		if (addr_is_any(&e->sock[i].at) && e->sock[i].at.family == local->family)
			any = (int)i;
	}
	return any;
}

/* Without a mark. NULL: out of memory. */
static struct lin_ike *ike_new(void)
{
	struct lin_ike *k = calloc(1, sizeof(*k));

	if (k) {
		k->marked = -1;
		list_init(&k->by_mark);
	}
	return k;
}

/* Where IKE says that the client is. */
static void path_set(const struct engine *e, struct path *p, bool raw, const struct addr *local, const struct addr *peer)
{
	p->raw = raw;
	p->local = *local;
	p->peer = *peer;
	p->sock = sock_of(e, local, raw);
	if (raw) {
		p->local.port = p->peer.port = 0;	/* those are IKE's */
		p->no_train = true;			/* UDP's alone */
	}
}

struct tunnel_conf *tunnel_conf_get(struct tunnel_conf *c)
{
	c->refs++;
	return c;
}

void tunnel_conf_put(struct tunnel_conf *c)
{
	if (!c || --c->refs > 0)
		return;
	explicit_bzero(c->l2tp.secret, sizeof(c->l2tp.secret));
	free(c);
}

struct flow *flow_new(struct engine *e, unsigned tunnel)
{
	struct flow *f = calloc(1, sizeof(*f));
	struct rng seed;

	if (!f)
		return NULL;
	f->e = e;
	f->bare = e->kernel;
	f->tunnel = tunnel;
	list_init(&f->lin.lins);
	list_init(&f->lin.by_ip);
	list_init(&f->by_peer);
	f->conf = tunnel_conf_get(f->tunnel < CONF_TUNNELS ? e->tunnel_conf[f->tunnel] : e->no_tunnel);
	list_init(&f->sas);
	list_init(&f->sessions);
	list_init(&f->half_open);
	data_flow_init(f);
	rng_init(&seed);
	l2tp_flow_init(&f->l2tp, &f->conf->l2tp, &e->ids, &seed);
	f->timer_at = UINT64_MAX;
	f->timer = evtimer_new(e->base, flow_timer, f);
	f->idle = evtimer_new(e->base, flow_idle, f);
	list_push(&e->flows, &f->link);
	e->n_flows++;
	if (!f->timer || !f->idle) {
		flow_free(f);
		return NULL;
	}
	return f;
}

struct flow *flow_begin(struct engine *e, const struct lineage *l, const struct addr *local, const struct addr *peer)
{
	struct lin_ike *k = ike_new();
	struct flow *f = k ? flow_new(e, tunnel_of(e, local, false)) : NULL;
	static struct log_rate rate;
	char a[ADDR_STRLEN];

	if (!f) {
		free(k);
		return NULL;
	}
	lin_flow_init(&e->book, &f->lin, peer, f->tunnel);
	lin_add(&e->book, &k->lin, l, &f->lin);
	snprintf(f->tag, sizeof(f->tag), "flow=%llu peer=%s", (unsigned long long)l->counter, addr_str(peer, a));
	flow_watch(f);
	/* A socket outlives the `listen on` that it was made for. */
	if (f->conf->removed) {
		if (log_rate_ok(&rate, now_ms()))
			log_info("%s no tunnel listens on %s any more", f->tag, addr_str(local, a));
		flow_kill(f, "no tunnel listens there");
	}
	return f;
}

void flow_watch(struct flow *f)
{
	int idle_s = orphan(f) ? FLOW_ORPHAN_S : FLOW_IDLE_S;
	int wait_s = list_empty(&f->sas) ? FLOW_NO_SA_S : l2tp_flow_idle(&f->l2tp) ? idle_s : 0;
	struct timeval tv;

	if (f->plain) {
		plain_watch(f);
		return;
	}
	if (f->tunnel_mode)	/* its first SA comes after its login */
		wait_s = list_empty(&f->sas) ? FLOW_IDLE_S : 0;
	/* Only a change of what is missing starts the time anew. */
	if (f->ending || wait_s == f->idle_s)
		return;
	f->idle_s = wait_s;
	tv = (struct timeval){ .tv_sec = wait_s };
	if (wait_s)
		event_add(f->idle, &tv);
	else
		event_del(f->idle);
}

/* iked ends the IKE_SA; its SA_DEL and FLOW_END take the rest away. */
void ike_kill(struct engine *e, struct lin_ike *k)
{
	struct msg_flow m = { .lineage = k->lin.id };

	if (k->kill_asked || k->orphan)
		return;
	k->kill_asked = true;
	peer_send(&e->iked, MSG_FLOW_KILL, &m, sizeof(m), -1);
}

void flow_kill(struct flow *f, const char *reason)
{
	call_close_all(f, reason, true);
	if (f->plain) {
		plain_watch(f);
		return;
	}
	f->killed = true;
	EACH_IKE(f, i) {
		struct lin_ike *k = IKE_AT(i);

		if (k->orphan) {
			/* Nobody else would take its SAs away.  From the loop: callers still use the flow. */
			static const struct timeval now;

			f->ending = true;
			event_add(f->idle, &now);
		} else {
			ike_kill(f->e, k);
		}
	}
}

void flow_end_removed(struct engine *e)
{
	LIST_EACH(&e->flows, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, link);

		if (f->conf->removed)
			flow_kill(f, "its tunnel was removed");
	}
	data_flush(e);
}

static void flow_idle(evutil_socket_t fd, short what, void *arg)
{
	struct flow *f = arg;
	struct engine *e = f->e;

	f->idle_s = 0;
	if (f->plain) {
		flow_free(f);
	} else if (f->ending && !orphan(f)) {
		/* iked takes the others away. */
		EACH_IKE(f, i)
			if (IKE_AT(i)->orphan)
				ike_end(IKE_AT(i));
	} else if (f->xauth && !f->ending) {
		/* Its client may not have noticed. */
		flow_kill(f, "no SA left");
	} else if (list_empty(&f->sas) || f->ending) {
		log_info("%s %s, ending", f->tag, f->ending ? "is not iked's any more" : "has no SA left");
		call_close_all(f, "SA deleted", false);
		flow_free(f);
	} else {
		log_info("%s has had no tunnel for %d s, ending its IKE_SA", f->tag, FLOW_IDLE_S);
		flow_kill(f, "no tunnel");
	}
	data_flush(e);
}

static void flow_timer(evutil_socket_t fd, short what, void *arg)
{
	struct flow *f = arg;
	struct engine *e = f->e;

	uint64_t now = now_ms();
	struct lin_out out;

	f->timer_at = UINT64_MAX;
	lin_out_init(&out);
	lin_expire(&e->book, &f->lin, now, &out);
	call_lineage(&out, now);
	call_l2tp_expire(f, now);
	data_flush(e);
}

/* ---- SAs ---- */
struct sa *sa_find(struct engine *e, uint32_t spi)
{
	struct sa *s = spi_engine(spi) == e->self ? e->sa[spi_slot(spi)] : NULL;

	return s && s->spi == spi ? s : NULL;
}

/* The pair to send on when there is no better reason: the newest that IKE has not deleted. */
static struct sa *send_on(const struct flow *f)
{
	struct sa *best = NULL;

	LIST_EACH(&f->sas, i) {
		struct sa *o = CONTAINER_OF(i, struct sa, link);

		if (sa_seals(o) && (!best || !o->out_gone || best->out_gone))
			best = o;
	}
	return best;
}

/* Pairs came or went: who asks whether flow f lives can do so over one of them. */
static void count_pairs(struct flow *f)
{
	f->lin.pairs = 0;
	LIST_EACH(&f->sas, i) {
		struct sa *s = CONTAINER_OF(i, struct sa, link);

		f->lin.pairs += sa_opens(s) && sa_seals(s);
	}
}

static void sa_free(struct sa *s)
{
	struct flow *f = s->flow;
	struct engine *e = f->e;
	struct msg_spi_used m = { .spi = s->spi, .used = 0 };

	data_flush(e);			/* what is queued uses it */
	if (s->ike->orphan)
		peer_send(&e->iked, MSG_SPI_USED, &m, sizeof(m), -1);
	e->sa[spi_slot(s->spi)] = NULL;
	e->n_sas--;
	s->ike->n_sas--;
	list_del(&s->link);
	if (f->send == s)
		f->send = send_on(f);
	count_pairs(f);
	if (s->life)
		event_free(s->life);
	esp_sa_free(s->in);
	esp_sa_free(s->out);
	hold_free(&s->hold);
	free(s);
}

/* It has no SA and no IKE_SA any more. */
static void ike_free(struct engine *e, struct lin_ike *k)
{
	struct msg_mark m = { .mark = k->mark, .mask = UINT32_MAX };

	/* What an iked that is gone had put into the kernel for it nobody else takes away. */
	if (k->mark && k->orphan)
		peer_send(&e->netd, MSG_MARK_DEL, &m, sizeof(m), -1);
	if (k->marked >= 0)
		close(k->marked);
	list_del(&k->by_mark);
	lin_del(&e->book, &k->lin);
	free(k);
}

/* All SAs of a lineage go, and the lineage. */
static void ike_end(struct lin_ike *k)
{
	struct flow *f = flow_of(k->lin.root);

	LIST_EACH(&f->sas, i) {
		struct sa *s = CONTAINER_OF(i, struct sa, link);

		if (s->ike == k)
			sa_free(s);
	}
	ike_free(f->e, k);
}

void flow_free(struct flow *f)
{
	struct engine *e = f->e;

	EACH_IKE(f, i)
		ike_end(IKE_AT(i));
	hold_free(&f->join_hold);
	if (f->plain)
		plain_forget(f);
	else if (f->lin.serial)
		lin_flow_end(&e->book, &f->lin);
	for (unsigned i = 0; i < L2TP_COUNTERS; i++)
		e->l2tp_gone[i] += f->l2tp.cnt[i];
	l2tp_flow_free(&f->l2tp);
	data_flow_end(f);
	tunnel_conf_put(f->conf);
	if (f->timer)
		event_free(f->timer);
	if (f->idle)
		event_free(f->idle);
	list_del(&f->link);
	list_del(&f->by_peer);
	e->n_flows--;
	free(f);
}

/* ---- marks ---- */
static struct list *mark_bucket(struct engine *e, uint32_t mark)
{
	return &e->by_mark[mark % ENGINE_BUCKETS];
}

static struct lin_ike *mark_find(struct engine *e, uint32_t mark)
{
	LIST_EACH(mark_bucket(e, mark), i) {
		struct lin_ike *k = CONTAINER_OF(i, struct lin_ike, by_mark);

		if (k->mark == mark)
			return k;
	}
	return NULL;
}

/* One mark is one lineage's, for as long as that is here; and without the kernel's ESP there are none. */
static bool mark_free_for(struct engine *e, const struct msg_spi_new *m)
{
	const struct lin_ike *k = m->mark ? mark_find(e, m->mark) : NULL;

	if ((m->mark != 0) != e->kernel || (m->mark && mark_engine(m->mark) != e->self))
		return false;
	return !k || lineage_eq(&k->lin.id, &m->lineage);
}

static void mark_ask(struct engine *e, const struct lin_ike *k)
{
	struct msg_mark m = { .mark = k->mark, .mask = UINT32_MAX };

	if (k->sock < 0)
		return;
	m.at = e->sock[k->sock].at;
	peer_send(&e->netd, MSG_MARK_SOCK, &m, sizeof(m), -1);
}

static void mark_begin(struct engine *e, struct lin_ike *k, uint32_t mark, int sock)
{
	if (k->mark)
		return;
	k->mark = mark;
	k->sock = sock;
	list_push(mark_bucket(e, mark), &k->by_mark);
	mark_ask(e, k);
}

struct sa *sa_of_mark(struct engine *e, uint32_t mark)
{
	struct lin_ike *k = mark ? mark_find(e, mark) : NULL;
	struct sa *newest = NULL;

	if (!k)
		return NULL;
	LIST_EACH(&flow_of(k->lin.root)->sas, i) {
		struct sa *s = CONTAINER_OF(i, struct sa, link);

		/* One that is not yet complete only if there is no other. */
		if (s->ike == k && (!newest || sa_ready(s) || !sa_ready(newest)))
			newest = s;
	}
	return newest;
}

void sa_used(struct sa *s)
{
	if (s->proven)
		return;
	s->proven = true;
	if (sa_seals(s))
		s->flow->send = s;
}

/* What came before it could be answered. */
static void release_held(struct sa *s)
{
	struct hold h = s->hold;

	if (!h.n || !sa_ready(s) || !sa_seals(s))
		return;
	s->hold = (struct hold){ 0 };
	for (unsigned i = 0; i < h.n; i++)
		if (now_ms() - h.pkt[i]->at_ms <= HELD_MS)
			data_held(s, h.pkt[i]);
	hold_free(&h);
	data_flush(s->flow->e);
}

void sa_mark_fd(struct engine *e, const struct msg_mark *m, int fd)
{
	struct lin_ike *k = mark_find(e, m->mark);
	struct flow *f;

	if (!k || k->marked >= 0 || fd < 0) {
		if (fd >= 0)
			close(fd);
		return;
	}
	k->marked = fd;
	f = flow_of(k->lin.root);
	LIST_EACH(&f->sas, i) {
		struct sa *s = CONTAINER_OF(i, struct sa, link);

		if (s->ike == k)
			s->path.marked = fd;
	}
	LIST_EACH(&f->sas, i) {
		struct sa *s = CONTAINER_OF(i, struct sa, link);

		if (s->ike == k)
			release_held(s);
	}
}

void sa_marks_again(struct engine *e)
{
	for (unsigned b = 0; b < ENGINE_BUCKETS; b++)
		LIST_EACH(&e->by_mark[b], i) {
			const struct lin_ike *k = CONTAINER_OF(i, struct lin_ike, by_mark);

			if (k->marked < 0)
				mark_ask(e, k);
		}
}

void sa_announce(struct engine *e, const struct msg_spi_new *m)
{
	unsigned slot = spi_slot(m->spi);
	struct lin *l = lin_find(&e->book, &m->lineage);
	struct path path = { 0 };
	struct flow *f;
	struct sa *s;

	if (spi_engine(m->spi) != e->self || e->sa[slot] || !mark_free_for(e, m)) {
		log_err("spi=%08x mark=%08x is announced but not free, ignoring", m->spi, m->mark);
		return;
	}
	path_set(e, &path, m->raw, &m->local, &m->peer);
	if (!l && (!flow_begin(e, &m->lineage, &path.local, &path.peer) || !(l = lin_find(&e->book, &m->lineage))))
		return;
	f = flow_of(l->root);
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->flow = f;
	s->ike = ike_of(l);
	s->ike->n_sas++;
	s->spi = m->spi;
	s->path = path;
	s->path.marked = -1;
	if (m->mark) {
		/* The kernel seals one packet at a time, and refuses trains of them. */
		s->path.no_train = true;
		mark_begin(e, s->ike, m->mark, s->path.sock);
		s->path.marked = s->ike->marked;
	}
	list_push(&f->sas, &s->link);
	e->sa[slot] = s;
	e->n_sas++;
	flow_watch(f);
}

/* To an iked that does not know it, sa_free() says all that is to be said. */
static void sa_expired(struct sa *s)
{
	struct msg_sa_expired m = { .lineage = s->ike->lin.id, .spi = s->spi };

	s->flow->e->count.sa_expired++;
	if (!s->ike->orphan)
		peer_send(&s->flow->e->iked, MSG_SA_EXPIRED, &m, sizeof(m), -1);
}

static void sa_life(evutil_socket_t fd, short what, void *arg)
{
	struct sa *s = arg;
	struct lin_ike *k = s->ike;
	struct flow *f = s->flow;

	sa_expired(s);
	sa_free(s);
	/* No iked will say that this lineage has ended; the last one stays for as long as its flow. */
	if (k->orphan && !k->n_sas && f->lin.lins.next != f->lin.lins.prev)
		ike_free(f->e, k);
	flow_watch(f);
}

/* RFC 4303 3.3.3: no packet may leave with a sequence number used before. s may be gone afterwards. */
static void sa_exhausted(struct sa *s)
{
	/* iked deletes it; one that does not know it cannot. */
	if (s->ike->orphan) {
		sa_life(-1, 0, s);
		return;
	}
	s->exhausted = false;
	sa_expired(s);
}

void sa_add(struct engine *e, const struct msg_sa_add *m)
{
	struct sa *s = sa_find(e, m->inbound ? m->spi : m->pair);
	static const uint8_t encs[] = {
		[ESP_ENC_AES_CBC_128] = ESP_AES_CBC_128, [ESP_ENC_AES_CBC_256] = ESP_AES_CBC_256,
		[ESP_ENC_AES_GCM_128] = ESP_AES_GCM_128, [ESP_ENC_AES_GCM_256] = ESP_AES_GCM_256,
		[ESP_ENC_3DES_CBC] = ESP_3DES_CBC,
	};
	static const uint8_t auths[] = {
		[ESP_AUTH_NONE] = ESP_AUTH_IN_ENC, [ESP_AUTH_HMAC_SHA1_96] = ESP_HMAC_SHA1_96,
		[ESP_AUTH_HMAC_SHA2_256_128] = ESP_HMAC_SHA2_256_128,
		[ESP_AUTH_HMAC_SHA2_384_192] = ESP_HMAC_SHA2_384_192,
		[ESP_AUTH_HMAC_SHA2_512_256] = ESP_HMAC_SHA2_512_256,
	};
	struct esp_keys keys = {
		.enc = encs[m->enc], .auth = auths[m->auth],
		.enc_key = m->key_enc, .enc_len = m->enc_len, .auth_key = m->key_auth, .auth_len = m->auth_len,
	};
	struct timeval life = { .tv_sec = m->life_s };
	struct esp_sa **at;
	struct flow *f;

	if (!s || !lineage_eq(&s->ike->lin.id, &m->lineage)) {
		log_err("spi=%08x gets keys but was not announced for this client, ignoring", m->spi);
		return;
	}
	f = s->flow;
	/* In tunnel mode comes who has logged in, and what he sends is nothing else. */
	if ((bool)m->tunnel != f->tunnel_mode || (f->tunnel_mode && !(f->xauth && f->xauth->known))) {
		log_err("%s spi=%08x is in %s mode, refused", f->tag, m->spi, m->tunnel ? "tunnel" : "transport");
		return;
	}
	at = m->inbound ? &s->in : &s->out;
	if ((m->enc == ESP_ENC_NONE) != e->kernel || *at || (m->inbound ? s->kernel_in : s->kernel_out) ||
	    (!m->inbound && m->raw != s->path.raw) || (e->kernel && (m->raw || m->tunnel)) ||
	    (!e->kernel && esp_sa_new(m->spi, &keys, m->inbound, at) < 0)) {
		log_err("%s spi=%08x keys refused", f->tag, m->spi);
		return;
	}
	if (e->kernel)
		*(m->inbound ? &s->kernel_in : &s->kernel_out) = true;
	if (m->inbound) {
		if (m->life_s && (s->life = evtimer_new(e->base, sa_life, s)))
			event_add(s->life, &life);
		/* What waits came another way than the one that was agreed on. */
		if (m->raw != s->path.raw || (m->raw && !addr_ip_eq(&m->peer, &s->path.peer)))
			hold_free(&s->hold);
		path_set(e, &s->path, m->raw, &m->local, &m->peer);
	} else {
		s->spi_out = m->spi;
		/* A rekeyed pair is sent on once the peer used it (it has the keys then);
		 * the first one at once. */
		if (!f->send || s->proven)
			f->send = s;
		log_debug("%s id=\"%s\" spi=%08x/%08x SA is up", f->tag, m->ike_id, s->spi, s->spi_out);
	}
	if (sa_opens(s) && sa_seals(s)) {
		count_pairs(f);
		lin_flow_ready(&f->lin, m->ike_id, now_ms());
		flow_arm(f, now_ms());
		if (f->xauth)
			xauth_sa_up(f);
	}
	release_held(s);
}

/* Where it is now. */
static void flow_shows(struct flow *f, const struct addr *peer)
{
	lin_flow_moved(&f->e->book, &f->lin, peer);
	LIST_EACH(&f->sessions, i) {
		struct sess *c = CONTAINER_OF(i, struct sess, link);

		row_write_begin(c->row);
		call_row_peer(c, peer);
		row_write_end(c->row);
	}
}

void sa_move(struct engine *e, const struct msg_sa_move *m)
{
	struct sa *s = sa_find(e, m->spi);

	if (!s || !lineage_eq(&s->ike->lin.id, &m->lineage))
		return;
	/* Its own news may be older than what ESP proved meanwhile. */
	if (s->moved_ms && now_ms() - s->moved_ms < MOVE_QUIET_MS)
		return;
	/* With ESP in the kernel its news comes this way, too. */
	if (!addr_eq(&s->path.peer, &m->peer)) {
		e->count.endpoint_moved++;
		flow_shows(s->flow, &m->peer);
	}
	path_set(e, &s->path, s->path.raw, &m->local, &m->peer);
}

/*
 * charon deletes the old outbound SA of a rekeying at once, also that of a client
 * whose SA it adopted.  Others are sent on from then on; but it is kept for as long
 * as its partner, for want of another, and to ask its client whether a new
 * phase 1 is its own.
 */
static void out_deleted(struct sa *s)
{
	struct flow *f = s->flow;
	unsigned n = 0;

	s->out_gone = true;
	if (f->send == s)
		f->send = send_on(f);
	LIST_EACH(&f->sas, i) {
		struct sa *o = CONTAINER_OF(i, struct sa, link);

		n += sa_seals(o) && o->out_gone;
	}
	LIST_EACH(&f->sas, i) {
		struct sa *o = CONTAINER_OF(i, struct sa, link);

		if (n <= OLD_OUT_MAX)
			break;
		if (!sa_seals(o) || !o->out_gone || f->send == o)
			continue;
		data_flush(f->e);		/* what is queued uses it */
		esp_sa_free(o->out);
		o->out = NULL;
		o->kernel_out = false;
		n--;
	}
	count_pairs(f);
}

void sa_del(struct engine *e, const struct msg_sa_del *m)
{
	struct sa *s = sa_find(e, m->inbound ? m->spi : m->pair);
	struct flow *f;

	if (!s || !lineage_eq(&s->ike->lin.id, &m->lineage))
		return;
	f = s->flow;
	if (!m->inbound) {
		out_deleted(s);
		return;
	}
	sa_free(s);
	flow_watch(f);
}

bool flow_add_ike(struct flow *f, const struct lineage *l, uint64_t now)
{
	struct msg_flow_join m = { .lineage = *l, .root = *flow_lineage(f) };
	struct lin_ike *k = ike_new();
	struct lin_out out;

	if (!k)
		return false;
	peer_send(&f->e->iked, MSG_FLOW_JOIN, &m, sizeof(m), -1);
	lin_out_init(&out);
	lin_add_more(&f->e->book, &k->lin, l, &f->lin, &out);
	call_lineage(&out, now);
	return true;
}

void flow_end(struct engine *e, const struct lineage *l, bool deleted)
{
	/* A client of XAuth hangs up by DELETE: it has no other word for it. */
	const char *why = deleted ? "IKE_SA deleted by the peer" : "IKE_SA ended";
	struct lin *ended = lin_find(&e->book, l);
	struct flow *f;

	if (!ended)
		return;
	f = flow_of(ended->root);
	/* It may have others, of which the client has proved that they are its own. */
	if (f->lin.lins.next != f->lin.lins.prev) {
		ike_end(ike_of(ended));
		/* XAuth: the client has left with the only one by which it could be asked. */
		if (f->tunnel_mode && orphan(f))
			flow_kill(f, why);
		else
			flow_watch(f);
		return;
	}
	call_close_all(f, why, false);
	flow_free(f);
}

/* ---- joins ---- */

/* The virgin that s is of turned out to be root's client. */
static void flow_join(struct flow *virgin, struct flow *root, struct sa *proof, uint64_t now)
{
	struct msg_flow_join m = { .lineage = proof->ike->lin.id, .root = *flow_lineage(root) };
	struct hold waited = virgin->join_hold;

	virgin->join_hold = (struct hold){ 0 };
	/* From now on a move that IKE sees on either IKE_SA is this client's. */
	if (!proof->ike->orphan)
		peer_send(&root->e->iked, MSG_FLOW_JOIN, &m, sizeof(m), -1);
	LIST_EACH(&virgin->sas, i) {
		struct sa *s = CONTAINER_OF(i, struct sa, link);

		list_del(&s->link);
		list_push(&root->sas, &s->link);
		s->flow = root;
	}
	data_flow_join(virgin, root);
	log_info("%s continues: %s was the same client, nonce over the old SA, answer over the new", root->tag, virgin->tag);
	flow_free(virgin);
	/* It has the keys: its answer came over this pair. */
	root->send = proof;
	flow_shows(root, &proof->path.peer);
	count_pairs(root);
	flow_watch(root);
	for (unsigned i = 0; i < waited.n; i++)
		if (now - waited.pkt[i]->at_ms <= HELD_MS)
			data_joined(proof, waited.pkt[i], now);
	hold_free(&waited);
}

bool flow_joins(struct sa *s, uint8_t *p, size_t n, struct rd r, uint16_t sport, uint64_t now)
{
	struct lin_seen seen = { .port = sport };
	struct flow *f = s->flow, *root;
	struct engine *e = f->e;
	struct l2tp_data d;
	struct l2tp_hdr h;
	struct lin_out out;
	enum lin_way way;

	if (l2tp_is_control(r)) {
		if (!l2tp_hdr_parse(r, &h))
			return true;		/* where it is counted */
		seen.control = true;
		seen.tunnel = h.tunnel;
	} else {
		if (!l2tp_data_parse(&r, &d))
			return true;
		seen.tunnel = d.tunnel;
		seen.session = d.session;
		if (!ppp_echo_reply(r, &seen.echo))
			seen.echo = (struct rd){ 0 };
	}
	lin_out_init(&out);
	way = lin_packet(&e->book, &f->lin, &seen, now, &out);
	root = out.n && out.eff[out.n - 1].type == LIN_EFF_JOIN ? flow_of(out.eff[out.n - 1].flow) : NULL;
	if (root)
		flow_join(f, root, s, now);
	call_lineage(&out, now);
	if (root)
		return true;
	flow_arm(f, now);
	if (way == LIN_HOLD) {
		struct addr from = { .port = sport };

		e->count.join_held++;
		hold_put(&f->join_hold, &from, p, n, now);
	} else if (way == LIN_DROP) {
		e->count.join_dropped++;
	}
	return way == LIN_PASS;
}

/* A peer may alternate its port with every packet: iked hears where it is once in a while. */
static void tell_move(struct sa *s)
{
	struct msg_sa_move m = { .lineage = s->ike->lin.id, .spi = s->spi, .local = s->path.local, .peer = s->path.peer };

	s->tell_move = false;
	s->told_move_ms = now_ms();
	peer_send(&s->flow->e->iked, MSG_SA_MOVED, &m, sizeof(m), -1);
}

void sa_heard(struct sa *s, const struct addr *peer, bool newest, size_t bytes)
{
	struct flow *f = s->flow;

	s->bytes += bytes;
	s->packets++;
	if (!s->proven) {
		s->proven = true;
		if (sa_seals(s))
			f->send = s;
	}
	/* RFC 3948 and NAT rebinding: only a packet that is authentic and the newest moves the peer. */
	if (newest && !addr_eq(&s->path.peer, peer)) {
		bool far = !addr_ip_eq(&s->path.peer, peer);
		static struct log_rate rate;
		char was[ADDR_STRLEN], is[ADDR_STRLEN];

		if (log_rate_ok(&rate, now_ms()))
			log_info("%s moved from=%s to=%s", f->tag, addr_str(&s->path.peer, was), addr_str(peer, is));
		s->path.peer = *peer;
		s->moved_ms = now_ms();
		s->tell_move = true;
		/* A new phase 1 from there may be next: it has to come to this engine. */
		if (far && s->moved_ms - s->told_move_ms >= MOVE_TELL_MS)
			tell_move(s);
		f->e->count.endpoint_moved++;
		flow_shows(f, peer);
	}
}

/* A client that came by XAuth has IKE alone to be asked by: when no iked knows it, its silence has to do. */
static void quiet(struct flow *f, bool heard)
{
	f->quiet_s = heard || !f->xauth || !orphan(f) ? 0 : f->quiet_s + ENGINE_USE_S;
	if (f->quiet_s > XAUTH_QUIET_S)
		flow_kill(f, "client is gone");
}

void sa_tell_use(struct engine *e)
{
	uint64_t now_s = now_ms() / 1000;

	LIST_EACH(&e->flows, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, link);
		bool heard = false;

		LIST_EACH(&f->sas, k) {
			struct sa *s = CONTAINER_OF(k, struct sa, link);
			struct msg_sa_use m = { .spi = s->spi, .bytes = s->bytes, .packets = s->packets, .last_s = now_s };

			if (s->tell_move)
				tell_move(s);
			if (s->packets != s->told_packets) {
				heard = true;
				peer_send(&e->iked, MSG_SA_USE, &m, sizeof(m), -1);
			}
			s->told_packets = s->packets;
			if (s->exhausted)
				sa_exhausted(s);
		}
		quiet(f, heard);
	}
}

void sa_orphan_all(struct engine *e)
{
	LIST_EACH(&e->flows, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, link);

		if (f->plain)
			continue;
		EACH_IKE(f, k)
			IKE_AT(k)->orphan = true;
		LIST_EACH(&f->sas, k) {
			struct sa *s = CONTAINER_OF(k, struct sa, link);
			struct msg_spi_used m = { .spi = s->spi, .used = 1 };

			peer_send(&e->iked, MSG_SPI_USED, &m, sizeof(m), -1);
		}
		/* Half a pair will never be whole, and a kill that was asked for is ours to do. */
		LIST_EACH(&f->sas, k) {
			struct sa *s = CONTAINER_OF(k, struct sa, link);

			if (!sa_opens(s) || !s->spi_out)
				sa_free(s);
		}
		EACH_IKE(f, k)
			if (!IKE_AT(k)->n_sas && f->lin.lins.next != f->lin.lins.prev)
				ike_free(e, IKE_AT(k));
		if (f->killed)
			flow_kill(f, "its IKE_SA is gone");
		else
			flow_watch(f);
	}
	data_flush(e);
}

void flow_stop_all(struct engine *e)
{
	e->stopping = true;
	LIST_EACH(&e->flows, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, link);

		call_close_all(f, "the server ends", true);
		data_flush(e);
	}
}
