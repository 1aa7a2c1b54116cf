/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * admit: may a stranger's first message of Main Mode make an IKE_SA?
 *
 * IKEv1 has no cookie that would prove an address before there is state
 * (RFC 2409 5.1), and all the state there may be is a number.  While few
 * logins are under way everybody is let in: an office or a carrier's NAT comes
 * back all at once.  When many are, somebody floods or is slow, and then one
 * address gets so many logins a second, and all addresses that nobody ever
 * logged in from get so many together that those who did still find room.
 *
 * Pure.  An address is a whole IPv6 /64.
 */
#ifndef CULVERT_ADMIT_H
#define CULVERT_ADMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum {
	ADMIT_FREELY = 1000,		/* logins under way: up to so many, everybody */
	ADMIT_EACH_BURST = 50, ADMIT_EACH_RATE = 2,		/* of one address; a second */
	ADMIT_STRANGERS_BURST = 120, ADMIT_STRANGERS_RATE = 60,	/* of all that are not known */
	ADMIT_KNOWN = 16384, ADMIT_SOURCES = 1024, ADMIT_WAYS = 4,
};

struct admit_bucket {
	uint32_t milli;			/* thousandths of a login that are left */
	uint64_t at_ms;
};

struct admit {
	uint64_t key[2];		/* random: nobody can choose which addresses share a place */
	uint64_t known[ADMIT_KNOWN / ADMIT_WAYS][ADMIT_WAYS];	/* the last first; 0 is nobody */
	struct {
		uint64_t who;
		struct admit_bucket left;
	} source[ADMIT_SOURCES];
	struct admit_bucket strangers;
};

/* *a is zero but for its key. */
bool admit_ok(struct admit *, const struct addr *peer, unsigned half_open, uint64_t now_ms);

/* A login from there was good. */
void admit_know(struct admit *, const struct addr *peer);

/* Is it the first message of Main Mode?  p: an ISAKMP header. */
bool admit_is_first(const uint8_t *p, size_t n);

#endif
