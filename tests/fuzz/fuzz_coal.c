/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A batch of packets as a peer could send them.  For each: one byte of flags
 * (bits 0-3 key, 4 make its checksums right, 5 go on from the packet before:
 * the same headers with the next id and sequence number), two of length, its
 * bytes.  Whatever comes out is cut by the slow reference and must be what
 * went in.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/gso_util.h"
#include "base/rd.h"
#include "l2tpd/coal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x) do { if (!(x)) abort(); } while (0)

enum { PKTS = 128, KEYS = 16, IP_HDR = 20 };

static struct {
	uint8_t *p, *was;
	size_t len;
	unsigned key;
	bool seen;
} pkt[PKTS];
static unsigned n_pkt;
static bool refuse;

/* It is the next one of its key. */
static void arrived(unsigned key, const uint8_t *p, size_t len, bool fixed_ids)
{
	for (unsigned i = 0; i < n_pkt; i++) {
		uint8_t *was = pkt[i].was;

		if (pkt[i].key != key || pkt[i].seen)
			continue;
		pkt[i].seen = true;
		MUST(pkt[i].len == len);
		if (!fixed_ids) {
			MUST(!memcmp(was, p, len));
			return;
		}
		/* The checksums were right; 0 and 0xffff are then the same. */
		MUST(!memcmp(was, p, 4) && !memcmp(was + 6, p + 6, 4) && !memcmp(was + 12, p + 12, len - 12));
		MUST(get16(was + 4) == get16(p + 4) || was[6] & 0x40);
		return;
	}
	abort();
}

static bool take(void *ctx, const struct coal_out *o)
{
	static uint8_t all[GSO_MAX * 2], one[GSO_MAX * 2];
	unsigned key = (unsigned)(uintptr_t)o->key - 1;
	struct vnet_hdr v;
	size_t n = 0, bytes = 0;

	memcpy(&v, o->iov[0].iov_base, VNET_HDR);
	if (v.gso_type && refuse)
		return false;
	for (unsigned i = 1; i < o->n_iov; i++) {
		MUST(n + o->iov[i].iov_len <= UINT16_MAX);
		memcpy(all + n, o->iov[i].iov_base, o->iov[i].iov_len);
		n += o->iov[i].iov_len;
	}
	if (!v.gso_type) {
		MUST(o->packets == 1 && o->bytes == n);
		arrived(key, all, n, false);
		return true;
	}
	MUST(o->packets > 1 && o->packets <= COAL_SEGS && v.gso_size && ref_sum(all, IP_HDR, 0) == 0xffff);
	for (unsigned i = 0; i < o->packets; i++) {
		size_t len = ref_seg(all, n, v.gso_size, i, one), sum_at = IP_HDR + (o->udp ? 6u : 16u);

		for (unsigned k = 0; k < n_pkt; k++) {
			/* A sum that the sender wrote in its other form. */
			if (pkt[k].key != key || pkt[k].seen || pkt[k].len != len)
				continue;
			if (!get16(one + sum_at) && get16(pkt[k].was + sum_at) == 0xffff)
				put16(one + sum_at, 0xffff);
			break;
		}
		arrived(key, one, len, true);
		bytes += len;
	}
	MUST(bytes == o->bytes);
	return true;
}

static bool add(struct rd *r, uint8_t how)
{
	uint16_t len = rd_u16(r);
	const uint8_t *p = rd_bytes(r, MIN(len, r->n));
	unsigned k = n_pkt;

	if (r->bad)
		return false;
	if (how & 0x20 && k) {
		/* A packet in sequence would take a fuzzer for ever to guess. */
		uint8_t *old = pkt[k - 1].was;
		size_t ihl = (old[0] & 15) * 4u, hdr = ihl + 20;

		pkt[k].len = pkt[k - 1].len;
		pkt[k].p = malloc(pkt[k].len);
		memcpy(pkt[k].p, old, pkt[k].len);
		pkt[k].key = pkt[k - 1].key;
		put16(pkt[k].p + 4, get16(old + 4) + !(how & 0x40));
		if (ihl >= IP_HDR && pkt[k].len > hdr && old[9] == 6) {
			hdr = ihl + (old[ihl + 12] >> 4) * 4u;
			put32(pkt[k].p + ihl + 4, ((uint32_t)get16(old + ihl + 4) << 16) + get16(old + ihl + 6) +
				(uint32_t)(pkt[k].len > hdr ? pkt[k].len - hdr : 0));
		}
	} else {
		if (len < IP_HDR || !p)
			return true;
		len = (uint16_t)MIN(len, (size_t)(r->p - p));
		if (len < IP_HDR)
			return true;
		pkt[k].len = len;
		pkt[k].p = malloc(len);
		memcpy(pkt[k].p, p, len);
		pkt[k].key = how % KEYS;
	}
	if (how & 0x10 && (pkt[k].p[0] & 15) * 4u + 20 <= pkt[k].len)
		ref_finish(pkt[k].p, pkt[k].len);
	pkt[k].was = malloc(pkt[k].len);
	memcpy(pkt[k].was, pkt[k].p, pkt[k].len);
	pkt[k].seen = false;
	n_pkt++;
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size);
	static struct coal c;

	n_pkt = 0;
	refuse = size && data[size - 1] % 8 == 0;
	while (r.n && n_pkt < PKTS && add(&r, rd_u8(&r)))
		;
	coal_init(&c, take, NULL);
	for (unsigned i = 0; i < n_pkt; i++)
		coal_add(&c, (void *)(uintptr_t)(pkt[i].key + 1), pkt[i].p, pkt[i].len);
	coal_flush(&c);
	for (unsigned i = 0; i < n_pkt; i++) {
		MUST(pkt[i].seen);
		free(pkt[i].p);
		free(pkt[i].was);
	}
	return 0;
}
