/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of RFC 1661 4.1, its interpreter, and the packets with codes 1 to 7.
 *
 * Where we are stricter than the table: an Ack, Nak or Reject for a request
 * that has its answer already is dropped, though 5.2 only asks for the right
 * Identifier.  We send a request twice when we first meet a peer (met_peer()),
 * so two Acks are the normal case, and the table's way out of it (scr/6x) would
 * renegotiate an open link.
 */
#include "ppp/fsm.h"

#include <string.h>

#define IRC FSM_IRC
#define ZRC FSM_ZRC
#define SCR FSM_SCR
#define STR FSM_STR
#define SCA FSM_SCA
#define SCN FSM_SCN
#define STA FSM_STA
#define SCJ FSM_SCJ
#define SER FSM_SER
#define TLU FSM_TLU
#define TLD FSM_TLD
#define TLS FSM_TLS
#define TLF FSM_TLF
#define T(act, next) { (act), (next) }
#define ___ { 0, FSM_ILLEGAL }

/* Columns are the states 0 to 9.  The options r (restart) and p (passive) are not used. */
const struct fsm_cell fsm_table[FSM_EVENTS][FSM_STATES] = {
	[FSM_UP] = { T(0, 2), T(IRC | SCR, 6), ___, ___, ___, ___, ___, ___, ___, ___ },
	[FSM_DOWN] = { ___, ___, T(0, 0), T(TLS, 1), T(0, 0), T(0, 1), T(0, 1), T(0, 1), T(0, 1),
		T(TLD, 1) },
	[FSM_OPEN] = { T(TLS, 1), T(0, 1), T(IRC | SCR, 6), T(0, 3), T(0, 5), T(0, 5), T(0, 6),
		T(0, 7), T(0, 8), T(0, 9) },
	[FSM_CLOSE] = { T(0, 0), T(TLF, 0), T(0, 2), T(0, 2), T(0, 4), T(0, 4), T(IRC | STR, 4),
		T(IRC | STR, 4), T(IRC | STR, 4), T(TLD | IRC | STR, 4) },
	[FSM_TO_P] = { ___, ___, ___, ___, T(STR, 4), T(STR, 5), T(SCR, 6), T(SCR, 6), T(SCR, 8),
		___ },
	[FSM_TO_M] = { ___, ___, ___, ___, T(TLF, 2), T(TLF, 3), T(TLF, 3), T(TLF, 3), T(TLF, 3),
		___ },
	[FSM_RCR_P] = { ___, ___, T(STA, 2), T(IRC | SCR | SCA, 8), T(0, 4), T(0, 5), T(SCA, 8),
		T(SCA | TLU, 9), T(SCA, 8), T(TLD | SCR | SCA, 8) },
	[FSM_RCR_M] = { ___, ___, T(STA, 2), T(IRC | SCR | SCN, 6), T(0, 4), T(0, 5), T(SCN, 6),
		T(SCN, 7), T(SCN, 6), T(TLD | SCR | SCN, 6) },
	[FSM_RCA] = { ___, ___, T(STA, 2), T(STA, 3), T(0, 4), T(0, 5), T(IRC, 7), T(SCR, 6),
		T(IRC | TLU, 9), T(TLD | SCR, 6) },
	[FSM_RCN] = { ___, ___, T(STA, 2), T(STA, 3), T(0, 4), T(0, 5), T(IRC | SCR, 6), T(SCR, 6),
		T(IRC | SCR, 8), T(TLD | SCR, 6) },
	[FSM_RTR] = { ___, ___, T(STA, 2), T(STA, 3), T(STA, 4), T(STA, 5), T(STA, 6), T(STA, 6),
		T(STA, 6), T(TLD | ZRC | STA, 5) },
	[FSM_RTA] = { ___, ___, T(0, 2), T(0, 3), T(TLF, 2), T(TLF, 3), T(0, 6), T(0, 6), T(0, 8),
		T(TLD | SCR, 6) },
	[FSM_RUC] = { ___, ___, T(SCJ, 2), T(SCJ, 3), T(SCJ, 4), T(SCJ, 5), T(SCJ, 6), T(SCJ, 7),
		T(SCJ, 8), T(SCJ, 9) },
	[FSM_RXJ_P] = { ___, ___, T(0, 2), T(0, 3), T(0, 4), T(0, 5), T(0, 6), T(0, 6), T(0, 8),
		T(0, 9) },
	[FSM_RXJ_M] = { ___, ___, T(TLF, 2), T(TLF, 3), T(TLF, 2), T(TLF, 3), T(TLF, 3), T(TLF, 3),
		T(TLF, 3), T(TLD | IRC | STR, 5) },
	[FSM_RXR] = { ___, ___, T(0, 2), T(0, 3), T(0, 4), T(0, 5), T(0, 6), T(0, 7), T(0, 8),
		T(SER, 9) },
};

bool fsm_has_timer(enum fsm_state s)
{
	return s < FSM_STATES && fsm_table[FSM_TO_P][s].next != FSM_ILLEGAL;
}

/* A peer that opens the layer again and again costs others: a login each time. */
enum { OPENS_MAX = 8, OPENS_WINDOW_MS = 60000 };

/* scr.  again: out of turn, does not count for Max-Configure. */
static void send_request(struct turn *t, const struct ppp_proto *pr, bool again)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);

	/* RFC 1661 5.1: the Identifier changes with the options or after an answer,
	 * and may stay where the same request is sent again: then a late Ack counts. */
	if (!f->unanswered)
		f->id++;
	if (!again)
		f->restart -= f->restart > 0;
	f->unanswered = true;
	opt_ask(t->p, pr, turn_packet(t, pr->num, CONFIGURE_REQUEST, f->id));
	turn_send(t);
}

static void send_terminate(struct turn *t, const struct ppp_proto *pr)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);
	struct wr *w;

	f->restart -= f->restart > 0;
	f->unanswered = false;
	w = turn_packet(t, pr->num, TERMINATE_REQUEST, ++f->id);
	wr_bytes(w, t->p->reason, strlen(t->p->reason));
	turn_send(t);
}

static void send_reply(struct turn *t, const struct ppp_proto *pr, const struct fsm_reply *r)
{
	struct rd body;

	if (!r)
		return;
	body = r->body;
	wr_bytes(turn_packet(t, pr->num, r->code, r->id), body.p, body.n);
	turn_send(t);
}

static void count_ack(struct turn *t, const struct ppp_proto *pr, const struct fsm_reply *r)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);

	opt_commit(t->p, pr, r->body);
	f->sent_naks = f->sent_refusals = 0;
}

static void count_refusal(struct ppp_fsm *f, const struct fsm_reply *r)
{
	f->sent_refusals += f->sent_refusals < UINT8_MAX;
	if (r->code == CONFIGURE_NAK)
		f->sent_naks += f->sent_naks < UINT8_MAX;
}

/* RFC 1661 4.6: Max-Terminate and Max-Configure. */
static uint8_t initial_count(const struct ppp_limits *l, uint16_t act)
{
	return act & STR ? l->max_terminate : l->max_configure;
}

static bool is_optional(const struct turn *t, const struct ppp_proto *pr)
{
	return pr->optional && pr->optional(t->p);
}

/* The protocol cannot go on: it ends, or the link with it. */
static void give_up(struct turn *t, const struct ppp_proto *pr, const char *reason)
{
	if (is_optional(t, pr))
		fsm_event(t, pr, FSM_CLOSE, NULL);
	else
		turn_close(t, reason);
}

static void layer_up(struct turn *t, const struct ppp_proto *pr)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);

	if (t->now_ms - f->opens_ms > OPENS_WINDOW_MS) {
		f->opens_ms = t->now_ms;
		f->opens = 0;
	}
	if (++f->opens > OPENS_MAX) {
		give_up(t, pr, "renegotiates too often");
		return;
	}
	/* Whatever was about to end it (a Terminate-Request while negotiating) did not. */
	t->p->reason[0] = '\0';
	pr->up(t);
}

static void start_over(struct ppp_fsm *f)
{
	f->unanswered = f->heard = f->met = false;
	f->sent_naks = f->sent_refusals = f->got_refusals = 0;
	f->rejected = f->appended = 0;
}

void fsm_event(struct turn *t, const struct ppp_proto *pr, enum fsm_event ev,
	const struct fsm_reply *reply)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);
	struct fsm_cell c = fsm_table[ev][f->state];
	bool had_timer = fsm_has_timer(f->state);

	/* A cell that cannot be: nothing happens, and nobody can make us stop. */
	if (c.next == FSM_ILLEGAL) {
		turn_drop(t);
		return;
	}
	f->state = c.next;
	if (ev == FSM_UP)
		start_over(f);
	if (c.act & TLD)
		pr->down(t);
	if (c.act & IRC)
		f->restart = initial_count(proto_limits(t->p, pr), c.act);
	if (c.act & ZRC)
		f->restart = 0;
	/* RFC 1661 4.4: started by scr, str and zrc, and whenever a state with a
	 * timer comes after one without. */
	if (fsm_has_timer(f->state) && (!had_timer || c.act & (IRC | ZRC | SCR | STR)))
		f->timer_ms = t->now_ms + proto_limits(t->p, pr)->restart_ms;
	if (c.act & SCR)
		send_request(t, pr, false);
	if (c.act & STR)
		send_terminate(t, pr);
	if (c.act & SCA)
		count_ack(t, pr, reply);
	if (c.act & SCN)
		count_refusal(f, reply);
	if (c.act & (SCA | SCN) || (c.act & (STA | SCJ | SER) && turn_may_reply(t)))
		send_reply(t, pr, reply);
	if (c.act & TLU)
		layer_up(t, pr);
	/* tls has nothing to do: the lower layer of a link is always its owner's, or LCP. */
	if (c.act & TLF)
		pr->finished(t);
}

/*
 * The peer's first Configure-Request while ours has no answer: it may not have
 * been there yet when we sent it, so send it again now (same Identifier and
 * options, not counted) rather than after a Restart timer.  Before the Ack, so
 * that a peer that did get the first is still in Ack-Sent and just acks twice.
 */
static void met_peer(struct turn *t, const struct ppp_proto *pr)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);

	if (f->met)
		return;
	f->met = true;
	if (f->state != FSM_REQ_SENT || !f->unanswered)
		return;
	f->timer_ms = t->now_ms + proto_limits(t->p, pr)->restart_ms;
	send_request(t, pr, true);
}

/* Neither side's numbers may go on for ever: half-way through these limits the
 * options in question are given up (opt.c), so what is left cannot agree. */
static bool converges(const struct ppp *p, const struct ppp_proto *pr)
{
	const struct ppp_fsm *f = &p->fsm[pr->fsm];
	int max = 2 * proto_limits(p, pr)->max_failure + 6;

	return f->sent_refusals <= max && f->got_refusals <= max;
}

static void input_request(struct turn *t, const struct ppp_proto *pr, uint8_t id, struct rd opts)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);
	uint8_t buf[PPP_FRAME_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	struct fsm_reply r = { .id = id };
	enum opt_verdict v;

	if (!opt_judge(t, pr, opts, &w, &v)) {
		turn_drop(t);
		return;
	}
	if (v == OPT_ABORT) {
		give_up(t, pr, "");
		return;
	}
	met_peer(t, pr);
	r.body = rd_of(buf, w.len);
	/* The states that answer a request with Terminate-Ack: RFC 1661 4.1. */
	if (fsm_table[FSM_RCR_P][f->state].act & STA)
		r = (struct fsm_reply){ .code = TERMINATE_ACK, .id = id };
	else
		r.code = v == OPT_ACK ? CONFIGURE_ACK : v == OPT_NAK ? CONFIGURE_NAK : CONFIGURE_REJECT;
	fsm_event(t, pr, v == OPT_ACK ? FSM_RCR_P : FSM_RCR_M, &r);
	if (!converges(t->p, pr))
		give_up(t, pr, "options do not converge");
}

/* RFC 1661 5.2, 5.3, 5.4: the Identifier must be that of our last request, and
 * what is no answer to it is "silently discarded". */
static void input_answer(struct turn *t, const struct ppp_proto *pr, uint8_t code, uint8_t id,
	struct rd body)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);
	struct fsm_reply sta = { .code = TERMINATE_ACK, .id = id };
	bool go = true, ours;

	/* In Closed and Stopped there is no request, and these get a Terminate-Ack. */
	if (f->state == FSM_CLOSED || f->state == FSM_STOPPED) {
		fsm_event(t, pr, FSM_RCA, &sta);
		return;
	}
	ours = f->unanswered && id == f->id;
	if (ours && code == CONFIGURE_ACK)
		ours = opt_acks(t->p, pr, body);
	else if (ours && code == CONFIGURE_NAK)
		ours = opt_nak(t, pr, body, &go);
	else if (ours)
		ours = opt_reject(t, pr, body, &go);
	if (!ours) {
		turn_drop(t);
		return;
	}
	f->unanswered = false;
	if (code == CONFIGURE_ACK)
		f->got_refusals = 0;
	else
		f->got_refusals += f->got_refusals < UINT8_MAX;
	if (!go)
		give_up(t, pr, "");
	else if (!converges(t->p, pr))
		give_up(t, pr, "options do not converge");
	else
		fsm_event(t, pr, code == CONFIGURE_ACK ? FSM_RCA : FSM_RCN, NULL);
}

static void reason_terminated(struct turn *t, const struct ppp_proto *pr)
{
	struct ppp *p = t->p;

	if (is_optional(t, pr))
		return;
	if (!p->reason[0] && pr->num == PPP_LCP)
		str_copy(p->reason, sizeof(p->reason), "terminated by the peer");
	else if (!p->reason[0])
		str_copy(p->reason, sizeof(p->reason), "network protocol terminated by the peer");
}

/* RFC 1661 5.6: a rejected code below 8 is one that the automaton needs. */
static void input_code_reject(struct turn *t, const struct ppp_proto *pr, struct rd body)
{
	uint8_t code = rd_u8(&body);
	bool needed = code >= CONFIGURE_REQUEST && code <= CODE_REJECT;

	if (body.bad) {
		turn_drop(t);
		return;
	}
	if (code == ECHO_REQUEST)
		t->p->no_echo = true;
	if (pr->rejected)
		pr->rejected(t, code);
	if (needed && !t->p->reason[0] && !is_optional(t, pr))
		str_copy(t->p->reason, sizeof(t->p->reason), "the peer rejects a basic code");
	fsm_event(t, pr, needed ? FSM_RXJ_M : FSM_RXJ_P, NULL);
}

/* RFC 1661 5.6: "MUST be truncated to comply with the peer's established MRU". */
static void input_unknown(struct turn *t, const struct ppp_proto *pr, struct rd pkt)
{
	/* Not the automaton's id: that one is how we know the answer to our request. */
	struct fsm_reply r = { .code = CODE_REJECT, .id = ++t->p->reject_id };

	r.body = rd_of(pkt.p, MIN(pkt.n, (size_t)t->p->peer_mru - 4));
	fsm_event(t, pr, FSM_RUC, &r);
}

void fsm_input(struct turn *t, const struct ppp_proto *pr, struct rd pkt)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);
	struct rd whole = pkt, body;
	struct fsm_reply sta = { .code = TERMINATE_ACK };
	uint8_t code = rd_u8(&pkt);
	uint8_t id = rd_u8(&pkt);
	uint16_t len = rd_u16(&pkt);

	/* RFC 1661 5: octets past Length are padding. */
	if (len < 4 || f->state <= FSM_STARTING) {
		turn_drop(t);
		return;
	}
	body = rd_sub(&pkt, len - 4u);
	if (body.bad) {
		turn_drop(t);
		return;
	}
	whole.n = len;
	sta.id = id;
	f->heard = true;
	switch (code) {
	case CONFIGURE_REQUEST:
		input_request(t, pr, id, body);
		return;
	case CONFIGURE_ACK:
	case CONFIGURE_NAK:
	case CONFIGURE_REJECT:
		input_answer(t, pr, code, id, body);
		return;
	case TERMINATE_REQUEST:
		reason_terminated(t, pr);
		fsm_event(t, pr, FSM_RTR, &sta);
		return;
	case TERMINATE_ACK:
		fsm_event(t, pr, FSM_RTA, NULL);
		return;
	case CODE_REJECT:
		input_code_reject(t, pr, body);
		return;
	}
	if (!pr->extra || !pr->extra(t, code, id, body))
		input_unknown(t, pr, whole);
}

uint64_t fsm_deadline(const struct ppp_fsm *f)
{
	return fsm_has_timer(f->state) ? f->timer_ms : PPP_NEVER;
}

void fsm_expire(struct turn *t, const struct ppp_proto *pr)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);

	if (t->now_ms < fsm_deadline(f))
		return;
	if (f->restart && pr->retry && f->state >= FSM_REQ_SENT)
		pr->retry(t);
	fsm_event(t, pr, f->restart ? FSM_TO_P : FSM_TO_M, NULL);
}
