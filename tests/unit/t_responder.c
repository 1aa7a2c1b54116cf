/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What libcharon and our plugin make of clients: real libcharon in this process,
 * an initiator that shares no line with it, and a clock that is ours.  Wherever
 * somebody is hostile, another client is there that looks the same (one address,
 * one identity) and must not notice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>

#include "tests/ike/client.h"

enum { BOTH_AGAIN = 1000 };		/* rounds in which two do phase 1 again */

static void dials(struct client *c, uint16_t port)
{
	arrive(c, NAT, port);
	starts(c);
	assert_int_equal(c->ike.state, IKE_UP);
	assert_true(paired(c));
}

static int setup(void **st)
{
	(void)st;
	memset(&told, 0, sizeof(told));
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	memset(&h, 0, sizeof(h));
	responder_clear();
	return 0;
}

static int teardown(void **st)
{
	(void)st;
	ike_free(&a.ike);
	ike_free(&b.ike);
	ike_free(&h.ike);
	return 0;
}

/* ---- as it should be ---- */

static void t_login(void **st)
{
	dials(&a, 5001);
	assert_int_equal(told.announced, 1);
	assert_int_equal(told.added, 2);
	assert_true(alive(&a));
	rekeys(&a);
	assert_int_equal(a.children, 2);
	assert_true(paired(&a));
	leaves(&a);
	assert_int_equal(responder_ike_sas(), 0);
	assert_int_equal(told.deleted, told.added);
	assert_int_equal(told.ended, 1);
}

/* The same address, port 4500, identity, key: twenty of them. */
static void t_neighbours(void **st)
{
	dials(&a, 5001);
	dials(&b, 5002);
	leaves(&b);
	assert_true(paired(&a) && alive(&a));
	for (uint16_t i = 0; i < 20; i++)
		dials(&b, (uint16_t)(5100 + i));
	assert_int_equal(responder_ike_sas(), 21);
	assert_true(paired(&a) && alive(&a));
}

/* ---- messages are lost ---- */

/* The client has its SAs after its third message, the server not before that one came. */
static void t_quick_lost(void **st)
{
	uint32_t old;

	/* At the first login, Quick Mode's third message: the first passes. */
	arrive(&a, NAT, 5001);
	a.lose_exchange = EXCH_QUICK;
	a.lose_after = 1;
	a.lose = 1;
	starts(&a);
	assert_int_equal(a.ike.state, IKE_UP);
	assert_false(paired(&a));
	/* Within the time for which an engine keeps ESP that is early. */
	pass(900);
	assert_true(paired(&a));

	/* With a rekeying; and the client deletes the old pair at once, which is an exchange of its own. */
	old = a.ike.child.spi_in;
	a.lose_after = 1;
	a.lose = 1;
	rekeys(&a);
	assert_false(paired(&a));
	ike_out_init(&a.out);
	ike_delete(&a.ike, old, &a.out);
	applied(&a);
	pass(900);
	assert_true(paired(&a));
	assert_true(alive(&a));

	/* Three in a row get lost. */
	a.lose_after = 1;
	a.lose = 3;
	rekeys(&a);
	pass(8000);
	assert_true(paired(&a));

	/* All of them: nobody waits for ever, and the IKE_SA with the pair that works stays. */
	a.lose_after = 1;
	a.lose = 1000;
	rekeys(&a);
	pass(300000);
	a.lose = 0;
	assert_false(paired(&a));
	assert_true(alive(&a));
	rekeys(&a);
	assert_true(paired(&a));
}

/* Any message of a login, whichever way it goes. */
static void t_any_lost(void **st)
{
	for (unsigned i = 0; i < 5; i++) {
		setup(NULL);
		arrive(&a, NAT, 5001);
		a.lose_after = i;
		a.lose = 1;
		starts(&a);
		pass(4000);
		assert_int_equal(a.ike.state, IKE_UP);
		assert_true(paired(&a));
		ike_free(&a.ike);
		setup(NULL);
		arrive(&a, NAT, 5001);
		a.miss_after = i;
		a.miss = 1;
		starts(&a);
		pass(4000);
		assert_int_equal(a.ike.state, IKE_UP);
		assert_true(paired(&a));
		ike_free(&a.ike);
	}
}

/* ---- silence ---- */

/* It says nothing for ten minutes, but answers when it is asked. */
static void t_silent(void **st)
{
	unsigned asked;

	dials(&a, 5001);
	asked = a.sent;
	pass(600000);
	assert_true(a.sent - asked >= 5);		/* every minute or so */
	assert_true(paired(&a) && alive(&a));
	/* Whose ESP is heard is not asked. */
	asked = a.sent;
	for (unsigned i = 0; i < 60; i++) {
		responder_used(told.last_in, 100 + i);
		pass(10000);
	}
	assert_int_equal(a.sent, asked);
	assert_true(paired(&a));
}

/* It sleeps: two minutes without an answer, then it is back. */
static void t_sleeps(void **st)
{
	dials(&a, 5001);
	a.deaf = true;
	pass(2 * RESPONDER_DPD_S * 1000);
	a.deaf = false;
	assert_true(alive(&a));
	pass(600000);
	assert_true(paired(&a) && alive(&a));
}

/* It is gone, and its neighbour is not. */
static void t_dead(void **st)
{
	dials(&a, 5001);
	dials(&b, 5002);
	a.deaf = true;
	pass(4 * RESPONDER_DPD_S * 1000);
	assert_false(paired(&a));
	assert_int_equal(told.ended, 1);
	assert_int_equal(responder_ike_sas(), 1);
	assert_true(paired(&b) && alive(&b));
}

/* The last payload of Main Mode's first message says that it speaks DPD. */
static size_t without_dpd(void *arg, uint8_t *type, uint8_t *p, size_t n, size_t cap)
{
	uint8_t *next = type;
	size_t at = 0;

	if (*type != PL_SA)
		return n;
	while (p[at]) {
		next = p + at;
		at += (size_t)p[at + 2] << 8 | p[at + 3];
	}
	*next = 0;
	return at;
}

/* Windows: IKE does not ask it, and leaves it to L2TP to find out. */
static void t_no_dpd(void **st)
{
	unsigned sent;

	arrive(&a, NAT, 5001);
	a.ike.alter = without_dpd;
	starts(&a);
	assert_true(paired(&a));
	sent = a.sent;
	a.deaf = true;
	pass(3600000);
	assert_int_equal(a.sent, sent);
	assert_true(paired(&a));
}

/* Its key is wrong, or it is gone in the middle: in half a minute nothing of it is left. */
static void t_half_open(void **st)
{
	for (unsigned i = 1; i < 4; i++) {
		arrive(&a, NAT, 5001);
		a.lose_after = i;
		a.lose = 1000;
		starts(&a);
		assert_int_equal(responder_ike_sas(), 1);
		a.deaf = true;
		pass(i < 3 ? 31000 : 200000);		/* after Main Mode: as one without SAs */
		assert_int_equal(responder_ike_sas(), 0);
		ike_free(&a.ike);
	}
}

/* ---- phase 1 again ---- */

/* One lineage is the IKE_SA whose Quick Mode it was; charon's adoption changes nothing. */
static uint64_t lineage_of(const struct client *c)
{
	hear();
	for (unsigned i = told.n; i > 0; i--)
		if (told.sa[i - 1].in == c->ike.child.spi_out)
			return told.sa[i - 1].lineage;
	return 0;
}

/* Two behind one NAT do it at the same time, with whatever comes first, again and again. */
static void t_both_again(void **st)
{
	struct rng dice;

	rng_init_test(&dice, 42);
	dials(&a, 5001);
	dials(&b, 5002);
	for (unsigned i = 0; i < BOTH_AGAIN; i++) {
		uint64_t old[2] = { lineage_of(&a), lineage_of(&b) };
		struct client was[2] = { a, b };
		struct client *c[2] = { &a, &b };
		unsigned first = rng_u32(&dice) & 1;

		/* charon may take the old one's SAs over before their Quick Modes, in between, or after. */
		responder_hold(i % 3);
		/* Their messages one by one, in an order of chance. */
		for (unsigned k = 0; k < 2; k++) {
			arrive(c[k], NAT, (uint16_t)(5001 + k));
			c[k]->queue = true;
			ike_out_init(&c[k]->out);
			ike_start(&c[k]->ike, responder_now_ms(), &c[k]->out);
			applied(c[k]);
		}
		while (a.queued.n || b.queued.n) {
			unsigned k = a.queued.n && b.queued.n ? rng_u32(&dice) & 1 : !a.queued.n;

			say_next(c[k]);
		}
		responder_hold(0);
		deliver();
		assert_true(paired(&a) && paired(&b));
		assert_true(lineage_of(&a) != lineage_of(&b));
		for (unsigned k = 0; k < 2; k++) {
			assert_true(lineage_of(c[k]) != old[0] && lineage_of(c[k]) != old[1]);
			c[k]->queue = false;
		}
		/* The old ones end, in either order, and nobody loses the new ones. */
		for (unsigned k = 0; k < 2; k++) {
			struct client *o = &was[(k + first) & 1];

			ike_out_init(&h.out);
			ike_close(&o->ike, &h.out);
			for (unsigned e = 0; e < h.out.n; e++)
				responder_input(&o->at, rd_of(h.out.eff[e].data, h.out.eff[e].len));
			ike_free(&o->ike);
			deliver();
		}
		assert_true(paired(&a) && paired(&b));
		assert_int_equal(responder_ike_sas(), 2);
		told_trim();
	}
	assert_true(alive(&a) && alive(&b));
}

/* The client deletes what it had before its Quick Mode: then that is gone, and the new one is there. */
static void t_old_first(void **st)
{
	struct client was;

	dials(&a, 5001);
	was = a;
	arrive(&a, NAT, 5001);
	a.lose_exchange = EXCH_QUICK;
	a.lose = 1;
	starts(&a);
	assert_false(paired(&a));
	ike_out_init(&h.out);
	ike_close(&was.ike, &h.out);
	for (unsigned e = 0; e < h.out.n; e++)
		responder_input(&was.at, rd_of(h.out.eff[e].data, h.out.eff[e].len));
	deliver();
	assert_false(paired(&was));
	ike_free(&was.ike);
	pass(4000);
	assert_true(paired(&a));
	assert_int_equal(responder_ike_sas(), 1);
}

/* ---- the hostile one has the key, and the same address and identity ---- */

static void others_live(void)
{
	assert_true(paired(&a) && alive(&a));
	assert_int_equal(told.moved, 0);
}

static void wr_delete(struct wr *w, unsigned proto, unsigned size, const void *spi)
{
	wr_u32(w, 1);
	wr_u8(w, (uint8_t)proto);
	wr_u8(w, (uint8_t)size);
	wr_u16(w, 1);
	wr_bytes(w, spi, size);
}

/* It deletes what is a's, says that a is dead, asks whether we live without end. */
static void t_others(void **st)
{
	uint8_t buf[64], spi[4];
	struct wr w;

	dials(&a, 5001);
	dials(&h, 5002);
	for (unsigned i = 0; i < 2; i++) {
		struct wr s = wr_of(spi, sizeof(spi));

		wr_u32(&s, i ? a.ike.child.spi_in : a.ike.child.spi_out);
		w = wr_of(buf, sizeof(buf));
		wr_delete(&w, 3, 4, spi);
		for (unsigned k = 0; k < 50; k++)
			informs(&h, PL_DELETE, rd_of(buf, w.len));
		others_live();
	}
	w = wr_of(buf, sizeof(buf));
	wr_u32(&w, 1);
	wr_u8(&w, 1);
	wr_u8(&w, 16);
	wr_u16(&w, 1);
	wr_bytes(&w, a.ike.cky_i, 8);
	wr_bytes(&w, a.ike.cky_r, 8);
	informs(&h, PL_DELETE, rd_of(buf, w.len));
	others_live();
	w = wr_of(buf, sizeof(buf));
	wr_notify(&w, &h.ike, NOTIFY_INITIAL_CONTACT);
	informs(&h, PL_NOTIFY, rd_of(buf, w.len));
	others_live();
	w = wr_of(buf, sizeof(buf));
	wr_notify(&w, &a.ike, NOTIFY_INITIAL_CONTACT);
	informs(&h, PL_NOTIFY, rd_of(buf, w.len));
	others_live();
	for (unsigned i = 0; i < 1000; i++)
		(void)alive(&h);
	others_live();
	/* In Main Mode as well. */
	leaves(&h);
	conf.initial_contact = true;
	dials(&h, 5002);
	conf.initial_contact = false;
	others_live();
	/* From a's own port, which the NAT gave away meanwhile. */
	leaves(&h);
	conf.initial_contact = true;
	arrive(&h, NAT, 5001);
	a.deaf = true;
	starts(&h);
	conf.initial_contact = false;
	assert_true(paired(&h) && paired(&a));
	assert_true(lineage_of(&a) != lineage_of(&h));
}

/* All that a ever said, from elsewhere and from its own address, in and out of turn. */
static void t_replayed(void **st)
{
	arrive(&a, NAT, 5001);
	a.tape = calloc(1, sizeof(*a.tape));
	assert_non_null(a.tape);
	starts(&a);
	rekeys(&a);
	assert_true(alive(&a));
	assert_true(a.tape->n >= 8);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < a.tape->n; i++) {
			unsigned k = round == 1 ? a.tape->n - 1 - i : i;
			struct addr from = addr_v4(round == 2 ? 0xc6336401 : NAT, round == 2 ? 4500 : 5001);

			responder_input(&from, rd_of(a.tape->m[k].p, a.tape->m[k].n));
		}
		hear();
		assert_int_equal(told.moved, 0);
	}
	deliver();
	free(a.tape);
	a.tape = NULL;
	assert_true(paired(&a) && alive(&a));
	pass(60000);
	assert_int_equal(responder_ike_sas(), 1);
	others_live();
}

/* ---- Quick Modes that are not L2TP ---- */

/* One octet of its payloads behind the HASH, counted in the one of this type, the nth of it. */
struct change {
	uint8_t type;
	unsigned nth, at;
	uint8_t to;
};

static size_t change(void *arg, uint8_t *type, uint8_t *p, size_t n, size_t cap)
{
	const struct change *c = arg;
	unsigned nth = 0;
	uint8_t is = *type;

	if (is == PL_HASH || !c->type)		/* not its third message */
		return n;
	for (size_t at = 0; is && at + 4 <= n; at += (size_t)p[at + 2] << 8 | p[at + 3]) {
		if (is == c->type && nth++ == c->nth) {
			p[at + c->at] = c->to;
			return n;
		}
		is = p[at];
	}
	return n;
}

/* The encapsulation mode of all transforms (RFC 2407 4.5, attribute 4). */
static size_t encapsulation(void *arg, uint8_t *type, uint8_t *p, size_t n, size_t cap)
{
	for (size_t i = 0; *type == PL_SA && i + 4 <= n; i++)
		if (p[i] == 0x80 && p[i + 1] == 4 && !p[i + 2] && p[i + 3] == 4)
			p[i + 3] = *(const uint8_t *)arg;
	return n;
}

static void t_not_l2tp(void **st)
{
	/* Octets of payload ID: type, protocol, port, address; of SA: up to the first transform's attributes. */
	static const struct change wrong[] = {
		{ PL_ID, 0, 5, 6 },		/* TCP */
		{ PL_ID, 1, 5, 6 },
		{ PL_ID, 0, 5, 1 },
		{ PL_SA, 0, 17, 2 },		/* AH */
		{ PL_SA, 0, 18, 0 },		/* no SPI */
	};

	unsigned accepted = 0;

	dials(&a, 5001);
	for (unsigned i = 0; i < N_ELEMENTS(wrong); i++) {
		unsigned added;
		struct change c = wrong[i];

		dials(&h, 5002);
		h.ike.alter = change;
		h.ike.alter_arg = &c;
		added = told.added;
		rekeys(&h);
		if (told.added != added) {
			print_message("change %u was accepted\n", i);
			accepted++;
		}
		others_live();
		leaves(&h);
		pass(1000);
	}
	assert_int_equal(accepted, 0);
	/* What transforms say: tunnel mode, with and without UDP. */
	dials(&h, 5002);
	h.ike.alter = encapsulation;
	for (uint8_t mode = 0; mode < 6; mode++) {
		unsigned added = told.added;

		if (h.ike.state != IKE_UP) {
			leaves(&h);
			dials(&h, 5002);
			h.ike.alter = encapsulation;
			added = told.added;
		}
		h.ike.alter_arg = &mode;
		rekeys(&h);
		if (mode != 4)
			assert_int_equal(told.added, added);
		others_live();
	}
}

/* From another port than 1701 it is the same client, and the engine sees to what is inside. */
static void t_other_port(void **st)
{
	struct change c = { PL_ID, 0, 7, 0x99 };
	uint64_t lineage;

	dials(&a, 5001);
	lineage = lineage_of(&a);
	a.ike.alter = change;
	a.ike.alter_arg = &c;
	rekeys(&a);
	assert_int_equal(a.children, 2);
	assert_true(paired(&a));
	assert_int_equal(lineage_of(&a), lineage);
}

/* Without end, and never a DELETE. */
static void t_many(void **st)
{
	unsigned live = 0;

	dials(&a, 5001);
	dials(&h, 5002);
	for (unsigned i = 0; i < 1000 && h.ike.state == IKE_UP; i++)
		rekeys(&h);
	for (unsigned i = 0; i < told.n; i++)
		live += !told.sa[i].gone;
	assert_true(live <= 10);
	others_live();
	leaves(&h);
	dials(&h, 5002);
	others_live();
}

/* ---- messages that broke others ---- */

/* Replace a payload of Main Mode's third message: its type, its new body; 0: all of it. */
struct body {
	uint8_t type;
	size_t n;
	const uint8_t *p;
};

static size_t replace(void *arg, uint8_t *type, uint8_t *p, size_t n, size_t cap)
{
	const struct body *with = arg;
	uint8_t is = *type;

	for (size_t at = 0; is && at + 4 <= n;) {
		size_t len = (size_t)p[at + 2] << 8 | p[at + 3];
		size_t size = with->n + 4;

		if (is == with->type && n - len + size <= cap) {
			memmove(p + at + size, p + at + len, n - at - len);
			if (with->n)
				memcpy(p + at + 4, with->p, with->n);
			p[at + 2] = (uint8_t)(size >> 8);
			p[at + 3] = (uint8_t)size;
			return n - len + size;
		}
		is = p[at];
		at += len;
	}
	return n;
}

static void hostile_login(const struct ike_conf *as, size_t (*alter)(void *, uint8_t *, uint8_t *, size_t, size_t), void *arg)
{
	struct ike_ends ends = { .id = addr_v4(INNER, 0), .port = 4500, .peer = addr_v4(SERVER, 0), .natt = true };
	struct rng seed;

	ike_free(&h.ike);
	memset(&h, 0, sizeof(h));
	h.at = addr_v4(NAT, 5002);
	rng_init_test(&seed, 4711);
	ike_init(&h.ike, as, &ends, &seed);
	h.ike.alter = alter;
	h.ike.alter_arg = arg;
	starts(&h);
}

static void t_key_exchange(void **st)
{
	static const uint8_t zero[256], ones[257] = { [0 ... 256] = 0xff };
	static const uint8_t one[256] = { [255] = 1 };
	static const struct body bad[] = {
		{ PL_KE, 0, NULL }, { PL_KE, 1, zero }, { PL_KE, 63, ones }, { PL_KE, 65, ones }, { PL_KE, 255, ones },
		{ PL_KE, 256, zero }, { PL_KE, 256, one }, { PL_KE, 256, ones }, { PL_KE, 64, zero }, { PL_KE, 64, ones },
		{ PL_NONCE, 0, NULL }, { PL_NONCE, 7, ones }, { PL_NONCE, 257, ones },
	};
	struct ike_conf as = conf;

	dials(&a, 5001);
	for (unsigned g = 0; g < 2; g++) {
		as.main_group = g ? DIAL_MODP2048 : DIAL_ECP256;
		for (unsigned i = 0; i < N_ELEMENTS(bad); i++) {
			struct body body = bad[i];

			hostile_login(&as, replace, &body);
			/* It never heard the fourth message. */
			if (h.ike.state == IKE_MM5 || h.ike.state == IKE_UP)
				fail_msg("group %u, body %u: accepted", g, i);
			others_live();
		}
	}
	h.deaf = true;
	pass(31000);
	assert_int_equal(responder_ike_sas(), 1);
}

/* Anything under an ISAKMP header with h's cookies. */
static void raw(uint8_t first, uint8_t exchange, uint8_t flags, uint32_t mid, const uint8_t *p, size_t n)
{
	uint8_t buf[4096];
	struct wr w = wr_of(buf, sizeof(buf));

	wr_bytes(&w, h.ike.cky_i, 8);
	wr_bytes(&w, h.ike.cky_r, 8);
	wr_u8(&w, first);
	wr_u8(&w, 0x10);
	wr_u8(&w, exchange);
	wr_u8(&w, flags);
	wr_u32(&w, mid);
	wr_u32(&w, (uint32_t)(28 + n));
	wr_bytes(&w, p, n);
	assert_false(w.bad);
	responder_input(&h.at, rd_of(buf, w.len));
	deliver();
}

/* What needs no keys: in each state of a login, every exchange, in the clear and as if it were encrypted. */
static void strangers_words(void)
{
	static const uint8_t delete[] = { 0, 0, 0, 28, 0, 0, 0, 1, 1, 16, 0, 1 };
	static const uint8_t loop[] = { 13, 0, 0, 0, 13, 0, 0, 0 }, chain[] = { 13, 0, 0, 4 };
	uint8_t buf[3000];

	for (unsigned exchange = 0; exchange < 256; exchange++) {
		memset(buf, (int)exchange, sizeof(buf));
		for (uint8_t flags = 0; flags < 8; flags++)
			raw((uint8_t)(exchange * 7 + 1), (uint8_t)exchange, flags, exchange & 1 ? 0x12345678 : 0, buf, 64);
	}
	/* DELETE and errors without a proof, Quick Mode before its time. */
	memcpy(buf, delete, sizeof(delete));
	memcpy(buf + sizeof(delete), h.ike.cky_i, 8);
	memcpy(buf + sizeof(delete) + 8, h.ike.cky_r, 8);
	raw(PL_DELETE, EXCH_INFO, 0, 77, buf, sizeof(delete) + 16);
	raw(PL_HASH, EXCH_QUICK, 0, 78, buf, 60);
	raw(PL_HASH, EXCH_QUICK, 1, 79, buf, 64);
	/* Payloads that have no length, and very many of the least one. */
	raw(13, EXCH_MAIN, 0, 0, loop, sizeof(loop));
	for (size_t i = 0; i + 4 <= sizeof(buf); i += 4)
		memcpy(buf + i, chain, 4);
	raw(13, EXCH_MAIN, 0, 0, buf, sizeof(buf));
	/* Each payload type that there may be, IKEv2's among them, each length that lies. */
	for (unsigned type = 0; type < 256; type++) {
		uint8_t p[40] = { 0, 0, 0, (uint8_t)(type % 48) };

		raw((uint8_t)type, EXCH_MAIN, 0, 0, p, sizeof(p));
		raw((uint8_t)type, EXCH_INFO, 0, type, p, sizeof(p));
	}
}

static void t_broken(void **st)
{
	dials(&a, 5001);
	/* After the second, the fourth message, and once it is up. */
	for (unsigned i = 1; i < 4; i++) {
		arrive(&h, NAT, 5002);
		h.lose_after = i;
		h.lose = i < 3 ? 1 : 0;
		starts(&h);
		/* It does not hear what the server says to that: errors that nobody proved. */
		h.deaf = true;
		strangers_words();
		h.deaf = false;
		others_live();
		/*
		 * Its own next message was lost once, and comes again.  Who knows its cookies may have said
		 * a third message in its stead, which nothing proves; but from the fourth on it has keys.
		 */
		pass(20000);
		if (i > 1)
			assert_true(h.ike.state == IKE_UP && paired(&h) && alive(&h));
		others_live();
		leaves(&h);
	}
	h.deaf = true;
	pass(200000);
	assert_int_equal(responder_ike_sas(), 1);
}

/* With the keys: every payload in an Informational exchange, counts and sizes that lie. */
static void t_broken_inside(void **st)
{
	uint8_t buf[300] = { 0, 0, 0, 1 };

	dials(&a, 5001);
	for (unsigned type = 1; type < 256; type++) {
		for (unsigned n = 0; n < 24; n += 3) {
			if (h.ike.state != IKE_UP) {
				ike_free(&h.ike);
				dials(&h, 5002);
			}
			buf[4] = (uint8_t)(n & 1 ? 3 : 1);
			buf[5] = (uint8_t)(type & 1 ? 255 : 16);
			buf[6] = buf[7] = 255;
			informs(&h, type, rd_of(buf, n));
		}
	}
	/* DOIs and protocols that are none, of DELETE and of a notification. */
	for (unsigned i = 0; i < 256; i++) {
		struct wr w = wr_of(buf, sizeof(buf));

		if (h.ike.state != IKE_UP) {
			ike_free(&h.ike);
			dials(&h, 5002);
		}
		wr_u32(&w, i & 1 ? i : 0xffffffffu - i);
		wr_u8(&w, (uint8_t)i);
		wr_u8(&w, 4);
		wr_u16(&w, 2);
		wr_u32(&w, a.ike.child.spi_in);
		wr_u32(&w, a.ike.child.spi_in);
		informs(&h, i & 2 ? PL_DELETE : PL_NOTIFY, rd_of(buf, w.len));
		others_live();
	}
}

/* Fragments of the Cisco kind, which charon takes in phase 1 (RFC 2408 knows none): type 132. */
static void fragment(struct client *c, uint16_t id, uint8_t num, bool last, size_t n)
{
	uint8_t buf[2000];
	struct wr w = wr_of(buf, sizeof(buf));
	size_t at;

	wr_bytes(&w, c->ike.cky_i, 8);
	wr_bytes(&w, c->ike.cky_r, 8);
	wr_u8(&w, 132);
	wr_u8(&w, 0x10);
	wr_u8(&w, EXCH_MAIN);
	wr_u8(&w, 0);
	wr_u32(&w, 0);
	at = w.len;
	wr_u32(&w, 0);
	wr_u16(&w, 0);
	wr_u16(&w, (uint16_t)(8 + n));
	wr_u16(&w, id);
	wr_u8(&w, num);
	wr_u8(&w, last);
	for (size_t i = 0; i < n; i++)
		wr_u8(&w, (uint8_t)(i * 7 + num));
	buf[at + 2] = (uint8_t)(w.len >> 8);
	buf[at + 3] = (uint8_t)w.len;
	assert_false(w.bad);
	responder_input(&c->at, rd_of(buf, w.len));
	deliver();
}

/* Missing, double, overlapping, all numbers there are, other ids: of each IKE_SA one message at most is collected. */
static void t_fragments(void **st)
{
	size_t before, after;

	dials(&a, 5001);
	arrive(&h, NAT, 5002);
	h.lose_after = 1;
	h.lose = 1000;
	starts(&h);
	assert_int_equal(h.ike.state, IKE_MM3);
	before = mallinfo2().uordblks;
	for (unsigned round = 0; round < 200; round++)
		for (unsigned num = 2; num < 256; num++)
			fragment(&h, (uint16_t)(round * 31), (uint8_t)num, num == 255, 1400);
	after = mallinfo2().uordblks;
	print_message("fragments that never become whole: %zu KB\n", after > before ? (after - before) / 1024 : 0);
	/* One message of 10 000 octets is charon's limit; this is 70 MB of them. */
	assert_true(after < before + (1 << 20));
	for (unsigned num = 1; num < 10; num++) {
		fragment(&h, 7, 3, true, num);
		fragment(&h, 7, (uint8_t)num, false, 100);
		fragment(&h, 7, (uint8_t)num, false, 0);
		fragment(&h, 7, 0, false, 10);
	}
	others_live();
	h.deaf = true;
	pass(31000);
	assert_int_equal(responder_ike_sas(), 1);
	others_live();
	/* Once it is up, there is nothing to put together. */
	ike_free(&h.ike);
	dials(&h, 5002);
	for (unsigned num = 1; num < 256; num++)
		fragment(&h, 9, (uint8_t)num, num == 255, 1400);
	assert_true(paired(&h) && alive(&h));
	others_live();
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(t_login),
		TEST(t_neighbours),
		TEST(t_quick_lost),
		TEST(t_any_lost),
		TEST(t_silent),
		TEST(t_sleeps),
		TEST(t_dead),
		TEST(t_no_dpd),
		TEST(t_half_open),
		TEST(t_both_again),
		TEST(t_old_first),
		TEST(t_others),
		TEST(t_replayed),
		TEST(t_not_l2tp),
		TEST(t_other_port),
		TEST(t_many),
		TEST(t_key_exchange),
		TEST(t_broken),
		TEST(t_broken_inside),
		TEST(t_fragments),
	};
	const struct addr server = addr_v4(SERVER, 4500);
	int failed;

	log_init("t_responder", false);
	if (!responder_start(&server, PSK))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	responder_stop();
	return failed;
}
