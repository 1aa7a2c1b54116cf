/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

/* Roles as bits. */
enum {
	E = 1 << ROLE_ENGINE, M = 1 << ROLE_MANAGER, A = 1 << ROLE_AUTH, R = 1 << ROLE_RADIUS,
	W = 1 << ROLES,		/* radius's workers: libradcli */
	EVENTS = E | M | A | R,	/* who has an event loop */
	ALL = EVENTS | W,
};

/* How an argument is looked at. Pointers cannot be: a filter sees numbers only. */
enum arg_test {
	ANY,
	IS,			/* argument n is value */
	LACKS,			/* argument n has none of value's bits */
	HAS,			/* argument n has all of value's bits */
	OWN_PID,		/* argument n is our process id */
};

struct allowed {
	unsigned roles;
	const char *name;	/* libseccomp's; one that the architecture does not have is left out */
	enum arg_test test;
	unsigned n;
	uint64_t value;
};

#define WHEN(...) { __VA_ARGS__ }
#define CALL(roles, name) { roles, name, ANY, 0, 0 }

/*
 * What each role calls after its start, and nothing else.  Of one name several
 * rows may stand here: any of them allows the call.
 *
 * Not here, for all but radius and its workers: open and its kin, socket and connect, clone.
 * Not for them either: execve, fork, ptrace, ioctl, chmod, unlink, kill, bpf, io_uring, unshare, prctl.
 */
static const struct allowed allowed[] = {
	/* The event loop. aarch64 has only the second of each pair. */
	CALL(EVENTS, "epoll_wait"),
	CALL(EVENTS, "epoll_pwait"),
	CALL(EVENTS, "epoll_pwait2"),			/* newer libevents' */
	CALL(EVENTS, "epoll_ctl"),
	CALL(ALL, "poll"),				/* peer_drain() at the end; libradcli waits for a reply */
	CALL(ALL, "ppoll"),
	CALL(ALL, "restart_syscall"),			/* a wait goes on after SIGCONT */

	/* Messages between the processes, and descriptors that come with them. */
	CALL(EVENTS, "recvmsg"),
	CALL(EVENTS, "sendmsg"),
	CALL(ALL, "close"),
	WHEN(ALL, "fcntl", IS, 1, F_GETFL),		/* fd_setup() of a descriptor that came */
	WHEN(ALL, "fcntl", IS, 1, F_SETFL),
	WHEN(ALL, "fcntl", IS, 1, F_SETFD),
	WHEN(ALL, "fcntl", IS, 1, F_DUPFD_CLOEXEC),	/* a message with a descriptor has to wait */
	CALL(M, "accept4"),				/* the control socket */
	CALL(A | R, "pread64"),				/* a users file, certificates; opened by the parent */
	CALL(M, "pwrite64"),				/* the accounting spool, likewise */
	CALL(M, "fdatasync"),

	/* Packets. */
	CALL(E, "recvmmsg"),				/* the UDP sockets */
	CALL(E, "sendmmsg"),
	CALL(E, "read"),					/* the TUNs */

	/* RADIUS: sockets to its servers, which a reload may change, and to the workers. */
	CALL(R | W, "recvfrom"),
	WHEN(R | W, "socket", IS, 0, AF_INET),
	WHEN(R, "socket", IS, 0, AF_INET6),
	CALL(W, "bind"),
	CALL(R | W, "connect"),
	CALL(R | W, "getsockname"),
	CALL(R, "wait4"),				/* why its workers ended */
	/* What libradcli and getaddrinfo(3) in it do for each request: a thread, /etc/services. */
	WHEN(W, "clone", HAS, 0, CLONE_VM | CLONE_THREAD),
	CALL(W, "set_robust_list"),
	CALL(W, "rseq"),
	CALL(W, "sched_yield"),
	CALL(W, "sched_getaffinity"),			/* malloc(3): how many arenas */
	WHEN(W, "open", LACKS, 1, O_ACCMODE | O_CREAT),
	WHEN(W, "openat", LACKS, 2, O_ACCMODE | O_CREAT),
	CALL(W, "read"),
	CALL(W, "lseek"),
	CALL(W, "fstat"),
	CALL(W, "newfstatat"),

	/* Log lines: to stderr, or over the socket of syslog(3). */
	CALL(ALL, "write"),				/* an engine's TUNs, too */
	CALL(ALL, "writev"),				/* the C library's last words */
	CALL(ALL, "sendto"),
	CALL(ALL, "getpid"),				/* LOG_PID; OpenSSL's generator looks for forks */

	/* Memory, that nothing can make executable. The tables of restarted engines are mapped. */
	CALL(ALL, "brk"),
	WHEN(ALL, "mmap", LACKS, 2, PROT_EXEC),
	WHEN(ALL, "mprotect", LACKS, 2, PROT_EXEC),
	CALL(ALL, "munmap"),
	CALL(ALL, "mremap"),
	CALL(ALL, "madvise"),
	CALL(ALL, "futex"),				/* the libraries' locks */

	/* Time and random numbers; the clock is mostly read without a call. */
	CALL(ALL, "clock_gettime"),
	CALL(ALL, "gettimeofday"),
	CALL(ALL, "time"),
	CALL(ALL, "getrandom"),

	/* Signals, and the end. */
	CALL(ALL, "rt_sigprocmask"),
	CALL(ALL, "rt_sigaction"),
	CALL(ALL, "rt_sigreturn"),
	CALL(ALL, "gettid"),
	WHEN(ALL, "tgkill", OWN_PID, 0, 0),			/* abort() must be seen as one */
	CALL(ALL, "exit"),
	CALL(ALL, "exit_group"),
#if SANDBOX_SANITIZER
	/* The runtimes: their stacks and reports, which are made in the process itself. */
	CALL(ALL, "sigaltstack"),
	CALL(ALL, "sched_yield"),
	CALL(ALL, "nanosleep"),
	CALL(ALL, "clock_nanosleep"),
	CALL(ALL, "sched_getaffinity"),
	CALL(ALL, "getrlimit"),
	WHEN(ALL, "prlimit64", IS, 2, 0),			/* nothing is set */
	WHEN(ALL, "prctl", IS, 0, PR_GET_DUMPABLE),
	WHEN(ALL, "open", LACKS, 1, O_ACCMODE | O_CREAT),
	WHEN(ALL, "openat", LACKS, 2, O_ACCMODE | O_CREAT),
	CALL(ALL, "read"),
	CALL(ALL, "pread64"),
	CALL(ALL, "lseek"),
	CALL(ALL, "stat"),
	CALL(ALL, "fstat"),
	CALL(ALL, "newfstatat"),
	CALL(ALL, "readlink"),
	CALL(ALL, "readlinkat"),
	CALL(ALL, "getcwd"),
	WHEN(ALL, "ioctl", IS, 1, 0x5401),		/* TCGETS: is it a terminal, for colours */
#endif
};

#if SANDBOX_SANITIZER
/* LeakSanitizer's tracer, an external symbolizer: they do without.  RADIUS workers have
 * threads, so for them it begins behind the first two. */
static const char *const refused[] = { "clone", "clone3", "fork", "vfork", "execve", "ptrace", "pipe", "pipe2" };
enum { REFUSED_WORKERS = 2 };
#endif

static unsigned have_seccomp, have_landlock;

/* ---- Landlock; no header and no C library of Debian 12 knows all of it ---- */

#ifndef __NR_landlock_create_ruleset
#define __NR_landlock_create_ruleset 444
#endif
#ifndef __NR_landlock_add_rule
#define __NR_landlock_add_rule 445
#endif
#ifndef __NR_landlock_restrict_self
#define __NR_landlock_restrict_self 446
#endif

enum { RULESET_VERSION = 1 };			/* a flag: tell the ABI */
enum { RULE_PATH_BENEATH = 1 };

struct ruleset {
	uint64_t fs, net, scoped;
};

/* What each ABI has that the one before had not. */
static const struct {
	unsigned abi;
	struct ruleset adds;
	size_t size;				/* of the struct from then on */
} landlock_abis[] = {
	{ 1, { .fs = 0x1fff }, 8 },		/* execute … make symlink */
	{ 2, { .fs = 1 << 13 }, 8 },		/* move and link across directories */
	{ 3, { .fs = 1 << 14 }, 8 },		/* truncate */
	{ 4, { .net = 0x3 }, 16 },		/* TCP bind and connect */
	{ 5, { .fs = 1 << 15 }, 16 },		/* ioctl on devices opened from now on */
	{ 6, { .scoped = 0x3 }, 24 },		/* abstract sockets and signals, beyond ourselves */
};

/* The workers' one rule: files in /etc can be read. */
static void landlock_read_etc(int ruleset)
{
	struct {
		uint64_t access;
		int32_t fd;
	} __attribute__((packed)) beneath = { 1 << 2 | 1 << 3, open("/etc", O_PATH | O_CLOEXEC) };

	if (beneath.fd < 0 || syscall(__NR_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &beneath, 0) < 0)
		fatal("Landlock refuses a rule: %s", strerror(errno));
	close(beneath.fd);
}

static void landlock_enter(unsigned role)
{
	struct ruleset r = { 0 };
	size_t size = 0;
	int fd;
	long abi = syscall(__NR_landlock_create_ruleset, NULL, 0, RULESET_VERSION);

	if (abi < 1) {
		/* One process says it for all. */
		log_at(role == ROLE_MANAGER ? LOG_INFO : LOG_DEBUG, "this kernel has no Landlock (%s), going on without",
			strerror(errno));
		return;
	}
	for (unsigned i = 0; i < N_ELEMENTS(landlock_abis); i++) {
		if (landlock_abis[i].abi > (unsigned long)abi)
			break;
		r.fs |= landlock_abis[i].adds.fs;
		r.net |= landlock_abis[i].adds.net;
		r.scoped |= landlock_abis[i].adds.scoped;
		size = landlock_abis[i].size;
	}
	/* RADIUS over TLS; a reload may bring other ports. */
	if (role == ROLE_RADIUS)
		r.net &= ~(uint64_t)2;
	if (SANDBOX_SANITIZER)
		r.fs &= ~(uint64_t)(1 << 2 | 1 << 3);	/* reading */
	/* What is handled and has no rule is denied. Descriptors that are open stay as they are. */
	fd = (int)syscall(__NR_landlock_create_ruleset, &r, size, 0);
	/* A rule about what is not handled would be refused. */
	if (fd >= 0 && role == ROLES && !SANDBOX_SANITIZER)
		landlock_read_etc(fd);
	if (fd < 0 || syscall(__NR_landlock_restrict_self, fd, 0) < 0)
		fatal("Landlock refuses: %s", strerror(errno));
	close(fd);
	have_landlock = (unsigned)abi;
}

/* ---- seccomp ---- */

/* 0 or -errno. */
static int allow(scmp_filter_ctx ctx, const struct allowed *a)
{
	int nr = seccomp_syscall_resolve_name(a->name);
	struct scmp_arg_cmp cmp = { .arg = a->n, .op = SCMP_CMP_EQ, .datum_a = a->value };

	/* Negative: another architecture's, or newer than the library. */
	if (nr < 0)
		return 0;
	switch (a->test) {
	case ANY:
		return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	case IS:
		break;
	case LACKS:
		cmp.op = SCMP_CMP_MASKED_EQ;	/* datum_a is the mask, datum_b 0 */
		break;
	case HAS:
		cmp.op = SCMP_CMP_MASKED_EQ;
		cmp.datum_b = a->value;
		break;
	case OWN_PID:
		cmp.datum_a = (scmp_datum_t)getpid();
		break;
	}
	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, 1, &cmp);
}

static int allow_all(scmp_filter_ctx ctx, unsigned role)
{
	for (size_t i = 0; i < N_ELEMENTS(allowed); i++) {
		int err = allowed[i].roles & 1u << role ? allow(ctx, &allowed[i]) : 0;

		if (err < 0 && err != -EEXIST)	/* twice in the list */
			return err;
	}
	return 0;
}

/*
 * With syslog(3) only: a logger that was restarted is connected to again.  Its
 * path is a pointer, which no filter sees; but most that listens elsewhere has
 * streams.  A logger with a stream stays disconnected.
 */
static int allow_syslog(scmp_filter_ctx ctx)
{
	const int how = SOCK_DGRAM | SOCK_CLOEXEC;
	int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
		SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0), SCMP_A1(SCMP_CMP_EQ, how, 0));

	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket), 2,
			SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0), SCMP_A1(SCMP_CMP_NE, how, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);
	return err;
}

/* What the C library tries and does without: nscd, and a newer way to make a thread. */
static int refuse_workers(scmp_filter_ctx ctx)
{
	int err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX, 0));

	if (!err && seccomp_syscall_resolve_name("clone3") >= 0)
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), seccomp_syscall_resolve_name("clone3"), 0);
	return err;
}

static int seccomp_enter(unsigned role)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err;

	if (!ctx)
		return -ENOMEM;
	/* Calls of another architecture (32 bit on a 64-bit kernel), too. */
	err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (!err)
		err = allow_all(ctx, role);
	if (!err && log_to_syslog() && role != ROLES)
		err = allow_syslog(ctx);
	if (!err && role == ROLES)
		err = refuse_workers(ctx);
#if SANDBOX_SANITIZER
	for (unsigned i = role == ROLES ? REFUSED_WORKERS : 0; !err && i < N_ELEMENTS(refused); i++)
		if (seccomp_syscall_resolve_name(refused[i]) >= 0)
			err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(refused[i]), 0);
#endif
	/* A tree instead of a list: an engine pays for every call. */
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

static void enter(unsigned role)
{
	int err;

	/*
	 * strftime(3) has a look at /etc/localtime every time, unless TZ names it: with it,
	 * what was read once stays.
	 */
	if (setenv("TZ", ":/etc/localtime", 0) < 0)
		fatal("out of memory");
	tzset();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fatal("no new privileges: %s", strerror(errno));
	landlock_enter(role);
	err = seccomp_enter(role);
	if (err < 0)
		fatal("no seccomp filter can be set (%s), and this process does not run without: "
			"the kernel needs CONFIG_SECCOMP_FILTER, and a container must allow seccomp(2)", strerror(-err));
	have_seccomp = 1;
}

void sandbox_enter(enum role role)
{
	enter(role);
}

void sandbox_enter_radcli(void)
{
	enter(ROLES);
}

unsigned sandbox_seccomp(void)
{
	return have_seccomp;
}

unsigned sandbox_landlock(void)
{
	return have_landlock;
}

void sandbox_stats(struct msg_stats *st)
{
	const struct counter c[SANDBOX_COUNTERS] = {
		{ "sandbox_seccomp", have_seccomp }, { "sandbox_landlock", have_landlock },
	};

	for (unsigned i = 0; i < SANDBOX_COUNTERS && st->n < STATS_MAX; i++)
		st->c[st->n++] = c[i];
}
