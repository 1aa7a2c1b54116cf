/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * radcli: the pool of workers that send requests with libradcli.
 *
 * The library blocks until a server has answered or given up on, so each request
 * has a thread.  All of them are in a process of their own, which knows nothing
 * but the request and the secret at hand, speaks to nobody but the relay (radius.c)
 * on the loopback interface, and reports how it ended.  What a reply says is read
 * by the relay, which has checked it.
 */
#ifndef CULVERT_RADCLI_H
#define CULVERT_RADCLI_H

#include <stdint.h>

#include "base/conf.h"
#include "base/util.h"
#include "l2tpd/radpkt.h"

enum { RADCLI_THREADS = 512, RADCLI_ATTRS_MAX = 3000 };

/* One request: over a SOCK_SEQPACKET pair of this machine and build. */
struct radcli_work {
	uint32_t slot;			/* comes back */
	uint16_t port;			/* of the relay, on 127.0.0.1 */
	uint16_t timeout_s;		/* until it is sent again */
	uint8_t code;			/* enum rad_code */
	uint8_t tries;			/* 1…255 */
	uint8_t cookie[RAD_COOKIE];	/* Proxy-State: which request it is, for the relay alone */
	char secret[CONF_SECRET_MAX];
	uint16_t len;
	uint8_t attrs[RADCLI_ATTRS_MAX];	/* as rad_attr_next() reads them */
};

enum radcli_end {
	RADCLI_ANSWERED,		/* whatever the answer is */
	RADCLI_SILENCE,			/* of all tries */
	RADCLI_FAILED,			/* it could not be sent, or libradcli cannot take the answer */
};

struct radcli_done {
	uint32_t slot;
	uint32_t end;			/* enum radcli_end */
};

/*
 * Start the process; *ret_fd: where it takes struct radcli_work, at most
 * RADCLI_THREADS at a time, and answers struct radcli_done in any order (the
 * caller's, non-blocking).  It ends with the caller. 0 or -errno.
 */
MUST_USE int radcli_start(int *ret_fd);

#endif
