/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Accounting in the manager: what is told in which order, what waits for what, and what
 * a manager or a server that was killed leaves to the next one.  The other end of the
 * channel is the test; the spool's file is a real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "l2tpd/acct.h"
#include "l2tpd/conf.h"

static struct conf conf;
static int file;			/* the spool, over the lives of managers */

/* One life of a manager, and the other end of its channel to radius. */
static struct manager m;
static struct chan radius;
static struct sess_row row;

/* What acct.c asks of the manager. */
bool manager_row(struct manager *mgr, const struct msess *s, struct sess_row *ret)
{
	*ret = row;
	return true;
}

static void timer(evutil_socket_t fd, short what, void *arg)
{
	acct_tick(m.acct);
}

/* Never called: the loop does not run. */
static void ignore(struct peer *p, struct msg *msg, void *arg)
{
}

static void born(uint32_t boot, bool first)
{
	int fd[2];

	memset(&m, 0, sizeof(m));
	m.conf = conf;
	m.first_life = first;
	list_init(&m.sessions);
	m.base = event_base_new();
	m.acct_timer = evtimer_new(m.base, timer, NULL);
	assert_int_equal(chan_pair(fd), 0);
	assert_int_equal(peer_open(&m.radius, m.base, fd[0], ROLE_MANAGER, ROLE_RADIUS, 0, ignore, NULL, NULL), 0);
	chan_init(&radius, fd[1], ROLE_RADIUS, ROLE_MANAGER, 0);
	m.acct = acct_new(&m);
	acct_boot(m.acct, boot);
	acct_open(m.acct, dup(file));
}

/* Killed: nothing is written that was not yet. */
static void dies(void)
{
	peer_close(&m.radius);
	chan_close(&radius);
	LIST_EACH(&m.sessions, e)
		free(CONTAINER_OF(e, struct msess, link));
	acct_free(m.acct);
	event_free(m.acct_timer);
	event_base_free(m.base);
}

static int setup(void **st)
{
	static const char text[] =
		"ike passive esp transport from any to any psk \"tail-gunner-osprey-lilac\"\n"
		"authentication L type local {\n}\n"
		"authentication R type radius {\n\taccounting-server {\n\t\taddress 192.0.2.9 secret \"jinx-bottle-radius\"\n\t}\n"
		"\tauthentication-server {\n\t\taddress 192.0.2.9 secret \"jinx-bottle-radius\"\n\t}\n}\n"
		"bind tunnel from L2TP authenticated by L R to pppx0\n";
	struct conf_msgs msgs = { 0 };
	int err = conf_parse("t", text, strlen(text), CONF_NO_FILES, &conf, &msgs);

	if (err)
		conf_msgs_print(stderr, &msgs);
	conf_msgs_free(&msgs);
	file = memfd_create("spool", MFD_CLOEXEC);
	return err || file < 0 ? -1 : 0;
}

/* The next record that a server is to be told; NULL: none. */
static const struct msg_acct *told(void)
{
	static struct msg msg;

	acct_tick(m.acct);
	if (chan_recv(&radius, &msg) != 1)
		return NULL;
	assert_int_equal(msg.type, MSG_ACCT);
	return &msg.b.acct;
}

static void expect(const struct msg_acct *a, enum acct_kind kind, uint32_t what, const char *user)
{
	assert_non_null(a);
	if (a->rec.kind != kind || a->what != what || strcmp(a->rec.user, user))
		fail_msg("kind %u what %u of %s", a->rec.kind, a->what, a->rec.user);
}

static void nothing(void)
{
	const struct msg_acct *a = told();

	if (a)
		fail_msg("kind %u what %u of %s", a->rec.kind, a->what, a->rec.user);
}

static void answer(const struct msg_acct *a, bool ok)
{
	struct msg_acct_done d = { .tag = a->tag, .auth = a->auth, .seq = a->rec.seq, .ok = ok };

	acct_done(m.acct, &d);
}

static void tell(enum acct_kind kind, uint32_t what, const char *user)
{
	const struct msg_acct *a = told();

	expect(a, kind, what, user);
	answer(a, true);
}

static struct msess *session(const char *user, unsigned auth, uint32_t n)
{
	struct msess *s = calloc(1, sizeof(*s));

	s->auth = auth;
	s->ppp_id = n;
	s->sid = (struct sid){ n, 1 };
	s->ip = 0x0a000000 + n;
	s->acct = SPOOL_SLOTS;
	str_copy(s->user, sizeof(s->user), user);
	list_push(&m.sessions, &s->link);
	return s;
}

static struct msess *comes(const char *user, unsigned auth, uint32_t n)
{
	static const struct radius_says says = { .interim_s = 60, .class_len = 3, .classes = "\002ab" };
	static struct msg_judge j;
	struct msess *s = session(user, auth, n);

	acct_login(m.acct, s, &j, &says);
	row = (struct sess_row){ .state = ROW_UP, .sid = s->sid, .ppp_id = n, .start_wall_s = 5000 + n };
	acct_up(m.acct, s, &row);
	return s;
}

static void goes(struct msess *s, const char *reason)
{
	struct acct_count c = { .time_s = 9, .in_bytes = UINT64_C(1) << 33, .out_bytes = 7 };

	acct_down(m.acct, s, &c, reason);
	list_del(&s->link);
	free(s);
}

static void t_order(void **st)
{
	const struct msg_acct *a;
	struct msess *s, *t;

	born(1, true);
	nothing();			/* not before the sessions are known */
	acct_running(m.acct);
	s = comes("joe", 1, 1);
	/* Accounting-On, and nothing of a session before it is acknowledged. */
	a = told();
	expect(a, ACCT_ON, ACCT_DUE_START, "");
	nothing();
	answer(a, true);
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_START, "joe");
	assert_int_equal(a->auth, 1);
	assert_int_equal(a->rec.class_len, 3);
	assert_int_equal(strlen(a->rec.id), 16);
	/* It ends while its Start is under way: one thing at a time. */
	goes(s, "Idle timeout");
	nothing();
	answer(a, true);
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_STOP, "joe");
	assert_int_equal(a->rec.cause, ACCT_IDLE_TIMEOUT);
	assert_int_equal(a->rec.time_s, 9);
	assert_true(a->rec.in_bytes == UINT64_C(1) << 33);
	/* An answer to something else is none. */
	acct_done(m.acct, &(struct msg_acct_done){ .tag = a->tag, .auth = 1, .seq = a->rec.seq + 1, .ok = 1 });
	acct_done(m.acct, &(struct msg_acct_done){ .tag = SPOOL_SLOTS, .auth = 1, .ok = 1 });
	assert_true(acct_is_busy(m.acct));
	answer(a, true);
	assert_false(acct_is_busy(m.acct));
	nothing();
	/* Who did not come by RADIUS, and who never came up. */
	s = comes("local", 0, 2);
	assert_int_equal(s->acct, SPOOL_SLOTS);
	goes(s, "x");
	s = session("half", 1, 3);
	acct_login(m.acct, s, &(struct msg_judge){ .engine = 0 }, &(struct radius_says){ .interim_s = 0 });
	goes(s, "no answer to IPCP");
	nothing();
	/* The end: sessions' Stops before Accounting-Off. */
	s = comes("a", 1, 4);
	t = comes("b", 1, 5);
	tell(ACCT_SESSION, ACCT_DUE_START, "a");
	tell(ACCT_SESSION, ACCT_DUE_START, "b");
	goes(s, "the server ends");
	goes(t, "the server ends");
	acct_off(m.acct);
	tell(ACCT_SESSION, ACCT_DUE_STOP, "a");
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_STOP, "b");
	assert_int_equal(a->rec.cause, ACCT_ADMIN_REBOOT);
	nothing();
	answer(a, true);
	tell(ACCT_OFF, ACCT_DUE_START, "");
	assert_false(acct_is_busy(m.acct));
	dies();
}

/* Servers are away: one record knocks, the others wait, and nothing is lost. */
static void t_away(void **st)
{
	const struct msg_acct *a;
	struct msess *s[3];
	struct msg_stats stats = { .n = 0 };

	assert_int_equal(ftruncate(file, 0), 0);
	born(2, false);
	acct_running(m.acct);
	for (unsigned i = 0; i < 3; i++)
		s[i] = comes("joe", 1, i);
	/* All at once while they are there. */
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_START, "joe");
	answer(a, false);
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_START, "joe");
	answer(a, false);
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_START, "joe");
	answer(a, false);
	nothing();
	for (unsigned i = 0; i < 3; i++)
		goes(s[i], "closed by peer");
	nothing();
	assert_false(acct_is_busy(m.acct));	/* not waited for at the end */
	acct_counters(m.acct, &stats);
	assert_string_equal(stats.c[0].name, "acct_waiting");
	assert_int_equal(stats.c[0].value, 3);
	dies();
	/* The next manager tries at once; each has its Start and its Stop. */
	born(2, false);
	acct_running(m.acct);
	assert_true(event_pending(m.acct_timer, EV_TIMEOUT, NULL));
	for (unsigned i = 0; i < 3; i++)
		tell(ACCT_SESSION, ACCT_DUE_START, "joe");
	for (unsigned i = 0; i < 3; i++) {
		a = told();
		expect(a, ACCT_SESSION, ACCT_DUE_STOP, "joe");
		assert_int_equal(a->rec.cause, ACCT_USER_REQUEST);
		answer(a, true);
	}
	nothing();
	dies();
}

/* A manager dies: its sessions are adopted with their slots; one that ended meanwhile gets a Stop. */
static void t_manager(void **st)
{
	const struct msg_acct *a;
	struct msess *s;
	char id[20];

	assert_int_equal(ftruncate(file, 0), 0);
	born(3, false);
	acct_running(m.acct);
	comes("stays", 1, 1);
	comes("gone", 1, 2);
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_START, "stays");
	memcpy(id, a->rec.id, sizeof(id));
	answer(a, true);
	tell(ACCT_SESSION, ACCT_DUE_START, "gone");
	dies();

	born(3, false);
	s = session("stays", 1, 1);
	row = (struct sess_row){ .state = ROW_UP, .sid = s->sid, .ppp_id = 1, .start_wall_s = 5001 };
	acct_adopt(m.acct, s, &row);
	assert_true(s->acct < SPOOL_SLOTS);
	assert_true(s->interim_ms != 0);
	/* One that came up while there was no manager: it is told now. */
	s = session("new", 1, 9);
	row = (struct sess_row){ .state = ROW_UP, .sid = s->sid, .ppp_id = 9, .start_wall_s = 5009 };
	acct_adopt(m.acct, s, &row);
	acct_running(m.acct);
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_STOP, "gone");
	assert_int_equal(a->rec.cause, ACCT_NAS_ERROR);
	assert_int_equal(a->rec.class_len, 3);
	answer(a, true);
	tell(ACCT_SESSION, ACCT_DUE_START, "new");
	goes(CONTAINER_OF(m.sessions.next, struct msess, link), "closed by peer");
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_STOP, "stays");
	assert_string_equal(a->rec.id, id);
	assert_int_equal(a->rec.class_len, 3);
	answer(a, true);
	dies();
}

/* The whole server dies: Stops of what it left, then Accounting-On, then what is new. */
static void t_server(void **st)
{
	const struct msg_acct *a;
	struct msess *s;

	assert_int_equal(ftruncate(file, 0), 0);
	born(4, true);
	acct_running(m.acct);
	tell(ACCT_ON, ACCT_DUE_START, "");
	s = comes("joe", 1, 1);
	tell(ACCT_SESSION, ACCT_DUE_START, "joe");
	/* An Interim, of which the next server knows the counters. */
	s->interim_ms = 1;
	row.in_bytes = 4711;
	row.start_mono_ms = now_ms() - 70000;
	tell(ACCT_SESSION, ACCT_DUE_INTERIM, "joe");
	assert_true(s->interim_ms > now_ms() + 53000 && s->interim_ms < now_ms() + 67000);
	dies();

	born(5, true);
	/* A session in the same place, with the same number, is another one. */
	acct_running(m.acct);
	s = comes("joe", 1, 1);
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_STOP, "joe");
	assert_int_equal(a->rec.cause, ACCT_NAS_REBOOT);
	assert_int_equal(a->rec.in_bytes, 4711);
	assert_true(a->rec.time_s >= 70);
	nothing();
	answer(a, true);
	tell(ACCT_ON, ACCT_DUE_START, "");
	tell(ACCT_SESSION, ACCT_DUE_START, "joe");
	nothing();
	/* radius dies with a record under way: it is asked again. */
	goes(s, "hello timeout");
	expect(told(), ACCT_SESSION, ACCT_DUE_STOP, "joe");
	nothing();
	acct_again(m.acct);
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_STOP, "joe");
	assert_int_equal(a->rec.cause, ACCT_LOST_CARRIER);
	answer(a, true);
	nothing();
	dies();
}

static void t_causes(void **st)
{
	static const struct { const char *reason; enum acct_cause cause; } rows[] = {
		{ "terminated by the peer", ACCT_USER_REQUEST }, { "closed by peer, cause 3", ACCT_USER_REQUEST },
		{ "Idle timeout", ACCT_IDLE_TIMEOUT }, { "Session timeout", ACCT_SESSION_TIMEOUT },
		{ "keepalive failed", ACCT_LOST_CARRIER }, { "hello timeout", ACCT_LOST_CARRIER },
		{ "no acknowledgement", ACCT_LOST_CARRIER }, { "cleared by the administrator", ACCT_ADMIN_RESET }, { "disconnected by RADIUS", ACCT_ADMIN_RESET },
		{ "the server ends", ACCT_ADMIN_REBOOT }, { "shutdown", ACCT_ADMIN_REBOOT },
		{ "replaced by a newer login", ACCT_NAS_REQUEST }, { "its bind was removed", ACCT_NAS_REQUEST },
		{ "its engine ended", ACCT_NAS_ERROR }, { "its interface is gone", ACCT_NAS_ERROR },
		{ "out of memory", ACCT_NAS_ERROR }, { "", ACCT_NAS_ERROR },
	};

	for (size_t i = 0; i < N_ELEMENTS(rows); i++)
		if (acct_cause(rows[i].reason) != rows[i].cause)
			fail_msg("%s: %u", rows[i].reason, acct_cause(rows[i].reason));
}

/* RFC 5176: another Class and another Interim while it is up, also for the next manager. */
static void t_change(void **st)
{
	static const struct radius_says says = { .interim_s = 7, .class_len = 2, .classes = "\001z" }, none;
	const struct msg_acct *a;
	char id[20];
	struct msess *s;

	assert_int_equal(ftruncate(file, 0), 0);
	born(3, false);
	acct_running(m.acct);
	s = comes("joe", 1, 1);
	tell(ACCT_SESSION, ACCT_DUE_START, "joe");
	str_copy(id, sizeof(id), acct_id(m.acct, s));
	s->interim_ms = 0;
	acct_change(m.acct, s, SAYS_CLASS, &says);
	assert_true(s->interim_ms == 0);
	acct_change(m.acct, s, SAYS_INTERIM, &says);
	/* RFC 2869 2.1: not less than a minute, and a tenth less for the spread. */
	assert_true(s->interim_ms >= now_ms() + 50000);
	(void)told();			/* it is written */
	dies();
	born(3, false);
	s = session("joe", 1, 1);
	row.state = ROW_UP;
	acct_adopt(m.acct, s, &row);
	assert_string_equal(acct_id(m.acct, s), id);
	assert_true(s->interim_ms > 0);
	acct_running(m.acct);
	acct_change(m.acct, s, SAYS_INTERIM, &none);
	assert_true(s->interim_ms == 0);
	goes(s, "disconnected by RADIUS");
	a = told();
	expect(a, ACCT_SESSION, ACCT_DUE_STOP, "joe");
	assert_int_equal(a->rec.cause, ACCT_ADMIN_RESET);
	assert_int_equal(a->rec.class_len, 2);
	assert_memory_equal(a->rec.classes, "\001z", 2);
	answer(a, true);
	/* One without accounting. */
	s = session("local", 0, 2);
	assert_null(acct_id(m.acct, s));
	acct_change(m.acct, s, SAYS_INTERIM | SAYS_CLASS, &says);
	assert_true(s->interim_ms == 0);
	dies();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_order), cmocka_unit_test(t_away), cmocka_unit_test(t_manager), cmocka_unit_test(t_server),
		cmocka_unit_test(t_causes), cmocka_unit_test(t_change),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
