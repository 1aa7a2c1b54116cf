/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Configuration Options by table: see opt.h. */
#include "ppp/opt.h"

#include <string.h>

#include "ppp/proto.h"

/* The next option of a list; false at its end or where it is broken (then l->bad). */
static bool next_option(struct rd *l, uint8_t *ret_type, struct rd *ret_val, struct rd *ret_whole)
{
	struct rd at = *l, whole;
	uint8_t type, len;

	if (!l->n)
		return false;
	type = rd_u8(&at);
	len = rd_u8(&at);
	/* RFC 1661 6: Length counts type and length. */
	if (at.bad || len < 2) {
		rd_fail(l);
		return false;
	}
	whole = rd_sub(l, len);
	if (whole.bad)
		return false;
	*ret_whole = whole;
	rd_skip(&whole, 2);
	*ret_val = whole;
	*ret_type = type;
	return true;
}

static int row_of(const struct ppp_proto *pr, uint8_t type)
{
	for (int i = 0; i < pr->n_opts; i++)
		if (pr->opts[i].type == type)
			return i;
	return -1;
}

/* Write row i as we ask for it; false: we do not. */
static bool ask_one(const struct ppp *p, const struct ppp_proto *pr, int i, struct wr *w)
{
	const struct ppp_opt *o = &pr->opts[i];
	size_t start = w->len, at;

	if (!o->ask || p->fsm[pr->fsm].rejected & 1u << i)
		return false;
	wr_u8(w, o->type);
	at = wr_open8(w);
	if (!o->ask(p, w)) {
		w->len = start;
		return false;
	}
	wr_close8(w, at, start);
	return true;
}

void opt_ask(const struct ppp *p, const struct ppp_proto *pr, struct wr *w)
{
	for (int i = 0; i < pr->n_opts; i++)
		(void)ask_one(p, pr, i, w);
}

/* One option is judged; the value that a Nak is to carry goes to nak. */
static enum opt_verdict judge_one(struct turn *t, const struct ppp_proto *pr, int i, struct rd val,
	struct wr *nak)
{
	const struct ppp_opt *o = &pr->opts[i];
	size_t start = nak->len, at;
	enum opt_verdict v;

	/* RFC 1661 6: a negotiable option with a wrong Length is Nak'ed with a right one. */
	if (o->len != OPT_ANY && val.n != o->len)
		rd_fail(&val);
	wr_u8(nak, o->type);
	at = wr_open8(nak);
	v = o->judge(t, val, nak);
	wr_close8(nak, at, start);
	if (v != OPT_NAK)
		nak->len = start;
	/* RFC 1661 4.6, Max-Failure: "converted to Configure-Reject packets". */
	if (v == OPT_NAK && proto_fsm(t->p, pr)->sent_naks >= proto_limits(t->p, pr)->max_failure) {
		nak->len = start;
		v = OPT_REJECT;
	}
	return v;
}

/* RFC 1661 5.3: options that the peer left out may be appended to a Nak. Once each. */
static bool append_wanted(struct turn *t, const struct ppp_proto *pr, unsigned seen, struct wr *nak)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);
	bool any = false;

	for (int i = 0; i < pr->n_opts; i++) {
		struct rd none = { .bad = true };

		if ((seen | f->appended) & 1u << i || !pr->opts[i].wanted || !pr->opts[i].wanted(t->p))
			continue;
		f->appended |= 1u << i;
		any |= judge_one(t, pr, i, none, nak) == OPT_NAK;
	}
	return any;
}

bool opt_judge(struct turn *t, const struct ppp_proto *pr, struct rd opts, struct wr *reply,
	enum opt_verdict *ret)
{
	uint8_t buf[PPP_FRAME_MAX];
	struct wr nak = wr_of(buf, sizeof(buf));
	struct rd l = opts, val, whole;
	bool any_nak = false, any_rej = false;
	unsigned seen = 0;
	uint8_t type;

	while (next_option(&l, &type, &val, &whole)) {
		enum opt_verdict v = OPT_REJECT;
		int i = row_of(pr, type);

		/* RFC 1661 6: "None of the Configuration Options in this
		 * specification can be listed more than once."  A second one is
		 * rejected, so an answer never grows past its request. */
		if (i >= 0 && !(seen & 1u << i)) {
			seen |= 1u << i;
			v = judge_one(t, pr, i, val, &nak);
		}
		if (v == OPT_ABORT) {
			*ret = v;
			return true;
		}
		any_nak |= v == OPT_NAK;
		any_rej |= v == OPT_REJECT;
		if (v == OPT_REJECT)
			wr_bytes(reply, whole.p, whole.n);
	}
	if (l.bad)
		return false;
	if (!any_rej)
		any_nak |= append_wanted(t, pr, seen, &nak);
	/* RFC 1661 5.4: rejected options are the only ones in their answer, and come first. */
	*ret = any_rej ? OPT_REJECT : any_nak ? OPT_NAK : OPT_ACK;
	if (*ret == OPT_NAK)
		wr_bytes(reply, nak.p, nak.len);
	if (*ret == OPT_ACK)
		wr_bytes(reply, opts.p, opts.n);
	return !reply->bad && !nak.bad;
}

bool opt_find(struct rd opts, uint8_t type, struct rd *ret_val)
{
	struct rd whole;
	uint8_t got;

	while (next_option(&opts, &got, ret_val, &whole))
		if (got == type)
			return true;
	return false;
}

void opt_commit(struct ppp *p, const struct ppp_proto *pr, struct rd opts)
{
	struct rd val, whole;
	uint8_t type;

	pr->defaults(p);
	while (next_option(&opts, &type, &val, &whole)) {
		int i = row_of(pr, type);

		if (i >= 0 && pr->opts[i].set)
			pr->opts[i].set(p, val);
	}
}

bool opt_acks(const struct ppp *p, const struct ppp_proto *pr, struct rd body)
{
	uint8_t buf[PPP_FRAME_MAX];
	struct wr w = wr_of(buf, sizeof(buf));

	opt_ask(p, pr, &w);
	return !w.bad && body.n == w.len && (!w.len || !memcmp(body.p, buf, w.len));
}

static bool stop_asking(struct turn *t, const struct ppp_proto *pr, int i)
{
	const struct ppp_opt *o = &pr->opts[i];

	proto_fsm(t->p, pr)->rejected |= 1u << i;
	return !o->rejected || o->rejected(t);
}

bool opt_nak(struct turn *t, const struct ppp_proto *pr, struct rd body, bool *ret_go)
{
	struct ppp_fsm *f = proto_fsm(t->p, pr);
	/* RFC 1661 4.6 is about our Naks; the same count keeps theirs from going on for ever. */
	bool enough = f->got_refusals >= proto_limits(t->p, pr)->max_failure;
	struct rd check = body, val, whole;
	uint8_t type;

	while (next_option(&check, &type, &val, &whole))
		;
	if (check.bad)
		return false;
	while (*ret_go && next_option(&body, &type, &val, &whole)) {
		const struct ppp_opt *o;
		int i = row_of(pr, type);

		/* RFC 1661 5.3: options we did not ask for may be there; we need not want them. */
		if (i < 0 || !pr->opts[i].ask || f->rejected & 1u << i)
			continue;
		o = &pr->opts[i];
		if (o->len != OPT_ANY && val.n != o->len)
			rd_fail(&val);
		*ret_go = o->nak && !enough && !val.bad ? o->nak(t, val) : stop_asking(t, pr, i);
	}
	return true;
}

bool opt_reject(struct turn *t, const struct ppp_proto *pr, struct rd body, bool *ret_go)
{
	struct rd check = body, val, whole;
	int last = -1;
	uint8_t type;

	/* RFC 1661 5.4: a subset of our request, in order and with our values. */
	while (next_option(&check, &type, &val, &whole)) {
		uint8_t buf[256];
		struct wr w = wr_of(buf, sizeof(buf));
		int i = row_of(pr, type);

		if (i <= last || !ask_one(t->p, pr, i, &w) || w.len != whole.n ||
		    memcmp(buf, whole.p, w.len) != 0)
			return false;
		last = i;
	}
	if (check.bad || last < 0)
		return false;
	while (*ret_go && next_option(&body, &type, &val, &whole))
		*ret_go = stop_asking(t, pr, row_of(pr, type));
	return true;
}
