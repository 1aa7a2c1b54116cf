/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf: defaults, files, and the checks that take a whole configuration. */
#include "l2tpd/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "l2tpd/conf_parse.h"

/* ---- defaults ---- */

const struct conf_tunnel conf_tunnel_default = {
	.l2tp_hello_interval_s = 60,
	.l2tp_hello_timeout_s = 30,
	.l2tp_max_tunnel = 2,
	.l2tp_max_half_open = 2,
	.l2tp_max_session = 4,
	.l2tp_lcp_renegotiation = true,
	.l2tp_require_ipsec = true,
	.mru = 1360,
	.lcp_keepalive = true,
	.lcp_keepalive_interval_s = 300,
	.lcp_keepalive_retry_interval_s = 60,
	.lcp_keepalive_max_retries = 3,
	/* RFC 1661 4.6 */
	.lcp_timeout_s = 3,
	.lcp_max_configure = 10,
	.lcp_max_terminate = 2,
	.lcp_max_nak_loop = 5,
	.ipcp_timeout_s = 3,
	.ipcp_max_configure = 10,
	.ipcp_max_terminate = 2,
	.ipcp_max_nak_loop = 5,
	.ccp_timeout_s = 3,
	.ccp_max_configure = 10,
	.ccp_max_terminate = 2,
	.ccp_max_nak_loop = 5,
	.mppe = CONF_MPPE_NO,
	.mppe_keys = CONF_MPPE_40 | CONF_MPPE_56 | CONF_MPPE_128,
	.mppe_states = CONF_MPPE_STATELESS | CONF_MPPE_STATEFUL,
	/* The pre-shared key is known to all clients, so each of them can pose as the server:
	 * PAP would hand it the others' passwords. */
	.auth_methods = CONF_AUTH_MSCHAPV2,
	.tcp_mss_adjust = true,
	.ingress_filter = true,
};

const struct conf_ipcp conf_ipcp_default;

#define RADIUS_DEFAULT { .timeout_s = 9, .max_tries = 3, .max_failovers = 1, .dead_time_s = 60 }

const struct conf_radius conf_radius_default = RADIUS_DEFAULT;

const struct conf_auth conf_auth_default = {
	.users_file = CONF_DEFAULT_USERS,
	.eap_capable = true,
	.strip_nt_domain = true,
	.disconnect_removed = true,
	.radius_auth = RADIUS_DEFAULT,
	.radius_acct = RADIUS_DEFAULT,
};

/* Known from ipsec.conf(5), and never served. */
#define NEVER(n, reason) { .name = n, .why = reason }
#define BROKEN "it is broken; leave it out"

const struct conf_alg conf_auths[] = {
	{ .name = "hmac-sha1", .in_main = true, .in_quick = true },
	{ .name = "hmac-sha2-256", .in_main = true, .in_quick = true },
	{ .name = "hmac-sha2-384", .in_main = true, .in_quick = true },
	{ .name = "hmac-sha2-512", .in_main = true, .in_quick = true },
	NEVER("hmac-md5", BROKEN),
	NEVER("hmac-ripemd160", "no client of L2TP offers it; leave it out"),
	{ 0 },
};

const struct conf_alg conf_encs[] = {
	{ .name = "aes", .in_main = true, .in_quick = true },	/* 128 or 256, as the client likes */
	{ .name = "aes-128", .in_main = true, .in_quick = true },
	{ .name = "aes-192", .in_main = true, .in_quick = true, .quick_later = true },
	{ .name = "aes-256", .in_main = true, .in_quick = true },
	{ .name = "3des", .in_main = true, .in_quick = true, .weak = "aes" },
	{ .name = "aes-128-gcm", .in_quick = true },
	{ .name = "aes-256-gcm", .in_quick = true },
	NEVER("des", BROKEN),
	NEVER("null", "everybody on the way could read it; leave it out"),
	NEVER("blowfish", "no client of L2TP offers it; leave it out"),
	NEVER("cast", "no client of L2TP offers it; leave it out"),
	NEVER("aesctr", "no client of L2TP offers it; leave it out"),
	NEVER("chacha20-poly1305", "IKEv1 has no number for it; leave it out"),
	{ 0 },
};

/* "grp14" is a name by the number in the IANA registry of RFC 2409. */
#define GROUP(n, grp, how) \
	{ .name = n, .in_main = true, .in_quick = true, .weak = how }, \
	{ .name = grp, .in_main = true, .in_quick = true, .alias = n, .weak = how }

const struct conf_alg conf_groups[] = {
	GROUP("modp1024", "grp2", "modp2048"),
	GROUP("modp1536", "grp5", NULL),
	GROUP("modp2048", "grp14", NULL),
	GROUP("modp3072", "grp15", NULL),
	GROUP("modp4096", "grp16", NULL),
	GROUP("modp6144", "grp17", NULL),
	GROUP("modp8192", "grp18", NULL),
	GROUP("ecp256", "grp19", NULL),
	GROUP("ecp384", "grp20", NULL),
	GROUP("ecp521", "grp21", NULL),
	{ .name = "none", .in_quick = true },
	NEVER("modp768", BROKEN),
	NEVER("grp1", BROKEN),
	{ 0 },
};

void conf_default(struct conf *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->user_max_policy = CONF_UM_REFUSE;
	ret->esp = CONF_ESP_USER;
	ret->proposals = CONF_PROP_DEFAULT;
	ret->engines = 2;
	ret->dpd_s = 75;
}

/* ---- messages ---- */

static void msg_add_v(struct conf_msgs *m, bool warning, const char *file, unsigned line, unsigned col,
	const char *fmt, va_list ap)
{
	char text[600], where[CONF_PATH_MAX + 64], *out;
	char **more;

	if (warning)
		m->warnings++;
	else
		m->errors++;
	/* Each kind by itself: what is wrong must not be hidden behind what is weak. */
	if ((warning ? m->warnings : m->errors) > CONF_MSGS_MAX)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	if (line)
		snprintf(where, sizeof(where), "%s:%u:%u", file, line, col);
	else
		snprintf(where, sizeof(where), "%s", file);
	if (asprintf(&out, "%s: %s%s", where, warning ? "warning: " : "", text) < 0)
		return;
	more = realloc(m->line, (m->n + 1) * sizeof(*more));
	if (!more) {
		free(out);
		return;
	}
	m->line = more;
	m->line[m->n++] = out;
}

void conf_msg_add(struct conf_msgs *m, bool warning, const char *file, unsigned line, unsigned col,
	const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	msg_add_v(m, warning, file, line, col, fmt, ap);
	va_end(ap);
}

void conf_msgs_print(FILE *f, const struct conf_msgs *m)
{
	size_t all = m->errors + m->warnings;

	for (size_t i = 0; i < m->n; i++)
		fprintf(f, "%s\n", m->line[i]);
	if (all > m->n)
		fprintf(f, "%zu more messages are left out\n", all - m->n);
}

void conf_msgs_free(struct conf_msgs *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->line[i]);
	free(m->line);
	*m = (struct conf_msgs){ 0 };
}

/* With the place of the include statement, where pos is in a file that was included. */
static void say_v(struct conf_parse *p, bool warning, struct conf_pos pos, const char *fmt, va_list ap)
{
	const struct conf_pos *from = NULL;
	char text[600];

	for (unsigned i = 0; i < p->n_files; i++) {
		if (p->files[i].name == pos.file && p->files[i].from.line)
			from = &p->files[i].from;
	}
	vsnprintf(text, sizeof(text), fmt, ap);
	if (from)
		conf_msg_add(p->msgs, warning, pos.file, pos.line, pos.col, "%s (included at %s:%u:%u)", text, from->file,
			from->line, from->col);
	else
		conf_msg_add(p->msgs, warning, pos.file, pos.line, pos.col, "%s", text);
}

void conf_error(struct conf_parse *p, struct conf_pos pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_v(p, false, pos, fmt, ap);
	va_end(ap);
	/* Nobody reads on after so many. */
	if (p->msgs->errors >= CONF_MSGS_MAX)
		p->fatal = true;
}

void conf_warn(struct conf_parse *p, struct conf_pos pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_v(p, true, pos, fmt, ap);
	va_end(ap);
}

/* ---- input ---- */

/* What is no text of ours, with the place of it. NULL when all is well. */
static const char *text_fault(const char *buf, size_t len, unsigned *line, unsigned *col)
{
	*line = *col = 1;
	if ((len >= 3 && !memcmp(buf, "\xef\xbb\xbf", 3)))
		return "the file begins with a byte order mark: save it as UTF-8 without BOM";
	if (len >= 2 && (!memcmp(buf, "\xff\xfe", 2) || !memcmp(buf, "\xfe\xff", 2)))
		return "the file is UTF-16: save it as UTF-8";
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)buf[i];

		if (c == '\n') {
			++*line;
			*col = 1;
			continue;
		}
		if (c == '\0')
			return "a NUL byte: this is no text file";
		if (c == '\r')
			return "a carriage return: lines must end as on Unix (sed -i 's/\\r$//' FILE)";
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return "a control character";
		if (++*col > CONF_LINE_MAX)
			return "the line is too long; at most 65534 bytes fit";
	}
	return NULL;
}

static bool file_register(struct conf_parse *p, const char *name, struct conf_pos at)
{
	char *copy;

	if (p->n_files >= CONF_FILES_MAX) {
		conf_error(p, at, "more than %d files", CONF_FILES_MAX);
		return false;
	}
	copy = strdup(name);
	if (!copy)
		abort();
	p->files[p->n_files++] = (struct conf_file){ .name = copy, .from = at.line ? at : (struct conf_pos){ 0 } };
	return true;
}

/* In front of the input; the file was registered. */
static bool push(struct conf_parse *p, char *buf, size_t len)
{
	struct conf_pos at = { .file = p->files[p->n_files - 1].name };
	struct conf_input *in;
	const char *fault;

	if (len > CONF_FILE_MAX) {
		conf_error(p, at, "larger than %d bytes", CONF_FILE_MAX);
		goto bad;
	}
	fault = text_fault(buf, len, &at.line, &at.col);
	if (fault) {
		conf_error(p, at, "%s", fault);
		goto bad;
	}
	in = calloc(1, sizeof(*in));
	if (!in)
		abort();
	in->buf = buf;
	in->len = len;
	in->pos = (struct conf_pos){ at.file, 1, 1 };
	in->file = p->n_files - 1;
	in->depth = p->in ? p->in->depth + 1 : 0;
	in->parent = p->in;
	p->in = in;
	return true;
bad:
	explicit_bzero(buf, len);
	free(buf);
	return false;
}

bool conf_push_text(struct conf_parse *p, const char *name, char *buf, size_t len)
{
	if (!file_register(p, name, (struct conf_pos){ .file = name })) {
		free(buf);
		return false;
	}
	return push(p, buf, len);
}

void conf_pop(struct conf_parse *p)
{
	struct conf_input *in = p->in;

	p->in = in->parent;
	explicit_bzero(in->buf, in->len);
	free(in->buf);
	free(in);
}

bool conf_push_file(struct conf_parse *p, const char *path, struct conf_pos pos)
{
	/* Only what the caller names, not what a file includes. */
	bool is_stdin = !pos.line && !strcmp(path, "-");
	const char *name = is_stdin ? "stdin" : path;
	struct conf_pos at = pos.line ? pos : (struct conf_pos){ .file = name };
	const char *of = pos.line ? path : "", *sep = pos.line ? ": " : "";
	struct stat st;
	char *buf;
	size_t len;
	int fd, err;

	if (p->in && p->in->depth + 1 >= CONF_INCLUDE_DEPTH) {
		conf_error(p, at, "%s: files include one another more than %d deep", path, CONF_INCLUDE_DEPTH);
		return false;
	}
	fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
		      : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (p->flags & CONF_ONLY_FILES ? O_NONBLOCK : 0));
	if (fd < 0 || fstat(fd, &st) < 0) {
		conf_error(p, at, "%s%scannot be opened: %s", of, sep, strerror(errno));
		goto bad;
	}
	if (S_ISDIR(st.st_mode)) {
		conf_error(p, at, "%s%sis a directory; expected a file", of, sep);
		goto bad;
	}
	if (!S_ISREG(st.st_mode) && (p->flags & CONF_ONLY_FILES)) {
		conf_error(p, at, "%s%sis no regular file; a running server reads nothing else", of, sep);
		goto bad;
	}
	if (S_ISREG(st.st_mode) && !is_stdin && st.st_uid != 0 && st.st_uid != geteuid()) {
		conf_error(p, at, "%s%sbelongs to another user: chown root %s", of, sep, path);
		goto bad;
	}
	err = read_all(fd, CONF_FILE_MAX, &buf, &len);
	if (err) {
		conf_error(p, at, "%s%scannot be read: %s", of, sep, strerror(-err));
		goto bad;
	}
	close(fd);
	if (!file_register(p, name, at)) {
		explicit_bzero(buf, len);
		free(buf);
		return false;
	}
	if (S_ISREG(st.st_mode) && !is_stdin)
		p->files[p->n_files - 1].mode = st.st_mode & 07777;
	return push(p, buf, len);
bad:
	if (fd >= 0)
		close(fd);
	return false;
}

/* dir of path, or of what it leads to. */
static bool dir_safe(const char *path, char ret_why[static 512])
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX] = ".";
	struct stat st;

	if (slash)
		snprintf(dir, sizeof(dir), "%.*s", (int)MAX(slash - path, 1), path);
	if (stat(dir, &st) < 0)
		return true;
	/* In a directory like /tmp nobody can touch the files of others. A group that is the caller's own is
	 * he himself, as where each user has a group. */
	if ((st.st_mode & S_ISVTX) || (!(st.st_mode & S_IWOTH) &&
				       (!(st.st_mode & S_IWGRP) || st.st_gid == 0 || st.st_gid == getegid())))
		return true;
	snprintf(ret_why, 512, "others may put another file in the place of %s: chmod go-w %s", path, dir);
	return false;
}

bool conf_dir_safe(const char *path, char ret_why[static 512])
{
	char *real = realpath(path, NULL);
	bool ok = dir_safe(path, ret_why) && (!real || dir_safe(real, ret_why));

	free(real);
	return ok;
}

static int open_checked(const char *path, mode_t nobody, char ret_why[static 512])
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY), err;

	ret_why[0] = '\0';
	if (fd < 0) {
		err = -errno;
		if (err == -ELOOP)
			snprintf(ret_why, 512, "%s is a symbolic link; name the file itself", path);
		else
			snprintf(ret_why, 512, "%s cannot be opened: %s", path, strerror(-err));
		return err;
	}
	if (fstat(fd, &st) < 0) {
		err = -errno;
		snprintf(ret_why, 512, "%s: %s", path, strerror(-err));
	} else if (!S_ISREG(st.st_mode)) {
		err = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
		snprintf(ret_why, 512, "%s is no regular file", path);
	} else if (st.st_uid != 0 && st.st_uid != geteuid()) {
		err = -EPERM;
		snprintf(ret_why, 512, "%s belongs to another user: chown root %s", path, path);
	} else if (st.st_mode & nobody) {
		err = -EPERM;
		if (nobody & 4)
			snprintf(ret_why, 512, "%s holds secrets and is open to others: chmod 600 %s", path, path);
		else
			snprintf(ret_why, 512, "%s can be changed by others: chmod 644 %s", path, path);
	} else if (!conf_dir_safe(path, ret_why)) {
		err = -EPERM;
	} else {
		return fd;
	}
	close(fd);
	return err;
}

int conf_open_secret(const char *path, char ret_why[static 512])
{
	return open_checked(path, 077, ret_why);
}

int conf_open_public(const char *path, char ret_why[static 512])
{
	return open_checked(path, 022, ret_why);
}

/* ---- pre-shared keys and tunnel secrets ---- */

void conf_read_secret(struct conf_parse *p, struct conf_pos pos, const char *what, const char *name,
	const char *path, uint8_t secret[static CONF_SECRET_MAX], uint16_t *ret_len)
{
	char why[512], *buf;
	size_t len;
	int fd = conf_open_secret(path, why), err;

	if (fd < 0) {
		conf_error(p, pos, "%s: %s", what, why);
		return;
	}
	/* The line may end as on DOS. */
	err = read_all(fd, CONF_SECRET_MAX + 2, &buf, &len);
	close(fd);
	if (err) {
		conf_error(p, pos, "%s: %s cannot be read: %s", what, path, strerror(-err));
		return;
	}
	size_t all = len;

	if (len && buf[len - 1] == '\n')
		len--;
	if (len && buf[len - 1] == '\r')
		len--;
	if (len == 0)
		conf_error(p, pos, "%s: %s is empty", what, path);
	else if (len > CONF_SECRET_MAX)
		conf_error(p, pos, "%s: %s holds more than %d bytes", what, path, CONF_SECRET_MAX);
	else if (memchr(buf, '\n', len))
		conf_error(p, pos, "%s: %s holds more than one line", what, path);
	else {
		memcpy(secret, buf, len);
		*ret_len = (uint16_t)len;
		conf_judge_secret(p, pos, name, secret, len);
	}
	explicit_bzero(buf, all);
	free(buf);
}

void conf_scrub_but(struct conf *c, enum conf_secrets keep)
{
	for (unsigned i = 0; i < CONF_IKES && keep != CONF_SECRETS_IKE; i++) {
		explicit_bzero(c->ike[i].psk, sizeof(c->ike[i].psk));
		c->ike[i].psk_len = 0;
	}
	for (unsigned i = 0; i < CONF_TUNNELS && keep != CONF_SECRETS_L2TP; i++) {
		explicit_bzero(c->tunnel[i].l2tp_secret, sizeof(c->tunnel[i].l2tp_secret));
		c->tunnel[i].l2tp_secret_len = 0;
	}
	for (unsigned i = 0; i < CONF_DAE_CLIENTS && keep != CONF_SECRETS_RADIUS; i++)
		explicit_bzero(c->dae.client[i].secret, sizeof(c->dae.client[i].secret));
	for (unsigned i = 0; i < CONF_AUTHS && keep != CONF_SECRETS_RADIUS; i++) {
		for (unsigned k = 0; k < CONF_RADIUS_SERVERS; k++) {
			explicit_bzero(c->auth[i].radius_auth.server[k].secret, CONF_SECRET_MAX);
			explicit_bzero(c->auth[i].radius_acct.server[k].secret, CONF_SECRET_MAX);
		}
	}
}

void conf_scrub(struct conf *c)
{
	conf_scrub_but(c, CONF_SECRETS_NONE);
}

/* ---- loading ---- */

static int load(struct conf_parse *p, const char *path, const char *text, size_t len, struct conf *ret)
{
	size_t errors = p->msgs->errors;
	bool ok;
	char *copy;

	p->c = calloc(1, sizeof(*p->c));
	if (!p->c)
		abort();
	conf_default(p->c);
	p->where = IN_TOP;
	p->at_start = true;
	if (text) {
		copy = malloc(len ? len : 1);
		if (!copy)
			abort();
		memcpy(copy, text, len);
		ok = conf_push_text(p, path, copy, len);
	} else {
		ok = conf_push_file(p, path, (struct conf_pos){ 0 });
	}
	if (ok && conf_yyparse(p) == 0 && p->msgs->errors == errors)
		conf_check(p);
	ok = p->msgs->errors == errors;
	if (ok)
		memcpy(ret, p->c, sizeof(*ret));
	while (p->in)
		conf_pop(p);
	while (p->macros) {
		struct conf_macro *m = p->macros;

		p->macros = m->next;
		explicit_bzero(m->value, strlen(m->value));
		free(m->value);
		free(m->name);
		free(m);
	}
	for (unsigned i = 0; i < p->n_files; i++)
		free(p->files[i].name);
	free(p->include);
	free(p->nets_owned);
	explicit_bzero(p->c, sizeof(*p->c));
	free(p->c);
	free(p);
	return ok ? 0 : -1;
}

static struct conf_parse *parse_new(unsigned flags, struct conf_msgs *msgs)
{
	struct conf_parse *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->msgs = msgs;
	p->flags = flags;
	p->filter = CONF_FILTERS;
	return p;
}

int conf_load(const char *path, struct conf *ret, struct conf_msgs *msgs)
{
	return load(parse_new(0, msgs), path, NULL, 0, ret);
}

int conf_load_again(const char *path, struct conf *ret, struct conf_msgs *msgs)
{
	return load(parse_new(CONF_ONLY_FILES, msgs), path, NULL, 0, ret);
}

int conf_parse(const char *name, const char *text, size_t len, unsigned flags, struct conf *ret,
	struct conf_msgs *msgs)
{
	return load(parse_new(flags, msgs), name, text ? text : "", len, ret);
}

int conf_parse_on(const struct conf_net *nets, unsigned n_nets, const char *name, const char *text, size_t len,
	struct conf *ret, struct conf_msgs *msgs)
{
	struct conf_parse *p = parse_new(CONF_NO_FILES, msgs);

	p->nets = nets;
	p->n_nets = n_nets;
	return load(p, name, text, len, ret);
}
