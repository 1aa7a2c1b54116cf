/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spool: the accounting records that a RADIUS server has still to be told, and the
 * sessions that are up, in one file that outlives the server.
 *
 * A session has one slot of the file from its Start to the moment when its Stop
 * was acknowledged: what is due of it (Start, Interim, Stop) and the last
 * counters.  Of several Interims only the newest counts, so a slot is all that a
 * session ever takes, however long the servers are away.  A crash of the whole
 * server leaves slots of sessions that are up; who finds them ends them.
 *
 * Numbers are of this machine, and a slot has a sum: what was half written is
 * nobody's.
 */
#ifndef CULVERT_SPOOL_H
#define CULVERT_SPOOL_H

#include "base/list.h"
#include "base/proto.h"
#include "base/util.h"

enum {
	SPOOL_SLOTS = 65536,		/* the most that the file holds: 64 MiB */
	SPOOL_SLOT = 1024,		/* bytes of one */
};

struct spool;

/*
 * Take over the file fd (-1: none, nothing outlives the process) and read it.  0 and
 * *ret, -ENOMEM, or -errno of a read.  Slots whose sum is wrong are free; *ret_bad: how many.
 */
MUST_USE int spool_open(int fd, struct spool **ret, unsigned *ret_bad);
void spool_free(struct spool *);

/*
 * A slot for a record, by its number; it is written when spool_write() is called.
 * When all are taken, the oldest Stop that waits for its server makes way (*ret_lost).
 * SPOOL_SLOTS: none is to be had.
 */
unsigned spool_take(struct spool *, bool *ret_lost);
/* Its record, to be changed in place; NULL when the slot is free. */
struct acct_rec *spool_at(struct spool *, unsigned slot);
/* Put it in the file. It is on the disk after spool_sync(). */
void spool_write(struct spool *, unsigned slot);
/* It is told, or nobody's. */
void spool_give(struct spool *, unsigned slot);

/* How far the numbers of slots go that may be taken: for loops. */
unsigned spool_end(const struct spool *);
unsigned spool_used(const struct spool *);

/* What was written is on the disk when this returns. 0, or -errno (also of writes before). */
MUST_USE int spool_sync(struct spool *);
bool spool_is_dirty(const struct spool *);

#endif
