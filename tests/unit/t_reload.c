/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reload's pure part: where the objects of a new file go, what stays because
 * only a restart can change it, what a person is told, and who may stay.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "l2tpd/conf.h"
#include "l2tpd/conf_merge.h"

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* Parts of files. */
#define IKE "ike passive esp transport from any to any psk \"a key that is long enough\"\n"
#define TUN(n, on, more) "tunnel " n " protocol l2tp {\nlisten on " on "\n" more "}\n"
#define POOL(n, range) "ipcp " n " {\npool-address \"" range "\"\n}\n"
#define IF(n, a, i) "interface " n " address " a " ipcp " i "\n"
#define AUTH(n, more) "authentication " n " type local {\n" more "}\n"
#define BIND(t, a, i) "bind tunnel from " t " authenticated by " a " to " i "\n"

#define ONE IKE TUN("A", "192.0.2.1", "") POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "") \
	BIND("A", "U", "pppx0")

static struct conf live, file, next;

static void parse(const char *text, struct conf *ret)
{
	struct conf_msgs msgs = { 0 };

	if (conf_parse("test", text, strlen(text), CONF_NO_FILES, ret, &msgs) < 0) {
		conf_msgs_print(stderr, &msgs);
		fail();
	}
	conf_msgs_free(&msgs);
}

/* Sockets at 192.0.2.1, .2 and .3, tables for max-session 100. */
static int merge(const struct conf *from, const struct conf *to, struct conf *ret, char why[static 128])
{
	struct addr sock[3];
	struct conf_fixed fixed = { .sock = sock, .n_sock = 3, .rows = conf_rows(100) };

	for (unsigned i = 0; i < 3; i++)
		sock[i] = addr_v4(IP(192, 0, 2, i + 1), 0);
	return conf_merge(from, to, &fixed, ret, why);
}

/* Every object by name in its slot, "-" for a hole, binds by their indices. */
static void layout(const struct conf *c, char *ret, size_t cap)
{
	size_t n = 0;

#define PUT(...) n += (size_t)snprintf(ret + n, cap - n, __VA_ARGS__)
	for (unsigned i = 0; i < c->n_tunnel; i++)
		PUT("%s ", conf_has_tunnel(c, i) ? c->tunnel[i].name : "-");
	PUT("| ");
	for (unsigned i = 0; i < c->n_ipcp; i++)
		PUT("%s ", conf_has_ipcp(c, i) ? c->ipcp[i].name : "-");
	PUT("| ");
	for (unsigned i = 0; i < c->n_interface; i++) {
		if (conf_has_interface(c, i))
			PUT("%s:%u ", c->interface[i].name, c->interface[i].ipcp);
		else
			PUT("- ");
	}
	PUT("| ");
	for (unsigned i = 0; i < c->n_auth; i++)
		PUT("%s ", conf_has_auth(c, i) ? c->auth[i].name : "-");
	PUT("|");
	for (unsigned i = 0; i < c->n_bind; i++) {
		if (conf_has_bind(c, i))
			PUT(" %u%u%u", c->bind[i].tunnel, c->bind[i].auth, c->bind[i].interface);
		else
			PUT(" -");
	}
#undef PUT
}

/* ---- indices: reloads one after the other ---- */

#define T2 TUN("A", "192.0.2.1", "") TUN("B", "192.0.2.2", "")
#define P2 POOL("P", "10.0.0.10-10.0.0.99") POOL("Q", "10.0.1.10-10.0.1.99")
#define I2 IF("pppx0", "10.0.0.1", "P") IF("tun0", "10.0.1.1", "Q")
#define A2 AUTH("U", "") AUTH("V", "username-suffix \"@v\"\n")
#define B2 BIND("A", "U", "pppx0") BIND("A", "V", "tun0") BIND("B", "U", "tun0")
#define TWO T2 P2 I2 A2 B2

static const struct step {
	const char *text, *want;
} steps[][9] = {
	{	/* order does not matter */
		{ IKE TWO, "A B | P Q | pppx0:0 tun0:1 | U V | 000 011 101" },
		{ BIND("B", "U", "tun0") BIND("A", "V", "tun0") BIND("A", "U", "pppx0")
		  AUTH("V", "username-suffix \"@v\"\n") AUTH("U", "") IF("tun0", "10.0.1.1", "Q") IF("pppx0", "10.0.0.1", "P")
		  POOL("Q", "10.0.1.10-10.0.1.99") POOL("P", "10.0.0.10-10.0.0.99")
		  TUN("B", "192.0.2.2", "") TUN("A", "192.0.2.1", "") IKE,
		  "A B | P Q | pppx0:0 tun0:1 | U V | 000 011 101" },
	}, {	/* what goes leaves a hole, what comes takes another place, and finds its own again only by chance */
		{ IKE TWO, "A B | P Q | pppx0:0 tun0:1 | U V | 000 011 101" },
		{ IKE TUN("B", "192.0.2.2", "") POOL("Q", "10.0.1.10-10.0.1.99") IF("tun0", "10.0.1.1", "Q") AUTH("U", "")
		  BIND("B", "U", "tun0"), "- B | - Q | - tun0:1 | U - | - - 101" },
		{ IKE TUN("C", "192.0.2.1", "") TUN("B", "192.0.2.2", "") POOL("Q", "10.0.1.10-10.0.1.99")
		  IF("tun0", "10.0.1.1", "Q") AUTH("U", "") BIND("B", "U", "tun0") BIND("C", "U", "tun0"),
		  "- B C | - Q | - tun0:1 | U - | - - 101 201" },
		{ IKE TWO, "- B - A | - Q P | - tun0:1 pppx0:2 | U - V | - - 101 - 302 321" },
	}, {	/* a name changes: the old place is not taken in the same reload, but in the next */
		{ IKE TUN("A1", "192.0.2.1", "") TUN("A2", "192.0.2.1", "") TUN("A3", "192.0.2.1", "") TUN("A4", "192.0.2.1", "")
		  TUN("A5", "192.0.2.1", "") TUN("A6", "192.0.2.1", "") TUN("A7", "192.0.2.1", "")
		  BIND("A1", "LOCAL", "pppx0") BIND("A2", "LOCAL", "pppx0") BIND("A3", "LOCAL", "pppx0") BIND("A4", "LOCAL", "pppx0")
		  BIND("A5", "LOCAL", "pppx0") BIND("A6", "LOCAL", "pppx0") BIND("A7", "LOCAL", "pppx0")
		  POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("LOCAL", ""),
		  "A1 A2 A3 A4 A5 A6 A7 | P | pppx0:0 | LOCAL | 000 100 200 300 400 500 600" },
		{ IKE TUN("B1", "192.0.2.1", "") BIND("B1", "LOCAL", "pppx0") POOL("P", "10.0.0.10-10.0.0.99")
		  IF("pppx0", "10.0.0.1", "P") AUTH("LOCAL", ""),
		  "- - - - - - - B1 | P | pppx0:0 | LOCAL | - - - - - - - 700" },
		{ IKE TUN("C1", "192.0.2.1", "") BIND("C1", "LOCAL", "pppx0") POOL("P", "10.0.0.10-10.0.0.99")
		  IF("pppx0", "10.0.0.1", "P") AUTH("LOCAL", ""),
		  "C1 - - - - - - - | P | pppx0:0 | LOCAL | - - - - - - - - 000" },
	}, {	/* an interface of the same name with another pool is the same interface */
		{ IKE TWO, "A B | P Q | pppx0:0 tun0:1 | U V | 000 011 101" },
		{ IKE T2 POOL("Z", "10.0.0.10-10.0.0.99") POOL("Q", "10.0.1.10-10.0.1.99")
		  IF("pppx0", "10.0.0.1", "Z") IF("tun0", "10.0.1.1", "Q") A2 B2,
		  "A B | - Q Z | pppx0:2 tun0:1 | U V | 000 011 101" },
	},
};

static void t_indices(void **state)
{
	char got[512], why[128];

	for (unsigned i = 0; i < N_ELEMENTS(steps); i++) {
		parse(steps[i][0].text, &live);
		layout(&live, got, sizeof(got));
		assert_string_equal(got, steps[i][0].want);
		for (unsigned k = 1; steps[i][k].text; k++) {
			parse(steps[i][k].text, &file);
			assert_int_equal(merge(&live, &file, &next, why), 0);
			layout(&next, got, sizeof(got));
			assert_string_equal(got, steps[i][k].want);
			/* It means what the file means. */
			assert_int_equal(conf_diff(stderr, &next, &file, CONF_DIFF_RESTART), 0);
			live = next;
		}
	}
}

/* A full house that moves all at once has no room; one that moves by halves has. */
static void t_no_room(void **state)
{
	static const struct {
		unsigned first, n;
		bool fits;
	} rows[] = {
		{ 0, 8, true }, { 8, 8, false }, { 4, 4, true }, { 4, 8, true }, { 12, 1, false }, { 4, 7, true }, { 20, 1, true },
		{ 20, 8, true },
	};
	char why[128];

	memset(&live, 0, sizeof(live));
	live.engines = 2;
	for (unsigned i = 0; i < N_ELEMENTS(rows); i++) {
		char text[4096] = IKE POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "");
		size_t n = strlen(text);

		for (unsigned k = rows[i].first; k < rows[i].first + rows[i].n; k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, TUN("T%u", "192.0.2.1", "") BIND("T%u", "U", "pppx0"), k, k);
		parse(text, &file);
		assert_int_equal(merge(&live, &file, &next, why), rows[i].fits ? 0 : -ENOSPC);
		if (!rows[i].fits)
			assert_non_null(strstr(why, "no room for more tunnels"));
		else
			live = next;
	}
}

/* The same for binds, of which there are sixteen. */
static void t_no_room_binds(void **state)
{
	static const char *const odd[] = { "A", "B" };
	char why[128];

	memset(&live, 0, sizeof(live));
	live.engines = 2;
	for (unsigned round = 0; round < 4; round++) {
		char text[8192] = IKE POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") IF("pppx1", "10.0.0.2", "P")
			TUN("A", "192.0.2.1", "") TUN("B", "192.0.2.2", "");
		/* 16 by pppx0; one of them by pppx1; then all; then half. */
		static const unsigned by_1[] = { 0, 1, 16, 8 };
		static const bool fits[] = { true, false, false, false };
		size_t n = strlen(text);

		for (unsigned k = 0; k < 8; k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "authentication U%u type local {\nusername-suffix \"@%u\"\n}\n", k, k);
		for (unsigned k = 0; k < 16; k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "bind tunnel from %s authenticated by U%u to pppx%u\n",
				odd[k % 2], k / 2, k < by_1[round]);
		parse(text, &file);
		assert_int_equal(merge(&live, &file, &next, why), fits[round] ? 0 : -ENOSPC);
		if (fits[round])
			live = next;
		else
			assert_non_null(strstr(why, "no room for more binds"));
	}
}

/* ---- what is said, and what stays ---- */

#define PSK2 "ike passive esp transport from any to any psk \"another key, long enough\"\n"

static const struct {
	const char *from, *to;
	const char *changed, *restart;
} says[] = {
	{ ONE, ONE, "", "" },
	{ IKE TWO, TWO IKE, "", "" },
	{ ONE, "set max-session 50\nset user-max-session 2 replace\n" ONE,
	  "changed: set max-session 0 -> 50 (new sessions)\nchanged: set user-max-session 0 refuse -> 2 replace (new sessions)\n", "" },
	/* one value of a list */
	{ ONE, IKE TUN("A", "192.0.2.1", "") "ipcp P {\npool-address \"10.0.0.10-10.0.0.99\"\npool-address \"10.0.2.2\" for static\n"
	  "dns-servers 192.0.2.7 192.0.2.8\n}\n" IF("pppx0", "10.0.0.1", "P") AUTH("U", "") BIND("A", "U", "pppx0"),
	  "changed: ipcp P: pool-address \"10.0.0.10-10.0.0.99\" for dynamic -> \"10.0.0.10-10.0.0.99\" for dynamic, "
	  "\"10.0.2.2-10.0.2.2\" for static\n"
	  "changed: ipcp P: dns-servers (none) -> 192.0.2.7 192.0.2.8 (new sessions)\n", "" },
	/* objects come and go */
	{ ONE, IKE TWO,
	  "added: tunnel B\nadded: ipcp Q\nadded: interface tun0\nadded: authentication V\n"
	  "added: bind tunnel from A authenticated by V to tun0\nadded: bind tunnel from B authenticated by U to tun0\n", "" },
	{ IKE TWO, ONE,
	  "removed: tunnel B\nremoved: ipcp Q\nremoved: interface tun0\nremoved: authentication V\n"
	  "removed: bind tunnel from A authenticated by V to tun0\nremoved: bind tunnel from B authenticated by U to tun0\n", "" },
	{ ONE, ONE "firewall {\nnat on eth0\n}\n", "added: firewall\n", "" },
	{ ONE "firewall {\nnat on eth0\n}\n", ONE "firewall {\nnat on eth1 to 192.0.2.9\nclient-to-client yes\n}\n",
	  "changed: firewall: nat on eth0 -> on eth1 to 192.0.2.9\nchanged: firewall: client-to-client no -> yes\n", "" },
	/* options of a statement of one line, and of ike with its words in the values' places */
	{ ONE, IKE TUN("A", "192.0.2.1", "mru 1400\n") POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.2", "P")
	  AUTH("U", "strip-nt-domain no\n") BIND("A", "U", "pppx0"),
	  "changed: tunnel A: mru 1360 -> 1400 (new sessions)\nchanged: interface pppx0: address 10.0.0.1 -> 10.0.0.2 (new sessions)\n"
	  "changed: authentication U: strip-nt-domain yes -> no (new sessions)\n", "" },
	{ ONE, "ike passive esp transport from any to any main auth hmac-sha1 group modp1024 quick enc aes-128 srcid \"main psk\" "
	  "psk \"a key that is long enough\"\n" TUN("A", "192.0.2.1", "") POOL("P", "10.0.0.10-10.0.0.99")
	  IF("pppx0", "10.0.0.1", "P") AUTH("U", "") BIND("A", "U", "pppx0"),
	  "changed: ike esp transport from any to any: main (none) -> auth hmac-sha1 group modp1024 (new sessions)\n"
	  "changed: ike esp transport from any to any: quick (none) -> enc aes-128 (new sessions)\n"
	  "changed: ike esp transport from any to any: srcid (none) -> \"main psk\" (new sessions)\n", "" },
	{ ONE, "ike passive esp transport from any to any xauth psk \"a key that is long enough\"\n" TUN("A", "192.0.2.1", "")
	  POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "") BIND("A", "U", "pppx0"),
	  "changed: ike esp transport from any to any: xauth (none) -> yes (new sessions)\n", "" },
	/* two for the same clients; with the word changed it is another one */
	{ ONE, ONE "ike passive esp tunnel from any to any psk \"a key that is long enough\"\n",
	  "added: ike esp tunnel from any to any\n", "" },
	{ ONE, "ike passive esp tunnel from any to any psk \"a key that is long enough\"\n" TUN("A", "192.0.2.1", "debug-dump-pktin lcp\n")
	  POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "") BIND("A", "U", "pppx0"),
	  "removed: ike esp transport from any to any\nadded: ike esp tunnel from any to any\n"
	  "changed: tunnel A: debug-dump-pktin (none) -> lcp\n", "" },
	/* names with everything in them */
	{ IKE TUN("\"a b{\"", "192.0.2.1", "l2tp-hostname \"x { \\\" } y\"\n") BIND("\"a b{\"", "LOCAL", "pppx0")
	  POOL("IPCP", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "IPCP") AUTH("LOCAL", ""),
	  IKE TUN("\"a b{\"", "192.0.2.1", "l2tp-hostname \"x { \\\" } z\"\n") BIND("\"a b{\"", "LOCAL", "pppx0")
	  POOL("IPCP", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "IPCP") AUTH("LOCAL", ""),
	  "changed: tunnel \"a b{\": l2tp-hostname \"x { \\\" } y\" -> \"x { \\\" } z\" (new sessions)\n", "" },
	{ IKE TUN("A", "192.0.2.1", "l2tp-hostname \"x\\\\\n\"\nmru 1400\n") POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P")
	  AUTH("U", "") BIND("A", "U", "pppx0"),
	  IKE TUN("A", "192.0.2.1", "l2tp-hostname \"x y \\\\\n\"\nmru 1300\n") POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P")
	  AUTH("U", "") BIND("A", "U", "pppx0"),
	  "changed: tunnel A: l2tp-hostname \"x\\\\\" -> \"x y \\\\\" (new sessions)\nchanged: tunnel A: mru 1400 -> 1300 (new sessions)\n", "" },
	/* who may send requests of RADIUS */
	{ ONE "radius dae listen on 192.0.2.1\nradius dae client 192.0.2.7 secret \"hush hush hush\"\n",
	  ONE "radius dae listen on 192.0.2.1\nradius dae listen on 192.0.2.2 port 1700\n"
	  "radius dae client 192.0.2.7 secret \"hushhushhush\"\nradius dae client 192.0.2.8 secret \"hush hush hush\"\n",
	  "changed: radius dae: listen on 192.0.2.1 port 3799 -> 192.0.2.1 port 3799, 192.0.2.2 port 1700\n"
	  "changed: radius dae: client 192.0.2.7 secret \"(secret)\" -> secret \"(another secret)\"\n"
	  "changed: radius dae: client 192.0.2.8 (none) -> secret \"(secret)\"\n", "" },
	/* secrets */
	{ ONE, PSK2 TUN("A", "192.0.2.1", "") POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "")
	  BIND("A", "U", "pppx0"), "changed: ike esp transport from any to any: psk (new sessions)\n", "" },
	{ ONE "authentication R type radius {\nauthentication-server {\naddress 192.0.2.7 secret \"hush hush hush\"\n}\n}\n",
	  ONE "authentication R type radius {\nauthentication-server {\naddress 192.0.2.7 secret \"hushhushhush\"\ntimeout 3\n}\n}\n",
	  "changed: authentication R: authentication-server address 192.0.2.7 port 1812 secret \"(secret)\" -> "
	  "192.0.2.7 port 1812 secret \"(another secret)\" (new sessions)\n"
	  "changed: authentication R: authentication-server timeout 9 -> 3 (new sessions)\n", "" },
	{ IKE TUN("A", "192.0.2.1", "l2tp-secret \"a tunnel's secret\"\n") POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "")
	  BIND("A", "U", "pppx0"),
	  IKE TUN("A", "192.0.2.1", "l2tp-secret \"another tunnel's\"\n") POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "")
	  BIND("A", "U", "pppx0"),
	  "changed: tunnel A: l2tp-secret \"(secret)\" -> \"(another secret)\" (new sessions)\n", "" },
	{ ONE, IKE TUN("A", "192.0.2.1", "l2tp-secret \"a tunnel's secret\"\n") POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "")
	  BIND("A", "U", "pppx0"),
	  "changed: tunnel A: l2tp-secret (none) -> \"(secret)\" (new sessions)\n", "" },
	/* only a restart */
	{ ONE, "set engines 4\nset raw-esp yes\nset max-session 101\n" ONE "control {\nsocket \"/run/other\"\ngroup vpn\n}\n", "",
	  "needs a restart: added: control\nneeds a restart: set max-session 0 -> 101\nneeds a restart: set raw-esp no -> yes\nneeds a restart: set engines 2 -> 4\n" },
	{ "set max-session 80\n" ONE, ONE, "", "needs a restart: set max-session 80 -> 0\n" },
	{ "set max-session 80\n" ONE, "set max-session 100\n" ONE, "changed: set max-session 80 -> 100 (new sessions)\n", "" },
	/* addresses to listen on: with a socket, without one */
	{ ONE, IKE TUN("A", "192.0.2.2", "") POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "")
	  BIND("A", "U", "pppx0"), "changed: tunnel A: listen on 192.0.2.1 -> on 192.0.2.2\n", "" },
	{ ONE, IKE TUN("A", "192.0.2.9", "") POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "")
	  BIND("A", "U", "pppx0"), "", "needs a restart: tunnel A: listen on 192.0.2.1 -> on 192.0.2.9\n" },
	{ ONE, IKE TUN("A", "192.0.2.9", "") TUN("B", "192.0.2.1", "") POOL("P", "10.0.0.10-10.0.0.99")
	  IF("pppx0", "10.0.0.1", "P") AUTH("U", "") BIND("A", "U", "pppx0") BIND("B", "U", "pppx0"),
	  "added: tunnel B\nadded: bind tunnel from B authenticated by U to pppx0\n"
	  "changed: tunnel A: listen on 192.0.2.1 -> (none)\n", "needs a restart: tunnel A: listen (none) -> on 192.0.2.9\n" },
	/* The order of rules is what they mean. */
	{ ONE "firewall {\nblock to 10.0.0.0/8\npass to 10.0.0.1 port 53\n}\n",
	  ONE "firewall {\npass to 10.0.0.1 port 53-70\nblock to 10.0.0.1 port 1-60\n}\n",
	  "changed: firewall: rules block to 10.0.0.0/8, pass to 10.0.0.1 port 53 -> "
	  "pass to 10.0.0.1 port 53-70, block to 10.0.0.1 port 1-60\n", "" },
	{ ONE "firewall {\nblock to 10.0.0.0/8 port 1-9\nblock to any port 5\npass to 10.0.0.1\n}\n",
	  ONE "firewall {\nblock to any port 5\npass to 10.0.0.1\nblock to 10.0.0.0/8 port 1-9\n}\n",
	  "changed: firewall: rules block to 10.0.0.0/8 port 1-9, block to any port 5, pass to 10.0.0.1 -> "
	  "block to any port 5, pass to 10.0.0.1, block to 10.0.0.0/8 port 1-9\n", "" },
	{ ONE "firewall {\nfilter A { pass to any }\nfilter B { block to any }\n}\n",
	  ONE "firewall {\noff\nfilter A { pass to 10.0.0.1 }\n}\n",
	  "changed: firewall: filter A rules pass to any -> pass to 10.0.0.1\n"
	  "changed: firewall: filter B rules block to any -> (none)\nchanged: firewall: off (none) -> yes\n", "" },
	{ ONE, ONE TUN("B", "192.0.2.9", "") BIND("B", "U", "pppx0"),
	  "added: tunnel B\nadded: bind tunnel from B authenticated by U to pppx0\n",
	  "needs a restart: tunnel B: listen (none) -> on 192.0.2.9\n" },
};

static char *diff(const struct conf *a, const struct conf *b, enum conf_diff_style style)
{
	char *text = NULL;
	size_t len, lines = 0;
	FILE *f = open_memstream(&text, &len);
	int n;

	assert_non_null(f);
	n = conf_diff(f, a, b, style);
	fclose(f);
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(n, lines);
	return text;
}

static void t_says(void **state)
{
	char why[128];

	for (unsigned i = 0; i < N_ELEMENTS(says); i++) {
		char *text;

		parse(says[i].from, &live);
		parse(says[i].to, &file);
		assert_int_equal(merge(&live, &file, &next, why), 0);
		text = diff(&live, &next, CONF_DIFF_CHANGED);
		assert_string_equal(text, says[i].changed);
		assert_null(strstr(text, "long enough"));
		assert_null(strstr(text, "hush"));
		free(text);
		text = diff(&next, &file, CONF_DIFF_RESTART);
		assert_string_equal(text, says[i].restart);
		free(text);
	}
}

/* A socket for every address takes what comes for any one of its family, as it does at the start. */
static void t_any(void **state)
{
	static const struct {
		const char *text, *restart;
	} rows[] = {
		{ TUN("A", "0.0.0.0", "") TUN("C", "192.0.2.1", "") BIND("C", "U", "pppx0"), "" },
		{ TUN("A", "192.0.2.9", ""), "" },
		{ TUN("A", "0.0.0.0", "") TUN("C", "2001:db8::1", "") BIND("C", "U", "pppx0"),
		  "needs a restart: tunnel C: listen (none) -> on 2001:db8::1\n" },
	};
	const struct addr sock = { .family = 4 };
	const struct conf_fixed fixed = { .sock = &sock, .n_sock = 1, .rows = conf_rows(0) };
	static const char rest[] = IKE POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "")
		BIND("A", "U", "pppx0");
	char buf[2048], why[128], *text;

	snprintf(buf, sizeof(buf), "%s%s", rest, TUN("A", "0.0.0.0", "") TUN("B", "192.0.2.1", "") BIND("B", "U", "pppx0"));
	parse(buf, &live);
	for (unsigned i = 0; i < N_ELEMENTS(rows); i++) {
		snprintf(buf, sizeof(buf), "%s%s", rest, rows[i].text);
		parse(buf, &file);
		assert_int_equal(conf_merge(&live, &file, &fixed, &next, why), 0);
		text = diff(&next, &file, CONF_DIFF_RESTART);
		assert_string_equal(text, rows[i].restart);
		free(text);
	}
}

/* Plain L2TP has its own sockets, which only a restart makes. */
static void t_plain(void **state)
{
	static const struct {
		const char *tunnels;
		bool plain;		/* of A afterwards */
		const char *restart;
	} rows[] = {
		{ TUN("A", "192.0.2.1", "l2tp-require-ipsec no\n") TUN("B", "192.0.2.2", ""), true, "" },
		{ TUN("A", "192.0.2.1", "") TUN("B", "192.0.2.2", ""), false, "" },
		{ TUN("A", "192.0.2.1 port 1702", "l2tp-require-ipsec no\n") TUN("B", "192.0.2.2", ""), true,
		  "needs a restart: tunnel A: listen on 192.0.2.1 -> on 192.0.2.1 port 1702\n" },
		{ TUN("A", "192.0.2.1", "l2tp-require-ipsec no\n") TUN("B", "192.0.2.2", "l2tp-require-ipsec no\n"), true,
		  "needs a restart: tunnel B: l2tp-require-ipsec yes -> no\n" },
		/* Another one takes it over. */
		{ TUN("A", "192.0.2.2", "") TUN("B", "192.0.2.1", "l2tp-require-ipsec no\n"), false, "" },
	};
	static const char rest[] = IKE POOL("P", "10.0.0.10-10.0.0.99") IF("pppx0", "10.0.0.1", "P") AUTH("U", "")
		BIND("A", "U", "pppx0") BIND("B", "U", "pppx0");
	const struct addr sock[] = { addr_v4(IP(192, 0, 2, 1), 0), addr_v4(IP(192, 0, 2, 2), 0) };
	const struct addr plain = addr_v4(IP(192, 0, 2, 1), 1701);
	const struct conf_fixed fixed = { .sock = sock, .n_sock = 2, .plain = &plain, .n_plain = 1, .rows = conf_rows(0) };
	char buf[2048], why[128], *text;

	snprintf(buf, sizeof(buf), "%s%s", rest, rows[0].tunnels);
	parse(buf, &live);
	for (unsigned i = 0; i < N_ELEMENTS(rows); i++) {
		snprintf(buf, sizeof(buf), "%s%s", rest, rows[i].tunnels);
		parse(buf, &file);
		assert_int_equal(conf_merge(&live, &file, &fixed, &next, why), 0);
		assert_int_equal(next.tunnel[0].l2tp_require_ipsec, !rows[i].plain);
		text = diff(&next, &file, CONF_DIFF_RESTART);
		assert_string_equal(text, rows[i].restart);
		free(text);
	}
}

/* What a tunnel's hole keeps, and what it must not. */
static void t_hole(void **state)
{
	char why[128];

	parse(IKE TWO, &live);
	live.tunnel[1].mru = 1234;
	parse(ONE, &file);
	assert_int_equal(merge(&live, &file, &next, why), 0);
	assert_false(conf_has_tunnel(&next, 1));
	assert_int_equal(next.tunnel[1].mru, 1234);
	assert_true(next.tunnel[1].ingress_filter);
	assert_int_equal(next.tunnel[1].n_listen, 0);
	assert_false(conf_has_auth(&next, 1));
	assert_false(conf_has_interface(&next, 1));
	assert_false(conf_in_pools(&next, 1, IP(10, 0, 1, 10)));
}

/* ---- who may stay ---- */

static const struct {
	unsigned tunnel, auth, interface;
	uint32_t ip;
	const char *why;
} stay[] = {
	{ 0, 0, 0, IP(10, 0, 0, 10), NULL },
	{ 0, 0, 0, IP(10, 0, 0, 99), NULL },
	{ 0, 1, 1, IP(10, 0, 1, 10), NULL },
	{ 0, 0, 0, IP(10, 0, 0, 9), "its address left the pool" },
	{ 0, 0, 0, IP(10, 0, 1, 10), "its address left the pool" },
	{ 0, 0, 0, IP(10, 0, 0, 1), "its address left the pool" },
	{ 1, 0, 1, IP(10, 0, 1, 10), "its tunnel was removed" },
	{ 0, 2, 0, IP(10, 0, 0, 10), "its authentication was removed" },
	{ 0, 0, 2, IP(10, 0, 0, 10), "its interface was removed" },
	{ 0, 0, 1, IP(10, 0, 1, 10), "its bind was removed" },
	{ 99, 0, 0, IP(10, 0, 0, 10), "its tunnel was removed" },
	{ 0, 99, 0, IP(10, 0, 0, 10), "its authentication was removed" },
	{ 0, 0, 99, IP(10, 0, 0, 10), "its interface was removed" },
};

static void t_stay(void **state)
{
	char why[128];

	parse(IKE TWO, &live);
	parse(IKE TUN("A", "192.0.2.1", "") P2 I2 A2 BIND("A", "V", "tun0") BIND("A", "U", "pppx0"), &file);
	assert_int_equal(merge(&live, &file, &next, why), 0);
	for (unsigned i = 0; i < N_ELEMENTS(stay); i++) {
		const char *got = conf_session_fault(&next, stay[i].tunnel, stay[i].auth, stay[i].interface, stay[i].ip);

		if (stay[i].why)
			assert_string_equal(got, stay[i].why);
		else
			assert_null(got);
	}
}

static void t_rows(void **state)
{
	static const struct { uint32_t max, rows; } r[] = {
		{ 0, 16384 }, { 1, 65 }, { 100, 164 }, { 1000, 1250 }, { 65536, 65536 }, { UINT32_MAX, 65536 },
	};

	for (unsigned i = 0; i < N_ELEMENTS(r); i++)
		assert_int_equal(conf_rows(r[i].max), r[i].rows);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_indices), cmocka_unit_test(t_no_room), cmocka_unit_test(t_no_room_binds),
		cmocka_unit_test(t_says), cmocka_unit_test(t_any), cmocka_unit_test(t_plain),
		cmocka_unit_test(t_hole), cmocka_unit_test(t_stay), cmocka_unit_test(t_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
