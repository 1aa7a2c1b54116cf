/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ESP: vectors, round trips, damage, replay, exhaustion, batches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "esp/crypto.h"
#include "esp/esp.h"
#include "esp/replay.h"
#include "esp/sa.h"

#include "esp_kat.h"

static const struct suite {
	uint8_t enc, auth;
	size_t enc_len, auth_len, icv_len;
} suites[] = {
	{ ESP_AES_CBC_128, ESP_HMAC_SHA1_96, 16, 20, 12 },
	{ ESP_AES_CBC_256, ESP_HMAC_SHA1_96, 32, 20, 12 },
	{ ESP_AES_CBC_128, ESP_HMAC_SHA2_256_128, 16, 32, 16 },
	{ ESP_AES_CBC_256, ESP_HMAC_SHA2_256_128, 32, 32, 16 },
};

static struct esp_sa *sa_new(const struct suite *s, uint32_t spi, bool inbound)
{
	uint8_t key[64];
	struct esp_keys k = {
		.enc = s->enc, .auth = s->auth, .enc_key = key, .enc_len = s->enc_len,
		.auth_key = key + 32, .auth_len = s->auth_len,
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

static struct esp_keys kat_keys(const struct kat *k)
{
	return (struct esp_keys){
		.enc = k->enc, .auth = k->auth,
		.enc_key = (const uint8_t *)k->enc_key, .enc_len = k->enc == ESP_AES_CBC_128 ? 16 : 32,
		.auth_key = (const uint8_t *)k->auth_key, .auth_len = k->auth == ESP_HMAC_SHA1_96 ? 20 : 32,
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

/* The other direction of the vectors, below esp_seal(), which draws its own IVs. */
static void backend_kat(const struct esp_backend *b)
{
	for (size_t i = 0; i < N_ELEMENTS(kats); i++) {
		const struct kat *k = &kats[i];
		const uint8_t *want = (const uint8_t *)k->packet;
		size_t icv_len = k->auth == ESP_HMAC_SHA1_96 ? 12 : 16;
		size_t body_len = k->packet_len - ESP_HEADROOM - icv_len;
		struct esp_keys keys = kat_keys(k);
		struct esp_key *in = NULL, *out = NULL;
		uint8_t *body = malloc(body_len), *icv = malloc(icv_len);
		struct esp_cipher_job c = {
			.iv = want + ESP_HDR, .data = body, .len = body_len,
		};
		struct esp_hash_job h = {
			.data = want, .len = k->packet_len - icv_len, .icv = icv,
		};

		assert_int_equal(b->key_new(&keys, true, &in), 0);
		assert_int_equal(b->key_new(&keys, false, &out), 0);
		memcpy(body, want + ESP_HEADROOM, body_len);
		c.key = in;
		b->decrypt(&c, 1);
		assert_true(c.ok);
		assert_memory_equal(body, k->payload, k->payload_len);
		assert_int_equal(body[body_len - 1], k->next_header);
		c.key = h.key = out;
		c.ok = false;
		b->encrypt(&c, 1);
		assert_true(c.ok);
		assert_memory_equal(body, want + ESP_HEADROOM, body_len);
		b->hash(&h, 1);
		assert_true(h.ok);
		assert_memory_equal(icv, want + k->packet_len - icv_len, icv_len);
		b->key_free(in);
		b->key_free(out);
		free(body);
		free(icv);
	}
}

static void t_kat_backends(void **st)
{
	backend_kat(&esp_backend_openssl);
}

static void t_sa_new(void **st)
{
	static const uint8_t key[64];
	static const struct {
		uint8_t enc, auth;
		size_t enc_len, auth_len;
	} bad[] = {
		{ 0, ESP_HMAC_SHA1_96, 16, 20 }, { 3, ESP_HMAC_SHA1_96, 16, 20 },
		{ ESP_AES_CBC_128, 0, 16, 20 }, { ESP_AES_CBC_128, 3, 16, 20 },
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
			uint32_t spi, seq;

			/* Whole blocks, and not one more than needed. */
			assert_int_equal((p.len - 24 - suites[s].icv_len) % 16, 0);
			assert_true(p.len >= 24 + n + 2 + suites[s].icv_len);
			assert_true(p.len < 24 + n + 2 + suites[s].icv_len + 16);
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
		size_t fixed = 24 + suites[s].icv_len;

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
			bool fits = n >= fixed + 16 && (n - fixed) % 16 == 0;

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
		/* 1500 less IPv4 and UDP; what is left after UDP, L2TP and PPP is 1404. */
		assert_int_equal(esp_payload_max(sa, 1472), 1422);
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
	struct esp_sa *out = sa_new(&suites[3], 256, false), *in = sa_new(&suites[3], 256, true);
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
	in = sa_new(&suites[3], 256, true);
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
	enum { N = 3 * ESP_BATCH + 7, SAS = 8 };
	static const enum esp_verdict faults[] = { ESP_SHORT, ESP_BAD_ICV, ESP_REPLAYED };

	for (unsigned step = 1; step <= N; step += N - 1) {
		struct esp_sa *out[SAS], *in[SAS];
		struct esp_pkt p[N];
		enum esp_verdict want[N];
		unsigned sent[SAS] = { 0 };

		for (unsigned i = 0; i < SAS; i++) {
			out[i] = sa_new(&suites[i % 4], 256 * (i + 1), false);
			in[i] = sa_new(&suites[i % 4], 256 * (i + 1), true);
		}
		for (unsigned i = 0; i < N; i++) {
			size_t n = i * 13 % 1400;

			p[i] = (struct esp_pkt){ .sa = out[i * 3 % SAS], .len = n, .next_header = 17 };
			p[i].p = malloc(esp_sealed_len(p[i].sa, n));
			memset(p[i].p + esp_payload_offset(p[i].sa), 0, n);
			for (size_t k = 0; k < n; k++)
				p[i].p[esp_payload_offset(p[i].sa) + k] = (uint8_t)(i + k);
		}
		for (unsigned i = 0; i < N; i += step)
			esp_seal(p + i, step);
		for (unsigned i = 0; i < N; i++) {
			unsigned s = i * 3 % SAS;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_kat_open), cmocka_unit_test(t_kat_backends), cmocka_unit_test(t_sa_new),
		cmocka_unit_test(t_round_trip), cmocka_unit_test(t_damage), cmocka_unit_test(t_direction),
		cmocka_unit_test(t_sizes), cmocka_unit_test(t_peek), cmocka_unit_test(t_words),
		cmocka_unit_test(t_replay_table), cmocka_unit_test(t_replay_reverse),
		cmocka_unit_test(t_replay_model), cmocka_unit_test(t_batch_duplicates),
		cmocka_unit_test(t_batch_mixed), cmocka_unit_test(t_exhausted), cmocka_unit_test(t_ivs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
