/* SPDX-License-Identifier: GPL-2.0-or-later */
/* opt: Configuration Options (RFC 1661 5.1 to 5.4, 6), driven by a table for
 * each protocol.  For ppp/ only. */
#ifndef CULVERT_PPP_OPT_H
#define CULVERT_PPP_OPT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rd.h"
#include "base/wr.h"

struct ppp;
struct ppp_proto;
struct turn;

enum opt_verdict {
	OPT_ACK,
	OPT_NAK,	/* the value that would do was written */
	OPT_REJECT,
	OPT_ABORT,	/* the link cannot go on; ppp.reason says why */
};

/* One option.  Values are what follows type and length. */
struct ppp_opt {
	uint8_t type;
	uint8_t len;		/* of the value; OPT_ANY: judge() looks itself */

	/* Ours.  ask: write the value; false = we do not want it. NULL = never. */
	bool (*ask)(const struct ppp *, struct wr *val);
	/* The peer's hint; false = cannot go on. NULL = stop asking. */
	bool (*nak)(struct turn *, struct rd hint);
	/* It will not have it (we stop asking by ourselves); false = cannot go on. NULL = fine. */
	bool (*rejected)(struct turn *);

	/* The peer's.  judge: on OPT_NAK the value wanted is in *want. val is bad
	 * where the option has a wrong length, or was left out. */
	enum opt_verdict (*judge)(struct turn *, struct rd val, struct wr *want);
	/* All of a request was acked: this value is in force. */
	void (*set)(struct ppp *, struct rd val);
	bool (*wanted)(const struct ppp *);	/* ask for it once where the peer left it out; NULL = never */
};

enum { OPT_ANY = 0xff };

/* Write the options of our Configure-Request as they are now. */
void opt_ask(const struct ppp *, const struct ppp_proto *, struct wr *);

/*
 * Judge the options of a Configure-Request.  true: *ret is one of OPT_ACK,
 * OPT_NAK and OPT_REJECT, and the body of that reply was written to *reply; or
 * it is OPT_ABORT.  false: not a list of options, no reply.
 */
bool opt_judge(struct turn *, const struct ppp_proto *, struct rd opts, struct wr *reply,
	enum opt_verdict *ret);

/* The value of the first option of this type in a list. false: there is none before the list's end or fault. */
bool opt_find(struct rd opts, uint8_t type, struct rd *ret_val);

/* The peer's request is acked: put its options in force. */
void opt_commit(struct ppp *, const struct ppp_proto *, struct rd opts);

/* Is this the body that acks what we ask for? RFC 1661 5.2: "exactly match". */
bool opt_acks(const struct ppp *, const struct ppp_proto *, struct rd body);

/*
 * A Configure-Nak or -Reject of our request: change what we ask for.  *ret_go
 * false: we cannot go on, ppp.reason says why.  Returns false, having changed
 * nothing, for a body that no answer to our request can have.
 */
bool opt_nak(struct turn *, const struct ppp_proto *, struct rd body, bool *ret_go);
bool opt_reject(struct turn *, const struct ppp_proto *, struct rd body, bool *ret_go);

#endif
