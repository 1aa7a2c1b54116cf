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
	GCM_IV = 8, GCM_BLOCK = 4,	/* RFC 4106 3.1; RFC 4303 2.4 asks for no more than 4 */
	DES_BLOCK = 8,
	IV_POOL = 16384,		/* bytes; a fetch costs as much as a packet, so not one per packet */
};

static const struct {
	size_t key_len;
	uint8_t iv_len, block;
	bool aead;
} enc_algs[] = {
	[ESP_AES_CBC_128] = { 16, ESP_IV_MAX, ESP_BLOCK, false },	/* RFC 3602 */
	[ESP_AES_CBC_256] = { 32, ESP_IV_MAX, ESP_BLOCK, false },
	[ESP_AES_GCM_128] = { 16 + 4, GCM_IV, GCM_BLOCK, true },	/* RFC 4106 */
	[ESP_AES_GCM_256] = { 32 + 4, GCM_IV, GCM_BLOCK, true },
	[ESP_3DES_CBC] = { 24, DES_BLOCK, DES_BLOCK, false },		/* RFC 2451 */
};

static const struct {
	size_t key_len;
	uint8_t icv_len;
} auth_algs[] = {
	[ESP_AUTH_IN_ENC] = { 0, 16 },
	[ESP_HMAC_SHA1_96] = { 20, 12 },	/* RFC 2404 */
	[ESP_HMAC_SHA2_256_128] = { 32, 16 },	/* RFC 4868 2.6, as the next two */
	[ESP_HMAC_SHA2_384_192] = { 48, 24 },
	[ESP_HMAC_SHA2_512_256] = { 64, 32 },
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

	if (keys->enc < ESP_AES_CBC_128 || keys->enc >= N_ELEMENTS(enc_algs) || keys->auth >= N_ELEMENTS(auth_algs) ||
	    keys->enc_len != enc_algs[keys->enc].key_len || keys->auth_len != auth_algs[keys->auth].key_len ||
	    enc_algs[keys->enc].aead != (keys->auth == ESP_AUTH_IN_ENC))
		return -EINVAL;
	sa = calloc(1, sizeof(*sa) + (inbound ? sizeof(sa->replay[0]) : 0));
	if (!sa)
		return -ENOMEM;
	sa->spi = spi;
	sa->inbound = inbound;
	sa->iv_len = enc_algs[keys->enc].iv_len;
	sa->block = enc_algs[keys->enc].block;
	sa->icv_len = auth_algs[keys->auth].icv_len;
	err = crypto_key_new(keys, inbound, &sa->key);
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
	crypto_key_free(sa->key);
	free(sa);
}

/*
 * RFC 3602 3: the IV "MUST be chosen at random, and MUST be unpredictable".
 * Each byte of the pool is used once.
 */
static bool iv_take(uint8_t *iv, size_t n)
{
	static uint8_t pool[IV_POOL];
	static struct rd left;
	const uint8_t *p;

	if (left.n < n) {
		if (RAND_bytes(pool, sizeof(pool)) != 1)
			return false;
		left = rd_of(pool, sizeof(pool));
	}
	p = rd_bytes(&left, n);
	memcpy(iv, p, n);
	return true;
}

bool esp_init(void)
{
	static const uint8_t key[64];
	static const struct esp_keys all[] = {
		{ .enc = ESP_AES_CBC_128, .enc_key = key, .enc_len = 16,
		  .auth = ESP_HMAC_SHA1_96, .auth_key = key, .auth_len = 20 },
		{ .enc = ESP_AES_CBC_256, .enc_key = key, .enc_len = 32,
		  .auth = ESP_HMAC_SHA2_256_128, .auth_key = key, .auth_len = 32 },
		{ .enc = ESP_AES_GCM_128, .enc_key = key, .enc_len = 20 },
		{ .enc = ESP_AES_GCM_256, .enc_key = key, .enc_len = 36 },
		{ .enc = ESP_3DES_CBC, .enc_key = key, .enc_len = 24,
		  .auth = ESP_HMAC_SHA2_384_192, .auth_key = key, .auth_len = 48 },
		{ .enc = ESP_AES_CBC_256, .enc_key = key, .enc_len = 32,
		  .auth = ESP_HMAC_SHA2_512_256, .auth_key = key, .auth_len = 64 },
	};
	uint8_t iv[ESP_IV_MAX];
	struct esp_sa *sa;

	for (unsigned i = 0; i < 2 * N_ELEMENTS(all); i++) {
		if (esp_sa_new(0, &all[i / 2], i % 2, &sa) < 0)
			return false;
		esp_sa_free(sa);
	}
	crypto_init();
	return iv_take(iv, sizeof(iv));
}

void esp_tune(uint64_t (*cpu_ns)(void))
{
	crypto_tune(cpu_ns, false);
}

const char *esp_crypto_text(void)
{
	return crypto_text();
}

struct esp_crypto_counts esp_crypto_counts(void)
{
	return crypto_counts;
}

/* Lay out a packet of len bytes at p: how a packet looks is said here only (RFC 4303 2). */
static bool parts_of(const struct esp_sa *sa, uint8_t *p, size_t len, struct parts *ret)
{
	struct wr w = wr_of(p, len);
	size_t fixed = ESP_HDR + sa->iv_len + sa->icv_len;

	if (len > ESP_LEN_MAX || len < fixed + sa->block || (len - fixed) % sa->block)
		return false;
	ret->body_len = len - fixed;
	ret->auth_len = len - sa->icv_len;
	(void)wr_room(&w, ESP_HDR);
	ret->iv = wr_room(&w, sa->iv_len);
	ret->body = wr_room(&w, ret->body_len);
	ret->icv = wr_room(&w, sa->icv_len);
	return !w.bad;
}

/* The job that ciphers a packet, and for an AEAD makes or judges its ICV. */
static struct esp_job cipher_job(const struct esp_sa *sa, uint8_t *p, const struct parts *at)
{
	return (struct esp_job){
		.key = sa->key, .op = sa->key->cipher, .iv = at->iv, .aad = p,
		.data = at->body, .len = at->body_len, .icv = at->icv,
	};
}

static struct esp_job hash_job(const struct esp_sa *sa, uint8_t *p, const struct parts *at, uint8_t *icv)
{
	return (struct esp_job){
		.key = sa->key, .op = sa->key->hash, .data = p, .len = at->auth_len, .icv = icv,
	};
}

static bool is_aead(const struct esp_sa *sa)
{
	return sa->key->hash == OP_NONE;
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
	if (!is_aead(sa) && !iv_take(ret->iv, sa->iv_len))
		return ESP_FAILED;
	w = wr_of(pkt->p, ESP_HDR + GCM_IV);
	wr_u32(&w, sa->spi);
	wr_u32(&w, ++sa->seq);
	if (is_aead(sa)) {
		wr_u32(&w, 0);		/* RFC 4106 3.1: any IV that never comes again */
		wr_u32(&w, sa->seq);
	}

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
	struct esp_job enc[ESP_BATCH], mac[ESP_BATCH];
	struct parts parts[ESP_BATCH];
	struct esp_pkt *live[ESP_BATCH], *hashed[ESP_BATCH];
	unsigned n_live = 0, n_mac = 0;

	for (unsigned i = 0; i < n; i++) {
		struct parts *at = &parts[n_live];

		pkts[i].verdict = seal_prepare(&pkts[i], at);
		if (pkts[i].verdict != ESP_OK)
			continue;
		enc[n_live] = cipher_job(pkts[i].sa, pkts[i].p, at);
		live[n_live++] = &pkts[i];
	}
	crypto_run(enc, n_live);
	for (unsigned i = 0; i < n_live; i++) {
		if (!enc[i].ok) {
			live[i]->verdict = ESP_FAILED;
			continue;
		}
		live[i]->len = parts[i].auth_len + live[i]->sa->icv_len;
		if (is_aead(live[i]->sa))
			continue;
		mac[n_mac] = hash_job(live[i]->sa, live[i]->p, &parts[i], parts[i].icv);
		hashed[n_mac++] = live[i];
	}
	crypto_run(mac, n_mac);
	for (unsigned i = 0; i < n_mac; i++)
		if (!mac[i].ok)
			hashed[i]->verdict = ESP_FAILED;
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
	return replay_check(pkt->sa->replay, ret->seq) ? ESP_OK : ESP_REPLAYED;
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

/* The ICV of a packet was looked at: is it let through? */
static enum esp_verdict open_judge(const struct opening *o, const struct esp_job *j)
{
	struct esp_sa *sa = o->pkt->sa;
	bool right;

	if (!j->ok)
		return ESP_FAILED;
	right = is_aead(sa) ? j->authentic : !CRYPTO_memcmp(o->icv, o->parts.icv, sa->icv_len);
	if (!right)
		return ESP_BAD_ICV;
	/* An earlier one of this batch may have had its number. */
	return replay_accept(sa->replay, o->seq) ? ESP_OK : ESP_REPLAYED;
}

static void open_batch(struct esp_pkt *pkts, unsigned n)
{
	struct opening live[ESP_BATCH];
	struct esp_job mac[ESP_BATCH], dec[ESP_BATCH];
	struct opening *ciphered[ESP_BATCH];
	unsigned n_live = 0, n_dec = 0;

	for (unsigned i = 0; i < n; i++) {
		struct opening *o = &live[n_live];
		struct esp_sa *sa = pkts[i].sa;

		pkts[i].payload = NULL;
		pkts[i].payload_len = 0;
		pkts[i].verdict = open_prepare(&pkts[i], o);
		if (pkts[i].verdict != ESP_OK)
			continue;
		mac[n_live++] = is_aead(sa) ? cipher_job(sa, pkts[i].p, &o->parts)
					    : hash_job(sa, pkts[i].p, &o->parts, o->icv);
	}
	crypto_run(mac, n_live);
	for (unsigned i = 0; i < n_live; i++) {
		struct opening *o = &live[i];

		o->pkt->verdict = open_judge(o, &mac[i]);
		if (o->pkt->verdict != ESP_OK)
			continue;
		if (is_aead(o->pkt->sa)) {
			o->pkt->verdict = open_unpad(o);
			continue;
		}
		dec[n_dec] = cipher_job(o->pkt->sa, o->pkt->p, &o->parts);
		ciphered[n_dec++] = o;
	}
	crypto_run(dec, n_dec);
	for (unsigned i = 0; i < n_dec; i++)
		ciphered[i]->pkt->verdict = dec[i].ok ? open_unpad(ciphered[i]) : ESP_FAILED;
}

void esp_open(struct esp_pkt *pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i += ESP_BATCH)
		open_batch(pkts + i, MIN(n - i, (unsigned)ESP_BATCH));
}

/* ---- about an SA ---- */

size_t esp_payload_offset(const struct esp_sa *sa)
{
	return ESP_HDR + sa->iv_len;
}

size_t esp_sealed_len(const struct esp_sa *sa, size_t payload_len)
{
	size_t body = (payload_len + TRAILER + sa->block - 1) / sa->block * sa->block;

	return ESP_HDR + sa->iv_len + body + sa->icv_len;
}

size_t esp_payload_max(const struct esp_sa *sa, size_t n)
{
	size_t fixed = ESP_HDR + sa->iv_len + sa->icv_len;

	if (n < fixed + sa->block)
		return 0;
	return (n - fixed) / sa->block * sa->block - TRAILER;
}

uint32_t esp_spi(const struct esp_sa *sa)
{
	return sa->spi;
}

uint64_t esp_seq(const struct esp_sa *sa)
{
	return sa->inbound ? sa->replay[0].top : sa->seq;
}

bool esp_seq_raise(struct esp_sa *sa, uint32_t seq)
{
	if (sa->inbound || seq < sa->seq)
		return false;
	sa->seq = seq;
	return true;
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
