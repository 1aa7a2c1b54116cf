/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mppe: the packets of Microsoft Point-to-Point Encryption (RFC 3078 3 to 8),
 * both ways of one link.  What is agreed on is ccp.c's; the keys come from the
 * authentication (mschap_mppe_keys()).
 *
 * No clock, and no allocation per packet: OpenSSL's contexts are made with the
 * object.  RC4 is in the legacy provider; mppe_init() loads it once, before a
 * sandbox closes the file system.
 */
#ifndef CULVERT_MPPE_H
#define CULVERT_MPPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

/* RFC 3078 2, Supported Bits. */
enum mppe_bit {
	MPPE_STATELESS = 0x01000000,	/* H */
	MPPE_56 = 0x80,			/* M */
	MPPE_128 = 0x40,		/* S */
	MPPE_40 = 0x20,			/* L */
	MPPE_MPPC = 0x01,		/* C: compression, which is not spoken here */
	MPPE_KEYS = MPPE_40 | MPPE_56 | MPPE_128,
};

enum {
	MPPE_KEY = 16,		/* octets of a start key; the shorter ones are its beginning (RFC 3079 3.1, 3.2) */
	MPPE_HEADER = 2,	/* bits and coherency count */
	MPPE_OVERHEAD = 4,	/* what a packet grows by: that, and its own protocol inside */
};

struct mppe;

/* "128bits,stateless", for the log. */
const char *mppe_text(uint32_t bits);

/* Load the providers and fetch the algorithms. false: this OpenSSL has none. May be repeated. */
MUST_USE bool mppe_init(void);

/*
 * A new pair of key streams.  Bits: as each direction was agreed, one bit of
 * MPPE_KEYS and maybe MPPE_STATELESS.  NULL: no memory, no mppe_init(), or no
 * key length.  The caller owns it; mppe_free() takes NULL.
 */
MUST_USE struct mppe *mppe_new(uint32_t send_bits, const uint8_t send_key[MPPE_KEY], uint32_t recv_bits,
	const uint8_t recv_key[MPPE_KEY]);
void mppe_free(struct mppe *);

/*
 * Encrypt n octets at p in place, protocol field first, and write the header
 * that goes in front of them.  RFC 3078 3: only protocols 0x0021 to 0x00fa are
 * for it, which is for the caller to see to.  false: OpenSSL failed, and the
 * packet must not be sent.
 */
MUST_USE bool mppe_seal(struct mppe *, uint8_t ret_header[MPPE_HEADER], uint8_t *p, size_t n);

/* The peer lost track (CCP Reset-Request): the next packet lets it begin again (RFC 3078 8.2). */
void mppe_flush(struct mppe *);

enum mppe_verdict {
	MPPE_OK,
	MPPE_DROP,	/* not encrypted, no packet at all, or not to be read while packets are missing */
	MPPE_LATE,	/* late or doubled: overtaken on its way */
	MPPE_LOST,	/* lost track: drop it, and send a CCP Reset-Request */
};

/*
 * Open what a PPP frame of protocol 0x00fd carries, n octets at p, in place.
 * With MPPE_OK what was encrypted stands at p + MPPE_HEADER, protocol field
 * first.  now_ms paces Reset-Requests and what a peer may cost by jumps of its
 * count.
 */
MUST_USE enum mppe_verdict mppe_open(struct mppe *, uint8_t *p, size_t n, uint64_t now_ms);

#endif
