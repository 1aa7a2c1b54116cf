/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/auth_radius.h"

#include <stdlib.h>
#include <string.h>

struct auth_asked {
	struct list link;
	struct msg_radius_ask ask;
	struct msg_judged judged;
};

void auth_radius_init(struct auth_radius *r)
{
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < AUTH_RADIUS_BUCKETS; i++)
		list_init(&r->by_tag[i]);
}

bool auth_radius_add(struct auth_radius *r, struct msg_radius_ask *ask, const struct msg_judged *judged)
{
	struct auth_asked *a = calloc(1, sizeof(*a));

	if (!a)
		return false;
	ask->tag = r->next_tag++;
	a->ask = *ask;
	a->judged = *judged;
	list_push(&r->by_tag[ask->tag % AUTH_RADIUS_BUCKETS], &a->link);
	r->n++;
	return true;
}

static void asked_free(struct auth_radius *r, struct auth_asked *a)
{
	list_del(&a->link);
	r->n--;
	explicit_bzero(a, sizeof(*a));
	free(a);
}

bool auth_radius_said(struct auth_radius *r, const struct msg_radius_said *said, struct msg_radius_ask *ret_ask,
	struct msg_judged *ret)
{
	LIST_EACH(&r->by_tag[said->tag % AUTH_RADIUS_BUCKETS], e) {
		struct auth_asked *a = CONTAINER_OF(e, struct auth_asked, link);

		if (a->ask.tag != said->tag)
			continue;
		*ret_ask = a->ask;
		*ret = a->judged;
		asked_free(r, a);
		ret->verdict = said->verdict;
		ret->by_radius = true;
		memcpy(ret->mschap_auth, said->mschap_auth, sizeof(ret->mschap_auth));
		ret->mppe_keys = said->mppe_keys;
		memcpy(ret->mppe_send, said->mppe_send, sizeof(ret->mppe_send));
		memcpy(ret->mppe_recv, said->mppe_recv, sizeof(ret->mppe_recv));
		ret->framed_ip = said->framed_ip;
		ret->framed_mask = said->framed_mask;
		ret->session_timeout_s = said->session_timeout_s;
		ret->mschap_error = said->mschap_error;
		memcpy(ret->message, said->message, sizeof(ret->message));
		memcpy(ret->why, said->why, sizeof(ret->why));
		ret->says = said->says;
		ret->eap = said->eap;
		return true;
	}
	return false;
}

void auth_radius_again(struct auth_radius *r, void ask(void *arg, const struct msg_radius_ask *), void *arg)
{
	for (unsigned i = 0; i < AUTH_RADIUS_BUCKETS; i++)
		LIST_EACH(&r->by_tag[i], e)
			ask(arg, &CONTAINER_OF(e, struct auth_asked, link)->ask);
}

void auth_radius_forget(struct auth_radius *r)
{
	for (unsigned i = 0; i < AUTH_RADIUS_BUCKETS; i++)
		LIST_EACH(&r->by_tag[i], e)
			asked_free(r, CONTAINER_OF(e, struct auth_asked, link));
}
