/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The test client's initiator gets messages of anybody.  Input: a byte that
 * says in which state, then messages, each behind a 16-bit length; header
 * fields that would only end the matter are put right, and what is marked as
 * encrypted is encrypted here, so that the plain text is the fuzzer's.
 */
#include <stdlib.h>
#include <string.h>

#include "ctl/dial_ike.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HDR = 28, FLAGS_AT = 19 };

#define CONF .psk = (const uint8_t *)"secret", .psk_len = 6, .retransmit_ms = 1000, .retransmit_max = 5, \
	.ike_life_s = 28800, .esp_life_s = 3600
static const struct ike_conf conf[] = { { CONF }, { CONF, .quick_group = DIAL_MODP1024 } };

static void one(struct ike *k, struct rd r, uint64_t now)
{
	uint8_t buf[IKE_INPUT_MAX], iv[DIAL_BLOCK];
	struct ike_out out;
	size_t n = r.n;

	if (n < HDR || n > sizeof(buf))
		return;
	memcpy(buf, r.p, n);
	memcpy(buf, k->cky_i, 8);
	if (k->state != IKE_MM1)
		memcpy(buf + 8, k->cky_r, 8);
	buf[17] = 0x10;
	buf[24] = buf[25] = 0;
	buf[26] = (uint8_t)(n >> 8);
	buf[27] = (uint8_t)n;
	if (buf[FLAGS_AT] & 1 && n - HDR >= DIAL_BLOCK) {
		n -= (n - HDR) % DIAL_BLOCK;
		buf[26] = (uint8_t)(n >> 8);
		buf[27] = (uint8_t)n;
		memcpy(iv, buf[18] == 2 ? k->iv : k->qm_iv, sizeof(iv));
		if (!dial_cbc(true, k->cipher, k->key, iv, buf + HDR, n - HDR))
			return;
	}
	ike_out_init(&out);
	ike_input(k, rd_of(buf, n), now, &out);
	for (unsigned i = 0; i < out.n; i++)
		if (out.eff[i].type == IKE_EFF_CHILD)
			abort();		/* nobody can have made a right HASH(2) */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t states[] = { IKE_MM1, IKE_MM3, IKE_MM5, IKE_QM1, IKE_UP };
	struct ike_ends ends = { .id = addr_v4(0xc6120001, 0), .port = 500, .peer = addr_v4(0xc0000201, 0) };
	struct rd r = rd_of(data, size);
	uint8_t state = rd_u8(&r);
	bool pfs = state & 0x20, xauth = state & 0x10;
	struct ike_out out;
	struct rng seed;
	struct ike k;

	if (xauth) {
		ends.user = "user";
		ends.password = "password";
	}
	rng_init_test(&seed, 7);
	ike_init(&k, &conf[pfs], &ends, &seed);
	ike_out_init(&out);
	ike_start(&k, 1000, &out);
	state = xauth ? state & 1 ? IKE_CFG1 : IKE_XAUTH : states[state % 5];
	if (state > IKE_MM1) {
		k.state = state;
		k.hash = data[0] & 0x80 ? DIAL_SHA256 : DIAL_SHA1;
		k.cipher = DIAL_AES128;
		k.mid = 0x01020304;
		memset(k.cky_r, 9, sizeof(k.cky_r));
		k.group = data[0] & 0x40 ? DIAL_ECP256 : DIAL_MODP2048;
		if (state == IKE_MM3 || (state == IKE_QM1 && pfs)) {
			k.dh = dial_dh_new(state == IKE_MM3 ? k.group : DIAL_MODP1024);
			if (!k.dh)
				abort();
			memcpy(k.gxi, dial_dh_public(k.dh), dial_group_len(dial_dh_group(k.dh)));
		}
	}
	for (uint64_t now = 1000; r.n && !r.bad; now += 100) {
		uint16_t n = rd_u16(&r);

		one(&k, rd_sub(&r, MIN((size_t)n, r.n)), now);
		ike_out_init(&out);
		ike_expire(&k, now, &out);
	}
	ike_out_init(&out);
	ike_close(&k, &out);
	ike_free(&k);
	return 0;
}
