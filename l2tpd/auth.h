/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * auth: judges a login against the users files.  Answers verdicts, never
 * secrets or hashes.  It lives in the manager for now; the manager talks to it
 * in the very structs that will go over a channel.
 */
#ifndef CULVERT_AUTH_H
#define CULVERT_AUTH_H

#include "base/proto.h"
#include "base/util.h"

struct auth;

/* conf is borrowed. 0, -ENOMEM, -ENOTSUP (the crypto library has no MD4 or DES). */
MUST_USE int auth_new(const struct conf *, struct auth **ret);
void auth_free(struct auth *);

/*
 * Read the users file of conf.auth[index] from fd.  On failure the set that
 * was in force stays, and the log says so. 0 or -errno.
 */
MUST_USE int auth_load_users(struct auth *, unsigned index, int fd);

/* What a judgement says beside the verdict. */
struct auth_result {
	enum verdict verdict;		/* VERDICT_OK or VERDICT_DENY */
	unsigned auth;			/* index in conf.auth that judged */
	unsigned bind;			/* index in conf.bind that the login came by */
	char user[128];			/* stripped of domain and realm as configured, escaped */
	uint8_t mschap_auth[20];
	uint32_t framed_ip;		/* 0 = dynamic */
	const char *why;		/* for the log, static */
};

/* Judge req. Takes the same time for an unknown user and a wrong password. */
void auth_judge(struct auth *, const struct msg_auth_req *req, struct auth_result *ret);

#endif
