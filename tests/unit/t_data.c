/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The data path from the wire to the TUN and back, without another process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data_rig.h"
#include "l2tpd/data.h"
#include "l2tpd/msg.h"

static const struct pkt_spec tcp = {
	.proto = 6, .ttl = 64, .flags = 0x10, .tcp_words = 3, .id = 9, .frag = 0x4000, .sport = 5000, .window = 501,
	.seq = 1000, .ack = 77, .payload = 1300,
};

/* The real time, but for tests that make their own. */
static uint64_t fake_ms;
uint64_t __real_now_ms(void);
uint64_t __wrap_now_ms(void);

uint64_t __wrap_now_ms(void)
{
	return fake_ms ? fake_ms : __real_now_ms();
}

static uint8_t super[GSO_MAX], got[GSO_MAX], want[GSO_MAX];

static int make(void **st)
{
	rig_make(*st != NULL, ESP_AUTH_HMAC_SHA2_256_128);
	return 0;
}

static int unmake(void **st)
{
	rig_free();
	return 0;
}

/* A super-packet to client i, with n segments of step bytes. */
static size_t to_client(unsigned i, unsigned n, uint16_t step, struct vnet_hdr *v, uint64_t *seed)
{
	struct pkt_spec s = tcp;
	size_t len;

	s.payload = n * (size_t)step;
	s.src = 0xc0000201;
	len = pkt_make(&s, super, seed);
	put32(super + 16, RIG_IP + i);
	ref_finish(super, len);
	*v = (struct vnet_hdr){ .flags = n > 1, .gso_type = n > 1 ? VNET_GSO_TCPV4 : 0, .gso_size = n > 1 ? step : 0,
		.hdr_len = 52, .csum_start = n > 1 ? 20 : 0, .csum_offset = n > 1 ? 16 : 0 };
	return len;
}

static int tun_of(unsigned i)
{
	return rig.shared ? rig.shared : rig.client[i].tun;
}

static void t_out(void **st)
{
	uint64_t seed = 1;
	struct vnet_hdr v;
	size_t n = to_client(1, 30, 1300, &v, &seed);

	assert_true(rig_tun_put(tun_of(1), &v, super, n));
	rig_turn();
	for (unsigned i = 0; i < 30; i++) {
		size_t len = ref_seg(super, n, 1300, i, want);

		assert_int_equal(rig_recv(&rig.client[1], got), len);
		assert_memory_equal(got, want, len);
	}
	assert_int_equal(rig.e.count.tun_reads, 1);
	assert_int_equal(rig.e.count.tx_packets, 30);
	assert_int_equal(rig.e.count.tx_sends, 1);
	assert_int_equal(rig_recv(&rig.client[1], got), 0);
	assert_int_equal(rig.client[1].row.out_packets, 30);
	assert_int_equal(rig.client[1].row.out_bytes, 30 * 1352);

	/* A lone one is sent at once, and two that come together as one train. */
	n = to_client(1, 1, 100, &v, &seed);
	assert_true(rig_tun_put(tun_of(1), &v, super, n));
	event_base_loop(rig.e.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_int_equal(rig_recv(&rig.client[1], got), n);
	assert_memory_equal(got, super, n);
	assert_true(rig_tun_put(tun_of(1), &v, super, n) && rig_tun_put(tun_of(1), &v, super, n));
	rig_turn();
	assert_int_equal(rig_recv(&rig.client[1], got), n);
	assert_int_equal(rig_recv(&rig.client[1], got), n);
	assert_int_equal(rig.e.count.tx_sends, 3);

	/* What does not fit the link, what lies, and what is not IPv4. */
	n = to_client(1, 4, 1360, &v, &seed);
	assert_true(rig_tun_put(tun_of(1), &v, super, n));
	n = to_client(1, 4, 1000, &v, &seed);
	assert_true(rig_tun_put(tun_of(1), &v, super, n - 1));
	assert_true(rig_tun_put(tun_of(1), &v, super, 3));
	memset(super, 0x60, 60);
	put32(super + 16, RIG_IP + 1);
	assert_true(rig_tun_put(tun_of(1), &(struct vnet_hdr){ 0 }, super, 60));
	rig_turn();
	assert_int_equal(rig_recv(&rig.client[1], got), 0);
	assert_int_equal(rig.e.count.ip_too_big, 4);
	assert_int_equal(rig.e.count.tun_bad + rig.e.count.ip_nobody, 2);
}

/*
 * More comes from a shared TUN than leaves: the queue loses the first packet of a
 * super-packet now and then, and nothing where the sender takes marks (ECN).
 */
static void slowed(bool ect)
{
	enum { STEP = 40, SEGS = 10 };	/* small: a round must fit the client's socket */
	uint64_t seed = 11;
	unsigned put = 0, came = 0, marked = 0, gaps = 0, runs[2] = { 0 };
	uint16_t next = 0;
	struct vnet_hdr v;
	size_t n = to_client(1, SEGS, STEP, &v, &seed);

	super[1] = ect ? 2 : 0;
	fake_ms = 1000000;
	for (unsigned round = 0; round < 60; round++, fake_ms += 10) {
		for (unsigned i = 0; i < 35 && round < 40; i++, put += SEGS) {
			put16(super + 4, (uint32_t)put & 0xffff);		/* identification: of each packet */
			ref_finish(super, n);
			if (!rig_tun_put(rig.shared, &v, super, n))
				break;
		}
		assert_true(event_base_loop(rig.e.base, EVLOOP_NONBLOCK | EVLOOP_ONCE) >= 0);
		for (size_t len; (len = rig_recv(&rig.client[1], got)) > 0; came++) {
			uint16_t id = (uint16_t)get16(got + 4);

			marked += (got[1] & 3) == 3;
			runs[(got[1] & 3) == 3] += id % SEGS == 0;
			gaps += (uint16_t)(id - next);
			if (id != next)
				assert_int_equal(id % SEGS, 1);		/* the first was lost, no other */
			next = (uint16_t)(id + 1);
		}
	}
	for (unsigned i = 0; i < 200; i++) {
		assert_true(event_base_loop(rig.e.base, EVLOOP_NONBLOCK | EVLOOP_ONCE) >= 0);
		for (; rig_recv(&rig.client[1], got) > 0; came++)
			marked += (got[1] & 3) == 3;
	}
	fake_ms = 0;
	assert_true(rig.e.count.out_slowed > 0);
	assert_int_equal(rig.e.count.out_dropped, 0);
	assert_int_equal(came + (ect ? 0 : rig.e.count.out_slowed), put);
	assert_int_equal(marked, ect ? rig.e.count.out_slowed * SEGS : 0);
	assert_true(ect ? !gaps && runs[1] > 0 : gaps > 0);
	assert_int_equal(rig.client[1].row.out_errors, ect ? 0 : rig.e.count.out_slowed);
}

static void t_slowed(void **st)
{
	slowed(false);
}

static void t_slowed_ecn(void **st)
{
	slowed(true);
}

/* A socket that does not take trains (Linux wants the outer checksum for them): one by one, nothing lost. */
static void t_no_train(void **st)
{
	static const int one = 1;
	uint64_t seed = 8;
	struct vnet_hdr v;
	size_t n = to_client(0, 10, 1000, &v, &seed);

	assert_int_equal(setsockopt(rig.e.sock[0].fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one)), 0);
	for (unsigned round = 1; round <= 2; round++) {
		assert_true(rig_tun_put(tun_of(0), &v, super, n));
		rig_turn();
		for (unsigned i = 0; i < 10; i++) {
			size_t len = ref_seg(super, n, 1000, i, want);

			assert_int_equal(rig_recv(&rig.client[0], got), len);
			assert_memory_equal(got, want, len);
		}
		assert_int_equal(rig.e.count.tx_packets, round * 10);
		assert_int_equal(rig.e.count.tx_sends, 1 + round * 10);
	}
	assert_int_equal(rig.e.count.tx_full, 0);
}

static void t_in(void **st)
{
	static struct rig_train t;
	struct rig_client *c = &rig.client[2];
	struct pkt_spec s = tcp;
	uint64_t seed = 2;
	struct vnet_hdr v;
	uint8_t whole[VNET_HDR + GSO_MAX];
	ssize_t len;

	t.n = 0;
	t.used = 0;
	s.src = RIG_IP + 2;
	for (unsigned i = 0; i < 30; i++, s.id++, s.seq += 1300) {
		/* One pretends to be somebody else. */
		s.src = RIG_IP + 2 + (i == 20);
		rig_train_add(&t, c, want, pkt_make(&s, want, &seed));
		if (i == 0)
			memcpy(super, want, 1352);
	}
	rig_train_send(&t, c);
	rig_turn();
	/* What comes before the wrong one is one write, and what comes after it. */
	len = recv(tun_of(2), whole, sizeof(whole), 0);
	assert_int_equal(len, VNET_HDR + 52 + 20 * 1300);
	memcpy(&v, whole, VNET_HDR);
	assert_int_equal(v.gso_type, VNET_GSO_TCPV4);
	assert_int_equal(v.gso_size, 1300);
	assert_int_equal(ref_seg(whole + VNET_HDR, (size_t)len - VNET_HDR, 1300, 0, got), 1352);
	assert_memory_equal(got, super, 1352);
	assert_int_equal(recv(tun_of(2), whole, sizeof(whole), 0), VNET_HDR + 52 + 9 * 1300);
	assert_true(recv(tun_of(2), whole, sizeof(whole), 0) < 0);
	assert_int_equal(rig.e.count.ip_spoofed, 1);
	assert_int_equal(rig.e.count.tun_writes, 2);
	assert_int_equal(c->row.in_packets, 29);
	assert_int_equal(c->row.in_bytes, 29 * 1352);
	assert_int_equal(c->row.in_errors, 1);

	/* A lone one comes as it is. */
	t.n = 0;
	t.used = 0;
	s.src = RIG_IP + 2;
	rig_train_add(&t, c, want, pkt_make(&s, want, &seed));
	rig_train_send(&t, c);
	rig_turn();
	assert_int_equal(recv(tun_of(2), whole, sizeof(whole), 0), VNET_HDR + 1352);
	memset(got, 0, VNET_HDR);
	assert_memory_equal(whole, got, VNET_HDR);
	assert_memory_equal(whole + VNET_HDR, want, 1352);
}

/* Packets that PPP encrypts, both ways, in trains; and what must not get in. */
static void t_mppe(void **st)
{
	static const uint32_t kinds[] = { MPPE_128 | MPPE_STATELESS, MPPE_40 };
	static const uint8_t to_us[MPPE_KEY] = { 1 }, to_peer[MPPE_KEY] = { 2 };
	static struct rig_train t;
	struct rig_client *c = &rig.client[1];
	uint8_t whole[VNET_HDR + GSO_MAX];
	struct engine_count *n = &rig.e.count;
	uint64_t seed = 4;

	assert_true(mppe_init());
	rig.ppp.mppe = PPP_MPPE_REQUIRED;
	c->sess->ppp.mppe_on = true;
	c->sess->mtu = ppp_mtu(&c->sess->ppp);
	for (size_t k = 0; k < N_ELEMENTS(kinds); k++) {
		struct mppe *m = mppe_new(kinds[k], to_us, kinds[k], to_peer);
		struct pkt_spec s = tcp;
		struct vnet_hdr v;
		size_t len;

		c->sess->mppe = mppe_new(kinds[k], to_peer, kinds[k], to_us);
		assert_true(m && c->sess->mppe);
		memset(n, 0, sizeof(*n));
		put16(c->head + 16, PPP_COMP);
		len = to_client(1, 20, 1300, &v, &seed);
		assert_true(rig_tun_put(tun_of(1), &v, super, len));
		rig_turn();
		for (unsigned i = 0; i < 20; i++) {
			size_t one = ref_seg(super, len, 1300, i, want);

			assert_int_equal(rig_recv(c, got), one + MPPE_OVERHEAD);
			assert_int_equal(mppe_open(m, got, one + MPPE_OVERHEAD, 1), MPPE_OK);
			assert_int_equal(get16(got + 2), PPP_IP);
			assert_memory_equal(got + MPPE_OVERHEAD, want, one);
		}
		assert_int_equal(n->tx_sends, 1);
		/* 1400 of MRU are 1396 of IP. */
		len = to_client(1, 1, 1345, &v, &seed);
		assert_true(rig_tun_put(tun_of(1), &v, super, len));
		rig_turn();
		assert_int_equal(n->ip_too_big, 1);

		/* Ten, then one in the clear, one that is a control protocol's, one that is nothing. */
		t.n = 0;
		t.used = 0;
		s.src = RIG_IP + 1;
		for (unsigned i = 0; i < 13; i++, s.id++, s.seq += 1300) {
			size_t one = pkt_make(&s, want, &seed);

			if (i == 0)
				memcpy(super, want, one);
			put16(c->head + 16, i == 10 ? PPP_IP : PPP_COMP);
			put16(got + 2, i == 11 ? PPP_LCP : PPP_IP);
			memcpy(got + MPPE_OVERHEAD, want, one);
			if (i < 12 && i != 10)
				assert_true(mppe_seal(m, got, got + MPPE_HEADER, 2 + one));
			if (i == 10)
				rig_train_add(&t, c, want, one);
			else
				rig_train_add(&t, c, got, i < 12 ? one + MPPE_OVERHEAD : 2);
		}
		rig_train_send(&t, c);
		rig_turn();
		assert_int_equal(recv(tun_of(1), whole, sizeof(whole), 0), VNET_HDR + 52 + 10 * 1300);
		assert_memory_equal(whole + VNET_HDR + 52, super + 52, 1300);
		assert_true(recv(tun_of(1), whole, sizeof(whole), 0) < 0);
		assert_int_equal(n->mppe_clear, 1);
		assert_int_equal(n->mppe_bad, 2);

		/* Two are lost: with state the peer is asked to begin anew, and does. */
		for (unsigned i = 0; i < 4; i++, s.id++, s.seq += 1300) {
			size_t one = pkt_make(&s, want, &seed);

			put16(got + 2, PPP_IP);
			memcpy(got + MPPE_OVERHEAD, want, one);
			if (i == 3)
				mppe_flush(m);
			assert_true(mppe_seal(m, got, got + MPPE_HEADER, 2 + one));
			if (i < 2)
				continue;
			t.n = 0;
			t.used = 0;
			put16(c->head + 16, PPP_COMP);
			rig_train_add(&t, c, got, one + MPPE_OVERHEAD);
			rig_train_send(&t, c);
			rig_turn();
			if (i == 2 && !(kinds[k] & MPPE_STATELESS)) {
				put16(c->head + 16, PPP_CCP);
				assert_int_equal(rig_recv(c, got), 4);
				assert_int_equal(got[0], 14);
				assert_true(recv(tun_of(1), whole, sizeof(whole), 0) < 0);
				continue;
			}
			assert_int_equal(recv(tun_of(1), whole, sizeof(whole), 0), VNET_HDR + 1352);
			assert_memory_equal(whole + VNET_HDR, want, 1352);
		}
		assert_int_equal(n->mppe_lost, !(kinds[k] & MPPE_STATELESS));
		mppe_free(m);
		mppe_free(c->sess->mppe);
		c->sess->mppe = NULL;
	}
}

/* One who has much does not keep another waiting, who comes after him. */
static void t_dseq(void **st)
{
	static const struct {
		int ns;			/* -1: the session begins anew */
		enum dseq_verdict want;
	} rows[] = {
		{ -1, 0 }, { 0, DSEQ_NEXT }, { 0, DSEQ_STALE }, { 1, DSEQ_NEXT }, { 3, DSEQ_NEXT }, { 2, DSEQ_LATE },
		{ 2, DSEQ_STALE }, { 3, DSEQ_STALE }, { 66, DSEQ_NEXT }, { 4, DSEQ_LATE }, { 3, DSEQ_STALE }, { 2, DSEQ_STALE },
		{ 65, DSEQ_LATE }, { 130, DSEQ_NEXT }, { 66, DSEQ_STALE }, { 67, DSEQ_LATE },
		{ -1, 0 }, { 65534, DSEQ_NEXT }, { 0, DSEQ_NEXT }, { 65535, DSEQ_LATE }, { 65535, DSEQ_STALE },
		{ 1, DSEQ_NEXT }, { 32768, DSEQ_NEXT }, { 1, DSEQ_STALE },
		/* a first that is not 0; half a turn ahead and one more, which is behind */
		{ -1, 0 }, { 500, DSEQ_NEXT }, { 501 + 32767, DSEQ_NEXT }, { 501 + 32768 + 32768, DSEQ_STALE },
	};
	struct dseq d = { 0 };

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (rows[i].ns < 0)
			d = (struct dseq){ 0 };
		else if (dseq_in(&d, (uint16_t)rows[i].ns) != rows[i].want)
			fail_msg("row %zu", i);
	}
	/* One that counts anew is taken at its word after a while. */
	d = (struct dseq){ 0 };
	(void)dseq_in(&d, 30000);
	for (unsigned i = 0; i < DSEQ_ASTRAY - 1; i++)
		assert_int_equal(dseq_in(&d, (uint16_t)i), DSEQ_STALE);
	assert_int_equal(dseq_in(&d, DSEQ_ASTRAY), DSEQ_NEXT);
	assert_int_equal(dseq_in(&d, DSEQ_ASTRAY + 1), DSEQ_NEXT);
	assert_int_equal(dseq_in(&d, 30001), DSEQ_NEXT);
}

/* A frame with a number, from the client. */
static void put_numbered(struct rig_client *c, uint16_t ns, uint16_t proto, const uint8_t *p, size_t n)
{
	static uint8_t buf[2048];
	uint8_t head[L2TP_DATA_HEADER_SEQ];
	struct esp_pkt k = { .sa = c->out, .p = buf, .len = 22 + n, .next_header = IPPROTO_UDP };
	struct sockaddr_storage to;
	socklen_t len = addr_to_sa(&rig.e.sock[0].at, &to);
	struct wr w = wr_of(buf + esp_payload_offset(c->out), k.len);

	wr_bytes(&w, c->head, 4);
	wr_u16(&w, (uint16_t)k.len);
	wr_u16(&w, 0);
	(void)l2tp_data_header_seq(head, c->sess->tunnel_id, c->sess->session_id, ns);
	wr_bytes(&w, head, sizeof(head));
	wr_u16(&w, 0xff03);
	wr_u16(&w, proto);
	wr_bytes(&w, p, n);
	esp_seal(&k, 1);
	assert_true(sendto(c->udp, buf, k.len, 0, (struct sockaddr *)&to, len) > 0);
	rig_turn();
}

/* Data messages with numbers, both ways. */
static void t_numbered(void **st)
{
	struct rig_client *c = &rig.client[1];
	static uint8_t buf[65536];
	struct pkt_spec spec = tcp;
	uint64_t seed = 3;
	struct vnet_hdr v;
	size_t n;

	/* Out: each has its own, in the trains as in the frames of PPP. */
	c->sess->seq.out = true;
	data_head(c->sess);
	c->sess->seq.ns = 65534;
	c->sess->peer_tunnel_id = c->sess->tunnel_id;
	c->sess->peer_session_id = c->sess->session_id;
	c->sess->port = 1701;
	data_send_ppp(c->sess, (const uint8_t *)"\xff\x03\xc0\x21x", 5);
	data_flush(&rig.e);
	n = to_client(1, 4, 1000, &v, &seed);
	assert_true(rig_tun_put(tun_of(1), &v, super, n));
	rig_turn();
	for (unsigned i = 0; i < 5; i++) {
		struct esp_pkt k = { .sa = c->in, .p = buf };
		ssize_t got_n = recv(c->udp, buf, sizeof(buf), 0);
		struct l2tp_data d;
		struct rd r;

		assert_true(got_n > 0);
		k.len = (size_t)got_n;
		esp_open(&k, 1);
		assert_int_equal(k.verdict, ESP_OK);
		assert_int_equal(get16(k.payload + 4), k.payload_len);
		r = rd_of(k.payload + 8, k.payload_len - 8);
		assert_true(l2tp_data_parse(&r, &d));
		assert_true(d.sequenced);
		assert_int_equal(d.ns, (uint16_t)(65534 + i));
		assert_int_equal(d.tunnel, c->sess->tunnel_id);
		if (i) {
			size_t len = ref_seg(super, n, 1000, i - 1, want);

			assert_int_equal(r.n, 4 + len);
			assert_memory_equal(r.p, "\xff\x03\0\x21", 4);
			assert_memory_equal(r.p + 4, want, len);
		}
	}
	assert_true(recv(c->udp, buf, sizeof(buf), 0) < 0);

	/* In: late IP is good once; a late frame of PPP is none, and nothing is good twice. */
	spec.src = RIG_IP + 1;
	n = pkt_make(&spec, super, &seed);
	put_numbered(c, 0, PPP_IP, super, n);
	put_numbered(c, 2, PPP_IP, super, n);
	put_numbered(c, 1, PPP_IP, super, n);
	assert_int_equal(c->row.in_packets, 3);
	assert_int_equal(rig.e.count.l2tp_late, 1);
	put_numbered(c, 1, PPP_IP, super, n);
	put_numbered(c, 2, PPP_IP, super, n);
	assert_int_equal(c->row.in_packets, 3);
	assert_int_equal(rig.e.count.l2tp_stale, 2);
	put_numbered(c, 9, PPP_LCP, (const uint8_t *)"\x09\x01\0\x08\0\0\0\0", 8);
	assert_int_equal(c->sess->ppp.dropped, 1);	/* it came: LCP is not open in this rig */
	put_numbered(c, 8, PPP_LCP, (const uint8_t *)"\x09\x01\0\x08\0\0\0\0", 8);
	assert_int_equal(c->sess->ppp.dropped, 1);
	assert_int_equal(rig.e.count.l2tp_late, 2);
	/* Without a number it is as ever. */
	{
		static struct rig_train t;

		t.n = 0;
		t.used = 0;
		rig_train_add(&t, c, super, n);
		rig_train_send(&t, c);
		rig_turn();
	}
	assert_int_equal(c->row.in_packets, 4);
}

static void t_fair(void **st)
{
	uint64_t seed = 3;
	struct vnet_hdr v;
	unsigned much = 0, before = 0;
	size_t n;

	n = to_client(0, 40, 200, &v, &seed);
	while (much < 100 && rig_tun_put(tun_of(0), &v, super, n))
		much++;
	assert_true(much * 40 > 3 * 256);
	/* In the shared one there is a place left for one more, and it is the last. */
	if (rig.shared && much < 100) {
		assert_true(recv(rig.e.shared[0].fd, got, sizeof(got), 0) > 0);
		much--;
	}
	n = to_client(3, 1, 100, &v, &seed);
	assert_true(rig_tun_put(tun_of(3), &v, super, n));
	for (unsigned i = 0; i < 100 && !rig.client[3].row.out_packets; i++) {
		before = (unsigned)rig.client[0].row.out_packets;
		event_base_loop(rig.e.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	}
	/* The first round has sent it. */
	assert_int_equal(rig.client[3].row.out_packets, 1);
	assert_int_equal(before, 0);
	assert_true(rig.client[0].row.out_packets < 2 * 256);
	rig_turn();
	assert_int_equal(rig.client[0].row.out_packets, much * 40);
}

/* The same on the other way: one who floods does not keep another waiting, who comes after him. */
static void t_fair_in(void **st)
{
	enum { TRAINS = 30, PAYLOAD = 20 };
	static struct rig_train t;
	struct pkt_spec s = tcp;
	uint64_t seed = 6;

	s.payload = PAYLOAD;
	for (unsigned k = 0; k < TRAINS; k++) {
		s.src = RIG_IP;
		t.n = 0;
		t.used = 0;
		for (unsigned i = 0; i < RIG_TRAIN; i++, s.id++, s.seq += PAYLOAD)
			rig_train_add(&t, &rig.client[0], want, pkt_make(&s, want, &seed));
		rig_train_send(&t, &rig.client[0]);
	}
	s.src = RIG_IP + 3;
	t.n = 0;
	t.used = 0;
	rig_train_add(&t, &rig.client[3], want, pkt_make(&s, want, &seed));
	rig_train_send(&t, &rig.client[3]);
	event_base_loop(rig.e.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_int_equal(rig.client[3].row.in_packets, 1);
	assert_true(rig.client[0].row.in_packets < TRAINS * RIG_TRAIN);
	rig_turn();
	assert_int_equal(rig.client[0].row.in_packets, TRAINS * RIG_TRAIN);
	assert_int_equal(rig.e.count.in_dropped, 0);
	/* A flow that ends while something of it waits: the sanitizers look at that. */
	t.n = 0;
	t.used = 0;
	rig_train_add(&t, &rig.client[3], want, pkt_make(&s, want, &seed));
	rig_train_send(&t, &rig.client[3]);
	data_readable(rig.e.sock[0].fd, EV_READ, &rig.e.sock[0]);
	assert_true(rig.client[3].sess->flow->in_queued > 0);
}

/*
 * More on the way in than there are places for: who floods loses what came last, unread;
 * who comes then gets a place all the same.
 */
static void t_flood_in(void **st)
{
	enum { TRAINS = 300, PAYLOAD = 20 };
	static struct rig_train t;
	struct pkt_spec s = tcp;
	uint64_t seed = 7, lost;

	s.payload = PAYLOAD;
	for (unsigned k = 0; k < TRAINS; k++) {
		s.src = RIG_IP;
		t.n = 0;
		t.used = 0;
		for (unsigned i = 0; i < RIG_TRAIN; i++, s.id++, s.seq += PAYLOAD)
			rig_train_add(&t, &rig.client[0], want, pkt_make(&s, want, &seed));
		rig_train_send(&t, &rig.client[0]);
		data_readable(rig.e.sock[0].fd, EV_READ, &rig.e.sock[0]);
	}
	lost = rig.e.count.in_dropped;
	assert_true(lost > 0 && lost < TRAINS);
	assert_int_equal(rig.client[0].row.in_packets, 0);
	s.src = RIG_IP + 3;
	t.n = 0;
	t.used = 0;
	rig_train_add(&t, &rig.client[3], want, pkt_make(&s, want, &seed));
	rig_train_send(&t, &rig.client[3]);
	data_readable(rig.e.sock[0].fd, EV_READ, &rig.e.sock[0]);
	assert_int_equal(rig.e.count.in_dropped, lost + 1);
	event_base_loop(rig.e.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	assert_int_equal(rig.client[3].row.in_packets, 1);
	rig_turn();
	assert_int_equal(rig.client[0].row.in_packets, (TRAINS - lost - 1) * RIG_TRAIN);
	assert_int_equal(rig.e.count.esp_replayed, 0);
}

/* More than there is room for: the one with the longest queue loses, the others nothing. */
static void t_overload(void **st)
{
	uint64_t seed = 4;
	struct vnet_hdr v, lone;
	unsigned put = 0, lones = 0;

	for (unsigned round = 0; round < 200; round++) {
		size_t n = to_client(0, 300, 20, &v, &seed);

		for (unsigned i = 0; i < 60 && rig_tun_put(rig.shared, &v, super, n); i++)
			put++;
		event_base_loop(rig.e.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
		n = to_client(3, 1, 100, &lone, &seed);
		lones += rig_tun_put(rig.shared, &lone, super, n);
	}
	for (unsigned i = 0; i < 1000; i++)
		rig_turn();
	assert_true(rig.e.count.out_dropped > 0);
	assert_int_equal(rig.client[0].row.out_packets, (put - rig.e.count.out_dropped) * 300 - rig.e.count.out_slowed);
	assert_int_equal(rig.client[3].row.out_packets, lones);
	assert_int_equal(rig.client[3].row.out_errors, 0);
}

/* Clients 0 to 2 have so much in the shared TUN, in many small pieces, that all room is taken and no queue is long. */
static void fill_room(uint64_t *seed)
{
	struct vnet_hdr v;

	for (unsigned round = 0; round < 20; round++) {
		unsigned i = 0;

		while (rig_tun_put(rig.shared, &v, super, to_client(i % 3, 20, 10, &v, seed)))
			i++;
		event_base_loop(rig.e.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	}
	assert_int_equal(rig.e.count.out_dropped, 0);
}

/* How many rounds it takes until client 3 has its packet, while the others go on. */
static unsigned rounds_of_3(int tun, uint64_t *seed)
{
	struct vnet_hdr v, lone;
	unsigned n = 0;

	assert_true(rig_tun_put(tun, &lone, super, to_client(3, 1, 100, &lone, seed)));
	for (; n < 100 && !rig.client[3].row.out_packets; n++) {
		while (rig_tun_put(rig.shared, &v, super, to_client(n % 3, 40, 10, &v, seed)))
			;
		event_base_loop(rig.e.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
	}
	return n;
}

/* A session with a TUN of its own does not wait for room that those of the shared one took, nor they for it. */
static void t_both_kinds(void **st)
{
	struct rig_client *c = &rig.client[3];
	uint64_t seed = 9, was;
	int fd;

	data_tun_close(c->sess);
	c->sess->shared = NULL;
	rig_pair(&fd, &c->tun);
	data_tun_open(c->sess, fd);
	fill_room(&seed);
	assert_true(rounds_of_3(c->tun, &seed) <= 2);
	was = rig.client[0].row.out_packets;
	rig_turn();
	assert_true(rig.client[0].row.out_packets > was);
	/* All that was put in came out again. */
	for (unsigned i = 0; i < 100; i++)
		rig_turn();
	assert_int_equal(recv(rig.e.shared[0].fd, got, sizeof(got), MSG_PEEK), -1);
	assert_true(list_empty(&rig.client[0].sess->out.queue));
}

/* Nor does one of another shared TUN. */
static void t_two_shared(void **st)
{
	struct shared_tun *t = &rig.e.shared[1];
	uint64_t seed = 10;
	int ours, kernels;

	rig_pair(&ours, &kernels);
	data_shared_open(t, ours);
	data_shared_join(rig.client[3].sess, t);
	fill_room(&seed);
	assert_true(rounds_of_3(kernels, &seed) <= 4);
	data_shared_close(t);
	close(kernels);
}

/* What waited for its route, of one whose address is another's by then, goes nowhere. */
static void t_replaced(void **st)
{
	static struct rig_train t;
	struct sess *old = rig.client[0].sess, *heir = rig.client[1].sess;
	struct pkt_spec s = tcp;
	uint64_t seed = 11;

	t.n = 0;
	t.used = 0;
	s.src = RIG_IP;
	old->routed = false;
	rig_train_add(&t, &rig.client[0], want, pkt_make(&s, want, &seed));
	rig_train_send(&t, &rig.client[0]);
	rig_turn();
	assert_int_equal(old->hold.n, 1);
	heir->ip = old->ip;
	data_shared_join(heir, &rig.e.shared[0]);
	data_shared_routed(old);
	assert_int_equal(recv(rig.shared, got, sizeof(got), 0), -1);
	/* What comes later is counted; the new one's is its own. */
	t.n = 0;
	t.used = 0;
	rig_train_add(&t, &rig.client[0], want, pkt_make(&s, want, &seed));
	rig_train_send(&t, &rig.client[0]);
	rig_turn();
	assert_int_equal(recv(rig.shared, got, sizeof(got), 0), -1);
	assert_int_equal(rig.e.count.ip_nobody, 1);
	t.n = 0;
	t.used = 0;
	rig_train_add(&t, &rig.client[1], want, pkt_make(&s, want, &seed));
	rig_train_send(&t, &rig.client[1]);
	rig_turn();
	assert_int_equal(recv(rig.shared, got, sizeof(got), 0), VNET_HDR + 1352);
}

/* The last number is used once; nothing leaves after it, and an SA that nobody else can end ends. */
static void t_exhausted(void **st)
{
	struct flow *f = rig.client[1].sess->flow;
	struct sa *s = f->send;
	uint32_t spi = s->spi;
	uint64_t seed = 12;
	struct vnet_hdr v;
	size_t n = to_client(1, 10, 100, &v, &seed);

	assert_true(esp_seq_raise(s->out, UINT32_MAX - 3));
	for (unsigned round = 0; round < 2; round++) {
		assert_true(rig_tun_put(tun_of(1), &v, super, n));
		rig_turn();
		for (unsigned i = 0; i < 3 && !round; i++)
			assert_int_equal(rig_recv(&rig.client[1], got), 152);
		assert_int_equal(rig_recv(&rig.client[1], got), 0);
		assert_int_equal(rig.e.count.tx_packets, 3);
		assert_int_equal(rig.e.count.tx_exhausted, 7 + 10 * round);
		assert_true(s->exhausted);
		s->ike->orphan = round;
		sa_tell_use(&rig.e);
		assert_int_equal(rig.e.count.sa_expired, 1 + round);
		if (!round)
			assert_ptr_equal(sa_find(&rig.e, spi), s);
	}
	assert_null(sa_find(&rig.e, spi));
	assert_null(f->send);
	/* iked hears once that it has to delete it, and once that its slot is free. */
	assert_int_equal(rig.told[MSG_SA_EXPIRED], 1);
	assert_int_equal(rig.told[MSG_SPI_USED], 1);
	/* Others have theirs. */
	n = to_client(2, 10, 100, &v, &seed);
	assert_true(rig_tun_put(tun_of(2), &v, super, n));
	rig_turn();
	assert_int_equal(rig.e.count.tx_packets, 13);
}

/* A pair that its client never deletes goes when its time is over, and the other one is sent on. */
static void t_expires(void **st)
{
	struct flow *f = rig.client[1].sess->flow;
	struct sa *old = f->send;
	struct msg_sa_add m = {
		.lineage = *flow_lineage(f), .inbound = 1, .spi = 200 << 8, .enc = ESP_ENC_AES_CBC_256,
		.auth = ESP_AUTH_HMAC_SHA1_96, .enc_len = 32, .auth_len = 20, .life_s = 1, .local = old->path.local,
		.peer = old->path.peer,
	};
	struct msg_spi_new n = { .lineage = m.lineage, .spi = m.spi, .local = m.local, .peer = m.peer };
	uint64_t until = now_ms() + 60000;
	struct sa *s;

	sa_announce(&rig.e, &n);
	sa_add(&rig.e, &m);
	m.inbound = 0;
	m.pair = n.spi;
	m.spi = n.spi | 1;
	sa_add(&rig.e, &m);
	s = sa_find(&rig.e, n.spi);
	assert_non_null(s);
	f->send = s;
	while (sa_find(&rig.e, n.spi) && now_ms() < until)
		assert_true(event_base_loop(rig.e.base, EVLOOP_ONCE) >= 0);
	assert_null(sa_find(&rig.e, n.spi));
	assert_int_equal(rig.e.count.sa_expired, 1);
	assert_int_equal(rig.told[MSG_SA_EXPIRED], 1);
	assert_ptr_equal(f->send, old);
	assert_int_equal(f->lin.pairs, 1);
}

/* The data of an Echo-Request that was sealed for client c and came to fd. */
static const uint8_t *echo_data(struct rig_client *c, int fd)
{
	static uint8_t buf[2048];
	struct esp_pkt k = { .sa = c->in, .p = buf };
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	assert_true(n > 0);
	k.len = (size_t)n;
	esp_open(&k, 1);
	assert_int_equal(k.verdict, ESP_OK);
	assert_int_equal(k.payload_len, RIG_HEAD + 8 + LIN_NONCE);
	assert_memory_equal(k.payload + 8, c->head + 8, 6);
	assert_memory_equal(k.payload + 14, "\xff\x03\xc0\x21\x09", 5);
	return k.payload + RIG_HEAD + 8;
}

/* IKE was there first: who looks sees where the client is now. */
static void t_moved_by_ike(void **st)
{
	struct sa *s = sa_find(&rig.e, 1 << 8);
	struct msg_sa_move m = { .lineage = s->ike->lin.id, .spi = s->spi, .local = s->path.local, .peer = s->path.peer };
	struct addr was = m.peer;
	uint64_t moved = rig.e.count.endpoint_moved;

	m.peer.port ^= 1;
	sa_move(&rig.e, &m);
	assert_true(addr_eq(&s->path.peer, &m.peer) && addr_eq(&rig.client[0].row.peer, &m.peer));
	assert_true(addr_eq(&s->flow->lin.peer, &m.peer));
	/* Said again it is no move, and another lineage has no say. */
	sa_move(&rig.e, &m);
	m.peer = was;
	m.lineage.counter++;
	sa_move(&rig.e, &m);
	assert_int_equal(rig.e.count.endpoint_moved, moved + 1);
	m.lineage.counter--;
	sa_move(&rig.e, &m);
	assert_true(addr_eq(&rig.client[0].row.peer, &was));
}

/* Client 1 has done phase 1 again and goes on with its tunnel over the new SA. */
static void t_join(void **st)
{
	static struct rig_train t;
	static struct rig_client n;
	struct lineage second = { .counter = 10 };
	struct rig_client *c = &rig.client[1];
	struct flow *f = c->sess->flow;
	struct pkt_spec s = tcp;
	uint8_t whole[2048], reply[8 + LIN_NONCE] = { 10, 1, 0, 8 + LIN_NONCE };
	uint64_t seed = 21;
	struct vnet_hdr v;
	struct sa *sa;
	size_t len;

	c->sess->ppp.fsm[PPP_FSM_LCP].state = 9;	/* Opened (RFC 1661 4.1) */
	rig_keys(&n, 9, ESP_AUTH_HMAC_SHA1_96);
	memcpy(n.head, c->head, sizeof(n.head));
	sa = sa_find(&rig.e, 10 << 8);
	assert_ptr_not_equal(sa->flow, f);
	assert_int_equal(rig.e.n_flows, RIG_CLIENTS + 1);

	/* Its packet waits, and it is asked, over the old SA: where that was, and where the new one is. */
	s.src = RIG_IP + 1;
	s.payload = 100;
	len = pkt_make(&s, super, &seed);
	t.n = 0;
	t.used = 0;
	rig_train_add(&t, &n, super, len);
	rig_train_send(&t, &n);
	rig_turn();
	assert_true(recv(tun_of(1), whole, sizeof(whole), 0) < 0);
	assert_int_equal(rig.e.count.join_held, 1);
	memcpy(reply + 8, echo_data(c, c->udp), LIN_NONCE);
	assert_memory_equal(echo_data(c, n.udp), reply + 8, LIN_NONCE);

	/* Its answer over the old SA proves nothing, over the new one all. */
	put16(c->head + 16, PPP_LCP);
	t.n = 0;
	t.used = 0;
	rig_train_add(&t, c, reply, sizeof(reply));
	rig_train_send(&t, c);
	rig_turn();
	assert_ptr_not_equal(sa->flow, f);
	put16(n.head + 16, PPP_LCP);
	t.n = 0;
	t.used = 0;
	rig_train_add(&t, &n, reply, sizeof(reply));
	rig_train_send(&t, &n);
	rig_turn();
	assert_ptr_equal(sa->flow, f);
	assert_ptr_equal(own_flow(sa), f);
	assert_int_equal(rig.e.n_flows, RIG_CLIENTS);
	assert_int_equal(rig.told[MSG_FLOW_JOIN], 1);
	assert_int_equal(recv(tun_of(1), whole, sizeof(whole), 0), VNET_HDR + len);
	assert_memory_equal(whole + VNET_HDR, super, len);

	/* It is answered there from now on. */
	put16(c->head + 16, PPP_IP);
	put16(n.head + 16, PPP_IP);
	len = to_client(1, 1, 100, &v, &seed);
	assert_true(rig_tun_put(tun_of(1), &v, super, len));
	rig_turn();
	assert_int_equal(rig_recv(c, got), 0);
	assert_int_equal(rig_recv(&n, got), len);

	/* One IKE_SA ends, the client does not: what is left of it is used. */
	flow_end(&rig.e, &second, false);
	assert_null(sa_find(&rig.e, 10 << 8));
	assert_true(rig_tun_put(tun_of(1), &v, super, len));
	rig_turn();
	assert_int_equal(rig_recv(c, got), len);
	esp_sa_free(n.in);
	esp_sa_free(n.out);
	close(n.udp);
}

static void t_limit(void **st)
{
	static struct rig_train t;
	struct rig_client *c = &rig.client[1];
	struct pkt_spec s = tcp;
	uint64_t seed = 5;
	struct vnet_hdr v;
	size_t n;

	/* The bucket holds 65,536 bytes, of which 49 packets of 1,352 bring it into debt. */
	t.n = 0;
	t.used = 0;
	data_limit(c->sess, 8000, 8000, now_ms() + 1000);
	n = to_client(1, 40, 1300, &v, &seed);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(rig_tun_put(tun_of(1), &v, super, n));
		rig_turn();
	}
	assert_int_equal(c->row.out_packets, 49);
	assert_int_equal(rig.e.count.out_limited, 31);
	s.src = RIG_IP + 1;
	for (unsigned k = 0; k < 2; k++) {
		t.n = 0;
		t.used = 0;
		for (unsigned i = 0; i < 40; i++)
			rig_train_add(&t, c, want, pkt_make(&s, want, &seed));
		rig_train_send(&t, c);
		rig_turn();
	}
	assert_int_equal(c->row.in_packets, 49);
	assert_int_equal(rig.e.count.in_limited, 31);
	/* Another's is not touched. */
	assert_int_equal(rig.client[0].sess->in_limit.rate, 0);
	assert_int_equal(c->row.rate_in_bps, 8000);
	assert_int_equal(c->row.rate_out_bps, 8000);
	/* Less than a byte per second is not without a limit. */
	data_limit(c->sess, 1, 7, now_ms());
	assert_int_equal(c->sess->in_limit.rate, 1);
	assert_int_equal(c->sess->out_limit.rate, 1);
	data_limit(c->sess, 0, 0, now_ms());
	assert_int_equal(c->sess->in_limit.rate, 0);
	assert_int_equal(c->row.rate_out_bps, 0);
}

/*
 * Whoever always has something to do gets his share, however many come and go;
 * and who was not there at all comes first.
 */
static void t_turns(void **st)
{
	enum { LIGHT = 6, ROUNDS = 1000, LATE = 7 };
	struct turn all[LATE + 1], *t;
	unsigned served[LATE + 1] = { 0 };
	struct turns ts;

	turns_init(&ts);
	for (unsigned i = 0; i <= LATE; i++)
		turn_init(&all[i]);
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned k = 0; k < LATE; k++)
			turn_join(&ts, &all[k]);
		t = turns_next(&ts);
		assert_non_null(t);
		served[t - all]++;
		turn_pay(t, TURN_QUANTUM - 40 * TURN_PACKET, 40);
		/* Only the last one has more to do afterwards. */
		if (t != &all[LIGHT])
			turn_rest(&ts, t);
	}
	for (unsigned k = 0; k < LATE; k++)
		assert_in_range(served[k], ROUNDS / LATE - 2, ROUNDS / LATE + 2);
	turn_join(&ts, &all[LATE]);
	assert_ptr_equal(turns_next(&ts), &all[LATE]);
	turn_leave(&all[LATE]);
	/* Who rests is not next, and when all do there is nothing to do. */
	assert_false(turns_empty(&ts));
	for (unsigned k = 0; k < LATE; k++)
		turn_rest(&ts, &all[k]);
	assert_null(turns_next(&ts));
	assert_true(turns_empty(&ts));
	turn_join(&ts, &all[0]);
	turn_rest(&ts, &all[0]);
	assert_true(turns_empty(&ts));
}

static void t_bucket(void **st)
{
	struct bucket b = bucket_of(0, 0, 0), big = bucket_of(UINT64_MAX / 8, UINT32_MAX, 0);

	for (unsigned i = 0; i < 10; i++)
		assert_true(bucket_take(&b, 65535, 0));		/* no limit */
	b = bucket_of(1000, 500, 10);
	assert_true(bucket_take(&b, 499, 10));
	assert_true(bucket_take(&b, 1000, 10));			/* into debt */
	assert_false(bucket_take(&b, 1, 10));
	assert_false(bucket_take(&b, 1, 5));			/* the clock does not go back; if it does, nothing */
	assert_false(bucket_take(&b, 1, 1009));
	assert_true(bucket_take(&b, 1, 1010));
	assert_true(bucket_take(&b, 1000, 1000000));		/* never more than the burst */
	assert_false(bucket_take(&b, 1, 1000500));
	assert_true(bucket_take(&b, 1, 1000501));
	/* 10 s at any rate */
	for (uint64_t rate = 1000; rate < 1000000000; rate *= 10) {
		uint64_t passed = 0;

		b = bucket_of(rate, 1500, 0);
		for (uint64_t ms = 0; ms < 10000; ms++)
			while (bucket_take(&b, 1400, ms))
				passed += 1400;
		/* A bucket of 1500 bytes can overflow only where a millisecond brings more than that. */
		assert_true(passed <= rate * 10 + 1500 + 1400);
		assert_true(rate > 1000000 || passed + 2 * 1400 > rate * 10);
	}
	for (uint64_t ms = 0; ms < UINT64_MAX / 2; ms = ms * 2 + 1)
		(void)bucket_take(&big, 65535, ms);
	assert_true(big.level <= big.burst);
}

/* Networks behind sessions: what comes for one, by the longest prefix, and what comes from it. */
static void t_networks(void **st)
{
	enum { NET = 0x0a000100 };
	static const struct { unsigned last; unsigned to; } rows[] = {
		{ 9, 2 }, { 8, 2 }, { 12, 1 }, { 13, 3 }, { 14, 1 }, { 15, 1 }, { 11, 2 }, { 7, RIG_CLIENTS }, { 16, RIG_CLIENTS },
	};
	static const struct { unsigned ip; uint32_t mask; } have[RIG_CLIENTS] = {
		{ 0x80, ~0u }, { 14, 0xfffffffc }, { 9, 0xfffffff8 }, { 13, ~0u },
	};
	struct rig_client *c = &rig.client[2];
	static struct rig_train t;
	struct pkt_spec s = tcp;
	struct vnet_hdr v;
	uint64_t seed = 21;
	size_t n;

	for (unsigned i = 0; i < RIG_CLIENTS; i++) {
		struct sess *k = rig.client[i].sess;

		list_del(&k->by_ip);
		k->ip = NET + have[i].ip;
		k->mask = have[i].mask;
		data_shared_join(k, &rig.e.shared[0]);
	}
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		n = to_client(0, 1, 100, &v, &seed);
		put32(super + 16, NET + rows[i].last);
		assert_true(rig_tun_put(rig.shared, &v, super, n));
		rig_turn();
		for (unsigned k = 0; k < RIG_CLIENTS; k++)
			if ((rig_recv(&rig.client[k], got) == n) != (k == rows[i].to))
				fail_msg("row %zu, client %u", i, k);
	}
	assert_int_equal(rig.e.count.ip_nobody, 2);
	for (unsigned i = 0; i < 2; i++) {
		t.n = 0;
		t.used = 0;
		s.src = i ? NET + 16 : NET + 11;
		rig_train_add(&t, c, want, pkt_make(&s, want, &seed));
		rig_train_send(&t, c);
		rig_turn();
		assert_int_equal(recv(rig.shared, got, sizeof(got), 0) > 0, !i);
		assert_int_equal(rig.e.count.ip_spoofed, i);
	}
	/* What a server named: found by the longest prefix, too, and may be sent from; and it alone. */
	static const struct radius_route routes[] = { { 0x0a090000, 0xffff0000 }, { 0x0b000005, ~0u } };
	static const struct { uint32_t ip; bool hers; } behind[] = {
		{ 0x0a090000, true }, { 0x0a09ffff, true }, { 0x0a0a0000, false }, { 0x0a08ffff, false }, { 0x0b000005, true },
		{ 0x0b000004, false }, { 0x0b000006, false },
	};
	struct sess *k = rig.client[3].sess, *newer = rig.client[0].sess;
	uint64_t spoofed = rig.e.count.ip_spoofed;

	data_routes(k, routes, N_ELEMENTS(routes));
	data_shared_join(k, &rig.e.shared[0]);
	s.src = 0;
	for (size_t i = 0; i < N_ELEMENTS(behind); i++) {
		assert_ptr_equal(data_by_ip(&rig.e.shared[0], behind[i].ip), behind[i].hers ? k : NULL);
		t.n = 0;
		t.used = 0;
		s.src = behind[i].ip;
		rig_train_add(&t, &rig.client[3], want, pkt_make(&s, want, &seed));
		rig_train_send(&t, &rig.client[3]);
		rig_turn();
		assert_int_equal(recv(rig.shared, got, sizeof(got), 0) > 0, behind[i].hers);
		spoofed += !behind[i].hers;
	}
	assert_int_equal(rig.e.count.ip_spoofed, spoofed);
	/* A newer session with one of them gets what comes for it; the other one stays with the old. */
	data_routes(newer, routes, 1);
	data_shared_join(newer, &rig.e.shared[0]);
	assert_ptr_equal(data_by_ip(&rig.e.shared[0], 0x0a090001), newer);
	assert_ptr_equal(data_by_ip(&rig.e.shared[0], 0x0b000005), k);
	data_routes(newer, NULL, 0);
	data_shared_join(newer, &rig.e.shared[0]);
	assert_null(data_by_ip(&rig.e.shared[0], 0x0a090001));
	data_routes(k, NULL, 0);
	data_shared_join(k, &rig.e.shared[0]);
	assert_null(data_by_ip(&rig.e.shared[0], 0x0b000005));
	assert_ptr_equal(data_by_ip(&rig.e.shared[0], NET + 13), k);

	/* One that is gone has no network any more; the wider one is left. */
	data_tun_close(rig.client[1].sess);
	assert_ptr_equal(data_by_ip(&rig.e.shared[0], NET + 14), c->sess);
	data_tun_close(c->sess);
	assert_null(data_by_ip(&rig.e.shared[0], NET + 14));
	for (unsigned i = 0; i < N_ELEMENTS(rig.e.n_net); i++)
		assert_int_equal(rig.e.n_net[i], 0);
}

int main(void)
{
	static int shared;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_bucket),
		cmocka_unit_test(t_turns),
		cmocka_unit_test(t_dseq),
		cmocka_unit_test_setup_teardown(t_numbered, make, unmake),
		cmocka_unit_test_prestate_setup_teardown(t_numbered, make, unmake, &shared),
		cmocka_unit_test_setup_teardown(t_out, make, unmake),
		cmocka_unit_test_prestate_setup_teardown(t_out, make, unmake, &shared),
		cmocka_unit_test_setup_teardown(t_no_train, make, unmake),
		cmocka_unit_test_setup_teardown(t_in, make, unmake),
		cmocka_unit_test_setup_teardown(t_mppe, make, unmake),
		cmocka_unit_test_prestate_setup_teardown(t_mppe, make, unmake, &shared),
		cmocka_unit_test_prestate_setup_teardown(t_in, make, unmake, &shared),
		cmocka_unit_test_setup_teardown(t_fair, make, unmake),
		cmocka_unit_test_prestate_setup_teardown(t_fair, make, unmake, &shared),
		cmocka_unit_test_setup_teardown(t_fair_in, make, unmake),
		cmocka_unit_test_setup_teardown(t_flood_in, make, unmake),
		cmocka_unit_test_prestate_setup_teardown(t_slowed, make, unmake, &shared),
		cmocka_unit_test_prestate_setup_teardown(t_slowed_ecn, make, unmake, &shared),
		cmocka_unit_test_prestate_setup_teardown(t_overload, make, unmake, &shared),
		cmocka_unit_test_prestate_setup_teardown(t_both_kinds, make, unmake, &shared),
		cmocka_unit_test_prestate_setup_teardown(t_two_shared, make, unmake, &shared),
		cmocka_unit_test_prestate_setup_teardown(t_replaced, make, unmake, &shared),
		cmocka_unit_test_prestate_setup_teardown(t_networks, make, unmake, &shared),
		cmocka_unit_test_setup_teardown(t_exhausted, make, unmake),
		cmocka_unit_test_setup_teardown(t_expires, make, unmake),
		cmocka_unit_test_setup_teardown(t_limit, make, unmake),
		cmocka_unit_test_setup_teardown(t_moved_by_ike, make, unmake),
		cmocka_unit_test_setup_teardown(t_join, make, unmake),
		cmocka_unit_test_prestate_setup_teardown(t_join, make, unmake, &shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
