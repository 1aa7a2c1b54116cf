/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets of a session, and the impairments: each datagram, in both
 * directions, is dropped, doubled or delayed by chance.
 *
 * One session per source address uses ports 500 and 4500, as a host does.
 * Where several share one, the kernel gives each a port, as a NAT would.  Raw ESP
 * has a raw socket of its own, whose filter takes the session's SPIs only.
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/dial.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif

enum { SOCKET_BUFFER = 7 << 20 };	/* bytes: a train is 64 KB, and a busy server answers late */
enum { L2TP_PORT = 1701 };
enum { RX_MAX = 2048, TX_MAX = 2048, RX_BURST = 32, DELAY_MS = 30, MARKER = 4, TX_BURST = 64 };

struct delayed {
	struct dsess *s;
	enum dial_way way;
	bool inbound;
	size_t n;
	uint8_t p[TX_MAX];
};

bool wire_chance(struct dial *d, double p)
{
	return p > 0 && rng_u32(&d->rng) < p * 4294967296.0;
}

static void put(struct dsess *s, enum dial_way way, const uint8_t *p, size_t n)
{
	s->d->tx++;
	/* A refused or full socket is a lost datagram, which every protocol here bears. */
	if (s->fd[way] >= 0 && send(s->fd[way], p, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		s->d->dropped++;
}

static void take(struct dsess *s, enum dial_way way, uint8_t *p, size_t n)
{
	if (s->d->vanished || s->state == SESS_OVER)
		return;
	if (way != WAY_500) {
		data_input(s, p, n);
	} else {
		uint64_t now = now_ms();

		sess_ike(s, rd_of(p, n), now);
		sess_rearm(s, now);
	}
}

static void late(evutil_socket_t fd, short what, void *arg)
{
	struct delayed *l = arg;

	l->s->d->pending--;
	if (l->s->d->vanished || l->s->state == SESS_OVER)
		;
	else if (l->inbound)
		take(l->s, l->way, l->p, l->n);
	else
		put(l->s, l->way, l->p, l->n);
	free(l);
}

static void pass(struct dsess *s, enum dial_way way, bool inbound, uint8_t *p, size_t n)
{
	struct timeval tv = { .tv_usec = DELAY_MS * 1000 };
	struct dial *d = s->d;
	struct delayed *l;
	unsigned copies = 1;

	if (wire_chance(d, d->conf.loss)) {
		d->dropped++;
		return;
	}
	if (wire_chance(d, d->conf.dup)) {
		d->doubled++;
		copies = 2;
	}
	if (!s->last_words && wire_chance(d, d->conf.reorder) && n <= TX_MAX && (l = malloc(sizeof(*l)))) {
		d->delayed++;
		copies--;
		*l = (struct delayed){ .s = s, .way = way, .inbound = inbound, .n = n };
		memcpy(l->p, p, n);
		if (event_base_once(d->base, -1, EV_TIMEOUT, late, l, &tv) < 0)
			free(l);
		else
			d->pending++;
	}
	for (; copies; copies--) {
		uint8_t copy[TX_MAX];

		if (!inbound) {
			put(s, way, p, n);
		} else if (copies > 1) {	/* opening works in place */
			memcpy(copy, p, n);
			take(s, way, copy, n);
		} else {
			take(s, way, p, n);
		}
	}
}

bool wire_bad(const struct dial *d)
{
	return d->conf.loss > 0 || d->conf.dup > 0 || d->conf.reorder > 0;
}

void wire_take(struct dsess *s, enum dial_way way, uint8_t *p, size_t n)
{
	pass(s, way, true, p, n);
}

void wire_send(struct dsess *s, enum dial_way way, bool marked, const uint8_t *p, size_t n)
{
	uint8_t buf[TX_MAX];
	struct wr w = wr_of(buf, sizeof(buf));

	if (s->d->vanished)
		return;
	if (marked)
		wr_u32(&w, 0);
	wr_bytes(&w, p, n);
	if (w.bad)
		return;
	if (way != WAY_500)
		s->sent_ms = now_ms();
	pass(s, way, false, buf, w.len);
}

/* One by one, with as few calls as may be. */
static void send_singly(struct dsess *s, int fd, const uint8_t *p, size_t n, size_t seg)
{
	struct rd r = rd_of(p, n);

	while (r.n) {
		struct mmsghdr msg[TX_BURST];
		struct iovec iov[TX_BURST];
		unsigned k = 0;
		int done;

		for (; k < TX_BURST && r.n; k++) {
			size_t len = MIN(r.n, seg);

			iov[k] = (struct iovec){ .iov_base = (void *)(uintptr_t)rd_bytes(&r, len), .iov_len = len };
			msg[k].msg_hdr = (struct msghdr){ .msg_iov = &iov[k], .msg_iovlen = 1 };
		}
		done = sendmmsg(fd, msg, k, MSG_DONTWAIT | MSG_NOSIGNAL);
		s->d->tx += k;
		s->d->tx_full += k - (unsigned)MAX(done, 0);
	}
}

void wire_send_train(struct dsess *s, const uint8_t *p, size_t n, size_t seg)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(uint16_t))];
	} ctl = { 0 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint16_t size = (uint16_t)seg;
	int fd = s->fd[wire_data(s)];

	if (s->d->vanished || fd < 0)
		return;
	s->sent_ms = now_ms();
	if (n > seg && !s->no_train && !s->raw) {
		struct cmsghdr *c;

		h.msg_control = ctl.buf;
		h.msg_controllen = sizeof(ctl.buf);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
		s->d->tx += (n + seg - 1) / seg;
		if (sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ECONNREFUSED) {
			s->d->tx_full += (n + seg - 1) / seg;
			return;
		}
		/* This path's MTU (EMSGSIZE; EINVAL with older kernels), or no UDP_SEGMENT at all. */
		s->no_train = true;
		s->d->tx -= (n + seg - 1) / seg;
	}
	send_singly(s, fd, p, n, seg);
}

/* IKE's first messages; the rest is on port 4500, unless ESP is raw. */
static void readable_500(evutil_socket_t fd, short what, void *arg)
{
	struct dsess *s = arg;

	for (int i = 0; i < RX_BURST && s->fd[WAY_500] >= 0; i++) {
		uint8_t buf[RX_MAX];
		ssize_t n = recv(s->fd[WAY_500], buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == ECONNREFUSED || errno == EINTR))
			continue;	/* an ICMP error: nobody proved it */
		if (n < 0)
			return;
		s->d->rx++;
		if ((size_t)n <= sizeof(buf) && !s->d->vanished)
			pass(s, WAY_500, true, buf, (size_t)n);
	}
}

static void readable_esp(evutil_socket_t fd, short what, void *arg)
{
	data_readable(arg);
}

/* As large as the kernel lets us; root may pass its limit. */
static void socket_buffer(int fd, int forced, int plain)
{
	int size = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

/* Bind and connect, and have it read. 0 or -errno; the socket is s->fd[way] in any case. */
static int open_at(struct dsess *s, enum dial_way way, int fd, struct addr at, struct addr to)
{
	struct sockaddr_storage ss;
	bool v6 = to.family == 6;
	socklen_t len;
	int on = 1;

	s->fd[way] = fd;
	/* The address need be on no interface: a local route for its prefix is enough. */
	if (setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof(on)) < 0)
		return -errno;
	if (way != WAY_500) {
		socket_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
		socket_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	}
	at.family = to.family;		/* it may be any */
	len = addr_to_sa(&at, &ss);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	len = addr_to_sa(&to, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	s->ev[way] = event_new(s->d->base, fd, EV_READ | EV_PERSIST, way == WAY_500 ? readable_500 : readable_esp, s);
	if (!s->ev[way])
		return -ENOMEM;
	event_add(s->ev[way], NULL);
	return 0;
}

static int open_udp(struct dsess *s, enum dial_way way)
{
	const struct dial_conf *c = &s->d->conf;
	/* After a move it has whatever port there is, as behind a NAT. */
	bool alone = c->sessions <= MAX(c->from_n, 1u) && !s->moves;
	uint16_t port = c->plain ? c->port : way == WAY_4500 ? 4500 : 500, own = c->plain ? L2TP_PORT : port;
	struct addr at = s->local, to = c->server;
	int on = 1, fd = socket(to.family == 6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	at.port = alone ? own : 0;
	to.port = port;
	/* Without it datagrams come one by one, which is slower and no less right. */
	if (way == WAY_4500)
		(void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	return open_at(s, way, fd, at, to);
}

/* The first word behind the IP header (which IPv6 does not show) is an SPI: one of ours? */
static int filter(const struct dsess *s, int fd)
{
	struct sock_filter p[2 + PAIRS_MAX + 2];
	struct sock_fprog prog = { .filter = p };
	uint8_t n = 0;

	p[n++] = s->local.family == 6 ? (struct sock_filter)BPF_STMT(BPF_LDX | BPF_IMM, 0)
				      : (struct sock_filter)BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0);
	p[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0);
	for (unsigned i = 0; i < PAIRS_MAX; i++)
		if (s->pair[i].in)
			p[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, s->pair[i].spi_in, 0, 0);
	for (uint8_t i = 2; i < n; i++)
		p[i].jt = (uint8_t)(n - i);		/* to the last but none */
	p[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	p[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0x7fffffff);
	prog.len = n;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) < 0 ? -errno : 0;
}

static int open_raw(struct dsess *s)
{
	const struct dial_conf *c = &s->d->conf;
	int err, fd = socket(c->server.family == 6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ESP);

	if (fd < 0)
		return -errno;
	/* Before it is bound: every packet of the protocol would be its own. */
	err = filter(s, fd);
	if (err) {
		close(fd);
		return err;
	}
	return open_at(s, WAY_RAW, fd, s->local, c->server);
}

int wire_open(struct dsess *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int err = s->d->conf.plain ? 0 : open_udp(s, WAY_500);

	if (!err)
		err = open_udp(s, WAY_4500);
	if (err)
		return err;
	if (getsockname(s->fd[WAY_4500], (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	s->local = addr_from_sa((struct sockaddr *)&ss);
	s->local.port = 0;
	return 0;
}

static void close_one(struct dsess *s, enum dial_way way)
{
	if (s->ev[way])
		event_free(s->ev[way]);
	if (s->fd[way] >= 0)
		close(s->fd[way]);
	s->ev[way] = NULL;
	s->fd[way] = -1;
}

int wire_raw(struct dsess *s)
{
	return s->fd[WAY_RAW] >= 0 ? filter(s, s->fd[WAY_RAW]) : open_raw(s);
}

int wire_move(struct dsess *s, bool address)
{
	const struct dial_conf *c = &s->d->conf;

	close_one(s, wire_data(s));
	if (address && c->from.family)
		s->local = addr_nth(&c->from, (addr_low(&s->local) - addr_low(&c->from) + 1) % c->from_n);
	return s->raw ? open_raw(s) : open_udp(s, WAY_4500);
}

void wire_moved(struct dsess *s)
{
	close_one(s, s->raw ? WAY_4500 : WAY_500);
}

void wire_close(struct dsess *s)
{
	for (unsigned i = 0; i < WAYS; i++)
		close_one(s, i);
}
