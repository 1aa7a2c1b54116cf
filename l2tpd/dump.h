/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dump: a PPP control frame as one line for the log (debug-dump-pktin and
 * -pktout).  Pure.  What proves or is a password is never in it.
 */
#ifndef CULVERT_DUMP_H
#define CULVERT_DUMP_H

#include "base/rd.h"

enum {
	DUMP_BYTES = 160,		/* of the packet; then how many more there are */
	DUMP_TEXT_MAX = 2 * DUMP_BYTES + 64,
};

/* The CONF_DUMP_* bit of a frame's protocol; 0: it has none. */
unsigned dump_kind(struct rd frame);

/*
 * A frame with a kind, from the address field or the protocol on, as "PAP
 * 01070011…": name, then the packet's octets in hex, "**" for each secret one.
 * Masked are PAP's password, CHAP's Response value, all of an EAP answer but an
 * identity, all of a code that is not known, and what a Protocol-Reject quotes;
 * where a length in the packet lies, all that it counts.
 */
void dump_text(struct rd frame, char ret[static DUMP_TEXT_MAX]);

#endif
