/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The data path with the real sa.c and call.c, but no other process and no
 * privilege: UDP sockets on the loopback stand for the wire, socket pairs for
 * the TUNs.  Sessions are up from the beginning.  For t_data and bench/trace.
 *
 * A test writes to rig.client[i].udp or .tun, calls rig_turn(), and looks at
 * the other one.
 *
 * With rig_way.v6 the wire is IPv6.  With rig_way.raw the engine takes its socket
 * for a raw one: what it reads begins, over IPv4, with an IP header.  What it sends
 * that way cannot arrive here.
 */
#ifndef DATA_RIG_H
#define DATA_RIG_H

#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/wr.h"
#include "gso_util.h"
#include "l2tpd/engine.h"
#include "l2tpd/msg.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#define UDP_GRO 104
#endif

#define RIG_MUST(x) do { if (!(x)) { fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x); abort(); } } while (0)

enum { RIG_CLIENTS = 4, RIG_MTU = 1400, RIG_HEAD = 18, RIG_IP = 0x0a000000 };

struct rig_client {
	struct sess *sess;
	struct sess_row row;
	struct esp_sa *out, *in;	/* the client's */
	int udp;
	int tun;			/* the kernel's end */
	uint8_t head[RIG_HEAD];		/* in front of its IP packets */
};

static struct rig {
	struct engine e;
	struct ppp_conf ppp;
	struct rig_client client[RIG_CLIENTS];
	int shared;			/* the kernel's end */
	unsigned told[MSG_TYPES];	/* messages to other processes */
	struct msg_auth_req asked;	/* the last MSG_AUTH_REQ, … */
	struct msg_xauth_done done;
	struct msg_flow killed;
	void (*heard)(enum msg_type, const void *body);	/* if set, gets all of them */
} rig;

/* Before rig_make(). */
static struct {
	bool v6, raw;
} rig_way;

/* ---- the other processes ---- */
bool peer_send(struct peer *p, enum msg_type type, const void *body, size_t len, int fd)
{
	rig.told[type]++;
	if (type == MSG_AUTH_REQ)
		memcpy(&rig.asked, body, sizeof(rig.asked));
	if (type == MSG_XAUTH_DONE)
		memcpy(&rig.done, body, sizeof(rig.done));
	if (type == MSG_FLOW_KILL)
		memcpy(&rig.killed, body, sizeof(rig.killed));
	if (rig.heard)
		rig.heard(type, body);
	return true;
}

void peer_poll(struct peer *p)
{
}

/* ---- making it ---- */
static inline void rig_buffers(int fd)
{
	static const int size = 8 << 20;

	/* As large as may be. */
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static inline int rig_udp_at(struct addr at, struct addr *ret)
{
	bool v6 = at.family == 6;
	int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sa(&at, &ss);

	RIG_MUST(fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) == 0);
	RIG_MUST(getsockname(fd, (struct sockaddr *)&ss, &len) == 0);
	RIG_MUST(setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &one, sizeof(one)) == 0);
	rig_buffers(fd);
	*ret = addr_from_sa((struct sockaddr *)&ss);
	return fd;
}

static inline int rig_udp(struct addr *ret)
{
	return rig_udp_at(rig_way.v6 ? (struct addr){ .family = 6, .ip = { [15] = 1 } } : addr_v4(INADDR_LOOPBACK, 0), ret);
}

static inline void rig_pair(int *ours, int *kernels)
{
	int p[2];

	RIG_MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p) == 0);
	rig_buffers(p[0]);
	rig_buffers(p[1]);
	*ours = p[0];
	*kernels = p[1];
}

/* Keys for both ends of a client. */
static inline void rig_keys(struct rig_client *c, unsigned i, unsigned auth)
{
	struct msg_sa_add m = {
		.lineage.counter = i + 1, .inbound = 1, .spi = (i + 1) << 8, .pair = (i + 1) << 8 | 1, .enc = ESP_ENC_AES_CBC_256,
		.auth = (uint8_t)auth, .enc_len = 32, .auth_len = auth == ESP_AUTH_HMAC_SHA1_96 ? 20 : 32,
		.local = rig.e.sock[0].at, .raw = rig_way.raw,
	};
	struct esp_keys k = {
		.enc = ESP_AES_CBC_256, .auth = auth == ESP_AUTH_HMAC_SHA1_96 ? ESP_HMAC_SHA1_96 : ESP_HMAC_SHA2_256_128,
		.enc_key = m.key_enc, .enc_len = m.enc_len, .auth_key = m.key_auth, .auth_len = m.auth_len,
	};
	struct msg_spi_new n = { .lineage = m.lineage, .spi = m.spi, .raw = rig_way.raw, .local = m.local };

	c->udp = rig_udp(&m.peer);
	n.peer = m.peer;
	sa_announce(&rig.e, &n);
	sa_add(&rig.e, &m);
	m.inbound = 0;
	m.spi = n.spi | 1;
	m.pair = n.spi;
	sa_add(&rig.e, &m);
	RIG_MUST(esp_sa_new(n.spi, &k, false, &c->out) == 0 && esp_sa_new(n.spi | 1, &k, true, &c->in) == 0);
}

/* UDP, L2TP and PPP in front of IP; both ends have the same ids. */
static inline void rig_head(uint8_t *p, const struct sess *s)
{
	memset(p, 0, RIG_HEAD);
	put16(p, 1701);
	put16(p + 2, 1701);
	p[9] = 2;
	put16(p + 10, s->tunnel_id);
	put16(p + 12, s->session_id);
	put32(p + 14, 0xff030021);
}

static inline void rig_session(struct rig_client *c, unsigned i, bool shared)
{
	struct flow *f = sa_find(&rig.e, (i + 1) << 8)->flow;
	struct sess *s = calloc(1, sizeof(*s));
	struct lin_out lo;
	int fd;

	data_sess_init(s);
	s->flow = f;
	s->tunnel_id = (uint16_t)(100 + i);
	s->session_id = 7;
	s->peer_tunnel_id = s->tunnel_id;
	s->peer_session_id = s->session_id;
	s->port = 1701;
	s->ip = RIG_IP + i;
	s->row = &c->row;
	s->ppp = (struct ppp){ .conf = &rig.ppp, .up = true, .phase = PPP_NETWORK, .peer_mru = RIG_MTU };
	s->mtu = ppp_mtu(&s->ppp);
	data_head(s);
	rig_head(c->head, s);
	call_join(s);
	lin_out_init(&lo);
	lin_flow_own(&rig.e.book, &f->lin, &lo);
	lin_session_up(&f->lin, &(struct lin_session){ s->tunnel_id, s->session_id, 1701 });
	c->sess = s;
	if (shared) {
		data_shared_join(s, &rig.e.shared[0]);
		data_shared_routed(s);
	} else {
		rig_pair(&fd, &c->tun);
		data_tun_open(s, fd);
	}
}

/* Once per process. auth: ESP_AUTH_… */
static inline void rig_make(bool shared, unsigned auth)
{
	struct engine *e = &rig.e;
	struct rng seed;
	int fd, one = 1;

	RIG_MUST(esp_init());
	e->base = event_base_new();
	e->sa = calloc(SPI_SLOTS, sizeof(*e->sa));
	list_init(&e->flows);
	rng_init(&seed);
	lin_book_init(&e->book, &seed);
	for (unsigned i = 0; i < ENGINE_BUCKETS; i++) {
		list_init(&e->by_ip[i]);
		list_init(&e->by_net[i]);
		list_init(&e->by_call[i]);
	}
	for (unsigned i = 0; i < CONF_INTERFACES; i++)
		e->shared[i] = (struct shared_tun){ .e = e, .fd = -1 };
	e->conf.n_tunnel = 1;
	e->conf.tunnel[0].ingress_filter = true;
	e->conf.tunnel[0].name[0] = 'T';
	e->conf.tunnel[0].n_listen = 1;
	e->conf.tunnel[0].listen[0].family = rig_way.v6 ? 6 : 4;
	e->tunnel_conf[0] = calloc(1, sizeof(*e->tunnel_conf[0]));
	RIG_MUST(e->tunnel_conf[0]);
	*e->tunnel_conf[0] = (struct tunnel_conf){ .refs = 1, .l2tp = l2tp_conf_default };
	rig.ppp = (struct ppp_conf){ .mru = RIG_MTU };
	data_init(e);
	e->n_sock = 1;
	e->sock[0].e = e;
	e->sock[0].raw = rig_way.raw;
	e->sock[0].fd = rig_udp(&e->sock[0].at);
	RIG_MUST(setsockopt(e->sock[0].fd, SOL_UDP, UDP_GRO, &one, sizeof(one)) == 0);
	e->sock[0].ev = event_new(e->base, e->sock[0].fd, EV_READ | EV_PERSIST, data_readable, &e->sock[0]);
	event_add(e->sock[0].ev, NULL);
	if (shared) {
		rig_pair(&fd, &rig.shared);
		data_shared_open(&e->shared[0], fd);
	}
	for (unsigned i = 0; i < RIG_CLIENTS; i++) {
		rig_keys(&rig.client[i], i, auth);
		rig_session(&rig.client[i], i, shared);
	}
}

static inline void rig_free(void)
{
	struct engine *e = &rig.e;

	for (unsigned i = 0; i < RIG_CLIENTS; i++) {
		struct rig_client *c = &rig.client[i];
		struct flow *f = c->sess->flow;

		data_tun_close(c->sess);
		list_del(&c->sess->link);
		list_del(&c->sess->by_call);
		free(c->sess);
		flow_end(e, flow_lineage(f), false);
		esp_sa_free(c->in);
		esp_sa_free(c->out);
		close(c->udp);
		if (c->tun > 0)
			close(c->tun);
	}
	if (e->shared[0].ev)
		event_free(e->shared[0].ev);
	event_free(e->sock[0].ev);
	close(e->sock[0].fd);
	event_free(e->in_pump);
	event_free(e->out_pump);
	event_base_free(e->base);
	tunnel_conf_put(e->tunnel_conf[0]);
	free(e->sa);
	memset(&rig, 0, sizeof(rig));
}

/* The engine does all that it can do now. */
static inline void rig_turn(void)
{
	/* More than once: a descriptor that was not read to its end. */
	for (unsigned i = 0; i < 64; i++)
		RIG_MUST(event_base_loop(rig.e.base, EVLOOP_NONBLOCK) >= 0);
}

/* ---- the wire ---- */

enum { RIG_TRAIN = 44 };

/* Packets of a client, sealed and side by side. */
struct rig_train {
	unsigned n;
	size_t used;
	struct esp_pkt pkt[RIG_TRAIN];
	uint8_t room[RIG_TRAIN * (RIG_MTU + 100)];
};

/* The checksum of a UDP datagram of n bytes at p, both addresses being ::1: what is missing to all ones. */
static inline uint16_t rig_sum6(const uint8_t *p, size_t n)
{
	return (uint16_t)~ref_sum(p, n, 1 + 1 + IPPROTO_UDP + (uint32_t)n);
}

static inline void rig_train_add(struct rig_train *t, struct rig_client *c, const uint8_t *ip, size_t n)
{
	struct esp_pkt *k = &t->pkt[t->n++];
	struct wr w;

	RIG_MUST(t->n <= RIG_TRAIN);
	*k = (struct esp_pkt){ .sa = c->out, .p = t->room + t->used, .len = RIG_HEAD + n, .next_header = IPPROTO_UDP };
	t->used += esp_sealed_len(c->out, k->len);
	RIG_MUST(t->used <= sizeof(t->room));
	w = wr_of(k->p + esp_payload_offset(c->out), k->len);
	wr_bytes(&w, c->head, RIG_HEAD);
	wr_bytes(&w, ip, n);
	put16(k->p + esp_payload_offset(c->out) + 4, (uint32_t)k->len);
	if (rig_way.v6)
		put16(k->p + esp_payload_offset(c->out) + 6, rig_sum6(k->p + esp_payload_offset(c->out), k->len));
}

static inline void rig_train_send(struct rig_train *t, struct rig_client *c)
{
	struct sockaddr_storage to;
	struct iovec iov = { .iov_base = t->room, .iov_len = t->used };
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(uint16_t))];
	} ctl = { 0 };
	struct msghdr h = {
		.msg_name = &to, .msg_namelen = addr_to_sa(&rig.e.sock[0].at, &to), .msg_iov = &iov, .msg_iovlen = 1,
	};
	uint16_t seg;

	esp_seal(t->pkt, t->n);
	seg = (uint16_t)t->pkt[0].len;
	if (t->n > 1) {
		h.msg_control = ctl.buf;
		h.msg_controllen = sizeof(ctl.buf);
		ctl.align.cmsg_level = SOL_UDP;
		ctl.align.cmsg_type = UDP_SEGMENT;
		ctl.align.cmsg_len = CMSG_LEN(sizeof(seg));
		memcpy(CMSG_DATA(&ctl.align), &seg, sizeof(seg));
	}
	RIG_MUST(sendmsg(c->udp, &h, 0) == (ssize_t)t->used);
}

/* The next packet that came to the client, opened: its IP packet's length, 0 = none. */
static inline size_t rig_recv(struct rig_client *c, uint8_t *ip)
{
	static uint8_t buf[65536];
	struct esp_pkt k = { .sa = c->in, .p = buf };
	ssize_t n = recv(c->udp, buf, sizeof(buf), 0);

	if (n < 0)
		return 0;
	k.len = (size_t)n;
	esp_open(&k, 1);
	RIG_MUST(k.verdict == ESP_OK && k.payload_len >= RIG_HEAD);
	RIG_MUST(get16(k.payload + 4) == k.payload_len);
	/* RFC 8200 8.1; over IPv4 there is none. */
	RIG_MUST(rig_way.v6 ? get16(k.payload + 6) && !rig_sum6(k.payload, k.payload_len) : !get16(k.payload + 6));
	RIG_MUST(!memcmp(k.payload + 8, c->head + 8, RIG_HEAD - 8));
	memcpy(ip, k.payload + RIG_HEAD, k.payload_len - RIG_HEAD);
	return k.payload_len - RIG_HEAD;
}

/* The kernel puts a packet with its virtio header into a TUN. False: it is full. */
static inline bool rig_tun_put(int tun, const struct vnet_hdr *v, const uint8_t *p, size_t n)
{
	struct iovec iov[2] = { { .iov_base = (void *)v, .iov_len = sizeof(*v) }, { .iov_base = (void *)p, .iov_len = n } };
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };

	return sendmsg(tun, &h, MSG_DONTWAIT) >= 0;
}

#endif
