/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ppp/mschap.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <string.h>

#include "base/wr.h"

/* The algorithms, fetched once; never freed: they are needed until the process ends. */
static EVP_MD *md4, *md5, *sha1;
static EVP_CIPHER *des;

bool mschap_init(void)
{
	if (des)
		return true;
	/* Loading any provider by hand switches off the implicit default one. */
	if (!OSSL_PROVIDER_load(NULL, "legacy") || !OSSL_PROVIDER_load(NULL, "default"))
		return false;
	md4 = EVP_MD_fetch(NULL, "MD4", NULL);
	md5 = EVP_MD_fetch(NULL, "MD5", NULL);
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	if (!md4 || !md5 || !sha1)
		return false;
	des = EVP_CIPHER_fetch(NULL, "DES-ECB", NULL);
	return des != NULL;
}

/* The digest of up to three pieces. */
static bool digest(const EVP_MD *md, struct rd a, struct rd b, struct rd c, uint8_t *ret)
{
	EVP_MD_CTX *x = md ? EVP_MD_CTX_new() : NULL;
	bool ok = x && EVP_DigestInit_ex2(x, md, NULL) && EVP_DigestUpdate(x, a.p, a.n) &&
		  EVP_DigestUpdate(x, b.p, b.n) && EVP_DigestUpdate(x, c.p, c.n) &&
		  EVP_DigestFinal_ex(x, ret, NULL);

	EVP_MD_CTX_free(x);
	return ok;
}

static const struct rd none;

/* RFC 2759 8.6: one block under a key of 56 bits, spread so that each octet has room for parity. */
static bool des_block(const uint8_t in[8], const uint8_t key7[7], uint8_t ret[8])
{
	EVP_CIPHER_CTX *x = des ? EVP_CIPHER_CTX_new() : NULL;
	uint64_t bits = 0;
	uint8_t key[8];
	int n = 0;
	bool ok;

	for (int i = 0; i < 7; i++)
		bits = bits << 8 | key7[i];
	for (int i = 0; i < 8; i++)
		key[i] = (uint8_t)(bits >> (49 - 7 * i) << 1);
	ok = x && EVP_EncryptInit_ex2(x, des, key, NULL, NULL) && EVP_CIPHER_CTX_set_padding(x, 0) &&
	     EVP_EncryptUpdate(x, ret, &n, in, 8) && n == 8;
	OPENSSL_cleanse(key, sizeof(key));
	OPENSSL_cleanse(&bits, sizeof(bits));
	EVP_CIPHER_CTX_free(x);
	return ok;
}

/* The next code point of UTF-8; false: none well-formed begins here. */
static bool utf8_next(struct rd *r, uint32_t *ret)
{
	struct rd at = *r;
	uint8_t b = rd_u8(&at);
	int more = b < 0x80 ? 0 : b >= 0xc2 && b < 0xe0 ? 1 : b >= 0xe0 && b < 0xf0 ? 2 :
		   b >= 0xf0 && b < 0xf5 ? 3 : -1;
	uint32_t c = more > 0 ? b & (0x3fu >> more) : b;

	if (more < 0)
		return false;
	for (int i = 0; i < more; i++) {
		b = rd_u8(&at);
		if (at.bad || (b & 0xc0) != 0x80)
			return false;
		c = c << 6 | (b & 0x3f);
	}
	/* Overlong forms, surrogates, and what is past Unicode. */
	if ((more == 2 && c < 0x800) || (more == 3 && c < 0x10000) || (c >= 0xd800 && c < 0xe000) ||
	    c > 0x10ffff)
		return false;
	*r = at;
	*ret = c;
	return true;
}

static void wr_u16le(struct wr *w, uint32_t v)
{
	wr_u8(w, (uint8_t)v);
	wr_u8(w, (uint8_t)(v >> 8));
}

bool mschap_nt_hash(const void *password, size_t n, uint8_t ret_hash[MSCHAP_HASH])
{
	uint8_t buf[512];
	struct wr w = wr_of(buf, sizeof(buf));
	struct rd r = rd_of(password, n);
	uint32_t c;
	bool ok;

	while (r.n) {
		if (!utf8_next(&r, &c))
			c = rd_u8(&r);
		if (c < 0x10000) {
			wr_u16le(&w, c);
			continue;
		}
		c -= 0x10000;
		wr_u16le(&w, 0xd800 | c >> 10);
		wr_u16le(&w, 0xdc00 | (c & 0x3ff));
	}
	ok = !w.bad && digest(md4, rd_of(buf, w.len), none, none, ret_hash);
	OPENSSL_cleanse(buf, sizeof(buf));
	return ok;
}

bool mschap_challenge_hash(const uint8_t peer[MSCHAP_CHALLENGE],
	const uint8_t auth[MSCHAP_CHALLENGE], struct rd user, uint8_t ret[8])
{
	uint8_t d[20];

	if (!digest(sha1, rd_of(peer, MSCHAP_CHALLENGE), rd_of(auth, MSCHAP_CHALLENGE), user, d))
		return false;
	memcpy(ret, d, 8);
	return true;
}

bool mschap_nt_response(const uint8_t auth[MSCHAP_CHALLENGE], const uint8_t peer[MSCHAP_CHALLENGE],
	struct rd user, const uint8_t hash[MSCHAP_HASH], uint8_t ret[MSCHAP_RESPONSE])
{
	uint8_t c[8], key[21] = { 0 };
	bool ok = mschap_challenge_hash(peer, auth, user, c);

	/* 8.5: the hash, filled up with zeros, is three DES keys. */
	memcpy(key, hash, MSCHAP_HASH);
	for (int i = 0; i < 3 && ok; i++)
		ok = des_block(c, key + 7 * i, ret + 8 * i);
	OPENSSL_cleanse(key, sizeof(key));
	return ok;
}

bool mschap_auth_response(const uint8_t hash[MSCHAP_HASH], const uint8_t response[MSCHAP_RESPONSE],
	const uint8_t peer[MSCHAP_CHALLENGE], const uint8_t auth[MSCHAP_CHALLENGE], struct rd user,
	uint8_t ret[MSCHAP_AUTH])
{
	static const char magic1[] = "Magic server to client signing constant";
	static const char magic2[] = "Pad to make it do more than one iteration";
	uint8_t hh[MSCHAP_HASH], c[8], d[20];
	bool ok = digest(md4, rd_of(hash, MSCHAP_HASH), none, none, hh) &&
		  digest(sha1, rd_of(hh, sizeof(hh)), rd_of(response, MSCHAP_RESPONSE),
			  rd_of(magic1, sizeof(magic1) - 1), d) &&
		  mschap_challenge_hash(peer, auth, user, c) &&
		  digest(sha1, rd_of(d, sizeof(d)), rd_of(c, sizeof(c)),
			  rd_of(magic2, sizeof(magic2) - 1), ret);

	OPENSSL_cleanse(hh, sizeof(hh));
	OPENSSL_cleanse(d, sizeof(d));
	return ok;
}

bool mschap_check(const uint8_t value[MSCHAP_VALUE], const uint8_t auth[MSCHAP_CHALLENGE],
	struct rd name, const uint8_t hash[MSCHAP_HASH], uint8_t ret_auth[MSCHAP_AUTH])
{
	struct rd user = mschap_user(name), v = rd_of(value, MSCHAP_VALUE);
	const uint8_t *peer = rd_bytes(&v, MSCHAP_CHALLENGE);
	const uint8_t *response;
	uint8_t want[MSCHAP_RESPONSE], proof[MSCHAP_AUTH];
	bool ok;

	rd_skip(&v, 8);
	response = rd_bytes(&v, MSCHAP_RESPONSE);
	/* The proof is computed for a wrong answer as well: both take the same time. */
	ok = mschap_nt_response(auth, peer, user, hash, want) &&
	     mschap_auth_response(hash, response, peer, auth, user, proof) &&
	     CRYPTO_memcmp(want, response, sizeof(want)) == 0;
	memset(ret_auth, 0, MSCHAP_AUTH);
	if (ok)
		memcpy(ret_auth, proof, MSCHAP_AUTH);
	OPENSSL_cleanse(want, sizeof(want));
	OPENSSL_cleanse(proof, sizeof(proof));
	return ok;
}

bool mschap_mppe_keys(const uint8_t hash[MSCHAP_HASH], const uint8_t response[MSCHAP_RESPONSE], bool server,
	uint8_t ret_send[MSCHAP_MPPE_KEY], uint8_t ret_recv[MSCHAP_MPPE_KEY])
{
	static const char magic1[] = "This is the MPPE Master Key";
	static const char magic2[] = "On the client side, this is the send key; on the server side, it is the receive key.";
	static const char magic3[] = "On the client side, this is the receive key; on the server side, it is the send key.";
	/* SHApad1, the magic and SHApad2 in one piece. */
	uint8_t hh[MSCHAP_HASH], master[20], d[20], tail[40 + sizeof(magic2) - 1 + 40] = { 0 };
	const size_t n = sizeof(magic2) - 1;
	bool ok = digest(md4, rd_of(hash, MSCHAP_HASH), none, none, hh) &&
		  digest(sha1, rd_of(hh, sizeof(hh)), rd_of(response, MSCHAP_RESPONSE),
			  rd_of(magic1, sizeof(magic1) - 1), master);

	_Static_assert(sizeof(magic2) == sizeof(magic3), "both magics of RFC 3079 are 84 octets long");
	memset(tail + 40 + n, 0xf2, 40);
	for (int to_server = 0; to_server < 2 && ok; to_server++) {
		memcpy(tail + 40, to_server ? magic2 : magic3, n);
		ok = digest(sha1, rd_of(master, 16), rd_of(tail, sizeof(tail)), none, d);
		memcpy(to_server == server ? ret_recv : ret_send, d, MSCHAP_MPPE_KEY);
	}
	OPENSSL_cleanse(hh, sizeof(hh));
	OPENSSL_cleanse(master, sizeof(master));
	OPENSSL_cleanse(d, sizeof(d));
	return ok;
}

struct rd mschap_user(struct rd name)
{
	struct rd user = name;

	while (name.n)
		if (rd_u8(&name) == '\\')
			user = name;
	return user;
}

bool chap_md5(uint8_t ident, const void *secret, size_t secret_len, struct rd challenge,
	uint8_t ret[CHAP_MD5_VALUE])
{
	return digest(md5, rd_of(&ident, 1), rd_of(secret, secret_len), challenge, ret);
}
