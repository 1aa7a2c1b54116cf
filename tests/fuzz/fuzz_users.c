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

		if (users_find(t, (const uint8_t *)u->name, u->name_len) != u || !u->name_len || strlen(u->name) != u->name_len ||
		    users_name_fault(u->name, u->name_len) || users_index(t, u) != i)
			abort();
		/* One secret, and nothing of another. */
		if ((u->secret == USER_PASSWORD) != (u->password_len > 0) || (u->secret == USER_CRYPT) != (*u->crypt != 0) ||
		    (u->secret == USER_CRYPT && (users_crypt_fault(u->crypt) || users_crypt_cost_len(u->crypt) >= strlen(u->crypt))) ||
		    u->secret < USER_PASSWORD || u->secret > USER_CRYPT || (*u->expires != 0) != (u->expires_s != 0))
			abort();
		if (users_state(t, (const uint8_t *)u->name, u->name_len, 0) == USER_UNKNOWN)
			abort();
	}
	if (m.errors)
		abort();
	conf_msgs_free(&m);
	users_free(t);
	return 0;
}
