/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The link: its phases (RFC 1661 3), what goes to which protocol, what leaves. */
#include "ppp/ppp.h"

#include <string.h>

#include "ppp/auth.h"
#include "ppp/fsm.h"
#include "ppp/mppe.h"

/*
 * Room for the effects of one call.  The most that a call can cause is a
 * timer call in which everything is due at once: a request each of LCP and
 * IPCP, an answer repeated, an authentication packet, Terminate-Request, Echo,
 * and one each of DOWN, AUTH, GONE; only one frame of them is longer than a few
 * dozen octets (an answer to the one frame that came in).  Should that ever be
 * wrong, frames are what is lost, as on a wire, and never GONE.
 */
enum { EFFECTS_KEPT = 4 };

/* Answers that a peer can ask for without end, a second. */
enum { REPLIES_MAX = 64, REPLIES_WINDOW_MS = 1000 };

void ppp_out_init(struct ppp_out *out)
{
	out->n = 0;
	out->w = wr_of(out->buf, sizeof(out->buf));
}

static void add_effect(struct turn *t, struct ppp_effect e)
{
	struct ppp_out *out = t->out;

	if (out->n >= PPP_EFFECTS_MAX - (e.type == PPP_EFF_SEND ? EFFECTS_KEPT : 0))
		t->p->lost++;
	else
		out->eff[out->n++] = e;
}

void turn_effect(struct turn *t, enum ppp_effect_type type)
{
	add_effect(t, (struct ppp_effect){ .type = type });
}

struct wr *turn_packet(struct turn *t, uint16_t proto, uint8_t code, uint8_t id)
{
	struct wr *w = &t->out->w;

	t->frame = w->len;
	wr_u16(w, 0xff03);	/* RFC 1662 3.1: All-Stations, Unnumbered Information */
	wr_u16(w, proto);
	wr_u8(w, code);
	wr_u8(w, id);
	t->len = wr_open16(w);
	return w;
}

void turn_send(struct turn *t)
{
	struct wr *w = &t->out->w;

	wr_close16(w, t->len, t->len - 2, 0);
	if (w->bad) {
		w->bad = false;
		w->len = t->frame;
		t->p->lost++;
		return;
	}
	add_effect(t, (struct ppp_effect){ PPP_EFF_SEND, w->p + t->frame, w->len - t->frame });
}

void turn_drop(struct turn *t)
{
	t->p->dropped++;
}

bool turn_may_reply(struct turn *t)
{
	struct ppp *p = t->p;

	if (t->now_ms - p->replies_ms >= REPLIES_WINDOW_MS) {
		p->replies_ms = t->now_ms;
		p->replies = 0;
	}
	if (p->replies >= REPLIES_MAX)
		return false;
	p->replies++;
	return true;
}

static void set_reason(struct ppp *p, const char *reason)
{
	if (!p->reason[0])
		str_copy(p->reason, sizeof(p->reason), reason);
}

/* How long a phase may take as a whole: the automaton's counters begin anew
 * with each answer of the peer, so they alone end nothing. */
static uint64_t phase_limit_ms(const struct ppp_conf *c, enum ppp_phase phase)
{
	const struct ppp_limits *l = &c->limits[phase == PPP_NETWORK ? PPP_FSM_IPCP : PPP_FSM_LCP];

	switch (phase) {
	case PPP_ESTABLISH:
	case PPP_NETWORK:
		return (l->max_configure + 1ull) * l->restart_ms;
	case PPP_AUTHENTICATE:
		return c->auth_timeout_ms;
	case PPP_TERMINATE:
		return (l->max_terminate + 1ull) * l->restart_ms;
	case PPP_DEAD:
		break;
	}
	return 0;
}

void turn_phase(struct turn *t, enum ppp_phase phase)
{
	t->p->phase = (uint8_t)phase;
	t->p->phase_ms = phase == PPP_DEAD ? PPP_NEVER :
			 t->now_ms + phase_limit_ms(t->p->conf, phase);
}

void turn_gone(struct turn *t, const char *reason)
{
	struct ppp *p = t->p;

	if (p->gone)
		return;
	set_reason(p, reason);
	if (p->up)
		turn_effect(t, PPP_EFF_DOWN);
	p->up = false;
	if (p->mppe_on)
		turn_effect(t, PPP_EFF_MPPE_OFF);
	p->mppe_on = false;
	auth_stop(p);
	explicit_bzero(&p->req, sizeof(p->req));
	eap_forget(p);
	explicit_bzero(p->mppe_send, sizeof(p->mppe_send));
	explicit_bzero(p->mppe_recv, sizeof(p->mppe_recv));
	for (int i = 0; i < PPP_FSMS; i++)
		p->fsm[i].state = FSM_INITIAL;
	turn_phase(t, PPP_DEAD);
	p->gone = true;
	turn_effect(t, PPP_EFF_GONE);
}

void turn_close(struct turn *t, const char *reason)
{
	struct ppp *p = t->p;

	set_reason(p, reason);
	if (p->phase == PPP_DEAD) {
		turn_gone(t, reason);
	} else if (p->phase != PPP_TERMINATE) {
		turn_phase(t, PPP_TERMINATE);
		fsm_event(t, &lcp_proto, FSM_CLOSE, NULL);
	}
}

void turn_network(struct turn *t)
{
	struct ppp *p = t->p;

	turn_phase(t, PPP_NETWORK);
	if (p->conf->mppe == PPP_MPPE_REQUIRED && !p->mppe_keys) {
		turn_close(t, "MPPE is required, and this authentication makes no keys");
		return;
	}
	ccp_begin(p);
	ipv6cp_begin(p);
	for (int i = 0; ppp_ncps[i]; i++) {
		const struct ppp_proto *pr = ppp_ncps[i];

		if (pr->enabled && !pr->enabled(p))
			continue;
		if (proto_fsm(p, pr)->state == FSM_INITIAL)
			fsm_event(t, pr, FSM_OPEN, NULL);
		fsm_event(t, pr, FSM_UP, NULL);
	}
}

void turn_link(struct turn *t)
{
	struct ppp *p = t->p;
	bool up = p->fsm[PPP_FSM_IPCP].state == FSM_OPENED && (p->conf->mppe != PPP_MPPE_REQUIRED || p->mppe_on);

	if (up == p->up)
		return;
	p->up = up;
	turn_effect(t, up ? PPP_EFF_UP : PPP_EFF_DOWN);
	/* The time limit begins again, or is over. */
	if (p->phase == PPP_NETWORK)
		turn_phase(t, PPP_NETWORK);
	if (up)
		p->phase_ms = PPP_NEVER;
}

void ppp_init(struct ppp *p, const struct ppp_conf *conf, const struct rng *seed)
{
	*p = (struct ppp){
		.conf = conf, .phase = PPP_DEAD, .phase_ms = PPP_NEVER, .rng = *seed,
		.mru = conf->mru, .peer_mru = PPP_MRU_DEFAULT,
	};
	p->ip_local = conf->authenticator ? 0 : conf->want_ip;
	p->magic = rng_u32(&p->rng) | 1;	/* never 0: RFC 1661 6.4 */
	p->auth.ident = (uint8_t)rng_u32(&p->rng);
	p->auth.timer_ms = PPP_NEVER;
	p->auth.asked = p->auth.tried = conf->authenticator ? auth_strongest(conf->auth) : 0;
}

void ppp_free(struct ppp *p)
{
	eap_forget(p);
}

void ppp_start(struct ppp *p, uint64_t now_ms, struct ppp_out *out)
{
	struct turn t = { p, now_ms, out, 0, 0 };

	if (p->gone || p->phase != PPP_DEAD)
		return;
	/* An authenticator that asks for nothing would let in everybody. */
	if (p->conf->authenticator && !p->auth.asked) {
		turn_gone(&t, "no authentication method is set");
		return;
	}
	p->heard_ms = now_ms;
	turn_phase(&t, PPP_ESTABLISH);
	fsm_event(&t, &lcp_proto, FSM_OPEN, NULL);
	fsm_event(&t, &lcp_proto, FSM_UP, NULL);
}

bool ppp_frame(struct rd *frame, uint16_t *ret_proto)
{
	struct rd at = *frame;
	uint16_t proto;
	uint8_t b;

	/* 0xff is no protocol (RFC 1661 2 keeps it free), so this is address and control. */
	if (at.n >= 2 && at.p[0] == 0xff) {
		if (rd_u16(&at) != 0xff03)
			return false;
	}
	b = rd_u8(&at);
	if (at.bad)
		return false;
	/* RFC 1661 2: the last octet of a protocol is odd, any before it even. */
	if (b & 1) {
		proto = b;
	} else {
		proto = (uint16_t)(b << 8);
		b = rd_u8(&at);
		if (at.bad || !(b & 1))
			return false;
		proto |= b;
	}
	*frame = at;
	*ret_proto = proto;
	return true;
}

void ppp_input(struct ppp *p, struct rd frame, uint64_t now_ms, struct ppp_out *out)
{
	struct turn t = { p, now_ms, out, 0, 0 };
	const struct ppp_proto *pr;
	uint16_t num;

	if (p->gone)
		return;
	if (p->phase == PPP_DEAD || frame.n > PPP_FRAME_MAX || !ppp_frame(&frame, &num)) {
		turn_drop(&t);
		return;
	}
	ppp_heard(p, now_ms);
	pr = proto_find(num);
	if (!pr || (pr->enabled && !pr->enabled(p)))
		lcp_protocol_reject(&t, num, frame);
	else if (!(pr->phases & 1u << p->phase))
		turn_drop(&t);
	else if (pr->input)
		pr->input(&t, frame);
	else if (pr == &ipcp_proto && ipcp_hold(&t, frame))
		return;
	else
		fsm_input(&t, pr, frame);
}

uint64_t ppp_deadline(const struct ppp *p)
{
	uint64_t due = p->phase_ms;

	for (int i = 0; i < PPP_FSMS; i++)
		due = MIN(due, fsm_deadline(&p->fsm[i]));
	due = MIN(due, p->auth.timer_ms);
	return MIN(due, lcp_keepalive_ms(p));
}

void ppp_expire(struct ppp *p, uint64_t now_ms, struct ppp_out *out)
{
	struct turn t = { p, now_ms, out, 0, 0 };

	if (p->gone)
		return;
	fsm_expire(&t, &lcp_proto);
	for (int i = 0; ppp_ncps[i] && !p->gone; i++)
		fsm_expire(&t, ppp_ncps[i]);
	if (!p->gone && now_ms >= p->auth.timer_ms)
		auth_expire(&t);
	if (!p->gone && now_ms >= lcp_keepalive_ms(p))
		lcp_keepalive(&t);
	if (p->gone || now_ms < p->phase_ms)
		return;
	if (p->phase == PPP_TERMINATE)
		turn_gone(&t, "closed");
	else
		turn_close(&t, p->phase == PPP_ESTABLISH ? "LCP takes too long" :
			       p->phase != PPP_NETWORK ? "no authentication in time" :
			       p->fsm[PPP_FSM_IPCP].state == FSM_OPENED ? "CCP takes too long" : "IPCP takes too long");
}

void ppp_verdict(struct ppp *p, const struct ppp_verdict *v, uint64_t now_ms, struct ppp_out *out)
{
	struct turn t = { p, now_ms, out, 0, 0 };

	if (!p->gone)
		auth_verdict(&t, v);
}

void ppp_address(struct ppp *p, uint32_t ip, uint64_t now_ms, struct ppp_out *out)
{
	struct turn t = { p, now_ms, out, 0, 0 };
	struct rd pkt = rd_of(p->held, p->held_len);

	if (p->gone || p->phase != PPP_NETWORK || !p->held_len)
		return;
	p->held_len = 0;
	/* Asked once: what it asks for now is judged by what it was given. */
	p->may_choose = false;
	p->ip_remote = ip;
	fsm_input(&t, &ipcp_proto, pkt);
}

void ppp_mppe_lost(struct ppp *p, uint64_t now_ms, struct ppp_out *out)
{
	struct turn t = { p, now_ms, out, 0, 0 };

	if (!p->gone)
		ccp_reset(&t);
}

void ppp_echo(struct ppp *p, const uint8_t *data, size_t n, uint64_t now_ms, struct ppp_out *out)
{
	struct turn t = { p, now_ms, out, 0, 0 };

	if (!p->gone && n <= PPP_ECHO_DATA)
		lcp_echo(&t, data, n);
}

void ppp_close(struct ppp *p, const char *reason, uint64_t now_ms, struct ppp_out *out)
{
	struct turn t = { p, now_ms, out, 0, 0 };

	if (!p->gone)
		turn_close(&t, reason);
}

void ppp_lower_down(struct ppp *p, const char *reason, uint64_t now_ms, struct ppp_out *out)
{
	struct turn t = { p, now_ms, out, 0, 0 };

	turn_gone(&t, reason);
}

bool ppp_may_ip(const struct ppp *p)
{
	/* The second half follows from the phases; it is what all of this is for, so it is asked. */
	return p->up && (!p->conf->authenticator || p->auth.state == AUTH_DONE);
}

uint16_t ppp_mtu(const struct ppp *p)
{
	uint16_t mtu = MIN(p->peer_mru, p->conf->mru);

	mtu = (uint16_t)MAX(PPP_MRU_MIN, MIN(PPP_MRU_DEFAULT, mtu));
	return p->conf->mppe == PPP_MPPE_NO ? mtu : mtu - MPPE_OVERHEAD;
}
