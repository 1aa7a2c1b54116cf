/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/dial_crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/dh.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "base/wr.h"

enum { PARTS_MAX = 2048 };

struct dial_dh {
	EVP_PKEY *key;
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

struct dial_dh *dial_dh_new(uint8_t pub[static DIAL_DH])
{
	struct dial_dh *d = calloc(1, sizeof(*d));
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "DH", NULL);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char[]){ "modp_2048" }, 0),
		OSSL_PARAM_construct_end(),
	};
	uint8_t *enc = NULL;
	size_t n = 0;

	/* libcrypto pads its encoding to the size of the prime. */
	if (d && c && EVP_PKEY_keygen_init(c) == 1 && EVP_PKEY_CTX_set_params(c, params) == 1 &&
	    EVP_PKEY_generate(c, &d->key) == 1)
		n = EVP_PKEY_get1_encoded_public_key(d->key, &enc);
	if (n == DIAL_DH)
		memcpy(pub, enc, n);
	OPENSSL_free(enc);
	EVP_PKEY_CTX_free(c);
	if (n == DIAL_DH)
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
	size_t n = DIAL_DH;
	bool good;

	good = theirs && c && EVP_PKEY_copy_parameters(theirs, d->key) == 1 &&
		EVP_PKEY_set1_encoded_public_key(theirs, peer, DIAL_DH) == 1 && EVP_PKEY_derive_init(c) == 1 &&
		EVP_PKEY_CTX_set_dh_pad(c, 1) == 1 && EVP_PKEY_derive_set_peer(c, theirs) == 1 &&
		EVP_PKEY_derive(c, out, &n) == 1 && n == DIAL_DH;
	EVP_PKEY_CTX_free(c);
	EVP_PKEY_free(theirs);
	return good;
}
