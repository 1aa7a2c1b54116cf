/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netd: see netd.h.  Single-threaded; the kernel's network requests block it,
 * which is why they are not made in a process that has packets to move.
 *
 * Deleting a device costs 15-20 ms, one or many alike, and the last close of
 * a TUN's descriptor deletes it.  So netd keeps a duplicate of every
 * descriptor that it gives away, takes the address and routes off at once
 * (12 µs), and deletes the devices in groups a moment later.
 */
#include "l2tpd/netd.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/msg.h"
#include "base/util.h"
#include "l2tpd/filterset.h"
#include "l2tpd/fw.h"
#include "l2tpd/routes.h"
#include "l2tpd/tundev.h"
#include "l2tpd/uplink.h"
#include "l2tpd/xfrm.h"

enum {
	UNITS = 65536,			/* pppx0 … pppx65535: the rows of a session table */
	SPARE_FDS = 64,
	TUN_GROUP = 1701,		/* link group of live devices: how a new netd finds them */
	TUN_TXQLEN = 500,		/* packets or super-packets */
	SHARED_TXQLEN = 1000,		/* the engine empties it whenever it looks */
	TUN_MTU_MIN = 500, TUN_MTU_MAX = 1500,	/* what PPP may agree on */
	FRAMED_MTU_MIN = 68,			/* what a RADIUS server may say (RFC 791 3.2) */
	DELETE_AFTER_MS = 50,
	FIREWALL_MS = 12000,		/* for the helper; it needs some 30, but at boot it loads modules; less than the parent waits */
	MSGS_PER_WAKE = 64,		/* then the other channel gets its turn */
};

#define FORWARD_SYSCTL "/proc/sys/net/ipv4/ip_forward"

enum tun_state {
	TUN_NONE,
	TUN_LIVE,
	TUN_ADOPTED,			/* made by a netd before this one; no descriptor here */
	TUN_GOING,			/* without address, in the group that is deleted next */
};

struct tun {
	int fd;				/* -1, or our duplicate */
	unsigned index;
	uint32_t ip_local, ip_peer;
	uint32_t mask;			/* of the network behind ip_peer; all ones = it alone */
	enum tun_state state;
	bool kept;			/* a new manager named it */
};

/* Shared devices, [interface][engine] in one row. */
enum { SHARED_MAX = CONF_INTERFACES * CONF_ENGINES_MAX };

static unsigned shared_no(uint32_t interface, uint32_t engine)
{
	return interface * CONF_ENGINES_MAX + engine;
}

enum netd_counter {
	CNT_TUNS, CNT_SHARED, CNT_ROUTES, CNT_FILTERED,	/* now */
	CNT_TUN_ADDED, CNT_TUN_FAILED, CNT_TUN_REFUSED, CNT_TUN_DELETED, CNT_DELETE_GROUPS,
	CNT_ROUTE_ADDED, CNT_ROUTE_FAILED, CNT_MARK_SOCKETS, CNT_MARK_FAILED, CNT_XFRM_REMOVED,
	CNT_FILTER_SET, CNT_FILTER_FAILED, CNT_BAD_MSG, CNT_SEND_FAILED,
	CNT_N,
};

static const char *const counter_names[CNT_N] = {
	[CNT_TUNS] = "tuns", [CNT_SHARED] = "shared_tuns", [CNT_ROUTES] = "routes",
	[CNT_ROUTE_ADDED] = "route_added", [CNT_ROUTE_FAILED] = "route_failed", [CNT_TUN_ADDED] = "tun_added", [CNT_TUN_FAILED] = "tun_failed",
	[CNT_TUN_REFUSED] = "tun_refused", [CNT_TUN_DELETED] = "tun_deleted",
	[CNT_MARK_SOCKETS] = "mark_sockets", [CNT_MARK_FAILED] = "mark_failed", [CNT_XFRM_REMOVED] = "xfrm_removed",
	[CNT_FILTERED] = "filtered", [CNT_FILTER_SET] = "filter_set", [CNT_FILTER_FAILED] = "filter_failed",
	[CNT_DELETE_GROUPS] = "tun_delete_groups", [CNT_BAD_MSG] = "bad_msg",
	[CNT_SEND_FAILED] = "send_failed",
};

struct netd;

/* A channel and its events. */
struct link {
	struct netd *netd;
	struct chan chan;
	struct event *rd, *wr;
};

struct netd {
	struct event_base *base;
	struct event *term, *delete;
	struct link parent, manager, engine[CONF_ENGINES_MAX];
	struct rtnl rtnl;
	struct xfrm xfrm;		/* open with ESP in the kernel only */
	bool guard[2];			/* for IPv4, IPv6 */
	struct conf conf;		/* in force */
	struct conf next;		/* of the last MSG_CONF, until MSG_START or MSG_APPLY */
	struct conf last;		/* at a reload: what the manager may still go by */
	bool have_last;
	bool have_next, started, stopping, failed;
	bool first_life;		/* no netd of this server was before it */
	bool forward_was, forward_set;	/* ip_forward before the server started; to be restored to 0 */
	bool table_set;			/* there may be a table of ours */
	bool table_due;			/* it is to go when nobody is in a filter any more */
	uint32_t going_group;
	unsigned n_going;
	unsigned unit_end;		/* above every unit in use */
	uint64_t count[CNT_N];
	struct log_rate log_rate;
	struct tun tun[UNITS];
	struct tun shared[SHARED_MAX];
	struct routes routes;
	struct filterset filterset;
	struct routes filtered;		/* who is in a filter; dev: its index in conf.firewall, CONF_FILTERS: it is gone */
};

/* ---- channels ---- */
static void link_close(struct link *l)
{
	if (l->rd)
		event_free(l->rd);
	if (l->wr)
		event_free(l->wr);
	l->rd = l->wr = NULL;
	chan_close(&l->chan);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct link *l = arg;

	/* A dead peer shows on the read side too. */
	if (chan_flush(&l->chan) == 0 && chan_waiting(&l->chan))
		event_add(l->wr, NULL);
}

static void link_send(struct link *l, enum msg_type type, const void *body, size_t len, int fd)
{
	if (chan_send(&l->chan, type, body, len, fd) < 0)
		l->netd->count[CNT_SEND_FAILED]++;
	else if (chan_waiting(&l->chan))
		event_add(l->wr, NULL);
}

/* Takes over fd in every case. */
static void link_open(struct netd *n, struct link *l, int fd, enum role peer,
		      event_callback_fn on_readable)
{
	l->netd = n;
	chan_init(&l->chan, fd, ROLE_NETD, peer, 0);
	l->rd = event_new(n->base, fd, EV_READ | EV_PERSIST, on_readable, l);
	l->wr = event_new(n->base, fd, EV_WRITE, on_writable, l);
	if (!l->rd || !l->wr || event_add(l->rd, NULL) < 0)
		link_close(l);
}

/* ---- TUN devices ---- */
static void tun_gone(struct netd *n, struct tun *t)
{
	if (t->fd >= 0)
		close(t->fd);
	*t = (struct tun){ .fd = -1 };
	n->count[CNT_TUN_DELETED]++;
	while (n->unit_end && n->tun[n->unit_end - 1].state == TUN_NONE)
		n->unit_end--;
}

static bool delete_failed(int err)
{
	return err && err != -ENODEV;	/* somebody else was faster */
}

/* Delete every device that is going; afterwards their units are free. */
static void delete_going(struct netd *n)
{
	unsigned end = n->unit_end;
	int err;

	event_del(n->delete);
	if (!n->n_going)
		return;
	err = tundev_delete_group(&n->rtnl, n->going_group);
	n->count[CNT_DELETE_GROUPS]++;
	for (unsigned u = 0; u < end; u++) {
		struct tun *t = &n->tun[u];
		int e = 0;

		if (t->state != TUN_GOING)
			continue;
		if (err)	/* one by one: slow, but a single odd device does not keep the others */
			e = tundev_delete(&n->rtnl, t->index);
		if (delete_failed(e))
			log_err("tun=pppx%u: deleting it failed: %s", u, strerror(-e));
		tun_gone(n, t);
	}
	n->n_going = 0;
}

static void on_delete(evutil_socket_t fd, short what, void *arg)
{
	delete_going(arg);
}

/* Out of service now, deleted with the next group. */
static void tun_retire(struct netd *n, unsigned unit)
{
	static const struct timeval wait = { .tv_usec = DELETE_AFTER_MS * 1000 };
	struct tun *t = &n->tun[unit];
	int err;

	n->count[CNT_TUNS]--;
	err = tundev_retire(&n->rtnl, t->index, t->ip_local, t->ip_peer, n->going_group);
	if (err) {
		/* It is not in the group (or not there at all): the sure way. */
		err = tundev_delete(&n->rtnl, t->index);
		if (delete_failed(err))
			log_err("tun=pppx%u: deleting it failed: %s", unit, strerror(-err));
		tun_gone(n, t);
		return;
	}
	t->state = TUN_GOING;
	if (!n->n_going++)
		event_add(n->delete, &wait);
}

static bool in_service(const struct tun *t)
{
	return t->state == TUN_LIVE || t->state == TUN_ADOPTED;
}

/* Does the interface give this address to sessions? */
static bool in_pools(const struct conf *c, const struct conf_interface *f, uint32_t ip)
{
	return conf_may_have(c, (unsigned)(f - c->interface), ip, conf_has_radius(c));
}

/* Is the network behind an address one that a session can have? 0: there is none. */
static bool net_ok(const struct conf *c, uint32_t ip, uint32_t mask)
{
	return !mask || conf_net_fits(c, conf_ipcp_with(c, ip), ip, mask);
}

static bool mtu_ok(const struct netd *n, uint16_t mtu)
{
	bool radius = conf_has_radius(&n->conf) || (n->have_last && conf_has_radius(&n->last));

	return mtu >= (radius ? FRAMED_MTU_MIN : TUN_MTU_MIN) && mtu <= TUN_MTU_MAX;
}

/* Can sessions have these networks beside? */
static bool nets_ok(const struct conf *c, const struct radius_route *r, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!conf_has_radius(c) || conf_route_fault(c, r[i].net, r[i].mask))
			return false;
	return true;
}

struct nets_search {
	const struct netd *n;
	const struct radius_route *route;
	unsigned n_routes;
	bool found;
};

static bool is_ours(const struct netd *n, unsigned index)
{
	for (unsigned i = 0; i < SHARED_MAX; i++)
		if (n->shared[i].state != TUN_NONE && n->shared[i].index == index)
			return true;
	for (unsigned u = 0; u < n->unit_end; u++)
		if (n->tun[u].state != TUN_NONE && n->tun[u].index == index)
			return true;
	return false;
}

/* A network that an interface of the host is in, and that would be a client's. */
static void nets_meet(void *ctx, const struct tundev_route *r)
{
	struct nets_search *s = ctx;
	char a[ADDR_STRLEN], b[ADDR_STRLEN];

	for (unsigned i = 0; i < s->n_routes && r->direct && !s->found; i++) {
		if ((s->route[i].net ^ r->ip) & s->route[i].mask & r->mask || is_ours(s->n, r->index))
			continue;
		s->found = true;
		log_warn("a client's network %s/%d overlaps %s/%d, where this host is", ip4_str(s->route[i].net, a),
			__builtin_popcount(s->route[i].mask), ip4_str(r->ip, b), __builtin_popcount(r->mask));
	}
}

/* 0: none of the networks is one that this host is in; or -errno. */
static int nets_free(struct netd *n, const struct radius_route *route, unsigned n_routes)
{
	struct nets_search s = { .n = n, .route = route, .n_routes = n_routes };
	int err = n_routes ? tundev_routes(&n->rtnl, nets_meet, &s) : 0;

	return s.found ? -EADDRINUSE : err;
}

/* Only addresses that the configuration gives to session interfaces. */
static bool addresses_ok(const struct conf *c, const struct msg_tun_add *m)
{
	for (unsigned i = 0; i < c->n_interface; i++) {
		const struct conf_interface *f = &c->interface[i];

		if (conf_has_interface(c, i) && f->per_session && f->address == m->ip_local && in_pools(c, f, m->ip_peer) &&
		    net_ok(c, m->ip_peer, m->mask) && nets_ok(c, m->route, m->n_routes))
			return true;
	}
	return false;
}

static bool text_ok(const char *s)
{
	for (; *s; s++)
		if (*s < 0x20 || *s > 0x7e)
			return false;
	return true;
}

/* What the message table cannot know. 0 or -errno for MSG_TUN_DONE. */
static int tun_add_check(struct netd *n, const struct msg_tun_add *m)
{
	uint32_t mask = m->mask ? m->mask : UINT32_MAX;

	if (m->unit >= UNITS || !mtu_ok(n, m->mtu) || !text_ok(m->alias) ||
	    (!addresses_ok(&n->conf, m) && !(n->have_last && addresses_ok(&n->last, m))))
		return -EINVAL;
	if (n->tun[m->unit].state == TUN_LIVE)
		return -EBUSY;
	for (unsigned u = 0; u < n->unit_end; u++)
		if (n->tun[u].state == TUN_LIVE && !((n->tun[u].ip_peer ^ m->ip_peer) & n->tun[u].mask & mask))
			return -EADDRINUSE;
	if (routes_find(&n->routes, m->ip_peer))
		return -EADDRINUSE;
	return nets_free(n, m->route, m->n_routes);
}

/* On success the TUN's descriptor, which stays ours, else -errno. */
static int tun_add(struct netd *n, const struct msg_tun_add *m, const char *ifname)
{
	struct tun *t = &n->tun[m->unit];
	struct tundev_setup s = {
		.ip_local = m->ip_local, .ip_peer = m->ip_peer, .mask = m->mask, .mtu = m->mtu,
		.txqlen = TUN_TXQLEN, .group = TUN_GROUP, .alias = m->alias, .n_nets = m->n_routes,
	};
	unsigned index;
	int err, fd;

	_Static_assert(N_ELEMENTS(s.net) == N_ELEMENTS(m->route), "room for every network");
	for (unsigned i = 0; i < m->n_routes; i++)
		s.net[i] = (struct tundev_net){ m->route[i].net, m->route[i].mask };
	if (t->state == TUN_ADOPTED)	/* its session ended while no netd ran */
		tun_retire(n, m->unit);
	if (t->state == TUN_GOING)
		delete_going(n);
	err = tundev_create(ifname, &fd, &index);
	if (err)
		return err;
	err = tundev_setup(&n->rtnl, index, ifname, &s);
	if (err) {
		close(fd);
		return err == -EEXIST && m->n_routes ? -EADDRINUSE : err;
	}
	*t = (struct tun){
		.fd = fd, .index = index, .ip_local = m->ip_local, .ip_peer = m->ip_peer,
		.mask = m->mask ? m->mask : UINT32_MAX, .state = TUN_LIVE,
	};
	n->unit_end = MAX(n->unit_end, m->unit + 1);
	return fd;
}

static void on_tun_add(struct netd *n, struct link *l, const struct msg_tun_add *m)
{
	struct msg_tun_done done = { .tag = m->tag };
	int fd = tun_add_check(n, m);

	snprintf(done.ifname, sizeof(done.ifname), "pppx%u", m->unit);
	if (fd < 0) {
		n->count[CNT_TUN_REFUSED]++;
	} else {
		fd = tun_add(n, m, done.ifname);
		n->count[fd < 0 ? CNT_TUN_FAILED : CNT_TUN_ADDED]++;
		n->count[CNT_TUNS] += fd >= 0;
	}
	if (fd < 0) {
		done.err = fd;
		if (log_rate_ok(&n->log_rate, now_ms()))
			log_warn("tun=%s: no device: %s", done.ifname, strerror(-fd));
	}
	link_send(l, MSG_TUN_DONE, &done, sizeof(done), fd < 0 ? -1 : fd);
}

static void on_tun_del(struct netd *n, const struct msg_tun_del *m)
{
	if (m->unit < UNITS && in_service(&n->tun[m->unit]))
		tun_retire(n, m->unit);
	else
		n->count[CNT_TUN_REFUSED]++;
}

/* ---- shared devices and their routes ---- */

/* The interface tunN that a request names, or NULL. */
static const struct conf_interface *shared_conf(const struct conf *c, uint32_t interface, uint32_t engine)
{
	return conf_has_interface(c, interface) && engine < c->engines && !c->interface[interface].per_session
		       ? &c->interface[interface]
		       : NULL;
}

struct route_sweep {
	struct netd *n;
	unsigned dev;
};

/* The kernel's are gone with the device. */
static void route_forget(void *ctx, struct route *r)
{
	const struct route_sweep *s = ctx;

	if (r->dev == s->dev)
		routes_del(&s->n->routes, r);
}

static void shared_forget(struct netd *n, unsigned no)
{
	struct route_sweep s = { .n = n, .dev = no };
	struct tun *t = &n->shared[no];

	if (t->fd >= 0)
		close(t->fd);
	*t = (struct tun){ .fd = -1 };
	n->count[CNT_SHARED]--;
	routes_each(&n->routes, route_forget, &s);
}

/* There are few of them: at once, and slowly. */
static void shared_retire(struct netd *n, unsigned no)
{
	int err = tundev_delete(&n->rtnl, n->shared[no].index);

	if (delete_failed(err))
		log_err("a shared device could not be deleted: %s", strerror(-err));
	shared_forget(n, no);
}

/* What no session's packets are longer than; those of older sessions may be. */
static uint16_t shared_mtu(const struct conf *c)
{
	uint16_t mtu = TUN_MTU_MIN;

	for (unsigned i = 0; i < c->n_tunnel; i++)
		mtu = MAX(mtu, c->tunnel[i].mru);	/* of holes, too */
	return mtu;
}

/* 0, with n->shared[no] in service, or -errno. */
static int shared_add(struct netd *n, const struct conf_interface *f, unsigned no, const char *ifname)
{
	struct tun *t = &n->shared[no];
	struct tundev_setup s = {
		.ip_local = f->address, .ip_peer = f->address, .txqlen = SHARED_TXQLEN,
		.group = TUN_GROUP, .alias = "culvert",
	};
	unsigned index;
	int err, fd;

	if (t->state == TUN_LIVE)
		return 0;
	s.mtu = shared_mtu(&n->conf);
	err = tundev_create(ifname, &fd, &index);
	/* Of a netd before this one, and the engine still has it. */
	if (err == -EBUSY && t->state == TUN_ADOPTED)
		return 0;
	if (t->state == TUN_ADOPTED)		/* it ended with its engine */
		shared_forget(n, no);
	if (err)
		return err;
	err = tundev_setup(&n->rtnl, index, ifname, &s);
	if (err) {
		close(fd);
		return err;
	}
	*t = (struct tun){ .fd = fd, .index = index, .ip_local = f->address, .state = TUN_LIVE };
	n->count[CNT_SHARED]++;
	return 0;
}

static void on_shared_add(struct netd *n, struct link *l, const struct msg_shared *m)
{
	const struct conf_interface *f = shared_conf(&n->conf, m->interface, m->engine);
	struct msg_shared_done done = { .interface = m->interface, .engine = m->engine, .err = -EINVAL };
	struct tun *t = &n->shared[shared_no(m->interface, m->engine)];
	char ifname[CONF_IFNAME_MAX];

	if (f) {
		shared_ifname(f, m->engine, ifname);
		done.err = shared_add(n, f, shared_no(m->interface, m->engine), ifname);
		t->kept = !done.err;
		if (done.err && log_rate_ok(&n->log_rate, now_ms()))
			log_warn("tun=%s: no device: %s", ifname, strerror(-done.err));
	}
	link_send(l, MSG_SHARED_DONE, &done, sizeof(done), done.err ? -1 : t->fd);
}

/* Only addresses that the configuration gives to that interface. */
static bool route_ok(const struct conf *c, const struct msg_route *m)
{
	const struct conf_interface *f = shared_conf(c, m->interface, m->engine);

	return f && in_pools(c, f, m->ip) && net_ok(c, m->ip, m->mask) && nets_ok(c, m->route, m->n_routes);
}

static void route_retire(struct netd *n, struct route *r)
{
	int err = tundev_route_del(&n->rtnl, n->shared[r->dev].index, r->ip, r->mask);
	char ip[ADDR_STRLEN];

	if (err && err != -ESRCH && err != -ENODEV && log_rate_ok(&n->log_rate, now_ms()))
		log_err("the route of %s could not be deleted: %s", ip4_str(r->ip, ip), strerror(-err));
	routes_del(&n->routes, r);
}

/* A network's way is shared device no, from now on if it was not. 0 or -errno. */
static int route_put(struct netd *n, unsigned no, uint32_t ip, uint32_t mask, uint16_t mtu)
{
	struct route *r;
	int err;

	r = routes_find(&n->routes, ip);
	if (r && r->mask != mask) {
		route_retire(n, r);
		r = NULL;
	}
	if (!r || r->dev != no || r->mtu != mtu) {
		/* A host route that we do not know is somebody else's. */
		err = tundev_route_add(&n->rtnl, n->shared[no].index, ip, mask, mtu, r != NULL);
		if (err == -ENODEV)		/* somebody deleted it */
			shared_forget(n, no);
		if (err)
			return err;
		if (!r && !(r = routes_add(&n->routes, ip, no))) {
			(void)!tundev_route_del(&n->rtnl, n->shared[no].index, ip, mask);
			return -ENOMEM;
		}
		r->dev = no;
		r->mask = mask;
		r->mtu = mtu;
		n->count[CNT_ROUTE_ADDED]++;
	}
	r->kept = true;
	return 0;
}

/* Not one that another engine's session has by now. */
static void route_drop(struct netd *n, unsigned no, uint32_t ip, uint32_t mask)
{
	struct route *r = routes_find(&n->routes, ip);

	if (r && r->mask == mask && r->dev == no)
		route_retire(n, r);
}

static void route_del(struct netd *n, const struct msg_route *m)
{
	const uint32_t mask = m->mask ? m->mask : UINT32_MAX;
	unsigned no = shared_no(m->interface, m->engine);

	route_drop(n, no, m->ip & mask, mask);
	for (unsigned i = 0; i < m->n_routes; i++)
		route_drop(n, no, m->route[i].net, m->route[i].mask);
}

/* 0 or -errno. */
static int route_add(struct netd *n, const struct msg_route *m)
{
	const uint32_t mask = m->mask ? m->mask : UINT32_MAX;
	unsigned no = shared_no(m->interface, m->engine);
	int err;

	if ((!route_ok(&n->conf, m) && !(n->have_last && route_ok(&n->last, m))) || !mtu_ok(n, m->mtu))
		return -EINVAL;
	if (!in_service(&n->shared[no]))
		return -ENODEV;
	err = nets_free(n, m->route, m->n_routes);
	if (!err)
		err = route_put(n, no, m->ip & mask, mask, m->mtu);
	if (err)
		return err;
	for (unsigned i = 0; i < m->n_routes && !err; i++)
		err = route_put(n, no, m->route[i].net, m->route[i].mask, m->mtu);
	if (err)
		route_del(n, m);	/* all of them, or none */
	return err == -EEXIST ? -EADDRINUSE : err;
}

static void on_route_add(struct netd *n, struct link *l, const struct msg_route *m)
{
	struct msg_route done = *m;

	done.err = route_add(n, m);
	n->count[CNT_ROUTE_FAILED] += done.err != 0;
	link_send(l, MSG_ROUTE_DONE, &done, sizeof(done), -1);
}

static void route_sync(void *ctx, struct route *r)
{
	if (!r->kept)
		route_retire(ctx, r);
	else
		r->kept = false;
}

/* ---- filters ---- */

/* As filterset.h names it. */
static const char *filter_name(const struct netd *n, unsigned no)
{
	return no < CONF_FILTERS ? n->conf.firewall.filter[no].name : filterset_nothing;
}

static void table_drop(struct netd *n);

/* Out of its filter. */
static void member_retire(struct netd *n, struct route *r)
{
	int err = filterset_move(&n->filterset, r->ip, r->mask, filter_name(n, r->dev), NULL);
	char ip[ADDR_STRLEN];

	if (err && err != -ENOENT && log_rate_ok(&n->log_rate, now_ms()))
		log_err("%s could not be taken out of its filter: %s", ip4_str(r->ip, ip), strerror(-err));
	routes_del(&n->filtered, r);
	if (n->table_due && !n->filtered.n)
		table_drop(n);
}

/* 0 or -errno. */
static int filter_set(struct netd *n, const struct msg_filter *m)
{
	struct route *r = routes_find(&n->filtered, m->net);
	unsigned no = conf_filter_find(&n->conf, m->filter);
	bool had;
	int err;

	if (!m->filter[0]) {
		if (r && r->mask == m->mask)
			member_retire(n, r);
		return 0;
	}
	/* Whoever was in one that is gone stays where nothing passes. */
	if (r)
		r->kept = true;
	if (no == CONF_FILTERS || n->conf.firewall.off)
		return -ENOENT;
	if (r && r->mask != m->mask) {
		member_retire(n, r);
		r = NULL;
	}
	if (r && r->dev == no)
		return 0;
	had = r != NULL;
	if (!r && !(r = routes_add(&n->filtered, m->net, no)))
		return -ENOMEM;
	err = filterset_move(&n->filterset, m->net, m->mask, had ? filter_name(n, r->dev) : NULL, m->filter);
	if (err) {
		if (!had)
			routes_del(&n->filtered, r);
		return err;
	}
	r->dev = no;
	r->mask = m->mask;
	r->kept = true;
	n->count[CNT_FILTER_SET]++;
	return 0;
}

static void on_filter_set(struct netd *n, struct link *l, const struct msg_filter *m)
{
	struct msg_filter done = *m;

	done.err = filter_set(n, m);
	n->count[CNT_FILTER_FAILED] += done.err != 0;
	link_send(l, MSG_FILTER_DONE, &done, sizeof(done), -1);
}

static void member_sync(void *ctx, struct route *r)
{
	if (r->kept)
		r->kept = false;
	else
		member_retire(ctx, r);
}

/* A netd before this one put it there. */
static void adopt_member(void *ctx, uint32_t ip, uint32_t mask, const char *name)
{
	struct netd *n = ctx;
	struct route *r = routes_find(&n->filtered, ip) ? NULL : routes_add(&n->filtered, ip, conf_filter_find(&n->conf, name));

	if (r)
		r->mask = mask;
}

static void route_unkeep(void *ctx, struct route *r)
{
	r->kept = false;
}

static void shared_sync(struct netd *n)
{
	routes_each(&n->routes, route_sync, n);
	for (unsigned i = 0; i < SHARED_MAX; i++) {
		if (in_service(&n->shared[i]) && !n->shared[i].kept)
			shared_retire(n, i);
		n->shared[i].kept = false;
	}
}

/* A new manager says which units its sessions have … */
static void on_tun_keep(struct netd *n, const struct msg_tun_del *m)
{
	if (m->unit < UNITS && in_service(&n->tun[m->unit]))
		n->tun[m->unit].kept = true;
}

/* … and the rest belonged to sessions that ended while nobody listened. */
static void on_tun_sync(struct netd *n)
{
	for (unsigned u = 0; u < n->unit_end; u++) {
		struct tun *t = &n->tun[u];

		if (in_service(t) && !t->kept)
			tun_retire(n, u);
		t->kept = false;
	}
	shared_sync(n);
	/* Now that nothing of theirs can pass any more. */
	routes_each(&n->filtered, member_sync, n);
}

/* The shared device of that name, or SHARED_MAX. */
static unsigned shared_named(const struct netd *n, const char *name)
{
	char own[CONF_IFNAME_MAX];

	for (unsigned i = 0; i < n->conf.n_interface; i++) {
		for (unsigned e = 0; e < n->conf.engines && shared_conf(&n->conf, i, e); e++) {
			shared_ifname(&n->conf.interface[i], e, own);
			if (!strcmp(own, name))
				return shared_no(i, e);
		}
	}
	return SHARED_MAX;
}

/* Could it be of a session, by what a users file or a server may say? */
static bool is_session_net(const struct netd *n, const struct tundev_route *k)
{
	const struct radius_route behind = { k->ip, k->mask };

	/* Its first address is in no pool, often: which one it is of is not to be seen by that. */
	for (unsigned i = 0; i < CONF_IPCPS; i++)
		if (conf_net_fits(&n->conf, i, k->ip, k->mask))
			return true;
	return k->is_static && k->direct && nets_ok(&n->conf, &behind, 1);
}

/* Of networks those that a session can have: another one was made by somebody else. */
static void adopt_route(void *ctx, const struct tundev_route *k)
{
	struct netd *n = ctx;
	struct route *r;

	for (unsigned i = 0; i < SHARED_MAX; i++) {
		if (n->shared[i].state != TUN_ADOPTED || n->shared[i].index != k->index || routes_find(&n->routes, k->ip) ||
		    (k->mask != UINT32_MAX && !is_session_net(n, k)))
			continue;
		r = routes_add(&n->routes, k->ip, i);
		if (r)
			r->mask = k->mask;
	}
}

static void adopt_one(void *ctx, unsigned index, const char *name)
{
	struct netd *n = ctx;
	unsigned no = shared_named(n, name);
	char same[CONF_IFNAME_MAX];
	uint64_t unit;

	if (no < SHARED_MAX && n->shared[no].state == TUN_ADOPTED) {
		n->shared[no].index = index;
		return;
	}
	if (no < SHARED_MAX) {
		n->shared[no] = (struct tun){
			.fd = -1, .index = index, .state = TUN_ADOPTED,
			.ip_local = n->conf.interface[no / CONF_ENGINES_MAX].address,
		};
		n->count[CNT_SHARED]++;
		return;
	}
	if (strncmp(name, "pppx", 4) || !parse_uint(name + 4, 0, UNITS - 1, &unit))
		return;
	snprintf(same, sizeof(same), "pppx%u", (unsigned)unit);
	if (strcmp(name, same))
		return;
	if (n->tun[unit].state == TUN_ADOPTED) {
		n->tun[unit].index = index;
		return;
	}
	n->tun[unit] = (struct tun){ .fd = -1, .index = index, .state = TUN_ADOPTED };
	n->unit_end = MAX(n->unit_end, (unsigned)unit + 1);
	n->count[CNT_TUNS]++;
}

/* A netd that died left its devices to the engines that hold their descriptors. */
static int adopt(struct netd *n)
{
	int err = tundev_list(&n->rtnl, TUN_GROUP, adopt_one, n);

	if (!err && n->count[CNT_SHARED])
		err = tundev_routes(&n->rtnl, adopt_route, n);
	if (!err && (n->count[CNT_TUNS] || n->count[CNT_SHARED]))
		log_notice("took over tuns=%u shared_tuns=%u routes=%u", (unsigned)n->count[CNT_TUNS],
			   (unsigned)n->count[CNT_SHARED], n->routes.n);
	return err;
}

/* ---- forwarding ---- */
static int sysctl_read(const char *path, char ret[static 32])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, ret, 31);
	if (n < 0)
		err = -errno;
	close(fd);
	if (err)
		return err;
	ret[n] = '\0';
	return 0;
}

static int sysctl_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int forward_on(struct netd *n)
{
	char was[32];
	int err = sysctl_read(FORWARD_SYSCTL, was);

	/* Already on: leave it alone, and a read-only /proc/sys is no obstacle. */
	if (!err && was[0] == '0')
		err = sysctl_write(FORWARD_SYSCTL, "1");
	/* A netd before this one may have set it: the parent knows how it was at first. */
	n->forward_set = !err && !n->forward_was;
	return err;
}

static void forward_restore(struct netd *n)
{
	int err;

	if (!n->forward_set)
		return;
	err = sysctl_write(FORWARD_SYSCTL, "0");
	if (err)
		log_err("%s could not be set back to 0: %s", FORWARD_SYSCTL, strerror(-err));
	n->forward_set = false;
}

/* ---- firewall ---- */

/* No table is wanted; one may be left of a run that was killed.  Without nftables there is none. */
static void table_drop(struct netd *n)
{
	(void)!fw_remove(FIREWALL_MS, LOG_DEBUG);
	n->table_set = n->table_due = false;
}

/* Those who are in filters, by the filters that a configuration has. */
struct members {
	const struct netd *n;
	const struct conf *c;
	struct fwreq_member *v;
	uint32_t count;
};

static unsigned filter_in(const struct netd *n, const struct conf *c, const struct route *r)
{
	return r->dev < CONF_FILTERS ? conf_filter_find(c, n->conf.firewall.filter[r->dev].name) : CONF_FILTERS;
}

static void member_put(void *ctx, struct route *r)
{
	struct members *m = ctx;

	m->v[m->count++] = (struct fwreq_member){ r->ip, r->mask, filter_in(m->n, m->c, r) };
}

static void member_renumber(void *ctx, struct route *r)
{
	const struct members *m = ctx;

	r->dev = filter_in(m->n, m->c, r);
}

/*
 * The rules of c in place of those of n->conf.  Who is in a filter is in it in the same
 * transaction; where c has no such filter any more, nothing passes until the manager has ended him.
 */
static int firewall_on(struct netd *n, const struct conf *c)
{
	struct members m = { .n = n, .c = c };
	uint16_t local[2], nat[2];
	struct fwreq r;
	int err;

	if (c->firewall.off) {
		/* Not while there are sessions that it keeps from something. */
		n->table_due = true;
		routes_each(&n->filtered, member_renumber, &m);
		if (!n->filtered.n)
			table_drop(n);
		return 0;
	}
	m.v = calloc(n->filtered.n + 1, sizeof(*m.v));
	if (!m.v)
		return -ENOMEM;
	routes_each(&n->filtered, member_put, &m);
	if (fw_local_ports(local) < 0) {
		local[0] = 32768;	/* the kernel's default */
		local[1] = 60999;
	}
	if (!fw_nat_ports(local[0], local[1], nat) && c->firewall.nat)
		log_warn("net.ipv4.ip_local_port_range %u-%u leaves no ports for NAT: clients' "
			 "connections share the host's own ports", local[0], local[1]);
	if (c->firewall.nat && !if_nametoindex(c->firewall.nat_on))
		log_warn("nat on %s: there is no such interface yet", c->firewall.nat_on);
	r = fw_request(c, nat);
	fw_drop_foreign(&r);
	r.n_member = m.count;
	err = fw_apply(&r, m.v, FIREWALL_MS, LOG_ERR);
	free(m.v);
	if (err)
		return err;
	n->table_set = true;
	n->table_due = false;
	routes_each(&n->filtered, member_renumber, &m);
	return 0;
}

static void firewall_off(struct netd *n)
{
	int err = n->table_set ? fw_remove(FIREWALL_MS, LOG_ERR) : 0;

	if (err)
		log_err("the table could not be removed: %s; do it by: "
			"nft delete table inet culvert", strerror(-err));
	n->table_set = false;
}

static void count_bad(struct netd *n, const struct link *l)
{
	n->count[CNT_BAD_MSG]++;
	if (log_rate_ok(&n->log_rate, now_ms()))
		log_warn("from=%s: a message that is not in the table, ignoring it",
			 role_name(l->chan.peer));
}

/* ---- reload ---- */

/* Shared devices with another address or MTU. */
static void shared_change(struct netd *n)
{
	for (unsigned no = 0; no < SHARED_MAX; no++) {
		const struct conf_interface *f = shared_conf(&n->conf, no / CONF_ENGINES_MAX, no % CONF_ENGINES_MAX);
		struct tun *t = &n->shared[no];
		int err;

		if (!f || !in_service(t))
			continue;
		err = tundev_change(&n->rtnl, t->index, t->ip_local, f->address, shared_mtu(&n->conf));
		if (err && err != -EADDRNOTAVAIL)
			log_err("interface %s cannot be changed: %s", f->name, strerror(-err));
		t->ip_local = f->address;
	}
}

/*
 * The rules are one transaction and the one thing that can fail: then all is
 * as before.  Devices that are no more in the configuration wait for
 * apply_done(): until then they may have sessions.
 */
static int apply_conf(struct netd *n)
{
	int err = firewall_on(n, &n->next);

	if (err)
		return err;
	n->last = n->conf;
	n->have_last = true;
	n->conf = n->next;
	n->have_next = false;
	shared_change(n);
	return 0;
}

static void apply_done(struct netd *n)
{
	n->have_last = false;
	for (unsigned no = 0; no < SHARED_MAX; no++)
		if (in_service(&n->shared[no]) && !shared_conf(&n->conf, no / CONF_ENGINES_MAX, no % CONF_ENGINES_MAX))
			shared_retire(n, no);
}

static void on_apply(struct netd *n, struct link *l, const struct msg_apply *m)
{
	struct msg_applied done = { .phase = m->phase };

	if (!n->started || (m->phase == APPLY_CONF && !n->have_next)) {
		count_bad(n, l);
		return;
	}
	if (m->phase == APPLY_CONF)
		done.err = apply_conf(n);
	else
		apply_done(n);
	if (done.err)
		snprintf(done.text, sizeof(done.text), "the firewall cannot be set up: %s", strerror(-done.err));
	link_send(l, MSG_APPLIED, &done, sizeof(done), -1);
}

/* ---- ESP in the kernel ---- */

static bool listens_on(const struct conf *c, uint8_t family)
{
	for (unsigned t = 0; t < c->n_tunnel; t++)
		for (unsigned i = 0; i < c->tunnel[t].n_listen; i++)
			if (c->tunnel[t].listen[i].family == family)
				return true;
	return false;
}

/* Before any engine can have a socket with a mark.  A netd before this one may have done it. 0 or -errno. */
static int xfrm_on(struct netd *n)
{
	int err = xfrm_open(&n->xfrm);

	for (unsigned i = 0; !err && i < N_ELEMENTS(n->guard); i++) {
		uint8_t family = i ? 6 : 4;

		n->guard[i] = listens_on(&n->conf, family);
		if (n->guard[i])
			err = xfrm_guard(&n->xfrm, family, true);
	}
	return err;
}

/* Nobody is left who could send: the guard last. */
static void xfrm_off(struct netd *n)
{
	unsigned gone;
	int err;

	if (!n->xfrm.nl)
		return;
	err = xfrm_remove(&n->xfrm, mark_make(0, 0), MARK_MASK_SIGN, &gone);
	for (unsigned i = 0; !err && i < N_ELEMENTS(n->guard); i++)
		if (n->guard[i])
			err = xfrm_guard(&n->xfrm, i ? 6 : 4, false);
	if (err)
		log_err("SAs or policies stay in the kernel: %s (ip xfrm state, ip xfrm policy)", strerror(-err));
	xfrm_close(&n->xfrm);
}

/* Is that where an engine has a socket?  At a reload sockets stay, so the newest configuration does not say. */
static bool mark_at_ok(const struct addr *at)
{
	return (at->family == 4 || at->family == 6) && at->port == 1701;
}

/* An engine gets the marks of its own clients, and no others. */
static void on_mark_sock(struct netd *n, struct link *l, const struct msg_mark *m)
{
	struct msg_mark done = { .mark = m->mark, .mask = m->mask };
	int fd = -1;

	done.err = mark_engine(m->mark) == l->chan.index && m->mask == UINT32_MAX && mark_at_ok(&m->at)
		? xfrm_mark_socket(&m->at, m->mark, &fd) : -EINVAL;
	n->count[done.err ? CNT_MARK_FAILED : CNT_MARK_SOCKETS]++;
	if (done.err && log_rate_ok(&n->log_rate, now_ms()))
		log_warn("engine%u mark=%08x: no socket: %s", l->chan.index, m->mark, strerror(-done.err));
	link_send(l, MSG_MARK_FD, &done, sizeof(done), fd);
	if (fd >= 0)
		close(fd);
}

static void on_mark_del(struct netd *n, struct link *l, const struct msg_mark *m)
{
	struct msg_mark done = { .mark = m->mark, .mask = m->mask };
	unsigned gone = 0;
	int err = mark_engine(m->mark) == l->chan.index ? xfrm_remove(&n->xfrm, m->mark, m->mask, &gone) : -EINVAL;

	n->count[CNT_XFRM_REMOVED] += gone;
	if (err && log_rate_ok(&n->log_rate, now_ms()))
		log_warn("engine%u mark=%08x: SAs stay in the kernel: %s", l->chan.index, m->mark, strerror(-err));
	link_send(l, MSG_MARK_GONE, &done, sizeof(done), -1);
}

static void on_engine(evutil_socket_t fd, short what, void *arg)
{
	static struct msg m;
	struct link *l = arg;
	struct netd *n = l->netd;

	for (unsigned i = 0; i < MSGS_PER_WAKE; i++) {
		int r = chan_recv(&l->chan, &m);

		if (r == 0)
			return;
		if (r == -EBADMSG) {
			count_bad(n, l);
			continue;
		}
		if (r < 0) {		/* its successor comes with MSG_PEER */
			link_close(l);
			return;
		}
		if (m.type == MSG_MARK_SOCK)
			on_mark_sock(n, l, &m.b.mark);
		else if (m.type == MSG_MARK_DEL)
			on_mark_del(n, l, &m.b.mark);
		else
			count_bad(n, l);
	}
}

/* ---- start and end ---- */
static bool start(struct netd *n)
{
	int err;

	n->conf = n->next;
	n->have_next = false;
	/* The rules first: there is never forwarding without them. */
	err = filterset_list(&n->filterset, adopt_member, n);
	if (err) {
		log_err("who is in which filter cannot be read: %s", strerror(-err));
		return false;
	}
	err = firewall_on(n, &n->conf);
	if (err) {
		log_err("the firewall cannot be set up: %s", strerror(-err));
		return false;
	}
	err = n->conf.esp_kernel ? xfrm_on(n) : 0;
	if (err) {
		log_err("what keeps unsealed L2TP in cannot be given to the kernel: %s", strerror(-err));
		return false;
	}
	err = forward_on(n);
	if (err) {
		log_err("%s cannot be set to 1: %s; set it on the host (or in the container's "
			"settings)", FORWARD_SYSCTL, strerror(-err));
		return false;
	}
	err = adopt(n);
	if (err) {
		log_err("the list of network devices cannot be read: %s", strerror(-err));
		return false;
	}
	uplink_check(&n->conf);
	n->started = true;
	return true;
}

static void stop(struct netd *n)
{
	n->stopping = true;
	event_base_loopbreak(n->base);
}

/* Devices first: without them nothing is forwarded while the rules go. */
static void undo(struct netd *n)
{
	unsigned end = n->unit_end;

	/* What there is belongs to those who are up: the next netd may have more luck. */
	if (!n->started && !n->first_life)
		return;
	for (unsigned u = 0; u < end; u++)
		if (in_service(&n->tun[u]))
			tun_retire(n, u);
	delete_going(n);
	for (unsigned i = 0; i < SHARED_MAX; i++)
		if (in_service(&n->shared[i]))
			shared_retire(n, i);
	xfrm_off(n);
	forward_restore(n);
	firewall_off(n);
}

/* The parent's death (PDEATHSIG).  A service manager's TERM to everybody is the parent's to act on. */
static void on_term(evutil_socket_t sig, short what, void *arg)
{
	struct netd *n = arg;

	if (!parent_lives(n->parent.chan.fd))
		stop(n);
}

/* ---- messages ---- */
static void send_stats(struct netd *n, struct link *l)
{
	static struct msg_stats s;

	n->count[CNT_ROUTES] = n->routes.n;
	n->count[CNT_FILTERED] = n->filtered.n;
	s.n = CNT_N;
	for (unsigned i = 0; i < CNT_N; i++) {
		str_copy(s.c[i].name, sizeof(s.c[i].name), counter_names[i]);
		s.c[i].value = n->count[i];
	}
	link_send(l, MSG_STATS, &s, sizeof(s), -1);
}

static void on_manager(evutil_socket_t fd, short what, void *arg)
{
	static struct msg m;
	struct link *l = arg;
	struct netd *n = l->netd;

	for (unsigned i = 0; i < MSGS_PER_WAKE; i++) {
		int r = chan_recv(&l->chan, &m);

		if (r == 0)
			return;
		if (r == -EBADMSG) {
			count_bad(n, l);
			continue;
		}
		if (r < 0) {		/* its successor comes with MSG_PEER */
			link_close(l);
			return;
		}
		switch (m.type) {
		case MSG_TUN_ADD:
			on_tun_add(n, l, &m.b.tun_add);
			break;
		case MSG_TUN_DEL:
			on_tun_del(n, &m.b.tun_del);
			break;
		case MSG_TUN_KEEP:
			on_tun_keep(n, &m.b.tun_del);
			break;
		case MSG_TUN_SYNC:
			on_tun_sync(n);
			break;
		case MSG_SHARED_ADD:
			on_shared_add(n, l, &m.b.shared);
			break;
		case MSG_ROUTE_ADD:
			on_route_add(n, l, &m.b.route);
			break;
		case MSG_ROUTE_DEL:
			route_del(n, &m.b.route);
			break;
		case MSG_FILTER_SET:
			on_filter_set(n, l, &m.b.filter);
			break;
		case MSG_STATS_REQ:
			send_stats(n, l);
			break;
		default:
			count_bad(n, l);
		}
	}
}

static void on_peer(struct netd *n, const struct link *from, const struct msg_peer *p, int fd)
{
	if (p->role == ROLE_ENGINE && p->index < CONF_ENGINES_MAX) {
		struct link *l = &n->engine[p->index];

		link_close(l);
		link_open(n, l, fd, ROLE_ENGINE, on_engine);
		l->chan.index = p->index;
		if (!n->started && l->rd)
			event_del(l->rd);
		return;
	}
	if (p->role != ROLE_MANAGER) {
		close(fd);
		count_bad(n, from);
		return;
	}
	link_close(&n->manager);
	/* A manager that died between its KEEPs and its SYNC has said nothing. */
	for (unsigned u = 0; u < n->unit_end; u++)
		n->tun[u].kept = false;
	for (unsigned i = 0; i < SHARED_MAX; i++)
		n->shared[i].kept = false;
	routes_each(&n->routes, route_unkeep, n);
	routes_each(&n->filtered, route_unkeep, n);
	link_open(n, &n->manager, fd, ROLE_MANAGER, on_manager);
	/* Before MSG_START there is no configuration to check its requests against. */
	if (!n->started && n->manager.rd)
		event_del(n->manager.rd);
}

static void on_start(struct netd *n, struct link *l)
{
	if (!n->have_next || n->started) {
		count_bad(n, l);
		return;
	}
	if (!start(n)) {
		n->failed = true;
		stop(n);
		return;
	}
	if (n->manager.rd)
		event_add(n->manager.rd, NULL);
	for (unsigned i = 0; i < CONF_ENGINES_MAX; i++)
		if (n->engine[i].rd)
			event_add(n->engine[i].rd, NULL);
	link_send(l, MSG_READY, NULL, 0, -1);
}

static void on_parent(evutil_socket_t fd, short what, void *arg)
{
	static struct msg m;
	struct link *l = arg;
	struct netd *n = l->netd;

	for (unsigned i = 0; i < MSGS_PER_WAKE && !n->stopping; i++) {
		int r = chan_recv(&l->chan, &m);

		if (r == 0)
			return;
		if (r == -EBADMSG) {
			count_bad(n, l);
			continue;
		}
		if (r < 0) {
			log_notice("the parent is gone");
			stop(n);
			return;
		}
		switch (m.type) {
		case MSG_CONF:
			n->next = m.b.conf.conf;
			n->forward_was = m.b.conf.ip_forward;
			n->first_life = m.b.conf.first_life;
			n->have_next = true;
			break;
		case MSG_PEER:
			on_peer(n, l, &m.b.peer, m.fd);
			break;
		case MSG_START:
			on_start(n, l);
			break;
		case MSG_APPLY:
			on_apply(n, l, &m.b.apply);
			break;
		case MSG_SHUTDOWN:
			stop(n);
			break;
		case MSG_PING:
			link_send(l, MSG_PONG, NULL, 0, -1);
			break;
		default:
			count_bad(n, l);
		}
	}
}

/* ---- privileges ---- */
static int keep_one_cap(unsigned cap)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = {
		{ .effective = 1u << cap, .permitted = 1u << cap },
	};

	/* Fails without CAP_SETPCAP; no_new_privs already keeps the others from coming back. */
	for (unsigned c = 0; c < 64; c++)
		if (c != cap)
			(void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &h, d) < 0 ? -errno : 0;
}

static int limits(void)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit fds = { .rlim_cur = UNITS + SPARE_FDS, .rlim_max = UNITS + SPARE_FDS };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	if (setrlimit(RLIMIT_NOFILE, &fds) == 0)
		return 0;
	/* As many as we may have: TUN_ADD says EMFILE beyond. */
	if (getrlimit(RLIMIT_NOFILE, &fds) < 0)
		return -errno;
	fds.rlim_cur = fds.rlim_max;
	return setrlimit(RLIMIT_NOFILE, &fds) < 0 ? -errno : 0;
}

/* The parent may have died before PDEATHSIG was armed: then it is not whom the channel names. */
static int confine(int parent_fd)
{
	int err = limits();

	if (err)
		return err;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	err = keep_one_cap(CAP_NET_ADMIN);
	if (err)
		return err;
	if (prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0) < 0)
		return -errno;
	return parent_lives(parent_fd) ? 0 : -ESRCH;
}

static int loop(struct netd *n, int parent_fd)
{
	n->term = evsignal_new(n->base, SIGTERM, on_term, n);
	n->delete = evtimer_new(n->base, on_delete, n);
	if (!n->term || !n->delete || event_add(n->term, NULL) < 0)
		return -ENOMEM;
	link_open(n, &n->parent, parent_fd, ROLE_PARENT, on_parent);
	if (!n->parent.rd)
		return -ENOMEM;
	return event_base_dispatch(n->base) < 0 ? -EIO : 0;
}

static void netd_free(struct netd *n)
{
	link_close(&n->manager);
	link_close(&n->parent);
	for (unsigned i = 0; i < CONF_ENGINES_MAX; i++)
		link_close(&n->engine[i]);
	if (n->term)
		event_free(n->term);
	if (n->delete)
		event_free(n->delete);
	if (n->base)
		event_base_free(n->base);
	rtnl_close(&n->rtnl);
	filterset_close(&n->filterset);
	free(n);
}

int netd_main(int parent_fd)
{
	struct netd *n = calloc(1, sizeof(*n));
	int err, status;

	if (!n)
		fatal("out of memory");
	for (unsigned u = 0; u < UNITS; u++)
		n->tun[u].fd = -1;
	for (unsigned i = 0; i < SHARED_MAX; i++)
		n->shared[i].fd = -1;
	routes_init(&n->routes);
	routes_init(&n->filtered);
	n->parent.chan.fd = n->manager.chan.fd = -1;
	list_init(&n->parent.chan.out);
	list_init(&n->manager.chan.out);
	for (unsigned i = 0; i < CONF_ENGINES_MAX; i++) {
		n->engine[i].chan.fd = -1;
		list_init(&n->engine[i].chan.out);
	}
	/* Nobody else's group: deleting it deletes whatever is in it. */
	random_bytes(&n->going_group, sizeof(n->going_group));
	n->going_group |= 1u << 31;

	signal(SIGINT, SIG_IGN);	/* ^C in the foreground: the parent decides */
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	err = confine(parent_fd);
	if (err)
		fatal("privileges cannot be dropped: %s", strerror(-err));
	err = rtnl_open(&n->rtnl);
	if (err)
		fatal("no rtnetlink socket: %s", strerror(-err));
	err = filterset_open(&n->filterset);
	if (err)
		fatal("no nfnetlink socket: %s", strerror(-err));
	n->base = event_base_new();
	err = n->base ? loop(n, parent_fd) : -ENOMEM;
	if (err)
		log_err("the event loop failed: %s", strerror(-err));
	if (n->delete)
		undo(n);
	status = err || n->failed ? 1 : 0;
	netd_free(n);
	return status;
}
