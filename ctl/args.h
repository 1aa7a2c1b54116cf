/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * args: culvertctl's command line.  npppctl's words, filters, abbreviations and
 * error texts, so that what people type and what scripts look for stays true;
 * `status`, `reload` and `user` are ours.
 *
 * Pure: no process, no socket; errors go to the stream that it is given.
 */
#ifndef CULVERT_CTL_ARGS_H
#define CULVERT_CTL_ARGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/proto.h"
#include "base/util.h"

enum ctl_verb {
	CTL_SESSION_BRIEF,
	CTL_SESSION_PACKETS,
	CTL_SESSION_ALL,
	CTL_CLEAR,
	CTL_STATUS,
	CTL_RELOAD,
	CTL_USER_ADD,
	CTL_USER_DEL,
	CTL_USER_PASSWD,
	CTL_USER_ENABLE,
	CTL_USER_DISABLE,
	CTL_USER_LIST,
	CTL_USER_SHOW,
};

enum ctl_protocol { CTL_PROTO_ANY, CTL_PROTO_L2TP, CTL_PROTO_IPSEC, CTL_PROTO_PPTP, CTL_PROTO_PPPOE, CTL_PROTO_SSTP };

/* What a session must be to be meant; everything that is set must hold. */
struct ctl_filter {
	bool has_ppp_id;
	uint32_t ppp_id;
	struct addr address;		/* family 0 = any */
	enum ctl_protocol protocol;
	const char *interface;		/* borrowed from argv; NULL = any */
	const char *realm;
	const char *username;
};

enum ctl_store { CTL_STORE_PASSWORD, CTL_STORE_NT_HASH, CTL_STORE_CRYPT };

/* What a user command is about. Strings are borrowed from argv; NULL = not said. */
struct ctl_user {
	const char *name;
	bool from_stdin;		/* the password; else one is made */
	enum ctl_store store;		/* as what it is kept */
	const char *expires, *max_session, *framed_ip_address, *framed_ip_network, *calling_number;
};

struct ctl_cmd {
	enum ctl_verb verb;
	struct ctl_filter filter;
	struct ctl_user user;
};

/*
 * argv: the words after the options, argc of them.  False: they are no command,
 * and err says what would have been; *ret is not written then.
 */
MUST_USE bool args_parse(int argc, char *const argv[], FILE *err, struct ctl_cmd *ret);

/*
 * Names are compared byte by byte.  A user name on the command line may be
 * written as it is, or escaped as listings show it.
 */
bool filter_match(const struct ctl_filter *, const struct sess_row *);

/* Does f say nothing but ppp-id?  Then no listing is needed to find the session. */
bool filter_is_ppp_id(const struct ctl_filter *f);

#endif
