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
enum dial_hash { DIAL_SHA1 = 1, DIAL_SHA256, DIAL_SHA384, DIAL_SHA512, DIAL_MD5 };

/* What IKE itself is encrypted with, in CBC mode. */
enum dial_cipher { DIAL_AES128 = 1, DIAL_AES192, DIAL_AES256, DIAL_3DES };

enum {
	DIAL_HASH_MAX = 64,
	DIAL_BLOCK = 16,		/* the longest: of AES */
	DIAL_DH_MAX = 256,		/* bytes of a public value, and of a shared secret */
};

/* Groups by their number in IKE (RFC 2409 6.2, RFC 3526 3, RFC 5903 7). */
enum dial_group { DIAL_MODP1024 = 2, DIAL_MODP1536 = 5, DIAL_MODP2048 = 14, DIAL_ECP256 = 19, DIAL_ECP384 = 20 };

/* Bytes of a public value as KE has it: 64 to 256; 0 for no group that is known. */
size_t dial_group_len(unsigned group);

/* Bytes: 16 to 64. */
size_t dial_hash_len(enum dial_hash);

/* Bytes: of its key, 16 to 32; of a block, 8 or 16. */
size_t dial_key_len(enum dial_cipher);
size_t dial_block_len(enum dial_cipher);

/* Hash of n parts, one after another. false: libcrypto failed, or the parts are too long. */
MUST_USE bool dial_hash(enum dial_hash, const struct rd *part, unsigned n,
	uint8_t out[static DIAL_HASH_MAX]);

/* HMAC of n parts with a key. */
MUST_USE bool dial_prf(enum dial_hash, struct rd key, const struct rd *part, unsigned n,
	uint8_t out[static DIAL_HASH_MAX]);

/*
 * CBC over len bytes (whole blocks) in place.  iv, as much of it as a block
 * has, is the last block of ciphertext afterwards (RFC 2409 Appendix B).
 */
MUST_USE bool dial_cbc(bool encrypt, enum dial_cipher, const uint8_t *key, uint8_t iv[static DIAL_BLOCK],
	uint8_t *p, size_t len);

/* One side of an exchange; opaque, owned by whoever made it. */
struct dial_dh;

/* A new key pair (exponents of groups of integers are short); NULL: libcrypto failed. */
struct dial_dh *dial_dh_new(enum dial_group);
void dial_dh_free(struct dial_dh *);	/* NULL is fine */
enum dial_group dial_dh_group(const struct dial_dh *);

/* dial_group_len() bytes, borrowed. */
const uint8_t *dial_dh_public(const struct dial_dh *);

/*
 * The shared secret as IKE takes it: g^xy with leading zeros, or the point's x.
 * May be done any number of times with one pair.  Returns its length, 0: the
 * peer's value, dial_group_len() bytes, is none of the group.
 */
MUST_USE size_t dial_dh_shared(const struct dial_dh *, const uint8_t *peer, uint8_t out[static DIAL_DH_MAX]);

#endif
