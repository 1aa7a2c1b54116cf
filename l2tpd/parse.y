/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The grammar of culvert.conf(5), and its lexer.
 *
 * Plain options (a yes/no, a number, a string for one field) are one rule
 * each; keyword.c says which field and what range.  Everything is put into
 * p->c at once, names are resolved and limits compared by conf_check() when
 * the whole text was read.  A line with an error is passed over, so that one run
 * reports many.
 */
%define api.pure full
%define api.prefix {conf_yy}
%define api.location.type {struct conf_pos}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {struct conf_parse *p}

%code requires {
#include "l2tpd/conf_parse.h"
}

%union {
	char *s;			/* owned */
	const struct keyword *kw;
	uint32_t n;
}

%{
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/util.h"
#include "l2tpd/conf_parse.h"

#define YYLLOC_DEFAULT(cur, rhs, n) ((cur) = (n) ? YYRHSLOC(rhs, 1) : YYRHSLOC(rhs, 0))

static void text_free(char *s);

/* In the middle of a rule: the value stays on the stack, and an error later on frees it again. */
#define TEXT_DONE(s) do { text_free(s); (s) = NULL; } while (0)
%}

%code {
static int conf_yylex(YYSTYPE *val, YYLTYPE *loc, struct conf_parse *p);
static void conf_yyerror(const YYLTYPE *loc, struct conf_parse *p, const char *msg);

static void seen(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw);
static void opt_yesno(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw,
	struct conf_pos val_pos, bool yes);
static void opt_num(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw,
	struct conf_pos val_pos, const char *s);
static void opt_str(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw,
	struct conf_pos val_pos, const char *s);
static void put_str(struct conf_parse *p, struct conf_pos pos, const char *what, char *dst, size_t cap,
	const char *s);
static void put_path(struct conf_parse *p, struct conf_pos pos, const char *what, char *dst, const char *s);
static uint32_t number(struct conf_parse *p, struct conf_pos pos, const char *what, const char *s,
	uint32_t min, uint32_t max);
static uint32_t ip4(struct conf_parse *p, struct conf_pos pos, const char *what, const char *s);
static struct addr address(struct conf_parse *p, struct conf_pos pos, const char *s);
static void later(struct conf_parse *p, struct conf_pos pos, const char *what);
static void moot(struct conf_parse *p, struct conf_pos pos, const char *what, const struct keyword *kw);
static void tunnel_begin(struct conf_parse *p, struct conf_pos pos, const char *name, enum conf_proto proto);
static void tunnel_listen(struct conf_parse *p, struct conf_pos pos, const char *addr, struct conf_pos port_pos,
	const char *port);
static void ipcp_begin(struct conf_parse *p, struct conf_pos pos, const char *name);
static void ipv6cp_begin(struct conf_parse *p, struct conf_pos pos, const char *name);
static void pool(struct conf_parse *p, struct conf_pos pos, const char *s, bool static_only);
static void server_list(struct conf_parse *p, struct conf_pos pos, uint32_t list[static 2], const char *what,
	char *const s[static 2]);
static void interface(struct conf_parse *p, struct conf_pos pos, const char *name, struct conf_pos addr_pos,
	const char *addr, struct conf_pos ipcp_pos, const char *ipcp);
static void auth_begin(struct conf_parse *p, struct conf_pos pos, const char *name, enum conf_auth_type type);
static void radius_begin(struct conf_parse *p, struct conf_pos pos, bool acct);
static void dae_listen(struct conf_parse *p, struct conf_pos pos, const char *addr, struct conf_pos port_pos,
	const char *port);
static void dae_client(struct conf_parse *p, struct conf_pos pos, const char *addr, struct conf_pos secret_pos,
	const char *secret, bool authenticator, bool timestamp);
static void radius_server(struct conf_parse *p, struct conf_pos pos, const char *addr, struct conf_pos port_pos,
	const char *port, struct conf_pos secret_pos, const char *secret, bool authenticator);
static void radius_tls(struct conf_parse *p, struct conf_pos pos, struct conf_pos ca_pos, const char *ca, struct conf_pos cert_pos,
	const char *cert, struct conf_pos key_pos, const char *key, struct conf_pos name_pos, const char *name);
static void radius_end(struct conf_parse *p);
static void bind_by(struct conf_parse *p, struct conf_pos pos, const char *name);
static void bind_names(struct conf_parse *p, struct conf_pos pos, struct conf_pos tunnel_pos, const char *tunnel,
	struct conf_pos interface_pos, const char *interface);
static void ike_begin(struct conf_parse *p, struct conf_pos pos);
static void ike_end(struct conf_parse *p);
static void ike_host(struct conf_parse *p, struct conf_pos pos, const char *s);
static void ike_end_host(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw,
	struct conf_pos val_pos, const char *s, bool to);
static void ike_lifetime(struct conf_parse *p, struct conf_pos pos, const char *s);
static void ike_port(struct conf_parse *p, struct conf_pos pos, const char *s);
static void ike_alg(struct conf_parse *p, struct conf_pos pos, const char *what, const struct conf_alg *algs,
	char *main_dst, char *quick_dst, const char *s);
static void ike_psk(struct conf_parse *p, struct conf_pos pos, const char *s, bool file);
static void tunnel_secret(struct conf_parse *p, struct conf_pos pos, const char *s, bool file);
static void nat(struct conf_parse *p, struct conf_pos pos, const char *ifname, struct conf_pos to_pos,
	const char *to);
static void filter_begin(struct conf_parse *p, struct conf_pos pos, const char *name);
static void rule_begin(struct conf_parse *p, bool pass);
static bool rule_net(struct conf_parse *p, struct conf_pos pos, const char *s, struct conf_prefix *ret);
static void rule_to(struct conf_parse *p, struct conf_pos pos, const char *s);
static void rule_port(struct conf_parse *p, struct conf_pos pos, const char *s);
static void rule_empty(struct conf_parse *p, struct conf_pos pos);
static void rule_end(struct conf_parse *p, struct conf_pos pos);
static uint32_t mppe_key(struct conf_parse *p, struct conf_pos pos, const char *s);
static void macro_set(struct conf_parse *p, struct conf_pos pos, const char *name, const char *value);
static char *join(struct conf_parse *p, struct conf_pos pos, char *a, char *b);
static void include(struct conf_parse *p, struct conf_pos pos, const char *s);
}

%token <s> STRING "a word or string" NUMBER "a number"
%token NEWLINE "end of line"
%token <kw> OPT_YESNO OPT_NUM OPT_STR L2TP_SECRET
%token <kw> USER_MAX_SESSION ESP PROPOSALS LOCAL PEER SRCID DSTID XAUTH AUTHENTICATION_METHOD MPPE MPPE_KEY_LENGTH
%token <kw> MPPE_KEY_STATE DNS_SERVERS NBNS_SERVERS USERS_FILE TIMEOUT MAX_TRIES MAX_FAILOVERS DEAD_TIME SOCKET GROUP
%token SET RADIUS IKE TUNNEL IPCP IPV6CP INTERFACE AUTHENTICATION BIND FIREWALL PROFILE CONTROL INCLUDE
%token YES NO
%token REFUSE REPLACE USER KERNEL AUTO DEFAULT LEGACY
%token DAE CLIENT EVENT_TIMESTAMP
%token PASSIVE TRANSPORT PROTO UDP FROM TO ANY MAIN QUICK AUTH ENC LIFETIME PSK SECRET_FILE TAG
%token PROTOCOL L2TP PPTP PPPOE LISTEN ON PORT
%token PAP CHAP MSCHAPV2 EAP_MD5 REQUIRED
%token STATELESS STATEFUL IP LCP EAP CCP DUMP_MPPE
%token <kw> DEBUG_DUMP
%token POOL_ADDRESS FOR DYNAMIC STATIC RESOLVER
%token ADDRESS TYPE
%token AUTHENTICATION_SERVER ACCOUNTING_SERVER SECRET MESSAGE_AUTHENTICATOR TLS CA TLS_NAME
%token AUTHENTICATED BY
%token NAT OFF PASS BLOCK FILTER TCP ICMP
%token SIGN CERT KEY

%type <s> text macro_value opt_port opt_name
%type <n> yesno opt_authenticator opt_event_timestamp esp proposals proto auth_type auth_methods auth_method policy pool_for
%type <n> dump_words dump_word mppe key_lengths key_length key_states key_state

%destructor { text_free($$); } <s>

%%

file:	  %empty
	| file NEWLINE
	| file statement NEWLINE	{ p->n_statements++; }
	| file STRING '=' macro_value NEWLINE {
		macro_set(p, @2, $2, $4);
		text_free($2);
		text_free($4);
	}
	| file INCLUDE text NEWLINE {
		include(p, @3, $3);
		text_free($3);
	}
	| file error NEWLINE {
		/* The rest of a block whose first line was wrong would only make noise. */
		p->drop_block = p->depth > 0;
		yyerrok;
	}
	;

statement: set
	| radius
	| ike
	| tunnel
	| ipcp
	| ipv6cp
	| interface
	| auth
	| bind
	| firewall
	| profile
	| control
	;

/* A word, number or string where a name or value is wanted. */
text:	  STRING
	| NUMBER
	;

macro_value: text
	| macro_value text	{ $$ = join(p, @2, $1, $2); }
	;

yesno:	  YES	{ $$ = 1; }
	| NO	{ $$ = 0; }
	;

/* An option that keyword.c says all about. */
plain:	  OPT_YESNO yesno	{ opt_yesno(p, @1, $1, @2, $2); }
	| OPT_NUM text		{ opt_num(p, @1, $1, @2, $2); text_free($2); }
	| OPT_STR text		{ opt_str(p, @1, $1, @2, $2); text_free($2); }
	;

opt_port: %empty	{ $$ = NULL; }
	| PORT text	{ @$ = @2; $$ = $2; }
	;

set:	  SET plain
	| SET USER_MAX_SESSION text policy {
		seen(p, @2, $2);
		p->c->user_max_session = number(p, @3, $2->name, $3, $2->min, $2->max);
		p->c->user_max_policy = $4;
		text_free($3);
	}
	| SET ESP esp {
		seen(p, @2, $2);
		p->c->esp = $3;
	}
	| SET PROPOSALS proposals {
		seen(p, @2, $2);
		p->c->proposals = $3;
		p->at_proposals = @3;
	}
	;

esp:	  USER		{ $$ = CONF_ESP_USER; }
	| KERNEL	{ $$ = CONF_ESP_KERNEL; }
	| AUTO		{ $$ = CONF_ESP_AUTO; }
	;

proposals: DEFAULT	{ $$ = CONF_PROP_DEFAULT; }
	| LEGACY	{ $$ = CONF_PROP_LEGACY; }
	;

policy:	  %empty	{ $$ = CONF_UM_REFUSE; }
	| REFUSE	{ $$ = CONF_UM_REFUSE; }
	| REPLACE	{ $$ = CONF_UM_REPLACE; }
	;

radius:	  RADIUS plain
	| RADIUS DAE LISTEN ON text opt_port {
		dae_listen(p, @5, $5, @6, $6);
		text_free($5);
		text_free($6);
	}
	| RADIUS DAE CLIENT text SECRET text opt_authenticator opt_event_timestamp {
		dae_client(p, @4, $4, @6, $6, $7, $8);
		text_free($4);
		text_free($6);
	}
	;

opt_event_timestamp: %empty	{ $$ = 1; }
	| EVENT_TIMESTAMP yesno	{ $$ = $2; }
	;

/* As in OpenBSD's ipsec.conf(5); all but the key may be left out. */
ike:	  IKE { ike_begin(p, @1); } ike_passive ike_esp ike_mode ike_proto ike_hosts ike_opts ike_psk ike_tag {
		ike_end(p);
	}
	;

ike_passive: %empty
	| PASSIVE
	;

ike_esp:  %empty
	| ESP
	;

ike_mode: %empty
	| TRANSPORT
	| TUNNEL	{ p->ike->tunnel_word = true; }
	;

ike_proto: %empty
	| PROTO UDP
	;

ike_hosts: %empty
	| FROM { p->host_to = false; } hosts ike_port TO { p->host_to = true; } hosts ike_port
	;

hosts:	  host
	| '{' host_list '}'
	;

host_list: host_sep host host_sep
	| host_list host host_sep
	;

host_sep: %empty
	| host_sep ','
	| host_sep NEWLINE
	;

host:	  ANY	{ ike_host(p, @1, NULL); }
	| text	{ ike_host(p, @1, $1); text_free($1); }
	;

ike_port: %empty
	| PORT text	{ ike_port(p, @2, $2); text_free($2); }
	;

ike_opts: %empty
	| ike_opts ike_opt
	;

ike_opt:  MAIN { p->suite_quick = false; } algs
	| QUICK { p->suite_quick = true; } algs
	| LOCAL ANY
	| LOCAL text	{ ike_end_host(p, @1, $1, @2, $2, false); text_free($2); }
	| PEER ANY
	| PEER text	{ ike_end_host(p, @1, $1, @2, $2, true); text_free($2); }
	| SRCID text {
		seen(p, @1, $1);
		put_str(p, @2, "srcid", p->ike->srcid, sizeof(p->ike->srcid), $2);
		text_free($2);
	}
	| DSTID text {
		seen(p, @1, $1);
		put_str(p, @2, "dstid", p->ike->dstid, sizeof(p->ike->dstid), $2);
		text_free($2);
	}
	| XAUTH	{ seen(p, @1, $1); p->ike->xauth = true; }
	;

algs:	  alg
	| algs alg
	;

alg:	  AUTH text {
		ike_alg(p, @2, "auth", conf_auths, p->ike->main_auth, p->ike->quick_auth, $2);
		text_free($2);
	}
	| ENC text {
		ike_alg(p, @2, "enc", conf_encs, p->ike->main_enc, p->ike->quick_enc, $2);
		text_free($2);
	}
	| GROUP text {
		ike_alg(p, @2, "group", conf_groups, p->ike->main_group, p->ike->quick_group, $2);
		text_free($2);
	}
	| LIFETIME text	{ ike_lifetime(p, @2, $2); text_free($2); }
	;

ike_psk:  PSK text			{ ike_psk(p, @2, $2, false); text_free($2); }
	| PSK SECRET_FILE text		{ ike_psk(p, @3, $3, true); text_free($3); }
	;

ike_tag:  %empty
	| TAG text	{ text_free($2); }
	;

tunnel:	  TUNNEL text PROTOCOL proto {
		tunnel_begin(p, @2, $2, $4);
		TEXT_DONE($2);
	  } tunnel_block	{ p->unbuilt = false; }
	;

proto:	  L2TP	{ $$ = PROTO_L2TP; }
	| PPTP	{ $$ = PROTO_PPTP; }
	| PPPOE	{ $$ = PROTO_PPPOE; }
	;

tunnel_block: %empty
	| '{' tunnel_opts '}'
	| '{' tunnel_opts error '}'	{ yyerrok; }
	;

tunnel_opts: %empty
	| tunnel_opts NEWLINE
	| tunnel_opts tunnel_opt
	| tunnel_opts error NEWLINE	{ yyerrok; }
	;

tunnel_opt: plain
	| LISTEN ON text opt_port {
		tunnel_listen(p, @3, $3, @4, $4);
		text_free($3);
		text_free($4);
	}
	| LISTEN ON INTERFACE text {
		if (p->proto != PROTO_PPPOE)
			conf_error(p, @3, "listen on interface is for a tunnel of protocol pppoe; expected an address");
		text_free($4);
	}
	| AUTHENTICATION_METHOD auth_methods {
		seen(p, @1, $1);
		if (!p->unbuilt) {
			p->tunnel->auth_methods = (uint8_t)$2;
			p->at_methods[p->tunnel - p->c->tunnel] = @2;
		}
	}
	| L2TP_SECRET text {
		seen(p, @1, $1);
		tunnel_secret(p, @2, $2, false);
		text_free($2);
	}
	| L2TP_SECRET SECRET_FILE text {
		seen(p, @1, $1);
		tunnel_secret(p, @3, $3, true);
		text_free($3);
	}
	| MPPE mppe {
		seen(p, @1, $1);
		if (!p->unbuilt) {
			p->tunnel->mppe = (uint8_t)$2;
			p->at_mppe[p->tunnel - p->c->tunnel] = @2;
		}
	}
	| MPPE_KEY_LENGTH key_lengths {
		seen(p, @1, $1);
		if (!p->unbuilt)
			p->tunnel->mppe_keys = (uint8_t)$2;
	}
	| MPPE_KEY_STATE key_states {
		seen(p, @1, $1);
		if (!p->unbuilt)
			p->tunnel->mppe_states = (uint8_t)$2;
	}
	| DEBUG_DUMP dump_words {
		seen(p, @1, $1);
		if (!p->unbuilt)
			*(!strcmp($1->name, "debug-dump-pktin") ? &p->tunnel->dump_in : &p->tunnel->dump_out) = (uint8_t)$2;
	}
	;

auth_methods: auth_method
	| auth_methods auth_method	{ $$ = $1 | $2; }
	;

auth_method: PAP	{ $$ = CONF_AUTH_PAP; }
	| CHAP		{ $$ = CONF_AUTH_CHAP; }
	| MSCHAPV2	{ $$ = CONF_AUTH_MSCHAPV2; }
	| EAP		{ $$ = CONF_AUTH_EAP_MSCHAPV2; }
	| EAP_MD5	{ $$ = CONF_AUTH_EAP_MD5; }
	;

mppe:	  NO		{ $$ = CONF_MPPE_NO; }
	| YES		{ $$ = CONF_MPPE_YES; }
	| REQUIRED	{ $$ = CONF_MPPE_REQUIRED; }
	;

key_lengths: key_length
	| key_lengths key_length	{ $$ = $1 | $2; }
	;

key_length: NUMBER	{ $$ = mppe_key(p, @1, $1); text_free($1); }
	;

key_states: key_state
	| key_states key_state	{ $$ = $1 | $2; }
	;

key_state: STATELESS	{ $$ = CONF_MPPE_STATELESS; }
	| STATEFUL	{ $$ = CONF_MPPE_STATEFUL; }
	;

dump_words: dump_word
	| dump_words dump_word	{ $$ = $1 | $2; }
	;

dump_word: IP		{ $$ = CONF_DUMP_IP; }
	| LCP		{ $$ = CONF_DUMP_LCP; }
	| PAP		{ $$ = CONF_DUMP_PAP; }
	| CHAP		{ $$ = CONF_DUMP_CHAP; }
	| EAP		{ $$ = CONF_DUMP_EAP; }
	| DUMP_MPPE	{ $$ = CONF_DUMP_MPPE; }
	| CCP		{ $$ = CONF_DUMP_CCP; }
	| IPCP		{ $$ = CONF_DUMP_IPCP; }
	;

ipcp:	  IPCP text { ipcp_begin(p, @2, $2); TEXT_DONE($2); } ipcp_block
	;

ipcp_block: '{' ipcp_opts '}'
	| '{' ipcp_opts error '}'	{ yyerrok; }
	;

ipcp_opts: %empty
	| ipcp_opts NEWLINE
	| ipcp_opts ipcp_opt
	| ipcp_opts error NEWLINE	{ yyerrok; }
	;

ipcp_opt: plain
	| POOL_ADDRESS text pool_for	{ pool(p, @2, $2, $3); text_free($2); }
	| DNS_SERVERS RESOLVER {
		seen(p, @1, $1);
		p->ipcp->dns_resolver = true;
		p->ipcp->dns[0] = p->ipcp->dns[1] = 0;
		p->at_resolver[p->ipcp - p->c->ipcp] = @2;
	}
	| DNS_SERVERS text {
		seen(p, @1, $1);
		server_list(p, @2, p->ipcp->dns, "dns-servers", (char *const[2]){ $2 });
		text_free($2);
	}
	| DNS_SERVERS text text {
		seen(p, @1, $1);
		server_list(p, @2, p->ipcp->dns, "dns-servers", (char *const[2]){ $2, $3 });
		text_free($2);
		text_free($3);
	}
	| NBNS_SERVERS text {
		seen(p, @1, $1);
		server_list(p, @2, p->ipcp->nbns, "nbns-servers", (char *const[2]){ $2 });
		text_free($2);
	}
	| NBNS_SERVERS text text {
		seen(p, @1, $1);
		server_list(p, @2, p->ipcp->nbns, "nbns-servers", (char *const[2]){ $2, $3 });
		text_free($2);
		text_free($3);
	}
	;

pool_for: %empty	{ $$ = false; }
	| FOR DYNAMIC	{ $$ = false; }
	| FOR STATIC	{ $$ = true; }
	;

/* No options yet: it only says that IPV6CP is spoken. */
ipv6cp:	  IPV6CP text { ipv6cp_begin(p, @2, $2); TEXT_DONE($2); } '{' ipv6cp_lines '}'
	;

ipv6cp_lines: %empty
	| ipv6cp_lines NEWLINE
	;

interface: INTERFACE text ADDRESS text IPCP text {
		interface(p, @2, $2, @4, $4, @6, $6);
		text_free($2);
		text_free($4);
		text_free($6);
	}
	;

auth:	  AUTHENTICATION text TYPE auth_type { auth_begin(p, @2, $2, $4); TEXT_DONE($2); } auth_block
	;

auth_type: LOCAL	{ $$ = CONF_TYPE_LOCAL; }
	| RADIUS	{ $$ = CONF_TYPE_RADIUS; }
	;

auth_block: '{' auth_opts '}'
	| '{' auth_opts error '}'	{ yyerrok; }
	;

auth_opts: %empty
	| auth_opts NEWLINE
	| auth_opts auth_opt
	| auth_opts error NEWLINE	{ yyerrok; }
	;

auth_opt: plain
	| USERS_FILE text {
		if (p->auth->type != CONF_TYPE_LOCAL)
			conf_error(p, @1, "users-file belongs in an authentication of type local");
		seen(p, @1, $1);
		put_path(p, @2, "users-file", p->auth->users_file, $2);
		p->at_users[p->auth - p->c->auth] = @2;
		text_free($2);
	}
	| AUTHENTICATION_SERVER { radius_begin(p, @1, false); } server_block
	| ACCOUNTING_SERVER { radius_begin(p, @1, true); } server_block
	;

server_block: '{' server_opts '}'	{ radius_end(p); }
	| '{' server_opts error '}'	{ yyerrok; }
	;

server_opts: %empty
	| server_opts NEWLINE
	| server_opts server_opt
	| server_opts error NEWLINE	{ yyerrok; }
	;

server_opt: ADDRESS text opt_port SECRET text opt_authenticator {
		radius_server(p, @2, $2, @3, $3, @5, $5, $6);
		text_free($2);
		text_free($3);
		text_free($5);
	}
	| ADDRESS text opt_port {
		radius_server(p, @2, $2, @3, $3, @2, NULL, true);
		text_free($2);
		text_free($3);
	}
	| TLS CA text opt_name {
		radius_tls(p, @1, @3, $3, @3, NULL, @3, NULL, @4, $4);
		text_free($3);
		text_free($4);
	}
	| TLS CA text CERT text KEY text opt_name {
		radius_tls(p, @1, @3, $3, @5, $5, @7, $7, @8, $8);
		text_free($3);
		text_free($5);
		text_free($7);
		text_free($8);
	}
	| TIMEOUT text {
		seen(p, @1, $1);
		p->radius->timeout_s = (uint16_t)number(p, @2, $1->name, $2, $1->min, $1->max);
		text_free($2);
	}
	| MAX_TRIES text {
		seen(p, @1, $1);
		p->radius->max_tries = (uint8_t)number(p, @2, $1->name, $2, $1->min, $1->max);
		text_free($2);
	}
	| MAX_FAILOVERS text {
		seen(p, @1, $1);
		p->radius->max_failovers = (uint8_t)number(p, @2, $1->name, $2, $1->min, $1->max);
		text_free($2);
	}
	| DEAD_TIME text {
		seen(p, @1, $1);
		p->radius->dead_time_s = number(p, @2, $1->name, $2, $1->min, $1->max);
		text_free($2);
	}
	;

opt_name: %empty			{ $$ = NULL; }
	| TLS_NAME text			{ $$ = $2; }
	;

opt_authenticator: %empty		{ $$ = 1; }
	| MESSAGE_AUTHENTICATOR yesno	{ $$ = $2; }
	;

bind:	  BIND TUNNEL FROM text AUTHENTICATED BY { p->n_by = 0; } bind_by TO text {
		bind_names(p, @1, @4, $4, @10, $10);
		text_free($4);
		text_free($10);
	}
	;

bind_by:  text		{ bind_by(p, @1, $1); text_free($1); }
	| bind_by text	{ bind_by(p, @2, $2); text_free($2); }
	;

firewall: FIREWALL { p->c->firewall.present = true; } firewall_block
	;

firewall_block: '{' firewall_opts '}'
	| '{' firewall_opts error '}'	{ yyerrok; }
	;

firewall_opts: %empty
	| firewall_opts NEWLINE
	| firewall_opts firewall_opt
	| firewall_opts error NEWLINE	{ yyerrok; }
	;

firewall_opt: plain
	| NAT ON text			{ nat(p, @3, $3, @3, NULL); text_free($3); }
	| NAT ON text TO text		{ nat(p, @3, $3, @5, $5); text_free($3); text_free($5); }
	| OFF				{ p->c->firewall.off = true; p->at_off = @1; }
	| rule
	| FILTER text {
		filter_begin(p, @2, $2);
		TEXT_DONE($2);
	  } filter_block		{ p->filter = CONF_FILTERS; }
	;

filter_block: '{' filter_rules '}'
	| '{' filter_rules error '}'	{ yyerrok; }
	;

filter_rules: %empty
	| filter_rules NEWLINE
	| filter_rules rule
	| filter_rules error NEWLINE	{ yyerrok; }
	;

/* As in OpenBSD's pf.conf(5), of which this is a small part. */
rule:	  verdict rule_proto rule_from TO rule_to rule_port	{ rule_end(p, @1); }
	;

verdict:  PASS	{ rule_begin(p, true); }
	| BLOCK	{ rule_begin(p, false); }
	;

rule_proto: %empty
	| PROTO TCP	{ p->rule.proto = CONF_RULE_TCP; }
	| PROTO UDP	{ p->rule.proto = CONF_RULE_UDP; }
	| PROTO ICMP	{ p->rule.proto = CONF_RULE_ICMP; }
	;

rule_from: %empty
	| FROM ANY
	| FROM text	{ (void)rule_net(p, @2, $2, &p->rule.from); text_free($2); }
	;

rule_to:  rule_nets
	| '{' rule_sep rule_net_list '}'
	| '{' rule_sep '}'	{ rule_empty(p, @1); }
	;

rule_nets: rule_net
	| rule_nets rule_net
	;

rule_net_list: rule_net rule_sep
	| rule_net_list rule_net rule_sep
	;

rule_net: ANY	{ p->rule_any = true; }
	| text	{ rule_to(p, @1, $1); text_free($1); }
	;

rule_port: %empty
	| PORT rule_ports
	| PORT '{' rule_sep rule_port_list '}'
	| PORT '{' rule_sep '}'	{ rule_empty(p, @2); }
	;

rule_ports: rule_port_range
	| rule_ports rule_port_range
	;

rule_port_list: rule_port_range rule_sep
	| rule_port_list rule_port_range rule_sep
	;

rule_port_range: text	{ rule_port(p, @1, $1); text_free($1); }
	;

rule_sep: %empty
	| rule_sep ','
	| rule_sep NEWLINE
	;

profile:  PROFILE '{' profile_opts '}'
	| PROFILE '{' profile_opts error '}'	{ yyerrok; }
	;

profile_opts: %empty
	| profile_opts NEWLINE
	| profile_opts profile_opt
	| profile_opts error NEWLINE	{ yyerrok; }
	;

profile_opt: plain
	| SIGN CERT text KEY text	{ text_free($3); text_free($5); }
	;

control:  CONTROL '{' control_opts '}'
	| CONTROL '{' control_opts error '}'	{ yyerrok; }
	;

control_opts: %empty
	| control_opts NEWLINE
	| control_opts control_opt
	| control_opts error NEWLINE	{ yyerrok; }
	;

control_opt: SOCKET text {
		seen(p, @1, $1);
		put_path(p, @2, "socket", p->c->control_socket, $2);
		text_free($2);
	}
	| GROUP text {
		seen(p, @1, $1);
		put_str(p, @2, "group", p->c->control_group, sizeof(p->c->control_group), $2);
		text_free($2);
	}
	;

%%

/* Any text may be a secret. */
static void text_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

static char *text_dup(const char *s, size_t n)
{
	char *d = malloc(n + 1);

	if (!d)
		abort();	/* a start-up as short of memory as this cannot go on */
	memcpy(d, s, n);
	d[n] = '\0';
	return d;
}

static char *join(struct conf_parse *p, struct conf_pos pos, char *a, char *b)
{
	size_t n = strlen(a), m = strlen(b);
	char *s;

	/* Each word copies those before it, so there must be an end to it. */
	if (n + m > CONF_MACRO_MAX) {
		conf_error(p, pos, "a macro's value of several words is at most %d bytes long", CONF_MACRO_MAX);
		text_free(b);
		return a;
	}
	s = malloc(n + m + 2);
	if (!s)
		abort();
	memcpy(s, a, n);
	s[n] = ' ';
	memcpy(s + n + 1, b, m + 1);
	text_free(a);
	text_free(b);
	return s;
}

/* ---- lexer ---- */

static int peek(const struct conf_parse *p)
{
	const struct conf_input *in = p->in;

	return in->at < in->len ? (unsigned char)in->buf[in->at] : EOF;
}

static int peek2(const struct conf_parse *p)
{
	const struct conf_input *in = p->in;

	return in->at + 1 < in->len ? (unsigned char)in->buf[in->at + 1] : EOF;
}

static int get(struct conf_parse *p)
{
	struct conf_input *in = p->in;
	int c = peek(p);

	if (c == EOF)
		return EOF;
	in->at++;
	if (in->macro)
		return c;
	if (c == '\n') {
		in->pos.line++;
		in->pos.col = 1;
	} else {
		in->pos.col++;
	}
	return c;
}

static bool is_word(int c)
{
	return c != EOF && (c >= 0x80 || (c > ' ' && c != 0x7f && !strchr("(){}<>!=#,\"'\\", c)));
}

/* What a bare word may begin with; '-' so that "-1" is a bad number and not a bad character. */
static bool is_word_start(int c)
{
	return is_word(c) && (isalnum(c) || c >= 0x80 || strchr(":_*/.-+%@~[", c));
}

static void show(struct conf_parse *p, const char *s, size_t n)
{
	if (p->hush)
		(void)str_copy(p->word, sizeof(p->word), "");
	else
		str_escape(p->word, sizeof(p->word), s, n);
}

static void lex_error(struct conf_parse *p, struct conf_pos pos, const char *what)
{
	conf_error(p, pos, "%s", what);
}

/* A quoted string, the opening quote not read yet. Inside, a backslash takes the meaning from
 * the quote, a blank or the end of the line; before anything else it is itself. */
static int lex_string(struct conf_parse *p, YYSTYPE *val, struct conf_pos pos)
{
	size_t n = 0, cap = 64;
	char *s = malloc(cap);
	int quote = get(p), c;

	if (!s)
		abort();
	for (;;) {
		c = peek(p);
		if (c == EOF || c == '\n') {
			explicit_bzero(s, n);
			free(s);
			lex_error(p, pos, "the string that begins here is not closed on its line");
			return CONF_YYerror;
		}
		get(p);
		if (c == quote)
			break;
		if (c == '\\' && peek(p) == '\n') {
			get(p);
			continue;
		}
		if (c == '\\' && (peek(p) == quote || peek(p) == ' ' || peek(p) == '\t'))
			c = get(p);
		if (n + 1 >= cap) {
			/* Not realloc(): it would leave a copy of a secret behind. */
			char *bigger = malloc(cap * 2);

			if (!bigger)
				abort();
			memcpy(bigger, s, n);
			explicit_bzero(s, n);
			free(s);
			s = bigger;
			cap *= 2;
		}
		s[n++] = (char)c;
	}
	s[n] = '\0';
	/* What is quoted may be a secret, so it is never shown. */
	(void)str_copy(p->word, sizeof(p->word), "");
	val->s = s;
	return STRING;
}

/* Read over the rest of the innermost block; the brace that closes it comes next. */
static void lex_skip_block(struct conf_parse *p)
{
	unsigned deep = 0;
	int c;

	while ((c = peek(p)) != EOF) {
		if (c == '}' && deep == 0)
			return;
		get(p);
		if (c == '{') {
			deep++;
		} else if (c == '}') {
			deep--;
		} else if (c == '#') {
			while ((c = peek(p)) != EOF && c != '\n')
				get(p);
		} else if (c == '"' || c == '\'') {
			int q = c;

			while ((c = peek(p)) != EOF && c != '\n') {
				get(p);
				if (c == q)
					break;
				if (c == '\\' && peek(p) != EOF)
					get(p);
			}
		}
	}
}

/* $NAME: its value is read next, as if it stood here. */
static bool lex_macro(struct conf_parse *p, struct conf_pos pos)
{
	const char *best = NULL;
	unsigned dist = UINT_MAX;
	char name[CONF_NAME_MAX];
	size_t n = 0;
	int c;

	while ((c = peek(p)) != EOF && (isalnum(c) || c == '_')) {
		get(p);
		if (n + 1 < sizeof(name))
			name[n++] = (char)c;
	}
	name[n] = '\0';
	if (n == 0) {
		lex_error(p, pos, "expected a macro's name after $");
		return false;
	}
	for (struct conf_macro *m = p->macros; m; m = m->next) {
		size_t len = strlen(m->value);
		struct conf_input *in;

		if (strcmp(m->name, name))
			continue;
		m->used = true;
		p->macro_bytes += len;
		if (p->macro_bytes > CONF_FILE_MAX) {
			conf_error(p, pos, "macros put in more than %d bytes", CONF_FILE_MAX);
			p->fatal = true;
			return false;
		}
		in = calloc(1, sizeof(*in));
		if (!in)
			abort();
		in->buf = text_dup(m->value, len);
		in->len = len;
		in->pos = pos;
		in->macro = true;
		in->file = p->in->file;
		in->depth = p->in->depth;
		in->parent = p->in;
		p->in = in;
		return true;
	}
	for (const struct conf_macro *m = p->macros; m; m = m->next)
		kw_suggest(name, m->name, &best, &dist);
	conf_error(p, pos, "macro $%s is not set%s%s%s", name, best ? "; did you mean $" : "", best ? best : "",
		best ? "?" : "");
	return false;
}

/* Say it once when a keyword is not built yet or means nothing here. */
static void judge_keyword(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw)
{
	bool value = kw->value && p->opt;
	char what[80];

	if (p->unbuilt || p->quiet_line || p->quiet_stmt)
		return;
	if (kw->in == IN_TUNNEL && p->proto == PROTO_L2TP && kw->state == KW_LATER &&
	    (!strncmp(kw->name, "pptp-", 5) || !strncmp(kw->name, "pppoe-", 6))) {
		conf_error(p, pos, "%s belongs in a tunnel of protocol %.*s", kw->name,
			(int)strcspn(kw->name, "-"), kw->name);
		p->quiet_line = true;
		return;
	}
	if (kw->state == KW_NO_EFFECT)
		moot(p, pos, kw->name, kw);
	if (kw->state != KW_LATER)
		return;
	snprintf(what, sizeof(what), "%s%s%s", value ? p->opt->name : "", value ? " " : "", kw->name);
	later(p, pos, what);
	p->quiet_line = true;
	if (kw->in & IN_TOP)
		p->quiet_stmt = true;
}

/* What word processors and web pages put in the place of quotes and blanks, in UTF-8. */
static const char *word_odd(const char *s, size_t n)
{
	static const struct {
		const char *bytes, *what;
	} odd[] = {
#define QUOTE "a typographic quote: write \" or '"
		{ "\xe2\x80\x98", QUOTE }, { "\xe2\x80\x99", QUOTE }, { "\xe2\x80\x9a", QUOTE }, { "\xe2\x80\x9c", QUOTE },
		{ "\xe2\x80\x9d", QUOTE }, { "\xe2\x80\x9e", QUOTE }, { "\xc2\xab", QUOTE }, { "\xc2\xbb", QUOTE },
		{ "\xc2\xa0", "a no-break space, which only looks like a blank: write a blank" },
#undef QUOTE
	};

	for (size_t i = 0; i < N_ELEMENTS(odd); i++) {
		if (memmem(s, n, odd[i].bytes, strlen(odd[i].bytes)))
			return odd[i].what;
	}
	return NULL;
}

/* On a line with a secret: may this keyword stand here? */
static bool follows_secret(const struct conf_parse *p, int token)
{
	if (p->last == PSK || p->last == L2TP_SECRET)
		return token == SECRET_FILE;
	if (p->last == MESSAGE_AUTHENTICATOR || p->last == EVENT_TIMESTAMP)
		return token == YES || token == NO;
	if (token == EVENT_TIMESTAMP)
		return p->last == STRING || p->last == NUMBER || p->last == YES || p->last == NO;
	return (p->last == STRING && token == TAG) ||
	       ((p->last == STRING || p->last == NUMBER) && token == MESSAGE_AUTHENTICATOR);
}

static int lex_word(struct conf_parse *p, YYSTYPE *val, struct conf_pos pos)
{
	const char *s = p->in->buf + p->in->at;
	const struct keyword *kw = NULL;
	const char *odd;
	size_t n = 0;
	bool digits = true;
	char word[CONF_NAME_MAX];

	while (is_word(peek(p))) {
		digits = digits && isdigit(peek(p));
		get(p);
		n++;
	}
	show(p, s, n);
	if (peek(p) == '"' || peek(p) == '\'') {
		lex_error(p, pos, "a quote inside a word: put all of it in quotes");
		return CONF_YYerror;
	}
	if ((odd = word_odd(s, n))) {
		lex_error(p, pos, odd);
		return CONF_YYerror;
	}
	/* Elsewhere a comment may follow a word at once; a key would be cut off unseen. */
	if (peek(p) == '#' && (p->last == PSK || p->last == L2TP_SECRET || p->last == SECRET ||
			p->last == SECRET_FILE)) {
		lex_error(p, pos, "a # inside a secret: put all of it in quotes, or a blank before a comment");
		return CONF_YYerror;
	}
	if (n < sizeof(word) && p->where != IN_NOTHING) {
		memcpy(word, s, n);
		word[n] = '\0';
		kw = kw_find(word, p->where);
		/* A secret is never a keyword, whatever it spells; what follows it may be one. */
		if (p->hush && kw && !follows_secret(p, kw->token))
			kw = NULL;
		explicit_bzero(word, n);
	}
	if (p->at_start && p->depth == 0) {
		p->at_start = false;
		p->where = kw ? kw->opens : IN_NOTHING;
		if (!kw) {
			memcpy(p->first, p->word, sizeof(p->first));
			p->first_pos = pos;
		}
	}
	if (!kw) {
		val->s = text_dup(s, n);
		return digits ? NUMBER : STRING;
	}
	/* On a line of dumps it is one of the protocols, not the option. */
	if (kw->token == MPPE && p->opt && p->opt->token == DEBUG_DUMP)
		return DUMP_MPPE;
	if (kw->state == KW_CANNOT) {
		conf_error(p, pos, "%s cannot be served: %s", kw->name, kw->why);
		return CONF_YYerror;
	}
	judge_keyword(p, pos, kw);
	val->kw = kw;
	/* What comes next may be its value, and is named with it. */
	if (!(kw->in & IN_TOP) && !kw->value)
		p->opt = kw;
	return kw->token;
}

/*
 * A line inside a block begins with what can only stand outside: the brace is missing. Say so
 * once and go on as if it were there, so that what follows is read as what it is.
 */
static bool lex_unclosed(struct conf_parse *p, struct conf_pos pos)
{
	const char *s = p->in->buf + p->in->at;
	const struct conf_pos *at = &p->opened;
	const struct keyword *kw;
	char word[CONF_NAME_MAX];
	size_t n = 0;

	/* The lines of a list in braces hold no options. */
	if (p->in->macro || p->where == IN_IKE)
		return false;
	while (p->in->at + n < p->in->len && is_word((unsigned char)s[n]))
		n++;
	if (n >= sizeof(word))
		return false;
	memcpy(word, s, n);
	word[n] = '\0';
	kw = kw_find(word, IN_TOP);
	if (kw && kw->opens) {
		p->closing = 2 * p->depth;
	} else if (p->where == IN_AUTH && p->depth == 2 && (kw = kw_find(word, IN_AUTH)) && kw_is_option(kw) &&
		   kw->token != ADDRESS && kw->token != TIMEOUT && kw->token != MAX_TRIES && kw->token != MAX_FAILOVERS &&
		   kw->token != DEAD_TIME && kw->token != TLS) {
		at = &p->opened_inner;
		p->closing = 2;
	} else {
		return false;
	}
	conf_error(p, pos, "%s cannot stand in the block that begins at %s:%u:%u: a } is missing before it", kw->name,
		at->file, at->line, at->col);
	return true;
}

static int lex(struct conf_parse *p, YYSTYPE *val, YYLTYPE *loc)
{
	int c;

	for (;;) {
		if (p->fatal || !p->in)
			return CONF_YYEOF;
		if (p->closing) {
			*loc = p->in->pos;
			if (--p->closing % 2 == 0)
				return NEWLINE;
			p->depth--;
			p->opt = NULL;
			(void)str_copy(p->word, sizeof(p->word), "}");
			return '}';
		}
		if (p->include) {
			char *path = p->include;

			p->include = NULL;
			if (!conf_push_file(p, path, p->include_pos))
				p->fatal = true;
			free(path);
			continue;
		}
		/* A block does not end in a macro that stands in it. */
		while ((p->drop_block || p->skip_block) && p->in->macro)
			conf_pop(p);
		if (p->drop_block) {
			p->drop_block = false;
			for (; p->depth; p->depth--) {
				lex_skip_block(p);
				get(p);
			}
			p->where = IN_NOTHING;
			continue;
		}
		if (p->skip_block) {
			p->skip_block = false;
			lex_skip_block(p);
		}
		c = peek(p);
		*loc = p->in->pos;
		if (c == EOF) {
			if (p->in->macro) {
				conf_pop(p);
				continue;
			}
			if (!p->in->ended) {
				p->in->ended = true;
				return NEWLINE;
			}
			if (p->in->parent && p->depth) {
				conf_error(p, p->opened, "the block that begins here is not closed at the end of the file");
				p->fatal = true;
				continue;
			}
			if (!p->in->parent)
				return CONF_YYEOF;
			conf_pop(p);
			continue;
		}
		if (c == ' ' || c == '\t') {
			get(p);
			continue;
		}
		if (c == '\\') {
			if (peek2(p) != '\n') {
				get(p);
				lex_error(p, *loc, "a backslash may stand only at the end of a line or in a string; "
					"nothing may follow it, not even a blank");
				return CONF_YYerror;
			}
			get(p);
			get(p);
			continue;
		}
		if (c == '#') {
			while ((c = peek(p)) != EOF && c != '\n') {
				get(p);
				/* A continued comment goes on. */
				if (c == '\\' && peek(p) == '\n')
					get(p);
			}
			continue;
		}
		if (c == '$' && !p->in->macro) {
			get(p);
			if (!lex_macro(p, *loc))
				return CONF_YYerror;
			continue;
		}
		break;
	}
	if (c == '"' || c == '\'') {
		if (p->at_start && p->depth == 0) {
			p->at_start = false;
			p->where = IN_NOTHING;
			p->first[0] = '\0';
			p->first_pos = *loc;
		}
		return lex_string(p, val, *loc);
	}
	if (is_word_start(c)) {
		if (p->depth && p->last == NEWLINE && lex_unclosed(p, *loc))
			return lex(p, val, loc);
		return lex_word(p, val, *loc);
	}
	get(p);
	if (c == '\n')
		return NEWLINE;
	if (c == '{') {
		*(p->depth ? &p->opened_inner : &p->opened) = *loc;
		p->depth++;
	} else if (c == '}') {
		if (p->depth)
			p->depth--;
		p->opt = NULL;
		p->quiet_line = false;
	} else if (c != '=' && !(c == ',' && (p->where == IN_IKE || p->where == IN_FIREWALL))) {
		char text[64], shown[8];
		char ch = (char)c;

		str_escape(shown, sizeof(shown), &ch, 1);
		if (c == ',')
			(void)str_copy(text, sizeof(text), "a comma has no place here: put a blank between two words");
		else
			snprintf(text, sizeof(text), "'%s' may stand only in a quoted string", shown);
		lex_error(p, *loc, text);
		return CONF_YYerror;
	}
	p->word[0] = (char)c;
	p->word[1] = '\0';
	return c;
}

static int conf_yylex(YYSTYPE *val, YYLTYPE *loc, struct conf_parse *p)
{
	int tok = lex(p, val, loc);

	p->tok_where = p->where;
	if (tok == NEWLINE) {
		p->opt = NULL;
		p->hush = false;
		p->quiet_line = false;
		if (p->depth == 0) {
			p->where = IN_TOP;
			p->at_start = true;
			p->quiet_stmt = false;
		}
	} else if (tok == PSK || tok == SECRET || tok == L2TP_SECRET) {
		p->hush = true;
	} else if (tok == '}') {
		p->hush = false;
	}
	p->before = p->last;
	p->last = tok;
	return tok;
}

/* ---- errors ---- */

static const char *a_or_an(const char *s)
{
	return strchr("aeiou", *s) ? "an" : "a";
}

#define SETTING "%s is a setting: write set %s …"

/* The statement in which a word is an option, when it is one elsewhere; or NULL. */
static const struct keyword *option_elsewhere(const char *word, unsigned in)
{
	for (size_t i = 0; i < n_keywords; i++) {
		const struct keyword *kw = &keywords[i];

		if (!(kw->in & (in | IN_TOP | IN_IKE)) && kw_is_option(kw) && !strcmp(kw->name, word))
			return kw;
	}
	return NULL;
}

static int yyreport_syntax_error(const yypcontext_t *ctx, struct conf_parse *p)
{
	enum { SHOWN = 6 };
	yysymbol_kind_t want[YYNTOKENS], got = yypcontext_token(ctx);
	struct conf_pos pos = *yypcontext_location(ctx);
	int n = yypcontext_expected_tokens(ctx, want, YYNTOKENS);
	const char *list[SHOWN + 4], *best = NULL;
	unsigned dist = UINT_MAX, n_list = 0, n_kw = 0;
	bool assign = false, text = false, bare = got == YYSYMBOL_STRING && p->word[0];
	bool address = p->before == ADDRESS || (p->before == ON && p->tok_where == IN_TUNNEL);
	char what[80], msg[400];

	if (got == YYSYMBOL_YYerror || p->fatal)
		return 0;
	for (int i = 0; i < n; i++) {
		assign = assign || want[i] == YYTRANSLATE('=');
		text = text || want[i] == YYSYMBOL_STRING;
	}
	if (assign && n == 1) {
		/* The word before was taken for a macro's name, since it is no keyword. */
		const struct keyword *home = option_elsewhere(p->first, IN_TOP);
		unsigned word_dist = UINT_MAX;

		if (home && home->in == IN_SET) {
			conf_error(p, p->first_pos, SETTING, home->name, home->name);
			return 0;
		}
		if (home) {
			conf_error(p, p->first_pos, "%s is no statement, it is %s %s: put it into that block", home->name,
				a_or_an(kw_kind(home->in)), kw_kind(home->in));
			return 0;
		}
		for (size_t i = 0; i < n_keywords; i++) {
			if (keywords[i].in & IN_TOP)
				kw_suggest(p->first, keywords[i].name, &best, &word_dist);
		}
		conf_error(p, p->first_pos, "unknown statement%s%s%s%s%s%s", p->first[0] ? " \"" : "", p->first,
			p->first[0] ? "\"" : "", best ? "; did you mean \"" : ", and no = follows to set a macro",
			best ? best : "", best ? "\"?" : "");
		return 0;
	}
	/* Keywords that may stand here. */
	for (size_t k = 0; k < n_keywords; k++) {
		const struct keyword *kw = &keywords[k];

		if (!(kw->in & p->tok_where))
			continue;
		for (int i = 0; i < n; i++) {
			if (want[i] != YYTRANSLATE(kw->token))
				continue;
			if (bare)
				kw_suggest(p->word, kw->name, &best, &dist);
			if (n_kw++ < SHOWN)
				list[n_list++] = kw->name;
			break;
		}
	}
	if (n_kw > SHOWN) {
		list[0] = p->tok_where == IN_TOP ? "a statement" : "one of its options, see culvert.conf(5)";
		n_list = 1;
	}
	for (int i = 0; i < n && n_list < N_ELEMENTS(list); i++) {
		if (want[i] == YYSYMBOL_STRING)
			list[n_list++] = address ? "an address" : "a word or string";
		else if (want[i] == YYSYMBOL_NUMBER && !text)
			list[n_list++] = "a number";
		else if (want[i] == YYSYMBOL_NEWLINE && n_kw <= SHOWN)
			list[n_list++] = "the end of the line";
		else if (want[i] == YYTRANSLATE('{'))
			list[n_list++] = "{";
		else if (want[i] == YYTRANSLATE('}') && n_kw <= SHOWN)
			list[n_list++] = "}";
	}
	if (got == YYSYMBOL_YYEOF && p->depth) {
		conf_error(p, p->opened, "the block that begins here is not closed at the end of the file");
		return 0;
	}
	if (got == YYTRANSLATE('}') && p->tok_where == IN_TOP) {
		conf_error(p, pos, "this } closes nothing: no block is open here");
		return 0;
	}
	if (got == YYTRANSLATE('{') && p->tok_where == IN_TOP) {
		conf_error(p, pos, "unexpected \"{\": it stands on the line on which its statement begins");
		return 0;
	}
	if (got == YYSYMBOL_NEWLINE && p->tok_where == IN_IKE && n_kw > 1) {
		for (int i = 0; i < n; i++) {
			if (want[i] != YYTRANSLATE(PSK))
				continue;
			conf_error(p, pos, "the line ends without the key that all clients share: psk \"…\" or psk file \"…\"");
			return 0;
		}
	}
	if (got == YYSYMBOL_NEWLINE)
		(void)str_copy(what, sizeof(what), "the line ends too early");
	else if (got == YYSYMBOL_YYEOF)
		(void)str_copy(what, sizeof(what), "the file ends too early");
	else if (!p->word[0])
		(void)str_copy(what, sizeof(what), "unexpected string");
	else if (bare && (best || (n_kw > SHOWN && (p->before == NEWLINE || p->before == '{'))))
		snprintf(what, sizeof(what), "unknown %s \"%s\"", kw_kind(p->tok_where), p->word);
	else
		snprintf(what, sizeof(what), "unexpected \"%s\"", p->word);
	(void)str_copy(msg, sizeof(msg), what);
	if (bare && best) {
		snprintf(msg + strlen(msg), sizeof(msg) - strlen(msg), "; did you mean \"%s\"?", best);
	} else if (n_list) {
		size_t at = strlen(msg);

		for (unsigned i = 0; i < n_list && at < sizeof(msg); i++)
			at += (size_t)snprintf(msg + at, sizeof(msg) - at, "%s%s",
				i == 0 ? "; expected " : i + 1 == n_list ? " or " : ", ", list[i]);
		const struct keyword *home = bare ? option_elsewhere(p->word, p->tok_where) : NULL;

		if (bare && p->opt && p->opt->token == POOL_ADDRESS && at < sizeof(msg))
			at += (size_t)snprintf(msg + at, sizeof(msg) - at, "; a range is one word, FIRST-LAST");
		if (home && at < sizeof(msg))
			at += (size_t)snprintf(msg + at, sizeof(msg) - at, "; \"%s\" is %s %s", home->name,
				a_or_an(kw_kind(home->in)), kw_kind(home->in));
		/* A keyword where a name stands. */
		if (text && !address && got != YYSYMBOL_NEWLINE && got != YYSYMBOL_YYEOF && kw_is_any(p->word) && at < sizeof(msg))
			snprintf(msg + at, sizeof(msg) - at, "; quote \"%s\" to use it as a name", p->word);
	}
	conf_error(p, pos, "%s", msg);
	return 0;
}

/* Bison's own: only memory exhaustion gets here. */
static void conf_yyerror(const YYLTYPE *loc, struct conf_parse *p, const char *msg)
{
	conf_error(p, *loc, "%s", msg);
}

/* ---- values ---- */

static void later(struct conf_parse *p, struct conf_pos pos, const char *what)
{
	if (!p->unbuilt && !p->quiet_line && !p->quiet_stmt)
		conf_error(p, pos, "%s is not built yet", what);
}

/* It is accepted, and does nothing. */
static void moot(struct conf_parse *p, struct conf_pos pos, const char *what, const struct keyword *kw)
{
	if (!p->unbuilt)
		conf_warn(p, pos, "%s means nothing here and is ignored: %s", what, kw->why);
}

/* Note the option; the last of several counts, as npppd does it. */
static void seen(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw)
{
	struct conf_pos *at = &p->seen[kw - keywords];

	if (at->line && !p->unbuilt)
		conf_warn(p, pos, "%s was set already at %s:%u:%u; this one counts", kw->name, at->file, at->line,
			at->col);
	*at = pos;
}

/* A new object of this statement: it has no options yet. */
static void seen_begin(struct conf_parse *p, unsigned in)
{
	for (size_t i = 0; i < n_keywords; i++) {
		if (keywords[i].in & in)
			p->seen[i].line = 0;
	}
}

/* The struct that the option's field is in. */
static char *opt_field(struct conf_parse *p, const struct keyword *kw)
{
	void *base = kw->in == IN_SET	       ? (void *)p->c
		     : kw->in == IN_TUNNEL   ? (void *)p->tunnel
		     : kw->in == IN_IPCP     ? (void *)p->ipcp
		     : kw->in == IN_AUTH     ? (void *)p->auth
		     : kw->in == IN_RADIUS   ? (void *)p->c
		     : kw->in == IN_FIREWALL ? (void *)&p->c->firewall
					     : NULL;

	return kw->size && base && !(kw->in == IN_TUNNEL && p->unbuilt) ? (char *)base + kw->off : NULL;
}

static void opt_yesno(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw,
	struct conf_pos val_pos, bool yes)
{
	char *field = opt_field(p, kw);
	char what[80];

	seen(p, pos, kw);
	if ((kw->only == KW_ONLY_NO && yes) || (kw->only == KW_ONLY_YES && !yes)) {
		snprintf(what, sizeof(what), "%s %s", kw->name, yes ? "yes" : "no");
		if (kw->why)
			moot(p, val_pos, what, kw);
		else
			later(p, val_pos, what);
		/* What is printed and what counts is what is done. */
		yes = !yes;
	}
	if (field)
		*(bool *)field = yes;
}

static uint32_t number(struct conf_parse *p, struct conf_pos pos, const char *what, const char *s,
	uint32_t min, uint32_t max)
{
	uint64_t v = 0;
	char shown[48];

	if (parse_uint(s, min, max, &v))
		return (uint32_t)v;
	str_escape(shown, sizeof(shown), s, strlen(s));
	conf_error(p, pos, "%s is \"%s\"; expected a number from %u to %u", what, shown, min, max);
	return 0;
}

static void opt_num(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw,
	struct conf_pos val_pos, const char *s)
{
	uint32_t v = number(p, val_pos, kw->name, s, kw->min, kw->max);
	char *field = opt_field(p, kw);
	char what[80];

	seen(p, pos, kw);
	if (kw->only == KW_ONLY_NO && v) {
		snprintf(what, sizeof(what), "%s other than 0", kw->name);
		later(p, val_pos, what);
	}
	if (!field)
		return;
	if (kw->size == 1) {
		*(uint8_t *)field = (uint8_t)v;
	} else if (kw->size == 2) {
		uint16_t v16 = (uint16_t)v;

		memcpy(field, &v16, 2);
	} else {
		memcpy(field, &v, 4);
	}
}

static void put_str(struct conf_parse *p, struct conf_pos pos, const char *what, char *dst, size_t cap,
	const char *s)
{
	if (strlen(s) >= cap) {
		conf_error(p, pos, "%s is %zu bytes long; at most %zu fit", what, strlen(s), cap - 1);
		return;
	}
	/* All of dst, so that equal configurations are equal as bytes. */
	memset(dst, 0, cap);
	memcpy(dst, s, strlen(s));
}

static void opt_str(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw,
	struct conf_pos val_pos, const char *s)
{
	char *field = opt_field(p, kw);

	seen(p, pos, kw);
	if (field)
		put_str(p, val_pos, kw->name, field, kw->size, s);
}

/* A path that does not begin with / is one beside the file that names it. */
static void put_path(struct conf_parse *p, struct conf_pos pos, const char *what, char *dst, const char *s)
{
	const char *slash = *s != '/' && pos.file ? strrchr(pos.file, '/') : NULL;
	char full[2 * CONF_PATH_MAX];
	int n;

	if (!*s) {
		conf_error(p, pos, "%s is empty; expected a path", what);
		return;
	}
	if (slash)
		n = snprintf(full, sizeof(full), "%.*s/%s", (int)(slash - pos.file), pos.file, s);
	else
		n = snprintf(full, sizeof(full), "%s", s);
	if (n < 0 || (size_t)n >= sizeof(full)) {
		conf_error(p, pos, "%s is too long; at most %d bytes fit", what, CONF_PATH_MAX - 1);
		return;
	}
	put_str(p, pos, what, dst, CONF_PATH_MAX, full);
}

static uint32_t ip4(struct conf_parse *p, struct conf_pos pos, const char *what, const char *s)
{
	struct addr a;
	char shown[48];

	if (addr_parse(s, 0, &a) && a.family == 4 && !addr_is_any(&a))
		return addr_v4_of(&a);
	str_escape(shown, sizeof(shown), s, strlen(s));
	conf_error(p, pos, "%s is \"%s\"; expected an IPv4 address", what, shown);
	return 0;
}

static struct addr address(struct conf_parse *p, struct conf_pos pos, const char *s)
{
	struct addr a = { 0 };
	char shown[48];

	if (!addr_parse(s, 0, &a)) {
		a = (struct addr){ 0 };
		str_escape(shown, sizeof(shown), s, strlen(s));
		conf_error(p, pos, "\"%s\" is no address; expected a numeric one such as 192.0.2.1", shown);
	}
	return a;
}

/* The next element of a list of objects, cleared; the last one again (and an error) when it is full. */
#define NEXT(p, pos, what, list, count) next(p, pos, what, &(count), N_ELEMENTS(list))

static unsigned next(struct conf_parse *p, struct conf_pos pos, const char *what, uint8_t *n, size_t max)
{
	if (*n >= max) {
		conf_error(p, pos, "too many %s; at most %zu", what, max);
		return (unsigned)max - 1;
	}
	return (*n)++;
}

static void name_check(struct conf_parse *p, struct conf_pos pos, const char *what, const char *name)
{
	if (!*name)
		conf_error(p, pos, "the name of the %s is empty", what);
}

static void twice(struct conf_parse *p, struct conf_pos pos, const char *what, const char *name,
	struct conf_pos first)
{
	char shown[CONF_NAME_MAX];

	str_escape(shown, sizeof(shown), name, strlen(name));
	conf_error(p, pos, "%s %s is there already, at %s:%u:%u", what, shown, first.file, first.line, first.col);
}

/* A literal secret stands in that file: conf_check() looks at who may read it. */
static void mark_secret(struct conf_parse *p, struct conf_pos pos)
{
	for (unsigned i = 0; i < p->n_files; i++) {
		if (p->files[i].name == pos.file)
			p->files[i].has_secret = true;
	}
}

/* ---- statements ---- */

static uint32_t mppe_key(struct conf_parse *p, struct conf_pos pos, const char *s)
{
	if (!strcmp(s, "40"))
		return CONF_MPPE_40;
	if (!strcmp(s, "56"))
		return CONF_MPPE_56;
	if (strcmp(s, "128") && !p->unbuilt)
		conf_error(p, pos, "mppe-key-length: expected 40, 56 or 128, found \"%s\"", s);
	return CONF_MPPE_128;
}

static void tunnel_begin(struct conf_parse *p, struct conf_pos pos, const char *name, enum conf_proto proto)
{
	struct conf *c = p->c;

	seen_begin(p, IN_TUNNEL);
	p->proto = proto;
	name_check(p, pos, "tunnel", name);
	for (unsigned i = 0; i < c->n_tunnel; i++) {
		if (!strcmp(c->tunnel[i].name, name))
			twice(p, pos, "tunnel", name, p->at_tunnel[i]);
	}
	for (unsigned i = 0; i < c->n_unbuilt; i++) {
		if (!strcmp(c->unbuilt[i].name, name))
			twice(p, pos, "tunnel", name, p->at_unbuilt[i]);
	}
	if (proto != PROTO_L2TP) {
		unsigned i = NEXT(p, pos, "tunnels", c->unbuilt, c->n_unbuilt);

		p->unbuilt = true;
		p->at_unbuilt[i] = pos;
		c->unbuilt[i].kind = proto == PROTO_PPTP ? CONF_KIND_PPTP : CONF_KIND_PPPOE;
		put_str(p, pos, "the tunnel's name", c->unbuilt[i].name, CONF_NAME_MAX, name);
		conf_warn(p, pos, "protocol %s is not built yet: this tunnel and its binds are left out",
			proto == PROTO_PPTP ? "pptp" : "pppoe");
		return;
	}
	unsigned i = NEXT(p, pos, "tunnels", c->tunnel, c->n_tunnel);

	p->unbuilt = false;
	p->tunnel = &c->tunnel[i];
	memcpy(p->tunnel, &conf_tunnel_default, sizeof(*p->tunnel));
	p->at_tunnel[i] = pos;
	put_str(p, pos, "the tunnel's name", p->tunnel->name, CONF_NAME_MAX, name);
}

static void tunnel_listen(struct conf_parse *p, struct conf_pos pos, const char *addr, struct conf_pos port_pos,
	const char *port)
{
	struct addr a = address(p, pos, addr);
	uint32_t n = port ? number(p, port_pos, "port", port, 1, UINT16_MAX) : 0;

	if (p->unbuilt || !a.family)
		return;
	for (unsigned i = 0; i < p->tunnel->n_listen; i++) {
		if (addr_ip_eq(&p->tunnel->listen[i], &a)) {
			conf_error(p, pos, "listen on %s stands twice in this tunnel", addr);
			return;
		}
	}
	unsigned at = NEXT(p, pos, "listen addresses", p->tunnel->listen, p->tunnel->n_listen);

	a.port = n == 1701 ? 0 : (uint16_t)n;
	p->tunnel->listen[at] = a;
	p->at_port[p->tunnel - p->c->tunnel][at] = port ? port_pos : (struct conf_pos){ 0 };
}

static void ipcp_begin(struct conf_parse *p, struct conf_pos pos, const char *name)
{
	struct conf *c = p->c;

	seen_begin(p, IN_IPCP);
	name_check(p, pos, "ipcp", name);
	for (unsigned i = 0; i < c->n_ipcp; i++) {
		if (!strcmp(c->ipcp[i].name, name))
			twice(p, pos, "ipcp", name, p->at_ipcp[i]);
	}
	unsigned i = NEXT(p, pos, "ipcp blocks", c->ipcp, c->n_ipcp);

	p->ipcp = &c->ipcp[i];
	memcpy(p->ipcp, &conf_ipcp_default, sizeof(*p->ipcp));
	p->at_ipcp[i] = pos;
	put_str(p, pos, "the ipcp's name", p->ipcp->name, CONF_NAME_MAX, name);
}

static void ipv6cp_begin(struct conf_parse *p, struct conf_pos pos, const char *name)
{
	name_check(p, pos, "ipv6cp", name);
	if (p->c->ipv6cp[0])
		conf_error(p, pos, "there is an ipv6cp already, and one is for all");
	put_str(p, pos, "the ipv6cp's name", p->c->ipv6cp, CONF_NAME_MAX, name);
}

/* "A-B", "A/N" or "A". */
static bool pool_range(const char *s, uint32_t *ret_first, uint32_t *ret_last, bool *ret_host_bits)
{
	char one[ADDR_STRLEN];
	size_t n = strcspn(s, "-/");
	struct addr a, b;
	uint64_t bits;

	*ret_host_bits = false;
	if (n >= sizeof(one))
		return false;
	memcpy(one, s, n);
	one[n] = '\0';
	if (!addr_parse(one, 0, &a) || a.family != 4)
		return false;
	*ret_first = *ret_last = addr_v4_of(&a);
	if (!s[n])
		return true;
	if (s[n] == '-') {
		if (!addr_parse(s + n + 1, 0, &b) || b.family != 4)
			return false;
		*ret_last = addr_v4_of(&b);
		return true;
	}
	if (!parse_uint(s + n + 1, 1, 32, &bits))
		return false;
	uint32_t host = bits == 32 ? 0 : UINT32_MAX >> bits;

	*ret_host_bits = *ret_first & host;
	*ret_last = *ret_first | host;
	/* A network's own address and its broadcast address are nobody's. */
	if (bits <= 30) {
		(*ret_first)++;
		(*ret_last)--;
	}
	return true;
}

static void pool(struct conf_parse *p, struct conf_pos pos, const char *s, bool static_only)
{
	enum { POOL_MAX = 1 << 20 };
	uint32_t first, last;
	bool host_bits;
	char shown[64];

	str_escape(shown, sizeof(shown), s, strlen(s));
	if (!pool_range(s, &first, &last, &host_bits)) {
		conf_error(p, pos, "pool-address is \"%s\"; expected \"FIRST-LAST\" or \"NETWORK/BITS\"", shown);
		return;
	}
	if (host_bits) {
		conf_error(p, pos, "pool-address %s: there are bits set after the network's", shown);
		return;
	}
	if (first > last) {
		conf_error(p, pos, "pool-address %s ends before it begins", shown);
		return;
	}
	if (last - first >= POOL_MAX) {
		conf_error(p, pos, "pool-address %s has more than %d addresses", shown, POOL_MAX);
		return;
	}
	/* RFC 6890: "this network", loopback; RFC 5771 and above: no host has such an address. */
	if (first >> 24 == 0 || last >> 24 >= 224 || (first >> 24 <= 127 && last >> 24 >= 127)) {
		conf_error(p, pos, "pool-address %s holds addresses that no host may have", shown);
		return;
	}
	unsigned i = NEXT(p, pos, "pool-address lines in one ipcp", p->ipcp->pool, p->ipcp->n_pool);

	p->ipcp->pool[i].first = first;
	p->ipcp->pool[i].last = last;
	p->ipcp->pool[i].static_only = static_only;
	p->at_pool[p->ipcp - p->c->ipcp][i] = pos;
}

static void server_list(struct conf_parse *p, struct conf_pos pos, uint32_t list[static 2], const char *what,
	char *const s[static 2])
{
	/* The last line counts. */
	if (list == p->ipcp->dns)
		p->ipcp->dns_resolver = false;
	list[0] = list[1] = 0;
	for (unsigned i = 0; i < 2 && s[i]; i++)
		list[i] = ip4(p, pos, what, s[i]);
	if (list == p->ipcp->dns)
		p->at_dns[p->ipcp - p->c->ipcp][0] = p->at_dns[p->ipcp - p->c->ipcp][1] = pos;
}

static void interface(struct conf_parse *p, struct conf_pos pos, const char *name, struct conf_pos addr_pos,
	const char *addr, struct conf_pos ipcp_pos, const char *ipcp)
{
	struct conf *c = p->c;
	struct conf_interface *f;
	size_t prefix = !strncmp(name, "pppx", 4) ? 4 : !strncmp(name, "tun", 3) ? 3 : 0;
	uint64_t unit;
	char shown[48];

	str_escape(shown, sizeof(shown), name, strlen(name));
	for (unsigned i = 0; i < c->n_interface; i++) {
		if (!strcmp(c->interface[i].name, name))
			twice(p, pos, "interface", name, p->at_interface[i]);
	}
	if (!prefix || !parse_uint(name + prefix, 0, 999999, &unit)) {
		conf_error(p, pos, "interface is \"%s\"; expected pppx or tun and a number, such as pppx0 or tun0", shown);
		return;
	}
	unsigned i = NEXT(p, pos, "interfaces", c->interface, c->n_interface);

	f = &c->interface[i];
	p->at_interface[i] = pos;
	put_str(p, pos, "the interface's name", f->name, sizeof(f->name), name);
	f->per_session = prefix == 4;
	f->address = ip4(p, addr_pos, "address", addr);
	if (f->address && (f->address >> 24 == 0 || f->address >> 24 == 127 || f->address >> 24 >= 224))
		conf_error(p, addr_pos, "no interface may have the address %s", addr);
	p->at_interface_ipcp[i] = ipcp_pos;
	put_str(p, ipcp_pos, "the ipcp's name", p->interface_ipcp[i], CONF_NAME_MAX, ipcp);
}

static void auth_begin(struct conf_parse *p, struct conf_pos pos, const char *name, enum conf_auth_type type)
{
	struct conf *c = p->c;

	seen_begin(p, IN_AUTH);
	name_check(p, pos, "authentication", name);
	for (unsigned i = 0; i < c->n_auth; i++) {
		if (!strcmp(c->auth[i].name, name))
			twice(p, pos, "authentication", name, p->at_auth[i]);
	}
	unsigned i = NEXT(p, pos, "authentication blocks", c->auth, c->n_auth);

	p->auth = &c->auth[i];
	memcpy(p->auth, &conf_auth_default, sizeof(*p->auth));
	p->auth->type = type;
	p->at_auth[i] = p->at_users[i] = pos;
	put_str(p, pos, "the authentication's name", p->auth->name, CONF_NAME_MAX, name);
	if (type == CONF_TYPE_RADIUS)
		memset(p->auth->users_file, 0, sizeof(p->auth->users_file));
}

static void radius_begin(struct conf_parse *p, struct conf_pos pos, bool acct)
{
	if (p->auth->type != CONF_TYPE_RADIUS)
		conf_error(p, pos, "%s belongs in an authentication of type radius",
			acct ? "accounting-server" : "authentication-server");
	struct conf_radius *r = acct ? &p->auth->radius_acct : &p->auth->radius_auth;

	for (size_t i = 0; i < n_keywords && r != p->radius; i++) {
		if (keywords[i].token == TIMEOUT || keywords[i].token == MAX_TRIES ||
		    keywords[i].token == MAX_FAILOVERS || keywords[i].token == DEAD_TIME)
			p->seen[i].line = 0;
	}
	p->radius = r;
	p->radius_bare.line = 0;
	p->radius_port = acct ? 1813 : 1812;	/* RFC 2866 3, RFC 2865 3 */
}

static void radius_server(struct conf_parse *p, struct conf_pos pos, const char *addr, struct conf_pos port_pos,
	const char *port, struct conf_pos secret_pos, const char *secret, bool authenticator)
{
	struct addr a = address(p, pos, addr);

	/* 0: radius_end() knows. */
	a.port = port ? (uint16_t)number(p, port_pos, "port", port, 1, UINT16_MAX) : 0;
	if (secret && !*secret)
		conf_error(p, secret_pos, "secret is empty");
	unsigned i = NEXT(p, pos, "servers", p->radius->server, p->radius->n_server);

	p->radius->server[i].addr = a;
	p->radius->server[i].message_authenticator = authenticator;
	if (a.family && addr_is_any(&a))
		conf_error(p, pos, "%s is no address of a server", addr);
	memset(p->radius->server[i].secret, 0, sizeof(p->radius->server[i].secret));
	if (!secret) {
		p->radius_bare = p->radius_bare.line ? p->radius_bare : pos;
		return;
	}
	put_str(p, secret_pos, "secret", p->radius->server[i].secret, CONF_RADIUS_SECRET_MAX + 1, secret);
	/* RFC 6614 2.3: with TLS it is known to everybody, and protects nothing. */
	if (*secret && strcmp(secret, "radsec"))
		conf_judge_secret(p, secret_pos, "this secret", (const uint8_t *)secret, strlen(secret));
	mark_secret(p, pos);
}

static void radius_tls(struct conf_parse *p, struct conf_pos pos, struct conf_pos ca_pos, const char *ca, struct conf_pos cert_pos,
	const char *cert, struct conf_pos key_pos, const char *key, struct conf_pos name_pos, const char *name)
{
	struct conf_radius *r = p->radius;

	if (r->tls_ca[0])
		conf_error(p, pos, "tls stands here already: it is for all servers of the block");
	put_path(p, ca_pos, "ca", r->tls_ca, ca);
	if (cert) {
		put_path(p, cert_pos, "cert", r->tls_cert, cert);
		put_path(p, key_pos, "key", r->tls_key, key);
	}
	if (name)
		put_str(p, name_pos, "server-name", r->tls_name, CONF_NAME_MAX, name);
	if (p->flags & CONF_NO_FILES)
		return;
	for (unsigned i = 0; i < 3; i++) {
		const char *path = i == 0 ? r->tls_ca : i == 1 ? r->tls_cert : r->tls_key;
		char why[512];
		int fd;

		if (!*path)
			continue;
		fd = i == 2 ? conf_open_secret(path, why) : conf_open_public(path, why);
		if (fd < 0)
			conf_error(p, i == 0 ? ca_pos : i == 1 ? cert_pos : key_pos, "%s: %s", i == 0 ? "ca" : i == 1 ? "cert" : "key", why);
		else
			close(fd);
	}
}

/* What a server has that does not say it, and that TLS or UDP decides. */
static void radius_end(struct conf_parse *p)
{
	struct conf_radius *r = p->radius;

	if (p->radius_bare.line && !r->tls_ca[0])
		conf_error(p, p->radius_bare, "this server has no secret, which only tls can do without");

	for (unsigned i = 0; i < r->n_server && i < CONF_RADIUS_SERVERS; i++) {
		if (!r->server[i].addr.port)
			r->server[i].addr.port = r->tls_ca[0] ? 2083 : p->radius_port;	/* RFC 6614 2.1 */
		if (!r->server[i].secret[0])
			(void)str_copy(r->server[i].secret, sizeof(r->server[i].secret), "radsec");
	}
}

static void dae_listen(struct conf_parse *p, struct conf_pos pos, const char *addr, struct conf_pos port_pos,
	const char *port)
{
	struct conf_dae *d = &p->c->dae;
	struct addr a = address(p, pos, addr);

	a.port = port ? (uint16_t)number(p, port_pos, "port", port, 1, UINT16_MAX) : 3799;	/* RFC 5176 2.3 */
	if (!a.family)
		return;
	for (unsigned i = 0; i < d->n_listen; i++) {
		if (addr_eq(&d->listen[i], &a)) {
			conf_error(p, pos, "radius dae listen on %s stands twice", addr);
			return;
		}
	}
	unsigned i = NEXT(p, pos, "radius dae listen addresses", d->listen, d->n_listen);

	d->listen[i] = a;
	p->at_dae[0] = pos;
}

static void dae_client(struct conf_parse *p, struct conf_pos pos, const char *addr, struct conf_pos secret_pos,
	const char *secret, bool authenticator, bool timestamp)
{
	struct conf_dae *d = &p->c->dae;
	struct addr a = address(p, pos, addr);

	mark_secret(p, pos);
	if (!*secret)
		conf_error(p, secret_pos, "secret is empty");
	if (a.family && addr_is_any(&a))
		conf_error(p, pos, "%s is no address of a client", addr);
	for (unsigned i = 0; i < d->n_client; i++) {
		if (a.family && addr_ip_eq(&d->client[i].addr, &a)) {
			conf_error(p, pos, "radius dae client %s stands twice", addr);
			return;
		}
	}
	unsigned i = NEXT(p, pos, "radius dae clients", d->client, d->n_client);

	d->client[i].addr = a;
	d->client[i].message_authenticator = authenticator;
	d->client[i].event_timestamp = timestamp;
	put_str(p, secret_pos, "secret", d->client[i].secret, CONF_SECRET_MAX, secret);
	if (*secret)
		conf_judge_secret(p, secret_pos, "this secret", (const uint8_t *)secret, strlen(secret));
	p->at_dae[1] = pos;
}

/* One more authentication of the bind statement that is being read. */
static void bind_by(struct conf_parse *p, struct conf_pos pos, const char *name)
{
	if (p->n_by == CONF_AUTHS) {
		conf_error(p, pos, "too many authentications in a bind; at most %d fit", CONF_AUTHS);
		return;
	}
	p->at_by[p->n_by] = pos;
	put_str(p, pos, "a name in bind", p->by[p->n_by++], CONF_NAME_MAX, name);
}

/* The statement's other names: a bind for each authentication. */
static void bind_names(struct conf_parse *p, struct conf_pos pos, struct conf_pos tunnel_pos, const char *tunnel,
	struct conf_pos interface_pos, const char *interface)
{
	p->bound = true;
	for (unsigned k = 0; k < p->n_by; k++) {
		unsigned i = NEXT(p, pos, "binds", p->c->bind, p->c->n_bind);

		p->at_bind[i] = pos;
		p->at_bind_name[i][0] = tunnel_pos;
		p->at_bind_name[i][1] = p->at_by[k];
		p->at_bind_name[i][2] = interface_pos;
		p->c->bind[i].statement = (uint8_t)(i - k);
		p->c->bind[i].after = (uint8_t)k;
		put_str(p, tunnel_pos, "a name in bind", p->bind_name[i][0], CONF_NAME_MAX, tunnel);
		put_str(p, p->at_by[k], "a name in bind", p->bind_name[i][1], CONF_NAME_MAX, p->by[k]);
		put_str(p, interface_pos, "a name in bind", p->bind_name[i][2], CONF_NAME_MAX, interface);
	}
}

static void ike_begin(struct conf_parse *p, struct conf_pos pos)
{
	unsigned i = NEXT(p, pos, "ike statements", p->c->ike, p->c->n_ike);

	seen_begin(p, IN_IKE);
	p->ike = &p->c->ike[i];
	explicit_bzero(p->ike, sizeof(*p->ike));
	p->at_ike[i] = pos;
	p->n_host[0] = p->n_host[1] = 0;
	p->end_host[0].pos.line = p->end_host[1].pos.line = 0;
}

/* An address (of this host) or, where to, a network; addr.family 0: any. False and an error. */
static bool ike_net(struct conf_parse *p, struct conf_pos pos, const char *what, const char *s, bool to,
	struct conf_host *ret)
{
	size_t n = strcspn(s, "/");
	char one[ADDR_STRLEN], shown[64];
	struct addr a;
	uint64_t bits = 0;
	bool ok = n < sizeof(one);

	*ret = (struct conf_host){ .pos = pos };
	str_escape(shown, sizeof(shown), s, strlen(s));
	if (ok) {
		memcpy(one, s, n);
		one[n] = '\0';
		ok = addr_parse(one, 0, &a);
	}
	if (ok) {
		uint64_t all = a.family == 4 ? 32 : 128;

		bits = all;
		ok = !s[n] || parse_uint(s + n + 1, 0, all, &bits);
		if (ok && !to && bits && bits != all)
			ok = false;
	}
	if (!ok) {
		conf_error(p, pos, "%s is \"%s\"; expected %s", what, shown,
			to ? "any, an address or a NETWORK/BITS" : "any or an address of this host");
		return false;
	}
	/* "Any" in numbers. */
	if (addr_is_any(&a) && (bits == 0 || !s[n]))
		return true;
	for (size_t b = bits; b < (a.family == 4 ? 32u : 128u); b++) {
		if (a.ip[b / 8] & (0x80 >> b % 8)) {
			conf_error(p, pos, "%s %s: there are bits set after the network's", what, shown);
			return false;
		}
	}
	ret->addr = a;
	ret->prefix = (uint8_t)bits;
	return true;
}

/* One of "from" or "to"; s NULL: any. */
static void ike_host(struct conf_parse *p, struct conf_pos pos, const char *s)
{
	bool to = p->host_to;
	struct conf_host h = { .pos = pos };

	if (s && !ike_net(p, pos, to ? "to" : "from", s, to, &h))
		return;
	if (p->n_host[to] >= CONF_IKES)
		conf_error(p, pos, "too many addresses; at most %d", CONF_IKES);
	else
		p->host[to][p->n_host[to]++] = h;
}

/* "local" and "peer" say again, or in the place of "from any" and "to any", where the ends are. */
static void ike_end_host(struct conf_parse *p, struct conf_pos pos, const struct keyword *kw,
	struct conf_pos val_pos, const char *s, bool to)
{
	struct conf_host h;

	seen(p, pos, kw);
	if (ike_net(p, val_pos, kw->name, s, to, &h))
		p->end_host[to] = h;
}

static void ike_end(struct conf_parse *p)
{
	struct conf *c = p->c;
	const struct conf_ike *k = p->ike;
	unsigned first = (unsigned)(k - c->ike);

	if (k->quick_auth[0] && (!strcmp(k->quick_enc, "aes-128-gcm") || !strcmp(k->quick_enc, "aes-256-gcm")))
		conf_error(p, p->at_ike[first], "quick auth %s: enc %s authenticates by itself, and takes no auth",
			k->quick_auth, k->quick_enc);
	for (unsigned to = 0; to < 2; to++) {
		const struct conf_host *e = &p->end_host[to];

		if (!p->n_host[to])
			p->host[to][p->n_host[to]++] = (struct conf_host){ .pos = p->at_ike[first] };
		for (unsigned i = 0; i < p->n_host[to] && e->pos.line && e->addr.family; i++) {
			struct conf_host *h = &p->host[to][i];

			if (!h->addr.family)
				*h = *e;
			else if (!addr_ip_eq(&h->addr, &e->addr) || h->prefix != e->prefix)
				conf_error(p, e->pos, "%s is another address than \"%s\" at %s:%u:%u: leave %s out",
					to ? "peer" : "local", to ? "to" : "from", h->pos.file, h->pos.line, h->pos.col,
					to ? "peer" : "local");
		}
	}
	/* A list of addresses is as many statements. */
	for (unsigned f = 0; f < p->n_host[0]; f++) {
		for (unsigned t = 0; t < p->n_host[1]; t++) {
			unsigned i = first;

			if (f || t) {
				i = NEXT(p, p->at_ike[first], "ike statements", c->ike, c->n_ike);
				if (i == first)
					return;
				memcpy(&c->ike[i], &c->ike[first], sizeof(c->ike[i]));
				p->at_ike[i] = p->at_ike[first];
			}
			c->ike[i].from = p->host[0][f].addr;
			c->ike[i].to = p->host[1][t].addr;
			c->ike[i].to_prefix = p->host[1][t].prefix;
		}
	}
}

/* Seconds, or a number and s, m or h. */
static void ike_lifetime(struct conf_parse *p, struct conf_pos pos, const char *s)
{
	size_t n = strspn(s, "0123456789");
	char shown[48];

	if (n && n < 10 && (!s[n] || (strchr("smh", s[n]) && !s[n + 1])))
		return;
	str_escape(shown, sizeof(shown), s, strlen(s));
	conf_error(p, pos, "lifetime is \"%s\"; expected a number of seconds, or one with m or h behind it", shown);
}

static void ike_port(struct conf_parse *p, struct conf_pos pos, const char *s)
{
	/* Written in most files for L2TP; it says what is so anyway. */
	if (strcmp(s, "1701") && strcmp(s, "l2tp"))
		conf_error(p, pos, "expected port 1701: nothing but L2TP is served");
}

static void ike_alg(struct conf_parse *p, struct conf_pos pos, const char *what, const struct conf_alg *algs,
	char *main_dst, char *quick_dst, const char *s)
{
	char *dst = p->suite_quick ? quick_dst : main_dst;
	const char *phase = p->suite_quick ? "quick" : "main", *best = NULL;
	unsigned dist = UINT_MAX;
	char shown[48];

	str_escape(shown, sizeof(shown), s, strlen(s));
	if (*dst)
		conf_error(p, pos, "%s %s is there already: %s", phase, what, dst);
	for (const struct conf_alg *a = algs; a->name; a++) {
		const char *name = a->alias ? a->alias : a->name;

		if (a->why && !strcmp(a->name, s)) {
			conf_error(p, pos, "%s %s %s cannot be served: %s", phase, what, s, a->why);
			return;
		}
		if (!(p->suite_quick ? a->in_quick : a->in_main))
			continue;
		if (!strcmp(a->name, s)) {
			if (p->suite_quick && a->quick_later) {
				conf_error(p, pos, "quick %s %s is not built yet", what, s);
				return;
			}
			if (a->weak)
				conf_warn(p, pos, "%s %s %s is weak: take it out once every client is newer; without it "
					"they use %s or better", phase, what, name, a->weak);
			memset(dst, 0, sizeof(p->ike->main_enc));
			memcpy(dst, name, strlen(name));
			return;
		}
		kw_suggest(s, a->name, &best, &dist);
	}
	if (!best)
		best = algs == conf_auths ? "hmac-sha2-256" : algs == conf_encs ? "aes" : "modp2048";
	conf_error(p, pos, "unknown %s %s \"%s\"; did you mean \"%s\"?", phase, what, shown, best);
}

/* A secret as it is written, or from the file that is. what: "psk"; name: "the pre-shared key". */
static void put_secret(struct conf_parse *p, struct conf_pos pos, const char *what, const char *name,
	const char *s, char *path, uint8_t *secret, uint16_t *ret_len)
{
	char what_file[40];
	size_t n = strlen(s);

	if (path) {
		snprintf(what_file, sizeof(what_file), "%s file", what);
		put_path(p, pos, what_file, path, s);
		if (!(p->flags & CONF_NO_FILES) && path[0])
			conf_read_secret(p, pos, what_file, name, path, secret, ret_len);
		return;
	}
	mark_secret(p, pos);
	if (n == 0 || n > CONF_SECRET_MAX) {
		conf_error(p, pos, "%s is %zu bytes long; expected 1 to %d", what, n, CONF_SECRET_MAX);
		return;
	}
	memcpy(secret, s, n);
	*ret_len = (uint16_t)n;
	conf_judge_secret(p, pos, name, secret, n);
}

static void ike_psk(struct conf_parse *p, struct conf_pos pos, const char *s, bool file)
{
	put_secret(p, pos, "psk", "the pre-shared key", s, file ? p->ike->psk_file : NULL, p->ike->psk,
		&p->ike->psk_len);
}

static void tunnel_secret(struct conf_parse *p, struct conf_pos pos, const char *s, bool file)
{
	struct conf_tunnel *t = p->tunnel;

	if (p->unbuilt)
		return;
	/* The last one counts, whichever form it has. */
	explicit_bzero(t->l2tp_secret, sizeof(t->l2tp_secret));
	memset(t->l2tp_secret_file, 0, sizeof(t->l2tp_secret_file));
	t->l2tp_secret_len = 0;
	put_secret(p, pos, "l2tp-secret", "the tunnel secret", s, file ? t->l2tp_secret_file : NULL, t->l2tp_secret,
		&t->l2tp_secret_len);
}

static void nat(struct conf_parse *p, struct conf_pos pos, const char *ifname, struct conf_pos to_pos,
	const char *to)
{
	struct conf_firewall *f = &p->c->firewall;

	p->at_nat = pos;
	if (f->nat)
		conf_error(p, pos, "a second nat line is not built yet");
	if (!*ifname || strlen(ifname) >= sizeof(f->nat_on) || strpbrk(ifname, "/ \t\"") || !conf_is_bare(ifname))
		conf_error(p, pos, "expected the name of a network interface, such as eth0");
	else
		put_str(p, pos, "interface", f->nat_on, sizeof(f->nat_on), ifname);
	f->nat = true;
	f->nat_to = to ? ip4(p, to_pos, "nat to", to) : 0;
}

static void filter_begin(struct conf_parse *p, struct conf_pos pos, const char *name)
{
	struct conf_firewall *f = &p->c->firewall;
	unsigned i;

	/* Where something is wrong with it, its rules are read and left out. */
	p->filter = CONF_FILTERS + 1;
	if (!conf_filter_name_ok(name, strlen(name))) {
		conf_error(p, pos, "a filter's name is 1 to %d letters, digits, and . _ -", CONF_NAME_MAX - 1);
		return;
	}
	i = conf_filter_find(p->c, name);
	if (i < CONF_FILTERS) {
		conf_error(p, pos, "there is a filter %s already, at %s:%u:%u", name, p->at_filter[i].file, p->at_filter[i].line,
			p->at_filter[i].col);
		return;
	}
	if (f->n_filter >= CONF_FILTERS) {
		conf_error(p, pos, "too many filters; at most %d", CONF_FILTERS);
		return;
	}
	p->filter = f->n_filter;
	p->at_filter[f->n_filter] = pos;
	memcpy(f->filter[f->n_filter++].name, name, strlen(name));
}

static void rule_begin(struct conf_parse *p, bool pass)
{
	memset(&p->rule, 0, sizeof(p->rule));
	p->rule.pass = pass;
	p->rule_any = p->rule_bad = false;
}

/* ADDRESS or ADDRESS/LENGTH. */
static bool rule_net(struct conf_parse *p, struct conf_pos pos, const char *s, struct conf_prefix *ret)
{
	const char *slash = strchr(s, '/');
	size_t n = slash ? (size_t)(slash - s) : strlen(s);
	char addr[ADDR_STRLEN], shown[80], right[ADDR_STRLEN];
	struct addr a = { .family = 0 };
	uint64_t len = 32;
	uint32_t mask;

	if (n < sizeof(addr)) {
		memcpy(addr, s, n);
		addr[n] = '\0';
		if (!addr_parse(addr, 0, &a) || a.family != 4)
			a.family = 0;
	}
	if (!a.family || (slash && !parse_uint(slash + 1, 0, 32, &len))) {
		str_escape(shown, sizeof(shown), s, strlen(s));
		conf_error(p, pos, "expected an IPv4 address or network such as 192.0.2.0/24, or any; got \"%s\"", shown);
		p->rule_bad = true;
		return false;
	}
	mask = len ? UINT32_MAX << (32 - len) : 0;
	if (addr_v4_of(&a) & ~mask) {
		conf_error(p, pos, "%s is an address in a network, not the network itself: write %s/%u", s,
			ip4_str(addr_v4_of(&a) & mask, right), (unsigned)len);
		p->rule_bad = true;
		return false;
	}
	*ret = (struct conf_prefix){ addr_v4_of(&a), mask };
	return true;
}

static void rule_to(struct conf_parse *p, struct conf_pos pos, const char *s)
{
	struct conf_prefix net;

	if (!rule_net(p, pos, s, &net))
		return;
	if (!net.mask) {
		p->rule_any = true;
	} else if (p->rule.n_to >= CONF_RULE_NETS) {
		conf_error(p, pos, "too many networks in one rule, at most %d: write a second rule", CONF_RULE_NETS);
		p->rule_bad = true;
	} else {
		p->rule.to[p->rule.n_to++] = net;
	}
}

/* PORT, FIRST-LAST or, as pf.conf(5) has it, FIRST:LAST. */
static void rule_port(struct conf_parse *p, struct conf_pos pos, const char *s)
{
	size_t n = strcspn(s, "-:");
	uint64_t first, last;
	char text[8] = "", shown[48];
	bool ok = n < sizeof(text);

	if (ok) {
		memcpy(text, s, n);
		ok = parse_uint(text, 1, UINT16_MAX, &first);
		last = first;
	}
	if (ok && s[n])
		ok = parse_uint(s + n + 1, first, UINT16_MAX, &last);
	if (!ok) {
		str_escape(shown, sizeof(shown), s, strlen(s));
		conf_error(p, pos, "port is \"%s\"; expected a number from 1 to 65535, or two of them as FIRST-LAST", shown);
		p->rule_bad = true;
	} else if (p->rule.n_port >= CONF_RULE_PORTS) {
		conf_error(p, pos, "too many ports in one rule, at most %d: write a second rule", CONF_RULE_PORTS);
		p->rule_bad = true;
	} else {
		p->rule.port[p->rule.n_port++] = (struct conf_port_range){ (uint16_t)first, (uint16_t)last };
	}
}

static void rule_empty(struct conf_parse *p, struct conf_pos pos)
{
	conf_error(p, pos, "nothing stands in these braces");
	p->rule_bad = true;
}

static void rule_end(struct conf_parse *p, struct conf_pos pos)
{
	struct conf_firewall *f = &p->c->firewall;

	if (p->rule.proto == CONF_RULE_ICMP && p->rule.n_port) {
		conf_error(p, pos, "icmp has no ports");
		return;
	}
	/* A filter that lacks a rule for its error is not empty. */
	if (p->rule_bad && p->filter < CONF_FILTERS)
		p->filter_bad[p->filter] = true;
	if (p->rule_bad || p->filter > CONF_FILTERS)
		return;
	if (f->n_rule >= CONF_RULES) {
		conf_error(p, pos, "too many rules; at most %d in all", CONF_RULES);
		return;
	}
	if (p->rule_any) {
		memset(p->rule.to, 0, sizeof(p->rule.to));
		p->rule.n_to = 0;
	}
	p->rule.filter = (uint8_t)p->filter;
	p->at_rule[f->n_rule] = pos;
	f->rule[f->n_rule++] = p->rule;
}

static void macro_set(struct conf_parse *p, struct conf_pos pos, const char *name, const char *value)
{
	struct conf_macro *m, **at;

	for (const char *c = name; *c; c++) {
		if (!isalnum((unsigned char)*c) && *c != '_') {
			const struct keyword *kw = kw_find(name, IN_SET);

			if (kw && kw_is_option(kw))
				conf_error(p, pos, SETTING, kw->name, kw->name);
			else
				conf_error(p, pos, "a macro's name is made of letters, digits and _");
			return;
		}
	}
	if (strlen(name) >= CONF_NAME_MAX || !*name) {
		conf_error(p, pos, "a macro's name is 1 to %d bytes long", CONF_NAME_MAX - 1);
		return;
	}
	for (at = &p->macros; (m = *at); at = &m->next) {
		if (!strcmp(m->name, name))
			break;
	}
	if (m) {
		text_free(m->value);
	} else if (p->n_macros++ >= CONF_MACROS) {
		conf_error(p, pos, "too many macros; at most %d", CONF_MACROS);
		return;
	} else {
		m = *at = calloc(1, sizeof(*m));
		if (!m)
			abort();
		m->name = text_dup(name, strlen(name));
		m->pos = pos;
	}
	m->value = text_dup(value, strlen(value));
}

static void include(struct conf_parse *p, struct conf_pos pos, const char *s)
{
	char path[CONF_PATH_MAX] = "";

	if (p->flags & CONF_NO_FILES) {
		conf_error(p, pos, "include has no place in a text that is not a file");
		return;
	}
	put_path(p, pos, "include", path, s);
	if (!path[0])
		return;
	p->include = text_dup(path, strlen(path));
	p->include_pos = pos;
}
