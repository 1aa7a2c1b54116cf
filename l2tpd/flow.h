/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flow: all L2TP state of one client, which is one IPsec flow.  The interface
 * of the L2TP core to its owner.
 *
 * A datagram never reaches a tunnel of another flow, so tunnel ids of other
 * clients cannot be guessed at.  An id that the flow does not have is answered
 * (StopCCN, CDN; so that a client which outlived its tunnel gives it up) only
 * where the flow had a tunnel of its own, and no flow of the engine has the id:
 * the answer tells nothing of others, and theirs is not ended by it.
 *
 * Tunnels are allocated at SCCRQ (and dial) and freed when they are through;
 * at most L2TP_TUNNELS_MAX + L2TP_LINGER_MAX at a time.  Nothing else is
 * allocated.
 */
#ifndef CULVERT_FLOW_H
#define CULVERT_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rd.h"
#include "base/rng.h"
#include "l2tpd/l2tp.h"
#include "l2tpd/tunnel.h"

/* A tunnel that is no more, for the StopCCN to a peer that still uses it. */
struct l2tp_past {
	uint16_t id, peer_id;		/* id 0: none */
	uint16_t ns, nr;
};

struct l2tp_flow {
	const struct l2tp_conf *conf;	/* borrowed */
	struct l2tp_ids *ids;		/* borrowed */
	struct rng rng;
	uint32_t cnt[L2TP_COUNTERS];
	bool own;			/* it had an SCCRQ that was accepted */
	uint64_t told_ms;		/* when the last StopCCN for no tunnel was sent; 0 = never */
	unsigned next_past;
	struct l2tp_past past[L2TP_LINGER_MAX];
	struct l2tp_tunnel *tunnel[L2TP_TUNNELS_MAX + L2TP_LINGER_MAX];	/* owned */
};

/* conf and ids are borrowed for the flow's life; seed is copied. Allocates nothing. */
void l2tp_flow_init(struct l2tp_flow *, const struct l2tp_conf *, struct l2tp_ids *,
	const struct rng *seed);

/* Free all tunnels and give their ids back, silently. The flow is as after l2tp_flow_init(). */
void l2tp_flow_free(struct l2tp_flow *);

/* A control message (l2tp_is_control()) from the peer's UDP port. */
void l2tp_flow_input(struct l2tp_flow *, struct rd datagram, uint16_t port, uint64_t now_ms,
	struct l2tp_out *);

/* A data message for this tunnel came and was good. O(1), for each packet or each batch. */
void l2tp_flow_heard(struct l2tp_flow *, uint16_t tunnel, uint64_t now_ms);

/*
 * A data message came for a session that the owner does not have: tell the
 * peer, if it may be told.
 */
void l2tp_flow_stray(struct l2tp_flow *, uint16_t tunnel, uint16_t session, uint16_t port, uint64_t now_ms,
	struct l2tp_out *);

/* The time came that l2tp_flow_deadline() said; harmless at any other. */
void l2tp_flow_expire(struct l2tp_flow *, uint64_t now_ms, struct l2tp_out *);

/* When to call l2tp_flow_expire() next: UINT64_MAX never, 0 at once. */
uint64_t l2tp_flow_deadline(const struct l2tp_flow *);

/*
 * Ask the peers of established tunnels whether they live.  Who is not heard of in
 * time loses its tunnel (L2TP_REASON_SUPERSEDED); one that spoke a moment ago is
 * not asked.
 */
void l2tp_flow_ask(struct l2tp_flow *, uint64_t now_ms, struct l2tp_out *);

/*
 * End all tunnels: L2TP_REASON_SHUTDOWN or L2TP_REASON_ADMIN.  They linger, if
 * the flow can, until l2tp_flow_deadline() is UINT64_MAX.
 */
void l2tp_flow_close(struct l2tp_flow *, enum l2tp_reason, uint64_t now_ms, struct l2tp_out *);

/*
 * End one call with CDN: result is an enum l2tp_cdn_result.  False: no such
 * session.  SESSION_GONE tells it too.
 */
bool l2tp_session_close(struct l2tp_flow *, uint16_t tunnel, uint16_t session, uint16_t result,
	uint16_t error, uint64_t now_ms, struct l2tp_out *);

/* The same with a PPP Disconnect Cause Code in it (RFC 3145); of its text, 56 octets are sent. */
bool l2tp_session_close_cause(struct l2tp_flow *, uint16_t tunnel, uint16_t session, uint16_t result,
	uint16_t error, const struct l2tp_cause *, uint64_t now_ms, struct l2tp_out *);

/*
 * LAC: open a tunnel to the peer's UDP port (1701), with one call in it.
 * Returns the tunnel's id, or 0: over the limit, or out of memory or ids.
 */
uint16_t l2tp_flow_dial(struct l2tp_flow *, uint16_t port, uint64_t now_ms, struct l2tp_out *);

/* LAC: one more call in a tunnel that was dialled. Returns the session's id, or 0. */
uint16_t l2tp_flow_call(struct l2tp_flow *, uint16_t tunnel, uint64_t now_ms, struct l2tp_out *);

/* No tunnel is left but those that linger. */
bool l2tp_flow_idle(const struct l2tp_flow *);

/* A tunnel that is not gone, borrowed until the next call; NULL: none with this id. */
const struct l2tp_tunnel *l2tp_flow_tunnel(const struct l2tp_flow *, uint16_t tunnel);

/* The same for a call that is established: where a data message belongs. */
const struct l2tp_session *l2tp_flow_session(const struct l2tp_flow *, uint16_t tunnel,
	uint16_t session);

#endif
