/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg: L2TP headers (RFC 2661 3.1) and control messages (6). */
#ifndef CULVERT_L2TP_MSG_H
#define CULVERT_L2TP_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rd.h"
#include "base/wr.h"
#include "l2tpd/avp.h"
#include "l2tpd/l2tp.h"

/* ---- data messages: once per packet, no state ---- */

struct l2tp_data {
	uint16_t tunnel, session;	/* ours */
	bool sequenced;			/* S: ns is there */
	uint16_t ns;
};

enum { L2TP_DATA_HEADER = 6, L2TP_DATA_HEADER_SEQ = 10 };

/* The T bit: a control message. An empty datagram is none. */
static inline bool l2tp_is_control(struct rd datagram)
{
	return rd_u8(&datagram) & 0x80;
}

/*
 * Pass over a data message's header; *datagram is its payload afterwards.
 * False (and *datagram is unchanged): not L2TPv2 data, or its lengths lie.
 * A Length below the datagram's cuts the rest off; one above it is refused.
 */
bool l2tp_data_parse(struct rd *datagram, struct l2tp_data *ret);

/* Write the plain header without L, S and O; returns its length. */
size_t l2tp_data_header(uint8_t buf[static L2TP_DATA_HEADER], uint16_t peer_tunnel,
	uint16_t peer_session);

/* The same with S, which numbers the message; Nr is 0 (3.1: reserved in data). */
size_t l2tp_data_header_seq(uint8_t buf[static L2TP_DATA_HEADER_SEQ], uint16_t peer_tunnel,
	uint16_t peer_session, uint16_t ns);

/* ---- control messages ---- */

enum { L2TP_CONTROL_HEADER = 12 };

struct l2tp_hdr {
	uint16_t tunnel, session, ns, nr;
	struct rd body;			/* AVPs; none: a ZLB, which only acknowledges */
};

/* False: the datagram must be dropped without an answer (7.1, malformed header). */
bool l2tp_hdr_parse(struct rd datagram, struct l2tp_hdr *ret);

/* The header and the body that hdr->body holds. */
void l2tp_hdr_write(struct wr *, const struct l2tp_hdr *);

enum {
	L2TP_TEXT_MAX = 56,
	L2TP_CLEAR_MAX = 1024,		/* hidden values of one message, all together */
};

/* A control message; what `has` does not name is 0. */
struct l2tp_msg {
	uint16_t type;			/* enum l2tp_msg_type; 0: there was none to read */
	uint64_t has;			/* bits: AVPs that are there and valid */
	uint16_t version;		/* 0x0100 is version 1 revision 0 */
	uint32_t framing_capabilities, bearer_capabilities;
	uint16_t firmware;
	struct rd host_name, vendor_name;
	uint16_t tunnel;		/* Assigned Tunnel ID */
	uint16_t rws;
	uint16_t session;		/* Assigned Session ID */
	uint32_t call_serial, framing_type, tx_speed;
	uint16_t result, error;		/* Result Code AVP */
	struct rd error_text;
	struct rd tie_breaker;		/* 8 octets */
	struct rd challenge, response;
	uint32_t bearer_type;
	struct rd called_number, calling_number;
	struct rd initial_lcp, last_sent_lcp, last_received_lcp;	/* Proxy LCP (4.4.5): options of CONFREQs */
	uint16_t proxy_type, proxy_id;	/* Proxy Authen; of the id, the low octet */
	struct rd proxy_name, proxy_challenge, proxy_response;
	struct l2tp_cause cause;
	/* After L2TP_PARSE_BAD: the Error Code to answer with, and its Error Message. */
	uint16_t bad;			/* enum l2tp_error */
	char bad_text[L2TP_TEXT_MAX];
	/* What was hidden; readers above may point here, so a message is not to be copied. */
	uint16_t n_clear;
	uint8_t clear[L2TP_CLEAR_MAX];
};

#define L2TP_HAS(m, avp) ((m)->has >> (avp) & 1)

enum l2tp_parse {
	L2TP_PARSE_OK,
	L2TP_PARSE_IGNORE,		/* an unknown type without the M bit: acknowledge it, no more */
	L2TP_PARSE_BAD,			/* ends its scope: the session or the tunnel (4.1, 7.1) */
};

/*
 * Read a control message's AVPs.  Strings in *ret are borrowed.  After BAD,
 * type, tunnel and session are filled as far as they could be read, so that
 * the answer finds its way.  StopCCN and CDN are never BAD: what is wrong with
 * one leads to nothing but what it asks for.
 */
enum l2tp_parse l2tp_msg_parse(struct rd body, struct l2tp_msg *ret);

/*
 * The same with the tunnel's secret (empty: there is none), which hidden AVPs
 * need (4.3).  One that cannot be revealed is malformed: without a Random
 * Vector before it, one that MUST NOT be hidden, a length in it that lies.
 */
enum l2tp_parse l2tp_msg_parse_secret(struct rd body, struct rd secret, struct l2tp_msg *ret);

/* The AVPs of a message: those of its type's list that has names, in the list's order. */
void l2tp_msg_write(struct wr *, const struct l2tp_msg *);

/* The same; all that may be hidden is, behind a Random Vector. NULL: nothing. */
void l2tp_msg_write_hidden(struct wr *, const struct l2tp_msg *, const struct avp_hiding *);

/* The message is about one call; a bad one ends that call, not the tunnel. */
bool l2tp_msg_is_call(unsigned type);

#endif
