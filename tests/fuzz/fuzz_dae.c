/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A request of RFC 5176.  It is looked at as it comes, then signed and dated so that the
 * reader gets to see it; what it says must be what a receiver takes (msg_check()), and
 * a cause one that it knows.  Its answer is a packet.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/msg.h"
#include "l2tpd/daepkt.h"

#define SECRET "secret"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sign(uint8_t *p, size_t size)
{
	size_t len = size < 4 ? 0 : (size_t)(p[2] << 8 | p[3]), at = 20;
	uint8_t all[RAD_MAX + sizeof(SECRET)];
	unsigned n = 16;

	if (len < 20 || len > size || len > RAD_MAX)
		return;
	memset(p + 4, 0, 16);
	while (at + 18 <= len && p[at + 1] >= 2) {
		if (p[at] == RAD_MESSAGE_AUTHENTICATOR && p[at + 1] == 18) {
			memset(p + at + 2, 0, 16);
			HMAC(EVP_md5(), SECRET, sizeof(SECRET) - 1, p, len, p + at + 2, &n);
			break;
		}
		at += p[at + 1];
	}
	memcpy(all, p, len);
	memcpy(all + len, SECRET, sizeof(SECRET) - 1);
	EVP_Digest(all, len + sizeof(SECRET) - 1, p + 4, NULL, EVP_md5(), NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct conf_dae_client client = { .secret = SECRET };
	const struct addr own = addr_v4(0xc0000201, 0);
	const struct dae_nas nas = { .addr = &own, .n_addr = 1, .id = "vpn" };
	struct { uint32_t type, len; struct msg_dae body; } m = { MSG_DAE, sizeof(m.body), { .tag = 0 } };
	struct { uint32_t type, len; struct msg_dae_done body; } d = { MSG_DAE_DONE, sizeof(d.body), { .tag = 1 } };
	uint8_t out[RAD_MAX], *p = malloc(size + 1);
	enum dae_check raw;
	struct rad_hdr h;
	size_t n;

	if (!p)
		return 0;
	memcpy(p, data, size);
	raw = dae_check(rd_of(p, size), &client, 0x60000000, 0);
	sign(p, size);
	if (dae_check(rd_of(p, size), &client, 0x60000000, 0) != DAE_MALFORMED && raw == DAE_GOOD)
		abort();		/* nobody guesses a sum */
	if (dae_check(rd_of(p, size), &client, 0x60000000, 0) == DAE_GOOD) {
		d.body.cause = dae_read(rd_of(p, size), &nas, &m.body);
		if (!d.body.cause && !msg_check(ROLE_RADIUS, ROLE_MANAGER, &m, sizeof(m), false))
			abort();
		if (!msg_check(ROLE_MANAGER, ROLE_RADIUS, &d, sizeof(d), false))
			abort();
		n = dae_answer(rd_of(p, size), SECRET, d.body.cause, out);
		if (n && (!rad_open(rd_of(out, n), &h) || h.len != n || h.id != p[1]))
			abort();
	}
	free(p);
	return 0;
}
