/* SPDX-License-Identifier: GPL-2.0-or-later */
/* users: the getcap text, row by row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "l2tpd/users.h"

#define X100 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

#define NT "0123456789abcdefABCDEF0123456789"
#define SHA512 "$pd1OxDADF3ukDZA0TNDMMZeuZtXBUkydNShVVrB8gAIfp/hWK1AmHHv3TcOxiB4HHVYyIoWbitNtx1TbQpYaX."
#define YES "$UnlHOPVruZT100do3qVTLtVQuty5p7WXBtazwzfzVi."

struct row {
	const char *text;
	const char *name;	/* NULL: nobody is there */
	const char *password;
	uint32_t ip, mask;
	const char *number;
	const char *says;	/* NULL: nothing is said */
};

static const struct row rows[] = {
	{ "", NULL, .says = NULL },
	{ "# joe:password=x:\n\n  \n", NULL, .says = NULL },
	{ "joe:password=x:\n", "joe", "x", 0, ~0u, "", NULL },
	{ "joe:password=x", "joe", "x", 0, ~0u, "", NULL },
	{ "joe:\\\n\t:password=twogoatsonewolf:\n", "joe", "twogoatsonewolf", 0, ~0u, "", NULL },
	{ "joe:\\\n\t:password=s:\\\n\t:framed-ip-address=10.0.0.7:\\\n\t:framed-ip-network=255.255.255.0:\\\n"
	  "\t:calling-number=123:\n",
	  "joe", "s", 0x0a000007, 0xffffff00, "123", NULL },
	{ "joe:password=s:framed-ip-network=255.255.255.255:", "joe", "s", 0, ~0u, "", NULL },
	{ "joe:password=s:calling-number=123:", "joe", "s", 0, ~0u, "123", NULL },
	{ "joe:\\\n    password=x:\n", "joe", "x", 0, ~0u, "", NULL },
	{ "joe:password=a\\072b\\\\c\\^d\\ce:", "joe", "a:b\\c^d:e", 0, ~0u, "", NULL },
	{ "joe:password=^A\\E\\n\\t\\001\\x:", "joe", "\001\033\n\t\001x", 0, ~0u, "", NULL },
	{ "joe:password=\\377\\0601:", "joe", "\37701", 0, ~0u, "", NULL },
	{ "joe:password=\303\251\342\202\254 x=y#z|:", "joe", "\303\251\342\202\254 x=y#z|", 0, ~0u, "", NULL },
	{ "j\303\266rg:password=x:", "j\303\266rg", "x", 0, ~0u, "", NULL },
	{ "joe@example.net:password=x:", "joe@example.net", "x", 0, ~0u, "", NULL },
	{ "# a comment that ends in \\\njoe:password=x:", "joe", "x", 0, ~0u, "", NULL },
	{ "joe:password=x:password=y:", "joe", "x", 0, ~0u, "", "f:1:16: warning: joe: this field stands here twice; the first" },
	{ "joe:password=x:\\\n  :framed-ip-address=10.0.0.7:\\\n\tframed-ip-address=10.0.0.8:\n", "joe", "x", 0x0a000007, ~0u, "",
	  "f:3:2: warning: joe: this field stands here twice" },
	{ "joe:password=x:tc=others:", "joe", "x", 0, ~0u, "", "f:1:16: warning: joe: tc= is not supported and ignored" },
	{ "joe:password=x:\\\n\t:sh:\\\n\t:uid#7:", "joe", "x", 0, ~0u, "", "f:3:3: warning: joe: field uid is unknown" },
	{ "joe:password=x:\\", "joe", "x", 0, ~0u, "", NULL },
	{ "joe:password=x:\njoe:password=y:\n", "joe", "x", 0, ~0u, "", "f:2:1: warning: joe: this user is there already, at line 1; that row counts" },
	{ "joe:password=x:pasword=y:", "joe", "x", 0, ~0u, "", "field pasword is unknown and ignored; did you mean password?" },
	{ "\n\njoe:password:\n", NULL, .says = "f:3:1: warning: joe: there is no password" },
	{ "joe:password=:\n", NULL, .says = "the password is empty" },
	{ "joe\n", NULL, .says = "f:1:1: warning: expected NAME:password=" },
	{ ":password=x:\n", NULL, .says = "begins with the user's name" },
	{ "joe|jim:password=x:\n", NULL, .says = "a name may not hold |" },
	{ "joe :password=x:\n", NULL, .says = "a blank at an end of the name" },
	{ "joe:\n\t:password=x:\n", NULL, .says = "f:2:1: warning: this line belongs to no row: the one before must end in a backslash" },
	{ "joe:\\ \n\t:password=x:\n", NULL, .says = "f:1:5: warning: joe: a blank after the backslash, so the row ends here" },
	{ "joe:\\\r\n\t:password=x:\r\n", NULL, .says = "f:2:1: warning: a carriage return: lines must end as on Unix (sed" },
	{ "joe:password=two:goats:", "joe", "two", 0, ~0u, "", "f:1:18: warning: joe: what stands here has no name= and is ignored; "
	  "a colon in a password is written \\072" },
	{ "jo\te:password=x:\n", NULL, .says = "a control character" },
	{ "joe:password=x:\r\n", NULL, .says = "carriage return" },
	{ "joe:password=x\\:\n", NULL, .says = "a backslash at the end of a value" },
	{ "joe:password=x^:\n", NULL, .says = "a ^ at the end of a value" },
	{ "joe:password=x:calling-number=\\0001:\n", NULL, .says = "a NUL in a value" },
	{ "joe:password=x:calling-number=^@:\n", NULL, .says = "a NUL in a value" },
	{ "joe:password=x:disable:", "joe", "x", 0, ~0u, "", "a field that is no field and is ignored; did you mean disabled?" },
	{ "joe:password=x:expire=2030-01-01:", "joe", "x", 0, ~0u, "", "field expire is unknown and ignored; did you mean expires?" },
	{ "joe:password=x:nt-hash=" NT ":\n", NULL, .says = "f:1:16: warning: joe: password, nt-hash and crypt exclude each other" },
	{ "joe:nt-hash=" NT ":password=x:\n", NULL, .says = "exclude each other" },
	{ "joe:nt-hash=0123:\n", NULL, .says = "f:1:5: warning: joe: nt-hash is not 32 hexadecimal digits" },
	{ "joe:nt-hash=" NT "0:\n", NULL, .says = "nt-hash is not 32" },
	{ "joe:nt-hash=x123456789abcdef0123456789abcdef:\n", NULL, .says = "nt-hash is not 32" },
	{ "joe:crypt=:\n", NULL, .says = "its method is not one of" },
	{ "joe:crypt=secret:\n", NULL, .says = "its method is not one of" },
	{ "joe:crypt=$1$zFeUxY5X$Bu.ZWzPmp2REpiK4nKVYe.:\n", NULL, .says = "its method is not one of" },
	{ "joe:crypt=!$6$GUQCxDZtlEGAtZhH$pd1:\n", NULL, .says = "characters that no hash has" },
	{ "joe:crypt=$6$GUQCxDZtlEGAtZhH$pd1OxDADF3ukDZA0TNDMMZe:\n", NULL, .says = "it is cut off, or no hash" },
	{ "joe:crypt=$6$rounds=2000000$GUQCxDZtlEGAtZhH" SHA512 ":\n", NULL, .says = "a login by it would take too long" },
	{ "joe:crypt=$y$jFT$xy/3cwQK1AhmtSnwo5GBi0" YES ":\n", NULL, .says = "a login by it would take too long" },
	{ "joe:crypt=$2b$14$jecalLt3q4gAt.VcqZjmq.pYRjCrc.egpusAniRFC4mdMxK3Zgo62:\n", NULL, .says = "a login by it would take too long" },
	{ "joe:password=x:expires=tomorrow:\n", NULL, .says = "f:1:16: warning: joe: expires is no time such as" },
	{ "joe:password=x:expires=2030-02-30:\n", NULL, .says = "expires is no time" },
	{ "joe:password=x:expires=2030-01-01T2500:\n", NULL, .says = "expires is no time" },
	{ "joe:password=x:expires=2030-01-01T12:30:\n", NULL, .says = "expires is no time" },
	{ "joe:password=x:expires=2030-01-01+0100:\n", NULL, .says = "expires is no time" },
	{ "joe:password=x:max-session=-1:\n", NULL, .says = "max-session is no number" },
	{ "joe:password=x:max-session=:\n", NULL, .says = "max-session is no number" },
	{ "joe:password=x:disabled=maybe:\n", NULL, .says = "disabled stands alone, or with yes or no" },
	{ "joe:password=\\777:\n", NULL, .says = "beyond \\377" },
	{ "joe:password=x:\\\n\t:framed-ip-address=10.0.0:\n", NULL, .says = "f:2:3: warning: joe: framed-ip-address is no" },
	{ "joe:password=x:framed-ip-address=0.0.0.0:\n", NULL, .says = "framed-ip-address is no" },
	{ "joe:password=x:framed-ip-address=::1:\n", NULL, .says = "framed-ip-address is no" },
	{ "joe:password=x:framed-ip-network=255.0.255.0:\n", NULL, .says = "is no netmask" },
	{ X100 X100 X100 ":password=x:\n", NULL, .says = "more than 127 bytes" },
};

static bool said(const struct conf_msgs *m, const char *text)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strstr(m->line[i], text))
			return true;
	}
	return false;
}

/* Passwords are short in what follows. */
static size_t said_else(const struct conf_msgs *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += !strstr(m->line[i], "can be guessed");
	return n;
}

static void t_weak(void **st)
{
	static const struct {
		const char *name, *password, *says;
	} w[] = {
		{ "joe", "sevenby", "has fewer than 8 bytes" },
		{ "joe", "sevenbyt", NULL },
		{ "joe", "twogoatsonewolf", NULL },
		{ "joe", "Password123", "is made of common words or few characters" },
		{ "joe", "aaaaaaaaaaaaaaaaaa", "is made of common words or few characters" },
		{ "tommyg", "TommyG99", "is little more than the user's name" },
		{ "tommyg", "TommyG-osprey", NULL },
		{ "al", "al-alpine", NULL },
	};
	char text[128];

	for (size_t i = 0; i < N_ELEMENTS(w); i++) {
		struct conf_msgs m = { 0 };
		struct users *t;

		snprintf(text, sizeof(text), "\n%s:password=%s:\n", w[i].name, w[i].password);
		assert_int_equal(users_load(text, strlen(text), "f", &t, &m), 0);
		assert_int_equal(users_count(t), 1);
		assert_int_equal(m.n, w[i].says ? 1 : 0);
		if (w[i].says) {
			assert_true(said(&m, w[i].says));
			snprintf(text, sizeof(text), "f:2:1: warning: %s: the password", w[i].name);
			assert_true(said(&m, text));
			assert_false(said(&m, w[i].password));
		}
		conf_msgs_free(&m);
		users_free(t);
	}
}

static void t_rows(void **st)
{
	/* Each row alone, and with a good one before and after it, which must not suffer. */
	for (size_t i = 0; i < 2 * N_ELEMENTS(rows); i++) {
		const struct row *r = &rows[i / 2];
		struct conf_msgs m = { 0 };
		const struct user *u;
		struct users *t;
		char text[2048];

		if (i % 2) {
			snprintf(text, sizeof(text), "%s%s\nafter:password=a:\n", r->text, *r->text &&
				r->text[strlen(r->text) - 1] == '\\' ? "\n" : "");
			assert_int_equal(users_load(text, strlen(text), "f", &t, &m), 0);
			assert_non_null(users_find(t, (const uint8_t *)"after", 5));
		} else {
			assert_int_equal(users_load(r->text, strlen(r->text), "f", &t, &m), 0);
			assert_int_equal(users_count(t), r->name ? 1 : 0);
		}
		u = r->name ? users_find(t, (const uint8_t *)r->name, strlen(r->name)) : NULL;
		if ((r->name && !u) || (r->says ? !said(&m, r->says) : said_else(&m) > 0)) {
			conf_msgs_print(stderr, &m);
			fail_msg("row %zu: %s", i / 2, r->text);
		}
		if (u) {
			assert_string_equal(u->name, r->name);
			assert_string_equal(u->password, r->password);
			assert_int_equal(u->password_len, strlen(r->password));
			assert_int_equal(u->framed_ip, r->ip);
			assert_int_equal(u->framed_netmask, r->mask);
			assert_string_equal(u->calling_number, r->number);
		}
		assert_int_equal(m.errors, 0);
		conf_msgs_free(&m);
		users_free(t);
	}
}

static void t_bytes(void **st)
{
	static const char nul[] = "joe:password=x:\nj\0m:password=y:\namy:password=z\0:\nAmy:password=w:\n";
	struct conf_msgs m = { 0 };
	struct users *t;

	assert_int_equal(users_load(nul, sizeof(nul) - 1, "f", &t, &m), 0);
	assert_int_equal(users_count(t), 2);
	assert_true(said(&m, "f:2:1: "));
	assert_true(said(&m, "f:3:1: "));
	/* Names are bytes: no case, no prefix, no NUL. */
	assert_non_null(users_find(t, (const uint8_t *)"Amy", 3));
	assert_null(users_find(t, (const uint8_t *)"amy", 3));
	assert_null(users_find(t, (const uint8_t *)"AMY", 3));
	assert_null(users_find(t, (const uint8_t *)"Amy", 2));
	assert_null(users_find(t, (const uint8_t *)"Amy\0", 4));
	assert_null(users_find(t, (const uint8_t *)"", 0));
	users_free(t);
	conf_msgs_free(&m);
}

static void t_limits(void **st)
{
	struct conf_msgs m = { 0 };
	struct users *t;
	char *text = malloc(USERS_ROW_MAX + 16384);
	size_t n;

	assert_non_null(text);
	/* The longest name and password, then one byte more; nothing is cut. */
	for (unsigned over = 0; over < 2; over++) {
		n = (size_t)sprintf(text, "%0*d:password=x:\nb:password=%0*d:\nc:password=x:\n",
			(int)(USERS_NAME_MAX + over), 1, (int)(USERS_PASSWORD_MAX + over), 1);
		assert_int_equal(users_load(text, n, "f", &t, &m), 0);
		assert_int_equal(users_count(t), over ? 1 : 3);
		users_free(t);
	}
	/* A row that is too long is left out as a whole. */
	n = (size_t)sprintf(text, "a:\\\n:%0*d:\\\n:password=x:\nb:password=y:\n", USERS_ROW_MAX, 1);
	assert_int_equal(users_load(text, n, "f", &t, &m), 0);
	assert_int_equal(users_count(t), 1);
	assert_true(said(&m, "the row is too long"));
	assert_non_null(users_find(t, (const uint8_t *)"b", 1));
	users_free(t);
	conf_msgs_free(&m);
	free(text);
	assert_int_equal(users_load("", (size_t)USERS_FILE_MAX + 1, "f", &t, &m), -E2BIG);
}

static void t_many(void **st)
{
	enum { N = 10000 };
	char path[] = "/tmp/culvert-t_users-XXXXXX", name[32];
	int fd = mkstemp(path);
	struct conf_msgs m = { 0 };
	struct users *t;
	FILE *f;

	assert_true(fd >= 0);
	unlink(path);
	f = fdopen(dup(fd), "w");
	assert_non_null(f);
	for (unsigned i = 0; i < N; i++)
		fprintf(f, "user%u:\\\n\t:password=pw%u-tail-gunner:\n", i, i);
	fclose(f);
	/* Twice: the descriptor's position is no matter. */
	for (int twice = 0; twice < 2; twice++) {
		assert_int_equal(users_load_fd(fd, "f", &t, &m), 0);
		assert_int_equal(users_count(t), N);
		for (unsigned i = 0; i < N; i++) {
			const struct user *u;

			snprintf(name, sizeof(name), "user%u", i);
			u = users_find(t, (const uint8_t *)name, strlen(name));
			assert_non_null(u);
			assert_ptr_equal(u, users_at(t, i));
			assert_int_equal(atoi(u->password + 2), i);
		}
		assert_null(users_find(t, (const uint8_t *)"user10000", 9));
		users_free(t);
	}
	close(fd);
	assert_int_equal(users_load_fd(-1, "f", &t, &m), -EBADF);
	assert_int_equal(m.n, 0);
}

static const struct user *only(struct users **t, const char *text)
{
	struct conf_msgs m = { 0 };

	assert_int_equal(users_load(text, strlen(text), "f", t, &m), 0);
	if (users_count(*t) != 1 || said_else(&m)) {
		conf_msgs_print(stderr, &m);
		fail_msg("%s", text);
	}
	conf_msgs_free(&m);
	return users_at(*t, 0);
}

/* What stands in place of a password, and the other fields that are ours. */
static void t_fields(void **st)
{
	static const char *const hashes[] = {
		"$y$j9T$xy/3cwQK1AhmtSnwo5GBi0" YES, "$y$j75$xy/3cwQK1AhmtSnwo5GBi0" YES,
		"$gy$j9T$lUXECoPmPcgnXd1S4V/tH/$h4mwP54VB0t3o7R7Tr98SSlNfmIE2DCVt9YkesaXCP3",
		"$7$CU..../....40ZtaAAGQKy/yWYKbXqXu1$XBNR54Vc7L5wNw1In759QIsO6xD9rkqEG8PmqiU9cC0",
		"$2b$05$jecalLt3q4gAt.VcqZjmq.pYRjCrc.egpusAniRFC4mdMxK3Zgo62",
		"$6$GUQCxDZtlEGAtZhH" SHA512, "$6$rounds=5000$GUQCxDZtlEGAtZhH" SHA512,
		"$5$jeSrTpdm9t6E0X/V$COo/FDhEh74AusdmSmTUX.b1FA8CYnZEucaj5pdcYGC",
	};
	static const size_t cost_len[] = { 6, 6, 7, 14, 6, 3, 15, 3 };
	char text[512];
	struct users *t;
	const struct user *w = only(&t, "joe:nt-hash=" NT ":\n");

	assert_int_equal(w->secret, USER_NT_HASH);
	assert_memory_equal(w->nt_hash, "\x01\x23\x45\x67\x89\xab\xcd\xef\xab\xcd\xef\x01\x23\x45\x67\x89", 16);
	assert_int_equal(w->password_len, 0);
	users_free(t);
	for (size_t i = 0; i < N_ELEMENTS(hashes); i++) {
		snprintf(text, sizeof(text), "joe:crypt=%s:\n", hashes[i]);
		w = only(&t, text);
		assert_int_equal(w->secret, USER_CRYPT);
		assert_string_equal(w->crypt, hashes[i]);
		assert_int_equal(users_crypt_cost_len(w->crypt), cost_len[i]);
		users_free(t);
	}
	w = only(&t, "joe:\\\n\t:password=x\\000y\\0000:\\\n\t:max-session=0:\\\n\t:disabled:\n");
	assert_int_equal(w->secret, USER_PASSWORD);
	assert_int_equal(w->password_len, 5);
	assert_memory_equal(w->password, "x\0y\0" "0", 6);
	assert_true(w->has_max_session);
	assert_int_equal(w->max_session, 0);
	assert_int_equal(user_state(w, 0), USER_DISABLED);
	users_free(t);
	w = only(&t, "joe:disabled=no:password=x:max-session=7:expires=2030-01-01T00\\07230Z:\n");
	assert_int_equal(w->max_session, 7);
	assert_false(w->disabled);
	assert_string_equal(w->expires, "2030-01-01T00:30Z");
	assert_int_equal(w->expires_s, 1893457800);
	assert_int_equal(user_state(w, 1893457799), USER_ACTIVE);
	assert_int_equal(user_state(w, 1893457800), USER_EXPIRED);
	assert_int_equal(users_next_expiry(t, 1893457799), 1893457800);
	assert_int_equal(users_next_expiry(t, 1893457800), 0);
	users_free(t);
	w = only(&t, "joe:disabled=yes:password=x:");
	assert_true(w->disabled && !w->has_max_session && !w->expires_s && !*w->expires);
	users_free(t);
}

static void t_expiry(void **st)
{
	static const struct { const char *zone, *text; int64_t t; } some[] = {
		{ "UTC", "2030-01-01", 1893542400 }, { "UTC", "2030-01-01Z", 1893542400 }, { "UTC", "2030-12-31", 1924992000 },
		{ "UTC", "2028-02-29", 1835481600 }, { "UTC", "2030-01-01T0000", 1893456000 }, { "UTC", "2030-01-01T00:00Z", 1893456000 },
		{ "UTC", "2030-01-01T00:00:01Z", 1893456001 }, { "UTC", "2030-01-01T000002", 1893456002 },
		{ "UTC", "2030-01-01T00:00:", 0 }, { "UTC", "2030-01-01T00:00:60", 0 }, { "UTC", "2030-01-01T00001", 0 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2030-01-01", 1893538800 }, { "CET-1CEST,M3.5.0,M10.5.0/3", "2030-01-01Z", 1893542400 },
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2030-07-01T12:00", 1909130400 },
		/* The day on which clocks go forward, and an hour that is not there. */
		{ "CET-1CEST,M3.5.0,M10.5.0/3", "2030-03-31", 1901224800 }, { "CET-1CEST,M3.5.0,M10.5.0/3", "2030-03-31T0230", 1901151000 },
		{ "UTC", "", 0 }, { "UTC", "2030", 0 }, { "UTC", "2030-1-1", 0 }, { "UTC", "2030-13-01", 0 }, { "UTC", "2030-00-10", 0 },
		{ "UTC", "2030-02-29", 0 }, { "UTC", "2030-02-29Z", 0 }, { "UTC", "2030-01-01T24:00", 0 }, { "UTC", "2030-01-01T12", 0 },
		{ "UTC", "2030-01-01T1260", 0 }, { "UTC", "2030-01-01ZZ", 0 }, { "UTC", " 2030-01-01", 0 }, { "UTC", "2030-01-01 ", 0 },
		{ "UTC", "1969-12-31", 0 }, { "UTC", "never", 0 },
	};
	int64_t t;

	for (size_t i = 0; i < N_ELEMENTS(some); i++) {
		setenv("TZ", some[i].zone, 1);
		tzset();
		t = 0;
		if (users_parse_expiry(some[i].text, &t) != (some[i].t != 0) || t != some[i].t)
			fail_msg("%s: %lld", some[i].text, (long long)t);
	}
	unsetenv("TZ");
	tzset();
}

/* A row that cannot be read is nobody's end; one without a password is. */
static void t_states(void **st)
{
	static const char text[] = "good:password=x:\ntypo:password=x:framed-ip-address=10.0.0:\nshut:password=:\nnone:\\\n\t:disabled:\n"
		"cr:password=x:\r\nno colon\n";
	static const struct { const char *name; enum user_state st; } some[] = {
		{ "good", USER_ACTIVE }, { "typo", USER_UNREADABLE }, { "shut", USER_UNKNOWN }, { "none", USER_UNKNOWN },
		{ "cr", USER_UNREADABLE }, { "no colon", USER_UNKNOWN }, { "goo", USER_UNKNOWN }, { "typ", USER_UNKNOWN }, { "", USER_UNKNOWN },
	};
	struct conf_msgs m = { 0 };
	struct users *t;

	assert_int_equal(users_load(text, sizeof(text) - 1, "f", &t, &m), 0);
	conf_msgs_free(&m);
	assert_int_equal(users_count(t), 1);
	assert_int_equal(users_bad_rows(t), 5);
	for (size_t i = 0; i < N_ELEMENTS(some); i++)
		if (users_state(t, (const uint8_t *)some[i].name, strlen(some[i].name), 1) != some[i].st)
			fail_msg("%s", some[i].name);
	users_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_fields), cmocka_unit_test(t_expiry), cmocka_unit_test(t_states),
		cmocka_unit_test(t_weak),
		cmocka_unit_test(t_rows),
		cmocka_unit_test(t_bytes),
		cmocka_unit_test(t_limits),
		cmocka_unit_test(t_many),
	};

	return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
