/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reload from one configuration to another, as two texts with a NUL between
 * them: every object keeps its index, none gets another's, a second time
 * nothing changes, and what is said is one line for each difference.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/conf.h"
#include "l2tpd/conf_merge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool parse(const char *text, size_t n, struct conf *ret)
{
	struct conf_msgs m = { 0 };
	int err = conf_parse("f", text, n, CONF_NO_FILES, ret, &m);

	conf_msgs_free(&m);
	return !err;
}

static void check_diff(const struct conf *from, const struct conf *to, enum conf_diff_style style, bool same)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int n = conf_diff(f, from, to, style), lines = 0;

	fclose(f);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	if (n != lines || (same && n)) {
		fputs(text, stderr);
		abort();
	}
	free(text);
}

/* Objects of one kind: rows of size bytes that begin with their name. */
static void check_rows(const void *live, unsigned n_live, const void *file, unsigned n_file, const void *next,
	unsigned n_next, size_t size)
{
	const char *l = live, *f = file, *x = next;

	for (unsigned i = 0; i < n_file; i++) {
		bool there = false;

		for (unsigned k = 0; k < n_next; k++)
			there = there || !strcmp(f + i * size, x + k * size);
		if (!there)
			abort();
	}
	for (unsigned i = 0; i < n_live && i < n_next; i++)
		if (l[i * size] && x[i * size] && strcmp(l + i * size, x + i * size))
			abort();
}

#define CHECK_ROWS(a, n) check_rows(live.a, live.n, file.a, file.n, next.a, next.n, sizeof(live.a[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf live, file, next, again;
	const uint8_t *end = size ? memchr(data, 0, size) : NULL;
	struct addr sock[CONF_TUNNELS * CONF_LISTENS];
	struct conf_fixed fixed = { .sock = sock };
	char why[128];

	if (!end || !parse((const char *)data, (size_t)(end - data), &live) ||
	    !parse((const char *)end + 1, size - (size_t)(end - data) - 1, &file))
		return 0;
	check_diff(&live, &live, CONF_DIFF_CHANGED, true);
	fixed.rows = conf_rows(live.max_session);
	for (unsigned i = 0; i < live.n_tunnel; i++)
		for (unsigned k = 0; k < live.tunnel[i].n_listen; k++)
			sock[fixed.n_sock++] = live.tunnel[i].listen[k];
	if (conf_merge(&live, &file, &fixed, &next, why))
		return 0;
	CHECK_ROWS(tunnel, n_tunnel);
	CHECK_ROWS(ipcp, n_ipcp);
	CHECK_ROWS(interface, n_interface);
	CHECK_ROWS(auth, n_auth);
	check_diff(&live, &next, CONF_DIFF_CHANGED, false);
	check_diff(&next, &file, CONF_DIFF_RESTART, false);
	if (conf_merge(&next, &file, &fixed, &again, why) || memcmp(&next, &again, sizeof(next)))
		abort();
	check_diff(&next, &again, CONF_DIFF_CHANGED, true);
	return 0;
}
