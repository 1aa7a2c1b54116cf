/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Plain L2TP in an engine's data path: who gets a flow, who gets none, and that it meets no other's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "data_rig.h"
#include "l2tp_util.h"

static uint8_t buf[65536];
static struct engine_sock *sock;

/* A socket of plain L2TP beside that of ESP. */
static int make(void **st)
{
	struct engine *e = &rig.e;

	rig_make(false, ESP_AUTH_HMAC_SHA1_96);
	plain_init(e);
	sock = &e->sock[e->n_sock++];
	*sock = (struct engine_sock){ .e = e, .plain = true };
	sock->fd = rig_udp(&sock->at);
	sock->ev = event_new(e->base, sock->fd, EV_READ | EV_PERSIST, data_readable, sock);
	event_add(sock->ev, NULL);
	e->conf.tunnel[0].listen[0].port = sock->at.port;
	return 0;
}

static int unmake(void **st)
{
	LIST_EACH(&rig.e.flows, i) {
		struct flow *f = CONTAINER_OF(i, struct flow, link);

		if (f->plain)
			flow_free(f);
	}
	event_free(sock->ev);
	close(sock->fd);
	rig_free();
	return 0;
}

static void say(int fd, const struct addr *to, const char *text)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sa(to, &ss);
	size_t n = hex(text, buf, sizeof(buf));

	assert_int_equal(sendto(fd, buf, n, 0, (struct sockaddr *)&ss, len), n);
	rig_turn();
}

#define SCCRQ_ "c802 0035 0000 0000 0000 0000 " M_SCCRQ(0007)

static void t_strangers(void **st)
{
	static const char *const none[] = {
		"00", "c802", "ff",
		"c802 000c 0000 0000 0000 0000",			/* ZLB */
		"c802 0014 0000 0000 0000 0000 " M_HELLO,
		"c802 0035 0000 0000 0001 0000 " M_SCCRQ(0007),		/* the middle of something */
		"c802 0035 0000 0000 0000 0001 " M_SCCRQ(0007),
		"c802 0035 0001 0000 0000 0000 " M_SCCRQ(0007),		/* for a tunnel */
		"c802 0014 0000 0000 0000 0000 " MT(01),		/* bad, and shorter than its refusal */
		"0002 0064 0007 ff03 0021 45",				/* data of an ESP client's session */
	};
	struct addr at;
	int fd = rig_udp(&at);
	unsigned flows = rig.e.n_flows;

	for (size_t i = 0; i < N_ELEMENTS(none); i++) {
		say(fd, &sock->at, none[i]);
		assert_int_equal(rig.e.count.plain_stranger, i + 1);
	}
	assert_int_equal(rig.e.n_flows, flows);
	assert_true(recv(fd, buf, sizeof(buf), 0) < 0);
	/* The socket of ESP takes none of it: there is no SA. */
	say(fd, &rig.e.sock[0].at, SCCRQ_);
	assert_int_equal(rig.e.n_flows, flows);
	assert_true(recv(fd, buf, sizeof(buf), 0) < 0);
	close(fd);
}

static void t_setup(void **st)
{
	struct addr at, other;
	int fd = rig_udp(&at), fd2 = rig_udp(&other);
	struct flow *f;
	char sccn[64];
	uint16_t id = 0;

	rig.e.tunnel_conf[0]->l2tp.host_name[0] = 'h';
	/* Where IPsec is required nobody is served. */
	rig.e.conf.tunnel[0].l2tp_require_ipsec = true;
	say(fd, &sock->at, SCCRQ_);
	assert_int_equal(rig.e.count.plain_refused, 1);
	rig.e.conf.tunnel[0].l2tp_require_ipsec = false;
	say(fd, &sock->at, SCCRQ_);
	assert_true(recv(fd, buf, sizeof(buf), 0) > 20);
	assert_int_equal(get16(buf + 4), 7);
	assert_int_equal(get16(buf + 18), 2);		/* SCCRP */
	assert_int_equal(rig.e.n_half_open, 1);
	f = plain_find(&rig.e, &(struct addr){ .family = 4, .port = sock->at.port, .ip = { 127, 0, 0, 1 } }, &at);
	assert_non_null(f);
	assert_null(f->send);
	for (unsigned i = 0; i < N_ELEMENTS(f->l2tp.tunnel); i++)
		if (f->l2tp.tunnel[i])
			id = f->l2tp.tunnel[i]->id;
	/* From another port his own tunnel's id is worth nothing. */
	snprintf(sccn, sizeof(sccn), "c802 0014 %04x 0000 0001 0001 %s", id, M_SCCCN);
	say(fd2, &sock->at, sccn);
	assert_int_equal(rig.e.n_half_open, 1);
	say(fd, &sock->at, sccn);
	assert_int_equal(rig.e.n_half_open, 0);
	assert_true(recv(fd2, buf, sizeof(buf), 0) < 0);
	/* Data for the session of an ESP client: not his. */
	say(fd, &sock->at, "0002 0064 0007 ff03 0021 4500");
	assert_int_equal(rig.e.count.l2tp_unknown_session, 1);
	/* iked's end is not his. */
	sa_orphan_all(&rig.e);
	assert_false(f->killed);
	assert_ptr_equal(plain_find(&rig.e, &(struct addr){ .family = 4, .port = sock->at.port, .ip = { 127, 0, 0, 1 } }, &at), f);
	close(fd);
	close(fd2);
}

/* More than may be half open at one address: the newest stay, and every one was answered. */
static void t_half_open(void **st)
{
	enum { N = 140 };
	struct addr at;
	int fd[N];

	rig.e.tunnel_conf[0]->l2tp.host_name[0] = 'h';
	for (unsigned i = 0; i < N; i++) {
		fd[i] = rig_udp(&at);
		say(fd[i], &sock->at, SCCRQ_);
		assert_true(recv(fd[i], buf, sizeof(buf), 0) > 20);
	}
	assert_int_equal(rig.e.n_half_open, 128);
	assert_int_equal(rig.e.n_plain, 128);
	assert_int_equal(rig.e.count.plain_evicted, N - 128);
	assert_int_equal(rig.told[MSG_FLOW_KILL], 0);
	for (unsigned i = 0; i < N; i++)
		close(fd[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(t_strangers, make, unmake),
		cmocka_unit_test_setup_teardown(t_setup, make, unmake),
		cmocka_unit_test_setup_teardown(t_half_open, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
