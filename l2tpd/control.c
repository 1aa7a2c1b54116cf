/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: culvertctl asks, the manager answers from what it has. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/acct.h"
#include "l2tpd/manager.h"
#include "l2tpd/sandbox.h"

enum {
	CLIENTS_MAX = 32,
	IDLE_S = 10,		/* a client that says nothing is closed */
	STATS_WAIT_MS = 500,	/* for processes that do not answer */
};

struct client {
	struct list link;
	struct control *control;
	struct peer peer;
	struct event *idle;
	enum round { NO_ROUND, NEXT_ROUND, THIS_ROUND } stats, reload, users;
};

struct control {
	struct manager *m;
	int fd;
	struct event *accept;
	struct event *stats_timer;
	struct list clients;		/* who was silent the longest comes first */
	unsigned n_clients;
	unsigned stats_pending;		/* processes that have not answered yet */
	bool reloading, looking;
};

static void client_free(struct client *c)
{
	list_del(&c->link);
	c->control->n_clients--;
	peer_close(&c->peer);
	event_free(c->idle);
	free(c);
}

static void client_idle(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval idle = { .tv_sec = IDLE_S };
	struct client *c = arg;

	/* It is we who keep it waiting. */
	if (c->reload || c->users)
		event_add(c->idle, &idle);
	else
		client_free(c);
}

static void client_gone(struct peer *p, void *arg)
{
	client_free(arg);
}

static void client_end(struct client *c, int err, const char *text)
{
	struct msg_ctl_end end = { .err = err };

	str_copy(end.text, sizeof(end.text), text);
	peer_send(&c->peer, MSG_CTL_END, &end, sizeof(end), -1);
}

static void do_list(struct client *c)
{
	struct manager *m = c->control->m;
	uint64_t now = now_ms();

	for (unsigned e = 0; e < CONF_ENGINES_MAX; e++) {
		for (uint32_t i = 0; i < m->engine[e].n_rows; i++) {
			struct msg_ctl_row row;

			if (!row_read(&m->engine[e].rows[i], &row.row) || row.row.state != ROW_UP)
				continue;
			row.elapsed_s = (now - MIN(now, row.row.start_mono_ms)) / 1000;
			if (!peer_send(&c->peer, MSG_CTL_ROW, &row, sizeof(row), -1)) {
				client_end(c, -ENOBUFS, "the list is too long for the socket");
				return;
			}
		}
	}
	client_end(c, 0, "");
}

static void do_clear(struct client *c, uint32_t ppp_id)
{
	struct msess *s = manager_find(c->control->m, ppp_id);

	if (!s) {
		client_end(c, -ESRCH, "no such session");
		return;
	}
	manager_kill(c->control->m, s, "cleared by the administrator");
	client_end(c, 0, "");
}

/* ---- status: the counters of every process ---- */
static void stats_send(struct control *ctl, const char *process, const char *name, uint64_t value)
{
	struct msg_ctl_counter m = { .c.value = value };

	str_copy(m.process, sizeof(m.process), process);
	str_copy(m.c.name, sizeof(m.c.name), name);
	LIST_EACH(&ctl->clients, e) {
		struct client *c = CONTAINER_OF(e, struct client, link);

		if (c->stats == THIS_ROUND)
			peer_send(&c->peer, MSG_CTL_COUNTER, &m, sizeof(m), -1);
	}
}

/* What a person should know before all numbers. */
static void alarms_send(struct control *ctl)
{
	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		struct msg_line m = { .diag = 1 };

		if (!ctl->m->alarm[i][0])
			continue;
		str_copy(m.text, sizeof(m.text), ctl->m->alarm[i]);
		LIST_EACH(&ctl->clients, e) {
			struct client *c = CONTAINER_OF(e, struct client, link);

			if (c->stats == THIS_ROUND)
				peer_send(&c->peer, MSG_CTL_LINE, &m, sizeof(m), -1);
		}
	}
}

static void stats_begin(struct control *ctl);

static void stats_end(struct control *ctl)
{
	unsigned missing = ctl->stats_pending;

	ctl->stats_pending = 0;
	event_del(ctl->stats_timer);
	LIST_EACH(&ctl->clients, e) {
		struct client *c = CONTAINER_OF(e, struct client, link);

		if (c->stats != THIS_ROUND)
			continue;
		c->stats = NO_ROUND;
		client_end(c, missing ? -ETIMEDOUT : 0, missing ? "a process does not answer" : "");
	}
	stats_begin(ctl);
}

static void stats_timeout(evutil_socket_t fd, short what, void *arg)
{
	stats_end(arg);
}

void control_stats(struct control *ctl, const char *process, const struct msg_stats *st)
{
	if (!ctl->stats_pending)
		return;
	for (uint32_t i = 0; i < st->n; i++)
		stats_send(ctl, process, st->c[i].name, st->c[i].value);
	if (--ctl->stats_pending == 0)
		stats_end(ctl);
}

/* Ask every process, for the clients that wait. */
static void stats_begin(struct control *ctl)
{
	static const struct timeval wait = { .tv_usec = STATS_WAIT_MS * 1000 };
	struct manager *m = ctl->m;
	uint64_t leases = 0;
	struct msg_stats acct = { .n = 0 };
	bool any = false;

	LIST_EACH(&ctl->clients, e) {
		struct client *c = CONTAINER_OF(e, struct client, link);

		if (c->stats == NEXT_ROUND) {
			c->stats = THIS_ROUND;
			any = true;
		}
	}
	if (!any)
		return;
	alarms_send(ctl);
	for (unsigned i = 0; i < CONF_IPCPS; i++)
		leases += m->pool[i] ? pool_in_use(m->pool[i]) : 0;
	stats_send(ctl, "manager", "sessions", m->n_sessions);
	stats_send(ctl, "manager", "leases", leases);
	stats_send(ctl, "manager", "login_ok", m->count.login_ok);
	stats_send(ctl, "manager", "login_denied", m->count.login_denied);
	stats_send(ctl, "manager", "login_refused", m->count.login_refused);
	stats_send(ctl, "manager", "login_pending", m->n_pending);
	stats_send(ctl, "manager", "sessions_ended", m->count.sessions_ended);
	stats_send(ctl, "manager", "sessions_lost", m->count.sessions_lost);
	stats_send(ctl, "manager", "sessions_adopted", m->count.sessions_adopted);
	acct_counters(m->acct, &acct);
	for (uint32_t i = 0; i < acct.n; i++)
		stats_send(ctl, "manager", acct.c[i].name, acct.c[i].value);
	stats_send(ctl, "manager", "lost_in_bytes", m->count.lost_in_bytes);
	stats_send(ctl, "manager", "lost_out_bytes", m->count.lost_out_bytes);
	stats_send(ctl, "manager", "sandbox_seccomp", sandbox_seccomp());
	stats_send(ctl, "manager", "sandbox_landlock", sandbox_landlock());
	for (unsigned i = 0; i < CONF_ENGINES_MAX; i++)
		ctl->stats_pending += peer_send(&m->engine[i].peer, MSG_STATS_REQ, NULL, 0, -1);
	ctl->stats_pending += peer_send(&m->auth, MSG_STATS_REQ, NULL, 0, -1);
	ctl->stats_pending += peer_send(&m->iked, MSG_STATS_REQ, NULL, 0, -1);
	ctl->stats_pending += peer_send(&m->netd, MSG_STATS_REQ, NULL, 0, -1);
	ctl->stats_pending += peer_send(&m->radius, MSG_STATS_REQ, NULL, 0, -1);
	if (ctl->stats_pending)
		event_add(ctl->stats_timer, &wait);
	else
		stats_end(ctl);
}

/* ---- reload: who asks while one runs gets the next one, since the file may be another by then ---- */
static void reload_begin(struct control *ctl)
{
	bool any = false;

	LIST_EACH(&ctl->clients, e) {
		struct client *c = CONTAINER_OF(e, struct client, link);

		if (c->reload == NEXT_ROUND) {
			c->reload = THIS_ROUND;
			any = true;
		}
	}
	ctl->reloading = any && manager_reload(ctl->m);
	if (any && !ctl->reloading)
		control_reload_end(ctl, &(struct msg_ctl_end){ .err = -EPIPE, .text = "the server ends" });
}

void control_reload_line(struct control *ctl, const struct msg_line *line)
{
	LIST_EACH(&ctl->clients, e) {
		struct client *c = CONTAINER_OF(e, struct client, link);

		if (c->reload == THIS_ROUND)
			peer_send(&c->peer, MSG_CTL_LINE, line, sizeof(*line), -1);
	}
}

void control_reload_end(struct control *ctl, const struct msg_ctl_end *end)
{
	ctl->reloading = false;
	LIST_EACH(&ctl->clients, e) {
		struct client *c = CONTAINER_OF(e, struct client, link);

		if (c->reload != THIS_ROUND)
			continue;
		c->reload = NO_ROUND;
		client_end(c, end->err, end->text);
	}
	reload_begin(ctl);
}

/* ---- users: who says that a file was changed while one look is under way gets the next one ---- */
static void users_begin(struct control *ctl)
{
	bool any = false;

	LIST_EACH(&ctl->clients, e) {
		struct client *c = CONTAINER_OF(e, struct client, link);

		if (c->users == NEXT_ROUND) {
			c->users = THIS_ROUND;
			any = true;
		}
	}
	ctl->looking = any && manager_users_look(ctl->m);
	if (!any || ctl->looking)
		return;
	LIST_EACH(&ctl->clients, e) {
		struct client *c = CONTAINER_OF(e, struct client, link);

		if (c->users == THIS_ROUND)
			client_end(c, -EPIPE, "the server ends");
		c->users = NO_ROUND;
	}
}

void control_users_end(struct control *ctl)
{
	ctl->looking = false;
	LIST_EACH(&ctl->clients, e) {
		struct client *c = CONTAINER_OF(e, struct client, link);

		if (c->users != THIS_ROUND)
			continue;
		c->users = NO_ROUND;
		client_end(c, 0, "");
	}
	users_begin(ctl);
}

void control_users_again(struct control *ctl)
{
	if (ctl->looking)
		ctl->looking = manager_users_look(ctl->m);
}

static void client_msg(struct peer *p, struct msg *msg, void *arg)
{
	static const struct timeval idle = { .tv_sec = IDLE_S };
	struct client *c = arg;

	event_add(c->idle, &idle);
	list_del(&c->link);
	list_push(&c->control->clients, &c->link);
	switch (msg->type) {
	case MSG_CTL_LIST:
		do_list(c);
		break;
	case MSG_CTL_CLEAR:
		do_clear(c, msg->b.ctl_req.ppp_id);
		break;
	case MSG_CTL_STATUS:
		c->stats = NEXT_ROUND;
		if (!c->control->stats_pending)
			stats_begin(c->control);
		break;
	case MSG_CTL_USERS:
		c->users = NEXT_ROUND;
		if (!c->control->looking)
			users_begin(c->control);
		break;
	case MSG_CTL_RELOAD:
		c->reload = NEXT_ROUND;
		if (!c->control->reloading)
			reload_begin(c->control);
		break;
	}
}

static void accepted(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval idle = { .tv_sec = IDLE_S };
	static struct log_rate rate;
	struct control *ctl = arg;
	struct client *c;
	int s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (s < 0)
		return;
	/* An administrator gets through however many hang on: the most silent one makes room. */
	if (ctl->n_clients >= CLIENTS_MAX) {
		if (log_rate_ok(&rate, now_ms()))
			log_warn("control socket: more than %d clients, closing the one that was silent the longest",
				CLIENTS_MAX);
		client_free(CONTAINER_OF(ctl->clients.next, struct client, link));
	}
	if (!(c = calloc(1, sizeof(*c)))) {
		close(s);
		return;
	}
	c->control = ctl;
	list_init(&c->link);
	c->idle = evtimer_new(ctl->m->base, client_idle, c);
	if (!c->idle) {
		close(s);
		free(c);
		return;
	}
	list_push(&ctl->clients, &c->link);
	ctl->n_clients++;
	if (peer_open(&c->peer, ctl->m->base, s, ROLE_MANAGER, ROLE_CTL, 0, client_msg, client_gone, c) < 0) {
		client_free(c);
		return;
	}
	event_add(c->idle, &idle);
}

int control_start(struct manager *m, int fd, struct control **ret)
{
	struct control *ctl = calloc(1, sizeof(*ctl));

	if (!ctl || fd_setup(fd) < 0) {
		free(ctl);
		return -ENOMEM;
	}
	ctl->m = m;
	ctl->fd = fd;
	list_init(&ctl->clients);
	ctl->accept = event_new(m->base, fd, EV_READ | EV_PERSIST, accepted, ctl);
	ctl->stats_timer = evtimer_new(m->base, stats_timeout, ctl);
	if (!ctl->accept || !ctl->stats_timer || event_add(ctl->accept, NULL) < 0) {
		control_free(ctl);
		return -ENOMEM;
	}
	*ret = ctl;
	return 0;
}

void control_free(struct control *ctl)
{
	if (!ctl)
		return;
	LIST_EACH(&ctl->clients, e)
		client_free(CONTAINER_OF(e, struct client, link));
	if (ctl->accept)
		event_free(ctl->accept);
	if (ctl->stats_timer)
		event_free(ctl->stats_timer);
	close(ctl->fd);
	free(ctl);
}
