/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dump: a PPP frame (debug-dump-pktin and -pktout) or an L2TP message
 * (l2tp-ctrl-in-pktdump and the like) as one line for the log.  Pure.  What
 * proves or is a password is never in it.
 */
#ifndef CULVERT_DUMP_H
#define CULVERT_DUMP_H

#include "base/rd.h"

enum {
	DUMP_BYTES = 160,		/* of the packet; then how many more there are */
	DUMP_TEXT_MAX = 2 * DUMP_BYTES + 96,
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

/*
 * An L2TP message (RFC 2661 3.1) as "L2TP SCCRQ tunnel=0 session=0 ns=0 nr=0
 * c802…": what it is and the fields of its header, then all of it in hex.
 * Masked are the value of every hidden AVP, of a Challenge Response and of a
 * Proxy Authen Response, and that of each attribute that is not known or cannot be
 * so long; behind a length that lies, everything; in data what dump_text() masks
 * of the frame, and all of one that it does not know.
 */
void dump_l2tp(struct rd msg, char ret[static DUMP_TEXT_MAX]);

#endif
