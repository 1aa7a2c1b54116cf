/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hostile firewall request: refused, or its text is made of lines that the
 * generator has by itself; from the request come only numbers and names.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fwreq.h"
#include "firewall/ruleset.h"

enum { MEMBERS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* A quoted name: nothing in it that nft gives a meaning, but a last '*'. */
static size_t quoted(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i] != '"')
		i++;
	must(i < n && i > 0 && i < CONF_IFNAME_MAX);
	for (size_t k = 0; k < i; k++)
		must((s[k] >= 'a' && s[k] <= 'z') || (s[k] >= 'A' && s[k] <= 'Z') ||
		     (s[k] >= '0' && s[k] <= '9') || strchr("_.-", s[k]) || (s[k] == '*' && k == i - 1));
	return i + 1;
}

static void text_check(const char *s, size_t n)
{
	int depth = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] == '"')
			i += quoted(s + i + 1, n - i - 1);
		else if (s[i] == '{')
			depth++;
		else if (s[i] == '}')
			must(--depth >= 0);
		else
			/* Capitals are in the names of filters alone. */
			must((s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') || (s[i] >= '0' && s[i] <= '9') ||
			     (s[i] && strchr(" \t\n_.,:;-=!@/", s[i])));
	}
	must(depth == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[RULESET_MAX + MEMBERS * RULESET_MEMBER_MAX];
	struct fwreq_member m[MEMBERS] = { 0 };
	struct fwreq r = { 0 };
	struct wr w, small;

	memcpy(&r, data, size < sizeof(r) ? size : sizeof(r));
	if (size > sizeof(r))
		memcpy(m, data + sizeof(r), size - sizeof(r) < sizeof(m) ? size - sizeof(r) : sizeof(m));
	if (fwreq_check(&r) || r.n_member > MEMBERS || fwreq_check_members(&r, m))
		return 0;
	w = wr_of(text, RULESET_MAX + r.n_member * RULESET_MEMBER_MAX);
	ruleset_build(&r, m, &w);
	must(!w.bad);		/* RULESET_MAX holds every request */
	text_check(text, w.len);
	/* A buffer that is too small is never passed for a whole text. */
	small = wr_of(text, w.len - 1);
	ruleset_build(&r, m, &small);
	must(small.bad);
	return 0;
}
