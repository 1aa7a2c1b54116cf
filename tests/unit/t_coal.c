/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What may be put together, what not, and that seg takes it apart into the very same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "gso_util.h"
#include "l2tpd/coal.h"
#include "l2tpd/seg.h"

enum { PKTS = 400, KEYS = 12 };

/* What went in, and what came out again, in order and for each key. */
struct side {
	unsigned n;
	struct {
		uintptr_t key;
		size_t len;
		uint8_t *p;
	} pkt[PKTS];
};

static struct side in, got;
static unsigned writes, supers;
static bool refuse_tcp, refuse_udp;

static void note(struct side *s, uintptr_t key, const uint8_t *p, size_t len)
{
	assert_true(s->n < PKTS);
	s->pkt[s->n].key = key;
	s->pkt[s->n].len = len;
	s->pkt[s->n].p = malloc(len);
	memcpy(s->pkt[s->n++].p, p, len);
}

static void forget(struct side *s)
{
	for (unsigned i = 0; i < s->n; i++)
		free(s->pkt[i].p);
	s->n = 0;
}

/* As the kernel would: cut it with seg, whose own test has another reference. */
static bool take(void *ctx, const struct coal_out *o)
{
	static uint8_t all[GSO_MAX * 2], one[GSO_MAX];
	struct vnet_hdr v;
	size_t n = 0, bytes = 0;
	struct seg s;

	assert_ptr_equal(ctx, &in);
	assert_int_equal(o->iov[0].iov_len, VNET_HDR);
	memcpy(&v, o->iov[0].iov_base, VNET_HDR);
	if (v.gso_type && (o->udp ? refuse_udp : refuse_tcp))
		return false;
	for (unsigned i = 1; i < o->n_iov; i++) {
		memcpy(all + n, o->iov[i].iov_base, o->iov[i].iov_len);
		n += o->iov[i].iov_len;
	}
	assert_true(seg_begin(&s, &v, all, n));
	assert_int_equal(s.n, o->packets);
	assert_int_equal(v.gso_type != 0, o->packets > 1);
	assert_int_equal(o->udp, v.gso_type == VNET_GSO_UDP_L4);
	assert_int_equal(v.flags, o->packets > 1);
	if (v.gso_type) {
		assert_int_equal(v.csum_start, 20);
		assert_int_equal(v.csum_offset, o->udp ? 6 : 16);
		assert_int_equal(v.hdr_len + v.gso_size, s.size);
		/* What the kernel needs of a partial checksum. */
		assert_int_equal(get16(all + 20 + v.csum_offset), ref_pseudo(all, n - 20));
		assert_int_equal(ref_sum(all, 20, 0), 0xffff);
	}
	for (unsigned i = 0; i < s.n; i++) {
		seg_write(&s, i, one);
		note(&got, (uintptr_t)o->key, one, seg_len(&s, i));
		bytes += seg_len(&s, i);
	}
	assert_int_equal(bytes, o->bytes);
	writes++;
	supers += o->packets > 1;
	return true;
}

/* All that went in came out, and what has one key in the same order; an id may differ where all were equal. */
static void same_both(bool ids)
{
	assert_int_equal(in.n, got.n);
	for (uintptr_t key = 1; key <= KEYS; key++) {
		unsigned k = 0;

		for (unsigned i = 0; i < in.n; i++) {
			if (in.pkt[i].key != key)
				continue;
			while (k < got.n && got.pkt[k].key != key)
				k++;
			assert_true(k < got.n);
			assert_int_equal(in.pkt[i].len, got.pkt[k].len);
			if (!ids) {
				put16(got.pkt[k].p + 4, get16(in.pkt[i].p + 4));
				put16(got.pkt[k].p + 10, get16(in.pkt[i].p + 10));
			}
			assert_memory_equal(in.pkt[i].p, got.pkt[k].p, in.pkt[i].len);
			k++;
		}
	}
}

static void begin(struct coal *c)
{
	forget(&in);
	forget(&got);
	writes = supers = 0;
	refuse_tcp = refuse_udp = false;
	coal_init(c, take, &in);
}

static uint8_t room[PKTS][GSO_MAX / 8];

static void add(struct coal *c, uintptr_t key, const struct pkt_spec *s, uint64_t *seed)
{
	size_t n = pkt_make(s, room[in.n], seed);

	note(&in, key, room[in.n], n);
	coal_add(c, (void *)key, room[in.n - 1], n);
}

static const struct pkt_spec tcp = {
	.proto = 6, .ttl = 64, .flags = 0x10, .tcp_words = 3, .id = 0xfffe, .frag = 0x4000, .sport = 5000, .window = 501,
	.src = 0x0a000001, .seq = 0xfffffc00, .ack = 77, .payload = 1000,
};

/* The second of three packets is changed: how many writes are left. */
static void t_rules(void **st)
{
	static const struct {
		const char *what;
		size_t at;		/* a byte of the packet (checksums are made right again) … */
		uint8_t xor;
		int payload;		/* … or what is added to its payload */
		bool bad_sum;
		unsigned writes_tcp, writes_udp;
	} rows[] = {
		{ .what = "nothing", .writes_tcp = 1, .writes_udp = 1 },
		{ "TOS", 1, 4, .writes_tcp = 3, .writes_udp = 3 },
		{ "ECN", 1, 3, .writes_tcp = 3, .writes_udp = 3 },
		{ "id", 5, 0x40, .writes_tcp = 3, .writes_udp = 3 },
		{ "DF", 6, 0x40, .writes_tcp = 3, .writes_udp = 3 },
		{ "MF", 6, 0x20, .writes_tcp = 3, .writes_udp = 3 },
		{ "fragment", 7, 1, .writes_tcp = 3, .writes_udp = 3 },
		{ "TTL", 8, 1, .writes_tcp = 3, .writes_udp = 3 },
		{ "source", 15, 1, .writes_tcp = 3, .writes_udp = 3 },
		{ "destination", 19, 1, .writes_tcp = 3, .writes_udp = 3 },
		{ "source port", 21, 1, .writes_tcp = 3, .writes_udp = 3 },
		{ "destination port", 23, 1, .writes_tcp = 3, .writes_udp = 3 },
		{ "sequence", 27, 1, .writes_tcp = 3 },
		{ "acknowledgment", 31, 1, .writes_tcp = 3 },
		{ "reserved bits", 32, 1, .writes_tcp = 3 },
		{ "FIN", 33, 1, .writes_tcp = 3 },
		{ "SYN", 33, 2, .writes_tcp = 3 },
		{ "RST", 33, 4, .writes_tcp = 3 },
		{ "PSH", 33, 8, .writes_tcp = 2 },
		{ "no ACK", 33, 0x10, .writes_tcp = 3 },
		{ "URG", 33, 0x20, .writes_tcp = 3 },
		{ "ECE", 33, 0x40, .writes_tcp = 3 },
		{ "CWR", 33, 0x80, .writes_tcp = 3 },
		{ "window", 35, 1, .writes_tcp = 3 },
		{ "urgent pointer", 39, 1, .writes_tcp = 3 },
		{ "an option", 51, 1, .writes_tcp = 3 },
		{ "IP checksum", 10, 1, .bad_sum = true, .writes_tcp = 3, .writes_udp = 3 },
		{ "checksum", 100, 1, .bad_sum = true, .writes_tcp = 3, .writes_udp = 3 },
		{ "shorter", .payload = -1, .writes_tcp = 2, .writes_udp = 2 },
		{ "longer", .payload = 1, .writes_tcp = 2, .writes_udp = 2 },
		{ "empty", .payload = -1000, .writes_tcp = 3, .writes_udp = 3 },
	};
	struct coal c;

	for (unsigned row = 0; row < N_ELEMENTS(rows); row++) {
		for (unsigned proto = 6; proto <= 17; proto += 11) {
			unsigned want = proto == 6 ? rows[row].writes_tcp : rows[row].writes_udp;
			struct pkt_spec s = tcp;
			uint64_t seed = 9;

			if (!want)
				continue;
			begin(&c);
			s.proto = (uint8_t)proto;
			for (unsigned i = 0; i < 3; i++) {
				uint8_t *p = room[i];
				size_t n;

				s.payload = (size_t)(1000 + (i == 1 ? rows[row].payload : 0));
				n = pkt_make(&s, p, &seed);
				if (i == 1) {
					p[rows[row].at] ^= rows[row].xor;
					if (!rows[row].bad_sum)
						ref_finish(p, n);
				}
				note(&in, 1, p, n);
				coal_add(&c, (void *)1, p, n);
				/* The third follows the second if that was taken, else nothing fits it anyway. */
				s.seq += (uint32_t)s.payload;
				s.id++;
			}
			coal_flush(&c);
			if (writes != want)
				print_message("%s (%u)\n", rows[row].what, proto);
			assert_int_equal(writes, want);
			same_both(true);
		}
	}
}

static void t_limits(void **st)
{
	struct pkt_spec s = tcp;
	uint64_t seed = 11;
	struct coal c;

	/* 64 segments … */
	begin(&c);
	s.payload = 100;
	for (unsigned i = 0; i < 130; i++, s.id++, s.seq += 100)
		add(&c, 1, &s, &seed);
	coal_flush(&c);
	assert_int_equal(writes, 3);
	same_both(true);
	/* … and 65535 bytes: 52 of headers and 7 payloads. */
	begin(&c);
	s.payload = 8000;
	for (unsigned i = 0; i < 17; i++, s.id++, s.seq += 8000)
		add(&c, 1, &s, &seed);
	coal_flush(&c);
	assert_int_equal(writes, 3);
	same_both(true);
	/* A first one whose checksum is wrong stays alone; what follows it does not. */
	begin(&c);
	s.payload = 100;
	for (unsigned i = 0; i < 4; i++, s.id++, s.seq += 100) {
		size_t n = pkt_make(&s, room[i], &seed);

		room[i][60] ^= (uint8_t)(i == 0);
		note(&in, 1, room[i], n);
		coal_add(&c, (void *)1, room[i], n);
	}
	coal_flush(&c);
	assert_int_equal(writes, 2);
	same_both(true);
	/* Equal ids with DF go together, without DF not; a mixture of both ways not. */
	for (unsigned df = 0; df < 2; df++) {
		begin(&c);
		s.frag = df ? 0x4000 : 0;
		for (unsigned i = 0; i < 6; i++, s.seq += 100) {
			s.id = i == 5 ? 8 : 7;
			add(&c, 1, &s, &seed);
		}
		coal_flush(&c);
		assert_int_equal(writes, df ? 2 : 6 - 1);
		same_both(false);
	}
	/* No IP options; UDP without a checksum. */
	begin(&c);
	s.ip_words = 1;
	for (unsigned i = 0; i < 3; i++, s.id++, s.seq += 100)
		add(&c, 1, &s, &seed);
	coal_flush(&c);
	s.ip_words = 0;
	s.proto = 17;
	for (unsigned i = 0; i < 3; i++, s.id++) {
		size_t n = pkt_make(&s, room[in.n], &seed);

		put16(room[in.n] + 26, 0);
		note(&in, 1, room[in.n], n);
		coal_add(&c, (void *)1, room[in.n - 1], n);
	}
	coal_flush(&c);
	assert_int_equal(writes, 6);
	same_both(true);
}

/* A kernel that takes no super-packets of one kind, or none. */
static void t_refused(void **st)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		uint64_t seed = 13;
		struct coal c;

		begin(&c);
		refuse_tcp = kind & 1;
		refuse_udp = kind & 2;
		for (unsigned round = 0; round < 2; round++) {
			for (unsigned proto = 6; proto <= 17; proto += 11) {
				struct pkt_spec s = tcp;

				s.proto = (uint8_t)proto;
				for (unsigned i = 0; i < 5; i++, s.id++, s.seq += 1000) {
					s.flags = i == 4 ? 0x18 : 0x10;
					add(&c, 1, &s, &seed);
				}
				coal_flush(&c);
			}
		}
		assert_int_equal(supers, 2 * (!refuse_tcp + !refuse_udp));
		assert_int_equal(c.no_udp, refuse_udp);
		same_both(true);
	}
}

/* Random flows of random sessions, with the odd thing in between. */
static void t_random(void **st)
{
	unsigned most = 0;
	uint64_t seed = 17;

	for (unsigned round = 0; round < 60; round++) {
		struct pkt_spec flow[KEYS][2];
		uintptr_t key = 1;
		struct coal c;

		begin(&c);
		for (unsigned i = 0; i < KEYS; i++) {
			for (unsigned k = 0; k < 2; k++) {
				flow[i][k] = tcp;
				flow[i][k].proto = rnd(&seed) % 3 ? 6 : 17;
				flow[i][k].tcp_words = (uint8_t)(rnd(&seed) % 4);
				flow[i][k].sport = (uint16_t)rnd(&seed);
				flow[i][k].seq = rnd(&seed);
				flow[i][k].id = (uint16_t)rnd(&seed);
				flow[i][k].payload = 1 + rnd(&seed) % 1500;
			}
		}
		while (in.n < PKTS) {
			struct pkt_spec *s;
			size_t usual;

			if (rnd(&seed) % 8 == 0)
				key = 1 + rnd(&seed) % KEYS;
			s = &flow[key - 1][rnd(&seed) % 16 == 0];
			usual = s->payload;
			if (rnd(&seed) % 32 == 0)
				s->payload = rnd(&seed) % (usual + 1);
			s->flags = rnd(&seed) % 16 ? 0x10 : rnd(&seed) % 2 ? 0x18 : (uint8_t)rnd(&seed);
			add(&c, key, s, &seed);
			s->seq += (uint32_t)s->payload + (rnd(&seed) % 64 == 0);
			s->id = (uint16_t)(s->id + 1 + (rnd(&seed) % 64 == 0));
			s->ack += rnd(&seed) % 64 == 0;
			s->payload = usual;
		}
		coal_flush(&c);
		same_both(true);
		most += writes;
	}
	/* The property would hold if nothing were ever put together. */
	assert_true(most < 60 * PKTS / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rules), cmocka_unit_test(t_limits), cmocka_unit_test(t_refused), cmocka_unit_test(t_random),
	};
	int bad = cmocka_run_group_tests(tests, NULL, NULL);

	forget(&in);
	forget(&got);
	return bad;
}
