/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rd: the one way packet bytes are read.
 *
 * A reader borrows bytes and owns nothing.  Every read checks the remaining
 * length; the first read that would pass the end returns 0 (or NULL), sets
 * `bad` and empties the reader, so a sequence of reads is checked once, at its
 * end.  A nested element (AVP, option, packet in a frame) gets a reader of its
 * own by rd_sub(), and code that handles it cannot reach what follows it.
 *
 * Never two rd_*() calls in one expression or initializer list: C leaves their
 * order open.
 */
#ifndef CULVERT_RD_H
#define CULVERT_RD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rd {
	const uint8_t *p;	/* next byte */
	size_t n;		/* bytes left */
	bool bad;		/* a read passed the end */
};

/* A reader over n bytes at p; p may be NULL when n is 0. */
static inline struct rd rd_of(const void *p, size_t n)
{
	return (struct rd){ .p = p, .n = n };
}

static inline void rd_fail(struct rd *r)
{
	r->bad = true;
	r->n = 0;
}

/* The next n bytes, borrowed, or NULL (and bad). n = 0 gives a pointer that may not be read. */
static inline const uint8_t *rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (n > r->n) {
		rd_fail(r);
		return NULL;
	}
	if (n) {
		r->p += n;
		r->n -= n;
	}
	return p;
}

/* Pass over n bytes. */
static inline void rd_skip(struct rd *r, size_t n)
{
	(void)rd_bytes(r, n);
}

/* Big-endian numbers; 0 when past the end. */
static inline uint8_t rd_u8(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 1);

	return p ? p[0] : 0;
}

static inline uint16_t rd_u16(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return p ? (uint16_t)(p[0] << 8 | p[1]) : 0;
}

static inline uint32_t rd_u32(struct rd *r)
{
	const uint8_t *p = rd_bytes(r, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

/*
 * A reader over the next n bytes, which r passes over.  When r has fewer, both
 * r and the result are bad.
 */
static inline struct rd rd_sub(struct rd *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	return r->bad ? (struct rd){ .bad = true } : rd_of(p, n);
}

#endif
