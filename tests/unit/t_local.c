/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local: which secret serves which method, and that a login is the same work whoever it is
 * of.  The linker has put counters in front of all that a login calls of OpenSSL and crypt(3).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "l2tpd/local.h"
#include "ppp/mschap.h"

/* ---- what was called ---- */

static struct work {
	unsigned updates, digests, encryptions, compares, crypts;
	size_t hashed, compared;
	char setting[8];		/* of crypt */
} work;

int __wrap_EVP_DigestUpdate(EVP_MD_CTX *x, const void *p, size_t n);
int __real_EVP_DigestUpdate(EVP_MD_CTX *x, const void *p, size_t n);
int __wrap_EVP_DigestUpdate(EVP_MD_CTX *x, const void *p, size_t n)
{
	work.updates++;
	work.hashed += n;
	return __real_EVP_DigestUpdate(x, p, n);
}

int __wrap_EVP_DigestFinal_ex(EVP_MD_CTX *x, unsigned char *md, unsigned *n);
int __real_EVP_DigestFinal_ex(EVP_MD_CTX *x, unsigned char *md, unsigned *n);
int __wrap_EVP_DigestFinal_ex(EVP_MD_CTX *x, unsigned char *md, unsigned *n)
{
	work.digests++;
	return __real_EVP_DigestFinal_ex(x, md, n);
}

int __wrap_EVP_EncryptUpdate(EVP_CIPHER_CTX *x, unsigned char *out, int *outl, const unsigned char *in, int n);
int __real_EVP_EncryptUpdate(EVP_CIPHER_CTX *x, unsigned char *out, int *outl, const unsigned char *in, int n);
int __wrap_EVP_EncryptUpdate(EVP_CIPHER_CTX *x, unsigned char *out, int *outl, const unsigned char *in, int n)
{
	work.encryptions++;
	return __real_EVP_EncryptUpdate(x, out, outl, in, n);
}

int __wrap_CRYPTO_memcmp(const void *a, const void *b, size_t n);
int __real_CRYPTO_memcmp(const void *a, const void *b, size_t n);
int __wrap_CRYPTO_memcmp(const void *a, const void *b, size_t n)
{
	work.compares++;
	work.compared += n;
	return __real_CRYPTO_memcmp(a, b, n);
}

char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);
char *__real_crypt_r(const char *phrase, const char *setting, struct crypt_data *data);
char *__wrap_crypt_r(const char *phrase, const char *setting, struct crypt_data *data)
{
	work.crypts++;
	snprintf(work.setting, sizeof(work.setting), "%s", setting);
	return __real_crypt_r(phrase, setting, data);
}

/* ---- users ---- */

#define NT_SECRET "01a3bfb0a14be62b5b4050621c1ca0c5"
#define CRYPT_SECRET "$5$rounds=1000$ab$"

enum { NOW = 1900000000 };		/* 2030-03-17 */

static const uint32_t methods[] = { AUTH_PAP, AUTH_CHAP_MD5, AUTH_MSCHAPV2, AUTH_EAP_MD5, AUTH_EAP_MSCHAPV2 };

static struct local *load(const char *text)
{
	struct conf_msgs m = { 0 };
	struct users *u;
	struct local *l;

	assert_int_equal(users_load(text, strlen(text), "f", &u, &m), 0);
	conf_msgs_free(&m);
	assert_int_equal(local_new(u, &l), 0);
	return l;
}

/* The users that there are in all kinds; with crypt, or without. */
static struct local *users(bool with_crypt)
{
	struct crypt_data data = { 0 };
	char text[2048];

	snprintf(text, sizeof(text),
		"clear:password=a good secret:\n"
		"bytes:password=\\000\\377\\^\\\\\\072\\n:\n"
		"long:password=%0600d:\n"
		"nt:nt-hash=%s:\n"
		"off:disabled:password=a good secret:\n"
		"offnt:disabled:nt-hash=%s:\n"
		"old:password=a good secret:expires=2030-01-01:\n"
		"soon:password=a good secret:expires=2030-03-18Z:max-session=4:\n"
		"%s%s%s", 0, NT_SECRET, NT_SECRET, with_crypt ? "hash:crypt=" : "",
		with_crypt ? __real_crypt_r("a good secret", CRYPT_SECRET, &data) : "", with_crypt ? ":\n" : "");
	return load(text);
}

static struct msg_auth_req request(uint32_t method, const char *user, const void *password, size_t n)
{
	struct msg_auth_req r = { .method = method, .ident = 7, .user_len = (uint16_t)strlen(user) };
	uint8_t hash[MSCHAP_HASH];

	memcpy(r.user, user, r.user_len);
	r.challenge_len = method == AUTH_PAP ? 0 : 16;
	memset(r.challenge, 0x5a, r.challenge_len);
	switch (method) {
	case AUTH_PAP:
		r.response_len = (uint8_t)n;
		memcpy(r.response, password, n);
		break;
	case AUTH_CHAP_MD5:
	case AUTH_EAP_MD5:
		r.response_len = CHAP_MD5_VALUE;
		assert_true(chap_md5(r.ident, password, n, rd_of(r.challenge, 16), r.response));
		break;
	default:
		r.response_len = MSCHAP_VALUE;
		assert_true(mschap_nt_hash(password, n, hash));
		assert_true(mschap_nt_response(r.challenge, r.response, rd_of(r.user, r.user_len), hash, r.response + 24));
	}
	return r;
}

static const char *judge(const struct local *l, const char *user, const struct msg_auth_req *r, struct msg_judged *ret)
{
	*ret = (struct msg_judged){ 0 };
	work = (struct work){ 0 };
	return local_judge(l, rd_of(user, strlen(user)), r, false, NOW, ret);
}

#define WRONG "wrong name or password"
#define NO_CHAP "nt-hash in the users file serves MS-CHAPv2, not CHAP"
#define PAP_CHAP "crypt in the users file serves PAP, not CHAP"
#define PAP_MSCHAP "crypt in the users file serves PAP, not MS-CHAPv2"
#define GOOD "a good secret"

static void t_kinds(void **st)
{
	static const struct {
		const char *user, *password;
		size_t n;
		const char *pap, *chap, *mschap;	/* NULL: he is let in */
	} rows[] = {
		{ "clear", GOOD, 13, NULL, NULL, NULL },
		{ "clear", GOOD, 12, WRONG, WRONG, WRONG },
		{ "clear", GOOD "\0", 14, WRONG, WRONG, WRONG },
		{ "clear", "", 0, WRONG, WRONG, WRONG },
		{ "bytes", "\0\377^\\:\n", 6, NULL, NULL, NULL },
		{ "bytes", "", 0, WRONG, WRONG, WRONG },
		{ "bytes", "\0\377^\\:", 5, WRONG, WRONG, WRONG },
		{ "nt", GOOD, 13, NULL, NO_CHAP, NULL },
		{ "nt", GOOD, 12, WRONG, NO_CHAP, WRONG },
		{ "nt", "", 0, WRONG, NO_CHAP, WRONG },
		{ "nt", NT_SECRET, 32, WRONG, NO_CHAP, WRONG },
		{ "hash", GOOD, 13, NULL, PAP_CHAP, PAP_MSCHAP },
		{ "hash", GOOD, 12, WRONG, PAP_CHAP, PAP_MSCHAP },
		/* crypt(3) would not see what stands behind it. */
		{ "hash", GOOD "\0x", 15, WRONG, PAP_CHAP, PAP_MSCHAP },
		{ "hash", "", 0, WRONG, PAP_CHAP, PAP_MSCHAP },
		{ "off", GOOD, 13, "the user is disabled", "the user is disabled", "the user is disabled" },
		{ "off", GOOD, 12, WRONG, WRONG, WRONG },
		{ "old", GOOD, 13, "the user has expired", "the user has expired", "the user has expired" },
		{ "soon", GOOD, 13, NULL, NULL, NULL },
		{ "nobody", GOOD, 13, WRONG, WRONG, WRONG },
		{ "nobody", "", 0, WRONG, WRONG, WRONG },
		{ "", "", 0, WRONG, WRONG, WRONG },
		{ "long", GOOD, 13, WRONG, WRONG, "a password of over 256 characters: no MS-CHAPv2" },
	};
	struct local *l = users(true);

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
			struct msg_auth_req r = request(methods[k], rows[i].user, rows[i].password, rows[i].n);
			const char *want = methods[k] == AUTH_PAP ? rows[i].pap :
				methods[k] == AUTH_CHAP_MD5 || methods[k] == AUTH_EAP_MD5 ? rows[i].chap : rows[i].mschap;
			struct msg_judged j;
			const char *why = judge(l, rows[i].user, &r, &j);

			if (strcmp(why ? why : "", want ? want : ""))
				fail_msg("row %zu (%s), method %u: %s", i, rows[i].user, methods[k], why ? why : "let in");
			assert_int_equal(j.has_max_session, !why && !strcmp(rows[i].user, "soon"));
			assert_int_equal(j.max_session, !why && !strcmp(rows[i].user, "soon") ? 4 : 0);
		}
	}
	local_free(l);
}

/* The same calls, of the same lengths, for each user who is not let in, and for who is. */
static void t_work(void **st)
{
	static const char *const who[] = { "nobody", "clear", "bytes", "nt", "off", "offnt", "old", "hash", "long", "" };

	for (int with_crypt = 0; with_crypt < 2; with_crypt++) {
		struct local *l = users(with_crypt);

		for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
			struct work first = { 0 };

			assert_int_equal(local_is_slow(l, methods[k]), with_crypt && methods[k] == AUTH_PAP);
			for (size_t i = 0; i < N_ELEMENTS(who); i++) {
				/* A wrong one, and the one of all who have that. */
				for (int right = 0; right < 2; right++) {
					struct msg_auth_req r = request(methods[k], "x", right ? GOOD : "a wrong secre", 13);
					struct msg_judged j;

					/* RFC 2759 8.2: the name is a part of what is hashed; here all have one length. */
					(void)judge(l, who[i], &r, &j);
					if (!i && !right)
						first = work;
					if (memcmp(&work, &first, sizeof(work)))
						fail_msg("%s, method %u, crypt %d: %u+%u digests of %zu, %u encryptions, %u compares "
							"of %zu, %u crypts; expected %u+%u of %zu, %u, %u of %zu, %u", who[i], methods[k],
							with_crypt, work.updates, work.digests, work.hashed, work.encryptions,
							work.compares, work.compared, work.crypts, first.updates, first.digests, first.hashed,
							first.encryptions, first.compares, first.compared, first.crypts);
				}
			}
			/* And it is work. */
			assert_true(first.digests > 0 && first.compares > 0);
			assert_int_equal(first.crypts, with_crypt && methods[k] == AUTH_PAP);
		}
		local_free(l);
	}
}

/* Nobody is there: the same way, and nobody is let in. */
static void t_empty(void **st)
{
	struct local *l = load("");

	for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
		struct msg_auth_req r = request(methods[k], "", "", 0);
		struct msg_judged j;

		assert_string_equal(judge(l, "", &r, &j), WRONG);
		assert_true(work.digests > 0);
	}
	local_free(l);
	assert_false(local_is_slow(NULL, AUTH_PAP));
	assert_null(local_users(NULL));
}

static int setup(void **st)
{
	return mschap_init() ? 0 : -1;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_kinds), cmocka_unit_test(t_work), cmocka_unit_test(t_empty),
	};

	return cmocka_run_group_tests_name("local", tests, setup, NULL);
}
