/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The users file: whoever is in the table is found by his name, and only he. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/users.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_msgs m = { 0 };
	struct users *t;

	if (users_load(data, size, "f", &t, &m))
		abort();
	for (size_t i = 0; i < users_count(t); i++) {
		const struct user *u = users_at(t, i);

		if (users_find(t, (const uint8_t *)u->name, u->name_len) != u || !u->name_len || !u->password_len ||
		    strlen(u->name) != u->name_len || strlen(u->password) != u->password_len)
			abort();
	}
	if (m.errors)
		abort();
	conf_msgs_free(&m);
	users_free(t);
	return 0;
}
