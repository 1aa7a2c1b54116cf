/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secret: what the secret that both ends of a tunnel share is for: the
 * Challenge Response (RFC 2661 5.1.1), and hidden AVPs (4.3).
 */
#ifndef CULVERT_L2TP_SECRET_H
#define CULVERT_L2TP_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rd.h"
#include "base/util.h"
#include "base/wr.h"

enum {
	L2TP_RESPONSE = 16,		/* octets of a Challenge Response */
	L2TP_CHALLENGE = 16,		/* of a Challenge of ours; the peer's may have any length */
	L2TP_VECTOR = 16,		/* of a Random Vector of ours (4.3: at least 16 is recommended) */
	L2TP_HIDDEN_HEADER = 2,		/* Length of Original Value, in front of a hidden value */
};

/* Get the algorithm: before a sandbox, which lets no file be opened later. False: there is none. */
MUST_USE bool l2tp_secret_init(void);

/*
 * The Challenge Response that the message of this type (SCCRP, SCCCN) carries:
 * as in CHAP (RFC 1994 4.1), the message type being the Identifier (4.4.3).
 */
MUST_USE bool l2tp_response(uint8_t type, struct rd secret, struct rd challenge,
	uint8_t ret[static L2TP_RESPONSE]);

/* Is it the right one? The time it takes does not depend on how wrong it is. */
bool l2tp_response_ok(uint8_t type, struct rd secret, struct rd challenge, struct rd response);

/*
 * 4.3: append the Hidden AVP Subformat of an attribute's value, which the
 * Random Vector that precedes it in the message goes with.  *w is bad
 * afterwards when it did not fit.
 */
void l2tp_hide(struct wr *w, uint16_t type, struct rd secret, struct rd vector, struct rd value);

/*
 * And back: hidden is the value as it came, buf has room for as many octets.
 * *ret points into buf.  False: the length in it lies; so it does, mostly,
 * where the secret is another one.
 */
MUST_USE bool l2tp_reveal(uint16_t type, struct rd secret, struct rd vector, struct rd hidden, uint8_t *buf,
	struct rd *ret);

#endif
