/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mschap: the arithmetic of MS-CHAPv2 (RFC 2759 8) and of CHAP with MD5 (RFC
 * 1994 4.1), for whoever proves or checks a password.  Knows no packets.
 *
 * MD4 and single DES are in OpenSSL's legacy provider; mschap_init() loads it
 * once, before a sandbox closes the file system.  Without it the functions
 * return false and write nothing that may be used.
 *
 * User names are without the NT domain (RFC 2759 8.2): see mschap_user().
 */
#ifndef CULVERT_MSCHAP_H
#define CULVERT_MSCHAP_H

#include "base/rd.h"
#include "base/util.h"

enum {
	MSCHAP_CHALLENGE = 16, MSCHAP_HASH = 16, MSCHAP_RESPONSE = 24, MSCHAP_AUTH = 20,
	MSCHAP_VALUE = 49,	/* peer challenge, 8 reserved, response, flags: RFC 2759 4 */
	CHAP_MD5_VALUE = 16,
	MSCHAP_MPPE_KEY = 16,
};

/* Load the providers and fetch the algorithms.  false: this OpenSSL has none. May be repeated. */
MUST_USE bool mschap_init(void);

/* RFC 2759 8.3 over n octets of UTF-8; an octet that is none counts as Latin-1. At most 256
 * UTF-16 units, false above. */
MUST_USE bool mschap_nt_hash(const void *password, size_t n, uint8_t ret_hash[MSCHAP_HASH]);

/* 8.2 */
MUST_USE bool mschap_challenge_hash(const uint8_t peer[MSCHAP_CHALLENGE],
	const uint8_t auth[MSCHAP_CHALLENGE], struct rd user, uint8_t ret[8]);

/* 8.1, from the hash of the password. */
MUST_USE bool mschap_nt_response(const uint8_t auth[MSCHAP_CHALLENGE],
	const uint8_t peer[MSCHAP_CHALLENGE], struct rd user, const uint8_t hash[MSCHAP_HASH],
	uint8_t ret[MSCHAP_RESPONSE]);

/* 8.7, the raw digest; on the wire it is "S=" and 40 upper-case hex digits. */
MUST_USE bool mschap_auth_response(const uint8_t hash[MSCHAP_HASH],
	const uint8_t response[MSCHAP_RESPONSE], const uint8_t peer[MSCHAP_CHALLENGE],
	const uint8_t auth[MSCHAP_CHALLENGE], struct rd user, uint8_t ret[MSCHAP_AUTH]);

/*
 * Judge a Response's Value in constant time.  name is the Name field as it
 * came, domain and all.  true: right, and *ret_auth proves that we know the
 * password, too; false: wrong, ret_auth is all zero.
 */
MUST_USE bool mschap_check(const uint8_t value[MSCHAP_VALUE], const uint8_t auth[MSCHAP_CHALLENGE],
	struct rd name, const uint8_t hash[MSCHAP_HASH], uint8_t ret_auth[MSCHAP_AUTH]);

/*
 * RFC 3079 3.4: the start keys of MPPE for both directions, from the hash of the
 * password and the NT-Response that was right.  server: the keys as the
 * authenticator has them; the peer's are the same the other way round.
 */
MUST_USE bool mschap_mppe_keys(const uint8_t hash[MSCHAP_HASH], const uint8_t response[MSCHAP_RESPONSE], bool server,
	uint8_t ret_send[MSCHAP_MPPE_KEY], uint8_t ret_recv[MSCHAP_MPPE_KEY]);

/* What of a Name field is the user: all after the last '\'. */
struct rd mschap_user(struct rd name);

/* RFC 1994 4.1: MD5 over identifier, secret, challenge. */
MUST_USE bool chap_md5(uint8_t ident, const void *secret, size_t secret_len, struct rd challenge,
	uint8_t ret[CHAP_MD5_VALUE]);

#endif
