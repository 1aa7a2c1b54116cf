/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RADIUS packets: what the relay makes of a request, which replies it takes, what a
 * reply says, and which server is asked next.  Replies are made here, by another
 * hand than the reader's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "l2tpd/radpkt.h"
#include "l2tpd/radserver.h"

#define SECRET "kiwi # jinx"

/* A request of libradcli's: header, a name, the cookie, a password. */
static uint8_t asked[128];
static size_t n_asked;
/* What went to the server. */
static uint8_t req[RAD_MAX];
static size_t n_req;

static void hash(const uint8_t *a, size_t n, const char *secret, uint8_t ret[static 16])
{
	uint8_t all[RAD_MAX + 64];

	memcpy(all, a, n);
	memcpy(all + n, secret, strlen(secret));
	assert_int_equal(EVP_Digest(all, n + strlen(secret), ret, NULL, EVP_md5(), NULL), 1);
}

static void request_make(uint8_t code)
{
	struct wr w = wr_of(asked, sizeof(asked));
	size_t at;

	wr_u8(&w, code);
	wr_u8(&w, 77);
	at = wr_open16(&w);
	for (uint8_t i = 0; i < 16; i++)
		wr_u8(&w, (uint8_t)(i * 3));
	wr_bytes(&w, "\x01\x05joe", 5);
	wr_bytes(&w, "\x21\x12" "0123456789abcdef", 18);
	wr_bytes(&w, "\x02\x12" "passwordpassword", 18);
	wr_close16(&w, at, 0, 0);
	assert_false(w.bad);
	n_asked = w.len;
	n_req = rad_forward(rd_of(asked, n_asked), SECRET, req);
}

static int setup(void **st)
{
	request_make(RAD_ACCESS_REQUEST);
	return n_req ? 0 : -1;
}

enum sign { NONE, FIRST, LAST };

/* Right in all, but for what the caller puts in. */
static size_t reply_make(uint8_t code, const void *attrs, size_t n, enum sign sign, uint8_t ret[static RAD_MAX])
{
	static const uint8_t ma[18] = { 80, 18 };
	struct wr w = wr_of(ret, RAD_MAX);
	size_t at, where = 0;
	unsigned len = 16;

	wr_u8(&w, code);
	wr_u8(&w, req[1]);
	at = wr_open16(&w);
	wr_bytes(&w, req + 4, 16);
	if (sign == FIRST) {
		where = w.len + 2;
		wr_bytes(&w, ma, sizeof(ma));
	}
	wr_bytes(&w, attrs, n);
	if (sign == LAST) {
		where = w.len + 2;
		wr_bytes(&w, ma, sizeof(ma));
	}
	wr_close16(&w, at, 0, 0);
	assert_false(w.bad);
	if (where)
		HMAC(EVP_md5(), SECRET, sizeof(SECRET) - 1, ret, w.len, ret + where, &len);
	hash(ret, w.len, SECRET, ret + 4);
	return w.len;
}

static enum rad_check judge(const uint8_t *p, size_t n, bool must)
{
	return rad_check_reply(rd_of(p, n), rd_of(req, n_req), SECRET, must);
}

static void t_forward(void **st)
{
	uint8_t cookie[RAD_COOKIE], sum[16], copy[RAD_MAX], out[RAD_MAX];
	unsigned len = 16;

	assert_true(rad_cookie(rd_of(asked, n_asked), cookie));
	assert_memory_equal(cookie, "0123456789abcdef", 16);
	/* Signature first, cookie gone, the rest as it was. */
	assert_int_equal(n_req, n_asked);
	assert_memory_equal(req, asked, 20);
	assert_memory_equal(req + 20, "\x50\x12", 2);
	assert_memory_equal(req + 38, "\x01\x05joe\x02\x12passwordpassword", 23);
	memcpy(copy, req, n_req);
	memset(copy + 22, 0, 16);
	HMAC(EVP_md5(), SECRET, sizeof(SECRET) - 1, copy, n_req, sum, &len);
	assert_memory_equal(sum, req + 22, 16);
	/* The same again for a repetition, and none of whose lengths are wrong. */
	assert_int_equal(rad_forward(rd_of(asked, n_asked), SECRET, out), n_req);
	assert_memory_equal(out, req, n_req);
	for (size_t n = 0; n < n_asked; n++)
		assert_int_equal(rad_forward(rd_of(asked, n), SECRET, out), 0);
	asked[26] = 17;			/* a cookie of 15 */
	assert_false(rad_cookie(rd_of(asked, n_asked), cookie));
	asked[26] = 18;
	asked[20] = 33;			/* and one of three */
	assert_false(rad_cookie(rd_of(asked, n_asked), cookie));
	request_make(RAD_ACCESS_ACCEPT);
	assert_int_equal(n_req, 0);
	/* RFC 2866 3 */
	request_make(RAD_ACCOUNTING_REQUEST);
	assert_int_equal(n_req, n_asked - 18);
	memcpy(copy, req, n_req);
	memset(copy + 4, 0, 16);
	hash(copy, n_req, SECRET, sum);
	assert_memory_equal(sum, req + 4, 16);
}

static void t_check(void **st)
{
	uint8_t p[RAD_MAX], q[RAD_MAX];
	size_t n;

	for (enum sign s = FIRST; s <= LAST; s++) {
		n = reply_make(RAD_ACCESS_ACCEPT, "\x12\x05" "abc", 5, s, p);
		assert_int_equal(judge(p, n, true), RAD_GOOD);
		p[n] = 0xff;		/* padding */
		assert_int_equal(judge(p, n + 1, true), RAD_GOOD);
		/* Every bit of it counts. */
		for (size_t i = 0; i < n * 8; i++) {
			memcpy(q, p, n);
			q[i / 8] ^= (uint8_t)(1 << i % 8);
			assert_int_not_equal(judge(q, n, true), RAD_GOOD);
			assert_int_not_equal(judge(q, n, false), RAD_GOOD);
		}
		for (size_t i = 0; i < n; i++)
			assert_int_equal(judge(p, i, true), RAD_MALFORMED);
	}
	n = reply_make(RAD_ACCESS_ACCEPT, "\x12\x05" "abc", 5, NONE, p);
	assert_int_equal(judge(p, n, true), RAD_UNSIGNED);
	assert_int_equal(judge(p, n, false), RAD_GOOD);
	/* One that is there must be right, even where none is wanted, and alone. */
	n = reply_make(RAD_ACCESS_ACCEPT, "\x50\x12" "0123456789abcdef", 18, NONE, p);
	assert_int_equal(judge(p, n, false), RAD_FORGED);
	n = reply_make(RAD_ACCESS_ACCEPT, "\x50\x12" "0123456789abcdef", 18, FIRST, p);
	assert_int_equal(judge(p, n, false), RAD_FORGED);
	n = reply_make(RAD_ACCESS_ACCEPT, "\x50\x02", 2, NONE, p);
	assert_int_equal(judge(p, n, false), RAD_FORGED);
	for (unsigned code = 0; code < 256; code++) {
		n = reply_make((uint8_t)code, "", 0, FIRST, p);
		assert_int_equal(judge(p, n, true), code == 2 || code == 3 || code == 11 ? RAD_GOOD : RAD_FORGED);
	}
	/* One for another request: the attacker saw it, and its identifier is the same now. */
	n = reply_make(RAD_ACCESS_ACCEPT, "", 0, FIRST, p);
	asked[4] ^= 1;
	n_req = rad_forward(rd_of(asked, n_asked), SECRET, req);
	assert_int_equal(judge(p, n, true), RAD_FORGED);
}

/* RFC 2548 2.4.2, as the server does it. */
static size_t hide_key(uint8_t type, uint16_t salt, const void *plain, size_t n, uint8_t *ret)
{
	uint8_t in[64], b[16], *c = ret + 10;

	memcpy(ret, (const uint8_t[]){ 26, (uint8_t)(10 + n), 0, 0, 1, 0x37, type, (uint8_t)(4 + n) }, 8);
	ret[8] = (uint8_t)(salt >> 8);
	ret[9] = (uint8_t)salt;
	memcpy(in, SECRET, sizeof(SECRET) - 1);
	memcpy(in + sizeof(SECRET) - 1, req + 4, 16);
	memcpy(in + sizeof(SECRET) - 1 + 16, ret + 8, 2);
	assert_int_equal(EVP_Digest(in, sizeof(SECRET) - 1 + 18, b, NULL, EVP_md5(), NULL), 1);
	for (size_t at = 0; at < n; at += 16) {
		for (size_t i = 0; i < 16 && at + i < n; i++)
			c[at + i] = ((const uint8_t *)plain)[at + i] ^ b[i];
		memcpy(in + sizeof(SECRET) - 1, c + at, 16);
		assert_int_equal(EVP_Digest(in, sizeof(SECRET) - 1 + 16, b, NULL, EVP_md5(), NULL), 1);
	}
	return 10 + n;
}

#define MS(n) "\x1a" n "\x00\x00\x01\x37"
#define SUCCESS MS("\x33") "\x1a\x2d\x09S=0123456789abcdefABCDEF0123456789ABCDEF01"

#define WISPR(n) "\x1a" n "\x00\x00\x37\x2a"
#define MIKROTIK(n) "\x1a" n "\x00\x00\x3a\x8c"

/* What a reply says: attributes, and why they let nobody in. */
static const struct {
	const char *attrs;
	size_t n;
	uint32_t method;
	const char *why;		/* NULL: let in */
} rows[] = {
#define NAME63 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
#define ROW(a, m, why) { a, sizeof(a) - 1, m, why }
	ROW("", AUTH_PAP, NULL),
	ROW("\x06\x06\0\0\0\x02\x07\x06\0\0\0\x01", AUTH_CHAP_MD5, NULL),
	/* Unknown ones, of others and of Microsoft. */
	ROW("\xf0\x07hello\x1a\x0c\x00\x00\x39\x7f\x01\x06" "abcd" MS("\x0a") "\xc8\x04xx", AUTH_PAP, NULL),
	ROW("\x06\x06\0\0\0\x06", AUTH_PAP, "Service-Type is not Framed"),
	ROW("\x06\x05\0\0\x02", AUTH_PAP, "Service-Type is not Framed"),
	ROW("\x06\x07\0\0\0\x02\0", AUTH_PAP, "Service-Type is not Framed"),
	ROW("\x07\x06\0\0\0\x02", AUTH_PAP, "Framed-Protocol is not PPP"),
	ROW("\x07\x07\0\0\0\x01\0", AUTH_PAP, "Framed-Protocol is not PPP"),
	ROW("\x08\x06\x0a\x00\x00\x05", AUTH_PAP, NULL),
	ROW("\x08\x06\x0a\x00\x00\x05\x08\x06\x0a\x00\x00\x05", AUTH_PAP, NULL),
	ROW("\x08\x06\x0a\x00\x00\x05\x08\x06\x0a\x00\x00\x06", AUTH_PAP, "Framed-IP-Address"),
	ROW("\x08\x05\x0a\x00\x00", AUTH_PAP, "Framed-IP-Address"),
	ROW("\x08\x07\x0a\x00\x00\x05\x00", AUTH_PAP, "Framed-IP-Address"),
	ROW("\x08\x06\0\0\0\0", AUTH_PAP, "Framed-IP-Address"),
	ROW("\x08\x06\x7f\0\0\x01", AUTH_PAP, "Framed-IP-Address"),
	ROW("\x08\x06\xe0\0\0\x01", AUTH_PAP, "Framed-IP-Address"),
	ROW("\x08\x06\xff\xff\xff\xff", AUTH_PAP, NULL),
	ROW("\x08\x06\xff\xff\xff\xfe\x09\x06\xff\xff\xff\0", AUTH_PAP, NULL),
	ROW("\x08\x06\x0a\x00\x00\x05\x09\x06\xff\xff\xff\xf8", AUTH_PAP, NULL),
	ROW("\x08\x06\x0a\x00\x00\x05\x09\x06\xff\x00\xff\x00", AUTH_PAP, "Framed-IP-Netmask"),
	ROW("\x09\x06\xff\xff\xff\xf8\x09\x06\xff\xff\xff\xf0", AUTH_PAP, "Framed-IP-Netmask"),
	ROW("\x1b\x05\0\0\x01", AUTH_PAP, "Session-Timeout"),
	ROW("\x1b\x06\0\0\0\x09\x1b\x06\0\0\0\x08", AUTH_PAP, "Session-Timeout"),
	ROW("\x1c\x05\0\0\x01", AUTH_PAP, "Idle-Timeout"),
	ROW("\x0b\x07staff", AUTH_PAP, NULL),
	ROW("\x0b\x07staff\x0b\x07staff", AUTH_PAP, NULL),
	ROW("\x0b\x07staff\x0b\x06staf", AUTH_PAP, "several Filter-Ids"),
	ROW("\x0b\x06staf\x0b\x07staff", AUTH_PAP, "several Filter-Ids"),
	ROW("\x0b\x02", AUTH_PAP, "Filter-Id cannot be a filter's name"),
	ROW("\x0b\x07st ff", AUTH_PAP, "Filter-Id cannot be a filter's name"),
	ROW("\x0b\x08staff\0", AUTH_PAP, "Filter-Id cannot be a filter's name"),
	ROW("\x0b\x41" NAME63, AUTH_PAP, NULL),
	ROW("\x0b\x42" NAME63 "a", AUTH_PAP, "Filter-Id cannot be a filter's name"),
	ROW("\x1a\x05\x00\x01\x37", AUTH_PAP, "Vendor-Specific"),
	ROW(MS("\x06"), AUTH_PAP, "Vendor-Specific"),
	ROW(MS("\x07") "\xc8", AUTH_PAP, "Vendor-Specific"),
	ROW(MS("\x08") "\xc8\x01", AUTH_PAP, "Vendor-Specific"),
	ROW(MS("\x08") "\xc8\x03", AUTH_PAP, "Vendor-Specific"),
	ROW(MS("\x0b") "\x1c\x05\1\2\3", AUTH_PAP, "MS-Primary-DNS-Server"),
	ROW(MS("\x0b") "\x1d\x05\1\2\3", AUTH_PAP, "MS-Secondary-DNS-Server"),
	ROW(MS("\x0b") "\x1e\x05\1\2\3", AUTH_PAP, "MS-Primary-NBNS-Server"),
	ROW(MS("\x0b") "\x1f\x05\1\2\3", AUTH_PAP, "MS-Secondary-NBNS-Server"),
	ROW(SUCCESS, AUTH_MSCHAPV2, NULL),
	ROW(SUCCESS, AUTH_EAP_MSCHAPV2, NULL),
	ROW("", AUTH_MSCHAPV2, "no MS-CHAP2-Success"),
	ROW("", AUTH_EAP_MSCHAPV2, "no MS-CHAP2-Success"),
	ROW(SUCCESS SUCCESS, AUTH_MSCHAPV2, "MS-CHAP2-Success"),
	ROW(MS("\x33") "\x1a\x2d\x08S=0123456789abcdefABCDEF0123456789ABCDEF01", AUTH_MSCHAPV2, "MS-CHAP2-Success"),
	ROW(MS("\x33") "\x1a\x2d\x09s=0123456789abcdefABCDEF0123456789ABCDEF01", AUTH_MSCHAPV2, "MS-CHAP2-Success"),
	ROW(MS("\x33") "\x1a\x2d\x09S=0123456789abcdefABCDEF0123456789ABCDEG01", AUTH_MSCHAPV2, "MS-CHAP2-Success"),
	ROW(MS("\x32") "\x1a\x2c\x09S=0123456789abcdefABCDEF0123456789ABCDEF0", AUTH_MSCHAPV2, "MS-CHAP2-Success"),
	ROW(MS("\x36") "\x1a\x30\x09S=0123456789abcdefABCDEF0123456789ABCDEF01 M=", AUTH_MSCHAPV2, NULL),
	ROW(MS("\x08") "\x02\x02", AUTH_PAP, "MS-CHAP-Error"),
	ROW(MS("\x0b") "\x02\x05\x09R=", AUTH_PAP, "MS-CHAP-Error"),
	ROW("\x0c\x06\0\0\x05\x14", AUTH_PAP, NULL),
	ROW("\x0c\x06\0\0\x05\x14\x0c\x06\0\0\x05\x14", AUTH_PAP, NULL),
	ROW("\x0c\x06\0\0\x05\x14\x0c\x06\0\0\x05\x15", AUTH_PAP, "Framed-MTU"),
	ROW("\x0c\x06\0\0\0\x40\x0c\x06\0\0\0\x40", AUTH_PAP, NULL),
	ROW("\x0c\x06\0\0\0\x3f", AUTH_PAP, "Framed-MTU"),
	ROW("\x0c\x06\0\0\0\0", AUTH_PAP, "Framed-MTU"),
	ROW("\x0c\x06\0\0\xff\xff", AUTH_PAP, NULL),
	ROW("\x0c\x06\0\1\0\0", AUTH_PAP, "Framed-MTU"),
	ROW("\x0c\x04\5\xdc", AUTH_PAP, "Framed-MTU"),
	ROW("\x3e\x06\0\0\0\1", AUTH_PAP, NULL),
	ROW("\x3e\x06\0\0\0\0", AUTH_PAP, "Port-Limit is 0"),
	ROW("\x3e\x03\1", AUTH_PAP, "Port-Limit"),
	ROW("\x3e\x06\0\0\0\1\x3e\x06\0\0\0\2", AUTH_PAP, "Port-Limit"),
	ROW("\x58\x06STAF\x58\x06STAF", AUTH_PAP, NULL),
	ROW("\x58\x06STAF\x58\x05STA", AUTH_PAP, "Framed-Pool"),
	ROW("\x58\x02", AUTH_PAP, "Framed-Pool"),
	ROW("\x58\x06ST F", AUTH_PAP, "Framed-Pool"),
	ROW("\x58\x06ST\0F", AUTH_PAP, "Framed-Pool"),
	ROW("\x58\x42" "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", AUTH_PAP, "Framed-Pool"),
	/* Refused logins of RFC 2865 5.22: what the text may be is below (t_routes). */
	ROW("\x16\x14" "10.1.0.0/24 0.0.0.", AUTH_PAP, "Framed-Route"),
	ROW("\x16\x02", AUTH_PAP, "Framed-Route"),
	ROW("\x16\x0d" "10.1.0.0/24\x16\x0d" "10.1.0.0/24", AUTH_PAP, NULL),
	ROW("\x16\x0d" "10.1.0.0/24\x16\x0d" "10.1.0.0/25", AUTH_PAP, "two Framed-Routes overlap"),
	ROW("\x16\x0d" "10.1.0.0/24\x16\x0d" "10.1.0.0/16", AUTH_PAP, "two Framed-Routes overlap"),
	ROW("\x16\x16" "10.1.0.0/24 10.0.0.5\x08\x06\x0a\0\0\5", AUTH_PAP, NULL),
	ROW("\x16\x16" "10.1.0.0/24 10.0.0.6\x08\x06\x0a\0\0\5", AUTH_PAP, "Framed-Route by another gateway"),
	ROW("\x16\x16" "10.1.0.0/24 10.0.0.5", AUTH_PAP, "Framed-Route by another gateway"),
	ROW(WISPR("\x0c") "\x07\x06\0\1\0\0" WISPR("\x0c") "\x08\x06\0\1\0\0", AUTH_PAP, NULL),
	ROW(WISPR("\x0c") "\x07\x06\0\1\0\0" WISPR("\x0c") "\x07\x06\0\1\0\1", AUTH_PAP, "WISPr-Bandwidth-Max-Up"),
	ROW(WISPR("\x0b") "\x08\x05\0\1\0", AUTH_PAP, "WISPr-Bandwidth-Max-Down"),
	ROW(WISPR("\x0b") "\x01\x05zzz", AUTH_PAP, NULL),
	ROW(WISPR("\x0b") "\x01\x06zzz", AUTH_PAP, "Vendor-Specific"),
	ROW(WISPR("\x06"), AUTH_PAP, "Vendor-Specific"),
	ROW(MIKROTIK("\x0b") "\x01\x05zzz", AUTH_PAP, NULL),
	ROW(MIKROTIK("\x0a") "\x08\x04" "5M" MIKROTIK("\x0d") "\x08\x07" "5000k", AUTH_PAP, NULL),
	ROW(MIKROTIK("\x0a") "\x08\x04" "5M" MIKROTIK("\x0a") "\x08\x04" "6M", AUTH_PAP, "Mikrotik-Rate-Limit"),
	ROW(MIKROTIK("\x0a") "\x08\x04" "5x", AUTH_PAP, "Mikrotik-Rate-Limit"),
};

static struct msg_radius_said read_reply(uint8_t code, const void *attrs, size_t n, uint32_t method)
{
	struct msg_radius_ask ask = { .judge.req = { .method = method, .ident = 9 } };
	struct msg_radius_said said;
	uint8_t p[RAD_MAX];

	n = reply_make(code, attrs, n, FIRST, p);
	assert_int_equal(judge(p, n, true), RAD_GOOD);
	rad_read_reply(rd_of(p, n), rd_of(req, n_req), SECRET, &ask, &said);
	return said;
}

static void t_read(void **st)
{
	static const struct msg_radius_said nothing = { .verdict = VERDICT_DENY };

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct msg_radius_said said = read_reply(RAD_ACCESS_ACCEPT, rows[i].attrs, rows[i].n, rows[i].method), bare;
		char why[64] = "";

		if (rows[i].why)
			snprintf(why, sizeof(why), "RADIUS reply: %s", rows[i].why);
		if (strcmp(said.why, why) || said.verdict != (rows[i].why ? VERDICT_DENY : VERDICT_OK))
			fail_msg("row %zu: verdict %u: %s", i, said.verdict, said.why);
		assert_int_equal(said.answered, !rows[i].why);
		if (!rows[i].why)
			continue;
		/* Nothing of a reply that is refused gets out. */
		bare = nothing;
		memcpy(bare.why, said.why, sizeof(bare.why));
		bare.mschap_error = said.mschap_error;
		assert_memory_equal(&said, &bare, sizeof(said));
	}
}

static void t_values(void **st)
{
	static const char all[] = "\x08\x06\x0a\x00\x00\x05\x09\x06\xff\xff\xff\xf8\x1b\x06\0\0\x0e\x10\x1c\x06\0\0\0\x3c"
		"\x0b\x0aGuest.in"
		"\x0c\x06\0\0\4\0\x3e\x06\0\0\0\2\x58\x06POOL\x16\x0d" "10.1.0.0/24" WISPR("\x0c") "\x07\x06\0\0\1\0"
		"\x12\x05" "a\"b" "\x12\x04\x1b\n" MS("\x18") "\x1c\x06\x09\x09\x09\x09\x1d\x06\x08\x08\x08\x08\x1e\x06\x01\x02\x03\x04"
		SUCCESS;
	struct msg_radius_said s = read_reply(RAD_ACCESS_ACCEPT, all, sizeof(all) - 1, AUTH_MSCHAPV2);

	assert_int_equal(s.verdict, VERDICT_OK);
	assert_int_equal(s.framed_ip, 0x0a000005);
	assert_int_equal(s.framed_mask, 0xfffffff8);
	assert_int_equal(s.session_timeout_s, 3600);
	assert_int_equal(s.says.idle_timeout_s, 60);
	assert_string_equal(s.says.filter, "Guest.in");
	assert_int_equal(s.says.dns[0], 0x09090909);
	assert_int_equal(s.says.dns[1], 0x08080808);
	assert_int_equal(s.says.nbns[0], 0x01020304);
	assert_int_equal(s.says.mtu, 1024);
	assert_int_equal(s.says.port_limit, 2);
	assert_string_equal(s.says.pool, "POOL");
	assert_int_equal(s.says.n_routes, 1);
	assert_int_equal(s.says.rate_in_bps, 256);
	assert_int_equal(s.says.rate_out_bps, 0);
	assert_string_equal(s.message, "a\\x22b\\x1b\\x0a");
	assert_memory_equal(s.mschap_auth, "\x01\x23\x45\x67\x89\xab\xcd\xef\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef\x01", 20);
	assert_false(s.mppe_keys);
	/* A refusal: words and the error for the peer, and nothing else. */
	static const char no[] = "\x12\x04no\x08\x06\x0a\0\0\5" MS("\x1a") "\x02\x14\x09" "E=649 R=0 C=0 V=3";

	s = read_reply(RAD_ACCESS_REJECT, no, sizeof(no) - 1, AUTH_MSCHAPV2);
	assert_int_equal(s.verdict, VERDICT_DENY);
	assert_string_equal(s.why, "the RADIUS server refuses");
	assert_string_equal(s.message, "no");
	assert_int_equal(s.mschap_error, 649);
	assert_true(s.answered);
	assert_int_equal(s.framed_ip, 0);
	s = read_reply(RAD_ACCESS_CHALLENGE, "\x12\x06PIN?\x18\x03x", 9, AUTH_PAP);
	assert_int_equal(s.verdict, VERDICT_DENY);
	assert_non_null(strstr(s.why, "wants another answer"));
	assert_false(s.answered);
}

/* One attribute, of a vendor or of none. */
static size_t attr_make(uint32_t vendor, uint8_t type, const void *val, size_t n, uint8_t *ret)
{
	struct wr w = wr_of(ret, 256);

	if (vendor) {
		wr_u8(&w, 26);
		wr_u8(&w, (uint8_t)(8 + n));
		wr_u32(&w, vendor);
	}
	wr_u8(&w, type);
	wr_u8(&w, (uint8_t)(2 + n));
	wr_bytes(&w, val, n);
	assert_false(w.bad);
	return w.len;
}

/* Framed-Route, RFC 2865 5.22. */
static void t_routes(void **st)
{
	static const struct {
		const char *text;
		uint32_t net, mask;	/* 0: refused */
	} routes[] = {
		{ "10.1.0.0/24 0.0.0.0 1", 0x0a010000, 0xffffff00 }, { "10.1.0.0/24 0.0.0.0 1 2 -1 3 400", 0x0a010000, 0xffffff00 },
		{ "10.1.0.0/24", 0x0a010000, 0xffffff00 }, { "10.1.0.0/24 0.0.0.0", 0x0a010000, 0xffffff00 },
		{ "10.1.2.3/32 0.0.0.0 1", 0x0a010203, 0xffffffff }, { "10.0.0.0/8 0.0.0.0", 0x0a000000, 0xff000000 },
		/* Classes. */
		{ "10.0.0.0 0.0.0.0 1", 0x0a000000, 0xff000000 }, { "172.16.0.0 0.0.0.0 1", 0xac100000, 0xffff0000 },
		{ "192.168.5.0 0.0.0.0 1", 0xc0a80500, 0xffffff00 }, { "192.168.5.0", 0xc0a80500, 0xffffff00 },
		{ "10.1.0.0 0.0.0.0 1", 0, 0 }, { "192.168.5.1 0.0.0.0 1", 0, 0 },
		{ "10.1.0.1/24 0.0.0.0", 0, 0 }, { "10.1.0.0/33 0.0.0.0", 0, 0 }, { "10.1.0.0/7", 0, 0 }, { "0.0.0.0/0 0.0.0.0 1", 0, 0 },
		{ "10.1.0.0/", 0, 0 }, { "10.1.0.0/24x", 0, 0 }, { "10.1.0.0/24 x", 0, 0 }, { "10.1.0.0/24 0.0.0.0 x", 0, 0 },
		{ "10.1.0/24", 0, 0 }, { "10.1.0.256/32", 0, 0 }, { "10.1.0.0.0/24", 0, 0 }, { "127.0.0.0/24", 0, 0 },
		{ "224.0.0.0/24", 0, 0 }, { "0.1.0.0/24", 0, 0 }, { "2001:db8::/32 :: 1", 0, 0 }, { "default", 0, 0 }, { " ", 0, 0 },
		{ "10.1.0.0/4294967320", 0, 0 }, { "10.1.0.0/24 0.0.0.0,1", 0, 0 },
	};
	uint8_t attrs[RAD_MAX], name[16];
	struct msg_radius_said s;
	size_t n;

	for (size_t i = 0; i < N_ELEMENTS(routes); i++) {
		n = attr_make(0, RAD_FRAMED_ROUTE, routes[i].text, strlen(routes[i].text), attrs);
		s = read_reply(RAD_ACCESS_ACCEPT, attrs, n, AUTH_PAP);
		if ((s.verdict == VERDICT_OK) != (routes[i].mask != 0) || s.says.n_routes != (routes[i].mask != 0) ||
		    s.says.route[0].net != routes[i].net || s.says.route[0].mask != routes[i].mask)
			fail_msg("\"%s\": %u %08x/%08x", routes[i].text, s.says.n_routes, s.says.route[0].net, s.says.route[0].mask);
	}
	/* As many as there is room for, and one more. */
	n = 0;
	for (unsigned i = 0; i <= RADIUS_ROUTES_MAX; i++) {
		snprintf((char *)name, sizeof(name), "10.%u.0.0/16", i);
		n += attr_make(0, RAD_FRAMED_ROUTE, name, strlen((char *)name), attrs + n);
		s = read_reply(RAD_ACCESS_ACCEPT, attrs, n, AUTH_PAP);
		assert_int_equal(s.verdict, i < RADIUS_ROUTES_MAX ? VERDICT_OK : VERDICT_DENY);
		assert_int_equal(s.says.n_routes, i < RADIUS_ROUTES_MAX ? i + 1 : 0);
	}
	assert_string_equal(s.why, "RADIUS reply: too many Framed-Routes");
}

/* Limits, in bits per second from the client and to it. */
static void t_rates(void **st)
{
	enum { BAD = 1 };		/* no rate of these rows */
	static const struct {
		const char *text;
		uint64_t in, out;
	} rates[] = {
		{ "2M", 2000000, 2000000 }, { "512k/2M", 512000, 2000000 }, { "1G/1g", 1000000000, 1000000000 },
		{ "64000", 64000, 64000 }, { "64000/0", 64000, 0 }, { "0/0", 0, 0 }, { "1000G", 1000000000000, 1000000000000 },
		{ "2M/4M 4M/8M 1M/2M 10/10 8 1M/1M", 2000000, 4000000 }, { "2M/4M 4M/8M 1M/2M 10s/10s", 2000000, 4000000 },
		{ "2M ", 2000000, 2000000 },
		{ "", BAD, BAD }, { "M", BAD, BAD }, { "2M/", BAD, BAD }, { "/2M", BAD, BAD }, { "2MM", BAD, BAD }, { "2M/4M/8M", BAD, BAD },
		{ "-2M", BAD, BAD }, { "2.5M", BAD, BAD }, { " 2M", BAD, BAD }, { "2M\n", BAD, BAD }, { "2M burst", BAD, BAD },
		{ "1001G", BAD, BAD }, { "99999999999999999999", BAD, BAD }, { "18446744073709551616k", BAD, BAD }, { "2T", BAD, BAD },
	};
	/* What WISPr's say beside "1M/2M": the lower one counts. */
	static const struct { uint32_t up, down; uint64_t in, out; } both[] = {
		{ 500000, 500000, 500000, 500000 }, { 1500000, 1500000, 1000000, 1500000 }, { 0, 0, 1000000, 2000000 },
		{ UINT32_MAX, 1, 1000000, 1 },
	};
	uint8_t attrs[RAD_MAX];
	struct msg_radius_said s;
	size_t n;

	for (size_t i = 0; i < N_ELEMENTS(rates); i++) {
		bool ok = rates[i].in != BAD;

		n = attr_make(RAD_VENDOR_MIKROTIK, 8, rates[i].text, strlen(rates[i].text), attrs);
		s = read_reply(RAD_ACCESS_ACCEPT, attrs, n, AUTH_PAP);
		if ((s.verdict == VERDICT_OK) != ok || (ok && (s.says.rate_in_bps != rates[i].in || s.says.rate_out_bps != rates[i].out)))
			fail_msg("\"%s\": %llu %llu %s", rates[i].text, (unsigned long long)s.says.rate_in_bps,
				(unsigned long long)s.says.rate_out_bps, s.why);
	}
	for (size_t i = 0; i < N_ELEMENTS(both); i++) {
		const uint32_t v[] = { both[i].up, both[i].down };

		n = attr_make(RAD_VENDOR_MIKROTIK, 8, "1M/2M", 5, attrs);
		for (unsigned k = 0; k < 2; k++) {
			const uint8_t b[] = { (uint8_t)(v[k] >> 24), (uint8_t)(v[k] >> 16), (uint8_t)(v[k] >> 8), (uint8_t)v[k] };

			n += attr_make(RAD_VENDOR_WISPR, (uint8_t)(7 + k), b, 4, attrs + n);
		}
		s = read_reply(RAD_ACCESS_ACCEPT, attrs, n, AUTH_PAP);
		assert_int_equal(s.verdict, VERDICT_OK);
		assert_int_equal(s.says.rate_in_bps, both[i].in);
		assert_int_equal(s.says.rate_out_bps, both[i].out);
	}
	/* A server that refuses may say what it likes. */
	n = attr_make(RAD_VENDOR_MIKROTIK, 8, "x", 1, attrs);
	s = read_reply(RAD_ACCESS_REJECT, attrs, n, AUTH_PAP);
	assert_string_equal(s.why, "the RADIUS server refuses");
}

static void t_keys(void **st)
{
	uint8_t plain[48] = { 16 }, a[256];
	struct msg_radius_said s;
	size_t n, m;

	for (uint8_t i = 1; i < 48; i++)
		plain[i] = i <= 16 ? (uint8_t)(i * 7) : 0;
	memcpy(a, SUCCESS, sizeof(SUCCESS) - 1);
	n = sizeof(SUCCESS) - 1;
	m = hide_key(16, 0x8001, plain, 32, a + n);
	plain[1] ^= 0xff;
	m += hide_key(17, 0xffff, plain, 48, a + n + m);
	s = read_reply(RAD_ACCESS_ACCEPT, a, n + m, AUTH_MSCHAPV2);
	assert_int_equal(s.verdict, VERDICT_OK);
	assert_true(s.mppe_keys);
	assert_memory_equal(s.mppe_recv, plain + 1, 16);
	plain[1] ^= 0xff;
	assert_memory_equal(s.mppe_send, plain + 1, 16);
	/* One of two, twice the same, a salt without its bit, lengths. */
	static const struct { uint8_t type[2]; uint16_t salt; uint8_t len; size_t n; } bad[] = {
		{ { 16, 0 }, 0x8001, 16, 32 }, { { 17, 0 }, 0x8001, 16, 32 }, { { 16, 16 }, 0x8001, 16, 32 },
		{ { 16, 17 }, 0x0001, 16, 32 }, { { 16, 17 }, 0x8001, 15, 32 }, { { 16, 17 }, 0x8001, 17, 32 },
		{ { 16, 17 }, 0x8001, 16, 16 }, { { 16, 17 }, 0x8001, 16, 0 }, { { 16, 17 }, 0x8001, 16, 31 },
		{ { 16, 17 }, 0x8001, 16, 33 },
	};
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		plain[0] = bad[i].len;
		m = 0;
		for (unsigned k = 0; k < 2 && bad[i].type[k]; k++)
			m += hide_key(bad[i].type[k], bad[i].salt, plain, bad[i].n, a + n + m);
		s = read_reply(RAD_ACCESS_ACCEPT, a, n + m, AUTH_MSCHAPV2);
		if (s.verdict != VERDICT_DENY || !strstr(s.why, "MPPE"))
			fail_msg("row %zu: %u %s", i, s.verdict, s.why);
	}
}

/* EAP: what answers our Response 0x41, and why that ends the login. */
static const struct {
	uint8_t code;
	const char *attrs;
	size_t n;
	uint32_t verdict;
	const char *why;
} eap_rows[] = {
#define EAP(c, a, v, why) { c, a, sizeof(a) - 1, v, why }
#define TLS_START "\x01\x42\x00\x06\x0d\x20"
	EAP(11, "\x4f\x08" TLS_START "\x18\x03s", VERDICT_EAP, ""),
	/* Without a State; the State first; in two pieces, one of them empty; an unknown attribute beside it. */
	EAP(11, "\x4f\x08" TLS_START, VERDICT_EAP, ""),
	EAP(11, "\x18\x03s\x4f\x08" TLS_START, VERDICT_EAP, ""),
	EAP(11, "\x4f\x05\x01\x42\x00\x4f\x02\x4f\x05\x06\x0d\x20", VERDICT_EAP, ""),
	EAP(11, "\xf0\x03x\x4f\x08" TLS_START "\xf1\x03x", VERDICT_EAP, ""),
	EAP(11, "\x4f\x08" TLS_START "\x1b\x06\0\0\0\x3c", VERDICT_EAP, ""),
	/* What would be wrong in an Accept is nothing here; nor is what MS-CHAP says outside of EAP. */
	EAP(11, "\x4f\x08" TLS_START "\x06\x06\0\0\0\x06" MS("\x08") "\x02\x02", VERDICT_EAP, ""),
	EAP(11, "", VERDICT_DENY, "no EAP-Message"),
	EAP(11, "\x4f\x02", VERDICT_DENY, "no EAP-Message"),
	EAP(11, "\x4f\x05\x01\x42\x00\x18\x03s\x4f\x05\x06\x0d\x20", VERDICT_DENY, "EAP-Message"),
	EAP(11, "\x4f\x08" TLS_START "\x18\x03s\x18\x03s", VERDICT_DENY, "State"),
	EAP(11, "\x4f\x08" TLS_START "\x18\x02", VERDICT_DENY, "State"),
	EAP(11, "\x4f\x08" TLS_START "\x1b\x05\0\0\x3c", VERDICT_DENY, "Session-Timeout"),
	EAP(11, "\x4f\x07\x01\x42\x00\x06\x0d", VERDICT_DENY, "an EAP-Message of another length"),
	EAP(11, "\x4f\x09" TLS_START "x", VERDICT_DENY, "an EAP-Message of another length"),
	EAP(11, "\x4f\x05\x01\x42\x00", VERDICT_DENY, "an EAP-Message of another length"),
	EAP(11, "\x4f\x06\x01\x42\x00\x04", VERDICT_DENY, "a Challenge without EAP Request"),
	EAP(11, "\x4f\x08\x02\x42\x00\x06\x0d\x20", VERDICT_DENY, "a Challenge without EAP Request"),
	EAP(11, "\x4f\x06\x03\x41\x00\x04", VERDICT_DENY, "a Challenge without EAP Request"),
	EAP(11, "\x4f\x08\x01\x41\x00\x06\x0d\x20", VERDICT_DENY, "EAP Request, Identifier of the last"),
	/* RFC 3579 2.2: our Response was none, its Request stands. */
	EAP(11, "\x4f\x08\x01\x41\x00\x06\x0d\x20\x65\x06\0\0\0\xca", VERDICT_EAP, ""),
	EAP(11, "\x4f\x08\x01\x41\x00\x06\x0d\x20\x65\x06\0\0\0\xc9", VERDICT_DENY, "EAP Request, Identifier of the last"),
	EAP(2, "\x4f\x06\x03\x41\x00\x04", VERDICT_OK, ""),
	EAP(2, "\x01\x06" "anna\x4f\x06\x03\x41\x00\x04\x1b\x06\0\0\0\x3c", VERDICT_OK, ""),
	EAP(2, "", VERDICT_DENY, "no EAP-Message"),
	EAP(2, "\x4f\x06\x04\x41\x00\x04", VERDICT_DENY, "an Accept without EAP Success"),
	EAP(2, "\x4f\x08" TLS_START, VERDICT_DENY, "an Accept without EAP Success"),
	EAP(2, "\x4f\x07\x03\x41\x00\x05\x00", VERDICT_DENY, "an Accept without EAP Success"),
	EAP(2, "\x4f\x06\x03\x42\x00\x04", VERDICT_DENY, "EAP Success of another Identifier"),
	EAP(2, "\x01\x02\x4f\x06\x03\x41\x00\x04", VERDICT_DENY, "User-Name"),
	EAP(2, "\x01\x03" "a\x01\x03" "b\x4f\x06\x03\x41\x00\x04", VERDICT_DENY, "User-Name"),
	EAP(2, "\x4f\x06\x03\x41\x00\x04\x06\x06\0\0\0\x06", VERDICT_DENY, "Service-Type is not Framed"),
	EAP(3, "\x4f\x06\x04\x41\x00\x04", VERDICT_DENY, NULL),
	EAP(3, "", VERDICT_DENY, NULL),
	EAP(3, "\x4f\x06\x03\x41\x00\x04", VERDICT_DENY, NULL),
};

static struct msg_radius_said read_eap(uint8_t code, const void *attrs, size_t n)
{
	struct msg_radius_ask ask = { .judge.req = { .method = AUTH_EAP, .mtu = 1356 } };
	struct eap_relay *e = &ask.judge.req.eap;
	struct msg_radius_said said;
	uint8_t p[RAD_MAX];

	memcpy(e->packet, "\x02\x41\x00\x08\x01joe", e->len = 8);
	n = reply_make(code, attrs, n, FIRST, p);
	assert_int_equal(judge(p, n, true), RAD_GOOD);
	rad_read_reply(rd_of(p, n), rd_of(req, n_req), SECRET, &ask, &said);
	return said;
}

static void t_eap(void **st)
{
	static const struct msg_radius_said nothing = { .verdict = VERDICT_DENY };
	static const struct { size_t n; bool ok; } sizes[] = {
		{ 253, true }, { 254, true }, { 507, true }, { 1356, true }, { 1357, false }, { 1500, false }, { 1501, false },
	};
	uint8_t plain[48] = { 32 }, a[RAD_MAX], packet[1600];
	struct msg_radius_said s;
	size_t n;

	for (size_t i = 0; i < N_ELEMENTS(eap_rows); i++) {
		struct msg_radius_said bare = nothing;
		char why[64] = "";

		s = read_eap(eap_rows[i].code, eap_rows[i].attrs, eap_rows[i].n);
		if (!eap_rows[i].why)
			snprintf(why, sizeof(why), "the RADIUS server refuses");
		else if (eap_rows[i].why[0])
			snprintf(why, sizeof(why), "RADIUS reply: %s", eap_rows[i].why);
		if (strcmp(s.why, why) || s.verdict != eap_rows[i].verdict)
			fail_msg("row %zu: verdict %u: %s", i, s.verdict, s.why);
		/* Only what is final is a word on the password. */
		assert_int_equal(s.answered, s.verdict == VERDICT_OK || !eap_rows[i].why);
		if (s.verdict == VERDICT_EAP)
			assert_memory_equal(s.eap.packet + 4, "\x0d\x20", 2);
		else
			assert_int_equal(s.eap.len + s.eap.state_len, 0);
		if (s.verdict == VERDICT_DENY) {
			memcpy(bare.why, s.why, sizeof(bare.why));
			bare.answered = s.answered;
			assert_memory_equal(&s, &bare, sizeof(s));
		}
	}
	s = read_eap(11, "\x4f\x08" TLS_START "\x18\x07state\x1b\x06\0\0\0\x3c", 21);
	assert_int_equal(s.eap.len, 6);
	assert_memory_equal(s.eap.packet, TLS_START, 6);
	assert_int_equal(s.eap.state_len, 5);
	assert_memory_equal(s.eap.state, "state", 5);
	assert_int_equal(s.eap.wait_s, 60);
	assert_int_equal(s.session_timeout_s, 0);
	s = read_eap(2, "\x01\x06" "anna\x4f\x06\x03\x41\x00\x04\x1b\x06\0\0\0\x3c", 18);
	assert_int_equal(s.user_len, 4);
	assert_memory_equal(s.user, "anna", 4);
	assert_int_equal(s.session_timeout_s, 60);
	/* A challenge is nothing to whoever did not come by EAP, and its Accept has no name for him. */
	s = read_reply(RAD_ACCESS_CHALLENGE, "\x4f\x08" TLS_START, 8, AUTH_EAP_MD5);
	assert_int_equal(s.verdict, VERDICT_DENY);
	s = read_reply(RAD_ACCESS_ACCEPT, "\x01\x06" "anna", 6, AUTH_PAP);
	assert_true(s.verdict == VERDICT_OK && !s.user_len);

	/* As long as it may be, in pieces. */
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		struct wr w = wr_of(a, sizeof(a));

		memset(packet, 'x', sizeof(packet));
		memcpy(packet, TLS_START, 6);
		packet[2] = (uint8_t)(sizes[i].n >> 8);
		packet[3] = (uint8_t)sizes[i].n;
		for (size_t at = 0; at < sizes[i].n; at += 253) {
			size_t piece = MIN(sizes[i].n - at, (size_t)253);

			wr_u8(&w, 79);
			wr_u8(&w, (uint8_t)(piece + 2));
			wr_bytes(&w, packet + at, piece);
		}
		s = read_eap(11, a, w.len);
		assert_int_equal(s.verdict, sizes[i].ok ? VERDICT_EAP : VERDICT_DENY);
		if (sizes[i].ok)
			assert_memory_equal(s.eap.packet, packet, sizes[i].n);
	}

	/* Keys of TLS: the first 16 octets of 32; and none that are shorter, or that their length is not true of. */
	for (uint8_t len = 15; len < 50; len++) {
		for (uint8_t i = 1; i < 48; i++)
			plain[i] = (uint8_t)(i * 7);
		plain[0] = len;
		n = hide_key(16, 0x8001, plain, 48, a);
		plain[1] ^= 0xff;
		n += hide_key(17, 0x8002, plain, 48, a + n);
		memcpy(a + n, "\x4f\x06\x03\x41\x00\x04", 6);
		s = read_eap(2, a, n + 6);
		assert_int_equal(s.verdict, len >= 16 && len < 48 ? VERDICT_OK : VERDICT_DENY);
		if (s.verdict != VERDICT_OK)
			continue;
		assert_true(s.mppe_keys);
		assert_memory_equal(s.mppe_recv, plain + 1, 16);
		plain[1] ^= 0xff;
		assert_memory_equal(s.mppe_send, plain + 1, 16);
	}
}

/* RFC 3579 3.1: in pieces that are together, with the State as it was. */
static void t_eap_request(void **st)
{
	static const struct rad_nas nas = { .addr = { .family = 4, .ip = { 192, 0, 2, 1 } }, .id = "vpn" };
	static const uint16_t sizes[] = { 8, 253, 254, 506, 507, 1500 };
	static struct msg_radius_ask ask;

	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		struct eap_relay *e = &ask.judge.req.eap;
		uint8_t list[3000], got[1600];
		struct wr w = wr_of(list, sizeof(list));
		unsigned mtu = 0, last = 0;
		struct rad_attr at;
		const char *why;
		size_t n = 0;
		struct rd r;

		memset(&ask, 0, sizeof(ask));
		ask.judge.req.method = AUTH_EAP;
		ask.judge.req.mtu = 1356;
		/* The name is the Identity, whatever is taken off it here. */
		memcpy(ask.name, "joe", ask.name_len = 3);
		memset(ask.judge.req.user, 'u', ask.judge.req.user_len = 253);
		for (size_t k = 0; k < sizes[i]; k++)
			e->packet[k] = (uint8_t)(k * 11);
		e->len = sizes[i];
		memset(e->state, 's', e->state_len = i ? 253 : 0);
		memset(ask.judge.req.number, '5', ask.judge.req.number_len = 64);
		assert_true(rad_login_attrs(&ask, &nas, &w, &why));
		assert_false(w.bad);
		r = rd_of(list, w.len);
		while (rad_attr_next(&r, &at)) {
			assert_int_equal(at.vendor, 0);
			assert_true(at.type != RAD_USER_PASSWORD && at.type != RAD_CHAP_PASSWORD && at.type != RAD_CHAP_CHALLENGE);
			if (at.type == RAD_EAP_MESSAGE) {
				assert_true(!n || last == RAD_EAP_MESSAGE);
				assert_true(at.val.n == 253 || n + at.val.n == sizes[i]);
				memcpy(got + n, at.val.p, at.val.n);
				n += at.val.n;
			}
			if (at.type == RAD_STATE)
				assert_true(i && at.val.n == 253 && at.val.p[252] == 's');
			if (at.type == RAD_USER_NAME)
				assert_true(at.val.n == 253 && at.val.p[0] == 'u');
			if (at.type == RAD_FRAMED_MTU)
				mtu = rd_u32(&at.val);
			last = at.type;
		}
		assert_int_equal(n, sizes[i]);
		assert_memory_equal(got, e->packet, n);
		assert_int_equal(mtu, 1346);
		ask.judge.req.user_len = i & 1 ? 254 : 0;
		assert_false(rad_login_attrs(&ask, &nas, &w, &why));
		assert_non_null(why);
	}
}

/* The list for libradcli: each method's attributes, and who cannot be asked for. */
static void t_request(void **st)
{
	static const struct rad_nas nas = { .addr = { .family = 4, .ip = { 192, 0, 2, 1 } }, .id = "vpn" };
	static struct msg_radius_ask ask;
	static const struct { uint32_t method; uint16_t name, response; uint8_t challenge; const char *why; } cases[] = {
		{ AUTH_PAP, 3, 8, 0, NULL }, { AUTH_PAP, 3, 112, 0, NULL }, { AUTH_XAUTH, 3, 8, 0, NULL },
		{ AUTH_XAUTH, 3, 113, 0, "a password that is too long for RADIUS" },
		{ AUTH_PAP, 3, 113, 0, "a password that is too long for RADIUS" }, { AUTH_PAP, 3, 0, 0, "no password" },
		{ AUTH_PAP, 0, 8, 0, "no name" }, { AUTH_PAP, 253, 8, 0, NULL },
		{ AUTH_PAP, 254, 8, 0, "a name that is too long for RADIUS" },
		{ AUTH_CHAP_MD5, 3, 16, 16, NULL }, { AUTH_EAP_MD5, 3, 16, 64, NULL },
		{ AUTH_CHAP_MD5, 3, 15, 16, "a response that is none of CHAP" },
		{ AUTH_CHAP_MD5, 3, 16, 0, "a response that is none of CHAP" },
		{ AUTH_MSCHAPV2, 3, 49, 16, NULL }, { AUTH_EAP_MSCHAPV2, 3, 49, 16, NULL },
		{ AUTH_MSCHAPV2, 3, 48, 16, "a response that is none of MS-CHAPv2" },
		{ AUTH_MSCHAPV2, 3, 49, 8, "a response that is none of MS-CHAPv2" },
	};

	for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
		uint8_t list[3000];
		struct wr w = wr_of(list, sizeof(list));
		const char *why;
		struct rad_attr at;
		struct rd r;
		unsigned seen = 0, port = 0, mtu = 0;

		memset(&ask, 'x', sizeof(ask));
		ask.name_len = cases[i].name;
		ask.judge.ppp_id = 7;
		ask.judge.req.method = cases[i].method;
		ask.judge.req.response_len = cases[i].response;
		ask.judge.req.challenge_len = cases[i].challenge;
		ask.judge.req.ident = 9;
		ask.judge.req.number_len = 0;
		ask.judge.req.peer = addr_v4(0xc6120007, 4500);
		ask.judge.req.mtu = 1360;
		assert_int_equal(rad_login_attrs(&ask, &nas, &w, &why), !cases[i].why);
		assert_string_equal(why ? why : "", cases[i].why ? cases[i].why : "");
		if (cases[i].why)
			continue;
		assert_false(w.bad);
		r = rd_of(list, w.len);
		while (rad_attr_next(&r, &at)) {
			if (!at.vendor && at.type == RAD_USER_NAME)
				assert_int_equal(at.val.n, cases[i].name);
			if (!at.vendor && at.type == RAD_NAS_PORT)
				port = rd_u32(&at.val);
			if (!at.vendor && at.type == RAD_FRAMED_MTU)
				mtu = rd_u32(&at.val);
			if (!at.vendor && at.type == RAD_CHAP_PASSWORD)
				assert_true(at.val.n == 17 && at.val.p[0] == 9);
			if (!at.vendor && at.type == RAD_CALLING_STATION_ID)
				assert_true(at.val.n == 10 && !memcmp(at.val.p, "198.18.0.7", 10));
			if (at.vendor == RAD_VENDOR_MICROSOFT && at.type == RAD_MS_CHAP2_RESPONSE)
				assert_true(at.val.n == 50 && at.val.p[0] == 9 && !at.val.p[1] && at.val.p[49] == 'x');
			seen |= at.vendor ? 1u << 31 | 1u << at.type % 31 : at.type < 31 ? 1u << at.type : 0;
		}
		assert_false(r.bad);
		assert_int_equal(port, 7);
		assert_int_equal(mtu, 1360);
		assert_int_equal(!!(seen & 1u << 31), cases[i].method == AUTH_MSCHAPV2 || cases[i].method == AUTH_EAP_MSCHAPV2);
	}
}

static void t_servers(void **st)
{
	struct rad_servers s = { .dead_until_ms = { 0 } };

	assert_int_equal(rad_server_next(&s, 0, 0, 1), -1);
	assert_int_equal(rad_server_next(&s, 3, 0, 1), 0);
	assert_int_equal(rad_server_next(&s, 3, 1, 1), 1);
	assert_int_equal(rad_server_next(&s, 3, 7, 1), -1);
	/* The first is silent: the others, until its time is over. */
	assert_true(rad_server_silent(&s, 0, 1000, 60, 4000));
	assert_false(rad_server_silent(&s, 0, 1500, 60, 4000));
	assert_int_equal(rad_server_next(&s, 3, 0, 4000), 1);
	assert_int_equal(rad_server_next(&s, 3, 0, 63999), 1);
	assert_int_equal(rad_server_next(&s, 3, 0, 64000), 0);
	/* All are: the one that comes back first; and a list of one is always asked. */
	assert_true(rad_server_silent(&s, 1, 4000, 60, 5000));
	assert_true(rad_server_silent(&s, 2, 4000, 60, 4500));
	assert_int_equal(rad_server_next(&s, 3, 0, 6000), 0);
	assert_int_equal(rad_server_next(&s, 3, 1, 6000), 2);
	assert_int_equal(rad_server_next(&s, 1, 0, 6000), 0);
	/* One that answers somebody is not dead for one lost packet. */
	rad_server_heard(&s, 0, 7000);
	assert_int_equal(rad_server_next(&s, 3, 0, 7000), 0);
	assert_false(rad_server_silent(&s, 0, 6500, 60, 7500));
	assert_int_equal(rad_server_next(&s, 3, 0, 7500), 0);
	/* dead-time 0: never. */
	assert_false(rad_server_silent(&s, 0, 8000, 0, 9000));
	assert_int_equal(rad_server_next(&s, 3, 0, 9000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(t_forward, setup), cmocka_unit_test_setup(t_check, setup),
		cmocka_unit_test_setup(t_read, setup), cmocka_unit_test_setup(t_values, setup),
		cmocka_unit_test_setup(t_keys, setup), cmocka_unit_test_setup(t_eap, setup),
		cmocka_unit_test(t_eap_request), cmocka_unit_test_setup(t_request, setup),
		cmocka_unit_test(t_servers),
		cmocka_unit_test_setup(t_routes, setup),
		cmocka_unit_test_setup(t_rates, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
