/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No cryptography at all: what is left is the cost of everything else.  Only in
 * a build for the benchmark (--enable-bench-null-crypto); ICVs are zero, and
 * are still compared.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "esp/crypto.h"

struct esp_key {
	size_t icv_len;
};

static int null_key_new(const struct esp_keys *keys, bool inbound, struct esp_key **ret)
{
	*ret = calloc(1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	(*ret)->icv_len = keys->auth == ESP_HMAC_SHA1_96 ? 12 : 16;
	return 0;
}

static void null_key_free(struct esp_key *k)
{
	free(k);
}

static void null_cipher(struct esp_cipher_job *jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		jobs[i].ok = true;
}

static void null_hash(struct esp_hash_job *jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		memset(jobs[i].icv, 0, jobs[i].key->icv_len);
		jobs[i].ok = true;
	}
}

const struct esp_backend esp_backend_null = {
	.name = "null", .key_new = null_key_new, .key_free = null_key_free,
	.encrypt = null_cipher, .decrypt = null_cipher, .hash = null_hash,
};
