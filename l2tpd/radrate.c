/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/radrate.h"

#include <string.h>

#include "base/proto.h"
#include "base/util.h"
#include "l2tpd/radpkt.h"

static const uint64_t RATE_MAX = 1000000000000;	/* bits per second: more is a slip */

bool rad_string(struct rd val, char ret[static 254])
{
	if (val.n > 253 || (val.n && memchr(val.p, 0, val.n)))
		return false;
	if (val.n)
		memcpy(ret, val.p, val.n);
	ret[val.n] = '\0';
	return true;
}

bool rad_digits(const char **s, uint64_t max, uint64_t *ret)
{
	const char *p = *s;
	uint64_t v = 0;

	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > max)
			return false;
	}
	if (p == *s)
		return false;
	*s = p;
	*ret = v;
	return true;
}

/* Bits per second: one direction. */
static bool wispr(struct rad_rate *r, uint32_t direction, struct rd val)
{
	uint64_t *rate = direction == SAYS_RATE_IN ? &r->in : &r->out;
	bool whole = val.n == 4;
	uint32_t v = rd_u32(&val);

	if (!whole || (r->has & direction && v != *rate))
		return false;
	*rate = v;
	r->has |= direction;
	return true;
}

/* "64k", "10M", "1G" or bits per second alone, at *s, which moves behind it.  Its k is 1000. */
static bool rate_text(const char **s, uint64_t *ret)
{
	static const struct { char unit[3]; uint64_t factor; } units[] = {
		{ "kK", 1000 }, { "mM", 1000000 }, { "gG", 1000000000 },
	};

	if (!rad_digits(s, RATE_MAX, ret))
		return false;
	for (size_t i = 0; i < N_ELEMENTS(units); i++) {
		if (**s && strchr(units[i].unit, **s)) {
			if (*ret > RATE_MAX / units[i].factor)
				return false;
			*ret *= units[i].factor;
			(*s)++;
			break;
		}
	}
	return true;
}

/*
 * rx[/tx], and behind a space bursts, thresholds, times and a priority, which are of
 * RouterOS's queues and not of ours.  rx is what comes from the client; alone it is both.
 */
static bool mikrotik(struct rad_rate *r, struct rd val)
{
	struct rad_rate v = { .has = SAYS_RATE_IN | SAYS_RATE_OUT };
	char text[254];
	const char *s = text;
	bool ok = rad_string(val, text) && rate_text(&s, &v.in);

	v.out = v.in;
	if (ok && *s == '/') {
		s++;
		ok = rate_text(&s, &v.out);
	}
	if (!ok || (*s && (*s != ' ' || strspn(s, "0123456789kKmMgGs/ ") != strlen(s))) ||
	    (r->has && (v.in != r->in || v.out != r->out)))
		return false;
	*r = v;
	return true;
}

enum rad_rate_got rad_rate_read(struct rad_rates *r, uint32_t vendor, uint8_t type, struct rd val, const char **ret_name)
{
	bool good;

	if (vendor == RAD_VENDOR_WISPR && type == RAD_WISPR_MAX_UP) {
		*ret_name = "WISPr-Bandwidth-Max-Up";
		good = wispr(&r->wispr, SAYS_RATE_IN, val);
	} else if (vendor == RAD_VENDOR_WISPR && type == RAD_WISPR_MAX_DOWN) {
		*ret_name = "WISPr-Bandwidth-Max-Down";
		good = wispr(&r->wispr, SAYS_RATE_OUT, val);
	} else if (vendor == RAD_VENDOR_MIKROTIK && type == RAD_MIKROTIK_RATE_LIMIT) {
		*ret_name = "Mikrotik-Rate-Limit";
		good = mikrotik(&r->mikrotik, val);
	} else {
		return RAD_RATE_NONE;
	}
	return good ? RAD_RATE_GOOD : RAD_RATE_BAD;
}

static uint64_t lower(uint64_t a, uint64_t b)
{
	return a && b ? MIN(a, b) : a | b;
}

uint32_t rad_rates_mean(const struct rad_rates *r, uint64_t *ret_in_bps, uint64_t *ret_out_bps)
{
	*ret_in_bps = lower(r->wispr.in, r->mikrotik.in);
	*ret_out_bps = lower(r->wispr.out, r->mikrotik.out);
	return r->wispr.has | r->mikrotik.has;
}
