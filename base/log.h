/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log: one line an event, to stderr (foreground) or syslog.
 *
 * LOG_ERR: the operator must act.  LOG_WARNING: something was ignored.
 * LOG_NOTICE: a session came or went, one line each.  LOG_INFO: negotiation.
 * LOG_DEBUG: packets.  Lines are `key=value`, the object first.  A peer's text
 * goes through str_escape() before it gets here; secrets never get here.
 */
#ifndef CULVERT_LOG_H
#define CULVERT_LOG_H

#include <stdint.h>
#include <syslog.h>

#include "base/util.h"

/* Messages above this level are dropped; LOG_INFO at start. */
extern int log_max;

/*
 * name: the process as lines show it ("engine0"); borrowed for ever.
 * to_syslog: syslog(3), and warnings and errors to stderr too, which a daemon
 * closes when it serves.  Else stderr: with a date, or, where stderr is the journal, with the
 * level in front as sd-daemon(3) has it.
 */
void log_init(const char *name, bool to_syslog);

/* Do lines go to syslog(3)? */
bool log_to_syslog(void);

void log_at(int level, const char *fmt, ...) PRINTF(2, 3);

#define log_err(...) log_at(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_notice(...) log_at(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/* Log at LOG_ERR and exit 1.  Only before a process's loop starts. */
void fatal(const char *fmt, ...) PRINTF(1, 2) __attribute__((noreturn));

/*
 * A class of lines that the outside can cause: at most 10 a second, and how
 * many were left out is said with the next one.  Zero-initialised, static.
 */
struct log_rate {
	uint64_t window_ms;
	unsigned n, suppressed;
};

/* True when the caller may log one line of this class now. */
bool log_rate_ok(struct log_rate *, uint64_t now_ms);

#endif
