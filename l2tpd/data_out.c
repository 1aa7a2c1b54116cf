/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From the TUNs to the sockets: see data.c.
 *
 * Sessions with something to send take turns (turns.h).  A session's own TUN
 * is its queue.  A shared TUN is one queue for all: it is emptied into a queue
 * per session, and when there is no room left the longest of these loses its
 * oldest packet; if none is long, the TUN is read on when there is room.
 *
 * What the socket does not take (EAGAIN: its 8 MB are full) is lost and
 * counted, as on any link that is full: a queue here would only delay
 * the news.
 */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rd.h"
#include "base/wr.h"
#include "l2tpd/csum.h"
#include "l2tpd/data.h"
#include "l2tpd/msg.h"
#include "l2tpd/seg.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum {
	TX_PKTS = 512,				/* packets that wait to be sealed */
	TX_BYTES = 512 << 10,			/* and theirs, sealed: half of a core's second-level cache */
	TRAIN_MAX = 64, TRAIN_BYTES = 65000,	/* of one UDP_SEGMENT send */
	TRAINS = 64,				/* of one sendmmsg */
	PUMP_PKTS = 256,			/* to send before others get their turn: a quarter of a millisecond */
	SHARED_READS = 128,			/* of a shared TUN, likewise; its queue has 1000 */
	HEAD_PPP = 4, HEAD_NS = 8,			/* from the end of a session's head: PPP's part, L2TP's Ns */
	UDP_CSUM_AT = 6,
	IP_HDR_MIN = 20, IP_ECT = 3, IP_CE = 3, IP_CSUM_AT = 10,
	WAITING = 1024,				/* packets or super-packets of shared TUNs, of all sessions */
};

/* What waits to be sealed and sent, in order, without gaps. */
static struct tx {
	unsigned n;
	size_t used;
	bool bare;				/* all of it leaves as it is: plain L2TP, or the kernel seals it */
	struct esp_pkt pkt[TX_PKTS];
	struct path *path[TX_PKTS];
	uint16_t port[TX_PKTS];			/* of the client, where the kernel writes the UDP header */
	uint8_t arena[TX_BYTES];
} tx;

/* What a TUN gave: a virtio header, then the packet. */
struct waiting {
	struct list link;			/* in waiting_free, or in a session's queue */
	uint64_t at_ms;				/* when it was read */
	size_t n;				/* bytes of both */
	uint8_t raw[VNET_HDR + DATA_DATAGRAM];
};

/*
 * The last one that became free is taken first: as long as nobody waits it is
 * always the same.  Pages of those that were never taken do not exist.
 */
static struct waiting waiting[WAITING];
static unsigned waiting_used;			/* so many were taken at least once */
static struct list waiting_free;

/*
 * What a session's own TUN gave: it is sent at once, and never waits.  Had it to
 * be one of the others, a turn could find all of them taken by sessions whose
 * turn comes later.
 */
static struct waiting at_hand;

/* ---- the arena ---- */

/* The next packet, of len bytes when it leaves. A batch is all sealed by us, or not at all. */
static inline struct esp_pkt *tx_next(struct engine *e, struct path *path, bool bare, size_t len)
{
	struct esp_pkt *k;

	if (tx.n == TX_PKTS || len > TX_BYTES - tx.used || (tx.n && tx.bare != bare))
		data_flush(e);
	tx.bare = bare;
	tx.path[tx.n] = path;
	k = &tx.pkt[tx.n++];
	*k = (struct esp_pkt){ .p = tx.arena + tx.used };
	tx.used += len;
	return k;
}

/*
 * Room for a payload of n bytes to the flow's client and its UDP port, which the caller
 * fills; NULL: it has no SA.
 */
static uint8_t *tx_room(struct flow *f, uint16_t port, size_t n)
{
	struct sa *s = f->send;
	struct esp_pkt *k;

	if (!f->bare && s && s->out) {
		k = tx_next(f->e, &s->path, false, esp_sealed_len(s->out, n));
		k->sa = s->out;
		k->len = n;
		k->next_header = IPPROTO_UDP;
		return k->p + esp_payload_offset(s->out);
	}
	if (f->plain || (f->bare && s && sa_seals(s))) {
		k = tx_next(f->e, flow_path(f), true, n);
		tx.port[tx.n - 1] = port;
		k->len = n;
		k->verdict = ESP_OK;
		return k->p;
	}
	f->e->count.tx_no_sa++;
	return NULL;
}

/* What tx_room() gave last is not sent. */
static void tx_undo(void)
{
	tx.used = (size_t)(tx.pkt[--tx.n].p - tx.arena);
}

/* n packets of at most len bytes of payload will come: they should not be torn into two batches. */
static void tx_expect(struct flow *f, unsigned n, size_t len)
{
	struct sa *s = f->send;

	if (n == 1)
		return;			/* tx_next() sees to it */
	if (!f->bare && s && s->out)
		len = esp_sealed_len(s->out, len);
	if (n > TX_PKTS - tx.n || n * len > TX_BYTES - tx.used)
		data_flush(f->e);
}

/* The UDP header that is ours to write: where we do not seal, the kernel does. */
static size_t udp_len(const struct flow *f)
{
	return f->bare ? 0 : DATA_UDP_HDR;
}

/* RFC 3948 3.1.2: over IPv4 the inner checksum is sent as 0, which RFC 768 allows without NAT as well. */
static void udp_header(const struct flow *f, struct wr *w, uint16_t dport, size_t payload)
{
	if (f->bare)
		return;
	wr_u16(w, DATA_L2TP_PORT);
	wr_u16(w, dport);
	wr_u16(w, (uint16_t)(DATA_UDP_HDR + payload));
	wr_u16(w, 0);
}

/*
 * RFC 8200 8.1: over IPv6 there is a checksum, and never 0.  It is of the addresses as they
 * are here; who encapsulates does not look at it, since a NAT may have changed his (RFC 3948 3.1.2).
 */
static inline void udp_sum(const struct flow *f, uint8_t *p, size_t len)
{
	const struct path *path;
	uint16_t sum;

	if (f->lin.peer.family != 6 || f->bare || !f->send)
		return;
	path = &f->send->path;
	csum_store(p + UDP_CSUM_AT, 0);
	sum = (uint16_t)~csum_fold(csum_add(csum_pseudo6(path->local.ip, path->peer.ip, IPPROTO_UDP, len), p, len));
	csum_store(p + UDP_CSUM_AT, sum ? sum : 0xffff);
}

void data_send_l2tp(struct flow *f, uint16_t port, const uint8_t *msg, size_t n)
{
	uint8_t *p = tx_room(f, port, udp_len(f) + n);
	struct wr w;

	if (!p)
		return;
	w = wr_of(p, udp_len(f) + n);
	udp_header(f, &w, port, n);
	wr_bytes(&w, msg, n);
	udp_sum(f, p, w.len);
}

void data_head(struct sess *s)
{
	struct wr w = wr_of(s->head, sizeof(s->head));

	memset(s->head, 0, sizeof(s->head));
	udp_header(s->flow, &w, s->port, 0);
	if (s->seq.out)
		(void)l2tp_data_header_seq(wr_room(&w, L2TP_DATA_HEADER_SEQ), s->peer_tunnel_id, s->peer_session_id, 0);
	else
		(void)l2tp_data_header(wr_room(&w, L2TP_DATA_HEADER), s->peer_tunnel_id, s->peer_session_id);
	wr_u16(&w, 0xff03);		/* RFC 1661 6.6: always legal uncompressed */
	wr_u16(&w, PPP_IP);
	s->head_len = (uint8_t)w.len;
}

/* In a whole packet of len bytes that begins with s->head, what is not the same in all: UDP's length
 * and checksum, L2TP's Ns. */
static inline void head_finish(struct sess *s, uint8_t *p, size_t len)
{
	struct wr w = wr_of(p, len);

	if (!s->flow->bare) {
		(void)wr_room(&w, 4);
		wr_u16(&w, (uint16_t)len);
	}
	if (s->seq.out) {
		w = wr_of(p, len);
		(void)wr_room(&w, s->head_len - HEAD_NS);
		wr_u16(&w, s->seq.ns++);
	}
	udp_sum(s->flow, p, len);
}

void data_send_ppp(struct sess *s, const uint8_t *frame, size_t n)
{
	size_t head = s->head_len - HEAD_PPP, len = head + n;
	uint8_t *p = tx_room(s->flow, s->port, len);
	struct wr w;

	if (!p)
		return;
	w = wr_of(p, len);
	wr_bytes(&w, s->head, head);
	wr_bytes(&w, frame, n);
	head_finish(s, p, len);
	if (s->flow->e->dump_data)
		call_dump_l2tp(s->flow, false, rd_of(p + udp_len(s->flow), len - udp_len(s->flow)));
}

/* ---- IP ---- */

/* Packets from `first` on where MPPE is on: protocol and packet are encrypted, behind a header of their own. */
static unsigned mppe_out(struct sess *s, const struct seg *seg, unsigned first, uint64_t now)
{
	struct flow *f = s->flow;
	unsigned sent = 0;
	size_t bytes = 0;

	tx_expect(f, seg->n, s->head_len + MPPE_OVERHEAD + seg->size);
	for (unsigned i = first; i < seg->n; i++) {
		size_t n = seg_len(seg, i), len = s->head_len + MPPE_OVERHEAD + n;
		uint8_t *p, *header, *inside;
		struct wr w;

		if (!bucket_take(&s->out_limit, n, now)) {
			f->e->count.out_limited++;
			s->row->out_errors++;
			continue;
		}
		p = tx_room(f, s->port, len);
		if (!p) {
			s->row->out_errors += seg->n - i;
			break;
		}
		w = wr_of(p, len);
		wr_bytes(&w, s->head, s->head_len - 2u);	/* IP's protocol number is inside */
		wr_u16(&w, PPP_COMP);
		header = wr_room(&w, MPPE_HEADER);
		inside = w.p + w.len;
		wr_u16(&w, PPP_IP);
		seg_write(seg, i, wr_room(&w, n));
		if (!mppe_seal(s->mppe, header, inside, 2 + n)) {
			tx_undo();
			s->row->out_errors++;
			continue;
		}
		head_finish(s, p, len);
		if (f->e->dump_data) {
			call_dump(s, false, PPP_COMP, header, MPPE_OVERHEAD + n);
			call_dump_l2tp(f, false, rd_of(p + udp_len(f), len - udp_len(f)));
		}
		bytes += n;
		sent++;
	}
	s->row->out_packets += sent;
	s->row->out_bytes += bytes;
	return sent;
}

/*
 * The queue is too long (codel.h).  Who said that he listens to marks (ECN, RFC 3168)
 * gets one, in all of the super-packet: false.  True: one packet is to be lost.
 */
static bool slow_down(struct sess *s, uint8_t *ip, size_t n)
{
	size_t hdr = (ip[0] & 15) * 4u;

	s->flow->e->count.out_slowed++;
	if (n < IP_HDR_MIN || hdr < IP_HDR_MIN || hdr > n || !(ip[1] & IP_ECT))
		return true;
	ip[1] |= IP_CE;
	csum_store(ip + IP_CSUM_AT, 0);
	csum_store(ip + IP_CSUM_AT, (uint16_t)~csum_fold(csum_add(0, ip, hdr)));
	return false;
}

/* Packets from `first` on, as they are. */
static unsigned segs_out(struct sess *s, const struct seg *seg, unsigned first, uint64_t now)
{
	struct flow *f = s->flow;
	unsigned sent = 0;
	size_t bytes = 0;

	tx_expect(f, seg->n, s->head_len + seg->size);
	for (unsigned i = first; i < seg->n; i++) {
		size_t n = seg_len(seg, i), len = s->head_len + n;
		uint8_t *p;
		struct wr w;

		if (!bucket_take(&s->out_limit, n, now)) {
			f->e->count.out_limited++;
			s->row->out_errors++;
			continue;
		}
		p = tx_room(f, s->port, len);
		if (!p) {
			s->row->out_errors += seg->n - i;
			break;
		}
		/* A constant length costs less; the packet covers what is too much. */
		w = wr_of(p, len);
		wr_bytes(&w, s->head, sizeof(s->head));
		w.len = s->head_len;
		seg_write(seg, i, wr_room(&w, n));
		head_finish(s, p, len);
		bytes += n;
		sent++;
	}
	s->row->out_packets += sent;
	s->row->out_bytes += bytes;
	return sent;
}

/* Packets from `first` on to a client that came by XAuth: each is all of an ESP payload (RFC 4303 3.1.2). */
static __attribute__((noinline)) unsigned tunnel_out(struct sess *s, const struct seg *seg, unsigned first, uint64_t now)
{
	struct flow *f = s->flow;
	unsigned sent = 0;
	size_t bytes = 0;

	tx_expect(f, seg->n, seg->size);
	for (unsigned i = first; i < seg->n; i++) {
		size_t n = seg_len(seg, i);
		uint8_t *p;

		if (!bucket_take(&s->out_limit, n, now)) {
			f->e->count.out_limited++;
			s->row->out_errors++;
			continue;
		}
		p = tx_room(f, 0, n);
		if (!p) {
			s->row->out_errors += seg->n - i;
			break;
		}
		tx.pkt[tx.n - 1].next_header = IPPROTO_IPIP;
		seg_write(seg, i, p);
		bytes += n;
		sent++;
	}
	s->row->out_packets += sent;
	s->row->out_bytes += bytes;
	return sent;
}

/* What will leave: the super-packet as IP, and the data messages, of which mppe_out() dumps its own. */
static __attribute__((noinline)) void dump_data_out(struct sess *s, const struct seg *seg, unsigned first, struct rd ip)
{
	static uint8_t buf[sizeof(s->head) + PPP_FRAME_MAX];
	const uint16_t ns = s->seq.ns;

	call_dump(s, false, PPP_IP, ip.p, ip.n);
	if (s->xauth || s->mppe || !call_dumps_data_out(s->flow))
		return;
	for (unsigned i = first; i < seg->n; i++) {
		struct wr w = wr_of(buf, sizeof(buf));

		uint8_t *room;

		wr_bytes(&w, s->head, s->head_len);
		room = wr_room(&w, seg_len(seg, i));
		if (!room)
			break;
		seg_write(seg, i, room);
		head_finish(s, buf, w.len);
		call_dump_l2tp(s->flow, false, rd_of(buf + udp_len(s->flow), w.len - udp_len(s->flow)));
	}
	s->seq.ns = ns;
}

/* What a TUN gave for the session: how many packets left.  slow: its queue is too long. */
static unsigned ip_out(struct sess *s, struct waiting *k, bool slow, uint64_t now)
{
	struct flow *f = s->flow;
	struct rd r = rd_of(k->raw, k->n);
	const uint8_t *hdr = rd_bytes(&r, VNET_HDR);
	struct vnet_hdr v;
	struct seg seg;
	unsigned first = 0;

	/* Only IPv4 was agreed on; the kernel's own IPv6 chatter stays here. */
	if (!hdr || !r.n || r.p[0] >> 4 != 4 || !sess_may_ip(s)) {
		s->row->out_errors++;
		return 0;
	}
	/* The first, so that those behind it tell of the gap. */
	if (slow && slow_down(s, k->raw + VNET_HDR, r.n)) {
		s->row->out_errors++;
		first = 1;
	}
	memcpy(&v, hdr, sizeof(v));
	if (!seg_begin(&seg, &v, r.p, r.n)) {
		f->e->count.tun_bad++;
		s->row->out_errors++;
		return 0;
	}
	/* The device keeps its first MTU, LCP may have agreed on a smaller one since. */
	if (seg.size > sess_mtu(s)) {
		f->e->count.ip_too_big += seg.n;
		s->row->out_errors += seg.n;
		return 0;
	}
	if (f->e->dump_data)
		dump_data_out(s, &seg, first, r);
	if (s->xauth)
		return tunnel_out(s, &seg, first, now);
	return s->mppe ? mppe_out(s, &seg, first, now) : segs_out(s, &seg, first, now);
}

/* ---- reading ---- */

static void waiting_put(struct waiting *k)
{
	if (k == &at_hand)
		return;
	/* In front: the next to be taken. */
	list_push(waiting_free.next, &k->link);
}

void out_forget(struct sess *s)
{
	turn_leave(&s->out.turn);
	LIST_EACH(&s->out.queue, i) {
		list_del(i);
		waiting_put(CONTAINER_OF(i, struct waiting, link));
	}
	s->out.queued = 0;
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

/* 0 with k->n set, or -errno. */
static int tun_read(struct engine *e, int fd, struct waiting *k)
{
	ssize_t n = read(fd, k->raw, sizeof(k->raw));

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	e->count.tun_reads++;
	k->n = (size_t)n;
	return n ? 0 : -EAGAIN;
}

/* When nothing is free: the longest queue loses its oldest packet. False: none is long, so nobody is to blame. */
static bool make_room(struct engine *e)
{
	struct list *rings[] = { &e->out_turns.fresh, &e->out_turns.ring };
	struct sess *longest = NULL;
	struct waiting *k;

	for (unsigned r = 0; r < N_ELEMENTS(rings); r++) {
		LIST_EACH(rings[r], i) {
			struct sess *s = CONTAINER_OF(i, struct sess, out.turn.link);

			if (!longest || s->out.queued > longest->out.queued)
				longest = s;
		}
	}
	if (!longest || longest->out.queued < 2 * DATA_DATAGRAM)
		return false;
	k = CONTAINER_OF(longest->out.queue.next, struct waiting, link);
	list_del(&k->link);
	longest->out.queued -= k->n;
	longest->row->out_errors++;
	e->count.out_dropped++;
	waiting_put(k);
	return true;
}

/* A free one, or NULL: none, and none to be had now. */
static struct waiting *waiting_get(struct engine *e)
{
	struct list *l;

	if (list_empty(&waiting_free)) {
		if (waiting_used < WAITING)
			return &waiting[waiting_used++];
		if (!make_room(e))
			return NULL;
	}
	l = waiting_free.next;
	list_del(l);
	return CONTAINER_OF(l, struct waiting, link);
}

/* What a shared TUN has, into the queues of its sessions. False: there is no room left. */
static bool shared_read(struct shared_tun *t, uint64_t now)
{
	for (unsigned i = 0; i < SHARED_READS && t->readable; i++) {
		struct waiting *k;
		struct sess *s;
		struct rd r;
		int err;

		k = waiting_get(t->e);
		if (!k)
			return false;
		k->at_ms = now;
		err = tun_read(t->e, t->fd, k);
		if (err) {
			waiting_put(k);
			t->readable = false;
			if (err != -EAGAIN) {
				/* Somebody deleted the device; it would be readable for ever. */
				event_free(t->ev);
				close(t->fd);
				t->ev = NULL;
				t->fd = -1;
				log_warn("tun=%s is gone", t->ifname);
			}
			break;
		}
		r = rd_of(k->raw, k->n);
		rd_skip(&r, VNET_HDR + 16);
		s = data_by_ip(t, rd_u32(&r));
		if (r.bad || !s) {
			t->e->count.ip_nobody++;
			waiting_put(k);
			continue;
		}
		list_push(&s->out.queue, &k->link);
		s->out.queued += k->n;
		turn_join(&t->e->out_turns, &s->out.turn);
	}
	return true;
}

/* All of them; one after whom no room was left comes last the next time. */
static void shared_read_all(struct engine *e, uint64_t now)
{
	static unsigned first;

	for (unsigned i = 0; i < CONF_INTERFACES; i++) {
		unsigned at = (first + i) % CONF_INTERFACES;

		if (e->shared[at].readable && !shared_read(&e->shared[at], now)) {
			first = at + 1;
			return;
		}
	}
}

/* Of the session whose turn it is: its next packet, or NULL and it has none, or is none any more. */
static struct waiting *take(struct engine *e, struct sess *s)
{
	struct waiting *k;
	int err;

	if (s->tun < 0) {
		if (list_empty(&s->out.queue)) {
			turn_rest(&e->out_turns, &s->out.turn);
			return NULL;
		}
		k = CONTAINER_OF(s->out.queue.next, struct waiting, link);
		list_del(&k->link);
		s->out.queued -= k->n;
		return k;
	}
	err = tun_read(e, s->tun, &at_hand);
	if (!err)
		return &at_hand;
	turn_rest(&e->out_turns, &s->out.turn);
	if (err != -EAGAIN)
		tun_lost(s);
	return NULL;
}

static void pump(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval at_once;
	struct engine *e = arg;
	uint64_t now = now_ms();
	struct turn *t;
	int left = PUMP_PKTS;

	shared_read_all(e, now);
	while (left > 0 && (t = turns_next(&e->out_turns))) {
		struct sess *s = CONTAINER_OF(t, struct sess, out.turn);
		struct waiting *k = take(e, s);
		unsigned sent;
		bool slow;

		left--;
		if (!k)
			continue;
		slow = k != &at_hand && codel_take(&s->out.codel, now - k->at_ms, list_empty(&s->out.queue), now);
		sent = ip_out(s, k, slow, now);
		left -= (int)sent;
		turn_pay(t, k->n, sent);
		waiting_put(k);
	}
	data_flush(e);
	/* Others first; then the loop comes back here, also where no descriptor says so. */
	if (!turns_empty(&e->out_turns))
		event_add(e->out_pump, &at_once);
}

void out_tun_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sess *s = arg;

	/* Not now: after all others that are readable, so that one batch is made of all. */
	turn_join(&s->flow->e->out_turns, &s->out.turn);
	event_active(s->flow->e->out_pump, EV_TIMEOUT, 0);
}

void out_shared_readable(evutil_socket_t fd, short what, void *arg)
{
	struct shared_tun *t = arg;

	t->readable = true;
	event_active(t->e->out_pump, EV_TIMEOUT, 0);
}

void out_init(struct engine *e)
{
	turns_init(&e->out_turns);
	list_init(&waiting_free);
	waiting_used = 0;
	e->out_pump = evtimer_new(e->base, pump, e);
	if (!e->out_pump)
		fatal("out of memory");
}

/* ---- sealing and sending ---- */

/* One send: n packets from tx.pkt[at] on, all of one path, bytes of them, which have no gaps between. */
struct train {
	unsigned at, n;
	size_t bytes;
};

/* Trains for one sendmmsg, and what the kernel wants to know of each. */
static struct {
	unsigned n;
	struct train train[TRAINS];
	struct mmsghdr msg[TRAINS];
	struct iovec iov[TRAINS];
	struct sockaddr_storage to[TRAINS];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} ctl[TRAINS];
} sends;

/* The control message behind *used bytes of h's, with room for n more. */
static void *ctl_add(struct msghdr *h, size_t *used, int level, int type, size_t n)
{
	struct cmsghdr *c = (struct cmsghdr *)((char *)h->msg_control + *used);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	*used += CMSG_SPACE(n);
	return CMSG_DATA(c);
}

/* The socket by which a path's packets leave; -1: there is none. */
static int path_fd(const struct engine *e, const struct path *path)
{
	if (path->sock < 0)
		return -1;
	return e->sock[path->sock].opened ? path->marked : e->sock[path->sock].fd;
}

/* Do both leave by the same? */
static inline bool one_socket(const struct path *a, const struct path *b)
{
	return a->sock == b->sock && a->marked == b->marked;
}

/* From the address that the client sends to, and in packets of one size. */
static void send_describe(const struct engine *e, unsigned i)
{
	const struct train *t = &sends.train[i];
	const struct path *path = tx.path[t->at];
	struct msghdr *h = &sends.msg[i].msg_hdr;
	const struct addr *to = &path->peer;
	struct addr inside;
	size_t used = 0;

	/* What the kernel seals is for the port inside; that of the ESP it knows by itself. */
	if (tx.bare && e->sock[path->sock].opened) {
		inside = *to;
		inside.port = tx.port[t->at];
		to = &inside;
	}
	sends.iov[i] = (struct iovec){ .iov_base = tx.pkt[t->at].p, .iov_len = t->bytes };
	*h = (struct msghdr){
		.msg_name = &sends.to[i], .msg_namelen = addr_to_sa(to, &sends.to[i]),
		.msg_iov = &sends.iov[i], .msg_iovlen = 1, .msg_control = sends.ctl[i].buf,
	};
	if (path->local.family == 4) {
		struct in_pktinfo pi = { .ipi_ifindex = 0 };

		memcpy(&pi.ipi_spec_dst, path->local.ip, 4);
		memcpy(ctl_add(h, &used, IPPROTO_IP, IP_PKTINFO, sizeof(pi)), &pi, sizeof(pi));
	} else {
		struct in6_pktinfo pi = { .ipi6_ifindex = 0 };

		memcpy(&pi.ipi6_addr, path->local.ip, 16);
		memcpy(ctl_add(h, &used, IPPROTO_IPV6, IPV6_PKTINFO, sizeof(pi)), &pi, sizeof(pi));
	}
	if (t->n > 1) {
		uint16_t seg = (uint16_t)tx.pkt[t->at].len;

		memcpy(ctl_add(h, &used, SOL_UDP, UDP_SEGMENT, sizeof(seg)), &seg, sizeof(seg));
	}
	h->msg_controllen = used;
}

static void send_done(struct engine *e, const struct train *t, int err)
{
	e->count.tx_sends++;
	if (err) {
		e->count.tx_full += t->n;
		return;
	}
	e->count.tx_packets += t->n;
	e->count.tx_bytes += t->bytes;
}

/* This path takes no trains. */
static void send_one_by_one(struct engine *e, const struct train *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		struct train one = { .at = t->at + i, .n = 1, .bytes = tx.pkt[t->at + i].len };
		int fd = path_fd(e, tx.path[t->at]);

		/* In the place of the train that failed, which is not looked at again. */
		sends.train[0] = one;
		send_describe(e, 0);
		send_done(e, &one, sendmsg(fd, &sends.msg[0].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0);
	}
}

/* All trains that were put together, by one socket. */
static void send_all(struct engine *e)
{
	unsigned n = sends.n;
	const struct engine_sock *sock;
	int fd;

	if (!n)
		return;
	sock = &e->sock[tx.path[sends.train[0].at]->sock];
	fd = path_fd(e, tx.path[sends.train[0].at]);
	/* Nothing leaves in the clear by a socket that is for ESP, or without a client's mark. */
	assert((sock->plain || sock->opened) == tx.bare && sock->raw == tx.path[sends.train[0].at]->raw);
	for (unsigned i = 0; i < n; i++)
		send_describe(e, i);
	for (unsigned i = 0; i < n;) {
		int done = sendmmsg(fd, &sends.msg[i], n - i, MSG_DONTWAIT | MSG_NOSIGNAL), err = done < 0 ? errno : 0;
		struct train t;

		for (; done > 0; done--)
			send_done(e, &sends.train[i++], 0);
		if (!err)
			continue;	/* fewer than all: the next call says why */
		t = sends.train[i++];
		if (t.n > 1 && (err == EMSGSIZE || err == EINVAL || err == EIO)) {
			/* This path's MTU (EMSGSIZE; EINVAL with older kernels), an XFRM policy (EIO), or
			 * no UDP_SEGMENT at all: this client's packets go one by one from now on.  Not so
			 * where no packet can go now (no route, a full buffer). */
			tx.path[t.at]->no_train = true;
			e->count.tx_sends++;
			send_one_by_one(e, &t);
		} else {
			send_done(e, &t, err);
		}
	}
	sends.n = 0;
}

void data_flush(struct engine *e)
{
	unsigned n = tx.n;

	if (!n)
		return;
	if (!tx.bare)
		esp_seal(tx.pkt, n);
	for (unsigned at = 0; at < n;) {
		struct path *path = tx.path[at];
		size_t seg = tx.pkt[at].len, bytes = 0;
		unsigned k = 0;

		if (tx.pkt[at].verdict != ESP_OK || path->sock < 0 || (tx.bare && path_fd(e, path) < 0)) {
			if (tx.pkt[at].verdict == ESP_EXHAUSTED)
				CONTAINER_OF(path, struct sa, path)->exhausted = true;
			e->count.tx_exhausted += tx.pkt[at].verdict == ESP_EXHAUSTED;
			e->count.tx_failed += tx.pkt[at].verdict != ESP_EXHAUSTED;
			at++;
			continue;
		}
		/* Equal sizes; only the last may be shorter. */
		while (at + k < n && k < TRAIN_MAX && tx.path[at + k] == path && tx.pkt[at + k].verdict == ESP_OK &&
		       tx.pkt[at + k].len <= seg && bytes + tx.pkt[at + k].len <= TRAIN_BYTES) {
			bytes += tx.pkt[at + k].len;
			k++;
			if (tx.pkt[at + k - 1].len < seg || path->no_train)
				break;
		}
		if (sends.n == TRAINS || (sends.n && !one_socket(tx.path[sends.train[0].at], path)))
			send_all(e);
		sends.train[sends.n++] = (struct train){ .at = at, .n = k, .bytes = bytes };
		at += k;
	}
	send_all(e);
	tx.n = 0;
	tx.used = 0;
}
