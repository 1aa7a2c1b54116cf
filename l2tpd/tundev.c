/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/tundev.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "l2tpd/vnet.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
	BATCH_BYTES = 4096,
	ACK_BYTES = 8192,
	DUMP_BYTES = 32768, DUMP_TRIES = 100,
};

/* Requests that go to the kernel in one send; each is answered by an ack. */
struct batch {
	_Alignas(NLMSG_ALIGNTO) char buf[BATCH_BYTES];
	size_t len;
	unsigned n;
	unsigned n_may_fail;	/* the first so many may be refused */
	uint32_t first_seq;
};

int rtnl_open(struct rtnl *ret)
{
	static const int on = 1;
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int err;

	if (!nl)
		return -errno;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err = -errno;
		mnl_socket_close(nl);
		return err;
	}
	(void)mnl_socket_setsockopt(nl, NETLINK_CAP_ACK, (void *)(uintptr_t)&on, sizeof(on));
	*ret = (struct rtnl){ .nl = nl, .seq = 1 };
	return 0;
}

void rtnl_close(struct rtnl *r)
{
	if (r->nl)
		mnl_socket_close(r->nl);
	r->nl = NULL;
}

static struct nlmsghdr *batch_next(struct rtnl *r, struct batch *b, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(b->buf + b->len);

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	h->nlmsg_seq = r->seq++;
	if (!b->n++)
		b->first_seq = h->nlmsg_seq;
	return h;
}

static void batch_end(struct batch *b, const struct nlmsghdr *h)
{
	b->len += MNL_ALIGN(h->nlmsg_len);
}

/* Send and wait for all acks: 0 or the first error of those that may not fail. */
static int batch_run(struct rtnl *r, struct batch *b)
{
	_Alignas(NLMSG_ALIGNTO) char buf[ACK_BYTES];
	unsigned left = b->n;
	int err = 0;

	if (mnl_socket_sendto(r->nl, b->buf, b->len) < 0)
		return -errno;
	while (left) {
		ssize_t got = mnl_socket_recvfrom(r->nl, buf, sizeof(buf));
		int n = (int)got;

		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		for (const struct nlmsghdr *h = (const void *)buf; mnl_nlmsg_ok(h, n);
		     h = mnl_nlmsg_next(h, &n)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR || h->nlmsg_seq - b->first_seq >= b->n)
				continue;
			left--;
			if (e->error && !err && h->nlmsg_seq - b->first_seq >= b->n_may_fail)
				err = e->error;
		}
	}
	return err;
}

/* Before the first packet: what comes later has the header, or is a super-packet. 0 or -errno. */
static int set_offload(int fd)
{
	static const int hdr = VNET_HDR;
	const unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO_ECN;

	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0)
		return -errno;
	/* Linux wants both of the second kind or none; there is no IPv6 to come. */
	if (ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0 || ioctl(fd, TUNSETOFFLOAD, tcp) == 0)
		return 0;
	return -errno;
}

int tundev_create(const char *ifname, int *ret_fd, unsigned *ret_index)
{
	/* EXCL: or a persistent TUN that somebody else made would become ours. */
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_TUN_EXCL | IFF_VNET_HDR) };
	int err, fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	unsigned index;

	if (fd < 0)
		return -errno;
	if (!str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), ifname)) {
		close(fd);
		return -EINVAL;
	}
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || !(index = if_nametoindex(ifname))) {
		err = -errno;
		close(fd);
		return err;
	}
	err = set_offload(fd);
	if (err) {
		close(fd);
		return err;
	}
	*ret_fd = fd;
	*ret_index = index;
	return 0;
}

/* No link-local address and no router advertisements for clients that have IPv4 only. */
static void disable_ipv6(const char *ifname)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;		/* no IPv6; or a read-only /proc/sys, and put_no_ipv6() has to do */
	(void)!write(fd, "1", 1);
	close(fd);
}

static struct ifinfomsg *put_link(struct nlmsghdr *h, unsigned index)
{
	struct ifinfomsg *i = mnl_nlmsg_put_extra_header(h, sizeof(*i));

	i->ifi_family = AF_UNSPEC;
	i->ifi_index = (int)index;
	return i;
}

static void put_addr(struct nlmsghdr *h, unsigned index, uint32_t ip_local, uint32_t ip_peer)
{
	struct ifaddrmsg *a = mnl_nlmsg_put_extra_header(h, sizeof(*a));

	a->ifa_family = AF_INET;
	a->ifa_prefixlen = 32;
	a->ifa_scope = RT_SCOPE_UNIVERSE;
	a->ifa_index = index;
	mnl_attr_put_u32(h, IFA_LOCAL, htonl(ip_local));
	mnl_attr_put_u32(h, IFA_ADDRESS, htonl(ip_peer));
}

/* The same by rtnetlink; refused where the kernel has no IPv6, and then not needed. */
static void put_no_ipv6(struct rtnl *r, struct batch *b, unsigned index)
{
	struct nlmsghdr *h = batch_next(r, b, RTM_SETLINK, 0);
	struct nlattr *spec, *inet6;

	put_link(h, index);
	spec = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(h, AF_INET6);
	mnl_attr_put_u8(h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(h, inet6);
	mnl_attr_nest_end(h, spec);
	batch_end(b, h);
	b->n_may_fail = b->n;
}

static void put_route(struct nlmsghdr *h, unsigned index, uint32_t ip, uint32_t mask)
{
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->rtm_family = AF_INET;
	m->rtm_dst_len = (uint8_t)__builtin_popcount(mask);
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_scope = RT_SCOPE_LINK;
	m->rtm_type = RTN_UNICAST;
	m->rtm_protocol = RTPROT_STATIC;
	mnl_attr_put_u32(h, RTA_DST, htonl(ip & mask));
	mnl_attr_put_u32(h, RTA_OIF, index);
}

int tundev_setup(struct rtnl *r, unsigned index, const char *ifname, const struct tundev_setup *s)
{
	struct batch b = { .len = 0 };
	struct ifinfomsg *i;
	struct nlmsghdr *h;

	disable_ipv6(ifname);
	put_no_ipv6(r, &b, index);

	h = batch_next(r, &b, RTM_SETLINK, 0);
	put_link(h, index);
	mnl_attr_put_u32(h, IFLA_MTU, s->mtu);
	mnl_attr_put_u32(h, IFLA_TXQLEN, s->txqlen);
	mnl_attr_put_u32(h, IFLA_GROUP, s->group);
	if (s->alias[0])
		mnl_attr_put_str(h, IFLA_IFALIAS, s->alias);
	batch_end(&b, h);

	h = batch_next(r, &b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	put_addr(h, index, s->ip_local, s->ip_peer);
	batch_end(&b, h);

	h = batch_next(r, &b, RTM_SETLINK, 0);
	i = put_link(h, index);
	i->ifi_flags = i->ifi_change = IFF_UP;
	batch_end(&b, h);

	if (s->mask && s->mask != UINT32_MAX) {
		h = batch_next(r, &b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
		put_route(h, index, s->ip_peer, s->mask);
		batch_end(&b, h);
	}
	for (unsigned k = 0; k < s->n_nets; k++) {
		h = batch_next(r, &b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
		put_route(h, index, s->net[k].ip, s->net[k].mask);
		batch_end(&b, h);
	}
	return batch_run(r, &b);
}

int tundev_retire(struct rtnl *r, unsigned index, uint32_t ip_local, uint32_t ip_peer,
		  uint32_t group)
{
	struct batch b = { .len = 0 };
	struct ifinfomsg *i;
	struct nlmsghdr *h;

	/* Cheaper than taking the link down, which waits until no CPU uses its queue. */
	if (ip_local) {
		h = batch_next(r, &b, RTM_DELADDR, 0);
		put_addr(h, index, ip_local, ip_peer);
		batch_end(&b, h);
	}

	h = batch_next(r, &b, RTM_SETLINK, 0);
	i = put_link(h, index);
	if (!ip_local)
		i->ifi_change = IFF_UP;
	mnl_attr_put_u32(h, IFLA_GROUP, group);
	batch_end(&b, h);
	return batch_run(r, &b);
}

int tundev_delete(struct rtnl *r, unsigned index)
{
	struct batch b = { .len = 0 };
	struct nlmsghdr *h = batch_next(r, &b, RTM_DELLINK, 0);

	put_link(h, index);
	batch_end(&b, h);
	return batch_run(r, &b);
}

int tundev_delete_group(struct rtnl *r, uint32_t group)
{
	struct batch b = { .len = 0 };
	struct nlmsghdr *h = batch_next(r, &b, RTM_DELLINK, 0);

	put_link(h, 0);
	mnl_attr_put_u32(h, IFLA_GROUP, group);
	batch_end(&b, h);
	return batch_run(r, &b);
}

/* ---- routes ---- */
int tundev_route_add(struct rtnl *r, unsigned index, uint32_t ip, uint32_t mask, uint16_t mtu, bool replace)
{
	struct batch b = { .len = 0 };
	struct nlmsghdr *h = batch_next(r, &b, RTM_NEWROUTE, NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL));

	put_route(h, index, ip, mask);
	if (mtu) {
		struct nlattr *metrics = mnl_attr_nest_start(h, RTA_METRICS);

		mnl_attr_put_u32(h, RTAX_MTU, mtu);
		mnl_attr_nest_end(h, metrics);
	}
	batch_end(&b, h);
	return batch_run(r, &b);
}

int tundev_route_del(struct rtnl *r, unsigned index, uint32_t ip, uint32_t mask)
{
	struct batch b = { .len = 0 };
	struct nlmsghdr *h = batch_next(r, &b, RTM_DELROUTE, 0);

	put_route(h, index, ip, mask);
	batch_end(&b, h);
	return batch_run(r, &b);
}

/* ---- dumps ---- */
static int dump_once(struct rtnl *r, struct nlmsghdr *h, uint16_t type, mnl_cb_t cb, void *ctx)
{
	_Alignas(NLMSG_ALIGNTO) char buf[DUMP_BYTES];
	uint32_t seq = r->seq++;
	bool torn = false, more = true;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = seq;
	if (mnl_socket_sendto(r->nl, h, h->nlmsg_len) < 0)
		return -errno;
	while (more) {
		ssize_t n = mnl_socket_recvfrom(r->nl, buf, sizeof(buf));
		int rc;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!torn) {
			rc = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(r->nl), cb, ctx);
			torn = rc < 0 && errno == EINTR;
			if (rc < 0 && !torn)
				return -errno;
			more = rc > MNL_CB_STOP;
		}
		/* The rest of it is on its way, and would be in the way of the next answer. */
		if (torn)
			more = !tundev_is_done(buf, (size_t)n, seq);
	}
	return torn ? -EINTR : 0;
}

bool tundev_is_done(const void *buf, size_t len, uint32_t seq)
{
	const struct nlmsghdr *h = buf;

	for (int n = (int)len; mnl_nlmsg_ok(h, n); h = mnl_nlmsg_next(h, &n))
		if (h->nlmsg_seq == seq && (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR))
			return true;
	return false;
}

/* Others may change what is listed meanwhile (NLM_F_DUMP_INTR): then it is listed again, so cb is called for some twice. */
static int dump(struct rtnl *r, struct nlmsghdr *h, uint16_t type, mnl_cb_t cb, void *ctx)
{
	int err = -EINTR;

	for (unsigned tries = 0; err == -EINTR && tries < DUMP_TRIES; tries++)
		err = dump_once(r, h, type, cb, ctx);
	return err;
}

struct listing {
	uint32_t group;
	tundev_each_fn *each;
	void *ctx;
};

static int list_one(const struct nlmsghdr *h, void *data)
{
	const struct listing *l = data;
	const struct ifinfomsg *i = mnl_nlmsg_get_payload(h);
	const char *name = NULL;
	const struct nlattr *a;
	uint32_t group = 0;

	if (h->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof(*i)) {
		uint16_t type = mnl_attr_get_type(a);

		if (type == IFLA_IFNAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
			name = mnl_attr_get_str(a);
		else if (type == IFLA_GROUP && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			group = mnl_attr_get_u32(a);
	}
	if (name && group == l->group)
		l->each(l->ctx, (unsigned)i->ifi_index, name);
	return MNL_CB_OK;
}

int tundev_list(struct rtnl *r, uint32_t group, tundev_each_fn *each, void *ctx)
{
	struct listing l = { .group = group, .each = each, .ctx = ctx };
	_Alignas(NLMSG_ALIGNTO) char buf[MNL_NLMSG_HDRLEN + sizeof(struct ifinfomsg)];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	put_link(h, 0);
	return dump(r, h, RTM_GETLINK, list_one, &l);
}

struct route_listing {
	tundev_route_fn *each;
	void *ctx;
};

static int route_one(const struct nlmsghdr *h, void *data)
{
	const struct route_listing *l = data;
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct tundev_route route = { .direct = true, .is_static = m->rtm_protocol == RTPROT_STATIC };
	const struct nlattr *a;

	if (h->nlmsg_type != RTM_NEWROUTE || m->rtm_family != AF_INET || m->rtm_table != RT_TABLE_MAIN ||
	    m->rtm_type != RTN_UNICAST || !m->rtm_dst_len || m->rtm_dst_len > 32)
		return MNL_CB_OK;
	mnl_attr_for_each(a, h, sizeof(*m)) {
		uint16_t type = mnl_attr_get_type(a);

		if (type == RTA_DST && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			route.ip = ntohl(mnl_attr_get_u32(a));
		else if (type == RTA_OIF && mnl_attr_validate(a, MNL_TYPE_U32) == 0)
			route.index = mnl_attr_get_u32(a);
		else if (type == RTA_GATEWAY || type == RTA_VIA)
			route.direct = false;
	}
	route.mask = UINT32_MAX << (32 - m->rtm_dst_len);
	if (route.ip && route.index)
		l->each(l->ctx, &route);
	return MNL_CB_OK;
}

int tundev_routes(struct rtnl *r, tundev_route_fn *each, void *ctx)
{
	struct route_listing l = { .each = each, .ctx = ctx };
	_Alignas(NLMSG_ALIGNTO) char buf[MNL_NLMSG_HDRLEN + sizeof(struct rtmsg)];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->rtm_family = AF_INET;
	return dump(r, h, RTM_GETROUTE, route_one, &l);
}

int tundev_change(struct rtnl *r, unsigned index, uint32_t ip_was, uint32_t ip, uint16_t mtu)
{
	struct batch b = { .len = 0 };
	struct nlmsghdr *h;

	h = batch_next(r, &b, RTM_SETLINK, 0);
	put_link(h, index);
	mnl_attr_put_u32(h, IFLA_MTU, mtu);
	batch_end(&b, h);
	/* The new one first: routes go with a device's last address. */
	h = batch_next(r, &b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
	put_addr(h, index, ip, ip);
	batch_end(&b, h);
	if (ip_was != ip) {
		h = batch_next(r, &b, RTM_DELADDR, 0);
		put_addr(h, index, ip_was, ip_was);
		batch_end(&b, h);
	}
	return batch_run(r, &b);
}
