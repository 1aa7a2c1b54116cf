/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/keyword.h"

#include <limits.h>
#include <string.h>

#include "base/conf.h"
#include "base/util.h"
#include "l2tpd/conf_parse.h"
#include "l2tpd/parse.h"

#define FIELD(type, f) .off = offsetof(struct type, f), .size = sizeof(((struct type *)0)->f)

#define WORD(n, tok, where) { .name = n, .token = tok, .in = where }
#define VALUE(n, tok, where) { .name = n, .token = tok, .in = where, .value = true }
#define OPTION(n, tok, where) { .name = n, .token = tok, .in = where, .option = true }
#define RANGE(n, tok, where, lo, hi) { .name = n, .token = tok, .in = where, .option = true, .min = lo, .max = hi }
#define LATER(n, tok, where) { .name = n, .token = tok, .in = where, .state = KW_LATER, .option = true }
#define STATEMENT(n, tok, inside) { .name = n, .token = tok, .in = IN_TOP, .opens = inside }
#define YESNO(n, where, type, f) { .name = n, .token = OPT_YESNO, .in = where, FIELD(type, f) }
#define NUM(n, where, type, f, lo, hi) \
	{ .name = n, .token = OPT_NUM, .in = where, FIELD(type, f), .min = lo, .max = hi }
#define STR(n, where, type, f) { .name = n, .token = OPT_STR, .in = where, FIELD(type, f) }
#define LATER_YESNO(n, where) LATER(n, OPT_YESNO, where)
#define LATER_NUM(n, where) { .name = n, .token = OPT_NUM, .in = where, .state = KW_LATER, .max = UINT32_MAX }
#define LATER_STR(n, where) LATER(n, OPT_STR, where)
#define NO_EFFECT(n, tok, where, reason) \
	{ .name = n, .token = tok, .in = where, .state = KW_NO_EFFECT, .option = true, .why = reason }
#define CANNOT(n, where, reason) { .name = n, .in = where, .state = KW_CANNOT, .why = reason }

/* The order is the order of conf_print(). */
const struct keyword keywords[] = {
	STATEMENT("set", SET, IN_SET),
	STATEMENT("radius", RADIUS, IN_RADIUS),
	STATEMENT("ike", IKE, IN_IKE),
	STATEMENT("tunnel", TUNNEL, IN_TUNNEL),
	STATEMENT("ipcp", IPCP, IN_IPCP),
	STATEMENT("ipv6cp", IPV6CP, IN_NOTHING),
	STATEMENT("interface", INTERFACE, IN_INTERFACE),
	STATEMENT("authentication", AUTHENTICATION, IN_AUTH),
	STATEMENT("bind", BIND, IN_BIND),
	STATEMENT("firewall", FIREWALL, IN_FIREWALL),
	{ .name = "profile", .token = PROFILE, .in = IN_TOP, .state = KW_LATER, .opens = IN_PROFILE },
	STATEMENT("control", CONTROL, IN_CONTROL),
	STATEMENT("include", INCLUDE, IN_NOTHING),

	WORD("yes", YES, IN_SET | IN_RADIUS | IN_TUNNEL | IN_IPCP | IN_AUTH | IN_FIREWALL | IN_PROFILE),
	WORD("no", NO, IN_SET | IN_RADIUS | IN_TUNNEL | IN_IPCP | IN_AUTH | IN_FIREWALL | IN_PROFILE),

	/* set */
	NUM("max-session", IN_SET, conf, max_session, 0, UINT32_MAX),
	RANGE("user-max-session", USER_MAX_SESSION, IN_SET, 0, UINT32_MAX),
	WORD("refuse", REFUSE, IN_SET),
	WORD("replace", REPLACE, IN_SET),
	OPTION("esp", ESP, IN_SET),
	WORD("user", USER, IN_SET),
	WORD("kernel", KERNEL, IN_SET),
	WORD("auto", AUTO, IN_SET),
	OPTION("proposals", PROPOSALS, IN_SET),
	WORD("default", DEFAULT, IN_SET),
	WORD("legacy", LEGACY, IN_SET),
	YESNO("raw-esp", IN_SET, conf, raw_esp),
	NUM("engines", IN_SET, conf, engines, 1, CONF_ENGINES_MAX),
	NUM("dpd", IN_SET, conf, dpd_s, 0, 3600),
	STR("server-name", IN_SET, conf, server_name),

	/* radius, the statement */
	STR("nas-id", IN_RADIUS, conf, radius_nas_id),
	OPTION("dae", DAE, IN_RADIUS),
	WORD("client", CLIENT, IN_RADIUS),
	WORD("event-timestamp", EVENT_TIMESTAMP, IN_RADIUS),

	/* ike */
	WORD("passive", PASSIVE, IN_IKE),
	WORD("esp", ESP, IN_IKE),
	WORD("transport", TRANSPORT, IN_IKE),
	{ .name = "tunnel", .token = TUNNEL, .in = IN_IKE | IN_BIND },
	WORD("proto", PROTO, IN_IKE | IN_FIREWALL),
	WORD("udp", UDP, IN_IKE | IN_FIREWALL),
	WORD("from", FROM, IN_IKE | IN_BIND | IN_FIREWALL),
	WORD("to", TO, IN_IKE | IN_BIND | IN_FIREWALL),
	WORD("any", ANY, IN_IKE | IN_FIREWALL),
	OPTION("main", MAIN, IN_IKE),
	OPTION("quick", QUICK, IN_IKE),
	WORD("auth", AUTH, IN_IKE),
	WORD("enc", ENC, IN_IKE),
	WORD("group", GROUP, IN_IKE),
	NO_EFFECT("lifetime", LIFETIME, IN_IKE, "the client says when keys are replaced"),
	OPTION("local", LOCAL, IN_IKE),
	OPTION("peer", PEER, IN_IKE),
	OPTION("srcid", SRCID, IN_IKE),
	OPTION("dstid", DSTID, IN_IKE),
	OPTION("xauth", XAUTH, IN_IKE),
	OPTION("psk", PSK, IN_IKE),
	WORD("file", SECRET_FILE, IN_IKE | IN_TUNNEL),
	NO_EFFECT("tag", TAG, IN_IKE, "packets are not marked; match the sessions' interfaces instead"),
	CANNOT("active", IN_IKE, "clients begin and the server answers: write passive"),
	CANNOT("dynamic", IN_IKE, "clients begin and the server answers: write passive"),
	CANNOT("ah", IN_IKE, "it cannot pass a NAT, and no client of L2TP asks for it: write esp"),
	CANNOT("aggressive", IN_IKE, "it shows strangers a hash of the key to guess it by: write main"),
	CANNOT("rsa", IN_IKE, "certificates are not served: write psk and the key that clients have"),
	CANNOT("flow", IN_TOP, "only the ike statement of ipsec.conf(5) has a place here"),
	CANNOT("esp", IN_TOP, "keys come from clients by IKE: write ike passive esp transport …"),
	CANNOT("ah", IN_TOP, "keys come from clients by IKE: write ike passive esp transport …"),
	CANNOT("tcpmd5", IN_TOP, "only the ike statement of ipsec.conf(5) has a place here"),

	/* tunnel */
	WORD("protocol", PROTOCOL, IN_TUNNEL),
	WORD("l2tp", L2TP, IN_TUNNEL),
	{ .name = "pptp", .token = PPTP, .in = IN_TUNNEL, .state = KW_SOFT },
	{ .name = "pppoe", .token = PPPOE, .in = IN_TUNNEL, .state = KW_SOFT },
	OPTION("listen", LISTEN, IN_TUNNEL),
	WORD("listen", LISTEN, IN_RADIUS),
	WORD("on", ON, IN_TUNNEL | IN_RADIUS | IN_FIREWALL),
	WORD("port", PORT, IN_TUNNEL | IN_RADIUS | IN_IKE | IN_AUTH | IN_FIREWALL),
	{ .name = "interface", .token = INTERFACE, .in = IN_TUNNEL },
	STR("l2tp-hostname", IN_TUNNEL, conf_tunnel, l2tp_hostname),
	STR("l2tp-vendor-name", IN_TUNNEL, conf_tunnel, l2tp_vendor_name),
	NUM("l2tp-hello-interval", IN_TUNNEL, conf_tunnel, l2tp_hello_interval_s, 1, UINT16_MAX),
	NUM("l2tp-hello-timeout", IN_TUNNEL, conf_tunnel, l2tp_hello_timeout_s, 1, UINT16_MAX),
	OPTION("l2tp-secret", L2TP_SECRET, IN_TUNNEL),
	YESNO("l2tp-hide-avps", IN_TUNNEL, conf_tunnel, l2tp_hide_avps),
	NUM("l2tp-max-tunnel", IN_TUNNEL, conf_tunnel, l2tp_max_tunnel, 1, 4),
	NUM("l2tp-max-half-open", IN_TUNNEL, conf_tunnel, l2tp_max_half_open, 1, UINT8_MAX),
	NUM("l2tp-max-session", IN_TUNNEL, conf_tunnel, l2tp_max_session, 1, 1024),
	YESNO("l2tp-accept-dialin", IN_TUNNEL, conf_tunnel, l2tp_accept_dialin),
	YESNO("l2tp-lcp-renegotiation", IN_TUNNEL, conf_tunnel, l2tp_lcp_renegotiation),
	YESNO("l2tp-force-lcp-renegotiation", IN_TUNNEL, conf_tunnel, l2tp_force_lcp_renegotiation),
	YESNO("l2tp-data-use-seq", IN_TUNNEL, conf_tunnel, l2tp_data_use_seq),
	{ .name = "l2tp-require-ipsec", .token = OPT_YESNO, .in = IN_TUNNEL, FIELD(conf_tunnel, l2tp_require_ipsec) },
	LATER_STR("pptp-hostname", IN_TUNNEL),
	LATER_STR("pptp-vendor-name", IN_TUNNEL),
	LATER_NUM("pptp-echo-interval", IN_TUNNEL),
	LATER_NUM("pptp-echo-timeout", IN_TUNNEL),
	LATER_STR("pppoe-service-name", IN_TUNNEL),
	LATER_YESNO("pppoe-accept-any-service", IN_TUNNEL),
	LATER_STR("pppoe-ac-name", IN_TUNNEL),
	/* RFC 791: 576 octets is what every host can take. */
	NUM("mru", IN_TUNNEL, conf_tunnel, mru, 576, 1500),
	YESNO("lcp-keepalive", IN_TUNNEL, conf_tunnel, lcp_keepalive),
	NUM("lcp-keepalive-interval", IN_TUNNEL, conf_tunnel, lcp_keepalive_interval_s, 1, UINT16_MAX),
	NUM("lcp-keepalive-retry-interval", IN_TUNNEL, conf_tunnel, lcp_keepalive_retry_interval_s, 1, UINT16_MAX),
	NUM("lcp-keepalive-max-retries", IN_TUNNEL, conf_tunnel, lcp_keepalive_max_retries, 1, UINT8_MAX),
	NUM("lcp-timeout", IN_TUNNEL, conf_tunnel, lcp_timeout_s, 1, 60),
	NUM("lcp-max-configure", IN_TUNNEL, conf_tunnel, lcp_max_configure, 1, UINT8_MAX),
	NUM("lcp-max-terminate", IN_TUNNEL, conf_tunnel, lcp_max_terminate, 1, UINT8_MAX),
	NUM("lcp-max-nak-loop", IN_TUNNEL, conf_tunnel, lcp_max_nak_loop, 1, UINT8_MAX),
	NUM("ccp-timeout", IN_TUNNEL, conf_tunnel, ccp_timeout_s, 1, 60),
	NUM("ccp-max-configure", IN_TUNNEL, conf_tunnel, ccp_max_configure, 1, UINT8_MAX),
	NUM("ccp-max-terminate", IN_TUNNEL, conf_tunnel, ccp_max_terminate, 1, UINT8_MAX),
	NUM("ccp-max-nak-loop", IN_TUNNEL, conf_tunnel, ccp_max_nak_loop, 1, UINT8_MAX),
	NUM("ipcp-timeout", IN_TUNNEL, conf_tunnel, ipcp_timeout_s, 1, 60),
	NUM("ipcp-max-configure", IN_TUNNEL, conf_tunnel, ipcp_max_configure, 1, UINT8_MAX),
	NUM("ipcp-max-terminate", IN_TUNNEL, conf_tunnel, ipcp_max_terminate, 1, UINT8_MAX),
	NUM("ipcp-max-nak-loop", IN_TUNNEL, conf_tunnel, ipcp_max_nak_loop, 1, UINT8_MAX),
	OPTION("authentication-method", AUTHENTICATION_METHOD, IN_TUNNEL),
	VALUE("pap", PAP, IN_TUNNEL),
	VALUE("chap", CHAP, IN_TUNNEL),
	WORD("mschapv2", MSCHAPV2, IN_TUNNEL),
	VALUE("eap-md5", EAP_MD5, IN_TUNNEL),
	STR("chap-name", IN_TUNNEL, conf_tunnel, chap_name),
	OPTION("mppe", MPPE, IN_TUNNEL),
	VALUE("required", REQUIRED, IN_TUNNEL),
	OPTION("mppe-key-length", MPPE_KEY_LENGTH, IN_TUNNEL),
	OPTION("mppe-key-state", MPPE_KEY_STATE, IN_TUNNEL),
	VALUE("stateless", STATELESS, IN_TUNNEL),
	VALUE("stateful", STATEFUL, IN_TUNNEL),
	NUM("idle-timeout", IN_TUNNEL, conf_tunnel, idle_timeout_s, 0, UINT32_MAX),
	YESNO("tcp-mss-adjust", IN_TUNNEL, conf_tunnel, tcp_mss_adjust),
	YESNO("ingress-filter", IN_TUNNEL, conf_tunnel, ingress_filter),
	YESNO("callnum-check", IN_TUNNEL, conf_tunnel, callnum_check),
	NO_EFFECT("pipex", OPT_YESNO, IN_TUNNEL, "no part of this server is in the kernel"),
	OPTION("debug-dump-pktin", DEBUG_DUMP, IN_TUNNEL),
	OPTION("debug-dump-pktout", DEBUG_DUMP, IN_TUNNEL),
	VALUE("ip", IP, IN_TUNNEL),
	VALUE("lcp", LCP, IN_TUNNEL),
	VALUE("eap", EAP, IN_TUNNEL),
	VALUE("ccp", CCP, IN_TUNNEL),
	VALUE("ipcp", IPCP, IN_TUNNEL),
	YESNO("l2tp-ctrl-in-pktdump", IN_TUNNEL, conf_tunnel, l2tp_ctrl_in_pktdump),
	YESNO("l2tp-ctrl-out-pktdump", IN_TUNNEL, conf_tunnel, l2tp_ctrl_out_pktdump),
	YESNO("l2tp-data-in-pktdump", IN_TUNNEL, conf_tunnel, l2tp_data_in_pktdump),
	YESNO("l2tp-data-out-pktdump", IN_TUNNEL, conf_tunnel, l2tp_data_out_pktdump),
	LATER_YESNO("pptp-ctrl-in-pktdump", IN_TUNNEL),
	LATER_YESNO("pptp-ctrl-out-pktdump", IN_TUNNEL),
	LATER_YESNO("pptp-data-in-pktdump", IN_TUNNEL),
	LATER_YESNO("pptp-data-out-pktdump", IN_TUNNEL),
	LATER_YESNO("pppoe-desc-in-pktdump", IN_TUNNEL),
	LATER_YESNO("pppoe-desc-out-pktdump", IN_TUNNEL),
	LATER_YESNO("pppoe-session-in-pktdump", IN_TUNNEL),
	LATER_YESNO("pppoe-session-out-pktdump", IN_TUNNEL),

	/* ipcp */
	OPTION("pool-address", POOL_ADDRESS, IN_IPCP),
	WORD("for", FOR, IN_IPCP),
	WORD("dynamic", DYNAMIC, IN_IPCP),
	WORD("static", STATIC, IN_IPCP),
	OPTION("dns-servers", DNS_SERVERS, IN_IPCP),
	VALUE("resolver", RESOLVER, IN_IPCP),
	OPTION("nbns-servers", NBNS_SERVERS, IN_IPCP),
	YESNO("allow-user-selected-address", IN_IPCP, conf_ipcp, allow_user_selected_address),
	NUM("max-session", IN_IPCP, conf_ipcp, max_session, 0, UINT32_MAX),

	/* interface */
	WORD("address", ADDRESS, IN_INTERFACE),
	{ .name = "ipcp", .token = IPCP, .in = IN_INTERFACE },

	/* authentication */
	WORD("type", TYPE, IN_AUTH),
	WORD("local", LOCAL, IN_AUTH),
	WORD("radius", RADIUS, IN_AUTH),
	OPTION("users-file", USERS_FILE, IN_AUTH),
	STR("username-suffix", IN_AUTH, conf_auth, username_suffix),
	CANNOT("username-prefix", IN_AUTH, "npppd(8) has no such option any more: tell names apart by their end, with username-suffix"),
	YESNO("eap-capable", IN_AUTH, conf_auth, eap_capable),
	YESNO("strip-nt-domain", IN_AUTH, conf_auth, strip_nt_domain),
	YESNO("strip-atmark-realm", IN_AUTH, conf_auth, strip_atmark_realm),
	YESNO("disconnect-removed", IN_AUTH, conf_auth, disconnect_removed),
	NUM("user-max-session", IN_AUTH, conf_auth, user_max_session, 0, UINT32_MAX),
	OPTION("authentication-server", AUTHENTICATION_SERVER, IN_AUTH),
	OPTION("accounting-server", ACCOUNTING_SERVER, IN_AUTH),
	OPTION("address", ADDRESS, IN_AUTH),
	WORD("secret", SECRET, IN_AUTH | IN_RADIUS),
	WORD("message-authenticator", MESSAGE_AUTHENTICATOR, IN_AUTH | IN_RADIUS),
	OPTION("tls", TLS, IN_AUTH),
	WORD("ca", CA, IN_AUTH),
	WORD("server-name", TLS_NAME, IN_AUTH),
	RANGE("timeout", TIMEOUT, IN_AUTH, 1, 300),
	RANGE("max-tries", MAX_TRIES, IN_AUTH, 1, UINT8_MAX),
	RANGE("max-failovers", MAX_FAILOVERS, IN_AUTH, 0, UINT8_MAX),
	RANGE("dead-time", DEAD_TIME, IN_AUTH, 0, 86400),

	/* bind */
	WORD("authenticated", AUTHENTICATED, IN_BIND),
	WORD("by", BY, IN_BIND),

	/* firewall */
	OPTION("nat", NAT, IN_FIREWALL),
	OPTION("off", OFF, IN_FIREWALL),
	YESNO("client-to-client", IN_FIREWALL, conf_firewall, client_to_client),
	OPTION("pass", PASS, IN_FIREWALL),
	OPTION("block", BLOCK, IN_FIREWALL),
	WORD("tcp", TCP, IN_FIREWALL),
	WORD("icmp", ICMP, IN_FIREWALL),
	LATER_STR("allow", IN_FIREWALL),
	LATER_YESNO("cooperate", IN_FIREWALL),
	OPTION("filter", FILTER, IN_FIREWALL),

	/* profile */
	LATER_STR("name", IN_PROFILE),
	LATER_STR("server", IN_PROFILE),
	LATER_YESNO("send-all", IN_PROFILE),
	LATER("sign", SIGN, IN_PROFILE),
	WORD("cert", CERT, IN_PROFILE | IN_AUTH),
	WORD("key", KEY, IN_PROFILE | IN_AUTH),

	/* control */
	OPTION("socket", SOCKET, IN_CONTROL),
	OPTION("group", GROUP, IN_CONTROL),
};

_Static_assert(N_ELEMENTS(keywords) <= CONF_SEEN_MAX, "conf_parse.seen has a place for every row");
const size_t n_keywords = N_ELEMENTS(keywords);

const struct keyword *kw_find(const char *word, unsigned in)
{
	for (size_t i = 0; i < n_keywords; i++) {
		if ((keywords[i].in & in) && !strcmp(keywords[i].name, word))
			return &keywords[i];
	}
	return NULL;
}

bool kw_is_any(const char *word)
{
	return kw_find(word, ~0u) != NULL;
}

bool kw_is_moot(const struct keyword *kw)
{
	return kw->state == KW_NO_EFFECT || (kw->state == KW_WORKS && kw->why);
}

bool kw_is_option(const struct keyword *kw)
{
	return kw->option || kw->token == OPT_YESNO || kw->token == OPT_NUM || kw->token == OPT_STR;
}

const char *kw_kind(unsigned in)
{
	switch (in) {
	case IN_TOP:
		return "statement";
	case IN_SET:
		return "setting";
	case IN_TUNNEL:
		return "tunnel option";
	case IN_IPCP:
		return "ipcp option";
	case IN_AUTH:
		return "authentication option";
	case IN_FIREWALL:
		return "firewall option";
	case IN_PROFILE:
		return "profile option";
	case IN_CONTROL:
		return "control option";
	default:
		return "word";
	}
}

unsigned kw_distance(const char *a, const char *b, unsigned max)
{
	enum { LONGEST = 40 };
	/* Three rows are enough; a swap looks two back. */
	unsigned row[3][LONGEST + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > LONGEST || m > LONGEST || (n > m ? n - m : m - n) > max)
		return max + 1;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = row[i % 3], *up = row[(i - 1) % 3], *up2 = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned d = up[j - 1] + (a[i - 1] != b[j - 1]);

			d = MIN(d, up[j] + 1);
			d = MIN(d, now[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = MIN(d, up2[j - 2] + 1);
			now[j] = d;
		}
	}
	return MIN(row[n % 3][m], max + 1);
}

void kw_suggest(const char *word, const char *cand, const char **best, unsigned *best_dist)
{
	/* One slip in a short word, more in a long one. */
	unsigned max = (unsigned)MIN(MAX(strlen(cand) / 3, 1u), 4u), d = kw_distance(word, cand, max);

	if (d > max) {
		/* The other way to get a long word wrong is to write a part of it: "keepalive". */
		if (strlen(word) < 5 || (!strstr(cand, word) && !strstr(word, cand)))
			return;
	}
	if (d < *best_dist) {
		*best_dist = d;
		*best = cand;
	}
}
