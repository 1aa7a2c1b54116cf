/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a tunnel's secret is for: Challenge Responses and hidden AVPs, by
 * numbers that were computed elsewhere from RFC 2661 4.3 and 5.1.1; then whole
 * messages, and tunnels in both roles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "l2tp_util.h"
#include "l2tpd/secret.h"

enum { PORT = 1701 };

#define VECTOR "8016 0000 0024 000102030405060708090a0b0c0d0e0f "
#define HIDDEN_TID7 "c00a 0000 0009 be6a1dc0 "

static const struct rd secret = { (const uint8_t *)"secret", 6, false };
static uint8_t seq[40];		/* 0, 1, 2 … */

static void t_response(void **st)
{
	static const struct {
		uint8_t type;
		size_t n;
		const char *want;
	} rows[] = {
		{ L2TP_SCCRP, 16, "dd4186e2196f00124a9d588f02701259" },
		{ L2TP_SCCCN, 16, "8f3c2fa6fcfea72215ae83ea89ec2b77" },
		{ L2TP_SCCCN, 1, "1cf4424a0bd0d40f298c47915aad534d" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint8_t got[L2TP_RESPONSE], want[L2TP_RESPONSE];
		struct rd c = rd_of(seq, rows[i].n);

		(void)hex(rows[i].want, want, sizeof(want));
		assert_true(l2tp_response(rows[i].type, secret, c, got));
		assert_memory_equal(got, want, sizeof(got));
		assert_true(l2tp_response_ok(rows[i].type, secret, c, rd_of(want, sizeof(want))));
		assert_false(l2tp_response_ok(rows[i].type, secret, c, rd_of(want, sizeof(want) - 1)));
		assert_false(l2tp_response_ok(rows[i].type ^ 1, secret, c, rd_of(want, sizeof(want))));
		assert_false(l2tp_response_ok(rows[i].type, rd_of("Secret", 6), c, rd_of(want, sizeof(want))));
		for (unsigned k = 0; k < sizeof(want); k++) {
			want[k] ^= 1;
			assert_false(l2tp_response_ok(rows[i].type, secret, c, rd_of(want, sizeof(want))));
			want[k] ^= 1;
		}
	}
}

/* Values of every length around the block's 16 octets; back; with another secret; with padding. */
static void t_hide(void **st)
{
	static const struct {
		uint16_t type;
		const char *value, *want;
	} rows[] = {
		{ AVP_ASSIGNED_TUNNEL_ID, "0007", "be6a1dc0" },
		{ AVP_PROXY_AUTHEN_NAME, "", "b027" },
		{ AVP_VENDOR_NAME, "6162636465666768696a6b6c6d6e", "8fe8280a02da28ca4d0255dcd3b5440d" },
		{ AVP_VENDOR_NAME, "6162636465666768696a6b6c6d6e6f", "8fe9280a02da28ca4d0255dcd3b5440d1e" },
		{ AVP_VENDOR_NAME,
			"4142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768",
			"8fce082a22fa08ea6d2275fcf395642da2ebf1b358a879058b341a83e73f6cffb109eec6c0c3b52a0bed" },
		{ AVP_CHALLENGE, "000102030405060708090a0b0c0d0e0f", "1396f805f737f0cb73d4b1dc88b80d601238" },
	};
	uint8_t value[64], want[64], buf[64];
	struct rd got, rv = rd_of(seq, 16);
	struct wr w;

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		size_t n = hex(rows[i].value, value, sizeof(value)), m = hex(rows[i].want, want, sizeof(want));

		w = wr_of(buf, sizeof(buf));
		l2tp_hide(&w, rows[i].type, secret, rv, rd_of(value, n));
		assert_false(w.bad);
		assert_int_equal(w.len, m);
		assert_memory_equal(buf, want, m);
		assert_true(l2tp_reveal(rows[i].type, secret, rv, rd_of(want, m), buf, &got));
		assert_int_equal(got.n, n);
		assert_memory_equal(got.p, value, n);
		/* Another secret: a length of its own. */
		if (l2tp_reveal(rows[i].type, rd_of("x", 1), rv, rd_of(want, m), buf, &got))
			fail_msg("row %zu", i);
	}
	/* The padding is nothing; a random vector of one octet is one. */
	(void)hex("be6a1dc0754eee7367dcebf016b05fd26fd9c7a154c33651", want, sizeof(want));
	assert_true(l2tp_reveal(AVP_ASSIGNED_TUNNEL_ID, secret, rv, rd_of(want, 24), buf, &got));
	assert_int_equal(got.n, 2);
	assert_int_equal(got.p[1], 7);
	(void)hex("101bae50", want, sizeof(want));
	assert_true(l2tp_reveal(AVP_ASSIGNED_TUNNEL_ID, secret, rd_of("\1", 1), rd_of(want, 4), buf, &got));
	assert_int_equal(got.p[1], 7);
	/* No room. */
	w = wr_of(buf, 5);
	l2tp_hide(&w, AVP_VENDOR_NAME, secret, rv, rd_of(seq, 4));
	assert_true(w.bad);
}

/* Messages with hidden AVPs. */
static void t_parse(void **st)
{
	static const struct {
		const char *what, *avps;
		unsigned error;		/* enum l2tp_error */
		uint16_t tunnel;
		bool no_secret;
	} rows[] = {
		{ "hidden id", MT(01) VER10 HOST FRAMING VECTOR HIDDEN_TID7, 0, 7, false },
		{ "padded", MT(01) VER10 HOST FRAMING VECTOR
			"c01e 0000 0009 be6a1dc0754eee7367dcebf016b05fd26fd9c7a154c33651", 0, 7, false },
		{ "vector of one octet", MT(01) VER10 HOST FRAMING "8007 0000 0024 01 c00a 0000 0009 101bae50", 0, 7,
			false },
		{ "the last vector counts", MT(01) VER10 HOST "8007 0000 0024 01" VECTOR
			"c00c 0000 0003 a63adb54d38e" "8007 0000 0024 01" "c00a 0000 0009 101bae50", 0, 7, false },
		{ "no vector", MT(01) VER10 HOST FRAMING HIDDEN_TID7, L2TP_ERR_VALUE, 0, false },
		{ "vector behind it", MT(01) VER10 HOST FRAMING HIDDEN_TID7 VECTOR, L2TP_ERR_VALUE, 0, false },
		{ "hidden vector", MT(01) VER10 HOST FRAMING VECTOR "c00a 0000 0024 01020304" HIDDEN_TID7,
			L2TP_ERR_VALUE, 7, false },
		{ "name that MUST NOT be hidden", MT(01) VER10 VECTOR "c009 0000 0007 69c6f7" FRAMING TID(0007),
			L2TP_ERR_VALUE, 7, false },
		{ "length that lies by one", MT(01) VER10 HOST FRAMING VECTOR "c00a 0000 0009 be6b1dc0",
			L2TP_ERR_LENGTH, 0, false },
		{ "length 65535", MT(01) VER10 HOST FRAMING VECTOR "c00a 0000 0009 41971dc0", L2TP_ERR_LENGTH, 0, false },
		{ "no length", MT(01) VER10 HOST FRAMING VECTOR "c007 0000 0009 be", L2TP_ERR_LENGTH, 0, false },
		{ "nothing", MT(01) VER10 HOST FRAMING VECTOR "c006 0000 0009", L2TP_ERR_LENGTH, 0, false },
		{ "three octets for two", MT(01) VER10 HOST FRAMING VECTOR "c00b 0000 0009 be6b1dc0df", L2TP_ERR_LENGTH,
			0, false },
		{ "hidden 0", MT(01) VER10 HOST FRAMING VECTOR "c00a 0000 0009 be6a1dc7", L2TP_ERR_VALUE, 0, false },
		{ "hidden, without M, that lies", MT(01) VER10 HOST FRAMING TID(0007) VECTOR
			"400a 0000 0008 00000000", 0, 7, false },
		{ "hidden Message Type", "c00a 0000 0000 be6a1dc0", L2TP_ERR_VALUE, 0, false },
		{ "a vendor's, hidden", MT(01) VER10 HOST FRAMING TID(0007) VECTOR "c00a 0137 0009 be6a1dc0",
			L2TP_ERR_UNKNOWN_AVP, 7, false },
		{ "without a secret", MT(01) VER10 HOST FRAMING VECTOR HIDDEN_TID7, L2TP_ERR_UNKNOWN_AVP, 0, true },
		{ "without a secret, without M", MT(01) VER10 HOST FRAMING TID(0007) VECTOR "400a 0000 0008 00000000", 0,
			7, true },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint8_t buf[512], *heap;
		size_t n = hex(rows[i].avps, buf, sizeof(buf));
		struct l2tp_msg m;

		heap = malloc(n);
		memcpy(heap, buf, n);
		(void)l2tp_msg_parse_secret(rd_of(heap, n), rows[i].no_secret ? (struct rd){ 0 } : secret, &m);
		if (m.bad != rows[i].error || m.tunnel != rows[i].tunnel)
			fail_msg("%s: error %u (%s), id %u", rows[i].what, m.bad, m.bad_text, m.tunnel);
		free(heap);
	}
}

/* More hidden octets than a message has room for: refused with M, left out without. */
static void t_too_much(void **st)
{
	uint8_t buf[4096];
	struct wr w = wr_of(buf, sizeof(buf));
	struct avp_hiding h = { secret, rd_of(seq, 16) };
	uint8_t big[AVP_VALUE_MAX] = { 0 };
	struct l2tp_msg m;

	avp_put_u16(&w, AVP_MESSAGE_TYPE, L2TP_ICRQ);
	avp_put_bytes(&w, AVP_RANDOM_VECTOR, seq, 16);
	avp_put_hidden(&w, AVP_CALLED_NUMBER, &h, rd_of(big, 1000));
	avp_put_hidden(&w, AVP_CALLING_NUMBER, &h, rd_of(big, 1000));
	assert_false(w.bad);
	assert_int_equal(l2tp_msg_parse_secret(rd_of(buf, w.len), secret, &m), L2TP_PARSE_BAD);
	assert_int_equal(m.bad, L2TP_ERR_RESOURCES);
	assert_true(L2TP_HAS(&m, AVP_CALLED_NUMBER) && m.called_number.n == 1000);
	avp_put_hidden(&w, AVP_CALLING_NUMBER, &h, rd_of(big, AVP_VALUE_MAX - 1));
	assert_true(w.bad);
}

/* All that may be hidden is, and nothing else; and all of it comes back. */
static void t_write(void **st)
{
	uint8_t buf[1024];
	struct wr w = wr_of(buf, sizeof(buf));
	struct avp_hiding h = { secret, rd_of(seq, 16) };
	struct l2tp_msg in, out = {
		.type = L2TP_SCCRP, .version = 0x100, .framing_capabilities = 3, .tunnel = 7, .rws = 8, .firmware = 1,
		.host_name = rd_of("vpn", 3), .vendor_name = rd_of("culvert", 7), .challenge = rd_of(seq, 16),
		.response = rd_of(seq + 1, 16),
		.has = 1ull << AVP_PROTOCOL_VERSION | 1ull << AVP_FRAMING_CAPABILITIES | 1ull << AVP_HOST_NAME |
		       1ull << AVP_ASSIGNED_TUNNEL_ID | 1ull << AVP_RECEIVE_WINDOW_SIZE | 1ull << AVP_CHALLENGE |
		       1ull << AVP_CHALLENGE_RESPONSE | 1ull << AVP_FIRMWARE_REVISION | 1ull << AVP_VENDOR_NAME,
	};
	struct rd r;
	struct avp a;
	unsigned n = 0;

	l2tp_msg_write_hidden(&w, &out, &h);
	assert_false(w.bad);
	r = rd_of(buf, w.len);
	while (avp_next(&r, &a)) {
		assert_int_equal(a.hidden, avp_rule_of(a.type)->hide);
		assert_int_equal(a.mandatory, avp_rule_of(a.type)->mandatory);
		if (a.type == AVP_RANDOM_VECTOR)
			assert_int_equal(n, 1);		/* behind the Message Type, before all others */
		n++;
	}
	assert_int_equal(n, 11);
	assert_int_equal(l2tp_msg_parse_secret(rd_of(buf, w.len), secret, &in), L2TP_PARSE_OK);
	assert_int_equal(in.has, out.has | 1ull << AVP_RANDOM_VECTOR);
	assert_int_equal(in.tunnel, 7);
	assert_int_equal(in.framing_capabilities, 3);
	assert_memory_equal(in.vendor_name.p, "culvert", 7);
	assert_memory_equal(in.challenge.p, seq, 16);
	assert_memory_equal(in.response.p, seq + 1, 16);
	/* A message in which nothing may be hidden has no Random Vector. */
	w = wr_of(buf, sizeof(buf));
	out = (struct l2tp_msg){ .type = L2TP_HELLO };
	l2tp_msg_write_hidden(&w, &out, &h);
	assert_int_equal(w.len, 8);
}

/* ---- tunnels ---- */

static struct l2tp_conf conf[2];
static struct l2tp_ids ids[2];
static struct l2tp_flow flow[2];
static struct l2tp_out out[2];
static uint64_t now = 1000;

static void fresh(void)
{
	for (unsigned i = 0; i < 2; i++) {
		struct rng seed;

		l2tp_flow_free(&flow[i]);
		conf[i] = l2tp_conf_default;
		strcpy(conf[i].host_name, "h");
		strcpy(conf[i].vendor_name, "v");
		rng_init_test(&seed, i + 1);
		l2tp_ids_init(&ids[i], &seed);
		l2tp_flow_init(&flow[i], &conf[i], &ids[i], &seed);
	}
}

static void set_secret(unsigned i, const char *s)
{
	conf[i].secret_len = (uint8_t)strlen(s);
	memcpy(conf[i].secret, s, conf[i].secret_len);
}

/* What end i wants sent, to the other one; the codes of the first StopCCN on the way. */
static bool exchange(unsigned i, unsigned *stop, unsigned *hidden)
{
	struct l2tp_out o = out[i];
	bool any = false;

	o.w.p = o.buf;
	l2tp_out_init(&out[!i]);
	for (unsigned k = 0; k < o.n; k++) {
		struct l2tp_hdr h;
		struct rd r;
		struct avp a;

		if (o.eff[k].type != L2TP_EFF_SEND)
			continue;
		r = rd_of(o.buf + (o.eff[k].data - out[i].buf), o.eff[k].len);
		assert_true(l2tp_hdr_parse(r, &h));
		for (struct rd body = h.body; body.n && avp_next(&body, &a);) {
			*hidden += a.hidden;
			if (a.type == AVP_RESULT_CODE && !*stop)
				*stop = rd_u16(&a.val);
		}
		l2tp_flow_input(&flow[!i], r, PORT, now, &out[!i]);
		any = true;
	}
	return any;
}

static bool is_up(unsigned i)
{
	for (unsigned k = 0; k < N_ELEMENTS(flow[i].tunnel); k++) {
		struct l2tp_tunnel *t = flow[i].tunnel[k];

		if (t && !t->gone && t->state == L2TP_TUN_ESTABLISHED && l2tp_flow_session(&flow[i], t->id, t->session[0].id))
			return true;
	}
	return false;
}

/* Secrets of the LAC and the LNS that agree and that do not. */
static void t_tunnel(void **st)
{
	static const struct {
		const char *lac, *lns;
		bool hide;
		bool up;
		unsigned stop;		/* Result Code */
	} rows[] = {
		{ "", "", false, true, 0 },
		{ "secret", "secret", false, true, 0 },
		{ "secret", "secret", true, true, 0 },
		{ "secret", "", false, false, L2TP_STOP_AUTH },	/* the LAC misses the answer to its Challenge */
		{ "", "secret", false, false, L2TP_STOP_AUTH },	/* so does the LNS */
		{ "secret", "Secret", false, false, L2TP_STOP_AUTH },
		/* Nothing is hidden from whom may not have chosen the secret yet. */
		{ "secret", "Secret", true, false, L2TP_STOP_AUTH },
		{ "secret", "", true, false, L2TP_STOP_AUTH },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		unsigned stop = 0, hidden = 0;
		bool any = true;

		fresh();
		set_secret(0, rows[i].lac);
		set_secret(1, rows[i].lns);
		conf[0].hide = conf[1].hide = rows[i].hide;
		l2tp_out_init(&out[0]);
		assert_int_not_equal(l2tp_flow_dial(&flow[0], PORT, now, &out[0]), 0);
		for (unsigned n = 0; n < 20 && any; n++)
			any = exchange(n & 1, &stop, &hidden);
		if (stop != rows[i].stop || is_up(0) != rows[i].up || is_up(1) != rows[i].up || !hidden == (rows[i].hide && rows[i].up))
			fail_msg("row %zu: stop %u, up %d %d, hidden %u", i, stop, is_up(0), is_up(1), hidden);
		assert_int_equal(flow[0].cnt[L2TP_CNT_AUTH] + flow[1].cnt[L2TP_CNT_AUTH], rows[i].stop == L2TP_STOP_AUTH);
	}
}

/* A response that is somebody else's: of another Challenge, of the other direction. */
static void t_replayed(void **st)
{
	static const char *const scccn[] = {
		M_SCCCN, M_SCCCN "8016 0000 000d dd4186e2196f00124a9d588f02701259",
		M_SCCCN "8015 0000 000d 8f3c2fa6fcfea72215ae83ea89ec2b",
	};
	static const unsigned want[] = { L2TP_STOP_AUTH, L2TP_STOP_AUTH, L2TP_STOP_ERROR };

	for (size_t i = 0; i < N_ELEMENTS(scccn) + 2; i++) {
		uint8_t buf[256], response[L2TP_RESPONSE];
		struct l2tp_hdr h;
		struct l2tp_msg m;
		char text[256];
		uint16_t tid;
		size_t n;

		fresh();
		set_secret(1, "secret");
		n = control(buf, sizeof(buf), 0, 0, 0, 0, M_SCCRQ(0007)
			"8016 0000 000b 000102030405060708090a0b0c0d0e0f");
		l2tp_out_init(&out[1]);
		l2tp_flow_input(&flow[1], rd_of(buf, n), PORT, now, &out[1]);
		assert_true(sent(&out[1], L2TP_SCCRP, &h, &m));
		tid = m.tunnel;
		assert_true(l2tp_response_ok(L2TP_SCCRP, secret, rd_of(seq, 16), m.response));
		assert_int_equal(m.challenge.n, L2TP_CHALLENGE);
		/* Right, and right for an SCCRP. */
		assert_true(l2tp_response(i > N_ELEMENTS(scccn) ? L2TP_SCCRP : L2TP_SCCCN, secret, m.challenge, response));
		n = (size_t)snprintf(text, sizeof(text), "%s", M_SCCCN "8016 0000 000d ");
		for (unsigned k = 0; k < sizeof(response); k++)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%02x", response[k]);
		n = control(buf, sizeof(buf), tid, 0, 1, 1, i < N_ELEMENTS(scccn) ? scccn[i] : text);
		l2tp_out_init(&out[1]);
		l2tp_flow_input(&flow[1], rd_of(buf, n), PORT, now, &out[1]);
		if (i == N_ELEMENTS(scccn)) {
			assert_int_equal(count(&out[1], L2TP_EFF_TUNNEL_UP), 1);
			continue;
		}
		assert_true(sent(&out[1], L2TP_STOPCCN, &h, &m));
		assert_int_equal(m.result, i < N_ELEMENTS(scccn) ? want[i] : (unsigned)L2TP_STOP_AUTH);
		assert_int_equal(count(&out[1], L2TP_EFF_TUNNEL_UP), 0);
		assert_true(l2tp_flow_idle(&flow[1]));
	}
}

static int setup(void **st)
{
	for (unsigned i = 0; i < sizeof(seq); i++)
		seq[i] = (uint8_t)i;
	return l2tp_secret_init() ? 0 : -1;
}

static int teardown(void **st)
{
	l2tp_flow_free(&flow[0]);
	l2tp_flow_free(&flow[1]);
	return ids[0].n + ids[1].n ? -1 : 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_response), cmocka_unit_test(t_hide), cmocka_unit_test(t_parse),
		cmocka_unit_test(t_too_much), cmocka_unit_test(t_write), cmocka_unit_test(t_tunnel),
		cmocka_unit_test(t_replayed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
