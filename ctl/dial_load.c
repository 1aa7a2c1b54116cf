/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sessions send on purpose.  Pings and floods are each session's own
 * affair; the source is one for all, which goes around among those that are
 * up, so that a batch is of as many of them as the burst says.
 */
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "ctl/dial.h"
#include "l2tpd/msg.h"

enum {
	PACKET_MAX = 1700,
	CATCH_UP_MS = 200,		/* a late timer does not make a burst longer than this */
	LOAD_US = 1000,			/* how often the source looks what is due … */
	LOAD_CATCH_UP_US = 20000,	/* … and what it does not do any more when it was kept from it */
	LOAD_TURN = 4096,		/* packets before others get their turn */
	RING_TRAIN = 44,		/* packets of a ring in one send: 64 KB */
};

static uint32_t target(const struct dsess *s)
{
	return s->d->conf.target ? s->d->conf.target : s->ppp.ip_remote;
}

/* ---- pings ---- */
static void ping(struct dsess *s, uint64_t now)
{
	const struct dial_conf *c = &s->d->conf;
	uint8_t buf[PACKET_MAX];
	struct wr w = wr_of(buf, sizeof(buf));

	s->w.sent_us[s->w.next % PING_RING] = now_us();
	ip_write_echo(&w, s->ppp.ip_local, target(s), (uint16_t)(s->n + 1), s->w.next++, c->size);
	s->w.sent++;
	s->w.at_ms += c->ping_ms;
	if (s->w.at_ms + CATCH_UP_MS < now)
		s->w.at_ms = now;
	sess_send_ip(s, buf, w.len);
}

static uint64_t since_ms(const struct witness *w, uint16_t seq)
{
	return (now_us() - w->sent_us[seq % PING_RING]) / 1000;
}

static void witness_got(struct witness *w, uint16_t seq)
{
	uint16_t from = w->any ? w->last : (uint16_t)-1, ahead = (uint16_t)(seq - from);

	if ((uint16_t)(w->next - 1 - seq) >= PING_RING)
		return;			/* never sent, or so long ago that it counts as lost */
	w->got++;
	if (w->rtt)
		hist_add(w->rtt, now_us() - w->sent_us[seq % PING_RING]);
	/* All that were sent before the one that is answered first, or one of these after all. */
	w->early = MIN(w->any ? w->early : UINT32_MAX, w->sent - (uint16_t)(w->next - seq));
	if (!ahead || ahead >= 0x8000)
		return;			/* overtaken by a later one */
	if (ahead > 1) {
		/* Those between were not answered: out since the first of them. */
		uint16_t first = (uint16_t)(from + 1);

		if ((uint16_t)(w->next - first) > PING_RING)
			first = (uint16_t)(w->next - PING_RING);
		w->outage_ms = MAX(w->outage_ms, since_ms(w, first));
	}
	w->last = seq;
	w->any = true;
}

/* The last ones had their time to be answered. */
static void witness_end(struct witness *w)
{
	uint16_t first = w->any ? (uint16_t)(w->last + 1) : 0;

	if (!w->sent || first == w->next)
		return;
	if ((uint16_t)(w->next - first) > PING_RING)
		first = (uint16_t)(w->next - PING_RING);
	if (since_ms(w, first) >= GRACE_MS)
		w->outage_ms = MAX(w->outage_ms, since_ms(w, first));
}

bool load_input(struct dsess *s, struct rd ip)
{
	uint16_t seq;

	if (!s->d->conf.ping_ms || !ip_read_echo_reply(ip, (uint16_t)(s->n + 1), &seq))
		return false;
	witness_got(&s->w, seq);
	return true;
}

/* ---- the ring ---- */

static size_t ring_bytes(const struct ring *r)
{
	return r->len * r->n;
}

static void ring_free_all(struct ring *r)
{
	if (r->p)
		munmap(r->p, ring_bytes(r));
	esp_sa_free(r->ctl);
	*r = (struct ring){ 0 };
}

/* The whole ring of one session, numbered and sealed. */
static void ring_make(struct dsess *s)
{
	const struct dial_conf *c = &s->d->conf;
	struct ike_child *k = &s->ike.child;
	struct esp_keys keys = { k->enc, k->auth, k->out_enc, k->enc_len, k->out_auth, k->auth_len };
	uint8_t plain[IP_HEAD + PACKET_MAX];
	struct wr w = wr_of(plain, sizeof(plain)), all, len;
	struct ring *r = &s->ring;

	wr_bytes(&w, s->head, IP_HEAD);
	ip_write_udp(&w, s->ppp.ip_local, target(s), (uint16_t)(1024 + s->n % 60000), c->size);
	len = wr_of(plain, IP_HEAD);
	(void)wr_room(&len, 4);
	wr_u16(&len, (uint16_t)w.len);
	sess_udp_sum(s, plain, w.len);
	*r = (struct ring){ .n = c->ring, .len = esp_sealed_len(s->out, w.len), .first = (uint32_t)esp_seq(s->out) + 1 };
	r->p = mmap(NULL, ring_bytes(r), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->p == MAP_FAILED || esp_sa_new(k->spi_out, &keys, false, &r->ctl) < 0)
		fatal("no memory for a ring of %zu MB", ring_bytes(r) >> 20);
	all = wr_of(r->p, ring_bytes(r));
	for (unsigned at = 0; at < r->n;) {
		struct esp_pkt pkt[RING_RUN];
		unsigned n = MIN(r->n - at, (unsigned)RING_RUN);

		for (unsigned i = 0; i < n; i++) {
			struct wr one = wr_of(wr_room(&all, r->len), r->len);

			(void)wr_room(&one, esp_payload_offset(s->out));
			wr_bytes(&one, plain, w.len);
			pkt[i] = (struct esp_pkt){ .sa = s->out, .p = one.p, .len = w.len, .next_header = IPPROTO_UDP };
		}
		esp_seal(pkt, n);
		for (unsigned i = 0; i < n; i++)
			if (pkt[i].verdict != ESP_OK)
				fatal("a ring: %s", esp_verdict_str(pkt[i].verdict));
		at += n;
		if (n == RING_RUN && !esp_seq_raise(s->out, (uint32_t)esp_seq(s->out) + RING_FREE))
			fatal("a ring: no numbers");
	}
}

/* Send up to n packets of it; how many it were. */
static unsigned ring_send(struct dsess *s, unsigned n)
{
	struct ring *r = &s->ring;
	unsigned sent = 0;

	n = MIN(n, r->n - r->at);
	while (sent < n) {
		unsigned k = MIN(n - sent, (unsigned)MAX(RING_TRAIN * 1460 / r->len, (size_t)1));
		struct rd at = rd_of(r->p, ring_bytes(r));

		k = MIN(k, 64u);
		rd_skip(&at, r->at * r->len);
		if (wire_bad(s->d)) {
			k = 1;
			wire_send(s, wire_data(s), false, at.p, r->len);
		} else {
			wire_send_train(s, at.p, k * r->len, r->len);
		}
		r->at += k;
		sent += k;
	}
	s->out_packets += sent;
	s->out_bytes += sent * (uint64_t)(IP_HEADER + IP_UDP_HEADER + s->d->conf.size);
	return sent;
}

/* ---- the source ---- */

static void source_live(struct dsess *s, unsigned n)
{
	const struct dial_conf *c = &s->d->conf;
	uint8_t buf[PACKET_MAX];
	struct wr w = wr_of(buf, sizeof(buf));

	ip_write_udp(&w, s->ppp.ip_local, target(s), (uint16_t)(1024 + s->n % 60000), c->size);
	for (; n; n--)
		sess_send_ip(s, buf, w.len);
}

/* One session's turn: how many packets it sent, 0 when there is nothing to do for it. */
static unsigned source_turn(struct dsess *s, unsigned n)
{
	if (s->state != SESS_UP)
		return 0;
	if (s->d->conf.ring)
		return s->ring.p ? ring_send(s, n) : 0;
	source_live(s, n);
	return n;
}

static void source(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	const struct dial_conf *c = &d->conf;
	uint64_t now = now_us(), took = now - d->load_us;
	double most = MAX((double)LOAD_CATCH_UP_US * c->source_pps * d->up / 1e6, 1.0);
	uint64_t before = d->sourced ? 0 : cpu_us();
	unsigned idle = 0, turn = 0;

	d->load_us = now;
	if (d->ending || d->vanished || !d->up)
		return;
	d->load_due += (double)took * c->source_pps * d->up / 1e6;
	if (d->load_due > most) {
		d->source_short += (uint64_t)(d->load_due - most);
		d->load_due = most;
	}
	while (d->load_due >= 1 && idle < d->next && turn < LOAD_TURN) {
		unsigned n = (unsigned)MIN(d->load_due, d->up == 1 ? (double)BURST_MAX : (double)c->burst);
		unsigned sent = source_turn(&d->sess[d->load_at], n);

		d->load_at = (d->load_at + 1) % d->next;
		idle = sent ? 0 : idle + 1;
		if (!sent)
			continue;
		if (!d->sourced) {
			d->load_first_us = now;
			d->load_cpu_us = before;
		}
		d->sourced += sent;
		turn += sent;
		d->load_due -= sent;
	}
	data_flush(d);
	if (turn) {
		d->load_last_us = now_us();
		d->load_cpu_end_us = cpu_us();
	}
	if (idle == d->next)
		d->load_due = 0;	/* nobody has anything left */
}

static void source_start(struct dial *d)
{
	struct timeval tv = { .tv_usec = LOAD_US };

	if (!d->load_ev)
		d->load_ev = event_new(d->base, -1, EV_PERSIST, source, d);
	if (!d->load_ev || event_add(d->load_ev, &tv) < 0)
		fatal("no timer");
	d->load_us = now_us();
}

/* ---- floods ---- */

/* SCCRQs of ever new tunnels, or LCP echo requests. */
static void flood(struct dsess *s, uint64_t now)
{
	static const char host[] = "flood";
	uint64_t due = MIN(now - s->flood_at_ms, CATCH_UP_MS) * s->d->conf.flood_pps / 1000;

	if (!due)
		return;
	s->flood_at_ms = now;
	for (; due; due--) {
		uint8_t body[256], buf[256];
		struct wr b = wr_of(body, sizeof(body)), w = wr_of(buf, sizeof(buf));

		s->flooded++;
		if (s->d->conf.flood == FLOOD_L2TP) {
			struct l2tp_msg m = {
				.type = L2TP_SCCRQ, .version = 0x0100, .framing_capabilities = 3, .rws = 4,
				.host_name = rd_of(host, sizeof(host) - 1), .tunnel = (uint16_t)(rng_u32(&s->d->rng) | 1),
			};
			struct l2tp_hdr h = { 0 };

			m.has = 1ull << AVP_MESSAGE_TYPE | 1ull << AVP_PROTOCOL_VERSION |
				1ull << AVP_FRAMING_CAPABILITIES | 1ull << AVP_HOST_NAME |
				1ull << AVP_ASSIGNED_TUNNEL_ID | 1ull << AVP_RECEIVE_WINDOW_SIZE;
			l2tp_msg_write(&b, &m);
			h.body = rd_of(body, b.len);
			l2tp_hdr_write(&w, &h);
			sess_send_inner(s, NULL, 0, buf, w.len);
		} else {
			wr_u16(&w, PPP_LCP);
			wr_u8(&w, 9);		/* RFC 1661 5.8: Echo-Request */
			wr_u8(&w, (uint8_t)s->flooded);
			wr_u16(&w, 8);
			wr_u32(&w, s->ppp.magic);
			sess_send_frame(s, buf, w.len);
		}
	}
}

static bool flooding(const struct dsess *s)
{
	enum dial_flood f = s->d->conf.flood;

	return (f == FLOOD_L2TP && wire_up(s) && s->state < SESS_CLOSING) || (f == FLOOD_PPP && s->state == SESS_UP);
}

/* ---- life ---- */
void load_up(struct dsess *s, uint64_t now)
{
	const struct dial_conf *c = &s->d->conf;

	s->w.at_ms = s->flood_at_ms = now;
	if (c->ping_ms && !s->w.rtt)
		s->w.rtt = calloc(1, sizeof(*s->w.rtt));
}

void load_all_up(struct dial *d)
{
	if (!d->conf.source_pps || !d->up)
		return;
	for (unsigned i = 0; i < d->conf.sessions; i++)
		if (d->conf.ring && d->sess[i].state == SESS_UP)
			ring_make(&d->sess[i]);
	source_start(d);
}

void load_end(struct dsess *s)
{
	witness_end(&s->w);
}

void load_free(struct dsess *s)
{
	ring_free_all(&s->ring);
}

uint64_t load_deadline(const struct dsess *s)
{
	const struct dial_conf *c = &s->d->conf;
	uint64_t at = UINT64_MAX;

	if (s->state == SESS_UP && !s->d->ending && c->ping_ms)
		at = s->w.at_ms;
	if (flooding(s))
		at = MIN(at, s->flood_at_ms + MAX(1000u / MAX(c->flood_pps, 1u), 5u));
	return at;
}

void load_expire(struct dsess *s, uint64_t now)
{
	if (s->state == SESS_UP && !s->d->ending && s->d->conf.ping_ms && now >= s->w.at_ms)
		ping(s, now);
	if (flooding(s))
		flood(s, now);
}
