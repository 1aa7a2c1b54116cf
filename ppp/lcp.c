/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LCP: its options (RFC 1661 6), Echo and the keepalive (5.8), Protocol-Reject (5.7). */
#include <string.h>

#include "ppp/auth.h"
#include "ppp/fsm.h"

static bool mru_ask(const struct ppp *p, struct wr *w)
{
	wr_u16(w, p->mru);
	return p->mru != PPP_MRU_DEFAULT;
}

/* Smaller than ours is fine; more we would not want to get. */
static bool mru_nak(struct turn *t, struct rd hint)
{
	uint16_t mru = rd_u16(&hint);

	if (mru >= PPP_MRU_MIN && mru <= t->p->conf->mru)
		t->p->mru = mru;
	return true;
}

static enum opt_verdict mru_judge(struct turn *t, struct rd val, struct wr *want)
{
	if (rd_u16(&val) >= PPP_MRU_MIN)
		return OPT_ACK;
	wr_u16(want, t->p->conf->mru);
	return OPT_NAK;
}

static void mru_set(struct ppp *p, struct rd val)
{
	p->peer_mru = rd_u16(&val);
}

/* RFC 1662 7.1.  L2TP carries whole frames, nothing is escaped: any map will do. */
static enum opt_verdict accm_judge(struct turn *t, struct rd val, struct wr *want)
{
	if (!val.bad)
		return OPT_ACK;
	wr_u32(want, 0);
	return OPT_NAK;
}

static bool auth_opt_ask(const struct ppp *p, struct wr *w)
{
	auth_method_write(p->auth.asked, w);
	return p->auth.asked != 0;
}

/* RFC 1661 6.2: the Nak suggests a method. Without a usable one, the next we have. */
static bool auth_opt_nak(struct turn *t, struct rd hint)
{
	struct ppp *p = t->p;
	uint8_t left = p->conf->auth & ~p->auth.tried;
	uint8_t m = auth_method(hint) & left;

	if (!m)
		m = auth_strongest(left);
	if (!m) {
		str_copy(p->reason, sizeof(p->reason), "no common authentication method");
		return false;
	}
	p->auth.asked = m;
	p->auth.tried |= m;
	return true;
}

static bool auth_opt_rejected(struct turn *t)
{
	str_copy(t->p->reason, sizeof(t->p->reason), "the peer will not authenticate itself");
	return false;
}

static enum opt_verdict auth_opt_judge(struct turn *t, struct rd val, struct wr *want)
{
	const struct ppp_conf *c = t->p->conf;

	/* A server proves itself to clients inside MS-CHAPv2, by IKE, and in no other way. */
	if (c->authenticator || !c->auth)
		return OPT_REJECT;
	if (auth_method(val) & c->auth)
		return OPT_ACK;
	auth_method_write(auth_strongest(c->auth), want);
	return OPT_NAK;
}

static void auth_opt_set(struct ppp *p, struct rd val)
{
	p->auth.method = auth_method(val) & p->conf->auth;
}

static bool magic_ask(const struct ppp *p, struct wr *w)
{
	wr_u32(w, p->magic);
	return true;
}

static bool looped_back(struct ppp *p)
{
	if (++p->magic_loops <= p->conf->limits[PPP_FSM_LCP].max_failure)
		return false;
	str_copy(p->reason, sizeof(p->reason), "the link is looped back");
	return true;
}

/* RFC 1661 6.4: a Nak means that both have the same number: choose anew. */
static bool magic_nak(struct turn *t, struct rd hint)
{
	t->p->magic = rng_u32(&t->p->rng) | 1;
	return !looped_back(t->p);
}

static enum opt_verdict magic_judge(struct turn *t, struct rd val, struct wr *want)
{
	struct ppp *p = t->p;
	uint32_t magic = rd_u32(&val);

	/* RFC 1661 6.4: zero "MUST always be Nak'd". */
	if (magic && (magic != p->magic || lcp_magic(p) == 0))
		return OPT_ACK;
	if (magic && looped_back(p))
		return OPT_ABORT;
	wr_u32(want, rng_u32(&p->rng) | 1);
	return OPT_NAK;
}

static void magic_set(struct ppp *p, struct rd val)
{
	p->peer_magic = rd_u32(&val);
}

/* Boolean options have no value; a Nak with a right one is an empty one. */
static enum opt_verdict flag_judge(struct turn *t, struct rd val, struct wr *want)
{
	return val.bad ? OPT_NAK : OPT_ACK;
}

static void pfc_set(struct ppp *p, struct rd val)
{
	p->peer_pfc = true;
}

static void acfc_set(struct ppp *p, struct rd val)
{
	p->peer_acfc = true;
}

enum lcp_row { ROW_MRU, ROW_AUTH, ROW_MAGIC };

/* In the order in which we ask. */
static const struct ppp_opt lcp_opts[] = {
	[ROW_MRU] = { .type = 1, .len = 2, .ask = mru_ask, .nak = mru_nak, .judge = mru_judge,
		.set = mru_set },
	[ROW_AUTH] = { .type = 3, .len = OPT_ANY, .ask = auth_opt_ask, .nak = auth_opt_nak,
		.rejected = auth_opt_rejected, .judge = auth_opt_judge, .set = auth_opt_set },
	[ROW_MAGIC] = { .type = 5, .len = 4, .ask = magic_ask, .nak = magic_nak, .judge = magic_judge,
		.set = magic_set },
	{ .type = 2, .len = 4, .judge = accm_judge },
	{ .type = 7, .len = 0, .judge = flag_judge, .set = pfc_set },
	{ .type = 8, .len = 0, .judge = flag_judge, .set = acfc_set },
};

static void lcp_defaults(struct ppp *p)
{
	p->peer_mru = PPP_MRU_DEFAULT;
	p->peer_magic = 0;
	p->peer_pfc = p->peer_acfc = false;
	if (!p->conf->authenticator)
		p->auth.method = 0;
}

uint32_t lcp_magic(const struct ppp *p)
{
	/* RFC 1661 5.8: zero where Magic-Number was not negotiated. */
	return p->fsm[PPP_FSM_LCP].rejected & 1u << ROW_MAGIC ? 0 : p->magic;
}

static void lcp_up(struct turn *t)
{
	struct ppp *p = t->p;

	p->magic_loops = 0;
	p->echoes = 0;
	/* Our request is acked, and it cannot have been without this option: auth_opt_rejected(). */
	if (p->conf->authenticator)
		p->auth.method = p->auth.asked;
	if (!p->auth.method) {
		turn_network(t);
		return;
	}
	turn_phase(t, PPP_AUTHENTICATE);
	auth_start(t);
}

static void lcp_down(struct turn *t)
{
	struct ppp *p = t->p;

	auth_stop(p);
	for (int i = 0; ppp_ncps[i]; i++)
		if (proto_fsm(p, ppp_ncps[i])->state > FSM_STARTING)
			fsm_event(t, ppp_ncps[i], FSM_DOWN, NULL);
	p->mppe_keys = false;
	if (p->phase == PPP_TERMINATE)
		return;
	/* The peer hangs up, or wants to negotiate anew. */
	turn_phase(t, p->fsm[PPP_FSM_LCP].state == FSM_STOPPING ? PPP_TERMINATE : PPP_ESTABLISH);
}

static void lcp_finished(struct turn *t)
{
	turn_gone(t, "no answer to LCP");
}

/* RFC 1661 5.7 */
void lcp_protocol_reject(struct turn *t, uint16_t num, struct rd info)
{
	struct ppp *p = t->p;
	struct wr *w;

	/* "Protocol-Reject packets can only be sent in the LCP Opened state." */
	if (p->fsm[PPP_FSM_LCP].state != FSM_OPENED || !turn_may_reply(t)) {
		turn_drop(t);
		return;
	}
	w = turn_packet(t, PPP_LCP, PROTOCOL_REJECT, ++p->reject_id);
	wr_u16(w, num);
	wr_bytes(w, info.p, MIN(info.n, (size_t)p->peer_mru - 6));
	turn_send(t);
}

static void got_protocol_reject(struct turn *t, struct rd body)
{
	struct ppp *p = t->p;
	uint16_t num = rd_u16(&body);

	if (body.bad) {
		turn_drop(t);
		return;
	}
	switch (num) {
	case PPP_LCP:
		str_copy(p->reason, sizeof(p->reason), "the peer rejects LCP");
		fsm_event(t, &lcp_proto, FSM_RXJ_M, NULL);
		return;
	case PPP_IPCP:
	case PPP_IP:
		if (p->phase == PPP_NETWORK) {
			str_copy(p->reason, sizeof(p->reason), "the peer rejects IP");
			fsm_event(t, &ipcp_proto, FSM_RXJ_M, NULL);
		}
		return;
	case PPP_CCP:
	case PPP_COMP:
		if (p->phase == PPP_NETWORK)
			fsm_event(t, &ccp_proto, FSM_RXJ_M, NULL);
		return;
	case PPP_IPV6CP:
	case PPP_IPV6:
		if (p->phase == PPP_NETWORK)
			fsm_event(t, &ipv6cp_proto, FSM_RXJ_M, NULL);
		return;
	case PPP_PAP:
	case PPP_CHAP:
	case PPP_EAP:
		if (p->phase == PPP_AUTHENTICATE)
			turn_close(t, "the peer rejects the authentication protocol");
		return;
	}
	fsm_event(t, &lcp_proto, FSM_RXJ_P, NULL);
}

static void got_echo_request(struct turn *t, uint8_t id, struct rd body)
{
	struct ppp *p = t->p;
	uint8_t buf[PPP_FRAME_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	struct fsm_reply r = { .code = ECHO_REPLY, .id = id };
	uint32_t magic = rd_u32(&body);

	/* Our own number: the frame is our own (RFC 1661 6.4).  The reply is as
	 * long as the request, and so never longer than what the peer may be sent. */
	if (body.bad || (magic && magic == p->magic) || body.n + 8 > p->peer_mru) {
		turn_drop(t);
		return;
	}
	wr_u32(&w, lcp_magic(p));
	wr_bytes(&w, body.p, body.n);
	r.body = rd_of(buf, w.len);
	fsm_event(t, &lcp_proto, FSM_RXR, &r);
}

/* RFC 1661 5.7 to 5.9, and RFC 1570 1.1, 1.2: clients send these without having been asked. */
static bool lcp_extra(struct turn *t, uint8_t code, uint8_t id, struct rd body)
{
	bool open = t->p->fsm[PPP_FSM_LCP].state == FSM_OPENED;

	switch (code) {
	case PROTOCOL_REJECT:
		if (open)
			got_protocol_reject(t, body);
		break;
	case ECHO_REQUEST:
		if (open)
			got_echo_request(t, id, body);
		break;
	case ECHO_REPLY:	/* ppp_input() has heard it already */
	case DISCARD_REQUEST:
	case IDENTIFICATION:
	case TIME_REMAINING:
		return true;
	default:
		return false;
	}
	if (!open)
		turn_drop(t);
	return true;
}

void lcp_echo(struct turn *t, const uint8_t *data, size_t n)
{
	struct ppp *p = t->p;
	struct wr *w;

	if (p->fsm[PPP_FSM_LCP].state != FSM_OPENED || p->no_echo)
		return;
	w = turn_packet(t, PPP_LCP, ECHO_REQUEST, ++p->echo_id);
	wr_u32(w, lcp_magic(p));
	wr_bytes(w, data, n);
	turn_send(t);
}

bool ppp_echo_reply(struct rd frame, struct rd *ret)
{
	uint16_t proto, len;
	uint8_t code;

	if (!ppp_frame(&frame, &proto) || proto != PPP_LCP)
		return false;
	code = rd_u8(&frame);
	rd_skip(&frame, 1);
	len = rd_u16(&frame);
	if (code != ECHO_REPLY || len < 8)
		return false;
	frame = rd_sub(&frame, len - 4u);
	rd_skip(&frame, 4);
	*ret = frame;
	return !frame.bad;
}

/* Silence of the peer, while nothing else would notice it. */
uint64_t lcp_keepalive_ms(const struct ppp *p)
{
	const struct ppp_conf *c = p->conf;

	if (!c->keepalive || p->no_echo || p->phase != PPP_NETWORK)
		return PPP_NEVER;
	return p->echoes ? p->echo_ms + c->keepalive_retry_ms : p->heard_ms + c->keepalive_interval_ms;
}

void lcp_keepalive(struct turn *t)
{
	struct ppp *p = t->p;

	if (p->echoes >= p->conf->keepalive_max) {
		turn_gone(t, "keepalive");
		return;
	}
	p->echoes++;
	p->echo_ms = t->now_ms;
	wr_u32(turn_packet(t, PPP_LCP, ECHO_REQUEST, ++p->echo_id), lcp_magic(p));
	turn_send(t);
}

const struct ppp_proto lcp_proto = {
	.name = "LCP", .num = PPP_LCP, .phases = 0xff, .fsm = PPP_FSM_LCP,
	.opts = lcp_opts, .n_opts = N_ELEMENTS(lcp_opts), .defaults = lcp_defaults,
	.up = lcp_up, .down = lcp_down, .finished = lcp_finished, .extra = lcp_extra,
};
