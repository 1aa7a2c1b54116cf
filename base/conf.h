/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration as one typed, flat value: no pointers, so the parent hands
 * it to a child as one message.  l2tpd/parse.y fills it, l2tpd/conf.c checks
 * and prints it; culvert.conf(5) says what every field means.
 *
 * Numbers are in the unit that the field's name ends in.  IPv4 addresses are
 * in host order.  Strings end in NUL.
 *
 * Processes and sessions refer to tunnels, ipcps, interfaces, authentications
 * and binds by index.  So a reload keeps an object's index as long as its name
 * is there, and one that is gone leaves a hole, which has no name: whoever goes
 * through an array asks conf_has_…() of each.
 */
#ifndef CULVERT_CONF_H
#define CULVERT_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/addr.h"

enum {
	CONF_NAME_MAX = 64,
	CONF_PATH_MAX = 256,
	CONF_SECRET_MAX = 128,
	CONF_IFNAME_MAX = 16,

	CONF_IKES = 16,
	CONF_TUNNELS = 8,
	CONF_LISTENS = 8,	/* per tunnel */
	CONF_IPCPS = 8,
	CONF_POOLS = 16,	/* ranges per ipcp */
	CONF_POOL_ADDRS = 1 << 20,	/* addresses per ipcp */
	CONF_INTERFACES = 8,
	CONF_AUTHS = 8,
	CONF_RADIUS_SERVERS = 4,	/* per list */
	CONF_RADIUS_SECRET_MAX = 95,	/* bytes; what radcli takes */
	CONF_BINDS = 16,
	CONF_DAE_LISTENS = 8,
	CONF_DAE_CLIENTS = 16,
	CONF_ENGINES_MAX = 32,
	CONF_FILTERS = 16,
	CONF_RULES = 128,	/* of the firewall block and of all its filters */
	CONF_RULE_NETS = 8,	/* of one rule */
	CONF_RULE_PORTS = 8,
};

enum conf_esp { CONF_ESP_USER, CONF_ESP_KERNEL, CONF_ESP_AUTO };
enum conf_proposals { CONF_PROP_DEFAULT, CONF_PROP_LEGACY };
enum conf_user_max { CONF_UM_REFUSE, CONF_UM_REPLACE };

/* ike passive esp … psk …: one statement */
struct conf_ike {
	bool tunnel_word;		/* "esp tunnel" was written; both admit transport-mode L2TP clients */
	bool xauth;
	struct addr from;		/* local address; family 0 = any */
	struct addr to;			/* peers' network; family 0 = any */
	uint8_t to_prefix;		/* its prefix length */
	char main_group[16];		/* "modp2048"; "" = the set's own list */
	char main_enc[16], main_auth[16];
	char quick_group[16];		/* PFS with this group, or none */
	char quick_enc[16], quick_auth[16];
	char srcid[CONF_NAME_MAX], dstid[CONF_NAME_MAX];
	uint8_t psk[CONF_SECRET_MAX];	/* wiped in every copy but iked's */
	uint16_t psk_len;
	char psk_file[CONF_PATH_MAX];	/* where it came from, or "" */
};

/* Are these for the same clients at the same address of ours? Only a statement with "esp tunnel"
 * and one with "esp transport" may be; what either allows counts. */
static inline bool conf_ike_same_ends(const struct conf_ike *a, const struct conf_ike *b)
{
	return addr_ip_eq(&a->from, &b->from) && addr_ip_eq(&a->to, &b->to) && a->to_prefix == b->to_prefix;
}

/* Bits of conf_tunnel.auth_methods */
enum {
	CONF_AUTH_PAP = 1, CONF_AUTH_CHAP = 2, CONF_AUTH_MSCHAPV2 = 4, CONF_AUTH_EAP_MD5 = 8, CONF_AUTH_EAP_MSCHAPV2 = 16,
	CONF_AUTH_KEYS = CONF_AUTH_MSCHAPV2 | CONF_AUTH_EAP_MSCHAPV2,	/* these make keys for MPPE */
};

/* Bits of conf_tunnel.dump_in and .dump_out */
enum {
	CONF_DUMP_LCP = 1, CONF_DUMP_PAP = 2, CONF_DUMP_CHAP = 4, CONF_DUMP_EAP = 8, CONF_DUMP_MPPE = 16,
	CONF_DUMP_CCP = 32, CONF_DUMP_IPCP = 64, CONF_DUMP_IP = 128,
};

enum conf_mppe { CONF_MPPE_NO, CONF_MPPE_YES, CONF_MPPE_REQUIRED };
/* Bits of conf_tunnel.mppe_keys and .mppe_states */
enum { CONF_MPPE_40 = 1, CONF_MPPE_56 = 2, CONF_MPPE_128 = 4 };
enum { CONF_MPPE_STATELESS = 1, CONF_MPPE_STATEFUL = 2 };

struct conf_tunnel {			/* tunnel NAME protocol l2tp { … } */
	char name[CONF_NAME_MAX];
	uint8_t order;			/* its place in the file: of two that listen alike, the first counts */
	struct addr listen[CONF_LISTENS];	/* "listen on"; its port is that of plain L2TP, 0 = 1701 */
	uint8_t n_listen;
	char l2tp_hostname[CONF_NAME_MAX];	/* "" = gethostname() */
	char l2tp_vendor_name[CONF_NAME_MAX];	/* "" = AVP left out */
	uint16_t l2tp_hello_interval_s;		/* 60 */
	uint16_t l2tp_hello_timeout_s;		/* 30 */
	uint8_t l2tp_secret[CONF_SECRET_MAX];	/* of the tunnel itself; wiped in every copy but the engines' */
	uint16_t l2tp_secret_len;		/* 0 = none */
	char l2tp_secret_file[CONF_PATH_MAX];	/* where it came from, or "" */
	bool l2tp_hide_avps;			/* no */
	uint8_t l2tp_max_tunnel;		/* of one client: 2 */
	uint8_t l2tp_max_half_open;		/* of these, and calls without a login: 2 */
	uint16_t l2tp_max_session;		/* in one tunnel: 4 */
	bool l2tp_accept_dialin;		/* no */
	bool l2tp_lcp_renegotiation;		/* yes */
	bool l2tp_force_lcp_renegotiation;	/* no */
	bool l2tp_require_ipsec;		/* yes */
	bool l2tp_data_use_seq;			/* no */
	uint16_t mru;				/* 1360 */
	bool lcp_keepalive;			/* yes */
	uint16_t lcp_keepalive_interval_s;	/* 300 */
	uint16_t lcp_keepalive_retry_interval_s;/* 60 */
	uint8_t lcp_keepalive_max_retries;	/* 3 */
	uint16_t lcp_timeout_s;			/* 3 */
	uint8_t lcp_max_configure;		/* 10 */
	uint8_t lcp_max_terminate;		/* 2 */
	uint8_t lcp_max_nak_loop;		/* 5 */
	uint16_t ipcp_timeout_s;		/* 3 */
	uint8_t ipcp_max_configure;		/* 10 */
	uint8_t ipcp_max_terminate;		/* 2 */
	uint8_t ipcp_max_nak_loop;		/* 5 */
	uint16_t ccp_timeout_s;			/* 3 */
	uint8_t ccp_max_configure;		/* 10 */
	uint8_t ccp_max_terminate;		/* 2 */
	uint8_t ccp_max_nak_loop;		/* 5 */
	uint8_t mppe;				/* enum conf_mppe: no */
	uint8_t mppe_keys;			/* all */
	uint8_t mppe_states;			/* both */
	uint8_t auth_methods;			/* CONF_AUTH_MSCHAPV2 */
	char chap_name[CONF_NAME_MAX];		/* "" = l2tp_hostname's */
	uint32_t idle_timeout_s;		/* 0 = off */
	uint8_t dump_in, dump_out;		/* debug-dump-pktin, -pktout: CONF_DUMP_* */
	bool l2tp_ctrl_in_pktdump, l2tp_ctrl_out_pktdump;	/* no */
	bool l2tp_data_in_pktdump, l2tp_data_out_pktdump;	/* no */
	bool tcp_mss_adjust;			/* yes */
	bool ingress_filter;			/* yes */
	bool callnum_check;			/* no */
};

struct conf_pool {
	uint32_t first, last;			/* host order, both included */
	bool static_only;			/* "for static" */
};

struct conf_ipcp {			/* ipcp NAME { … } */
	char name[CONF_NAME_MAX];
	struct conf_pool pool[CONF_POOLS];
	uint8_t n_pool;
	uint32_t dns[2], nbns[2];	/* 0 = none */
	bool dns_resolver;		/* "dns-servers resolver": dns is what this host had when the file was read */
	bool allow_user_selected_address;
	uint32_t max_session;		/* 0 = unlimited */
};

struct conf_interface {			/* interface NAME address A ipcp I */
	char name[CONF_IFNAME_MAX];	/* as written: "pppx0" */
	bool per_session;		/* its name begins with pppx; else tun: one device per engine */
	uint32_t address;
	uint8_t ipcp;			/* index */
};

enum conf_auth_type { CONF_TYPE_LOCAL, CONF_TYPE_RADIUS };

/* authentication-server { … } or accounting-server { … } */
struct conf_radius {
	struct {
		struct addr addr;		/* port 1812 or 1813 when none is written */
		char secret[CONF_SECRET_MAX];	/* wiped in every copy but radius's; at most CONF_RADIUS_SECRET_MAX bytes */
		bool message_authenticator;	/* yes: a reply without is dropped */
	} server[CONF_RADIUS_SERVERS];
	uint8_t n_server;
	/* RFC 6614; tls_ca "" = UDP.  For all servers of the list. */
	char tls_ca[CONF_PATH_MAX], tls_cert[CONF_PATH_MAX], tls_key[CONF_PATH_MAX];
	char tls_name[CONF_NAME_MAX];		/* that its certificate has; "" = its address */
	uint8_t max_tries;			/* 3 */
	uint8_t max_failovers;			/* 1 */
	uint16_t timeout_s;			/* 9 */
	uint32_t dead_time_s;			/* 60 */
};

/* radius dae …: who may end and change sessions (RFC 5176); nobody without either of them */
struct conf_dae {
	struct addr listen[CONF_DAE_LISTENS];	/* with their ports: 3799 when none is written */
	uint8_t n_listen;
	struct conf_dae_client {
		struct addr addr;		/* port 0 */
		char secret[CONF_SECRET_MAX];	/* wiped in every copy but radius's */
		bool message_authenticator;	/* yes: a request without is dropped */
		bool event_timestamp;		/* yes: likewise */
	} client[CONF_DAE_CLIENTS];
	uint8_t n_client;
};

struct conf_auth {			/* authentication NAME type local|radius { … } */
	char name[CONF_NAME_MAX];
	enum conf_auth_type type;
	char users_file[CONF_PATH_MAX];
	char username_suffix[CONF_NAME_MAX];
	bool strip_nt_domain;		/* yes */
	bool strip_atmark_realm;	/* no */
	bool eap_capable;		/* yes: who comes by EAP may be let in */
	bool disconnect_removed;	/* yes: sessions end whose users are removed, disabled or expired */
	uint32_t user_max_session;	/* 0 = unlimited */
	struct conf_radius radius_auth, radius_acct;
};

/* bind tunnel from T authenticated by A B … to I: one of these for each authentication, in that order */
struct conf_bind {
	uint8_t tunnel, auth, interface;	/* indices */
	uint8_t statement;			/* of one statement have the same */
	uint8_t after;				/* which of it this is, from 0 */
	bool gone;				/* a hole */
};

/* A tunnel of a kind that is not built yet: left out, and only printed. */
enum conf_unbuilt_kind { CONF_KIND_PPTP, CONF_KIND_PPPOE };

struct conf_unbuilt {
	char name[CONF_NAME_MAX];
	enum conf_unbuilt_kind kind;
};

struct conf_prefix {
	uint32_t net, mask;		/* no host bits; mask 0 = any address */
};

struct conf_port_range {
	uint16_t first, last;		/* both included */
};

enum conf_rule_proto { CONF_RULE_ANY, CONF_RULE_TCP, CONF_RULE_UDP, CONF_RULE_ICMP };

/* pass|block [proto P] [from NET] to NETS [port PORTS]; of several that match the last one counts */
struct conf_rule {
	uint8_t filter;			/* index in conf_firewall.filter; CONF_FILTERS: of the block itself */
	bool pass;
	uint8_t proto;			/* enum conf_rule_proto; ANY with ports: TCP and UDP */
	uint8_t n_to, n_port;		/* n_to 0 = any address; n_port 0 = any port, or none at all */
	struct conf_prefix from;
	struct conf_prefix to[CONF_RULE_NETS];
	struct conf_port_range port[CONF_RULE_PORTS];
};

struct conf_filter {			/* filter NAME { … } */
	char name[CONF_NAME_MAX];
};

struct conf_firewall {			/* firewall { … } */
	bool present, off;
	bool nat;
	char nat_on[CONF_IFNAME_MAX];
	uint32_t nat_to;		/* "to ADDR": snat instead of masquerade; 0 = none */
	bool client_to_client;		/* no */
	struct conf_filter filter[CONF_FILTERS];
	struct conf_rule rule[CONF_RULES];	/* the block's own first, then those of each filter; in the order of the file */
	uint8_t n_filter, n_rule;
};

struct conf {
	uint32_t max_session;		/* 0 = unlimited */
	uint32_t user_max_session;
	enum conf_user_max user_max_policy;
	enum conf_esp esp;
	bool esp_kernel;		/* what that came to: found by the parent at its start, in no file */
	enum conf_proposals proposals;
	bool raw_esp;			/* no: ESP comes in UDP */
	uint16_t engines;		/* 2 for now */
	uint16_t dpd_s;			/* 60 */
	char server_name[CONF_NAME_MAX];
	char radius_nas_id[CONF_NAME_MAX];	/* "" = gethostname() */
	struct conf_dae dae;

	struct conf_ike ike[CONF_IKES];
	uint8_t n_ike;
	struct conf_tunnel tunnel[CONF_TUNNELS];
	uint8_t n_tunnel;		/* 0 only when every tunnel written is in unbuilt */
	struct conf_unbuilt unbuilt[CONF_TUNNELS];
	uint8_t n_unbuilt;
	struct conf_ipcp ipcp[CONF_IPCPS];
	uint8_t n_ipcp;
	char ipv6cp[CONF_NAME_MAX];	/* ipv6cp NAME { }: IPV6CP is spoken; "" = it is not */
	struct conf_interface interface[CONF_INTERFACES];
	uint8_t n_interface;
	struct conf_auth auth[CONF_AUTHS];
	uint8_t n_auth;
	struct conf_bind bind[CONF_BINDS];
	uint8_t n_bind;
	struct conf_firewall firewall;
	char control_socket[CONF_PATH_MAX];	/* "" = RUNDIR/culvert.sock */
	char control_group[CONF_NAME_MAX];
};

/* Where a tunnel with "l2tp-require-ipsec no" takes plain L2TP at one of its addresses. */
static inline uint16_t conf_plain_port(const struct addr *listen)
{
	return listen->port ? listen->port : 1701;
}

/* Is there such an object?  False for what is out of range, or a hole. */
static inline bool conf_has_tunnel(const struct conf *c, unsigned i)
{
	return i < c->n_tunnel && i < CONF_TUNNELS && c->tunnel[i].name[0];
}

static inline bool conf_has_ipcp(const struct conf *c, unsigned i)
{
	return i < c->n_ipcp && i < CONF_IPCPS && c->ipcp[i].name[0];
}

static inline bool conf_has_interface(const struct conf *c, unsigned i)
{
	return i < c->n_interface && i < CONF_INTERFACES && c->interface[i].name[0];
}

/* Does the ipcp give this address to sessions? */
static inline bool conf_in_pools(const struct conf *c, unsigned i, uint32_t ip)
{
	for (unsigned k = 0; conf_has_ipcp(c, i) && k < c->ipcp[i].n_pool && k < CONF_POOLS; k++)
		if (ip >= c->ipcp[i].pool[k].first && ip <= c->ipcp[i].pool[k].last)
			return true;
	return false;
}

/* The ipcp that gives this address to sessions; CONF_IPCPS: none. Pools do not overlap. */
static inline unsigned conf_ipcp_with(const struct conf *c, uint32_t ip)
{
	for (unsigned i = 0; i < CONF_IPCPS; i++)
		if (conf_in_pools(c, i, ip))
			return i;
	return CONF_IPCPS;
}

/* May a session of the interface have this address?  radius: a server may have named any ipcp (Framed-Pool). */
static inline bool conf_may_have(const struct conf *c, unsigned interface, uint32_t ip, bool radius)
{
	unsigned ipcp = conf_ipcp_with(c, ip);

	return ipcp < CONF_IPCPS && conf_has_interface(c, interface) && ip != c->interface[interface].address &&
	       (radius || ipcp == c->interface[interface].ipcp);
}

/* Why a session cannot have this network behind its address (Framed-Route), or NULL. */
static inline const char *conf_route_fault(const struct conf *c, uint32_t net, uint32_t mask)
{
	uint32_t last = net | ~mask;

	for (unsigned i = 0; i < c->n_ipcp; i++)
		for (unsigned k = 0; conf_has_ipcp(c, i) && k < c->ipcp[i].n_pool && k < CONF_POOLS; k++)
			if (c->ipcp[i].pool[k].first <= last && c->ipcp[i].pool[k].last >= net)
				return "its Framed-Route and a pool overlap";
	for (unsigned i = 0; i < c->n_interface; i++)
		if (conf_has_interface(c, i) && c->interface[i].address >= net && c->interface[i].address <= last)
			return "its Framed-Route holds the server's own address";
	return NULL;
}

/* Ones, then zeros? */
static inline bool conf_is_mask(uint32_t mask)
{
	return !(~mask & (~mask + 1));
}

/*
 * May a session of the ipcp have all of its address's network?  Its hosts must lie in
 * one static range, and its two ends in no dynamic one: what others get is not in it.
 */
static inline bool conf_net_fits(const struct conf *c, unsigned i, uint32_t ip, uint32_t mask)
{
	uint32_t first = ip & mask, last = first | ~mask, end = last - first > 1;
	bool inside = false;

	if (!conf_is_mask(mask))
		return false;
	for (unsigned k = 0; conf_has_ipcp(c, i) && k < c->ipcp[i].n_pool && k < CONF_POOLS; k++) {
		const struct conf_pool *p = &c->ipcp[i].pool[k];

		if (p->static_only)
			inside = inside || (p->first <= first + end && p->last >= last - end);
		else if ((p->first <= first && first <= p->last) || (p->first <= last && last <= p->last))
			return false;
	}
	return inside;
}

static inline bool conf_has_auth(const struct conf *c, unsigned i)
{
	return i < c->n_auth && i < CONF_AUTHS && c->auth[i].name[0];
}

/* Is there a RADIUS server that may name pools and networks? */
static inline bool conf_has_radius(const struct conf *c)
{
	for (unsigned i = 0; i < c->n_auth; i++)
		if (conf_has_auth(c, i) && c->auth[i].type == CONF_TYPE_RADIUS)
			return true;
	return false;
}

/* Are EAP's methods those of its servers (RFC 3579)? */
static inline bool conf_auth_passes_eap(const struct conf_auth *a)
{
	return a->type == CONF_TYPE_RADIUS && a->eap_capable;
}

static inline bool conf_has_bind(const struct conf *c, unsigned i)
{
	return i < c->n_bind && i < CONF_BINDS && !c->bind[i].gone;
}

/* The bind of the same statement whose authentication is asked after that of b; NULL: none. */
static inline const struct conf_bind *conf_bind_next(const struct conf *c, const struct conf_bind *b)
{
	for (unsigned i = 0; i < c->n_bind && i < CONF_BINDS; i++)
		if (!c->bind[i].gone && c->bind[i].statement == b->statement && c->bind[i].after == b->after + 1)
			return &c->bind[i];
	return NULL;
}

/* The filter of that name, or CONF_FILTERS. */
static inline unsigned conf_filter_find(const struct conf *c, const char *name)
{
	for (unsigned i = 0; i < c->firewall.n_filter && i < CONF_FILTERS; i++)
		if (!strcmp(c->firewall.filter[i].name, name))
			return i;
	return CONF_FILTERS;
}

/*
 * May n bytes be a filter's name?  [a-zA-Z0-9_.-]{1,63}: it goes into the text of the
 * rules, and comes from RADIUS servers.
 */
static inline bool conf_filter_name_ok(const char *s, size_t n)
{
	static const char ok[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (!n || n >= CONF_NAME_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!memchr(ok, s[i], sizeof(ok) - 1))
			return false;
	return true;
}

static inline bool conf_has_xauth(const struct conf *c)
{
	for (unsigned i = 0; i < c->n_ike; i++)
		if (c->ike[i].xauth)
			return true;
	return false;
}

#endif
