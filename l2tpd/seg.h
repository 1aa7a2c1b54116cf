/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seg: a packet as a TUN with IFF_VNET_HDR gives it, cut into packets as the
 * wire takes them, with whole checksums.
 *
 *	if (!seg_begin(&s, &hdr, p, n))
 *		drop;
 *	for (unsigned i = 0; i < s.n; i++)
 *		seg_write(&s, i, room for seg_len(&s, i) bytes);
 *
 * TCP over IPv4 as in RFC 9293 and 3168 (CWR on the first segment only, FIN and
 * PSH on the last), UDP over IPv4 as UDP_SEGMENT does it; the IP identification
 * counts up.  What is no super-packet comes through as it is, its checksum
 * completed if that was asked for.
 */
#ifndef CULVERT_SEG_H
#define CULVERT_SEG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "l2tpd/vnet.h"

struct seg {
	unsigned n;		/* packets; at least 1 */
	uint16_t size;		/* bytes of each but the last, from the IP header on */
	uint16_t last;		/* bytes of the last */

	/* seg.c's own */
	const uint8_t *p;
	uint16_t hdr, ip_hdr;	/* bytes of all headers, of the IP header */
	uint16_t step;		/* payload of each but the last; 0 = no super-packet */
	uint16_t csum_at, csum_from;	/* no super-packet: the field, and what it sums; 0 = nothing to do */
	uint8_t proto;
};

/*
 * Look at n bytes (1 to 65535) at p, which are borrowed until the last
 * seg_write().  False: lengths, types or header fields that do not fit.
 */
MUST_USE bool seg_begin(struct seg *, const struct vnet_hdr *, const uint8_t *p, size_t n);

/* Bytes of packet i. */
static inline size_t seg_len(const struct seg *s, unsigned i)
{
	return i + 1 < s->n ? s->size : s->last;
}

/* Write packet i, seg_len() bytes, to `to`, which does not overlap with the source.  In any order. */
void seg_write(const struct seg *, unsigned i, uint8_t *to);

#endif
