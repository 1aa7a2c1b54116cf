/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "ctl/dial.h"

struct failure {
	uint8_t phase;
	bool lost;
	const char *reason;
	unsigned n;
};

enum { FAILURES_MAX = 32 };

struct spread {
	uint64_t min, median, max;
};

const char *phase_name(unsigned phase)
{
	static const char *const names[PHASES] = { "ike", "l2tp", "ppp", "up" };

	return phase < PHASES ? names[phase] : "?";
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* How long a phase took, over the sessions that finished it; PHASE_UP: the whole login. */
static struct spread spread_of(const struct dial *d, enum phase p)
{
	uint64_t *v = calloc(d->conf.sessions, sizeof(*v));
	struct spread r = { 0 };
	unsigned n = 0;

	for (unsigned i = 0; v && i < d->conf.sessions; i++) {
		const struct dsess *s = &d->sess[i];
		uint64_t from = p == PHASE_IKE || p == PHASE_UP ? s->start_ms : s->done_ms[p - 1];
		uint64_t to = s->done_ms[p == PHASE_UP ? PHASE_PPP : p];

		if (to)
			v[n++] = to - from;
	}
	if (n) {
		qsort(v, n, sizeof(*v), by_size);
		r = (struct spread){ v[0], v[n / 2], v[n - 1] };
	}
	free(v);
	return r;
}

static void failures(const struct dial *d, FILE *f)
{
	struct failure list[FAILURES_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < d->conf.sessions; i++) {
		const struct dsess *s = &d->sess[i];
		unsigned k = 0;

		if (!s->failed && !s->lost)
			continue;
		while (k < n && (list[k].phase != s->phase || list[k].lost != s->lost || strcmp(list[k].reason, s->reason)))
			k++;
		if (k == FAILURES_MAX)
			continue;
		if (k == n)
			list[n++] = (struct failure){ .phase = s->phase, .lost = s->lost, .reason = s->reason };
		list[k].n++;
	}
	for (unsigned k = 0; k < n; k++)
		fprintf(f, "%s: %u, phase %s, \"%s\"\n", list[k].lost ? "lost" : "failed", list[k].n,
			phase_name(list[k].phase), list[k].reason);
}

int report(const struct dial *d, FILE *f)
{
	struct spread t[PHASES];
	unsigned up = 0, failed = 0, lost = 0, resent = 0, bad = 0;
	uint64_t sent = 0, got = 0, early = 0, outage = 0, rtt = 0, in = 0, out = 0, flooded = 0;
	uint64_t took = d->all_ms - d->start_ms;
	double rate;
	bool good;

	for (unsigned i = 0; i < d->conf.sessions; i++) {
		const struct dsess *s = &d->sess[i];

		up += s->done_ms[PHASE_PPP] != 0;
		failed += s->failed;
		lost += s->lost;
		resent += s->state == SESS_OVER ? s->ike_resent : s->ike.resent;
		bad += s->bad;
		sent += s->w.sent;
		got += s->w.got;
		early += s->w.early;
		rtt += s->w.rtt_sum_ms;
		outage = MAX(outage, s->w.outage_ms);
		in += s->in_packets;
		out += s->out_packets;
		flooded += s->flooded;
	}
	got = MIN(got, sent);		/* an answer can come twice */
	rate = took ? (double)up * 1000 / (double)took : (double)up;
	for (unsigned p = 0; p < PHASES; p++)
		t[p] = spread_of(d, p);
	fprintf(f, "%u of %u came up in %llu ms (%.1f/s)\n", up, d->conf.sessions, (unsigned long long)took, rate);
	fprintf(f, "%-6s %8s %8s %8s  ms\n", "", "min", "median", "max");
	for (unsigned p = 0; p < PHASES; p++)
		fprintf(f, "%-6s %8llu %8llu %8llu\n", p == PHASE_UP ? "all" : phase_name(p), (unsigned long long)t[p].min,
			(unsigned long long)t[p].median, (unsigned long long)t[p].max);
	failures(d, f);
	if (sent)
		fprintf(f, "pings: %llu sent, %llu lost (%llu before the first answer), longest outage %llu ms, "
			"%.1f ms on average\n", (unsigned long long)sent, (unsigned long long)(sent - got),
			(unsigned long long)early, (unsigned long long)outage, got ? (double)rtt / (double)got : 0);
	if (d->dropped + d->doubled + d->delayed)
		fprintf(f, "datagrams: %llu dropped, %llu doubled, %llu delayed of %llu; IKE sent %u again\n",
			(unsigned long long)d->dropped, (unsigned long long)d->doubled, (unsigned long long)d->delayed,
			(unsigned long long)(d->rx + d->tx), resent);
	good = up == d->conf.sessions && !lost && !(d->conf.has_max_outage && outage > d->conf.max_outage_ms);
	fprintf(f, "result ok=%d sessions=%u up=%u failed=%u lost=%u took_ms=%llu rate=%.1f", good, d->conf.sessions, up,
		failed, lost, (unsigned long long)took, rate);
	for (unsigned p = 0; p < PHASES; p++)
		fprintf(f, " %s_ms=%llu/%llu/%llu", p == PHASE_UP ? "all" : phase_name(p), (unsigned long long)t[p].min,
			(unsigned long long)t[p].median, (unsigned long long)t[p].max);
	fprintf(f, " pings=%llu pings_lost=%llu pings_early=%llu outage_ms=%llu", (unsigned long long)sent,
		(unsigned long long)(sent - got), (unsigned long long)early, (unsigned long long)outage);
	fprintf(f, " ip_in=%llu ip_out=%llu ike_resent=%u bad=%u flooded=%llu\n",
		(unsigned long long)in, (unsigned long long)out, resent, bad, (unsigned long long)flooded);
	return good ? 0 : 1;
}
