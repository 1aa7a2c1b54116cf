/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 5176 in the manager: which sessions a RADIUS server means, and what becomes of them.
 * It has a say in those that RADIUS let in, and in no others.  radius has checked who
 * asks; all the same nothing that it says is trusted to be more than a request of a client.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "l2tpd/acct.h"
#include "l2tpd/manager.h"

/* A request that waits for its sessions to be gone, or to be in another filter. */
struct dae_wait {
	struct list link;		/* in manager.dae_waits */
	uint32_t tag;
	unsigned left;			/* sessions it waits for, and one while it is begun */
	enum dae_cause cause;		/* of the first that failed */
};

static void done(struct manager *m, uint32_t tag, enum dae_cause cause)
{
	struct msg_dae_done d = { .tag = tag, .cause = cause };

	peer_send(&m->radius, MSG_DAE_DONE, &d, sizeof(d), -1);
}

static struct dae_wait *wait_new(struct manager *m, const struct msg_dae *r)
{
	struct dae_wait *w = calloc(1, sizeof(*w));

	if (!w) {
		done(m, r->tag, DAE_NO_RESOURCES);
		return NULL;
	}
	w->tag = r->tag;
	w->left = 1;
	list_push(&m->dae_waits, &w->link);
	return w;
}

/* One thing less that *w waits for; NULL: there is none. */
static void wait_less(struct manager *m, struct dae_wait **w, enum dae_cause cause)
{
	struct dae_wait *it = *w;

	*w = NULL;
	if (!it)
		return;
	if (!it->cause)
		it->cause = cause;
	if (--it->left)
		return;
	done(m, it->tag, it->cause);
	list_del(&it->link);
	free(it);
}

/* ---- who is meant ---- */

/* What servers were told of who calls: Calling-Station-Id. */
static bool calls_from(const struct msess *s, const struct msg_dae *r)
{
	char text[ADDR_STRLEN];
	struct addr from = s->peer;

	from.port = 0;
	if (s->number_len)
		return r->calling_len == s->number_len && !memcmp(r->calling, s->number, s->number_len);
	addr_str(&from, text);
	return from.family && r->calling_len == strlen(text) && !memcmp(r->calling, text, r->calling_len);
}

static bool has_acct_id(struct manager *m, const struct msess *s, const struct msg_dae *r)
{
	const char *id = acct_id(m->acct, s);

	return id && r->acct_len == strlen(id) && !memcmp(r->acct, id, r->acct_len);
}

/* Every attribute counts, RFC 5176 3. */
static bool is_meant(struct manager *m, const struct msess *s, const struct msg_dae *r, const char *user)
{
	return !(r->by & DAE_BY_USER && strcmp(s->user, user)) && !(r->by & DAE_BY_PORT && s->ppp_id != r->port) &&
	       !(r->by & DAE_BY_IP && (!s->ip || s->ip != r->ip)) && !(r->by & DAE_BY_CALLING && !calls_from(s, r)) &&
	       !(r->by & DAE_BY_ACCT && !has_acct_id(m, s, r));
}

/* All of them, oldest first; *ret is the caller's, to free.  What is wrong, or DAE_OK. */
static enum dae_cause find(struct manager *m, const struct msg_dae *r, struct msess ***ret, unsigned *ret_n)
{
	char user[sizeof(((struct msess *)0)->user)];
	bool others = false;

	str_escape(user, sizeof(user), r->user, r->user_len);
	*ret_n = 0;
	*ret = calloc(m->n_sessions + 1, sizeof(**ret));
	if (!*ret)
		return DAE_NO_RESOURCES;
	LIST_EACH(&m->sessions, e) {
		struct msess *s = CONTAINER_OF(e, struct msess, link);

		if (s->ending || !is_meant(m, s, r, user))
			continue;
		if (m->conf.auth[s->auth].type == CONF_TYPE_RADIUS)
			(*ret)[(*ret_n)++] = s;
		else
			others = true;
	}
	return *ret_n ? DAE_OK : others ? DAE_PROHIBITED : DAE_NO_SESSION;
}

/* ---- what becomes of them ---- */

static void say(const struct msess *s, const struct msg_dae *r, const char *what)
{
	char client[ADDR_STRLEN];

	log_notice("dae client=%s %s user=\"%s\" ppp_id=%u", addr_str(&r->client, client), what, s->user, s->ppp_id);
}

static void end_all(struct manager *m, const struct msg_dae *r, struct msess *const *all, unsigned n)
{
	struct dae_wait *w = wait_new(m, r);

	if (!w)
		return;
	w->left += n;
	for (unsigned i = 0; i < n; i++) {
		all[i]->dae = w;
		say(all[i], r, "disconnects");
		/* RFC 5176 3.6, note 4: for the Stop. */
		acct_change(m->acct, all[i], r->gives & SAYS_CLASS, &r->says);
		manager_kill(m, all[i], "disconnected by RADIUS");
	}
	wait_less(m, &w, DAE_OK);
}

static void filter_set(struct manager *m, struct msess *s, const char *name, struct dae_wait *w)
{
	/* There is such a filter, or we were not here. */
	(void)manager_filter_set(m, s, name);
	if (!s->filter_awaited)
		return;
	/* One request waits, the last one; whoever wanted the same before cannot be told how it ended. */
	wait_less(m, &s->dae_filter, DAE_NO_RESOURCES);
	s->dae_filter = w;
	w->left++;
}

static void change_all(struct manager *m, const struct msg_dae *r, struct msess *const *all, unsigned n)
{
	struct msg_session_set set = {
		.gives = r->gives & SAYS_ENGINE, .session_timeout_s = r->session_timeout_s,
		.idle_timeout_s = r->says.idle_timeout_s, .rate_in_bps = r->says.rate_in_bps, .rate_out_bps = r->says.rate_out_bps,
	};
	struct dae_wait *w = wait_new(m, r);

	if (!w)
		return;
	for (unsigned i = 0; i < n; i++) {
		set.sid = all[i]->sid;
		say(all[i], r, "changes");
		acct_change(m->acct, all[i], r->gives, &r->says);
		if (r->gives & SAYS_FILTER)
			filter_set(m, all[i], r->says.filter, w);
		/* An engine that is gone has taken its sessions along. */
		if (set.gives)
			peer_send(&m->engine[all[i]->engine].peer, MSG_SESSION_SET, &set, sizeof(set), -1);
	}
	wait_less(m, &w, DAE_OK);
}

void manager_dae(struct manager *m, const struct msg_dae *r)
{
	struct msess **all;
	enum dae_cause cause;
	unsigned n;

	/* All or nothing (RFC 5176 2.3), so first of all whether it can be done. */
	if (!m->running) {
		done(m, r->tag, DAE_NO_RESOURCES);
		return;
	}
	if (r->gives & SAYS_FILTER && manager_filter_fault(&m->conf, r->says.filter)) {
		done(m, r->tag, DAE_INVALID_VALUE);
		return;
	}
	cause = find(m, r, &all, &n);
	if (cause)
		done(m, r->tag, cause);
	else if (r->kind == DAE_DISCONNECT)
		end_all(m, r, all, n);
	else
		change_all(m, r, all, n);
	free(all);
}

void manager_dae_gone(struct manager *m, struct msess *s)
{
	wait_less(m, &s->dae, DAE_OK);
	wait_less(m, &s->dae_filter, DAE_NO_RESOURCES);
}

void manager_dae_filtered(struct manager *m, struct msess *s, bool ok)
{
	wait_less(m, &s->dae_filter, ok ? DAE_OK : DAE_NO_RESOURCES);
}

void manager_dae_again(struct manager *m)
{
	LIST_EACH(&m->sessions, e) {
		struct msess *s = CONTAINER_OF(e, struct msess, link);

		s->dae = s->dae_filter = NULL;
	}
	LIST_EACH(&m->dae_waits, e) {
		struct dae_wait *w = CONTAINER_OF(e, struct dae_wait, link);

		list_del(&w->link);
		free(w);
	}
}
