/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/suite.h"

#include <stdio.h>
#include <string.h>

/*
 * IKE, best first.  Elliptic curves before modp: they cost the server a tenth.
 * Windows offers aes256-sha1 with ecp384, Apple aes256-sha256 with modp2048,
 * Android aes256-sha384 or sha1.
 */
static const char *const main_default[] = {
	"aes256-sha256-ecp256", "aes256-sha384-ecp384", "aes256-sha1-ecp384", "aes128-sha1-ecp256",
	"aes256-sha256-modp2048", "aes256-sha1-modp2048",
	"aes128-sha256-modp2048", "aes128-sha1-modp2048",
	"aes256-sha512-modp2048", "aes256-sha384-modp2048",
};

static const char *const main_legacy[] = {
	"aes256-sha1-modp1536", "aes256-sha256-modp1024", "aes256-sha384-modp1024", "aes256-sha1-modp1024",
	"aes128-sha1-modp1024", "aes256-md5-modp1024", "3des-sha1-modp2048", "3des-sha1-modp1024", "3des-md5-modp1024",
};

/*
 * ESP.  AES-GCM, which only strongSwan's clients offer, is the fastest at both
 * ends.  Of the others SHA-1 comes first on purpose: peers disagree on the
 * length of HMAC-SHA2-256's ICV (Android 6 and 7 cut it to 96 bits, everyone
 * else to 128), and both ends find out only when no packet passes.  Ours is
 * always that of RFC 4868: an offer does not say which one its sender means.
 */
static const struct {
	const char *enc, *auth;		/* auth: NULL for what authenticates itself */
} quick_all[] = {
	{ "aes256gcm16", NULL }, { "aes128gcm16", NULL },
	{ "aes256", "sha1" }, { "aes128", "sha1" }, { "aes256", "sha256" }, { "aes128", "sha256" },
	{ "aes256", "sha512" }, { "aes128", "sha512" }, { "aes256", "sha384" }, { "aes128", "sha384" },
	{ "3des", "sha1" }, { "3des", "sha256" }, { "3des", "sha512" }, { "3des", "sha384" },
};

/* The words of ipsec.conf(5), and strongSwan's. */
struct word {
	const char *word;
	const char *ss[2];
};

static const struct word encs[] = {
	{ "aes", { "aes256", "aes128" } },
	{ "aes-128", { "aes128" } },
	{ "aes-192", { "aes192" } },
	{ "aes-256", { "aes256" } },
	{ "3des", { "3des" } },
	{ "aes-128-gcm", { "aes128gcm16" } },
	{ "aes-256-gcm", { "aes256gcm16" } },
	{ NULL, { NULL } },
};

static const struct word auths[] = {
	{ "hmac-md5", { "md5" } },
	{ "hmac-sha1", { "sha1" } },
	{ "hmac-sha2-256", { "sha256" } },
	{ "hmac-sha2-384", { "sha384" } },
	{ "hmac-sha2-512", { "sha512" } },
	{ NULL, { NULL } },
};

static const struct word groups[] = {
	{ "modp1024", { "modp1024" } },
	{ "modp1536", { "modp1536" } },
	{ "modp2048", { "modp2048" } },
	{ "modp3072", { "modp3072" } },
	{ "modp4096", { "modp4096" } },
	{ "modp6144", { "modp6144" } },
	{ "modp8192", { "modp8192" } },
	{ "ecp256", { "ecp256" } },
	{ "ecp384", { "ecp384" } },
	{ "ecp521", { "ecp521" } },
	{ NULL, { NULL } },
};

/* One part of a suite: the values it may take. */
struct part {
	unsigned n;
	const char *v[8];
};

static void part_add(struct part *p, const char *v)
{
	if (v && p->n < N_ELEMENTS(p->v))
		p->v[p->n++] = v;
}

/* The word's values, or those of the set when there is no word; false when it is unknown. */
static bool part_of(const struct word *table, const char *word, const char *const *set, struct part *ret)
{
	*ret = (struct part){ 0 };
	if (!word[0]) {
		for (; *set; set++)
			part_add(ret, *set);
		return true;
	}
	for (; table->word; table++)
		if (!strcmp(table->word, word)) {
			part_add(ret, table->ss[0]);
			part_add(ret, table->ss[1]);
			return true;
		}
	return false;
}

static bool part_has(const struct part *p, const char *v)
{
	for (unsigned i = 0; i < p->n; i++)
		if (!strcmp(p->v[i], v))
			return true;
	return false;
}

static void add(struct suites *s, const char *a, const char *b, const char *c)
{
	if (s->n < SUITE_MAX)
		snprintf(s->s[s->n++], SUITE_LEN, "%s%s%s%s%s", a, b ? "-" : "", b ? b : "", c ? "-" : "", c ? c : "");
}

bool suite_main(const struct conf_ike *k, enum conf_proposals set, struct suites *ret, const char **ret_word)
{
	static const char *const enc_default[] = { "aes256", "aes128", NULL };
	static const char *const enc_legacy[] = { "aes256", "aes128", "3des", NULL };
	static const char *const auth_default[] = { "sha256", "sha1", "sha384", "sha512", NULL };
	static const char *const auth_legacy[] = { "sha256", "sha1", "sha384", "sha512", "md5", NULL };
	static const char *const group_default[] = { "ecp256", "ecp384", "modp2048", NULL };
	static const char *const group_legacy[] = { "ecp256", "ecp384", "modp2048", "modp1536", "modp1024", NULL };
	bool legacy = set == CONF_PROP_LEGACY;
	struct part enc, auth, group;

	*ret = (struct suites){ 0 };
	if (!k->main_enc[0] && !k->main_auth[0] && !k->main_group[0]) {
		for (unsigned i = 0; i < N_ELEMENTS(main_default); i++)
			add(ret, main_default[i], NULL, NULL);
		for (unsigned i = 0; legacy && i < N_ELEMENTS(main_legacy); i++)
			add(ret, main_legacy[i], NULL, NULL);
		return true;
	}
	*ret_word = k->main_enc;
	if (!part_of(encs, k->main_enc, legacy ? enc_legacy : enc_default, &enc))
		return false;
	*ret_word = k->main_auth;
	if (!part_of(auths, k->main_auth, legacy ? auth_legacy : auth_default, &auth))
		return false;
	*ret_word = k->main_group;
	if (!part_of(groups, k->main_group, legacy ? group_legacy : group_default, &group))
		return false;
	for (unsigned g = 0; g < group.n; g++)
		for (unsigned e = 0; e < enc.n; e++)
			for (unsigned a = 0; a < auth.n; a++)
				add(ret, enc.v[e], auth.v[a], group.v[g]);
	return true;
}

bool suite_quick(const struct conf_ike *k, enum conf_proposals set, struct suites *ret, const char **ret_word)
{
	static const char *const enc_default[] = { "aes256gcm16", "aes128gcm16", "aes256", "aes128", NULL };
	static const char *const enc_legacy[] = { "aes256gcm16", "aes128gcm16", "aes256", "aes128", "3des", NULL };
	static const char *const auth_all[] = { "sha1", "sha256", "sha512", "sha384", NULL };
	/* MikroTik's clients ask for modp1024 unless they are told otherwise. */
	static const char *const group_all[] = { "modp2048", "ecp256", "ecp384", "modp1536", "modp1024", NULL };
	struct part enc, auth, group;
	char tail[SUITE_LEN] = "";

	*ret = (struct suites){ 0 };
	*ret_word = k->quick_group;
	group = (struct part){ 0 };
	/* "none": no perfect forward secrecy, not even where the client wants it */
	if (strcmp(k->quick_group, "none") &&
	    !part_of(groups, k->quick_group, group_all, &group))
		return false;
	for (unsigned g = 0; g < group.n; g++) {
		size_t len = strlen(tail);

		snprintf(tail + len, sizeof(tail) - len, "%s-", group.v[g]);
	}
	strncat(tail, "modpnone", sizeof(tail) - strlen(tail) - 1);

	*ret_word = k->quick_enc;
	if (!part_of(encs, k->quick_enc, set == CONF_PROP_LEGACY ? enc_legacy : enc_default, &enc))
		return false;
	for (unsigned i = 0; i < N_ELEMENTS(quick_all); i++)
		if (part_has(&enc, quick_all[i].enc))
			ret->n++;
	if (!ret->n)
		return false;		/* known, but not to our engine */

	*ret_word = k->quick_auth;
	if (!part_of(auths, k->quick_auth, auth_all, &auth))
		return false;
	ret->n = 0;
	for (unsigned i = 0; i < N_ELEMENTS(quick_all); i++) {
		const char *a = quick_all[i].auth;

		/* Who names an HMAC wants that one. */
		if (!part_has(&enc, quick_all[i].enc) || (a ? !part_has(&auth, a) : k->quick_auth[0] != '\0'))
			continue;
		if (a)
			add(ret, quick_all[i].enc, a, tail);
		else
			add(ret, quick_all[i].enc, tail, NULL);
	}
	return ret->n > 0;
}
