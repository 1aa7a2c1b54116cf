/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acct: accounting (RFC 2866), the manager's part: what there is to tell of which
 * session, until a server of its authentication has acknowledged it.
 *
 * A session with accounting has a slot of the spool (spool.h) from its login to the
 * acknowledgement of its Stop.  What is due is sent over culvert-radius, a few records
 * at a time, oldest first; when servers are away it waits, longer and longer, and
 * goes with its Acct-Delay-Time later.  A manager that was started again finds its
 * sessions' slots; a server that was finds those of the one before, and ends them.
 */
#ifndef CULVERT_ACCT_H
#define CULVERT_ACCT_H

#include "l2tpd/manager.h"
#include "l2tpd/spool.h"

struct acct;

/* Never fails: without memory it exits. */
struct acct *acct_new(struct manager *);
void acct_free(struct acct *);

/* Which start of the whole server this is; before acct_open(). */
void acct_boot(struct acct *, uint32_t boot);
/* The file of the spool (-1: there is none), taken over. */
void acct_open(struct acct *, int fd);

/* Every session of a manager before is adopted: slots without a session are ended, the server's start is told. */
void acct_running(struct acct *);

/* A login was granted: the session may get a slot (s->acct), with what the verdict says. */
void acct_login(struct acct *, struct msess *, const struct msg_judge *, const struct radius_says *);
/* It is up: Start. row: as its engine has it. */
void acct_up(struct acct *, struct msess *, const struct sess_row *row);
/* A session of a manager before: it finds its slot, or gets one. */
void acct_adopt(struct acct *, struct msess *, const struct sess_row *row);
/* Its Acct-Session-Id; NULL: it has none. */
const char *acct_id(const struct acct *, const struct msess *);
/* Acct-Interim-Interval and Class are others from now on (SAYS_INTERIM, SAYS_CLASS in gives). */
void acct_change(struct acct *, struct msess *, uint32_t gives, const struct radius_says *);
/* It is over, with these counters: Stop, if it was up. */
void acct_down(struct acct *, struct msess *, const struct acct_count *, const char *reason);

/* An answer of culvert-radius; a new channel to it: nothing is under way. */
void acct_done(struct acct *, const struct msg_acct_done *);
void acct_again(struct acct *);

/* The manager's acct_timer: Interims, what is due, the disk. It is set again as long as there is anything. */
void acct_tick(struct acct *);
/* What was written is on the disk. */
void acct_sync(struct acct *);

/* The server ends: Accounting-Off.  True while something is under way that is worth a moment. */
void acct_off(struct acct *);
bool acct_is_busy(const struct acct *);

/* Counters, behind those in *st. */
void acct_counters(const struct acct *, struct msg_stats *st);

/* RFC 2866 5.10: why, from the words that the log has for it. Pure. */
enum acct_cause acct_cause(const char *reason);

#endif
