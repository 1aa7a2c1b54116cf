/* SPDX-License-Identifier: GPL-2.0-or-later */
/* match: which `ike` statement is for a pair of addresses. Pure. */
#ifndef CULVERT_MATCH_H
#define CULVERT_MATCH_H

#include "base/conf.h"

/* True when statement i can serve anybody: it has a key. */
bool match_usable(const struct conf_ike *);

/*
 * The index of the statement for a peer at `peer` that speaks to our address
 * `local` (ports do not count): the longest network in "to" wins, then a
 * "from" that names our address, then the one written first.  -1 when none is.
 */
int match_ike(const struct conf *, const struct addr *local, const struct addr *peer);

#endif
