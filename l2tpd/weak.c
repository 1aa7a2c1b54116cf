/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/weak.h"

#include <stdbool.h>
#include <string.h>

#include "base/util.h"

enum { LOOKED_AT = 256 };	/* bytes; what is longer is not guessed by its words */

/* What is left of a secret when the words that everybody tries are taken out must still be
 * one. The longer of two words that begin alike comes first. */
static const char *const common[] = {
	"password", "passwort", "passwd", "pass", "secret", "shared", "changeme", "letmein", "qwerty", "qwertz",
	"welcome", "iloveyou", "admin", "login", "hello", "master", "guest", "root", "server", "example", "test",
	"ipsec", "l2tp", "vpn", "psk", "key", "abc", "123456789", "12345", "1234", "123",
};

static size_t lower(char out[static LOOKED_AT + 1], const uint8_t *s, size_t len)
{
	size_t n = MIN(len, (size_t)LOOKED_AT);

	for (size_t i = 0; i < n; i++)
		out[i] = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i] ? s[i] : 1);
	out[n] = '\0';
	return n;
}

static size_t take_out(char *s, size_t n, const char *word)
{
	size_t len = strlen(word);
	char *at;

	while (len && (at = strstr(s, word))) {
		memmove(at, at + len, strlen(at + len) + 1);
		n -= len;
	}
	return n;
}

/* How many bytes are left without common words (and without a name, which may be ""); how
 * many kinds of bytes there were. */
static size_t left(const uint8_t *s, size_t len, const char *name, unsigned *ret_kinds)
{
	bool had[256] = { false };
	char low[LOOKED_AT + 1];
	size_t n = lower(low, s, len);

	*ret_kinds = 0;
	for (size_t i = 0; i < len; i++) {
		*ret_kinds += !had[s[i]];
		had[s[i]] = true;
	}
	n = take_out(low, n, name);
	for (size_t k = 0; k < N_ELEMENTS(common); k++)
		n = take_out(low, n, common[k]);
	explicit_bzero(low, sizeof(low));
	explicit_bzero(had, sizeof(had));
	return n;
}

const char *weak_secret(const uint8_t *s, size_t len)
{
	unsigned kinds;

	if (len < 16)
		return "has fewer than 16 bytes";
	if (left(s, len, "", &kinds) < 8 || kinds < 6)
		return "is made of common words or few characters";
	return NULL;
}

const char *weak_password(const uint8_t *name, size_t name_len, const uint8_t *s, size_t len)
{
	char low[LOOKED_AT + 1] = "";
	unsigned kinds;
	size_t without;

	if (len < 8)
		return "has fewer than 8 bytes";
	/* A short name is in many words. */
	if (name_len >= 3)
		lower(low, name, name_len);
	without = left(s, len, "", &kinds);
	if (without < 4 || kinds < 4)
		return "is made of common words or few characters";
	if (left(s, len, low, &kinds) < 4)
		return "is little more than the user's name";
	return NULL;
}
