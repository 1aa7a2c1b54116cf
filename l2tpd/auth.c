/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/auth.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/rd.h"
#include "l2tpd/auth_radius.h"
#include "l2tpd/backoff.h"
#include "l2tpd/child.h"
#include "l2tpd/conf.h"
#include "l2tpd/local.h"
#include "l2tpd/sandbox.h"
#include "ppp/mschap.h"

/* Certificates of 60 kB in fragments of 1000 octets; most methods end after ten. */
enum { EAP_ROUNDS_MAX = 100 };

/* The users of one authentication of type local. */
struct realm {
	struct local *users;		/* NULL: none are known yet */
	struct local *next;		/* at a reload, until auth_apply() */
	int64_t expiry_s;		/* when the next one expires; 0 = nobody will */
	char alarm[sizeof(((struct msg_alarm *)0)->text)];
};

struct auth {
	struct conf conf;
	struct realm realm[CONF_AUTHS];
	struct conf *next;		/* at a reload, until auth_apply() */
	struct local *nobody;		/* for a realm whose users are not known */
	struct backoff *backoff;
	auth_warn_fn *warn;
	void *warn_arg;
	uint64_t mono_ms;
	int64_t wall_s;
	uint32_t changed;		/* for auth_tick() */
	uint64_t held_user, held_source, spared;	/* logins */
};

int auth_new(const struct conf *conf, struct auth **ret)
{
	struct conf_msgs msgs = { 0 };
	struct users *none;
	uint8_t seed[16];
	struct auth *a;

	if (!mschap_init())
		return -ENOTSUP;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	random_bytes(seed, sizeof(seed));
	if (users_load("", 0, "", &none, &msgs) < 0 || local_new(none, &a->nobody) < 0 || backoff_new(seed, &a->backoff) < 0) {
		auth_free(a);
		return -ENOMEM;
	}
	a->conf = *conf;
	*ret = a;
	return 0;
}

static void next_free(struct auth *a)
{
	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		local_free(a->realm[i].next);
		a->realm[i].next = NULL;
	}
	free(a->next);
	a->next = NULL;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < CONF_AUTHS; i++)
		local_free(a->realm[i].users);
	next_free(a);
	local_free(a->nobody);
	backoff_free(a->backoff);
	free(a);
}

int auth_prepare(struct auth *a, const struct conf *conf)
{
	next_free(a);
	a->next = malloc(sizeof(*a->next));
	if (!a->next)
		return -ENOMEM;
	*a->next = *conf;
	return 0;
}

/* From now on these are the users of authentication i. */
static void put_users(struct auth *a, unsigned i, struct local *l)
{
	struct realm *r = &a->realm[i];

	local_free(r->users);
	r->users = l;
	r->expiry_s = l ? users_next_expiry(local_users(l), a->wall_s) : 0;
}

/* Will authentication i of the next configuration have its users from the same file? */
static bool same_file(const struct auth *a, unsigned i)
{
	return conf_has_auth(&a->conf, i) && conf_has_auth(a->next, i) && a->next->auth[i].type == CONF_TYPE_LOCAL &&
	       !strcmp(a->conf.auth[i].users_file, a->next->auth[i].users_file);
}

void auth_apply(struct auth *a)
{
	if (!a->next)
		return;
	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		struct realm *r = &a->realm[i];

		if (!conf_has_auth(a->next, i) || a->next->auth[i].type != CONF_TYPE_LOCAL)
			r->alarm[0] = '\0';
		/* The users that were known stay in force where their file cannot be read now. */
		if (!r->next && same_file(a, i))
			continue;
		put_users(a, i, r->next);
		r->next = NULL;
	}
	a->conf = *a->next;
	next_free(a);
}

void auth_on_warning(struct auth *a, auth_warn_fn *warn, void *arg)
{
	a->warn = warn;
	a->warn_arg = arg;
}

/* At a reload somebody waits for what there is to say of users files. */
static PRINTF(3, 4) void warn(const struct auth *a, int level, const char *fmt, ...)
{
	char text[600];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (a->next && a->warn)
		a->warn(a->warn_arg, text);
	else
		log_at(level, "%s", text);
}

/* The configuration that users files are for, now. */
static const struct conf *loading(const struct auth *a)
{
	return a->next ? a->next : &a->conf;
}

/* Those whose place a file's users take, or NULL. */
static const struct users *known_of(const struct auth *a, unsigned i)
{
	return a->next && !same_file(a, i) ? NULL : local_users(a->realm[i].users);
}

static PRINTF(3, 4) void alarm_set(struct auth *a, unsigned i, const char *fmt, ...)
{
	char *text = a->realm[i].alarm;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(a->realm[i].alarm), fmt, ap);
	va_end(ap);
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

/* The file is no good. */
static void users_fail(struct auth *a, unsigned i, const char *what)
{
	const struct users *known = known_of(a, i);
	const char *path = loading(a)->auth[i].users_file;

	if (known && users_count(known)) {
		warn(a, LOG_ERR, "users file %s %s: the users that were known stay in force", path, what);
		alarm_set(a, i, "users file %.120s %s: the %zu users that were known stay in force", path, what, users_count(known));
	} else {
		warn(a, LOG_ERR, "users file %s %s: nobody can log in by %s", path, what, loading(a)->auth[i].name);
		alarm_set(a, i, "users file %.120s %s: nobody can log in by %s", path, what, loading(a)->auth[i].name);
	}
}

const char *auth_alarm(const struct auth *a, unsigned i)
{
	return a->realm[i % CONF_AUTHS].alarm;
}

/* Is there a user who could log in by the old ones, and cannot by the new ones? */
static bool anybody_gone(const struct users *old, const struct users *new, int64_t now_s)
{
	for (size_t i = 0; i < users_count(old); i++) {
		const struct user *w = users_at(old, i);
		enum user_state st;

		if (user_state(w, now_s) != USER_ACTIVE)
			continue;
		st = users_state(new, (const uint8_t *)w->name, w->name_len, now_s);
		if (st != USER_ACTIVE && st != USER_UNREADABLE)
			return true;
	}
	return false;
}

int auth_load_users(struct auth *a, unsigned index, int fd)
{
	const struct conf *c = loading(a);
	const struct users *known;
	struct local *l = NULL;
	struct users *u = NULL;
	struct conf_msgs msgs = { 0 };
	const char *path;
	size_t bad;
	int err;

	if (!conf_has_auth(c, index))
		return -EINVAL;
	path = c->auth[index].users_file;
	known = known_of(a, index);
	err = users_load_fd(fd, path, &u, &msgs);
	if (!err)
		users_judge(u, c, index, &msgs);
	for (size_t i = 0; i < msgs.n; i++)
		warn(a, LOG_WARNING, "%s", msgs.line[i]);
	if (msgs.warnings > msgs.n)
		warn(a, LOG_WARNING, "users file %s: %zu more warnings are left out", path, msgs.warnings - msgs.n);
	conf_msgs_free(&msgs);
	if (!err && !users_count(u) && known && users_count(known)) {
		users_fail(a, index, users_bad_rows(u) ? "has no user without a mistake now" : "is empty now");
		users_free(u);
		return -ENODATA;
	}
	bad = err ? 0 : users_bad_rows(u);
	if (!err && local_new(u, &l) < 0)
		err = -ENOMEM;
	if (err) {
		char what[128];

		snprintf(what, sizeof(what), "cannot be read (%s)", strerror(-err));
		users_fail(a, index, what);
		return err;
	}
	u = NULL;			/* l has it */
	log_info("users file=\"%s\" realm=%s users=%zu", path, c->auth[index].name, users_count(local_users(l)));
	if (bad)
		alarm_set(a, index, "users file %.120s: %zu rows have a mistake and are left out; culvertd -n says which", path, bad);
	else if (!users_count(local_users(l)))
		alarm_set(a, index, "users file %.120s is empty: nobody can log in by %s", path, c->auth[index].name);
	else
		a->realm[index].alarm[0] = '\0';
	if (a->next) {
		local_free(a->realm[index].next);
		a->realm[index].next = l;
		return 0;
	}
	if (known && anybody_gone(known, local_users(l), a->wall_s))
		a->changed |= 1u << index;
	put_users(a, index, l);
	return 0;
}

void auth_miss_users(struct auth *a, unsigned index, const char *why)
{
	char what[sizeof(a->realm[0].alarm)];

	if (!conf_has_auth(loading(a), index))
		return;
	snprintf(what, sizeof(what), "cannot be had (%.120s)", why);
	users_fail(a, index, what);
}

uint32_t auth_tick(struct auth *a, uint64_t mono_ms, int64_t wall_s)
{
	uint32_t changed;

	a->mono_ms = mono_ms;
	a->wall_s = wall_s;
	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		struct realm *r = &a->realm[i];

		if (!r->expiry_s || wall_s < r->expiry_s)
			continue;
		r->expiry_s = users_next_expiry(local_users(r->users), wall_s);
		a->changed |= 1u << i;
	}
	changed = a->changed;
	a->changed = 0;
	return changed;
}

/* The bytes of an escaped name; false where it was cut. */
static bool unescape(const char *s, uint8_t *ret, size_t *ret_len)
{
	enum { ROOM = sizeof(((struct msg_user_check *)0)->user) };
	size_t n = 0;

	/* Room for one more escaped byte was left, so none is missing. */
	if (strlen(s) + 4 >= ROOM)
		return false;
	for (; *s; s++) {
		unsigned byte;

		if (*s != '\\')
			ret[n++] = (uint8_t)*s;
		else if (sscanf(s, "\\x%2x", &byte) == 1) {
			ret[n++] = (uint8_t)byte;
			s += 3;
		} else {
			return false;
		}
	}
	*ret_len = n;
	return true;
}

static enum user_gone gone_of(enum user_state st)
{
	return st == USER_DISABLED ? USER_IS_DISABLED : st == USER_EXPIRED ? USER_HAS_EXPIRED :
	       st == USER_UNKNOWN ? USER_REMOVED : USER_STAYS;
}

enum user_gone auth_user_gone(const struct auth *a, const struct msg_user_check *m)
{
	const struct users *u = local_users(a->realm[m->auth].users);
	uint8_t name[sizeof(m->user)];
	size_t len;

	if (!conf_has_auth(&a->conf, m->auth) || a->conf.auth[m->auth].type != CONF_TYPE_LOCAL || !u)
		return USER_STAYS;
	if (unescape(m->user, name, &len))
		return gone_of(users_state(u, name, len, a->wall_s));
	/* It was cut: one whose beginning it is. */
	for (size_t i = 0; i < users_count(u); i++) {
		const struct user *w = users_at(u, i);
		char shown[sizeof(m->user)];

		str_escape(shown, sizeof(shown), w->name, w->name_len);
		if (!strcmp(shown, m->user))
			return gone_of(user_state(w, a->wall_s));
	}
	return USER_REMOVED;
}

/* Does name end in suffix? */
static bool has_suffix(const uint8_t *name, size_t len, const char *suffix)
{
	size_t n = strlen(suffix);

	return n <= len && !memcmp(name + len - n, suffix, n);
}

/* The bind of the tunnel whose authentication's suffix fits best. False: none. */
static bool choose_bind(const struct conf *c, unsigned tunnel, const uint8_t *user, size_t len,
	unsigned *ret_bind)
{
	size_t best = 0;
	bool found = false;

	for (unsigned i = 0; i < c->n_bind; i++) {
		const char *suffix = c->auth[c->bind[i].auth].username_suffix;

		if (!conf_has_bind(c, i) || c->bind[i].tunnel != tunnel || !has_suffix(user, len, suffix))
			continue;
		if (!found || strlen(suffix) > best) {
			best = strlen(suffix);
			*ret_bind = i;
			found = true;
		}
	}
	return found;
}

/* The engine agreed on the method with the peer; whether it may is asked here once more. */
static bool may_use(const struct conf *c, const struct conf_tunnel *t, uint32_t method)
{
	static const uint8_t bits[] = {
		[AUTH_PAP] = CONF_AUTH_PAP, [AUTH_CHAP_MD5] = CONF_AUTH_CHAP, [AUTH_MSCHAPV2] = CONF_AUTH_MSCHAPV2,
		[AUTH_EAP_MD5] = CONF_AUTH_EAP_MD5, [AUTH_EAP_MSCHAPV2] = CONF_AUTH_EAP_MSCHAPV2,
		[AUTH_EAP] = CONF_AUTH_EAP_MSCHAPV2,
	};

	if (method == AUTH_XAUTH)
		return conf_has_xauth(c);
	return method < N_ELEMENTS(bits) && t->auth_methods & bits[method];
}

/* Too many wrong passwords lately: then ret says so, and nobody is judged. */
static bool held_back(struct auth *a, const struct backoff_who *w, struct msg_judged *ret)
{
	unsigned wait_s;

	switch (backoff_ask(a->backoff, w, a->mono_ms, &wait_s)) {
	case BACKOFF_NONE:
		return false;
	case BACKOFF_SPARED:
		a->spared++;
		return false;
	case BACKOFF_USER:
		a->held_user++;
		snprintf(ret->why, sizeof(ret->why), "wrong passwords of this user: %u s to wait", wait_s);
		return true;
	case BACKOFF_SOURCE:
		a->held_source++;
		snprintf(ret->why, sizeof(ret->why), "wrong passwords from this address: %u s to wait", wait_s);
		return true;
	}
	return false;
}

/* The name as authentication ca knows it. */
static struct rd strip(const struct conf_auth *ca, struct rd name)
{
	const uint8_t *at;

	if (ca->strip_nt_domain)
		name = mschap_user(name);
	if (ca->strip_atmark_realm && name.n && (at = memrchr(name.p, '@', name.n)))
		name.n = (size_t)(at - name.p);
	return name;
}

/* Of the same statement: the bind to try when that one's file does not know the name; its index, or -1. */
static int bind_behind(const struct conf *c, unsigned bind, const uint8_t *user, size_t len)
{
	const struct conf_bind *b = &c->bind[bind];

	while ((b = conf_bind_next(c, b)))
		if (has_suffix(user, len, c->auth[b->auth].username_suffix))
			return (int)(b - c->bind);
	return -1;
}

/* Whose login it is: by which bind it comes, and its name there, which points into req. False: nobody's. */
static bool whose(const struct auth *a, const struct msg_auth_req *req, unsigned *ret_bind, struct rd *ret_name)
{
	const struct conf *c = &a->conf;
	unsigned bind;

	if (!choose_bind(c, req->tunnel, req->user, req->user_len, &bind))
		return false;
	for (;;) {
		unsigned auth = c->bind[bind].auth;
		const struct users *u = local_users(a->realm[auth].users);
		int behind;

		*ret_bind = bind;
		*ret_name = strip(&c->auth[auth], rd_of(req->user, req->user_len));
		/* Whoever is disabled here must not come in elsewhere because somebody mistyped his row. */
		if (c->auth[auth].type != CONF_TYPE_LOCAL || (u && users_has(u, ret_name->p, ret_name->n)))
			return true;
		behind = bind_behind(c, bind, req->user, req->user_len);
		if (behind < 0)
			return true;
		bind = (unsigned)behind;
	}
}

bool auth_is_slow(const struct auth *a, const struct msg_judge *j)
{
	struct rd name;
	unsigned bind;

	return whose(a, &j->req, &bind, &name) &&
	       a->conf.auth[a->conf.bind[bind].auth].type == CONF_TYPE_LOCAL &&
	       local_is_slow(a->realm[a->conf.bind[bind].auth].users, j->req.method);
}

bool auth_judge(struct auth *a, const struct msg_judge *j, struct msg_judged *ret)
{
	const struct msg_auth_req *req = &j->req;
	struct rd name = rd_of(req->user, req->user_len);
	const struct conf_auth *ca;
	struct backoff_who who;
	const struct local *users;
	const char *why;
	unsigned bind;

	memset(ret, 0, sizeof(*ret));
	ret->engine = j->engine;
	ret->sid = req->sid;
	ret->serial = req->serial;
	ret->verdict = VERDICT_DENY;
	str_escape(ret->user, sizeof(ret->user), name.p, name.n);
	if (!whose(a, req, &bind, &name)) {
		/* Not told before there is an answer to a challenge, as to everybody else. */
		if (req->method == AUTH_EAP)
			ret->verdict = VERDICT_OWN_EAP;
		str_copy(ret->why, sizeof(ret->why), "no authentication for this name");
		return true;
	}
	ret->bind = bind;
	ret->auth = a->conf.bind[bind].auth;
	ca = &a->conf.auth[ret->auth];
	str_escape(ret->user, sizeof(ret->user), name.p, name.n);

	if (!conf_has_tunnel(&a->conf, req->tunnel) || !may_use(&a->conf, &a->conf.tunnel[req->tunnel], req->method)) {
		str_copy(ret->why, sizeof(ret->why), "authentication method not offered");
		return true;
	}
	if (req->method == AUTH_EAP && !conf_auth_passes_eap(ca)) {
		/* A reload in the middle of a conversation: it began by a server. */
		if (req->eap.round)
			str_copy(ret->why, sizeof(ret->why), "this authentication is no RADIUS server's any more");
		else
			ret->verdict = VERDICT_OWN_EAP;
		return true;
	}
	if (req->method == AUTH_EAP && req->eap.round >= EAP_ROUNDS_MAX) {
		snprintf(ret->why, sizeof(ret->why), "EAP without an end: %u round trips", req->eap.round);
		return true;
	}
	if ((req->method == AUTH_EAP_MD5 || req->method == AUTH_EAP_MSCHAPV2) && !ca->eap_capable) {
		str_copy(ret->why, sizeof(ret->why), "this authentication is not eap-capable");
		return true;
	}
	who = (struct backoff_who){ .auth = ret->auth, .user = name, .source = req->peer };
	/* Of EAP at its beginning, and by auth_heard(). */
	if (!(req->method == AUTH_EAP && req->eap.round) && held_back(a, &who, ret))
		return true;
	if (ca->type == CONF_TYPE_RADIUS)
		return false;
	users = a->realm[ret->auth].users ? a->realm[ret->auth].users : a->nobody;
	why = local_judge(users, name, req, a->conf.tunnel[req->tunnel].callnum_check, a->wall_s, ret);
	backoff_tell(a->backoff, &who, !why, a->mono_ms);
	if (why) {
		str_copy(ret->why, sizeof(ret->why), why);
		return true;
	}
	ret->verdict = VERDICT_OK;
	return true;
}

void auth_question(const struct auth *a, const struct msg_judge *j, unsigned auth, struct msg_radius_ask *ret)
{
	struct rd name = strip(&a->conf.auth[auth], rd_of(j->req.user, j->req.user_len));

	*ret = (struct msg_radius_ask){ .auth = auth, .name_len = (uint16_t)name.n, .judge = *j };
	memcpy(ret->name, name.p, name.n);
}

/* RFC 3748 5.3: a Response that answers nothing but wants another method. */
static bool is_nak(const struct eap_relay *e)
{
	enum { NAK = 3 };

	return e->len > 4 && e->packet[4] == NAK;
}

/* Too many wrong passwords meanwhile: the verdict is that, and nothing of what it was. False: it stands. */
static bool held_now(struct auth *a, const struct backoff_who *w, struct msg_judged *j)
{
	struct msg_judged held = {
		.engine = j->engine, .sid = j->sid, .serial = j->serial, .verdict = VERDICT_DENY, .auth = j->auth, .bind = j->bind,
	};

	if (!held_back(a, w, &held))
		return false;
	memcpy(held.user, j->user, sizeof(held.user));
	explicit_bzero(j, sizeof(*j));
	*j = held;
	return true;
}

/*
 * A server's next Request may tell whether the last Response was right, and nobody has to
 * come to the end then.  So a conversation counts as a wrong password from its first Response to the
 * server's method on, until it ends well, or by no fault of his.
 */
static void eap_goes_on(struct auth *a, const struct backoff_who *w, const struct eap_relay *was, struct msg_judged *j)
{
	j->eap.counted = was->counted;
	if (was->counted || !was->round || is_nak(was) || held_now(a, w, j))
		return;
	backoff_tell(a->backoff, w, false, a->mono_ms);
	j->eap.counted = 1;
}

void auth_heard(struct auth *a, const struct msg_radius_ask *ask, const struct msg_radius_said *said, struct msg_judged *j)
{
	const struct backoff_who who = {
		.auth = ask->auth, .user = rd_of(ask->name, ask->name_len), .source = ask->judge.req.peer,
	};
	const struct eap_relay *eap = &ask->judge.req.eap;
	const bool counted = ask->judge.req.method == AUTH_EAP && eap->counted;
	struct rd name;

	if (j->verdict == VERDICT_EAP) {
		eap_goes_on(a, &who, eap, j);
		return;
	}
	if (counted && (!said->answered || j->verdict == VERDICT_OK))
		backoff_take_back(a->backoff, &who, a->mono_ms);
	if (!said->answered)
		return;
	/* One that is counted was held back, or not, when it was. */
	if (!counted && held_now(a, &who, j))
		return;
	if (!counted || j->verdict == VERDICT_OK)
		backoff_tell(a->backoff, &who, j->verdict == VERDICT_OK, a->mono_ms);
	/* RFC 2865 5.1: his name from now on; the Identity may have been nobody's. */
	name = strip(&a->conf.auth[ask->auth], rd_of(said->user, said->user_len));
	if (name.n)
		str_escape(j->user, sizeof(j->user), name.p, name.n);
}

static void auth_stats(const struct auth *a, struct msg_stats *st)
{
	uint64_t users = 0, alarms = 0;

	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		users += a->realm[i].users ? users_count(local_users(a->realm[i].users)) : 0;
		alarms += a->realm[i].alarm[0] != '\0';
	}
	const struct counter c[] = {
		{ "users", users }, { "users_alarms", alarms }, { "held_user", a->held_user }, { "held_source", a->held_source },
		{ "held_not_known", a->spared },
	};

	for (size_t i = 0; i < N_ELEMENTS(c) && st->n < STATS_MAX; i++)
		st->c[st->n++] = c[i];
}

/* ---- the process ---- */
static bool is_plain(const char *s)
{
	while (*s >= 0x20 && *s < 0x7f)
		s++;
	return !*s;
}

/* Into the report of the reload; what the message table has no place for goes to our own log. */
static void reload_warning(void *parent, const char *text)
{
	struct msg_note n = { .text = "" };

	if (!is_plain(text)) {
		log_warn("%s", text);
		return;
	}
	str_copy(n.text, sizeof(n.text), text);
	peer_send(parent, MSG_APPLY_NOTE, &n, sizeof(n), -1);
}

enum {
	TICK_S = 1,
	SLOW_MAX = 1024,		/* logins that wait for crypt(3) */
};

struct auth_proc {
	struct event_base *base;
	struct peer parent, manager, radius;
	struct msg to_manager;		/* MSG_PEER, until the users are there */
	bool has_to_manager, started;
	struct auth *auth;
	struct event *tick, *slow;
	struct list waiting;		/* slow logins, the oldest first */
	unsigned n_waiting;
	char alarm[CONF_AUTHS][sizeof(((struct msg_alarm *)0)->text)];	/* as the manager knows them */
	struct auth_radius asked;	/* logins that a RADIUS server judges */
	uint64_t judged, denied;
};

/* A login that waits. */
struct waiting {
	struct list link;
	struct msg_judge judge;
};

/* What time it is, and what the manager should know by now. */
static void news(struct auth_proc *a)
{
	uint32_t changed = auth_tick(a->auth, now_ms(), time(NULL));

	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		struct msg_users_of c = { .auth = i };
		struct msg_alarm m = { .auth = i };

		if (changed & 1u << i)
			peer_send(&a->manager, MSG_USERS_CHANGED, &c, sizeof(c), -1);
		if (!peer_is_open(&a->manager) || !strcmp(a->alarm[i], auth_alarm(a->auth, i)))
			continue;
		str_copy(a->alarm[i], sizeof(a->alarm[i]), auth_alarm(a->auth, i));
		str_copy(m.text, sizeof(m.text), a->alarm[i]);
		peer_send(&a->manager, MSG_ALARM, &m, sizeof(m), -1);
	}
}

static void tick(evutil_socket_t fd, short what, void *arg)
{
	news(arg);
}

static void judged(struct auth_proc *a, struct msg_judged *j)
{
	a->judged += j->verdict == VERDICT_OK || j->verdict == VERDICT_DENY;
	a->denied += j->verdict == VERDICT_DENY;
	peer_send(&a->manager, MSG_JUDGED, j, sizeof(*j), -1);
	explicit_bzero(j, sizeof(*j));
}

static void ask_radius(void *arg, const struct msg_radius_ask *ask)
{
	struct auth_proc *a = arg;

	peer_send(&a->radius, MSG_RADIUS_ASK, ask, sizeof(*ask), -1);
}

static void judge(struct auth_proc *a, const struct msg_judge *m)
{
	struct msg_judged j;
	struct msg_radius_ask ask;

	if (auth_judge(a->auth, m, &j)) {
		judged(a, &j);
		return;
	}
	auth_question(a->auth, m, j.auth, &ask);
	if (auth_radius_add(&a->asked, &ask, &j)) {
		/* To a radius that is not there yet it is sent when it comes. */
		ask_radius(a, &ask);
	} else {
		str_copy(j.why, sizeof(j.why), "out of memory");
		judged(a, &j);
	}
	explicit_bzero(&ask, sizeof(ask));
}

static void radius_msg(struct peer *p, struct msg *m, void *arg)
{
	struct auth_proc *a = arg;
	struct msg_radius_ask ask;
	struct msg_judged j;

	if (m->type != MSG_RADIUS_SAID || !auth_radius_said(&a->asked, &m->b.radius_said, &ask, &j))
		return;
	news(a);
	auth_heard(a->auth, &ask, &m->b.radius_said, &j);
	judged(a, &j);
	explicit_bzero(&ask, sizeof(ask));
}

static void waiting_free(struct auth_proc *a, struct waiting *w)
{
	list_del(&w->link);
	a->n_waiting--;
	explicit_bzero(w, sizeof(*w));
	free(w);
}

/* One at a time: everything else comes in between, the parent's ping too. */
static void slow_next(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = { .tv_usec = 1 };
	struct auth_proc *a = arg;
	struct waiting *w;

	if (list_empty(&a->waiting))
		return;
	w = CONTAINER_OF(a->waiting.next, struct waiting, link);
	news(a);
	judge(a, &w->judge);
	waiting_free(a, w);
	if (!list_empty(&a->waiting))
		event_add(a->slow, &soon);
}

static void judge_later(struct auth_proc *a, const struct msg_judge *m)
{
	static const struct timeval soon = { .tv_usec = 1 };
	static struct log_rate rate;
	struct waiting *w = a->n_waiting < SLOW_MAX ? malloc(sizeof(*w)) : NULL;

	if (!w) {
		/* Its client asks again, or gives up. */
		if (log_rate_ok(&rate, now_ms()))
			log_warn("more logins against crypt hashes than can be judged: some are left out");
		return;
	}
	w->judge = *m;
	list_push(&a->waiting, &w->link);
	if (a->n_waiting++ == 0)
		event_add(a->slow, &soon);
}

static void manager_msg(struct peer *p, struct msg *m, void *arg)
{
	struct auth_proc *a = arg;
	struct msg_user_checked checked;
	struct msg_stats st = { .n = 3 };

	switch (m->type) {
	case MSG_USER_CHECK:
		news(a);
		checked = (struct msg_user_checked){ .tag = m->b.user_check.tag };
		checked.gone = (uint8_t)auth_user_gone(a->auth, &m->b.user_check);
		peer_send(&a->manager, MSG_USER_CHECKED, &checked, sizeof(checked), -1);
		break;
	case MSG_JUDGE:
		news(a);
		if (auth_is_slow(a->auth, &m->b.judge))
			judge_later(a, &m->b.judge);
		else
			judge(a, &m->b.judge);
		break;
	case MSG_STATS_REQ:
		str_copy(st.c[0].name, sizeof(st.c[0].name), "judged");
		st.c[0].value = a->judged;
		str_copy(st.c[1].name, sizeof(st.c[1].name), "denied");
		st.c[1].value = a->denied;
		str_copy(st.c[2].name, sizeof(st.c[2].name), "radius_asked");
		st.c[2].value = a->asked.n;
		auth_stats(a->auth, &st);
		sandbox_stats(&st);
		peer_send(&a->manager, MSG_STATS, &st, sizeof(st), -1);
		break;
	}
}

/* A manager, the first or a new one: it asks all over again. */
static void meet_manager(struct auth_proc *a, struct msg *m)
{
	LIST_EACH(&a->waiting, e)
		waiting_free(a, CONTAINER_OF(e, struct waiting, link));
	auth_radius_forget(&a->asked);
	memset(a->alarm, 0, sizeof(a->alarm));
	child_take_peer(&a->manager, a->base, ROLE_AUTH, ROLE_MANAGER, m, manager_msg, a);
	news(a);
}

static void take_conf(struct auth_proc *a, const struct conf *c)
{
	if (a->auth && auth_prepare(a->auth, c) < 0)
		fatal("out of memory");
	if (!a->auth && auth_new(c, &a->auth) < 0)
		fatal("OpenSSL has no MD4 and DES (its legacy provider): MS-CHAPv2 cannot work");
	auth_on_warning(a->auth, reload_warning, &a->parent);
	news(a);
}

static void start(struct auth_proc *a)
{
	static const struct timeval every = { .tv_sec = TICK_S };

	if (!a->auth)
		fatal("started before everything was given");
	a->started = true;
	if (a->has_to_manager)
		meet_manager(a, &a->to_manager);
	a->has_to_manager = false;
	a->slow = evtimer_new(a->base, slow_next, a);
	a->tick = event_new(a->base, -1, EV_PERSIST, tick, a);
	if (!a->slow || !a->tick || event_add(a->tick, &every) < 0)
		fatal("out of memory");
	sandbox_enter(ROLE_AUTH);
	peer_send(&a->parent, MSG_READY, NULL, 0, -1);
}

static void parent_msg(struct peer *p, struct msg *m, void *arg)
{
	struct auth_proc *a = arg;
	struct msg_applied done = { .phase = APPLY_CONF };
	struct msg_users_of taken = { .auth = m->b.users.auth, .serial = m->b.users.serial };

	switch (m->type) {
	case MSG_CONF:
		take_conf(a, &m->b.conf.conf);
		break;
	case MSG_APPLY:
		if (a->auth)
			auth_apply(a->auth);
		peer_send(&a->parent, MSG_APPLIED, &done, sizeof(done), -1);
		break;
	case MSG_PEER:
		if (m->b.peer.role == ROLE_RADIUS) {
			child_take_peer(&a->radius, a->base, ROLE_AUTH, ROLE_RADIUS, m, radius_msg, a);
			auth_radius_again(&a->asked, ask_radius, a);
			break;
		}
		if (a->started) {
			meet_manager(a, m);
			break;
		}
		/* Nobody is judged before the users are there, which come with MSG_START at the latest. */
		if (a->has_to_manager)
			close(a->to_manager.fd);
		a->to_manager = *m;
		a->has_to_manager = true;
		m->fd = -1;
		break;
	case MSG_USERS:
		if (a->auth && auth_load_users(a->auth, m->b.users.auth, m->fd) == 0)
			peer_send(&a->parent, MSG_USERS_TAKEN, &taken, sizeof(taken), -1);
		break;
	case MSG_USERS_MISSING:
		if (a->auth)
			auth_miss_users(a->auth, m->b.users_missing.auth, m->b.users_missing.why);
		break;
	case MSG_USERS_LOOK:
		news(a);
		peer_send(&a->manager, MSG_USERS_LOOK, NULL, 0, -1);
		break;
	case MSG_START:
		start(a);
		break;
	case MSG_SHUTDOWN:
		_exit(0);
	}
	if (a->started)
		news(a);
}

void auth_main(void)
{
	static struct auth_proc a;

	child_confine("_culvert-auth");
	auth_radius_init(&a.asked);
	list_init(&a.waiting);
	a.base = event_base_new();
	if (!a.base)
		fatal("out of memory");
	child_start(&a.parent, a.base, ROLE_AUTH, parent_msg, &a);
}
