/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/filterset.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fwreq.h"

enum {
	BATCH_BYTES = 4096,
	ANSWER_BYTES = 8192,
	DUMP_BYTES = 32768, DUMP_TRIES = 100,
};

const char filterset_nothing[] = "";

int filterset_open(struct filterset *ret)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	int err;

	*ret = (struct filterset){ .seq = 1 };
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

void filterset_close(struct filterset *f)
{
	if (f->nl)
		mnl_socket_close(f->nl);
	f->nl = NULL;
}

static struct nlmsghdr *put_header(struct filterset *f, void *at, uint16_t type, uint16_t flags, uint8_t family, uint16_t res)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(at);
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = f->seq++;
	*g = (struct nfgenmsg){ .nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(res) };
	return h;
}

static struct nlmsghdr *put_set(struct filterset *f, void *at, uint16_t type, uint16_t flags, const char *map)
{
	struct nlmsghdr *h = put_header(f, at, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, NFPROTO_INET, 0);

	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, FWREQ_TABLE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, map);
	return h;
}

/* to: what becomes of its packets; NULL where the element is only named. */
static void put_elem(struct nlmsghdr *h, uint32_t ip, bool end, const char *to)
{
	struct nlattr *elem = mnl_attr_nest_start(h, NFTA_LIST_ELEM), *in, *verdict;
	char chain[sizeof(FWREQ_CHAIN_PREFIX) + CONF_NAME_MAX];

	if (end)
		mnl_attr_put_u32(h, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	in = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
	mnl_attr_put_u32(h, NFTA_DATA_VALUE, htonl(ip));
	mnl_attr_nest_end(h, in);
	if (to && !end) {
		in = mnl_attr_nest_start(h, NFTA_SET_ELEM_DATA);
		verdict = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
		mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl(*to ? (uint32_t)NFT_GOTO : NF_DROP));
		if (*to) {
			snprintf(chain, sizeof(chain), FWREQ_CHAIN_PREFIX "%s", to);
			mnl_attr_put_strz(h, NFTA_VERDICT_CHAIN, chain);
		}
		mnl_attr_nest_end(h, verdict);
		mnl_attr_nest_end(h, in);
	}
	mnl_attr_nest_end(h, elem);
}

/* A network is the element that it begins with, and one that says where it ended. Returns the bytes. */
static size_t put_change(struct filterset *f, void *at, uint16_t type, uint32_t ip, uint32_t mask, const char *to)
{
	const bool host = mask == UINT32_MAX;
	struct nlmsghdr *h = put_set(f, at, type, NLM_F_ACK | (type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0),
		host ? FWREQ_MAP_HOST : FWREQ_MAP_NET);
	struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);

	put_elem(h, ip, false, to);
	if (!host)
		put_elem(h, (ip | ~mask) + 1, true, to);
	mnl_attr_nest_end(h, list);
	return MNL_ALIGN(h->nlmsg_len);
}

/* All answers are there when the send is over.  0 or the first error; want: how many acks. */
static int answers(struct filterset *f, unsigned want)
{
	_Alignas(NLMSG_ALIGNTO) char buf[ANSWER_BYTES];
	int err = 0;

	for (;;) {
		ssize_t got = recv(mnl_socket_get_fd(f->nl), buf, sizeof(buf), MSG_DONTWAIT);
		int n = (int)got;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		for (const struct nlmsghdr *h = (const void *)buf; mnl_nlmsg_ok(h, n); h = mnl_nlmsg_next(h, &n)) {
			const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			if (e->error && !err)
				err = e->error;
			want -= !e->error && want;
		}
	}
	return err ? err : want ? -EIO : 0;
}

int filterset_move(struct filterset *f, uint32_t ip, uint32_t mask, const char *from, const char *to)
{
	_Alignas(NLMSG_ALIGNTO) char buf[BATCH_BYTES];
	unsigned n = 0;
	size_t len;

	len = MNL_ALIGN(put_header(f, buf, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len);
	if (from) {
		len += put_change(f, buf + len, NFT_MSG_DELSETELEM, ip, mask, NULL);
		n++;
	}
	if (to) {
		len += put_change(f, buf + len, NFT_MSG_NEWSETELEM, ip, mask, to);
		n++;
	}
	len += MNL_ALIGN(put_header(f, buf + len, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len);
	if (!n)
		return 0;
	if (mnl_socket_sendto(f->nl, buf, len) < 0)
		return -errno;
	return answers(f, n);
}

/* ---- what is there ---- */

struct elem {
	uint32_t ip;
	bool end;
	char filter[CONF_NAME_MAX];
};

struct elems {
	struct elem *v;
	size_t n, cap;
	bool failed;			/* out of memory */
};

static void elems_add(struct elems *all, const struct elem *e)
{
	if (all->n == all->cap) {
		size_t cap = all->cap ? 2 * all->cap : 256;
		struct elem *more = reallocarray(all->v, cap, sizeof(*more));

		if (!more) {
			all->failed = true;
			return;
		}
		all->v = more;
		all->cap = cap;
	}
	all->v[all->n++] = *e;
}

/* What is no verdict of ours is taken for the hardest one. */
static void read_verdict(const struct nlattr *data, struct elem *ret)
{
	const size_t prefix = sizeof(FWREQ_CHAIN_PREFIX) - 1;
	const struct nlattr *a, *b;

	mnl_attr_for_each_nested(a, data) {
		if (mnl_attr_get_type(a) != NFTA_DATA_VERDICT)
			continue;
		mnl_attr_for_each_nested(b, a) {
			const char *chain = mnl_attr_get_payload(b);

			if (mnl_attr_get_type(b) == NFTA_VERDICT_CHAIN && mnl_attr_validate(b, MNL_TYPE_NUL_STRING) >= 0 &&
			    !strncmp(chain, FWREQ_CHAIN_PREFIX, prefix))
				(void)str_copy(ret->filter, sizeof(ret->filter), chain + prefix);
		}
	}
}

static void read_elem(const struct nlattr *elem, struct elems *all)
{
	struct elem e = { .filter = "" };
	const struct nlattr *a, *b;
	bool has_key = false;

	mnl_attr_for_each_nested(a, elem) {
		switch (mnl_attr_get_type(a)) {
		case NFTA_SET_ELEM_FLAGS:
			e.end = mnl_attr_validate(a, MNL_TYPE_U32) >= 0 && ntohl(mnl_attr_get_u32(a)) & NFT_SET_ELEM_INTERVAL_END;
			break;
		case NFTA_SET_ELEM_KEY:
			mnl_attr_for_each_nested(b, a) {
				if (mnl_attr_get_type(b) != NFTA_DATA_VALUE || mnl_attr_validate(b, MNL_TYPE_U32) < 0)
					continue;
				e.ip = ntohl(mnl_attr_get_u32(b));
				has_key = true;
			}
			break;
		case NFTA_SET_ELEM_DATA:
			read_verdict(a, &e);
			break;
		}
	}
	if (has_key)
		elems_add(all, &e);
}

static int read_msg(const struct nlmsghdr *h, void *ctx)
{
	const struct nlattr *a, *elem;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_LIST_ELEMENTS)
			continue;
		mnl_attr_for_each_nested(elem, a)
			read_elem(elem, ctx);
	}
	return MNL_CB_OK;
}

static int dump(struct filterset *f, const char *map, struct elems *ret)
{
	_Alignas(NLMSG_ALIGNTO) static char buf[DUMP_BYTES];
	struct nlmsghdr *h = put_set(f, buf, NFT_MSG_GETSETELEM, NLM_F_DUMP, map);
	uint32_t seq = h->nlmsg_seq;
	int r = MNL_CB_OK;

	if (mnl_socket_sendto(f->nl, h, h->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(f->nl, buf, sizeof(buf));

		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -1 : mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(f->nl), read_msg, ret);
	} while (r > MNL_CB_STOP);
	if (r < 0)
		return -errno;
	return ret->failed ? -ENOMEM : 0;
}

/* Where one network ends and the next begins both have an element: the end first. */
static int by_ip(const void *a, const void *b)
{
	const struct elem *x = a, *y = b;

	return x->ip != y->ip ? (x->ip < y->ip ? -1 : 1) : (int)y->end - (int)x->end;
}

static void each_net(struct elems *all, filterset_each_fn *each, void *ctx)
{
	if (all->n)
		qsort(all->v, all->n, sizeof(*all->v), by_ip);
	for (size_t i = 0; i + 1 < all->n; i++) {
		const struct elem *e = &all->v[i], *end = e + 1;
		uint32_t mask = ~(end->ip - 1 - e->ip);

		if (!e->end && end->end && conf_is_mask(mask) && !(e->ip & ~mask))
			each(ctx, e->ip, mask, e->filter);
	}
}

int filterset_list(struct filterset *f, filterset_each_fn *each, void *ctx)
{
	struct elems hosts = { 0 }, nets = { 0 };
	int err;

	/* Others who change rules of theirs meanwhile break it off. */
	for (unsigned tries = 0; tries < DUMP_TRIES; tries++) {
		hosts.n = nets.n = 0;
		err = dump(f, FWREQ_MAP_HOST, &hosts);
		if (!err)
			err = dump(f, FWREQ_MAP_NET, &nets);
		if (err != -EINTR)
			break;
	}
	for (size_t i = 0; !err && i < hosts.n; i++)
		each(ctx, hosts.v[i].ip, UINT32_MAX, hosts.v[i].filter);
	if (!err)
		each_net(&nets, each, ctx);
	free(hosts.v);
	free(nets.v);
	return err == -ENOENT ? 0 : err;
}
