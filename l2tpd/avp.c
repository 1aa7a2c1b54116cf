/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AVPs: one at a time from a cursor, and the table of RFC 2661 4.4.  What an
 * AVP means for its message is decided in msg.c.
 */
#include "l2tpd/avp.h"

#include "base/util.h"
#include "l2tpd/l2tp.h"
#include "l2tpd/secret.h"

enum { AVP_M = 0x8000, AVP_H = 0x4000, AVP_RESERVED = 0x3c00, AVP_LENGTH = 0x03ff };

#define B(m) (1u << L2TP_##m)
#define ANY 0xffffffffu
#define START (B(SCCRQ) | B(SCCRP))
#define MAXV AVP_VALUE_MAX

static const struct avp_rule rules[AVP_TYPES] = {
	/* name, M, may be hidden, least and most octets of value, messages */
	[AVP_MESSAGE_TYPE] = { "Message Type", true, false, 2, 2, ANY },
	/* Apple's clients give a length of 14 to a value of 2: not above MAXV, so not refused. */
	[AVP_RESULT_CODE] = { "Result Code", true, false, 2, MAXV, B(CDN) | B(STOPCCN) },
	[AVP_PROTOCOL_VERSION] = { "Protocol Version", true, false, 2, 2, START },
	[AVP_FRAMING_CAPABILITIES] = { "Framing Capabilities", true, true, 4, 4, START },
	[AVP_BEARER_CAPABILITIES] = { "Bearer Capabilities", true, true, 4, 4, START },
	[AVP_TIE_BREAKER] = { "Tie Breaker", false, false, 8, 8, B(SCCRQ) },
	[AVP_FIRMWARE_REVISION] = { "Firmware Revision", false, true, 2, 2, START },
	[AVP_HOST_NAME] = { "Host Name", true, false, 1, MAXV, START },
	[AVP_VENDOR_NAME] = { "Vendor Name", false, true, 0, MAXV, START },
	[AVP_ASSIGNED_TUNNEL_ID] = { "Assigned Tunnel ID", true, true, 2, 2, START | B(STOPCCN) },
	[AVP_RECEIVE_WINDOW_SIZE] = { "Receive Window Size", true, false, 2, 2, START },
	[AVP_CHALLENGE] = { "Challenge", true, true, 1, MAXV, START },
	[AVP_Q931_CAUSE_CODE] = { "Q.931 Cause Code", true, false, 3, MAXV, B(CDN) },
	[AVP_CHALLENGE_RESPONSE] = { "Challenge Response", true, true, 16, 16, B(SCCRP) | B(SCCCN) },
	[AVP_ASSIGNED_SESSION_ID] = { "Assigned Session ID", true, true, 2, 2,
		B(ICRQ) | B(ICRP) | B(OCRQ) | B(OCRP) | B(CDN) },
	[AVP_CALL_SERIAL_NUMBER] = { "Call Serial Number", true, true, 4, 4, B(ICRQ) | B(OCRQ) },
	[AVP_MINIMUM_BPS] = { "Minimum BPS", true, true, 4, 4, B(OCRQ) },
	[AVP_MAXIMUM_BPS] = { "Maximum BPS", true, true, 4, 4, B(OCRQ) },
	[AVP_BEARER_TYPE] = { "Bearer Type", true, true, 4, 4, B(ICRQ) | B(OCRQ) },
	[AVP_FRAMING_TYPE] = { "Framing Type", true, true, 4, 4, B(ICCN) | B(OCRQ) | B(OCCN) },
	[AVP_CALLED_NUMBER] = { "Called Number", true, true, 0, MAXV, B(ICRQ) | B(OCRQ) },
	[AVP_CALLING_NUMBER] = { "Calling Number", true, true, 0, MAXV, B(ICRQ) },
	[AVP_SUB_ADDRESS] = { "Sub-Address", true, true, 0, MAXV, B(ICRQ) | B(OCRQ) },
	[AVP_TX_CONNECT_SPEED] = { "Tx Connect Speed", true, true, 4, 4, B(ICCN) | B(OCCN) },
	[AVP_PHYSICAL_CHANNEL_ID] = { "Physical Channel ID", false, true, 4, 4, B(ICRQ) | B(OCRP) },
	[AVP_INITIAL_RECEIVED_LCP_CONFREQ] = { "Initial Received LCP CONFREQ", false, true, 0, MAXV, B(ICCN) },
	[AVP_LAST_SENT_LCP_CONFREQ] = { "Last Sent LCP CONFREQ", false, true, 0, MAXV, B(ICCN) },
	[AVP_LAST_RECEIVED_LCP_CONFREQ] = { "Last Received LCP CONFREQ", false, true, 0, MAXV, B(ICCN) },
	[AVP_PROXY_AUTHEN_TYPE] = { "Proxy Authen Type", false, true, 2, 2, B(ICCN) },
	[AVP_PROXY_AUTHEN_NAME] = { "Proxy Authen Name", false, true, 0, MAXV, B(ICCN) },
	[AVP_PROXY_AUTHEN_CHALLENGE] = { "Proxy Authen Challenge", false, true, 0, MAXV, B(ICCN) },
	[AVP_PROXY_AUTHEN_ID] = { "Proxy Authen ID", false, true, 2, 2, B(ICCN) },
	[AVP_PROXY_AUTHEN_RESPONSE] = { "Proxy Authen Response", false, true, 0, MAXV, B(ICCN) },
	[AVP_CALL_ERRORS] = { "Call Errors", true, true, 26, 26, B(WEN) },
	[AVP_ACCM] = { "ACCM", true, true, 10, 10, B(SLI) },
	[AVP_RANDOM_VECTOR] = { "Random Vector", true, false, 0, MAXV, ANY },
	[AVP_PRIVATE_GROUP_ID] = { "Private Group ID", false, true, 0, MAXV, B(ICCN) },
	[AVP_RX_CONNECT_SPEED] = { "Rx Connect Speed", false, true, 4, 4, B(ICCN) | B(OCCN) },
	[AVP_SEQUENCING_REQUIRED] = { "Sequencing Required", true, false, 0, 0, B(ICCN) | B(OCCN) },
	[AVP_PPP_DISCONNECT_CAUSE] = { "PPP Disconnect Cause Code", false, true, 5, MAXV, B(CDN) },
};

bool avp_next(struct rd *msg, struct avp *ret)
{
	struct rd head = *msg, body;
	uint16_t flags = rd_u16(&head);
	struct avp a = {
		.mandatory = flags & AVP_M,
		.hidden = flags & AVP_H,
		.reserved = flags & AVP_RESERVED,
	};

	/* Length counts the AVP from its first octet: one below 6 leaves no room for the type. */
	body = rd_sub(msg, flags & AVP_LENGTH);
	rd_skip(&body, 2);
	a.vendor = rd_u16(&body);
	a.type = rd_u16(&body);
	if (head.bad || body.bad) {
		rd_fail(msg);
		return false;
	}
	a.val = body;
	*ret = a;
	return true;
}

const struct avp_rule *avp_rule_of(uint16_t type)
{
	return type < AVP_TYPES && rules[type].name ? &rules[type] : NULL;
}

void avp_put_bytes(struct wr *w, enum avp_type type, const void *p, size_t n)
{
	size_t at = wr_open16(w);

	wr_u16(w, 0);
	wr_u16(w, type);
	wr_bytes(w, p, n);
	if (n > AVP_VALUE_MAX)
		w->bad = true;
	wr_close16(w, at, at, rules[type].mandatory ? AVP_M : 0);
}

void avp_put_hidden(struct wr *w, enum avp_type type, const struct avp_hiding *h, struct rd value)
{
	size_t at = wr_open16(w);

	wr_u16(w, 0);
	wr_u16(w, type);
	l2tp_hide(w, type, h->secret, h->vector, value);
	if (value.n + L2TP_HIDDEN_HEADER > AVP_VALUE_MAX)
		w->bad = true;
	wr_close16(w, at, at, AVP_H | (rules[type].mandatory ? AVP_M : 0));
}

void avp_put_u16(struct wr *w, enum avp_type type, uint16_t v)
{
	uint8_t buf[2];
	struct wr val = wr_of(buf, sizeof(buf));

	wr_u16(&val, v);
	avp_put_bytes(w, type, buf, sizeof(buf));
}

void avp_put_u32(struct wr *w, enum avp_type type, uint32_t v)
{
	uint8_t buf[4];
	struct wr val = wr_of(buf, sizeof(buf));

	wr_u32(&val, v);
	avp_put_bytes(w, type, buf, sizeof(buf));
}
