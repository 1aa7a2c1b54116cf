/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls as the engine takes them, from control messages on: those that a LAC
 * negotiated, how many may wait for a login, and what the peer is told at
 * the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/mman.h>

#include "data_rig.h"
#include "l2tp_util.h"

enum { ROWS = 16 };

/* PAP by name and password; an MRU, a magic number of each. */
#define SENT "0014 0000 001b 0304c023 010405dc 050612345678 "
#define SENT_NO_AUTH "0010 0000 001b 010405dc 050612345678 "
#define RECEIVED "0010 0000 001c 01040578 050687654321 "
#define PROXY_PAP "0008 0000 001d 0003 0009 0000 001e 6a6f65 0008 0000 0020 0007 000c 0000 0021 736563726574 "
#define PROXY_NONE "0008 0000 001d 0004 "

static struct sess_row table[ROWS];
static struct sess *by_slot[ROWS];
static struct flow *f;
static uint16_t ns, tid;
static uint64_t now;

/* All that asks for the time gets the test's (the linker's --wrap). */
uint64_t __wrap_now_ms(void);
uint64_t __wrap_now_ms(void)
{
	return now;
}

static int make(void **st)
{
	rig_make(false, ESP_AUTH_HMAC_SHA2_256_128);
	rig.e.rows = table;
	rig.e.n_rows = ROWS;
	rig.e.by_slot = by_slot;
	memset(table, 0, sizeof(table));
	memset(by_slot, 0, sizeof(by_slot));
	f = sa_find(&rig.e, 1u << 8)->flow;
	f->conf = rig.e.tunnel_conf[0];
	f->conf->ppp = (struct ppp_conf){
		.authenticator = true, .auth = PPP_AUTH_PAP, .mru = 1360, .limits = PPP_LIMITS, .auth_timeout_ms = 30000,
	};
	strcpy(f->conf->l2tp.host_name, "vpn");
	f->conf->lcp_renegotiation = true;
	f->l2tp.conf = &f->conf->l2tp;
	{
		struct rng seed;

		rng_init_test(&seed, 1);
		l2tp_ids_init(&rig.e.ids, &seed);
	}
	/* The rig's own session is none of a call. */
	data_tun_close(rig.client[0].sess);
	list_del(&rig.client[0].sess->link);
	list_del(&rig.client[0].sess->by_call);
	ns = tid = 0;
	now = 100000;
	return 0;
}

static int unmake(void **st)
{
	call_close_all(f, "test", false);
	call_join(rig.client[0].sess);
	rig_free();
	return 0;
}

static void say(uint16_t session, const char *avps)
{
	uint8_t buf[1024];
	const struct l2tp_tunnel *t = tid ? l2tp_flow_tunnel(&f->l2tp, tid) : NULL;
	size_t n = control(buf, sizeof(buf), tid, session, ns++, t ? (uint16_t)(t->x.una + t->x.high) : 0, avps);

	call_l2tp(f, rd_of(buf, n), 1701, now);
	data_flush(&rig.e);
}

static void tunnel(void)
{
	say(0, M_SCCRQ(0007));
	for (size_t i = 0; i < N_ELEMENTS(f->l2tp.tunnel); i++)
		if (f->l2tp.tunnel[i])
			tid = f->l2tp.tunnel[i]->id;
	assert_int_not_equal(tid, 0);
	say(0, M_SCCCN);
}

/* A call, its ICRQ and ICCN with these AVPs besides; its session, or NULL. */
static struct sess *call_by(uint16_t id, const char *asking, const char *more)
{
	const struct l2tp_tunnel *t = l2tp_flow_tunnel(&f->l2tp, tid);
	char avps[512];
	uint16_t sid = 0;

	snprintf(avps, sizeof(avps), MT(0a) "8008 0000 000e %04x" SERIAL "%s", id, asking);
	say(0, avps);
	for (unsigned i = 0; i < t->n_places; i++)
		if (t->session[i].peer_id == id)
			sid = t->session[i].id;
	assert_int_not_equal(sid, 0);
	snprintf(avps, sizeof(avps), M_ICCN "%s", more);
	say(sid, avps);
	return call_find(f, tid, sid);
}

static struct sess *call(uint16_t id, const char *more)
{
	return call_by(id, "", more);
}

/* The next control message of this type that the client is sent; false: none came. */
static bool heard(unsigned type, struct l2tp_msg *m)
{
	static uint8_t buf[65536];
	struct rig_client *c = &rig.client[0];
	ssize_t n;

	while ((n = recv(c->udp, buf, sizeof(buf), 0)) > 0) {
		struct esp_pkt k = { .sa = c->in, .p = buf, .len = (size_t)n };
		struct l2tp_hdr h;

		esp_open(&k, 1);
		assert_int_equal(k.verdict, ESP_OK);
		if (!l2tp_hdr_parse(rd_of(k.payload + 8, k.payload_len - 8), &h) || !h.body.n)
			continue;
		(void)l2tp_msg_parse(h.body, m);
		if (m->type == type)
			return true;
	}
	return false;
}

/* l2tp-accept-dialin, l2tp-lcp-renegotiation, l2tp-force-lcp-renegotiation. */
static void t_dialin(void **st)
{
	enum { NONE, REFUSED, TAKEN, JUDGED, ANEW };
	static const struct {
		const char *avps;
		bool accept, renegotiate, force;
		int want;
	} rows[] = {
		{ "", false, true, false, ANEW },
		{ SENT RECEIVED PROXY_PAP, false, true, false, REFUSED },
		{ SENT RECEIVED PROXY_PAP, true, true, false, JUDGED },
		{ SENT RECEIVED PROXY_PAP, true, false, false, JUDGED },
		{ SENT RECEIVED PROXY_PAP, true, true, true, ANEW },
		{ SENT RECEIVED PROXY_NONE, true, true, false, TAKEN },
		{ SENT RECEIVED, true, true, false, TAKEN },
		{ SENT_NO_AUTH RECEIVED PROXY_NONE, true, true, false, ANEW },
		{ SENT_NO_AUTH RECEIVED PROXY_NONE, true, false, false, NONE },
		{ PROXY_PAP, true, true, false, ANEW },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct l2tp_msg m;
		struct sess *s;
		int got;

		if (i) {
			unmake(st);
			make(st);
		}
		f->conf->accept_dialin = rows[i].accept;
		f->conf->lcp_renegotiation = rows[i].renegotiate;
		f->conf->force_lcp_renegotiation = rows[i].force;
		tunnel();
		s = call(0x55, rows[i].avps);
		if (!s)
			got = heard(L2TP_CDN, &m) && m.cause.code == L2TP_CAUSE_NO_RENEGOTIATION ? NONE : REFUSED;
		else
			got = s->ppp.phase == PPP_ESTABLISH ? ANEW : s->asking ? JUDGED : TAKEN;
		if (got != rows[i].want)
			fail_msg("row %zu: %d", i, got);
		if (got == REFUSED)
			assert_int_equal(m.result, L2TP_CDN_ADMIN);
		assert_int_equal(rig.told[MSG_AUTH_REQ], got == JUDGED);
		assert_int_equal(rig.e.count.calls_refused, got == REFUSED);
		if (got == JUDGED) {
			assert_memory_equal(s->ppp.req.user, "joe", 3);
			assert_memory_equal(s->ppp.req.response, "secret", 6);
			assert_int_equal(s->ppp.req.ident, 7);
		}
	}
}

/* So many calls of one client may wait for a login. */
static void t_half_open(void **st)
{
	struct l2tp_msg m;

	f->conf->l2tp.max_half_open = 2;
	tunnel();
	assert_non_null(call(1, ""));
	assert_non_null(call(2, ""));
	assert_null(call(3, ""));
	assert_true(heard(L2TP_CDN, &m));
	assert_int_equal(m.result, L2TP_CDN_NO_FACILITIES);
	CONTAINER_OF(f->sessions.prev, struct sess, link)->known = true;
	assert_non_null(call(4, ""));
}

/* Numbers, as the LAC requires or the tunnel says. */
static void t_sequencing(void **st)
{
	f->conf->l2tp.max_half_open = 10;
	tunnel();
	assert_false(call(1, "")->seq.out);
	assert_true(call(2, "8006 0000 0027")->seq.out);
	f->conf->data_use_seq = true;
	assert_true(call(3, "")->seq.out);
}

/* RFC 3145: why, with the CDN. */
static void t_cause(void **st)
{
	struct l2tp_msg m;
	struct sess *s;

	f->conf->ppp.limits[PPP_FSM_LCP].max_configure = 1;
	tunnel();
	s = call(1, "");
	assert_non_null(s);
	/* The peer never speaks LCP. */
	for (unsigned i = 0; i < 100 && !heard(L2TP_CDN, &m); i++) {
		s->timer_at = 0;
		event_active(s->timer, EV_TIMEOUT, 0);
		for (unsigned k = 0; k < PPP_FSMS; k++)
			s->ppp.fsm[k].timer_ms = 0;
		rig_turn();
	}
	assert_int_equal(m.type, L2TP_CDN);
	assert_int_equal(m.cause.code, L2TP_CAUSE_NO_LCP);
	assert_int_equal(m.cause.proto, PPP_LCP);
}

/* The session's timer, whether it is time or not. */
static void timer(struct sess *s)
{
	s->timer_at = 0;
	event_active(s->timer, EV_TIMEOUT, 0);
	rig_turn();
}

/* The codes by their numbers in RFC 3145 3. */
static void t_cause_codes(void **st)
{
	static const struct {
		const char *reason;
		unsigned code, proto, direction;
	} rows[] = {
		{ "terminated by the peer", 3, 0xc021, 1 }, { "options do not converge", 5, 0xc021, 0 },
		{ "LCP takes too long", 5, 0xc021, 0 }, { "no answer to LCP", 6, 0xc021, 0 },
		{ "the link is looped back", 7, 0xc021, 0 }, { "keepalive", 8, 0xc021, 1 },
		{ "no authentication in time", 13, 0, 1 }, { "no common authentication method", 15, 0, 1 },
		{ "the peer will not authenticate itself", 15, 0, 1 },
		{ "the peer rejects the authentication protocol", 15, 0, 1 },
		{ "authentication failed", 16, 0, 1 }, { "wrong name or password", 16, 0, 1 },
		{ "no answer to IPCP", 17, 0x8021, 0 }, { "IPCP takes too long", 17, 0x8021, 0 },
		{ "the peer rejects IP", 18, 0x8021, 1 }, { "no address to give", 20, 0x8021, 2 },
		{ "Idle timeout", 3, 0xc021, 2 }, { "Session timeout", 3, 0xc021, 2 },
		{ "ended by an administrator of another kind", 0, 0, 0 },
	};

	tunnel();
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct sess *s = call((uint16_t)(i + 1), "");
		struct msg_session kill;
		struct l2tp_msg m;

		assert_non_null(s);
		kill = (struct msg_session){ .sid = s->sid };
		str_copy(kill.reason, sizeof(kill.reason), rows[i].reason);
		call_kill(&rig.e, &kill);
		/* Nobody answers its Terminate-Requests. */
		for (unsigned k = 0; k < 10 && by_slot[kill.sid.slot]; k++) {
			now += 10000;
			timer(s);
		}
		assert_true(heard(L2TP_CDN, &m));
		if (m.cause.code != rows[i].code || m.cause.proto != rows[i].proto || m.cause.direction != rows[i].direction)
			fail_msg("%s: %u %04x %u", rows[i].reason, m.cause.code, m.cause.proto, m.cause.direction);
		assert_int_equal(m.cause.text.n, strlen(rows[i].reason));
		assert_memory_equal(m.cause.text.p, rows[i].reason, m.cause.text.n);
	}
}

static void ppp(struct sess *s, const char *frame)
{
	uint8_t buf[256];

	call_ppp(s, rd_of(buf, hex(frame, buf, sizeof(buf))), now);
	data_flush(&rig.e);
}

/* A login that was proxied is judged, with so many seconds of session; IPCP is done some seconds later. */
static struct sess *logged_in(uint32_t timeout_s, unsigned later_ms)
{
	struct msg_verdict v = {
		.verdict = VERDICT_OK, .ip = 0x0a000019, .ip_local = 0x0a000001, .session_timeout_s = timeout_s, .user = "joe",
	};
	struct sess *s;

	f->conf->accept_dialin = true;
	tunnel();
	s = call(1, SENT RECEIVED PROXY_PAP);
	assert_non_null(s);
	v.sid = s->sid;
	v.serial = s->serial;
	call_verdict(&rig.e, &v);
	now += later_ms;
	ppp(s, "8021 02 01 000a 0306 0a000001");
	assert_false(s->up);
	ppp(s, "8021 01 50 000a 0306 0a000019");
	assert_true(s->up);
	return s;
}

/* The verdict's limit of the session, in virtual time: it counts from UP on, and once. */
static void t_session_timeout(void **st)
{
	struct sess *s = logged_in(3600, 2000);
	const struct sid sid = s->sid;
	const uint64_t ends = now + 3600000;
	struct l2tp_msg m;

	assert_true(s->timer_at == ends);
	/* IPCP anew does not make it longer. */
	now += 1800000;
	ppp(s, "8021 01 51 000a 0306 0a000019");
	ppp(s, "8021 02 02 000a 0306 0a000001");
	assert_true(ppp_may_ip(&s->ppp));
	assert_true(s->timer_at == ends);
	now = ends - 1;
	timer(s);
	assert_true(ppp_may_ip(&s->ppp));
	assert_true(s->timer_at == ends);
	now = ends;
	timer(s);
	assert_false(ppp_may_ip(&s->ppp));
	assert_int_equal(s->ppp.phase, PPP_TERMINATE);
	assert_string_equal(s->ppp.reason, "Session timeout");
	assert_int_equal(rig.told[MSG_SESSION_DOWN], 0);
	ppp(s, "c021 06 02 0004");
	assert_null(by_slot[sid.slot]);
	assert_int_equal(rig.told[MSG_SESSION_DOWN], 1);
	assert_true(heard(L2TP_CDN, &m));
	assert_int_equal(m.cause.code, L2TP_CAUSE_NORMAL);

	/* None. */
	unmake(st);
	make(st);
	s = logged_in(0, 0);
	assert_true(s->timer_at == PPP_NEVER);
	now += 1000ull * 86400 * 365;
	timer(s);
	assert_true(ppp_may_ip(&s->ppp));
}

/* What a verdict said is said anew: since UP for Session-Timeout; what is not given stays. */
static void t_set(void **st)
{
	struct sess *s = logged_in(3600, 0);
	const uint64_t up = now;
	struct msg_session_set m = { .sid = s->sid, .gives = SAYS_SESSION_TIMEOUT, .session_timeout_s = 7200, .idle_timeout_s = 1 };

	now += 1000000;
	call_set(&rig.e, &m);
	assert_true(s->timer_at == up + 7200000);
	m.session_timeout_s = 0;
	call_set(&rig.e, &m);
	assert_true(s->timer_at == PPP_NEVER);
	/* Another session had the place. */
	m.session_timeout_s = 1;
	m.sid.gen++;
	call_set(&rig.e, &m);
	assert_true(s->timer_at == PPP_NEVER);
	m.sid.gen--;
	m.gives = SAYS_IDLE_TIMEOUT;
	m.idle_timeout_s = 600;
	call_set(&rig.e, &m);
	assert_true(s->idle.timeout_ms == 600000);
	assert_int_equal(s->session_timeout_s, 0);
	/* 0 is the tunnel's. */
	rig.e.conf.tunnel[0].idle_timeout_s = 900;
	m.idle_timeout_s = 0;
	call_set(&rig.e, &m);
	assert_true(s->idle.timeout_ms == 900000);
	rig.e.conf.tunnel[0].idle_timeout_s = 0;
	/* One rate, the other stays. */
	m.gives = SAYS_RATE_IN;
	m.rate_in_bps = 8000000;
	call_set(&rig.e, &m);
	m.gives = SAYS_RATE_OUT;
	m.rate_in_bps = 0;
	m.rate_out_bps = 16000000;
	call_set(&rig.e, &m);
	assert_true(s->in_limit.rate == 1000000 && s->out_limit.rate == 2000000);
	/* Over already: at once. */
	m.gives = SAYS_SESSION_TIMEOUT;
	m.session_timeout_s = 10;
	call_set(&rig.e, &m);
	assert_true(s->timer_at <= now);
	timer(s);
	assert_string_equal(s->ppp.reason, "Session timeout");
}

/* Whether there is this in what was logged. */
static bool in_log(int fd, const char *what)
{
	static char text[65536];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return strstr(text, what);
}

/* l2tp-ctrl-in-pktdump and the other three: each shows its own, and nothing of the others'. */
static void t_pktdump(void **st)
{
	static const char *const shows[] = { " received L2TP SCCRQ ", " sent L2TP SCCRP ", " received L2TP data ", " sent L2TP data " };
	static struct rig_train train;
	static const uint8_t ip[40] = { 0x45, 0, 0, 40 };

	for (unsigned i = 0; i <= N_ELEMENTS(shows); i++) {
		struct conf_tunnel *t = &rig.e.conf.tunnel[0];
		int old = dup(STDERR_FILENO), fd = memfd_create("log", MFD_CLOEXEC);

		assert_true(old >= 0 && fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
		/* The lines of a second are limited. */
		now += 10000 * (i + 1);
		t->l2tp_ctrl_in_pktdump = i == 0;
		t->l2tp_ctrl_out_pktdump = i == 1;
		t->l2tp_data_in_pktdump = i == 2;
		t->l2tp_data_out_pktdump = i == 3;
		rig.e.dump_data = i == 2 || i == 3;
		tunnel();
		(void)call(1, "");
		train.n = 0;
		train.used = 0;
		rig_train_add(&train, &rig.client[1], ip, sizeof(ip));
		rig_train_send(&train, &rig.client[1]);
		rig_turn();
		dup2(old, STDERR_FILENO);
		close(old);
		for (unsigned k = 0; k < N_ELEMENTS(shows); k++)
			if (in_log(fd, shows[k]) != (i == k))
				fail_msg("dump %u: \"%s\"", i, shows[k]);
		close(fd);
		unmake(st);
		make(st);
	}
}

#define CASE(t) cmocka_unit_test_setup_teardown(t, make, unmake)

/* The number of the call stands in what auth is asked: callnum-check. */
static void t_number(void **st)
{
#define HEX8 "3132333435363738"
#define HEX64 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8 HEX8
	static const struct { const char *avp; size_t len; } rows[] = {
		{ "", 0 }, { "8006 0000 0016 ", 0 }, { "800e 0000 0016 " HEX8, 8 }, { "8046 0000 0016 " HEX64, 64 },
		/* A longer one is nobody's. */
		{ "8047 0000 0016 " HEX64 "39", 0 },
	};
	static const char number[] = "1234567812345678123456781234567812345678123456781234567812345678";

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (i) {
			unmake(st);
			make(st);
		}
		memset(&rig.asked, 0xee, sizeof(rig.asked));
		f->conf->accept_dialin = true;
		tunnel();
		assert_non_null(call_by(0x55, rows[i].avp, SENT RECEIVED PROXY_PAP));
		assert_int_equal(rig.told[MSG_AUTH_REQ], 1);
		assert_int_equal(rig.asked.number_len, rows[i].len);
		assert_memory_equal(rig.asked.number, number, rows[i].len);
		/* and, for another manager, in the table */
		call_verdict(&rig.e, &(struct msg_verdict){ .sid = rig.asked.sid, .serial = rig.asked.serial, .verdict = VERDICT_OK,
			.ip = 0x0a000019, .ip_local = 0x0a000001, .user = "joe" });
		assert_int_equal(rig.e.rows[rig.asked.sid.slot].number_len, rows[i].len);
		assert_memory_equal(rig.e.rows[rig.asked.sid.slot].number, number, rows[i].len);
	}
	/* Another call of the tunnel has none of the first one's. */
	f->conf->l2tp.max_half_open = 8;
	assert_non_null(call_by(0x56, "800e 0000 0016 " HEX8, SENT RECEIVED PROXY_PAP));
	assert_int_equal(rig.asked.number_len, 8);
	assert_non_null(call_by(0x57, "", SENT RECEIVED PROXY_PAP));
	assert_int_equal(rig.asked.number_len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { CASE(t_dialin), CASE(t_half_open), CASE(t_sequencing), CASE(t_cause), CASE(t_number),
		CASE(t_cause_codes), CASE(t_session_timeout), CASE(t_set), CASE(t_pktdump) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
