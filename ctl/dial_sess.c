/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One session.  A core is called, returns, and then its effects are applied,
 * which may call the next core: IKE brings ESP up, L2TP runs over it, PPP over
 * that.  Every event ends in rearm(): one timer for whatever is due next.
 *
 * The end: whatever way a session ends, what was built is taken down in the
 * order that a client would, as far as it was built.  SESS_OVER is last.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/dial.h"
#include "l2tpd/msg.h"

enum {
	L2TP_PORT = 1701,
	INNER_MAX = 1700,		/* UDP header and what it carries */
	CLOSE_MS = 3000,		/* StopCCN may take so long to be acknowledged */
	KEEPALIVE_MS = 20000,		/* RFC 3948 4 */
	CATCH_UP_MS = 200,		/* a late timer does not make a burst longer than this */
	DELETES = 3,			/* under loss: DELETE is never acknowledged */
};

static void over(struct dsess *);
static void l2tp_effects(struct dsess *, struct l2tp_out *, uint64_t now);



/* With -v: every control packet of PPP. */
static void trace(const struct dsess *s, const char *way, const uint8_t *frame, size_t n)
{
	struct rd r = rd_of(frame, n);
	uint8_t code, id;
	uint16_t proto;

	if (!s->d->conf.verbose || !ppp_frame(&r, &proto) || proto == PPP_IP)
		return;
	code = rd_u8(&r);
	id = rd_u8(&r);
	printf("session=%u ms=%llu %s %s code=%u id=%u len=%zu phase=%s\n", s->n,
		(unsigned long long)(now_ms() - s->start_ms), way, ppp_proto_name(proto), code, id, n,
		ppp_phase_name(s->ppp.phase));
}

/* Why it ends; the first reason stays. */
static void end_with(struct dsess *s, const char *reason)
{
	if (s->reason[0])
		return;
	str_escape(s->reason, sizeof(s->reason), reason, strlen(reason));
	if (s->d->conf.each)
		printf("session=%u ended phase=%s reason=\"%s\"\n", s->n, phase_name(s->phase), s->reason);
}

/* It ends though nobody here wanted it. */
static void fail(struct dsess *s, const char *reason)
{
	if (s->state == SESS_LOGIN) {
		s->failed = true;
		end_with(s, reason);
		sess_close(s);
		dial_login_done(s);
	} else if (s->state == SESS_UP) {
		s->lost = true;
		end_with(s, reason);
		sess_close(s);
	}
}

static void phase_done(struct dsess *s, enum phase p, uint64_t now)
{
	if (!s->done_ms[p])
		s->done_ms[p] = now;
}

/* ---- out ---- */

/* One UDP datagram of port 1701, sealed. head and body are its payload. */
static void send_inner(struct dsess *s, const uint8_t *head, size_t n_head, const uint8_t *body, size_t n)
{
	uint8_t buf[ESP_HEADROOM + INNER_MAX + ESP_TAILROOM];
	struct esp_pkt e = { .sa = s->out, .p = buf, .next_header = IPPROTO_UDP };
	struct wr w = wr_of(buf, ESP_HEADROOM + INNER_MAX);

	if (!s->out)
		return;
	(void)wr_room(&w, esp_payload_offset(s->out));
	wr_u16(&w, L2TP_PORT);
	wr_u16(&w, L2TP_PORT);
	wr_u16(&w, (uint16_t)(IP_UDP_HEADER + n_head + n));
	wr_u16(&w, 0);			/* RFC 3948 3.1.2 allows it */
	wr_bytes(&w, head, n_head);
	wr_bytes(&w, body, n);
	if (w.bad)
		return;
	e.len = w.len - esp_payload_offset(s->out);
	esp_seal(&e, 1);
	if (e.verdict == ESP_OK)
		wire_send(s, true, false, e.p, e.len);
}

static void send_frame(struct dsess *s, const uint8_t *frame, size_t n)
{
	uint8_t head[L2TP_DATA_HEADER];

	trace(s, "out", frame, n);
	(void)l2tp_data_header(head, s->peer_tunnel, s->peer_session);
	send_inner(s, head, sizeof(head), frame, n);
}

void sess_send_ip(struct dsess *s, const uint8_t *p, size_t n)
{
	uint8_t frame[INNER_MAX];
	struct wr w = wr_of(frame, sizeof(frame));

	if (!s->call || !ppp_may_ip(&s->ppp))
		return;
	wr_u16(&w, 0xff03);
	wr_u16(&w, PPP_IP);
	wr_bytes(&w, p, n);
	if (w.bad)
		return;
	s->out_packets++;
	send_frame(s, frame, w.len);
}

/* ---- PPP ---- */
static void came_up(struct dsess *s, uint64_t now)
{
	char ip[ADDR_STRLEN], local[ADDR_STRLEN];

	if (s->state != SESS_LOGIN)	/* IPCP was renegotiated */
		return;
	phase_done(s, PHASE_PPP, now);
	s->phase = PHASE_UP;
	s->state = SESS_UP;
	s->w.at_ms = s->source_at_ms = s->flood_at_ms = now;
	if (s->d->conf.each && s->call)
		printf("session=%u up local=%s ip=%s mtu=%u ike_ms=%llu l2tp_ms=%llu ppp_ms=%llu\n", s->n,
			ip4_str(s->local, local), ip4_str(s->ppp.ip_local, ip), ppp_mtu(&s->ppp),
			(unsigned long long)(s->done_ms[PHASE_IKE] - s->start_ms),
			(unsigned long long)(s->done_ms[PHASE_L2TP] - s->done_ms[PHASE_IKE]),
			(unsigned long long)(now - s->done_ms[PHASE_L2TP]));
	else if (s->d->conf.each)
		printf("session=%u up local=%s ike_ms=%llu\n", s->n, ip4_str(s->local, local),
			(unsigned long long)(s->done_ms[PHASE_IKE] - s->start_ms));
	dial_tun_up(s);
	dial_login_done(s);
}

static void ppp_effects(struct dsess *s, struct ppp_out *out, uint64_t now)
{
	for (unsigned i = 0; i < out->n; i++) {
		struct ppp_effect *eff = &out->eff[i];

		switch (eff->type) {
		case PPP_EFF_SEND:
			send_frame(s, eff->data, eff->len);
			break;
		case PPP_EFF_UP:
			came_up(s, now);
			break;
		case PPP_EFF_AUTH:
		case PPP_EFF_DOWN:
			break;
		case PPP_EFF_GONE:
			s->call = false;
			fail(s, s->ppp.reason);
			return;
		}
	}
}

static void ppp_begin(struct dsess *s, uint64_t now)
{
	struct ppp_out out;
	struct rng seed;

	rng_init(&seed);
	ppp_out_init(&out);
	ppp_init(&s->ppp, &s->ppp_conf, &seed);
	s->call = true;
	ppp_start(&s->ppp, now, &out);
	ppp_effects(s, &out, now);
}

/* ---- L2TP ---- */
static void l2tp_effects(struct dsess *s, struct l2tp_out *out, uint64_t now)
{
	char reason[96];

	/* PPP must not begin before the ICCN is out: the server would drop its first frame. */
	for (unsigned i = 0; i < out->n; i++)
		if (out->eff[i].type == L2TP_EFF_SEND)
			send_inner(s, NULL, 0, out->eff[i].data, out->eff[i].len);
	for (unsigned i = 0; i < out->n; i++) {
		struct l2tp_effect *eff = &out->eff[i];

		switch (eff->type) {
		case L2TP_EFF_SESSION_UP:
			phase_done(s, PHASE_L2TP, now);
			s->phase = PHASE_PPP;
			s->tunnel = eff->tunnel;
			s->session = eff->session;
			s->peer_tunnel = eff->peer_tunnel;
			s->peer_session = eff->peer_session;
			ppp_begin(s, now);
			break;
		case L2TP_EFF_SESSION_GONE:
			s->call = false;
			/* fallthrough */
		case L2TP_EFF_TUNNEL_GONE:
			snprintf(reason, sizeof(reason), "%s result=%u error=%u", l2tp_reason_str(eff->reason), eff->result,
				eff->error);
			fail(s, reason);
			break;
		case L2TP_EFF_SEND:
		case L2TP_EFF_TUNNEL_UP:
			break;
		}
	}
}

/* ---- IKE ---- */
static bool child_open(struct dsess *s)
{
	struct ike_child *c = &s->ike.child;
	struct esp_keys in = { c->enc, c->auth, c->in_enc, c->enc_len, c->in_auth, c->auth_len };
	struct esp_keys out = { c->enc, c->auth, c->out_enc, c->enc_len, c->out_auth, c->auth_len };

	return !esp_sa_new(c->spi_in, &in, true, &s->in) && !esp_sa_new(c->spi_out, &out, false, &s->out);
}

static void ike_effects(struct dsess *s, struct ike_out *out, uint64_t now)
{
	struct l2tp_out lo;

	for (unsigned i = 0; i < out->n; i++) {
		struct ike_effect *eff = &out->eff[i];

		switch (eff->type) {
		case IKE_EFF_SEND:
			wire_send(s, eff->natt, eff->natt, eff->data, eff->len);
			break;
		case IKE_EFF_SECURED:
			break;
		case IKE_EFF_CHILD:
			phase_done(s, PHASE_IKE, now);
			s->phase = PHASE_L2TP;
			if (!child_open(s)) {
				fail(s, "no ESP SA");
				return;
			}
			s->flood_at_ms = now;
			if (s->d->conf.stop_ike) {
				phase_done(s, PHASE_L2TP, now);
				came_up(s, now);
				break;
			}
			l2tp_out_init(&lo);
			if (!l2tp_flow_dial(&s->l2tp, L2TP_PORT, now, &lo)) {
				fail(s, "no tunnel id");
				return;
			}
			l2tp_effects(s, &lo, now);
			break;
		case IKE_EFF_GONE:
			fail(s, s->ike.reason);
			break;
		}
	}
}

/* ---- in ---- */
static void witness_got(struct dsess *s, uint16_t seq, uint64_t now)
{
	struct witness *w = &s->w;
	uint16_t from = w->any ? w->last : (uint16_t)-1, ahead = (uint16_t)(seq - from);

	if ((uint16_t)(w->next - 1 - seq) >= PING_RING)
		return;			/* never sent, or so long ago that it counts as lost */
	w->got++;
	w->rtt_sum_ms += now - w->sent_ms[seq % PING_RING];
	/* All that were sent before the one that is answered first, or one of these after all. */
	w->early = MIN(w->any ? w->early : UINT32_MAX, w->sent - (uint16_t)(w->next - seq));
	if (!ahead || ahead >= 0x8000)
		return;			/* overtaken by a later one */
	if (ahead > 1) {
		/* Those between were not answered: out since the first of them. */
		uint16_t first = (uint16_t)(from + 1);

		if ((uint16_t)(w->next - first) > PING_RING)
			first = (uint16_t)(w->next - PING_RING);
		w->outage_ms = MAX(w->outage_ms, now - w->sent_ms[first % PING_RING]);
	}
	w->last = seq;
	w->any = true;
}

/* The last ones had their time to be answered. */
static void witness_end(struct witness *w, uint64_t now)
{
	uint16_t first = w->any ? (uint16_t)(w->last + 1) : 0;

	if (!w->sent || first == w->next)
		return;
	if ((uint16_t)(w->next - first) > PING_RING)
		first = (uint16_t)(w->next - PING_RING);
	if (now - w->sent_ms[first % PING_RING] >= GRACE_MS)
		w->outage_ms = MAX(w->outage_ms, now - w->sent_ms[first % PING_RING]);
}

static void ip_in(struct dsess *s, struct rd ip, uint64_t now)
{
	uint16_t seq;

	ppp_heard(&s->ppp, now);
	if (!ppp_may_ip(&s->ppp)) {
		s->bad++;
		return;
	}
	s->in_packets++;
	if (ip_read_echo_reply(ip, (uint16_t)(s->n + 1), &seq) && s->d->conf.ping_ms) {
		witness_got(s, seq, now);
		return;
	}
	dial_tun_write(s->d, ip.p, ip.n);
}

static void inner_in(struct dsess *s, struct rd r, uint64_t now)
{
	struct l2tp_out lo;
	struct ppp_out po;
	struct l2tp_data d;
	uint16_t port, len, proto;
	struct rd frame;

	port = rd_u16(&r);
	rd_skip(&r, 2);
	len = rd_u16(&r);
	rd_skip(&r, 2);
	if (r.bad || len < IP_UDP_HEADER || (size_t)len - IP_UDP_HEADER > r.n) {
		s->bad++;
		return;
	}
	r = rd_sub(&r, (size_t)len - IP_UDP_HEADER);
	if (l2tp_is_control(r)) {
		l2tp_out_init(&lo);
		l2tp_flow_input(&s->l2tp, r, port, now, &lo);
		l2tp_effects(s, &lo, now);
		return;
	}
	if (!l2tp_data_parse(&r, &d) || !s->call || d.tunnel != s->tunnel || d.session != s->session) {
		s->bad++;
		return;
	}
	l2tp_flow_heard(&s->l2tp, d.tunnel, now);
	frame = r;
	if (ppp_frame(&frame, &proto) && proto == PPP_IP) {
		ip_in(s, frame, now);
		return;
	}
	trace(s, "in", r.p, r.n);
	ppp_out_init(&po);
	ppp_input(&s->ppp, r, now, &po);
	ppp_effects(s, &po, now);
}

static void rearm(struct dsess *, uint64_t now);

void sess_input(struct dsess *s, bool natt, uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);
	uint64_t now = now_ms();
	struct ike_out out;
	uint32_t spi = 0;

	if (natt && n == 1)		/* NAT-keepalive */
		return;
	if (natt)
		spi = rd_u32(&r);
	if (r.bad || (spi && (!s->in || spi != s->ike.child.spi_in))) {
		s->bad++;
		return;
	}
	if (!spi) {
		ike_out_init(&out);
		ike_input(&s->ike, r, now, &out);
		/* The flood of half-open IKE_SAs never goes on. */
		if (s->d->conf.flood != FLOOD_IKE)
			ike_effects(s, &out, now);
	} else {
		struct esp_pkt e = { .sa = s->in, .p = p, .len = n };

		esp_open(&e, 1);
		if (e.verdict == ESP_OK && e.next_header == IPPROTO_UDP)
			inner_in(s, rd_of(e.payload, e.payload_len), now);
		else
			s->bad++;
	}
	rearm(s, now);
}

/* ---- on purpose ---- */

static uint32_t target(const struct dsess *s)
{
	return s->d->conf.target ? s->d->conf.target : s->ppp.ip_remote;
}

static void ping(struct dsess *s, uint64_t now)
{
	const struct dial_conf *c = &s->d->conf;
	uint8_t buf[INNER_MAX];
	struct wr w = wr_of(buf, sizeof(buf));

	s->w.sent_ms[s->w.next % PING_RING] = now;
	ip_write_echo(&w, s->ppp.ip_local, target(s), (uint16_t)(s->n + 1), s->w.next++, c->size);
	s->w.sent++;
	s->w.at_ms += c->ping_ms;
	if (s->w.at_ms + CATCH_UP_MS < now)
		s->w.at_ms = now;
	sess_send_ip(s, buf, w.len);
}

static void source(struct dsess *s, uint64_t now)
{
	const struct dial_conf *c = &s->d->conf;
	uint8_t buf[INNER_MAX];
	struct wr w = wr_of(buf, sizeof(buf));
	uint64_t due;

	ip_write_udp(&w, s->ppp.ip_local, target(s), (uint16_t)(1024 + s->n % 60000), c->size);
	due = MIN(now - s->source_at_ms, CATCH_UP_MS) * c->source_pps / 1000;
	if (!due)
		return;
	s->source_at_ms = now;
	for (; due && s->state == SESS_UP; due--)
		sess_send_ip(s, buf, w.len);
}

/* SCCRQs of ever new tunnels, or LCP echo requests. */
static void flood(struct dsess *s, uint64_t now)
{
	static const char host[] = "flood";
	uint64_t due = MIN(now - s->flood_at_ms, CATCH_UP_MS) * s->d->conf.flood_pps / 1000;

	if (!due)
		return;
	s->flood_at_ms = now;
	for (; due; due--) {
		uint8_t body[256], buf[256];
		struct wr b = wr_of(body, sizeof(body)), w = wr_of(buf, sizeof(buf));

		s->flooded++;
		if (s->d->conf.flood == FLOOD_L2TP) {
			struct l2tp_msg m = {
				.type = L2TP_SCCRQ, .version = 0x0100, .framing_capabilities = 3, .rws = 4,
				.host_name = rd_of(host, sizeof(host) - 1), .tunnel = (uint16_t)(rng_u32(&s->d->rng) | 1),
			};
			struct l2tp_hdr h = { 0 };

			m.has = 1ull << AVP_MESSAGE_TYPE | 1ull << AVP_PROTOCOL_VERSION |
				1ull << AVP_FRAMING_CAPABILITIES | 1ull << AVP_HOST_NAME |
				1ull << AVP_ASSIGNED_TUNNEL_ID | 1ull << AVP_RECEIVE_WINDOW_SIZE;
			l2tp_msg_write(&b, &m);
			h.body = rd_of(body, b.len);
			l2tp_hdr_write(&w, &h);
			send_inner(s, NULL, 0, buf, w.len);
		} else {
			wr_u16(&w, PPP_LCP);
			wr_u8(&w, 9);		/* RFC 1661 5.8: Echo-Request */
			wr_u8(&w, (uint8_t)s->flooded);
			wr_u16(&w, 8);
			wr_u32(&w, s->ppp.magic);
			send_frame(s, buf, w.len);
		}
	}
}

static bool flooding(const struct dsess *s)
{
	enum dial_flood f = s->d->conf.flood;

	return (f == FLOOD_L2TP && s->out && s->state < SESS_CLOSING) || (f == FLOOD_PPP && s->state == SESS_UP);
}

/* ---- timer ---- */

static bool l2tp_quiet(const struct dsess *s)
{
	for (unsigned i = 0; i < N_ELEMENTS(s->l2tp.tunnel); i++)
		if (s->l2tp.tunnel[i] && !xport_idle(&s->l2tp.tunnel[i]->x))
			return false;
	return true;
}

static uint64_t deadline(const struct dsess *s, uint64_t now)
{
	const struct dial_conf *c = &s->d->conf;
	uint64_t at = MIN(ike_deadline(&s->ike), l2tp_flow_deadline(&s->l2tp));

	if (c->flood == FLOOD_IKE)
		at = UINT64_MAX;
	if (s->call)
		at = MIN(at, ppp_deadline(&s->ppp));
	if (s->state == SESS_LOGIN)
		at = MIN(at, s->start_ms + c->timeout_s * 1000ull);
	if (s->state == SESS_CLOSING)
		at = MIN(at, s->close_ms);
	if (s->state == SESS_UP && !s->d->ending) {
		if (c->ping_ms)
			at = MIN(at, s->w.at_ms);
		if (c->source_pps)
			at = MIN(at, s->source_at_ms + MAX(1000u / c->source_pps, 5u));
	}
	if (flooding(s))
		at = MIN(at, s->flood_at_ms + MAX(1000u / MAX(c->flood_pps, 1u), 5u));
	if (s->out)
		at = MIN(at, s->sent_ms + KEEPALIVE_MS);
	return at;
}

static void rearm(struct dsess *s, uint64_t now)
{
	struct timeval tv;
	uint64_t at, wait;

	if (s->state == SESS_CLOSING && (l2tp_quiet(s) || now >= s->close_ms))
		over(s);
	if (s->state == SESS_OVER || s->state == SESS_WAIT)
		return;
	at = s->d->vanished ? UINT64_MAX : deadline(s, now);
	if (at == s->timer_at)
		return;
	s->timer_at = at;
	if (at == UINT64_MAX) {
		event_del(s->timer);
		return;
	}
	wait = at > now ? at - now : 0;
	tv = (struct timeval){ .tv_sec = (time_t)(wait / 1000), .tv_usec = (suseconds_t)(wait % 1000 * 1000) };
	event_add(s->timer, &tv);
}

static void expired(evutil_socket_t fd, short what, void *arg)
{
	static const uint8_t keepalive = 0xff;
	struct dsess *s = arg;
	const struct dial_conf *c = &s->d->conf;
	uint64_t now = now_ms();
	struct ike_out io;
	struct l2tp_out lo;
	struct ppp_out po;

	s->timer_at = UINT64_MAX;
	if (s->d->vanished)
		return;
	if (c->flood != FLOOD_IKE) {
		ike_out_init(&io);
		ike_expire(&s->ike, now, &io);
		ike_effects(s, &io, now);
	}
	if (s->out) {
		l2tp_out_init(&lo);
		l2tp_flow_expire(&s->l2tp, now, &lo);
		l2tp_effects(s, &lo, now);
	}
	if (s->call) {
		ppp_out_init(&po);
		ppp_expire(&s->ppp, now, &po);
		ppp_effects(s, &po, now);
	}
	if (s->state == SESS_LOGIN && now >= s->start_ms + c->timeout_s * 1000ull)
		fail(s, "timeout");
	if (s->state == SESS_UP && !s->d->ending) {
		if (c->ping_ms && now >= s->w.at_ms)
			ping(s, now);
		if (c->source_pps)
			source(s, now);
	}
	if (flooding(s))
		flood(s, now);
	if (s->out && now >= s->sent_ms + KEEPALIVE_MS)
		wire_send(s, true, false, &keepalive, 1);
	rearm(s, now);
}

/* ---- life ---- */
void sess_init(struct dial *d, struct dsess *s, unsigned n)
{
	*s = (struct dsess){ .d = d, .n = n, .fd = { -1, -1 }, .timer_at = UINT64_MAX };
	s->ike.state = IKE_IDLE;
	s->ike.timer_ms = IKE_NEVER;
	if (d->conf.from)
		s->local = d->conf.from + n % d->conf.from_n;
}

/* "%d" in the user's name is the session's number. */
static void user_name(const struct dsess *s, char *dst, size_t cap)
{
	const char *form = s->d->conf.user, *at = strstr(form, "%d");

	if (at)
		snprintf(dst, cap, "%.*s%u%s", (int)(at - form), form, s->n, at + 2);
	else
		str_copy(dst, cap, form);
}

void sess_start(struct dsess *s)
{
	struct dial *d = s->d;
	struct ike_ends ends = { .port = 500, .peer = d->conf.server };
	uint64_t now = now_ms();
	struct ike_out out;
	struct rng seed;
	char why[80];
	int err;

	s->state = SESS_LOGIN;
	s->start_ms = now;
	s->ppp_conf = (struct ppp_conf){
		.auth = PPP_AUTH_MSCHAPV2 | PPP_AUTH_CHAP_MD5 | PPP_AUTH_PAP, .mru = 1400, .want_dns = true,
		.restart_ms = 3000, .max_configure = 10, .max_terminate = 2, .max_failure = 5,
		.auth_timeout_ms = 30000,
	};
	user_name(s, s->ppp_conf.user, sizeof(s->ppp_conf.user));
	str_copy(s->ppp_conf.password, sizeof(s->ppp_conf.password), d->conf.password);
	if (d->conf.wrong_password)
		s->ppp_conf.password[0] ^= 1;
	rng_init(&seed);
	l2tp_flow_init(&s->l2tp, &d->l2tp_conf, &d->ids, &seed);
	ends.id = d->conf.inner ? d->conf.inner : s->local;
	rng_init(&seed);
	ike_init(&s->ike, &d->ike_conf, &ends, &seed);
	s->timer = evtimer_new(d->base, expired, s);
	err = s->timer ? wire_open(s) : -1;
	if (err) {
		snprintf(why, sizeof(why), "socket: %s", strerror(-err));
		fail(s, why);
		return;
	}
	if (!d->conf.inner)
		s->ike.ends.id = s->local;
	ike_out_init(&out);
	ike_start(&s->ike, now, &out);
	ike_effects(s, &out, now);
	rearm(s, now);
}

static void over(struct dsess *s)
{
	unsigned copies = s->d->conf.loss > 0 ? DELETES : 1;
	struct ike_out out;

	s->last_words = true;
	for (unsigned i = 0; i < copies; i++) {
		uint8_t state = s->ike.state;

		ike_out_init(&out);
		ike_close(&s->ike, &out);
		for (unsigned k = 0; k < out.n; k++)
			wire_send(s, out.eff[k].natt, out.eff[k].natt, out.eff[k].data, out.eff[k].len);
		if (i + 1 < copies)
			s->ike.state = state;
	}
	s->ike_resent = s->ike.resent;
	sess_free(s);
	dial_over(s);
}

void sess_close(struct dsess *s)
{
	uint64_t now = now_ms();
	struct l2tp_out lo;

	if (s->state >= SESS_CLOSING || s->state == SESS_WAIT)
		return;
	if (s->state == SESS_UP) {
		end_with(s, "closed");
		witness_end(&s->w, now);
	}
	s->state = SESS_CLOSING;
	s->close_ms = now + CLOSE_MS;
	if (s->out && !s->d->vanished) {
		l2tp_out_init(&lo);
		if (s->call)
			(void)l2tp_session_close(&s->l2tp, s->tunnel, s->session, L2TP_CDN_ADMIN, L2TP_ERR_NONE, now, &lo);
		l2tp_effects(s, &lo, now);
		l2tp_out_init(&lo);
		l2tp_flow_close(&s->l2tp, L2TP_REASON_ADMIN, now, &lo);
		l2tp_effects(s, &lo, now);
	} else {
		s->close_ms = now;
	}
	s->call = false;
	/* over() follows from the timer, never from within a core's effects. */
	s->timer_at = UINT64_MAX;
	if (s->timer)
		event_active(s->timer, EV_TIMEOUT, 1);
	else
		over(s);
}

void sess_free(struct dsess *s)
{
	if (s->state != SESS_WAIT) {
		if (s->l2tp.conf)
			l2tp_flow_free(&s->l2tp);
		ike_free(&s->ike);
	}
	s->state = SESS_OVER;
	wire_close(s);
	if (s->timer)
		event_free(s->timer);
	s->timer = NULL;
	esp_sa_free(s->in);
	esp_sa_free(s->out);
	s->in = s->out = NULL;
	s->call = false;
	explicit_bzero(&s->ppp_conf, sizeof(s->ppp_conf));
}
