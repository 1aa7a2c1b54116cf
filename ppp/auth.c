/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The authentication phase: who waits for what, and what a verdict means. */
#include "ppp/auth.h"

#include <string.h>

/* After a refusal the peer may hang up first; most do at once. */
enum { FAILED_LINGER_MS = 1000 };

enum { ALGORITHM_MD5 = 5, ALGORITHM_MSCHAPV2 = 0x81 };	/* RFC 1994 3, RFC 2759 2 */

uint8_t auth_method(struct rd val)
{
	uint16_t proto = rd_u16(&val);
	uint8_t algorithm;

	if (val.bad)
		return 0;
	if (proto == PPP_PAP)
		return val.n ? 0 : PPP_AUTH_PAP;
	if (proto == PPP_EAP)
		return val.n ? 0 : PPP_AUTH_EAP;
	algorithm = rd_u8(&val);
	if (proto != PPP_CHAP || val.bad || val.n)
		return 0;
	return algorithm == ALGORITHM_MD5 ? PPP_AUTH_CHAP_MD5 :
	       algorithm == ALGORITHM_MSCHAPV2 ? PPP_AUTH_MSCHAPV2 : 0;
}

void auth_method_write(uint8_t method, struct wr *w)
{
	wr_u16(w, method & PPP_AUTH_EAP ? PPP_EAP : method == PPP_AUTH_PAP ? PPP_PAP : PPP_CHAP);
	if (method == PPP_AUTH_CHAP_MD5 || method == PPP_AUTH_MSCHAPV2)
		wr_u8(w, method == PPP_AUTH_CHAP_MD5 ? ALGORITHM_MD5 : ALGORITHM_MSCHAPV2);
}

uint8_t auth_strongest(uint8_t set)
{
	/* EAP's MSCHAPv2 is as strong as CHAP's, and takes two round trips more. */
	return set & PPP_AUTH_MSCHAPV2 ? PPP_AUTH_MSCHAPV2 : set & PPP_AUTH_EAP_MSCHAPV2 ? set & PPP_AUTH_EAP :
	       set & PPP_AUTH_CHAP_MD5 ? PPP_AUTH_CHAP_MD5 : set & PPP_AUTH_EAP_MD5 ? PPP_AUTH_EAP_MD5 :
	       set & PPP_AUTH_PAP ? PPP_AUTH_PAP : 0;
}

static bool is_pap(const struct ppp *p)
{
	return p->auth.method == PPP_AUTH_PAP;
}

static bool is_eap(const struct ppp *p)
{
	return p->auth.method & PPP_AUTH_EAP;
}

void auth_start(struct turn *t)
{
	struct ppp *p = t->p;

	explicit_bzero(&p->req, sizeof(p->req));
	p->req.method = p->auth.method;
	p->req.ident = ++p->auth.ident;
	p->auth.state = AUTH_WAIT;
	p->auth.timer_ms = PPP_NEVER;
	p->auth.eap_type = 0;
	eap_forget(p);
	if (p->conf->authenticator && is_eap(p)) {
		eap_start(t);
	} else if (p->conf->authenticator && !is_pap(p)) {
		chap_challenge(t);
		p->auth.timer_ms = t->now_ms + p->conf->limits[PPP_FSM_LCP].restart_ms;
	} else if (!p->conf->authenticator && is_pap(p)) {
		pap_request(t);
	}
}

void auth_stop(struct ppp *p)
{
	p->auth.state = AUTH_IDLE;
	p->auth.timer_ms = PPP_NEVER;
}

void auth_expire(struct turn *t)
{
	struct ppp *p = t->p;

	p->auth.timer_ms = PPP_NEVER;
	if (p->auth.state == AUTH_FAILED) {
		turn_close(t, "authentication failed");
	} else if (p->conf->authenticator && is_eap(p)) {
		eap_request(t);
	} else if (p->conf->authenticator) {
		chap_challenge(t);
		p->auth.timer_ms = t->now_ms + p->conf->limits[PPP_FSM_LCP].restart_ms;
	} else if (is_pap(p)) {
		pap_request(t);
	} else if (!is_eap(p)) {
		chap_response(t);
	}
}

void auth_ask(struct turn *t)
{
	t->p->auth.state = AUTH_JUDGED;
	t->p->auth.timer_ms = PPP_NEVER;
	turn_effect(t, PPP_EFF_AUTH);
}

void auth_answer(struct turn *t)
{
	if (is_pap(t->p))
		pap_answer(t);
	else if (is_eap(t->p))
		eap_answer(t);
	else
		chap_answer(t);
}

void auth_finish(struct turn *t)
{
	struct ppp *p = t->p;

	p->auth.timer_ms = PPP_NEVER;
	p->auth.state = p->auth.good ? AUTH_DONE : AUTH_FAILED;
	auth_answer(t);
	if (p->auth.fate == AUTH_FATE_REFUSED) {
		turn_close(t, p->auth.why[0] ? p->auth.why : "refused");
	} else if (p->auth.fate == AUTH_FATE_DENIED) {
		str_copy(p->reason, sizeof(p->reason), p->auth.why[0] ? p->auth.why : "authentication failed");
		p->auth.timer_ms = t->now_ms + FAILED_LINGER_MS;
	} else if (!p->ip_remote) {
		turn_close(t, "no address to give");
	} else {
		turn_network(t);
	}
}

void auth_verdict(struct turn *t, const struct ppp_verdict *v)
{
	struct ppp *p = t->p;

	if (!p->conf->authenticator || p->auth.state != AUTH_JUDGED)
		return;
	if (v->eap != PPP_EAP_JUDGED) {
		if (p->req.method == PPP_AUTH_EAP_PASS)
			eap_go_on(t, v);
		return;
	}
	explicit_bzero(p->req.response, sizeof(p->req.response));
	eap_forget(p);
	p->auth.good = v->ok || v->refused;
	p->auth.fate = v->refused ? AUTH_FATE_REFUSED : v->ok ? AUTH_FATE_OK : AUTH_FATE_DENIED;
	str_copy(p->auth.why, sizeof(p->auth.why), v->reason);
	p->auth.error = v->mschap_error;
	str_copy(p->auth.message, sizeof(p->auth.message), v->message);
	memcpy(p->auth.proof, v->mschap_auth, sizeof(p->auth.proof));
	if (p->auth.fate == AUTH_FATE_OK) {
		p->mppe_keys = v->mppe_keys;
		memcpy(p->mppe_send, v->mppe_send, sizeof(p->mppe_send));
		memcpy(p->mppe_recv, v->mppe_recv, sizeof(p->mppe_recv));
		p->ip_remote = v->ip;
		p->ip_local = v->ip_local;
		p->may_choose = v->may_choose;
		p->held_len = 0;
		memcpy(p->dns, v->dns, sizeof(p->dns));
		memcpy(p->nbns, v->nbns, sizeof(p->nbns));
	}
	if (is_eap(p))
		eap_judged(t);
	else
		auth_finish(t);
}

void auth_sent(struct turn *t)
{
	struct ppp *p = t->p;

	p->auth.state = AUTH_JUDGED;
	/* In the network phase it was the authenticator's wish to ask again: its timer counts. */
	p->auth.timer_ms = p->phase == PPP_AUTHENTICATE ? t->now_ms + p->conf->limits[PPP_FSM_LCP].restart_ms : PPP_NEVER;
}

void auth_result(struct turn *t, bool ok, struct rd msg)
{
	struct ppp *p = t->p;
	char text[PPP_REASON_MAX - 24], reason[PPP_REASON_MAX] = "authentication failed";

	p->auth.timer_ms = PPP_NEVER;
	if (ok) {
		p->auth.state = AUTH_DONE;
		p->mppe_keys = p->auth.method == PPP_AUTH_MSCHAPV2 ||
			       (is_eap(p) && p->req.method == PPP_AUTH_EAP_MSCHAPV2);
		if (p->phase == PPP_AUTHENTICATE)
			turn_network(t);
		return;
	}
	p->auth.state = AUTH_FAILED;
	str_escape(text, sizeof(text), msg.p, msg.n);
	if (text[0]) {
		str_copy(reason + strlen(reason), sizeof(reason) - strlen(reason), ": ");
		str_copy(reason + strlen(reason), sizeof(reason) - strlen(reason), text);
	}
	turn_close(t, reason);
}
