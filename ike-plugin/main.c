/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * culvert-iked: a small host for libcharon and our plugin in it.
 *
 * The parent starts it as root with one end of a channel as descriptor 3.  It
 * loads the plugin (which an unprivileged user might not be able to read),
 * gives up its privileges, reads what the parent sends up to MSG_START, and
 * brings charon up with settings made here: there is no strongswan.conf.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ike-plugin/handover.h"
#include "ike-plugin/settings.h"

enum {
	PARENT_FD = 3,
	LOG_LINES_PER_S = 100,
	CHILDLESS_S = 120,	/* Quick Mode follows at once, or within seconds with a rekeyed phase 1 */
	DEINIT_S = 5,		/* then the parent would kill us anyway */
};

#ifdef __SANITIZE_ADDRESS__
/* strongSwan keeps OpenSSL from tidying up at exit. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libcrypto.so\n";
}
#endif

static struct handover handover = { .childless_s = CHILDLESS_S };
static int verbose;

/* ---- privileges ---- */

static void privileges_drop(long uid, long gid)
{
	struct rlimit none = { 0 };

	if (getuid() == 0 && uid >= 0) {
		if (setgroups(0, NULL) || setresgid((gid_t)gid, (gid_t)gid, (gid_t)gid) ||
		    setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid))
			fatal("cannot become uid %ld gid %ld: %s", uid, gid, strerror(errno));
	}
	/* After the change of uid, which clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!parent_lives(PARENT_FD))
		fatal("the parent is gone");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* Keys live here: no core, no ptrace. */
	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
}

/* ---- the plugin ---- */

/* Load it from dir. libstrongswan then finds its symbol in the process. */
static bool plugin_open(const char *dir)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/libstrongswan-culvert.so", dir);
	if (access(path, R_OK))
		return false;
	if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE))
		fatal("cannot load the plugin: %s", dlerror());
	return true;
}

static void plugin_find(const char *dir)
{
	char exe[512], built[520];
	ssize_t n;

	if (dir) {
		if (!plugin_open(dir))
			fatal("no libstrongswan-culvert.so in %s", dir);
		return;
	}
	/* Beside this program where it was built, else where it is installed. */
	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n > 0) {
		exe[n] = '\0';
		*strrchr(exe, '/') = '\0';
		snprintf(built, sizeof(built), "%s/.libs", exe);
		if (plugin_open(built))
			return;
	}
	if (!plugin_open(PKGLIBDIR))
		fatal("no libstrongswan-culvert.so in " PKGLIBDIR);
}

/* ---- what the parent sends ---- */

/* Take one message; true when it was MSG_START. */
static bool take(struct msg *m)
{
	struct handover *h = &handover;

	switch (m->type) {
	case MSG_CONF:
		h->conf = m->b.conf.conf;
		explicit_bzero(&m->b.conf, sizeof(m->b.conf));
		break;
	case MSG_SOCK:
		if (m->b.sock.kind > SOCK_IKE_4500 || h->n_sock == HANDOVER_SOCKS)
			fatal("a socket too many, or of the wrong kind");
		h->sock[h->n_sock].at = m->b.sock;
		h->sock[h->n_sock++].fd = m->fd;
		m->fd = -1;
		break;
	case MSG_PEER:
		if (h->n_peer == HANDOVER_PEERS)
			fatal("a channel too many");
		h->peer[h->n_peer].who = m->b.peer;
		h->peer[h->n_peer++].fd = m->fd;
		m->fd = -1;
		break;
	case MSG_START:
		return true;
	case MSG_SHUTDOWN:
		exit(0);
	default:
		break;
	}
	if (m->fd >= 0)
		close(m->fd);
	return false;
}

static void parent_read(void)
{
	static struct msg m;
	struct chan c;
	int n;

	chan_init(&c, PARENT_FD, ROLE_IKED, ROLE_PARENT, 0);
	for (;;) {
		struct pollfd p = { .fd = c.fd, .events = POLLIN };

		n = chan_recv(&c, &m);
		if (n == -EPIPE)
			exit(0);
		if (n == -EBADMSG)
			fatal("a bad message from the parent");
		if (n == 1 && take(&m))
			break;
		if (n == 0 && poll(&p, 1, -1) < 0 && errno != EINTR)
			fatal("poll: %s", strerror(errno));
	}
	if (!handover.conf.engines)
		fatal("no configuration before the start");
	handover.parent_fd = PARENT_FD;
	handover.log_max = log_max;
	explicit_bzero(&m, sizeof(m));
}

/* ---- charon's log lines are ours ---- */

/* A stranger can make charon write lines; so many a second are enough. */
static bool log_budget(void)
{
	static _Atomic uint64_t second;
	static _Atomic unsigned lines;
	uint64_t now = now_ms() / 1000;

	if (second != now) {
		unsigned over = lines > LOG_LINES_PER_S ? lines - LOG_LINES_PER_S : 0;

		second = now;
		lines = 0;
		if (over)
			log_info("%u more lines were left out", over);
	}
	return ++lines <= LOG_LINES_PER_S;
}

/*
 * What charon says of every login and hang-up that goes well, by the beginning
 * of its format.  Putting these lines together costs as much as the rest of
 * Quick Mode (one reads /etc/services), and events.c says that a client is here.
 * Whatever else it says is news.
 */
static bool usual(const char *fmt)
{
	static const char *const begin[] = {
		"received %s vendor ID", "%H is initiating a Main Mode IKE_SA", "selected proposal: ",
		"faking NAT situation", "remote host is behind NAT", "looking for %N peer configs", "selected peer config",
		"IKE_SA %s[%d] established", "received %us lifetime", "received %llu lifebytes", "CHILD_SA %s{%d} established",
		"received DELETE for", "sending DELETE for", "sending DPD request", "closing CHILD_SA", "deleting IKE_SA", "peer requested virtual IP",
		"final authorization hook forbids", "destroying IKE_SA after failed XAuth",
		"assigning virtual IP",
	};

	for (unsigned i = 0; i < N_ELEMENTS(begin); i++)
		if (!strncmp(fmt, begin[i], strlen(begin[i])))
			return true;
	return false;
}

static void charon_log(logger_t *this, debug_t group, level_t level, int thread, ike_sa_t *ike_sa, const char *fmt,
	va_list args)
{
	char plain[512], line[512];
	int at = LOG_INFO;

	/* What it says of every packet is for debugging. */
	if (level > 1 || (level == 1 && (group == DBG_NET || group == DBG_ENC)) || usual(fmt))
		at = LOG_DEBUG;
	if (at > log_max || (at == LOG_INFO && !log_budget()))
		return;
	vsnprintf(plain, sizeof(plain), fmt, args);
	/* Its own quotation marks should stay readable. */
	for (char *q = plain; (q = strchr(q, '"')); )
		*q = '\'';
	str_escape(line, sizeof(line), plain, strlen(plain));
	if (ike_sa)
		log_at(at, "ike=%u %s", ike_sa->get_unique_id(ike_sa), line);
	else
		log_at(at, "ike %s", line);
}

static level_t charon_level(logger_t *this, debug_t group)
{
	/* Levels 3 and 4 would show packets and keys. */
	return verbose > 1 ? LEVEL_DIAG : LEVEL_CTRL;
}

static logger_t logger = { .vlog = charon_log, .get_level = charon_level };

/* Before there is a bus, and where a library has something to say while loading. */
static void library_log(debug_t group, level_t level, char *fmt, ...)
{
	char line[512];
	va_list ap;

	if (level > (verbose ? 1 : 0))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	log_info("ike %s", line);
}

/* ---- charon ---- */

static bool charon_up(void)
{
	char conf[32], list[256];
	int fd = memfd_create("strongswan.conf", MFD_CLOEXEC);	/* it insists on a file */

	if (fd < 0)
		return false;
	snprintf(conf, sizeof(conf), "/proc/self/fd/%d", fd);
	dbg = library_log;
	if (!library_init(conf, "charon"))
		return false;
	close(fd);
	settings_make();
	lib->set(lib, HANDOVER_NAME, &handover);
	if (!libcharon_init())
		return false;
	charon->bus->add_logger(charon->bus, &logger);
	plugin_list(list, sizeof(list));
	return charon->initialize(charon, list);
}

static void usage(void)
{
	fprintf(stderr, "usage: culvert-iked [-sv] [-c childless-seconds] [-d plugin-dir] [-u uid -g gid]\nculvertd starts it.\n");
	exit(2);
}

int main(int argc, char **argv)
{
	uint64_t uid = 0, gid = 0, seconds;
	const char *dir = NULL;
	bool drop = false;
	sigset_t set;
	int c, sig;

	while ((c = getopt(argc, argv, "svc:d:u:g:")) != -1) {
		switch (c) {
		case 's':
			handover.log_syslog = true;
			break;
		case 'v':
			verbose++;
			break;
		case 'c':		/* tests have no two minutes */
			if (!parse_uint(optarg, 1, 86400, &seconds))
				usage();
			handover.childless_s = (unsigned)seconds;
			break;
		case 'd':
			dir = optarg;
			break;
		case 'u':
			drop = true;
			if (!parse_uint(optarg, 1, UINT32_MAX - 1, &uid))
				usage();
			break;
		case 'g':
			if (!parse_uint(optarg, 1, UINT32_MAX - 1, &gid))
				usage();
			break;
		default:
			usage();
		}
	}
	if (optind != argc || drop != (gid != 0))
		usage();
	log_init("iked", handover.log_syslog);
	if (verbose)
		log_max = LOG_DEBUG;
	if (fcntl(PARENT_FD, F_GETFD) < 0)
		usage();
	plugin_find(dir);
	privileges_drop(drop ? (long)uid : -1, (long)gid);

	/* A terminal's ^C reaches the whole group; the parent decides what it means. */
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);

	parent_read();
	if (!charon_up()) {
		log_err("charon does not start");
		return 1;
	}
	charon->start(charon);
	do {
		sig = sigwaitinfo(&set, NULL);
	} while (sig < 0 && errno == EINTR);

	/* Deletes every IKE_SA at its peer. */
	alarm(DEINIT_S);
	libcharon_deinit();
	library_deinit();
	return 0;
}
