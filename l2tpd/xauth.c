/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients without L2TP and PPP ("Cisco IPSec"): name and password come by IKE
 * (XAuth, draft-beaulieu-ike-xauth), the address goes back by it (Mode Config,
 * draft-dukes-ike-mode-cfg), and what their SAs bring is IP in tunnel mode.
 *
 *	iked ── XAUTH_REQ ──→ a flow and a session ── AUTH_REQ ──→ manager, auth
 *	     ←─ XAUTH_DONE ── VERDICT and the lease with it, TUN on its way
 *	     ── SA_ADD ×2 ──→ the session is up
 *
 * A flow has one session, from its first SA to its last: with the session ends
 * the IKE_SA, and the other way round.
 *
 * A client that does phase 1 again logs in again, and keeps its session if the
 * login comes from the same address and port, by the same IKE identity and in
 * the same name as the session's, and auth says that the password is right: no
 * two clients of a NAT can be at one port.  Anything else is a new session.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "l2tpd/engine.h"

static void answer(struct engine *e, const struct lineage *who, uint32_t verdict, const struct msg_verdict *m)
{
	struct msg_xauth_done done = { .lineage = *who, .verdict = verdict };

	if (verdict == VERDICT_OK) {
		done.ip = m->ip;
		memcpy(done.dns, m->dns, sizeof(done.dns));
		memcpy(done.nbns, m->nbns, sizeof(done.nbns));
	}
	peer_send(&e->iked, MSG_XAUTH_DONE, &done, sizeof(done), -1);
}

static void refuse(struct engine *e, const struct lineage *who)
{
	answer(e, who, VERDICT_REFUSE, NULL);
}

/* The session that this login may be for, or NULL. */
static struct sess *same_client(const struct engine *e, const struct msg_xauth_req *m)
{
	LIST_EACH(lin_at(&e->book, &m->peer), i) {
		struct lin_flow *l = CONTAINER_OF(i, struct lin_flow, by_ip);
		struct flow *f = CONTAINER_OF(l, struct flow, lin);
		struct sess *s = f->xauth;

		if (s && s->known && !f->killed && !f->conf->removed && addr_eq(&l->peer, &m->peer) &&
		    s->login->user_len == m->user_len && !memcmp(s->login->user, m->user, m->user_len) &&
		    !strcmp(s->login->ike_id, m->ike_id))
			return s;
	}
	return NULL;
}

/* A new one. NULL: no tunnel listens there, or no room. */
static struct sess *begin(struct engine *e, const struct msg_xauth_req *m, uint64_t now)
{
	struct flow *f = flow_begin(e, &m->lineage, &m->local, &m->peer);
	struct msg_xauth_req *login;
	struct lin_out out;
	struct sess *s;

	if (!f || f->conf->removed)
		return NULL;
	f->tunnel_mode = true;
	str_copy(f->lin.ike_id, sizeof(f->lin.ike_id), m->ike_id);
	lin_out_init(&out);
	lin_flow_own(&e->book, &f->lin, &out);
	call_lineage(&out, now);
	login = calloc(1, sizeof(*login));
	s = login ? call_new(f, now) : NULL;
	if (!s) {
		free(login);
		return NULL;
	}
	s->xauth = true;
	s->login = login;
	s->mtu = (uint16_t)e->conf.tunnel[f->tunnel].mru;
	list_push(&f->sessions, &s->link);
	f->xauth = s;
	call_row(s);
	flow_watch(f);
	return s;
}

void xauth_login(struct engine *e, const struct msg_xauth_req *m)
{
	struct sess *s;

	if (lin_find(&e->book, &m->lineage)) {
		log_err("lineage=%llu logs in twice, refused", (unsigned long long)m->lineage.counter);
		refuse(e, &m->lineage);
		return;
	}
	s = same_client(e, m);
	if (!s)
		s = begin(e, m, now_ms());
	if (!s) {
		refuse(e, &m->lineage);
		return;
	}
	/* It began anew before it was judged. */
	if (s->asking)
		refuse(e, &s->login->lineage);
	*s->login = *m;
	s->serial++;
	call_judge(s);
}

void xauth_verdict(struct sess *s, const struct msg_verdict *m)
{
	struct flow *f = s->flow;
	struct engine *e = f->e;
	struct lineage who = s->login->lineage;
	uint32_t verdict = m->verdict;
	bool again = !lin_find(&e->book, &who);

	explicit_bzero(s->login->password, sizeof(s->login->password));
	s->login->password_len = 0;
	if (again && verdict == VERDICT_OK) {
		if (flow_add_ike(f, &who, now_ms()))
			log_info("%s continues: the same user, from the same place, did phase 1 again", f->tag);
		else
			verdict = VERDICT_REFUSE;
	}
	if (!again && verdict == VERDICT_OK) {
		row_write_begin(s->row);
		s->row->peer = s->login->peer;
		row_write_end(s->row);
	}
	answer(e, &who, verdict, m);
	/* The first one was not good: iked ends the IKE_SA, and then the flow goes. */
	if (!s->known)
		call_free(s, m->reason);
}

void xauth_sa_up(struct flow *f)
{
	struct sess *s = f->xauth;

	if (!s->known || s->up)
		return;
	call_up(s);
	call_arm(s, now_ms());
}
