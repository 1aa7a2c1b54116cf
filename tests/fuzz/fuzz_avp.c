/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One AVP after the other (RFC 2661 4.1, 4.3).  Octet 0 has how long the
 * secret is, octet 1 the Random Vector, which are made of these two; then AVPs.
 *
 * Must hold: an AVP and its value are inside of what was given, and take the
 * length that they say; what is written again reads the same; what a hidden
 * one hides, hidden again, is what came.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/avp.h"
#include "l2tpd/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
	if (!what)
		abort();
}

static bool same(struct rd a, struct rd b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

static void written(const struct avp *a)
{
	uint8_t buf[6 + AVP_VALUE_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	struct rd r;
	struct avp again;

	avp_put_bytes(&w, a->type, a->val.p, a->val.n);
	must(!w.bad && w.len == 6 + a->val.n);
	r = rd_of(buf, w.len);
	must(avp_next(&r, &again) && !r.n);
	must(again.type == a->type && !again.vendor && !again.hidden && !again.reserved && same(again.val, a->val));
	must(again.mandatory == avp_rule_of(a->type)->mandatory);
}

static void revealed(const struct avp *a, struct rd secret, struct rd vector)
{
	uint8_t *room = malloc(a->val.n ? a->val.n : 1), hidden[6 + AVP_VALUE_MAX + 64];
	struct wr w = wr_of(hidden, sizeof(hidden));
	struct rd value;

	must(room);
	if (l2tp_reveal(a->type, secret, vector, a->val, room, &value)) {
		must(value.n + L2TP_HIDDEN_HEADER <= a->val.n);
		must(!value.n || (value.p >= room && value.p + value.n <= room + a->val.n));
		l2tp_hide(&w, a->type, secret, vector, value);
		must(!w.bad && w.len == L2TP_HIDDEN_HEADER + value.n && !memcmp(hidden, a->val.p, w.len));
	}
	free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t secret[256], vector[256];
	struct rd r = rd_of(data, size);
	uint8_t secret_len = rd_u8(&r), vector_len = rd_u8(&r);
	struct avp a;

	if (r.bad || !l2tp_secret_init())
		return 0;
	memset(secret, secret_len, sizeof(secret));
	memset(vector, vector_len, sizeof(vector));
	for (;;) {
		const struct rd before = r;

		if (!avp_next(&r, &a)) {
			must(r.bad && !r.n);
			break;
		}
		must(r.p == a.val.p + a.val.n && r.n + 6 + a.val.n == before.n && a.val.p == before.p + 6);
		must(a.val.n == ((before.p[0] & 3u) << 8 | before.p[1]) - 6u);
		if (a.hidden)
			revealed(&a, rd_of(secret, secret_len), rd_of(vector, vector_len));
		else if (!a.vendor && avp_rule_of(a.type))
			written(&a);
	}
	return 0;
}
