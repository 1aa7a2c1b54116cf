/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One protocol of PPP, in the phase in which it is spoken, with headers that
 * are right: everything goes into what it carries.  Octet 0: the protocol
 * (low three bits: LCP PAP CHAP EAP IPCP CCP IPV6CP, and what a LAC negotiated),
 * its variant (the next four), and bit 7 for the peer's role.  Then records:
 *
 *   octet 0   low four bits: the code, + 1; 16: the Identifier is another one;
 *             32: a second passes before; 64: an order before (octet 2)
 *   octet 1   how many octets follow as what the packet carries
 *
 * What must hold is in ppp_world.h.
 */
#include "ppp/proxy.h"
#include "ppp_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { IS_LCP, IS_PAP, IS_CHAP, IS_EAP, IS_IPCP, IS_CCP, IS_IPV6CP, IS_PROXY };

static const uint16_t numbers[] = { PPP_LCP, PPP_PAP, PPP_CHAP, PPP_EAP, PPP_IPCP, PPP_CCP, PPP_IPV6CP, PPP_LCP };
static const struct ppp_proto *const automata[] = {
	[IS_LCP] = &lcp_proto, [IS_IPCP] = &ipcp_proto, [IS_CCP] = &ccp_proto, [IS_IPV6CP] = &ipv6cp_proto, [IS_PROXY] = &lcp_proto,
};

static uint8_t methods(unsigned which, unsigned variant)
{
	static const uint8_t eap[] = { PPP_AUTH_EAP, PPP_AUTH_EAP_MD5, PPP_AUTH_EAP_MSCHAPV2 };

	switch (which) {
	case IS_CHAP:
		return variant & 1 ? PPP_AUTH_CHAP_MD5 : PPP_AUTH_MSCHAPV2;
	case IS_EAP:
		return eap[variant % 3];
	case IS_LCP:
	case IS_PROXY:
		return variant & 1 ? PPP_AUTH_PAP | PPP_AUTH_CHAP_MD5 | PPP_AUTH_MSCHAPV2 | PPP_AUTH_EAP : PPP_AUTH_PAP;
	default:
		return PPP_AUTH_PAP;
	}
}

/* LCP opens, with the method that the other side asks for; a server lets in whoever says anything. */
static void bring_up(struct world *w, unsigned which, unsigned variant)
{
	static const uint8_t pap[] = { 0xc0, 0x23, 1, 1, 0, 8, 1, 'u', 1, 'p' };
	uint8_t buf[64];
	struct wr f = wr_of(buf, sizeof(buf));
	size_t at;

	if (which == IS_LCP && !(variant & 2))
		return;
	wr_u16(&f, PPP_LCP);
	wr_u16(&f, 0x0101);
	at = wr_open16(&f);
	if (!w->c.authenticator && which >= IS_PAP && which <= IS_EAP) {
		size_t opt;

		wr_u8(&f, 3);
		opt = wr_open8(&f);
		auth_method_write(auth_strongest(w->c.auth), &f);
		wr_close8(&f, opt, opt - 1);
	}
	wr_close16(&f, at, at - 2, 0);
	world_frame(w, buf, f.len);
	world_ack(w, &lcp_proto);
	if (w->c.authenticator && which >= IS_IPCP) {
		world_frame(w, pap, sizeof(pap));
		world_order(w, 16 | (variant & 8));
	}
	if (which > IS_IPCP && variant & 2) {
		static const uint8_t addr[] = { 0x80, 0x21, 1, 1, 0, 10, 3, 6, 10, 0, 0, 2 };

		world_ack(w, &ipcp_proto);
		world_frame(w, addr, sizeof(addr));
	}
}

/* What a LAC says it negotiated: three lists, each behind its length. False: it is not what we could have. */
static bool proxied(struct world *w, struct rd *r, unsigned variant)
{
	struct ppp_proxy x = { .methods = w->c.auth, .ident = 7 };
	struct rd *const parts[] = { &x.sent, &x.received, &x.name, &x.challenge, &x.response };
	bool began;

	for (size_t i = 0; i < N_ELEMENTS(parts); i++) {
		uint8_t n = rd_u8(r);

		*parts[i] = rd_sub(r, MIN(n, r->n));
	}
	if (variant & 2)
		x.methods = 0;
	began = ppp_start_proxy(&w->p, &x, w->now_ms, &w->out);
	world_drain(w);
	return began;
}

static void packet(struct world *w, unsigned which, uint8_t how, struct rd body)
{
	uint8_t buf[6 + 255];
	struct wr f = wr_of(buf, sizeof(buf));
	uint8_t id = automata[which] ? w->p.fsm[automata[which]->fsm].id : w->p.req.ident;

	wr_u16(&f, numbers[which]);
	wr_u8(&f, (uint8_t)((how & 15) + 1));
	wr_u8(&f, how & 16 ? (uint8_t)(id + 1) : id);
	wr_u16(&f, (uint16_t)(4 + body.n));
	wr_bytes(&f, body.p, body.n);
	world_frame(w, buf, f.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct rd r = rd_of(data, size);
	uint8_t how = rd_u8(&r);
	unsigned which = how & 7, variant = how >> 3 & 15;

	if (r.bad || !mschap_init())
		return 0;
	w = (struct world){ .now_ms = 5, .c = {
		.authenticator = !(how & 0x80) || which == IS_PROXY, .auth = methods(which, variant), .mru = 1360, .name = "s",
		.user = "u", .password = "p", .want_dns = true, .limits = PPP_LIMITS, .keepalive = true,
		.keepalive_interval_ms = 20000, .keepalive_retry_ms = 5000, .keepalive_max = 3, .auth_timeout_ms = 30000,
		.ipv6 = which == IS_IPV6CP, .eap_pass = which == IS_EAP && variant & 8,
	} };
	if (which == IS_CCP) {
		w.c.mppe = variant & 1 ? PPP_MPPE_REQUIRED : PPP_MPPE_YES;
		w.c.mppe_bits = variant & 4 ? MPPE_128 | MPPE_STATELESS : MPPE_KEYS | MPPE_STATELESS;
		w.c.mppe_stateful = variant & 8;
	}
	world_begin(&w);
	if (which != IS_PROXY || !proxied(&w, &r, variant)) {
		ppp_start(&w.p, w.now_ms, &w.out);
		world_drain(&w);
		bring_up(&w, which, variant);
	}
	while (r.n >= 2) {
		uint8_t what = rd_u8(&r), n = rd_u8(&r);

		if (what & 32)
			world_pass(&w, 1000);
		if (what & 64)
			world_order(&w, rd_u8(&r));
		packet(&w, which, what, rd_sub(&r, MIN(n, r.n)));
	}
	world_end(&w);
	return 0;
}
