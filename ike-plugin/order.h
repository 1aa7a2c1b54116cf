/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * order: whether it is a message's turn, as responder of one ISAKMP SA.
 *
 * charon knows the last message that it answered and answers that again.  It
 * takes any other for the next of its exchange: the first message of Main Mode,
 * come once more after the third, is "a fifth without identity", and ends the
 * login.  A wire that doubles and delays does that, and so can whoever saw one
 * packet of a client.  So what is not due goes no further:
 *
 *   Main Mode    1st  SA payload first (RFC 2409 5), in the clear
 *                3rd  another payload first, in the clear
 *                5th  encrypted; what cannot be decrypted changes nothing in charon
 *   Quick Mode   two messages with a message ID, which is then used up
 *   Informational  in the clear it proves nothing, and an error would end a login
 *
 * and of what was answered, only the very last one passes again.  Pure.
 */
#ifndef CULVERT_ORDER_H
#define CULVERT_ORDER_H

#include <stdbool.h>

#include "base/rd.h"

enum { ORDER_QUICKS = 32 };		/* message IDs that are remembered */

/* Of one ISAKMP SA; all zero at first. */
struct order {
	uint64_t last;			/* digest of the message that charon took last */
	uint64_t main[3];		/* of Main Mode's */
	uint8_t n_main;
	uint8_t quick_next;
	struct {
		uint32_t mid;		/* 0: none */
		bool used_up;
		uint64_t first;		/* digest of its first message */
	} quick[ORDER_QUICKS];
};

/*
 * May charon see it?  message: from its ISAKMP header on.  digest: of all of
 * it, by a hash for which nobody else can make two messages alike.  What order
 * does not know (fragments, other exchanges, no header) may pass.
 */
bool order_due(const struct order *, struct rd message, uint64_t digest);

/* charon took it as good: the next one is due. */
void order_took(struct order *, struct rd message, uint64_t digest);

#endif
