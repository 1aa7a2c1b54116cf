/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proxy: charon's configuration objects, shared by all clients of a rule and yet
 * with one name for each.
 *
 * charon tells the SAs of one client from another's by their configurations'
 * names, so every client needs one of its own (backend.c).  A whole one is some
 * 7 KB of proposals, lists and locks, ten times a proxy, and takes as long to
 * put together as it takes a quarter of Main Mode.
 */
#ifndef CULVERT_PROXY_H
#define CULVERT_PROXY_H

#include "ike-plugin/ss.h"

/*
 * A peer_cfg_t that says what base does, but has for its only child one that
 * says what base's only child does, under another name.  Takes references of
 * its own.
 */
peer_cfg_t *proxy_new(peer_cfg_t *base, child_cfg_t *base_child, const char *child_name);

/*
 * The same for one of which charon may not decide by itself whose it is: it is
 * equal to another when same(its lineage, the other's) says so.
 */
typedef bool proxy_same_fn(uint64_t a, uint64_t b);
peer_cfg_t *proxy_new_own(peer_cfg_t *base, child_cfg_t *base_child, const char *child_name, uint64_t lineage,
	proxy_same_fn *same);

#endif
