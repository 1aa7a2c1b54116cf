/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reliable delivery.  The queue's numbers: message i of it has Ns una + i;
 * those below `high` have been on the wire, those from `next` on are to be
 * sent.  A retransmission sets next back to 0 with a congestion window of one,
 * so that a lost burst is not sent again as a burst.
 */
#include "l2tpd/xport.h"

#include <string.h>

void xport_init(struct xport *x, uint32_t first_ms)
{
	memset(x, 0, sizeof(*x));
	x->first_ms = first_ms ? first_ms : 1;
	x->cwnd = 1;
	x->timer_ms = UINT64_MAX;
	xport_set_rws(x, XPORT_RWS_DEFAULT);
}

void xport_set_rws(struct xport *x, uint16_t rws)
{
	x->rws = x->ssthresh = rws;
	x->cwnd = MIN(x->cwnd, rws);
}

/* RFC 2661 5.8: "Each subsequent retransmission of a message MUST employ an
 * exponential backoff interval." */
static uint64_t interval_ms(uint32_t first_ms, unsigned tries)
{
	return MIN((uint64_t)first_ms << MIN(tries, 20u), MAX((uint64_t)XPORT_CAP_MS, first_ms));
}

uint64_t xport_cycle_ms(uint32_t first_ms, unsigned max)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i <= max; i++)
		sum += interval_ms(first_ms, i);
	return sum;
}

/* Room for what one received message can lead to: at most two answers. */
static bool room(const struct xport *x)
{
	return x->n + 3 <= XPORT_QUEUE && x->used + 2 * XPORT_BODY_MAX + XPORT_LAST <= XPORT_BYTES;
}

/* Appendix A: one more for each acknowledgement below ssthresh, then one more for each window. */
static void grow(struct xport *x)
{
	if (x->cwnd >= x->ssthresh && ++x->grown < x->cwnd)
		return;
	x->grown = 0;
	x->cwnd = MIN(x->cwnd + 1, x->rws);
}

/* The peer has the first k messages. */
static void acked(struct xport *x, unsigned k, uint64_t now_ms)
{
	size_t len = 0;

	if (!k)
		return;
	for (unsigned i = 0; i < k; i++)
		len += x->q[i].len;
	memmove(x->bytes, x->bytes + len, x->used - len);
	memmove(x->q, x->q + k, (x->n - k) * sizeof(x->q[0]));
	x->used -= (uint16_t)len;
	x->una += (uint16_t)k;
	x->n -= (uint8_t)k;
	x->high -= (uint8_t)k;
	x->next -= (uint8_t)MIN(k, x->next);
	x->tries = 0;
	x->timer_ms = x->next ? now_ms + interval_ms(x->first_ms, 0) : UINT64_MAX;
	grow(x);
}

static struct xport_held *held(struct xport *x, uint16_t ns)
{
	return &x->hold[ns % XPORT_HOLD];
}

static void hold(struct xport *x, const struct l2tp_hdr *h)
{
	struct xport_held *s = held(x, h->ns);

	s->ns = h->ns;
	s->session = h->session;
	s->len = (uint16_t)h->body.n;
	memcpy(s->body, h->body.p, h->body.n);
}

enum xport_verdict xport_input(struct xport *x, const struct l2tp_hdr *h, uint64_t now_ms)
{
	uint16_t ahead = h->ns - x->nr, k = h->nr - x->una;

	if (k > x->high) {
		/* An old Nr is that of a late message, and says nothing new; one of what was
		 * never sent is no Nr of this connection. */
		if (k < 0x8000)
			return XPORT_DROP;
		k = 0;
	}
	acked(x, k, now_ms);
	if (!h->body.n)
		return XPORT_ACK;
	/* 5.8: a number within the 32768 before the expected one has been seen, and
	 * "duplicate messages MUST be acknowledged". */
	if (ahead >= 0x8000) {
		x->ack = true;
		return XPORT_DUP;
	}
	if (ahead) {
		if (ahead >= XPORT_HOLD || h->body.n > XPORT_HOLD_BODY)
			return XPORT_DROP;
		hold(x, h);
		return XPORT_EARLY;
	}
	/* 5.8 forbids flow control by withheld acknowledgements.  This is none: a peer that
	 * takes our answers never fills the queue, and the memory must end somewhere. */
	if (!room(x))
		return XPORT_DROP;
	held(x, h->ns)->len = 0;
	x->nr++;
	x->ack = true;
	return XPORT_NEW;
}

bool xport_next(struct xport *x, struct l2tp_hdr *ret)
{
	struct xport_held *s = held(x, x->nr);

	if (!s->len || s->ns != x->nr || !room(x))
		return false;
	*ret = (struct l2tp_hdr){ .session = s->session, .ns = s->ns, .body = rd_of(s->body, s->len) };
	s->len = 0;
	x->nr++;
	x->ack = true;
	return true;
}

static void push(struct xport *x, uint16_t session, const struct wr *body)
{
	memcpy(x->bytes + x->used, body->p, body->len);
	x->used += (uint16_t)body->len;
	x->q[x->n].session = session;
	x->q[x->n].len = (uint16_t)body->len;
	x->n++;
}

bool xport_send(struct xport *x, uint16_t session, const struct wr *body)
{
	if (body->bad || body->len > XPORT_BODY_MAX || !xport_room(x, body->len))
		return false;
	push(x, session, body);
	return true;
}

void xport_send_last(struct xport *x, const struct wr *body)
{
	while (x->n > x->high)
		x->used -= x->q[--x->n].len;
	if (!body->bad && body->len <= XPORT_LAST)
		push(x, 0, body);
}

static unsigned window(const struct xport *x)
{
	return MIN(x->n, MIN(x->cwnd, x->rws));
}

bool xport_poll(struct xport *x, uint16_t peer_tunnel, uint64_t now_ms, struct wr *w)
{
	struct l2tp_hdr h = { .tunnel = peer_tunnel, .nr = x->nr };

	if (x->next < window(x)) {
		size_t at = 0;

		for (unsigned i = 0; i < x->next; i++)
			at += x->q[i].len;
		h.session = x->q[x->next].session;
		h.body = rd_of(x->bytes + at, x->q[x->next].len);
		h.ns = (uint16_t)(x->una + x->next);
		if (x->next < x->high)
			x->resent++;
		x->next++;
		x->high = MAX(x->high, x->next);
		if (x->timer_ms == UINT64_MAX)
			x->timer_ms = now_ms + interval_ms(x->first_ms, x->tries);
	} else if (x->ack) {
		/* A ZLB has the number that the next new message will have, and does not use it up. */
		h.ns = (uint16_t)(x->una + x->high);
	} else {
		return false;
	}
	x->ack = false;
	l2tp_hdr_write(w, &h);
	return true;
}

bool xport_expire(struct xport *x, unsigned max, uint64_t now_ms)
{
	if (now_ms < x->timer_ms)
		return true;
	if (x->tries >= max)
		return false;
	x->tries += x->tries < UINT8_MAX;
	x->ssthresh = MAX(x->cwnd / 2, 1);
	x->cwnd = 1;
	x->grown = 0;
	x->next = 0;
	x->timer_ms = now_ms + interval_ms(x->first_ms, x->tries);
	return true;
}

void xport_again(struct xport *x, uint64_t now_ms)
{
	x->tries = 0;
	x->next = 0;
	x->timer_ms = x->high ? now_ms + interval_ms(x->first_ms, 0) : UINT64_MAX;
}

uint64_t xport_deadline(const struct xport *x)
{
	return x->ack || x->next < window(x) ? 0 : x->timer_ms;
}
