/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/auth.h"

#include <errno.h>
#include <stdarg.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/rd.h"
#include "l2tpd/auth_radius.h"
#include "l2tpd/child.h"
#include "l2tpd/conf.h"
#include "l2tpd/sandbox.h"
#include "l2tpd/users.h"
#include "ppp/mschap.h"

struct auth {
	struct conf conf;
	struct users *users[CONF_AUTHS];
	/* At a reload, until auth_apply(). */
	struct conf *next;
	struct users *next_users[CONF_AUTHS];
	auth_warn_fn *warn;
	void *warn_arg;
};

int auth_new(const struct conf *conf, struct auth **ret)
{
	struct auth *a;

	if (!mschap_init())
		return -ENOTSUP;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	a->conf = *conf;
	*ret = a;
	return 0;
}

static void next_free(struct auth *a)
{
	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		users_free(a->next_users[i]);
		a->next_users[i] = NULL;
	}
	free(a->next);
	a->next = NULL;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	for (unsigned i = 0; i < CONF_AUTHS; i++)
		users_free(a->users[i]);
	next_free(a);
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
		/* The users that were known stay in force where their file cannot be read now. */
		if (!a->next_users[i] && same_file(a, i))
			continue;
		users_free(a->users[i]);
		a->users[i] = a->next_users[i];
		a->next_users[i] = NULL;
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

int auth_load_users(struct auth *a, unsigned index, int fd)
{
	const struct conf *c = a->next ? a->next : &a->conf;
	struct users **at = a->next ? &a->next_users[index % CONF_AUTHS] : &a->users[index % CONF_AUTHS];
	const struct users *known;
	struct users *u = NULL;
	struct conf_msgs msgs = { 0 };
	int err;

	if (!conf_has_auth(c, index))
		return -EINVAL;
	known = a->next && !same_file(a, index) ? NULL : a->users[index];
	err = users_load_fd(fd, c->auth[index].users_file, &u, &msgs);
	if (!err)
		users_judge(u, c, index, &msgs);
	for (size_t i = 0; i < msgs.n; i++)
		warn(a, LOG_WARNING, "%s", msgs.line[i]);
	if (msgs.warnings > msgs.n)
		warn(a, LOG_WARNING, "users file %s: %zu more warnings are left out", c->auth[index].users_file,
			msgs.warnings - msgs.n);
	conf_msgs_free(&msgs);
	if (err < 0) {
		warn(a, LOG_ERR, "users file %s cannot be read (%s): the users that were known stay in force",
			c->auth[index].users_file, strerror(-err));
		return err;
	}
	if (!users_count(u) && known && users_count(known)) {
		warn(a, LOG_ERR, "users file %s is empty now: the users that were known stay in force",
			c->auth[index].users_file);
		users_free(u);
		return -ENODATA;
	}
	users_free(*at);
	*at = u;
	log_info("users file=\"%s\" realm=%s users=%zu", c->auth[index].users_file, c->auth[index].name,
		users_count(u));
	return 0;
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

bool auth_knows(const struct auth *a, const struct msg_user_check *m)
{
	const struct users *u = a->users[m->auth];
	uint8_t name[sizeof(m->user)];
	const struct user *user;
	size_t len;

	if (!conf_has_auth(&a->conf, m->auth) || a->conf.auth[m->auth].type != CONF_TYPE_LOCAL || !u)
		return true;
	if (unescape(m->user, name, &len)) {
		user = users_find(u, name, len);
		return user && user->password_len;
	}
	for (size_t i = 0; i < users_count(u); i++) {
		char shown[sizeof(m->user)];

		user = users_at(u, i);
		str_escape(shown, sizeof(shown), user->name, user->name_len);
		if (!strcmp(shown, m->user) && user->password_len)
			return true;
	}
	return false;
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

/* RFC 1334 2.2.1, and XAuth: the password itself. The lengths are compared, too, but no sooner than all of it. */
static bool judge_pap(const struct msg_auth_req *req, const struct user *user)
{
	uint8_t want[USERS_PASSWORD_MAX] = { 0 }, got[USERS_PASSWORD_MAX] = { 0 };
	size_t n = user ? user->password_len : 0;
	bool ok;

	memcpy(want, user ? user->password : "", n);
	memcpy(got, req->response, req->response_len);
	ok = (CRYPTO_memcmp(want, got, sizeof(want)) == 0) & (n == req->response_len);
	explicit_bzero(want, sizeof(want));
	explicit_bzero(got, sizeof(got));
	return ok;
}

/* RFC 1994 4.1 */
static bool judge_chap_md5(const struct msg_auth_req *req, const struct user *user)
{
	uint8_t want[CHAP_MD5_VALUE];
	bool ok;

	if (req->response_len != CHAP_MD5_VALUE || !req->challenge_len)
		return false;
	ok = chap_md5(req->ident, user ? user->password : "", user ? user->password_len : 0,
			rd_of(req->challenge, req->challenge_len), want) &&
	     CRYPTO_memcmp(want, req->response, sizeof(want)) == 0;
	explicit_bzero(want, sizeof(want));
	return ok;
}

/* RFC 2759 4: the Value field of a Response. */
static bool judge_mschapv2(const struct msg_auth_req *req, const struct user *user, struct msg_judged *ret)
{
	enum { NT_RESPONSE = 24 };
	uint8_t hash[MSCHAP_HASH];
	bool ok;

	if (req->response_len != MSCHAP_VALUE || req->challenge_len != MSCHAP_CHALLENGE)
		return false;
	ok = mschap_nt_hash(user ? user->password : "", user ? user->password_len : 0, hash) &&
	     mschap_check(req->response, req->challenge, rd_of(req->user, req->user_len), hash, ret->mschap_auth);
	/* Made for a wrong answer as well: both take the same time. */
	ret->mppe_keys = mschap_mppe_keys(hash, req->response + NT_RESPONSE, true, ret->mppe_send, ret->mppe_recv);
	explicit_bzero(hash, sizeof(hash));
	return ok;
}

static bool has_xauth(const struct conf *c)
{
	for (unsigned i = 0; i < c->n_ike; i++)
		if (c->ike[i].xauth)
			return true;
	return false;
}

/* The engine agreed on the method with the peer; whether it may is asked here once more. */
static bool may_use(const struct conf *c, const struct conf_tunnel *t, uint32_t method)
{
	static const uint8_t bits[] = {
		[AUTH_PAP] = CONF_AUTH_PAP, [AUTH_CHAP_MD5] = CONF_AUTH_CHAP, [AUTH_MSCHAPV2] = CONF_AUTH_MSCHAPV2,
		[AUTH_EAP_MD5] = CONF_AUTH_EAP_MD5, [AUTH_EAP_MSCHAPV2] = CONF_AUTH_EAP_MSCHAPV2,
	};

	if (method == AUTH_XAUTH)
		return has_xauth(c);
	return method < N_ELEMENTS(bits) && t->auth_methods & bits[method];
}

/* Is it the user's password?  The same work for a name that is not known (user NULL). */
static bool judge_password(const struct msg_auth_req *req, const struct user *user, struct msg_judged *ret)
{
	switch (req->method) {
	case AUTH_PAP:
	case AUTH_XAUTH:
		return judge_pap(req, user);
	case AUTH_CHAP_MD5:
	case AUTH_EAP_MD5:		/* RFC 3748 5.4: the same */
		return judge_chap_md5(req, user);
	case AUTH_MSCHAPV2:
	case AUTH_EAP_MSCHAPV2:
		return judge_mschapv2(req, user, ret);
	}
	return false;
}

/* callnum-check: NULL, or why the user may not come by this call. */
static const char *judge_number(const struct msg_auth_req *req, const struct user *user)
{
	size_t n = strlen(user->calling_number);

	if (!n)
		return "this user has no calling-number";
	if (!req->number_len)
		return "a call without a calling number";
	return n == req->number_len && !memcmp(user->calling_number, req->number, n) ? NULL : "wrong calling number";
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

bool auth_judge(struct auth *a, const struct msg_judge *j, struct msg_judged *ret)
{
	const struct msg_auth_req *req = &j->req;
	struct rd name = rd_of(req->user, req->user_len);
	const struct conf_auth *ca;
	const struct user *user;
	const char *why;
	unsigned bind;
	int behind;
	bool ok;

	memset(ret, 0, sizeof(*ret));
	ret->engine = j->engine;
	ret->sid = req->sid;
	ret->serial = req->serial;
	ret->verdict = VERDICT_DENY;
	str_escape(ret->user, sizeof(ret->user), name.p, name.n);
	if (!choose_bind(&a->conf, req->tunnel, name.p, name.n, &bind)) {
		str_copy(ret->why, sizeof(ret->why), "no authentication for this name");
		return true;
	}
	for (;;) {
		ca = &a->conf.auth[a->conf.bind[bind].auth];
		name = strip(ca, rd_of(req->user, req->user_len));
		user = a->users[a->conf.bind[bind].auth] ?
		       users_find(a->users[a->conf.bind[bind].auth], name.p, name.n) : NULL;
		behind = user || ca->type != CONF_TYPE_LOCAL ? -1 :
			 bind_behind(&a->conf, bind, req->user, req->user_len);
		if (behind < 0)
			break;
		bind = (unsigned)behind;
	}
	ret->bind = bind;
	ret->auth = a->conf.bind[bind].auth;
	str_escape(ret->user, sizeof(ret->user), name.p, name.n);

	if (!conf_has_tunnel(&a->conf, req->tunnel) || !may_use(&a->conf, &a->conf.tunnel[req->tunnel], req->method)) {
		str_copy(ret->why, sizeof(ret->why), "authentication method not offered");
		return true;
	}
	if ((req->method == AUTH_EAP_MD5 || req->method == AUTH_EAP_MSCHAPV2) && !ca->eap_capable) {
		str_copy(ret->why, sizeof(ret->why), "this authentication is not eap-capable");
		return true;
	}
	if (ca->type == CONF_TYPE_RADIUS)
		return false;
	ok = judge_password(req, user, ret);
	why = !ok || !user || !user->password_len ? "wrong name or password" :
	      a->conf.tunnel[req->tunnel].callnum_check ? judge_number(req, user) : NULL;
	if (why) {
		explicit_bzero(ret->mschap_auth, sizeof(ret->mschap_auth));
		explicit_bzero(ret->mppe_send, sizeof(ret->mppe_send));
		explicit_bzero(ret->mppe_recv, sizeof(ret->mppe_recv));
		ret->mppe_keys = false;
		str_copy(ret->why, sizeof(ret->why), why);
		return true;
	}
	ret->verdict = VERDICT_OK;
	ret->framed_ip = user->framed_ip;
	if (user->framed_ip && user->framed_netmask != UINT32_MAX)
		ret->framed_mask = user->framed_netmask;
	return true;
}

void auth_question(const struct auth *a, const struct msg_judge *j, unsigned auth, struct msg_radius_ask *ret)
{
	struct rd name = strip(&a->conf.auth[auth], rd_of(j->req.user, j->req.user_len));

	*ret = (struct msg_radius_ask){ .auth = auth, .name_len = (uint16_t)name.n, .judge = *j };
	memcpy(ret->name, name.p, name.n);
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

struct auth_proc {
	struct event_base *base;
	struct peer parent, manager, radius;
	struct auth *auth;
	struct auth_radius asked;	/* logins that a RADIUS server judges */
	uint64_t judged, denied;
};

static void judged(struct auth_proc *a, struct msg_judged *j)
{
	a->judged++;
	a->denied += j->verdict != VERDICT_OK;
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
	struct msg_judged j;

	if (m->type == MSG_RADIUS_SAID && auth_radius_said(&a->asked, &m->b.radius_said, &j))
		judged(a, &j);
}

static void manager_msg(struct peer *p, struct msg *m, void *arg)
{
	struct auth_proc *a = arg;
	struct msg_user_checked checked;
	struct msg_stats st = { .n = 3 };

	switch (m->type) {
	case MSG_USER_CHECK:
		checked = (struct msg_user_checked){ .tag = m->b.user_check.tag };
		checked.gone = !auth_knows(a->auth, &m->b.user_check);
		peer_send(&a->manager, MSG_USER_CHECKED, &checked, sizeof(checked), -1);
		break;
	case MSG_JUDGE:
		judge(a, &m->b.judge);
		break;
	case MSG_STATS_REQ:
		str_copy(st.c[0].name, sizeof(st.c[0].name), "judged");
		st.c[0].value = a->judged;
		str_copy(st.c[1].name, sizeof(st.c[1].name), "denied");
		st.c[1].value = a->denied;
		str_copy(st.c[2].name, sizeof(st.c[2].name), "radius_asked");
		st.c[2].value = a->asked.n;
		sandbox_stats(&st);
		peer_send(&a->manager, MSG_STATS, &st, sizeof(st), -1);
		break;
	}
}

static void parent_msg(struct peer *p, struct msg *m, void *arg)
{
	struct auth_proc *a = arg;
	struct msg_applied done = { .phase = APPLY_CONF };

	switch (m->type) {
	case MSG_CONF:
		if (a->auth && auth_prepare(a->auth, &m->b.conf.conf) < 0)
			fatal("out of memory");
		if (!a->auth && auth_new(&m->b.conf.conf, &a->auth) < 0)
			fatal("OpenSSL has no MD4 and DES (its legacy provider): MS-CHAPv2 cannot work");
		auth_on_warning(a->auth, reload_warning, &a->parent);
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
		auth_radius_forget(&a->asked);
		child_take_peer(&a->manager, a->base, ROLE_AUTH, ROLE_MANAGER, m, manager_msg, a);
		break;
	case MSG_USERS:
		if (a->auth)
			(void)!auth_load_users(a->auth, m->b.users.auth, m->fd);
		break;
	case MSG_START:
		if (!a->auth)
			fatal("started before everything was given");
		sandbox_enter(ROLE_AUTH);
		peer_send(&a->parent, MSG_READY, NULL, 0, -1);
		break;
	case MSG_SHUTDOWN:
		_exit(0);
	}
}

void auth_main(void)
{
	static struct auth_proc a;

	child_confine("_culvert-auth");
	auth_radius_init(&a.asked);
	a.base = event_base_new();
	if (!a.base)
		fatal("out of memory");
	child_start(&a.parent, a.base, ROLE_AUTH, parent_msg, &a);
}
