/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * culvert-dial: one to thousands of L2TP/IPsec clients in one process, to load
 * and to watch a server, and to misbehave towards it.
 *
 * Exit status: 0 all came up and stayed, 1 not all, 2 wrong usage.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "ctl/dial.h"
#include "ppp/mschap.h"

enum { EXIT_USAGE = 2, TICK_MS = 5, TUN_BURST = 64, TUN_PACKET = 1600 };

enum opt {
	OPT_FROM = 256, OPT_INNER, OPT_FORCE_NATT, OPT_TUN, OPT_TARGET, OPT_PING, OPT_SOURCE, OPT_SIZE, OPT_TIMEOUT,
	OPT_HOLD, OPT_VANISH, OPT_WRONG, OPT_LOSS, OPT_DUP, OPT_REORDER, OPT_MAX_OUTAGE, OPT_FLOOD, OPT_FLOOD_RATE,
	OPT_TIME, OPT_SEED, OPT_STOP_AFTER,
};

static const struct option options[] = {
	{ "from", required_argument, NULL, OPT_FROM },
	{ "inner", required_argument, NULL, OPT_INNER },
	{ "force-natt", no_argument, NULL, OPT_FORCE_NATT },
	{ "tun", required_argument, NULL, OPT_TUN },
	{ "target", required_argument, NULL, OPT_TARGET },
	{ "ping", required_argument, NULL, OPT_PING },
	{ "source", required_argument, NULL, OPT_SOURCE },
	{ "size", required_argument, NULL, OPT_SIZE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "hold", required_argument, NULL, OPT_HOLD },
	{ "vanish-after", required_argument, NULL, OPT_VANISH },
	{ "wrong-password", no_argument, NULL, OPT_WRONG },
	{ "loss", required_argument, NULL, OPT_LOSS },
	{ "dup", required_argument, NULL, OPT_DUP },
	{ "reorder", required_argument, NULL, OPT_REORDER },
	{ "max-outage", required_argument, NULL, OPT_MAX_OUTAGE },
	{ "flood", required_argument, NULL, OPT_FLOOD },
	{ "flood-rate", required_argument, NULL, OPT_FLOOD_RATE },
	{ "time", no_argument, NULL, OPT_TIME },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "stop-after", required_argument, NULL, OPT_STOP_AFTER },
	{ 0 },
};

static void usage(void) __attribute__((noreturn));
static void usage(void)
{
	fprintf(stderr,
		"usage: culvert-dial [-v] -s server -k psk|@file -u user -p password|@file\n"
		"           [-n sessions] [-r rate] [-w window] [--from prefix] [--inner address]\n"
		"           [--hold s] [--vanish-after s] [--timeout s] [--time] [--tun name]\n"
		"           [--ping ms] [--max-outage ms] [--source packets/s] [--target address] [--size bytes]\n"
		"           [--loss %%] [--dup %%] [--reorder %%] [--seed n] [--wrong-password] [--force-natt]\n"
		"           [--flood ike|l2tp|ppp] [--flood-rate packets/s] [--stop-after ike]\n");
	exit(EXIT_USAGE);
}

static void bad_usage(const char *what, const char *arg) __attribute__((noreturn));
static void bad_usage(const char *what, const char *arg)
{
	fprintf(stderr, "culvert-dial: %s: %s\n", what, arg);
	exit(EXIT_USAGE);
}

/* ---- options ---- */

static unsigned number(const char *arg, unsigned min, unsigned max)
{
	uint64_t v;

	if (!parse_uint(arg, min, max, &v))
		bad_usage("no number, or out of range", arg);
	return (unsigned)v;
}

static double percent(const char *arg)
{
	char *end;
	double v = strtod(arg, &end);

	if (end == arg || *end || !(v >= 0 && v <= 100))
		bad_usage("no percentage", arg);
	return v / 100;
}

static uint32_t address(const char *arg)
{
	struct addr a;

	if (!addr_parse(arg, 0, &a) || a.family != 4)
		bad_usage("no IPv4 address", arg);
	return addr_v4_of(&a);
}

static uint32_t server_address(const char *arg)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_DGRAM }, *res;
	struct addr a;
	int err = getaddrinfo(arg, NULL, &hints, &res);

	if (err)
		bad_usage(gai_strerror(err), arg);
	a = addr_from_sa(res->ai_addr);
	freeaddrinfo(res);
	return addr_v4_of(&a);
}

/* Network and broadcast address of a prefix of more than two addresses are left out. */
static void prefix(struct dial_conf *c, const char *arg)
{
	char ip[ADDR_STRLEN];
	const char *slash = strchr(arg, '/');
	unsigned bits = slash ? number(slash + 1, 8, 32) : 32;
	uint32_t size = (uint32_t)(1ull << (32 - bits));

	snprintf(ip, sizeof(ip), "%.*s", slash ? (int)(slash - arg) : 40, arg);
	c->from = address(ip);
	if (size > 2) {
		c->from = (c->from & ~(size - 1)) + 1;
		size -= 2;
	}
	c->from_n = size;
}

/* The argument itself, or the first line of the file that it names behind '@'. */
static void secret(char *dst, size_t cap, char *arg)
{
	FILE *f;

	if (arg[0] != '@') {
		if (!str_copy(dst, cap, arg))
			bad_usage("too long", "a secret");
		memset(arg, '*', strlen(arg));	/* not for ps(1) */
		return;
	}
	f = fopen(arg + 1, "re");
	if (!f)
		bad_usage(arg + 1, strerror(errno));
	if (!fgets(dst, (int)cap, f))
		bad_usage(arg + 1, "empty");
	fclose(f);
	dst[strcspn(dst, "\r\n")] = '\0';
}

static void option_long(struct dial_conf *c, int o, const char *arg)
{
	static const char *const floods[] = { "none", "ike", "l2tp", "ppp" };

	switch (o) {
	case OPT_FROM:
		prefix(c, arg);
		break;
	case OPT_INNER:
		c->inner = address(arg);
		break;
	case OPT_FORCE_NATT:
		c->force_natt = true;
		break;
	case OPT_TUN:
		c->tun = arg;
		break;
	case OPT_TARGET:
		c->target = address(arg);
		break;
	case OPT_PING:
		c->ping_ms = number(arg, 5, 3600000);
		break;
	case OPT_SOURCE:
		c->source_pps = number(arg, 1, 1000000);
		break;
	case OPT_SIZE:
		c->size = number(arg, 0, 1350);
		break;
	case OPT_TIMEOUT:
		c->timeout_s = number(arg, 1, 3600);
		break;
	case OPT_HOLD:
		c->hold_s = number(arg, 0, 86400);
		break;
	case OPT_VANISH:
		c->vanish = true;
		c->vanish_s = number(arg, 0, 86400);
		break;
	case OPT_WRONG:
		c->wrong_password = true;
		break;
	case OPT_LOSS:
		c->loss = percent(arg);
		break;
	case OPT_DUP:
		c->dup = percent(arg);
		break;
	case OPT_REORDER:
		c->reorder = percent(arg);
		break;
	case OPT_MAX_OUTAGE:
		c->has_max_outage = true;
		c->max_outage_ms = number(arg, 0, 3600000);
		break;
	case OPT_FLOOD:
		for (unsigned i = FLOOD_IKE; i < N_ELEMENTS(floods); i++)
			if (!strcmp(arg, floods[i]))
				c->flood = i;
		if (!c->flood)
			bad_usage("no such flood", arg);
		break;
	case OPT_FLOOD_RATE:
		c->flood_pps = number(arg, 1, 1000000);
		break;
	case OPT_TIME:
		c->each = true;
		break;
	case OPT_SEED:
		c->has_seed = true;
		c->seed = number(arg, 0, UINT32_MAX);
		break;
	case OPT_STOP_AFTER:
		if (strcmp(arg, "ike"))
			bad_usage("only after ike", arg);
		c->stop_ike = true;
		break;
	default:
		usage();
	}
}

static void options_read(struct dial_conf *c, int argc, char **argv)
{
	bool psk = false, password = false, hold = false;
	int o;

	*c = (struct dial_conf){ .sessions = 1, .window = 64, .timeout_s = 60, .size = 32, .flood_pps = 1000 };
	while ((o = getopt_long(argc, argv, "s:k:u:p:n:r:vw:", options, NULL)) != -1) {
		switch (o) {
		case 's':
			c->server = server_address(optarg);
			break;
		case 'k':
			secret(c->psk, sizeof(c->psk), optarg);
			psk = true;
			break;
		case 'u':
			c->user = optarg;
			break;
		case 'p':
			secret(c->password, sizeof(c->password), optarg);
			password = true;
			break;
		case 'n':
			c->sessions = number(optarg, 1, 100000);
			break;
		case 'r':
			c->rate = number(optarg, 0, 100000);
			break;
		case 'v':
			c->verbose = true;
			break;
		case 'w':
			c->window = number(optarg, 0, 100000);
			break;
		default:
			hold |= o == OPT_HOLD;
			option_long(c, o, optarg);
		}
	}
	if (optind != argc || !c->server || !psk || !c->user || !password)
		usage();
	if (c->tun && c->sessions != 1)
		bad_usage("only with one session", "--tun");
	if (c->stop_ike && (c->tun || c->ping_ms || c->source_pps || c->flood))
		bad_usage("there is no tunnel to use", "--stop-after ike");
	if (c->flood == FLOOD_IKE)
		c->window = 0;
	if (c->tun && !hold)
		c->hold_s = UINT32_MAX;
}

/* ---- TUN ---- */

static void tun_readable(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	uint8_t buf[TUN_PACKET];

	for (int i = 0; i < TUN_BURST; i++) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n <= 0)
			return;
		if (buf[0] >> 4 == 4)	/* the kernel's own IPv6 chatter stays here */
			sess_send_ip(&d->sess[0], buf, (size_t)n);
	}
}

static struct sockaddr in_sockaddr(uint32_t ip)
{
	struct addr a = addr_v4(ip, 0);
	struct sockaddr_storage ss;
	struct sockaddr sa;

	(void)addr_to_sa(&a, &ss);
	memcpy(&sa, &ss, sizeof(sa));
	return sa;
}

/* The device with the address that the server gave, up; routes are the user's. */
static int tun_open(struct dial *d, const struct ppp *p)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), ctl = -1, err = 0;
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), d->conf.tun);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || (ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) < 0)
		goto bad;
	ifr.ifr_mtu = ppp_mtu(p);
	if (ioctl(ctl, SIOCSIFMTU, &ifr) < 0)
		goto bad;
	ifr.ifr_addr = in_sockaddr(p->ip_local);
	if (ioctl(ctl, SIOCSIFADDR, &ifr) < 0)
		goto bad;
	ifr.ifr_dstaddr = in_sockaddr(p->ip_remote);
	if (ioctl(ctl, SIOCSIFDSTADDR, &ifr) < 0)
		goto bad;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING | IFF_POINTOPOINT;
	if (ioctl(ctl, SIOCSIFFLAGS, &ifr) < 0)
		goto bad;
	close(ctl);
	d->tun = fd;
	d->tun_ev = event_new(d->base, fd, EV_READ | EV_PERSIST, tun_readable, d);
	if (d->tun_ev)
		event_add(d->tun_ev, NULL);
	return 0;
bad:
	err = -errno;
	if (ctl >= 0)
		close(ctl);
	close(fd);
	return err;
}

void dial_tun_up(struct dsess *s)
{
	int err;

	if (!s->d->conf.tun || s->d->tun >= 0)
		return;
	err = tun_open(s->d, &s->ppp);
	if (err)
		fatal("%s: %s", s->d->conf.tun, strerror(-err));
}

void dial_tun_write(struct dial *d, const uint8_t *p, size_t n)
{
	/* A full device loses packets, as any link does. */
	if (d->tun >= 0 && write(d->tun, p, n) < 0)
		d->dropped++;
}

/* ---- the run ---- */

static void close_all(struct dial *d)
{
	for (unsigned i = 0; i < d->next; i++)
		sess_close(&d->sess[i]);
	if (d->over == d->next)
		event_base_loopbreak(d->base);
}

static void grace_over(evutil_socket_t fd, short what, void *arg)
{
	close_all(arg);
}

/* No more pings; those that are on their way have a second to come home. */
static void end(struct dial *d)
{
	struct timeval tv = { .tv_sec = GRACE_MS / 1000, .tv_usec = GRACE_MS % 1000 * 1000 };

	if (d->ending) {
		event_base_loopbreak(d->base);	/* asked twice: at once */
		return;
	}
	d->ending = true;
	if (!d->all_ms)
		d->all_ms = now_ms();
	if (!d->conf.ping_ms || !d->up || event_base_once(d->base, -1, EV_TIMEOUT, grace_over, d, &tv) < 0)
		close_all(d);
}

static void hold_over(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	if (!d->ending)
		end(d);
}

static void vanish(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;

	if (!d->ending) {
		d->vanished = true;
		event_base_loopbreak(d->base);
	}
}

static void signalled(evutil_socket_t fd, short what, void *arg)
{
	end(arg);
}

static void after(struct dial *d, unsigned seconds, event_callback_fn fn)
{
	struct timeval tv = { .tv_sec = seconds };

	if (event_base_once(d->base, -1, EV_TIMEOUT, fn, d, &tv) < 0)
		fatal("no timer");
}

static void all_done(struct dial *d)
{
	d->all_ms = now_ms();
	if (d->conf.vanish)
		after(d, d->conf.vanish_s, vanish);
	if (d->conf.vanish && !d->conf.hold_s)
		return;
	if (d->conf.hold_s != UINT32_MAX || !d->up)
		after(d, d->up ? d->conf.hold_s : 0, hold_over);
}

void dial_login_done(struct dsess *s)
{
	struct dial *d = s->d;

	d->logging_in--;
	d->up += s->state == SESS_UP;
	if (++d->logins_done == d->conf.sessions)
		all_done(d);
}

void dial_over(struct dsess *s)
{
	struct dial *d = s->d;

	d->up -= s->lost || (!s->failed && s->done_ms[PHASE_PPP]);
	if (!s->failed && !s->done_ms[PHASE_PPP])
		d->logging_in--;	/* we ended it in the middle */
	d->over++;
	if ((d->ending && d->over == d->next) || d->over == d->conf.sessions)
		event_base_loopbreak(d->base);
}

/* Start what the rate and the window allow. */
static void tick(evutil_socket_t fd, short what, void *arg)
{
	struct dial *d = arg;
	const struct dial_conf *c = &d->conf;
	uint64_t allowed = c->sessions;

	if (c->rate)
		allowed = (now_ms() - d->start_ms) * c->rate / 1000 + 1;
	while (!d->ending && d->next < c->sessions && d->next < allowed && (!c->window || d->logging_in < c->window)) {
		d->logging_in++;
		sess_start(&d->sess[d->next++]);
	}
	if (d->next == c->sessions || d->ending)
		event_del(d->tick);
}

static void files_allow(unsigned sessions)
{
	struct rlimit r;
	rlim_t want = 2 * (rlim_t)sessions + 64;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur >= want)
		return;
	r.rlim_cur = want;
	r.rlim_max = MAX(r.rlim_max, want);
	if (setrlimit(RLIMIT_NOFILE, &r) < 0)
		fatal("%u sessions need %lu open files: %s", sessions, (unsigned long)want, strerror(errno));
}

static void run(struct dial *d)
{
	struct timeval tv = { .tv_usec = TICK_MS * 1000 };
	struct event *sig[2];

	sig[0] = evsignal_new(d->base, SIGINT, signalled, d);
	sig[1] = evsignal_new(d->base, SIGTERM, signalled, d);
	d->tick = event_new(d->base, -1, EV_PERSIST, tick, d);
	if (!sig[0] || !sig[1] || !d->tick)
		fatal("no memory");
	event_add(sig[0], NULL);
	event_add(sig[1], NULL);
	event_add(d->tick, &tv);
	d->start_ms = now_ms();
	tick(-1, 0, d);
	event_base_dispatch(d->base);
	/* Delayed datagrams own memory until their time comes. */
	while (d->pending)
		event_base_loop(d->base, EVLOOP_ONCE);
	event_free(sig[0]);
	event_free(sig[1]);
	event_free(d->tick);
}

int main(int argc, char **argv)
{
	static struct dial d;
	struct rng seed;
	int status;

	log_init("dial", false);
#ifdef BENCH_NULL_CRYPTO
	log_err("THIS BUILD DOES NOT ENCRYPT ANYTHING (--enable-bench-null-crypto): for measuring only");
#endif
	options_read(&d.conf, argc, argv);
	if (!mschap_init())
		fatal("OpenSSL has no MD4 and DES (its legacy provider): MS-CHAPv2 cannot work");
	if (!esp_init())
		fatal("OpenSSL has no AES or no random numbers: ESP cannot work");
	setvbuf(stdout, NULL, _IOLBF, 0);
	files_allow(d.conf.sessions);
	d.tun = -1;
	d.base = event_base_new();
	d.sess = calloc(d.conf.sessions, sizeof(*d.sess));
	if (!d.base || !d.sess)
		fatal("no memory");
	if (d.conf.has_seed)
		rng_init_test(&d.rng, d.conf.seed);
	else
		rng_init(&d.rng);
	rng_init(&seed);
	l2tp_ids_init(&d.ids, &seed);
	d.ike_conf = (struct ike_conf){
		.psk = (const uint8_t *)d.conf.psk, .psk_len = strlen(d.conf.psk), .force_natt = d.conf.force_natt,
		.retransmit_ms = 1000, .retransmit_max = 5, .ike_life_s = 28800, .esp_life_s = 3600,
	};
	d.l2tp_conf = l2tp_conf_default;
	str_copy(d.l2tp_conf.host_name, sizeof(d.l2tp_conf.host_name), "culvert-dial");
	for (unsigned i = 0; i < d.conf.sessions; i++)
		sess_init(&d, &d.sess[i], i);
	run(&d);
	status = report(&d, stdout);
	for (unsigned i = 0; i < d.conf.sessions; i++)
		sess_free(&d.sess[i]);
	if (d.tun_ev)
		event_free(d.tun_ev);
	if (d.tun >= 0)
		close(d.tun);
	event_base_free(d.base);
	free(d.sess);
	explicit_bzero(&d, sizeof(d));
	return status;
}
