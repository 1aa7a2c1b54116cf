/* SPDX-License-Identifier: GPL-2.0-or-later */
/* culvertctl: command line, layouts, and the program itself against a manager played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/msg.h"
#include "ctl/args.h"
#include "ctl/format.h"

/* What was written to a stream. */
struct capture {
	FILE *f;
	char *text;
	size_t len;
};

static void capture_open(struct capture *c)
{
	*c = (struct capture){ 0 };
	c->f = open_memstream(&c->text, &c->len);
	assert_non_null(c->f);
}

static void capture_check(struct capture *c, const char *want)
{
	fclose(c->f);
	assert_string_equal(c->text, want);
	free(c->text);
}

/* ---- the command line ---- */

static unsigned words(char *line, char **argv)
{
	unsigned n = 0;

	for (char *w = strtok(line, "|"); w; w = strtok(NULL, "|"))
		argv[n++] = strcmp(w, "EMPTY") ? w : line + strlen(line);
	return n;
}

static void t_args_good(void **st)
{
	static const struct {
		const char *line;
		enum ctl_verb verb;
		struct ctl_filter f;
	} rows[] = {
		{ "session|brief", CTL_SESSION_BRIEF, { 0 } },
		{ "s|b", CTL_SESSION_BRIEF, { 0 } },
		{ "se|p", CTL_SESSION_PACKETS, { 0 } },
		{ "s|a", CTL_SESSION_ALL, { 0 } },
		{ "st", CTL_STATUS, { 0 } },
		{ "status", CTL_STATUS, { 0 } },
		{ "reload", CTL_RELOAD, { 0 } },
		{ "r", CTL_RELOAD, { 0 } },
		{ "user|list", CTL_USER_LIST, { 0 } },
		{ "u|l", CTL_USER_LIST, { 0 } },
		{ "user|add|joe", CTL_USER_ADD, { 0 } },
		{ "user|add|joe|stdin|store|crypt|expires|2030-12-31|max-session|0|framed-ip-address|10.0.0.1", CTL_USER_ADD, { 0 } },
		{ "user|add|joe|framed-ip-n|255.255.255.0|calling-number|5|expires|2030-12-31T18:30Z|generate", CTL_USER_ADD, { 0 } },
		{ "user|passwd|joe", CTL_USER_PASSWD, { 0 } },
		{ "user|passwd|stdin|stdin", CTL_USER_PASSWD, { 0 } },
		{ "u|del|list", CTL_USER_DEL, { 0 } },
		{ "u|e|joe", CTL_USER_ENABLE, { 0 } },
		{ "u|di|joe", CTL_USER_DISABLE, { 0 } },
		{ "u|s|joe", CTL_USER_SHOW, { 0 } },
		{ "clear|all", CTL_CLEAR, { 0 } },
		{ "c|al", CTL_CLEAR, { 0 } },
		{ "cl|user|joe", CTL_CLEAR, { .username = "joe" } },
		{ "clear|ppp-id|7", CTL_CLEAR, { .has_ppp_id = true, .ppp_id = 7 } },
		{ "session|all|ppp-id|4294967295", CTL_SESSION_ALL, { .has_ppp_id = true, .ppp_id = UINT32_MAX } },
		{ "session|all|pr|L2tP", CTL_SESSION_ALL, { .protocol = CTL_PROTO_L2TP } },
		{ "session|all|protocol|PPPoE", CTL_SESSION_ALL, { .protocol = CTL_PROTO_PPPOE } },
		{ "session|all|i|pppx0|r|LOCAL", CTL_SESSION_ALL, { .interface = "pppx0", .realm = "LOCAL" } },
		/* a value may look like a word; what comes later counts */
		{ "clear|username|all|username|ppp-id", CTL_CLEAR, { .username = "ppp-id" } },
		{ "s|a|ppp|1|ppp|2", CTL_SESSION_ALL, { .has_ppp_id = true, .ppp_id = 2 } },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char line[128], *argv[16];
		struct ctl_cmd cmd = { 0 };
		struct capture err;
		unsigned n;

		assert_true(str_copy(line, sizeof(line), rows[i].line));
		n = words(line, argv);
		capture_open(&err);
		if (!args_parse((int)n, argv, err.f, &cmd))
			fail_msg("%s is refused", rows[i].line);
		capture_check(&err, "");
		assert_int_equal(cmd.verb, rows[i].verb);
		assert_int_equal(cmd.filter.has_ppp_id, rows[i].f.has_ppp_id);
		assert_int_equal(cmd.filter.ppp_id, rows[i].f.ppp_id);
		assert_int_equal(cmd.filter.protocol, rows[i].f.protocol);
#define SAME(m) assert_string_equal(cmd.filter.m ? cmd.filter.m : "-", rows[i].f.m ? rows[i].f.m : "-")
		SAME(interface);
		SAME(realm);
		SAME(username);
		assert_int_equal(filter_is_ppp_id(&cmd.filter), cmd.filter.has_ppp_id);
	}
}

#define VALID "valid commands/args:\n"
#define COMMANDS VALID "  session\n  clear\n  status\n  reload\n  user\n"
#define USERS VALID "  add\n  del\n  passwd\n  enable\n  disable\n  list\n  show\n"
#define PASSWORDS "  generate\n  stdin\n  store\n"
#define FIELDS "  expires\n  max-session\n  framed-ip-address\n  framed-ip-network\n  calling-number\n"
#define SESSIONS VALID "  brief\n  packets\n  all\n"
#define FILTERS "  ppp-id\n  address\n  interface\n  protocol\n  realm\n  username\n"

static void t_args_bad(void **st)
{
	static const struct {
		const char *line, *err;
	} rows[] = {
		{ "", "missing argument:\n" COMMANDS },
		{ "EMPTY", "ambiguous argument: \n" COMMANDS },
		{ "x", "unknown argument: x\n" COMMANDS },
		{ "monitor|all", "unknown argument: monitor\n" COMMANDS },
		{ "Session", "unknown argument: Session\n" COMMANDS },
		{ "sessions", "unknown argument: sessions\n" COMMANDS },
		{ "session", "missing argument:\n" SESSIONS },
		{ "session|EMPTY", "ambiguous argument: \n" SESSIONS },
		{ "session|x", "unknown argument: x\n" SESSIONS },
		{ "session|brief|x", "superfluous argument: x\n" },
		{ "s|p|username|joe", "superfluous argument: username\n" },
		{ "session|all|x", "unknown argument: x\n" VALID "  <cr>\n" FILTERS },
		{ "session|all|all", "unknown argument: all\n" VALID "  <cr>\n" FILTERS },
		{ "session|all|p|1", "ambiguous argument: p\n" VALID "  <cr>\n" FILTERS },
		{ "session|all|ppp-id", "missing argument:\n" VALID "  <ppp-id>\n" },
		{ "clear", "missing argument:\n" VALID "  all\n" FILTERS },
		{ "clear|a|x", "ambiguous argument: a\n" VALID "  all\n" FILTERS },
		{ "clear|all|x", "superfluous argument: x\n" },
		{ "clear|ppp-id|x", "unknown argument: x\n" VALID "  <ppp-id>\n" },
		{ "clear|ppp-id|-1", "unknown argument: -1\n" VALID "  <ppp-id>\n" },
		{ "clear|ppp-id|4294967296", "unknown argument: 4294967296\n" VALID "  <ppp-id>\n" },
		{ "clear|ppp-id|7|x", "unknown argument: x\n" VALID "  <cr>\n" FILTERS },
		{ "clear|address", "missing argument:\n" VALID "  <address>\n" },
		{ "clear|address|10.0.0", "unknown argument: 10.0.0\n" VALID "  <address>\n" },
		{ "clear|interface", "missing argument:\n" VALID "  <interface>\n" },
		{ "clear|protocol", "missing argument:\n" VALID "  [ pppoe | l2tp | pptp | sstp ]\n" },
		{ "clear|protocol|l2", "unknown argument: l2\n" VALID "  [ pppoe | l2tp | pptp | sstp ]\n" },
		{ "clear|realm", "missing argument:\n" VALID "  <realm>\n" },
		{ "clear|username", "missing argument:\n" VALID "  <username>\n" },
		{ "status|all", "superfluous argument: all\n" },
		{ "reload|now", "superfluous argument: now\n" },
		{ "user", "missing argument:\n" USERS },
		{ "user|d|joe", "ambiguous argument: d\n" USERS },
		{ "user|joe", "unknown argument: joe\n" USERS },
		{ "user|add", "missing argument:\n" VALID "  <name>\n" },
		{ "user|add|EMPTY", "unknown argument: \n" VALID "  <name>\n" },
		{ "user|add|a:b", "unknown argument: a:b\n" VALID "  <name>\n" },
		{ "user|del|#joe", "unknown argument: #joe\n" VALID "  <name>\n" },
		{ "user|add|joe|geheim", "unknown argument: geheim\n" VALID "  <cr>\n" PASSWORDS FIELDS },
		{ "user|passwd|joe|geheim", "unknown argument: geheim\n" VALID "  <cr>\n" PASSWORDS },
		{ "user|passwd|joe|expires|2030-12-31", "unknown argument: expires\n" VALID "  <cr>\n" PASSWORDS },
		{ "user|add|joe|store|clear", "unknown argument: clear\n" VALID "  [ password | nt-hash | crypt ]\n" },
		{ "user|add|joe|max-session|many", "unknown argument: many\n" VALID "  <number>\n" },
		{ "user|add|joe|expires", "missing argument:\n" VALID "  <YYYY-MM-DD> or <YYYY-MM-DDTHH:MM>, with Z for UTC\n" },
		{ "user|add|joe|expires|soon", "unknown argument: soon\n" VALID "  <YYYY-MM-DD> or <YYYY-MM-DDTHH:MM>, with Z for UTC\n" },
		{ "user|add|joe|framed-ip-address|::1", "unknown argument: ::1\n" VALID "  <address>\n" },
		{ "user|list|joe", "superfluous argument: joe\n" },
		{ "user|show|joe|x", "superfluous argument: x\n" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char line[128], *argv[16];
		struct ctl_cmd cmd;
		struct capture err;
		unsigned n;

		assert_true(str_copy(line, sizeof(line), rows[i].line));
		n = words(line, argv);
		capture_open(&err);
		if (args_parse((int)n, argv, err.f, &cmd))
			fail_msg("%s is taken", rows[i].line);
		capture_check(&err, rows[i].err);
	}
}

/* ---- sessions ---- */

static struct msg_ctl_row row_of(uint32_t ppp_id, const char *user)
{
	struct msg_ctl_row r = {
		.row = {
			.state = ROW_UP, .ppp_id = ppp_id, .realm = "LOCAL", .ifname = "pppx0",
			.ip = 0x0a000019, .mru = 1360, .start_wall_s = 1795151400,
			.in_bytes = 1234, .in_packets = 12, .out_bytes = 999, .out_packets = 3,
		},
		.elapsed_s = 65,
	};

	str_copy(r.row.user, sizeof(r.row.user), user);
	r.row.peer = addr_v4(0xc0000201, 1701);
	return r;
}

static void t_filter(void **st)
{
	static const struct {
		const char *line;
		bool match;
	} rows[] = {
		{ "s|a", true },
		{ "s|a|ppp-id|7", true }, { "s|a|ppp-id|8", false },
		{ "s|a|address|10.0.0.25", true }, { "s|a|address|10.0.0.26", false },
		{ "s|a|address|::ffff:10.0.0.25", false }, { "s|a|address|2001:db8::1", false },
		{ "s|a|address|0.0.0.0", false },
		{ "s|a|interface|pppx0", true }, { "s|a|interface|pppx", false }, { "s|a|interface|PPPX0", false },
		{ "s|a|protocol|l2tp", true }, { "s|a|protocol|pptp", false }, { "s|a|protocol|IPsec", false },
		{ "s|a|protocol|pppoe", false }, { "s|a|protocol|sstp", false },
		{ "s|a|realm|LOCAL", true }, { "s|a|realm|local", false },
		{ "s|a|username|jos\xc3\xa9", true }, { "s|a|username|jos\\xc3\\xa9", true },
		{ "s|a|username|jos", false }, { "s|a|username|jos\xc3", false },
		{ "s|a|ppp-id|7|realm|LOCAL|interface|pppx0|protocol|L2TP|address|10.0.0.25", true },
		{ "s|a|ppp-id|7|realm|RADIUS", false },
	};
	struct msg_ctl_row r = row_of(7, "jos\\xc3\\xa9");
	struct msg_ctl_row full = row_of(1, "");
	char longest[129];
	struct ctl_filter f = { .username = longest };

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char line[128], *argv[16];
		struct ctl_cmd cmd;
		unsigned n;

		assert_true(str_copy(line, sizeof(line), rows[i].line));
		n = words(line, argv);
		assert_true(args_parse((int)n, argv, stderr, &cmd));
		if (filter_match(&cmd.filter, &r.row) != rows[i].match)
			fail_msg("%s", rows[i].line);
	}
	/* XAuth's is none of L2TP. */
	r.row.xauth = 1;
	for (unsigned i = 0; i < 2; i++) {
		struct ctl_filter by = { .protocol = i ? CTL_PROTO_IPSEC : CTL_PROTO_L2TP };

		assert_int_equal(filter_match(&by, &r.row), i);
	}
	assert_false(filter_is_ppp_id(&f));
	f.has_ppp_id = true;
	assert_false(filter_is_ppp_id(&f));
	f.has_ppp_id = false;
	/* A field without an end is compared no further than its size. */
	memset(full.row.user, 'u', sizeof(full.row.user));
	memset(longest, 'u', 128);
	longest[128] = '\0';
	assert_true(filter_match(&f, &full.row));
	longest[127] = '\0';
	assert_false(filter_match(&f, &full.row));
	f.username = "";
	assert_false(filter_match(&f, &full.row));
	/* An IPv6 address is not taken for "no IPv4 address". */
	f.username = NULL;
	full.row.ip = 0;
	assert_true(addr_parse("2001:db8::1", 0, &f.address));
	assert_false(filter_match(&f, &full.row));
}

#define BRIEF_HEAD \
	"Ppp Id     Assigned IPv4   Username             Proto Tunnel From\n" \
	"---------- --------------- -------------------- ----- -------------------------\n"
#define PACKETS_HEAD \
	"Ppd Id     Username             In(Kbytes/pkts/errs)    Out(Kbytes/pkts/errs)\n" \
	"---------- -------------------- ----------------------- -----------------------\n"

/* Two names are known: one of them carries what no name should. */
static bool fake_resolve(const struct addr *a, char *buf, size_t cap)
{
	switch (addr_v4_of(a)) {
	case 0xc0000201:
		return str_copy(buf, cap, "client.example.net");
	case 0xc0000202:
		return str_copy(buf, cap, "\x1b[2Jx");
	default:
		return false;
	}
}

static void t_brief(void **st)
{
	struct capture c;
	struct msg_ctl_row a = row_of(7, "joe"), b = row_of(4294967295u, "somebody-with-a-long-name");
	struct format f = { .layout = CTL_SESSION_BRIEF };

	b.row.ip = 0xc0a857d1;
	assert_true(addr_parse("2001:db8::1", 1701, &b.row.peer));
	capture_open(&c);
	f.out = c.f;
	format_session(&f, &a, true);
	format_session(&f, &b, true);
	a.row.peer.port = 0;
	format_session(&f, &a, true);
	a.row.peer = (struct addr){ 0 };
	format_session(&f, &a, true);
	a.row.xauth = 1;
	format_session(&f, &a, true);
	capture_check(&c, BRIEF_HEAD
		"         7 10.0.0.25       joe                  L2TP  192.0.2.1:1701\n"
		"4294967295 192.168.87.209  somebody-with-a-long-name L2TP  [2001:db8::1]:1701\n"
		"         7 10.0.0.25       joe                  L2TP  192.0.2.1:0\n"
		"         7 10.0.0.25       joe                  L2TP  -:0\n"
		"         7 10.0.0.25       joe                  IPsec -:0\n");

	a = row_of(1, "a");
	f = (struct format){ .layout = CTL_SESSION_BRIEF, .resolve = fake_resolve };
	capture_open(&c);
	f.out = c.f;
	format_session(&f, &a, true);
	a.row.peer.ip[3] = 2;
	format_session(&f, &a, true);
	a.row.peer.ip[3] = 3;
	format_session(&f, &a, true);
	format_session(&f, &b, true);
	capture_check(&c, BRIEF_HEAD
		"         1 10.0.0.25       a                    L2TP  client.example.net:1701\n"
		"         1 10.0.0.25       a                    L2TP  \\x1b[2Jx:1701\n"
		"         1 10.0.0.25       a                    L2TP  192.0.2.3:1701\n"
		"4294967295 192.168.87.209  somebody-with-a-long-name L2TP  [2001:db8::1]:1701\n");
}

static void t_packets(void **st)
{
	struct capture c;
	struct msg_ctl_row r = row_of(7, "joe");
	struct format f = { .layout = CTL_SESSION_PACKETS };

	capture_open(&c);
	f.out = c.f;
	format_session(&f, &r, true);
	r = row_of(12, "x");
	r.row.in_bytes = 10737418240;
	r.row.in_packets = 12345678;
	r.row.in_errors = 123456;
	r.row.out_bytes = 0;
	r.row.out_packets = 5000000000;
	format_session(&f, &r, true);
	capture_check(&c, PACKETS_HEAD
		"         7 joe                        1.2      12     0       1.0       3     0\n"
		"        12 x                    10485760.0 12345678 123456       0.0 5000000000     0\n");
}

#define BLOCK_TOP(id, user) \
	"Ppp Id = " id "\n" \
	"          Ppp Id                  : " id "\n" \
	"          Username                : " user "\n" \
	"          Realm Name              : LOCAL\n" \
	"          Concentrated Interface  : pppx0\n" \
	"          Assigned IPv4 Address   : 10.0.0.25\n" \
	"          MRU                     : 1360\n" \
	"          Tunnel Protocol         : L2TP\n" \
	"          Tunnel From             : 192.0.2.1:1701\n" \
	"          Start Time              : 2026/11/20 05:10:00\n"
#define BLOCK_REST \
	"          Elapsed Time            : 65 sec (1 minute)\n" \
	"          Input Bytes             : 1234 (1.2 KB)\n" \
	"          Input Packets           : 12\n" \
	"          Input Errors            : 0 (0.0%)\n" \
	"          Output Bytes            : 999\n" \
	"          Output Packets          : 3\n" \
	"          Output Errors           : 0 (0.0%)\n"
#define BLOCK(id, user) BLOCK_TOP(id, user) BLOCK_REST

static void t_all(void **st)
{
	struct capture c;
	struct msg_ctl_row r = row_of(7, "u");
	struct format f = { .layout = CTL_SESSION_ALL };

	capture_open(&c);
	f.out = c.f;
	format_session(&f, &r, true);
	r.row.ppp_id = 8;
	format_session(&f, &r, false);
	r = row_of(9, "\x1b[31m\x7fv\\x0a");
	format_session(&f, &r, true);
	capture_check(&c, BLOCK("7", "u") "\n" BLOCK("9", "\\x1b[31m\\x7fv\\x0a"));

	/* What a RADIUS server added. */
	r = row_of(7, "u");
	r.row.rate_in_bps = 512000;
	r.row.rate_out_bps = 1000000000000;
	r.row.n_routes = 2;
	r.row.route[0] = (struct radius_route){ 0x0a010000, 0xffff0000 };
	r.row.route[1] = (struct radius_route){ 0xc0a80507, 0xffffffff };
	f = (struct format){ .layout = CTL_SESSION_ALL };
	capture_open(&c);
	f.out = c.f;
	format_session(&f, &r, true);
	capture_check(&c, BLOCK("7", "u")
		"          Input Limit             : 512000 bit/s\n"
		"          Output Limit            : 1000000000000 bit/s\n"
		"          Framed Route            : 10.1.0.0/16\n"
		"          Framed Route            : 192.168.5.7/32\n");

	/* The first one of the list, shown or not, has no blank line before it. */
	f = (struct format){ .layout = CTL_SESSION_ALL };
	r = row_of(7, "u");
	capture_open(&c);
	f.out = c.f;
	format_session(&f, &r, false);
	format_session(&f, &r, true);
	capture_check(&c, "\n" BLOCK("7", "u"));
}

/* The line of a block that begins with label. */
static void line_check(const struct msg_ctl_row *r, const char *label, const char *want)
{
	struct capture c;
	struct format f = { .layout = CTL_SESSION_ALL };
	char *at, *end;

	capture_open(&c);
	f.out = c.f;
	format_session(&f, r, true);
	fclose(c.f);
	at = strstr(c.text, label);
	assert_non_null(at);
	at = strchr(at, ':') + 2;
	end = strchr(at, '\n');
	*end = '\0';
	assert_string_equal(at, want);
	free(c.text);
}

static void t_all_lines(void **st)
{
	static const struct {
		uint64_t s;
		const char *text;
	} elapsed[] = {
		{ 0, "0 sec " }, { 9, "9 sec " }, { 59, "59 sec " }, { 60, "60 sec (1 minute)" },
		{ 119, "119 sec (1 minute)" }, { 120, "120 sec (2 minutes)" }, { 3599, "3599 sec (59 minutes)" },
		{ 3600, "3600 sec (1 hour)" }, { 3660, "3660 sec (1 hour and 1 minute)" },
		{ 7200, "7200 sec (2 hours)" }, { 19125, "19125 sec (5 hours and 18 minutes)" },
		{ 864060, "864060 sec (240 hours and 1 minute)" },
	};
	static const struct {
		uint64_t n;
		const char *text;
	} bytes[] = {
		{ 0, "0" }, { 999, "999" }, { 1000, "1000 (1.0 KB)" }, { 1024, "1024 (1.0 KB)" },
		{ 1023999, "1023999 (1000.0 KB)" }, { 1024000, "1024000 (1.0 MB)" },
		{ 1048575999, "1048575999 (1000.0 MB)" }, { 1048576000, "1048576000 (1.0 GB)" },
		{ 1099511627776, "1099511627776 (1024.0 GB)" },
	};
	static const struct {
		uint64_t errors, packets;
		const char *text;
	} errors[] = {
		{ 0, 0, "0 (0.0%)" }, { 1, 0, "1 (100.0%)" }, { 1, 999, "1 (0.1%)" }, { 3, 3, "3 (50.0%)" },
		{ UINT64_MAX, UINT64_MAX, "18446744073709551615 (50.0%)" },
	};
	struct msg_ctl_row r = row_of(7, "u");

	for (size_t i = 0; i < N_ELEMENTS(elapsed); i++) {
		r.elapsed_s = elapsed[i].s;
		line_check(&r, "Elapsed Time", elapsed[i].text);
	}
	for (size_t i = 0; i < N_ELEMENTS(bytes); i++) {
		r.row.in_bytes = bytes[i].n;
		line_check(&r, "Input Bytes", bytes[i].text);
		r.row.out_bytes = bytes[i].n;
		line_check(&r, "Output Bytes", bytes[i].text);
	}
	for (size_t i = 0; i < N_ELEMENTS(errors); i++) {
		r.row.in_errors = errors[i].errors;
		r.row.in_packets = errors[i].packets;
		line_check(&r, "Input Errors", errors[i].text);
		r.row.out_errors = errors[i].errors;
		r.row.out_packets = errors[i].packets;
		line_check(&r, "Output Errors", errors[i].text);
	}
	/* Beyond any calendar. */
	r.row.start_wall_s = INT64_MAX;
	line_check(&r, "Start Time", "-");
	r.row.start_wall_s = 0;
	line_check(&r, "Start Time", "1970/01/01 00:00:00");
	/* No end within the field. */
	memset(r.row.ifname, 'i', sizeof(r.row.ifname));
	line_check(&r, "Concentrated", "iiiiiiiiiiiiiiii");
}

static void t_cleared(void **st)
{
	static const struct {
		unsigned done, failed;
		const char *text;
	} rows[] = {
		{ 0, 0, "No session to disconnect.\n" },
		{ 1, 0, "Successfully disconnected 1 session.\n" },
		{ 2, 0, "Successfully disconnected 2 sessions.\n" },
		{ 0, 1, "Failed to disconnect 1 session.\n" },
		{ 1, 2, "Successfully disconnected 1 session.\nFailed to disconnect 2 sessions.\n" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct capture c;

		capture_open(&c);
		format_cleared(c.f, rows[i].done, rows[i].failed);
		capture_check(&c, rows[i].text);
	}
}

static const struct msg_ctl_counter counters[] = {
	{ "engine0", { "esp_bad_icv", 3 } },
	{ "engine0", { "in_packets", 1234567 } },
	{ "iked", { "x\x1b", 0 } },
};

#define STATUS PACKAGE_STRING "\n" \
	"engine0 esp_bad_icv       3\n" \
	"engine0 in_packets  1234567\n" \
	"iked    x\\x1b             0\n"

static void t_status(void **st)
{
	struct capture c;

	capture_open(&c);
	format_status(c.f, "culvert 0.1.0", NULL, 0);
	capture_check(&c, "culvert 0.1.0\n");
	capture_open(&c);
	format_status(c.f, PACKAGE_STRING, counters, N_ELEMENTS(counters));
	capture_check(&c, STATUS);
}

/* ---- the program ---- */

enum { PATIENCE_MS = 20000 };		/* only so that a hang ends */

/* culvertctl running, and the manager's end of it. */
struct run {
	char dir[64], path[96];
	int listen;
	pid_t pid;
	FILE *out, *err;
	struct chan ch;
};

static struct msg m;

static void run_listen(struct run *r)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };

	str_copy(r->dir, sizeof(r->dir), "/tmp/t_ctl.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/sock", r->dir);
	str_copy(sun.sun_path, sizeof(sun.sun_path), r->path);
	r->listen = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_true(r->listen >= 0);
	assert_int_equal(bind(r->listen, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(r->listen, 1), 0);
}

/* Words in one string, as above; output to files, so that nothing ever blocks on it. */
static void run_spawn(struct run *r, const char *line)
{
	const char *top = getenv("top_builddir");
	char buf[256], prog[256], *argv[20] = { prog, (char[]){ "-s" }, r->path };

	snprintf(prog, sizeof(prog), "%s/culvertctl", top ? top : ".");
	assert_true(str_copy(buf, sizeof(buf), line));
	argv[3 + words(buf, argv + 3)] = NULL;
	r->out = tmpfile();
	r->err = tmpfile();
	assert_non_null(r->out);
	assert_non_null(r->err);
	fflush(NULL);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (!r->pid) {
		dup2(fileno(r->out), 1);
		dup2(fileno(r->err), 2);
		execv(prog, argv);
		_exit(127);
	}
}

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

static void run_start(struct run *r, const char *line)
{
	int fd;

	run_listen(r);
	run_spawn(r, line);
	wait_readable(r->listen);
	fd = accept(r->listen, NULL, NULL);
	assert_true(fd >= 0);
	chan_init(&r->ch, fd, ROLE_MANAGER, ROLE_CTL, 0);
}

static const struct msg_ctl_req *run_request(struct run *r, uint32_t type)
{
	wait_readable(r->ch.fd);
	assert_int_equal(chan_recv(&r->ch, &m), 1);
	assert_int_equal(m.type, type);
	return &m.b.ctl_req;
}

static void run_row(struct run *r, const struct msg_ctl_row *row)
{
	assert_int_equal(chan_send(&r->ch, MSG_CTL_ROW, row, sizeof(*row), -1), 0);
}

static void run_end(struct run *r, int err, const char *text)
{
	struct msg_ctl_end e = { .err = err };

	str_copy(e.text, sizeof(e.text), text);
	assert_int_equal(chan_send(&r->ch, MSG_CTL_END, &e, sizeof(e), -1), 0);
	while (chan_waiting(&r->ch)) {
		struct pollfd p = { .fd = r->ch.fd, .events = POLLOUT };

		assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
		assert_int_equal(chan_flush(&r->ch), 0);
	}
}

static void text_check(FILE *f, const char *want)
{
	static char buf[1 << 20];
	size_t n;

	rewind(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	assert_string_equal(buf, want);
	fclose(f);
}

/* fmt of err: with the path of the socket as its only argument. */
static void run_finish(struct run *r, int status, const char *out, const char *err)
{
	char want[512];
	int got;

	assert_int_equal(waitpid(r->pid, &got, 0), r->pid);
	assert_true(WIFEXITED(got));
	snprintf(want, sizeof(want), "%s%s%s", err[0] == ':' ? "culvertctl: " : "", err[0] == ':' ? r->path : "", err);
	text_check(r->err, want);
	text_check(r->out, out);
	assert_int_equal(WEXITSTATUS(got), status);
	chan_close(&r->ch);
	close(r->listen);
	unlink(r->path);
	assert_int_equal(rmdir(r->dir), 0);
}

/* Of four rows two are sessions. */
static void send_rows(struct run *r)
{
	struct msg_ctl_row row = row_of(5, "early");

	row.row.state = ROW_LOGIN;
	run_row(r, &row);
	row = row_of(7, "joe");
	run_row(r, &row);
	row = row_of(6, "gone");
	row.row.state = ROW_LOGIN;
	run_row(r, &row);
	row = row_of(8, "ann");
	run_row(r, &row);
}

static void t_run_list(void **st)
{
	static const struct {
		const char *line, *out;
	} rows[] = {
		{ "-n|session|brief", BRIEF_HEAD
			"         7 10.0.0.25       joe                  L2TP  192.0.2.1:1701\n"
			"         8 10.0.0.25       ann                  L2TP  192.0.2.1:1701\n" },
		{ "session|packets", PACKETS_HEAD
			"         7 joe                        1.2      12     0       1.0       3     0\n"
			"         8 ann                        1.2      12     0       1.0       3     0\n" },
		{ "-n|session|all", BLOCK("7", "joe") "\n" BLOCK("8", "ann") },
		{ "-n|session|all|username|joe", BLOCK("7", "joe") },
		{ "-n|session|all|ppp-id|8", "\n" BLOCK("8", "ann") },
		{ "-n|session|all|ppp-id|5", "" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct run r;

		run_start(&r, rows[i].line);
		run_request(&r, MSG_CTL_LIST);
		send_rows(&r);
		run_end(&r, 0, "");
		run_finish(&r, 0, rows[i].out, "");
	}
}

static void t_run_empty(void **st)
{
	static const char *const lines[] = { "session|brief", "session|packets", "session|all" };

	for (size_t i = 0; i < N_ELEMENTS(lines); i++) {
		struct run r;

		run_start(&r, lines[i]);
		run_request(&r, MSG_CTL_LIST);
		run_end(&r, 0, "");
		run_finish(&r, 0, "", "");
	}
}

static void t_run_many(void **st)
{
	static char want[1 << 20];
	struct msg_ctl_row row = row_of(0, "u");
	struct run r;
	size_t n = (size_t)snprintf(want, sizeof(want), "%s", BRIEF_HEAD);

	run_start(&r, "-n|session|brief");
	run_request(&r, MSG_CTL_LIST);
	for (uint32_t i = 1; i <= 10000; i++) {
		row.row.ppp_id = i;
		run_row(&r, &row);
		n += (size_t)snprintf(want + n, sizeof(want) - n,
			"%10u 10.0.0.25       u                    L2TP  192.0.2.1:1701\n", i);
	}
	run_end(&r, 0, "");
	run_finish(&r, 0, want, "");
}

static void t_run_clear(void **st)
{
	struct run r;

	run_start(&r, "clear|ppp-id|7");
	assert_int_equal(run_request(&r, MSG_CTL_CLEAR)->ppp_id, 7);
	run_end(&r, 0, "");
	run_finish(&r, 0, "Successfully disconnected 1 session.\n", "");

	run_start(&r, "clear|ppp-id|9");
	run_request(&r, MSG_CTL_CLEAR);
	run_end(&r, -ENOENT, "no such\x1b session");
	run_finish(&r, 1, "Failed to disconnect 1 session.\n",
		"culvertctl: session 9: no such\\x1b session\n");

	run_start(&r, "clear|all");
	run_request(&r, MSG_CTL_LIST);
	send_rows(&r);
	run_end(&r, 0, "");
	assert_int_equal(run_request(&r, MSG_CTL_CLEAR)->ppp_id, 7);
	run_end(&r, 0, "");
	assert_int_equal(run_request(&r, MSG_CTL_CLEAR)->ppp_id, 8);
	run_end(&r, -ESRCH, "");
	run_finish(&r, 1, "Successfully disconnected 1 session.\nFailed to disconnect 1 session.\n",
		"culvertctl: session 8: No such process\n");

	/* Another filter beside ppp-id must hold too, so it is looked up. */
	run_start(&r, "clear|ppp-id|7|username|ann");
	run_request(&r, MSG_CTL_LIST);
	send_rows(&r);
	run_end(&r, 0, "");
	run_finish(&r, 0, "No session to disconnect.\n", "");

	run_start(&r, "cl|user|ann");
	run_request(&r, MSG_CTL_LIST);
	send_rows(&r);
	run_end(&r, 0, "");
	assert_int_equal(run_request(&r, MSG_CTL_CLEAR)->ppp_id, 8);
	run_end(&r, 0, "");
	run_finish(&r, 0, "Successfully disconnected 1 session.\n", "");
}

static void t_run_status(void **st)
{
	struct run r;

	run_start(&r, "status");
	run_request(&r, MSG_CTL_STATUS);
	for (size_t i = 0; i < N_ELEMENTS(counters); i++)
		assert_int_equal(chan_send(&r.ch, MSG_CTL_COUNTER, &counters[i], sizeof(counters[i]), -1), 0);
	run_end(&r, 0, "");
	run_finish(&r, 0, STATUS, "");
}

/* Text as it is, but for what a terminal takes for a command. */
static void t_line(void **st)
{
	static const struct {
		const char *line, *out;
	} rows[] = {
		{ "", "" },
		{ "/etc/culvert/conf:3:14: what \\x1b is this?", "/etc/culvert/conf:3:14: what \\x1b is this?" },
		{ "psk \"\xe2\x80\xa6\" \xc3\xa9 \xf0\x9f\x98\x80", "psk \"\xe2\x80\xa6\" \xc3\xa9 \xf0\x9f\x98\x80" },
		{ "\x1b[31m\a\t\n\x7f", "\\x1b[31m\\x07\\x09\\x0a\\x7f" },
		{ "\xc2\x9b" "31m \xc2\xa0", "\\xc2\\x9b31m \xc2\xa0" },	/* CSI in UTF-8 */
		{ "\x9b \xc0\xaf \xff \xc3(", "\\x9b \\xc0\\xaf \\xff \\xc3(" },
		{ "\xe2\x80", "\\xe2\\x80" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		char want[128];
		struct capture c;

		snprintf(want, sizeof(want), "%s\n", rows[i].out);
		capture_open(&c);
		format_line(c.f, rows[i].line);
		capture_check(&c, want);
	}
}

static void run_line(struct run *r, bool diag, const char *text)
{
	struct msg_line l = { .diag = diag };

	str_copy(l.text, sizeof(l.text), text);
	assert_int_equal(chan_send(&r->ch, MSG_CTL_LINE, &l, sizeof(l), -1), 0);
}

static void t_run_reload(void **st)
{
	static const char out[] = "changed: set max-session 0 -> 9\nsessions: 2 kept, 0 ended\n";
	struct run r;

	run_start(&r, "reload");
	run_request(&r, MSG_CTL_RELOAD);
	run_line(&r, true, "/etc/x:1:2: warning: hm");
	run_line(&r, false, "changed: set max-session 0 -> 9");
	run_line(&r, false, "sessions: 2 kept, 0 ended");
	run_end(&r, 0, "");
	run_finish(&r, 0, out, "/etc/x:1:2: warning: hm\n");

	/* A mistake: the lines say it all. */
	run_start(&r, "reload");
	run_request(&r, MSG_CTL_RELOAD);
	run_line(&r, true, "/etc/x:1:2: no");
	run_line(&r, false, "nothing changed");
	run_end(&r, -EINVAL, "");
	run_finish(&r, 1, "nothing changed\n", "/etc/x:1:2: no\n");

	run_start(&r, "reload");
	run_request(&r, MSG_CTL_RELOAD);
	run_end(&r, -EPIPE, "the server ends");
	run_finish(&r, 1, "", ": the server ends\n");
}

static void t_run_broken(void **st)
{
	static const struct msg_ctl_counter counter = { "engine0", { "x", 1 } };
	static const char nonsense[] = ": the answer makes no sense; are server and culvertctl of one version?\n";
	struct msg_ctl_row row = row_of(7, "joe");
	struct run r;

	run_start(&r, "-n|session|brief");		/* in the middle of the list */
	run_request(&r, MSG_CTL_LIST);
	run_row(&r, &row);
	chan_close(&r.ch);
	run_finish(&r, 1, BRIEF_HEAD "         7 10.0.0.25       joe                  L2TP  192.0.2.1:1701\n",
		": the server closed the connection\n");

	run_start(&r, "status");			/* at once */
	chan_close(&r.ch);
	run_finish(&r, 1, "", ": the server closed the connection\n");

	run_start(&r, "clear|all");
	run_request(&r, MSG_CTL_LIST);
	run_row(&r, &row);
	chan_close(&r.ch);
	run_finish(&r, 1, "", ": the server closed the connection\n");

	/* Refused, with a reason, and hung up on: the request unread, or not even sent yet. */
	for (int unread = 0; unread < 2; unread++) {
		run_start(&r, "session|brief");
		if (unread)
			wait_readable(r.ch.fd);
		run_end(&r, -EBUSY, "too many connections");
		chan_close(&r.ch);
		run_finish(&r, 1, "", ": too many connections\n");
	}

	run_start(&r, "session|brief");
	run_request(&r, MSG_CTL_LIST);
	run_end(&r, INT32_MIN, "");			/* in the table, but for its value */
	run_finish(&r, 1, "", nonsense);

	run_start(&r, "session|brief");			/* not in the table */
	run_request(&r, MSG_CTL_LIST);
	assert_int_equal(write(r.ch.fd, "\xff\xff\xff\xff\0\0\0\0", 8), 8);
	run_finish(&r, 1, "", nonsense);

	run_start(&r, "session|brief");			/* in the table, but no answer to this */
	run_request(&r, MSG_CTL_LIST);
	assert_int_equal(chan_send(&r.ch, MSG_CTL_COUNTER, &counter, sizeof(counter), -1), 0);
	run_finish(&r, 1, "", nonsense);
}

static void t_run_no_server(void **st)
{
	static const char none[] = ": no server listens here; is culvertd running?\n";
	struct run r = { .ch = { .fd = -1 } };

	list_init(&r.ch.out);
	run_listen(&r);
	close(r.listen);		/* left behind by a server that died */
	r.listen = -1;
	run_spawn(&r, "session|brief");
	run_finish(&r, 1, "", none);

	run_listen(&r);
	unlink(r.path);
	run_spawn(&r, "clear|all");
	run_finish(&r, 1, "", none);
}

static void t_run_usage(void **st)
{
	struct run r = { .ch = { .fd = -1 } };

	list_init(&r.ch.out);
	run_listen(&r);
	run_spawn(&r, "session|brief|-n");	/* an option is one only before the command */
	run_finish(&r, 2, "", "superfluous argument: -n\n");
	run_listen(&r);
	run_spawn(&r, "");
	run_finish(&r, 2, "", "missing argument:\n" COMMANDS);
}

static int setup(void **st)
{
	setenv("TZ", "UTC0", 1);
	tzset();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_args_good), cmocka_unit_test(t_args_bad), cmocka_unit_test(t_filter),
		cmocka_unit_test(t_brief), cmocka_unit_test(t_packets), cmocka_unit_test(t_all),
		cmocka_unit_test(t_all_lines), cmocka_unit_test(t_cleared), cmocka_unit_test(t_status),
		cmocka_unit_test(t_run_list), cmocka_unit_test(t_run_empty), cmocka_unit_test(t_run_many),
		cmocka_unit_test(t_run_clear), cmocka_unit_test(t_run_status), cmocka_unit_test(t_run_broken),
		cmocka_unit_test(t_line), cmocka_unit_test(t_run_reload), cmocka_unit_test(t_run_no_server), cmocka_unit_test(t_run_usage),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
