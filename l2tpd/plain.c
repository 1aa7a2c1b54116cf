/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plain L2TP: flows without IPsec, for LACs at a `listen on` of a tunnel with
 * `l2tp-require-ipsec no`.
 *
 * A client is its address and port, and the address of ours that it sent its
 * first SCCRQ to (RFC 2661 8.1: they stay as they are for the life of the
 * tunnel).  Anybody can write these on a packet, so that somebody is there is
 * known only when he answers what was sent to him: SCCCN names an id that is in
 * our SCCRP.  Until then his flow is half open, and what a stranger may cost is
 * bounded: so many half-open flows in all and of each address, of which a newer
 * one takes the place of the oldest; for each SCCRQ an SCCRP and its
 * retransmissions; nothing for anything else.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "l2tpd/engine.h"
#include "l2tpd/msg.h"

enum {
	PLAIN_MAX = 4096,		/* flows, of the 65535 tunnel ids that IPsec's clients need too */
	HALF_OPEN_MAX = 512,
	HALF_OPEN_OF_ONE = 128,	/* of one address: a whole office may come at once, behind one NAT */
	REFUSAL_MAX = 100,		/* bytes of a StopCCN of ours */
};

void plain_init(struct engine *e)
{
	for (unsigned i = 0; i < ENGINE_BUCKETS; i++)
		list_init(&e->by_peer[i]);
	list_init(&e->half_open);
}

static struct list *peer_bucket(struct engine *e, const struct addr *peer)
{
	uint32_t h = peer->port;

	for (unsigned i = 0; i < sizeof(peer->ip); i++)
		h = h * 31 + peer->ip[i];
	return &e->by_peer[h % ENGINE_BUCKETS];
}

struct flow *plain_find(struct engine *e, const struct addr *local, const struct addr *peer)
{
	LIST_EACH(peer_bucket(e, peer), i) {
		struct flow *f = CONTAINER_OF(i, struct flow, by_peer);

		if (addr_eq(&f->plain->peer, peer) && addr_eq(&f->plain->local, local))
			return f;
	}
	return NULL;
}

/* Make room among those that are half open; what was sent to the one that goes is gone already. */
static void evict(struct engine *e, const struct addr *peer)
{
	struct flow *oldest = NULL;
	unsigned of_one = 0;

	LIST_EACH(&e->half_open, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, half_open);

		if (!addr_ip_eq(&f->plain->peer, peer))
			continue;
		of_one++;
		oldest = oldest ? oldest : f;
	}
	if (of_one < HALF_OPEN_OF_ONE && e->n_half_open < HALF_OPEN_MAX)
		return;
	if (of_one < HALF_OPEN_OF_ONE)
		oldest = CONTAINER_OF(e->half_open.next, struct flow, half_open);
	e->count.plain_evicted++;
	flow_free(oldest);
}

static struct flow *plain_new(struct engine_sock *sock, unsigned tunnel, const struct addr *local,
	const struct addr *peer)
{
	struct path *p = malloc(sizeof(*p));
	struct flow *f = p ? flow_new(sock->e, tunnel) : NULL;
	struct engine *e = sock->e;
	char a[ADDR_STRLEN];

	if (!f) {
		free(p);
		return NULL;
	}
	*p = (struct path){ .local = *local, .peer = *peer, .sock = (int)(sock - e->sock), .marked = -1 };
	f->plain = p;
	f->bare = true;
	f->lin.own = true;
	f->plain_lineage.counter = ++e->plain_last;
	list_push(peer_bucket(e, peer), &f->by_peer);
	list_push(&e->half_open, &f->half_open);
	e->n_plain++;
	e->n_half_open++;
	snprintf(f->tag, sizeof(f->tag), "flow=plain-%llu peer=%s", (unsigned long long)f->plain_lineage.counter,
		addr_str(peer, a));
	return f;
}

/* Does a tunnel begin with it? *ret: what it says. */
static bool is_sccrq(struct rd datagram, struct l2tp_msg *ret)
{
	struct l2tp_hdr h;

	/* 5.8: a control connection begins with 0. */
	if (!l2tp_is_control(datagram) || !l2tp_hdr_parse(datagram, &h) || h.tunnel || h.ns || h.nr || !h.body.n)
		return false;
	(void)l2tp_msg_parse(h.body, ret);
	return ret->type == L2TP_SCCRQ;
}

struct flow *plain_stranger(struct engine_sock *sock, const struct addr *local, const struct addr *peer,
	struct rd datagram, uint64_t now)
{
	struct engine *e = sock->e;
	unsigned tunnel = tunnel_of(e, local, true);
	struct l2tp_msg m;
	struct flow *f;

	/* One that is no good is told why, so long as nobody is sent more than came in his name. */
	if (!is_sccrq(datagram, &m) || (m.bad && datagram.n < REFUSAL_MAX)) {
		e->count.plain_stranger++;
		return NULL;
	}
	/* A socket outlives the `listen on` that it was made for. */
	if (tunnel == CONF_TUNNELS || e->n_plain - e->n_half_open >= PLAIN_MAX) {
		e->count.plain_refused++;
		return NULL;
	}
	evict(e, peer);
	f = plain_new(sock, tunnel, local, peer);
	if (f)
		call_l2tp(f, datagram, peer->port, now);
	return f;
}

void plain_proven(struct flow *f)
{
	if (list_empty(&f->half_open))
		return;
	list_del(&f->half_open);
	f->e->n_half_open--;
}

void plain_watch(struct flow *f)
{
	static const struct timeval at_once;
	/* Who was never there needs no acknowledgements for what comes late (5.7). */
	bool lingers = list_empty(&f->half_open) && l2tp_flow_deadline(&f->l2tp) != UINT64_MAX;

	/* From the loop: callers still use the flow. */
	if (l2tp_flow_idle(&f->l2tp) && !lingers)
		event_add(f->idle, &at_once);
	else
		event_del(f->idle);
}

void plain_forget(struct flow *f)
{
	struct engine *e = f->e;

	data_flush(e);			/* what is queued uses its path */
	plain_proven(f);
	e->n_plain--;
	free(f->plain);
	f->plain = NULL;
}

void plain_end_unwanted(struct engine *e)
{
	LIST_EACH(&e->flows, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, link);

		if (f->plain && !f->conf->removed && e->conf.tunnel[f->tunnel].l2tp_require_ipsec)
			flow_kill(f, "its tunnel requires IPsec");
	}
	data_flush(e);
}
