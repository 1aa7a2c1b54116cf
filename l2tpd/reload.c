/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/reload.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/log.h"
#include "l2tpd/conf.h"
#include "l2tpd/conf_merge.h"
#include "l2tpd/notify.h"
#include "l2tpd/parent.h"

enum {
	RELOAD_S = 30,			/* a step is over within this time */
	REPORT_MAX = 1000,		/* lines */
};

enum apply_state { APPLY_OPEN, APPLY_ASKED, APPLY_ANSWERED };

/* A reload, and what there is to say of it. */
struct reload {
	struct parent *parent;
	struct conf file, next;		/* as it stands there, and as it will be */
	bool wanted, wanted_ctl;	/* one more, asked for by the manager */
	bool running, by_ctl;
	unsigned step;			/* in steps[] */
	enum apply_state apply[PARENT_CHILDREN];	/* of each child, in this step */
	bool committed;			/* parent.conf is the new one: there is no way back */
	struct { bool diag; char *text; } line[REPORT_MAX];
	unsigned n_line;
	int changes;
	char *restart;			/* lines for the end of the report; owned */
	uint32_t kept, ended;
	struct event *timer;
};

/*
 * netd comes first: its rules are the one thing that can fail, and then nothing
 * has changed.  From there on every child has the new configuration, be it
 * because it is told or because it dies and is started again.  The manager
 * comes after those that it gives work to; what only the old configuration had
 * is taken away when nobody goes by it any more.
 */
static const struct {
	enum role role;
	enum apply_phase phase;
} steps[] = {
	{ ROLE_NETD, APPLY_CONF }, { ROLE_IKED, APPLY_CONF }, { ROLE_RADIUS, APPLY_CONF },
	{ ROLE_AUTH, APPLY_CONF }, { ROLE_ENGINE, APPLY_CONF }, { ROLE_MANAGER, APPLY_CONF }, { ROLE_NETD, APPLY_DONE },
};

static const struct timeval step_wait = { .tv_sec = RELOAD_S };

static void reload_try(struct reload *);

/* One more line of the report; diag: an error or a warning. */
static PRINTF(3, 4) void say(struct reload *r, bool diag, const char *fmt, ...)
{
	va_list ap;

	if (r->n_line == REPORT_MAX)
		return;
	va_start(ap, fmt);
	if (vasprintf(&r->line[r->n_line].text, fmt, ap) >= 0)
		r->line[r->n_line++].diag = diag;
	va_end(ap);
}

static void say_lines(struct reload *r, bool diag, char *text)
{
	char *save = NULL;

	for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		say(r, diag, "%s", l);
}

/* They did not come about: only errors and warnings stay. */
static void drop_changes(struct reload *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->n_line; i++) {
		if (r->line[i].diag)
			r->line[n++] = r->line[i];
		else
			free(r->line[i].text);
	}
	r->n_line = n;
}

/* What was said goes to the log, and to whoever asked. */
static void reload_tell(struct reload *r, int err)
{
	struct child_proc *m = parent_child(r->parent, ROLE_MANAGER, 0);
	struct msg_ctl_end end = { .err = err };

	for (unsigned i = 0; i < r->n_line; i++) {
		struct msg_line line = { .diag = r->line[i].diag };

		if (r->line[i].diag)
			log_at(err ? LOG_ERR : LOG_WARNING, "%s", r->line[i].text);
		else
			log_notice("reload: %s", r->line[i].text);
		str_copy(line.text, sizeof(line.text), r->line[i].text);
		if (r->by_ctl)
			peer_send(&m->peer, MSG_RELOAD_LINE, &line, sizeof(line), -1);
		free(r->line[i].text);
	}
	r->n_line = 0;
	if (r->by_ctl)
		peer_send(&m->peer, MSG_RELOAD_END, &end, sizeof(end), -1);
}

static void reload_end(struct reload *r, int err)
{
	struct parent *p = r->parent;

	parent_dae_trim(p, p->conf);
	event_del(r->timer);
	if (err)
		drop_changes(r);
	if (err || (!r->changes && !r->ended))
		say(r, false, "nothing changed");
	else
		say(r, false, "sessions: %u kept, %u ended", r->kept, r->ended);
	if (!err && r->restart)
		say_lines(r, false, r->restart);
	free(r->restart);
	r->restart = NULL;
	reload_tell(r, err);
	r->running = false;
	explicit_bzero(&r->file, sizeof(r->file));
	explicit_bzero(&r->next, sizeof(r->next));
	/* A reload may end before the server serves, and after. */
	if (p->was_ready && !p->phase)
		parent_tell_serving(p, err ? ", the last reload was refused" : "");
	reload_try(r);
	if (p->look_due)
		parent_look(p);
}

/* What radius is to listen on.  False, and said why: nothing has changed. */
static bool reload_sockets(struct reload *r)
{
	char where[ADDR_STRLEN];
	struct addr bad;
	int err;

	if (parent_dae_open(r->parent, &r->next, &bad, &err))
		return true;
	say(r, true, "%s: radius dae listen on %s: %s", r->parent->opts->conf_path, addr_str(&bad, where), strerror(-err));
	return false;
}

/* Read the file; false, and said why, when it cannot be what is next. */
static bool reload_read(struct reload *r)
{
	const struct parent *p = r->parent;
	struct addr sock[PARENT_STEERS], plain[PARENT_STEERS];
	struct conf_fixed fixed = {
		.sock = sock, .n_sock = p->n_steer, .plain = plain, .n_plain = p->n_plain, .rows = p->rows,
	};
	struct conf_msgs msgs = { 0 };
	char *text = NULL, why[128];
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int err;

	if (!f)
		return false;
	err = conf_load_again(p->opts->conf_path, &r->file, &msgs);
	conf_msgs_print(f, &msgs);
	conf_msgs_free(&msgs);
	if (fclose(f) == 0)
		say_lines(r, true, text);
	free(text);
	if (err < 0)
		return false;
	for (unsigned i = 0; i < p->n_steer; i++)
		sock[i] = p->steer[i].at;
	for (unsigned i = 0; i < p->n_plain; i++)
		plain[i] = p->plain[i].at;
	if (conf_merge(p->conf, &r->file, &fixed, &r->next, why) < 0) {
		say(r, true, "%s: %s", p->opts->conf_path, why);
		return false;
	}
	if (!reload_sockets(r))
		return false;
	text = NULL;
	f = open_memstream(&text, &len);
	r->changes = f ? conf_diff(f, p->conf, &r->next, CONF_DIFF_CHANGED) : -ENOMEM;
	if (f && fclose(f) == 0)
		say_lines(r, false, text);
	free(text);
	f = open_memstream(&r->restart, &len);
	err = f ? conf_diff(f, &r->next, &r->file, CONF_DIFF_RESTART) : -ENOMEM;
	if (f && fclose(f) != 0)
		err = -ENOMEM;
	if (r->changes < 0 || err < 0)
		say(r, true, "%s", strerror(ENOMEM));
	return r->changes >= 0 && err >= 0;
}

static enum apply_state *apply_of(struct reload *r, const struct child_proc *c)
{
	return &r->apply[c - r->parent->child];
}

static void all_open(struct reload *r)
{
	for (unsigned i = 0; i < PARENT_CHILDREN; i++)
		r->apply[i] = APPLY_OPEN;
}

static void reload_ask(struct reload *r, struct child_proc *c, enum apply_phase phase)
{
	struct msg_apply m = { .phase = phase };

	if (phase == APPLY_CONF)
		parent_send_conf(r->parent, c, &r->next);
	if (phase == APPLY_CONF && c->role == ROLE_AUTH)
		parent_send_users(r->parent, USERS_ALL);
	if (phase == APPLY_CONF && c->role == ROLE_RADIUS)
		(void)!parent_dae_send(r->parent, c, &r->next);
	peer_send(&c->peer, MSG_APPLY, &m, sizeof(m), -1);
	*apply_of(r, c) = APPLY_ASKED;
}

/* Go on as far as all have answered.  One that died is asked again when it is back. */
static void reload_step(struct reload *r)
{
	struct parent *p = r->parent;

	while (r->running && !p->phase) {
		bool open = false;

		for (unsigned i = 0; i < p->n_child; i++) {
			struct child_proc *c = &p->child[i];

			if (c->role != steps[r->step].role || r->apply[i] == APPLY_ANSWERED)
				continue;
			open = true;
			if (r->apply[i] == APPLY_OPEN && c->ready)
				reload_ask(r, c, steps[r->step].phase);
		}
		if (open)
			return;
		if (!r->committed) {
			r->committed = true;
			memcpy(p->conf, &r->next, sizeof(*p->conf));
		}
		all_open(r);
		event_add(r->timer, &step_wait);
		if (++r->step == N_ELEMENTS(steps))
			reload_end(r, 0);
	}
}

/* Begin one that is wanted, as soon as every child is there. */
static void reload_try(struct reload *r)
{
	struct parent *p = r->parent;
	struct timespec t;

	if (!r->wanted || r->running || p->phase)
		return;
	if (!parent_is_ready(p)) {
		if (!event_pending(r->timer, EV_TIMEOUT, NULL))
			event_add(r->timer, &step_wait);
		return;
	}
	r->running = true;
	r->by_ctl = r->wanted_ctl;
	r->wanted = r->wanted_ctl = r->committed = false;
	r->changes = r->kept = r->ended = r->step = 0;
	clock_gettime(CLOCK_MONOTONIC, &t);
	notify_send("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=Reading the configuration",
		(unsigned long long)t.tv_sec * 1000000 + (unsigned long long)t.tv_nsec / 1000);
	if (!reload_read(r)) {
		reload_end(r, -EINVAL);
		return;
	}
	all_open(r);
	event_add(r->timer, &step_wait);
	reload_step(r);
}

void reload_want(struct reload *r, bool by_ctl)
{
	r->wanted = true;
	r->wanted_ctl |= by_ctl;
	reload_try(r);
}

void reload_applied(struct reload *r, const struct child_proc *c, const struct msg_applied *m)
{
	if (!r->running || *apply_of(r, c) != APPLY_ASKED || m->phase != steps[r->step].phase)
		return;
	*apply_of(r, c) = APPLY_ANSWERED;
	if (m->err && !r->committed) {
		say(r, true, "%s (the log says more)", m->text);
		reload_end(r, m->err);
		return;
	}
	if (c->role == ROLE_MANAGER) {
		r->kept = m->kept;
		r->ended = m->ended;
	}
	reload_step(r);
}

/* Somebody does not answer, or is not even there. */
static void reload_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct reload *r = arg;
	struct parent *p = r->parent;

	if (p->phase)
		return;
	if (!r->running) {
		for (unsigned i = 0; i < p->n_child; i++)
			if (!p->child[i].ready)
				say(r, true, "%s does not run: the configuration was not read", p->child[i].name);
		r->by_ctl = r->wanted_ctl;
		r->wanted = r->wanted_ctl = false;
		reload_end(r, -ETIMEDOUT);
		return;
	}
	for (unsigned i = 0; i < p->n_child; i++) {
		struct child_proc *c = &p->child[i];

		if (c->role != steps[r->step].role || r->apply[i] == APPLY_ANSWERED)
			continue;
		say(r, true, "%s did not take the configuration within %d s, and is killed", c->name, RELOAD_S);
		r->apply[i] = APPLY_ANSWERED;
		/* Its successor gets the one that is in force. */
		if (c->pid > 0)
			kill(c->pid, SIGKILL);
	}
	if (r->committed)
		reload_step(r);
	else
		reload_end(r, -ETIMEDOUT);
}

/* ---- what the parent says ---- */

void reload_child_ready(struct reload *r)
{
	reload_try(r);
	reload_step(r);
}

void reload_child_died(struct reload *r, const struct child_proc *c)
{
	if (*apply_of(r, c) == APPLY_ASKED)
		*apply_of(r, c) = APPLY_OPEN;
	/* Whoever asked did so over its channels. */
	if (c->role == ROLE_MANAGER)
		r->by_ctl = r->wanted_ctl = false;
}

void reload_note(struct reload *r, const struct child_proc *c, const struct msg_note *m)
{
	if (r->running)
		say(r, c->role == ROLE_AUTH, "%s", m->text);
}

bool reload_running(const struct reload *r)
{
	return r->running;
}

int reload_new(struct parent *p, struct reload **ret)
{
	struct reload *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->parent = p;
	r->timer = evtimer_new(p->base, reload_timeout, r);
	if (!r->timer) {
		free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

int reload_lock(struct reload *r)
{
	return mlock(&r->file, sizeof(r->file)) < 0 || mlock(&r->next, sizeof(r->next)) < 0 ? -errno : 0;
}

void reload_free(struct reload *r)
{
	if (!r)
		return;
	explicit_bzero(&r->file, sizeof(r->file));
	explicit_bzero(&r->next, sizeof(r->next));
	for (unsigned i = 0; i < r->n_line; i++)
		free(r->line[i].text);
	free(r->restart);
	event_free(r->timer);
	free(r);
}
