/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proxy: a link whose LCP, and maybe authentication, somebody else did before
 * it came here: a LAC (RFC 2661 4.4.5, Proxy LCP and Authentication AVPs).
 */
#ifndef CULVERT_PPP_PROXY_H
#define CULVERT_PPP_PROXY_H

#include "ppp/ppp.h"

struct ppp_proxy {
	struct rd sent;			/* options of the last Configure-Request that the LAC sent, and was acked */
	struct rd received;		/* the same of the peer's, which the LAC acked */
	uint8_t methods;		/* PPP_AUTH_ bits: what the peer's answer below can be; 0 = there is none */
	uint8_t ident;			/* of the Challenge, or of the PAP request */
	struct rd name, challenge, response;	/* as in struct ppp_auth_req */
};

/*
 * In place of ppp_start(), on the authenticator's side: LCP is open as the LAC
 * agreed on, if that is what we could have agreed on ourselves; the peer's
 * answer is judged (PPP_EFF_AUTH), or it is asked for one.  False: it is not,
 * and nothing happened.  The readers are borrowed for the call only.
 */
MUST_USE bool ppp_start_proxy(struct ppp *, const struct ppp_proxy *, uint64_t now_ms, struct ppp_out *);

#endif
