/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xport: reliable delivery of control messages (RFC 2661 5.8, Appendix A), and
 * nothing else: it knows no message type and no state.
 *
 * Messages wait in a bounded queue of plain data until the peer acknowledged
 * them; those of the peer that come too early are held, a few, until the gap
 * closes.  The owner calls a function, then xport_poll() until it is false.
 */
#ifndef CULVERT_XPORT_H
#define CULVERT_XPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rd.h"
#include "base/util.h"
#include "base/wr.h"
#include "l2tpd/msg.h"

enum {
	XPORT_QUEUE = 16,		/* messages */
	XPORT_BYTES = 1280,		/* of all their bodies */
	XPORT_BODY_MAX = L2TP_DATAGRAM_MAX - L2TP_CONTROL_HEADER,
	XPORT_LAST = 96,		/* kept free for xport_send_last() */
	XPORT_HOLD = 4,			/* messages that came too early */
	XPORT_HOLD_BODY = 192,
	XPORT_RWS_DEFAULT = 4,		/* of a peer that announced none (4.4.3) */
	XPORT_CAP_MS = 8000,		/* 5.8: the cap "MUST be no less than 8 seconds" */
};

struct xport {
	uint16_t una;			/* Ns of the first message in the queue */
	uint16_t nr;			/* Ns that the peer's next message must have */
	uint16_t rws;			/* the peer's Receive Window Size */
	uint16_t cwnd, ssthresh;	/* Appendix A */
	uint16_t grown;			/* acknowledgements since cwnd grew */
	uint8_t n;			/* messages in the queue */
	uint8_t next;			/* of these, the first to be sent (again) */
	uint8_t high;			/* of these, how many were sent at least once */
	uint8_t tries;			/* retransmissions since the last progress */
	bool ack;			/* the peer's messages are to be acknowledged */
	uint32_t first_ms;		/* first interval */
	uint32_t resent;		/* messages sent again, ever */
	uint64_t timer_ms;		/* next retransmission; UINT64_MAX none */
	uint16_t used;			/* of bytes */
	struct {
		uint16_t session, len;	/* peer's session id for the header */
	} q[XPORT_QUEUE];
	struct xport_held {
		uint16_t ns, session, len;	/* len 0: free */
		uint8_t body[XPORT_HOLD_BODY];
	} hold[XPORT_HOLD];
	uint8_t bytes[XPORT_BYTES];
};

/* first_ms: the first retransmission interval, which doubles up to XPORT_CAP_MS. */
void xport_init(struct xport *, uint32_t first_ms);

/* The peer announced a Receive Window Size, not 0. */
void xport_set_rws(struct xport *, uint16_t rws);

enum xport_verdict {
	XPORT_DROP,		/* Nr of something never sent, Ns too far ahead, or no room for
				 * an answer: nothing happened, at most its Nr was taken */
	XPORT_ACK,		/* a ZLB: its Nr was taken */
	XPORT_DUP,		/* seen before; will be acknowledged again */
	XPORT_EARLY,		/* held until those before it come */
	XPORT_NEW,		/* next in order: process it now, then ask xport_next() */
};

/* A control message came. */
enum xport_verdict xport_input(struct xport *, const struct l2tp_hdr *, uint64_t now_ms);

/*
 * After XPORT_NEW was processed: the held message that is in order now, or
 * false.  ret->body is borrowed until the next xport_input().
 */
bool xport_next(struct xport *, struct l2tp_hdr *ret);

/* Queue a message; session is the peer's id for the header. False: no room. */
MUST_USE bool xport_send(struct xport *, uint16_t session, const struct wr *body);

/*
 * Queue the last message of a connection (StopCCN), of at most XPORT_LAST
 * octets, in place of those that were not sent yet.  There is room for one.
 */
void xport_send_last(struct xport *, const struct wr *body);

/* There is room for a message of n octets. */
static inline bool xport_room(const struct xport *x, size_t n)
{
	return x->n + 1 < XPORT_QUEUE && x->used + n + XPORT_LAST <= XPORT_BYTES;
}

/* What was not acknowledged is to be sent again now, and the intervals begin anew. */
void xport_again(struct xport *, uint64_t now_ms);

/* Nothing waits to be sent or to be acknowledged by the peer. */
static inline bool xport_idle(const struct xport *x)
{
	return !x->n;
}

/* The message with this Ns is in the queue. */
static inline bool xport_outstanding(const struct xport *x, uint16_t ns)
{
	return (uint16_t)(ns - x->una) < x->n;
}

/* Ns that the next message given to xport_send() will have. */
static inline uint16_t xport_ns(const struct xport *x)
{
	return (uint16_t)(x->una + x->n);
}

/*
 * Write the next datagram that is to be sent now; peer_tunnel is for its
 * header.  False: none (w unchanged).  A ZLB comes only when nothing else
 * carries the acknowledgement.
 */
bool xport_poll(struct xport *, uint16_t peer_tunnel, uint64_t now_ms, struct wr *w);

/*
 * The time came: prepare retransmission if it is due.  False: `max`
 * retransmissions were in vain, and nothing was prepared.
 */
bool xport_expire(struct xport *, unsigned max, uint64_t now_ms);

/* When to call xport_poll() or xport_expire() next: 0 at once, UINT64_MAX never. */
uint64_t xport_deadline(const struct xport *);

/* How long `max` retransmissions take, from the first sending to giving up. */
uint64_t xport_cycle_ms(uint32_t first_ms, unsigned max);

#endif
