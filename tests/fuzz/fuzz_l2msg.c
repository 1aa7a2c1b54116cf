/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One L2TP message (RFC 2661 3.1, 6).  Octet 0: what is given (0 AVPs, 1 a
 * control datagram, 2 a data datagram; low two bits), whether there is a
 * secret (4); then that.
 *
 * Must hold: what was read is inside of what was given, or was hidden there;
 * what is wrong with it has an error to answer with; and a good message that
 * is written, in the clear or hidden, reads the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/msg.h"
#include "l2tpd/secret.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what)
{
	if (!what)
		abort();
}

static bool inside(struct rd part, const void *p, size_t n)
{
	const uint8_t *from = p;

	return !part.n || (part.p >= from && part.p + part.n <= from + n);
}

static void borrowed(const struct l2tp_msg *m, struct rd body)
{
	const struct rd all[] = {
		m->host_name, m->vendor_name, m->error_text, m->tie_breaker, m->challenge, m->response, m->called_number,
		m->calling_number, m->initial_lcp, m->last_sent_lcp, m->last_received_lcp, m->proxy_name, m->proxy_challenge,
		m->proxy_response, m->cause.text,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		must(!all[i].bad && (inside(all[i], body.p, body.n) || inside(all[i], m->clear, m->n_clear)));
	must(m->n_clear <= sizeof(m->clear));
}

static void again(const struct l2tp_msg *m, struct rd secret)
{
	static uint8_t first[65536], second[65536], hidden[65536];
	static struct l2tp_msg n;
	const struct avp_hiding h = { .secret = rd_of("s", 1), .vector = rd_of("0123456789abcdef", 16) };
	struct wr a = wr_of(first, sizeof(first)), b = wr_of(second, sizeof(second)), c = wr_of(hidden, sizeof(hidden));
	enum l2tp_parse way;

	l2tp_msg_write(&a, m);
	must(!a.bad);
	way = l2tp_msg_parse_secret(rd_of(first, a.len), secret, &n);
	/* Not all that an OCRQ has to have is ever written by us. */
	must(way == L2TP_PARSE_OK || m->type == L2TP_OCRQ);
	if (way != L2TP_PARSE_OK)
		return;
	must(n.type == m->type);
	l2tp_msg_write(&b, &n);
	must(!b.bad && b.len == a.len && !memcmp(first, second, a.len));
	l2tp_msg_write_hidden(&c, m, &h);
	/* A value that is too long to be hidden, and more of them than are revealed. */
	if (c.bad || c.len > L2TP_CLEAR_MAX)
		return;
	must(l2tp_msg_parse_secret(rd_of(hidden, c.len), h.secret, &n) == L2TP_PARSE_OK);
	b = wr_of(second, sizeof(second));
	l2tp_msg_write(&b, &n);
	must(!b.bad && b.len == a.len && !memcmp(first, second, a.len));
}

static void avps(struct rd body, struct rd secret)
{
	static struct l2tp_msg m;
	enum l2tp_parse way = l2tp_msg_parse_secret(body, secret, &m);

	borrowed(&m, body);
	must((way == L2TP_PARSE_BAD) == (m.bad != L2TP_ERR_NONE));
	must(m.bad <= L2TP_ERR_UNKNOWN_AVP && memchr(m.bad_text, 0, sizeof(m.bad_text)));
	must(way != L2TP_PARSE_IGNORE || (!m.type && !m.has));
	must(!L2TP_HAS(&m, AVP_ASSIGNED_TUNNEL_ID) || m.tunnel);
	must(!L2TP_HAS(&m, AVP_ASSIGNED_SESSION_ID) || m.session);
	must(!L2TP_HAS(&m, AVP_RECEIVE_WINDOW_SIZE) || m.rws);
	must(secret.n || !m.n_clear);
	must((m.type != L2TP_STOPCCN && m.type != L2TP_CDN) || way == L2TP_PARSE_OK);
	if (way == L2TP_PARSE_OK)
		again(&m, secret);
}

static void data_message(struct rd r)
{
	struct rd p = r;
	struct l2tp_data d;

	if (!l2tp_data_parse(&p, &d)) {
		must(p.p == r.p && p.n == r.n && !p.bad);
		return;
	}
	must(!l2tp_is_control(r) && p.p >= r.p + L2TP_DATA_HEADER && p.p + p.n <= r.p + r.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rd r = rd_of(data, size), secret = rd_of(NULL, 0);
	uint8_t how = rd_u8(&r), buf[L2TP_CONTROL_HEADER];
	struct wr w = wr_of(buf, sizeof(buf));
	struct l2tp_hdr h;

	if (r.bad || !l2tp_secret_init())
		return 0;
	if (how & 4)
		secret = rd_of("s", 1);
	switch (how & 3) {
	case 0:
		avps(r, secret);
		break;
	case 1:
		if (!l2tp_hdr_parse(r, &h))
			break;
		must(l2tp_is_control(r) && h.body.p == r.p + L2TP_CONTROL_HEADER && h.body.p + h.body.n <= r.p + r.n);
		avps(h.body, secret);
		h.body.n = 0;
		l2tp_hdr_write(&w, &h);
		must(!w.bad && w.len == L2TP_CONTROL_HEADER && !memcmp(buf + 4, r.p + 4, 8));
		break;
	default:
		data_message(r);
	}
	return 0;
}
