/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accounting: the spool's file, whole and damaged, full and not writable; what a record
 * says to a server; which words of an end are which cause.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/msg.h"
#include "l2tpd/radpkt.h"
#include "l2tpd/spool.h"

static int file_new(char path[static 64])
{
	int fd;

	snprintf(path, 64, "/tmp/t_acct.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	return fd;
}

static struct acct_rec *fill(struct spool *s, unsigned slot, unsigned n)
{
	struct acct_rec *r = spool_at(s, slot);

	r->kind = ACCT_SESSION;
	r->due = ACCT_DUE_STOP;
	r->ppp_id = n;
	snprintf(r->id, sizeof(r->id), "%u", n);
	snprintf(r->user, sizeof(r->user), "user%u", n);
	memset(r->classes, 'x', sizeof(r->classes));	/* no zero at the end */
	spool_write(s, slot);
	return r;
}

static void t_spool(void **st)
{
	enum { N = 300 };
	char path[64];
	int fd = file_new(path);
	struct spool *s;
	unsigned bad, slot;
	bool lost;

	assert_int_equal(spool_open(fd, &s, &bad), 0);
	for (unsigned i = 0; i < N; i++) {
		slot = spool_take(s, &lost);
		assert_false(lost);
		fill(s, slot, i);
		if (i % 3 == 0)
			spool_give(s, slot);
	}
	assert_int_equal(spool_used(s), N - N / 3);
	assert_true(spool_is_dirty(s));
	assert_int_equal(spool_sync(s), 0);
	assert_false(spool_is_dirty(s));
	/* One that was taken and not written leaves nothing. */
	slot = spool_take(s, &lost);
	spool_free(s);

	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(spool_open(fd, &s, &bad), 0);
	assert_int_equal(bad, 0);
	assert_int_equal(spool_used(s), N - N / 3);
	for (unsigned i = 0, seen = 0; i < spool_end(s); i++) {
		const struct acct_rec *r = spool_at(s, i);
		char want[16];

		if (!r)
			continue;
		snprintf(want, sizeof(want), "user%u", r->ppp_id);
		assert_string_equal(r->user, want);
		assert_true(r->ppp_id % 3);
		seen++;
		assert_true(seen <= N - N / 3);
	}
	spool_free(s);
	unlink(path);
}

/* Every byte of a slot counts: a record is as it was written, or nobody's. Cut anywhere, too. */
static void t_damage(void **st)
{
	char path[64];
	int fd = file_new(path);
	struct spool *s;
	uint8_t good[2 * SPOOL_SLOT];
	unsigned bad, slot;
	bool lost;

	assert_int_equal(spool_open(fd, &s, &bad), 0);
	for (unsigned i = 0; i < 2; i++) {
		slot = spool_take(s, &lost);
		fill(s, slot, i);
	}
	assert_int_equal(pread(fd, good, sizeof(good), 0), sizeof(good));
	spool_free(s);
	for (unsigned i = 0; i < SPOOL_SLOT; i += 3) {
		uint8_t b = good[i] ^ 0x20;

		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(pwrite(fd, &b, 1, i), 1);
		assert_int_equal(spool_open(fd, &s, &bad), 0);
		/* The padding of a slot is nobody's. */
		assert_true(bad == 1 || (bad == 0 && i >= 16 + sizeof(struct acct_rec)));
		assert_int_equal(spool_used(s), 2 - bad);
		assert_int_equal(pwrite(fd, good, sizeof(good), 0), sizeof(good));
		spool_free(s);
	}
	for (unsigned n = 2 * SPOOL_SLOT - 1; n > SPOOL_SLOT; n -= 7) {
		fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(ftruncate(fd, n), 0);
		assert_int_equal(spool_open(fd, &s, &bad), 0);
		assert_true(spool_used(s) == 1 || (spool_used(s) == 2 && n >= SPOOL_SLOT + 16 + sizeof(struct acct_rec)));
		spool_free(s);
	}
	unlink(path);
}

/* Full: the oldest Stop that waits makes way, never who is up. */
static void t_full(void **st)
{
	struct spool *s;
	unsigned bad, slot = 0;
	bool lost;

	assert_int_equal(spool_open(-1, &s, &bad), 0);
	for (unsigned i = 0; i < SPOOL_SLOTS; i++) {
		slot = spool_take(s, &lost);
		assert_false(lost);
		fill(s, slot, i)->due = i == 7 || i == 9 ? ACCT_DUE_STOP : ACCT_DUE_START;
	}
	for (unsigned i = 0; i < 2; i++) {
		slot = spool_take(s, &lost);
		assert_true(lost);
		fill(s, slot, 7 + 2 * i);
		spool_at(s, slot)->due = ACCT_DUE_START;
		assert_int_equal(slot, 7 + 2 * i);
	}
	assert_int_equal(spool_take(s, &lost), SPOOL_SLOTS);
	assert_false(lost);
	assert_int_equal(spool_sync(s), 0);
	spool_free(s);
}

static void t_disk(void **st)
{
	struct spool *s;
	unsigned bad, slot;
	bool lost;
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC);

	/* It reads as zeros without end: as many slots as there may be. */
	assert_true(fd >= 0);
	assert_int_equal(spool_open(fd, &s, &bad), 0);
	assert_int_equal(spool_used(s) + bad, 0);
	slot = spool_take(s, &lost);
	fill(s, slot, 1);
	assert_int_equal(spool_sync(s), -ENOSPC);
	/* It is there all the same, and said once. */
	assert_int_equal(spool_at(s, slot)->ppp_id, 1);
	spool_free(s);
}

struct says {
	uint64_t seen;
	uint32_t v[96];
	char id[32], user[128], class_[3][16];
	unsigned n_class;
};

static struct says attrs_of(const struct msg_acct *m)
{
	static const struct rad_nas nas = { .addr = { .family = 4, .ip = { 192, 0, 2, 1 } }, .id = "vpn" };
	uint8_t list[3000];
	struct wr w = wr_of(list, sizeof(list));
	struct says s = { .seen = 0 };
	struct rad_attr a;
	struct rd r;

	rad_acct_attrs(m, &nas, &w);
	assert_false(w.bad);
	r = rd_of(list, w.len);
	while (rad_attr_next(&r, &a)) {
		struct rd val = a.val;

		assert_int_equal(a.vendor, 0);
		if (a.type < 64)
			s.seen |= UINT64_C(1) << a.type;
		if (val.n == 4)
			s.v[a.type] = rd_u32(&val);
		if (a.type == RAD_ACCT_SESSION_ID)
			snprintf(s.id, sizeof(s.id), "%.*s", (int)a.val.n, (const char *)a.val.p);
		if (a.type == RAD_USER_NAME)
			snprintf(s.user, sizeof(s.user), "%.*s", (int)a.val.n, (const char *)a.val.p);
		if (a.type == RAD_CLASS) {
			assert_true(s.n_class < 3);
			snprintf(s.class_[s.n_class++], 16, "%.*s", (int)a.val.n, (const char *)a.val.p);
		}
	}
	assert_false(r.bad);
	return s;
}

#define HAS(s, t) (!!((s).seen & UINT64_C(1) << (t)))

static void t_attrs(void **st)
{
	struct msg_acct m = {
		.what = ACCT_DUE_START, .delay_s = 90,
		.rec = {
			.kind = ACCT_SESSION, .cause = ACCT_IDLE_TIMEOUT, .start_s = 1000, .last_s = 2000, .time_s = 1000,
			.in_bytes = (UINT64_C(3) << 32) + 7, .out_bytes = (UINT64_C(5) << 32) + 9, .in_packets = 11,
			.out_packets = 13, .ppp_id = 17, .ip = 0x0a000005, .id = "0123456789ABCDEF", .user = "o\\x27neil\\x5c",
			.class_len = 8, .classes = "\003abc\003def", .tunnel_id = 1, .session_id = 2,
		},
	};
	struct says s = attrs_of(&m);

	m.rec.peer = addr_v4(0xc6120007, 0);
	assert_int_equal(s.v[RAD_ACCT_STATUS_TYPE], 1);
	assert_int_equal(s.v[RAD_TUNNEL_TYPE], 3);
	assert_int_equal(s.v[RAD_ACCT_DELAY_TIME], 90);
	assert_int_equal(s.v[RAD_EVENT_TIMESTAMP], 1000);
	assert_int_equal(s.v[RAD_FRAMED_IP_ADDRESS], 0x0a000005);
	assert_int_equal(s.v[RAD_NAS_PORT], 17);
	assert_string_equal(s.id, "0123456789ABCDEF");
	assert_string_equal(s.user, "o'neil\\");
	assert_int_equal(s.n_class, 2);
	assert_string_equal(s.class_[1], "def");
	assert_false(HAS(s, RAD_ACCT_INPUT_OCTETS) || HAS(s, RAD_ACCT_TERMINATE_CAUSE));
	m.what = ACCT_DUE_INTERIM;
	s = attrs_of(&m);
	assert_int_equal(s.v[RAD_ACCT_STATUS_TYPE], 3);
	assert_int_equal(s.v[RAD_EVENT_TIMESTAMP], 2000);
	assert_int_equal(s.v[RAD_ACCT_INPUT_OCTETS], 7);
	assert_int_equal(s.v[RAD_ACCT_INPUT_GIGAWORDS], 3);
	assert_int_equal(s.v[RAD_ACCT_OUTPUT_OCTETS], 9);
	assert_int_equal(s.v[RAD_ACCT_OUTPUT_GIGAWORDS], 5);
	assert_int_equal(s.v[RAD_ACCT_INPUT_PACKETS], 11);
	assert_int_equal(s.v[RAD_ACCT_OUTPUT_PACKETS], 13);
	assert_int_equal(s.v[RAD_ACCT_SESSION_TIME], 1000);
	assert_false(HAS(s, RAD_ACCT_TERMINATE_CAUSE));
	m.what = ACCT_DUE_STOP;
	s = attrs_of(&m);
	assert_int_equal(s.v[RAD_ACCT_STATUS_TYPE], 2);
	assert_int_equal(s.v[RAD_ACCT_TERMINATE_CAUSE], 4);
	/* XAuth: ESP in tunnel mode, and no call in it. */
	m.rec.tunnel_id = m.rec.session_id = 0;
	m.rec.xauth = 1;
	assert_int_equal(attrs_of(&m).v[RAD_TUNNEL_TYPE], 9);
	m.rec.kind = ACCT_ON;
	m.what = ACCT_DUE_START;
	s = attrs_of(&m);
	assert_int_equal(s.v[RAD_ACCT_STATUS_TYPE], 7);
	assert_false(HAS(s, RAD_USER_NAME) || HAS(s, RAD_CLASS) || HAS(s, RAD_NAS_PORT));
	m.rec.kind = ACCT_OFF;
	assert_int_equal(attrs_of(&m).v[RAD_ACCT_STATUS_TYPE], 8);
}

/* What no record of ours is: from a disk, or from another process. */
static void t_rec(void **st)
{
	struct acct_rec good = { .kind = ACCT_SESSION, .due = 7 }, r;

	assert_true(acct_rec_ok(&good));
#define BAD(f, v) r = good; r.f = v; assert_false(acct_rec_ok(&r))
	BAD(kind, 0);
	BAD(kind, 4);
	BAD(due, 8);
	BAD(cause, 12);
	BAD(number_len, 65);
	BAD(class_len, RADIUS_CLASS_MAX + 1);
	BAD(peer.family, 5);
	r = good;
	memset(r.user, 'x', sizeof(r.user));
	assert_false(acct_rec_ok(&r));
	r = good;
	r.class_len = 3;
	r.classes[0] = 3;
	assert_false(acct_rec_ok(&r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_spool), cmocka_unit_test(t_damage), cmocka_unit_test(t_full), cmocka_unit_test(t_disk),
		cmocka_unit_test(t_attrs), cmocka_unit_test(t_rec),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
