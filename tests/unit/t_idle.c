/* SPDX-License-Identifier: GPL-2.0-or-later */
/* idle: never early, at most a step late, and it says so once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "l2tpd/idle.h"

/* When it is over, with a packet every gap_ms until quiet_ms; *ret_calls: how often it was asked. */
static uint64_t run(uint64_t timeout_ms, uint64_t gap_ms, uint64_t quiet_ms, unsigned *ret_calls)
{
	struct idle i;
	uint64_t now = 1000;

	idle_start(&i, timeout_ms, 7, now);
	for (*ret_calls = 1;; ++*ret_calls) {
		uint64_t before = i.due_ms - 1, passed;

		if (i.due_ms == IDLE_NEVER)
			return IDLE_NEVER;
		assert_true(i.due_ms > now);
		assert_false(idle_over(&i, 1u << 20, before));	/* too early */
		now = i.due_ms;
		passed = MIN(now, quiet_ms) - 1000;
		if (idle_over(&i, 7 + (gap_ms ? passed / gap_ms : 0), now)) {
			assert_true(i.due_ms == IDLE_NEVER);
			assert_false(idle_over(&i, 7, now + 1));
			return now;
		}
	}
}

static void t_times(void **st)
{
	static const struct { uint64_t timeout_ms, gap_ms, quiet_ms; } rows[] = {
		{ 1000, 0, 1000 }, { 3000, 0, 1000 }, { 3600000, 0, 1000 }, { 4294967295000, 0, 1000 },
		{ 5000, 100, 60000 }, { 5000, 4000, 60000 }, { 3600000, 1000, 7200000 }, { 3600000, 3000000, 86400000 },
		{ 300000, 10, 1000000 },
	};

	for (size_t k = 0; k < N_ELEMENTS(rows); k++) {
		uint64_t step = MAX(1000u, MIN(60000u, rows[k].timeout_ms / 16));
		uint64_t gap = rows[k].gap_ms, last = 1000, over;
		unsigned calls;

		if (gap)
			last += (rows[k].quiet_ms - 1000) / gap * gap;
		over = run(rows[k].timeout_ms, gap, rows[k].quiet_ms, &calls);
		if (over < last + rows[k].timeout_ms || over > last + rows[k].timeout_ms + step)
			fail_msg("row %zu: last packet at %llu, over at %llu", k, (unsigned long long)last, (unsigned long long)over);
		if (calls > (over - 1000) / step + 2 + (over - 1000) / rows[k].timeout_ms)
			fail_msg("row %zu: asked %u times", k, calls);
	}
}

static void t_off(void **st)
{
	struct idle i;

	idle_start(&i, 0, 0, 5);
	assert_true(i.due_ms == IDLE_NEVER);
	assert_false(idle_over(&i, 0, IDLE_NEVER - 1));
}

/* Another time while a session is up: silence counts since it began, and packets since the last look count. */
static void t_change(void **st)
{
	static const struct { uint64_t first_ms, after_ms, packets, then_ms, over_ms; } rows[] = {
		{ 60000, 10000, 7, 30000, 31000 },	/* shorter: from the beginning of the silence on */
		{ 60000, 10000, 7, 5000, 11000 },	/* it is over already */
		{ 60000, 10000, 7, 90000, 91000 },	/* longer */
		{ 60000, 500, 8, 30000, 31500 },	/* not silent */
		{ 0, 10000, 7, 5000, 16000 },		/* it was off */
		{ 60000, 10000, 7, 0, 0 },		/* off from now on */
	};

	for (size_t k = 0; k < N_ELEMENTS(rows); k++) {
		uint64_t now = 1000 + rows[k].after_ms;
		struct idle i;
		bool over = false;

		idle_start(&i, rows[k].first_ms, 7, 1000);
		idle_change(&i, rows[k].then_ms, rows[k].packets, now);
		while (i.due_ms != IDLE_NEVER && !over) {
			now = MAX(now, i.due_ms);
			over = idle_over(&i, rows[k].packets, now);
		}
		if (over ? now != rows[k].over_ms : rows[k].over_ms != 0)
			fail_msg("row %zu: %d at %llu", k, over, (unsigned long long)now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_times),
		cmocka_unit_test(t_off),
		cmocka_unit_test(t_change),
	};

	return cmocka_run_group_tests_name("idle", tests, NULL, NULL);
}
