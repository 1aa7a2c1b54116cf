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

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "esp/crypto.h"

enum {
	HMAC_BLOCK = 64, HMAC_BLOCK_512 = 128,	/* of SHA-1 and SHA-256; of SHA-384 and SHA-512 */
	GCM_SALT = 4, GCM_IV = 8, GCM_ICV = 16,	/* RFC 4106 4, 3.1, 6 */
};

/* A hash as it is after one block. */
static void sha1_at(SHA_CTX *c, const uint8_t *state)
{
	SHA_LONG h[5];

	memcpy(h, state, sizeof(h));
	*c = (SHA_CTX){ .h0 = h[0], .h1 = h[1], .h2 = h[2], .h3 = h[3], .h4 = h[4] };
	c->Nl = HMAC_BLOCK * 8;			/* bits so far */
}

static void sha256_at(SHA256_CTX *c, const uint8_t *state)
{
	memcpy(c->h, state, sizeof(c->h));
	c->Nl = HMAC_BLOCK * 8;
	c->Nh = 0;
	c->num = 0;
	c->md_len = SHA256_DIGEST_LENGTH;
}

/* Of SHA-384 as well: they differ in how they begin and where they are cut (FIPS 180-4 6.5). */
static void sha512_at(SHA512_CTX *c, const uint8_t *state, unsigned len)
{
	memcpy(c->h, state, sizeof(c->h));
	c->Nl = HMAC_BLOCK_512 * 8;
	c->Nh = 0;
	c->num = 0;
	c->md_len = len;
}

/* The state after one block. */
static bool one_block(enum esp_op hash, const uint8_t *block, uint8_t ret[static HMAC_STATE])
{
	union {
		SHA_CTX s1;
		SHA256_CTX s256;
		SHA512_CTX s512;
	} c;
	bool ok;

	switch (hash) {
	case OP_SHA1:
		ok = SHA1_Init(&c.s1) && SHA1_Update(&c.s1, block, HMAC_BLOCK);
		memcpy(ret, (SHA_LONG[]){ c.s1.h0, c.s1.h1, c.s1.h2, c.s1.h3, c.s1.h4 }, 5 * sizeof(SHA_LONG));
		break;
	case OP_SHA256:
		ok = SHA256_Init(&c.s256) && SHA256_Update(&c.s256, block, HMAC_BLOCK);
		memcpy(ret, c.s256.h, sizeof(c.s256.h));
		break;
	default:
		ok = (hash == OP_SHA384 ? SHA384_Init(&c.s512) : SHA512_Init(&c.s512)) &&
			SHA512_Update(&c.s512, block, HMAC_BLOCK_512);
		memcpy(ret, c.s512.h, sizeof(c.s512.h));
	}
	OPENSSL_cleanse(&c, sizeof(c));
	return ok;
}

bool crypto_hmac_key(struct esp_key *k, const struct esp_keys *keys)
{
	uint8_t ipad[HMAC_BLOCK_512], opad[HMAC_BLOCK_512];
	bool ok;

	/* Never longer than a block (RFC 4868 2.1.1, RFC 2404 3), so it is not hashed first. */
	for (size_t i = 0; i < sizeof(ipad); i++) {
		uint8_t b = i < keys->auth_len ? keys->auth_key[i] : 0;

		ipad[i] = b ^ 0x36;
		opad[i] = b ^ 0x5c;
	}
	ok = one_block(k->hash, ipad, k->cbc.inner) && one_block(k->hash, opad, k->cbc.outer);
	OPENSSL_cleanse(ipad, sizeof(ipad));
	OPENSSL_cleanse(opad, sizeof(opad));
	return ok;
}

void crypto_openssl_key_free(struct esp_key *k)
{
	EVP_CIPHER_CTX_free(k->evp);		/* wipes the schedule */
	k->evp = NULL;
}

static bool key(enum esp_backend_id id, struct esp_key *k, const struct esp_keys *keys)
{
	bool encrypt = true;
	const EVP_CIPHER *alg = NULL;

	switch ((enum esp_op)k->cipher) {
	case OP_CBC_128_DEC:
		encrypt = false;
		/* fall through */
	case OP_CBC_128_ENC:
		alg = EVP_aes_128_cbc();
		break;
	case OP_CBC_256_DEC:
		encrypt = false;
		/* fall through */
	case OP_CBC_256_ENC:
		alg = EVP_aes_256_cbc();
		break;
	case OP_3DES_DEC:
		encrypt = false;
		/* fall through */
	case OP_3DES_ENC:
		alg = EVP_des_ede3_cbc();
		break;
	case OP_GCM_128_OPEN:
		encrypt = false;
		/* fall through */
	case OP_GCM_128_SEAL:
		alg = EVP_aes_128_gcm();
		break;
	case OP_GCM_256_OPEN:
		encrypt = false;
		/* fall through */
	case OP_GCM_256_SEAL:
		alg = EVP_aes_256_gcm();
		break;
	default:
		return false;
	}
	k->evp = EVP_CIPHER_CTX_new();
	/* GCM's IV has the 12 bytes that are wanted unless told otherwise. */
	return k->evp && EVP_CipherInit_ex(k->evp, alg, NULL, keys->enc_key, NULL, encrypt) &&
	       EVP_CIPHER_CTX_set_padding(k->evp, 0);
}

/* Encrypts or decrypts, as the key was made. */
static void cbc(struct esp_job *j)
{
	EVP_CIPHER_CTX *c = j->key->evp;
	int out = 0;

	j->ok = c && EVP_CipherInit_ex(c, NULL, NULL, NULL, j->iv, -1) &&
		EVP_CipherUpdate(c, j->data, &out, j->data, (int)j->len) && (size_t)out == j->len;
}

static void gcm(struct esp_job *j, bool open)
{
	EVP_CIPHER_CTX *c = j->key->evp;
	uint8_t nonce[GCM_SALT + GCM_IV], rest[ESP_BLOCK];
	int out = 0, none = 0;

	memcpy(nonce, j->key->salt, GCM_SALT);
	memcpy(nonce + GCM_SALT, j->iv, GCM_IV);
	j->authentic = false;
	j->ok = c && EVP_CipherInit_ex(c, NULL, NULL, NULL, nonce, -1) &&
		EVP_CipherUpdate(c, NULL, &none, j->aad, ESP_HDR) &&
		EVP_CipherUpdate(c, j->data, &out, j->data, (int)j->len) && (size_t)out == j->len;
	if (!j->ok)
		return;
	if (open) {
		j->ok = EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, GCM_ICV, j->icv) == 1;
		/* It compares in constant time, and says nothing but yes or no. */
		j->authentic = j->ok && EVP_CipherFinal_ex(c, rest, &none) == 1;
	} else {
		j->ok = EVP_CipherFinal_ex(c, rest, &none) == 1 &&
			EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, GCM_ICV, j->icv) == 1;
	}
}

static void sha1(struct esp_job *j)
{
	uint8_t sum[SHA_DIGEST_LENGTH];
	SHA_CTX c;

	sha1_at(&c, j->key->cbc.inner);
	j->ok = SHA1_Update(&c, j->data, j->len) && SHA1_Final(sum, &c);
	sha1_at(&c, j->key->cbc.outer);
	j->ok = j->ok && SHA1_Update(&c, sum, sizeof(sum)) && SHA1_Final(sum, &c);
	memcpy(j->icv, sum, hash_icv_len(OP_SHA1));
}

static void sha256(struct esp_job *j)
{
	uint8_t sum[SHA256_DIGEST_LENGTH];
	SHA256_CTX c;

	sha256_at(&c, j->key->cbc.inner);
	j->ok = SHA256_Update(&c, j->data, j->len) && SHA256_Final(sum, &c);
	sha256_at(&c, j->key->cbc.outer);
	j->ok = j->ok && SHA256_Update(&c, sum, sizeof(sum)) && SHA256_Final(sum, &c);
	memcpy(j->icv, sum, hash_icv_len(OP_SHA256));
}

static void sha512(struct esp_job *j, enum esp_op op)
{
	unsigned len = op == OP_SHA384 ? SHA384_DIGEST_LENGTH : SHA512_DIGEST_LENGTH;
	uint8_t sum[SHA512_DIGEST_LENGTH];
	SHA512_CTX c;

	sha512_at(&c, j->key->cbc.inner, len);
	j->ok = SHA512_Update(&c, j->data, j->len) && SHA512_Final(sum, &c);
	sha512_at(&c, j->key->cbc.outer, len);
	j->ok = j->ok && SHA512_Update(&c, sum, len) && SHA512_Final(sum, &c);
	memcpy(j->icv, sum, hash_icv_len(op));
}

static void run(enum esp_backend_id id, enum esp_op op, struct esp_job *const *jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		switch (op) {
		case OP_SHA1:
			sha1(jobs[i]);
			break;
		case OP_SHA256:
			sha256(jobs[i]);
			break;
		case OP_SHA384:
		case OP_SHA512:
			sha512(jobs[i], op);
			break;
		case OP_GCM_128_SEAL:
		case OP_GCM_256_SEAL:
			gcm(jobs[i], false);
			break;
		case OP_GCM_128_OPEN:
		case OP_GCM_256_OPEN:
			gcm(jobs[i], true);
			break;
		default:
			cbc(jobs[i]);
		}
	}
}

const struct esp_backend esp_backend_openssl = { .key = key, .run = run };
