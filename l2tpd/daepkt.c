/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/daepkt.h"

#include <openssl/crypto.h>
#include <string.h>

#include "l2tpd/radrate.h"

enum { AUTHORIZE_ONLY = 17, FRAMED = 2, PPP = 1, ADMIN_RESET = 6 };

static bool is_request(uint8_t code)
{
	return code == RAD_DISCONNECT_REQUEST || code == RAD_COA_REQUEST;
}

/* The packet, or the Message-Authenticator in it, with zeros where the sums stand. RFC 5176 2.3, 3.4 */
static bool request_right(const struct rad_hdr *h, const char *secret)
{
	static const uint8_t zeros[RAD_AUTHENTICATOR];
	const struct rd part[] = {
		rd_of(h->p, 4), rd_of(zeros, sizeof(zeros)), h->attrs, rd_of(secret, strlen(secret)),
	};
	uint8_t sum[RAD_AUTHENTICATOR];

	return rad_md5(part, N_ELEMENTS(part), sum) && CRYPTO_memcmp(sum, h->p + 4, sizeof(sum)) == 0;
}

static bool signature_right(const struct rad_hdr *h, struct rd val, const char *secret)
{
	uint8_t copy[RAD_MAX], sum[RAD_AUTHENTICATOR];
	size_t at = (size_t)(val.p - h->p);

	if (val.n != RAD_AUTHENTICATOR)
		return false;
	memcpy(copy, h->p, h->len);
	memset(copy + 4, 0, RAD_AUTHENTICATOR);
	memset(copy + at, 0, RAD_AUTHENTICATOR);
	return rad_hmac_md5(secret, copy, h->len, sum) && CRYPTO_memcmp(sum, val.p, sizeof(sum)) == 0;
}

enum dae_check dae_check(struct rd pkt, const struct conf_dae_client *c, int64_t now_s, int64_t born_s)
{
	unsigned n_signed = 0, n_dated = 0;
	int64_t stamp = 0;
	struct rad_hdr h;
	struct rd at, val;
	uint8_t type;

	if (!rad_open(pkt, &h) || !is_request(h.code))
		return DAE_MALFORMED;
	if (!request_right(&h, c->secret))
		return DAE_FORGED;
	for (at = h.attrs; rad_next(&at, &type, &val);) {
		if (type == RAD_MESSAGE_AUTHENTICATOR && (n_signed++ || !signature_right(&h, val, c->secret)))
			return DAE_FORGED;
		if (type == RAD_EVENT_TIMESTAMP) {
			if (n_dated++ || val.n != 4)
				return DAE_MALFORMED;
			stamp = rd_u32(&val);
		}
	}
	if (!n_signed && c->message_authenticator)
		return DAE_UNSIGNED;
	if (!n_dated)
		return c->event_timestamp ? DAE_UNDATED : DAE_GOOD;
	return stamp < born_s || stamp < now_s - DAE_WINDOW_S || stamp > now_s + DAE_WINDOW_S ? DAE_STALE : DAE_GOOD;
}

/* ---- what a request says ---- */

struct reading {
	bool coa;
	const struct dae_nas *nas;
	struct msg_dae *m;
	uint8_t seen[32];		/* bits by type, of those that may stand once */
	struct rad_rates rates;
	bool authorize_only, state, other;	/* other: neither for that nor for who is meant */
	enum dae_cause cause;		/* the first */
};

static void fault(struct reading *r, enum dae_cause cause)
{
	if (!r->cause)
		r->cause = cause;
}

static void number(struct reading *r, struct rd val, uint32_t *ret)
{
	*ret = rd_u32(&val);
	if (val.bad || val.n)
		fault(r, DAE_INVALID_REQUEST);
}

/* RFC 2865 5: no attribute without a value. */
static void octets(struct reading *r, struct rd val, uint8_t *ret, uint8_t *ret_len)
{
	if (!val.n)
		fault(r, DAE_INVALID_REQUEST);
	*ret_len = (uint8_t)val.n;
	memcpy(ret, val.p, val.n);
}

static bool is_ours(const struct dae_nas *nas, const struct addr *a)
{
	for (unsigned i = 0; i < nas->n_addr; i++)
		if (addr_ip_eq(&nas->addr[i], a))
			return true;
	return false;
}

/* RFC 5176 3: which server is meant. */
static bool about_nas(struct reading *r, uint8_t type, struct rd val)
{
	struct addr a = { .family = type == RAD_NAS_IPV6_ADDRESS ? 6 : 4 };

	switch (type) {
	case RAD_NAS_IDENTIFIER:
		if (val.n != strlen(r->nas->id) || memcmp(val.p, r->nas->id, val.n) != 0)
			fault(r, DAE_NAS_MISMATCH);
		return true;
	case RAD_NAS_IP_ADDRESS:
	case RAD_NAS_IPV6_ADDRESS:
		if (val.n != (a.family == 6 ? 16u : 4u)) {
			fault(r, DAE_INVALID_REQUEST);
			return true;
		}
		memcpy(a.ip, val.p, val.n);
		if (!is_ours(r->nas, &a))
			fault(r, DAE_NAS_MISMATCH);
		return true;
	}
	return false;
}

/* RFC 5176 3: which sessions are.  Those attributes of the list that we never told a server are not here. */
static bool about_session(struct reading *r, uint8_t type, struct rd val)
{
	struct msg_dae *m = r->m;

	switch (type) {
	case RAD_USER_NAME:
		octets(r, val, m->user, &m->user_len);
		m->by |= DAE_BY_USER;
		return true;
	case RAD_NAS_PORT:
		number(r, val, &m->port);
		m->by |= DAE_BY_PORT;
		return true;
	case RAD_FRAMED_IP_ADDRESS:
		number(r, val, &m->ip);
		m->by |= DAE_BY_IP;
		return true;
	case RAD_CALLING_STATION_ID:
		octets(r, val, m->calling, &m->calling_len);
		m->by |= DAE_BY_CALLING;
		return true;
	case RAD_ACCT_SESSION_ID:
		octets(r, val, m->acct, &m->acct_len);
		m->by |= DAE_BY_ACCT;
		return true;
	}
	return false;
}

/* RFC 2865 5.25; several are one list, which takes the place of the one before. */
static void class_(struct reading *r, struct rd val)
{
	struct radius_says *s = &r->m->says;

	r->m->gives |= SAYS_CLASS;
	if (!val.n) {
		fault(r, DAE_INVALID_REQUEST);
		return;
	}
	if (s->class_len + 1 + val.n > sizeof(s->classes)) {
		fault(r, DAE_NO_RESOURCES);
		return;
	}
	s->classes[s->class_len] = (uint8_t)val.n;
	memcpy(s->classes + s->class_len + 1, val.p, val.n);
	s->class_len = (uint16_t)(s->class_len + 1 + val.n);
}

/* The name of a filter of ours. */
static void filter(struct reading *r, struct rd val)
{
	struct radius_says *s = &r->m->says;

	r->m->gives |= SAYS_FILTER;
	if (!val.n)
		fault(r, DAE_INVALID_REQUEST);
	else if (val.n >= sizeof(s->filter) || memchr(val.p, 0, val.n))
		fault(r, DAE_INVALID_VALUE);
	else
		memcpy(s->filter, val.p, val.n);
}

/* What says again what a session is anyway. */
static void is_so(struct reading *r, struct rd val, uint32_t what, enum dae_cause cause)
{
	uint32_t v;

	number(r, val, &v);
	if (v != what)
		fault(r, cause);
}

static void service(struct reading *r, struct rd val)
{
	struct rd at = val;

	if (rd_u32(&at) == AUTHORIZE_ONLY && val.n == 4) {
		r->authorize_only = true;
		return;
	}
	r->other = true;
	is_so(r, val, FRAMED, DAE_UNSUPPORTED_SERVICE);
}

/* Of what vendors say, limits of rates alone; all else is as unsupported as any other attribute. */
static void vendor(struct reading *r, struct rd val)
{
	uint32_t id = rd_u32(&val);
	const char *name;
	struct rd sub;
	uint8_t type;

	if (val.bad || !val.n)
		fault(r, DAE_INVALID_REQUEST);
	while (rad_next(&val, &type, &sub)) {
		enum rad_rate_got got = rad_rate_read(&r->rates, id, type, sub, &name);

		if (got != RAD_RATE_GOOD)
			fault(r, got == RAD_RATE_NONE ? DAE_UNSUPPORTED_ATTRIBUTE : DAE_INVALID_VALUE);
	}
	if (val.bad)
		fault(r, DAE_INVALID_REQUEST);
}

/* RFC 5176 2.2, 3.6: what a CoA-Request may change. */
static bool change(struct reading *r, uint8_t type, struct rd val)
{
	struct msg_dae *m = r->m;

	switch (type) {
	case RAD_FRAMED_PROTOCOL:
		is_so(r, val, PPP, DAE_INVALID_VALUE);
		return true;
	case RAD_SESSION_TIMEOUT:
		number(r, val, &m->session_timeout_s);
		m->gives |= SAYS_SESSION_TIMEOUT;
		return true;
	case RAD_IDLE_TIMEOUT:
		number(r, val, &m->says.idle_timeout_s);
		m->gives |= SAYS_IDLE_TIMEOUT;
		return true;
	case RAD_ACCT_INTERIM_INTERVAL:
		number(r, val, &m->says.interim_s);
		m->gives |= SAYS_INTERIM;
		return true;
	case RAD_FILTER_ID:
		filter(r, val);
		return true;
	case RAD_VENDOR_SPECIFIC:
		vendor(r, val);
		return true;
	}
	return false;
}

/* RFC 5176 3.6: what may stand more than once, and is read one by one or not at all. */
static bool may_repeat(uint8_t type)
{
	return type == RAD_CLASS || type == RAD_PROXY_STATE || type == RAD_VENDOR_SPECIFIC;
}

static void attribute(struct reading *r, uint8_t type, struct rd val)
{
	if (r->seen[type / 8] & 1u << type % 8 && !may_repeat(type)) {
		fault(r, DAE_INVALID_REQUEST);
		return;
	}
	r->seen[type / 8] |= (uint8_t)(1u << type % 8);
	if (type == RAD_PROXY_STATE || type == RAD_MESSAGE_AUTHENTICATOR || type == RAD_EVENT_TIMESTAMP ||
	    about_nas(r, type, val) || about_session(r, type, val))
		return;
	if (r->coa && type == RAD_STATE) {
		r->state = true;
		return;
	}
	if (r->coa && type == RAD_SERVICE_TYPE) {
		service(r, val);
		return;
	}
	r->other = true;
	if (type == RAD_CLASS)
		class_(r, val);
	else if (!r->coa && type == RAD_ACCT_TERMINATE_CAUSE)
		is_so(r, val, ADMIN_RESET, DAE_INVALID_VALUE);
	else if (!r->coa || !change(r, type, val))
		fault(r, DAE_UNSUPPORTED_ATTRIBUTE);
}

/* RFC 5176 3.2, of which we have nothing but the refusal. */
static enum dae_cause authorize_only(const struct reading *r)
{
	return r->other ? DAE_UNSUPPORTED_ATTRIBUTE : r->state ? DAE_UNSUPPORTED_SERVICE : DAE_MISSING_ATTRIBUTE;
}

enum dae_cause dae_read(struct rd pkt, const struct dae_nas *nas, struct msg_dae *ret)
{
	struct reading r = { .nas = nas, .m = ret };
	struct rad_hdr h;
	struct rd val;
	uint8_t type;

	memset(ret, 0, sizeof(*ret));
	if (!rad_open(pkt, &h) || !is_request(h.code))
		return DAE_INVALID_REQUEST;
	r.coa = h.code == RAD_COA_REQUEST;
	ret->kind = r.coa ? DAE_COA : DAE_DISCONNECT;
	while (rad_next(&h.attrs, &type, &val))
		attribute(&r, type, val);
	ret->gives |= rad_rates_mean(&r.rates, &ret->says.rate_in_bps, &ret->says.rate_out_bps);
	if (r.authorize_only && (!r.cause || r.cause == DAE_UNSUPPORTED_ATTRIBUTE))
		return authorize_only(&r);
	if (r.cause)
		return r.cause;
	/* Nobody is meant, or nothing: everybody and anything never are. */
	return ret->by && (!r.coa || ret->gives) ? DAE_OK : DAE_MISSING_ATTRIBUTE;
}

/* ---- the answer ---- */

static void put(struct wr *w, uint8_t type, struct rd val)
{
	wr_u8(w, type);
	wr_u8(w, (uint8_t)(val.n + 2));
	wr_bytes(w, val.p, val.n);
}

static void put_u32(struct wr *w, uint8_t type, uint32_t v)
{
	wr_u8(w, type);
	wr_u8(w, 6);
	wr_u32(w, v);
}

size_t dae_answer(struct rd pkt, const char *secret, enum dae_cause cause, uint8_t out[static RAD_MAX])
{
	static const uint8_t zeros[RAD_AUTHENTICATOR];
	struct wr w = wr_of(out, RAD_MAX);
	uint8_t sum[RAD_AUTHENTICATOR], type;
	struct rad_hdr h;
	struct rd val;
	size_t at;

	if (!rad_open(pkt, &h) || !is_request(h.code))
		return 0;
	wr_u8(&w, (uint8_t)(h.code + (cause ? 2 : 1)));
	wr_u8(&w, h.id);
	at = wr_open16(&w);
	wr_bytes(&w, h.p + 4, RAD_AUTHENTICATOR);
	put(&w, RAD_MESSAGE_AUTHENTICATOR, rd_of(zeros, sizeof(zeros)));
	if (cause)
		put_u32(&w, RAD_ERROR_CAUSE, cause);
	else if (h.code == RAD_DISCONNECT_REQUEST)
		put_u32(&w, RAD_ACCT_TERMINATE_CAUSE, ADMIN_RESET);	/* RFC 5176 2.1 */
	while (rad_next(&h.attrs, &type, &val))
		if (type == RAD_PROXY_STATE || (type == RAD_STATE && h.code == RAD_COA_REQUEST))
			put(&w, type, val);
	wr_close16(&w, at, 0, 0);
	if (w.bad || !rad_hmac_md5(secret, out, w.len, out + RAD_HEADER + 2))
		return 0;

	const struct rd part[] = { rd_of(out, w.len), rd_of(secret, strlen(secret)) };

	if (!rad_md5(part, N_ELEMENTS(part), sum))
		return 0;
	memcpy(out + 4, sum, sizeof(sum));
	return w.len;
}
