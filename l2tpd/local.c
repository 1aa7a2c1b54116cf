/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/local.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "ppp/mschap.h"

_Static_assert((int)USERS_NT_HASH == (int)MSCHAP_HASH, "nt-hash is what MS-CHAPv2 takes");

/* What MS-CHAPv2 needs of a user. */
struct nt {
	uint8_t hash[MSCHAP_HASH];
	bool is_his;			/* or one that nobody has: he has crypt, or a password that is too long */
};

struct local {
	struct users *users;
	struct nt *nt;			/* of each */
	const char *crypt;		/* a hash of the file, "" where none is there */
};

const struct users *local_users(const struct local *l)
{
	return l ? l->users : NULL;
}

int local_new(struct users *u, struct local **ret)
{
	struct local *l = calloc(1, sizeof(*l));
	size_t n = users_count(u);

	if (l)
		l->users = u;
	if (!l || !(l->nt = calloc(n + 1, sizeof(*l->nt)))) {
		users_free(u);
		free(l);
		return -ENOMEM;
	}
	l->crypt = "";
	for (size_t i = 0; i < n; i++) {
		const struct user *w = users_at(u, i);
		struct nt *nt = &l->nt[i];

		if (w->secret == USER_NT_HASH)
			memcpy(nt->hash, w->nt_hash, sizeof(nt->hash));
		nt->is_his = w->secret == USER_NT_HASH ||
			(w->secret == USER_PASSWORD && mschap_nt_hash(w->password, w->password_len, nt->hash));
		if (!nt->is_his)
			random_bytes(nt->hash, sizeof(nt->hash));
		if (w->secret == USER_CRYPT && !*l->crypt)
			l->crypt = w->crypt;
	}
	/* Of whom is not there. */
	random_bytes(l->nt[n].hash, sizeof(l->nt[n].hash));
	*ret = l;
	return 0;
}

void local_free(struct local *l)
{
	if (!l)
		return;
	explicit_bzero(l->nt, (users_count(l->users) + 1) * sizeof(*l->nt));
	free(l->nt);
	users_free(l->users);
	free(l);
}

/* The password itself comes, not a proof that it is known. */
static bool brings_password(uint32_t method)
{
	return method == AUTH_PAP || method == AUTH_XAUTH;
}

bool local_is_slow(const struct local *l, uint32_t method)
{
	return brings_password(method) && l && *l->crypt;
}

/* ---- is it the password?  user NULL: one who is not there, for whom the same is done ---- */

/* Two strings, by all that either may be long. */
static bool same(const void *a, size_t a_len, const void *b, size_t b_len)
{
	uint8_t x[USERS_PASSWORD_MAX] = { 0 }, y[USERS_PASSWORD_MAX] = { 0 };
	bool ok;

	memcpy(x, a, a_len);
	memcpy(y, b, b_len);
	ok = (CRYPTO_memcmp(x, y, sizeof(x)) == 0) & (a_len == b_len);
	explicit_bzero(x, sizeof(x));
	explicit_bzero(y, sizeof(y));
	return ok;
}

/* crypt(3) takes a string: what has a NUL in it is no password of anybody's. */
static bool judge_crypt(const struct local *l, const struct msg_auth_req *req, const struct user *user)
{
	static struct crypt_data data;	/* too big for a stack */
	const char *want = user && *user->crypt ? user->crypt : l->crypt, *got;
	char password[sizeof(req->response) + 1] = "";
	bool ok;

	if (!*l->crypt)
		return false;
	memcpy(password, req->response, req->response_len);
	got = crypt_r(password, want, &data);
	ok = got && same(want, strlen(want), got, MIN(strlen(got), (size_t)USERS_CRYPT_MAX));
	ok &= strlen(password) == req->response_len;
	explicit_bzero(&data, sizeof(data));
	explicit_bzero(password, sizeof(password));
	return ok;
}

/* RFC 1334 2.2.1: the password itself; the file may have a hash of it. */
static bool judge_pap(const struct local *l, const struct msg_auth_req *req, const struct user *user, const struct nt *nt)
{
	uint8_t hash[MSCHAP_HASH] = { 0 };
	enum user_secret have = user ? (enum user_secret)user->secret : USER_PASSWORD;
	bool clear = same(user ? user->password : "", user ? user->password_len : 0, req->response, req->response_len);
	bool hashed = mschap_nt_hash(req->response, req->response_len, hash) &&
		      CRYPTO_memcmp(hash, nt->hash, sizeof(hash)) == 0;
	bool crypted = judge_crypt(l, req, user);

	explicit_bzero(hash, sizeof(hash));
	return have == USER_PASSWORD ? clear : have == USER_NT_HASH ? hashed : crypted;
}

/* RFC 1994 4.1, and as many octets more as make all passwords of one length. */
static bool judge_chap_md5(const struct msg_auth_req *req, const struct user *user)
{
	static const uint8_t fill[USERS_PASSWORD_MAX];
	const struct rd challenge = rd_of(req->challenge, req->challenge_len);
	size_t n = user ? user->password_len : 0;
	uint8_t want[CHAP_MD5_VALUE], none[CHAP_MD5_VALUE];
	bool ok;

	if (req->response_len != CHAP_MD5_VALUE || !req->challenge_len)
		return false;
	ok = chap_md5(req->ident, user ? user->password : "", n, challenge, want) &&
	     CRYPTO_memcmp(want, req->response, sizeof(want)) == 0;
	ok &= chap_md5(req->ident, fill, sizeof(fill) - n, challenge, none);
	explicit_bzero(want, sizeof(want));
	/* The empty password of who has a hash only is not his. */
	return ok & (n > 0);
}

/* RFC 2759 4: the Value field of a Response. */
static bool judge_mschapv2(const struct msg_auth_req *req, const struct nt *nt, struct msg_judged *ret)
{
	enum { NT_RESPONSE = 24 };
	bool ok;

	if (req->response_len != MSCHAP_VALUE || req->challenge_len != MSCHAP_CHALLENGE)
		return false;
	ok = mschap_check(req->response, req->challenge, rd_of(req->user, req->user_len), nt->hash, ret->mschap_auth);
	/* Made for a wrong answer as well: both take the same time. */
	ret->mppe_keys = mschap_mppe_keys(nt->hash, req->response + NT_RESPONSE, true, ret->mppe_send, ret->mppe_recv);
	return ok;
}

static bool judge_password(const struct local *l, const struct msg_auth_req *req, const struct user *user, struct msg_judged *ret)
{
	const struct nt *nt = &l->nt[user ? users_index(l->users, user) : users_count(l->users)];

	switch (req->method) {
	case AUTH_PAP:
	case AUTH_XAUTH:
		return judge_pap(l, req, user, nt);
	case AUTH_CHAP_MD5:
	case AUTH_EAP_MD5:		/* RFC 3748 5.4: the same */
		return judge_chap_md5(req, user);
	case AUTH_MSCHAPV2:
	case AUTH_EAP_MSCHAPV2:
		return judge_mschapv2(req, nt, ret);
	}
	return false;
}

/* Why no password of this user's can be proved by the method, or NULL. */
static const char *method_fault(const struct user *user, const struct nt *nt, uint32_t method)
{
	bool mschap = method == AUTH_MSCHAPV2 || method == AUTH_EAP_MSCHAPV2;

	if (brings_password(method))
		return NULL;
	if (user->secret == USER_CRYPT)
		return mschap ? "crypt in the users file serves PAP, not MS-CHAPv2" :
				"crypt in the users file serves PAP, not CHAP";
	if (user->secret == USER_NT_HASH)
		return mschap ? NULL : "nt-hash in the users file serves MS-CHAPv2, not CHAP";
	return mschap && !nt->is_his ? "a password of over 256 characters: no MS-CHAPv2" : NULL;
}

/* callnum-check: NULL, or why the user may not come by this call. */
static const char *number_fault(const struct msg_auth_req *req, const struct user *user)
{
	size_t n = strlen(user->calling_number);

	if (!n)
		return "this user has no calling-number";
	if (!req->number_len)
		return "a call without a calling number";
	return n == req->number_len && !memcmp(user->calling_number, req->number, n) ? NULL : "wrong calling number";
}

static const char *judge(const struct local *l, struct rd name, const struct msg_auth_req *req, bool callnum, int64_t now_s,
	struct msg_judged *ret)
{
	static const char wrong[] = "wrong name or password";
	const struct user *user = users_find(l->users, name.p, name.n);
	bool ok = judge_password(l, req, user, ret);
	enum user_state state;
	const char *why;

	if (!user)
		return wrong;
	if (!ok) {
		why = method_fault(user, &l->nt[users_index(l->users, user)], req->method);
		return why ? why : wrong;
	}
	state = user_state(user, now_s);
	if (state != USER_ACTIVE)
		return state == USER_DISABLED ? "the user is disabled" : "the user has expired";
	why = callnum ? number_fault(req, user) : NULL;
	if (why)
		return why;
	ret->framed_ip = user->framed_ip;
	if (user->framed_ip && user->framed_netmask != UINT32_MAX)
		ret->framed_mask = user->framed_netmask;
	ret->has_max_session = user->has_max_session;
	ret->max_session = user->max_session;
	return NULL;
}

const char *local_judge(const struct local *l, struct rd name, const struct msg_auth_req *req, bool callnum, int64_t now_s,
	struct msg_judged *ret)
{
	const char *why = judge(l, name, req, callnum, now_s, ret);

	if (why) {
		explicit_bzero(ret->mschap_auth, sizeof(ret->mschap_auth));
		explicit_bzero(ret->mppe_send, sizeof(ret->mppe_send));
		explicit_bzero(ret->mppe_recv, sizeof(ret->mppe_recv));
		ret->mppe_keys = false;
	}
	return why;
}
