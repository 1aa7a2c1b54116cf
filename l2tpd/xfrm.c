/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/xfrm.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/filter.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/rng.h"

#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef IP_XFRM_POLICY
#define IP_XFRM_POLICY 17
#endif
#ifndef IPV6_XFRM_POLICY
#define IPV6_XFRM_POLICY 35
#endif

enum {
	MSG_BYTES = 2048,
	DUMP_BYTES = 32768,
	L2TP_PORT = 1701, NATT_PORT = 4500,
	GUARD_PRIORITY = 1 << 30,	/* a greater number counts less; SAs' policies have some 300000 */
	SNDBUF = 1 << 20,
};

static uint16_t family_of(uint8_t family)
{
	return family == 6 ? AF_INET6 : AF_INET;
}

int xfrm_open(struct xfrm *ret)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC);
	int err;

	*ret = (struct xfrm){ .seq = 1 };
	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		mnl_socket_close(nl);
		return err;
	}
	ret->nl = nl;
	return 0;
}

void xfrm_close(struct xfrm *x)
{
	if (x->nl)
		mnl_socket_close(x->nl);
	x->nl = NULL;
}

static struct nlmsghdr *request(struct xfrm *x, char *buf, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = x->seq++;
	return h;
}

/* Send, and give each(ctx) what the kernel answers: 0 or -errno. */
static int ask(struct xfrm *x, const struct nlmsghdr *h, mnl_cb_t each, void *ctx)
{
	_Alignas(NLMSG_ALIGNTO) static char buf[DUMP_BYTES];
	int r = MNL_CB_OK;

	if (!x->nl)
		return -EBADF;
	if (mnl_socket_sendto(x->nl, h, h->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(x->nl, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -1 : mnl_cb_run(buf, (size_t)n, h->nlmsg_seq, mnl_socket_get_portid(x->nl), each, ctx);
	} while (r > MNL_CB_STOP);
	return r < 0 ? -errno : 0;
}

/* ---- what the kernel can do ---- */

static void put_alg(struct nlmsghdr *h, uint16_t type, const char *name, unsigned key_bits, unsigned trunc_bits)
{
	union {
		struct xfrm_algo plain;
		struct xfrm_algo_auth auth;
		uint8_t room[sizeof(struct xfrm_algo_auth) + 32];	/* with the key: zeros */
	} a = { .room = { 0 } };
	size_t head = trunc_bits ? sizeof(a.auth) : sizeof(a.plain);

	if (trunc_bits) {
		str_copy(a.auth.alg_name, sizeof(a.auth.alg_name), name);
		a.auth.alg_key_len = key_bits;
		a.auth.alg_trunc_len = trunc_bits;
	} else {
		str_copy(a.plain.alg_name, sizeof(a.plain.alg_name), name);
		a.plain.alg_key_len = key_bits;
	}
	mnl_attr_put(h, type, head + key_bits / 8, &a);
}

static int try_sa(struct xfrm *x, uint8_t family)
{
	const struct xfrm_encap_tmpl encap = {
		.encap_type = UDP_ENCAP_ESPINUDP, .encap_sport = htons(NATT_PORT), .encap_dport = htons(NATT_PORT),
	};
	_Alignas(NLMSG_ALIGNTO) char buf[MSG_BYTES];
	struct xfrm_usersa_info *sa;
	struct xfrm_usersa_id *id;
	struct nlmsghdr *h = request(x, buf, XFRM_MSG_NEWSA, NLM_F_ACK);
	struct in6_addr lo6 = IN6ADDR_LOOPBACK_INIT;
	xfrm_address_t lo = { 0 };
	uint32_t spi;
	int err;

	if (family == 6)
		memcpy(&lo, &lo6, sizeof(lo6));
	else
		lo.a4 = htonl(INADDR_LOOPBACK);
	random_bytes(&spi, sizeof(spi));
	spi |= htonl(0x80000000);		/* never one of the reserved ones */
	sa = mnl_nlmsg_put_extra_header(h, sizeof(*sa));
	sa->saddr = lo;
	sa->id.daddr = lo;
	sa->id.spi = spi;
	sa->id.proto = IPPROTO_ESP;
	sa->family = family_of(family);
	sa->mode = XFRM_MODE_TRANSPORT;
	sa->replay_window = 32;
	sa->lft.soft_byte_limit = sa->lft.hard_byte_limit = XFRM_INF;
	sa->lft.soft_packet_limit = sa->lft.hard_packet_limit = XFRM_INF;
	put_alg(h, XFRMA_ALG_CRYPT, "cbc(aes)", 256, 0);
	put_alg(h, XFRMA_ALG_AUTH_TRUNC, "hmac(sha1)", 160, 96);
	mnl_attr_put(h, XFRMA_ENCAP, sizeof(encap), &encap);
	mnl_attr_put_u32(h, XFRMA_SET_MARK, mark_make(0, 0));
	mnl_attr_put_u32(h, XFRMA_SET_MARK_MASK, UINT32_MAX);
	err = ask(x, h, NULL, NULL);
	if (err)
		return err;
	h = request(x, buf, XFRM_MSG_DELSA, NLM_F_ACK);
	id = mnl_nlmsg_put_extra_header(h, sizeof(*id));
	id->daddr = lo;
	id->spi = spi;
	id->family = family_of(family);
	id->proto = IPPROTO_ESP;
	return ask(x, h, NULL, NULL);
}

/* Sockets that tell the mark came with Linux 5.19. */
static int try_rcvmark(uint8_t family)
{
	static const int one = 1;
	int err, fd = socket(family_of(family), SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	err = setsockopt(fd, SOL_SOCKET, SO_RCVMARK, &one, sizeof(one)) < 0 ? -errno : 0;
	close(fd);
	return err;
}

int xfrm_probe(struct xfrm *x, uint8_t family, const char **ret_why)
{
	int err = try_sa(x, family);

	switch (err) {
	case 0:
		break;
	case -EPROTONOSUPPORT:
	case -EAFNOSUPPORT:
		*ret_why = family == 6 ? "the kernel has no ESP for IPv6 (module esp6)" : "the kernel has no ESP (module esp4)";
		return err;
	case -ENOENT:
	case -ENOSYS:
		*ret_why = "the kernel's ESP has no AES-CBC with HMAC-SHA1";
		return err;
	case -EPERM:
	case -EACCES:
		*ret_why = "an SA may not be added here (no CAP_NET_ADMIN)";
		return err;
	default:
		*ret_why = "an SA could not be added";
		return err;
	}
	err = try_rcvmark(family);
	if (err)
		*ret_why = "the kernel's sockets do not tell marks (Linux has that since 5.19)";
	return err;
}

/* ---- the guard ---- */
int xfrm_guard(struct xfrm *x, uint8_t family, bool on)
{
	const struct xfrm_mark mark = { .v = MARK_SIGN << MARK_SIGN_SHIFT, .m = MARK_MASK_SIGN };
	const struct xfrm_selector sel = {
		.family = family_of(family), .proto = IPPROTO_UDP, .sport = htons(L2TP_PORT), .sport_mask = 0xffff,
	};
	_Alignas(NLMSG_ALIGNTO) char buf[MSG_BYTES];
	struct nlmsghdr *h = request(x, buf, on ? XFRM_MSG_NEWPOLICY : XFRM_MSG_DELPOLICY, NLM_F_ACK);
	int err;

	if (on) {
		struct xfrm_userpolicy_info *p = mnl_nlmsg_put_extra_header(h, sizeof(*p));

		p->sel = sel;
		p->dir = XFRM_POLICY_OUT;
		p->action = XFRM_POLICY_BLOCK;
		p->priority = GUARD_PRIORITY;
		p->lft.soft_byte_limit = p->lft.hard_byte_limit = XFRM_INF;
		p->lft.soft_packet_limit = p->lft.hard_packet_limit = XFRM_INF;
	} else {
		struct xfrm_userpolicy_id *p = mnl_nlmsg_put_extra_header(h, sizeof(*p));

		p->sel = sel;
		p->dir = XFRM_POLICY_OUT;
	}
	mnl_attr_put(h, XFRMA_MARK, sizeof(mark), &mark);
	err = ask(x, h, NULL, NULL);
	return err == (on ? -EEXIST : -ENOENT) ? 0 : err;
}

/* ---- what is left ---- */

/* An SA or a policy that is to be deleted. */
struct victim {
	struct xfrm_usersa_id sa;
	struct xfrm_userpolicy_id policy;
	struct xfrm_mark mark;		/* m = 0: none */
	bool is_policy;
};

struct sweep {
	uint32_t mark, mask;
	struct victim *v;
	size_t n, cap;
	bool no_memory;
};

static void mark_of(const struct nlmsghdr *h, size_t head, struct xfrm_mark *ret)
{
	struct nlattr *a;

	*ret = (struct xfrm_mark){ 0 };
	mnl_attr_for_each(a, h, head)
		if (mnl_attr_get_type(a) == XFRMA_MARK && mnl_attr_get_payload_len(a) >= sizeof(*ret))
			memcpy(ret, mnl_attr_get_payload(a), sizeof(*ret));
}

static void sweep_add(struct sweep *s, const struct victim *v)
{
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct victim *more = reallocarray(s->v, cap, sizeof(*more));

		if (!more) {
			s->no_memory = true;
			return;
		}
		s->v = more;
		s->cap = cap;
	}
	s->v[s->n++] = *v;
}

static int sweep_sa(const struct nlmsghdr *h, void *ctx)
{
	const struct xfrm_usersa_info *sa = mnl_nlmsg_get_payload(h);
	struct sweep *s = ctx;
	struct victim v = { 0 };

	/* All that a lineage has in the kernel has its mark for a reqid. */
	if (h->nlmsg_type != XFRM_MSG_NEWSA || mnl_nlmsg_get_payload_len(h) < sizeof(*sa) ||
	    (sa->reqid & s->mask) != s->mark)
		return MNL_CB_OK;
	v.sa = (struct xfrm_usersa_id){ .daddr = sa->id.daddr, .spi = sa->id.spi, .family = sa->family, .proto = sa->id.proto };
	mark_of(h, sizeof(*sa), &v.mark);
	sweep_add(s, &v);
	return MNL_CB_OK;
}

static int sweep_policy(const struct nlmsghdr *h, void *ctx)
{
	const struct xfrm_userpolicy_info *p = mnl_nlmsg_get_payload(h);
	struct victim v = { .is_policy = true };
	struct sweep *s = ctx;

	if (h->nlmsg_type != XFRM_MSG_NEWPOLICY || mnl_nlmsg_get_payload_len(h) < sizeof(*p))
		return MNL_CB_OK;
	mark_of(h, sizeof(*p), &v.mark);
	/* The guard has not the whole mark. */
	if (v.mark.m != UINT32_MAX || (v.mark.v & s->mask) != s->mark)
		return MNL_CB_OK;
	v.policy.sel = p->sel;
	v.policy.dir = p->dir;
	sweep_add(s, &v);
	return MNL_CB_OK;
}

static int sweep_dump(struct xfrm *x, uint16_t type, size_t body, mnl_cb_t each, struct sweep *s)
{
	_Alignas(NLMSG_ALIGNTO) char buf[MSG_BYTES];
	struct nlmsghdr *h = request(x, buf, type, NLM_F_DUMP);

	(void)mnl_nlmsg_put_extra_header(h, body);
	return ask(x, h, each, s);
}

static int delete(struct xfrm *x, const struct victim *v)
{
	_Alignas(NLMSG_ALIGNTO) char buf[MSG_BYTES];
	struct nlmsghdr *h = request(x, buf, v->is_policy ? XFRM_MSG_DELPOLICY : XFRM_MSG_DELSA, NLM_F_ACK);
	int err;

	if (v->is_policy)
		*(struct xfrm_userpolicy_id *)mnl_nlmsg_put_extra_header(h, sizeof(v->policy)) = v->policy;
	else
		*(struct xfrm_usersa_id *)mnl_nlmsg_put_extra_header(h, sizeof(v->sa)) = v->sa;
	if (v->mark.m)
		mnl_attr_put(h, XFRMA_MARK, sizeof(v->mark), &v->mark);
	err = ask(x, h, NULL, NULL);
	/* Somebody was faster. */
	return err == -ENOENT || err == -ESRCH ? 0 : err;
}

int xfrm_remove(struct xfrm *x, uint32_t mark, uint32_t mask, unsigned *ret_n)
{
	struct sweep s = { .mark = mark & mask, .mask = mask };
	int err, first;

	*ret_n = 0;
	err = sweep_dump(x, XFRM_MSG_GETSA, sizeof(struct xfrm_usersa_id), sweep_sa, &s);
	if (!err)
		err = sweep_dump(x, XFRM_MSG_GETPOLICY, sizeof(struct xfrm_userpolicy_id), sweep_policy, &s);
	if (!err && s.no_memory)
		err = -ENOMEM;
	for (size_t i = 0; i < s.n; i++) {
		first = delete(x, &s.v[i]);
		if (first && !err)
			err = first;
	}
	*ret_n = (unsigned)s.n;
	free(s.v);
	return err;
}

/* ---- sockets ---- */
int xfrm_mark_socket(const struct addr *at, uint32_t mark, int *ret_fd)
{
	/* It is in the engines' group, where only they are chosen; should it be, nothing is kept. */
	struct sock_filter none[] = { BPF_STMT(BPF_RET | BPF_K, 0) };
	const struct sock_fprog drop = { .len = N_ELEMENTS(none), .filter = none };
	static const int one = 1, snd = SNDBUF;
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sa(at, &ss);
	bool v6 = at->family == 6;
	int err, fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if ((v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &drop, sizeof(drop)) < 0 ||
	    /* RFC 3948 3.1.2: the addresses that the checksum covers are not those that the client sees. */
	    (!v6 && setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &one, sizeof(one)) < 0) ||
	    bind(fd, (struct sockaddr *)&ss, len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &snd, sizeof(snd)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &snd, sizeof(snd));
	*ret_fd = fd;
	return 0;
}

int xfrm_sealed_only(int fd, uint8_t family)
{
	const int level = family == 6 ? IPPROTO_IPV6 : IPPROTO_IP, opt = family == 6 ? IPV6_XFRM_POLICY : IP_XFRM_POLICY;
	struct {
		struct xfrm_userpolicy_info p;
		struct xfrm_user_tmpl t;
	} in = {
		.p = { .sel.family = family_of(family), .dir = XFRM_POLICY_IN, .action = XFRM_POLICY_ALLOW },
		.t = {
			.id.proto = IPPROTO_ESP, .family = family_of(family), .mode = XFRM_MODE_TRANSPORT,
			.aalgos = ~0u, .ealgos = ~0u, .calgos = ~0u,
		},
	};
	const struct xfrm_userpolicy_info out = {
		.sel.family = family_of(family), .dir = XFRM_POLICY_OUT, .action = XFRM_POLICY_BLOCK,
	};

	if (setsockopt(fd, level, opt, &in, sizeof(in)) < 0 || setsockopt(fd, level, opt, &out, sizeof(out)) < 0)
		return -errno;
	return 0;
}
