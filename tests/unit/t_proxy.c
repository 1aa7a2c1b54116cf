/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Links that a LAC negotiated: a client speaks to one core up to its answer,
 * another core takes over with what the first one heard and said; then values
 * that must not be taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "ppp/auth.h"
#include "ppp/fsm.h"
#include "ppp/mschap.h"
#include "ppp/proxy.h"

static struct ppp_conf lns_conf = {
	.authenticator = true, .auth = PPP_AUTH_MSCHAPV2 | PPP_AUTH_CHAP_MD5 | PPP_AUTH_PAP, .mru = 1360, .name = "lns",
	.limits = PPP_LIMITS, .auth_timeout_ms = 30000,
};

static struct ppp_conf client_conf = {
	.auth = PPP_AUTH_MSCHAPV2 | PPP_AUTH_CHAP_MD5 | PPP_AUTH_PAP, .mru = 1400, .user = "joe", .password = "secret",
	.limits = PPP_LIMITS, .auth_timeout_ms = 30000,
};

/* What a LAC remembers. */
static struct lac {
	uint8_t sent[256], received[256];
	size_t n_sent, n_received;
} lac;

static struct ppp a, b, client;
static struct ppp_out out;
static uint64_t now = 1000;

/* A Configure-Request of LCP: its options are remembered, the last counts. */
static void remember(const struct ppp_effect *e, uint8_t *buf, size_t *n)
{
	struct rd r = rd_of(e->data, e->len);
	uint16_t proto, len;
	uint8_t code;

	assert_true(ppp_frame(&r, &proto));
	code = rd_u8(&r);
	rd_skip(&r, 1);
	len = rd_u16(&r);
	if (proto != PPP_LCP || code != CONFIGURE_REQUEST)
		return;
	*n = len - 4u;
	memcpy(buf, r.p, *n);
}

/* All that *o holds goes to the other end, and what that leads to back, until nothing is left. True: PPP_EFF_AUTH came. */
static bool talk(struct ppp *server, struct ppp *from, const struct ppp_out *o, unsigned depth)
{
	bool auth = false;

	assert_true(depth < 50);
	for (unsigned i = 0; i < o->n; i++) {
		struct ppp_out next;
		struct ppp *to = from == &client ? server : &client;

		auth |= from == server && o->eff[i].type == PPP_EFF_AUTH;
		if (o->eff[i].type != PPP_EFF_SEND)
			continue;
		if (from == &client)
			remember(&o->eff[i], lac.received, &lac.n_received);
		else
			remember(&o->eff[i], lac.sent, &lac.n_sent);
		ppp_out_init(&next);
		ppp_input(to, rd_of(o->eff[i].data, o->eff[i].len), now, &next);
		auth |= talk(server, to, &next, depth + 1);
	}
	return auth;
}

/* Client and LAC up to the answer; *x is what the LAC then says. */
static void lac_speaks(uint8_t method, struct ppp_proxy *x)
{
	static struct ppp_conf at_lac;
	struct ppp_out o;
	struct rng seed;
	bool auth;

	at_lac = lns_conf;
	at_lac.auth = method;
	rng_init_test(&seed, 1);
	ppp_init(&a, &at_lac, &seed);
	rng_init_test(&seed, 2);
	ppp_init(&client, &client_conf, &seed);
	ppp_out_init(&out);
	ppp_start(&a, now, &out);
	ppp_out_init(&o);
	ppp_start(&client, now, &o);
	/* The LAC's first request is lost: it says it again when the client speaks. */
	auth = talk(&a, &client, &o, 0);
	if (!auth) {			/* PAP's request came too early */
		now += 3000;
		ppp_out_init(&o);
		ppp_expire(&client, now, &o);
		auth = talk(&a, &client, &o, 0);
	}
	assert_true(auth);
	*x = (struct ppp_proxy){
		.sent = rd_of(lac.sent, lac.n_sent), .received = rd_of(lac.received, lac.n_received),
		.methods = method, .ident = a.req.ident, .name = rd_of(a.req.user, a.req.user_len),
		.challenge = rd_of(a.req.challenge, a.req.challenge_len),
		.response = rd_of(a.req.response, a.req.response_len),
	};
	rng_init_test(&seed, 3);
	ppp_init(&b, &lns_conf, &seed);
	ppp_out_init(&out);
}

/* The peer's answer is judged, it hears so, and IPCP opens: LCP is not spoken again. */
static void t_taken(void **st)
{
	static const uint8_t methods[] = { PPP_AUTH_PAP, PPP_AUTH_CHAP_MD5, PPP_AUTH_MSCHAPV2 };

	for (size_t i = 0; i < N_ELEMENTS(methods); i++) {
		struct ppp_verdict v = { .ok = true, .ip = 0x0a000019, .ip_local = 0x0a000001 };
		struct ppp_proxy x;

		lac_speaks(methods[i], &x);
		assert_true(ppp_start_proxy(&b, &x, now, &out));
		assert_int_equal(out.n, 1);
		assert_int_equal(out.eff[0].type, PPP_EFF_AUTH);
		assert_int_equal(b.phase, PPP_AUTHENTICATE);
		assert_int_equal(b.req.method, methods[i]);
		assert_int_equal(b.req.ident, a.req.ident);
		assert_int_equal(b.req.user_len, 3);
		assert_memory_equal(b.req.user, "joe", 3);
		assert_int_equal(b.req.challenge_len, a.req.challenge_len);
		assert_memory_equal(b.req.challenge, a.req.challenge, sizeof(b.req.challenge));
		assert_memory_equal(b.req.response, a.req.response, sizeof(b.req.response));
		assert_int_equal(b.magic, a.magic);
		assert_int_equal(b.peer_magic, client.magic);
		assert_int_equal(b.peer_mru, 1400);
		if (methods[i] == PPP_AUTH_MSCHAPV2)
			memcpy(v.mschap_auth, client.auth.proof, sizeof(v.mschap_auth));
		ppp_out_init(&out);
		ppp_verdict(&b, &v, now, &out);
		lac.n_sent = 0;
		(void)talk(&b, &b, &out, 0);
		assert_int_equal(lac.n_sent, 0);
		assert_true(ppp_may_ip(&b));
		assert_true(ppp_may_ip(&client));
		assert_int_equal(client.ip_local, 0x0a000019);
		assert_int_equal(ppp_mtu(&b), 1360);
		/* It is a link as any other: the peer may begin anew, and must prove itself again. */
		ppp_out_init(&out);
		ppp_close(&b, "over", now, &out);
		(void)talk(&b, &b, &out, 0);
		assert_true(client.gone || client.phase == PPP_TERMINATE);
	}
}

/* A wrong answer is refused; no answer is asked for. */
static void t_judged(void **st)
{
	struct ppp_verdict no = { .reason = "wrong" };
	struct ppp_proxy x;

	lac_speaks(PPP_AUTH_CHAP_MD5, &x);
	assert_true(ppp_start_proxy(&b, &x, now, &out));
	ppp_out_init(&out);
	ppp_verdict(&b, &no, now, &out);
	(void)talk(&b, &b, &out, 0);
	assert_int_not_equal(client.phase, PPP_NETWORK);
	assert_false(ppp_may_ip(&b));

	/* The LAC did no authentication, or another one, or says nothing of use. */
	for (unsigned i = 0; i < 6; i++) {
		lac_speaks(PPP_AUTH_CHAP_MD5, &x);
		if (i == 0)
			x.methods = 0;
		else if (i == 1)
			x.methods = PPP_AUTH_PAP;
		else if (i == 2)
			x.response.n = 15;
		else if (i == 3)
			x.challenge.n = 0;
		else if (i == 4)
			x.challenge = rd_of(lac.sent, 65);
		else
			x.name = rd_of(lac.sent, PPP_NAME_MAX);
		assert_true(ppp_start_proxy(&b, &x, now, &out));
		assert_int_equal(out.n, 1);
		assert_int_equal(out.eff[0].type, PPP_EFF_SEND);	/* our own Challenge */
		assert_memory_equal(out.eff[0].data, "\xff\x03\xc2\x23\x01", 5);
		assert_true(talk(&b, &b, &out, 0));
	}
	/* MS-CHAPv2 of other lengths; a password of PAP's that is longer than any: the peer says its own again. */
	for (unsigned i = 0; i < 3; i++) {
		static const uint8_t longest[256];

		lac_speaks(i < 2 ? PPP_AUTH_MSCHAPV2 : PPP_AUTH_PAP, &x);
		if (i == 0)
			x.response.n--;
		else if (i == 1)
			x.challenge.n--;
		else
			x.response = rd_of(longest, sizeof(longest));
		assert_true(ppp_start_proxy(&b, &x, now, &out));
		assert_int_equal(out.n, i < 2);
		assert_true(i == 2 || out.eff[0].type == PPP_EFF_SEND);
		assert_int_equal(b.auth.state, AUTH_WAIT);
	}
}

/* What we would not have agreed on, and links that cannot begin. */
static void t_refused(void **st)
{
	static const struct {
		const char *why;
		bool received;
		size_t n;
		uint8_t opts[24];
	} rows[] = {
		{ "no authentication", false, 6, { 5, 6, 1, 2, 3, 4 } },
		{ "nothing", false, 0, { 0 } },
		{ "EAP", false, 4, { 3, 4, 0xc2, 0x27 } },
		{ "CHAP with an algorithm that nobody has", false, 5, { 3, 5, 0xc2, 0x23, 6 } },
		{ "MS-CHAPv1", false, 5, { 3, 5, 0xc2, 0x23, 0x80 } },
		{ "twice the same", false, 8, { 3, 4, 0xc0, 0x23, 3, 4, 0xc0, 0x23 } },
		{ "magic number 0", false, 10, { 3, 4, 0xc0, 0x23, 5, 6, 0, 0, 0, 0 } },
		{ "an MRU too small", false, 8, { 3, 4, 0xc0, 0x23, 1, 4, 0, 100 } },
		{ "an MRU too large", false, 8, { 3, 4, 0xc0, 0x23, 1, 4, 0x07, 0xd0 } },
		{ "an MRU with an octet more", false, 9, { 3, 4, 0xc0, 0x23, 1, 5, 5, 0xdc, 0 } },
		{ "a magic number with an octet more", false, 11, { 3, 4, 0xc0, 0x23, 5, 7, 1, 2, 3, 4, 5 } },
		{ "MRRU", false, 8, { 3, 4, 0xc0, 0x23, 17, 4, 5, 0xdc } },
		{ "callback", false, 7, { 3, 4, 0xc0, 0x23, 13, 3, 6 } },
		{ "an option above all", false, 6, { 3, 4, 0xc0, 0x23, 200, 2 } },
		{ "PFC with a value", false, 7, { 3, 4, 0xc0, 0x23, 7, 3, 0 } },
		{ "ACCM too short", false, 9, { 3, 4, 0xc0, 0x23, 2, 5, 0, 0, 0 } },
		{ "length 1", false, 6, { 3, 4, 0xc0, 0x23, 7, 1 } },
		{ "length past the end", false, 6, { 3, 4, 0xc0, 0x23, 7, 9 } },
		{ "a cut option", false, 5, { 3, 4, 0xc0, 0x23, 7 } },
		{ "authentication of ourselves", true, 4, { 3, 4, 0xc0, 0x23 } },
		{ "an MRU of 0", true, 4, { 1, 4, 0, 0 } },
		{ "our own magic number", true, 6, { 5, 6, 1, 2, 3, 4 } },
		{ "MRRU of the peer", true, 4, { 17, 4, 5, 0xdc } },
		{ "length past the end of the peer's", true, 2, { 7, 9 } },
	};
	static const uint8_t good[] = { 3, 4, 0xc0, 0x23, 5, 6, 1, 2, 3, 4 };
	struct ppp_proxy x;
	struct rng seed;
	struct ppp before;

	for (size_t i = 0; i <= N_ELEMENTS(rows); i++) {
		x = (struct ppp_proxy){ .sent = rd_of(good, sizeof(good)) };
		if (i < N_ELEMENTS(rows))
			*(rows[i].received ? &x.received : &x.sent) = rd_of(rows[i].opts, rows[i].n);
		rng_init_test(&seed, 3);
		ppp_init(&b, &lns_conf, &seed);
		before = b;
		ppp_out_init(&out);
		if (ppp_start_proxy(&b, &x, now, &out) != (i == N_ELEMENTS(rows)))
			fail_msg("%s", i < N_ELEMENTS(rows) ? rows[i].why : "the good one");
		if (i == N_ELEMENTS(rows))
			break;
		/* Nothing happened: the link can begin as ever. */
		assert_int_equal(out.n, 0);
		assert_memory_equal(&b, &before, sizeof(b));
		ppp_start(&b, now, &out);
		assert_int_equal(out.n, 1);
	}
	/* A method that this tunnel does not offer; the client's side; a link that began. */
	lns_conf.auth = PPP_AUTH_MSCHAPV2;
	rng_init_test(&seed, 3);
	ppp_init(&b, &lns_conf, &seed);
	ppp_out_init(&out);
	assert_false(ppp_start_proxy(&b, &x, now, &out));
	lns_conf.auth = PPP_AUTH_MSCHAPV2 | PPP_AUTH_CHAP_MD5 | PPP_AUTH_PAP;
	ppp_init(&b, &client_conf, &seed);
	assert_false(ppp_start_proxy(&b, &x, now, &out));
	ppp_init(&b, &lns_conf, &seed);
	ppp_start(&b, now, &out);
	assert_false(ppp_start_proxy(&b, &x, now, &out));
	ppp_lower_down(&b, "cable", now, &out);
	ppp_out_init(&out);
	assert_false(ppp_start_proxy(&b, &x, now, &out));
	assert_int_equal(out.n, 0);
	/* Echoes of a link without a magic number have none. */
	x.sent = rd_of(good, 4);
	ppp_init(&b, &lns_conf, &seed);
	assert_true(ppp_start_proxy(&b, &x, now, &out));
	assert_int_equal(lcp_magic(&b), 0);
	assert_int_equal(b.mru, PPP_MRU_DEFAULT);
}

static int setup(void **st)
{
	return mschap_init() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_taken), cmocka_unit_test(t_judged), cmocka_unit_test(t_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
