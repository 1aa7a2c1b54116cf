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

enum { PARTS_MAX = 2048 };

struct dial_dh {
	EVP_PKEY *key;
	size_t len;
};

static const EVP_MD *md(enum dial_hash h)
{
	return h == DIAL_SHA256 ? EVP_sha256() : EVP_sha1();
}

size_t dial_hash_len(enum dial_hash h)
{
	return h == DIAL_SHA256 ? 32 : 20;
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

bool dial_cbc(bool encrypt, const uint8_t *key, size_t key_len, uint8_t iv[static DIAL_BLOCK], uint8_t *p, size_t len)
{
	EVP_CIPHER_CTX *c;
	uint8_t last[DIAL_BLOCK];
	int done = 0;
	bool good;

	if (!len || len % DIAL_BLOCK || (key_len != 16 && key_len != 32) || !(c = EVP_CIPHER_CTX_new()))
		return false;
	memcpy(last, p + len - DIAL_BLOCK, sizeof(last));
	good = EVP_CipherInit_ex(c, key_len == 32 ? EVP_aes_256_cbc() : EVP_aes_128_cbc(), NULL, key, iv, encrypt) &&
		EVP_CIPHER_CTX_set_padding(c, 0) && EVP_CipherUpdate(c, p, &done, p, (int)len) && (size_t)done == len;
	EVP_CIPHER_CTX_free(c);
	memcpy(iv, encrypt ? p + len - DIAL_BLOCK : last, DIAL_BLOCK);
	return good;
}

size_t dial_dh_len(enum dial_group group)
{
	return group == DIAL_MODP1024 ? 128 : 256;
}

/* Prime and generator; libcrypto knows modp1024 by no name. NULL: it failed. */
static EVP_PKEY *group_new(enum dial_group group)
{
	BIGNUM *p = group == DIAL_MODP1024 ? BN_get_rfc2409_prime_1024(NULL) : BN_get_rfc3526_prime_2048(NULL);
	BIGNUM *g = BN_new();
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	EVP_PKEY *key = NULL;

	if (p && g && bld && c && BN_set_word(g, 2) && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_FFC_P, p) &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_FFC_G, g) && (params = OSSL_PARAM_BLD_to_param(bld)) &&
	    EVP_PKEY_fromdata_init(c) == 1)
		(void)!EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEY_PARAMETERS, params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(c);
	BN_free(p);
	BN_free(g);
	return key;
}

struct dial_dh *dial_dh_new(enum dial_group group, uint8_t pub[static DIAL_DH])
{
	struct dial_dh *d = calloc(1, sizeof(*d));
	EVP_PKEY *params = group_new(group);
	EVP_PKEY_CTX *c = params ? EVP_PKEY_CTX_new_from_pkey(NULL, params, NULL) : NULL;
	uint8_t *enc = NULL;
	size_t n = 0;

	/* libcrypto pads its encoding to the size of the prime. */
	if (d && c && EVP_PKEY_keygen_init(c) == 1 && EVP_PKEY_generate(c, &d->key) == 1)
		n = EVP_PKEY_get1_encoded_public_key(d->key, &enc);
	if (n == dial_dh_len(group)) {
		d->len = n;
		memcpy(pub, enc, n);
	}
	OPENSSL_free(enc);
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(params);
	if (d && d->len)
		return d;
	dial_dh_free(d);
	return NULL;
}

void dial_dh_free(struct dial_dh *d)
{
	if (!d)
		return;
	EVP_PKEY_free(d->key);
	free(d);
}

bool dial_dh_shared(struct dial_dh *d, const uint8_t peer[static DIAL_DH], uint8_t out[static DIAL_DH])
{
	EVP_PKEY *theirs = EVP_PKEY_new();
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, d->key, NULL);
	size_t n = d->len;
	bool good;

	good = theirs && c && EVP_PKEY_copy_parameters(theirs, d->key) == 1 &&
		EVP_PKEY_set1_encoded_public_key(theirs, peer, d->len) == 1 && EVP_PKEY_derive_init(c) == 1 &&
		EVP_PKEY_CTX_set_dh_pad(c, 1) == 1 && EVP_PKEY_derive_set_peer(c, theirs) == 1 &&
		EVP_PKEY_derive(c, out, &n) == 1 && n == d->len;
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(theirs);
	return good;
}
