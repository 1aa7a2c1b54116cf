/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf: from culvert.conf(5) to the typed value of base/conf.h and back.
 *
 * The parent calls it, as root, before it starts anything and again at reload.
 * A load gives a whole, checked configuration or none: the caller keeps its old
 * one until the new one is there.
 */
#ifndef CULVERT_L2TPD_CONF_H
#define CULVERT_L2TPD_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/conf.h"
#include "base/util.h"

#define CONF_DEFAULT_PATH "/etc/culvert/culvert.conf"
#define CONF_DEFAULT_USERS "/etc/culvert/users"

enum {
	CONF_FILE_MAX = 1 << 20,	/* bytes of one file, and of all macro text that is put in */
	CONF_LINE_MAX = 65535,		/* bytes of one line */
	CONF_MSGS_MAX = 64,		/* errors, and warnings, kept; further ones are counted */
	CONF_NETS = 64,			/* of the host that pools are compared with */
};

/* What a load has to say, in the order found: "FILE:LINE:COL: [warning: ]text". */
struct conf_msgs {
	char **line;		/* owned */
	size_t n;
	size_t errors, warnings;	/* counts, those not kept too */
};

/* Zero-initialise a struct conf_msgs; add one line. line 0: the whole file, "FILE: text". */
void conf_msg_add(struct conf_msgs *, bool warning, const char *file, unsigned line, unsigned col,
	const char *fmt, ...) PRINTF(6, 7);
void conf_msgs_print(FILE *, const struct conf_msgs *);
void conf_msgs_free(struct conf_msgs *);

/* The values that an empty file would have, without the tunnel, ipcp, interface,
 * authentication and bind that conf_load() adds when a file names none. */
void conf_default(struct conf *ret);

/*
 * Read and check the file at path; "-" is standard input.  0 and *ret, or -1 and
 * *ret untouched; then msgs holds at least one error.  Warnings come with both.
 */
MUST_USE int conf_load(const char *path, struct conf *ret, struct conf_msgs *msgs);

/* As conf_load(), by a server that runs: nothing but regular files, for which it never waits. */
MUST_USE int conf_load_again(const char *path, struct conf *ret, struct conf_msgs *msgs);

/* conf_parse: open no file that the text names. include is refused, a psk file
 * leaves psk_len 0, modes are not looked at.  CONF_ONLY_FILES: see conf_load_again(). */
enum { CONF_NO_FILES = 1, CONF_ONLY_FILES = 2 };

/* As conf_load(), from len bytes at text; name is what messages call it. */
MUST_USE int conf_parse(const char *name, const char *text, size_t len, unsigned flags, struct conf *ret,
	struct conf_msgs *msgs);

/* A network that this host is in, in host order, both ends included. */
struct conf_net {
	char ifname[CONF_IFNAME_MAX];
	uint32_t first, last;
};

/* As conf_parse() with CONF_NO_FILES, on a host with these networks. */
MUST_USE int conf_parse_on(const struct conf_net *nets, unsigned n_nets, const char *name, const char *text,
	size_t len, struct conf *ret, struct conf_msgs *msgs);

/*
 * The canonical form: every setting with its value, which conf_parse() reads
 * back to the same struct.  A secret that came from a file is printed as that
 * file, any other literally: the output is as secret as the input.
 */
void conf_print(FILE *, const struct conf *);

/* Wipe the pre-shared keys, tunnel secrets and RADIUS secrets: for every copy that leaves the
 * parent for a process that has no business with them. */
void conf_scrub(struct conf *);

enum conf_secrets { CONF_SECRETS_NONE, CONF_SECRETS_IKE, CONF_SECRETS_L2TP, CONF_SECRETS_RADIUS };

/* The same but for one kind of them. */
void conf_scrub_but(struct conf *, enum conf_secrets keep);

/*
 * Open a file that holds secrets (users, a pre-shared key) for reading.  Refused
 * when it is a symbolic link or no regular file, is not owned by root or by the
 * caller, is open to group or others, or is in a directory that others may write
 * to.  Returns the descriptor (close-on-exec) or
 * -errno and, in ret_why, what to do about it, with the exact command.
 */
MUST_USE int conf_open_secret(const char *path, char ret_why[static 512]);
/* The same for a file that everybody may read, but nobody else change. */
MUST_USE int conf_open_public(const char *path, char ret_why[static 512]);

/*
 * The keyword table, for the test that compares it with the manual: lines "WORD
 * STATEMENT STATE MIN MAX DEFAULT"; STATEMENT is "top" for one, that of an
 * option, or "-"; MAX is 0 where there is no number, DEFAULT "-" where there is no
 * single word for it.
 */
void conf_print_keywords(FILE *);

#endif
