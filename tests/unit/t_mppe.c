/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MPPE: the keys of RFC 3079 3.5.3, two ends over a wire that loses and reorders, and packets that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "ppp/mppe.h"
#include "ppp/mschap.h"

/* RFC 3079 3.5: the example of RFC 2759 9.2, password "clientPass". */
static const uint8_t hash[16] = { 0x44, 0xeb, 0xba, 0x8d, 0x53, 0x12, 0xb8, 0xd6, 0x11, 0x47, 0x44,
	0x11, 0xf5, 0x69, 0x89, 0xae };
static const uint8_t response[24] = { 0x82, 0x30, 0x9e, 0xcd, 0x8d, 0x70, 0x8b, 0x5e, 0xa0, 0x8f,
	0xaa, 0x39, 0x81, 0xcd, 0x83, 0x54, 0x42, 0x33, 0x11, 0x4a, 0x3d, 0x85, 0xd6, 0xdf };
static const uint8_t server_send[16] = { 0x8b, 0x7c, 0xdc, 0x14, 0x9b, 0x99, 0x3a, 0x1b, 0xa1, 0x18, 0xcb, 0x15,
	0x3f, 0x56, 0xdc, 0xcb };

static void t_keys(void **st)
{
	uint8_t send[16], recv[16], send2[16], recv2[16];

	assert_true(mschap_mppe_keys(hash, response, true, send, recv));
	assert_memory_equal(send, server_send, 16);
	assert_memory_not_equal(send, recv, 16);
	/* What one sends by, the other receives by. */
	assert_true(mschap_mppe_keys(hash, response, false, send2, recv2));
	assert_memory_equal(send, recv2, 16);
	assert_memory_equal(recv, send2, 16);
}

/* RFC 3079 3.5.1 to 3.5.3: "test message" under the first session key. A stream with state begins with it. */
static void t_vectors(void **st)
{
	static const struct { uint32_t bits; uint8_t out[12]; } rows[] = {
		{ MPPE_40, { 0x92, 0x91, 0x37, 0x91, 0x7e, 0x58, 0x03, 0xd6, 0x68, 0xd7, 0x58, 0x98 } },
		{ MPPE_56, { 0x3f, 0x10, 0x68, 0x33, 0xfa, 0x44, 0x8d, 0xa8, 0x42, 0xbc, 0x57, 0xb8 } },
		{ MPPE_128, { 0x81, 0x84, 0x83, 0x17, 0xdf, 0x68, 0x84, 0x62, 0x72, 0xfb, 0x5a, 0xbe } },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct mppe *m = mppe_new(rows[i].bits, server_send, rows[i].bits, server_send);
		uint8_t p[12], head[2];

		assert_non_null(m);
		memcpy(p, "test message", 12);
		assert_true(mppe_seal(m, head, p, 12));
		assert_memory_equal(p, rows[i].out, 12);
		assert_memory_equal(head, "\x10\x00", 2);
		mppe_free(m);
	}
}

/*
 * What becomes of these keys: RFC 3078 7.3, twice.  It has no example; these
 * were computed with an SHA-1 and an RC4 apart from OpenSSL, which give the
 * three above as well.
 */
static void t_changed(void **st)
{
	static const struct { uint32_t bits; uint8_t out[2][12]; } rows[] = {
		{ MPPE_40, { { 0xea, 0x98, 0xa2, 0x12, 0xb4, 0x83, 0x25, 0xfc, 0x44, 0x3f, 0xba, 0x20 },
			{ 0x86, 0x47, 0x2d, 0x18, 0x6d, 0x94, 0xf4, 0x89, 0xc8, 0x3f, 0x58, 0x96 } } },
		{ MPPE_56, { { 0x1c, 0x9e, 0x80, 0x2f, 0x85, 0x16, 0xe2, 0x2a, 0x7c, 0xe3, 0x82, 0x70 },
			{ 0xc6, 0x78, 0x81, 0x72, 0x90, 0xda, 0xcf, 0xc6, 0x1a, 0xcd, 0x39, 0xa6 } } },
		{ MPPE_128, { { 0x04, 0x1c, 0x25, 0x5f, 0xc0, 0x02, 0x3d, 0xc9, 0xa0, 0x07, 0xee, 0x40 },
			{ 0x41, 0x78, 0x92, 0x5d, 0x86, 0x5c, 0x8b, 0x2f, 0x31, 0xbc, 0x7c, 0xf2 } } },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint32_t bits = rows[i].bits | MPPE_STATELESS;
		struct mppe *m = mppe_new(bits, server_send, bits, server_send);

		assert_non_null(m);
		/* Without state each packet has another key, the first one as well. */
		for (unsigned n = 0; n < 2; n++) {
			uint8_t p[12], head[2];

			memcpy(p, "test message", 12);
			assert_true(mppe_seal(m, head, p, 12));
			assert_memory_equal(p, rows[i].out[n], 12);
			assert_int_equal(head[0] << 8 | head[1], 0x9000 | n);
		}
		mppe_free(m);
	}
}

static void t_refused(void **st)
{
	static const uint32_t bits[] = { 0, MPPE_STATELESS, MPPE_MPPC, MPPE_40 | MPPE_128, MPPE_KEYS | MPPE_STATELESS };

	for (size_t i = 0; i < N_ELEMENTS(bits); i++) {
		assert_null(mppe_new(bits[i], server_send, MPPE_128, server_send));
		assert_null(mppe_new(MPPE_128, server_send, bits[i], server_send));
	}
	mppe_free(NULL);
}

/* ---- two ends ---- */
struct ends {
	struct mppe *a, *b;
	uint64_t now_ms;
	unsigned n;		/* packets that a sent */
};

static void ends_new(struct ends *e, uint32_t bits)
{
	uint8_t other[16];

	memset(other, 0x77, 16);
	*e = (struct ends){ .now_ms = 1000 };
	e->a = mppe_new(bits, server_send, bits, other);
	e->b = mppe_new(bits, other, bits, server_send);
	assert_non_null(e->a);
	assert_non_null(e->b);
}

static void ends_free(struct ends *e)
{
	mppe_free(e->a);
	mppe_free(e->b);
}

struct packet {
	size_t n;
	uint8_t p[80];
};

/* The next packet of a; its content is its number. */
static struct packet next(struct ends *e)
{
	struct packet k = { .n = 2 + 4 + e->n % 60 };

	memset(k.p + 2, 0x21, k.n - 2);
	k.p[4] = (uint8_t)(e->n >> 8);
	k.p[5] = (uint8_t)e->n;
	e->n++;
	assert_true(mppe_seal(e->a, k.p, k.p + 2, k.n - 2));
	return k;
}

/* b opens it from memory of its own size. */
static enum mppe_verdict give(struct ends *e, const struct packet *k, unsigned want)
{
	uint8_t *p = malloc(k->n);
	enum mppe_verdict v;

	memcpy(p, k->p, k->n);
	v = mppe_open(e->b, p, k->n, e->now_ms);
	if (v == MPPE_OK) {
		assert_int_equal(p[2], 0x21);
		assert_int_equal(p[4] << 8 | p[5], want & 0xffff);
	}
	free(p);
	return v;
}

static const uint32_t kinds[] = {
	MPPE_40, MPPE_56, MPPE_128, MPPE_40 | MPPE_STATELESS, MPPE_56 | MPPE_STATELESS, MPPE_128 | MPPE_STATELESS,
};

/* All of it arrives: over two rounds of the count. */
static void t_all(void **st)
{
	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		struct ends e;

		ends_new(&e, kinds[i]);
		for (unsigned n = 0; n < 9000; n++) {
			struct packet k = next(&e);
			bool flushed = k.p[0] & 0x80;

			assert_int_equal(flushed, kinds[i] & MPPE_STATELESS || (n & 0xff) == 0xff);
			assert_int_equal((k.p[0] << 8 | k.p[1]) & 0xfff, n & 0xfff);
			assert_int_equal(give(&e, &k, n), MPPE_OK);
			/* Again: nothing happens. */
			assert_int_equal(give(&e, &k, n), MPPE_LATE);
		}
		ends_free(&e);
	}
}

/* Without state whatever arrives in order can be read, however much is lost before it; what is late is dropped. */
static void t_stateless(void **st)
{
	static const unsigned gaps[] = { 1, 2, 3, 10, 255, 256, 257, 2000, 2047 };
	struct ends e;
	struct packet old, k;

	ends_new(&e, MPPE_128 | MPPE_STATELESS);
	for (size_t i = 0; i < N_ELEMENTS(gaps); i++) {
		for (unsigned n = 0; n < gaps[i]; n++)
			k = next(&e);
		old = k;
		assert_int_equal(give(&e, &k, e.n - 1), MPPE_OK);
		k = next(&e);
		assert_int_equal(give(&e, &k, e.n - 1), MPPE_OK);
		assert_int_equal(give(&e, &old, e.n - 2), MPPE_LATE);
		e.now_ms += 1000;
	}
	/* Further than half a round it cannot be told from a late one, and is not worth 4095 key changes. */
	for (unsigned n = 0; n < 2048; n++)
		k = next(&e);
	assert_int_equal(give(&e, &k, e.n - 1), MPPE_LATE);
	/* Without its A bit. */
	ends_free(&e);
	ends_new(&e, MPPE_128 | MPPE_STATELESS);
	k = next(&e);
	k.p[0] &= 0x7f;
	assert_int_equal(give(&e, &k, 0), MPPE_DROP);
	k.p[0] |= 0x80;
	assert_int_equal(give(&e, &k, 0), MPPE_OK);
	ends_free(&e);
}

/* With state a lost packet stops it, until the sender begins anew; whichever one was lost. */
static void t_stateful(void **st)
{
	for (unsigned lost = 0; lost < 600; lost++) {
		struct ends e;
		struct packet k;
		bool flag = false;
		unsigned n;

		ends_new(&e, MPPE_128);
		for (n = 0; n < lost; n++) {
			k = next(&e);
			assert_int_equal(give(&e, &k, n), MPPE_OK);
		}
		(void)next(&e);
		for (n = lost + 1; n < lost + 20; n++) {
			k = next(&e);
			/* One request, and not another at once. Where a key change comes by, it helps itself. */
			flag = (n & 0xff) == 0xff;
			if (flag)
				break;
			assert_int_equal(give(&e, &k, n), n == lost + 1 ? MPPE_LOST : MPPE_DROP);
		}
		/* The request itself may be lost. */
		if (!flag) {
			e.now_ms += 500;
			k = next(&e);
			if ((n & 0xff) != 0xff)
				assert_int_equal(give(&e, &k, n), MPPE_LOST);
			n++;
			mppe_flush(e.a);
			k = next(&e);
			assert_true(k.p[0] & 0x80);
		}
		assert_int_equal(give(&e, &k, n), MPPE_OK);
		for (n++; n < lost + 600; n++) {
			k = next(&e);
			assert_int_equal(give(&e, &k, n), MPPE_OK);
		}
		ends_free(&e);
	}
}

/* A loss right after the last one was mended is another one, and asked about at once. */
static void t_again(void **st)
{
	struct ends e;
	struct packet k;

	ends_new(&e, MPPE_128);
	for (unsigned i = 0; i < 3; i++) {
		(void)next(&e);
		k = next(&e);
		assert_int_equal(give(&e, &k, 0), MPPE_LOST);
		mppe_flush(e.a);
		k = next(&e);
		assert_int_equal(give(&e, &k, e.n - 1), MPPE_OK);
	}
	ends_free(&e);
}

/* What was overtaken comes after the loss was noticed: it waits for the new beginning like all others. */
static void t_overtaken(void **st)
{
	struct ends e;
	struct packet first, second;

	ends_new(&e, MPPE_128);
	first = next(&e);
	second = next(&e);
	assert_int_equal(give(&e, &second, 1), MPPE_LOST);
	assert_int_equal(give(&e, &first, 0), MPPE_DROP);
	mppe_flush(e.a);
	first = next(&e);
	assert_int_equal(give(&e, &first, 2), MPPE_OK);
	ends_free(&e);
}

/* A burst longer than several key changes, with state. */
static void t_burst(void **st)
{
	static const unsigned bursts[] = { 100, 255, 256, 257, 511, 600, 1500, 1790 };

	for (size_t i = 0; i < N_ELEMENTS(bursts); i++) {
		struct ends e;
		struct packet k = { 0 };

		ends_new(&e, MPPE_40);
		for (unsigned n = 0; n < bursts[i]; n++)
			k = next(&e);
		if (!(k.p[0] & 0x80))
			assert_int_equal(give(&e, &k, 0), MPPE_LOST);
		mppe_flush(e.a);
		k = next(&e);
		assert_int_equal(give(&e, &k, e.n - 1), MPPE_OK);
		for (unsigned n = 0; n < 300; n++) {
			k = next(&e);
			assert_int_equal(give(&e, &k, e.n - 1), MPPE_OK);
		}
		ends_free(&e);
	}
}

/* A sender that is not ours, with state and 128 bits: RFC 3079 3, RFC 3078 7. */
struct sender {
	EVP_CIPHER_CTX *rc4;
	uint8_t start[16], key[16];
	uint16_t count;
};

static void rc4_key(struct sender *s, const uint8_t key[static 16])
{
	EVP_CIPHER *rc4 = EVP_CIPHER_fetch(NULL, "RC4", NULL);

	assert_int_equal(EVP_CipherInit_ex2(s->rc4, rc4, key, NULL, 1, NULL), 1);
	EVP_CIPHER_free(rc4);
}

static void rc4_run(struct sender *s, uint8_t *p, size_t n)
{
	int len;

	assert_int_equal(EVP_CipherUpdate(s->rc4, p, &len, p, (int)n), 1);
}

static void sender_key(struct sender *s, bool first)
{
	uint8_t all[112], d[20];

	memset(all, 0, sizeof(all));
	memset(all + 72, 0xf2, 40);
	memcpy(all, s->start, 16);
	memcpy(all + 56, first ? s->start : s->key, 16);
	EVP_Digest(all, sizeof(all), d, NULL, EVP_sha1(), NULL);
	memcpy(s->key, d, 16);
	if (!first) {
		rc4_key(s, s->key);
		rc4_run(s, s->key, 16);
	}
	rc4_key(s, s->key);
}

/* The next packet, 40 octets of IP behind the header and its protocol number; anew: fresh tables in between. */
static size_t sender_next(struct sender *s, bool short_number, bool anew, bool is_linux, uint8_t tail, uint8_t p[static 60],
	uint8_t plain[static 60])
{
	uint8_t *ip = p + (short_number ? 3 : 4);
	size_t n = (size_t)(ip - p) + 40;

	memset(p, 0, 60);
	s->count = (s->count + 1) & 0xfff;
	ip[-1] = 0x21;
	ip[0] = 0x45;
	ip[3] = 40;
	ip[39] = tail;
	memcpy(plain, p, 60);
	p[0] = (uint8_t)(0x10 | s->count >> 8);
	p[1] = (uint8_t)s->count;
	if ((s->count & 0xff) == 0xff || (anew && is_linux))
		sender_key(s, false);
	else if (anew)
		rc4_key(s, s->key);
	if ((s->count & 0xff) == 0xff || anew)
		p[0] |= 0x80;
	rc4_run(s, p + 2, n - 2);
	return n;
}

/*
 * Who begins anew between two "flag" packets: with the key that there is (RFC 3078 8.2), or with another
 * one (Linux).  Of every 35 packets one is lost, and a new beginning with it.
 */
static void t_anew(void **st)
{
	for (unsigned way = 0; way < 4; way++) {
		struct sender s = { .rc4 = EVP_CIPHER_CTX_new(), .count = 0xfff };
		struct mppe *m = mppe_new(MPPE_128, server_send, MPPE_128, server_send);
		uint8_t p[60], plain[60];
		bool lost = false;

		memcpy(s.start, server_send, 16);
		sender_key(&s, true);
		for (unsigned i = 0; i < 2000; i++) {
			unsigned at = i % 35;
			size_t n = sender_next(&s, way & 1, at == 5 || at == 12 || at == 20, way & 2, (uint8_t)i, p, plain);

			if (at == 3 || at == 5) {
				lost = true;
				continue;
			}
			lost = lost && !(p[0] & 0x80);
			if (lost) {
				assert_int_not_equal(mppe_open(m, p, n, i * 1000), MPPE_OK);
				continue;
			}
			assert_int_equal(mppe_open(m, p, n, i * 1000), MPPE_OK);
			assert_memory_equal(p + 2, plain + 2, n - 2);
		}
		mppe_free(m);
		EVP_CIPHER_CTX_free(s.rc4);
	}
}

/* What is no packet changes nothing. */
static void t_not(void **st)
{
	static const struct { const char *what; size_t n; uint8_t p[4]; } rows[] = {
		{ "empty", 0, { 0 } }, { "half a header", 1, { 0x90 } }, { "a header", 2, { 0x90, 0x00 } },
		{ "not encrypted", 4, { 0x80, 0x00, 0x21, 0x45 } },
		{ "older than the first", 4, { 0x9f, 0xff, 0x21, 0x45 } },
	};

	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		struct ends e;
		struct packet k;

		ends_new(&e, kinds[i]);
		for (size_t r = 0; r < N_ELEMENTS(rows); r++) {
			k.n = rows[r].n;
			memcpy(k.p, rows[r].p, sizeof(rows[r].p));
			if (give(&e, &k, 0) != (r + 1 < N_ELEMENTS(rows) ? MPPE_DROP : MPPE_LATE))
				fail_msg("%s", rows[r].what);
		}
		k = next(&e);
		assert_int_equal(give(&e, &k, 0), MPPE_OK);
		ends_free(&e);
	}
}

/* RFC 3078 3.1: bits B and C have no significance. */
static void t_bits(void **st)
{
	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		struct ends e;

		ends_new(&e, kinds[i]);
		for (unsigned bits = 0; bits < 4; bits++) {
			struct packet k = next(&e);

			k.p[0] |= (uint8_t)(bits << 5);
			assert_int_equal(give(&e, &k, e.n - 1), MPPE_OK);
		}
		ends_free(&e);
	}
}

/* A peer whose count jumps as far as it can gets no more work done in a second than one round. */
static void t_jumps(void **st)
{
	struct ends e;
	unsigned opened = 0;
	uint16_t count = 0;

	ends_new(&e, MPPE_128 | MPPE_STATELESS);
	for (unsigned i = 0; i < 100; i++) {
		struct packet k = { .n = 10 };

		k.p[0] = (uint8_t)(0x90 | (count >> 8 & 0xf));
		k.p[1] = (uint8_t)count;
		memset(k.p + 2, 0, 8);
		if (mppe_open(e.b, k.p, k.n, e.now_ms) == MPPE_OK) {
			opened++;
			count += 2047;
		}
	}
	assert_int_equal(opened, 3);
	e.now_ms += 1000;
	ends_free(&e);
}

static void t_no_init(void **st)
{
	assert_null(mppe_new(MPPE_128, server_send, MPPE_128, server_send));
	assert_true(mppe_init());
	assert_true(mppe_init());
	assert_true(mschap_init());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_no_init), cmocka_unit_test(t_keys), cmocka_unit_test(t_vectors),
		cmocka_unit_test(t_changed), cmocka_unit_test(t_again),
		cmocka_unit_test(t_refused), cmocka_unit_test(t_all), cmocka_unit_test(t_stateless),
		cmocka_unit_test(t_stateful), cmocka_unit_test(t_overtaken), cmocka_unit_test(t_burst), cmocka_unit_test(t_not),
		cmocka_unit_test(t_bits), cmocka_unit_test(t_anew),
		cmocka_unit_test(t_jumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
