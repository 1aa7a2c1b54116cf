/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way of a login: what the L2TP and PPP cores want done, done.
 *
 * A core is called, returns, and only then are its effects applied; applying
 * one may call the other core.  Nothing here keeps a pointer to a session over
 * a call that may end it: sessions are found again by their ids.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/dump.h"
#include "l2tpd/engine.h"
#include "l2tpd/msg.h"
#include "ppp/proxy.h"

enum { EAP_WAIT_MAX_S = 120 };		/* what a RADIUS server may want a peer waited for */

static void ppp_effects(struct sess *, struct ppp_out *, uint64_t now);

/* ---- sessions ---- */
static struct list *call_bucket(struct engine *e, uint16_t tunnel_id, uint16_t session_id)
{
	/* Ids of tunnels are one engine's, and random; those of sessions are one tunnel's. */
	return &e->by_call[(tunnel_id * 31u + session_id) % ENGINE_BUCKETS];
}

void call_join(struct sess *s)
{
	list_push(&s->flow->sessions, &s->link);
	list_push(call_bucket(s->flow->e, s->tunnel_id, s->session_id), &s->by_call);
}

struct sess *call_find(struct flow *f, uint16_t tunnel_id, uint16_t session_id)
{
	LIST_EACH(call_bucket(f->e, tunnel_id, session_id), i) {
		struct sess *s = CONTAINER_OF(i, struct sess, by_call);

		if (s->session_id == session_id && s->tunnel_id == tunnel_id && s->flow == f)
			return s;
	}
	return NULL;
}

static const char *host_name(const struct l2tp_flow *l, uint16_t tunnel)
{
	const struct l2tp_tunnel *t = l2tp_flow_tunnel(l, tunnel);

	return t ? t->host_name : "";
}

static struct sess *sess_of(struct engine *e, const struct sid *sid)
{
	struct sess *s = sid->slot < e->n_rows ? e->by_slot[sid->slot] : NULL;

	return s && s->sid.gen == sid->gen ? s : NULL;
}

/* IP packets that passed, either way. */
static uint64_t packets(const struct sess *s)
{
	return s->row->in_packets + s->row->out_packets;
}

/* NULL, or why its time is over; once. */
static const char *over(struct sess *s, uint64_t now)
{
	if (idle_over(&s->idle, packets(s), now))
		return "Idle timeout";
	if (now < s->ends_ms)
		return NULL;
	s->ends_ms = PPP_NEVER;
	return "Session timeout";
}

static void sess_timer(evutil_socket_t fd, short what, void *arg)
{
	struct sess *s = arg;
	struct engine *e = s->flow->e;
	struct ppp_out out;
	uint64_t now = now_ms();
	const char *why;

	s->timer_at = PPP_NEVER;
	ppp_out_init(&out);
	if (!s->xauth)
		ppp_expire(&s->ppp, now, &out);
	why = over(s, now);
	if (s->xauth) {
		if (why)
			flow_kill(s->flow, why);
		else
			call_arm(s, now);
	} else {
		if (why)
			ppp_close(&s->ppp, why, now, &out);
		ppp_effects(s, &out, now);
	}
	data_flush(e);
}

/* Set an event to a core's deadline; at holds what it is set to. */
static void arm(struct event *ev, uint64_t *at, uint64_t deadline, uint64_t now)
{
	struct timeval tv;
	uint64_t wait;

	if (deadline == *at)
		return;
	*at = deadline;
	if (deadline == UINT64_MAX) {
		event_del(ev);
		return;
	}
	wait = deadline > now ? deadline - now : 0;
	tv = (struct timeval){ .tv_sec = (time_t)(wait / 1000), .tv_usec = (suseconds_t)(wait % 1000 * 1000) };
	event_add(ev, &tv);
}

void call_arm(struct sess *s, uint64_t now)
{
	uint64_t ppp = s->xauth ? PPP_NEVER : ppp_deadline(&s->ppp);

	arm(s->timer, &s->timer_at, MIN(MIN(ppp, s->idle.due_ms), s->ends_ms), now);
}

static void send_control(struct flow *f, const struct l2tp_effect *eff)
{
	call_dump_l2tp(f, false, rd_of(eff->data, eff->len));
	data_send_l2tp(f, eff->port, eff->data, eff->len);
}

void flow_arm(struct flow *f, uint64_t now)
{
	arm(f->timer, &f->timer_at, MIN(l2tp_flow_deadline(&f->l2tp), lin_deadline(&f->lin)), now);
}

/* What the L2TP core wants sent, and nothing else of its effects. */
static void send_only(struct flow *f, const struct l2tp_out *out)
{
	for (unsigned i = 0; i < out->n; i++)
		if (out->eff[i].type == L2TP_EFF_SEND)
			send_control(f, &out->eff[i]);
}

static void eap_drop(struct sess *s)
{
	if (s->eap)
		explicit_bzero(s->eap, sizeof(*s->eap));
	free(s->eap);
	s->eap = NULL;
}

void call_free(struct sess *s, const char *reason)
{
	static struct log_rate rate;
	struct engine *e = s->flow->e;
	struct acct_count count;

	data_tun_close(s);
	if (s->up)
		log_notice("session down user=\"%s\" ppp_id=%u %s duration_s=%llu in_bytes=%llu in_packets=%llu "
			"out_bytes=%llu out_packets=%llu reason=\"%s\"", s->user, s->row->ppp_id, s->flow->tag,
			(unsigned long long)(now_ms() - s->start_ms) / 1000,
			(unsigned long long)s->row->in_bytes, (unsigned long long)s->row->in_packets,
			(unsigned long long)s->row->out_bytes, (unsigned long long)s->row->out_packets, reason);
	else if (log_rate_ok(&rate, now_ms()))
		log_info("%s tun=%u call=%u session ended reason=\"%s\"", s->flow->tag, s->tunnel_id,
			s->session_id, reason);
	count.time_s = s->up ? (uint32_t)((now_ms() - s->row->start_mono_ms) / 1000) : 0;
	count.in_bytes = s->row->in_bytes;
	count.in_packets = s->row->in_packets;
	count.out_bytes = s->row->out_bytes;
	count.out_packets = s->row->out_packets;
	row_write_begin(s->row);
	memset((uint8_t *)s->row + sizeof(s->row->seq), 0, sizeof(*s->row) - sizeof(s->row->seq));
	row_write_end(s->row);
	if (s->known || s->asking) {
		struct msg_session m = { .sid = s->sid, .count = count };

		str_copy(m.reason, sizeof(m.reason), reason);
		peer_send(&e->manager, MSG_SESSION_DOWN, &m, sizeof(m), -1);
	}
	lin_session_gone(&s->flow->lin, s->tunnel_id, s->session_id);
	e->by_slot[s->sid.slot] = NULL;
	e->n_sessions--;
	list_del(&s->link);
	list_del(&s->by_call);
	event_free(s->timer);
	mppe_free(s->mppe);
	ppp_free(&s->ppp);
	tunnel_conf_put(s->conf);
	if (s->xauth)
		s->flow->xauth = NULL;
	if (s->login)
		explicit_bzero(s->login, sizeof(*s->login));
	free(s->login);
	eap_drop(s);
	explicit_bzero(&s->ppp, sizeof(s->ppp));
	free(s);
}

/* A free row, or e->n_rows. */
static uint32_t slot_take(struct engine *e)
{
	for (uint32_t i = 0; i < e->n_rows; i++) {
		uint32_t slot = (e->next_slot + i) % e->n_rows;

		if (!e->by_slot[slot]) {
			e->next_slot = slot + 1;
			return slot;
		}
	}
	return e->n_rows;
}

/* RFC 3145: what the end of a link was, for the other end of the tunnel. */
static struct l2tp_cause cause_of(const char *reason)
{
	static const struct {
		const char *reason;		/* how it begins */
		enum l2tp_cause_code code;
		uint16_t proto;
		enum l2tp_cause_direction direction;
	} causes[] = {
		{ "terminated by the peer", L2TP_CAUSE_NORMAL, PPP_LCP, L2TP_CAUSE_AT_PEER },
		{ "no answer to LCP", L2TP_CAUSE_NO_LCP, PPP_LCP, L2TP_CAUSE_GLOBAL },
		{ "LCP takes too long", L2TP_CAUSE_LCP, PPP_LCP, L2TP_CAUSE_GLOBAL },
		{ "options do not converge", L2TP_CAUSE_LCP, PPP_LCP, L2TP_CAUSE_GLOBAL },
		{ "the link is looped back", L2TP_CAUSE_LOOP, PPP_LCP, L2TP_CAUSE_GLOBAL },
		{ "keepalive", L2TP_CAUSE_ECHO, PPP_LCP, L2TP_CAUSE_AT_PEER },
		{ "no authentication in time", L2TP_CAUSE_AUTH_TIMEOUT, 0, L2TP_CAUSE_AT_PEER },
		{ "no common authentication method", L2TP_CAUSE_NO_AUTH, 0, L2TP_CAUSE_AT_PEER },
		{ "the peer will not authenticate itself", L2TP_CAUSE_NO_AUTH, 0, L2TP_CAUSE_AT_PEER },
		{ "the peer rejects the authentication protocol", L2TP_CAUSE_NO_AUTH, 0, L2TP_CAUSE_AT_PEER },
		{ "authentication failed", L2TP_CAUSE_AUTH_FAILED, 0, L2TP_CAUSE_AT_PEER },
		{ "wrong", L2TP_CAUSE_AUTH_FAILED, 0, L2TP_CAUSE_AT_PEER },
		{ "no answer to IPCP", L2TP_CAUSE_NCP_TIMEOUT, PPP_IPCP, L2TP_CAUSE_GLOBAL },
		{ "IPCP takes too long", L2TP_CAUSE_NCP_TIMEOUT, PPP_IPCP, L2TP_CAUSE_GLOBAL },
		{ "the peer rejects IP", L2TP_CAUSE_NO_NCP, PPP_IPCP, L2TP_CAUSE_AT_PEER },
		{ "no address to give", L2TP_CAUSE_NO_ADDRESS, PPP_IPCP, L2TP_CAUSE_AT_LOCAL },
		{ "the LAC's LCP will not do", L2TP_CAUSE_NO_RENEGOTIATION, PPP_LCP, L2TP_CAUSE_AT_LOCAL },
		{ "Idle timeout", L2TP_CAUSE_NORMAL, PPP_LCP, L2TP_CAUSE_AT_LOCAL },
		{ "Session timeout", L2TP_CAUSE_NORMAL, PPP_LCP, L2TP_CAUSE_AT_LOCAL },
	};
	struct l2tp_cause c = { .text = rd_of(reason, strlen(reason)) };

	for (size_t i = 0; i < N_ELEMENTS(causes); i++) {
		if (strncmp(reason, causes[i].reason, strlen(causes[i].reason)) != 0)
			continue;
		c.code = (uint16_t)causes[i].code;
		c.proto = causes[i].proto;
		c.direction = (uint8_t)causes[i].direction;
		break;
	}
	return c;
}

/* A call that cannot be served: it never had a session. */
static void refuse_call(struct flow *f, const struct l2tp_effect *eff, enum l2tp_cdn_result result,
	const struct l2tp_cause *cause, uint64_t now)
{
	struct l2tp_out lo;

	f->e->count.calls_refused++;
	l2tp_out_init(&lo);
	l2tp_session_close_cause(&f->l2tp, eff->tunnel, eff->session, result, L2TP_ERR_NONE, cause, now, &lo);
	send_only(f, &lo);
}

/* Did somebody else negotiate for the peer (RFC 2661 4.4.5)? */
static bool is_dialin(const struct l2tp_effect *eff)
{
	return eff->call && (eff->call->proxy_lcp || eff->call->proxy_type != L2TP_PROXY_NONE_SAID);
}

static bool may_dial_in(struct flow *f, const struct l2tp_effect *eff, uint64_t now)
{
	static struct log_rate rate;

	if (!is_dialin(eff) || f->e->tunnel_conf[f->tunnel]->accept_dialin)
		return true;
	if (log_rate_ok(&rate, now))
		log_warn("%s a call that an access concentrator negotiated is refused; to accept such calls: "
			"l2tp-accept-dialin yes", f->tag);
	refuse_call(f, eff, L2TP_CDN_ADMIN, NULL, now);
	return false;
}

/* PPP begins, where the LAC left off if that will do. */
static void ppp_begin(struct sess *s, const struct l2tp_effect *eff, uint64_t now, struct ppp_out *out)
{
	const struct l2tp_call *c = eff->call;
	struct ppp_proxy x;

	if (is_dialin(eff) && !s->conf->force_lcp_renegotiation) {
		x = (struct ppp_proxy){
			.sent = c->last_sent_lcp, .received = c->last_received_lcp, .ident = c->proxy_id,
			.name = c->proxy_name, .challenge = c->proxy_challenge, .response = c->proxy_response,
		};
		if (c->proxy_type == L2TP_PROXY_CHAP)
			x.methods = PPP_AUTH_CHAP_MD5 | PPP_AUTH_MSCHAPV2;
		else if (c->proxy_type == L2TP_PROXY_PAP)
			x.methods = PPP_AUTH_PAP;
		if (c->proxy_lcp && ppp_start_proxy(&s->ppp, &x, now, out))
			return;
		if (!s->conf->lcp_renegotiation) {
			ppp_lower_down(&s->ppp, "the LAC's LCP will not do", now, out);
			return;
		}
	}
	ppp_start(&s->ppp, now, out);
}

struct sess *call_new(struct flow *f, uint64_t now)
{
	struct engine *e = f->e;
	uint32_t slot = slot_take(e);
	struct sess *s = slot < e->n_rows ? calloc(1, sizeof(*s)) : NULL;

	if (!s || !(s->timer = evtimer_new(e->base, sess_timer, s))) {
		static struct log_rate rate;

		free(s);
		if (log_rate_ok(&rate, now))
			log_warn("%s no room for another session", f->tag);
		return NULL;
	}
	s->flow = f;
	s->conf = tunnel_conf_get(e->tunnel_conf[f->tunnel]);
	s->sid = (struct sid){ .slot = slot, .gen = ++e->next_gen };
	s->timer_at = PPP_NEVER;
	idle_start(&s->idle, 0, 0, now);
	s->ends_ms = PPP_NEVER;
	list_init(&s->link);
	list_init(&s->by_call);
	data_sess_init(s);
	s->row = &e->rows[slot];
	s->start_ms = now;
	e->by_slot[slot] = s;
	e->n_sessions++;
	return s;
}

void call_row(struct sess *s)
{
	row_write_begin(s->row);
	s->row->state = ROW_LOGIN;
	s->row->sid = s->sid;
	s->row->tunnel_id = s->tunnel_id;
	s->row->session_id = s->session_id;
	s->row->xauth = s->xauth;
	s->row->lineage = *flow_lineage(s->flow);
	s->row->tunnel = (uint8_t)s->flow->tunnel;
	s->row->start_mono_ms = s->start_ms;
	row_write_end(s->row);
}

/* A call came up: PPP starts at once, so that the peer's first LCP frame is answered. */
static void sess_new(struct flow *f, const struct l2tp_effect *eff, uint64_t now)
{
	unsigned unjudged = 0;
	struct ppp_out out;
	struct rng seed;
	struct sess *s;

	if (f->conf->removed || !may_dial_in(f, eff, now)) {
		if (f->conf->removed)
			refuse_call(f, eff, L2TP_CDN_NO_FACILITIES, NULL, now);
		return;
	}
	/* Who has the shared secret but no password gets no more than a few rows at a time. */
	LIST_EACH(&f->sessions, i)
		unjudged += !CONTAINER_OF(i, struct sess, link)->known;
	if (unjudged >= f->conf->l2tp.max_half_open) {
		static struct log_rate rate;

		if (log_rate_ok(&rate, now))
			log_warn("%s too many logins at once", f->tag);
	}
	s = unjudged < f->conf->l2tp.max_half_open ? call_new(f, now) : NULL;
	if (!s) {
		refuse_call(f, eff, L2TP_CDN_NO_FACILITIES, NULL, now);
		return;
	}
	s->tunnel_id = eff->tunnel;
	s->session_id = eff->session;
	s->peer_tunnel_id = eff->peer_tunnel;
	s->peer_session_id = eff->peer_session;
	s->port = eff->port;
	s->seq.out = s->conf->data_use_seq || (eff->call && eff->call->sequencing);
	call_join(s);
	data_head(s);
	call_row(s);

	rng_init(&seed);
	ppp_out_init(&out);
	ppp_init(&s->ppp, &s->conf->ppp, &seed);
	ppp_begin(s, eff, now, &out);
	ppp_effects(s, &out, now);
}

/* ---- PPP ---- */

/* debug-dump-pktin, -pktout */
static void dump(struct log_rate *rate, const struct sess *s, unsigned wanted, const char *way, struct rd frame)
{
	char text[DUMP_TEXT_MAX];

	if (!(wanted & dump_kind(frame)) || !log_rate_ok(rate, now_ms()))
		return;
	dump_text(frame, text);
	log_info("%s tun=%u call=%u %s %s", s->flow->tag, s->tunnel_id, s->session_id, way, text);
}

static void dump_in(const struct sess *s, struct rd frame)
{
	static struct log_rate rate;

	dump(&rate, s, s->flow->e->conf.tunnel[s->flow->tunnel].dump_in, "received", frame);
}

static void dump_out(const struct sess *s, struct rd frame)
{
	static struct log_rate rate;

	dump(&rate, s, s->flow->e->conf.tunnel[s->flow->tunnel].dump_out, "sent", frame);
}

void call_dump(const struct sess *s, bool in, uint16_t proto, const uint8_t *p, size_t n)
{
	uint8_t frame[2 + PPP_FRAME_MAX];
	struct wr w = wr_of(frame, sizeof(frame));

	wr_u16(&w, proto);
	wr_bytes(&w, p, MIN(n, (size_t)PPP_FRAME_MAX));
	if (in)
		dump_in(s, rd_of(frame, w.len));
	else
		dump_out(s, rd_of(frame, w.len));
}

void call_dump_l2tp(const struct flow *f, bool in, struct rd msg)
{
	static struct log_rate rates[2][2];
	const struct conf_tunnel *t = &f->e->conf.tunnel[f->tunnel];
	const bool ctrl = l2tp_is_control(msg);
	char text[DUMP_TEXT_MAX];

	if (!(ctrl ? in ? t->l2tp_ctrl_in_pktdump : t->l2tp_ctrl_out_pktdump :
		     in ? t->l2tp_data_in_pktdump : t->l2tp_data_out_pktdump) ||
	    !log_rate_ok(&rates[ctrl][in], now_ms()))
		return;
	dump_l2tp(msg, text);
	log_info("%s %s %s", f->tag, in ? "received" : "sent", text);
}

static void judge(struct sess *s, struct msg_auth_req *m)
{
	s->asking = true;
	peer_send(&s->flow->e->manager, MSG_AUTH_REQ, m, sizeof(*m), -1);
	explicit_bzero(m, sizeof(*m));
}

void call_judge(struct sess *s)
{
	const struct msg_xauth_req *r = s->login;
	struct msg_auth_req m = {
		.sid = s->sid, .serial = s->serial, .tunnel = s->flow->tunnel, .method = AUTH_XAUTH, .peer = r->peer,
		.user_len = r->user_len, .mtu = s->mtu, .response_len = r->password_len,
	};

	_Static_assert(sizeof(m.user) == sizeof(r->user) && sizeof(m.response) == sizeof(r->password), "a login fits");
	memcpy(m.user, r->user, sizeof(m.user));
	memcpy(m.response, r->password, sizeof(m.response));
	str_copy(m.ike_id, sizeof(m.ike_id), r->ike_id);
	judge(s, &m);
}

/* For people: without UDP there is no port but L2TP's inside. */
static struct addr peer_of(const struct sess *s, const struct addr *peer)
{
	struct addr a = *peer;

	if (!a.port)
		a.port = s->port;
	return a;
}

static void ask(struct sess *s)
{
	struct flow *f = s->flow;
	const struct ppp_auth_req *r = &s->ppp.req;
	const struct path *path = flow_path(f);
	const struct l2tp_session *call = l2tp_flow_session(&f->l2tp, s->tunnel_id, s->session_id);
	struct msg_auth_req m = {
		.sid = s->sid, .serial = s->serial, .tunnel = f->tunnel, .peer = path ? peer_of(s, &path->peer) : (struct addr){ 0 },
		.user_len = r->user_len, .mtu = ppp_mtu(&s->ppp),
		.ident = r->ident, .challenge_len = r->challenge_len, .response_len = r->response_len,
	};

	switch (r->method) {
	case PPP_AUTH_PAP:
		m.method = AUTH_PAP;
		break;
	case PPP_AUTH_CHAP_MD5:
		m.method = AUTH_CHAP_MD5;
		break;
	case PPP_AUTH_EAP_MD5:
		m.method = AUTH_EAP_MD5;
		break;
	case PPP_AUTH_EAP_MSCHAPV2:
		m.method = AUTH_EAP_MSCHAPV2;
		break;
	case PPP_AUTH_EAP_PASS:
		m.method = AUTH_EAP;
		/* The first one of a conversation: what was before it is over. */
		if (s->eap && s->ppp.auth.eap_round > 1)
			m.eap = *s->eap;
		m.eap.round = s->ppp.auth.eap_round - 1;
		m.eap.len = s->ppp.eap_len;
		_Static_assert(sizeof(m.eap.packet) == PPP_EAP_MAX, "all of a packet");
		memcpy(m.eap.packet, s->ppp.eap, s->ppp.eap_len);
		break;
	default:
		m.method = AUTH_MSCHAPV2;
	}
	memcpy(m.user, r->user, MIN(sizeof(m.user), sizeof(r->user)));
	memcpy(m.challenge, r->challenge, sizeof(m.challenge));
	memcpy(m.response, r->response, r->response_len);
	str_copy(m.host_name, sizeof(m.host_name), host_name(&f->l2tp, s->tunnel_id));
	str_copy(m.ike_id, sizeof(m.ike_id), f->lin.ike_id);
	_Static_assert(sizeof(m.number) == sizeof(call->number), "all of a number");
	if (call) {
		m.number_len = call->number_len;
		memcpy(m.number, call->number, call->number_len);
	}
	judge(s, &m);
}

/* When the session's time is over, which counts since it is up. RFC 2865 5.27 */
static uint64_t session_end(const struct sess *s)
{
	return s->session_timeout_s ? s->row->start_mono_ms + s->session_timeout_s * 1000ull : PPP_NEVER;
}

static uint64_t idle_ms(const struct sess *s)
{
	const struct flow *f = s->flow;

	return (s->idle_timeout_s ? s->idle_timeout_s : f->e->conf.tunnel[f->tunnel].idle_timeout_s) * 1000ull;
}

void call_up(struct sess *s)
{
	struct flow *f = s->flow;
	struct msg_session m = { .sid = s->sid };
	char ip[ADDR_STRLEN];

	if (s->up)			/* IPCP was renegotiated */
		return;
	s->up = true;
	if (!s->xauth)
		lin_session_up(&f->lin, &(struct lin_session){ s->tunnel_id, s->session_id, s->port });
	row_write_begin(s->row);
	s->row->state = ROW_UP;
	s->row->start_wall_s = time(NULL);
	s->row->start_mono_ms = now_ms();
	row_write_end(s->row);
	s->ends_ms = session_end(s);
	idle_start(&s->idle, idle_ms(s), packets(s), now_ms());
	log_notice("session up user=\"%s\" ppp_id=%u %s ip=%s mtu=%u host=\"%s\" connect_ms=%llu", s->user,
		s->row->ppp_id, f->tag, ip4_str(s->ip, ip), sess_mtu(s), s->row->host_name,
		(unsigned long long)(now_ms() - s->start_ms));
	peer_send(&f->e->manager, MSG_SESSION_UP, &m, sizeof(m), -1);
}

/* False: no memory. */
static bool mppe_on(struct sess *s)
{
	const struct ppp *p = &s->ppp;

	mppe_free(s->mppe);
	s->mppe = mppe_new(p->mppe_theirs, p->mppe_send, p->mppe_ours, p->mppe_recv);
	if (!s->mppe)
		return false;
	log_info("%s tun=%u call=%u mppe in=%s out=%s", s->flow->tag, s->tunnel_id, s->session_id,
		mppe_text(p->mppe_ours), mppe_text(p->mppe_theirs));
	return true;
}

/* LCP may agree on another one at any time. */
static void mtu_renew(struct sess *s)
{
	s->mtu = MIN(s->xauth ? (uint16_t)s->flow->e->conf.tunnel[s->flow->tunnel].mru : ppp_mtu(&s->ppp), s->mtu_max);
}

static void ppp_effects(struct sess *s, struct ppp_out *out, uint64_t now)
{
	struct flow *f = s->flow;
	struct ppp_out more;

	ppp_out_init(&more);
	mtu_renew(s);
	for (unsigned i = 0; i < out->n; i++) {
		struct ppp_effect *eff = &out->eff[i];

		switch (eff->type) {
		case PPP_EFF_SEND:
			dump_out(s, rd_of(eff->data, eff->len));
			data_send_ppp(s, eff->data, eff->len);
			break;
		case PPP_EFF_AUTH:
			s->serial++;
			ask(s);
			break;
		case PPP_EFF_ADDR: {
			struct msg_addr want = { .sid = s->sid, .ip = s->ppp.ip_wanted };

			peer_send(&f->e->manager, MSG_ADDR_WANT, &want, sizeof(want), -1);
			break;
		}
		case PPP_EFF_MPPE_ON:
			/* Nothing passes from now on until it has ended. */
			if (!mppe_on(s))
				ppp_close(&s->ppp, "out of memory", now, &more);
			break;
		case PPP_EFF_MPPE_OFF:
			mppe_free(s->mppe);
			s->mppe = NULL;
			break;
		case PPP_EFF_MPPE_FLUSH:
			if (s->mppe)
				mppe_flush(s->mppe);
			break;
		case PPP_EFF_UP:
			call_up(s);
			break;
		case PPP_EFF_DOWN:
			break;			/* ppp_may_ip() says no from now on */
		case PPP_EFF_GONE: {
			uint16_t tunnel = s->tunnel_id, session = s->session_id;
			char reason[PPP_REASON_MAX];
			struct l2tp_cause cause;
			struct l2tp_out lo;

			str_copy(reason, sizeof(reason), s->ppp.reason);
			cause = cause_of(reason);
			call_free(s, reason);
			l2tp_out_init(&lo);
			l2tp_session_close_cause(&f->l2tp, tunnel, session, L2TP_CDN_ADMIN, L2TP_ERR_NONE, &cause, now,
				&lo);
			send_only(f, &lo);
			flow_arm(f, now);
			return;			/* s is gone */
		}
		}
	}
	if (more.n) {
		ppp_effects(s, &more, now);
		return;
	}
	call_arm(s, now);
}

void call_ppp(struct sess *s, struct rd frame, uint64_t now)
{
	struct ppp_out out;

	dump_in(s, frame);
	ppp_out_init(&out);
	ppp_input(&s->ppp, frame, now, &out);
	ppp_effects(s, &out, now);
}

void call_mppe_lost(struct sess *s, uint64_t now)
{
	struct ppp_out out;

	ppp_out_init(&out);
	ppp_mppe_lost(&s->ppp, now, &out);
	ppp_effects(s, &out, now);
}

void call_row_peer(struct sess *s, const struct addr *peer)
{
	s->row->peer = peer_of(s, peer);
}

void call_verdict(struct engine *e, const struct msg_verdict *m)
{
	struct sess *s = sess_of(e, &m->sid);
	uint64_t now = now_ms();
	struct ppp_verdict v = {
		.ok = m->verdict == VERDICT_OK, .refused = m->verdict == VERDICT_REFUSE,
		.ip = m->ip, .ip_local = m->ip_local, .may_choose = m->may_choose,
	};
	struct ppp_out out;

	if (!s)				/* it ended meanwhile, and SESSION_DOWN said so */
		return;
	/* Known to the manager from its first good verdict on, even if this one comes too late
	 * for a peer that started over: the next request has another serial. */
	s->known |= m->verdict == VERDICT_OK;
	if (m->serial != s->serial)
		return;
	s->asking = false;
	if (m->verdict == VERDICT_EAP && (s->eap || (s->eap = malloc(sizeof(*s->eap))))) {
		*s->eap = m->eap;
		v.eap = PPP_EAP_NEXT;
		v.eap_packet = rd_of(m->eap.packet, m->eap.len);
		v.eap_wait_ms = MIN(m->eap.wait_s, (uint32_t)EAP_WAIT_MAX_S) * 1000u;
	} else {
		eap_drop(s);
		v.eap = m->verdict == VERDICT_OWN_EAP ? PPP_EAP_OWN : PPP_EAP_JUDGED;
	}
	memcpy(v.mschap_auth, m->mschap_auth, sizeof(v.mschap_auth));
	v.mppe_keys = m->mppe_keys;
	memcpy(v.mppe_send, m->mppe_send, sizeof(v.mppe_send));
	memcpy(v.mppe_recv, m->mppe_recv, sizeof(v.mppe_recv));
	memcpy(v.dns, m->dns, sizeof(v.dns));
	memcpy(v.nbns, m->nbns, sizeof(v.nbns));
	str_copy(v.reason, sizeof(v.reason), m->reason);
	v.mschap_error = m->mschap_error;
	str_copy(v.message, sizeof(v.message), m->message);
	if (m->verdict == VERDICT_OK) {
		struct shared_tun *shared = &e->shared[m->interface];
		const struct path *path = flow_path(s->flow);
		const struct l2tp_session *call = s->xauth ? NULL :
			l2tp_flow_session(&s->flow->l2tp, s->tunnel_id, s->session_id);

		s->ip = m->ip;
		s->mask = m->mask ? m->mask : UINT32_MAX;
		s->mtu_max = m->mtu ? m->mtu : UINT16_MAX;
		mtu_renew(s);
		data_routes(s, m->route, m->n_routes);
		/* Not for one that only renegotiates: it would have a full bucket again. */
		if (s->row->rate_in_bps != m->rate_in_bps || s->row->rate_out_bps != m->rate_out_bps)
			data_limit(s, m->rate_in_bps, m->rate_out_bps, now);
		s->session_timeout_s = m->session_timeout_s;
		s->idle_timeout_s = m->idle_timeout_s;
		str_copy(s->user, sizeof(s->user), m->user);
		row_write_begin(s->row);
		s->row->ppp_id = m->ppp_id;
		s->row->ip = m->ip;
		s->row->mask = m->mask;
		s->row->n_routes = m->n_routes;
		memcpy(s->row->route, m->route, sizeof(s->row->route));
		s->row->interface = (uint8_t)m->interface;
		s->row->mru = (uint16_t)sess_mtu(s);
		str_copy(s->row->user, sizeof(s->row->user), m->user);
		str_copy(s->row->realm, sizeof(s->row->realm), m->realm);
		str_copy(s->row->filter, sizeof(s->row->filter), m->filter);
		str_copy(s->row->host_name, sizeof(s->row->host_name),
			host_name(&s->flow->l2tp, s->tunnel_id));
		if (call) {
			s->row->number_len = call->number_len;
			memcpy(s->row->number, call->number, sizeof(s->row->number));
		}
		if (path)
			call_row_peer(s, &path->peer);
		if (shared->ifname[0])
			memcpy(s->row->ifname, shared->ifname, sizeof(s->row->ifname));
		row_write_end(s->row);
		if (shared->ifname[0])
			data_shared_join(s, shared);
	}
	if (s->xauth) {
		explicit_bzero(&v, sizeof(v));
		xauth_verdict(s, m);
		data_flush(e);
		return;
	}
	ppp_out_init(&out);
	ppp_verdict(&s->ppp, &v, now, &out);
	explicit_bzero(&v, sizeof(v));
	ppp_effects(s, &out, now);
	data_flush(e);
}

void call_tun(struct engine *e, const struct msg_session_tun *m, int fd)
{
	struct sess *s = sess_of(e, &m->sid);

	if (!s) {
		close(fd);
		return;
	}
	row_write_begin(s->row);
	str_copy(s->row->ifname, sizeof(s->row->ifname), m->ifname);
	row_write_end(s->row);
	data_tun_open(s, fd);
}

void call_route(struct engine *e, const struct msg_session *m)
{
	struct sess *s = sess_of(e, &m->sid);

	if (s && s->shared)
		data_shared_routed(s);
}

void call_filter(struct engine *e, const struct msg_session_filter *m)
{
	struct sess *s = sess_of(e, &m->sid);

	if (!s)
		return;
	row_write_begin(s->row);
	str_copy(s->row->filter, sizeof(s->row->filter), m->filter);
	row_write_end(s->row);
}

void call_addr(struct engine *e, const struct msg_addr *m)
{
	struct sess *s = sess_of(e, &m->sid);
	uint64_t now = now_ms();
	struct ppp_out out;

	if (!s || !s->known || s->xauth)
		return;
	s->ip = m->ip;
	row_write_begin(s->row);
	s->row->ip = m->ip;
	row_write_end(s->row);
	if (s->shared)
		data_shared_join(s, s->shared);
	ppp_out_init(&out);
	ppp_address(&s->ppp, m->ip, now, &out);
	ppp_effects(s, &out, now);
	data_flush(e);
}

void call_kill(struct engine *e, const struct msg_session *m)
{
	struct sess *s = sess_of(e, &m->sid);
	uint64_t now = now_ms();
	struct ppp_out out;

	if (!s)
		return;
	if (s->xauth) {
		flow_kill(s->flow, m->reason);
		data_flush(e);
		return;
	}
	ppp_out_init(&out);
	ppp_close(&s->ppp, m->reason, now, &out);
	ppp_effects(s, &out, now);
	data_flush(e);
}

/* In place of what the verdict said, as if that had said it. */
void call_set(struct engine *e, const struct msg_session_set *m)
{
	struct sess *s = sess_of(e, &m->sid);
	uint64_t now = now_ms();

	if (!s || !s->known)
		return;
	if (m->gives & SAYS_SESSION_TIMEOUT)
		s->session_timeout_s = m->session_timeout_s;
	if (m->gives & SAYS_IDLE_TIMEOUT)
		s->idle_timeout_s = m->idle_timeout_s;
	if (m->gives & (SAYS_RATE_IN | SAYS_RATE_OUT)) {
		data_limit(s, m->gives & SAYS_RATE_IN ? m->rate_in_bps : s->row->rate_in_bps,
			m->gives & SAYS_RATE_OUT ? m->rate_out_bps : s->row->rate_out_bps, now);
	}
	if (!s->up)			/* what counts from there on counts then */
		return;
	if (m->gives & SAYS_SESSION_TIMEOUT)
		s->ends_ms = session_end(s);
	if (m->gives & SAYS_IDLE_TIMEOUT)
		idle_change(&s->idle, idle_ms(s), packets(s), now);
	call_arm(s, now);
}

void call_ask_again(struct engine *e)
{
	LIST_EACH(&e->flows, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, link);

		LIST_EACH(&f->sessions, k) {
			struct sess *s = CONTAINER_OF(k, struct sess, link);

			/* Not one whose peer began LCP anew: it has no answer to be judged yet. */
			if (s->xauth && s->asking)
				call_judge(s);
			else if (s->asking && s->ppp.phase == PPP_AUTHENTICATE && (s->ppp.req.response_len || s->ppp.eap_len))
				ask(s);
		}
	}
}

/* ---- L2TP ---- */
static void sess_gone(struct flow *f, const struct l2tp_effect *eff, const char *reason)
{
	struct sess *s = call_find(f, eff->tunnel, eff->session);
	char text[128], said[80];

	if (!s)
		return;
	if (!eff->cause) {
		call_free(s, reason);
		return;
	}
	str_escape(said, sizeof(said), eff->cause->text.p, eff->cause->text.n);
	snprintf(text, sizeof(text), "%s, cause %u%s%s", reason, eff->cause->code, said[0] ? ": " : "", said);
	call_free(s, text);
}

/* Why a session of a tunnel that went with it ended: as the tunnel did, told later in *out. */
static enum l2tp_reason gone_reason(const struct l2tp_out *out, unsigned i)
{
	const struct l2tp_effect *eff = &out->eff[i];

	for (unsigned k = i + 1; eff->reason == L2TP_REASON_TUNNEL && k < out->n; k++)
		if (out->eff[k].type == L2TP_EFF_TUNNEL_GONE && out->eff[k].tunnel == eff->tunnel)
			return out->eff[k].reason;
	return eff->reason;
}

static void l2tp_effects(struct flow *f, struct l2tp_out *out, uint64_t now)
{
	static struct log_rate rate;
	bool lost = false;

	for (unsigned i = 0; i < out->n; i++) {
		struct l2tp_effect *eff = &out->eff[i];

		switch (eff->type) {
		case L2TP_EFF_SEND:
			send_control(f, eff);
			break;
		case L2TP_EFF_TUNNEL_UP:
			log_debug("%s tun=%u/%u port=%u host=\"%s\" tunnel is up", f->tag, eff->tunnel, eff->peer_tunnel,
				eff->port, host_name(&f->l2tp, eff->tunnel));
			if (f->plain)
				plain_proven(f);
			break;
		case L2TP_EFF_TUNNEL_GONE:
			if (log_rate_ok(&rate, now))
				log_info("%s tun=%u tunnel ended reason=\"%s\" result=%u error=%u", f->tag, eff->tunnel,
				l2tp_reason_str(eff->reason), eff->result, eff->error);
			/* Those that the core did not tell of one by one. */
			LIST_EACH(&f->sessions, k) {
				struct sess *s = CONTAINER_OF(k, struct sess, link);

				if (s->tunnel_id == eff->tunnel)
					call_free(s, l2tp_reason_str(eff->reason));
			}
			lost |= eff->reason == L2TP_REASON_HELLO || eff->reason == L2TP_REASON_NO_ACK;
			break;
		case L2TP_EFF_SESSION_UP:
			sess_new(f, eff, now);
			break;
		case L2TP_EFF_SESSION_GONE:
			sess_gone(f, eff, l2tp_reason_str(gone_reason(out, i)));
			break;
		}
	}
	flow_arm(f, now);
	/* Its client is gone without a word: its IKE_SA goes, too. */
	if (lost && l2tp_flow_idle(&f->l2tp))
		flow_kill(f, "client is gone");
	flow_watch(f);
}

void call_l2tp(struct flow *f, struct rd msg, uint16_t port, uint64_t now)
{
	struct l2tp_out out;

	call_dump_l2tp(f, true, msg);
	l2tp_out_init(&out);
	l2tp_flow_input(&f->l2tp, msg, port, now, &out);
	if (f->l2tp.own && !f->lin.own) {
		struct lin_out lo;

		lin_out_init(&lo);
		lin_flow_own(&f->e->book, &f->lin, &lo);
		hold_free(&f->join_hold);
		call_lineage(&lo, now);
	}
	l2tp_effects(f, &out, now);
}

void call_ask(struct flow *f, uint64_t now)
{
	struct l2tp_out out;

	l2tp_out_init(&out);
	l2tp_flow_ask(&f->l2tp, now, &out);
	l2tp_effects(f, &out, now);
}

/* ---- lineages ---- */
static void probe(struct flow *f, const struct lin_effect *eff, uint64_t now)
{
	struct sess *s = call_find(f, eff->at.tunnel, eff->at.session);
	struct ppp_out out;

	if (!s)
		return;
	/* The kernel's old SA goes where that one's client is, and nowhere else. */
	for (unsigned i = 0; i < (eff->also.family && !f->e->kernel ? 2 : 1); i++) {
		struct sa *sa = f->send;
		struct addr own;

		ppp_out_init(&out);
		ppp_echo(&s->ppp, eff->nonce, sizeof(eff->nonce), now, &out);
		if (!i || !sa) {
			ppp_effects(s, &out, now);
			continue;
		}
		data_flush(f->e);
		/* One without UDP is where it says, or it is lost. */
		if (sa->path.raw || !eff->also.port)
			continue;
		own = sa->path.peer;
		sa->path.peer = eff->also;
		ppp_effects(s, &out, now);
		data_flush(f->e);
		sa->path.peer = own;
	}
}

void call_lineage(struct lin_out *out, uint64_t now)
{
	for (unsigned i = 0; i < out->n; i++) {
		struct lin_effect *eff = &out->eff[i];
		struct flow *f = CONTAINER_OF(eff->flow, struct flow, lin);

		switch (eff->type) {
		case LIN_EFF_PROBE:
			probe(f, eff, now);
			break;
		case LIN_EFF_ASK:
			call_ask(f, now);
			break;
		case LIN_EFF_END:
			ike_kill(f->e, CONTAINER_OF(eff->lin, struct lin_ike, lin));
			break;
		case LIN_EFF_JOIN:
			break;
		}
	}
	explicit_bzero(out, sizeof(*out));
}

void call_stray(struct flow *f, uint16_t tunnel, uint16_t session, uint16_t port, uint64_t now)
{
	struct l2tp_out out;

	l2tp_out_init(&out);
	l2tp_flow_stray(&f->l2tp, tunnel, session, port, now, &out);
	l2tp_effects(f, &out, now);
}

void call_l2tp_expire(struct flow *f, uint64_t now)
{
	struct l2tp_out out;

	l2tp_out_init(&out);
	l2tp_flow_expire(&f->l2tp, now, &out);
	l2tp_effects(f, &out, now);
}

void call_close_all(struct flow *f, const char *reason, bool tell)
{
	uint64_t now = now_ms();
	struct l2tp_out out;

	l2tp_out_init(&out);
	l2tp_flow_close(&f->l2tp, f->e->stopping ? L2TP_REASON_SHUTDOWN : L2TP_REASON_ADMIN, now, &out);
	if (tell)
		send_only(f, &out);
	LIST_EACH(&f->sessions, i)
		call_free(CONTAINER_OF(i, struct sess, link), reason);
	flow_arm(f, now);
}
