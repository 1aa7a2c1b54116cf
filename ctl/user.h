/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * user: culvertctl's user commands: the users file of an authentication is shown and changed.
 * No password is ever an argument, and none is shown but one that was just made.
 */
#ifndef CULVERT_CTL_USER_H
#define CULVERT_CTL_USER_H

#include "ctl/args.h"
#include "l2tpd/conf.h"

/* Which users file. */
struct user_place {
	const char *conf;		/* the configuration that names it … */
	const char *auth;		/* … in this authentication; NULL = the only one of type local */
	const char *users;		/* or the file itself; NULL = as the configuration says */
};

/* Returns an exit status; *ret_changed: the file is another one now. */
int user_command(const struct user_place *, const struct ctl_cmd *, bool *ret_changed);

#endif
