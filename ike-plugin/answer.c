/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/answer.h"

#include <string.h>

enum {				/* draft-beaulieu-ike-xauth 6.2 */
	XAUTH_USER_NAME = 16521,
	XAUTH_USER_PASSWORD = 16522,
	XAUTH_STATUS = 16527,
};

void answer_init(struct answer *a, struct msg_xauth_req *req)
{
	*a = (struct answer){ .req = req };
}

static void fault(struct answer *a, const char *what)
{
	if (!a->fault)
		a->fault = what;
}

static void user(struct answer *a, struct rd value)
{
	if (a->user)
		fault(a, "two names");
	else if (!value.n)
		fault(a, "an empty name");
	else if (value.n > sizeof(a->req->user))
		fault(a, "a name too long");
	a->user = true;
	if (a->fault)
		return;
	memcpy(a->req->user, value.p, value.n);
	a->req->user_len = (uint16_t)value.n;
}

static void password(struct answer *a, struct rd value)
{
	/* Some clients send a C string with all that belongs to it (Android's racoon). */
	if (value.n && !value.p[value.n - 1])
		value.n--;
	if (a->password)
		fault(a, "two passwords");
	else if (value.n > sizeof(a->req->password))
		fault(a, "a password too long");
	a->password = true;
	if (a->fault)
		return;
	if (value.n)
		memcpy(a->req->password, value.p, value.n);
	a->req->password_len = (uint8_t)value.n;
}

void answer_attr(struct answer *a, uint16_t type, struct rd value)
{
	switch (type) {
	case XAUTH_USER_NAME:
		user(a, value);
		break;
	case XAUTH_USER_PASSWORD:
		password(a, value);
		break;
	case XAUTH_STATUS:
		/* 6.2: the client's word that it cannot. */
		fault(a, "the client gave up");
		break;
	}
}

const char *answer_end(struct answer *a)
{
	if (!a->user)
		fault(a, "no name");
	if (!a->password)
		fault(a, "no password");
	if (a->fault) {
		explicit_bzero(a->req->password, sizeof(a->req->password));
		a->req->password_len = 0;
	}
	return a->fault;
}
