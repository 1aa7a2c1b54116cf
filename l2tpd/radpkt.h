/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * radpkt: RADIUS packets as bytes (RFC 2865, 2548, 2869, 5997's order).  Pure.
 *
 * radcli builds requests and repeats them; what it cannot do is here: put a
 * Message-Authenticator into every Access-Request, take no reply without a right
 * one, and read a reply so strictly that a malformed one lets nobody in.
 */
#ifndef CULVERT_RADPKT_H
#define CULVERT_RADPKT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/proto.h"
#include "base/rd.h"
#include "base/util.h"
#include "base/wr.h"

enum {
	RAD_HEADER = 20,		/* RFC 2865 3 */
	RAD_MAX = 4096,
	RAD_AUTHENTICATOR = 16,
	RAD_COOKIE = 16,
	RAD_PASSWORD_MAX = 112,		/* bytes of a User-Password: what radcli 1.2 carries; RFC 2865 5.2 has 128 */
};

/* RFC 2865 3, RFC 2866 4 */
enum rad_code {
	RAD_ACCESS_REQUEST = 1, RAD_ACCESS_ACCEPT, RAD_ACCESS_REJECT, RAD_ACCOUNTING_REQUEST, RAD_ACCOUNTING_RESPONSE,
	RAD_ACCESS_CHALLENGE = 11,
};

/* RFC 2865 5, RFC 2869 5 */
enum rad_type {
	RAD_USER_NAME = 1, RAD_USER_PASSWORD, RAD_CHAP_PASSWORD, RAD_NAS_IP_ADDRESS, RAD_NAS_PORT, RAD_SERVICE_TYPE,
	RAD_FRAMED_PROTOCOL, RAD_FRAMED_IP_ADDRESS, RAD_FRAMED_IP_NETMASK, RAD_FILTER_ID = 11, RAD_FRAMED_MTU,
	RAD_REPLY_MESSAGE = 18, RAD_FRAMED_ROUTE = 22, RAD_STATE = 24, RAD_CLASS, RAD_VENDOR_SPECIFIC = 26, RAD_SESSION_TIMEOUT, RAD_IDLE_TIMEOUT,
	RAD_CALLED_STATION_ID = 30, RAD_CALLING_STATION_ID, RAD_NAS_IDENTIFIER, RAD_PROXY_STATE,
	RAD_ACCT_STATUS_TYPE = 40, RAD_ACCT_DELAY_TIME, RAD_ACCT_INPUT_OCTETS, RAD_ACCT_OUTPUT_OCTETS, RAD_ACCT_SESSION_ID,
	RAD_ACCT_AUTHENTIC, RAD_ACCT_SESSION_TIME, RAD_ACCT_INPUT_PACKETS, RAD_ACCT_OUTPUT_PACKETS, RAD_ACCT_TERMINATE_CAUSE,
	RAD_ACCT_INPUT_GIGAWORDS = 52, RAD_ACCT_OUTPUT_GIGAWORDS, RAD_EVENT_TIMESTAMP = 55,
	RAD_CHAP_CHALLENGE = 60, RAD_NAS_PORT_TYPE, RAD_PORT_LIMIT, RAD_TUNNEL_TYPE = 64, RAD_TUNNEL_MEDIUM_TYPE, RAD_TUNNEL_CLIENT_ENDPOINT,
	RAD_ACCT_TUNNEL_CONNECTION = 68, RAD_EAP_MESSAGE = 79, RAD_MESSAGE_AUTHENTICATOR, RAD_TUNNEL_ASSIGNMENT_ID = 82,
	RAD_ACCT_INTERIM_INTERVAL = 85, RAD_FRAMED_POOL = 88, RAD_NAS_IPV6_ADDRESS = 95, RAD_ERROR_CAUSE = 101,
};

enum { RAD_VENDOR_MICROSOFT = 311, RAD_VENDOR_WISPR = 14122, RAD_VENDOR_MIKROTIK = 14988 };

/* Their own. Up is from the client. */
enum { RAD_WISPR_MAX_UP = 7, RAD_WISPR_MAX_DOWN, RAD_MIKROTIK_RATE_LIMIT = 8 };

/* RFC 2548 2 */
enum rad_ms_type {
	RAD_MS_CHAP_ERROR = 2, RAD_MS_CHAP_CHALLENGE = 11, RAD_MS_MPPE_SEND_KEY = 16, RAD_MS_MPPE_RECV_KEY,
	RAD_MS_CHAP2_RESPONSE = 25, RAD_MS_CHAP2_SUCCESS, RAD_MS_PRIMARY_DNS = 28, RAD_MS_SECONDARY_DNS,
	RAD_MS_PRIMARY_NBNS, RAD_MS_SECONDARY_NBNS,
};

/* ---- any packet: for daepkt.c ---- */

/* RFC 2865 3 */
struct rad_hdr {
	const uint8_t *p;		/* the packet; borrowed */
	size_t len;			/* what its Length says: what stands behind is padding */
	uint8_t code, id;
	struct rd attrs;
};

/* False where its lengths, or those of its attributes, are wrong. */
bool rad_open(struct rd pkt, struct rad_hdr *ret);

/* The next attribute of such a list, borrowed; false: the end. */
bool rad_next(struct rd *attrs, uint8_t *ret_type, struct rd *ret_val);

/* MD5 of several parts, one after the other; HMAC-MD5 (RFC 2104).  False where OpenSSL has none. */
bool rad_md5(const struct rd *part, unsigned n, uint8_t ret[static RAD_AUTHENTICATOR]);
bool rad_hmac_md5(const char *secret, const uint8_t *p, size_t n, uint8_t ret[static RAD_AUTHENTICATOR]);

/* ---- what a request says: a list for radcli, each entry vendor (32 bits), type, length of the value, value ---- */

struct rad_attr {
	uint32_t vendor;		/* 0: none */
	uint8_t type;
	struct rd val;			/* borrowed */
};

/* The next entry of a list; false: the end, or list->bad. */
bool rad_attr_next(struct rd *list, struct rad_attr *ret);

/* How this server calls itself. */
struct rad_nas {
	struct addr addr;		/* from which requests leave: NAS-IP-Address or NAS-IPv6-Address */
	char id[CONF_NAME_MAX];		/* NAS-Identifier; "": none */
};

/*
 * The attributes of the Access-Request for a login, but for the last word of the
 * relay, rad_forward().  False: it cannot be asked, *ret_why says why.  w->bad when
 * they did not fit.  RFC 2865 5, RFC 2548 2.3; AUTH_EAP: RFC 3579 3.1, with the State of the
 * answer before.
 */
bool rad_login_attrs(const struct msg_radius_ask *, const struct rad_nas *, struct wr *w, const char **ret_why);

/* Those of an Accounting-Request.  RFC 2866 5, RFC 2867 3, RFC 2869 5.1 to 5.3. */
void rad_acct_attrs(const struct msg_acct *, const struct rad_nas *, struct wr *w);

/* ---- the relay ---- */

/*
 * A request of radcli, to be sent to the server: its Proxy-State, which is only
 * a cookie, is taken out, and in an Access-Request a Message-Authenticator put first
 * (RFC 3579 3.2); an Accounting-Request gets its Request Authenticator anew (RFC
 * 2866 3).  secret ends in NUL.  Bytes at out (RAD_MAX of room); 0: it is none of ours.
 */
size_t rad_forward(struct rd pkt, const char *secret, uint8_t out[static RAD_MAX]);

/* The cookie in a request of radcli; false: it has not exactly one. */
bool rad_cookie(struct rd pkt, uint8_t ret[static RAD_COOKIE]);

enum rad_check {
	RAD_GOOD,
	RAD_MALFORMED,			/* no packet at all: lengths */
	RAD_FORGED,			/* Response or Message-Authenticator wrong, or of another request */
	RAD_UNSIGNED,			/* no Message-Authenticator, and one is wanted */
};

/*
 * A reply to the request req (as rad_forward() made it), RFC 2865 3, RFC 3579 3.2.
 * signed_: a Message-Authenticator is wanted; one that is there must be right either way.
 * Octets behind the packet's own length are padding.
 */
enum rad_check rad_check_reply(struct rd pkt, struct rd req, const char *secret, bool signed_);

/*
 * A good reply to an Accounting-Request, in place, as libradcli is to see it: its own
 * request had authenticator, and another one than what the server was sent.
 */
void rad_resign(uint8_t *pkt, size_t n, const uint8_t authenticator[static RAD_AUTHENTICATOR], const char *secret);

/*
 * What a good reply says of the login that was asked for.  What is known and has a
 * wrong form, stands twice with two values, or asks for what is not PPP refuses the login;
 * what is not known is ignored.  *ret is complete but for its tag and eap.server.
 * AUTH_EAP, RFC 3579 2.2, 2.6.3: a Challenge without a whole EAP Request of another Identifier, and an Accept
 * without the Success that belongs to our Response, refuse the login, too.
 */
void rad_read_reply(struct rd pkt, struct rd req, const char *secret, const struct msg_radius_ask *,
	struct msg_radius_said *ret);

#endif
