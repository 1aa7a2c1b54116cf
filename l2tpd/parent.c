/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/child.h"
#include "l2tpd/conf.h"
#include "l2tpd/conf_merge.h"
#include "l2tpd/daemon.h"
#include "l2tpd/notify.h"
#include "l2tpd/paths.h"
#include "l2tpd/reload.h"
#include "l2tpd/xfrm.h"

enum {
	USERS_POLL_S = 1,		/* a changed users file is read when two looks have seen the same */
	READY_S = 45,			/* all children ready within this time */
	STOP_S = 5,			/* sessions end orderly within this time */
	PING_S = 1,
	STUCK_S = 5,			/* a child that answers no ping for so long is killed */
	STUCK_NETD_S = 15,		/* it may wait for culvert-firewall */
	STEADY_S = 10,			/* a child that lived so long is started again at once */
	FILES_MAX = 65536 + 1024,
	BACKOFF_MS = 100, BACKOFF_MAX_MS = 5000,
};

struct child_proc *parent_child(struct parent *p, enum role role, unsigned index)
{
	for (unsigned i = 0; i < p->n_child; i++)
		if (p->child[i].role == role && p->child[i].index == index)
			return &p->child[i];
	return NULL;
}

/* ---- what must be there before the first child ---- */

/* One server per run directory; the lock's holder is named. */
static bool take_lock(struct parent *p)
{
	char path[PATH_MAX], pid[32];
	int n;

	if (mkdir(p->opts->run_dir, 0755) < 0 && errno != EEXIST) {
		log_err("run directory %s cannot be made: %s", p->opts->run_dir, strerror(errno));
		return false;
	}
	snprintf(path, sizeof(path), "%s/culvertd.pid", p->opts->run_dir);
	p->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (p->lock_fd < 0) {
		log_err("%s: %s", path, strerror(errno));
		return false;
	}
	if (flock(p->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		n = (int)read(p->lock_fd, pid, sizeof(pid) - 1);
		pid[n > 0 ? strcspn((pid[n] = '\0', pid), "\n") : 0] = '\0';
		log_err("another culvertd is running from %s (pid %s)", p->opts->run_dir, pid);
		return false;
	}
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(p->lock_fd, 0) < 0 || write(p->lock_fd, pid, (size_t)n) != n)
		log_warn("%s: %s, ignoring", path, strerror(errno));
	return true;
}

/* Away with a dead server's socket, or the link to it (the lock is ours); not with what is anything else. */
static bool clear_path(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return true;	/* what else is wrong bind() will say */
	if (!S_ISSOCK(st.st_mode) && !S_ISLNK(st.st_mode)) {
		log_err("control socket %s: there is another file: remove it, or name another path", path);
		return false;
	}
	return unlink(path) == 0;
}

/* The service and who calls culvertctl need not know where the socket is. */
static void link_control(struct parent *p, const char *usual)
{
	char at[PATH_MAX], there[PATH_MAX];

	if (!realpath(p->ctl_path, at) || (realpath(usual, there) && !strcmp(at, there)))
		return;
	if (!clear_path(usual) || symlink(at, usual) < 0)
		log_warn("%s cannot be made a link to the control socket (%s): culvertctl needs -s %s", usual,
			strerror(errno), at);
	else
		(void)str_copy(p->ctl_link, sizeof(p->ctl_link), usual);
}

static bool listen_control(struct parent *p)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct group *gr = NULL;
	char usual[PATH_MAX];
	mode_t old;
	int r;

	snprintf(usual, sizeof(usual), "%s/culvert.sock", p->opts->run_dir);
	str_copy(p->ctl_path, sizeof(p->ctl_path), p->conf->control_socket[0] ? p->conf->control_socket : usual);
	if (!str_copy(un.sun_path, sizeof(un.sun_path), p->ctl_path)) {
		log_err("control socket %s: the path is too long", p->ctl_path);
		return false;
	}
	if (p->conf->control_group[0] && !(gr = getgrnam(p->conf->control_group))) {
		log_err("control group %s does not exist", p->conf->control_group);
		return false;
	}
	p->listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!clear_path(p->ctl_path))
		return false;
	old = umask(0117);
	r = p->listen_fd < 0 ? -1 : bind(p->listen_fd, (struct sockaddr *)&un, sizeof(un));
	umask(old);
	if (r < 0 || (gr && chown(p->ctl_path, 0, gr->gr_gid) < 0) || listen(p->listen_fd, 32) < 0) {
		log_err("control socket %s: %s", p->ctl_path, strerror(errno));
		return false;
	}
	link_control(p, usual);
	return true;
}

static bool listens_on_any(const struct conf *c, uint8_t family)
{
	for (unsigned t = 0; t < c->n_tunnel; t++)
		for (unsigned i = 0; i < c->tunnel[t].n_listen; i++)
			if (c->tunnel[t].listen[i].family == family && addr_is_any(&c->tunnel[t].listen[i]))
				return true;
	return false;
}

/* ---- where ESP is done ---- */

/* Does a tunnel take plain L2TP on the port that the kernel's ESP needs? */
static bool plain_on_1701(const struct conf *c)
{
	for (unsigned t = 0; t < c->n_tunnel; t++)
		for (unsigned i = 0; !c->tunnel[t].l2tp_require_ipsec && i < c->tunnel[t].n_listen; i++)
			if (conf_plain_port(&c->tunnel[t].listen[i]) == STEER_L2TP_PORT)
				return true;
	return false;
}

static bool listens_on(const struct conf *c, uint8_t family)
{
	for (unsigned t = 0; t < c->n_tunnel; t++)
		for (unsigned i = 0; i < c->tunnel[t].n_listen; i++)
			if (c->tunnel[t].listen[i].family == family)
				return true;
	return false;
}

static bool has_xauth(const struct conf *c)
{
	for (unsigned i = 0; i < c->n_ike; i++)
		if (c->ike[i].xauth)
			return true;
	return false;
}

/* Could the kernel do it here?  why: both ways. */
static bool kernel_can(const struct conf *c, char *why, size_t cap)
{
	static const uint8_t families[] = { 4, 6 };
	const char *no = NULL;
	struct xfrm x;
	int err;

	if (plain_on_1701(c)) {
		snprintf(why, cap, "plain L2TP listens on UDP 1701, which ESP in the kernel needs: give it another port");
		return false;
	}
	if (c->raw_esp) {
		snprintf(why, cap, "raw-esp yes, ESP without UDP, is culvertd's own");
		return false;
	}
	if (has_xauth(c)) {
		snprintf(why, cap, "an ike statement has xauth, whose clients are culvertd's own");
		return false;
	}
	err = xfrm_open(&x);
	if (err)
		no = "the kernel has no XFRM";
	for (unsigned i = 0; !err && i < N_ELEMENTS(families); i++)
		if (listens_on(c, families[i]))
			err = xfrm_probe(&x, families[i], &no);
	xfrm_close(&x);
	if (err)
		snprintf(why, cap, "%s: %s", no, strerror(-err));
	else
		snprintf(why, cap, "an SA could be added");
	return !err;
}

/* `set esp`: what it comes to on this machine. False: the kernel was asked for, and cannot. */
static bool choose_esp(struct conf *c)
{
	static const char *const words[] = {
		[CONF_ESP_USER] = "user", [CONF_ESP_KERNEL] = "kernel", [CONF_ESP_AUTO] = "auto",
	};
	char why[160] = "";

	c->esp_kernel = c->esp != CONF_ESP_USER && kernel_can(c, why, sizeof(why));
	if (c->esp == CONF_ESP_KERNEL && !c->esp_kernel) {
		log_err("set esp kernel: %s; \"set esp user\" needs nothing of the kernel", why);
		return false;
	}
	log_notice("esp mode=%s reason=\"set esp %s%s%s\"", c->esp_kernel ? "kernel" : "user", words[c->esp],
		why[0] ? ": " : "", why);
	return true;
}

/* What a server before us left in the kernel, if it was killed. */
static void sweep_xfrm(void)
{
	struct xfrm x;
	unsigned n = 0;
	int err = xfrm_open(&x);

	if (!err)
		err = xfrm_remove(&x, mark_make(0, 0), MARK_MASK_SIGN, &n);
	xfrm_close(&x);
	if (err)
		log_warn("SAs of an earlier server cannot be looked for: %s", strerror(-err));
	else if (n)
		log_notice("removed %u SAs and policies of an earlier server from the kernel", n);
}

/* Every address that a tunnel listens on, once. */
static bool open_sockets(struct parent *p)
{
	for (unsigned t = 0; t < p->conf->n_tunnel; t++) {
		const struct conf_tunnel *ct = &p->conf->tunnel[t];

		for (unsigned i = 0; i < ct->n_listen; i++) {
			struct addr at = ct->listen[i];
			char where[ADDR_STRLEN];
			uint16_t port;
			bool have = false;
			int err;

			at.port = 0;
			for (unsigned k = 0; k < p->n_steer; k++)
				have |= addr_ip_eq(&p->steer[k].at, &at);
			/* "any" takes what comes for every address of its family. */
			if (have || (!addr_is_any(&at) && listens_on_any(p->conf, at.family)))
				continue;
			err = p->conf->esp_kernel
				? steer_open_kernel(&p->steer[p->n_steer], &at, p->conf->engines, &port)
				: steer_open(&p->steer[p->n_steer], &at, p->conf->engines, p->conf->raw_esp, &port);
			if (err == -EADDRINUSE) {
				log_err("UDP port %u of %s is taken by another program: stop it "
					"(ss -ulpn 'sport = :%u' names it)", port, addr_str(&at, where), port);
				return false;
			}
			if (err < 0 && !port) {
				log_err("raw-esp on %s: %s (a raw socket needs CAP_NET_RAW)", addr_str(&at, where),
					strerror(-err));
				return false;
			}
			if (err < 0) {
				log_err("listen on %s: %s", addr_str(&at, where), strerror(-err));
				return false;
			}
			p->n_steer++;
		}
	}
	return true;
}

/* A socket for every address takes what comes for this one. */
static bool plain_is_open(const struct parent *p, const struct addr *at)
{
	for (unsigned k = 0; k < p->n_plain; k++)
		if (addr_eq(&p->plain[k].at, at) || (addr_is_any(&p->plain[k].at) &&
		    p->plain[k].at.family == at->family && p->plain[k].at.port == at->port))
			return true;
	return false;
}

static bool open_plain(struct parent *p, const struct addr *at)
{
	char where[ADDR_STRLEN];
	int err;

	if (plain_is_open(p, at))
		return true;
	err = steer_plain_open(&p->plain[p->n_plain], at, p->conf->engines);
	if (err == -EADDRINUSE)
		log_err("plain L2TP: UDP %s is taken by another program: stop it (ss -ulpn 'sport = :%u' names it)",
			addr_str(at, where), at->port);
	else if (err < 0)
		log_err("plain L2TP: listen on %s: %s", addr_str(at, where), strerror(-err));
	else
		p->n_plain++;
	return err == 0;
}

/* Every address and port of plain L2TP, once; those for every address first. */
static bool open_all_plain(struct parent *p)
{
	for (int any = 1; any >= 0; any--) {
		for (unsigned t = 0; t < p->conf->n_tunnel; t++) {
			const struct conf_tunnel *ct = &p->conf->tunnel[t];

			for (unsigned i = 0; !ct->l2tp_require_ipsec && i < ct->n_listen; i++) {
				struct addr at = ct->listen[i];

				at.port = conf_plain_port(&at);
				if (addr_is_any(&at) == any && !open_plain(p, &at))
					return false;
			}
		}
	}
	return true;
}

/* ---- requests of RADIUS, RFC 5176 ---- */

static struct dae_sock *dae_find(struct parent *p, const struct addr *at)
{
	for (unsigned i = 0; i < p->n_dae; i++)
		if (addr_eq(&p->dae[i].at, at))
			return &p->dae[i];
	return NULL;
}

bool parent_dae_open(struct parent *p, const struct conf *c, struct addr *ret_bad, int *ret_err)
{
	for (unsigned i = 0; i < c->dae.n_listen; i++) {
		const struct addr *at = &c->dae.listen[i];
		bool again = false;
		int fd;

		if (dae_find(p, at))
			continue;
		for (unsigned k = 0; k < p->n_dae; k++)
			again = again || (p->dae[k].at.port == at->port && p->dae[k].at.family == at->family);
		*ret_bad = *at;
		*ret_err = p->n_dae < N_ELEMENTS(p->dae) ? steer_dae_open(at, again, &fd) : -ENOSPC;
		if (*ret_err)
			return false;
		p->dae[p->n_dae++] = (struct dae_sock){ .at = *at, .fd = fd };
	}
	return true;
}

void parent_dae_trim(struct parent *p, const struct conf *c)
{
	unsigned n = 0;

	for (unsigned k = 0; k < p->n_dae; k++) {
		bool named = false;

		for (unsigned i = 0; i < c->dae.n_listen; i++)
			named = named || addr_eq(&c->dae.listen[i], &p->dae[k].at);
		if (named)
			p->dae[n++] = p->dae[k];
		else
			close(p->dae[k].fd);
	}
	p->n_dae = n;
}

static bool open_dae(struct parent *p)
{
	char where[ADDR_STRLEN];
	struct addr bad;
	int err;

	if (parent_dae_open(p, p->conf, &bad, &err))
		return true;
	if (err == -EADDRINUSE)
		log_err("radius dae: UDP %s is taken by another program: stop it (ss -ulpn 'sport = :%u' names it)",
			addr_str(&bad, where), bad.port);
	else
		log_err("radius dae: listen on %s: %s", addr_str(&bad, where), strerror(-err));
	return false;
}

static bool make_table(struct parent *p, unsigned engine)
{
	int fd = memfd_create("culvert-sessions", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, (off_t)(p->rows * sizeof(struct sess_row))) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		log_err("session table: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		fd = -1;
	}
	p->table_fd[engine] = fd;
	return fd >= 0;
}

static bool make_tables(struct parent *p)
{
	p->rows = conf_rows(p->conf->max_session);
	for (unsigned i = 0; i < p->conf->engines; i++)
		if (!make_table(p, i))
			return false;
	return true;
}

static bool forwards(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_forward", "re");
	int c = f ? fgetc(f) : '0';

	if (f)
		fclose(f);
	return c == '1';
}

/*
 * The accounting spool: what RADIUS servers have not been told yet, in a file that
 * outlives us.  Without it records are in memory only, and the log says so.
 */
static void open_spool(struct parent *p)
{
	const char *dir = strcmp(p->opts->run_dir, PARENT_RUN_DIR) ? p->opts->run_dir : PARENT_STATE_DIR;
	char path[PATH_MAX];
	bool wanted = false;

	for (unsigned i = 0; i < p->conf->n_auth; i++)
		wanted |= p->conf->auth[i].radius_acct.n_server > 0;
	p->spool_fd = -1;
	if (mkdir(dir, 0755) < 0 && errno != EEXIST && wanted)
		log_err("%s: %s", dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/accounting", dir);
	p->spool_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (p->spool_fd < 0 && wanted)
		log_err("accounting spool %s: %s: records are kept in memory only", path, strerror(errno));
}

/* ---- children ---- */
static void stop(struct parent *p, int status);
static void again(evutil_socket_t fd, short what, void *child);

bool parent_is_ready(const struct parent *p)
{
	for (unsigned i = 0; i < p->n_child; i++)
		if (!p->child[i].ready)
			return false;
	return true;
}

void parent_tell_serving(struct parent *p, const char *extra)
{
	char list[400] = "";
	size_t n = 0;

	for (unsigned i = 0; i < p->n_steer && n < sizeof(list); i++) {
		char a[ADDR_STRLEN];

		n += (size_t)snprintf(list + n, sizeof(list) - n, " %s", addr_str(&p->steer[i].at, a));
	}
	for (unsigned i = 0; i < p->n_plain && n < sizeof(list); i++) {
		char a[ADDR_STRLEN];

		n += (size_t)snprintf(list + n, sizeof(list) - n, " %s", addr_str(&p->plain[i].at, a));
	}
	if (!p->was_ready)
		log_notice("ready listen=%s engines=%u control=%s", list + 1, p->conf->engines, p->ctl_path);
	notify_send("READY=1\nSTATUS=Serving on%s with %u engines%s", list, p->conf->engines, extra);
}

static void all_ready(struct parent *p)
{
	if (!parent_is_ready(p))
		return;
	event_del(p->timer);
	if (!p->was_ready) {
		parent_tell_serving(p, "");
		p->was_ready = true;
		daemon_ready();
	}
}

static void child_msg(struct peer *peer, struct msg *msg, void *arg)
{
	struct parent *p = arg;
	struct child_proc *c = CONTAINER_OF(peer, struct child_proc, peer);

	if (msg->type == MSG_PONG)
		c->asked_ms = 0;
	if (msg->type == MSG_READY && !c->ready) {
		c->ready = true;
		if (c->restarts)
			log_notice("%s is back after %llu ms", c->name, (unsigned long long)(now_ms() - c->born_ms));
		all_ready(p);
		reload_child_ready(p->reload);
	}
	if (msg->type == MSG_USERS_TAKEN)
		parent_users_taken(p, &msg->b.users_of);
	if (msg->type == MSG_USERS_LOOK && c->role == ROLE_MANAGER)
		parent_look(p);
	if (msg->type == MSG_RELOAD)
		reload_want(p->reload, true);
	if (msg->type == MSG_APPLIED)
		reload_applied(p->reload, c, &msg->b.applied);
	if (msg->type == MSG_APPLY_NOTE)
		reload_note(p->reload, c, &msg->b.note);
}

static bool spawn(struct parent *p, struct child_proc *c)
{
	char exe[CONF_PATH_MAX], idx[12], uid[12], gid[12];
	const char *argv[12];
	unsigned n = 0;
	int fd[2], err;
	pid_t pid;

	if (c->role == ROLE_RADIUS) {
		if (paths_helper("culvert-radius", exe) < 0) {
			log_err("culvert-radius is not installed, nor built beside culvertd");
			return false;
		}
		argv[n++] = "culvert-radius";
	} else if (c->role == ROLE_IKED) {
		uint32_t u, g;
		bool fallback;

		if (child_identity("_culvert-ike", &u, &g, &fallback) < 0 ||
		    paths_helper("culvert-iked", exe) < 0) {
			log_err("culvert-iked is not installed, nor built beside culvertd");
			return false;
		}
		snprintf(uid, sizeof(uid), "%u", u);
		snprintf(gid, sizeof(gid), "%u", g);
		argv[n++] = exe;
		argv[n++] = "-u";
		argv[n++] = uid;
		argv[n++] = "-g";
		argv[n++] = gid;
		if (p->conf->esp_kernel)
			argv[n++] = "-k";
	} else {
		snprintf(idx, sizeof(idx), "%u", c->index);
		str_copy(exe, sizeof(exe), "/proc/self/exe");
		argv[n++] = "culvertd";
		argv[n++] = "-P";
		argv[n++] = role_name(c->role);
		argv[n++] = "-I";
		argv[n++] = idx;
	}
	if (p->opts->verbose)
		argv[n++] = "-v";
	if (!p->opts->foreground)
		argv[n++] = "-s";
	argv[n] = NULL;
	err = chan_pair(fd);
	if (err < 0) {
		log_err("socketpair: %s", strerror(-err));
		return false;
	}
	pid = fork();
	if (pid < 0) {
		log_err("fork: %s", strerror(errno));
		close(fd[0]);
		close(fd[1]);
		return false;
	}
	if (pid == 0) {
		/* dup2 clears close-on-exec; every other descriptor has it. */
		if (fd[1] == CHILD_FD ? fcntl(CHILD_FD, F_SETFD, 0) < 0 : dup2(fd[1], CHILD_FD) < 0)
			_exit(127);
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execv(exe, (char *const *)(uintptr_t)argv);
		fprintf(stderr, "culvertd: %s: %s\n", exe, strerror(errno));
		_exit(127);
	}
	close(fd[1]);
	c->pid = pid;
	c->ready = false;
	c->born_ms = now_ms();
	c->asked_ms = 0;
	return peer_open(&c->peer, p->base, fd[0], ROLE_PARENT, c->role, c->index, child_msg, NULL, p) == 0;
}

/* Give two children a channel to each other. */
static bool connect_children(struct child_proc *a, struct child_proc *b)
{
	struct msg_peer to_a = { .role = b->role, .index = b->index };
	struct msg_peer to_b = { .role = a->role, .index = a->index };
	int fd[2];
	bool ok;

	if (chan_pair(fd) < 0)
		return false;
	ok = peer_send(&a->peer, MSG_PEER, &to_a, sizeof(to_a), fd[0]) &&
	     peer_send(&b->peer, MSG_PEER, &to_b, sizeof(to_b), fd[1]);
	close(fd[0]);
	close(fd[1]);
	return ok;
}

static bool send_sock(struct child_proc *c, uint32_t kind, const struct addr *at, int fd)
{
	struct msg_sock m = { .kind = kind, .at = *at };

	if (kind == SOCK_IKE_500)
		m.at.port = STEER_IKE_PORT;
	else if (kind == SOCK_IKE_4500 || kind == SOCK_ESP_4500)
		m.at.port = STEER_NATT_PORT;
	else if (kind == SOCK_L2TP_ESP)
		m.at.port = STEER_L2TP_PORT;
	return peer_send(&c->peer, MSG_SOCK, &m, sizeof(m), fd);
}

bool parent_dae_send(struct parent *p, struct child_proc *radius, const struct conf *c)
{
	for (unsigned i = 0; i < c->dae.n_listen; i++) {
		const struct dae_sock *d = dae_find(p, &c->dae.listen[i]);

		if (!d || !send_sock(radius, SOCK_DAE, &d->at, d->fd))
			return false;
	}
	return true;
}

static bool send_table(struct parent *p, struct child_proc *c, unsigned engine, bool writable)
{
	struct msg_table m = { .engine = engine, .rows = p->rows };
	char path[64];
	int fd = p->table_fd[engine];
	bool ok;

	if (!writable) {
		/* Opened anew for reading only, so that it cannot be mapped for writing. */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return false;
	}
	ok = peer_send(&c->peer, MSG_TABLE, &m, sizeof(m), fd);
	if (!writable)
		close(fd);
	return ok;
}

static bool send_spool(struct parent *p, struct child_proc *manager)
{
	return p->spool_fd < 0 || peer_send(&manager->peer, MSG_SPOOL, NULL, 0, p->spool_fd);
}

static void users_poll(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;

	/* In a reload auth is given all of them, and may know other indices until then. */
	if (!p->phase && !reload_running(p->reload))
		parent_send_users(p, USERS_POLL);
}

void parent_look(struct parent *p)
{
	struct child_proc *auth = parent_child(p, ROLE_AUTH, 0);

	p->look_due = reload_running(p->reload);
	if (p->look_due || p->phase)
		return;
	parent_send_users(p, USERS_NOW);
	peer_send(&auth->peer, MSG_USERS_LOOK, NULL, 0, -1);
}

bool parent_send_conf(struct parent *p, struct child_proc *c, const struct conf *conf)
{
	static struct msg_conf m;
	bool ok;

	m.self = c->role == ROLE_ENGINE ? c->index : 0;
	m.ip_forward = p->ip_forward;
	m.first_life = !c->restarts;
	m.boot = p->boot;
	m.conf = *conf;
	conf_scrub_but(&m.conf, c->role == ROLE_IKED   ? CONF_SECRETS_IKE :
				c->role == ROLE_ENGINE ? CONF_SECRETS_L2TP :
				c->role == ROLE_RADIUS ? CONF_SECRETS_RADIUS : CONF_SECRETS_NONE);
	ok = peer_send(&c->peer, MSG_CONF, &m, sizeof(m), -1);
	explicit_bzero(&m, sizeof(m));
	return ok && (c->role != ROLE_RADIUS || parent_send_tls(c, conf));
}

/*
 * Who has a channel to whom.  A child that is started again gets new ones; the
 * message tells the other end that its counterpart was replaced.
 */
static bool talks_to(const struct parent *p, enum role a, enum role b)
{
	switch (a) {
	case ROLE_MANAGER:
		return b == ROLE_NETD || b == ROLE_AUTH || b == ROLE_ENGINE || b == ROLE_IKED || b == ROLE_RADIUS;
	case ROLE_IKED:
		return b == ROLE_ENGINE || b == ROLE_MANAGER;
	case ROLE_AUTH:
		return b == ROLE_MANAGER || b == ROLE_RADIUS;
	case ROLE_RADIUS:
		return b == ROLE_MANAGER || b == ROLE_AUTH;
	/* With ESP in the kernel, for sockets with marks. */
	case ROLE_NETD:
		return b == ROLE_MANAGER || (b == ROLE_ENGINE && p->conf->esp_kernel);
	case ROLE_ENGINE:
		return b == ROLE_MANAGER || b == ROLE_IKED || (b == ROLE_NETD && p->conf->esp_kernel);
	default:
		return false;
	}
}

/* What a child needs beside its configuration and its channels. */
static bool equip(struct parent *p, struct child_proc *c)
{
	struct child_proc *manager = parent_child(p, ROLE_MANAGER, 0);
	bool ok = true;

	switch (c->role) {
	case ROLE_ENGINE:
		for (unsigned k = 0; ok && k < p->n_steer; k++)
			ok = p->conf->esp_kernel
				? send_sock(c, SOCK_L2TP_ESP, &p->steer[k].at, p->steer[k].l2tp[c->index])
				: send_sock(c, SOCK_ESP_4500, &p->steer[k].at, p->steer[k].group[1 + c->index]) &&
				  (!p->steer[k].n_raw ||
				   send_sock(c, SOCK_ESP_RAW, &p->steer[k].at, p->steer[k].raw[c->index]));
		for (unsigned k = 0; ok && k < p->n_plain; k++)
			ok = send_sock(c, SOCK_L2TP, &p->plain[k].at, p->plain[k].group[c->index]);
		/* A manager that is down now is given all tables when it is started again. */
		(void)!send_table(p, manager, c->index, false);
		return ok && send_table(p, c, c->index, true);
	case ROLE_IKED:
		for (unsigned k = 0; ok && k < p->n_steer; k++)
			ok = send_sock(c, SOCK_IKE_500, &p->steer[k].at, p->steer[k].ike_500) &&
			     send_sock(c, SOCK_IKE_4500, &p->steer[k].at, p->steer[k].group[0]);
		return ok;
	case ROLE_RADIUS:
		return parent_dae_send(p, c, p->conf);
	case ROLE_MANAGER:
		return peer_send(&c->peer, MSG_LISTEN, NULL, 0, p->listen_fd);
	case ROLE_AUTH:
		parent_remind_users(p);
		parent_send_users(p, USERS_ALL);
		return true;
	default:
		return true;
	}
}

static bool start_children(struct parent *p)
{
	static const enum role order[] = { ROLE_NETD, ROLE_RADIUS, ROLE_AUTH, ROLE_MANAGER, ROLE_ENGINE, ROLE_IKED };

	for (unsigned r = 0; r < N_ELEMENTS(order); r++) {
		for (unsigned i = 0; i < (order[r] == ROLE_ENGINE ? p->conf->engines : 1); i++) {
			struct child_proc *c = &p->child[p->n_child++];

			*c = (struct child_proc){ .role = order[r], .index = i, .parent = p };
			c->again = evtimer_new(p->base, again, c);
			if (!c->again)
				return false;
			if (order[r] == ROLE_ENGINE)
				snprintf(c->name, sizeof(c->name), "engine%u", i);
			else
				str_copy(c->name, sizeof(c->name), role_name(order[r]));
			if (!spawn(p, c) || !parent_send_conf(p, c, p->conf) || (c->role == ROLE_MANAGER && !send_spool(p, c)))
				return false;
		}
	}
	for (unsigned i = 0; i < p->n_child; i++)
		for (unsigned k = 0; k < i; k++)
			if (talks_to(p, p->child[i].role, p->child[k].role) && !connect_children(&p->child[i], &p->child[k]))
				return false;
	for (unsigned i = 0; i < p->n_child; i++)
		if (!equip(p, &p->child[i]))
			return false;
	for (unsigned i = 0; i < p->n_child; i++)
		if (!peer_send(&p->child[i].peer, MSG_START, NULL, 0, -1))
			return false;
	return true;
}

/*
 * One child again, in its old place.  The others learn of it by MSG_PEER: a
 * manager by then reads the dead engine's rows, so an engine's table is a new
 * one, and the manager's map of the old one keeps that alive.
 */
static bool start_again(struct parent *p, struct child_proc *c)
{
	static const struct timeval ready = { .tv_sec = READY_S };

	if (c->role == ROLE_ENGINE) {
		close(p->table_fd[c->index]);
		if (!make_table(p, c->index))
			return false;
	}
	if (!spawn(p, c) || !parent_send_conf(p, c, p->conf))
		return false;
	if (c->role == ROLE_MANAGER) {
		/* Before the engines can tell it that their rows are in force. */
		if (!send_spool(p, c))
			return false;
		for (unsigned i = 0; i < p->conf->engines; i++)
			if (!send_table(p, c, i, false))
				return false;
	}
	for (unsigned i = 0; i < p->n_child; i++) {
		struct child_proc *o = &p->child[i];

		/* One that is down now gets its channels when it is started again itself. */
		if (o != c && o->pid > 0 && talks_to(p, c->role, o->role))
			(void)!connect_children(c, o);
	}
	event_add(p->timer, &ready);
	return equip(p, c) && peer_send(&c->peer, MSG_START, NULL, 0, -1);
}

/* Start a child again: at once after a steady life, else with ever longer waits. */
static void again_later(struct child_proc *c)
{
	struct timeval tv = { .tv_sec = c->backoff_ms / 1000, .tv_usec = c->backoff_ms % 1000 * 1000 };

	c->backoff_ms = MIN(MAX(c->backoff_ms * 2, BACKOFF_MS), BACKOFF_MAX_MS);
	event_add(c->again, &tv);
}

static void again(evutil_socket_t fd, short what, void *arg)
{
	struct child_proc *c = arg;

	if (c->parent->phase || c->pid > 0)
		return;
	c->restarts++;
	if (start_again(c->parent, c))
		return;
	/* It died at once, or the machine is short of something: tried again later. */
	log_err("%s cannot be started now", c->name);
	if (c->pid > 0)
		kill(c->pid, SIGKILL);
	else
		again_later(c);
}

/* Ask every child for a sign of life; kill the one that gives none. */
static void ping(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;
	uint64_t now = now_ms();

	for (unsigned i = 0; i < p->n_child; i++) {
		struct child_proc *c = &p->child[i];
		uint64_t limit_s = c->role == ROLE_NETD ? STUCK_NETD_S : STUCK_S;

		/* Until it is ready, the ready timer watches it. */
		if (c->pid <= 0 || !c->ready)
			continue;
		/* Counted from our question: a parent that was stopped itself blames nobody. */
		if (c->asked_ms && now - c->asked_ms > limit_s * 1000) {
			log_err("%s has been stuck for %llu s, killing it", c->name, (unsigned long long)limit_s);
			kill(c->pid, SIGKILL);
		} else if (!c->asked_ms && peer_send(&c->peer, MSG_PING, NULL, 0, -1)) {
			c->asked_ms = now;
		}
	}
}

/* ---- the end ---- */

/*
 * Orderly: engines end their sessions (CDN, StopCCN) and iked its SAs
 * (DELETE); then the manager, whose last words are netd's; then netd, which
 * undoes its work.  A child that does not end in time is killed.
 */
static const enum role stop_order[] = { ROLE_ENGINE, ROLE_IKED, ROLE_MANAGER, ROLE_AUTH, ROLE_RADIUS, ROLE_NETD };

static unsigned running(const struct parent *p, enum role role)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->n_child; i++)
		n += p->child[i].role == role && p->child[i].pid > 0;
	return n;
}

static void stop_step(struct parent *p)
{
	static const struct timeval wait = { .tv_sec = STOP_S };

	while (p->phase <= N_ELEMENTS(stop_order) && !running(p, stop_order[p->phase - 1])) {
		if (++p->phase > N_ELEMENTS(stop_order)) {
			event_base_loopbreak(p->base);
			return;
		}
		for (unsigned i = 0; i < p->n_child; i++)
			if (p->child[i].role == stop_order[p->phase - 1] && p->child[i].pid > 0)
				peer_send(&p->child[i].peer, MSG_SHUTDOWN, NULL, 0, -1);
	}
	event_add(p->timer, &wait);
}

static void stop(struct parent *p, int status)
{
	if (p->phase)
		return;
	p->status = status;
	p->phase = 1;
	notify_send("STOPPING=1\nSTATUS=%s", status ? "A process failed: ending" : "Ending");
	for (unsigned i = 0; i < p->n_child; i++)
		if (p->child[i].role == stop_order[0] && p->child[i].pid > 0)
			peer_send(&p->child[i].peer, MSG_SHUTDOWN, NULL, 0, -1);
	stop_step(p);
}

static void timed_out(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;

	if (!p->phase) {
		for (unsigned i = 0; i < p->n_child; i++) {
			if (p->child[i].ready)
				continue;
			log_err("%s did not become ready", p->child[i].name);
			if (p->was_ready && p->child[i].pid > 0)
				kill(p->child[i].pid, SIGKILL);
		}
		if (!p->was_ready)
			stop(p, 1);
		return;
	}
	for (unsigned i = 0; i < p->n_child; i++) {
		struct child_proc *c = &p->child[i];

		if (c->role == stop_order[p->phase - 1] && c->pid > 0) {
			log_warn("%s did not end in %d s, killing it", c->name, STOP_S);
			kill(c->pid, SIGKILL);
		}
	}
}

static void child_died(struct parent *p, struct child_proc *c, int status)
{
	c->pid = 0;
	c->ready = false;
	peer_close(&c->peer);
	reload_child_died(p->reload, c);
	if (p->phase) {
		stop_step(p);
		return;
	}
	if (WIFSIGNALED(status))
		log_err("%s was killed by signal %d", c->name, WTERMSIG(status));
	else
		log_err("%s ended with status %d", c->name, WEXITSTATUS(status));
	if (!p->was_ready) {		/* the configuration or the machine; trying again would not help */
		stop(p, 1);
		return;
	}
	if (now_ms() - c->born_ms > STEADY_S * 1000)
		c->backoff_ms = 0;
	again_later(c);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct parent *p = arg;
	int status;
	pid_t pid;

	switch (sig) {
	case SIGCHLD:
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			for (unsigned i = 0; i < p->n_child; i++)
				if (p->child[i].pid == pid)
					child_died(p, &p->child[i], status);
		break;
	case SIGHUP:
		log_notice("SIGHUP: the configuration is read again");
		reload_want(p->reload, false);
		break;
	default:
		log_notice("%s: ending", sig == SIGINT ? "SIGINT" : "SIGTERM");
		stop(p, 0);
	}
}

int parent_main(struct conf *conf, const struct parent_opts *opts)
{
	static const int signals[] = { SIGCHLD, SIGHUP, SIGINT, SIGTERM };
	static const struct timeval ready = { .tv_sec = READY_S }, users = { .tv_sec = USERS_POLL_S },
		ping_every = { .tv_sec = PING_S };
	static const struct rlimit none, files = { FILES_MAX, FILES_MAX };
	static struct parent p;
	struct event *ev[N_ELEMENTS(signals)];
	bool fallback;
	uint32_t uid, gid;

	p = (struct parent){ .conf = conf, .opts = opts, .lock_fd = -1, .listen_fd = -1, .spool_fd = -1, .status = 1 };
	p.base = event_base_new();
	if (!p.base || reload_new(&p, &p.reload) < 0)
		fatal("out of memory");
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 || mlock(conf, sizeof(*conf)) < 0 ||
	    reload_lock(p.reload) < 0)
		log_warn("secrets are not locked in memory: %s", strerror(errno));
	/* A TUN per session is a descriptor per session, in an engine and in netd. */
	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		log_warn("RLIMIT_NOFILE: %s: sessions may be few", strerror(errno));
	p.ip_forward = forwards();
	random_bytes(&p.boot, sizeof(p.boot));
	if (!take_lock(&p) || !choose_esp(conf) || !open_sockets(&p) || !open_all_plain(&p) || !open_dae(&p) || !listen_control(&p) || !make_tables(&p))
		goto out;
	open_spool(&p);
	if (conf->esp_kernel)
		sweep_xfrm();
	if (child_identity(CHILD_USER, &uid, &gid, &fallback) == 0 && fallback)
		log_notice("no account %s: processes without privileges run as %s", CHILD_USER, CHILD_USER_FALLBACK);
	for (unsigned i = 0; i < N_ELEMENTS(signals); i++) {
		ev[i] = evsignal_new(p.base, signals[i], on_signal, &p);
		if (!ev[i] || event_add(ev[i], NULL) < 0)
			fatal("out of memory");
	}
	p.timer = evtimer_new(p.base, timed_out, &p);
	p.users_timer = event_new(p.base, -1, EV_PERSIST, users_poll, &p);
	p.ping_timer = event_new(p.base, -1, EV_PERSIST, ping, &p);
	if (!p.timer || !p.users_timer || !p.ping_timer)
		fatal("out of memory");
	event_add(p.timer, &ready);
	event_add(p.users_timer, &users);
	event_add(p.ping_timer, &ping_every);
	p.status = 0;
	if (!start_children(&p))
		stop(&p, 1);
	/* A loop that was broken before it ran would run. */
	if (p.phase <= N_ELEMENTS(stop_order))
		event_base_dispatch(p.base);
	unlink(p.ctl_path);
	if (p.ctl_link[0])
		unlink(p.ctl_link);
out:
	for (unsigned i = 0; i < p.n_steer; i++)
		steer_close(&p.steer[i]);
	for (unsigned i = 0; i < p.n_plain; i++)
		steer_plain_close(&p.plain[i]);
	for (unsigned i = 0; i < p.n_dae; i++)
		close(p.dae[i].fd);
	explicit_bzero(conf, sizeof(*conf));
	parent_users_free(&p);
	reload_free(p.reload);
	if (p.lock_fd >= 0 && p.ctl_path[0]) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/culvertd.pid", opts->run_dir);
		unlink(path);
	}
	return p.status;
}
