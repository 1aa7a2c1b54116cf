/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * esp: ESP (RFC 4303) for batches of packets, transport mode, without ESN.
 *
 * A pure core: no socket, clock, log, and no allocation per packet.  An SA is
 * made once with its keys; sealing and opening work on arrays of packets in
 * place, so that a backend may run many of them in parallel lanes.
 *
 * Not for several threads at once.  CBC's IVs come from a pool that the crypto
 * library's generator fills, once per 16 KB: randomness is neither a clock nor
 * a socket, and a fixed seed here would only be a way to get IVs wrong.  The
 * pool survives fork(), so a process that has sealed must not fork another
 * that seals.  GCM's IVs are the sequence number: under one key it never comes
 * twice, so a key is not used after a restart, nor by a second SA unless its
 * owner keeps their numbers apart (esp_seq_raise()).
 */
#ifndef CULVERT_ESP_H
#define CULVERT_ESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"

enum esp_enc_alg {
	ESP_AES_CBC_128 = 1, ESP_AES_CBC_256, ESP_AES_GCM_128, ESP_AES_GCM_256,
	ESP_3DES_CBC,			/* RFC 2451, for clients that have nothing else */
};
enum esp_auth_alg {
	ESP_HMAC_SHA1_96 = 1, ESP_HMAC_SHA2_256_128, ESP_HMAC_SHA2_384_192, ESP_HMAC_SHA2_512_256,
	ESP_AUTH_IN_ENC = 0,		/* of AES-GCM, which brings its own 16-octet ICV (RFC 4106) */
};

enum {
	ESP_HDR = 8,			/* SPI, sequence number */
	ESP_IV_MAX = 16, ESP_ICV_MAX = 32, ESP_BLOCK = 16,
	/* room before and after a payload that is to be sealed in place */
	ESP_HEADROOM = ESP_HDR + ESP_IV_MAX,
	ESP_TAILROOM = ESP_BLOCK + 2 + ESP_ICV_MAX,
	ESP_REPLAY_WINDOW = 1024,	/* packets */
	ESP_LEN_MAX = 65535,		/* of a whole packet */
};

enum esp_verdict {
	ESP_OK,
	ESP_SHORT,			/* open: shorter than any packet of this SA, no multiple of its
					 * block, or above ESP_LEN_MAX */
	ESP_REPLAYED,			/* seen, or older than the window; also sequence number 0 */
	ESP_BAD_ICV,
	ESP_BAD_PAD,			/* padding, after the ICV was right */
	ESP_EXHAUSTED,			/* seal: the sequence numbers are used up (RFC 4303 3.3.3) */
	ESP_FAILED,			/* the crypto library refused; seal: above ESP_LEN_MAX; an SA of
					 * the other direction */
	ESP_VERDICTS,
};

struct esp_keys {
	uint8_t enc;			/* enum esp_enc_alg */
	uint8_t auth;			/* enum esp_auth_alg */
	const uint8_t *enc_key;		/* 16, 24 or 32 bytes, as the algorithm says; AES-GCM: and 4
					 * of salt behind them (RFC 4106 8.1) */
	size_t enc_len;
	const uint8_t *auth_key;	/* 20, 32, 48, 64 or 0 bytes, as the algorithm says */
	size_t auth_len;
};

/* One direction of an SA pair; opaque, owned by whoever made it. */
struct esp_sa;

/*
 * Once, before a process gives up the file system: the crypto library reads
 * its configuration and loads its algorithms when they are used first.  False
 * when one of them, or its random generator, is missing.
 */
MUST_USE bool esp_init(void);

/*
 * After esp_init(), before any SA: measure for some milliseconds which library
 * is the fastest for what, instead of what is usual.  cpu_ns: the CPU time that
 * this thread has used, in ns.
 */
void esp_tune(uint64_t (*cpu_ns)(void));

/* One line for the log: what does the cryptography, and why. */
const char *esp_crypto_text(void);

/* How often a cipher or a hash was run over a packet, and by whom. */
struct esp_crypto_counts {
	uint64_t openssl, ipsec_mb;
};
struct esp_crypto_counts esp_crypto_counts(void);

/*
 * spi: host order.  The keys are copied (and wiped by esp_sa_free()).
 * 0, -EINVAL for an algorithm or length that is not known, -ENOMEM.
 */
MUST_USE int esp_sa_new(uint32_t spi, const struct esp_keys *, bool inbound, struct esp_sa **ret);
void esp_sa_free(struct esp_sa *);	/* NULL is fine */

/* One packet of a batch. */
struct esp_pkt {
	struct esp_sa *sa;
	uint8_t *p;			/* the ESP header (SPI first) */
	size_t len;			/* open: whole ESP packet; seal: payload length in, ESP packet length out */
	uint8_t next_header;		/* open: out, not judged here (59 is a dummy, RFC 4303 2.6);
					 * seal: in */
	/* open, out: the payload, inside p */
	uint8_t *payload;
	size_t payload_len;
	enum esp_verdict verdict;	/* out */
};

/*
 * Seal n outbound packets in place.  The payload stands at p +
 * esp_payload_offset(sa); esp_sealed_len() bytes from p must be writable.
 * Packets of one SA get their sequence numbers in array order.
 */
void esp_seal(struct esp_pkt *pkts, unsigned n);

/*
 * Open n inbound packets in place: length, replay pre-check, ICV (compared in
 * constant time), replay update, decryption, padding (RFC 4303 3.4).  A packet
 * that fails yields no payload (NULL, 0), and moves the window only when its
 * ICV was right.  Several packets of one batch may have the same sequence
 * number: the first good one wins.
 */
void esp_open(struct esp_pkt *pkts, unsigned n);

/* All below: bytes. */
size_t esp_payload_offset(const struct esp_sa *);
size_t esp_sealed_len(const struct esp_sa *, size_t payload_len);
/* The longest payload whose packet is at most n bytes (for the MTU); 0 when there is none. */
size_t esp_payload_max(const struct esp_sa *, size_t n);

/* For accounting and lifetimes. */
uint32_t esp_spi(const struct esp_sa *);
uint64_t esp_seq(const struct esp_sa *);	/* highest sent or accepted; 0 = none yet */

/*
 * Outbound: leave numbers out, so that the next packet gets seq + 1 (RFC 4303
 * 3.3.3 wants them to rise, not to be dense).  False, and nothing changes: it
 * had a higher one already, or it is an inbound SA.
 */
MUST_USE bool esp_seq_raise(struct esp_sa *, uint32_t seq);

/* "bad_icv": a word for counters and logs; "?" for no verdict. */
const char *esp_verdict_str(enum esp_verdict);

/* SPI and sequence number of a packet; false when too short. */
bool esp_peek(const uint8_t *p, size_t len, uint32_t *ret_spi, uint32_t *ret_seq);

#endif
