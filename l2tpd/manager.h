/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manager: who is logged in.  Judges logins (auth.c), applies limits, leases
 * addresses (pool.c), has netd make TUNs, answers culvertctl (control.c).
 */
#ifndef CULVERT_MANAGER_H
#define CULVERT_MANAGER_H

#include "l2tpd/auth.h"
#include "l2tpd/peer.h"
#include "l2tpd/pool.h"

/* One session that had a verdict. */
struct msess {
	struct list link;		/* in manager.sessions, oldest first */
	struct list by_id;		/* in manager.by_id[] */
	unsigned engine;
	struct sid sid;
	uint32_t ppp_id;
	char user[128];
	unsigned auth, ipcp;
	uint32_t ip;			/* leased; 0 = none */
	bool has_unit;
	uint32_t unit;			/* of its pppx device */
	bool up, ending;
	uint64_t login_ms;
};

enum { MANAGER_BUCKETS = 4096 };

struct engine_ref {
	struct peer peer;
	const struct sess_row *rows;	/* read-only map of its table */
	uint32_t n_rows;
	struct msess **by_slot;		/* n_rows */
};

struct manager {
	struct event_base *base;
	struct conf conf;
	struct peer parent, netd, iked;
	struct engine_ref engine[CONF_ENGINES_MAX];
	struct auth *auth;
	struct pool *pool[CONF_IPCPS];
	struct list sessions;
	struct list by_id[MANAGER_BUCKETS];	/* by ppp_id */
	unsigned n_sessions;
	uint32_t next_ppp_id;
	uint8_t *unit_used;		/* bit map of pppx units */
	struct control *control;
	struct {
		uint64_t login_ok, login_denied, login_refused, sessions_ended;
	} count;
};

/* Ask the session's engine to end it. */
void manager_kill(struct manager *, struct msess *, const char *reason);
struct msess *manager_find(struct manager *, uint32_t ppp_id);

/* The process. Never returns but by exiting. */
void manager_main(void) __attribute__((noreturn));

/* ---- control.c ---- */
struct control;

/* Serve culvertctl on the listening socket fd (taken over). 0 or -errno. */
MUST_USE int control_start(struct manager *, int fd, struct control **ret);
void control_free(struct control *);
/* A process answered MSG_STATS_REQ. */
void control_stats(struct control *, const char *process, const struct msg_stats *);

#endif
