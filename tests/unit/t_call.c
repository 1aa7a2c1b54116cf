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

/* A call, its ICCN with these AVPs besides; its session, or NULL. */
static struct sess *call(uint16_t id, const char *more)
{
	const struct l2tp_tunnel *t = l2tp_flow_tunnel(&f->l2tp, tid);
	char avps[512];
	uint16_t sid = 0;

	snprintf(avps, sizeof(avps), MT(0a) "8008 0000 000e %04x" SERIAL, id);
	say(0, avps);
	for (unsigned i = 0; i < t->n_places; i++)
		if (t->session[i].peer_id == id)
			sid = t->session[i].id;
	assert_int_not_equal(sid, 0);
	snprintf(avps, sizeof(avps), M_ICCN "%s", more);
	say(sid, avps);
	return call_find(f, tid, sid);
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

#define CASE(t) cmocka_unit_test_setup_teardown(t, make, unmake)

int main(void)
{
	const struct CMUnitTest tests[] = { CASE(t_dialin), CASE(t_half_open), CASE(t_sequencing), CASE(t_cause) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
