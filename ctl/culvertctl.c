/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * culvertctl: asks the running server over its control socket, and changes users files
 * (user.h), which needs no server.
 *
 * One request, its answer, the next request; what the server sends is checked
 * against the message table like everything else.  Exit status: 0 done, 1 it
 * failed or was refused, 2 wrong usage.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/msg.h"
#include "ctl/args.h"
#include "ctl/format.h"
#include "ctl/user.h"

#define CTL_SOCKET "/run/culvert/culvert.sock"

enum { EXIT_USAGE = 2 };

/* A server that says nothing for so long hangs. */
enum {
	SILENCE_MAX_S = 10,
	RELOAD_MAX_S = 90,	/* one may be under way already */
};

struct client {
	const char *path;
	struct chan ch;
	int patience_s;
	struct msg msg;			/* the last answer */
};

static void die(const struct client *c, const char *what) __attribute__((noreturn));
static void die(const struct client *c, const char *what)
{
	fflush(stdout);
	fprintf(stderr, "culvertctl: %s: %s\n", c->path, what);
	exit(1);
}

static const char *connect_error(int err)
{
	switch (err) {
	case ENOENT:
	case ECONNREFUSED:
		return "no server listens here; is culvertd running?";
	case EACCES:
	case EPERM:
		return "not permitted; try as root";
	case ENAMETOOLONG:
		return "path too long for a socket";
	case EAGAIN:
	case EINPROGRESS:
		return "the server does not answer";
	default:
		return strerror(err);
	}
}

/* 0 or -errno. */
static int client_try(struct client *c)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = SILENCE_MAX_S };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (!str_copy(sun.sun_path, sizeof(sun.sun_path), c->path)) {
		close(fd);
		return -ENAMETOOLONG;
	}
	/* connect(2) waits for as long while the server's queue is full. */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	chan_init(&c->ch, fd, ROLE_CTL, ROLE_MANAGER, 0);
	return 0;
}

static void client_connect(struct client *c)
{
	int err = client_try(c);

	if (err)
		die(c, connect_error(-err));
}

static void client_wait(struct client *c, short events)
{
	struct pollfd p = { .fd = c->ch.fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, c->patience_s * 1000);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		die(c, strerror(errno));
	if (n == 0)
		die(c, "the server does not answer");
}

static void client_ask(struct client *c, enum msg_type type, uint32_t ppp_id)
{
	const struct msg_ctl_req req = { .version = CTL_VERSION, .ppp_id = ppp_id };
	int err = chan_send(&c->ch, type, &req, sizeof(req), -1);

	while (!err && chan_waiting(&c->ch)) {
		client_wait(c, POLLOUT);
		err = chan_flush(&c->ch);
	}
	/* A server that refuses us may have said why before it hung up: read on. */
	if (err && err != -EPIPE)
		die(c, strerror(-err));
}

/* The next answer, of type want or MSG_CTL_END. */
static uint32_t client_answer(struct client *c, enum msg_type want)
{
	int n;

	while ((n = chan_recv(&c->ch, &c->msg)) == 0)
		client_wait(c, POLLIN);
	/*
	 * Where the server hung up with our request unread, the kernel reports that once (ECONNRESET)
	 * ahead of what the server had sent before: that is still there, and says why.
	 */
	if (n == -EPIPE)
		n = chan_recv(&c->ch, &c->msg);
	if (n == -EPIPE || n == 0)
		die(c, "the server closed the connection");
	/* What a person should know may stand among the numbers. */
	if (n < 0 || (c->msg.type != want && c->msg.type != MSG_CTL_END &&
		      !(want == MSG_CTL_COUNTER && c->msg.type == MSG_CTL_LINE)))
		die(c, "the answer makes no sense; are server and culvertctl of one version?");
	return c->msg.type;
}

/* What the end of an answer says went wrong, in buf; NULL when it went well. */
static const char *client_failure(const struct client *c, char *buf, size_t cap)
{
	const struct msg_ctl_end *e = &c->msg.b.ctl_end;

	if (!e->err)
		return NULL;
	if (!e->text[0])
		return e->err > -4096 ? strerror(-e->err) : "failed";
	return format_text(buf, cap, e->text, sizeof(e->text));
}

static void check_end(const struct client *c)
{
	char buf[4 * sizeof(c->msg.b.ctl_end.text)];
	const char *why = client_failure(c, buf, sizeof(buf));

	if (why)
		die(c, why);
}

static void *grow(const struct client *c, void *p, size_t n, size_t size)
{
	/* At every power of two. */
	if (n & (n - 1))
		return p;
	p = reallocarray(p, n ? 2 * n : 1, size);
	if (!p)
		die(c, strerror(ENOMEM));
	return p;
}

/* The next session that is up, or NULL at the end. */
static const struct msg_ctl_row *next_session(struct client *c)
{
	while (client_answer(c, MSG_CTL_ROW) == MSG_CTL_ROW)
		if (c->msg.b.ctl_row.row.state == ROW_UP)
			return &c->msg.b.ctl_row;
	check_end(c);
	return NULL;
}

static bool resolve(const struct addr *a, char *buf, size_t cap)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sa(a, &ss);

	return len && !getnameinfo((const struct sockaddr *)&ss, len, buf, (socklen_t)cap, NULL, 0, NI_NAMEREQD);
}

static int do_session(struct client *c, const struct ctl_cmd *cmd, bool numeric)
{
	struct format f = { .out = stdout, .layout = cmd->verb, .resolve = numeric ? NULL : resolve };
	const struct msg_ctl_row *row;

	client_ask(c, MSG_CTL_LIST, 0);
	while ((row = next_session(c)))
		format_session(&f, row, filter_match(&cmd->filter, &row->row));
	return 0;
}

static int do_clear(struct client *c, const struct ctl_cmd *cmd)
{
	char buf[4 * sizeof(c->msg.b.ctl_end.text)];
	const struct msg_ctl_row *row;
	unsigned n = 0, failed = 0;
	uint32_t *ids = grow(c, NULL, 0, sizeof(*ids));

	if (filter_is_ppp_id(&cmd->filter)) {
		ids[n++] = cmd->filter.ppp_id;
	} else {
		client_ask(c, MSG_CTL_LIST, 0);
		while ((row = next_session(c))) {
			if (!filter_match(&cmd->filter, &row->row))
				continue;
			ids = grow(c, ids, n, sizeof(*ids));
			ids[n++] = row->row.ppp_id;
		}
	}
	for (unsigned i = 0; i < n; i++) {
		const char *why;

		client_ask(c, MSG_CTL_CLEAR, ids[i]);
		client_answer(c, MSG_CTL_END);
		why = client_failure(c, buf, sizeof(buf));
		/* One reason is enough; the count is on standard output. */
		if (why && failed++ == 0)
			fprintf(stderr, "culvertctl: session %u: %s\n", ids[i], why);
	}
	free(ids);
	format_cleared(stdout, n - failed, failed);
	return failed > 0;
}

static int do_status(struct client *c)
{
	struct msg_ctl_counter *all = NULL;
	struct msg_line *alarm = NULL;
	size_t n = 0, n_alarm = 0;
	uint32_t type;

	client_ask(c, MSG_CTL_STATUS, 0);
	while ((type = client_answer(c, MSG_CTL_COUNTER)) != MSG_CTL_END) {
		if (type == MSG_CTL_LINE) {
			alarm = grow(c, alarm, n_alarm, sizeof(*alarm));
			alarm[n_alarm++] = c->msg.b.line;
			continue;
		}
		all = grow(c, all, n, sizeof(*all));
		all[n++] = c->msg.b.ctl_counter;
	}
	check_end(c);
	for (size_t i = 0; i < n_alarm; i++) {
		fputs("ALARM: ", stdout);
		format_line(stdout, alarm[i].text);
	}
	format_status(stdout, PACKAGE_STRING, all, n);
	free(alarm);
	free(all);
	return 0;
}

/* A users file was changed: the server looks at it, and has told who has to go when this is over. */
static void users_changed(struct client *c)
{
	int err = client_try(c);

	/* Without a server there is nobody to tell. */
	if (err == -ENOENT || err == -ECONNREFUSED)
		return;
	if (err) {
		fprintf(stderr, "culvertctl: %s: %s; it sees the change by itself within seconds\n", c->path, connect_error(-err));
		return;
	}
	client_ask(c, MSG_CTL_USERS, 0);
	client_answer(c, MSG_CTL_END);
	check_end(c);
	chan_close(&c->ch);
}

/* The report goes to standard output; errors and warnings, as culvertd -n prints them, to standard error. */
static int do_reload(struct client *c)
{
	char buf[4 * sizeof(c->msg.b.ctl_end.text)];
	const char *why;

	c->patience_s = RELOAD_MAX_S;
	client_ask(c, MSG_CTL_RELOAD, 0);
	while (client_answer(c, MSG_CTL_LINE) == MSG_CTL_LINE) {
		bool diag = c->msg.b.line.diag;

		fflush(diag ? stdout : stderr);
		format_line(diag ? stderr : stdout, c->msg.b.line.text);
	}
	why = client_failure(c, buf, sizeof(buf));
	if (why && c->msg.b.ctl_end.text[0])
		die(c, why);
	return why != NULL;
}

int main(int argc, char **argv)
{
	static struct client c = { .path = CTL_SOCKET, .patience_s = SILENCE_MAX_S };	/* too big for a stack */
	struct user_place place = { .conf = CONF_DEFAULT_PATH };
	struct ctl_cmd cmd;
	bool numeric = false, changed = false;
	int opt, status;

	/* "+": an option after the command is an argument of it. */
	while ((opt = getopt(argc, argv, "+ns:f:u:a:")) != -1) {
		switch (opt) {
		case 'n':
			numeric = true;
			break;
		case 's':
			c.path = optarg;
			break;
		case 'f':
			place.conf = optarg;
			break;
		case 'u':
			place.users = optarg;
			break;
		case 'a':
			place.auth = optarg;
			break;
		default:
			fputs("usage: culvertctl [-n] [-s socket] command [arg ...]\n"
			      "       culvertctl [-s socket] [-f file] [-a authentication | -u users-file] user command [arg ...]\n",
				stderr);
			return EXIT_USAGE;
		}
	}
	if (!args_parse(argc - optind, argv + optind, stderr, &cmd))
		return EXIT_USAGE;
	if (cmd.verb >= CTL_USER_ADD) {
		status = user_command(&place, &cmd, &changed);
		/* A file that is named may be no server's. */
		if (changed && !place.users)
			users_changed(&c);
		goto out;
	}
	client_connect(&c);
	if (cmd.verb == CTL_CLEAR)
		status = do_clear(&c, &cmd);
	else if (cmd.verb == CTL_STATUS)
		status = do_status(&c);
	else if (cmd.verb == CTL_RELOAD)
		status = do_reload(&c);
	else
		status = do_session(&c, &cmd, numeric);
	chan_close(&c.ch);
out:
	if (fflush(stdout) || ferror(stdout)) {
		fputs("culvertctl: cannot write to standard output\n", stderr);
		return 1;
	}
	return status;
}
