/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One change to a users file.  Byte 0: which; then a name up to a NUL; the rest is the file.
 * users_edit() checks what comes out itself; here it is done a second time, and undone where
 * that must give the file of before.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/users_edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool apply(enum users_op op, const char *name, const char *text, size_t n, char **ret, size_t *ret_n)
{
	static const char *const fields[] = { "password=a\\072b", "max-session=2", NULL };
	const struct users_change c = { .op = op, .name = name, .fields = fields };
	char why[512];
	int err = users_edit(text, n, &c, ret, ret_n, why);

	if (err && !*why)
		abort();
	return !err;
}

/* Does it stand there, be it over two lines? */
static bool has(const char *text, size_t n, const char *word)
{
	char *joined = malloc(n + 1);
	size_t o = 0;
	bool found;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\\' && i + 1 < n && text[i + 1] == '\n')
			i++;
		else
			joined[o++] = text[i];
	}
	found = memmem(joined, o, word, strlen(word)) != NULL;
	free(joined);
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum users_op op;
	char *name, *text, *out, *back;
	size_t n, out_n, back_n;
	const uint8_t *end;

	if (size < 2 || !(end = memchr(data + 1, 0, size - 1)))
		return 0;
	op = (enum users_op)(data[0] % (USERS_DISABLE + 1));
	n = size - (size_t)(end + 1 - data);
	name = malloc((size_t)(end - data));
	memcpy(name, data + 1, (size_t)(end - data));
	text = malloc(n + 1);
	memcpy(text, end + 1, n);
	text[n] = '\0';
	if (apply(op, name, text, n, &out, &out_n)) {
		struct users *u;
		struct conf_msgs m = { 0 };

		if (users_load(out, out_n, "f", &u, &m))
			abort();
		if ((users_find(u, (const uint8_t *)name, strlen(name)) != NULL) != (op != USERS_DEL))
			abort();
		/* A new row goes again, and what was before it is as it was; but for an end of its last line. */
		if (op == USERS_ADD && users_count(u) > 1) {
			if (!apply(USERS_DEL, name, out, out_n, &back, &back_n) || back_n < n || back_n > n + 2 || memcmp(back, text, n))
				abort();
			free(back);
		}
		/* What was disabled can be enabled: to the same bytes, where there was no such field. */
		if (op == USERS_DISABLE) {
			if (!apply(USERS_ENABLE, name, out, out_n, &back, &back_n))
				abort();
			if (!has(text, n, "disabled") && (back_n != n || memcmp(back, text, n)))
				abort();
			free(back);
		}
		conf_msgs_free(&m);
		users_free(u);
		free(out);
	}
	free(name);
	free(text);
	return 0;
}
