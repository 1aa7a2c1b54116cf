/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * UDP load for the benchmark: single datagrams at a steady pace, one flow per
 * client, counted where a script can read them at any moment.
 *
 *   udpload [-c FILE] serve PORT
 *   udpload [-c FILE] [-b ADDRESS]… [-n FLOWS] [-r RATE] [-d RATE] [-l BYTES] -t SECONDS run ADDRESS PORT
 *   udpload [-c FILE] [-r RATE] [-l BYTES] -t SECONDS spray PORT ADDRESS…
 *
 * serve counts what comes, and sends to whoever asks for it ("pull").
 * run has a socket per flow, bound to each ADDRESS in turn; it sends RATE (-r)
 * datagrams per second, all flows together, and asks the server for RATE (-d)
 * to come back along the same way, through whatever NAT there is.
 * spray sends to PORT of each ADDRESS in turn.
 *
 * FILE holds struct counters, mapped; python's struct reads it as "=5Q".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/rd.h"
#include "base/util.h"
#include "base/wr.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

enum {
	PULL = 'P', DATA = 'D', PULL_LEN = 1 + 4 * 4,
	BYTES_MAX = 9000, TRAIN_MAX = 65536, BATCH = 64, FLOWS_MAX = 4096,
	TICK_US = 500,				/* of pacing: a few datagrams each */
	LATE_US = 20000,			/* what is later than this is not made up for */
	PULL_EVERY_MS = 100,			/* any of them may be lost */
	SOCKBUF = 8 << 20,
};

struct counters {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, tx_failed;
};

/* Datagrams to one flow: of run its own, of serve what was pulled. */
struct flow {
	int fd;
	struct sockaddr_in to;
	bool connected;
};

/* A pace for some flows in turn. */
struct pace {
	uint64_t next_ns, step_ns, until_ns;
	unsigned turn;
	size_t bytes;
};

static struct counters *count;
static struct flow flows[FLOWS_MAX];
static unsigned n_flows;
static struct pace pace;

static void fatal(const char *what)
{
	fprintf(stderr, "udpload: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct counters *counters_map(const char *path)
{
	static struct counters none;
	struct counters *c;
	int fd;

	if (!path)
		return &none;
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, sizeof(*c)) < 0)
		fatal(path);
	c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (c == MAP_FAILED)
		fatal(path);
	close(fd);
	return c;
}

static int udp_socket(uint32_t ip, uint16_t port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), size = SOCKBUF, on = 1;

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		fatal("socket");
	/* What receives costs little, so that the server is what is measured. */
	(void)setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof(on));
	/* Root: what arrives while we do not run is not to be lost here. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return fd;
}

static void pace_set(struct pace *p, uint64_t rate, size_t bytes, uint64_t ms)
{
	uint64_t now = now_ns();

	if (!rate) {
		p->until_ns = 0;
		return;
	}
	if (now >= p->until_ns)
		p->next_ns = now;
	p->step_ns = 1000000000 / rate;
	p->bytes = MIN(bytes, (size_t)BYTES_MAX);
	p->until_ns = now + ms * 1000000;
}

/* Whoever asked; it may ask again. A pull sets the pace of all. */
static void pulled(int fd, const struct sockaddr_in *from, struct rd r)
{
	static uint32_t last;
	uint32_t run = rd_u32(&r), rate, bytes, ms;
	unsigned i = 0;

	rate = rd_u32(&r);
	bytes = rd_u32(&r);
	ms = rd_u32(&r);
	if (r.bad)
		return;
	if (run != last)		/* the old one's flows are gone */
		n_flows = 0;
	last = run;
	while (i < n_flows && (flows[i].to.sin_addr.s_addr != from->sin_addr.s_addr ||
			       flows[i].to.sin_port != from->sin_port))
		i++;
	if (i == FLOWS_MAX)
		return;
	flows[i] = (struct flow){ .fd = fd, .to = *from };
	n_flows = MAX(n_flows, i + 1);
	pace_set(&pace, rate, bytes, ms);
}

/* A train that stayed together (UDP_GRO) is so many of them. */
static unsigned datagrams(struct mmsghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr);
	int size;

	if (!c || c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO)
		return 1;
	memcpy(&size, CMSG_DATA(c), sizeof(size));
	return size > 0 ? (m->msg_len + (unsigned)size - 1) / (unsigned)size : 1;
}

static void receive(int fd, bool serve)
{
	static uint8_t buf[BATCH][TRAIN_MAX];
	static union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} ctl[BATCH];
	static struct mmsghdr m[BATCH];
	static struct iovec iov[BATCH];
	static struct sockaddr_in from[BATCH];

	for (;;) {
		int n;

		for (unsigned i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){ buf[i], TRAIN_MAX };
			m[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_namelen = sizeof(from[i]),
							.msg_iov = &iov[i], .msg_iovlen = 1,
							.msg_control = ctl[i].buf, .msg_controllen = sizeof(ctl[i].buf) };
		}
		n = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			struct rd r = rd_of(buf[i], m[i].msg_len);

			if (serve && m[i].msg_len == PULL_LEN && rd_u8(&r) == PULL) {
				pulled(fd, &from[i], r);
				continue;
			}
			count->rx_packets += datagrams(&m[i]);
			count->rx_bytes += m[i].msg_len;
		}
		if (n < BATCH)
			return;
	}
}

/* What is due by now, each flow in turn, one datagram each. */
static void send_due(void)
{
	static uint8_t data[BYTES_MAX] = { DATA };
	uint64_t now = now_ns();

	if (now >= pace.until_ns || !n_flows)
		return;
	if (pace.next_ns + LATE_US * 1000 < now)
		pace.next_ns = now - LATE_US * 1000;
	for (; pace.next_ns <= now; pace.next_ns += pace.step_ns) {
		struct flow *f = &flows[pace.turn++ % n_flows];

		if (sendto(f->fd, data, pace.bytes, MSG_DONTWAIT, f->connected ? NULL : (struct sockaddr *)&f->to,
			   f->connected ? 0 : sizeof(f->to)) < 0) {
			count->tx_failed++;
			continue;
		}
		count->tx_packets++;
		count->tx_bytes += pace.bytes;
	}
}

/* Waits for a datagram, or until the next one is due. */
static int wait_for(int ep, struct epoll_event *ev, int n, uint64_t until)
{
	uint64_t now = now_ns(), at = until;
	struct pollfd p = { .fd = ep, .events = POLLIN };
	struct timespec t;

	if (now < pace.until_ns && n_flows)
		at = MIN(at, MAX(pace.next_ns, now + TICK_US * 1000));
	t = (struct timespec){ .tv_sec = (time_t)((at - MIN(now, at)) / 1000000000),
			       .tv_nsec = (long)((at - MIN(now, at)) % 1000000000) };
	if (ppoll(&p, 1, &t, NULL) <= 0)
		return 0;
	return epoll_wait(ep, ev, n, 0);
}

static void loop(int ep, bool serve, uint64_t until)
{
	struct epoll_event ev[BATCH];

	while (now_ns() < until) {
		int n = wait_for(ep, ev, BATCH, until);

		for (int i = 0; i < n; i++)
			receive(ev[i].data.fd, serve);
		send_due();
	}
}

static void watch(int ep, int fd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) < 0)
		fatal("epoll");
}

static void usage(void)
{
	fprintf(stderr, "usage: udpload [-c file] serve port\n"
			"       udpload [-c file] [-b address]... [-n flows] [-r rate] [-d rate] [-l bytes] -t seconds run address port\n"
			"       udpload [-c file] [-r rate] [-l bytes] -t seconds spray port address...\n");
	exit(2);
}

static uint64_t number(const char *arg, uint64_t min, uint64_t max)
{
	uint64_t v;

	if (!parse_uint(arg, min, max, &v))
		usage();
	return v;
}

static uint32_t address(const char *arg)
{
	struct in_addr a;

	if (inet_pton(AF_INET, arg, &a) != 1)
		usage();
	return ntohl(a.s_addr);
}

static struct sockaddr_in to_address(uint32_t ip, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(ip) };
}

static void pull(uint64_t rate, size_t bytes, uint64_t ms)
{
	uint8_t msg[PULL_LEN];
	struct wr w = wr_of(msg, sizeof(msg));

	wr_u8(&w, PULL);
	wr_u32(&w, (uint32_t)getpid());
	wr_u32(&w, (uint32_t)rate);
	wr_u32(&w, (uint32_t)bytes);
	wr_u32(&w, (uint32_t)ms);
	for (unsigned i = 0; i < n_flows; i++)
		(void)!send(flows[i].fd, msg, w.len, MSG_DONTWAIT);
}

int main(int argc, char **argv)
{
	const char *file = NULL, *verb;
	uint64_t n = 1, up = 0, down = 0, bytes = 1372, seconds = 0, end, next_pull;
	static uint32_t from[FLOWS_MAX];
	unsigned n_from = 0;
	uint32_t to;
	uint16_t port;
	int o, ep = epoll_create1(EPOLL_CLOEXEC);

	while ((o = getopt(argc, argv, "b:c:d:l:n:r:t:")) != -1) {
		switch (o) {
		case 'b':
			if (n_from == FLOWS_MAX)
				usage();
			from[n_from++] = address(optarg);
			break;
		case 'c':
			file = optarg;
			break;
		case 'd':
			down = number(optarg, 0, 100000000);
			break;
		case 'l':
			bytes = number(optarg, 1, BYTES_MAX);
			break;
		case 'n':
			n = number(optarg, 1, FLOWS_MAX);
			break;
		case 'r':
			up = number(optarg, 0, 100000000);
			break;
		case 't':
			seconds = number(optarg, 1, 86400);
			break;
		default:
			usage();
		}
	}
	if (argc - optind < 2)
		usage();
	verb = argv[optind];
	count = counters_map(file);
	if (!strcmp(verb, "serve")) {
		watch(ep, udp_socket(0, (uint16_t)number(argv[optind + 1], 1, 65535)));
		loop(ep, true, UINT64_MAX);
	}
	if (!seconds)
		usage();
	if (!strcmp(verb, "spray")) {
		int fd = udp_socket(0, 0);

		port = (uint16_t)number(argv[optind + 1], 1, 65535);
		for (int i = optind + 2; i < argc && n_flows < FLOWS_MAX; i++)
			flows[n_flows++] = (struct flow){ .fd = fd, .to = to_address(address(argv[i]), port) };
	} else if (!strcmp(verb, "run") && argc - optind == 3) {
		to = address(argv[optind + 1]);
		port = (uint16_t)number(argv[optind + 2], 1, 65535);
		for (; n_flows < n; n_flows++) {
			struct flow *f = &flows[n_flows];

			*f = (struct flow){ .fd = udp_socket(n_from ? from[n_flows % n_from] : 0, 0), .to = to_address(to, port),
					    .connected = true };
			if (connect(f->fd, (struct sockaddr *)&f->to, sizeof(f->to)) < 0)
				fatal("connect");
			watch(ep, f->fd);
		}
	} else {
		usage();
	}
	pace_set(&pace, up, bytes, seconds * 1000);
	end = now_ns() + seconds * 1000000000;
	for (next_pull = now_ns(); now_ns() < end; next_pull += PULL_EVERY_MS * 1000000) {
		if (down)
			pull(down, bytes, (end - MIN(end, now_ns())) / 1000000);
		loop(ep, false, MIN(end, next_pull + PULL_EVERY_MS * 1000000));
	}
	return 0;
}
