/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf: files, their modes, includes, secrets; the grammar itself is tests/conf/. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "l2tpd/conf.h"
#include "l2tpd/conf_parse.h"
#include "l2tpd/keyword.h"

#define IKE "ike passive esp transport from any to any psk \"tail-gunner-osprey-lilac\"\n"
#define USERS "authentication LOCAL type local {\n\tusers-file users\n}\n" POOL
/* No machine that runs tests is in that network (RFC 5737). */
#define POOL "ipcp I { pool-address 203.0.113.0/24 }\n"

static char dir[] = "/tmp/culvert-t_conf-XXXXXX";
static struct conf c;

static void put(const char *name, const char *text, mode_t mode)
{
	FILE *f;

	unlink(name);
	f = fopen(name, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(name, mode), 0);
}

/* A line of the messages that holds this text. */
static bool said(const struct conf_msgs *m, const char *text)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strstr(m->line[i], text))
			return true;
	}
	for (size_t i = 0; i < m->n; i++)
		print_message("%s\n", m->line[i]);
	return false;
}

static int setup(void **st)
{
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int teardown(void **st)
{
	char cmd[64];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return chdir("/") || system(cmd);
}

static void t_files(void **st)
{
	/* What stands in main.conf, psk (NULL: no such file) and users, with their modes, and what is said. */
	static const struct {
		const char *conf;
		mode_t conf_mode;
		const char *psk;
		mode_t psk_mode;
		mode_t users_mode;
		int ret;
		const char *says;
	} rows[] = {
		{ IKE USERS, 0600, NULL, 0, 0600, 0, NULL },
		{ IKE USERS, 0644, NULL, 0, 0600, -1, "main.conf: it holds a secret and others may read it: chmod 600 main.conf" },
		{ IKE USERS, 0620, NULL, 0, 0600, -1, "others may write to it: chmod 600 main.conf" },
		{ "set engines 1\n" USERS, 0644, NULL, 0, 0600, 0, "no ike statement" },
		{ "set engines 1\n" USERS, 0664, NULL, 0, 0600, -1, "others may write to it: chmod go-w main.conf" },
		{ IKE USERS, 0600, NULL, 0, 0640, -1, "main.conf:3:13: users-file: users holds secrets and is open to others: "
						     "chmod 600 users" },
		{ IKE USERS, 0600, NULL, 0, 0604, -1, "chmod 600 users" },
		{ IKE USERS, 0600, NULL, 0, 0, 0, "main.conf:3:13: warning: users-file users is not there" },
		{ "ike passive esp transport from any to any psk file psk\n" USERS, 0644, "tail-gunner-osprey-lilac\n", 0600, 0600,
		  0, NULL },
		{ "ike passive esp transport from any to any psk file psk\n" USERS, 0644, "tail-gunner-osprey-lilac\n", 0644, 0600,
		  -1, "main.conf:1:52: psk file: psk holds secrets and is open to others: chmod 600 psk" },
		{ "ike passive esp transport from any to any psk file psk\n" USERS, 0644, NULL, 0, 0600, -1,
		  "main.conf:1:52: psk file: psk cannot be opened: No such file" },
		{ "ike passive esp transport from any to any psk file psk\n" USERS, 0644, "\n", 0600, 0600, -1, "psk is empty" },
		{ "ike passive esp transport from any to any psk file psk\n" USERS, 0644, "a\nb\n", 0600, 0600, -1,
		  "holds more than one line" },
		{ "ike passive esp transport from any to any psk file psk\n" USERS, 0644, "vpn\n", 0600, 0600, 0,
		  "main.conf:1:52: warning: the pre-shared key has fewer than 16" },
		{ "ike passive esp transport from any to any psk file \"/\"\n" USERS, 0644, NULL, 0, 0600, -1, "no regular file" },
		{ "include other.conf\n" IKE USERS, 0600, NULL, 0, 0600, -1, "main.conf:1:9: other.conf: cannot be opened" },
		{ IKE "authentication LOCAL type local { users-file \"open/users\" }\n" POOL, 0600, NULL, 0, 0600, -1,
		  "main.conf:2:46: users-file: others may put another file in the place of open/users: chmod go-w open" },
		{ "include \"open/more.conf\"\n" IKE USERS, 0600, NULL, 0, 0600, -1,
		  "open/more.conf: others may put another file in the place of open/more.conf: chmod go-w open" },
		{ "include link.conf\n" IKE USERS, 0600, NULL, 0, 0600, -1,
		  "open/more.conf: chmod go-w /" },
		{ "include \"sticky/more.conf\"\n" IKE USERS, 0600, NULL, 0, 0600, 0, NULL },
		{ "include main.conf\n", 0600, NULL, 0, 0600, -1, "include one another more than 8 deep" },
		{ "include \"/\"\n", 0600, NULL, 0, 0600, -1, "main.conf:1:9: /: is a directory" },
	};

	/* Directories that others may write to, the second one as /tmp is. */
	assert_int_equal(mkdir("open", 0700) || mkdir("sticky", 0700), 0);
	put("open/users", "", 0600);
	put("open/more.conf", "set engines 1\n", 0600);
	put("sticky/more.conf", "set engines 1\n", 0600);
	assert_int_equal(chmod("open", 0777) || chmod("sticky", 01777) || symlink("open/more.conf", "link.conf"), 0);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct conf_msgs m = { 0 };
		int ret;

		put("main.conf", rows[i].conf, rows[i].conf_mode);
		unlink("psk");
		unlink("users");
		if (rows[i].psk)
			put("psk", rows[i].psk, rows[i].psk_mode);
		if (rows[i].users_mode)
			put("users", "", rows[i].users_mode);
		memset(&c, 0x55, sizeof(c));
		ret = conf_load("main.conf", &c, &m);
		if (ret != rows[i].ret || (rows[i].says && !said(&m, rows[i].says))) {
			conf_msgs_print(stderr, &m);
			fail_msg("row %zu: %d", i, ret);
		}
		if (!rows[i].says && m.n)
			fail_msg("row %zu says %s", i, m.line[0]);
		assert_int_equal(ret < 0, m.errors > 0);
		/* Refused: the old one is untouched. */
		if (ret < 0)
			assert_int_equal(c.engines, 0x5555);
		else if (rows[i].psk && strlen(rows[i].psk) > 10)
			assert_memory_equal(c.ike[0].psk, "tail-gunner-osprey-lilac", c.ike[0].psk_len);
		conf_msgs_free(&m);
	}
}

static void t_places(void **st)
{
	struct conf_msgs m = { 0 };

	/* A file is named by the one that includes it, from its folder; macros go along. */
	assert_int_equal(mkdir("sub", 0700), 0);
	put("users", "", 0600);
	put("sub/users", "", 0600);
	put("main.conf", "n = 3\ninclude \"sub/a.conf\"\n" IKE, 0600);
	put("sub/a.conf", "include b.conf\nset engines $n", 0600);
	put("sub/b.conf", USERS "control { socket here.sock\n group g }", 0600);
	assert_int_equal(conf_load("main.conf", &c, &m), 0);
	assert_int_equal(m.n, 0);
	assert_int_equal(c.engines, 3);
	assert_int_equal(c.n_ike, 1);
	assert_string_equal(c.auth[0].users_file, "sub/users");
	assert_string_equal(c.control_socket, "sub/here.sock");

	/* An error in a file is placed there; a block does not go on in another file. */
	put("sub/b.conf", "set engins 3\n", 0600);
	assert_int_equal(conf_load("main.conf", &c, &m), -1);
	assert_true(said(&m, "sub/b.conf:1:5: unknown setting \"engins\"; did you mean \"engines\"? "
			     "(included at sub/a.conf:1:9)"));
	put("sub/b.conf", "control {\n", 0600);
	assert_int_equal(conf_load("main.conf", &c, &m), -1);
	assert_true(said(&m, "sub/b.conf:1:9: the block that begins here is not closed at the end of the file"));

	assert_int_equal(symlink("users", "link"), 0);
	put("main.conf", IKE "authentication LOCAL type local { users-file link }\n", 0600);
	conf_msgs_free(&m);
	assert_int_equal(conf_load("main.conf", &c, &m), -1);
	assert_true(said(&m, "link is a symbolic link"));
	conf_msgs_free(&m);
	assert_int_equal(conf_load("nowhere.conf", &c, &m), -1);
	assert_true(said(&m, "nowhere.conf: cannot be opened: No such file"));
	conf_msgs_free(&m);
	assert_int_equal(conf_load(dir, &c, &m), -1);
	assert_true(said(&m, ": is a directory"));
	conf_msgs_free(&m);
}

static void t_sizes(void **st)
{
	size_t n = CONF_FILE_MAX + 16;
	char *text = malloc(n);
	struct conf_msgs m = { 0 };

	assert_non_null(text);
	memset(text, ' ', n);
	memcpy(text, IKE, strlen(IKE));
	/* The longest line, then one byte more. */
	text[strlen(IKE)] = '#';
	assert_int_equal(conf_parse("t", text, strlen(IKE) + CONF_LINE_MAX - 1, CONF_NO_FILES, &c, &m), 0);
	assert_int_equal(conf_parse("t", text, strlen(IKE) + CONF_LINE_MAX, CONF_NO_FILES, &c, &m), -1);
	assert_true(said(&m, "t:2:65536: the line is too long"));
	conf_msgs_free(&m);
	for (size_t i = strlen(IKE); i < n; i++)
		text[i] = i % 60 ? ' ' : '\n';
	assert_int_equal(conf_parse("t", text, CONF_FILE_MAX, CONF_NO_FILES, &c, &m), 0);
	assert_int_equal(conf_parse("t", text, CONF_FILE_MAX + 1, CONF_NO_FILES, &c, &m), -1);
	assert_true(said(&m, "larger than"));
	conf_msgs_free(&m);
	/* Messages are bounded, and counted. */
	for (size_t i = 0; i < 1000; i++)
		text[i] = i % 2 ? '\n' : '=';
	assert_int_equal(conf_parse("t", text, 1000, CONF_NO_FILES, &c, &m), -1);
	assert_int_equal(m.n, CONF_MSGS_MAX);
	conf_msgs_free(&m);
	/* An error after many warnings is seen. */
	text[0] = '\0';
	for (size_t i = 0; i < 100; i++)
		strcat(text, "set engines 3\n");
	strcat(text, "set engins 3\n");
	assert_int_equal(conf_parse("t", text, strlen(text), CONF_NO_FILES, &c, &m), -1);
	assert_int_equal(m.warnings, 99);
	assert_int_equal(m.n, CONF_MSGS_MAX + 1);
	assert_true(said(&m, "t:101:5: unknown setting"));
	conf_msgs_free(&m);
	free(text);
}

static void t_lists_full(void **st)
{
	/* One more than fits of everything that is counted. */
	static const struct {
		const char *line, *says;
		unsigned fit;
	} rows[] = {
		{ "ike passive esp transport from any to 10.%u.0.0/16 psk \"tail-gunner-osprey-lilac\"\n",
		  "too many ike statements; at most 16", CONF_IKES },
		{ "tunnel T%u protocol l2tp\n", "too many tunnels; at most 8", CONF_TUNNELS },
		{ "tunnel T%u protocol pptp\n", "too many tunnels; at most 8", CONF_TUNNELS },
		{ "ipcp I%u { }\n", "too many ipcp blocks; at most 8", CONF_IPCPS },
		{ "interface pppx%u address 10.0.0.1 ipcp I\n", "too many interfaces; at most 8", CONF_INTERFACES },
		{ "authentication A%u type local { }\n", "too many authentication blocks; at most 8", CONF_AUTHS },
		{ "bind tunnel from T%u authenticated by A to I\n", "too many binds; at most 16", CONF_BINDS },
		{ "ipcp I { pool-address \"10.%u.0.0/24\"\n", "too many pool-address", CONF_POOLS },
		{ "tunnel T protocol l2tp { listen on 10.0.0.%u\n", "too many listen addresses", CONF_LISTENS },
		{ "authentication R type radius { authentication-server { address 10.0.0.%u secret x\n",
		  "too many servers; at most 4", CONF_RADIUS_SERVERS },
	};
	char text[8192], line[128];

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		const char *brace = strrchr(rows[i].line, '{');
		bool inside = brace && !strchr(brace, '}');

		for (unsigned n = rows[i].fit; n <= rows[i].fit + 1; n++) {
			struct conf_msgs m = { 0 };

			text[0] = '\0';
			for (unsigned k = 1; k <= n; k++) {
				snprintf(line, sizeof(line), rows[i].line, k);
				strcat(text, inside && k > 1 ? strrchr(line, '{') + 1 : line);
			}
			int ret = conf_parse("t", text, strlen(text), CONF_NO_FILES, &c, &m);
			bool full = false;

			assert_int_equal(ret, m.errors ? -1 : 0);
			for (size_t k = 0; k < m.n; k++)
				full = full || strstr(m.line[k], rows[i].says);
			if (full != (n > rows[i].fit)) {
				conf_msgs_print(stderr, &m);
				fail_msg("%s %u", rows[i].line, n);
			}
			conf_msgs_free(&m);
		}
	}
}

static void t_nets(void **st)
{
	static const struct conf_net nets[] = {
		{ "eth0", 0xc0000200, 0xc00002ff },	/* 192.0.2.0/24 */
		{ "eth1", 0xc0a85700, 0xc0a857ff },	/* 192.168.87.0/24 */
		{ "wg0", 0x0a090001, 0x0a090001 },	/* 10.9.0.1 */
	};
	/* A pool, and what is said about it. */
	static const struct {
		const char *pool, *says;
	} rows[] = {
		{ "192.0.3.0/24", NULL },
		{ "192.0.1.0-192.0.1.255", NULL },
		{ "192.0.2.128/25", "t:2:23: warning: pool 192.0.2.129-192.0.2.254 is in the network of this host's eth0, "
				    "192.0.2.0-192.0.2.255: " },
		{ "192.0.1.0-192.0.2.0", "is in the network of this host's eth0" },
		{ "192.168.87.10", "take another network, such as 10.87.87.0/24" },
		{ "10.9.0.0/24", "this host's wg0" },
	};
	char text[256];

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct conf_msgs m = { 0 };

		snprintf(text, sizeof(text), IKE "ipcp I { pool-address \"%s\" }\ninterface pppx0 address 10.1.0.1 ipcp I\n",
			rows[i].pool);
		assert_int_equal(conf_parse_on(nets, N_ELEMENTS(nets), "t", text, strlen(text), &c, &m), 0);
		if (rows[i].says ? !said(&m, rows[i].says) : m.n > 0)
			fail_msg("%s", rows[i].pool);
		conf_msgs_free(&m);
	}
	/* The pool that is there when none is written. */
	struct conf_msgs m = { 0 };

	assert_int_equal(conf_parse_on(nets, N_ELEMENTS(nets), "t", IKE, strlen(IKE), &c, &m), 0);
	assert_true(said(&m, "t: warning: pool 192.168.87.10-192.168.87.209 is in the network of this host's eth1"));
	conf_msgs_free(&m);
}

/* Whatever fills a file makes it slow only as its length: a file of the largest size of each. */
static void t_large(void **st)
{
	/* What stands in front, so that the line means something; the line, over and over. */
	static const struct {
		const char *head, *line;
	} rows[] = {
		{ "", "m%u = x\n" }, { "m = y\n", "x = $m\n" }, { "x = 1\n", "$x " }, { "", "x = a a a a a a a a a a a a a a \\\n" },
		{ "x = \\\n", "a a a a a a a a a a a a a a \\\n" }, { "", "# x \\\n" }, { "", "include x\n" },
		{ "", "set engines 1\n" }, { "", "tunnel T%u protocol l2tp {\n" }, { "", "{\n" }, { "", "}\n" },
		{ "tunnel T protocol l2tp {\n", "lcp-timeout 3\n" }, { "tunnel T protocol l2tp {\n", "mruu\n" },
		{ "", "tunnel T protocol pptp { listen on 10.0.0.1 }\n" }, { "ipcp I {\n", "pool-address 10.0.0.0/24\n" },
		{ "", "ike passive from { 10.0.0.1 10.0.0.2 } to any psk x\n" }, { "ike from { ", "10.0.0.1, " },
		{ "", "\"" }, { "", "'a' " }, { "", "x%u " }, { "", "firewall { filter F { { { } } } }\n" }, { "", "control { group g }\n" },
	};
	char *text = malloc(CONF_FILE_MAX + 1), line[96];

	assert_non_null(text);
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		size_t n = strlen(rows[i].head);
		struct conf_msgs m = { 0 };

		memcpy(text, rows[i].head, n);
		for (unsigned k = 0;; k++) {
			size_t len = (size_t)snprintf(line, sizeof(line), rows[i].line, k);

			if (n + len > CONF_FILE_MAX)
				break;
			memcpy(text + n, line, len);
			n += len;
		}
		int ret = conf_parse("t", text, n, CONF_NO_FILES, &c, &m);

		assert_int_equal(ret, m.errors ? -1 : 0);
		conf_msgs_free(&m);
	}
	free(text);
}

static void t_pap(void **st)
{
	static const char text[] = IKE "tunnel T protocol l2tp {\n\tauthentication-method mschapv2 pap\n}\n" POOL;
	struct conf_msgs m = { 0 };
	bool built = kw_find("pap", IN_TUNNEL)->state == KW_WORKS;

	assert_int_equal(conf_parse("t", text, strlen(text), CONF_NO_FILES, &c, &m), built ? 0 : -1);
	assert_true(said(&m, built ? "t:3:24: warning: pap hands the password itself to the server" : "pap is not built yet"));
	conf_msgs_free(&m);
}

static void t_secrets(void **st)
{
	static const char text[] = IKE
		"authentication R type radius { authentication-server { address 10.0.0.1 secret tail-gunner }\n"
		"accounting-server { address 10.0.0.1 secret tail-gunner } }\n"
		"tunnel L protocol l2tp {\nl2tp-secret tail-gunner-nest\n}\n";
	/* None of these may show what stands after psk or secret. */
	static const char *const bad[] = {
		"ike passive esp transport from any to any psk tail-gunner osprey\n",
		"ike passive esp transport from any to any psk \"tail-gunner\" osprey\n",
		"ike passive esp transport from any to any psk file \"tail-gunner\" tail-gunner\n",
		"ike passive esp transport from any to any psk tail-gunner \"osprey\n",
		"ike passive esp transport from any to any psk \"x\"osprey\n",
		"authentication R type radius { authentication-server { address 10.0.0.1 secret x osprey }\n}\n",
		"ike passive esp transport from any to any psk osprey!tail-gunner\n",
		"tunnel L protocol l2tp {\nl2tp-secret osprey gunner\n}\n",
		"tunnel L protocol l2tp {\nl2tp-secret \"osprey\" \"gunner\"\n}\n",
		"tunnel L protocol l2tp {\nl2tp-secret osprey#gunner\n}\n",
		"tunnel L protocol l2tp {\nl2tp-secret file \"osprey\" gunner\n}\n",
	};
	struct conf_msgs m = { 0 };

	assert_int_equal(conf_parse("t", text, strlen(text), CONF_NO_FILES, &c, &m), 0);
	conf_msgs_free(&m);
	assert_non_null(memmem(&c, sizeof(c), "tail-gunner", 11));
	{
		static struct conf some;

		/* To each what is its business. */
		some = c;
		conf_scrub_but(&some, CONF_SECRETS_IKE);
		assert_int_not_equal(some.ike[0].psk_len, 0);
		assert_int_equal(some.tunnel[0].l2tp_secret_len, 0);
		assert_null(memmem(&some, sizeof(some), "tail-gunner-nest", 16));
		some = c;
		conf_scrub_but(&some, CONF_SECRETS_L2TP);
		assert_int_equal(some.ike[0].psk_len, 0);
		assert_int_equal(some.tunnel[0].l2tp_secret_len, 16);
	}
	conf_scrub(&c);
	assert_null(memmem(&c, sizeof(c), "tail-gunner", 11));
	assert_null(memmem(&c, sizeof(c), "osprey", 6));
	assert_int_equal(c.ike[0].psk_len, 0);
	for (size_t i = 0; i < N_ELEMENTS(bad); i++) {
		assert_int_equal(conf_parse("t", bad[i], strlen(bad[i]), CONF_NO_FILES, &c, &m), -1);
		assert_true(m.n > 0);
		for (size_t k = 0; k < m.n; k++) {
			if (strstr(m.line[k], "osprey") || strstr(m.line[k], "gunner"))
				fail_msg("%s", m.line[k]);
		}
		conf_msgs_free(&m);
	}
}

static void t_suggest(void **st)
{
	static const struct {
		const char *a, *b;
		unsigned d;
	} rows[] = {
		{ "", "", 0 }, { "mru", "mru", 0 }, { "mruu", "mru", 1 }, { "mur", "mru", 1 }, { "form", "from", 1 },
		{ "tunel", "tunnel", 1 }, { "bnid", "bind", 1 }, { "abc", "xyz", 3 }, { "a", "abcdefgh", 4 /* too far */ },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		assert_int_equal(kw_distance(rows[i].a, rows[i].b, 3), rows[i].d);
		assert_int_equal(kw_distance(rows[i].b, rows[i].a, 3), rows[i].d);
	}
	/* A word is a keyword once in a statement, or the table would hide a row. */
	for (size_t i = 0; i < n_keywords; i++) {
		for (size_t k = 0; k < i; k++) {
			if (!strcmp(keywords[i].name, keywords[k].name) && (keywords[i].in & keywords[k].in))
				fail_msg("%s stands twice", keywords[i].name);
		}
	}
}

/* Which name servers of a resolv.conf clients can use. */
static void t_resolver(void **st)
{
	static const struct { const char *text; uint32_t a, b; } rows[] = {
		{ "", 0, 0 }, { "nameserver", 0, 0 }, { "nameserver ", 0, 0 }, { "search example.net\n", 0, 0 },
		{ "nameserver 192.0.2.1", 0xc0000201, 0 }, { "nameserver 192.0.2.1\n", 0xc0000201, 0 },
		{ "# nameserver 192.0.2.1\n", 0, 0 }, { "nameserver\t192.0.2.1 # one\n", 0xc0000201, 0 },
		{ "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n", 0xc0000201, 0xc0000202 },
		{ "nameserver 192.0.2.1\nnameserver 192.0.2.1\nnameserver 192.0.2.3\n", 0xc0000201, 0xc0000203 },
		{ "nameserver 127.0.0.53\nnameserver 192.0.2.2\n", 0xc0000202, 0 }, { "nameserver 127.0.0.53\n", 0, 0 },
		{ "nameserver 2001:db8::1\nnameserver 192.0.2.2\n", 0xc0000202, 0 }, { "nameserver 0.0.0.0\n", 0, 0 },
		{ "nameserver 192.0.2\nnameserver x\n", 0, 0 },
	};
	char deep[300];
	uint32_t got[2];

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		conf_resolver(rows[i].text, strlen(rows[i].text), got);
		if (got[0] != rows[i].a || got[1] != rows[i].b)
			fail_msg("row %zu: %08x %08x", i, got[0], got[1]);
	}
	/* A line too long to be one. */
	memset(deep, ' ', sizeof(deep));
	memcpy(deep, "nameserver", 10);
	memcpy(deep + sizeof(deep) - 9, "192.0.2.1", 9);
	conf_resolver(deep, sizeof(deep), got);
	assert_int_equal(got[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_resolver), cmocka_unit_test(t_files),
		cmocka_unit_test(t_places),
		cmocka_unit_test(t_sizes),
		cmocka_unit_test(t_lists_full),
		cmocka_unit_test(t_nets),
		cmocka_unit_test(t_large),
		cmocka_unit_test(t_pap),
		cmocka_unit_test(t_secrets),
		cmocka_unit_test(t_suggest),
	};

	umask(077);
	return cmocka_run_group_tests_name("conf", tests, setup, teardown);
}
