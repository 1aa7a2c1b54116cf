/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/fw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/log.h"
#include "l2tpd/paths.h"

#define SESSION_PREFIX "pppx"

enum {
	NAT_FIRST = 10000,		/* below are services */
	NAT_ENOUGH = 4096,
	OUTPUT_MAX = 4096,		/* of what the helper says */
};

bool fw_nat_ports(uint16_t local_first, uint16_t local_last, uint16_t ret_port[static 2])
{
	unsigned below = local_first > NAT_FIRST ? local_first - NAT_FIRST : 0;
	unsigned next = MAX(local_last + 1u, NAT_FIRST), above = 65536 - next;

	if (MAX(below, above) < NAT_ENOUGH) {
		ret_port[0] = NAT_FIRST;
		ret_port[1] = 32767;
		return false;
	}
	ret_port[0] = (uint16_t)(below >= above ? NAT_FIRST : next);
	ret_port[1] = (uint16_t)(below >= above ? local_first - 1 : 65535);
	return true;
}

static enum fwreq_l2tp l2tp_of(const struct conf *c)
{
	return c->esp_kernel ? FWREQ_L2TP_IPSEC : FWREQ_L2TP_DROP;
}

static void add_pools(struct fwreq *r, const struct conf_ipcp *p)
{
	for (unsigned i = 0; i < p->n_pool && i < CONF_POOLS && r->n_pool < FWREQ_RANGES; i++)
		r->pool[r->n_pool++] = (struct fwreq_range){ p->pool[i].first, p->pool[i].last };
}

/* Where a tunnel takes plain L2TP. */
static void add_plain(struct fwreq *r, const struct conf_tunnel *t)
{
	for (unsigned i = 0; !t->l2tp_require_ipsec && i < t->n_listen && r->n_plain < FWREQ_PLAINS; i++) {
		r->plain[r->n_plain] = t->listen[i];
		r->plain[r->n_plain++].port = conf_plain_port(&t->listen[i]);
	}
}

static void add_session_if(struct fwreq *r, const char *name, const char *rest)
{
	if (r->n_session_if < FWREQ_SESSION_IFS)
		snprintf(r->session_if[r->n_session_if++], CONF_IFNAME_MAX, "%.12s%s", name, rest);
}

/* pppx*, where there is such an interface or none at all; the shared devices of every tunN. */
static void add_session_ifs(struct fwreq *r, const struct conf *c)
{
	bool per_session = false, any = false;

	for (unsigned i = 0; i < c->n_interface; i++) {
		any = any || conf_has_interface(c, i);
		per_session = per_session || (conf_has_interface(c, i) && c->interface[i].per_session);
	}
	if (per_session || !any)
		add_session_if(r, SESSION_PREFIX, "*");
	for (unsigned i = 0; i < c->n_interface; i++) {
		if (!conf_has_interface(c, i) || c->interface[i].per_session)
			continue;
		add_session_if(r, c->interface[i].name, "");
		add_session_if(r, c->interface[i].name, "-*");
	}
}

static bool is_session_if(const struct fwreq *r, const char *name)
{
	for (uint32_t i = 0; i < r->n_session_if; i++) {
		size_t n = strlen(r->session_if[i]);

		if (r->session_if[i][n - 1] == '*' ? !strncmp(name, r->session_if[i], n - 1)
						   : !strcmp(name, r->session_if[i]))
			return true;
	}
	return false;
}

struct fwreq fw_request(const struct conf *c, const uint16_t nat_port[static 2])
{
	struct fwreq r = {
		.magic = FWREQ_MAGIC,
		.nat = c->firewall.nat,
		.client_to_client = c->firewall.client_to_client,
		.source_check = FWREQ_SOURCE_POOL,
		.l2tp = (uint8_t)l2tp_of(c),
		.raw_esp = c->raw_esp,
		.ike_port = { 500, 4500 },
	};

	add_session_ifs(&r, c);
	if (r.nat) {
		str_copy(r.nat_on, sizeof(r.nat_on), c->firewall.nat_on);
		r.nat_to = c->firewall.nat_to;
		memcpy(r.nat_port, nat_port, sizeof(r.nat_port));
	}
	/* Networks behind clients (Framed-Route) are in no pool: their routes say which interface they are of. */
	if (conf_has_radius(c))
		r.source_check = FWREQ_SOURCE_ROUTE;
	/* One set of rules for all tunnels: no source check if one has none, the clamp if one has it. */
	for (unsigned i = 0; i < c->n_tunnel; i++) {
		if (!conf_has_tunnel(c, i))
			continue;
		if (!c->tunnel[i].ingress_filter)
			r.source_check = FWREQ_SOURCE_ANY;
		r.mss_clamp = r.mss_clamp || c->tunnel[i].tcp_mss_adjust;
		add_plain(&r, &c->tunnel[i]);
	}
	for (unsigned i = 0; i < c->n_ipcp; i++)
		if (conf_has_ipcp(c, i))
			add_pools(&r, &c->ipcp[i]);
	for (unsigned i = 0; i < c->n_interface && r.n_server < FWREQ_SERVERS; i++)
		if (conf_has_interface(c, i))
			r.server[r.n_server++] = c->interface[i].address;
	r.n_filter = c->firewall.n_filter;
	r.n_rule = c->firewall.n_rule;
	memcpy(r.filter, c->firewall.filter, sizeof(r.filter));
	memcpy(r.rule, c->firewall.rule, sizeof(r.rule));
	return r;
}

void fw_drop_foreign(struct fwreq *r)
{
	struct ifaddrs *all;

	if (getifaddrs(&all) < 0)
		return;
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		struct addr ip = a->ifa_addr ? addr_from_sa(a->ifa_addr) : (struct addr){ 0 };
		uint32_t kept = 0;

		if (ip.family != 4 || is_session_if(r, a->ifa_name))
			continue;
		for (uint32_t i = 0; i < r->n_server; i++)
			if (r->server[i] != addr_v4_of(&ip))
				r->server[kept++] = r->server[i];
		r->n_server = kept;
	}
	freeifaddrs(all);
}

int fw_local_ports(uint16_t ret_port[static 2])
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
	int n;

	if (!f)
		return -errno;
	n = fscanf(f, "%hu %hu", &ret_port[0], &ret_port[1]);
	fclose(f);
	return n == 2 ? 0 : -EIO;
}

/* ---- the helper ---- */
struct helper {
	pid_t pid;
	int in, out;		/* its standard input, and its output and errors */
};

static void helper_exec(const char *path, int in, int out, pid_t netd)
{
	char *const argv[] = { (char *)(uintptr_t)path, NULL }, *const env[] = { NULL };

	/* One that outlived its netd would put rules in force that are older than those of the next. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != netd)
		_exit(127);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	    dup2(out, STDERR_FILENO) >= 0 && close_range(3, ~0u, 0) == 0)
		execve(path, argv, env);
	_exit(127);
}

static int helper_start(struct helper *ret)
{
	char path[CONF_PATH_MAX];
	pid_t netd;
	int in[2], out[2], err = paths_helper("culvert-firewall", path);

	if (err)
		return err;
	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(out, O_CLOEXEC) < 0) {
		err = -errno;
		close(in[0]);
		close(in[1]);
		return err;
	}
	netd = getpid();
	ret->pid = fork();
	err = ret->pid < 0 ? -errno : 0;
	if (ret->pid == 0)
		helper_exec(path, in[0], out[1], netd);
	close(in[0]);
	close(out[1]);
	(void)fcntl(in[1], F_SETFL, O_NONBLOCK);
	ret->in = in[1];
	ret->out = out[0];
	if (err) {
		close(ret->in);
		close(ret->out);
	}
	return err;
}

/* What is left to be written to it. */
struct rest {
	struct iovec part[2];
	unsigned n;
};

/* As much as goes. Closes its input when that was all, or it does not want more: its exit status says why. */
static void helper_tell(struct helper *h, struct rest *r)
{
	while (r->n) {
		ssize_t n = write(h->in, r->part[0].iov_base, r->part[0].iov_len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			break;
		r->part[0].iov_base = (char *)r->part[0].iov_base + n;
		r->part[0].iov_len -= (size_t)n;
		if (!r->part[0].iov_len) {
			r->part[0] = r->part[1];
			r->n--;
		}
	}
	close(h->in);
	h->in = -1;
}

/* Tell it all, and hear everything that it says until it closes its output. */
static int helper_talk(struct helper *h, struct rest *rest, uint64_t until_ms, char said[static OUTPUT_MAX])
{
	size_t n = 0;

	for (;;) {
		struct pollfd p[] = { { .fd = h->out, .events = POLLIN }, { .fd = h->in, .events = POLLOUT } };
		uint64_t now = now_ms();
		char more[256];
		ssize_t got;

		said[n] = '\0';
		if (now >= until_ms)
			return -ETIMEDOUT;
		if (poll(p, N_ELEMENTS(p), (int)(until_ms - now)) <= 0)
			continue;
		if (p[1].revents)
			helper_tell(h, rest);
		if (!p[0].revents)
			continue;
		if (n < OUTPUT_MAX - 1)
			got = read(h->out, said + n, OUTPUT_MAX - 1 - n);
		else
			got = read(h->out, more, sizeof(more));
		if (got == 0)
			return 0;
		if (got < 0 && errno != EINTR)
			return -errno;
		if (got > 0 && n < OUTPUT_MAX - 1)
			n += (size_t)got;
	}
}

static void log_lines(int level, char *said)
{
	char clean[512], *save = NULL;

	for (char *l = strtok_r(said, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		str_escape(clean, sizeof(clean), l, strlen(l));
		log_at(level, "firewall: %s", clean);
	}
}

static int helper_end(const struct helper *h, bool kill_it)
{
	int status;

	if (kill_it)
		kill(h->pid, SIGKILL);
	while (waitpid(h->pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int fw_apply(const struct fwreq *r, const struct fwreq_member *m, unsigned timeout_ms, int level)
{
	struct rest rest = { .part = {
		{ (void *)(uintptr_t)r, sizeof(*r) }, { (void *)(uintptr_t)m, r->n_member * sizeof(*m) },
	}, .n = r->n_member ? 2 : 1 };
	char said[OUTPUT_MAX];
	struct helper h = { .pid = -1, .in = -1, .out = -1 };
	int err = helper_start(&h), end;

	if (err)
		return err;
	err = helper_talk(&h, &rest, now_ms() + timeout_ms, said);
	if (h.in >= 0)
		close(h.in);
	close(h.out);
	end = helper_end(&h, err != 0);
	log_lines(level, said);
	return err ? err : end;
}

int fw_remove(unsigned timeout_ms, int level)
{
	const struct fwreq r = { .magic = FWREQ_MAGIC, .remove = 1 };

	return fw_apply(&r, NULL, timeout_ms, level);
}
