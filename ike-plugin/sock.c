/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sock: charon's socket over the descriptors that the parent bound, and over
 * the datagrams that engines found on theirs (hub.c puts those in).
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <threading/thread.h>
#include <unistd.h>

#include "base/rng.h"
#include "ike-plugin/admit.h"
#include "ike-plugin/hdr.h"
#include "ike-plugin/plugin.h"

enum { STRAYS_MAX = 1024, PACKET_MAX = 8192 };

struct sock {
	socket_t public;
	struct {
		int fd;
		bool natt;
		struct addr at;
	} s[HANDOVER_SOCKS];
	unsigned n, next;		/* next: whose turn it is to be read */
	int wake;			/* eventfd: a stray was put in */
	mutex_t *lock;			/* over strays */
	linked_list_t *strays;		/* of packet_t */
	mutex_t *admit_lock;
	struct admit admit;
};

/* Our address that a datagram was sent to. */
static struct addr local_of(struct msghdr *h, const struct addr *at)
{
	struct addr a = *at;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			a = addr_v4(ntohl(info.ipi_addr.s_addr), at->port);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			a = (struct addr){ .family = 6, .port = at->port };
			memcpy(a.ip, &info.ipi6_addr, sizeof(a.ip));
		}
	}
	return a;
}

/* True when charon should see it; the others are counted, and a few are told to the operator. */
static bool wanted(const void *data, size_t len, bool natt, const struct addr *peer)
{
	static struct log_rate rate;
	char from[ADDR_STRLEN];

	switch (hdr_classify(data, len, natt, peer->port)) {
	case HDR_IKE:
		COUNT(ike_rx);
		return true;
	case HDR_KEEPALIVE:
		return false;
	case HDR_SHORT:
		COUNT(ike_rx_short);
		return false;
	case HDR_ESP:
		COUNT(ike_rx_esp);
		return false;
	case HDR_PORT_500:
		COUNT(ike_rx_port_500);
		return false;
	case HDR_VERSION:
		COUNT(ike_rx_version);
		return false;
	case HDR_AGGRESSIVE:
		COUNT(ike_rx_aggressive);
		if (rate_ok(&rate))
			log_info("ike peer=%s refused=aggressive-mode hint=\"leave the group name empty in the client\"",
				addr_str(peer, from));
		return false;
	case HDR_BAD:
	case HDR_KINDS:
		break;
	}
	COUNT(ike_rx_junk);
	return false;
}

static packet_t *packet_of(const struct addr *local, const struct addr *peer, const void *data, size_t len)
{
	host_t *src = host_of_addr(peer), *dst = host_of_addr(local);
	packet_t *p;

	if (!src || !dst) {
		DESTROY_IF(src);
		DESTROY_IF(dst);
		return NULL;
	}
	p = packet_create();
	p->set_source(p, src);
	p->set_destination(p, dst);
	p->set_data(p, chunk_clone(chunk_create((u_char *)data, len)));
	return p;
}

/* Not one more login while too many are under way. */
static bool admitted(struct sock *this, const uint8_t *p, size_t n, bool natt, const struct addr *peer)
{
	enum { MARKER = 4 };
	unsigned skip = natt ? MARKER : 0;
	bool ok;

	if (n < skip || !admit_is_first(p + skip, n - skip))
		return true;
	this->admit_lock->lock(this->admit_lock);
	ok = admit_ok(&this->admit, peer,
		charon->ike_sa_manager->get_half_open_count(charon->ike_sa_manager, NULL, TRUE), now_ms());
	this->admit_lock->unlock(this->admit_lock);
	if (!ok)
		COUNT(ike_rx_limited);
	return ok;
}

void sock_known(const struct addr *peer)
{
	struct sock *this = culvert->sock;

	if (!this)
		return;
	this->admit_lock->lock(this->admit_lock);
	admit_know(&this->admit, peer);
	this->admit_lock->unlock(this->admit_lock);
}

/* One datagram of socket i, or NULL: none there, or not for charon. */
static packet_t *read_one(struct sock *this, unsigned i)
{
	uint8_t buf[PACKET_MAX];
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
	} ctl;
	union {
		struct sockaddr sa;
		struct sockaddr_storage ss;
	} from;
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr h = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = ctl.buf, .msg_controllen = sizeof(ctl.buf),
	};
	struct addr local, peer;
	ssize_t n = recvmsg(this->s[i].fd, &h, MSG_DONTWAIT);

	if (n < 0)
		return NULL;
	if (h.msg_flags & MSG_TRUNC) {
		COUNT(ike_rx_junk);
		return NULL;
	}
	peer = addr_from_sa(&from.sa);
	local = local_of(&h, &this->s[i].at);
	if (!wanted(buf, (size_t)n, this->s[i].natt, &peer) ||
	    !admitted(this, buf, (size_t)n, this->s[i].natt, &peer))
		return NULL;
	return packet_of(&local, &peer, buf, (size_t)n);
}

static packet_t *stray_take(struct sock *this)
{
	packet_t *p = NULL;
	uint64_t n;

	this->lock->lock(this->lock);
	if (this->strays->remove_first(this->strays, (void **)&p) != SUCCESS)
		(void)!read(this->wake, &n, sizeof(n));
	this->lock->unlock(this->lock);
	return p;
}

void sock_inject(const struct msg_stray *m)
{
	struct sock *this = culvert->sock;
	uint64_t one = 1;
	packet_t *p;

	COUNT(ike_rx_stray);
	if (!this || !wanted(m->data, m->len, true, &m->peer) || !admitted(this, m->data, m->len, true, &m->peer))
		return;
	p = packet_of(&m->local, &m->peer, m->data, m->len);
	if (!p)
		return;
	this->lock->lock(this->lock);
	if (this->strays->get_count(this->strays) < STRAYS_MAX) {
		this->strays->insert_last(this->strays, p);
		(void)!write(this->wake, &one, sizeof(one));
		p = NULL;
	}
	this->lock->unlock(this->lock);
	if (p) {
		COUNT(ike_rx_overflow);
		p->destroy(p);
	}
}

METHOD(socket_t, receive_, status_t, struct sock *this, packet_t **packet)
{
	for (;;) {
		struct pollfd pfd[HANDOVER_SOCKS + 1];
		bool old;
		int n;

		for (unsigned i = 0; i < this->n; i++)
			pfd[i] = (struct pollfd){ .fd = this->s[i].fd, .events = POLLIN };
		pfd[this->n] = (struct pollfd){ .fd = this->wake, .events = POLLIN };
		old = thread_cancelability(TRUE);
		n = poll(pfd, this->n + 1, -1);
		thread_cancelability(old);
		if (n < 0)
			return FAILED;
		/* Round robin, with what engines hand over as one more: a flood on one socket must not silence another. */
		for (unsigned k = 0; k <= this->n; k++) {
			unsigned i = (this->next + k) % (this->n + 1);

			if (!pfd[i].revents)
				continue;
			*packet = i == this->n ? stray_take(this) : read_one(this, i);
			if (*packet) {
				this->next = i + 1;
				return SUCCESS;
			}
		}
	}
}

/* The socket that answers from src, or -1. */
static int socket_for(const struct sock *this, const struct addr *src)
{
	for (unsigned i = 0; i < this->n; i++) {
		const struct addr *at = &this->s[i].at;

		if (at->family == src->family && at->port == src->port && (addr_is_any(at) || addr_ip_eq(at, src)))
			return this->s[i].fd;
	}
	return -1;
}

METHOD(socket_t, send_, status_t, struct sock *this, packet_t *packet)
{
	host_t *dst = packet->get_destination(packet);
	struct addr src = addr_of_host(packet->get_source(packet));
	chunk_t data = packet->get_data(packet);
	struct iovec iov = { .iov_base = data.ptr, .iov_len = data.len };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} ctl = { 0 };
	struct msghdr h = {
		.msg_name = dst->get_sockaddr(dst), .msg_namelen = *dst->get_sockaddr_len(dst),
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.buf,
	};
	struct cmsghdr *c = &ctl.align;
	int fd = socket_for(this, &src);

	/* Answer from the very address that was asked: clients compare. */
	if (src.family == 4) {
		struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(addr_v4_of(&src)) };

		c->cmsg_level = IPPROTO_IP;
		c->cmsg_type = IP_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		h.msg_controllen = CMSG_SPACE(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	} else {
		struct in6_pktinfo info = { 0 };

		memcpy(&info.ipi6_addr, src.ip, sizeof(src.ip));
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = IPV6_PKTINFO;
		c->cmsg_len = CMSG_LEN(sizeof(info));
		h.msg_controllen = CMSG_SPACE(sizeof(info));
		memcpy(CMSG_DATA(c), &info, sizeof(info));
	}
	if (fd < 0 || sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		COUNT(ike_tx_failed);
		log_debug("ike send failed err=%s", fd < 0 ? "no socket" : strerror(errno));
		return FAILED;
	}
	return SUCCESS;
}

METHOD(socket_t, get_port, uint16_t, struct sock *this, bool natt)
{
	for (unsigned i = 0; i < this->n; i++)
		if (this->s[i].natt == natt)
			return this->s[i].at.port;
	return 0;
}

METHOD(socket_t, supported_families, socket_family_t, struct sock *this)
{
	socket_family_t f = SOCKET_FAMILY_NONE;

	for (unsigned i = 0; i < this->n; i++)
		f |= this->s[i].at.family == 6 ? SOCKET_FAMILY_IPV6 : SOCKET_FAMILY_IPV4;
	return f;
}

METHOD(socket_t, destroy, void, struct sock *this)
{
	culvert->sock = NULL;
	for (unsigned i = 0; i < this->n; i++)
		close(this->s[i].fd);
	close(this->wake);
	this->strays->destroy_offset(this->strays, offsetof(packet_t, destroy));
	this->lock->destroy(this->lock);
	this->admit_lock->destroy(this->admit_lock);
	free(this);
}

socket_t *culvert_socket_create(void)
{
	const struct handover *h = culvert->h;
	struct sock *this;
	int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (wake < 0 || !h->n_sock) {
		log_err("ike has no socket");
		if (wake >= 0)
			close(wake);
		return NULL;
	}
	INIT(this,
		.public = {
			.receive = _receive_,
			.send = _send_,
			.get_port = _get_port,
			.supported_families = _supported_families,
			.destroy = _destroy,
		},
		.wake = wake,
		.lock = mutex_create(MUTEX_TYPE_DEFAULT),
		.strays = linked_list_create(),
		.admit_lock = mutex_create(MUTEX_TYPE_DEFAULT),
	);
	random_bytes(this->admit.key, sizeof(this->admit.key));
	for (unsigned i = 0; i < h->n_sock; i++) {
		this->s[i].fd = h->sock[i].fd;
		this->s[i].natt = h->sock[i].at.kind == SOCK_IKE_4500;
		this->s[i].at = h->sock[i].at.at;
	}
	this->n = h->n_sock;
	culvert->sock = this;
	return &this->public;
}
