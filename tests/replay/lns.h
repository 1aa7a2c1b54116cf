/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lns: one client's flow of a server, made of the pure cores alone and put
 * together as l2tpd/call.c does it, with the time as a number.  For tests.
 *
 * Bytes of UDP payloads go in; what leaves, and what becomes of sessions, is
 * given to the owner's functions in the order in which it happens.
 */
#ifndef CULVERT_TESTS_LNS_H
#define CULVERT_TESTS_LNS_H

#include "l2tpd/flow.h"
#include "ppp/mppe.h"
#include "ppp/ppp.h"

enum { LNS_SESSIONS = 16, LNS_USERS = 4 };

struct lns_session {
	bool used, up;
	uint16_t tunnel, session, peer_tunnel, peer_session, port;
	uint64_t judge_ms;		/* when the verdict comes; PPP_NEVER: none is due */
	struct ppp ppp;
	struct mppe *mppe;		/* owned; NULL: packets are in the clear */
};

struct lns {
	/* The owner's settings, from lns_init()'s defaults on, until the first message. */
	struct l2tp_conf l2tp;
	struct ppp_conf ppp;
	struct {
		char name[64], password[64];
		bool refuse;		/* right, but let in by nobody */
	} user[LNS_USERS];		/* "": none */
	uint32_t ip, ip_local, dns[2], nbns[2];	/* the first user's address; the next ones' follow */
	bool may_choose;
	uint32_t judge_after_ms;	/* what a verdict takes */
	void (*send)(void *ctx, uint16_t port, const uint8_t *, size_t);
	void (*event)(void *ctx, const char *what);
	void *ctx;

	uint64_t now_ms;
	struct l2tp_ids own_ids, *ids;	/* ids: own_ids, or those that several flows share */
	struct l2tp_flow flow;
	struct lns_session sess[LNS_SESSIONS];
	struct rng rng;
	uint32_t no_session, no_frame, ip_early, mppe_bad;	/* data messages that came to nothing */
};

/* What the cores need before anything else. False: this OpenSSL has no MD4, RC4 or the like. */
bool lns_begin(void);

/* Defaults: PAP, CHAP and MS-CHAPv2, MRU 1360 as in culvert.conf, one user "bob" with the password "secret". */
void lns_init(struct lns *, uint64_t seed);

/* A UDP payload from the client's port. */
void lns_input(struct lns *, const void *, size_t n, uint16_t port);

/* Let ms pass; what is due happens at its time. */
void lns_wait(struct lns *, uint64_t ms);

/* The next time that something is due, or PPP_NEVER. */
uint64_t lns_deadline(const struct lns *);

/* An administrator ends all sessions; the server ends. */
void lns_kill(struct lns *, const char *reason);
void lns_shutdown(struct lns *);

unsigned lns_sessions(const struct lns *);
void lns_free(struct lns *);

#endif
