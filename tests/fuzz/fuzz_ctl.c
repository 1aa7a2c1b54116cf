/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * culvertctl's command line and its layouts.  Byte 0: how many words (0-7);
 * the words, each up to a NUL; the rest is rows, as they would lie in memory,
 * the last one filled up with zeros.  Whatever is in them, what is printed is
 * printable.  With `reload` the rest is a line of text, and what is printed reads
 * back as UTF-8 without control characters.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "ctl/args.h"
#include "ctl/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A name server is not to be trusted either. */
static bool resolve(const struct addr *a, char *buf, size_t cap)
{
	memset(buf, a->ip[0], cap - 1);
	buf[cap - 1] = '\0';
	return a->ip[1] & 1;
}

static void put_line(FILE *out, struct rd r)
{
	char *line = calloc(1, r.n + 1), *text = NULL;
	size_t len, n = r.n;
	FILE *f = open_memstream(&text, &len);

	if (n)
		memcpy(line, rd_bytes(&r, n), n);
	format_line(f, line);
	fclose(f);
	for (size_t i = 0; i < len; i++)
		if (((uint8_t)text[i] < 0x20 && i + 1 < len) || text[i] == 0x7f ||
		    ((uint8_t)text[i] == 0xc2 && (uint8_t)text[i + 1] < 0xa0))
			abort();
	fprintf(out, "%zu", len);
	free(line);
	free(text);
}

static void put(FILE *out, const struct ctl_cmd *cmd, struct rd r)
{
	struct format f = { .out = out, .layout = cmd->verb, .resolve = resolve };

	/* Of a file, not of the server. */
	if (cmd->verb >= CTL_USER_ADD)
		return;
	if (cmd->verb == CTL_RELOAD)
		put_line(out, r);
	while (cmd->verb != CTL_RELOAD && r.n) {
		struct msg_ctl_row row = { 0 };
		struct msg_ctl_counter counter;
		size_t n = MIN(r.n, sizeof(row));

		memcpy(&row, rd_bytes(&r, n), n);
		memcpy(&counter, &row, sizeof(counter));
		if (cmd->verb == CTL_STATUS)
			format_status(out, "culvert", &counter, 1);
		else if (cmd->verb == CTL_CLEAR)
			format_cleared(out, filter_match(&cmd->filter, &row.row), row.row.ppp_id);
		else
			format_session(&f, &row, filter_match(&cmd->filter, &row.row));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size);
	unsigned argc = rd_u8(&r) & 7;
	char *argv[8] = { NULL }, *text = NULL;
	FILE *err = fopen("/dev/null", "w"), *out;
	struct ctl_cmd cmd;
	size_t len = 0;

	for (unsigned i = 0; i < argc; i++) {
		const uint8_t *end = r.n ? memchr(r.p, 0, r.n) : NULL;
		size_t n = end ? (size_t)(end - r.p) : r.n;

		argv[i] = calloc(1, n + 1);
		if (n)
			memcpy(argv[i], r.p, n);
		rd_skip(&r, MIN(n + 1, r.n));
	}
	if (args_parse((int)argc, argv, err, &cmd)) {
		out = open_memstream(&text, &len);
		put(out, &cmd, r);
		fclose(out);
		for (size_t i = 0; i < len; i++)
			if (text[i] != '\n' && (text[i] < 0x20 || text[i] >= 0x7f))
				abort();
		free(text);
	}
	for (unsigned i = 0; i < argc; i++)
		free(argv[i]);
	fclose(err);
	return 0;
}
