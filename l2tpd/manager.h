/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * manager: who is logged in.  Has auth judge logins, applies limits, leases
 * addresses (pool.c), has netd make TUNs, answers culvertctl (control.c), ends those
 * whom a reload has no place for and whose users are gone (manager_reload.c), and ends or
 * changes those that a RADIUS server wants it for (manager_dae.c).
 *
 * All that it knows can be learnt anew: a new manager adopts the sessions in
 * the engines' tables, tells netd which devices are in use, and is asked again
 * for what its predecessor did not answer.  When an engine is replaced, the
 * sessions of the old one end here, from the rows that it left.
 */
#ifndef CULVERT_MANAGER_H
#define CULVERT_MANAGER_H

#include "l2tpd/peer.h"
#include "l2tpd/pool.h"

enum { MANAGER_BUCKETS = 4096 };

/* One session that had a verdict. */
struct msess {
	struct list link;		/* in manager.sessions, oldest first */
	struct list by_id;		/* in manager.by_id[] */
	struct list by_user;		/* in manager.by_user[] */
	unsigned engine;
	struct sid sid;
	uint32_t ppp_id;
	char user[128];
	unsigned tunnel, auth, interface;	/* indices in conf */
	uint32_t ip;			/* 0 = none */
	uint32_t mask;			/* of the network behind ip; 0 = ip alone */
	uint8_t n_routes;
	struct radius_route route[RADIUS_ROUTES_MAX];	/* more networks there */
	unsigned pool;			/* where it is leased: an index in manager.pool; CONF_IPCPS = in none any more */
	bool has_net;			/* so are the other addresses of the network */
	bool has_route;			/* interface tunN: netd was asked for it */
	bool has_unit, has_tun;
	uint32_t unit;			/* of its pppx device */
	uint16_t mtu;
	char filter[CONF_NAME_MAX];	/* of the firewall; "" = none */
	bool filter_told;		/* netd may have it in a filter */
	bool filter_awaited;		/* netd was asked for the one it has now, or for none, and has not said that it is so */
	bool filtered;			/* it is in its filter: its packets may pass */
	bool choosing;			/* its address may change until it is up: nothing is made for it yet */
	unsigned acct;			/* its slot of the accounting spool; SPOOL_SLOTS = none */
	uint64_t interim_ms;		/* when its next Interim is due; 0 = never */
	struct addr peer;		/* where it came from … */
	uint8_t number_len;		/* … and by which number, as RADIUS servers were told */
	uint8_t number[64];
	struct dae_wait *dae, *dae_filter;	/* who waits for its end, for its filter; NULL = nobody */
	bool ending;
};

/* A login that auth has not judged yet. */
struct pending {
	struct list link;		/* in manager.pending */
	bool sent;			/* auth has it, or an older one of the same session */
	bool stale;			/* auth had it by the configuration before */
	struct msg_judge judge;		/* the newest */
};

struct engine_ref {
	struct peer peer;
	const struct sess_row *rows;	/* read-only map of its table */
	uint32_t n_rows;
	struct msess **by_slot;		/* n_rows */
	struct pending **asking;	/* n_rows */
	bool sync_due;			/* MSG_SYNC came before MSG_TABLE */
	bool met;			/* it had a channel once */
	bool synced;			/* its rows are in force */
	enum { SHARED_NONE, SHARED_ASKED, SHARED_LOST, SHARED_FAILED, SHARED_READY } shared[CONF_INTERFACES];
};

struct manager {
	struct event_base *base;
	struct conf conf;
	struct conf *next;		/* of a MSG_CONF, until MSG_APPLY; NULL = none */
	bool have_conf;
	bool running;			/* every engine was synced once: leases are known */
	struct peer parent, netd, auth, iked, radius;
	struct engine_ref engine[CONF_ENGINES_MAX];
	struct pool *pool[CONF_IPCPS];
	struct list sessions;
	struct list by_id[MANAGER_BUCKETS];	/* by ppp_id */
	struct list by_user[MANAGER_BUCKETS];	/* by user and auth */
	uint64_t user_seed;		/* of that hash: users may choose their names */
	struct list pending;
	unsigned n_sessions, n_pending;
	uint32_t next_ppp_id;
	uint8_t *unit_used;		/* bit map of pppx units */
	struct apply *apply;		/* of a reload, or a sweep, that is under way; NULL = none */
	uint32_t sweep_due;		/* authentications: bits */
	bool looked;			/* auth has seen the users files that control_users_end() is about */
	char alarm[CONF_AUTHS][sizeof(((struct msg_alarm *)0)->text)];	/* of users files; "" = none */
	bool apply_due;			/* MSG_APPLY came before it was running */
	struct control *control;
	struct acct *acct;
	struct event *acct_timer;
	struct list dae_waits;
	uint64_t stop_ms;		/* the server ends: until then accounting is told; 0 = it does not */
	bool first_life;		/* no manager of this server was before it */
	struct {
		uint64_t login_ok, login_denied, login_refused, sessions_ended, sessions_lost, sessions_adopted;
		uint64_t lost_in_bytes, lost_out_bytes;	/* of sessions that died with their engine */
	} count;
};

/* Ask the parent for a reload; its lines and its end go to control_reload_…(). False: it cannot be asked. */
bool manager_reload(struct manager *);

/* Have the users files looked at; control_users_end() when that is done. False: the parent cannot be asked. */
bool manager_users_look(struct manager *);

/* Ask the session's engine to end it. */
void manager_kill(struct manager *, struct msess *, const char *reason);
/*
 * Move a session to the filter of that name, or out of any ("").  What it sends from now on is judged by
 * that: netd does it in one step, and the session ends where it cannot.  NULL, or why there is no such filter;
 * then it stays in the one that it has.
 */
const char *manager_filter_set(struct manager *, struct msess *, const char *name);
struct msess *manager_find(struct manager *, uint32_t ppp_id);
/* The session's row as its engine has it; false: it is gone. */
bool manager_row(struct manager *, const struct msess *, struct sess_row *ret);

/* The process. Never returns but by exiting. */
void manager_main(void) __attribute__((noreturn));

/* ---- manager.c, for manager_reload.c: what changes from the configuration old to the manager's ---- */

/* Why the session may not keep the network behind its address, or NULL. */
const char *manager_net_fault(const struct conf *, unsigned interface, uint32_t ip, uint32_t mask);

/* Why a session may not keep these networks (Framed-Route), or NULL. */
const char *manager_routes_fault(const struct conf *, const struct radius_route *, unsigned n);

/* Why a session may not have the filter of that name, or NULL; "" is none, and always to be had. */
const char *manager_filter_fault(const struct conf *, const char *name);

/* Pools; every address that a session still has is leased in the one that has it. */
void manager_pools_renew(struct manager *, const struct conf *old);
/* Devices of interfaces tunN that are new; netd takes away those that are gone. */
void manager_shared_renew(struct manager *, const struct conf *old);
/* Logins that are on their way. */
void manager_logins_renew(struct manager *);

/* ---- manager_reload.c ---- */

/*
 * MSG_APPLY: what MSG_CONF brought is in force from now on.  Sessions that it has
 * no place for end; then auth is asked whether it still knows the others' users.
 * MSG_APPLIED follows when it has answered.
 */
void manager_apply(struct manager *);
/* auth's answer. */
void manager_user_checked(struct manager *, const struct msg_user_checked *);
/* A new auth knows nothing of what its predecessor was asked. */
void manager_check_again(struct manager *);
/*
 * End the sessions of users of these authentications (bits) who may not log in any more,
 * where disconnect-removed says so: as soon as the sessions are known and no reload runs.
 */
void manager_sweep(struct manager *, uint32_t auths);

/* ---- manager_dae.c ---- */

/* What a RADIUS server wants done; MSG_DAE_DONE follows, when sessions that end are gone, and others in their filter. */
void manager_dae(struct manager *, const struct msg_dae *);
/* A session is gone. */
void manager_dae_gone(struct manager *, struct msess *);

/* netd has put the session into the filter that it has; or not: it could not, and the session ends, or another is wanted. */
void manager_dae_filtered(struct manager *, struct msess *, bool ok);
/* A new radius knows nothing of what its predecessor asked. */
void manager_dae_again(struct manager *);

/* ---- control.c ---- */
struct control;

/* Serve culvertctl on the listening socket fd (taken over). 0 or -errno. */
MUST_USE int control_start(struct manager *, int fd, struct control **ret);
void control_free(struct control *);
/* What the parent says of the reload that manager_reload() asked for. */
void control_reload_line(struct control *, const struct msg_line *);
void control_reload_end(struct control *, const struct msg_ctl_end *);
/* The users files that are there are in force, and nothing is left to sweep. */
void control_users_end(struct control *);
/* Who waited for that waits for a new auth. */
void control_users_again(struct control *);
/* A process answered MSG_STATS_REQ. */
void control_stats(struct control *, const char *process, const struct msg_stats *);

#endif
