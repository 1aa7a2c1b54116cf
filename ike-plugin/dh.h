/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dh: Diffie-Hellman for IKE, and key pairs that were made ahead.  OpenSSL's
 * arithmetic below the level at which it checks and copies: a handshake costs
 * two exponentiations here, and one when a pair was ready.
 *
 * Private exponents are short where the group is a safe prime's: nothing is
 * gained by more than twice the group's strength (RFC 7919 5.2, RFC 3526 8,
 * NIST SP 800-56A rev. 3, 5.6.1.1.1).
 *
 * A pair is used once: dh_agree() takes it and wipes it.  Nothing here is
 * locked; groups are constant and may be used by any thread.
 */
#ifndef CULVERT_DH_H
#define CULVERT_DH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/util.h"

enum {
	DH_MODP_1024 = 2,		/* Transform IDs of IANA's registry for IKE, RFC 2409 6, RFC 3526, RFC 5903 */
	DH_MODP_1536 = 5,
	DH_MODP_2048 = 14,
	DH_MODP_3072 = 15,
	DH_MODP_4096 = 16,
	DH_ECP_256 = 19,
	DH_ECP_384 = 20,
	DH_PUBLIC_MAX = 512,
	DH_SECRET_MAX = 512,
};

struct dh_group;

/* Our half of an exchange. */
struct dh_pair {
	struct list link;		/* in a pool */
	const struct dh_group *group;
	size_t n_private;
	uint8_t private[64];		/* big endian */
	size_t n_public;
	uint8_t public[];		/* as KE payloads carry it: filled up to the group's length; X | Y for a curve */
};

/* The group of that number, or NULL: not one of ours, or OpenSSL lacks it. Set up at the first call of all. */
const struct dh_group *dh_group(unsigned id);
unsigned dh_group_id(const struct dh_group *);
size_t dh_public_len(const struct dh_group *);
size_t dh_secret_len(const struct dh_group *);
/* Length of a private exponent in bits; of a curve the bits of its order. */
unsigned dh_private_bits(const struct dh_group *);

/* A fresh pair; NULL without memory or randomness. */
struct dh_pair *dh_pair_new(const struct dh_group *);
/* For test vectors: the pair of this private value. */
struct dh_pair *dh_pair_of(const struct dh_group *, const uint8_t *private, size_t n);
/* Wipes it. NULL is fine. */
void dh_pair_free(struct dh_pair *);

/*
 * May a peer have sent this?  Its length, 1 < y < p - 1, or a point of the
 * curve (RFC 6989 2, NIST SP 800-56A rev. 3, 5.6.2.3).
 */
bool dh_public_ok(const struct dh_group *, const uint8_t *public, size_t n);

/*
 * The shared secret, dh_secret_len() octets at ret, leading zeros kept (RFC
 * 2409 5; of a curve the X coordinate, RFC 5903 7).  The pair is gone
 * afterwards, whatever happened.  False: the peer's value cannot be, or no
 * memory.
 */
MUST_USE bool dh_agree(struct dh_pair *, const uint8_t *public, size_t n, uint8_t *ret);

/* ---- pairs made ahead ---- */

enum { DH_GROUPS = 7, DH_POOL_MAX = 1024 };

/* Pairs of each group that was asked for at least once. */
struct dh_pool {
	struct {
		const struct dh_group *group;
		struct list pairs;
		unsigned n;
	} of[DH_GROUPS];
	unsigned n_groups;
};

void dh_pool_init(struct dh_pool *);
void dh_pool_free(struct dh_pool *);

/* One that was made ahead, now the caller's, or NULL. From now on the group is wanted. */
struct dh_pair *dh_pool_take(struct dh_pool *, const struct dh_group *);

/* The group that has the fewest pairs and room for one more, or NULL: all are full. */
const struct dh_group *dh_pool_wants(const struct dh_pool *);

/* Keep a pair (taken over) for later. */
void dh_pool_put(struct dh_pool *, struct dh_pair *);

#endif
