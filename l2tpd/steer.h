/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steer: the sockets of one local address, and which process a packet goes to.
 *
 * UDP 500 is iked's.  UDP 4500 is a SO_REUSEPORT group: member 0 is iked's,
 * member 1 + E engine E's.  A socket filter on the first word of the payload
 * chooses: 0 (the non-ESP marker, RFC 3948 2.2) and anything shorter than a
 * word is iked's, else the word is an SPI and names its engine.  A single octet
 * (NAT-keepalive, 2.3) is for engine 0, which counts it.
 * Members are never closed while the server runs: the kernel would renumber
 * them.
 *
 * ESP without UDP (IP protocol 50, `set raw-esp yes`) comes to a raw socket of
 * each engine.  The kernel gives every raw socket a copy of every packet, so each
 * has a filter of its own (raw_filter.h), locked: an engine that was taken over
 * sees no other engine's packets.
 * With ESP in the kernel UDP 4500 is iked's alone: the kernel takes ESP out of it
 * before.  What it opened comes to a group on UDP 1701, one member for each engine;
 * a filter on its mark chooses.  Such a socket takes nothing that no SA opened.
 * The sockets that answer (netd makes them) are members, too, that are never chosen.
 *
 * Plain L2TP has a group of its own, one member for each engine, among which
 * the kernel chooses by the addresses and ports of both ends: a client is
 * always the same engine's.
 */
#ifndef CULVERT_STEER_H
#define CULVERT_STEER_H

#include "base/proto.h"
#include "base/util.h"

enum { STEER_IKE_PORT = 500, STEER_NATT_PORT = 4500, STEER_L2TP_PORT = 1701 };

struct steer {
	struct addr at;				/* port 0 */
	int ike_500;				/* -1 where not open */
	int group[1 + CONF_ENGINES_MAX];	/* [0] iked's */
	unsigned n_group;
	int raw[CONF_ENGINES_MAX];		/* [E] engine E's */
	unsigned n_raw;
	int l2tp[CONF_ENGINES_MAX];		/* ESP in the kernel: what it opened */
	unsigned n_l2tp;
};

struct steer_plain {
	struct addr at;
	int group[CONF_ENGINES_MAX];
	unsigned n_group;
};

/*
 * Bind everything for address `at`, with raw sockets if raw.  0 or -errno;
 * -EADDRINUSE when another program has one of the ports (*ret_port says which; 0:
 * it was a raw socket that failed).
 */
MUST_USE int steer_open(struct steer *, const struct addr *at, unsigned engines, bool raw, uint16_t *ret_port);

/* The same with ESP in the kernel, which does that in UDP alone. */
MUST_USE int steer_open_kernel(struct steer *, const struct addr *at, unsigned engines, uint16_t *ret_port);
void steer_close(struct steer *);

/* The same for plain L2TP at an address and port. */
MUST_USE int steer_plain_open(struct steer_plain *, const struct addr *at, unsigned engines);
void steer_plain_close(struct steer_plain *);

/*
 * A socket for requests of RADIUS, at an address and port.  again: one of ours may have that port
 * at another address already, be it at all of them.  0 or -errno.
 */
MUST_USE int steer_dae_open(const struct addr *at, bool again, int *ret_fd);

#endif
