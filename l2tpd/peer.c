/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/peer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

/* Messages handled before other descriptors get their turn. */
enum { PEER_BURST = 64 };

static void peer_gone(struct peer *p)
{
	peer_gone_cb *cb = p->on_gone;
	void *arg = p->arg;

	peer_close(p);
	if (cb)
		cb(p, arg);
}

static void peer_readable(evutil_socket_t fd, short what, void *arg)
{
	static struct log_rate rate;
	static struct msg m;		/* handlers do not recurse into the loop */
	struct peer *p = arg;

	for (int i = 0; i < PEER_BURST && peer_is_open(p); i++) {
		int r = chan_recv(&p->c, &m);

		if (r == 0)
			return;
		if (r == -EBADMSG) {
			p->bad++;
			if (log_rate_ok(&rate, now_ms()))
				log_warn("message from %s refused by the table, ignoring", role_name(p->c.peer));
			continue;
		}
		if (r < 0) {
			peer_gone(p);
			return;
		}
		p->on_msg(p, &m, p->arg);
		if (m.fd >= 0)
			close(m.fd);
		explicit_bzero(&m.b, m.len);
	}
}

void peer_poll(struct peer *p)
{
	if (peer_is_open(p))
		peer_readable(p->c.fd, EV_READ, p);
}

static void peer_writable(evutil_socket_t fd, short what, void *arg)
{
	struct peer *p = arg;

	if (chan_flush(&p->c) < 0)
		return;			/* the read side will see that the peer is gone */
	if (chan_waiting(&p->c))
		event_add(p->wr, NULL);
}

int peer_open(struct peer *p, struct event_base *base, int fd, enum role self, enum role role,
	uint32_t index, peer_msg_cb *on_msg, peer_gone_cb *on_gone, void *arg)
{
	*p = (struct peer){ .on_msg = on_msg, .on_gone = on_gone, .arg = arg };
	chan_init(&p->c, fd, self, role, index);
	p->rd = event_new(base, fd, EV_READ | EV_PERSIST, peer_readable, p);
	p->wr = event_new(base, fd, EV_WRITE, peer_writable, p);
	if (!p->rd || !p->wr || event_add(p->rd, NULL) < 0) {
		peer_close(p);
		return -ENOMEM;
	}
	return 0;
}

void peer_close(struct peer *p)
{
	if (p->rd)
		event_free(p->rd);
	if (p->wr)
		event_free(p->wr);
	p->rd = p->wr = NULL;
	if (p->on_msg)			/* was opened */
		chan_close(&p->c);
}

bool peer_send(struct peer *p, enum msg_type type, const void *body, size_t len, int fd)
{
	static struct log_rate rate;
	int err;

	if (!peer_is_open(p))
		return false;
	err = chan_send(&p->c, type, body, len, fd);
	if (err < 0) {
		if (err != -EPIPE && log_rate_ok(&rate, now_ms()))
			log_err("message %s to %s is lost: %s", msg_name(type), role_name(p->c.peer), strerror(-err));
		return false;
	}
	if (chan_waiting(&p->c))
		event_add(p->wr, NULL);
	return true;
}

void peer_drain(struct peer *p, int ms)
{
	struct pollfd pf = { .fd = p->c.fd, .events = POLLOUT };

	while (peer_is_open(p) && chan_waiting(&p->c)) {
		if (poll(&pf, 1, ms) <= 0 || chan_flush(&p->c) < 0)
			return;
	}
}
