/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AVPs one by one: lengths, bits, the table, and writing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "l2tp_util.h"
#include "l2tpd/avp.h"

static void t_refused(void **st)
{
	static const struct {
		const char *why, *bytes;
	} rows[] = {
		{ "one octet", "80" },
		{ "flags only", "8008" },
		{ "length 0", "8000 0000 0000 0001" },
		{ "length 1", "8001 0000 0000 0001" },
		{ "length 2", "8002 0000 0000 0001" },
		{ "length 3", "8003 0000 0000 0001" },
		{ "length 4", "8004 0000 0000 0001" },
		{ "length 5", "8005 0000 0000 0001" },
		{ "one octet short", "8008 0000 0000 00" },
		{ "length 1023 of 8", "83ff 0000 0000 0001" },
		{ "header cut", "8008 0000 00" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint8_t buf[64];
		struct rd r = rd_of(buf, hex(rows[i].bytes, buf, sizeof(buf)));
		struct avp a;

		if (avp_next(&r, &a) || !r.bad || r.n)
			fail_msg("accepted: %s", rows[i].why);
	}
}

static void t_bits(void **st)
{
	uint8_t buf[32];
	struct rd r = rd_of(buf, hex("0006 0137 0005" "c009 0000 0007 616263" "bc06 0000 0024", buf,
		sizeof(buf)));
	struct avp a;

	assert_true(avp_next(&r, &a));
	assert_false(a.mandatory || a.hidden || a.reserved);
	assert_int_equal(a.vendor, 311);
	assert_int_equal(a.type, 5);
	assert_int_equal(a.val.n, 0);
	assert_true(avp_next(&r, &a));
	assert_true(a.mandatory && a.hidden && !a.reserved);
	assert_int_equal(a.val.n, 3);
	assert_memory_equal(a.val.p, "abc", 3);
	assert_true(avp_next(&r, &a));
	assert_true(a.mandatory && !a.hidden && a.reserved);
	assert_int_equal(a.type, AVP_RANDOM_VECTOR);
	assert_int_equal(r.n, 0);
	assert_false(avp_next(&r, &a));
}

/* The longest AVP there is. */
static void t_longest(void **st)
{
	uint8_t buf[1023] = { 0x83, 0xff, 0, 0, 0, AVP_HOST_NAME };
	struct rd r = rd_of(buf, sizeof(buf));
	struct avp a;

	assert_true(avp_next(&r, &a));
	assert_int_equal(a.val.n, AVP_VALUE_MAX);
	r = rd_of(buf, sizeof(buf) - 1);
	assert_false(avp_next(&r, &a));
}

/* RFC 2661 4.4: the M bit and the length of every attribute. */
static void t_table(void **st)
{
	static const struct {
		uint16_t type;
		bool mandatory;
		uint16_t len, fixed;	/* least length with its header; fixed: no other */
	} rows[] = {
		{ 0, true, 8, 1 }, { 1, true, 8, 0 }, { 2, true, 8, 1 }, { 3, true, 10, 1 },
		{ 4, true, 10, 1 }, { 5, false, 14, 1 }, { 6, false, 8, 1 }, { 7, true, 7, 0 },
		{ 8, false, 6, 0 }, { 9, true, 8, 1 }, { 10, true, 8, 1 }, { 11, true, 7, 0 },
		{ 12, true, 9, 0 }, { 13, true, 22, 1 }, { 14, true, 8, 1 }, { 15, true, 10, 1 },
		{ 16, true, 10, 1 }, { 17, true, 10, 1 }, { 18, true, 10, 1 }, { 19, true, 10, 1 },
		{ 21, true, 6, 0 }, { 22, true, 6, 0 }, { 23, true, 6, 0 }, { 24, true, 10, 1 },
		{ 25, false, 10, 1 }, { 26, false, 6, 0 }, { 27, false, 6, 0 }, { 28, false, 6, 0 },
		{ 29, false, 8, 1 }, { 30, false, 6, 0 }, { 31, false, 6, 0 }, { 32, false, 8, 1 },
		{ 33, false, 6, 0 }, { 34, true, 32, 1 }, { 35, true, 16, 1 }, { 36, true, 6, 0 },
		{ 37, false, 6, 0 }, { 38, false, 10, 1 }, { 39, true, 6, 1 }, { 46, false, 11, 0 },
	};
	unsigned known = 0;

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const struct avp_rule *r = avp_rule_of(rows[i].type);

		assert_non_null(r);
		if (r->mandatory != rows[i].mandatory || r->min + 6 != rows[i].len ||
		    (r->min == r->max) != rows[i].fixed)
			fail_msg("attribute %u", rows[i].type);
	}
	for (unsigned type = 0; type < 65536; type++)
		known += avp_rule_of((uint16_t)type) != NULL;
	assert_int_equal(known, N_ELEMENTS(rows));
}

static void t_write(void **st)
{
	uint8_t buf[2 * 1023], want[64], big[AVP_VALUE_MAX + 1] = { 0 };
	struct wr w = wr_of(buf, sizeof(buf));
	size_t n;

	avp_put_u16(&w, AVP_MESSAGE_TYPE, 0x0102);
	avp_put_u32(&w, AVP_RX_CONNECT_SPEED, 0x01020304);
	avp_put_bytes(&w, AVP_SEQUENCING_REQUIRED, NULL, 0);
	avp_put_bytes(&w, AVP_VENDOR_NAME, "v", 1);
	n = hex("8008 0000 0000 0102" "000a 0000 0026 01020304" "8006 0000 0027" "0007 0000 0008 76", want,
		sizeof(want));
	assert_false(w.bad);
	assert_int_equal(w.len, n);
	assert_memory_equal(buf, want, n);

	w = wr_of(buf, sizeof(buf));
	avp_put_bytes(&w, AVP_HOST_NAME, big, AVP_VALUE_MAX);
	assert_false(w.bad);
	avp_put_bytes(&w, AVP_HOST_NAME, big, AVP_VALUE_MAX + 1);
	assert_true(w.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_refused), cmocka_unit_test(t_bits), cmocka_unit_test(t_longest),
		cmocka_unit_test(t_table), cmocka_unit_test(t_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
