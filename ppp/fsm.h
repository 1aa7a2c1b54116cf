/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fsm: the option negotiation automaton (RFC 1661 4), and the packets common to
 * LCP and every network control protocol (5.1 to 5.6).  For ppp/ only. */
#ifndef CULVERT_PPP_FSM_H
#define CULVERT_PPP_FSM_H

#include "ppp/proto.h"

enum fsm_state {	/* RFC 1661 4.2, numbered as in 4.1 */
	FSM_INITIAL, FSM_STARTING, FSM_CLOSED, FSM_STOPPED, FSM_CLOSING, FSM_STOPPING,
	FSM_REQ_SENT, FSM_ACK_RCVD, FSM_ACK_SENT, FSM_OPENED, FSM_STATES,
	FSM_ILLEGAL = 0xff,
};

enum fsm_event {	/* RFC 1661 4.3 */
	FSM_UP, FSM_DOWN, FSM_OPEN, FSM_CLOSE, FSM_TO_P, FSM_TO_M,
	FSM_RCR_P, FSM_RCR_M, FSM_RCA, FSM_RCN, FSM_RTR, FSM_RTA,
	FSM_RUC, FSM_RXJ_P, FSM_RXJ_M, FSM_RXR, FSM_EVENTS,
};

/* RFC 1661 4.4.  The interpreter works from the lowest bit up: a layer goes
 * down before anything is sent, requests go before acks, and a layer goes up
 * or is finished last, since that may set off another event. */
enum fsm_action {
	FSM_TLD = 1 << 0, FSM_IRC = 1 << 1, FSM_ZRC = 1 << 2, FSM_SCR = 1 << 3, FSM_STR = 1 << 4,
	FSM_SCA = 1 << 5, FSM_SCN = 1 << 6, FSM_STA = 1 << 7, FSM_SCJ = 1 << 8, FSM_SER = 1 << 9,
	FSM_TLU = 1 << 10, FSM_TLS = 1 << 11, FSM_TLF = 1 << 12,
};

struct fsm_cell {
	uint16_t act;		/* enum fsm_action bits */
	uint8_t next;		/* enum fsm_state */
};

extern const struct fsm_cell fsm_table[FSM_EVENTS][FSM_STATES];

/* The Restart timer runs in this state: it has TO events. */
bool fsm_has_timer(enum fsm_state);

enum fsm_code {		/* RFC 1661 5 */
	CONFIGURE_REQUEST = 1, CONFIGURE_ACK, CONFIGURE_NAK, CONFIGURE_REJECT,
	TERMINATE_REQUEST, TERMINATE_ACK, CODE_REJECT, PROTOCOL_REJECT,
	ECHO_REQUEST, ECHO_REPLY, DISCARD_REQUEST, IDENTIFICATION, TIME_REMAINING,
};

/* What SCA, SCN, STA, SCJ and SER send. */
struct fsm_reply {
	uint8_t code, id;
	struct rd body;
};

/* One event; reply may be NULL where the event sends none. */
void fsm_event(struct turn *, const struct ppp_proto *, enum fsm_event, const struct fsm_reply *);

/* One packet of a protocol that has an automaton. */
void fsm_input(struct turn *, const struct ppp_proto *, struct rd pkt);

/* The Restart timer, where it is due. */
void fsm_expire(struct turn *, const struct ppp_proto *);

/* When; PPP_NEVER = it does not run. */
uint64_t fsm_deadline(const struct ppp_fsm *);

#endif
