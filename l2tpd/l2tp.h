/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * l2tp: numbers and types of L2TPv2 (RFC 2661), shared by the pure core:
 *
 *   avp.c      AVPs in and out (4.1), and the table of all of them (4.4)
 *   secret.c   Challenge Response (5.1.1), hidden AVPs (4.3)
 *   msg.c      headers (3.1), and a whole control message to a struct and back
 *   xport.c    reliable delivery (5.8): Ns/Nr, window, retransmission; nothing else
 *   tunnel.c   one control connection (7.2)
 *   session.c  one incoming call in it (7.4)
 *   flow.c     the tunnels of one client, and which of them a message is for
 *
 * The core is pure: bytes, the time and the owner's wishes go in, effects come
 * out.  The owner calls one function of flow.h, works through l2tp_out, then
 * asks l2tp_flow_deadline() when to call l2tp_flow_expire() next.
 *
 * Terms: tunnel and session ids without a prefix are ours, those that the
 * peer puts into headers; peer_… are the peer's, those that we put there.
 */
#ifndef CULVERT_L2TP_H
#define CULVERT_L2TP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rd.h"
#include "base/rng.h"
#include "base/wr.h"

enum l2tp_msg_type {	/* RFC 2661 3.2 */
	L2TP_SCCRQ = 1, L2TP_SCCRP = 2, L2TP_SCCCN = 3, L2TP_STOPCCN = 4, L2TP_HELLO = 6,
	L2TP_OCRQ = 7, L2TP_OCRP = 8, L2TP_OCCN = 9, L2TP_ICRQ = 10, L2TP_ICRP = 11,
	L2TP_ICCN = 12, L2TP_CDN = 14, L2TP_WEN = 15, L2TP_SLI = 16,
	L2TP_MSG_TYPES = 17,
};

enum l2tp_stop_result {	/* RFC 2661 4.4.2: Result Codes of StopCCN */
	L2TP_STOP_GENERAL = 1,		/* general request to clear */
	L2TP_STOP_ERROR = 2,		/* the Error Code says what */
	L2TP_STOP_EXISTS = 3,
	L2TP_STOP_AUTH = 4,
	L2TP_STOP_VERSION = 5,		/* the Error Code is the highest version supported */
	L2TP_STOP_SHUTDOWN = 6,
	L2TP_STOP_FSM = 7,
};

enum l2tp_cdn_result {	/* RFC 2661 4.4.2: Result Codes of CDN */
	L2TP_CDN_CARRIER = 1,		/* loss of carrier */
	L2TP_CDN_ERROR = 2,		/* the Error Code says what */
	L2TP_CDN_ADMIN = 3,
	L2TP_CDN_NO_FACILITIES = 4,	/* for now */
	L2TP_CDN_NEVER_FACILITIES = 5,	/* for ever */
	L2TP_CDN_DESTINATION = 6,
	L2TP_CDN_TIMEOUT = 10,		/* not established in time */
};

enum l2tp_error {	/* RFC 2661 4.4.2: general Error Codes */
	L2TP_ERR_NONE = 0,
	L2TP_ERR_NO_TUNNEL = 1,
	L2TP_ERR_LENGTH = 2,
	L2TP_ERR_VALUE = 3,
	L2TP_ERR_RESOURCES = 4,
	L2TP_ERR_SESSION_ID = 5,
	L2TP_ERR_VENDOR = 6,
	L2TP_ERR_TRY_ANOTHER = 7,
	L2TP_ERR_UNKNOWN_AVP = 8,	/* an unrecognised AVP with the M bit */
};

enum l2tp_cause_code {	/* RFC 3145 3: Disconnect Codes, those that we send */
	L2TP_CAUSE_NONE = 0,		/* no information available */
	L2TP_CAUSE_ADMIN = 1,
	L2TP_CAUSE_NO_RENEGOTIATION = 2,	/* of LCP, which the LNS would need */
	L2TP_CAUSE_NORMAL = 3,		/* LCP Terminate-Request */
	L2TP_CAUSE_LCP = 5,		/* LCP came to no end */
	L2TP_CAUSE_NO_LCP = 6,		/* no recognizable LCP packets were received */
	L2TP_CAUSE_LOOP = 7,
	L2TP_CAUSE_ECHO = 8,		/* Echo-Requests were not answered */
	L2TP_CAUSE_AUTH_TIMEOUT = 13,
	L2TP_CAUSE_NO_AUTH = 15,	/* no acceptable authentication protocol */
	L2TP_CAUSE_AUTH_FAILED = 16,
	L2TP_CAUSE_NCP_TIMEOUT = 17,
	L2TP_CAUSE_NO_NCP = 18,		/* all are disabled or rejected */
	L2TP_CAUSE_NO_ADDRESS = 20,	/* the user may have none */
};

enum l2tp_cause_direction { L2TP_CAUSE_GLOBAL, L2TP_CAUSE_AT_PEER, L2TP_CAUSE_AT_LOCAL };

/* Why a tunnel or a session went. */
enum l2tp_reason {
	L2TP_REASON_NONE,
	L2TP_REASON_PEER,		/* StopCCN or CDN came; its codes are in the effect */
	L2TP_REASON_ADMIN,		/* the owner closed it */
	L2TP_REASON_SHUTDOWN,		/* the owner ends altogether */
	L2TP_REASON_IDLE,		/* no call in it for idle_timeout_ms */
	L2TP_REASON_HELLO,		/* a HELLO was not answered, and nothing else came */
	L2TP_REASON_NO_ACK,		/* a control message was retransmitted in vain */
	L2TP_REASON_SETUP,		/* not established within setup_timeout_ms */
	L2TP_REASON_SUPERSEDED,		/* its client opened another one; half open, or silent when asked */
	L2TP_REASON_REFUSED,		/* a limit, or a request that we do not serve */
	L2TP_REASON_PROTOCOL,		/* a malformed message, or one that its state forbids */
	L2TP_REASON_TIE,		/* lost the tie-breaker (4.4.3) */
	L2TP_REASON_AUTH,		/* tunnel authentication failed (5.1.1) */
	L2TP_REASON_TUNNEL,		/* session: its tunnel went */
	L2TP_REASONS,
};

/* For logs: "hello timeout". */
const char *l2tp_reason_str(enum l2tp_reason);

/* "SCCRQ"; "?" for a type that RFC 2661 does not have. */
const char *l2tp_msg_name(unsigned type);

enum {
	L2TP_TUNNELS_MAX = 4,		/* most that l2tp_conf.max_tunnels can ask for */
	L2TP_LINGER_MAX = 4,		/* closed tunnels of a flow that still acknowledge */
	L2TP_SESSIONS_MAX = 1024,	/* most that l2tp_conf.max_sessions can ask for */
	L2TP_NAME_MAX = 64,
	L2TP_NUMBER_MAX = 64,		/* octets of a Calling Number that are kept */
	L2TP_SECRET_MAX = 128,
	L2TP_TIE_BREAKER = 8,
	L2TP_DATAGRAM_MAX = 400,	/* the longest control message that we send */
};

/* Settings; borrowed while the flow lives, and valid for all flows of a tunnel statement. */
struct l2tp_conf {
	char host_name[L2TP_NAME_MAX];		/* Host Name AVP, not empty */
	char vendor_name[L2TP_NAME_MAX];	/* Vendor Name AVP; "" = left out */
	uint16_t rws;			/* Receive Window Size that we announce, from 1: 8 */
	uint32_t hello_interval_ms;	/* silence before a HELLO: 60000; 0 = never */
	uint32_t hello_timeout_ms;	/* a HELLO unanswered for so long ends the tunnel: 30000 */
	uint32_t retransmit_ms;		/* first interval: 1000; it doubles up to 8 s (5.8) */
	uint8_t retransmit_max;		/* retransmissions before a peer counts as gone: 5 */
	uint32_t setup_timeout_ms;	/* tunnel without SCCCN, call without ICCN: 30000 */
	uint32_t idle_timeout_ms;	/* tunnel without a call: 16000 */
	uint8_t max_tunnels;		/* per flow: 2 */
	uint8_t max_half_open;		/* of these, not established: 2 */
	uint16_t max_sessions;		/* per tunnel: 4 */
	uint8_t secret[L2TP_SECRET_MAX];	/* shared with the peer: both ends prove it (5.1.1) */
	uint8_t secret_len;		/* 0 = no tunnel authentication, no hidden AVP is readable */
	bool hide;			/* with a secret: hide what may be hidden (4.3) */
	bool tie_breaker;		/* dialling: insist on one tunnel (4.4.3) */
	bool sequencing;		/* dialling: ask for numbered data (4.4.6, Sequencing Required) */
	char calling_number[L2TP_NUMBER_MAX + 1];	/* dialling: Calling Number AVP (4.4.4); "" = left out */
};

/* The values above; the names are empty. */
extern const struct l2tp_conf l2tp_conf_default;

/*
 * The tunnel ids of one engine, so that an id is in one tunnel only whatever
 * its flow.  Plain data, 8 KB; owned by the engine, shared by its flows.
 */
struct l2tp_ids {
	struct rng rng;
	uint32_t n;			/* taken */
	uint64_t bits[65536 / 64];
};

/* seed is copied. */
void l2tp_ids_init(struct l2tp_ids *, const struct rng *seed);

/* A random free id, or 0 when all are taken (9.1: ids should not be guessable). */
uint16_t l2tp_ids_take(struct l2tp_ids *);

void l2tp_ids_release(struct l2tp_ids *, uint16_t id);

enum l2tp_effect_type {
	L2TP_EFF_SEND,		/* data, len: a control message from its header on, to the peer's `port` */
	L2TP_EFF_TUNNEL_UP,	/* tunnel, peer_tunnel, port */
	L2TP_EFF_TUNNEL_GONE,	/* tunnel, reason, result, error; also for one that never was up. Every
				 * session of it that was not told of goes with it */
	L2TP_EFF_SESSION_UP,	/* all ids, port, call: PPP starts now. PPP frames may come earlier, if they
				 * overtook the ICCN: the owner drops them */
	L2TP_EFF_SESSION_GONE,	/* tunnel, session, reason, result, error, cause; for every session that was
				 * up or was dialled, before its tunnel's TUNNEL_GONE; when a tunnel goes,
				 * for the first L2TP_TOLD_MAX of its sessions only */
};

/* PPP Disconnect Cause Code (RFC 3145 2). */
struct l2tp_cause {
	uint16_t code;			/* enum l2tp_cause_code, or any other */
	uint16_t proto;			/* control protocol that it is about; 0 = none */
	uint8_t direction;		/* enum l2tp_cause_direction */
	struct rd text;			/* what the sender adds for people, any octets */
};

/* What the ICCN of a LAC says about the call (4.4.5); readers into l2tp_out. */
struct l2tp_call {
	bool sequencing;		/* Sequencing Required: data must be numbered, both ways */
	bool proxy_lcp;			/* the last two are there: options of the CONFREQs that the LAC … */
	struct rd initial_lcp;		/* … received first, */
	struct rd last_sent_lcp;	/* … sent last, and which was acknowledged, */
	struct rd last_received_lcp;	/* … received last, and acknowledged */
	uint16_t proxy_type;		/* enum l2tp_proxy; 0 = no authentication was done */
	uint8_t proxy_id;
	struct rd proxy_name, proxy_challenge, proxy_response;
};

enum l2tp_proxy {	/* RFC 2661 4.4.5, Proxy Authen Type */
	L2TP_PROXY_NONE_SAID = 0,	/* the AVP is not there */
	L2TP_PROXY_TEXT = 1, L2TP_PROXY_CHAP = 2, L2TP_PROXY_PAP = 3, L2TP_PROXY_NONE = 4,
	L2TP_PROXY_MSCHAPV1 = 5,
};

struct l2tp_effect {
	enum l2tp_effect_type type;
	enum l2tp_reason reason;
	uint16_t tunnel, session;
	uint16_t peer_tunnel, peer_session;
	uint16_t port;			/* the peer's UDP port */
	uint16_t result, error;		/* Result and Error Code, sent or received; 0 = none */
	const uint8_t *data;		/* into l2tp_out.buf */
	size_t len;
	const struct l2tp_call *call;	/* into l2tp_out; NULL = none */
	const struct l2tp_cause *cause;	/* likewise */
};

enum {
	L2TP_TOLD_MAX = 8,		/* sessions that went with their tunnel, each told of */
	/* All tunnels of a flow go in one call at most, and one comes. */
	L2TP_EFFECTS_STATE = (L2TP_TUNNELS_MAX + 1) * (L2TP_TOLD_MAX + 1) + 4,
	L2TP_EFFECTS_SEND = 32,
	L2TP_EFFECTS_MAX = L2TP_EFFECTS_STATE + L2TP_EFFECTS_SEND,
	L2TP_NEWS = 5,			/* ICCNs or CDNs that one call can bring: XPORT_HOLD and one */
	L2TP_NEWS_BYTES = 2048,		/* of what they say; more is left out */
};

/*
 * Filled by each call of flow.h; the owner calls l2tp_out_init() before each.
 * When more is to be sent than fits, l2tp_flow_deadline() is 0 afterwards.
 */
struct l2tp_out {
	unsigned n, n_send;
	struct l2tp_effect eff[L2TP_EFFECTS_MAX];
	unsigned n_call, n_cause;
	struct l2tp_call call[L2TP_NEWS];
	struct l2tp_cause cause[L2TP_NEWS];
	struct wr w;			/* over buf */
	struct wr news;			/* over said */
	uint8_t buf[L2TP_EFFECTS_SEND * L2TP_DATAGRAM_MAX];
	uint8_t said[L2TP_NEWS_BYTES];
};

void l2tp_out_init(struct l2tp_out *);

/* What a flow counts. */
enum l2tp_counter {
	L2TP_CNT_MALFORMED,		/* header: not L2TPv2, lengths that lie; dropped */
	L2TP_CNT_UNKNOWN_TUNNEL,	/* no such tunnel, or not from its port; dropped */
	L2TP_CNT_UNKNOWN_SESSION,	/* acknowledged, otherwise ignored */
	L2TP_CNT_DUPLICATE,		/* acknowledged again */
	L2TP_CNT_WINDOW,		/* Ns too far ahead, Nr never sent; dropped */
	L2TP_CNT_BAD,			/* AVPs that end a tunnel or a call */
	L2TP_CNT_ILLEGAL,		/* a message that its state forbids */
	L2TP_CNT_REFUSED,		/* over a limit */
	L2TP_CNT_RESENT,
	L2TP_CNT_AUTH,			/* tunnel authentication failed */
	L2TP_CNT_TOLD,			/* StopCCN or CDN sent for an id that is not (any more) */
	L2TP_COUNTERS,
};

/* "l2tp_ctl_malformed" */
const char *l2tp_counter_name(enum l2tp_counter);

#endif
