/* SPDX-License-Identifier: GPL-2.0-or-later */
/* conf_parse: what parse.y and conf.c share while one configuration is read. */
#ifndef CULVERT_CONF_PARSE_H
#define CULVERT_CONF_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/conf.h"
#include "l2tpd/conf.h"
#include "l2tpd/keyword.h"

/* Where something was written. file lives as long as the parse. */
struct conf_pos {
	const char *file;
	unsigned line, col;
};

enum {
	CONF_FILES_MAX = 64,
	CONF_INCLUDE_DEPTH = 8,
	CONF_SEEN_MAX = 224,
	CONF_MACROS = 512,
	CONF_MACRO_MAX = 4096,	/* bytes of a value of several words */
};

/* A file that was opened. */
struct conf_file {
	char *name;		/* owned */
	struct conf_pos from;	/* the include statement; line 0 = the first file */
	uint32_t mode;		/* of a regular file; 0 = not looked at */
	bool has_secret;	/* a literal one stands in it */
};

/* Text being read: a file, or a macro's value put in where $NAME stands. */
struct conf_input {
	struct conf_input *parent;
	char *buf;		/* owned */
	size_t len, at;
	struct conf_pos pos;	/* of buf[at]; of the $ while a macro is read */
	bool macro;
	bool ended;		/* the newline that the last line may lack was given */
	unsigned file;		/* index in conf_parse.files */
	unsigned depth;
};

struct conf_macro {
	struct conf_macro *next;
	char *name, *value;	/* owned */
	struct conf_pos pos;	/* where it was first set */
	bool used;
};

/* An end of an ike statement. */
struct conf_host {
	struct addr addr;	/* family 0 = any */
	uint8_t prefix;
	struct conf_pos pos;	/* line 0 = none is written */
};

enum conf_proto { PROTO_L2TP, PROTO_PPTP, PROTO_PPPOE };

struct conf_parse {
	struct conf *c;			/* being built; not the caller's */
	struct conf_msgs *msgs;
	unsigned flags;
	bool fatal;			/* no use in going on: the lexer says end of file */

	/* input */
	struct conf_input *in;
	struct conf_file files[CONF_FILES_MAX];
	unsigned n_files;
	char *include;			/* file to read next; owned */
	struct conf_pos include_pos;
	struct conf_macro *macros;
	unsigned n_macros;
	size_t macro_bytes;		/* put in so far */

	/* lexer */
	unsigned where;			/* IN_*: the statement we are in */
	unsigned depth;			/* of braces */
	struct conf_pos opened;		/* the outermost brace */
	struct conf_pos opened_inner;	/* the one in it */
	unsigned closing;		/* a } and the end of a line for each block whose brace is missing */
	bool at_start;			/* nothing of this statement was read yet */
	bool skip_block;		/* read over to the brace that closes the innermost block */
	bool drop_block;		/* read over all open blocks, their closing braces too */
	unsigned tok_where;		/* where the last token stands */
	int last, before;		/* the last token, and the one before it */
	bool hush;			/* a secret stands on this line: quote no word of it */
	bool quiet_line, quiet_stmt;	/* "not built yet" was said of this line (statement) */
	char word[48];			/* the last token as messages show it */
	char first[48];			/* the statement's first word, when it is no keyword */
	struct conf_pos first_pos;
	const struct keyword *opt;	/* the last option's keyword */

	/* grammar: the object that a block fills */
	enum conf_proto proto;
	bool unbuilt;			/* the tunnel is left out: its words are read, not judged */
	struct conf_tunnel *tunnel;
	struct conf_ipcp *ipcp;
	struct conf_auth *auth;
	struct conf_radius *radius;
	struct conf_pos radius_bare;	/* its first server without a secret; line 0: there is none */
	struct conf_ike *ike;
	uint16_t radius_port;		/* when none is written */
	bool suite_quick;
	bool host_to;			/* "to" is being read */
	struct conf_host host[2][CONF_IKES];	/* from, to */
	unsigned n_host[2];
	struct conf_host end_host[2];	/* local, peer */
	unsigned n_statements;
	struct conf_pos seen[CONF_SEEN_MAX];	/* options of this block, by row of the table */

	/* where things stand, for the checks at the end; same indices as in *c */
	struct conf_pos at_ike[CONF_IKES], at_tunnel[CONF_TUNNELS], at_unbuilt[CONF_TUNNELS];
	struct conf_pos at_ipcp[CONF_IPCPS], at_pool[CONF_IPCPS][CONF_POOLS], at_dns[CONF_IPCPS][2];
	struct conf_pos at_interface[CONF_INTERFACES], at_auth[CONF_AUTHS], at_users[CONF_AUTHS];
	struct conf_pos at_bind[CONF_BINDS], at_bind_name[CONF_BINDS][3], at_interface_ipcp[CONF_INTERFACES];
	struct conf_pos at_resolver[CONF_IPCPS];
	struct conf_pos at_port[CONF_TUNNELS][CONF_LISTENS];	/* of listen on; line 0: none is written */
	struct conf_pos at_dae[2];	/* the last radius dae listen, client; line 0: there is none */
	struct conf_pos at_methods[CONF_TUNNELS], at_mppe[CONF_TUNNELS], at_proposals, at_off, at_nat;
	/* names used before they are resolved */
	char interface_ipcp[CONF_INTERFACES][CONF_NAME_MAX];
	char bind_name[CONF_BINDS][3][CONF_NAME_MAX];	/* tunnel, authentication, interface */
	unsigned n_bind_name;		/* with those of tunnels that are left out */
	char by[CONF_AUTHS][CONF_NAME_MAX];	/* of the bind that is being read: "authenticated by" */
	struct conf_pos at_by[CONF_AUTHS];
	unsigned n_by;
	bool bound;			/* a bind stands in the file */

	/* firewall */
	struct conf_rule rule;		/* the one that is being read */
	bool rule_any;			/* "any" stands among its networks */
	bool rule_bad;			/* something is wrong with it */
	unsigned filter;		/* whose it is; CONF_FILTERS: the block's own; beyond: of none that counts */
	bool filter_bad[CONF_FILTERS];	/* rules of it are left out */
	struct conf_pos at_filter[CONF_FILTERS], at_rule[CONF_RULES];

	/* the host's own networks; NULL = not looked at yet */
	const struct conf_net *nets;
	struct conf_net *nets_owned;
	unsigned n_nets;
};

/* parse.y: read everything from p->in. 0 unless memory ran out; errors are in p->msgs. */
int conf_yyparse(struct conf_parse *p);

/* An error, a warning at pos; pos.line 0 = the file as a whole. */
void conf_error(struct conf_parse *p, struct conf_pos pos, const char *fmt, ...) PRINTF(3, 4);
void conf_warn(struct conf_parse *p, struct conf_pos pos, const char *fmt, ...) PRINTF(3, 4);

/* Put a text in front of the input. buf is taken over. False (and an error, buf freed)
 * where it is not text of the kind that we read. */
bool conf_push_text(struct conf_parse *p, const char *name, char *buf, size_t len);
/* Read a file and put it in front; errors are reported at pos. */
bool conf_push_file(struct conf_parse *p, const char *path, struct conf_pos pos);
void conf_pop(struct conf_parse *p);

/* A secret from its file. what: "psk file"; name, as in conf_judge_secret(): "the pre-shared key". */
void conf_read_secret(struct conf_parse *p, struct conf_pos pos, const char *what, const char *name,
	const char *path, uint8_t secret[static CONF_SECRET_MAX], uint16_t *ret_len);
/* Warn about a secret that is soon guessed; what: "the pre-shared key". */
void conf_judge_secret(struct conf_parse *p, struct conf_pos pos, const char *what, const uint8_t *s, size_t len);

/* Names, defaults, overlaps: everything that takes the whole file. */
/* The first two name servers of a resolv.conf(5) that are IPv4 and not this host itself; 0 = none. */
void conf_resolver(const char *text, size_t n, uint32_t ret[static 2]);

void conf_check(struct conf_parse *p);

extern const struct conf_tunnel conf_tunnel_default;
extern const struct conf_ipcp conf_ipcp_default;
extern const struct conf_auth conf_auth_default;
extern const struct conf_radius conf_radius_default;

/* Words that a suite may hold; NULL-ended. */
struct conf_alg {
	const char *name;
	bool in_main, in_quick;
	bool quick_later;	/* in quick: not built yet */
	const char *alias;	/* the name that counts, when this is another one for it */
	const char *weak;	/* it is; what takes its place */
	const char *why;	/* it is known and never served, and why */
};
extern const struct conf_alg conf_auths[], conf_encs[], conf_groups[];

/* May nobody but root, or the caller, put another file in the place of this one? False, and in
 * ret_why what to do about it. */
bool conf_dir_safe(const char *path, char ret_why[static 512]);

/* conf_print.c: does the string read back as one bare word? */
bool conf_is_bare(const char *s);

#endif
