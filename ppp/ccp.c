/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CCP (RFC 1962) for MPPE (RFC 3078 2, 3079) and nothing else: every other
 * compression has no row and is rejected.  RFC 1962 2.1: each side's request
 * says what it can receive, so the two directions may differ; MPPE is on where
 * both have it.
 */
#include <string.h>

#include "ppp/auth.h"
#include "ppp/fsm.h"
#include "ppp/mppe.h"

enum { RESET_REQUEST = 14, RESET_ACK = 15 };	/* RFC 1962 3 */

static bool required(const struct ppp *p)
{
	return p->conf->mppe == PPP_MPPE_REQUIRED;
}

static bool ccp_optional(const struct ppp *p)
{
	return !required(p);
}

static uint32_t strongest(uint32_t bits)
{
	return bits & MPPE_128 ? MPPE_128 : bits & MPPE_56 ? MPPE_56 : bits & MPPE_40;
}

/*
 * What we would have of these bits: one key length, or 0 and none is common;
 * with or without state as the other has it, where we may.
 */
static uint32_t choose(const struct ppp *p, uint32_t bits)
{
	uint32_t ours = p->conf->mppe_bits, key = strongest(bits & ours);
	bool stateless = ours & MPPE_STATELESS && (bits & MPPE_STATELESS || !p->conf->mppe_stateful);

	return key ? key | (stateless ? MPPE_STATELESS : 0) : 0;
}

static bool mppe_ask(const struct ppp *p, struct wr *w)
{
	wr_u32(w, p->mppe_ours);
	return p->mppe_ours != 0;
}

/* Where the hint has nothing for us, the best that we have, and no choice any more. */
static bool mppe_nak(struct turn *t, struct rd hint)
{
	struct ppp *p = t->p;
	uint32_t bits = choose(p, rd_u32(&hint));

	p->mppe_ours = bits ? bits : choose(p, p->conf->mppe_bits);
	return true;
}

static bool mppe_rejected(struct turn *t)
{
	t->p->mppe_ours = 0;
	if (!required(t->p))
		return true;
	str_copy(t->p->reason, sizeof(t->p->reason), "the peer refuses MPPE");
	return false;
}

/* RFC 3078 2: several key lengths, bits unknown to us, or MPPC are for us to choose from by a Nak. */
static enum opt_verdict mppe_judge(struct turn *t, struct rd val, struct wr *want)
{
	struct ppp *p = t->p;
	uint32_t bits = rd_u32(&val), mine = choose(p, bits);

	if (!val.bad && mine && mine == bits)
		return OPT_ACK;
	wr_u32(want, mine ? mine : choose(p, p->conf->mppe_bits));
	return OPT_NAK;
}

static void mppe_set(struct ppp *p, struct rd val)
{
	p->mppe_theirs = rd_u32(&val);
}

static const struct ppp_opt ccp_opts[] = {
	{ .type = 18, .len = 4, .ask = mppe_ask, .nak = mppe_nak, .rejected = mppe_rejected, .judge = mppe_judge,
		.set = mppe_set, .wanted = required },
};

static void ccp_defaults(struct ppp *p)
{
	p->mppe_theirs = 0;
}

static bool ccp_enabled(const struct ppp *p)
{
	return p->conf->mppe != PPP_MPPE_NO && (p->mppe_keys || p->phase != PPP_NETWORK);
}

/* Before it is opened: what we ask for is everything that we may. */
void ccp_begin(struct ppp *p)
{
	p->mppe_ours = p->conf->mppe_bits & (MPPE_KEYS | MPPE_STATELESS);
	p->mppe_theirs = 0;
}

static void ccp_up(struct turn *t)
{
	struct ppp *p = t->p;

	/* A peer may ack several key lengths; it can only have meant the best. */
	p->mppe_ours = choose(p, p->mppe_ours);
	if (p->mppe_ours && p->mppe_theirs) {
		p->mppe_on = true;
		turn_effect(t, PPP_EFF_MPPE_ON);
		turn_link(t);
	} else if (required(p)) {
		turn_close(t, "MPPE was not agreed on");
	}
}

static void ccp_down(struct turn *t)
{
	if (!t->p->mppe_on)
		return;
	t->p->mppe_on = false;
	turn_link(t);
	turn_effect(t, PPP_EFF_MPPE_OFF);
}

static void ccp_finished(struct turn *t)
{
	if (required(t->p))
		turn_close(t, "no answer to CCP, and MPPE is required");
}

/*
 * RFC 3078 8.2: a Reset-Request is answered by the next packet's A bit.  But Linux
 * takes no more packets until a Reset-Ack is there, as RFC 1962 3.1 has it; to Windows
 * that is an unknown code, and who rejects it gets none again.  It has to go first.
 */
static bool ccp_extra(struct turn *t, uint8_t code, uint8_t id, struct rd body)
{
	if (code != RESET_REQUEST && code != RESET_ACK)
		return false;
	if (t->p->fsm[PPP_FSM_CCP].state != FSM_OPENED || !t->p->mppe_on) {
		turn_drop(t);
	} else if (code == RESET_REQUEST) {
		if (!t->p->no_reset_ack && turn_may_reply(t)) {
			(void)turn_packet(t, PPP_CCP, RESET_ACK, id);
			turn_send(t);
		}
		turn_effect(t, PPP_EFF_MPPE_FLUSH);
	}
	return true;
}

static void ccp_rejected(struct turn *t, uint8_t code)
{
	if (code == RESET_ACK)
		t->p->no_reset_ack = true;
}

void ccp_reset(struct turn *t)
{
	if (!t->p->mppe_on)
		return;
	(void)turn_packet(t, PPP_CCP, RESET_REQUEST, ++t->p->reject_id);
	turn_send(t);
}

const struct ppp_proto ccp_proto = {
	.name = "CCP", .num = PPP_CCP, .phases = 1u << PPP_NETWORK, .fsm = PPP_FSM_CCP, .enabled = ccp_enabled,
	.optional = ccp_optional,
	.opts = ccp_opts, .n_opts = N_ELEMENTS(ccp_opts), .defaults = ccp_defaults,
	.up = ccp_up, .down = ccp_down, .finished = ccp_finished, .extra = ccp_extra, .rejected = ccp_rejected,
};
