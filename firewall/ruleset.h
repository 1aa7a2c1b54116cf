/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ruleset: a firewall request becomes the text of one nft(8) transaction.
 * Pure: no file, no clock, no kernel.
 */
#ifndef CULVERT_RULESET_H
#define CULVERT_RULESET_H

#include "base/fwreq.h"
#include "base/util.h"
#include "base/wr.h"

/* More than any valid request needs, and each of its members. */
enum { RULESET_MAX = 128 * 1024, RULESET_MEMBER_MAX = 128 };

/*
 * Whether r may be acted on: NULL, or what is wrong with it.  r may hold any
 * bytes; strings need not end.
 */
const char *fwreq_check(const struct fwreq *r);

/* The same of its members: r passed fwreq_check(), and r->n_member of them are at m. */
const char *fwreq_check_members(const struct fwreq *r, const struct fwreq_member *m);

/*
 * Append the text for a request that passed both, without a final
 * NUL.  It replaces a table that is already there, in one transaction.  Sets
 * w->bad when it does not fit.
 */
void ruleset_build(const struct fwreq *r, const struct fwreq_member *m, struct wr *w);

#endif
