/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients that come by XAuth, in the engine: from iked's request over the
 * manager's verdict to packets both ways, and to the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data_rig.h"

enum { ROWS = 8, FIRST = 100, ADDRESS = 0x0a370014 };

static struct sess_row table[ROWS];
static struct sess *by_slot[ROWS];
static struct tunnel_conf no_tunnel;
static uint64_t later_ms;

uint64_t __real_now_ms(void);
uint64_t __wrap_now_ms(void);

uint64_t __wrap_now_ms(void)
{
	return __real_now_ms() + later_ms;
}

/* A client's end. */
static struct end {
	int udp;
	struct addr at;
	struct esp_sa *out, *in;
} ends[ROWS];
static unsigned n_ends;

static int make(void **st)
{
	rig_make(*st != NULL, ESP_AUTH_HMAC_SHA2_256_128);
	rig.e.rows = table;
	rig.e.n_rows = ROWS;
	rig.e.by_slot = by_slot;
	rig.e.conf.tunnel[0].mru = 1360;
	no_tunnel = (struct tunnel_conf){ .refs = 1, .removed = true, .l2tp = l2tp_conf_default };
	rig.e.no_tunnel = &no_tunnel;
	strcpy(rig.e.shared[0].ifname, *st ? "tun0" : "");
	memset(table, 0, sizeof(table));
	memset(by_slot, 0, sizeof(by_slot));
	memset(ends, 0, sizeof(ends));
	n_ends = 0;
	later_ms = 0;
	return 0;
}

static int unmake(void **st)
{
	for (unsigned i = 0; i < ROWS; i++)
		if (by_slot[i])
			call_close_all(by_slot[i]->flow, "test", false);
	LIST_EACH(&rig.e.flows, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, link);

		if (list_empty(&f->sessions))
			flow_free(f);
	}
	for (unsigned i = 0; i < n_ends; i++) {
		esp_sa_free(ends[i].out);
		esp_sa_free(ends[i].in);
		if (ends[i].udp)
			close(ends[i].udp);
	}
	rig_free();
	return 0;
}

static struct end *end_new(void)
{
	struct end *c = &ends[n_ends++];

	c->udp = rig_udp(&c->at);
	return c;
}

static struct msg_xauth_req request(unsigned lineage, const struct addr *at, const char *user)
{
	struct msg_xauth_req m = { .lineage.counter = lineage, .local = rig.e.sock[0].at, .peer = *at, .ike_id = "192.168.1.2" };

	m.user_len = (uint16_t)strlen(user);
	memcpy(m.user, user, m.user_len);
	m.password_len = 6;
	memcpy(m.password, "secret", 6);
	return m;
}

static void login(unsigned lineage, const struct addr *at, const char *user)
{
	struct msg_xauth_req m = request(lineage, at, user);

	xauth_login(&rig.e, &m);
}

/* The manager's answer to what was asked last. */
static void judge(uint32_t verdict)
{
	struct msg_verdict v = {
		.sid = rig.asked.sid, .serial = rig.asked.serial, .verdict = verdict, .ppp_id = 7, .user = "joe", .realm = "LOCAL",
		.ip = verdict == VERDICT_OK ? ADDRESS + rig.asked.sid.slot : 0, .dns = { 0x09090909 }, .interface = 0,
		.reason = "wrong name or password",
	};

	call_verdict(&rig.e, &v);
}

static struct sess *sess_of(unsigned lineage)
{
	struct lineage id = { .counter = lineage };
	struct lin *l = lin_find(&rig.e.book, &id);

	return l ? CONTAINER_OF(l->root, struct flow, lin)->xauth : NULL;
}

/* A pair of SAs of a lineage; its keys are for c. */
static struct sa *pair(unsigned lineage, unsigned slot, struct end *c, bool tunnel)
{
	struct msg_sa_add m = {
		.lineage.counter = lineage, .inbound = 1, .spi = slot << 8, .enc = ESP_ENC_AES_CBC_256,
		.auth = ESP_AUTH_HMAC_SHA2_256_128, .enc_len = 32, .auth_len = 32, .local = rig.e.sock[0].at, .peer = c->at,
		.ike_id = "192.168.1.2", .tunnel = tunnel, .life_s = 3600,
	};
	struct msg_spi_new n = { .lineage = m.lineage, .spi = m.spi, .local = m.local, .peer = m.peer };
	struct esp_keys k = {
		.enc = ESP_AES_CBC_256, .auth = ESP_HMAC_SHA2_256_128, .enc_key = m.key_enc, .enc_len = 32,
		.auth_key = m.key_auth, .auth_len = 32,
	};

	esp_sa_free(c->out);
	esp_sa_free(c->in);
	RIG_MUST(esp_sa_new(m.spi, &k, false, &c->out) == 0 && esp_sa_new(m.spi | 1, &k, true, &c->in) == 0);
	sa_announce(&rig.e, &n);
	sa_add(&rig.e, &m);
	m.inbound = 0;
	m.pair = m.spi;
	m.spi |= 1;
	sa_add(&rig.e, &m);
	return sa_find(&rig.e, slot << 8);
}

/* All of it: a session that is up, with its TUN; the kernel's end of that. */
static struct sess *up(unsigned lineage, struct end *c, int *ret_tun)
{
	struct sess *s;
	int fd;

	login(lineage, &c->at, "joe");
	judge(VERDICT_OK);
	pair(lineage, lineage, c, true);
	s = sess_of(lineage);
	RIG_MUST(s && s->up);
	if (rig.shared) {
		*ret_tun = rig.shared;
		data_shared_routed(s);
	} else {
		rig_pair(&fd, ret_tun);
		data_tun_open(s, fd);
	}
	return s;
}

/* A UDP packet with so many bytes behind its IP header, at most 1400. */
static size_t packet(uint8_t *p, uint32_t src, uint32_t dst, size_t n)
{
	memset(p, 0x5a, 20 + n);
	put32(p, 0x45000000 | (uint32_t)(20 + n));
	put32(p + 4, 0x00074000);
	put32(p + 8, 0x40110000);
	put32(p + 12, src);
	put32(p + 16, dst);
	put16(p + 10, (uint16_t)~ref_sum(p, 20, 0));
	if (n >= 8) {
		put16(p + 24, (uint32_t)n);
		put16(p + 26, 0);
	}
	return 20 + n;
}

static void esp_in(struct end *c, uint8_t next_header, const uint8_t *p, size_t n)
{
	static uint8_t room[2048];
	struct esp_pkt k = { .sa = c->out, .p = room, .len = n, .next_header = next_header };
	struct sockaddr_storage to;
	socklen_t len = addr_to_sa(&rig.e.sock[0].at, &to);

	memcpy(room + esp_payload_offset(c->out), p, n);
	esp_seal(&k, 1);
	assert_int_equal(sendto(c->udp, room, k.len, 0, (struct sockaddr *)&to, len), (ssize_t)k.len);
	rig_turn();
}

/* What comes to the client is opened: an IP packet's length, or 0. */
static size_t esp_out(struct end *c, uint8_t *ret)
{
	static uint8_t buf[65536];
	struct esp_pkt k = { .sa = c->in, .p = buf };
	ssize_t n = recv(c->udp, buf, sizeof(buf), 0);

	if (n < 0)
		return 0;
	k.len = (size_t)n;
	esp_open(&k, 1);
	assert_int_equal(k.verdict, ESP_OK);
	assert_int_equal(k.next_header, IPPROTO_IPIP);
	memcpy(ret, k.payload, k.payload_len);
	return k.payload_len;
}

/* Name and password go to the manager; its verdict, address and DNS go to iked; SAs bring the session up. */
static void t_login(void **st)
{
	struct end *c = end_new();
	struct sess *s;

	login(FIRST, &c->at, "joe");
	assert_int_equal(rig.told[MSG_AUTH_REQ], 1);
	assert_int_equal(rig.asked.method, AUTH_XAUTH);
	assert_int_equal(rig.asked.tunnel, 0);
	assert_int_equal(rig.asked.mtu, 1360);
	assert_int_equal(rig.asked.user_len, 3);
	assert_memory_equal(rig.asked.user, "joe", 3);
	assert_int_equal(rig.asked.response_len, 6);
	assert_memory_equal(rig.asked.response, "secret", 6);
	assert_string_equal(rig.asked.ike_id, "192.168.1.2");
	assert_true(addr_eq(&rig.asked.peer, &c->at));
	assert_int_equal(rig.told[MSG_XAUTH_DONE], 0);

	s = sess_of(FIRST);
	judge(VERDICT_OK);
	assert_int_equal(rig.told[MSG_XAUTH_DONE], 1);
	assert_int_equal(rig.done.verdict, VERDICT_OK);
	assert_int_equal(rig.done.lineage.counter, FIRST);
	assert_int_equal(rig.done.ip, ADDRESS);
	assert_int_equal(rig.done.dns[0], 0x09090909);
	assert_int_equal(table[0].state, ROW_LOGIN);
	assert_int_equal(s->login->password_len, 0);
	assert_int_equal(s->login->password[0], 0);

	pair(FIRST, FIRST, c, true);
	assert_int_equal(rig.told[MSG_SESSION_UP], 1);
	assert_int_equal(table[0].state, ROW_UP);
	assert_true(table[0].xauth);
	assert_int_equal(table[0].ip, ADDRESS);
	assert_int_equal(table[0].mru, 1360);
	assert_true(addr_eq(&table[0].peer, &c->at));
	assert_string_equal(table[0].user, "joe");
	/* A second pair is none of a second session. */
	pair(FIRST, FIRST + 1, c, true);
	assert_int_equal(rig.told[MSG_SESSION_UP], 1);
}

/* Not good: no session, no row, and no SA. */
static void t_denied(void **st)
{
	static const uint32_t verdicts[] = { VERDICT_DENY, VERDICT_REFUSE };
	struct end *c = end_new();

	for (unsigned i = 0; i < N_ELEMENTS(verdicts); i++) {
		struct sa *sa;

		login(FIRST + i, &c->at, "joe");
		assert_int_equal(table[i].state, ROW_LOGIN);
		judge(verdicts[i]);
		assert_int_equal(rig.done.verdict, verdicts[i]);
		assert_int_equal(rig.done.ip, 0);
		assert_int_equal(table[i].state, ROW_FREE);
		assert_null(sess_of(FIRST + i));
		assert_int_equal(rig.told[MSG_SESSION_DOWN], 0);
		sa = pair(FIRST + i, FIRST + i, c, true);
		assert_null(sa->in);
		assert_null(sa->out);
	}
}

/* One login of an IKE_SA, a tunnel that listens, a row: else it is refused at once. */
static void t_refused(void **st)
{
	struct end *c = end_new();
	struct addr at = c->at;

	login(FIRST, &at, "joe");
	judge(VERDICT_OK);
	login(FIRST, &at, "joe");
	assert_int_equal(rig.done.verdict, VERDICT_REFUSE);
	assert_int_equal(rig.told[MSG_AUTH_REQ], 1);
	/* An L2TP client's IKE_SA has none at all. */
	login(1, &at, "joe");
	assert_int_equal(rig.told[MSG_XAUTH_DONE], 3);
	assert_int_equal(rig.done.verdict, VERDICT_REFUSE);
	for (unsigned i = 1; i < ROWS; i++) {
		at.port++;
		login(FIRST + i, &at, "joe");
	}
	assert_int_equal(rig.told[MSG_AUTH_REQ], ROWS);
	at.port++;
	login(FIRST + ROWS, &at, "joe");
	assert_int_equal(rig.told[MSG_AUTH_REQ], ROWS);
	assert_int_equal(rig.done.lineage.counter, FIRST + ROWS);
	assert_int_equal(rig.done.verdict, VERDICT_REFUSE);
	rig.e.conf.tunnel[0].n_listen = 0;
	at.port++;
	login(FIRST + ROWS + 1, &at, "joe");
	assert_int_equal(rig.done.lineage.counter, FIRST + ROWS + 1);
	assert_int_equal(rig.done.verdict, VERDICT_REFUSE);
	rig.e.conf.tunnel[0].n_listen = 1;
}

/* Tunnel mode is for who has logged in, transport mode for who has not. */
static void t_modes(void **st)
{
	struct end *c = end_new(), *d = end_new();
	struct sa *sa;

	login(FIRST, &c->at, "joe");
	sa = pair(FIRST, FIRST, c, true);
	assert_null(sa->in);			/* before its verdict */
	judge(VERDICT_OK);
	sa = pair(FIRST, FIRST + 1, c, false);
	assert_null(sa->in);
	assert_int_equal(rig.told[MSG_SESSION_UP], 0);
	sa = pair(FIRST, FIRST + 2, c, true);
	assert_non_null(sa->in);
	assert_int_equal(rig.told[MSG_SESSION_UP], 1);
	sa = pair(1, FIRST + 3, d, true);
	assert_null(sa->in);
	sa = pair(FIRST + 9, FIRST + 4, d, true);
	assert_null(sa->in);
}

/* IP and nothing but IP, from its own address, and back. */
static void t_data(void **st)
{
	static const size_t sizes[] = { 0, 1, 2, 8, 100, 1340 };
	const uint8_t vnet_none[VNET_HDR] = { 0 };
	uint8_t p[2048], got[2048];
	struct end *c = end_new();
	struct vnet_hdr v;
	struct sess *s;
	uint64_t bad;
	size_t n;
	int tun;

	memcpy(&v, vnet_none, sizeof(v));
	s = up(FIRST, c, &tun);
	for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
		n = packet(p, s->ip, 0xc6336402, sizes[i]);
		esp_in(c, IPPROTO_IPIP, p, n);
		assert_int_equal(recv(tun, got, sizeof(got), 0), (ssize_t)(VNET_HDR + n));
		assert_memory_equal(got + VNET_HDR, p, n);

		n = packet(p, 0xc6336402, s->ip, sizes[i]);
		assert_true(rig_tun_put(tun, &v, p, n));
		rig_turn();
		assert_int_equal(esp_out(c, got), n);
		assert_memory_equal(got, p, n);
	}
	assert_int_equal(s->row->in_packets, N_ELEMENTS(sizes));
	assert_int_equal(s->row->out_packets, N_ELEMENTS(sizes));

	/* Padding behind the packet (RFC 4303 2.7) is none of it. */
	n = packet(p, s->ip, 0xc6336402, 100);
	memset(p + n, 0, 50);
	esp_in(c, IPPROTO_IPIP, p, n + 50);
	assert_int_equal(recv(tun, got, sizeof(got), 0), (ssize_t)(VNET_HDR + n));

	/* Another's address, a packet that is none, IPv6, UDP as if it were L2TP. */
	n = packet(p, s->ip + 1, 0xc6336402, 100);
	esp_in(c, IPPROTO_IPIP, p, n);
	assert_int_equal(rig.e.count.ip_spoofed, 1);
	n = packet(p, s->ip, 0xc6336402, 100);
	esp_in(c, IPPROTO_IPIP, p, 19);
	esp_in(c, IPPROTO_IPIP, p, n - 1);
	p[0] = 0x65;
	esp_in(c, IPPROTO_IPIP, p, n);
	assert_int_equal(rig.e.count.ip_bad, 3);
	bad = rig.e.count.inner_bad;
	memcpy(p, ((uint8_t[]){ 6, 165, 6, 165, 0, 20, 0, 0, 0xc8, 2, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0 }), 20);
	esp_in(c, IPPROTO_UDP, p, 20);
	esp_in(c, IPPROTO_IPV6, p, 20);
	assert_int_equal(rig.e.count.inner_bad, bad + 2);
	/* RFC 4303 2.6: made to be forgotten. */
	esp_in(c, 59, p, 20);
	assert_int_equal(rig.e.count.inner_bad, bad + 2);
	/* Too long for the client, and of a protocol that it has not. */
	n = packet(p, 0xc6336402, s->ip, 1341);
	assert_true(rig_tun_put(tun, &v, p, n));
	n = packet(p, 0xc6336402, s->ip, 8);
	p[0] = 0x60;
	assert_true(rig_tun_put(tun, &v, p, n));
	rig_turn();
	assert_int_equal(rig.e.count.ip_too_big, 1);
	assert_int_equal(esp_out(c, got), 0);
	assert_true(recv(tun, got, sizeof(got), MSG_DONTWAIT) < 0);
	if (!rig.shared)
		close(tun);
}

/* A super-packet leaves cut, sealed side by side and in one send. */
static void t_super(void **st)
{
	static uint8_t super[GSO_MAX], want[GSO_MAX], got[GSO_MAX];
	struct pkt_spec spec = {
		.proto = 6, .ttl = 64, .flags = 0x10, .tcp_words = 3, .id = 9, .frag = 0x4000, .sport = 5000, .window = 501,
		.seq = 1000, .ack = 77, .payload = 20 * 1200, .src = 0xc0000201,
	};
	struct vnet_hdr v = { .flags = 1, .gso_type = VNET_GSO_TCPV4, .gso_size = 1200, .hdr_len = 52, .csum_start = 20,
		.csum_offset = 16 };
	struct end *c = end_new();
	uint64_t seed = 1, sends;
	struct sess *s;
	size_t n;
	int tun;

	s = up(FIRST, c, &tun);
	n = pkt_make(&spec, super, &seed);
	put32(super + 16, s->ip);
	ref_finish(super, n);
	sends = rig.e.count.tx_sends;
	assert_true(rig_tun_put(tun, &v, super, n));
	rig_turn();
	for (unsigned i = 0; i < 20; i++) {
		size_t len = ref_seg(super, n, 1200, i, want);

		assert_int_equal(esp_out(c, got), len);
		assert_memory_equal(got, want, len);
	}
	assert_int_equal(rig.e.count.tx_sends, sends + 1);
	if (!rig.shared)
		close(tun);
}

/* Phase 1 again: whose session it is, and whose not. */
static void t_again(void **st)
{
	struct end *c = end_new(), *d = end_new();
	uint8_t p[200], got[200];
	struct msg_xauth_req m;
	struct sess *s;
	struct addr at;
	uint32_t ip;
	size_t n;
	int tun;

	s = up(FIRST, c, &tun);
	ip = s->ip;
	/* A wrong password costs the session nothing. */
	login(FIRST + 1, &c->at, "joe");
	assert_int_equal(rig.asked.sid.slot, s->sid.slot);
	judge(VERDICT_DENY);
	assert_int_equal(rig.done.lineage.counter, FIRST + 1);
	assert_int_equal(rig.done.verdict, VERDICT_DENY);
	assert_null(sess_of(FIRST + 1));
	assert_ptr_equal(sess_of(FIRST), s);
	assert_int_equal(rig.told[MSG_FLOW_JOIN], 0);

	/* One that starts over before the verdict is told so; the second one counts. */
	login(FIRST + 2, &c->at, "joe");
	login(FIRST + 3, &c->at, "joe");
	assert_int_equal(rig.done.lineage.counter, FIRST + 2);
	assert_int_equal(rig.done.verdict, VERDICT_REFUSE);
	judge(VERDICT_OK);
	assert_int_equal(rig.done.lineage.counter, FIRST + 3);
	assert_int_equal(rig.done.verdict, VERDICT_OK);
	assert_int_equal(rig.done.ip, ip);
	assert_int_equal(rig.told[MSG_FLOW_JOIN], 1);
	assert_ptr_equal(sess_of(FIRST + 3), s);
	assert_int_equal(rig.told[MSG_SESSION_UP], 1);

	/* The new pair is sent on when it was used; then the old IKE_SA may go. */
	pair(FIRST + 3, FIRST + 3, d, true);
	d->at = c->at;
	n = packet(p, ip, 0xc6336402, 100);
	close(d->udp);
	d->udp = dup(c->udp);
	esp_in(d, IPPROTO_IPIP, p, n);
	assert_int_equal(recv(tun, got, sizeof(got), 0), (ssize_t)(VNET_HDR + n));
	flow_end(&rig.e, &(struct lineage){ .counter = FIRST }, false);
	assert_ptr_equal(sess_of(FIRST + 3), s);
	assert_null(sess_of(FIRST));
	n = packet(p, 0xc6336402, ip, 100);
	assert_true(rig_tun_put(tun, &(struct vnet_hdr){ 0 }, p, n));
	rig_turn();
	assert_int_equal(esp_out(d, got), n);

	/* Another port, address, name or IKE identity is another client. */
	for (unsigned i = 0; i < 4; i++) {
		at = c->at;
		at.port ^= i == 0;
		at.ip[3] ^= i == 1;
		m = request(FIRST + 10 + i, &at, i == 2 ? "jo" : "joe");
		if (i == 3)
			strcpy(m.ike_id, "192.168.1.3");
		xauth_login(&rig.e, &m);
		assert_int_not_equal(rig.asked.sid.slot, s->sid.slot);
		judge(VERDICT_OK);
		assert_ptr_not_equal(sess_of(FIRST + 10 + i), s);
	}
	if (!rig.shared)
		close(tun);
}

/* A client that does phase 1 again and again keeps the newest few. */
static void t_excess(void **st)
{
	struct end *c = end_new();
	struct sess *s;
	int tun;

	s = up(FIRST, c, &tun);
	for (unsigned i = 1; i <= LIN_LINEAGES; i++) {
		assert_int_equal(rig.told[MSG_FLOW_KILL], 0);
		login(FIRST + i, &c->at, "joe");
		judge(VERDICT_OK);
		assert_ptr_equal(sess_of(FIRST + i), s);
	}
	assert_int_equal(rig.told[MSG_FLOW_KILL], 1);
	assert_int_equal(rig.killed.lineage.counter, FIRST);
	if (!rig.shared)
		close(tun);
}

/* With the session ends the IKE_SA, and with that the session. */
static void t_ends(void **st)
{
	static const uint8_t sccrq[] = {
		6, 165, 6, 165, 0, 28, 0, 0, 0xc8, 2, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 8, 0, 0, 0, 0, 0, 1,
	};
	struct msg_session kill = { .reason = "cleared" };
	struct end *c = end_new(), *d = end_new(), *f = end_new();
	struct sess *s;
	int tun[3];

	s = up(FIRST, c, &tun[0]);
	kill.sid = s->sid;
	call_kill(&rig.e, &kill);
	assert_int_equal(rig.told[MSG_FLOW_KILL], 1);
	assert_int_equal(rig.told[MSG_SESSION_DOWN], 1);
	assert_null(sess_of(FIRST));
	/* Until iked has done so, it is let in by nothing that it has, and cannot become one of L2TP. */
	esp_in(c, IPPROTO_IPIP, sccrq, sizeof(sccrq));
	esp_in(c, IPPROTO_UDP, sccrq, sizeof(sccrq));
	assert_int_equal(rig.e.count.ip_before_up, 2);
	assert_null(pair(FIRST, FIRST + 5, c, true)->in);
	flow_end(&rig.e, &(struct lineage){ .counter = FIRST }, false);

	(void)up(FIRST + 1, d, &tun[1]);
	flow_end(&rig.e, &(struct lineage){ .counter = FIRST + 1 }, false);
	assert_int_equal(rig.told[MSG_SESSION_DOWN], 2);
	assert_int_equal(rig.told[MSG_FLOW_KILL], 1);

	/* idle-timeout of the tunnel */
	rig.e.conf.tunnel[0].idle_timeout_s = 30;
	s = up(FIRST + 2, f, &tun[2]);
	later_ms = 29000;
	s->timer_at = 0;
	event_active(s->timer, EV_TIMEOUT, 0);
	rig_turn();
	assert_ptr_equal(sess_of(FIRST + 2), s);
	later_ms = 31000;
	event_active(s->timer, EV_TIMEOUT, 0);
	rig_turn();
	assert_null(sess_of(FIRST + 2));
	assert_int_equal(rig.told[MSG_FLOW_KILL], 2);
	for (unsigned i = 0; i < 3 && !rig.shared; i++)
		close(tun[i]);
}

/* Two sessions of one NAT, with equal identities and names: each has its own packets. */
static void t_two(void **st)
{
	struct end *c[2] = { end_new(), end_new() };
	uint8_t p[200], got[200];
	struct sess *s[2];
	size_t n;
	int tun[2];

	for (unsigned i = 0; i < 2; i++)
		s[i] = up(FIRST + i, c[i], &tun[i]);
	assert_ptr_not_equal(s[0], s[1]);
	for (unsigned i = 0; i < 2; i++) {
		n = packet(p, 0xc6336402, s[i]->ip, 60 + i);
		assert_true(rig_tun_put(tun[i], &(struct vnet_hdr){ 0 }, p, n));
		rig_turn();
		assert_int_equal(esp_out(c[i], got), n);
		assert_int_equal(esp_out(c[!i], got), 0);
		n = packet(p, s[i]->ip, 0xc6336402, 60);
		esp_in(c[!i], IPPROTO_IPIP, p, n);
		assert_int_equal(rig.e.count.ip_spoofed, i + 1);
	}
	for (unsigned i = 0; i < 2 && !rig.shared; i++)
		close(tun[i]);
}

/* A new manager is asked what its predecessor did not answer, and nothing else. */
static void t_ask_again(void **st)
{
	struct end *c = end_new();
	uint32_t serial;

	login(FIRST, &c->at, "joe");
	serial = rig.asked.serial;
	memset(&rig.asked, 0, sizeof(rig.asked));
	call_ask_again(&rig.e);
	assert_int_equal(rig.told[MSG_AUTH_REQ], 2);
	assert_int_equal(rig.asked.serial, serial);
	assert_memory_equal(rig.asked.response, "secret", 6);
	judge(VERDICT_OK);
	call_ask_again(&rig.e);
	assert_int_equal(rig.told[MSG_AUTH_REQ], 2);
}

/* iked was replaced, and its client did phase 1 again: with that IKE_SA it leaves, whatever older SAs it has. */
static void t_orphan_left(void **st)
{
	struct end *c = end_new();
	struct sess *s;
	int tun;

	s = up(FIRST, c, &tun);
	sa_orphan_all(&rig.e);
	login(FIRST + 1, &c->at, "joe");
	judge(VERDICT_OK);
	login(FIRST + 2, &c->at, "joe");
	judge(VERDICT_OK);
	assert_ptr_equal(sess_of(FIRST + 2), s);
	flow_end(&rig.e, &(struct lineage){ .counter = FIRST + 1 }, false);
	assert_ptr_equal(sess_of(FIRST + 2), s);
	flow_end(&rig.e, &(struct lineage){ .counter = FIRST + 2 }, false);
	assert_null(sess_of(FIRST));
	assert_int_equal(rig.told[MSG_SESSION_DOWN], 1);
	rig_turn();
	assert_null(sa_find(&rig.e, FIRST << 8));
	close(tun);
}

/* iked was replaced: the session goes on, until its client is silent for long. */
static void t_orphan(void **st)
{
	uint8_t p[200], got[300];
	struct end *c = end_new();
	struct sess *s;
	size_t n;
	int tun;

	s = up(FIRST, c, &tun);
	sa_orphan_all(&rig.e);
	for (unsigned i = 0; i < 50; i++)
		sa_tell_use(&rig.e);
	n = packet(p, s->ip, 0xc6336402, 60);
	esp_in(c, IPPROTO_IPIP, p, n);
	assert_int_equal(recv(tun, got, sizeof(got), 0), (ssize_t)(VNET_HDR + n));
	for (unsigned i = 0; i < 50; i++)
		sa_tell_use(&rig.e);
	assert_ptr_equal(sess_of(FIRST), s);
	for (unsigned i = 0; i < 20; i++)
		sa_tell_use(&rig.e);
	assert_null(sess_of(FIRST));
	assert_int_equal(rig.told[MSG_SESSION_DOWN], 1);
	rig_turn();
	assert_null(sa_find(&rig.e, FIRST << 8));
	if (!rig.shared)
		close(tun);
}

static bool is_shared = true;

#define CASE(t) cmocka_unit_test_setup_teardown(t, make, unmake)
#define BOTH(t) CASE(t), { #t " (one TUN for all)", t, make, unmake, &is_shared }

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(t_login), CASE(t_denied), CASE(t_refused), CASE(t_modes), BOTH(t_data), BOTH(t_super), BOTH(t_again),
		CASE(t_excess), BOTH(t_ends), BOTH(t_two), CASE(t_ask_again), CASE(t_orphan), CASE(t_orphan_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
