/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drive: plays parent, manager and engine to the real netd_main(), by lines on
 * standard input; the answers go to standard output, one line each.  For
 * tests/netd/netd.py; needs root.  Its argument: the directory of the helpers.
 *
 *	conf KEY=VALUE…			address= pool=A-B nat_on= nat_to= off= c2c= spoof= raw=, if=tunN:
 *					two engines and a shared device of each
 *					slot=N: at that index, holes before it; mru=
 *					pass= and block=NET/LEN[:PORT]: a rule of the block, or of
 *					the last filter=NAME before it
 *	start				"ready", or "exit N"
 *	apply				"applied ERR TEXT": a reload to the last conf
 *	finish				"applied 0": its end
 *	add UNIT LOCAL PEER MTU ALIAS	"done ERR IFNAME"; keeps the TUN like an engine
 *	del UNIT			no answer; closes the TUN
 *	shared INTERFACE ENGINE		"done ERR FD", FD 1 when one came; keeps it like an engine
 *	route INTERFACE ENGINE IP MTU	"done ERR"
 *	unroute INTERFACE ENGINE IP	no answer
 *	filter NET LEN NAME		"done ERR"; NAME "-": none
 *	many FIRST COUNT NAME		"done ERRORS": the same for so many addresses
 *	sync				no answer; what was not named since the start goes
 *	leave				the engines' shared descriptors are closed
 *	stats				"stats NAME=VALUE…"
 *	junk HEX			no answer; the bytes go to netd on the manager's channel
 *	put UNIT HEX			"put"; an IP packet from the session's client
 *	get UNIT MS			"packet HEX" or "none": what its client would see
 *	pid				"pid N" of netd
 *	restart				"restarted": netd is killed, a new one started (then start)
 *	shutdown | hangup		"exit N"
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/msg.h"
#include "l2tpd/netd.h"
#include "l2tpd/vnet.h"
#include "l2tpd/paths.h"

enum { UNITS = 65536, WAIT_MS = 20000 };

static struct chan parent, manager;
static struct msg m;
static int tun[UNITS];
static int shared[CONF_INTERFACES][CONF_ENGINES_MAX];
static pid_t netd_pid;
static struct msg_conf conf;
static bool forward_was;	/* before the first netd, as the parent knows it */

static void die(const char *what)
{
	fprintf(stderr, "drive: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool wait_fd(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* The next message; false at the end of the channel or of patience. */
static bool next(struct chan *c)
{
	for (;;) {
		int r;

		if (chan_flush(c) < 0)
			return false;
		r = chan_recv(c, &m);
		if (r == 1)
			return true;
		if (r < 0 && r != -EBADMSG)
			return false;
		if (r == 0 && !wait_fd(c->fd, WAIT_MS))
			return false;
	}
}

static void send_or_die(struct chan *c, enum msg_type type, const void *body, size_t len, int fd)
{
	if (chan_send(c, type, body, len, fd) < 0)
		die(msg_name(type));
}

static void say_exit(void)
{
	int status;

	if (waitpid(netd_pid, &status, 0) != netd_pid)
		die("waitpid");
	printf("exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	fflush(stdout);
	exit(0);
}

static uint32_t ip4(const char *s)
{
	struct addr a;

	return addr_parse(s, 0, &a) ? addr_v4_of(&a) : 0;
}

static void add_rule(struct conf_firewall *f, bool pass, char *v)
{
	struct conf_rule *r = &f->rule[f->n_rule++];
	char *port = strchr(v, ':'), *slash = strchr(v, '/');
	int len = slash ? atoi(slash + 1) : 32;

	if (port)
		*port++ = '\0';
	if (slash)
		*slash = '\0';
	*r = (struct conf_rule){ .filter = (uint8_t)(f->n_filter ? f->n_filter - 1 : CONF_FILTERS), .pass = pass };
	if (len) {
		r->n_to = 1;
		r->to[0] = (struct conf_prefix){ ip4(v), UINT32_MAX << (32 - len) };
	}
	if (port) {
		r->n_port = 1;
		r->port[0].first = r->port[0].last = (uint16_t)atoi(port);
	}
}

static void on_conf(char *args)
{
	struct conf *c = &conf.conf;

	memset(&conf, 0, sizeof(conf));
	conf.ip_forward = forward_was;
	c->engines = 1;
	c->n_interface = c->n_ipcp = c->n_tunnel = 1;
	c->interface[0].per_session = true;
	str_copy(c->interface[0].name, sizeof(c->interface[0].name), "pppx0");
	str_copy(c->tunnel[0].name, sizeof(c->tunnel[0].name), "L2TP");
	str_copy(c->ipcp[0].name, sizeof(c->ipcp[0].name), "HOME");
	c->tunnel[0].ingress_filter = c->tunnel[0].tcp_mss_adjust = c->tunnel[0].l2tp_require_ipsec = true;
	for (char *k = strtok(args, " "); k; k = strtok(NULL, " ")) {
		char *v = strchr(k, '=');

		if (!v)
			die(k);
		*v++ = '\0';
		if (!strcmp(k, "if")) {
			c->engines = 2;
			c->interface[0].per_session = false;
			str_copy(c->interface[0].name, sizeof(c->interface[0].name), v);
		} else if (!strcmp(k, "slot")) {
			c->interface[atoi(v)] = c->interface[0];
			memset(&c->interface[0], 0, atoi(v) ? sizeof(c->interface[0]) : 0);
			c->n_interface = (uint8_t)(atoi(v) + 1);
		} else if (!strcmp(k, "mru")) {
			c->tunnel[0].mru = (uint16_t)atoi(v);
		} else if (!strcmp(k, "address")) {
			c->interface[0].address = ip4(v);
		} else if (!strcmp(k, "pool")) {
			struct conf_pool *p = &c->ipcp[0].pool[c->ipcp[0].n_pool++];
			char *dash = strchr(v, '-');

			*dash++ = '\0';
			p->first = ip4(v);
			p->last = ip4(dash);
		} else if (!strcmp(k, "nat_on")) {
			c->firewall.nat = c->firewall.present = true;
			str_copy(c->firewall.nat_on, sizeof(c->firewall.nat_on), v);
		} else if (!strcmp(k, "nat_to")) {
			c->firewall.nat_to = ip4(v);
		} else if (!strcmp(k, "off")) {
			c->firewall.off = c->firewall.present = atoi(v);
		} else if (!strcmp(k, "c2c")) {
			c->firewall.client_to_client = atoi(v);
		} else if (!strcmp(k, "filter")) {
			str_copy(c->firewall.filter[c->firewall.n_filter++].name, CONF_NAME_MAX, v);
		} else if (!strcmp(k, "pass") || !strcmp(k, "block")) {
			add_rule(&c->firewall, *k == 'p', v);
		} else if (!strcmp(k, "raw")) {
			c->raw_esp = atoi(v);
		} else if (!strcmp(k, "spoof")) {
			c->tunnel[0].ingress_filter = !atoi(v);
		} else {
			die(k);
		}
	}
}

static void on_start(void)
{
	send_or_die(&parent, MSG_CONF, &conf, sizeof(conf), -1);
	send_or_die(&parent, MSG_START, NULL, 0, -1);
	if (!next(&parent) || m.type != MSG_READY)
		say_exit();
	puts("ready");
}

static void on_apply(uint32_t phase)
{
	const struct msg_apply a = { .phase = phase };

	if (phase == APPLY_CONF)
		send_or_die(&parent, MSG_CONF, &conf, sizeof(conf), -1);
	send_or_die(&parent, MSG_APPLY, &a, sizeof(a), -1);
	if (!next(&parent) || m.type != MSG_APPLIED || m.b.applied.phase != phase)
		die("no APPLIED");
	printf("applied %d%s%s\n", m.b.applied.err, m.b.applied.text[0] ? " " : "", m.b.applied.text);
}

static void on_add(const char *args)
{
	struct msg_tun_add a = { .tag = 7 };
	char local[64], peer[64];
	unsigned mtu;

	if (sscanf(args, "%u %63s %63s %u %127s", &a.unit, local, peer, &mtu, a.alias) != 5)
		die("add");
	a.tag = a.unit ^ 0x55;
	a.mtu = (uint16_t)mtu;
	a.ip_local = ip4(local);
	a.ip_peer = ip4(peer);
	send_or_die(&manager, MSG_TUN_ADD, &a, sizeof(a), -1);
	if (!next(&manager) || m.type != MSG_TUN_DONE || m.b.tun_done.tag != a.tag)
		die("no TUN_DONE");
	if ((m.b.tun_done.err == 0) != (m.fd >= 0))
		die("TUN_DONE: error and descriptor disagree");
	if (m.fd >= 0)
		tun[a.unit] = m.fd;
	printf("done %d %s\n", m.b.tun_done.err, m.b.tun_done.ifname);
}

static void on_del(unsigned unit)
{
	struct msg_tun_del d = { .unit = unit };

	send_or_die(&manager, MSG_TUN_DEL, &d, sizeof(d), -1);
	if (unit < UNITS && tun[unit] >= 0) {
		close(tun[unit]);
		tun[unit] = -1;
	}
}

static void on_shared(uint32_t interface, uint32_t engine)
{
	const struct msg_shared s = { .interface = interface, .engine = engine };
	int fd;

	send_or_die(&manager, MSG_SHARED_ADD, &s, sizeof(s), -1);
	if (!next(&manager) || m.type != MSG_SHARED_DONE || m.b.shared_done.interface != interface ||
	    m.b.shared_done.engine != engine || (m.b.shared_done.err && m.fd >= 0))
		die("no SHARED_DONE");
	fd = m.fd;
	printf("done %d %d\n", m.b.shared_done.err, fd >= 0);
	if (fd < 0)
		return;
	if (shared[interface][engine] >= 0)
		close(shared[interface][engine]);
	shared[interface][engine] = fd;
}

static void on_leave(void)
{
	for (unsigned i = 0; i < CONF_INTERFACES; i++) {
		for (unsigned e = 0; e < CONF_ENGINES_MAX; e++) {
			if (shared[i][e] >= 0)
				close(shared[i][e]);
			shared[i][e] = -1;
		}
	}
}

static void on_route(enum msg_type type, const char *args)
{
	struct msg_route r = { .tag = 99, .mtu = 1360 };
	unsigned mtu = 1360;
	char ip[64];

	if (sscanf(args, "%u %u %63s %u", &r.interface, &r.engine, ip, &mtu) < 3)
		die("route");
	r.ip = ip4(ip);
	r.mtu = (uint16_t)mtu;
	send_or_die(&manager, type, &r, sizeof(r), -1);
	if (type == MSG_ROUTE_DEL)
		return;
	if (!next(&manager) || m.type != MSG_ROUTE_DONE || m.b.route.tag != r.tag || m.b.route.ip != r.ip)
		die("no ROUTE_DONE");
	printf("done %d\n", m.b.route.err);
}

static int filter_one(uint32_t ip, int len, const char *name)
{
	struct msg_filter f = { .tag = 77, .net = ip, .mask = UINT32_MAX << (32 - len) };

	if (strcmp(name, "-"))
		str_copy(f.filter, sizeof(f.filter), name);
	send_or_die(&manager, MSG_FILTER_SET, &f, sizeof(f), -1);
	if (!next(&manager) || m.type != MSG_FILTER_DONE || m.b.filter.tag != f.tag || m.b.filter.net != ip)
		die("no FILTER_DONE");
	return m.b.filter.err;
}

static void on_filter(const char *args, bool many)
{
	unsigned count, failed = 0;
	char ip[64], name[64];

	if (sscanf(args, "%63s %u %63s", ip, &count, name) != 3)
		die("filter");
	if (!many) {
		printf("done %d\n", filter_one(ip4(ip), (int)count, name));
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		failed += filter_one(ip4(ip) + i, 32, name) != 0;
	printf("done %u\n", failed);
}

static void on_stats(void)
{
	send_or_die(&manager, MSG_STATS_REQ, NULL, 0, -1);
	if (!next(&manager) || m.type != MSG_STATS)
		die("no STATS");
	fputs("stats", stdout);
	for (unsigned i = 0; i < m.b.stats.n; i++)
		printf(" %s=%llu", m.b.stats.c[i].name, (unsigned long long)m.b.stats.c[i].value);
	puts("");
}

static size_t unhex(const char *s, uint8_t *ret, size_t cap)
{
	size_t n = 0;
	unsigned v;

	for (; n < cap && sscanf(s, "%2x", &v) == 1; s += 2)
		ret[n++] = (uint8_t)v;
	return n;
}

static void on_get(unsigned unit, int ms)
{
	uint8_t buf[2048];
	ssize_t n;

	if (!wait_fd(tun[unit], ms) || (n = read(tun[unit], buf, sizeof(buf))) < 0) {
		puts("none");
		return;
	}
	fputs("packet ", stdout);
	for (ssize_t i = VNET_HDR; i < n; i++)
		printf("%02x", buf[i]);
	puts("");
}

/* A netd as the parent starts it: its channel, and the manager's as the first message. */
static void spawn(void)
{
	const struct msg_peer manager_is = { .role = ROLE_MANAGER };
	int p[2], q[2];

	if (chan_pair(p) < 0 || chan_pair(q) < 0 || (netd_pid = fork()) < 0)
		die("start");
	if (netd_pid == 0) {
		for (int fd = 3; fd < UNITS; fd++)
			if (fd != p[1])
				close(fd);
		signal(SIGPIPE, SIG_DFL);
		log_init("netd", false);
		exit(netd_main(p[1]));
	}
	close(p[1]);
	chan_init(&parent, p[0], ROLE_PARENT, ROLE_NETD, 0);
	chan_init(&manager, q[0], ROLE_MANAGER, ROLE_NETD, 0);
	send_or_die(&parent, MSG_PEER, &manager_is, sizeof(manager_is), q[1]);
	close(q[1]);
}

static void on_restart(void)
{
	kill(netd_pid, SIGKILL);
	if (waitpid(netd_pid, NULL, 0) != netd_pid)
		die("waitpid");
	chan_close(&parent);
	chan_close(&manager);
	spawn();
	puts("restarted");
}

static void line(char *s)
{
	static uint8_t bytes[65536];
	char *args = strchr(s, ' ');
	unsigned unit, engine;
	int ms, at = 0;
	size_t n;

	if (args)
		*args++ = '\0';
	else
		args = s + strlen(s);
	if (!strcmp(s, "conf")) {
		on_conf(args);
	} else if (!strcmp(s, "start")) {
		on_start();
	} else if (!strcmp(s, "apply")) {
		on_apply(APPLY_CONF);
	} else if (!strcmp(s, "finish")) {
		on_apply(APPLY_DONE);
	} else if (!strcmp(s, "add")) {
		on_add(args);
	} else if (!strcmp(s, "del")) {
		on_del((unsigned)strtoul(args, NULL, 10));
	} else if (!strcmp(s, "shared") && sscanf(args, "%u %u", &unit, &engine) == 2 &&
		   unit < CONF_INTERFACES && engine < CONF_ENGINES_MAX) {
		on_shared(unit, engine);
	} else if (!strcmp(s, "route")) {
		on_route(MSG_ROUTE_ADD, args);
	} else if (!strcmp(s, "unroute")) {
		on_route(MSG_ROUTE_DEL, args);
	} else if (!strcmp(s, "filter") || !strcmp(s, "many")) {
		on_filter(args, *s == 'm');
	} else if (!strcmp(s, "sync")) {
		send_or_die(&manager, MSG_TUN_SYNC, NULL, 0, -1);
	} else if (!strcmp(s, "leave")) {
		on_leave();
		puts("left");
	} else if (!strcmp(s, "stats")) {
		on_stats();
	} else if (!strcmp(s, "junk")) {
		n = unhex(args, bytes, sizeof(bytes));
		if (write(manager.fd, bytes, n) < 0)
			die("junk");
	} else if (!strcmp(s, "put") && sscanf(args, "%u %n", &unit, &at) == 1 && unit < UNITS) {
		memset(bytes, 0, VNET_HDR);
		n = VNET_HDR + unhex(args + at, bytes + VNET_HDR, sizeof(bytes) - VNET_HDR);
		if (write(tun[unit], bytes, n) < 0)
			die("put");
		puts("put");
	} else if (!strcmp(s, "get") && sscanf(args, "%u %d", &unit, &ms) == 2 && unit < UNITS) {
		on_get(unit, ms);
	} else if (!strcmp(s, "pid")) {
		printf("pid %d\n", (int)netd_pid);
	} else if (!strcmp(s, "restart")) {
		on_restart();
	} else if (!strcmp(s, "shutdown")) {
		send_or_die(&parent, MSG_SHUTDOWN, NULL, 0, -1);
		say_exit();
	} else if (!strcmp(s, "hangup")) {
		chan_close(&parent);
		say_exit();
	} else {
		die(s);
	}
	fflush(stdout);
}

static bool forward_is_on(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_forward", "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c == '1';
}

int main(int argc, char **argv)
{
	static char buf[140000];

	if (argc != 2)
		return 2;
	paths_set_dir(argv[1]);
	forward_was = forward_is_on();
	memset(tun, 0xff, sizeof(tun));
	memset(shared, 0xff, sizeof(shared));
	signal(SIGPIPE, SIG_IGN);
	spawn();
	while (fgets(buf, sizeof(buf), stdin)) {
		buf[strcspn(buf, "\n")] = '\0';
		line(buf);
	}
	return 0;
}
