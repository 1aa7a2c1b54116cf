/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lineage: whose packet is it?  Which IKE_SAs are one client's, and which
 * tunnels theirs.
 *
 * A lineage is one IKE_SA: what its Quick Modes made is its own, and nothing
 * else in IKEv1 says that two of them are of the same client.  Each has a root,
 * the flow that its tunnels and sessions are of.  A new lineage is a flow of its
 * own, and without a tunnel: a virgin.  Most send an SCCRQ then, and are their
 * own for good.  But a client that did phase 1 again goes on with the tunnel
 * that it had; before it may, it has to prove that it is the one: a nonce goes
 * to the flow that has the tunnel, over an SA of that flow, in an LCP
 * Echo-Request, and has to come back over an SA of the virgin, in the
 * Echo-Reply.  Whoever can do that holds the keys of both.  Addresses, IKE
 * identities and L2TP ids only choose whom to ask.
 *
 *	virgin ── accepted SCCRQ ──────────────→ own
 *	   │        nonce came back (the join): its lineages get the other root
 *	   └──────────────────────────────────→ gone
 *
 * A client that came by XAuth has no such session: it proves by its name and
 * password that a new IKE_SA is its own, before that has any SA (lin_add_more()).
 *
 * The root of a lineage is written in two places: where the lineage is added,
 * and in the join.  A virgin is nobody's root but its own lineage's, so no join
 * makes a chain.
 *
 * A pure core: what happened and the time go in, effects come out; one
 * allocation per virgin, none per packet.  All state is bounded: LIN_PROBES
 * flows may ever be asked for one virgin, LIN_MISSES wrong ids end its chance,
 * and LIN_LINEAGES are as many as one client keeps.
 */
#ifndef CULVERT_LINEAGE_H
#define CULVERT_LINEAGE_H

#include "base/list.h"
#include "base/proto.h"
#include "base/rd.h"
#include "base/rng.h"

enum {
	LIN_NONCE = 16,
	LIN_CANDIDATES = 8,		/* flows that are asked though the virgin has named none … */
	LIN_NAMED = 4,			/* … and more that it named */
	LIN_PROBES = LIN_CANDIDATES + LIN_NAMED,
	LIN_TRIES = 5,			/* Echo-Requests of one round: at once, then 1, 2, 4 and 8 s later */
	LIN_ROUNDS = 4,			/* for one flow, LIN_AGAIN_MS apart, when the virgin names it again */
	LIN_AGAIN_MS = 5000,
	LIN_FIRST_MS = 300,		/* an SCCRQ comes sooner than this, and nobody is bothered */
	LIN_NONCE_MS = 10000,		/* how long an answer to the last one counts */
	LIN_MISSES = 16,		/* packets for ids of nobody; one more, and it may not join any more */
	LIN_LINEAGES = 4,		/* of one flow; another one, and the oldest has to go */
	LIN_SESSIONS = 8,		/* of one flow that others may be asked through */
	LIN_RATE = 256,			/* Echo-Requests per second for all that share a public address (or its hash) */
	LIN_RATE_WAIT_MS = 100,		/* who is over it waits so long */
	LIN_BUCKETS = 4096,
};

struct lin_flow;

/* One IKE_SA.  Owned by the caller, as is its flow. */
struct lin {
	struct list by_id;		/* in lin_book.by_id[] */
	struct list of_root;		/* in root->lins, oldest first */
	struct lin_flow *root;		/* read by all, written by this core alone */
	struct lineage id;
};

/* A session whose LCP is open. */
struct lin_session {
	uint16_t tunnel, session;	/* ours */
	uint16_t port;			/* the client's inner UDP port */
};

struct lin_join;

/* One client. */
struct lin_flow {
	struct list by_ip;		/* in lin_book.by_ip[] */
	struct list lins;
	uint64_t serial;		/* never used again */
	struct addr first;		/* where it came from */
	struct addr peer;		/* where it was heard last */
	uint32_t conf;			/* what it came by: flows with different ones are never one */
	char ike_id[64];
	bool own;			/* no virgin: it had an SCCRQ */
	uint8_t n_session;
	struct lin_session session[LIN_SESSIONS];
	unsigned pairs;			/* written by the owner: SAs that packets can go and come on */
	struct lin_join *join;		/* owned; NULL unless it may join */
};

enum lin_counter {
	LIN_CNT_PROBES,			/* Echo-Requests with a nonce */
	LIN_CNT_JOINS,
	LIN_CNT_MISSES,			/* packets of virgins for ids of nobody */
	LIN_CNT_BARRED,			/* virgins that had too many of them */
	LIN_COUNTERS,
};

/* All flows of an engine. */
struct lin_book {
	struct rng rng;
	uint64_t serial;
	unsigned n_flow, n_lin;
	uint64_t cnt[LIN_COUNTERS];
	struct list by_id[LIN_BUCKETS], by_ip[LIN_BUCKETS];
	struct lin_rate {
		uint64_t from_ms;
		unsigned sent;
	} rate[LIN_BUCKETS];
};

enum lin_effect_type {
	/*
	 * Send nonce in an Echo-Request of flow's session `at`, on flow's SA: to where
	 * flow was heard, and to `also` if that has a family.  Whose client has moved, or
	 * was moved by its NAT, and went on with the new SA, is not where the old one was;
	 * and what is sealed for flow nobody else can read.
	 */
	LIN_EFF_PROBE,
	LIN_EFF_ASK,			/* flow's place was taken by another: ask whether its client lives */
	LIN_EFF_JOIN,			/* the virgin's lineages are flow's from now on; it has none, free it.  Last */
	LIN_EFF_END,			/* flow has too many lineages: end `lin` */
};

struct lin_effect {
	enum lin_effect_type type;
	struct lin_flow *flow;
	struct lin_session at;
	struct addr also;
	struct lin *lin;
	uint8_t nonce[LIN_NONCE];
};

enum { LIN_EFFECTS = LIN_PROBES + 4 };

/* Filled by each call; the owner calls lin_out_init() before, and works it off in order. */
struct lin_out {
	unsigned n;
	struct lin_effect eff[LIN_EFFECTS];
};

void lin_out_init(struct lin_out *);

/* seed is copied: nonces come from it. */
void lin_book_init(struct lin_book *, const struct rng *seed);

/* A new flow of somebody at peer, without a lineage; a virgin. conf: see there. */
void lin_flow_init(struct lin_book *, struct lin_flow *, const struct addr *peer, uint32_t conf);

/* It ends. Its lineages are the caller's to delete, before. */
void lin_flow_end(struct lin_book *, struct lin_flow *);

/* A new IKE_SA, whose root is flow. */
void lin_add(struct lin_book *, struct lin *, const struct lineage *id, struct lin_flow *);
void lin_del(struct lin_book *, struct lin *);

/*
 * A new IKE_SA whose client has proved, otherwise than by a nonce, that it is
 * flow's.  The flow may have too many now: LIN_EFF_END.
 */
void lin_add_more(struct lin_book *, struct lin *, const struct lineage *id, struct lin_flow *, struct lin_out *);

/* NULL: not known. */
struct lin *lin_find(const struct lin_book *, const struct lineage *id);

/*
 * The first SA of a flow has its keys, and IKE said who the peer is: from now on
 * it may join, if it is a virgin.  Later ones do no harm.
 */
void lin_flow_ready(struct lin_flow *, const char *ike_id, uint64_t now_ms);

/* Flows whose peer has this address are in that list, by_ip, among others. */
const struct list *lin_at(const struct lin_book *, const struct addr *peer);

/* ICV and replay check say that it is at peer now. */
void lin_flow_moved(struct lin_book *, struct lin_flow *, const struct addr *peer);

/* LCP of a session is open (and IPCP); the session ended. */
void lin_session_up(struct lin_flow *, const struct lin_session *);
void lin_session_gone(struct lin_flow *, uint16_t tunnel, uint16_t session);

/* An SCCRQ of the flow was accepted: it is its own now. */
void lin_flow_own(struct lin_book *, struct lin_flow *, struct lin_out *);

/* What a packet of a virgin says. */
struct lin_seen {
	bool control;			/* L2TP control: session does not count */
	uint16_t tunnel, session;	/* ours, it says */
	uint16_t port;			/* inner UDP port that it came from */
	struct rd echo;			/* an LCP Echo-Reply's data, behind the magic number; NULL: it is none */
};

enum lin_way {
	LIN_PASS,			/* it goes its way, inside root's flow */
	LIN_HOLD,			/* keep it: it may be a joined client's */
	LIN_DROP,			/* forget it, without an answer */
};

/*
 * A packet came over an SA of flow: what becomes of it?  After LIN_EFF_JOIN it
 * is LIN_PASS, and flow is the virgin no more: its lineages' root is.  A virgin's
 * packets for its own ids do not exist; control messages with tunnel id 0 pass.
 */
enum lin_way lin_packet(struct lin_book *, struct lin_flow *, const struct lin_seen *, uint64_t now_ms, struct lin_out *);

/* Do what is due; when to come again: UINT64_MAX never. */
void lin_expire(struct lin_book *, struct lin_flow *, uint64_t now_ms, struct lin_out *);
uint64_t lin_deadline(const struct lin_flow *);

/* "lineage_joins" */
const char *lin_counter_name(enum lin_counter);

#endif
