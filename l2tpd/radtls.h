/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * radtls: RADIUS over TLS (RFC 6614), without sockets and clocks.  What came from the server goes in, what
 * is to be sent to it comes out, requests go in and replies come out.
 *
 * OpenSSL reads and writes memory only, so that the sandbox need not let it near a descriptor.
 */
#ifndef CULVERT_RADTLS_H
#define CULVERT_RADTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/rd.h"
#include "base/util.h"

/* PEM files: whose certificates count, and how this server proves who it is. */
enum radtls_file { RADTLS_CA, RADTLS_CERT, RADTLS_KEY, RADTLS_FILES };

enum { RADTLS_FILE_MAX = 1 << 20 };	/* bytes of a file */

/* What the servers of one list have in common. */
struct radtls;

/* NULL without memory. */
struct radtls *radtls_new(void);
/* Connections that are there go on. */
void radtls_free(struct radtls *);
/* Take over a file's text.  False: it is no good, *ret_why says why. */
MUST_USE bool radtls_load(struct radtls *, enum radtls_file, struct rd text, const char **ret_why);
/* Is there all that a connection needs: at least one certificate of an authority, and a key for our own? */
MUST_USE bool radtls_ready(const struct radtls *, const char **ret_why);

struct radtls_conn;

/*
 * A connection to a server, whose certificate must be for name, or where that is "" for the
 * address; its handshake begins.  NULL without memory.
 */
struct radtls_conn *radtls_open(struct radtls *, const struct addr *to, const char *name);
void radtls_close(struct radtls_conn *);

/* What came. False: the connection is over, *ret_why (lives as long as it) says why; what came before that is there. */
MUST_USE bool radtls_in(struct radtls_conn *, struct rd, const char **ret_why);
/* Was the handshake done? Before, no request can be given to it. */
bool radtls_is_up(const struct radtls_conn *);
/* The same, also of one that is over. */
bool radtls_was_up(const struct radtls_conn *);
bool radtls_is_over(const struct radtls_conn *);
/* A request. False: it could not be taken. */
MUST_USE bool radtls_put(struct radtls_conn *, struct rd pkt);
/* The next reply, whole by its own length (RFC 2865 3); 0: there is none. It is in the caller's buffer. */
size_t radtls_get(struct radtls_conn *, uint8_t *buf, size_t cap);
/* What is to be sent to the server, and that n bytes of it were. */
struct rd radtls_out(struct radtls_conn *);
void radtls_sent(struct radtls_conn *, size_t n);

#endif
