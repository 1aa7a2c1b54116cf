/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum {
	RESTART_S = 1,		/* after the first death */
	RESTART_MAX_S = 30,	/* doubled each time that it did not become ready */
	RESTARTS_MAX = 10,	/* in a row without becoming ready */
};

static bool detached;

static void to_null(int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, fd) < 0)
		fatal("/dev/null: %s", strerror(errno));
	close(null);
}

/* The process that was called: show what comes, until a NUL says ready. */
static void wait_ready(int fd)
{
	char buf[512], *end;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0 || (n < 0 && errno == EINTR)) {
		if (n < 0)
			continue;
		end = memchr(buf, '\0', (size_t)n);
		(void)!write(STDERR_FILENO, buf, end ? (size_t)(end - buf) : (size_t)n);
		if (end)
			_exit(0);
	}
	fprintf(stderr, "culvertd: it did not start\n");
	_exit(1);
}

/* One server's life. Its wait status; *ret_ready when it served. */
static int watch(pid_t pid, const sigset_t *set, bool *first, bool *ret_ready, bool *stopping)
{
	siginfo_t si;
	int status;

	for (;;) {
		if (sigwaitinfo(set, &si) < 0)
			continue;
		switch (si.si_signo) {
		case SIGCHLD:
			if (waitpid(pid, &status, WNOHANG) == pid)
				return status;
			break;
		case SIGUSR1:
			if (si.si_pid != pid)
				break;
			*ret_ready = true;
			if (*first)
				(void)!write(STDERR_FILENO, "", 1);
			*first = false;
			to_null(STDERR_FILENO);
			break;
		default:
			*stopping |= si.si_signo != SIGHUP;
			kill(pid, si.si_signo);
		}
	}
}

static void supervise(void)
{
	static const int signals[] = { SIGCHLD, SIGUSR1, SIGTERM, SIGINT, SIGHUP };
	bool first = true, stopping = false;
	unsigned delay_s = RESTART_S, failed = 0;
	sigset_t set, old, end;

	sigemptyset(&set);
	for (unsigned i = 0; i < N_ELEMENTS(signals); i++)
		sigaddset(&set, signals[i]);
	sigemptyset(&end);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGINT);
	sigprocmask(SIG_BLOCK, &set, &old);
	for (;;) {
		struct timespec delay;
		bool ready = false;
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			sigprocmask(SIG_SETMASK, &old, NULL);
			/* Children's standard error is the caller's pipe, which will have no reader. */
			signal(SIGPIPE, SIG_IGN);
			return;
		}
		if (pid < 0)
			fatal("fork: %s", strerror(errno));
		status = watch(pid, &set, &first, &ready, &stopping);
		if (stopping || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
			_exit(0);
		if (first)
			_exit(1);
		if (ready) {
			delay_s = RESTART_S;
			failed = 0;
		} else if (++failed == RESTARTS_MAX) {
			log_err("the server failed to start %u times: giving up", failed);
			_exit(1);
		}
		log_err("the server ended with %s %d: it is started again in %u s",
			WIFSIGNALED(status) ? "signal" : "status",
			WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), delay_s);
		delay = (struct timespec){ .tv_sec = delay_s };
		delay_s = MIN(delay_s * 2, (unsigned)RESTART_MAX_S);
		if (sigtimedwait(&end, NULL, &delay) > 0)
			_exit(0);
	}
}

void daemon_detach(void)
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		fatal("cannot go into the background: %s", strerror(errno));
	if (pid > 0) {
		close(fd[1]);
		wait_ready(fd[0]);
	}
	detached = true;
	setsid();
	if (chdir("/") < 0)
		fatal("chdir: %s", strerror(errno));
	to_null(STDIN_FILENO);
	to_null(STDOUT_FILENO);
	dup2(fd[1], STDERR_FILENO);
	close(fd[0]);
	close(fd[1]);
	log_init("culvertd", true);
	supervise();
}

void daemon_ready(void)
{
	if (!detached)
		return;
	/* The supervisor lets the caller go. */
	kill(getppid(), SIGUSR1);
	to_null(STDERR_FILENO);
}
