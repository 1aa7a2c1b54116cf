/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No cryptography at all: what is left is the cost of everything else.  Only in
 * a build for the benchmark (--enable-bench-null-crypto), in OpenSSL's place;
 * ICVs are zero, and are still compared.
 */
#include <string.h>

#include "esp/crypto.h"

static bool null_key(enum esp_backend_id id, struct esp_key *k, const struct esp_keys *keys)
{
	return true;
}

static void null_run(enum esp_backend_id id, enum esp_op op, struct esp_job *const *jobs, unsigned n)
{
	static const uint8_t zero[ESP_ICV_MAX];

	for (unsigned i = 0; i < n; i++) {
		jobs[i]->ok = true;
		if (op == OP_GCM_128_OPEN || op == OP_GCM_256_OPEN)
			jobs[i]->authentic = !memcmp(jobs[i]->icv, zero, sizeof(zero));
		else if (op >= OP_SHA1)
			memset(jobs[i]->icv, 0, op == OP_SHA1 ? 12 : 16);
	}
}

const struct esp_backend esp_backend_null = { .key = null_key, .run = null_run };
