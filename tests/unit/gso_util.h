/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of seg and coal: packets made byte by byte, and a slow reference
 * of what segmentation gives, which shares nothing with either.
 */
#ifndef GSO_UTIL_H
#define GSO_UTIL_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/util.h"
#include "l2tpd/vnet.h"

enum { GSO_MAX = 65536 };

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* RFC 1071 as it reads: 16-bit words, carries at the end. */
static inline uint16_t ref_sum(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static inline uint16_t ref_pseudo(const uint8_t *ip, size_t l4_len)
{
	return ref_sum(ip + 12, 8, ip[9] + (uint32_t)l4_len);
}

/* Put right checksums into a whole IPv4 packet of TCP or UDP. */
static inline void ref_finish(uint8_t *p, size_t n)
{
	size_t ihl = (p[0] & 15) * 4u, at = ihl + (p[9] == 6 ? 16 : 6);
	uint16_t c;

	put16(p + 10, 0);
	put16(p + 10, (uint16_t)~ref_sum(p, ihl, 0));
	put16(p + at, 0);
	c = (uint16_t)~ref_sum(p + ihl, n - ihl, ref_pseudo(p, n - ihl));
	put16(p + at, p[9] == 17 && !c ? 0xffff : c);
}

/* Segment i of a super-packet of n bytes, to `to`: its length. */
static inline size_t ref_seg(const uint8_t *p, size_t n, size_t step, unsigned i, uint8_t *to)
{
	size_t ihl = (p[0] & 15) * 4u, hdr = ihl + (p[9] == 6 ? (p[ihl + 12] >> 4) * 4u : 8), at = hdr, len = 0;
	unsigned k = 0;
	bool last;

	while (k < i) {
		at += step;
		k++;
	}
	for (size_t j = at; j < n && j < at + step; j++)
		to[hdr + len++] = p[j];
	last = at + step >= n;
	for (size_t j = 0; j < hdr; j++)
		to[j] = p[j];
	put16(to + 2, (uint32_t)(hdr + len));
	put16(to + 4, get16(p + 4) + i);
	if (p[9] == 6) {
		put32(to + ihl + 4, ((uint32_t)get16(p + ihl + 4) << 16) + get16(p + ihl + 6) + (uint32_t)(at - hdr));
		to[ihl + 13] = (uint8_t)(p[ihl + 13] & (last ? 0xff : 0xf6) & (i ? 0x7f : 0xff));
	} else {
		put16(to + ihl + 4, (uint32_t)(8 + len));
	}
	ref_finish(to, hdr + len);
	return hdr + len;
}

/* A repeatable stream of numbers (xorshift). */
static inline uint32_t rnd(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return (uint32_t)(*s >> 32);
}

struct pkt_spec {
	uint8_t proto, tos, ttl, flags, ip_words, tcp_words;	/* words of options */
	uint16_t id, frag, sport, window;
	uint32_t src, seq, ack;
	size_t payload;
};

/* Build a packet with random payload and right checksums: its length. */
static inline size_t pkt_make(const struct pkt_spec *s, uint8_t *p, uint64_t *seed)
{
	size_t ihl = 20 + s->ip_words * 4u, hdr = ihl + (s->proto == 6 ? 20 + s->tcp_words * 4u : 8), n = hdr + s->payload;
	uint8_t *l4 = p + ihl;

	memset(p, 0, hdr);
	p[0] = (uint8_t)(0x40 | ihl / 4);
	p[1] = s->tos;
	put16(p + 2, (uint32_t)n);
	put16(p + 4, s->id);
	put16(p + 6, s->frag);
	p[8] = s->ttl;
	p[9] = s->proto;
	put32(p + 12, s->src);
	put32(p + 16, 0xc6336402);
	memset(p + 20, 1, s->ip_words * 4u);		/* no-operation */
	put16(l4, s->sport);
	put16(l4 + 2, 443);
	if (s->proto == 6) {
		put32(l4 + 4, s->seq);
		put32(l4 + 8, s->ack);
		l4[12] = (uint8_t)((5 + s->tcp_words) << 4);
		l4[13] = s->flags;
		put16(l4 + 14, s->window);
		memset(l4 + 20, 1, s->tcp_words * 4u);
	} else {
		put16(l4 + 4, (uint32_t)(8 + s->payload));
	}
	for (size_t i = hdr; i < n; i++)
		p[i] = (uint8_t)rnd(seed);
	ref_finish(p, n);
	return n;
}

#endif
