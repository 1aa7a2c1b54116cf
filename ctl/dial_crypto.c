/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/dial_crypto.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/dh.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "base/wr.h"

enum {
	PARTS_MAX = 2048,
	EXPONENT_BITS = 256,		/* RFC 3526 8: twice the strength, with a margin */
	EC_UNCOMPRESSED = 4,		/* what stands before x and y in libcrypto's encoding, and not in IKE's */
};

struct dial_dh {
	EVP_PKEY *key;
	enum dial_group group;
	uint8_t public[DIAL_DH_MAX];
};

static const EVP_MD *md(enum dial_hash h)
{
	switch (h) {
	case DIAL_SHA1:
		return EVP_sha1();
	case DIAL_SHA256:
		return EVP_sha256();
	case DIAL_SHA384:
		return EVP_sha384();
	case DIAL_SHA512:
		return EVP_sha512();
	case DIAL_MD5:
		return EVP_md5();
	}
	return NULL;
}

size_t dial_hash_len(enum dial_hash h)
{
	return (size_t)EVP_MD_get_size(md(h));
}

size_t dial_key_len(enum dial_cipher c)
{
	static const uint8_t lens[] = { [DIAL_AES128] = 16, [DIAL_AES192] = 24, [DIAL_AES256] = 32, [DIAL_3DES] = 24 };

	return lens[c];
}

size_t dial_block_len(enum dial_cipher c)
{
	return c == DIAL_3DES ? 8 : 16;
}

static const EVP_CIPHER *cipher(enum dial_cipher c)
{
	switch (c) {
	case DIAL_AES128:
		return EVP_aes_128_cbc();
	case DIAL_AES192:
		return EVP_aes_192_cbc();
	case DIAL_AES256:
		return EVP_aes_256_cbc();
	case DIAL_3DES:
		return EVP_des_ede3_cbc();
	}
	return NULL;
}

static bool join(struct wr *w, const struct rd *part, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (part[i].bad)
			return false;
		wr_bytes(w, part[i].p, part[i].n);
	}
	return !w->bad;
}

bool dial_hash(enum dial_hash h, const struct rd *part, unsigned n, uint8_t out[static DIAL_HASH_MAX])
{
	uint8_t buf[PARTS_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	bool good = join(&w, part, n) && EVP_Digest(buf, w.len, out, NULL, md(h), NULL) == 1;

	OPENSSL_cleanse(buf, w.len);
	return good;
}

bool dial_prf(enum dial_hash h, struct rd key, const struct rd *part, unsigned n, uint8_t out[static DIAL_HASH_MAX])
{
	uint8_t buf[PARTS_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	bool good = join(&w, part, n) && HMAC(md(h), key.p, (int)key.n, buf, w.len, out, NULL);

	OPENSSL_cleanse(buf, w.len);
	return good;
}

bool dial_cbc(bool encrypt, enum dial_cipher alg, const uint8_t *key, uint8_t iv[static DIAL_BLOCK], uint8_t *p,
	size_t len)
{
	size_t block = dial_block_len(alg);
	uint8_t last[DIAL_BLOCK];
	EVP_CIPHER_CTX *c;
	int done = 0;
	bool good;

	if (!len || len % block || !(c = EVP_CIPHER_CTX_new()))
		return false;
	memcpy(last, p + len - block, block);
	good = EVP_CipherInit_ex(c, cipher(alg), NULL, key, iv, encrypt) &&
		EVP_CIPHER_CTX_set_padding(c, 0) && EVP_CipherUpdate(c, p, &done, p, (int)len) && (size_t)done == len;
	EVP_CIPHER_CTX_free(c);
	memcpy(iv, encrypt ? p + len - block : last, block);
	return good;
}

size_t dial_group_len(unsigned group)
{
	switch (group) {
	case DIAL_MODP1024:
		return 128;
	case DIAL_MODP1536:
		return 192;
	case DIAL_MODP2048:
		return 256;
	case DIAL_ECP256:
		return 64;
	case DIAL_ECP384:
		return 96;
	default:
		return 0;
	}
}

static bool is_ec(enum dial_group group)
{
	return group == DIAL_ECP256 || group == DIAL_ECP384;
}

/* libcrypto has no name for this group any more. */
static EVP_PKEY *modp1024(void)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	BIGNUM *p = BN_get_rfc2409_prime_1024(NULL), *g = BN_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *r = NULL;

	if (c && b && p && g && BN_set_word(g, 2) && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_FFC_P, p) &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_FFC_G, g) && (params = OSSL_PARAM_BLD_to_param(b)) && EVP_PKEY_fromdata_init(c) == 1)
		(void)EVP_PKEY_fromdata(c, &r, EVP_PKEY_KEY_PARAMETERS, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	BN_free(p);
	BN_free(g);
	EVP_PKEY_CTX_free(c);
	return r;
}

static EVP_PKEY *key_new(enum dial_group group)
{
	static char names[][12] = {
		[DIAL_MODP1536] = "modp_1536", [DIAL_MODP2048] = "modp_2048", [DIAL_ECP256] = "P-256",
		[DIAL_ECP384] = "P-384",
	};
	bool ec = is_ec(group);
	int bits = EXPONENT_BITS;
	OSSL_PARAM name[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, names[group], 0),
		OSSL_PARAM_construct_end(),
	};
	OSSL_PARAM length[] = {		/* by itself libcrypto knows it for named groups only */
		OSSL_PARAM_construct_int(OSSL_PKEY_PARAM_DH_PRIV_LEN, &bits), OSSL_PARAM_construct_end(),
	};
	EVP_PKEY *base = group == DIAL_MODP1024 ? modp1024() : NULL, *r = NULL;
	EVP_PKEY_CTX *c = base ? EVP_PKEY_CTX_new_from_pkey(NULL, base, NULL) :
		EVP_PKEY_CTX_new_from_name(NULL, ec ? "EC" : "DH", NULL);

	if (c && (base || group != DIAL_MODP1024) && EVP_PKEY_keygen_init(c) == 1 &&
	    EVP_PKEY_CTX_set_params(c, base ? length : name) == 1)
		(void)EVP_PKEY_generate(c, &r);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(base);
	return r;
}

struct dial_dh *dial_dh_new(enum dial_group group)
{
	struct dial_dh *d = calloc(1, sizeof(*d));
	size_t want = dial_group_len(group), n = 0;
	uint8_t *enc = NULL;
	struct rd r;

	if (d && want && (d->key = key_new(group)))
		n = EVP_PKEY_get1_encoded_public_key(d->key, &enc);
	/* libcrypto pads its encoding to the size of the prime. */
	r = rd_of(enc, n);
	if (is_ec(group))
		rd_skip(&r, 1);
	if (!want || r.bad || r.n != want) {
		OPENSSL_free(enc);
		dial_dh_free(d);
		return NULL;
	}
	d->group = group;
	memcpy(d->public, r.p, r.n);
	OPENSSL_free(enc);
	return d;
}

void dial_dh_free(struct dial_dh *d)
{
	if (!d)
		return;
	EVP_PKEY_free(d->key);
	free(d);
}

enum dial_group dial_dh_group(const struct dial_dh *d)
{
	return d->group;
}

const uint8_t *dial_dh_public(const struct dial_dh *d)
{
	return d->public;
}

size_t dial_dh_shared(const struct dial_dh *d, const uint8_t *peer, uint8_t out[static DIAL_DH_MAX])
{
	EVP_PKEY *theirs = EVP_PKEY_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, d->key, NULL), *check;
	bool ec = is_ec(d->group);
	uint8_t buf[1 + DIAL_DH_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	size_t want = ec ? dial_group_len(d->group) / 2 : dial_group_len(d->group), n = want;
	bool good;

	if (ec)
		wr_u8(&w, EC_UNCOMPRESSED);
	wr_bytes(&w, peer, dial_group_len(d->group));
	good = theirs && c && EVP_PKEY_copy_parameters(theirs, d->key) == 1 &&
		EVP_PKEY_set1_encoded_public_key(theirs, buf, w.len) == 1;
	/* The check that libcrypto makes by itself costs an exponentiation of full length, ten times the
	 * derivation.  These are safe primes: that 1 < y < p - 1 is enough (NIST SP 800-56A 5.6.2.3.1). */
	check = good ? EVP_PKEY_CTX_new_from_pkey(NULL, theirs, NULL) : NULL;
	good = check && EVP_PKEY_public_check_quick(check) == 1 && EVP_PKEY_derive_init(c) == 1 &&
		(ec || EVP_PKEY_CTX_set_dh_pad(c, 1) == 1) && EVP_PKEY_derive_set_peer_ex(c, theirs, 0) == 1 &&
		EVP_PKEY_derive(c, out, &n) == 1 && n == want;
	EVP_PKEY_CTX_free(check);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(theirs);
	return good ? n : 0;
}
