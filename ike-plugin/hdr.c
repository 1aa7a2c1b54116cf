/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/hdr.h"

#include "base/rd.h"

enum {				/* RFC 2408 3.1, RFC 2409 appendix A */
	ISAKMP_HDR = 28,
	EXCHANGE_ID_PROT = 2,
	EXCHANGE_AGGRESSIVE = 4,
	EXCHANGE_INFORMATIONAL = 5,
	EXCHANGE_TRANSACTION = 6,	/* mode config, XAuth */
	EXCHANGE_QUICK = 32,
};

enum hdr_kind hdr_classify(const void *data, size_t len, bool natt, uint16_t peer_port)
{
	struct rd r = rd_of(data, len);
	uint32_t cookie, cookie_low, length;
	uint8_t version, exchange;

	if (len == 1 && rd_u8(&r) == 0xff)
		return HDR_KEEPALIVE;
	if (natt) {
		/* RFC 3948 2.2: the marker stands where ESP has its SPI, which is never 0 */
		if (len >= 4 && rd_u32(&r) != 0)
			return HDR_ESP;
		if (peer_port == 500)
			return HDR_PORT_500;
	}
	cookie = rd_u32(&r);
	cookie_low = rd_u32(&r);
	rd_skip(&r, 8 + 1);		/* responder cookie, next payload */
	version = rd_u8(&r);
	exchange = rd_u8(&r);
	rd_skip(&r, 1 + 4);		/* flags, message ID */
	length = rd_u32(&r);
	if (r.bad)
		return HDR_SHORT;
	if (!(cookie | cookie_low) || length < ISAKMP_HDR || length - ISAKMP_HDR > r.n)
		return HDR_BAD;
	if (version >> 4 != 1)
		return HDR_VERSION;
	switch (exchange) {
	case EXCHANGE_ID_PROT:
	case EXCHANGE_INFORMATIONAL:
	case EXCHANGE_TRANSACTION:
	case EXCHANGE_QUICK:
		return HDR_IKE;
	case EXCHANGE_AGGRESSIVE:
		return HDR_AGGRESSIVE;
	default:
		return HDR_BAD;
	}
}
