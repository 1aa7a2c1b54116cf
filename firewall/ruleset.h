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

/* More than any valid request needs. */
enum { RULESET_MAX = 32768 };

/*
 * Whether r may be acted on: NULL, or what is wrong with it.  r may hold any
 * bytes; strings need not end.
 */
const char *fwreq_check(const struct fwreq *r);

/*
 * Append the text for a request that passed fwreq_check(), without a final
 * NUL.  It replaces a table that is already there, in one transaction.  Sets
 * w->bad when it does not fit.
 */
void ruleset_build(const struct fwreq *r, struct wr *w);

#endif
