/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * See seg.h.  seg_begin() judges with a cursor, once per super-packet.
 * seg_write() then uses plain offsets: it runs once per packet that is sent,
 * and all it touches lies in headers whose lengths seg_begin() has checked.
 */
#include "l2tpd/seg.h"

#include <string.h>

#include "base/rd.h"
#include "base/wr.h"
#include "l2tpd/csum.h"

enum {
	IP_HDR = 20, IP_TCP = 6, IP_UDP = 17, IP_FRAGMENT = 0x3fff,	/* MF and the offset */
	TCP_HDR = 20, UDP_HDR = 8,
	TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80,
	/* offsets in the headers */
	IP_LEN = 2, IP_CSUM = 10,
	TCP_SEQ = 4, TCP_FLAGS = 13, TCP_CSUM = 16, UDP_LEN = 4, UDP_CSUM = 6,
};

/* One packet.  p[0] may be read. */
static bool single(struct seg *s, const struct vnet_hdr *v, size_t n)
{
	s->n = 1;
	s->size = s->last = (uint16_t)n;
	if (!(v->flags & VNET_F_NEEDS_CSUM))
		return true;
	/* Behind the IP header; so neither is 0. */
	if (v->csum_start < IP_HDR || (size_t)v->csum_start + v->csum_offset + 2 > n)
		return false;
	s->csum_from = v->csum_start;
	s->csum_at = (uint16_t)(v->csum_start + v->csum_offset);
	s->proto = v->csum_offset == UDP_CSUM ? IP_UDP : IP_TCP;
	return true;
}

static bool super(struct seg *s, const struct vnet_hdr *v, size_t n)
{
	bool tcp = (v->gso_type & ~VNET_GSO_ECN) == VNET_GSO_TCPV4;
	struct rd r = rd_of(s->p, n), l4;
	uint8_t ver = rd_u8(&r), off = UDP_HDR / 4 << 4;
	uint16_t total, frag;
	size_t payload;

	rd_skip(&r, 1);
	total = rd_u16(&r);
	rd_skip(&r, 2);
	frag = rd_u16(&r);
	rd_skip(&r, 1);
	s->proto = rd_u8(&r);
	if (r.bad || ver >> 4 != 4 || (ver & 15) * 4 < IP_HDR || total != n || frag & IP_FRAGMENT ||
	    s->proto != (tcp ? IP_TCP : IP_UDP) || !v->gso_size)
		return false;
	s->ip_hdr = (uint16_t)((ver & 15) * 4);
	l4 = rd_of(s->p, n);
	rd_skip(&l4, s->ip_hdr);
	r = l4;
	if (tcp) {
		rd_skip(&r, 12);
		off = rd_u8(&r);
		if (off >> 4 < TCP_HDR / 4)
			return false;
	}
	rd_skip(&l4, (off >> 4) * 4u);
	if (r.bad || l4.bad)
		return false;
	payload = l4.n;
	s->hdr = (uint16_t)(n - payload);
	s->step = v->gso_size;
	s->n = payload ? (unsigned)((payload + s->step - 1) / s->step) : 1;
	s->last = (uint16_t)(s->hdr + payload - (s->n - 1) * (size_t)s->step);
	s->size = s->n > 1 ? (uint16_t)(s->hdr + s->step) : s->last;
	return true;
}

bool seg_begin(struct seg *s, const struct vnet_hdr *v, const uint8_t *p, size_t n)
{
	*s = (struct seg){ .p = p };
	if (!n || n > UINT16_MAX)
		return false;
	switch (v->gso_type) {
	case VNET_GSO_NONE:
		return single(s, v, n);
	case VNET_GSO_TCPV4:
	case VNET_GSO_TCPV4 | VNET_GSO_ECN:
	case VNET_GSO_UDP_L4:
		return super(s, v, n);
	default:
		return false;
	}
}

/* RFC 768: a UDP checksum that is 0 is sent as all ones, which is the same number. */
static uint16_t csum_final(uint8_t proto, uint64_t sum)
{
	uint16_t c = (uint16_t)~csum_fold(sum);

	return c || proto != IP_UDP ? c : 0xffff;
}

static void write_single(const struct seg *s, uint8_t *to)
{
	memcpy(to, s->p, s->last);
	if (s->csum_at)		/* the field holds the pseudo-header's sum, which so is in */
		csum_store(to + s->csum_at,
			csum_final(s->proto, csum_add(0, to + s->csum_from, (size_t)s->last - s->csum_from)));
}

void seg_write(const struct seg *s, unsigned i, uint8_t *to)
{
	size_t len = seg_len(s, i), l4_len = len - s->ip_hdr;
	size_t at = i * (size_t)s->step;
	uint8_t *l4 = to + s->ip_hdr;
	size_t field;
	uint64_t sum;
	struct wr w;
	struct rd r;

	if (!s->step) {
		write_single(s, to);
		return;
	}
	memcpy(to, s->p, s->hdr);
	r = rd_of(s->p + IP_LEN + 2, 2);
	w = wr_of(to + IP_LEN, 4);
	wr_u16(&w, (uint16_t)len);
	wr_u16(&w, (uint16_t)(rd_u16(&r) + i));
	csum_store(to + IP_CSUM, 0);
	csum_store(to + IP_CSUM, (uint16_t)~csum_fold(csum_add(0, to, s->ip_hdr)));

	if (s->proto == IP_TCP) {
		r = rd_of(s->p + s->ip_hdr + TCP_SEQ, 4);
		w = wr_of(l4 + TCP_SEQ, 4);
		wr_u32(&w, rd_u32(&r) + (uint32_t)at);
		if (i + 1 < s->n)
			l4[TCP_FLAGS] &= (uint8_t)~(TCP_FIN | TCP_PSH);
		if (i)
			l4[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
		field = TCP_CSUM;
	} else {
		w = wr_of(l4 + UDP_LEN, 2);
		wr_u16(&w, (uint16_t)l4_len);
		field = UDP_CSUM;
	}
	csum_store(l4 + field, 0);
	sum = csum_add(csum_pseudo(to, s->proto, l4_len), l4, (size_t)s->hdr - s->ip_hdr);
	sum = csum_copy(sum, to + s->hdr, s->p + s->hdr + at, len - s->hdr);
	csum_store(l4 + field, csum_final(s->proto, sum));
}
