/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The spool's file: whatever stands there, what is read from it can be sent, and is
 * there again when it is read once more.  Sums are made right first, so that the fuzzer
 * gets behind them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/msg.h"
#include "l2tpd/radpkt.h"
#include "l2tpd/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { REC_AT = 16 };

static void put(int fd, unsigned slot, const uint8_t *p, size_t n)
{
	uint8_t buf[SPOOL_SLOT] = { 0 };
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	memcpy(buf + REC_AT, p, MIN(n, sizeof(struct acct_rec)));
	for (size_t i = 0; i < sizeof(struct acct_rec); i++)
		h = (h ^ buf[REC_AT + i]) * UINT64_C(0x100000001b3);
	memcpy(buf, "CVACCT1", 8);
	memcpy(buf + 8, &h, sizeof(h));
	if (pwrite(fd, buf, sizeof(buf), (off_t)slot * SPOOL_SLOT) != sizeof(buf))
		abort();
}

static void tell(const struct acct_rec *r)
{
	static const struct rad_nas nas = { .addr = { .family = 4 } };
	struct { uint32_t type, len; struct msg_acct body; } m = { MSG_ACCT, sizeof(m.body), { .what = ACCT_DUE_STOP, .rec = *r } };
	uint8_t list[3000];
	struct wr w = wr_of(list, sizeof(list));

	if (!msg_check(ROLE_MANAGER, ROLE_RADIUS, &m, sizeof(m), false))
		abort();
	rad_acct_attrs(&m.body, &nas, &w);
	if (w.bad)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("spool", MFD_CLOEXEC), again;
	unsigned bad, used;
	struct spool *s;

	if (fd < 0 || !size)
		return 0;
	/* As it stands, or records one behind the other. */
	if (data[0] & 1) {
		if (write(fd, data + 1, size - 1) != (ssize_t)(size - 1))
			abort();
	} else {
		for (size_t at = 1, i = 0; at < size && i < 8; at += sizeof(struct acct_rec), i++)
			put(fd, (unsigned)i, data + at, size - at);
	}
	again = dup(fd);
	if (spool_open(fd, &s, &bad) < 0)
		abort();
	used = spool_used(s);
	for (unsigned i = 0; i < spool_end(s); i++) {
		if (!spool_at(s, i))
			continue;
		tell(spool_at(s, i));
		spool_write(s, i);
	}
	spool_free(s);
	if (spool_open(again, &s, &bad) < 0 || spool_used(s) != used)
		abort();
	spool_free(s);
	return 0;
}
