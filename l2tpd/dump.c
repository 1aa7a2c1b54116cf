/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/dump.h"

#include <stdbool.h>
#include <stdio.h>

#include "base/conf.h"
#include "base/util.h"
#include "l2tpd/msg.h"
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

/* hide[i]: octet i of msg is secret. */
static void hex(struct rd msg, const bool hide[static DUMP_BYTES], char *ret, size_t at)
{
	for (size_t k = 0; k < msg.n && k < DUMP_BYTES; k++) {
		if (hide[k])
			at += (size_t)snprintf(ret + at, DUMP_TEXT_MAX - at, "**");
		else
			at += (size_t)snprintf(ret + at, DUMP_TEXT_MAX - at, "%02x", msg.p[k]);
	}
	if (msg.n > DUMP_BYTES)
		snprintf(ret + at, DUMP_TEXT_MAX - at, " and %zu more", msg.n - DUMP_BYTES);
}

static void conceal(bool hide[static DUMP_BYTES], size_t from, size_t to)
{
	for (size_t k = from; k < to && k < DUMP_BYTES; k++)
		hide[k] = true;
}

void dump_text(struct rd frame, char ret[static DUMP_TEXT_MAX])
{
	bool hide[DUMP_BYTES] = { 0 };
	unsigned i = kind_of(&frame);
	size_t from, to;

	ret[0] = '\0';
	if (i == N_ELEMENTS(kinds))
		return;
	secret(kinds[i].proto, frame, &from, &to);
	conceal(hide, from, to);
	hex(frame, hide, ret, (size_t)snprintf(ret, DUMP_TEXT_MAX, "%s ", kinds[i].name));
}

/* Is it one that RFC 2661 knows, of a length that it can have? */
static bool avp_is_known(const struct avp *a)
{
	const struct avp_rule *rule = avp_rule_of(a->type);

	return rule && !a->vendor && !a->reserved && (a->hidden || (a->val.n >= rule->min && a->val.n <= rule->max));
}

/* Marks what is secret in hide; returns the length of what it wrote. */
static size_t control_text(struct rd msg, bool hide[static DUMP_BYTES], char *ret)
{
	bool secrets = false;
	unsigned type = 0;
	struct l2tp_hdr h;
	size_t end;
	struct rd r;

	if (!l2tp_hdr_parse(msg, &h)) {
		conceal(hide, L2TP_CONTROL_HEADER, DUMP_BYTES);
		return (size_t)snprintf(ret, DUMP_TEXT_MAX, "L2TP malformed ");
	}
	for (r = h.body, end = (size_t)(r.p - msg.p); r.n;) {
		struct rd first = r;
		struct avp a;

		/* Behind a secret, what makes no sense may be more of it. */
		if (!avp_next(&r, &a) || (secrets && !avp_is_known(&a)))
			break;
		end = (size_t)(a.val.p - msg.p) + a.val.n;
		if (a.hidden || !avp_is_known(&a) || a.type == AVP_CHALLENGE_RESPONSE ||
		    a.type == AVP_PROXY_AUTHEN_RESPONSE) {
			secrets = true;
			conceal(hide, (size_t)(a.val.p - msg.p), end);
		} else if (first.p == h.body.p && a.type == AVP_MESSAGE_TYPE) {
			type = rd_u16(&a.val);
		}
	}
	conceal(hide, end, DUMP_BYTES);
	return (size_t)snprintf(ret, DUMP_TEXT_MAX, "L2TP %s tunnel=%u session=%u ns=%u nr=%u ",
		h.body.n ? l2tp_msg_name(type) : "ZLB", h.tunnel, h.session, h.ns, h.nr);
}

static size_t data_text(struct rd msg, bool hide[static DUMP_BYTES], char *ret)
{
	struct rd frame = msg;
	struct l2tp_data d;
	size_t from, to, at;
	unsigned i;

	if (!l2tp_data_parse(&frame, &d)) {
		conceal(hide, L2TP_DATA_HEADER, DUMP_BYTES);
		return (size_t)snprintf(ret, DUMP_TEXT_MAX, "L2TP malformed ");
	}
	i = kind_of(&frame);
	at = (size_t)(frame.p - msg.p);
	conceal(hide, at + frame.n, DUMP_BYTES);
	if (i < N_ELEMENTS(kinds)) {
		secret(kinds[i].proto, frame, &from, &to);
		conceal(hide, at + from, to == SIZE_MAX ? to : at + to);
	} else {
		conceal(hide, at, DUMP_BYTES);	/* some other way to prove who one is, for all that is known here */
	}
	at = (size_t)snprintf(ret, DUMP_TEXT_MAX, "L2TP data tunnel=%u session=%u ", d.tunnel, d.session);
	if (d.sequenced)
		at += (size_t)snprintf(ret + at, DUMP_TEXT_MAX - at, "ns=%u ", d.ns);
	return at;
}

void dump_l2tp(struct rd msg, char ret[static DUMP_TEXT_MAX])
{
	bool hide[DUMP_BYTES] = { 0 };
	size_t at;

	if (l2tp_is_control(msg))
		at = control_text(msg, hide, ret);
	else
		at = data_text(msg, hide, ret);
	hex(msg, hide, ret, at);
}
