/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/dae.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"

enum {
	BURST = 64,			/* datagrams handled before other descriptors get their turn */
	REMEMBERED = 16384,		/* requests: more than a busy hour's of a big server */
	BUCKETS = 4096,
	/* One from the far end of the window is good for the length of it twice. RFC 5176 6.3 */
	REMEMBER_MS = (2 * DAE_WINDOW_S + 2) * 1000,	/* stamps are of whole seconds */
};

struct sock {
	struct dae *d;
	struct addr at;
	int fd;				/* owned */
	struct event *ev;
};

/* A request that the manager has not answered yet. */
struct asked {
	struct addr at;			/* of the socket that it came to */
	struct addr peer, local;
	char secret[CONF_SECRET_MAX];
	size_t len;
	uint8_t pkt[];
};

/* A request that was good, or the room for one. */
struct seen {
	struct list link;		/* in dae.bucket[]; while tag is set */
	uint32_t tag;			/* 0 = none */
	uint64_t came_ms;
	uint8_t authenticator[RAD_AUTHENTICATOR];
	struct asked *asked;		/* owned; NULL once it is answered */
	uint8_t *answer;		/* owned */
	size_t answer_len;
};

struct dae {
	struct event_base *base;
	const struct conf *conf;
	struct peer *manager;
	void (*nas)(void *arg, struct dae_nas *ret);
	void *arg;
	int64_t born_s;
	struct sock sock[CONF_DAE_LISTENS], next[CONF_DAE_LISTENS];
	unsigned n_sock, n_next;
	struct seen *seen;		/* REMEMBERED, a ring: the tag says where */
	uint32_t last_tag;
	struct list bucket[BUCKETS];
	unsigned waiting;
	struct {
		uint64_t requests, acks, naks, duplicates;
		uint64_t strangers, malformed, forged, unsigned_, undated, stale;
	} count;
};

/* ---- what is remembered ---- */

static struct list *bucket(struct dae *d, const uint8_t authenticator[static RAD_AUTHENTICATOR])
{
	uint32_t h;

	/* A sum of somebody's who has a secret is as good as random. */
	memcpy(&h, authenticator, sizeof(h));
	return &d->bucket[h % BUCKETS];
}

static bool is_old(const struct seen *s, uint64_t now)
{
	return now - s->came_ms > REMEMBER_MS;
}

static struct seen *seen_find(struct dae *d, const uint8_t authenticator[static RAD_AUTHENTICATOR])
{
	LIST_EACH(bucket(d, authenticator), e) {
		struct seen *s = CONTAINER_OF(e, struct seen, link);

		if (!memcmp(s->authenticator, authenticator, RAD_AUTHENTICATOR) && !is_old(s, now_ms()))
			return s;
	}
	return NULL;
}

static void asked_free(struct asked *a)
{
	if (a)
		explicit_bzero(a->secret, sizeof(a->secret));
	free(a);
}

static void seen_drop(struct dae *d, struct seen *s)
{
	if (!s->tag)
		return;
	d->waiting -= s->asked != NULL;
	asked_free(s->asked);
	free(s->answer);
	list_del(&s->link);
	*s = (struct seen){ 0 };
}

static struct seen *seen_at(struct dae *d, uint32_t tag)
{
	return &d->seen[tag % REMEMBERED];
}

/* NULL: every place is of a request that could come again. */
static struct seen *seen_new(struct dae *d, const uint8_t authenticator[static RAD_AUTHENTICATOR])
{
	uint64_t now = now_ms();
	uint32_t tag = d->last_tag + 1 ? d->last_tag + 1 : 1;
	struct seen *s = seen_at(d, tag);

	if (s->tag && !is_old(s, now))
		return NULL;
	seen_drop(d, s);
	d->last_tag = tag;
	s->tag = tag;
	s->came_ms = now;
	memcpy(s->authenticator, authenticator, sizeof(s->authenticator));
	list_push(bucket(d, authenticator), &s->link);
	return s;
}

/* ---- answers ---- */

/* From where the request was sent to. */
static void answer_send(int fd, const struct addr *local, const struct addr *peer, const void *p, size_t n)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };
	struct sockaddr_storage ss;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct in6_pktinfo))];
	} c = { 0 };
	struct msghdr h = {
		.msg_name = &ss, .msg_namelen = addr_to_sa(peer, &ss), .msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = c.buf,
	};
	struct cmsghdr *cm = &c.align;

	if (local->family == 4) {
		struct in_pktinfo pi = { .ipi_ifindex = 0 };

		memcpy(&pi.ipi_spec_dst, local->ip, sizeof(pi.ipi_spec_dst));
		*cm = (struct cmsghdr){ .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(pi)) };
		memcpy(CMSG_DATA(cm), &pi, sizeof(pi));
		h.msg_controllen = CMSG_SPACE(sizeof(pi));
	} else if (local->family == 6) {
		struct in6_pktinfo pi = { .ipi6_ifindex = 0 };

		memcpy(&pi.ipi6_addr, local->ip, sizeof(pi.ipi6_addr));
		*cm = (struct cmsghdr){ .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO, .cmsg_len = CMSG_LEN(sizeof(pi)) };
		memcpy(CMSG_DATA(cm), &pi, sizeof(pi));
		h.msg_controllen = CMSG_SPACE(sizeof(pi));
	} else {
		h.msg_control = NULL;
	}
	/* What is lost is asked for again. */
	(void)!sendmsg(fd, &h, MSG_NOSIGNAL);
}

/* It is done, or cannot be; the answer is kept. */
static void seen_answer(struct dae *d, struct seen *s, enum dae_cause cause)
{
	struct asked *a = s->asked;
	uint8_t out[RAD_MAX];
	size_t n = dae_answer(rd_of(a->pkt, a->len), a->secret, cause, out);
	char peer[ADDR_STRLEN];
	static struct log_rate rate;

	d->count.acks += !cause;
	d->count.naks += cause != DAE_OK;
	if (cause && log_rate_ok(&rate, now_ms()))
		log_info("dae client=%s refused error_cause=%u", addr_str(&a->peer, peer), cause);
	s->answer = n ? malloc(n) : NULL;
	if (s->answer) {
		memcpy(s->answer, out, n);
		s->answer_len = n;
	}
	for (unsigned i = 0; n && i < d->n_sock; i++)
		if (addr_eq(&d->sock[i].at, &a->at))
			answer_send(d->sock[i].fd, &a->local, &a->peer, out, n);
	asked_free(a);
	s->asked = NULL;
	d->waiting--;
}

void dae_done(struct dae *d, const struct msg_dae_done *m)
{
	struct seen *s = seen_at(d, m->tag);

	if (m->tag && s->tag == m->tag && s->asked)
		seen_answer(d, s, m->cause);
}

void dae_again(struct dae *d)
{
	/* Who asked does so again, and then it is done: nothing says that it was. */
	for (unsigned i = 0; i < REMEMBERED; i++)
		if (d->seen[i].asked)
			seen_drop(d, &d->seen[i]);
}

/* ---- requests ---- */

static const struct conf_dae_client *client_of(const struct dae *d, const struct addr *peer)
{
	for (unsigned i = 0; i < d->conf->dae.n_client && i < CONF_DAE_CLIENTS; i++)
		if (addr_ip_eq(&d->conf->dae.client[i].addr, peer))
			return &d->conf->dae.client[i];
	return NULL;
}

/* Not answered, RFC 5176 2.3, 6.1, 6.3. */
static void drop(const struct addr *peer, uint64_t *count, struct log_rate *rate, const char *what)
{
	char text[ADDR_STRLEN];

	(*count)++;
	if (log_rate_ok(rate, now_ms()))
		log_warn("dae client=%s: a request %s, ignoring", addr_str(peer, text), what);
}

/* What is wrong with it is counted, and said; false: nobody answers it. */
static bool passes(struct dae *d, struct rd pkt, const struct conf_dae_client *c, const struct addr *peer)
{
	static struct log_rate rate[DAE_STALE + 1];
	enum dae_check check = dae_check(pkt, c, time(NULL), d->born_s);

	switch (check) {
	case DAE_GOOD:
		return true;
	case DAE_MALFORMED:
		drop(peer, &d->count.malformed, &rate[check], "is malformed, or none of RFC 5176");
		break;
	case DAE_FORGED:
		drop(peer, &d->count.forged, &rate[check], "has a wrong authenticator: is the secret the same there?");
		break;
	case DAE_UNSIGNED:
		drop(peer, &d->count.unsigned_, &rate[check], "has no Message-Authenticator: have the client send it, or, "
			"where it cannot, write message-authenticator no");
		break;
	case DAE_UNDATED:
		drop(peer, &d->count.undated, &rate[check], "has no Event-Timestamp: have the client send it, or, where "
			"it cannot, write event-timestamp no");
		break;
	case DAE_STALE:
		drop(peer, &d->count.stale, &rate[check], "was made more than 300 s ago or ahead, or before this server began: is the time "
			"right there?");
		break;
	}
	return false;
}

static struct asked *asked_new(const struct sock *k, const struct conf_dae_client *c, struct rd pkt,
	const struct addr *peer, const struct addr *local)
{
	struct asked *a = malloc(sizeof(*a) + pkt.n);

	if (!a)
		return NULL;
	*a = (struct asked){ .at = k->at, .peer = *peer, .local = *local, .len = pkt.n };
	memcpy(a->secret, c->secret, sizeof(a->secret));
	memcpy(a->pkt, pkt.p, pkt.n);
	return a;
}

/* It is what it seems to be, and was not seen before. */
static void request_new(struct dae *d, const struct sock *k, const struct conf_dae_client *c, struct rd pkt,
	const struct addr *peer, const struct addr *local)
{
	static struct log_rate rate;
	struct asked *a = asked_new(k, c, pkt, peer, local);
	struct seen *s = a ? seen_new(d, pkt.p + 4) : NULL;
	struct addr addrs[CONF_AUTHS * CONF_RADIUS_SERVERS * 2 + 1];
	struct dae_nas nas = { .id = "" };
	enum dae_cause cause;
	struct msg_dae m;

	if (!s) {
		uint8_t out[RAD_MAX];
		size_t n = dae_answer(pkt, c->secret, DAE_NO_RESOURCES, out);

		/* Not remembered, but nothing was done, either. */
		d->count.naks++;
		if (log_rate_ok(&rate, now_ms()))
			log_err("dae: more requests than can be remembered: refused");
		if (n)
			answer_send(k->fd, local, peer, out, n);
		asked_free(a);
		return;
	}
	s->asked = a;
	d->waiting++;
	d->nas(d->arg, &nas);
	nas.n_addr = MIN(nas.n_addr, (unsigned)N_ELEMENTS(addrs) - 1);
	if (nas.n_addr)
		memcpy(addrs, nas.addr, nas.n_addr * sizeof(addrs[0]));
	addrs[nas.n_addr++] = *local;
	nas.addr = addrs;
	cause = dae_read(rd_of(a->pkt, a->len), &nas, &m);
	m.tag = s->tag;
	m.client = *peer;
	if (!cause && !peer_send(d->manager, MSG_DAE, &m, sizeof(m), -1))
		cause = DAE_NO_RESOURCES;
	if (cause)
		seen_answer(d, s, cause);
}

static void request(struct sock *k, struct rd pkt, const struct addr *peer, const struct addr *local)
{
	static struct log_rate rate;
	struct dae *d = k->d;
	const struct conf_dae_client *c = client_of(d, peer);
	struct seen *s;

	if (!c) {
		drop(peer, &d->count.strangers, &rate, "of nobody that may send any");
		return;
	}
	if (!passes(d, pkt, c, peer))
		return;
	s = seen_find(d, pkt.p + 4);
	if (!s) {
		d->count.requests++;
		request_new(d, k, c, pkt, peer, local);
		return;
	}
	/* RFC 5176 2.3; where it is not done yet, the answer comes when it is. */
	d->count.duplicates++;
	if (s->answer)
		answer_send(k->fd, local, peer, s->answer, s->answer_len);
}

/* Where the datagram was sent to. */
static struct addr local_of(struct msghdr *h, const struct addr *at)
{
	struct addr a = *at;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct in_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			a.family = 4;
			memcpy(a.ip, &pi.ipi_spec_dst, 4);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct in6_pktinfo pi;

			memcpy(&pi, CMSG_DATA(c), sizeof(pi));
			a.family = 6;
			memcpy(a.ip, &pi.ipi6_addr, 16);
		}
	}
	return a;
}

static void readable(evutil_socket_t fd, short what, void *arg)
{
	struct sock *k = arg;
	uint8_t buf[RAD_MAX + 1];

	for (unsigned i = 0; i < BURST; i++) {
		struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
		struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
		} c;
		struct msghdr h = {
			.msg_name = &ss, .msg_namelen = sizeof(ss), .msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = c.buf, .msg_controllen = sizeof(c.buf),
		};
		ssize_t n = recvmsg(fd, &h, MSG_DONTWAIT);
		struct addr peer, local;

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0)		/* an ICMP of somebody's */
			continue;
		peer = addr_from_sa((struct sockaddr *)&ss);
		local = local_of(&h, &k->at);
		request(k, rd_of(buf, (size_t)n), &peer, &local);
	}
}

/* ---- sockets ---- */

void dae_socket(struct dae *d, const struct addr *at, int fd)
{
	if (d->n_next == N_ELEMENTS(d->next)) {
		close(fd);
		return;
	}
	d->next[d->n_next++] = (struct sock){ .d = d, .at = *at, .fd = fd };
}

static void sock_close(struct sock *k)
{
	if (k->ev)
		event_free(k->ev);
	close(k->fd);
	*k = (struct sock){ .fd = -1 };
}

int dae_apply(struct dae *d)
{
	for (unsigned i = 0; i < d->n_sock; i++)
		sock_close(&d->sock[i]);
	memcpy(d->sock, d->next, sizeof(d->sock));
	d->n_sock = d->n_next;
	d->n_next = 0;
	for (unsigned i = 0; i < d->n_sock; i++) {
		struct sock *k = &d->sock[i];

		k->ev = event_new(d->base, k->fd, EV_READ | EV_PERSIST, readable, k);
		if (!k->ev || event_add(k->ev, NULL) < 0)
			return -ENOMEM;
	}
	return 0;
}

/* ---- the whole ---- */

struct dae *dae_new(struct event_base *base, const struct conf *conf, struct peer *manager,
	void nas(void *arg, struct dae_nas *ret), void *arg)
{
	struct dae *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->base = base;
	d->conf = conf;
	d->manager = manager;
	d->nas = nas;
	d->arg = arg;
	d->born_s = time(NULL);
	for (unsigned i = 0; i < BUCKETS; i++)
		list_init(&d->bucket[i]);
	d->seen = calloc(REMEMBERED, sizeof(*d->seen));
	if (!d->seen) {
		free(d);
		return NULL;
	}
	return d;
}

void dae_free(struct dae *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < d->n_sock; i++)
		sock_close(&d->sock[i]);
	for (unsigned i = 0; i < d->n_next; i++)
		sock_close(&d->next[i]);
	for (unsigned i = 0; i < REMEMBERED; i++)
		seen_drop(d, &d->seen[i]);
	free(d->seen);
	free(d);
}

void dae_counters(const struct dae *d, struct msg_stats *st)
{
	const struct counter c[] = {
		{ "dae_requests", d->count.requests }, { "dae_acks", d->count.acks }, { "dae_naks", d->count.naks },
		{ "dae_duplicates", d->count.duplicates }, { "dae_strangers", d->count.strangers },
		{ "dae_malformed", d->count.malformed }, { "dae_forged", d->count.forged },
		{ "dae_unsigned", d->count.unsigned_ }, { "dae_undated", d->count.undated }, { "dae_stale", d->count.stale },
		{ "dae_waiting", d->waiting },
	};

	for (unsigned i = 0; i < N_ELEMENTS(c) && st->n < STATS_MAX; i++)
		st->c[st->n++] = c[i];
}
