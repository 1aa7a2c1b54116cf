/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TUN's packet as it could come at worst: 10 bytes of virtio header, then
 * the packet.  What seg takes has lengths that come to the whole, and right
 * checksums; byte for byte it is what the slow reference says.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/gso_util.h"
#include "l2tpd/seg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x) do { if (!(x)) abort(); } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t want[GSO_MAX * 2];
	struct vnet_hdr v;
	size_t n, sum = 0;
	uint8_t *p;
	struct seg s;

	if (size < VNET_HDR)
		return 0;
	memcpy(&v, data, VNET_HDR);
	n = size - VNET_HDR;
	p = malloc(n ? n : 1);		/* of its own: what is read behind it is found */
	memcpy(p, data + VNET_HDR, n);
	if (seg_begin(&s, &v, p, n)) {
		MUST(s.n >= 1 && (v.gso_type || s.n == 1));
		for (unsigned i = 0; i < s.n; i++) {
			size_t len = seg_len(&s, i);
			uint8_t *to = malloc(len);

			seg_write(&s, i, to);
			if (v.gso_type) {
				MUST(ref_seg(p, n, v.gso_size, i, want) == len);
				MUST(!memcmp(to, want, len));
				sum += len - s.hdr;
			} else if (!(v.flags & VNET_F_NEEDS_CSUM)) {
				MUST(len == n && !memcmp(to, p, n));
			}
			free(to);
		}
		MUST(!v.gso_type || sum + s.hdr == n);
	}
	free(p);
	return 0;
}
