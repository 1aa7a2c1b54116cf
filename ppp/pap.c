/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PAP: the packets of RFC 1334 2.2. */
#include <string.h>

#include "ppp/auth.h"

enum pap_code { AUTHENTICATE_REQUEST = 1, AUTHENTICATE_ACK, AUTHENTICATE_NAK };

void pap_answer(struct turn *t)
{
	struct ppp *p = t->p;
	struct wr *w = turn_packet(t, PPP_PAP, p->auth.good ? AUTHENTICATE_ACK : AUTHENTICATE_NAK,
		p->req.ident);

	wr_u8(w, (uint8_t)strlen(p->auth.message));
	wr_bytes(w, p->auth.message, strlen(p->auth.message));
	turn_send(t);
}

static void got_request(struct turn *t, uint8_t id, struct rd body)
{
	struct ppp *p = t->p;
	uint8_t n = rd_u8(&body);
	struct rd user = rd_sub(&body, n);
	uint8_t m = rd_u8(&body);
	struct rd password = rd_sub(&body, m);

	if (body.bad || p->auth.state == AUTH_JUDGED) {
		turn_drop(t);
		return;
	}
	p->req.ident = id;
	/* RFC 1334 2.2.1: "Because the Authenticate-Ack might be lost", the request
	 * may come again, and gets the answer it got. */
	if (p->auth.state != AUTH_WAIT) {
		if (turn_may_reply(t))
			pap_answer(t);
		return;
	}
	p->req.user_len = n;
	if (n)
		memcpy(p->req.user, user.p, n);
	p->req.response_len = m;
	if (m)
		memcpy(p->req.response, password.p, m);
	auth_ask(t);
}

/* deviation: RFC 1334 2.2.1 has a new Identifier for each; the same one lets a late answer count. */
void pap_request(struct turn *t)
{
	struct ppp *p = t->p;
	struct wr *w = turn_packet(t, PPP_PAP, AUTHENTICATE_REQUEST, p->req.ident);
	size_t at = wr_open8(w);

	wr_bytes(w, p->conf->user, strlen(p->conf->user));
	wr_close8(w, at, at + 1);
	at = wr_open8(w);
	wr_bytes(w, p->conf->password, strlen(p->conf->password));
	wr_close8(w, at, at + 1);
	turn_send(t);
	auth_sent(t);
}

void pap_input(struct turn *t, struct rd pkt)
{
	struct ppp *p = t->p;
	struct rd body, msg;
	uint8_t code, id, n;
	uint16_t len;
	bool answers;

	/* What was not agreed on is not read. */
	if (p->auth.method != PPP_AUTH_PAP) {
		turn_drop(t);
		return;
	}
	code = rd_u8(&pkt);
	id = rd_u8(&pkt);
	len = rd_u16(&pkt);
	body = rd_sub(&pkt, len < 4 ? SIZE_MAX : len - 4u);
	if (body.bad) {
		turn_drop(t);
		return;
	}
	if (p->conf->authenticator && code == AUTHENTICATE_REQUEST) {
		got_request(t, id, body);
		return;
	}
	answers = !p->conf->authenticator && p->auth.state == AUTH_JUDGED && id == p->req.ident;
	if (!answers || (code != AUTHENTICATE_ACK && code != AUTHENTICATE_NAK)) {
		turn_drop(t);
		return;
	}
	/* Some leave Msg-Length out where there is no message; a wrong one is not worth a login. */
	n = rd_u8(&body);
	msg = rd_sub(&body, MIN(n, body.n));
	auth_result(t, code == AUTHENTICATE_ACK, msg);
}
