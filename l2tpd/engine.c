/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/engine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/child.h"
#include "l2tpd/sandbox.h"

enum {
	LNS_WINDOW = 8,		/* our Receive Window Size */
	REMOVED_S = 2,		/* for sessions of a removed tunnel to say goodbye, each for itself */
};

static void counters(struct engine *e, struct msg_stats *m)
{
	struct esp_crypto_counts crypto = esp_crypto_counts();
	struct { const char *name; uint64_t v; } c[] = {
		{ "esp_kernel", e->kernel }, { "flows", e->n_flows }, { "sas", e->n_sas }, { "sessions", e->n_sessions }, { "tunnel_ids", e->ids.n },
		{ "crypto_openssl", crypto.openssl }, { "crypto_ipsec_mb", crypto.ipsec_mb },
#define X(name) { #name, e->count.name },
		ENGINE_COUNTERS(X)
#undef X
	};
	_Static_assert(N_ELEMENTS(c) + L2TP_COUNTERS + LIN_COUNTERS + SANDBOX_COUNTERS <= STATS_MAX, "MSG_STATS holds all counters");

	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < N_ELEMENTS(c); i++) {
		str_copy(m->c[i].name, sizeof(m->c[i].name), c[i].name);
		m->c[i].value = c[i].v;
	}
	m->n = N_ELEMENTS(c);
	for (unsigned i = 0; i < L2TP_COUNTERS; i++) {
		struct counter *l = &m->c[m->n++];

		str_copy(l->name, sizeof(l->name), l2tp_counter_name(i));
		l->value = e->l2tp_gone[i];
		LIST_EACH(&e->flows, k)
			l->value += CONTAINER_OF(k, struct flow, link)->l2tp.cnt[i];
	}
	for (unsigned i = 0; i < LIN_COUNTERS; i++) {
		str_copy(m->c[m->n].name, sizeof(m->c[m->n].name), lin_counter_name(i));
		m->c[m->n++].value = e->book.cnt[i];
	}
	sandbox_stats(m);
}

static void manager_msg(struct peer *p, struct msg *m, void *arg)
{
	struct engine *e = arg;
	struct msg_stats st;

	switch (m->type) {
	case MSG_VERDICT:
		call_verdict(e, &m->b.verdict);
		break;
	case MSG_SESSION_TUN:
		call_tun(e, &m->b.session_tun, m->fd);
		m->fd = -1;
		break;
	case MSG_SHARED_TUN:
		if (m->b.shared.engine != e->self || !e->shared[m->b.shared.interface].ifname[0])
			break;		/* m->fd is closed */
		data_shared_open(&e->shared[m->b.shared.interface], m->fd);
		m->fd = -1;
		break;
	case MSG_ADDR:
		call_addr(e, &m->b.addr);
		break;
	case MSG_SESSION_ROUTE:
		call_route(e, &m->b.session);
		break;
	case MSG_SESSION_FILTER:
		call_filter(e, &m->b.session_filter);
		break;
	case MSG_SESSION_SET:
		call_set(e, &m->b.session_set);
		break;
	case MSG_SESSION_KILL:
		call_kill(e, &m->b.session);
		break;
	case MSG_STATS_REQ:
		counters(e, &st);
		peer_send(&e->manager, MSG_STATS, &st, sizeof(st), -1);
		break;
	}
}

static void iked_msg(struct peer *p, struct msg *m, void *arg)
{
	struct engine *e = arg;

	switch (m->type) {
	case MSG_SPI_NEW:
		sa_announce(e, &m->b.spi_new);
		break;
	case MSG_SA_ADD:
		sa_add(e, &m->b.sa_add);
		break;
	case MSG_SA_MOVE:
		sa_move(e, &m->b.sa_move);
		break;
	case MSG_SA_DEL:
		sa_del(e, &m->b.sa_del);
		break;
	case MSG_XAUTH_REQ:
		xauth_login(e, &m->b.xauth_req);
		break;
	case MSG_FLOW_END:
		flow_end(e, &m->b.flow.lineage, m->b.flow.deleted);
		break;
	}
	data_flush(e);
}

static void iked_sync(struct engine *);

static void netd_msg(struct peer *p, struct msg *m, void *arg)
{
	struct engine *e = arg;

	switch (m->type) {
	case MSG_MARK_FD:
		sa_mark_fd(e, &m->b.mark, m->fd);
		m->fd = -1;
		break;
	case MSG_MARK_GONE:
		/* The answer to sweep(); those about single clients say nothing. */
		if (m->b.mark.mask == MARK_MASK_ENGINE && !e->swept) {
			e->swept = true;
			if (e->started && peer_is_open(&e->iked))
				iked_sync(e);
		}
		break;
	}
	data_flush(e);
}

/* Before iked gives us clients: what the kernel has of our predecessor's goes. */
static void sweep(struct engine *e)
{
	struct msg_mark m = { .mark = mark_make(e->self, 0), .mask = MARK_MASK_ENGINE };

	if (!e->swept)
		peer_send(&e->netd, MSG_MARK_DEL, &m, sizeof(m), -1);
}

static void tell_use(evutil_socket_t fd, short what, void *arg)
{
	sa_tell_use(arg);
}

/* ---- configuration ---- */
/* May a name of that tunnel be one whose EAP a RADIUS server speaks? */
static bool has_eap_server(const struct conf *c, unsigned tunnel)
{
	if (!(c->tunnel[tunnel].auth_methods & CONF_AUTH_EAP_MSCHAPV2))
		return false;
	for (unsigned i = 0; i < c->n_bind; i++)
		if (conf_has_bind(c, i) && c->bind[i].tunnel == tunnel && conf_auth_passes_eap(&c->auth[c->bind[i].auth]))
			return true;
	return false;
}

static struct tunnel_conf *tunnel_conf_new(const struct engine *e, unsigned index)
{
	const struct conf_tunnel *c = &e->conf.tunnel[index];
	struct tunnel_conf *t = calloc(1, sizeof(*t));
	struct l2tp_conf *l;
	struct ppp_conf *p;

	if (!t)
		fatal("out of memory");
	t->refs = 1;
	l = &t->l2tp;
	p = &t->ppp;
	*l = l2tp_conf_default;
	str_copy(l->host_name, sizeof(l->host_name), c->l2tp_hostname[0] ? c->l2tp_hostname : e->host);
	str_copy(l->vendor_name, sizeof(l->vendor_name), c->l2tp_vendor_name);
	l->rws = LNS_WINDOW;
	l->hello_interval_ms = c->l2tp_hello_interval_s * 1000u;
	l->hello_timeout_ms = c->l2tp_hello_timeout_s * 1000u;
	l->max_tunnels = c->l2tp_max_tunnel;
	l->max_half_open = c->l2tp_max_half_open;
	l->max_sessions = c->l2tp_max_session;
	_Static_assert(sizeof(l->secret) == sizeof(c->l2tp_secret), "a tunnel's secret fits");
	memcpy(l->secret, c->l2tp_secret, sizeof(l->secret));
	l->secret_len = (uint8_t)c->l2tp_secret_len;
	l->hide = c->l2tp_hide_avps;
	t->data_use_seq = c->l2tp_data_use_seq;
	t->accept_dialin = c->l2tp_accept_dialin;
	t->lcp_renegotiation = c->l2tp_lcp_renegotiation;
	t->force_lcp_renegotiation = c->l2tp_force_lcp_renegotiation;

	*p = (struct ppp_conf){
		.authenticator = true, .mru = c->mru,
		.limits = {
			[PPP_FSM_LCP] = { c->lcp_timeout_s * 1000u, c->lcp_max_configure, c->lcp_max_terminate,
					  c->lcp_max_nak_loop },
			[PPP_FSM_IPCP] = { c->ipcp_timeout_s * 1000u, c->ipcp_max_configure, c->ipcp_max_terminate,
					   c->ipcp_max_nak_loop },
			[PPP_FSM_CCP] = { c->ccp_timeout_s * 1000u, c->ccp_max_configure, c->ccp_max_terminate,
					  c->ccp_max_nak_loop },
		},
		.keepalive = c->lcp_keepalive,
		.keepalive_interval_ms = c->lcp_keepalive_interval_s * 1000u,
		.keepalive_retry_ms = c->lcp_keepalive_retry_interval_s * 1000u,
		.keepalive_max = c->lcp_keepalive_max_retries,
		.auth_timeout_ms = 30000,
	};
	p->auth = (uint8_t)((c->auth_methods & CONF_AUTH_PAP ? PPP_AUTH_PAP : 0) |
		(c->auth_methods & CONF_AUTH_CHAP ? PPP_AUTH_CHAP_MD5 : 0) |
		(c->auth_methods & CONF_AUTH_MSCHAPV2 ? PPP_AUTH_MSCHAPV2 : 0) |
		(c->auth_methods & CONF_AUTH_EAP_MD5 ? PPP_AUTH_EAP_MD5 : 0) |
		(c->auth_methods & CONF_AUTH_EAP_MSCHAPV2 ? PPP_AUTH_EAP_MSCHAPV2 : 0));
	p->eap_pass = has_eap_server(&e->conf, index);
	p->ipv6 = e->conf.ipv6cp[0] != '\0';
	p->mppe = c->mppe == CONF_MPPE_REQUIRED ? PPP_MPPE_REQUIRED : c->mppe == CONF_MPPE_YES ? PPP_MPPE_YES : PPP_MPPE_NO;
	p->mppe_bits = (c->mppe_keys & CONF_MPPE_40 ? MPPE_40 : 0u) | (c->mppe_keys & CONF_MPPE_56 ? MPPE_56 : 0u) |
		(c->mppe_keys & CONF_MPPE_128 ? MPPE_128 : 0u) |
		(c->mppe_states & CONF_MPPE_STATELESS ? MPPE_STATELESS : 0u);
	p->mppe_stateful = c->mppe_states & CONF_MPPE_STATEFUL;
	/* The others make no keys. */
	if (p->mppe == PPP_MPPE_REQUIRED)
		p->auth &= PPP_AUTH_KEYS;
	str_copy(p->name, sizeof(p->name), c->chap_name[0] ? c->chap_name : l->host_name);
	return t;
}

static void take_tunnels(struct engine *e)
{
	static const struct timeval bye = { .tv_sec = REMOVED_S };

	for (unsigned i = 0; i < CONF_TUNNELS; i++) {
		struct tunnel_conf *old = e->tunnel_conf[i];
		bool has = conf_has_tunnel(&e->conf, i);

		e->tunnel_conf[i] = has ? tunnel_conf_new(e, i) : NULL;
		if (!old || has) {
			tunnel_conf_put(old);
			continue;
		}
		/* The flows that came by it may hold older ones. */
		LIST_EACH(&e->flows, k) {
			struct flow *f = CONTAINER_OF(k, struct flow, link);

			if (f->tunnel == i)
				f->conf->removed = true;
		}
		tunnel_conf_put(old);
		event_add(e->removed_timer, &bye);
	}
}

/* The device of a tunN; its descriptor comes with MSG_SHARED_TUN. */
static void take_interfaces(struct engine *e)
{
	for (unsigned i = 0; i < CONF_INTERFACES; i++) {
		bool has = conf_has_interface(&e->conf, i) && !e->conf.interface[i].per_session;
		char name[CONF_IFNAME_MAX] = "";

		if (has)
			shared_ifname(&e->conf.interface[i], e->self, name);
		if (!strcmp(name, e->shared[i].ifname))
			continue;
		if (e->shared[i].ifname[0])
			data_shared_close(&e->shared[i]);
		memcpy(e->shared[i].ifname, name, sizeof(name));
	}
}

static void end_removed(evutil_socket_t fd, short what, void *arg)
{
	flow_end_removed(arg);
}

/* First of all, and again at a reload: what is up then goes on as it is. */
static void take_conf(struct engine *e, const struct msg_conf *m)
{
	e->self = m->self;
	e->conf = m->conf;
	e->kernel = m->conf.esp_kernel;
	e->dump_data = false;
	for (unsigned i = 0; i < CONF_TUNNELS; i++) {
		const struct conf_tunnel *t = &e->conf.tunnel[i];

		if (conf_has_tunnel(&e->conf, i))
			e->dump_data |= ((t->dump_in | t->dump_out) & (CONF_DUMP_IP | CONF_DUMP_MPPE)) ||
					t->l2tp_data_in_pktdump || t->l2tp_data_out_pktdump;
	}
	take_tunnels(e);
	take_interfaces(e);
	plain_end_unwanted(e);
}

/* ---- start ---- */
static void take_sock(struct engine *e, struct msg *m)
{
	struct engine_sock *s = &e->sock[e->n_sock];

	bool plain = m->b.sock.kind == SOCK_L2TP, raw = m->b.sock.kind == SOCK_ESP_RAW;
	bool opened = m->b.sock.kind == SOCK_L2TP_ESP;

	if ((m->b.sock.kind != SOCK_ESP_4500 && !plain && !raw && !opened) || (!plain && opened != e->kernel) ||
	    e->n_sock >= ENGINE_SOCKS)
		fatal("a socket that is not an engine's");
	*s = (struct engine_sock){
		.e = e, .fd = m->fd, .at = m->b.sock.at, .plain = plain, .raw = raw, .opened = opened,
	};
	s->ev = event_new(e->base, m->fd, EV_READ | EV_PERSIST, data_readable, s);
	if (!s->ev)
		fatal("out of memory");
	m->fd = -1;
	e->n_sock++;
}

static void take_table(struct engine *e, const struct msg *m)
{
	uint32_t n = m->b.table.rows;

	if (m->b.table.engine != e->self || e->rows)
		fatal("a session table that is not ours");
	e->rows = mmap(NULL, n * sizeof(*e->rows), PROT_READ | PROT_WRITE, MAP_SHARED, m->fd, 0);
	e->by_slot = calloc(n, sizeof(*e->by_slot));
	if (e->rows == MAP_FAILED || !e->by_slot)
		fatal("cannot map the session table: %s", strerror(errno));
	e->n_rows = n;
}

/* First words on a new channel: what the other end must know of us. */
static void manager_sync(struct engine *e)
{
	peer_send(&e->manager, MSG_SYNC, NULL, 0, -1);
	call_ask_again(e);
}

static void iked_sync(struct engine *e)
{
	if (e->kernel && !e->swept)
		return;			/* netd's answer comes back here */
	sa_orphan_all(e);
	peer_send(&e->iked, MSG_SYNC, NULL, 0, -1);
}

static void take_peer(struct engine *e, struct msg *m)
{
	if (m->b.peer.role == ROLE_NETD) {
		child_take_peer(&e->netd, e->base, ROLE_ENGINE, ROLE_NETD, m, netd_msg, e);
		if (e->started) {
			sweep(e);
			sa_marks_again(e);
		}
	} else if (m->b.peer.role == ROLE_IKED) {
		child_take_peer(&e->iked, e->base, ROLE_ENGINE, ROLE_IKED, m, iked_msg, e);
		if (e->started)
			iked_sync(e);
	} else {
		child_take_peer(&e->manager, e->base, ROLE_ENGINE, ROLE_MANAGER, m, manager_msg, e);
		if (e->started)
			manager_sync(e);
	}
}

static void start(struct engine *e)
{
	static const struct timeval use = { .tv_sec = ENGINE_USE_S };

	if (!e->rows || !e->n_sock)
		fatal("started before everything was given");
	e->started = true;
	for (unsigned i = 0; i < e->n_sock; i++)
		event_add(e->sock[i].ev, NULL);
	e->use_timer = event_new(e->base, -1, EV_PERSIST, tell_use, e);
	if (!e->use_timer)
		fatal("out of memory");
	event_add(e->use_timer, &use);
	if (peer_is_open(&e->netd))
		sweep(e);
	if (peer_is_open(&e->manager))
		manager_sync(e);
	if (peer_is_open(&e->iked))
		iked_sync(e);
	log_info("esp crypto: %s", esp_crypto_text());
	sandbox_enter(ROLE_ENGINE);
	peer_send(&e->parent, MSG_READY, NULL, 0, -1);
}

static void parent_msg(struct peer *p, struct msg *m, void *arg)
{
	static const struct msg_applied done = { .phase = APPLY_CONF };
	struct engine *e = arg;

	switch (m->type) {
	case MSG_CONF:
		take_conf(e, &m->b.conf);
		break;
	case MSG_APPLY:
		peer_send(&e->parent, MSG_APPLIED, &done, sizeof(done), -1);
		break;
	case MSG_SOCK:
		take_sock(e, m);
		break;
	case MSG_TABLE:
		take_table(e, m);
		break;
	case MSG_PEER:
		take_peer(e, m);
		break;
	case MSG_START:
		start(e);
		break;
	case MSG_SHUTDOWN:
		flow_stop_all(e);
		peer_drain(&e->manager, 1000);
		peer_drain(&e->iked, 1000);
		_exit(0);
	}
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void engine_main(void)
{
	static struct engine e;
	struct rng seed;

	child_confine(CHILD_USER);
	list_init(&e.flows);
	for (unsigned i = 0; i < ENGINE_BUCKETS; i++) {
		list_init(&e.by_ip[i]);
		list_init(&e.by_net[i]);
		list_init(&e.by_call[i]);
		list_init(&e.by_mark[i]);
	}
	plain_init(&e);
	rng_init(&seed);
	l2tp_ids_init(&e.ids, &seed);
	rng_init(&seed);
	lin_book_init(&e.book, &seed);
	e.sa = calloc(SPI_SLOTS, sizeof(*e.sa));
	e.base = event_base_new();
	e.removed_timer = e.base ? evtimer_new(e.base, end_removed, &e) : NULL;
	if (!e.removed_timer || !e.sa)
		fatal("out of memory");
	/* The sandbox does not let it be asked later. */
	str_copy(e.host, sizeof(e.host), "culvert");
	(void)gethostname(e.host, sizeof(e.host) - 1);
	e.no_tunnel = calloc(1, sizeof(*e.no_tunnel));
	if (!e.no_tunnel)
		fatal("out of memory");
	*e.no_tunnel = (struct tunnel_conf){ .refs = 1, .removed = true, .l2tp = l2tp_conf_default };
	for (unsigned i = 0; i < CONF_INTERFACES; i++)
		e.shared[i] = (struct shared_tun){ .e = &e, .fd = -1 };
	if (!l2tp_secret_init())
		fatal("OpenSSL has no MD5: tunnels cannot be authenticated");
	if (!esp_init())
		fatal("OpenSSL has no AES or no random numbers: ESP cannot work");
	if (!mppe_init())
		fatal("OpenSSL has no RC4 (its legacy provider): MPPE cannot work");
	esp_tune(cpu_ns);
	data_init(&e);
	child_start(&e.parent, e.base, ROLE_ENGINE, parent_msg, &e);
}
