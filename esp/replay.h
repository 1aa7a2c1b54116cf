/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay: the anti-replay window of an inbound SA (RFC 4303 3.4.3), 32-bit
 * sequence numbers, no ESN.
 *
 * A bit per sequence number in a ring of words, twice as wide as the window:
 * moving on clears whole words, which lie behind the window by then, and no
 * bit is ever shifted.  Plain data; all zero is a fresh window.
 */
#ifndef CULVERT_ESP_REPLAY_H
#define CULVERT_ESP_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "esp/esp.h"

enum {
	REPLAY_WORD = 64,			/* bits */
	REPLAY_WORDS = 2 * ESP_REPLAY_WINDOW / REPLAY_WORD,
};

struct replay {
	uint32_t top;				/* highest accepted; 0 = none yet */
	uint64_t seen[REPLAY_WORDS];
};

/*
 * Could seq be accepted?  Changes nothing, so it may be asked before the ICV
 * is known.  False for 0, for one seen and for one older than the window.
 */
bool replay_check(const struct replay *, uint32_t seq);

/*
 * The ICV of seq was right: accept it, once.  Asks again first, since other
 * packets may have been accepted in the meantime; false: refuse the packet.
 */
bool replay_accept(struct replay *, uint32_t seq);

#endif
