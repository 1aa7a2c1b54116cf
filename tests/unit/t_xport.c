/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reliable delivery alone: numbers, windows, loss, disorder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/rng.h"
#include "l2tp_util.h"
#include "l2tpd/xport.h"

enum { PEER = 77 };

/* One datagram from x at `now`, parsed into *h; its bytes are in buf. */
static bool poll_at(struct xport *x, uint64_t now, struct l2tp_hdr *h)
{
	static uint8_t buf[512];
	struct wr w = wr_of(buf, sizeof(buf));

	if (!xport_poll(x, PEER, now, &w)) {
		assert_int_equal(w.len, 0);
		return false;
	}
	assert_false(w.bad);
	assert_true(l2tp_hdr_parse(rd_of(buf, w.len), h));
	assert_int_equal(h->tunnel, PEER);
	return true;
}

static bool put(struct xport *x, uint16_t session, uint8_t body)
{
	uint8_t b[8] = { body };
	struct wr w = wr_of(b, sizeof(b));

	w.len = sizeof(b);
	return xport_send(x, session, &w);
}

/* The peer's message: ns, nr, and a body of this first octet; -1: a ZLB. */
static enum xport_verdict get(struct xport *x, uint16_t ns, uint16_t nr, int body)
{
	static uint8_t b[8];
	struct l2tp_hdr h = { .session = 5, .ns = ns, .nr = nr };

	b[0] = (uint8_t)body;
	if (body >= 0)
		h.body = rd_of(b, sizeof(b));
	return xport_input(x, &h, 1000);
}

#define SENDS(x, now, want_ns) do { \
	struct l2tp_hdr h_; \
	assert_true(poll_at(x, now, &h_)); \
	assert_true(h_.body.n > 0); \
	assert_int_equal(h_.ns, want_ns); \
} while (0)

#define SILENT(x, now) do { \
	struct l2tp_hdr h_; \
	assert_false(poll_at(x, now, &h_)); \
} while (0)

#define ZLB(x, now, want_ns, want_nr) do { \
	struct l2tp_hdr h_; \
	assert_true(poll_at(x, now, &h_)); \
	assert_int_equal(h_.body.n, 0); \
	assert_int_equal(h_.ns, want_ns); \
	assert_int_equal(h_.nr, want_nr); \
	assert_int_equal(h_.session, 0); \
	assert_false(poll_at(x, now, &h_)); \
} while (0)

/* A window of one (Android): the second message waits for the first one's acknowledgement. */
static void t_window_one(void **st)
{
	struct xport x;

	xport_init(&x, 1000);
	xport_set_rws(&x, 1);
	assert_int_equal(xport_deadline(&x), UINT64_MAX);
	for (int i = 0; i < 3; i++)
		assert_true(put(&x, 0, 1));
	assert_int_equal(xport_deadline(&x), 0);
	for (uint16_t i = 0; i < 3; i++) {
		SENDS(&x, 1000, i);
		SILENT(&x, 1000);
		assert_int_equal(get(&x, 0, i, -1), XPORT_ACK);	/* an old Nr moves nothing */
		SILENT(&x, 1000);
		assert_int_equal(get(&x, 0, i + 1, -1), XPORT_ACK);
	}
	SILENT(&x, 1000);
	assert_true(xport_idle(&x));
	assert_int_equal(xport_deadline(&x), UINT64_MAX);
}

/* Appendix A: 1, 2, 3, 4 as acknowledgements come; never above the peer's window. */
static void t_slow_start(void **st)
{
	static const struct {
		uint16_t rws;
		unsigned rounds[5];	/* messages that leave after each full acknowledgement */
	} rows[] = {
		{ 1, { 1, 1, 1, 1, 1 } }, { 2, { 1, 2, 2, 2, 2 } }, { 4, { 1, 2, 3, 4, 4 } },
		{ 65535, { 1, 2, 3, 4, 4 } },	/* 4: the queue has no more */
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct xport x;
		struct l2tp_hdr h;
		uint16_t ns = 0;

		xport_init(&x, 1000);
		xport_set_rws(&x, rows[i].rws);
		for (int k = 0; k < 14; k++)
			assert_true(put(&x, 0, 1));
		for (unsigned r = 0; r < 5; r++) {
			unsigned n = 0;

			while (poll_at(&x, 1000, &h))
				n++;
			assert_int_equal(n, rows[i].rounds[r]);
			ns += (uint16_t)n;
			get(&x, 0, ns, -1);
		}
	}
}

/* 5.8: 1, 2, 4, 8, 8 seconds, the same Ns, the newest Nr, and then no more. */
static void t_backoff(void **st)
{
	static const uint64_t at[] = { 1000, 3000, 7000, 15000, 23000 };
	struct xport x;
	struct l2tp_hdr h;

	xport_init(&x, 1000);
	assert_true(put(&x, 9, 42));
	SENDS(&x, 0, 0);
	for (size_t i = 0; i < N_ELEMENTS(at); i++) {
		assert_int_equal(xport_deadline(&x), at[i]);
		assert_true(xport_expire(&x, 5, at[i] - 1));
		SILENT(&x, at[i] - 1);
		/* Something of the peer's comes in between. */
		assert_int_equal(get(&x, (uint16_t)i, 0, 1), XPORT_NEW);
		ZLB(&x, at[i] - 1, 1, i + 1);
		assert_true(xport_expire(&x, 5, at[i]));
		assert_true(poll_at(&x, at[i], &h));
		assert_int_equal(h.ns, 0);
		assert_int_equal(h.nr, i + 1);
		assert_int_equal(h.session, 9);
		assert_int_equal(h.body.p[0], 42);
		SILENT(&x, at[i]);
	}
	assert_int_equal(x.resent, 5);
	assert_int_equal(xport_deadline(&x), 31000);
	assert_true(xport_expire(&x, 5, 30999));
	assert_false(xport_expire(&x, 5, 31000));
	assert_int_equal(xport_cycle_ms(1000, 5), 31000);
	/* The count begins anew when the peer answers at last. */
	assert_int_equal(get(&x, 5, 1, -1), XPORT_ACK);
	assert_true(put(&x, 9, 43));
	SENDS(&x, 40000, 1);
	assert_int_equal(xport_deadline(&x), 41000);
	/* Patience has no end when its owner wants none, and counts do not wrap. */
	for (int i = 0; i < 600; i++)
		assert_true(xport_expire(&x, UINT32_MAX, xport_deadline(&x) ? xport_deadline(&x) : x.timer_ms));
	assert_int_equal(x.tries, 255);
}

/* A lost burst comes again one by one, from the first on, in a window of one. */
static void t_burst_lost(void **st)
{
	struct xport x;

	xport_init(&x, 1000);
	for (uint16_t i = 0; i < 3; i++) {	/* opens the window to 4 */
		assert_true(put(&x, 0, 1));
		SENDS(&x, 0, i);
		get(&x, 0, i + 1, -1);
	}
	for (int i = 0; i < 5; i++)
		assert_true(put(&x, 0, 1));
	for (uint16_t i = 3; i < 7; i++)
		SENDS(&x, 0, i);
	SILENT(&x, 0);
	assert_true(xport_expire(&x, 5, 1000));
	SENDS(&x, 1000, 3);
	SILENT(&x, 1000);
	/* A ZLB has the number of the next new message, not of the next one again. */
	assert_int_equal(get(&x, 0xffff, 3, 1), XPORT_DUP);
	ZLB(&x, 1000, 7, 0);
	/* The peer had 4 and 5 all the while: its Nr passes over what was not sent again. */
	assert_int_equal(get(&x, 0, 6, -1), XPORT_ACK);
	SENDS(&x, 1000, 6);
	SENDS(&x, 1000, 7);
	SILENT(&x, 1000);
	assert_int_equal(get(&x, 0, 8, -1), XPORT_ACK);
	assert_true(xport_idle(&x));
}

/* Nr of what was never sent is refused, with the message that brings it. */
static void t_nr(void **st)
{
	struct xport x;

	xport_init(&x, 1000);
	assert_true(put(&x, 0, 1));
	assert_true(put(&x, 0, 2));
	SENDS(&x, 0, 0);	/* the window is one: 1 waits */
	assert_int_equal(get(&x, 0, 2, -1), XPORT_DROP);	/* queued, never sent */
	assert_int_equal(get(&x, 0, 3, 1), XPORT_DROP);
	assert_int_equal(get(&x, 0, 0x7fff, 1), XPORT_DROP);
	assert_int_equal(x.nr, 0);
	assert_int_equal(x.n, 2);
	assert_int_equal(get(&x, 0, 0x8000, 1), XPORT_NEW);	/* 32768 behind: old */
	assert_int_equal(x.n, 2);
	assert_int_equal(get(&x, 1, 1, 1), XPORT_NEW);
	assert_int_equal(x.n, 1);
}

/* 5.8: 32768 numbers are behind, whatever the expected one is. */
static void t_duplicates(void **st)
{
	static const uint16_t starts[] = { 0, 1, 15, 0x7fff, 0x8000, 0xfffe, 0xffff };

	for (size_t i = 0; i < N_ELEMENTS(starts); i++) {
		static const struct {
			int32_t off;
			enum xport_verdict want;
		} rows[] = {
			{ -1, XPORT_DUP }, { -2, XPORT_DUP }, { -32767, XPORT_DUP }, { -32768, XPORT_DUP },
			{ 32767, XPORT_DROP }, { 16, XPORT_DROP }, { 4, XPORT_DROP }, { 3, XPORT_EARLY },
			{ 1, XPORT_EARLY }, { 0, XPORT_NEW },
		};

		for (size_t k = 0; k < N_ELEMENTS(rows); k++) {
			struct xport x;
			struct l2tp_hdr h;

			xport_init(&x, 1000);
			x.nr = starts[i];
			if (get(&x, (uint16_t)(starts[i] + rows[k].off), 0, 1) != rows[k].want)
				fail_msg("nr %u offset %d", starts[i], rows[k].off);
			/* One acknowledgement for one duplicate, and none for what was dropped or held. */
			if (rows[k].want == XPORT_DUP)
				ZLB(&x, 1000, 0, starts[i]);
			else if (rows[k].want == XPORT_NEW)
				ZLB(&x, 1000, 0, (uint16_t)(starts[i] + 1));
			SILENT(&x, 1000);
			assert_false(poll_at(&x, 1000, &h));
		}
	}
}

/* All orders of four messages are delivered in order, once each. */
static void t_disorder(void **st)
{
	for (unsigned perm = 0; perm < 256; perm++) {
		uint16_t order[4] = { perm & 3, perm >> 2 & 3, perm >> 4 & 3, perm >> 6 & 3 };
		uint8_t seen = 0, got = 0;
		struct xport x;
		struct l2tp_hdr h;

		for (unsigned i = 0; i < 4; i++)
			seen |= (uint8_t)(1 << order[i]);
		if (seen != 15)
			continue;
		xport_init(&x, 1000);
		x.nr = 0xfffe;		/* over the wrap */
		for (unsigned i = 0; i < 4; i++) {
			uint16_t ns = (uint16_t)(0xfffe + order[i]);

			if (get(&x, ns, 0, order[i]) != XPORT_NEW)
				continue;
			assert_int_equal(order[i], got);
			got++;
			while (xport_next(&x, &h)) {
				assert_int_equal(h.body.p[0], got);
				assert_int_equal(h.session, 5);
				got++;
			}
		}
		assert_int_equal(got, 4);
		ZLB(&x, 1000, 0, 2);
	}
}

/* What is too long to be held, or too far ahead, is dropped and comes again. */
static void t_hold_bounds(void **st)
{
	static const uint8_t big[XPORT_HOLD_BODY + 1];
	struct l2tp_hdr h = { .ns = 1, .body = rd_of(big, sizeof(big)) };
	struct xport x;

	xport_init(&x, 1000);
	assert_int_equal(xport_input(&x, &h, 0), XPORT_DROP);
	h.body.n--;
	assert_int_equal(xport_input(&x, &h, 0), XPORT_EARLY);
	assert_int_equal(xport_input(&x, &h, 0), XPORT_EARLY);	/* the same again: held once */
	SILENT(&x, 0);
	assert_int_equal(get(&x, 0, 0, 1), XPORT_NEW);
	assert_true(xport_next(&x, &h));
	assert_false(xport_next(&x, &h));
	assert_int_equal(x.nr, 2);
}

/* An acknowledgement rides on a message where there is one. */
static void t_piggyback(void **st)
{
	struct xport x;
	struct l2tp_hdr h;

	xport_init(&x, 1000);
	assert_int_equal(get(&x, 0, 0, 1), XPORT_NEW);
	assert_true(put(&x, 3, 1));
	assert_true(poll_at(&x, 0, &h));
	assert_int_equal(h.nr, 1);
	assert_true(h.body.n > 0);
	SILENT(&x, 0);
	/* The window is closed: a message waits, so a ZLB must come (Android waits for it). */
	assert_int_equal(get(&x, 1, 0, 1), XPORT_NEW);
	assert_true(put(&x, 3, 2));
	ZLB(&x, 0, 1, 2);
	/* A ZLB is never acknowledged. */
	assert_int_equal(get(&x, 2, 0, -1), XPORT_ACK);
	SILENT(&x, 0);
	assert_int_equal(get(&x, 900, 1, -1), XPORT_ACK);
	SENDS(&x, 0, 1);
}

/* Numbers go round. */
static void t_wrap(void **st)
{
	struct xport x;
	struct l2tp_hdr h;

	xport_init(&x, 1000);
	for (uint32_t i = 0; i < 70000; i++) {
		assert_true(put(&x, 0, (uint8_t)i));
		assert_int_equal(get(&x, (uint16_t)i, (uint16_t)i, 1), XPORT_NEW);
		assert_true(poll_at(&x, i, &h));
		assert_int_equal(h.ns, (uint16_t)i);
		assert_int_equal(h.nr, (uint16_t)(i + 1));
		assert_int_equal(get(&x, 0, (uint16_t)(i + 1), -1), XPORT_ACK);
		SILENT(&x, i);
	}
	assert_int_equal(x.used, 0);
}

/* The queue ends; the last message finds room all the same, in place of what was not sent. */
static void t_full(void **st)
{
	static uint8_t bytes[XPORT_BODY_MAX + 1];
	struct xport x;
	struct wr w = wr_of(bytes, sizeof(bytes));
	struct l2tp_hdr h;
	unsigned n = 0;

	xport_init(&x, 1000);
	while (put(&x, 0, 1))
		n++;
	assert_int_equal(n, XPORT_QUEUE - 1);
	SENDS(&x, 0, 0);
	assert_int_equal(get(&x, 0, 0, 1), XPORT_DROP);	/* an answer could not be queued */
	w.len = XPORT_LAST;
	xport_send_last(&x, &w);
	assert_int_equal(x.n, 2);
	get(&x, 0, 1, -1);
	SENDS(&x, 0, 1);

	/* A held message waits for room as well, and is taken when it comes again. */
	xport_init(&x, 1000);
	for (n = 0; n < XPORT_QUEUE - 3; n++)
		assert_true(put(&x, 0, 1));
	assert_int_equal(get(&x, 1, 0, 1), XPORT_EARLY);
	assert_int_equal(get(&x, 0, 0, 1), XPORT_NEW);
	assert_true(put(&x, 0, 1));
	assert_false(xport_next(&x, &h));
	SENDS(&x, 0, 0);
	assert_int_equal(get(&x, 1, 0, 1), XPORT_DROP);
	assert_int_equal(get(&x, 1, 1, 1), XPORT_NEW);
	assert_false(xport_next(&x, &h));

	xport_init(&x, 1000);
	w.len = XPORT_BODY_MAX + 1;
	assert_false(xport_send(&x, 0, &w));
	w.len = XPORT_BODY_MAX;
	for (n = 0; xport_send(&x, 0, &w); n++)
		;
	assert_true(n >= 3);
	w.len = XPORT_LAST;
	xport_send_last(&x, &w);
	w = wr_of(bytes, 1);
	wr_u16(&w, 1);
	assert_false(xport_send(&x, 0, &w));	/* what did not fit its writer */
}

/* Two of them over a wire that loses, doubles and reorders: all arrives once, in order. */
static void t_lossy(void **st)
{
	enum { MESSAGES = 40, WIRE = 64 };

	for (uint64_t seed = 0; seed < 60; seed++) {
		struct xport x[2];
		struct rng rng;
		uint32_t sent_n[2] = { 0 }, got[2] = { 0 };
		struct {
			uint8_t bytes[64];
			size_t len;
			unsigned to;
			uint64_t at;
		} wire[WIRE];
		unsigned n = 0;
		uint64_t now = 0;

		rng_init_test(&rng, seed);
		for (unsigned i = 0; i < 2; i++) {
			xport_init(&x[i], 1000);
			x[i].una = x[i].nr = 0xfff0;
			xport_set_rws(&x[i], (uint16_t)(1 + seed % 5));
		}
		while ((got[0] < MESSAGES || got[1] < MESSAGES) && now < 3600000) {
			for (unsigned i = 0; i < 2; i++) {
				struct wr w;

				while (sent_n[i] < MESSAGES && x[i].n < 8 && put(&x[i], 0, (uint8_t)sent_n[i]))
					sent_n[i]++;
				assert_true(xport_expire(&x[i], 200, now));
				for (w = wr_of(wire[n].bytes, 64); n < WIRE - 2 && xport_poll(&x[i], PEER, now, &w);
				     w = wr_of(wire[n].bytes, 64)) {
					uint32_t luck = rng_u32(&rng);

					if (luck % 4 == 0)
						continue;
					wire[n].len = w.len;
					wire[n].to = !i;
					wire[n].at = now + 10 + (luck >> 8) % 40;
					n++;
					if (luck % 8 == 1) {
						wire[n] = wire[n - 1];
						wire[n++].at += 15;
					}
				}
			}
			now += 5;
			for (unsigned k = 0; k < n;) {
				struct l2tp_hdr h;
				unsigned to = wire[k].to;

				if (wire[k].at > now) {
					k++;
					continue;
				}
				assert_true(l2tp_hdr_parse(rd_of(wire[k].bytes, wire[k].len), &h));
				if (xport_input(&x[to], &h, now) == XPORT_NEW) {
					do {
						assert_int_equal(h.body.p[0], got[to]);
						got[to]++;
					} while (xport_next(&x[to], &h));
				}
				wire[k] = wire[--n];
			}
		}
		assert_int_equal(got[0], MESSAGES);
		assert_int_equal(got[1], MESSAGES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_window_one), cmocka_unit_test(t_slow_start),
		cmocka_unit_test(t_backoff), cmocka_unit_test(t_burst_lost), cmocka_unit_test(t_nr),
		cmocka_unit_test(t_duplicates), cmocka_unit_test(t_disorder),
		cmocka_unit_test(t_hold_bounds), cmocka_unit_test(t_piggyback),
		cmocka_unit_test(t_wrap), cmocka_unit_test(t_full), cmocka_unit_test(t_lossy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
