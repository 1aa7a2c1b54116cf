/* SPDX-License-Identifier: GPL-2.0-or-later */
/* L2TP headers and whole control messages: what is taken, what is refused and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "l2tp_util.h"

/* A reader over exactly n bytes in memory of their own: a sanitizer sees one byte over. */
static struct rd exact(uint8_t **heap, const void *p, size_t n)
{
	*heap = malloc(n ? n : 1);
	assert_non_null(*heap);
	if (n)
		memcpy(*heap, p, n);
	return rd_of(*heap, n);
}

/* RFC 2661 3.1: of all 2^16 first words these are control, these data, and no other. */
static void t_flags(void **st)
{
	uint8_t c[12] = { 0, 0, 0, 12, 0, 1, 0, 2, 0, 3, 0, 4 }, d[16] = { 0 };
	struct l2tp_hdr h;
	struct l2tp_data data;

	for (unsigned w = 0; w < 65536; w++) {
		bool t = w & 0x8000, l = w & 0x4000, s = w & 0x0800, o = w & 0x0200, p = w & 0x0100;
		bool v2 = (w & 15) == 2;
		struct rd r;

		c[0] = d[0] = (uint8_t)(w >> 8);
		c[1] = d[1] = (uint8_t)w;
		r = rd_of(c, sizeof(c));
		assert_int_equal(l2tp_is_control(r), t);
		if (l2tp_hdr_parse(r, &h) != (t && l && s && !o && !p && v2))
			fail_msg("control %04x", w);
		/* With L the length is 16; without, the same place is the tunnel's id. */
		d[3] = 16;
		r = rd_of(d, sizeof(d));
		if (l2tp_data_parse(&r, &data) != (!t && v2))
			fail_msg("data %04x", w);
	}
	assert_false(l2tp_is_control(rd_of(NULL, 0)));
}

static void t_control_header(void **st)
{
	static const struct {
		const char *what;
		bool ok;
		size_t body;
		const char *bytes;
	} rows[] = {
		{ "ZLB", true, 0, "c802 000c 0001 0002 0003 0004" },
		{ "octets behind the length are not ours", true, 0, "c802 000c 0001 0002 0003 0004 ffff" },
		{ "reserved bits are ignored", true, 0, "fcf2 000c 0001 0002 0003 0004" },
		{ "body", true, 8, "c802 0014 0001 0002 0003 0004 8008 0000 0000 0006" },
		{ "empty", false, 0, "" },
		{ "one octet", false, 0, "c8" },
		{ "length 0", false, 0, "c802 0000 0001 0002 0003 0004" },
		{ "length below the header", false, 0, "c802 000b 0001 0002 0003 0004" },
		{ "length above the datagram", false, 0, "c802 000d 0001 0002 0003 0004" },
		{ "length 65535", false, 0, "c802 ffff 0001 0002 0003 0004" },
		{ "cut", false, 0, "c802 000c 0001 0002 0003 00" },
		{ "L2TPv3", false, 0, "c803 000c 0001 0002 0003 0004" },
		{ "L2F", false, 0, "c801 000c 0001 0002 0003 0004" },
		{ "version 0", false, 0, "c800 000c 0001 0002 0003 0004" },
		{ "offset bit", false, 0, "ca02 000e 0001 0002 0003 0004 0000" },
		{ "priority bit", false, 0, "c902 000c 0001 0002 0003 0004" },
		{ "no length", false, 0, "8802 0001 0002 0003 0004 0000" },
		{ "no sequence", false, 0, "c002 000c 0001 0002 0003 0004" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint8_t buf[64], *heap;
		struct rd r = exact(&heap, buf, hex(rows[i].bytes, buf, sizeof(buf)));
		struct l2tp_hdr h;

		if (l2tp_hdr_parse(r, &h) != rows[i].ok)
			fail_msg("%s", rows[i].what);
		if (rows[i].ok) {
			assert_int_equal(h.tunnel, 1);
			assert_int_equal(h.session, 2);
			assert_int_equal(h.ns, 3);
			assert_int_equal(h.nr, 4);
			assert_int_equal(h.body.n, rows[i].body);
		}
		free(heap);
	}
}

static void t_data_header(void **st)
{
	static const struct {
		const char *what;
		bool ok;
		int ns;			/* -1: none */
		const char *payload, *bytes;
	} rows[] = {
		{ "plain", true, -1, "ff03c021", "0002 0001 0002 ff03c021" },
		{ "no payload", true, -1, "", "0002 0001 0002" },
		{ "length", true, -1, "aa", "4002 0009 0001 0002 aa" },
		{ "length cuts", true, -1, "aa", "4002 0009 0001 0002 aabbcc" },
		{ "priority and reserved bits", true, -1, "aa", "35f2 0001 0002 aa" },
		{ "sequence", true, 7, "aa", "0802 0001 0002 0007 ffff aa" },
		{ "offset 0", true, -1, "aa", "0202 0001 0002 0000 aa" },
		{ "offset 2", true, -1, "aa", "0202 0001 0002 0002 ffff aa" },
		{ "offset to the end", true, -1, "", "0202 0001 0002 0002 ffff" },
		{ "all", true, 7, "aa", "4a02 0011 0001 0002 0007 0000 0002 ffff aa bb" },
		{ "offset past the end", false, 0, "", "0202 0001 0002 0003 ffff" },
		{ "offset 65535", false, 0, "", "0202 0001 0002 ffff aabb" },
		{ "offset past the length, not the datagram", false, 0, "", "4202 000c 0001 0002 0003 ffff aa" },
		{ "offset field missing", false, 0, "", "0202 0001 0002 00" },
		{ "sequence field missing", false, 0, "", "0802 0001 0002 0007 00" },
		{ "length above the datagram", false, 0, "", "4002 000a 0001 0002 aa" },
		{ "length 0", false, 0, "", "4002 0000 0001 0002 aa" },
		{ "length 3", false, 0, "", "4002 0003 0001 0002 aa" },
		{ "length 7", false, 0, "", "4002 0007 0001 0002 aa" },
		{ "length field missing", false, 0, "", "4002 00" },
		{ "session id cut", false, 0, "", "0002 0001 00" },
		{ "empty", false, 0, "", "" },
		{ "control", false, 0, "", "c802 000c 0001 0002 0003 0004" },
		{ "version 3", false, 0, "", "0003 0001 0002 aa" },
		{ "version 1", false, 0, "", "0001 0001 0002 aa" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint8_t buf[64], want[64], *heap;
		size_t n = hex(rows[i].bytes, buf, sizeof(buf));
		struct rd r = exact(&heap, buf, n);
		struct l2tp_data d;

		if (l2tp_data_parse(&r, &d) != rows[i].ok)
			fail_msg("%s", rows[i].what);
		if (!rows[i].ok) {
			assert_int_equal(r.n, n);	/* untouched */
			assert_false(r.bad);
		} else {
			size_t k = hex(rows[i].payload, want, sizeof(want));

			assert_int_equal(d.tunnel, 1);
			assert_int_equal(d.session, 2);
			assert_int_equal(d.sequenced, rows[i].ns >= 0);
			if (rows[i].ns >= 0)
				assert_int_equal(d.ns, rows[i].ns);
			if (r.n != k || memcmp(r.p, want, k))
				fail_msg("payload: %s", rows[i].what);
		}
		free(heap);
	}
}

static void t_data_write(void **st)
{
	uint8_t buf[L2TP_DATA_HEADER];
	struct l2tp_data d;
	struct rd r;

	assert_int_equal(l2tp_data_header(buf, 0x1234, 0xabcd), 6);
	assert_memory_equal(buf, "\x00\x02\x12\x34\xab\xcd", 6);
	r = rd_of(buf, sizeof(buf));
	assert_true(l2tp_data_parse(&r, &d));
	assert_int_equal(d.tunnel, 0x1234);
	assert_int_equal(d.session, 0xabcd);
}

static enum l2tp_parse parse(const char *avps, struct l2tp_msg *m, uint8_t **heap)
{
	uint8_t buf[2048];

	return l2tp_msg_parse(exact(heap, buf, hex(avps, buf, sizeof(buf))), m);
}

#define PART MT(01) VER10 FRAMING TID(0007)	/* an SCCRQ without its name */

/* RFC 2661 4.1, 4.2, 7.1: each of these ends its tunnel or its call with this Error Code. */
static void t_bad(void **st)
{
	static const struct {
		const char *why;
		unsigned type, error;
		const char *avps;
	} rows[] = {
		{ "no AVP fits", 0, 3, "80" },
		{ "Message Type is not first", 0, 3, VER10 MT(01) HOST FRAMING TID(0007) },
		{ "Message Type hidden", 0, 3, "c008 0000 0000 0001" },
		{ "Message Type with a reserved bit", 0, 3, "8408 0000 0000 0001" },
		{ "Message Type of a vendor", 0, 3, "8008 0001 0000 0001" },
		{ "Message Type of one octet", 0, 3, "8007 0000 0000 01" },
		{ "Message Type of three", 0, 3, "8009 0000 0000 000001" },
		{ "Message Type without value", 0, 3, "8006 0000 0000" },
		{ "message type 0", 0, 8, MT(00) },
		{ "message type 5", 0, 8, MT(05) },
		{ "message type 13", 0, 8, MT(0d) },
		{ "message type 17", 0, 8, MT(11) },
		{ "message type 65535", 0, 8, "8008 0000 0000 ffff" },
		{ "AVP of length 0", 1, 2, M_SCCRQ(0007) "8000 0000 0007" },
		{ "AVP of length 5", 1, 2, M_SCCRQ(0007) "8005 0000 0007" },
		{ "AVP past the end", 1, 2, M_SCCRQ(0007) "8009 0000 000a 0004" },
		{ "AVP of 1023 octets, eight there", 1, 2, M_SCCRQ(0007) "83ff 0000 0007 6162" },
		{ "AVP past the end, M=0", 1, 2, M_SCCRQ(0007) "0009 0000 000a 0004" },
		{ "one octet too many", 1, 2, M_SCCRQ(0007) "00" },
		{ "unknown AVP, M", 1, 8, M_SCCRQ(0007) "8006 0000 0030" },
		{ "vendor's AVP, M", 1, 8, M_SCCRQ(0007) "8008 0137 0001 0001" },
		{ "reserved bit, M", 1, 8, M_SCCRQ(0007) "a008 0000 000a 0004" },
		{ "hidden, M", 1, 8, M_SCCRQ(0007) "c008 0000 000a 1234" },
		{ "hidden after a Random Vector, M", 1, 8,
			M_SCCRQ(0007) "8016 0000 0024 00112233445566778899aabbccddeeff c008 0000 000a 1234" },
		{ "hidden after an empty Random Vector", 1, 8,
			M_SCCRQ(0007) "8006 0000 0024 c008 0000 000a 1234" },
		{ "hidden Assigned Tunnel ID", 1, 8,
			MT(01) VER10 HOST FRAMING "c00c 0000 0009 000200000000" },
		{ "no Protocol Version", 1, 3, MT(01) HOST FRAMING TID(0007) },
		{ "no Host Name", 1, 3, PART },
		{ "no Framing Capabilities", 1, 3, MT(01) VER10 HOST TID(0007) },
		{ "no Assigned Tunnel ID", 1, 3, MT(01) VER10 HOST FRAMING },
		{ "Assigned Tunnel ID 0", 1, 3, M_SCCRQ(0000) },
		{ "Assigned Tunnel ID of one octet", 1, 2, MT(01) VER10 HOST FRAMING "8007 0000 0009 07" },
		{ "Assigned Tunnel ID of three", 1, 2, MT(01) VER10 HOST FRAMING "8009 0000 0009 000007" },
		{ "Receive Window Size 0", 1, 3, M_SCCRQ(0007) RWS(0000) },
		{ "Receive Window Size of one octet", 1, 2, M_SCCRQ(0007) "8007 0000 000a 04" },
		{ "Host Name of no octet", 1, 2, PART "8006 0000 0007" },
		{ "Challenge of no octet", 1, 2, M_SCCRQ(0007) "8006 0000 000b" },
		{ "Challenge Response of 15", 3, 2, MT(03) "8015 0000 000d 000102030405060708090a0b0c0d0e" },
		{ "ICRQ without Assigned Session ID", 10, 3, MT(0a) SERIAL },
		{ "ICRQ with session 0", 10, 3, M_ICRQ(0000) },
		{ "ICRQ without Call Serial Number", 10, 3, MT(0a) SID(0001) },
		{ "ICRP without Assigned Session ID", 11, 3, MT(0b) },
		{ "ICCN without Tx Connect Speed", 12, 3, MT(0c) FTYPE },
		{ "ICCN without Framing Type", 12, 3, MT(0c) TX },
		{ "ICCN, Sequencing Required with a value", 12, 2, M_ICCN "8007 0000 0027 00" },
		{ "WEN, Call Errors too short", 15, 2, MT(0f) "8008 0000 0022 0000" },
		{ "SLI, ACCM too long", 16, 2, MT(10) "8011 0000 0023 0000000000000000000000" },
		{ "HELLO, unknown AVP, M", 6, 8, MT(06) "8006 0000 00ff" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct l2tp_msg m;
		uint8_t *heap;

		if (parse(rows[i].avps, &m, &heap) != L2TP_PARSE_BAD || m.bad != rows[i].error ||
		    m.type != rows[i].type || !m.bad_text[0])
			fail_msg("%s: type %u error %u %s", rows[i].why, m.type, m.bad, m.bad_text);
		free(heap);
	}
}

static void t_good(void **st)
{
	static const struct {
		const char *why;
		const char *avps;
	} rows[] = {
		{ "least SCCRQ", M_SCCRQ(0007) },
		{ "unknown AVP, M=0", M_SCCRQ(0007) "0007 0000 0030 00" },
		{ "vendor's AVP, M=0", M_SCCRQ(0007) "0008 0137 0001 0001" },
		{ "reserved bit, M=0", M_SCCRQ(0007) "2008 0000 000a 0000" },
		{ "hidden, M=0", M_SCCRQ(0007) "400a 0000 0006 00000000" },
		{ "bad length, M=0", M_SCCRQ(0007) "0007 0000 000a 04" },
		{ "bad value, M=0", M_SCCRQ(0007) "0008 0000 000a 0000" },
		{ "an AVP of another message, M", M_SCCRQ(0007) SID(0000) },
		{ "one of two is bad: the first counts", M_SCCRQ(0007) TID(0000) },
		{ "Random Vector, nothing hidden", M_SCCRQ(0007) "8008 0000 0024 abcd" },
		{ "Challenge", M_SCCRQ(0007) "8008 0000 000b abcd" },
		{ "Tie Breaker", M_SCCRQ(0007) "000e 0000 0005 0001020304050607" },
		{ "Rx Connect Speed with M", M_ICCN "800a 0000 0026 000f4240" },
		{ "Rx Connect Speed of two octets (7.1)", M_ICCN "0008 0000 0026 0f42" },
		{ "Physical Channel ID with M", M_ICRQ(0001) "800a 0000 0019 00000000" },
		{ "Message Type without M", "0008 0000 0000 0006" },
		{ "OCRQ with the least", M_OCRQ(0001) },
		{ "CDN with RFC 3145", M_CDN(0001) "000b 0000 002e 0001000000" },
		{ "StopCCN with all wrong", MT(04) "8006 0000 0001 8006 0000 0009 8006 0099 0001" },
		{ "StopCCN cut", MT(04) "8009 0000" },
		{ "CDN empty", MT(0e) },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct l2tp_msg m;
		uint8_t *heap;

		if (parse(rows[i].avps, &m, &heap) != L2TP_PARSE_OK || m.bad)
			fail_msg("%s: error %u %s", rows[i].why, m.bad, m.bad_text);
		if (m.type == L2TP_SCCRQ)
			assert_int_equal(m.tunnel, 7);
		free(heap);
	}
}

/* 4.4.1: an unknown type without M may be ignored. */
static void t_ignored(void **st)
{
	struct l2tp_msg m;
	uint8_t *heap;

	assert_int_equal(parse("0008 0000 0000 0011 8006 0001 0002", &m, &heap), L2TP_PARSE_IGNORE);
	free(heap);
}

/* 4.4.2, and what clients make of it. */
static void t_result(void **st)
{
	static const struct {
		const char *who, *avps;
		unsigned result, error;
		const char *text;
	} rows[] = {
		{ "without Error Code", MT(04) TID(0007) RESULT(0001), 1, 0, "" },
		{ "with Error Code", MT(04) TID(0007) RESULT_ERR(0002, 0006), 2, 6, "" },
		{ "with a message", MT(04) TID(0007) "800d 0000 0001 00020008 616263", 2, 8, "abc" },
		{ "half an Error Code", MT(04) TID(0007) "8009 0000 0001 000100", 1, 0, NULL },
		{ "Apple: length 14 for 2, own byte order", MT(04) TID(0007) "800e 0000 0001 0100 deadbeef4142",
			1, 0, "" },
		{ "Apple, CDN", MT(0e) SID(0001) "800e 0000 0001 0300 deadbeef4142", 3, 0, "" },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct l2tp_msg m;
		uint8_t *heap;

		assert_int_equal(parse(rows[i].avps, &m, &heap), L2TP_PARSE_OK);
		if (m.result != rows[i].result || m.error != rows[i].error)
			fail_msg("%s: %u %u", rows[i].who, m.result, m.error);
		if (rows[i].text && (m.error_text.n != strlen(rows[i].text) ||
				     (m.error_text.n && memcmp(m.error_text.p, rows[i].text, m.error_text.n))))
			fail_msg("text: %s", rows[i].who);
		free(heap);
	}
}

/* Every message cut at every octet: nothing is read past its end, and the only
 * cuts that are taken are those that leave the required AVPs. */
static void t_truncation(void **st)
{
	static const struct {
		const char *avps;
		size_t least;		/* octets that hold all that is required */
	} rows[] = {
		{ M_SCCRQ(0007) RWS(0004) "8008 0000 000b abcd", 41 },
		{ M_SCCRP(0007) RWS(0004), 41 },
		{ M_ICRQ(0001) "800a 0000 0012 00000001", 26 },
		{ M_ICCN "000a 0000 0026 000f4240", 28 },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		uint8_t buf[256];
		size_t n = hex(rows[i].avps, buf, sizeof(buf));

		for (size_t k = 0; k <= n; k++) {
			uint8_t *heap;
			struct l2tp_msg m;
			struct rd whole = rd_of(buf, n), r = exact(&heap, buf, k);
			bool edge = false;

			for (struct avp a; whole.n && avp_next(&whole, &a);)
				edge |= n - whole.n == k;
			if ((l2tp_msg_parse(r, &m) == L2TP_PARSE_OK) != (edge && k >= rows[i].least))
				fail_msg("message %zu cut at %zu", i, k);
			free(heap);
		}
	}
}

/* What we write is what we read. */
static void t_round_trip(void **st)
{
	uint8_t buf[512], want[512];
	struct wr w = wr_of(buf, sizeof(buf));
	struct l2tp_msg m = {
		.type = L2TP_SCCRP,
		.has = 1ull << AVP_PROTOCOL_VERSION | 1ull << AVP_FRAMING_CAPABILITIES |
		       1ull << AVP_HOST_NAME | 1ull << AVP_ASSIGNED_TUNNEL_ID |
		       1ull << AVP_RECEIVE_WINDOW_SIZE | 1ull << AVP_FIRMWARE_REVISION |
		       1ull << AVP_VENDOR_NAME,
		.version = 0x0100, .framing_capabilities = 3, .tunnel = 0x1234, .rws = 8, .firmware = 1,
		.host_name = rd_of("host", 4), .vendor_name = rd_of("ven", 3),
	};
	struct l2tp_msg got;
	size_t n = hex(MT(02) VER10 FRAMING "800a 0000 0007 686f7374" TID(1234) RWS(0008)
		"0008 0000 0006 0001" "0009 0000 0008 76656e", want, sizeof(want));

	l2tp_msg_write(&w, &m);
	assert_false(w.bad);
	assert_int_equal(w.len, n);
	assert_memory_equal(buf, want, n);
	assert_int_equal(l2tp_msg_parse(rd_of(buf, w.len), &got), L2TP_PARSE_OK);
	assert_int_equal(got.has, m.has);
	assert_int_equal(got.tunnel, 0x1234);
	assert_int_equal(got.vendor_name.n, 3);

	w = wr_of(buf, sizeof(buf));
	m = (struct l2tp_msg){
		.type = L2TP_CDN, .has = 1ull << AVP_RESULT_CODE | 1ull << AVP_ASSIGNED_SESSION_ID,
		.result = 2, .error = 8, .error_text = rd_of("why", 3), .session = 9,
	};
	l2tp_msg_write(&w, &m);
	n = hex(MT(0e) "800d 0000 0001 00020008 776879" SID(0009), want, sizeof(want));
	assert_int_equal(w.len, n);
	assert_memory_equal(buf, want, n);

	w = wr_of(buf, sizeof(buf));
	m.type = 5;
	l2tp_msg_write(&w, &m);
	assert_true(w.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_flags), cmocka_unit_test(t_control_header),
		cmocka_unit_test(t_data_header), cmocka_unit_test(t_data_write),
		cmocka_unit_test(t_bad), cmocka_unit_test(t_good), cmocka_unit_test(t_ignored),
		cmocka_unit_test(t_result), cmocka_unit_test(t_truncation),
		cmocka_unit_test(t_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
