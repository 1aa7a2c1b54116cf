/* SPDX-License-Identifier: GPL-2.0-or-later */
/* msg: passing the messages of proto.h over SOCK_SEQPACKET. */
#ifndef CULVERT_MSG_H
#define CULVERT_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/proto.h"
#include "base/util.h"

/* One end of a channel. */
struct chan {
	int fd;			/* owned; non-blocking, close-on-exec */
	enum role self, peer;
	uint32_t index;		/* which engine the peer is */
	struct list out;	/* messages that did not fit */
	unsigned n_out;
};

/* How many unsent messages a channel may hold before chan_send() refuses. */
enum { CHAN_QUEUE_MAX = 16384 };

/* The largest body, and a buffer for any message. */
union msg_body {
	struct msg_conf conf;
	struct msg_sock sock;
	struct msg_peer peer;
	struct msg_table table;
	struct msg_users users;
	struct msg_radius_tls radius_tls;
	struct msg_users_missing users_missing;
	struct msg_users_of users_of;
	struct msg_alarm alarm;
	struct msg_spi_new spi_new;
	struct msg_sa_add sa_add;
	struct msg_sa_move sa_move;
	struct msg_sa_del sa_del;
	struct msg_flow flow;
	struct msg_flow_join flow_join;
	struct msg_spi_used spi_used;
	struct msg_sa_expired sa_expired;
	struct msg_sa_use sa_use;
	struct msg_stray stray;
	struct msg_auth_req auth_req;
	struct msg_judge judge;
	struct msg_judged judged;
	struct msg_verdict verdict;
	struct msg_session session;
	struct msg_addr addr;
	struct msg_session_tun session_tun;
	struct msg_tun_add tun_add;
	struct msg_tun_done tun_done;
	struct msg_tun_del tun_del;
	struct msg_shared shared;
	struct msg_shared_done shared_done;
	struct msg_route route;
	struct msg_stats stats;
	struct msg_ctl_req ctl_req;
	struct msg_ctl_row ctl_row;
	struct msg_ctl_counter ctl_counter;
	struct msg_ctl_end ctl_end;
	struct msg_apply apply;
	struct msg_applied applied;
	struct msg_line line;
	struct msg_note note;
	struct msg_user_check user_check;
	struct msg_user_checked user_checked;
	struct msg_radius_ask radius_ask;
	struct msg_radius_said radius_said;
	struct msg_acct acct;
	struct msg_acct_done acct_done;
	struct msg_xauth_req xauth_req;
	struct msg_xauth_done xauth_done;
	struct msg_mark mark;
	struct msg_filter filter;
	struct msg_session_filter session_filter;
	struct msg_dae dae;
	struct msg_dae_done dae_done;
	struct msg_session_set session_set;
};

struct msg {
	uint32_t type;
	uint32_t len;
	int fd;			/* -1, or owned by the receiver: take it or close it */
	union msg_body b;
};

/* Take over fd (made non-blocking). Cannot fail on a valid fd. */
void chan_init(struct chan *, int fd, enum role self, enum role peer, uint32_t index);

/* Close it and drop what was not sent.  A closed channel has fd -1. */
void chan_close(struct chan *);

/* A connected pair for two children: 0 or -errno. */
MUST_USE int chan_pair(int ret_fd[static 2]);

/*
 * Send a message; fd (or -1) is duplicated, the caller keeps its own.  When the
 * socket is full the message waits in the channel until chan_flush().
 * 0, -EPIPE (the peer is gone), -ENOBUFS (the queue is full), -EINVAL (not in
 * the table for this pair of roles, or of another size).
 */
MUST_USE int chan_send(struct chan *, enum msg_type, const void *body, size_t len, int fd);

/* Send what waits, as much as fits. 0 or -EPIPE. */
MUST_USE int chan_flush(struct chan *);

static inline bool chan_waiting(const struct chan *c)
{
	return c->n_out > 0;
}

/*
 * The next message: 1 and *ret filled, 0 when there is none now, -EPIPE when
 * the peer is gone, -EBADMSG for one that the table refuses (dropped; the
 * channel can go on).
 */
MUST_USE int chan_recv(struct chan *, struct msg *ret);

/* Check one received datagram against the table, as chan_recv() does. Pure; for the fuzzer. */
MUST_USE bool msg_check(enum role from, enum role to, const void *data, size_t len, bool has_fd);

const char *msg_name(uint32_t type);

#endif
