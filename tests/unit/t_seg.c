/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checksums of any length and place, and super-packets cut: against a slow reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gso_util.h"
#include "l2tpd/csum.h"
#include "l2tpd/seg.h"

static uint8_t buf[GSO_MAX], out[GSO_MAX + 64], want[GSO_MAX];

static void t_csum(void **st)
{
	uint64_t seed = 1;

	for (size_t i = 0; i < 4096; i++)
		buf[i] = (uint8_t)rnd(&seed);
	for (size_t n = 0; n < 200; n++) {
		for (size_t at = 0; at < 18; at++) {
			uint8_t r[2];

			put16(r, ref_sum(buf + at, n, 0));
			csum_store(out, csum_fold(csum_add(0, buf + at, n)));
			assert_memory_equal(out, r, 2);
			memset(out, 0xee, n + 8);
			csum_store(want, csum_fold(csum_copy(0, out + 4, buf + at, n)));
			assert_memory_equal(want, r, 2);
			assert_memory_equal(out + 4, buf + at, n);
			assert_int_equal(out[3], 0xee);
			assert_int_equal(out[n + 4], 0xee);
		}
	}
	/* All ones, as long as may be: nothing overflows. */
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(csum_fold(csum_add(0, buf, 65535 & ~1)), 0xffff);
	assert_int_equal(csum_fold(csum_add(UINT64_MAX >> 16, buf, 65534)), csum_fold(UINT64_MAX >> 16));
	/* Pieces. */
	for (size_t i = 0; i < 4096; i++)
		buf[i] = (uint8_t)rnd(&seed);
	assert_int_equal(csum_fold(csum_add(csum_add(0, buf, 20), buf + 20, 1001)), csum_fold(csum_add(0, buf, 1021)));
}

/* Every packet of s is the reference's. */
static void compare(const struct seg *s, size_t n, size_t step)
{
	size_t hdr = 0, got = 0;

	for (unsigned k = 0; k < s->n; k++) {
		unsigned i = s->n - 1 - k;	/* in any order */
		size_t len = ref_seg(buf, n, step, i, want);

		assert_int_equal(seg_len(s, i), len);
		memset(out, 0xee, len + 8);
		seg_write(s, i, out);
		assert_memory_equal(out, want, len);
		assert_int_equal(out[len], 0xee);
		hdr = (out[0] & 15) * 4u + (out[9] == 6 ? (out[(out[0] & 15) * 4 + 12] >> 4) * 4u : 8);
		got += len - hdr;
	}
	assert_int_equal(got + hdr, n);
}

static void t_super(void **st)
{
	uint64_t seed = 7;

	for (unsigned round = 0; round < 400; round++) {
		struct pkt_spec spec = {
			.proto = rnd(&seed) % 4 ? 6 : 17, .tos = (uint8_t)rnd(&seed), .ttl = 64, .flags = (uint8_t)rnd(&seed),
			.ip_words = rnd(&seed) % 8 ? 0 : rnd(&seed) % 11, .tcp_words = (uint8_t)(rnd(&seed) % 11),
			.id = (uint16_t)rnd(&seed), .frag = rnd(&seed) & 0x4000, .sport = (uint16_t)rnd(&seed),
			.window = (uint16_t)rnd(&seed), .src = rnd(&seed), .seq = rnd(&seed), .ack = rnd(&seed),
			.payload = rnd(&seed) % (round % 4 ? 9000 : 65400),
		};
		size_t n = pkt_make(&spec, buf, &seed);
		struct vnet_hdr v = {
			.flags = VNET_F_NEEDS_CSUM,
			.gso_type = (uint8_t)(spec.proto == 17 ? VNET_GSO_UDP_L4 :
				VNET_GSO_TCPV4 | (rnd(&seed) & VNET_GSO_ECN)),
			.gso_size = (uint16_t)(1 + rnd(&seed) % (round % 8 ? 1460 : 65535)),
		};
		struct seg s;

		/* Exactly full last ones, too. */
		if (round % 5 == 0 && spec.payload > v.gso_size) {
			n -= spec.payload % v.gso_size;
			put16(buf + 2, (uint32_t)n);
		}
		assert_true(seg_begin(&s, &v, buf, n));
		compare(&s, n, v.gso_size);
	}
}

/* What comes as one packet. */
static void t_single(void **st)
{
	struct pkt_spec spec = { .proto = 17, .ttl = 64, .sport = 53, .src = 0x0a000001, .payload = 101 };
	struct vnet_hdr v = { 0 };
	uint64_t seed = 3;
	struct seg s;
	size_t n;

	for (unsigned k = 0; k < 4; k++) {
		spec.proto = k % 2 ? 6 : 17;
		spec.payload += k / 2;
		n = pkt_make(&spec, want, &seed);
		memcpy(buf, want, n);
		assert_true(seg_begin(&s, &v, buf, n));
		assert_int_equal(s.n, 1);
		assert_int_equal(seg_len(&s, 0), n);
		seg_write(&s, 0, out);
		assert_memory_equal(out, want, n);
		/* The field has the pseudo-header's sum only. */
		put16(buf + 20 + (k % 2 ? 16 : 6), ref_pseudo(buf, n - 20));
		assert_true(seg_begin(&s, &(struct vnet_hdr){ .flags = VNET_F_NEEDS_CSUM, .csum_start = 20,
			.csum_offset = k % 2 ? 16 : 6 }, buf, n));
		seg_write(&s, 0, out);
		assert_memory_equal(out, want, n);
	}
	/* One whose UDP checksum comes to 0: all ones. */
	spec.proto = 17;
	spec.payload = 2;
	n = pkt_make(&spec, buf, &seed);
	put16(buf + 28, 0);
	ref_finish(buf, n);
	put16(buf + 28, get16(buf + 26));
	put16(buf + 26, ref_pseudo(buf, n - 20));
	assert_true(seg_begin(&s, &(struct vnet_hdr){ .flags = VNET_F_NEEDS_CSUM, .csum_start = 20,
		.csum_offset = 6 }, buf, n));
	seg_write(&s, 0, out);
	assert_int_equal(get16(out + 26), 0xffff);
	/* Not IPv4, and tiny: as they are. */
	memset(buf, 0x60, 48);
	for (n = 1; n < 48; n++) {
		assert_true(seg_begin(&s, &v, buf, n));
		seg_write(&s, 0, out);
		assert_memory_equal(out, buf, n);
	}
}

static void t_refused(void **st)
{
	static const struct {
		struct vnet_hdr v;
		size_t at, cut;
		uint8_t value;
	} rows[] = {
		{ .v = { .gso_type = VNET_GSO_TCPV4 } },				/* no size */
		{ .v = { .gso_type = 2, .gso_size = 100 } },
		{ .v = { .gso_type = 3, .gso_size = 100 } },				/* UFO */
		{ .v = { .gso_type = 4, .gso_size = 100 } },				/* TCPV6 */
		{ .v = { .gso_type = VNET_GSO_ECN, .gso_size = 100 } },
		{ .v = { .gso_type = VNET_GSO_UDP_L4, .gso_size = 100 } },		/* but it is TCP */
		{ .v = { .gso_type = VNET_GSO_UDP_L4 | VNET_GSO_ECN, .gso_size = 100 } },
		{ .v = { .gso_type = VNET_GSO_TCPV4, .gso_size = 100 }, .at = 0, .value = 0x65 },
		{ .v = { .gso_type = VNET_GSO_TCPV4, .gso_size = 100 }, .at = 0, .value = 0x44 },
		{ .v = { .gso_type = VNET_GSO_TCPV4, .gso_size = 100 }, .at = 3, .value = 0 },	/* total length */
		{ .v = { .gso_type = VNET_GSO_TCPV4, .gso_size = 100 }, .at = 6, .value = 0x20 },	/* a fragment */
		{ .v = { .gso_type = VNET_GSO_TCPV4, .gso_size = 100 }, .at = 7, .value = 1 },
		{ .v = { .gso_type = VNET_GSO_TCPV4, .gso_size = 100 }, .at = 9, .value = 17 },
		{ .v = { .gso_type = VNET_GSO_TCPV4, .gso_size = 100 }, .at = 32, .value = 0x40 },
		{ .v = { .gso_type = VNET_GSO_TCPV4, .gso_size = 100 }, .cut = 1 },
		{ .v = { .flags = 1, .csum_start = 19, .csum_offset = 16 } },		/* in the IP header */
		{ .v = { .flags = 1, .csum_start = 20, .csum_offset = 399 } },
		{ .v = { .flags = 1, .csum_start = 65535, .csum_offset = 2 } },
		{ .v = { .flags = 1, .csum_start = 20, .csum_offset = 65535 } },
	};
	struct pkt_spec spec = { .proto = 6, .ttl = 64, .flags = 0x10, .payload = 380 };
	uint64_t seed = 5;
	struct seg s;

	for (unsigned i = 0; i < N_ELEMENTS(rows); i++) {
		size_t n = pkt_make(&spec, buf, &seed) - rows[i].cut;

		assert_int_equal(n + rows[i].cut, 420);
		if (rows[i].at || rows[i].value)
			buf[rows[i].at] = rows[i].value;
		assert_false(seg_begin(&s, &rows[i].v, buf, n));
	}
	assert_false(seg_begin(&s, &(struct vnet_hdr){ 0 }, buf, 0));
	assert_false(seg_begin(&s, &(struct vnet_hdr){ 0 }, buf, 65536));
	/* Headers that end with the packet, and one that ends within them. */
	spec.payload = 0;
	assert_int_equal(pkt_make(&spec, buf, &seed), 40);
	assert_true(seg_begin(&s, &(struct vnet_hdr){ .gso_type = VNET_GSO_TCPV4, .gso_size = 9 }, buf, 40));
	assert_int_equal(s.n, 1);
	compare(&s, 40, 9);
	for (size_t n = 1; n < 40; n++) {
		put16(buf + 2, (uint32_t)n);
		assert_false(seg_begin(&s, &(struct vnet_hdr){ .gso_type = VNET_GSO_TCPV4, .gso_size = 9 }, buf, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_csum), cmocka_unit_test(t_super), cmocka_unit_test(t_single), cmocka_unit_test(t_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
