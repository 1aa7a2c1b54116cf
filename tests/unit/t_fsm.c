/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The automaton's table against RFC 1661 4.1, in that table's own notation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ppp/fsm.h"

/* Ten states from Initial to Opened; '-' illegal. The footnotes r, p and x are left out. */
static const struct {
	enum fsm_event ev;
	const char *row;
} rows[] = {
	{ FSM_UP, "2 irc,scr/6 - - - - - - - -" },
	{ FSM_DOWN, "- - 0 tls/1 0 1 1 1 1 tld/1" },
	{ FSM_OPEN, "tls/1 1 irc,scr/6 3 5 5 6 7 8 9" },
	{ FSM_CLOSE, "0 tlf/0 2 2 4 4 irc,str/4 irc,str/4 irc,str/4 tld,irc,str/4" },
	{ FSM_TO_P, "- - - - str/4 str/5 scr/6 scr/6 scr/8 -" },
	{ FSM_TO_M, "- - - - tlf/2 tlf/3 tlf/3 tlf/3 tlf/3 -" },
	{ FSM_RCR_P, "- - sta/2 irc,scr,sca/8 4 5 sca/8 sca,tlu/9 sca/8 tld,scr,sca/8" },
	{ FSM_RCR_M, "- - sta/2 irc,scr,scn/6 4 5 scn/6 scn/7 scn/6 tld,scr,scn/6" },
	{ FSM_RCA, "- - sta/2 sta/3 4 5 irc/7 scr/6 irc,tlu/9 tld,scr/6" },
	{ FSM_RCN, "- - sta/2 sta/3 4 5 irc,scr/6 scr/6 irc,scr/8 tld,scr/6" },
	{ FSM_RTR, "- - sta/2 sta/3 sta/4 sta/5 sta/6 sta/6 sta/6 tld,zrc,sta/5" },
	{ FSM_RTA, "- - 2 3 tlf/2 tlf/3 6 6 8 tld,scr/6" },
	{ FSM_RUC, "- - scj/2 scj/3 scj/4 scj/5 scj/6 scj/7 scj/8 scj/9" },
	{ FSM_RXJ_P, "- - 2 3 4 5 6 6 8 9" },
	{ FSM_RXJ_M, "- - tlf/2 tlf/3 tlf/2 tlf/3 tlf/3 tlf/3 tlf/3 tld,irc,str/5" },
	{ FSM_RXR, "- - 2 3 4 5 6 7 8 ser/9" },
};

static const struct {
	const char *name;
	uint16_t act;
} actions[] = {
	{ "tlu", FSM_TLU }, { "tld", FSM_TLD }, { "tls", FSM_TLS }, { "tlf", FSM_TLF },
	{ "irc", FSM_IRC }, { "zrc", FSM_ZRC }, { "scr", FSM_SCR }, { "sca", FSM_SCA },
	{ "scn", FSM_SCN }, { "str", FSM_STR }, { "sta", FSM_STA }, { "scj", FSM_SCJ },
	{ "ser", FSM_SER },
};

static uint16_t action(const char *s, size_t n)
{
	for (size_t i = 0; i < N_ELEMENTS(actions); i++)
		if (strlen(actions[i].name) == n && !memcmp(actions[i].name, s, n))
			return actions[i].act;
	fail_msg("no action %.*s", (int)n, s);
	return 0;
}

static struct fsm_cell cell(const char *s)
{
	struct fsm_cell c = { 0, FSM_ILLEGAL };

	if (!strcmp(s, "-"))
		return c;
	while (strchr(s, '/')) {
		size_t n = strcspn(s, ",/");

		c.act |= action(s, n);
		s += n + 1;
	}
	c.next = (uint8_t)atoi(s);
	return c;
}

static void t_table(void **st)
{
	unsigned seen = 0;

	assert_int_equal(N_ELEMENTS(rows), FSM_EVENTS);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char text[128], *at, *word;
		int state = 0;

		seen |= 1u << rows[i].ev;
		strcpy(text, rows[i].row);
		for (word = strtok_r(text, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
			struct fsm_cell want = cell(word);
			const struct fsm_cell *got = &fsm_table[rows[i].ev][state];

			if (got->act != want.act || got->next != want.next)
				fail_msg("event %d, state %d: not %s", rows[i].ev, state, word);
			state++;
		}
		assert_int_equal(state, FSM_STATES);
	}
	assert_int_equal(seen, (1u << FSM_EVENTS) - 1);
}

/* RFC 1661 4.1: "The states in which the Restart timer is running are
 * identifiable by the presence of TO events." */
static void t_timer(void **st)
{
	static const bool has[FSM_STATES] = {
		[FSM_CLOSING] = true, [FSM_STOPPING] = true, [FSM_REQ_SENT] = true,
		[FSM_ACK_RCVD] = true, [FSM_ACK_SENT] = true,
	};

	for (int s = 0; s < FSM_STATES; s++)
		assert_int_equal(fsm_has_timer(s), has[s]);
	assert_false(fsm_has_timer(FSM_ILLEGAL));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(t_table), cmocka_unit_test(t_timer) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
