/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PPP link with a hostile other side.  Byte 0: role, methods offered, IPV6CP
 * (8), and how far a good peer has brought the link before (from 5 on with MPPE);
 * then records: one byte of length, one of time (units of 250 ms) or, where the
 * length is 0, of an order (a verdict, a close, …), then the frame.
 */
#include "ppp_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* EAP Response to what was asked last. */
static void eap_frame(struct world *w, uint8_t type, const void *body, uint8_t n)
{
	uint8_t buf[80] = { 0xc2, 0x27, 2, w->p.req.ident, 0, (uint8_t)(5 + n), type };

	memcpy(buf + 7, body, n);
	world_frame(w, buf, 7u + n);
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
			world_frame(w, empty, sizeof(empty));
		else if (w->c.auth & PPP_AUTH_EAP)
			world_frame(w, ask_eap, sizeof(ask_eap));
		else
			world_frame(w, ask_auth, sizeof(ask_auth));
		world_ack(w, &lcp_proto);
	}
	if (steps > 1 && w->c.authenticator) {
		chap[3] = w->p.req.ident;
		chap[6] = w->p.auth.method == PPP_AUTH_MSCHAPV2 ? 49 : 16;
		world_frame(w, chap, 2 + 54);
		world_frame(w, pap, sizeof(pap));
		/* The name, then a Value of the length that is wanted. */
		eap_frame(w, 1, "u", 1);
		ms[1] = w->p.auth.eap_ms_id;
		if (w->c.auth & PPP_AUTH_EAP_MSCHAPV2)
			eap_frame(w, 26, ms, sizeof(ms));
		else
			eap_frame(w, 4, md5, sizeof(md5));
	}
	if (steps > 2) {
		world_order(w, 16);
		eap_frame(w, 26, "\3", 1);
	}
	if (steps > 4)
		world_ack(w, &ccp_proto);
	if (steps > 3) {
		world_ack(w, &ipcp_proto);
		world_frame(w, addr, sizeof(addr));
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
	uint8_t how = rd_u8(&r);

	if (r.bad || !mschap_init())
		return 0;
	w = (struct world){ .now_ms = 5, .c = {
		.authenticator = !(how & 0x80), .auth = methods[how >> 4 & 7], .mru = 1360, .name = "s",
		.user = "u", .password = "p", .want_dns = true, .limits = PPP_LIMITS, .keepalive = true, .keepalive_interval_ms = 20000,
		.keepalive_retry_ms = 5000, .keepalive_max = 3, .auth_timeout_ms = 30000, .ipv6 = how & 8,
	} };
	if ((how & 7) >= 5) {
		w.c.mppe = how & 1 ? PPP_MPPE_REQUIRED : PPP_MPPE_YES;
		w.c.mppe_bits = MPPE_KEYS | MPPE_STATELESS;
		w.c.mppe_stateful = how & 0x10;
	}
	world_begin(&w);
	ppp_start(&w.p, w.now_ms, &w.out);
	world_drain(&w);
	advance(&w, (how & 7) < 5 ? how & 7 : 7);
	while (r.n >= 2) {
		uint8_t n = rd_u8(&r);
		uint8_t t = rd_u8(&r);

		if (!n) {
			world_order(&w, t);
			continue;
		}
		world_pass(&w, t * 250u);
		world_frame(&w, r.p, MIN(n, r.n));
		rd_skip(&r, MIN(n, r.n));
	}
	world_end(&w);
	return 0;
}
