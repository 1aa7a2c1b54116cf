/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crypto: what esp.c asks of the crypto libraries, in batches.
 *
 * esp.c hands over whole batches of jobs, of mixed SAs, suites and lengths.
 * crypto.c sorts them by operation and gives each group to the backend that is
 * the fastest for that many: OpenSSL, which works packet by packet, or one of
 * intel-ipsec-mb's builds (crypto_mb.c), which fill parallel lanes and need
 * several packets for that: two, eight or sixteen.  All give the same bytes.
 *
 * Which packets are let through is no backend's business: it gets none that
 * esp.c has already refused.
 */
#ifndef CULVERT_ESP_CRYPTO_H
#define CULVERT_ESP_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/util.h"
#include "esp/esp.h"

/* The most jobs in one call. */
enum { ESP_BATCH = 128 };

enum esp_op {
	OP_CBC_128_ENC, OP_CBC_256_ENC, OP_CBC_128_DEC, OP_CBC_256_DEC,
	OP_SHA1, OP_SHA256, OP_SHA384, OP_SHA512,
	OP_GCM_128_SEAL, OP_GCM_256_SEAL, OP_GCM_128_OPEN, OP_GCM_256_OPEN,
	OP_3DES_ENC, OP_3DES_DEC,	/* by OpenSSL alone: nobody who cares for speed has it */
	ESP_OPS,
	OP_NONE = ESP_OPS,
};

enum esp_backend_id {
	BACKEND_OPENSSL,		/* always there */
	BACKEND_MB_SSE, BACKEND_MB_AVX, BACKEND_MB_AVX2, BACKEND_MB_AVX512,
	BACKENDS,
};

enum {
	HMAC_STATE = 64,		/* bytes of the longest hash state */
	AES_SCHEDULE = 15 * 16,		/* round keys of AES-256 */
	GCM_SCHEDULE = 1280,		/* ipsec-mb's at most (2.0), with powers of the hash key */
};

/*
 * The expanded keys of one SA in one direction, in one piece of memory that
 * ends where the suite's part does (crypto_key_new()).  Only the schedules that
 * a backend in force may ask for are there.
 */
struct esp_key {
	uint8_t cipher, hash;		/* enum esp_op; an AEAD has no hash */
	uint8_t gcm_backend;		/* enum esp_backend_id: whose layout gcm has */
	uint16_t size;			/* of it all */
	uint8_t salt[4];		/* of an AEAD, RFC 4106 4 */
	void *evp;			/* EVP_CIPHER_CTX, or NULL */
	union {
		struct {
			/* HMAC after one block of key ^ ipad, key ^ opad (RFC 2104 4): the same
			 * words of the hash, in host order, for every backend. */
			uint8_t inner[HMAC_STATE], outer[HMAC_STATE];
			uint8_t schedule[AES_SCHEDULE];		/* for the direction */
		} cbc;
		uint8_t gcm[GCM_SCHEDULE];
	} __attribute__((aligned(64)));
};

/*
 * CBC: data is ciphered in place; no padding is added or taken.
 * Hash: data is read, icv is what comes out, cut as the algorithm says.
 * GCM: data is ciphered in place; seal gives icv, open compares it.
 */
struct esp_job {
	const struct esp_key *key;
	const uint8_t *iv;		/* CBC: ESP_BLOCK bytes; GCM: 8 */
	const uint8_t *aad;		/* GCM: ESP_HDR bytes */
	uint8_t *data;
	size_t len;			/* CBC: a multiple of ESP_BLOCK; never 0 */
	uint8_t *icv;
	uint8_t op;			/* enum esp_op */
	bool ok;			/* out: the library did it */
	bool authentic;			/* out of a GCM open; never true when not ok */
};

/* Bytes of a hash that go into a packet: RFC 2404 2, RFC 4868 2.3. */
static inline size_t hash_icv_len(enum esp_op op)
{
	switch (op) {
	case OP_SHA1:
		return 12;
	case OP_SHA256:
		return 16;
	case OP_SHA384:
		return 24;
	default:
		return 32;
	}
}

struct esp_backend {
	uint32_t lacks;			/* a bit for each operation that it has not */
	/* Adds its schedule to a key whose other members are set. False: the library refuses. */
	bool (*key)(enum esp_backend_id, struct esp_key *, const struct esp_keys *);
	/* Jobs of one operation, n from 1 to ESP_BATCH. */
	void (*run)(enum esp_backend_id, enum esp_op, struct esp_job *const *jobs, unsigned n);
};

extern const struct esp_backend esp_backend_openssl, esp_backend_mb;
#ifdef BENCH_NULL_CRYPTO
extern const struct esp_backend esp_backend_null;
#endif

/* crypto_openssl.c: a key's inner and outer state, for all backends; the end of its context. */
MUST_USE bool crypto_hmac_key(struct esp_key *, const struct esp_keys *);
void crypto_openssl_key_free(struct esp_key *);

/* crypto_mb.c: the library's managers, made once. False: this machine cannot run that one. */
#if defined(HAVE_IPSEC_MB) && !defined(BENCH_NULL_CRYPTO)
#define USE_IPSEC_MB 1
MUST_USE bool mb_open(enum esp_backend_id);
void mb_close(enum esp_backend_id);
/* Bytes of a key's gcm, up to GCM_SCHEDULE. */
size_t mb_gcm_size(void);
const char *mb_version(void);
#else
static inline bool mb_open(enum esp_backend_id id)
{
	return false;
}

static inline void mb_close(enum esp_backend_id id)
{
}

static inline size_t mb_gcm_size(void)
{
	return 0;
}

static inline const char *mb_version(void)
{
	return "";
}
#endif

/*
 * Look for backends, test each against OpenSSL, and set choices that suit most
 * machines.  Once; a second call does nothing.
 */
void crypto_init(void);

/* Better choices, by measuring.  cpu_ns: the CPU time of this thread.  keep: also what no choice
 * needs, for crypto_force(). */
void crypto_tune(uint64_t (*cpu_ns)(void), bool keep);

/* In force: what crypto_init() and crypto_tune() chose, in one line. */
const char *crypto_text(void);

/* Does the backend do the operations as OpenSSL does? NULL, or what it got wrong. */
const char *crypto_selftest(const struct esp_backend *, enum esp_backend_id);

/* Everything by this one from now on, for tests and benchmarks; false: it is not there.
 * Keys made before must not be used any more. */
bool crypto_force(enum esp_backend_id);
const char *crypto_name(enum esp_backend_id);

/* Who does an operation, by how many packets there are of it (CHOICE_MAX: or more).  GCM, whose
 * keys differ from backend to backend, has the same one for all numbers. */
enum { CHOICE_MAX = 16 };
struct crypto_choice {
	uint8_t by[CHOICE_MAX + 1];	/* enum esp_backend_id */
};
extern struct crypto_choice crypto_choice[ESP_OPS];

/* keys: checked already.  An inbound key only opens, an outbound one only seals.
 * 0, -ENOMEM, or -EINVAL when a library refuses. */
MUST_USE int crypto_key_new(const struct esp_keys *keys, bool inbound, struct esp_key **ret);
void crypto_key_free(struct esp_key *);	/* wipes it; NULL is fine */

/* n up to ESP_BATCH, of mixed operations. */
void crypto_run(struct esp_job *jobs, unsigned n);

extern struct esp_crypto_counts crypto_counts;

#endif
