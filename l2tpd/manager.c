/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/manager.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/acct.h"
#include "l2tpd/child.h"
#include "l2tpd/conf_merge.h"
#include "l2tpd/sandbox.h"

enum { UNITS_MAX = 65536, PPP_ID_MAX = 0x7fffffff, OFF_MS = 2000 };

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

/* FNV-1a. */
static struct list *user_bucket(struct manager *m, unsigned auth, const char *user)
{
	uint64_t h = (UINT64_C(0xcbf29ce484222325) ^ m->user_seed ^ auth) * UINT64_C(0x100000001b3);

	for (; *user; user++)
		h = (h ^ (uint8_t)*user) * UINT64_C(0x100000001b3);
	return &m->by_user[(h ^ h >> 32) % MANAGER_BUCKETS];
}

/* Whose session it is. */
static void sess_own(struct manager *m, struct msess *s, unsigned auth, const char *user)
{
	s->auth = auth;
	str_copy(s->user, sizeof(s->user), user);
	list_push(user_bucket(m, auth, s->user), &s->by_user);
}

bool manager_row(struct manager *m, const struct msess *s, struct sess_row *ret)
{
	const struct engine_ref *e = &m->engine[s->engine];

	return s->sid.slot < e->n_rows && row_read(&e->rows[s->sid.slot], ret) && ret->sid.gen == s->sid.gen;
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

/* Lease the address in the pool that has it; which one, or CONF_IPCPS: none, or leased to another. */
static unsigned pool_claim_any(struct manager *m, uint32_t ip)
{
	for (unsigned i = 0; i < CONF_IPCPS; i++)
		if (m->pool[i] && pool_claim(m->pool[i], ip))
			return i;
	return CONF_IPCPS;
}

const char *manager_net_fault(const struct conf *c, unsigned interface, uint32_t ip, uint32_t mask)
{
	return !mask || conf_net_fits(c, conf_ipcp_with(c, ip), ip, mask) ? NULL : "its network left the pool";
}

const char *manager_routes_fault(const struct conf *c, const struct radius_route *r, unsigned n)
{
	const char *why = NULL;

	for (unsigned i = 0; i < n && !why; i++)
		why = conf_route_fault(c, r[i].net, r[i].mask);
	return why;
}

/* Has the session one of these networks, or a part? */
static bool routes_meet(const struct msess *s, const struct radius_route *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < s->n_routes; k++)
			if (!((s->route[k].net ^ r[i].net) & s->route[k].mask & r[i].mask))
				return true;
	return false;
}

/* Lease what the session has, wherever that is. */
static void lease_claim(struct manager *m, struct msess *s)
{
	s->pool = s->ip ? pool_claim_any(m, s->ip) : CONF_IPCPS;
	s->has_net = s->mask && s->pool < CONF_IPCPS && conf_net_fits(&m->conf, s->pool, s->ip, s->mask) &&
		     pool_claim_net(m->pool[s->pool], s->ip, s->mask);
}

static void lease_give(struct manager *m, struct msess *s)
{
	if (s->has_net)
		pool_release_net(m->pool[s->pool], s->ip, s->mask);
	if (s->ip && s->pool < CONF_IPCPS)
		pool_release(m->pool[s->pool], s->ip);
	s->has_net = false;
	s->ip = s->mask = 0;
	s->n_routes = 0;
	s->pool = CONF_IPCPS;
}

/* The pool of an ipcp, or NULL where there is none. */
static struct pool *pool_of_conf(const struct conf *c, unsigned ipcp)
{
	struct pool *p = NULL;
	uint32_t own = 0;

	if (!conf_has_ipcp(c, ipcp))
		return NULL;
	for (unsigned k = 0; k < c->n_interface; k++)
		if (conf_has_interface(c, k) && c->interface[k].ipcp == ipcp)
			own = c->interface[k].address;
	if (pool_new(&c->ipcp[ipcp], own, &p) < 0)
		fatal("pool of ipcp %s: out of memory", c->ipcp[ipcp].name);
	return p;
}

static bool pools_differ(const struct conf *a, const struct conf *b)
{
	if (memcmp(a->ipcp, b->ipcp, sizeof(a->ipcp)))
		return true;
	for (unsigned i = 0; i < CONF_INTERFACES; i++)
		if (a->interface[i].address != b->interface[i].address || a->interface[i].ipcp != b->interface[i].ipcp)
			return true;
	return false;
}

void manager_pools_renew(struct manager *m, const struct conf *old)
{
	if (!pools_differ(old, &m->conf))
		return;
	for (unsigned i = 0; i < CONF_IPCPS; i++) {
		pool_free(m->pool[i]);
		m->pool[i] = pool_of_conf(&m->conf, i);
	}
	LIST_EACH(&m->sessions, e)
		lease_claim(m, CONTAINER_OF(e, struct msess, link));
}

static struct msess *sess_new(struct manager *m, unsigned engine, const struct sid *sid, uint32_t ppp_id)
{
	struct msess *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->engine = engine;
	s->sid = *sid;
	s->ppp_id = ppp_id;
	s->pool = CONF_IPCPS;
	s->acct = SPOOL_SLOTS;
	list_init(&s->by_user);
	list_push(&m->sessions, &s->link);
	list_push(&m->by_id[ppp_id % MANAGER_BUCKETS], &s->by_id);
	m->engine[engine].by_slot[sid->slot] = s;
	m->n_sessions++;
	return s;
}

/* ---- interface tunN: one device per engine, a route per session ---- */
static bool is_shared(const struct manager *m, unsigned interface)
{
	return conf_has_interface(&m->conf, interface) && !m->conf.interface[interface].per_session;
}

static void shared_ask(struct manager *m, unsigned engine, unsigned interface)
{
	struct msg_shared add = { .interface = interface, .engine = engine };

	peer_send(&m->netd, MSG_SHARED_ADD, &add, sizeof(add), -1);
	if (m->engine[engine].shared[interface] != SHARED_LOST)
		m->engine[engine].shared[interface] = SHARED_ASKED;
}

static void shared_ask_all(struct manager *m, unsigned engine)
{
	for (unsigned i = 0; i < m->conf.n_interface; i++)
		if (is_shared(m, i))
			shared_ask(m, engine, i);
}

void manager_shared_renew(struct manager *m, const struct conf *old)
{
	for (unsigned i = 0; i < CONF_INTERFACES; i++) {
		bool same = conf_has_interface(old, i) && conf_has_interface(&m->conf, i) &&
			!strcmp(old->interface[i].name, m->conf.interface[i].name);

		for (unsigned e = 0; e < m->conf.engines && !same; e++) {
			m->engine[e].shared[i] = SHARED_NONE;
			if (is_shared(m, i) && m->running)
				shared_ask(m, e, i);
		}
	}
}

static void route_tell(struct manager *m, struct msess *s, enum msg_type type)
{
	struct msg_route r = {
		.interface = s->interface, .engine = s->engine, .ip = s->ip, .mask = s->mask, .tag = s->ppp_id,
		.mtu = s->mtu, .n_routes = s->n_routes,
	};

	memcpy(r.route, s->route, s->n_routes * sizeof(r.route[0]));
	peer_send(&m->netd, type, &r, sizeof(r), -1);
	s->has_route = type == MSG_ROUTE_ADD;
}

/* ---- filters of the firewall ---- */

const char *manager_filter_fault(const struct conf *c, const char *name)
{
	if (!*name)
		return NULL;
	if (c->firewall.off)
		return "its filter is off with the firewall";
	return conf_filter_find(c, name) < CONF_FILTERS ? NULL : "its filter was removed";
}

/* name "": out of any. */
static void filter_tell(struct manager *m, struct msess *s, const char *name)
{
	struct msg_filter f = { .tag = s->ppp_id };

	str_copy(f.filter, sizeof(f.filter), name);
	/* Its own address last: when that is in, the networks behind it are, too. */
	for (unsigned i = 0; i < s->n_routes; i++) {
		f.net = s->route[i].net;
		f.mask = s->route[i].mask;
		peer_send(&m->netd, MSG_FILTER_SET, &f, sizeof(f), -1);
	}
	f.mask = s->mask ? s->mask : UINT32_MAX;
	f.net = s->ip & f.mask;
	peer_send(&m->netd, MSG_FILTER_SET, &f, sizeof(f), -1);
	s->filter_told = *name;
	s->filter_awaited = true;
}

/* netd has done what it was asked last, or something else is wanted by now. */
static void filter_is(struct manager *m, struct msess *s, bool ok)
{
	s->filter_awaited = false;
	manager_dae_filtered(m, s, ok);
}

const char *manager_filter_set(struct manager *m, struct msess *s, const char *name)
{
	struct msg_session_filter f = { .sid = s->sid };
	const char *why = manager_filter_fault(&m->conf, name);

	if (why || !strcmp(s->filter, name))
		return why;
	if (s->filter_awaited)
		filter_is(m, s, false);
	str_copy(s->filter, sizeof(s->filter), name);
	/* Where nothing is made for it yet, that waits for the filter. */
	if (s->ip && !s->choosing && (*name || s->filter_told))
		filter_tell(m, s, name);
	str_copy(f.filter, sizeof(f.filter), name);
	peer_send(&m->engine[s->engine].peer, MSG_SESSION_FILTER, &f, sizeof(f), -1);
	log_info("ppp_id=%u user=\"%s\" filter=%s", s->ppp_id, s->user, *name ? name : "none");
	return NULL;
}

/* Ask netd for the session's TUN; it goes to the engine when it is there. */
static void tun_ask(struct manager *m, struct msess *s)
{
	struct msg_tun_add add = {
		.tag = s->ppp_id, .unit = s->unit, .ip_local = m->conf.interface[s->interface].address,
		.ip_peer = s->ip, .mask = s->mask, .mtu = s->mtu, .n_routes = s->n_routes,
	};

	memcpy(add.route, s->route, s->n_routes * sizeof(add.route[0]));
	str_copy(add.alias, sizeof(add.alias), s->user);
	peer_send(&m->netd, MSG_TUN_ADD, &add, sizeof(add), -1);
}

/* ---- logins ---- */

/* What a login took comes back, in the reverse order; the session itself stays until its engine says DOWN. */
static void sess_strip(struct manager *m, struct msess *s)
{
	if (s->has_unit) {
		struct msg_tun_del del = { .unit = s->unit };

		peer_send(&m->netd, MSG_TUN_DEL, &del, sizeof(del), -1);
		unit_give(m, s->unit);
	}
	if (s->has_route)
		route_tell(m, s, MSG_ROUTE_DEL);
	s->has_unit = s->has_tun = false;
	/* Not before nothing of it can pass, and before its address is anybody else's. */
	if (s->filter_told)
		filter_tell(m, s, "");
	s->filtered = false;
	lease_give(m, s);
}

static void sess_free(struct manager *m, struct msess *s)
{
	sess_strip(m, s);
	manager_dae_gone(m, s);
	list_del(&s->link);
	list_del(&s->by_id);
	list_del(&s->by_user);
	m->engine[s->engine].by_slot[s->sid.slot] = NULL;
	m->n_sessions--;
	free(s);
}

/* NULL and what carries the session's packets is on its way, or why not. */
static const char *device_ask(struct manager *m, struct msess *s)
{
	if (s->filter[0] && !s->filtered) {
		filter_tell(m, s, s->filter);	/* and filter_done() goes on */
		return NULL;
	}
	if (is_shared(m, s->interface)) {
		route_tell(m, s, MSG_ROUTE_ADD);
		return NULL;
	}
	if (!unit_take(m, unit_first(&m->conf.interface[s->interface]), &s->unit))
		return "no free interface";
	s->has_unit = true;
	tun_ask(m, s);
	return NULL;
}

/* allow-user-selected-address: it gets what it asks for, if that is to be had, or keeps what it has. */
static void addr_want(struct manager *m, unsigned engine, const struct msg_addr *want)
{
	struct msess *s = sess_of(m, engine, &want->sid);
	struct msg_addr got = { .sid = want->sid };
	char ip[ADDR_STRLEN];

	if (!s || s->ending)
		return;
	if (s->choosing && s->pool < CONF_IPCPS && pool_take(m->pool[s->pool], want->ip)) {
		pool_release(m->pool[s->pool], s->ip);
		s->ip = want->ip;
	} else if (s->choosing) {
		log_info("ppp_id=%u user=\"%s\" asks for %s, which is busy or outside the pool", s->ppp_id, s->user,
			ip4_str(want->ip, ip));
	}
	got.ip = s->ip;
	peer_send(&m->engine[engine].peer, MSG_ADDR, &got, sizeof(got), -1);
}

/* Its address is final. */
static void sess_up(struct manager *m, struct msess *s)
{
	const char *why;
	struct sess_row row;

	if (s->choosing) {
		s->choosing = false;
		why = s->ending ? NULL : device_ask(m, s);
		if (why)
			manager_kill(m, s, why);
	}
	acct_up(m->acct, s, manager_row(m, s, &row) ? &row : NULL);
}

/*
 * NULL, or why the user may not have one more session, which would have an
 * address of the ipcp.  *ret_old: the session that the new one replaces, where the policy
 * says so.
 */
static const char *limits(struct manager *m, const struct msg_judged *j, unsigned ipcp, struct msess **ret_old)
{
	const struct conf *c = &m->conf;
	uint32_t own = c->auth[j->auth].user_max_session, all = c->user_max_session;
	/* What stands with the user counts in place of what stands for all. */
	uint32_t max = j->says.port_limit ? j->says.port_limit : j->has_max_session ? j->max_session : own && all ? MIN(own, all) : own | all;
	uint32_t ipcp_max = c->ipcp[ipcp].max_session, n = 0;
	struct msess *oldest = NULL, *old = NULL;

	if (max) {
		LIST_EACH(user_bucket(m, j->auth, j->user), e) {
			struct msess *s = CONTAINER_OF(e, struct msess, by_user);

			if (s->auth == j->auth && !s->ending && !strcmp(s->user, j->user)) {
				/* Their order here is no measure: adopted ones came as the engines had them. */
				if (!oldest || s->ppp_id < oldest->ppp_id)
					oldest = s;
				n++;
			}
		}
	}
	if (max && n >= max) {
		if (c->user_max_policy != CONF_UM_REPLACE)
			return j->says.port_limit ? "its Port-Limit is reached" : "user-max-session reached";
		old = oldest;
	}
	/* One that is replaced makes room for the new one, in its own pool. */
	if (c->max_session && !old && m->n_sessions >= c->max_session)
		return "max-session reached";
	if (ipcp_max && !(old && old->pool == ipcp) && pool_in_use(m->pool[ipcp]) >= ipcp_max)
		return "max-session of the ipcp reached";
	*ret_old = old;
	return NULL;
}

/* Framed-MTU, as far as IPv4 knows it: no link has less than 68 octets (RFC 791 3.2). */
static uint16_t mtu_said(const struct radius_says *says)
{
	return (uint16_t)MAX(says->mtu, 68);
}

/* The ipcp whose address the session gets: the one that a server names, or the interface's. CONF_IPCPS: it is not there. */
static unsigned ipcp_for(const struct conf *c, const struct msg_judged *j)
{
	const char *name = j->says.pool;

	if (!name[0])
		return c->interface[c->bind[j->bind].interface].ipcp;
	for (unsigned i = 0; i < c->n_ipcp; i++)
		if (conf_has_ipcp(c, i) && !strcmp(c->ipcp[i].name, name))
			return i;
	log_warn("user=\"%s\" Framed-Pool \"%s\": there is no such ipcp", j->user, name);
	return CONF_IPCPS;
}

/* NULL, or why a new session of a client at peer cannot have these networks; old: that one makes room for it. */
static const char *routes_refused(struct manager *m, const struct radius_says *says, const struct addr *peer,
	const struct msess *old)
{
	const char *why = manager_routes_fault(&m->conf, says->route, says->n_routes);
	uint32_t outside = addr_v4_of(peer);

	if (why || !says->n_routes)
		return why;
	/* What carries the session would go into it. */
	for (unsigned i = 0; i < says->n_routes && outside; i++)
		if (says->route[i].net == (outside & says->route[i].mask))
			return "its Framed-Route holds its address outside";
	LIST_EACH(&m->sessions, e) {
		const struct msess *s = CONTAINER_OF(e, struct msess, link);

		if (s != old && routes_meet(s, says->route, says->n_routes))
			return "its Framed-Route is another session's";
		outside = s == old ? 0 : addr_v4_of(&s->peer);
		for (unsigned i = 0; i < says->n_routes && outside; i++)
			if (says->route[i].net == (outside & says->route[i].mask))
				return "its Framed-Route holds another client's address outside";
	}
	return NULL;
}

/* RFC 2865 1.1: a service that cannot be had is a refusal. */
static const char *filter_allowed(struct manager *m, const struct msg_judged *j)
{
	if (!manager_filter_fault(&m->conf, j->says.filter))
		return NULL;
	log_warn("user=\"%s\" Filter-Id is \"%s\": %s", j->user, j->says.filter,
		m->conf.firewall.off ? "the firewall is off" : "the firewall block has no filter of that name");
	return m->conf.firewall.off ? "its Filter-Id needs the firewall, which is off" : "its Filter-Id names no filter";
}

/* NULL and *ret, or why not. */
static const char *login(struct manager *m, const struct msg_judge *req, const struct msg_judged *j,
	struct msess **ret)
{
	unsigned interface = m->conf.bind[j->bind].interface, ipcp = ipcp_for(&m->conf, j);
	bool xauth = req->req.method == AUTH_XAUTH;
	struct msess *s, *old = NULL;
	const char *why = filter_allowed(m, j);

	if (!why && ipcp == CONF_IPCPS)
		why = "no ipcp has the name of its Framed-Pool";
	if (!why)
		why = limits(m, j, ipcp, &old);
	if (!why && !xauth)
		why = routes_refused(m, &j->says, &req->req.peer, old);
	if (why)
		return why;
	if (is_shared(m, interface) && m->engine[req->engine].shared[interface] == SHARED_FAILED) {
		shared_ask(m, req->engine, interface);	/* for the next one */
		return "no interface";
	}
	if (old) {
		/* Its phone may be long gone: what it has is free at once, not after its goodbyes. */
		sess_strip(m, old);
		manager_kill(m, old, "replaced by a newer login");
	}
	s = sess_new(m, req->engine, &req->req.sid, req->ppp_id);
	if (!s)
		return "out of memory";
	sess_own(m, s, j->auth, j->user);
	s->tunnel = req->req.tunnel;
	s->interface = interface;
	s->mtu = j->says.mtu ? (uint16_t)MIN(req->req.mtu, mtu_said(&j->says)) : req->req.mtu;
	s->pool = ipcp;
	str_copy(s->filter, sizeof(s->filter), j->says.filter);
	s->peer = req->req.peer;
	s->number_len = req->req.number_len;
	memcpy(s->number, req->req.number, sizeof(s->number));
	s->ip = pool_lease(m->pool[s->pool], j->framed_ip);
	if (!s->ip) {
		sess_free(m, s);
		return "no free address in the pool";
	}
	/* Others go by the address that the server gave: another one is as bad as none. */
	if (j->by_radius && j->framed_ip && s->ip != j->framed_ip) {
		sess_free(m, s);
		return "its Framed-IP-Address is busy or in no pool";
	}
	if (j->framed_ip && s->ip != j->framed_ip) {
		log_warn("user=\"%s\" framed-ip-address is busy or outside the pool, ignoring", j->user);
	} else if (j->framed_mask && xauth) {
		log_warn("user=\"%s\" framed-ip-network is ignored: a client of XAuth has its own address alone", j->user);
	} else if (j->framed_mask && conf_net_fits(&m->conf, s->pool, s->ip, j->framed_mask) &&
		 pool_claim_net(m->pool[s->pool], s->ip, j->framed_mask)) {
		s->mask = j->framed_mask;
		s->has_net = true;
	} else if (j->framed_mask) {
		log_warn("user=\"%s\" framed-ip-network is busy or in no pool-address for static, ignoring", j->user);
	}
	if (j->says.n_routes && xauth) {
		log_warn("user=\"%s\" Framed-Route is ignored: a client of XAuth has its own address alone", j->user);
	} else {
		s->n_routes = j->says.n_routes;
		memcpy(s->route, j->says.route, sizeof(s->route));
	}
	*ret = s;
	s->choosing = m->conf.ipcp[ipcp].allow_user_selected_address && !j->framed_ip && !xauth;
	why = s->choosing ? NULL : device_ask(m, s);
	if (why)
		sess_free(m, s);
	else
		acct_login(m->acct, s, req, &j->says);
	return why;
}

/* LCP was negotiated anew: the same user goes on with what he has; his filter may be another one by now. */
static const char *login_again(struct manager *m, struct msess *s, const struct msg_judged *j)
{
	const char *why;

	if (s->ending)
		return "the session is being ended";
	if (s->auth != j->auth || strcmp(s->user, j->user))
		return "another user on the same link";
	why = filter_allowed(m, j);
	return why ? why : manager_filter_set(m, s, j->says.filter);
}

/* Name servers that a RADIUS server names: a second one alone is the first. */
static void servers(uint32_t ret[static 2], const uint32_t says[static 2])
{
	ret[0] = says[0] ? says[0] : says[1];
	ret[1] = says[0] ? says[1] : 0;
}

static void answer(struct manager *m, const struct msg_judge *req, const struct msg_judged *j)
{
	struct engine_ref *e = &m->engine[req->engine];
	struct msg_verdict v = { .sid = req->req.sid, .serial = req->req.serial, .verdict = j->verdict };
	struct msess *s = sess_of(m, req->engine, &req->req.sid);
	char peer[ADDR_STRLEN];
	const char *why;

	str_copy(v.user, sizeof(v.user), j->user);
	str_copy(v.realm, sizeof(v.realm), m->conf.auth[j->auth].name);
	str_copy(v.reason, sizeof(v.reason), j->why);
	memcpy(v.mschap_auth, j->mschap_auth, sizeof(v.mschap_auth));
	addr_str(&req->req.peer, peer);
	if (j->verdict == VERDICT_EAP || j->verdict == VERDICT_OWN_EAP) {
		/* None yet. */
		v.eap = j->eap;
		v.eap.ppp_id = req->ppp_id;
	} else if (j->verdict != VERDICT_OK) {
		/* One line that a ban list can match: etc/fail2ban/culvert.conf. */
		static struct log_rate rate;

		m->count.login_denied++;
		/* The peer must not learn that the password was right and the number was not. */
		str_copy(v.reason, sizeof(v.reason), "wrong name or password");
		v.mschap_error = j->mschap_error;
		memcpy(v.message, j->message, sizeof(v.message));
		if (log_rate_ok(&rate, now_ms()))
			log_notice("login failed user=\"%s\" realm=%s from=%s reason=\"%s\"", j->user, v.realm, peer, j->why);
	} else {
		why = s ? login_again(m, s, j) : login(m, req, j, &s);
		if (why) {
			v.verdict = VERDICT_REFUSE;
			str_copy(v.reason, sizeof(v.reason), why);
			m->count.login_refused++;
			log_notice("login refused user=\"%s\" realm=%s from=%s reason=\"%s\"", j->user, v.realm, peer, why);
		} else {
			const struct conf_interface *i = &m->conf.interface[s->interface];
			const struct conf_ipcp *ipcp = &m->conf.ipcp[s->pool < CONF_IPCPS ? s->pool : i->ipcp];

			m->count.login_ok++;
			v.ppp_id = s->ppp_id;
			v.ip = s->ip;
			v.mask = s->mask;
			v.n_routes = s->n_routes;
			memcpy(v.route, s->route, s->n_routes * sizeof(v.route[0]));
			v.mtu = j->says.mtu ? mtu_said(&j->says) : 0;
			v.rate_in_bps = j->says.rate_in_bps;
			v.rate_out_bps = j->says.rate_out_bps;
			v.ip_local = i->address;
			v.interface = s->interface;
			v.may_choose = s->choosing;
			v.session_timeout_s = j->session_timeout_s;
			v.idle_timeout_s = j->says.idle_timeout_s;
			memcpy(v.message, j->message, sizeof(v.message));
			memcpy(v.filter, s->filter, sizeof(v.filter));
			v.mppe_keys = j->mppe_keys;
			memcpy(v.mppe_send, j->mppe_send, sizeof(v.mppe_send));
			memcpy(v.mppe_recv, j->mppe_recv, sizeof(v.mppe_recv));
			memcpy(v.dns, ipcp->dns, sizeof(v.dns));
			memcpy(v.nbns, ipcp->nbns, sizeof(v.nbns));
			if (!v.dns[0])
				servers(v.dns, j->says.dns);
			if (!v.nbns[0])
				servers(v.nbns, j->says.nbns);
		}
	}
	peer_send(&e->peer, MSG_VERDICT, &v, sizeof(v), -1);
	explicit_bzero(&v, sizeof(v));
}

static void pending_free(struct manager *m, struct pending *p)
{
	list_del(&p->link);
	m->engine[p->judge.engine].asking[p->judge.req.sid.slot] = NULL;
	m->n_pending--;
	explicit_bzero(p, sizeof(*p));
	free(p);
}

static struct pending *pending_of(struct manager *m, unsigned engine, const struct sid *sid)
{
	struct engine_ref *e = &m->engine[engine];

	return sid->slot < e->n_rows ? e->asking[sid->slot] : NULL;
}

/* One request of a session at a time is with auth. */
static void judge(struct manager *m, struct pending *p)
{
	if (!m->running || p->sent)
		return;
	p->stale = false;
	p->sent = peer_send(&m->auth, MSG_JUDGE, &p->judge, sizeof(p->judge), -1);
}

/* A session has its id from its first login on: RADIUS servers are told. */
static uint32_t ppp_id_for(struct manager *m, const struct msess *s)
{
	if (s)
		return s->ppp_id;
	while (manager_find(m, m->next_ppp_id))
		m->next_ppp_id++;
	return m->next_ppp_id++;
}

static void auth_req(struct manager *m, unsigned engine, const struct msg_auth_req *req)
{
	struct engine_ref *e = &m->engine[engine];
	struct pending *p = pending_of(m, engine, &req->sid);

	/* A reload took its tunnel away: its engine ends it. */
	if (req->tunnel < m->conf.n_tunnel && !conf_has_tunnel(&m->conf, req->tunnel))
		return;
	if (req->tunnel >= m->conf.n_tunnel || req->sid.slot >= e->n_rows ||
	    (e->by_slot[req->sid.slot] && e->by_slot[req->sid.slot]->sid.gen != req->sid.gen)) {
		log_warn("engine%u asks for a login that cannot be, ignoring", engine);
		return;
	}
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return;
		list_push(&m->pending, &p->link);
		e->asking[req->sid.slot] = p;
		m->n_pending++;
		p->judge.ppp_id = ppp_id_for(m, e->by_slot[req->sid.slot]);
	}
	/* A server knows an EAP conversation by its port, too; the first one's id is still nobody else's. */
	if (req->method == AUTH_EAP && req->eap.ppp_id && req->eap.ppp_id < m->next_ppp_id && !manager_find(m, req->eap.ppp_id))
		p->judge.ppp_id = req->eap.ppp_id;
	p->judge.engine = engine;
	p->judge.req = *req;
	judge(m, p);
}

static void judge_all(struct manager *m)
{
	LIST_EACH(&m->pending, e) {
		struct pending *p = CONTAINER_OF(e, struct pending, link);

		p->sent = false;
		judge(m, p);
	}
}

void manager_logins_renew(struct manager *m)
{
	LIST_EACH(&m->pending, e) {
		struct pending *p = CONTAINER_OF(e, struct pending, link);

		if (!conf_has_tunnel(&m->conf, p->judge.req.tunnel))
			pending_free(m, p);
		else if (p->sent)
			p->stale = true;
		else
			judge(m, p);
	}
}

static bool judged_by(const struct conf *c, const struct msg_judged *j, unsigned tunnel)
{
	const struct conf_bind *b = &c->bind[j->bind];

	return conf_has_bind(c, j->bind) && b->tunnel == tunnel && b->auth == j->auth &&
	       conf_has_interface(c, b->interface);
}

static void auth_msg(struct peer *peer, struct msg *msg, void *arg)
{
	struct manager *m = arg;
	const struct msg_judged *j = &msg->b.judged;
	struct pending *p;

	if (msg->type == MSG_STATS && m->control)
		control_stats(m->control, "auth", &msg->b.stats);
	if (msg->type == MSG_USER_CHECKED)
		manager_user_checked(m, &msg->b.user_checked);
	if (msg->type == MSG_ALARM)
		memcpy(m->alarm[msg->b.alarm.auth], msg->b.alarm.text, sizeof(m->alarm[0]));
	if (msg->type == MSG_USERS_CHANGED)
		manager_sweep(m, 1u << msg->b.users_of.auth);
	if (msg->type == MSG_USERS_LOOK) {
		/* Behind a MSG_USERS_CHANGED: ended when its sweep is. */
		m->looked = true;
		manager_sweep(m, 0);
	}
	if (msg->type != MSG_JUDGED || !m->running)
		return;
	p = pending_of(m, j->engine, &j->sid);
	if (!p)
		return;			/* the session is gone */
	if (p->judge.req.sid.gen != j->sid.gen || p->judge.req.serial != j->serial || p->stale) {
		p->sent = false;	/* asked anew meanwhile, or the configuration is another */
		judge(m, p);
		return;
	}
	/* By a bind that is not here: auth has the next configuration already, and is asked again by that. */
	if (j->verdict == VERDICT_OK && !judged_by(&m->conf, j, p->judge.req.tunnel)) {
		p->sent = false;
		return;
	}
	answer(m, &p->judge, j);
	pending_free(m, p);
}

/* ---- engines ---- */

/* The pppx unit in a row's interface name. */
static bool unit_of(const char *ifname, uint32_t *ret)
{
	uint64_t n;

	if (strncmp(ifname, "pppx", 4) || !parse_uint(ifname + 4, 0, UNITS_MAX - 1, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool auth_of(const struct manager *m, const char *realm, unsigned *ret)
{
	for (unsigned i = 0; i < m->conf.n_auth; i++) {
		if (conf_has_auth(&m->conf, i) && !strcmp(m->conf.auth[i].name, realm)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* Can a session of interface i have this device?  One with a TUN of its own may have none yet. */
static bool ifname_fits(const struct manager *m, unsigned i, unsigned engine, const char *ifname)
{
	char shared[CONF_IFNAME_MAX];

	if (!is_shared(m, i))
		return !ifname[0] || !strncmp(ifname, "pppx", 4);
	shared_ifname(&m->conf.interface[i], engine, shared);
	return !strcmp(ifname, shared);
}

static bool text_ok(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

/*
 * Does another session of the same user have the address of s, its unit, or a network of its?
 * Then the older of the two was replaced by the other one and has not ended
 * yet: what both name is the newer one's, its device too.
 */
static void adopt_replaced(struct manager *m, struct msess *s, bool has_unit, uint32_t unit)
{
	LIST_EACH(user_bucket(m, s->auth, s->user), e) {
		struct msess *o = CONTAINER_OF(e, struct msess, by_user), *old = o->ppp_id < s->ppp_id ? o : s;

		if (o == s || o->auth != s->auth || strcmp(o->user, s->user) ||
		    !((o->ip && o->ip == s->ip) || (has_unit && o->has_unit && o->unit == unit) ||
		      routes_meet(o, s->route, s->n_routes)))
			continue;
		if (old->has_unit)
			unit_give(m, old->unit);
		old->has_unit = old->has_tun = false;
		lease_give(m, old);
		manager_kill(m, old, "replaced by a newer login");
		if (old == s)
			return;
		if (s->pool == CONF_IPCPS)
			lease_claim(m, s);
	}
}

/* A session that a predecessor let in. */
static void adopt(struct manager *m, unsigned engine, const struct sess_row *row)
{
	struct msess *s;
	const char *why;
	unsigned auth = 0;
	uint32_t unit = 0;
	bool known, has_unit = unit_of(row->ifname, &unit);

	/* The engine is not to be trusted with what tells sessions apart. */
	if (row->ppp_id > PPP_ID_MAX || manager_find(m, row->ppp_id) || !text_ok(row->user)) {
		log_warn("engine%u has a session that nobody let in, ignoring", engine);
		return;
	}
	s = sess_new(m, engine, &row->sid, row->ppp_id);
	if (!s)
		return;
	m->next_ppp_id = MAX(m->next_ppp_id, row->ppp_id + 1);
	s->mtu = row->mru;
	s->peer = row->peer;
	s->number_len = MIN(row->number_len, (uint8_t)sizeof(s->number));
	memcpy(s->number, row->number, sizeof(s->number));
	s->tunnel = row->tunnel;
	s->ip = row->ip;
	s->mask = conf_is_mask(row->mask) ? row->mask : 0;
	if (radius_routes_ok(row->route, row->n_routes)) {
		s->n_routes = row->n_routes;
		memcpy(s->route, row->route, sizeof(s->route));
	}
	str_copy(s->filter, sizeof(s->filter), row->filter);
	lease_claim(m, s);
	known = auth_of(m, row->realm, &auth);
	sess_own(m, s, auth, row->user);
	if (known)
		adopt_replaced(m, s, has_unit, unit);
	if (s->ending)
		return;
	if (!known || conf_session_fault(&m->conf, row->tunnel, auth, row->interface, row->ip) ||
	    manager_routes_fault(&m->conf, s->route, s->n_routes) || !ifname_fits(m, row->interface, engine, row->ifname) || s->pool == CONF_IPCPS || (s->mask && !s->has_net)) {
		manager_kill(m, s, "not in the configuration any more");
		return;
	}
	why = manager_filter_fault(&m->conf, s->filter);
	if (why) {
		manager_kill(m, s, why);
		return;
	}
	/* Its predecessor asked for it, and let nothing pass before; netd_sync() asks again. */
	s->filtered = s->filter[0];
	s->interface = row->interface;
	acct_adopt(m->acct, s, row);
	m->count.sessions_adopted++;
	if (is_shared(m, s->interface))
		return;			/* netd_sync() tells its route */
	if (has_unit && !(m->unit_used[unit / 8] & 1u << unit % 8)) {
		m->unit_used[unit / 8] |= (uint8_t)(1u << unit % 8);
		s->unit = unit;
		s->has_unit = s->has_tun = true;
	}
}

/* Tell netd which devices and routes are in use, and ask for those that are missing. */
static void netd_sync(struct manager *m)
{
	LIST_EACH(&m->sessions, e) {
		struct msess *s = CONTAINER_OF(e, struct msess, link);

		if (s->ip && s->filter[0] && !s->choosing && (!s->ending || s->has_tun))
			filter_tell(m, s, s->filter);
		else if (s->filter_awaited)
			filter_is(m, s, true);		/* in none: a new netd has nobody in any */
	}
	for (unsigned i = 0; i < m->conf.engines; i++)
		shared_ask_all(m, i);
	LIST_EACH(&m->sessions, e) {
		struct msess *s = CONTAINER_OF(e, struct msess, link);

		if (!s->ip || s->ending || s->choosing || !is_shared(m, s->interface))
			continue;
		if (s->filtered || !s->filter[0])
			route_tell(m, s, MSG_ROUTE_ADD);
		else
			s->has_route = false;	/* netd takes it away, and filter_done() asks for it */
	}
	LIST_EACH(&m->sessions, e) {
		struct msess *s = CONTAINER_OF(e, struct msess, link);
		struct msg_tun_del keep = { .unit = s->unit };

		if (s->has_tun)
			peer_send(&m->netd, MSG_TUN_KEEP, &keep, sizeof(keep), -1);
	}
	peer_send(&m->netd, MSG_TUN_SYNC, NULL, 0, -1);
	LIST_EACH(&m->sessions, e) {
		struct msess *s = CONTAINER_OF(e, struct msess, link);

		if (s->has_tun || s->ending || s->choosing || is_shared(m, s->interface) || (s->filter[0] && !s->filtered))
			continue;
		if (!s->has_unit)
			s->has_unit = unit_take(m, unit_first(&m->conf.interface[s->interface]), &s->unit);
		if (s->has_unit)
			tun_ask(m, s);
	}
}

static void engine_sync(struct manager *m, unsigned engine)
{
	struct engine_ref *e = &m->engine[engine];
	struct sess_row row;

	if (e->synced)
		return;
	if (!e->rows) {			/* two channels: the table is on its way */
		e->sync_due = true;
		return;
	}
	e->sync_due = false;
	e->synced = true;
	for (uint32_t i = 0; i < e->n_rows; i++)
		if (row_read(&e->rows[i], &row) && row.ip && row.sid.slot == i && !e->by_slot[i])
			adopt(m, engine, &row);
	if (m->running) {
		shared_ask_all(m, engine);
		return;
	}
	for (unsigned i = 0; i < m->conf.engines; i++)
		if (!m->engine[i].synced)
			return;
	m->running = true;
	if (m->count.sessions_adopted)
		log_notice("%llu sessions were adopted", (unsigned long long)m->count.sessions_adopted);
	netd_sync(m);
	acct_running(m->acct);
	judge_all(m);
	if (m->apply_due)
		manager_apply(m);
	m->apply_due = false;
	manager_sweep(m, ~0u);
}

/* An engine is gone: its sessions end here. What they moved is in its rows. */
static void engine_lost(struct manager *m, unsigned engine)
{
	struct engine_ref *e = &m->engine[engine];
	unsigned n = 0;

	e->synced = false;
	for (uint32_t i = 0; i < e->n_rows; i++) {
		struct msess *s = e->by_slot[i];
		const struct sess_row *row = &e->rows[i];
		struct acct_count count;

		if (e->asking[i])
			pending_free(m, e->asking[i]);

		if (!s)
			continue;
		/* The engine may have died while it wrote; counters are whole numbers all the same. */
		m->count.lost_in_bytes += row->in_bytes;
		m->count.lost_out_bytes += row->out_bytes;
		log_notice("session down user=\"%s\" ppp_id=%u in_bytes=%llu in_packets=%llu out_bytes=%llu "
			"out_packets=%llu reason=\"its engine ended\"", s->user, s->ppp_id,
			(unsigned long long)row->in_bytes, (unsigned long long)row->in_packets,
			(unsigned long long)row->out_bytes, (unsigned long long)row->out_packets);
		count = (struct acct_count){
			.time_s = row->start_mono_ms ? (uint32_t)((now_ms() - row->start_mono_ms) / 1000) : 0,
			.in_bytes = row->in_bytes, .in_packets = row->in_packets,
			.out_bytes = row->out_bytes, .out_packets = row->out_packets,
		};
		acct_down(m->acct, s, &count, "its engine ended");
		sess_free(m, s);
		n++;
	}
	/* A new engine has a new table. */
	if (e->rows)
		munmap((void *)(uintptr_t)e->rows, e->n_rows * sizeof(*e->rows));
	free(e->by_slot);
	free(e->asking);
	e->rows = NULL;
	e->by_slot = NULL;
	e->asking = NULL;
	e->n_rows = 0;
	e->sync_due = false;
	m->count.sessions_lost += n;
	if (n)
		log_warn("engine%u ended: %u sessions with it", engine, n);
}

static void engine_msg(struct peer *p, struct msg *msg, void *arg)
{
	struct manager *m = arg;
	unsigned engine = p->c.index;
	struct pending *pend;
	struct msess *s;

	switch (msg->type) {
	case MSG_SYNC:
		engine_sync(m, engine);
		break;
	case MSG_AUTH_REQ:
		auth_req(m, engine, &msg->b.auth_req);
		break;
	case MSG_SESSION_UP:
		s = sess_of(m, engine, &msg->b.session.sid);
		if (s)
			sess_up(m, s);
		break;
	case MSG_ADDR_WANT:
		addr_want(m, engine, &msg->b.addr);
		break;
	case MSG_SESSION_DOWN:
		s = sess_of(m, engine, &msg->b.session.sid);
		pend = pending_of(m, engine, &msg->b.session.sid);
		if (pend && pend->judge.req.sid.gen == msg->b.session.sid.gen)
			pending_free(m, pend);
		if (s) {
			m->count.sessions_ended++;
			acct_down(m->acct, s, &msg->b.session.count, msg->b.session.reason);
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

static void shared_done(struct manager *m, struct msg *msg)
{
	const struct msg_shared_done *d = &msg->b.shared_done;
	struct msg_shared tun = { .interface = d->interface, .engine = d->engine };
	struct engine_ref *e = &m->engine[d->engine];
	char ifname[CONF_IFNAME_MAX];
	bool lost;

	if (d->engine >= m->conf.engines || !is_shared(m, d->interface))
		return;
	shared_ifname(&m->conf.interface[d->interface], d->engine, ifname);
	lost = e->shared[d->interface] == SHARED_LOST;
	e->shared[d->interface] = d->err ? SHARED_FAILED : SHARED_READY;
	if (d->err) {
		log_err("no interface %s, its logins are refused: %s", ifname, strerror(-d->err));
		return;
	}
	if (msg->fd >= 0)
		peer_send(&e->peer, MSG_SHARED_TUN, &tun, sizeof(tun), msg->fd);
	if (!lost)
		return;
	LIST_EACH(&m->sessions, i) {
		struct msess *s = CONTAINER_OF(i, struct msess, link);

		if (s->has_route && s->engine == d->engine && s->interface == d->interface)
			route_tell(m, s, MSG_ROUTE_ADD);
	}
}

/* Only netd can see that, when the login was granted already: what is refused like a login ends like a session. */
static void routes_taken(struct manager *m, struct msess *s)
{
	log_notice("ppp_id=%u user=\"%s\" its Framed-Route is a network of this host", s->ppp_id, s->user);
	manager_kill(m, s, "its Framed-Route is a network of this host");
}

static void route_done(struct manager *m, const struct msg_route *r)
{
	struct msess *s = manager_find(m, r->tag);
	struct msg_session ready = { .reason = "" };
	char ip[ADDR_STRLEN];

	if (!s || !s->has_route || s->ip != r->ip)	/* it ended meanwhile */
		return;
	if (!r->err) {
		ready.sid = s->sid;
		peer_send(&m->engine[s->engine].peer, MSG_SESSION_ROUTE, &ready, sizeof(ready), -1);
		return;
	}
	if (r->err == -ENODEV && m->engine[s->engine].shared[s->interface] == SHARED_READY) {
		/* Somebody deleted the device: a new one, and then all of its routes. */
		m->engine[s->engine].shared[s->interface] = SHARED_LOST;
		shared_ask(m, s->engine, s->interface);
	}
	if (m->engine[s->engine].shared[s->interface] == SHARED_LOST)
		return;
	if (r->err == -EADDRINUSE && s->n_routes) {
		routes_taken(m, s);
		return;
	}
	log_err("ppp_id=%u user=\"%s\" no route to %s: %s", s->ppp_id, s->user, ip4_str(s->ip, ip), strerror(-r->err));
	manager_kill(m, s, "no route");
}

/* Now the rest may be made, where it was waited with. */
static void filter_done(struct manager *m, const struct msg_filter *f)
{
	struct msess *s = manager_find(m, f->tag);
	const struct radius_route net = { f->net, f->mask };
	const char *why;
	bool own;

	/* Of one that it had before, the answer to the newer one counts. */
	if (!s || s->ending || !s->ip || s->choosing || strcmp(f->filter, s->filter))
		return;
	own = (s->ip & f->mask) == f->net;
	if (!own && !routes_meet(s, &net, 1))
		return;
	if (f->err) {
		filter_is(m, s, false);
		log_err("ppp_id=%u user=\"%s\" cannot be put into filter %s: %s", s->ppp_id, s->user, f->filter, strerror(-f->err));
		manager_kill(m, s, f->err == -ENOENT ? "its filter was removed" : "no filter");
		return;
	}
	if (!own)
		return;
	s->filtered = s->filter[0];
	if (s->filter_awaited)
		filter_is(m, s, true);
	if (s->has_unit || s->has_route)
		return;
	why = device_ask(m, s);
	if (why)
		manager_kill(m, s, why);
}

static void netd_msg(struct peer *p, struct msg *msg, void *arg)
{
	struct manager *m = arg;
	struct msg_tun_done *d = &msg->b.tun_done;
	struct msg_session_tun tun;
	struct msess *s;
	uint32_t unit;

	if (msg->type == MSG_STATS && m->control)
		control_stats(m->control, "netd", &msg->b.stats);
	if (msg->type == MSG_SHARED_DONE)
		shared_done(m, msg);
	if (msg->type == MSG_ROUTE_DONE)
		route_done(m, &msg->b.route);
	if (msg->type == MSG_FILTER_DONE)
		filter_done(m, &msg->b.filter);
	if (msg->type != MSG_TUN_DONE)
		return;
	s = manager_find(m, d->tag);
	if (!s || !s->has_unit)		/* it ended meanwhile; its TUN_DEL is on the way */
		return;
	if (d->err == -EBUSY && unit_take(m, s->unit + 1, &unit)) {
		/* Somebody else's device has the name: the unit stays taken, the next one is tried. */
		log_warn("pppx%u belongs to somebody else, ignoring it", s->unit);
		s->unit = unit;
		tun_ask(m, s);
		return;
	}
	if (d->err == -EADDRINUSE && s->n_routes) {
		routes_taken(m, s);
		return;
	}
	if (d->err || msg->fd < 0) {
		log_err("ppp_id=%u user=\"%s\" no interface pppx%u: %s", s->ppp_id, s->user, s->unit,
			strerror(-d->err));
		manager_kill(m, s, "no interface");
		return;
	}
	s->has_tun = true;
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

static void radius_msg(struct peer *p, struct msg *msg, void *arg)
{
	struct manager *m = arg;

	if (msg->type == MSG_STATS && m->control)
		control_stats(m->control, "radius", &msg->b.stats);
	if (msg->type == MSG_ACCT_DONE)
		acct_done(m->acct, &msg->b.acct_done);
	if (msg->type == MSG_DAE)
		manager_dae(m, &msg->b.dae);
}

/* ---- start ---- */
static void take_peer(struct manager *m, struct msg *msg)
{
	unsigned role = msg->b.peer.role, index = msg->b.peer.index;

	switch (role) {
	case ROLE_ENGINE:
		if (index >= CONF_ENGINES_MAX)
			fatal("a channel to an engine that cannot be");
		if (peer_is_open(&m->engine[index].peer))
			peer_close(&m->engine[index].peer);
		/* The first channel comes before or after the first table; a later one before its own. */
		if (m->engine[index].met)
			engine_lost(m, index);
		m->engine[index].met = true;
		child_take_peer(&m->engine[index].peer, m->base, ROLE_MANAGER, role, msg, engine_msg, m);
		break;
	case ROLE_NETD:
		child_take_peer(&m->netd, m->base, ROLE_MANAGER, role, msg, netd_msg, m);
		if (m->running)
			netd_sync(m);
		break;
	case ROLE_RADIUS:
		acct_again(m->acct);
		manager_dae_again(m);
		child_take_peer(&m->radius, m->base, ROLE_MANAGER, role, msg, radius_msg, m);
		break;
	case ROLE_AUTH:
		child_take_peer(&m->auth, m->base, ROLE_MANAGER, role, msg, auth_msg, m);
		if (m->running)
			judge_all(m);
		manager_check_again(m);
		/* What its predecessor knew it had no time to tell. */
		memset(m->alarm, 0, sizeof(m->alarm));
		manager_sweep(m, ~0u);
		if (m->control)
			control_users_again(m->control);
		break;
	default:
		child_take_peer(&m->iked, m->base, ROLE_MANAGER, ROLE_IKED, msg, iked_msg, m);
	}
}

static void take_table(struct manager *m, const struct msg *msg)
{
	struct engine_ref *e = &m->engine[msg->b.table.engine % CONF_ENGINES_MAX];
	uint32_t n = msg->b.table.rows;

	if (e->rows)
		fatal("a second session table for engine%u", msg->b.table.engine);
	e->rows = mmap(NULL, n * sizeof(*e->rows), PROT_READ, MAP_SHARED, msg->fd, 0);
	e->by_slot = calloc(n, sizeof(*e->by_slot));
	e->asking = calloc(n, sizeof(*e->asking));
	if (e->rows == MAP_FAILED || !e->by_slot || !e->asking)
		fatal("cannot map the session table: %s", strerror(errno));
	e->n_rows = n;
	if (e->sync_due)
		engine_sync(m, msg->b.table.engine);
}

static void take_conf(struct manager *m, const struct conf *c)
{
	if (m->have_conf) {
		/* For MSG_APPLY. */
		if (!m->next && !(m->next = malloc(sizeof(*m->next))))
			fatal("out of memory");
		*m->next = *c;
		return;
	}
	m->have_conf = true;
	m->conf = *c;
	for (unsigned i = 0; i < CONF_IPCPS; i++)
		m->pool[i] = pool_of_conf(c, i);
}

static void acct_timer(evutil_socket_t fd, short what, void *arg)
{
	static const struct timeval soon = { .tv_usec = 50000 };
	struct manager *m = arg;

	acct_tick(m->acct);
	if (!m->stop_ms)
		return;
	if (now_ms() >= m->stop_ms || !acct_is_busy(m->acct)) {
		acct_sync(m->acct);
		peer_drain(&m->netd, 1000);
		_exit(0);
	}
	event_add(m->acct_timer, &soon);
}

static void parent_msg(struct peer *p, struct msg *msg, void *arg)
{
	struct manager *m = arg;

	switch (msg->type) {
	case MSG_CONF:
		if (!m->have_conf) {
			m->first_life = msg->b.conf.first_life;
			acct_boot(m->acct, msg->b.conf.boot);
		}
		take_conf(m, &msg->b.conf.conf);
		break;
	case MSG_SPOOL:
		acct_open(m->acct, msg->fd);
		msg->fd = -1;
		break;
	case MSG_APPLY:
		/* Not before the sessions are known that it is about. */
		if (m->running)
			manager_apply(m);
		else
			m->apply_due = true;
		break;
	case MSG_RELOAD_LINE:
		if (m->control)
			control_reload_line(m->control, &msg->b.line);
		break;
	case MSG_RELOAD_END:
		if (m->control)
			control_reload_end(m->control, &msg->b.ctl_end);
		break;
	case MSG_PEER:
		take_peer(m, msg);
		break;
	case MSG_TABLE:
		take_table(m, msg);
		break;
	case MSG_LISTEN:
		if (!m->control && control_start(m, msg->fd, &m->control) < 0)
			fatal("cannot serve the control socket");
		msg->fd = -1;
		break;
	case MSG_START:
		if (!m->have_conf || !m->control)
			fatal("started before everything was given");
		sandbox_enter(ROLE_MANAGER);
		peer_send(&m->parent, MSG_READY, NULL, 0, -1);
		break;
	case MSG_SHUTDOWN:
		/* Its sessions have ended; servers that are there are told. */
		acct_off(m->acct);
		m->stop_ms = now_ms() + OFF_MS;
		acct_timer(-1, 0, m);
		break;
	}
}

void manager_main(void)
{
	static struct manager m;

	child_confine(CHILD_USER);
	list_init(&m.sessions);
	list_init(&m.pending);
	list_init(&m.dae_waits);
	for (unsigned i = 0; i < MANAGER_BUCKETS; i++) {
		list_init(&m.by_id[i]);
		list_init(&m.by_user[i]);
	}
	random_bytes(&m.user_seed, sizeof(m.user_seed));
	m.unit_used = calloc(1, UNITS_MAX / 8);
	m.base = event_base_new();
	if (!m.base || !m.unit_used)
		fatal("out of memory");
	m.acct = acct_new(&m);
	m.acct_timer = evtimer_new(m.base, acct_timer, &m);
	if (!m.acct_timer)
		fatal("out of memory");
	child_start(&m.parent, m.base, ROLE_MANAGER, parent_msg, &m);
}
