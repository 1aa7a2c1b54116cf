/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ESP without UDP, and ESP over IPv6: which engine's socket takes a packet (the
 * kernel runs the filter, on a socket that needs no privilege), and the data path.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data_rig.h"
#include "l2tpd/raw_filter.h"

/* ---- the filter ---- */

/* A socket pair whose second end has the filter of an engine. */
static void filtered(int p[2], bool v6, unsigned engine, unsigned engines)
{
	struct sock_filter prog[RAW_FILTER_LEN];
	struct sock_fprog f = { .len = raw_filter(v6, engine, engines, prog), .filter = prog };

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p), 0);
	assert_int_equal(setsockopt(p[1], SOL_SOCKET, SO_ATTACH_FILTER, &f, sizeof(f)), 0);
}

/* Who takes a packet: its engine, -1 for nobody.  Never two, and always all of it. */
static int taker(int p[][2], unsigned engines, const uint8_t *pkt, size_t n)
{
	static uint8_t buf[65536];
	int who = -1;

	for (unsigned e = 0; e < engines; e++) {
		ssize_t r;

		assert_int_equal(send(p[e][0], pkt, n, 0), n);
		r = recv(p[e][1], buf, sizeof(buf), 0);
		if (r < 0)
			continue;
		assert_int_equal(r, n);
		assert_memory_equal(buf, pkt, n);
		assert_int_equal(who, -1);
		who = (int)e;
	}
	return who;
}

static void t_filter(void **st)
{
	enum { NOBODY = 0 };		/* engine 0 counts what is nobody's */
	static const struct {
		const char *what;
		uint32_t spi;
		int n;			/* bytes of ESP; -1: 60 */
		int taker[3];		/* of 1, 3 and 32 engines */
	} rows[] = {
		{ "engine 0's first", 0x00000100, -1, { 0, 0, 0 } },
		{ "engine 0's last", 0x03ffffff, -1, { 0, 0, 0 } },
		{ "engine 1's first", 0x04000000, -1, { NOBODY, 1, 1 } },
		{ "engine 1's last", 0x07ffffff, -1, { NOBODY, 1, 1 } },
		{ "engine 2's", 0x08123456, -1, { NOBODY, 2, 2 } },
		{ "engine 3's", 0x0c123456, -1, { NOBODY, NOBODY, 3 } },
		{ "engine 31's", 0x7fffffff, -1, { NOBODY, NOBODY, 31 } },
		{ "of no engine", 0x80000000, -1, { NOBODY, NOBODY, NOBODY } },
		{ "the last of all", 0xffffffff, -1, { NOBODY, NOBODY, NOBODY } },
		{ "SPI 0", 0, -1, { NOBODY, NOBODY, NOBODY } },
		{ "a reserved one", 255, -1, { NOBODY, NOBODY, NOBODY } },
		{ "no byte of ESP", 0x08000100, 0, { NOBODY, NOBODY, NOBODY } },
		{ "one", 0x08000100, 1, { NOBODY, NOBODY, NOBODY } },
		{ "three", 0x08000100, 3, { NOBODY, NOBODY, NOBODY } },
		{ "an SPI and no more", 0x08000100, 4, { NOBODY, 2, 2 } },
		{ "a long one", 0x08000100, 20000, { NOBODY, 2, 2 } },
	};
	static const unsigned engines[3] = { 1, 3, 32 };
	static uint8_t pkt[65536];

	for (unsigned k = 0; k < 3; k++) {
		/* Header lengths of IPv4 in words; 0 = IPv6, which has none here. */
		for (unsigned ihl = 0; ihl <= 15; ihl = ihl ? ihl + 1 : 5) {
			int p[32][2];

			for (unsigned e = 0; e < engines[k]; e++)
				filtered(p[e], !ihl, e, engines[k]);
			for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
				size_t hdr = ihl * 4, n = rows[i].n < 0 ? 60 : (size_t)rows[i].n;
				int who = rows[i].taker[k];

				/* What is not the SPI leads to another engine. */
				memset(pkt, 0x04, sizeof(pkt));
				if (ihl)
					pkt[0] = (uint8_t)(0x40 | ihl);
				put32(pkt + hdr, rows[i].spi);
				if (taker(p, engines[k], pkt, hdr + n) != who)
					fail_msg("%s, %u engines, header of %zu: not engine %d's", rows[i].what, engines[k], hdr, who);
			}
			/* No packet at all: the kernel lets none through whose header is longer than itself. */
			if (ihl > 5) {
				memset(pkt, 0x04, sizeof(pkt));
				pkt[0] = (uint8_t)(0x40 | ihl);
				assert_int_equal(taker(p, engines[k], pkt, 20), -1);
			}
			for (unsigned e = 0; e < engines[k]; e++) {
				close(p[e][0]);
				close(p[e][1]);
			}
		}
	}
}

/* ---- the data path ---- */

static const struct pkt_spec tcp = {
	.proto = 6, .ttl = 64, .flags = 0x10, .tcp_words = 3, .id = 9, .frag = 0x4000, .sport = 5000, .window = 501,
	.seq = 1000, .ack = 77, .payload = 1300,
};

static uint8_t super[GSO_MAX], got[GSO_MAX], want[GSO_MAX];

enum { V6 = 1, RAW = 2 };

static int make(void **st)
{
	const int *way = *st;

	rig_way.v6 = *way & V6;
	rig_way.raw = *way & RAW;
	rig_make(false, ESP_AUTH_HMAC_SHA1_96);
	return 0;
}

static int unmake(void **st)
{
	rig_free();
	rig_way.v6 = rig_way.raw = false;
	return 0;
}

/* With a header of so many words in front, as a raw socket of IPv4 gives it. */
static void send_from(int fd, const uint8_t *p, size_t n, unsigned ihl)
{
	uint8_t hdr[60] = { (uint8_t)(0x40 | ihl) };
	struct sockaddr_storage to;
	struct iovec iov[2] = {
		{ .iov_base = hdr, .iov_len = ihl * 4 }, { .iov_base = (void *)(uintptr_t)p, .iov_len = n },
	};
	struct msghdr h = {
		.msg_name = &to, .msg_namelen = addr_to_sa(&rig.e.sock[0].at, &to), .msg_iov = iov, .msg_iovlen = 2,
	};

	RIG_MUST(sendmsg(fd, &h, 0) >= 0);
}

static void send_raw(const struct rig_client *c, const uint8_t *p, size_t n)
{
	send_from(c->udp, p, n, rig_way.v6 ? 0 : 5);
}

/* The client's next packet, sealed, in t; damage: how its UDP header is. */
enum damage { GOOD, NO_SUM, BAD_SUM, BAD_LEN };

static void packet(struct rig_train *t, struct rig_client *c, unsigned i, enum damage d)
{
	static uint64_t seed = 5;
	struct pkt_spec s = tcp;
	uint8_t *udp;

	s.src = RIG_IP + i;
	t->n = 0;
	t->used = 0;
	rig_train_add(t, c, want, pkt_make(&s, want, &seed));
	udp = t->pkt[0].p + esp_payload_offset(c->out);
	if (d == NO_SUM)
		put16(udp + 6, 0);
	if (d == BAD_SUM)
		put16(udp + 6, get16(udp + 6) ^ 0x0100u);
	if (d == BAD_LEN)
		put16(udp + 4, get16(udp + 4) + 1u);
	esp_seal(t->pkt, 1);
}

static bool came(const struct rig_client *c)
{
	uint8_t whole[VNET_HDR + GSO_MAX];
	ssize_t n;

	rig_turn();
	n = recv(c->tun, whole, sizeof(whole), 0);
	if (n < 0)
		return false;
	assert_int_equal(n, VNET_HDR + 1352);
	assert_memory_equal(whole + VNET_HDR, want, 1352);
	return true;
}

/* What gets in without UDP, and what does not. */
static void t_raw_in(void **st)
{
	static struct rig_train t;
	struct rig_client *c = &rig.client[1];
	struct engine_count *n = &rig.e.count;
	struct path *path = &sa_find(&rig.e, 2 << 8)->path;
	struct addr at, other = { 0 };
	int fd;

	assert_int_equal(path->peer.port, 0);
	for (unsigned ihl = 5; ihl <= (rig_way.v6 ? 5 : 15); ihl++) {
		packet(&t, c, 1, GOOD);
		send_from(c->udp, t.pkt[0].p, t.pkt[0].len, rig_way.v6 ? 0 : ihl);
		assert_true(came(c));
	}
	assert_int_equal(n->esp_raw_packets, rig_way.v6 ? 1 : 11);
	/* Once more: seen before. */
	send_raw(c, t.pkt[0].p, t.pkt[0].len);
	assert_false(came(c));
	assert_int_equal(n->esp_replayed, 1);
	/* The checksum counts over IPv6 only. */
	packet(&t, c, 1, NO_SUM);
	send_raw(c, t.pkt[0].p, t.pkt[0].len);
	assert_int_equal(came(c), !rig_way.v6);
	packet(&t, c, 1, BAD_SUM);
	send_raw(c, t.pkt[0].p, t.pkt[0].len);
	assert_int_equal(came(c), !rig_way.v6);
	assert_int_equal(n->inner_bad, rig_way.v6 ? 2 : 0);
	packet(&t, c, 1, BAD_LEN);
	send_raw(c, t.pkt[0].p, t.pkt[0].len);
	assert_false(came(c));
	assert_int_equal(n->inner_bad, rig_way.v6 ? 3 : 1);
	/* Cut short, everywhere. */
	for (size_t len = 0; len < 60; len++) {
		uint64_t was = n->esp_short + n->esp_bad_icv;

		packet(&t, c, 1, GOOD);
		send_raw(c, t.pkt[0].p, len);
		assert_false(came(c));
		assert_int_equal(n->esp_short + n->esp_bad_icv, was + 1);
	}
	/* An IP header that is none, or longer than all of it. */
	if (!rig_way.v6) {
		uint64_t was = n->esp_short;

		for (unsigned ihl = 0; ihl < 5; ihl++)
			send_from(c->udp, t.pkt[0].p, t.pkt[0].len, ihl);
		for (unsigned ihl = 0; ihl <= 15; ihl++)
			send_from(c->udp, t.pkt[0].p, 0, ihl);
		rig_turn();
		assert_int_equal(n->esp_short, was + 5 + 16);
	}
	/* SPI 0 is no IKE message here, one byte no keepalive, and what is nobody's is counted. */
	send_raw(c, (const uint8_t *)"\0\0\0\0\0\0\0\0\0\0\0\0", 12);
	send_raw(c, (const uint8_t *)"\xff\xff\xff\xff\0\0\0\1\0\0\0\0", 12);
	send_raw(c, (const uint8_t *)"\xff", 1);
	rig_turn();
	assert_int_equal(rig.told[MSG_STRAY], 0);
	assert_int_equal(n->rx_keepalive, 0);
	assert_int_equal(n->esp_unknown_spi, 2);
	/* From another address: whoever it is, the client is where IKE saw it, and stays there. */
	if (rig_way.v6) {		/* which has one loopback address only */
		path->peer.ip[0] ^= 1;
		fd = dup(c->udp);
	} else {
		fd = rig_udp_at(addr_v4(INADDR_LOOPBACK + 1, 0), &at);
	}
	other = path->peer;
	packet(&t, c, 1, GOOD);
	send_from(fd, t.pkt[0].p, t.pkt[0].len, rig_way.v6 ? 0 : 5);
	assert_false(came(c));
	assert_int_equal(n->esp_wrong_source, 1);
	assert_int_equal(n->endpoint_moved, 0);
	assert_memory_equal(&path->peer, &other, sizeof(other));
	if (rig_way.v6)
		path->peer.ip[0] ^= 1;
	/* The very packet from its own: it was not taken for seen. */
	send_raw(c, t.pkt[0].p, t.pkt[0].len);
	assert_true(came(c));
	close(fd);
	/* Of an SA whose ESP is in UDP. */
	path->raw = false;
	packet(&t, c, 1, GOOD);
	send_raw(c, t.pkt[0].p, t.pkt[0].len);
	assert_false(came(c));
	assert_int_equal(n->esp_wrong_way, 1);
	path->raw = true;
	/* And the other way round. */
	rig.e.sock[0].raw = false;
	packet(&t, c, 1, GOOD);
	send_from(c->udp, t.pkt[0].p, t.pkt[0].len, 0);
	assert_false(came(c));
	assert_int_equal(n->esp_wrong_way, 2);
	rig.e.sock[0].raw = true;
	packet(&t, c, 1, GOOD);
	send_raw(c, t.pkt[0].p, t.pkt[0].len);
	assert_true(came(c));
}

/* What came before its keys, another way than these are for, is not opened with them. */
static void t_held(void **st)
{
	struct msg_spi_new a = { .lineage.counter = 99, .spi = 200 << 8, .raw = 1 };
	struct msg_sa_add m = {
		.lineage.counter = 99, .inbound = 1, .spi = 200 << 8, .enc = ESP_ENC_AES_CBC_256, .auth = ESP_AUTH_HMAC_SHA1_96,
		.enc_len = 32, .auth_len = 20, .raw = 1,
	};
	struct engine_count *n = &rig.e.count;
	struct rig_client *c = &rig.client[2];
	uint8_t p[64] = { 0, 0, 200, 0, 0, 0, 0, 1 };

	for (unsigned i = 0; i < 3; i++) {
		struct msg_sa_add other = m;
		struct sa *s;

		a.local = m.local = other.local = rig.e.sock[0].at;
		a.peer = m.peer = other.peer = sa_find(&rig.e, 3 << 8)->path.peer;
		sa_announce(&rig.e, &a);
		s = sa_find(&rig.e, a.spi);
		assert_non_null(s);
		send_raw(c, p, sizeof(p));
		rig_turn();
		assert_int_equal(n->esp_held, i + 1);
		assert_int_equal(s->hold.n, 1);
		if (i == 1)
			other.raw = 0;
		if (i == 2)
			other.peer.ip[3] ^= 4;
		sa_add(&rig.e, &other);
		assert_int_equal(s->hold.n, i ? 0 : 1);
		assert_int_equal(s->path.raw, i != 1);
		/* The other direction is of the same way, or has no keys. */
		other.inbound = 0;
		other.spi = 7;
		other.pair = a.spi;
		other.raw ^= 1;
		sa_add(&rig.e, &other);
		assert_null(s->out);
		other.raw ^= 1;
		sa_add(&rig.e, &other);
		assert_non_null(s->out);
		/* It was opened where it was kept: 64 bytes of nothing. */
		assert_int_equal(n->esp_bad_icv + n->esp_short, 1);
		flow_end(&rig.e, &a.lineage, false);
	}
}

/* Over IPv6 every packet has its checksum (rig_recv() looks at each), in trains and alone. */
static void t_out6(void **st)
{
	uint64_t seed = 1;
	struct pkt_spec s = tcp;
	struct vnet_hdr v = { .flags = 1, .gso_type = VNET_GSO_TCPV4, .gso_size = 1300, .hdr_len = 52, .csum_start = 20,
		.csum_offset = 16 };
	size_t n;

	s.payload = 30 * 1300 - 1;
	s.src = 0xc0000201;
	n = pkt_make(&s, super, &seed);
	put32(super + 16, RIG_IP + 1);
	ref_finish(super, n);
	assert_true(rig_tun_put(rig.client[1].tun, &v, super, n));
	rig_turn();
	for (unsigned i = 0; i < 30; i++) {
		size_t len = ref_seg(super, n, 1300, i, want);

		assert_int_equal(rig_recv(&rig.client[1], got), len);
		assert_memory_equal(got, want, len);
	}
	assert_int_equal(rig.e.count.tx_sends, 1);
	/* Its client may be behind a NAT, so its checksums are not looked at. */
	for (enum damage d = GOOD; d <= BAD_SUM; d++) {
		static struct rig_train t;

		packet(&t, &rig.client[1], 1, d);
		send_from(rig.client[1].udp, t.pkt[0].p, t.pkt[0].len, 0);
		assert_true(came(&rig.client[1]));
	}
}

/* A checksum of 0 is sent as all ones: with the right identification it comes out so. */
static void t_zero_sum(void **st)
{
	uint64_t seed = 1;
	struct pkt_spec s = tcp;
	struct vnet_hdr v = { 0 };
	uint8_t udp[RIG_HEAD + 200];
	unsigned ones = 0;
	size_t n;

	s.payload = 100;
	s.src = 0xc0000201;
	n = pkt_make(&s, super, &seed);
	put32(super + 16, RIG_IP + 1);
	for (unsigned id = 0; id < 65536 && !ones; id++) {
		/* Its own checksum is left wrong, or the sum of all would not change. */
		put16(super + 4, id);
		memcpy(udp, rig.client[1].head, RIG_HEAD);
		memcpy(udp + RIG_HEAD, super, n);
		put16(udp + 4, (uint32_t)(RIG_HEAD + n));
		put16(udp + 6, 0);
		if (rig_sum6(udp, RIG_HEAD + n))
			continue;
		ones++;
		assert_true(rig_tun_put(rig.client[1].tun, &v, super, n));
		rig_turn();
		assert_int_equal(rig_recv(&rig.client[1], got), n);
	}
	assert_int_equal(ones, 1);
}

/* The longest packet inside that leaves in one of 1500 octets outside: what culvert.conf(5) says. */
static void t_mtu(void **st)
{
	static const struct {
		uint8_t enc, auth;
		size_t enc_len, auth_len;
		unsigned inside[4];	/* UDP over IPv4, over IPv6; without UDP over IPv4, over IPv6 */
	} rows[] = {
		{ ESP_AES_CBC_256, ESP_HMAC_SHA1_96, 32, 20, { 1404, 1388, 1420, 1404 } },
		{ ESP_AES_CBC_128, ESP_HMAC_SHA2_256_128, 16, 32, { 1404, 1388, 1420, 1388 } },
		{ ESP_AES_GCM_256, ESP_AUTH_IN_ENC, 36, 0, { 1420, 1400, 1428, 1408 } },
	};
	static const unsigned outside[4] = { 20 + 8, 40 + 8, 20, 40 };
	static const uint8_t key[64];

	assert_true(esp_init());
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct esp_keys k = { rows[i].enc, rows[i].auth, key, rows[i].enc_len, key, rows[i].auth_len };
		struct esp_sa *sa;

		assert_int_equal(esp_sa_new(300, &k, false, &sa), 0);
		for (unsigned w = 0; w < 4; w++)
			assert_int_equal(esp_payload_max(sa, 1500 - outside[w]) - RIG_HEAD, rows[i].inside[w]);
		esp_sa_free(sa);
	}
}

int main(void)
{
	static int v4_raw = RAW, v6_raw = V6 | RAW, v6 = V6;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_filter),
		cmocka_unit_test(t_mtu),
		cmocka_unit_test_prestate_setup_teardown(t_raw_in, make, unmake, &v4_raw),
		cmocka_unit_test_prestate_setup_teardown(t_raw_in, make, unmake, &v6_raw),
		cmocka_unit_test_prestate_setup_teardown(t_held, make, unmake, &v4_raw),
		cmocka_unit_test_prestate_setup_teardown(t_held, make, unmake, &v6_raw),
		cmocka_unit_test_prestate_setup_teardown(t_out6, make, unmake, &v6),
		cmocka_unit_test_prestate_setup_teardown(t_zero_sum, make, unmake, &v6),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
