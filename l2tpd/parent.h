/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parent: starts and watches every other process.  Reads nothing from the
 * network; keeps every socket, so that the slots of the steering never move.
 *
 *   parent.c         children: start, again, and the end
 *   parent_users.c   users files, for auth
 *   reload.c         another configuration while they run (reload.h)
 */
#ifndef CULVERT_PARENT_H
#define CULVERT_PARENT_H

#include <limits.h>
#include <sys/types.h>
#include <time.h>

#include "base/conf.h"
#include "l2tpd/peer.h"
#include "l2tpd/steer.h"

/* Where what runs is, and what outlives it. */
#define PARENT_RUN_DIR "/run/culvert"
#define PARENT_STATE_DIR "/var/lib/culvert"

enum { PARENT_STEERS = CONF_TUNNELS * CONF_LISTENS, PARENT_CHILDREN = CONF_ENGINES_MAX + 5 };

struct parent_opts {
	const char *conf_path;
	const char *run_dir;		/* lock and control socket live here */
	bool foreground;
	bool verbose;
};

struct child_proc {
	enum role role;
	unsigned index;
	char name[16];
	pid_t pid;			/* 0 = not running */
	struct peer peer;
	bool ready;
	uint64_t born_ms;
	uint64_t asked_ms;		/* when MSG_PING was sent that has no answer; 0 = none */
	unsigned backoff_ms;
	struct event *again;		/* starts it again */
	struct parent *parent;
	uint64_t restarts;
};

/* The text of a users file: locked in memory, wiped when it goes. */
struct users_copy {
	char *text;
	size_t n;
};

/* What tells one state of a file from another. */
struct users_id {
	bool there;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

/* The users file of an authentication. */
struct users_file {
	char path[CONF_PATH_MAX];
	bool looked;
	struct users_id seen;		/* at the last look */
	struct users_id told;		/* what auth knows of it … */
	bool told_missing;		/* … or that it is not there */
	uint32_t serial;		/* of what was offered last */
	struct users_copy offered, good;	/* good: what auth took last */
};

enum users_look {
	USERS_POLL,			/* changed, and not in the middle of it */
	USERS_NOW,			/* changed */
	USERS_ALL,			/* all of them */
};

/* Where requests of RADIUS come to. */
struct dae_sock {
	struct addr at;
	int fd;
};

struct parent {
	struct event_base *base;
	struct conf *conf;		/* in force */
	struct reload *reload;
	const struct parent_opts *opts;
	int lock_fd, listen_fd;
	int spool_fd;			/* of accounting; -1 = there is none */
	uint32_t boot;			/* this start of the server */
	char ctl_path[PATH_MAX];
	char ctl_link[PATH_MAX];	/* where culvertctl looks, when the socket is elsewhere; or "" */
	struct steer steer[PARENT_STEERS];
	struct steer_plain plain[PARENT_STEERS];
	unsigned n_steer, n_plain;
	struct dae_sock dae[CONF_DAE_LISTENS * 2];	/* of the configuration in force, and of the one to come */
	unsigned n_dae;
	int table_fd[CONF_ENGINES_MAX];
	uint32_t rows;
	struct child_proc child[PARENT_CHILDREN];
	unsigned n_child;
	struct users_file users[CONF_AUTHS];
	bool look_due;			/* MSG_USERS_LOOK came while a reload runs */
	struct event *timer, *users_timer, *ping_timer;
	bool was_ready;
	unsigned phase;			/* of stopping: 0 = running */
	bool ip_forward;		/* as it was before the first netd */
	int status;
};

/* Run until told to stop. Returns the exit status. conf's secrets are wiped at the end. */
int parent_main(struct conf *conf, const struct parent_opts *);

/* ---- for reload.c ---- */

/* NULL: there is no such child. */
struct child_proc *parent_child(struct parent *, enum role role, unsigned index);
bool parent_is_ready(const struct parent *);	/* every child is */

/* Give a child a configuration, with the secrets that are its business. False: it cannot be told. */
/* The files that RADIUS over TLS needs; one that cannot be opened is left out, and the log says so. False: the channel is full. */
MUST_USE bool parent_send_tls(struct child_proc *radius, const struct conf *);
bool parent_send_conf(struct parent *, struct child_proc *, const struct conf *);

/*
 * The sockets that radius has by this configuration: opened where they are not, false and *ret_bad
 * at the first that cannot be, with -errno in *ret_err; those that it does not name are closed;
 * radius is handed all of them, behind its MSG_CONF.
 */
MUST_USE bool parent_dae_open(struct parent *, const struct conf *, struct addr *ret_bad, int *ret_err);
void parent_dae_trim(struct parent *, const struct conf *);
bool parent_dae_send(struct parent *, struct child_proc *radius, const struct conf *);

/* culvertctl has changed a users file: auth looks, and tells when it has. */
void parent_look(struct parent *);

/* ---- parent_users.c ---- */

/* Hand auth the users files of the configuration in force. */
void parent_send_users(struct parent *, enum users_look);

/* An auth that starts: what its predecessor took last. Before parent_send_users(). */
void parent_remind_users(struct parent *);

void parent_users_taken(struct parent *, const struct msg_users_of *);
void parent_users_free(struct parent *);

/* Tell the service manager that we serve, with extra in the status. */
void parent_tell_serving(struct parent *, const char *extra);

#endif
