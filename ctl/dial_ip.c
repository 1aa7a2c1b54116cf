/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/dial_ip.h"

enum { PROTO_ICMP = 1, PROTO_UDP = 17, ECHO_REPLY = 0, ECHO_REQUEST = 8, PORT_DISCARD = 9, TTL = 64,
	FRAGMENT_OFFSET = 0x1fff };

/* RFC 1071, beginning with what was summed before. */
static uint16_t checksum_from(uint32_t sum, struct rd r)
{
	while (r.n > 1)
		sum += rd_u16(&r);
	if (r.n)
		sum += (uint32_t)rd_u8(&r) << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint16_t checksum(struct rd r)
{
	return checksum_from(0, r);
}

/* Put the checksum of what was written since `from`, and of sum, at `at`. */
static void checksum_put(struct wr *w, size_t at, size_t from, uint32_t sum)
{
	struct rd r = rd_of(w->p, w->len);
	struct wr field = wr_of(w->p, w->len);

	if (w->bad)
		return;
	rd_skip(&r, from);
	(void)wr_room(&field, at);
	wr_u16(&field, checksum_from(sum, r));
	/* UDP, the only one with a sum before: 0 would mean that there is none (RFC 768). */
	if (sum && !field.p[at] && !field.p[at + 1])
		field.p[at] = field.p[at + 1] = 0xff;
}

static void ip_header(struct wr *w, uint32_t src, uint32_t dst, unsigned proto, size_t n)
{
	size_t from = w->len;

	wr_u16(w, 0x4500);
	wr_u16(w, (uint16_t)(IP_HEADER + n));
	wr_u32(w, 0x4000);		/* DF, and so no identification (RFC 6864 4.1) */
	wr_u8(w, TTL);
	wr_u8(w, (uint8_t)proto);
	wr_u16(w, 0);
	wr_u32(w, src);
	wr_u32(w, dst);
	checksum_put(w, from + 10, from, 0);
}

/* 0, 1, 2, … */
static void filler(struct wr *w, size_t n)
{
	uint8_t pattern[256];

	for (unsigned i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)i;
	for (; n > sizeof(pattern); n -= sizeof(pattern))
		wr_bytes(w, pattern, sizeof(pattern));
	wr_bytes(w, pattern, n);
}

void ip_write_echo(struct wr *w, uint32_t src, uint32_t dst, uint16_t id, uint16_t seq, size_t n)
{
	size_t from;

	ip_header(w, src, dst, PROTO_ICMP, ICMP_HEADER + n);
	from = w->len;
	wr_u16(w, ECHO_REQUEST << 8);
	wr_u16(w, 0);
	wr_u16(w, id);
	wr_u16(w, seq);
	filler(w, n);
	checksum_put(w, from + 2, from, 0);
}

void ip_write_udp(struct wr *w, uint32_t src, uint32_t dst, uint16_t port, size_t n)
{
	uint32_t pseudo = (src >> 16) + (src & 0xffff) + (dst >> 16) + (dst & 0xffff) + PROTO_UDP + IP_UDP_HEADER + (uint32_t)n;
	size_t from;

	ip_header(w, src, dst, PROTO_UDP, IP_UDP_HEADER + n);
	from = w->len;
	wr_u16(w, port);
	wr_u16(w, PORT_DISCARD);
	wr_u16(w, (uint16_t)(IP_UDP_HEADER + n));
	wr_u16(w, 0);
	filler(w, n);
	checksum_put(w, from + 6, from, pseudo);
}

bool ip_read_echo_reply(struct rd r, uint16_t id, uint16_t *ret_seq)
{
	uint8_t version = rd_u8(&r), proto;
	uint16_t total, type, got;

	rd_skip(&r, 1);
	total = rd_u16(&r);
	rd_skip(&r, 5);
	proto = rd_u8(&r);
	rd_skip(&r, 10);
	if (r.bad || version != 0x45 || proto != PROTO_ICMP || total < IP_HEADER || total - (size_t)IP_HEADER > r.n)
		return false;
	r = rd_sub(&r, total - (size_t)IP_HEADER);
	if (checksum(r))
		return false;
	type = rd_u16(&r);
	rd_skip(&r, 2);
	got = rd_u16(&r);
	*ret_seq = rd_u16(&r);
	return !r.bad && type == ECHO_REPLY << 8 && got == id;
}

bool ip_is_discard(struct rd r)
{
	uint8_t version = rd_u8(&r), proto;
	uint16_t fragment;

	rd_skip(&r, 5);
	fragment = rd_u16(&r);
	rd_skip(&r, 1);
	proto = rd_u8(&r);
	rd_skip(&r, 10 + ((version & 15u) - 5) * 4 + 2);
	return version >> 4 == 4 && (version & 15) >= 5 && proto == PROTO_UDP && !(fragment & FRAGMENT_OFFSET) &&
		rd_u16(&r) == PORT_DISCARD && !r.bad;
}
