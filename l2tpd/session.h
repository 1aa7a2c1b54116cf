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
	L2TP_SES_CLOSING,	/* over; its CDN waits for room in the tunnel's queue */
	L2TP_SES_STATES,
};

struct l2tp_session {
	uint16_t id, peer_id;		/* peer_id is 0 until the peer assigned it */
	uint8_t state;			/* enum l2tp_session_state */
	bool lac;			/* we called */
	bool sequencing;		/* Sequencing Required was received, or sent */
	uint16_t result, error;		/* CLOSING: of the CDN */
	uint8_t number_len;		/* LNS: of the ICRQ's Calling Number; 0 = none, or too long */
	uint8_t number[L2TP_NUMBER_MAX];
	uint64_t born_ms;
};

/* ---- for tunnel.c ---- */

/* An established tunnel got a message about a call; s is NULL when no session has the id in its header. */
void l2tp_session_message(struct l2tp_ctx *, struct l2tp_tunnel *, struct l2tp_session *s, uint16_t id,
	const struct l2tp_msg *);

/* A place for a call that we make; it waits for the tunnel. NULL: over the limit. */
struct l2tp_session *l2tp_session_dial(struct l2tp_ctx *, struct l2tp_tunnel *);

/* Calls that wait for the tunnel to open, or for room in its queue, go on. */
void l2tp_session_pump(struct l2tp_ctx *, struct l2tp_tunnel *);

/* Local close request: CDN with these codes, and the session goes. cause may be NULL. */
void l2tp_session_end(struct l2tp_ctx *, struct l2tp_tunnel *, struct l2tp_session *,
	enum l2tp_reason, uint16_t result, uint16_t error, const struct l2tp_cause *cause);

/* Its tunnel went: no CDN (5.7). tell: the owner hears of it. */
void l2tp_session_drop(struct l2tp_ctx *, struct l2tp_tunnel *, struct l2tp_session *, bool tell);

/* Something came for a session that is not there: CDN, if there is room. */
void l2tp_session_stray(struct l2tp_ctx *, struct l2tp_tunnel *, uint16_t session);

#endif
