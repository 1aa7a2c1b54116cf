/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dae: culvert-radius's part of RFC 5176.  Requests that come to its sockets are checked
 * and read (daepkt.h), what they ask for is the manager's to do, and its answer is signed here.
 *
 *   client ─ request ─→ socket ─ checks, duplicate? ─→ MSG_DAE → manager
 *          ←─ ACK, NAK ────────── remembered ←──── MSG_DAE_DONE ←─
 *
 * A request is known by its Request Authenticator, which is a sum over all of it and the
 * secret: one that comes again, from wherever, gets the answer that it got, and nothing is
 * done twice.  All are remembered for as long as their Event-Timestamp could be good.
 */
#ifndef CULVERT_DAE_H
#define CULVERT_DAE_H

#include <event2/event.h>

#include "l2tpd/daepkt.h"
#include "l2tpd/peer.h"

struct dae;

/*
 * Clients and their rules are conf's (borrowed, and read anew each time).  nas: says how
 * we may be called, valid until it is asked again.  NULL: no memory.
 */
struct dae *dae_new(struct event_base *, const struct conf *, struct peer *manager,
	void nas(void *arg, struct dae_nas *ret), void *arg);
void dae_free(struct dae *);

/* A bound UDP socket (taken over), that tells where its datagrams were sent to.  It counts from dae_apply() on. */
void dae_socket(struct dae *, const struct addr *at, int fd);

/* Those sockets that came since the last time, and no others.  0 or -ENOMEM. */
MUST_USE int dae_apply(struct dae *);

/* The manager's answer; and a new manager, which was not asked for what its predecessor was. */
void dae_done(struct dae *, const struct msg_dae_done *);
void dae_again(struct dae *);

/* Counters, behind those in *st. */
void dae_counters(const struct dae *, struct msg_stats *st);

#endif
