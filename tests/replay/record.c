/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * record: the same server for a real client, on a UDP socket and in real time;
 * writes what both say as an .rpl file.  For plain L2TP without IPsec, in a
 * namespace: see tests/replay/README.md.
 *
 *	record ADDRESS PORT SECONDS [auth METHOD] [secret SECRET] [mppe BITS] >FILE
 *
 * It ends after SECONDS, or a second and a half after the client's last tunnel went.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/util.h"
#include "l2tpd/msg.h"
#include "lns.h"
#include "note.h"

static struct lns lns;
static struct note_vars vars;
static struct sockaddr_in peer;
static int sock;
static uint64_t quiet_ms;		/* the last line's time */
static uint64_t end_ms;

static uint64_t clock_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void line(char what, const char *text)
{
	note_print(what, text);
	fflush(stdout);
}

static void on_send(void *ctx, uint16_t port, const uint8_t *p, size_t n)
{
	static char text[NOTE_TEXT];

	if (sendto(sock, p, n, 0, (struct sockaddr *)&peer, sizeof(peer)) < 0)
		perror("sendto");
	note_text(text, p, n, true, &vars);
	line('<', text);
}

static void on_event(void *ctx, const char *what)
{
	line('=', what);
	if (!strncmp(what, "tunnel gone", 11))
		end_ms = MIN(end_ms, clock_ms() + 1500);
}

static void pass(uint64_t now)
{
	if (now > lns.now_ms) {
		uint64_t due = lns_deadline(&lns);

		/* A wait is worth a line where something happens by itself, or time passed at all. */
		if (due <= now && now - quiet_ms) {
			printf("wait %llu\n", (unsigned long long)(MAX(due, lns.now_ms) - quiet_ms));
			quiet_ms = MAX(due, lns.now_ms);
			lns_wait(&lns, quiet_ms - lns.now_ms);
			pass(now);
			return;
		}
		lns_wait(&lns, now - lns.now_ms);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	bool begun = false;

	if (argc < 4 || inet_pton(AF_INET, argv[1], &at.sin_addr) != 1 || !lns_begin()) {
		fprintf(stderr, "usage: record ADDRESS PORT SECONDS [KEY VALUE]...\n");
		return 2;
	}
	at.sin_port = htons((uint16_t)atoi(argv[2]));
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0 || bind(sock, (struct sockaddr *)&at, sizeof(at)) < 0) {
		perror(argv[1]);
		return 1;
	}
	lns_init(&lns, 1);
	lns.send = on_send;
	lns.event = on_event;
	lns.dns[0] = 0x09090909;
	printf("set dns1 9.9.9.9\n");
	for (int i = 4; i + 1 < argc; i += 2) {
		const char *key = argv[i], *value = argv[i + 1];

		if (!strcmp(key, "auth"))
			lns.ppp.auth = !strcmp(value, "pap") ? PPP_AUTH_PAP : !strcmp(value, "chap") ? PPP_AUTH_CHAP_MD5 :
				!strcmp(value, "eap-md5") ? PPP_AUTH_EAP_MD5 : !strcmp(value, "eap") ? PPP_AUTH_EAP_MSCHAPV2 :
				PPP_AUTH_MSCHAPV2;
		if (!strcmp(key, "secret")) {
			lns.l2tp.secret_len = (uint8_t)MIN(strlen(value), sizeof(lns.l2tp.secret));
			memcpy(lns.l2tp.secret, value, lns.l2tp.secret_len);
		}
		if (!strcmp(key, "ipv6"))
			lns.ppp.ipv6 = true;
		if (!strcmp(key, "mppe")) {
			lns.ppp.mppe = PPP_MPPE_REQUIRED;
			lns.ppp.mppe_bits = (uint32_t)strtoul(value, NULL, 16);
			lns.ppp.mppe_stateful = !(lns.ppp.mppe_bits & MPPE_STATELESS);
			printf("set mppe required %s%s\n", value, lns.ppp.mppe_stateful ? " stateful" : "");
			continue;
		}
		printf("set %s %s\n", key, value);
	}
	lns.now_ms = quiet_ms = clock_ms();
	end_ms = lns.now_ms + strtoul(argv[3], NULL, 10) * 1000;
	for (;;) {
		uint64_t now = clock_ms(), due = MIN(lns_deadline(&lns), end_ms);
		struct pollfd pfd = { .fd = sock, .events = POLLIN };
		static char text[NOTE_TEXT];
		uint8_t buf[NOTE_MAX];
		socklen_t len = sizeof(peer);
		ssize_t n;

		pass(now);
		if (now >= end_ms)
			break;
		if (poll(&pfd, 1, due > now ? (int)(due - now) : 0) <= 0)
			continue;
		n = recvfrom(sock, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &len);
		if (n < 0 || (!begun && !l2tp_is_control(rd_of(buf, (size_t)n))))
			continue;	/* a call before ours is not over yet */
		if (!begun)
			lns.now_ms = quiet_ms = clock_ms();
		begun = true;
		pass(clock_ms());
		if (lns.now_ms - quiet_ms >= 1) {
			printf("wait %llu\n", (unsigned long long)(lns.now_ms - quiet_ms));
			quiet_ms = lns.now_ms;
		}
		note_text(text, buf, (size_t)n, false, &vars);
		line('>', text);
		lns_input(&lns, buf, (size_t)n, ntohs(peer.sin_port));
	}
	lns_free(&lns);
	return 0;
}
