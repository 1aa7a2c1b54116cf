/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clients of responder.h: initiators that share no line with libcharon, on a wire
 * that loses what it is told to, and what the engine hears of them.
 */
#ifndef CULVERT_IKE_CLIENT_H
#define CULVERT_IKE_CLIENT_H

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/msg.h"
#include "ctl/dial_ike.h"
#include "esp/esp.h"
#include "tests/ike/responder.h"

#define SERVER 0xc0000201u
#define NAT 0xc0000232u
#define INNER 0xc0a8010au
#define PSK "correct horse"

enum {	/* RFC 2408 3.1, RFC 2407 4.6.3, RFC 3706 */
	PL_SA = 1, PL_KE = 4, PL_ID = 5, PL_HASH = 8, PL_NONCE = 10, PL_NOTIFY = 11, PL_DELETE = 12, PL_VENDOR = 13,
	NOTIFY_INITIAL_CONTACT = 24578, NOTIFY_DPD = 36136,
};

static struct ike_conf conf = {
	.psk = (const uint8_t *)PSK, .psk_len = sizeof(PSK) - 1, .main_group = DIAL_ECP256,
	.retransmit_ms = 1000, .retransmit_max = 5, .ike_life_s = 28800, .esp_life_s = 3600,
};

enum { EXCH_MAIN = 2, EXCH_INFO = 5, EXCH_QUICK = 32 };

/* Messages that a client said. */
struct tape {
	unsigned n;
	struct { size_t n; uint8_t p[IKE_MESSAGE_MAX]; } m[32];
};

/* One that talks to the server, over a wire that loses what it is told to. */
struct client {
	struct ike ike;
	struct addr at;
	struct ike_out out;
	unsigned children;		/* pairs that came up */
	unsigned sent;			/* messages from the server */
	unsigned lose_after, lose;	/* of what it sends, so many pass and then so many are lost, … */
	int lose_exchange;		/* … counted in this exchange; 0: in all */
	unsigned miss_after, miss;	/* the same of what is sent to it */
	bool deaf;
	struct tape *tape;		/* NULL, or where all that it says is kept as well */
	bool queue;			/* what it says waits for say_next() */
	struct tape queued;
};

/* What engine 0 was told, of all lineages. */
enum { SPIS = 4096 };
static struct {
	unsigned announced, added, deleted, moved, ended;
	struct { uint32_t in, out, gone, moved; uint64_t lineage; } sa[SPIS];
	unsigned n;
	uint32_t last_in;
} told;

static struct client a, b, h;

static inline void hear(void)
{
	const struct msg *m;

	while ((m = responder_told())) {
		switch (m->type) {
		case MSG_SPI_NEW:
			told.announced++;
			break;
		case MSG_SA_ADD:
			told.added++;
			if (m->b.sa_add.inbound) {
				told.last_in = m->b.sa_add.spi;
			} else if (told.n < SPIS) {
				told.sa[told.n].in = m->b.sa_add.pair;
				told.sa[told.n].gone = told.sa[told.n].moved = 0;
				told.sa[told.n].lineage = m->b.sa_add.lineage.counter;
				told.sa[told.n++].out = m->b.sa_add.spi;
			}
			break;
		case MSG_SA_DEL:
			told.deleted++;
			for (unsigned i = 0; i < told.n; i++)
				if (told.sa[i].in == (m->b.sa_del.inbound ? m->b.sa_del.spi : m->b.sa_del.pair))
					told.sa[i].gone++;
			break;
		case MSG_SA_MOVE:
			told.moved++;
			for (unsigned i = 0; i < told.n; i++)
				told.sa[i].moved += told.sa[i].in == m->b.sa_move.spi;
			break;
		case MSG_FLOW_END:
			told.ended++;
			break;
		default:
			break;
		}
	}
}

/* Forget those that are gone. */
static inline void told_trim(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < told.n; i++)
		if (!told.sa[i].gone)
			told.sa[n++] = told.sa[i];
	told.n = n;
}

/* Does the server have the pair that the client sends on? */
static inline bool paired(const struct client *c)
{
	hear();
	for (unsigned i = 0; i < told.n; i++)
		if (told.sa[i].in == c->ike.child.spi_out)
			return !told.sa[i].gone && told.sa[i].out == c->ike.child.spi_in;
	return false;
}

/* Did IKE have its pair sent elsewhere? */
static inline bool moved(const struct client *c)
{
	for (unsigned i = 0; i < told.n; i++)
		if (told.sa[i].in == c->ike.child.spi_out)
			return told.sa[i].moved;
	return false;
}

static inline void applied(struct client *c);

static inline bool lost(unsigned *after, unsigned *n)
{
	if (*n && *after) {
		--*after;
		return false;
	}
	return *n && (*n)--;
}

/* What waits on the wire reaches those it is for. */
static inline void deliver(void)
{
	static struct client *const all[] = { &a, &b, &h };
	struct addr to;
	struct rd m;

	while (responder_sent(&to, &m)) {
		uint8_t copy[4096];
		size_t n = MIN(m.n, sizeof(copy));

		memcpy(copy, m.p, n);
		for (unsigned i = 0; i < N_ELEMENTS(all); i++) {
			struct client *c = all[i];

			if (!addr_eq(&c->at, &to) || !c->ike.conf)
				continue;
			c->sent++;
			if (c->deaf || lost(&c->miss_after, &c->miss))
				continue;
			ike_out_init(&c->out);
			ike_input(&c->ike, rd_of(copy, n), responder_now_ms(), &c->out);
			applied(c);
		}
	}
}

static inline void keep(struct tape *t, struct rd m)
{
	if (t->n == N_ELEMENTS(t->m) || m.n > sizeof(t->m[0].p))
		return;
	memcpy(t->m[t->n].p, m.p, m.n);
	t->m[t->n++].n = m.n;
}

static inline void say(struct client *c, struct rd m)
{
	bool counts = !c->lose_exchange || (m.n > 18 && m.p[18] == c->lose_exchange);

	if (c->tape)
		keep(c->tape, m);
	if (counts && lost(&c->lose_after, &c->lose))
		return;
	if (c->queue) {
		keep(&c->queued, m);
		return;
	}
	responder_input(&c->at, m);
	deliver();
}

/* The first that waits. */
static inline void say_next(struct client *c)
{
	struct tape *t = &c->queued;
	uint8_t copy[IKE_MESSAGE_MAX];
	size_t n = t->m[0].n;

	memcpy(copy, t->m[0].p, n);
	memmove(&t->m[0], &t->m[1], --t->n * sizeof(t->m[0]));
	responder_input(&c->at, rd_of(copy, n));
	deliver();
}

/* What the initiator wants done. */
static inline void applied(struct client *c)
{
	struct ike_out out = c->out;

	for (unsigned i = 0; i < out.n; i++) {
		struct ike_effect *e = &out.eff[i];

		/* out is a copy, and so are its bytes */
		if (e->type == IKE_EFF_SEND)
			say(c, rd_of(out.buf + (e->data - c->out.buf), e->len));
		else if (e->type == IKE_EFF_CHILD)
			c->children++;
	}
}

/* Time passes for all. */
static inline void pass(uint64_t ms)
{
	static struct client *const all[] = { &a, &b, &h };
	uint64_t until = responder_now_ms() + ms;

	while (responder_now_ms() < until) {
		responder_advance(MIN(until - responder_now_ms(), (uint64_t)100));
		deliver();
		for (unsigned i = 0; i < N_ELEMENTS(all); i++) {
			struct client *c = all[i];

			if (!c->ike.conf || c->deaf)
				continue;
			ike_out_init(&c->out);
			ike_expire(&c->ike, responder_now_ms(), &c->out);
			applied(c);
		}
		hear();
	}
}

static inline void arrive(struct client *c, uint32_t ip, uint16_t port)
{
	struct ike_ends ends = { .id = addr_v4(INNER, 0), .port = 4500, .peer = addr_v4(SERVER, 0), .natt = true };
	static uint64_t seeds;
	struct rng seed;

	memset(c, 0, sizeof(*c));
	c->at = addr_v4(ip, port);
	rng_init_test(&seed, ++seeds);
	ike_init(&c->ike, &conf, &ends, &seed);
}

static inline void starts(struct client *c)
{
	ike_out_init(&c->out);
	ike_start(&c->ike, responder_now_ms(), &c->out);
	applied(c);
	hear();
}

static inline void rekeys(struct client *c)
{
	static const struct ike_quick_offers any;

	ike_out_init(&c->out);
	if (!ike_rekey(&c->ike, &any, responder_now_ms(), &c->out))
		return;
	applied(c);
	hear();
}

static inline void informs(struct client *c, unsigned type, struct rd body)
{
	ike_out_init(&c->out);
	ike_inform(&c->ike, type, body, &c->out);
	applied(c);
	hear();
}

static inline void leaves(struct client *c)
{
	ike_out_init(&c->out);
	ike_close(&c->ike, &c->out);
	applied(c);
	ike_free(&c->ike);
	memset(c, 0, sizeof(*c));
	hear();
}

static inline void wr_notify(struct wr *w, const struct ike *k, unsigned type)
{
	wr_u32(w, 1);
	wr_u8(w, 1);
	wr_u8(w, 16);
	wr_u16(w, (uint16_t)type);
	wr_bytes(w, k->cky_i, 8);
	wr_bytes(w, k->cky_r, 8);
}

/* R-U-THERE, and its answer. */
static inline bool alive(struct client *c)
{
	static uint32_t seq = 100;
	uint8_t buf[64];
	struct wr w = wr_of(buf, sizeof(buf));
	unsigned before = c->sent;

	wr_notify(&w, &c->ike, NOTIFY_DPD);
	wr_u32(&w, seq++);
	informs(c, PL_NOTIFY, rd_of(buf, w.len));
	return c->sent == before + 1 && c->ike.state == IKE_UP;
}

#endif
