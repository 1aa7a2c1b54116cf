/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dump: which protocol, and that no secret is shown, however the packet lies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/conf.h"
#include "base/wr.h"
#include "l2tpd/dump.h"

/* Hex, blanks between anywhere. */
static size_t bytes(const char *hex, uint8_t *p)
{
	size_t n = 0;
	unsigned v;

	for (; *hex; hex += 2) {
		while (*hex == ' ')
			hex++;
		assert_int_equal(sscanf(hex, "%2x", &v), 1);
		p[n++] = (uint8_t)v;
	}
	return n;
}

static void t_rows(void **st)
{
	static const struct { const char *frame; unsigned kind; const char *text; } rows[] = {
		{ "ff03c021 01010008 01040550", CONF_DUMP_LCP, "LCP 0101000801040550" },
		{ "c021 01010008 01040550", CONF_DUMP_LCP, "LCP 0101000801040550" },
		{ "8021 0101000a 03060a000001", CONF_DUMP_IPCP, "IPCP 0101000a03060a000001" },
		{ "80fd 01010004", CONF_DUMP_CCP, "CCP 01010004" },
		{ "fd 9000 1122", CONF_DUMP_MPPE, "MPPE 90001122" },
		{ "0021 45000014", CONF_DUMP_IP, "IP 45000014" },
		{ "8057 01010004", 0, "" },
		{ "", 0, "" },
		{ "ff", 0, "" },
		/* PAP: name shown, password not, and of the rest nothing where lengths lie. */
		{ "c023 0107000d 036a6f65 03414243", CONF_DUMP_PAP, "PAP 0107000d036a6f6503******" },
		{ "c023 0107000d 036a6f65 03414243 00ff", CONF_DUMP_PAP, "PAP 0107000d036a6f6503**********" },
		{ "c023 0107000d 096a6f65 03414243", CONF_DUMP_PAP, "PAP 0107000d****************" },
		{ "c023 0107000d 076a6f65 03414243", CONF_DUMP_PAP, "PAP 0107000d****************" },
		{ "c023 0107000d 066a6f65 03414243", CONF_DUMP_PAP, "PAP 0107000d****************" },
		{ "c023 01070005 00", CONF_DUMP_PAP, "PAP 01070005**" },
		{ "c023 01", CONF_DUMP_PAP, "PAP 01" },
		{ "c023 0007000d 036a6f65 03414243", CONF_DUMP_PAP, "PAP 0007000d****************" },
		{ "c023 02070005 00", CONF_DUMP_PAP, "PAP 0207000500" },
		{ "c023 0907000d 036a6f65 03414243", CONF_DUMP_PAP, "PAP 0907000d****************" },
		/* CHAP: the Challenge and the name are shown, the Response's Value is not. */
		{ "c223 01410009 02aabb6c6e", CONF_DUMP_CHAP, "CHAP 0141000902aabb6c6e" },
		{ "c223 0241000a 02aabb6a6f65", CONF_DUMP_CHAP, "CHAP 0241000a02****6a6f65" },
		{ "c223 0241000a 07aabb6a6f65", CONF_DUMP_CHAP, "CHAP 0241000a07**********" },
		{ "c223 03410004", CONF_DUMP_CHAP, "CHAP 03410004" },
		{ "c223 07410006 aabb", CONF_DUMP_CHAP, "CHAP 07410006****" },
		/* EAP: an identity, and no other answer. */
		{ "c227 02010008 016a6f65", CONF_DUMP_EAP, "EAP 02010008016a6f65" },
		{ "c227 02010008 066a6f65", CONF_DUMP_EAP, "EAP 0201000806******" },
		{ "c227 01010006 0403", CONF_DUMP_EAP, "EAP 010100060403" },
		/* What is quoted in a Protocol-Reject may be anything. */
		{ "c021 08010008 c0274142", CONF_DUMP_LCP, "LCP 08010008c027****" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint8_t p[64];
		struct rd frame = rd_of(p, bytes(rows[i].frame, p));
		char text[DUMP_TEXT_MAX];

		assert_int_equal(dump_kind(frame), rows[i].kind);
		dump_text(frame, text);
		assert_string_equal(text, rows[i].text);
	}
}

/* A password nowhere, whatever byte of the packet is another or where it ends. */
static void t_masked(void **st)
{
	uint8_t p[64];
	size_t n = bytes("c023 01070013 036a6f65 09 534543524554534543", p);

	for (size_t at = 2; at < 11; at++) {
		for (unsigned v = 0; v < 256; v++) {
			uint8_t was = p[at];
			char text[DUMP_TEXT_MAX];

			p[at] = (uint8_t)v;
			dump_text(rd_of(p, n), text);
			if (at != 2 || v < 2 || v > 3)		/* those are answers */
				assert_null(strstr(text, "5345"));
			p[at] = was;
		}
	}
	for (size_t len = 0; len <= n; len++) {
		char text[DUMP_TEXT_MAX];

		dump_text(rd_of(p, len), text);
		assert_null(strstr(text, "5345"));
	}
}

static void t_long(void **st)
{
	uint8_t p[1600] = { 0xc0, 0x21, 9 };
	char text[DUMP_TEXT_MAX];

	for (size_t n = 2; n <= sizeof(p); n++) {
		dump_text(rd_of(p, n), text);
		assert_int_equal(strstr(text, "more") != NULL, n - 2 > DUMP_BYTES);
	}
	assert_non_null(strstr(text, " and 1438 more"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rows),
		cmocka_unit_test(t_masked),
		cmocka_unit_test(t_long),
	};

	return cmocka_run_group_tests_name("dump", tests, NULL, NULL);
}
