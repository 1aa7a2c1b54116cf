/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wr: the one way packet bytes are written.
 *
 * A writer fills a caller's buffer and owns nothing.  A write that does not
 * fit sets `bad` and changes nothing more; check it once, before sending.
 * Length fields are reserved by wr_open*() and filled in by wr_close*(), so
 * nobody counts bytes by hand.
 */
#ifndef CULVERT_WR_H
#define CULVERT_WR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wr {
	uint8_t *p;		/* start of the buffer */
	size_t cap;		/* its size */
	size_t len;		/* bytes written */
	bool bad;		/* something did not fit */
};

/* A writer over cap bytes at p. */
static inline struct wr wr_of(void *p, size_t cap)
{
	return (struct wr){ .p = p, .cap = cap };
}

/* n bytes to fill in by hand, or NULL (and bad). */
static inline uint8_t *wr_room(struct wr *w, size_t n)
{
	uint8_t *p = w->p + w->len;

	if (w->bad || n > w->cap - w->len) {
		w->bad = true;
		return NULL;
	}
	w->len += n;
	return p;
}

static inline void wr_bytes(struct wr *w, const void *src, size_t n)
{
	uint8_t *p = wr_room(w, n);

	if (p && n)
		memcpy(p, src, n);
}

/* Big-endian numbers. */
static inline void wr_u8(struct wr *w, uint8_t v)
{
	uint8_t *p = wr_room(w, 1);

	if (p)
		p[0] = v;
}

static inline void wr_u16(struct wr *w, uint16_t v)
{
	uint8_t *p = wr_room(w, 2);

	if (p) {
		p[0] = (uint8_t)(v >> 8);
		p[1] = (uint8_t)v;
	}
}

static inline void wr_u32(struct wr *w, uint32_t v)
{
	wr_u16(w, (uint16_t)(v >> 16));
	wr_u16(w, (uint16_t)v);
}

/* Reserve a 16-bit or 8-bit length field; the result goes to wr_close*(). */
static inline size_t wr_open16(struct wr *w)
{
	size_t at = w->len;

	wr_u16(w, 0);
	return at;
}

static inline size_t wr_open8(struct wr *w)
{
	size_t at = w->len;

	wr_u8(w, 0);
	return at;
}

/*
 * Fill in the field reserved at `at` with the bytes written from `from` (an
 * offset: the field itself, or a header that the length counts too) up to
 * now, or'ed with flags (bits above the length, such as an AVP's M).
 */
static inline void wr_close16(struct wr *w, size_t at, size_t from, uint16_t flags)
{
	size_t n = w->len - from;

	if (w->bad)
		return;
	if (n > 0xffff) {
		w->bad = true;
		return;
	}
	w->p[at] = (uint8_t)((n | flags) >> 8);
	w->p[at + 1] = (uint8_t)(n | flags);
}

static inline void wr_close8(struct wr *w, size_t at, size_t from)
{
	size_t n = w->len - from;

	if (w->bad)
		return;
	if (n > 0xff) {
		w->bad = true;
		return;
	}
	w->p[at] = (uint8_t)n;
}

#endif
