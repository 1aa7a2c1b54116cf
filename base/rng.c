/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/rng.h"

#include <openssl/sha.h>
#include <string.h>

#include "base/util.h"

void rng_init(struct rng *r)
{
	*r = (struct rng){ .ctr = 0 };
	random_bytes(r->seed, sizeof(r->seed));
}

void rng_init_test(struct rng *r, uint64_t seed)
{
	*r = (struct rng){ .ctr = 0 };
	memcpy(r->seed, &seed, sizeof(seed));
}

void rng_bytes(struct rng *r, void *p, size_t n)
{
	uint8_t in[sizeof(r->seed) + sizeof(r->ctr)], out[SHA256_DIGEST_LENGTH], *at = p;

	memcpy(in, r->seed, sizeof(r->seed));
	while (n) {
		size_t k = MIN(n, sizeof(out));

		memcpy(in + sizeof(r->seed), &r->ctr, sizeof(r->ctr));
		r->ctr++;
		SHA256(in, sizeof(in), out);
		memcpy(at, out, k);
		at += k;
		n -= k;
	}
	explicit_bzero(in, sizeof(in));
	explicit_bzero(out, sizeof(out));
}

uint32_t rng_u32(struct rng *r)
{
	uint32_t v;

	rng_bytes(r, &v, sizeof(v));
	return v;
}
