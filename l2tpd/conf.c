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
	/* The pre-shared key is known to all clients, so each of them can pose as the server:
	 * PAP would hand it the others' passwords. */
	.auth_methods = CONF_AUTH_MSCHAPV2,
	.tcp_mss_adjust = true,
	.ingress_filter = true,
};

const struct conf_ipcp conf_ipcp_default;

#define RADIUS_DEFAULT { .timeout_s = 9, .max_tries = 3, .max_failovers = 1 }

const struct conf_radius conf_radius_default = RADIUS_DEFAULT;

const struct conf_auth conf_auth_default = {
	.users_file = CONF_DEFAULT_USERS,
	.strip_nt_domain = true,
	.radius_auth = RADIUS_DEFAULT,
	.radius_acct = RADIUS_DEFAULT,
};

const struct conf_alg conf_auths[] = {
	{ "hmac-sha1", true, true, false },
	{ "hmac-sha2-256", true, true, false },
	{ "hmac-sha2-384", true, true, true },
	{ "hmac-sha2-512", true, true, true },
	{ 0 },
};

const struct conf_alg conf_encs[] = {
	{ "aes", true, true, false },		/* 128 or 256, as the client likes */
	{ "aes-128", true, true, false },
	{ "aes-192", true, true, true },
	{ "aes-256", true, true, false },
	{ "3des", true, true, true },
	{ "aes-128-gcm", false, true, false },
	{ "aes-256-gcm", false, true, false },
	{ 0 },
};

const struct conf_alg conf_groups[] = {
	{ "modp1024", true, true, false },
	{ "modp1536", true, true, false },
	{ "modp2048", true, true, false },
	{ "modp3072", true, true, false },
	{ "modp4096", true, true, false },
	{ "modp6144", true, true, false },
	{ "modp8192", true, true, false },
	{ "ecp256", true, true, false },
	{ "ecp384", true, true, false },
	{ "ecp521", true, true, false },
	{ "none", false, true, false },
	{ 0 },
};

void conf_default(struct conf *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->user_max_policy = CONF_UM_REFUSE;
	ret->esp = CONF_ESP_USER;
	ret->proposals = CONF_PROP_DEFAULT;
	ret->engines = 2;
	ret->dpd_s = 60;
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
	if (m->n >= CONF_MSGS_MAX)
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

void conf_error(struct conf_parse *p, struct conf_pos pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	msg_add_v(p->msgs, false, pos.file, pos.line, pos.col, fmt, ap);
	va_end(ap);
	/* Nobody reads on after so many. */
	if (p->msgs->errors >= CONF_MSGS_MAX)
		p->fatal = true;
}

void conf_warn(struct conf_parse *p, struct conf_pos pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	msg_add_v(p->msgs, true, pos.file, pos.line, pos.col, fmt, ap);
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
	p->files[p->n_files++] = (struct conf_file){ .name = copy };
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

/* At most max + 1 bytes, so that the caller sees "too many". 0 or -errno. */
static int read_all(int fd, size_t max, char **ret_buf, size_t *ret_len)
{
	size_t n = 0, cap = 4096;
	char *buf = malloc(cap);
	int err = 0;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		ssize_t got = read(fd, buf + n, MIN(cap - n, max + 1 - n));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			err = -errno;
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n > max)
			break;
		if (n == cap) {
			char *bigger = malloc(cap * 2);

			if (!bigger) {
				err = -ENOMEM;
				break;
			}
			memcpy(bigger, buf, n);
			explicit_bzero(buf, n);
			free(buf);
			buf = bigger;
			cap *= 2;
		}
	}
	if (err) {
		explicit_bzero(buf, n);
		free(buf);
		return err;
	}
	*ret_buf = buf;
	*ret_len = n;
	return 0;
}

bool conf_push_file(struct conf_parse *p, const char *path, struct conf_pos pos)
{
	struct conf_pos at = pos.line ? pos : (struct conf_pos){ .file = path };
	const char *of = pos.line ? path : "", *sep = pos.line ? ": " : "";
	struct stat st;
	char *buf;
	size_t len;
	int fd, err;

	if (p->in && p->in->depth + 1 >= CONF_INCLUDE_DEPTH) {
		conf_error(p, at, "%s: files include one another more than %d deep", path, CONF_INCLUDE_DEPTH);
		return false;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0) {
		conf_error(p, at, "%s%scannot be opened: %s", of, sep, strerror(errno));
		goto bad;
	}
	if (S_ISDIR(st.st_mode)) {
		conf_error(p, at, "%s%sis a directory; expected a file", of, sep);
		goto bad;
	}
	if (S_ISREG(st.st_mode) && st.st_uid != 0 && st.st_uid != geteuid()) {
		conf_error(p, at, "%s%sbelongs to another user: chown root %s", of, sep, path);
		goto bad;
	}
	err = read_all(fd, CONF_FILE_MAX, &buf, &len);
	if (err) {
		conf_error(p, at, "%s%scannot be read: %s", of, sep, strerror(-err));
		goto bad;
	}
	close(fd);
	if (!file_register(p, path, at)) {
		explicit_bzero(buf, len);
		free(buf);
		return false;
	}
	if (S_ISREG(st.st_mode))
		p->files[p->n_files - 1].mode = st.st_mode & 07777;
	return push(p, buf, len);
bad:
	if (fd >= 0)
		close(fd);
	return false;
}

int conf_open_secret(const char *path, char ret_why[static 512])
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
	} else if (st.st_mode & 077) {
		err = -EPERM;
		snprintf(ret_why, 512, "%s holds secrets and is open to others: chmod 600 %s", path, path);
	} else {
		return fd;
	}
	close(fd);
	return err;
}

/* ---- pre-shared keys ---- */

void conf_judge_psk(struct conf_parse *p, const struct conf_ike *ike, struct conf_pos pos)
{
	/* What is left of a key when the words that everybody tries are taken out must still
	 * be a key. */
	static const char *const common[] = {
		"password", "passwd", "secret", "shared", "changeme", "letmein", "qwerty", "welcome", "admin",
		"example", "test", "ipsec", "l2tp", "vpn", "psk", "key", "abc", "123456789", "12345", "1234", "123",
	};
	char low[CONF_SECRET_MAX + 1];
	bool had[256] = { false };
	unsigned kinds = 0;
	size_t n = 0;

	for (size_t i = 0; i < ike->psk_len; i++) {
		uint8_t c = ike->psk[i];

		kinds += !had[c];
		had[c] = true;
		low[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c ? c : 1);
	}
	low[n] = '\0';
	for (size_t k = 0; k < N_ELEMENTS(common); k++) {
		size_t len = strlen(common[k]);
		char *at;

		while ((at = strstr(low, common[k]))) {
			memmove(at, at + len, strlen(at + len) + 1);
			n -= len;
		}
	}
	explicit_bzero(low, sizeof(low));
	if (ike->psk_len < 16)
		conf_warn(p, pos, "the pre-shared key has fewer than 16 bytes and can be guessed; "
			"a good one: openssl rand -base64 24");
	else if (kinds < 6 || n < 8)
		conf_warn(p, pos, "the pre-shared key is made of common words or few characters and can be guessed; "
			"a good one: openssl rand -base64 24");
}

void conf_read_psk(struct conf_parse *p, unsigned i, struct conf_pos pos)
{
	struct conf_ike *ike = &p->c->ike[i];
	char why[512], *buf;
	size_t len;
	int fd = conf_open_secret(ike->psk_file, why), err;

	if (fd < 0) {
		conf_error(p, pos, "psk file: %s", why);
		return;
	}
	/* The line may end as on DOS. */
	err = read_all(fd, CONF_SECRET_MAX + 2, &buf, &len);
	close(fd);
	if (err) {
		conf_error(p, pos, "psk file: %s cannot be read: %s", ike->psk_file, strerror(-err));
		return;
	}
	size_t all = len;

	if (len && buf[len - 1] == '\n')
		len--;
	if (len && buf[len - 1] == '\r')
		len--;
	if (len == 0)
		conf_error(p, pos, "psk file: %s is empty", ike->psk_file);
	else if (len > CONF_SECRET_MAX)
		conf_error(p, pos, "psk file: %s holds more than %d bytes", ike->psk_file, CONF_SECRET_MAX);
	else if (memchr(buf, '\n', len))
		conf_error(p, pos, "psk file: %s holds more than one line", ike->psk_file);
	else {
		memcpy(ike->psk, buf, len);
		ike->psk_len = (uint16_t)len;
		conf_judge_psk(p, ike, pos);
	}
	explicit_bzero(buf, all);
	free(buf);
}

void conf_scrub(struct conf *c)
{
	for (unsigned i = 0; i < CONF_IKES; i++) {
		explicit_bzero(c->ike[i].psk, sizeof(c->ike[i].psk));
		c->ike[i].psk_len = 0;
	}
	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		for (unsigned k = 0; k < CONF_RADIUS_SERVERS; k++) {
			explicit_bzero(c->auth[i].radius_auth.server[k].secret, CONF_SECRET_MAX);
			explicit_bzero(c->auth[i].radius_acct.server[k].secret, CONF_SECRET_MAX);
		}
	}
}

/* ---- checks ---- */

/* Give what the file is silent about. */
static void fill(struct conf_parse *p)
{
	struct conf *c = p->c;
	struct conf_pos whole = { .file = p->files[0].name };

	if (!c->n_tunnel && !c->n_unbuilt) {
		memcpy(&c->tunnel[0], &conf_tunnel_default, sizeof(c->tunnel[0]));
		(void)str_copy(c->tunnel[0].name, CONF_NAME_MAX, "L2TP");
		c->n_tunnel = 1;
		p->at_tunnel[0] = whole;
	}
	for (unsigned i = 0; i < c->n_tunnel; i++) {
		if (!c->tunnel[i].n_listen) {
			c->tunnel[i].listen[0].family = 4;
			c->tunnel[i].n_listen = 1;
		}
	}
	if (!c->n_ipcp) {
		memcpy(&c->ipcp[0], &conf_ipcp_default, sizeof(c->ipcp[0]));
		(void)str_copy(c->ipcp[0].name, CONF_NAME_MAX, "IPCP");
		c->ipcp[0].pool[0].first = 0xc0a8570a;	/* 192.168.87.10 */
		c->ipcp[0].pool[0].last = 0xc0a857d1;	/* 192.168.87.209 */
		c->ipcp[0].n_pool = 1;
		c->ipcp[0].dns[0] = 0x09090909;		/* 9.9.9.9 */
		c->ipcp[0].dns[1] = 0x95707070;		/* 149.112.112.112 */
		c->n_ipcp = 1;
		p->at_ipcp[0] = p->at_pool[0][0] = p->at_dns[0][0] = p->at_dns[0][1] = whole;
	}
	if (!c->n_interface && c->n_ipcp > 1) {
		conf_error(p, whole, "there are %u ipcp blocks and no interface statement says which one counts", c->n_ipcp);
	} else if (!c->n_interface) {
		(void)str_copy(c->interface[0].name, CONF_IFNAME_MAX, "pppx0");
		c->interface[0].per_session = true;
		c->interface[0].address = 0xc0a85701;	/* 192.168.87.1 */
		(void)str_copy(p->interface_ipcp[0], CONF_NAME_MAX, c->ipcp[0].name);
		c->n_interface = 1;
		p->at_interface[0] = whole;
	}
	if (!c->n_auth) {
		memcpy(&c->auth[0], &conf_auth_default, sizeof(c->auth[0]));
		(void)str_copy(c->auth[0].name, CONF_NAME_MAX, "LOCAL");
		c->n_auth = 1;
		p->at_auth[0] = p->at_users[0] = whole;
	}
	if (!p->bound && c->n_tunnel && (c->n_tunnel + c->n_unbuilt > 1 || c->n_auth > 1 || c->n_interface > 1)) {
		conf_error(p, whole, "there is no bind statement, and more than one tunnel, authentication or "
			"interface to choose from");
	} else if (!p->bound && c->n_tunnel) {
		(void)str_copy(p->bind_name[0][0], CONF_NAME_MAX, c->tunnel[0].name);
		(void)str_copy(p->bind_name[0][1], CONF_NAME_MAX, c->auth[0].name);
		(void)str_copy(p->bind_name[0][2], CONF_NAME_MAX, c->interface[0].name);
		p->at_bind[0] = whole;
		c->n_bind = 1;
	}
}

/* The index of a name among n rows of the given size, whose first field it is; -1 and an error. */
static int find(struct conf_parse *p, struct conf_pos pos, const char *what, const char *name, const void *rows,
	size_t size, unsigned n)
{
	const char *best = NULL;
	unsigned dist = UINT_MAX;
	char shown[CONF_NAME_MAX];

	for (unsigned i = 0; i < n; i++) {
		const char *have = (const char *)rows + i * size;

		if (!strcmp(have, name))
			return (int)i;
		kw_suggest(name, have, &best, &dist);
	}
	str_escape(shown, sizeof(shown), name, strlen(name));
	if (!best && n == 1)
		best = rows;
	conf_error(p, pos, "there is no %s %s%s%s%s", what, shown, best ? "; did you mean " : "", best ? best : "",
		best ? "?" : "");
	return -1;
}

#define FIND(p, pos, what, name, rows, n) find(p, pos, what, name, rows, sizeof((rows)[0]), n)

static void resolve(struct conf_parse *p)
{
	struct conf *c = p->c;
	unsigned n = 0;

	for (unsigned i = 0; i < c->n_interface; i++) {
		int k = FIND(p, p->at_interface[i], "ipcp", p->interface_ipcp[i], c->ipcp, c->n_ipcp);

		c->interface[i].ipcp = k < 0 ? 0 : (uint8_t)k;
	}
	for (unsigned i = 0; i < c->n_bind; i++) {
		bool left_out = false;
		int t, a, f;

		for (unsigned k = 0; k < c->n_unbuilt; k++)
			left_out = left_out || !strcmp(c->unbuilt[k].name, p->bind_name[i][0]);
		t = left_out ? 0 : FIND(p, p->at_bind[i], "tunnel", p->bind_name[i][0], c->tunnel, c->n_tunnel);
		a = FIND(p, p->at_bind[i], "authentication", p->bind_name[i][1], c->auth, c->n_auth);
		f = FIND(p, p->at_bind[i], "interface", p->bind_name[i][2], c->interface, c->n_interface);
		if (left_out || t < 0 || a < 0 || f < 0)
			continue;
		c->bind[n] = (struct conf_bind){ (uint8_t)t, (uint8_t)a, (uint8_t)f };
		p->at_bind[n++] = p->at_bind[i];
	}
	memset(&c->bind[n], 0, (CONF_BINDS - n) * sizeof(c->bind[0]));
	c->n_bind = (uint8_t)n;
}

/* "at FILE:LINE:COL", or that it is a default. */
static const char *place(struct conf_pos pos, char buf[static 400])
{
	if (pos.line)
		snprintf(buf, 400, "at %s:%u:%u", pos.file, pos.line, pos.col);
	else
		snprintf(buf, 400, "by default");
	return buf;
}

static void check_binds(struct conf_parse *p)
{
	const struct conf *c = p->c;
	char at[400];

	for (unsigned t = 0; t < c->n_tunnel; t++) {
		bool any = false;

		for (unsigned i = 0; i < c->n_bind; i++)
			any = any || c->bind[i].tunnel == t;
		if (!any)
			conf_error(p, p->at_tunnel[t], "tunnel %s is in no bind, so nobody could log in through it",
				c->tunnel[t].name);
	}
	for (unsigned i = 0; i < c->n_bind; i++) {
		for (unsigned k = 0; k < i; k++) {
			const struct conf_auth *a = &c->auth[c->bind[i].auth], *b = &c->auth[c->bind[k].auth];

			/* The user's name alone decides between the binds of a tunnel. */
			if (c->bind[i].tunnel == c->bind[k].tunnel && !strcmp(a->username_suffix, b->username_suffix))
				conf_error(p, p->at_bind[i], "this tunnel is bound already, %s, to an authentication with the "
					"same username-suffix", place(p->at_bind[k], at));
		}
	}
}

static void check_ikes(struct conf_parse *p)
{
	const struct conf *c = p->c;
	char at[400];

	for (unsigned i = 0; i < c->n_ike; i++) {
		for (unsigned k = 0; k < i; k++) {
			const struct conf_ike *a = &c->ike[i], *b = &c->ike[k];

			if (addr_ip_eq(&a->from, &b->from) && addr_ip_eq(&a->to, &b->to) && a->to_prefix == b->to_prefix)
				conf_error(p, p->at_ike[i], "an ike statement with the same from and to stands %s",
					place(p->at_ike[k], at));
		}
	}
	if (!c->n_ike)
		conf_warn(p, (struct conf_pos){ .file = p->files[0].name },
			"there is no ike statement, so no client can connect");
}

static bool in_pool(const struct conf_pool *r, uint32_t ip)
{
	return ip >= r->first && ip <= r->last;
}

static const char *range_str(const struct conf_pool *r, char buf[static 2 * ADDR_STRLEN])
{
	char a[ADDR_STRLEN], b[ADDR_STRLEN];

	snprintf(buf, 2 * ADDR_STRLEN, "%s-%s", ip4_str(r->first, a), ip4_str(r->last, b));
	return buf;
}

/* One range against everything that must not be in it; j, k: the ranges before it. */
static void check_range(struct conf_parse *p, unsigned i, unsigned r)
{
	const struct conf *c = p->c;
	const struct conf_pool *me = &c->ipcp[i].pool[r];
	char mine[2 * ADDR_STRLEN], other[2 * ADDR_STRLEN], at[400];

	range_str(me, mine);
	for (unsigned j = 0; j <= i; j++) {
		for (unsigned k = 0; k < (j == i ? r : c->ipcp[j].n_pool); k++) {
			const struct conf_pool *o = &c->ipcp[j].pool[k];

			if (me->first <= o->last && o->first <= me->last)
				conf_error(p, p->at_pool[i][r], "pool %s overlaps pool %s, %s", mine, range_str(o, other),
					place(p->at_pool[j][k], at));
		}
	}
	for (unsigned j = 0; j < c->n_interface; j++) {
		if (in_pool(me, c->interface[j].address))
			conf_error(p, p->at_pool[i][r], "pool %s holds %s, the server's own address on %s, %s", mine,
				ip4_str(c->interface[j].address, other), c->interface[j].name,
				place(p->at_interface[j], at));
	}
	for (unsigned j = 0; j < c->n_ipcp; j++) {
		for (unsigned k = 0; k < 2; k++) {
			if (c->ipcp[j].dns[k] && in_pool(me, c->ipcp[j].dns[k]))
				conf_error(p, p->at_pool[i][r], "pool %s holds %s, a DNS server, %s", mine,
					ip4_str(c->ipcp[j].dns[k], other), place(p->at_dns[j][k], at));
		}
	}
}

static void check_pools(struct conf_parse *p)
{
	const struct conf *c = p->c;
	uint64_t room = 0;
	char at[400];

	for (unsigned i = 0; i < c->n_ipcp; i++) {
		bool dynamic = false;

		for (unsigned r = 0; r < c->ipcp[i].n_pool; r++) {
			check_range(p, i, r);
			dynamic = dynamic || !c->ipcp[i].pool[r].static_only;
			room += (uint64_t)c->ipcp[i].pool[r].last - c->ipcp[i].pool[r].first + 1;
		}
		if (!c->ipcp[i].n_pool)
			conf_error(p, p->at_ipcp[i], "ipcp %s has no pool-address", c->ipcp[i].name);
		else if (!dynamic)
			conf_warn(p, p->at_ipcp[i], "ipcp %s has no dynamic pool: users without a framed-ip-address get none",
				c->ipcp[i].name);
	}
	if (c->max_session > room)
		conf_warn(p, p->at_ipcp[0], "max-session is %u, but the pools have room for %llu", c->max_session,
			(unsigned long long)room);
	for (unsigned i = 0; i < c->n_interface; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (c->interface[i].address == c->interface[k].address)
				conf_error(p, p->at_interface[i], "interface %s has the same address, %s", c->interface[k].name,
					place(p->at_interface[k], at));
		}
	}
}

static void check_files(struct conf_parse *p)
{
	const struct conf *c = p->c;
	char why[512];

	for (unsigned i = 0; i < p->n_files; i++) {
		struct conf_pos at = { .file = p->files[i].name };

		if (p->files[i].mode & 022)
			conf_error(p, at, "others may write to it: chmod %s %s", p->files[i].has_secret ? "600" : "go-w",
				p->files[i].name);
		else if (p->files[i].has_secret && (p->files[i].mode & 077))
			conf_error(p, at, "it holds a secret and others may read it: chmod 600 %s", p->files[i].name);
	}
	if (p->flags & CONF_NO_FILES)
		return;
	for (unsigned i = 0; i < c->n_auth; i++) {
		int fd;

		if (c->auth[i].type != CONF_TYPE_LOCAL)
			continue;
		fd = conf_open_secret(c->auth[i].users_file, why);
		if (fd >= 0)
			close(fd);
		else if (fd == -ENOENT)
			conf_warn(p, p->at_users[i], "users-file %s is not there: nobody can log in by %s",
				c->auth[i].users_file, c->auth[i].name);
		else
			conf_error(p, p->at_users[i], "users-file: %s", why);
	}
}

void conf_check(struct conf_parse *p)
{
	if (!p->n_statements) {
		conf_error(p, (struct conf_pos){ .file = p->files[0].name },
			"holds no statement; the smallest file is one line: ike passive esp transport from any to any psk \"…\"");
		return;
	}
	fill(p);
	resolve(p);
	check_ikes(p);
	check_pools(p);
	check_files(p);
	if (!p->msgs->errors)
		check_binds(p);
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
	return p;
}

int conf_load(const char *path, struct conf *ret, struct conf_msgs *msgs)
{
	return load(parse_new(0, msgs), path, NULL, 0, ret);
}

int conf_parse(const char *name, const char *text, size_t len, unsigned flags, struct conf *ret,
	struct conf_msgs *msgs)
{
	return load(parse_new(flags, msgs), name, text ? text : "", len, ret);
}
