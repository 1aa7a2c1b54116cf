/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which sessions may stay: by a new configuration, and for auth, whose users come and go without one. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "l2tpd/conf_merge.h"
#include "l2tpd/manager.h"

enum {
	CHECKS_MAX = 64,		/* questions that auth has at a time */
	NOTES_MAX = 20,			/* sessions that a report names */
};

static const char *const gone_text[] = {
	[USER_REMOVED] = "the user was removed", [USER_IS_DISABLED] = "the user was disabled",
	[USER_HAS_EXPIRED] = "the user has expired",
};

/* One MSG_APPLY, or one sweep: which users are still asked about. */
struct apply {
	uint32_t sweep;			/* not for a reload, but for these authentications */
	uint32_t *tag;			/* ppp ids of sessions whose users auth is asked about */
	size_t n, asked, answered;
	unsigned ended;
};

static PRINTF(2, 3) void note(struct manager *m, const char *fmt, ...)
{
	struct msg_note n = { .text = "" };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(n.text, sizeof(n.text), fmt, ap);
	va_end(ap);
	peer_send(&m->parent, MSG_APPLY_NOTE, &n, sizeof(n), -1);
}

static void end_by_reload(struct manager *m, struct msess *s, const char *why)
{
	char ip[ADDR_STRLEN];

	if (!m->apply->sweep && m->apply->ended++ < NOTES_MAX)
		note(m, "ended: %s at %s: %s", s->user, ip4_str(s->ip, ip), why);
	manager_kill(m, s, why);
}

static void apply_free(struct manager *m)
{
	if (m->apply)
		free(m->apply->tag);
	free(m->apply);
	m->apply = NULL;
}

static void sweep_next(struct manager *m);

static void apply_end(struct manager *m)
{
	struct msg_applied done = { .phase = APPLY_CONF, .ended = m->apply->ended };

	if (m->apply->sweep) {
		apply_free(m);
		sweep_next(m);
		return;
	}
	LIST_EACH(&m->sessions, e)
		done.kept += !CONTAINER_OF(e, struct msess, link)->ending;
	if (done.ended > NOTES_MAX)
		note(m, "ended: %u more", done.ended - NOTES_MAX);
	apply_free(m);
	peer_send(&m->parent, MSG_APPLIED, &done, sizeof(done), -1);
	sweep_next(m);
}

/* Ask auth about the next users, as many at a time as its channel bears. */
static void check_users(struct manager *m)
{
	struct apply *a = m->apply;

	if (a->answered == a->n) {
		apply_end(m);
		return;
	}
	while (a->asked < a->n && a->asked - a->answered < CHECKS_MAX) {
		struct msess *s = manager_find(m, a->tag[a->asked]);
		struct msg_user_check c = { .tag = a->tag[a->asked] };

		/* One that ended meanwhile is asked about all the same: the answers count. */
		if (s) {
			c.auth = s->auth;
			str_copy(c.user, sizeof(c.user), s->user);
		}
		if (!peer_send(&m->auth, MSG_USER_CHECK, &c, sizeof(c), -1))
			return;		/* manager_check_again() comes with its successor */
		a->asked++;
	}
}

void manager_check_again(struct manager *m)
{
	if (!m->apply)
		return;
	m->apply->asked = m->apply->answered;
	check_users(m);
}

void manager_user_checked(struct manager *m, const struct msg_user_checked *c)
{
	struct apply *a = m->apply;
	struct msess *s;

	if (!a || a->answered >= a->asked || c->tag != a->tag[a->answered])
		return;
	s = manager_find(m, c->tag);
	if (c->gone && s && !s->ending)
		end_by_reload(m, s, gone_text[c->gone]);
	a->answered++;
	check_users(m);
}

/* Whom auth is asked about: the users of these authentications. */
static void collect(struct manager *m, uint32_t auths)
{
	m->apply->tag = calloc(m->n_sessions + 1, sizeof(*m->apply->tag));
	if (!m->apply->tag)
		fatal("out of memory");
	LIST_EACH(&m->sessions, e) {
		struct msess *s = CONTAINER_OF(e, struct msess, link);

		if (!s->ending && auths & 1u << s->auth && m->conf.auth[s->auth].disconnect_removed)
			m->apply->tag[m->apply->n++] = s->ppp_id;
	}
}

void manager_apply(struct manager *m)
{
	struct conf *old;

	if (!m->next)
		return;
	/* A sweep that is under way is done again after it. */
	if (m->apply)
		m->sweep_due |= m->apply->sweep;
	apply_free(m);
	m->apply = calloc(1, sizeof(*m->apply));
	old = malloc(sizeof(*old));
	if (!m->apply || !old)
		fatal("out of memory");
	*old = m->conf;
	m->conf = *m->next;
	free(m->next);
	m->next = NULL;

	LIST_EACH(&m->sessions, e) {
		struct msess *s = CONTAINER_OF(e, struct msess, link);
		const char *why;

		if (s->ending)
			continue;
		why = conf_session_fault(&m->conf, s->tunnel, s->auth, s->interface, s->ip);
		if (!why)
			why = manager_net_fault(&m->conf, s->interface, s->ip, s->mask);
		if (!why)
			why = manager_routes_fault(&m->conf, s->route, s->n_routes);
		if (!why)
			why = manager_filter_fault(&m->conf, s->filter);
		if (why)
			end_by_reload(m, s, why);
	}
	manager_pools_renew(m, old);
	manager_shared_renew(m, old);
	manager_logins_renew(m);
	free(old);

	collect(m, ~0u);
	check_users(m);
}

/* The next sweep, or the end of all that were due. */
static void sweep_next(struct manager *m)
{
	uint32_t auths = m->sweep_due;

	if (m->apply || !m->running)
		return;
	if (!auths) {
		if (m->control && m->looked) {
			m->looked = false;
			control_users_end(m->control);
		}
		return;
	}
	m->sweep_due = 0;
	m->apply = calloc(1, sizeof(*m->apply));
	if (!m->apply)
		fatal("out of memory");
	m->apply->sweep = auths;
	collect(m, auths);
	check_users(m);
}

void manager_sweep(struct manager *m, uint32_t auths)
{
	m->sweep_due |= auths;
	sweep_next(m);
}

bool manager_users_look(struct manager *m)
{
	return peer_send(&m->parent, MSG_USERS_LOOK, NULL, 0, -1);
}

bool manager_reload(struct manager *m)
{
	return peer_send(&m->parent, MSG_RELOAD, NULL, 0, -1);
}
