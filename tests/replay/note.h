/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * note: the notation of L2TP and PPP messages in .rpl files, read and written.
 * tests/replay/README.md describes it.
 */
#ifndef CULVERT_TESTS_NOTE_H
#define CULVERT_TESTS_NOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NOTE_MAX = 2048, NOTE_VALUE = 64, NOTE_NAME = 20, NOTE_VARS = 32, NOTE_CAPTURES = 8, NOTE_TEXT = 16384 };

/* What was captured so far. */
struct note_vars {
	unsigned n;
	struct note_var {
		char name[NOTE_NAME];
		uint8_t value[NOTE_VALUE];
		size_t len;
	} var[NOTE_VARS];
};

/* A message, or a pattern for one. */
struct note {
	size_t n;
	uint8_t byte[NOTE_MAX];
	bool any[NOTE_MAX];		/* this octet may be any */
	bool open;			/* more may follow */
	unsigned captures;
	struct {
		char name[NOTE_NAME];
		size_t at, len;
	} capture[NOTE_CAPTURES];
};

/* The items of a line. False: err says what is wrong with them. pattern: wildcards are allowed. */
bool note_parse(const char *text, bool pattern, const struct note_vars *, struct note *, char err[static 128]);

/* Compare; on success what the pattern captures is in vars, otherwise *ret_at is the first octet that differs. */
bool note_match(const struct note *, const uint8_t *, size_t n, struct note_vars *, size_t *ret_at);

/* NULL: there is none of this name; false: no room. */
const struct note_var *note_var(const struct note_vars *, const char *name);
bool note_set(struct note_vars *, const char *name, const void *, size_t n);

/*
 * Write a message in the notation.  from_server: ids, magic numbers and
 * challenges that it gives are written as captures, and kept in vars; else as
 * references to them.
 */
void note_text(char text[static NOTE_TEXT], const uint8_t *, size_t n, bool from_server, struct note_vars *);

/* A line of a file to standard output, in pieces that fit a page; what: '<', '>' or '='. */
void note_print(char what, const char *text);

#endif
