/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Headers and whole control messages.  Stateless: what a message does in the
 * state that a tunnel or a session is in, tunnel.c and session.c say.
 */
#include "l2tpd/msg.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "l2tpd/secret.h"

enum {	/* RFC 2661 3.1 */
	HDR_T = 0x8000, HDR_L = 0x4000, HDR_S = 0x0800, HDR_O = 0x0200, HDR_P = 0x0100,
	HDR_VER = 0x000f, HDR_VER_L2TP = 2,
};

#define A(t) (1ull << AVP_##t)

enum { AVPS_MAX = 12 };

/* Every message type (6): its scope, the AVPs that must be there, those that we write, in order. */
static const struct msg_rule {
	const char *name;
	bool call;
	uint64_t required;
	uint8_t n;
	uint8_t write[AVPS_MAX];
} rules[L2TP_MSG_TYPES] = {
	[L2TP_SCCRQ] = { "SCCRQ", false,
		A(PROTOCOL_VERSION) | A(HOST_NAME) | A(FRAMING_CAPABILITIES) | A(ASSIGNED_TUNNEL_ID), 9,
		{ AVP_PROTOCOL_VERSION, AVP_HOST_NAME, AVP_FRAMING_CAPABILITIES, AVP_ASSIGNED_TUNNEL_ID,
			AVP_TIE_BREAKER, AVP_RECEIVE_WINDOW_SIZE, AVP_CHALLENGE, AVP_FIRMWARE_REVISION,
			AVP_VENDOR_NAME } },
	/* The optional name is last: one client's parser loses its way after an AVP that it skips. */
	[L2TP_SCCRP] = { "SCCRP", false,
		A(PROTOCOL_VERSION) | A(HOST_NAME) | A(FRAMING_CAPABILITIES) | A(ASSIGNED_TUNNEL_ID), 9,
		{ AVP_PROTOCOL_VERSION, AVP_FRAMING_CAPABILITIES, AVP_HOST_NAME, AVP_ASSIGNED_TUNNEL_ID,
			AVP_RECEIVE_WINDOW_SIZE, AVP_CHALLENGE_RESPONSE, AVP_CHALLENGE, AVP_FIRMWARE_REVISION,
			AVP_VENDOR_NAME } },
	[L2TP_SCCCN] = { "SCCCN", false, 0, 1, { AVP_CHALLENGE_RESPONSE } },
	[L2TP_STOPCCN] = { "StopCCN", false, A(ASSIGNED_TUNNEL_ID) | A(RESULT_CODE), 2,
		{ AVP_ASSIGNED_TUNNEL_ID, AVP_RESULT_CODE } },
	[L2TP_HELLO] = { "HELLO", false, 0, 0, { 0 } },
	/* Outgoing calls are refused whatever they ask for; the answer needs the session's id only. */
	[L2TP_OCRQ] = { "OCRQ", true, A(ASSIGNED_SESSION_ID), 0, { 0 } },
	[L2TP_OCRP] = { "OCRP", true, 0, 0, { 0 } },
	[L2TP_OCCN] = { "OCCN", true, 0, 0, { 0 } },
	[L2TP_ICRQ] = { "ICRQ", true, A(ASSIGNED_SESSION_ID) | A(CALL_SERIAL_NUMBER), 5,
		{ AVP_ASSIGNED_SESSION_ID, AVP_CALL_SERIAL_NUMBER, AVP_BEARER_TYPE, AVP_CALLED_NUMBER,
			AVP_CALLING_NUMBER } },
	[L2TP_ICRP] = { "ICRP", true, A(ASSIGNED_SESSION_ID), 1, { AVP_ASSIGNED_SESSION_ID } },
	[L2TP_ICCN] = { "ICCN", true, A(TX_CONNECT_SPEED) | A(FRAMING_TYPE), 11,
		{ AVP_TX_CONNECT_SPEED, AVP_FRAMING_TYPE, AVP_SEQUENCING_REQUIRED,
			AVP_INITIAL_RECEIVED_LCP_CONFREQ, AVP_LAST_SENT_LCP_CONFREQ,
			AVP_LAST_RECEIVED_LCP_CONFREQ, AVP_PROXY_AUTHEN_TYPE, AVP_PROXY_AUTHEN_NAME,
			AVP_PROXY_AUTHEN_CHALLENGE, AVP_PROXY_AUTHEN_ID, AVP_PROXY_AUTHEN_RESPONSE } },
	[L2TP_CDN] = { "CDN", true, A(RESULT_CODE) | A(ASSIGNED_SESSION_ID), 3,
		{ AVP_RESULT_CODE, AVP_ASSIGNED_SESSION_ID, AVP_PPP_DISCONNECT_CAUSE } },
	[L2TP_WEN] = { "WEN", true, 0, 0, { 0 } },
	[L2TP_SLI] = { "SLI", true, 0, 0, { 0 } },
};

/* Where an AVP's value is kept. */
enum kind { NONE, U16, ID, U32, BYTES, RESULT, CAUSE };	/* ID: a U16 that may not be 0 */

#define F(m) offsetof(struct l2tp_msg, m)

static const struct field {
	enum kind kind;
	size_t at;
} fields[AVP_TYPES] = {
	[AVP_RESULT_CODE] = { RESULT, 0 },
	[AVP_PROTOCOL_VERSION] = { U16, F(version) },
	[AVP_FRAMING_CAPABILITIES] = { U32, F(framing_capabilities) },
	[AVP_BEARER_CAPABILITIES] = { U32, F(bearer_capabilities) },
	[AVP_FIRMWARE_REVISION] = { U16, F(firmware) },
	[AVP_HOST_NAME] = { BYTES, F(host_name) },
	[AVP_VENDOR_NAME] = { BYTES, F(vendor_name) },
	[AVP_ASSIGNED_TUNNEL_ID] = { ID, F(tunnel) },
	[AVP_RECEIVE_WINDOW_SIZE] = { ID, F(rws) },	/* 5.8: 0 is invalid */
	[AVP_ASSIGNED_SESSION_ID] = { ID, F(session) },
	[AVP_CALL_SERIAL_NUMBER] = { U32, F(call_serial) },
	[AVP_FRAMING_TYPE] = { U32, F(framing_type) },
	[AVP_TX_CONNECT_SPEED] = { U32, F(tx_speed) },
	[AVP_TIE_BREAKER] = { BYTES, F(tie_breaker) },
	[AVP_CHALLENGE] = { BYTES, F(challenge) },
	[AVP_CHALLENGE_RESPONSE] = { BYTES, F(response) },
	[AVP_BEARER_TYPE] = { U32, F(bearer_type) },
	[AVP_CALLED_NUMBER] = { BYTES, F(called_number) },
	[AVP_CALLING_NUMBER] = { BYTES, F(calling_number) },
	[AVP_INITIAL_RECEIVED_LCP_CONFREQ] = { BYTES, F(initial_lcp) },
	[AVP_LAST_SENT_LCP_CONFREQ] = { BYTES, F(last_sent_lcp) },
	[AVP_LAST_RECEIVED_LCP_CONFREQ] = { BYTES, F(last_received_lcp) },
	[AVP_PROXY_AUTHEN_TYPE] = { U16, F(proxy_type) },
	[AVP_PROXY_AUTHEN_NAME] = { BYTES, F(proxy_name) },
	[AVP_PROXY_AUTHEN_CHALLENGE] = { BYTES, F(proxy_challenge) },
	[AVP_PROXY_AUTHEN_ID] = { U16, F(proxy_id) },
	[AVP_PROXY_AUTHEN_RESPONSE] = { BYTES, F(proxy_response) },
	[AVP_PPP_DISCONNECT_CAUSE] = { CAUSE, 0 },
};

static const struct msg_rule *rule_of(unsigned type)
{
	return type < L2TP_MSG_TYPES && rules[type].name ? &rules[type] : NULL;
}

const char *l2tp_msg_name(unsigned type)
{
	return rule_of(type) ? rules[type].name : "?";
}

bool l2tp_msg_is_call(unsigned type)
{
	return rule_of(type) && rules[type].call;
}

/* ---- headers ---- */

bool l2tp_data_parse(struct rd *datagram, struct l2tp_data *ret)
{
	struct rd all = *datagram, r = all;
	uint16_t flags = rd_u16(&r);
	struct l2tp_data d = { .sequenced = flags & HDR_S };

	if ((flags & HDR_T) || (flags & HDR_VER) != HDR_VER_L2TP)
		return false;
	if (flags & HDR_L) {
		uint16_t len = rd_u16(&r);

		r = rd_sub(&all, len);	/* counts the header from its first octet */
		rd_skip(&r, 4);
	}
	d.tunnel = rd_u16(&r);
	d.session = rd_u16(&r);
	if (flags & HDR_S) {
		d.ns = rd_u16(&r);
		rd_skip(&r, 2);		/* Nr: reserved, MUST be ignored */
	}
	if (flags & HDR_O) {
		uint16_t offset = rd_u16(&r);

		rd_skip(&r, offset);
	}
	if (r.bad)
		return false;
	*datagram = r;
	*ret = d;
	return true;
}

size_t l2tp_data_header(uint8_t buf[static L2TP_DATA_HEADER], uint16_t peer_tunnel,
	uint16_t peer_session)
{
	struct wr w = wr_of(buf, L2TP_DATA_HEADER);

	wr_u16(&w, HDR_VER_L2TP);
	wr_u16(&w, peer_tunnel);
	wr_u16(&w, peer_session);
	return w.len;
}

size_t l2tp_data_header_seq(uint8_t buf[static L2TP_DATA_HEADER_SEQ], uint16_t peer_tunnel,
	uint16_t peer_session, uint16_t ns)
{
	struct wr w = wr_of(buf, L2TP_DATA_HEADER_SEQ);

	wr_u16(&w, HDR_S | HDR_VER_L2TP);
	wr_u16(&w, peer_tunnel);
	wr_u16(&w, peer_session);
	wr_u16(&w, ns);
	wr_u16(&w, 0);
	return w.len;
}

bool l2tp_hdr_parse(struct rd datagram, struct l2tp_hdr *ret)
{
	struct rd r = datagram;
	struct l2tp_hdr h = { 0 };
	uint16_t flags, len;

	flags = rd_u16(&r);
	len = rd_u16(&r);
	/* 3.1: T, L and S MUST be set, O and P MUST NOT; reserved bits are ignored. */
	if ((flags & (HDR_T | HDR_L | HDR_S | HDR_O | HDR_P)) != (HDR_T | HDR_L | HDR_S) ||
	    (flags & HDR_VER) != HDR_VER_L2TP)
		return false;
	h.body = rd_sub(&datagram, len);
	rd_skip(&h.body, 4);
	h.tunnel = rd_u16(&h.body);
	h.session = rd_u16(&h.body);
	h.ns = rd_u16(&h.body);
	h.nr = rd_u16(&h.body);
	if (h.body.bad)
		return false;
	*ret = h;
	return true;
}

void l2tp_hdr_write(struct wr *w, const struct l2tp_hdr *h)
{
	size_t from = w->len, at;

	wr_u16(w, HDR_T | HDR_L | HDR_S | HDR_VER_L2TP);
	at = wr_open16(w);
	wr_u16(w, h->tunnel);
	wr_u16(w, h->session);
	wr_u16(w, h->ns);
	wr_u16(w, h->nr);
	wr_bytes(w, h->body.p, h->body.n);
	wr_close16(w, at, from, 0);
}

/* ---- a message to a struct ---- */

/* The first fault of a message counts. */
static PRINTF(3, 4) void bad(struct l2tp_msg *m, enum l2tp_error error, const char *fmt, ...)
{
	va_list ap;

	if (m->bad)
		return;
	m->bad = error;
	va_start(ap, fmt);
	vsnprintf(m->bad_text, sizeof(m->bad_text), fmt, ap);
	va_end(ap);
}

/* Result Code (4.4.2); Error Code and Error Message may be missing. */
static void read_result(struct l2tp_msg *m, struct rd v)
{
	m->result = rd_u16(&v);
	/* Apple's clients send it in their own byte order, and stale octets behind it. */
	if (m->result > 0xff && !(m->result & 0xff)) {
		m->result >>= 8;
		return;
	}
	if (v.n >= 2)
		m->error = rd_u16(&v);
	if (v.n)
		m->error_text = v;
}

/* False: the value is out of range. */
static bool read_value(struct l2tp_msg *m, uint16_t type, struct rd v)
{
	const struct field *f = &fields[type];
	void *at = (uint8_t *)m + f->at;
	uint16_t u16;
	uint32_t u32;

	switch (f->kind) {
	case NONE:
		break;
	case U16:
	case ID:
		u16 = rd_u16(&v);
		if (f->kind == ID && !u16)
			return false;
		memcpy(at, &u16, sizeof(u16));
		break;
	case U32:
		u32 = rd_u32(&v);
		memcpy(at, &u32, sizeof(u32));
		break;
	case BYTES:
		memcpy(at, &v, sizeof(v));
		break;
	case RESULT:
		read_result(m, v);
		break;
	case CAUSE:
		m->cause.code = rd_u16(&v);
		m->cause.proto = rd_u16(&v);
		m->cause.direction = rd_u8(&v);
		m->cause.text = v;
		break;
	}
	return true;
}

/* What hidden AVPs of this message need: 4.3, the Random Vector "most closely preceding" them. */
struct reveal {
	struct rd secret, vector;
	bool has_vector;
};

/* Error Code of a hidden AVP that is no good, or 0 and a->val is what was hidden. */
static enum l2tp_error reveal(struct l2tp_msg *m, const struct reveal *v, const struct avp_rule *r, struct avp *a)
{
	struct rd plain;

	if (!v->has_vector || !r->hide)
		return L2TP_ERR_VALUE;
	if (a->val.n > sizeof(m->clear) - m->n_clear)
		return L2TP_ERR_RESOURCES;
	if (!l2tp_reveal(a->type, v->secret, v->vector, a->val, m->clear + m->n_clear, &plain))
		return L2TP_ERR_LENGTH;
	m->n_clear += (uint16_t)a->val.n;
	a->val = plain;
	return L2TP_ERR_NONE;
}

static void read_avp(struct l2tp_msg *m, struct reveal *v, struct avp *a)
{
	/* 4.1: one with a reserved bit MUST be treated as unrecognised.  So is a hidden one
	 * where there is no shared secret: nothing in it can be read (4.3). */
	const struct avp_rule *r = a->vendor || a->reserved || (a->hidden && !v->secret.n) ? NULL
											  : avp_rule_of(a->type);
	enum l2tp_error error;

	if (!r) {
		if (a->mandatory)
			bad(m, L2TP_ERR_UNKNOWN_AVP, "%sAVP vendor %u type %u", a->hidden ? "hidden " : "",
				a->vendor, a->type);
		return;
	}
	/* In a message that it does not belong to it says nothing; of two the first counts. */
	if (!(r->msgs & 1u << m->type) || (L2TP_HAS(m, a->type) && a->type != AVP_RANDOM_VECTOR))
		return;
	error = a->hidden ? reveal(m, v, r, a) : L2TP_ERR_NONE;
	/* 7.1: a malformed AVP without M is as if it were not there. */
	if (error) {
		if (a->mandatory)
			bad(m, error, "hidden %s", r->name);
		return;
	}
	if (a->val.n < r->min || a->val.n > r->max) {
		if (a->mandatory)
			bad(m, L2TP_ERR_LENGTH, "length of %s", r->name);
		return;
	}
	if (!read_value(m, a->type, a->val)) {
		if (a->mandatory)
			bad(m, L2TP_ERR_VALUE, "value of %s", r->name);
		return;
	}
	m->has |= 1ull << a->type;
	if (a->type == AVP_RANDOM_VECTOR) {
		v->vector = a->val;
		v->has_vector = true;
	}
}

enum l2tp_parse l2tp_msg_parse(struct rd body, struct l2tp_msg *m)
{
	return l2tp_msg_parse_secret(body, (struct rd){ 0 }, m);
}

enum l2tp_parse l2tp_msg_parse_secret(struct rd body, struct rd secret, struct l2tp_msg *m)
{
	struct reveal v = { .secret = secret };
	const struct msg_rule *r;
	uint64_t missing;
	struct avp a;
	uint16_t type;

	*m = (struct l2tp_msg){ 0 };
	/* 4.4.1: Message Type MUST be the first AVP, and may not be hidden. */
	if (!avp_next(&body, &a) || a.vendor || a.type != AVP_MESSAGE_TYPE || a.hidden || a.reserved ||
	    a.val.n != 2) {
		bad(m, L2TP_ERR_VALUE, "Message Type is not first");
		return L2TP_PARSE_BAD;
	}
	type = rd_u16(&a.val);
	r = rule_of(type);
	if (!r) {
		if (!a.mandatory)
			return L2TP_PARSE_IGNORE;
		bad(m, L2TP_ERR_UNKNOWN_AVP, "message type %u", type);
		return L2TP_PARSE_BAD;
	}
	m->type = type;
	while (body.n) {
		if (!avp_next(&body, &a)) {
			bad(m, L2TP_ERR_LENGTH, "length of an AVP");
			break;
		}
		read_avp(m, &v, &a);
	}
	missing = r->required & ~m->has;
	if (missing)
		bad(m, L2TP_ERR_VALUE, "%s is missing",
			avp_rule_of((uint16_t)__builtin_ctzll(missing))->name);
	if (type == L2TP_STOPCCN || type == L2TP_CDN)
		m->bad = L2TP_ERR_NONE;
	return m->bad ? L2TP_PARSE_BAD : L2TP_PARSE_OK;
}

/* ---- and back ---- */

static void write_result(struct wr *v, const struct l2tp_msg *m)
{
	wr_u16(v, m->result);
	/* Always with its Error Code: some peers read one without looking at the length. */
	wr_u16(v, m->error);
	wr_bytes(v, m->error_text.p, m->error_text.n);
}

static void write_cause(struct wr *v, const struct l2tp_cause *c)
{
	wr_u16(v, c->code);
	wr_u16(v, c->proto);
	wr_u8(v, c->direction);
	wr_bytes(v, c->text.p, c->text.n);
}

static void write_avp(struct wr *w, const struct l2tp_msg *m, enum avp_type type, const struct avp_hiding *h)
{
	const void *at = (const uint8_t *)m + fields[type].at;
	uint8_t buf[AVP_VALUE_MAX];
	struct wr v = wr_of(buf, sizeof(buf));
	struct rd bytes;
	uint16_t u16;
	uint32_t u32;

	switch (fields[type].kind) {
	case NONE:
		break;
	case U16:
	case ID:
		memcpy(&u16, at, sizeof(u16));
		wr_u16(&v, u16);
		break;
	case U32:
		memcpy(&u32, at, sizeof(u32));
		wr_u32(&v, u32);
		break;
	case BYTES:
		memcpy(&bytes, at, sizeof(bytes));
		wr_bytes(&v, bytes.p, bytes.n);
		break;
	case RESULT:
		write_result(&v, m);
		break;
	case CAUSE:
		write_cause(&v, &m->cause);
		break;
	}
	if (v.bad)
		w->bad = true;
	if (h && avp_rule_of(type)->hide)
		avp_put_hidden(w, type, h, rd_of(buf, v.len));
	else
		avp_put_bytes(w, type, buf, v.len);
}

void l2tp_msg_write(struct wr *w, const struct l2tp_msg *m)
{
	l2tp_msg_write_hidden(w, m, NULL);
}

void l2tp_msg_write_hidden(struct wr *w, const struct l2tp_msg *m, const struct avp_hiding *h)
{
	const struct msg_rule *r = rule_of(m->type);
	bool any = false;

	if (!r) {
		w->bad = true;
		return;
	}
	avp_put_u16(w, AVP_MESSAGE_TYPE, m->type);
	for (unsigned i = 0; h && i < r->n; i++)
		any |= L2TP_HAS(m, r->write[i]) && avp_rule_of(r->write[i])->hide;
	if (any)
		avp_put_bytes(w, AVP_RANDOM_VECTOR, h->vector.p, h->vector.n);
	for (unsigned i = 0; i < r->n; i++)
		if (L2TP_HAS(m, r->write[i]))
			write_avp(w, m, r->write[i], h);
}
