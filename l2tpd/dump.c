/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/dump.h"

#include <stdio.h>

#include "base/conf.h"
#include "ppp/ppp.h"

enum { HEADER = 4 };		/* code, identifier, length: RFC 1661 5 */
enum { PROTOCOL_REJECT = 8, PAP_REQUEST = 1, PAP_NAK = 3, CHAP_RESPONSE = 2, CHAP_FAILURE = 4 };
enum { EAP_RESPONSE = 2, EAP_FAILURE = 4, EAP_IDENTITY = 1 };	/* RFC 3748 4, 5 */

static const struct {
	uint16_t proto;
	uint8_t kind;
	const char *name;
} kinds[] = {
	{ PPP_LCP, CONF_DUMP_LCP, "LCP" }, { PPP_PAP, CONF_DUMP_PAP, "PAP" }, { PPP_CHAP, CONF_DUMP_CHAP, "CHAP" },
	{ PPP_EAP, CONF_DUMP_EAP, "EAP" }, { PPP_COMP, CONF_DUMP_MPPE, "MPPE" }, { PPP_CCP, CONF_DUMP_CCP, "CCP" },
	{ PPP_IPCP, CONF_DUMP_IPCP, "IPCP" }, { PPP_IP, CONF_DUMP_IP, "IP" },
};

static unsigned kind_of(struct rd *frame)
{
	uint16_t proto;

	if (!ppp_frame(frame, &proto))
		return N_ELEMENTS(kinds);
	for (unsigned i = 0; i < N_ELEMENTS(kinds); i++)
		if (kinds[i].proto == proto)
			return i;
	return N_ELEMENTS(kinds);
}

unsigned dump_kind(struct rd frame)
{
	unsigned i = kind_of(&frame);

	return i < N_ELEMENTS(kinds) ? kinds[i].kind : 0;
}

/* The packet's octets from *ret_from to before *ret_to are secret. */
static void secret(uint16_t proto, struct rd pkt, size_t *ret_from, size_t *ret_to)
{
	uint8_t code = rd_u8(&pkt), n, m;

	rd_skip(&pkt, HEADER - 1);
	*ret_from = *ret_to = pkt.bad ? 0 : HEADER;
	if (proto == PPP_LCP) {
		*ret_from += 2;
		*ret_to = code == PROTOCOL_REJECT ? SIZE_MAX : 0;
	} else if (proto == PPP_PAP && code == PAP_REQUEST) {
		n = rd_u8(&pkt);
		rd_skip(&pkt, n);
		m = rd_u8(&pkt);
		rd_skip(&pkt, m);
		/* Where the lengths do not fit, anything may be the password. */
		*ret_from = pkt.bad ? HEADER : HEADER + 2u + n;
		*ret_to = SIZE_MAX;
	} else if (proto == PPP_CHAP && code == CHAP_RESPONSE) {
		n = rd_u8(&pkt);
		*ret_from = HEADER + 1;
		*ret_to = n <= pkt.n ? HEADER + 1u + n : SIZE_MAX;
	} else if (proto == PPP_EAP && code == EAP_RESPONSE) {
		n = rd_u8(&pkt);
		*ret_from = HEADER + 1;
		*ret_to = n == EAP_IDENTITY ? 0 : SIZE_MAX;
	} else if ((proto == PPP_PAP && code - 1u >= PAP_NAK) || (proto == PPP_CHAP && code - 1u >= CHAP_FAILURE) ||
		   (proto == PPP_EAP && code - 1u >= EAP_FAILURE)) {
		*ret_to = SIZE_MAX;
	}
}

void dump_text(struct rd frame, char ret[static DUMP_TEXT_MAX])
{
	unsigned i = kind_of(&frame);
	size_t from, to, at;

	ret[0] = '\0';
	if (i == N_ELEMENTS(kinds))
		return;
	secret(kinds[i].proto, frame, &from, &to);
	at = (size_t)snprintf(ret, DUMP_TEXT_MAX, "%s ", kinds[i].name);
	for (size_t k = 0; k < frame.n && k < DUMP_BYTES; k++) {
		if (k >= from && k < to)
			at += (size_t)snprintf(ret + at, DUMP_TEXT_MAX - at, "**");
		else
			at += (size_t)snprintf(ret + at, DUMP_TEXT_MAX - at, "%02x", frame.p[k]);
	}
	if (frame.n > DUMP_BYTES)
		snprintf(ret + at, DUMP_TEXT_MAX - at, " and %zu more", frame.n - DUMP_BYTES);
}
