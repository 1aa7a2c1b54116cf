/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/rd.h"

#define R(r) (1u << ROLE_##r)
#define CHILDREN (R(NETD) | R(ENGINE) | R(MANAGER) | R(AUTH) | R(IKED) | R(RADIUS))

enum fd_rule { NO_FD, WITH_FD, MAY_FD };
enum { EAP_REQUEST = 1, EAP_RESPONSE };	/* RFC 3748 4 */

static bool ends(const char *s, size_t n)
{
	return memchr(s, 0, n) != NULL;
}

#define ENDS(s) ends((s), sizeof(s))

static bool addr_ok(const struct addr *a)
{
	return a->family == 0 || a->family == 4 || a->family == 6;
}

/* Checks beyond the size: what a receiver would index or print with. */
static bool check_sock(const union msg_body *b)
{
	return b->sock.kind >= SOCK_IKE_500 && b->sock.kind <= SOCK_DAE && addr_ok(&b->sock.at);
}

static bool check_peer(const union msg_body *b)
{
	return b->peer.role > ROLE_NONE && b->peer.role < ROLES && b->peer.index < SPI_ENGINES;
}

static bool check_table(const union msg_body *b)
{
	return b->table.engine < SPI_ENGINES && b->table.rows > 0 && b->table.rows <= 65536;
}

static bool check_users(const union msg_body *b)
{
	return b->users.auth < CONF_AUTHS;
}

static bool check_radius_tls(const union msg_body *b)
{
	return b->radius_tls.auth < CONF_AUTHS && b->radius_tls.acct <= 1 && b->radius_tls.file < 3;
}

static bool check_users_missing(const union msg_body *b)
{
	return b->users_missing.auth < CONF_AUTHS && ENDS(b->users_missing.why);
}

static bool check_users_of(const union msg_body *b)
{
	return b->users_of.auth < CONF_AUTHS;
}

static bool check_conf(const union msg_body *b)
{
	const struct conf *c = &b->conf.conf;

	for (unsigned i = 0; i < CONF_TUNNELS; i++)
		if (c->tunnel[i].l2tp_secret_len > CONF_SECRET_MAX)
			return false;

	return c->dae.n_listen <= CONF_DAE_LISTENS && c->dae.n_client <= CONF_DAE_CLIENTS && c->n_ike <= CONF_IKES && c->n_tunnel <= CONF_TUNNELS && c->n_ipcp <= CONF_IPCPS &&
	       c->n_interface <= CONF_INTERFACES && c->n_auth <= CONF_AUTHS && c->n_bind <= CONF_BINDS &&
	       c->engines > 0 && c->engines <= CONF_ENGINES_MAX && b->conf.self < c->engines;
}

static bool check_spi_new(const union msg_body *b)
{
	return spi_slot(b->spi_new.spi) && b->spi_new.raw <= 1 && (!b->spi_new.mark || mark_is_ours(b->spi_new.mark)) &&
	       addr_ok(&b->spi_new.local) && addr_ok(&b->spi_new.peer);
}

static bool check_sa_add(const union msg_body *b)
{
	static const uint8_t enc_len[] = {
		[ESP_ENC_NONE] = 0, [ESP_ENC_AES_CBC_128] = 16, [ESP_ENC_AES_CBC_256] = 32,
		[ESP_ENC_AES_GCM_128] = 20, [ESP_ENC_AES_GCM_256] = 36, [ESP_ENC_3DES_CBC] = 24,
	};
	static const uint8_t auth_len[] = {
		[ESP_AUTH_NONE] = 0, [ESP_AUTH_HMAC_SHA1_96] = 20, [ESP_AUTH_HMAC_SHA2_256_128] = 32,
		[ESP_AUTH_HMAC_SHA2_384_192] = 48, [ESP_AUTH_HMAC_SHA2_512_256] = 64,
	};
	const struct msg_sa_add *m = &b->sa_add;

	return m->inbound <= 1 && m->raw <= 1 && m->tunnel <= 1 && m->enc < N_ELEMENTS(enc_len) &&
	       m->auth < N_ELEMENTS(auth_len) && m->enc_len == enc_len[m->enc] && m->auth_len == auth_len[m->auth] &&
	       (m->auth == ESP_AUTH_NONE) == (m->enc == ESP_ENC_NONE || m->enc == ESP_ENC_AES_GCM_128 ||
		m->enc == ESP_ENC_AES_GCM_256) &&
	       spi_slot(m->inbound ? m->spi : m->pair) && addr_ok(&m->local) && addr_ok(&m->peer) &&
	       ENDS(m->ike_id);
}

static bool check_sa_move(const union msg_body *b)
{
	return addr_ok(&b->sa_move.local) && addr_ok(&b->sa_move.peer);
}

static bool check_sa_del(const union msg_body *b)
{
	return b->sa_del.inbound <= 1;
}

static bool check_stray(const union msg_body *b)
{
	return b->stray.len > 4 && b->stray.len <= STRAY_MAX && addr_ok(&b->stray.local) &&
	       addr_ok(&b->stray.peer);
}

/* needed: a whole packet of this code; else there need be none. */
static bool eap_ok(const struct eap_relay *e, bool needed, uint8_t code)
{
	if (e->counted > 1 || e->state_len > sizeof(e->state) || e->len > sizeof(e->packet) || !addr_ok(&e->server))
		return false;
	/* RFC 3748 4.1: Code, Identifier, Length, Type */
	return !needed || (e->len > 4 && e->packet[0] == code && (e->packet[2] << 8 | e->packet[3]) == e->len);
}

static bool auth_req_ok(const struct msg_auth_req *m)
{
	return m->tunnel < CONF_TUNNELS && m->method > AUTH_NONE && m->method <= AUTH_EAP &&
	       eap_ok(&m->eap, m->method == AUTH_EAP, EAP_RESPONSE) &&
	       m->user_len <= sizeof(m->user) && m->mtu >= 68 && m->challenge_len <= sizeof(m->challenge) &&
	       m->response_len <= sizeof(m->response) && addr_ok(&m->peer) && ENDS(m->host_name) &&
	       ENDS(m->ike_id) && m->number_len <= sizeof(m->number);
}

static bool check_auth_req(const union msg_body *b)
{
	return auth_req_ok(&b->auth_req);
}

static bool check_xauth_req(const union msg_body *b)
{
	const struct msg_xauth_req *m = &b->xauth_req;

	return addr_ok(&m->local) && addr_ok(&m->peer) && ENDS(m->ike_id) && m->user_len &&
	       m->user_len <= sizeof(m->user);
}

static bool check_xauth_done(const union msg_body *b)
{
	const struct msg_xauth_done *m = &b->xauth_done;

	return m->verdict >= VERDICT_OK && m->verdict <= VERDICT_REFUSE && (m->ip != 0) == (m->verdict == VERDICT_OK);
}

static bool check_judge(const union msg_body *b)
{
	return b->judge.engine < SPI_ENGINES && auth_req_ok(&b->judge.req);
}

/* Class attributes, each of 1 to 253 octets behind its length (RFC 2865 5.25). */
static bool classes_ok(const uint8_t *p, size_t len)
{
	struct rd at = rd_of(p, MIN(len, (size_t)RADIUS_CLASS_MAX));

	while (at.n) {
		uint8_t n = rd_u8(&at);

		if (!n || n > 253)
			return false;
		rd_skip(&at, n);
	}
	return len <= RADIUS_CLASS_MAX && !at.bad;
}

/* Networks of a client: nobody's is wider than 8 bits, which an address in it has. */
bool radius_routes_ok(const struct radius_route *r, unsigned n)
{
	if (n > RADIUS_ROUTES_MAX)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!conf_is_mask(r[i].mask) || r[i].mask < 0xff000000 || r[i].net & ~r[i].mask || !r[i].net)
			return false;
	return true;
}

static bool says_ok(const struct radius_says *s)
{
	return radius_routes_ok(s->route, s->n_routes) && s->mtu <= 65535 && classes_ok(s->classes, s->class_len) && ENDS(s->filter) && ENDS(s->pool);
}

static bool check_judged(const union msg_body *b)
{
	const struct msg_judged *m = &b->judged;

	return m->engine < CONF_ENGINES_MAX && m->auth < CONF_AUTHS && m->bind < CONF_BINDS &&
	       m->verdict >= VERDICT_OK && m->verdict <= VERDICT_OWN_EAP && m->verdict != VERDICT_REFUSE &&
	       eap_ok(&m->eap, m->verdict == VERDICT_EAP, EAP_REQUEST) && m->mppe_keys <= 1 &&
	       m->has_max_session <= 1 && m->by_radius <= 1 && conf_is_mask(m->framed_mask) && ENDS(m->user) &&
	       ENDS(m->why) && ENDS(m->message) && says_ok(&m->says);
}

static bool check_radius_ask(const union msg_body *b)
{
	const struct msg_radius_ask *m = &b->radius_ask;

	return m->auth < CONF_AUTHS && m->name_len <= sizeof(m->name) && m->judge.engine < SPI_ENGINES &&
	       auth_req_ok(&m->judge.req);
}

static bool check_radius_said(const union msg_body *b)
{
	const struct msg_radius_said *m = &b->radius_said;

	return (m->verdict == VERDICT_OK || m->verdict == VERDICT_DENY || m->verdict == VERDICT_EAP) &&
	       eap_ok(&m->eap, m->verdict == VERDICT_EAP, EAP_REQUEST) && m->answered <= 1 && m->mppe_keys <= 1 &&
	       m->user_len <= sizeof(m->user) && conf_is_mask(m->framed_mask) && ENDS(m->why) && ENDS(m->message) && says_ok(&m->says);
}

bool acct_rec_ok(const struct acct_rec *r)
{
	return r->kind >= ACCT_SESSION && r->kind <= ACCT_OFF && r->due <= 7 && r->number_len <= sizeof(r->number) &&
	       classes_ok(r->classes, r->class_len) && r->cause <= ACCT_NAS_REBOOT && r->xauth <= 1 &&
	       addr_ok(&r->peer) && ENDS(r->id) && ENDS(r->realm) && ENDS(r->user);
}

static bool check_acct(const union msg_body *b)
{
	const struct msg_acct *m = &b->acct;

	return m->auth < CONF_AUTHS && (m->what == ACCT_DUE_START || m->what == ACCT_DUE_INTERIM || m->what == ACCT_DUE_STOP) &&
	       acct_rec_ok(&m->rec);
}

static bool check_acct_done(const union msg_body *b)
{
	return b->acct_done.auth < CONF_AUTHS && b->acct_done.ok <= 1;
}

static bool check_dae(const union msg_body *b)
{
	const struct msg_dae *m = &b->dae;

	return m->kind >= DAE_DISCONNECT && m->kind <= DAE_COA && addr_ok(&m->client) && m->by && !(m->by & ~DAE_BY_ALL) &&
	       m->user_len <= sizeof(m->user) && m->calling_len <= sizeof(m->calling) && m->acct_len <= sizeof(m->acct) &&
	       !(m->gives & ~(m->kind == DAE_DISCONNECT ? SAYS_CLASS : SAYS_ALL)) && says_ok(&m->says);
}

static bool check_dae_done(const union msg_body *b)
{
	const uint32_t cause = b->dae_done.cause;

	return cause == DAE_OK || (cause >= DAE_UNSUPPORTED_ATTRIBUTE && cause <= DAE_INVALID_VALUE) || cause == DAE_PROHIBITED ||
	       cause == DAE_NO_SESSION || cause == DAE_NO_RESOURCES;
}

static bool check_session_set(const union msg_body *b)
{
	return !(b->session_set.gives & ~SAYS_ENGINE);
}

static bool check_spi_used(const union msg_body *b)
{
	return b->spi_used.used <= 1 && spi_slot(b->spi_used.spi);
}

static bool check_verdict(const union msg_body *b)
{
	const struct msg_verdict *m = &b->verdict;

	return m->verdict >= VERDICT_OK && m->verdict <= VERDICT_OWN_EAP && m->interface < CONF_INTERFACES &&
	       eap_ok(&m->eap, m->verdict == VERDICT_EAP, EAP_REQUEST) &&
	       m->may_choose <= 1 && m->mppe_keys <= 1 && conf_is_mask(m->mask) && ENDS(m->reason) && ENDS(m->user) && ENDS(m->realm) &&
	       ENDS(m->message) && ENDS(m->filter) && radius_routes_ok(m->route, m->n_routes);
}

static bool check_session(const union msg_body *b)
{
	return ENDS(b->session.reason);
}

static bool check_session_tun(const union msg_body *b)
{
	return ENDS(b->session_tun.ifname);
}

static bool check_tun_add(const union msg_body *b)
{
	return b->tun_add.unit < 1000000 && b->tun_add.mtu >= 68 && conf_is_mask(b->tun_add.mask) && ENDS(b->tun_add.alias) &&
	       radius_routes_ok(b->tun_add.route, b->tun_add.n_routes);
}

static bool check_tun_done(const union msg_body *b)
{
	return b->tun_done.err <= 0 && b->tun_done.err >= -4095 && ENDS(b->tun_done.ifname);
}

static bool shared_ok(uint32_t interface, uint32_t engine)
{
	return interface < CONF_INTERFACES && engine < CONF_ENGINES_MAX;
}

static bool check_shared(const union msg_body *b)
{
	return shared_ok(b->shared.interface, b->shared.engine);
}

static bool check_shared_done(const union msg_body *b)
{
	return shared_ok(b->shared_done.interface, b->shared_done.engine) && b->shared_done.err <= 0 &&
	       b->shared_done.err >= -4095;
}

static bool check_route(const union msg_body *b)
{
	return shared_ok(b->route.interface, b->route.engine) && b->route.err <= 0 && b->route.err >= -4095 &&
	       b->route.mtu >= 68 && conf_is_mask(b->route.mask) && radius_routes_ok(b->route.route, b->route.n_routes);
}

static bool check_tun_del(const union msg_body *b)
{
	return b->tun_del.unit < 1000000;
}

static bool check_stats(const union msg_body *b)
{
	if (b->stats.n > STATS_MAX)
		return false;
	for (uint32_t i = 0; i < b->stats.n; i++)
		if (!ENDS(b->stats.c[i].name))
			return false;
	return true;
}

static bool check_filter(const union msg_body *b)
{
	const struct msg_filter *m = &b->filter;

	return m->mask && conf_is_mask(m->mask) && !(m->net & ~m->mask) && ENDS(m->filter) && m->err <= 0 && m->err >= -4095 &&
	       (!m->filter[0] || conf_filter_name_ok(m->filter, strlen(m->filter)));
}

static bool check_session_filter(const union msg_body *b)
{
	return ENDS(b->session_filter.filter);
}

static bool check_ctl_req(const union msg_body *b)
{
	return b->ctl_req.version == CTL_VERSION;
}

static bool check_ctl_row(const union msg_body *b)
{
	const struct sess_row *r = &b->ctl_row.row;

	return ENDS(r->user) && ENDS(r->realm) && ENDS(r->ifname) && ENDS(r->host_name) && ENDS(r->filter) &&
	       addr_ok(&r->peer) && radius_routes_ok(r->route, r->n_routes);
}

static bool check_ctl_counter(const union msg_body *b)
{
	return ENDS(b->ctl_counter.process) && ENDS(b->ctl_counter.c.name);
}

static bool check_ctl_end(const union msg_body *b)
{
	return b->ctl_end.err <= 0 && b->ctl_end.err >= -4095 && ENDS(b->ctl_end.text);
}

/* A line of printable ASCII: what an unprivileged process has root write to the log. */
static bool line_ok(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!s[i])
			return true;
		if (s[i] < 0x20 || s[i] > 0x7e)
			return false;
	}
	return false;
}

static bool check_apply(const union msg_body *b)
{
	return b->apply.phase >= APPLY_CONF && b->apply.phase <= APPLY_DONE;
}

static bool check_applied(const union msg_body *b)
{
	return b->applied.phase >= APPLY_CONF && b->applied.phase <= APPLY_DONE && b->applied.err <= 0 &&
	       b->applied.err >= -4095 && line_ok(b->applied.text, sizeof(b->applied.text));
}

static bool check_line(const union msg_body *b)
{
	return b->line.diag <= 1 && ENDS(b->line.text);
}

static bool check_note(const union msg_body *b)
{
	return line_ok(b->note.text, sizeof(b->note.text));
}

static bool check_user_check(const union msg_body *b)
{
	return b->user_check.auth < CONF_AUTHS && ENDS(b->user_check.user);
}

static bool check_user_checked(const union msg_body *b)
{
	return b->user_checked.gone <= USER_HAS_EXPIRED;
}

static bool check_alarm(const union msg_body *b)
{
	return b->alarm.auth < CONF_AUTHS && line_ok(b->alarm.text, sizeof(b->alarm.text));
}

static bool check_mark(const union msg_body *b)
{
	return mark_is_ours(b->mark.mark) && (b->mark.mask & MARK_MASK_ENGINE) == MARK_MASK_ENGINE &&
	       addr_ok(&b->mark.at) && b->mark.err <= 0 && b->mark.err >= -4095;
}

#define BODY(m) sizeof(((union msg_body *)0)->m)

static const struct msg_rule {
	const char *name;
	unsigned from, to;		/* bits of roles */
	uint32_t size;			/* of the body, exactly */
	enum fd_rule fd;
	bool (*check)(const union msg_body *);
} rules[MSG_TYPES] = {
	[MSG_CONF] = { "CONF", R(PARENT), CHILDREN, BODY(conf), NO_FD, check_conf },
	[MSG_SOCK] = { "SOCK", R(PARENT), R(ENGINE) | R(IKED) | R(RADIUS), BODY(sock), WITH_FD, check_sock },
	[MSG_PEER] = { "PEER", R(PARENT), CHILDREN, BODY(peer), WITH_FD, check_peer },
	[MSG_TABLE] = { "TABLE", R(PARENT), R(ENGINE) | R(MANAGER), BODY(table), WITH_FD, check_table },
	[MSG_USERS] = { "USERS", R(PARENT), R(AUTH), BODY(users), WITH_FD, check_users },
	[MSG_LISTEN] = { "LISTEN", R(PARENT), R(MANAGER), 0, WITH_FD, NULL },
	[MSG_START] = { "START", R(PARENT), CHILDREN, 0, NO_FD, NULL },
	[MSG_READY] = { "READY", CHILDREN, R(PARENT), 0, NO_FD, NULL },
	[MSG_SHUTDOWN] = { "SHUTDOWN", R(PARENT), CHILDREN, 0, NO_FD, NULL },

	[MSG_PING] = { "PING", R(PARENT), CHILDREN, 0, NO_FD, NULL },
	[MSG_PONG] = { "PONG", CHILDREN, R(PARENT), 0, NO_FD, NULL },

	[MSG_SPI_NEW] = { "SPI_NEW", R(IKED), R(ENGINE), BODY(spi_new), NO_FD, check_spi_new },
	[MSG_SA_ADD] = { "SA_ADD", R(IKED), R(ENGINE), BODY(sa_add), NO_FD, check_sa_add },
	[MSG_SA_MOVE] = { "SA_MOVE", R(IKED), R(ENGINE), BODY(sa_move), NO_FD, check_sa_move },
	[MSG_SA_DEL] = { "SA_DEL", R(IKED), R(ENGINE), BODY(sa_del), NO_FD, check_sa_del },
	[MSG_FLOW_END] = { "FLOW_END", R(IKED), R(ENGINE), BODY(flow), NO_FD, NULL },

	[MSG_SA_EXPIRED] = { "SA_EXPIRED", R(ENGINE), R(IKED), BODY(sa_expired), NO_FD, NULL },
	[MSG_SA_USE] = { "SA_USE", R(ENGINE), R(IKED), BODY(sa_use), NO_FD, NULL },
	[MSG_SA_MOVED] = { "SA_MOVED", R(ENGINE), R(IKED), BODY(sa_move), NO_FD, check_sa_move },
	[MSG_FLOW_KILL] = { "FLOW_KILL", R(ENGINE), R(IKED), BODY(flow), NO_FD, NULL },
	[MSG_FLOW_JOIN] = { "FLOW_JOIN", R(ENGINE), R(IKED), BODY(flow_join), NO_FD, NULL },
	[MSG_STRAY] = { "STRAY", R(ENGINE), R(IKED), BODY(stray), NO_FD, check_stray },

	[MSG_SPI_USED] = { "SPI_USED", R(ENGINE), R(IKED), BODY(spi_used), NO_FD, check_spi_used },
	[MSG_SYNC] = { "SYNC", R(ENGINE), R(MANAGER) | R(IKED), 0, NO_FD, NULL },

	[MSG_JUDGE] = { "JUDGE", R(MANAGER), R(AUTH), BODY(judge), NO_FD, check_judge },
	[MSG_JUDGED] = { "JUDGED", R(AUTH), R(MANAGER), BODY(judged), NO_FD, check_judged },

	[MSG_AUTH_REQ] = { "AUTH_REQ", R(ENGINE), R(MANAGER), BODY(auth_req), NO_FD, check_auth_req },
	[MSG_SESSION_UP] = { "SESSION_UP", R(ENGINE), R(MANAGER), BODY(session), NO_FD, check_session },
	[MSG_SESSION_DOWN] = { "SESSION_DOWN", R(ENGINE), R(MANAGER), BODY(session), NO_FD, check_session },
	[MSG_VERDICT] = { "VERDICT", R(MANAGER), R(ENGINE), BODY(verdict), NO_FD, check_verdict },
	[MSG_SESSION_TUN] = { "SESSION_TUN", R(MANAGER), R(ENGINE), BODY(session_tun), WITH_FD, check_session_tun },
	[MSG_SESSION_KILL] = { "SESSION_KILL", R(MANAGER), R(ENGINE), BODY(session), NO_FD, check_session },

	[MSG_TUN_ADD] = { "TUN_ADD", R(MANAGER), R(NETD), BODY(tun_add), NO_FD, check_tun_add },
	[MSG_TUN_DONE] = { "TUN_DONE", R(NETD), R(MANAGER), BODY(tun_done), MAY_FD, check_tun_done },
	[MSG_TUN_DEL] = { "TUN_DEL", R(MANAGER), R(NETD), BODY(tun_del), NO_FD, check_tun_del },

	[MSG_TUN_KEEP] = { "TUN_KEEP", R(MANAGER), R(NETD), BODY(tun_del), NO_FD, check_tun_del },
	[MSG_TUN_SYNC] = { "TUN_SYNC", R(MANAGER), R(NETD), 0, NO_FD, NULL },

	[MSG_STATS_REQ] = { "STATS_REQ", R(MANAGER), R(ENGINE) | R(AUTH) | R(IKED) | R(NETD) | R(RADIUS), 0, NO_FD, NULL },
	[MSG_STATS] = { "STATS", R(ENGINE) | R(AUTH) | R(IKED) | R(NETD) | R(RADIUS), R(MANAGER), BODY(stats), NO_FD, check_stats },

	[MSG_CTL_LIST] = { "CTL_LIST", R(CTL), R(MANAGER), BODY(ctl_req), NO_FD, check_ctl_req },
	[MSG_CTL_CLEAR] = { "CTL_CLEAR", R(CTL), R(MANAGER), BODY(ctl_req), NO_FD, check_ctl_req },
	[MSG_CTL_STATUS] = { "CTL_STATUS", R(CTL), R(MANAGER), BODY(ctl_req), NO_FD, check_ctl_req },
	[MSG_CTL_ROW] = { "CTL_ROW", R(MANAGER), R(CTL), BODY(ctl_row), NO_FD, check_ctl_row },
	[MSG_CTL_COUNTER] = { "CTL_COUNTER", R(MANAGER), R(CTL), BODY(ctl_counter), NO_FD, check_ctl_counter },
	[MSG_CTL_END] = { "CTL_END", R(MANAGER), R(CTL), BODY(ctl_end), NO_FD, check_ctl_end },

	[MSG_SHARED_ADD] = { "SHARED_ADD", R(MANAGER), R(NETD), BODY(shared), NO_FD, check_shared },
	[MSG_ROUTE_ADD] = { "ROUTE_ADD", R(MANAGER), R(NETD), BODY(route), NO_FD, check_route },
	[MSG_ROUTE_DEL] = { "ROUTE_DEL", R(MANAGER), R(NETD), BODY(route), NO_FD, check_route },
	[MSG_SHARED_DONE] = { "SHARED_DONE", R(NETD), R(MANAGER), BODY(shared_done), MAY_FD, check_shared_done },
	[MSG_ROUTE_DONE] = { "ROUTE_DONE", R(NETD), R(MANAGER), BODY(route), NO_FD, check_route },
	[MSG_SHARED_TUN] = { "SHARED_TUN", R(MANAGER), R(ENGINE), BODY(shared), WITH_FD, check_shared },
	[MSG_SESSION_ROUTE] = { "SESSION_ROUTE", R(MANAGER), R(ENGINE), BODY(session), NO_FD, check_session },

	[MSG_ADDR_WANT] = { "ADDR_WANT", R(ENGINE), R(MANAGER), BODY(addr), NO_FD, NULL },
	[MSG_ADDR] = { "ADDR", R(MANAGER), R(ENGINE), BODY(addr), NO_FD, NULL },
	[MSG_CTL_RELOAD] = { "CTL_RELOAD", R(CTL), R(MANAGER), BODY(ctl_req), NO_FD, check_ctl_req },
	[MSG_CTL_LINE] = { "CTL_LINE", R(MANAGER), R(CTL), BODY(line), NO_FD, check_line },
	[MSG_RELOAD] = { "RELOAD", R(MANAGER), R(PARENT), 0, NO_FD, NULL },
	[MSG_RELOAD_LINE] = { "RELOAD_LINE", R(PARENT), R(MANAGER), BODY(line), NO_FD, check_line },
	[MSG_RELOAD_END] = { "RELOAD_END", R(PARENT), R(MANAGER), BODY(ctl_end), NO_FD, check_ctl_end },
	[MSG_APPLY] = { "APPLY", R(PARENT), CHILDREN, BODY(apply), NO_FD, check_apply },
	[MSG_APPLIED] = { "APPLIED", CHILDREN, R(PARENT), BODY(applied), NO_FD, check_applied },
	[MSG_APPLY_NOTE] = { "APPLY_NOTE", R(MANAGER) | R(AUTH), R(PARENT), BODY(note), NO_FD, check_note },
	[MSG_USER_CHECK] = { "USER_CHECK", R(MANAGER), R(AUTH), BODY(user_check), NO_FD, check_user_check },
	[MSG_USER_CHECKED] = { "USER_CHECKED", R(AUTH), R(MANAGER), BODY(user_checked), NO_FD, check_user_checked },
	[MSG_RADIUS_ASK] = { "RADIUS_ASK", R(AUTH), R(RADIUS), BODY(radius_ask), NO_FD, check_radius_ask },
	[MSG_RADIUS_SAID] = { "RADIUS_SAID", R(RADIUS), R(AUTH), BODY(radius_said), NO_FD, check_radius_said },
	[MSG_SPOOL] = { "SPOOL", R(PARENT), R(MANAGER), 0, WITH_FD, NULL },
	[MSG_ACCT] = { "ACCT", R(MANAGER), R(RADIUS), BODY(acct), NO_FD, check_acct },
	[MSG_ACCT_DONE] = { "ACCT_DONE", R(RADIUS), R(MANAGER), BODY(acct_done), NO_FD, check_acct_done },

	[MSG_XAUTH_REQ] = { "XAUTH_REQ", R(IKED), R(ENGINE), BODY(xauth_req), NO_FD, check_xauth_req },
	[MSG_XAUTH_DONE] = { "XAUTH_DONE", R(ENGINE), R(IKED), BODY(xauth_done), NO_FD, check_xauth_done },
	[MSG_USERS_MISSING] = { "USERS_MISSING", R(PARENT), R(AUTH), BODY(users_missing), NO_FD, check_users_missing },
	[MSG_USERS_TAKEN] = { "USERS_TAKEN", R(AUTH), R(PARENT), BODY(users_of), NO_FD, check_users_of },
	[MSG_USERS_CHANGED] = { "USERS_CHANGED", R(AUTH), R(MANAGER), BODY(users_of), NO_FD, check_users_of },
	[MSG_ALARM] = { "ALARM", R(AUTH), R(MANAGER), BODY(alarm), NO_FD, check_alarm },
	[MSG_CTL_USERS] = { "CTL_USERS", R(CTL), R(MANAGER), BODY(ctl_req), NO_FD, check_ctl_req },
	[MSG_USERS_LOOK] = { "USERS_LOOK", R(MANAGER) | R(PARENT) | R(AUTH), R(PARENT) | R(AUTH) | R(MANAGER), 0, NO_FD, NULL },
	[MSG_MARK_SOCK] = { "MARK_SOCK", R(ENGINE), R(NETD), BODY(mark), NO_FD, check_mark },
	[MSG_MARK_FD] = { "MARK_FD", R(NETD), R(ENGINE), BODY(mark), MAY_FD, check_mark },
	[MSG_RADIUS_TLS] = { "RADIUS_TLS", R(PARENT), R(RADIUS), BODY(radius_tls), WITH_FD, check_radius_tls },
	[MSG_MARK_DEL] = { "MARK_DEL", R(ENGINE), R(NETD), BODY(mark), NO_FD, check_mark },
	[MSG_DAE] = { "DAE", R(RADIUS), R(MANAGER), BODY(dae), NO_FD, check_dae },
	[MSG_DAE_DONE] = { "DAE_DONE", R(MANAGER), R(RADIUS), BODY(dae_done), NO_FD, check_dae_done },
	[MSG_SESSION_SET] = { "SESSION_SET", R(MANAGER), R(ENGINE), BODY(session_set), NO_FD, check_session_set },
	[MSG_MARK_GONE] = { "MARK_GONE", R(NETD), R(ENGINE), BODY(mark), NO_FD, check_mark },
	[MSG_FILTER_SET] = { "FILTER_SET", R(MANAGER), R(NETD), BODY(filter), NO_FD, check_filter },
	[MSG_FILTER_DONE] = { "FILTER_DONE", R(NETD), R(MANAGER), BODY(filter), NO_FD, check_filter },
	[MSG_SESSION_FILTER] = { "SESSION_FILTER", R(MANAGER), R(ENGINE), BODY(session_filter), NO_FD, check_session_filter },
};

static const char *const role_names[ROLES] = {
	[ROLE_NONE] = "none", [ROLE_PARENT] = "parent", [ROLE_NETD] = "netd", [ROLE_ENGINE] = "engine",
	[ROLE_MANAGER] = "manager", [ROLE_AUTH] = "auth", [ROLE_IKED] = "iked", [ROLE_RADIUS] = "radius", [ROLE_CTL] = "ctl",
};

/* What goes over the socket before the body. */
struct wire {
	uint32_t type;
	uint32_t len;
};

/* A message that waits. */
struct queued {
	struct list link;
	int fd;
	struct wire w;
	uint8_t body[];
};

void shared_ifname(const struct conf_interface *i, unsigned engine, char ret[static CONF_IFNAME_MAX])
{
	/* 999999 and 31 are the greatest: it fits. */
	if (engine)
		snprintf(ret, CONF_IFNAME_MAX, "%.12s-%u", i->name, engine % CONF_ENGINES_MAX);
	else
		(void)str_copy(ret, CONF_IFNAME_MAX, i->name);
}

const char *role_name(enum role r)
{
	return (unsigned)r < ROLES ? role_names[r] : "?";
}

const char *msg_name(uint32_t type)
{
	return type < MSG_TYPES && rules[type].name ? rules[type].name : "?";
}

static bool rule_ok(enum role from, enum role to, uint32_t type, size_t len, bool has_fd)
{
	const struct msg_rule *r;

	if (type >= MSG_TYPES || !rules[type].name)
		return false;
	r = &rules[type];
	return (r->from & 1u << from) && (r->to & 1u << to) && len == r->size &&
	       (r->fd == MAY_FD || has_fd == (r->fd == WITH_FD));
}

bool msg_check(enum role from, enum role to, const void *data, size_t len, bool has_fd)
{
	static union msg_body b;	/* too big for a stack; copied for alignment */
	struct wire w;

	if (len < sizeof(w))
		return false;
	memcpy(&w, data, sizeof(w));
	if (w.len != len - sizeof(w) || !rule_ok(from, to, w.type, w.len, has_fd))
		return false;
	memcpy(&b, (const uint8_t *)data + sizeof(w), w.len);
	return !rules[w.type].check || rules[w.type].check(&b);
}

void chan_init(struct chan *c, int fd, enum role self, enum role peer, uint32_t index)
{
	*c = (struct chan){ .fd = fd, .self = self, .peer = peer, .index = index };
	list_init(&c->out);
	if (fd >= 0)
		(void)!fd_setup(fd);
}

static void queued_free(struct queued *q)
{
	list_del(&q->link);
	if (q->fd >= 0)
		close(q->fd);
	explicit_bzero(q->body, q->w.len);
	free(q);
}

void chan_close(struct chan *c)
{
	LIST_EACH(&c->out, e)
		queued_free(CONTAINER_OF(e, struct queued, link));
	c->n_out = 0;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

int chan_pair(int ret_fd[static 2])
{
	static const int big = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ret_fd) < 0)
		return -errno;
	for (int i = 0; i < 2; i++)
		(void)setsockopt(ret_fd[i], SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	return 0;
}

/* 0, -EAGAIN or -EPIPE. */
static int send_now(int sock, const struct wire *w, const void *body, int fd)
{
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)w, .iov_len = sizeof(*w) },
		{ .iov_base = (void *)(uintptr_t)body, .iov_len = w->len },
	};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} c = { 0 };
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (fd >= 0) {
		h.msg_control = c.buf;
		h.msg_controllen = sizeof(c.buf);
		struct cmsghdr *cm = CMSG_FIRSTHDR(&h);

		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
	}
	do {
		n = sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM || errno == ETOOMANYREFS ? -EAGAIN : -EPIPE;
}

int chan_send(struct chan *c, enum msg_type type, const void *body, size_t len, int fd)
{
	struct wire w = { .type = type, .len = (uint32_t)len };
	struct queued *q;
	int err;

	if (c->fd < 0)
		return -EPIPE;
	if (!rule_ok(c->self, c->peer, type, len, fd >= 0))
		return -EINVAL;
	if (!c->n_out) {
		err = send_now(c->fd, &w, body, fd);
		if (err != -EAGAIN)
			return err;
	}
	if (c->n_out >= CHAN_QUEUE_MAX || !(q = malloc(sizeof(*q) + len)))
		return -ENOBUFS;
	q->fd = -1;
	if (fd >= 0 && (q->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
		free(q);
		return -ENOBUFS;
	}
	q->w = w;
	if (len)
		memcpy(q->body, body, len);
	list_push(&c->out, &q->link);
	c->n_out++;
	return 0;
}

int chan_flush(struct chan *c)
{
	LIST_EACH(&c->out, e) {
		struct queued *q = CONTAINER_OF(e, struct queued, link);
		int err = send_now(c->fd, &q->w, q->body, q->fd);

		if (err)
			return err == -EAGAIN ? 0 : err;
		queued_free(q);
		c->n_out--;
	}
	return 0;
}

int chan_recv(struct chan *c, struct msg *ret)
{
	struct wire w;
	struct iovec iov[2] = {
		{ .iov_base = &w, .iov_len = sizeof(w) },
		{ .iov_base = &ret->b, .iov_len = sizeof(ret->b) },
	};
	/* Room for more descriptors than any message has, so that extra ones are seen and closed. */
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(8 * sizeof(int))];
	} ctl;
	struct msghdr h = {
		.msg_iov = iov, .msg_iovlen = 2, .msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf),
	};
	unsigned n_fd = 0;
	ssize_t n;

	ret->fd = -1;
	if (c->fd < 0)
		return -EPIPE;
	/* A peer that ended with unread messages of ours is told once, before its own last
	 * messages: those still count. */
	do {
		n = recvmsg(c->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return errno == EAGAIN ? 0 : -EPIPE;
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(&h); cm; cm = CMSG_NXTHDR(&h, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t k = 0; k < (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int); k++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + k * sizeof(fd), sizeof(fd));
			if (n_fd++ == 0)
				ret->fd = fd;
			else
				close(fd);
		}
	}
	if (n == 0 && n_fd == 0)
		return -EPIPE;
	if (n_fd <= 1 && !(h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) && (size_t)n >= sizeof(w) &&
	    w.len == (size_t)n - sizeof(w) && rule_ok(c->peer, c->self, w.type, w.len, n_fd > 0) &&
	    (!rules[w.type].check || rules[w.type].check(&ret->b))) {
		ret->type = w.type;
		ret->len = w.len;
		return 1;
	}
	if (ret->fd >= 0)
		close(ret->fd);
	ret->fd = -1;
	return -EBADMSG;
}

void row_write_begin(struct sess_row *row)
{
	__atomic_store_n(&row->seq, row->seq + 1, __ATOMIC_RELAXED);
	atomic_thread_fence(memory_order_release);
}

void row_write_end(struct sess_row *row)
{
	__atomic_store_n(&row->seq, row->seq + 1, __ATOMIC_RELEASE);
}

bool row_read(const struct sess_row *row, struct sess_row *ret)
{
	for (int tries = 0; tries < 100; tries++) {
		uint32_t seq = __atomic_load_n(&row->seq, __ATOMIC_ACQUIRE);

		if (seq & 1)
			continue;
		memcpy(ret, row, sizeof(*ret));
		atomic_thread_fence(memory_order_acquire);
		if (__atomic_load_n(&row->seq, __ATOMIC_RELAXED) == seq) {
			/* The writer is another process: its strings end where we say. */
			ret->user[sizeof(ret->user) - 1] = '\0';
			ret->realm[sizeof(ret->realm) - 1] = '\0';
			ret->ifname[sizeof(ret->ifname) - 1] = '\0';
			ret->host_name[sizeof(ret->host_name) - 1] = '\0';
			ret->filter[sizeof(ret->filter) - 1] = '\0';
			return ret->state != ROW_FREE;
		}
	}
	return false;
}
