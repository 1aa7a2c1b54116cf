/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_check: what takes a whole configuration: what it is silent about, names, and statements
 * that do not go together.  Every message about two places names both. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "l2tpd/conf.h"
#include "l2tpd/conf_parse.h"
#include "l2tpd/weak.h"

/* Give what the file is silent about. */
static void fill(struct conf_parse *p)
{
	struct conf *c = p->c;
	struct conf_pos whole = { .file = p->files[0].name };

	if (!c->n_tunnel && !c->n_unbuilt) {
		memcpy(&c->tunnel[0], &conf_tunnel_default, sizeof(c->tunnel[0]));
		(void)str_copy(c->tunnel[0].name, CONF_NAME_MAX, "L2TP");
		c->n_tunnel = 1;
		p->at_tunnel[0] = whole;
	}
	for (unsigned i = 0; i < c->n_tunnel; i++) {
		c->tunnel[i].order = (uint8_t)i;
		if (!c->tunnel[i].n_listen) {
			if (!c->tunnel[i].l2tp_require_ipsec)
				conf_error(p, p->at_tunnel[i], "tunnel %s has l2tp-require-ipsec no, and takes plain L2TP at "
					"addresses only that are named: add listen on ADDRESS", c->tunnel[i].name);
			c->tunnel[i].listen[0].family = 4;
			c->tunnel[i].n_listen = 1;
		}
	}
	if (!c->n_ipcp) {
		memcpy(&c->ipcp[0], &conf_ipcp_default, sizeof(c->ipcp[0]));
		(void)str_copy(c->ipcp[0].name, CONF_NAME_MAX, "IPCP");
		c->ipcp[0].pool[0].first = 0xc0a8570a;	/* 192.168.87.10 */
		c->ipcp[0].pool[0].last = 0xc0a857d1;	/* 192.168.87.209 */
		c->ipcp[0].n_pool = 1;
		c->ipcp[0].dns[0] = 0x09090909;		/* 9.9.9.9 */
		c->ipcp[0].dns[1] = 0x95707070;		/* 149.112.112.112 */
		c->n_ipcp = 1;
		p->at_ipcp[0] = p->at_pool[0][0] = p->at_dns[0][0] = p->at_dns[0][1] = whole;
	}
	if (!c->n_interface && c->n_ipcp > 1) {
		conf_error(p, whole, "there are %u ipcp blocks and no interface statement says which one counts: add "
			"interface pppx0 address ADDRESS ipcp %s", c->n_ipcp, c->ipcp[0].name);
	} else if (!c->n_interface) {
		(void)str_copy(c->interface[0].name, CONF_IFNAME_MAX, "pppx0");
		c->interface[0].per_session = true;
		c->interface[0].address = 0xc0a85701;	/* 192.168.87.1 */
		(void)str_copy(p->interface_ipcp[0], CONF_NAME_MAX, c->ipcp[0].name);
		c->n_interface = 1;
		p->at_interface[0] = p->at_interface_ipcp[0] = whole;
	}
	if (!c->n_auth) {
		memcpy(&c->auth[0], &conf_auth_default, sizeof(c->auth[0]));
		(void)str_copy(c->auth[0].name, CONF_NAME_MAX, "LOCAL");
		c->n_auth = 1;
		p->at_auth[0] = p->at_users[0] = whole;
	}
	if (!p->bound && c->n_tunnel && (c->n_tunnel + c->n_unbuilt > 1 || c->n_auth > 1 || c->n_interface > 1)) {
		conf_error(p, whole, "there is no bind statement, and more than one tunnel, authentication or "
			"interface to choose from: add bind tunnel from %s authenticated by %s to %s", c->tunnel[0].name,
			c->auth[0].name, c->interface[0].name);
	} else if (!p->bound && c->n_tunnel) {
		(void)str_copy(p->bind_name[0][0], CONF_NAME_MAX, c->tunnel[0].name);
		(void)str_copy(p->bind_name[0][1], CONF_NAME_MAX, c->auth[0].name);
		(void)str_copy(p->bind_name[0][2], CONF_NAME_MAX, c->interface[0].name);
		p->at_bind[0] = p->at_bind_name[0][0] = p->at_bind_name[0][1] = p->at_bind_name[0][2] = whole;
		c->n_bind = 1;
	}
}

/* The index of a name among n rows of the given size, whose first field it is; -1 and an error. */
static int find(struct conf_parse *p, struct conf_pos pos, const char *what, const char *name, const void *rows,
	size_t size, unsigned n)
{
	const char *best = NULL;
	unsigned dist = UINT_MAX;
	char shown[CONF_NAME_MAX];

	for (unsigned i = 0; i < n; i++) {
		const char *have = (const char *)rows + i * size;

		if (!strcmp(have, name))
			return (int)i;
		kw_suggest(name, have, &best, &dist);
	}
	str_escape(shown, sizeof(shown), name, strlen(name));
	if (!best && n == 1)
		best = rows;
	conf_error(p, pos, "there is no %s %s%s%s%s", what, shown, best ? "; did you mean " : "", best ? best : "",
		best ? "?" : "");
	return -1;
}

#define FIND(p, pos, what, name, rows, n) find(p, pos, what, name, rows, sizeof((rows)[0]), n)

static void resolve(struct conf_parse *p)
{
	struct conf *c = p->c;
	unsigned n = 0;

	p->n_bind_name = c->n_bind;
	for (unsigned i = 0; i < c->n_interface; i++) {
		int k = FIND(p, p->at_interface_ipcp[i], "ipcp", p->interface_ipcp[i], c->ipcp, c->n_ipcp);

		c->interface[i].ipcp = k < 0 ? 0 : (uint8_t)k;
	}
	for (unsigned i = 0; i < c->n_bind; i++) {
		bool left_out = false;
		int t, a, f;

		for (unsigned k = 0; k < c->n_unbuilt; k++)
			left_out = left_out || !strcmp(c->unbuilt[k].name, p->bind_name[i][0]);
		t = left_out ? 0 : FIND(p, p->at_bind_name[i][0], "tunnel", p->bind_name[i][0], c->tunnel, c->n_tunnel);
		a = FIND(p, p->at_bind_name[i][1], "authentication", p->bind_name[i][1], c->auth, c->n_auth);
		f = FIND(p, p->at_bind_name[i][2], "interface", p->bind_name[i][2], c->interface, c->n_interface);
		if (left_out || t < 0 || a < 0 || f < 0)
			continue;
		c->bind[n] = (struct conf_bind){
			.tunnel = (uint8_t)t, .auth = (uint8_t)a, .interface = (uint8_t)f,
			.statement = c->bind[i].after && n ? c->bind[n - 1].statement : (uint8_t)n, .after = c->bind[i].after,
		};
		p->at_bind[n++] = p->at_bind[i];
	}
	memset(&c->bind[n], 0, (CONF_BINDS - n) * sizeof(c->bind[0]));
	c->n_bind = (uint8_t)n;
}

/* "at FILE:LINE:COL", or that it is a default. */
static const char *place(struct conf_pos pos, char buf[static 400])
{
	if (pos.line)
		snprintf(buf, 400, "at %s:%u:%u", pos.file, pos.line, pos.col);
	else
		snprintf(buf, 400, "by default");
	return buf;
}

static void check_binds(struct conf_parse *p)
{
	const struct conf *c = p->c;
	char at[400];

	for (unsigned t = 0; t < c->n_tunnel; t++) {
		bool any = false;

		for (unsigned i = 0; i < c->n_bind; i++)
			any = any || c->bind[i].tunnel == t;
		if (!any)
			conf_error(p, p->at_tunnel[t], "tunnel %s is in no bind, so nobody could log in through it: add "
				"bind tunnel from %s authenticated by %s to %s", c->tunnel[t].name, c->tunnel[t].name,
				c->auth[0].name, c->interface[0].name);
	}
	for (unsigned i = 0; i < c->n_bind; i++) {
		for (unsigned k = 0; k < i; k++) {
			const struct conf_auth *a = &c->auth[c->bind[i].auth], *b = &c->auth[c->bind[k].auth];

			if (c->bind[i].tunnel != c->bind[k].tunnel)
				continue;
			if (c->bind[i].statement == c->bind[k].statement) {
				if (c->bind[i].auth == c->bind[k].auth)
					conf_error(p, p->at_bind[i], "authentication %s stands in this bind twice", a->name);
				else if (b->type == CONF_TYPE_RADIUS && !strcmp(a->username_suffix, b->username_suffix))
					conf_error(p, p->at_bind[i], "authentication %s behind %s is never asked: its server "
						"answers for every name; put it before %s", a->name, b->name, b->name);
				continue;
			}
			/* The user's name alone decides between the binds of a tunnel. */
			if (!strcmp(a->username_suffix, b->username_suffix))
				conf_error(p, p->at_bind[i], "this tunnel is bound already, %s, to an authentication with the "
					"same username-suffix: nothing would choose between them; give one of the two "
					"another username-suffix", place(p->at_bind[k], at));
		}
	}
}

/* Is the name in a bind, one of a tunnel that is left out too? */
static bool bound(const struct conf_parse *p, unsigned which, const char *name)
{
	for (unsigned i = 0; i < p->n_bind_name; i++) {
		if (!strcmp(p->bind_name[i][which], name))
			return true;
	}
	return false;
}

/* Requests of RADIUS need somewhere to come to, and somebody that they may come from. */
static void check_dae(struct conf_parse *p)
{
	const struct conf *c = p->c;
	bool any = false;

	for (unsigned i = 0; i < c->n_auth; i++)
		any = any || c->auth[i].type == CONF_TYPE_RADIUS;
	if (p->at_dae[0].line && !p->at_dae[1].line)
		conf_error(p, p->at_dae[0], "radius dae has no client, so that nobody may send it anything: write "
			"radius dae client ADDRESS secret STRING");
	if (p->at_dae[1].line && !p->at_dae[0].line)
		conf_error(p, p->at_dae[1], "radius dae listens nowhere: write radius dae listen on ADDRESS");
	if (p->at_dae[0].line && p->at_dae[1].line && !any)
		conf_warn(p, p->at_dae[0], "radius dae has no effect: no authentication is of type radius, and others' "
			"sessions are none of its business");
}

/* What is written and has no effect is most often a slip. */
static void check_unused(struct conf_parse *p)
{
	const struct conf *c = p->c;

	for (unsigned i = 0; i < c->n_ipcp; i++) {
		bool used = false;

		for (unsigned k = 0; k < c->n_interface; k++)
			used = used || c->interface[k].ipcp == i;
		/* A RADIUS server may name it (Framed-Pool). */
		if (!used && p->at_ipcp[i].line && !conf_has_radius(c))
			conf_warn(p, p->at_ipcp[i], "ipcp %s has no effect: no interface statement names it", c->ipcp[i].name);
	}
	for (unsigned i = 0; i < c->n_interface; i++) {
		if (p->at_interface[i].line && !bound(p, 2, c->interface[i].name))
			conf_warn(p, p->at_interface[i], "interface %s has no effect: no bind statement names it",
				c->interface[i].name);
	}
	for (unsigned i = 0; i < c->n_auth; i++) {
		if (c->auth[i].type == CONF_TYPE_RADIUS && !c->auth[i].radius_auth.n_server)
			conf_warn(p, p->at_auth[i], "authentication %s has no authentication-server: no login by it can succeed",
				c->auth[i].name);
		if (p->at_auth[i].line && !bound(p, 1, c->auth[i].name))
			conf_warn(p, p->at_auth[i], "authentication %s has no effect: no bind statement names it",
				c->auth[i].name);
	}
	check_dae(p);
	for (const struct conf_macro *m = p->macros; m; m = m->next) {
		const struct keyword *kw = kw_find(m->name, IN_SET);

		if (!m->used && kw && kw_is_option(kw))
			conf_warn(p, m->pos, "%s = sets a macro, which is used nowhere; to change the setting write set %s …",
				m->name, m->name);
		else if (!m->used)
			conf_warn(p, m->pos, "macro %s is used nowhere", m->name);
	}
}

/* Ports of plain L2TP, and where there is none. */
static void check_ports(struct conf_parse *p)
{
	const struct conf *c = p->c;

	for (unsigned t = 0; t < c->n_tunnel; t++) {
		for (unsigned i = 0; i < c->tunnel[t].n_listen; i++) {
			uint16_t port = c->tunnel[t].listen[i].port;

			if (port && c->tunnel[t].l2tp_require_ipsec)
				conf_error(p, p->at_port[t][i], "inside ESP the port is always 1701; another one is possible with "
					"l2tp-require-ipsec no");
			else if (port == 500 || port == 4500)
				conf_error(p, p->at_port[t][i], "port %u is IKE's; take another one", port);
		}
	}
}

static bool has_plain(const struct conf *c)
{
	for (unsigned i = 0; i < c->n_tunnel; i++)
		if (!c->tunnel[i].l2tp_require_ipsec)
			return true;
	return false;
}

static bool same_key(const struct conf_ike *a, const struct conf_ike *b)
{
	/* No length: its file was not opened. */
	if (!a->psk_len || !b->psk_len)
		return !*a->psk_file || !*b->psk_file || !strcmp(a->psk_file, b->psk_file);
	return a->psk_len == b->psk_len && !memcmp(a->psk, b->psk, a->psk_len);
}

static void check_ikes(struct conf_parse *p)
{
	const struct conf *c = p->c;
	char at[400];

	for (unsigned i = 0; i < c->n_ike; i++) {
		for (unsigned k = 0; k < i; k++) {
			const struct conf_ike *a = &c->ike[i], *b = &c->ike[k];

			if (!conf_ike_same_ends(a, b))
				continue;
			place(p->at_ike[k], at);
			/* A tunnel and a transport statement are for the same clients and admit what either allows. */
			if (a->tunnel_word == b->tunnel_word)
				conf_error(p, p->at_ike[i], "an ike statement with the same from and to stands %s; take one out, or "
					"write the network of its clients behind to", at);
			else if (!same_key(a, b))
				conf_error(p, p->at_ike[i], "the ike statement with the same from and to, %s, has another psk: the "
					"server must know the key before it knows the client; write the same one", at);
			else if (strcmp(a->srcid, b->srcid) || strcmp(a->dstid, b->dstid) || a->xauth != b->xauth)
				conf_error(p, p->at_ike[i], "the ike statement with the same from and to, %s, has another srcid, "
					"dstid or xauth; write the same ones", at);
		}
	}
	if (!c->n_ike && !has_plain(c))
		conf_warn(p, (struct conf_pos){ .file = p->files[0].name },
			"there is no ike statement, so no client can connect; the shortest is: ike psk \"…\"");
}

static bool in_pool(const struct conf_pool *r, uint32_t ip)
{
	return ip >= r->first && ip <= r->last;
}

static const char *range_str(const struct conf_pool *r, char buf[static 2 * ADDR_STRLEN])
{
	char a[ADDR_STRLEN], b[ADDR_STRLEN];

	snprintf(buf, 2 * ADDR_STRLEN, "%s-%s", ip4_str(r->first, a), ip4_str(r->last, b));
	return buf;
}

/* One range against everything that must not be in it; j, k: the ranges before it. */
static void check_range(struct conf_parse *p, unsigned i, unsigned r)
{
	const struct conf *c = p->c;
	const struct conf_pool *me = &c->ipcp[i].pool[r];
	char mine[2 * ADDR_STRLEN], other[2 * ADDR_STRLEN], at[400];

	range_str(me, mine);
	for (unsigned j = 0; j <= i; j++) {
		for (unsigned k = 0; k < (j == i ? r : c->ipcp[j].n_pool); k++) {
			const struct conf_pool *o = &c->ipcp[j].pool[k];

			if (me->first <= o->last && o->first <= me->last)
				conf_error(p, p->at_pool[i][r], "pool %s overlaps pool %s, %s; make one of them smaller", mine, range_str(o, other),
					place(p->at_pool[j][k], at));
		}
	}
	for (unsigned j = 0; j < c->n_interface; j++) {
		if (in_pool(me, c->interface[j].address))
			conf_error(p, p->at_pool[i][r], "pool %s holds %s, the server's own address on %s, %s; leave it out of "
				"the pool", mine,
				ip4_str(c->interface[j].address, other), c->interface[j].name,
				place(p->at_interface[j], at));
	}
	for (unsigned j = 0; j < c->n_ipcp; j++) {
		for (unsigned k = 0; k < 2; k++) {
			if (c->ipcp[j].dns[k] && in_pool(me, c->ipcp[j].dns[k]))
				conf_error(p, p->at_pool[i][r], "pool %s holds %s, a DNS server, %s; leave it out of the pool", mine,
					ip4_str(c->ipcp[j].dns[k], other), place(p->at_dns[j][k], at));
		}
	}
}

/* Do all who get their addresses there come by RADIUS, which may have one for each? */
static bool is_of_radius(const struct conf *c, unsigned ipcp)
{
	bool some = false;

	for (unsigned i = 0; i < c->n_bind; i++) {
		if (c->interface[c->bind[i].interface].ipcp != ipcp)
			continue;
		if (c->auth[c->bind[i].auth].type != CONF_TYPE_RADIUS)
			return false;
		some = true;
	}
	return some;
}

static void check_pools(struct conf_parse *p)
{
	const struct conf *c = p->c;
	uint64_t room = 0;
	char at[400];

	for (unsigned i = 0; i < c->n_ipcp; i++) {
		bool dynamic = false;
		uint64_t own = 0;

		for (unsigned r = 0; r < c->ipcp[i].n_pool; r++) {
			check_range(p, i, r);
			dynamic = dynamic || !c->ipcp[i].pool[r].static_only;
			own += (uint64_t)c->ipcp[i].pool[r].last - c->ipcp[i].pool[r].first + 1;
		}
		room += own;
		if (own > CONF_POOL_ADDRS)
			conf_error(p, p->at_ipcp[i], "ipcp %s has %llu addresses in its pools; at most %d are possible",
				c->ipcp[i].name, (unsigned long long)own, CONF_POOL_ADDRS);
		if (!c->ipcp[i].n_pool)
			conf_error(p, p->at_ipcp[i], "ipcp %s has no pool-address, so it has nothing to give to clients: add "
				"pool-address \"FIRST-LAST\"", c->ipcp[i].name);
		else if (!dynamic && !is_of_radius(c, i))
			conf_warn(p, p->at_ipcp[i], "ipcp %s has no dynamic pool: users without a framed-ip-address cannot connect; "
				"take \"for static\" from one of its pools, or add a pool", c->ipcp[i].name);
	}
	if (c->max_session > room && c->n_ipcp)
		conf_warn(p, p->seen[kw_find("max-session", IN_SET) - keywords], "max-session is %u, but the pools, %s, have "
			"addresses for %llu only: make them larger or set max-session %llu", c->max_session,
			place(p->at_pool[0][0], at), (unsigned long long)room, (unsigned long long)room);
	for (unsigned i = 0; i < c->n_interface; i++) {
		for (unsigned k = 0; k < i; k++) {
			if (c->interface[i].address == c->interface[k].address)
				conf_error(p, p->at_interface[i], "interface %s has the same address, %s; give each its own", c->interface[k].name,
					place(p->at_interface[k], at));
		}
	}
}

/* Ours are there while the server runs, and hold our own addresses. */
static bool is_ours(const struct conf *c, const char *ifname)
{
	size_t n;

	if (!strncmp(ifname, "pppx", 4))
		return true;
	for (unsigned i = 0; i < c->n_interface; i++) {
		n = strlen(c->interface[i].name);
		if (!strncmp(ifname, c->interface[i].name, n) && (!ifname[n] || ifname[n] == '-'))
			return true;
	}
	return false;
}

/* The host's networks into p->nets; none when they cannot be had. */
static void host_nets(struct conf_parse *p)
{
	struct ifaddrs *all;
	unsigned n = 0;

	if (getifaddrs(&all) < 0)
		return;
	p->nets = p->nets_owned = calloc(CONF_NETS, sizeof(*p->nets_owned));
	if (!p->nets_owned)
		abort();
	for (const struct ifaddrs *i = all; i && n < CONF_NETS; i = i->ifa_next) {
		struct sockaddr_in sin, mask;
		uint32_t m;

		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !i->ifa_netmask || (i->ifa_flags & IFF_LOOPBACK) ||
		    is_ours(p->c, i->ifa_name))
			continue;
		memcpy(&sin, i->ifa_addr, sizeof(sin));
		memcpy(&mask, i->ifa_netmask, sizeof(mask));
		m = be32toh(mask.sin_addr.s_addr);
		(void)str_copy(p->nets_owned[n].ifname, CONF_IFNAME_MAX, i->ifa_name);
		p->nets_owned[n].first = be32toh(sin.sin_addr.s_addr) & m;
		p->nets_owned[n++].last = be32toh(sin.sin_addr.s_addr) | ~m;
	}
	freeifaddrs(all);
	p->n_nets = n;
}

static bool net_free(const struct conf_parse *p, uint32_t first, uint32_t last)
{
	for (unsigned i = 0; i < p->n_nets; i++) {
		if (first <= p->nets[i].last && p->nets[i].first <= last)
			return false;
	}
	return true;
}

/* A pool over a network that the host is in already. */
static void check_nets(struct conf_parse *p)
{
	/* 192.168.87.0, 10.87.87.0, 172.27.87.0, 192.168.187.0: hardly anybody's */
	static const uint32_t offer[] = { 0xc0a85700, 0x0a575700, 0xac1b5700, 0xc0a8bb00 };
	char mine[2 * ADDR_STRLEN], theirs[2 * ADDR_STRLEN], other[ADDR_STRLEN];
	const struct conf *c = p->c;

	if (!p->nets && !(p->flags & CONF_NO_FILES))
		host_nets(p);
	for (unsigned i = 0; i < c->n_ipcp; i++) {
		for (unsigned r = 0; r < c->ipcp[i].n_pool; r++) {
			const struct conf_pool *me = &c->ipcp[i].pool[r];

			for (unsigned k = 0; k < p->n_nets; k++) {
				const struct conf_pool net = { p->nets[k].first, p->nets[k].last, false };
				unsigned o = 0;

				if (me->first > net.last || net.first > me->last)
					continue;
				while (o < N_ELEMENTS(offer) && !net_free(p, offer[o], offer[o] | 255))
					o++;
				conf_warn(p, p->at_pool[i][r], "pool %s is in the network of this host's %s, %s: clients and the "
					"hosts there could not reach each other; take another network%s%s%s", range_str(me, mine),
					p->nets[k].ifname, range_str(&net, theirs), o < N_ELEMENTS(offer) ? ", such as " : "",
					o < N_ELEMENTS(offer) ? ip4_str(offer[o], other) : "", o < N_ELEMENTS(offer) ? "/24" : "");
			}
		}
	}
}

/* A name that was not fitted to this host, or mistyped: clients would go out with addresses that nobody answers. */
static void check_nat(struct conf_parse *p)
{
	const struct conf_firewall *f = &p->c->firewall;
	struct if_nameindex *all;
	char names[128] = "";

	if (!f->nat || f->off || !f->nat_on[0] || (p->flags & CONF_NO_FILES) || if_nametoindex(f->nat_on))
		return;
	all = if_nameindex();
	for (const struct if_nameindex *i = all; i && i->if_index; i++) {
		size_t n = strlen(names);

		if (strcmp(i->if_name, "lo") && !is_ours(p->c, i->if_name))
			snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", i->if_name);
	}
	if (all)
		if_freenameindex(all);
	conf_warn(p, p->at_nat, "there is no interface %s on this host yet, and without it clients do not reach the Internet%s%s",
		f->nat_on, names[0] ? "; there are: " : "", names);
}

/* ---- rules of the firewall ---- */

static bool prefix_in(const struct conf_prefix *in, const struct conf_prefix *of)
{
	return !((in->net ^ of->net) & of->mask) && (in->mask & of->mask) == of->mask;
}

static bool nets_in(const struct conf_rule *r, const struct conf_rule *of)
{
	for (unsigned i = 0; of->n_to && i < r->n_to; i++) {
		bool inside = false;

		for (unsigned k = 0; k < of->n_to; k++)
			inside = inside || prefix_in(&r->to[i], &of->to[k]);
		if (!inside)
			return false;
	}
	return !of->n_to || r->n_to;
}

static bool ports_in(const struct conf_rule *r, const struct conf_rule *of)
{
	for (unsigned i = 0; of->n_port && i < r->n_port; i++) {
		bool inside = false;

		for (unsigned k = 0; k < of->n_port; k++)
			inside = inside || (r->port[i].first >= of->port[k].first && r->port[i].last <= of->port[k].last);
		if (!inside)
			return false;
	}
	return !of->n_port || r->n_port;
}

/* Does rule `of` match all that r does? */
static bool rule_in(const struct conf_rule *r, const struct conf_rule *of)
{
	return (of->proto == CONF_RULE_ANY || of->proto == r->proto) && prefix_in(&r->from, &of->from) && nets_in(r, of) &&
	       ports_in(r, of);
}

/* Who has first-match rules in mind writes them in an order that makes no sense here. */
static void check_order(struct conf_parse *p)
{
	const struct conf_firewall *f = &p->c->firewall;

	for (unsigned i = 0; i < f->n_rule; i++) {
		for (unsigned k = i + 1; k < f->n_rule; k++) {
			if (f->rule[k].filter != f->rule[i].filter || f->rule[k].pass == f->rule[i].pass ||
			    !rule_in(&f->rule[i], &f->rule[k]))
				continue;
			conf_error(p, p->at_rule[i], "this rule never counts: the one at %s:%u:%u matches all that it does, and of "
				"several that match the last one counts; put this one behind it", p->at_rule[k].file,
				p->at_rule[k].line, p->at_rule[k].col);
			break;
		}
	}
}

/* Those of the block itself first, as they are printed: where they stood among filters means nothing. */
static void sort_rules(struct conf_parse *p)
{
	struct conf_firewall *f = &p->c->firewall;
	unsigned n = 0;

	for (unsigned i = 0; i < f->n_rule; i++) {
		const struct conf_rule r = f->rule[i];
		const struct conf_pos at = p->at_rule[i];

		if (r.filter != CONF_FILTERS)
			continue;
		memmove(&f->rule[n + 1], &f->rule[n], (i - n) * sizeof(f->rule[0]));
		memmove(&p->at_rule[n + 1], &p->at_rule[n], (i - n) * sizeof(p->at_rule[0]));
		f->rule[n] = r;
		p->at_rule[n++] = at;
	}
}

static void check_rules(struct conf_parse *p)
{
	const struct conf_firewall *f = &p->c->firewall;
	unsigned own_pass = CONF_RULES;
	bool own_block = false;

	sort_rules(p);
	for (unsigned i = 0; i < f->n_filter; i++) {
		bool passes = false, all = false, any = p->filter_bad[i];

		for (unsigned k = 0; k < f->n_rule; k++) {
			const struct conf_rule *r = &f->rule[k];

			if (r->filter != i)
				continue;
			any = true;
			passes = passes || r->pass;
			all = all || (!r->n_to && !r->n_port && !r->proto && !r->from.mask);
		}
		if (!any)
			conf_error(p, p->at_filter[i], "filter %s has no rules: it would block all that its users send; write which "
				"they are, or: block to any", f->filter[i].name);
		else if (!passes && !all && !p->filter_bad[i])
			conf_error(p, p->at_filter[i], "filter %s passes nothing: what no rule of a filter matches is blocked; begin "
				"with: pass to any", f->filter[i].name);
	}
	for (unsigned k = 0; k < f->n_rule; k++) {
		if (f->rule[k].filter != CONF_FILTERS)
			continue;
		own_block = own_block || !f->rule[k].pass;
		if (f->rule[k].pass && own_pass == CONF_RULES)
			own_pass = k;
	}
	if (own_pass < CONF_RULES && !own_block)
		conf_warn(p, p->at_rule[own_pass], "pass alone changes nothing: what no rule matches passes anyway; begin with "
			"what is not to: block to any");
	check_order(p);
	for (unsigned i = 0; i < p->c->n_tunnel && f->n_filter; i++)
		if (!p->c->tunnel[i].ingress_filter)
			conf_error(p, p->at_tunnel[i], "ingress-filter no lets clients choose the address they send from, and a filter "
				"knows its users by theirs: write ingress-filter yes, or take the filters out");
}

static void check_tunnels(struct conf_parse *p)
{
	for (unsigned i = 0; i < p->c->n_tunnel; i++) {
		const struct conf_tunnel *t = &p->c->tunnel[i];

		if (t->l2tp_hide_avps && !t->l2tp_secret_len && !t->l2tp_secret_file[0])
			conf_warn(p, p->at_tunnel[i], "l2tp-hide-avps yes hides nothing without a secret that both ends "
				"have: write l2tp-secret, too");
	}
}

/* RFC 3079 3: keys come from MS-CHAPv2 alone. */
static void check_mppe(struct conf_parse *p)
{
	for (unsigned i = 0; i < p->c->n_tunnel; i++) {
		const struct conf_tunnel *t = &p->c->tunnel[i];

		if (t->mppe == CONF_MPPE_NO)
			continue;
		if (!(t->auth_methods & CONF_AUTH_KEYS))
			conf_error(p, p->at_mppe[i], "mppe takes its keys from mschapv2 or eap, which authentication-method leaves out");
		else if (t->mppe == CONF_MPPE_REQUIRED && t->auth_methods & ~CONF_AUTH_KEYS)
			conf_warn(p, p->at_mppe[i], "with mppe required only mschapv2 and eap are offered, since the other "
				"methods make no keys");
		if (t->l2tp_require_ipsec)
			conf_warn(p, p->at_mppe[i], "ESP encrypts all of this tunnel already, and mppe does it a second "
				"time: take it out unless a client insists");
	}
}

/* What works and had better not. */
static void check_weak(struct conf_parse *p)
{
	const struct conf *c = p->c;

	for (unsigned i = 0; i < c->n_tunnel; i++) {
		if (!c->tunnel[i].l2tp_require_ipsec)
			conf_warn(p, p->at_tunnel[i], "tunnel %s takes clients in the clear: everybody on the way can read and change "
				"all that they send; take l2tp-require-ipsec no out unless that network is your own",
				c->tunnel[i].name);
		if (c->tunnel[i].auth_methods & CONF_AUTH_PAP)
			conf_warn(p, p->at_methods[i], "pap hands the password itself to the server, and everybody who has the "
				"pre-shared key can pose as the server: take pap out unless a RADIUS server needs it");
	}
	if (c->proposals == CONF_PROP_LEGACY)
		conf_warn(p, p->at_proposals, "legacy admits modp1024 and 3DES, which can be broken: take this line out once "
			"every client is newer");
	if (c->firewall.off)
		conf_warn(p, p->at_off, "off writes no rules: clients reach the Internet, and not this host's own services, only "
			"if rules of your own see to it; take it out to have them written");
}

void conf_judge_secret(struct conf_parse *p, struct conf_pos pos, const char *what, const uint8_t *s, size_t len)
{
	const char *why = weak_secret(s, len);

	if (why)
		conf_warn(p, pos, "%s %s and can be guessed; a good one: openssl rand -base64 24", what, why);
}

static void check_files(struct conf_parse *p)
{
	const struct conf *c = p->c;
	char why[512];

	for (unsigned i = 0; i < p->n_files; i++) {
		const struct conf_file *f = &p->files[i];
		struct conf_pos at = { .file = f->name };

		if (f->mode & 022)
			conf_error(p, at, "others may write to it: chmod %s %s", f->has_secret ? "600" : "go-w", f->name);
		else if (f->has_secret && (f->mode & 077))
			conf_error(p, at, "it holds a secret and others may read it: chmod 600 %s", f->name);
		if (f->mode && !conf_dir_safe(f->name, why))
			conf_error(p, at, "%s", why);
	}
	if (p->flags & CONF_NO_FILES)
		return;
	for (unsigned i = 0; i < c->n_auth; i++) {
		int fd;

		if (c->auth[i].type != CONF_TYPE_LOCAL)
			continue;
		fd = conf_open_secret(c->auth[i].users_file, why);
		if (fd >= 0)
			close(fd);
		else if (fd == -ENOENT)
			conf_warn(p, p->at_users[i], "users-file %s is not there: nobody can log in by %s; culvert-users(5) says "
				"what stands in it", c->auth[i].users_file, c->auth[i].name);
		else
			conf_error(p, p->at_users[i], "users-file: %s", why);
	}
}

void conf_resolver(const char *text, size_t n, uint32_t ret[static 2])
{
	const char *end = text + n;
	unsigned found = 0;

	ret[0] = ret[1] = 0;
	while (text < end && found < 2) {
		const char *nl = memchr(text, '\n', (size_t)(end - text));
		size_t len = (size_t)((nl ? nl : end) - text);
		char line[128], addr[64];
		struct addr a = { .family = 0 };
		uint32_t ip;

		if (len < sizeof(line)) {
			memcpy(line, text, len);
			line[len] = '\0';
			/* A resolver on this host itself is none that clients could reach. */
			if (sscanf(line, " nameserver %63s", addr) != 1 || !addr_parse(addr, 0, &a))
				a.family = 0;
			ip = a.family == 4 ? addr_v4_of(&a) : 0;
			if (ip && ip >> 24 != 127 && (!found || ip != ret[0]))
				ret[found++] = ip;
		}
		text = nl ? nl + 1 : end;
	}
}

static bool resolver_file(const char *path, uint32_t ret[static 2])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *buf;
	size_t n;

	ret[0] = ret[1] = 0;
	if (fd < 0)
		return false;
	if (read_all(fd, 1 << 16, &buf, &n) == 0) {
		conf_resolver(buf, n, ret);
		free(buf);
	}
	close(fd);
	return ret[0] != 0;
}

/* dns-servers resolver: systemd-resolved has the real ones in a file of its own. */
static void read_resolver(struct conf_parse *p)
{
	uint32_t dns[2];
	bool any = false, read = false;

	for (unsigned i = 0; i < p->c->n_ipcp && !(p->flags & CONF_NO_FILES); i++) {
		struct conf_ipcp *ipcp = &p->c->ipcp[i];

		if (!ipcp->dns_resolver)
			continue;
		if (!read)
			any = resolver_file("/etc/resolv.conf", dns) || resolver_file("/run/systemd/resolve/resolv.conf", dns);
		read = true;
		memcpy(ipcp->dns, dns, sizeof(ipcp->dns));
		if (!any)
			conf_warn(p, p->at_resolver[i], "this host has no name server that clients could reach: "
				"/etc/resolv.conf names none but itself; write the address of one");
	}
}

void conf_check(struct conf_parse *p)
{
	if (!p->n_statements) {
		conf_error(p, (struct conf_pos){ .file = p->files[0].name },
			"it holds no statement; the smallest file is one line: ike passive esp transport from any to any psk \"…\"");
		return;
	}
	fill(p);
	resolve(p);
	check_ports(p);
	check_ikes(p);
	check_pools(p);
	check_nets(p);
	check_nat(p);
	check_rules(p);
	check_tunnels(p);
	check_mppe(p);
	check_weak(p);
	check_files(p);
	read_resolver(p);
	if (!p->msgs->errors) {
		check_binds(p);
		check_unused(p);
	}
}

