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

const char *fwreq_check(const struct fwreq *r)
{
	if (r->magic != FWREQ_MAGIC)
		return "not a request of this build";
	if (r->remove > 1 || r->nat > 1 || r->client_to_client > 1 ||
	    r->mss_clamp > 1 || r->raw_esp > 1)
		return "a flag is neither 0 nor 1";
	if (r->source_check > FWREQ_SOURCE_ROUTE)
		return "source_check is none";
	if (r->remove)
		return NULL;
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
		if (out && v[i].first <= v[out - 1].last + 1)
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

static void put_forward(const struct fwreq *r, struct wr *w)
{
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

void ruleset_build(const struct fwreq *r, struct wr *w)
{
	struct fwreq_range pool[FWREQ_RANGES], server[FWREQ_SERVERS];

	/* Without the first line the second fails where there is no table yet. */
	put(w, "add table inet culvert\ndelete table inet culvert\n");
	if (r->remove)
		return;
	memcpy(pool, r->pool, sizeof(pool));
	for (uint32_t i = 0; i < r->n_server; i++)
		server[i] = (struct fwreq_range){ r->server[i], r->server[i] };
	put(w, "table inet culvert {\n");
	put_set(w, "pool", pool, r->n_pool);
	put_set(w, "server", server, r->n_server);
	put_from_client(r, w);
	put_raw(r, w);
	put_outside(r, w);
	put_input(r, w);
	put_forward(r, w);
	if (r->nat)
		put_nat(r, w);
	put(w, "}\n");
}
