/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/manager.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/child.h"

enum { UNITS_MAX = 65536 };

/* ---- units: the N of pppxN, lowest free first, as the admin counts them ---- */
static bool unit_take(struct manager *m, uint32_t from, uint32_t *ret)
{
	for (uint32_t u = from; u < UNITS_MAX; u++) {
		if (m->unit_used[u / 8] & 1u << u % 8)
			continue;
		m->unit_used[u / 8] |= (uint8_t)(1u << u % 8);
		*ret = u;
		return true;
	}
	return false;
}

static void unit_give(struct manager *m, uint32_t u)
{
	m->unit_used[u / 8] &= (uint8_t)~(1u << u % 8);
}

/* The first unit that interface NAME of the configuration allows: "pppx0" → 0. */
static uint32_t unit_first(const struct conf_interface *i)
{
	uint64_t n = 0;

	return parse_uint(i->name + strlen("pppx"), 0, UNITS_MAX - 1, &n) ? (uint32_t)n : 0;
}

/* ---- sessions ---- */
static struct msess *sess_of(struct manager *m, unsigned engine, const struct sid *sid)
{
	struct engine_ref *e = &m->engine[engine];
	struct msess *s;

	if (sid->slot >= e->n_rows)
		return NULL;
	s = e->by_slot[sid->slot];
	return s && s->sid.gen == sid->gen ? s : NULL;
}

struct msess *manager_find(struct manager *m, uint32_t ppp_id)
{
	LIST_EACH(&m->by_id[ppp_id % MANAGER_BUCKETS], e) {
		struct msess *s = CONTAINER_OF(e, struct msess, by_id);

		if (s->ppp_id == ppp_id)
			return s;
	}
	return NULL;
}

void manager_kill(struct manager *m, struct msess *s, const char *reason)
{
	struct msg_session msg = { .sid = s->sid };

	if (s->ending)
		return;
	s->ending = true;
	str_copy(msg.reason, sizeof(msg.reason), reason);
	peer_send(&m->engine[s->engine].peer, MSG_SESSION_KILL, &msg, sizeof(msg), -1);
}

/* What a login took comes back, in the reverse order. */
static void sess_free(struct manager *m, struct msess *s)
{
	if (s->has_unit) {
		struct msg_tun_del del = { .unit = s->unit };

		peer_send(&m->netd, MSG_TUN_DEL, &del, sizeof(del), -1);
		unit_give(m, s->unit);
	}
	if (s->ip)
		pool_release(m->pool[s->ipcp], s->ip);
	list_del(&s->link);
	list_del(&s->by_id);
	m->engine[s->engine].by_slot[s->sid.slot] = NULL;
	m->n_sessions--;
	free(s);
}

/* Ask netd for the session's TUN; it goes to the engine when it is there. */
static void tun_ask(struct manager *m, struct msess *s, const struct conf_interface *i, uint16_t mtu)
{
	struct msg_tun_add add = {
		.tag = s->ppp_id, .unit = s->unit, .ip_local = i->address, .ip_peer = s->ip, .mtu = mtu,
	};

	str_copy(add.alias, sizeof(add.alias), s->user);
	peer_send(&m->netd, MSG_TUN_ADD, &add, sizeof(add), -1);
}

/* NULL, or why the user may not have one more session. Ends older ones where the policy says so. */
static const char *limits(struct manager *m, const struct auth_result *r)
{
	const struct conf *c = &m->conf;
	uint32_t max = c->auth[r->auth].user_max_session ? c->auth[r->auth].user_max_session : c->user_max_session;
	uint32_t n = 0;
	struct msess *oldest = NULL;

	LIST_EACH(&m->sessions, e) {
		struct msess *s = CONTAINER_OF(e, struct msess, link);

		if (s->auth == r->auth && !s->ending && !strcmp(s->user, r->user)) {
			if (!oldest)
				oldest = s;
			n++;
		}
	}
	if (max && n >= max) {
		if (c->user_max_policy != CONF_UM_REPLACE)
			return "user-max-session reached";
		manager_kill(m, oldest, "replaced by a newer login");
		return NULL;		/* one comes, one goes: max-session does not change */
	}
	return c->max_session && m->n_sessions >= c->max_session ? "max-session reached" : NULL;
}

static const char *login(struct manager *m, unsigned engine, const struct msg_auth_req *req,
	const struct auth_result *r, struct msg_verdict *v)
{
	const struct conf_interface *i = &m->conf.interface[m->conf.bind[r->bind].interface];
	const struct conf_ipcp *ipcp = &m->conf.ipcp[i->ipcp];
	const char *why = limits(m, r);
	struct msess *s;

	if (why)
		return why;
	s = calloc(1, sizeof(*s));
	if (!s)
		return "out of memory";
	*s = (struct msess){
		.engine = engine, .sid = req->sid, .ppp_id = m->next_ppp_id++, .auth = r->auth,
		.ipcp = i->ipcp, .login_ms = now_ms(),
	};
	str_copy(s->user, sizeof(s->user), r->user);
	list_push(&m->sessions, &s->link);
	list_push(&m->by_id[s->ppp_id % MANAGER_BUCKETS], &s->by_id);
	m->engine[engine].by_slot[req->sid.slot] = s;
	m->n_sessions++;
	s->ip = pool_lease(m->pool[i->ipcp], r->framed_ip);
	if (!s->ip) {
		sess_free(m, s);
		return "no free address in the pool";
	}
	if (r->framed_ip && s->ip != r->framed_ip)
		log_warn("user=\"%s\" framed-ip-address is busy or outside the pool, ignoring", r->user);
	if (!unit_take(m, unit_first(i), &s->unit)) {
		sess_free(m, s);
		return "no free interface";
	}
	s->has_unit = true;
	tun_ask(m, s, i, req->mtu);
	v->ppp_id = s->ppp_id;
	v->ip = s->ip;
	v->ip_local = i->address;
	memcpy(v->dns, ipcp->dns, sizeof(v->dns));
	memcpy(v->nbns, ipcp->nbns, sizeof(v->nbns));
	return NULL;
}

static void auth_req(struct manager *m, unsigned engine, const struct msg_auth_req *req)
{
	struct engine_ref *e = &m->engine[engine];
	struct msg_verdict v = { .sid = req->sid };
	char peer[ADDR_STRLEN];
	struct auth_result r;
	const char *why;

	if (req->tunnel >= m->conf.n_tunnel || req->sid.slot >= e->n_rows || e->by_slot[req->sid.slot]) {
		log_warn("engine%u asks for a login that cannot be, ignoring", engine);
		return;
	}
	auth_judge(m->auth, req, &r);
	v.verdict = r.verdict;
	str_copy(v.user, sizeof(v.user), r.user);
	str_copy(v.realm, sizeof(v.realm), m->conf.auth[r.auth].name);
	addr_str(&req->peer, peer);
	if (r.verdict == VERDICT_OK) {
		memcpy(v.mschap_auth, r.mschap_auth, sizeof(v.mschap_auth));
		why = login(m, engine, req, &r, &v);
		if (why) {
			v.verdict = VERDICT_REFUSE;
			str_copy(v.reason, sizeof(v.reason), why);
			m->count.login_refused++;
			log_notice("login refused user=\"%s\" realm=%s from=%s reason=\"%s\"", r.user,
				v.realm, peer, why);
		} else {
			m->count.login_ok++;
		}
	} else {
		/* One line that a ban list can match: etc/fail2ban/culvert.conf. */
		static struct log_rate rate;

		m->count.login_denied++;
		str_copy(v.reason, sizeof(v.reason), r.why);
		if (log_rate_ok(&rate, now_ms()))
			log_notice("login failed user=\"%s\" realm=%s from=%s reason=\"%s\"", r.user, v.realm,
				peer, r.why);
	}
	peer_send(&e->peer, MSG_VERDICT, &v, sizeof(v), -1);
	explicit_bzero(&v, sizeof(v));
}

static void engine_msg(struct peer *p, struct msg *msg, void *arg)
{
	struct manager *m = arg;
	unsigned engine = p->c.index;
	struct msess *s;

	switch (msg->type) {
	case MSG_AUTH_REQ:
		auth_req(m, engine, &msg->b.auth_req);
		break;
	case MSG_SESSION_UP:
		s = sess_of(m, engine, &msg->b.session.sid);
		if (s)
			s->up = true;
		break;
	case MSG_SESSION_DOWN:
		s = sess_of(m, engine, &msg->b.session.sid);
		if (s) {
			m->count.sessions_ended++;
			sess_free(m, s);
		}
		break;
	case MSG_STATS: {
		char name[16];

		snprintf(name, sizeof(name), "engine%u", engine);
		if (m->control)
			control_stats(m->control, name, &msg->b.stats);
		break;
	}
	}
}

static void netd_msg(struct peer *p, struct msg *msg, void *arg)
{
	struct manager *m = arg;
	struct msg_tun_done *d = &msg->b.tun_done;
	struct msg_session_tun tun;
	struct msess *s;

	if (msg->type == MSG_STATS && m->control)
		control_stats(m->control, "netd", &msg->b.stats);
	if (msg->type != MSG_TUN_DONE)
		return;
	s = manager_find(m, d->tag);
	if (!s)				/* it ended meanwhile; its TUN_DEL is on the way */
		return;
	if (d->err || msg->fd < 0) {
		log_err("ppp_id=%u user=\"%s\" no interface pppx%u: %s", s->ppp_id, s->user, s->unit,
			strerror(-d->err));
		manager_kill(m, s, "no interface");
		return;
	}
	tun = (struct msg_session_tun){ .sid = s->sid };
	memcpy(tun.ifname, d->ifname, sizeof(tun.ifname));
	peer_send(&m->engine[s->engine].peer, MSG_SESSION_TUN, &tun, sizeof(tun), msg->fd);
}

static void iked_msg(struct peer *p, struct msg *msg, void *arg)
{
	struct manager *m = arg;

	if (msg->type == MSG_STATS && m->control)
		control_stats(m->control, "iked", &msg->b.stats);
}

static void peer_ended(struct peer *p, void *arg)
{
	log_warn("%s is gone", role_name(p->c.peer));
}

static void parent_ended(struct peer *p, void *arg)
{
	_exit(1);
}

/* ---- start ---- */
static void take_peer(struct manager *m, struct msg *msg)
{
	struct peer *p = NULL;
	peer_msg_cb *cb = NULL;
	unsigned index = msg->b.peer.index;

	switch (msg->b.peer.role) {
	case ROLE_ENGINE:
		if (index < CONF_ENGINES_MAX) {
			p = &m->engine[index].peer;
			cb = engine_msg;
		}
		break;
	case ROLE_NETD:
		p = &m->netd;
		cb = netd_msg;
		break;
	case ROLE_IKED:
		p = &m->iked;
		cb = iked_msg;
		break;
	}
	if (!p || peer_is_open(p) ||
	    peer_open(p, m->base, msg->fd, ROLE_MANAGER, msg->b.peer.role, index, cb, peer_ended, m) < 0)
		fatal("cannot take the channel to %s", role_name(msg->b.peer.role));
	msg->fd = -1;
}

static void take_table(struct manager *m, const struct msg *msg)
{
	struct engine_ref *e = &m->engine[msg->b.table.engine % CONF_ENGINES_MAX];
	uint32_t n = msg->b.table.rows;

	e->rows = mmap(NULL, n * sizeof(*e->rows), PROT_READ, MAP_SHARED, msg->fd, 0);
	e->by_slot = calloc(n, sizeof(*e->by_slot));
	if (e->rows == MAP_FAILED || !e->by_slot)
		fatal("cannot map the session table: %s", strerror(errno));
	e->n_rows = n;
}

static void take_conf(struct manager *m, const struct conf *c)
{
	m->conf = *c;
	if (auth_new(&m->conf, &m->auth) < 0)
		fatal("OpenSSL has no MD4 and DES (its legacy provider): MS-CHAPv2 cannot work");
	for (unsigned i = 0; i < m->conf.n_ipcp; i++) {
		uint32_t own = 0;

		for (unsigned k = 0; k < m->conf.n_interface; k++)
			if (m->conf.interface[k].ipcp == i)
				own = m->conf.interface[k].address;
		if (pool_new(&m->conf.ipcp[i], own, &m->pool[i]) < 0)
			fatal("pool of ipcp %s is too big", m->conf.ipcp[i].name);
	}
}

static void parent_msg(struct peer *p, struct msg *msg, void *arg)
{
	struct manager *m = arg;

	switch (msg->type) {
	case MSG_CONF:
		if (m->auth)
			return;
		take_conf(m, &msg->b.conf.conf);
		break;
	case MSG_PEER:
		take_peer(m, msg);
		break;
	case MSG_TABLE:
		take_table(m, msg);
		break;
	case MSG_USERS:
		if (m->auth && auth_load_users(m->auth, msg->b.users.auth, msg->fd) < 0)
			return;
		break;
	case MSG_LISTEN:
		if (!m->control && control_start(m, msg->fd, &m->control) < 0)
			fatal("cannot serve the control socket");
		msg->fd = -1;
		break;
	case MSG_START:
		if (!m->auth || !m->control || !peer_is_open(&m->netd))
			fatal("started before everything was given");
		peer_send(&m->parent, MSG_READY, NULL, 0, -1);
		break;
	case MSG_SHUTDOWN:
		peer_drain(&m->netd, 1000);
		_exit(0);
	}
}

void manager_main(void)
{
	static struct manager m;

	child_confine(CHILD_USER);
	list_init(&m.sessions);
	for (unsigned i = 0; i < MANAGER_BUCKETS; i++)
		list_init(&m.by_id[i]);
	m.unit_used = calloc(1, UNITS_MAX / 8);
	m.base = event_base_new();
	if (!m.base || !m.unit_used ||
	    peer_open(&m.parent, m.base, CHILD_FD, ROLE_MANAGER, ROLE_PARENT, 0, parent_msg, parent_ended, &m) < 0)
		fatal("out of memory");
	event_base_dispatch(m.base);
	_exit(1);
}
