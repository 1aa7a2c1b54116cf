/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dial_ip: the packets that culvert-dial makes and knows inside the tunnel. Pure. */
#ifndef CULVERT_CTL_DIAL_IP_H
#define CULVERT_CTL_DIAL_IP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rd.h"
#include "base/wr.h"

enum { IP_HEADER = 20, ICMP_HEADER = 8, IP_UDP_HEADER = 8 };

/* A whole packet, addresses in host order: ICMP echo request (RFC 792), or UDP to port 9
 * (RFC 863), with n bytes behind. */
void ip_write_echo(struct wr *, uint32_t src, uint32_t dst, uint16_t id, uint16_t seq, size_t n);
void ip_write_udp(struct wr *, uint32_t src, uint32_t dst, uint16_t port, size_t n);

/* An echo reply to id: its sequence number. false: something else. */
bool ip_read_echo_reply(struct rd packet, uint16_t id, uint16_t *ret_seq);

/* Is the IPv4 packet, which may be anything, a UDP datagram to the discard service (port 9, RFC 863)?
 * Later fragments are none. */
bool ip_is_discard(struct rd packet);

#endif
