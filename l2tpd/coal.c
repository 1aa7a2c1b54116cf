/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See coal.h.  parse() judges a packet with a cursor.  What is compared and
 * changed afterwards lies in headers whose lengths it has checked, and is
 * reached by plain offsets: this runs for every packet that is received, and
 * equal bytes need no meaning to be equal.
 */
#include "l2tpd/coal.h"

#include <string.h>

#include "base/rd.h"
#include "base/util.h"
#include "base/wr.h"
#include "l2tpd/csum.h"

enum {
	IP_HDR = 20, IP_TCP = 6, IP_UDP = 17, IP_DF = 0x4000,
	TCP_HDR = 20, UDP_HDR = 8,
	TCP_PSH = 0x08, TCP_ACK = 0x10,
	LEN_MAX = 65535,
	/* offsets in the headers */
	IP_LEN = 2, IP_ID = 4, IP_FRAG = 6, IP_CSUM = 10, IP_SRC = 12,
	TCP_ACK_NO = 8, TCP_FLAGS = 13, TCP_WINDOW = 14, TCP_CSUM = 16, TCP_URGENT = 18, UDP_LEN = 4, UDP_CSUM = 6,
};

/* What is looked at of a packet. */
struct parsed {
	uint8_t *p;
	size_t n;
	uint8_t proto, flags;
	uint16_t id, hdr, payload;
	uint32_t seq;
	bool df;
};

/* Could it be a part of a super-packet? */
static bool parse(struct parsed *ret, uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);
	uint16_t total, frag;
	uint8_t off;

	*ret = (struct parsed){ .p = p, .n = n };
	if (rd_u8(&r) != 0x45)
		return false;
	rd_skip(&r, 1);
	total = rd_u16(&r);
	ret->id = rd_u16(&r);
	frag = rd_u16(&r);
	rd_skip(&r, 1);
	ret->proto = rd_u8(&r);
	rd_skip(&r, 10);
	if (total != n || frag & ~IP_DF)
		return false;
	ret->df = frag & IP_DF;
	rd_skip(&r, 4);				/* ports */
	if (ret->proto == IP_TCP) {
		ret->seq = rd_u32(&r);
		rd_skip(&r, 4);
		off = rd_u8(&r) >> 4;
		ret->flags = rd_u8(&r);
		if (off < TCP_HDR / 4 || (ret->flags & ~TCP_PSH) != TCP_ACK)
			return false;
		rd_skip(&r, 6);
		rd_skip(&r, off * 4u - TCP_HDR);
	} else if (ret->proto == IP_UDP) {
		total = rd_u16(&r);
		if (total != n - IP_HDR || !rd_u16(&r))
			return false;
	} else {
		return false;
	}
	if (r.bad || !r.n)
		return false;
	ret->hdr = (uint16_t)(n - r.n);
	ret->payload = (uint16_t)r.n;
	return true;
}

static bool sums_right(const uint8_t *p, size_t n, uint8_t proto)
{
	return csum_fold(csum_add(0, p, IP_HDR)) == 0xffff &&
	       csum_fold(csum_add(csum_pseudo(p, proto, n - IP_HDR), p + IP_HDR, n - IP_HDR)) == 0xffff;
}

static bool same(const uint8_t *a, const uint8_t *b, size_t at, size_t n)
{
	return !memcmp(a + at, b + at, n);
}

static uint8_t *first(const struct coal_open *o)
{
	return o->iov[1].iov_base;
}

/* Headers that a following packet must have as the first one has them. */
static bool same_flow(const struct coal_open *o, const struct parsed *k)
{
	const uint8_t *a = first(o), *b = k->p;

	/* version and TOS; flags, TTL, protocol; addresses and ports */
	if (o->hdr != k->hdr || !same(a, b, 0, 2) || !same(a, b, IP_FRAG, 4) || !same(a, b, IP_SRC, 12))
		return false;
	a += IP_HDR;
	b += IP_HDR;
	return k->proto == IP_UDP ||
	       (same(a, b, TCP_ACK_NO, 5) && same(a, b, TCP_WINDOW, 2) &&
		same(a, b, TCP_URGENT, k->hdr - IP_HDR - TCP_URGENT));
}

static bool joins(struct coal_open *o, const struct parsed *k)
{
	struct rd r = rd_of(first(o) + IP_ID, 2);
	uint16_t id = rd_u16(&r), next = (uint16_t)(id + o->n);

	if (!o->hdr || o->full || o->n == COAL_SEGS || k->payload > o->step || o->len + k->payload > LEN_MAX ||
	    !same_flow(o, k) || (k->proto == IP_TCP && k->seq != o->seq))
		return false;
	if (o->n == 1)
		o->fixed_id = k->df && k->id == id;
	return k->id == (o->fixed_id ? id : next);
}

static bool give(struct coal *c, struct coal_open *o, unsigned packets, bool udp)
{
	const struct coal_out out = {
		.key = o->key, .iov = o->iov, .n_iov = 1 + packets, .packets = packets, .udp = udp,
		.bytes = o->len + (packets - 1) * (size_t)o->hdr,
	};

	return c->write(c->ctx, &out);
}

static void give_one(struct coal *c, void *key, uint8_t *p, size_t n)
{
	struct vnet_hdr none = { 0 };
	struct iovec iov[2] = { { .iov_base = &none, .iov_len = sizeof(none) }, { .iov_base = p, .iov_len = n } };
	const struct coal_out out = { .key = key, .iov = iov, .n_iov = 2, .packets = 1, .bytes = n };

	(void)c->write(c->ctx, &out);
}

/* The kernel does not take it: the first gets its own header back, the others have theirs still. */
static void give_apart(struct coal *c, struct coal_open *o, const uint8_t *head)
{
	/* Of TCP every kernel takes them, so what it refuses is one packet's own. */
	c->no_udp |= o->proto == IP_UDP && !c->udp_taken;
	memcpy(first(o), head, o->hdr);
	give_one(c, o->key, first(o), o->iov[1].iov_len);
	for (unsigned i = 2; i <= o->n; i++)
		give_one(c, o->key, (uint8_t *)o->iov[i].iov_base - o->hdr, o->iov[i].iov_len + o->hdr);
}

static void close_one(struct coal *c, struct coal_open *o)
{
	uint8_t head[IP_HDR + 60], *p, *l4;
	bool udp = o->proto == IP_UDP;
	struct wr w;

	if (!o->key)
		return;
	if (o->n == 1) {
		o->vnet = (struct vnet_hdr){ 0 };
		(void)give(c, o, 1, false);
		o->key = NULL;
		return;
	}
	p = first(o);
	l4 = p + IP_HDR;
	memcpy(head, p, o->hdr);
	w = wr_of(p + IP_LEN, 2);
	wr_u16(&w, (uint16_t)o->len);
	csum_store(p + IP_CSUM, 0);
	csum_store(p + IP_CSUM, (uint16_t)~csum_fold(csum_add(0, p, IP_HDR)));
	if (udp) {
		w = wr_of(l4 + UDP_LEN, 2);
		wr_u16(&w, (uint16_t)(o->len - IP_HDR));
	} else if (o->push) {
		l4[TCP_FLAGS] |= TCP_PSH;
	}
	o->vnet = (struct vnet_hdr){
		.flags = VNET_F_NEEDS_CSUM, .gso_type = udp ? VNET_GSO_UDP_L4 : VNET_GSO_TCPV4,
		.hdr_len = o->hdr, .gso_size = o->step, .csum_start = IP_HDR,
		.csum_offset = udp ? UDP_CSUM : TCP_CSUM,
	};
	csum_store(l4 + o->vnet.csum_offset, csum_fold(csum_pseudo(p, o->proto, o->len - IP_HDR)));
	if (!give(c, o, o->n, udp))
		give_apart(c, o, head);
	else
		c->udp_taken |= udp;
	o->key = NULL;
}

static void begin(struct coal_open *o, void *key, const struct parsed *k, bool may_grow)
{
	o->key = key;
	o->n = 1;
	o->len = k->n;
	o->iov[0] = (struct iovec){ .iov_base = &o->vnet, .iov_len = sizeof(o->vnet) };
	o->iov[1] = (struct iovec){ .iov_base = k->p, .iov_len = k->n };
	o->hdr = 0;
	if (!may_grow)
		return;
	o->hdr = k->hdr;
	o->proto = k->proto;
	o->step = k->payload;
	o->seq = k->seq + k->payload;
	o->checked = o->fixed_id = false;
	o->push = o->full = k->flags & TCP_PSH;
}

static void append(struct coal_open *o, const struct parsed *k)
{
	o->iov[++o->n] = (struct iovec){ .iov_base = k->p + k->hdr, .iov_len = k->payload };
	o->len += k->payload;
	o->seq += k->payload;
	o->push = k->flags & TCP_PSH;
	o->full = o->push || k->payload < o->step;
}

/* The key's own, or a free one, or the one whose turn it is to make room. */
static struct coal_open *find(struct coal *c, const void *key)
{
	struct coal_open *o = NULL;

	for (unsigned i = 0; i < COAL_KEYS; i++) {
		if (c->open[i].key == key)
			return &c->open[i];
		if (!c->open[i].key)
			o = &c->open[i];
	}
	if (!o) {
		o = &c->open[c->turn++ % COAL_KEYS];
		close_one(c, o);
	}
	return o;
}

void coal_init(struct coal *c, coal_write_fn *write, void *ctx)
{
	memset(c, 0, sizeof(*c));
	c->write = write;
	c->ctx = ctx;
}

void coal_add(struct coal *c, void *key, uint8_t *p, size_t n)
{
	struct coal_open *o = find(c, key);
	struct parsed k;
	bool may = parse(&k, p, n) && !(k.proto == IP_UDP && c->no_udp);

	if (o->key && may && joins(o, &k) && sums_right(p, n, k.proto)) {
		/* The first one's are looked at only now: it might have stayed alone. */
		if (!o->checked)
			o->checked = sums_right(first(o), o->iov[1].iov_len, k.proto);
		if (o->checked) {
			append(o, &k);
			return;
		}
	}
	close_one(c, o);
	begin(o, key, &k, may);
}

void coal_flush(struct coal *c)
{
	for (unsigned i = 0; i < COAL_KEYS; i++)
		close_one(c, &c->open[i]);
}
