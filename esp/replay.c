/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "esp/replay.h"

_Static_assert((REPLAY_WORDS & (REPLAY_WORDS - 1)) == 0, "the ring is indexed by a mask");

static uint32_t slot_of(uint32_t word)
{
	return word & (REPLAY_WORDS - 1);
}

static uint64_t bit_of(uint32_t seq)
{
	return UINT64_C(1) << (seq % REPLAY_WORD);
}

bool replay_check(const struct replay *r, uint32_t seq)
{
	/* RFC 4303 3.3.3: the first packet has 1, and without ESN it never comes round to 0. */
	if (seq == 0)
		return false;
	if (seq > r->top)
		return true;
	if (r->top - seq >= ESP_REPLAY_WINDOW)
		return false;
	return !(r->seen[slot_of(seq / REPLAY_WORD)] & bit_of(seq));
}

bool replay_accept(struct replay *r, uint32_t seq)
{
	if (!replay_check(r, seq))
		return false;
	if (seq > r->top) {
		uint32_t from = r->top / REPLAY_WORD, n = seq / REPLAY_WORD - from;

		/* The words entered now hold bits of one round ago. */
		for (uint32_t i = 1; i <= MIN(n, (uint32_t)REPLAY_WORDS); i++)
			r->seen[slot_of(from + i)] = 0;
		r->top = seq;
	}
	r->seen[slot_of(seq / REPLAY_WORD)] |= bit_of(seq);
	return true;
}
