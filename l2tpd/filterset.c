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
#include "l2tpd/tundev.h"

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

enum { SET_NAME = sizeof(FWREQ_HOST_PREFIX) + CONF_NAME_MAX };

/* The set of a filter that a network of that mask is in. */
static void set_name(char ret[static SET_NAME], const char *filter, uint32_t mask)
{
	const bool host = mask == UINT32_MAX;

	if (*filter)
		snprintf(ret, SET_NAME, "%s%s", host ? FWREQ_HOST_PREFIX : FWREQ_NET_PREFIX, filter);
	else
		(void)str_copy(ret, SET_NAME, host ? FWREQ_GONE_HOST : FWREQ_GONE_NET);
}

static uint16_t nft(uint16_t type)
{
	return (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type);
}

static void put_elem(struct nlmsghdr *h, uint32_t ip, bool end)
{
	struct nlattr *elem = mnl_attr_nest_start(h, NFTA_LIST_ELEM), *key;

	if (end)
		mnl_attr_put_u32(h, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
	key = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
	mnl_attr_put_u32(h, NFTA_DATA_VALUE, htonl(ip));
	mnl_attr_nest_end(h, key);
	mnl_attr_nest_end(h, elem);
}

/* A network is the element that it begins with, and one that says where it ended. Returns the bytes. */
static size_t put_change(struct filterset *f, void *at, bool add, uint32_t ip, uint32_t mask, const char *filter)
{
	struct nlmsghdr *h = put_header(f, at, nft(add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM),
		(uint16_t)(NLM_F_ACK | (add ? NLM_F_CREATE : 0)), NFPROTO_INET, 0);
	struct nlattr *list;
	char name[SET_NAME];

	set_name(name, filter, mask);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, FWREQ_TABLE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, name);
	list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	put_elem(h, ip, false);
	if (mask != UINT32_MAX)
		put_elem(h, (ip | ~mask) + 1, true);
	mnl_attr_nest_end(h, list);
	return MNL_ALIGN(h->nlmsg_len);
}

/* All answers are there when the send is over: 0 or the first error. */
static int answer(struct filterset *f)
{
	_Alignas(NLMSG_ALIGNTO) char buf[ANSWER_BYTES];
	bool acked = false;
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
			acked = acked || !e->error;
		}
	}
	return err ? err : acked ? 0 : -EIO;
}

static int change(struct filterset *f, bool add, uint32_t ip, uint32_t mask, const char *filter)
{
	_Alignas(NLMSG_ALIGNTO) char buf[BATCH_BYTES];
	size_t len;

	len = MNL_ALIGN(put_header(f, buf, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len);
	len += put_change(f, buf + len, add, ip, mask, filter);
	len += MNL_ALIGN(put_header(f, buf + len, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES)->nlmsg_len);
	return mnl_socket_sendto(f->nl, buf, len) < 0 ? -errno : answer(f);
}

/* In both for a moment: a packet that is looked for in one set before and in the other one after would be in none. */
int filterset_move(struct filterset *f, uint32_t ip, uint32_t mask, const char *from, const char *to)
{
	int err = to ? change(f, true, ip, mask, to) : 0;

	if (err || !from)
		return err;
	err = change(f, false, ip, mask, from);
	/* Where it was it is, and nowhere else. */
	if (err && to)
		(void)!change(f, false, ip, mask, to);
	return err;
}

/* ---- what is there ---- */

struct elem {
	uint32_t ip;
	bool end;
};

/* A list that a dump fills: of elements, or of names. */
struct found {
	void *v;
	size_t size, n, cap;
	bool failed;			/* out of memory */
};

static void add(struct found *all, const void *one)
{
	if (all->n == all->cap) {
		size_t cap = all->cap ? 2 * all->cap : 256;
		void *more = reallocarray(all->v, cap, all->size);

		if (!more) {
			all->failed = true;
			return;
		}
		all->v = more;
		all->cap = cap;
	}
	memcpy((char *)all->v + all->n++ * all->size, one, all->size);
}

static void read_elem(const struct nlattr *elem, struct found *all)
{
	struct elem e = { 0 };
	const struct nlattr *a, *b;
	bool has_key = false;

	mnl_attr_for_each_nested(a, elem) {
		if (mnl_attr_get_type(a) == NFTA_SET_ELEM_FLAGS && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
			e.end = ntohl(mnl_attr_get_u32(a)) & NFT_SET_ELEM_INTERVAL_END;
		if (mnl_attr_get_type(a) != NFTA_SET_ELEM_KEY)
			continue;
		mnl_attr_for_each_nested(b, a) {
			if (mnl_attr_get_type(b) != NFTA_DATA_VALUE || mnl_attr_validate(b, MNL_TYPE_U32) < 0)
				continue;
			e.ip = ntohl(mnl_attr_get_u32(b));
			has_key = true;
		}
	}
	if (has_key)
		add(all, &e);
}

static int on_elems(const struct nlmsghdr *h, void *ctx)
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

static int on_set(const struct nlmsghdr *h, void *ctx)
{
	char name[SET_NAME] = "";
	const struct nlattr *a;

	mnl_attr_for_each(a, h, sizeof(struct nfgenmsg))
		if (mnl_attr_get_type(a) == NFTA_SET_NAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
			(void)str_copy(name, sizeof(name), mnl_attr_get_str(a));
	add(ctx, name);
	return MNL_CB_OK;
}

/* Ask for a list of what is of a table (of a set, if it is not NULL). 0 or -errno. */
static int dump(struct filterset *f, uint16_t type, const char *set, mnl_cb_t each, struct found *ret)
{
	_Alignas(NLMSG_ALIGNTO) static char buf[DUMP_BYTES];
	struct nlmsghdr *h = put_header(f, buf, nft(type), NLM_F_DUMP, NFPROTO_INET, 0);
	uint32_t seq = h->nlmsg_seq;
	bool torn = false, more = true;

	_Static_assert((int)NFTA_SET_TABLE == (int)NFTA_SET_ELEM_LIST_TABLE, "one word for both");
	mnl_attr_put_strz(h, NFTA_SET_TABLE, FWREQ_TABLE);
	if (set)
		mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
	if (mnl_socket_sendto(f->nl, h, h->nlmsg_len) < 0)
		return -errno;
	while (more) {
		ssize_t n = mnl_socket_recvfrom(f->nl, buf, sizeof(buf));
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!torn) {
			r = mnl_cb_run(buf, (size_t)n, seq, mnl_socket_get_portid(f->nl), each, ret);
			torn = r < 0 && errno == EINTR;
			if (r < 0 && !torn)
				return -errno;
			more = r > MNL_CB_STOP;
		}
		/* The rest of it is on its way, and would be in the way of the next answer. */
		if (torn)
			more = !tundev_is_done(buf, (size_t)n, seq);
	}
	return torn ? -EINTR : ret->failed ? -ENOMEM : 0;
}

/* The same; others who change rules of theirs meanwhile break a list off. */
static int list(struct filterset *f, uint16_t type, const char *set, mnl_cb_t each, struct found *ret)
{
	int err = -EINTR;

	for (unsigned tries = 0; err == -EINTR && tries < DUMP_TRIES; tries++) {
		ret->n = 0;
		err = dump(f, type, set, each, ret);
	}
	return err;
}

/* Where one network ends and the next begins both have an element: the end first. */
static int by_ip(const void *a, const void *b)
{
	const struct elem *x = a, *y = b;

	return x->ip != y->ip ? (x->ip < y->ip ? -1 : 1) : (int)y->end - (int)x->end;
}

static void each_net(struct found *all, const char *filter, filterset_each_fn *each, void *ctx)
{
	struct elem *e = all->v;

	if (all->n)
		qsort(e, all->n, sizeof(*e), by_ip);
	for (size_t i = 0; i + 1 < all->n; i++) {
		uint32_t mask = ~(e[i + 1].ip - 1 - e[i].ip);

		if (!e[i].end && e[i + 1].end && conf_is_mask(mask) && !(e[i].ip & ~mask))
			each(ctx, e[i].ip, mask, filter);
	}
}

/* The filter whose set that is; NULL: it is another one. */
static const char *filter_of(const char *set, bool *ret_hosts)
{
	const size_t host = strlen(FWREQ_HOST_PREFIX), net = strlen(FWREQ_NET_PREFIX);

	*ret_hosts = !strcmp(set, FWREQ_GONE_HOST) || !strncmp(set, FWREQ_HOST_PREFIX, host);
	if (!strcmp(set, FWREQ_GONE_HOST) || !strcmp(set, FWREQ_GONE_NET))
		return filterset_nothing;
	if (*ret_hosts)
		return set + host;
	return strncmp(set, FWREQ_NET_PREFIX, net) ? NULL : set + net;
}

int filterset_list(struct filterset *f, filterset_each_fn *each, void *ctx)
{
	struct found sets = { .size = SET_NAME }, elems = { .size = sizeof(struct elem) };
	int err = list(f, NFT_MSG_GETSET, NULL, on_set, &sets);

	for (size_t i = 0; !err && i < sets.n; i++) {
		const char *set = (char *)sets.v + i * sets.size, *filter;
		bool hosts;

		filter = filter_of(set, &hosts);
		if (!filter)
			continue;
		err = list(f, NFT_MSG_GETSETELEM, set, on_elems, &elems);
		for (size_t k = 0; !err && hosts && k < elems.n; k++)
			each(ctx, ((struct elem *)elems.v)[k].ip, UINT32_MAX, filter);
		if (!err && !hosts)
			each_net(&elems, filter, each, ctx);
	}
	free(sets.v);
	free(elems.v);
	return err == -ENOENT ? 0 : err;
}
