/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the sockets to the TUNs: see data.c.
 *
 * A socket is one queue for all clients.  It is emptied into a queue per flow,
 * and flows take turns (turns.h).  When there is no room left, what comes for the
 * longest queue is thrown away unread, and another's gets the place of that queue's
 * oldest.  Reading a train costs a sixth of what opening it costs, so one client's
 * flood delays the others by a round only, and to throw one away costs next to
 * nothing, so an overload leaves the time to what is opened.  Of datagrams that GRO
 * did not merge a round opens all that it reads: with a flood of these the socket is
 * the queue.  ESP without UDP never comes in trains; so more of it is read at once.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/log.h"
#include "base/rd.h"
#include "l2tpd/coal.h"
#include "l2tpd/csum.h"
#include "l2tpd/data.h"
#include "l2tpd/msg.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
	RX_BUFS = 8,				/* datagrams of one recvmmsg, each up to 64 KB by GRO */
	RX_BUFS_RAW = 32,			/* likewise, each a packet */
	RX_ROUNDS = 8,				/* of recvmmsg before other descriptors get their turn */
	RX_PKTS = 1024,				/* packets of one batch … */
	RX_BYTES = 512 << 10,			/* … and theirs: half of a core's second-level cache */
	PUMP_PKTS = 1024,			/* to open before others get their turn */
	GRAMS = 256,				/* datagrams that were received, of all flows */
	NON_ESP_MARKER = 4,
	ESP_DUMMY = 59,				/* RFC 4303 2.6: a packet that is to be forgotten */
	HEAD = 72,				/* bytes of a datagram that say whose it is, behind an IP header if there is one */
	IP_HDR_MIN = 20,
};

/* A datagram: one packet, or a train of equal ones and a last that may be shorter. */
struct gram {
	struct list link;			/* in grams_free, a flow's queue, or rx.grams */
	size_t len, seg;
	uint32_t mark;				/* what the kernel opened: whose it is; else 0 */
	uint64_t at_ms;				/* when it was received */
	struct engine_sock *sock;
	struct addr peer, local;
	uint8_t *p;				/* in buf: its first byte, behind the IP header if there is one */
	uint8_t buf[DATA_DATAGRAM];
};

/* As with the packets that wait in data_out.c: the last that became free is taken first. */
static struct gram grams[GRAMS];
static unsigned grams_used;			/* so many were taken at least once */
static struct list grams_free;

/* One batch of received ESP packets. */
static struct rx {
	struct list grams;		/* which they lie in */
	size_t bytes;
	unsigned n;
	struct esp_pkt pkt[RX_PKTS];
	struct sa *sa[RX_PKTS];
	const struct addr *from_peer[RX_PKTS];
	uint32_t seq[RX_PKTS];
	bool polled;			/* iked's messages were read since these datagrams came */
	struct coal coal;		/* IP packets on their way to the TUNs; empty between batches */
	struct flow *heard;		/* of the last packet of this batch, and its tunnel */
	uint16_t heard_tunnel;
} rx;

/* ---- to the TUN ---- */
static bool tun_write(void *ctx, const struct coal_out *o)
{
	struct sess *s = o->key;
	struct engine *e = s->flow->e;

	if (writev(data_tun(s), o->iov, (int)o->n_iov) < 0) {
		if (errno == EINVAL && o->packets > 1)
			return false;
		e->count.tun_full += o->packets;
		s->row->in_errors += o->packets;
		return true;
	}
	e->count.tun_writes++;
	s->row->in_packets += o->packets;
	s->row->in_bytes += o->bytes;
	return true;
}

void in_held(struct sess *s)
{
	if (data_tun(s) < 0)
		return;
	for (unsigned i = 0; i < s->hold.n; i++)
		coal_add(&rx.coal, s, s->hold.pkt[i]->data, s->hold.pkt[i]->len);
	coal_flush(&rx.coal);
	hold_free(&s->hold);
}


/* ---- in: inner packets ---- */

/* Source check of one IP packet of a session. */
static bool ip_ok(struct sess *s, struct rd ip)
{
	struct engine *e = s->flow->e;
	uint8_t ver = rd_u8(&ip);
	uint16_t total;
	uint32_t src;

	rd_skip(&ip, 1);
	total = rd_u16(&ip);
	rd_skip(&ip, 8);
	src = rd_u32(&ip);
	rd_skip(&ip, 4);
	if (ip.bad || ver >> 4 != 4 || (ver & 15) < 5 || total < (ver & 15) * 4u || total > ip.n + 20) {
		e->count.ip_bad++;
		return false;
	}
	if (((src ^ s->ip) & s->mask) && e->conf.tunnel[s->flow->tunnel].ingress_filter && !data_behind(s, src)) {
		e->count.ip_spoofed++;
		return false;
	}
	return true;
}

static void ip_in(struct sess *s, uint8_t *p, size_t n, uint64_t now)
{
	struct engine *e = s->flow->e;

	if (!s->xauth)
		ppp_heard(&s->ppp, now);
	if (!sess_may_ip(s)) {
		e->count.ip_before_up++;
		return;
	}
	if (!ip_ok(s, rd_of(p, n))) {
		s->row->in_errors++;
		return;
	}
	if (!bucket_take(&s->in_limit, n, now)) {
		e->count.in_limited++;
		s->row->in_errors++;
		return;
	}
	if (s->shared && list_empty(&s->by_ip))
		e->count.ip_nobody++;		/* its address is another session's by now */
	else if (data_tun(s) >= 0)
		coal_add(&rx.coal, s, p, n);
	else
		hold_put(&s->hold, NULL, p, n, now);
}

/* A numbered message of a session (RFC 2661 5.4). False: it is not to be read. */
static __attribute__((noinline)) bool seq_ok(struct sess *s, uint16_t ns, struct rd frame)
{
	struct engine *e = s->flow->e;
	uint16_t proto;

	switch (dseq_in(&s->seq, ns)) {
	case DSEQ_NEXT:
		return true;
	case DSEQ_LATE:
		/* IP sees to its order itself; PPP's protocols rely on the link's. */
		e->count.l2tp_late++;
		return ppp_frame(&frame, &proto) && proto == PPP_IP;
	default:
		e->count.l2tp_stale++;
		return false;
	}
}

/* A packet in the clear from who agreed to encrypt: Windows sends some before its first encrypted one. */
static void mppe_clear(struct sess *s, uint64_t now)
{
	ppp_heard(&s->ppp, now);
	s->flow->e->count.mppe_clear++;
	s->row->in_errors++;
}

/* The information of a PPP frame that MPPE made, n bytes at p. */
static void mppe_in(struct sess *s, uint8_t *p, size_t n, uint64_t now)
{
	struct engine *e = s->flow->e;
	struct rd in;
	uint16_t proto;

	switch (mppe_open(s->mppe, p, n, now)) {
	case MPPE_LOST:
		e->count.mppe_lost++;
		s->row->in_errors++;
		coal_flush(&rx.coal);
		call_mppe_lost(s, now);
		return;
	case MPPE_LATE:
		e->count.mppe_late++;
		s->row->in_errors++;
		return;
	case MPPE_DROP:
		e->count.mppe_bad++;
		s->row->in_errors++;
		return;
	case MPPE_OK:
		break;
	}
	in = rd_of(p + MPPE_HEADER, n - MPPE_HEADER);
	/* RFC 3078 3: network protocols alone are encrypted.  Linux sends IPv6 without having asked. */
	if (!ppp_frame(&in, &proto) || proto < PPP_IP || proto > 0x00fa) {
		e->count.mppe_bad++;
		s->row->in_errors++;
	} else if (proto == PPP_IP) {
		if (e->dump_data)
			call_dump(s, true, PPP_IP, in.p, in.n);
		ip_in(s, p + (in.p - p), in.n, now);
	} else {
		coal_flush(&rx.coal);
		call_ppp(s, rd_of(p + MPPE_HEADER, n - MPPE_HEADER), now);
	}
}

/* A data message and the PPP frame in it; a frame that call_ppp() gets is dumped there. */
static __attribute__((noinline)) void dump_data_in(const struct sess *s, struct rd msg, struct rd frame)
{
	uint16_t proto;

	call_dump_l2tp(s->flow, true, msg);
	if (ppp_frame(&frame, &proto) && (proto == PPP_IP || (proto == PPP_COMP && s->mppe)))
		call_dump(s, true, proto, frame.p, frame.n);
}

/* An L2TP message of the flow's client, n bytes at p, from its UDP port. */
static void l2tp_in(struct flow *f, uint8_t *p, size_t n, uint16_t port, uint64_t now)
{
	struct engine *e = f->e;
	struct rd r = rd_of(p, n), frame;
	struct l2tp_data d;
	struct sess *s;
	uint16_t proto;

	if (l2tp_is_control(r)) {
		coal_flush(&rx.coal);		/* it may end sessions */
		call_l2tp(f, r, port, now);
		return;
	}
	if (!l2tp_data_parse(&r, &d)) {
		if (e->dump_data)
			call_dump_l2tp(f, true, rd_of(p, n));
		e->count.l2tp_bad++;
		return;
	}
	s = call_find(f, d.tunnel, d.session);
	if (!s) {
		if (e->dump_data)
			call_dump_l2tp(f, true, rd_of(p, n));
		e->count.l2tp_unknown_session++;
		coal_flush(&rx.coal);
		call_stray(f, d.tunnel, d.session, port, now);
		return;
	}
	if (rx.heard != f || rx.heard_tunnel != d.tunnel) {
		l2tp_flow_heard(&f->l2tp, d.tunnel, now);
		rx.heard = f;
		rx.heard_tunnel = d.tunnel;
	}
	if (d.sequenced && !seq_ok(s, d.ns, r)) {
		if (e->dump_data)
			call_dump_l2tp(f, true, rd_of(p, n));
		return;
	}
	if (e->dump_data)
		dump_data_in(s, rd_of(p, n), r);
	frame = r;
	if (!ppp_frame(&frame, &proto)) {
		e->count.ppp_bad++;
	} else if (proto == PPP_IP) {
		/* What is not encrypted where it was agreed to be is nobody's word. */
		if (s->mppe)
			mppe_clear(s, now);
		/* The batch is ours to write to; coal does. */
		else
			ip_in(s, p + (frame.p - p), frame.n, now);
	} else if (proto == PPP_COMP && s->mppe) {
		mppe_in(s, p + (frame.p - p), frame.n, now);
	} else {
		coal_flush(&rx.coal);
		call_ppp(s, r, now);
	}
}

/* The payload of one ESP packet of a client that came by XAuth: an IP packet (RFC 4303 3.1.2). */
static __attribute__((noinline)) void tunnel_in(struct flow *f, struct esp_pkt *pkt, uint64_t now)
{
	struct engine *e = f->e;

	if (pkt->next_header == ESP_DUMMY)
		return;
	if (!f->xauth) {
		e->count.ip_before_up++;	/* it was ended, and does not know yet */
	} else if (pkt->next_header != IPPROTO_IPIP) {
		e->count.inner_bad++;
		f->xauth->row->in_errors++;
	} else {
		size_t n = pkt->payload_len;
		struct rd r = rd_of(pkt->payload, n);
		uint16_t total;

		/* RFC 4303 2.7: what stands behind the packet hides how long it is, and is none of it. */
		rd_skip(&r, 2);
		total = rd_u16(&r);
		if (!r.bad && total < n)
			n = total;
		if (e->dump_data)
			call_dump(f->xauth, true, PPP_IP, pkt->payload, n);
		ip_in(f->xauth, pkt->payload, n, now);
	}
}

/* Is the checksum of a UDP datagram of len bytes right for the addresses outside (RFC 8200 8.1)? */
static bool udp_sum_ok(const struct path *path, const uint8_t *p, size_t len)
{
	struct rd r = rd_of(p, len);

	rd_skip(&r, 6);
	return rd_u16(&r) && csum_fold(csum_add(csum_pseudo6(path->peer.ip, path->local.ip, IPPROTO_UDP, len), p, len)) == 0xffff;
}

/* The payload of one ESP packet: a UDP datagram (RFC 3193 2), or an IP packet. */
static void inner_in(struct sa *sa, struct esp_pkt *pkt, uint64_t now)
{
	struct flow *f = own_flow(sa);
	struct engine *e = f->e;
	struct rd r = rd_of(pkt->payload, pkt->payload_len);
	uint16_t sport, dport, len;

	if (f->tunnel_mode) {
		tunnel_in(f, pkt, now);
		return;
	}
	sport = rd_u16(&r);
	dport = rd_u16(&r);
	len = rd_u16(&r);
	/* The checksum covers addresses that a NAT changed; the ICV says more (RFC 3948 3.1.2). Over
	 * IPv6 without UDP there is no NAT, and it must be right. */
	rd_skip(&r, 2);
	if (r.bad || pkt->next_header != IPPROTO_UDP || len < DATA_UDP_HDR || (size_t)len - DATA_UDP_HDR > r.n ||
	    (sa->path.raw && sa->path.local.family == 6 && !udp_sum_ok(&sa->path, pkt->payload, len))) {
		e->count.inner_bad++;
		return;
	}
	if (dport != DATA_L2TP_PORT) {
		e->count.inner_not_1701++;
		return;
	}
	if (!f->lin.own) {
		r = rd_sub(&r, (size_t)len - DATA_UDP_HDR);
		if (!flow_joins(sa, pkt->payload, pkt->payload_len, r, sport, now))
			return;
		f = own_flow(sa);
	}
	l2tp_in(f, pkt->payload + DATA_UDP_HDR, (size_t)len - DATA_UDP_HDR, sport, now);
}

/* An L2TP message that the kernel opened, of the client of sa, n bytes at p, from its UDP port. */
static void opened_in(struct sa *sa, uint8_t *p, size_t n, uint16_t sport, uint64_t now)
{
	struct flow *f = own_flow(sa);

	if (!f->lin.own) {
		if (!flow_joins(sa, p, n, rd_of(p, n), sport, now))
			return;
		f = own_flow(sa);
	}
	l2tp_in(f, p, n, sport, now);
}

/* ---- in: ESP ---- */
static void count_verdict(struct engine *e, enum esp_verdict v)
{
	switch (v) {
	case ESP_SHORT:
		e->count.esp_short++;
		break;
	case ESP_REPLAYED:
		e->count.esp_replayed++;
		break;
	case ESP_BAD_ICV:
		e->count.esp_bad_icv++;
		break;
	case ESP_BAD_PAD:
		e->count.esp_bad_pad++;
		break;
	default:
		e->count.esp_failed++;
	}
}

static void rx_open(struct engine *e, uint64_t now)
{
	esp_open(rx.pkt, rx.n);
	rx.heard = NULL;
	for (unsigned i = 0; i < rx.n; i++) {
		struct sa *s = rx.sa[i];

		if (rx.pkt[i].verdict != ESP_OK) {
			count_verdict(e, rx.pkt[i].verdict);
			continue;
		}
		sa_heard(s, rx.from_peer[i], rx.seq[i] == esp_seq(s->in), rx.pkt[i].payload_len);
		inner_in(s, &rx.pkt[i], now);
	}
	coal_flush(&rx.coal);
	rx.n = 0;
}

/* peer and p stay until the batch is opened. */
static void rx_add(struct engine *e, struct sa *s, uint32_t seq, const struct addr *peer, uint8_t *p, size_t n)
{
	rx.pkt[rx.n] = (struct esp_pkt){ .sa = s->in, .p = p, .len = n };
	rx.sa[rx.n] = s;
	rx.from_peer[rx.n] = peer;
	rx.seq[rx.n] = seq;
	if (++rx.n == RX_PKTS)
		rx_open(e, now_ms());
}

void data_joined(struct sa *s, struct held *h, uint64_t now)
{
	struct esp_pkt pkt = { .verdict = ESP_OK, .next_header = IPPROTO_UDP, .payload = h->data, .payload_len = h->len };

	if (s->flow->e->kernel)
		opened_in(s, h->data, h->len, h->peer.port, now);
	else
		inner_in(s, &pkt, now);
	coal_flush(&rx.coal);		/* h goes with the caller */
}

void data_held(struct sa *s, const struct held *h)
{
	struct engine *e = s->flow->e;
	static uint8_t copy[HELD_LEN];
	uint32_t spi, seq;

	/* rx.n is 0 here: keys come by message, between batches. */
	memcpy(copy, h->data, h->len);
	if (e->kernel) {
		sa_used(s);
		opened_in(s, copy, h->len, h->peer.port, now_ms());
		coal_flush(&rx.coal);
		return;
	}
	if (esp_peek(copy, h->len, &spi, &seq)) {
		rx_add(e, s, seq, &h->peer, copy, h->len);
		rx_open(e, now_ms());
	}
}

/* An IKE datagram that GRO merged into a train of ESP, or that came without steering. */
static void stray(struct engine *e, const struct addr *local, const struct addr *peer, const uint8_t *p, size_t n)
{
	static struct msg_stray m;

	e->count.rx_stray++;
	/* Anybody can send them: they never fill the channel that SAs are told on. */
	if (n > STRAY_MAX || chan_waiting(&e->iked.c))
		return;
	m.local = *local;
	m.peer = *peer;
	m.len = (uint32_t)n;
	memcpy(m.data, p, n);
	memset(m.data + n, 0, STRAY_MAX - n);
	peer_send(&e->iked, MSG_STRAY, &m, sizeof(m), -1);
}

/*
 * Does a packet for s come the way that IKE agreed on?  Without UDP there is no NAT,
 * so nobody but IKE moves the client, and what has another source is not his.
 */
static bool way_ok(struct engine *e, const struct sa *s, const struct gram *g)
{
	if (g->sock->raw != s->path.raw) {
		e->count.esp_wrong_way++;
		return false;
	}
	if (s->path.raw && !addr_ip_eq(&g->peer, &s->path.peer)) {
		e->count.esp_wrong_source++;
		return false;
	}
	return true;
}

/* One UDP payload, or one packet that was in none. */
static void segment_in(struct gram *g, uint8_t *p, size_t n, uint64_t now)
{
	struct engine *e = g->sock->e;
	bool raw = g->sock->raw;
	uint32_t spi, seq;
	struct sa *s;

	e->count.rx_packets++;
	e->count.rx_bytes += n;
	e->count.esp_raw_packets += raw;
	if (n == 1 && *p == 0xff && !raw) {		/* NAT-keepalive (RFC 3948 2.3) */
		e->count.rx_keepalive++;
		return;
	}
	if (!esp_peek(p, n, &spi, &seq)) {
		e->count.esp_short++;
		return;
	}
	if (spi == 0 && !raw) {
		if (n > NON_ESP_MARKER)
			stray(e, &g->local, &g->peer, p, n);
		return;
	}
	s = sa_find(e, spi);
	if (!s && !rx.polled) {
		/* iked announced the SPI before its client could know it, but the loop may
		 * hand out the client's packet first.  Nothing of an SA may be pending while
		 * messages are handled: they may end it. */
		rx.polled = true;
		rx_open(e, now);
		data_flush(e);
		peer_poll(&e->iked);
		s = sa_find(e, spi);
	}
	if (!s) {
		e->count.esp_unknown_spi++;
		return;
	}
	if (!way_ok(e, s, g))
		return;
	/* Before both directions have keys nobody could be answered: it waits. */
	if (!sa_ready(s)) {
		e->count.esp_held++;
		hold_put(&s->hold, &g->peer, p, n, now);
		return;
	}
	rx_add(e, s, seq, &g->peer, p, n);
}

/* The packets of a datagram of plain L2TP: nothing of them is sealed. */
static void plain_in(struct gram *g, size_t from, uint64_t now)
{
	struct engine *e = g->sock->e;
	struct flow *f = plain_find(e, &g->local, &g->peer);

	for (size_t at = from; at < g->len; at += g->seg) {
		size_t n = MIN(g->seg, g->len - at);

		e->count.rx_packets++;
		e->count.rx_bytes += n;
		if (f)
			l2tp_in(f, g->p + at, n, g->peer.port, now);
		else
			f = plain_stranger(g->sock, &g->local, &g->peer, rd_of(g->p + at, n), now);
	}
}

/*
 * A datagram that the kernel opened.  Its mark is its SA's, and whose that is iked said
 * before the SA could open anything; what has none was never in an SA, or is nobody's.
 */
static void marked_in(struct gram *g, uint64_t now)
{
	struct engine *e = g->sock->e;
	struct sa *s = sa_of_mark(e, g->mark);

	e->count.rx_packets++;
	e->count.rx_bytes += g->len;
	if (!s && g->mark && !rx.polled) {
		rx.polled = true;
		rx_open(e, now);
		data_flush(e);
		peer_poll(&e->iked);
		s = sa_of_mark(e, g->mark);
	}
	if (!s) {
		e->count.mark_unknown++;
		return;
	}
	if (!sa_ready(s)) {
		e->count.esp_held++;
		hold_put(&s->hold, &g->peer, g->p, g->len, now);
		return;
	}
	sa_used(s);
	opened_in(s, g->p, g->len, g->peer.port, now);
}

/* All packets of a datagram from byte `from` on; it is in the batch from then on. */
static void gram_in(struct gram *g, size_t from, uint64_t now)
{
	list_push(&rx.grams, &g->link);
	rx.bytes += g->len;
	if (g->sock->plain) {
		plain_in(g, from, now);
		return;
	}
	if (g->sock->opened) {
		/* One packet: what was to be lost of it is all. */
		if (!from)
			marked_in(g, now);
		return;
	}
	for (size_t at = from; at < g->len; at += g->seg)
		segment_in(g, g->p + at, MIN(g->seg, g->len - at), now);
}

static void gram_put(struct gram *g)
{
	/* In front: the next to be taken. */
	list_push(grams_free.next, &g->link);
}

/* The batch goes its way. */
static void rx_finish(struct engine *e, uint64_t now)
{
	rx_open(e, now);
	data_flush(e);
	LIST_EACH(&rx.grams, i) {
		list_del(i);
		gram_put(CONTAINER_OF(i, struct gram, link));
	}
	rx.bytes = 0;
}

/* ---- turns ---- */
void data_flow_init(struct flow *f)
{
	turn_init(&f->in_turn);
	list_init(&f->in_queue);
}

void data_flow_end(struct flow *f)
{
	turn_leave(&f->in_turn);
	LIST_EACH(&f->in_queue, i) {
		list_del(i);
		gram_put(CONTAINER_OF(i, struct gram, link));
	}
	f->in_queued = 0;
}

void data_flow_join(struct flow *virgin, struct flow *root)
{
	rx.heard = NULL;
	turn_leave(&virgin->in_turn);
	LIST_EACH(&virgin->in_queue, i) {
		struct gram *g = CONTAINER_OF(i, struct gram, link);

		list_del(i);
		list_push(&root->in_queue, i);
		root->in_queued += g->len;
	}
	virgin->in_queued = 0;
	if (!list_empty(&root->in_queue))
		turn_join(&root->e->in_turns, &root->in_turn);
}

/* Its oldest; there is one. */
static struct gram *flow_take(struct flow *f)
{
	struct gram *g = CONTAINER_OF(f->in_queue.next, struct gram, link);

	list_del(&g->link);
	f->in_queued -= g->len;
	return g;
}

/* Who loses something when nothing is free: the longest queue. NULL: none is long, so nobody is to blame. */
static struct flow *longest_queue(struct engine *e)
{
	struct list *rings[] = { &e->in_turns.fresh, &e->in_turns.ring };
	struct flow *longest = NULL;

	for (unsigned r = 0; r < N_ELEMENTS(rings); r++) {
		LIST_EACH(rings[r], i) {
			struct flow *f = CONTAINER_OF(i, struct flow, in_turn.link);

			if (!longest || f->in_queued > longest->in_queued)
				longest = f;
		}
	}
	return longest && longest->in_queued >= 2 * DATA_DATAGRAM ? longest : NULL;
}

/* A free one, or NULL. */
static struct gram *gram_get(void)
{
	struct list *l;

	if (list_empty(&grams_free))
		return grams_used < GRAMS ? &grams[grams_used++] : NULL;
	l = grams_free.next;
	list_del(l);
	return CONTAINER_OF(l, struct gram, link);
}

/* Datagrams that wait, one flow after the other. */
static void pump(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once;
	struct engine *e = arg;
	uint64_t now = now_ms();
	struct turn *t;
	int left = PUMP_PKTS;

	rx.polled = false;
	while (left > 0 && (t = turns_next(&e->in_turns))) {
		struct flow *f = CONTAINER_OF(t, struct flow, in_turn);
		struct gram *g = flow_take(f);
		unsigned n = (unsigned)((g->len + g->seg - 1) / g->seg);
		size_t from = 0;

		/* One packet of it is lost, so that its sender slows down. */
		if (codel_take(&f->in_codel, now - g->at_ms, list_empty(&f->in_queue), now)) {
			e->count.in_slowed++;
			from = g->seg;
		}
		left -= (int)n;
		turn_pay(t, g->len, n);		/* before: the flow may end meanwhile */
		if (list_empty(&f->in_queue))
			turn_rest(&e->in_turns, t);
		gram_in(g, from, now);
		if (rx.bytes >= RX_BYTES)
			rx_finish(e, now);
	}
	rx_finish(e, now);
	/* Others first; then the loop comes back here, also where the socket is empty. */
	if (!turns_empty(&e->in_turns))
		event_add(e->in_pump, &at_once);
}

/* ---- receiving ---- */

/* A raw socket of IPv4 gives the IP header as well (raw(7)), one of IPv6 does not. False: nothing is left. */
static bool ip_strip(struct gram *g)
{
	struct rd r = rd_of(g->buf, g->len);
	bool v4 = g->sock->at.family == 4;
	size_t hdr = v4 ? (rd_u8(&r) & 15) * 4u : 0;

	if ((v4 && hdr < IP_HDR_MIN) || hdr >= g->len) {
		g->sock->e->count.esp_short++;
		return false;
	}
	g->p += hdr;
	g->seg = g->len -= hdr;
	return true;
}

/* What the kernel says about a datagram. False: it is none. */
static bool gram_parse(struct gram *g, struct engine_sock *sock, const struct mmsghdr *m,
	const struct sockaddr_storage *from)
{
	struct msghdr *h = (struct msghdr *)&m->msg_hdr;

	g->sock = sock;
	g->p = g->buf;
	g->len = g->seg = m->msg_len;
	g->peer = addr_from_sa((const struct sockaddr *)from);
	g->local = sock->at;
	g->mark = 0;
	if (sock->raw)
		g->peer.port = g->local.port = 0;	/* it has none */
	else if (!sock->plain && !sock->opened)
		g->local.port = 4500;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			int v;

			memcpy(&v, CMSG_DATA(c), sizeof(v));
			if (v > 0)
				g->seg = (size_t)v;
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_MARK) {
			memcpy(&g->mark, CMSG_DATA(c), sizeof(g->mark));
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			memcpy(g->local.ip, &pi.ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			memcpy(g->local.ip, &pi.ipi6_addr, 16);
		}
	}
	if (sock->raw && !ip_strip(g))
		return false;
	return g->len && !(h->msg_flags & MSG_TRUNC);
}

/* The flow that a datagram says it is of, or NULL. */
static struct flow *gram_flow(struct engine *e, const struct gram *g)
{
	uint32_t spi, seq;
	struct sa *s;

	if (g->sock->plain)
		return plain_find(e, &g->local, &g->peer);
	if (g->sock->opened) {
		s = sa_of_mark(e, g->mark);
		return s ? s->flow : NULL;
	}
	s = esp_peek(g->p, g->len, &spi, &seq) ? sa_find(e, spi) : NULL;
	return s ? s->flow : NULL;
}

/* To the queue of its flow; what is of none is looked at now. */
static void gram_queue(struct engine *e, struct gram *g)
{
	struct flow *f = gram_flow(e, g);

	if (!f) {
		uint64_t now = now_ms();

		gram_in(g, 0, now);
		rx_finish(e, now);
		return;
	}
	list_push(&f->in_queue, &g->link);
	f->in_queued += g->len;
	turn_join(&e->in_turns, &f->in_turn);
}

/* Where one recvmmsg puts what it reads. */
static struct {
	struct gram *gram[RX_BUFS_RAW];
	struct mmsghdr msg[RX_BUFS_RAW];
	struct iovec iov[RX_BUFS_RAW];
	struct sockaddr_storage from[RX_BUFS_RAW];
	union {
		struct cmsghdr align;
		char buf[2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} ctl[RX_BUFS_RAW];
} reads;

/* The next read is number i, of at most n bytes, to g. */
static void read_describe(unsigned i, struct gram *g, size_t n)
{
	reads.gram[i] = g;
	reads.iov[i] = (struct iovec){ .iov_base = g->buf, .iov_len = n };
	reads.msg[i].msg_hdr = (struct msghdr){
		.msg_name = &reads.from[i], .msg_namelen = sizeof(reads.from[i]), .msg_iov = &reads.iov[i],
		.msg_iovlen = 1, .msg_control = reads.ctl[i].buf, .msg_controllen = sizeof(reads.ctl[i].buf),
	};
}

/* So many of those that were described. */
static int receive_described(struct engine_sock *sock, int fd, unsigned room, uint64_t now)
{
	int n = recvmmsg(fd, reads.msg, room, MSG_DONTWAIT, NULL);

	rx.polled = false;
	/* The last first, so that the next ones are taken in the same order. */
	for (int i = (int)room; i-- > MAX(n, 0);)
		gram_put(reads.gram[i]);
	for (int i = 0; i < n; i++) {
		struct gram *g = reads.gram[i];

		g->at_ms = now;
		if (gram_parse(g, sock, &reads.msg[i], &reads.from[i]))
			gram_queue(sock->e, g);
		else
			gram_put(g);
	}
	return n;
}

/*
 * All places are taken.  What comes next is looked at before it is read: of the flow
 * with the longest queue it is thrown away unread, for to read what is lost in the end
 * takes the time that the others need; of another it gets the place of that one's oldest.
 * True: there may be more.
 */
static bool receive_full(struct engine_sock *sock, int fd, uint64_t now)
{
	static struct gram head;
	struct engine *e = sock->e;

	for (unsigned i = 0; i < RX_BUFS; i++) {
		struct flow *longest = longest_queue(e);
		ssize_t n;

		if (!longest)
			return false;
		read_describe(0, &head, HEAD);
		n = recvmsg(fd, &reads.msg[0].msg_hdr, MSG_DONTWAIT | MSG_PEEK);
		if (n < 0)
			return false;
		reads.msg[0].msg_len = (unsigned)n;
		reads.msg[0].msg_hdr.msg_flags &= ~MSG_TRUNC;
		if (gram_parse(&head, sock, &reads.msg[0], &reads.from[0]) && gram_flow(e, &head) == longest) {
			e->count.in_dropped++;
			read_describe(0, &head, 0);
			if (recvmsg(fd, &reads.msg[0].msg_hdr, MSG_DONTWAIT) < 0)
				return false;
			continue;
		}
		e->count.in_dropped++;
		gram_put(flow_take(longest));		/* it has another */
		read_describe(0, gram_get(), DATA_DATAGRAM);
		if (receive_described(sock, fd, 1, now) != 1)
			return false;
	}
	return true;
}

/* Read what one call gives. True: there may be more. */
static bool receive(struct engine_sock *sock, int fd, uint64_t now)
{
	unsigned room = 0, bufs = sock->raw ? RX_BUFS_RAW : RX_BUFS;
	struct gram *g;

	for (; room < bufs && (g = gram_get()); room++)
		read_describe(room, g, sizeof(g->buf));
	if (!room)
		return receive_full(sock, fd, now);
	return receive_described(sock, fd, room, now) == (int)bufs;
}

void data_readable(evutil_socket_t fd, short what, void *arg)
{
	struct engine_sock *sock = arg;

	uint64_t now = now_ms();

	for (int round = 0; round < RX_ROUNDS && receive(sock, fd, now); round++)
		;
	event_active(sock->e->in_pump, EV_TIMEOUT, 0);
}

void in_init(struct engine *e)
{
	turns_init(&e->in_turns);
	list_init(&grams_free);
	grams_used = 0;
	list_init(&rx.grams);
	coal_init(&rx.coal, tun_write, NULL);
	e->in_pump = evtimer_new(e->base, pump, e);
	if (!e->in_pump)
		fatal("out of memory");
}
