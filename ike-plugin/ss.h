/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The one place where culvert's base and strongSwan's headers meet. */
#ifndef CULVERT_SS_H
#define CULVERT_SS_H

/* Both have an AUTH_NONE, 0 in both: ours goes by another name here. */
#define AUTH_NONE PROTO_AUTH_NONE
#include "base/log.h"
#include "base/msg.h"
#undef AUTH_NONE

#include <library.h>
#include <daemon.h>

#include "ike-plugin/compat.h"

/* An address as strongSwan has it, and back. */
static inline struct addr addr_of_host(host_t *h)
{
	return addr_from_sa(h->get_sockaddr(h));
}

/* The caller destroys it; NULL for an address of no family. */
static inline host_t *host_of_addr(const struct addr *a)
{
	struct sockaddr_storage ss;

	return addr_to_sa(a, &ss) ? host_create_from_sockaddr((sockaddr_t *)&ss) : NULL;
}

#endif
