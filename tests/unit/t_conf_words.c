/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf, word by word: no keyword of the table is silently ignored; and random
 * configurations, made from the table with the value that they must have, are
 * read to just that value, printed, and read again to the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/conf.h"
#include "l2tpd/conf_parse.h"
#include "l2tpd/parse.h"

static struct conf want, got, again;

/* The canonical form (owned by the caller) or NULL; how many messages. */
static char *canonical(const char *text, size_t *ret_msgs)
{
	struct conf_msgs m = { 0 };
	char *out = NULL;
	size_t n;
	FILE *f;

	if (conf_parse("t", text, strlen(text), CONF_NO_FILES, &got, &m) == 0) {
		f = open_memstream(&out, &n);
		assert_non_null(f);
		conf_print(f, &got);
		fclose(f);
	}
	*ret_msgs = m.n;
	conf_msgs_free(&m);
	return out;
}

/* ---- no word is silently ignored ---- */

#define IKE_ "ike psk \"tail-gunner-osprey-lilac\"\n"
#define TUNNEL_(x) IKE_ "tunnel L2TP protocol l2tp {\n" x "\n}\n"
#define IPCP_(x) IKE_ "ipcp IPCP {\npool-address 203.0.113.0/25\n" x "\n}\n"
#define AUTH_(x) IKE_ "authentication LOCAL type local {\n" x "\n}\n"
#define RADIUS_(x) IKE_ "authentication R type radius {\n" x "\n}\n"
#define FIREWALL_(x) IKE_ "firewall {\n" x "\n}\n"
#define PROFILE_(x) IKE_ "profile {\n" x "\n}\n"
#define CONTROL_(x) IKE_ "control {\n" x "\n}\n"
#define DAE_(x) IKE_ "radius dae listen on 192.0.2.1\nradius dae client 192.0.2.1 secret \"j8yKq4vX0mB2rT6w\"\n" x
#define BIND_ IKE_ "bind tunnel from L2TP authenticated by LOCAL to pppx0\n"
#define SERVER_ "address 192.0.2.1 secret \"j8yKq4vX0mB2rT6w\"\n"
#define KEY_ "psk \"tail-gunner-osprey-lilac\"\n"

/*
 * A text with the word in that statement, and one without it, of another meaning.
 * without NULL: the word has no meaning of its own, it holds its statement
 * together or says what is so anyway; then it must be an error to misspell it.
 */
static const struct word_case {
	const char *word;
	unsigned in;
	const char *with, *without;
} cases[] = {
	{ "set", IN_TOP, IKE_ "set engines 3\n", IKE_ },
	{ "radius", IN_TOP, IKE_ "radius nas-id x\n", IKE_ },
	{ "ike", IN_TOP, IKE_, "set engines 2\n" },
	{ "tunnel", IN_TOP, IKE_ "tunnel T protocol l2tp\n", IKE_ },
	{ "ipcp", IN_TOP, IPCP_(""), IKE_ },
	{ "ipv6cp", IN_TOP, IKE_ "ipv6cp X { }\n", IKE_ },
	{ "interface", IN_TOP, IKE_ "interface pppx1 address 203.0.113.1 ipcp IPCP\n", IKE_ },
	{ "authentication", IN_TOP, IKE_ "authentication A type local { }\n", IKE_ },
	{ "bind", IN_TOP, BIND_, NULL },
	{ "firewall", IN_TOP, FIREWALL_(""), IKE_ },
	{ "profile", IN_TOP, PROFILE_("name x"), IKE_ },
	{ "control", IN_TOP, CONTROL_("group x"), IKE_ },
	{ "include", IN_TOP, IKE_ "include x\n", IKE_ },
	{ "flow", IN_TOP, IKE_ "flow\n", IKE_ },
	{ "esp", IN_TOP, IKE_ "esp\n", IKE_ },
	{ "ah", IN_TOP, IKE_ "ah\n", IKE_ },
	{ "tcpmd5", IN_TOP, IKE_ "tcpmd5\n", IKE_ },

	{ "yes", IN_TUNNEL, TUNNEL_("lcp-keepalive yes"), TUNNEL_("lcp-keepalive no") },
	{ "no", IN_TUNNEL, TUNNEL_("lcp-keepalive no"), TUNNEL_("lcp-keepalive yes") },
	{ "yes", IN_SET, IKE_ "set raw-esp yes\n", IKE_ "set raw-esp no\n" },
	{ "no", IN_SET, IKE_ "set raw-esp no\n", IKE_ "set raw-esp yes\n" },
	{ "yes", IN_IPCP, IPCP_("allow-user-selected-address yes"), IPCP_("allow-user-selected-address no") },
	{ "no", IN_IPCP, IPCP_("allow-user-selected-address no"), NULL },
	{ "yes", IN_AUTH, AUTH_("strip-atmark-realm yes"), AUTH_("strip-atmark-realm no") },
	{ "no", IN_AUTH, AUTH_("strip-atmark-realm no"), AUTH_("strip-atmark-realm yes") },
	{ "yes", IN_FIREWALL, FIREWALL_("client-to-client yes"), FIREWALL_("client-to-client no") },
	{ "no", IN_FIREWALL, FIREWALL_("client-to-client no"), FIREWALL_("client-to-client yes") },
	{ "yes", IN_PROFILE, PROFILE_("send-all yes"), IKE_ },
	{ "no", IN_PROFILE, PROFILE_("send-all no"), IKE_ },

	{ "user-max-session", IN_SET, IKE_ "set user-max-session 1\n", IKE_ },
	{ "refuse", IN_SET, IKE_ "set user-max-session 1 refuse\n", IKE_ "set user-max-session 1 replace\n" },
	{ "replace", IN_SET, IKE_ "set user-max-session 1 replace\n", IKE_ "set user-max-session 1\n" },
	{ "esp", IN_SET, IKE_ "set esp user\n", NULL },
	{ "user", IN_SET, IKE_ "set esp user\n", IKE_ "set esp kernel\n" },
	{ "kernel", IN_SET, IKE_ "set esp kernel\n", IKE_ "set esp user\n" },
	{ "auto", IN_SET, IKE_ "set esp auto\n", IKE_ "set esp user\n" },
	{ "proposals", IN_SET, IKE_ "set proposals legacy\n", IKE_ },
	{ "default", IN_SET, IKE_ "set proposals default\n", IKE_ "set proposals legacy\n" },
	{ "legacy", IN_SET, IKE_ "set proposals legacy\n", IKE_ "set proposals default\n" },

	{ "nas-id", IN_RADIUS, IKE_ "radius nas-id x\n", IKE_ },
	{ "dae", IN_RADIUS, DAE_(""), IKE_ },
	{ "client", IN_RADIUS, DAE_("radius dae client 192.0.2.2 secret y\n"), DAE_("") },
	{ "listen", IN_RADIUS, DAE_("radius dae listen on 192.0.2.2\n"), DAE_("") },
	{ "on", IN_RADIUS, DAE_("radius dae listen on 192.0.2.2\n"), DAE_("") },
	{ "port", IN_RADIUS, DAE_("radius dae listen on 192.0.2.2 port 1\n"), DAE_("radius dae listen on 192.0.2.2\n") },
	{ "secret", IN_RADIUS, DAE_("radius dae client 192.0.2.2 secret y\n"), DAE_("radius dae client 192.0.2.2 secret z\n") },
	{ "message-authenticator", IN_RADIUS, DAE_("radius dae client 192.0.2.2 secret y message-authenticator no\n"),
		DAE_("radius dae client 192.0.2.2 secret y\n") },
	{ "event-timestamp", IN_RADIUS, DAE_("radius dae client 192.0.2.2 secret y event-timestamp no\n"),
		DAE_("radius dae client 192.0.2.2 secret y\n") },
	{ "yes", IN_RADIUS, DAE_("radius dae client 192.0.2.2 secret y event-timestamp yes\n"),
		DAE_("radius dae client 192.0.2.2 secret y event-timestamp no\n") },
	{ "no", IN_RADIUS, DAE_("radius dae client 192.0.2.2 secret y event-timestamp no\n"), DAE_("radius dae client 192.0.2.2 secret y\n") },

	{ "passive", IN_IKE, "ike passive " KEY_, NULL },
	{ "esp", IN_IKE, "ike esp " KEY_, NULL },
	{ "transport", IN_IKE, "ike transport " KEY_, "ike tunnel " KEY_ },
	{ "tunnel", IN_IKE, "ike tunnel " KEY_, "ike transport " KEY_ },
	{ "proto", IN_IKE, "ike proto udp " KEY_, NULL },
	{ "udp", IN_IKE, "ike proto udp " KEY_, NULL },
	{ "from", IN_IKE, "ike from 192.0.2.1 to any " KEY_, "ike " KEY_ },
	{ "to", IN_IKE, "ike from any to 192.0.2.0/24 " KEY_, "ike " KEY_ },
	{ "any", IN_IKE, "ike from any to any " KEY_, NULL },
	{ "port", IN_IKE, "ike from any port 1701 to any " KEY_, NULL },
	{ "main", IN_IKE, "ike main enc aes " KEY_, "ike quick enc aes " KEY_ },
	{ "quick", IN_IKE, "ike quick enc aes " KEY_, "ike main enc aes " KEY_ },
	{ "auth", IN_IKE, "ike main enc aes auth hmac-sha1 " KEY_, "ike main enc aes " KEY_ },
	{ "enc", IN_IKE, "ike main auth hmac-sha1 enc aes " KEY_, "ike main auth hmac-sha1 " KEY_ },
	{ "group", IN_IKE, "ike main auth hmac-sha1 group ecp256 " KEY_, "ike main auth hmac-sha1 " KEY_ },
	{ "lifetime", IN_IKE, "ike main enc aes lifetime 3600 " KEY_, "ike main enc aes " KEY_ },
	{ "local", IN_IKE, "ike local 192.0.2.1 " KEY_, "ike " KEY_ },
	{ "peer", IN_IKE, "ike peer 192.0.2.1 " KEY_, "ike " KEY_ },
	{ "srcid", IN_IKE, "ike srcid x " KEY_, "ike " KEY_ },
	{ "dstid", IN_IKE, "ike dstid x " KEY_, "ike " KEY_ },
	{ "xauth", IN_IKE, "ike xauth " KEY_, "ike " KEY_ },
	{ "psk", IN_IKE, "ike " KEY_, NULL },
	{ "file", IN_IKE, "ike psk file x\n", "ike psk x\n" },
	{ "tag", IN_IKE, "ike psk \"tail-gunner-osprey-lilac\" tag x\n", "ike " KEY_ },
	{ "active", IN_IKE, "ike active " KEY_, "ike " KEY_ },
	{ "dynamic", IN_IKE, "ike dynamic " KEY_, "ike " KEY_ },
	{ "ah", IN_IKE, "ike ah " KEY_, "ike " KEY_ },
	{ "aggressive", IN_IKE, "ike aggressive " KEY_, "ike " KEY_ },
	{ "rsa", IN_IKE, "ike rsa\n", "ike " KEY_ },

	{ "l2tp-secret", IN_TUNNEL, TUNNEL_("l2tp-secret x"), TUNNEL_("") },
	{ "file", IN_TUNNEL, TUNNEL_("l2tp-secret file x"), TUNNEL_("l2tp-secret x") },
	{ "protocol", IN_TUNNEL, TUNNEL_(""), NULL },
	{ "l2tp", IN_TUNNEL, TUNNEL_(""), NULL },
	{ "pptp", IN_TUNNEL, IKE_ "tunnel T protocol pptp\n", IKE_ },
	{ "pppoe", IN_TUNNEL, IKE_ "tunnel T protocol pppoe\n", IKE_ },
	{ "listen", IN_TUNNEL, TUNNEL_("listen on 192.0.2.1"), TUNNEL_("") },
	{ "on", IN_TUNNEL, TUNNEL_("listen on 192.0.2.1"), NULL },
	{ "port", IN_TUNNEL, TUNNEL_("listen on 192.0.2.1 port 1702\nl2tp-require-ipsec no"),
	  TUNNEL_("listen on 192.0.2.1\nl2tp-require-ipsec no") },
	{ "interface", IN_TUNNEL, TUNNEL_("listen on interface eth0"), TUNNEL_("") },
	{ "authentication-method", IN_TUNNEL, TUNNEL_("authentication-method mschapv2"), NULL },
	{ "mschapv2", IN_TUNNEL, TUNNEL_("authentication-method mschapv2"), NULL },
	{ "pap", IN_TUNNEL, TUNNEL_("authentication-method mschapv2 pap"), TUNNEL_("") },
	{ "chap", IN_TUNNEL, TUNNEL_("authentication-method mschapv2 chap"), TUNNEL_("") },
	{ "eap-md5", IN_TUNNEL, TUNNEL_("authentication-method mschapv2 eap-md5"), TUNNEL_("") },
	{ "mppe", IN_TUNNEL, TUNNEL_("mppe yes"), TUNNEL_("") },
	{ "required", IN_TUNNEL, TUNNEL_("mppe required"), TUNNEL_("mppe yes") },
	{ "mppe-key-length", IN_TUNNEL, TUNNEL_("mppe-key-length 128"), TUNNEL_("") },
	{ "mppe-key-state", IN_TUNNEL, TUNNEL_("mppe-key-state stateless"), TUNNEL_("") },
	{ "stateless", IN_TUNNEL, TUNNEL_("mppe-key-state stateless"), TUNNEL_("") },
	{ "stateful", IN_TUNNEL, TUNNEL_("mppe-key-state stateful"), TUNNEL_("") },
	{ "debug-dump-pktin", IN_TUNNEL, TUNNEL_("debug-dump-pktin ip"), TUNNEL_("") },
	{ "debug-dump-pktout", IN_TUNNEL, TUNNEL_("debug-dump-pktout ip"), TUNNEL_("") },
	{ "ip", IN_TUNNEL, TUNNEL_("debug-dump-pktin ip"), TUNNEL_("") },
	{ "lcp", IN_TUNNEL, TUNNEL_("debug-dump-pktin lcp"), TUNNEL_("") },
	{ "eap", IN_TUNNEL, TUNNEL_("authentication-method mschapv2 eap\ndebug-dump-pktin eap"),
		TUNNEL_("authentication-method mschapv2") },
	{ "ccp", IN_TUNNEL, TUNNEL_("debug-dump-pktin ccp"), TUNNEL_("") },
	{ "ipcp", IN_TUNNEL, TUNNEL_("debug-dump-pktin ipcp"), TUNNEL_("") },

	{ "pool-address", IN_IPCP, IPCP_("pool-address 203.0.113.200"), IPCP_("") },
	{ "for", IN_IPCP, IPCP_("pool-address 203.0.113.200 for static"), IPCP_("pool-address 203.0.113.200") },
	{ "dynamic", IN_IPCP, IPCP_("pool-address 203.0.113.200 for dynamic"), IPCP_("pool-address 203.0.113.200 for static") },
	{ "static", IN_IPCP, IPCP_("pool-address 203.0.113.200 for static"), IPCP_("pool-address 203.0.113.200 for dynamic") },
	{ "dns-servers", IN_IPCP, IPCP_("dns-servers 192.0.2.1"), IPCP_("") },
	{ "resolver", IN_IPCP, IPCP_("dns-servers resolver"), IPCP_("") },
	{ "nbns-servers", IN_IPCP, IPCP_("nbns-servers 192.0.2.1"), IPCP_("") },

	{ "address", IN_INTERFACE, IKE_ "interface pppx0 address 10.0.0.1 ipcp IPCP\n", NULL },
	{ "ipcp", IN_INTERFACE, IKE_ "interface pppx0 address 10.0.0.1 ipcp IPCP\n", NULL },

	{ "type", IN_AUTH, AUTH_(""), NULL },
	{ "local", IN_AUTH, AUTH_(""), NULL },
	{ "radius", IN_AUTH, RADIUS_(""), AUTH_("") },
	{ "username-prefix", IN_AUTH, AUTH_("username-prefix x"), AUTH_("") },
	{ "users-file", IN_AUTH, AUTH_("users-file x"), AUTH_("") },
	{ "authentication-server", IN_AUTH, RADIUS_("authentication-server {\n" SERVER_ "}"), RADIUS_("") },
	{ "accounting-server", IN_AUTH, RADIUS_("accounting-server {\n" SERVER_ "}"), RADIUS_("") },
	{ "address", IN_AUTH, RADIUS_("accounting-server {\n" SERVER_ "}"), RADIUS_("accounting-server {\n}") },
#define TLS_(words) RADIUS_("accounting-server {\n" SERVER_ "tls " words "\n}")
	{ "tls", IN_AUTH, TLS_("ca \"/a\""), RADIUS_("accounting-server {\n" SERVER_ "}") },
	{ "ca", IN_AUTH, TLS_("ca \"/a\""), TLS_("ca \"/b\"") },
	{ "cert", IN_AUTH, TLS_("ca \"/a\" cert \"/c\" key \"/k\""), TLS_("ca \"/a\" cert \"/d\" key \"/k\"") },
	{ "key", IN_AUTH, TLS_("ca \"/a\" cert \"/c\" key \"/k\""), TLS_("ca \"/a\" cert \"/c\" key \"/l\"") },
	{ "server-name", IN_AUTH, TLS_("ca \"/a\" server-name x"), TLS_("ca \"/a\"") },
	{ "secret", IN_AUTH, RADIUS_("accounting-server {\n" SERVER_ "}"), NULL },
	{ "port", IN_AUTH, RADIUS_("accounting-server {\naddress 192.0.2.1 port 9 secret \"j8yKq4vX0mB2rT6w\"\n}"),
	  RADIUS_("accounting-server {\n" SERVER_ "}") },
	{ "timeout", IN_AUTH, RADIUS_("accounting-server {\ntimeout 3\n}"), RADIUS_("") },
	{ "max-tries", IN_AUTH, RADIUS_("accounting-server {\nmax-tries 4\n}"), RADIUS_("") },
	{ "max-failovers", IN_AUTH, RADIUS_("accounting-server {\nmax-failovers 3\n}"), RADIUS_("") },
	{ "dead-time", IN_AUTH, RADIUS_("accounting-server {\ndead-time 3\n}"), RADIUS_("") },
	{ "message-authenticator", IN_AUTH,
	  RADIUS_("accounting-server {\naddress 192.0.2.1 secret \"j8yKq4vX0mB2rT6w\" message-authenticator no\n}"),
	  RADIUS_("accounting-server {\n" SERVER_ "}") },

	{ "tunnel", IN_BIND, BIND_, NULL },
	{ "from", IN_BIND, BIND_, NULL },
	{ "authenticated", IN_BIND, BIND_, NULL },
	{ "by", IN_BIND, BIND_, NULL },
	{ "to", IN_BIND, BIND_, NULL },

	{ "nat", IN_FIREWALL, FIREWALL_("nat on eth0"), FIREWALL_("") },
	{ "on", IN_FIREWALL, FIREWALL_("nat on eth0"), NULL },
	{ "to", IN_FIREWALL, FIREWALL_("nat on eth0 to 192.0.2.1"), FIREWALL_("nat on eth0") },
	{ "off", IN_FIREWALL, FIREWALL_("off"), FIREWALL_("") },
	{ "pass", IN_FIREWALL, FIREWALL_("pass to any"), FIREWALL_("") },
	{ "block", IN_FIREWALL, FIREWALL_("block to any"), FIREWALL_("") },
	{ "from", IN_FIREWALL, FIREWALL_("block from any to any"), FIREWALL_("") },
	{ "any", IN_FIREWALL, FIREWALL_("block to any"), FIREWALL_("") },
	{ "port", IN_FIREWALL, FIREWALL_("block to any port 25"), FIREWALL_("") },
	{ "proto", IN_FIREWALL, FIREWALL_("block proto udp to any"), FIREWALL_("block to any") },
	{ "udp", IN_FIREWALL, FIREWALL_("block proto udp to any"), FIREWALL_("block proto tcp to any") },
	{ "tcp", IN_FIREWALL, FIREWALL_("block proto tcp to any"), FIREWALL_("block proto icmp to any") },
	{ "icmp", IN_FIREWALL, FIREWALL_("block proto icmp to any"), FIREWALL_("block to any") },
	{ "filter", IN_FIREWALL, FIREWALL_("filter F { pass to any }"), FIREWALL_("") },

	{ "sign", IN_PROFILE, PROFILE_("sign cert x key y"), IKE_ },
	{ "cert", IN_PROFILE, PROFILE_("sign cert x key y"), IKE_ },
	{ "key", IN_PROFILE, PROFILE_("sign cert x key y"), IKE_ },

	{ "socket", IN_CONTROL, CONTROL_("socket x"), CONTROL_("") },
	{ "group", IN_CONTROL, CONTROL_("group x"), CONTROL_("") },
};

/* Do the two texts differ in what they mean, or in what is said of them? */
static bool differ(const char *with, const char *without)
{
	size_t n_with, n_without;
	char *a = canonical(with, &n_with), *b = canonical(without, &n_without);
	bool ret = n_with != n_without || !a != !b || (a && strcmp(a, b));

	free(a);
	free(b);
	return ret;
}

/* The statement of an option with that option, or without one (value NULL). */
static void option_text(char *buf, size_t cap, unsigned in, const char *name, const char *value)
{
	static const struct {
		unsigned in;
		const char *before, *after;
	} wrap[] = {
		{ IN_TUNNEL, "tunnel L2TP protocol l2tp {\n", "\n}\n" },
		{ IN_IPCP, "ipcp IPCP {\npool-address 203.0.113.0/25\n", "\n}\n" },
		{ IN_AUTH, "authentication LOCAL type local {\n", "\n}\n" },
		{ IN_FIREWALL, "firewall {\n", "\n}\n" },
		{ IN_PROFILE, "profile {\n", "\n}\n" },
	};

	snprintf(buf, cap, IKE_);
	/* That is refused as a whole until it is built. */
	if (in == IN_PROFILE && !value)
		return;
	for (size_t i = 0; i < N_ELEMENTS(wrap); i++) {
		if (wrap[i].in == in) {
			snprintf(buf, cap, IKE_ "%s%s %s%s", wrap[i].before, value ? name : "", value ? value : "", wrap[i].after);
			return;
		}
	}
	if (in == IN_RADIUS) {
		if (value)
			snprintf(buf, cap, IKE_ "radius %s %s\n", name, value);
		return;
	}
	assert_int_equal(in, IN_SET);
	if (value)
		snprintf(buf, cap, IKE_ "set %s %s\n", name, value);
}

static bool option_has_effect(const struct keyword *kw)
{
	const char *values[] = { "yes", "no", NULL };
	char with[512], without[512], num[2][16];
	bool any = false;

	if (kw->token == OPT_STR) {
		values[0] = "\"some-text\"";
		values[1] = NULL;
	} else if (kw->token == OPT_NUM) {
		snprintf(num[0], sizeof(num[0]), "%u", kw->min);
		snprintf(num[1], sizeof(num[1]), "%u", kw->max);
		values[0] = num[0];
		values[1] = num[1];
	}
	option_text(without, sizeof(without), kw->in, kw->name, NULL);
	for (size_t i = 0; values[i]; i++) {
		option_text(with, sizeof(with), kw->in, kw->name, values[i]);
		any = any || differ(with, without);
	}
	return any;
}

static void t_words(void **st)
{
	size_t n = 0;

	for (size_t i = 0; i < n_keywords; i++) {
		const struct keyword *kw = &keywords[i];

		if (kw->token == OPT_YESNO || kw->token == OPT_NUM || kw->token == OPT_STR) {
			if (!option_has_effect(kw))
				fail_msg("%s is silently ignored", kw->name);
			n++;
			continue;
		}
		for (unsigned in = 1; in <= kw->in; in <<= 1) {
			const struct word_case *c = NULL;

			if (!(kw->in & in))
				continue;
			for (size_t k = 0; k < N_ELEMENTS(cases) && !c; k++) {
				if (cases[k].in == in && !strcmp(cases[k].word, kw->name))
					c = &cases[k];
			}
			if (!c)
				fail_msg("%s (%#x) has no case here", kw->name, in);
			n++;
			if (c->without) {
				if (!differ(c->with, c->without))
					fail_msg("%s (%#x) is silently ignored", kw->name, in);
				continue;
			}
			/* The last place where it stands as a word. */
			char wrong[512], *at = NULL;
			size_t len = strlen(kw->name), msgs;

			assert_true(str_copy(wrong, sizeof(wrong), c->with));
			for (char *s = wrong; (s = strstr(s, kw->name)); s++) {
				if ((s == wrong || isspace((unsigned char)s[-1])) && isspace((unsigned char)s[len]))
					at = s;
			}
			char *good = canonical(c->with, &msgs);

			assert_non_null(at);
			assert_non_null(good);
			free(good);
			memset(at, 'q', len);
			if ((good = canonical(wrong, &msgs)))
				fail_msg("%s (%#x): misspelled, and nothing is said: %s", kw->name, in, wrong);
		}
	}
	assert_true(n > 200);
}

/* ---- random configurations ---- */

static uint64_t seed;
static FILE *out;
static unsigned n_macro;
/* What stands in front of the statement being made: its macros. */
static char before[65536];

/* splitmix64: base/rng.h would take longer than the parser. */
static uint32_t random32(void)
{
	uint64_t z = seed += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)(z >> 32);
}

static unsigned below(unsigned n)
{
	return random32() % n;
}

static bool chance(unsigned one_in)
{
	return below(one_in) == 0;
}

/* Something between two words. */
static void gap(void)
{
	static const char *const gaps[] = { " ", " ", " ", "\t", "  ", " \\\n\t", " \\\n \\\n" };

	fputs(gaps[below(N_ELEMENTS(gaps))], out);
}

static void line_end(void)
{
	static const char *const ends[] = { "\n", "\n", "\n\n", " # a comment { that } opens \"nothing\n", "\t\n\t\n", "\n# x \\\n y\n" };

	fputs(ends[below(N_ELEMENTS(ends))], out);
}

static void word(const char *s)
{
	fputs(s, out);
	gap();
}

/* s in quotes, as the manual says it is written. */
static void quoted(char *to, const char *s)
{
	char quote = chance(2) ? '"' : '\'';

	*to++ = quote;
	for (; *s; s++) {
		/* A backslash is itself unless the quote, a blank or the end of the line follows. */
		if (*s == quote || ((*s == ' ' || *s == '\t') && (chance(4) || to[-1] == '\\')))
			*to++ = '\\';
		*to++ = *s;
		if (chance(40) && *s != '\\') {
			*to++ = '\\';
			*to++ = '\n';
		}
	}
	if (to[-1] == '\\') {
		*to++ = '\\';
		*to++ = '\n';
	}
	*to++ = quote;
	*to = '\0';
}

static bool bare_ok(const char *s)
{
	if (!isalnum((unsigned char)*s) || kw_is_any(s))
		return false;
	for (; *s; s++) {
		if (!isalnum((unsigned char)*s) && !strchr("_:*/.-+%@~", *s))
			return false;
	}
	return true;
}

/* A value, in one of the ways to write it. */
static void text(const char *s)
{
	char q[4096], twice[8192];

	if (bare_ok(s) && chance(2)) {
		word(s);
		return;
	}
	quoted(q, s);
	if (!chance(6) || n_macro >= CONF_MACROS - 1 || strlen(before) > sizeof(before) / 2) {
		word(q);
		return;
	}
	/* By a macro: its value is the quoted text, and is quoted in turn.  A joined line would be
	 * lost on the way. */
	if (strchr(q, '\n')) {
		word(q);
		return;
	}
	quoted(twice, q);
	snprintf(before + strlen(before), sizeof(before) - strlen(before), "m%u = %s\n", n_macro, twice);
	fprintf(out, "$m%u", n_macro++);
	gap();
}

/* 1 to max bytes that may stand in a string. */
static void random_text(char *s, size_t max)
{
	static const char set[] = "abcXYZ012_:*/.-+%@~ \t\"'\\#{}()<>!=,$&;|`^?[]\xc3\xa4";
	size_t n = 1 + below(chance(8) ? (unsigned)max : (unsigned)MIN(max, (size_t)12));

	for (size_t i = 0; i < n; i++)
		s[i] = set[below(sizeof(set) - 1)];
	s[n] = '\0';
}

/* A name that no other object has. */
static void random_name(char *s, unsigned i)
{
	random_text(s, CONF_NAME_MAX - 8);
	sprintf(s + strlen(s), "-%u", i);
}

/* An option of the table, and its value into the object at base. */
static void option(const struct keyword *kw, void *base, const char *lead)
{
	char *field = (char *)base + kw->off, s[CONF_PATH_MAX];
	uint32_t v;
	bool yes;

	fputs(lead, out);
	word(kw->name);
	switch (kw->token) {
	case OPT_YESNO:
		yes = kw->only == KW_ONLY_YES || (kw->only == KW_ANY_VALUE && chance(2));
		word(yes ? "yes" : "no");
		if (kw->size)
			*(bool *)field = yes;
		break;
	case OPT_NUM:
		v = chance(8) ? kw->max : chance(8) ? kw->min : kw->min + (uint32_t)(random32() % ((uint64_t)kw->max - kw->min + 1));
		if (kw->only == KW_ONLY_NO)
			v = 0;
		fprintf(out, "%u", v);
		gap();
		if (kw->size == 1)
			*(uint8_t *)field = (uint8_t)v;
		else if (kw->size == 2)
			memcpy(field, &(uint16_t){ (uint16_t)v }, 2);
		else if (kw->size == 4)
			memcpy(field, &v, 4);
		break;
	default:
		random_text(s, kw->size - 1u);
		text(s);
		memset(field, 0, kw->size);
		memcpy(field, s, strlen(s));
		break;
	}
	line_end();
}

static void options(unsigned in, void *base, const char *lead)
{
	for (size_t i = 0; i < n_keywords; i++) {
		const struct keyword *kw = &keywords[i];

		if (kw->in != in || kw->state != KW_WORKS ||
		    (kw->token != OPT_YESNO && kw->token != OPT_NUM && kw->token != OPT_STR))
			continue;
		/* Sometimes again: the last one counts. */
		for (unsigned n = chance(2) ? 1 + chance(16) : 0; n; n--)
			option(kw, base, lead);
	}
}

static uint32_t random_ip(uint32_t net, unsigned bits)
{
	return net | (random32() >> bits);
}

static struct addr random_addr(unsigned i)
{
	struct addr a = { .family = 4, .ip = { 192, 0, 2, (uint8_t)i } };

	if (chance(2))
		a = (struct addr){ .family = 6, .ip = { 0x20, 0x01, 0x0d, 0xb8, [14] = (uint8_t)below(256), [15] = (uint8_t)i } };
	return a;
}

static void addr_text(const struct addr *a)
{
	char buf[ADDR_STRLEN];
	struct addr bare = *a;

	bare.port = 0;
	text(addr_str(&bare, buf));
}

static void ip_text(uint32_t ip)
{
	char buf[ADDR_STRLEN];

	text(ip4_str(ip, buf));
}

static void random_alg(const char *name, const struct conf_alg *algs, bool quick, char *dst)
{
	size_t n = 0, k;

	while (algs[n].name)
		n++;
	do
		k = below((unsigned)n);
	while (algs[k].why || !(quick ? algs[k].in_quick : algs[k].in_main) || (quick && algs[k].quick_later));
	word(name);
	text(algs[k].name);
	strcpy(dst, algs[k].alias ? algs[k].alias : algs[k].name);
}

static void random_suite(bool quick, char *auth, char *enc, char *group)
{
	unsigned which = 1 + below(7);

	word(quick ? "quick" : "main");
	if (which & 2)
		random_alg("enc", conf_encs, quick, enc);
	/* GCM authenticates by itself; where nothing else is asked for, it takes the place of auth. */
	if ((which & 1) && !strstr(enc, "gcm"))
		random_alg("auth", conf_auths, quick, auth);
	if (which & 4)
		random_alg("group", conf_groups, quick, group);
}

static void make_ike(unsigned i)
{
	struct conf_ike *k = &want.ike[i];
	char s[CONF_PATH_MAX];

	/* Twins need the same key: each has a network of its own. */
	word("ike");
	if (chance(2))
		word("passive");
	if (chance(2))
		word("esp");
	k->tunnel_word = chance(2);
	if (k->tunnel_word || chance(2))
		word(k->tunnel_word ? "tunnel" : "transport");
	if (chance(4)) {
		word("proto");
		word("udp");
	}
	word("from");
	if (chance(2)) {
		k->from = random_addr(7);
		addr_text(&k->from);
	} else {
		word("any");
	}
	if (chance(4)) {
		word("port");
		text(chance(2) ? "1701" : "l2tp");
	}
	word("to");
	k->to = (struct addr){ .family = 4, .ip = { 198, 18, (uint8_t)i, 0 } };
	k->to_prefix = 24;
	snprintf(s, sizeof(s), "198.18.%u.0/24", i);
	text(s);
	if (chance(2))
		random_suite(false, k->main_auth, k->main_enc, k->main_group);
	if (chance(2))
		random_suite(true, k->quick_auth, k->quick_enc, k->quick_group);
	if (chance(3)) {
		random_text(k->srcid, sizeof(k->srcid) - 1);
		word("srcid");
		text(k->srcid);
	}
	if (chance(3)) {
		random_text(k->dstid, sizeof(k->dstid) - 1);
		word("dstid");
		text(k->dstid);
	}
	word("psk");
	if (chance(3)) {
		word("file");
		random_text(k->psk_file, sizeof(k->psk_file) - 1);
		text(k->psk_file);
	} else {
		random_text(s, CONF_SECRET_MAX);
		/* A bare word file is that keyword. */
		text(s);
		k->psk_len = (uint16_t)strlen(s);
		memcpy(k->psk, s, k->psk_len);
	}
	line_end();
}

static void make_tunnel(unsigned i)
{
	static const struct {
		const char *name;
		uint8_t bit;
	} methods[] = { { "pap", CONF_AUTH_PAP }, { "chap", CONF_AUTH_CHAP }, { "mschapv2", CONF_AUTH_MSCHAPV2 },
		{ "eap", CONF_AUTH_EAP_MSCHAPV2 }, { "eap-md5", CONF_AUTH_EAP_MD5 } };
	struct conf_tunnel *t = &want.tunnel[i];
	bool listens;

	*t = conf_tunnel_default;
	t->order = (uint8_t)i;
	random_name(t->name, i);
	word("tunnel");
	text(t->name);
	word("protocol");
	fputs("l2tp", out);
	t->n_listen = 1;
	t->listen[0] = (struct addr){ .family = 4 };
	if (chance(4)) {
		line_end();
		return;
	}
	fputs(" {", out);
	line_end();
	listens = chance(2);
	if (listens) {
		t->n_listen = (uint8_t)(1 + below(CONF_LISTENS));
		for (unsigned k = 0; k < t->n_listen; k++) {
			t->listen[k] = random_addr(k);
			word("\tlisten");
			word("on");
			addr_text(&t->listen[k]);
			if (chance(3)) {
				word("port");
				word("1701");
			}
			line_end();
		}
	}
	if (chance(2)) {
		t->auth_methods = 0;
		word("authentication-method");
		for (size_t k = 0; k < N_ELEMENTS(methods); k++) {
			if (kw_find(methods[k].name, IN_TUNNEL)->state == KW_WORKS && (k == 2 || chance(2))) {
				word(methods[k].name);
				t->auth_methods |= methods[k].bit;
			}
		}
		line_end();
	}
	if (chance(2)) {
		static const char *const mppe[] = { "no", "yes", "required" };

		t->mppe = (uint8_t)below(3);
		word("mppe");
		word(mppe[t->mppe]);
		line_end();
	}
	if (chance(2)) {
		static const char *const lengths[] = { "40", "56", "128" };

		t->mppe_keys = (uint8_t)(1 + below(7));
		word("mppe-key-length");
		for (unsigned k = 0; k < 3; k++)
			if (t->mppe_keys & 1u << k)
				word(lengths[k]);
		line_end();
	}
	if (chance(2)) {
		t->mppe_states = (uint8_t)(1 + below(3));
		word("mppe-key-state");
		if (t->mppe_states & CONF_MPPE_STATELESS)
			word("stateless");
		if (t->mppe_states & CONF_MPPE_STATEFUL)
			word("stateful");
		line_end();
	}
	options(IN_TUNNEL, t, "\t");
	if (!t->l2tp_require_ipsec) {
		/* An address must be named; only here may it have a port. */
		unsigned k = listens ? t->n_listen : 0;

		if (k < CONF_LISTENS) {
			t->listen[k] = random_addr(k);
			t->listen[k].port = (uint16_t)(1702 + below(1000));
			t->n_listen = (uint8_t)(k + 1);
			word("\tlisten");
			word("on");
			addr_text(&t->listen[k]);
			fprintf(out, " port %u", t->listen[k].port);
			line_end();
		}
	}
	fputs("}", out);
	line_end();
}

static void servers(const char *name, uint32_t to[static 2])
{
	to[0] = random_ip(0xc0000200, 24) | 1;
	to[1] = chance(2) ? random_ip(0xc0000200, 24) | 1 : 0;
	word(name);
	ip_text(to[0]);
	if (to[1])
		ip_text(to[1]);
	line_end();
}

static void make_ipcp(unsigned i)
{
	struct conf_ipcp *p = &want.ipcp[i];
	char s[64], a[ADDR_STRLEN], b[ADDR_STRLEN];

	*p = conf_ipcp_default;
	random_name(p->name, i);
	word("ipcp");
	text(p->name);
	fputs("{", out);
	line_end();
	p->n_pool = (uint8_t)(1 + below(4));
	for (unsigned k = 0; k < p->n_pool; k++) {
		/* 10.I.K.0 */
		uint32_t net = 0x0a000000 | i << 16 | k << 8;
		struct conf_pool *r = &p->pool[k];

		word("\tpool-address");
		r->first = net | below(100);
		r->last = r->first + below(100);
		snprintf(s, sizeof(s), "%s-%s", ip4_str(r->first, a), ip4_str(r->last, b));
		if (chance(4)) {
			r->last = r->first;
			snprintf(s, sizeof(s), "%s", a);
		} else if (chance(3)) {
			r->first = net + 1;
			r->last = net + 62;
			snprintf(s, sizeof(s), "%s/26", ip4_str(net, a));
		}
		text(s);
		r->static_only = chance(4);
		if (r->static_only || chance(2)) {
			word("for");
			word(r->static_only ? "static" : "dynamic");
		}
		line_end();
	}
	if (chance(2))
		servers("dns-servers", p->dns);
	if (chance(2))
		servers("nbns-servers", p->nbns);
	options(IN_IPCP, p, "");
	fputs("}", out);
	line_end();
}

static void make_interface(unsigned i)
{
	struct conf_interface *f = &want.interface[i];

	f->per_session = chance(2);
	snprintf(f->name, sizeof(f->name), "%s%u", f->per_session ? "pppx" : "tun", i * 1000 + below(1000));
	f->address = 0x0ac80001 + i;
	f->ipcp = (uint8_t)below(want.n_ipcp);
	word("interface");
	text(f->name);
	word("address");
	ip_text(f->address);
	word("ipcp");
	text(want.ipcp[f->ipcp].name);
	line_end();
}

static void make_radius(const char *name, struct conf_radius *r, uint16_t port)
{
	word(name);
	fputs("{", out);
	line_end();
	r->n_server = (uint8_t)(1 + below(CONF_RADIUS_SERVERS));
	for (unsigned k = 0; k < r->n_server; k++) {
		r->server[k].addr = random_addr(k);
		r->server[k].addr.port = port;
		r->server[k].message_authenticator = true;
		random_text(r->server[k].secret, CONF_RADIUS_SECRET_MAX);
		word("address");
		addr_text(&r->server[k].addr);
		if (chance(2)) {
			r->server[k].addr.port = (uint16_t)(1 + below(65535));
			word("port");
			fprintf(out, "%u", r->server[k].addr.port);
			gap();
		}
		word("secret");
		text(r->server[k].secret);
		if (chance(3)) {
			r->server[k].message_authenticator = chance(2);
			fprintf(out, " message-authenticator %s", r->server[k].message_authenticator ? "yes" : "no");
		}
		line_end();
	}
	if (chance(2)) {
		r->timeout_s = (uint16_t)(1 + below(300));
		fprintf(out, "timeout %u\n", r->timeout_s);
	}
	if (chance(2)) {
		r->max_tries = (uint8_t)(1 + below(255));
		fprintf(out, "max-tries %u\n", r->max_tries);
	}
	if (chance(2)) {
		r->max_failovers = (uint8_t)below(256);
		fprintf(out, "max-failovers %u\n", r->max_failovers);
	}
	if (chance(2)) {
		r->dead_time_s = below(86401);
		fprintf(out, "dead-time %u\n", r->dead_time_s);
	}
	fputs("}", out);
	line_end();
}

static void make_auth(unsigned i)
{
	struct conf_auth *a = &want.auth[i];
	char s[CONF_NAME_MAX];

	*a = conf_auth_default;
	a->type = chance(3) ? CONF_TYPE_RADIUS : CONF_TYPE_LOCAL;
	random_name(a->name, i);
	word("authentication");
	text(a->name);
	word("type");
	word(a->type == CONF_TYPE_RADIUS ? "radius" : "local");
	fputs("{", out);
	line_end();
	options(IN_AUTH, a, " ");
	/* No two alike, or a tunnel could not be bound to both. */
	random_text(s, sizeof(s) - 8);
	sprintf(s + strlen(s), "@%u", i);
	memset(a->username_suffix, 0, sizeof(a->username_suffix));
	strcpy(a->username_suffix, s);
	word("username-suffix");
	text(s);
	line_end();
	if (a->type == CONF_TYPE_RADIUS) {
		memset(a->users_file, 0, sizeof(a->users_file));
		make_radius("authentication-server", &a->radius_auth, 1812);
		if (chance(2))
			make_radius("accounting-server", &a->radius_acct, 1813);
	} else if (chance(2)) {
		memset(a->users_file, 0, sizeof(a->users_file));
		random_text(a->users_file, sizeof(a->users_file) - 1);
		word("users-file");
		text(a->users_file);
		line_end();
	}
	fputs("}", out);
	line_end();
}

static void make_bind(unsigned i)
{
	const struct conf_bind *b = &want.bind[i];

	if (b->after)
		return;			/* it stands in the statement of the one before it */
	word("bind");
	word("tunnel");
	word("from");
	text(want.tunnel[b->tunnel].name);
	word("authenticated");
	word("by");
	for (const struct conf_bind *k = b; k; k = conf_bind_next(&want, k))
		text(want.auth[k->auth].name);
	word("to");
	text(want.interface[b->interface].name);
	line_end();
}

static void make_set(unsigned i)
{
	options(IN_SET, &want, "set ");
	options(IN_RADIUS, &want, "radius ");
	if (chance(2)) {
		want.user_max_session = random32();
		want.user_max_policy = chance(2) ? CONF_UM_REPLACE : CONF_UM_REFUSE;
		fprintf(out, "set user-max-session %u %s", want.user_max_session,
			want.user_max_policy == CONF_UM_REPLACE ? "replace" : chance(2) ? "refuse" : "");
		line_end();
	}
	if (chance(2)) {
		want.proposals = chance(2) ? CONF_PROP_LEGACY : CONF_PROP_DEFAULT;
		fprintf(out, "set proposals %s", want.proposals == CONF_PROP_LEGACY ? "legacy" : "default");
		line_end();
	}
	if (chance(4))
		fputs("set esp user\n", out);
}

static void make_firewall(unsigned i)
{
	struct conf_firewall *f = &want.firewall;

	f->present = true;
	fputs("firewall {", out);
	line_end();
	if (chance(2)) {
		f->nat = true;
		snprintf(f->nat_on, sizeof(f->nat_on), "wan%u", below(100));
		word("nat");
		word("on");
		text(f->nat_on);
		if (chance(2)) {
			f->nat_to = random_ip(0xc0000200, 24) | 1;
			word("to");
			ip_text(f->nat_to);
		}
		line_end();
	}
	options(IN_FIREWALL, f, "");
	if (chance(4)) {
		f->off = true;
		fputs("off\n", out);
	}
	fputs("}\n", out);
}

static void make_control(unsigned i)
{
	fputs("control {", out);
	line_end();
	if (chance(2)) {
		random_text(want.control_socket, sizeof(want.control_socket) - 1);
		word("socket");
		text(want.control_socket);
		line_end();
	}
	if (chance(2)) {
		random_text(want.control_group, sizeof(want.control_group) - 1);
		word("group");
		text(want.control_group);
		line_end();
	}
	fputs("}\n", out);
}

/* A whole one: its text (owned by the caller), its value in want. */
static char *make(void)
{
	struct {
		void (*make)(unsigned i);
		unsigned n, done;
		char *text[CONF_BINDS];
	} kind[] = {
		/* In the order in which one needs the other's names; then they are mixed. */
		{ .make = make_set, .n = 1 }, { .make = make_ike, .n = below(4) }, { .make = make_tunnel, .n = 1 + below(3) },
		{ .make = make_ipcp, .n = 1 + below(3) }, { .make = make_interface, .n = 1 + below(3) },
		{ .make = make_auth, .n = 1 + below(3) }, { .make = make_bind }, { .make = make_firewall, .n = below(2) },
		{ .make = make_control, .n = below(2) },
	};
	char *text_, *whole;
	size_t n;
	unsigned left = 0;

	conf_default(&want);
	n_macro = 0;
	want.n_ike = (uint8_t)kind[1].n;
	want.n_tunnel = (uint8_t)kind[2].n;
	want.n_ipcp = (uint8_t)kind[3].n;
	want.n_interface = (uint8_t)kind[4].n;
	want.n_auth = (uint8_t)kind[5].n;
	for (unsigned t = 0; t < want.n_tunnel; t++) {
		unsigned must = below(want.n_auth);

		for (unsigned a = 0; a < want.n_auth; a++) {
			const struct conf_bind *last = want.n_bind ? &want.bind[want.n_bind - 1] : NULL;
			struct conf_bind b = {
				.tunnel = (uint8_t)t, .auth = (uint8_t)a, .interface = (uint8_t)below(want.n_interface),
				.statement = want.n_bind,
			};

			if (a != must && chance(2))
				continue;
			if (last && last->tunnel == t && chance(2)) {
				b.interface = last->interface;
				b.statement = last->statement;
				b.after = (uint8_t)(last->after + 1);
			}
			want.bind[want.n_bind++] = b;
		}
	}
	kind[6].n = want.n_bind;
	for (size_t k = 0; k < N_ELEMENTS(kind); k++) {
		for (unsigned i = 0; i < kind[k].n; i++) {
			FILE *f = open_memstream(&kind[k].text[i], &n);
			char *body;

			assert_non_null(f);
			before[0] = '\0';
			out = open_memstream(&body, &n);
			assert_non_null(out);
			kind[k].make(i);
			fclose(out);
			fprintf(f, "%s%s", before, body);
			fclose(f);
			free(body);
			left++;
		}
	}
	out = open_memstream(&whole, &n);
	assert_non_null(out);
	for (; left; left--) {
		size_t k;

		do
			k = below(N_ELEMENTS(kind));
		while (kind[k].done == kind[k].n);
		text_ = kind[k].text[kind[k].done++];
		fputs(text_, out);
		free(text_);
	}
	fclose(out);
	return whole;
}

static char *printed(const struct conf *c)
{
	char *s;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	assert_non_null(f);
	conf_print(f, c);
	fclose(f);
	return s;
}

static void t_random(void **st)
{
	enum { CASES = 3000 };

	for (unsigned i = 0; i < CASES; i++) {
		struct conf_msgs m = { 0 }, m2 = { 0 };
		char *made, *once, *twice;
		int err;

		seed = i;
		made = make();
		err = conf_parse("t", made, strlen(made), CONF_NO_FILES, &got, &m);
		if (err || memcmp(&want, &got, sizeof(got))) {
			char *w = printed(&want), *g = err ? strdup("") : printed(&got);

			conf_msgs_print(stderr, &m);
			fprintf(stderr, "---- text\n%s---- wanted\n%s---- read\n%s", made, w, g);
			fail_msg("seed %u", i);
		}
		once = printed(&got);
		err = conf_parse("t", once, strlen(once), CONF_NO_FILES, &again, &m2);
		if (err || memcmp(&again, &got, sizeof(got))) {
			conf_msgs_print(stderr, &m2);
			fprintf(stderr, "%s", once);
			fail_msg("seed %u reads back differently", i);
		}
		twice = printed(&again);
		assert_string_equal(once, twice);
		conf_msgs_free(&m);
		conf_msgs_free(&m2);
		free(made);
		free(once);
		free(twice);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_words),
		cmocka_unit_test(t_random),
	};

	return cmocka_run_group_tests_name("conf_words", tests, NULL, NULL);
}
