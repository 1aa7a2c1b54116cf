/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * radrate: the limits that vendors' attributes of RADIUS give a session, in a reply
 * as in a CoA-Request: WISPr-Bandwidth-Max-Up and -Max-Down, Mikrotik-Rate-Limit.  Pure.
 */
#ifndef CULVERT_RADRATE_H
#define CULVERT_RADRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rd.h"

/* What was read; begins as all zeros. */
struct rad_rates {
	struct rad_rate {
		uint64_t in, out;	/* bits per second, from the client and to it; 0 = no limit */
		uint32_t has;		/* of SAYS_RATE_IN and SAYS_RATE_OUT */
	} wispr, mikrotik;
};

enum rad_rate_got {
	RAD_RATE_NONE,			/* it says nothing of rates */
	RAD_RATE_GOOD,
	RAD_RATE_BAD,			/* malformed, or another value than before */
};

/* One attribute inside Vendor-Specific (RFC 2865 5.26); BAD: *ret_name is what it is called. */
enum rad_rate_got rad_rate_read(struct rad_rates *, uint32_t vendor, uint8_t type, struct rd val, const char **ret_name);

/*
 * What all of it means: which of SAYS_RATE_IN and SAYS_RATE_OUT was given.  Of two
 * limits the lower one counts: then none of them is passed.
 */
uint32_t rad_rates_mean(const struct rad_rates *, uint64_t *ret_in_bps, uint64_t *ret_out_bps);

/* ---- text, for others as well ---- */

/* A text attribute as a string; false: it is too long, or has a NUL. */
bool rad_string(struct rd val, char ret[static 254]);

/* Digits at *s, which moves behind them; false: there are none, or it is more than max. */
bool rad_digits(const char **s, uint64_t max, uint64_t *ret);

#endif
