/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "firewall/ruleset.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NET_FIRST = 1u << 24,		/* 1.0.0.0 */
	LOOPBACK_FIRST = 127u << 24,
	LOOPBACK_LAST = LOOPBACK_FIRST | 0xffffff,
};

static const uint32_t multicast = 224u << 24;

/* ---- validation ---- */
/* [a-zA-Z0-9_.-]{1,15}, so nothing that could end an nft string; with star, a last '*' too. */
static bool name_ok(const char s[static CONF_IFNAME_MAX], bool star)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strnlen(s, CONF_IFNAME_MAX);

	if (n == 0 || n == CONF_IFNAME_MAX || !strcmp(s, ".") || !strcmp(s, ".."))
		return false;
	if (star && n > 1 && s[n - 1] == '*')
		n--;
	for (size_t i = 0; i < n; i++)
		if (!memchr(ok, s[i], sizeof(ok) - 1))
			return false;
	return true;
}

/* Addresses that a host on the internet or in a private network can have. */
static bool range_ok(uint32_t first, uint32_t last)
{
	return first <= last && first >= NET_FIRST && last < multicast &&
	       (last < LOOPBACK_FIRST || first > LOOPBACK_LAST);
}

/* Ones, then zeros, and no host bits. */
static bool prefix_ok(const struct conf_prefix *n)
{
	return conf_is_mask(n->mask) && !(n->net & ~n->mask);
}

static const char *rule_check(const struct fwreq *r, const struct conf_rule *u)
{
	uint8_t pass;

	memcpy(&pass, &u->pass, 1);	/* a bool that is neither may not be looked at */
	if (pass > 1 || u->proto > CONF_RULE_ICMP || u->n_to > CONF_RULE_NETS || u->n_port > CONF_RULE_PORTS ||
	    (u->filter >= r->n_filter && u->filter != CONF_FILTERS))
		return "a rule is none";
	if (!prefix_ok(&u->from))
		return "a rule's network is none";
	for (unsigned i = 0; i < u->n_to; i++)
		if (!prefix_ok(&u->to[i]))
			return "a rule's network is none";
	if (u->n_port && u->proto == CONF_RULE_ICMP)
		return "a rule for ICMP has ports";
	for (unsigned i = 0; i < u->n_port; i++)
		if (!u->port[i].first || u->port[i].last < u->port[i].first)
			return "a rule's ports are no range";
	return NULL;
}

static const char *filters_check(const struct fwreq *r)
{
	if (r->n_filter > CONF_FILTERS || r->n_rule > CONF_RULES || r->n_member > FWREQ_MEMBERS)
		return "too many filters, rules or members";
	for (uint32_t i = 0; i < r->n_filter; i++) {
		const char *name = r->filter[i].name;

		if (!conf_filter_name_ok(name, strnlen(name, CONF_NAME_MAX)))
			return "a filter's name is bad";
		for (uint32_t k = 0; k < i; k++)
			if (!strcmp(name, r->filter[k].name))
				return "two filters have one name";
	}
	for (uint32_t i = 0; i < r->n_rule; i++) {
		const char *why = rule_check(r, &r->rule[i]);

		if (why)
			return why;
	}
	return NULL;
}

const char *fwreq_check_members(const struct fwreq *r, const struct fwreq_member *m)
{
	for (uint32_t i = 0; i < r->n_member; i++)
		if (!prefix_ok(&(struct conf_prefix){ m[i].net, m[i].mask }) || !range_ok(m[i].net, m[i].net | ~m[i].mask) ||
		    (m[i].filter >= r->n_filter && m[i].filter != CONF_FILTERS))
			return "a member of a filter is none";
	return NULL;
}

const char *fwreq_check(const struct fwreq *r)
{
	const char *why;

	if (r->magic != FWREQ_MAGIC)
		return "not a request of this build";
	if (r->remove > 1 || r->nat > 1 || r->client_to_client > 1 ||
	    r->mss_clamp > 1 || r->raw_esp > 1)
		return "a flag is neither 0 nor 1";
	if (r->source_check > FWREQ_SOURCE_ROUTE)
		return "source_check is none";
	if (r->remove)
		return r->n_member ? "members of nothing" : NULL;
	why = filters_check(r);
	if (why)
		return why;
	if (r->l2tp > FWREQ_L2TP_IPSEC)
		return "no such way with L2TP";
	if (!r->ike_port[0] || !r->ike_port[1])
		return "an IKE port is 0";
	if (!r->n_session_if || r->n_session_if > FWREQ_SESSION_IFS)
		return "the sessions' interfaces are none or too many";
	for (uint32_t i = 0; i < r->n_session_if; i++)
		if (!name_ok(r->session_if[i], true))
			return "the sessions' interface name is bad";
	if (r->n_pool > FWREQ_RANGES || r->n_server > FWREQ_SERVERS || r->n_plain > FWREQ_PLAINS)
		return "too many addresses";
	for (uint32_t i = 0; i < r->n_pool; i++)
		if (!range_ok(r->pool[i].first, r->pool[i].last))
			return "a pool is no range of host addresses";
	for (uint32_t i = 0; i < r->n_server; i++)
		if (!range_ok(r->server[i], r->server[i]))
			return "a server address is no host address";
	for (uint32_t i = 0; i < r->n_plain; i++)
		if ((r->plain[i].family != 4 && r->plain[i].family != 6) || !r->plain[i].port)
			return "a place of plain L2TP is no address and port";
	if (!r->nat)
		return NULL;
	if (!name_ok(r->nat_on, false))
		return "the NAT interface's name is bad";
	if (r->nat_to && !range_ok(r->nat_to, r->nat_to))
		return "the NAT address is no host address";
	if (r->nat_port[0] < 1024 || r->nat_port[1] < r->nat_port[0])
		return "the NAT ports are no range above 1023";
	return NULL;
}

/* ---- text ---- */
PRINTF(2, 3) static void put(struct wr *w, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		w->bad = true;
	else
		wr_bytes(w, line, (size_t)n);
}

static void put_ip(struct wr *w, uint32_t ip)
{
	put(w, "%u.%u.%u.%u", ip >> 24, ip >> 16 & 255, ip >> 8 & 255, ip & 255);
}

/* The sessions' devices, after iifname or oifname. */
static void put_sessions(const struct fwreq *r, struct wr *w, const char *key)
{
	put(w, "%s ", key);
	if (r->n_session_if > 1)
		put(w, "{ ");
	for (uint32_t i = 0; i < r->n_session_if; i++)
		put(w, i ? ", \"%s\"" : "\"%s\"", r->session_if[i]);
	put(w, r->n_session_if > 1 ? " } " : " ");
}

/* A rule for what comes from them (iifname) or goes to them (oifname). */
static void put_session_rule(const struct fwreq *r, struct wr *w, const char *key, const char *verdict)
{
	put(w, "\t\t");
	put_sessions(r, w, key);
	put(w, "%s\n", verdict);
}

/* The ports of plain L2TP, each once, as elements of a set; first: what stands before the first. */
static void put_plain_ports(const struct fwreq *r, struct wr *w, const char *first)
{
	for (uint32_t i = 0; i < r->n_plain; i++) {
		bool seen = false;

		for (uint32_t k = 0; k < i; k++)
			seen = seen || r->plain[k].port == r->plain[i].port;
		if (!seen)
			put(w, "%s%u", i ? ", " : first, r->plain[i].port);
	}
}

static int by_first(const void *a, const void *b)
{
	const struct fwreq_range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

/* nft refuses intervals that overlap: sort and join. Returns how many are left. */
static uint32_t ranges_join(struct fwreq_range *v, uint32_t n)
{
	uint32_t out = 0;

	qsort(v, n, sizeof(*v), by_first);
	for (uint32_t i = 0; i < n; i++) {
		if (out && (v[i].first <= v[out - 1].last || v[i].first - 1 == v[out - 1].last))
			v[out - 1].last = MAX(v[out - 1].last, v[i].last);
		else
			v[out++] = v[i];
	}
	return out;
}

static void put_set(struct wr *w, const char *name, struct fwreq_range *v, uint32_t n)
{
	n = ranges_join(v, n);
	put(w, "\tset %s {\n\t\ttype ipv4_addr\n\t\tflags interval\n", name);
	for (uint32_t i = 0; i < n; i++) {
		put(w, i ? ",\n\t\t\t" : "\t\telements = {\n\t\t\t");
		put_ip(w, v[i].first);
		if (v[i].last != v[i].first) {
			put(w, "-");
			put_ip(w, v[i].last);
		}
	}
	if (n)
		put(w, "\n\t\t}\n");
	put(w, "\t}\n\n");
}

/* ---- rules of the configuration ---- */

/* A set of one or several, as it stands in a rule. */
static void put_ranges(struct wr *w, struct fwreq_range *v, uint32_t n, bool ip)
{
	n = ranges_join(v, n);
	put(w, n > 1 ? "{ " : "");
	for (uint32_t i = 0; i < n; i++) {
		uint32_t size = v[i].last - v[i].first;	/* less one */

		if (i)
			put(w, ", ");
		if (!ip) {
			put(w, size ? "%u-%u" : "%u", v[i].first, v[i].last);
			continue;
		}
		put_ip(w, v[i].first);
		if (size && !(size & (size + 1)) && !(v[i].first & size)) {
			put(w, "/%d", 32 - __builtin_popcount(size));
		} else if (size) {
			put(w, "-");
			put_ip(w, v[i].last);
		}
	}
	put(w, n > 1 ? " } " : " ");
}

static void put_rule(struct wr *w, const struct conf_rule *u)
{
	static const char *const port[] = { "meta l4proto { tcp, udp } th dport ", "tcp dport ", "udp dport " };
	static const char *const proto[] = { "", "meta l4proto tcp ", "meta l4proto udp ", "meta l4proto icmp " };
	struct fwreq_range v[MAX(CONF_RULE_NETS, CONF_RULE_PORTS)];

	put(w, "\t\t");
	if (u->from.mask) {
		v[0] = (struct fwreq_range){ u->from.net, u->from.net | ~u->from.mask };
		put(w, "ip saddr ");
		put_ranges(w, v, 1, true);
	}
	/* The smallest of all is 0.0.0.0/0: any. */
	for (unsigned i = 0; i < u->n_to; i++)
		v[i] = (struct fwreq_range){ u->to[i].net, u->to[i].net | ~u->to[i].mask };
	if (u->n_to) {
		put(w, "ip daddr ");
		put_ranges(w, v, u->n_to, true);
	}
	for (unsigned i = 0; i < u->n_port; i++)
		v[i] = (struct fwreq_range){ u->port[i].first, u->port[i].last };
	if (u->n_port) {
		put(w, "%s", port[u->proto]);
		put_ranges(w, v, u->n_port, false);
	} else {
		put(w, "%s", proto[u->proto]);
	}
	put(w, u->pass ? "return\n" : "drop\n");
}

/* The last one that matches counts: here the first one does. */
static void put_rules_of(const struct fwreq *r, struct wr *w, uint32_t filter)
{
	for (uint32_t i = r->n_rule; i-- > 0;)
		if (r->rule[i].filter == filter)
			put_rule(w, &r->rule[i]);
}

static bool is_member(const struct fwreq *r, const struct fwreq_member *m, uint32_t filter, bool hosts)
{
	return MIN(m->filter, r->n_filter) == MIN(filter, r->n_filter) && (m->mask == UINT32_MAX) == hosts;
}

/* Who is in a filter.  Hosts apart from networks: a hash takes them without looking at their neighbours. */
static void put_members(const struct fwreq *r, const struct fwreq_member *m, struct wr *w, uint32_t filter, bool hosts)
{
	bool any = false;

	if (filter < r->n_filter)
		put(w, "\tset %s%s {\n", hosts ? FWREQ_HOST_PREFIX : FWREQ_NET_PREFIX, r->filter[filter].name);
	else
		put(w, "\tset %s {\n", hosts ? FWREQ_GONE_HOST : FWREQ_GONE_NET);
	put(w, hosts ? "\t\ttype ipv4_addr\n" : "\t\ttype ipv4_addr\n\t\tflags interval\n");
	for (uint32_t i = 0; i < r->n_member; i++) {
		if (!is_member(r, &m[i], filter, hosts))
			continue;
		put(w, any ? ",\n\t\t\t" : "\t\telements = {\n\t\t\t");
		put_ip(w, m[i].net);
		if (!hosts)
			put(w, "/%d", __builtin_popcount(m[i].mask));
		any = true;
	}
	put(w, any ? "\n\t\t}\n\t}\n\n" : "\t}\n\n");
}

static bool any_gone(const struct fwreq *r, const struct fwreq_member *m)
{
	for (uint32_t i = 0; i < r->n_member; i++)
		if (m[i].filter >= r->n_filter)
			return true;
	return false;
}

/*
 * What clients send through the host.  It is judged packet by packet, not connection by
 * connection: what changes counts at once, and who gets an address gets none of the
 * connections that its last owner was allowed.  "return" goes on in chain forward: a pass
 * takes nothing from what this table refuses elsewhere.
 *
 * A set for each filter, not one map with a verdict for each address: the kernel looks at all of
 * such a map whenever one is added (1.8 ms with 10,000, in place of 20 us).
 */
static void put_filters(const struct fwreq *r, const struct fwreq_member *m, struct wr *w)
{
	bool gone = any_gone(r, m);

	for (uint32_t i = 0; i < r->n_filter + gone; i++) {
		put_members(r, m, w, i, true);
		put_members(r, m, w, i, false);
	}
	for (uint32_t i = 0; i < r->n_filter; i++) {
		put(w, "\tchain " FWREQ_CHAIN_PREFIX "%s {\n", r->filter[i].name);
		put_rules_of(r, w, i);
		put(w, "\t\tdrop\n\t}\n\n");
	}
	put(w, "\tchain rules {\n");
	/* Answers to whom the rules let ask; and what ICMP says of packets that they let by. */
	put(w, "\t\tct direction reply return\n");
	put(w, "\t\tct state related meta l4proto icmp return\n");
	if (gone)
		put(w, "\t\tip saddr @" FWREQ_GONE_HOST " drop\n\t\tip saddr @" FWREQ_GONE_NET " drop\n");
	for (uint32_t i = 0; i < r->n_filter; i++) {
		const char *name = r->filter[i].name;

		put(w, "\t\tip saddr @" FWREQ_HOST_PREFIX "%s goto " FWREQ_CHAIN_PREFIX "%s\n", name, name);
		put(w, "\t\tip saddr @" FWREQ_NET_PREFIX "%s goto " FWREQ_CHAIN_PREFIX "%s\n", name, name);
	}
	put_rules_of(r, w, CONF_FILTERS);
	put(w, "\t}\n\n");
}

/* What comes from clients, before conntrack spends an entry on it. */
static void put_from_client(const struct fwreq *r, struct wr *w)
{
	put(w, "\tchain from_client {\n");
	put(w, "\t\tmeta nfproto ipv6 drop\n");
	if (r->source_check == FWREQ_SOURCE_POOL)
		put(w, "\t\tip saddr != @pool drop\n");
	if (r->source_check) {
		/* The /32 route of an address leads to its session: another session cannot use it. */
		put(w, "\t\tfib saddr . iif oif missing drop\n");
	}
	/* Cloud metadata; RFC 3927 2.7: a router MUST NOT forward link-local destinations. */
	put(w, "\t\tip daddr { 100.100.100.200, 169.254.0.0/16 } drop\n");
	put(w, "\t}\n\n");
}

/*
 * IKE, ESP and L2TP of this host stay out of conntrack: otherwise a client that
 * sends from port 4500 through our NAT to one of our peers makes a conntrack
 * entry that takes that peer's packets away from us (CVE-2021-3773).  Only
 * what is from or to an address of this host; a forwarded packet without
 * conntrack would not be translated, and clients' own IPsec would break.  Without
 * UDP (raw_esp) it does, as it has no ports by which to tell whose an answer is.
 */
static void put_raw(const struct fwreq *r, struct wr *w)
{
	/* What the kernel opened, and is to seal: two clients behind one NAT are one connection to conntrack. */
	const char *opened = r->l2tp == FWREQ_L2TP_IPSEC ? ", 1701" : "";

	put(w, "\tchain raw_in {\n");
	put(w, "\t\ttype filter hook prerouting priority raw; policy accept;\n");
	put_session_rule(r, w, "iifname", "goto from_client");
	put(w, "\t\tfib daddr type local udp dport { %u, %u%s", r->ike_port[0], r->ike_port[1], opened);
	put_plain_ports(r, w, ", ");
	put(w, " } notrack\n");
	if (r->raw_esp)
		put(w, "\t\tfib daddr type local meta l4proto esp notrack\n");
	put(w, "\t}\n\n");
	put(w, "\tchain raw_out {\n");
	put(w, "\t\ttype filter hook output priority raw; policy accept;\n");
	put(w, "\t\tudp sport { %u, %u%s", r->ike_port[0], r->ike_port[1], opened);
	put_plain_ports(r, w, ", ");
	put(w, " } notrack\n");
	if (r->raw_esp)
		put(w, "\t\tmeta l4proto esp notrack\n");
	put(w, "\t}\n\n");
}

/*
 * Addresses inside the tunnels are not spoken to from outside but in answer,
 * whatever rp_filter says (CVE-2019-14899).  Here the destination is still
 * what the packet says: a translated answer is addressed to the host.
 */
static void put_outside(const struct fwreq *r, struct wr *w)
{
	put(w, "\tchain outside {\n");
	put(w, "\t\ttype filter hook prerouting priority mangle; policy accept;\n");
	put_session_rule(r, w, "iifname", "accept");
	put(w, "\t\tiifname \"lo\" accept\n");
	put(w, "\t\tip daddr @pool ct state new,invalid,untracked drop\n");
	put(w, "\t\tip daddr @server drop\n");
	put(w, "\t}\n\n");
}

/* Plain L2TP, where it is wanted; not through a session. */
static void put_plain(const struct fwreq *r, struct wr *w)
{
	char a[ADDR_STRLEN];

	put(w, "\tchain plain_l2tp {\n");
	put_session_rule(r, w, "iifname", "drop");
	for (uint32_t i = 0; i < r->n_plain; i++) {
		struct addr at = r->plain[i];
		const char *family = at.family == 4 ? "" : "6";

		at.port = 0;
		if (addr_is_any(&at))
			put(w, "\t\tmeta nfproto ipv%s udp dport %u accept\n", at.family == 4 ? "4" : "6", r->plain[i].port);
		else
			put(w, "\t\tip%s daddr %s udp dport %u accept\n", family, addr_str(&at, a), r->plain[i].port);
	}
	put(w, "\t}\n\n");
}

static void put_input(const struct fwreq *r, struct wr *w)
{
	if (r->n_plain)
		put_plain(r, w);
	put(w, "\tchain client_to_host {\n");
	put(w, "\t\tct state established,related accept\n");
	put(w, "\t\ticmp type echo-request accept\n");
	put(w, "\t\tdrop\n");
	put(w, "\t}\n\n");
	put(w, "\tchain input {\n");
	put(w, "\t\ttype filter hook input priority filter; policy accept;\n");
	/* Before anything that looks at conntrack: an established flow is no excuse. */
	if (r->n_plain) {
		put(w, "\t\tudp dport ");
		put_plain_ports(r, w, "{ ");
		put(w, " } jump plain_l2tp\n");
	}
	if (r->l2tp == FWREQ_L2TP_DROP)
		put(w, "\t\tudp dport 1701 drop\n");
	else if (r->l2tp == FWREQ_L2TP_IPSEC)
		put(w, "\t\tmeta ipsec missing udp dport 1701 drop\n");
	put_session_rule(r, w, "iifname", "goto client_to_host");
	put(w, "\t\tudp dport { %u, %u } accept\n", r->ike_port[0], r->ike_port[1]);
	if (r->raw_esp)
		put(w, "\t\tmeta l4proto esp accept\n");
	put(w, "\t}\n\n");
}

static void put_forward(const struct fwreq *r, const struct fwreq_member *m, struct wr *w)
{
	bool rules = r->n_filter || r->n_rule || r->n_member;

	if (rules)
		put_filters(r, m, w);
	put(w, "\tchain session {\n");
	put(w, "\t\tmeta nfproto ipv6 drop\n");
	/* The smaller MTU of both directions' routes; never raises what is there. */
	if (r->mss_clamp)
		put(w, "\t\ttcp flags syn tcp option maxseg size set rt mtu\n");
	put(w, "\t}\n\n");
	put(w, "\tchain forward {\n");
	put(w, "\t\ttype filter hook forward priority filter; policy accept;\n");
	if (!r->client_to_client) {
		put(w, "\t\t");
		put_sessions(r, w, "iifname");
		put_sessions(r, w, "oifname");
		put(w, "drop\n");
	}
	if (rules)
		put_session_rule(r, w, "iifname", "jump rules");
	put_session_rule(r, w, "iifname", "goto session");
	put_session_rule(r, w, "oifname", "goto session");
	put(w, "\t}\n");
}

/*
 * Ports apart from those that the host's own programs get, and random ones:
 * no client can choose a port of the host for its traffic to leave from.
 */
static void put_nat(const struct fwreq *r, struct wr *w)
{
	put(w, "\n\tchain postrouting {\n");
	put(w, "\t\ttype nat hook postrouting priority srcnat; policy accept;\n");
	for (int ports = 1; ports >= 0; ports--) {
		put(w, "\t\toifname \"%s\" ip saddr @pool ", r->nat_on);
		if (ports)
			put(w, "meta l4proto { tcp, udp } ");
		if (r->nat_to) {
			put(w, "snat ip to ");
			put_ip(w, r->nat_to);
		} else {
			put(w, ports ? "masquerade to " : "masquerade");
		}
		if (ports)
			put(w, ":%u-%u fully-random", r->nat_port[0], r->nat_port[1]);
		put(w, "\n");
	}
	put(w, "\t}\n");
}

void ruleset_build(const struct fwreq *r, const struct fwreq_member *m, struct wr *w)
{
	struct fwreq_range pool[FWREQ_RANGES], server[FWREQ_SERVERS];

	/* Without the first line the second fails where there is no table yet. */
	put(w, "add table inet " FWREQ_TABLE "\ndelete table inet " FWREQ_TABLE "\n");
	if (r->remove)
		return;
	memcpy(pool, r->pool, sizeof(pool));
	for (uint32_t i = 0; i < r->n_server; i++)
		server[i] = (struct fwreq_range){ r->server[i], r->server[i] };
	put(w, "table inet " FWREQ_TABLE " {\n");
	put_set(w, "pool", pool, r->n_pool);
	put_set(w, "server", server, r->n_server);
	put_from_client(r, w);
	put_raw(r, w);
	put_outside(r, w);
	put_input(r, w);
	put_forward(r, m, w);
	if (r->nat)
		put_nat(r, w);
	put(w, "}\n");
}
