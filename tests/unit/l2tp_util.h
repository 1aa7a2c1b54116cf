/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For the L2TP tests: messages written as hexadecimal text, and a look into
 * what a flow sent.  Include after cmocka.h.
 */
#ifndef CULVERT_L2TP_UTIL_H
#define CULVERT_L2TP_UTIL_H

#include <stdio.h>
#include <string.h>

#include "l2tpd/flow.h"

/* AVPs as text: flags and length, vendor, type, value. */
#define MT(n) "8008 0000 0000 00" #n " "	/* n: two hexadecimal digits */
#define VER10 "8008 0000 0002 0100 "
#define FRAMING "800a 0000 0003 00000003 "
#define HOST "8007 0000 0007 78 "
#define TID(n) "8008 0000 0009 " #n " "		/* n: four */
#define RWS(n) "8008 0000 000a " #n " "
#define SID(n) "8008 0000 000e " #n " "
#define SERIAL "800a 0000 000f 00000001 "
#define TX "800a 0000 0018 000f4240 "
#define FTYPE "800a 0000 0013 00000001 "
#define RESULT(r) "8008 0000 0001 " #r " "
#define RESULT_ERR(r, e) "800a 0000 0001 " #r #e " "

#define M_SCCRQ(tid) MT(01) VER10 HOST FRAMING TID(tid)
#define M_SCCRP(tid) MT(02) VER10 HOST FRAMING TID(tid)
#define M_SCCCN MT(03)
#define M_STOPCCN(tid) MT(04) TID(tid) RESULT(0001)
#define M_HELLO MT(06)
#define M_OCRQ(sid) MT(07) SID(sid)
#define M_OCRP(sid) MT(08) SID(sid)
#define M_OCCN MT(09)
#define M_ICRQ(sid) MT(0a) SID(sid) SERIAL
#define M_ICRP(sid) MT(0b) SID(sid)
#define M_ICCN MT(0c) TX FTYPE
#define M_CDN(sid) MT(0e) RESULT(0003) SID(sid)
#define M_WEN MT(0f)
#define M_SLI MT(10)

static inline unsigned hex_digit(char c)
{
	return (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* The bytes of a text; spaces do not count. Returns how many. */
static inline size_t hex(const char *s, uint8_t *buf, size_t cap)
{
	size_t n = 0;

	for (; *s; s++) {
		if (*s == ' ')
			continue;
		assert_true(n < cap && s[1] && s[1] != ' ');
		buf[n++] = (uint8_t)(hex_digit(s[0]) << 4 | hex_digit(s[1]));
		s++;
	}
	return n;
}

/* A control message of these AVPs in buf; returns its length. */
static inline size_t control(uint8_t *buf, size_t cap, uint16_t tunnel, uint16_t session, uint16_t ns,
	uint16_t nr, const char *avps)
{
	uint8_t body[2048];
	struct l2tp_hdr h = { .tunnel = tunnel, .session = session, .ns = ns, .nr = nr };
	struct wr w = wr_of(buf, cap);

	h.body = rd_of(body, hex(avps, body, sizeof(body)));
	l2tp_hdr_write(&w, &h);
	assert_false(w.bad);
	return w.len;
}

/* Effect number i of this type, or NULL. */
static inline const struct l2tp_effect *effect(const struct l2tp_out *o, enum l2tp_effect_type type,
	unsigned i)
{
	for (unsigned k = 0; k < o->n; k++)
		if (o->eff[k].type == type && !i--)
			return &o->eff[k];
	return NULL;
}

/* The first message of this type that was sent (0: a ZLB); false when there is none. */
static inline bool sent(const struct l2tp_out *o, unsigned type, struct l2tp_hdr *hdr,
	struct l2tp_msg *msg)
{
	const struct l2tp_effect *e;

	for (unsigned i = 0; (e = effect(o, L2TP_EFF_SEND, i)); i++) {
		assert_true(l2tp_hdr_parse(rd_of(e->data, e->len), hdr));
		*msg = (struct l2tp_msg){ 0 };
		if (hdr->body.n)
			assert_int_equal(l2tp_msg_parse(hdr->body, msg), L2TP_PARSE_OK);
		if (msg->type == type)
			return true;
	}
	return false;
}

static inline unsigned count(const struct l2tp_out *o, enum l2tp_effect_type type)
{
	unsigned n = 0;

	while (effect(o, type, n))
		n++;
	return n;
}

#endif
