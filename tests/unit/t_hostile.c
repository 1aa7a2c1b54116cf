/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hostile input to the cores: an attacker with good IPsec keys and a witness,
 * each in a flow of its own, as clients of one engine (they share its tunnel
 * ids).  After everything that the attacker sends the witness's traffic goes
 * through, nobody speaks to it unasked, and what the attacker holds is bounded.
 *
 * Classes are numbered as in tests/SECURITY.md, "Classes of hostile input".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/msg.h"
#include "tests/replay/lns.h"
#include "tests/replay/note.h"

struct client {
	struct lns lns;
	struct note_vars vars;
	char did[4096];			/* by the server: "SCCRP, tunnel up "x", lcp ConfReq" */
	unsigned answers;		/* messages to it, ever */
	size_t bytes_in, bytes_out;
	bool dry;			/* do not describe: floods */
};

static struct client attacker, witness;
static struct l2tp_ids ids;
static uint64_t seed = 1;

static void add(struct client *c, const char *text, size_t n)
{
	size_t at = strlen(c->did);

	snprintf(c->did + at, sizeof(c->did) - at, "%s%.*s", at ? ", " : "", (int)n, text);
}

static void on_send(void *ctx, uint16_t port, const uint8_t *p, size_t n)
{
	static char text[NOTE_TEXT];
	struct client *c = ctx;
	char word[4][40] = { "" };

	c->answers++;
	c->bytes_out += n;
	if (c->dry)
		return;
	note_text(text, p, n, true, &c->vars);
	/* "control T S NS NR NAME …" and "data T S proto code …" */
	if (sscanf(text, "control %39s %39s %*u %*u %39s", word[0], word[1], word[2]) >= 2)
		add(c, word[2][0] ? word[2] : "ZLB", 40);
	else if (sscanf(text, "data %39s %39s %39s %39s", word[0], word[1], word[2], word[3]) == 4)
		add(c, strstr(text, word[2]), strlen(word[2]) + 1 + strlen(word[3]));
	else
		fail_msg("the server sent: %s", text);
}

static void on_event(void *ctx, const char *what)
{
	struct client *c = ctx;

	if (!c->dry)
		add(c, what, strlen(what));
}

static void raw(struct client *c, const void *p, size_t n)
{
	c->did[0] = '\0';
	c->bytes_in += n;
	lns_input(&c->lns, p, n, 1701);
}

/* A message in the notation of tests/replay. */
static void say(struct client *c, const char *message)
{
	static struct note o;
	char err[128];

	if (!note_parse(message, false, &c->vars, &o, err))
		fail_msg("%s: %s", message, err);
	raw(c, o.byte, o.n);
}

static void begin(struct client *c)
{
	memset(c, 0, sizeof(*c));
	lns_init(&c->lns, seed++);
	c->lns.ids = &ids;
	c->lns.ppp.auth = PPP_AUTH_PAP | PPP_AUTH_CHAP_MD5 | PPP_AUTH_MSCHAPV2;
	c->lns.send = on_send;
	c->lns.event = on_event;
	c->lns.ctx = c;
}

#define SCCRQ "control 0000 0000 0 0 SCCRQ <ProtocolVersion 0100> <FramingCapabilities 00000003> <HostName \"x\"> " \
	"<AssignedTunnelID 0007> "

/* How far a client goes before. */
enum state { NONE, TUNNEL, CALL, AUTHENTICATING, UP };

static void go(struct client *c, enum state to)
{
	begin(c);
	if (to == NONE)
		return;
	say(c, SCCRQ);
	say(c, "control $tid 0000 1 1 SCCCN");
	assert_string_equal(c->did, "tunnel up \"x\", ZLB");
	if (to == TUNNEL)
		return;
	say(c, "control $tid 0000 2 1 ICRQ <AssignedSessionID 0008> <CallSerialNumber 00000001>");
	say(c, "control $tid $sid 3 2 ICCN <TxConnectSpeed 000f4240> <FramingType 00000001>");
	assert_string_equal(c->did, "session up, lcp ConfReq, ZLB");
	if (to == CALL)
		return;
	say(c, "data $tid $sid lcp ConfReq 01 (5 0a0b0c0d)");
	say(c, "data $tid $sid lcp ConfNak 01 (3 c023)");
	say(c, "data $tid $sid lcp ConfAck 02 (1 0550) (3 c023) (5 $magic)");
	if (to == AUTHENTICATING)
		return;
	say(c, "data $tid $sid pap AuthReq 01 03 \"bob\" 06 \"secret\"");
	assert_string_equal(c->did, "asks PAP \"bob\", pap AuthAck, ipcp ConfReq");
	say(c, "data $tid $sid ipcp ConfReq 01 (3 0a00000a)");
	say(c, "data $tid $sid ipcp ConfAck 01 (3 0a000001)");
	assert_string_equal(c->did, "up 0a00000a mtu 1360");
}

/* The witness: its packets arrive, its Echo is answered, its HELLO acknowledged, and nothing else came to it. */
static void witness_lives(const char *after)
{
	unsigned before = witness.answers;

	lns_wait(&witness.lns, 50);
	say(&witness, "data $tid $sid 0021 4500 0014 0000 0000 4001 0000 0a00000a 0a000001");
	if (strcmp(witness.did, "ip 20") != 0)
		fail_msg("after \"%s\" the witness's packet: \"%s\"", after, witness.did);
	say(&witness, "data $tid $sid lcp EchoReq 07 0a0b0c0d");
	if (strcmp(witness.did, "lcp EchoRep") != 0)
		fail_msg("after \"%s\" the witness's Echo: \"%s\"", after, witness.did);
	assert_int_equal(witness.answers, before + 1);
	assert_int_equal(lns_sessions(&witness.lns), 1);
}

static int setup(void **st)
{
	struct rng r;

	rng_init_test(&r, seed++);
	l2tp_ids_init(&ids, &r);
	assert_true(lns_begin());
	go(&witness, UP);
	return 0;
}

static void finish(struct client *c)
{
	c->dry = true;
	lns_shutdown(&c->lns);
	for (unsigned i = 0; i < 200 && lns_deadline(&c->lns) != PPP_NEVER; i++)
		lns_wait(&c->lns, 1000);
	assert_int_equal(lns_sessions(&c->lns), 0);
	assert_true(lns_deadline(&c->lns) == PPP_NEVER);
	lns_free(&c->lns);
}

/* When all is over nothing is left: no id, no session, no timer. */
static int teardown(void **st)
{
	finish(&attacker);
	assert_int_equal(ids.n, 1);
	witness_lives("the attacker went");
	finish(&witness);
	assert_int_equal(ids.n, 0);
	return 0;
}

/* ---- one message each ---- */

#define VALUE49 "00000000000000000000000000000000 0000000000000000 000000000000000000000000000000000000000000000000 00"
#define LONG64 "6161616161616161616161616161616161616161616161616161616161616161" \
	"6161616161616161616161616161616161616161616161616161616161616161"
#define LONG256 LONG64 LONG64 LONG64 LONG64

static const struct row {
	unsigned class;
	const char *name;
	enum state from;
	const char *message, *expect;	/* all that the server then does */
} rows[] = {
	{ 4, "an AVP of length 0 behind good ones", NONE, SCCRQ "8000 0000 0007",
		"tunnel gone \"protocol error\" 2 2, StopCCN" },
	{ 4, "an AVP of 1023 octets that are not there", NONE, SCCRQ "83ff 0000 0007 61",
		"tunnel gone \"protocol error\" 2 2, StopCCN" },
	{ 4, "a Host Name of no octet", NONE, "control 0000 0000 0 0 SCCRQ <ProtocolVersion 0100> <HostName> "
		"<FramingCapabilities 00000003> <AssignedTunnelID 0007>", "tunnel gone \"protocol error\" 2 2, StopCCN" },
	{ 5, "a hidden AVP without a secret", NONE, SCCRQ "c008 0000 000a 1234",
		"tunnel gone \"protocol error\" 2 8, StopCCN" },
	{ 5, "the same in a message about a call", TUNNEL,
		"control $tid 0000 2 1 ICRQ <AssignedSessionID 0008> <CallSerialNumber 00000001> c008 0000 0012 1234",
		"CDN" },
	{ 6, "the Message Type is not first", TUNNEL, "control $tid 0000 2 1 <AssignedSessionID 0008> ICRQ",
		"tunnel gone \"protocol error\" 2 3, StopCCN" },
	{ 6, "the Message Type twice", TUNNEL, "control $tid 0000 2 1 HELLO SCCRQ StopCCN", "ZLB" },
	{ 6, "the id twice, the second one 0", NONE, SCCRQ "<AssignedTunnelID 0000>", "SCCRP" },
	{ 6, "a hidden Message Type", TUNNEL, "control $tid 0000 2 1 c008 0000 0000 0006",
		"tunnel gone \"protocol error\" 2 3, StopCCN" },
	{ 7, "another vendor's, not mandatory, of every type", TUNNEL,
		"control $tid 0000 2 1 HELLO 0006 0137 0000 0006 0137 0009 0006 0137 000e 0006 ffff ffff", "ZLB" },
	{ 7, "the same, mandatory", TUNNEL, "control $tid 0000 2 1 HELLO 8006 0137 0000",
		"tunnel gone \"protocol error\" 2 8, StopCCN" },
	{ 7, "a reserved bit", TUNNEL, "control $tid 0000 2 1 HELLO 8c06 0000 0007",
		"tunnel gone \"protocol error\" 2 8, StopCCN" },
	{ 8, "a Host Name of 256 octets", NONE, "control 0000 0000 0 0 SCCRQ <ProtocolVersion 0100> <HostName " LONG256 "> "
		"<FramingCapabilities 00000003> <AssignedTunnelID 0007>", "SCCRP" },
	{ 8, "a Vendor Name of 256 octets", NONE, SCCRQ "<-VendorName " LONG256 ">", "SCCRP" },
	{ 8, "a Called Number of 256 octets", TUNNEL, "control $tid 0000 2 1 ICRQ <AssignedSessionID 0008> "
		"<CallSerialNumber 00000001> <CalledNumber " LONG256 "> <CallingNumber " LONG256 "> <SubAddress " LONG256 ">",
		"ICRP" },
	{ 8, "a proxy name of 256 octets", CALL, "control $tid 0000 4 2 ICRQ <AssignedSessionID 0009> "
		"<CallSerialNumber 00000001> <-ProxyAuthenName " LONG256 ">", "ICRP" },
	{ 8, "an Error Message of 256 octets, with escapes", UP,
		"control $tid 0000 4 2 StopCCN <AssignedTunnelID 0007> <ResultCode 0002 0006 \"\\x1b[31m%n%s\\x0a\" " LONG256 ">",
		"down?" },
	{ 9, "Ns one ahead: held", TUNNEL, "control $tid 0000 3 1 HELLO", "" },
	{ 9, "Ns far ahead", TUNNEL, "control $tid 0000 32767 1 HELLO", "" },
	{ 9, "Ns half a circle ahead is one that was seen", TUNNEL, "control $tid 0000 32770 1 HELLO", "ZLB" },
	{ 9, "Nr ahead of all that was sent", TUNNEL, "control $tid 0000 2 2 HELLO", "" },
	{ 9, "Nr far ahead", TUNNEL, "control $tid 0000 2 32768 HELLO", "" },
	{ 10, "tunnel id 0", NONE, "control 0000 0000 0 0 SCCRQ <ProtocolVersion 0100> <HostName \"x\"> "
		"<FramingCapabilities 00000003> <AssignedTunnelID 0000>", "tunnel gone \"protocol error\" 2 3, StopCCN" },
	{ 11, "a ZLB to nobody", NONE, "control 1234 0000 0 0", "" },
	{ 11, "a ZLB without a tunnel", NONE, "control 0000 0000 0 0", "" },
	{ 12, "SCCCN without SCCRQ", NONE, "control 0000 0000 0 0 SCCCN", "" },
	{ 12, "ICCN for no session", TUNNEL, "control $tid 4321 2 1 ICCN <TxConnectSpeed 000f4240> <FramingType 00000001>",
		"ZLB" },
	{ 12, "CDN for no session", TUNNEL, "control $tid 4321 2 1 CDN <ResultCode 0001> <AssignedSessionID 4321>", "ZLB" },
	{ 12, "SCCRP to a server", TUNNEL, "control $tid 0000 2 1 SCCRP <ProtocolVersion 0100> <HostName \"x\"> "
		"<FramingCapabilities 00000003> <AssignedTunnelID 0009>", "tunnel gone \"protocol error\" 7 0, StopCCN" },
	{ 13, "session id 0", TUNNEL, "control $tid 0000 2 1 ICRQ <AssignedSessionID 0000> <CallSerialNumber 00000001>",
		"CDN" },
	{ 13, "a session's id again", CALL, "control $tid 0000 4 2 ICRQ <AssignedSessionID 0008> <CallSerialNumber 00000002>",
		"session gone \"protocol error\", CDN" },
	{ 14, "an offset past the end", UP, "0202 $tid $sid ffff ff03", "" },
	{ 14, "a length longer than the datagram", UP, "4002 00ff $tid $sid ff03 c021 09 01 0008 00000000", "" },
	{ 14, "a length shorter: what is behind it is not there", UP,
		"4002 0010 $tid $sid ff03 c021 09 01 0008 00000000 0001", "" },
	{ 14, "the S bit without room for numbers", UP, "0802 $tid $sid 00", "" },
	{ 14, "no such session", UP, "data $tid 0001 ff03 0021 45", "CDN" },
	{ 15, "a frame of no octet", UP, "data $tid $sid", "" },
	{ 15, "of one, which is a protocol by its form", UP, "data $tid $sid ff", "lcp ProtRej" },
	{ 15, "of two", UP, "data $tid $sid ff03", "" },
	{ 15, "of three", UP, "data $tid $sid ff03 c0", "" },
	{ 15, "a protocol with an even low octet", UP, "data $tid $sid ff03 c020 09 01 0008 00000000", "" },
	{ 15, "a protocol that compresses to one octet, in one", UP, "data $tid $sid 23 01 01 0004", "lcp ProtRej" },
	{ 16, "an option of length 0", CALL, "data $tid $sid c021 01 01 0006 01 00", "" },
	{ 16, "of length 1", CALL, "data $tid $sid c021 01 01 0006 01 01", "" },
	{ 16, "past the end", CALL, "data $tid $sid c021 01 01 0008 01 06 0578", "" },
	{ 16, "an option twice", CALL, "data $tid $sid lcp ConfReq 01 (5 0a0b0c0d) (5 0a0b0c0e)",
		"lcp ConfReq, lcp ConfRej" },
	{ 16, "an Ack of other options", CALL, "data $tid $sid lcp ConfAck 01 (1 0551) (3 c22381) (5 $magic)", "" },
	{ 16, "an Ack of another request", CALL, "data $tid $sid lcp ConfAck 02 (1 0550) (3 c22381) (5 $magic)", "" },
	{ 16, "Code-Reject of Configure-Request", UP, "data $tid $sid lcp CodeRej 01 01 01 0004", "down, lcp TermReq" },
	{ 16, "Protocol-Reject of LCP", UP, "data $tid $sid lcp ProtRej 01 c021", "down, lcp TermReq" },
	{ 16, "Protocol-Reject of what was never there", UP, "data $tid $sid lcp ProtRej 01 0001", "" },
	{ 17, "CHAP where PAP was agreed on", AUTHENTICATING, "data $tid $sid c223 02 01 0039 31 " VALUE49 " 6a6f65", "" },
	{ 18, "a PAP name past the end", AUTHENTICATING, "data $tid $sid pap AuthReq 01 ff \"bob\" 06 \"secret\"", "" },
	{ 18, "a PAP password past the end", AUTHENTICATING, "data $tid $sid pap AuthReq 01 03 \"bob\" 07 \"secret\"", "" },
	{ 18, "a PAP request without a password", AUTHENTICATING, "data $tid $sid pap AuthReq 01 03 \"bob\"", "" },
	{ 18, "PAP before LCP is open", CALL, "data $tid $sid pap AuthReq 01 03 \"bob\" 06 \"secret\"", "" },
	{ 18, "PAP of a peer: an Ack to a server", AUTHENTICATING, "data $tid $sid pap AuthAck 01 00", "" },
	{ 18, "IPCP before the login", AUTHENTICATING, "data $tid $sid ipcp ConfReq 01 (3 0a00000a)", "" },
	{ 18, "IP before the login", AUTHENTICATING, "data $tid $sid 0021 4500 0014 0000 0000 4001 0000 0a00000a 0a000001",
		"" },
	{ 19, "EAP where PAP was agreed on", AUTHENTICATING, "data $tid $sid eap EapResp 01 01 \"bob\"", "" },
	{ 19, "EAP-TLS that announces 4 GB", AUTHENTICATING, "data $tid $sid eap EapResp 01 0d 80 ffffffff 00", "" },
	{ 19, "EAP whose Length lies", AUTHENTICATING, "data $tid $sid c227 02 01 ffff 01", "" },
	{ 19, "a Request by EAP to a server", AUTHENTICATING, "data $tid $sid eap EapReq 01 01", "" },
	{ 20, "an Echo with the server's own magic number", UP, "data $tid $sid lcp EchoReq 01 $magic", "" },
	{ 19, "a Request by EAP to a server", AUTHENTICATING, "data $tid $sid eap EapReq 01 01", "" },
	{ 20, "an Echo without room for a magic number", UP, "data $tid $sid lcp EchoReq 01 0a0b0c", "" },
	{ 25, "IPv6 though it was not opened", UP, "data $tid $sid 0057 6000 0000 0000 3b40", "lcp ProtRej" },
};

static void t_rows(void **st)
{
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const struct row *r = &rows[i];
		const char *expect = r->expect;

		go(&attacker, r->from);
		say(&attacker, r->message);
		if (!strcmp(expect, "down?"))
			expect = "session gone \"closed by peer\", tunnel gone \"closed by peer\" 2 6, ZLB";
		if (strcmp(attacker.did, expect) != 0)
			fail_msg("class %u, %s: \"%s\"\ninstead of \"%s\"", r->class, r->name, attacker.did, expect);
		witness_lives(r->name);
		/* Twice as bad, and what it leads to later. */
		say(&attacker, r->message);
		lns_wait(&attacker.lns, 100000);
		witness_lives(r->name);
		if (i + 1 < N_ELEMENTS(rows)) {
			finish(&attacker);
			assert_int_equal(ids.n, 1);
		}
	}
}

/* ---- very many ---- */

/* Class 1: each message cut at every octet, and longer; class 2: every first word of a header. */
static void t_cut(void **st)
{
	static struct note o;
	unsigned held = 0;
	char err[128];

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		go(&attacker, rows[i].from);
		assert_true(note_parse(rows[i].message, false, &attacker.vars, &o, err));
		attacker.dry = true;
		for (size_t n = 0; n < MIN(o.n, 200); n++)
			raw(&attacker, o.byte, n);
		for (unsigned bit = 0; bit < 8 * MIN(o.n, 64); bit++) {
			o.byte[bit / 8] ^= (uint8_t)(1 << bit % 8);
			raw(&attacker, o.byte, o.n);
			o.byte[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		held = MAX(held, ids.n);
		witness_lives(rows[i].name);
		finish(&attacker);
		assert_int_equal(ids.n, 1);
	}
	/* What an attacker can hold: its tunnels and those that linger, and no more. */
	assert_in_range(held, 2, 1 + L2TP_TUNNELS_MAX + L2TP_LINGER_MAX);
	go(&attacker, UP);
	attacker.dry = true;
	for (unsigned word = 0; word < 0x10000; word++) {
		uint8_t p[] = { (uint8_t)(word >> 8), (uint8_t)word, 0, 14, 0, 9, 0, 9, 0, 9, 0, 9, 0, 9 };

		raw(&attacker, p, sizeof(p));
	}
	witness_lives("every first word");
	assert_int_equal(lns_sessions(&attacker.lns), 1);
}

/* Class 10: SCCRQ after SCCRQ.  Class 11: to ids that nobody has. */
static void t_tunnels(void **st)
{
	go(&attacker, NONE);
	attacker.dry = true;
	for (unsigned i = 1; i <= 20000; i++) {
		char text[256];

		snprintf(text, sizeof(text), "control 0000 0000 0 0 SCCRQ <ProtocolVersion 0100> <HostName \"x\"> "
			"<FramingCapabilities 00000003> <AssignedTunnelID %04x>", i & 0xffff);
		say(&attacker, text);
		assert_in_range(ids.n, 2, 1 + L2TP_TUNNELS_MAX + L2TP_LINGER_MAX);
		if (i % 1000 == 0)
			witness_lives("many SCCRQs");
	}
	/* An answer is at most a refusal and the start of another tunnel. */
	assert_true(attacker.bytes_out < 4 * attacker.bytes_in);
	finish(&attacker);

	go(&attacker, NONE);
	for (unsigned i = 0; i < 0x10000; i++) {
		uint8_t p[] = { 0xc8, 2, 0, 12, (uint8_t)(i >> 8), (uint8_t)i, 0, 0, 0, 0, 0, 0 };

		raw(&attacker, p, sizeof(p));
		assert_string_equal(attacker.did, "");
	}
	assert_int_equal(ids.n, 1);
	assert_int_equal(attacker.answers, 0);
	assert_int_equal(attacker.lns.flow.cnt[L2TP_CNT_UNKNOWN_TUNNEL], 0x10000);
	witness_lives("ZLBs to every tunnel id");
}

/*
 * Class 12: the attacker knows the witness's ids, and says everything to them.
 * It is in another flow, so it speaks to nobody.
 */
static void t_foreign(void **st)
{
	static const char *const messages[] = {
		"control $tid 0000 4 2", "control $tid 0000 4 2 HELLO", "control $tid 0000 4 2 SCCCN",
		"control $tid 0000 4 2 StopCCN <AssignedTunnelID 0007> <ResultCode 0001>",
		"control $tid $sid 4 2 CDN <ResultCode 0001> <AssignedSessionID 0008>",
		"control $tid 0000 4 2 ICRQ <AssignedSessionID 0009> <CallSerialNumber 00000001>",
		"control $tid $sid 4 2 ICCN <TxConnectSpeed 000f4240> <FramingType 00000001>",
		"control 0000 0000 4 2 StopCCN <AssignedTunnelID 0007> <ResultCode 0001>",
		"data $tid $sid lcp TermReq 02", "data $tid $sid lcp ConfReq 02",
		"data $tid $sid 0021 4500 0014 0000 0000 4001 0000 0a00000a 0a000001",
	};
	unsigned before = witness.answers;

	for (enum state from = NONE; from <= UP; from++) {
		go(&attacker, from);
		(void)note_set(&attacker.vars, "tid", note_var(&witness.vars, "tid")->value, 2);
		(void)note_set(&attacker.vars, "sid", note_var(&witness.vars, "sid")->value, 2);
		for (size_t i = 0; i < N_ELEMENTS(messages); i++) {
			/* With a tunnel of its own, the one without an id is the attacker's business. */
			if (from != NONE && strstr(messages[i], "control 0000"))
				continue;
			say(&attacker, messages[i]);
			assert_string_equal(attacker.did, "");
			witness_lives(messages[i]);
		}
		if (from < UP)
			finish(&attacker);
	}
	assert_int_equal(witness.answers, before + 5 * N_ELEMENTS(messages) - 4);
}

/* Class 13: calls without end in one tunnel: so many as the limit says, the others get a CDN each. */
static void t_calls(void **st)
{
	unsigned up = 0;

	go(&attacker, TUNNEL);
	for (unsigned i = 0; i < 5000; i++) {
		char text[160];

		snprintf(text, sizeof(text), "control $tid 0000 %u %u ICRQ <AssignedSessionID %04x> <CallSerialNumber 00000001>",
			2 + i, 1 + i, 1 + i % 0xffff);
		say(&attacker, text);
		up += !strcmp(attacker.did, "ICRP");
		if (i >= attacker.lns.l2tp.max_sessions)
			assert_string_equal(attacker.did, "CDN");
		if (i % 500 == 0)
			witness_lives("many ICRQs");
	}
	assert_int_equal(up, attacker.lns.l2tp.max_sessions);
	/* Half-open calls go by themselves. */
	attacker.dry = true;
	lns_wait(&attacker.lns, 120000);
	assert_int_equal(ids.n, 1);
	witness_lives("half-open calls");
}

/* Class 16: Naks without end; class 20: 10,000 Echo-Requests a second, and one longer than the MRU. */
static void t_floods(void **st)
{
	static uint8_t big[1700];
	struct wr w = wr_of(big, sizeof(big));
	unsigned before;

	/* Class 11, data: who has a tunnel is told once in a while that the id is none. */
	go(&attacker, UP);
	before = attacker.answers;
	for (unsigned i = 0; i < 0x10000; i++) {
		uint8_t p[] = { 0, 2, (uint8_t)(i >> 8), (uint8_t)i, 0x12, 0x34, 0xff, 0x03, 0x00, 0x21, 0x45 };

		raw(&attacker, p, sizeof(p));
	}
	assert_in_range(attacker.answers - before, 1, 2);
	witness_lives("data to every tunnel id");
	finish(&attacker);

	go(&attacker, UP);
	before = attacker.answers;
	for (unsigned i = 0; i < 10000; i++) {
		say(&attacker, "data $tid $sid lcp EchoReq 01 0a0b0c0d");
		if (i % 10 == 0)
			lns_wait(&attacker.lns, 1);
	}
	assert_in_range(attacker.answers - before, 1, 200);
	witness_lives("10,000 Echo-Requests");

	lns_wait(&attacker.lns, 2000);
	wr_u16(&w, 2);
	wr_bytes(&w, note_var(&attacker.vars, "tid")->value, 2);
	wr_bytes(&w, note_var(&attacker.vars, "sid")->value, 2);
	wr_u32(&w, 0xff03c021);
	wr_u16(&w, 0x0901);
	wr_u16(&w, 1501);
	w.len += 1497;
	before = attacker.answers;
	raw(&attacker, big, w.len);
	assert_int_equal(attacker.answers, before);
	finish(&attacker);

	go(&attacker, CALL);
	before = attacker.answers;
	for (unsigned i = 1; i < 200; i++) {
		char text[100];

		/* Whatever it asks for is Naked. */
		snprintf(text, sizeof(text), "data $tid $sid lcp ConfNak %02x (5 %08x)", i, i);
		say(&attacker, text);
	}
	lns_wait(&attacker.lns, 10000);
	assert_int_equal(lns_sessions(&attacker.lns), 0);
	assert_in_range(attacker.answers - before, 1, 30);
	witness_lives("Naks without end");
}

/* Class 21: MPPE is required: IP in the clear, every header, counts that jump, what is no packet of the key's. */
static void t_mppe(void **st)
{
	char text[120];

	begin(&attacker);
	attacker.lns.ppp.auth = PPP_AUTH_MSCHAPV2;
	attacker.lns.ppp.mppe = PPP_MPPE_REQUIRED;
	attacker.lns.ppp.mppe_bits = MPPE_STATELESS | MPPE_128;
	say(&attacker, SCCRQ);
	say(&attacker, "control $tid 0000 1 1 SCCCN");
	say(&attacker, "control $tid 0000 2 1 ICRQ <AssignedSessionID 0008> <CallSerialNumber 00000001>");
	say(&attacker, "control $tid $sid 3 2 ICCN <TxConnectSpeed 000f4240> <FramingType 00000001>");
	say(&attacker, "data $tid $sid lcp ConfReq 01 (5 0a0b0c0d)");
	say(&attacker, "data $tid $sid lcp ConfAck 01 (1 0550) (3 c22381) (5 $magic)");
	say(&attacker, "data $tid $sid chap Response $ident 31 "
		"@mschapv2($challenge 00112233445566778899aabbccddeeff \"bob\" \"secret\") \"bob\"");
	say(&attacker, "data $tid $sid ipcp ConfReq 01 (3 0a00000a)");
	say(&attacker, "data $tid $sid ipcp ConfAck 01 (3 0a000001)");
	/* IPCP is through; without MPPE nothing passes. */
	say(&attacker, "data $tid $sid 0021 4500 0014 0000 0000 4001 0000 0a00000a 0a000001");
	assert_string_equal(attacker.did, "");
	say(&attacker, "data $tid $sid ccp ConfReq 01 (18 01000040)");
	say(&attacker, "data $tid $sid ccp ConfAck 01 (18 01000040)");
	assert_non_null(strstr(attacker.did, "mppe in 128bits,stateless out 128bits,stateless"));
	say(&attacker, "data $tid $sid 0021 4500 0014 0000 0000 4001 0000 0a00000a 0a000001");
	assert_string_equal(attacker.did, "");
	assert_int_equal(attacker.lns.mppe_bad, 1);
	for (unsigned n = 0; n < 3; n++) {
		uint8_t p[] = { 0, 2, 0, 0, 0, 0, 0x00, 0xfd, 0x90, 0x00 };

		memcpy(p + 2, note_var(&attacker.vars, "tid")->value, 2);
		memcpy(p + 4, note_var(&attacker.vars, "sid")->value, 2);
		raw(&attacker, p, 8 + n);
		assert_null(strstr(attacker.did, "ip "));
	}
	for (unsigned word = 0; word < 0x10000; word++) {
		snprintf(text, sizeof(text), "data $tid $sid 00fd %04x 0011223344556677", word);
		say(&attacker, text);
		/* What it decrypts to is noise; that it is IP by its first octets is for chance to say, once in 2^16. */
		if (word % 4096 == 0) {
			lns_wait(&attacker.lns, 100);
			witness_lives("MPPE of every header");
		}
	}
	assert_true(attacker.answers < 200);
	say(&attacker, "data $tid $sid ccp 15 01");		/* Reset-Ack of what was not asked for */
	say(&attacker, "data $tid $sid lcp EchoReq 01 0a0b0c0d");
	assert_string_equal(attacker.did, "lcp EchoRep");
	/* Without MPPE there is no link. */
	say(&attacker, "data $tid $sid ccp TermReq 09");
	say(&attacker, "data $tid $sid 0021 4500 0014 0000 0000 4001 0000 0a00000a 0a000001");
	assert_string_equal(attacker.did, "");
	attacker.dry = true;
	lns_wait(&attacker.lns, 60000);
	assert_int_equal(lns_sessions(&attacker.lns), 0);
	witness_lives("MPPE was taken back");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(t_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(t_tunnels, setup, teardown),
		cmocka_unit_test_setup_teardown(t_foreign, setup, teardown),
		cmocka_unit_test_setup_teardown(t_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(t_floods, setup, teardown),
		cmocka_unit_test_setup_teardown(t_mppe, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
