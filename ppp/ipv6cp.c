/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IPV6CP (RFC 5072): interface identifiers, and nothing but these; the
 * compression protocol of 4.2 has no row and is rejected.  It is off unless
 * ppp_conf.ipv6 is set, and then rejected as a protocol.  Addresses are not
 * its to give: what would announce them begins where ipv6cp_up() is.
 */
#include "ppp/fsm.h"
#include "ppp/proto.h"

enum { OPT_IDENTIFIER = 1 };

static uint64_t rd_id(struct rd *r)
{
	uint64_t hi = rd_u32(r);

	return hi << 32 | rd_u32(r);
}

static void wr_id(struct wr *w, uint64_t id)
{
	wr_u32(w, (uint32_t)(id >> 32));
	wr_u32(w, (uint32_t)id);
}

/* RFC 5072 4.1: of random bits, it "MUST" have the universal/local bit 0; and is none that is in use. */
static uint64_t new_id(struct ppp *p)
{
	uint64_t id;

	do {
		uint64_t hi = rng_u32(&p->rng);

		id = (hi << 32 | rng_u32(&p->rng)) & ~(UINT64_C(2) << 56);
	} while (!id || id == p->if_id || id == p->peer_if_id);
	return id;
}

void ipv6cp_begin(struct ppp *p)
{
	p->peer_if_id = 0;
	p->if_id = new_id(p);
}

static bool id_ask(const struct ppp *p, struct wr *w)
{
	wr_id(w, p->if_id);
	return true;
}

/* The hint is what to use, unless it is nothing or the peer's own. */
static bool id_nak(struct turn *t, struct rd hint)
{
	struct ppp *p = t->p;
	uint64_t id = rd_id(&hint);

	p->if_id = id && id != p->peer_if_id ? id : new_id(p);
	return true;
}

/* RFC 5072 4.1: zero, or the same as ours, is Nak'ed with another; two zeros cannot be, ours is none. */
static enum opt_verdict id_judge(struct turn *t, struct rd val, struct wr *want)
{
	struct ppp *p = t->p;
	uint64_t id = rd_id(&val);

	if (!val.bad && id && id != p->if_id)
		return OPT_ACK;
	if (!p->peer_if_id)
		p->peer_if_id = new_id(p);
	wr_id(want, p->peer_if_id);
	return OPT_NAK;
}

static void id_set(struct ppp *p, struct rd val)
{
	p->peer_if_id = rd_id(&val);
}

static bool id_wanted(const struct ppp *p)
{
	return true;
}

static const struct ppp_opt ipv6cp_opts[] = {
	{ .type = OPT_IDENTIFIER, .len = 8, .ask = id_ask, .nak = id_nak, .judge = id_judge, .set = id_set,
		.wanted = id_wanted },
};

static bool ipv6cp_enabled(const struct ppp *p)
{
	return p->conf->ipv6;
}

static bool ipv6cp_optional(const struct ppp *p)
{
	return true;
}

static void ipv6cp_defaults(struct ppp *p)
{
}

/* No packet may pass: there is no address family behind it yet. */
static void ipv6cp_up(struct turn *t)
{
}

static void ipv6cp_down(struct turn *t)
{
}

static void ipv6cp_finished(struct turn *t)
{
}

const struct ppp_proto ipv6cp_proto = {
	.name = "IPV6CP", .num = PPP_IPV6CP, .phases = 1u << PPP_NETWORK, .fsm = PPP_FSM_IPV6CP,
	.enabled = ipv6cp_enabled, .optional = ipv6cp_optional, .opts = ipv6cp_opts, .n_opts = N_ELEMENTS(ipv6cp_opts),
	.defaults = ipv6cp_defaults, .up = ipv6cp_up, .down = ipv6cp_down, .finished = ipv6cp_finished,
};
