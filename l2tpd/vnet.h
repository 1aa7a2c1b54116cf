/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vnet: what stands in front of each packet of a TUN with IFF_VNET_HDR (virtio
 * 1.1, 5.1.6): how far a packet's checksum is done, and whether it is a
 * super-packet, many segments under one header.
 *
 * struct vnet_hdr is laid out as the kernel has it, in the machine's own order,
 * so that it can be read and written as it is, by readv and writev.
 */
#ifndef CULVERT_VNET_H
#define CULVERT_VNET_H

#include <stdint.h>

enum { VNET_HDR = 10 };				/* bytes of it */

enum { VNET_F_NEEDS_CSUM = 1 };			/* flags: the checksum field has the pseudo-header's sum only */

enum {						/* gso_type */
	VNET_GSO_NONE = 0, VNET_GSO_TCPV4 = 1, VNET_GSO_UDP_L4 = 5,
	VNET_GSO_ECN = 0x80,			/* or'ed: the first segment has CWR, the others not */
};

struct vnet_hdr {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;			/* IP and TCP or UDP header; a hint */
	uint16_t gso_size;			/* bytes behind the headers of each segment */
	uint16_t csum_start;			/* what is summed begins here … */
	uint16_t csum_offset;			/* … and the field is so many bytes behind that */
};

_Static_assert(sizeof(struct vnet_hdr) == VNET_HDR, "the kernel's layout");

#endif
