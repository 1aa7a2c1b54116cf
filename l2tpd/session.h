/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session: one incoming call inside a tunnel (RFC 2661 7.4), as its LAC or as
 * its LNS.  Part of struct l2tp_tunnel, which sends for it.
 */
#ifndef CULVERT_SESSION_H
#define CULVERT_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "l2tpd/l2tp.h"
#include "l2tpd/msg.h"

struct l2tp_tunnel;
struct l2tp_ctx;

enum l2tp_session_state {	/* RFC 2661 7.4.1 (LAC), 7.4.2 (LNS) */
	L2TP_SES_IDLE,		/* a free place */
	L2TP_SES_WAIT_TUNNEL,	/* LAC */
	L2TP_SES_WAIT_REPLY,	/* LAC */
	L2TP_SES_WAIT_CONNECT,	/* LNS */
	L2TP_SES_ESTABLISHED,
	L2TP_SES_STATES,
};

struct l2tp_session {
	uint16_t id, peer_id;		/* peer_id is 0 until the peer assigned it */
	uint8_t state;			/* enum l2tp_session_state */
	bool lac;			/* we called */
	bool sequencing;		/* LNS: the peer asked for Ns on data (Sequencing Required) */
	uint64_t born_ms;
};

/* ---- for tunnel.c ---- */

/* An established tunnel got a message about a call; s is NULL when no session has its id. */
void l2tp_session_message(struct l2tp_ctx *, struct l2tp_tunnel *, struct l2tp_session *s,
	const struct l2tp_msg *);

/* A place for a call that we make; it waits for the tunnel. NULL: over the limit. */
struct l2tp_session *l2tp_session_dial(struct l2tp_ctx *, struct l2tp_tunnel *);

/* Event tunnel-open: calls that wait for the tunnel send their ICRQ. */
void l2tp_session_open(struct l2tp_ctx *, struct l2tp_tunnel *, struct l2tp_session *);

/* Local close request: CDN with these codes, and the session goes. */
void l2tp_session_end(struct l2tp_ctx *, struct l2tp_tunnel *, struct l2tp_session *,
	enum l2tp_reason, uint16_t result, uint16_t error);

/* Its tunnel went: no CDN (5.7). */
void l2tp_session_drop(struct l2tp_ctx *, struct l2tp_tunnel *, struct l2tp_session *);

#endif
