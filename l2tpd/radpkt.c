/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/radpkt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/radrate.h"

/* EAP's header, and that of EAP-TLS (RFC 5216 3.1): FreeRADIUS takes Framed-MTU for the size of what is behind them. */
enum { TLS_HEADERS = 10 };
enum { EAP_REQUEST = 1, EAP_SUCCESS = 3, EAP_HEADER = 4 };	/* RFC 3748 4 */
enum { INVALID_EAP = 202 };	/* Error-Cause: RFC 3579 2.2, RFC 5176 3.5 */
enum { MD5 = 16, SIGNATURE = 2 + MD5, NT_VALUE = 49, PIECE = 253, CHAP_VALUE = 16, MS_RESPONSE = 50, MS_SUCCESS = 43, KEY = 16 };

/* ---- hashes ---- */

/* A message of several parts.  OpenSSL without MD5 has no RADIUS: a hash of zeros is never right. */
static bool md5(const struct rd *part, unsigned n, uint8_t ret[static MD5])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL);

	for (unsigned i = 0; ok && i < n; i++)
		ok = !part[i].n || EVP_DigestUpdate(ctx, part[i].p, part[i].n);
	ok = ok && EVP_DigestFinal_ex(ctx, ret, NULL);
	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool hmac_md5(const char *secret, const uint8_t *p, size_t n, uint8_t ret[static MD5])
{
	return HMAC(EVP_md5(), secret, (int)strlen(secret), p, n, ret, NULL) != NULL;
}

/* ---- packets ---- */

/* The attributes of a packet; false where its lengths are wrong. RFC 2865 3, 5 */
static bool packet_attrs(struct rd pkt, uint8_t *ret_code, uint8_t *ret_id, struct rd *ret_authenticator,
	struct rd *ret_attrs, size_t *ret_len)
{
	struct rd whole = pkt, at;
	uint16_t len;

	*ret_code = rd_u8(&pkt);
	*ret_id = rd_u8(&pkt);
	len = rd_u16(&pkt);
	if (pkt.bad || len < RAD_HEADER || len > RAD_MAX || len > whole.n)
		return false;
	*ret_authenticator = rd_sub(&pkt, RAD_AUTHENTICATOR);
	*ret_attrs = rd_sub(&pkt, len - RAD_HEADER);
	*ret_len = len;
	at = *ret_attrs;
	while (at.n) {
		uint8_t type = rd_u8(&at), size = rd_u8(&at);

		if (!type || size < 2)
			return false;
		rd_skip(&at, size - 2u);
	}
	return !at.bad;
}

/* The next attribute of a list that packet_attrs() passed. */
static bool next(struct rd *attrs, uint8_t *ret_type, struct rd *ret_val)
{
	uint8_t size;

	if (!attrs->n)
		return false;
	*ret_type = rd_u8(attrs);
	size = rd_u8(attrs);
	*ret_val = rd_sub(attrs, size < 2 ? SIZE_MAX : size - 2u);
	return !attrs->bad;
}

bool rad_open(struct rd pkt, struct rad_hdr *ret)
{
	struct rd authenticator;

	ret->p = pkt.p;
	return packet_attrs(pkt, &ret->code, &ret->id, &authenticator, &ret->attrs, &ret->len);
}

bool rad_next(struct rd *attrs, uint8_t *ret_type, struct rd *ret_val)
{
	return next(attrs, ret_type, ret_val);
}

bool rad_md5(const struct rd *part, unsigned n, uint8_t ret[static RAD_AUTHENTICATOR])
{
	return md5(part, n, ret);
}

bool rad_hmac_md5(const char *secret, const uint8_t *p, size_t n, uint8_t ret[static RAD_AUTHENTICATOR])
{
	return hmac_md5(secret, p, n, ret);
}

bool rad_cookie(struct rd pkt, uint8_t ret[static RAD_COOKIE])
{
	struct rd authenticator, attrs, val;
	uint8_t code, id, type;
	unsigned n = 0;
	size_t len;

	if (!packet_attrs(pkt, &code, &id, &authenticator, &attrs, &len))
		return false;
	while (next(&attrs, &type, &val)) {
		if (type != RAD_PROXY_STATE)
			continue;
		if (val.n != RAD_COOKIE || n++)
			return false;
		memcpy(ret, val.p, RAD_COOKIE);
	}
	return n == 1;
}

size_t rad_forward(struct rd pkt, const char *secret, uint8_t out[static RAD_MAX])
{
	struct rd authenticator, attrs, val;
	struct wr w = wr_of(out, RAD_MAX);
	uint8_t code, id, type;
	size_t len, at;

	if (!packet_attrs(pkt, &code, &id, &authenticator, &attrs, &len) ||
	    (code != RAD_ACCESS_REQUEST && code != RAD_ACCOUNTING_REQUEST))
		return 0;
	wr_u8(&w, code);
	wr_u8(&w, id);
	at = wr_open16(&w);
	wr_bytes(&w, authenticator.p, RAD_AUTHENTICATOR);
	if (code == RAD_ACCOUNTING_REQUEST)
		memset(out + 4, 0, RAD_AUTHENTICATOR);
	else
		/* First: what stands in front of it could be made to collide (CVE-2024-3596). */
		wr_bytes(&w, (const uint8_t[SIGNATURE]){ RAD_MESSAGE_AUTHENTICATOR, SIGNATURE }, SIGNATURE);
	while (next(&attrs, &type, &val)) {
		/* Newer versions of radcli put one in themselves. */
		if (type == RAD_PROXY_STATE || type == RAD_MESSAGE_AUTHENTICATOR)
			continue;
		wr_u8(&w, type);
		wr_u8(&w, (uint8_t)(val.n + 2));
		wr_bytes(&w, val.p, val.n);
	}
	wr_close16(&w, at, 0, 0);
	if (w.bad)
		return 0;
	if (code == RAD_ACCESS_REQUEST)
		return hmac_md5(secret, out, w.len, out + RAD_HEADER + 2) ? w.len : 0;
	/* RFC 2866 3: over the packet with zeros in its place. */
	const struct rd part[] = { rd_of(out, w.len), rd_of(secret, strlen(secret)) };
	uint8_t sum[MD5];

	if (!md5(part, N_ELEMENTS(part), sum))
		return 0;
	memcpy(out + 4, sum, sizeof(sum));
	return w.len;
}

/* Is what stands at `at` in the reply the HMAC of the reply with the request's authenticator and zeros there? */
static bool signature_right(const uint8_t *pkt, size_t len, size_t at, const uint8_t *req_authenticator, const char *secret)
{
	uint8_t copy[RAD_MAX], sum[MD5];

	memcpy(copy, pkt, len);
	memcpy(copy + 4, req_authenticator, RAD_AUTHENTICATOR);
	memset(copy + at, 0, MD5);
	return hmac_md5(secret, copy, len, sum) && CRYPTO_memcmp(sum, pkt + at, MD5) == 0;
}

enum rad_check rad_check_reply(struct rd pkt, struct rd req, const char *secret, bool signed_)
{
	struct rd authenticator, attrs, val, req_authenticator, req_attrs;
	uint8_t code, id, req_code, req_id, type, sum[MD5];
	const uint8_t *p = pkt.p;
	size_t len, req_len;
	unsigned n = 0;

	if (!packet_attrs(pkt, &code, &id, &authenticator, &attrs, &len))
		return RAD_MALFORMED;
	if (!packet_attrs(req, &req_code, &req_id, &req_authenticator, &req_attrs, &req_len) || id != req_id)
		return RAD_FORGED;
	if (req_code == RAD_ACCOUNTING_REQUEST ? code != RAD_ACCOUNTING_RESPONSE :
	    code != RAD_ACCESS_ACCEPT && code != RAD_ACCESS_REJECT && code != RAD_ACCESS_CHALLENGE)
		return RAD_FORGED;

	/* RFC 2865 3: the Response Authenticator. */
	const struct rd part[] = {
		rd_of(p, 4), rd_of(req_authenticator.p, RAD_AUTHENTICATOR), rd_of(p + RAD_HEADER, len - RAD_HEADER),
		rd_of(secret, strlen(secret)),
	};

	if (!md5(part, N_ELEMENTS(part), sum) || CRYPTO_memcmp(sum, authenticator.p, MD5) != 0)
		return RAD_FORGED;
	while (next(&attrs, &type, &val)) {
		if (type != RAD_MESSAGE_AUTHENTICATOR)
			continue;
		if (n++ || val.n != MD5 || !signature_right(p, len, (size_t)(val.p - p), req_authenticator.p, secret))
			return RAD_FORGED;
	}
	return n || !signed_ ? RAD_GOOD : RAD_UNSIGNED;
}

void rad_resign(uint8_t *pkt, size_t n, const uint8_t authenticator[static RAD_AUTHENTICATOR], const char *secret)
{
	struct rd was, attrs;
	uint8_t code, id, sum[MD5];
	size_t len;

	if (!packet_attrs(rd_of(pkt, n), &code, &id, &was, &attrs, &len))
		return;

	const struct rd part[] = {
		rd_of(pkt, 4), rd_of(authenticator, RAD_AUTHENTICATOR), rd_of(pkt + RAD_HEADER, len - RAD_HEADER),
		rd_of(secret, strlen(secret)),
	};

	if (md5(part, N_ELEMENTS(part), sum))
		memcpy(pkt + 4, sum, sizeof(sum));
}

/* ---- what a request says ---- */

bool rad_attr_next(struct rd *list, struct rad_attr *ret)
{
	uint8_t len;

	if (!list->n)
		return false;
	ret->vendor = rd_u32(list);
	ret->type = rd_u8(list);
	len = rd_u8(list);
	ret->val = rd_sub(list, len);
	return !list->bad;
}

static void put(struct wr *w, uint32_t vendor, uint8_t type, const void *p, size_t n)
{
	/* RFC 2865 5, 5.26: what one attribute holds. */
	if (n > (vendor ? 247u : 253u)) {
		w->bad = true;
		return;
	}
	wr_u32(w, vendor);
	wr_u8(w, type);
	wr_u8(w, (uint8_t)n);
	wr_bytes(w, p, n);
}

static void put_u32(struct wr *w, uint8_t type, uint32_t v)
{
	const uint8_t b[] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	put(w, 0, type, b, sizeof(b));
}

static void put_text(struct wr *w, uint8_t type, const char *s)
{
	put(w, 0, type, s, strlen(s));
}

/* How we call ourselves, and what every request says of a session. */
static void put_nas(struct wr *w, const struct rad_nas *nas)
{
	if (nas->addr.family == 6)
		put(w, 0, RAD_NAS_IPV6_ADDRESS, nas->addr.ip, 16);
	else
		put(w, 0, RAD_NAS_IP_ADDRESS, nas->addr.ip, 4);
	if (nas->id[0])
		put_text(w, RAD_NAS_IDENTIFIER, nas->id);
}

/* RFC 3579 3.1: in order, nothing between the pieces. */
static void put_eap(struct wr *w, const struct eap_relay *e)
{
	for (size_t at = 0; at < e->len; at += PIECE)
		put(w, 0, RAD_EAP_MESSAGE, e->packet + at, MIN(e->len - at, (size_t)PIECE));
	if (e->state_len)
		put(w, 0, RAD_STATE, e->state, e->state_len);
}

/* RFC 2548 2.3.2: Ident, Flags, Peer-Challenge, 8 reserved octets, Response. RFC 2759 4 has Flags last. */
static void put_mschap2(struct wr *w, const struct msg_auth_req *req)
{
	uint8_t v[MS_RESPONSE] = { req->ident, 0 };

	memcpy(v + 2, req->response, NT_VALUE - 1);
	put(w, RAD_VENDOR_MICROSOFT, RAD_MS_CHAP_CHALLENGE, req->challenge, req->challenge_len);
	put(w, RAD_VENDOR_MICROSOFT, RAD_MS_CHAP2_RESPONSE, v, sizeof(v));
}

bool rad_login_attrs(const struct msg_radius_ask *ask, const struct rad_nas *nas, struct wr *w, const char **ret_why)
{
	const struct msg_auth_req *req = &ask->judge.req;
	const bool eap = req->method == AUTH_EAP;
	/* RFC 3579 2.1: the Identity as it came, or a server would find two names. */
	const struct rd name = eap ? rd_of(req->user, req->user_len) : rd_of(ask->name, ask->name_len);
	uint8_t chap[1 + CHAP_VALUE] = { req->ident };
	char peer[ADDR_STRLEN];
	struct addr from = req->peer;

	/* RFC 2865 5.1: three octets at least, so none that is empty. */
	*ret_why = NULL;
	if (!name.n)
		*ret_why = "no name";
	else if (name.n > 253)
		*ret_why = "a name that is too long for RADIUS";
	else if ((req->method == AUTH_PAP || req->method == AUTH_XAUTH) && (!req->response_len || req->response_len > RAD_PASSWORD_MAX))
		*ret_why = req->response_len ? "a password that is too long for RADIUS" : "no password";
	else if ((req->method == AUTH_MSCHAPV2 || req->method == AUTH_EAP_MSCHAPV2) &&
		 (req->response_len != NT_VALUE || req->challenge_len != 16))
		*ret_why = "a response that is none of MS-CHAPv2";
	else if ((req->method == AUTH_CHAP_MD5 || req->method == AUTH_EAP_MD5) &&
		 (req->response_len != CHAP_VALUE || !req->challenge_len))
		*ret_why = "a response that is none of CHAP";
	if (*ret_why)
		return false;
	put(w, 0, RAD_USER_NAME, name.p, name.n);
	switch (req->method) {
	case AUTH_PAP:
	case AUTH_XAUTH:		/* the password itself, too */
		put(w, 0, RAD_USER_PASSWORD, req->response, req->response_len);
		break;
	case AUTH_CHAP_MD5:
	case AUTH_EAP_MD5:		/* RFC 3748 5.4: the same hash */
		memcpy(chap + 1, req->response, CHAP_VALUE);
		put(w, 0, RAD_CHAP_PASSWORD, chap, sizeof(chap));
		put(w, 0, RAD_CHAP_CHALLENGE, req->challenge, req->challenge_len);
		break;
	case AUTH_EAP:
		put_eap(w, &req->eap);
		break;
	default:
		put_mschap2(w, req);
	}
	put_nas(w, nas);
	put_u32(w, RAD_NAS_PORT, ask->judge.ppp_id);
	put_u32(w, RAD_NAS_PORT_TYPE, 5);	/* Virtual */
	put_u32(w, RAD_SERVICE_TYPE, 2);	/* Framed */
	put_u32(w, RAD_FRAMED_PROTOCOL, 1);	/* PPP */
	/* As LCP agreed; a server's EAP has to fit into it (RFC 3579 2.4). */
	put_u32(w, RAD_FRAMED_MTU, req->method == AUTH_EAP ? req->mtu - TLS_HEADERS : req->mtu);
	/* Who calls: the number that a concentrator gives, or where the client is. */
	from.port = 0;
	if (req->number_len)
		put(w, 0, RAD_CALLING_STATION_ID, req->number, req->number_len);
	else if (from.family)
		put_text(w, RAD_CALLING_STATION_ID, addr_str(&from, peer));
	explicit_bzero(chap, sizeof(chap));
	return true;
}

/* The bytes of an escaped name; what was cut or is none is taken as it stands. */
static size_t unescape(const char *s, uint8_t *ret, size_t room)
{
	const char *from = s;
	size_t n = 0;

	for (; *s && n < room; s++) {
		unsigned byte;

		if (*s == '\\' && s[1] == 'x' && sscanf(s + 2, "%2x", &byte) == 1 && strlen(s) >= 4) {
			ret[n++] = (uint8_t)byte;
			s += 3;
		} else if (*s != '\\') {
			ret[n++] = (uint8_t)*s;
		} else {
			n = MIN(strlen(from), room);
			memcpy(ret, from, n);
			return n;
		}
	}
	return n;
}

/* RFC 2868 3: a tag of 0 in front, where there is one tunnel. */
static void put_endpoint(struct wr *w, const struct acct_rec *r)
{
	struct addr a = r->peer;
	char text[ADDR_STRLEN];

	if (!a.family)
		return;
	a.port = 0;
	put_u32(w, RAD_TUNNEL_MEDIUM_TYPE, a.family == 6 ? 2 : 1);
	put_text(w, RAD_TUNNEL_CLIENT_ENDPOINT, addr_str(&a, text));
}

static void put_counts(struct wr *w, const struct acct_rec *r)
{
	put_u32(w, RAD_ACCT_SESSION_TIME, r->time_s);
	put_u32(w, RAD_ACCT_INPUT_OCTETS, (uint32_t)r->in_bytes);
	put_u32(w, RAD_ACCT_OUTPUT_OCTETS, (uint32_t)r->out_bytes);
	put_u32(w, RAD_ACCT_INPUT_GIGAWORDS, (uint32_t)(r->in_bytes >> 32));
	put_u32(w, RAD_ACCT_OUTPUT_GIGAWORDS, (uint32_t)(r->out_bytes >> 32));
	put_u32(w, RAD_ACCT_INPUT_PACKETS, (uint32_t)r->in_packets);
	put_u32(w, RAD_ACCT_OUTPUT_PACKETS, (uint32_t)r->out_packets);
}

static void put_session(struct wr *w, const struct msg_acct *m)
{
	const struct acct_rec *r = &m->rec;
	uint8_t user[sizeof(r->user)];
	struct rd classes = rd_of(r->classes, r->class_len);
	char text[ADDR_STRLEN];
	struct addr from = r->peer;

	put(w, 0, RAD_USER_NAME, user, unescape(r->user, user, sizeof(user)));
	put_u32(w, RAD_NAS_PORT, r->ppp_id);
	put_u32(w, RAD_NAS_PORT_TYPE, 5);	/* Virtual */
	put_u32(w, RAD_SERVICE_TYPE, 2);	/* Framed */
	put_u32(w, RAD_FRAMED_PROTOCOL, 1);	/* PPP */
	if (r->ip)
		put_u32(w, RAD_FRAMED_IP_ADDRESS, r->ip);
	from.port = 0;
	if (r->number_len)
		put(w, 0, RAD_CALLING_STATION_ID, r->number, r->number_len);
	else if (from.family)
		put_text(w, RAD_CALLING_STATION_ID, addr_str(&from, text));
	while (classes.n) {
		uint8_t n = rd_u8(&classes);
		struct rd val = rd_sub(&classes, n);

		if (classes.bad)
			break;
		put(w, 0, RAD_CLASS, val.p, val.n);
	}
	put_u32(w, RAD_ACCT_AUTHENTIC, 1);	/* RADIUS */
	put_u32(w, RAD_TUNNEL_TYPE, r->xauth ? 9 : 3);	/* ESP, L2TP */
	put_endpoint(w, r);
	if (r->tunnel_id) {
		snprintf(text, sizeof(text), "L2TP-CALL-%u", r->session_id);
		put_text(w, RAD_TUNNEL_ASSIGNMENT_ID, text);
		snprintf(text, sizeof(text), "L2TP-CTRL-%u", r->tunnel_id);
		put_text(w, RAD_ACCT_TUNNEL_CONNECTION, text);
	}
	if (m->what != ACCT_DUE_START)
		put_counts(w, r);
	if (m->what == ACCT_DUE_STOP)
		put_u32(w, RAD_ACCT_TERMINATE_CAUSE, r->cause);
}

void rad_acct_attrs(const struct msg_acct *m, const struct rad_nas *nas, struct wr *w)
{
	const struct acct_rec *r = &m->rec;

	/* RFC 2866 5.1 */
	put_u32(w, RAD_ACCT_STATUS_TYPE, r->kind == ACCT_ON ? 7 : r->kind == ACCT_OFF ? 8 : m->what == ACCT_DUE_START ? 1 :
		m->what == ACCT_DUE_STOP ? 2 : 3);
	put_text(w, RAD_ACCT_SESSION_ID, r->id);
	put_u32(w, RAD_ACCT_DELAY_TIME, m->delay_s);
	put_u32(w, RAD_EVENT_TIMESTAMP, (uint32_t)(m->what == ACCT_DUE_START ? r->start_s : r->last_s));
	put_nas(w, nas);
	if (r->kind == ACCT_SESSION)
		put_session(w, m);
}

/* ---- what a reply says ---- */

struct reading {
	const struct msg_radius_ask *ask;
	const char *secret;
	const uint8_t *req_authenticator;
	struct msg_radius_said *said;
	const char *fault;		/* the first */
	uint64_t seen, seen_ms, seen_acct;	/* bits by type, of those that may stand once */
	bool success, send_key, recv_key;
	struct rad_rates rates;
	uint32_t gateway[RADIUS_ROUTES_MAX];	/* of said->says.route[] */
	bool eap;			/* it was asked for by AUTH_EAP */
	uint8_t code, before;		/* of the reply; of the attribute before this one */
	uint32_t wait_s, error_cause;
};

static void fault(struct reading *r, const char *what)
{
	if (!r->fault)
		r->fault = what;
}

/* A number that stands once, or always the same. */
static void number(struct reading *r, uint64_t *seen, uint8_t type, struct rd val, uint32_t *ret, const char *what)
{
	bool whole = val.n == 4;
	uint32_t v = rd_u32(&val);

	if (!whole || (*seen & UINT64_C(1) << type && v != *ret)) {
		fault(r, what);
		return;
	}
	*seen |= UINT64_C(1) << type;
	*ret = v;
}

/* A name that stands once, or always the same: printable, without spaces. */
static void name(struct reading *r, struct rd val, char ret[static CONF_NAME_MAX], const char *what)
{
	char text[CONF_NAME_MAX] = "";
	bool ok = val.n && val.n < sizeof(text);

	for (size_t i = 0; ok && i < val.n; i++) {
		ok = val.p[i] > 0x20 && val.p[i] < 0x7f;
		text[i] = (char)val.p[i];
	}
	if (!ok || (ret[0] && strcmp(ret, text)))
		fault(r, what);
	else
		memcpy(ret, text, sizeof(text));
}

/* ---- networks behind the client ---- */

/* Is it an address that a host can have? */
static bool is_host(uint32_t ip)
{
	return ip >> 24 != 0 && ip >> 24 != 127 && ip >> 24 < 224;
}

/* "10.1.0.0" at *s, which moves behind it. */
static bool ip_text(const char **s, uint32_t *ret)
{
	uint64_t v;

	*ret = 0;
	for (unsigned i = 0; i < 4; i++) {
		if (i && *(*s)++ != '.')
			return false;
		if (!rad_digits(s, 255, &v))
			return false;
		*ret = *ret << 8 | (uint32_t)v;
	}
	return true;
}

/*
 * "10.1.0.0/24 0.0.0.0 1": a network, the gateway, which is the client, and metrics, which nobody
 * else competes with.  Without a length it is that of the address's class (RFC 2865 5.22).
 */
static bool route_text(struct rd val, struct radius_route *ret, uint32_t *ret_gateway)
{
	char text[254];
	const char *s = text;
	uint64_t len;

	*ret_gateway = 0;
	if (!rad_string(val, text) || !ip_text(&s, &ret->net))
		return false;
	len = ret->net >> 31 == 0 ? 8 : ret->net >> 30 == 2 ? 16 : 24;
	if (*s == '/') {
		s++;
		if (!rad_digits(&s, 32, &len))
			return false;
	}
	/* What is wider than any network of a client is a slip. */
	if (len < 8 || !is_host(ret->net))
		return false;
	ret->mask = UINT32_MAX << (32 - len);
	if (ret->net & ~ret->mask)
		return false;
	s += strspn(s, " ");
	if (*s && !ip_text(&s, ret_gateway))
		return false;
	return !*s || (*s == ' ' && strspn(s, "0123456789- ") == strlen(s));
}

static void framed_route(struct reading *r, struct rd val)
{
	struct radius_says *says = &r->said->says;
	struct radius_route route;
	uint32_t gateway;

	if (!route_text(val, &route, &gateway)) {
		fault(r, "Framed-Route");
		return;
	}
	for (unsigned i = 0; i < says->n_routes; i++) {
		const struct radius_route *o = &says->route[i];

		if (o->net == route.net && o->mask == route.mask && r->gateway[i] == gateway)
			return;
		if (!((o->net ^ route.net) & o->mask & route.mask)) {
			fault(r, "two Framed-Routes overlap");
			return;
		}
	}
	if (says->n_routes == RADIUS_ROUTES_MAX) {
		fault(r, "too many Framed-Routes");
		return;
	}
	r->gateway[says->n_routes] = gateway;
	says->route[says->n_routes++] = route;
}

/* ---- Microsoft's ---- */

/*
 * RFC 2548 2.4.2: a salt of two octets, its highest bit set, and the key behind its length,
 * padded, under a key stream of the secret, the Request Authenticator and the salt.
 */
static bool mppe_key(const struct reading *r, struct rd val, uint8_t ret[static KEY])
{
	struct rd salt = rd_sub(&val, 2), block[3];
	uint8_t stream[MD5], plain[64];
	size_t n = val.n;
	bool ok = !val.bad && salt.p[0] & 0x80 && n && n % MD5 == 0 && n <= sizeof(plain);

	block[0] = rd_of(r->secret, strlen(r->secret));
	block[1] = rd_of(r->req_authenticator, RAD_AUTHENTICATOR);
	block[2] = salt;
	for (size_t at = 0; ok && at < n; at += MD5) {
		ok = md5(block, at ? 2 : 3, stream);
		for (size_t i = 0; ok && i < MD5; i++)
			plain[at + i] = val.p[at + i] ^ stream[i];
		block[1] = rd_of(val.p + at, MD5);
	}
	/* Keys of MS-CHAPv2 have 16 octets (RFC 3079 3); of TLS 32, of which the first 16 count (RFC 3079 4, RFC 5216 2.3). */
	ok = ok && (plain[0] == KEY || (r->eap && plain[0] > KEY)) && n > plain[0];
	if (ok)
		memcpy(ret, plain + 1, KEY);
	explicit_bzero(plain, sizeof(plain));
	explicit_bzero(stream, sizeof(stream));
	return ok;
}

/* RFC 2548 2.1.5: Ident, then the Message field of RFC 2759 6: "E=691 R=1 …". */
static void mschap_error(struct reading *r, struct rd val)
{
	const uint8_t *p;
	uint32_t v = 0;

	rd_u8(&val);
	p = val.n ? memmem(val.p, val.n, "E=", 2) : NULL;
	if (val.bad || !p) {
		fault(r, "MS-CHAP-Error");
		return;
	}
	for (p += 2; p < val.p + val.n && *p >= '0' && *p <= '9' && v < 1000000; p++)
		v = v * 10 + (*p - '0');
	r->said->mschap_error = v;
}

/* RFC 2548 2.3.3: Ident, then "S=" and 40 hexadecimal digits; nobody needs an M= after it. */
static void mschap2_success(struct reading *r, struct rd val)
{
	static const char hex[] = "0123456789ABCDEF";
	uint8_t ident = rd_u8(&val);
	bool ok = !r->success && ident == r->ask->judge.req.ident && rd_u16(&val) == ('S' << 8 | '=');

	for (size_t i = 0; ok && i < sizeof(r->said->mschap_auth); i++) {
		uint8_t byte = 0;

		for (unsigned k = 0; k < 2; k++) {
			uint8_t c = rd_u8(&val);
			const char *at = c ? strchr(hex, c >= 'a' ? c - 'a' + 'A' : c) : NULL;

			ok = ok && at;
			byte = (uint8_t)(byte << 4 | (at ? at - hex : 0));
		}
		r->said->mschap_auth[i] = byte;
	}
	if (!ok || val.bad)
		fault(r, "MS-CHAP2-Success");
	r->success = true;
}

static void microsoft(struct reading *r, uint8_t type, struct rd val)
{
	struct radius_says *s = &r->said->says;

	switch (type) {
	case RAD_MS_CHAP_ERROR:
		if (!r->eap)
			mschap_error(r, val);
		break;
	case RAD_MS_CHAP2_SUCCESS:
		/* What EAP says of it is in EAP. */
		if (!r->eap)
			mschap2_success(r, val);
		break;
	case RAD_MS_MPPE_SEND_KEY:
		if (r->send_key || !mppe_key(r, val, r->said->mppe_send))
			fault(r, "MS-MPPE-Send-Key");
		r->send_key = true;
		break;
	case RAD_MS_MPPE_RECV_KEY:
		if (r->recv_key || !mppe_key(r, val, r->said->mppe_recv))
			fault(r, "MS-MPPE-Recv-Key");
		r->recv_key = true;
		break;
	case RAD_MS_PRIMARY_DNS:
		number(r, &r->seen_ms, type, val, &s->dns[0], "MS-Primary-DNS-Server");
		break;
	case RAD_MS_SECONDARY_DNS:
		number(r, &r->seen_ms, type, val, &s->dns[1], "MS-Secondary-DNS-Server");
		break;
	case RAD_MS_PRIMARY_NBNS:
		number(r, &r->seen_ms, type, val, &s->nbns[0], "MS-Primary-NBNS-Server");
		break;
	case RAD_MS_SECONDARY_NBNS:
		number(r, &r->seen_ms, type, val, &s->nbns[1], "MS-Secondary-NBNS-Server");
		break;
	}
}

/* RFC 2865 5.26 */
static void vendor(struct reading *r, struct rd val, bool accept)
{
	uint32_t id = rd_u32(&val);
	const char *rate;
	struct rd sub;
	uint8_t type;

	if (val.bad) {
		fault(r, "Vendor-Specific");
		return;
	}
	if (id != RAD_VENDOR_MICROSOFT && !(accept && (id == RAD_VENDOR_WISPR || id == RAD_VENDOR_MIKROTIK)))
		return;
	if (!val.n)
		fault(r, "Vendor-Specific");
	while (next(&val, &type, &sub)) {
		if (id == RAD_VENDOR_MICROSOFT)
			microsoft(r, type, sub);
		else if (rad_rate_read(&r->rates, id, type, sub, &rate) == RAD_RATE_BAD)
			fault(r, rate);
	}
	if (val.bad)
		fault(r, "Vendor-Specific");
}

/* Several of them are one text (RFC 2865 5.18); what does not fit is cut off. */
static void reply_message(struct msg_radius_said *said, struct rd val)
{
	size_t n = strlen(said->message);

	str_escape(said->message + n, sizeof(said->message) - n, val.p, val.n);
}

/* RFC 2865 5.25: kept as it is, and sent with accounting. */
static void class_(struct reading *r, struct rd val)
{
	struct radius_says *s = &r->said->says;

	if (!val.n || s->class_len + 1 + val.n > sizeof(s->classes)) {
		fault(r, "Class");
		return;
	}
	s->classes[s->class_len] = (uint8_t)val.n;
	memcpy(s->classes + s->class_len + 1, val.p, val.n);
	s->class_len = (uint16_t)(s->class_len + 1 + val.n);
}

/* RFC 3579 3.1: the pieces of one packet, which stand together. */
static void eap_message(struct reading *r, struct rd val)
{
	struct eap_relay *e = &r->said->eap;

	if ((e->len && r->before != RAD_EAP_MESSAGE) || val.n > sizeof(e->packet) - e->len) {
		fault(r, "EAP-Message");
		return;
	}
	if (val.n)
		memcpy(e->packet + e->len, val.p, val.n);
	e->len = (uint16_t)(e->len + val.n);
}

/* What only a server that speaks EAP says. */
static void eap_attribute(struct reading *r, uint8_t type, struct rd val)
{
	struct eap_relay *e = &r->said->eap;

	switch (type) {
	case RAD_EAP_MESSAGE:
		eap_message(r, val);
		break;
	case RAD_STATE:
		/* RFC 2865 5.24: opaque, and at most one. */
		if (e->state_len || !val.n)
			fault(r, "State");
		else
			memcpy(e->state, val.p, e->state_len = (uint8_t)val.n);
		break;
	case RAD_SESSION_TIMEOUT:
		if (r->code == RAD_ACCESS_CHALLENGE)
			number(r, &r->seen, type, val, &r->wait_s, "Session-Timeout");
		break;
	case RAD_ERROR_CAUSE:
		number(r, &r->seen_acct, RAD_ERROR_CAUSE - 64, val, &r->error_cause, "Error-Cause");
		break;
	case RAD_USER_NAME:
		if (!val.n || r->said->user_len)
			fault(r, "User-Name");
		else
			memcpy(r->said->user, val.p, r->said->user_len = (uint8_t)val.n);
		break;
	}
}

/*
 * RFC 2865 5.11: a name, as the firewall block has it.  There may be several; a session here has one
 * filter, and one without a part of what it was meant to have would be a hole.
 */
static void filter_id(struct reading *r, struct rd val)
{
	char *filter = r->said->says.filter;
	const size_t n = strlen(filter);

	if (!conf_filter_name_ok((const char *)val.p, val.n))
		fault(r, "Filter-Id cannot be a filter's name");
	else if (n && (n != val.n || memcmp(filter, val.p, n)))
		fault(r, "several Filter-Ids");
	else
		memcpy(filter, val.p, val.n);
}

static void attribute(struct reading *r, uint8_t type, struct rd val, bool accept)
{
	struct msg_radius_said *said = r->said;
	uint32_t v;

	if (type == RAD_REPLY_MESSAGE)
		reply_message(said, val);
	else if (type == RAD_VENDOR_SPECIFIC)
		vendor(r, val, accept);
	if (r->eap)
		eap_attribute(r, type, val);
	if (!accept)
		return;
	switch (type) {
	case RAD_SERVICE_TYPE:
		v = rd_u32(&val);
		if (val.bad || val.n || v != 2)
			fault(r, "Service-Type is not Framed");
		break;
	case RAD_FRAMED_PROTOCOL:
		v = rd_u32(&val);
		if (val.bad || val.n || v != 1)
			fault(r, "Framed-Protocol is not PPP");
		break;
	case RAD_FRAMED_IP_ADDRESS:
		number(r, &r->seen, type, val, &said->framed_ip, "Framed-IP-Address");
		break;
	case RAD_FRAMED_IP_NETMASK:
		number(r, &r->seen, type, val, &said->framed_mask, "Framed-IP-Netmask");
		break;
	case RAD_SESSION_TIMEOUT:
		number(r, &r->seen, type, val, &said->session_timeout_s, "Session-Timeout");
		break;
	case RAD_IDLE_TIMEOUT:
		number(r, &r->seen, type, val, &said->says.idle_timeout_s, "Idle-Timeout");
		break;
	case RAD_ACCT_INTERIM_INTERVAL:
		number(r, &r->seen_acct, RAD_ACCT_INTERIM_INTERVAL - 64, val, &said->says.interim_s, "Acct-Interim-Interval");
		break;
	case RAD_CLASS:
		class_(r, val);
		break;
	case RAD_FRAMED_MTU:
		number(r, &r->seen, type, val, &said->says.mtu, "Framed-MTU");
		break;
	case RAD_FRAMED_ROUTE:
		framed_route(r, val);
		break;
	case RAD_PORT_LIMIT:
		number(r, &r->seen, type, val, &said->says.port_limit, "Port-Limit");
		break;
	case RAD_FRAMED_POOL:
		name(r, val, said->says.pool, "Framed-Pool");
		break;
	case RAD_FILTER_ID:
		filter_id(r, val);
		break;
	}
}

/* What the values mean together. */
static void judge(struct reading *r)
{
	const uint32_t method = r->ask->judge.req.method;
	struct msg_radius_said *said = r->said;
	struct radius_says *says = &said->says;
	uint32_t ip = said->framed_ip;

	/* RFC 2865 5.8: the user may choose, or we do: what the ipcp says counts. */
	if (ip == UINT32_MAX || ip == UINT32_MAX - 1)
		said->framed_ip = 0;
	else if (r->seen & UINT64_C(1) << RAD_FRAMED_IP_ADDRESS && !is_host(ip))
		fault(r, "Framed-IP-Address");
	if (!conf_is_mask(said->framed_mask))
		fault(r, "Framed-IP-Netmask");
	if (!said->framed_ip || said->framed_mask == UINT32_MAX)
		said->framed_mask = 0;
	/* Behind another router than the client nothing can be reached through it. */
	for (unsigned i = 0; i < says->n_routes; i++)
		if (r->gateway[i] && r->gateway[i] != said->framed_ip)
			fault(r, "Framed-Route by another gateway");
	/* RFC 2865 5.12 */
	if (r->seen & UINT64_C(1) << RAD_FRAMED_MTU && (says->mtu < 64 || says->mtu > 65535))
		fault(r, "Framed-MTU");
	/* No session at all: it is one too many. */
	if (r->seen & UINT64_C(1) << RAD_PORT_LIMIT && !says->port_limit)
		fault(r, "Port-Limit is 0");
	rad_rates_mean(&r->rates, &says->rate_in_bps, &says->rate_out_bps);
	/* RFC 2759 5: without it the client must hang up, and rightly. */
	if ((method == AUTH_MSCHAPV2 || method == AUTH_EAP_MSCHAPV2) && !r->success)
		fault(r, "no MS-CHAP2-Success");
	if (r->send_key != r->recv_key)
		fault(r, "one MS-MPPE key of two");
	said->mppe_keys = r->send_key && r->recv_key;
}

/* A refusal needs no EAP: whom we refuse gets a Failure whatever the server says. */
static void judge_eap(struct reading *r)
{
	const struct msg_auth_req *req = &r->ask->judge.req;
	const uint8_t sent = req->eap.packet[1];	/* the Response's Identifier */
	struct eap_relay *e = &r->said->eap;
	struct rd pkt = rd_of(e->packet, e->len);
	const uint8_t code = rd_u8(&pkt), id = rd_u8(&pkt);
	const uint16_t len = rd_u16(&pkt);

	if (r->code == RAD_ACCESS_REJECT)
		return;
	if (!e->len)
		fault(r, "no EAP-Message");
	else if (pkt.bad || len != e->len)
		fault(r, "an EAP-Message of another length");
	else if (r->code == RAD_ACCESS_ACCEPT && (code != EAP_SUCCESS || len != EAP_HEADER))
		fault(r, "an Accept without EAP Success");
	else if (r->code == RAD_ACCESS_ACCEPT && id != sent)
		fault(r, "EAP Success of another Identifier");
	else if (r->code == RAD_ACCESS_CHALLENGE && (code != EAP_REQUEST || len <= EAP_HEADER))
		fault(r, "a Challenge without EAP Request");
	else if (r->code == RAD_ACCESS_CHALLENGE && id == sent && r->error_cause != INVALID_EAP)
		fault(r, "EAP Request, Identifier of the last");
	else if (len > req->mtu)
		fault(r, "EAP longer than the link takes");
}

void rad_read_reply(struct rd pkt, struct rd req, const char *secret, const struct msg_radius_ask *ask,
	struct msg_radius_said *ret)
{
	struct reading r = { .ask = ask, .secret = secret, .said = ret, .eap = ask->judge.req.method == AUTH_EAP };
	struct rd authenticator, attrs, val, req_authenticator, req_attrs;
	uint8_t code, id, req_code, type;
	size_t len;
	bool accept;

	memset(ret, 0, sizeof(*ret));
	ret->verdict = VERDICT_DENY;
	if (!packet_attrs(req, &req_code, &id, &req_authenticator, &req_attrs, &len) ||
	    !packet_attrs(pkt, &code, &id, &authenticator, &attrs, &len)) {
		str_copy(ret->why, sizeof(ret->why), "the reply is malformed");
		return;
	}
	r.req_authenticator = req_authenticator.p;
	r.code = code;
	accept = code == RAD_ACCESS_ACCEPT;
	while (next(&attrs, &type, &val)) {
		attribute(&r, type, val, accept);
		r.before = type;
	}
	if (accept)
		judge(&r);
	if (r.eap)
		judge_eap(&r);
	if (accept && !r.fault) {
		memset(&ret->eap, 0, sizeof(ret->eap));
		ret->verdict = VERDICT_OK;
		ret->answered = 1;
		return;
	}
	if (r.eap && code == RAD_ACCESS_CHALLENGE && !r.fault) {
		struct eap_relay eap = ret->eap;

		eap.wait_s = r.wait_s;
		*ret = (struct msg_radius_said){ .verdict = VERDICT_EAP, .eap = eap };
		return;
	}
	/* Nothing of it counts but what the peer may be told. */
	*ret = (struct msg_radius_said){
		.verdict = VERDICT_DENY, .answered = code == RAD_ACCESS_REJECT, .mschap_error = ret->mschap_error,
	};
	attrs = rd_of(pkt.p + RAD_HEADER, len - RAD_HEADER);
	while (code == RAD_ACCESS_REJECT && next(&attrs, &type, &val))
		if (type == RAD_REPLY_MESSAGE)
			reply_message(ret, val);
	if (r.fault)
		snprintf(ret->why, sizeof(ret->why), "RADIUS reply: %.40s", r.fault);
	else
		/* RFC 2865 4.4: whoever knows no challenges takes one for a refusal. */
		str_copy(ret->why, sizeof(ret->why), code == RAD_ACCESS_REJECT ? "the RADIUS server refuses" :
			"the RADIUS server wants another answer, which PPP cannot ask for");
}
