/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See lns.h.  What each effect leads to is as in l2tpd/call.c; where that changes, this must. */
#include "lns.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/msg.h"
#include "l2tpd/secret.h"
#include "ppp/mschap.h"

static void ppp_effects(struct lns *, struct lns_session *, struct ppp_out *);

static PRINTF(2, 3) void tell(struct lns *l, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	l->event(l->ctx, text);
}

bool lns_begin(void)
{
	return mschap_init() && mppe_init() && l2tp_secret_init();
}

void lns_init(struct lns *l, uint64_t seed)
{
	memset(l, 0, sizeof(*l));
	l->now_ms = 1000;
	l->l2tp = l2tp_conf_default;
	strcpy(l->l2tp.host_name, "culvert");
	l->ppp = (struct ppp_conf){
		.authenticator = true, .auth = PPP_AUTH_PAP | PPP_AUTH_CHAP_MD5 | PPP_AUTH_MSCHAPV2,
		.mru = 1360, .limits = PPP_LIMITS, .auth_timeout_ms = 30000,
		.keepalive_interval_ms = 300000, .keepalive_retry_ms = 60000, .keepalive_max = 3,
	};
	strcpy(l->ppp.name, "culvert");
	strcpy(l->user[0].name, "bob");
	strcpy(l->user[0].password, "secret");
	l->ip = 0x0a00000a;
	l->ip_local = 0x0a000001;
	rng_init_test(&l->rng, seed);
	l2tp_ids_init(&l->own_ids, &l->rng);
	l->ids = &l->own_ids;
}

static struct l2tp_flow *flow(struct lns *l)
{
	if (!l->flow.conf) {
		struct rng seed;

		rng_bytes(&l->rng, seed.seed, sizeof(seed.seed));
		seed.ctr = 0;
		l2tp_flow_init(&l->flow, &l->l2tp, l->ids, &seed);
	}
	return &l->flow;
}

static struct lns_session *find(struct lns *l, uint16_t tunnel, uint16_t session)
{
	for (unsigned i = 0; i < LNS_SESSIONS; i++)
		if (l->sess[i].used && l->sess[i].tunnel == tunnel && l->sess[i].session == session)
			return &l->sess[i];
	return NULL;
}

unsigned lns_sessions(const struct lns *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < LNS_SESSIONS; i++)
		n += l->sess[i].used;
	return n;
}

static void end(struct lns *l, struct lns_session *s, const char *reason)
{
	tell(l, "session gone \"%s\"", reason);
	mppe_free(s->mppe);
	memset(s, 0, sizeof(*s));
}

static void send_only(struct lns *l, const struct l2tp_out *out)
{
	for (unsigned i = 0; i < out->n; i++)
		if (out->eff[i].type == L2TP_EFF_SEND)
			l->send(l->ctx, out->eff[i].port, out->eff[i].data, out->eff[i].len);
}

/* ---- logins ---- */

static bool right(const struct ppp_auth_req *r, const char *password, struct ppp_verdict *v)
{
	uint8_t want[CHAP_MD5_VALUE], hash[MSCHAP_HASH];
	size_t n = strlen(password);

	switch (r->method) {
	case PPP_AUTH_PAP:
		return r->response_len == n && !memcmp(r->response, password, n);
	case PPP_AUTH_CHAP_MD5:
	case PPP_AUTH_EAP_MD5:
		return r->response_len == sizeof(want) &&
		       chap_md5(r->ident, password, n, rd_of(r->challenge, r->challenge_len), want) &&
		       !CRYPTO_memcmp(want, r->response, sizeof(want));
	case PPP_AUTH_MSCHAPV2:
	case PPP_AUTH_EAP_MSCHAPV2:
		if (r->response_len != MSCHAP_VALUE || !mschap_nt_hash(password, n, hash) ||
		    !mschap_check(r->response, r->challenge, rd_of(r->user, r->user_len), hash, v->mschap_auth))
			return false;
		v->mppe_keys = mschap_mppe_keys(hash, r->response + 24, true, v->mppe_send, v->mppe_recv);
		return true;
	}
	return false;
}

static void judge(struct lns *l, struct lns_session *s)
{
	const struct ppp_auth_req *r = &s->ppp.req;
	struct rd name = mschap_user(rd_of(r->user, r->user_len));
	struct ppp_verdict v = { .ip_local = l->ip_local, .may_choose = l->may_choose };
	struct ppp_out out;

	s->judge_ms = PPP_NEVER;
	memcpy(v.dns, l->dns, sizeof(v.dns));
	memcpy(v.nbns, l->nbns, sizeof(v.nbns));
	str_copy(v.reason, sizeof(v.reason), "wrong name or password");
	for (unsigned i = 0; i < LNS_USERS; i++) {
		size_t n = strlen(l->user[i].name);

		if (!n || name.n != n || memcmp(name.p, l->user[i].name, n) != 0)
			continue;
		v.ok = right(r, l->user[i].password, &v);
		v.ip = l->ip + i;
		if (v.ok && l->user[i].refuse) {
			v.ok = false;
			v.refused = true;
			str_copy(v.reason, sizeof(v.reason), "too many sessions");
		}
	}
	ppp_out_init(&out);
	ppp_verdict(&s->ppp, &v, l->now_ms, &out);
	ppp_effects(l, s, &out);
}

/* ---- PPP ---- */

static void send_ppp(struct lns *l, const struct lns_session *s, const uint8_t *frame, size_t n)
{
	uint8_t buf[L2TP_DATA_HEADER + PPP_FRAME_MAX];

	(void)l2tp_data_header(buf, s->peer_tunnel, s->peer_session);
	memcpy(buf + L2TP_DATA_HEADER, frame, n);
	l->send(l->ctx, s->port, buf, L2TP_DATA_HEADER + n);
}

static void tell_auth(struct lns *l, const struct ppp_auth_req *r)
{
	char user[4 * PPP_NAME_MAX];

	str_escape(user, sizeof(user), r->user, r->user_len);
	tell(l, "asks %s \"%s\"", ppp_auth_name(r->method), user);
}

static void ppp_effects(struct lns *l, struct lns_session *s, struct ppp_out *out)
{
	for (unsigned i = 0; i < out->n; i++) {
		switch (out->eff[i].type) {
		case PPP_EFF_SEND:
			send_ppp(l, s, out->eff[i].data, out->eff[i].len);
			break;
		case PPP_EFF_AUTH:
			tell_auth(l, &s->ppp.req);
			s->judge_ms = l->now_ms + l->judge_after_ms;
			break;
		case PPP_EFF_ADDR: {
			struct ppp_out more;

			tell(l, "wants %08x", s->ppp.ip_wanted);
			ppp_out_init(&more);
			ppp_address(&s->ppp, s->ppp.ip_wanted, l->now_ms, &more);
			ppp_effects(l, s, &more);
			break;
		}
		case PPP_EFF_MPPE_ON:
			mppe_free(s->mppe);
			s->mppe = mppe_new(s->ppp.mppe_theirs, s->ppp.mppe_send, s->ppp.mppe_ours, s->ppp.mppe_recv);
			if (!s->mppe)
				abort();
			tell(l, "mppe in %s out %s", mppe_text(s->ppp.mppe_ours), mppe_text(s->ppp.mppe_theirs));
			break;
		case PPP_EFF_MPPE_OFF:
			mppe_free(s->mppe);
			s->mppe = NULL;
			tell(l, "mppe off");
			break;
		case PPP_EFF_MPPE_FLUSH:
			if (s->mppe)
				mppe_flush(s->mppe);
			tell(l, "mppe flush");
			break;
		case PPP_EFF_UP:
			s->up = true;
			tell(l, "up %08x mtu %u", s->ppp.ip_remote, ppp_mtu(&s->ppp));
			break;
		case PPP_EFF_DOWN:
			tell(l, "down");
			break;
		case PPP_EFF_GONE: {
			uint16_t tunnel = s->tunnel, session = s->session;
			struct l2tp_out lo;

			end(l, s, s->ppp.reason);
			l2tp_out_init(&lo);
			l2tp_session_close(&l->flow, tunnel, session, L2TP_CDN_ADMIN, L2TP_ERR_NONE, l->now_ms, &lo);
			send_only(l, &lo);
			return;
		}
		}
	}
}

static void start(struct lns *l, const struct l2tp_effect *eff)
{
	struct lns_session *s = l->sess;
	struct ppp_out out;
	struct rng seed;

	while (s->used)
		if (++s == l->sess + LNS_SESSIONS)
			abort();	/* the limits are below that */
	*s = (struct lns_session){
		.used = true, .tunnel = eff->tunnel, .session = eff->session,
		.peer_tunnel = eff->peer_tunnel, .peer_session = eff->peer_session,
		.port = eff->port, .judge_ms = PPP_NEVER,
	};
	tell(l, "session up");
	rng_bytes(&l->rng, seed.seed, sizeof(seed.seed));
	seed.ctr = 0;
	ppp_out_init(&out);
	ppp_init(&s->ppp, &l->ppp, &seed);
	ppp_start(&s->ppp, l->now_ms, &out);
	ppp_effects(l, s, &out);
}

/* ---- L2TP ---- */

static enum l2tp_reason gone_reason(const struct l2tp_out *out, unsigned i)
{
	const struct l2tp_effect *eff = &out->eff[i];

	for (unsigned k = i + 1; eff->reason == L2TP_REASON_TUNNEL && k < out->n; k++)
		if (out->eff[k].type == L2TP_EFF_TUNNEL_GONE && out->eff[k].tunnel == eff->tunnel)
			return out->eff[k].reason;
	return eff->reason;
}

static void l2tp_effects(struct lns *l, struct l2tp_out *out)
{
	for (unsigned i = 0; i < out->n; i++) {
		struct l2tp_effect *eff = &out->eff[i];
		const struct l2tp_tunnel *t;
		struct lns_session *s;

		switch (eff->type) {
		case L2TP_EFF_SEND:
			l->send(l->ctx, eff->port, eff->data, eff->len);
			break;
		case L2TP_EFF_TUNNEL_UP:
			t = l2tp_flow_tunnel(&l->flow, eff->tunnel);
			tell(l, "tunnel up \"%s\"", t ? t->host_name : "");
			break;
		case L2TP_EFF_TUNNEL_GONE:
			/* Those that the core did not tell of one by one. */
			for (unsigned k = 0; k < LNS_SESSIONS; k++)
				if (l->sess[k].used && l->sess[k].tunnel == eff->tunnel)
					end(l, &l->sess[k], l2tp_reason_str(eff->reason));
			tell(l, "tunnel gone \"%s\" %u %u", l2tp_reason_str(eff->reason), eff->result, eff->error);
			break;
		case L2TP_EFF_SESSION_UP:
			start(l, eff);
			break;
		case L2TP_EFF_SESSION_GONE:
			s = find(l, eff->tunnel, eff->session);
			if (s)
				end(l, s, l2tp_reason_str(gone_reason(out, i)));
			break;
		}
	}
}

static void ip(struct lns *l, struct lns_session *s, size_t n)
{
	ppp_heard(&s->ppp, l->now_ms);
	if (ppp_may_ip(&s->ppp))
		tell(l, "ip %zu", n);
	else
		l->ip_early++;
}

/* n octets at p, which are the lns's own to write to. */
static void mppe(struct lns *l, struct lns_session *s, uint8_t *p, size_t n)
{
	struct ppp_out out;
	struct rd in;
	uint16_t proto;

	switch (mppe_open(s->mppe, p, n, l->now_ms)) {
	case MPPE_LOST:
		ppp_out_init(&out);
		ppp_mppe_lost(&s->ppp, l->now_ms, &out);
		ppp_effects(l, s, &out);
		return;
	case MPPE_DROP:
	case MPPE_LATE:
		l->mppe_bad++;
		return;
	case MPPE_OK:
		break;
	}
	in = rd_of(p + MPPE_HEADER, n - MPPE_HEADER);
	if (!ppp_frame(&in, &proto) || proto != PPP_IP)
		l->mppe_bad++;
	else
		ip(l, s, in.n);
}

static void data(struct lns *l, struct rd r, uint16_t port)
{
	struct lns_session *s;
	struct l2tp_data d;
	struct ppp_out out;
	struct rd frame;
	uint16_t proto;

	if (!l2tp_data_parse(&r, &d)) {
		l->no_frame++;
		return;
	}
	s = find(l, d.tunnel, d.session);
	if (!s) {
		struct l2tp_out lo;

		l->no_session++;
		l2tp_out_init(&lo);
		l2tp_flow_stray(flow(l), d.tunnel, d.session, port, l->now_ms, &lo);
		l2tp_effects(l, &lo);
		return;
	}
	l2tp_flow_heard(&l->flow, d.tunnel, l->now_ms);
	frame = r;
	if (!ppp_frame(&frame, &proto)) {
		l->no_frame++;
	} else if (proto == PPP_IP) {
		if (s->mppe)
			l->mppe_bad++;		/* in the clear where it was agreed to be encrypted */
		else
			ip(l, s, frame.n);
	} else if (proto == PPP_COMP && s->mppe) {
		mppe(l, s, (uint8_t *)frame.p, frame.n);
	} else {
		ppp_out_init(&out);
		ppp_input(&s->ppp, r, l->now_ms, &out);
		ppp_effects(l, s, &out);
	}
}

void lns_input(struct lns *l, const void *p, size_t n, uint16_t port)
{
	/* Of exactly this size, so that a sanitizer sees a read of one octet more. */
	uint8_t *copy = malloc(n ? n : 1);
	struct l2tp_out out;
	struct rd r;

	if (!copy)
		abort();
	if (n)
		memcpy(copy, p, n);
	r = rd_of(copy, n);
	if (l2tp_is_control(r)) {
		l2tp_out_init(&out);
		l2tp_flow_input(flow(l), r, port, l->now_ms, &out);
		l2tp_effects(l, &out);
	} else {
		data(l, r, port);
	}
	free(copy);
	lns_wait(l, 0);
}

/* ---- time ---- */

uint64_t lns_deadline(const struct lns *l)
{
	uint64_t at = l->flow.conf ? l2tp_flow_deadline(&l->flow) : PPP_NEVER;

	for (unsigned i = 0; i < LNS_SESSIONS; i++)
		if (l->sess[i].used)
			at = MIN(at, MIN(l->sess[i].judge_ms, ppp_deadline(&l->sess[i].ppp)));
	return at;
}

static void expire(struct lns *l)
{
	struct l2tp_out out;

	l2tp_out_init(&out);
	l2tp_flow_expire(flow(l), l->now_ms, &out);
	l2tp_effects(l, &out);
	for (unsigned i = 0; i < LNS_SESSIONS; i++) {
		struct lns_session *s = &l->sess[i];
		struct ppp_out po;

		if (s->used && l->now_ms >= s->judge_ms)
			judge(l, s);
		if (!s->used)
			continue;
		ppp_out_init(&po);
		ppp_expire(&s->ppp, l->now_ms, &po);
		ppp_effects(l, s, &po);
	}
}

void lns_wait(struct lns *l, uint64_t ms)
{
	uint64_t until = l->now_ms + ms, at;

	for (unsigned n = 0; (at = lns_deadline(l)) <= until; n++) {
		if (n > 1000000)
			abort();	/* a deadline that never moves */
		l->now_ms = MAX(l->now_ms, at);
		expire(l);
	}
	l->now_ms = until;
}

void lns_kill(struct lns *l, const char *reason)
{
	for (unsigned i = 0; i < LNS_SESSIONS; i++) {
		struct ppp_out out;

		if (!l->sess[i].used)
			continue;
		ppp_out_init(&out);
		ppp_close(&l->sess[i].ppp, reason, l->now_ms, &out);
		ppp_effects(l, &l->sess[i], &out);
	}
	lns_wait(l, 0);
}

void lns_shutdown(struct lns *l)
{
	struct l2tp_out out;

	l2tp_out_init(&out);
	l2tp_flow_close(flow(l), L2TP_REASON_SHUTDOWN, l->now_ms, &out);
	l2tp_effects(l, &out);
	lns_wait(l, 0);
}

void lns_free(struct lns *l)
{
	if (l->flow.conf)
		l2tp_flow_free(&l->flow);
	for (unsigned i = 0; i < LNS_SESSIONS; i++)
		mppe_free(l->sess[i].mppe);
	memset(l->sess, 0, sizeof(l->sess));
}
