/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw_filter: which packets of IP protocol 50 an engine's raw socket takes, as a
 * program for SO_ATTACH_FILTER.  Pure, so that a test can run it.
 *
 * The first bits of an SPI name its engine (base/proto.h).  Engine 0 also takes
 * what is nobody's: SPIs of no engine, and what is shorter than an SPI; it counts
 * them.
 */
#ifndef CULVERT_RAW_FILTER_H
#define CULVERT_RAW_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>

#include "base/util.h"

enum { RAW_FILTER_LEN = 13 };

/*
 * The program for engine `engine` of `engines`; returns its length, at most
 * RAW_FILTER_LEN.  A raw socket of IPv4 sees the IP header (raw(7)), one of IPv6
 * only what follows all headers (RFC 3542 3).
 */
static inline unsigned short raw_filter(bool v6, unsigned engine, unsigned engines,
	struct sock_filter prog[static RAW_FILTER_LEN])
{
	enum { SPI_LEN = 4, ALL = 0x7fffffff };
	const struct sock_filter p[RAW_FILTER_LEN] = {
		/* X: where ESP begins */
		v6 ? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0)
		   : (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_X, 0, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),			/* shorter than its IP header: the kernel lets none pass */
		BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SPI_LEN, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 26),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, engine, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, engines, 1, 2),
		BPF_STMT(BPF_RET | BPF_K, ALL),
		BPF_STMT(BPF_RET | BPF_K, engine == 0 ? ALL : 0),	/* nobody's */
		BPF_STMT(BPF_RET | BPF_K, 0),			/* another engine's */
	};

	for (unsigned i = 0; i < RAW_FILTER_LEN; i++)
		prog[i] = p[i];
	return RAW_FILTER_LEN;
}

#endif
