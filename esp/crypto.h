/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crypto: what esp.c asks of a crypto library, in batches.
 *
 * A backend is one table of functions.  It gets whole batches, of mixed SAs
 * and lengths, so one with parallel lanes can fill them; one without loops.
 * Which packets are let through is not its business: it gets no packet that
 * esp.c has already refused.
 */
#ifndef CULVERT_ESP_CRYPTO_H
#define CULVERT_ESP_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "esp/esp.h"

/* The most jobs in one call. */
enum { ESP_BATCH = 64 };

/* The expanded keys of one SA in one direction; each backend has its own. */
struct esp_key;

/* CBC in place, no padding added or taken. */
struct esp_cipher_job {
	struct esp_key *key;
	const uint8_t *iv;		/* ESP_BLOCK bytes */
	uint8_t *data;
	size_t len;			/* a multiple of ESP_BLOCK, not 0 */
	bool ok;			/* out */
};

struct esp_hash_job {
	struct esp_key *key;
	const uint8_t *data;
	size_t len;
	uint8_t *icv;			/* out: as many bytes as the algorithm leaves */
	bool ok;			/* out */
};

struct esp_backend {
	const char *name;
	/* keys: checked already.  An inbound key only decrypts, an outbound one only encrypts.
	 * 0, -ENOMEM, or -EINVAL when the library refuses. */
	int (*key_new)(const struct esp_keys *keys, bool inbound, struct esp_key **ret);
	void (*key_free)(struct esp_key *);	/* wipes it; NULL is fine */
	void (*encrypt)(struct esp_cipher_job *jobs, unsigned n);
	void (*decrypt)(struct esp_cipher_job *jobs, unsigned n);
	void (*hash)(struct esp_hash_job *jobs, unsigned n);
};

extern const struct esp_backend esp_backend_openssl;
#ifdef BENCH_NULL_CRYPTO
extern const struct esp_backend esp_backend_null;
#endif

#endif
