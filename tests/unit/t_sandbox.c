/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The sandbox: each case is a process of its own that enters it and makes one
 * call. What is allowed goes on to exit status 0; what is not dies by SIGSYS.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/msg.h"
#include "l2tpd/sandbox.h"

enum {
	E = 1 << ROLE_ENGINE, M = 1 << ROLE_MANAGER, A = 1 << ROLE_AUTH, R = 1 << ROLE_RADIUS, ALL = E | M | A | R,
	SAN = SANDBOX_SANITIZER ? ALL : 0,	/* allowed where a sanitizer needs it */
};

/* Made before the sandbox is entered. */
static struct fixture {
	int pair[2], epoll, memfd, listener, client, udp[2], file;
	void *page;
} f;

static void fixture_open(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(un.sun_family);

	assert_int_equal(chan_pair(f.pair), 0);
	assert_true((f.epoll = epoll_create1(EPOLL_CLOEXEC)) >= 0);
	assert_true((f.memfd = memfd_create("t_sandbox", MFD_CLOEXEC)) >= 0);
	assert_int_equal(ftruncate(f.memfd, 4096), 0);
	/* A name that the kernel chooses. */
	assert_true((f.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) >= 0);
	assert_int_equal(bind(f.listener, (struct sockaddr *)&un, len), 0);
	assert_int_equal(listen(f.listener, 1), 0);
	len = sizeof(un);
	assert_int_equal(getsockname(f.listener, (struct sockaddr *)&un, &len), 0);
	assert_true((f.client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)) >= 0);
	assert_int_equal(connect(f.client, (struct sockaddr *)&un, len), 0);
	for (int i = 0; i < 2; i++) {
		assert_true((f.udp[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) >= 0);
		in.sin_port = 0;
		assert_int_equal(bind(f.udp[i], (struct sockaddr *)&in, sizeof(in)), 0);
	}
	len = sizeof(in);
	assert_int_equal(getsockname(f.udp[0], (struct sockaddr *)&in, &len), 0);
	assert_int_equal(sendto(f.udp[1], "x", 1, 0, (struct sockaddr *)&in, len), 1);
	f.page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(f.page != MAP_FAILED);
	assert_true((f.file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)) >= 0);
}

/* ---- calls: true when it did what it should ---- */
static bool c_message(void)
{
	static struct msg m;
	struct chan a, b;

	/* The parent's words to the manager: with a descriptor. */
	chan_init(&a, f.pair[0], ROLE_PARENT, ROLE_MANAGER, 0);
	chan_init(&b, f.pair[1], ROLE_MANAGER, ROLE_PARENT, 0);
	return chan_send(&a, MSG_LISTEN, NULL, 0, f.memfd) == 0 && chan_recv(&b, &m) > 0 && m.fd >= 0 &&
	       close(m.fd) == 0;
}

static bool c_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLOUT };

	return epoll_ctl(f.epoll, EPOLL_CTL_ADD, f.pair[0], &ev) == 0 && epoll_wait(f.epoll, &ev, 1, 0) == 1 &&
	       epoll_ctl(f.epoll, EPOLL_CTL_DEL, f.pair[0], &ev) == 0;
}

static bool c_poll(void)
{
	struct pollfd p = { .fd = f.pair[0], .events = POLLOUT };

	return poll(&p, 1, 0) == 1;
}

static bool c_map(void)
{
	return mmap(NULL, 4096, PROT_READ, MAP_SHARED, f.memfd, 0) != MAP_FAILED;
}

static bool c_memory(void)
{
	char *p = malloc(64), *big;

	if (!p || !(big = realloc(p, 64 << 20)))
		return false;
	memset(big, 1, 1 << 20);
	free(big);
	return mprotect(f.page, 4096, PROT_READ) == 0;
}

static bool c_log(void)
{
	log_err("a line from the sandbox");
	return true;
}

static bool c_random(void)
{
	uint64_t v = 0;

	random_bytes(&v, sizeof(v));
	return v != 0 && now_ms() != 0;
}

static bool c_abort(void)
{
	abort();
}

static bool c_accept(void)
{
	return accept4(f.listener, NULL, NULL, SOCK_CLOEXEC) >= 0;
}

static bool c_recvmmsg(void)
{
	char b[16];
	struct iovec iov = { b, sizeof(b) };
	struct mmsghdr m = { .msg_hdr = { .msg_iov = &iov, .msg_iovlen = 1 } };

	return recvmmsg(f.udp[0], &m, 1, MSG_DONTWAIT, NULL) == 1;
}

static bool c_read(void)
{
	char b;

	return read(f.file, &b, 1) == 1;
}

static bool c_pread(void)
{
	char b;

	return pread(f.file, &b, 1, 0) == 1;
}

static bool c_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0;
}

static bool c_open_write(void)
{
	return open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0;
}

static bool c_creat(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/tmp/t_sandbox", O_RDONLY | O_CREAT, 0600) >= 0;
}

static bool c_socket_inet(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) >= 0;
}

static bool c_socket_unix(void)
{
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0;
}

static bool c_socket_stream(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 && errno == EPROTONOSUPPORT;
}

static bool c_socket_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}

static bool c_connect(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/nothing/here" };

	return connect(f.client, (struct sockaddr *)&un, sizeof(un)) < 0;
}

static bool c_execve(void)
{
	char *argv[] = { "true", NULL }, *env[] = { NULL };

	execve("/bin/true", argv, env);
	return false;
}

static bool c_fork(void)
{
	return syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) >= 0;
}

static bool c_map_exec(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}

static bool c_protect_exec(void)
{
	return mprotect(f.page, 4096, PROT_READ | PROT_EXEC) == 0;
}

static bool c_kill_parent(void)
{
	return kill(getppid(), 0) == 0;
}

static bool c_tgkill_parent(void)
{
	return syscall(SYS_tgkill, getppid(), getppid(), 0) == 0;
}

static bool c_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0;
}

static bool c_owner(void)
{
	return fcntl(f.pair[0], F_SETOWN, getpid()) == 0;
}

static bool c_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1) == 0;
}

static bool c_limit(void)
{
	const struct rlimit l = { RLIM_INFINITY, RLIM_INFINITY };

	return setrlimit(RLIMIT_CORE, &l) == 0;
}

static bool c_socket_refused(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 && errno == EACCES;
}

static void *thread(void *arg)
{
	/* It allocates, while the others have memory, too: it gets an arena of its own. */
	void *volatile p = malloc(100);

	poll(NULL, 0, 50);
	free(p);
	return arg;
}

static bool c_thread(void)
{
	enum { N = 40 };		/* more than malloc(3) gives arenas to without a look at the processors */
	pthread_t t[N];
	bool ok = true;

	for (unsigned i = 0; i < N; i++)
		ok = ok && pthread_create(&t[i], NULL, thread, &f) == 0;
	for (unsigned i = 0; ok && i < N; i++)
		ok = pthread_join(t[i], NULL) == 0;
	return ok;
}

static bool c_service(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_DGRAM }, *res;

	if (getaddrinfo("127.0.0.1", "radius", &hints, &res))
		return false;
	freeaddrinfo(res);
	return true;
}

/* ---- the table ---- */
static const struct {
	const char *name;
	bool (*call)(void);
	unsigned allowed;		/* to these roles; to the others it is death */
	bool syslog;			/* in a process that logs over syslog(3) */
	int signal;			/* that an allowed call ends by */
} cases[] = {
	{ "a message with a descriptor", c_message, .allowed = ALL },
	{ "epoll", c_epoll, .allowed = ALL },
	{ "poll", c_poll, .allowed = ALL },
	{ "map a table", c_map, .allowed = ALL },
	{ "allocate", c_memory, .allowed = ALL },
	{ "log", c_log, .allowed = ALL },
	{ "random numbers, time", c_random, .allowed = ALL },
	{ "abort", c_abort, .allowed = ALL, .signal = SIGABRT },
	{ "accept", c_accept, .allowed = M },
	{ "recvmmsg", c_recvmmsg, .allowed = E },
	{ "read", c_read, .allowed = E | SAN },
	{ "pread", c_pread, .allowed = A | R | SAN },
	{ "open", c_open, .allowed = SAN },
	{ "open for writing", c_open_write, .allowed = 0 },
	{ "make a file", c_creat, .allowed = 0 },
	{ "socket: Internet", c_socket_inet, .allowed = R },
	{ "socket: UNIX", c_socket_unix, .allowed = 0 },
	{ "socket: netlink", c_socket_netlink, .allowed = 0 },
	{ "connect", c_connect, .allowed = R },
	{ "syslog: log", c_log, .allowed = ALL, .syslog = true },
	{ "syslog: socket: Internet", c_socket_inet, .allowed = R, .syslog = true },
	{ "syslog: socket: UNIX", c_socket_unix, .allowed = ALL, .syslog = true },
	{ "syslog: socket: UNIX stream, refused", c_socket_stream, .allowed = ALL, .syslog = true },
	{ "syslog: connect", c_connect, .allowed = ALL, .syslog = true },
	{ "execve", c_execve, .allowed = 0 },
	{ "fork", c_fork, .allowed = 0 },
	{ "map executable memory", c_map_exec, .allowed = 0 },
	{ "make memory executable", c_protect_exec, .allowed = 0 },
	{ "kill", c_kill_parent, .allowed = 0 },
	{ "tgkill of another", c_tgkill_parent, .allowed = 0 },
	{ "ptrace", c_ptrace, .allowed = 0 },
	{ "fcntl F_SETOWN", c_owner, .allowed = 0 },
	{ "prctl PR_SET_DUMPABLE", c_dumpable, .allowed = 0 },
	{ "setrlimit", c_limit, .allowed = 0 },
};

/* What radius's workers may: threads, sockets of UDP, files of /etc; no messages. */
static const struct {
	const char *name;
	bool (*call)(void);
	bool allowed;
} worker_cases[] = {
	{ "poll", c_poll, true },
	{ "allocate", c_memory, true },
	{ "log", c_log, true },
	{ "random numbers, time", c_random, true },
	{ "read", c_read, true },
	{ "open", c_open, true },
	{ "socket: Internet", c_socket_inet, true },
	{ "socket: UNIX, refused", c_socket_refused, true },
	{ "threads", c_thread, true },
	{ "a service's port", c_service, true },
	{ "a message with a descriptor", c_message, false },
	{ "epoll", c_epoll, false },
	{ "accept", c_accept, false },
	{ "open for writing", c_open_write, false },
	{ "make a file", c_creat, false },
	{ "socket: netlink", c_socket_netlink, false },
	{ "execve", c_execve, false },
	{ "fork", c_fork, false },
	{ "map executable memory", c_map_exec, false },
	{ "make memory executable", c_protect_exec, false },
	{ "kill", c_kill_parent, false },
	{ "tgkill of another", c_tgkill_parent, false },
	{ "ptrace", c_ptrace, false },
	{ "prctl PR_SET_DUMPABLE", c_dumpable, false },
	{ "setrlimit", c_limit, false },
};

/* How a process ends that enters the sandbox of role (ROLES: a worker's) and makes the call. */
static int run(unsigned role, bool (*call)(void), bool with_syslog)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(null, STDERR_FILENO);
		/* cmocka's handlers would take these for a failure of its own. */
		signal(SIGABRT, SIG_DFL);
		signal(SIGSYS, SIG_DFL);
		log_init("t_sandbox", with_syslog);
		/* As radcli.c does it: what is loaded at the first use is loaded. */
		if (role == ROLES && !c_service())
			_exit(4);
		if (role == ROLES)
			sandbox_enter_radcli();
		else
			sandbox_enter((enum role)role);
		if (!sandbox_seccomp())
			_exit(3);
		_exit(call() ? 0 : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void test_calls(void **state)
{
	static const enum role roles[] = { ROLE_ENGINE, ROLE_MANAGER, ROLE_AUTH, ROLE_RADIUS };

	for (unsigned i = 0; i < N_ELEMENTS(cases); i++) {
		for (unsigned r = 0; r < N_ELEMENTS(roles); r++) {
			int status = run(roles[r], cases[i].call, cases[i].syslog), sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
			bool may = cases[i].allowed & 1u << roles[r], good;

			if (may)
				good = sig == cases[i].signal && (sig || WEXITSTATUS(status) == 0);
			else	/* a sanitizer's runtime is told "no" of some: it did not happen, either */
				good = sig == SIGSYS || (SANDBOX_SANITIZER && !sig && WEXITSTATUS(status) == 2);
			if (!good)
				fail_msg("%s: %s: signal %d, status %d", role_name(roles[r]), cases[i].name, sig,
					sig ? 0 : WEXITSTATUS(status));
		}
	}
}

static void test_workers(void **state)
{
	for (unsigned i = 0; i < N_ELEMENTS(worker_cases); i++) {
		int status = run(ROLES, worker_cases[i].call, false), sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
		bool good = worker_cases[i].allowed ? !sig && WEXITSTATUS(status) == 0 :
			    sig == SIGSYS || (SANDBOX_SANITIZER && !sig && WEXITSTATUS(status) == 2);

		if (!good)
			fail_msg("worker: %s: signal %d, status %d", worker_cases[i].name, sig, sig ? 0 : WEXITSTATUS(status));
	}
}

/* What status says is what the kernel has. */
static void test_stats(void **state)
{
	struct msg_stats st = { .n = 1, .c = { { "x", 7 } } };
	long abi = syscall(444 /* landlock_create_ruleset */, NULL, 0, 1);
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		bool ok;

		sandbox_enter(ROLE_ENGINE);
		sandbox_stats(&st);
		ok = st.n == 1 + SANDBOX_COUNTERS && st.c[0].value == 7 &&
		     !strcmp(st.c[1].name, "sandbox_seccomp") && st.c[1].value == 1 &&
		     !strcmp(st.c[2].name, "sandbox_landlock") && st.c[2].value == (uint64_t)(abi > 0 ? abi : 0);
		_exit(!ok);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	/* Not entered here: nothing in force. */
	sandbox_stats(&st);
	assert_int_equal(st.c[1].value, 0);
	assert_int_equal(st.c[2].value, 0);
}

static int set_up(void **state)
{
	fixture_open();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_workers),
		cmocka_unit_test(test_stats),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
