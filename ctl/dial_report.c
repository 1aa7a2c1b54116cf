/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/dial.h"

typedef unsigned long long ull;

const char *phase_name(unsigned phase)
{
	static const char *const names[PHASES] = { "ike", "l2tp", "ppp", "up" };

	return phase < PHASES ? names[phase] : "?";
}

int report_init(struct dial *d)
{
	for (unsigned p = 0; p < PHASES; p++) {
		d->sum.took_us[p] = calloc((size_t)d->conf.sessions * (d->conf.again + 1), sizeof(*d->sum.took_us[p]));
		if (!d->sum.took_us[p])
			return -ENOMEM;
	}
	return 0;
}

void report_free(struct dial *d)
{
	for (unsigned p = 0; p < PHASES; p++)
		free(d->sum.took_us[p]);
}

static void fate(struct totals *t, const struct dsess *s)
{
	unsigned k = 0;

	while (k < t->n_fates && (t->fate[k].phase != s->phase || t->fate[k].lost != s->lost ||
				  strcmp(t->fate[k].reason, s->reason)))
		k++;
	if (k == FATES_MAX)
		return;
	if (k == t->n_fates) {
		t->fate[t->n_fates++] = (struct fate){ .phase = s->phase, .lost = s->lost };
		str_copy(t->fate[k].reason, sizeof(t->fate[k].reason), s->reason);
	}
	t->fate[k].n++;
}

static void stats(const struct dsess *s)
{
	const struct hist *h = s->w.rtt;
	uint64_t late, lost = rekey_esp_lost(s, &late);

	printf("stats session=%u round=%u up=%d in=%llu in_bytes=%llu out=%llu out_bytes=%llu esp_lost=%llu esp_late=%llu"
		" pings=%u pings_lost=%u rtt_us=%u/%u/%u\n", s->n, s->d->round, s->done_us[PHASE_PPP] != 0,
		(ull)s->in_packets, (ull)s->in_bytes, (ull)s->out_packets, (ull)s->out_bytes, (ull)lost,
		(ull)late, s->w.sent, s->w.sent - MIN(s->w.got, s->w.sent), h ? h->min_us : 0, h ? hist_mean(h) : 0,
		h ? hist_quantile(h, 990) : 0);
}

void report_round(struct dial *d)
{
	struct totals *t = &d->sum;

	t->took_ms += (d->all_ms ? d->all_ms : now_ms()) - d->start_ms;
	for (unsigned i = 0; i < d->conf.sessions; i++) {
		struct dsess *s = &d->sess[i];
		uint64_t late;

		for (unsigned p = 0; p < PHASES; p++) {
			uint64_t from = p == PHASE_IKE || p == PHASE_UP ? s->start_us : s->done_us[p - 1];
			uint64_t to = s->done_us[p == PHASE_UP ? PHASE_PPP : p];

			if (to)
				t->took_us[p][t->n_took[p]++] = to - from;
		}
		t->up += s->done_us[PHASE_PPP] != 0;
		t->failed += s->failed;
		t->lost += s->lost;
		if (s->failed || s->lost)
			fate(t, s);
		t->ike_resent += s->state == SESS_OVER ? 0 : s->ike.resent;	/* counted when it was over */
		t->bad += s->bad;
		t->pings += s->w.sent;
		t->pings_got += MIN(s->w.got, s->w.sent);	/* an answer can come twice */
		t->pings_early += s->w.early;
		t->outage_ms = MAX(t->outage_ms, s->w.outage_ms);
		t->in_packets += s->in_packets;
		t->in_bytes += s->in_bytes;
		t->in_discard += s->in_discard;
		t->out_packets += s->out_packets;
		t->out_bytes += s->out_bytes;
		t->flooded += s->flooded;
		t->esp_lost += rekey_esp_lost(s, &late);
		t->esp_late += late;
		t->rekeys += s->rekeys;
		t->reauths += s->reauths;
		t->moves += s->moves;
		if (d->conf.stats && s->start_ms)
			stats(s);
		if (s->w.rtt)
			hist_merge(&t->rtt, s->w.rtt);
		free(s->w.rtt);
		s->w.rtt = NULL;
	}
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static ull took(const struct totals *t, unsigned p, unsigned per_mille)
{
	return sorted_quantile(t->took_us[p], t->n_took[p], per_mille);
}

static void words(const struct dial *d, FILE *f, double rate)
{
	const struct totals *t = &d->sum;

	fprintf(f, "%u of %u came up in %llu ms (%.1f/s)\n", t->up, d->conf.sessions * (d->round + 1), (ull)t->took_ms,
		rate);
	fprintf(f, "%-6s %8s %8s %8s %8s  ms\n", "", "min", "median", "p99", "max");
	for (unsigned p = 0; p < PHASES; p++)
		fprintf(f, "%-6s %8.1f %8.1f %8.1f %8.1f\n", p == PHASE_UP ? "all" : phase_name(p),
			(double)took(t, p, 0) / 1000, (double)took(t, p, 500) / 1000, (double)took(t, p, 990) / 1000,
			(double)took(t, p, 1000) / 1000);
	for (unsigned k = 0; k < t->n_fates; k++)
		fprintf(f, "%s: %u, phase %s, \"%s\"\n", t->fate[k].lost ? "lost" : "failed", t->fate[k].n,
			phase_name(t->fate[k].phase), t->fate[k].reason);
	if (t->pings)
		fprintf(f, "pings: %llu sent, %llu lost (%llu before the first answer), longest outage %llu ms, "
			"%.2f ms on average\n", (ull)t->pings, (ull)(t->pings - t->pings_got), (ull)t->pings_early,
			(ull)t->outage_ms, (double)hist_mean(&t->rtt) / 1000);
	if (d->sourced)
		fprintf(f, "source: %llu packets in %llu ms, %llu more were due\n", (ull)d->sourced,
			(ull)(d->load_last_us - d->load_first_us) / 1000, (ull)d->source_short);
	if (d->dropped + d->doubled + d->delayed)
		fprintf(f, "datagrams: %llu dropped, %llu doubled, %llu delayed of %llu; IKE sent %llu again\n",
			(ull)d->dropped, (ull)d->doubled, (ull)d->delayed, (ull)(d->rx + d->tx), (ull)t->ike_resent);
}

int report(const struct dial *d, FILE *f)
{
	const struct totals *t = &d->sum;
	unsigned sessions = d->conf.sessions * (d->round + 1);
	double rate = t->took_ms ? (double)t->up * 1000 / (double)t->took_ms : (double)t->up;
	bool good = t->up == sessions && !t->lost && !(d->conf.has_max_outage && t->outage_ms > d->conf.max_outage_ms);

	for (unsigned p = 0; p < PHASES; p++)
		qsort(t->took_us[p], t->n_took[p], sizeof(*t->took_us[p]), by_size);
	words(d, f, rate);
	fprintf(f, "result ok=%d sessions=%u up=%u failed=%u lost=%u took_ms=%llu rate=%.1f", good, sessions, t->up,
		t->failed, t->lost, (ull)t->took_ms, rate);
	for (unsigned p = 0; p < PHASES; p++)
		fprintf(f, " %s_ms=%llu/%llu/%llu", p == PHASE_UP ? "all" : phase_name(p), took(t, p, 0) / 1000,
			took(t, p, 500) / 1000, took(t, p, 1000) / 1000);
	fprintf(f, " pings=%llu pings_lost=%llu pings_early=%llu outage_ms=%llu", (ull)t->pings,
		(ull)(t->pings - t->pings_got), (ull)t->pings_early, (ull)t->outage_ms);
	fprintf(f, " ip_in=%llu ip_out=%llu ike_resent=%llu bad=%llu flooded=%llu", (ull)t->in_packets,
		(ull)t->out_packets, (ull)t->ike_resent, (ull)t->bad, (ull)t->flooded);
	for (unsigned p = 0; p < PHASES; p++)
		fprintf(f, " %s_us=%llu/%llu", p == PHASE_UP ? "all" : phase_name(p), took(t, p, 500), took(t, p, 990));
	fprintf(f, " rtt_us=%u/%u/%u", t->rtt.min_us, hist_mean(&t->rtt), hist_quantile(&t->rtt, 990));
	fprintf(f, " ip_in_discard=%llu ip_in_bytes=%llu ip_out_bytes=%llu esp_lost=%llu esp_late=%llu", (ull)t->in_discard,
		(ull)t->in_bytes, (ull)t->out_bytes, (ull)t->esp_lost, (ull)t->esp_late);
	fprintf(f, " sourced=%llu source_ms=%llu source_short=%llu source_cpu_ms=%llu tx_full=%llu tun_full=%llu rounds=%u"
		" cpu_ms=%llu rekeys=%llu reauths=%llu moves=%llu ike=%s esp=%s\n",
		(ull)d->sourced, (ull)(d->load_last_us - d->load_first_us) / 1000, (ull)d->source_short,
		(ull)(d->load_cpu_end_us - d->load_cpu_us) / 1000, (ull)d->tx_full, (ull)d->tun_full, d->round + 1,
		(ull)cpu_us() / 1000, (ull)t->rekeys, (ull)t->reauths, (ull)t->moves,
		d->main_text[0] ? d->main_text : "-", d->quick_text[0] ? d->quick_text : "-");
	return good ? 0 : 1;
}
