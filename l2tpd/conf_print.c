/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_print: the canonical form of a configuration, and the keyword table in print. */
#include <ctype.h>
#include <string.h>

#include "l2tpd/conf.h"
#include "l2tpd/conf_parse.h"
#include "l2tpd/parse.h"

bool conf_is_bare(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	for (const char *c = s; *c; c++) {
		if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-' && *c != '.')
			return false;
	}
	return !kw_is_any(s);
}

/* A string as the lexer reads it back: a backslash before a quote or blank is part of the
 * string only when it is put before that backslash's follower once more. */
static void put_quoted(FILE *f, const char *s, size_t n)
{
	putc('"', f);
	for (size_t i = 0; i < n; i++) {
		bool blank = s[i] == ' ' || s[i] == '\t';

		if (s[i] == '"' || (blank && i && s[i - 1] == '\\'))
			putc('\\', f);
		putc(s[i], f);
	}
	/* A backslash at the end would take the quote's meaning: join an empty line after it. */
	fputs(n && s[n - 1] == '\\' ? "\\\n\"" : "\"", f);
}

static void put_text(FILE *f, const char *s)
{
	put_quoted(f, s, strlen(s));
}

static void put_name(FILE *f, const char *s)
{
	if (conf_is_bare(s))
		fputs(s, f);
	else
		put_text(f, s);
}

static uint32_t field_num(const char *at, size_t size)
{
	uint16_t v16;
	uint32_t v32;

	if (size == 1)
		return *(const uint8_t *)at;
	if (size == 2) {
		memcpy(&v16, at, 2);
		return v16;
	}
	memcpy(&v32, at, 4);
	return v32;
}

/* All options of a statement that the table says all about. */
static void put_options(FILE *f, unsigned in, const void *base, const char *lead)
{
	for (size_t i = 0; i < n_keywords; i++) {
		const struct keyword *kw = &keywords[i];
		const char *at = (const char *)base + kw->off;

		if (kw->in != in || !kw->size)
			continue;
		if (kw->token == OPT_YESNO) {
			fprintf(f, "%s%s %s\n", lead, kw->name, *(const bool *)at ? "yes" : "no");
		} else if (kw->token == OPT_NUM) {
			fprintf(f, "%s%s %u\n", lead, kw->name, field_num(at, kw->size));
		} else if (kw->token == OPT_STR && *at) {
			fprintf(f, "%s%s ", lead, kw->name);
			put_text(f, at);
			putc('\n', f);
		}
	}
}

static void put_ip4(FILE *f, uint32_t ip)
{
	char buf[ADDR_STRLEN];

	fputs(ip4_str(ip, buf), f);
}

static void put_addr(FILE *f, const struct addr *a)
{
	struct addr bare = *a;
	char buf[ADDR_STRLEN];

	bare.port = 0;
	fputs(addr_str(&bare, buf), f);
}

static void put_suite(FILE *f, const char *phase, const char *auth, const char *enc, const char *group)
{
	if (!*auth && !*enc && !*group)
		return;
	fprintf(f, " \\\n\t%s", phase);
	if (*auth)
		fprintf(f, " auth %s", auth);
	if (*enc)
		fprintf(f, " enc %s", enc);
	if (*group)
		fprintf(f, " group %s", group);
}

static void put_ike(FILE *f, const struct conf_ike *k)
{
	fprintf(f, "ike passive esp %s from ", k->tunnel_word ? "tunnel" : "transport");
	if (k->from.family)
		put_addr(f, &k->from);
	else
		fputs("any", f);
	fputs(" to ", f);
	if (k->to.family) {
		putc('"', f);
		put_addr(f, &k->to);
		fprintf(f, "/%u\"", k->to_prefix);
	} else {
		fputs("any", f);
	}
	put_suite(f, "main", k->main_auth, k->main_enc, k->main_group);
	put_suite(f, "quick", k->quick_auth, k->quick_enc, k->quick_group);
	if (*k->srcid) {
		fputs(" \\\n\tsrcid ", f);
		put_text(f, k->srcid);
	}
	if (*k->dstid) {
		fputs(" \\\n\tdstid ", f);
		put_text(f, k->dstid);
	}
	if (k->xauth)
		fputs(" \\\n\txauth", f);
	fputs(" \\\n\tpsk ", f);
	if (*k->psk_file) {
		fputs("file ", f);
		put_text(f, k->psk_file);
	} else {
		put_quoted(f, (const char *)k->psk, k->psk_len);
	}
	putc('\n', f);
}

static void put_dump(FILE *f, const char *what, unsigned set)
{
	static const struct { unsigned bit; const char *name; } protocols[] = {
		{ CONF_DUMP_LCP, "lcp" }, { CONF_DUMP_PAP, "pap" }, { CONF_DUMP_CHAP, "chap" }, { CONF_DUMP_EAP, "eap" },
		{ CONF_DUMP_MPPE, "mppe" }, { CONF_DUMP_CCP, "ccp" }, { CONF_DUMP_IPCP, "ipcp" },
		{ CONF_DUMP_IP, "ip" },
	};

	if (!set)
		return;
	fprintf(f, "\t%s", what);
	for (size_t i = 0; i < N_ELEMENTS(protocols); i++)
		if (set & protocols[i].bit)
			fprintf(f, " %s", protocols[i].name);
	putc('\n', f);
}

static void put_tunnel(FILE *f, const struct conf_tunnel *t)
{
	fputs("tunnel ", f);
	put_name(f, t->name);
	fputs(" protocol l2tp {\n", f);
	for (unsigned i = 0; i < t->n_listen; i++) {
		fputs("\tlisten on ", f);
		put_addr(f, &t->listen[i]);
		if (t->listen[i].port)
			fprintf(f, " port %u", t->listen[i].port);
		putc('\n', f);
	}
	fprintf(f, "\tauthentication-method%s%s%s%s%s\n", t->auth_methods & CONF_AUTH_PAP ? " pap" : "",
		t->auth_methods & CONF_AUTH_CHAP ? " chap" : "", t->auth_methods & CONF_AUTH_MSCHAPV2 ? " mschapv2" : "",
		t->auth_methods & CONF_AUTH_EAP_MSCHAPV2 ? " eap" : "", t->auth_methods & CONF_AUTH_EAP_MD5 ? " eap-md5" : "");
	put_options(f, IN_TUNNEL, t, "\t");
	if (*t->l2tp_secret_file) {
		fputs("\tl2tp-secret file ", f);
		put_text(f, t->l2tp_secret_file);
		putc('\n', f);
	} else if (t->l2tp_secret_len) {
		fputs("\tl2tp-secret ", f);
		put_quoted(f, (const char *)t->l2tp_secret, t->l2tp_secret_len);
		putc('\n', f);
	}
	fprintf(f, "\tmppe %s\n\tmppe-key-length%s%s%s\n\tmppe-key-state%s%s\n",
		t->mppe == CONF_MPPE_REQUIRED ? "required" : t->mppe == CONF_MPPE_YES ? "yes" : "no",
		t->mppe_keys & CONF_MPPE_40 ? " 40" : "", t->mppe_keys & CONF_MPPE_56 ? " 56" : "",
		t->mppe_keys & CONF_MPPE_128 ? " 128" : "", t->mppe_states & CONF_MPPE_STATELESS ? " stateless" : "",
		t->mppe_states & CONF_MPPE_STATEFUL ? " stateful" : "");
	put_dump(f, "debug-dump-pktin", t->dump_in);
	put_dump(f, "debug-dump-pktout", t->dump_out);
	fputs("}\n", f);
}

static void put_servers(FILE *f, const char *what, const uint32_t s[static 2])
{
	if (!s[0])
		return;
	fprintf(f, "\t%s ", what);
	put_ip4(f, s[0]);
	if (s[1]) {
		putc(' ', f);
		put_ip4(f, s[1]);
	}
	putc('\n', f);
}

static void put_ipcp(FILE *f, const struct conf_ipcp *i)
{
	fputs("ipcp ", f);
	put_name(f, i->name);
	fputs(" {\n", f);
	for (unsigned r = 0; r < i->n_pool; r++) {
		fputs("\tpool-address \"", f);
		put_ip4(f, i->pool[r].first);
		putc('-', f);
		put_ip4(f, i->pool[r].last);
		fprintf(f, "\" for %s\n", i->pool[r].static_only ? "static" : "dynamic");
	}
	if (i->dns_resolver)
		fputs("\tdns-servers resolver\n", f);
	else
		put_servers(f, "dns-servers", i->dns);
	put_servers(f, "nbns-servers", i->nbns);
	put_options(f, IN_IPCP, i, "\t");
	fputs("}\n", f);
}

static void put_radius(FILE *f, const char *what, const struct conf_radius *r)
{
	fprintf(f, "\t%s {\n", what);
	if (r->tls_ca[0]) {
		fputs("\t\ttls ca ", f);
		put_text(f, r->tls_ca);
		if (r->tls_cert[0]) {
			fputs(" cert ", f);
			put_text(f, r->tls_cert);
			fputs(" key ", f);
			put_text(f, r->tls_key);
		}
		if (r->tls_name[0]) {
			fputs(" server-name ", f);
			put_text(f, r->tls_name);
		}
		putc('\n', f);
	}
	for (unsigned i = 0; i < r->n_server; i++) {
		fputs("\t\taddress ", f);
		put_addr(f, &r->server[i].addr);
		fprintf(f, " port %u secret ", r->server[i].addr.port);
		put_text(f, r->server[i].secret);
		fputs(r->server[i].message_authenticator ? "\n" : " message-authenticator no\n", f);
	}
	fprintf(f, "\t\ttimeout %u\n\t\tmax-tries %u\n\t\tmax-failovers %u\n\t\tdead-time %u\n\t}\n", r->timeout_s,
		r->max_tries, r->max_failovers, r->dead_time_s);
}

static void put_auth(FILE *f, const struct conf_auth *a)
{
	fputs("authentication ", f);
	put_name(f, a->name);
	fprintf(f, " type %s {\n", a->type == CONF_TYPE_RADIUS ? "radius" : "local");
	if (a->type == CONF_TYPE_LOCAL) {
		fputs("\tusers-file ", f);
		put_text(f, a->users_file);
		putc('\n', f);
	}
	put_options(f, IN_AUTH, a, "\t");
	if (a->type == CONF_TYPE_RADIUS) {
		put_radius(f, "authentication-server", &a->radius_auth);
		put_radius(f, "accounting-server", &a->radius_acct);
	}
	fputs("}\n", f);
}

static void put_prefix(FILE *f, const struct conf_prefix *n)
{
	put_ip4(f, n->net);
	if (n->mask != UINT32_MAX)
		fprintf(f, "/%d", __builtin_popcount(n->mask));
}

static void put_rules(FILE *f, const struct conf_firewall *w, unsigned filter, const char *lead)
{
	static const char *const proto[] = { "", " proto tcp", " proto udp", " proto icmp" };

	for (unsigned i = 0; i < w->n_rule; i++) {
		const struct conf_rule *r = &w->rule[i];

		if (r->filter != filter)
			continue;
		fprintf(f, "%s%s%s", lead, r->pass ? "pass" : "block", proto[r->proto]);
		if (r->from.mask) {
			fputs(" from ", f);
			put_prefix(f, &r->from);
		}
		fputs(r->n_to ? " to" : " to any", f);
		for (unsigned k = 0; k < r->n_to; k++) {
			putc(' ', f);
			put_prefix(f, &r->to[k]);
		}
		for (unsigned k = 0; k < r->n_port; k++) {
			fprintf(f, "%s%u", k ? " " : " port ", r->port[k].first);
			if (r->port[k].last != r->port[k].first)
				fprintf(f, "-%u", r->port[k].last);
		}
		putc('\n', f);
	}
}

static void put_dae(FILE *f, const struct conf_dae *d)
{
	for (unsigned i = 0; i < d->n_listen; i++) {
		fputs("radius dae listen on ", f);
		put_addr(f, &d->listen[i]);
		fprintf(f, " port %u\n", d->listen[i].port);
	}
	for (unsigned i = 0; i < d->n_client; i++) {
		fputs("radius dae client ", f);
		put_addr(f, &d->client[i].addr);
		fputs(" secret ", f);
		put_text(f, d->client[i].secret);
		fprintf(f, "%s%s\n", d->client[i].message_authenticator ? "" : " message-authenticator no",
			d->client[i].event_timestamp ? "" : " event-timestamp no");
	}
}

static void put_firewall(FILE *f, const struct conf_firewall *w)
{
	if (!w->present)
		return;
	fputs("firewall {\n", f);
	if (w->off)
		fputs("\toff\n", f);
	if (w->nat) {
		fputs("\tnat on ", f);
		put_name(f, w->nat_on);
		if (w->nat_to) {
			fputs(" to ", f);
			put_ip4(f, w->nat_to);
		}
		putc('\n', f);
	}
	put_options(f, IN_FIREWALL, w, "\t");
	put_rules(f, w, CONF_FILTERS, "\t");
	for (unsigned i = 0; i < w->n_filter; i++) {
		fputs("\tfilter ", f);
		put_name(f, w->filter[i].name);
		fputs(" {\n", f);
		put_rules(f, w, i, "\t\t");
		fputs("\t}\n", f);
	}
	fputs("}\n", f);
}

void conf_print(FILE *f, const struct conf *c)
{
	static const char *const esp[] = { "user", "kernel", "auto" };

	put_options(f, IN_SET, c, "set ");
	fprintf(f, "set user-max-session %u %s\n", c->user_max_session,
		c->user_max_policy == CONF_UM_REPLACE ? "replace" : "refuse");
	fprintf(f, "set esp %s\n", esp[c->esp]);
	fprintf(f, "set proposals %s\n", c->proposals == CONF_PROP_LEGACY ? "legacy" : "default");
	put_options(f, IN_RADIUS, c, "radius ");
	put_dae(f, &c->dae);
	for (unsigned i = 0; i < c->n_ike; i++)
		put_ike(f, &c->ike[i]);
	for (unsigned i = 0; i < c->n_tunnel; i++)
		if (conf_has_tunnel(c, i))
			put_tunnel(f, &c->tunnel[i]);
	for (unsigned i = 0; i < c->n_unbuilt; i++) {
		fputs("tunnel ", f);
		put_name(f, c->unbuilt[i].name);
		fprintf(f, " protocol %s\n", c->unbuilt[i].kind == CONF_KIND_PPTP ? "pptp" : "pppoe");
	}
	for (unsigned i = 0; i < c->n_ipcp; i++)
		if (conf_has_ipcp(c, i))
			put_ipcp(f, &c->ipcp[i]);
	if (c->ipv6cp[0]) {
		fputs("ipv6cp ", f);
		put_name(f, c->ipv6cp);
		fputs(" {\n}\n", f);
	}
	for (unsigned i = 0; i < c->n_interface; i++) {
		if (!conf_has_interface(c, i))
			continue;
		fprintf(f, "interface %s address ", c->interface[i].name);
		put_ip4(f, c->interface[i].address);
		fputs(" ipcp ", f);
		put_name(f, c->ipcp[c->interface[i].ipcp].name);
		putc('\n', f);
	}
	for (unsigned i = 0; i < c->n_auth; i++)
		if (conf_has_auth(c, i))
			put_auth(f, &c->auth[i]);
	for (unsigned i = 0; i < c->n_bind; i++) {
		if (!conf_has_bind(c, i) || c->bind[i].after)
			continue;
		fputs("bind tunnel from ", f);
		put_name(f, c->tunnel[c->bind[i].tunnel].name);
		fputs(" authenticated by", f);
		for (const struct conf_bind *b = &c->bind[i]; b; b = conf_bind_next(c, b)) {
			putc(' ', f);
			put_name(f, c->auth[b->auth].name);
		}
		fprintf(f, " to %s\n", c->interface[c->bind[i].interface].name);
	}
	put_firewall(f, &c->firewall);
	if (*c->control_socket || *c->control_group) {
		fputs("control {\n", f);
		if (*c->control_socket) {
			fputs("\tsocket ", f);
			put_text(f, c->control_socket);
			putc('\n', f);
		}
		if (*c->control_group) {
			fputs("\tgroup ", f);
			put_text(f, c->control_group);
			putc('\n', f);
		}
		fputs("}\n", f);
	}
}

/* The value that an option has when it is not written; "-" where that is no single word. */
static void put_default(FILE *f, const struct keyword *kw)
{
	struct conf c;
	const void *base = kw->in == IN_SET	   ? (const void *)&c
			   : kw->in == IN_TUNNEL ? (const void *)&conf_tunnel_default
			   : kw->in == IN_IPCP	   ? (const void *)&conf_ipcp_default
			   : kw->in == IN_AUTH	   ? (const void *)&conf_auth_default
			   : kw->in == IN_FIREWALL ? (const void *)&c.firewall
						   : NULL;
	const char *at = (const char *)base + kw->off;

	conf_default(&c);
	if (kw->token == OPT_YESNO && kw->only != KW_ANY_VALUE)
		fputs(kw->only == KW_ONLY_YES ? "yes" : "no", f);
	else if (kw->token == OPT_YESNO && kw->size && base)
		fputs(*(const bool *)at ? "yes" : "no", f);
	else if (kw->token == OPT_NUM && kw->size && base)
		fprintf(f, "%u", field_num(at, kw->size));
	else if (kw->token == USER_MAX_SESSION)
		fprintf(f, "%u", c.user_max_session);
	else if (kw->token == TIMEOUT)
		fprintf(f, "%u", conf_radius_default.timeout_s);
	else if (kw->token == MAX_TRIES)
		fprintf(f, "%u", conf_radius_default.max_tries);
	else if (kw->token == MAX_FAILOVERS)
		fprintf(f, "%u", conf_radius_default.max_failovers);
	else if (kw->token == DEAD_TIME)
		fprintf(f, "%u", conf_radius_default.dead_time_s);
	else
		putc('-', f);
}

void conf_print_keywords(FILE *f)
{
	static const char *const state[] = { "works", "later", "soft", "no-effect", "cannot" };

	for (size_t i = 0; i < n_keywords; i++) {
		const struct keyword *kw = &keywords[i];
		const char *in = "-";

		/* An option's row has one statement. */
		for (size_t k = 0; k < n_keywords && kw_is_option(kw); k++) {
			if (keywords[k].opens == kw->in && kw->in)
				in = keywords[k].name;
		}
		if (kw->in & IN_TOP)
			in = "top";
		fprintf(f, "%s %s %s %u %u ", kw->name, in, kw_is_moot(kw) ? state[KW_NO_EFFECT]
			: kw->only != KW_ANY_VALUE ? "partly" : state[kw->state], kw->min, kw->max);
		put_default(f, kw);
		putc('\n', f);
	}
}
