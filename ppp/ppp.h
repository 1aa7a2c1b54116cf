/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ppp: one PPP link, either side of it (RFC 1661, 1332, 1334, 1877, 1962, 1994, 2759, 3078, 3748).
 *
 * A pure core: frames, events and the time go in, effects come out.  No
 * socket, clock or log.  Nothing is allocated but while a login lasts: by
 * libcrypto, and for EAP that is passed through.  struct ppp is plain data but
 * for the borrowed settings and that (eap); while it has none its owner may copy
 * it, write it out and read it back.  ppp_free() is its end.  Frames are
 * PPP frames as L2TP carries them (RFC 2661 3.1): optional address and control
 * field, protocol, information; no flag, no FCS.
 *
 * The owner calls one function, then works through ppp_out in order, then asks
 * ppp_deadline() for when to call ppp_expire() next:
 *
 *	struct ppp_out out;
 *
 *	ppp_out_init(&out);
 *	ppp_input(&l->ppp, frame, now_ms, &out);
 *	for (unsigned i = 0; i < out.n; i++)
 *		apply(l, &out.eff[i]);
 *	timer_at(ppp_deadline(&l->ppp));
 *
 * Where to look: ppp.c phases and demux; protos.c the protocols; fsm.c the
 * automaton; opt.c option negotiation; lcp.c, ipcp.c, ccp.c,
 * ipv6cp.c their options;
 * auth.c, chap.c, pap.c, eap.c the authentication phase; mschap.c its arithmetic.
 * mppe.c, which is not needed to negotiate it, encrypts packets.
 */
#ifndef CULVERT_PPP_H
#define CULVERT_PPP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rd.h"
#include "base/rng.h"
#include "base/util.h"
#include "base/wr.h"

/* Assigned numbers: protocols (RFC 1661 2, IANA). */
enum ppp_proto_num {
	PPP_IP = 0x0021, PPP_IPV6 = 0x0057, PPP_COMP = 0x00fd,
	PPP_IPCP = 0x8021, PPP_IPV6CP = 0x8057, PPP_CCP = 0x80fd,
	PPP_LCP = 0xc021, PPP_PAP = 0xc023, PPP_CHAP = 0xc223, PPP_EAP = 0xc227,
};

enum ppp_phase {	/* RFC 1661 3.2 */
	PPP_DEAD, PPP_ESTABLISH, PPP_AUTHENTICATE, PPP_NETWORK, PPP_TERMINATE,
};

/* Authentication protocols; the values are bits of ppp_conf.auth. */
enum {
	PPP_AUTH_PAP = 1, PPP_AUTH_CHAP_MD5 = 2, PPP_AUTH_MSCHAPV2 = 4,
	PPP_AUTH_EAP_MD5 = 8, PPP_AUTH_EAP_MSCHAPV2 = 16,
	PPP_AUTH_EAP = PPP_AUTH_EAP_MD5 | PPP_AUTH_EAP_MSCHAPV2,	/* one protocol of LCP's; which of them EAP says */
	PPP_AUTH_KEYS = PPP_AUTH_MSCHAPV2 | PPP_AUTH_EAP_MSCHAPV2,	/* these make keys for MPPE */
	PPP_AUTH_EAP_PASS = 32,		/* in ppp_auth_req alone: ppp.eap is for who judges, whatever the method */
};

enum {
	PPP_MRU_DEFAULT = 1500,	/* RFC 1661 6.1 */
	PPP_MRU_MIN = 500,	/* a peer's smaller MRU is Nak'ed: such a link carries no IPv4 worth having */
	PPP_FRAME_MAX = 1600,	/* control frames longer than this are dropped */
	PPP_EAP_MAX = 1500,	/* EAP packets that are passed through */
	PPP_NAME_MAX = 256,
	PPP_REASON_MAX = 64,
	PPP_MESSAGE_MAX = 128,
	PPP_ECHO_DATA = 64,
};

#define PPP_NEVER UINT64_MAX

/* Protocols with an RFC 1661 automaton. */
enum ppp_fsm_index { PPP_FSM_LCP, PPP_FSM_IPCP, PPP_FSM_CCP, PPP_FSM_IPV6CP, PPP_FSMS };

/* MPPE; required: no IP without it, and no link where the peer will not. */
enum ppp_mppe { PPP_MPPE_NO, PPP_MPPE_YES, PPP_MPPE_REQUIRED };

/* RFC 1661 4.6: how patient an automaton is. */
struct ppp_limits {
	uint32_t restart_ms;		/* Restart timer: 3000 */
	uint8_t max_configure;		/* 10 */
	uint8_t max_terminate;		/* 2 */
	uint8_t max_failure;		/* Naks before Rejects: 5 */
};

/* The RFC's own numbers, for all. */
#define PPP_LIMITS { [0 ... PPP_FSMS - 1] = { 3000, 10, 2, 5 } }

/* Settings; borrowed while the link lives, the same for all links of a tunnel kind. */
struct ppp_conf {
	bool authenticator;		/* we demand authentication (LNS); else we are the peer */
	uint8_t auth;			/* authenticator: what we offer, strongest first; peer: what we accept */
	uint16_t mru;			/* ours; also the most we send. PPP_MRU_MIN to PPP_MRU_DEFAULT */
	char name[64];			/* authenticator: Name field of our Challenges */
	bool eap_pass;			/* authenticator: who judges says after the Identity whether EAP's methods are
					 * his own (RFC 3579) or ours; auth has PPP_AUTH_EAP_… for those */
	/* peer role only */
	char user[PPP_NAME_MAX];
	char password[128];		/* UTF-8 */
	bool want_dns;			/* ask for RFC 1877 DNS addresses */
	uint32_t want_ip;		/* ask for this address, host order; 0 = any */

	bool ipv6;			/* IPV6CP is spoken; no packet of IPv6 passes yet */
	uint8_t mppe;			/* enum ppp_mppe */
	uint32_t mppe_bits;		/* what may be agreed on: enum mppe_bit (mppe.h), a key length and a state at least … */
	bool mppe_stateful;		/* … which is MPPE_STATELESS above, or this, or both */

	struct ppp_limits limits[PPP_FSMS];	/* LCP's also time the authentication phase */
	bool keepalive;			/* send LCP Echo-Requests */
	uint32_t keepalive_interval_ms;	/* after this long without any frame from the peer */
	uint32_t keepalive_retry_ms;	/* between unanswered ones */
	uint8_t keepalive_max;		/* unanswered ones that end the link */
	uint32_t auth_timeout_ms;	/* whole authentication phase: 30000 */
};

/* What an authenticator's peer sent, to be judged elsewhere.  Every byte of it is the peer's own. */
struct ppp_auth_req {
	uint8_t method;			/* one PPP_AUTH_ bit */
	uint8_t ident;
	uint8_t user[PPP_NAME_MAX];	/* may be empty, may hold NULs */
	uint16_t user_len;
	uint8_t challenge[64];
	uint8_t challenge_len;
	uint8_t response[255];		/* CHAP: the Value (MS-CHAPv2: 49 octets); PAP: the password, RFC 1334 2.2.1 */
	uint16_t response_len;
};

/* What a verdict says of a request of PPP_AUTH_EAP_PASS. */
enum ppp_eap_say {
	PPP_EAP_JUDGED,			/* it is the verdict */
	PPP_EAP_OWN,			/* the Identity is of one whom our own methods are for */
	PPP_EAP_NEXT,			/* eap_packet is the next Request */
};

/* The judgement. */
struct ppp_verdict {
	uint8_t eap;			/* enum ppp_eap_say; but for PPP_EAP_JUDGED nothing below counts but eap_… */
	struct rd eap_packet;		/* NEXT: a whole EAP Request; borrowed for the call */
	uint32_t eap_wait_ms;		/* NEXT: how long the peer may take before it is sent again; 0 = as ever */
	bool ok;
	bool mppe_keys;			/* with ok: the next two are there */
	uint8_t mppe_send[16], mppe_recv[16];	/* RFC 3079 3.4, the authenticator's */
	uint8_t mschap_auth[20];	/* with ok or refused and MS-CHAPv2: RFC 2759 8.7, raw */
	char reason[PPP_REASON_MAX];	/* not ok: for ppp.reason; refused: for the peer, too */
	uint32_t mschap_error;		/* not ok: E= of RFC 2759 6; 0 = 691 */
	char message[PPP_MESSAGE_MAX];	/* for the peer, by the methods whose answers have a text; "" = none */
	bool refused;			/* known, but not let in: Success, then LCP Terminate-Request with reason */
	uint32_t ip, ip_local;		/* host order; what IPCP gives to the peer, and our own */
	uint32_t dns[2], nbns[2];	/* 0 = none */
	bool may_choose;		/* the peer may ask for another address than ip: PPP_EFF_ADDR */
};

enum ppp_effect_type {
	PPP_EFF_SEND,		/* data, len: a frame for the peer */
	PPP_EFF_AUTH,		/* ppp.req is to be judged; answer with ppp_verdict(). Comes again, after
				 * PPP_EFF_DOWN, where the peer renegotiates LCP */
	PPP_EFF_ADDR,		/* the peer asks for the address ppp.ip_wanted; answer with ppp_address() */
	PPP_EFF_MPPE_ON,	/* before PPP_EFF_UP, or after it where it is not required: packets are encrypted
				 * from now on, with the keys and bits of ppp.mppe_* */
	PPP_EFF_MPPE_OFF,	/* not any more */
	PPP_EFF_MPPE_FLUSH,	/* for mppe_flush() */
	PPP_EFF_UP,		/* IPCP opened: IP may pass; ppp_mtu(), ppp.ip_*, ppp.dns say how */
	PPP_EFF_DOWN,		/* IP may not pass any more; PPP_EFF_UP may follow again */
	PPP_EFF_GONE,		/* the link is finished; ppp.reason says why. Always the last effect, once */
};

struct ppp_effect {
	enum ppp_effect_type type;
	const uint8_t *data;	/* into ppp_out's own buffer */
	size_t len;
};

enum { PPP_EFFECTS_MAX = 16 };

/* Filled by each call; the owner initialises it with ppp_out_init() before each. */
struct ppp_out {
	unsigned n;
	struct ppp_effect eff[PPP_EFFECTS_MAX];
	struct wr w;			/* over buf */
	uint8_t buf[4 * PPP_FRAME_MAX];
};

struct ppp_fsm {
	uint8_t state;			/* enum fsm_state (fsm.h) */
	uint8_t id;			/* of our last Configure- or Terminate-Request */
	uint8_t restart;		/* Restart counter */
	bool unanswered;		/* our last Configure-Request has no Ack, Nak or Reject yet */
	bool heard;			/* the peer has spoken this protocol since it went up */
	bool met;			/* the peer's first Configure-Request is in */
	uint8_t sent_naks;		/* since our last Ack; then Naks become Rejects */
	uint8_t sent_refusals;		/* Naks and Rejects since our last Ack */
	uint8_t got_refusals;		/* since the peer's last Ack */
	uint8_t rejected;		/* our options the peer rejected, bits by row of the option table */
	uint8_t appended;		/* the peer's options we have asked it for by Nak, likewise */
	uint8_t opens;			/* times it opened since opens_ms */
	uint64_t opens_ms;
	uint64_t timer_ms;		/* Restart timer; counts only in the states that have one */
};

struct ppp_auth {
	uint8_t state;			/* enum ppp_auth_state (auth.h) */
	uint8_t method;			/* agreed in LCP; 0 = none. Of EAP's maybe several */
	uint8_t asked;			/* authenticator: the method in our Configure-Request */
	uint8_t tried;			/* methods asked for so far */
	uint8_t ident;			/* of the next Challenge or PAP request */
	bool good;			/* what the answer says, for repeated requests */
	uint8_t fate;			/* enum ppp_auth_fate (auth.h): of the verdict */
	char why[PPP_REASON_MAX];	/* likewise */
	uint8_t eap_type;		/* EAP: of the last Request, ours or answered by us; 0 = none */
	uint8_t eap_tried;		/* methods asked by so far */
	uint8_t eap_ms_id;		/* MSCHAPv2 has an identifier of its own */
	uint8_t eap_op;			/* peer: its OpCode that we answered last */
	bool eap_pass;			/* the methods are those of who judges */
	uint8_t eap_round;		/* Responses given to him; stays at 255 */
	uint32_t eap_wait_ms;		/* of his last Request */
	uint32_t error;			/* of the verdict: mschap_error */
	char message[PPP_MESSAGE_MAX];	/* likewise */
	uint8_t proof[20];		/* MS-CHAPv2 AuthenticatorResponse: to send, or expected */
	uint64_t timer_ms;		/* resend, or end after a failure; PPP_NEVER = off */
};

/* One link.  Owners read phase, req, reason, ip_*, dns, nbns, peer_*; nobody but the core writes. */
struct ppp {
	const struct ppp_conf *conf;	/* borrowed */
	uint8_t phase;			/* enum ppp_phase */
	bool gone;			/* PPP_EFF_GONE was given: every call is a no-op */
	bool up;			/* PPP_EFF_UP was given, PPP_EFF_DOWN not yet */
	char reason[PPP_REASON_MAX];	/* why the link ends; the first reason stays */
	struct rng rng;
	uint64_t phase_ms;		/* when this phase is given up; PPP_NEVER = off */

	struct ppp_fsm fsm[PPP_FSMS];

	uint32_t magic;			/* ours */
	uint16_t mru;			/* ours, as last asked for */
	uint16_t peer_mru;		/* what the peer takes; the default until its request is acked */
	uint32_t peer_magic;		/* 0 = none */
	bool peer_pfc, peer_acfc;	/* the peer takes compressed protocol / no address and control */
	uint8_t magic_loops;
	uint8_t reject_id;		/* Identifier of our Code- and Protocol-Rejects */

	struct ppp_auth auth;
	struct ppp_auth_req req;	/* authenticator: see PPP_EFF_AUTH; peer: what we answered to and with */

	uint32_t ip_local, ip_remote;	/* host order; ours and the peer's */
	bool may_choose;		/* authenticator: of the verdict, until IPCP opens */
	uint32_t ip_wanted;		/* authenticator: see PPP_EFF_ADDR */
	uint8_t held[128];		/* the Configure-Request that waits for ppp_address() */
	uint8_t held_len;		/* 0 = none */
	uint64_t if_id, peer_if_id;	/* IPV6CP: interface identifiers, ours and the peer's; 0 = none */
	bool mppe_keys;			/* the authentication gave the next two */
	uint8_t mppe_send[16], mppe_recv[16];	/* start keys, as we send and receive */
	uint32_t mppe_ours, mppe_theirs;	/* enum mppe_bit (mppe.h), as agreed: how we receive; how we send */
	bool mppe_on;			/* PPP_EFF_MPPE_ON was given, PPP_EFF_MPPE_OFF not yet */
	uint32_t dns[2], nbns[2];	/* host order; authenticator: given out, peer: received; 0 = none */

	uint64_t heard_ms;		/* last frame from the peer */
	uint64_t echo_ms;		/* last Echo-Request of ours */
	uint8_t echoes;			/* unanswered ones */
	uint8_t echo_id;
	bool no_echo;			/* the peer code-rejected Echo-Request */
	bool no_reset_ack;		/* and Reset-Ack */

	uint64_t replies_ms;		/* window of the reply limit */
	uint16_t replies;

	/* EAP that is passed through: the Response that is judged, or the Request that is to be answered */
	uint8_t *eap;			/* NULL: none; it lives as long as its login */
	uint16_t eap_len;		/* ≤ PPP_EAP_MAX */

	uint32_t dropped;		/* frames from the peer that were nothing, or came at the wrong time */
	uint32_t lost;			/* effects that found no room in ppp_out; stays 0 */
};

/* Empty *out. */
void ppp_out_init(struct ppp_out *out);

/*
 * Start of life, before any other call.  conf is borrowed until the link is
 * gone; *seed is copied and makes magic numbers and challenges, so each link
 * needs a seed of its own.
 */
void ppp_init(struct ppp *, const struct ppp_conf *conf, const struct rng *seed);

/*
 * The lower layer is up (L2TP: ICCN): LCP starts with our Configure-Request.
 * Call before any ppp_input().
 */
void ppp_start(struct ppp *, uint64_t now_ms, struct ppp_out *);

/*
 * One whole frame from the peer, as received.  IP frames do not come here: the
 * owner looks at the protocol first with ppp_frame(), asks ppp_may_ip() and
 * tells ppp_heard(); one that comes is dropped.
 */
void ppp_input(struct ppp *, struct rd frame, uint64_t now_ms, struct ppp_out *);

/*
 * Pass over address, control and protocol field of a frame; *frame is then the
 * information field.  Compressed forms are taken whether negotiated or not
 * (RFC 1661 6.5, 6.6; some peers do not wait).  false: not a PPP frame, or a
 * protocol number that RFC 1661 2 does not allow.
 */
MUST_USE bool ppp_frame(struct rd *frame, uint16_t *ret_proto);

/* Do what is due at now_ms.  Too early or twice does no harm. */
void ppp_expire(struct ppp *, uint64_t now_ms, struct ppp_out *);

/* When ppp_expire() is to be called next; PPP_NEVER = not before another event. */
uint64_t ppp_deadline(const struct ppp *);

/* The answer to PPP_EFF_AUTH.  One that comes late or unasked is ignored. */
void ppp_verdict(struct ppp *, const struct ppp_verdict *, uint64_t now_ms, struct ppp_out *);

/*
 * The answer to PPP_EFF_ADDR: the address that the peer gets, the one it asked
 * for or another.  One that comes late or unasked is ignored.
 */
void ppp_address(struct ppp *, uint32_t ip, uint64_t now_ms, struct ppp_out *);

/* mppe_open() lost track: ask the peer to begin anew (CCP Reset-Request). Nothing where MPPE is off. */
void ppp_mppe_lost(struct ppp *, uint64_t now_ms, struct ppp_out *);

/*
 * Send an LCP Echo-Request that carries n bytes of data, at most
 * PPP_ECHO_DATA; its answer carries them, too (RFC 1661 5.8), and is to be looked
 * for with ppp_echo_reply() before ppp_input().  Nothing while LCP is not open or
 * with a peer that knows no Echo-Request.
 */
void ppp_echo(struct ppp *, const uint8_t *data, size_t n, uint64_t now_ms, struct ppp_out *);

/* Is this frame an LCP Echo-Reply? *ret is what stands behind its Magic-Number, then. */
MUST_USE bool ppp_echo_reply(struct rd frame, struct rd *ret);

/* Orderly end (RFC 1661 3.7): Terminate-Request carrying reason, retries, then PPP_EFF_GONE. */
void ppp_close(struct ppp *, const char *reason, uint64_t now_ms, struct ppp_out *);

/* The lower layer is gone: PPP_EFF_DOWN where IP was up, PPP_EFF_GONE, no frames. */
void ppp_lower_down(struct ppp *, const char *reason, uint64_t now_ms, struct ppp_out *);

/* End of life: what the login had is wiped and given back. Nothing is called after it but ppp_init(). */
void ppp_free(struct ppp *);

/* IPCP is open, and MPPE where it is required: IP frames may pass, both ways. */
bool ppp_may_ip(const struct ppp *);

/* The longest IP packet to send: the smaller of the peer's MRU and conf.mru, in
 * [PPP_MRU_MIN, PPP_MRU_DEFAULT] whatever the peer asked for; less what MPPE
 * takes, where it may come. */
uint16_t ppp_mtu(const struct ppp *);

/* An IP frame came: a sign of life for the keepalive.  O(1), for the data path. */
static inline void ppp_heard(struct ppp *p, uint64_t now_ms)
{
	p->heard_ms = now_ms;
	p->echoes = 0;
}

/* Names for logs; "?" for what is none. */
const char *ppp_phase_name(enum ppp_phase);
const char *ppp_auth_name(uint8_t method);
const char *ppp_proto_name(uint16_t proto);

#endif
