/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client's control messages and PPP frames, time that passes, and a manager's
 * answers, through L2TP, PPP and the engine between them.  Records of what to
 * do, a length, and as many octets of content:
 *
 *   what & 7   0 a control datagram as it is
 *              1 AVPs for the tunnel, in turn; octet 0: which session (0 none)
 *              2 a PPP frame; octet 0: of which session
 *              3 time passes: octet 0 in units of 250 ms, each timer at its time
 *              4 the manager judges; octet 0: which session, and 16 yes, 32 the
 *                peer may choose, 64 a session timeout of a minute
 *              5 the manager's answer about an address; octet 0: which session
 *              6 the manager ends a session; octet 0: which
 *              7 a good client logs in, as far as octet 0 says
 *
 * Must hold at the end, when the client is gone: no session, no lease of an
 * address, no tunnel id, no timer; and the manager was told of every session
 * that it knew, once.
 */
#include <stdint.h>

#include "base/log.h"
#include "tests/unit/data_rig.h"
#include "l2tpd/pool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 16, FIRST_IP = 0x0a370002, LAST_IP = 0x0a370007 };

static struct sess_row table[ROWS];
static struct sess *by_slot[ROWS];
static struct flow *f;
static struct pool *pool;
static uint64_t now;
static uint16_t ns;

/* What the manager knows. */
static struct known {
	struct sid sid;
	bool asked, leased;
	uint32_t serial, ip;
} known[ROWS];

uint64_t __wrap_now_ms(void);
uint64_t __wrap_now_ms(void)
{
	return now;
}

void __wrap_rng_init(struct rng *);
void __wrap_rng_init(struct rng *r)
{
	rng_init_test(r, 1);
}

static void told(enum msg_type type, const void *body)
{
	const struct msg_auth_req *ask = body;
	const struct msg_session *m = body;
	struct known *k;

	switch (type) {
	case MSG_AUTH_REQ:
		RIG_MUST(ask->sid.slot < ROWS && by_slot[ask->sid.slot]);
		k = &known[ask->sid.slot];
		/* Another one's row is free by now. */
		RIG_MUST(k->sid.gen == ask->sid.gen || (!k->asked && !k->leased));
		k->sid = ask->sid;
		k->serial = ask->serial;
		k->asked = true;
		break;
	case MSG_SESSION_UP:
		RIG_MUST(known[m->sid.slot].leased && known[m->sid.slot].sid.gen == m->sid.gen);
		break;
	case MSG_SESSION_DOWN:
		k = &known[m->sid.slot];
		RIG_MUST(k->sid.gen == m->sid.gen && (k->asked || k->leased));
		if (k->leased)
			pool_release(pool, k->ip);
		*k = (struct known){ 0 };
		break;
	default:
		break;
	}
}

/* The i-th session that there is, or NULL. */
static struct sess *pick(unsigned i)
{
	for (unsigned n = 0; n < ROWS; n++)
		if (by_slot[(i + n) % ROWS])
			return by_slot[(i + n) % ROWS];
	return NULL;
}

static const struct l2tp_tunnel *tunnel(void)
{
	for (size_t i = 0; i < N_ELEMENTS(f->l2tp.tunnel); i++)
		if (f->l2tp.tunnel[i] && !f->l2tp.tunnel[i]->gone)
			return f->l2tp.tunnel[i];
	return NULL;
}

static void control(struct rd msg)
{
	uint8_t *exact = malloc(msg.n ? msg.n : 1);

	RIG_MUST(exact);
	if (msg.n)
		memcpy(exact, msg.p, msg.n);
	call_l2tp(f, rd_of(exact, msg.n), 1701, now);
	data_flush(&rig.e);
	free(exact);
}

static void avps(uint16_t session, struct rd body)
{
	const struct l2tp_tunnel *t = tunnel();
	uint8_t buf[600];
	struct wr w = wr_of(buf, sizeof(buf));
	struct l2tp_hdr h = { .session = session, .body = body };

	if (t) {
		h.tunnel = t->id;
		h.ns = t->x.nr;
		h.nr = (uint16_t)(t->x.una + t->x.high);
	}
	l2tp_hdr_write(&w, &h);
	control(rd_of(buf, w.len));
}

static void frame(struct sess *s, const void *p, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);

	RIG_MUST(exact);
	if (n)
		memcpy(exact, p, n);
	call_ppp(s, rd_of(exact, n), now);
	data_flush(&rig.e);
	free(exact);
}

static void judge(struct sess *s, uint8_t how)
{
	struct known *k = &known[s->sid.slot];
	struct msg_verdict v = {
		.sid = s->sid, .serial = k->serial, .verdict = VERDICT_DENY, .ip_local = FIRST_IP - 1, .may_choose = how & 32,
		.session_timeout_s = how & 64 ? 60 : 0, .user = "u", .reason = "no",
	};

	if (!k->asked || k->sid.gen != s->sid.gen)
		return;
	k->asked = false;
	if (how & 16) {
		if (!k->leased)
			k->ip = pool_lease(pool, 0);
		k->leased = k->ip;
		v.verdict = k->leased ? VERDICT_OK : VERDICT_REFUSE;
		v.ip = k->ip;
	}
	/* What was denied is known no more: its end is told as long as it is asked for. */
	call_verdict(&rig.e, &v);
}

static void good(uint8_t how)
{
	static const uint8_t sccrq[] = {
		0x80, 8, 0, 0, 0, 0, 0, 1, 0x80, 8, 0, 0, 0, 2, 1, 0, 0x80, 7, 0, 0, 0, 7, 'x',
		0x80, 10, 0, 0, 0, 3, 0, 0, 0, 3, 0x80, 8, 0, 0, 0, 9, 0, 7,
	};
	static const uint8_t scccn[] = { 0x80, 8, 0, 0, 0, 0, 0, 3 };
	static const uint8_t iccn[] = { 0x80, 8, 0, 0, 0, 0, 0, 12, 0x80, 10, 0, 0, 0, 24, 0, 0, 0, 1, 0x80, 10, 0, 0, 0, 19, 0, 0, 0, 1 };
	static const uint8_t lcp[] = { 0xc0, 0x21, 1, 1, 0, 4 };
	static const uint8_t pap[] = { 0xc0, 0x23, 1, 1, 0, 8, 1, 'u', 1, 'p' };
	uint8_t icrq[] = { 0x80, 8, 0, 0, 0, 0, 0, 10, 0x80, 8, 0, 0, 0, 14, 0, ++ns, 0x80, 10, 0, 0, 0, 15, 0, 0, 0, 1 };
	uint8_t ack[] = { 0xc0, 0x21, 2, 1, 0, 18, 1, 4, 5, 0x50, 3, 4, 0xc0, 0x23, 5, 6, 0, 0, 0, 0 };
	uint8_t ipcp[] = { 0x80, 0x21, 1, 1, 0, 10, 3, 6, 0, 0, 0, 0 };
	static const uint8_t ipcp_ack[] = { 0x80, 0x21, 2, 1, 0, 10, 3, 6, 0x0a, 0x37, 0, 1 };
	const struct l2tp_tunnel *t;
	struct sess *s = NULL;
	struct wr w;

	if (!tunnel()) {
		avps(0, rd_of(sccrq, sizeof(sccrq)));
		avps(0, rd_of(scccn, sizeof(scccn)));
	}
	if ((how & 7) < 1)
		return;
	avps(0, rd_of(icrq, sizeof(icrq)));
	t = tunnel();
	for (unsigned i = 0; t && i < t->n_places; i++) {
		if (t->session[i].state != L2TP_SES_IDLE && t->session[i].peer_id == icrq[15] && !call_find(f, t->id, t->session[i].id)) {
			uint16_t id = t->session[i].id;

			avps(id, rd_of(iccn, sizeof(iccn)));
			s = call_find(f, t->id, id);
			break;
		}
	}
	if ((how & 7) < 2 || !s)
		return;
	frame(s, lcp, sizeof(lcp));
	w = wr_of(ack + 16, 4);
	wr_u32(&w, s->ppp.magic);
	frame(s, ack, sizeof(ack));
	frame(s, pap, sizeof(pap));
	if ((how & 7) < 3)
		return;
	judge(s, how | 16);
	if ((how & 7) < 4)
		return;
	w = wr_of(ipcp + 8, 4);
	wr_u32(&w, s->ip);
	frame(s, ipcp, sizeof(ipcp));
	frame(s, ipcp_ack, sizeof(ipcp_ack));
}

/* Each timer at its time. */
static void pass(uint64_t ms)
{
	const uint64_t until = now + ms;

	for (unsigned n = 0;; n++) {
		struct sess *s = NULL;
		uint64_t at = f->timer_at;
		struct event *ev;

		RIG_MUST(n < 100000);
		for (unsigned i = 0; i < ROWS; i++) {
			if (by_slot[i] && by_slot[i]->timer_at < at) {
				s = by_slot[i];
				at = s->timer_at;
			}
		}
		if (at > until)
			break;
		now = MAX(now, at);
		/* As if it had run out, which it has not in real time. */
		ev = s ? s->timer : f->timer;
		event_del(ev);
		event_active(ev, EV_TIMEOUT, 0);
		RIG_MUST(event_base_loop(rig.e.base, EVLOOP_NONBLOCK) >= 0);
	}
	now = until;
}

static void record(uint8_t what, struct rd r)
{
	uint8_t n = what & 7 ? rd_u8(&r) : 0;
	struct sess *s = pick(n & 15);
	struct msg_addr addr = { .ip = FIRST_IP };
	struct msg_session kill = { .reason = "killed" };

	if (r.bad)
		return;
	switch (what & 7) {
	case 0:
		control(r);
		break;
	case 1:
		avps(n && s ? s->session_id : 0, r);
		break;
	case 2:
		if (s)
			frame(s, r.p, r.n);
		break;
	case 3:
		pass(n * 250u);
		break;
	case 4:
		if (s)
			judge(s, n);
		break;
	case 5:
		if (s && known[s->sid.slot].leased && known[s->sid.slot].sid.gen == s->sid.gen) {
			addr.sid = s->sid;
			addr.ip = known[s->sid.slot].ip;
			call_addr(&rig.e, &addr);
		}
		break;
	case 6:
		if (s) {
			kill.sid = s->sid;
			call_kill(&rig.e, &kill);
		}
		break;
	default:
		good(n);
	}
}

static void begin(void)
{
	static const struct conf_ipcp c = { .n_pool = 1, .pool = { { .first = FIRST_IP, .last = LAST_IP } } };
	struct rng seed;

	log_max = -1;
	now = 100000;
	ns = 0;
	rig_make(false, ESP_AUTH_HMAC_SHA1_96);
	RIG_MUST(pool_new(&c, 0, &pool) == 0);
	rig.heard = told;
	rig.e.rows = table;
	rig.e.n_rows = ROWS;
	rig.e.by_slot = by_slot;
	memset(table, 0, sizeof(table));
	memset(by_slot, 0, sizeof(by_slot));
	memset(known, 0, sizeof(known));
	f = sa_find(&rig.e, 1u << 8)->flow;
	f->conf = rig.e.tunnel_conf[0];
	f->conf->ppp = (struct ppp_conf){
		.authenticator = true, .auth = PPP_AUTH_PAP, .mru = 1360, .limits = PPP_LIMITS, .auth_timeout_ms = 30000,
	};
	f->conf->l2tp.host_name[0] = 'v';
	f->conf->l2tp.max_half_open = 4;
	f->conf->lcp_renegotiation = f->conf->accept_dialin = true;
	f->l2tp.conf = &f->conf->l2tp;
	rng_init_test(&seed, 1);
	l2tp_ids_init(&rig.e.ids, &seed);
	data_tun_close(rig.client[0].sess);
	list_del(&rig.client[0].sess->link);
	list_del(&rig.client[0].sess->by_call);
}

static void end(void)
{
	/* The client vanishes; nobody answers any more. */
	call_close_all(f, "end", false);
	pass(3600000);
	RIG_MUST(rig.e.n_sessions == 0 && list_empty(&f->sessions));
	for (unsigned i = 0; i < ROWS; i++)
		RIG_MUST(!by_slot[i] && !table[i].state && !known[i].asked && !known[i].leased);
	RIG_MUST(pool_in_use(pool) == 0);
	RIG_MUST(rig.e.ids.n == 0);
	RIG_MUST(f->timer_at == UINT64_MAX && !evtimer_pending(f->timer, NULL));
	pool_free(pool);
	call_join(rig.client[0].sess);
	rig_free();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size);

	begin();
	while (r.n >= 2 && !f->killed) {
		uint8_t what = rd_u8(&r), n = rd_u8(&r);

		record(what, rd_sub(&r, MIN(n, r.n)));
	}
	end();
	return 0;
}
