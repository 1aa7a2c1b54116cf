/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IPCP: RFC 1332, and the name server addresses of RFC 1877.  The authenticator
 * gives addresses (those of its verdict), the peer takes them.  Anything else,
 * Van Jacobson compression included, is rejected: it has no row. */
#include <string.h>

#include "ppp/auth.h"
#include "ppp/fsm.h"

static bool addr_ask(const struct ppp *p, struct wr *w)
{
	wr_u32(w, p->ip_local);
	return p->ip_local || !p->conf->authenticator;
}

/* RFC 1332 3.3: the hint is the address to use. Ours as a server is not the peer's to choose. */
static bool addr_nak(struct turn *t, struct rd hint)
{
	uint32_t ip = rd_u32(&hint);

	if (!t->p->conf->authenticator && ip)
		t->p->ip_local = ip;
	return true;
}

enum { OPT_ADDRESS = 3 };

/*
 * The peer may choose, and chooses another address than it was given: whether it
 * is free is not for us to know, so the request waits as it is for
 * ppp_address().  0.0.0.0 and a request that is too long get ours at once.
 */
bool ipcp_hold(struct turn *t, struct rd pkt)
{
	struct ppp *p = t->p;
	struct rd whole = pkt, val;
	uint8_t code = rd_u8(&pkt);
	uint16_t len;
	uint32_t ip;

	rd_skip(&pkt, 1);
	len = rd_u16(&pkt);
	pkt = rd_sub(&pkt, len < 4 ? SIZE_MAX : len - 4u);
	if (!p->may_choose || code != CONFIGURE_REQUEST || pkt.bad || whole.n > sizeof(p->held) ||
	    p->fsm[PPP_FSM_IPCP].state <= FSM_STARTING || !opt_find(pkt, OPT_ADDRESS, &val))
		return false;
	ip = rd_u32(&val);
	if (val.bad || !ip || ip == p->ip_remote)
		return false;
	memcpy(p->held, whole.p, whole.n);
	p->held_len = (uint8_t)whole.n;
	p->ip_wanted = ip;
	turn_effect(t, PPP_EFF_ADDR);
	return true;
}

static enum opt_verdict addr_judge(struct turn *t, struct rd val, struct wr *want)
{
	struct ppp *p = t->p;
	uint32_t ip = rd_u32(&val);

	if (!p->conf->authenticator)
		return ip ? OPT_ACK : OPT_REJECT;
	if (ip == p->ip_remote)
		return OPT_ACK;
	wr_u32(want, p->ip_remote);
	return OPT_NAK;
}

static bool addr_wanted(const struct ppp *p)
{
	return true;
}

static void addr_set(struct ppp *p, struct rd val)
{
	if (!p->conf->authenticator)
		p->ip_remote = rd_u32(&val);
}

/* A name server: given by the authenticator, where it has one. */
static enum opt_verdict server_judge(const struct ppp *p, uint32_t ours, struct rd val,
	struct wr *want)
{
	if (!p->conf->authenticator || !ours)
		return OPT_REJECT;
	if (rd_u32(&val) == ours)
		return OPT_ACK;
	wr_u32(want, ours);
	return OPT_NAK;
}

#define SERVER_JUDGE(name, field)							\
	static enum opt_verdict name(struct turn *t, struct rd val, struct wr *want)	\
	{										\
		return server_judge(t->p, t->p->field, val, want);			\
	}
SERVER_JUDGE(dns1_judge, dns[0])
SERVER_JUDGE(dns2_judge, dns[1])
SERVER_JUDGE(nbns1_judge, nbns[0])
SERVER_JUDGE(nbns2_judge, nbns[1])

static bool dns_ask(const struct ppp *p, uint32_t known, struct wr *w)
{
	wr_u32(w, known);
	return !p->conf->authenticator && p->conf->want_dns;
}

static bool dns1_ask(const struct ppp *p, struct wr *w)
{
	return dns_ask(p, p->dns[0], w);
}

static bool dns2_ask(const struct ppp *p, struct wr *w)
{
	return dns_ask(p, p->dns[1], w);
}

static bool dns1_nak(struct turn *t, struct rd hint)
{
	t->p->dns[0] = rd_u32(&hint);
	return true;
}

static bool dns2_nak(struct turn *t, struct rd hint)
{
	t->p->dns[1] = rd_u32(&hint);
	return true;
}

static const struct ppp_opt ipcp_opts[] = {
	{ .type = OPT_ADDRESS, .len = 4, .ask = addr_ask, .nak = addr_nak, .judge = addr_judge, .set = addr_set,
		.wanted = addr_wanted },
	{ .type = 129, .len = 4, .ask = dns1_ask, .nak = dns1_nak, .judge = dns1_judge },
	{ .type = 131, .len = 4, .ask = dns2_ask, .nak = dns2_nak, .judge = dns2_judge },
	{ .type = 130, .len = 4, .judge = nbns1_judge },
	{ .type = 132, .len = 4, .judge = nbns2_judge },
};

static void ipcp_defaults(struct ppp *p)
{
	if (!p->conf->authenticator)
		p->ip_remote = 0;
}

static void ipcp_up(struct turn *t)
{
	struct ppp *p = t->p;

	if (!p->ip_local && !p->conf->authenticator) {
		turn_close(t, "no address was given");
		return;
	}
	p->may_choose = false;
	turn_link(t);
}

static void ipcp_down(struct turn *t)
{
	turn_link(t);
}

/* The only network protocol that matters: a link without it is of no use (RFC 1661 3.7 lets us decide). */
static void ipcp_finished(struct turn *t)
{
	turn_close(t, "no answer to IPCP");
}

/*
 * The peer is silent on IPCP: our Success may have been lost, and then it waits
 * for that, and may not ask again (RFC 1994 asks only the authenticator to
 * repeat things).  So say it again before each Configure-Request; one that has
 * it ignores it.
 */
static void ipcp_retry(struct turn *t)
{
	if (t->p->conf->authenticator && !t->p->fsm[PPP_FSM_IPCP].heard)
		auth_answer(t);
}

const struct ppp_proto ipcp_proto = {
	.name = "IPCP", .num = PPP_IPCP, .phases = 1u << PPP_NETWORK, .fsm = PPP_FSM_IPCP,
	.opts = ipcp_opts, .n_opts = N_ELEMENTS(ipcp_opts), .defaults = ipcp_defaults,
	.up = ipcp_up, .down = ipcp_down, .finished = ipcp_finished, .retry = ipcp_retry,
};
