/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fwreq: what netd asks the firewall helper for, on the helper's standard
 * input: one flat value, and behind it those that are in filters.  Both are of one build.  IPv4 addresses and ports
 * are in host order; strings end in NUL.
 */
#ifndef CULVERT_FWREQ_H
#define CULVERT_FWREQ_H

#include <stdint.h>

#include "base/conf.h"

enum {
	FWREQ_MAGIC = 0x63767733,
	FWREQ_RANGES = CONF_IPCPS * CONF_POOLS,
	FWREQ_SERVERS = CONF_INTERFACES,
	FWREQ_SESSION_IFS = 1 + 2 * CONF_INTERFACES,	/* pppx*; tunN and tunN-* */
	FWREQ_PLAINS = CONF_TUNNELS * CONF_LISTENS,
	FWREQ_MEMBERS = 1 << 18,
};

/* What a session may send from, beside what its engine looks at. */
enum fwreq_source {
	FWREQ_SOURCE_ANY,
	FWREQ_SOURCE_POOL,	/* addresses of the pools that are routed to its interface */
	FWREQ_SOURCE_ROUTE,	/* whatever is routed there */
};

/*
 * The names that netd and the helper agree on: netd puts sessions into the sets of a
 * filter by itself, by netlink (filterset.h).
 */
#define FWREQ_TABLE "culvert"
#define FWREQ_CHAIN_PREFIX "filter_"	/* a filter's chain, in front of its name */
#define FWREQ_HOST_PREFIX "host_"	/* its set of addresses */
#define FWREQ_NET_PREFIX "net_"		/* its set of networks */
#define FWREQ_GONE_HOST "gone_host"	/* those of filters that are gone */
#define FWREQ_GONE_NET "gone_net"

/* What of that which comes in on UDP 1701 of the host is dropped, where no plain L2TP is wanted. */
enum fwreq_l2tp {
	FWREQ_L2TP_DROP,	/* all: ESP is opened in user space, so it cannot have been inside */
	FWREQ_L2TP_IPSEC,	/* all that the kernel did not decrypt */
};

struct fwreq_range {
	uint32_t first, last;	/* both included */
};

/* A session's address, or a network behind it, that a filter is for. */
struct fwreq_member {
	uint32_t net, mask;		/* no host bits */
	uint32_t filter;		/* index in fwreq.filter; CONF_FILTERS: its filter is gone, nothing passes */
};

struct fwreq {
	uint32_t magic;			/* FWREQ_MAGIC */
	uint8_t remove;			/* take the table away; the rest is ignored */
	uint8_t nat;
	uint8_t client_to_client;
	uint8_t source_check;		/* enum fwreq_source */
	uint8_t mss_clamp;
	uint8_t l2tp;			/* enum fwreq_l2tp */
	uint16_t ike_port[2];
	uint16_t nat_port[2];		/* first and last port of translated TCP and UDP */
	uint8_t raw_esp;		/* ESP comes without UDP as well */
	uint32_t nat_to;		/* 0: the interface's own address */
	char nat_on[CONF_IFNAME_MAX];
	char session_if[FWREQ_SESSION_IFS][CONF_IFNAME_MAX];	/* the sessions' devices; may end in '*' */
	uint32_t n_session_if, n_pool, n_server, n_plain;
	struct fwreq_range pool[FWREQ_RANGES];	/* the sessions' addresses, in any order */
	uint32_t server[FWREQ_SERVERS];	/* our ends of the sessions, on no other device */
	struct addr plain[FWREQ_PLAINS];	/* where plain L2TP is wanted: with ports; 0.0.0.0 and :: = everywhere */
	uint32_t n_filter, n_rule;
	struct conf_filter filter[CONF_FILTERS];
	struct conf_rule rule[CONF_RULES];
	uint32_t n_member;		/* so many struct fwreq_member follow */
};

#endif
