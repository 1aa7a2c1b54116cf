/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CHAP: the packets of RFC 1994 4, and of RFC 2759 3 to 6, which has the same. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "ppp/auth.h"
#include "ppp/mschap.h"

enum chap_code { CHALLENGE = 1, RESPONSE, SUCCESS, FAILURE };

static const char hex[] = "0123456789ABCDEF";

static void wr_hex(struct wr *w, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		wr_u8(w, (uint8_t)hex[p[i] >> 4]);
		wr_u8(w, (uint8_t)hex[p[i] & 15]);
	}
}

static void wr_text(struct wr *w, const char *s)
{
	wr_bytes(w, s, strlen(s));
}

/*
 * deviation: RFC 1994 4.1 wants a new Identifier and value for each Challenge
 * sent.  A retransmission is the same Challenge here, or a peer further away
 * than the Restart timer could never answer in time; each attempt has a new one.
 */
void chap_challenge(struct turn *t)
{
	struct ppp *p = t->p;
	struct wr *w;

	if (!p->req.challenge_len) {
		p->req.challenge_len = MSCHAP_CHALLENGE;
		rng_bytes(&p->rng, p->req.challenge, p->req.challenge_len);
	}
	w = turn_packet(t, PPP_CHAP, CHALLENGE, p->req.ident);
	wr_u8(w, p->req.challenge_len);
	wr_bytes(w, p->req.challenge, p->req.challenge_len);
	wr_text(w, p->conf->name);
	turn_send(t);
}

void chap_message(struct turn *t, struct wr *w)
{
	struct ppp *p = t->p;
	uint8_t c[MSCHAP_CHALLENGE];
	char head[32];

	/* RFC 2759 5: S= is the proof; nobody needs the M= after it. */
	if (p->auth.good) {
		wr_text(w, "S=");
		wr_hex(w, p->auth.proof, sizeof(p->auth.proof));
		return;
	}
	/* RFC 2759 6: 691 authentication failure, or what a RADIUS server says it is; no retry.  Without "M=": an old
	 * pppd of macOS hangs on it.  C= would be for a retry, but belongs to the form. */
	rng_bytes(&p->rng, c, sizeof(c));
	snprintf(head, sizeof(head), "E=%u R=0 C=", p->auth.error ? p->auth.error : 691);
	wr_text(w, head);
	wr_hex(w, c, sizeof(c));
	wr_text(w, " V=3");
}

void chap_answer(struct turn *t)
{
	struct ppp *p = t->p;
	struct wr *w = turn_packet(t, PPP_CHAP, p->auth.good ? SUCCESS : FAILURE, p->req.ident);

	if (p->auth.method == PPP_AUTH_MSCHAPV2)
		chap_message(t, w);
	else
		wr_text(w, p->auth.message);
	turn_send(t);
}

static uint8_t value_size(const struct ppp *p)
{
	return p->auth.method == PPP_AUTH_MSCHAPV2 ? MSCHAP_VALUE : CHAP_MD5_VALUE;
}

/* Authenticator. */
static void got_response(struct turn *t, uint8_t id, struct rd body)
{
	struct ppp *p = t->p;
	uint8_t n = rd_u8(&body);
	struct rd value = rd_sub(&body, n);

	if (id != p->req.ident || body.bad || n != value_size(p) || body.n >= sizeof(p->req.user)) {
		turn_drop(t);
		return;
	}
	/* RFC 1994 4.1: a Response that comes again gets the reply it got; a
	 * different one, too, or the same Challenge would serve to guess on. */
	if (p->auth.state == AUTH_DONE || p->auth.state == AUTH_FAILED) {
		if (turn_may_reply(t))
			chap_answer(t);
		return;
	}
	if (p->auth.state != AUTH_WAIT) {
		turn_drop(t);
		return;
	}
	memcpy(p->req.response, value.p, n);
	p->req.response_len = n;
	p->req.user_len = (uint16_t)body.n;
	if (body.n)
		memcpy(p->req.user, body.p, body.n);
	auth_ask(t);
}

/* Peer: from here on all of it. */
void chap_response(struct turn *t)
{
	struct ppp *p = t->p;
	struct wr *w = turn_packet(t, PPP_CHAP, RESPONSE, p->req.ident);

	wr_u8(w, (uint8_t)p->req.response_len);
	wr_bytes(w, p->req.response, p->req.response_len);
	wr_text(w, p->conf->user);
	turn_send(t);
	auth_sent(t);
}

/* RFC 2759 4: our challenge, 8 zeros, the response, flags 0. What the Success must show goes to auth.proof. */
bool chap_compute(struct ppp *p)
{
	struct rd user = mschap_user(rd_of(p->conf->user, strlen(p->conf->user)));
	const char *pw = p->conf->password;
	uint8_t hash[MSCHAP_HASH], *v = p->req.response;
	uint8_t *nt = v + MSCHAP_CHALLENGE + 8;
	bool ok;

	memset(v, 0, MSCHAP_VALUE);
	rng_bytes(&p->rng, v, MSCHAP_CHALLENGE);
	ok = mschap_nt_hash(pw, strlen(pw), hash) &&
	     mschap_nt_response(p->req.challenge, v, user, hash, nt) &&
	     mschap_auth_response(hash, nt, v, p->req.challenge, user, p->auth.proof) &&
	     mschap_mppe_keys(hash, nt, false, p->mppe_send, p->mppe_recv);
	OPENSSL_cleanse(hash, sizeof(hash));
	return ok;
}

static void got_challenge(struct turn *t, uint8_t id, struct rd body)
{
	struct ppp *p = t->p;
	const char *pw = p->conf->password;
	uint8_t n = rd_u8(&body);
	struct rd c = rd_sub(&body, n);
	bool ok;

	if (body.bad || !n || n > sizeof(p->req.challenge) ||
	    (p->auth.method == PPP_AUTH_MSCHAPV2 && n != MSCHAP_CHALLENGE)) {
		turn_drop(t);
		return;
	}
	/* A retransmission: the same answer, or the authenticator's Success would not fit it. */
	if (p->auth.state != AUTH_WAIT && id == p->req.ident && n == p->req.challenge_len &&
	    !memcmp(c.p, p->req.challenge, n)) {
		if (p->auth.state == AUTH_JUDGED && turn_may_reply(t))
			chap_response(t);
		return;
	}
	p->req.ident = id;
	p->req.challenge_len = n;
	memcpy(p->req.challenge, c.p, n);
	p->req.response_len = value_size(p);
	if (p->auth.method == PPP_AUTH_MSCHAPV2)
		ok = chap_compute(p);
	else
		ok = chap_md5(id, pw, strlen(pw), c, p->req.response);
	if (ok)
		chap_response(t);
	else
		turn_close(t, "this OpenSSL cannot compute the response");
}

static int hex_value(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 :
	       c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2759 5: "S=" and the AuthenticatorResponse in 40 hex digits, then anything. */
bool chap_proof_is_right(const struct ppp *p, struct rd msg)
{
	uint8_t got[MSCHAP_AUTH];

	if (rd_u16(&msg) != 0x533d)
		return false;
	for (size_t i = 0; i < sizeof(got); i++) {
		int hi = hex_value(rd_u8(&msg));
		int lo = hex_value(rd_u8(&msg));

		if (hi < 0 || lo < 0)
			return false;
		got[i] = (uint8_t)(hi << 4 | lo);
	}
	return CRYPTO_memcmp(got, p->auth.proof, sizeof(got)) == 0;
}

static void got_result(struct turn *t, uint8_t code, uint8_t id, struct rd msg)
{
	struct ppp *p = t->p;

	if (p->auth.state != AUTH_JUDGED || id != p->req.ident) {
		turn_drop(t);
		return;
	}
	/* RFC 2759 5: a peer that finds the proof missing or wrong MUST end the session. */
	if (code == SUCCESS && p->auth.method == PPP_AUTH_MSCHAPV2 && !chap_proof_is_right(p, msg)) {
		p->auth.timer_ms = PPP_NEVER;
		turn_close(t, "the server does not know the password");
		return;
	}
	auth_result(t, code == SUCCESS, msg);
}

void chap_input(struct turn *t, struct rd pkt)
{
	struct ppp *p = t->p;
	struct rd body;
	uint8_t code, id;
	uint16_t len;

	/* What was not agreed on is not read. */
	if (p->auth.method != PPP_AUTH_CHAP_MD5 && p->auth.method != PPP_AUTH_MSCHAPV2) {
		turn_drop(t);
		return;
	}
	code = rd_u8(&pkt);
	id = rd_u8(&pkt);
	len = rd_u16(&pkt);
	body = rd_sub(&pkt, len < 4 ? SIZE_MAX : len - 4u);
	if (body.bad)
		turn_drop(t);
	else if (p->conf->authenticator && code == RESPONSE)
		got_response(t, id, body);
	else if (!p->conf->authenticator && code == CHALLENGE)
		got_challenge(t, id, body);
	else if (!p->conf->authenticator && (code == SUCCESS || code == FAILURE))
		got_result(t, code, id, body);
	else
		turn_drop(t);
}
