/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The OpenSSL backend: one packet after the other, nothing fetched, allocated
 * or keyed per packet.
 *
 * AES keeps one context per SA, whose key schedule is made once; a packet only
 * sets its IV.  HMAC (RFC 2104) is done by hand on raw SHA states: the states
 * after the inner and the outer key block are kept, and a packet starts from
 * copies of them.  OpenSSL's own ways to the same (EVP_MAC_CTX_dup, HMAC_CTX_copy,
 * re-init) allocate or go through provider dispatch, and cost up to half as
 * much again.  The raw functions are deprecated in 3.0 but present in every
 * 3.x, and have no successor of equal cost, hence:
 */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "esp/crypto.h"

enum { HMAC_BLOCK = 64 };			/* of both SHA-1 and SHA-256 */

struct esp_key {
	EVP_CIPHER_CTX *cipher;
	uint8_t auth;				/* enum esp_auth_alg */
	union {
		SHA_CTX sha1;
		SHA256_CTX sha256;
	} inner, outer;				/* after one block of key ^ ipad, key ^ opad */
};

static bool hmac_key(struct esp_key *k, const uint8_t *key, size_t len)
{
	uint8_t ipad[HMAC_BLOCK], opad[HMAC_BLOCK];
	bool ok;

	/* Never longer than a block (RFC 4868 2.1.1, RFC 2404 3), so it is not hashed first. */
	for (size_t i = 0; i < HMAC_BLOCK; i++) {
		uint8_t b = i < len ? key[i] : 0;

		ipad[i] = b ^ 0x36;
		opad[i] = b ^ 0x5c;
	}
	if (k->auth == ESP_HMAC_SHA1_96)
		ok = SHA1_Init(&k->inner.sha1) && SHA1_Update(&k->inner.sha1, ipad, HMAC_BLOCK) &&
		     SHA1_Init(&k->outer.sha1) && SHA1_Update(&k->outer.sha1, opad, HMAC_BLOCK);
	else
		ok = SHA256_Init(&k->inner.sha256) && SHA256_Update(&k->inner.sha256, ipad, HMAC_BLOCK) &&
		     SHA256_Init(&k->outer.sha256) && SHA256_Update(&k->outer.sha256, opad, HMAC_BLOCK);
	OPENSSL_cleanse(ipad, sizeof(ipad));
	OPENSSL_cleanse(opad, sizeof(opad));
	return ok;
}

static void key_free(struct esp_key *k)
{
	if (!k)
		return;
	EVP_CIPHER_CTX_free(k->cipher);		/* wipes the schedule */
	OPENSSL_cleanse(k, sizeof(*k));
	free(k);
}

static int key_new(const struct esp_keys *keys, bool inbound, struct esp_key **ret)
{
	const EVP_CIPHER *alg = keys->enc == ESP_AES_CBC_128 ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
	struct esp_key *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->auth = keys->auth;
	k->cipher = EVP_CIPHER_CTX_new();
	if (!k->cipher) {
		key_free(k);
		return -ENOMEM;
	}
	if (!EVP_CipherInit_ex(k->cipher, alg, NULL, keys->enc_key, NULL, !inbound) ||
	    !EVP_CIPHER_CTX_set_padding(k->cipher, 0) || !hmac_key(k, keys->auth_key, keys->auth_len)) {
		key_free(k);
		return -EINVAL;
	}
	*ret = k;
	return 0;
}

/* Encrypts or decrypts, as the key was made. */
static void cipher(struct esp_cipher_job *jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct esp_cipher_job *j = &jobs[i];
		int out = 0;

		j->ok = EVP_CipherInit_ex(j->key->cipher, NULL, NULL, NULL, j->iv, -1) &&
			EVP_CipherUpdate(j->key->cipher, j->data, &out, j->data, (int)j->len) &&
			(size_t)out == j->len;
	}
}

static bool hash_sha1(const struct esp_key *k, const struct esp_hash_job *j)
{
	uint8_t sum[SHA_DIGEST_LENGTH];
	SHA_CTX c = k->inner.sha1;
	bool ok = SHA1_Update(&c, j->data, j->len) && SHA1_Final(sum, &c);

	c = k->outer.sha1;
	ok = ok && SHA1_Update(&c, sum, sizeof(sum)) && SHA1_Final(sum, &c);
	memcpy(j->icv, sum, 12);		/* RFC 2404 2: the first 96 bits */
	return ok;
}

static bool hash_sha256(const struct esp_key *k, const struct esp_hash_job *j)
{
	uint8_t sum[SHA256_DIGEST_LENGTH];
	SHA256_CTX c = k->inner.sha256;
	bool ok = SHA256_Update(&c, j->data, j->len) && SHA256_Final(sum, &c);

	c = k->outer.sha256;
	ok = ok && SHA256_Update(&c, sum, sizeof(sum)) && SHA256_Final(sum, &c);
	memcpy(j->icv, sum, 16);		/* RFC 4868 2.3: the first half */
	return ok;
}

static void hash(struct esp_hash_job *jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		jobs[i].ok = jobs[i].key->auth == ESP_HMAC_SHA1_96 ? hash_sha1(jobs[i].key, &jobs[i])
								   : hash_sha256(jobs[i].key, &jobs[i]);
}

const struct esp_backend esp_backend_openssl = {
	.name = "openssl",
	.key_new = key_new,
	.key_free = key_free,
	.encrypt = cipher,
	.decrypt = cipher,
	.hash = hash,
};
