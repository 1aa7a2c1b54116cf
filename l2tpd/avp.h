/* SPDX-License-Identifier: GPL-2.0-or-later */
/* avp: Attribute Value Pairs of L2TP (RFC 2661 4). */
#ifndef CULVERT_AVP_H
#define CULVERT_AVP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rd.h"
#include "base/wr.h"

enum avp_type {		/* RFC 2661 4.4; the last one RFC 3145 */
	AVP_MESSAGE_TYPE = 0, AVP_RESULT_CODE = 1, AVP_PROTOCOL_VERSION = 2,
	AVP_FRAMING_CAPABILITIES = 3, AVP_BEARER_CAPABILITIES = 4, AVP_TIE_BREAKER = 5,
	AVP_FIRMWARE_REVISION = 6, AVP_HOST_NAME = 7, AVP_VENDOR_NAME = 8,
	AVP_ASSIGNED_TUNNEL_ID = 9, AVP_RECEIVE_WINDOW_SIZE = 10, AVP_CHALLENGE = 11,
	AVP_Q931_CAUSE_CODE = 12, AVP_CHALLENGE_RESPONSE = 13, AVP_ASSIGNED_SESSION_ID = 14,
	AVP_CALL_SERIAL_NUMBER = 15, AVP_MINIMUM_BPS = 16, AVP_MAXIMUM_BPS = 17,
	AVP_BEARER_TYPE = 18, AVP_FRAMING_TYPE = 19, AVP_CALLED_NUMBER = 21,
	AVP_CALLING_NUMBER = 22, AVP_SUB_ADDRESS = 23, AVP_TX_CONNECT_SPEED = 24,
	AVP_PHYSICAL_CHANNEL_ID = 25, AVP_INITIAL_RECEIVED_LCP_CONFREQ = 26,
	AVP_LAST_SENT_LCP_CONFREQ = 27, AVP_LAST_RECEIVED_LCP_CONFREQ = 28,
	AVP_PROXY_AUTHEN_TYPE = 29, AVP_PROXY_AUTHEN_NAME = 30, AVP_PROXY_AUTHEN_CHALLENGE = 31,
	AVP_PROXY_AUTHEN_ID = 32, AVP_PROXY_AUTHEN_RESPONSE = 33, AVP_CALL_ERRORS = 34,
	AVP_ACCM = 35, AVP_RANDOM_VECTOR = 36, AVP_PRIVATE_GROUP_ID = 37, AVP_RX_CONNECT_SPEED = 38,
	AVP_SEQUENCING_REQUIRED = 39, AVP_PPP_DISCONNECT_CAUSE = 46,
	AVP_TYPES = 47,
};

enum { AVP_VALUE_MAX = 1023 - 6 };

/* One AVP as it stands on the wire. */
struct avp {
	bool mandatory;		/* M */
	bool hidden;		/* H */
	bool reserved;		/* one of the reserved bits is set */
	uint16_t vendor;
	uint16_t type;
	struct rd val;		/* borrowed */
};

/* What RFC 2661 says of an attribute. */
struct avp_rule {
	const char *name;
	bool mandatory;		/* M as we send it */
	bool hide;		/* "may be hidden" */
	uint16_t min, max;	/* octets of the value */
	uint32_t msgs;		/* bits: the message types that it belongs to */
};

/*
 * The next AVP of a message; *msg moves on to the one after it.  False, and
 * msg->bad: its length is below 6 or passes the end.
 */
bool avp_next(struct rd *msg, struct avp *ret);

/* NULL for an attribute that is not recognised. */
const struct avp_rule *avp_rule_of(uint16_t type);

/* The secret of a tunnel, and the Random Vector that stands in the message (4.3). */
struct avp_hiding {
	struct rd secret, vector;
};

/* Append an AVP whose value is hidden; avp_rule.hide is not looked at. */
void avp_put_hidden(struct wr *, enum avp_type, const struct avp_hiding *, struct rd value);

/* Append an AVP of RFC 2661 with the M bit that its rule asks for. */
void avp_put_u16(struct wr *, enum avp_type, uint16_t);
void avp_put_u32(struct wr *, enum avp_type, uint32_t);
void avp_put_bytes(struct wr *, enum avp_type, const void *, size_t n);

#endif
