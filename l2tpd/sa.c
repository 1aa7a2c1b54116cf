/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Flows and their SAs: what iked says, turned into what data.c looks up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "l2tpd/engine.h"

enum {
	FLOW_IDLE_S = 60,	/* without a tunnel: it never dialled, or hung up and kept its SAs */
	FLOW_ORPHAN_S = 5,	/* without a tunnel, when iked does not know it any more: nobody can delete its SAs */
	FLOW_NO_SA_S = 10,	/* without an SA: one that rekeys late may still come back */
	MOVE_QUIET_MS = 5000,	/* after ESP moved the peer, IKE's older news is ignored for so long */
};

static void flow_idle(evutil_socket_t fd, short what, void *arg);
static void flow_timer(evutil_socket_t fd, short what, void *arg);

/* ---- flows ---- */
static struct flow *flow_find(struct engine *e, const struct lineage *l)
{
	LIST_EACH(&e->by_lineage[l->counter % ENGINE_BUCKETS], i) {
		struct flow *f = CONTAINER_OF(i, struct flow, by_id);

		if (lineage_eq(&f->lineage, l))
			return f;
	}
	return NULL;
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

static int sock_of(const struct engine *e, const struct addr *local)
{
	int any = -1;

	for (unsigned i = 0; i < e->n_sock; i++) {
		if (e->sock[i].plain)
			continue;
		if (addr_ip_eq(&e->sock[i].at, local))
			return (int)i;
		if (addr_is_any(&e->sock[i].at) && e->sock[i].at.family == local->family)
			any = (int)i;
	}
	return any;
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
	f->tunnel = tunnel;
	f->conf = tunnel_conf_get(f->tunnel < CONF_TUNNELS ? e->tunnel_conf[f->tunnel] : e->no_tunnel);
	list_init(&f->sas);
	list_init(&f->sessions);
	list_init(&f->by_id);
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

/* The flow of a lineage that was not heard of before. */
static struct flow *flow_begin(struct engine *e, const struct lineage *l, const struct addr *local,
	const struct addr *peer)
{
	struct flow *f = flow_new(e, tunnel_of(e, local, false));
	static struct log_rate rate;
	char a[ADDR_STRLEN];

	if (!f)
		return NULL;
	f->lineage = *l;
	list_push(&e->by_lineage[l->counter % ENGINE_BUCKETS], &f->by_id);
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
	int idle_s = f->orphan ? FLOW_ORPHAN_S : FLOW_IDLE_S;
	int wait_s = list_empty(&f->sas) ? FLOW_NO_SA_S : l2tp_flow_idle(&f->l2tp) ? idle_s : 0;
	struct timeval tv = { .tv_sec = wait_s };

	if (f->plain) {
		plain_watch(f);
		return;
	}
	/* Only a change of what is missing starts the time anew. */
	if (f->ending || wait_s == f->idle_s)
		return;
	f->idle_s = wait_s;
	if (wait_s)
		event_add(f->idle, &tv);
	else
		event_del(f->idle);
}

void flow_kill(struct flow *f, const char *reason)
{
	struct msg_flow m = { .lineage = f->lineage };

	call_close_all(f, reason, true);
	if (f->plain) {
		plain_watch(f);
		return;
	}
	if (f->orphan) {
		/* Nobody else would take its SAs away.  From the loop: callers still use the flow. */
		static const struct timeval now;

		f->ending = true;
		event_add(f->idle, &now);
		return;
	}
	if (f->kill_asked)
		return;
	f->kill_asked = true;
	/* iked ends the IKE_SA; its SA_DEL and FLOW_END take the rest away. */
	peer_send(&f->e->iked, MSG_FLOW_KILL, &m, sizeof(m), -1);
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

	f->timer_at = UINT64_MAX;
	call_l2tp_expire(f, now_ms());
	data_flush(e);
}

/* ---- SAs ---- */
struct sa *sa_find(struct engine *e, uint32_t spi)
{
	struct sa *s = spi_engine(spi) == e->self ? e->sa[spi_slot(spi)] : NULL;

	return s && s->spi == spi ? s : NULL;
}

static void sa_free(struct sa *s)
{
	struct flow *f = s->flow;
	struct engine *e = f->e;
	struct msg_spi_used m = { .spi = s->spi, .used = 0 };

	data_flush(e);			/* what is queued uses it */
	if (f->orphan)
		peer_send(&e->iked, MSG_SPI_USED, &m, sizeof(m), -1);
	e->sa[spi_slot(s->spi)] = NULL;
	e->n_sas--;
	list_del(&s->link);
	if (f->send == s) {
		f->send = NULL;
		/* The newest that has keys in both directions. */
		LIST_EACH(&f->sas, i) {
			struct sa *o = CONTAINER_OF(i, struct sa, link);

			if (o->out)
				f->send = o;
		}
	}
	if (s->life)
		event_free(s->life);
	esp_sa_free(s->in);
	esp_sa_free(s->out);
	hold_free(&s->hold);
	free(s);
}

void flow_free(struct flow *f)
{
	struct engine *e = f->e;

	if (f->plain)
		plain_forget(f);
	LIST_EACH(&f->sas, i)
		sa_free(CONTAINER_OF(i, struct sa, link));
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
	list_del(&f->by_id);
	e->n_flows--;
	free(f);
}

void sa_announce(struct engine *e, const struct msg_spi_new *m)
{
	unsigned slot = spi_slot(m->spi);
	struct flow *f = flow_find(e, &m->lineage);
	struct sa *s;

	if (spi_engine(m->spi) != e->self || e->sa[slot]) {
		log_err("spi=%08x is announced but not free, ignoring", m->spi);
		return;
	}
	if (!f && !(f = flow_begin(e, &m->lineage, &m->local, &m->peer)))
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->flow = f;
	s->spi = m->spi;
	s->path.local = m->local;
	s->path.peer = m->peer;
	s->path.sock = sock_of(e, &m->local);
	list_push(&f->sas, &s->link);
	e->sa[slot] = s;
	e->n_sas++;
	flow_watch(f);
}

/* To an iked that does not know it, sa_free() says all that is to be said. */
static void sa_expired(struct sa *s)
{
	struct msg_sa_expired m = { .lineage = s->flow->lineage, .spi = s->spi };

	s->flow->e->count.sa_expired++;
	if (!s->flow->orphan)
		peer_send(&s->flow->e->iked, MSG_SA_EXPIRED, &m, sizeof(m), -1);
}

static void sa_life(evutil_socket_t fd, short what, void *arg)
{
	struct sa *s = arg;
	struct flow *f = s->flow;

	sa_expired(s);
	sa_free(s);
	flow_watch(f);
}

/* RFC 4303 3.3.3: no packet may leave with a sequence number used before. s may be gone afterwards. */
static void sa_exhausted(struct sa *s)
{
	/* iked deletes it; one that does not know it cannot. */
	if (s->flow->orphan) {
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

	if (!s || !lineage_eq(&s->flow->lineage, &m->lineage)) {
		log_err("spi=%08x gets keys but was not announced for this client, ignoring", m->spi);
		return;
	}
	f = s->flow;
	at = m->inbound ? &s->in : &s->out;
	if (*at || esp_sa_new(m->spi, &keys, m->inbound, at) < 0) {
		log_err("%s spi=%08x keys refused", f->tag, m->spi);
		return;
	}
	s->path.local = m->local;
	str_copy(f->ike_id, sizeof(f->ike_id), m->ike_id);
	if (m->inbound) {
		if (m->life_s && (s->life = evtimer_new(e->base, sa_life, s)))
			event_add(s->life, &life);
		s->path.peer = m->peer;
	} else {
		s->spi_out = m->spi;
		/* A rekeyed pair is sent on once the peer used it (it has the keys then);
		 * the first one at once. */
		if (!f->send || s->proven)
			f->send = s;
		log_debug("%s id=\"%s\" spi=%08x/%08x SA is up", f->tag, f->ike_id, s->spi, s->spi_out);
	}
	if (s->in && s->out && s->hold.n) {
		struct hold h = s->hold;

		s->hold = (struct hold){ 0 };
		for (unsigned i = 0; i < h.n; i++)
			if (now_ms() - h.pkt[i]->at_ms <= HELD_MS)
				data_held(s, h.pkt[i]);
		hold_free(&h);
		data_flush(e);
	}
}

void sa_move(struct engine *e, const struct msg_sa_move *m)
{
	struct sa *s = sa_find(e, m->spi);

	if (!s || !lineage_eq(&s->flow->lineage, &m->lineage))
		return;
	/* Its own news may be older than what ESP proved meanwhile. */
	if (s->moved_ms && now_ms() - s->moved_ms < MOVE_QUIET_MS)
		return;
	s->path.local = m->local;
	s->path.peer = m->peer;
	s->path.sock = sock_of(e, &m->local);
}

void sa_del(struct engine *e, const struct msg_sa_del *m)
{
	struct sa *s = sa_find(e, m->inbound ? m->spi : m->pair);
	struct flow *f;

	if (!s || !lineage_eq(&s->flow->lineage, &m->lineage))
		return;
	f = s->flow;
	if (!m->inbound) {
		/* charon drops the old outbound SA at a rekey at once; we do too, but
		 * only when there is another to send on. */
		struct sa *other = NULL;

		LIST_EACH(&f->sas, i) {
			struct sa *o = CONTAINER_OF(i, struct sa, link);

			if (o != s && o->out)
				other = o;
		}
		if (f->send == s && other)
			f->send = other;
		if (f->send != s) {
			data_flush(e);
			esp_sa_free(s->out);
			s->out = NULL;
		}
		return;
	}
	sa_free(s);
	flow_watch(f);
}

void flow_end(struct engine *e, const struct lineage *l)
{
	struct flow *f = flow_find(e, l);

	if (!f)
		return;
	call_close_all(f, "IKE_SA ended", false);
	flow_free(f);
}

void sa_heard(struct sa *s, const struct addr *peer, bool newest, size_t bytes)
{
	struct flow *f = s->flow;

	s->bytes += bytes;
	s->packets++;
	if (!s->proven) {
		s->proven = true;
		if (s->out)
			f->send = s;
	}
	/* RFC 3948 and NAT rebinding: only a packet that is authentic and the newest moves the peer. */
	if (newest && !addr_eq(&s->path.peer, peer)) {
		static struct log_rate rate;
		char was[ADDR_STRLEN], is[ADDR_STRLEN];

		if (log_rate_ok(&rate, now_ms()))
			log_info("%s moved from=%s to=%s", f->tag, addr_str(&s->path.peer, was), addr_str(peer, is));
		s->path.peer = *peer;
		s->moved_ms = now_ms();
		s->tell_move = true;
		f->e->count.endpoint_moved++;
		LIST_EACH(&f->sessions, i) {
			struct sess *c = CONTAINER_OF(i, struct sess, link);

			row_write_begin(c->row);
			c->row->peer = *peer;
			row_write_end(c->row);
		}
	}
}

/* A peer may alternate its port with every packet: iked hears where it is once in a while. */
static void tell_move(struct sa *s)
{
	struct msg_sa_move m = { .lineage = s->flow->lineage, .spi = s->spi, .local = s->path.local, .peer = s->path.peer };

	s->tell_move = false;
	peer_send(&s->flow->e->iked, MSG_SA_MOVED, &m, sizeof(m), -1);
}

void sa_tell_use(struct engine *e)
{
	uint64_t now_s = now_ms() / 1000;

	LIST_EACH(&e->flows, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, link);

		LIST_EACH(&f->sas, k) {
			struct sa *s = CONTAINER_OF(k, struct sa, link);
			struct msg_sa_use m = { .spi = s->spi, .bytes = s->bytes, .packets = s->packets, .last_s = now_s };

			if (s->tell_move)
				tell_move(s);
			if (s->packets != s->told_packets)
				peer_send(&e->iked, MSG_SA_USE, &m, sizeof(m), -1);
			s->told_packets = s->packets;
			if (s->exhausted)
				sa_exhausted(s);
		}
	}
}

void sa_orphan_all(struct engine *e)
{
	LIST_EACH(&e->flows, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, link);

		if (f->plain)
			continue;
		f->orphan = true;
		LIST_EACH(&f->sas, k) {
			struct sa *s = CONTAINER_OF(k, struct sa, link);
			struct msg_spi_used m = { .spi = s->spi, .used = 1 };

			peer_send(&e->iked, MSG_SPI_USED, &m, sizeof(m), -1);
		}
		/* Half a pair will never be whole, and a kill that was asked for is ours to do. */
		LIST_EACH(&f->sas, k) {
			struct sa *s = CONTAINER_OF(k, struct sa, link);

			if (!s->in || !s->spi_out)
				sa_free(s);
		}
		if (f->kill_asked)
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
