/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sealing and opening, stage by stage over a whole batch.  What is refused in
 * one stage does not reach the next.
 */
#include "esp/esp.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "base/wr.h"
#include "esp/crypto.h"
#include "esp/sa.h"

enum {
	TRAILER = 2,			/* Pad Length, Next Header */
	IV_POOL = 16384,		/* bytes; a fetch costs as much as a packet, so not one per packet */
};

#ifdef BENCH_NULL_CRYPTO
static const struct esp_backend *const backend = &esp_backend_null;
#else
static const struct esp_backend *const backend = &esp_backend_openssl;
#endif

static const struct {
	size_t enc_len;
} enc_algs[] = {
	[ESP_AES_CBC_128] = { 16 },
	[ESP_AES_CBC_256] = { 32 },
};

static const struct {
	size_t key_len, icv_len;
} auth_algs[] = {
	[ESP_HMAC_SHA1_96] = { 20, 12 },	/* RFC 2404 */
	[ESP_HMAC_SHA2_256_128] = { 32, 16 },	/* RFC 4868 */
};

static const char *const verdicts[ESP_VERDICTS] = {
	[ESP_OK] = "ok", [ESP_SHORT] = "short", [ESP_REPLAYED] = "replayed", [ESP_BAD_ICV] = "bad_icv",
	[ESP_BAD_PAD] = "bad_pad", [ESP_EXHAUSTED] = "exhausted", [ESP_FAILED] = "failed",
};

/* Where the parts of a packet lie. */
struct parts {
	uint8_t *iv, *body, *icv;
	size_t body_len;		/* payload, padding, trailer: what is encrypted */
	size_t auth_len;		/* what the ICV covers, from the SPI on (RFC 4303 2.8) */
};

int esp_sa_new(uint32_t spi, const struct esp_keys *keys, bool inbound, struct esp_sa **ret)
{
	struct esp_sa *sa;
	int err;

	if (keys->enc < ESP_AES_CBC_128 || keys->enc >= N_ELEMENTS(enc_algs) ||
	    keys->auth < ESP_HMAC_SHA1_96 || keys->auth >= N_ELEMENTS(auth_algs) ||
	    keys->enc_len != enc_algs[keys->enc].enc_len || keys->auth_len != auth_algs[keys->auth].key_len)
		return -EINVAL;
	sa = calloc(1, sizeof(*sa));
	if (!sa)
		return -ENOMEM;
	sa->spi = spi;
	sa->inbound = inbound;
	sa->icv_len = (uint8_t)auth_algs[keys->auth].icv_len;
	err = backend->key_new(keys, inbound, &sa->key);
	if (err) {
		free(sa);
		return err;
	}
	*ret = sa;
	return 0;
}

void esp_sa_free(struct esp_sa *sa)
{
	if (!sa)
		return;
	backend->key_free(sa->key);
	OPENSSL_cleanse(sa, sizeof(*sa));
	free(sa);
}

/*
 * RFC 3602 3: the IV "MUST be chosen at random, and MUST be unpredictable".
 * Each byte of the pool is used once.
 */
static bool iv_take(uint8_t iv[static ESP_IV_MAX])
{
	static uint8_t pool[IV_POOL];
	static struct rd left;
	const uint8_t *p;

	if (left.n < ESP_IV_MAX) {
		if (RAND_bytes(pool, sizeof(pool)) != 1)
			return false;
		left = rd_of(pool, sizeof(pool));
	}
	p = rd_bytes(&left, ESP_IV_MAX);
	memcpy(iv, p, ESP_IV_MAX);
	return true;
}

bool esp_init(void)
{
	static const uint8_t key[32];
	static const struct esp_keys all[] = {
		{ .enc = ESP_AES_CBC_128, .enc_key = key, .enc_len = 16,
		  .auth = ESP_HMAC_SHA1_96, .auth_key = key, .auth_len = 20 },
		{ .enc = ESP_AES_CBC_256, .enc_key = key, .enc_len = 32,
		  .auth = ESP_HMAC_SHA2_256_128, .auth_key = key, .auth_len = 32 },
	};
	uint8_t iv[ESP_IV_MAX];
	struct esp_sa *sa;

	for (unsigned i = 0; i < 2 * N_ELEMENTS(all); i++) {
		if (esp_sa_new(0, &all[i / 2], i % 2, &sa) < 0)
			return false;
		esp_sa_free(sa);
	}
	return iv_take(iv);
}

/* Lay out a packet of len bytes at p: how a packet looks is said here only (RFC 4303 2). */
static bool parts_of(const struct esp_sa *sa, uint8_t *p, size_t len, struct parts *ret)
{
	struct wr w = wr_of(p, len);
	size_t fixed = ESP_HDR + ESP_IV_MAX + sa->icv_len;

	if (len > ESP_LEN_MAX || len < fixed + ESP_BLOCK || (len - fixed) % ESP_BLOCK)
		return false;
	ret->body_len = len - fixed;
	ret->auth_len = len - sa->icv_len;
	(void)wr_room(&w, ESP_HDR);
	ret->iv = wr_room(&w, ESP_IV_MAX);
	ret->body = wr_room(&w, ret->body_len);
	ret->icv = wr_room(&w, sa->icv_len);
	return !w.bad;
}

/* ---- out ---- */

/* Number the packet, write everything but the ciphertext and the ICV. */
static enum esp_verdict seal_prepare(struct esp_pkt *pkt, struct parts *ret)
{
	struct esp_sa *sa = pkt->sa;
	size_t pad;
	struct wr w;

	if (sa->inbound || pkt->len > ESP_LEN_MAX ||
	    !parts_of(sa, pkt->p, esp_sealed_len(sa, pkt->len), ret))
		return ESP_FAILED;
	/* RFC 4303 3.3.3: no packet may be sent that makes the number cycle. */
	if (sa->seq == UINT32_MAX)
		return ESP_EXHAUSTED;
	if (!iv_take(ret->iv))
		return ESP_FAILED;
	w = wr_of(pkt->p, ESP_HDR);
	wr_u32(&w, sa->spi);
	wr_u32(&w, ++sa->seq);

	/* RFC 4303 2.4: the padding bytes are 1, 2, 3, … */
	pad = ret->body_len - pkt->len - TRAILER;
	w = wr_of(ret->body, ret->body_len);
	(void)wr_room(&w, pkt->len);
	for (size_t i = 1; i <= pad; i++)
		wr_u8(&w, (uint8_t)i);
	wr_u8(&w, (uint8_t)pad);
	wr_u8(&w, pkt->next_header);
	return w.bad ? ESP_FAILED : ESP_OK;
}

static void seal_batch(struct esp_pkt *pkts, unsigned n)
{
	struct esp_cipher_job enc[ESP_BATCH];
	struct esp_hash_job mac[ESP_BATCH];
	struct parts parts[ESP_BATCH];
	struct esp_pkt *live[ESP_BATCH];
	unsigned n_live = 0, n_mac = 0;

	for (unsigned i = 0; i < n; i++) {
		struct parts *at = &parts[n_live];

		pkts[i].verdict = seal_prepare(&pkts[i], at);
		if (pkts[i].verdict != ESP_OK)
			continue;
		enc[n_live] = (struct esp_cipher_job){
			.key = pkts[i].sa->key, .iv = at->iv, .data = at->body, .len = at->body_len,
		};
		live[n_live++] = &pkts[i];
	}
	backend->encrypt(enc, n_live);
	for (unsigned i = 0; i < n_live; i++) {
		if (!enc[i].ok) {
			live[i]->verdict = ESP_FAILED;
			continue;
		}
		mac[n_mac] = (struct esp_hash_job){
			.key = enc[i].key, .data = live[i]->p, .len = parts[i].auth_len, .icv = parts[i].icv,
		};
		live[n_mac++] = live[i];
	}
	backend->hash(mac, n_mac);
	for (unsigned i = 0; i < n_mac; i++) {
		if (mac[i].ok)
			live[i]->len = mac[i].len + live[i]->sa->icv_len;
		else
			live[i]->verdict = ESP_FAILED;
	}
}

void esp_seal(struct esp_pkt *pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i += ESP_BATCH)
		seal_batch(pkts + i, MIN(n - i, (unsigned)ESP_BATCH));
}

/* ---- in ---- */

/* A packet on its way through the stages. */
struct opening {
	struct esp_pkt *pkt;
	struct parts parts;
	uint32_t seq;
	uint8_t icv[ESP_ICV_MAX];	/* what it should be */
};

/* Everything that can be said before the ICV is known; the same cost for every packet. */
static enum esp_verdict open_prepare(struct esp_pkt *pkt, struct opening *ret)
{
	uint32_t spi;

	if (pkt->sa->inbound == false)
		return ESP_FAILED;
	if (!parts_of(pkt->sa, pkt->p, pkt->len, &ret->parts) ||
	    !esp_peek(pkt->p, pkt->len, &spi, &ret->seq))
		return ESP_SHORT;
	ret->pkt = pkt;
	return replay_check(&pkt->sa->replay, ret->seq) ? ESP_OK : ESP_REPLAYED;
}

/* Take the padding off.  RFC 4303 2.4: "The receiver SHOULD inspect the Padding field". */
static enum esp_verdict open_unpad(struct opening *o)
{
	struct rd r = rd_of(o->parts.body, o->parts.body_len), pads;
	size_t pad;
	uint8_t wrong = 0, next;

	rd_skip(&r, o->parts.body_len - TRAILER);
	pad = rd_u8(&r);
	next = rd_u8(&r);
	if (pad + TRAILER > o->parts.body_len)
		return ESP_BAD_PAD;
	r = rd_of(o->parts.body, o->parts.body_len);
	rd_skip(&r, o->parts.body_len - TRAILER - pad);
	pads = rd_sub(&r, pad);
	for (size_t i = 1; i <= pad; i++)
		wrong |= (uint8_t)(rd_u8(&pads) ^ i);
	if (wrong || pads.bad)
		return ESP_BAD_PAD;
	o->pkt->next_header = next;
	o->pkt->payload = o->parts.body;
	o->pkt->payload_len = o->parts.body_len - TRAILER - pad;
	return ESP_OK;
}

static void open_batch(struct esp_pkt *pkts, unsigned n)
{
	struct opening live[ESP_BATCH];
	struct esp_hash_job mac[ESP_BATCH];
	struct esp_cipher_job dec[ESP_BATCH];
	unsigned n_live = 0, n_good = 0;

	for (unsigned i = 0; i < n; i++) {
		struct opening *o = &live[n_live];

		pkts[i].payload = NULL;
		pkts[i].payload_len = 0;
		pkts[i].verdict = open_prepare(&pkts[i], o);
		if (pkts[i].verdict != ESP_OK)
			continue;
		mac[n_live++] = (struct esp_hash_job){
			.key = pkts[i].sa->key, .data = pkts[i].p, .len = o->parts.auth_len, .icv = o->icv,
		};
	}
	backend->hash(mac, n_live);
	for (unsigned i = 0; i < n_live; i++) {
		struct opening *o = &live[i];
		struct esp_sa *sa = o->pkt->sa;

		if (!mac[i].ok)
			o->pkt->verdict = ESP_FAILED;
		else if (CRYPTO_memcmp(o->icv, o->parts.icv, sa->icv_len))
			o->pkt->verdict = ESP_BAD_ICV;
		else if (!replay_accept(&sa->replay, o->seq))
			o->pkt->verdict = ESP_REPLAYED;	/* by an earlier one of this batch */
		if (o->pkt->verdict != ESP_OK)
			continue;
		dec[n_good] = (struct esp_cipher_job){
			.key = sa->key, .iv = o->parts.iv, .data = o->parts.body, .len = o->parts.body_len,
		};
		if (n_good != i)
			live[n_good] = *o;
		n_good++;
	}
	backend->decrypt(dec, n_good);
	for (unsigned i = 0; i < n_good; i++)
		live[i].pkt->verdict = dec[i].ok ? open_unpad(&live[i]) : ESP_FAILED;
}

void esp_open(struct esp_pkt *pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i += ESP_BATCH)
		open_batch(pkts + i, MIN(n - i, (unsigned)ESP_BATCH));
}

/* ---- about an SA ---- */

size_t esp_payload_offset(const struct esp_sa *sa)
{
	return ESP_HDR + ESP_IV_MAX;
}

size_t esp_sealed_len(const struct esp_sa *sa, size_t payload_len)
{
	size_t body = (payload_len + TRAILER + ESP_BLOCK - 1) / ESP_BLOCK * ESP_BLOCK;

	return ESP_HDR + ESP_IV_MAX + body + sa->icv_len;
}

size_t esp_payload_max(const struct esp_sa *sa, size_t n)
{
	size_t fixed = ESP_HDR + ESP_IV_MAX + sa->icv_len;

	if (n < fixed + ESP_BLOCK)
		return 0;
	return (n - fixed) / ESP_BLOCK * ESP_BLOCK - TRAILER;
}

uint32_t esp_spi(const struct esp_sa *sa)
{
	return sa->spi;
}

uint64_t esp_seq(const struct esp_sa *sa)
{
	return sa->inbound ? sa->replay.top : sa->seq;
}

const char *esp_verdict_str(enum esp_verdict v)
{
	return (unsigned)v < ESP_VERDICTS ? verdicts[v] : "?";
}

bool esp_peek(const uint8_t *p, size_t len, uint32_t *ret_spi, uint32_t *ret_seq)
{
	struct rd r = rd_of(p, len);
	uint32_t spi = rd_u32(&r), seq = rd_u32(&r);

	if (r.bad)
		return false;
	*ret_spi = spi;
	*ret_seq = seq;
	return true;
}
