/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of packets; functions stand in the order in which a packet meets them.
 *
 *   in:  UDP 4500 (recvmmsg, GRO) - SPI → SA - open the whole batch
 *          (ICV, replay, decrypt) - inner UDP 1701
 *            - L2TP T=1 → call.c
 *            - L2TP T=0 → session of this flow - PPP
 *                - IP → source check → TUN
 *                - else → call.c
 *   out: TUN, or a shared one: session by destination address - PPP, L2TP and inner UDP in front - queue
 *        L2TP and PPP control from call.c - queue
 *          queue - seal the whole batch - trains of equal size by UDP_SEGMENT
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rd.h"
#include "base/wr.h"
#include "l2tpd/engine.h"
#include "l2tpd/msg.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
	L2TP_PORT = 1701,
	RX_BUFS = 8, RX_BUF = 65536,		/* datagrams of one recvmmsg, each up to 64 KB by GRO */
	RX_ROUNDS = 4,				/* of recvmmsg before other descriptors get their turn */
	RX_PKTS = 1024,				/* packets of one batch */
	TX_PKTS = 256,				/* packets that wait to be sealed */
	TX_ROOM = 2048,				/* bytes of each */
	TUN_BURST = 64,				/* packets of one TUN before others get their turn */
	TRAIN_MAX = 64, TRAIN_BYTES = 65000,	/* of one UDP_SEGMENT send */
	UDP_HDR = 8, L2TP_HDR = 6, PPP_HDR = 4,
	NON_ESP_MARKER = 4,
};

/* One batch of received ESP packets. */
static struct rx {
	uint8_t buf[RX_BUFS][RX_BUF];
	struct mmsghdr msg[RX_BUFS];
	struct iovec iov[RX_BUFS];
	struct sockaddr_storage from[RX_BUFS];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} ctl[RX_BUFS];
	unsigned n;
	struct esp_pkt pkt[RX_PKTS];
	struct sa *sa[RX_PKTS];
	struct addr peer[RX_PKTS];
	uint32_t seq[RX_PKTS];
	bool polled;			/* iked's messages were read since these datagrams came */
} rx;

/* What waits to be sealed and sent, in order. */
static struct tx {
	unsigned n;
	struct esp_pkt pkt[TX_PKTS];
	struct sa *sa[TX_PKTS];
	uint8_t room[TX_PKTS][TX_ROOM];
} tx;

void data_init(struct engine *e)
{
	for (unsigned i = 0; i < RX_BUFS; i++)
		rx.iov[i] = (struct iovec){ .iov_base = rx.buf[i], .iov_len = RX_BUF };
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
	if (src != s->ip && e->conf.tunnel[s->flow->tunnel].ingress_filter) {
		e->count.ip_spoofed++;
		return false;
	}
	return true;
}

/* Where a session's packets go to: -1 = not there yet. */
static int tun_of(const struct sess *s)
{
	if (s->shared)
		return s->routed ? s->shared->fd : -1;
	return s->tun;
}

static void tun_write(struct sess *s, const uint8_t *p, size_t n)
{
	if (write(tun_of(s), p, n) < 0) {
		s->flow->e->count.tun_full++;
		s->row->in_errors++;
		return;
	}
	s->row->in_packets++;
	s->row->in_bytes += n;
}

static void ip_in(struct sess *s, struct rd ip, uint64_t now)
{
	ppp_heard(&s->ppp, now);
	if (!ppp_may_ip(&s->ppp)) {
		s->flow->e->count.ip_before_up++;
		return;
	}
	if (!ip_ok(s, ip)) {
		s->row->in_errors++;
		return;
	}
	if (s->shared && list_empty(&s->by_ip))
		s->flow->e->count.ip_nobody++;		/* its address is another session's by now */
	else if (tun_of(s) >= 0)
		tun_write(s, ip.p, ip.n);
	else
		hold_put(&s->hold, NULL, ip.p, ip.n, now);
}

/* The payload of one ESP packet: a UDP datagram (RFC 3193 2). */
static void inner_in(struct sa *sa, const struct esp_pkt *pkt, uint64_t now)
{
	struct flow *f = sa->flow;
	struct engine *e = f->e;
	struct rd r = rd_of(pkt->payload, pkt->payload_len), frame;
	struct l2tp_data d;
	struct sess *s;
	uint16_t sport, dport, len, proto;

	sport = rd_u16(&r);
	dport = rd_u16(&r);
	len = rd_u16(&r);
	/* The checksum covers addresses that a NAT changed; the ICV says more (RFC 3948 3.1.2). */
	rd_skip(&r, 2);
	if (r.bad || pkt->next_header != IPPROTO_UDP || len < UDP_HDR || (size_t)len - UDP_HDR > r.n) {
		e->count.inner_bad++;
		return;
	}
	if (dport != L2TP_PORT) {
		e->count.inner_not_1701++;
		return;
	}
	r = rd_sub(&r, (size_t)len - UDP_HDR);
	if (l2tp_is_control(r)) {
		call_l2tp(f, r, sport, now);
		return;
	}
	if (!l2tp_data_parse(&r, &d)) {
		e->count.l2tp_bad++;
		return;
	}
	s = call_find(f, d.tunnel, d.session);
	if (!s) {
		e->count.l2tp_unknown_session++;
		return;
	}
	l2tp_flow_heard(&f->l2tp, d.tunnel, now);
	frame = r;
	if (!ppp_frame(&frame, &proto))
		e->count.ppp_bad++;
	else if (proto == PPP_IP)
		ip_in(s, frame, now);
	else
		call_ppp(s, r, now);
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
	for (unsigned i = 0; i < rx.n; i++) {
		struct sa *s = rx.sa[i];

		if (rx.pkt[i].verdict != ESP_OK) {
			count_verdict(e, rx.pkt[i].verdict);
			continue;
		}
		sa_heard(s, &rx.peer[i], rx.seq[i] == esp_seq(s->in), rx.pkt[i].payload_len);
		inner_in(s, &rx.pkt[i], now);
	}
	rx.n = 0;
}

static void rx_add(struct engine *e, struct sa *s, uint32_t seq, const struct addr *peer, uint8_t *p, size_t n)
{
	rx.pkt[rx.n] = (struct esp_pkt){ .sa = s->in, .p = p, .len = n };
	rx.sa[rx.n] = s;
	rx.peer[rx.n] = *peer;
	rx.seq[rx.n] = seq;
	if (++rx.n == RX_PKTS)
		rx_open(e, now_ms());
}

void data_held(struct sa *s, const struct held *h)
{
	struct engine *e = s->flow->e;
	static uint8_t copy[RX_BUF];
	uint32_t spi, seq;

	/* rx.n is 0 here: keys come by message, between batches. */
	memcpy(copy, h->data, h->len);
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

/* One UDP payload. */
static void segment_in(struct engine *e, const struct addr *local, const struct addr *peer, uint8_t *p, size_t n,
	uint64_t now)
{
	uint32_t spi, seq;
	struct sa *s;

	e->count.rx_packets++;
	e->count.rx_bytes += n;
	if (n == 1) {			/* NAT-keepalive (RFC 3948 2.3) at the end of a train; others go to iked */
		e->count.rx_keepalive++;
		return;
	}
	if (!esp_peek(p, n, &spi, &seq)) {
		e->count.esp_short++;
		return;
	}
	if (spi == 0) {
		if (n > NON_ESP_MARKER)
			stray(e, local, peer, p, n);
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
	/* Before both directions have keys nobody could be answered: it waits. */
	if (!s->in || !s->spi_out) {
		e->count.esp_held++;
		hold_put(&s->hold, peer, p, n, now);
		return;
	}
	rx_add(e, s, seq, peer, p, n);
}

static void datagram_in(struct engine_sock *sock, unsigned i, uint64_t now)
{
	struct msghdr *h = &rx.msg[i].msg_hdr;
	size_t len = rx.msg[i].msg_len, seg = len;
	struct addr peer = addr_from_sa((struct sockaddr *)&rx.from[i]), local = sock->at;

	local.port = 4500;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
			int v;

			memcpy(&v, CMSG_DATA(c), sizeof(v));
			if (v > 0)
				seg = (size_t)v;
		} else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			memcpy(local.ip, &pi.ipi_addr, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			memcpy(local.ip, &pi.ipi6_addr, 16);
		}
	}
	if (!len || (h->msg_flags & MSG_TRUNC))
		return;
	for (size_t at = 0; at < len; at += seg)
		segment_in(sock->e, &local, &peer, rx.buf[i] + at, MIN(seg, len - at), now);
}

void data_readable(evutil_socket_t fd, short what, void *arg)
{
	struct engine_sock *sock = arg;
	struct engine *e = sock->e;

	for (int round = 0; round < RX_ROUNDS; round++) {
		uint64_t now = now_ms();
		int n;

		for (unsigned i = 0; i < RX_BUFS; i++) {
			rx.msg[i].msg_hdr = (struct msghdr){
				.msg_name = &rx.from[i], .msg_namelen = sizeof(rx.from[i]), .msg_iov = &rx.iov[i],
				.msg_iovlen = 1, .msg_control = rx.ctl[i].buf, .msg_controllen = sizeof(rx.ctl[i].buf),
			};
		}
		n = recvmmsg(fd, rx.msg, RX_BUFS, MSG_DONTWAIT, NULL);
		if (n <= 0)
			break;
		rx.polled = false;
		for (int i = 0; i < n; i++)
			datagram_in(sock, (unsigned)i, now);
		rx_open(e, now);
		data_flush(e);
		if (n < RX_BUFS)
			break;
	}
}

/* ---- out ---- */

/* Room for a payload of up to *ret_cap bytes for the flow's client; NULL: it has no SA. */
static uint8_t *tx_room(struct flow *f, size_t *ret_cap)
{
	struct sa *s = f->send;

	if (!s || !s->out) {
		f->e->count.tx_no_sa++;
		return NULL;
	}
	if (tx.n == TX_PKTS)
		data_flush(f->e);
	*ret_cap = esp_payload_max(s->out, TX_ROOM);
	return tx.room[tx.n] + esp_payload_offset(s->out);
}

static void tx_commit(struct flow *f, size_t n)
{
	tx.sa[tx.n] = f->send;
	tx.pkt[tx.n] = (struct esp_pkt){
		.sa = f->send->out, .p = tx.room[tx.n], .len = n, .next_header = IPPROTO_UDP,
	};
	tx.n++;
}

/* RFC 3948 3.1.2: over IPv4 the inner checksum is sent as 0. */
static void udp_header(struct wr *w, uint16_t dport, size_t payload)
{
	wr_u16(w, L2TP_PORT);
	wr_u16(w, dport);
	wr_u16(w, (uint16_t)(UDP_HDR + payload));
	wr_u16(w, 0);
}

void data_send_l2tp(struct flow *f, uint16_t port, const uint8_t *msg, size_t n)
{
	size_t cap;
	uint8_t *p = tx_room(f, &cap);
	struct wr w;

	if (!p)
		return;
	w = wr_of(p, cap);
	udp_header(&w, port, n);
	wr_bytes(&w, msg, n);
	if (!w.bad)
		tx_commit(f, w.len);
}

void data_send_ppp(struct sess *s, const uint8_t *frame, size_t n)
{
	size_t cap;
	uint8_t *p = tx_room(s->flow, &cap);
	struct wr w;

	if (!p)
		return;
	w = wr_of(p, cap);
	udp_header(&w, s->port, L2TP_HDR + n);
	wr_bytes(&w, s->head + UDP_HDR, L2TP_HDR);
	wr_bytes(&w, frame, n);
	if (!w.bad)
		tx_commit(s->flow, w.len);
}

/* n bytes of IP that stand behind the room for a header at p, from tx_room(). */
static void ip_out(struct sess *s, uint8_t *p, size_t n)
{
	struct flow *f = s->flow;

	/* Only IPv4 was agreed on; the kernel's own IPv6 chatter stays here.  The device
	 * keeps its first MTU, LCP may have agreed on a smaller one since. */
	if (p[sizeof(s->head)] >> 4 != 4 || !ppp_may_ip(&s->ppp) || n > ppp_mtu(&s->ppp)) {
		f->e->count.ip_too_big += n > ppp_mtu(&s->ppp);
		s->row->out_errors++;
		return;
	}
	memcpy(p, s->head, sizeof(s->head));
	p[4] = (uint8_t)((sizeof(s->head) + n) >> 8);
	p[5] = (uint8_t)(sizeof(s->head) + n);
	tx_commit(f, sizeof(s->head) + n);
	s->row->out_packets++;
	s->row->out_bytes += n;
}

/* Somebody deleted the device: no packet will come or go any more, so the session ends. */
static void tun_lost(struct sess *s)
{
	struct msg_session m = { .sid = s->sid, .reason = "its interface is gone" };
	struct engine *e = s->flow->e;

	data_tun_close(s);
	call_kill(e, &m);
	data_flush(e);
}

static void tun_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sess *s = arg;
	struct flow *f = s->flow;

	for (int i = 0; i < TUN_BURST; i++) {
		size_t cap;
		uint8_t *p = tx_room(f, &cap);
		ssize_t n;

		if (!p) {
			static uint8_t lost[RX_BUF];

			/* No SA: the packet must still leave the device. */
			if (read(fd, lost, sizeof(lost)) > 0)
				s->row->out_errors++;
			return;
		}
		n = read(fd, p + sizeof(s->head), cap - sizeof(s->head));
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			tun_lost(s);
			return;
		}
		if (n <= 0)
			break;
		ip_out(s, p, (size_t)n);
	}
	data_flush(f->e);
}

static struct list *ip_bucket(struct engine *e, uint32_t ip)
{
	return &e->by_ip[ip % ENGINE_BUCKETS];
}

/* The session that has the address behind this shared TUN, or NULL. */
static struct sess *ip_find(const struct shared_tun *t, uint32_t ip)
{
	LIST_EACH(ip_bucket(t->e, ip), i) {
		struct sess *s = CONTAINER_OF(i, struct sess, by_ip);

		if (s->ip == ip && s->shared == t)
			return s;
	}
	return NULL;
}

/* One packet of a shared TUN, n bytes at p. */
static void shared_out(struct shared_tun *t, const uint8_t *p, size_t n)
{
	struct rd ip = rd_of(p, n);
	struct sess *s;
	uint8_t *room;
	size_t cap;

	rd_skip(&ip, 16);
	s = ip_find(t, rd_u32(&ip));
	if (ip.bad || !s) {
		t->e->count.ip_nobody++;
		return;
	}
	room = tx_room(s->flow, &cap);
	if (!room || n > cap - sizeof(s->head)) {
		s->row->out_errors++;
		return;
	}
	memcpy(room + sizeof(s->head), p, n);
	ip_out(s, room, n);
}

static void shared_readable(evutil_socket_t fd, short what, void *arg)
{
	/* Whose SA makes how much room is known only afterwards: the packet is copied. */
	static uint8_t buf[RX_BUF];
	struct shared_tun *t = arg;

	for (int i = 0; i < TUN_BURST; i++) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			/* Somebody deleted the device; it would be readable for ever. */
			event_free(t->ev);
			close(t->fd);
			t->ev = NULL;
			t->fd = -1;
			log_warn("tun=%s is gone", t->ifname);
		}
		if (n <= 0)
			break;
		shared_out(t, buf, (size_t)n);
	}
	data_flush(t->e);
}

/* One send of n packets from tx.pkt[at], all of one SA. 0 or -errno. */
static int send_train(struct engine *e, unsigned at, unsigned n)
{
	static struct iovec iov[TRAIN_MAX];
	struct sa *s = tx.sa[at];
	struct sockaddr_storage to;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} ctl = { 0 };
	struct msghdr h = {
		.msg_name = &to, .msg_namelen = addr_to_sa(&s->peer, &to), .msg_iov = iov, .msg_iovlen = n,
		.msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	size_t used = 0;

	for (unsigned i = 0; i < n; i++)
		iov[i] = (struct iovec){ .iov_base = tx.pkt[at + i].p, .iov_len = tx.pkt[at + i].len };
	if (s->local.family == 4) {
		struct in_pktinfo pi = { .ipi_ifindex = 0 };

		memcpy(&pi.ipi_spec_dst, s->local.ip, 4);
		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(pi));
		memcpy(CMSG_DATA(c), &pi, sizeof(pi));
		used += CMSG_SPACE(sizeof(pi));
	} else {
		struct in6_pktinfo pi = { .ipi6_ifindex = 0 };

		memcpy(&pi.ipi6_addr, s->local.ip, 16);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(pi));
		memcpy(CMSG_DATA(c), &pi, sizeof(pi));
		used += CMSG_SPACE(sizeof(pi));
	}
	if (n > 1) {
		uint16_t seg = (uint16_t)tx.pkt[at].len;

		c = CMSG_NXTHDR(&h, c);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(seg));
		memcpy(CMSG_DATA(c), &seg, sizeof(seg));
		used += CMSG_SPACE(sizeof(seg));
	}
	h.msg_controllen = used;
	return sendmsg(e->sock[s->sock].fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void send_one_by_one(struct engine *e, unsigned at, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (send_train(e, at + i, 1) < 0) {
			e->count.tx_full++;
			continue;
		}
		e->count.tx_packets++;
		e->count.tx_bytes += tx.pkt[at + i].len;
	}
}

void data_flush(struct engine *e)
{
	unsigned n = tx.n;

	if (!n)
		return;
	esp_seal(tx.pkt, n);
	for (unsigned at = 0; at < n;) {
		struct sa *s = tx.sa[at];
		size_t seg = tx.pkt[at].len, bytes = 0;
		unsigned k = 0;
		int err;

		if (tx.pkt[at].verdict != ESP_OK || s->sock < 0) {
			s->exhausted |= tx.pkt[at].verdict == ESP_EXHAUSTED;
			e->count.tx_exhausted += tx.pkt[at].verdict == ESP_EXHAUSTED;
			e->count.tx_failed += tx.pkt[at].verdict != ESP_EXHAUSTED;
			at++;
			continue;
		}
		/* Equal sizes; only the last may be shorter. */
		while (at + k < n && k < TRAIN_MAX && tx.sa[at + k] == s && tx.pkt[at + k].verdict == ESP_OK &&
		       tx.pkt[at + k].len <= seg && bytes + tx.pkt[at + k].len <= TRAIN_BYTES) {
			bytes += tx.pkt[at + k].len;
			k++;
			if (tx.pkt[at + k - 1].len < seg || s->no_train)
				break;
		}
		err = send_train(e, at, k);
		if (err && k > 1 && err != -EAGAIN && err != -ENOBUFS) {
			/* This path's MTU (EMSGSIZE; EINVAL with older kernels), or no UDP_SEGMENT at
			 * all: this client's packets go one by one from now on. */
			s->no_train = true;
			send_one_by_one(e, at, k);
		} else if (err) {
			e->count.tx_full += k;
		} else {
			e->count.tx_packets += k;
			e->count.tx_bytes += bytes;
		}
		at += k;
	}
	tx.n = 0;
}

/* ---- TUN ---- */
static void tun_write_held(struct sess *s)
{
	if (tun_of(s) < 0)
		return;
	for (unsigned i = 0; i < s->hold.n; i++)
		tun_write(s, s->hold.pkt[i]->data, s->hold.pkt[i]->len);
	hold_free(&s->hold);
}

void data_tun_open(struct sess *s, int fd)
{
	if (s->tun >= 0 || fd_setup(fd) < 0 ||
	    !(s->tun_ev = event_new(s->flow->e->base, fd, EV_READ | EV_PERSIST, tun_readable, s))) {
		close(fd);
		return;
	}
	s->tun = fd;
	event_add(s->tun_ev, NULL);
	tun_write_held(s);
}

void data_shared_open(struct shared_tun *t, int fd)
{
	struct event *ev = fd_setup(fd) < 0 ? NULL :
		event_new(t->e->base, fd, EV_READ | EV_PERSIST, shared_readable, t);

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
			tun_write_held(t->e->by_slot[i]);
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
	struct sess *old = ip_find(t, s->ip);

	/* It was replaced by a newer login, and has not ended yet. */
	if (old)
		list_del(&old->by_ip);
	list_del(&s->by_ip);
	s->shared = t;
	list_push(ip_bucket(t->e, s->ip), &s->by_ip);
}

void data_shared_routed(struct sess *s)
{
	s->routed = true;
	tun_write_held(s);
}

void data_tun_close(struct sess *s)
{
	hold_free(&s->hold);
	list_del(&s->by_ip);
	if (s->tun < 0)
		return;
	event_free(s->tun_ev);
	close(s->tun);		/* not the last: netd has one too */
	s->tun = -1;
}
