/* SPDX-License-Identifier: GPL-2.0-or-later */
/* users: one pass over the text, all strings in one block of memory that is wiped at the end. */
#include "l2tpd/users.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proto.h"
#include "base/addr.h"
#include "l2tpd/keyword.h"
#include "l2tpd/weak.h"

struct users {
	struct user *v;
	size_t n, cap;
	/* The strings; no value is longer than what it was written as. */
	char *arena;
	size_t arena_len, arena_cap;
	uint32_t *slot;		/* open addressing; index + 1, 0 = empty */
	size_t n_slot;		/* a power of two, at least twice n */
};

/* A row, its lines joined. */
struct row {
	char text[USERS_ROW_MAX];
	uint16_t line_of[USERS_ROW_MAX];	/* of each byte, from the row's first line on */
	uint16_t col_of[USERS_ROW_MAX];
	size_t len;
	unsigned line;		/* of its first byte */
};

enum { NUMBER_MAX = sizeof(((struct msg_auth_req *)0)->number) };

struct loader {
	struct users *u;
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
static int unescape(const char *in, size_t n, char *out, size_t cap, const char **why)
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
		if (c == '\0') {
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

/* A field's value: what follows name=, or NULL when it is another field. */
static const char *field_is(const char *f, size_t n, const char *name, size_t *ret_len)
{
	size_t len = strlen(name);

	if (n <= len || memcmp(f, name, len) || f[len] != '=')
		return NULL;
	*ret_len = n - len - 1;
	return f + len + 1;
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
static void say(const struct loader *l, const struct row *r, size_t at, size_t name_len, const char *what)
{
	char shown[64];

	str_escape(shown, sizeof(shown), r->text, name_len);
	conf_msg_add(l->msgs, true, l->path, r->line + r->line_of[at], r->col_of[at], "%s%s%s", shown,
		*shown ? ": " : "", what);
}

/* A field that we do not know: kept out of the way, but a slip of the pen must be seen. */
static void say_unknown(const struct loader *l, const struct row *r, size_t name_len, const char *f, size_t n)
{
	static const char *const fields[] = { "password", "framed-ip-address", "framed-ip-network", "calling-number" };
	const char *best = NULL;
	unsigned dist = UINT_MAX;
	char word[32], what[160];

	/* The rest of a password with a colon in it, or one without its name; so it is not shown. */
	if (!memchr(f, '=', n) && !memchr(f, '#', n) && !memchr(f, '@', n)) {
		if (f[0] == '\\' && strspn(f + 1, " \t") == n - 1)
			say(l, r, (size_t)(f - r->text), name_len, "a blank after the backslash, so the row ends here: take it away");
		else
			say(l, r, (size_t)(f - r->text), name_len, "what stands here has no name= and is ignored; "
				"a colon in a password is written \\072");
		return;
	}
	/* Up to the value: that may be a secret. */
	str_escape(word, sizeof(word), f, MIN(n, strcspn(f, "=#@:")));
	for (size_t i = 0; i < N_ELEMENTS(fields); i++)
		kw_suggest(word, fields[i], &best, &dist);
	if (!strcmp(word, "tc"))
		snprintf(what, sizeof(what), "tc= is not supported and ignored: write the fields of the other row here too");
	else
		snprintf(what, sizeof(what), "field %s is unknown and ignored%s%s%s", word, best ? "; did you mean " : "",
			best ? best : "", best ? "?" : "");
	say(l, r, (size_t)(f - r->text), name_len, what);
}

/* The fields after the name. NULL and *w, whose strings point into value[], or why the row is bad. */
#define AGAIN "this field stands here twice; the first one counts"

static const char *row_fields(const struct loader *l, const struct row *r, size_t name_len, struct user *w,
	size_t *ret_at, char password[static USERS_PASSWORD_MAX + 1], char number[static USERS_NAME_MAX + 1])
{
	const char *why = NULL, *at = r->text + name_len, *end = r->text + r->len;
	bool have_password = false, have_ip = false, have_net = false, have_number = false;
	char ip[ADDR_STRLEN];

	w->framed_netmask = UINT32_MAX;
	number[0] = '\0';
	while (at < end) {
		const char *f = at + 1, *stop, *v;	/* after the colon */
		size_t n, len;
		int got;

		stop = memchr(f, ':', (size_t)(end - f));
		if (!stop)
			stop = end;
		at = stop;
		while (f < stop && (*f == ' ' || *f == '\t'))
			f++;
		n = (size_t)(stop - f);
		if (!n)
			continue;
		*ret_at = (size_t)(f - r->text);
		/* The first of several counts, as in getcap(3). */
		if ((v = field_is(f, n, "password", &len))) {
			if (have_password) {
				say(l, r, *ret_at, name_len, AGAIN);
				continue;
			}
			got = unescape(v, len, password, USERS_PASSWORD_MAX + 1, &why);
			if (got < 0)
				return why;
			if (got == 0)
				return "the password is empty";
			w->password_len = (uint16_t)got;
			have_password = true;
		} else if ((v = field_is(f, n, "framed-ip-address", &len))) {
			if (have_ip) {
				say(l, r, *ret_at, name_len, AGAIN);
				continue;
			}
			if (unescape(v, len, ip, sizeof(ip), &why) < 0 || !ip4_of(ip, &w->framed_ip) || !w->framed_ip)
				return "framed-ip-address is no IPv4 address";
			have_ip = true;
		} else if ((v = field_is(f, n, "framed-ip-network", &len))) {
			if (have_net) {
				say(l, r, *ret_at, name_len, AGAIN);
				continue;
			}
			if (unescape(v, len, ip, sizeof(ip), &why) < 0 || !ip4_of(ip, &w->framed_netmask) ||
			    (~w->framed_netmask & (~w->framed_netmask + 1)))
				return "framed-ip-network is no netmask such as 255.255.255.255";
			have_net = true;
		} else if ((v = field_is(f, n, "calling-number", &len))) {
			if (have_number) {
				say(l, r, *ret_at, name_len, AGAIN);
				continue;
			}
			if (unescape(v, len, number, USERS_NAME_MAX + 1, &why) < 0)
				return why;
			if (strlen(number) > NUMBER_MAX)
				say(l, r, *ret_at, name_len, "calling-number is longer than 64 bytes, so no call has it");
			have_number = true;
		} else {
			say_unknown(l, r, name_len, f, n);
		}
	}
	*ret_at = 0;
	return have_password ? NULL : "there is no password; expected :password=…:";
}

/* Why the row is left out, with *ret_at, or NULL. Short of memory: *ret_err. */
static const char *row_take(const struct loader *l, const struct row *r, size_t *ret_at, int *ret_err)
{
	const struct user *first;
	static char again[80];
	char password[USERS_PASSWORD_MAX + 1], number[USERS_NAME_MAX + 1];
	struct users *u = l->u;
	struct user w = { 0 };
	const char *colon = memchr(r->text, ':', r->len), *why, *weak;
	char what[160];
	size_t n = colon ? (size_t)(colon - r->text) : r->len;

	if (!colon)
		return "expected NAME:password=…:, or NAME:\\ and the fields in the next line";
	/* Fields of a row stand behind blanks. */
	if (r->text[0] == ' ' || r->text[0] == '\t')
		return "this line belongs to no row: the one before must end in a backslash, with no blank after it";
	if (n == 0)
		return "a row begins with the user's name";
	if (n > USERS_NAME_MAX)
		return "the name has more than 127 bytes";
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)r->text[i];

		if (c < ' ' || c == 0x7f)
			return "a control character in the name";
		/* getcap(3) would see a second name there. */
		if (c == '|')
			return "a name may not hold |";
	}
	if (r->text[n - 1] == ' ')
		return "a blank at an end of the name";
	first = find(u, (const uint8_t *)r->text, n);
	if (first) {
		snprintf(again, sizeof(again), "this user is there already, at line %u; that row counts", first->line);
		return again;
	}
	if (u->n >= USERS_MAX)
		return "too many users";
	why = row_fields(l, r, n, &w, ret_at, password, number);
	if (!why && !grow(u))
		*ret_err = -ENOMEM;
	if (!why && !*ret_err) {
		w.name = keep(u, r->text, n);
		w.name_len = (uint16_t)n;
		w.line = r->line;
		w.password = keep(u, password, w.password_len);
		w.calling_number = keep(u, number, strlen(number));
		u->v[u->n] = w;
		slot_put(u, u->n++);
		weak = weak_password((const uint8_t *)w.name, w.name_len, (const uint8_t *)w.password, w.password_len);
		if (weak) {
			snprintf(what, sizeof(what), "the password %s and can be guessed; a good one: openssl rand -base64 12", weak);
			say(l, r, 0, n, what);
		}
	}
	explicit_bzero(password, sizeof(password));
	return why;
}

int users_load(const void *text, size_t n, const char *path, struct users **ret, struct conf_msgs *msgs)
{
	struct loader l = { .path = path, .msgs = msgs };
	const char *at = text, *end = at + n;
	struct row *r = calloc(1, sizeof(*r));
	unsigned line = 0;
	int err = 0;

	l.u = calloc(1, sizeof(*l.u));
	if (n > USERS_FILE_MAX)
		err = -E2BIG;
	/* A row that is kept gives fewer bytes than it has: three NULs for ":password=" at the least. */
	else if (!l.u || !r || !(l.u->arena = malloc(l.u->arena_cap = n + 1)))
		err = -ENOMEM;
	while (!err && at < end) {
		const char *why = NULL;
		size_t bad_at = 0;
		bool more = true;

		r->len = 0;
		r->line = line + 1;
		/* Lines that end in a backslash go on. */
		while (more && at < end) {
			const char *nl = memchr(at, '\n', (size_t)(end - at));
			size_t len = (size_t)((nl ? nl : end) - at);

			line++;
			more = len && at[len - 1] == '\\' && !(r->len == 0 && at[0] == '#');
			len -= more;
			if (!why && r->len + len >= sizeof(r->text)) {
				why = "the row is too long";
				len = MIN(len, sizeof(r->text) - 1 - r->len);
			} else if (why) {
				len = 0;
			}
			memcpy(r->text + r->len, at, len);
			for (size_t i = 0; i <= len; i++) {
				r->line_of[r->len + i] = (uint16_t)MIN(line - r->line, (unsigned)UINT16_MAX);
				r->col_of[r->len + i] = (uint16_t)(i + 1);
			}
			r->len += len;
			at = nl ? nl + 1 : end;
		}
		r->text[r->len] = '\0';
		if (r->len == 0 || r->text[0] == '#' || strspn(r->text, " \t") == r->len)
			continue;
		if (memchr(r->text, '\0', r->len))
			why = "a NUL byte";
		else if (memchr(r->text, '\r', r->len))
			why = "a carriage return: lines must end as on Unix (sed -i 's/\\r$//' FILE)";
		if (!why)
			why = row_take(&l, r, &bad_at, &err);
		if (why) {
			size_t name_len = r->text[0] == ' ' || r->text[0] == '\t' ? 0 : strcspn(r->text, ":|");

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

void users_judge(const struct users *u, const struct conf *c, unsigned auth, struct conf_msgs *msgs)
{
	char shown[64], ip[ADDR_STRLEN];
	bool some, all;

	numbers_checked(c, auth, &some, &all);
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

size_t users_count(const struct users *u)
{
	return u->n;
}

const struct user *users_at(const struct users *u, size_t i)
{
	return &u->v[i];
}

void users_free(struct users *u)
{
	if (!u)
		return;
	if (u->arena)
		explicit_bzero(u->arena, u->arena_cap);
	free(u->arena);
	free(u->v);
	free(u->slot);
	free(u);
}
