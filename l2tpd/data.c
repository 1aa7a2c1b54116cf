/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of packets, in batches from end to end; functions stand in the
 * order in which a packet meets them.
 *
 *   in:  UDP 4500 (recvmmsg, GRO) - whose turn it is - SPI → SA - open the        data_in.c
 *          whole batch (ICV, replay, decrypt) - inner UDP 1701
 *            - L2TP T=1 → call.c
 *            - L2TP T=0 → session of this flow - PPP
 *                - IP → source check - coalesce (coal.c) → TUN, one write per super-packet
 *                - else → call.c
 *   out: TUN, or a shared one: session by destination address - whose turn it is  data_out.c
 *          - cut the super-packet (seg.c) into slots of one arena, each as long
 *            as its ESP packet will be; PPP, L2TP and inner UDP in front
 *        L2TP and PPP control from call.c - into the same arena
 *          arena - seal the whole batch - trains of equal size, each one iovec, by UDP_SEGMENT
 *
 * Every packet of a TUN has a virtio header in front (vnet.h): netd makes them so.
 *
 * Nothing is allocated, and no timer is waited for, to move a packet: a round
 * reads what is there, up to a budget, and sends it.  So a lone packet leaves
 * at once, and batches are as large as the load makes them.
 *
 * This file: TUNs that come and go, and packets that came before theirs.
 */
#include "l2tpd/data.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void data_init(struct engine *e)
{
	in_init(e);
	out_init(e);
}

/* ---- packets that came too early ---- */
void hold_put(struct hold *h, const struct addr *peer, const uint8_t *p, size_t n, uint64_t now)
{
	struct held *k;

	if (n > HELD_LEN || !(k = malloc(sizeof(*k) + n)))
		return;
	if (h->n == HELD_MAX) {
		free(h->pkt[0]);
		memmove(h->pkt, h->pkt + 1, --h->n * sizeof(h->pkt[0]));
	}
	k->at_ms = now;
	k->peer = peer ? *peer : (struct addr){ 0 };
	k->len = n;
	memcpy(k->data, p, n);
	h->pkt[h->n++] = k;
}

void hold_free(struct hold *h)
{
	for (unsigned i = 0; i < h->n; i++)
		free(h->pkt[i]);
	h->n = 0;
}

/* ---- a TUN per session ---- */
void data_tun_open(struct sess *s, int fd)
{
	if (s->tun >= 0 || fd_setup(fd) < 0 ||
	    !(s->tun_ev = event_new(s->flow->e->base, fd, EV_READ | EV_PERSIST, out_tun_readable, s))) {
		close(fd);
		return;
	}
	s->tun = fd;
	event_add(s->tun_ev, NULL);
	in_held(s);
}

void data_sess_init(struct sess *s)
{
	s->tun = -1;
	s->mask = UINT32_MAX;
	s->mtu_max = UINT16_MAX;
	list_init(&s->by_ip);
	for (unsigned i = 0; i < N_ELEMENTS(s->net); i++) {
		list_init(&s->net[i].link);
		s->net[i].s = s;
	}
	turn_init(&s->out.turn);
	list_init(&s->out.queue);
}

static void net_leave(struct sess_net *n)
{
	if (list_empty(&n->link))
		return;
	list_del(&n->link);
	n->s->flow->e->n_net[__builtin_popcount(n->mask)]--;
}

/* Packets to its address and networks are not its own any more. */
static void leave(struct sess *s)
{
	list_del(&s->by_ip);
	for (unsigned i = 0; i < N_ELEMENTS(s->net); i++)
		net_leave(&s->net[i]);
}

void data_tun_close(struct sess *s)
{
	hold_free(&s->hold);
	leave(s);
	out_forget(s);
	if (s->tun < 0)
		return;
	event_free(s->tun_ev);
	close(s->tun);		/* not the last: netd has one too */
	s->tun = -1;
}

/* A tenth of a second of it, but not less than a super-packet. */
static struct bucket limit_of(uint64_t bps, uint64_t now)
{
	uint64_t rate = bps ? MAX(bps / 8, 1) : 0;

	return bucket_of(rate, (uint32_t)MIN(MAX(rate / 10, DATA_DATAGRAM), UINT32_MAX), now);
}

void data_limit(struct sess *s, uint64_t in_bps, uint64_t out_bps, uint64_t now)
{
	s->in_limit = limit_of(in_bps, now);
	s->out_limit = limit_of(out_bps, now);
	row_write_begin(s->row);
	s->row->rate_in_bps = in_bps;
	s->row->rate_out_bps = out_bps;
	row_write_end(s->row);
}

/* ---- a TUN for all sessions ---- */
static struct list *ip_bucket(struct engine *e, uint32_t ip)
{
	return &e->by_ip[ip % ENGINE_BUCKETS];
}

/* The session with the longest prefix of the address. */
static struct sess *by_net(const struct shared_tun *t, uint32_t ip)
{
	for (unsigned len = 32; len; len--) {
		uint32_t mask = UINT32_MAX << (32 - len);

		if (!t->e->n_net[len])
			continue;
		LIST_EACH(&t->e->by_net[(ip & mask) % ENGINE_BUCKETS], i) {
			struct sess_net *n = CONTAINER_OF(i, struct sess_net, link);

			if (n->mask == mask && n->net == (ip & mask) && n->s->shared == t)
				return n->s;
		}
	}
	return NULL;
}

struct sess *data_by_ip(const struct shared_tun *t, uint32_t ip)
{
	LIST_EACH(ip_bucket(t->e, ip), i) {
		struct sess *s = CONTAINER_OF(i, struct sess, by_ip);

		if (s->ip == ip && s->shared == t)
			return s;
	}
	return by_net(t, ip);
}

bool data_behind(const struct sess *s, uint32_t ip)
{
	for (unsigned i = 1; i < N_ELEMENTS(s->net) && s->net[i].mask; i++)
		if (s->net[i].net == (ip & s->net[i].mask))
			return true;
	return false;
}

void data_routes(struct sess *s, const struct radius_route *route, unsigned n)
{
	leave(s);
	for (unsigned i = 0; i < RADIUS_ROUTES_MAX; i++) {
		s->net[1 + i].net = i < n ? route[i].net : 0;
		s->net[1 + i].mask = i < n ? route[i].mask : 0;
	}
}

/* Packets to the network are its session's; those of an older one that has it, and was replaced, no more. */
static void net_join(struct shared_tun *t, struct sess_net *n)
{
	struct list *bucket = &t->e->by_net[n->net % ENGINE_BUCKETS];

	LIST_EACH(bucket, i) {
		struct sess_net *old = CONTAINER_OF(i, struct sess_net, link);

		if (old->net == n->net && old->mask == n->mask && old->s->shared == t)
			net_leave(old);
	}
	list_push(bucket, &n->link);
	t->e->n_net[__builtin_popcount(n->mask)]++;
}

void data_shared_open(struct shared_tun *t, int fd)
{
	struct event *ev = fd_setup(fd) < 0 ? NULL :
		event_new(t->e->base, fd, EV_READ | EV_PERSIST, out_shared_readable, t);

	if (!ev) {
		close(fd);
		return;
	}
	/* A new manager has netd's descriptor sent once more. */
	if (t->ev)
		event_free(t->ev);
	if (t->fd >= 0)
		close(t->fd);
	t->fd = fd;
	t->ev = ev;
	event_add(ev, NULL);
	for (uint32_t i = 0; i < t->e->n_rows; i++)
		if (t->e->by_slot[i] && t->e->by_slot[i]->shared == t)
			in_held(t->e->by_slot[i]);
}

void data_shared_close(struct shared_tun *t)
{
	for (uint32_t i = 0; i < t->e->n_rows; i++) {
		struct sess *s = t->e->by_slot[i];

		if (!s || s->shared != t)
			continue;
		data_tun_close(s);
		s->shared = NULL;
	}
	if (t->ev)
		event_free(t->ev);
	if (t->fd >= 0)
		close(t->fd);
	*t = (struct shared_tun){ .e = t->e, .fd = -1 };
}

void data_shared_join(struct sess *s, struct shared_tun *t)
{
	struct sess *old = data_by_ip(t, s->ip);

	/* Another one's network ends where an address of its own begins. */
	if (old && old->ip != s->ip)
		old = NULL;
	/* It was replaced by a newer login, and has not ended yet. */
	if (old && old != s) {
		leave(old);
		hold_free(&old->hold);
	}
	leave(s);
	s->shared = t;
	list_push(ip_bucket(t->e, s->ip), &s->by_ip);
	s->net[0].mask = s->mask == UINT32_MAX ? 0 : s->mask;
	s->net[0].net = s->ip & s->net[0].mask;
	for (unsigned i = 0; i < N_ELEMENTS(s->net); i++)
		if (s->net[i].mask)
			net_join(t, &s->net[i]);
}

void data_shared_routed(struct sess *s)
{
	s->routed = true;
	in_held(s);
}
