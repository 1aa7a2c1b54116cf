/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/child.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

int child_identity(const char *user, uint32_t *ret_uid, uint32_t *ret_gid, bool *ret_fallback)
{
	struct passwd *pw = getpwnam(user);

	*ret_fallback = !pw;
	if (!pw)
		pw = getpwnam(CHILD_USER_FALLBACK);
	if (!pw)
		return -ENOENT;
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return 0;
}

void child_die_with_parent(int sig)
{
	/* The kernel forgets this at a change of uid, so it comes after it. */
	if (prctl(PR_SET_PDEATHSIG, sig) < 0)
		fatal("PR_SET_PDEATHSIG: %s", strerror(errno));
	if (!parent_lives(CHILD_FD))
		fatal("the parent is gone");
}

void child_confine(const char *user)
{
	static const struct rlimit none;
	uint32_t uid, gid;
	bool fallback;

	if (child_identity(user, &uid, &gid, &fallback) < 0)
		fatal("no account %s and no %s either", user, CHILD_USER_FALLBACK);
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0))
		fatal("cannot become %s: %s", user, strerror(errno));
	if (setresuid(0, 0, 0) == 0)
		fatal("root could be taken back");
	child_die_with_parent(SIGKILL);
	/* A terminal's ^C and a service manager's TERM may reach the whole group; the parent
	 * decides what they mean. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0) < 0)
		fatal("cannot confine the process: %s", strerror(errno));
}

struct start {
	peer_msg_cb *cb;
	void *arg;
};

static void parent_msg(struct peer *p, struct msg *m, void *arg)
{
	struct start *s = arg;

	if (m->type == MSG_PING)
		peer_send(p, MSG_PONG, NULL, 0, -1);
	else
		s->cb(p, m, s->arg);
}

static void parent_ended(struct peer *p, void *arg)
{
	_exit(1);
}

void child_start(struct peer *parent, struct event_base *base, enum role self, peer_msg_cb *cb, void *arg)
{
	static struct start s;

	s = (struct start){ cb, arg };
	if (peer_open(parent, base, CHILD_FD, self, ROLE_PARENT, 0, parent_msg, parent_ended, &s) < 0)
		fatal("out of memory");
	event_base_dispatch(base);
	_exit(1);
}

static void peer_ended(struct peer *p, void *arg)
{
	/* Its successor comes with MSG_PEER. */
	log_info("%s is gone", role_name(p->c.peer));
}

void child_take_peer(struct peer *p, struct event_base *base, enum role self, enum role want, struct msg *m,
	peer_msg_cb *cb, void *arg)
{
	if (m->b.peer.role != want)
		fatal("a channel to %s, which has no business here", role_name(m->b.peer.role));
	if (peer_is_open(p))
		peer_close(p);
	if (peer_open(p, base, m->fd, self, want, m->b.peer.index, cb, peer_ended, arg) < 0)
		fatal("out of memory");
	m->fd = -1;
}
