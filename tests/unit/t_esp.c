/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ESP: vectors, round trips, damage, replay, exhaustion, batches; all of it with each crypto backend
 * that this machine has, and then with several at once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/rng.h"
#include "esp/crypto.h"
#include "esp/esp.h"
#include "esp/replay.h"
#include "esp/sa.h"

#include "esp_kat.h"

static const struct suite {
	uint8_t enc, auth;
	size_t enc_len, auth_len, icv_len;
	size_t iv_len, block;
	size_t max;		/* payload in a packet of 1472 bytes */
} suites[] = {
	{ ESP_AES_CBC_128, ESP_HMAC_SHA1_96, 16, 20, 12, 16, 16, 1422 },
	{ ESP_AES_CBC_256, ESP_HMAC_SHA1_96, 32, 20, 12, 16, 16, 1422 },
	{ ESP_AES_CBC_128, ESP_HMAC_SHA2_256_128, 16, 32, 16, 16, 16, 1422 },
	{ ESP_AES_CBC_256, ESP_HMAC_SHA2_256_128, 32, 32, 16, 16, 16, 1422 },
	{ ESP_AES_GCM_128, ESP_AUTH_IN_ENC, 20, 0, 16, 8, 4, 1438 },
	{ ESP_AES_GCM_256, ESP_AUTH_IN_ENC, 36, 0, 16, 8, 4, 1438 },
	{ ESP_AES_CBC_128, ESP_HMAC_SHA2_384_192, 16, 48, 24, 16, 16, 1422 },
	{ ESP_AES_CBC_256, ESP_HMAC_SHA2_384_192, 32, 48, 24, 16, 16, 1422 },
	{ ESP_AES_CBC_128, ESP_HMAC_SHA2_512_256, 16, 64, 32, 16, 16, 1406 },
	{ ESP_AES_CBC_256, ESP_HMAC_SHA2_512_256, 32, 64, 32, 16, 16, 1406 },
	{ ESP_3DES_CBC, ESP_HMAC_SHA1_96, 24, 20, 12, 8, 8, 1438 },
	{ ESP_3DES_CBC, ESP_HMAC_SHA2_256_128, 24, 32, 16, 8, 8, 1438 },
	{ ESP_3DES_CBC, ESP_HMAC_SHA2_384_192, 24, 48, 24, 8, 8, 1430 },
	{ ESP_3DES_CBC, ESP_HMAC_SHA2_512_256, 24, 64, 32, 8, 8, 1422 },
};
enum { GCM = 4 };		/* the first of its suites */

static struct esp_sa *sa_new(const struct suite *s, uint32_t spi, bool inbound)
{
	uint8_t key[36 + 64];
	struct esp_keys k = {
		.enc = s->enc, .auth = s->auth, .enc_key = key, .enc_len = s->enc_len,
		.auth_key = key + 36, .auth_len = s->auth_len,
	};
	struct esp_sa *sa = NULL;

	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)((spi >> 8) + i * 7);
	assert_int_equal(esp_sa_new(spi, &k, inbound, &sa), 0);
	return sa;
}

/* A packet of the payload `fill, fill + 1, …`; the buffer is exactly as long, so that a
 * sanitizer sees one byte over.  Free ret->p. */
static struct esp_pkt pkt_sealed(struct esp_sa *sa, size_t n, uint8_t fill)
{
	struct esp_pkt p = { .sa = sa, .len = n, .next_header = 17 };
	size_t len = esp_sealed_len(sa, n);

	p.p = malloc(len);
	assert_non_null(p.p);
	for (size_t i = 0; i < n; i++)
		p.p[esp_payload_offset(sa) + i] = (uint8_t)(fill + i);
	esp_seal(&p, 1);
	assert_int_equal(p.verdict, ESP_OK);
	assert_int_equal(p.len, len);
	return p;
}

static struct esp_pkt pkt_copy(const struct esp_pkt *src, struct esp_sa *sa, size_t n)
{
	struct esp_pkt p = { .sa = sa, .p = malloc(n ? n : 1), .len = n };

	assert_non_null(p.p);
	memset(p.p, 0, n);
	memcpy(p.p, src->p, MIN(n, src->len));
	return p;
}

static void assert_payload(const struct esp_pkt *p, size_t n, uint8_t fill)
{
	assert_int_equal(p->verdict, ESP_OK);
	assert_int_equal(p->next_header, 17);
	assert_int_equal(p->payload_len, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(p->payload[i], (uint8_t)(fill + i));
}

static void assert_refused(const struct esp_pkt *p, enum esp_verdict v)
{
	assert_string_equal(esp_verdict_str(p->verdict), esp_verdict_str(v));
	assert_null(p->payload);
	assert_int_equal(p->payload_len, 0);
}

static const struct suite *kat_suite(const struct kat *k)
{
	for (size_t i = 0; i < N_ELEMENTS(suites); i++)
		if (suites[i].enc == k->enc && suites[i].auth == k->auth)
			return &suites[i];
	fail();
	return NULL;
}

static struct esp_keys kat_keys(const struct kat *k)
{
	return (struct esp_keys){
		.enc = k->enc, .auth = k->auth,
		.enc_key = (const uint8_t *)k->enc_key, .enc_len = kat_suite(k)->enc_len,
		.auth_key = (const uint8_t *)k->auth_key, .auth_len = kat_suite(k)->auth_len,
	};
}

static void t_kat_open(void **st)
{
	for (size_t i = 0; i < N_ELEMENTS(kats); i++) {
		const struct kat *k = &kats[i];
		struct esp_keys keys = kat_keys(k);
		struct esp_pkt p = { .p = malloc(k->packet_len), .len = k->packet_len };

		assert_int_equal(esp_sa_new(0x04000100, &keys, true, &p.sa), 0);
		memcpy(p.p, k->packet, k->packet_len);
		esp_open(&p, 1);
		if (p.verdict != k->verdict)
			fail_msg("%s: %s", k->name, esp_verdict_str(p.verdict));
		/* The ICV was right in all of them. */
		assert_int_equal(esp_seq(p.sa), k->seq);
		if (k->verdict == ESP_OK) {
			assert_int_equal(p.next_header, k->next_header);
			assert_int_equal(p.payload_len, k->payload_len);
			assert_memory_equal(p.payload, k->payload, k->payload_len);
		} else {
			assert_refused(&p, k->verdict);
		}
		esp_sa_free(p.sa);
		free(p.p);
	}
}

/* The other direction of the vectors, below esp_seal(), which chooses its own IVs. */
static void t_kat_seal(void **st)
{
	for (size_t i = 0; i < N_ELEMENTS(kats); i++) {
		const struct kat *k = &kats[i];
		const struct suite *s = kat_suite(k);
		size_t head = ESP_HDR + s->iv_len, body_len = k->packet_len - head - s->icv_len;
		struct esp_keys keys = kat_keys(k);
		struct esp_sa *in = NULL, *out = NULL;
		uint8_t *p = malloc(k->packet_len);
		struct esp_job c = {
			.iv = p + ESP_HDR, .aad = p, .data = p + head, .len = body_len, .icv = p + k->packet_len - s->icv_len,
		};
		struct esp_job h = { .data = p, .len = k->packet_len - s->icv_len, .icv = c.icv };

		assert_int_equal(esp_sa_new(1, &keys, true, &in), 0);
		assert_int_equal(esp_sa_new(1, &keys, false, &out), 0);
		memcpy(p, k->packet, k->packet_len);
		c.key = in->key;
		c.op = in->key->cipher;
		crypto_run(&c, 1);
		assert_true(c.ok);
		assert_memory_equal(c.data, k->payload, k->payload_len);
		assert_int_equal(c.data[body_len - 1], k->next_header);
		memset(c.icv, 0, s->icv_len);
		c.key = h.key = out->key;
		c.op = out->key->cipher;
		c.ok = false;
		crypto_run(&c, 1);
		assert_true(c.ok);
		if (s->auth != ESP_AUTH_IN_ENC) {
			h.op = out->key->hash;
			crypto_run(&h, 1);
			assert_true(h.ok);
		}
		assert_memory_equal(p, k->packet, k->packet_len);
		esp_sa_free(in);
		esp_sa_free(out);
		free(p);
	}
}

static void t_sa_new(void **st)
{
	static const uint8_t key[64];
	static const struct {
		uint8_t enc, auth;
		size_t enc_len, auth_len;
	} bad[] = {
		{ 0, ESP_HMAC_SHA1_96, 16, 20 }, { 6, ESP_HMAC_SHA1_96, 16, 20 }, { 0, 0, 16, 0 }, { 0, 0, 0, 0 },
		{ ESP_AES_GCM_128, ESP_HMAC_SHA1_96, 20, 20 }, { ESP_AES_GCM_128, ESP_AUTH_IN_ENC, 20, 20 },
		{ ESP_AES_GCM_128, ESP_AUTH_IN_ENC, 16, 0 }, { ESP_AES_GCM_128, ESP_AUTH_IN_ENC, 36, 0 },
		{ ESP_AES_GCM_256, ESP_AUTH_IN_ENC, 32, 0 }, { ESP_AES_GCM_256, ESP_AUTH_IN_ENC, 20, 0 },
		{ ESP_AES_CBC_128, ESP_AUTH_IN_ENC, 16, 0 }, { ESP_AES_CBC_256, ESP_AUTH_IN_ENC, 32, 20 },
		{ ESP_AES_CBC_128, 0, 16, 20 }, { ESP_AES_CBC_128, 5, 16, 20 },
		{ ESP_AES_CBC_128, ESP_HMAC_SHA2_384_192, 16, 64 }, { ESP_AES_CBC_128, ESP_HMAC_SHA2_512_256, 16, 48 },
		{ ESP_3DES_CBC, ESP_HMAC_SHA1_96, 16, 20 }, { ESP_3DES_CBC, ESP_AUTH_IN_ENC, 24, 0 },
		{ ESP_AES_CBC_128, ESP_HMAC_SHA1_96, 32, 20 }, { ESP_AES_CBC_256, ESP_HMAC_SHA1_96, 16, 20 },
		{ ESP_AES_CBC_128, ESP_HMAC_SHA1_96, 0, 20 }, { ESP_AES_CBC_128, ESP_HMAC_SHA1_96, 16, 0 },
		{ ESP_AES_CBC_128, ESP_HMAC_SHA1_96, 16, 32 }, { ESP_AES_CBC_128, ESP_HMAC_SHA2_256_128, 16, 20 },
		{ ESP_AES_CBC_128, ESP_HMAC_SHA1_96, 16, 64 }, { 255, 255, 16, 20 },
	};

	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		struct esp_keys k = {
			.enc = bad[i].enc, .auth = bad[i].auth, .enc_key = key, .enc_len = bad[i].enc_len,
			.auth_key = key, .auth_len = bad[i].auth_len,
		};
		struct esp_sa *sa = NULL;

		assert_int_equal(esp_sa_new(256, &k, true, &sa), -EINVAL);
		assert_null(sa);
	}
	esp_sa_free(NULL);
}

static void t_round_trip(void **st)
{
	for (size_t s = 0; s < N_ELEMENTS(suites); s++) {
		struct esp_sa *out = sa_new(&suites[s], 0x0c000201, false);
		struct esp_sa *in = sa_new(&suites[s], 0x0c000201, true);

		assert_int_equal(esp_spi(in), 0x0c000201);
		assert_int_equal(esp_seq(out), 0);
		for (size_t n = 0; n <= 1500; n++) {
			struct esp_pkt p = pkt_sealed(out, n, (uint8_t)n);
			size_t fixed = 8 + suites[s].iv_len + suites[s].icv_len;
			uint32_t spi, seq;

			/* Whole blocks, and not one more than needed. */
			assert_int_equal((p.len - fixed) % suites[s].block, 0);
			assert_true(p.len >= fixed + n + 2);
			assert_true(p.len < fixed + n + 2 + suites[s].block);
			assert_true(p.len <= ESP_HEADROOM + n + ESP_TAILROOM);
			assert_true(esp_peek(p.p, p.len, &spi, &seq));
			assert_int_equal(spi, 0x0c000201);
			assert_int_equal(seq, n + 1);
			p.sa = in;
			p.next_header = 0;
			esp_open(&p, 1);
			assert_payload(&p, n, (uint8_t)n);
			assert_int_equal(esp_seq(in), n + 1);
			free(p.p);
		}
		esp_sa_free(in);
		esp_sa_free(out);
	}
}

/* Every bit and every length but the right one; none of it may move the window. */
static void t_damage(void **st)
{
	for (size_t s = 0; s < N_ELEMENTS(suites); s++) {
		struct esp_sa *out = sa_new(&suites[s], 0x0c000201, false);
		struct esp_sa *in = sa_new(&suites[s], 0x0c000201, true);
		struct esp_pkt good, p;
		size_t fixed = 8 + suites[s].iv_len + suites[s].icv_len, block = suites[s].block;

		out->seq = 0x0001ffff;
		good = pkt_sealed(out, 40, 1);
		/* The SPI is the caller's to look up; that it is covered too, the ICV proves. */
		for (size_t bit = 0; bit < good.len * 8; bit++) {
			enum esp_verdict want = ESP_BAD_ICV;

			p = pkt_copy(&good, in, good.len);
			p.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			/* 0x00020000 with its only bit gone is number 0. */
			if (bit == 5 * 8 + 1)
				want = ESP_REPLAYED;
			esp_open(&p, 1);
			assert_refused(&p, want);
			free(p.p);
		}
		for (size_t n = 0; n <= good.len + 33; n++) {
			bool fits = n >= fixed + block && (n - fixed) % block == 0;

			if (n == good.len)
				continue;
			p = pkt_copy(&good, in, n);
			esp_open(&p, 1);
			assert_refused(&p, fits ? ESP_BAD_ICV : ESP_SHORT);
			free(p.p);
		}
		p = pkt_copy(&good, in, fixed + 65536);
		esp_open(&p, 1);
		assert_refused(&p, ESP_SHORT);
		free(p.p);
		/* Right, but of another SA: other keys. */
		struct esp_sa *other = sa_new(&suites[s], 0x0c000301, true);

		p = pkt_copy(&good, other, good.len);
		esp_open(&p, 1);
		assert_refused(&p, ESP_BAD_ICV);
		free(p.p);
		esp_sa_free(other);

		assert_int_equal(esp_seq(in), 0);
		good.sa = in;
		esp_open(&good, 1);
		assert_payload(&good, 40, 1);
		assert_int_equal(esp_seq(in), 0x00020000);
		free(good.p);
		esp_sa_free(in);
		esp_sa_free(out);
	}
}

static void t_direction(void **st)
{
	struct esp_sa *out = sa_new(&suites[0], 256, false), *in = sa_new(&suites[0], 256, true);
	struct esp_pkt p = pkt_sealed(out, 10, 0);

	esp_open(&p, 1);		/* with the outbound one */
	assert_refused(&p, ESP_FAILED);
	p.sa = in;
	p.len = 10;
	esp_seal(&p, 1);
	assert_int_equal(p.verdict, ESP_FAILED);
	p.sa = out;
	p.len = ESP_LEN_MAX - 30;	/* nothing may be written: the buffer is small */
	esp_seal(&p, 1);
	assert_int_equal(p.verdict, ESP_FAILED);
	p.len = SIZE_MAX;
	esp_seal(&p, 1);
	assert_int_equal(p.verdict, ESP_FAILED);
	assert_int_equal(esp_seq(out), 1);
	free(p.p);
	esp_sa_free(in);
	esp_sa_free(out);
}

static void t_sizes(void **st)
{
	for (size_t s = 0; s < N_ELEMENTS(suites); s++) {
		struct esp_sa *sa = sa_new(&suites[s], 256, false);

		for (size_t n = 0; n < 1600; n++) {
			size_t max = esp_payload_max(sa, n);

			if (n < esp_sealed_len(sa, 0)) {
				assert_int_equal(max, 0);
				continue;
			}
			assert_true(esp_sealed_len(sa, max) <= n);
			assert_true(esp_sealed_len(sa, max + 1) > n);
		}
		/* 1500 less IPv4 and UDP; what is left after UDP, L2TP and PPP is 1404, with GCM 1420. */
		assert_int_equal(esp_payload_max(sa, 1472), suites[s].max);
		esp_sa_free(sa);
	}
}

static void t_peek(void **st)
{
	static const uint8_t p[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	uint32_t spi = 9, seq = 9;

	for (size_t n = 0; n < sizeof(p); n++)
		assert_false(esp_peek(p, n, &spi, &seq));
	assert_int_equal(spi, 9);
	assert_true(esp_peek(p, sizeof(p), &spi, &seq));
	assert_int_equal(spi, 0x01020304);
	assert_int_equal(seq, 0x05060708);
}

static void t_words(void **st)
{
	for (int a = 0; a < ESP_VERDICTS; a++)
		for (int b = 0; b < a; b++)
			assert_string_not_equal(esp_verdict_str((enum esp_verdict)a),
				esp_verdict_str((enum esp_verdict)b));
	assert_string_equal(esp_verdict_str(ESP_VERDICTS), "?");
}

/* ---- replay ---- */

static void t_replay_table(void **st)
{
	enum { W = ESP_REPLAY_WINDOW };
	static const struct step {
		int window;		/* starts a new window when it differs from the row before */
		uint32_t seq;
		bool ok;
	} steps[] = {
		{ 1, 0, false }, { 1, 1, true }, { 1, 1, false }, { 1, 0, false },
		/* edges: the oldest number that counts is top - W + 1 */
		{ 2, W, true }, { 2, 1, true }, { 2, 1, false }, { 2, W + 1, true }, { 2, 1, false },
		{ 2, 2, true }, { 2, 2, false }, { 2, W + 2, true }, { 2, 2, false }, { 2, 3, true },
		{ 2, W, false }, { 2, W + 1, false },
		/* a jump of exactly the window, of the ring, and of one more */
		{ 3, 5, true }, { 3, 5 + W, true }, { 3, 5, false }, { 3, 6, true },
		{ 4, 70, true }, { 4, 70 + 2 * W, true }, { 4, 70 + W, false }, { 4, 71 + W, true },
		{ 4, 70 + 2 * W, false },
		{ 5, 63, true }, { 5, 64, true }, { 5, 63 + 2 * W, true }, { 5, 64 + W, true },
		{ 5, 64 + W, false }, { 5, 63 + W, false },
		/* to the end: nothing after it, 0 stays refused, what lags is still taken */
		{ 6, 1, true }, { 6, UINT32_MAX, true }, { 6, UINT32_MAX, false }, { 6, 0, false },
		{ 6, 1, false }, { 6, 2, false }, { 6, UINT32_MAX - 1, true }, { 6, UINT32_MAX - 1, false },
		{ 6, UINT32_MAX - (W - 1), true }, { 6, UINT32_MAX - W, false },
		{ 7, UINT32_MAX - 1, true }, { 7, UINT32_MAX, true }, { 7, UINT32_MAX - 1, false },
	};
	struct replay r = { 0 };

	for (size_t i = 0; i < N_ELEMENTS(steps); i++) {
		if (i && steps[i].window != steps[i - 1].window)
			r = (struct replay){ 0 };
		struct replay before = r;

		if (replay_check(&r, steps[i].seq) != steps[i].ok)
			fail_msg("row %zu: check of %u", i, steps[i].seq);
		assert_memory_equal(&r, &before, sizeof(r));
		if (replay_accept(&r, steps[i].seq) != steps[i].ok)
			fail_msg("row %zu: accept of %u", i, steps[i].seq);
		if (!steps[i].ok)
			assert_memory_equal(&r, &before, sizeof(r));
	}
}

/* Reordering of 1 to window + 1: n packets in reverse, then all of them again. */
static void t_replay_reverse(void **st)
{
	for (uint32_t n = 1; n <= ESP_REPLAY_WINDOW + 1; n++) {
		struct replay r = { 0 };
		unsigned ok = 0;

		for (uint32_t seq = n; seq; seq--)
			ok += replay_accept(&r, seq);
		assert_int_equal(ok, MIN(n, (uint32_t)ESP_REPLAY_WINDOW));
		for (uint32_t seq = n; seq; seq--)
			assert_false(replay_accept(&r, seq));
	}
}

static void t_replay_model(void **st)
{
	enum { SPAN = 200000 };
	static bool seen[SPAN];
	struct rng rng;

	rng_init_test(&rng, 4);
	/* From 1, and up to the last number there is. */
	for (int run = 0; run < 2; run++) {
		uint32_t base = run ? UINT32_MAX - SPAN + 1 : 0, top = 0;
		struct replay r = { 0 };
		unsigned taken = 0;

		memset(seen, 0, sizeof(seen));
		for (int i = 0; i < 100000; i++) {
			uint32_t x = rng_u32(&rng), at = top, seq;
			bool want;

			switch (x % 16) {
			case 0:		/* ahead, now and then far */
				at += x / 16 % (x >> 24 ? 40 : 3000);
				break;
			case 1:		/* about the far edge */
				at -= MIN(at, ESP_REPLAY_WINDOW + 32 - x / 16 % 64);
				break;
			default:	/* about the top */
				at += x / 16 % 8;
				at -= MIN(at, x / 256 % 1200);
			}
			at = MIN(at, (uint32_t)SPAN - 1);
			seq = base + at;
			want = seq && !seen[at] && (at > top || top - at < ESP_REPLAY_WINDOW);
			assert_int_equal(replay_check(&r, seq), want);
			assert_int_equal(replay_accept(&r, seq), want);
			if (!want)
				continue;
			seen[at] = true;
			top = MAX(top, at);
			taken++;
		}
		assert_true(taken > 10000);
		assert_int_equal(r.top, base + top);
	}
}

/* ---- batches ---- */

static void t_batch_duplicates(void **st)
{
	const struct suite *s = *st;
	struct esp_sa *out = sa_new(s, 256, false), *in = sa_new(s, 256, true);
	struct esp_pkt one = pkt_sealed(out, 20, 1), far, b[5];

	out->seq = 5 + ESP_REPLAY_WINDOW;
	far = pkt_sealed(out, 20, 2);
	b[0] = pkt_copy(&one, in, one.len);
	b[0].p[30] ^= 1;		/* a forgery of it comes first */
	b[1] = pkt_copy(&one, in, one.len);
	b[2] = pkt_copy(&one, in, one.len);
	b[3] = pkt_copy(&far, in, far.len);
	b[4] = pkt_copy(&one, in, one.len);
	esp_open(b, 5);
	assert_refused(&b[0], ESP_BAD_ICV);
	assert_payload(&b[1], 20, 1);
	assert_refused(&b[2], ESP_REPLAYED);
	assert_payload(&b[3], 20, 2);
	assert_refused(&b[4], ESP_REPLAYED);
	for (int i = 0; i < 5; i++)
		free(b[i].p);
	esp_sa_free(in);

	/* What passed the pre-check is too old by the time a later number is accepted. */
	in = sa_new(s, 256, true);
	b[0] = pkt_copy(&far, in, far.len);
	b[1] = pkt_copy(&one, in, one.len);
	esp_open(b, 2);
	assert_payload(&b[0], 20, 2);
	assert_refused(&b[1], ESP_REPLAYED);
	free(b[0].p);
	free(b[1].p);
	free(one.p);
	free(far.p);
	esp_sa_free(in);
	esp_sa_free(out);
}

/* Several SAs and suites in one call, more packets than a batch of the backend, each fifth
 * broken in its own way; and the same packets one by one give the same. */
static void t_batch_mixed(void **st)
{
	enum { N = 3 * ESP_BATCH + 7, SAS = 12 };
	static const enum esp_verdict faults[] = { ESP_SHORT, ESP_BAD_ICV, ESP_REPLAYED };

	for (unsigned step = 1; step <= N; step += N - 1) {
		struct esp_sa *out[SAS], *in[SAS];
		struct esp_pkt p[N];
		enum esp_verdict want[N];
		unsigned sent[SAS] = { 0 };

		for (unsigned i = 0; i < SAS; i++) {
			out[i] = sa_new(&suites[i % N_ELEMENTS(suites)], 256 * (i + 1), false);
			in[i] = sa_new(&suites[i % N_ELEMENTS(suites)], 256 * (i + 1), true);
		}
		for (unsigned i = 0; i < N; i++) {
			size_t n = i * 13 % 1400;

			p[i] = (struct esp_pkt){ .sa = out[i * 5 % SAS], .len = n, .next_header = 17 };
			p[i].p = malloc(esp_sealed_len(p[i].sa, n));
			memset(p[i].p + esp_payload_offset(p[i].sa), 0, n);
			for (size_t k = 0; k < n; k++)
				p[i].p[esp_payload_offset(p[i].sa) + k] = (uint8_t)(i + k);
		}
		for (unsigned i = 0; i < N; i += step)
			esp_seal(p + i, step);
		for (unsigned i = 0; i < N; i++) {
			unsigned s = i * 5 % SAS;
			uint32_t spi, seq;

			assert_int_equal(p[i].verdict, ESP_OK);
			assert_int_equal(p[i].len, esp_sealed_len(out[s], i * 13 % 1400));
			assert_true(esp_peek(p[i].p, p[i].len, &spi, &seq));
			assert_int_equal(spi, 256 * (s + 1));
			assert_int_equal(seq, ++sent[s]);
			p[i].sa = in[s];
			want[i] = i % 5 == 4 ? faults[i / 5 % 3] : ESP_OK;
			if (want[i] == ESP_SHORT)
				p[i].len--;
			else if (want[i] == ESP_BAD_ICV)
				p[i].p[p[i].len - 1] ^= 0x80;
			else if (want[i] == ESP_REPLAYED)
				memset(p[i].p + 4, 0, 4);
		}
		for (unsigned i = 0; i < N; i += step)
			esp_open(p + i, step);
		for (unsigned i = 0; i < N; i++) {
			if (want[i] == ESP_OK)
				assert_payload(&p[i], i * 13 % 1400, (uint8_t)i);
			else
				assert_refused(&p[i], want[i]);
			free(p[i].p);
		}
		for (unsigned i = 0; i < SAS; i++) {
			esp_sa_free(out[i]);
			esp_sa_free(in[i]);
		}
	}
	esp_seal(NULL, 0);
	esp_open(NULL, 0);
}

/* The number of an SA that sends is raised, never taken back; one that receives has none to raise. */
static void t_raise(void **st)
{
	struct esp_sa *out = sa_new(&suites[0], 256, false), *in = sa_new(&suites[0], 256, true);

	assert_true(esp_seq_raise(out, 100));
	assert_int_equal(esp_seq(out), 100);
	assert_false(esp_seq_raise(out, 99));
	assert_int_equal(esp_seq(out), 100);
	assert_true(esp_seq_raise(out, 100));
	assert_false(esp_seq_raise(in, 100));
	assert_int_equal(esp_seq(in), 0);
	esp_sa_free(in);
	esp_sa_free(out);
}

static void t_exhausted(void **st)
{
	struct esp_sa *out = sa_new(&suites[0], 256, false), *in = sa_new(&suites[0], 256, true);
	uint8_t buf[4][128];
	struct esp_pkt p[4];

	out->seq = UINT32_MAX - 2;
	for (int i = 0; i < 4; i++) {
		memset(buf[i], 0xaa, sizeof(buf[i]));
		p[i] = (struct esp_pkt){ .sa = out, .p = buf[i], .len = 8, .next_header = 17 };
	}
	esp_seal(p, 4);
	for (int i = 0; i < 4; i++)
		assert_int_equal(p[i].verdict, i < 2 ? ESP_OK : ESP_EXHAUSTED);
	assert_int_equal(esp_seq(out), UINT32_MAX);
	for (size_t i = 0; i < sizeof(buf[2]); i++)
		assert_int_equal(buf[2][i], 0xaa);
	for (int i = 0; i < 2; i++)
		p[i].sa = in;
	esp_open(p, 2);
	assert_int_equal(p[0].verdict, ESP_OK);
	assert_int_equal(p[1].verdict, ESP_OK);
	assert_int_equal(esp_seq(in), UINT32_MAX);
	esp_sa_free(in);
	esp_sa_free(out);
}

static int iv_cmp(const void *a, const void *b)
{
	return memcmp(a, b, ESP_IV_MAX);
}

/* Past the end of a pool and on: no IV comes twice, and each of its bytes varies. */
static void t_ivs(void **st)
{
	enum { N = 5000 };
	static uint8_t iv[N][ESP_IV_MAX];
	struct esp_sa *out = sa_new(&suites[0], 256, false);
	unsigned zeros[ESP_IV_MAX] = { 0 };

	for (int i = 0; i < N; i++) {
		struct esp_pkt p = pkt_sealed(out, 0, 0);

		memcpy(iv[i], p.p + ESP_HDR, ESP_IV_MAX);
		for (int k = 0; k < ESP_IV_MAX; k++)
			zeros[k] += iv[i][k] == 0;
		free(p.p);
	}
	qsort(iv, N, sizeof(iv[0]), iv_cmp);
	for (int i = 1; i < N; i++)
		assert_memory_not_equal(iv[i - 1], iv[i], ESP_IV_MAX);
	/* 20 are expected; 100 of 5000 is beyond any chance. */
	for (int k = 0; k < ESP_IV_MAX; k++)
		assert_true(zeros[k] < 100);
	esp_sa_free(out);
}

/* RFC 4106 3.1: never the same IV twice under one key. */
static void t_ivs_gcm(void **st)
{
	struct esp_sa *out = sa_new(&suites[GCM], 256, false);
	uint8_t last[8] = { 0 };

	for (int i = 0; i < 1000; i++) {
		struct esp_pkt p;

		if (i == 500)
			out->seq = UINT32_MAX - 500;
		p = pkt_sealed(out, 8, 0);
		assert_true(memcmp(p.p + ESP_HDR, last, sizeof(last)) > 0);
		memcpy(last, p.p + ESP_HDR, sizeof(last));
		free(p.p);
	}
	assert_int_equal(esp_seq(out), UINT32_MAX);
	esp_sa_free(out);
}

/* Libraries in assembly, which no sanitizer sees into: not one byte before or after a packet may be
 * touched, wherever it stands. */
static void t_bounds(void **st)
{
	enum { PAGE = 4096 };
	uint8_t *map = mmap(NULL, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(map != MAP_FAILED);
	assert_int_equal(mprotect(map, PAGE, PROT_NONE), 0);
	assert_int_equal(mprotect(map + 2 * PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(mprotect(map + 4 * PAGE, PAGE, PROT_NONE), 0);
	for (size_t s = 0; s < N_ELEMENTS(suites); s++) {
		struct esp_sa *out = sa_new(&suites[s], 256, false), *in = sa_new(&suites[s], 256, true);

		for (size_t n = 0; n < 600; n++) {
			size_t len = esp_sealed_len(out, n);
			struct esp_pkt p[4];

			for (int i = 0; i < 4; i++) {
				uint8_t *page = map + (i < 2 ? PAGE : 3 * PAGE);

				p[i] = (struct esp_pkt){ .sa = out, .len = n, .next_header = 17,
					.p = i % 2 ? page + PAGE - len : page };
				memset(p[i].p + esp_payload_offset(out), (int)n, n);
			}
			esp_seal(p, 4);
			for (int i = 0; i < 4; i++) {
				assert_int_equal(p[i].verdict, ESP_OK);
				assert_int_equal(p[i].len, len);
				p[i].sa = in;
			}
			esp_open(p, 4);
			for (int i = 0; i < 4; i++) {
				assert_int_equal(p[i].verdict, ESP_OK);
				assert_int_equal(p[i].payload_len, n);
				for (size_t k = 0; k < n; k++)
					assert_int_equal(p[i].payload[k], (uint8_t)n);
			}
		}
		esp_sa_free(in);
		esp_sa_free(out);
	}
	munmap(map, 5 * PAGE);
}

/* ---- several backends ---- */

static bool is_gcm(unsigned op)
{
	return op >= OP_GCM_128_SEAL && op <= OP_GCM_256_OPEN;
}

static bool is_hash(unsigned op)
{
	return op >= OP_SHA1 && op <= OP_SHA512;
}

/* Any of those there are, by number of packets; GCM has one for all. */
static void choose_any(struct rng *r)
{
	for (unsigned op = 0; op < ESP_OPS; op++) {
		struct crypto_choice any[ESP_OPS];
		uint32_t id;

		for (unsigned n = 0; n <= CHOICE_MAX; n++) {
			memcpy(any, crypto_choice, sizeof(any));
			do
				id = rng_u32(r) % BACKENDS;
			while (!crypto_force((enum esp_backend_id)id));
			memcpy(crypto_choice, any, sizeof(any));
			if (op < OP_GCM_128_SEAL)
				crypto_choice[op].by[n] = (uint8_t)id;
		}
		if (is_gcm(op))
			memset(&crypto_choice[op], (int)id, sizeof(crypto_choice[op]));
	}
}

/* Sealed by whatever mixture, opened by each; every size of batch, mixed SAs, suites and lengths,
 * and failures in the middle. */
static void t_backends_agree(void **st)
{
	enum { N = 2 * ESP_BATCH + 3, SAS = 2 * N_ELEMENTS(suites), ROOM = 1600 };
	static uint8_t sealed[N][ROOM], opened[N][ROOM];
	struct rng rng;

	rng_init_test(&rng, 11);
	for (unsigned n = 1; n <= N; n += n < 64 ? 1 : 68) {
		struct esp_sa *out[SAS], *in[SAS];
		struct esp_pkt p[N], q[N];
		enum esp_verdict want[N];
		size_t len[N];

		choose_any(&rng);
		for (unsigned i = 0; i < SAS; i++)
			out[i] = sa_new(&suites[i / 2], 256 * (i + 1), false);
		for (unsigned i = 0; i < n; i++) {
			len[i] = rng_u32(&rng) % 3 ? rng_u32(&rng) % 1500 : 1400;
			p[i] = (struct esp_pkt){
				.sa = out[n % 4 ? rng_u32(&rng) % SAS : n % SAS], .p = sealed[i], .len = len[i],
				.next_header = 17,
			};
			for (size_t k = 0; k < len[i]; k++)
				sealed[i][esp_payload_offset(p[i].sa) + k] = (uint8_t)(i + k);
		}
		esp_seal(p, n);
		for (unsigned i = 0; i < n; i++) {
			uint32_t x = rng_u32(&rng);

			assert_int_equal(p[i].verdict, ESP_OK);
			want[i] = x % 4 ? ESP_OK : ESP_BAD_ICV;
			if (want[i] == ESP_BAD_ICV)
				sealed[i][ESP_HDR + x / 4 % (p[i].len - ESP_HDR)] ^= (uint8_t)(1 << x / 65536 % 8);
		}
		/* BACKENDS: once more a mixture. */
		for (unsigned id = 0; id <= BACKENDS; id++) {
			if (id == BACKENDS)
				choose_any(&rng);
			else if (!crypto_force((enum esp_backend_id)id))
				continue;
			for (unsigned i = 0; i < SAS; i++)
				in[i] = sa_new(&suites[i / 2], 256 * (i + 1), true);
			for (unsigned i = 0; i < n; i++) {
				unsigned s = (unsigned)(esp_spi(p[i].sa) / 256 - 1);

				memcpy(opened[i], sealed[i], p[i].len);
				q[i] = (struct esp_pkt){ .sa = in[s], .p = opened[i], .len = p[i].len };
			}
			esp_open(q, n);
			for (unsigned i = 0; i < n; i++) {
				if (want[i] == ESP_OK)
					assert_payload(&q[i], len[i], (uint8_t)i);
				else
					assert_refused(&q[i], want[i]);
			}
			for (unsigned i = 0; i < SAS; i++)
				esp_sa_free(in[i]);
		}
		for (unsigned i = 0; i < SAS; i++)
			esp_sa_free(out[i]);
	}
}

/* A backend that does as OpenSSL does, but for one thing. */
static struct {
	enum esp_op op;
	enum { WRONG_NOT, WRONG_DATA, WRONG_ICV, WRONG_OK, WRONG_AUTHENTIC } how;
	unsigned from;			/* only in groups of so many */
} wrong;

static bool wrong_key(enum esp_backend_id id, struct esp_key *k, const struct esp_keys *keys)
{
	return esp_backend_openssl.key(BACKEND_OPENSSL, k, keys);
}

static void wrong_run(enum esp_backend_id id, enum esp_op op, struct esp_job *const *jobs, unsigned n)
{
	struct esp_job *last = jobs[n - 1];

	esp_backend_openssl.run(BACKEND_OPENSSL, op, jobs, n);
	if (op != wrong.op || n < wrong.from)
		return;
	if (wrong.how == WRONG_DATA)
		last->data[last->len - 1] ^= 1;
	else if (wrong.how == WRONG_ICV)
		last->icv[0] ^= 1;
	else if (wrong.how == WRONG_OK)
		last->ok = false;
	else if (wrong.how == WRONG_AUTHENTIC)
		for (unsigned i = 0; i < n; i++)
			jobs[i]->authentic = true;
}

static void t_selftest(void **st)
{
	static const struct esp_backend b = { .key = wrong_key, .run = wrong_run };

	wrong.how = WRONG_NOT;
	assert_null(crypto_selftest(&b, BACKEND_MB_SSE));
	for (unsigned op = 0; op < ESP_OPS; op++) {
		wrong.op = (enum esp_op)op;
		for (wrong.from = 1; wrong.from <= 8; wrong.from += 7) {
			wrong.how = is_hash(op) ? WRONG_ICV : WRONG_DATA;
			assert_non_null(crypto_selftest(&b, BACKEND_MB_SSE));
			if (op == OP_GCM_128_SEAL || op == OP_GCM_256_SEAL)
				wrong.how = WRONG_ICV;
			else if (is_gcm(op))
				wrong.how = WRONG_AUTHENTIC;
			assert_non_null(crypto_selftest(&b, BACKEND_MB_SSE));
			wrong.how = WRONG_OK;
			assert_non_null(crypto_selftest(&b, BACKEND_MB_SSE));
		}
	}
}

/* What the self-test drops, the tests above do not see. */
static void t_nobody_lies(void **st)
{
	assert_null(strstr(esp_crypto_text(), "wrong"));
}

/* A clock that gives every measurement less time than the one before, or more. */
static int64_t clock_step, clock_cost;
static uint64_t clock_now;

static uint64_t clock_ns(void)
{
	static bool running;

	running = !running;
	if (!running) {
		clock_cost += clock_step;
		clock_now += (uint64_t)clock_cost;
	}
	return clock_now;
}

static void t_tune(void **st)
{
	bool any = false;

	for (unsigned id = 1; id < BACKENDS; id++)
		any |= crypto_force((enum esp_backend_id)id);
	clock_step = 1000;
	crypto_tune(clock_ns, true);
	for (unsigned op = 0; op < ESP_OPS; op++)
		for (unsigned n = 1; n <= CHOICE_MAX; n++)
			assert_int_equal(crypto_choice[op].by[n], BACKEND_OPENSSL);
	t_batch_mixed(st);
	clock_cost = 1 << 30;
	clock_step = -1000000;
	crypto_tune(clock_ns, true);
	for (unsigned op = 0; op < ESP_OPS; op++)
		for (unsigned n = 1; n <= CHOICE_MAX; n++)
			assert_int_equal(crypto_choice[op].by[n] != BACKEND_OPENSSL, any && op < OP_3DES_ENC);
	assert_non_null(strstr(esp_crypto_text(), any ? "ipsec-mb" : "openssl"));
	t_batch_mixed(st);
}

static void t_counts(void **st)
{
	struct esp_sa *out;
	struct esp_crypto_counts before, after;

	assert_true(crypto_force(BACKEND_OPENSSL));
	out = sa_new(&suites[0], 256, false);
	before = esp_crypto_counts();
	free(pkt_sealed(out, 10, 0).p);
	after = esp_crypto_counts();
	assert_int_equal(after.openssl, before.openssl + 2);	/* cipher and hash */
	assert_int_equal(after.ipsec_mb, before.ipsec_mb);
	esp_sa_free(out);
}

int main(void)
{
	static void *const suite_cbc = (void *)&suites[3], *const suite_gcm = (void *)&suites[GCM];
	const struct CMUnitTest each[] = {
		cmocka_unit_test(t_kat_open), cmocka_unit_test(t_kat_seal), cmocka_unit_test(t_round_trip),
		cmocka_unit_test(t_damage), cmocka_unit_test(t_direction), cmocka_unit_test(t_sizes),
		cmocka_unit_test_prestate(t_batch_duplicates, suite_cbc),
		cmocka_unit_test_prestate(t_batch_duplicates, suite_gcm),
		cmocka_unit_test(t_batch_mixed), cmocka_unit_test(t_exhausted), cmocka_unit_test(t_raise), cmocka_unit_test(t_ivs),
		cmocka_unit_test(t_ivs_gcm), cmocka_unit_test(t_bounds),
	};
	const struct CMUnitTest once[] = {
		cmocka_unit_test(t_sa_new), cmocka_unit_test(t_peek), cmocka_unit_test(t_words),
		cmocka_unit_test(t_replay_table), cmocka_unit_test(t_replay_reverse),
		cmocka_unit_test(t_replay_model), cmocka_unit_test(t_backends_agree),
		cmocka_unit_test(t_selftest), cmocka_unit_test(t_nobody_lies), cmocka_unit_test(t_tune), cmocka_unit_test(t_counts),
	};
	int failed;

	/* As it is without esp_init(), and as that leaves it. */
	failed = cmocka_run_group_tests_name("no esp_init", each, NULL, NULL);
	if (!esp_init())
		return 1;
	failed += cmocka_run_group_tests_name("esp_init", each, NULL, NULL);
	for (unsigned id = BACKEND_OPENSSL + 1; id < BACKENDS; id++)
		if (crypto_force((enum esp_backend_id)id))
			failed += cmocka_run_group_tests_name(crypto_name((enum esp_backend_id)id), each, NULL, NULL);
	return failed + cmocka_run_group_tests(once, NULL, NULL);
}
