/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * harness: plays the parent, two engines and the manager to one culvert-iked,
 * and prints every message it gets, one line each.  Keys are never printed.
 *
 *	ike/harness [-k psk] [-d dpd_s] [-G main_group] [-l] [-u uid -g gid] [-v] path/to/culvert-iked
 *
 * It binds UDP 500 and 4500 (so: in a network namespace, as root) and takes
 * commands on its standard input: "stats", "kill" (FLOW_KILL of the newest
 * lineage), "expire" (of the newest inbound SA), "move ADDR PORT [LINEAGE SPI]"
 * (the peer of that SA, or of the newest, was seen there), "stray" (a junk
 * datagram as an engine would pass it on), "lose N" (close engine N's channel),
 * "peer N" (a new one for it), "shutdown", "quit" (close the parent's channel).
 */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/msg.h"
#include "base/rd.h"

enum { ENGINES = 2 };

static struct chan parent, engine[ENGINES], manager;
static int esp[ENGINES];
static struct lineage last_lineage;
static uint32_t last_spi;
static struct addr last_local, last_peer;
static unsigned esp_seen[ENGINES];

static int udp(uint16_t port, bool group)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)) ||
	    (group && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on))) ||
	    bind(fd, (struct sockaddr *)&in, sizeof(in)))
		fatal("udp %u: %s", port, strerror(errno));
	return fd;
}

/* Marker or shorter than four bytes: socket 0 (iked's); else 1 + the engine of the SPI. */
static void steer(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 4, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 26),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
		BPF_STMT(BPF_RET | BPF_A, 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = N_ELEMENTS(code), .filter = code };

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)))
		fatal("reuseport filter: %s", strerror(errno));
}

static void give(enum msg_type type, const void *body, size_t len, int fd)
{
	int err = chan_send(&parent, type, body, len, fd);

	if (err)
		fatal("send %s: %s", msg_name(type), strerror(-err));
}

static void give_peer(struct chan *mine, enum role role, unsigned index)
{
	struct msg_peer m = { .role = role, .index = index };
	int fd[2];

	if (chan_pair(fd))
		fatal("chan_pair");
	chan_init(mine, fd[0], role, ROLE_IKED, 0);
	give(MSG_PEER, &m, sizeof(m), fd[1]);
	close(fd[1]);
	if (role == ROLE_ENGINE && chan_send(mine, MSG_SYNC, NULL, 0, -1))
		fatal("MSG_SYNC");
}

static void show(const char *who, unsigned index, const struct msg *m)
{
	char a[ADDR_STRLEN], b[ADDR_STRLEN];
	const struct msg_sa_add *add = &m->b.sa_add;

	printf("%s%u %s", who, index, msg_name(m->type));
	switch (m->type) {
	case MSG_SPI_NEW:
		printf(" lineage=%llu spi=%08x local=%s peer=%s", (unsigned long long)m->b.spi_new.lineage.counter,
			m->b.spi_new.spi, addr_str(&m->b.spi_new.local, a), addr_str(&m->b.spi_new.peer, b));
		last_lineage = m->b.spi_new.lineage;
		break;
	case MSG_SA_ADD:
		printf(" lineage=%llu dir=%s spi=%08x pair=%08x enc=%u auth=%u life_s=%u local=%s peer=%s id=\"%s\"",
			(unsigned long long)add->lineage.counter, add->inbound ? "in" : "out", add->spi, add->pair, add->enc,
			add->auth, add->life_s, addr_str(&add->local, a), addr_str(&add->peer, b), add->ike_id);
		if (add->inbound) {
			last_spi = add->spi;
			last_local = add->local;
			last_peer = add->peer;
		}
		break;
	case MSG_SA_MOVE:
		printf(" lineage=%llu spi=%08x local=%s peer=%s", (unsigned long long)m->b.sa_move.lineage.counter,
			m->b.sa_move.spi, addr_str(&m->b.sa_move.local, a), addr_str(&m->b.sa_move.peer, b));
		break;
	case MSG_SA_DEL:
		printf(" lineage=%llu dir=%s spi=%08x pair=%08x", (unsigned long long)m->b.sa_del.lineage.counter,
			m->b.sa_del.inbound ? "in" : "out", m->b.sa_del.spi, m->b.sa_del.pair);
		break;
	case MSG_FLOW_END:
		printf(" lineage=%llu", (unsigned long long)m->b.flow.lineage.counter);
		break;
	case MSG_STATS:
		for (uint32_t i = 0; i < m->b.stats.n; i++)
			if (m->b.stats.c[i].value)
				printf(" %s=%llu", m->b.stats.c[i].name, (unsigned long long)m->b.stats.c[i].value);
		break;
	default:
		break;
	}
	printf("\n");
}

static bool drain(const char *who, struct chan *c, unsigned index)
{
	static struct msg m;
	int n;

	while ((n = chan_recv(c, &m)) != 0) {
		if (n == -EPIPE)
			return false;
		if (n == -EBADMSG) {
			printf("%s%u BAD MESSAGE\n", who, index);
			continue;
		}
		show(who, index, &m);
	}
	return true;
}

static void command(char *line)
{
	struct msg_flow flow = { .lineage = last_lineage };
	struct msg_sa_expired expired = { .lineage = last_lineage, .spi = last_spi };
	struct msg_sa_move move = { .lineage = last_lineage, .spi = last_spi, .local = last_local };
	struct msg_stray stray = { .local = last_local, .peer = last_peer, .len = 40 };
	struct chan *e = &engine[spi_engine(last_spi) % ENGINES];
	unsigned long long lineage;
	unsigned port, spi;
	char ip[64];
	int err = 0, n;

	line[strcspn(line, "\n")] = '\0';
	printf("> %s\n", line);
	if (!strcmp(line, "stats"))
		err = chan_send(&manager, MSG_STATS_REQ, NULL, 0, -1);
	else if (!strcmp(line, "kill"))
		err = chan_send(e, MSG_FLOW_KILL, &flow, sizeof(flow), -1);
	else if (!strcmp(line, "expire"))
		err = chan_send(e, MSG_SA_EXPIRED, &expired, sizeof(expired), -1);
	else if ((n = sscanf(line, "move %63s %u %llu %x", ip, &port, &lineage, &spi)) >= 2 &&
		 addr_parse(ip, (uint16_t)port, &move.peer)) {
		if (n == 4) {
			move.lineage.counter = lineage;
			move.spi = spi;
		}
		err = chan_send(&engine[spi_engine(move.spi) % ENGINES], MSG_SA_MOVED, &move, sizeof(move), -1);
	}
	else if (!strcmp(line, "stray"))
		err = chan_send(e, MSG_STRAY, &stray, sizeof(stray), -1);
	else if (sscanf(line, "lose %u", &port) == 1 && port < ENGINES)
		chan_close(&engine[port]);
	else if (sscanf(line, "peer %u", &port) == 1 && port < ENGINES)
		give_peer(&engine[port], ROLE_ENGINE, port);
	else if (!strcmp(line, "shutdown"))
		err = chan_send(&parent, MSG_SHUTDOWN, NULL, 0, -1);
	else if (!strcmp(line, "quit"))
		chan_close(&parent);
	else
		printf("unknown command\n");
	if (err)
		printf("error %s\n", strerror(-err));
}

static void esp_read(unsigned i)
{
	uint8_t buf[2048];
	ssize_t n;

	while ((n = recv(esp[i], buf, sizeof(buf), 0)) >= 0) {
		struct rd r = rd_of(buf, (size_t)n);
		uint32_t spi = rd_u32(&r);

		if (esp_seen[i]++ < 3)
			printf("engine%u ESP spi=%08x len=%zd\n", i, spi, n);
	}
}

int main(int argc, char **argv)
{
	static struct msg_conf conf = { .conf = { .engines = ENGINES, .dpd_s = 60, .n_ike = 1 } };
	struct conf_ike *ike = &conf.conf.ike[0];
	const char *psk = "culvert", *uid = NULL, *gid = NULL, *childless = NULL;
	struct msg_sock sock = { 0 };
	bool verbose = false;
	char *args[14];
	int fd[2], c, s500, s4500, status, n = 0;
	pid_t pid;

	log_init("harness", false);
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);	/* what poll() does not see must not be read */
	signal(SIGPIPE, SIG_IGN);
	while ((c = getopt(argc, argv, "c:k:d:G:lu:g:v")) != -1) {
		switch (c) {
		case 'c':
			childless = optarg;
			break;
		case 'k':
			psk = optarg;
			break;
		case 'd':
			conf.conf.dpd_s = (uint16_t)atoi(optarg);
			break;
		case 'G':
			str_copy(ike->main_group, sizeof(ike->main_group), optarg);
			break;
		case 'l':
			conf.conf.proposals = CONF_PROP_LEGACY;
			break;
		case 'u':
			uid = optarg;
			break;
		case 'g':
			gid = optarg;
			break;
		case 'v':
			verbose = true;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc)
		return 2;
	if (!psk[0] || strlen(psk) >= sizeof(ike->psk))
		return 2;
	ike->psk_len = (uint16_t)strlen(psk);
	memcpy(ike->psk, psk, ike->psk_len);

	s500 = udp(500, false);
	s4500 = udp(4500, true);
	for (unsigned i = 0; i < ENGINES; i++)
		esp[i] = udp(4500, true);
	steer(s4500);

	if (chan_pair(fd))
		fatal("chan_pair");
	pid = fork();
	if (pid == 0) {
		dup2(fd[1], 3);
		args[n++] = argv[optind];
		if (verbose)
			args[n++] = (char *)"-v";
		if (childless) {
			args[n++] = (char *)"-c";
			args[n++] = (char *)(uintptr_t)childless;
		}
		if (uid && gid) {
			args[n++] = (char *)"-u";
			args[n++] = (char *)(uintptr_t)uid;
			args[n++] = (char *)"-g";
			args[n++] = (char *)(uintptr_t)gid;
		}
		args[n] = NULL;
		execv(argv[optind], args);
		_exit(127);
	}
	close(fd[1]);
	chan_init(&parent, fd[0], ROLE_PARENT, ROLE_IKED, 0);
	give(MSG_CONF, &conf, sizeof(conf), -1);
	sock.kind = SOCK_IKE_500;
	sock.at = addr_v4(0, 500);
	give(MSG_SOCK, &sock, sizeof(sock), s500);
	sock.kind = SOCK_IKE_4500;
	sock.at = addr_v4(0, 4500);
	give(MSG_SOCK, &sock, sizeof(sock), s4500);
	for (unsigned i = 0; i < ENGINES; i++)
		give_peer(&engine[i], ROLE_ENGINE, i);
	give_peer(&manager, ROLE_MANAGER, 0);
	give(MSG_START, NULL, 0, -1);

	for (;;) {
		struct pollfd p[] = {
			{ .fd = parent.fd, .events = POLLIN }, { .fd = engine[0].fd, .events = POLLIN },
			{ .fd = engine[1].fd, .events = POLLIN }, { .fd = manager.fd, .events = POLLIN },
			{ .fd = 0, .events = POLLIN }, { .fd = esp[0], .events = POLLIN },
			{ .fd = esp[1], .events = POLLIN },
		};
		char line[128];

		if (poll(p, N_ELEMENTS(p), -1) < 0)
			continue;
		for (unsigned i = 0; i < ENGINES; i++) {
			if (p[1 + i].revents && engine[i].fd >= 0 && !drain("engine", &engine[i], i))
				chan_close(&engine[i]);
			if (p[5 + i].revents)
				esp_read(i);
		}
		if (p[3].revents && !drain("manager", &manager, 0))
			chan_close(&manager);
		if ((p[0].revents && !drain("parent", &parent, 0)) || parent.fd < 0)
			break;
		if (p[4].revents) {
			if (!fgets(line, sizeof(line), stdin))
				break;
			command(line);
		}
	}
	chan_close(&parent);
	waitpid(pid, &status, 0);
	for (unsigned i = 0; i < ENGINES; i++)
		drain("engine", &engine[i], i);
	if (WIFEXITED(status))
		printf("iked exit=%d\n", WEXITSTATUS(status));
	else
		printf("iked signal=%d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
