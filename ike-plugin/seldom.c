/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/seldom.h"

bool seldom_ok(struct seldom *s, const struct addr *from, uint64_t now_ms)
{
	struct addr who = *from;
	unsigned at = 0;

	who.port = 0;
	for (unsigned i = 0; i < SELDOM_SOURCES; i++) {
		if (s->source[i].who.family && addr_eq(&s->source[i].who, &who)) {
			if (now_ms - s->source[i].at_ms < SELDOM_MS)
				return false;
			at = i;
			break;
		}
		/* A free place is older than any. */
		if (s->source[at].who.family && (!s->source[i].who.family || s->source[i].at_ms < s->source[at].at_ms))
			at = i;
	}
	s->source[at].who = who;
	s->source[at].at_ms = now_ms;
	return true;
}
