/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auth: the authentication phase (RFC 1661 3.5), common to PAP and CHAP.  For ppp/ only. */
#ifndef CULVERT_PPP_AUTH_H
#define CULVERT_PPP_AUTH_H

#include "ppp/proto.h"

enum ppp_auth_state {
	AUTH_IDLE,
	AUTH_WAIT,	/* authenticator: for the peer's name and proof; peer: for a Challenge */
	AUTH_JUDGED,	/* authenticator: PPP_EFF_AUTH is out; peer: our answer is out */
	AUTH_PROOF,	/* authenticator, EAP-MSCHAPv2: the verdict is told, and to be acknowledged */
	AUTH_DONE,	/* success, sent or received */
	AUTH_FAILED,	/* authenticator: the refusal is sent, the peer may hang up first */
};

enum ppp_auth_fate { AUTH_FATE_OK, AUTH_FATE_DENIED, AUTH_FATE_REFUSED };

/* LCP opened, a method is agreed. */
void auth_start(struct turn *);
/* LCP is not open any more. */
void auth_stop(struct ppp *);
void auth_expire(struct turn *);

/* Authenticator: p->req is complete. */
void auth_ask(struct turn *);
void auth_verdict(struct turn *, const struct ppp_verdict *);
/* Authenticator: the verdict takes effect: auth.good, fate, why. */
void auth_finish(struct turn *);
/* Authenticator: send the answer, as often as asked for. */
void auth_answer(struct turn *);

/* Peer: the authenticator's answer; msg is its text. */
void auth_result(struct turn *, bool ok, struct rd msg);
/* Peer: our answer is out (again). */
void auth_sent(struct turn *);

/* The bit (for EAP, all of its bits) for the value of an Authentication-Protocol option
 * (RFC 1661 6.2), 0 for one we do not know; and back. */
uint8_t auth_method(struct rd val);
void auth_method_write(uint8_t method, struct wr *);
/* The strongest of a set; 0 of none. */
uint8_t auth_strongest(uint8_t set);

/* chap.c */
void chap_challenge(struct turn *);	/* the same again until auth_start() */
void chap_response(struct turn *);	/* peer: send p->req's again */
void chap_answer(struct turn *);
void chap_input(struct turn *, struct rd pkt);
/* What a Success or Failure says (RFC 2759 5, 6): auth.good, auth.proof. */
void chap_message(struct turn *, struct wr *);
/* Peer, MS-CHAPv2: from req.challenge to req.response, auth.proof and the keys. false: OpenSSL cannot. */
MUST_USE bool chap_compute(struct ppp *);
/* Does the text of a Success show auth.proof? */
bool chap_proof_is_right(const struct ppp *, struct rd msg);
/* eap.c */
void eap_start(struct turn *);
void eap_forget(struct ppp *);		/* what was passed through: it may hold a password */
void eap_request(struct turn *);
void eap_judged(struct turn *);
/* Authenticator: v->eap says how EAP goes on. */
void eap_go_on(struct turn *, const struct ppp_verdict *v);
void eap_answer(struct turn *);
void eap_input(struct turn *, struct rd pkt);
/* pap.c */
void pap_request(struct turn *);
void pap_answer(struct turn *);
void pap_input(struct turn *, struct rd pkt);

#endif
