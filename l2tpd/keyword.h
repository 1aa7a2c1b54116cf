/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keyword: every word of culvert.conf(5) in one table: where it is a keyword,
 * what its value is, which field takes it, and whether it works yet.
 *
 * The lexer looks words up here, the grammar stores and conf_print() prints the
 * plain options by it, and error messages take their suggestions from it.  A
 * word is a keyword only in its own statements, so that names in a file
 * written for npppd(8) never meet a word that it did not know.
 */
#ifndef CULVERT_KEYWORD_H
#define CULVERT_KEYWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where: the statement around the word. */
enum {
	IN_TOP = 1 << 0,	/* a statement's first word */
	IN_SET = 1 << 1,
	IN_TUNNEL = 1 << 2,
	IN_IPCP = 1 << 3,
	IN_INTERFACE = 1 << 4,
	IN_AUTH = 1 << 5,
	IN_BIND = 1 << 6,
	IN_RADIUS = 1 << 7,
	IN_IKE = 1 << 8,
	IN_FIREWALL = 1 << 9,
	IN_PROFILE = 1 << 10,
	IN_CONTROL = 1 << 11,
	IN_NOTHING = 0,
};

enum kw_state {
	KW_WORKS,
	KW_LATER,	/* parsed, then refused by name */
	KW_SOFT,	/* not built either, but the rest of the file is used: a warning */
	KW_NO_EFFECT,	/* accepted and means nothing here: a warning that says why */
	KW_CANNOT,	/* a word of another system's file that cannot work here: refused, with the way to go */
};

/* Of a keyword that works: the values that do. */
enum kw_only { KW_ANY_VALUE, KW_ONLY_NO /* or 0 */, KW_ONLY_YES };

struct keyword {
	const char *name;
	int token;
	uint16_t in;
	enum kw_state state;
	uint16_t opens;		/* IN_TOP: the statement that begins */
	/* OPT_YESNO, OPT_NUM, OPT_STR: the field in the statement's struct; size 0 = none */
	uint16_t off, size;
	enum kw_only only;
	bool value;		/* stands after an option's word and is named with it */
	bool option;		/* begins an option of its statement; so does every OPT_* */
	uint32_t min, max;	/* of a number; max 0: it takes none */
	/* KW_NO_EFFECT, KW_CANNOT; of a word that works: its value outside of .only is accepted and means
	 * nothing, and why */
	const char *why;
};

extern const struct keyword keywords[];
extern const size_t n_keywords;

/* The row of a word in a statement, or NULL. */
const struct keyword *kw_find(const char *word, unsigned in);

/* Is it a keyword anywhere? */
bool kw_is_any(const char *word);

/* Is some value of it accepted and means nothing? */
bool kw_is_moot(const struct keyword *);

/* Does the word begin an option of its statement, rather than stand behind one? */
bool kw_is_option(const struct keyword *);

/* What a word in this statement is called: "tunnel option"; "word" where there are no options. */
const char *kw_kind(unsigned in);

/* How many letters must be put in, taken out, changed or swapped to make b of a; at most max + 1. */
unsigned kw_distance(const char *a, const char *b, unsigned max);

/* Is cand near enough to word to be suggested? Keeps the nearest in *best and *best_dist
 * (NULL and UINT_MAX at start). */
void kw_suggest(const char *word, const char *cand, const char **best, unsigned *best_dist);

#endif
