/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rng: random bytes for the pure cores.
 *
 * A core may not ask the kernel, so its owner hands it a seed; the bytes come
 * from SHA-256 over seed and counter.  The same seed gives the same bytes, so
 * a test replays.  Plain data: may be copied with the core's state.
 */
#ifndef CULVERT_RNG_H
#define CULVERT_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
	uint8_t seed[32];
	uint64_t ctr;
};

/* Seeded from the kernel. */
void rng_init(struct rng *);

/* Seeded for a test. */
void rng_init_test(struct rng *, uint64_t seed);

/* The next n bytes; each call starts a new block. */
void rng_bytes(struct rng *, void *p, size_t n);

uint32_t rng_u32(struct rng *);

#endif
