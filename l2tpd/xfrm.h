/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xfrm: what parent and netd do with the kernel's ESP (`set esp kernel`).  SAs
 * and the policies that send by them are culvert-iked's; here is whether the
 * kernel can do it at all, what keeps a packet without an SA in, and what is
 * left when nobody else takes it away.
 *
 * Every function needs CAP_NET_ADMIN and blocks only as long as the kernel works
 * on the request.
 */
#ifndef CULVERT_XFRM_H
#define CULVERT_XFRM_H

#include "base/proto.h"
#include "base/util.h"

struct mnl_socket;

struct xfrm {
	struct mnl_socket *nl;		/* NULL = closed */
	uint32_t seq;
};

/* 0 or -errno; -EPROTONOSUPPORT: the kernel has no XFRM. */
MUST_USE int xfrm_open(struct xfrm *ret);
void xfrm_close(struct xfrm *);

/*
 * Can the kernel do all that ESP needs for addresses of that family (4 or 6): an SA
 * in transport mode and UDP that marks what it opens (which is added and taken away),
 * and sockets that tell the mark.  0 or -errno, and *why says it in words.
 */
MUST_USE int xfrm_probe(struct xfrm *, uint8_t family, const char **ret_why);

/*
 * While it is there, nothing with a mark of ours leaves UDP port 1701 that no policy
 * with a higher priority, of an SA, seals.  There already, or gone already, is no error.
 */
MUST_USE int xfrm_guard(struct xfrm *, uint8_t family, bool on);

/* Take away all SAs and policies whose mark has these bits under mask; how many in *ret_n. */
MUST_USE int xfrm_remove(struct xfrm *, uint32_t mark, uint32_t mask, unsigned *ret_n);

/*
 * A socket that sends what has the mark, from the address and port of an engine's
 * socket, and receives nothing.  0 or -errno.
 */
MUST_USE int xfrm_mark_socket(const struct addr *at, uint32_t mark, int *ret_fd);

/* What comes to the socket must have been opened by an SA, and nothing leaves by it. 0 or -errno. */
MUST_USE int xfrm_sealed_only(int fd, uint8_t family);

#endif
