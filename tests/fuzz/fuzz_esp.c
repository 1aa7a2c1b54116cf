/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ESP as an attacker sees it.  Byte 0: the suite (bits 0-1 and 4), what is done (bits 2-3), the crypto backend (bits 5-7; OpenSSL for one that is not
 * there), then for
 *   0  the rest is one packet, opened as it is;
 *   1  the rest is what stands inside the encryption, under a right ICV: the
 *      padding parser behind the ICV;
 *   2  bytes 1-2 a place, 3 a pattern, 4 how much is cut off; the rest is a payload,
 *      sealed by us, damaged there and opened;
 *   3  as 2 with nothing damaged.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "esp/crypto.h"
#include "esp/esp.h"
#include "esp/sa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(x) do { if (!(x)) abort(); } while (0)

enum { MORE = 0x10 };

static struct esp_sa *sa_new(unsigned suite, bool inbound)
{
	static const uint8_t key[64] = "what is well known to everybody";
	static const struct {
		uint8_t enc, auth, enc_len, auth_len;
	} suites[] = {
		{ ESP_AES_CBC_128, ESP_HMAC_SHA1_96, 16, 20 }, { ESP_AES_CBC_256, ESP_HMAC_SHA1_96, 32, 20 },
		{ ESP_AES_CBC_128, ESP_HMAC_SHA2_256_128, 16, 32 }, { ESP_AES_CBC_256, ESP_HMAC_SHA2_256_128, 32, 32 },
		{ ESP_AES_GCM_128, ESP_AUTH_IN_ENC, 20, 0 }, { ESP_AES_GCM_256, ESP_AUTH_IN_ENC, 36, 0 },
		{ ESP_3DES_CBC, ESP_HMAC_SHA2_384_192, 24, 48 }, { ESP_AES_CBC_256, ESP_HMAC_SHA2_512_256, 32, 64 },
	};
	unsigned i = (suite & 3) | (suite & MORE ? 4 : 0);
	struct esp_keys k = {
		.enc = suites[i].enc, .auth = suites[i].auth, .enc_len = suites[i].enc_len,
		.auth_len = suites[i].auth_len, .enc_key = key, .auth_key = key,
	};
	struct esp_sa *sa = NULL;

	MUST(esp_sa_new(0x04000100, &k, inbound, &sa) == 0);
	return sa;
}

/* Twice: the second one is always a replay of the first, or fails as it did. */
static void open_twice(struct esp_pkt *p)
{
	uint8_t *copy = malloc(p->len ? p->len : 1);
	struct esp_pkt again = { .sa = p->sa, .p = copy, .len = p->len };

	memcpy(copy, p->p, p->len);
	esp_open(p, 1);
	if (p->verdict == ESP_OK) {
		MUST(p->payload == p->p + esp_payload_offset(p->sa));
		MUST(p->payload_len + esp_payload_offset(p->sa) <= p->len);
	} else {
		MUST(!p->payload && !p->payload_len);
	}
	esp_open(&again, 1);
	MUST(again.verdict == (p->verdict == ESP_OK || p->verdict == ESP_BAD_PAD ? ESP_REPLAYED : p->verdict));
	free(copy);
}

static struct esp_pkt sealed(struct esp_sa *out, struct rd r)
{
	struct esp_pkt p = { .sa = out, .len = r.n, .next_header = 17 };

	p.p = malloc(esp_sealed_len(out, r.n));
	if (r.n)
		memcpy(p.p + esp_payload_offset(out), r.p, r.n);
	esp_seal(&p, 1);
	MUST(p.verdict == ESP_OK);
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct rd r = rd_of(data, size);
	uint8_t how = rd_u8(&r);
	struct esp_sa *in, *out;
	struct esp_pkt p = { 0 };

	if (r.bad || size > 4096)
		return 0;
	if (!ready)
		MUST(ready = esp_init());
	if (!crypto_force((enum esp_backend_id)(how >> 5)))
		MUST(crypto_force(BACKEND_OPENSSL));
	in = sa_new(how & (3 | MORE), true);
	out = sa_new(how & (3 | MORE), false);
	if ((how >> 2 & 3) == 0) {
		p.len = r.n;
		p.p = malloc(r.n ? r.n : 1);
		if (r.n)
			memcpy(p.p, r.p, r.n);
		p.sa = in;
		open_twice(&p);
	} else if ((how >> 2 & 3) == 1) {
		size_t n = r.n / in->block * in->block;
		struct esp_job c = { .key = out->key, .op = out->key->cipher };
		struct esp_job h = { .key = out->key, .op = out->key->hash };

		if (n) {
			/* Two bytes less of payload give as many blocks. */
			p = sealed(out, rd_of(r.p, n - 2));
			c.iv = p.p + ESP_HDR;
			c.aad = p.p;
			c.data = p.p + esp_payload_offset(out);
			c.len = n;
			c.icv = p.p + p.len - in->icv_len;
			memcpy(c.data, r.p, n);
			crypto_run(&c, 1);
			h.data = p.p;
			h.len = p.len - in->icv_len;
			h.icv = c.icv;
			if (h.op != OP_NONE)
				crypto_run(&h, 1);
			p.sa = in;
			open_twice(&p);
			MUST(p.verdict == ESP_OK || p.verdict == ESP_BAD_PAD);
		}
	} else {
		size_t at = rd_u8(&r);
		uint8_t pattern, cut;
		bool same;

		at = at << 8 | rd_u8(&r);
		pattern = rd_u8(&r);
		cut = rd_u8(&r);
		same = (how >> 2 & 3) == 3;
		if (!r.bad) {
			p = sealed(out, r);
			if (!same) {
				same = !pattern && !cut;
				p.p[at % p.len] ^= pattern;
				p.len -= MIN((size_t)cut, p.len);
			}
			p.sa = in;
			open_twice(&p);
			MUST((p.verdict == ESP_OK) == (same || (cut == 0 && pattern == 0)));
			if (p.verdict == ESP_OK)
				MUST(p.payload_len == r.n && (!r.n || !memcmp(p.payload, r.p, r.n)));
			else
				MUST(esp_seq(in) == 0);
		}
	}
	free(p.p);
	esp_sa_free(in);
	esp_sa_free(out);
	return 0;
}
