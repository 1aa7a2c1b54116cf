/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An engine where the kernel does ESP: whose a mark is, that nothing leaves but by the
 * client's own socket, and what comes too early.  Sockets without a privilege have no
 * marks: what is received with one, tests/netns/55-kernel-esp.sh shows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data_rig.h"
#include "l2tp_util.h"

enum { SPI = 0x2000, SPI2 = 0x2100, OUT = 0x777, MARKED = 5 };

static const struct lineage one = { .epoch = 1, .counter = 31 }, two = { .epoch = 1, .counter = 32 };
static struct addr client;		/* its outer address, and the port inside */
static int client_fd;

/* The four clients of the rig came before; they are not looked at. */
static int make(void **st)
{
	struct engine *e = &rig.e;

	rig_make(false, ESP_AUTH_HMAC_SHA1_96);
	for (unsigned i = 0; i < ENGINE_BUCKETS; i++)
		list_init(&e->by_mark[i]);
	e->kernel = true;
	e->sock[0].opened = true;
	e->tunnel_conf[0]->l2tp.host_name[0] = 'h';
	client_fd = rig_udp(&client);
	return 0;
}

static int unmake(void **st)
{
	rig.e.kernel = false;
	for (unsigned i = 0; i < 2; i++)
		flow_end(&rig.e, i ? &two : &one, false);
	close(client_fd);
	rig_free();
	return 0;
}

static void announce(const struct lineage *l, uint32_t spi, uint32_t mark)
{
	struct msg_spi_new m = { .lineage = *l, .spi = spi, .mark = mark, .local = rig.e.sock[0].at, .peer = client };

	m.peer.port = 40001;		/* of ESP: of no interest here */
	sa_announce(&rig.e, &m);
}

static void up(const struct lineage *l, uint32_t spi, bool inbound, uint8_t enc)
{
	struct msg_sa_add m = {
		.lineage = *l, .inbound = inbound, .spi = inbound ? spi : OUT, .pair = inbound ? 0 : spi, .enc = enc,
		.auth = enc ? ESP_AUTH_HMAC_SHA1_96 : ESP_AUTH_NONE, .enc_len = enc ? 32 : 0, .auth_len = enc ? 20 : 0,
		.local = rig.e.sock[0].at, .peer = client,
	};

	m.peer.port = 40001;
	sa_add(&rig.e, &m);
}

/* A socket as netd makes it, but for the mark: *ret says where it sends from. */
static void give_socket(uint32_t mark, struct addr *ret)
{
	struct msg_mark m = { .mark = mark, .mask = UINT32_MAX };

	sa_mark_fd(&rig.e, &m, rig_udp(ret));
}

static void arrive(uint32_t spi, const char *text)
{
	static uint8_t room[sizeof(struct held) + 512];
	struct held *h = (struct held *)(void *)room;

	h->peer = client;
	h->len = hex(text, h->data, 512);
	data_held(sa_find(&rig.e, spi), h);
	data_flush(&rig.e);
}

#define SCCRQ_ "c802 0035 0000 0000 0000 0000 " M_SCCRQ(0007)

/* A mark is one lineage's and one engine's. */
static void t_whose(void **st)
{
	const uint32_t m1 = mark_make(0, 7), m2 = mark_make(0, 8);
	const unsigned flows = rig.e.n_flows;
	struct addr from;

	announce(&one, SPI, 0);			/* without one: not with the kernel's ESP */
	announce(&one, SPI, mark_make(1, 7));	/* another engine's */
	assert_int_equal(rig.e.n_flows, flows);
	announce(&one, SPI, m1);
	assert_int_equal(rig.e.n_flows, flows + 1);
	assert_int_equal(rig.told[MSG_MARK_SOCK], 1);
	announce(&two, SPI2, m1);		/* taken */
	assert_null(sa_find(&rig.e, SPI2));
	announce(&one, SPI2, m1);		/* a second pair of the same one */
	assert_int_equal(rig.told[MSG_MARK_SOCK], 1);
	assert_ptr_equal(sa_find(&rig.e, SPI)->flow, sa_find(&rig.e, SPI2)->flow);
	assert_null(sa_of_mark(&rig.e, m2));
	assert_null(sa_of_mark(&rig.e, 0));

	/* The newest that can be answered. */
	assert_ptr_equal(sa_of_mark(&rig.e, m1), sa_find(&rig.e, SPI2));
	up(&one, SPI, true, ESP_ENC_NONE);
	up(&one, SPI, false, ESP_ENC_NONE);
	assert_false(sa_ready(sa_of_mark(&rig.e, m1)));	/* by what socket? */
	sa_marks_again(&rig.e);
	assert_int_equal(rig.told[MSG_MARK_SOCK], 2);
	give_socket(m2, &from);			/* nobody's: closed */
	give_socket(m1, &from);
	assert_ptr_equal(sa_of_mark(&rig.e, m1), sa_find(&rig.e, SPI));
	assert_true(sa_ready(sa_of_mark(&rig.e, m1)));
	sa_marks_again(&rig.e);
	assert_int_equal(rig.told[MSG_MARK_SOCK], 2);
	up(&one, SPI2, true, ESP_ENC_NONE);
	up(&one, SPI2, false, ESP_ENC_NONE);
	assert_ptr_equal(sa_of_mark(&rig.e, m1), sa_find(&rig.e, SPI2));

	/* Its iked dies, and then it: what that one had given to the kernel has to go. */
	sa_orphan_all(&rig.e);
	assert_int_equal(rig.told[MSG_MARK_DEL], 0);
	flow_end(&rig.e, &one, false);
	assert_int_equal(rig.told[MSG_MARK_DEL], 1);
	assert_null(sa_of_mark(&rig.e, m1));
	announce(&two, SPI, m1);
	assert_non_null(sa_of_mark(&rig.e, m1));
	flow_end(&rig.e, &two, false);
	assert_int_equal(rig.told[MSG_MARK_DEL], 1);	/* its own iked does that */
}

/* An SCCRQ that came before its answer could leave. */
static void t_early(void **st)
{
	const uint32_t mark = mark_make(0, 7);
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr from, at;
	uint8_t buf[2048];
	struct sa *s;
	ssize_t n;

	announce(&one, SPI, mark);
	s = sa_find(&rig.e, SPI);
	up(&one, SPI, true, ESP_ENC_AES_CBC_256);	/* keys are not for an engine */
	assert_false(sa_opens(s));
	up(&one, SPI, true, ESP_ENC_NONE);
	up(&one, SPI, true, ESP_ENC_NONE);		/* twice */
	assert_true(sa_opens(s));
	hold_put(&s->hold, &client, buf, hex(SCCRQ_, buf, sizeof(buf)), now_ms());
	up(&one, SPI, false, ESP_ENC_NONE);
	data_flush(&rig.e);
	assert_int_equal(s->hold.n, 1);
	assert_true(recv(client_fd, buf, sizeof(buf), 0) < 0);
	give_socket(mark, &from);
	/* To the address that IKE knows and the port inside, from the client's own socket, without a header of ours. */
	n = recvfrom(client_fd, buf, sizeof(buf), 0, (struct sockaddr *)&ss, &len);
	assert_true(n > 20);
	at = addr_from_sa((struct sockaddr *)&ss);
	assert_true(addr_eq(&at, &from));
	assert_int_equal(get16(buf), 0xc802);
	assert_int_equal(get16(buf + 2), n);
	assert_int_equal(get16(buf + 18), 2);		/* SCCRP */
	assert_int_equal(s->hold.n, 0);
	assert_true(s->proven);
	assert_ptr_equal(s->flow->send, s);
}

/* The other way round: who does ESP itself takes no SA without keys, and no mark. */
static void t_user(void **st)
{
	struct sa *s;

	rig.e.kernel = false;
	announce(&one, SPI, mark_make(0, 7));
	assert_null(sa_find(&rig.e, SPI));
	announce(&one, SPI, 0);
	s = sa_find(&rig.e, SPI);
	up(&one, SPI, true, ESP_ENC_NONE);
	assert_false(sa_opens(s));
	up(&one, SPI, false, ESP_ENC_NONE);
	assert_false(sa_seals(s));
	up(&one, SPI, true, ESP_ENC_AES_CBC_256);
	assert_true(sa_opens(s) && s->in);
	assert_int_equal(rig.told[MSG_MARK_SOCK], 0);
}

/* Without an SA to go out by, or a socket of its own, nothing leaves by any other. */
static void t_closed(void **st)
{
	const uint32_t mark = mark_make(0, 7);
	struct addr from;
	uint8_t buf[2048];

	announce(&one, SPI, mark);
	up(&one, SPI, true, ESP_ENC_NONE);
	arrive(SPI, SCCRQ_);
	assert_int_equal(rig.e.count.tx_no_sa, 1);
	up(&one, SPI, false, ESP_ENC_NONE);
	arrive(SPI, "c802 0014 0000 0000 0000 0000 " M_SCCRQ(0009));
	data_send_l2tp(sa_find(&rig.e, SPI)->flow, client.port, (const uint8_t *)"x", 1);
	data_flush(&rig.e);
	assert_true(rig.e.count.tx_failed >= 1);
	assert_int_equal(rig.e.count.tx_packets, 0);
	assert_true(recv(client_fd, buf, sizeof(buf), 0) < 0);
	give_socket(mark, &from);
	data_send_l2tp(sa_find(&rig.e, SPI)->flow, client.port, (const uint8_t *)"x", 1);
	data_flush(&rig.e);
	assert_int_equal(recv(client_fd, buf, sizeof(buf), 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_whose, make, unmake),
		cmocka_unit_test_setup_teardown(t_early, make, unmake),
		cmocka_unit_test_setup_teardown(t_closed, make, unmake),
		cmocka_unit_test_setup_teardown(t_user, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
