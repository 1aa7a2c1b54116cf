/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data: what the files of the data path share.  What others call is in
 * engine.h.
 *
 *   data_in.c    from the UDP sockets to the TUNs
 *   data_out.c   from the TUNs to the UDP sockets, and who gets his turn
 *   data.c       TUNs that come and go, packets that wait for them
 */
#ifndef CULVERT_DATA_H
#define CULVERT_DATA_H

#include "l2tpd/engine.h"

enum {
	DATA_UDP_HDR = 8, DATA_L2TP_HDR = 6, DATA_L2TP_PORT = 1701,
	DATA_DATAGRAM = 65536,		/* room for any datagram, or super-packet of a TUN */
};

/* Where a session's packets go to: -1 = not there yet. */
static inline int data_tun(const struct sess *s)
{
	if (s->shared)
		return s->routed ? s->shared->fd : -1;
	return s->tun;
}

/* The session that has the address behind this shared TUN, or NULL. */
struct sess *data_by_ip(const struct shared_tun *, uint32_t ip);

/* Is the address in one of the session's networks, beside that of its own? */
bool data_behind(const struct sess *, uint32_t ip);

void in_init(struct engine *);
void out_init(struct engine *);

/* Events of a session's TUN, or a shared one: something can be read. */
void out_tun_readable(evutil_socket_t fd, short what, void *sess);
void out_shared_readable(evutil_socket_t fd, short what, void *shared_tun);

/* Packets that waited in the session go out. */
void in_held(struct sess *);

/* Nothing of the session is queued or listed any more. */
void out_forget(struct sess *);

#endif
