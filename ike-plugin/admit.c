/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/admit.h"

#include <string.h>

#include "base/rd.h"
#include "base/util.h"

enum { MAIN_MODE = 2, WHOLE = 1000 };

/* An address as a number that is never 0. */
static uint64_t who_of(const struct admit *a, const struct addr *peer)
{
	uint64_t h = a->key[0] ^ peer->family, half[2] = { 0 };

	memcpy(half, peer->ip, peer->family == 6 ? 8 : 4);
	for (unsigned i = 0; i < 2; i++) {
		h ^= half[i] + a->key[1];
		/* As splitmix64 stirs. */
		h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
		h = (h ^ h >> 27) * 0x94d049bb133111ebu;
		h ^= h >> 31;
	}
	return h ? h : 1;
}

static bool take(struct admit_bucket *b, uint32_t burst, uint32_t rate, uint64_t now_ms)
{
	uint64_t milli = b->milli + (now_ms - b->at_ms) * rate;

	b->milli = (uint32_t)MIN(milli, (uint64_t)burst * WHOLE);
	b->at_ms = now_ms;
	if (b->milli < WHOLE)
		return false;
	b->milli -= WHOLE;
	return true;
}

static bool knows(const struct admit *a, uint64_t who)
{
	const uint64_t *way = a->known[who % N_ELEMENTS(a->known)];

	for (unsigned i = 0; i < ADMIT_WAYS; i++)
		if (way[i] == who)
			return true;
	return false;
}

bool admit_ok(struct admit *a, const struct addr *peer, unsigned half_open, uint64_t now_ms)
{
	uint64_t who = who_of(a, peer);
	unsigned at = (unsigned)(who >> 32) % ADMIT_SOURCES;

	if (half_open < ADMIT_FREELY)
		return true;
	/* Two addresses in one place take turns with a full bucket: the limit for all strangers stands. */
	if (a->source[at].who != who) {
		a->source[at].who = who;
		a->source[at].left = (struct admit_bucket){ ADMIT_EACH_BURST * WHOLE, now_ms };
	}
	if (!take(&a->source[at].left, ADMIT_EACH_BURST, ADMIT_EACH_RATE, now_ms))
		return false;
	return knows(a, who) || take(&a->strangers, ADMIT_STRANGERS_BURST, ADMIT_STRANGERS_RATE, now_ms);
}

void admit_know(struct admit *a, const struct addr *peer)
{
	uint64_t who = who_of(a, peer), *way = a->known[who % N_ELEMENTS(a->known)];
	unsigned i = 0;

	while (i < ADMIT_WAYS - 1 && way[i] != who)
		i++;
	memmove(way + 1, way, i * sizeof(*way));
	way[0] = who;
}

bool admit_is_first(const uint8_t *p, size_t n)
{
	static const uint8_t none[8];
	struct rd r = rd_of(p, n);
	const uint8_t *responder;

	rd_skip(&r, 8);
	responder = rd_bytes(&r, sizeof(none));
	rd_skip(&r, 2);
	return rd_u8(&r) == MAIN_MODE && !r.bad && !memcmp(responder, none, sizeof(none));
}
