/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tunnel: one control connection (RFC 2661 7.2), either end of it, with its
 * calls.  flow.c owns the objects and finds the one that a datagram is for.
 */
#ifndef CULVERT_TUNNEL_H
#define CULVERT_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "l2tpd/l2tp.h"
#include "l2tpd/msg.h"
#include "l2tpd/secret.h"
#include "l2tpd/session.h"
#include "l2tpd/xport.h"

enum l2tp_tunnel_state {	/* RFC 2661 7.2 */
	L2TP_TUN_IDLE,
	L2TP_TUN_WAIT_CTL_REPLY,
	L2TP_TUN_WAIT_CTL_CONN,
	L2TP_TUN_ESTABLISHED,
	L2TP_TUN_STATES,
};

/*
 * After its end a tunnel lingers: `gone` is set and TUNNEL_GONE was told, but
 * xport goes on for one cycle of retransmissions, so that our StopCCN arrives
 * and the peer's is acknowledged again (5.7, 5.8).  Then `dead` is set.
 */
struct l2tp_tunnel {
	uint16_t id, peer_id;		/* peer_id is 0 until the peer assigned it */
	uint16_t port;			/* the peer's UDP port, which never changes (8.1) */
	uint8_t state;			/* enum l2tp_tunnel_state */
	bool lac;			/* we dialled */
	bool was_up;
	bool gone;			/* lingers */
	bool dead;			/* may be freed */
	bool stopped_by_peer;
	bool overflow;			/* the send queue had no room: it is to be ended */
	bool hello;			/* a HELLO may be outstanding */
	uint16_t hello_ns;
	uint64_t hello_ms;		/* when it was sent */
	uint64_t heard_ms;		/* the last control or data message */
	uint64_t born_ms;
	uint64_t idle_ms;		/* established: since when there is no call */
	uint64_t linger_ms;		/* gone: until when it lingers */
	uint64_t probe_ms;		/* established: since when it is asked whether it lives; 0 = not */
	uint64_t ended_ms;		/* when a call ended */
	uint64_t told_ms;		/* when a CDN for no session was sent */
	bool tie;			/* our SCCRQ had a Tie Breaker */
	uint8_t tie_breaker[L2TP_TIE_BREAKER];
	uint8_t challenge[L2TP_CHALLENGE];	/* ours; with a secret only */
	char host_name[L2TP_NAME_MAX];	/* the peer's, escaped */
	struct xport x;
	uint16_t n_places;		/* for sessions */
	struct l2tp_session session[];
};

/* What one call of flow.h works with. */
struct l2tp_ctx {
	const struct l2tp_conf *conf;
	struct rng *rng;
	uint32_t *cnt;			/* L2TP_COUNTERS of them */
	uint64_t now_ms;
	struct l2tp_out *out;
};

/* ---- for flow.c ---- */

/* Memory for a tunnel, with as many sessions as the settings allow. NULL: there is none. */
struct l2tp_tunnel *l2tp_tunnel_new(const struct l2tp_conf *);

/* A tunnel in the idle state; id is one of the engine's. */
void l2tp_tunnel_init(struct l2tp_tunnel *, const struct l2tp_ctx *, uint16_t id, uint16_t port,
	bool lac);

/* Local open request: SCCRQ. */
void l2tp_tunnel_dial(struct l2tp_ctx *, struct l2tp_tunnel *);

/*
 * The SCCRQ that the tunnel was made for, as it was parsed; `full`: a limit is
 * reached, so it is to be refused.
 */
void l2tp_tunnel_accept(struct l2tp_ctx *, struct l2tp_tunnel *, const struct l2tp_hdr *,
	const struct l2tp_msg *, bool full);

/* A datagram for this tunnel, live or lingering, from its port. */
void l2tp_tunnel_input(struct l2tp_ctx *, struct l2tp_tunnel *, const struct l2tp_hdr *);

/* End it: StopCCN with these codes, unless it is gone already. */
void l2tp_tunnel_close(struct l2tp_ctx *, struct l2tp_tunnel *, enum l2tp_reason, uint16_t result,
	uint16_t error);

/* Another tunnel won the tie-breaker: it goes silently. */
void l2tp_tunnel_lose(struct l2tp_ctx *, struct l2tp_tunnel *);

/*
 * Its client asks for another tunnel: does this one live?  HELLO is sent three
 * times in 6 seconds, and one that stays silent goes.  False: it was heard just
 * now.
 */
bool l2tp_tunnel_probe(struct l2tp_ctx *, struct l2tp_tunnel *);

void l2tp_tunnel_expire(struct l2tp_ctx *, struct l2tp_tunnel *);
uint64_t l2tp_tunnel_deadline(const struct l2tp_tunnel *, const struct l2tp_conf *);

/* Turn what xport has to send into effects. */
void l2tp_tunnel_flush(struct l2tp_ctx *, struct l2tp_tunnel *);

/* ---- for session.c ---- */

/* Queue a message of the tunnel. When there is no room left the tunnel ends, at the next flush. */
void l2tp_tunnel_send(struct l2tp_ctx *, struct l2tp_tunnel *, uint16_t peer_session,
	const struct l2tp_msg *);

/* Tell the owner about the tunnel, or about s in it. NULL: there was no room (see l2tp.h). */
struct l2tp_effect *l2tp_tunnel_tell(struct l2tp_ctx *, const struct l2tp_tunnel *,
	const struct l2tp_session *s, enum l2tp_effect_type, enum l2tp_reason, uint16_t result, uint16_t error);

/* Calls in it, whatever their state; those that only wait to be told of their end do not count. */
unsigned l2tp_tunnel_calls(const struct l2tp_tunnel *);

/* NULL: no such session. */
struct l2tp_session *l2tp_tunnel_session(struct l2tp_tunnel *, uint16_t id);
struct l2tp_session *l2tp_tunnel_peer_session(struct l2tp_tunnel *, uint16_t peer_id);

#endif
