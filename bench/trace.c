/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * trace: the data path with nothing else, over the loopback and socket pairs:
 * what the regression test counts instructions and system calls of.
 *
 *	trace in|out|in-single|out-single [shared] [ROUNDS]
 *
 * A round is 4 clients with one train (in) or one super-packet (out) of 44
 * packets each, or with one packet each.  What makes and takes the packets
 * runs between the rounds; with callgrind, --toggle-collect=turn counts the
 * engine's part only.  The result is one line of what the engine counted.
 */
#include <time.h>

#include "esp/crypto.h"
#include "../tests/unit/data_rig.h"

enum { SEGS = 44, STEP = 1348 };

static const struct pkt_spec tcp = {
	.proto = 6, .ttl = 64, .flags = 0x10, .tcp_words = 3, .frag = 0x4000, .sport = 5000, .window = 501, .ack = 77,
	.payload = STEP,
};

static uint8_t buf[GSO_MAX];
static uint64_t spent_ns;

void turn(void) __attribute__((noinline));

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* One round of the loop, or more while it has something to do. */
static void engine_loop(void)
{
	uint64_t before;

	do {
		before = rig.e.count.rx_packets + rig.e.count.tx_packets;
		RIG_MUST(event_base_loop(rig.e.base, EVLOOP_NONBLOCK | EVLOOP_ONCE) >= 0);
	} while (before != rig.e.count.rx_packets + rig.e.count.tx_packets);
}

void turn(void)
{
	uint64_t began = cpu_ns();

	engine_loop();
	spent_ns += cpu_ns() - began;
}

static void drain(int fd)
{
	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		;
}

/* The first round only makes everything ready. */
static void round_in(unsigned segs, bool shared, uint64_t *seed, bool first)
{
	static struct rig_train t[RIG_CLIENTS];

	for (unsigned c = 0; c < RIG_CLIENTS; c++) {
		struct pkt_spec s = tcp;

		t[c].n = 0;
		t[c].used = 0;
		s.src = RIG_IP + c;
		for (unsigned i = 0; i < segs; i++, s.id++, s.seq += STEP)
			rig_train_add(&t[c], &rig.client[c], buf, pkt_make(&s, buf, seed));
		rig_train_send(&t[c], &rig.client[c]);
	}
	if (first)
		engine_loop();
	else
		turn();
	for (unsigned c = 0; c < RIG_CLIENTS; c++)
		drain(shared ? rig.shared : rig.client[c].tun);
}

static void round_out(unsigned segs, bool shared, uint64_t *seed, bool first)
{
	struct vnet_hdr v = { 0 };

	if (segs > 1)
		v = (struct vnet_hdr){ .flags = VNET_F_NEEDS_CSUM, .gso_type = VNET_GSO_TCPV4, .hdr_len = 52,
			.gso_size = STEP, .csum_start = 20, .csum_offset = 16 };
	for (unsigned c = 0; c < RIG_CLIENTS; c++) {
		struct pkt_spec s = tcp;
		size_t n;

		s.payload = segs * (size_t)STEP;
		n = pkt_make(&s, buf, seed);
		put32(buf + 16, RIG_IP + c);
		ref_finish(buf, n);
		RIG_MUST(rig_tun_put(shared ? rig.shared : rig.client[c].tun, &v, buf, n));
	}
	if (first)
		engine_loop();
	else
		turn();
	for (unsigned c = 0; c < RIG_CLIENTS; c++)
		drain(rig.client[c].udp);
}

int main(int argc, char **argv)
{
	bool in = argc > 1 && !strncmp(argv[1], "in", 2), shared = argc > 2 && !strcmp(argv[2], "shared");
	unsigned segs = argc > 1 && strstr(argv[1], "-single") ? 1 : SEGS, rounds = 100, packets;
	uint64_t seed = 1;

	if (argc < 2 || (!in && strncmp(argv[1], "out", 3)) || (argc > 2 && !shared && argc > 3)) {
		fprintf(stderr, "usage: trace in|out|in-single|out-single [shared] [ROUNDS]\n");
		return 2;
	}
	if (argc > 2 + shared)
		rounds = (unsigned)strtoul(argv[2 + shared], NULL, 10);
	/* The same ciphers on every machine. */
	if (getenv("TRACE_OPENSSL"))
		RIG_MUST(esp_init() && crypto_force(BACKEND_OPENSSL));
	rig_make(shared, ESP_AUTH_HMAC_SHA1_96);
	for (unsigned i = 0; i <= rounds; i++) {
		if (in)
			round_in(segs, shared, &seed, i == 0);
		else
			round_out(segs, shared, &seed, i == 0);
	}
	packets = (rounds + 1) * segs * RIG_CLIENTS;
	/* Every packet must have made its way, or it is not this path that was measured. */
	for (unsigned c = 0; c < RIG_CLIENTS; c++)
		packets -= (unsigned)(in ? rig.client[c].row.in_packets : rig.client[c].row.out_packets);
	printf("packets=%u lost=%u ns_per_packet=%.0f tun_reads=%llu tun_writes=%llu tx_sends=%llu\n",
		rounds * segs * RIG_CLIENTS, packets, (double)spent_ns / (rounds * segs * RIG_CLIENTS),
		(unsigned long long)rig.e.count.tun_reads, (unsigned long long)rig.e.count.tun_writes,
		(unsigned long long)rig.e.count.tx_sends);
	rig_free();
	return packets != 0;
}
