/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any datagram on 500 or 4500: first byte which port, the next two the peer's port. */
#include <stdlib.h>

#include "base/rd.h"
#include "ike-plugin/hdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size);
	uint8_t natt = rd_u8(&r);
	uint16_t port = rd_u16(&r);
	enum hdr_kind k;

	if (r.bad)
		return 0;
	k = hdr_classify(r.p, r.n, natt & 1, port);
	/* What charon gets has a whole header, and never a marker that it would misread. */
	if (k >= HDR_KINDS || (k == HDR_IKE && (r.n < 28u + 4 * (natt & 1) || ((natt & 1) && port == 500))))
		abort();
	return 0;
}
