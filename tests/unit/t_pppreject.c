/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PPP link must not take, in either role: a row for each check that
 * nothing else would notice the loss of (tests/mutate.py).  Frames are written
 * in the notation of tests/replay.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ppp/fsm.h"
#include "ppp/mschap.h"
#include "ppp/ppp.h"
#include "tests/replay/note.h"

static struct link {
	struct ppp p;
	struct ppp_conf conf;
	struct ppp_out out;
	struct note_vars vars;
	uint64_t now;
	char did[4096];
} l;

static void describe(void)
{
	static const char *const names[] = {
		[PPP_EFF_AUTH] = "AUTH", [PPP_EFF_ADDR] = "ADDR", [PPP_EFF_UP] = "UP", [PPP_EFF_DOWN] = "DOWN",
		[PPP_EFF_GONE] = "GONE",
	};
	static char text[NOTE_TEXT];

	l.did[0] = '\0';
	for (unsigned i = 0; i < l.out.n; i++) {
		const struct ppp_effect *e = &l.out.eff[i];
		uint8_t message[PPP_FRAME_MAX + 6] = { 0, 2, 0, 0, 0, 0 };
		size_t at = strlen(l.did);
		const char *what = e->type < N_ELEMENTS(names) ? names[e->type] : "?";

		if (e->type == PPP_EFF_SEND) {
			memcpy(message + 6, e->data, e->len);
			note_text(text, message, 6 + e->len, true, &l.vars);
			what = text + strlen("data 0000 0000 ");
		}
		if (at + strlen(what) + 4 > sizeof(l.did))
			fail_msg("it does too much");
		strcpy(l.did + at, at ? " | " : "");
		strcat(l.did, what);
	}
}

static void take(const char *frame)
{
	static struct note o;
	char err[128];
	uint8_t *exact, other = (uint8_t)(l.p.req.ident + 1);

	/* The Identifier that an authentication packet should have now, and another one. */
	(void)note_set(&l.vars, "own", &l.p.req.ident, 1);
	(void)note_set(&l.vars, "other", &other, 1);
	if (!note_parse(frame, false, &l.vars, &o, err))
		fail_msg("%s: %s", frame, err);
	exact = malloc(o.n ? o.n : 1);
	assert_non_null(exact);
	memcpy(exact, o.byte, o.n);
	ppp_out_init(&l.out);
	ppp_input(&l.p, rd_of(exact, o.n), l.now, &l.out);
	free(exact);
	describe();
}

/* Ms pass, each timer at its time; what the last of them did is in l.did. */
static void pass(uint64_t ms)
{
	uint64_t until = l.now + ms, at;

	while ((at = ppp_deadline(&l.p)) <= until) {
		l.now = MAX(l.now, at);
		ppp_out_init(&l.out);
		ppp_expire(&l.p, l.now, &l.out);
		describe();
	}
	l.now = until;
}

static void verdict(bool ok)
{
	const struct ppp_verdict v = { .ok = ok, .ip = 0x0a00000a, .ip_local = 0x0a000001, .dns = { 0x09090909 } };

	ppp_out_init(&l.out);
	ppp_verdict(&l.p, &v, l.now, &l.out);
	describe();
}

enum state {
	/* a server: LCP asked for; login by PAP, by CHAP; sent to be judged; IPCP asked for; open */
	MET, PAP, MD5, PAP_JUDGED, MD5_JUDGED, NETWORK, UP,
	/* a client: LCP asked for; PAP sent; no challenge yet, response sent (MD5, MS-CHAPv2); IPCP asked for; open */
	C_MET, C_PAP, C_MD5, C_MS, C_MD5_SENT, C_MS_SENT, C_NETWORK, C_UP,
};

static void begin(bool server, uint8_t auth)
{
	struct rng seed;

	memset(&l, 0, sizeof(l));
	l.now = 5000;
	l.conf = (struct ppp_conf){
		.authenticator = server, .auth = auth, .mru = 1360, .limits = PPP_LIMITS, .auth_timeout_ms = 30000,
	};
	strcpy(l.conf.name, "lns");
	strcpy(l.conf.user, "bob");
	strcpy(l.conf.password, "secret");
	l.conf.want_dns = !server;
	rng_init_test(&seed, 7);
	ppp_init(&l.p, &l.conf, &seed);
	ppp_out_init(&l.out);
	ppp_start(&l.p, l.now, &l.out);
	describe();
}

static void go(enum state to)
{
	bool pap = to == PAP || to == PAP_JUDGED || to == NETWORK || to == UP || to == C_PAP || to == C_NETWORK || to == C_UP;
	bool ms = to == C_MS || to == C_MS_SENT;

	begin(to < C_MET, pap ? PPP_AUTH_PAP : to == MET || to == C_MET ? 7 : ms ? PPP_AUTH_MSCHAPV2 : PPP_AUTH_CHAP_MD5);
	if (to == MET || to == C_MET)
		return;
	if (to < C_MET) {
		take(pap ? "lcp ConfAck 01 (1 0550) (3 c023) (5 $magic)" : "lcp ConfAck 01 (1 0550) (3 c22305) (5 $magic)");
		take("lcp ConfReq 01 (5 0a0b0c0d)");
		if (to == PAP || to == MD5)
			return;
		take(pap ? "pap AuthReq 01 03 \"bob\" 06 \"secret\"" :
			"chap Response $ident 10 @md5($ident $challenge \"secret\") \"bob\"");
		assert_string_equal(l.did, "AUTH");
		if (to == PAP_JUDGED || to == MD5_JUDGED)
			return;
		verdict(true);
		if (to == NETWORK)
			return;
		take("ipcp ConfReq 01 (3 0a00000a)");
		take("ipcp ConfAck 01 (3 0a000001)");
		assert_string_equal(l.did, "UP");
		return;
	}
	take("lcp ConfAck 01 (1 0550) (5 $magic)");
	take(pap ? "lcp ConfReq 01 (3 c023)" : ms ? "lcp ConfReq 01 (3 c22381)" : "lcp ConfReq 01 (3 c22305)");
	if (to == C_PAP || to == C_MD5 || to == C_MS)
		return;
	if (to == C_MD5_SENT || to == C_MS_SENT) {
		take("chap Challenge 05 10 00112233445566778899aabbccddeeff \"lns\"");
		return;
	}
	take("pap AuthAck $own 00");
	assert_int_equal(l.p.phase, PPP_NETWORK);
	if (to == C_NETWORK)
		return;
	take("ipcp ConfNak 01 (3 0a00000a) (129 09090909) (131 08080808)");
	take("ipcp ConfAck 02 (3 0a00000a) (129 09090909) (131 08080808)");
	take("ipcp ConfReq 01 (3 0a000001)");
	assert_string_equal(l.did, "ipcp ConfAck 01 (3 0a000001) | UP");
}

#define DROPPED "dropped"	/* nothing but that, and counted */
#define NOTHING ""
#define VALUE48 "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"

static const struct row {
	const char *name;
	enum state from;
	const char *frame, *expect;
} rows[] = {
	/* LCP */
	{ "Nak of MRU below what we take", MET, "lcp ConfNak 01 (1 0064)", "lcp ConfReq 02 (1 0550) (3 c22381) (5 $magic)" },
	{ "Nak of MRU with a wrong length: it is asked for no more", MET, "lcp ConfNak 01 (1 05)",
		"lcp ConfReq 02 (3 c22381) (5 $magic)" },
	{ "Nak whose last option is past its end", MET, "lcp ConfNak 01 01 06 0500", DROPPED },
	{ "Nak of nothing whole", MET, "lcp ConfNak 01 01", DROPPED },
	{ "Reject of ours, and half an option", MET, "lcp ConfRej 01 (1 0550) 05", DROPPED },
	{ "Reject of ours with an octet more", MET, "lcp ConfRej 01 (1 055000)", DROPPED },
	{ "Code-Reject of code 0", MET, "lcp CodeRej 01 00", NOTHING },
	{ "Code-Reject of nothing", MET, "lcp CodeRej 01", DROPPED },
	{ "Protocol-Reject of half a protocol", UP, "lcp ProtRej 01 c0", DROPPED },
	{ "Echo-Request before it is open", MET, "lcp EchoReq 01 00000000", DROPPED },
	{ "Protocol-Reject before it is open", MET, "lcp ProtRej 01 c021", DROPPED },
	{ "a server is to log in by EAP, with an octet behind", C_MET, "lcp ConfReq 01 (3 c22705)",
		"lcp ConfReq 01 (1 0550) (5 $magic) | lcp ConfNak 01 (3 c22381)" },
	{ "by CHAP with an octet too many", C_MET, "lcp ConfReq 01 (3 c2230500)",
		"lcp ConfReq 01 (1 0550) (5 $magic) | lcp ConfNak 01 (3 c22381)" },
	{ "by something like CHAP", C_MET, "lcp ConfReq 01 (3 c22505)",
		"lcp ConfReq 01 (1 0550) (5 $magic) | lcp ConfNak 01 (3 c22381)" },
	{ "by CHAP without an algorithm", C_MET, "lcp ConfReq 01 (3 c223)",
		"lcp ConfReq 01 (1 0550) (5 $magic) | lcp ConfNak 01 (3 c22381)" },
	{ "by PAP with an octet too many", C_MET, "lcp ConfReq 01 (3 c02300)",
		"lcp ConfReq 01 (1 0550) (5 $magic) | lcp ConfNak 01 (3 c22381)" },
	{ "by half a protocol", C_MET, "lcp ConfReq 01 (3 c2)",
		"lcp ConfReq 01 (1 0550) (5 $magic) | lcp ConfNak 01 (3 c22381)" },

	/* PAP to a server */
	{ "PAP, Length past the end", PAP, "c023 01 01 0020 03 \"bob\" 06 \"secret\"", DROPPED },
	{ "PAP, Length below a header", PAP, "c023 01 01 0003 03 \"bob\" 06 \"secret\"", DROPPED },
	{ "a server is told that it is let in", PAP_JUDGED, "pap AuthAck $own 00", DROPPED },
	{ "or not", PAP_JUDGED, "pap AuthNak $own 00", DROPPED },
	{ "CHAP in its place", PAP, "c223 02 01 0018 10 00112233445566778899aabbccddeeff 62 6f62", DROPPED },
	/* and to a client */
	{ "Ack of another request", C_PAP, "pap AuthAck $other 00", DROPPED },
	{ "Ack whose Length is past the end", C_PAP, "c023 02 $own 0006 00", DROPPED },
	{ "Ack whose Length is below a header", C_PAP, "c023 02 $own 0003 00", DROPPED },
	{ "a code that PAP does not have", C_PAP, "pap 4 $own 00", DROPPED },
	{ "a request to a client", C_PAP, "pap AuthReq $own 03 \"bob\" 06 \"secret\"", DROPPED },
	{ "a late Nak", C_NETWORK, "pap AuthNak $own 00", DROPPED },

	/* CHAP to a server */
	{ "a server is told Success", MD5_JUDGED, "chap Success $ident", DROPPED },
	{ "or Failure", MD5_JUDGED, "chap Failure $ident", DROPPED },
	{ "a Response past the end", MD5, "c223 02 $ident 0014 10 00112233445566778899aabbccddee", DROPPED },
	{ "a Response whose value is past its end", MD5, "chap Response $ident 10 00112233445566778899aabbccddee", DROPPED },
	{ "a Challenge formed like a Response", MD5, "chap Challenge $ident 10 00112233445566778899aabbccddeeff \"bob\"",
		DROPPED },
	{ "a code that CHAP does not have", MD5, "chap 5 $ident 10 00112233445566778899aabbccddeeff \"bob\"", DROPPED },
	{ "a Length below a header", MD5, "c223 02 $ident 0003 10 00112233445566778899aabbccddeeff", DROPPED },
	/* and to a client */
	{ "Success before the Challenge", C_MD5, "chap Success $own", DROPPED },
	{ "Failure before the Challenge", C_MD5, "chap Failure $own", DROPPED },
	{ "a Response to a client", C_MD5, "chap Response $own 10 00112233445566778899aabbccddeeff \"bob\"", DROPPED },
	{ "a Challenge of no octet", C_MD5, "chap Challenge 05 00", DROPPED },
	{ "a Challenge past its end", C_MD5, "chap Challenge 05 10 0011", DROPPED },
	{ "a Challenge of 65", C_MD5, "chap Challenge 05 41 " VALUE48 "0000000000000000000000000000000000", DROPPED },
	{ "a Challenge of 8 in MS-CHAPv2", C_MS, "chap Challenge 05 08 0011223344556677", DROPPED },
	{ "Success of another Response", C_MD5_SENT, "chap Success 06", DROPPED },
	{ "Success past the end", C_MD5_SENT, "c223 03 05 0005", DROPPED },
	{ "a code that CHAP does not have, to a client", C_MD5_SENT, "chap 5 05", DROPPED },
	{ "a late Failure", C_NETWORK, "chap Failure 05", DROPPED },
	{ "no proof in MS-CHAPv2", C_MS_SENT, "chap Success 05",
		"lcp TermReq 02 \"the server does not know the password\"" },

	/* IPCP */
	{ "an Ack before the end of the options", NETWORK, "8021 02 01 000a 03 06 0a0000", DROPPED },
	{ "Nak of a client's address with none", C_UP, "ipcp ConfNak 02 (3 00000000)", DROPPED },
	{ "Nak with no address", C_NETWORK, "ipcp ConfNak 01 (3 00000000)",
		"ipcp ConfReq 02 (3 00000000) (129 00000000) (131 00000000)" },
	{ "a client is asked for name servers", C_UP, "ipcp ConfReq 02 (3 0a000001) (129 00000000)",
		"DOWN | ipcp ConfReq 03 (3 0a00000a) (129 09090909) (131 08080808) | ipcp ConfRej 02 (129 00000000)" },
};

static void t_rows(void **st)
{
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const struct row *r = &rows[i];
		uint32_t dropped;

		go(r->from);
		dropped = l.p.dropped;
		take(r->frame);
		if (strcmp(l.did, strcmp(r->expect, DROPPED) ? r->expect : "") != 0)
			fail_msg("%s: \"%s\"\ninstead of \"%s\"", r->name, l.did, r->expect);
		if (l.p.dropped - dropped != !strcmp(r->expect, DROPPED))
			fail_msg("%s: dropped %u", r->name, l.p.dropped - dropped);
	}
}

/* A link that is gone, or not begun, takes nothing, and says nothing. */
static void t_gone(void **st)
{
	struct ppp before;

	go(UP);
	ppp_out_init(&l.out);
	ppp_start(&l.p, l.now, &l.out);		/* it has begun */
	assert_int_equal(l.out.n, 0);
	assert_int_equal(l.p.phase, PPP_NETWORK);
	ppp_lower_down(&l.p, "cable", l.now, &l.out);
	describe();
	assert_string_equal(l.did, "DOWN | GONE");
	before = l.p;
	take("lcp EchoReq 01 00000000");
	take("lcp ConfReq 01");
	take("8235 01 01 0004");
	verdict(true);
	ppp_out_init(&l.out);
	ppp_start(&l.p, l.now, &l.out);
	ppp_address(&l.p, 0x0a000063, l.now, &l.out);
	ppp_close(&l.p, "again", l.now, &l.out);
	ppp_lower_down(&l.p, "again", l.now, &l.out);
	ppp_expire(&l.p, l.now + 1000000, &l.out);
	assert_int_equal(l.out.n, 0);
	assert_memory_equal(&l.p, &before, sizeof(before));
}

/* The cells of RFC 1661 4.1 that cannot be: nothing changes but the count. */
static void t_illegal(void **st)
{
	unsigned n = 0;

	for (unsigned ev = 0; ev < FSM_EVENTS; ev++) {
		for (unsigned s = 0; s < FSM_STATES; s++) {
			struct turn t = { .p = &l.p, .out = &l.out };
			uint32_t dropped;

			if (fsm_table[ev][s].next != FSM_ILLEGAL)
				continue;
			go(MET);
			ppp_out_init(&l.out);
			dropped = l.p.dropped;
			l.p.fsm[PPP_FSM_LCP].state = (uint8_t)s;
			fsm_event(&t, &lcp_proto, ev, NULL);
			assert_int_equal(l.p.fsm[PPP_FSM_LCP].state, s);
			assert_int_equal(l.p.dropped, dropped + 1);
			assert_int_equal(l.out.n, 0);
			n++;
		}
	}
	assert_int_equal(n, 40);
}

/* RFC 1661 4.1: in Closed and Stopped an answer to no request gets a Terminate-Ack. */
static void t_closed(void **st)
{
	static const uint8_t states[] = { FSM_CLOSED, FSM_STOPPED };

	for (size_t i = 0; i < N_ELEMENTS(states); i++) {
		go(MET);
		l.p.fsm[PPP_FSM_LCP].state = states[i];
		take("lcp ConfAck 09");
		assert_string_equal(l.did, "lcp TermAck 09");
		assert_int_equal(l.p.fsm[PPP_FSM_LCP].state, states[i]);
	}
}

/* What an empty Code-Reject must not do: RXJ+ would take an Ack-Rcvd back (RFC 1661 4.1). */
static void t_empty_code_reject(void **st)
{
	begin(true, PPP_AUTH_PAP);
	take("lcp ConfAck 01 (1 0550) (3 c023) (5 $magic)");
	take("lcp CodeRej 01");
	take("lcp ConfReq 01");
	assert_string_equal(l.did, "lcp ConfAck 01");
	assert_int_equal(l.p.phase, PPP_AUTHENTICATE);
}

/* Why a link ended: the first reason stays, and what is no reason is none. */
static void t_reasons(void **st)
{
	go(UP);
	take("lcp CodeRej 01 09010004");		/* Echo-Request: we can do without */
	assert_string_equal(l.p.reason, "");
	ppp_out_init(&l.out);
	ppp_close(&l.p, "bye", l.now, &l.out);
	take("lcp CodeRej 02 05020004");		/* and now Terminate-Request */
	assert_string_equal(l.p.reason, "bye");

	/* A protocol that the link can do without says nothing about its end. */
	go(PAP_JUDGED);
	l.conf.ipv6 = true;
	verdict(true);
	take("ipv6cp CodeRej 01 01010004");
	assert_string_equal(l.p.reason, "");
	assert_false(l.p.gone);

	go(UP);
	take("ipcp TermReq 05");
	assert_string_equal(l.did, "DOWN | ipcp TermAck 05");
	pass(4000);
	assert_string_equal(l.p.reason, "network protocol terminated by the peer");
	go(UP);
	take("lcp TermReq 05");
	assert_string_equal(l.p.reason, "terminated by the peer");

	/* PAP's message, as long as it says and as it is. */
	go(C_PAP);
	take("pap AuthNak $own 02 \"no!\"");
	assert_string_equal(l.p.reason, "authentication failed: no");
	go(C_PAP);
	take("pap AuthNak $own ff \"no!\"");
	assert_string_equal(l.p.reason, "authentication failed: no!");
}

/* The Restart timer goes on while requests of the peer are answered (RFC 1661 4.4). */
static void t_timer(void **st)
{
	begin(true, PPP_AUTH_PAP);
	pass(1000);
	take("lcp ConfReq 01");				/* met: ours goes out again, and the timer starts again */
	assert_true(ppp_deadline(&l.p) == l.now + 3000);
	pass(1000);
	take("lcp ConfReq 02");
	assert_string_equal(l.did, "lcp ConfAck 02");
	assert_true(ppp_deadline(&l.p) == l.now + 2000);
}

/* A Success that may have been lost is said again before each request, not with the last word, nor by a client,
 * nor once IPCP is at its end. */
static void t_retry(void **st)
{
	unsigned requests = 0, successes = 0;

	go(NETWORK);
	while (!l.p.gone && l.p.phase == PPP_NETWORK) {
		l.now = ppp_deadline(&l.p);
		ppp_out_init(&l.out);
		ppp_expire(&l.p, l.now, &l.out);
		describe();
		requests += strstr(l.did, "ipcp ConfReq") != NULL;
		successes += strstr(l.did, "pap AuthAck") != NULL;
	}
	assert_int_equal(requests, 9);
	assert_int_equal(successes, 9);
	assert_string_equal(l.did, "lcp TermReq 02 \"no answer to IPCP\"");

	go(C_NETWORK);
	pass(3000);
	assert_string_equal(l.did, "ipcp ConfReq 01 (3 00000000) (129 00000000) (131 00000000)");

	go(NETWORK);
	take("lcp ProtRej 01 8021 01 01 000a 03 06 0a000001");
	l.did[0] = '\0';
	pass(3000);
	assert_null(strstr(l.did, "pap"));
}

/* A client: what it does not ask for by itself. */
static void t_client(void **st)
{
	/* Nobody asks it to log in. */
	begin(false, PPP_AUTH_PAP);
	take("lcp ConfAck 01 (1 0550) (5 $magic)");
	take("lcp ConfReq 01");
	assert_string_equal(l.did, "lcp ConfAck 01 | ipcp ConfReq 01 (3 00000000) (129 00000000) (131 00000000)");
	/* Asked for CHAP, it waits to be challenged. */
	go(C_MD5);
	assert_string_equal(l.did, "lcp ConfAck 01 (3 c22305)");
	/* It accepts no method at all. */
	begin(false, 0);
	take("lcp ConfReq 01 (3 c023)");
	assert_string_equal(l.did, "lcp ConfReq 01 (1 0550) (5 $magic) | lcp ConfRej 01 (3 c023)");
	/* It wants no name servers. */
	begin(false, PPP_AUTH_PAP);
	l.conf.want_dns = false;
	take("lcp ConfAck 01 (1 0550) (5 $magic)");
	take("lcp ConfReq 01");
	assert_string_equal(l.did, "lcp ConfAck 01 | ipcp ConfReq 01 (3 00000000)");
	/* It got no address: never up, so never down. */
	take("ipcp ConfAck 01 (3 00000000)");
	take("ipcp ConfReq 01 (3 0a000001)");
	assert_string_equal(l.did, "ipcp ConfAck 01 (3 0a000001) | lcp TermReq 02 \"no address was given\"");
	assert_string_equal(l.p.reason, "no address was given");
	take("lcp TermAck 02");
	assert_string_equal(l.did, "GONE");
	/* A Nak with no address does not take back the one that it has. */
	go(C_NETWORK);
	take("ipcp ConfNak 01 (3 0a00000a)");
	take("ipcp ConfNak 02 (3 00000000)");
	assert_string_equal(l.did, "ipcp ConfReq 03 (3 0a00000a) (129 00000000) (131 00000000)");
	/* A server asks for none, whatever its settings say. */
	begin(true, PPP_AUTH_PAP);
	l.conf.want_dns = true;
	take("lcp ConfAck 01 (1 0550) (3 c023) (5 $magic)");
	take("lcp ConfReq 01");
	take("pap AuthReq 01 03 \"bob\" 06 \"secret\"");
	verdict(true);
	assert_string_equal(l.did, "pap AuthAck 01 00 | ipcp ConfReq 01 (3 0a000001)");
	/* An owner's verdict is none of its business. */
	go(C_PAP);
	verdict(true);
	assert_string_equal(l.did, "");
	assert_int_equal(l.p.phase, PPP_AUTHENTICATE);
	/* It answers a Challenge again, a number of times; not after Success. */
	go(C_MD5_SENT);
	for (unsigned i = 0, n = 0; i < 1000; i++) {
		take("chap Challenge 05 10 00112233445566778899aabbccddeeff \"lns\"");
		n += l.out.n;
		assert_in_range(n, 1, 64);
	}
	go(C_MD5_SENT);
	take("chap Success 05");
	assert_int_equal(l.p.phase, PPP_NETWORK);
	take("chap Challenge 05 10 00112233445566778899aabbccddeeff \"lns\"");
	assert_string_equal(l.did, "");
}

/* MS-CHAPv2's proof is hexadecimal: no other digit counts as one, whatever its bits. */
static void t_proof(void **st)
{
	char text[80], *digit;
	bool high = false, low = false;

	for (unsigned seed = 1; !high || !low; seed++) {
		uint8_t challenge[16] = { (uint8_t)seed, (uint8_t)(seed >> 8) };
		char frame[160];

		assert_true(seed < 10000);
		go(C_MS);
		snprintf(frame, sizeof(frame), "chap Challenge 05 10 %02x%02x0000000000000000000000000000", challenge[0],
			challenge[1]);
		take(frame);
		assert_string_equal(ppp_auth_name(l.p.req.method), "MS-CHAP-V2");
		for (unsigned i = 0; i < 20; i++)
			sprintf(text + 2 * i, "%02X", l.p.auth.proof[i]);
		/* 'G' is -1: F at a high place, FF with it at the low one. */
		digit = strstr(text, "FF");
		if (!digit || (digit - text) % 2)
			continue;
		digit[high ? 1 : 0] = 'G';
		snprintf(frame, sizeof(frame), "chap Success 05 \"S=%s\"", text);
		take(frame);
		assert_string_equal(l.did, "lcp TermReq 02 \"the server does not know the password\"");
		*(high ? &low : &high) = true;
	}
}

/* CHAP-MD5 says no more than that it failed; the words are MS-CHAPv2's. */
static void t_failure(void **st)
{
	go(MD5_JUDGED);
	verdict(false);
	assert_string_equal(l.did, "chap Failure $ident ");
}

/* RFC 1661 4.6: after Max-Failure a Nak becomes a Reject, of what is bad and of nothing else. */
static void t_naks(void **st)
{
	begin(true, PPP_AUTH_PAP);
	for (unsigned i = 0; i < 5; i++) {
		take("lcp ConfReq 01 (1 0001) (5 0a0b0c0d)");
		assert_non_null(strstr(l.did, "lcp ConfNak 01 (1 0550)"));
	}
	take("lcp ConfReq 01 (1 0001) (5 0a0b0c0d)");
	assert_string_equal(l.did, "lcp ConfRej 01 (1 0001)");
}

/* An address that the owner is to be asked about: what must not lead to that, and when its answer is too late. */
static void t_address(void **st)
{
	static char frame[400];
	const struct ppp_verdict v = { .ok = true, .ip = 0x0a00000a, .ip_local = 0x0a000001, .may_choose = true };

	for (unsigned i = 0; i < 6; i++) {
		go(PAP_JUDGED);
		ppp_out_init(&l.out);
		ppp_verdict(&l.p, &v, l.now, &l.out);
		switch (i) {
		case 0:
			take("ipcp ConfNak 01 (3 0a000063)");
			assert_string_equal(l.did, "ipcp ConfReq 02 (3 0a000001)");
			break;
		case 1:
			take("8021 01 01 000b 03 06 0a000063");		/* past the end */
			assert_string_equal(l.did, "");
			take("8021 01 01 0003 03 06 0a000063");
			assert_string_equal(l.did, "");
			break;
		case 2:
			/* Too long to be kept: judged at once. */
			snprintf(frame, sizeof(frame), "ipcp ConfReq 01 (3 0a000063) (200 %0240d)", 0);
			take(frame);
			assert_non_null(strstr(l.did, "ipcp ConfRej 01 (200 "));
			break;
		case 3:
			take("ipcp ConfReq 01 (3 0a0000)");
			assert_string_equal(l.did, "ipcp ConfReq 01 (3 0a000001) | ipcp ConfNak 01 (3 0a00000a)");
			break;
		default:
			take("ipcp ConfReq 01 (3 0a000063)");
			assert_string_equal(l.did, "ADDR");
			if (i == 4)
				take("lcp ConfReq 02");			/* it begins anew */
			else
				ppp_lower_down(&l.p, "cable", l.now, &l.out);
			ppp_out_init(&l.out);
			ppp_address(&l.p, 0x0a000063, l.now, &l.out);
			assert_int_equal(l.out.n, 0);
			assert_int_equal(l.p.ip_remote, 0x0a00000a);
		}
		assert_int_equal(l.p.ip_remote, 0x0a00000a);
	}
}

/* The longest frames: 1600 octets are looked at, 1601 are not, whatever the peer says it takes. */
static void t_longest(void **st)
{
	static uint8_t frame[PPP_FRAME_MAX + 1];

	for (size_t n = PPP_FRAME_MAX; n <= sizeof(frame); n++) {
		struct wr w = wr_of(frame, sizeof(frame));

		begin(true, PPP_AUTH_PAP);
		take("lcp ConfReq 01 (1 ffff)");
		take("lcp ConfAck 01 (1 0550) (3 c023) (5 $magic)");
		wr_u32(&w, 0xff03c021);
		wr_u16(&w, 0x0901);
		wr_u16(&w, (uint16_t)(n - 4));
		ppp_out_init(&l.out);
		ppp_input(&l.p, rd_of(frame, n), l.now, &l.out);
		assert_int_equal(l.out.n, n <= PPP_FRAME_MAX);
		assert_int_equal(l.p.lost, 0);
	}
	/* An owner that does not empty ppp_out loses whole frames, and they are counted. */
	for (unsigned i = 0; i < 4; i++)
		ppp_input(&l.p, rd_of(frame, PPP_FRAME_MAX), l.now, &l.out);
	frame[7] = (uint8_t)(PPP_FRAME_MAX - 4);
	frame[6] = (uint8_t)((PPP_FRAME_MAX - 4) >> 8);
	for (unsigned i = 0; i < 5; i++)
		ppp_input(&l.p, rd_of(frame, PPP_FRAME_MAX), l.now, &l.out);
	assert_int_equal(l.out.n, 4);
	assert_int_equal(l.p.lost, 1);
}

/* RFC 3629: what is no UTF-8 counts octet by octet, as Latin-1. */
static void t_utf8(void **st)
{
	static const struct {
		const char *bad, *same;
	} pairs[] = {
		{ "\x80", "\xc2\x80" },					/* a second octet first */
		{ "\xff", "\xc3\xbf" },
		{ "\xc3" "A", "\xc3\x83" "A" },				/* no second octet */
		{ "\xe0\x80\xaf", "\xc3\xa0\xc2\x80\xc2\xaf" },		/* longer than needed */
		{ "\xf0\x80\x80\xaf", "\xc3\xb0\xc2\x80\xc2\x80\xc2\xaf" },
		{ "\xf4\x90\x80\x80", "\xc3\xb4\xc2\x90\xc2\x80\xc2\x80" },	/* past the last character */
	};

	for (size_t i = 0; i < N_ELEMENTS(pairs); i++) {
		uint8_t a[MSCHAP_HASH], b[MSCHAP_HASH];

		assert_true(mschap_nt_hash(pairs[i].bad, strlen(pairs[i].bad), a));
		assert_true(mschap_nt_hash(pairs[i].same, strlen(pairs[i].same), b));
		assert_memory_equal(a, b, sizeof(a));
	}
}

/* Echo-Requests of the owner's: none before LCP is open, and none to whom they are an unknown code. */
static void t_echo(void **st)
{
	static const uint8_t mark[2] = { 'h', 'i' }, most[PPP_ECHO_DATA + 1];

	begin(true, PPP_AUTH_PAP);
	ppp_out_init(&l.out);
	ppp_echo(&l.p, mark, sizeof(mark), l.now, &l.out);
	assert_int_equal(l.out.n, 0);
	go(UP);
	ppp_out_init(&l.out);
	ppp_echo(&l.p, mark, sizeof(mark), l.now, &l.out);
	describe();
	assert_string_equal(l.did, "lcp EchoReq 01 $magic 6869");
	for (size_t n = sizeof(most) - 1; n <= sizeof(most); n++) {
		ppp_out_init(&l.out);
		ppp_echo(&l.p, most, n, l.now, &l.out);
		assert_int_equal(l.out.n, n <= PPP_ECHO_DATA);
	}
	take("lcp CodeRej 01 0901000a00000000");
	ppp_out_init(&l.out);
	ppp_echo(&l.p, mark, sizeof(mark), l.now, &l.out);
	assert_int_equal(l.out.n, 0);
}

/* What is an Echo-Reply, and what it carries. */
static void t_echo_reply(void **st)
{
	static const struct {
		const char *what, *carries;
		size_t n;
		uint8_t frame[16];
	} all[] = {
		{ "one", "hi", 14, { 0xff, 3, 0xc0, 0x21, 10, 5, 0, 10, 1, 2, 3, 4, 'h', 'i' } },
		{ "without address and control", "hi", 12, { 0xc0, 0x21, 10, 5, 0, 10, 1, 2, 3, 4, 'h', 'i' } },
		{ "with padding", "hi", 16, { 0xff, 3, 0xc0, 0x21, 10, 5, 0, 10, 1, 2, 3, 4, 'h', 'i', 0, 0 } },
		{ "that carries nothing", "", 12, { 0xff, 3, 0xc0, 0x21, 10, 5, 0, 8, 1, 2, 3, 4 } },
		{ "without a Magic-Number", NULL, 11, { 0xff, 3, 0xc0, 0x21, 10, 5, 0, 7, 1, 2, 3 } },
		{ "of Length 0", NULL, 14, { 0xff, 3, 0xc0, 0x21, 10, 5, 0, 0, 1, 2, 3, 4, 'h', 'i' } },
		{ "past the end", NULL, 14, { 0xff, 3, 0xc0, 0x21, 10, 5, 0, 11, 1, 2, 3, 4, 'h', 'i' } },
		{ "an Echo-Request", NULL, 14, { 0xff, 3, 0xc0, 0x21, 9, 5, 0, 10, 1, 2, 3, 4, 'h', 'i' } },
		{ "a code 10 of IPCP", NULL, 14, { 0xff, 3, 0x80, 0x21, 10, 5, 0, 10, 1, 2, 3, 4, 'h', 'i' } },
		{ "no frame of PPP", NULL, 14, { 0xff, 4, 0xc0, 0x21, 10, 5, 0, 10, 1, 2, 3, 4, 'h', 'i' } },
		{ "half a protocol", NULL, 3, { 0xff, 3, 0xc0 } }, { "nothing", NULL, 0, { 0 } },
	};

	for (size_t i = 0; i < N_ELEMENTS(all); i++) {
		uint8_t *exact = malloc(all[i].n ? all[i].n : 1);
		struct rd got = rd_of(NULL, 0);

		assert_non_null(exact);
		memcpy(exact, all[i].frame, all[i].n);
		if (ppp_echo_reply(rd_of(exact, all[i].n), &got) != (all[i].carries != NULL))
			fail_msg("%s", all[i].what);
		if (all[i].carries) {
			assert_int_equal(got.n, strlen(all[i].carries));
			assert_memory_equal(got.p, all[i].carries, got.n);
		}
		free(exact);
	}
}

static int setup(void **st)
{
	return mschap_init() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rows), cmocka_unit_test(t_gone), cmocka_unit_test(t_illegal), cmocka_unit_test(t_closed),
		cmocka_unit_test(t_empty_code_reject), cmocka_unit_test(t_reasons), cmocka_unit_test(t_timer),
		cmocka_unit_test(t_retry), cmocka_unit_test(t_client), cmocka_unit_test(t_proof), cmocka_unit_test(t_failure),
		cmocka_unit_test(t_naks), cmocka_unit_test(t_address), cmocka_unit_test(t_longest), cmocka_unit_test(t_utf8),
		cmocka_unit_test(t_echo), cmocka_unit_test(t_echo_reply),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
