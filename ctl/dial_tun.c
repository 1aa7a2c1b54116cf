/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TUN devices with virtio headers, so that the kernel hands over whole
 * super-packets and takes them: one for a session, one for each, or one for
 * all, where a packet's source address says whose it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/dial.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20			/* Linux 6.2 */
#define TUN_F_USO6 0x40
#endif

enum {
	NL_BYTES = 4096,
	QUEUE = 2000,			/* packets that wait for us; what is dropped here, the server never sees */
};

static struct list *bucket(struct dial *d, uint32_t ip)
{
	return &d->by_ip[ip % MAP_BUCKETS];
}

struct dsess *tun_find(struct dial *d, uint32_t ip)
{
	LIST_EACH(bucket(d, ip), i) {
		struct dsess *s = CONTAINER_OF(i, struct dsess, by_ip);

		if (s->ppp.ip_local == ip)
			return s;
	}
	return NULL;
}

/* One more address of a device; it has no route, but for the peer's address. */
static int address_add(unsigned index, uint32_t local, uint32_t peer)
{
	_Alignas(NLMSG_ALIGNTO) char buf[NL_BYTES];
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct ifaddrmsg *m;
	ssize_t n;
	int err = 0;

	if (!nl)
		return -errno;
	h->nlmsg_type = RTM_NEWADDR;
	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	*m = (struct ifaddrmsg){ .ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = index };
	mnl_attr_put_u32(h, IFA_LOCAL, htonl(local));
	mnl_attr_put_u32(h, IFA_ADDRESS, htonl(peer));
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0 || mnl_socket_sendto(nl, h, h->nlmsg_len) < 0 ||
	    (n = mnl_socket_recvfrom(nl, buf, sizeof(buf))) < 0 || mnl_cb_run(buf, (size_t)n, 0, 0, NULL, NULL) < 0)
		err = -errno;
	mnl_socket_close(nl);
	return err;
}

/* "%d" in the form is the number. */
static bool device_name(char name[static IFNAMSIZ], const char *form, unsigned number)
{
	const char *at = strstr(form, "%d");
	char text[64];

	if (!at)
		return str_copy(name, IFNAMSIZ, form);
	snprintf(text, sizeof(text), "%.*s%u%s", (int)(at - form), form, number, at + 2);
	return str_copy(name, IFNAMSIZ, text);
}

/* A device that is down, without an address. */
static int device_open(struct dial_tun *t)
{
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR) };
	unsigned offload = TUN_F_CSUM | TUN_F_TSO4;

	t->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (t->fd < 0)
		return -errno;
	str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), t->name);
	if (ioctl(t->fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	/* Both of UDP's or none.  Older kernels cut its super-packets themselves. */
	if (ioctl(t->fd, TUNSETOFFLOAD, offload | TUN_F_USO4 | TUN_F_USO6) < 0 && ioctl(t->fd, TUNSETOFFLOAD, offload) < 0)
		return -errno;
	t->index = if_nametoindex(t->name);
	return t->index ? 0 : -errno;
}

static int device_up(struct dial_tun *t, uint16_t mtu)
{
	int err = 0, ctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { 0 };

	if (ctl < 0)
		return -errno;
	str_copy(ifr.ifr_name, sizeof(ifr.ifr_name), t->name);
	ifr.ifr_mtu = mtu;
	if (ioctl(ctl, SIOCSIFMTU, &ifr) < 0)
		err = -errno;
	ifr.ifr_qlen = QUEUE;
	if (!err && ioctl(ctl, SIOCSIFTXQLEN, &ifr) < 0)
		err = -errno;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING | IFF_POINTOPOINT;
	if (!err && ioctl(ctl, SIOCSIFFLAGS, &ifr) < 0)
		err = -errno;
	close(ctl);
	return err;
}

static void device_close(struct dial_tun *t)
{
	if (t->ev)
		event_free(t->ev);
	if (t->fd >= 0)
		close(t->fd);
	t->ev = NULL;
	t->fd = -1;
}

int tun_join(struct dsess *s)
{
	struct dial *d = s->d;
	bool own = d->n_tun > 1 || d->conf.sessions == 1, fresh;
	struct dial_tun *t;
	int err = 0;

	if (!d->conf.tun)
		return 0;
	t = &d->tun[d->n_tun > 1 ? s->n : 0];
	fresh = t->fd < 0;
	if (fresh) {
		*t = (struct dial_tun){ .d = d, .s = own ? s : NULL, .fd = -1 };
		err = device_name(t->name, d->conf.tun, s->n) ? device_open(t) : -ENAMETOOLONG;
	}
	if (!err)
		err = address_add(t->index, s->ppp.ip_local, s->ppp.ip_remote);
	if (!err && fresh)
		err = device_up(t, ppp_mtu(&s->ppp));
	if (!err && fresh) {
		t->ev = event_new(d->base, t->fd, EV_READ | EV_PERSIST, data_tun_readable, t);
		err = t->ev ? 0 : -ENOMEM;
	}
	if (err) {
		device_close(t);
		return err;
	}
	if (fresh)
		event_add(t->ev, NULL);
	s->tun = t;
	list_push(bucket(d, s->ppp.ip_local), &s->by_ip);
	return 0;
}

void tun_leave(struct dsess *s)
{
	list_del(&s->by_ip);
	s->tun = NULL;
}

void tun_close_all(struct dial *d)
{
	for (unsigned i = 0; i < d->n_tun; i++)
		device_close(&d->tun[i]);
	free(d->tun);
	d->tun = NULL;
	d->n_tun = 0;
}
