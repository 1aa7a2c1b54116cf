/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets by the batch, as the server has them (l2tpd/data.c):
 *
 *   in:  UDP 4500 (recvmmsg, GRO), or protocol 50 - open all - control → dial_sess.c
 *          IP → coalesced → TUN
 *   out: TUN super-packet - cut into packets behind their headers, one after
 *          another in the memory that they are sent from
 *        control, pings, source → the same queue
 *          queue - seal all - one train for what is of one session and length
 *
 * Each session has a socket of its own, so what comes in at once is one's.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rd.h"
#include "base/wr.h"
#include "ctl/dial.h"
#include "l2tpd/seg.h"
#include "l2tpd/vnet.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
	RX_BUFS = 8, RX_BUF = 65536, RX_ROUNDS = 4, RX_PKTS = 512,
	TX_PKTS = 512, TX_BYTES = 1 << 20,
	TUN_BURST = 16,				/* super-packets of one TUN before others get their turn */
	TRAIN_MAX = 64, TRAIN_BYTES = 65000,	/* of one UDP_SEGMENT send */
};

static struct rx {
	uint8_t buf[RX_BUFS][RX_BUF];
	struct mmsghdr msg[RX_BUFS];
	struct iovec iov[RX_BUFS];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} ctl[RX_BUFS];
	struct dsess *s;			/* whose packets these are */
	unsigned n;
	struct esp_pkt pkt[RX_PKTS];
} rx;

/* What waits to be sealed; packets lie one behind the other, as they will be when they are sealed. */
static struct tx {
	unsigned n;
	struct esp_pkt pkt[TX_PKTS];
	struct dsess *s[TX_PKTS];
	struct wr w;
	uint8_t buf[TX_BYTES];
} tx;

/* ---- out ---- */

/*
 * Where there is a ring, its numbers are ahead of what it has sent, and what is
 * sent in between has numbers of its own.  NULL: there is none now.
 */
static struct esp_sa *sa_now(struct dsess *s)
{
	struct ring *r = &s->ring;
	uint64_t number;

	if (!r->p)
		return s->out;
	number = ring_between(r->first, r->n, r->at, esp_seq(r->ctl));
	return number && esp_seq_raise(r->ctl, (uint32_t)number - 1) ? r->ctl : NULL;
}

static uint8_t next_header(const struct dial *d)
{
	return d->conf.xauth ? IPPROTO_IPIP : IPPROTO_UDP;
}

uint8_t *data_room(struct dsess *s, size_t n)
{
	struct dial *d = s->d;
	size_t need;

	if (!wire_up(s))
		return NULL;
	need = d->conf.plain ? n : esp_sealed_len(s->out, n);
	if (tx.n == TX_PKTS || need > TX_BYTES - tx.w.len)
		data_flush(d);
	if (!tx.n)
		tx.w = wr_of(tx.buf, TX_BYTES);
	tx.pkt[tx.n] = (struct esp_pkt){ .p = wr_room(&tx.w, need), .len = n, .next_header = next_header(d) };
	return tx.pkt[tx.n].p + (d->conf.plain ? 0 : esp_payload_offset(s->out));
}

void data_commit(struct dsess *s, size_t n)
{
	struct esp_sa *sa = sa_now(s);

	if (!sa && !s->d->conf.plain) {
		s->d->tx_full++;
		return;
	}
	if (sa)
		sess_udp_sum(s, tx.pkt[tx.n].p + esp_payload_offset(sa), n);
	tx.pkt[tx.n].sa = sa;
	tx.pkt[tx.n].len = n;
	tx.pkt[tx.n].verdict = ESP_OK;
	tx.s[tx.n++] = s;
	if (s->ring.p)		/* its number was chosen for this packet */
		data_flush(s->d);
}

/* Of what was sealed: how many from `at` make one train, and their bytes. */
static unsigned train(unsigned at, unsigned n, size_t *ret_bytes)
{
	size_t seg = tx.pkt[at].len;
	struct dsess *s = tx.s[at];
	unsigned k = 0;

	*ret_bytes = 0;
	while (at + k < n && k < TRAIN_MAX && tx.s[at + k] == s && tx.pkt[at + k].verdict == ESP_OK &&
	       tx.pkt[at + k].len <= seg && *ret_bytes + tx.pkt[at + k].len <= TRAIN_BYTES &&
	       tx.pkt[at + k].p == tx.pkt[at].p + *ret_bytes) {
		*ret_bytes += tx.pkt[at + k].len;
		if (tx.pkt[at + k++].len < seg)
			break;
	}
	return k;
}

void data_flush(struct dial *d)
{
	unsigned n = tx.n;

	if (!n)
		return;
	if (!d->conf.plain)
		esp_seal(tx.pkt, n);
	for (unsigned at = 0; at < n;) {
		size_t bytes = tx.pkt[at].len;
		unsigned k = 1;

		if (tx.pkt[at].verdict != ESP_OK) {
			tx.s[at++]->bad++;
			continue;
		}
		if (wire_bad(d)) {
			wire_send(tx.s[at], wire_data(tx.s[at]), false, tx.pkt[at].p, bytes);
		} else {
			k = train(at, n, &bytes);
			wire_send_train(tx.s[at], tx.pkt[at].p, bytes, tx.pkt[at].len);
		}
		at += k;
	}
	tx.n = 0;
}

/* ---- TUN ---- */

/* One packet of a TUN, whole or many in one. */
static void tun_packet(struct dial_tun *t, const struct vnet_hdr *h, const uint8_t *p, size_t n)
{
	struct rd ip = rd_of(p, n);
	uint8_t version = rd_u8(&ip);
	struct dsess *s = t->s;
	struct seg seg;
	uint32_t src;

	rd_skip(&ip, 11);
	src = rd_u32(&ip);
	if (ip.bad || version >> 4 != 4)	/* the kernel's own IPv6 chatter stays here */
		return;
	if (!s)
		s = tun_find(t->d, src);
	if (!s || !wire_up(s) || !s->call || !ppp_may_ip(&s->ppp) || !seg_begin(&seg, h, p, n) ||
	    seg.size > ppp_mtu(&s->ppp)) {
		t->d->tun_full++;
		return;
	}
	for (unsigned i = 0; i < seg.n; i++) {
		size_t len = seg_len(&seg, i);
		uint8_t *to;
		size_t all;

		if (s->mppe) {
			uint8_t copy[PPP_MRU_DEFAULT];

			seg_write(&seg, i, copy);
			sess_send_ip(s, copy, len);
			continue;
		}
		to = sess_room(s, len, &all);
		seg_write(&seg, i, to);
		data_commit(s, all);
		s->out_packets++;
		s->out_bytes += len;
	}
}

void data_tun_readable(evutil_socket_t fd, short what, void *arg)
{
	static uint8_t buf[RX_BUF];
	struct dial_tun *t = arg;

	for (int i = 0; i < TUN_BURST; i++) {
		struct vnet_hdr h;
		struct iovec iov[] = { { &h, sizeof(h) }, { buf, sizeof(buf) } };
		ssize_t n = readv(fd, iov, 2);

		if (n <= VNET_HDR)
			break;
		tun_packet(t, &h, buf, (size_t)n - VNET_HDR);
	}
	data_flush(t->d);
}

/* For coal: a full device loses packets, as any link does. */
static bool tun_put(void *ctx, const struct coal_out *o)
{
	struct dsess *s = o->key;
	struct dial *d = ctx;

	if (!s->tun || s->tun->fd < 0 || writev(s->tun->fd, o->iov, (int)o->n_iov) >= 0)
		return true;
	if (errno == EINVAL)
		return false;
	d->tun_full += o->packets;
	return true;
}

void data_init(struct dial *d)
{
	for (unsigned i = 0; i < RX_BUFS; i++)
		rx.iov[i] = (struct iovec){ .iov_base = rx.buf[i], .iov_len = RX_BUF };
	coal_init(&d->coal, tun_put, d);
}

void data_tun_write(struct dsess *s, uint8_t *p, size_t n)
{
	struct rd ip = rd_of(p, n);
	uint16_t total;

	rd_skip(&ip, 2);
	total = rd_u16(&ip);
	if (s->tun && total >= IP_HEADER && total <= n)
		coal_add(&s->d->coal, s, p, total);
}

/* ---- in ---- */

/* Open what was gathered, and hand it on. */
static void rx_open(uint64_t now)
{
	struct dsess *s = rx.s;
	unsigned n = rx.n;

	rx.n = 0;
	if (!n)
		return;
	esp_open(rx.pkt, n);
	for (unsigned i = 0; i < n; i++) {
		struct esp_pkt *e = &rx.pkt[i];
		struct dial_pair *pair;
		uint32_t spi, seq;

		if (e->verdict != ESP_OK || e->next_header != next_header(s->d) || !esp_peek(e->p, e->len, &spi, &seq)) {
			s->bad++;
			continue;
		}
		pair = pair_find(s, spi);
		if (pair)		/* or it was deleted by one before */
			seq_track_add(&pair->seen, seq);
		/* It may be that one before was the last of this session. */
		if (s->state < SESS_OVER)
			sess_inner(s, e->payload, e->payload_len, now);
	}
	/* Its packets are gone after this. */
	coal_flush(&s->d->coal);
}

/* One UDP payload. */
static void segment_in(struct dsess *s, uint8_t *p, size_t n, uint64_t now)
{
	struct rd r = rd_of(p, n);
	struct dial_pair *pair;
	uint32_t spi;

	if ((n == 1 && !s->raw) || s->state == SESS_OVER)	/* NAT-keepalive */
		return;
	if (s->d->conf.plain) {
		sess_l2tp(s, p, n, s->d->conf.port, now);
		return;
	}
	spi = rd_u32(&r);
	if (!r.bad && !spi && !s->raw) {
		rx_open(now);		/* it may end the SA */
		sess_ike(s, r, now);
	} else if (r.bad || !(pair = pair_find(s, spi))) {
		s->bad++;
	} else {
		rx.s = s;
		rx.pkt[rx.n++] = (struct esp_pkt){ .sa = pair->in, .p = p, .len = n };
		if (rx.n == RX_PKTS)
			rx_open(now);
	}
}

void data_input(struct dsess *s, uint8_t *p, size_t n)
{
	uint64_t now = now_ms();

	segment_in(s, p, n, now);
	rx_open(now);
	coal_flush(&s->d->coal);
	sess_rearm(s, now);
}

static void datagram_in(struct dsess *s, unsigned i, uint64_t now)
{
	struct msghdr *h = &rx.msg[i].msg_hdr;
	size_t len = rx.msg[i].msg_len, seg = len;
	struct wr w = wr_of(rx.buf[i], RX_BUF);
	struct rd ip = rd_of(rx.buf[i], len);

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		int v = 0;

		if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&v, CMSG_DATA(c), sizeof(v));
		if (v > 0)
			seg = (size_t)v;
	}
	if (!len || (h->msg_flags & MSG_TRUNC))
		return;
	/* A raw socket of IPv4 gives the IP header as well (raw(7)). */
	if (s->raw && s->local.family == 4) {
		size_t hdr = (rd_u8(&ip) & 15) * 4u;

		if (hdr > len || !wr_room(&w, hdr))
			return;
		seg = len -= hdr;
	}
	for (size_t left = len; left;) {
		size_t n = MIN(seg, left);
		uint8_t *p = wr_room(&w, n);

		s->d->rx++;
		left -= n;
		if (wire_bad(s->d))
			wire_take(s, wire_data(s), p, n);
		else
			segment_in(s, p, n, now);
	}
}

void data_readable(struct dsess *s)
{
	uint64_t now = now_ms();

	for (int round = 0; round < RX_ROUNDS && s->fd[wire_data(s)] >= 0; round++) {
		int n;

		for (unsigned i = 0; i < RX_BUFS; i++)
			rx.msg[i].msg_hdr = (struct msghdr){
				.msg_iov = &rx.iov[i], .msg_iovlen = 1,
				.msg_control = rx.ctl[i].buf, .msg_controllen = sizeof(rx.ctl[i].buf),
			};
		n = recvmmsg(s->fd[wire_data(s)], rx.msg, RX_BUFS, MSG_DONTWAIT, NULL);
		if (n < 0 && (errno == ECONNREFUSED || errno == EINTR))
			continue;	/* an ICMP error: nobody proved it */
		for (int i = 0; i < n && !s->d->vanished; i++)
			datagram_in(s, (unsigned)i, now);
		rx_open(now);
		coal_flush(&s->d->coal);
		if (n < RX_BUFS)
			break;
	}
	sess_rearm(s, now);
}
