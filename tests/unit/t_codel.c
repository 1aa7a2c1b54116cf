/* SPDX-License-Identifier: GPL-2.0-or-later */
/* codel: bursts pass, standing queues lose a packet at a time, more often the longer they stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "l2tpd/codel.h"

static void t_rows(void **st)
{
	/* A packet each millisecond, which waited so long: how many are lost in so many. */
	static const struct { uint64_t waited_ms; unsigned n, lost; bool last; } rows[] = {
		{ 0, 1000, 0, false }, { CODEL_TARGET_MS - 1, 1000, 0, false },
		{ CODEL_TARGET_MS, CODEL_INTERVAL_MS, 0, false }, { CODEL_TARGET_MS, CODEL_INTERVAL_MS + 1, 1, false },
		/* then after 100, 100/1, 100/1, 100/2 ms … */
		{ 50, CODEL_INTERVAL_MS + 100, 1, false }, { 50, CODEL_INTERVAL_MS + 101, 2, false },
		{ 50, CODEL_INTERVAL_MS + 201, 3, false }, { 50, CODEL_INTERVAL_MS + 301, 4, false },
		{ 50, CODEL_INTERVAL_MS + 351, 5, false },
		/* one that leaves nothing behind is no queue, however late it is */
		{ 500, 1000, 0, true },
	};

	for (size_t k = 0; k < N_ELEMENTS(rows); k++) {
		struct codel c = { 0 };
		unsigned lost = 0;

		for (unsigned i = 0; i < rows[k].n; i++)
			lost += codel_take(&c, rows[k].waited_ms, rows[k].last, 5000 + i);
		if (lost != rows[k].lost)
			fail_msg("row %zu: %u lost", k, lost);
	}
}

static void t_rest(void **st)
{
	struct codel c = { 0 };
	unsigned lost = 0;
	uint64_t now = 1000;

	for (unsigned i = 0; i < 2000; i++)
		lost += codel_take(&c, 20, false, now++);
	assert_in_range(lost, 80, 95);	/* an interval after sqrt(n) of them: (1900 / 200)² */
	/* It was short for a moment: an interval of peace, then on from where it was, not from 1. */
	assert_false(codel_take(&c, 1, false, now++));
	for (unsigned i = 0; i < CODEL_INTERVAL_MS; i++)
		assert_false(codel_take(&c, 20, false, now++));
	lost = 0;
	for (unsigned i = 0; i < 100; i++)
		lost += codel_take(&c, 20, false, now++);
	assert_in_range(lost, 4, 12);
	/* Long after, from 1. */
	assert_false(codel_take(&c, 1, false, now));
	now += 100 * CODEL_INTERVAL_MS;
	lost = 0;
	for (unsigned i = 0; i < CODEL_INTERVAL_MS + 100; i++)
		lost += codel_take(&c, 20, false, now++);
	assert_int_equal(lost, 1);
}

static void t_gap(void **st)
{
	assert_int_equal(codel_gap_ms(1), 100);
	assert_int_equal(codel_gap_ms(3), 100);
	assert_int_equal(codel_gap_ms(4), 50);
	assert_int_equal(codel_gap_ms(100), 10);
	assert_int_equal(codel_gap_ms(1000000), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rows), cmocka_unit_test(t_rest), cmocka_unit_test(t_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
