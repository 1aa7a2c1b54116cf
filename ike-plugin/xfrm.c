/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xfrm: ESP in the kernel (`set esp kernel`), by strongSwan's own kernel-netlink.
 *
 * kernel_ipsec.c keeps its books and tells the engines as ever; what it would
 * have given an engine to seal and open with goes to the kernel through here.
 * A lineage has one mark (base/proto.h), which is also the reqid of all it has:
 *
 *   inbound SA    found by its SPI, whatever the packet's mark; puts the lineage's
 *                 mark on what it opens.  Its selector lets UDP to 1701 pass
 *   outbound SA   has the mark: two clients at one address may choose the same SPI
 *   policy        one per lineage: what has the mark, to the client, by its SAs
 *
 * No inbound policy: the sockets have one of their own (l2tpd/steer.c).  charon's
 * policies are not installed; they would change with every Quick Mode.  And a
 * kernel's SAs are not flushed: there are other people's, and ours outlive iked.
 *
 * All calls are made under culvert->lock, which is short: they wait for nobody
 * but the kernel.
 */
#include <dlfcn.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/xfrm.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ike-plugin/plugin.h"

enum {
	L2TP_PORT = 1701,
	REPLAY_WINDOW = 1024,		/* as in user space */
	DUMP_BYTES = 32768,
};

struct xfrm {
	kernel_ipsec_t *k;		/* kernel-netlink's; owned */
};

/* ---- what charon wants to know in terms of addresses ---- */

/* An SA's addresses and selectors as charon's objects. */
struct ends {
	host_t *src, *dst;
	linked_list_t *src_ts, *dst_ts;
};

/* One host, UDP, those ports. */
static linked_list_t *selectors(host_t *h, uint16_t first, uint16_t last)
{
	return linked_list_create_with_items(traffic_selector_create_from_subnet(h->clone(h),
		h->get_family(h) == AF_INET6 ? 128 : 32, IPPROTO_UDP, first, last), NULL);
}

static bool ends_make(struct ends *e, const struct addr *local, const struct addr *peer, bool inbound)
{
	host_t *l = host_of_addr(local), *p = host_of_addr(peer);
	linked_list_t *lt, *pt;

	if (!l || !p) {
		DESTROY_IF(l);
		DESTROY_IF(p);
		return FALSE;
	}
	lt = selectors(l, L2TP_PORT, L2TP_PORT);
	pt = selectors(p, 0, 65535);
	*e = inbound ? (struct ends){ p, l, pt, lt } : (struct ends){ l, p, lt, pt };
	return TRUE;
}

static void ends_free(struct ends *e)
{
	e->src->destroy(e->src);
	e->dst->destroy(e->dst);
	e->src_ts->destroy_offset(e->src_ts, offsetof(traffic_selector_t, destroy));
	e->dst_ts->destroy_offset(e->dst_ts, offsetof(traffic_selector_t, destroy));
}

static kernel_ipsec_sa_id_t id_of(const struct ends *e, const struct sa *sa, bool inbound)
{
	kernel_ipsec_sa_id_t id = {
		.src = e->src, .dst = e->dst, .proto = IPPROTO_ESP, .spi = htonl(inbound ? sa->spi : sa->out_spi),
	};

	if (!inbound)
		id.mark = (mark_t){ sa->lin->mark, UINT32_MAX };
	return id;
}

/* ---- policies ---- */

/* The policy of lin between these addresses comes, or goes. */
static status_t policy(struct xfrm *x, const struct lin *lin, const struct addr *local, const struct addr *peer, bool add)
{
	ipsec_sa_cfg_t cfg = {
		.mode = MODE_TRANSPORT, .reqid = lin->mark, .policy_count = 1, .esp = { .use = TRUE },
	};
	kernel_ipsec_policy_id_t id = { .dir = POLICY_OUT, .mark = { lin->mark, UINT32_MAX } };
	kernel_ipsec_manage_policy_t data = { .type = POLICY_IPSEC, .prio = POLICY_PRIORITY_DEFAULT, .sa = &cfg };
	struct ends e;
	status_t s;

	if (!ends_make(&e, local, peer, false))
		return FAILED;
	e.src_ts->get_first(e.src_ts, (void **)&id.src_ts);
	e.dst_ts->get_first(e.dst_ts, (void **)&id.dst_ts);
	data.src = e.src;
	data.dst = e.dst;
	s = add ? x->k->add_policy(x->k, &id, &data) : x->k->del_policy(x->k, &id, &data);
	ends_free(&e);
	return s;
}

static void policy_end(struct xfrm *x, struct lin *lin)
{
	if (lin->policy_peer.family)
		(void)policy(x, lin, &lin->policy_local, &lin->policy_peer, false);
	lin->policy_local = lin->policy_peer = (struct addr){ 0 };
}

/* The lineage's policy is between these addresses from now on; the ports do not count. */
static status_t policy_at(struct xfrm *x, struct lin *lin, const struct addr *local, const struct addr *peer)
{
	if (lin->policy_peer.family && addr_ip_eq(&lin->policy_peer, peer) && addr_ip_eq(&lin->policy_local, local))
		return SUCCESS;
	if (policy(x, lin, local, peer, true) != SUCCESS)
		return FAILED;
	policy_end(x, lin);
	lin->policy_local = *local;
	lin->policy_peer = *peer;
	return SUCCESS;
}

/* ---- SAs ---- */

static void out_del(struct xfrm *x, struct sa *sa)
{
	kernel_ipsec_del_sa_t data = { 0 };
	kernel_ipsec_sa_id_t id;
	struct ends e;

	if (!sa->kernel.out || !ends_make(&e, &sa->kernel.out_local, &sa->kernel.out_peer, false))
		return;
	id = id_of(&e, sa, false);
	(void)x->k->del_sa(x->k, &id, &data);	/* it may have expired */
	ends_free(&e);
	sa->kernel.out = false;
	if (!--sa->lin->n_kernel_out)
		policy_end(x, sa->lin);
}

status_t xfrm_add(struct xfrm *x, struct sa *sa, uint32_t out_spi, const kernel_ipsec_add_sa_t *data,
	const struct addr *local, const struct addr *peer)
{
	const bool in = data->inbound;
	kernel_ipsec_add_sa_t d = *data;
	kernel_ipsec_sa_id_t id;
	struct ends e;
	status_t s;

	if (!ends_make(&e, local, peer, in))
		return FAILED;
	if (!in)
		sa->out_spi = out_spi;
	id = id_of(&e, sa, in);
	d.reqid = sa->lin->mark;
	d.mark = in ? (mark_t){ sa->lin->mark, UINT32_MAX } : (mark_t){ 0 };
	d.src_ts = e.src_ts;
	d.dst_ts = e.dst_ts;
	d.replay_window = in ? REPLAY_WINDOW : 0;
	d.update = FALSE;		/* its SPI is ours, not the kernel's */
	s = x->k->add_sa(x->k, &id, &d);
	ends_free(&e);
	if (s != SUCCESS)
		return s;
	if (in) {
		sa->kernel.in = true;
		sa->kernel.in_local = *local;
		sa->kernel.in_peer = *peer;
		return SUCCESS;
	}
	sa->kernel.out = true;
	sa->kernel.out_local = *local;
	sa->kernel.out_peer = *peer;
	sa->lin->n_kernel_out++;
	s = policy_at(x, sa->lin, local, peer);
	if (s != SUCCESS)
		out_del(x, sa);
	return s;
}

void xfrm_del(struct xfrm *x, struct sa *sa, bool inbound)
{
	kernel_ipsec_del_sa_t data = { 0 };
	kernel_ipsec_sa_id_t id;
	struct ends e;

	if (inbound && sa->kernel.in && ends_make(&e, &sa->kernel.in_local, &sa->kernel.in_peer, true)) {
		id = id_of(&e, sa, true);
		(void)x->k->del_sa(x->k, &id, &data);
		ends_free(&e);
		sa->kernel.in = false;
	}
	/* As in an engine the outbound one goes with its partner; before that its turn is taken away only. */
	if (inbound ? !sa->out : sa->in_gone)
		out_del(x, sa);
}

/* The kernel's SA moves; where it is now is in *at_local and *at_peer. */
static void move(struct xfrm *x, struct sa *sa, bool inbound, struct addr *at_local, struct addr *at_peer,
	const struct addr *local, const struct addr *peer)
{
	kernel_ipsec_update_sa_t data = { .encap = TRUE, .new_encap = TRUE };
	kernel_ipsec_sa_id_t id;
	struct ends was, is;

	if (!ends_make(&was, at_local, at_peer, inbound))
		return;
	if (!ends_make(&is, local, peer, inbound)) {
		ends_free(&was);
		return;
	}
	id = id_of(&was, sa, inbound);
	data.new_src = is.src;
	data.new_dst = is.dst;
	if (x->k->update_sa(x->k, &id, &data) == SUCCESS) {
		*at_local = *local;
		*at_peer = *peer;
	}
	ends_free(&was);
	ends_free(&is);
}

void xfrm_move(struct xfrm *x, struct sa *sa, bool inbound, const struct addr *local, const struct addr *peer)
{
	if (inbound && sa->kernel.in)
		move(x, sa, true, &sa->kernel.in_local, &sa->kernel.in_peer, local, peer);
	if (inbound || !sa->kernel.out)
		return;
	move(x, sa, false, &sa->kernel.out_local, &sa->kernel.out_peer, local, peer);
	(void)policy_at(x, sa->lin, local, peer);
}

status_t xfrm_query(struct xfrm *x, struct sa *sa, uint64_t *bytes, uint64_t *packets, time_t *last)
{
	kernel_ipsec_query_sa_t data = { 0 };
	kernel_ipsec_sa_id_t id;
	struct ends e;
	status_t s;

	if (!sa->kernel.in || !ends_make(&e, &sa->kernel.in_local, &sa->kernel.in_peer, true))
		return NOT_FOUND;
	id = id_of(&e, sa, true);
	s = x->k->query_sa(x->k, &id, &data, bytes, packets, last);
	ends_free(&e);
	/* The kernel knows the first use only; charon asks more often than it would give up a client. */
	if (s == SUCCESS && *bytes != sa->bytes) {
		sa->bytes = *bytes;
		sa->last_s = now_ms() / 1000;
	}
	*last = (time_t)sa->last_s;
	return s;
}

bool xfrm_can(struct xfrm *x, uint16_t enc, uint16_t enc_bits, uint16_t auth)
{
	static const struct { uint16_t alg; uint8_t len; } auths[] = {
		{ AUTH_UNDEFINED, 0 }, { AUTH_HMAC_SHA1_96, 20 }, { AUTH_HMAC_SHA2_256_128, 32 },
		{ AUTH_HMAC_SHA2_384_192, 48 }, { AUTH_HMAC_SHA2_512_256, 64 },
	};
	static const struct addr nowhere = { .family = 4, .ip = { 127, 0, 0, 1 }, .port = 4500 };
	uint8_t key[64];
	struct lin lin = { .mark = mark_make(0, 0) };	/* nobody's number */
	struct sa sa = { .lin = &lin, .spi = 0xffffffff };
	lifetime_cfg_t life = { .time = { .life = 1 } };
	kernel_ipsec_add_sa_t data = {
		.mode = MODE_TRANSPORT, .lifetime = &life, .encap = TRUE, .inbound = TRUE, .enc_alg = enc, .int_alg = auth,
	};
	unsigned a = 0;

	while (a < countof(auths) && auths[a].alg != auth)
		a++;
	if (a == countof(auths))
		return FALSE;
	random_bytes(key, sizeof(key));		/* equal halves would be refused by 3DES */
	data.enc_key = chunk_create(key, enc == ENCR_3DES ? 24 : enc_bits / 8 + (enc == ENCR_AES_GCM_ICV16 ? 4 : 0));
	data.int_key = chunk_create(key, auths[a].len);
	if (data.enc_key.len > sizeof(key) || xfrm_add(x, &sa, 0, &data, &nowhere, &nowhere) != SUCCESS)
		return FALSE;
	xfrm_del(x, &sa, true);
	return TRUE;
}

/* ---- the kernel's news ---- */

/* ESP proved that a peer is elsewhere; as often as it sends packets until that is known here. */
static void mapping(kernel_interface_t *this, uint8_t protocol, uint32_t spi, host_t *dst, host_t *remote)
{
	struct addr local = addr_of_host(dst), peer = addr_of_host(remote);

	if (protocol == IPPROTO_ESP)
		hub_moved(ntohl(spi), &local, &peer);
}

/* ---- marks of an earlier iked ---- */

/* The mark that an SA or a policy says it is of. */
static void reserve(struct marks *marks, const struct nlmsghdr *h, unsigned type)
{
	const struct xfrm_usersa_info *sa = NLMSG_DATA(h);
	const struct rtattr *a = (const void *)((const char *)sa + NLMSG_ALIGN(sizeof(struct xfrm_userpolicy_info)));
	int left = (int)h->nlmsg_len - (int)NLMSG_SPACE(sizeof(struct xfrm_userpolicy_info));

	if (h->nlmsg_type != type)
		return;
	if (type == XFRM_MSG_NEWSA) {
		if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(*sa)))
			marks_reserve(marks, sa->reqid);
		return;
	}
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		struct xfrm_mark m;

		if (a->rta_type != XFRMA_MARK || RTA_PAYLOAD(a) < sizeof(m))
			continue;
		memcpy(&m, RTA_DATA(a), sizeof(m));
		marks_reserve(marks, m.v);
	}
}

/* All SAs, or all policies, of the kernel. False: it does not tell. */
static bool reserve_all(struct marks *marks, int fd, uint16_t ask, unsigned type)
{
	_Alignas(NLMSG_ALIGNTO) static char buf[DUMP_BYTES];
	struct {
		struct nlmsghdr h;
		uint8_t body[sizeof(struct xfrm_userpolicy_id)];	/* zeros: of all families */
	} req = { .h = { .nlmsg_len = sizeof(req), .nlmsg_type = ask, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };

	if (ask == XFRM_MSG_GETSA)
		req.h.nlmsg_len = NLMSG_LENGTH(sizeof(struct xfrm_usersa_id));
	if (send(fd, &req, req.h.nlmsg_len, 0) < 0)
		return FALSE;
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		unsigned left = (unsigned)n;

		if (n < 0)
			return FALSE;
		for (const struct nlmsghdr *h = (const void *)buf; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE)
				return TRUE;
			if (h->nlmsg_type == NLMSG_ERROR)
				return FALSE;
			reserve(marks, h, type);
		}
	}
}

bool xfrm_reserve(struct marks *marks)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_XFRM);
	bool ok = fd >= 0 && reserve_all(marks, fd, XFRM_MSG_GETSA, XFRM_MSG_NEWSA) &&
		  reserve_all(marks, fd, XFRM_MSG_GETPOLICY, XFRM_MSG_NEWPOLICY);

	if (!ok)
		log_err("ike the kernel does not tell which SAs it has: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

/* ---- start and end ---- */

struct xfrm *xfrm_new(void)
{
	/* Plugins hide nothing; the constructor is what kernel-netlink registers with charon. */
	static const char path[] = IPSEC_PLUGINDIR "/libstrongswan-kernel-netlink.so";
	kernel_ipsec_t *(*create)(void);
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	struct xfrm *x;

	*(void **)&create = so ? dlsym(so, "kernel_netlink_ipsec_create") : NULL;
	if (!create) {
		log_err("ike esp=kernel needs strongSwan's kernel-netlink: %s", dlerror());
		return NULL;
	}
	lib->settings->set_bool(lib->settings, "%s.plugins.kernel-netlink.set_proto_port_transport_sa", TRUE, lib->ns);
	INIT(x, .k = create());
	if (!x->k) {
		log_err("ike esp=kernel: no XFRM socket");
		free(x);
		return NULL;
	}
	return x;
}

void xfrm_listen(void)
{
	/* charon would believe it of whatever IKE_SA holds the SA; move_job() asks whose it is. */
	charon->kernel->mapping = mapping;
	/* Nor does it begin an SA by itself: clients do. */
	charon->kernel->acquire = (void *)nop;
}

void xfrm_delete(struct xfrm *x)
{
	if (!x)
		return;
	x->k->destroy(x->k);
	free(x);
}
