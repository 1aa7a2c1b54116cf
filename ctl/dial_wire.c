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
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/dial.h"

enum { RX_MAX = 2048, TX_MAX = 2048, RX_BURST = 32, DELAY_MS = 30, MARKER = 4 };

struct delayed {
	struct dsess *s;
	bool natt, inbound;
	size_t n;
	uint8_t p[TX_MAX];
};

static bool chance(struct dial *d, double p)
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
	if (!s->d->vanished && s->state != SESS_OVER)
		sess_input(s, natt, p, n);
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

	if (chance(d, d->conf.loss)) {
		d->dropped++;
		return;
	}
	if (chance(d, d->conf.dup)) {
		d->doubled++;
		copies = 2;
	}
	if (!s->last_words && chance(d, d->conf.reorder) && n <= TX_MAX && (l = malloc(sizeof(*l)))) {
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

static void readable(struct dsess *s, bool natt)
{
	for (int i = 0; i < RX_BURST && s->fd[natt] >= 0; i++) {
		uint8_t buf[RX_MAX];
		ssize_t n = recv(s->fd[natt], buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);

		if (n < 0 && (errno == ECONNREFUSED || errno == EINTR))
			continue;	/* an ICMP error: nobody proved it */
		if (n < 0)
			return;
		s->d->rx++;
		if ((size_t)n <= sizeof(buf) && !s->d->vanished)
			pass(s, natt, true, buf, (size_t)n);
	}
}

static void readable_500(evutil_socket_t fd, short what, void *arg)
{
	readable(arg, false);
}

static void readable_4500(evutil_socket_t fd, short what, void *arg)
{
	readable(arg, true);
}

static int open_one(struct dsess *s, bool natt)
{
	const struct dial_conf *c = &s->d->conf;
	bool alone = c->sessions <= MAX(c->from_n, 1u);
	uint16_t port = natt ? 4500 : 500;
	struct addr at = addr_v4(s->local, alone ? port : 0), to = addr_v4(c->server, port);
	struct sockaddr_storage ss;
	socklen_t len;
	int on = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	s->fd[natt] = fd;
	/* The address need be on no interface: a local route for its prefix is enough. */
	if (setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) < 0)
		return -errno;
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
	int err = open_one(s, false);

	if (!err)
		err = open_one(s, true);
	if (err)
		return err;
	if (getsockname(s->fd[0], (struct sockaddr *)&ss, &len) < 0)
		return -errno;
	at = addr_from_sa((struct sockaddr *)&ss);
	s->local = addr_v4_of(&at);
	return 0;
}

void wire_close(struct dsess *s)
{
	for (int i = 0; i < 2; i++) {
		if (s->ev[i])
			event_free(s->ev[i]);
		if (s->fd[i] >= 0)
			close(s->fd[i]);
		s->ev[i] = NULL;
		s->fd[i] = -1;
	}
}
