/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/match.h"

#include <string.h>

/* True when the first prefix bits of a and net are the same, and both are of one family. */
static bool in_net(const struct addr *a, const struct addr *net, unsigned prefix)
{
	unsigned whole = prefix / 8, rest = prefix % 8;

	if (a->family != net->family || prefix > (a->family == 4 ? 32u : 128u))
		return false;
	if (memcmp(a->ip, net->ip, whole))
		return false;
	return !rest || !((a->ip[whole] ^ net->ip[whole]) >> (8 - rest));
}

bool match_usable(const struct conf_ike *k)
{
	return k->psk_len > 0 && k->psk_len <= sizeof(k->psk);
}

int match_ike(const struct conf *c, const struct addr *local, const struct addr *peer)
{
	int best = -1, best_to = -1, best_from = -1;

	for (unsigned i = 0; i < c->n_ike && i < CONF_IKES; i++) {
		const struct conf_ike *k = &c->ike[i];
		/* "any" is less than the network 0.0.0.0/0, which names a family. */
		int to = k->to.family ? 1 + k->to_prefix : 0;
		int from = k->from.family && !addr_is_any(&k->from);

		if (!match_usable(k) || (k->to.family && !in_net(peer, &k->to, k->to_prefix)) ||
		    (from && !addr_ip_eq(local, &k->from)))
			continue;
		if (to > best_to || (to == best_to && from > best_from)) {
			best = (int)i;
			best_to = to;
			best_from = from;
		}
	}
	return best;
}
