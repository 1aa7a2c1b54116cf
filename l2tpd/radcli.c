/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/radcli.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <radcli/radcli.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "l2tpd/sandbox.h"

_Static_assert(CONF_RADIUS_SECRET_MAX < MAX_SECRET_LENGTH, "libradcli would cut a secret");
_Static_assert(RAD_PASSWORD_MAX <= AUTH_PASS_LEN, "libradcli would cut a password");

/* Room for the recursion of rc_avpair_gen(), a level per attribute of a reply. */
enum { STACK = 2 << 20 };

enum { FIRST_FD = 3 };

/*
 * What is sent, and what is looked at in a reply.  All of it as bytes ("string"):
 * the relay has judged lengths and values already, and more strictly than
 * libradcli, which leaves out what it finds malformed.
 */
static const char dictionary[] =
	"VENDOR Microsoft 311\n"
	"ATTRIBUTE User-Name 1 string\n"
	"ATTRIBUTE User-Password 2 string\n"
	"ATTRIBUTE CHAP-Password 3 string\n"
	"ATTRIBUTE NAS-IP-Address 4 string\n"
	"ATTRIBUTE NAS-Port 5 string\n"
	"ATTRIBUTE Service-Type 6 string\n"
	"ATTRIBUTE Framed-Protocol 7 string\n"
	"ATTRIBUTE Framed-IP-Address 8 string\n"
	"ATTRIBUTE Framed-MTU 12 string\n"
	"ATTRIBUTE State 24 string\n"
	"ATTRIBUTE EAP-Message 79 string\n"
	"ATTRIBUTE Calling-Station-Id 31 string\n"
	"ATTRIBUTE NAS-Identifier 32 string\n"
	"ATTRIBUTE Proxy-State 33 string\n"
	"ATTRIBUTE Class 25 string\n"
	"ATTRIBUTE Acct-Status-Type 40 string\n"
	"ATTRIBUTE Acct-Delay-Time 41 string\n"
	"ATTRIBUTE Acct-Input-Octets 42 string\n"
	"ATTRIBUTE Acct-Output-Octets 43 string\n"
	"ATTRIBUTE Acct-Session-Id 44 string\n"
	"ATTRIBUTE Acct-Authentic 45 string\n"
	"ATTRIBUTE Acct-Session-Time 46 string\n"
	"ATTRIBUTE Acct-Input-Packets 47 string\n"
	"ATTRIBUTE Acct-Output-Packets 48 string\n"
	"ATTRIBUTE Acct-Terminate-Cause 49 string\n"
	"ATTRIBUTE Acct-Input-Gigawords 52 string\n"
	"ATTRIBUTE Acct-Output-Gigawords 53 string\n"
	"ATTRIBUTE Event-Timestamp 55 string\n"
	"ATTRIBUTE CHAP-Challenge 60 string\n"
	"ATTRIBUTE NAS-Port-Type 61 string\n"
	"ATTRIBUTE Tunnel-Type 64 string\n"
	"ATTRIBUTE Tunnel-Medium-Type 65 string\n"
	"ATTRIBUTE Tunnel-Client-Endpoint 66 string\n"
	"ATTRIBUTE Acct-Tunnel-Connection 68 string\n"
	"ATTRIBUTE Tunnel-Assignment-ID 82 string\n"
	"ATTRIBUTE NAS-IPv6-Address 95 string\n"
	"ATTRIBUTE MS-CHAP-Challenge 11 string Microsoft\n"
	"ATTRIBUTE MS-CHAP2-Response 25 string Microsoft\n";

static int pool_fd;
static atomic_uint idle;
static atomic_uint threads;

/* A handle for one thread, or NULL. */
static rc_handle *handle_new(void)
{
	rc_handle *rh = rc_new();

	if (!rh)
		return NULL;
	if (!rc_config_init(rh))
		return NULL;		/* it has freed it */
	/* An option of libradcli 1.5: what a reply must have is the relay's to judge, server by server. */
	(void)rc_add_config(rh, "require-message-authenticator", "no", "culvert", 0);
	/* The server's secret is put in its place for each request. */
	if (rc_add_config(rh, "authserver", "127.0.0.1:1:x", "culvert", 0) == 0 &&
	    rc_read_dictionary_from_buffer(rh, dictionary, sizeof(dictionary) - 1) == 0 && rc_apply_config(rh) == 0)
		return rh;
	rc_destroy(rh);
	return NULL;
}

static bool attrs_add(rc_handle *rh, const struct radcli_work *w, VALUE_PAIR **list)
{
	struct rd at = rd_of(w->attrs, w->len);
	struct rad_attr a;

	while (rad_attr_next(&at, &a))
		if (!rc_avpair_add(rh, list, a.type, a.val.n ? (const void *)a.val.p : "", (int)a.val.n, (int)a.vendor))
			return false;
	return !at.bad && rc_avpair_add(rh, list, PW_PROXY_STATE, w->cookie, sizeof(w->cookie), 0);
}

static enum radcli_end request(rc_handle *rh, const struct radcli_work *w)
{
	SERVER *known = rc_conf_srv(rh, "authserver");
	SEND_DATA data = { 0 };
	char secret[CONF_SECRET_MAX], name[] = "127.0.0.1";
	int rc = ERROR_RC;

	str_copy(secret, sizeof(secret), w->secret);
	if (known && attrs_add(rh, w, &data.send_pairs)) {
		char *was = known->secret[0];

		known->secret[0] = secret;
		rc_buildreq(rh, &data, w->code, name, w->port, secret, w->timeout_s, w->tries - 1);
		rc = rc_send_server(rh, &data, NULL, AUTH);
		known->secret[0] = was;
	}
	rc_avpair_free(data.send_pairs);
	rc_avpair_free(data.receive_pairs);
	explicit_bzero(secret, sizeof(secret));
	return rc == OK_RC || rc == REJECT_RC || rc == CHALLENGE_RC ? RADCLI_ANSWERED :
	       rc == TIMEOUT_RC ? RADCLI_SILENCE : RADCLI_FAILED;
}

static void *worker(void *arg);

/* One that takes the next request while this one is busy. */
static void one_more(void)
{
	pthread_attr_t how;
	pthread_t t;

	if (atomic_fetch_add(&threads, 1) >= RADCLI_THREADS) {
		atomic_fetch_sub(&threads, 1);
		return;
	}
	atomic_fetch_add(&idle, 1);
	if (pthread_attr_init(&how) == 0) {
		if (pthread_attr_setstacksize(&how, STACK) == 0 &&
		    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED) == 0 &&
		    pthread_create(&t, &how, worker, NULL) == 0) {
			pthread_attr_destroy(&how);
			return;
		}
		pthread_attr_destroy(&how);
	}
	/* Those that are there do it one after the other. */
	atomic_fetch_sub(&idle, 1);
	atomic_fetch_sub(&threads, 1);
}

/* The kernel hands each request to one of the threads that wait for one. */
static void *worker(void *arg)
{
	rc_handle *rh = handle_new();
	struct radcli_work w;
	struct radcli_done done;
	ssize_t n;

	if (!rh)
		_exit(1);
	for (;;) {
		do
			n = recv(pool_fd, &w, sizeof(w), 0);
		while (n < 0 && errno == EINTR);
		if (n != sizeof(w) || w.len > sizeof(w.attrs) || !w.tries)
			_exit(n == 0 ? 0 : 1);
		if (atomic_fetch_sub(&idle, 1) == 1)
			one_more();
		w.secret[sizeof(w.secret) - 1] = '\0';
		done = (struct radcli_done){ .slot = w.slot, .end = request(rh, &w) };
		explicit_bzero(&w, sizeof(w));
		atomic_fetch_add(&idle, 1);
		if (send(pool_fd, &done, sizeof(done), MSG_NOSIGNAL) != sizeof(done))
			_exit(1);
	}
}

static void run(pid_t parent)
{
	/* libradcli's own words go to syslog(3): every bad reply would be several lines. */
	setlogmask(LOG_MASK(LOG_DEBUG));
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	/* Nothing but the pair, and where errors are written: not the channel to the parent above all. */
	if (dup2(pool_fd, FIRST_FD) < 0 || close_range(FIRST_FD + 1, ~0u, 0) < 0)
		_exit(1);
	pool_fd = FIRST_FD;
	/* What is loaded at the first use is loaded now. */
	rc_handle *rh = handle_new();
	struct addrinfo *res, hints = { .ai_socktype = SOCK_DGRAM };

	if (!rh)
		_exit(1);
	rc_destroy(rh);
	if (getaddrinfo("127.0.0.1", "radius", &hints, &res) == 0)
		freeaddrinfo(res);
	sandbox_enter_radcli();
	atomic_fetch_add(&threads, 1);
	atomic_fetch_add(&idle, 1);
	worker(NULL);
}

int radcli_start(int *ret_fd)
{
	pid_t self = getpid(), pid;
	int fd[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) < 0)
		return -errno;
	err = fd_setup(fd[0]);
	pid = err ? -1 : fork();
	if (pid == 0) {
		pool_fd = fd[1];
		close(fd[0]);
		run(self);
		_exit(1);
	}
	if (!err && pid < 0)
		err = -errno;
	close(fd[1]);
	if (err) {
		close(fd[0]);
		return err;
	}
	*ret_fd = fd[0];
	return 0;
}
