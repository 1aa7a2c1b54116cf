/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * confcheck [-k] [-n] [FILE]: what culvertd -nv does with a file, for the tests.
 *
 * Warnings and errors go to stderr; a good file is printed in its canonical form,
 * which is read back and must give the same bytes.  -n opens no file that the text
 * names.  -k prints the keyword table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/conf.h"

static struct conf one, two;

static char *slurp(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *buf = malloc(CONF_FILE_MAX + 2);

	if (!f || !buf) {
		perror(path);
		exit(2);
	}
	*n = fread(buf, 1, CONF_FILE_MAX + 2, f);
	fclose(f);
	return buf;
}

int main(int argc, char **argv)
{
	struct conf_msgs msgs = { 0 }, again = { 0 };
	bool no_files = argc > 1 && !strcmp(argv[1], "-n");
	const char *path = argv[argc - 1], *base;
	char *text, *out;
	size_t n, out_len;
	FILE *f;
	int err;

	if (argc == 2 && !strcmp(argv[1], "-k")) {
		conf_print_keywords(stdout);
		return 0;
	}
	if (argc != 2 + no_files)
		return 2;
	if (no_files) {
		text = slurp(path, &n);
		base = strrchr(path, '/');
		err = conf_parse(base ? base + 1 : path, text, n, CONF_NO_FILES, &one, &msgs);
		free(text);
	} else {
		err = conf_load(path, &one, &msgs);
	}
	conf_msgs_print(stderr, &msgs);
	if (err != (msgs.errors ? -1 : 0)) {
		fprintf(stderr, "confcheck: %d and %zu errors\n", err, msgs.errors);
		return 2;
	}
	conf_msgs_free(&msgs);
	if (err)
		return 1;
	f = open_memstream(&out, &out_len);
	if (!f)
		return 2;
	conf_print(f, &one);
	fclose(f);
	fwrite(out, 1, out_len, stdout);
	if (conf_parse("again", out, out_len, no_files ? CONF_NO_FILES : 0, &two, &again) < 0) {
		fputs("confcheck: the canonical form is refused:\n", stderr);
		conf_msgs_print(stderr, &again);
		return 2;
	}
	if (memcmp(&one, &two, sizeof(one))) {
		fputs("confcheck: the canonical form reads back differently\n", stderr);
		return 2;
	}
	free(out);
	conf_msgs_free(&again);
	return 0;
}
