/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a LAC negotiated is taken when our own LCP could have come to the same:
 * then the peer never notices.  What it would not have is not: options that we
 * do not have, no authentication, a method that we do not offer.
 */
#include "ppp/proxy.h"

#include <string.h>

#include "ppp/auth.h"
#include "ppp/fsm.h"
#include "ppp/mschap.h"

enum { OPT_MRU = 1, OPT_ACCM = 2, OPT_AUTH = 3, OPT_MAGIC = 5, OPT_PFC = 7, OPT_ACFC = 8 };

/* One option of what was sent in our place. False: nothing that we could have meant. */
static bool take(struct ppp *p, uint8_t type, struct rd val, uint8_t *method)
{
	switch (type) {
	case OPT_MRU:
		p->mru = rd_u16(&val);
		return !val.bad && !val.n && p->mru >= PPP_MRU_MIN && p->mru <= PPP_MRU_DEFAULT;
	case OPT_ACCM:
		return val.n == 4;
	case OPT_AUTH:
		*method = auth_method(val) & p->conf->auth;
		return *method != 0;
	case OPT_MAGIC:
		p->magic = rd_u32(&val);
		return !val.bad && !val.n && p->magic;
	case OPT_PFC:
	case OPT_ACFC:
		return !val.n;		/* we read the short forms in any case */
	default:
		return false;
	}
}

static bool take_sent(struct ppp *p, struct rd opts, uint8_t *method)
{
	uint32_t seen = 0;

	p->mru = PPP_MRU_DEFAULT;
	while (opts.n) {
		uint8_t type = rd_u8(&opts), len = rd_u8(&opts);
		struct rd val = rd_sub(&opts, len < 2 ? SIZE_MAX : len - 2u);

		/* RFC 1661 6: none "can be listed more than once". */
		if (opts.bad || type > 31 || (seen >> type & 1) || !take(p, type, val, method))
			return false;
		seen |= 1u << type;
	}
	/* Echoes have a Magic-Number only where one was agreed on (RFC 1661 5.8). */
	for (unsigned i = 0; i < lcp_proto.n_opts && !(seen >> OPT_MAGIC & 1); i++)
		if (lcp_proto.opts[i].type == OPT_MAGIC)
			p->fsm[PPP_FSM_LCP].rejected |= (uint8_t)(1u << i);
	/* Without an answer to expect everybody would be let in. */
	return *method != 0;
}

static bool take_received(struct turn *t, struct rd opts)
{
	uint8_t buf[PPP_FRAME_MAX];
	struct wr reply = wr_of(buf, sizeof(buf));
	enum opt_verdict v;

	if (!opt_judge(t, &lcp_proto, opts, &reply, &v) || v != OPT_ACK)
		return false;
	opt_commit(t->p, &lcp_proto, opts);
	return true;
}

/* Is the peer's answer one that this method has? */
static bool is_answer(const struct ppp *p, const struct ppp_proxy *x)
{
	uint8_t m = p->auth.method;

	if (!(x->methods & m) || x->name.n >= sizeof(p->req.user) || x->response.n > sizeof(p->req.response))
		return false;
	switch (m) {
	case PPP_AUTH_PAP:
		return true;
	case PPP_AUTH_CHAP_MD5:
		return x->response.n == CHAP_MD5_VALUE && x->challenge.n && x->challenge.n <= sizeof(p->req.challenge);
	case PPP_AUTH_MSCHAPV2:
		return x->response.n == MSCHAP_VALUE && x->challenge.n == MSCHAP_CHALLENGE;
	default:
		return false;
	}
}

static void copy(uint8_t *dst, struct rd src)
{
	if (src.n)
		memcpy(dst, src.p, src.n);
}

static void judge(struct turn *t, const struct ppp_proxy *x)
{
	struct ppp *p = t->p;

	explicit_bzero(&p->req, sizeof(p->req));
	p->req.method = p->auth.method;
	p->req.ident = p->auth.ident = x->ident;
	p->req.user_len = (uint16_t)x->name.n;
	p->req.response_len = (uint16_t)x->response.n;
	copy(p->req.user, x->name);
	copy(p->req.response, x->response);
	if (p->auth.method != PPP_AUTH_PAP) {
		p->req.challenge_len = (uint8_t)x->challenge.n;
		copy(p->req.challenge, x->challenge);
	}
	p->auth.state = AUTH_WAIT;
	auth_ask(t);
}

bool ppp_start_proxy(struct ppp *p, const struct ppp_proxy *x, uint64_t now_ms, struct ppp_out *out)
{
	struct turn t = { p, now_ms, out, 0, 0 };
	struct ppp_fsm *f = &p->fsm[PPP_FSM_LCP];
	struct ppp before = *p;
	uint8_t method = 0;

	if (p->gone || p->phase != PPP_DEAD || !p->conf->authenticator)
		return false;
	if (!take_sent(p, x->sent, &method) || !take_received(&t, x->received)) {
		*p = before;
		return false;
	}
	p->heard_ms = now_ms;
	f->state = FSM_OPENED;
	f->heard = f->met = true;
	f->unanswered = false;
	p->magic_loops = 0;
	p->auth.asked = p->auth.tried = p->auth.method = method;
	turn_phase(&t, PPP_AUTHENTICATE);
	if (is_answer(p, x))
		judge(&t, x);
	else
		auth_start(&t);
	return true;
}
