/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { RATE_WINDOW_MS = 1000, RATE_LINES = 10 };

int log_max = LOG_INFO;
static const char *log_name = "culvertd";
static bool log_syslog, log_journal;

/* systemd says which file its journal is; standard error may have been redirected since. */
static bool is_journal(int fd)
{
	const char *env = getenv("JOURNAL_STREAM");
	char is[64];
	struct stat st;

	if (!env || fstat(fd, &st) < 0)
		return false;
	snprintf(is, sizeof(is), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return !strcmp(env, is);
}

void log_init(const char *name, bool to_syslog)
{
	log_name = name;
	log_syslog = to_syslog;
	log_journal = is_journal(STDERR_FILENO);
	if (to_syslog)
		openlog(name, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

bool log_to_syslog(void)
{
	return log_syslog;
}

static void log_v(int level, const char *fmt, va_list ap)
{
	char line[1024], when[32];
	struct timespec ts;
	struct tm tm;

	vsnprintf(line, sizeof(line), fmt, ap);
	if (log_syslog) {
		syslog(level, "%s", line);
		/* Whoever started the daemon reads this until it serves. */
		if (level <= LOG_WARNING)
			fprintf(stderr, "%s: %s\n", log_name, line);
		return;
	}
	/* One write a line: several processes share the descriptor. */
	if (log_journal) {
		fprintf(stderr, "<%d>%s: %s\n", level, log_name, line);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	localtime_r(&ts.tv_sec, &tm);
	strftime(when, sizeof(when), "%F %T", &tm);
	fprintf(stderr, "%s.%03ld %s: %s\n", when, ts.tv_nsec / 1000000, log_name, line);
}

void log_at(int level, const char *fmt, ...)
{
	va_list ap;

	if (level > log_max)
		return;
	va_start(ap, fmt);
	log_v(level, fmt, ap);
	va_end(ap);
}

void fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_v(LOG_ERR, fmt, ap);
	va_end(ap);
	exit(1);
}

bool log_rate_ok(struct log_rate *r, uint64_t now)
{
	if (now - r->window_ms >= RATE_WINDOW_MS) {
		if (r->suppressed)
			log_at(LOG_WARNING, "%u more lines of this kind were left out", r->suppressed);
		*r = (struct log_rate){ .window_ms = now };
	}
	if (r->n < RATE_LINES) {
		r->n++;
		return true;
	}
	r->suppressed++;
	return false;
}
