/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Filters in the manager: in which order netd and the engine hear of a session that has one,
 * and what becomes of it when it is moved, ended, or netd says no.  Both are the test's
 * ends of the manager's channels.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "l2tpd/manager.c"	/* what a message does, without an event loop */

#include "l2tpd/conf.h"

enum { ROWS = 4 };

static struct manager m;
static struct chan netd, engine;
static struct sess_row rows[ROWS];
static struct msg msg;

/* What the manager asks of its other parts, which are not here. */
struct acct *acct_new(struct manager *mgr) { return NULL; }
void acct_boot(struct acct *a, uint32_t boot) { }
void acct_open(struct acct *a, int fd) { }
void acct_running(struct acct *a) { }
void acct_login(struct acct *a, struct msess *s, const struct msg_judge *j, const struct radius_says *r) { }
void acct_up(struct acct *a, struct msess *s, const struct sess_row *row) { }
void acct_adopt(struct acct *a, struct msess *s, const struct sess_row *row) { }
void acct_down(struct acct *a, struct msess *s, const struct acct_count *c, const char *reason) { }
void acct_done(struct acct *a, const struct msg_acct_done *d) { }
void acct_again(struct acct *a) { }
void acct_tick(struct acct *a) { }
void acct_sync(struct acct *a) { }
void acct_off(struct acct *a) { }
bool acct_is_busy(const struct acct *a) { return false; }
int control_start(struct manager *mgr, int fd, struct control **ret) { return -1; }
void control_reload_line(struct control *c, const struct msg_line *l) { }
void control_reload_end(struct control *c, const struct msg_ctl_end *e) { }
void control_users_again(struct control *c) { }
void control_stats(struct control *c, const char *process, const struct msg_stats *s) { }
void manager_apply(struct manager *mgr) { }
void manager_user_checked(struct manager *mgr, const struct msg_user_checked *c) { }
void manager_check_again(struct manager *mgr) { }
void manager_dae(struct manager *mgr, const struct msg_dae *d) { }
void manager_dae_gone(struct manager *mgr, struct msess *s) { }
static int dae_told;	/* what who waits for a session's filter heard last; -1: nothing */

void manager_dae_filtered(struct manager *mgr, struct msess *s, bool ok)
{
	dae_told = ok;
}

void manager_dae_again(struct manager *mgr) { }
void manager_sweep(struct manager *mgr, uint32_t auths) { }

static void open_peer(struct peer *p, struct chan *other, enum role role, peer_msg_cb *cb)
{
	int fd[2];

	assert_int_equal(chan_pair(fd), 0);
	assert_int_equal(peer_open(p, m.base, fd[0], ROLE_MANAGER, role, 0, cb, NULL, &m), 0);
	chan_init(other, fd[1], role, ROLE_MANAGER, 0);
}

/* interface: "pppx0" or "tun0" */
static void begin(const char *interface)
{
	static const char fmt[] =
		"ike passive esp transport from any to any psk \"tail-gunner-osprey-lilac\"\n"
		"ipcp I {\npool-address \"10.0.0.10-10.0.0.99\"\n}\ninterface %s address 10.0.0.1 ipcp I\n"
		"firewall {\nfilter A { pass to any }\nfilter B { block to any }\n}\n";
	struct conf_msgs msgs = { 0 };
	char text[512];

	snprintf(text, sizeof(text), fmt, interface);
	memset(&m, 0, sizeof(m));
	memset(rows, 0, sizeof(rows));
	if (conf_parse("t", text, strlen(text), CONF_NO_FILES, &m.conf, &msgs))
		conf_msgs_print(stderr, &msgs);
	conf_msgs_free(&msgs);
	list_init(&m.sessions);
	list_init(&m.pending);
	for (unsigned i = 0; i < MANAGER_BUCKETS; i++) {
		list_init(&m.by_id[i]);
		list_init(&m.by_user[i]);
	}
	m.base = event_base_new();
	m.unit_used = calloc(1, UNITS_MAX / 8);
	m.pool[0] = pool_of_conf(&m.conf, 0);
	m.engine[0].rows = rows;
	m.engine[0].n_rows = ROWS;
	m.engine[0].by_slot = calloc(ROWS, sizeof(struct msess *));
	m.engine[0].shared[0] = SHARED_READY;
	m.running = true;
	open_peer(&m.netd, &netd, ROLE_NETD, netd_msg);
	open_peer(&m.engine[0].peer, &engine, ROLE_ENGINE, engine_msg);
}

static void end(void)
{
	LIST_EACH(&m.sessions, e)
		sess_free(&m, CONTAINER_OF(e, struct msess, link));
	peer_close(&m.netd);
	peer_close(&m.engine[0].peer);
	chan_close(&netd);
	chan_close(&engine);
	pool_free(m.pool[0]);
	free(m.engine[0].by_slot);
	free(m.unit_used);
	event_base_free(m.base);
}

/* The next message at one end is of that type. */
static void hears(struct chan *c, enum msg_type type)
{
	if (chan_recv(c, &msg) != 1)
		fail_msg("not a word, in place of %s", msg_name(type));
	if (msg.type != type)
		fail_msg("%s in place of %s", msg_name(msg.type), msg_name(type));
}

static void hears_nothing(struct chan *c)
{
	if (chan_recv(c, &msg) != 0)
		fail_msg("%s", msg_name(msg.type));
}

static void hears_filter(const char *name, uint32_t net)
{
	hears(&netd, MSG_FILTER_SET);
	assert_string_equal(msg.b.filter.filter, name);
	assert_int_equal(msg.b.filter.net, net);
	assert_int_equal(msg.b.filter.mask, UINT32_MAX);
}

/* netd's answer to a MSG_FILTER_SET: what who waits for it hears. */
static int done(const struct msg_filter *to, int err)
{
	struct msg_filter f = *to;

	dae_told = -1;
	f.err = err;
	filter_done(&m, &f);
	return dae_told;
}

/* The session is to have another filter: what who waited for the last one hears. */
static int filter_set(struct msess *s, const char *name)
{
	dae_told = -1;
	assert_null(manager_filter_set(&m, s, name));
	return dae_told;
}

/* Why not, or NULL and *ret. */
static const char *log_in(uint32_t slot, const char *filter, struct msess **ret)
{
	const struct msg_judge req = { .ppp_id = slot + 1, .req = { .sid = { slot, 1 }, .mtu = 1400, .method = AUTH_PAP } };
	struct msg_judged j = { .verdict = VERDICT_OK, .user = "roy", .by_radius = 1 };

	str_copy(j.says.filter, sizeof(j.says.filter), filter);
	return login(&m, &req, &j, ret);
}

/* The filter first, then what packets could go by; at the end the other way round. */
static void t_order(void **st)
{
	static const struct {
		const char *interface;
		enum msg_type add, del;
	} kinds[] = { { "pppx0", MSG_TUN_ADD, MSG_TUN_DEL }, { "tun0", MSG_ROUTE_ADD, MSG_ROUTE_DEL } };

	for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
		struct msess *s = NULL;
		struct msg_filter f;
		uint32_t ip;

		begin(kinds[i].interface);
		assert_null(log_in(0, "A", &s));
		ip = s->ip;
		hears_filter("A", ip);
		f = msg.b.filter;
		hears_nothing(&netd);
		assert_int_equal(done(&f, 0), 1);
		hears(&netd, kinds[i].add);
		/* A second answer changes nothing. */
		assert_int_equal(done(&f, 0), -1);
		hears_nothing(&netd);
		sess_free(&m, s);
		hears(&netd, kinds[i].del);
		hears_filter("", ip);
		hears_nothing(&netd);
		/* Who has none is told nothing of it. */
		assert_null(log_in(1, "", &s));
		hears(&netd, kinds[i].add);
		sess_free(&m, s);
		hears(&netd, kinds[i].del);
		hears_nothing(&netd);
		end();
	}
}

static void t_refused(void **st)
{
	struct msess *s = NULL;

	log_max = LOG_EMERG;
	begin("pppx0");
	assert_string_equal(log_in(0, "C", &s), "its Filter-Id names no filter");
	assert_string_equal(log_in(0, "a", &s), "its Filter-Id names no filter");
	m.conf.firewall.off = true;
	assert_string_equal(log_in(0, "A", &s), "its Filter-Id needs the firewall, which is off");
	assert_int_equal(m.n_sessions, 0);
	hears_nothing(&netd);
	assert_null(log_in(0, "", &s));
	end();
}

/* netd says no: the session ends, and never gets a device. */
static void t_error(void **st)
{
	struct msess *s = NULL;

	log_max = LOG_EMERG;
	begin("pppx0");
	assert_null(log_in(0, "A", &s));
	hears_filter("A", s->ip);
	assert_int_equal(done(&msg.b.filter, -ENOENT), 0);
	hears_nothing(&netd);
	hears(&engine, MSG_SESSION_KILL);
	assert_string_equal(msg.b.session.reason, "its filter was removed");
	end();
}

static void t_move(void **st)
{
	struct msess *s = NULL;
	struct msg_filter a, b;

	begin("pppx0");
	assert_null(log_in(0, "A", &s));
	hears_filter("A", s->ip);
	done(&msg.b.filter, 0);
	hears(&netd, MSG_TUN_ADD);
	assert_null(manager_filter_set(&m, s, "A"));
	assert_non_null(manager_filter_set(&m, s, "C"));
	hears_nothing(&netd);
	hears_nothing(&engine);
	assert_null(manager_filter_set(&m, s, "B"));
	hears_filter("B", s->ip);
	hears(&engine, MSG_SESSION_FILTER);
	assert_string_equal(msg.b.session_filter.filter, "B");
	assert_null(manager_filter_set(&m, s, ""));
	hears_filter("", s->ip);
	hears(&engine, MSG_SESSION_FILTER);
	assert_string_equal(msg.b.session_filter.filter, "");
	sess_free(&m, s);
	hears(&netd, MSG_TUN_DEL);
	hears_nothing(&netd);

	/* One without a filter gets one. */
	assert_null(log_in(1, "", &s));
	hears(&netd, MSG_TUN_ADD);
	assert_null(manager_filter_set(&m, s, "A"));
	hears_filter("A", s->ip);
	hears(&engine, MSG_SESSION_FILTER);
	sess_free(&m, s);
	hears(&netd, MSG_TUN_DEL);
	hears(&netd, MSG_FILTER_SET);

	/* While netd has not answered yet: the last one counts, and then the device is made. */
	assert_null(log_in(2, "A", &s));
	hears_filter("A", s->ip);
	a = msg.b.filter;
	assert_int_equal(filter_set(s, "B"), 0);
	hears_filter("B", s->ip);
	b = msg.b.filter;
	assert_int_equal(done(&a, 0), -1);
	hears_nothing(&netd);
	assert_int_equal(filter_set(s, ""), 0);
	hears_filter("", s->ip);
	a = msg.b.filter;
	assert_int_equal(done(&b, 0), -1);
	hears_nothing(&netd);
	assert_int_equal(done(&a, 0), 1);
	hears(&netd, MSG_TUN_ADD);
	/* Nothing is under way. */
	assert_int_equal(filter_set(s, "A"), -1);
	end();
}

/* The same user by LCP anew: what RADIUS says now counts. */
static void t_again(void **st)
{
	struct msg_judged j = { .verdict = VERDICT_OK, .user = "roy", .by_radius = 1 };
	struct msess *s = NULL;

	log_max = LOG_EMERG;
	begin("tun0");
	assert_null(log_in(0, "A", &s));
	hears_filter("A", s->ip);
	done(&msg.b.filter, 0);
	hears(&netd, MSG_ROUTE_ADD);
	str_copy(j.says.filter, sizeof(j.says.filter), "B");
	assert_null(login_again(&m, s, &j));
	hears_filter("B", s->ip);
	str_copy(j.says.filter, sizeof(j.says.filter), "C");
	assert_string_equal(login_again(&m, s, &j), "its Filter-Id names no filter");
	hears_nothing(&netd);
	end();
}

/* A new netd is told before it makes anything; a new manager finds the filter in the row. */
static void t_sync(void **st)
{
	struct msess *s = NULL;
	struct sess_row row = {
		.state = ROW_UP, .sid = { 3, 1 }, .ppp_id = 9, .user = "roy", .filter = "A", .mru = 1400,
	};
	uint32_t ip;

	log_max = LOG_EMERG;
	begin("tun0");
	assert_null(log_in(0, "A", &s));
	hears_filter("A", s->ip);
	ip = s->ip;
	/* It dies before it answers. */
	netd_sync(&m);
	hears_filter("A", ip);
	for (unsigned i = 0; i < m.conf.engines; i++)
		hears(&netd, MSG_SHARED_ADD);
	hears(&netd, MSG_TUN_SYNC);
	hears_nothing(&netd);
	assert_int_equal(done(&(struct msg_filter){ .tag = s->ppp_id, .net = ip, .mask = UINT32_MAX, .filter = "A" }, 0), 1);
	hears(&netd, MSG_ROUTE_ADD);
	/* It dies when it was to take one out of all: its successor has nobody in any. */
	assert_int_equal(filter_set(s, ""), -1);
	hears_filter("", ip);
	hears(&engine, MSG_SESSION_FILTER);
	netd_sync(&m);
	assert_int_equal(dae_told, 1);
	for (unsigned i = 0; i < m.conf.engines; i++)
		hears(&netd, MSG_SHARED_ADD);
	hears(&netd, MSG_ROUTE_ADD);
	hears(&netd, MSG_TUN_SYNC);
	assert_int_equal(filter_set(s, "A"), -1);
	hears_filter("A", ip);
	assert_int_equal(done(&msg.b.filter, 0), 1);
	hears(&engine, MSG_SESSION_FILTER);
	netd_sync(&m);
	hears_filter("A", ip);
	for (unsigned i = 0; i < m.conf.engines; i++)
		hears(&netd, MSG_SHARED_ADD);
	hears(&netd, MSG_ROUTE_ADD);
	hears(&netd, MSG_TUN_SYNC);
	sess_free(&m, s);
	hears(&netd, MSG_ROUTE_DEL);
	hears_filter("", ip);

	row.ip = ip;
	str_copy(row.realm, sizeof(row.realm), m.conf.auth[0].name);
	shared_ifname(&m.conf.interface[0], 0, row.ifname);
	adopt(&m, 0, &row);
	s = manager_find(&m, 9);
	assert_non_null(s);
	assert_false(s->ending);
	assert_string_equal(s->filter, "A");
	netd_sync(&m);
	hears_filter("A", ip);
	sess_free(&m, s);
	while (chan_recv(&netd, &msg) == 1)
		;
	hears_nothing(&engine);
	str_copy(row.filter, sizeof(row.filter), "gone");
	adopt(&m, 0, &row);
	hears(&engine, MSG_SESSION_KILL);
	assert_string_equal(msg.b.session.reason, "its filter was removed");
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_order), cmocka_unit_test(t_refused), cmocka_unit_test(t_error), cmocka_unit_test(t_move),
		cmocka_unit_test(t_again), cmocka_unit_test(t_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
