/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay: plays a client's messages (.rpl files) to the server's pure cores in
 * virtual time, and compares what the server does with what the file says.
 * tests/replay/README.md describes the files.
 *
 *	replay FILE...		silent but for mistakes, which are FILE:LINE: messages
 *	replay -v FILE...	shows all that the server does, in the files' notation
 *	replay -w FILE		writes the file anew with what the server does now: to be read, not believed
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "lns.h"
#include "note.h"

enum { QUEUE = 128, LINE = 8192 };

struct did {
	uint16_t port;
	size_t n;
	uint8_t bytes[NOTE_MAX];
};

static struct play {
	struct lns lns;
	struct note_vars vars, shown;
	uint16_t port;
	struct did sent[QUEUE];		/* by the server, not yet matched */
	unsigned n_sent, at_sent;
	char event[QUEUE][512];
	unsigned n_event, at_event;
	struct note ignored[4];		/* of what the server sends */
	unsigned n_ignored;
	bool client, source;		/* the file said so */
	unsigned checks;
	const char *file;
	unsigned line;
	jmp_buf out;
} p;
static bool verbose, writing;

static PRINTF(1, 2) _Noreturn void fail(const char *fmt, ...)
{
	va_list ap;

	printf("%s:%u: ", p.file, p.line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	longjmp(p.out, 1);
}

/* ---- what the server does ---- */

static void show(bool server, const uint8_t *bytes, size_t n)
{
	static char text[NOTE_TEXT];

	if (!verbose)
		return;
	note_text(text, bytes, n, server, &p.shown);
	printf("%s:%u: %7llu ms %s %s\n", p.file, p.line, (unsigned long long)p.lns.now_ms - 1000, server ? "<" : ">",
		text);
}

static void on_send(void *ctx, uint16_t port, const uint8_t *bytes, size_t n)
{
	struct did *d;

	show(true, bytes, n);
	for (unsigned i = 0; i < p.n_ignored; i++) {
		size_t at;

		if (note_match(&p.ignored[i], bytes, n, &p.vars, &at))
			return;
	}
	if (p.n_sent == QUEUE || n > NOTE_MAX)
		fail("the server sends too much");
	d = &p.sent[p.n_sent++];
	d->port = port;
	d->n = n;
	memcpy(d->bytes, bytes, n);
}

static void on_event(void *ctx, const char *what)
{
	if (verbose)
		printf("%s:%u: %7llu ms = %s\n", p.file, p.line, (unsigned long long)p.lns.now_ms - 1000, what);
	if (p.n_event == QUEUE)
		fail("too many events");
	str_copy(p.event[p.n_event++], sizeof(p.event[0]), what);
}

/* -w: what happened, as the file will say it. */
static void print_new(void)
{
	static char text[NOTE_TEXT];

	for (; p.at_event < p.n_event; p.at_event++)
		note_print('=', p.event[p.at_event]);
	for (; p.at_sent < p.n_sent; p.at_sent++) {
		note_text(text, p.sent[p.at_sent].bytes, p.sent[p.at_sent].n, true, &p.vars);
		note_print('<', text);
	}
}

/* All that happened must have been expected before more happens. */
static void settled(void)
{
	static char text[NOTE_TEXT];

	if (writing)
		print_new();
	if (p.at_sent < p.n_sent) {
		note_text(text, p.sent[p.at_sent].bytes, p.sent[p.at_sent].n, true, &p.shown);
		fail("before this the server also sent: < %s", text);
	}
	if (p.at_event < p.n_event)
		fail("before this the server also said: = %s", p.event[p.at_event]);
	p.n_sent = p.at_sent = p.n_event = p.at_event = 0;
}

/* ---- lines ---- */

static void do_in(const char *text)
{
	static char text_of[NOTE_TEXT];
	static struct note o;
	char err[128];

	settled();
	if (!note_parse(text, false, &p.vars, &o, err))
		fail("%s", err);
	show(false, o.byte, o.n);
	if (writing)
		note_text(text_of, o.byte, o.n, false, &p.vars);
	lns_input(&p.lns, o.byte, o.n, p.port);
}

static void do_out(const char *text)
{
	static struct note o;
	static char got[NOTE_TEXT];
	struct did *d;
	char err[128];
	size_t at;

	if (!note_parse(text, true, &p.vars, &o, err))
		fail("%s", err);
	if (p.at_sent == p.n_sent)
		fail("the server sent nothing (more)");
	d = &p.sent[p.at_sent++];
	if (d->port != p.port)
		fail("the server sent it to port %u and not %u", d->port, p.port);
	p.checks++;
	if (note_match(&o, d->bytes, d->n, &p.vars, &at))
		return;
	note_text(got, d->bytes, d->n, true, &p.shown);
	if (at < o.n && at < d->n)
		fail("octet %zu is %02x and not %02x; the server sent: < %s", at, d->bytes[at], o.byte[at], got);
	fail("%zu octets, and not %zu%s; the server sent: < %s", d->n, o.n, o.open ? " or more" : "", got);
}

/* ignore PATTERN: as often as it comes from now on; ignore: nothing any more. */
static void do_ignore(const char *text)
{
	char err[128];

	settled();
	if (!*text) {
		p.n_ignored = 0;
		return;
	}
	if (p.n_ignored == N_ELEMENTS(p.ignored))
		fail("too many 'ignore'");
	if (!note_parse(text, true, &p.vars, &p.ignored[p.n_ignored++], err))
		fail("%s", err);
}

static void do_event(const char *text)
{
	if (p.at_event == p.n_event)
		fail("this did not happen");
	p.checks++;
	if (strcmp(p.event[p.at_event++], text) != 0)
		fail("but: = %s", p.event[p.at_event - 1]);
}

static unsigned long number(const char *s)
{
	char *end;
	unsigned long v = strtoul(s, &end, 0);

	if (end == s || *end)
		fail("'%s' is no number", s);
	return v;
}

static uint32_t address(const char *s)
{
	unsigned a, b, c, d;
	char more;

	if (sscanf(s, "%u.%u.%u.%u%c", &a, &b, &c, &d, &more) != 4 || a > 255 || b > 255 || c > 255 || d > 255)
		fail("'%s' is no address", s);
	return a << 24 | b << 16 | c << 8 | d;
}

static void do_auth(char *methods)
{
	p.lns.ppp.auth = 0;
	for (char *m = strtok(methods, " "); m; m = strtok(NULL, " ")) {
		if (!strcmp(m, "pap"))
			p.lns.ppp.auth |= PPP_AUTH_PAP;
		else if (!strcmp(m, "chap"))
			p.lns.ppp.auth |= PPP_AUTH_CHAP_MD5;
		else if (!strcmp(m, "mschapv2"))
			p.lns.ppp.auth |= PPP_AUTH_MSCHAPV2;
		else if (!strcmp(m, "eap"))
			p.lns.ppp.auth |= PPP_AUTH_EAP_MSCHAPV2;
		else if (!strcmp(m, "eap-md5"))
			p.lns.ppp.auth |= PPP_AUTH_EAP_MD5;
		else
			fail("no method '%s'", m);
	}
}

/* set KEY VALUE: the server's settings, before its first message. */
static void do_set(char *text)
{
	char *value = text + strcspn(text, " ");
	const struct {
		const char *key;
		uint32_t *u32;
		uint16_t *u16;
		uint8_t *u8;
		char *str;
		uint32_t *ip;
		bool *flag;
	} keys[] = {
		{ "host", .str = p.lns.l2tp.host_name }, { "vendor", .str = p.lns.l2tp.vendor_name },
		{ "hello-interval", .u32 = &p.lns.l2tp.hello_interval_ms },
		{ "hello-timeout", .u32 = &p.lns.l2tp.hello_timeout_ms },
		{ "max-tunnels", .u8 = &p.lns.l2tp.max_tunnels }, { "max-sessions", .u16 = &p.lns.l2tp.max_sessions },
		{ "rws", .u16 = &p.lns.l2tp.rws }, { "mru", .u16 = &p.lns.ppp.mru },
		{ "keepalive", .flag = &p.lns.ppp.keepalive },
		{ "keepalive-interval", .u32 = &p.lns.ppp.keepalive_interval_ms },
		{ "keepalive-retry", .u32 = &p.lns.ppp.keepalive_retry_ms },
		{ "ip", .ip = &p.lns.ip }, { "ip-local", .ip = &p.lns.ip_local },
		{ "dns1", .ip = &p.lns.dns[0] }, { "dns2", .ip = &p.lns.dns[1] },
		{ "nbns1", .ip = &p.lns.nbns[0] }, { "nbns2", .ip = &p.lns.nbns[1] },
		{ "may-choose", .flag = &p.lns.may_choose }, { "judge-after", .u32 = &p.lns.judge_after_ms },
		{ "ipv6", .flag = &p.lns.ppp.ipv6 }, { "hide", .flag = &p.lns.l2tp.hide }, { "max-half-open", .u8 = &p.lns.l2tp.max_half_open },
		{ "refuse", .flag = &p.lns.user[0].refuse },
	};

	if (*value)
		*value++ = '\0';
	if (!strcmp(text, "auth")) {
		do_auth(value);
		return;
	}
	if (!strcmp(text, "secret")) {
		p.lns.l2tp.secret_len = (uint8_t)MIN(strlen(value), sizeof(p.lns.l2tp.secret));
		memcpy(p.lns.l2tp.secret, value, p.lns.l2tp.secret_len);
		return;
	}
	if (!strcmp(text, "mppe")) {		/* yes or required, and bits of RFC 3078 2 */
		p.lns.ppp.mppe = !strncmp(value, "required", 8) ? PPP_MPPE_REQUIRED : PPP_MPPE_YES;
		p.lns.ppp.mppe_bits = (uint32_t)strtoul(value + strcspn(value, " "), NULL, 16);
		p.lns.ppp.mppe_stateful = strstr(value, "stateful");
		return;
	}
	for (size_t i = 0; i < N_ELEMENTS(keys); i++) {
		if (strcmp(keys[i].key, text) != 0)
			continue;
		if (keys[i].u32)
			*keys[i].u32 = (uint32_t)number(value);
		if (keys[i].u16)
			*keys[i].u16 = (uint16_t)number(value);
		if (keys[i].u8)
			*keys[i].u8 = (uint8_t)number(value);
		if (keys[i].str)
			str_copy(keys[i].str, L2TP_NAME_MAX, value);
		if (keys[i].ip)
			*keys[i].ip = address(value);
		if (keys[i].flag)
			*keys[i].flag = number(value);
		return;
	}
	fail("no setting '%s'", text);
}

static void do_line(char *text);

static void read_file(const char *name)
{
	char buf[LINE], whole[LINE] = "";
	FILE *f = fopen(name, "r");
	unsigned n = 0, began = 0;

	if (!f)
		fail("cannot read %s", name);
	p.file = name;
	/* A line that begins with a space continues the one before. */
	while (fgets(buf, sizeof(buf), f)) {
		n++;
		buf[strcspn(buf, "\n")] = '\0';
		if (isspace((unsigned char)buf[0]) && buf[strspn(buf, " \t")] != '\0') {
			size_t len = strlen(whole);

			if (len + strlen(buf) + 1 > sizeof(whole))
				fail("the line is too long");
			strcpy(whole + len, buf);
			continue;
		}
		p.line = began;
		if (began)
			do_line(whole);
		began = n;
		strcpy(whole, buf);
	}
	fclose(f);
	p.line = began;
	do_line(whole);
	p.line = n;
}

static void include(const char *name)
{
	static char path[4][1024];
	static unsigned depth;
	const char *file = p.file, *slash = strrchr(p.file, '/');
	unsigned line = p.line;

	snprintf(path[depth], sizeof(path[0]), "%.*s%s", slash ? (int)(slash - p.file + 1) : 0, p.file, name);
	if (depth == N_ELEMENTS(path) - 1)
		fail("too many includes");
	depth++;
	read_file(path[depth - 1]);
	depth--;
	p.file = file;
	p.line = line;
}

/* The comment of a line, outside of strings, and the blanks at its end. */
static void strip(char *s)
{
	bool quoted = false;
	size_t n = 0;

	for (; s[n]; n++) {
		if (s[n] == '\\' && s[n + 1])
			n++;
		else if (s[n] == '"')
			quoted = !quoted;
		else if (s[n] == '#' && !quoted)
			break;
	}
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	s[n] = '\0';
}

/* -w: the file's own lines stay as they are, what is expected is written anew. */
static bool keep(const char *text)
{
	bool answer = text[0] == '<' || text[0] == '=';

	if (!answer)
		settled();
	if (!answer && text[0] == '>')
		note_print('>', text + 2);
	else if (!answer)
		printf("%s\n", text);
	return !answer;
}

static void do_line(char *text)
{
	char *rest;

	if (writing && !keep(text))
		return;
	strip(text);
	if (!text[0])
		return;
	rest = text + strcspn(text, " \t");
	if (*rest)
		*rest++ = '\0';
	rest += strspn(rest, " \t");
	if (!strcmp(text, ">")) {
		do_in(rest);
	} else if (!strcmp(text, "<")) {
		do_out(rest);
	} else if (!strcmp(text, "=")) {
		do_event(rest);
	} else if (!strcmp(text, "wait")) {
		settled();
		lns_wait(&p.lns, number(rest));
	} else if (!strcmp(text, "port")) {
		p.port = (uint16_t)number(rest);
	} else if (!strcmp(text, "set")) {
		do_set(rest);
	} else if (!strcmp(text, "kill")) {
		settled();
		lns_kill(&p.lns, rest);
	} else if (!strcmp(text, "shutdown")) {
		settled();
		lns_shutdown(&p.lns);
	} else if (!strcmp(text, "sessions")) {
		p.checks++;
		if (lns_sessions(&p.lns) != number(rest))
			fail("there are %u sessions", lns_sessions(&p.lns));
	} else if (!strcmp(text, "ignore")) {
		do_ignore(rest);
	} else if (!strcmp(text, "include")) {
		include(rest);
	} else if (!strcmp(text, "client")) {
		p.client = *rest;
	} else if (!strcmp(text, "source")) {
		p.source = !strncmp(rest, "captured: ", 10) || !strncmp(rest, "reconstructed: ", 15);
		if (!p.source)
			fail("'source' is 'captured: ...' or 'reconstructed: ...'");
	} else if (strcmp(text, "rule") != 0) {
		fail("'%s' means nothing", text);
	}
}

/* Whatever came before: when all is over, nothing is left. */
static void nothing_left(void)
{
	p.n_ignored = 0;
	lns_shutdown(&p.lns);
	p.n_sent = p.n_event = 0;
	for (unsigned i = 0; i < 200 && lns_deadline(&p.lns) != PPP_NEVER; i++) {
		lns_wait(&p.lns, 1000);
		p.n_sent = p.n_event = 0;
	}
	if (lns_deadline(&p.lns) != PPP_NEVER || lns_sessions(&p.lns) || p.lns.ids->n)
		fail("%u sessions, %u tunnel ids are left when all is over", lns_sessions(&p.lns), p.lns.ids->n);
}

/* False: it failed, and that was said. */
static bool play(const char *name)
{
	memset(&p, 0, sizeof(p));
	p.port = 1701;
	lns_init(&p.lns, 1);
	p.lns.send = on_send;
	p.lns.event = on_event;
	if (setjmp(p.out)) {
		lns_free(&p.lns);
		return false;
	}
	p.file = name;
	read_file(name);
	settled();
	if (writing)
		return true;
	if (!p.client || !p.source)
		fail("no 'client', or no 'source'");
	if (!p.checks)
		fail("nothing is expected");
	nothing_left();
	lns_free(&p.lns);
	return true;
}

int main(int argc, char **argv)
{
	unsigned failed = 0, n = 0, checks = 0;
	int i = 1;

	if (i < argc && !strcmp(argv[i], "-v")) {
		verbose = true;
		i++;
	} else if (i < argc && !strcmp(argv[i], "-w")) {
		writing = true;
		i++;
	}
	if (i >= argc || !lns_begin()) {
		fprintf(stderr, "usage: replay [-v|-w] FILE...\n");
		return 2;
	}
	for (; i < argc; i++, n++) {
		failed += !play(argv[i]);
		checks += p.checks;
	}
	if (!writing)
		printf("%u replays, %u answers and events compared, %u failed\n", n, checks, failed);
	return failed ? 1 : 0;
}
