/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * table: the clients (lineages) and SAs of this iked, and who has which SPI.
 *
 * A lineage is made the first time that its IKE_SA is seen: SAs stay with the
 * lineage whose Quick Mode made them, even when charon hands them to another
 * IKE_SA (a client that did phase 1 again, or somebody else to whom a NAT gave the
 * same port).  Which of the two it was, an engine may find out and say.
 *
 * Plain data without locks, clock or charon; the caller holds one lock over
 * every call and over the pointers it gets.
 */
#ifndef CULVERT_TABLE_H
#define CULVERT_TABLE_H

#include "base/list.h"
#include "base/proto.h"
#include "ike-plugin/mark.h"
#include "ike-plugin/spi.h"

enum lin_login {			/* of a client that comes by XAuth */
	LOGIN_NONE,			/* nothing was asked, or not yet answered */
	LOGIN_ASKED,			/* its engine was asked */
	LOGIN_GOOD,
	LOGIN_BAD,
};

/* What a good login brings. Addresses in host order. */
struct lin_lease {
	uint32_t ip, dns[2], nbns[2];
};

/* One client. */
struct lin {
	struct list by_uid, by_id, by_ip;
	struct list sas;
	unsigned n_sa;
	struct lineage id;
	uint64_t client;		/* the same for lineages that proved to be one client's */
	uint32_t uid;			/* charon's unique id of its IKE_SA */
	uint64_t spi_i, spi_r;		/* that IKE_SA's, as charon has them; 0 until its login or first Quick Mode */
	bool ike_gone;			/* that IKE_SA is no more */
	bool ike_deleted;		/* by a DELETE */
	bool announced;			/* its engine knows it */
	bool placed;			/* engine is valid */
	unsigned engine;
	struct addr peer;		/* last seen there; indexed while it has SAs */
	enum lin_login login;
	struct lin_lease lease;		/* LOGIN_GOOD */
	uint32_t mark;			/* of its SAs in the kernel; 0 = ESP is not there */
	unsigned n_kernel_out;		/* outbound SAs that the kernel has, … */
	struct addr policy_local, policy_peer;	/* … and the policy that sends to them; family 0 = none */
};

/* One pair of SAs, from the moment its inbound SPI is allocated. */
struct sa {
	struct list by_spi, by_out, of_lin;
	struct lin *lin;
	uint32_t spi;			/* inbound, host order */
	uint32_t out_spi;
	/*
	 * The addresses under which charon will name them: an address change
	 * reaches the two directions one after the other.
	 */
	struct addr local, peer, out_peer;
	bool in, out;			/* installed */
	bool in_gone;			/* charon deleted the inbound one */
	struct {			/* what the kernel has, and under which addresses (xfrm.c) */
		bool in, out;
		struct addr in_local, in_peer, out_local, out_peer;
		bool moving;		/* its news of another address is being worked at */
	} kernel;
	uint64_t bytes, packets, last_s;
};

enum { TABLE_BUCKETS = 8192 };

struct table {
	uint64_t epoch, counter;
	uint64_t seed;			/* of the hashes */
	unsigned n_engines;
	struct spi_pool *pool[SPI_ENGINES];
	struct marks *marks;		/* owned; NULL = ESP is in user space. Set by the owner before the first SA */
	bool alive[SPI_ENGINES];	/* its channel is open; set by the owner */
	unsigned n_lin, n_sa;
	struct list by_uid[TABLE_BUCKETS], by_id[TABLE_BUCKETS], by_ip[TABLE_BUCKETS], by_spi[TABLE_BUCKETS], by_out[TABLE_BUCKETS];
};

/* What the owner must tell when something ended. */
struct table_end {
	bool flow_end;			/* MSG_FLOW_END is due */
	bool deleted;			/* for it: by a DELETE */
	struct lineage lineage;
	unsigned engine;
};

/* epoch, seed: random.  NULL without memory. */
struct table *table_new(uint64_t epoch, uint64_t seed, unsigned n_engines);
void table_delete(struct table *);

/* The lineage of an IKE_SA, made if there is none yet. NULL without memory. */
struct lin *table_lin(struct table *, uint32_t uid);
struct lin *table_lin_by_id(struct table *, const struct lineage *);

/*
 * An SPI for a new SA of lin, in lin's engine; the lineage's first one decides
 * that: the engine of another client at the same address (it may be the same
 * client after a new phase 1), else by hash of the address.  NULL when no
 * engine is alive or its slots are used up.  rnd: random, for the generation.
 */
struct sa *table_sa_new(struct table *, struct lin *lin, const struct addr *local,
	const struct addr *peer, uint32_t rnd);

/* The same for an SPI that was freed a moment ago; NULL when it cannot be had again. */
struct sa *table_sa_again(struct table *, struct lin *lin, const struct addr *local,
	const struct addr *peer, uint32_t spi);

struct sa *table_sa(struct table *, uint32_t spi);

/* Give the outbound SA of a pair its SPI. */
void table_out_set(struct table *, struct sa *, uint32_t out_spi, const struct addr *peer);

/*
 * The pair with this outbound SPI towards peer.  Two clients may well use the
 * same one, even from one address: then the pair whose inbound SA has just
 * been deleted, then one of the IKE_SA uid, then any.
 */
struct sa *table_sa_by_out(struct table *, uint32_t out_spi, const struct addr *peer, uint32_t uid);

/* charon now names the outbound SA by another address. */
void table_out_move(struct table *, struct sa *, const struct addr *peer);

/* The client of a live lineage was proved to be at peer. */
void table_lin_move(struct table *, struct lin *, const struct addr *peer);

/* Choose its engine, if it has none. False: none is alive, or its own is not. */
bool table_place(struct table *, struct lin *, const struct addr *peer);

/* Are these two, by their counters, lineages of one client? */
bool table_same_client(struct table *, uint64_t a, uint64_t b);

/* Two lineages proved to be one client's. */
void table_join(struct table *, const struct lineage *, const struct lineage *root);

/* Is the IKE_SA uid, which is there, the client's that made the SA? Not if that only holds it. */
bool table_is_client(struct table *, uint32_t uid, const struct sa *);

/* Inbound SPIs of SAs that the Quick Modes of IKE_SA uid made, with this outbound SPI; how many. */
unsigned table_made(struct table *, uint32_t uid, uint32_t out_spi, uint32_t *ret, unsigned max);

/* One direction is deleted; sa is gone after the second one. */
struct table_end table_in_del(struct table *, struct sa *);
struct table_end table_out_del(struct table *, struct sa *);

/* The IKE_SA is destroyed. */
struct table_end table_ike_gone(struct table *, uint32_t uid);
/* A DELETE is about to end it. */
void table_ike_deleted(struct table *, uint32_t uid);

/* Has any client at this address (its port does not count) an SA? */
bool table_has_sa_at(struct table *, const struct addr *);

/* An SPI that the engine says it has, from an earlier iked: do not hand it out. */
void table_reserve(struct table *, uint32_t spi);

/* … and that it has dropped it. */
void table_unreserve(struct table *, uint32_t spi);

#endif
