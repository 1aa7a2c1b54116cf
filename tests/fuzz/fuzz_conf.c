/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration's text: what is accepted prints, and the print reads back to the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf one, two;
	struct conf_msgs m = { 0 };
	char *out;
	size_t n;
	FILE *f;
	int err = conf_parse("f", (const char *)data, size, CONF_NO_FILES, &one, &m);

	if (err != (m.errors ? -1 : 0))
		abort();
	conf_msgs_free(&m);
	if (err)
		return 0;
	f = open_memstream(&out, &n);
	if (!f)
		abort();
	conf_print(f, &one);
	fclose(f);
	if (conf_parse("again", out, n, CONF_NO_FILES, &two, &m) || memcmp(&one, &two, sizeof(one))) {
		conf_msgs_print(stderr, &m);
		fputs(out, stderr);
		abort();
	}
	conf_msgs_free(&m);
	free(out);
	return 0;
}
