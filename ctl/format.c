/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ctl/format.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

enum {
	HOST_MAX = 1025,		/* NI_MAXHOST */
	PEER_MAX = HOST_MAX + 16,
	KB = 1024,
};

/* A field of a row, escaped, in a buffer of its own. */
#define FIELD(f) format_text((char[4 * sizeof(f) + 1]){ 0 }, 4 * sizeof(f) + 1, (f), sizeof(f))

const char *format_text(char *buf, size_t cap, const char *src, size_t n)
{
	size_t o = 0;

	/* Not str_escape(): a backslash here is one that the engine wrote. */
	for (size_t i = 0; i < n && src[i]; i++) {
		bool plain = src[i] >= 0x20 && src[i] < 0x7f;

		if (o + (plain ? 1 : 4) >= cap)
			break;
		if (plain)
			buf[o++] = src[i];
		else
			o += (size_t)snprintf(buf + o, cap - o, "\\x%02x", (uint8_t)src[i]);
	}
	buf[o] = '\0';
	return buf;
}

/* host:port, always with the port. */
static const char *peer_str(const struct format *f, const struct addr *a, char buf[static PEER_MAX])
{
	char name[HOST_MAX], ip[ADDR_STRLEN], esc[HOST_MAX];
	struct addr bare = *a;

	bare.port = 0;
	if (a->family && f->resolve && f->resolve(a, name, sizeof(name)))
		snprintf(buf, PEER_MAX, "%s:%u", format_text(esc, sizeof(esc), name, sizeof(name)), a->port);
	else
		snprintf(buf, PEER_MAX, a->family == 6 ? "[%s]:%u" : "%s:%u", addr_str(&bare, ip), a->port);
	return buf;
}

static void put_brief(struct format *f, const struct sess_row *r)
{
	char ip[ADDR_STRLEN], peer[PEER_MAX];

	if (!f->n)
		fputs("Ppp Id     Assigned IPv4   Username             Proto Tunnel From\n"
		      "---------- --------------- -------------------- ----- -------------------------\n",
			f->out);
	fprintf(f->out, "%10" PRIu32 " %-15s %-20s %-5s %s\n", r->ppp_id, ip4_str(r->ip, ip),
		FIELD(r->user), r->xauth ? "IPsec" : "L2TP", peer_str(f, &r->peer, peer));
}

static void put_packets(struct format *f, const struct sess_row *r)
{
	if (!f->n)
		fputs("Ppd Id     Username             In(Kbytes/pkts/errs)    Out(Kbytes/pkts/errs)\n"
		      "---------- -------------------- ----------------------- -----------------------\n",
			f->out);
	fprintf(f->out, "%10" PRIu32 " %-20s %9.1f %7" PRIu64 " %5" PRIu64 " %9.1f %7" PRIu64 " %5" PRIu64 "\n",
		r->ppp_id, FIELD(r->user), (double)r->in_bytes / KB, r->in_packets, r->in_errors,
		(double)r->out_bytes / KB, r->out_packets, r->out_errors);
}

static void put_time(FILE *out, int64_t wall_s)
{
	time_t t = (time_t)wall_s;
	char buf[64];
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, sizeof(buf), "%Y/%m/%d %T", &tm))
		str_copy(buf, sizeof(buf), "-");
	fprintf(out, "          Start Time              : %s\n", buf);
}

static void put_unit(FILE *out, uint64_t n, const char *unit)
{
	fprintf(out, "%" PRIu64 " %s%s", n, unit, n > 1 ? "s" : "");
}

static void put_elapsed(FILE *out, uint64_t s)
{
	uint64_t hours = s / 3600, minutes = s / 60 % 60;

	fprintf(out, "          Elapsed Time            : %" PRIu64 " sec ", s);
	if (hours || minutes)
		fputc('(', out);
	if (hours)
		put_unit(out, hours, "hour");
	if (hours && minutes)
		fputs(" and ", out);
	if (minutes)
		put_unit(out, minutes, "minute");
	if (hours || minutes)
		fputc(')', out);
	fputc('\n', out);
}

/* A unit is used from 1000 of the one below it, but counts 1024 of them. */
static void put_bytes(FILE *out, const char *label, uint64_t n)
{
	static const struct {
		uint64_t unit;
		const char *name;
	} units[] = {
		{ (uint64_t)KB * KB * KB, "GB" }, { (uint64_t)KB * KB, "MB" }, { KB, "KB" },
	};

	fprintf(out, "          %-24s: %" PRIu64, label, n);
	for (size_t i = 0; i < N_ELEMENTS(units); i++) {
		if (n < units[i].unit / KB * 1000)
			continue;
		fprintf(out, " (%.1f %s)", (double)n / (double)units[i].unit, units[i].name);
		break;
	}
	fputc('\n', out);
}

static void put_errors(FILE *out, const char *label, uint64_t errors, uint64_t packets)
{
	double all = (double)errors + (double)packets;

	fprintf(out, "          %-24s: %" PRIu64 " (%.1f%%)\n", label, errors,
		all > 0 ? 100.0 * (double)errors / all : 0.0);
}

static void put_rate(FILE *out, const char *label, uint64_t bps)
{
	if (bps)
		fprintf(out, "          %-24s: %" PRIu64 " bit/s\n", label, bps);
}

static void put_all(struct format *f, const struct msg_ctl_row *row)
{
	const struct sess_row *r = &row->row;
	char ip[ADDR_STRLEN], peer[PEER_MAX];

	fprintf(f->out,
		"%sPpp Id = %" PRIu32 "\n"
		"          Ppp Id                  : %" PRIu32 "\n"
		"          Username                : %s\n"
		"          Realm Name              : %s\n"
		"          Concentrated Interface  : %s\n"
		"          Assigned IPv4 Address   : %s\n"
		"          MRU                     : %u\n"
		"          Tunnel Protocol         : %s\n"
		"          Tunnel From             : %s\n",
		f->n ? "\n" : "", r->ppp_id, r->ppp_id, FIELD(r->user), FIELD(r->realm), FIELD(r->ifname),
		ip4_str(r->ip, ip), r->mru, r->xauth ? "IPsec" : "L2TP", peer_str(f, &r->peer, peer));
	/* npppctl(8) has no such line, and its sessions have no filter. */
	if (r->filter[0])
		fprintf(f->out, "          Filter                  : %s\n", FIELD(r->filter));
	put_time(f->out, r->start_wall_s);
	put_elapsed(f->out, row->elapsed_s);
	put_bytes(f->out, "Input Bytes", r->in_bytes);
	fprintf(f->out, "          Input Packets           : %" PRIu64 "\n", r->in_packets);
	put_errors(f->out, "Input Errors", r->in_errors, r->in_packets);
	put_bytes(f->out, "Output Bytes", r->out_bytes);
	fprintf(f->out, "          Output Packets          : %" PRIu64 "\n", r->out_packets);
	put_errors(f->out, "Output Errors", r->out_errors, r->out_packets);
	/* npppctl has none of these: they stand at the end, and only where there is something to say. */
	put_rate(f->out, "Input Limit", r->rate_in_bps);
	put_rate(f->out, "Output Limit", r->rate_out_bps);
	for (unsigned i = 0; i < r->n_routes; i++)
		fprintf(f->out, "          Framed Route            : %s/%d\n", ip4_str(r->route[i].net, ip),
			__builtin_popcount(r->route[i].mask));
}

void format_session(struct format *f, const struct msg_ctl_row *row, bool show)
{
	if (show && f->layout == CTL_SESSION_BRIEF)
		put_brief(f, &row->row);
	else if (show && f->layout == CTL_SESSION_PACKETS)
		put_packets(f, &row->row);
	else if (show)
		put_all(f, row);
	f->n++;
}

void format_cleared(FILE *out, unsigned done, unsigned failed)
{
	if (done)
		fprintf(out, "Successfully disconnected %u session%s.\n", done, done > 1 ? "s" : "");
	if (failed)
		fprintf(out, "Failed to disconnect %u session%s.\n", failed, failed > 1 ? "s" : "");
	if (!done && !failed)
		fputs("No session to disconnect.\n", out);
}

void format_status(FILE *out, const char *version, const struct msg_ctl_counter *c, size_t n)
{
	int process = 0, name = 0, value = 0;

	for (size_t i = 0; i < n; i++) {
		process = MAX(process, (int)strlen(FIELD(c[i].process)));
		name = MAX(name, (int)strlen(FIELD(c[i].c.name)));
		value = MAX(value, snprintf(NULL, 0, "%" PRIu64, c[i].c.value));
	}
	fprintf(out, "%s\n", version);
	for (size_t i = 0; i < n; i++)
		fprintf(out, "%-*s %-*s %*" PRIu64 "\n", process, FIELD(c[i].process), name,
			FIELD(c[i].c.name), value, c[i].c.value);
}

/* Bytes of the UTF-8 character at s that is no control character; 0: it is none. */
static unsigned printable(const uint8_t *s)
{
	unsigned n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : (s[0] & 0xf8) == 0xf0 ? 4 : 0;

	if (n == 1)
		return s[0] >= 0x20 && s[0] != 0x7f;
	for (unsigned i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* U+0080 to U+009F are the other control characters. */
	return n == 2 && s[0] == 0xc2 && s[1] < 0xa0 ? 0 : n;
}

void format_line(FILE *out, const char *line)
{
	const uint8_t *s = (const uint8_t *)line;

	while (*s) {
		unsigned n = printable(s);

		if (n) {
			fwrite(s, 1, n, out);
			s += n;
		} else {
			fprintf(out, "\\x%02x", *s++);
		}
	}
	fputc('\n', out);
}
