/* SPDX-License-Identifier: GPL-2.0-or-later */
/* peer: a channel to another process, driven by the event loop. */
#ifndef CULVERT_PEER_H
#define CULVERT_PEER_H

#include <event2/event.h>

#include "base/msg.h"

struct peer;

/*
 * One message came.  m->fd is the callback's to take (set it to -1) or is
 * closed after it returned.  The callback may close the peer.
 */
typedef void peer_msg_cb(struct peer *, struct msg *m, void *arg);
/* The other end is gone; the peer is closed already. */
typedef void peer_gone_cb(struct peer *, void *arg);

struct peer {
	struct chan c;			/* c.fd is -1 while closed */
	struct event *rd, *wr;
	peer_msg_cb *on_msg;
	peer_gone_cb *on_gone;
	void *arg;
	uint64_t bad;			/* messages that the table refused */
};

/* Take over fd. 0 or -ENOMEM (fd is closed then). */
MUST_USE int peer_open(struct peer *, struct event_base *, int fd, enum role self, enum role role,
	uint32_t index, peer_msg_cb *, peer_gone_cb *, void *arg);
void peer_close(struct peer *);

static inline bool peer_is_open(const struct peer *p)
{
	return p->rd != NULL;
}

/*
 * Send, or keep for later (chan_send()).  False when the message is lost: the
 * peer is gone or its queue full; logged here.
 */
bool peer_send(struct peer *, enum msg_type, const void *body, size_t len, int fd);

/* Handle what has come, now rather than in the loop's order. Not from a message's callback. */
void peer_poll(struct peer *);

/* Send what waits, blocking for at most ms; for a process that is about to exit. */
void peer_drain(struct peer *, int ms);

#endif
