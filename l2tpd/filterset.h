/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * filterset: which sessions are in which filter of the firewall, by nfnetlink, for netd.
 *
 * The rules are the helper's (fw.h, firewall/ruleset.c): one transaction of much text.  Who
 * is in a filter changes with every login of such a user; for that the helper would cost
 * a process and all of libnftables, some 10 ms, and a message of 200 octets costs some 20 µs.
 *
 * Every function needs CAP_NET_ADMIN and blocks only as long as the kernel works on the request.
 */
#ifndef CULVERT_FILTERSET_H
#define CULVERT_FILTERSET_H

#include <stdint.h>

#include "base/conf.h"
#include "base/util.h"

struct mnl_socket;

struct filterset {
	struct mnl_socket *nl;
	uint32_t seq;
};

/* 0 or -errno. */
MUST_USE int filterset_open(struct filterset *ret);
void filterset_close(struct filterset *);

/* The verdict of a member whose filter is gone: nothing that it sends passes. */
extern const char filterset_nothing[];

/*
 * Move the network ip (host order, no host bits) with that mask from one filter to another: no
 * packet finds it in neither.  from, to: a filter's name, filterset_nothing, or NULL: none.
 * 0 or -errno: -ENOENT when there is no such table, filter or member.
 */
MUST_USE int filterset_move(struct filterset *, uint32_t ip, uint32_t mask, const char *from, const char *to);

/* name: of its filter, or filterset_nothing. */
typedef void filterset_each_fn(void *ctx, uint32_t ip, uint32_t mask, const char *name);

/* Call each(ctx, …) for every member.  0, also where there is no table of ours, or -errno. */
MUST_USE int filterset_list(struct filterset *, filterset_each_fn *each, void *ctx);

#endif
