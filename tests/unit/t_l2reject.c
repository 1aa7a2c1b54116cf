/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the L2TP core must not take: rows for checks that nothing else would notice the loss of (tests/mutate.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "l2tp_util.h"

/* Numbers that are no message type. */
static void t_types(void **st)
{
	static const uint16_t none[] = { 0, 5, 13, 17, 255, 65535 };

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_false(l2tp_msg_is_call(none[i]));
		assert_string_equal(l2tp_msg_name(none[i]), "?");
	}
	assert_true(l2tp_msg_is_call(L2TP_CDN));
	assert_false(l2tp_msg_is_call(L2TP_STOPCCN));
}

static struct xport x;

static struct wr body(size_t n)
{
	static uint8_t buf[XPORT_BODY_MAX + 1];
	struct wr w = wr_of(buf, sizeof(buf));

	assert_non_null(wr_room(&w, n));
	return w;
}

/* A queue that is full of octets, though not of messages, takes no message that could lead to an answer. */
static void t_room(void **st)
{
	static const uint8_t one[8];
	struct l2tp_hdr h = { .body = rd_of(one, sizeof(one)) };
	struct wr big = body(205);

	xport_init(&x, 1000);
	assert_true(xport_send(&x, 1, &big));
	assert_int_equal(xport_input(&x, &h, 0), XPORT_NEW);
	assert_true(xport_send(&x, 1, &big));
	h.ns = 1;
	assert_int_equal(xport_input(&x, &h, 0), XPORT_DROP);
	assert_int_equal(x.nr, 1);
}

/* The last message: one that could not be written, or is too long, is not sent at all. */
static void t_last(void **st)
{
	struct wr w = body(XPORT_LAST + 1);

	xport_init(&x, 1000);
	xport_send_last(&x, &w);
	assert_true(xport_idle(&x));
	w = body(XPORT_LAST);
	w.bad = true;
	xport_send_last(&x, &w);
	assert_true(xport_idle(&x));
	w.bad = false;
	xport_send_last(&x, &w);
	assert_false(xport_idle(&x));
}

/* Appendix A: past ssthresh the window grows by one for each window that was acknowledged, not for each message. */
static void t_avoidance(void **st)
{
	static const uint16_t want[] = { 2, 2, 3, 3, 3, 4, 4, 4, 4, 5 };
	struct wr w = body(8);
	uint8_t buf[64];

	xport_init(&x, 1000);
	xport_set_rws(&x, 8);
	x.ssthresh = 1;				/* as after a loss */
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct wr out = wr_of(buf, sizeof(buf));
		struct l2tp_hdr ack = { 0 };

		assert_true(xport_send(&x, 0, &w));
		assert_true(xport_poll(&x, 1, 0, &out));
		ack.nr = (uint16_t)(i + 1);
		assert_int_equal(xport_input(&x, &ack, 0), XPORT_ACK);
		assert_int_equal(x.cwnd, want[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_types), cmocka_unit_test(t_room), cmocka_unit_test(t_last), cmocka_unit_test(t_avoidance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
