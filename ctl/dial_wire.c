/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sockets of a session, and the impairments: each datagram, in both
 * directions, is dropped, doubled or delayed by chance.
 *
 * One session per source address uses ports 500 and 4500, as a host does.
 * Where several share one, the kernel gives each a port, as a NAT would.
 */
#include <errno.h>
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

enum { SOCKET_BUFFER = 7 << 20 };	/* bytes: a train is 64 KB, and a busy server answers late */
enum { L2TP_PORT = 1701 };
enum { RX_MAX = 2048, TX_MAX = 2048, RX_BURST = 32, DELAY_MS = 30, MARKER = 4 };

struct delayed {
	struct dsess *s;
	bool natt, inbound;
	size_t n;
	uint8_t p[TX_MAX];
};

bool wire_chance(struct dial *d, double p)
{
	return p > 0 && rng_u32(&d->rng) < p * 4294967296.0;
}

static void put(struct dsess *s, bool natt, const uint8_t *p, size_t n)
{
	s->d->tx++;
	/* A refused or full socket is a lost datagram, which every protocol here bears. */
	if (s->fd[natt] >= 0 && send(s->fd[natt], p, n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		s->d->dropped++;
}

static void take(struct dsess *s, bool natt, uint8_t *p, size_t n)
{
	if (s->d->vanished || s->state == SESS_OVER)
		return;
	if (natt) {
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
		take(l->s, l->natt, l->p, l->n);
	else
		put(l->s, l->natt, l->p, l->n);
	free(l);
}

static void pass(struct dsess *s, bool natt, bool inbound, uint8_t *p, size_t n)
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
		*l = (struct delayed){ .s = s, .natt = natt, .inbound = inbound, .n = n };
		memcpy(l->p, p, n);
		if (event_base_once(d->base, -1, EV_TIMEOUT, late, l, &tv) < 0)
			free(l);
		else
			d->pending++;
	}
	for (; copies; copies--) {
		uint8_t copy[TX_MAX];

		if (!inbound) {
			put(s, natt, p, n);
		} else if (copies > 1) {	/* opening works in place */
			memcpy(copy, p, n);
			take(s, natt, copy, n);
		} else {
			take(s, natt, p, n);
		}
	}
}

bool wire_bad(const struct dial *d)
{
	return d->conf.loss > 0 || d->conf.dup > 0 || d->conf.reorder > 0;
}

void wire_take(struct dsess *s, bool natt, uint8_t *p, size_t n)
{
	pass(s, natt, true, p, n);
}

void wire_send(struct dsess *s, bool natt, bool marked, const uint8_t *p, size_t n)
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
	if (natt)
		s->sent_ms = now_ms();
	pass(s, natt, false, buf, w.len);
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

	if (s->d->vanished || s->fd[true] < 0)
		return;
	s->sent_ms = now_ms();
	if (n > seg && !s->no_train) {
		struct cmsghdr *c;

		h.msg_control = ctl.buf;
		h.msg_controllen = sizeof(ctl.buf);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(size));
		memcpy(CMSG_DATA(c), &size, sizeof(size));
		s->d->tx += (n + seg - 1) / seg;
		if (sendmsg(s->fd[true], &h, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return;
		if (errno == EAGAIN || errno == ENOBUFS || errno == ECONNREFUSED) {
			s->d->tx_full += (n + seg - 1) / seg;
			return;
		}
		/* This path's MTU (EMSGSIZE; EINVAL with older kernels), or no UDP_SEGMENT at all. */
		s->no_train = true;
		s->d->tx -= (n + seg - 1) / seg;
	}
	for (struct rd r = rd_of(p, n); r.n;) {
		size_t len = MIN(r.n, seg);
		const uint8_t *one = rd_bytes(&r, len);

		s->d->tx++;
		s->d->tx_full += send(s->fd[true], one, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0;
	}
}

/* IKE's first messages; the rest is on port 4500. */
static void readable_500(evutil_socket_t fd, short what, void *arg)
{
	struct dsess *s = arg;

	for (int i = 0; i < RX_BURST && s->fd[false] >= 0; i++) {
		uint8_t buf[RX_MAX];
		ssize_t n = recv(s->fd[false], buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == ECONNREFUSED || errno == EINTR))
			continue;	/* an ICMP error: nobody proved it */
		if (n < 0)
			return;
		s->d->rx++;
		if ((size_t)n <= sizeof(buf) && !s->d->vanished)
			pass(s, false, true, buf, (size_t)n);
	}
}

static void readable_4500(evutil_socket_t fd, short what, void *arg)
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

static int open_one(struct dsess *s, bool natt)
{
	const struct dial_conf *c = &s->d->conf;
	/* After a move it has whatever port there is, as behind a NAT. */
	bool alone = c->sessions <= MAX(c->from_n, 1u) && !s->moves;
	uint16_t port = c->plain ? c->port : natt ? 4500 : 500, own = c->plain ? L2TP_PORT : port;
	struct addr at = addr_v4(s->local, alone ? own : 0), to = addr_v4(c->server, port);
	struct sockaddr_storage ss;
	socklen_t len;
	int on = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	s->fd[natt] = fd;
	/* The address need be on no interface: a local route for its prefix is enough. */
	if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0)
		return -errno;
	if (natt) {
		socket_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
		socket_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
		/* Without it datagrams come one by one, which is slower and no less right. */
		(void)setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	}
	len = addr_to_sa(&at, &ss);
	if (bind(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	len = addr_to_sa(&to, &ss);
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		return -errno;
	s->ev[natt] = event_new(s->d->base, fd, EV_READ | EV_PERSIST, natt ? readable_4500 : readable_500, s);
	if (!s->ev[natt])
		return -ENOMEM;
	event_add(s->ev[natt], NULL);
	return 0;
}

int wire_open(struct dsess *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr at;
	int err = s->d->conf.plain ? 0 : open_one(s, false);

	if (!err)
		err = open_one(s, true);
	if (err)
		return err;
	if (getsockname(s->fd[true], (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	at = addr_from_sa((struct sockaddr *)&ss);
	s->local = addr_v4_of(&at);
	return 0;
}

static void close_one(struct dsess *s, bool natt)
{
	if (s->ev[natt])
		event_free(s->ev[natt]);
	if (s->fd[natt] >= 0)
		close(s->fd[natt]);
	s->ev[natt] = NULL;
	s->fd[natt] = -1;
}

int wire_move(struct dsess *s, bool address)
{
	const struct dial_conf *c = &s->d->conf;

	close_one(s, true);
	if (address && c->from)
		s->local = c->from + (s->local - c->from + 1) % c->from_n;
	return open_one(s, true);
}

void wire_moved(struct dsess *s)
{
	close_one(s, false);
}

void wire_close(struct dsess *s)
{
	close_one(s, false);
	close_one(s, true);
}
