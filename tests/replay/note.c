/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The notation: items to octets, and octets to items.  It has tables of its own, not the product's. */
#include "note.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "ppp/mschap.h"

struct word {
	const char *name;
	unsigned n;
};

static const struct word messages[] = {
	{ "SCCRQ", 1 }, { "SCCRP", 2 }, { "SCCCN", 3 }, { "StopCCN", 4 }, { "HELLO", 6 }, { "OCRQ", 7 },
	{ "OCRP", 8 }, { "OCCN", 9 }, { "ICRQ", 10 }, { "ICRP", 11 }, { "ICCN", 12 }, { "CDN", 14 },
	{ "WEN", 15 }, { "SLI", 16 }, { NULL, 0 },
};

static const struct word avps[] = {
	{ "ResultCode", 1 }, { "ProtocolVersion", 2 }, { "FramingCapabilities", 3 }, { "BearerCapabilities", 4 },
	{ "TieBreaker", 5 }, { "FirmwareRevision", 6 }, { "HostName", 7 }, { "VendorName", 8 },
	{ "AssignedTunnelID", 9 }, { "ReceiveWindowSize", 10 }, { "Challenge", 11 }, { "Q931CauseCode", 12 },
	{ "ChallengeResponse", 13 }, { "AssignedSessionID", 14 }, { "CallSerialNumber", 15 },
	{ "MinimumBPS", 16 }, { "MaximumBPS", 17 }, { "BearerType", 18 }, { "FramingType", 19 },
	{ "CalledNumber", 21 }, { "CallingNumber", 22 }, { "SubAddress", 23 }, { "TxConnectSpeed", 24 },
	{ "PhysicalChannelID", 25 }, { "InitialReceivedLCPCONFREQ", 26 }, { "LastSentLCPCONFREQ", 27 },
	{ "LastReceivedLCPCONFREQ", 28 }, { "ProxyAuthenType", 29 }, { "ProxyAuthenName", 30 },
	{ "ProxyAuthenChallenge", 31 }, { "ProxyAuthenID", 32 }, { "ProxyAuthenResponse", 33 },
	{ "CallErrors", 34 }, { "ACCM", 35 }, { "RandomVector", 36 }, { "PrivateGroupID", 37 },
	{ "RxConnectSpeed", 38 }, { "SequencingRequired", 39 }, { "PPPDisconnectCause", 46 }, { NULL, 0 },
};

static const struct word protocols[] = {
	{ "lcp", 0xc021 }, { "pap", 0xc023 }, { "chap", 0xc223 }, { "eap", 0xc227 }, { "ipcp", 0x8021 },
	{ "ipv6cp", 0x8057 }, { "ccp", 0x80fd }, { NULL, 0 },
};

static const struct word codes[] = {
	{ "ConfReq", 1 }, { "ConfAck", 2 }, { "ConfNak", 3 }, { "ConfRej", 4 }, { "TermReq", 5 },
	{ "TermAck", 6 }, { "CodeRej", 7 }, { "ProtRej", 8 }, { "EchoReq", 9 }, { "EchoRep", 10 },
	{ "DiscReq", 11 }, { "Ident", 12 }, { "TimeRem", 13 }, { NULL, 0 },
}, chap_codes[] = {
	{ "Challenge", 1 }, { "Response", 2 }, { "Success", 3 }, { "Failure", 4 }, { NULL, 0 },
}, eap_codes[] = {
	{ "EapReq", 1 }, { "EapResp", 2 }, { "EapSuccess", 3 }, { "EapFailure", 4 }, { NULL, 0 },
}, pap_codes[] = {
	{ "AuthReq", 1 }, { "AuthAck", 2 }, { "AuthNak", 3 }, { NULL, 0 },
};

static const struct word *codes_of(unsigned proto)
{
	return proto == 0xc223 ? chap_codes : proto == 0xc227 ? eap_codes : proto == 0xc023 ? pap_codes : codes;
}

static const struct word *by_name(const struct word *t, const char *name)
{
	for (; t->name; t++)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

static const struct word *by_number(const struct word *t, unsigned n)
{
	for (; t->name; t++)
		if (t->n == n)
			return t;
	return NULL;
}

const struct note_var *note_var(const struct note_vars *v, const char *name)
{
	for (unsigned i = 0; i < v->n; i++)
		if (!strcmp(v->var[i].name, name))
			return &v->var[i];
	return NULL;
}

bool note_set(struct note_vars *v, const char *name, const void *p, size_t n)
{
	struct note_var *at = (struct note_var *)note_var(v, name);

	if (n > NOTE_VALUE || (!at && v->n == NOTE_VARS))
		return false;
	if (!at)
		at = &v->var[v->n++];
	str_copy(at->name, sizeof(at->name), name);
	memcpy(at->value, p, n);
	at->len = n;
	return true;
}

/* ---- reading ---- */

struct in {
	const char *s;
	bool pattern, bad;
	const struct note_vars *vars;
	struct note *out;
	char *err;
};

static PRINTF(2, 3) void fail(struct in *in, const char *fmt, ...)
{
	va_list ap;

	if (in->bad)
		return;
	in->bad = true;
	va_start(ap, fmt);
	vsnprintf(in->err, 128, fmt, ap);
	va_end(ap);
}

static void put(struct in *in, uint8_t b, bool any)
{
	struct note *o = in->out;

	if (o->n == NOTE_MAX) {
		fail(in, "the message is too long");
		return;
	}
	o->any[o->n] = any;
	o->byte[o->n++] = b;
}

static void put_bytes(struct in *in, const void *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		put(in, ((const uint8_t *)p)[i], false);
}

static void put16(struct in *in, unsigned v)
{
	put(in, (uint8_t)(v >> 8), false);
	put(in, (uint8_t)v, false);
}

/* A length that was left out at `at`: it counts from `from` to here. Unknown where the message is open. */
static void close16(struct in *in, size_t at, size_t from, unsigned flags)
{
	unsigned v = (unsigned)(in->out->n - from) | flags;

	in->out->byte[at] = (uint8_t)(v >> 8);
	in->out->byte[at + 1] = (uint8_t)v;
	in->out->any[at] = in->out->any[at + 1] = in->out->open;
}

static void space(struct in *in)
{
	while (isspace((unsigned char)*in->s))
		in->s++;
}

static bool is(struct in *in, const char *text)
{
	space(in);
	if (strncmp(in->s, text, strlen(text)) != 0)
		return false;
	in->s += strlen(text);
	return true;
}

static void word(struct in *in, char buf[static 32])
{
	size_t n = 0;

	space(in);
	while (n < 31 && (isalnum((unsigned char)*in->s) || *in->s == '_'))
		buf[n++] = *in->s++;
	buf[n] = '\0';
}

static unsigned number(struct in *in)
{
	char *end;
	unsigned long v;

	space(in);
	v = strtoul(in->s, &end, 10);
	if (end == in->s || v > 65535)
		fail(in, "a decimal number is missing at '%.12s'", in->s);
	in->s = end;
	return (unsigned)v;
}

static int digit(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower(c) - 'a' + 10 : -1;
}

/* $name */
static const struct note_var *reference(struct in *in)
{
	const struct note_var *v;
	char name[32];

	word(in, name);
	v = note_var(in->vars, name);
	if (!v)
		fail(in, "$%s was not captured", name);
	return v;
}

/* {name:octets} */
static void capture(struct in *in)
{
	struct note *o = in->out;
	char name[32];
	unsigned n;

	word(in, name);
	if (!in->pattern || !is(in, ":") || strlen(name) >= NOTE_NAME || o->captures == NOTE_CAPTURES) {
		fail(in, "no place for a capture");
		return;
	}
	n = number(in);
	if (!is(in, "}") || n > NOTE_VALUE) {
		fail(in, "{name:octets} is not closed, or too long");
		return;
	}
	str_copy(o->capture[o->captures].name, NOTE_NAME, name);
	o->capture[o->captures].at = o->n;
	o->capture[o->captures++].len = n;
	while (n--)
		put(in, 0, true);
}

/* "text": \n, \xHH, \", \\ */
static size_t string(struct in *in, uint8_t *buf, size_t cap)
{
	size_t n = 0;

	while (*in->s && *in->s != '"') {
		char c = *in->s++;

		if (c == '\\' && *in->s == 'x' && digit(in->s[1]) >= 0 && digit(in->s[2]) >= 0) {
			c = (char)(digit(in->s[1]) << 4 | digit(in->s[2]));
			in->s += 3;
		} else if (c == '\\' && *in->s) {
			c = *in->s++;
		}
		if (n == cap) {
			fail(in, "the string is too long");
			return 0;
		}
		buf[n++] = (uint8_t)c;
	}
	if (*in->s != '"')
		fail(in, "the string is not closed");
	else
		in->s++;
	return n;
}

/* A word of whole octets in hexadecimal. */
static bool is_hex(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	return n && n % 2 == 0 && !isalnum((unsigned char)s[n]) && s[n] != '_';
}

/* An argument of a function: octets. */
static size_t argument(struct in *in, uint8_t *buf, size_t cap)
{
	size_t n = 0;

	space(in);
	if (is(in, "\""))
		return string(in, buf, cap);
	if (is(in, "$")) {
		const struct note_var *v = reference(in);

		if (!v || v->len > cap)
			return 0;
		memcpy(buf, v->value, v->len);
		return v->len;
	}
	while (digit(in->s[0]) >= 0 && digit(in->s[1]) >= 0 && n < cap) {
		buf[n++] = (uint8_t)(digit(in->s[0]) << 4 | digit(in->s[1]));
		in->s += 2;
	}
	return n;
}

/*
 * What a client computes: @md5(id challenge "password"), 16 octets; @mschapv2(challenge
 * peer-challenge "user" "password"), the 49 octets of a Response's value; @proof(…), the same
 * arguments: the 40 digits that the server's Success must show.
 */
static void function(struct in *in)
{
	uint8_t arg[4][256], hash[MSCHAP_HASH], v[MSCHAP_VALUE] = { 0 }, *nt = v + MSCHAP_CHALLENGE + 8;
	uint8_t proof[MSCHAP_AUTH];
	size_t len[4] = { 0 };
	unsigned n = 0;
	char name[32];

	word(in, name);
	if (!is(in, "("))
		fail(in, "@%s: no arguments", name);
	while (!in->bad && !is(in, ")")) {
		if (n == 4 || !*in->s) {
			fail(in, "@%s: wrong arguments", name);
			return;
		}
		len[n] = argument(in, arg[n], sizeof(arg[n]));
		n++;
	}
	if (in->bad)
		return;
	if (!strcmp(name, "md5") && n == 3 && len[0] == 1) {
		uint8_t md5[CHAP_MD5_VALUE];

		if (!chap_md5(arg[0][0], arg[2], len[2], rd_of(arg[1], len[1]), md5))
			fail(in, "MD5 failed");
		put_bytes(in, md5, sizeof(md5));
		return;
	}
	if (n != 4 || len[0] != MSCHAP_CHALLENGE || len[1] != MSCHAP_CHALLENGE ||
	    (strcmp(name, "mschapv2") != 0 && strcmp(name, "proof") != 0)) {
		fail(in, "@%s: wrong arguments", name);
		return;
	}
	memcpy(v, arg[1], MSCHAP_CHALLENGE);
	if (!mschap_nt_hash(arg[3], len[3], hash) ||
	    !mschap_nt_response(arg[0], arg[1], rd_of(arg[2], len[2]), hash, nt) ||
	    !mschap_auth_response(hash, nt, arg[1], arg[0], rd_of(arg[2], len[2]), proof)) {
		fail(in, "MS-CHAPv2 failed");
		return;
	}
	if (!strcmp(name, "mschapv2")) {
		put_bytes(in, v, sizeof(v));
		return;
	}
	for (size_t i = 0; i < sizeof(proof); i++) {
		char hex[3];

		snprintf(hex, sizeof(hex), "%02X", proof[i]);
		put_bytes(in, hex, 2);
	}
}

static void items(struct in *in, char until);

/* <Name …>, <-Name …> without the M bit, <number …> */
static void avp(struct in *in)
{
	bool mandatory = !is(in, "-");
	const struct word *w;
	size_t at = in->out->n;
	unsigned type;
	char name[32];

	space(in);
	if (isdigit((unsigned char)*in->s)) {
		type = number(in);
	} else {
		word(in, name);
		w = by_name(avps, name);
		if (!w)
			fail(in, "no AVP is named '%s'", name);
		type = w ? w->n : 0;
	}
	put16(in, 0);
	put16(in, 0);
	put16(in, type);
	items(in, '>');
	close16(in, at, at, mandatory ? 0x8000 : 0);
}

/* (type …): a Configuration Option */
static void option(struct in *in)
{
	size_t at;

	put(in, (uint8_t)number(in), false);
	at = in->out->n;
	put(in, 0, false);
	items(in, ')');
	in->out->byte[at] = (uint8_t)(in->out->n - at + 1);
	in->out->any[at] = in->out->open;
}

/* Two octets: hexadecimal, $name or {name:2}. */
static void id(struct in *in)
{
	size_t before = in->out->n;

	if (is(in, "$")) {
		const struct note_var *v = reference(in);

		if (v)
			put_bytes(in, v->value, v->len);
	} else if (is(in, "{")) {
		capture(in);
	} else {
		uint8_t buf[2];

		put_bytes(in, buf, argument(in, buf, sizeof(buf)));
	}
	if (!in->bad && in->out->n - before != 2)
		fail(in, "an id of two octets is missing");
}

/* proto code id …: one packet, to the line's end */
static void packet(struct in *in, unsigned proto)
{
	const struct word *w;
	uint8_t b;
	char name[32];
	size_t at;

	put16(in, 0xff03);
	put16(in, proto);
	at = in->out->n;
	word(in, name);
	w = by_name(codes_of(proto), name);
	if (!w && (!isdigit((unsigned char)name[0]) || strtoul(name, NULL, 10) > 255))
		fail(in, "no code is named '%s'", name);
	put(in, (uint8_t)(w ? w->n : strtoul(name, NULL, 10)), false);
	if (is(in, "{"))
		capture(in);
	else if (is(in, "??"))
		put(in, 0, true);
	else if (argument(in, &b, 1) == 1)
		put(in, b, false);
	else
		fail(in, "the packet's Identifier is missing");
	if (in->out->n != at + 2)
		fail(in, "an Identifier has one octet");
	put16(in, 0);
	items(in, '\0');
	close16(in, at + 2, at, 0);
}

static void header(struct in *in, const char *name)
{
	bool control = !strcmp(name, "control"), length = control || !strcmp(name, "dataL");
	bool seq = control || !strcmp(name, "dataS");
	size_t at = in->out->n;

	put16(in, control ? 0xc802 : length ? 0x4002 : seq ? 0x0802 : 0x0002);
	if (length)
		put16(in, 0);
	id(in);
	id(in);
	if (seq) {
		put16(in, number(in));
		put16(in, number(in));
	}
	items(in, '\0');
	if (length)
		close16(in, at + 2, at, 0);
}

static void items(struct in *in, char until)
{
	const struct word *w;
	uint8_t buf[1024];
	size_t n;
	char name[32];

	for (;;) {
		space(in);
		if (in->bad)
			return;
		if (!*in->s || *in->s == '#') {
			if (until)
				fail(in, "'%c' is missing", until);
			return;
		}
		if (until && *in->s == until) {
			in->s++;
			return;
		}
		if (in->out->open) {
			fail(in, "nothing can follow '...'");
			return;
		}
		if (is(in, "\"")) {
			n = string(in, buf, sizeof(buf));
			put_bytes(in, buf, n);
		} else if (is(in, "$")) {
			const struct note_var *v = reference(in);

			if (v)
				put_bytes(in, v->value, v->len);
		} else if (is(in, "{")) {
			capture(in);
		} else if (in->pattern && is(in, "...")) {
			in->out->open = true;
		} else if (in->pattern && is(in, "??")) {
			put(in, 0, true);
		} else if (is(in, "@")) {
			function(in);
		} else if (is(in, "<")) {
			avp(in);
		} else if (is(in, "(")) {
			option(in);
		} else if (is_hex(in->s)) {
			n = argument(in, buf, sizeof(buf));
			put_bytes(in, buf, n);
		} else {
			word(in, name);
			if (!strcmp(name, "control") || !strcmp(name, "data") || !strcmp(name, "dataL") ||
			    !strcmp(name, "dataS")) {
				header(in, name);
			} else if ((w = by_name(messages, name))) {
				put16(in, 0x8008);
				put16(in, 0);
				put16(in, 0);
				put16(in, w->n);
			} else if ((w = by_name(protocols, name))) {
				packet(in, w->n);
			} else {
				fail(in, "'%.20s' means nothing", name[0] ? name : in->s);
			}
		}
	}
}

bool note_parse(const char *text, bool pattern, const struct note_vars *vars, struct note *ret, char err[static 128])
{
	struct in in = { .s = text, .pattern = pattern, .vars = vars, .out = ret, .err = err };

	memset(ret, 0, sizeof(*ret));
	items(&in, '\0');
	return !in.bad;
}

bool note_match(const struct note *o, const uint8_t *p, size_t n, struct note_vars *vars, size_t *ret_at)
{
	size_t at = 0;

	while (at < o->n && at < n && (o->any[at] || o->byte[at] == p[at]))
		at++;
	*ret_at = at;
	if (at < o->n || (n > o->n && !o->open))
		return false;
	for (unsigned i = 0; i < o->captures; i++)
		if (!note_set(vars, o->capture[i].name, p + o->capture[i].at, o->capture[i].len))
			return false;
	return true;
}

/* ---- writing ---- */

struct text {
	char *p;
	size_t n;
	bool server;
	struct note_vars *vars;
};

static PRINTF(2, 3) void say(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->p + t->n, NOTE_TEXT - t->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		t->n = MIN(t->n + (size_t)n, (size_t)NOTE_TEXT - 1);
}

static void say_hex(struct text *t, struct rd r)
{
	for (size_t i = 0; i < r.n; i++)
		say(t, "%02x", r.p[i]);
}

/* As text where it is text. */
static void say_bytes(struct text *t, struct rd r)
{
	bool plain = r.n >= 2;

	for (size_t i = 0; i < r.n; i++)
		plain &= r.p[i] >= 32 && r.p[i] < 127 && r.p[i] != '"' && r.p[i] != '\\';
	if (plain)
		say(t, "\"%.*s\"", (int)r.n, (const char *)r.p);
	else
		say_hex(t, r);
}

/* A value that the server makes up, each time anew. */
static void say_new(struct text *t, const char *name, struct rd r)
{
	(void)note_set(t->vars, name, r.p, r.n);
	say(t, "{%s:%zu}", name, r.n);
}

/* A value that the server makes up. */
static void say_var(struct text *t, const char *name, struct rd r)
{
	const struct note_var *v = note_var(t->vars, name);

	if (v && v->len == r.n && !memcmp(v->value, r.p, r.n) && r.n) {
		say(t, "$%s", name);
	} else if (t->server && r.n) {
		(void)note_set(t->vars, name, r.p, r.n);
		say(t, "{%s:%zu}", name, r.n);
	} else {
		say_hex(t, r);
	}
}

static void say_options(struct text *t, unsigned proto, bool own, struct rd r)
{
	while (r.n) {
		struct rd at = r, val;
		uint8_t type = rd_u8(&at), len = rd_u8(&at);

		if (at.bad || len < 2 || len > r.n) {
			say(t, " ");
			say_hex(t, r);
			return;
		}
		val = rd_sub(&r, len);
		rd_skip(&val, 2);
		say(t, " (%u", type);
		if (val.n)
			say(t, " ");
		if (proto == 0xc021 && type == 5 && own && val.n == 4)
			say_var(t, "magic", val);
		else if (proto == 0x8057 && type == 1 && own && val.n == 8)
			say_var(t, "interface_id", val);
		else
			say_hex(t, val);
		say(t, ")");
	}
}

/* Success or Failure: what is computed or random in it. */
static void say_result(struct text *t, uint8_t code, struct rd body)
{
	const struct note_var *peer = note_var(t->vars, "peer");

	if (code == 3 && body.n == 42 && peer) {
		say(t, " \"S=\" @proof($challenge ");
		say_hex(t, rd_of(peer->value, peer->len));
		say(t, " \"bob\" \"secret\")");
	} else if (code == 4 && body.n > 44 && !memcmp(body.p, "E=691 R=0 C=", 12)) {
		say(t, " \"E=691 R=0 C=\" {retry:32}");
		rd_skip(&body, 44);
		say(t, " ");
		say_bytes(t, body);
	} else {
		say(t, " ");
		say_bytes(t, body);
	}
}

/* RFC 3748: what MD5-Challenge and MSCHAPv2 make up or compute. */
static void say_eap(struct text *t, struct rd body)
{
	const struct note_var *peer = note_var(t->vars, "peer");
	uint8_t type, op, msid, n;

	if (!body.n)
		return;
	type = rd_u8(&body);
	say(t, " %02x ", type);
	if (type == 26 && body.n >= 4) {
		op = rd_u8(&body);
		msid = rd_u8(&body);
		say(t, "%02x ", op);
		if (op == 1)
			say_new(t, "msid", rd_of(&msid, 1));
		else
			say_var(t, "msid", rd_of(&msid, 1));
		say(t, " ");
		say_hex(t, rd_sub(&body, 2));
		say(t, " ");
		if (op == 3 && peer && body.n >= 42) {
			say(t, "\"S=\" @proof($challenge ");
			say_hex(t, rd_of(peer->value, peer->len));
			say(t, " \"bob\" \"secret\") ");
			rd_skip(&body, 42);
		}
		if (op > 2) {
			say_bytes(t, body);
			return;
		}
	} else if (type != 4) {
		say_bytes(t, body);
		return;
	}
	n = rd_u8(&body);
	say(t, "%02x ", n);
	if (t->server && n == 16) {
		say_new(t, "challenge", rd_sub(&body, n));
	} else if (!t->server && n == 16) {
		rd_skip(&body, n);
		say(t, "@md5($ident $challenge \"secret\")");
	} else if (!t->server && n == 49 && body.n >= n) {
		struct rd value = rd_sub(&body, n);

		(void)note_set(t->vars, "peer", value.p, 16);
		say(t, "@mschapv2($challenge ");
		say_hex(t, rd_of(value.p, 16));
		say(t, " \"bob\" \"secret\")");
	}
	say(t, " ");
	say_bytes(t, body);
}

static void say_packet(struct text *t, unsigned proto, struct rd r)
{
	const struct word *p = by_number(protocols, proto), *c;
	struct rd head = r, body;
	uint8_t code = rd_u8(&head), ident = rd_u8(&head);
	uint16_t len = rd_u16(&head);

	if (!p || head.bad || len < 4 || len != r.n) {
		say(t, " ff03%04x ", proto);
		say_hex(t, r);
		return;
	}
	body = head;
	c = by_number(codes_of(proto), code);
	if (c)
		say(t, " %s %s ", p->name, c->name);
	else
		say(t, " %s %u ", p->name, code);
	if ((proto == 0xc223 || proto == 0xc227) && code == 1 && t->server)
		say_new(t, "ident", rd_of(&ident, 1));
	else if (proto == 0xc223 || proto == 0xc227)
		say_var(t, "ident", rd_of(&ident, 1));
	else
		say(t, "%02x", ident);
	if (proto == 0xc227) {
		say_eap(t, body);
	} else if (proto == 0xc223 && code <= 2 && body.n > 17 && body.p[0] <= body.n - 1) {
		uint8_t n = rd_u8(&body);
		struct rd value = rd_sub(&body, n);
		const struct note_var *chal = note_var(t->vars, "challenge");

		say(t, " %02x ", n);
		if (code == 1) {
			say_new(t, "challenge", value);
		} else if (chal && n == 49) {
			say(t, "@mschapv2($challenge ");
			(void)note_set(t->vars, "peer", value.p, 16);
			say_hex(t, rd_of(value.p, 16));
			say(t, " \"%.*s\" \"secret\")", (int)body.n, (const char *)body.p);
		} else if (chal && n == 16) {
			say(t, "@md5($ident $challenge \"secret\")");
		} else {
			say_hex(t, value);
		}
		say(t, " ");
		say_bytes(t, body);
	} else if (proto == 0xc223 && code >= 3 && t->server) {
		say_result(t, code, body);
	} else if (proto == 0xc223 || proto == 0xc023) {
		say(t, " ");
		say_bytes(t, body);
	} else if (code >= 1 && code <= 4) {
		bool own = t->server == (code == 1);	/* the server's own options, asked for or answered */

		say_options(t, proto, own, body);
	} else if (proto == 0xc021 && (code == 9 || code == 10) && body.n >= 4) {
		struct rd magic = rd_sub(&body, 4);

		say(t, " ");
		say_var(t, "magic", magic);
		if (body.n) {
			say(t, " ");
			say_hex(t, body);
		}
	} else if (body.n) {
		say(t, " ");
		say_bytes(t, body);
	}
}

static void say_frame(struct text *t, struct rd r)
{
	struct rd at = r;

	if (rd_u16(&at) == 0xff03 && at.n >= 2) {
		uint16_t proto = rd_u16(&at);

		say_packet(t, proto, at);
		return;
	}
	say(t, " ");
	say_hex(t, r);
}

static void say_avps(struct text *t, struct rd r)
{
	bool first = true;

	while (r.n) {
		struct rd at = r, val;
		uint16_t flags = rd_u16(&at), vendor = rd_u16(&at), type = rd_u16(&at), len = flags & 0x3ff;
		const struct word *w = by_number(avps, type);

		if (at.bad || len < 6 || len > r.n) {
			say(t, " ");
			say_hex(t, r);
			return;
		}
		val = rd_sub(&r, len);
		if (vendor || flags & 0x7c00 || (first && (type || len != 8 || !(flags & 0x8000) ||
		    !by_number(messages, (unsigned)(val.p[6] << 8 | val.p[7]))))) {
			say(t, " ");
			say_hex(t, val);
			first = false;
			continue;
		}
		rd_skip(&val, 6);
		if (first) {
			say(t, " %s", by_number(messages, rd_u16(&val))->name);
			first = false;
			continue;
		}
		if (w)
			say(t, " <%s%s", flags & 0x8000 ? "" : "-", w->name);
		else
			say(t, " <%s%u", flags & 0x8000 ? "" : "-", type);
		if (val.n)
			say(t, " ");
		if (type == 9 && t->server)
			say_var(t, "tid", val);
		else if (type == 14 && t->server)
			say_var(t, "sid", val);
		else if (type == 7 || type == 8)
			say_bytes(t, val);
		else if (type == 11 && t->server)
			say_new(t, "tunnel_challenge", val);
		else if (type == 13 && !t->server && note_var(t->vars, "tunnel_challenge"))
			say(t, "@md5(03 $tunnel_challenge \"shared\")");
		else
			say_hex(t, val);
		say(t, ">");
	}
}

void note_text(char text[static NOTE_TEXT], const uint8_t *p, size_t n, bool from_server, struct note_vars *vars)
{
	struct text t = { .p = text, .server = from_server, .vars = vars };
	struct rd r = rd_of(p, n);
	uint16_t flags = rd_u16(&r), len = (uint16_t)n;
	bool control = flags == 0xc802, length = control || flags == 0x4002, seq = control || flags == 0x0802;
	struct rd tunnel, session;

	text[0] = '\0';
	if (length)
		len = rd_u16(&r);
	tunnel = rd_sub(&r, 2);
	session = rd_sub(&r, 2);
	if (r.bad || len != n || (!length && !seq && flags != 0x0002)) {
		say_hex(&t, rd_of(p, n));
		return;
	}
	say(&t, "%s ", control ? "control" : length ? "dataL" : seq ? "dataS" : "data");
	t.server = false;		/* ids in the header are the recipient's */
	if (from_server) {
		say_hex(&t, tunnel);
		say(&t, " ");
		say_hex(&t, session);
	} else {
		say_var(&t, "tid", tunnel);
		say(&t, " ");
		say_var(&t, "sid", session);
	}
	t.server = from_server;
	if (seq) {
		unsigned ns = rd_u16(&r), nr = rd_u16(&r);

		say(&t, " %u %u", ns, nr);
	}
	if (control)
		say_avps(&t, r);
	else
		say_frame(&t, r);
}

void note_print(char what, const char *text)
{
	unsigned column = 2;
	bool quoted = false;

	printf("%c ", what);
	for (; *text; text++) {
		quoted ^= *text == '"';
		if (!quoted && isspace((unsigned char)*text)) {
			text += strspn(text, " \t") - 1;
			if (!text[1])
				break;
			if (column + 1 + strcspn(text + 1, " \t") > 112) {
				printf("\n ");
				column = 1;
			}
			putchar(' ');
		} else {
			putchar(*text);
		}
		column++;
	}
	putchar('\n');
}
