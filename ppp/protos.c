/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The protocols of a link and when each may speak.  What has no row is answered
 * with Protocol-Reject once LCP is open, its packets unread; what has one but
 * comes in the wrong phase is dropped, unread as well.
 */
#include <stddef.h>

#include "ppp/auth.h"

#define IN(phase) (1u << (phase))

static const struct ppp_proto pap_proto = {
	.name = "PAP", .num = PPP_PAP, .phases = IN(PPP_AUTHENTICATE) | IN(PPP_NETWORK),
	.input = pap_input,
};

/* Into the network phase: RFC 1994 4.1, a Response may come again when its answer was lost. */
static const struct ppp_proto chap_proto = {
	.name = "CHAP", .num = PPP_CHAP, .phases = IN(PPP_AUTHENTICATE) | IN(PPP_NETWORK),
	.input = chap_input,
};

/* Like CHAP. An authentication protocol out of place is dropped, not rejected: RFC 1661 3.5. */
static const struct ppp_proto eap_proto = {
	.name = "EAP", .num = PPP_EAP, .phases = IN(PPP_AUTHENTICATE) | IN(PPP_NETWORK), .input = eap_input,
};

/* The owner's; one that comes here came too early. */
static const struct ppp_proto ip_proto = { .name = "IP", .num = PPP_IP };
static bool speaks_ipv6(const struct ppp *p)
{
	return p->conf->ipv6;
}

/* Dropped where IPV6CP is spoken, until it is somebody's; else rejected. */
static const struct ppp_proto ipv6_proto = { .name = "IPv6", .num = PPP_IPV6, .enabled = speaks_ipv6 };

static const struct ppp_proto *const protos[] = {
	&lcp_proto, &pap_proto, &chap_proto, &eap_proto, &ipcp_proto, &ccp_proto, &ipv6cp_proto,
	&ip_proto, &ipv6_proto,
};

const struct ppp_proto *const ppp_ncps[] = { &ccp_proto, &ipcp_proto, &ipv6cp_proto, NULL };

const struct ppp_proto *proto_find(uint16_t num)
{
	for (unsigned i = 0; i < N_ELEMENTS(protos); i++)
		if (protos[i]->num == num)
			return protos[i];
	return NULL;
}
