/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fw: netd's side of the firewall: the request that a configuration means,
 * and running the helper program culvert-firewall for it.
 *
 * firewall { off }: no table.  No firewall block at all: the table with every
 * protection, but without NAT.
 */
#ifndef CULVERT_FW_H
#define CULVERT_FW_H

#include "base/conf.h"
#include "base/fwreq.h"
#include "base/util.h"

/*
 * The ports that translated traffic may leave from, given the host's
 * ip_local_port_range: the larger range beside it, from 10000 on.  False when
 * there is none of 4096 ports; then they overlap.
 */
MUST_USE bool fw_nat_ports(uint16_t local_first, uint16_t local_last, uint16_t ret_port[static 2]);

/* Pure.  The request for a configuration whose firewall is not off. */
struct fwreq fw_request(const struct conf *c, const uint16_t nat_port[static 2]);

/* Leave out server addresses that another device of this host has too: others may speak to those. */
void fw_drop_foreign(struct fwreq *r);

/* Read ip_local_port_range.  0 or -errno. */
MUST_USE int fw_local_ports(uint16_t ret_port[static 2]);

/*
 * Run the helper for one request, with its r->n_member members, and wait for it, at most timeout_ms.  What
 * it writes to standard error is logged at level.  0, or -errno: -EIO when it
 * refused or failed, -ETIMEDOUT, -ENOENT when there is no helper.  The
 * kernel's rules are then as they were.
 */
MUST_USE int fw_apply(const struct fwreq *r, const struct fwreq_member *m, unsigned timeout_ms, int level);

/* The same, for a request that takes the table away. */
MUST_USE int fw_remove(unsigned timeout_ms, int level);

#endif
