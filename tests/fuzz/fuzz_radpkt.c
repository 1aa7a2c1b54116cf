/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A RADIUS reply: the first byte is how the login was asked for.  What has the right
 * authenticators is read; so that the fuzzer gets there, they are made right first.
 * The verdict and what goes with it must be what a receiver takes (msg_check()).
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/msg.h"
#include "l2tpd/radpkt.h"

#define SECRET "secret"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void sign(uint8_t *p, size_t size, const uint8_t *req)
{
	size_t len = size < 4 ? 0 : (size_t)(p[2] << 8 | p[3]), at = 20;
	uint8_t all[RAD_MAX + sizeof(SECRET)];
	unsigned n = 16;

	if (len < 20 || len > size || len > RAD_MAX)
		return;
	p[1] = req[1];
	memcpy(p + 4, req + 4, 16);
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

static void said_ok(const struct msg_radius_said *said)
{
	struct { uint32_t type, len; struct msg_radius_said body; } m = { MSG_RADIUS_SAID, sizeof(*said), *said };

	if (!msg_check(ROLE_RADIUS, ROLE_AUTH, &m, sizeof(m), false))
		abort();
	if (said->verdict != VERDICT_OK && (said->mppe_keys || said->framed_ip || said->session_timeout_s))
		abort();
	/* A conversation goes on with a Request that the link can carry, or not at all. */
	if (said->verdict == VERDICT_EAP ? said->eap.len > 1356 || said->answered : said->eap.len || said->eap.state_len)
		abort();
	if (said->verdict != VERDICT_OK && said->user_len)
		abort();
	for (const char *s = said->message; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t asked[] = {
		1, 7, 0, 43, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
		1, 5, 'j', 'o', 'e', 33, 18, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
	};
	struct msg_radius_ask ask = { .judge.req = { .ident = 9, .mtu = 1356, .eap = { .len = 8, .packet = "\2\x41\0\10\1joe" } } };
	uint8_t req[RAD_MAX], out[RAD_MAX], cookie[RAD_COOKIE], *p;
	size_t n = rad_forward(rd_of(asked, sizeof(asked)), SECRET, req);
	struct msg_radius_said said;
	enum rad_check raw;

	if (!size || !n)
		return 0;
	ask.judge.req.method = data[0] % 6 < 5 ? AUTH_PAP + data[0] % 6u : AUTH_EAP;
	p = malloc(size);
	if (!p)
		return 0;
	memcpy(p, data + 1, --size);
	/* As whoever sends to the relay. */
	(void)rad_cookie(rd_of(p, size), cookie);
	(void)rad_forward(rd_of(p, size), SECRET, out);
	raw = rad_check_reply(rd_of(p, size), rd_of(req, n), SECRET, false);
	sign(p, size, req);
	if (rad_check_reply(rd_of(p, size), rd_of(req, n), SECRET, false) == RAD_MALFORMED && raw != RAD_MALFORMED)
		abort();
	if (rad_check_reply(rd_of(p, size), rd_of(req, n), SECRET, false) == RAD_GOOD) {
		rad_read_reply(rd_of(p, size), rd_of(req, n), SECRET, &ask, &said);
		said_ok(&said);
	}
	free(p);
	return 0;
}
