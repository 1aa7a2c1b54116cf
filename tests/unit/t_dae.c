/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFC 5176: which requests are read, what each asks for or why it is refused, what the answer
 * looks like; what culvert-radius does with those that come to its sockets, over loopback; and
 * which sessions the manager ends or changes.  Requests are made here, by another hand than the reader's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "l2tpd/acct.h"
#include "l2tpd/dae.h"
#include "l2tpd/manager.h"

#define SECRET "kiwi # jinx"

enum { NOW = 1800000000, ID = 77 };

static const struct conf_dae_client strict = { .secret = SECRET, .message_authenticator = true, .event_timestamp = true };
static const struct conf_dae_client lax = { .secret = SECRET };

/* ---- a client ---- */

static uint8_t pkt[RAD_MAX];
static size_t n_pkt;

static void hash(const uint8_t *a, size_t n, uint8_t ret[static 16])
{
	uint8_t all[RAD_MAX + sizeof(SECRET)];

	memcpy(all, a, n);
	memcpy(all + n, SECRET, strlen(SECRET));
	assert_int_equal(EVP_Digest(all, n + strlen(SECRET), ret, NULL, EVP_md5(), NULL), 1);
}

static void sign(void)
{
	unsigned len = 16;

	memset(pkt + 4, 0, 16);
	for (size_t at = 20; at + 18 <= n_pkt && pkt[at + 1] >= 2; at += pkt[at + 1]) {
		if (pkt[at] == 80 && pkt[at + 1] == 18) {
			memset(pkt + at + 2, 0, 16);
			assert_non_null(HMAC(EVP_md5(), SECRET, strlen(SECRET), pkt, n_pkt, pkt + at + 2, &len));
			break;
		}
	}
	hash(pkt, n_pkt, pkt + 4);
}

static void add(uint8_t type, const void *val, size_t n)
{
	pkt[n_pkt++] = type;
	pkt[n_pkt++] = (uint8_t)(n + 2);
	memcpy(pkt + n_pkt, val, n);
	n_pkt += n;
	pkt[2] = (uint8_t)(n_pkt >> 8);
	pkt[3] = (uint8_t)n_pkt;
}

static void add_u32(uint8_t type, uint32_t v)
{
	const uint8_t b[] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	add(type, b, sizeof(b));
}

/* The code, Message-Authenticator and Event-Timestamp (0: none), then attributes as hexadecimal digits. */
static void make(uint8_t code, bool signed_, uint32_t stamp, const char *hex)
{
	static const uint8_t zeros[16];
	unsigned byte;

	memset(pkt, 0, 20);
	pkt[0] = code;
	pkt[1] = ID;
	n_pkt = 20;
	pkt[3] = 20;
	if (signed_)
		add(80, zeros, sizeof(zeros));
	if (stamp)
		add_u32(55, stamp);
	for (; *hex; hex += strspn(hex + 2, " ") + 2) {
		assert_int_equal(sscanf(hex, "%2x", &byte), 1);
		pkt[n_pkt++] = (uint8_t)byte;
	}
	pkt[2] = (uint8_t)(n_pkt >> 8);
	pkt[3] = (uint8_t)n_pkt;
	sign();
}

#define JOE "01 05 6a 6f 65 "			/* User-Name joe */

/* ---- may it be read? ---- */

static enum dae_check check(const struct conf_dae_client *c)
{
	return dae_check(rd_of(pkt, n_pkt), c, NOW, NOW - 10000);
}

static void t_check(void **st)
{
	static const struct {
		uint8_t code;
		bool signed_;
		uint32_t stamp;
		const char *attrs;
		enum dae_check strict, lax;
	} rows[] = {
		{ 40, true, NOW, JOE, DAE_GOOD, DAE_GOOD },
		{ 43, true, NOW, JOE, DAE_GOOD, DAE_GOOD },
		{ 40, true, NOW - 300, JOE, DAE_GOOD, DAE_GOOD },
		{ 40, true, NOW + 300, JOE, DAE_GOOD, DAE_GOOD },
		{ 40, true, NOW - 301, JOE, DAE_STALE, DAE_STALE },
		{ 40, true, NOW + 301, JOE, DAE_STALE, DAE_STALE },
		{ 40, false, NOW - 301, JOE, DAE_UNSIGNED, DAE_STALE },
		{ 40, false, NOW, JOE, DAE_UNSIGNED, DAE_GOOD },
		{ 40, true, 0, JOE, DAE_UNDATED, DAE_GOOD },
		{ 40, false, 0, JOE, DAE_UNSIGNED, DAE_GOOD },
		{ 40, true, NOW, JOE "37 06 6b 49 d2 00", DAE_MALFORMED, DAE_MALFORMED },	/* two times */
		{ 40, true, 0, JOE "37 05 6b 49 d2", DAE_MALFORMED, DAE_MALFORMED },
		{ 40, true, NOW, JOE "50 12 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", DAE_FORGED, DAE_FORGED },	/* two */
		{ 40, false, NOW, JOE "50 11 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", DAE_FORGED, DAE_FORGED },
		{ 40, true, NOW, JOE "01", DAE_MALFORMED, DAE_MALFORMED },
		{ 40, true, NOW, JOE "01 01", DAE_MALFORMED, DAE_MALFORMED },
		{ 40, true, NOW, JOE "01 07 6a 6f 65", DAE_MALFORMED, DAE_MALFORMED },
		{ 40, true, NOW, JOE "00 03 6a", DAE_MALFORMED, DAE_MALFORMED },
		/* what is no request of RFC 5176 */
		{ 1, true, NOW, JOE, DAE_MALFORMED, DAE_MALFORMED }, { 4, true, NOW, JOE, DAE_MALFORMED, DAE_MALFORMED },
		{ 41, true, NOW, JOE, DAE_MALFORMED, DAE_MALFORMED }, { 42, true, NOW, JOE, DAE_MALFORMED, DAE_MALFORMED },
		{ 44, true, NOW, JOE, DAE_MALFORMED, DAE_MALFORMED }, { 45, true, NOW, JOE, DAE_MALFORMED, DAE_MALFORMED },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		make(rows[i].code, rows[i].signed_, rows[i].stamp, rows[i].attrs);
		if (check(&strict) != rows[i].strict || check(&lax) != rows[i].lax)
			fail_msg("row %zu: %u, %u", i, check(&strict), check(&lax));
	}
	/* from before this process began to remember */
	make(40, true, NOW - 100, JOE);
	assert_int_equal(dae_check(rd_of(pkt, n_pkt), &strict, NOW, NOW - 100), DAE_GOOD);
	assert_int_equal(dae_check(rd_of(pkt, n_pkt), &strict, NOW, NOW - 99), DAE_STALE);

	/* every bit counts, and so does every length */
	make(40, true, NOW, JOE);
	for (size_t bit = 0; bit < n_pkt * 8; bit++) {
		pkt[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (check(&lax) == DAE_GOOD)
			fail_msg("bit %zu", bit);
		pkt[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t n = 0; n < n_pkt; n++)
		assert_int_equal(dae_check(rd_of(pkt, n), &lax, NOW, 0), DAE_MALFORMED);
	/* padding does not count, RFC 5176 2.3 */
	assert_int_equal(dae_check(rd_of(pkt, n_pkt + 7), &strict, NOW, 0), DAE_GOOD);
	/* the authenticator is right, the Message-Authenticator is not */
	pkt[22] ^= 1;
	memset(pkt + 4, 0, 16);
	hash(pkt, n_pkt, pkt + 4);
	assert_int_equal(check(&lax), DAE_FORGED);
}

/* ---- what does it ask for? ---- */

#define HOST "20 05 76 70 6e "			/* NAS-Identifier vpn */

static struct addr own[2];

static enum dae_cause read_(uint8_t code, const char *attrs, struct msg_dae *ret)
{
	struct dae_nas nas = { .addr = own, .n_addr = 2, .id = "vpn" };

	own[0] = addr_v4(0xc0000201, 0);
	assert_true(addr_parse("2001:db8::1", 0, &own[1]));
	make(code, true, NOW, attrs);
	assert_int_equal(check(&strict), DAE_GOOD);
	return dae_read(rd_of(pkt, n_pkt), &nas, ret);
}

#define UP "1a 0c 00 00 37 2a 07 06 00 1e 84 80"			/* WISPr-Bandwidth-Max-Up = 2000000 */
#define BOTH "1a 0d 00 00 3a 8c 08 07 31 4d 2f 32 4d"		/* Mikrotik-Rate-Limit = "1M/2M" */

static void t_read(void **st)
{
	static const struct {
		const char *attrs;
		enum dae_cause disconnect, coa;
	} rows[] = {
		/* who is meant; a CoA must say what is to change, too */
		{ JOE, 0, 402 }, { "05 06 00 00 00 07", 0, 402 }, { "08 06 0a 00 00 07", 0, 402 }, { "1f 03 78", 0, 402 },
		{ "2c 03 78", 0, 402 }, { HOST JOE, 0, 402 }, { "04 06 c0 00 02 01" JOE, 0, 402 },
		{ "5f 12 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 01" JOE, 0, 402 },
		{ JOE "21 03 78 21 03 79", 0, 402 },			/* Proxy-State */
		/* nobody is */
		{ "", 402, 402 }, { HOST, 402, 402 }, { "04 06 c0 00 02 01", 402, 402 }, { "1b 06 00 00 00 07", 401, 402 },
		/* another server is */
		{ "20 05 76 70 6d" JOE, 403, 403 }, { "20 04 76 70" JOE, 403, 403 }, { "04 06 c0 00 02 02" JOE, 403, 403 },
		{ HOST "04 06 c0 00 02 02" JOE, 403, 403 },
		{ "5f 12 20 01 0d b8 00 00 00 00 00 00 00 00 00 00 00 02" JOE, 403, 403 },
		/* malformed */
		{ "01 02", 404, 404 }, { JOE JOE, 404, 404 }, { "05 05 00 00 07", 404, 404 }, { "08 07 0a 00 00 07 00", 404, 404 },
		{ "1f 02", 404, 404 }, { "2c 02", 404, 404 }, { "04 05 c0 00 02" JOE, 404, 404 },
		{ "5f 06 20 01 0d b8" JOE, 404, 404 }, { JOE "19 02", 404, 404 }, { JOE "1b 05 00 00 07", 401, 404 },
		{ JOE "1c 02", 401, 404 }, { JOE "55 02", 401, 404 }, { JOE "0b 02", 401, 404 },
		{ JOE "1b 06 00 00 00 07 1b 06 00 00 00 08", 401, 404 }, { JOE "06 05 00 00 02", 401, 404 },
		{ JOE "18 03 78 18 03 79", 401, 404 },			/* two States */
		/* what can change */
		{ JOE "1b 06 00 00 00 07", 401, 0 }, { JOE "1c 06 00 00 00 07", 401, 0 }, { JOE "55 06 00 00 00 3c", 401, 0 },
		{ JOE "0b 03 78", 401, 0 }, { JOE "19 03 78", 0, 0 }, { JOE "19 03 78 19 03 79", 0, 0 },
		{ JOE "18 03 78 1b 06 00 00 00 07", 401, 0 },		/* with a State */
		{ JOE "06 06 00 00 00 02 07 06 00 00 00 01 1b 06 00 00 00 07", 401, 0 },	/* Framed, PPP */
		{ JOE "31 06 00 00 00 06", 0, 401 },			/* Acct-Terminate-Cause */
		{ JOE UP "1a 0c 00 00 37 2a 08 06 00 3d 09 00", 401, 0 }, { JOE UP UP, 401, 0 }, { JOE BOTH, 401, 0 },
		/* limits that are none, of two values, with something else beside them */
		{ JOE "1a 06 00 00 37 2a", 401, 404 }, { JOE "1a 05 00 00 37", 401, 404 },
		{ JOE "1a 0c 00 00 37 2a 07 07 00 1e 84 80", 401, 404 }, { JOE "1a 0b 00 00 37 2a 07 05 00 1e 84", 401, 407 },
		{ JOE UP "1a 0c 00 00 37 2a 07 06 00 1e 84 81", 401, 407 }, { JOE "1a 09 00 00 3a 8c 08 03 78", 401, 407 },
		{ JOE BOTH "1a 0b 00 00 3a 8c 08 05 31 2f 31", 401, 407 },
		{ JOE "1a 12 00 00 37 2a 07 06 00 1e 84 80 04 06 00 00 00 01", 401, 401 },
		/* and what cannot: tunnels, an address, a message, EAP, what a vendor says, what nobody knows */
		{ JOE "09 06 ff ff ff ff", 401, 401 }, { JOE "12 03 78", 401, 401 }, { JOE "16 03 78", 401, 401 },
		{ JOE "1d 06 00 00 00 01", 401, 401 }, { JOE "1e 03 78", 401, 401 }, { JOE "32 03 78", 401, 401 },
		{ JOE "3d 06 00 00 00 05", 401, 401 }, { JOE "40 06 00 00 00 03", 401, 401 }, { JOE "4f 03 78", 401, 401 },
		{ JOE "57 03 78", 401, 401 }, { JOE "59 03 78", 401, 401 }, { JOE "5c 03 78", 401, 401 }, { JOE "ff 03 78", 401, 401 },
		{ JOE "1a 0c 00 00 3a 8c 07 06 00 00 10 00", 401, 401 }, { JOE "65 06 00 00 01 f7", 401, 401 },
		{ "1b 06 00 00 00 07 f0 03 78" JOE, 401, 401 },
		/* values that are none */
		{ JOE "31 06 00 00 00 01", 407, 401 }, { JOE "07 06 00 00 00 02 1b 06 00 00 00 07", 401, 407 },
		{ JOE "0b 03 00", 401, 407 },
		{ JOE "0b 42 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 "
		  "78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78 78", 401, 407 },
		/* RFC 5176 3.2: Authorize Only, and what else it needs or may not have; other services */
		{ JOE "06 06 00 00 00 11 18 03 78", 401, 405 }, { JOE "18 03 78 06 06 00 00 00 11", 401, 405 },
		{ JOE "06 06 00 00 00 11", 401, 402 }, { JOE "06 06 00 00 00 11 18 03 78 1b 06 00 00 00 07", 401, 401 },
		{ JOE "06 06 00 00 00 11 18 03 78 12 03 78", 401, 401 }, { JOE "06 06 00 00 00 01 1b 06 00 00 00 07", 401, 405 },
		{ "20 03 78" JOE "06 06 00 00 00 11 18 03 78", 403, 403 },
	};
	static const uint8_t many[200] = { 1 };
	struct msg_dae m;

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		enum dae_cause d = read_(40, rows[i].attrs, &m), c = read_(43, rows[i].attrs, &m);

		if (d != rows[i].disconnect || c != rows[i].coa)
			fail_msg("row %zu, %s: %u, %u", i, rows[i].attrs, d, c);
	}

	assert_int_equal(read_(40, JOE "05 06 00 00 00 07 08 06 0a 00 00 07 1f 03 78 2c 03 79", &m), 0);
	assert_int_equal(m.kind, DAE_DISCONNECT);
	assert_int_equal(m.by, DAE_BY_ALL);
	assert_int_equal(m.gives, 0);
	assert_int_equal(m.port, 7);
	assert_int_equal(m.ip, 0x0a000007);
	assert_true(m.user_len == 3 && !memcmp(m.user, "joe", 3) && m.calling_len == 1 && m.calling[0] == 'x' &&
		    m.acct_len == 1 && m.acct[0] == 'y');

	assert_int_equal(read_(43, JOE "1b 06 00 00 01 00 1c 06 00 00 02 00 55 06 00 00 03 00 0b 03 66 19 03 78 19 04 79 7a", &m), 0);
	assert_int_equal(m.kind, DAE_COA);
	assert_int_equal(m.by, DAE_BY_USER);
	assert_int_equal(m.gives, SAYS_SESSION_TIMEOUT | SAYS_IDLE_TIMEOUT | SAYS_INTERIM | SAYS_FILTER | SAYS_CLASS);
	assert_int_equal(m.session_timeout_s, 256);
	assert_int_equal(m.says.idle_timeout_s, 512);
	assert_int_equal(m.says.interim_s, 768);
	assert_string_equal(m.says.filter, "f");
	assert_int_equal(m.says.class_len, 5);
	assert_memory_equal(m.says.classes, "\x01x\x02yz", 5);

	assert_int_equal(read_(43, JOE UP, &m), 0);
	assert_int_equal(m.gives, SAYS_RATE_IN);
	assert_int_equal(m.says.rate_in_bps, 2000000);
	assert_int_equal(read_(43, JOE BOTH, &m), 0);
	assert_int_equal(m.gives, SAYS_RATE_IN | SAYS_RATE_OUT);
	assert_int_equal(m.says.rate_in_bps, 1000000);
	assert_int_equal(m.says.rate_out_bps, 2000000);
	/* the lower one, and 0 is no limit */
	assert_int_equal(read_(43, JOE UP BOTH, &m), 0);
	assert_int_equal(m.says.rate_in_bps, 1000000);
	assert_int_equal(read_(43, JOE "1a 0c 00 00 37 2a 07 06 00 00 00 00", &m), 0);
	assert_int_equal(m.gives, SAYS_RATE_IN);
	assert_int_equal(m.says.rate_in_bps, 0);

	/* more Class than a session has room for */
	make(43, true, NOW, JOE);
	for (unsigned i = 0; i < 2; i++)
		add(25, many, sizeof(many));
	sign();
	assert_int_equal(dae_read(rd_of(pkt, n_pkt), &(struct dae_nas){ .id = "" }, &m), DAE_NO_RESOURCES);
}

/* ---- the answer ---- */

static void t_answer(void **st)
{
	static const struct { uint8_t code; enum dae_cause cause; uint8_t answer; const char *attrs; } rows[] = {
		{ 40, 0, 41, "\x31\x06\0\0\0\x06" }, { 40, 503, 42, "\x65\x06\0\0\x01\xf7" },
		{ 43, 0, 44, "" }, { 43, 405, 45, "\x65\x06\0\0\x01\x95" },
	};
	/* Proxy-States in their order; the State of a CoA-Request */
	static const char more[] = "\x21\x03x\x21\x04yz", state[] = "\x21\x03x\x18\x03s\x21\x04yz";
	uint8_t out[RAD_MAX], sum[16], was[16], was_ma[16];
	unsigned len = 16;

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		size_t own_ = rows[i].attrs[0] ? 6 : 0;
		const char *tail = rows[i].code == 43 ? state : more;
		size_t n_tail = rows[i].code == 43 ? sizeof(state) - 1 : sizeof(more) - 1, n;

		make(rows[i].code, true, NOW, "21 03 78 18 03 73" JOE "21 04 79 7a");
		n = dae_answer(rd_of(pkt, n_pkt), SECRET, rows[i].cause, out);
		assert_int_equal(n, 20 + 18 + own_ + n_tail);
		assert_int_equal(out[0], rows[i].answer);
		assert_int_equal(out[1], ID);
		assert_int_equal(out[2] << 8 | out[3], n);
		assert_memory_equal(out + 38, rows[i].attrs, own_);
		assert_memory_equal(out + 38 + own_, tail, n_tail);
		/* RFC 5176 2.3, 3.4: both sums, with the request's authenticator in place */
		memcpy(was, out + 4, 16);
		memcpy(out + 4, pkt + 4, 16);
		hash(out, n, sum);
		assert_memory_equal(sum, was, 16);
		assert_int_equal(out[20], 80);
		memcpy(was_ma, out + 22, 16);
		memset(out + 22, 0, 16);
		assert_non_null(HMAC(EVP_md5(), SECRET, strlen(SECRET), out, n, sum, &len));
		assert_memory_equal(sum, was_ma, 16);
	}
	/* so many that it would be too long */
	memset(was, 0, sizeof(was));
	make(40, false, 0, "");
	while (n_pkt + 18 <= RAD_MAX)
		add(33, was, sizeof(was));
	sign();
	assert_int_equal(dae_answer(rd_of(pkt, n_pkt), SECRET, 402, out), 0);
}

/* ---- the sockets ---- */

static struct conf conf;
static struct event_base *base;
static struct dae *dae;
static struct peer to_manager;
static struct chan manager;
static struct addr server, second;
static int client, stranger;

static void nas(void *arg, struct dae_nas *ret)
{
	*ret = (struct dae_nas){ .id = "vpn" };
}

static void ignore(struct peer *p, struct msg *msg, void *arg)
{
}

static int udp(const char *ip, struct addr *ret)
{
	static const int one = 1;
	struct sockaddr_storage ss;
	struct addr a;
	socklen_t len;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(addr_parse(ip, 0, &a));
	len = addr_to_sa(&a, &ss);
	assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) == 0);
	assert_int_equal(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)), 0);
	len = sizeof(ss);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	if (ret)
		*ret = addr_from_sa((struct sockaddr *)&ss);
	return fd;
}

static int setup(void **st)
{
	int fd[2];

	base = event_base_new();
	memset(&conf, 0, sizeof(conf));
	conf.dae.n_client = 1;
	conf.dae.client[0] = strict;
	assert_true(addr_parse("127.0.0.2", 0, &conf.dae.client[0].addr));
	assert_int_equal(chan_pair(fd), 0);
	assert_int_equal(peer_open(&to_manager, base, fd[0], ROLE_RADIUS, ROLE_MANAGER, 0, ignore, NULL, NULL), 0);
	chan_init(&manager, fd[1], ROLE_MANAGER, ROLE_RADIUS, 0);
	dae = dae_new(base, &conf, &to_manager, nas, NULL);
	assert_non_null(dae);
	client = udp("127.0.0.2", NULL);
	stranger = udp("127.0.0.3", NULL);
	/* Any address: the answer must come from the one that was asked. */
	dae_socket(dae, &(struct addr){ .family = 4 }, udp("0.0.0.0", &server));
	assert_int_equal(dae_apply(dae), 0);
	assert_true(addr_parse("127.0.0.1", server.port, &server));
	assert_true(addr_parse("127.0.0.9", server.port, &second));
	return 0;
}

static int teardown(void **st)
{
	dae_free(dae);
	peer_close(&to_manager);
	chan_close(&manager);
	close(client);
	close(stranger);
	event_base_free(base);
	return 0;
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void send_to(int fd, const struct addr *to)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sa(to, &ss);

	assert_int_equal(sendto(fd, pkt, n_pkt, 0, (struct sockaddr *)&ss, len), n_pkt);
	turn();
}

/* The code of the answer, 0: none; loopback needs no time. */
static uint8_t answer(int fd, const struct addr *from)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	uint8_t buf[RAD_MAX];
	ssize_t n;
	struct addr a;

	turn();
	n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, &len);
	if (n < 0)
		return 0;
	a = addr_from_sa((struct sockaddr *)&ss);
	assert_true(addr_eq(&a, from));
	assert_true(n >= 20 && buf[1] == ID);
	return buf[0];
}

static const struct msg_dae *wanted(void)
{
	static struct msg msg;

	turn();
	if (chan_recv(&manager, &msg) != 1)
		return NULL;
	assert_int_equal(msg.type, MSG_DAE);
	return &msg.b.dae;
}

static void reply(uint32_t tag, enum dae_cause cause)
{
	dae_done(dae, &(struct msg_dae_done){ .tag = tag, .cause = cause });
}

static uint64_t counted(const char *name)
{
	struct msg_stats s = { .n = 0 };

	dae_counters(dae, &s);
	for (unsigned i = 0; i < s.n; i++)
		if (!strcmp(s.c[i].name, name))
			return s.c[i].value;
	fail_msg("no counter %s", name);
	return 0;
}

/* What has Request Authenticators of its own each time: another name. */
static void make_now(uint8_t code, const char *user)
{
	make(code, true, (uint32_t)time(NULL), "");
	add(1, user, strlen(user));
	sign();
}

static void t_sockets(void **st)
{
	const struct msg_dae *m;
	uint32_t tag;

	make_now(40, "joe");
	send_to(client, &server);
	m = wanted();
	assert_non_null(m);
	assert_int_equal(m->kind, DAE_DISCONNECT);
	tag = m->tag;
	assert_true(addr_ip_eq(&m->client, &conf.dae.client[0].addr));
	/* again, while it is not done: nothing twice, no answer yet */
	send_to(client, &server);
	assert_null(wanted());
	assert_int_equal(answer(client, &server), 0);
	reply(tag, DAE_OK);
	assert_int_equal(answer(client, &server), 41);
	/* again, when it is: the same answer, and the manager hears nothing */
	send_to(client, &server);
	assert_int_equal(answer(client, &server), 41);
	assert_null(wanted());
	assert_int_equal(counted("dae_duplicates"), 2);
	/* an answer that is late, or of nobody */
	reply(tag, DAE_NO_SESSION);
	reply(tag + 1, DAE_OK);
	reply(0, DAE_OK);
	assert_int_equal(answer(client, &server), 0);

	/* to another of our addresses, from which the answer comes */
	make_now(43, "jim");
	add_u32(27, 9);
	sign();
	send_to(client, &second);
	m = wanted();
	assert_non_null(m);
	reply(m->tag, DAE_NO_SESSION);
	assert_int_equal(answer(client, &second), 45);

	/* what cannot be read needs no manager */
	make_now(40, "jack");
	add(255, "x", 1);
	sign();
	send_to(client, &server);
	assert_null(wanted());
	assert_int_equal(answer(client, &server), 42);
	assert_int_equal(counted("dae_requests"), 3);
	assert_int_equal(counted("dae_acks"), 1);
	assert_int_equal(counted("dae_naks"), 2);
}

/* RAD-05: nobody hears of it. */
static void t_dropped(void **st)
{
	uint32_t now = (uint32_t)time(NULL);

	make_now(40, "joe");
	send_to(stranger, &server);
	assert_int_equal(answer(stranger, &server), 0);
	pkt[4] ^= 1;
	send_to(client, &server);
	make(40, false, now, JOE);
	send_to(client, &server);
	make(40, true, 0, JOE);
	send_to(client, &server);
	make(40, true, now - 1000, JOE);
	send_to(client, &server);
	/* From the second before: what a radius before this one may have answered. */
	make(40, true, now - 20, JOE);
	send_to(client, &server);
	make(4, true, now, JOE);
	send_to(client, &server);
	n_pkt = 0;
	send_to(client, &server);
	assert_int_equal(answer(client, &server), 0);
	assert_null(wanted());
	assert_int_equal(counted("dae_strangers"), 1);
	assert_int_equal(counted("dae_forged"), 1);
	assert_int_equal(counted("dae_unsigned"), 1);
	assert_int_equal(counted("dae_undated"), 1);
	assert_int_equal(counted("dae_stale"), 2);
	assert_int_equal(counted("dae_malformed"), 2);
	assert_int_equal(counted("dae_requests"), 0);
}

/* A new manager was not asked for what its predecessor was: it is when the client asks again. */
static void t_manager(void **st)
{
	const struct msg_dae *m;
	uint32_t tag;

	make_now(40, "joe");
	send_to(client, &server);
	m = wanted();
	assert_non_null(m);
	tag = m->tag;
	dae_again(dae);
	reply(tag, DAE_OK);
	assert_int_equal(answer(client, &server), 0);
	send_to(client, &server);
	m = wanted();
	assert_non_null(m);
	reply(m->tag, DAE_OK);
	assert_int_equal(answer(client, &server), 41);
	assert_int_equal(counted("dae_waiting"), 0);

	/* none is there at all */
	peer_close(&to_manager);
	make_now(40, "jim");
	send_to(client, &server);
	assert_int_equal(answer(client, &server), 42);
}

/* A reload: other clients, other secrets, other sockets; the answer to what was asked before goes out as before. */
static void t_reload(void **st)
{
	const struct msg_dae *m;
	struct addr other;
	int fd;

	make_now(40, "joe");
	send_to(client, &server);
	m = wanted();
	assert_non_null(m);
	assert_true(addr_parse("127.0.0.3", 0, &conf.dae.client[0].addr));
	make_now(40, "jim");
	send_to(client, &server);
	assert_null(wanted());
	assert_int_equal(counted("dae_strangers"), 1);
	reply(m->tag, DAE_OK);
	assert_int_equal(answer(client, &server), 41);
	send_to(stranger, &server);
	m = wanted();
	assert_non_null(m);
	fd = udp("127.0.0.1", &other);
	dae_socket(dae, &other, fd);
	assert_int_equal(dae_apply(dae), 0);
	reply(m->tag, DAE_OK);
	assert_int_equal(answer(stranger, &server), 0);
	/* It is remembered all the same. */
	send_to(stranger, &other);
	assert_null(wanted());
	assert_int_equal(answer(stranger, &other), 41);
}

/* What is remembered makes way when it is old, and nothing new is done for want of a place. */
static void t_full(void **st)
{
	char name[16];
	unsigned done = 0;
	uint8_t code = 0;

	for (unsigned i = 0; i < 20000 && code != 42; i++) {
		const struct msg_dae *m;

		snprintf(name, sizeof(name), "u%u", i);
		make_now(40, name);
		send_to(client, &server);
		m = wanted();
		if (m) {
			reply(m->tag, DAE_OK);
			done++;
		}
		code = answer(client, &server);
	}
	assert_int_equal(code, 42);
	assert_int_equal(done, 16384);
}

/* ---- the manager ---- */

static struct manager m;
static struct chan radius, engine;
static struct { struct msess *s; char reason[64]; } killed[8];
static unsigned n_killed;
static struct { struct msess *s; uint32_t gives, interim_s; } changed[8];
static unsigned n_changed;

/* What manager_dae.c asks of the rest of the manager. */
void manager_kill(struct manager *mgr, struct msess *s, const char *reason)
{
	assert_false(s->ending);
	s->ending = true;
	killed[n_killed].s = s;
	str_copy(killed[n_killed++].reason, sizeof(killed[0].reason), reason);
}

const char *acct_id(const struct acct *a, const struct msess *s)
{
	return s->acct == 1 ? "ID1" : s->acct == 2 ? "ID2" : NULL;
}

void acct_change(struct acct *a, struct msess *s, uint32_t gives, const struct radius_says *says)
{
	changed[n_changed].s = s;
	changed[n_changed].gives = gives;
	changed[n_changed++].interim_s = says->interim_s;
}

static const char *filtered[8];
static unsigned n_filtered;
static bool netd_is_slow;

const char *manager_filter_fault(const struct conf *c, const char *name)
{
	return strcmp(name, "staff") ? "its filter was removed" : NULL;
}

const char *manager_filter_set(struct manager *mgr, struct msess *s, const char *name)
{
	assert_null(manager_filter_fault(&mgr->conf, name));
	filtered[n_filtered++] = s->user;
	s->filter_awaited = netd_is_slow;
	return NULL;
}

static struct msess sess[] = {
	{ .ppp_id = 1, .user = "joe", .auth = 1, .ip = 0x0a000001, .acct = 1, .sid = { 1, 1 } },
	{ .ppp_id = 2, .user = "joe", .auth = 1, .ip = 0x0a000002, .acct = 2, .sid = { 2, 1 }, .number_len = 3, .number = "123" },
	{ .ppp_id = 3, .user = "j\\x22m", .auth = 1, .ip = 0x0a000003, .sid = { 3, 1 } },	/* j"m */
	{ .ppp_id = 4, .user = "joe", .auth = 0, .ip = 0x0a000004, .sid = { 4, 1 } },		/* of a users file */
	{ .ppp_id = 5, .user = "local", .auth = 0, .ip = 0x0a000005, .sid = { 5, 1 } },
	{ .ppp_id = 6, .user = "goes", .auth = 1, .ip = 0x0a000006, .sid = { 6, 1 }, .ending = true },
	{ .ppp_id = 7, .user = "new", .auth = 1, .sid = { 7, 1 } },
};

static int manager_setup(void **st)
{
	int fd[2], fd2[2];

	memset(&m, 0, sizeof(m));
	n_killed = n_changed = n_filtered = 0;
	netd_is_slow = false;
	base = event_base_new();
	list_init(&m.sessions);
	list_init(&m.dae_waits);
	m.running = true;
	m.conf.auth[1].type = CONF_TYPE_RADIUS;
	for (unsigned i = 0; i < N_ELEMENTS(sess); i++) {
		sess[i].ending = sess[i].ppp_id == 6;
		sess[i].dae = sess[i].dae_filter = NULL;
		sess[i].filter_awaited = false;
		assert_true(addr_parse(i ? "198.18.0.2" : "198.18.0.1", 4500, &sess[i].peer));
		list_push(&m.sessions, &sess[i].link);
	}
	assert_int_equal(chan_pair(fd), 0);
	assert_int_equal(peer_open(&m.radius, base, fd[0], ROLE_MANAGER, ROLE_RADIUS, 0, ignore, NULL, NULL), 0);
	chan_init(&radius, fd[1], ROLE_RADIUS, ROLE_MANAGER, 0);
	assert_int_equal(chan_pair(fd2), 0);
	assert_int_equal(peer_open(&m.engine[0].peer, base, fd2[0], ROLE_MANAGER, ROLE_ENGINE, 0, ignore, NULL, NULL), 0);
	chan_init(&engine, fd2[1], ROLE_ENGINE, ROLE_MANAGER, 0);
	m.n_sessions = N_ELEMENTS(sess);
	return 0;
}

static int manager_teardown(void **st)
{
	manager_dae_again(&m);
	peer_close(&m.radius);
	peer_close(&m.engine[0].peer);
	chan_close(&radius);
	chan_close(&engine);
	event_base_free(base);
	return 0;
}

/* The Error-Cause that radius is told, or -1: nothing yet. */
static int told(void)
{
	static struct msg msg;

	if (chan_recv(&radius, &msg) != 1)
		return -1;
	assert_int_equal(msg.type, MSG_DAE_DONE);
	assert_int_equal(msg.b.dae_done.tag, 9);
	return (int)msg.b.dae_done.cause;
}

static void gone(struct msess *s)
{
	list_del(&s->link);
	manager_dae_gone(&m, s);
}

static struct msg_dae want(const char *attrs)
{
	struct msg_dae w;

	make(40, true, NOW, attrs);
	assert_int_equal(dae_read(rd_of(pkt, n_pkt), &(struct dae_nas){ .id = "" }, &w), DAE_OK);
	w.tag = 9;
	return w;
}

static void t_meant(void **st)
{
	static const struct { const char *attrs; int cause; unsigned ids; } rows[] = {
		{ JOE, 0, 1 << 1 | 1 << 2 },				/* all that match, RFC 5176 3 */
		{ JOE "05 06 00 00 00 01", 0, 1 << 1 }, { "05 06 00 00 00 02", 0, 1 << 2 },
		{ JOE "08 06 0a 00 00 02", 0, 1 << 2 }, { "08 06 0a 00 00 03", 0, 1 << 3 },
		{ "1f 0c 31 39 38 2e 31 38 2e 30 2e 31", 0, 1 << 1 }, { "1f 05 31 32 33", 0, 1 << 2 },
		{ "1f 0c 31 39 38 2e 31 38 2e 30 2e 32", 0, 1 << 3 | 1 << 7 },	/* 2 is known by its number */
		{ "2c 05 49 44 31", 0, 1 << 1 }, { JOE "2c 05 49 44 32", 0, 1 << 2 }, { "01 05 6a 22 6d", 0, 1 << 3 },
		{ JOE "05 06 00 00 00 03", 503, 0 }, { JOE "2c 05 49 44 33", 503, 0 }, { "2c 04 49 44", 503, 0 },
		{ "01 04 6a 6f", 503, 0 }, { "01 06 6a 6f 65 65", 503, 0 }, { "01 05 4a 6f 65", 503, 0 },
		{ "01 06 67 6f 65 73", 503, 0 }, { "08 06 00 00 00 00", 503, 0 }, { "05 06 00 00 00 63", 503, 0 },
		/* let in by others */
		{ "01 07 6c 6f 63 61 6c", 501, 0 }, { JOE "05 06 00 00 00 04", 501, 0 },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct msg_dae w = want(rows[i].attrs);
		unsigned ids = 0;
		int cause;

		manager_dae(&m, &w);
		for (unsigned k = 0; k < n_killed; k++) {
			ids |= 1u << killed[k].s->ppp_id;
			assert_string_equal(killed[k].reason, "disconnected by RADIUS");
		}
		cause = told();
		if (ids != rows[i].ids || (ids && cause != -1) || (!ids && cause != rows[i].cause))
			fail_msg("row %zu: %x, %d", i, ids, cause);
		/* ACK when the last one is gone (RFC 5176 2.1). */
		for (unsigned k = 0; k < n_killed; k++) {
			if (k)
				assert_int_equal(told(), -1);
			manager_dae_gone(&m, killed[k].s);
		}
		if (ids)
			assert_int_equal(told(), 0);
		manager_teardown(NULL);
		manager_setup(NULL);
	}
}

static void t_waits(void **st)
{
	struct msg_dae w = want(JOE);

	/* a new radius: nobody waits any more */
	manager_dae(&m, &w);
	assert_int_equal(n_killed, 2);
	manager_dae_again(&m);
	gone(&sess[0]);
	gone(&sess[1]);
	assert_int_equal(told(), -1);
	/* before sessions are known */
	m.running = false;
	manager_dae(&m, &w);
	assert_int_equal(told(), DAE_NO_RESOURCES);
}

static void t_change(void **st)
{
	struct msg_dae w = want(JOE);
	static struct msg msg;

	w.kind = DAE_COA;
	w.gives = SAYS_SESSION_TIMEOUT | SAYS_INTERIM;
	w.session_timeout_s = 77;
	w.says.interim_s = 600;
	manager_dae(&m, &w);
	assert_int_equal(told(), 0);
	assert_int_equal(n_killed, 0);
	assert_int_equal(n_changed, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(chan_recv(&engine, &msg), 1);
		assert_int_equal(msg.type, MSG_SESSION_SET);
		assert_int_equal(msg.b.session_set.sid.slot, i + 1);
		assert_int_equal(msg.b.session_set.gives, SAYS_SESSION_TIMEOUT);
		assert_int_equal(msg.b.session_set.session_timeout_s, 77);
		assert_ptr_equal(changed[i].s, &sess[i]);
		assert_int_equal(changed[i].interim_s, 600);
	}
	/* An engine need not know of the rest. */
	w.gives = SAYS_CLASS;
	manager_dae(&m, &w);
	assert_int_equal(told(), 0);
	assert_int_equal(n_changed, 4);
	/* All or nothing. */
	w.gives = SAYS_SESSION_TIMEOUT | SAYS_FILTER;
	str_copy(w.says.filter, sizeof(w.says.filter), "nobody");
	manager_dae(&m, &w);
	assert_int_equal(told(), DAE_INVALID_VALUE);
	assert_int_equal(n_changed, 4);
	assert_int_equal(n_filtered, 0);
	assert_int_equal(chan_recv(&engine, &msg), 0);
	w.gives = SAYS_FILTER;
	str_copy(w.says.filter, sizeof(w.says.filter), "staff");
	manager_dae(&m, &w);
	assert_int_equal(told(), 0);
	assert_int_equal(n_filtered, 2);
	assert_int_equal(chan_recv(&engine, &msg), 0);
	w.gives = SAYS_SESSION_TIMEOUT;
	w.by |= DAE_BY_PORT;
	w.port = 4;
	manager_dae(&m, &w);
	assert_int_equal(told(), DAE_PROHIBITED);
	assert_int_equal(chan_recv(&engine, &msg), 0);
}

/* ACK when netd has put all of them into their filter; NAK when one could not be, or ended before. */
static void t_filter_waits(void **st)
{
	static const struct { const char *what; bool ok[2], gone[2]; int cause; } rows[] = {
		{ "both are in it", { true, true }, { false, false }, 0 },
		{ "the first could not be", { false, true }, { false, false }, DAE_NO_RESOURCES },
		{ "nor the second", { true, false }, { false, false }, DAE_NO_RESOURCES },
		{ "the first ended", { false, true }, { true, false }, DAE_NO_RESOURCES },
		{ "the second ended", { true, false }, { false, true }, DAE_NO_RESOURCES },
	};
	struct msg_dae w = want(JOE);

	w.kind = DAE_COA;
	w.gives = SAYS_FILTER;
	str_copy(w.says.filter, sizeof(w.says.filter), "staff");
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		manager_teardown(NULL);
		manager_setup(NULL);
		netd_is_slow = true;
		manager_dae(&m, &w);
		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(told(), -1);
			if (rows[i].gone[k])
				gone(&sess[k]);
			else
				manager_dae_filtered(&m, &sess[k], rows[i].ok[k]);
		}
		if (told() != rows[i].cause)
			fail_msg("%s", rows[i].what);
		assert_int_equal(told(), -1);
		assert_true(list_empty(&m.dae_waits));
	}
	/* Another one meanwhile: each is told once, and the one that nobody waits for any more that it is not known. */
	manager_teardown(NULL);
	manager_setup(NULL);
	netd_is_slow = true;
	manager_dae(&m, &w);
	manager_dae(&m, &w);
	assert_int_equal(told(), DAE_NO_RESOURCES);
	assert_int_equal(told(), -1);
	manager_dae_filtered(&m, &sess[0], true);
	manager_dae_filtered(&m, &sess[1], true);
	assert_int_equal(told(), 0);
	/* Nobody waits. */
	manager_dae_filtered(&m, &sess[0], false);
	assert_int_equal(told(), -1);
	/* It is disconnected while it waits; a new radius asks nobody. */
	manager_dae(&m, &w);
	manager_dae_again(&m);
	manager_dae_filtered(&m, &sess[0], true);
	gone(&sess[0]);
	gone(&sess[1]);
	assert_int_equal(told(), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_check),
		cmocka_unit_test(t_read),
		cmocka_unit_test(t_answer),
		cmocka_unit_test_setup_teardown(t_sockets, setup, teardown),
		cmocka_unit_test_setup_teardown(t_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(t_manager, setup, teardown),
		cmocka_unit_test_setup_teardown(t_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(t_full, setup, teardown),
		cmocka_unit_test_setup_teardown(t_meant, manager_setup, manager_teardown),
		cmocka_unit_test_setup_teardown(t_waits, manager_setup, manager_teardown),
		cmocka_unit_test_setup_teardown(t_filter_waits, manager_setup, manager_teardown),
		cmocka_unit_test_setup_teardown(t_change, manager_setup, manager_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
