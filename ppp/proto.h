/* SPDX-License-Identifier: GPL-2.0-or-later */
/* proto: what one protocol of the link is, and what its code may do.  For ppp/ only. */
#ifndef CULVERT_PPP_PROTO_H
#define CULVERT_PPP_PROTO_H

#include "ppp/opt.h"
#include "ppp/ppp.h"

/* One call into the core: everything below it gets this. */
struct turn {
	struct ppp *p;
	uint64_t now_ms;
	struct ppp_out *out;
	size_t frame, len;	/* offsets of the frame being written, and of its Length */
};

/* A row of the protocol table.  Either it has an automaton, or input(). */
struct ppp_proto {
	const char *name;
	uint16_t num;
	bool (*enabled)(const struct ppp *);	/* NULL = always; else where it says no, there is no such row */
	bool (*optional)(const struct ppp *);	/* where it says yes the link lives on without it; NULL = never */
	uint8_t phases;		/* bits 1 << enum ppp_phase: at any other time its packets are dropped unread */

	uint8_t fsm;		/* enum ppp_fsm_index, where opts is set */
	const struct ppp_opt *opts;
	uint8_t n_opts;
	void (*defaults)(struct ppp *);	/* the peer's options as if it had asked for none */
	void (*up)(struct turn *);
	void (*down)(struct turn *);
	void (*finished)(struct turn *);
	void (*retry)(struct turn *);	/* may be NULL: the peer did not answer, we are about to ask again */
	/* may be NULL; a code above 7: false = unknown */
	bool (*extra)(struct turn *, uint8_t code, uint8_t id, struct rd body);
	void (*rejected)(struct turn *, uint8_t code);	/* may be NULL: the peer sent a Code-Reject for it */

	void (*input)(struct turn *, struct rd pkt);
};

extern const struct ppp_proto lcp_proto, ipcp_proto, ccp_proto, ipv6cp_proto;

/* The network control protocols, in the order in which they start; NULL ends it. */
extern const struct ppp_proto *const ppp_ncps[];

/* The row for a protocol number, or NULL. */
const struct ppp_proto *proto_find(uint16_t num);

static inline struct ppp_fsm *proto_fsm(struct ppp *p, const struct ppp_proto *pr)
{
	return &p->fsm[pr->fsm];
}

static inline const struct ppp_limits *proto_limits(const struct ppp *p, const struct ppp_proto *pr)
{
	return &p->conf->limits[pr->fsm];
}

/* ppp.c, for the protocols. */

/* Begin a packet (RFC 1661 5: code, identifier, length); its body is written to
 * the writer returned, then turn_send().  Frames for the peer carry address,
 * control and both octets of the protocol: always right, compressed or not. */
struct wr *turn_packet(struct turn *, uint16_t proto, uint8_t code, uint8_t id);
void turn_send(struct turn *);
void turn_effect(struct turn *, enum ppp_effect_type);

/* Count a frame that is nothing to us. */
void turn_drop(struct turn *);

/* May something be answered that costs the peer nothing to repeat?  At most so
 * many a second. */
bool turn_may_reply(struct turn *);

/* End the link in an orderly way.  The first reason counts. */
void turn_close(struct turn *, const char *reason);
/* It is at its end. */
void turn_gone(struct turn *, const char *reason);
void turn_phase(struct turn *, enum ppp_phase);
/* Authentication is done or not wanted: the network control protocols start. */
void turn_network(struct turn *);

/* Something that IP depends on came or went: PPP_EFF_UP or _DOWN, if that makes a difference. */
void turn_link(struct turn *);

/* ccp.c */
void ccp_begin(struct ppp *);
void ccp_reset(struct turn *);

/* ipv6cp.c */
void ipv6cp_begin(struct ppp *);

/* ipcp.c: is it a Configure-Request with an address that the owner must be asked about?  Kept for later, then. */
bool ipcp_hold(struct turn *, struct rd pkt);

/* lcp.c */
void lcp_protocol_reject(struct turn *, uint16_t num, struct rd info);
void lcp_keepalive(struct turn *);
void lcp_echo(struct turn *, const uint8_t *data, size_t n);
uint64_t lcp_keepalive_ms(const struct ppp *);
/* The magic number for our Echo packets. */
uint32_t lcp_magic(const struct ppp *);

#endif
