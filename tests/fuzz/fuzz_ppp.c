/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PPP link with a hostile other side.  Byte 0: role, methods offered, and how
 * far a good peer has brought the link before (from 5 on with MPPE); then records: one byte of
 * length, one of time (units of 250 ms) or, where the length is 0, of an order
 * (a verdict, a close, …), then the frame.
 *
 * Must hold at all times: IP passes through a server only after a verdict that
 * said yes, for this very negotiation of LCP; nothing follows GONE; no effect
 * finds ppp_out full; and a link left alone is gone in bounded time.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ppp/auth.h"
#include "ppp/fsm.h"
#include "ppp/mppe.h"
#include "ppp/mschap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct ppp p;
	struct ppp_conf c;
	struct ppp_out out;
	uint64_t now_ms;
	bool asked, allowed, up, gone, mppe;
};

static void must(bool what)
{
	if (!what)
		abort();
}

static void drain(struct world *w)
{
	must(!w->gone || w->out.n == 0);
	for (unsigned i = 0; i < w->out.n; i++) {
		const struct ppp_effect *e = &w->out.eff[i];

		switch (e->type) {
		case PPP_EFF_SEND:
			must(e->len >= 8 && e->len <= PPP_FRAME_MAX + 8 && e->data[0] == 0xff);
			break;
		case PPP_EFF_AUTH:
			must(w->c.authenticator && w->p.req.user_len < PPP_NAME_MAX &&
			     w->p.req.response_len <= sizeof(w->p.req.response));
			w->asked = true;
			w->allowed = false;
			break;
		case PPP_EFF_ADDR:
			must(w->c.authenticator && w->allowed && w->p.may_choose && w->p.ip_wanted);
			break;
		case PPP_EFF_MPPE_ON:
			must(!w->mppe && (w->allowed || !w->c.authenticator) && w->p.mppe_ours && w->p.mppe_theirs);
			w->mppe = true;
			break;
		case PPP_EFF_MPPE_OFF:
			must(w->mppe);
			w->mppe = false;
			break;
		case PPP_EFF_MPPE_FLUSH:
			must(w->mppe);
			break;
		case PPP_EFF_UP:
			must(w->c.mppe != PPP_MPPE_REQUIRED || w->mppe);
			must(!w->up && (w->allowed || !w->c.authenticator));
			w->up = true;
			break;
		case PPP_EFF_DOWN:
			must(w->up);
			w->up = false;
			break;
		case PPP_EFF_GONE:
			must(!w->up && !w->mppe && i == w->out.n - 1);
			w->gone = true;
			break;
		}
	}
	if (w->p.fsm[PPP_FSM_LCP].state != FSM_OPENED)
		w->allowed = w->asked = false;
	must(ppp_may_ip(&w->p) == w->up);
	must(!w->up || w->allowed || !w->c.authenticator);
	must(!w->up || w->mppe || w->c.mppe != PPP_MPPE_REQUIRED);
	must(w->p.lost == 0);
	must(ppp_mtu(&w->p) >= PPP_MRU_MIN - MPPE_OVERHEAD && ppp_mtu(&w->p) <= PPP_MRU_DEFAULT);
	must(!w->gone || ppp_deadline(&w->p) == PPP_NEVER);
	ppp_out_init(&w->out);
}

static void order(struct world *w, uint8_t what)
{
	struct ppp_verdict v = { .mppe_keys = what & 16, .ip = 0x0a000002, .ip_local = 0x0a000001, .dns = { 1, 2 }, .may_choose = what & 8 };

	switch (what & 7) {
	case 0:
	case 1:
	case 2:
		v.ok = (what & 7) == 0;
		v.refused = (what & 7) == 2;
		if (w->asked && v.ok)
			w->allowed = true;
		w->asked = false;
		ppp_verdict(&w->p, &v, w->now_ms, &w->out);
		break;
	case 3:
		ppp_close(&w->p, "fuzz", w->now_ms, &w->out);
		break;
	case 4:
		ppp_lower_down(&w->p, "fuzz", w->now_ms, &w->out);
		break;
	case 5:
		ppp_heard(&w->p, w->now_ms);
		if (what & 8)
			ppp_address(&w->p, 0x0a000003, w->now_ms, &w->out);
		break;
	default:
		w->now_ms += (what >> 3) * 1000u;
		ppp_expire(&w->p, w->now_ms, &w->out);
	}
	drain(w);
}

static void frame(struct world *w, const void *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (n)
		memcpy(copy, p, n);
	ppp_input(&w->p, rd_of(copy, n), w->now_ms, &w->out);
	free(copy);
	drain(w);
}

/* Our own last Configure-Request comes back as an Ack. */
static void ack(struct world *w, const struct ppp_proto *pr)
{
	uint8_t buf[64];
	struct wr f = wr_of(buf, sizeof(buf));
	size_t at;

	wr_u16(&f, pr->num);
	wr_u8(&f, CONFIGURE_ACK);
	wr_u8(&f, w->p.fsm[pr->fsm].id);
	at = wr_open16(&f);
	opt_ask(&w->p, pr, &f);
	wr_close16(&f, at, at - 2, 0);
	frame(w, buf, f.len);
}

/* EAP Response to what was asked last. */
static void eap_frame(struct world *w, uint8_t type, const void *body, uint8_t n)
{
	uint8_t buf[80] = { 0xc2, 0x27, 2, w->p.req.ident, 0, (uint8_t)(5 + n), type };

	memcpy(buf + 7, body, n);
	frame(w, buf, 7u + n);
}

static void advance(struct world *w, unsigned steps)
{
	static const uint8_t empty[] = { 0xc0, 0x21, 1, 1, 0, 4 };
	static const uint8_t ask_auth[] = { 0xc0, 0x21, 1, 1, 0, 9, 3, 5, 0xc2, 0x23, 5 };
	static const uint8_t pap[] = { 0xc0, 0x23, 1, 1, 0, 8, 1, 'u', 1, 'p' };
	static const uint8_t addr[] = { 0x80, 0x21, 1, 1, 0, 10, 3, 6, 10, 0, 0, 2 };
	static const uint8_t ask_eap[] = { 0xc0, 0x21, 1, 1, 0, 8, 3, 4, 0xc2, 0x27 };
	uint8_t chap[64] = { 0xc2, 0x23, 2, 0, 0, 54, 49 };
	static const uint8_t md5[17] = { 16 };
	uint8_t ms[54] = { 2, 0, 0, 54, 49 };

	if (steps > 0) {
		if (w->c.authenticator || steps & 1)
			frame(w, empty, sizeof(empty));
		else if (w->c.auth & PPP_AUTH_EAP)
			frame(w, ask_eap, sizeof(ask_eap));
		else
			frame(w, ask_auth, sizeof(ask_auth));
		ack(w, &lcp_proto);
	}
	if (steps > 1 && w->c.authenticator) {
		chap[3] = w->p.req.ident;
		chap[6] = w->p.auth.method == PPP_AUTH_MSCHAPV2 ? 49 : 16;
		frame(w, chap, 2 + 54);
		frame(w, pap, sizeof(pap));
		/* The name, then a Value of the length that is wanted. */
		eap_frame(w, 1, "u", 1);
		ms[1] = w->p.auth.eap_ms_id;
		if (w->c.auth & PPP_AUTH_EAP_MSCHAPV2)
			eap_frame(w, 26, ms, sizeof(ms));
		else
			eap_frame(w, 4, md5, sizeof(md5));
	}
	if (steps > 2) {
		order(w, 16);
		eap_frame(w, 26, "\3", 1);
	}
	if (steps > 4)
		ack(w, &ccp_proto);
	if (steps > 3) {
		ack(w, &ipcp_proto);
		frame(w, addr, sizeof(addr));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t methods[8] = {
		PPP_AUTH_PAP, PPP_AUTH_CHAP_MD5, PPP_AUTH_PAP | PPP_AUTH_CHAP_MD5, PPP_AUTH_MSCHAPV2,
		PPP_AUTH_PAP | PPP_AUTH_MSCHAPV2, PPP_AUTH_EAP, PPP_AUTH_EAP_MSCHAPV2,
		PPP_AUTH_PAP | PPP_AUTH_CHAP_MD5 | PPP_AUTH_MSCHAPV2 | PPP_AUTH_EAP,
	};
	static struct world w;
	struct rd r = rd_of(data, size);
	struct rng seed;
	uint8_t how = rd_u8(&r);

	if (r.bad || !mschap_init())
		return 0;
	w = (struct world){ .now_ms = 5, .c = {
		.authenticator = !(how & 0x80), .auth = methods[how >> 4 & 7], .mru = 1360, .name = "s",
		.user = "u", .password = "p", .want_dns = true, .limits = PPP_LIMITS, .keepalive = true, .keepalive_interval_ms = 20000,
		.keepalive_retry_ms = 5000, .keepalive_max = 3, .auth_timeout_ms = 30000,
	} };
	if ((how & 7) >= 5) {
		w.c.mppe = how & 1 ? PPP_MPPE_REQUIRED : PPP_MPPE_YES;
		w.c.mppe_bits = MPPE_KEYS | MPPE_STATELESS;
		w.c.mppe_stateful = how & 0x10;
	}
	rng_init_test(&seed, 1);
	ppp_init(&w.p, &w.c, &seed);
	ppp_out_init(&w.out);
	ppp_start(&w.p, w.now_ms, &w.out);
	drain(&w);
	advance(&w, (how & 7) < 5 ? how & 7 : 7);
	while (r.n >= 2) {
		uint8_t n = rd_u8(&r);
		uint8_t t = rd_u8(&r);

		if (!n) {
			order(&w, t);
			continue;
		}
		w.now_ms += t * 250u;
		ppp_expire(&w.p, w.now_ms, &w.out);
		drain(&w);
		frame(&w, r.p, MIN(n, r.n));
		rd_skip(&r, MIN(n, r.n));
	}
	/* Alone from here on. */
	for (int calls = 0; !w.gone && ppp_deadline(&w.p) != PPP_NEVER; calls++) {
		must(calls < 200);
		w.now_ms = MAX(w.now_ms, ppp_deadline(&w.p));
		ppp_expire(&w.p, w.now_ms, &w.out);
		drain(&w);
	}
	must(w.gone || w.up);
	return 0;
}
