/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PPP core.  Rows of "in this situation this frame has this effect", octet
 * for octet; then pairs of cores that talk to each other over a wire that
 * loses, repeats and delays; then peers that do not want to come to an end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ppp/auth.h"
#include "ppp/fsm.h"
#include "ppp/mppe.h"
#include "ppp/mschap.h"
#include "ppp/ppp.h"

static const struct ppp_conf lns_conf = {
	.authenticator = true, .auth = PPP_AUTH_MSCHAPV2, .mru = 1360, .name = "lns",
	.limits = PPP_LIMITS,
	.keepalive = true, .keepalive_interval_ms = 300000, .keepalive_retry_ms = 60000,
	.keepalive_max = 3, .auth_timeout_ms = 30000,
};

static const struct ppp_conf client_conf = {
	.auth = PPP_AUTH_MSCHAPV2 | PPP_AUTH_CHAP_MD5 | PPP_AUTH_PAP, .mru = 1400,
	.user = "joe", .password = "secret", .want_dns = true,
	.limits = PPP_LIMITS,
	.auth_timeout_ms = 30000,
};

static const struct ppp_verdict yes = {
	.ok = true, .ip = 0x0a000019, .ip_local = 0x0a000001, .dns = { 0x01010101, 0x08080808 },
};

/* One core, and what a call of it did, as text. */
struct one {
	struct ppp p;
	struct ppp_conf c;
	struct ppp_out out;
	uint64_t now_ms;
	uint8_t last[PPP_FRAME_MAX];	/* the last frame sent */
	size_t last_n;
	char text[16384];
};

/* What must hold of any effects of any call. */
static void check_effects(const struct ppp *p, const struct ppp_out *o)
{
	for (unsigned i = 0; i < o->n; i++) {
		if (o->eff[i].type == PPP_EFF_GONE) {
			assert_int_equal(i, o->n - 1);
			assert_true(p->gone);
			assert_true(p->reason[0]);
			assert_int_equal(ppp_deadline(p), PPP_NEVER);
		}
	}
	assert_int_equal(p->lost, 0);
	assert_false(ppp_may_ip(p) && p->conf->authenticator && p->auth.state != AUTH_DONE);
}

/* Effects as "hex | hex | UP". */
static const char *took(struct one *o)
{
	static const char *const words[] = {
		[PPP_EFF_AUTH] = "AUTH", [PPP_EFF_ADDR] = "ADDR", [PPP_EFF_UP] = "UP", [PPP_EFF_DOWN] = "DOWN",
		[PPP_EFF_GONE] = "GONE", [PPP_EFF_MPPE_ON] = "MPPE", [PPP_EFF_MPPE_OFF] = "CLEAR",
		[PPP_EFF_MPPE_FLUSH] = "FLUSH",
	};
	size_t n = 0;

	check_effects(&o->p, &o->out);
	o->text[0] = '\0';
	for (unsigned i = 0; i < o->out.n; i++) {
		const struct ppp_effect *e = &o->out.eff[i];

		if (i)
			n += (size_t)sprintf(o->text + n, "|");
		if (e->type != PPP_EFF_SEND) {
			n += (size_t)sprintf(o->text + n, "%s", words[e->type]);
			continue;
		}
		for (size_t k = 0; k < e->len; k++)
			n += (size_t)sprintf(o->text + n, "%02x", e->data[k]);
		memcpy(o->last, e->data, e->len);
		o->last_n = e->len;
	}
	ppp_out_init(&o->out);
	return o->text;
}

/* Hex digits, blanks anywhere, to octets. */
static size_t unhex(const char *s, uint8_t *out)
{
	size_t n = 0;
	int hi = -1;

	for (; *s; s++) {
		int v = *s >= '0' && *s <= '9' ? *s - '0' : *s >= 'a' && *s <= 'f' ? *s - 'a' + 10 : -1;

		if (v < 0)
			continue;
		if (hi >= 0)
			out[n++] = (uint8_t)(hi << 4 | v);
		hi = hi < 0 ? v : -1;
	}
	return n;
}

/* Equal but for blanks in want, where '.' is any digit, and text in quotes stands for its octets. */
static bool alike(const char *want, const char *got)
{
	bool quoted = false;
	char hex[3];

	for (;; want++) {
		if (*want == '\'') {
			quoted = !quoted;
			continue;
		}
		if (quoted) {
			sprintf(hex, "%02x", (unsigned char)*want);
			if (strncmp(hex, got, 2) != 0)
				return false;
			got += 2;
			continue;
		}
		if (*want == ' ')
			continue;
		if (*want == '\0' || *got == '\0')
			return *want == *got;
		if (*want != '.' && *want != *got)
			return false;
		got++;
	}
}

static void input(struct one *o, const void *p, size_t n)
{
	/* Of its own size, so that a sanitizer sees one octet past it. */
	uint8_t *copy = malloc(n ? n : 1);

	memcpy(copy, p, n);
	ppp_input(&o->p, rd_of(copy, n), o->now_ms, &o->out);
	free(copy);
}

static const char *feed(struct one *o, const char *hex)
{
	uint8_t buf[4096];

	input(o, buf, unhex(hex, buf));
	return took(o);
}

/* The frame just sent comes back with another code: an Ack of a request. */
static const char *echo_back(struct one *o, uint8_t code)
{
	uint8_t buf[PPP_FRAME_MAX];

	memcpy(buf, o->last, o->last_n);
	buf[4] = code;
	input(o, buf, o->last_n);
	return took(o);
}

static const char *expire(struct one *o, uint64_t after_ms)
{
	o->now_ms += after_ms;
	ppp_expire(&o->p, o->now_ms, &o->out);
	return took(o);
}

static const char *verdict(struct one *o, const struct ppp_verdict *v)
{
	ppp_verdict(&o->p, v, o->now_ms, &o->out);
	return took(o);
}

static const char *address(struct one *o, uint32_t ip)
{
	ppp_address(&o->p, ip, o->now_ms, &o->out);
	return took(o);
}

#define Z8 "0000000000000000"
#define Z48 Z8 Z8 Z8 Z8 Z8 Z8
#define VALUE49 Z48 "00"
/* What the LNS below sends. */
#define LCP_REQ "ff03c021 01 01 0013 0104 0550 0305 c22381 0506 11223345"
#define CHALLENGE41 "ff03c223 01 41 0018 10 ................................ 6c6e73"
#define RESPONSE41 "c223 02 41 0039 31 " VALUE49 " 6a6f65"
#define SUCCESS41 "ff03c223 03 41 002e 533d" "30303030303030303030303030303030303030303030303030303030303030303030303030303030"
#define IPCP_REQ "ff038021 01 01 000a 0306 0a000001"
#define TERM(id, len, text) "ff03c021 05 " id " " len " '" text "'"

/* Situations, each reached from the one before. */
enum at { MET, AUTHENTICATING, JUDGED, NETWORK, UP };

static void lns_new(struct one *o, const struct ppp_conf *c)
{
	struct rng seed;

	*o = (struct one){ .c = *c, .now_ms = 1000 };
	rng_init_test(&seed, 1);
	ppp_init(&o->p, &o->c, &seed);
	o->p.magic = 0x11223345;
	o->p.auth.ident = 0x40;
	ppp_out_init(&o->out);
}

static void want(const char *w, const char *got)
{
	if (!alike(w, got))
		fail_msg("want %s\n got %s", w, got);
}

static void lns_at(struct one *o, const struct ppp_conf *c, enum at at)
{
	lns_new(o, c);
	ppp_start(&o->p, o->now_ms, &o->out);
	want(LCP_REQ, took(o));
	/* The peer is here now, so the request goes out once more; then its Ack. An empty
	 * request is fine. */
	want(LCP_REQ "| ff03c021 02 77 0004", feed(o, "ff03 c021 01 77 0004"));
	if (at == MET)
		return;
	want(CHALLENGE41, feed(o, "c021 02 01 0013 0104 0550 0305 c22381 0506 11223345"));
	if (at == AUTHENTICATING)
		return;
	want("AUTH", feed(o, RESPONSE41));
	if (at == JUDGED)
		return;
	want(SUCCESS41 "|" IPCP_REQ, verdict(o, &yes));
	if (at == NETWORK)
		return;
	want("", feed(o, "8021 02 01 000a 0306 0a000001"));
	want("ff038021 02 50 000a 0306 0a000019 | UP", feed(o, "8021 01 50 000a 0306 0a000019"));
}

static const struct {
	const char *what;
	enum at at;
	const char *in, *out;
} rows[] = {
	/* Frames. */
	{ "nothing", MET, "", "" },
	{ "address alone", MET, "ff03", "" },
	{ "half a protocol", MET, "ff03 c0", "" },
	{ "even protocol", MET, "ff03 c020 01 05 0004", "" },
	{ "no control field", MET, "ff04 c021 01 05 0004", "" },
	{ "no address and control", MET, "c021 01 05 0004", "ff03c021 02 05 0004" },
	{ "LCP header cut", MET, "c021 01 05 00", "" },
	{ "Length below header", MET, "c021 01 05 0003", "" },
	{ "Length past the end", MET, "c021 01 05 0005", "" },
	{ "padding is not looked at", MET, "c021 01 05 0004 0101", "ff03c021 02 05 0004" },

	/* LCP options. */
	{ "all that we take", MET,
		"c021 01 07 0018 0104 0578 0206 00000000 0506 aabbccdd 0702 0802",
		"ff03c021 02 07 0018 0104 0578 0206 00000000 0506 aabbccdd 0702 0802" },
	{ "macOS", MET, "c021 01 01 0014 0206 00000000 0506 aabbccdd 0702 0802",
		"ff03c021 02 01 0014 0206 00000000 0506 aabbccdd 0702 0802" },
	{ "Windows: callback, MRRU, endpoint are rejected, the rest waits", MET,
		"c021 01 00 0022 0104 0578 0506 aabbccdd 0d03 06 1104 05dc 1309 03 020202020202 0702 0802",
		"ff03c021 04 00 0014 0d03 06 1104 05dc 1309 03 020202020202" },
	{ "we do not authenticate to a client", MET, "c021 01 05 0009 0305 c22381",
		"ff03c021 04 05 0009 0305 c22381" },
	{ "quality protocol", MET, "c021 01 05 000c 0408 c025 00000000", "ff03c021 04 05 000c 0408 c025 00000000" },
	{ "MRU 0", MET, "c021 01 05 0008 0104 0000", "ff03c021 03 05 0008 0104 0550" },
	{ "MRU 499", MET, "c021 01 05 0008 0104 01f3", "ff03c021 03 05 0008 0104 0550" },
	{ "MRU 500", MET, "c021 01 05 0008 0104 01f4", "ff03c021 02 05 0008 0104 01f4" },
	{ "MRU 65535", MET, "c021 01 05 0008 0104 ffff", "ff03c021 02 05 0008 0104 ffff" },
	{ "MRU of three octets", MET, "c021 01 05 0007 0103 05", "ff03c021 03 05 0008 0104 0550" },
	{ "PFC with a value", MET, "c021 01 05 0008 0704 0000", "ff03c021 03 05 0006 0702" },
	{ "ACCM without", MET, "c021 01 05 0006 0202", "ff03c021 03 05 000a 0206 00000000" },
	{ "Magic-Number 0", MET, "c021 01 05 000a 0506 00000000", "ff03c021 03 05 000a 0506 ........" },
	{ "our Magic-Number", MET, "c021 01 05 000a 0506 11223345", "ff03c021 03 05 000a 0506 ........" },
	{ "the same option twice", MET, "c021 01 05 000c 0104 0578 0104 0578", "ff03c021 04 05 0008 0104 0578" },
	{ "Nak and Reject: Reject goes first", MET, "c021 01 05 000b 0104 0000 0d03 06", "ff03c021 04 05 0007 0d03 06" },
	{ "option of length 0", MET, "c021 01 05 0006 0100", "" },
	{ "option of length 1", MET, "c021 01 05 0006 0101", "" },
	{ "option past the end", MET, "c021 01 05 0007 0104 05", "" },
	{ "type without length", MET, "c021 01 05 0005 01", "" },
	{ "a good option before a broken one", MET, "c021 01 05 000a 0104 0578 0d00", "" },

	/* Answers to our request. */
	{ "Ack, wrong Identifier", MET, "c021 02 02 0013 0104 0550 0305 c22381 0506 11223345", "" },
	{ "Ack with another MRU", MET, "c021 02 01 0013 0104 0551 0305 c22381 0506 11223345", "" },
	{ "Ack without authentication", MET, "c021 02 01 000e 0104 0550 0506 11223345", "" },
	{ "Ack with one more", MET, "c021 02 01 0015 0104 0550 0305 c22381 0506 11223345 0702", "" },
	{ "empty Ack", MET, "c021 02 01 0004", "" },
	{ "Ack", MET, "c021 02 01 0013 0104 0550 0305 c22381 0506 11223345", CHALLENGE41 },
	{ "Nak of MRU: less is fine", MET, "c021 03 01 0008 0104 0500",
		"ff03c021 01 02 0013 0104 0500 0305 c22381 0506 11223345" },
	{ "Nak of MRU: more is not", MET, "c021 03 01 0008 0104 05dc",
		"ff03c021 01 02 0013 0104 0550 0305 c22381 0506 11223345" },
	{ "Nak of what we did not ask", MET, "c021 03 01 0006 0702",
		"ff03c021 01 02 0013 0104 0550 0305 c22381 0506 11223345" },
	{ "Nak of Magic-Number", MET, "c021 03 01 000a 0506 99999999",
		"ff03c021 01 02 0013 0104 0550 0305 c22381 0506 ........" },
	{ "Nak, broken", MET, "c021 03 01 0008 0104 05", "" },
	{ "Nak of authentication: none in common", MET, "c021 03 01 0008 0304 c023",
		TERM("02", "0023", "no common authentication method") },
	{ "Reject of authentication", MET, "c021 04 01 0009 0305 c22381",
		TERM("02", "0029", "the peer will not authenticate itself") },
	{ "Reject of MRU", MET, "c021 04 01 0008 0104 0550", "ff03c021 01 02 000f 0305 c22381 0506 11223345" },
	{ "Reject of MRU and magic", MET, "c021 04 01 000e 0104 0550 0506 11223345",
		"ff03c021 01 02 0009 0305 c22381" },
	{ "Reject in another order", MET, "c021 04 01 000e 0506 11223345 0104 0550", "" },
	{ "Reject of another value", MET, "c021 04 01 0008 0104 0551", "" },
	{ "Reject of what we did not ask", MET, "c021 04 01 0006 0702", "" },
	{ "empty Reject", MET, "c021 04 01 0004", "" },

	/* Other codes, LCP not open. */
	{ "Terminate-Request", MET, "c021 05 09 0004", "ff03c021 06 09 0004" },
	{ "Terminate-Ack", MET, "c021 06 09 0004", "" },
	{ "unknown code", MET, "c021 63 09 0006 abcd", "ff03c021 07 01 000a 63090006abcd" },
	{ "Identification before anything is agreed", MET, "c021 0c 03 0012 aabbccdd 4d53524153 56352e3230", "" },
	{ "Time-Remaining before anything is agreed", MET, "c021 0d 03 000c aabbccdd 00000010", "" },
	{ "Discard-Request before anything is agreed", MET, "c021 0b 03 0008 aabbccdd", "" },
	{ "Windows with Multilink: MRRU, short sequence numbers, endpoint, callback, link discriminator", MET,
		"c021 01 00 002c 0104 0578 0d03 06 1104 064e 1202 1317 01 0102030405060708090a0b0c0d0e0f1011121314 1704 0001",
		"ff03c021 04 00 0028 0d03 06 1104 064e 1202 1317 01 0102030405060708090a0b0c0d0e0f1011121314 1704 0001" },
	{ "FCS alternatives, self-describing padding, numbered mode, compound frames", MET,
		"c021 01 00 0011 0903 02 0a03 08 0b03 01 0f02 0802", "ff03c021 04 00 000f 0903 02 0a03 08 0b03 01 0f02" },
	{ "Echo-Request too early", MET, "c021 09 01 0008 00000000", "" },
	{ "Protocol-Reject too early", MET, "c021 08 01 0006 c021", "" },
	{ "Code-Reject of Configure-Request", MET, "c021 07 01 0008 01010004", "GONE" },
	{ "Code-Reject of Echo-Request", MET, "c021 07 01 0008 09010004", "" },
	{ "empty Code-Reject", MET, "c021 07 01 0004", "" },
	{ "CHAP too early", MET, RESPONSE41, "" },
	{ "PAP too early", MET, "c023 01 01 0006 0000", "" },
	{ "IPCP too early", MET, "8021 01 01 0004", "" },
	{ "CCP too early", MET, "80fd 01 01 0004", "" },
	{ "IP too early", MET, "0021 45", "" },
	{ "unknown protocol too early", MET, "8235 01 01 0004", "" },

	/* LCP open, nobody authenticated. */
	{ "Echo-Request", AUTHENTICATING, "c021 09 01 000a aabbccdd 1234", "ff03c021 0a 01 000a 11223345 1234" },
	{ "Echo-Request without magic", AUTHENTICATING, "c021 09 01 0006 aabb", "" },
	{ "Echo-Request of our own", AUTHENTICATING, "c021 09 01 0008 11223345", "" },
	{ "Echo-Reply", AUTHENTICATING, "c021 0a 01 0008 00000000", "" },
	{ "Discard-Request", AUTHENTICATING, "c021 0b 01 0008 00000000", "" },
	{ "Identification", AUTHENTICATING, "c021 0c 03 0012 aabbccdd 4d53524153 56352e3230", "" },
	{ "Time-Remaining", AUTHENTICATING, "c021 0d 03 000c aabbccdd 00000010", "" },
	{ "IPV6CP", AUTHENTICATING, "8057 01 01 000e 010a 0000000000000001",
		"ff03c021 08 01 0014 8057 0101000e010a0000000000000001" },
	{ "ACSCP", AUTHENTICATING, "8235 01 01 0004", "ff03c021 08 01 000a 8235 01010004" },
	{ "IPCP", AUTHENTICATING, "8021 01 01 0004", "" },
	{ "IP", AUTHENTICATING, "0021 4500", "" },
	{ "IP, compressed", AUTHENTICATING, "21 4500", "" },
	{ "PAP, not agreed", AUTHENTICATING, "c023 01 01 000a 036a6f65 0178", "" },
	{ "EAP, not agreed", AUTHENTICATING, "c227 02 01 0009 01 6a6f6521", "" },
	{ "EAP of any length", AUTHENTICATING, "c227 02 01 ffff 0d80ffffffff", "" },
	{ "Response", AUTHENTICATING, RESPONSE41, "AUTH" },
	{ "Response without a name", AUTHENTICATING, "c223 02 41 0036 31 " VALUE49, "AUTH" },
	{ "Response with NULs for a name", AUTHENTICATING, "c223 02 41 0038 31 " VALUE49 " 0000", "AUTH" },
	{ "Response, wrong Identifier", AUTHENTICATING, "c223 02 40 0039 31 " VALUE49 " 6a6f65", "" },
	{ "Response, value of 48", AUTHENTICATING, "c223 02 41 0038 30 " Z48 " 6a6f65", "" },
	{ "Response, value of 50", AUTHENTICATING, "c223 02 41 003a 32 " VALUE49 "00 6a6f65", "" },
	{ "Response, value of 16", AUTHENTICATING, "c223 02 41 0018 10 " Z8 Z8 " 6a6f65", "" },
	{ "Response, value of 0", AUTHENTICATING, "c223 02 41 0005 00", "" },
	{ "Response, value of 255", AUTHENTICATING, "c223 02 41 0039 ff " VALUE49 " 6a6f65", "" },
	{ "Response, empty", AUTHENTICATING, "c223 02 41 0004", "" },
	{ "Response, Length 0", AUTHENTICATING, "c223 02 41 0000", "" },
	{ "Change-Password, which nobody asked for", AUTHENTICATING, "c223 07 41 0006 0000", "" },
	{ "Challenge to us", AUTHENTICATING, "c223 01 05 0015 10 " Z8 Z8, "" },
	{ "Success to us", AUTHENTICATING, "c223 03 41 0004", "" },
	{ "Protocol-Reject of CHAP", AUTHENTICATING, "c021 08 01 0006 c223",
		TERM("02", "0030", "the peer rejects the authentication protocol") },
	{ "Protocol-Reject of LCP", AUTHENTICATING, "c021 08 01 0006 c021",
		TERM("02", "0018", "the peer rejects LCP") },
	{ "Protocol-Reject of one octet", AUTHENTICATING, "c021 08 01 0005 c0", "" },
	{ "Protocol-Reject of CCP", AUTHENTICATING, "c021 08 01 0006 80fd", "" },
	{ "the Ack again", AUTHENTICATING, "c021 02 01 0013 0104 0550 0305 c22381 0506 11223345", "" },
	{ "Terminate-Request, open", AUTHENTICATING, "c021 05 09 0004", "ff03c021 06 09 0004" },
	{ "negotiated anew", AUTHENTICATING, "c021 01 78 0004",
		"ff03c021 01 02 0013 0104 0550 0305 c22381 0506 11223345 | ff03c021 02 78 0004" },

	/* Somebody thinks about it. */
	{ "a second Response", JUDGED, RESPONSE41, "" },
	{ "IPCP before the verdict", JUDGED, "8021 01 01 0004", "" },

	/* IPCP. */
	{ "the Response again", NETWORK, RESPONSE41, SUCCESS41 },
	{ "another Response", NETWORK, "c223 02 41 0038 31 " Z48 "01 6a6f", SUCCESS41 },
	{ "an old Response", NETWORK, "c223 02 40 0039 31 " VALUE49 " 6a6f65", "" },
	{ "first request: ours again, and an address", NETWORK, "8021 01 01 000a 0306 00000000",
		IPCP_REQ "| ff038021 03 01 000a 0306 0a000019" },
	{ "address and DNS", NETWORK, "8021 01 01 0016 0306 00000000 8106 00000000 8306 00000000",
		IPCP_REQ "| ff038021 03 01 0016 0306 0a000019 8106 01010101 8306 08080808" },
	{ "VJ and NBNS", NETWORK, "8021 01 01 001c 0306 00000000 0206 002d0f01 8206 00000000 8406 00000000",
		IPCP_REQ "| ff038021 04 01 0016 0206 002d0f01 8206 00000000 8406 00000000" },
	{ "somebody else's address", NETWORK, "8021 01 01 000a 0306 0a000001",
		IPCP_REQ "| ff038021 03 01 000a 0306 0a000019" },
	{ "broadcast", NETWORK, "8021 01 01 000a 0306 ffffffff",
		IPCP_REQ "| ff038021 03 01 000a 0306 0a000019" },
	{ "own DNS", NETWORK, "8021 01 01 0010 0306 0a000019 8106 09090909",
		IPCP_REQ "| ff038021 03 01 000a 8106 01010101" },
	{ "the old way of both addresses", NETWORK, "8021 01 01 000e 010a 0a000019 0a000001",
		IPCP_REQ "| ff038021 04 01 000e 010a 0a000019 0a000001" },
	{ "no address: it is told once", NETWORK, "8021 01 01 0004",
		IPCP_REQ "| ff038021 03 01 000a 0306 0a000019" },
	{ "Nak of ours: it stays", NETWORK, "8021 03 01 000a 0306 0a000002",
		"ff038021 01 02 000a 0306 0a000001" },
	{ "Reject of ours", NETWORK, "8021 04 01 000a 0306 0a000001", "ff038021 01 02 0004" },
	{ "IPCP Echo-Request is none", NETWORK, "8021 09 01 0008 00000000",
		"ff038021 07 01 000c 0901000800000000" },
	{ "IP before IPCP", NETWORK, "0021 4500", "" },
	{ "IPCP is rejected", NETWORK, "c021 08 01 0006 8021",
		TERM("02", "0017", "the peer rejects IP") },

	/* All of it. */
	{ "CCP", UP, "80fd 01 01 000a 1206 01000060", "ff03c021 08 01 0010 80fd 0101000a120601000060" },
	{ "Change-Password, up", UP, "c223 07 41 0006 0000", "" },
	{ "a packet of MPPE while that is off", UP, "00fd 9000 1122", "ff03c021 08 01 000a 00fd 90001122" },
	{ "Multilink fragment", UP, "003d c0000000 0021", "ff03c021 08 01 000c 003d c00000000021" },
	{ "BACP", UP, "c02b 01 01 0004", "ff03c021 08 01 000a c02b 01010004" },
	{ "AppleTalk's", UP, "8029 01 01 0004", "ff03c021 08 01 000a 8029 01010004" },
	{ "ACSP data", UP, "0235 01000000", "ff03c021 08 01 000a 0235 01000000" },
	{ "MPLSCP", UP, "8281 01 01 0004", "ff03c021 08 01 000a 8281 01010004" },
	{ "IPCP Terminate-Request", UP, "8021 05 01 0004", "DOWN | ff038021 06 01 0004" },
	{ "LCP Terminate-Request", UP, "c021 05 01 0004", "DOWN | ff03c021 06 01 0004" },
	{ "IPCP anew", UP, "8021 01 51 000a 0306 0a000019",
		"DOWN | " "ff038021 01 02 000a 0306 0a000001" "| ff038021 02 51 000a 0306 0a000019" },
	{ "IPCP anew, another address", UP, "8021 01 51 000a 0306 0a00001a",
		"DOWN | " "ff038021 01 02 000a 0306 0a000001" "| ff038021 03 51 000a 0306 0a000019" },
	{ "IPCP: the Ack again", UP, "8021 02 01 000a 0306 0a000001", "" },
	{ "LCP anew", UP, "c021 01 78 0004",
		"DOWN | " "ff03c021 01 02 0013 0104 0550 0305 c22381 0506 11223345 | ff03c021 02 78 0004" },
	{ "Protocol-Reject of IP", UP, "c021 08 01 0006 0021",
		"DOWN | ff038021 05 02 0017 'the peer rejects IP'" },
};

static void t_rows(void **st)
{
	static struct one o;

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const char *got;

		lns_at(&o, &lns_conf, rows[i].at);
		got = feed(&o, rows[i].in);
		if (!alike(rows[i].out, got))
			fail_msg("%s:\nwant %s\n got %s", rows[i].what, rows[i].out, got);
	}
}

/* Every frame of the table, cut short and with each octet changed: whatever it
 * does, nobody gets in who was not let in. */
static void t_mangled(void **st)
{
	static const uint8_t masks[] = { 0x01, 0x80, 0xff };
	static struct one base, o;
	uint8_t buf[512];

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		size_t n = unhex(rows[i].in, buf);

		lns_at(&base, &lns_conf, rows[i].at);
		for (size_t k = 0; k < n; k++) {
			o = base;
			o.p.conf = &o.c;
			ppp_out_init(&o.out);
			input(&o, buf, k);
			took(&o);
			assert_int_equal(ppp_may_ip(&o.p) && rows[i].at != UP, 0);
			for (size_t m = 0; m < N_ELEMENTS(masks); m++) {
				o = base;
				o.p.conf = &o.c;
				ppp_out_init(&o.out);
				buf[k] ^= masks[m];
				input(&o, buf, n);
				buf[k] ^= masks[m];
				took(&o);
				assert_int_equal(ppp_may_ip(&o.p) && rows[i].at != UP, 0);
			}
		}
	}
}

static void t_frame(void **st)
{
	static const struct {
		const char *in;
		bool ok;
		uint16_t proto;
		size_t left;
	} frames[] = {
		{ "ff030021 45", true, 0x0021, 1 }, { "ff0321 45", true, 0x0021, 1 },
		{ "0021 45", true, 0x0021, 1 }, { "21 45", true, 0x0021, 1 }, { "c021", true, 0xc021, 0 },
		{ "21", true, 0x0021, 0 }, { "", false, 0, 0 }, { "ff", true, 0x00ff, 0 },
		{ "ff03", false, 0, 0 }, { "ff0300", false, 0, 0 }, { "ff030020", false, 0, 0 },
		{ "c020", false, 0, 0 }, { "ff04c021", false, 0, 0 }, { "00", false, 0, 0 },
	};

	for (size_t i = 0; i < N_ELEMENTS(frames); i++) {
		uint8_t buf[16];
		struct rd r = rd_of(buf, unhex(frames[i].in, buf));
		uint16_t proto = 0;

		if (ppp_frame(&r, &proto) != frames[i].ok || proto != frames[i].proto ||
		    (frames[i].ok && r.n != frames[i].left))
			fail_msg("frame %s: %04x, %zu left", frames[i].in, proto, r.n);
	}
}

/* An answer is never longer than the peer takes, nor than what was asked. */
static void t_lengths(void **st)
{
	static const struct {
		size_t echo;	/* LCP packet length */
		bool answered;
	} echoes[] = { { 8, true }, { 1499, true }, { 1500, true }, { 1501, false }, { 1596, false }, { 1700, false } };
	static struct one o;
	uint8_t buf[2000] = { 0xc0, 0x21, ECHO_REQUEST, 1 };

	lns_at(&o, &lns_conf, UP);
	for (size_t i = 0; i < N_ELEMENTS(echoes); i++) {
		buf[4] = (uint8_t)(echoes[i].echo >> 8);
		buf[5] = (uint8_t)echoes[i].echo;
		input(&o, buf, 2 + echoes[i].echo);
		assert_int_equal(o.out.n, echoes[i].answered);
		if (o.out.n)
			assert_int_equal(o.out.eff[0].len, 4 + echoes[i].echo);
		took(&o);
	}
	/* A Protocol-Reject and a Code-Reject are cut to the peer's MRU. */
	o.p.peer_mru = 500;
	buf[0] = 0x80;
	buf[1] = 0xfd;
	input(&o, buf, 1500);
	assert_int_equal(o.out.n, 1);
	assert_int_equal(o.out.eff[0].len, 4 + 500);
	took(&o);
	unhex("c021 63 01 05dc", buf);
	input(&o, buf, 1502);
	assert_int_equal(o.out.n, 1);
	assert_int_equal(o.out.eff[0].len, 4 + 500);
	took(&o);
	/* A name one too long. */
	lns_at(&o, &lns_conf, AUTHENTICATING);
	memset(buf, 'n', sizeof(buf));
	unhex("c223 02 41 0136 31", buf);
	input(&o, buf, 2 + 0x136);
	assert_string_equal(took(&o), "");
	unhex("c223 02 41 0135 31", buf);
	input(&o, buf, 2 + 0x135);
	assert_string_equal(took(&o), "AUTH");
	assert_int_equal(o.p.req.user_len, 255);
}

/* No more answers a second than fixed, to what may be asked without end. */
static void t_flood(void **st)
{
	static const char *const floods[] = {
		"c021 09 01 0008 00000000", "80fd 01 01 0004", "c021 63 01 0004", RESPONSE41,
	};
	static struct one o;

	for (size_t i = 0; i < N_ELEMENTS(floods); i++) {
		unsigned answers = 0;

		lns_at(&o, &lns_conf, UP);
		o.now_ms += 10000;
		for (int k = 0; k < 1000; k++)
			answers += feed(&o, floods[i])[0] != '\0';
		assert_int_equal(answers, 64);
		o.now_ms += 1000;
		assert_string_not_equal(feed(&o, floods[i]), "");
		assert_true(ppp_may_ip(&o.p));
	}
}

static void t_mtu(void **st)
{
	static const struct { const char *in; uint16_t mtu; } mrus[] = {
		{ "c021 01 05 0004", 1360 }, { "c021 01 05 0008 0104 ffff", 1360 },
		{ "c021 01 05 0008 0104 0500", 1280 }, { "c021 01 05 0008 0104 01f4", 500 },
		{ "c021 01 05 0008 0104 0000", 1360 },
	};
	static struct one o;

	for (size_t i = 0; i < N_ELEMENTS(mrus); i++) {
		lns_at(&o, &lns_conf, MET);
		feed(&o, mrus[i].in);
		assert_int_equal(ppp_mtu(&o.p), mrus[i].mtu);
	}
	/* Whatever the settings say. */
	o.c.mru = 9000;
	o.p.peer_mru = 65535;
	assert_int_equal(ppp_mtu(&o.p), 1500);
}

static void t_verdicts(void **st)
{
	static struct one o;
	struct ppp_verdict no = { .ok = false }, refused = { .refused = true, .reason = "limit" };
	struct ppp_verdict none = { .ok = true };

	/* RFC 2759 6, and then LCP ends by itself. */
	lns_at(&o, &lns_conf, JUDGED);
	want("ff03c223 04 41 0034 453d36393120523d3020433d"
	     "................................................................" "20563d33",
		verdict(&o, &no));
	assert_string_equal(verdict(&o, &yes), "");
	/* A different Response to the same Challenge learns nothing new. */
	want("ff03c223 04 41 0034 453d36393120523d3020433d"
	     "................................................................" "20563d33",
		feed(&o, RESPONSE41));
	assert_int_equal(ppp_deadline(&o.p), o.now_ms + 1000);
	want(TERM("02", "0019", "authentication failed"), expire(&o, 1000));
	want(TERM("03", "0019", "authentication failed"), expire(&o, 3000));
	want("GONE", expire(&o, 3000));
	assert_string_equal(o.p.reason, "authentication failed");
	/* After the end nothing happens. */
	assert_string_equal(feed(&o, "c021 01 05 0004"), "");
	assert_string_equal(expire(&o, 100000), "");

	/* The peer hangs up first. */
	lns_at(&o, &lns_conf, JUDGED);
	verdict(&o, &no);
	want("ff03c021 06 07 0004", feed(&o, "c021 05 07 0004"));
	want("GONE", expire(&o, 3000));
	assert_string_equal(o.p.reason, "authentication failed");

	/* Known, but not let in. */
	lns_at(&o, &lns_conf, JUDGED);
	want(SUCCESS41 "|" TERM("02", "0009", "limit"), verdict(&o, &refused));
	want("GONE", feed(&o, "c021 06 02 0004"));
	assert_string_equal(o.p.reason, "limit");

	lns_at(&o, &lns_conf, JUDGED);
	want(SUCCESS41 "|" TERM("02", "0016", "no address to give"), verdict(&o, &none));

	/* Unasked, and late. */
	lns_at(&o, &lns_conf, AUTHENTICATING);
	assert_string_equal(verdict(&o, &yes), "");
	assert_false(ppp_may_ip(&o.p));
	lns_at(&o, &lns_conf, JUDGED);
	feed(&o, "c021 01 78 0004");	/* LCP begins anew meanwhile */
	assert_string_equal(verdict(&o, &yes), "");
	/* The next Challenge is another. */
	want("ff03c223 01 42 0018 10 ................................ 6c6e73",
		feed(&o, "c021 02 02 0013 0104 0550 0305 c22381 0506 11223345"));
	assert_string_equal(feed(&o, RESPONSE41), "");
	lns_at(&o, &lns_conf, JUDGED);
	want("", expire(&o, 29999));
	assert_string_not_equal(expire(&o, 1), "");
	assert_string_equal(o.p.reason, "no authentication in time");
}

/* What a RADIUS server has to say to the peer: an error number, words; the same to a repeated request. */
static void t_verdict_words(void **st)
{
	static struct one o;
	struct ppp_conf c = lns_conf;
	struct ppp_verdict no = { .mschap_error = 930, .message = "not today" }, ok = yes;

	lns_at(&o, &lns_conf, JUDGED);
	want("ff03c223 04 41 0034 453d39333020523d3020433d"
	     "................................................................" "20563d33",
		verdict(&o, &no));
	c.auth = PPP_AUTH_MSCHAPV2 | PPP_AUTH_CHAP_MD5 | PPP_AUTH_PAP;
	lns_at(&o, &c, MET);
	feed(&o, "c021 03 01 0008 0304 c023");
	assert_string_equal(echo_back(&o, CONFIGURE_ACK), "");
	assert_string_equal(feed(&o, "c023 01 09 000a 03 6a6f65 01 78"), "AUTH");
	want("ff03c023 03 09 000e 09 'not today'", verdict(&o, &no));
	want("ff03c023 03 0a 000e 09 'not today'", feed(&o, "c023 01 0a 000a 03 6a6f65 01 78"));
	str_copy(ok.message, sizeof(ok.message), "welcome");
	lns_at(&o, &c, MET);
	feed(&o, "c021 03 01 0009 0305 c22305");
	assert_string_not_equal(echo_back(&o, CONFIGURE_ACK), "");
	assert_string_equal(feed(&o, "c223 02 41 0018 10 " Z8 Z8 " 6a6f65"), "AUTH");
	want("ff03c223 03 41 000b 'welcome' |" IPCP_REQ, verdict(&o, &ok));
}

/* The authenticator's methods: the strongest first, the next after a Nak. */
static void t_methods(void **st)
{
	static struct one o;
	struct ppp_conf c = lns_conf;

	c.auth = PPP_AUTH_MSCHAPV2 | PPP_AUTH_PAP | PPP_AUTH_CHAP_MD5;
	lns_at(&o, &c, MET);
	want("ff03c021 01 02 0012 0104 0550 0304 c023 0506 11223345", feed(&o, "c021 03 01 0008 0304 c023"));
	/* Not that either: what is left is asked for, MS-CHAPv2 not again. */
	want("ff03c021 01 03 0013 0104 0550 0305 c22305 0506 11223345", feed(&o, "c021 03 02 0009 0305 c22381"));
	want(TERM("04", "0023", "no common authentication method"),
		feed(&o, "c021 03 03 0009 0305 c22381"));

	/* PAP is agreed: CHAP is not listened to; password and name of length 0 are the verdict's. */
	lns_at(&o, &c, MET);
	feed(&o, "c021 03 01 0008 0304 c023");
	assert_string_equal(echo_back(&o, CONFIGURE_ACK), "");
	assert_int_equal(o.p.phase, PPP_AUTHENTICATE);
	assert_string_equal(feed(&o, RESPONSE41), "");
	assert_string_equal(feed(&o, "c223 02 41 0018 10 " Z8 Z8 " 6a6f65"), "");
	assert_string_equal(feed(&o, "c023 01 09 0008 03 6a6f"), "");		/* name past the end */
	assert_string_equal(feed(&o, "c023 01 09 000a 03 6a6f65 02 78"), "");	/* password, too */
	assert_string_equal(feed(&o, "c023 01 09 0005 00"), "");
	assert_string_equal(feed(&o, "c023 01 09 0003 00"), "");
	assert_string_equal(feed(&o, "c023 02 09 0005 00"), "");		/* an Ack, to us */
	assert_string_equal(feed(&o, "c023 01 09 000a 03 6a6f65 01 78"), "AUTH");
	assert_string_equal(feed(&o, "c023 01 0a 000a 03 6a6f65 01 79"), "");	/* one is enough */
	assert_int_equal(o.p.req.method, PPP_AUTH_PAP);
	assert_int_equal(o.p.req.user_len, 3);
	assert_int_equal(o.p.req.response_len, 1);
	assert_int_equal(o.p.req.response[0], 'x');
	want("ff03c023 02 09 0005 00 |" IPCP_REQ, verdict(&o, &yes));
	assert_int_equal(o.p.req.response[0], 0);
	want("ff03c023 02 0a 0005 00", feed(&o, "c023 01 0a 000a 03 6a6f65 01 78"));

	c.auth = 0;
	lns_new(&o, &c);
	ppp_start(&o.p, o.now_ms, &o.out);
	assert_string_equal(took(&o), "GONE");
}

/* Silence, at any point, ends by itself; each row in how long and with what. */
static void t_silence(void **st)
{
	static const struct { enum at at; uint64_t within_ms; const char *reason; } silences[] = {
		{ MET, 30000, "no answer to LCP" },
		{ AUTHENTICATING, 40000, "no authentication in time" },
		{ JUDGED, 40000, "no authentication in time" },
		{ NETWORK, 40000, "no answer to IPCP" },
		{ UP, 300000 + 3 * 60000, "keepalive" },
	};
	static struct one o;

	for (size_t i = 0; i < N_ELEMENTS(silences); i++) {
		uint64_t begin, due;
		int calls = 0;

		lns_at(&o, &lns_conf, silences[i].at);
		begin = o.now_ms;
		while (!o.p.gone) {
			due = ppp_deadline(&o.p);
			assert_true(due != PPP_NEVER);
			assert_true(due >= o.now_ms);
			/* Too early does nothing. */
			if (due > o.now_ms)
				assert_string_equal(expire(&o, due - 1 - o.now_ms), "");
			expire(&o, due - o.now_ms);
			assert_true(++calls < 100);
		}
		assert_string_equal(o.p.reason, silences[i].reason);
		if (o.now_ms - begin > silences[i].within_ms)
			fail_msg("row %zu: after %u ms", i, (unsigned)(o.now_ms - begin));
	}
}

static void t_keepalive(void **st)
{
	static struct one o;

	lns_at(&o, &lns_conf, UP);
	want("ff03c021 09 01 0008 11223345", expire(&o, 300000));
	want("ff03c021 09 02 0008 11223345", expire(&o, 60000));
	/* An answer, and any IP frame, begin it anew. */
	assert_string_equal(feed(&o, "c021 0a 02 0008 00000000"), "");
	assert_int_equal(ppp_deadline(&o.p), o.now_ms + 300000);
	expire(&o, 300000);
	ppp_heard(&o.p, o.now_ms += 100);
	assert_int_equal(ppp_deadline(&o.p), o.now_ms + 300000);
	want("ff03c021 09 04 0008 11223345", expire(&o, 300000));
	expire(&o, 60000);
	expire(&o, 60000);
	want("DOWN | GONE", expire(&o, 60000));
	/* A peer that does not know Echo is left alone. */
	lns_at(&o, &lns_conf, UP);
	feed(&o, "c021 07 01 000c 09010008 11223345");
	assert_int_equal(ppp_deadline(&o.p), PPP_NEVER);
	assert_true(ppp_may_ip(&o.p));
}

static void t_close(void **st)
{
	static struct one o;

	lns_at(&o, &lns_conf, UP);
	ppp_close(&o.p, "admin", o.now_ms, &o.out);
	want("DOWN |" TERM("02", "0009", "admin"), took(&o));
	ppp_close(&o.p, "again", o.now_ms, &o.out);
	assert_string_equal(took(&o), "");
	/* Nothing opens it again. */
	assert_string_equal(feed(&o, "c021 01 78 0004"), "");
	assert_string_equal(feed(&o, "8021 01 78 0004"), "");
	want(TERM("03", "0009", "admin"), expire(&o, 3000));
	want("GONE", feed(&o, "c021 06 03 0004"));
	assert_string_equal(o.p.reason, "admin");

	lns_at(&o, &lns_conf, UP);
	ppp_lower_down(&o.p, "tunnel gone", o.now_ms, &o.out);
	want("DOWN | GONE", took(&o));
	ppp_lower_down(&o.p, "twice", o.now_ms, &o.out);
	assert_string_equal(took(&o), "");
	assert_string_equal(o.p.reason, "tunnel gone");

	lns_new(&o, &lns_conf);
	assert_string_equal(feed(&o, "c021 01 01 0004"), "");	/* not started */
	ppp_close(&o.p, "never", o.now_ms, &o.out);
	want("GONE", took(&o));
}

/* A peer whose IPCP request has no address is told once, then let be. */
static void t_no_address(void **st)
{
	static struct one o;

	lns_at(&o, &lns_conf, NETWORK);
	want(IPCP_REQ "| ff038021 03 01 000a 0306 0a000019", feed(&o, "8021 01 01 0004"));
	want("ff038021 02 02 0004", feed(&o, "8021 01 02 0004"));
	want("UP", feed(&o, "8021 02 01 000a 0306 0a000001"));
	assert_int_equal(o.p.ip_remote, 0x0a000019);
}

/* A Success may be lost, and the client waits for it: it is said again until IPCP is heard. */
static void t_lost_success(void **st)
{
	static struct one o;

	lns_at(&o, &lns_conf, NETWORK);
	want(SUCCESS41 "|" IPCP_REQ, expire(&o, 3000));
	feed(&o, "8021 01 01 0004");
	want(IPCP_REQ, expire(&o, 3000));
}

/* The Nak that is repeated becomes a Reject (RFC 1661 4.6). */
static void t_max_failure(void **st)
{
	static struct one o;

	lns_at(&o, &lns_conf, MET);
	for (int i = 0; i < 5; i++)
		want("ff03c021 03 05 0008 0104 0550", feed(&o, "c021 01 05 0008 0104 0001"));
	want("ff03c021 04 05 0008 0104 0001", feed(&o, "c021 01 05 0008 0104 0001"));
	want("ff03c021 02 05 0004", feed(&o, "c021 01 05 0004"));
	want("ff03c021 03 05 0008 0104 0550", feed(&o, "c021 01 05 0008 0104 0001"));
}

/* All four name servers of RFC 1877, each as far as there is one. */
static void t_servers(void **st)
{
	static struct one o;
	struct ppp_verdict v = yes;

	v.nbns[0] = 0x0a000035;
	v.nbns[1] = 0x0a000036;
	lns_at(&o, &lns_conf, JUDGED);
	verdict(&o, &v);
	want(IPCP_REQ "| ff038021 03 01 0022 0306 0a000019 8106 01010101 8206 0a000035 8306 08080808 8406 0a000036",
		feed(&o, "8021 01 01 0022 0306 00000000 8106 00000000 8206 00000000 8306 00000000 8406 00000000"));
	want("ff038021 02 02 0022 0306 0a000019 8106 01010101 8206 0a000035 8306 08080808 8406 0a000036",
		feed(&o, "8021 01 02 0022 0306 0a000019 8106 01010101 8206 0a000035 8306 08080808 8406 0a000036"));
	v.nbns[1] = v.dns[1] = 0;
	lns_at(&o, &lns_conf, JUDGED);
	verdict(&o, &v);
	want(IPCP_REQ "| ff038021 04 01 0010 8306 00000000 8406 00000000",
		feed(&o, "8021 01 01 0022 0306 00000000 8106 00000000 8206 00000000 8306 00000000 8406 00000000"));
}

/* A peer that may choose its address: the owner is asked, and its answer is what the request is judged by. */
static void t_choose(void **st)
{
	static struct one o;
	struct ppp_verdict v = yes;

	v.may_choose = true;
	/* Granted. */
	lns_at(&o, &lns_conf, JUDGED);
	verdict(&o, &v);
	want("ADDR", feed(&o, "8021 01 07 0010 0306 0a00004d 8106 01010101"));
	assert_int_equal(o.p.ip_wanted, 0x0a00004d);
	/* Again before there is an answer: asked again, and the newer one is answered. */
	want("ADDR", feed(&o, "8021 01 08 000a 0306 0a00004e"));
	assert_int_equal(o.p.ip_wanted, 0x0a00004e);
	want(IPCP_REQ "| ff038021 02 08 000a 0306 0a00004e", address(&o, 0x0a00004e));
	assert_string_equal(address(&o, 0x0a00004f), "");	/* unasked */
	want("UP", feed(&o, "8021 02 01 000a 0306 0a000001"));
	assert_int_equal(o.p.ip_remote, 0x0a00004e);
	/* Once it is up, what it has is what it gets. */
	want("DOWN |" "ff038021 01 02 000a 0306 0a000001" "| ff038021 03 09 000a 0306 0a00004e", feed(&o, "8021 01 09 000a 0306 0a00004d"));

	/* Not granted. */
	lns_at(&o, &lns_conf, JUDGED);
	verdict(&o, &v);
	want("ADDR", feed(&o, "8021 01 07 000a 0306 0a00004d"));
	want(IPCP_REQ "| ff038021 03 07 000a 0306 0a000019", address(&o, 0x0a000019));
	want("ff038021 03 08 000a 0306 0a000019", feed(&o, "8021 01 08 000a 0306 0a00004d"));
	want("ff038021 02 09 000a 0306 0a000019", feed(&o, "8021 01 09 000a 0306 0a000019"));

	/* Nothing to ask: any address, the one it has, none, a broken option, one too long to keep. */
	static const char *const asks[][2] = {
		{ "8021 01 07 000a 0306 00000000", "ff038021 03 07 000a 0306 0a000019" },
		{ "8021 01 07 000a 0306 0a000019", "ff038021 02 07 000a 0306 0a000019" },
		{ "8021 01 07 0004", "ff038021 03 07 000a 0306 0a000019" },
		{ "8021 01 07 0009 0305 0a0000", "ff038021 03 07 000a 0306 0a000019" },
	};
	for (size_t i = 0; i < N_ELEMENTS(asks); i++) {
		char both[200];

		lns_at(&o, &lns_conf, JUDGED);
		verdict(&o, &v);
		snprintf(both, sizeof(both), IPCP_REQ "|%s", asks[i][1]);
		want(both, feed(&o, asks[i][0]));
	}
	lns_at(&o, &lns_conf, JUDGED);
	verdict(&o, &v);
	assert_string_equal(feed(&o, "8021 01 07 000a 0307 0a00004d"), "");
	assert_string_equal(feed(&o, "8021 01 07 0003 0306 0a00004d"), "");
	assert_string_equal(address(&o, 0x0a00004d), "");

	/* The answer comes after the end. */
	lns_at(&o, &lns_conf, JUDGED);
	verdict(&o, &v);
	want("ADDR", feed(&o, "8021 01 07 000a 0306 0a00004d"));
	feed(&o, "c021 05 01 0004");
	assert_string_equal(address(&o, 0x0a00004d), "");
}

/* Each automaton by its own numbers. */
static void t_limits(void **st)
{
	static struct one o;
	struct ppp_conf c = lns_conf;

	c.limits[PPP_FSM_IPCP] = (struct ppp_limits){ 1000, 3, 1, 2 };
	lns_at(&o, &c, NETWORK);
	for (int i = 0; i < 2; i++)
		want(SUCCESS41 "|" IPCP_REQ, expire(&o, 1000));
	expire(&o, 1000);
	assert_int_equal(o.p.phase, PPP_TERMINATE);
	assert_string_equal(o.p.reason, "no answer to IPCP");

	lns_at(&o, &c, MET);
	for (int i = 0; i < 5; i++)
		want("ff03c021 03 05 0008 0104 0550", feed(&o, "c021 01 05 0008 0104 0001"));
	c.limits[PPP_FSM_LCP] = (struct ppp_limits){ 500, 10, 2, 1 };
	lns_at(&o, &c, MET);
	want("ff03c021 03 05 0008 0104 0550", feed(&o, "c021 01 05 0008 0104 0001"));
	want("ff03c021 04 05 0008 0104 0001", feed(&o, "c021 01 05 0008 0104 0001"));
}

/* Peers that answer everything and agree to nothing. Each must be gone in a minute, and in few frames. */
static void t_endless(void **st)
{
	static struct one o;

	/* It asks for the impossible for ever. */
	lns_at(&o, &lns_conf, MET);
	for (int i = 0; i < 100 && o.p.phase != PPP_TERMINATE; i++)
		feed(&o, "c021 01 05 0008 0104 0001");
	assert_int_equal(o.p.phase, PPP_TERMINATE);
	assert_string_equal(o.p.reason, "options do not converge");

	/* It naks whatever we ask. */
	lns_at(&o, &lns_conf, MET);
	for (int i = 0; i < 100 && o.p.phase != PPP_TERMINATE; i++) {
		uint8_t nak[] = { 0xc0, 0x21, 3, o.p.fsm[PPP_FSM_LCP].id, 0, 4 };

		input(&o, nak, sizeof(nak));
		took(&o);
	}
	assert_int_equal(o.p.phase, PPP_TERMINATE);

	/* It acks ours, and refuses to be acked, slowly. */
	lns_at(&o, &lns_conf, NETWORK);
	while (!o.p.gone && o.now_ms < 200000) {
		uint64_t due = ppp_deadline(&o.p);
		uint8_t ack[] = { 0x80, 0x21, 2, o.p.fsm[PPP_FSM_IPCP].id, 0, 10, 3, 6, 10, 0, 0, 1 };

		if (o.p.phase == PPP_NETWORK)
			input(&o, ack, sizeof(ack));
		took(&o);
		expire(&o, due > o.now_ms ? due - o.now_ms : 0);
	}
	assert_true(o.p.gone);
	assert_true(o.now_ms < 61000);

	/* It negotiates anew again and again. */
	lns_at(&o, &lns_conf, UP);
	for (int i = 0; i < 100 && o.p.phase == PPP_NETWORK; i++) {
		uint8_t ack[] = { 0x80, 0x21, 2, 0, 0, 10, 3, 6, 10, 0, 0, 1 };

		feed(&o, "8021 01 51 000a 0306 0a000019");
		ack[3] = o.p.fsm[PPP_FSM_IPCP].id;
		input(&o, ack, sizeof(ack));
		took(&o);
	}
	assert_int_equal(o.p.phase, PPP_TERMINATE);
	assert_string_equal(o.p.reason, "renegotiates too often");

}

/* A link that is connected to itself, in either role (RFC 1661 6.4). */
static void t_loopback(void **st)
{
	static const struct { const struct ppp_conf *c; const char *reason; } sides[] = {
		{ &lns_conf, "the peer will not authenticate itself" },
		{ &client_conf, "the link is looped back" },
	};
	static struct one o;

	for (size_t i = 0; i < N_ELEMENTS(sides); i++) {
		struct ppp_out back;
		int frames = 0;

		lns_new(&o, sides[i].c);
		ppp_start(&o.p, o.now_ms, &o.out);
		while (o.out.n && !o.p.gone) {
			back = o.out;
			took(&o);
			for (unsigned k = 0; k < back.n; k++) {
				assert_int_equal(back.eff[k].type, PPP_EFF_SEND);
				ppp_input(&o.p, rd_of(back.buf + (back.eff[k].data - o.out.buf), back.eff[k].len),
					o.now_ms, &o.out);
				assert_true(++frames < 100);
			}
		}
		took(&o);
		assert_true(o.p.gone);
		assert_string_equal(o.p.reason, sides[i].reason);
	}
}

/* ---- CCP ---- */
#define CCP_REQ(id, bits) "ff0380fd 01 " id " 000a 1206 " bits

/* Authenticated, and both network protocols have begun. */
static void mppe_at(struct one *o, enum ppp_mppe mppe, uint32_t bits, bool stateful)
{
	struct ppp_verdict v = yes;
	struct ppp_conf c = lns_conf;
	char text[200];

	v.mppe_keys = true;
	memset(v.mppe_send, 1, sizeof(v.mppe_send));
	memset(v.mppe_recv, 2, sizeof(v.mppe_recv));
	c.mppe = (uint8_t)mppe;
	c.mppe_bits = bits;
	c.mppe_stateful = stateful;
	lns_at(o, &c, JUDGED);
	snprintf(text, sizeof(text), SUCCESS41 "|" CCP_REQ("01", "%08x") "|" IPCP_REQ, (unsigned)bits);
	want(text, verdict(o, &v));
}

/* The peer's IPCP is done. */
static const char *mppe_ipcp(struct one *o)
{
	assert_string_equal(feed(o, "8021 02 01 000a 0306 0a000001"), "");
	return feed(o, "8021 01 50 000a 0306 0a000019");
}
#define IPCP_ACK "ff038021 02 50 000a 0306 0a000019"

enum { ALL_KEYS = MPPE_KEYS, H = MPPE_STATELESS };

/* One request of the peer's each, while ours has had its Ack. */
static const struct {
	const char *what;
	uint32_t bits;
	bool stateful, required;
	const char *in, *out;
} ccp_rows[] = {
	{ "one that will do", ALL_KEYS | H, true, true, "80fd 01 07 000a 1206 01000040",
		"ff0380fd 02 07 000a 1206 01000040 | MPPE" },
	{ "with state", ALL_KEYS | H, true, true, "80fd 01 07 000a 1206 00000040", "ff0380fd 02 07 000a 1206 00000040 | MPPE" },
	{ "with state, which we do not do", ALL_KEYS | H, false, true, "80fd 01 07 000a 1206 00000040",
		"ff0380fd 03 07 000a 1206 01000040" },
	{ "without, which we do not do", ALL_KEYS, true, true, "80fd 01 07 000a 1206 01000040",
		"ff0380fd 03 07 000a 1206 00000040" },
	{ "several: the longest", ALL_KEYS | H, true, true, "80fd 01 07 000a 1206 010000e0", "ff0380fd 03 07 000a 1206 01000040" },
	{ "several: the longest that we do", MPPE_40 | MPPE_56 | H, true, true, "80fd 01 07 000a 1206 010000e0",
		"ff0380fd 03 07 000a 1206 01000080" },
	{ "40 bits", ALL_KEYS | H, true, true, "80fd 01 07 000a 1206 01000020", "ff0380fd 02 07 000a 1206 01000020 | MPPE" },
	{ "40 bits are not enough", MPPE_128 | H, true, true, "80fd 01 07 000a 1206 01000020", "ff0380fd 03 07 000a 1206 01000040" },
	{ "MPPC besides (Windows)", ALL_KEYS | H, true, true, "80fd 01 07 000a 1206 010000e1", "ff0380fd 03 07 000a 1206 01000040" },
	{ "MPPC alone", ALL_KEYS | H, true, true, "80fd 01 07 000a 1206 00000001", "ff0380fd 03 07 000a 1206 01000040" },
	{ "the obsolete bit", ALL_KEYS | H, true, true, "80fd 01 07 000a 1206 01000050", "ff0380fd 03 07 000a 1206 01000040" },
	{ "a bit that there is not", ALL_KEYS | H, true, true, "80fd 01 07 000a 1206 81000040", "ff0380fd 03 07 000a 1206 01000040" },
	{ "no bit", ALL_KEYS | H, true, true, "80fd 01 07 000a 1206 00000000", "ff0380fd 03 07 000a 1206 01000040" },
	{ "too short", ALL_KEYS | H, true, true, "80fd 01 07 0008 1204 0100", "ff0380fd 03 07 000a 1206 01000040" },
	{ "too long", ALL_KEYS | H, true, true, "80fd 01 07 000c 1208 010000400000", "ff0380fd 03 07 000a 1206 01000040" },
	{ "twice", ALL_KEYS | H, true, true, "80fd 01 07 0010 1206 01000040 1206 01000040", "ff0380fd 04 07 000a 1206 01000040" },
	{ "Deflate, BSD, Predictor, LZS besides", ALL_KEYS | H, true, true,
		"80fd 01 07 0018 1a04 7800 1503 2f 0102 1105 000101 1206 01000040", "ff0380fd 04 07 0012 1a04 7800 1503 2f 0102 1105 000101" },
	{ "nothing, where it is required: told once", ALL_KEYS | H, true, true, "80fd 01 07 0004", "ff0380fd 03 07 000a 1206 01000040" },
	{ "nothing, where it is not", ALL_KEYS | H, true, false, "80fd 01 07 0004", "ff0380fd 02 07 0004" },
	{ "an option cut short", ALL_KEYS | H, true, true, "80fd 01 07 0009 1206 010000", "" },
	{ "Reset-Request too early", ALL_KEYS | H, true, true, "80fd 0e 07 0004", "" },
	{ "an unknown code", ALL_KEYS | H, true, true, "80fd 10 07 0004", "ff0380fd 07 01 0008 10070004" },
};

static void t_ccp_rows(void **st)
{
	static struct one o;

	for (size_t i = 0; i < N_ELEMENTS(ccp_rows); i++) {
		const char *got;
		char ack[64];

		mppe_at(&o, ccp_rows[i].required ? PPP_MPPE_REQUIRED : PPP_MPPE_YES, ccp_rows[i].bits, ccp_rows[i].stateful);
		snprintf(ack, sizeof(ack), "80fd 02 01 000a 1206 %08x", (unsigned)ccp_rows[i].bits);
		assert_string_equal(feed(&o, ack), "");
		got = feed(&o, ccp_rows[i].in);
		if (!alike(ccp_rows[i].out, got))
			fail_msg("%s:\nwant %s\n got %s", ccp_rows[i].what, ccp_rows[i].out, got);
	}
}

static void t_ccp(void **st)
{
	static struct one o;

	/* Required: IPCP alone opens nothing; CCP opens all. */
	mppe_at(&o, PPP_MPPE_REQUIRED, ALL_KEYS | H, false);
	want(IPCP_ACK, mppe_ipcp(&o));
	assert_false(ppp_may_ip(&o.p));
	/* Several of ours are too many for the peer, which chooses; it acks what it chose. */
	want("ff0380fd 01 02 000a 1206 01000040", feed(&o, "80fd 03 01 000a 1206 01000040"));
	assert_string_equal(feed(&o, "80fd 02 02 000a 1206 01000040"), "");
	want("ff0380fd 02 07 000a 1206 01000020 | MPPE | UP", feed(&o, "80fd 01 07 000a 1206 01000020"));
	assert_int_equal(o.p.mppe_ours, MPPE_128 | H);
	assert_int_equal(o.p.mppe_theirs, MPPE_40 | H);
	assert_int_equal(ppp_mtu(&o.p), 1356);
	/* RFC 3078 8.2, both ways; and RFC 1962 3.1 for Linux, first, until somebody rejects it. */
	want("ff0380fd 0f 09 0004 | FLUSH", feed(&o, "80fd 0e 09 0004"));
	assert_string_equal(feed(&o, "80fd 07 01 0008 0f 09 0004"), "");
	want("FLUSH", feed(&o, "80fd 0e 0a 0004"));
	assert_string_equal(feed(&o, "80fd 0f 09 0004"), "");
	ppp_mppe_lost(&o.p, o.now_ms, &o.out);
	want("ff0380fd 0e .. 0004", took(&o));
	/* CCP anew: no IP until it is done, and the time for that is limited. */
	want("DOWN | CLEAR | ff0380fd 01 03 000a 1206 01000040 | ff0380fd 02 08 000a 1206 01000040",
		feed(&o, "80fd 01 08 000a 1206 01000040"));
	assert_false(ppp_may_ip(&o.p));
	assert_true(ppp_deadline(&o.p) != PPP_NEVER);
	want("MPPE | UP", feed(&o, "80fd 02 03 000a 1206 01000040"));
	/* The peer ends CCP: so does the link. */
	want("DOWN | CLEAR | ff0380fd 06 09 0004", feed(&o, "80fd 05 09 0004"));
	assert_false(ppp_may_ip(&o.p));
	expire(&o, 3000);
	assert_int_equal(o.p.phase, PPP_TERMINATE);
	assert_string_equal(o.p.reason, "network protocol terminated by the peer");

	/* Not required: IP passes without, then with, then without. */
	mppe_at(&o, PPP_MPPE_YES, MPPE_128 | H, false);
	want(IPCP_ACK "| UP", mppe_ipcp(&o));
	assert_string_equal(feed(&o, "80fd 02 01 000a 1206 01000040"), "");
	want("ff0380fd 02 07 000a 1206 01000040 | MPPE", feed(&o, "80fd 01 07 000a 1206 01000040"));
	want("CLEAR | ff0380fd 06 09 0004", feed(&o, "80fd 05 09 0004"));
	assert_true(ppp_may_ip(&o.p));
	expire(&o, 3000);
	assert_int_equal(o.p.phase, PPP_NETWORK);
	assert_string_equal(o.p.reason, "");

	/* The peer takes back both at the end. */
	mppe_at(&o, PPP_MPPE_REQUIRED, MPPE_128 | H, false);
	mppe_ipcp(&o);
	feed(&o, "80fd 02 01 000a 1206 01000040");
	feed(&o, "80fd 01 07 000a 1206 01000040");
	ppp_lower_down(&o.p, "gone", o.now_ms, &o.out);
	want("DOWN | CLEAR | GONE", took(&o));
	for (size_t i = 0; i < sizeof(o.p.mppe_send); i++)
		assert_int_equal(o.p.mppe_send[i] | o.p.mppe_recv[i], 0);
}

/* A peer that will not: the link lives on without, or ends. */
static void t_ccp_refused(void **st)
{
	static const struct {
		const char *what, *in, *reason;
	} refusals[] = {
		{ "Protocol-Reject", "c021 08 01 0006 80fd", "no answer to CCP, and MPPE is required" },
		{ "Protocol-Reject of packets", "c021 08 01 0006 00fd", "no answer to CCP, and MPPE is required" },
		{ "Configure-Reject", "80fd 04 01 000a 1206 01000040", "the peer refuses MPPE" },
		{ "Code-Reject", "80fd 07 01 0008 01010004", "the peer rejects a basic code" },
	};
	static struct one o;

	for (size_t i = 0; i < N_ELEMENTS(refusals); i++) {
		for (int required = 0; required < 2; required++) {
			mppe_at(&o, required ? PPP_MPPE_REQUIRED : PPP_MPPE_YES, MPPE_128 | H, false);
			feed(&o, refusals[i].in);
			if (required) {
				if (o.p.phase != PPP_TERMINATE || strcmp(o.p.reason, refusals[i].reason))
					fail_msg("%s: %s", refusals[i].what, o.p.reason);
				continue;
			}
			want(IPCP_ACK "| UP", mppe_ipcp(&o));
			for (int k = 0; k < 12; k++)
				expire(&o, 3000);
			if (!ppp_may_ip(&o.p) || o.p.reason[0])
				fail_msg("%s: %s", refusals[i].what, o.p.reason);
		}
	}

	/* It takes ours, and has none itself. */
	mppe_at(&o, PPP_MPPE_REQUIRED, MPPE_128 | H, false);
	feed(&o, "80fd 02 01 000a 1206 01000040");
	want("ff0380fd 03 07 000a 1206 01000040", feed(&o, "80fd 01 07 0004"));
	feed(&o, "80fd 01 08 0004");
	assert_int_equal(o.p.phase, PPP_TERMINATE);
	assert_string_equal(o.p.reason, "MPPE was not agreed on");

	/* It has MPPE itself, and rejects ours: open, without it.  Nothing of MPPE's follows from that. */
	mppe_at(&o, PPP_MPPE_YES, MPPE_128 | H, false);
	want("ff0380fd 01 02 0004", feed(&o, "80fd 04 01 000a 1206 01000040"));
	assert_string_equal(feed(&o, "80fd 02 02 0004"), "");
	want("ff0380fd 02 07 000a 1206 01000040", feed(&o, "80fd 01 07 000a 1206 01000040"));
	assert_int_equal(o.p.fsm[PPP_FSM_CCP].state, FSM_OPENED);
	assert_string_equal(feed(&o, "80fd 0e 09 0004"), "");
	ppp_mppe_lost(&o.p, o.now_ms, &o.out);
	assert_string_equal(took(&o), "");
	want("ff0380fd 01 03 0004 | ff0380fd 02 08 0004", feed(&o, "80fd 01 08 0004"));

	/* Silence. */
	for (int required = 0; required < 2; required++) {
		mppe_at(&o, required ? PPP_MPPE_REQUIRED : PPP_MPPE_YES, MPPE_128 | H, false);
		mppe_ipcp(&o);
		for (int k = 0; k < 12; k++)
			expire(&o, 3000);
		assert_int_equal(o.p.phase == PPP_NETWORK, !required);
		assert_int_equal(ppp_may_ip(&o.p), !required);
	}

	/* One that naks for ever (Yamaha RTX): CCP ends, the link does not. */
	mppe_at(&o, PPP_MPPE_YES, MPPE_128 | H, false);
	want(IPCP_ACK "| UP", mppe_ipcp(&o));
	for (int i = 0; i < 40; i++) {
		uint8_t nak[] = { 0x80, 0xfd, 3, o.p.fsm[PPP_FSM_CCP].id, 0, 10, 18, 6, 0, 0, 0, 1 };

		input(&o, nak, sizeof(nak));
		took(&o);
		feed(&o, "80fd 01 07 000a 1206 00000001");
	}
	assert_true(ppp_may_ip(&o.p));
	assert_string_equal(o.p.reason, "");

	/* No keys: required ends it, else CCP is not spoken. */
	for (int required = 0; required < 2; required++) {
		struct ppp_conf c = lns_conf;

		c.mppe = required ? PPP_MPPE_REQUIRED : PPP_MPPE_YES;
		c.mppe_bits = MPPE_128 | H;
		lns_at(&o, &c, JUDGED);
		verdict(&o, &yes);
		assert_int_equal(o.p.phase, required ? PPP_TERMINATE : PPP_NETWORK);
		if (!required)
			want("ff03c021 08 01 0010 80fd 0101000a120601000060", feed(&o, "80fd 01 01 000a 1206 01000060"));
	}
	/* Before it is its turn it is dropped, where it may come at all. */
	{
		struct ppp_conf c = lns_conf;

		c.mppe = PPP_MPPE_YES;
		lns_at(&o, &c, AUTHENTICATING);
		assert_string_equal(feed(&o, "80fd 01 01 000a 1206 01000060"), "");
	}
}

/* ---- EAP ---- */
#define EAP_SUCCESS_TEXT "533d" "30303030303030303030303030303030303030303030303030303030303030303030303030303030"
#define EAP_FAILURE_TEXT "453d36393120523d3020433d................................................................20563d33"
#define EAP_MS_REQ(id) "ff03c227 01 " id " 001d 1a 01 " id " 0018 10 ................................ 6c6e73"
#define EAP_MD5_REQ(id) "ff03c227 01 " id " 0019 04 10 ................................ 6c6e73"
#define EAP_ID_REQ "ff03c227 01 41 0005 01"

enum eap_at { EAP_BEGUN, EAP_ASKED, EAP_JUDGED, EAP_TOLD, EAP_OVER };

static void eap_at(struct one *o, uint8_t methods, enum eap_at at)
{
	struct ppp_conf c = lns_conf;

	c.auth = methods;
	lns_new(o, &c);
	ppp_start(&o->p, o->now_ms, &o->out);
	want("ff03c021 01 01 0012 0104 0550 0304 c227 0506 11223345", took(o));
	feed(o, "ff03 c021 01 77 0004");
	want(EAP_ID_REQ, feed(o, "c021 02 01 0012 0104 0550 0304 c227 0506 11223345"));
	if (at == EAP_BEGUN)
		return;
	want(methods & PPP_AUTH_EAP_MSCHAPV2 ? EAP_MS_REQ("42") : EAP_MD5_REQ("42"), feed(o, "c227 02 41 0008 01 6a6f65"));
	if (at == EAP_ASKED)
		return;
	want("AUTH", feed(o, methods & PPP_AUTH_EAP_MSCHAPV2 ? "c227 02 42 003e 1a 02 42 0039 31 " VALUE49 "6a6f65" :
		"c227 02 42 0019 04 10" Z8 Z8 "626f62"));
	assert_int_equal(o->p.req.method, methods & PPP_AUTH_EAP_MSCHAPV2 ? PPP_AUTH_EAP_MSCHAPV2 : PPP_AUTH_EAP_MD5);
	if (at == EAP_JUDGED)
		return;
	want("ff03c227 01 43 0033 1a 03 42 002e" EAP_SUCCESS_TEXT, verdict(o, &yes));
	if (at == EAP_TOLD)
		return;
	want("ff03c227 03 43 0004 |" IPCP_REQ, feed(o, "c227 02 43 0006 1a 03"));
}

static const struct {
	const char *what;
	uint8_t methods;
	enum eap_at at;
	const char *in, *out;
} eap_rows[] = {
	{ "header cut", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 41 00", "" },
	{ "Length below header", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 41 0003 01", "" },
	{ "Length past the end", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 41 0009 01 6a6f65", "" },
	{ "no type", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 41 0004", "" },
	{ "padding is not a name", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 41 0006 01 6a 0000", EAP_MS_REQ("42") },
	{ "no name", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 41 0005 01", EAP_MS_REQ("42") },
	{ "wrong Identifier", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 40 0008 01 6a6f65", "" },
	{ "Identity naked", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 41 0006 03 04", "" },
	{ "a method before the name", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 41 0016 04 10" Z8 Z8, "" },
	{ "Notification answered", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 41 0005 02", "" },
	{ "Request to us", PPP_AUTH_EAP, EAP_BEGUN, "c227 01 41 0005 01", "" },
	{ "Success to us", PPP_AUTH_EAP, EAP_BEGUN, "c227 03 41 0004", "" },
	{ "Failure to us", PPP_AUTH_EAP, EAP_BEGUN, "c227 04 41 0004", "" },
	{ "Success to us, who judge", PPP_AUTH_EAP_MD5, EAP_JUDGED, "c227 03 42 0004", "" },
	{ "a code that there is not", PPP_AUTH_EAP, EAP_BEGUN, "c227 05 41 0005 01", "" },
	{ "TLS of 4 GB", PPP_AUTH_EAP, EAP_BEGUN, "c227 02 41 000a 0d 80 ffffffff", "" },
	{ "CHAP, not agreed", PPP_AUTH_EAP, EAP_BEGUN, RESPONSE41, "" },
	{ "PAP, not agreed", PPP_AUTH_EAP, EAP_BEGUN, "c023 01 01 000a 036a6f65 0178", "" },
	{ "the name again", PPP_AUTH_EAP, EAP_ASKED, "c227 02 41 0008 01 6a6f65", "" },
	{ "Nak: MD5", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 0006 03 04", EAP_MD5_REQ("43") },
	{ "Nak: TLS, PEAP, MD5", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 0008 03 0d1904", EAP_MD5_REQ("43") },
	{ "Nak: TLS", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 0006 03 0d", "ff03c227 04 42 0004" },
	{ "Nak: nothing", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 0006 03 00", "ff03c227 04 42 0004" },
	{ "Nak: empty", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 0005 03", "ff03c227 04 42 0004" },
	{ "Nak: what was asked", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 0006 03 1a", "ff03c227 04 42 0004" },
	{ "Nak: MD5, not offered", PPP_AUTH_EAP_MSCHAPV2, EAP_ASKED, "c227 02 42 0006 03 04", "ff03c227 04 42 0004" },
	{ "another method", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 0016 04 10" Z8 Z8, "" },
	{ "value of 48", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 003d 1a 02 42 0038 30 " Z48 "6a6f65", "" },
	{ "value of 255", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 003e 1a 02 42 0039 ff " VALUE49 "6a6f65", "" },
	{ "value of 0", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 000a 1a 02 42 0005 00", "" },
	{ "MSCHAPv2 cut", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 0008 1a 02 42 00", "" },
	{ "MSCHAPv2 empty", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 0005 1a", "" },
	{ "other MS-CHAPv2-ID", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 003e 1a 02 41 0039 31 " VALUE49 "6a6f65", "" },
	{ "Change-Password", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 003e 1a 07 42 0039 31 " VALUE49 "6a6f65", "" },
	{ "Success before its time", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 0006 1a 03", "" },
	{ "wrong MS-Length", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 003e 1a 02 42 ffff 31 " VALUE49 "6a6f65", "AUTH" },
	{ "no name at all", PPP_AUTH_EAP, EAP_ASKED, "c227 02 42 003b 1a 02 42 0036 31 " VALUE49, "AUTH" },
	{ "MD5, value of 15", PPP_AUTH_EAP_MD5, EAP_ASKED, "c227 02 42 0016 04 0f" Z8 Z8, "" },
	{ "MD5, value past the end", PPP_AUTH_EAP_MD5, EAP_ASKED, "c227 02 42 0015 04 10" Z8 "00000000000000", "" },
	{ "MD5 without a name", PPP_AUTH_EAP_MD5, EAP_ASKED, "c227 02 42 0016 04 10" Z8 Z8, "AUTH" },
	{ "a second Response", PPP_AUTH_EAP, EAP_JUDGED, "c227 02 42 003e 1a 02 42 0039 31 " VALUE49 "6a6f65", "" },
	{ "IPCP before the verdict", PPP_AUTH_EAP, EAP_JUDGED, "8021 01 01 0004", "" },
	{ "the Response again, after the verdict", PPP_AUTH_EAP, EAP_TOLD, "c227 02 42 003e 1a 02 42 0039 31 " VALUE49 "6a6f65", "" },
	{ "IPCP before the proof is acknowledged", PPP_AUTH_EAP, EAP_TOLD, "8021 01 01 0004", "" },
	{ "the peer does not believe it", PPP_AUTH_EAP, EAP_TOLD, "c227 02 43 0006 1a 04", "" },
	{ "acknowledged", PPP_AUTH_EAP, EAP_TOLD, "c227 02 43 0006 1a 03", "ff03c227 03 43 0004 |" IPCP_REQ },
	{ "acknowledged again", PPP_AUTH_EAP, EAP_OVER, "c227 02 43 0006 1a 03", "ff03c227 03 43 0004" },
	{ "and an old one", PPP_AUTH_EAP, EAP_OVER, "c227 02 42 0006 1a 03", "" },
	{ "acknowledged again, past the end", PPP_AUTH_EAP, EAP_OVER, "c227 02 43 0007 1a 03", "" },
	{ "Protocol-Reject", PPP_AUTH_EAP, EAP_BEGUN, "c021 08 01 0006 c227",
		TERM("02", "0030", "the peer rejects the authentication protocol") },
};

static void t_eap_rows(void **st)
{
	static struct one base, o;
	uint8_t buf[512];

	for (size_t i = 0; i < N_ELEMENTS(eap_rows); i++) {
		size_t n = unhex(eap_rows[i].in, buf);
		const char *got;

		eap_at(&base, eap_rows[i].methods, eap_rows[i].at);
		o = base;
		o.p.conf = &o.c;
		ppp_out_init(&o.out);
		got = feed(&o, eap_rows[i].in);
		if (!alike(eap_rows[i].out, got))
			fail_msg("%s:\nwant %s\n got %s", eap_rows[i].what, eap_rows[i].out, got);
		/* Cut short, and each octet changed: nobody gets in. */
		for (size_t k = 0; k < 2 * n; k++) {
			o = base;
			o.p.conf = &o.c;
			ppp_out_init(&o.out);
			buf[k / 2] ^= k & 1 ? 0xff : 0;
			input(&o, buf, k & 1 ? n : k / 2);
			buf[k / 2] ^= k & 1 ? 0xff : 0;
			took(&o);
			assert_false(ppp_may_ip(&o.p));
			assert_true(o.p.phase != PPP_NETWORK || eap_rows[i].at >= EAP_TOLD);
		}
	}
}

static void t_eap(void **st)
{
	static struct one o;
	struct ppp_verdict no = { .ok = false }, refused = { .refused = true, .reason = "limit" };

	/* MD5: the name is the Identity's. */
	eap_at(&o, PPP_AUTH_EAP_MD5, EAP_JUDGED);
	assert_int_equal(o.p.req.user_len, 3);
	assert_memory_equal(o.p.req.user, "joe", 3);
	assert_int_equal(o.p.req.ident, 0x42);
	want("ff03c227 03 42 0004 |" IPCP_REQ, verdict(&o, &yes));

	/* MSCHAPv2: its own. */
	eap_at(&o, PPP_AUTH_EAP, EAP_ASKED);
	want("AUTH", feed(&o, "c227 02 42 003d 1a 02 42 0038 31 " VALUE49 "616c"));
	assert_int_equal(o.p.req.user_len, 2);
	assert_memory_equal(o.p.req.user, "al", 2);

	/* Each Request comes again, the same, until there is an answer; and it all ends. */
	eap_at(&o, PPP_AUTH_EAP, EAP_BEGUN);
	want(EAP_ID_REQ, expire(&o, 3000));
	feed(&o, "c227 02 41 0008 01 6a6f65");
	want(EAP_MS_REQ("42"), expire(&o, 3000));
	want("AUTH", feed(&o, "c227 02 42 003e 1a 02 42 0039 31 " VALUE49 "6a6f65"));
	assert_string_equal(expire(&o, 3000), "");
	want("ff03c227 01 43 0033 1a 03 42 002e" EAP_SUCCESS_TEXT, verdict(&o, &yes));
	want("ff03c227 01 43 0033 1a 03 42 002e" EAP_SUCCESS_TEXT, expire(&o, 3000));
	/* The EAP Success was lost: said again, until IPCP is heard. */
	want("ff03c227 03 43 0004 |" IPCP_REQ, feed(&o, "c227 02 43 0006 1a 03"));
	want("ff03c227 03 43 0004 |" IPCP_REQ, expire(&o, 3000));
	eap_at(&o, PPP_AUTH_EAP, EAP_TOLD);
	for (int i = 0; i < 20; i++)
		expire(&o, 3000);
	assert_true(o.p.gone);

	/* Wrong: RFC 2759 6 inside of it, then the end; by what the peer answers, too. */
	for (int how = 0; how < 3; how++) {
		static const char *const acks[] = { "c227 02 43 0006 1a 04", "c227 02 43 0006 1a 03", "c227 02 43 0005 03" };

		eap_at(&o, PPP_AUTH_EAP, EAP_JUDGED);
		want("ff03c227 01 43 0039 1a 04 42 0034" EAP_FAILURE_TEXT, verdict(&o, &no));
		want("ff03c227 04 43 0004", feed(&o, acks[how]));
		want(TERM("02", "0019", "authentication failed"), expire(&o, 1000));
	}
	eap_at(&o, PPP_AUTH_EAP_MD5, EAP_JUDGED);
	want("ff03c227 04 42 0004", verdict(&o, &no));
	/* The answer was lost: the same once more. */
	want("ff03c227 04 42 0004", feed(&o, "c227 02 42 0019 04 10" Z8 Z8 "626f62"));

	/* Known, but not let in. */
	eap_at(&o, PPP_AUTH_EAP, EAP_JUDGED);
	verdict(&o, &refused);
	want("ff03c227 03 43 0004 |" TERM("02", "0009", "limit"), feed(&o, "c227 02 43 0006 1a 03"));

	/* Asked for after MS-CHAPv2 where the peer naks that, as a Windows client set to EAP does. */
	{
		struct ppp_conf c = lns_conf;

		c.auth = PPP_AUTH_MSCHAPV2 | PPP_AUTH_EAP | PPP_AUTH_PAP;
		lns_at(&o, &c, MET);
		want("ff03c021 01 02 0012 0104 0550 0304 c227 0506 11223345", feed(&o, "c021 03 01 0008 0304 c227"));
		want("ff03c021 01 03 0012 0104 0550 0304 c023 0506 11223345", feed(&o, "c021 03 02 0009 0305 c22381"));
		/* An option of EAP's with something behind it is none of ours. */
		lns_at(&o, &c, MET);
		want("ff03c021 01 02 0012 0104 0550 0304 c227 0506 11223345", feed(&o, "c021 03 01 0009 0305 c22705"));
	}
}

/* What who judges says of an EAP Response that is his. */
static const char *next(struct one *o, const char *request, uint32_t wait_ms)
{
	static uint8_t buf[PPP_EAP_MAX];
	struct ppp_verdict v = { .eap = PPP_EAP_NEXT, .eap_packet = rd_of(buf, unhex(request, buf)), .eap_wait_ms = wait_ms };

	return verdict(o, &v);
}

#define TLS_START "01 77 0006 0d 20"

/* EAP is passed through, up to the server's first Request. */
static void pass_at(struct one *o)
{
	struct ppp_conf c = lns_conf;

	c.auth = PPP_AUTH_EAP;
	c.eap_pass = true;
	ppp_free(&o->p);
	lns_new(o, &c);
	ppp_start(&o->p, o->now_ms, &o->out);
	took(o);
	feed(o, "ff03 c021 01 77 0004");
	want(EAP_ID_REQ, feed(o, "c021 02 01 0012 0104 0550 0304 c227 0506 11223345"));
	/* What is behind its Length is no part of it. */
	want("AUTH", feed(o, "c227 02 41 0008 01 6a6f65 ffff"));
	assert_int_equal(o->p.req.method, PPP_AUTH_EAP_PASS);
	assert_int_equal(o->p.auth.eap_round, 1);
	assert_int_equal(o->p.req.user_len, 3);
	assert_memory_equal(o->p.req.user, "joe", 3);
	assert_int_equal(o->p.eap_len, 8);
	assert_memory_equal(o->p.eap, "\x02\x41\x00\x08\x01joe", 8);
	want("ff03c227" TLS_START, next(o, TLS_START, 0));
}

static void t_eap_pass(void **st)
{
	static const struct {
		const char *what, *in;
	} dropped[] = {
		{ "another Identifier", "c227 02 76 0006 0d 00" }, { "no type", "c227 02 77 0004" }, { "type 0", "c227 02 77 0005 00" },
		{ "Length past the end", "c227 02 77 0009 0d 00" }, { "Length below header", "c227 02 77 0003 0d 00" },
		{ "a Request", "c227 01 77 0006 0d 00" }, { "a Success", "c227 03 77 0004" }, { "a Failure", "c227 04 77 0004" },
		{ "IPCP", "8021 01 01 0004" }, { "PAP", "c023 01 01 000a 036a6f65 0178" },
	};
	/* Whatever the method: whether it fits the server says. */
	static const char *const passed[] = {
		"c227 02 77 0006 0d 00", "c227 02 77 0006 03 19", "c227 02 77 0006 01 6a", "c227 02 77 000d fe 000000 00000003 00",
		"c227 02 77 0005 1a",
	};
	static struct one o;
	uint8_t big[PPP_FRAME_MAX] = { 0xc2, 0x27, 2, 0x77, 0, 0, 0x0d };
	struct ppp_verdict own = { .eap = PPP_EAP_OWN }, no = { .ok = false }, refused = { .refused = true, .reason = "limit" };

	for (size_t i = 0; i < N_ELEMENTS(dropped); i++) {
		pass_at(&o);
		if (*feed(&o, dropped[i].in))
			fail_msg("%s: %s", dropped[i].what, o.text);
		want("AUTH", feed(&o, passed[0]));
	}
	for (size_t i = 0; i < N_ELEMENTS(passed); i++) {
		uint8_t pkt[64];
		size_t n = unhex(passed[i], pkt);

		pass_at(&o);
		want("AUTH", feed(&o, passed[i]));
		assert_int_equal(o.p.eap_len, n - 2);
		assert_memory_equal(o.p.eap, pkt + 2, n - 2);
		/* A second answer, and a packet of another protocol, while a server judges the first one. */
		assert_string_equal(feed(&o, passed[i]), "");
		assert_string_equal(feed(&o, "8021 01 01 0004"), "");
		assert_string_equal(expire(&o, 3000), "");
		want("ff03c227 01 78 0006 0d 00", next(&o, "01 78 0006 0d 00", 0));
		assert_string_equal(feed(&o, passed[i]), "");
		assert_int_equal(o.p.auth.eap_round, 2);
	}
	/* All that PPP carries, and one octet more. */
	for (unsigned n = PPP_EAP_MAX; n <= PPP_EAP_MAX + 1; n++) {
		pass_at(&o);
		big[4] = (uint8_t)(n >> 8);
		big[5] = (uint8_t)n;
		input(&o, big, 2 + n);
		assert_string_equal(took(&o), n > PPP_EAP_MAX ? "" : "AUTH");
	}

	/* Again until it is answered; a server may say when. */
	pass_at(&o);
	want("ff03c227" TLS_START, expire(&o, 3000));
	want("AUTH", feed(&o, passed[0]));
	want("ff03c227 01 78 0005 06", next(&o, "01 78 0005 06", 40000));
	assert_string_equal(expire(&o, 39999), "");
	want("ff03c227 01 78 0005 06", expire(&o, 1));
	want(TERM("02", "001d", "no authentication in time"), expire(&o, 3000));
	/* Nobody answers. */
	pass_at(&o);
	for (int i = 0; i < 20; i++)
		expire(&o, 3000);
	assert_true(o.p.gone);
	/* The server found the Response to be none: its Request stands. */
	pass_at(&o);
	want("AUTH", feed(&o, passed[1]));
	assert_string_equal(next(&o, TLS_START, 0), "");
	want("ff03c227" TLS_START, expire(&o, 3000));
	want("AUTH", feed(&o, passed[0]));

	/* The end: the Success is of the last Response, and comes again when that does. */
	want("ff03c227 03 77 0004 |" IPCP_REQ, verdict(&o, &yes));
	assert_null(o.p.eap);
	want("ff03c227 03 77 0004", feed(&o, passed[0]));
	assert_string_equal(next(&o, TLS_START, 0), "");
	pass_at(&o);
	feed(&o, passed[0]);
	want("ff03c227 04 77 0004", verdict(&o, &no));
	want("ff03c227 04 77 0004", feed(&o, passed[0]));
	want(TERM("02", "0019", "authentication failed"), expire(&o, 1000));
	pass_at(&o);
	feed(&o, passed[0]);
	want("ff03c227 03 77 0004 |" TERM("02", "0009", "limit"), verdict(&o, &refused));

	/* A name of ours: as without servers. */
	pass_at(&o);
	feed(&o, "ff03 c021 01 79 0004");
	want("AUTH", (feed(&o, "c021 02 02 0012 0104 0550 0304 c227 0506 11223345"), feed(&o, "c227 02 78 0008 01 6a6f65")));
	assert_int_equal(o.p.auth.eap_round, 1);
	want("ff03c227 01 79 001d 1a 01 79 0018 10 ................................ 6c6e73", verdict(&o, &own));
	assert_string_equal(next(&o, TLS_START, 0), "");
	want("AUTH", feed(&o, "c227 02 79 003e 1a 02 79 0039 31 " VALUE49 "6a6f65"));
	assert_int_equal(o.p.req.method, PPP_AUTH_EAP_MSCHAPV2);
	/* One that comes too late is none. */
	assert_string_equal(verdict(&o, &own), "");
	want("ff03c227 01 7a 0033 1a 03 79 002e" EAP_SUCCESS_TEXT, verdict(&o, &yes));

	/* What is no Request ends the link. */
	static const char *const none[] = { "02 78 0006 0d 00", "01 78 0007 0d 00", "01 78 0004", "01 78", "" };

	for (size_t i = 0; i < N_ELEMENTS(none); i++) {
		pass_at(&o);
		feed(&o, passed[0]);
		want(TERM("02", "001f", "an EAP Request that is none"), next(&o, none[i], 0));
	}
	ppp_free(&o.p);
	assert_null(o.p.eap);
}

/* The client's side of it: what it answers, and what it does not believe. */
static void t_eap_peer(void **st)
{
	static const struct {
		const char *what, *in, *out;
	} steps[] = {
		{ "Success from nowhere", "c227 03 01 0004", "" },
		{ "a name?", "c227 01 01 0005 01", "ff03c227 02 01 0008 01 6a6f65" },
		{ "again", "c227 01 01 0005 01", "ff03c227 02 01 0008 01 6a6f65" },
		{ "with a prompt", "c227 01 02 0009 01 6e616d65", "ff03c227 02 02 0008 01 6a6f65" },
		{ "Success before anything was proved", "c227 03 02 0004", "" },
		{ "Notification", "c227 01 03 000a 02 68656c6c6f", "ff03c227 02 03 0005 02" },
		{ "TLS", "c227 01 04 0006 0d 20", "ff03c227 02 04 0007 03 1a04" },
		{ "a Nak as a Request", "c227 01 05 0006 03 04", "" },
		{ "no type", "c227 01 05 0004", "" },
		{ "type 0", "c227 01 05 0005 00", "" },
		{ "MSCHAPv2, Success first", "c227 01 05 0009 1a 03 05 0004", "" },
		{ "MSCHAPv2, challenge of 8", "c227 01 05 0012 1a 01 05 000d 08" Z8, "" },
		{ "MSCHAPv2, cut", "c227 01 05 0008 1a 01 05 00", "" },
		{ "MSCHAPv2", "c227 01 05 001d 1a 01 77 0018 10" Z8 Z8 "6c6e73",
			"ff03c227 02 05 003e 1a 02 77 0039 31" "................................" Z8
			"................................................ 00 6a6f65" },
		{ "Success before the proof", "c227 03 05 0004", "" },
		{ "Failure of another request", "c227 04 09 0004", "" },
		{ "Failure past the end", "c227 04 05 0005", "" },
		{ "MSCHAPv2, a proof cut short", "c227 01 06 0008 1a 03 77 00", "" },
		{ "MSCHAPv2, OpCode 0", "c227 01 06 0009 1a 00 77 0004", "" },
		{ "MSCHAPv2, a Response", "c227 01 06 0009 1a 02 77 0004", "" },
		{ "MSCHAPv2, OpCode 5", "c227 01 06 0009 1a 05 77 0004", "" },
		{ "Response to us", "c227 02 05 0008 01 6a6f65", "" },
		{ "IPCP", "8021 01 01 000a 0306 0a000001", "" },
	};
	static struct one o;
	uint8_t buf[128];

	for (int wrong = 0; wrong < 2; wrong++) {
		struct ppp_conf c = client_conf;
		struct wr w = wr_of(buf, sizeof(buf));

		c.auth = PPP_AUTH_EAP | PPP_AUTH_MSCHAPV2;
		lns_new(&o, &c);
		ppp_start(&o.p, o.now_ms, &o.out);
		took(&o);
		echo_back(&o, CONFIGURE_ACK);
		/* It waits to be asked. */
		want("ff03c021 02 01 0008 0304 c227", feed(&o, "c021 01 01 0008 0304 c227"));
		assert_int_equal(o.p.phase, PPP_AUTHENTICATE);
		for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
			const char *got = feed(&o, steps[i].in);

			if (!alike(steps[i].out, got))
				fail_msg("%s:\nwant %s\n got %s", steps[i].what, steps[i].out, got);
		}
		/* The proof, right or with one digit wrong. */
		wr_u16(&w, PPP_EAP);
		wr_u16(&w, 0x0106);
		wr_u16(&w, 0x0033);
		wr_u8(&w, 26);
		wr_u16(&w, 0x0377);
		wr_u16(&w, 0x002e);
		wr_bytes(&w, "S=", 2);
		for (int k = 0; k < 20; k++) {
			char hex[3];

			sprintf(hex, "%02X", o.p.auth.proof[k] ^ (wrong && k == 7 ? 0x10 : 0));
			wr_bytes(&w, hex, 2);
		}
		input(&o, buf, w.len);
		if (wrong) {
			took(&o);
			assert_int_equal(o.p.phase, PPP_TERMINATE);
			assert_string_equal(o.p.reason, "the server does not know the password");
			continue;
		}
		want("ff03c227 02 06 0006 1a 03", took(&o));
		want("ff038021 01 01 0016 0306 00000000 8106 00000000 8306 00000000", feed(&o, "c227 03 06 0004"));
		assert_true(o.p.mppe_keys);
		/* It is over: neither takes it back, and a client answers nobody's Response. */
		assert_string_equal(feed(&o, "c227 04 06 0004"), "");
		assert_string_equal(feed(&o, "c227 02 06 0008 01 6a6f65"), "");
		assert_int_equal(o.p.phase, PPP_NETWORK);
	}

	/* No method that it has. */
	{
		struct ppp_conf c = client_conf;

		c.auth = PPP_AUTH_EAP_MD5;
		lns_new(&o, &c);
		ppp_start(&o.p, o.now_ms, &o.out);
		took(&o);
		echo_back(&o, CONFIGURE_ACK);
		want("ff03c021 03 01 0008 0304 c227", feed(&o, "c021 01 01 0009 0305 c22381"));
		feed(&o, "c021 01 01 0008 0304 c227");
		/* The one method was agreed on, and nothing was proved yet. */
		for (int id = 0; id < 256; id++) {
			uint8_t success[] = { 0xc2, 0x27, 3, (uint8_t)id, 0, 4 };

			input(&o, success, sizeof(success));
			assert_string_equal(took(&o), "");
		}
		/* A Value longer than we keep. */
		memset(buf, 0x55, sizeof(buf));
		memcpy(buf, "\xc2\x27\x01\x04\x00\x47\x04\x41", 8);
		input(&o, buf, 2 + 0x47);
		assert_string_equal(took(&o), "");
		/* None at all, and one past its end. */
		assert_string_equal(feed(&o, "c227 01 04 0006 04 00"), "");
		assert_string_equal(feed(&o, "c227 01 04 0008 04 10 0011"), "");
		buf[7] = 0x40;
		input(&o, buf, 2 + 0x47);
		assert_int_equal(o.out.n, 1);
		took(&o);
		want("ff03c227 02 05 0006 03 04", feed(&o, "c227 01 05 001d 1a 01 77 0018 10" Z8 Z8 "6c6e73"));
		want(TERM("02", "0019", "authentication failed"), feed(&o, "c227 04 05 0004"));
	}

	/* Refused for its name: no method was begun. */
	{
		struct ppp_conf c = client_conf;

		c.auth = PPP_AUTH_EAP_MD5;
		lns_new(&o, &c);
		ppp_start(&o.p, o.now_ms, &o.out);
		took(&o);
		echo_back(&o, CONFIGURE_ACK);
		feed(&o, "c021 01 01 0008 0304 c227");
		want("ff03c227 02 01 0008 01 6a6f65", feed(&o, "c227 01 01 0005 01"));
		want(TERM("02", "0019", "authentication failed"), feed(&o, "c227 04 01 0004"));
	}

	/* CHAP is agreed: EAP is not read. */
	lns_new(&o, &client_conf);
	ppp_start(&o.p, o.now_ms, &o.out);
	took(&o);
	echo_back(&o, CONFIGURE_ACK);
	feed(&o, "c021 01 01 0009 0305 c22381");
	assert_string_equal(feed(&o, "c227 01 01 0005 01"), "");
}

/* A name of 255 octets is the longest. */
static void t_eap_name(void **st)
{
	static struct one o;
	uint8_t buf[600];

	for (unsigned n = 254; n < 258; n++) {
		eap_at(&o, PPP_AUTH_EAP, EAP_BEGUN);
		memset(buf, 'n', sizeof(buf));
		memcpy(buf, "\xc2\x27\x02\x41\0\0\x01", 7);
		buf[4] = (uint8_t)((n + 5) >> 8);
		buf[5] = (uint8_t)(n + 5);
		input(&o, buf, 7 + n);
		assert_int_equal(took(&o)[0] != '\0', n < 256);
		if (n < 256)
			assert_int_equal(o.p.req.user_len, n);
		eap_at(&o, PPP_AUTH_EAP, EAP_ASKED);
		memset(buf, 'n', sizeof(buf));
		memcpy(buf, "\xc2\x27\x02\x42\0\0\x1a\x02\x42\0\0\x31", 12);
		buf[4] = (uint8_t)((n + 59) >> 8);
		buf[5] = (uint8_t)(n + 59);
		input(&o, buf, 2 + 59 + n);
		assert_string_equal(took(&o), n < 256 ? "AUTH" : "");
	}
}

/* ---- IPV6CP ---- */
static const struct {
	const char *what, *in, *out;
} ipv6cp_rows[] = {
	{ "an identifier", "8057 01 07 000e 010a 0200000000000001", "ff038057 02 07 000e 010a 0200000000000001" },
	{ "zero", "8057 01 07 000e 010a 0000000000000000", "ff038057 03 07 000e 010a ................" },
	{ "ours", "8057 01 07 000e 010a 1111111111111111", "ff038057 03 07 000e 010a ................" },
	{ "none: told once", "8057 01 07 0004", "ff038057 03 07 000e 010a ................" },
	{ "too short", "8057 01 07 000a 0106 02000000", "ff038057 03 07 000e 010a ................" },
	{ "twice", "8057 01 07 0018 010a 0200000000000001 010a 0200000000000001", "ff038057 04 07 000e 010a 0200000000000001" },
	{ "compression", "8057 01 07 0012 010a 0200000000000001 0204 004f", "ff038057 04 07 0008 0204 004f" },
	{ "cut", "8057 01 07 000d 010a 02000000000000", "" },
	{ "unknown code", "8057 0e 07 0004", "ff038057 07 01 0008 0e070004" },
	{ "IPv6 packet", "0057 60000000", "" },
	{ "IPv6 packet, compressed", "57 60000000", "" },
	{ "Terminate-Request", "8057 05 07 0004", "ff038057 06 07 0004" },
	{ "Reject of ours", "8057 04 01 000e 010a 1111111111111111", "ff038057 01 02 0004" },
	{ "Nak of ours", "8057 03 01 000e 010a 0200000000000009", "ff038057 01 02 000e 010a 0200000000000009" },
};

static void ipv6_at(struct one *o)
{
	struct ppp_conf c = lns_conf;

	c.ipv6 = true;
	lns_at(o, &c, JUDGED);
	want(SUCCESS41 "|" IPCP_REQ "| ff038057 01 01 000e 010a ................", verdict(o, &yes));
	/* A good peer met it, so that it is not asked for again in between. */
	o->p.fsm[PPP_FSM_IPV6CP].met = true;
	o->p.if_id = 0x1111111111111111;
}

static void t_ipv6cp(void **st)
{
	static struct one o;

	for (size_t i = 0; i < N_ELEMENTS(ipv6cp_rows); i++) {
		const char *got;

		ipv6_at(&o);
		assert_false(o.p.if_id & UINT64_C(2) << 56);
		got = feed(&o, ipv6cp_rows[i].in);
		if (!alike(ipv6cp_rows[i].out, got))
			fail_msg("%s:\nwant %s\n got %s", ipv6cp_rows[i].what, ipv6cp_rows[i].out, got);
		/* IPv4 comes up whatever became of it, and stays. */
		feed(&o, "8021 02 01 000a 0306 0a000001");
		want(IPCP_ACK "| UP", feed(&o, "8021 01 50 000a 0306 0a000019"));
		for (int k = 0; k < 12; k++)
			expire(&o, 3000);
		assert_true(ppp_may_ip(&o.p));
		assert_string_equal(o.p.reason, "");
	}
	/* What is told stays the same, and is not our own. */
	ipv6_at(&o);
	want("ff038057 03 07 000e 010a ................", feed(&o, "8057 01 07 000e 010a 0000000000000000"));
	{
		uint64_t id = o.p.peer_if_id;

		feed(&o, "8057 01 08 000e 010a 0000000000000000");
		assert_true(id && id == o.p.peer_if_id && id != o.p.if_id);
	}
	/* It opens; nothing follows from that yet. Then the peer rejects it. */
	ipv6_at(&o);
	feed(&o, "8057 01 07 000e 010a 0200000000000001");
	assert_string_equal(feed(&o, "8057 02 01 000e 010a 1111111111111111"), "");
	assert_int_equal(o.p.fsm[PPP_FSM_IPV6CP].state, FSM_OPENED);
	assert_int_equal(o.p.peer_if_id, 0x0200000000000001);
	feed(&o, "c021 08 01 0006 8057");
	assert_int_equal(o.p.phase, PPP_NETWORK);
	/* Off: rejected, packets of IPv6 as well. */
	lns_at(&o, &lns_conf, UP);
	want("ff03c021 08 01 000a 0057 60000000", feed(&o, "0057 60000000"));
	want("ff03c021 08 02 000a 8057 01010004", feed(&o, "8057 01 01 0004"));
}

/* ---- two cores ---- */

enum { A, B };		/* the server, the client */

struct flight {
	uint64_t at_ms;
	unsigned order;
	int to;
	size_t n;
	uint8_t data[PPP_FRAME_MAX];
};

struct pair {
	struct ppp p[2];
	struct ppp_conf c[2];
	uint64_t start_ms[2];
	bool started[2];
	uint64_t now_ms, delay_ms;
	uint64_t lose[2], twice[2], late[2];	/* bit n: the n-th frame that the side sends */
	uint64_t cut_ms;		/* nothing passes from then on */
	const char *password;		/* the server's idea of it */
	bool md5;			/* its method, where EAP is passed through; its Request, and keys */
	uint8_t request[128], send[16], recv[16];
	bool refuse;
	struct ppp_verdict v;		/* what it gives */
	unsigned sent[2], ups[2], downs[2], gone[2], auths;
	bool mppe[2];
	uint64_t up_ms[2];
	struct flight air[64];
	unsigned n_air, order;
};

/* A server that speaks EAP itself: MD5-Challenge or MSCHAPv2, by a hand of its own. */
static void eap_server(struct pair *w, struct ppp_verdict *v)
{
	static const uint8_t challenge[16] = "sixteen octets.";
	const struct ppp *p = &w->p[A];
	struct rd pkt = rd_of(p->eap, p->eap_len), user = rd_of("joe", 3);
	const uint8_t code = rd_u8(&pkt), id = rd_u8(&pkt);
	const uint16_t len = rd_u16(&pkt);
	const uint8_t type = rd_u8(&pkt), op = pkt.n ? pkt.p[0] : 0;
	struct wr out = wr_of(w->request, sizeof(w->request));
	size_t at, n = strlen(w->password);
	uint8_t hash[16], proof[20];

	assert_true(!pkt.bad && code == 2 && len == p->eap_len);
	wr_u8(&out, 1);
	wr_u8(&out, (uint8_t)(id + 1));
	at = wr_open16(&out);
	if (type == 1 && !w->md5) {
		wr_bytes(&out, "\x1a\x01\x09\x00\x19\x10", 6);
		wr_bytes(&out, challenge, 16);
		wr_bytes(&out, "srv", 3);
	} else if (type == 1) {
		wr_bytes(&out, "\x04\x10", 2);
		wr_bytes(&out, challenge, 16);
	} else if (type == 4) {
		assert_true(chap_md5(id, w->password, n, rd_of(challenge, 16), hash));
		v->ok &= !memcmp(hash, pkt.p + 1, 16);
		return;
	} else if (op == 2) {
		assert_int_equal(pkt.n, 5 + 49 + 3);
		assert_true(mschap_nt_hash(w->password, n, hash));
		v->ok &= mschap_check(pkt.p + 5, challenge, user, hash, proof);
		if (!v->ok)
			return;
		assert_true(mschap_mppe_keys(hash, pkt.p + 5 + 24, true, w->send, w->recv));
		wr_bytes(&out, "\x1a\x03\x09\x00\x2e" "S=", 7);
		for (size_t i = 0; i < sizeof(proof); i++) {
			char hex[3];

			sprintf(hex, "%02X", proof[i]);
			wr_bytes(&out, hex, 2);
		}
	} else {
		assert_int_equal(op, 3);
		v->mppe_keys = true;
		memcpy(v->mppe_send, w->send, sizeof(w->send));
		memcpy(v->mppe_recv, w->recv, sizeof(w->recv));
		return;
	}
	wr_close16(&out, at, at - 2, 0);
	v->eap = PPP_EAP_NEXT;
	v->eap_packet = rd_of(w->request, out.len);
}

static void judge(struct pair *w, struct ppp_verdict *v)
{
	const struct ppp_auth_req *r = &w->p[A].req;
	struct rd user = rd_of(r->user, r->user_len);
	size_t n = strlen(w->password);
	uint8_t hash[16];

	*v = w->v;
	v->ok = user.n == 3 && !memcmp(user.p, "joe", 3);
	if (r->method == PPP_AUTH_EAP_PASS) {
		eap_server(w, v);
	} else if (r->method & PPP_AUTH_KEYS) {
		assert_int_equal(r->response_len, MSCHAP_VALUE);
		assert_true(mschap_nt_hash(w->password, n, hash));
		v->ok &= mschap_check(r->response, r->challenge, user, hash, v->mschap_auth);
		v->mppe_keys = mschap_mppe_keys(hash, r->response + 24, true, v->mppe_send, v->mppe_recv);
	} else if (r->method == PPP_AUTH_CHAP_MD5 || r->method == PPP_AUTH_EAP_MD5) {
		assert_true(chap_md5(r->ident, w->password, n, rd_of(r->challenge, r->challenge_len), hash));
		v->ok &= r->response_len == 16 && !memcmp(hash, r->response, 16);
	} else {
		v->ok &= r->response_len == n && !memcmp(r->response, w->password, n);
	}
	if (v->ok && w->refuse && !v->eap) {
		v->ok = false;
		v->refused = true;
		strcpy(v->reason, "too many sessions");
	}
}

static void fly(struct pair *w, int from, const struct ppp_effect *e)
{
	uint64_t bit = w->sent[from] < 64 ? 1ull << w->sent[from] : 0;

	w->sent[from]++;
	if (w->lose[from] & bit || w->now_ms >= w->cut_ms)
		return;
	for (int i = 0; i < (w->twice[from] & bit ? 2 : 1); i++) {
		struct flight *f = &w->air[w->n_air++];

		assert_true(w->n_air < N_ELEMENTS(w->air));
		f->at_ms = w->now_ms + w->delay_ms + (w->late[from] & bit ? 35 : 0);
		f->order = w->order++;
		f->to = !from;
		f->n = e->len;
		memcpy(f->data, e->data, e->len);
	}
}

static void apply(struct pair *w, int side, struct ppp_out *o)
{
	bool ask = false;

	check_effects(&w->p[side], o);
	for (unsigned i = 0; i < o->n; i++) {
		switch (o->eff[i].type) {
		case PPP_EFF_SEND:
			fly(w, side, &o->eff[i]);
			break;
		case PPP_EFF_AUTH:
			assert_int_equal(side, A);
			w->auths++;
			ask = true;
			break;
		case PPP_EFF_UP:
			w->ups[side]++;
			w->up_ms[side] = w->now_ms;
			assert_int_equal(w->ups[side], w->downs[side] + 1);
			break;
		case PPP_EFF_ADDR:
			fail_msg("nobody may choose");
			break;
		case PPP_EFF_MPPE_ON:
			w->mppe[side] = true;
			break;
		case PPP_EFF_MPPE_OFF:
			w->mppe[side] = false;
			break;
		case PPP_EFF_MPPE_FLUSH:
			fail_msg("nothing was lost");
			break;
		case PPP_EFF_DOWN:
			w->downs[side]++;
			assert_int_equal(w->ups[side], w->downs[side]);
			break;
		case PPP_EFF_GONE:
			w->gone[side]++;
			assert_int_equal(w->gone[side], 1);
			break;
		}
	}
	ppp_out_init(o);
	if (ask) {
		struct ppp_verdict v;

		judge(w, &v);
		ppp_verdict(&w->p[side], &v, w->now_ms, o);
		apply(w, side, o);
	}
}

static void pair_init(struct pair *w)
{
	*w = (struct pair){
		.c = { lns_conf, client_conf }, .now_ms = 1, .cut_ms = UINT64_MAX, .password = "secret",
		.v = yes,
	};
}

static int next_flight(const struct pair *w)
{
	int best = -1;

	for (unsigned i = 0; i < w->n_air; i++)
		if (best < 0 || w->air[i].at_ms < w->air[best].at_ms ||
		    (w->air[i].at_ms == w->air[best].at_ms && w->air[i].order < w->air[best].order))
			best = (int)i;
	return best;
}

/* Until nothing is left to happen before until_ms. */
static void pair_run(struct pair *w, uint64_t until_ms)
{
	struct ppp_out o;

	ppp_out_init(&o);
	for (unsigned steps = 0;; steps++) {
		int f = next_flight(w), who = -1;
		uint64_t due = f >= 0 ? w->air[f].at_ms : PPP_NEVER;

		assert_true(steps < 100000);
		for (int s = A; s <= B; s++) {
			uint64_t at = w->started[s] ? ppp_deadline(&w->p[s]) : w->start_ms[s];

			if (at < due) {
				due = at;
				who = s;
			}
		}
		if (due == PPP_NEVER || due > until_ms) {
			w->now_ms = until_ms;
			return;
		}
		w->now_ms = MAX(due, w->now_ms);
		if (who >= 0 && !w->started[who]) {
			struct rng seed;

			rng_init_test(&seed, (uint64_t)who + 1);
			ppp_init(&w->p[who], &w->c[who], &seed);
			w->started[who] = true;
			ppp_start(&w->p[who], w->now_ms, &o);
			apply(w, who, &o);
		} else if (who >= 0) {
			ppp_expire(&w->p[who], w->now_ms, &o);
			apply(w, who, &o);
		} else {
			struct flight fl = w->air[f];

			w->air[f] = w->air[--w->n_air];
			if (!w->started[fl.to])
				continue;
			ppp_input(&w->p[fl.to], rd_of(fl.data, fl.n), w->now_ms, &o);
			apply(w, fl.to, &o);
		}
	}
}

static bool both_up(const struct pair *w)
{
	const struct ppp *a = &w->p[A], *b = &w->p[B];

	return w->started[A] && w->started[B] && ppp_may_ip(a) && ppp_may_ip(b) &&
	       a->ip_remote == b->ip_local && a->ip_local == b->ip_remote && b->ip_local == yes.ip &&
	       (!b->conf->want_dns || (b->dns[0] == w->v.dns[0] && b->dns[1] == w->v.dns[1])) &&
	       ppp_mtu(a) == 1360 && ppp_mtu(b) == 1360;
}

static void t_pair(void **st)
{
	static const struct { uint64_t a_ms, b_ms, delay_ms; } starts[] = {
		{ 10, 10, 0 }, { 10, 10, 50 }, { 10, 20, 0 }, { 10, 2000, 5 }, { 10, 9990, 5 },
		{ 10, 20000, 0 }, { 30, 10, 0 }, { 2000, 10, 5 }, { 10, 11, 100 },
	};
	static const uint8_t methods[] = { PPP_AUTH_MSCHAPV2, PPP_AUTH_CHAP_MD5, PPP_AUTH_PAP, PPP_AUTH_EAP_MD5,
		PPP_AUTH_EAP_MSCHAPV2 };
	static struct pair w;

	for (size_t i = 0; i < N_ELEMENTS(starts); i++) {
		for (size_t m = 0; m < N_ELEMENTS(methods); m++) {
			uint64_t late = MAX(starts[i].a_ms, starts[i].b_ms);

			pair_init(&w);
			w.start_ms[A] = starts[i].a_ms;
			w.start_ms[B] = starts[i].b_ms;
			w.delay_ms = starts[i].delay_ms;
			/* Both orders of who finds out what the other cannot do. */
			w.c[A].auth = m == 1 ? PPP_AUTH_MSCHAPV2 | PPP_AUTH_CHAP_MD5 :
				m == 3 ? PPP_AUTH_MSCHAPV2 | PPP_AUTH_EAP : methods[m];
			w.c[B].auth = methods[m];
			pair_run(&w, late + 25000);
			if (!both_up(&w))
				fail_msg("start %zu, method %s: %s / %s", i, ppp_auth_name(methods[m]),
					w.p[A].reason, w.p[B].reason);
			assert_int_equal(w.p[A].auth.method & methods[m], methods[m]);
			assert_int_equal(w.p[A].req.method, methods[m]);
			assert_int_equal(w.auths, 1);
			/* Nobody waited for a timer, unless the server came second: then the
			 * client's own first request is what is lost, and what is repeated
			 * when the server's arrives. */
			if (w.up_ms[A] - late > 16 * starts[i].delay_ms)
				fail_msg("start %zu took %u ms", i, (unsigned)(w.up_ms[A] - late));
			assert_int_equal(w.ups[A], 1);
			assert_int_equal(w.ups[B], 1);
		}
	}
}

static void mppe_conf(struct ppp_conf *c, enum ppp_mppe mppe, uint32_t bits, bool stateful)
{
	c->mppe = (uint8_t)mppe;
	c->mppe_bits = bits;
	c->mppe_stateful = stateful;
}

/* Both made the same of it: what one sends the other opens. */
static void check_mppe(const struct pair *w)
{
	struct mppe *m[2];

	for (int s = A; s <= B; s++) {
		const struct ppp *p = &w->p[s];

		m[s] = mppe_new(p->mppe_theirs, p->mppe_send, p->mppe_ours, p->mppe_recv);
		assert_non_null(m[s]);
	}
	for (int s = A; s <= B; s++) {
		uint8_t k[MPPE_HEADER + 4] = { 0, 0, 0x21, 0x45, 1, 2 };

		assert_true(mppe_seal(m[s], k, k + MPPE_HEADER, 4));
		assert_int_equal(mppe_open(m[!s], k, sizeof(k), 1), MPPE_OK);
		assert_memory_equal(k + MPPE_HEADER, "\x21\x45\x01\x02", 4);
	}
	mppe_free(m[A]);
	mppe_free(m[B]);
}

static bool link_up(const struct pair *w)
{
	return w->started[A] && w->started[B] && ppp_may_ip(&w->p[A]) && ppp_may_ip(&w->p[B]) &&
	       w->p[A].ip_remote == w->p[B].ip_local;
}

/* MPPE between what each of two may have; both up and encrypted, both up and not, or not up. */
static void t_pair_mppe(void **st)
{
	static const struct {
		enum ppp_mppe a_mppe;
		uint32_t a;
		bool a_stateful;
		enum ppp_mppe b_mppe;
		uint32_t b;
		bool b_stateful;
		uint32_t agreed;	/* 0 = none */
		bool up;
	} cases[] = {
		{ PPP_MPPE_YES, ALL_KEYS | H, true, PPP_MPPE_YES, ALL_KEYS | H, true, MPPE_128 | H, true },
		{ PPP_MPPE_REQUIRED, ALL_KEYS | H, true, PPP_MPPE_REQUIRED, ALL_KEYS | H, true, MPPE_128 | H, true },
		{ PPP_MPPE_REQUIRED, ALL_KEYS | H, false, PPP_MPPE_REQUIRED, MPPE_40 | H, true, MPPE_40 | H, true },
		{ PPP_MPPE_REQUIRED, MPPE_56 | H, false, PPP_MPPE_REQUIRED, ALL_KEYS | H, true, MPPE_56 | H, true },
		{ PPP_MPPE_REQUIRED, ALL_KEYS, true, PPP_MPPE_REQUIRED, ALL_KEYS | H, true, MPPE_128, true },
		{ PPP_MPPE_REQUIRED, ALL_KEYS | H, true, PPP_MPPE_REQUIRED, MPPE_40, true, MPPE_40, true },
		{ PPP_MPPE_REQUIRED, ALL_KEYS | H, true, PPP_MPPE_YES, MPPE_128 | H, false, MPPE_128 | H, true },
		{ PPP_MPPE_YES, ALL_KEYS | H, true, PPP_MPPE_NO, 0, false, 0, true },
		{ PPP_MPPE_NO, 0, false, PPP_MPPE_YES, ALL_KEYS | H, true, 0, true },
		{ PPP_MPPE_REQUIRED, ALL_KEYS | H, true, PPP_MPPE_NO, 0, false, 0, false },
		{ PPP_MPPE_NO, 0, false, PPP_MPPE_REQUIRED, ALL_KEYS | H, true, 0, false },
		{ PPP_MPPE_YES, MPPE_128 | H, false, PPP_MPPE_YES, MPPE_40 | H, false, 0, true },
		{ PPP_MPPE_YES, MPPE_128, true, PPP_MPPE_YES, MPPE_128 | H, false, 0, true },
		{ PPP_MPPE_REQUIRED, MPPE_128 | H, false, PPP_MPPE_REQUIRED, MPPE_40 | H, false, 0, false },
	};
	static struct pair w;

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		pair_init(&w);
		w.start_ms[A] = w.start_ms[B] = 10;
		w.delay_ms = 5;
		mppe_conf(&w.c[A], cases[i].a_mppe, cases[i].a, cases[i].a_stateful);
		mppe_conf(&w.c[B], cases[i].b_mppe, cases[i].b, cases[i].b_stateful);
		pair_run(&w, 60000);
		if (link_up(&w) != cases[i].up || w.mppe[A] != (cases[i].agreed != 0) || w.mppe[B] != w.mppe[A])
			fail_msg("row %zu: up %d, mppe %d %d: %s / %s", i, link_up(&w), w.mppe[A], w.mppe[B], w.p[A].reason,
				w.p[B].reason);
		if (!cases[i].up)
			assert_true(w.gone[A] && w.gone[B]);
		if (!cases[i].agreed)
			continue;
		assert_int_equal(w.p[A].mppe_ours, cases[i].agreed);
		assert_int_equal(w.p[A].mppe_theirs, cases[i].agreed);
		assert_true(w.up_ms[A] < 200 && w.up_ms[B] < 200);	/* nobody waited for a timer */
		check_mppe(&w);
		assert_int_equal(w.downs[A] + w.downs[B], 0);
	}
}

/* Any two frames lost, doubled or late: MPPE comes all the same. */
static void t_pair_mppe_loss(void **st)
{
	static struct pair w;

	for (int i = 0; i < 14; i++) {
		for (int k = i; k < 28; k++) {
			for (int how = 0; how < 3; how++) {
				uint64_t *bits;

				pair_init(&w);
				w.start_ms[A] = 10;
				w.start_ms[B] = 15;
				w.delay_ms = 10;
				mppe_conf(&w.c[A], PPP_MPPE_REQUIRED, ALL_KEYS | H, true);
				mppe_conf(&w.c[B], PPP_MPPE_REQUIRED, ALL_KEYS | H, true);
				bits = how == 0 ? w.lose : how == 1 ? w.twice : w.late;
				bits[A] |= 1ull << i;
				bits[k >= 14] |= 1ull << k % 14;
				pair_run(&w, 60000);
				if (!link_up(&w) || !w.mppe[A] || !w.mppe[B])
					fail_msg("%d: A%d and %d: %s / %s", how, i, k, w.p[A].reason, w.p[B].reason);
				check_mppe(&w);
			}
		}
	}
}

/* Any one frame, and any two, of either side lost, doubled or overtaken: it only takes longer. */
static void t_pair_loss(void **st)
{
	static struct pair w;

	for (int i = 0; i < 14; i++) {
		for (int k = i; k < 28; k++) {
			for (int how = 0; how < 3; how++) {
				static const char *const names[] = { "lost", "doubled", "late" };
				uint64_t *bits;

				pair_init(&w);
				w.start_ms[A] = 10;
				w.start_ms[B] = 15;
				w.delay_ms = 10;
				bits = how == 0 ? w.lose : how == 1 ? w.twice : w.late;
				bits[A] |= 1ull << i;
				bits[k >= 14] |= 1ull << k % 14;
				pair_run(&w, 60000);
				if (!both_up(&w))
					fail_msg("%s A%d and %c%d: %s / %s", names[how], i,
						k >= 14 ? 'B' : 'A', k % 14, w.p[A].reason, w.p[B].reason);
				if (how == 1)
					assert_true(w.up_ms[A] < 1000);
			}
		}
	}
}

/* EAP with any two frames lost, doubled or late, and MPPE from its keys. */
static void t_pair_eap_loss(void **st)
{
	static const uint8_t methods[] = { PPP_AUTH_EAP_MD5, PPP_AUTH_EAP_MSCHAPV2 };
	static struct pair w;

	for (int i = 0; i < 16; i++) {
		for (int k = i; k < 32; k++) {
			for (int how = 0; how < 12; how++) {
				uint64_t *bits;
				bool keys = how & 1;

				pair_init(&w);
				w.start_ms[A] = 10;
				w.start_ms[B] = 15;
				w.delay_ms = 10;
				w.c[A].auth = w.c[B].auth = methods[keys];
				if (keys) {
					mppe_conf(&w.c[A], PPP_MPPE_REQUIRED, ALL_KEYS | H, true);
					mppe_conf(&w.c[B], PPP_MPPE_REQUIRED, ALL_KEYS | H, true);
				}
				/* By our own methods, and by a server's. */
				w.c[A].eap_pass = how >= 6;
				w.md5 = !keys;
				bits = how % 6 < 2 ? w.lose : how % 6 < 4 ? w.twice : w.late;
				bits[A] |= 1ull << i;
				bits[k >= 16] |= 1ull << k % 16;
				pair_run(&w, 60000);
				if (!link_up(&w) || w.mppe[A] != keys || w.mppe[B] != keys)
					fail_msg("%d: A%d and %d: %s / %s", how, i, k, w.p[A].reason, w.p[B].reason);
				if (keys)
					check_mppe(&w);
				assert_null(w.p[A].eap);
			}
		}
	}
}

/* IPV6CP between two that have it, that choose the same identifier, and where one has it not; with two frames lost. */
static void t_pair_ipv6(void **st)
{
	static struct pair w;

	for (int i = 0; i < 14; i++) {
		for (int k = 0; k < 14; k++) {
			for (int who = 1; who < 4; who++) {
				const struct ppp *a = &w.p[A], *b = &w.p[B];

				pair_init(&w);
				w.start_ms[A] = 10;
				w.start_ms[B] = 15;
				w.delay_ms = 10;
				w.c[A].ipv6 = who & 1;
				w.c[B].ipv6 = who & 2;
				w.lose[A] |= 1ull << i;
				w.lose[B] |= 1ull << k;
				pair_run(&w, 60000);
				if (!link_up(&w))
					fail_msg("A%d B%d, %d: %s / %s", i, k, who, a->reason, b->reason);
				if (who == 3 && (a->fsm[PPP_FSM_IPV6CP].state != FSM_OPENED || a->if_id != b->peer_if_id ||
						 b->fsm[PPP_FSM_IPV6CP].state != FSM_OPENED || b->if_id != a->peer_if_id))
					fail_msg("A%d B%d: IPV6CP", i, k);
			}
		}
	}
}

static void t_pair_end(void **st)
{
	static struct pair w;

	/* Wrong password, by each method. */
	for (int m = 0; m < 5; m++) {
		pair_init(&w);
		w.c[A].auth = w.c[B].auth = (uint8_t)(1u << m);
		w.password = "secre";
		pair_run(&w, 30000);
		assert_int_equal(w.gone[A] + w.gone[B], 2);
		assert_int_equal(w.ups[A] + w.ups[B], 0);
		assert_string_equal(w.p[A].reason, "authentication failed");
		assert_memory_equal(w.p[B].reason, "authentication failed", 21);
		assert_int_equal(w.auths, 1);
	}

	/* The right one, but no room. */
	pair_init(&w);
	w.refuse = true;
	pair_run(&w, 30000);
	assert_string_equal(w.p[A].reason, "too many sessions");
	assert_int_equal(w.ups[A] + w.ups[B], 0);
	assert_int_equal(w.gone[A] + w.gone[B], 2);

	/* One name server, or none: the client asks no more for what there is not. */
	for (int n = 0; n < 2; n++) {
		pair_init(&w);
		w.v.dns[1] = 0;
		w.v.dns[0] *= (uint32_t)n;
		pair_run(&w, 1000);
		assert_true(both_up(&w));
	}

	/* No common method. */
	pair_init(&w);
	w.c[B].auth = PPP_AUTH_PAP;
	pair_run(&w, 70000);
	assert_string_equal(w.p[A].reason, "no common authentication method");
	assert_int_equal(w.gone[A] + w.gone[B], 2);

	/* The client hangs up. */
	pair_init(&w);
	pair_run(&w, 1000);
	assert_true(both_up(&w));
	{
		struct ppp_out o;

		ppp_out_init(&o);
		ppp_close(&w.p[B], "bye", w.now_ms, &o);
		apply(&w, B, &o);
	}
	pair_run(&w, 30000);
	assert_int_equal(w.gone[A] + w.gone[B], 2);
	assert_int_equal(w.downs[A] + w.downs[B], 2);
	assert_string_equal(w.p[A].reason, "terminated by the peer");
	assert_string_equal(w.p[B].reason, "bye");

	/* The client vanishes. */
	pair_init(&w);
	w.cut_ms = 1000;
	pair_run(&w, 1000);
	assert_true(both_up(&w));
	pair_run(&w, 1000000);
	assert_string_equal(w.p[A].reason, "keepalive");
	assert_int_equal(w.downs[A], 1);

	/* And while the link lives, echoes keep it for a day. */
	pair_init(&w);
	pair_run(&w, 86400000);
	assert_true(both_up(&w));
	assert_int_equal(w.downs[A], 0);
}

/* A Success without the proof of RFC 2759 5, or with a wrong one, ends it for the client. */
static void t_client_proof(void **st)
{
	static const struct { const char *msg; bool ok; } msgs[] = {
		{ "", false }, { "S=", false }, { "S=00", false },
		{ "S=0000000000000000000000000000000000000000", false },
		{ "@", true }, { "@ M=hello", true }, { " @", false },
	};
	static struct one o;

	for (size_t i = 0; i < N_ELEMENTS(msgs); i++) {
		uint8_t buf[128];
		struct wr w = wr_of(buf, sizeof(buf));
		size_t at;

		lns_new(&o, &client_conf);
		ppp_start(&o.p, o.now_ms, &o.out);
		took(&o);
		echo_back(&o, CONFIGURE_ACK);
		feed(&o, "c021 01 01 0009 0305 c22381");
		assert_int_equal(o.p.phase, PPP_AUTHENTICATE);
		want("ff03c223 02 07 0039 31 " "................................" Z8
		     "................................................ 00 6a6f65",
			feed(&o, "c223 01 07 0015 10 000102030405060708090a0b0c0d0e0f"));
		/* Not answered yet: IPCP is not listened to, nor a wrong Identifier. */
		assert_string_equal(feed(&o, "8021 01 01 000a 0306 0a000001"), "");
		assert_string_equal(feed(&o, "c223 03 08 0004"), "");
		/* The Challenge again has the same Response. */
		at = o.last_n;
		memcpy(buf, o.last, at);
		feed(&o, "c223 01 07 0015 10 000102030405060708090a0b0c0d0e0f");
		assert_int_equal(o.last_n, at);
		assert_memory_equal(o.last, buf, at);

		wr_u16(&w, PPP_CHAP);
		wr_u16(&w, 0x0307);
		at = wr_open16(&w);
		for (const char *s = msgs[i].msg; *s; s++) {
			char proof[64];
			int n = 0;

			if (*s != '@') {
				wr_u8(&w, (uint8_t)*s);
				continue;
			}
			n += sprintf(proof, "S=");
			for (int k = 0; k < 20; k++)
				n += sprintf(proof + n, "%02X", o.p.auth.proof[k]);
			wr_bytes(&w, proof, (size_t)n);
		}
		wr_close16(&w, at, at - 2, 0);
		input(&o, buf, w.len);
		took(&o);
		assert_int_equal(o.p.phase, msgs[i].ok ? PPP_NETWORK : PPP_TERMINATE);
	}
}

static int init(void **st)
{
	return mschap_init() && mppe_init() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_frame), cmocka_unit_test(t_rows), cmocka_unit_test(t_mangled),
		cmocka_unit_test(t_lengths), cmocka_unit_test(t_flood), cmocka_unit_test(t_mtu),
		cmocka_unit_test(t_verdicts), cmocka_unit_test(t_verdict_words), cmocka_unit_test(t_methods), cmocka_unit_test(t_silence),
		cmocka_unit_test(t_keepalive), cmocka_unit_test(t_close), cmocka_unit_test(t_no_address),
		cmocka_unit_test(t_max_failure), cmocka_unit_test(t_limits), cmocka_unit_test(t_choose), cmocka_unit_test(t_servers), cmocka_unit_test(t_lost_success),
		cmocka_unit_test(t_endless), cmocka_unit_test(t_loopback),
		cmocka_unit_test(t_eap_rows), cmocka_unit_test(t_eap), cmocka_unit_test(t_eap_pass), cmocka_unit_test(t_eap_peer), cmocka_unit_test(t_eap_name),
		cmocka_unit_test(t_client_proof), cmocka_unit_test(t_ccp_rows), cmocka_unit_test(t_ccp),
		cmocka_unit_test(t_ccp_refused), cmocka_unit_test(t_pair_mppe), cmocka_unit_test(t_pair_mppe_loss), cmocka_unit_test(t_pair_eap_loss),
		cmocka_unit_test(t_ipv6cp), cmocka_unit_test(t_pair_ipv6),
		cmocka_unit_test(t_pair), cmocka_unit_test(t_pair_loss), cmocka_unit_test(t_pair_end),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
