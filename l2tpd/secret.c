/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

enum { MD5_LEN = 16 };

/* Fetched once; never freed: it is needed until the process ends. */
static EVP_MD *md5;

bool l2tp_secret_init(void)
{
	if (!md5)
		md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	return md5 != NULL;
}

static bool digest(struct rd a, struct rd b, struct rd c, uint8_t ret[static MD5_LEN])
{
	EVP_MD_CTX *x = l2tp_secret_init() ? EVP_MD_CTX_new() : NULL;
	bool ok = x && EVP_DigestInit_ex2(x, md5, NULL) && EVP_DigestUpdate(x, a.p, a.n) &&
		  EVP_DigestUpdate(x, b.p, b.n) && EVP_DigestUpdate(x, c.p, c.n) &&
		  EVP_DigestFinal_ex(x, ret, NULL);

	EVP_MD_CTX_free(x);
	return ok;
}

bool l2tp_response(uint8_t type, struct rd secret, struct rd challenge, uint8_t ret[static L2TP_RESPONSE])
{
	return digest(rd_of(&type, 1), secret, challenge, ret);
}

bool l2tp_response_ok(uint8_t type, struct rd secret, struct rd challenge, struct rd response)
{
	uint8_t want[L2TP_RESPONSE];

	return response.n == sizeof(want) && l2tp_response(type, secret, challenge, want) &&
	       !CRYPTO_memcmp(response.p, want, sizeof(want));
}

/*
 * The blocks of the key stream: the first is the digest of attribute, secret
 * and vector, each other one that of the secret and the hidden block before it.
 */
static bool key_block(unsigned i, uint16_t type, struct rd secret, struct rd vector, const uint8_t *hidden,
	uint8_t ret[static MD5_LEN])
{
	const uint8_t attribute[2] = { (uint8_t)(type >> 8), (uint8_t)type };
	static const struct rd none;

	if (!i)
		return digest(rd_of(attribute, sizeof(attribute)), secret, vector, ret);
	return digest(secret, rd_of(hidden + (size_t)(i - 1) * MD5_LEN, MD5_LEN), none, ret);
}

void l2tp_hide(struct wr *w, uint16_t type, struct rd secret, struct rd vector, struct rd value)
{
	size_t at = w->len, n;
	uint8_t key[MD5_LEN], *p;

	wr_u16(w, (uint16_t)value.n);
	wr_bytes(w, value.p, value.n);
	if (w->bad)
		return;
	p = w->p + at;
	n = w->len - at;
	for (size_t k = 0; k < n; k++) {
		if (k % MD5_LEN == 0 && !key_block((unsigned)(k / MD5_LEN), type, secret, vector, p, key)) {
			w->bad = true;
			break;
		}
		p[k] ^= key[k % MD5_LEN];
	}
	OPENSSL_cleanse(key, sizeof(key));
}

bool l2tp_reveal(uint16_t type, struct rd secret, struct rd vector, struct rd hidden, uint8_t *buf,
	struct rd *ret)
{
	uint8_t key[MD5_LEN];
	struct rd plain;
	uint16_t len;

	for (size_t k = 0; k < hidden.n; k++) {
		if (k % MD5_LEN == 0 && !key_block((unsigned)(k / MD5_LEN), type, secret, vector, hidden.p, key))
			return false;
		buf[k] = hidden.p[k] ^ key[k % MD5_LEN];
	}
	OPENSSL_cleanse(key, sizeof(key));
	plain = rd_of(buf, hidden.n);
	len = rd_u16(&plain);
	*ret = rd_sub(&plain, len);	/* what is behind it is padding */
	return !plain.bad;
}
