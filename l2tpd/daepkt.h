/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * daepkt: the requests of RFC 5176 as bytes (Disconnect-Request, CoA-Request), and
 * the answers to them.  Pure: the time, and who we are, are arguments.
 */
#ifndef CULVERT_DAEPKT_H
#define CULVERT_DAEPKT_H

#include "l2tpd/radpkt.h"

/* RFC 5176 2.3 */
enum {
	RAD_DISCONNECT_REQUEST = 40, RAD_DISCONNECT_ACK, RAD_DISCONNECT_NAK, RAD_COA_REQUEST, RAD_COA_ACK, RAD_COA_NAK,
};

/* RFC 5176 6.3: how old, or how far ahead, the Event-Timestamp of a request may be. */
enum { DAE_WINDOW_S = 300 };

/* How this server may be called. */
struct dae_nas {
	const struct addr *addr;	/* its addresses; ports do not count */
	unsigned n_addr;
	const char *id;			/* its NAS-Identifier */
};

enum dae_check {
	DAE_GOOD,
	DAE_MALFORMED,			/* lengths, or no request at all */
	DAE_FORGED,			/* Request or Message-Authenticator wrong */
	DAE_UNSIGNED,			/* no Message-Authenticator, and the client must have one */
	DAE_UNDATED,			/* no Event-Timestamp, likewise */
	DAE_STALE,			/* its Event-Timestamp is out of the window */
};

/*
 * May a request of this client be read?  Anything but DAE_GOOD is not answered.  now_s:
 * time(2).  born_s: when this process began to remember requests; what is stamped before
 * that could be one that somebody remembers no more.  RFC 5176 2.3, 3.4, 6.3.
 */
enum dae_check dae_check(struct rd pkt, const struct conf_dae_client *, int64_t now_s, int64_t born_s);

/*
 * What a good request is about: *ret, complete but for its tag and client; or the
 * Error-Cause of a NAK.  One attribute that is not known here, or not in such a request,
 * and nothing of it counts.  RFC 5176 3.
 */
enum dae_cause dae_read(struct rd pkt, const struct dae_nas *, struct msg_dae *ret);

/*
 * The answer to a good request, signed: an ACK if cause is DAE_OK, else a NAK.  Bytes at out
 * (RAD_MAX of room); 0: the Proxy-States leave no room for it.  RFC 5176 2.3, 3.1, 3.3, 3.4.
 */
size_t dae_answer(struct rd pkt, const char *secret, enum dae_cause, uint8_t out[static RAD_MAX]);

#endif
