/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/user.h"

#include <crypt.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "ctl/format.h"
#include "ctl/users_file.h"
#include "l2tpd/users_edit.h"
#include "l2tpd/weak.h"
#include "ppp/mschap.h"

enum {
	TRIES = 5,			/* against an editor that is at the same file */
	/* Six groups of four out of 31 characters: 118 bits. */
	GROUPS = 6, GROUP = 4, MADE_MAX = GROUPS * (GROUP + 1),
};

/* A password, and the field that it is kept as. */
struct secret {
	char text[USERS_PASSWORD_MAX + 2];
	size_t n;
	char field[USERS_FIELD_MAX];
};

static int complain(const char *what)
{
	fprintf(stderr, "culvertctl: %s\n", what);
	return 1;
}

/* ---- which file ---- */

static bool find_file(const struct user_place *p, char ret[static CONF_PATH_MAX])
{
	static struct conf conf;	/* too big for a stack */
	struct conf_msgs msgs = { 0 };
	const struct conf_auth *found = NULL;
	unsigned n = 0;
	bool ok = false;

	if (p->users) {
		if (str_copy(ret, CONF_PATH_MAX, p->users))
			return true;
		complain("the users file's name is too long");
		return false;
	}
	if (conf_load(p->conf, &conf, &msgs) < 0) {
		conf_msgs_print(stderr, &msgs);
		complain("the configuration says which users file it is: mend it, or name the file with -u");
		goto out;
	}
	for (unsigned i = 0; i < conf.n_auth; i++) {
		const struct conf_auth *a = &conf.auth[i];

		if (a->type != CONF_TYPE_LOCAL || (p->auth && strcmp(a->name, p->auth)))
			continue;
		n++;
		/* Several may have their users in one file. */
		if (!found || strcmp(found->users_file, a->users_file)) {
			ok = !found;
			found = a;
		}
	}
	if (!n && p->auth)
		fprintf(stderr, "culvertctl: %s: no authentication %s of type local\n", p->conf, p->auth);
	else if (!n)
		fprintf(stderr, "culvertctl: %s: no authentication of type local: its users are in no file\n", p->conf);
	else if (!ok)
		complain("several users files: say whose with -a and the authentication's name");
	if (ok)
		str_copy(ret, CONF_PATH_MAX, found->users_file);
out:
	conf_msgs_free(&msgs);
	explicit_bzero(&conf, sizeof(conf));
	return ok;
}

/* ---- passwords ---- */

static void generate(struct secret *s)
{
	/* What nobody takes for another character. */
	static const char of[] = "abcdefghjkmnpqrstuvwxyz23456789";
	const unsigned n = sizeof(of) - 1;

	s->n = 0;
	for (unsigned i = 0; i < GROUPS * GROUP; i++) {
		uint8_t b;

		if (i && i % GROUP == 0)
			s->text[s->n++] = '-';
		/* Each with the same chance. */
		do {
			random_bytes(&b, 1);
		} while (b >= 256 / n * n);
		s->text[s->n++] = of[b % n];
	}
	s->text[s->n] = '\0';
}

/* A line of the terminal, which does not show it. */
static bool prompt(const char *what, char *buf, size_t cap, size_t *ret_n)
{
	struct termios was, quiet;
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	size_t n = 0;
	char c = 0;

	if (fd < 0 || tcgetattr(fd, &was) < 0) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	quiet = was;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(fd, TCSAFLUSH, &quiet);
	dprintf(fd, "%s: ", what);
	while (read(fd, &c, 1) == 1 && c != '\n')
		if (n < cap)
			buf[n++] = c;
	tcsetattr(fd, TCSAFLUSH, &was);
	dprintf(fd, "\n");
	close(fd);
	*ret_n = n;
	return c == '\n';
}

static bool ask(struct secret *s)
{
	char again[sizeof(s->text)];
	size_t n;
	bool ok = prompt("Password", s->text, sizeof(s->text), &s->n) && prompt("Once more", again, sizeof(again), &n);

	if (!ok)
		complain("no password could be read");
	else if (n != s->n || memcmp(s->text, again, n)) {
		ok = false;
		complain("these were two passwords");
	}
	explicit_bzero(again, sizeof(again));
	return ok;
}

/* All of standard input but a newline at its end: any byte may be in it. */
static bool read_stdin(struct secret *s)
{
	char *buf;
	int err = read_all(STDIN_FILENO, sizeof(s->text) - 1, &buf, &s->n);

	if (err) {
		fprintf(stderr, "culvertctl: standard input: %s\n", strerror(-err));
		return false;
	}
	memcpy(s->text, buf, MIN(s->n, sizeof(s->text)));
	explicit_bzero(buf, s->n);
	free(buf);
	if (s->n && s->n <= sizeof(s->text) && s->text[s->n - 1] == '\n')
		s->n--;
	return true;
}

static bool store(struct secret *s, enum ctl_store as)
{
	uint8_t hash[MSCHAP_HASH];
	char hex[2 * MSCHAP_HASH + 1], setting[CRYPT_GENSALT_OUTPUT_SIZE], text[sizeof(s->text)];
	static struct crypt_data data;	/* too big for a stack */
	const char *out = NULL;

	switch (as) {
	case CTL_STORE_NT_HASH:
		if (!mschap_init() || !mschap_nt_hash(s->text, s->n, hash)) {
			complain("no NT hash can be made: the password has over 256 characters, or OpenSSL has no MD4");
			return false;
		}
		for (unsigned i = 0; i < MSCHAP_HASH; i++)
			snprintf(hex + 2 * i, 3, "%02x", hash[i]);
		users_field(s->field, "nt-hash", hex, sizeof(hex) - 1);
		explicit_bzero(hash, sizeof(hash));
		explicit_bzero(hex, sizeof(hex));
		return true;
	case CTL_STORE_CRYPT:
		memcpy(text, s->text, s->n);
		text[s->n] = '\0';
		if (strlen(text) == s->n && crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)))
			out = crypt_r(text, setting, &data);
		explicit_bzero(text, sizeof(text));
		if (!out || users_crypt_fault(out)) {
			complain("no crypt hash can be made of this: it has a NUL, or is too long");
			return false;
		}
		users_field(s->field, "crypt", out, strlen(out));
		explicit_bzero(&data, sizeof(data));
		return true;
	case CTL_STORE_PASSWORD:
		break;
	}
	users_field(s->field, "password", s->text, s->n);
	return true;
}

static bool get_secret(const struct ctl_user *u, struct secret *s)
{
	const char *weak;

	if (!u->from_stdin)
		generate(s);
	else if (isatty(STDIN_FILENO) ? !ask(s) : !read_stdin(s))
		return false;
	if (!s->n || s->n > USERS_PASSWORD_MAX) {
		complain(s->n ? "the password is longer than 1024 bytes" : "the password is empty");
		return false;
	}
	weak = weak_password((const uint8_t *)u->name, strlen(u->name), (const uint8_t *)s->text, s->n);
	if (weak)
		fprintf(stderr, "culvertctl: warning: the password %s and can be guessed\n", weak);
	return store(s, u->store);
}

/* ---- changes ---- */

static void show_name(const char *label, const char *name)
{
	char shown[4 * USERS_NAME_MAX + 1];

	printf("%-9s %s\n", label, format_text(shown, sizeof(shown), name, strlen(name)));
}

static const char *const done[] = {
	[CTL_USER_ADD] = "Account", [CTL_USER_DEL] = "Removed", [CTL_USER_PASSWD] = "Account",
	[CTL_USER_ENABLE] = "Enabled", [CTL_USER_DISABLE] = "Disabled",
};

/* The file with the change, as often as somebody else was at it at the same time. */
static int change_file(const char *path, const struct users_change *c)
{
	char why[512];
	int err = -EAGAIN;

	for (unsigned i = 0; err == -EAGAIN && i < TRIES; i++) {
		struct users_file f;
		char *text = NULL;
		size_t n = 0;

		err = users_file_open(path, c->op == USERS_ADD ? USERS_FILE_MAKE : USERS_FILE_CHANGE, &f, why);
		if (!err) {
			char what[512];

			err = users_edit(f.text, f.n, c, &text, &n, what);
			if (err)
				snprintf(why, sizeof(why), "%.200s: %s: %.250s", path, c->name, what);
		}
		if (!err)
			err = users_file_write(&f, text, n, why);
		if (text) {
			explicit_bzero(text, n);
			free(text);
		}
		users_file_close(&f);
	}
	if (err && err != -EALREADY) {
		fputs("culvertctl: ", stderr);
		format_line(stderr, why);
	}
	return err;
}

static int change(const char *path, const struct ctl_cmd *cmd, bool *ret_changed)
{
	static const enum users_op ops[] = {
		[CTL_USER_ADD] = USERS_ADD, [CTL_USER_DEL] = USERS_DEL, [CTL_USER_PASSWD] = USERS_SECRET,
		[CTL_USER_ENABLE] = USERS_ENABLE, [CTL_USER_DISABLE] = USERS_DISABLE,
	};
	const struct ctl_user *u = &cmd->user;
	const struct { const char *name, *value; } all[] = {
		{ "framed-ip-address", u->framed_ip_address }, { "framed-ip-network", u->framed_ip_network },
		{ "calling-number", u->calling_number }, { "expires", u->expires }, { "max-session", u->max_session },
	};
	static struct secret secret;
	static char field[N_ELEMENTS(all)][USERS_FIELD_MAX];
	const char *fields[N_ELEMENTS(all) + 2];
	struct users_change c = { .op = ops[cmd->verb], .name = u->name, .fields = fields };
	size_t n = 0;
	int err = 0;

	if (c.op == USERS_ADD || c.op == USERS_SECRET) {
		if (!get_secret(u, &secret))
			err = -EINVAL;
		fields[n++] = secret.field;
	}
	for (size_t i = 0; !err && i < N_ELEMENTS(all); i++) {
		if (!all[i].value)
			continue;
		if (strlen(all[i].value) > USERS_NAME_MAX) {
			complain("a value is too long");
			err = -EINVAL;
		}
		users_field(field[i], all[i].name, all[i].value, MIN(strlen(all[i].value), (size_t)USERS_NAME_MAX));
		fields[n++] = field[i];
	}
	fields[n] = NULL;
	if (!err)
		err = change_file(path, &c);
	if (!err || err == -EALREADY)
		show_name(done[cmd->verb], u->name);
	if (!err && n && !u->from_stdin)
		printf("%-9s %s\n", "Password", secret.text);
	explicit_bzero(&secret, sizeof(secret));
	*ret_changed = !err;
	return err && err != -EALREADY;
}

/* ---- what is there ---- */

static const char *state_text(const struct user *w)
{
	switch (user_state(w, time(NULL))) {
	case USER_DISABLED:
		return "disabled";
	case USER_EXPIRED:
		return "expired";
	default:
		return "active";
	}
}

static const char *secret_text(const struct user *w)
{
	return w->secret == USER_NT_HASH ? "nt-hash" : w->secret == USER_CRYPT ? "crypt" : "password";
}

static const char *max_text(const struct user *w, char buf[static 16])
{
	if (!w->has_max_session)
		return "-";
	snprintf(buf, 16, "%u", w->max_session);
	return w->max_session ? buf : "no limit";
}

static void list(const struct users *u)
{
	char shown[4 * USERS_NAME_MAX + 1], ip[ADDR_STRLEN], max[16];

	for (size_t i = 0; i < users_count(u); i++) {
		const struct user *w = users_at(u, i);

		if (!i)
			fputs("Username             State    Secret   Expires          Sessions Address\n"
			      "-------------------- -------- -------- ---------------- -------- ---------------\n", stdout);
		printf("%-20s %-8s %-8s %-16s %8s %s\n", format_text(shown, sizeof(shown), w->name, w->name_len), state_text(w),
			secret_text(w), *w->expires ? w->expires : "-", max_text(w, max),
			w->framed_ip ? ip4_str(w->framed_ip, ip) : "-");
	}
}

static void show(const struct users *u, const struct user *w, const char *path)
{
	char shown[4 * USERS_NAME_MAX + 1], ip[ADDR_STRLEN], max[16];

	printf("Username        : %s\n", format_text(shown, sizeof(shown), w->name, w->name_len));
	printf("State           : %s\n", state_text(w));
	printf("Secret          : %s\n", secret_text(w));
	printf("Expires         : %s\n", *w->expires ? w->expires : "never");
	printf("Sessions        : %s\n", w->has_max_session ? max_text(w, max) : "as for all");
	printf("Address         : %s\n", w->framed_ip ? ip4_str(w->framed_ip, ip) : "of the pool");
	if (w->framed_netmask != UINT32_MAX)
		printf("Network         : %s\n", ip4_str(w->framed_netmask, ip));
	if (*w->calling_number)
		printf("Calling Number  : %s\n", format_text(shown, sizeof(shown), w->calling_number, strlen(w->calling_number)));
	printf("Line            : %u of %s\n", w->line, path);
}

static int look(const char *path, const struct ctl_cmd *cmd)
{
	struct conf_msgs msgs = { 0 };
	struct users_file f;
	struct users *u = NULL;
	const struct user *w;
	char why[512];
	int err = users_file_open(path, USERS_FILE_READ, &f, why);

	if (!err)
		err = users_load(f.text, f.n, path, &u, &msgs);
	else
		complain(why);
	users_file_close(&f);
	conf_msgs_free(&msgs);
	if (err)
		return 1;
	if (cmd->verb == CTL_USER_LIST) {
		list(u);
	} else {
		w = users_find(u, (const uint8_t *)cmd->user.name, strlen(cmd->user.name));
		if (w)
			show(u, w, path);
		else
			fprintf(stderr, "culvertctl: %s: there is no such user\n", path);
		err = !w;
	}
	if (users_bad_rows(u))
		fprintf(stderr, "culvertctl: %s: %zu rows have a mistake and are left out; culvertd -n says which\n", path,
			users_bad_rows(u));
	users_free(u);
	return err;
}

int user_command(const struct user_place *p, const struct ctl_cmd *cmd, bool *ret_changed)
{
	char path[CONF_PATH_MAX];

	*ret_changed = false;
	if (!find_file(p, path))
		return 1;
	if (cmd->verb == CTL_USER_LIST || cmd->verb == CTL_USER_SHOW)
		return look(path, cmd);
	return change(path, cmd, ret_changed);
}
