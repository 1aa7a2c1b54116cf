/* SPDX-License-Identifier: GPL-2.0-or-later */
/* users: one pass over the text, all strings in one block of memory that is wiped at the end. */
#include "l2tpd/users.h"

#include <crypt.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/proto.h"
#include "base/addr.h"
#include "l2tpd/keyword.h"
#include "l2tpd/weak.h"

enum { BAD_NAMES = 256, NUMBER_MAX = sizeof(((struct msg_auth_req *)0)->number), EXPIRES_MAX = 31 };

struct users {
	struct user *v;
	size_t n, cap;
	/* Whose rows were left out for a mistake; those that follow BAD_NAMES are only counted. */
	struct { const char *name; uint16_t len; } bad[BAD_NAMES];
	size_t n_bad, n_bad_rows;
	/* The strings; no value is longer than what it was written as. */
	char *arena;
	size_t arena_len, arena_cap;
	uint32_t *slot;		/* open addressing; index + 1, 0 = empty */
	size_t n_slot;		/* a power of two, at least twice n */
};

struct loader {
	struct users *u;
	struct users_text text;
	const char *path;
	struct conf_msgs *msgs;
};

/* FNV-1a: the table's names come from our own file, so no one can make it degenerate. */
static uint32_t name_hash(const uint8_t *p, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static const struct user *find(const struct users *u, const uint8_t *name, size_t len)
{
	size_t mask = u->n_slot - 1;

	if (!u->n_slot)
		return NULL;
	for (size_t i = name_hash(name, len) & mask; u->slot[i]; i = (i + 1) & mask) {
		const struct user *w = &u->v[u->slot[i] - 1];

		if (w->name_len == len && !memcmp(w->name, name, len))
			return w;
	}
	return NULL;
}

static void slot_put(struct users *u, size_t at)
{
	size_t mask = u->n_slot - 1;
	size_t i = name_hash((const uint8_t *)u->v[at].name, u->v[at].name_len) & mask;

	while (u->slot[i])
		i = (i + 1) & mask;
	u->slot[i] = (uint32_t)at + 1;
}

/* Room for one more user. */
static bool grow(struct users *u)
{
	if (u->n == u->cap) {
		size_t cap = u->cap ? u->cap * 2 : 64;
		struct user *v = realloc(u->v, cap * sizeof(*v));

		if (!v)
			return false;
		u->v = v;
		u->cap = cap;
	}
	if (2 * (u->n + 1) > u->n_slot) {
		size_t n = u->n_slot ? u->n_slot * 2 : 128;
		uint32_t *slot = calloc(n, sizeof(*slot));

		if (!slot)
			return false;
		free(u->slot);
		u->slot = slot;
		u->n_slot = n;
		for (size_t i = 0; i < u->n; i++)
			slot_put(u, i);
	}
	return true;
}

static const char *keep(struct users *u, const char *s, size_t n)
{
	char *at = u->arena + u->arena_len;

	memcpy(at, s, n);
	at[n] = '\0';
	u->arena_len += n + 1;
	return at;
}

/*
 * A value's escapes, as getcap(3) has them.  Returns its length in out, or -1
 * and why.  in ends before the colon that closes the field.
 */
static int unescape(const char *in, size_t n, char *out, size_t cap, bool may_nul, const char **why)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)in[i];

		if (c == '^') {
			if (++i == n) {
				*why = "a ^ at the end of a value: write \\^ for the character";
				return -1;
			}
			c = (unsigned char)in[i] & 037;
		} else if (c == '\\') {
			if (++i == n) {
				*why = "a backslash at the end of a value: write \\\\ for the character, \\072 for a colon";
				return -1;
			}
			c = (unsigned char)in[i];
			if (c >= '0' && c <= '7') {
				unsigned v = 0;

				for (unsigned d = 0; d < 3 && i < n && in[i] >= '0' && in[i] <= '7'; d++)
					v = v * 8 + (unsigned)(in[i++] - '0');
				i--;
				if (v > 255) {
					*why = "an octal escape beyond \\377";
					return -1;
				}
				c = (unsigned char)v;
			} else {
				static const char from[] = "bBtTnNfFrReEcC", to[] = "\b\b\t\t\n\n\f\f\r\r\033\033::";
				const char *k = strchr(from, c);

				if (k)
					c = (unsigned char)to[k - from];
			}
		}
		if (c == '\0' && !may_nul) {
			*why = "a NUL in a value";
			return -1;
		}
		if (o + 1 >= cap) {
			*why = "a value is too long";
			return -1;
		}
		out[o++] = (char)c;
	}
	out[o] = '\0';
	return (int)o;
}

static bool ip4_of(const char *s, uint32_t *ret)
{
	struct addr a;

	if (!addr_parse(s, 0, &a) || a.family != 4)
		return false;
	*ret = addr_v4_of(&a);
	return true;
}

/* What is wrong with the byte at at, or the row as a whole (0). */
static void say(const struct loader *l, const struct users_row *r, size_t at, size_t name_len, const char *what)
{
	char shown[64];
	unsigned line, col;

	str_escape(shown, sizeof(shown), r->text, name_len);
	users_row_place(&l->text, r, at, &line, &col);
	conf_msg_add(l->msgs, true, l->path, line, col, "%s%s%s", shown, *shown ? ": " : "", what);
}

enum field {
	F_PASSWORD, F_NT_HASH, F_CRYPT, F_IP, F_NET, F_NUMBER, F_EXPIRES, F_MAX_SESSION, F_DISABLED, FIELDS,
	F_SECRETS = 1 << F_PASSWORD | 1 << F_NT_HASH | 1 << F_CRYPT,
};

static const char *const field_names[FIELDS] = {
	[F_PASSWORD] = "password", [F_NT_HASH] = "nt-hash", [F_CRYPT] = "crypt", [F_IP] = "framed-ip-address",
	[F_NET] = "framed-ip-network", [F_NUMBER] = "calling-number", [F_EXPIRES] = "expires",
	[F_MAX_SESSION] = "max-session", [F_DISABLED] = "disabled",
};

/* Which field it is, and its value: of disabled, which needs none, maybe NULL. FIELDS: one that we do not know. */
static enum field field_of(const struct users_field *f, const char **ret_value, size_t *ret_len)
{
	for (unsigned i = 0; i < FIELDS; i++) {
		*ret_value = users_field_is(f, field_names[i], ret_len);
		if (*ret_value)
			return (enum field)i;
	}
	*ret_len = 0;
	return f->n == strlen("disabled") && !memcmp(f->p, "disabled", f->n) ? F_DISABLED : FIELDS;
}

/* A field that we do not know: kept out of the way, but a slip of the pen must be seen. */
static void say_unknown(const struct loader *l, const struct users_row *r, size_t name_len, const struct users_field *f)
{
	const char *best = NULL;
	unsigned dist = UINT_MAX;
	char word[32], what[160];

	/* Up to the value: that may be a secret. */
	str_escape(word, sizeof(word), f->p, MIN(f->n, strcspn(f->p, "=#@:")));
	/* The rest of a password with a colon in it, or one without its name; so it is not shown. */
	if (!memchr(f->p, '=', f->n) && !memchr(f->p, '#', f->n) && !memchr(f->p, '@', f->n)) {
		if (f->p[0] == '\\' && strspn(f->p + 1, " \t") == f->n - 1)
			say(l, r, f->i, name_len, "a blank after the backslash, so the row ends here: take it away");
		else if (kw_distance(word, "disabled", 2) <= 2)
			say(l, r, f->i, name_len, "a field that is no field and is ignored; did you mean disabled?");
		else
			say(l, r, f->i, name_len, "what stands here has no name= and is ignored; "
				"a colon in a password is written \\072");
		return;
	}
	for (size_t i = 0; i < FIELDS; i++)
		kw_suggest(word, field_names[i], &best, &dist);
	if (!strcmp(word, "tc"))
		snprintf(what, sizeof(what), "tc= is not supported and ignored: write the fields of the other row here too");
	else
		snprintf(what, sizeof(what), "field %s is unknown and ignored%s%s%s", word, best ? "; did you mean " : "",
			best ? best : "", best ? "?" : "");
	say(l, r, f->i, name_len, what);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool nt_hash_of(const char *s, size_t n, uint8_t ret[static USERS_NT_HASH])
{
	if (n != 2 * USERS_NT_HASH)
		return false;
	for (size_t i = 0; i < n; i++) {
		int d = hex_digit(s[i]);

		if (d < 0)
			return false;
		ret[i / 2] = (uint8_t)(i % 2 ? ret[i / 2] | d : d << 4);
	}
	return true;
}

/* ---- crypt(3) ---- */

/* The methods that are served, the length of what follows the last '$', and the most that one may cost. */
static const struct {
	const char *prefix;
	size_t hash_len;		/* with bcrypt's salt, which no '$' divides from it */
} methods[] = {
	{ "$y$", 43 }, { "$gy$", 43 }, { "$7$", 43 }, { "$2a$", 53 }, { "$2b$", 53 }, { "$2y$", 53 }, { "$6$", 86 }, { "$5$", 43 },
};

/* At the most about half a second of a slow machine, or strangers could keep auth busy. */
enum { BCRYPT_MAX = 12, SHA_ROUNDS_MAX = 1000000 };
#define YESCRYPT_MAX 'B'		/* N = 2^14 of 4 KB blocks: crypt_gensalt(3)'s count 7 */
#define SCRYPT_MAX 'D'			/* count 8 */

static const char *crypt_rounds(const char *s, uint64_t *ret)
{
	char number[12] = "";
	const char *end;

	*ret = 0;
	if (strncmp(s, "rounds=", 7))
		return s;
	end = strchr(s, '$');
	if (end && (size_t)(end - s) - 7 < sizeof(number))
		memcpy(number, s + 7, (size_t)(end - s) - 7);
	return parse_uint(number, 1, UINT32_MAX, ret) ? end + 1 : NULL;
}

/* Does it cost no more than is allowed?  base64 of crypt(3) is in the order of ASCII: ./0-9A-Za-z. */
static bool crypt_affordable(const char *s)
{
	const char *p = strchr(s + 1, '$') + 1;
	uint64_t n;

	if (s[1] == 'y' || s[1] == 'g')
		return p[0] == 'j' && p[1] && p[1] <= YESCRYPT_MAX && (p[2] == 'T' || p[2] == '5') && p[3] == '$';
	if (s[1] == '7')
		return p[0] && p[0] <= SCRYPT_MAX && !strncmp(p + 1, "U..../....", 10);
	if (s[1] == '2')
		return p[0] && p[1] && parse_uint((char[3]){ p[0], p[1] }, 4, BCRYPT_MAX, &n);
	return crypt_rounds(p, &n) && n <= SHA_ROUNDS_MAX;
}

const char *users_crypt_fault(const char *s)
{
	for (const char *c = s; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == ':' || *c == '*' || *c == '!')
			return "it holds characters that no hash has";
	if (strlen(s) > USERS_CRYPT_MAX)
		return "it is too long";
	for (size_t i = 0; i < N_ELEMENTS(methods); i++) {
		if (strncmp(s, methods[i].prefix, strlen(methods[i].prefix)))
			continue;
		if (strlen(strrchr(s, '$') + 1) != methods[i].hash_len || crypt_checksalt(s) == CRYPT_SALT_INVALID)
			return "it is cut off, or no hash";
		return crypt_affordable(s) ? NULL : "a login by it would take too long: make it with a lower cost";
	}
	return "its method is not one of yescrypt ($y$), gost-yescrypt, scrypt, bcrypt, sha512crypt ($6$), sha256crypt";
}

size_t users_crypt_cost_len(const char *s)
{
	const char *p = strchr(s + 1, '$') + 1;
	uint64_t n;

	if (s[1] == 'y' || s[1] == 'g' || s[1] == '2')
		return (size_t)(strchr(p, '$') - s);
	return s[1] == '7' ? (size_t)(p - s) + 11 : (size_t)(crypt_rounds(p, &n) - s);
}

/* ---- expires ---- */

static bool digits(const char **s, unsigned n, int *ret)
{
	*ret = 0;
	for (; n; n--, ++*s) {
		if (**s < '0' || **s > '9')
			return false;
		*ret = *ret * 10 + (**s - '0');
	}
	return true;
}

static bool sign(const char **s, char c)
{
	return *(*s)++ == c;
}

static const char **skip_colon(const char **s)
{
	*s += **s == ':';
	return s;
}

bool users_parse_expiry(const char *s, int64_t *ret)
{
	struct tm tm = { .tm_isdst = -1 }, is;
	bool day = true;
	int year, month;
	time_t t;

	if (!digits(&s, 4, &year) || !sign(&s, '-') || !digits(&s, 2, &month) || !sign(&s, '-') ||
	    !digits(&s, 2, &tm.tm_mday) || year < 1970)
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	if (*s == 'T') {
		day = false;
		s++;
		if (!digits(&s, 2, &tm.tm_hour) || !digits(skip_colon(&s), 2, &tm.tm_min))
			return false;
		if (*s && *s != 'Z' && !digits(skip_colon(&s), 2, &tm.tm_sec))
			return false;
		if (tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
			return false;
	}
	is = tm;
	if (day)
		tm.tm_mday++;
	if (*s == 'Z' && !s[1]) {
		t = timegm(&is);
		if (is.tm_mon != month - 1 || is.tm_year != year - 1900)
			return false;
		t = timegm(&tm);
	} else {
		t = *s ? -1 : mktime(&is);
		if (t == -1 || is.tm_mon != month - 1 || is.tm_year != year - 1900)
			return false;
		t = mktime(&tm);
	}
	if (t <= 0)
		return false;
	*ret = t;
	return true;
}

/* ---- rows ---- */

/* What a row says that the file has escaped. */
struct values {
	char password[USERS_PASSWORD_MAX + 1], crypt[USERS_CRYPT_MAX + 1];
	char number[USERS_NAME_MAX + 1], expires[EXPIRES_MAX + 1];
};

/* One field. NULL, or why the row is bad. */
static const char *field_take(const struct loader *l, const struct users_row *r, size_t name_len, const struct users_field *f,
	enum field which, const char *v, size_t len, struct user *w, struct values *val)
{
	const char *why = NULL;
	char text[64];
	uint64_t n;
	int got;

	switch (which) {
	case F_PASSWORD:
		got = unescape(v, len, val->password, sizeof(val->password), true, &why);
		if (got < 0)
			return why;
		if (got == 0)
			return "the password is empty";
		w->secret = USER_PASSWORD;
		w->password_len = (uint16_t)got;
		break;
	case F_NT_HASH:
		w->secret = USER_NT_HASH;
		got = unescape(v, len, text, sizeof(text), false, &why);
		if (got < 0 || !nt_hash_of(text, (size_t)got, w->nt_hash))
			why = "nt-hash is not 32 hexadecimal digits";
		explicit_bzero(text, sizeof(text));
		return why;
	case F_CRYPT:
		w->secret = USER_CRYPT;
		if (unescape(v, len, val->crypt, sizeof(val->crypt), false, &why) < 0 ||
		    (why = users_crypt_fault(val->crypt))) {
			static char what[200];

			snprintf(what, sizeof(what), "crypt is no hash that is served: %s", why);
			return what;
		}
		break;
	case F_IP:
		if (unescape(v, len, text, sizeof(text), false, &why) < 0 || !ip4_of(text, &w->framed_ip) || !w->framed_ip)
			return "framed-ip-address is no IPv4 address";
		break;
	case F_NET:
		if (unescape(v, len, text, sizeof(text), false, &why) < 0 || !ip4_of(text, &w->framed_netmask) ||
		    (~w->framed_netmask & (~w->framed_netmask + 1)))
			return "framed-ip-network is no netmask such as 255.255.255.255";
		break;
	case F_NUMBER:
		if (unescape(v, len, val->number, sizeof(val->number), false, &why) < 0)
			return why;
		if (strlen(val->number) > NUMBER_MAX)
			say(l, r, f->i, name_len, "calling-number is longer than 64 bytes, so no call has it");
		break;
	case F_EXPIRES:
		if (unescape(v, len, val->expires, sizeof(val->expires), false, &why) < 0 ||
		    !users_parse_expiry(val->expires, &w->expires_s))
			return "expires is no time such as 2030-12-31 or 2030-12-31T1830, with Z behind it for UTC";
		break;
	case F_MAX_SESSION:
		if (unescape(v, len, text, sizeof(text), false, &why) < 0 || !parse_uint(text, 0, UINT32_MAX, &n))
			return "max-session is no number";
		w->max_session = (uint32_t)n;
		w->has_max_session = true;
		break;
	case F_DISABLED:
		if (v && (len != 3 || memcmp(v, "yes", 3)) && (len != 2 || memcmp(v, "no", 2)))
			return "disabled stands alone, or with yes or no";
		w->disabled = !v || len == 3;
		break;
	default:
		break;
	}
	return NULL;
}

/* The fields after the name. NULL, *w and *val; or why the row is bad, and *ret_shut where it has just no password. */
static const char *row_fields(const struct loader *l, const struct users_row *r, size_t name_len, struct user *w,
	struct values *val, size_t *ret_at, bool *ret_shut)
{
	const char *why = NULL, *v;
	struct users_field f;
	unsigned seen = 0;
	size_t i = 0, len;

	w->framed_netmask = UINT32_MAX;
	while (!why && users_field_next(r, &i, &f)) {
		enum field which = field_of(&f, &v, &len);

		*ret_at = f.i;
		if (which == FIELDS) {
			say_unknown(l, r, name_len, &f);
		} else if (seen & 1u << which) {
			/* As in getcap(3). */
			say(l, r, f.i, name_len, "this field stands here twice; the first one counts");
		} else if (seen & F_SECRETS && F_SECRETS & 1u << which) {
			why = "password, nt-hash and crypt exclude each other: only one of them may stand here";
		} else {
			seen |= 1u << which;
			why = field_take(l, r, name_len, &f, which, v, len, w, val);
			*ret_shut = why && which == F_PASSWORD && !len;
		}
	}
	if (why)
		return why;
	*ret_at = 0;
	*ret_shut = !(seen & F_SECRETS);
	return *ret_shut ? "there is no password; expected :password=…:" : NULL;
}

const char *users_name_fault(const char *name, size_t n)
{
	if (n == 0)
		return "a row begins with the user's name";
	if (n > USERS_NAME_MAX)
		return "the name has more than 127 bytes";
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c < ' ' || c == 0x7f)
			return "a control character in the name";
		/* getcap(3) would see a second name there. */
		if (c == '|')
			return "a name may not hold |";
		if (c == ':')
			return "a name may not hold a colon";
	}
	if (name[0] == '#')
		return "a name may not begin with #: that is a comment";
	return name[0] == ' ' || name[n - 1] == ' ' ? "a blank at an end of the name" : NULL;
}

/* Whose row it would be. */
static void bad_row(struct users *u, const char *name, size_t n)
{
	if (users_name_fault(name, n) || u->n_bad == BAD_NAMES)
		return;
	u->bad[u->n_bad].name = keep(u, name, n);
	u->bad[u->n_bad++].len = (uint16_t)n;
}

static void user_put(struct loader *l, const struct users_row *r, size_t n, const struct user *from, const struct values *val)
{
	struct users *u = l->u;
	struct user w = *from;
	const char *weak = NULL;
	char what[160];

	w.name = keep(u, r->text, n);
	w.name_len = (uint16_t)n;
	w.line = r->line;
	w.password = w.password_len ? keep(u, val->password, w.password_len) : "";
	w.crypt = val->crypt[0] ? keep(u, val->crypt, strlen(val->crypt)) : "";
	w.calling_number = val->number[0] ? keep(u, val->number, strlen(val->number)) : "";
	w.expires = val->expires[0] ? keep(u, val->expires, strlen(val->expires)) : "";
	u->v[u->n] = w;
	slot_put(u, u->n++);
	if (w.secret == USER_PASSWORD)
		weak = weak_password((const uint8_t *)w.name, w.name_len, (const uint8_t *)w.password, w.password_len);
	if (weak) {
		snprintf(what, sizeof(what), "the password %s and can be guessed; a good one: culvertctl user passwd", weak);
		say(l, r, 0, n, what);
	}
}

/* Why the row is left out, with *ret_at, or NULL. Short of memory: *ret_err. */
static const char *row_take(struct loader *l, const struct users_row *r, size_t *ret_at, int *ret_err)
{
	const struct user *first;
	static char again[80];
	struct values val = { .password = "" };
	struct users *u = l->u;
	struct user w = { 0 };
	const char *why;
	size_t n = users_row_name_len(r);
	bool shut = false;

	if (n == r->len)
		return "expected NAME:password=…:, or NAME:\\ and the fields in the next line";
	/* Fields of a row stand behind blanks. */
	if (r->text[0] == ' ' || r->text[0] == '\t')
		return "this line belongs to no row: the one before must end in a backslash, with no blank after it";
	why = users_name_fault(r->text, n);
	if (why)
		return why;
	first = find(u, (const uint8_t *)r->text, n);
	if (first) {
		snprintf(again, sizeof(again), "this user is there already, at line %u; that row counts", first->line);
		return again;
	}
	if (u->n >= USERS_MAX)
		return "too many users";
	why = row_fields(l, r, n, &w, &val, ret_at, &shut);
	if (!why && !grow(u))
		*ret_err = -ENOMEM;
	if (!why && !*ret_err)
		user_put(l, r, n, &w, &val);
	explicit_bzero(&val, sizeof(val));
	explicit_bzero(&w, sizeof(w));
	/* No password is how an account is shut; anything else is a mistake. */
	if (why && !shut)
		bad_row(u, r->text, n);
	return why;
}

/* The same, and for its bytes. */
static const char *row_load(struct loader *l, const struct users_row *r, size_t *ret_at, int *ret_err)
{
	const char *why = NULL;

	if (memchr(r->text, '\0', r->len))
		return "a NUL byte";
	if (r->too_long)
		why = "the row is too long";
	else if (memchr(r->text, '\r', r->len))
		why = "a carriage return: lines must end as on Unix (sed -i 's/\\r$//' FILE)";
	if (!why)
		return row_take(l, r, ret_at, ret_err);
	if (users_row_name_len(r) < r->len)
		bad_row(l->u, r->text, users_row_name_len(r));
	return why;
}

int users_load(const void *text, size_t n, const char *path, struct users **ret, struct conf_msgs *msgs)
{
	struct loader l = { .text = { .p = text, .n = n }, .path = path, .msgs = msgs };
	struct users_row *r = malloc(sizeof(*r));
	int err = 0;

	l.u = calloc(1, sizeof(*l.u));
	if (n > USERS_FILE_MAX)
		err = -E2BIG;
	/* A row gives fewer bytes than it has: a NUL for each name=, and for the name's colon or newline. */
	else if (!l.u || !r || !(l.u->arena = malloc(l.u->arena_cap = n + 1)))
		err = -ENOMEM;
	while (!err && users_row_next(&l.text, r)) {
		const char *why;
		size_t bad_at = 0, name_len;

		if (users_row_is_blank(r))
			continue;
		why = row_load(&l, r, &bad_at, &err);
		if (why) {
			l.u->n_bad_rows++;
			name_len = r->text[0] == ' ' || r->text[0] == '\t' ? 0 : strcspn(r->text, ":|");
			/* A row without a colon may be nothing but a password. */
			say(&l, r, bad_at, name_len < r->len ? name_len : 0, why);
		}
	}
	if (r)
		explicit_bzero(r, sizeof(*r));
	free(r);
	if (err) {
		users_free(l.u);
		return err;
	}
	*ret = l.u;
	return 0;
}

int users_load_fd(int fd, const char *path, struct users **ret, struct conf_msgs *msgs)
{
	char *buf;
	size_t n;
	int err = read_all(fd, USERS_FILE_MAX, &buf, &n);

	if (err)
		return err;
	err = n > USERS_FILE_MAX ? -E2BIG : users_load(buf, n, path, ret, msgs);
	explicit_bzero(buf, n);
	free(buf);
	return err;
}

/* Is the address in a pool that a user of this authentication may get one of? True where no bind says. */
static bool in_reach(const struct conf *c, unsigned auth, uint32_t ip)
{
	bool bound = false;

	for (unsigned i = 0; i < c->n_bind; i++) {
		const struct conf_ipcp *ipcp;

		if (!conf_has_bind(c, i) || c->bind[i].auth != auth)
			continue;
		bound = true;
		ipcp = &c->ipcp[c->interface[c->bind[i].interface].ipcp];
		for (unsigned k = 0; k < ipcp->n_pool; k++) {
			if (ip >= ipcp->pool[k].first && ip <= ipcp->pool[k].last)
				return true;
		}
	}
	return !bound;
}

/* May a user of this authentication have the network?  True where no bind says. */
static bool net_in_reach(const struct conf *c, unsigned auth, uint32_t ip, uint32_t mask)
{
	bool bound = false;

	for (unsigned i = 0; i < c->n_bind; i++) {
		if (!conf_has_bind(c, i) || c->bind[i].auth != auth)
			continue;
		bound = true;
		if (conf_net_fits(c, c->interface[c->bind[i].interface].ipcp, ip, mask))
			return true;
	}
	return !bound;
}

/* Do tunnels that lead to this authentication look at numbers? */
static void numbers_checked(const struct conf *c, unsigned auth, bool *ret_some, bool *ret_all)
{
	unsigned n = 0, bound = 0;

	for (unsigned i = 0; i < c->n_bind; i++) {
		if (!conf_has_bind(c, i) || c->bind[i].auth != auth)
			continue;
		bound++;
		n += c->tunnel[c->bind[i].tunnel].callnum_check;
	}
	*ret_some = n != 0;
	*ret_all = n == bound;
}

/* The methods of tunnels that lead to this authentication: of any of them, and of all. */
static void methods_of(const struct conf *c, unsigned auth, unsigned *ret_any, unsigned *ret_all)
{
	bool bound = false;

	*ret_any = 0;
	*ret_all = ~0u;
	for (unsigned i = 0; i < c->n_bind; i++) {
		if (!conf_has_bind(c, i) || c->bind[i].auth != auth)
			continue;
		bound = true;
		*ret_any |= c->tunnel[c->bind[i].tunnel].auth_methods;
		*ret_all &= c->tunnel[c->bind[i].tunnel].auth_methods;
	}
	if (!bound)
		*ret_any = *ret_all = CONF_AUTH_PAP;
	/* XAuth brings the password as PAP does. */
	if (conf_has_xauth(c))
		*ret_any |= CONF_AUTH_PAP;
}

/* A hash serves some methods only; said of the first user with one, since it is true of all. */
static void judge_hashes(const struct users *u, const struct conf *c, unsigned auth, struct conf_msgs *msgs)
{
	const struct user *nt = NULL, *crypted = NULL;
	unsigned any, all;
	char shown[64];

	methods_of(c, auth, &any, &all);
	for (size_t i = 0; i < u->n; i++) {
		const struct user *w = &u->v[i];
		size_t n;

		if (w->secret == USER_NT_HASH && !nt)
			nt = w;
		if (w->secret != USER_CRYPT)
			continue;
		if (!crypted) {
			crypted = w;
			continue;
		}
		n = users_crypt_cost_len(w->crypt);
		if (n == users_crypt_cost_len(crypted->crypt) && !memcmp(w->crypt, crypted->crypt, n))
			continue;
		str_escape(shown, sizeof(shown), w->name, w->name_len);
		conf_msg_add(msgs, true, c->auth[auth].users_file, w->line, 1,
			"%s: crypt of another method or cost than that of line %u: the time that a login takes tells who has which",
			shown, crypted->line);
		break;
	}
	if (crypted && any != CONF_AUTH_PAP) {
		str_escape(shown, sizeof(shown), crypted->name, crypted->name_len);
		conf_msg_add(msgs, true, c->auth[auth].users_file, crypted->line, 1, any & CONF_AUTH_PAP ?
			"%s: crypt serves PAP alone: a client that agrees to another method, which is asked for first, is refused" :
			"%s: crypt serves PAP alone, and no tunnel of this user's has authentication-method pap: he cannot log in",
			shown);
	}
	if (nt && all & (CONF_AUTH_CHAP | CONF_AUTH_EAP_MD5) && !(all & CONF_AUTH_KEYS)) {
		str_escape(shown, sizeof(shown), nt->name, nt->name_len);
		conf_msg_add(msgs, true, c->auth[auth].users_file, nt->line, 1,
			"%s: nt-hash serves MS-CHAPv2 and PAP: a client that agrees to chap or eap-md5 is refused", shown);
	}
}

void users_judge(const struct users *u, const struct conf *c, unsigned auth, struct conf_msgs *msgs)
{
	char shown[64], ip[ADDR_STRLEN];
	bool some, all;

	numbers_checked(c, auth, &some, &all);
	judge_hashes(u, c, auth, msgs);
	for (size_t i = 0; i < u->n; i++) {
		const struct user *w = &u->v[i];

		str_escape(shown, sizeof(shown), w->name, w->name_len);
		if (*w->calling_number && !all)
			conf_msg_add(msgs, true, c->auth[auth].users_file, w->line, 1,
				"%s: calling-number is not looked at: %s tunnel of this user's has callnum-check yes", shown,
				some ? "not every" : "no");
		else if (!*w->calling_number && some)
			conf_msg_add(msgs, true, c->auth[auth].users_file, w->line, 1,
				"%s: without a calling-number he cannot come by a tunnel with callnum-check yes", shown);
		if (w->framed_netmask != UINT32_MAX && !w->framed_ip)
			conf_msg_add(msgs, true, c->auth[auth].users_file, w->line, 1,
				"%s: framed-ip-network without a framed-ip-address is ignored", shown);
		else if (w->framed_netmask != UINT32_MAX && !net_in_reach(c, auth, w->framed_ip, w->framed_netmask))
			conf_msg_add(msgs, true, c->auth[auth].users_file, w->line, 1,
				"%s: the framed-ip-network of %s is not in one pool-address \"for static\" of this user's ipcp: "
				"he gets that address alone", shown, ip4_str(w->framed_ip, ip));
		if (!w->framed_ip || in_reach(c, auth, w->framed_ip))
			continue;
		conf_msg_add(msgs, true, c->auth[auth].users_file, w->line, 1,
			"%s: framed-ip-address %s is in no pool-address of this user's ipcp: another address is given", shown,
			ip4_str(w->framed_ip, ip));
	}
}

int users_check(const struct conf *c, struct conf_msgs *msgs)
{
	int ret = 0;

	for (unsigned i = 0; i < c->n_auth; i++) {
		const char *path = c->auth[i].users_file;
		struct users *u;
		char why[512];
		int fd, err;

		if (!*path || (fd = conf_open_secret(path, why)) < 0)
			continue;
		err = users_load_fd(fd, path, &u, msgs);
		close(fd);
		if (err) {
			conf_msg_add(msgs, false, path, 0, 0, "cannot be read: %s", strerror(-err));
			ret = -1;
			continue;
		}
		if (!users_count(u))
			conf_msg_add(msgs, true, path, 0, 0, "no user stands in it, so nobody can log in by %s", c->auth[i].name);
		users_judge(u, c, i, msgs);
		users_free(u);
	}
	return ret;
}

const struct user *users_find(const struct users *u, const uint8_t *name, size_t len)
{
	return find(u, name, len);
}

enum user_state user_state(const struct user *w, int64_t now_s)
{
	return w->disabled ? USER_DISABLED : w->expires_s && now_s >= w->expires_s ? USER_EXPIRED : USER_ACTIVE;
}

/* Is there a row of this name that was left out? */
static bool is_bad(const struct users *u, const uint8_t *name, size_t len)
{
	for (size_t i = 0; i < u->n_bad; i++)
		if (u->bad[i].len == len && !memcmp(u->bad[i].name, name, len))
			return true;
	return false;
}

bool users_has(const struct users *u, const uint8_t *name, size_t len)
{
	return find(u, name, len) || is_bad(u, name, len);
}

enum user_state users_state(const struct users *u, const uint8_t *name, size_t len, int64_t now_s)
{
	const struct user *w = find(u, name, len);

	if (w)
		return user_state(w, now_s);
	if (is_bad(u, name, len))
		return USER_UNREADABLE;
	return u->n_bad == BAD_NAMES ? USER_UNREADABLE : USER_UNKNOWN;
}

int64_t users_next_expiry(const struct users *u, int64_t now_s)
{
	int64_t next = 0;

	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].expires_s > now_s && (!next || u->v[i].expires_s < next))
			next = u->v[i].expires_s;
	return next;
}

size_t users_bad_rows(const struct users *u)
{
	return u->n_bad_rows;
}

size_t users_count(const struct users *u)
{
	return u->n;
}

const struct user *users_at(const struct users *u, size_t i)
{
	return &u->v[i];
}

size_t users_index(const struct users *u, const struct user *w)
{
	return (size_t)(w - u->v);
}

void users_free(struct users *u)
{
	if (!u)
		return;
	if (u->arena)
		explicit_bzero(u->arena, u->arena_cap);
	free(u->arena);
	/* Hashes are there. */
	if (u->v)
		explicit_bzero(u->v, u->n * sizeof(*u->v));
	free(u->v);
	free(u->slot);
	free(u);
}
