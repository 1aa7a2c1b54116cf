/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PPP link and its owner, for the fuzz targets of ppp/.  world_drain() has
 * what must hold at all times: IP passes through a server only after a verdict
 * that said yes, for this very negotiation of LCP; nothing follows GONE; no
 * effect finds ppp_out full; and world_end(): a link left alone is gone in
 * bounded time, or up, and once it is gone it waits for nothing.
 */
#ifndef PPP_WORLD_H
#define PPP_WORLD_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ppp/auth.h"
#include "ppp/fsm.h"
#include "ppp/mppe.h"
#include "ppp/mschap.h"

struct world {
	struct ppp p;
	struct ppp_conf c;
	struct ppp_out out;
	uint64_t now_ms;
	bool asked, allowed, up, gone, mppe;
};

static inline void world_must(bool what)
{
	if (!what)
		abort();
}

static inline void world_drain(struct world *w)
{
	world_must(!w->gone || w->out.n == 0);
	for (unsigned i = 0; i < w->out.n; i++) {
		const struct ppp_effect *e = &w->out.eff[i];

		switch (e->type) {
		case PPP_EFF_SEND:
			world_must(e->len >= 8 && e->len <= PPP_FRAME_MAX + 8 && e->data[0] == 0xff);
			break;
		case PPP_EFF_AUTH:
			world_must(w->p.req.method == PPP_AUTH_EAP_PASS ? w->c.eap_pass && w->p.eap_len > 4 : !w->p.eap_len);
			world_must(w->c.authenticator && w->p.req.user_len < PPP_NAME_MAX &&
			     w->p.req.response_len <= sizeof(w->p.req.response));
			w->asked = true;
			w->allowed = false;
			break;
		case PPP_EFF_ADDR:
			world_must(w->c.authenticator && w->allowed && w->p.may_choose && w->p.ip_wanted);
			break;
		case PPP_EFF_MPPE_ON:
			world_must(!w->mppe && (w->allowed || !w->c.authenticator) && w->p.mppe_ours && w->p.mppe_theirs);
			w->mppe = true;
			break;
		case PPP_EFF_MPPE_OFF:
			world_must(w->mppe);
			w->mppe = false;
			break;
		case PPP_EFF_MPPE_FLUSH:
			world_must(w->mppe);
			break;
		case PPP_EFF_UP:
			world_must(w->c.mppe != PPP_MPPE_REQUIRED || w->mppe);
			world_must(!w->up && (w->allowed || !w->c.authenticator));
			w->up = true;
			break;
		case PPP_EFF_DOWN:
			world_must(w->up);
			w->up = false;
			break;
		case PPP_EFF_GONE:
			world_must(!w->up && !w->mppe && i == w->out.n - 1);
			w->gone = true;
			break;
		}
	}
	if (w->p.fsm[PPP_FSM_LCP].state != FSM_OPENED)
		w->allowed = w->asked = false;
	world_must(ppp_may_ip(&w->p) == w->up);
	world_must(!w->up || w->allowed || !w->c.authenticator);
	world_must(!w->up || w->mppe || w->c.mppe != PPP_MPPE_REQUIRED);
	world_must(w->p.lost == 0);
	world_must(ppp_mtu(&w->p) >= PPP_MRU_MIN - MPPE_OVERHEAD && ppp_mtu(&w->p) <= PPP_MRU_DEFAULT);
	world_must(!w->gone || ppp_deadline(&w->p) == PPP_NEVER);
	ppp_out_init(&w->out);
}

static inline void world_order(struct world *w, uint8_t what)
{
	static const uint8_t requests[2][6] = { { 1, 0, 0, 6, 13, 0x20 }, { 1, 0, 0, 5, 26 } };
	const bool way = what & 32;
	uint8_t request[6];
	struct ppp_verdict v = { .mppe_keys = what & 16, .ip = 0x0a000002, .ip_local = 0x0a000001, .dns = { 1, 2 }, .may_choose = what & 8 };

	switch (what & 7) {
	case 0:
	case 1:
	case 2:
		/* EAP goes on: by methods of ours, by a server's Request, good, the last one's, or none. */
		if (way) {
			memcpy(request, requests[what >> 3 & 1], sizeof(request));
			request[1] = (uint8_t)(w->p.req.ident + (what & 16 ? 0 : 1));
			v.eap = what & 1 ? PPP_EAP_OWN : PPP_EAP_NEXT;
			v.eap_packet = rd_of(request, what & 64 ? what >> 3 & 3 : request[3]);
			v.eap_wait_ms = what & 128 ? 20000 : 0;
			if (w->p.req.method == PPP_AUTH_EAP_PASS)
				w->asked = false;
			ppp_verdict(&w->p, &v, w->now_ms, &w->out);
			break;
		}
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
	world_drain(w);
}

static inline void world_frame(struct world *w, const void *p, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (n)
		memcpy(copy, p, n);
	ppp_input(&w->p, rd_of(copy, n), w->now_ms, &w->out);
	free(copy);
	world_drain(w);
}

/* Our own last Configure-Request comes back as an Ack. */
static inline void world_ack(struct world *w, const struct ppp_proto *pr)
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
	world_frame(w, buf, f.len);
}

static inline void world_begin(struct world *w)
{
	struct rng seed;

	rng_init_test(&seed, 1);
	ppp_init(&w->p, &w->c, &seed);
	ppp_out_init(&w->out);
}

static inline void world_pass(struct world *w, uint64_t ms)
{
	w->now_ms += ms;
	ppp_expire(&w->p, w->now_ms, &w->out);
	world_drain(w);
}

/* Alone from here on; then the lower layer goes. */
static inline void world_end(struct world *w)
{
	for (int calls = 0; !w->gone && ppp_deadline(&w->p) != PPP_NEVER; calls++) {
		world_must(calls < 200);
		w->now_ms = MAX(w->now_ms, ppp_deadline(&w->p));
		ppp_expire(&w->p, w->now_ms, &w->out);
		world_drain(w);
	}
	world_must(w->gone || w->up);
	ppp_lower_down(&w->p, "end", w->now_ms, &w->out);
	world_drain(w);
	/* No timer, no key, no address that is waited for. */
	world_must(w->gone && !w->up && !w->mppe && ppp_deadline(&w->p) == PPP_NEVER && !ppp_may_ip(&w->p));
	for (size_t i = 0; i < sizeof(w->p.mppe_send); i++)
		world_must(!w->p.mppe_send[i] && !w->p.mppe_recv[i]);
	world_must(!w->p.eap && !w->p.eap_len);
	for (size_t i = 0; i < sizeof(w->p.req.response); i++)
		world_must(!w->p.req.response[i]);
}

#endif
