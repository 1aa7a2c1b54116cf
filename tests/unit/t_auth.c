/* SPDX-License-Identifier: GPL-2.0-or-later */
/* auth: which bind and which user a name means, and the three ways to prove a password. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "l2tpd/auth.h"
#include "l2tpd/auth_radius.h"
#include "l2tpd/conf.h"
#include "ppp/mschap.h"

/* Three binds of one tunnel, by suffix, and one of another; RADIUS among them. */
static const char text[] =
	"ike passive esp transport from any to any psk \"tail-gunner-osprey-lilac\"\n"
	"tunnel T protocol l2tp {\n\tauthentication-method pap chap mschapv2 eap eap-md5\n}\n"
	"tunnel SAFE protocol l2tp {\n\tlisten on 192.0.2.2\n}\n"
	"tunnel NUM protocol l2tp {\n\tlisten on 192.0.2.3\n\tcallnum-check yes\n}\n"
	"ipcp I {\n\tpool-address 10.0.0.0/24\n}\n"
	"interface pppx0 address 10.1.0.1 ipcp I\n"
	"interface tun0 address 10.1.0.2 ipcp I\n"
	"authentication ALL type local {\n\tusers-file all\n}\n"
	"authentication EX type local {\n\tusers-file ex\n\tusername-suffix \"@example\"\n\tstrip-atmark-realm yes\n}\n"
	"authentication SUB type local {\n\tusers-file sub\n\tusername-suffix \"@sub@example\"\n\tstrip-nt-domain no\n\teap-capable no\n}\n"
	"authentication RAD type radius {\n\tusername-suffix \"@radius\"\n\tauthentication-server {\n"
	"\t\taddress 192.0.2.9 secret \"x\"\n\t}\n}\n"
	"authentication PHONES type local {\n\tusers-file num\n\tusername-suffix \"@num\"\n}\n"
	"bind tunnel from T authenticated by ALL to pppx0\n"
	"bind tunnel from T authenticated by EX to tun0\n"
	"bind tunnel from T authenticated by SUB to pppx0\n"
	"bind tunnel from T authenticated by RAD to pppx0\n"
	"bind tunnel from SAFE authenticated by EX to pppx0\n"
	"bind tunnel from T authenticated by PHONES to pppx0\n"
	"bind tunnel from NUM authenticated by PHONES to pppx0\n";

enum { T, SAFE, NUM };
enum { ALL, EX, SUB, RAD, PHONES };

static const char *const users[] = {
	[ALL] = "joe:password=secret:\nix:password=pass word\\072:framed-ip-address=10.0.0.9:\n",
	[EX] = "joe:password=other:\n",
	[PHONES] = "phil@num:password=secret:calling-number=5551234:\nnone@num:password=secret:\n",
	[SUB] = "joe@sub@example:password=third:\nDOM\\joe@sub@example:password=fourth:\n",
};

static struct conf conf;
static struct auth *a;

static int setup(void **st)
{
	struct conf_msgs m = { 0 };

	if (conf_parse("t", text, strlen(text), CONF_NO_FILES, &conf, &m) < 0) {
		conf_msgs_print(stderr, &m);
		return -1;
	}
	conf_msgs_free(&m);
	if (auth_new(&conf, &a) < 0)
		return -1;
	for (unsigned i = 0; i < N_ELEMENTS(users); i++) {
		FILE *f = users[i] ? tmpfile() : NULL;
		int err;

		if (!users[i])
			continue;
		if (!f)
			return -1;
		fputs(users[i], f);
		if (i == ALL)
			fprintf(f, "long:password=%0255d:\n", 0);
		fflush(f);
		err = auth_load_users(a, i, fileno(f));
		fclose(f);
		if (err < 0)
			return err;
	}
	return 0;
}

static int teardown(void **st)
{
	auth_free(a);
	return 0;
}

/* What a client sends that has this name and password. */
static struct msg_judge request(unsigned tunnel, uint32_t method, const char *user, const char *password)
{
	struct msg_judge j = { .engine = 1, .req = { .sid = { 3, 4 }, .serial = 5, .tunnel = tunnel, .method = method } };
	struct msg_auth_req *r = &j.req;
	struct rd name = rd_of(user, strlen(user));
	uint8_t hash[MSCHAP_HASH];

	r->user_len = (uint16_t)strlen(user);
	memcpy(r->user, user, r->user_len);
	r->ident = 0x77;
	r->challenge_len = method == AUTH_PAP ? 0 : 16;
	memset(r->challenge, 0x5a, r->challenge_len);
	switch (method) {
	case AUTH_PAP:
		r->response_len = (uint8_t)strlen(password);
		memcpy(r->response, password, r->response_len);
		break;
	case AUTH_CHAP_MD5:
	case AUTH_EAP_MD5:
		r->response_len = CHAP_MD5_VALUE;
		assert_true(chap_md5(r->ident, password, strlen(password), rd_of(r->challenge, 16), r->response));
		break;
	default:
		r->response_len = MSCHAP_VALUE;
		memset(r->response, 0x33, 16);
		assert_true(mschap_nt_hash(password, strlen(password), hash));
		assert_true(mschap_nt_response(r->challenge, r->response, mschap_user(name), hash, r->response + 24));
	}
	return j;
}

/* An hour after the last one: what was wrong before is forgotten. */
static void judge(const struct msg_judge *j, struct msg_judged *ret)
{
	static uint64_t t;

	(void)auth_tick(a, t += 7200000, 0);
	auth_judge(a, j, ret);
}

static const uint32_t methods[] = { AUTH_PAP, AUTH_CHAP_MD5, AUTH_MSCHAPV2, AUTH_EAP_MD5, AUTH_EAP_MSCHAPV2 };

static void t_names(void **st)
{
	/* auth: which one judged; user: as the session is known; why: NULL = let in. */
	static const struct {
		unsigned tunnel;
		const char *name, *password;
		unsigned auth, bind;
		const char *user, *why;
	} rows[] = {
		{ T, "joe", "secret", ALL, 0, "joe", NULL },
		{ T, "joe", "other", ALL, 0, "joe", "wrong name or password" },
		{ T, "joe", "secre", ALL, 0, "joe", "wrong name or password" },
		{ T, "joe", "secrets", ALL, 0, "joe", "wrong name or password" },
		{ T, "joe", "", ALL, 0, "joe", "wrong name or password" },
		{ T, "Joe", "secret", ALL, 0, "Joe", "wrong name or password" },
		{ T, "nobody", "", ALL, 0, "nobody", "wrong name or password" },
		{ T, "", "", ALL, 0, "", "wrong name or password" },
		{ T, "ix", "pass word:", ALL, 0, "ix", NULL },
		/* A Windows domain is taken off by default, a realm is not. */
		{ T, "WORK\\joe", "secret", ALL, 0, "joe", NULL },
		{ T, "joe@home", "secret", ALL, 0, "joe@home", "wrong name or password" },
		/* The longest suffix counts, whatever the order of the binds. */
		{ T, "joe@example", "other", EX, 1, "joe", NULL },
		{ T, "joe@example", "secret", EX, 1, "joe", "wrong name or password" },
		{ T, "WORK\\joe@example", "other", EX, 1, "joe", NULL },
		{ T, "joe@sub@example", "third", SUB, 2, "joe@sub@example", NULL },
		{ T, "DOM\\joe@sub@example", "fourth", SUB, 2, "DOM\\x5cjoe@sub@example", NULL },
		{ T, "DOM\\joe@sub@example", "third", SUB, 2, "DOM\\x5cjoe@sub@example", "wrong name or password" },
		{ T, "joe@example2", "other", ALL, 0, "joe@example2", "wrong name or password" },
		/* The other tunnel knows one suffix and one method. */
		{ SAFE, "joe@example", "other", EX, 4, "joe", NULL },
		{ SAFE, "joe", "secret", 0, 0, "joe", "no authentication for this name" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
			struct msg_judge j = request(rows[i].tunnel, methods[k], rows[i].name, rows[i].password);
			const char *why = rows[i].why;
			struct msg_judged r;

			if (rows[i].tunnel == SAFE && methods[k] != AUTH_MSCHAPV2 && !why)
				why = "authentication method not offered";
			if (rows[i].auth == SUB && (methods[k] == AUTH_EAP_MD5 || methods[k] == AUTH_EAP_MSCHAPV2))
				why = "this authentication is not eap-capable";
			judge(&j, &r);
			if (r.auth != rows[i].auth || r.bind != rows[i].bind || strcmp(r.user, rows[i].user) ||
			    strcmp(r.why, why ? why : ""))
				fail_msg("%s, method %u: auth %u bind %u user %s: %s", rows[i].name, methods[k], r.auth, r.bind,
					r.user, r.why);
			assert_int_equal(r.verdict, why ? VERDICT_DENY : VERDICT_OK);
			assert_int_equal(r.engine, 1);
			assert_int_equal(r.sid.slot, 3);
			assert_int_equal(r.serial, 5);
			assert_int_equal(r.framed_ip, strcmp(rows[i].name, "ix") ? 0 : 0x0a000009);
		}
	}
}

/* A response of one method is none of another's; a length is what the method says. */
static void t_shapes(void **st)
{
	for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
		struct msg_judge good = request(T, methods[k], "joe", "secret"), j;
		struct msg_judged r;
		char full[256];

		for (unsigned n = 0; n < 256; n++) {
			j = good;
			j.req.response_len = (uint8_t)n;
			judge(&j, &r);
			assert_int_equal(r.verdict == VERDICT_OK, n == good.req.response_len);
		}
		for (size_t m = 0; m < N_ELEMENTS(methods); m++) {
			j = good;
			j.req.method = methods[m];
			judge(&j, &r);
			/* EAP's are CHAP's in other packets. */
			assert_int_equal(r.verdict == VERDICT_OK, m == k || (m && k && (m == k + 2 || k == m + 2)));
		}
		j = good;
		j.req.response[good.req.response_len - 17 % good.req.response_len] ^= 1;
		judge(&j, &r);
		assert_int_equal(r.verdict, VERDICT_DENY);
		assert_int_equal(r.mschap_auth[0], 0);
		if (methods[k] != AUTH_PAP) {
			j = good;
			j.req.challenge[15] ^= 1;
			judge(&j, &r);
			assert_int_equal(r.verdict, VERDICT_DENY);
		}
		if (methods[k] == AUTH_CHAP_MD5 || methods[k] == AUTH_EAP_MD5) {
			j = good;
			j.req.ident++;
			judge(&j, &r);
			assert_int_equal(r.verdict, VERDICT_DENY);
			j = good;
			j.req.challenge_len = 0;
			judge(&j, &r);
			assert_int_equal(r.verdict, VERDICT_DENY);
		}
		/* As long as PAP can carry. */
		snprintf(full, sizeof(full), "%0255d", 0);
		j = request(T, methods[k], "long", full);
		judge(&j, &r);
		assert_int_equal(r.verdict, VERDICT_OK);
		/* An unknown method, an unknown tunnel. */
		j = good;
		j.req.tunnel = CONF_TUNNELS;
		judge(&j, &r);
		assert_int_equal(r.verdict, VERDICT_DENY);
	}
}

/* RFC 3079 3.4: the keys go with a right MS-CHAPv2 Response, and with nothing else. */
static void t_keys(void **st)
{
	static const uint8_t zero[MSCHAP_MPPE_KEY];
	uint8_t hash[MSCHAP_HASH], send[MSCHAP_MPPE_KEY], recv[MSCHAP_MPPE_KEY];
	struct msg_judge j = request(T, AUTH_MSCHAPV2, "joe", "secret");
	struct msg_judged v;

	judge(&j, &v);
	assert_int_equal(v.verdict, VERDICT_OK);
	assert_true(v.mppe_keys);
	assert_true(mschap_nt_hash("secret", 6, hash));
	/* The client has them the other way round. */
	assert_true(mschap_mppe_keys(hash, j.req.response + 24, false, send, recv));
	assert_memory_equal(v.mppe_recv, send, sizeof(send));
	assert_memory_equal(v.mppe_send, recv, sizeof(recv));
	for (size_t i = 0; i < N_ELEMENTS(methods); i++) {
		for (int wrong = methods[i] == AUTH_MSCHAPV2 || methods[i] == AUTH_EAP_MSCHAPV2; wrong < 2; wrong++) {
			j = request(T, methods[i], "joe", wrong ? "secre" : "secret");
			judge(&j, &v);
			assert_int_equal(v.verdict, wrong ? VERDICT_DENY : VERDICT_OK);
			assert_false(v.mppe_keys);
			assert_memory_equal(v.mppe_send, zero, sizeof(zero));
			assert_memory_equal(v.mppe_recv, zero, sizeof(zero));
		}
	}
}

/* callnum-check: the tunnel NUM looks at the number of the call, which is judged after the password. */
static void t_number(void **st)
{
	static const struct { unsigned tunnel; const char *name, *password, *number, *why; } rows[] = {
		{ NUM, "phil@num", "secret", "5551234", NULL },
		{ NUM, "phil@num", "secret", "5551235", "wrong calling number" },
		{ NUM, "phil@num", "secret", "555123", "wrong calling number" },
		{ NUM, "phil@num", "secret", "55512345", "wrong calling number" },
		{ NUM, "phil@num", "secret", "", "a call without a calling number" },
		{ NUM, "phil@num", "secre", "5551234", "wrong name or password" },
		{ NUM, "phil@num", "secre", "", "wrong name or password" },
		{ NUM, "none@num", "secret", "5551234", "this user has no calling-number" },
		{ NUM, "none@num", "secret", "", "this user has no calling-number" },
		{ NUM, "nobody@num", "secret", "5551234", "wrong name or password" },
		/* The same user by a tunnel that does not ask. */
		{ T, "phil@num", "secret", "", NULL },
		{ T, "none@num", "secret", "5551234", NULL },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct msg_judge j = request(rows[i].tunnel, AUTH_MSCHAPV2, rows[i].name, rows[i].password);
		struct msg_judged r;

		j.req.number_len = (uint8_t)strlen(rows[i].number);
		memcpy(j.req.number, rows[i].number, j.req.number_len);
		judge(&j, &r);
		assert_string_equal(r.why, rows[i].why ? rows[i].why : "");
		assert_int_equal(r.verdict, rows[i].why ? VERDICT_DENY : VERDICT_OK);
		assert_int_equal(r.mppe_keys, !rows[i].why);
	}
}

/* Two users files, and RADIUS for who is in neither. */
static struct auth *radius_new(void)
{
	static const char two[] =
		"ike passive esp transport from any to any psk \"tail-gunner-osprey-lilac\"\n"
		"tunnel T protocol l2tp {\n\tauthentication-method pap mschapv2\n}\n"
		"ipcp I {\n\tpool-address 10.0.0.0/24\n}\ninterface pppx0 address 10.1.0.1 ipcp I\n"
		"authentication L type local {\n\tusers-file l\n}\n"
		"authentication LX type local {\n\tusers-file lx\n\tusername-suffix x\n}\n"
		"authentication R type radius {\n\tstrip-atmark-realm yes\n\tauthentication-server {\n"
		"\t\taddress 192.0.2.9 secret \"jinx-bottle-radius\"\n\t}\n}\n"
		"bind tunnel from T authenticated by LX L R to pppx0\n";
	static const char bad[] = "mix:password=typed:framed-ip-address=10.0.0:\n";
	static const char crypted[] = "slow:crypt=$5$salt1$hiwRZDsUs5wiSMbuDFr5GbCtRQbMvPBo5dnQgQnzb26:\n";
	struct conf_msgs m = { 0 };
	struct conf c;
	struct auth *b;
	FILE *f;

	assert_int_equal(conf_parse("t", two, strlen(two), CONF_NO_FILES, &c, &m), 0);
	conf_msgs_free(&m);
	assert_int_equal(auth_new(&c, &b), 0);
	for (unsigned i = 0; i < 2; i++) {
		f = tmpfile();
		assert_non_null(f);
		fprintf(f, "%s%s", i ? "max:password=other:\n" : "joe:password=secret:\njoex:password=secret:\n", i ? bad : crypted);
		fflush(f);
		assert_int_equal(auth_load_users(b, i, fileno(f)), 0);
		fclose(f);
	}
	return b;
}

/* By RADIUS: no verdict here, but the question, with the name as the server is to know it. */
static void t_radius(void **st)
{
	/* asked: the name that RADIUS is asked about; NULL: it is not. */
	static const struct { const char *name, *password, *asked; unsigned auth; bool ok; } rows_[] = {
		{ "joe", "secret", NULL, 0, true }, { "joe", "wrong", NULL, 0, false },
		{ "jim", "secret", "jim", 2, false }, { "jim@office", "secret", "jim", 2, false },
		{ "OFFICE\\jim@office", "secret", "jim", 2, false }, { "", "", "", 2, false },
		{ "max", "other", NULL, 1, true }, { "max", "secret", NULL, 1, false },
		{ "joex", "secret", NULL, 0, true }, { "nox", "secret", "nox", 2, false },
		/* His row has a mistake in it; it is his all the same, and not RADIUS's to judge. */
		{ "mix", "typed", NULL, 1, false },
	};
	struct auth *b = radius_new();
	struct msg_radius_ask ask;
	struct msg_judged r;

	for (size_t i = 0; i < N_ELEMENTS(rows_); i++) {
		struct msg_judge j = request(0, AUTH_MSCHAPV2, rows_[i].name, rows_[i].password);
		bool judged_ = auth_judge(b, &j, &r);

		if (judged_ != !rows_[i].asked || r.auth != rows_[i].auth)
			fail_msg("%s: judged %d by %u: %s", rows_[i].name, judged_, r.auth, r.why);
		assert_int_equal(r.verdict, rows_[i].ok ? VERDICT_OK : VERDICT_DENY);
		if (judged_)
			continue;
		auth_question(b, &j, r.auth, &ask);
		assert_int_equal(ask.auth, 2);
		assert_int_equal(ask.name_len, strlen(rows_[i].asked));
		assert_memory_equal(ask.name, rows_[i].asked, ask.name_len);
		assert_string_equal(r.user, rows_[i].asked);
		assert_memory_equal(&ask.judge, &j, sizeof(j));
	}
	/* What the tunnel does not offer is not asked for. */
	struct msg_judge j = request(0, AUTH_CHAP_MD5, "jim", "secret");

	assert_true(auth_judge(b, &j, &r));
	assert_string_equal(r.why, "authentication method not offered");
	auth_free(b);
}

/* One crypt hash makes its file slow: for who is in it, and not for who is looked for elsewhere. */
static void t_slow(void **st)
{
	static const struct { const char *name; uint32_t method; bool slow; } rows[] = {
		{ "joe", AUTH_PAP, true }, { "slow", AUTH_PAP, true }, { "joex", AUTH_PAP, true }, { "joe", AUTH_MSCHAPV2, false },
		{ "max", AUTH_PAP, false }, { "jim", AUTH_PAP, false }, { "nox", AUTH_PAP, false },
	};
	struct auth *b = radius_new();

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct msg_judge j = request(0, rows[i].method, rows[i].name, "secret");

		if (auth_is_slow(b, &j) != rows[i].slow)
			fail_msg("%s by %u", rows[i].name, rows[i].method);
	}
	auth_free(b);
}

/* Questions that are under way, and a radius that dies. */
static unsigned again_n;
static uint32_t again_tags;

static void again_ask(void *arg, const struct msg_radius_ask *ask)
{
	assert_ptr_equal(arg, &again_n);
	again_n++;
	again_tags += ask->tag;
}

static void t_asked(void **st)
{
	static struct auth_radius r;
	static struct msg_radius_ask ask[3000];
	struct msg_judged j = { .engine = 1, .bind = 2, .auth = 3, .serial = 4 }, got;
	struct msg_radius_ask was;
	struct msg_radius_said said = {
		.verdict = VERDICT_OK, .framed_ip = 5, .framed_mask = 0xffffff00, .session_timeout_s = 6, .mppe_keys = 1,
		.mppe_send = { 7 }, .mppe_recv = { 8 }, .mschap_auth = { 9 }, .mschap_error = 10, .message = "m", .why = "w",
		.says = { .idle_timeout_s = 11, .dns = { 12 } },
	};

	auth_radius_init(&r);
	for (unsigned i = 0; i < N_ELEMENTS(ask); i++) {
		j.sid.slot = i;
		assert_true(auth_radius_add(&r, &ask[i], &j));
	}
	for (unsigned i = 0; i < N_ELEMENTS(ask); i += 2) {
		said.tag = ask[i].tag;
		assert_true(auth_radius_said(&r, &said, &was, &got));
		assert_memory_equal(&was, &ask[i], sizeof(was));
		assert_int_equal(got.sid.slot, i);
		assert_int_equal(got.engine + got.bind + got.auth + got.serial, 10);
		assert_int_equal(got.verdict, VERDICT_OK);
		assert_true(got.by_radius && got.framed_ip == 5 && got.framed_mask == 0xffffff00 && got.session_timeout_s == 6 &&
			got.mppe_keys && got.mppe_send[0] == 7 && got.mppe_recv[0] == 8 && got.mschap_auth[0] == 9 &&
			got.mschap_error == 10 && got.says.idle_timeout_s == 11 && got.says.dns[0] == 12);
		assert_string_equal(got.message, "m");
		assert_string_equal(got.why, "w");
		/* Twice: nobody waits any more. */
		assert_false(auth_radius_said(&r, &said, &was, &got));
	}
	auth_radius_again(&r, again_ask, &again_n);
	assert_int_equal(again_n, N_ELEMENTS(ask) / 2);
	assert_int_equal(r.n, N_ELEMENTS(ask) / 2);
	auth_radius_forget(&r);
	assert_int_equal(r.n, 0);
	said.tag = ask[1].tag;
	assert_false(auth_radius_said(&r, &said, &was, &got));
}

/* XAuth brings the password itself, and is for who has it in the configuration, whatever the tunnel's methods. */
static void t_xauth(void **st)
{
	static const struct { unsigned tunnel; const char *name, *password, *why; } rows[] = {
		{ T, "joe", "secret", NULL },
		{ T, "joe", "secre", "wrong name or password" },
		{ T, "joe", "secret1", "wrong name or password" },
		{ T, "joe", "", "wrong name or password" },
		{ T, "nobody", "", "wrong name or password" },
		{ T, "WORK\\joe", "secret", NULL },
		{ T, "joe@example", "other", NULL },
		{ SAFE, "joe@example", "other", NULL },
		{ SAFE, "joe", "secret", "no authentication for this name" },
		{ NUM, "phil@num", "secret", "a call without a calling number" },
	};
	struct conf with = conf;
	struct msg_judged r;

	for (int on = 0; on < 2; on++) {
		with.ike[0].xauth = on;
		assert_int_equal(auth_prepare(a, &with), 0);
		auth_apply(a);
		for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
			struct msg_judge j = request(rows[i].tunnel, AUTH_PAP, rows[i].name, rows[i].password);
			const char *why = rows[i].why;

			if (!on && (!why || strcmp(why, "no authentication for this name")))
				why = "authentication method not offered";
			j.req.method = AUTH_XAUTH;
			auth_judge(a, &j, &r);
			if (strcmp(r.why, why ? why : ""))
				fail_msg("%s: %s", rows[i].name, r.why);
			assert_int_equal(r.verdict, why ? VERDICT_DENY : VERDICT_OK);
		}
	}
	assert_int_equal(auth_prepare(a, &conf), 0);
	auth_apply(a);
}

/* Guessing: the name as it is looked up is what counts, and who was there before is heard all the while. */
static void t_guess(void **st)
{
	static const char *const spellings[] = { "joe", "WORK\\joe", "HOME\\joe" };
	struct msg_judge good = request(T, AUTH_MSCHAPV2, "joe", "secret"), known = good, bad;
	struct msg_judged r;
	uint64_t t = UINT64_C(1) << 40;

	assert_int_equal(auth_tick(a, t, 0), 0);
	known.req.peer = addr_v4(0xc0000201, 4500);
	auth_judge(a, &known, &r);
	assert_int_equal(r.verdict, VERDICT_OK);
	for (unsigned i = 0; i < 12; i++) {
		bad = request(T, methods[i % N_ELEMENTS(methods)], spellings[i % N_ELEMENTS(spellings)], "guess");
		bad.req.peer = addr_v4(0xc6120000 + i, 4500);
		auth_judge(a, &bad, &r);
		assert_int_equal(r.verdict, VERDICT_DENY);
		assert_string_equal(r.why, i < 11 ? "wrong name or password" : "wrong passwords of this user: 2 s to wait");
	}
	good.req.peer = addr_v4(0xc0000299, 4500);
	auth_judge(a, &good, &r);
	assert_int_equal(r.verdict, VERDICT_DENY);
	assert_false(r.mppe_keys);
	/* Somebody else from there, and he from where he was before. */
	bad = request(T, AUTH_MSCHAPV2, "ix", "pass word:");
	bad.req.peer = good.req.peer;
	auth_judge(a, &bad, &r);
	assert_int_equal(r.verdict, VERDICT_OK);
	auth_judge(a, &known, &r);
	assert_int_equal(r.verdict, VERDICT_OK);
	(void)auth_tick(a, t + 2000, 0);
	auth_judge(a, &good, &r);
	assert_int_equal(r.verdict, VERDICT_OK);
	/* An address that tries many names. */
	for (unsigned i = 0; i < 22; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%u", i);
		bad = request(T, AUTH_PAP, name, "guess");
		bad.req.peer = addr_v4(0xc6130000, (uint16_t)i);
		auth_judge(a, &bad, &r);
		assert_string_equal(r.why, i < 21 ? "wrong name or password" : "wrong passwords from this address: 2 s to wait");
	}
}

enum answer { RIGHT, WRONG, NONE };

/* A server's answer to the question, NONE: that there was none; as the verdict. */
static struct msg_judged answer(struct auth *b, const struct msg_radius_ask *ask, enum answer what)
{
	struct msg_radius_said said = {
		.verdict = what == RIGHT ? VERDICT_OK : VERDICT_DENY, .answered = what != NONE, .mppe_keys = what == RIGHT,
		.mppe_send = { 7 }, .message = "said", .why = "refused",
	};
	struct msg_judged j = { .auth = ask->auth, .sid.slot = 9, .user = "him" }, r;
	static struct auth_radius asked;
	static bool ready;
	struct msg_radius_ask q = *ask, was;

	if (!ready)
		auth_radius_init(&asked);
	ready = true;
	assert_true(auth_radius_add(&asked, &q, &j));
	said.tag = q.tag;
	assert_true(auth_radius_said(&asked, &said, &was, &r));
	auth_heard(b, &was, &said, &r);
	assert_int_equal(r.sid.slot, 9);
	assert_int_equal(r.auth, ask->auth);
	assert_string_equal(r.user, "him");
	return r;
}

/* A login from 198.18.0.from; NULL, and the question for RADIUS, or why it is not asked. */
static const char *try_(struct auth *b, const char *name, unsigned from, struct msg_radius_ask *ret)
{
	static struct msg_judged r;
	struct msg_judge j = request(0, AUTH_PAP, name, "guess");

	j.req.peer = addr_v4(0xc6120000 + from, 4500);
	if (auth_judge(b, &j, &r))
		return r.why;
	auth_question(b, &j, r.auth, ret);
	return NULL;
}

/* Guessing a password that a RADIUS server knows: its refusals count, its silence does not. */
static void t_guess_radius(void **st)
{
	static const char *const spellings[] = { "jim", "jim@office", "OFFICE\\jim@home" };
	static const char held[] = "wrong passwords of this user: 2 s to wait";
	struct msg_radius_ask ask, many[13];
	struct auth *b = radius_new();
	struct msg_judged r;
	const char *why;
	uint64_t t = UINT64_C(1) << 40;

	(void)auth_tick(b, t, 0);
	for (unsigned i = 0; i < 50; i++) {
		assert_null(try_(b, "jim", 1, &ask));
		r = answer(b, &ask, NONE);
		assert_string_equal(r.why, "refused");
	}
	/* He who was let in before is heard all the while. */
	assert_null(try_(b, "jim", 2, &ask));
	assert_int_equal(answer(b, &ask, RIGHT).verdict, VERDICT_OK);
	for (unsigned i = 0; i < 12; i++) {
		why = try_(b, spellings[i % N_ELEMENTS(spellings)], 10 + i, &ask);
		if (i == 11)
			assert_string_equal(why, held);
		else
			assert_null(why);
		if (!why)
			assert_string_equal(answer(b, &ask, WRONG).why, "refused");
	}
	assert_null(try_(b, "jim", 2, &ask));
	assert_int_equal(answer(b, &ask, RIGHT).verdict, VERDICT_OK);
	(void)auth_tick(b, t += 2000, 0);
	assert_null(try_(b, "jim", 50, &ask));
	/* Guesses at the same time: those behind the eleventh wrong one learn nothing, not even that they are right. */
	for (unsigned i = 0; i < N_ELEMENTS(many); i++)
		assert_null(try_(b, "ann", 100 + i, &many[i]));
	for (unsigned i = 0; i < N_ELEMENTS(many); i++) {
		r = answer(b, &many[i], i < 11 ? WRONG : i == 11 ? RIGHT : NONE);
		assert_int_equal(r.verdict, VERDICT_DENY);
		assert_string_equal(r.why, i == 11 ? held : "refused");
		if (i == 11)
			assert_true(!r.mppe_keys && !r.mppe_send[0] && !r.message[0]);
	}
	/* An address that tries many names, those of a file among them. */
	for (unsigned i = 0; i < 22; i++) {
		char name[16];

		snprintf(name, sizeof(name), "u%u", i);
		why = try_(b, i % 2 ? name : i % 4 ? "joe" : "max", 200, &ask);
		if (!why)
			(void)answer(b, &ask, WRONG);
		else
			assert_string_equal(why, i < 21 ? "wrong name or password" : "wrong passwords from this address: 2 s to wait");
		assert_int_equal(why == NULL, i % 2 && i < 21);
	}
	auth_free(b);
}

/* The n-th Response of a conversation. */
static struct msg_judge response(unsigned tunnel, const char *user, uint8_t round, uint8_t type, unsigned from)
{
	struct msg_judge j = { .req = { .tunnel = tunnel, .method = AUTH_EAP, .peer = addr_v4(0xc6140000 + from, 4500) } };

	j.req.user_len = (uint16_t)strlen(user);
	memcpy(j.req.user, user, j.req.user_len);
	j.req.eap.round = round;
	j.req.eap.len = 6;
	memcpy(j.req.eap.packet, (const uint8_t[]){ 2, 1, 0, 6, type, 0 }, 6);
	return j;
}

/* Asked, and what comes of the server's answer. */
static struct msg_judged heard(const struct msg_judge *j, uint32_t verdict, bool answered, const char *name)
{
	struct msg_radius_said said = { .verdict = verdict, .answered = answered, .user_len = (uint8_t)strlen(name), .why = "said" };
	struct msg_radius_ask ask;
	struct msg_judged r;

	memcpy(said.user, name, strlen(name));
	assert_false(auth_judge(a, j, &r));
	auth_question(a, j, r.auth, &ask);
	r.verdict = verdict;
	memcpy(r.why, said.why, sizeof(r.why));
	auth_heard(a, &ask, &said, &r);
	return r;
}

static void t_eap(void **st)
{
	enum { IDENTITY = 1, NAK = 3, MSCHAPV2 = 26 };
	static const struct { unsigned tunnel; const char *name; uint8_t round; uint32_t verdict; const char *why; } rows_[] = {
		{ T, "joe", 0, VERDICT_OWN_EAP, "" }, { T, "nobody", 0, VERDICT_OWN_EAP, "" },
		{ T, "joe@sub@example", 0, VERDICT_OWN_EAP, "" },
		{ SAFE, "joe@example", 0, VERDICT_DENY, "authentication method not offered" },
		{ SAFE, "joe", 0, VERDICT_OWN_EAP, "no authentication for this name" },
		{ T, "joe", 1, VERDICT_DENY, "this authentication is no RADIUS server's any more" },
		{ T, "x@radius", 0, 0, "" }, { T, "x@radius", 99, 0, "" },
		{ T, "x@radius", 100, VERDICT_DENY, "EAP without an end: 100 round trips" },
	};
	struct msg_judge j;
	struct msg_judged r;
	uint64_t t = UINT64_C(1) << 41;

	(void)auth_tick(a, t, 0);
	for (size_t i = 0; i < N_ELEMENTS(rows_); i++) {
		j = response(rows_[i].tunnel, rows_[i].name, rows_[i].round, IDENTITY, 1);
		if (auth_judge(a, &j, &r) != (rows_[i].verdict != 0) || (rows_[i].verdict && r.verdict != rows_[i].verdict) ||
		    strcmp(r.why, rows_[i].why))
			fail_msg("row %zu: %u %s", i, r.verdict, r.why);
	}
	/* The name that the server gives, as other names of that authentication. */
	j = response(T, "WORK\\anon@radius", 1, MSCHAPV2, 2);
	assert_string_equal(heard(&j, VERDICT_OK, true, "").user, "anon@radius");
	assert_string_equal(heard(&j, VERDICT_OK, true, "WORK\\ann").user, "ann");
	assert_string_equal(heard(&j, VERDICT_OK, true, "a\"n").user, "a\\x22n");
	assert_string_equal(heard(&j, VERDICT_OK, true, "WORK\\").user, "anon@radius");

	/* Whoever breaks off when he knows enough has guessed all the same; who says what he would rather has not. */
	for (unsigned i = 0; i < 30; i++) {
		j = response(T, "ida@radius", 0, IDENTITY, 100 + i);
		assert_int_equal(heard(&j, VERDICT_EAP, false, "").eap.counted, 0);
		j = response(T, "ida@radius", 1, NAK, 100 + i);
		assert_int_equal(heard(&j, VERDICT_EAP, false, "").eap.counted, 0);
	}
	for (unsigned i = 0; i < 13; i++) {
		j = response(T, "ida@radius", i % 2 + 1, MSCHAPV2, 200 + i);
		r = heard(&j, VERDICT_EAP, false, "");
		assert_int_equal(r.verdict, i < 11 ? VERDICT_EAP : VERDICT_DENY);
		assert_string_equal(r.why, i < 11 ? "said" : "wrong passwords of this user: 2 s to wait");
		assert_int_equal(r.eap.counted, i < 11);
	}
	/* Held back at its beginning, too. */
	j = response(T, "ida@radius", 0, IDENTITY, 300);
	assert_true(auth_judge(a, &j, &r));
	assert_string_equal(r.why, "wrong passwords of this user: 2 s to wait");

	/* One that goes on is counted once; a good end takes it back, and so does a silence; a bad end was counted. */
	for (unsigned i = 0; i < 40; i++) {
		static const struct { uint32_t verdict; bool answered; } ends[] = { { VERDICT_OK, true }, { VERDICT_DENY, false } };

		j = response(T, "eve@radius", 1, MSCHAPV2, 400 + i);
		for (unsigned k = 0; k < 20; k++) {
			r = heard(&j, VERDICT_EAP, false, "");
			assert_int_equal(r.verdict, VERDICT_EAP);
			assert_int_equal(r.eap.counted, 1);
			j.req.eap.counted = 1;
			j.req.eap.round++;
		}
		r = heard(&j, ends[i % 2].verdict, ends[i % 2].answered, "");
		assert_int_equal(r.verdict, ends[i % 2].verdict);
		assert_string_equal(r.why, "said");
	}
	for (unsigned i = 0; i < 11; i++) {
		j = response(T, "eve@radius", 1, MSCHAPV2, 500 + i);
		assert_int_equal(heard(&j, VERDICT_EAP, false, "").verdict, VERDICT_EAP);
		j.req.eap.counted = 1;
		j.req.eap.round++;
		assert_string_equal(heard(&j, VERDICT_DENY, true, "").why, "said");
	}
	j = response(T, "eve@radius", 0, IDENTITY, 600);
	assert_true(auth_judge(a, &j, &r));
	assert_string_equal(r.why, "wrong passwords of this user: 2 s to wait");
	(void)auth_tick(a, t + 2000, 0);
	assert_false(auth_judge(a, &j, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_radius), cmocka_unit_test(t_slow), cmocka_unit_test(t_asked), cmocka_unit_test(t_keys),
		cmocka_unit_test(t_names), cmocka_unit_test(t_shapes), cmocka_unit_test(t_number), cmocka_unit_test(t_guess),
		cmocka_unit_test(t_guess_radius), cmocka_unit_test(t_eap), cmocka_unit_test(t_xauth),
	};

	return cmocka_run_group_tests_name("auth", tests, setup, teardown);
}
