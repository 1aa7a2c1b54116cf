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
#include "l2tpd/csum.h"
#include "l2tpd/msg.h"

enum {
	L2TP_PORT = 1701,
	UDP_CSUM_AT = 6,
	HEAD_NS = 8,			/* from the end of a session's head: L2TP's Ns */
	INNER_MAX = 1700,		/* UDP header and what it carries */
	CLOSE_MS = 3000,		/* StopCCN may take so long to be acknowledged */
	KEEPALIVE_MS = 20000,		/* RFC 3948 4 */
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
void sess_fail(struct dsess *s, const char *reason)
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

static void phase_done(struct dsess *s, enum phase p)
{
	if (!s->done_us[p])
		s->done_us[p] = now_us();
}

/* ---- out ---- */

/* RFC 3948 3.1.2: over IPv4 the checksum may be 0; data_commit() makes that of IPv6. Without ESP the kernel writes
 * the header. */
static void udp_header(const struct dsess *s, struct wr *w, size_t payload)
{
	if (s->d->conf.plain)
		return;
	wr_u16(w, L2TP_PORT);
	wr_u16(w, L2TP_PORT);
	wr_u16(w, (uint16_t)(IP_UDP_HEADER + payload));
	wr_u16(w, 0);
}

/* The sum over a datagram of n bytes at p and its pseudo header (RFC 8200 8.1). */
static uint64_t udp_sum6(const struct addr *src, const struct addr *dst, const uint8_t *p, size_t n)
{
	return csum_add(csum_pseudo6(src->ip, dst->ip, IPPROTO_UDP, n), p, n);
}

void sess_udp_sum(const struct dsess *s, uint8_t *p, size_t n)
{
	uint16_t sum;

	if (s->local.family != 6)
		return;
	csum_store(p + UDP_CSUM_AT, 0);
	sum = (uint16_t)~csum_fold(udp_sum6(&s->local, &s->d->conf.server, p, n));
	csum_store(p + UDP_CSUM_AT, sum ? sum : 0xffff);
}

void sess_send_inner(struct dsess *s, const uint8_t *head, size_t n_head, const uint8_t *body, size_t n)
{
	size_t len = (s->d->conf.plain ? 0 : IP_UDP_HEADER) + n_head + n;
	uint8_t *p = len <= INNER_MAX ? data_room(s, len) : NULL;
	struct wr w = wr_of(p, len);

	if (!p)
		return;
	udp_header(s, &w, n_head + n);
	wr_bytes(&w, head, n_head);
	wr_bytes(&w, body, n);
	data_commit(s, len);
}

void sess_send_frame(struct dsess *s, const uint8_t *frame, size_t n)
{
	uint8_t head[L2TP_DATA_HEADER_SEQ];
	size_t len = s->seq.out ? l2tp_data_header_seq(head, s->peer_tunnel, s->peer_session, s->seq.ns++)
				: l2tp_data_header(head, s->peer_tunnel, s->peer_session);

	trace(s, "out", frame, n);
	sess_send_inner(s, head, len, frame, n);
}

/* What stands in front of every IP packet of this call. */
static void head_make(struct dsess *s)
{
	struct wr w = wr_of(s->head, sizeof(s->head));

	udp_header(s, &w, 0);
	if (s->seq.out)
		(void)l2tp_data_header_seq(wr_room(&w, L2TP_DATA_HEADER_SEQ), s->peer_tunnel, s->peer_session, 0);
	else
		(void)l2tp_data_header(wr_room(&w, L2TP_DATA_HEADER), s->peer_tunnel, s->peer_session);
	wr_u16(&w, 0xff03);
	wr_u16(&w, PPP_IP);
	s->head_len = (uint8_t)w.len;
}

/* In a packet of len bytes that begins with s->head, what is not the same in all: UDP's length, L2TP's Ns. */
static void head_finish(struct dsess *s, uint8_t *p, size_t len)
{
	struct wr w = wr_of(p, len);

	if (s->d->conf.xauth)		/* it has no head */
		return;
	if (!s->d->conf.plain) {
		(void)wr_room(&w, 4);
		wr_u16(&w, (uint16_t)len);
	}
	if (s->seq.out) {
		w = wr_of(p, len);
		(void)wr_room(&w, s->head_len - HEAD_NS);
		wr_u16(&w, s->seq.ns++);
	}
}

uint8_t *sess_room(struct dsess *s, size_t n, size_t *ret_len)
{
	size_t len = s->head_len + n;
	uint8_t *to = data_room(s, len);
	struct wr w = wr_of(to, len);

	if (!to)
		return NULL;
	wr_bytes(&w, s->head, s->head_len);
	head_finish(s, to, len);
	*ret_len = len;
	return wr_room(&w, n);
}

/* The same where MPPE is on: protocol and packet are encrypted, behind a header of their own. */
static void send_mppe(struct dsess *s, const uint8_t *p, size_t n)
{
	size_t len = s->head_len + MPPE_OVERHEAD + n;
	uint8_t *to = data_room(s, len), *header, *inside;
	struct wr w = wr_of(to, len);

	if (!to)
		return;
	wr_bytes(&w, s->head, s->head_len - 2u);
	wr_u16(&w, PPP_COMP);
	header = wr_room(&w, MPPE_HEADER);
	inside = w.p + w.len;
	wr_u16(&w, PPP_IP);
	wr_bytes(&w, p, n);
	if (!mppe_seal(s->mppe, header, inside, 2 + n))
		return;
	head_finish(s, to, len);
	data_commit(s, len);
}

void sess_send_ip(struct dsess *s, const uint8_t *p, size_t n)
{
	uint8_t *to;
	struct wr w;
	size_t len;

	if (!s->call || !ppp_may_ip(&s->ppp) || n > ppp_mtu(&s->ppp))
		return;
	if (s->mppe) {
		send_mppe(s, p, n);
	} else if ((to = sess_room(s, n, &len))) {
		w = wr_of(to, n);
		wr_bytes(&w, p, n);
		data_commit(s, len);
	} else {
		return;
	}
	s->out_packets++;
	s->out_bytes += n;
}

/* ---- PPP ---- */
static unsigned long long took_ms(const struct dsess *s, enum phase p)
{
	return (s->done_us[p] - (p == PHASE_IKE ? s->start_us : s->done_us[p - 1])) / 1000;
}

static void came_up(struct dsess *s, uint64_t now)
{
	char ip[ADDR_STRLEN], local[ADDR_STRLEN];
	int err;

	if (s->state != SESS_LOGIN)	/* IPCP was renegotiated */
		return;
	phase_done(s, PHASE_PPP);
	s->phase = PHASE_UP;
	s->state = SESS_UP;
	if (s->d->conf.each && !s->call)
		printf("session=%u up local=%s ike_ms=%llu%s\n", s->n, addr_str(&s->local, local), took_ms(s, PHASE_IKE),
			s->raw ? " raw" : "");
	else if (s->d->conf.each)
		printf("session=%u up local=%s ip=%s mtu=%u ike_ms=%llu l2tp_ms=%llu ppp_ms=%llu%s\n", s->n,
			addr_str(&s->local, local), ip4_str(s->ppp.ip_local, ip), ppp_mtu(&s->ppp),
			took_ms(s, PHASE_IKE), took_ms(s, PHASE_L2TP), took_ms(s, PHASE_PPP), s->raw ? " raw" : "");
	err = tun_join(s);
	if (err)
		fatal("%s: %s", s->d->conf.tun, strerror(-err));
	load_up(s, now);
	rekey_up(s, now);
	dial_login_done(s);
}

static void ppp_effects(struct dsess *s, struct ppp_out *out, uint64_t now)
{
	for (unsigned i = 0; i < out->n; i++) {
		struct ppp_effect *eff = &out->eff[i];

		switch (eff->type) {
		case PPP_EFF_SEND:
			sess_send_frame(s, eff->data, eff->len);
			break;
		case PPP_EFF_UP:
			came_up(s, now);
			break;
		case PPP_EFF_MPPE_ON:
			mppe_free(s->mppe);
			s->mppe = mppe_new(s->ppp.mppe_theirs, s->ppp.mppe_send, s->ppp.mppe_ours, s->ppp.mppe_recv);
			if (!s->mppe)
				fatal("out of memory");
			if (s->d->conf.each)
				printf("session=%u mppe in=%s out=%s\n", s->n, mppe_text(s->ppp.mppe_ours),
					mppe_text(s->ppp.mppe_theirs));
			break;
		case PPP_EFF_MPPE_OFF:
			mppe_free(s->mppe);
			s->mppe = NULL;
			break;
		case PPP_EFF_MPPE_FLUSH:
			if (s->mppe)
				mppe_flush(s->mppe);
			break;
		case PPP_EFF_AUTH:
		case PPP_EFF_ADDR:
		case PPP_EFF_DOWN:
			break;
		case PPP_EFF_GONE:
			s->call = false;
			sess_fail(s, s->ppp.reason);
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
			sess_send_inner(s, NULL, 0, out->eff[i].data, out->eff[i].len);
	for (unsigned i = 0; i < out->n; i++) {
		struct l2tp_effect *eff = &out->eff[i];

		switch (eff->type) {
		case L2TP_EFF_SESSION_UP:
			phase_done(s, PHASE_L2TP);
			s->phase = PHASE_PPP;
			s->tunnel = eff->tunnel;
			s->session = eff->session;
			s->peer_tunnel = eff->peer_tunnel;
			s->peer_session = eff->peer_session;
			s->seq = (struct dseq){ .out = s->d->conf.sequencing };
			head_make(s);
			ppp_begin(s, now);
			break;
		case L2TP_EFF_SESSION_GONE:
			s->call = false;
			if (eff->reason == L2TP_REASON_TUNNEL)	/* whose end follows, and says why */
				break;
			/* fallthrough */
		case L2TP_EFF_TUNNEL_GONE:
			snprintf(reason, sizeof(reason), "%s result=%u error=%u", l2tp_reason_str(eff->reason), eff->result,
				eff->error);
			sess_fail(s, reason);
			break;
		case L2TP_EFF_SEND:
		case L2TP_EFF_TUNNEL_UP:
			break;
		}
	}
}

/* ---- IKE ---- */
/* The distinct messages of IKE that were sent up to now. */
struct said {
	unsigned n;
	struct {
		bool natt;
		size_t len;
		uint8_t p[IKE_MESSAGE_MAX];
	} m[8];
};

static enum dial_way ike_way(bool natt)
{
	return natt ? WAY_4500 : WAY_500;
}

/* As a wire with a long memory would: all of them once more, and remember this one. */
static void say_again(struct dsess *s, const struct ike_effect *eff)
{
	struct said *said = s->said;

	if (!said && !(said = s->said = calloc(1, sizeof(*said))))
		return;
	for (unsigned i = 0; i < said->n; i++)
		if (said->m[i].len == eff->len && !memcmp(said->m[i].p, eff->data, eff->len))
			return;
	for (unsigned i = 0; i < said->n; i++)
		wire_send(s, ike_way(said->m[i].natt), said->m[i].natt, said->m[i].p, said->m[i].len);
	if (said->n == N_ELEMENTS(said->m))
		return;
	said->m[said->n].natt = eff->natt;
	said->m[said->n].len = eff->len;
	memcpy(said->m[said->n++].p, eff->data, eff->len);
}

/* L2TP can be sent: the tunnel. */
static void l2tp_begin(struct dsess *s, uint64_t now)
{
	struct l2tp_out lo;

	s->phase = PHASE_L2TP;
	s->flood_at_ms = now;
	s->sent_ms = now;
	l2tp_out_init(&lo);
	if (!l2tp_flow_dial(&s->l2tp, s->d->conf.port, now, &lo)) {
		sess_fail(s, "no tunnel id");
		return;
	}
	l2tp_effects(s, &lo, now);
}

/* XAuth: with the SAs all is there.  To what asks whether IP may pass, and how much, this is a PPP link like any other. */
static void tunnel_begin(struct dsess *s, uint64_t now)
{
	s->ppp = (struct ppp){
		.conf = &s->ppp_conf, .phase = PPP_NETWORK, .up = true, .peer_mru = s->d->conf.mru, .ip_local = s->ike.ip,
	};
	s->head_len = 0;
	s->call = true;
	s->flood_at_ms = s->sent_ms = now;
	s->phase = PHASE_PPP;
	phase_done(s, PHASE_L2TP);
	came_up(s, now);
}

/* The first SAs are there. */
static void secured(struct dsess *s, uint64_t now)
{
	phase_done(s, PHASE_IKE);
	s->raw = !s->ike.natt;
	wire_moved(s);
	if (!pair_new(s, &s->ike)) {
		sess_fail(s, "no ESP SA");
		return;
	}
	if (s->d->conf.stop_ike) {
		s->flood_at_ms = s->sent_ms = now;
		s->phase = PHASE_L2TP;
		phase_done(s, PHASE_L2TP);
		came_up(s, now);
		return;
	}
	if (s->d->conf.xauth)
		tunnel_begin(s, now);
	else
		l2tp_begin(s, now);
}

void sess_ike_effects(struct dsess *s, struct ike *k, struct ike_out *out, uint64_t now)
{
	for (unsigned i = 0; i < out->n; i++) {
		struct ike_effect *eff = &out->eff[i];

		switch (eff->type) {
		case IKE_EFF_SEND:
			data_flush(s->d);	/* what was said before goes before */
			if (s->d->conf.replay)
				say_again(s, eff);
			/* Nobody misses it but the server: the SAs are there. */
			if (ike_is_quick3(k, eff) && wire_chance(s->d, s->d->conf.lose_quick))
				break;
			wire_send(s, ike_way(eff->natt), eff->natt, eff->data, eff->len);
			break;
		case IKE_EFF_SECURED:
			break;
		case IKE_EFF_CHILD:
			if (k == &s->ike && !s->done_us[PHASE_IKE])
				secured(s, now);
			else
				rekey_done(s, k, now);
			return;			/* the last one; k may be another by now */
		case IKE_EFF_GONE:
			/* One that was replaced has nothing to say any more. */
			if (k != s->old_ike)
				sess_fail(s, k->reason);
			break;
		}
	}
}

/* ---- in ---- */
static void ip_in(struct dsess *s, uint8_t *p, size_t n, uint64_t now)
{
	ppp_heard(&s->ppp, now);
	if (!ppp_may_ip(&s->ppp)) {
		s->bad++;
		return;
	}
	s->in_packets++;
	s->in_bytes += n;
	s->in_discard += ip_is_discard(rd_of(p, n));
	if (!load_input(s, rd_of(p, n)))
		data_tun_write(s, p, n);
}

static __attribute__((noinline)) void mppe_in(struct dsess *s, uint8_t *p, size_t n, uint64_t now)
{
	enum mppe_verdict v = mppe_open(s->mppe, p, n, now);
	struct ppp_out po;
	uint16_t proto;
	struct rd in;

	if (v == MPPE_OK) {
		in = rd_of(p + MPPE_HEADER, n - MPPE_HEADER);
		if (ppp_frame(&in, &proto) && proto == PPP_IP) {
			ip_in(s, p + (in.p - p), in.n, now);
			return;
		}
	}
	s->bad++;
	if (v == MPPE_LOST) {
		ppp_out_init(&po);
		ppp_mppe_lost(&s->ppp, now, &po);
		ppp_effects(s, &po, now);
	}
}

/* Out of line: what these need on the stack is not for every packet. */
static __attribute__((noinline)) void l2tp_in(struct dsess *s, struct rd r, uint16_t port, uint64_t now)
{
	struct l2tp_out lo;

	l2tp_out_init(&lo);
	l2tp_flow_input(&s->l2tp, r, port, now, &lo);
	l2tp_effects(s, &lo, now);
}

static __attribute__((noinline)) void ppp_in(struct dsess *s, struct rd r, uint64_t now)
{
	struct ppp_out po;

	trace(s, "in", r.p, r.n);
	ppp_out_init(&po);
	ppp_input(&s->ppp, r, now, &po);
	ppp_effects(s, &po, now);
}

void sess_l2tp(struct dsess *s, uint8_t *p, size_t n, uint16_t port, uint64_t now)
{
	struct rd r = rd_of(p, n), frame;
	struct wr own = wr_of(p, n);
	struct l2tp_data d;
	uint16_t proto;

	if (l2tp_is_control(r)) {
		l2tp_in(s, r, port, now);
		return;
	}
	if (!l2tp_data_parse(&r, &d) || !s->call || d.tunnel != s->tunnel || d.session != s->session) {
		s->bad++;
		return;
	}
	l2tp_flow_heard(&s->l2tp, d.tunnel, now);
	/* RFC 2661 5.4: the server says whether data is numbered, unless we required it. */
	if (s->seq.out != (d.sequenced || s->d->conf.sequencing)) {
		s->seq.out = !s->seq.out;
		head_make(s);
	}
	if (d.sequenced && dseq_in(&s->seq, d.ns) == DSEQ_STALE) {
		s->bad++;
		return;
	}
	frame = r;
	if (!ppp_frame(&frame, &proto) || (proto != PPP_IP && (proto != PPP_COMP || !s->mppe))) {
		ppp_in(s, r, now);
		return;
	}
	/* The same bytes, to be written to. */
	(void)wr_room(&own, (size_t)(frame.p - p));
	if (proto == PPP_COMP)
		mppe_in(s, wr_room(&own, frame.n), frame.n, now);
	else if (s->mppe)
		s->bad++;		/* in the clear, where that was not agreed on */
	else
		ip_in(s, wr_room(&own, frame.n), frame.n, now);
}

void sess_inner(struct dsess *s, uint8_t *p, size_t n, uint64_t now)
{
	struct rd r = rd_of(p, n);
	struct wr own = wr_of(p, n);
	uint16_t port, len, sum;

	if (s->d->conf.xauth) {
		ip_in(s, p, n, now);
		return;
	}
	port = rd_u16(&r);
	rd_skip(&r, 2);
	len = rd_u16(&r);
	sum = rd_u16(&r);
	/* Over IPv6 0 is none; and it is right where no NAT can have changed an address. */
	if (r.bad || len < IP_UDP_HEADER || (size_t)len - IP_UDP_HEADER > r.n || (s->local.family == 6 && (!sum ||
	    (s->raw && csum_fold(udp_sum6(&s->d->conf.server, &s->local, p, len)) != 0xffff)))) {
		s->bad++;
		return;
	}
	len = (uint16_t)(len - IP_UDP_HEADER);
	(void)wr_room(&own, IP_UDP_HEADER);
	sess_l2tp(s, wr_room(&own, len), len, port, now);
}

void sess_ike(struct dsess *s, struct rd r, uint64_t now)
{
	struct ike_out out;

	struct ike *k = &s->ike;

	if (s->next_ike && ike_is(s->next_ike, r))
		k = s->next_ike;
	else if (s->old_ike && ike_is(s->old_ike, r))
		k = s->old_ike;
	ike_out_init(&out);
	ike_input(k, r, now, &out);
	/* The flood of half-open IKE_SAs never goes on. */
	if (s->d->conf.flood != FLOOD_IKE)
		sess_ike_effects(s, k, &out, now);
}

/* ---- timer ---- */

static bool l2tp_quiet(const struct dsess *s)
{
	for (unsigned i = 0; i < N_ELEMENTS(s->l2tp.tunnel); i++)
		if (s->l2tp.tunnel[i] && !xport_idle(&s->l2tp.tunnel[i]->x))
			return false;
	return true;
}

static uint64_t deadline(const struct dsess *s)
{
	const struct dial_conf *c = &s->d->conf;
	uint64_t at = MIN(ike_deadline(&s->ike), l2tp_flow_deadline(&s->l2tp));

	if (c->flood == FLOOD_IKE)
		at = UINT64_MAX;
	if (s->call && !c->xauth)
		at = MIN(at, ppp_deadline(&s->ppp));
	if (s->state == SESS_LOGIN)
		at = MIN(at, s->start_ms + c->timeout_s * 1000ull);
	if (s->state == SESS_CLOSING)
		at = MIN(at, s->close_ms);
	at = MIN(at, load_deadline(s));
	at = MIN(at, rekey_deadline(s));
	if (s->out && !s->raw)		/* against a NAT that forgets; L2TP has HELLO */
		at = MIN(at, s->sent_ms + KEEPALIVE_MS);
	return at;
}

void sess_rearm(struct dsess *s, uint64_t now)
{
	struct timeval tv;
	uint64_t at, wait;

	data_flush(s->d);
	if (s->state == SESS_CLOSING && (l2tp_quiet(s) || now >= s->close_ms))
		over(s);
	if (s->state == SESS_OVER || s->state == SESS_WAIT)
		return;
	at = s->d->vanished ? UINT64_MAX : deadline(s);
	/* Every packet moves some deadline away: a timer that comes too early finds that out. */
	if (at >= s->timer_at)
		return;
	s->timer_at = at;
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
		sess_ike_effects(s, &s->ike, &io, now);
	}
	rekey_expire(s, now);
	if (wire_up(s)) {
		l2tp_out_init(&lo);
		l2tp_flow_expire(&s->l2tp, now, &lo);
		l2tp_effects(s, &lo, now);
	}
	if (s->call && !c->xauth) {
		ppp_out_init(&po);
		ppp_expire(&s->ppp, now, &po);
		ppp_effects(s, &po, now);
	}
	if (s->state == SESS_LOGIN && now >= s->start_ms + c->timeout_s * 1000ull)
		sess_fail(s, "timeout");
	load_expire(s, now);
	if (s->out && !s->raw && now >= s->sent_ms + KEEPALIVE_MS)
		wire_send(s, WAY_4500, false, &keepalive, 1);
	sess_rearm(s, now);
}

/* ---- life ---- */
void sess_init(struct dial *d, struct dsess *s, unsigned n)
{
	*s = (struct dsess){
		.d = d, .n = n, .fd = { -1, -1, -1 }, .timer_at = UINT64_MAX, .rekey_ms = UINT64_MAX, .reauth_ms = UINT64_MAX,
		.move_ms = UINT64_MAX,
	};
	list_init(&s->by_ip);
	s->ike.state = IKE_IDLE;
	s->ike.timer_ms = IKE_NEVER;
	if (d->conf.from.family)
		s->local = addr_nth(&d->conf.from, n % d->conf.from_n);
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

struct ike_ends sess_ends(const struct dsess *s, bool natt)
{
	bool xauth = s->d->conf.xauth;

	return (struct ike_ends){
		.id = s->id, .port = natt ? 4500 : 500, .natt = natt, .peer = s->d->conf.server,
		.user = xauth ? s->ppp_conf.user : NULL, .password = xauth ? s->ppp_conf.password : NULL,
	};
}

void sess_start(struct dsess *s)
{
	struct dial *d = s->d;
	uint64_t now = now_ms();
	struct ike_ends ends;
	struct ike_out out;
	struct rng seed;
	char why[80];
	int err;

	s->state = SESS_LOGIN;
	s->start_ms = now;
	s->start_us = now_us();
	s->ppp_conf = (struct ppp_conf){
		.auth = d->conf.auth, .mru = d->conf.mru, .want_dns = true, .want_ip = d->conf.ask,
		.limits = PPP_LIMITS,
		.auth_timeout_ms = 30000,
		.mppe = d->conf.mppe, .mppe_bits = d->conf.mppe_bits, .mppe_stateful = d->conf.mppe_stateful,
	};
	user_name(s, s->ppp_conf.user, sizeof(s->ppp_conf.user));
	str_copy(s->ppp_conf.password, sizeof(s->ppp_conf.password), d->conf.password);
	if (d->conf.wrong_password)
		s->ppp_conf.password[0] ^= 1;
	rng_init(&seed);
	l2tp_flow_init(&s->l2tp, &d->l2tp_conf, &d->ids, &seed);
	s->id = d->conf.inner.family ? d->conf.inner : s->local;
	ends = sess_ends(s, false);
	rng_init(&seed);
	ike_init(&s->ike, &d->ike_conf, &ends, &seed);
	s->timer = evtimer_new(d->base, expired, s);
	err = s->timer ? wire_open(s) : -1;
	if (err) {
		snprintf(why, sizeof(why), "socket: %s", strerror(-err));
		sess_fail(s, why);
		return;
	}
	if (d->conf.plain) {
		phase_done(s, PHASE_IKE);
		l2tp_begin(s, now);
		sess_rearm(s, now);
		return;
	}
	if (!d->conf.inner.family)
		s->id = s->ike.ends.id = s->local;
	ike_out_init(&out);
	ike_start(&s->ike, now, &out);
	sess_ike_effects(s, &s->ike, &out, now);
	sess_rearm(s, now);
}

static void over(struct dsess *s)
{
	unsigned copies = s->d->conf.loss > 0 ? DELETES : 1;
	struct ike_out out;

	s->last_words = true;
	data_flush(s->d);
	for (unsigned i = 0; i < copies; i++) {
		ike_out_init(&out);
		rekey_close(s, &out);
		ike_close(&s->ike, &out);
		for (unsigned k = 0; k < out.n; k++)
			wire_send(s, ike_way(out.eff[k].natt), out.eff[k].natt, out.eff[k].data, out.eff[k].len);
	}
	s->d->sum.ike_resent += s->ike.resent;
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
		load_end(s);
	}
	tun_leave(s);
	s->state = SESS_CLOSING;
	s->close_ms = now + CLOSE_MS;
	if (wire_up(s) && !s->d->vanished && !s->d->conf.xauth) {
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
	data_flush(s->d);
	tun_leave(s);
	load_free(s);
	if (s->state != SESS_WAIT) {
		if (s->l2tp.conf)
			l2tp_flow_free(&s->l2tp);
		ike_free(&s->ike);
	}
	free(s->said);
	s->said = NULL;
	s->state = SESS_OVER;
	wire_close(s);
	if (s->timer)
		event_free(s->timer);
	s->timer = NULL;
	rekey_free(s);
	mppe_free(s->mppe);
	s->mppe = NULL;
	s->call = false;
	explicit_bzero(&s->ppp_conf, sizeof(s->ppp_conf));
}
