/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client's answer to XAuth: attributes as TYPE, LENGTH (two octets each) and so many octets; the last may be cut. */
#include <stdlib.h>
#include <string.h>

#include "ike-plugin/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct msg_xauth_req m = { .user_len = 0 };
	struct rd r = rd_of(data, size);
	struct answer a;
	const char *fault;

	answer_init(&a, &m);
	while (r.n >= 4) {
		uint16_t type = rd_u16(&r);
		size_t n = rd_u16(&r);

		answer_attr(&a, type, rd_sub(&r, n < r.n ? n : r.n));
	}
	fault = answer_end(&a);
	/* What is taken is whole and fits; of what is not, no password stays. */
	if (!fault && (!m.user_len || m.user_len > sizeof(m.user)))
		abort();
	for (size_t i = fault ? 0 : m.password_len; i < sizeof(m.password); i++)
		if (m.password[i])
			abort();
	return 0;
}
