/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * suite: the proposals of an `ike` statement, as strongSwan writes them
 * ("aes256-sha1-modp2048"), in the order in which the server prefers them. Pure.
 */
#ifndef CULVERT_SUITE_H
#define CULVERT_SUITE_H

#include "base/conf.h"

enum { SUITE_MAX = 64, SUITE_LEN = 80 };

struct suites {
	unsigned n;
	char s[SUITE_MAX][SUITE_LEN];
};

/*
 * Phase 1.  Without main words: the set's own list.  A word fixes its part
 * ("main group modp1024" means only that group), and the other parts take
 * every value of the set.  False when a word is not known; *ret_word is it.
 */
bool suite_main(const struct conf_ike *, enum conf_proposals, struct suites *ret, const char **ret_word);

/*
 * Phase 2: only what the ESP engine can do.  Perfect forward secrecy is always
 * optional: Apple's clients ask for none even where the statement names a group.
 * A small group is no weakness here: it comes on top of phase 1's secret.
 */
bool suite_quick(const struct conf_ike *, enum conf_proposals, struct suites *ret, const char **ret_word);

#endif
