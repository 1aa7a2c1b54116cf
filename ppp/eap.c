/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EAP (RFC 3748) in the place of PAP or CHAP, either side: Identity,
 * Notification, Nak, MD5-Challenge (5.4), and MSCHAPv2
 * (draft-kamath-pppext-eap-mschapv2), which is CHAP's in other packets.
 *
 * The authenticator asks for the name, then by the strongest method that it
 * has, then by what a Nak wants instead.  What answers it is judged like CHAP's:
 * ppp.req, PPP_EFF_AUTH, ppp_verdict().
 *
 * With conf.eap_pass who judges gets the Response to our Identity Request as it came. He
 * has us go on as above, or every Response from then on is his, whatever the method,
 * and his Requests are the peer's: RFC 3579, with us as the NAS. One packet is kept: the
 * Response until there is an answer to it, then the Request until it is answered.
 */
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "ppp/auth.h"
#include "ppp/mschap.h"

enum { HEADER = 4 };	/* RFC 3748 4: Code, Identifier, Length */
enum eap_code { REQUEST = 1, RESPONSE, SUCCESS, FAILURE };	/* RFC 3748 4 */
enum eap_type { IDENTITY = 1, NOTIFICATION, NAK, MD5_CHALLENGE, MSCHAPV2 = 26 };	/* 5, and IANA */
enum op_code { OP_CHALLENGE = 1, OP_RESPONSE, OP_SUCCESS, OP_FAILURE };	/* the draft's 2 */

/* The draft's 2.1, 2.2, 2.3, 2.5: OpCode, MS-CHAPv2-ID, MS-Length, which counts from OpCode on; closed by ms_close(). */
static size_t ms_open(struct wr *w, uint8_t op, uint8_t id)
{
	wr_u8(w, MSCHAPV2);
	wr_u8(w, op);
	wr_u8(w, id);
	return wr_open16(w);
}

static void ms_close(struct wr *w, size_t at)
{
	wr_close16(w, at, at - 2, 0);
}

static void wr_name(struct wr *w, const char *name)
{
	wr_bytes(w, name, strlen(name));
}

/* ---- authenticator ---- */
static uint8_t strongest_type(uint8_t set)
{
	return set & PPP_AUTH_EAP_MSCHAPV2 ? MSCHAPV2 : set & PPP_AUTH_EAP_MD5 ? MD5_CHALLENGE : 0;
}

static uint8_t bit_of(uint8_t type)
{
	return type == MSCHAPV2 ? PPP_AUTH_EAP_MSCHAPV2 : type == MD5_CHALLENGE ? PPP_AUTH_EAP_MD5 : 0;
}

/* RFC 3748 4.1: the same again, with its Identifier, until it is answered. */
void eap_request(struct turn *t)
{
	struct ppp *p = t->p;
	struct wr *w = turn_packet(t, PPP_EAP, REQUEST, p->req.ident);
	size_t at;

	p->auth.timer_ms = t->now_ms + p->conf->limits[PPP_FSM_LCP].restart_ms;
	if (p->auth.eap_pass && p->auth.eap_round) {
		wr_bytes(w, p->eap + HEADER, p->eap_len - HEADER);
		turn_send(t);
		if (p->auth.eap_wait_ms)
			p->auth.timer_ms = t->now_ms + p->auth.eap_wait_ms;
		return;
	}
	switch (p->auth.eap_type) {
	case MD5_CHALLENGE:
		wr_u8(w, MD5_CHALLENGE);
		wr_u8(w, p->req.challenge_len);
		wr_bytes(w, p->req.challenge, p->req.challenge_len);
		wr_name(w, p->conf->name);
		break;
	case MSCHAPV2:
		if (p->auth.state == AUTH_PROOF) {
			at = ms_open(w, p->auth.good ? OP_SUCCESS : OP_FAILURE, p->auth.eap_ms_id);
			chap_message(t, w);
		} else {
			at = ms_open(w, OP_CHALLENGE, p->auth.eap_ms_id);
			wr_u8(w, p->req.challenge_len);
			wr_bytes(w, p->req.challenge, p->req.challenge_len);
			wr_name(w, p->conf->name);
		}
		ms_close(w, at);
		break;
	default:
		wr_u8(w, IDENTITY);
	}
	turn_send(t);
}

void eap_forget(struct ppp *p)
{
	if (p->eap)
		explicit_bzero(p->eap, p->eap_len);
	free(p->eap);
	p->eap = NULL;
	p->eap_len = 0;
}

/* In the place of the last one: few logins are passed through, so no link has room for it all its life. */
static bool eap_keep(struct ppp *p, struct rd pkt)
{
	uint8_t *kept = pkt.n <= PPP_EAP_MAX ? malloc(pkt.n) : NULL;

	if (!kept)
		return false;
	memcpy(kept, pkt.p, pkt.n);
	eap_forget(p);
	p->eap = kept;
	p->eap_len = (uint16_t)pkt.n;
	return true;
}

void eap_start(struct turn *t)
{
	t->p->auth.eap_type = IDENTITY;
	t->p->auth.eap_pass = t->p->conf->eap_pass;
	t->p->auth.eap_round = 0;
	t->p->auth.eap_tried = 0;
	eap_request(t);
}

static void ask_by(struct turn *t, uint8_t type)
{
	struct ppp *p = t->p;

	p->auth.eap_type = type;
	p->auth.eap_tried |= bit_of(type);
	p->req.ident = p->auth.eap_ms_id = ++p->auth.ident;
	p->req.challenge_len = MSCHAP_CHALLENGE;
	rng_bytes(&p->rng, p->req.challenge, p->req.challenge_len);
	eap_request(t);
}

void eap_answer(struct turn *t)
{
	(void)turn_packet(t, PPP_EAP, t->p->auth.good ? SUCCESS : FAILURE, t->p->req.ident);
	turn_send(t);
}

/* The verdict is here. MD5-Challenge ends with it; MSCHAPv2 has it said and acknowledged first. */
void eap_judged(struct turn *t)
{
	struct ppp *p = t->p;

	if (p->auth.eap_pass || p->auth.eap_type != MSCHAPV2) {
		auth_finish(t);
		return;
	}
	p->auth.state = AUTH_PROOF;
	p->req.ident = ++p->auth.ident;
	eap_request(t);
}

static bool take_name(struct ppp *p, struct rd name)
{
	if (name.n >= sizeof(p->req.user))
		return false;
	p->req.user_len = (uint16_t)name.n;
	if (name.n)
		memcpy(p->req.user, name.p, name.n);
	return true;
}

/* RFC 3748 5.3.1: the types that it would have. */
static void got_nak(struct turn *t, struct rd wanted)
{
	struct ppp *p = t->p;
	uint8_t left = p->auth.method & ~p->auth.eap_tried, found = 0;

	while (wanted.n)
		found |= bit_of(rd_u8(&wanted)) & left;
	if (found) {
		ask_by(t, strongest_type(found));
		return;
	}
	p->auth.good = false;
	p->auth.fate = AUTH_FATE_DENIED;
	str_copy(p->auth.why, sizeof(p->auth.why), "no common EAP method");
	auth_finish(t);
}

/* The Value, and for MSCHAPv2 the Name that is part of its hash; else the name is the Identity. */
static bool take_value(struct ppp *p, struct rd body)
{
	uint8_t op = OP_RESPONSE, id = p->auth.eap_ms_id, size;
	size_t want = CHAP_MD5_VALUE;
	struct rd value;

	if (p->auth.eap_type == MSCHAPV2) {
		want = MSCHAP_VALUE;
		op = rd_u8(&body);
		id = rd_u8(&body);
		rd_skip(&body, 2);	/* MS-Length: EAP's says it all, and some peers get it wrong */
	}
	size = rd_u8(&body);
	value = rd_sub(&body, size);
	if (body.bad || op != OP_RESPONSE || id != p->auth.eap_ms_id || size != want ||
	    (p->auth.eap_type == MSCHAPV2 && !take_name(p, body)))
		return false;
	memcpy(p->req.response, value.p, size);
	p->req.response_len = size;
	return true;
}

/* A Response is for who judges: whether its type is the Request's is his to say, too. */
static void pass_on(struct turn *t, uint8_t type, struct rd body, struct rd whole)
{
	struct ppp *p = t->p;

	if (p->auth.state != AUTH_WAIT || !type || whole.n > PPP_EAP_MAX ||
	    (!p->auth.eap_round && (type != IDENTITY || !take_name(p, body))) || !eap_keep(p, whole)) {
		turn_drop(t);
		return;
	}
	p->auth.eap_round += p->auth.eap_round < UINT8_MAX;
	p->req.method = PPP_AUTH_EAP_PASS;
	auth_ask(t);
}

void eap_go_on(struct turn *t, const struct ppp_verdict *v)
{
	struct ppp *p = t->p;
	const uint32_t restart_ms = p->conf->limits[PPP_FSM_LCP].restart_ms;
	struct rd pkt = v->eap_packet;
	uint8_t code, id, type;
	uint16_t len;
	bool again;

	if (v->eap == PPP_EAP_OWN) {
		p->auth.eap_pass = false;
		p->auth.state = AUTH_WAIT;
		eap_forget(p);
		ask_by(t, strongest_type(p->auth.method));
		return;
	}
	code = rd_u8(&pkt);
	id = rd_u8(&pkt);
	len = rd_u16(&pkt);
	type = rd_u8(&pkt);
	if (pkt.bad || code != REQUEST || len != v->eap_packet.n || !eap_keep(p, v->eap_packet)) {
		turn_close(t, "an EAP Request that is none");
		return;
	}
	/* RFC 3579 2.2: the Request as before, since our Response was no good: there may come a better one. */
	again = id == p->req.ident;
	p->req.ident = p->auth.ident = id;
	p->auth.eap_type = type;
	p->auth.eap_wait_ms = v->eap_wait_ms;
	p->auth.state = AUTH_WAIT;
	/* Somebody may have to type something; and once more, should it have been lost. */
	if (v->eap_wait_ms)
		p->phase_ms = MAX(p->phase_ms, t->now_ms + v->eap_wait_ms + restart_ms);
	if (again)
		p->auth.timer_ms = t->now_ms + restart_ms;
	else
		eap_request(t);
}

static void got_response(struct turn *t, uint8_t id, uint8_t type, struct rd body, struct rd whole)
{
	struct ppp *p = t->p;

	if (id != p->req.ident) {
		turn_drop(t);
		return;
	}
	/* RFC 3748 4.2: the answer may have been lost, and is not asked for in another way. */
	if (p->auth.state == AUTH_DONE || p->auth.state == AUTH_FAILED) {
		if (turn_may_reply(t))
			eap_answer(t);
		return;
	}
	if (p->auth.eap_pass) {
		pass_on(t, type, body, whole);
		return;
	}
	/* The draft's 2.4, 2.6: its OpCode comes back alone.  What else it says does not change the verdict. */
	if (p->auth.state == AUTH_PROOF && (type == MSCHAPV2 || type == NAK)) {
		if (p->auth.good && (type != MSCHAPV2 || rd_u8(&body) != OP_SUCCESS))
			turn_drop(t);
		else
			auth_finish(t);
		return;
	}
	if (p->auth.state != AUTH_WAIT || (type != p->auth.eap_type && (type != NAK || p->auth.eap_type == IDENTITY))) {
		turn_drop(t);
		return;
	}
	if (type == NAK) {
		got_nak(t, body);
	} else if (type == IDENTITY) {
		if (take_name(p, body))
			ask_by(t, strongest_type(p->auth.method));
		else
			turn_drop(t);
	} else if (take_value(p, body)) {
		p->req.method = bit_of(type);
		auth_ask(t);
	} else {
		turn_drop(t);
	}
}

/* ---- peer ---- */

/* Our answer to the Request that is in req, again where it comes again. */
static void reply(struct turn *t)
{
	struct ppp *p = t->p;
	struct wr *w = turn_packet(t, PPP_EAP, RESPONSE, p->req.ident);
	size_t at;

	switch (p->auth.eap_type) {
	case IDENTITY:
		wr_u8(w, IDENTITY);
		wr_name(w, p->conf->user);
		break;
	case MD5_CHALLENGE:
		wr_u8(w, MD5_CHALLENGE);
		wr_u8(w, (uint8_t)p->req.response_len);
		wr_bytes(w, p->req.response, p->req.response_len);
		wr_name(w, p->conf->user);
		break;
	case MSCHAPV2:
		if (p->auth.eap_op != OP_CHALLENGE) {
			wr_u8(w, MSCHAPV2);
			wr_u8(w, p->auth.eap_op);
			break;
		}
		at = ms_open(w, OP_RESPONSE, p->auth.eap_ms_id);
		wr_u8(w, (uint8_t)p->req.response_len);
		wr_bytes(w, p->req.response, p->req.response_len);
		wr_name(w, p->conf->user);
		ms_close(w, at);
		break;
	default:
		/* RFC 3748 5.3.1: what we would have, or 0 and nothing. */
		wr_u8(w, NAK);
		if (p->conf->auth & PPP_AUTH_EAP_MSCHAPV2)
			wr_u8(w, MSCHAPV2);
		if (p->conf->auth & PPP_AUTH_EAP_MD5)
			wr_u8(w, MD5_CHALLENGE);
		if (!(p->conf->auth & PPP_AUTH_EAP))
			wr_u8(w, 0);
	}
	turn_send(t);
}

/* A Value to be answered; false: it is none. */
static bool take_challenge(struct ppp *p, struct rd body, size_t want)
{
	uint8_t n = rd_u8(&body);
	struct rd c = rd_sub(&body, n);

	if (body.bad || !n || n > sizeof(p->req.challenge) || (want && n != want))
		return false;
	p->req.challenge_len = n;
	memcpy(p->req.challenge, c.p, n);
	return true;
}

/* The draft's 2.1, 2.3, 2.5. */
static void got_ms(struct turn *t, uint8_t id, struct rd body)
{
	struct ppp *p = t->p;
	uint8_t op = rd_u8(&body), ms_id = rd_u8(&body);

	rd_skip(&body, 2);
	if (body.bad || (op == OP_CHALLENGE && !take_challenge(p, body, MSCHAP_CHALLENGE)) ||
	    (op != OP_CHALLENGE && (p->auth.eap_type != MSCHAPV2 || p->auth.eap_op != OP_CHALLENGE)) ||
	    op < OP_CHALLENGE || op == OP_RESPONSE || op > OP_FAILURE) {
		turn_drop(t);
		return;
	}
	if (op == OP_CHALLENGE) {
		p->auth.eap_ms_id = ms_id;
		p->req.response_len = MSCHAP_VALUE;
		if (!chap_compute(p)) {
			turn_close(t, "this OpenSSL cannot compute the response");
			return;
		}
	} else if (op == OP_SUCCESS && !chap_proof_is_right(p, body)) {
		turn_close(t, "the server does not know the password");
		return;
	}
	p->req.ident = id;
	p->req.method = PPP_AUTH_EAP_MSCHAPV2;
	p->auth.eap_type = MSCHAPV2;
	p->auth.eap_op = op;
	p->auth.state = AUTH_JUDGED;
	reply(t);
}

static void got_request(struct turn *t, uint8_t id, uint8_t type, struct rd body)
{
	struct ppp *p = t->p;
	const char *pw = p->conf->password;

	/* RFC 3748 4.1: a retransmission has its Identifier, and gets the answer it got. */
	if (p->auth.eap_type && id == p->req.ident) {
		if (turn_may_reply(t))
			reply(t);
		return;
	}
	if (type == NAK || !type) {
		turn_drop(t);
		return;
	}
	/* RFC 3748 5.2: an answer, and nothing more; the method goes on where it was. */
	if (type == NOTIFICATION) {
		if (turn_may_reply(t)) {
			wr_u8(turn_packet(t, PPP_EAP, RESPONSE, id), NOTIFICATION);
			turn_send(t);
		}
		return;
	}
	if (type == MSCHAPV2 && p->conf->auth & PPP_AUTH_EAP_MSCHAPV2) {
		got_ms(t, id, body);
		return;
	}
	if (type == MD5_CHALLENGE && p->conf->auth & PPP_AUTH_EAP_MD5) {
		if (!take_challenge(p, body, 0)) {
			turn_drop(t);
			return;
		}
		p->req.method = PPP_AUTH_EAP_MD5;
		p->req.response_len = CHAP_MD5_VALUE;
		p->auth.state = AUTH_JUDGED;
		if (!chap_md5(id, pw, strlen(pw), rd_of(p->req.challenge, p->req.challenge_len), p->req.response)) {
			turn_close(t, "this OpenSSL cannot compute the response");
			return;
		}
	} else if (type != IDENTITY) {
		type = NAK;
	}
	p->req.ident = id;
	p->auth.eap_type = type;
	reply(t);
}

/* Did the method get to its end? RFC 3748 4.2: a Success before that is "silently discarded". */
static bool is_complete(const struct ppp *p)
{
	return p->auth.state == AUTH_JUDGED &&
	       (p->req.method == PPP_AUTH_EAP_MD5 || (p->auth.eap_type == MSCHAPV2 && p->auth.eap_op == OP_SUCCESS));
}

static void got_result(struct turn *t, uint8_t code, uint8_t id)
{
	struct ppp *p = t->p;
	bool pending = p->auth.state == AUTH_WAIT || p->auth.state == AUTH_JUDGED;

	/* RFC 3748 4.2: the Identifier of the Response; some count on. */
	if (!pending || (id != p->req.ident && id != (uint8_t)(p->req.ident + 1)) || (code == SUCCESS && !is_complete(p)))
		turn_drop(t);
	else
		auth_result(t, code == SUCCESS, rd_of(NULL, 0));
}

void eap_input(struct turn *t, struct rd pkt)
{
	struct ppp *p = t->p;
	struct rd body, whole = pkt;
	uint8_t code, id, type = 0;
	uint16_t len;

	/* What was not agreed on is not read. */
	if (!(p->auth.method & PPP_AUTH_EAP)) {
		turn_drop(t);
		return;
	}
	code = rd_u8(&pkt);
	id = rd_u8(&pkt);
	len = rd_u16(&pkt);
	body = rd_sub(&pkt, len < HEADER ? SIZE_MAX : len - (size_t)HEADER);
	whole.n = MIN(whole.n, (size_t)len);
	if (!body.bad && (code == REQUEST || code == RESPONSE))
		type = rd_u8(&body);
	if (body.bad)
		turn_drop(t);
	else if (p->conf->authenticator && code == RESPONSE)
		got_response(t, id, type, body, whole);
	else if (!p->conf->authenticator && code == REQUEST)
		got_request(t, id, type, body);
	else if (!p->conf->authenticator && (code == SUCCESS || code == FAILURE))
		got_result(t, code, id);
	else
		turn_drop(t);
}
