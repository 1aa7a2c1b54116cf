/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dial_crypto: the few operations that an IKEv1 initiator needs, by libcrypto.
 * Nothing here knows a message.
 */
#ifndef CULVERT_CTL_DIAL_CRYPTO_H
#define CULVERT_CTL_DIAL_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rd.h"
#include "base/util.h"

/* Both as IKE's hash and, with HMAC, as its prf (RFC 2409 3.2, Appendix A). */
enum dial_hash { DIAL_SHA1 = 1, DIAL_SHA256 };

enum {
	DIAL_HASH_MAX = 32,
	DIAL_BLOCK = 16,		/* of AES */
	DIAL_DH = 256,			/* bytes of the longest DH value */
};

/* Groups, with the numbers that IKE gives them: RFC 2409 6.2, RFC 3526 3. */
enum dial_group { DIAL_MODP1024 = 2, DIAL_MODP2048 = 14 };

/* 20 or 32. */
size_t dial_hash_len(enum dial_hash);

/* Hash of n parts, one after another. false: libcrypto failed, or the parts are too long. */
MUST_USE bool dial_hash(enum dial_hash, const struct rd *part, unsigned n,
	uint8_t out[static DIAL_HASH_MAX]);

/* HMAC of n parts with a key. */
MUST_USE bool dial_prf(enum dial_hash, struct rd key, const struct rd *part, unsigned n,
	uint8_t out[static DIAL_HASH_MAX]);

/*
 * AES-CBC over len bytes (whole blocks) in place; key_len 16 or 32.  iv is the
 * last block of ciphertext afterwards (RFC 2409 Appendix B).
 */
MUST_USE bool dial_cbc(bool encrypt, const uint8_t *key, size_t key_len, uint8_t iv[static DIAL_BLOCK],
	uint8_t *p, size_t len);

/* Bytes of the group's values: 128 or 256. */
size_t dial_dh_len(enum dial_group);

/* One side of an exchange; opaque, owned by whoever made it. */
struct dial_dh;

/* A new key pair and its public value, dial_dh_len() bytes; NULL: libcrypto failed. */
struct dial_dh *dial_dh_new(enum dial_group, uint8_t pub[static DIAL_DH]);
void dial_dh_free(struct dial_dh *);	/* NULL is fine */

/* g^xy, with leading zeros; as long as the peer's value, whose length is its owner's to check.
 * false: the peer's value is none of the group. */
MUST_USE bool dial_dh_shared(struct dial_dh *, const uint8_t peer[static DIAL_DH],
	uint8_t out[static DIAL_DH]);

#endif
