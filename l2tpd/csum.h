/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * csum: the Internet checksum (RFC 1071), for the data path.
 *
 * A sum is kept over words in the machine's own order, which RFC 1071 2 (B)
 * shows to give the right bytes on either kind of machine as long as the
 * result is stored as it was loaded.  So nothing is swapped per word, and
 * words of any width may be added: here 16 bytes in one step, as four 32-bit
 * numbers in 64-bit lanes that cannot overflow before 2^32 steps.  Every
 * packet of a bulk transfer passes here; a cursor per word would cost more
 * than the cipher.  All reads stay within the n bytes that the caller says.
 */
#ifndef CULVERT_CSUM_H
#define CULVERT_CSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint64_t csum_lanes __attribute__((vector_size(16)));

/* 8 bytes at p; no sum of 2^32 of them overflows. */
static inline uint64_t csum_8(uint64_t sum, const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return sum + (v & 0xffffffff) + (v >> 32);
}

/* The last n < 32 bytes; an odd one counts as one with a zero behind it. */
static inline uint64_t csum_tail(uint64_t sum, const uint8_t *p, size_t n)
{
	uint16_t half = 0;
	uint32_t word;

	for (; n >= 8; n -= 8, p += 8)
		sum = csum_8(sum, p);
	if (n & 4) {
		memcpy(&word, p, 4);
		sum += word;
		p += 4;
	}
	if (n & 2) {
		memcpy(&half, p, 2);
		sum += half;
		p += 2;
	}
	if (n & 1) {
		half = 0;
		memcpy(&half, p, 1);
		sum += half;
	}
	return sum;
}

/*
 * Add n bytes at p to a sum (0 to begin with).  Of a sum over several pieces
 * only the last may have an odd length.
 */
static inline uint64_t csum_add(uint64_t sum, const uint8_t *p, size_t n)
{
	const csum_lanes low = { 0xffffffff, 0xffffffff };
	csum_lanes a = { 0, 0 }, b = { 0, 0 }, v, w;

	for (; n >= 32; n -= 32, p += 32) {
		memcpy(&v, p, 16);
		memcpy(&w, p + 16, 16);
		a += (v & low) + (w & low);
		b += (v >> 32) + (w >> 32);
	}
	a += b;
	sum += a[0] + a[1];
	return csum_tail(sum, p, n);
}

/* The same, and copy them: one pass instead of two.  The two places may not overlap. */
static inline uint64_t csum_copy(uint64_t sum, uint8_t *to, const uint8_t *p, size_t n)
{
	const csum_lanes low = { 0xffffffff, 0xffffffff };
	csum_lanes a = { 0, 0 }, b = { 0, 0 }, v, w;

	for (; n >= 32; n -= 32, p += 32, to += 32) {
		memcpy(&v, p, 16);
		memcpy(&w, p + 16, 16);
		memcpy(to, &v, 16);
		memcpy(to + 16, &w, 16);
		a += (v & low) + (w & low);
		b += (v >> 32) + (w >> 32);
	}
	a += b;
	sum += a[0] + a[1];
	memcpy(to, p, n);
	return csum_tail(sum, p, n);
}

/* To 16 bits; 0xffff where what was summed holds its own checksum, and that is right. */
static inline uint16_t csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Store a word as it would have been loaded. */
static inline void csum_store(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

/* What TCP and UDP sum in front of their header (RFC 9293 3.1): the IPv4 header's addresses, protocol, length. */
static inline uint64_t csum_pseudo(const uint8_t *ip, uint8_t proto, size_t len)
{
	const uint8_t rest[4] = { 0, proto, (uint8_t)(len >> 8), (uint8_t)len };

	return csum_8(csum_tail(0, rest, 4), ip + 12);
}

/* The same of IPv6 (RFC 8200 8.1), with the addresses of 16 bytes each. */
static inline uint64_t csum_pseudo6(const uint8_t *src, const uint8_t *dst, uint8_t proto, size_t len)
{
	const uint8_t rest[8] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, 0, 0, 0, proto };

	return csum_add(csum_add(csum_8(0, rest), src, 16), dst, 16);
}

#endif
