/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static const char magic[8] = "CVACCT1";

/* As it stands in the file. */
struct slot {
	char magic[8];
	uint64_t sum;			/* of what follows */
	struct acct_rec rec;
};

_Static_assert(sizeof(struct slot) <= SPOOL_SLOT, "a slot has room for a record");

struct spool {
	int fd;
	int err;			/* of writes since the last sync */
	bool dirty;
	unsigned end, used;
	uint64_t seq;			/* of the newest record */
	struct slot *slot[SPOOL_SLOTS];	/* NULL = free */
};

/* FNV-1a */
static uint64_t sum_of(const struct acct_rec *r)
{
	const uint8_t *p = (const uint8_t *)r;
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < sizeof(*r); i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

static int read_all_slots(struct spool *s, unsigned *ret_bad)
{
	uint8_t buf[SPOOL_SLOT];
	struct slot one;

	for (unsigned i = 0; i < SPOOL_SLOTS; i++) {
		size_t got = 0;

		while (got < sizeof(buf)) {
			ssize_t n = pread(s->fd, buf + got, sizeof(buf) - got, (off_t)i * SPOOL_SLOT + (off_t)got);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -errno;
			if (n == 0)
				break;
			got += (size_t)n;
		}
		if (!got)
			return 0;
		s->end = i + 1;
		memset(buf + got, 0, sizeof(buf) - got);
		memcpy(&one, buf, sizeof(one));
		if (!memcmp(buf, (const uint8_t[sizeof(one)]){ 0 }, sizeof(one)))
			continue;
		if (memcmp(one.magic, magic, sizeof(magic)) || one.sum != sum_of(&one.rec) || !acct_rec_ok(&one.rec)) {
			++*ret_bad;
			continue;
		}
		s->slot[i] = malloc(sizeof(one));
		if (!s->slot[i])
			return -ENOMEM;
		*s->slot[i] = one;
		s->used++;
		s->seq = MAX(s->seq, one.rec.seq);
	}
	return 0;
}

int spool_open(int fd, struct spool **ret, unsigned *ret_bad)
{
	struct spool *s = calloc(1, sizeof(*s));
	int err;

	*ret_bad = 0;
	if (!s) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	s->fd = fd;
	err = fd < 0 ? 0 : read_all_slots(s, ret_bad);
	if (err < 0) {
		spool_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

void spool_free(struct spool *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < s->end; i++)
		free(s->slot[i]);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* The oldest Stop that is not under way; SPOOL_SLOTS: none. */
static unsigned oldest_stop(const struct spool *s)
{
	unsigned best = SPOOL_SLOTS;

	for (unsigned i = 0; i < s->end; i++)
		if (s->slot[i] && s->slot[i]->rec.due & ACCT_DUE_STOP && !s->slot[i]->rec.asked &&
		    (best == SPOOL_SLOTS || s->slot[i]->rec.seq < s->slot[best]->rec.seq))
			best = i;
	return best;
}

unsigned spool_take(struct spool *s, bool *ret_lost)
{
	unsigned i = 0;

	*ret_lost = false;
	if (s->used < s->end)
		while (s->slot[i])
			i++;
	else if (s->end < SPOOL_SLOTS)
		i = s->end;
	else
		i = oldest_stop(s);
	if (i == SPOOL_SLOTS)
		return i;
	if (s->slot[i]) {
		*ret_lost = true;
		spool_give(s, i);
	}
	s->slot[i] = calloc(1, sizeof(*s->slot[i]));
	if (!s->slot[i])
		return SPOOL_SLOTS;
	s->end = MAX(s->end, i + 1);
	s->used++;
	s->slot[i]->rec.seq = ++s->seq;
	return i;
}

struct acct_rec *spool_at(struct spool *s, unsigned slot)
{
	return slot < s->end && s->slot[slot] ? &s->slot[slot]->rec : NULL;
}

static void put(struct spool *s, unsigned slot, const void *p, size_t n)
{
	if (s->fd < 0)
		return;
	s->dirty = true;
	if (pwrite(s->fd, p, n, (off_t)slot * SPOOL_SLOT) != (ssize_t)n)
		s->err = errno ? -errno : -EIO;
}

void spool_write(struct spool *s, unsigned slot)
{
	uint8_t buf[SPOOL_SLOT] = { 0 };
	struct slot *one = s->slot[slot];

	memcpy(one->magic, magic, sizeof(magic));
	one->sum = sum_of(&one->rec);
	memcpy(buf, one, sizeof(*one));
	put(s, slot, buf, sizeof(buf));
}

void spool_give(struct spool *s, unsigned slot)
{
	static const uint8_t nothing[SPOOL_SLOT];

	free(s->slot[slot]);
	s->slot[slot] = NULL;
	s->used--;
	put(s, slot, nothing, sizeof(nothing));
}

unsigned spool_end(const struct spool *s)
{
	return s->end;
}

unsigned spool_used(const struct spool *s)
{
	return s->used;
}

int spool_sync(struct spool *s)
{
	int err = s->err;

	s->err = 0;
	s->dirty = false;
	if (s->fd >= 0 && fdatasync(s->fd) < 0 && !err)
		err = -errno;
	return err;
}

bool spool_is_dirty(const struct spool *s)
{
	return s->dirty;
}
