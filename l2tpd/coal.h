/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coal: consecutive packets of a TCP connection or UDP flow, put together into
 * super-packets for a TUN with IFF_VNET_HDR: the other way round of seg.h, so
 * that seg gives back what came in.
 *
 * Packets belong to a key (a session; any pointer).  Only packets that follow
 * each other directly under one key are put together, so a key's packets leave
 * in the order in which they came; up to COAL_KEYS keys are open at a time.
 *
 *	coal_init(&c, write_fn, ctx);
 *	for each packet of a batch
 *		coal_add(&c, key, p, n);
 *	coal_flush(&c);		packets may be freed from here on
 *
 * TCP: both checksums are right, no IP options, no fragment; addresses, ports,
 * TOS, TTL, DF, TCP options, acknowledgment and window are equal, the sequence
 * numbers join, the IP identifications count up, no flags but ACK, and PSH on
 * the last; all of one length, the last may be shorter.  UDP: likewise, with a
 * checksum.  With DF set the identifications may be all equal, too (some
 * systems send 0 there; RFC 6864 4.1 lets them, and nobody may look at them):
 * then they count up when seg, or the kernel, has cut the packet again.
 *
 * What stays alone is written as it came, and nothing is checked.
 */
#ifndef CULVERT_COAL_H
#define CULVERT_COAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "l2tpd/vnet.h"

enum { COAL_KEYS = 8, COAL_SEGS = 64 };

/* What is to be written at once. */
struct coal_out {
	void *key;
	struct iovec *iov;	/* [0] is the struct vnet_hdr */
	unsigned n_iov;
	unsigned packets;	/* as they came … */
	size_t bytes;		/* … and theirs, from the IP header on */
	bool udp;		/* a super-packet of UDP, which Linux takes from 6.2 on */
};

/*
 * Write one.  False: the kernel does not take this super-packet (EINVAL).  coal
 * then gives its packets one by one; and if it has never taken one of UDP, it
 * makes no more of these.
 */
typedef bool coal_write_fn(void *ctx, const struct coal_out *);

/* One that is still growing. */
struct coal_open {
	void *key;		/* NULL = free */
	unsigned n;		/* packets */
	size_t len;		/* bytes of all as one, from the IP header on */
	uint32_t seq;		/* TCP: of the next packet */
	uint16_t step;		/* payload of the first */
	uint16_t hdr;		/* bytes of IP and TCP or UDP header; 0 = nothing may follow the first */
	uint8_t proto;
	bool checked;		/* the first's checksums */
	bool fixed_id, push, full;
	struct vnet_hdr vnet;
	struct iovec iov[1 + COAL_SEGS];
};

struct coal {
	coal_write_fn *write;
	void *ctx;
	bool no_udp, udp_taken;	/* what the kernel showed about super-packets of UDP */
	unsigned turn;		/* the next that has to make room */
	struct coal_open open[COAL_KEYS];
};

void coal_init(struct coal *, coal_write_fn *, void *ctx);

/*
 * One IPv4 packet of n bytes (from 20 to 65535); p stays valid until
 * coal_flush(), and headers in it may be changed.  May call write.
 */
void coal_add(struct coal *, void *key, uint8_t *p, size_t n);

/* Write all that is open. */
void coal_flush(struct coal *);

#endif
