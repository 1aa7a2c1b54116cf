/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rd, wr, util, addr, and message passing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/msg.h"
#include "base/rd.h"
#include "base/rng.h"
#include "base/wr.h"

static void t_rd(void **st)
{
	static const uint8_t in[] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct rd r = rd_of(in, sizeof(in)), sub;

	assert_int_equal(rd_u8(&r), 1);
	assert_int_equal(rd_u16(&r), 0x0203);
	sub = rd_sub(&r, 2);
	assert_int_equal(rd_u16(&sub), 0x0405);
	assert_int_equal(rd_u8(&sub), 0);
	assert_true(sub.bad);
	assert_false(r.bad);
	assert_int_equal(rd_u32(&r), 0);	/* three left */
	assert_true(r.bad);
	assert_int_equal(r.n, 0);
	sub = rd_sub(&r, 1);
	assert_true(sub.bad);
}

static void t_wr(void **st)
{
	uint8_t buf[8];
	struct wr w = wr_of(buf, sizeof(buf));
	size_t at = wr_open16(&w);

	wr_u32(&w, 0xdeadbeef);
	wr_close16(&w, at, at, 0x8000);
	assert_memory_equal(buf, "\x80\x06\xde\xad\xbe\xef", 6);
	wr_u32(&w, 1);
	assert_true(w.bad);
	assert_int_equal(w.len, 8);	/* the two bytes that fitted, nothing after */
}

static void t_text(void **st)
{
	char out[32], two[3];
	uint64_t v = 7;

	str_escape(out, sizeof(out), "a\"\x1b[\n", 5);
	assert_string_equal(out, "a\\x22\\x1b[\\x0a");
	str_escape(out, 6, "aa\x01", 3);
	assert_string_equal(out, "aa");
	assert_false(str_copy(two, sizeof(two), "abc"));
	assert_string_equal(two, "ab");
	assert_false(parse_uint("", 0, 9, &v));
	assert_false(parse_uint("1x", 0, 9, &v));
	assert_false(parse_uint("10", 0, 9, &v));
	assert_false(parse_uint("18446744073709551616", 0, UINT64_MAX, &v));
	assert_int_equal(v, 7);
	assert_true(parse_uint("9", 0, 9, &v));
	assert_int_equal(v, 9);
}

static void t_addr(void **st)
{
	struct addr a, b;
	char s[ADDR_STRLEN];

	assert_true(addr_parse("192.0.2.1", 4500, &a));
	assert_string_equal(addr_str(&a, s), "192.0.2.1:4500");
	assert_int_equal(addr_v4_of(&a), 0xc0000201);
	b = addr_v4(0xc0000201, 4501);
	assert_true(addr_ip_eq(&a, &b));
	assert_false(addr_eq(&a, &b));
	assert_true(addr_parse("2001:db8::1", 1, &b));
	assert_string_equal(addr_str(&b, s), "[2001:db8::1]:1");
	assert_false(addr_parse("192.0.2", 0, &a));
}

static void t_spi(void **st)
{
	uint32_t spi = spi_make(1, 0x2abcd, 0x17);

	assert_int_equal(spi_engine(spi), 1);
	assert_int_equal(spi_slot(spi), 0x2abcd);
	assert_true(spi_make(0, 1, 0) >= 256);
}

static struct msg m;

static void t_chan(void **st)
{
	struct chan a, b;
	int fd[2];
	struct msg_flow flow = { .lineage = { 1, 2 } };

	assert_int_equal(chan_pair(fd), 0);
	chan_init(&a, fd[0], ROLE_IKED, ROLE_ENGINE, 0);
	chan_init(&b, fd[1], ROLE_ENGINE, ROLE_IKED, 0);
	assert_int_equal(chan_send(&a, MSG_FLOW_END, &flow, sizeof(flow), -1), 0);
	assert_int_equal(chan_recv(&b, &m), 1);
	assert_int_equal(m.type, MSG_FLOW_END);
	assert_true(lineage_eq(&m.b.flow.lineage, &flow.lineage));
	assert_int_equal(chan_recv(&b, &m), 0);
	/* Not theirs to send, of another size, with a descriptor: refused. */
	assert_int_equal(chan_send(&a, MSG_FLOW_KILL, &flow, sizeof(flow), -1), -EINVAL);
	assert_int_equal(chan_send(&a, MSG_FLOW_END, &flow, sizeof(flow) - 1, -1), -EINVAL);
	assert_int_equal(chan_send(&a, MSG_FLOW_END, &flow, sizeof(flow), fd[0]), -EINVAL);
	/* A hostile sender's bytes. */
	assert_int_equal(write(fd[0], "\xff\xff\xff\xff\0\0\0\0", 8), 8);
	assert_int_equal(chan_recv(&b, &m), -EBADMSG);
	/* More than the socket holds: kept, in order, and sent later. */
	for (uint64_t i = 1; i <= 9000; i++) {
		flow.lineage.counter = i;
		assert_int_equal(chan_send(&a, MSG_FLOW_END, &flow, sizeof(flow), -1), 0);
	}
	assert_true(chan_waiting(&a));
	for (uint64_t i = 1; i <= 9000; i++) {
		int r = chan_recv(&b, &m);

		if (r == 0) {
			assert_int_equal(chan_flush(&a), 0);
			r = chan_recv(&b, &m);
		}
		assert_int_equal(r, 1);
		assert_int_equal(m.b.flow.lineage.counter, i);
	}
	assert_false(chan_waiting(&a));
	chan_close(&a);
	assert_int_equal(chan_recv(&b, &m), -EPIPE);
	assert_int_equal(chan_send(&b, MSG_FLOW_KILL, &flow, sizeof(flow), -1), -EPIPE);
	chan_close(&b);
}

/* The messages of a reload, of users files, and RADIUS's: who may say them to whom, and with what in them. */
static void t_reload_msgs(void **st)
{
	static const struct {
		enum role from, to;
		enum msg_type type;
		union msg_body b;
		size_t len;
		bool ok;
	} rows[] = {
		{ ROLE_CTL, ROLE_MANAGER, MSG_CTL_RELOAD, { .ctl_req = { .version = CTL_VERSION } }, sizeof(struct msg_ctl_req), true },
		{ ROLE_CTL, ROLE_MANAGER, MSG_CTL_RELOAD, { .ctl_req = { .version = 9 } }, sizeof(struct msg_ctl_req), false },
		{ ROLE_CTL, ROLE_MANAGER, MSG_RELOAD, { { 0 } }, 0, false },
		{ ROLE_MANAGER, ROLE_PARENT, MSG_RELOAD, { { 0 } }, 0, true },
		{ ROLE_ENGINE, ROLE_PARENT, MSG_RELOAD, { { 0 } }, 0, false },
		{ ROLE_PARENT, ROLE_ENGINE, MSG_APPLY, { .apply = { APPLY_CONF } }, sizeof(struct msg_apply), true },
		{ ROLE_PARENT, ROLE_NETD, MSG_APPLY, { .apply = { APPLY_DONE } }, sizeof(struct msg_apply), true },
		{ ROLE_PARENT, ROLE_NETD, MSG_APPLY, { .apply = { 3 } }, sizeof(struct msg_apply), false },
		{ ROLE_PARENT, ROLE_NETD, MSG_APPLY, { .apply = { 0 } }, sizeof(struct msg_apply), false },
		{ ROLE_MANAGER, ROLE_NETD, MSG_APPLY, { .apply = { 1 } }, sizeof(struct msg_apply), false },
		{ ROLE_IKED, ROLE_PARENT, MSG_APPLIED, { .applied = { .phase = 1 } }, sizeof(struct msg_applied), true },
		{ ROLE_NETD, ROLE_PARENT, MSG_APPLIED, { .applied = { 1, -5, 0, 0, "no" } }, sizeof(struct msg_applied), true },
		{ ROLE_NETD, ROLE_PARENT, MSG_APPLIED, { .applied = { 1, 5, 0, 0, "no" } }, sizeof(struct msg_applied), false },
		{ ROLE_NETD, ROLE_PARENT, MSG_APPLIED, { .applied = { 1, -5, 0, 0, "no\n" } }, sizeof(struct msg_applied), false },
		{ ROLE_MANAGER, ROLE_PARENT, MSG_APPLY_NOTE, { .note = { "ended: joe" } }, sizeof(struct msg_note), true },
		{ ROLE_MANAGER, ROLE_PARENT, MSG_APPLY_NOTE, { .note = { "\x1b[0m" } }, sizeof(struct msg_note), false },
		{ ROLE_AUTH, ROLE_PARENT, MSG_APPLY_NOTE, { .note = { "users:3: no" } }, sizeof(struct msg_note), true },
		{ ROLE_ENGINE, ROLE_PARENT, MSG_APPLY_NOTE, { .note = { "ended: joe" } }, sizeof(struct msg_note), false },
		{ ROLE_PARENT, ROLE_MANAGER, MSG_RELOAD_LINE, { .line = { 1, "x" } }, sizeof(struct msg_line), true },
		{ ROLE_PARENT, ROLE_MANAGER, MSG_RELOAD_LINE, { .line = { 2, "x" } }, sizeof(struct msg_line), false },
		{ ROLE_MANAGER, ROLE_CTL, MSG_CTL_LINE, { .line = { 0, "x" } }, sizeof(struct msg_line), true },
		{ ROLE_PARENT, ROLE_MANAGER, MSG_RELOAD_END, { .ctl_end = { -22, "" } }, sizeof(struct msg_ctl_end), true },
		{ ROLE_MANAGER, ROLE_AUTH, MSG_USER_CHECK, { .user_check = { 1, 7, "joe" } }, sizeof(struct msg_user_check), true },
		{ ROLE_MANAGER, ROLE_AUTH, MSG_USER_CHECK, { .user_check = { 1, 8, "joe" } }, sizeof(struct msg_user_check), false },
		{ ROLE_ENGINE, ROLE_AUTH, MSG_USER_CHECK, { .user_check = { 1, 1, "joe" } }, sizeof(struct msg_user_check), false },
		{ ROLE_AUTH, ROLE_MANAGER, MSG_USER_CHECKED, { .user_checked = { 1, 1 } }, sizeof(struct msg_user_checked), true },
		{ ROLE_AUTH, ROLE_RADIUS, MSG_RADIUS_ASK, { .radius_ask = { .judge.req = { .method = 1, .mtu = 1400 } } }, sizeof(struct msg_radius_ask), true },
		{ ROLE_MANAGER, ROLE_RADIUS, MSG_RADIUS_ASK, { .radius_ask = { .judge.req = { .method = 1, .mtu = 1400 } } }, sizeof(struct msg_radius_ask), false },
		{ ROLE_AUTH, ROLE_RADIUS, MSG_RADIUS_ASK, { .radius_ask = { .name_len = 257, .judge.req = { .method = 1, .mtu = 1400 } } }, sizeof(struct msg_radius_ask), false },
		{ ROLE_AUTH, ROLE_RADIUS, MSG_RADIUS_ASK, { .radius_ask = { .auth = CONF_AUTHS, .judge.req = { .method = 1, .mtu = 1400 } } }, sizeof(struct msg_radius_ask), false },
		{ ROLE_AUTH, ROLE_RADIUS, MSG_RADIUS_ASK, { .radius_ask = { .judge.req = { .method = 9, .mtu = 1400 } } }, sizeof(struct msg_radius_ask), false },
		{ ROLE_RADIUS, ROLE_AUTH, MSG_RADIUS_SAID, { .radius_said = { .verdict = 1 } }, sizeof(struct msg_radius_said), true },
		{ ROLE_RADIUS, ROLE_AUTH, MSG_RADIUS_SAID, { .radius_said = { .verdict = 3 } }, sizeof(struct msg_radius_said), false },
		{ ROLE_RADIUS, ROLE_AUTH, MSG_RADIUS_SAID, { .radius_said = { .verdict = 1, .answered = 2 } }, sizeof(struct msg_radius_said), false },
		{ ROLE_RADIUS, ROLE_AUTH, MSG_RADIUS_SAID, { .radius_said = { .verdict = 1, .mppe_keys = 2 } }, sizeof(struct msg_radius_said), false },
		{ ROLE_RADIUS, ROLE_AUTH, MSG_RADIUS_SAID, { .radius_said = { .verdict = 1, .framed_mask = 5 } }, sizeof(struct msg_radius_said), false },
		{ ROLE_RADIUS, ROLE_MANAGER, MSG_RADIUS_SAID, { .radius_said = { .verdict = 1 } }, sizeof(struct msg_radius_said), false },
		{ ROLE_AUTH, ROLE_MANAGER, MSG_USER_CHECKED, { .user_checked = { 1, 3 } }, sizeof(struct msg_user_checked), true },
		{ ROLE_AUTH, ROLE_MANAGER, MSG_USER_CHECKED, { .user_checked = { 1, 4 } }, sizeof(struct msg_user_checked), false },
		{ ROLE_PARENT, ROLE_AUTH, MSG_USERS_MISSING, { .users_missing = { 7, "no" } }, sizeof(struct msg_users_missing), true },
		{ ROLE_PARENT, ROLE_AUTH, MSG_USERS_MISSING, { .users_missing = { 8, "no" } }, sizeof(struct msg_users_missing), false },
		{ ROLE_AUTH, ROLE_PARENT, MSG_USERS_TAKEN, { .users_of = { 7, 1 } }, sizeof(struct msg_users_of), true },
		{ ROLE_AUTH, ROLE_PARENT, MSG_USERS_TAKEN, { .users_of = { 8, 1 } }, sizeof(struct msg_users_of), false },
		{ ROLE_ENGINE, ROLE_PARENT, MSG_USERS_TAKEN, { .users_of = { 1, 1 } }, sizeof(struct msg_users_of), false },
		{ ROLE_AUTH, ROLE_MANAGER, MSG_USERS_CHANGED, { .users_of = { 0, 0 } }, sizeof(struct msg_users_of), true },
		{ ROLE_AUTH, ROLE_MANAGER, MSG_USERS_CHANGED, { .users_of = { 8, 0 } }, sizeof(struct msg_users_of), false },
		{ ROLE_ENGINE, ROLE_MANAGER, MSG_USERS_CHANGED, { .users_of = { 0, 0 } }, sizeof(struct msg_users_of), false },
		{ ROLE_AUTH, ROLE_MANAGER, MSG_ALARM, { .alarm = { 7, "empty" } }, sizeof(struct msg_alarm), true },
		{ ROLE_AUTH, ROLE_MANAGER, MSG_ALARM, { .alarm = { 8, "empty" } }, sizeof(struct msg_alarm), false },
		{ ROLE_AUTH, ROLE_MANAGER, MSG_ALARM, { .alarm = { 7, "\x1b[0m" } }, sizeof(struct msg_alarm), false },
		{ ROLE_CTL, ROLE_MANAGER, MSG_CTL_USERS, { .ctl_req = { .version = CTL_VERSION } }, sizeof(struct msg_ctl_req), true },
		{ ROLE_CTL, ROLE_MANAGER, MSG_USERS_LOOK, { { 0 } }, 0, false },
		{ ROLE_MANAGER, ROLE_PARENT, MSG_USERS_LOOK, { { 0 } }, 0, true },
		{ ROLE_PARENT, ROLE_AUTH, MSG_USERS_LOOK, { { 0 } }, 0, true },
		{ ROLE_AUTH, ROLE_MANAGER, MSG_USERS_LOOK, { { 0 } }, 0, true },
		{ ROLE_ENGINE, ROLE_MANAGER, MSG_USERS_LOOK, { { 0 } }, 0, false },
	};
	static uint8_t wire[8 + sizeof(union msg_body)];

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint32_t head[2] = { rows[i].type, (uint32_t)rows[i].len };

		memcpy(wire, head, sizeof(head));
		memcpy(wire + sizeof(head), &rows[i].b, rows[i].len);
		if (msg_check(rows[i].from, rows[i].to, wire, sizeof(head) + rows[i].len, false) != rows[i].ok)
			fail_msg("row %zu: %s is %s", i, msg_name(rows[i].type), rows[i].ok ? "refused" : "taken");
		/* Of no other size, and never with a descriptor. */
		assert_false(msg_check(rows[i].from, rows[i].to, wire, sizeof(head) + rows[i].len + 1, false));
		assert_false(msg_check(rows[i].from, rows[i].to, wire, sizeof(head) + rows[i].len, true));
	}
	/* Text without an end. */
	memset(wire, 'x', sizeof(wire));
	memcpy(wire, (uint32_t[]){ MSG_RELOAD_LINE, sizeof(struct msg_line), 0 }, 12);
	assert_false(msg_check(ROLE_PARENT, ROLE_MANAGER, wire, 8 + sizeof(struct msg_line), false));
}

/* Keys that do not belong together do not reach the engine. */
static void t_sa_add(void **st)
{
	static const struct {
		uint8_t enc, auth, enc_len, auth_len;
		bool ok;
	} rows[] = {
		{ ESP_ENC_AES_CBC_128, ESP_AUTH_HMAC_SHA1_96, 16, 20, true },
		{ ESP_ENC_AES_CBC_256, ESP_AUTH_HMAC_SHA2_256_128, 32, 32, true },
		{ ESP_ENC_AES_GCM_128, ESP_AUTH_NONE, 20, 0, true },
		{ ESP_ENC_AES_GCM_256, ESP_AUTH_NONE, 36, 0, true },
		{ ESP_ENC_AES_GCM_256, ESP_AUTH_NONE, 32, 0, false },
		{ ESP_ENC_AES_GCM_256, ESP_AUTH_NONE, 36, 20, false },
		{ ESP_ENC_AES_GCM_256, ESP_AUTH_HMAC_SHA1_96, 36, 20, false },
		{ ESP_ENC_AES_CBC_128, ESP_AUTH_NONE, 16, 0, false },
		{ ESP_ENC_AES_CBC_128, ESP_AUTH_HMAC_SHA1_96, 32, 20, false },
		{ ESP_ENC_AES_CBC_128, ESP_AUTH_HMAC_SHA1_96, 16, 32, false },
		/* No keys at all: the kernel has them, and the engine refuses it where it does ESP itself (t_kernel). */
		{ ESP_ENC_NONE, ESP_AUTH_NONE, 0, 0, true }, { ESP_ENC_NONE, ESP_AUTH_HMAC_SHA1_96, 0, 20, false },
		{ ESP_ENC_NONE, ESP_AUTH_NONE, 16, 0, false }, { ESP_ENC_NONE, ESP_AUTH_NONE, 0, 20, false },
		{ ESP_ENC_3DES_CBC, ESP_AUTH_HMAC_SHA1_96, 24, 20, true },
		{ ESP_ENC_3DES_CBC, ESP_AUTH_NONE, 24, 0, false },
		{ ESP_ENC_3DES_CBC, ESP_AUTH_HMAC_SHA1_96, 16, 20, false },
		{ ESP_ENC_AES_CBC_256, ESP_AUTH_HMAC_SHA2_384_192, 32, 48, true },
		{ ESP_ENC_AES_CBC_256, ESP_AUTH_HMAC_SHA2_512_256, 32, 64, true },
		{ ESP_ENC_AES_CBC_256, ESP_AUTH_HMAC_SHA2_512_256, 32, 48, false },
		{ 6, ESP_AUTH_NONE, 36, 0, false }, { ESP_ENC_AES_CBC_128, 5, 16, 32, false },
		{ 255, 255, 0, 0, false },
	};
	struct chan a, b;
	int fd[2];

	assert_int_equal(chan_pair(fd), 0);
	chan_init(&a, fd[0], ROLE_IKED, ROLE_ENGINE, 0);
	chan_init(&b, fd[1], ROLE_ENGINE, ROLE_IKED, 0);
	for (unsigned i = 0; i < N_ELEMENTS(rows); i++) {
		struct msg_sa_add sa = {
			.spi = spi_make(0, 1, 1), .inbound = 1, .enc = rows[i].enc, .auth = rows[i].auth,
			.enc_len = rows[i].enc_len, .auth_len = rows[i].auth_len,
			.local = addr_v4(0x0a000001, 4500), .peer = addr_v4(0x0a000002, 4500),
		};

		assert_int_equal(chan_send(&a, MSG_SA_ADD, &sa, sizeof(sa), -1), 0);
		assert_int_equal(chan_recv(&b, &m), rows[i].ok ? 1 : -EBADMSG);
		/* Of two modes one. */
		sa.tunnel = 1;
		assert_int_equal(chan_send(&a, MSG_SA_ADD, &sa, sizeof(sa), -1), 0);
		assert_int_equal(chan_recv(&b, &m), rows[i].ok ? 1 : -EBADMSG);
		sa.tunnel = 2;
		assert_int_equal(chan_send(&a, MSG_SA_ADD, &sa, sizeof(sa), -1), 0);
		assert_int_equal(chan_recv(&b, &m), -EBADMSG);
		sa.tunnel = 0;
		/* Both ways, and no third. */
		for (uint8_t raw = 1; raw <= 2; raw++) {
			sa.raw = raw;
			assert_int_equal(chan_send(&a, MSG_SA_ADD, &sa, sizeof(sa), -1), 0);
			assert_int_equal(chan_recv(&b, &m), rows[i].ok && raw < 2 ? 1 : -EBADMSG);
		}
	}
	chan_close(&a);
	chan_close(&b);
}

/* EAP on its way: a Response up, a Request down, whole, and a State that fits. */
static void t_eap(void **st)
{
	static struct msg_auth_req up;
	static struct msg_verdict down;
	struct chan a, b;
	int fd[2];

	assert_int_equal(chan_pair(fd), 0);
	chan_init(&a, fd[0], ROLE_ENGINE, ROLE_MANAGER, 0);
	chan_init(&b, fd[1], ROLE_MANAGER, ROLE_ENGINE, 0);
	for (unsigned i = 0; i < 10; i++) {
		struct eap_relay e = { .len = 6, .packet = { 2, 9, 0, 6, 13, 0 }, .state_len = 253, .counted = 1 };

		if (i == 1)
			e.len = 5;
		if (i == 2)
			e.len = EAP_MAX + 1;
		if (i == 3)
			e.state_len = 254;
		if (i == 4)
			e.counted = 2;
		if (i == 5)
			e.server.family = 5;
		if (i == 6)
			e.packet[0] ^= 3;
		if (i == 7)
			e.packet[2] = 1;
		if (i == 8)
			e.len = 0;
		if (i == 9)
			e.len = e.packet[3] = 4;
		up = (struct msg_auth_req){ .method = AUTH_EAP, .mtu = 1360, .eap = e };
		assert_int_equal(chan_send(&a, MSG_AUTH_REQ, &up, sizeof(up), -1), 0);
		assert_int_equal(chan_recv(&b, &m), i ? -EBADMSG : 1);
		e.packet[0] ^= 3;
		down = (struct msg_verdict){ .verdict = VERDICT_EAP, .eap = e };
		assert_int_equal(chan_send(&b, MSG_VERDICT, &down, sizeof(down), -1), 0);
		assert_int_equal(chan_recv(&a, &m), i ? -EBADMSG : 1);
		/* Where it is no matter it need be no packet, and fits all the same. */
		down.verdict = VERDICT_OWN_EAP;
		assert_int_equal(chan_send(&b, MSG_VERDICT, &down, sizeof(down), -1), 0);
		assert_int_equal(chan_recv(&a, &m), i >= 2 && i <= 5 ? -EBADMSG : 1);
	}
	down.verdict = VERDICT_OWN_EAP + 1;
	assert_int_equal(chan_send(&b, MSG_VERDICT, &down, sizeof(down), -1), 0);
	assert_int_equal(chan_recv(&a, &m), -EBADMSG);
	chan_close(&a);
	chan_close(&b);
}

/* A login by IKE, and its answer: what the other end would index or believe. */
static void t_xauth(void **st)
{
	struct msg_xauth_req good = {
		.local = addr_v4(0x0a000001, 4500), .peer = addr_v4(0x0a000002, 4500), .ike_id = "x", .user_len = 256,
		.password_len = 255,
	}, r;
	struct msg_xauth_done done = { .verdict = VERDICT_OK, .ip = 1 }, d;
	struct chan a, b;
	int fd[2];

	assert_int_equal(chan_pair(fd), 0);
	chan_init(&a, fd[0], ROLE_IKED, ROLE_ENGINE, 0);
	chan_init(&b, fd[1], ROLE_ENGINE, ROLE_IKED, 0);
	for (unsigned i = 0; i < 7; i++) {
		r = good;
		if (i == 1)
			r.user_len = 0;
		if (i == 2)
			r.user_len = 257;
		if (i == 3)
			r.local.family = 5;
		if (i == 4)
			r.peer.family = 5;
		if (i == 5)
			memset(r.ike_id, 'x', sizeof(r.ike_id));
		if (i == 6)
			r.user_len = 65535;
		assert_int_equal(chan_send(&a, MSG_XAUTH_REQ, &r, sizeof(r), -1), 0);
		assert_int_equal(chan_recv(&b, &m), i ? -EBADMSG : 1);
	}
	for (unsigned i = 0; i < 7; i++) {
		d = done;
		if (i == 1)
			d.verdict = 0;
		if (i == 2)
			d.verdict = VERDICT_REFUSE + 1;
		if (i == 3)
			d.ip = 0;
		if (i == 4)
			d.verdict = VERDICT_DENY;
		if (i == 5 || i == 6) {
			d.verdict = i == 5 ? VERDICT_DENY : VERDICT_REFUSE;
			d.ip = 0;
		}
		assert_int_equal(chan_send(&b, MSG_XAUTH_DONE, &d, sizeof(d), -1), 0);
		assert_int_equal(chan_recv(&a, &m), i > 0 && i < 5 ? -EBADMSG : 1);
	}
	/* Nobody else may say either. */
	assert_int_equal(chan_send(&b, MSG_XAUTH_REQ, &good, sizeof(good), -1), -EINVAL);
	assert_int_equal(chan_send(&a, MSG_XAUTH_DONE, &done, sizeof(done), -1), -EINVAL);
	chan_close(&a);
	chan_close(&b);
}

/* What a peer said before it died is still heard, although it left ours unread. */
static void t_chan_last_words(void **st)
{
	struct msg_flow flow = { .lineage = { 1, 2 } };
	struct chan a, b;
	int fd[2];

	assert_int_equal(chan_pair(fd), 0);
	chan_init(&a, fd[0], ROLE_IKED, ROLE_ENGINE, 0);
	chan_init(&b, fd[1], ROLE_ENGINE, ROLE_IKED, 0);
	assert_int_equal(chan_send(&b, MSG_FLOW_KILL, &flow, sizeof(flow), -1), 0);
	assert_int_equal(chan_send(&a, MSG_FLOW_END, &flow, sizeof(flow), -1), 0);
	chan_close(&a);
	assert_int_equal(chan_recv(&b, &m), 1);
	assert_int_equal(m.type, MSG_FLOW_END);
	assert_int_equal(chan_recv(&b, &m), -EPIPE);
	chan_close(&b);
}

static void t_chan_fd(void **st)
{
	struct chan a, b;
	int fd[2], p[2];
	struct msg_users u = { .auth = 0 };
	char c = 0;

	assert_int_equal(chan_pair(fd), 0);
	assert_int_equal(pipe(p), 0);
	chan_init(&a, fd[0], ROLE_PARENT, ROLE_AUTH, 0);
	chan_init(&b, fd[1], ROLE_AUTH, ROLE_PARENT, 0);
	assert_int_equal(chan_send(&a, MSG_USERS, &u, sizeof(u), -1), -EINVAL);
	assert_int_equal(chan_send(&a, MSG_USERS, &u, sizeof(u), p[0]), 0);
	assert_int_equal(chan_recv(&b, &m), 1);
	assert_true(m.fd >= 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(read(m.fd, &c, 1), 1);
	assert_int_equal(c, 'x');
	close(m.fd);
	close(p[0]);
	close(p[1]);
	chan_close(&a);
	chan_close(&b);
}

static void t_row(void **st)
{
	struct sess_row row = { 0 }, got;

	assert_false(row_read(&row, &got));
	row_write_begin(&row);
	row.state = ROW_UP;
	assert_false(row_read(&row, &got));	/* being written */
	memset(row.user, 'u', sizeof(row.user));
	row_write_end(&row);
	assert_true(row_read(&row, &got));
	assert_int_equal(strlen(got.user), sizeof(got.user) - 1);
}

static void t_rng(void **st)
{
	struct rng a, b;
	uint8_t x[40], y[40];

	rng_init_test(&a, 1);
	rng_init_test(&b, 1);
	rng_bytes(&a, x, sizeof(x));
	rng_bytes(&b, y, sizeof(y));
	assert_memory_equal(x, y, sizeof(x));
	rng_bytes(&a, y, sizeof(y));
	assert_memory_not_equal(x, y, sizeof(x));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_rd), cmocka_unit_test(t_wr), cmocka_unit_test(t_text),
		cmocka_unit_test(t_addr), cmocka_unit_test(t_spi), cmocka_unit_test(t_chan), cmocka_unit_test(t_reload_msgs),
		cmocka_unit_test(t_sa_add), cmocka_unit_test(t_eap), cmocka_unit_test(t_xauth),
		cmocka_unit_test(t_chan_fd), cmocka_unit_test(t_chan_last_words), cmocka_unit_test(t_row), cmocka_unit_test(t_rng),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
