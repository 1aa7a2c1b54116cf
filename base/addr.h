/* SPDX-License-Identifier: GPL-2.0-or-later */
/* addr: an IPv4 or IPv6 address with a port, of fixed size and without padding, so that it
 * can be sent, stored and compared as bytes. */
#ifndef CULVERT_ADDR_H
#define CULVERT_ADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/util.h"

struct addr {
	uint8_t family;		/* 0 none, 4 or 6 */
	uint8_t zero;
	uint16_t port;		/* host order */
	uint8_t ip[16];		/* network order; IPv4 in the first four, the rest 0 */
};

/* "[v6]:port" and a NUL. */
#define ADDR_STRLEN 56

struct addr addr_from_sa(const struct sockaddr *sa);

/* Fill *ss; returns its length, 0 for family 0. */
socklen_t addr_to_sa(const struct addr *a, struct sockaddr_storage *ss);

/* IPv4 from host order, and back (0 when not IPv4). */
struct addr addr_v4(uint32_t ip, uint16_t port);
uint32_t addr_v4_of(const struct addr *a);

bool addr_eq(const struct addr *a, const struct addr *b);	/* address and port */
bool addr_ip_eq(const struct addr *a, const struct addr *b);	/* address only */
bool addr_is_any(const struct addr *a);

/* The last 32 bits of the address, as a number; the address so many further on, within these bits. */
uint32_t addr_low(const struct addr *a);
struct addr addr_nth(const struct addr *a, uint32_t n);

/* A numeric address; port as given. */
MUST_USE bool addr_parse(const char *s, uint16_t port, struct addr *ret);

/* "1.2.3.4:4500", "[2001:db8::1]:4500"; without the port when it is 0. Returns buf. */
const char *addr_str(const struct addr *a, char buf[static ADDR_STRLEN]);

/* "1.2.3.4" from host order. Returns buf. */
const char *ip4_str(uint32_t ip, char buf[static ADDR_STRLEN]);

#endif
