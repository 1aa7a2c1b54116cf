/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MS-CHAPv2 against RFC 2759 9.2, and what a Response must not get through with. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ppp/mschap.h"

/* RFC 2759 9.2: user "User", password "clientPass". */
static const uint8_t auth[16] = { 0x5b, 0x5d, 0x7c, 0x7d, 0x7b, 0x3f, 0x2f, 0x3e, 0x3c, 0x2c, 0x60,
	0x21, 0x32, 0x26, 0x26, 0x28 };
static const uint8_t peer[16] = { 0x21, 0x40, 0x23, 0x24, 0x25, 0x5e, 0x26, 0x2a, 0x28, 0x29, 0x5f,
	0x2b, 0x3a, 0x33, 0x7c, 0x7e };
static const uint8_t challenge[8] = { 0xd0, 0x2e, 0x43, 0x86, 0xbc, 0xe9, 0x12, 0x26 };
static const uint8_t hash[16] = { 0x44, 0xeb, 0xba, 0x8d, 0x53, 0x12, 0xb8, 0xd6, 0x11, 0x47, 0x44,
	0x11, 0xf5, 0x69, 0x89, 0xae };
static const uint8_t response[24] = { 0x82, 0x30, 0x9e, 0xcd, 0x8d, 0x70, 0x8b, 0x5e, 0xa0, 0x8f,
	0xaa, 0x39, 0x81, 0xcd, 0x83, 0x54, 0x42, 0x33, 0x11, 0x4a, 0x3d, 0x85, 0xd6, 0xdf };
static const uint8_t proof[20] = { 0x40, 0x7a, 0x55, 0x89, 0x11, 0x5f, 0xd0, 0xd6, 0x20, 0x9f, 0x51,
	0x0f, 0xe9, 0xc0, 0x45, 0x66, 0x93, 0x2c, 0xda, 0x56 };

static struct rd str(const char *s)
{
	return rd_of(s, strlen(s));
}

static void t_vectors(void **st)
{
	uint8_t out[24];

	assert_true(mschap_challenge_hash(peer, auth, str("User"), out));
	assert_memory_equal(out, challenge, 8);
	assert_true(mschap_nt_hash("clientPass", 10, out));
	assert_memory_equal(out, hash, 16);
	assert_true(mschap_nt_response(auth, peer, str("User"), hash, out));
	assert_memory_equal(out, response, 24);
	assert_true(mschap_auth_response(hash, response, peer, auth, str("User"), out));
	assert_memory_equal(out, proof, 20);
	/* RFC 1994 has no vector; this one is md5("\x07" "secret" "challenge"). */
	assert_true(chap_md5(7, "secret", 6, str("challenge"), out));
	assert_memory_equal(out, "\x35\x52\x4f\x3f\x6d\x24\xa5\xb2\x7d\x3a\x2f\xf7\x7c\x7c\x50\x60", 16);
}

static void value_of(uint8_t v[MSCHAP_VALUE])
{
	memset(v, 0, MSCHAP_VALUE);
	memcpy(v, peer, 16);
	memcpy(v + 24, response, 24);
}

static void t_check(void **st)
{
	static const uint8_t zero[20];
	uint8_t v[MSCHAP_VALUE], got[20], other[16];

	value_of(v);
	assert_true(mschap_check(v, auth, str("User"), hash, got));
	assert_memory_equal(got, proof, 20);
	assert_true(mschap_check(v, auth, str("DOM\\User"), hash, got));
	assert_false(mschap_check(v, auth, str("user"), hash, got));
	assert_memory_equal(got, zero, 20);
	assert_false(mschap_check(v, auth, str(""), hash, got));
	assert_false(mschap_check(v, peer, str("User"), hash, got));
	assert_true(mschap_nt_hash("", 0, other));
	assert_false(mschap_check(v, auth, str("User"), other, got));
	/* Each bit of what counts counts. */
	for (unsigned bit = 0; bit < 8 * MSCHAP_VALUE; bit++) {
		bool counts = bit / 8 < 16 || (bit / 8 >= 24 && bit / 8 < 48);

		value_of(v);
		v[bit / 8] ^= 1u << bit % 8;
		assert_int_equal(mschap_check(v, auth, str("User"), hash, got), !counts);
	}
}

/* A password becomes UTF-16; what is no UTF-8 counts octet by octet. */
static void t_passwords(void **st)
{
	static const struct {
		const char *pw;
		uint8_t hash[16];	/* MD4 of the UTF-16LE form */
	} rows[] = {
		{ "", { 0x31, 0xd6, 0xcf, 0xe0, 0xd1, 0x6a, 0xe9, 0x31, 0xb7, 0x3c, 0x59, 0xd7, 0xe0, 0xc0,
			0x89, 0xc0 } },
		{ "password", { 0x88, 0x46, 0xf7, 0xea, 0xee, 0x8f, 0xb1, 0x17, 0xad, 0x06, 0xbd, 0xd8, 0x30,
			0xb7, 0x58, 0x6c } },
		{ "\xc3\xa4", { 0x31, 0x04, 0xea, 0xb4, 0x84, 0xd5, 0x9e, 0xfa, 0xbc, 0xea,
			0x2c, 0x44, 0xb0, 0x7f, 0x41, 0xd3 } },
		{ "\xe2\x82\xac", { 0x03, 0x09, 0x26, 0xb7, 0x81, 0x93, 0x8d, 0xb4, 0x36, 0x5d,
			0x46, 0xad, 0xc7, 0xcf, 0xbc, 0xb8 } },
		{ "\xf0\x9f\x94\x91", { 0x5f, 0x7b, 0x3f, 0xf4, 0x74, 0xe4, 0x23, 0x7a, 0xfd,
			0x6a, 0x07, 0x8f, 0x3c, 0x4d, 0x86, 0x32 } },
		{ "\xe4", { 0x31, 0x04, 0xea, 0xb4, 0x84, 0xd5, 0x9e, 0xfa, 0xbc, 0xea, 0x2c,
			0x44, 0xb0, 0x7f, 0x41, 0xd3 } },
		{ "\xc3", { 0x0e, 0x8c, 0x66, 0x13, 0xd2, 0x86, 0x0c, 0x6e, 0x06, 0x95, 0xf6,
			0x83, 0x2b, 0x42, 0x95, 0x12 } },
		{ "\xc0\xaf", { 0x3a, 0x02, 0x22, 0x81, 0x47, 0x7d, 0x76, 0xe1, 0xba, 0x6d,
			0x90, 0x61, 0xfc, 0x31, 0xf7, 0x98 } },
		{ "\xed\xa0\x80", { 0x6e, 0x72, 0xf3, 0x70, 0xcc, 0x4c, 0x21, 0xf8, 0xaa, 0x54,
			0x64, 0xef, 0x9c, 0x19, 0xbb, 0x62 } },
	};
	uint8_t got[16], big[300];

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_true(mschap_nt_hash(rows[i].pw, strlen(rows[i].pw), got));
		if (memcmp(got, rows[i].hash, 16) != 0)
			fail_msg("hash of row %zu", i);
	}
	memset(big, 'a', sizeof(big));
	assert_true(mschap_nt_hash(big, 256, got));
	assert_false(mschap_nt_hash(big, 257, got));
}

static void t_user(void **st)
{
	static const struct { const char *name, *user; } rows[] = {
		{ "", "" }, { "joe", "joe" }, { "D\\joe", "joe" }, { "D\\E\\joe", "joe" }, { "joe\\", "" },
		{ "joe@realm", "joe@realm" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct rd u = mschap_user(str(rows[i].name));

		assert_int_equal(u.n, strlen(rows[i].user));
		assert_memory_equal(u.p, rows[i].user, u.n);
	}
}

/* Before mschap_init() everything fails rather than say something wrong. */
static void t_uninitialised(void **st)
{
	uint8_t v[MSCHAP_VALUE], got[24];

	value_of(v);
	assert_false(mschap_nt_hash("x", 1, got));
	assert_false(mschap_check(v, auth, str("User"), hash, got));
	assert_true(mschap_init());
	assert_true(mschap_init());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_uninitialised), cmocka_unit_test(t_vectors), cmocka_unit_test(t_check),
		cmocka_unit_test(t_passwords), cmocka_unit_test(t_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
