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
	list_init(&s->by_ip);
	list_init(&s->by_net);
	turn_init(&s->out.turn);
	list_init(&s->out.queue);
}

/* Packets to its address and network are not its own any more. */
static void leave(struct sess *s)
{
	list_del(&s->by_ip);
	if (list_empty(&s->by_net))
		return;
	list_del(&s->by_net);
	s->flow->e->n_net[s->net_len]--;
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

void data_limit(struct sess *s, uint64_t in_bps, uint64_t out_bps, uint64_t now)
{
	/* A tenth of a second of it, but not less than a super-packet. */
	s->in_limit = bucket_of(in_bps / 8, (uint32_t)MIN(MAX(in_bps / 80, DATA_DATAGRAM), UINT32_MAX), now);
	s->out_limit = bucket_of(out_bps / 8, (uint32_t)MIN(MAX(out_bps / 80, DATA_DATAGRAM), UINT32_MAX), now);
}

/* ---- a TUN for all sessions ---- */
static struct list *ip_bucket(struct engine *e, uint32_t ip)
{
	return &e->by_ip[ip % ENGINE_BUCKETS];
}

/* The session with the longest prefix of the address. */
static struct sess *by_net(const struct shared_tun *t, uint32_t ip)
{
	for (unsigned len = 31; len; len--) {
		uint32_t mask = UINT32_MAX << (32 - len);

		if (!t->e->n_net[len])
			continue;
		LIST_EACH(&t->e->by_net[(ip & mask) % ENGINE_BUCKETS], i) {
			struct sess *s = CONTAINER_OF(i, struct sess, by_net);

			if (s->mask == mask && !((s->ip ^ ip) & mask) && s->shared == t)
				return s;
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
	if (s->mask && s->mask != UINT32_MAX) {
		list_push(&t->e->by_net[(s->ip & s->mask) % ENGINE_BUCKETS], &s->by_net);
		s->net_len = (uint8_t)__builtin_popcount(s->mask);
		t->e->n_net[s->net_len]++;
	}
}

void data_shared_routed(struct sess *s)
{
	s->routed = true;
	in_held(s);
}
