/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/steer.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/addr.h"
#include "l2tpd/raw_filter.h"
#include "l2tpd/xfrm.h"

enum { RCVBUF = 8 << 20, SNDBUF = 8 << 20 };

#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif

/* Best effort: FORCE needs CAP_NET_ADMIN in the initial namespace's owner. */
static void buffers(int fd)
{
	static const int rcv = RCVBUF, snd = SNDBUF;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &rcv, sizeof(rcv)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcv, sizeof(rcv));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &snd, sizeof(snd)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &snd, sizeof(snd));
}

static int udp_open(const struct addr *at, uint16_t port, bool group, int *ret_fd)
{
	static const int one = 1;
	struct addr a = *at;
	struct sockaddr_storage ss;
	socklen_t len;
	bool v6 = at->family == 6;
	int err, fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	a.port = port;
	len = addr_to_sa(&a, &ss);
	if ((v6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0) ||
	    (group && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
	    setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&ss, len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	buffers(fd);
	*ret_fd = fd;
	return 0;
}

/* The program is given the UDP payload; its result is a member of the group. */
static int attach(int fd, unsigned engines)
{
	struct sock_filter prog[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		/* Keepalives of thousands are read in batches there; iked would wake a thread for each. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 4, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 26),
		/* An SPI of no engine: engine 0 counts it as unknown. */
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, engines, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 1),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog fprog = { .len = N_ELEMENTS(prog), .filter = prog };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &fprog, sizeof(fprog)) < 0 ? -errno : 0;
}

/* Another program of root's with SO_REUSEPORT would let us join its group unnoticed. 0 or -errno. */
static int is_free(const struct addr *at, uint16_t port)
{
	int probe, err = udp_open(at, port, false, &probe);

	if (err == 0)
		close(probe);
	return err;
}

/* A member that an engine reads. 0 or -errno. */
static int member_open(const struct addr *at, uint16_t port, int *ret_fd)
{
	static const int one = 1;
	int err = udp_open(at, port, true, ret_fd);

	if (err == 0 && setsockopt(*ret_fd, SOL_UDP, UDP_GRO, &one, sizeof(one)) < 0) {
		err = -errno;
		close(*ret_fd);
	}
	return err;
}

/* ESP without UDP for one engine. 0 or -errno. */
static int raw_open(const struct addr *at, unsigned engine, unsigned engines, int *ret_fd)
{
	static const int one = 1;
	struct sock_filter prog[RAW_FILTER_LEN];
	struct sock_fprog fprog = { .filter = prog };
	bool v6 = at->family == 6;
	struct addr a = *at;
	struct sockaddr_storage ss;
	socklen_t len;
	int err, fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ESP);

	if (fd < 0)
		return -errno;
	a.port = 0;
	len = addr_to_sa(&a, &ss);
	fprog.len = raw_filter(v6, engine, engines, prog);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)) < 0 ||
	    setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVPKTINFO : IP_PKTINFO, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&ss, len) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	buffers(fd);
	*ret_fd = fd;
	return 0;
}

int steer_open(struct steer *s, const struct addr *at, unsigned engines, bool raw, uint16_t *ret_port)
{
	int err;

	*s = (struct steer){ .at = *at, .ike_500 = -1 };
	*ret_port = STEER_IKE_PORT;
	err = udp_open(at, STEER_IKE_PORT, false, &s->ike_500);
	if (err < 0)
		return err;
	*ret_port = STEER_NATT_PORT;
	err = is_free(at, STEER_NATT_PORT);
	for (unsigned i = 0; err == 0 && i < 1 + engines; i++) {
		err = i ? member_open(at, STEER_NATT_PORT, &s->group[i])
			: udp_open(at, STEER_NATT_PORT, true, &s->group[i]);
		s->n_group += err == 0;
	}
	if (err == 0)
		err = attach(s->group[0], engines);
	if (err == 0)
		*ret_port = 0;
	for (unsigned i = 0; err == 0 && raw && i < engines; i++) {
		err = raw_open(at, i, engines, &s->raw[i]);
		s->n_raw += err == 0;
	}
	if (err < 0)
		steer_close(s);
	return err;
}

/* Of all that the kernel opened: the mark's engine; what has no mark of ours engine 0 counts and drops. */
static int attach_mark(int fd, unsigned engines)
{
	struct sock_filter prog[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)SKF_AD_OFF + SKF_AD_MARK),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, MARK_SIGN_SHIFT),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK_SIGN, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_MISC | BPF_TXA, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, MARK_ENGINE_SHIFT),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, CONF_ENGINES_MAX - 1),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, engines, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog fprog = { .len = N_ELEMENTS(prog), .filter = prog };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &fprog, sizeof(fprog)) < 0 ? -errno : 0;
}

/* An engine's socket for what the kernel opened. 0 or -errno. */
static int opened_open(const struct addr *at, int *ret_fd)
{
	static const int one = 1;
	int err = udp_open(at, STEER_L2TP_PORT, true, ret_fd);

	if (err)
		return err;
	err = setsockopt(*ret_fd, SOL_SOCKET, SO_RCVMARK, &one, sizeof(one)) < 0 ? -errno : 0;
	if (!err)
		err = xfrm_sealed_only(*ret_fd, at->family);
	if (err)
		close(*ret_fd);
	return err;
}

int steer_open_kernel(struct steer *s, const struct addr *at, unsigned engines, uint16_t *ret_port)
{
	static const int encap = UDP_ENCAP_ESPINUDP;
	int err;

	*s = (struct steer){ .at = *at, .ike_500 = -1 };
	*ret_port = STEER_IKE_PORT;
	err = udp_open(at, STEER_IKE_PORT, false, &s->ike_500);
	if (err < 0)
		return err;
	*ret_port = STEER_NATT_PORT;
	err = udp_open(at, STEER_NATT_PORT, false, &s->group[0]);
	if (err == 0) {
		s->n_group = 1;
		err = setsockopt(s->group[0], SOL_UDP, UDP_ENCAP, &encap, sizeof(encap)) < 0 ? -errno : 0;
	}
	if (err == 0) {
		*ret_port = STEER_L2TP_PORT;
		err = is_free(at, STEER_L2TP_PORT);
	}
	for (unsigned i = 0; err == 0 && i < engines; i++) {
		err = opened_open(at, &s->l2tp[i]);
		s->n_l2tp += err == 0;
	}
	if (err == 0)
		err = attach_mark(s->l2tp[0], engines);
	if (err < 0)
		steer_close(s);
	return err;
}

void steer_close(struct steer *s)
{
	while (s->n_l2tp)
		close(s->l2tp[--s->n_l2tp]);
	if (s->ike_500 >= 0)
		close(s->ike_500);
	s->ike_500 = -1;
	while (s->n_group)
		close(s->group[--s->n_group]);
	while (s->n_raw)
		close(s->raw[--s->n_raw]);
}

int steer_plain_open(struct steer_plain *s, const struct addr *at, unsigned engines)
{
	int err = is_free(at, at->port);

	*s = (struct steer_plain){ .at = *at };
	for (unsigned i = 0; err == 0 && i < engines; i++) {
		err = member_open(at, at->port, &s->group[i]);
		s->n_group += err == 0;
	}
	if (err < 0)
		steer_plain_close(s);
	return err;
}

void steer_plain_close(struct steer_plain *s)
{
	while (s->n_group)
		close(s->group[--s->n_group]);
}

int steer_dae_open(const struct addr *at, bool again, int *ret_fd)
{
	int err = again ? 0 : is_free(at, at->port);

	return err ? err : udp_open(at, at->port, true, ret_fd);
}
