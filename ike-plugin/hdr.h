/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hdr: what a datagram on UDP 500 or 4500 is, before charon sees it.
 *
 * Whatever this server would never answer usefully (IKEv2, aggressive mode,
 * junk) ends here, so that a stranger's packet costs no thread, no log line
 * and no answer.  Pure.
 */
#ifndef CULVERT_HDR_H
#define CULVERT_HDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hdr_kind {
	HDR_IKE,		/* for charon */
	HDR_KEEPALIVE,		/* RFC 3948 2.3 */
	HDR_SHORT,		/* no ISAKMP header */
	HDR_ESP,		/* on 4500, without the non-ESP marker */
	HDR_PORT_500,		/* from port 500 to 4500: charon would take the marker for a header */
	HDR_BAD,		/* not ISAKMP: zero cookie, length beyond the datagram, exchange we do not speak */
	HDR_VERSION,		/* IKEv2, mostly */
	HDR_AGGRESSIVE,
	HDR_KINDS,
};

/* natt: it came to our port 4500.  peer_port: where from. */
enum hdr_kind hdr_classify(const void *data, size_t len, bool natt, uint16_t peer_port);

#endif
