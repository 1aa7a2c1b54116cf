/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * format: what culvertctl prints.  The layouts of `session …` and `clear` are
 * npppctl's to the byte, its slips included ("Ppd Id", the blank after the
 * seconds of a young session): scripts read them.
 *
 * Text in rows is a peer's.  The engine has escaped it; here every byte that a
 * terminal could take for a command is escaped once more.
 */
#ifndef CULVERT_CTL_FORMAT_H
#define CULVERT_CTL_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/proto.h"
#include "ctl/args.h"

/* A listing under way. */
struct format {
	FILE *out;
	enum ctl_verb layout;		/* CTL_SESSION_* */
	/* The host name of an address, or false; NULL: numbers only. */
	bool (*resolve)(const struct addr *, char *buf, size_t cap);
	unsigned n;			/* rows so far */
};

/*
 * The next session.  show: false when a filter leaves it out; it counts all
 * the same, for the blank line between blocks.  The start is in local time.
 */
void format_session(struct format *, const struct msg_ctl_row *, bool show);

/* What became of `clear`. */
void format_cleared(FILE *out, unsigned done, unsigned failed);

/* version, then a line a counter, in the order given, in columns. */
void format_status(FILE *out, const char *version, const struct msg_ctl_counter *, size_t n);

/*
 * A line of the server's about its configuration: as it is, so that it is the
 * one that culvertd -n prints, but for what a terminal could take for a command.
 */
void format_line(FILE *out, const char *line);

/* At most n bytes of src with all but printable ASCII as \xHH; cut where too long. Returns buf. */
const char *format_text(char *buf, size_t cap, const char *src, size_t n);

#endif
