/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ESP costs by itself: CPU time per packet, for each suite, direction,
 * batch size and backend, and how many times faster that is than OpenSSL
 * packet by packet.
 *
 *   esp_bench [-l PAYLOAD-BYTES]… [-s SAs] [-t ms per cell]
 *
 * One row per suite, direction and backend; "chosen" is what the server does:
 * the best of them for each size, as measured at its start.  Cells are
 * interleaved in rounds and the median counts, so that a busy machine disturbs
 * all of them alike.
 */
#include <err.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "esp/crypto.h"
#include "esp/esp.h"
#include "esp/sa.h"

enum { PKTS = 256, ROOM = 2048, ROUNDS = 7, SAS_MAX = 256, CHOSEN = BACKENDS, COLS = 8 };

static const unsigned sizes[COLS] = { 1, 2, 4, 8, 16, 32, 64, 256 };

static const struct suite {
	const char *name;
	uint8_t enc, auth, enc_len, auth_len;
} suites[] = {
	{ "aes256-sha1", ESP_AES_CBC_256, ESP_HMAC_SHA1_96, 32, 20 },
	{ "aes256-sha256", ESP_AES_CBC_256, ESP_HMAC_SHA2_256_128, 32, 32 },
	{ "aes128-sha1", ESP_AES_CBC_128, ESP_HMAC_SHA1_96, 16, 20 },
	{ "aes128-sha256", ESP_AES_CBC_128, ESP_HMAC_SHA2_256_128, 16, 32 },
	{ "aes128gcm16", ESP_AES_GCM_128, ESP_AUTH_IN_ENC, 20, 0 },
	{ "aes256gcm16", ESP_AES_GCM_256, ESP_AUTH_IN_ENC, 36, 0 },
	{ "aes256-sha384", ESP_AES_CBC_256, ESP_HMAC_SHA2_384_192, 32, 48 },
	{ "aes256-sha512", ESP_AES_CBC_256, ESP_HMAC_SHA2_512_256, 32, 64 },
	{ "3des-sha1", ESP_3DES_CBC, ESP_HMAC_SHA1_96, 24, 20 },
};

static uint8_t room[PKTS][ROOM], sealed[PKTS][ROOM];
static struct esp_pkt pkts[PKTS];
static size_t sealed_len;

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void sas_make(const struct suite *s, bool inbound, unsigned n, struct esp_sa **ret)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t key[40 + 64];
		struct esp_keys k = {
			.enc = s->enc, .auth = s->auth, .enc_key = key, .enc_len = s->enc_len,
			.auth_key = key + 40, .auth_len = s->auth_len,
		};

		for (unsigned b = 0; b < sizeof(key); b++)
			key[b] = (uint8_t)(i * 7 + b);
		if (esp_sa_new(0x100 + i, &k, inbound, &ret[i]) < 0)
			errx(1, "%s: no SA", s->name);
	}
}

static void pkts_set(struct esp_sa *const *sas, unsigned n_sas, size_t len, bool from_sealed)
{
	for (unsigned i = 0; i < PKTS; i++) {
		pkts[i] = (struct esp_pkt){
			.sa = sas[i % n_sas], .p = room[i], .len = from_sealed ? sealed_len : len, .next_header = 17,
		};
		if (from_sealed)
			memcpy(room[i], sealed[i], sealed_len);
	}
}

/* ns of all packets, in groups of n. */
static uint64_t once(bool inbound, unsigned n)
{
	uint64_t at = cpu_ns();

	for (unsigned i = 0; i < PKTS; i += n)
		(inbound ? esp_open : esp_seal)(pkts + i, n);
	at = cpu_ns() - at;
	for (unsigned i = 0; i < PKTS; i++)
		if (pkts[i].verdict != ESP_OK)
			errx(1, "packet %u: %s", i, esp_verdict_str(pkts[i].verdict));
	return at;
}

/* Median ns per packet. */
static double cell(struct esp_sa *const *sas, unsigned n_sas, bool inbound, size_t len, unsigned n, unsigned ms)
{
	double ns[ROUNDS];

	for (unsigned r = 0; r < ROUNDS; r++) {
		uint64_t used = 0, times = 0;

		while (used < (uint64_t)ms * 1000000 / ROUNDS) {
			pkts_set(sas, n_sas, len, inbound);
			for (unsigned i = 0; inbound && i < n_sas; i++)
				memset(sas[i]->replay, 0, sizeof(sas[i]->replay[0]));
			used += once(inbound, n);
			times++;
		}
		ns[r] = (double)used / (double)(times * PKTS);
	}
	qsort(ns, ROUNDS, sizeof(ns[0]), by_value);
	return ns[ROUNDS / 2];
}

static void choose(unsigned b, const struct crypto_choice chosen[static ESP_OPS])
{
	if (b == CHOSEN)
		memcpy(crypto_choice, chosen, sizeof(crypto_choice));
	else
		(void)crypto_force((enum esp_backend_id)b);
}

static void table(size_t len, unsigned n_sas, unsigned ms)
{
	static struct crypto_choice chosen[ESP_OPS];
	struct esp_sa *out[SAS_MAX], *in[SAS_MAX];

	memcpy(chosen, crypto_choice, sizeof(chosen));
	printf("\n%zu bytes, %u SA%s: ns of CPU per packet\n", len, n_sas, n_sas == 1 ? "" : "s");
	printf("%-14s%-5s%-9s", "suite", "", "backend");
	for (unsigned c = 0; c < COLS; c++)
		printf("%6u", sizes[c]);
	printf("   best/openssl   Gbit/s\n");
	for (unsigned s = 0; s < N_ELEMENTS(suites); s++) {
		choose(BACKEND_OPENSSL, chosen);
		sas_make(&suites[s], false, n_sas, out);
		pkts_set(out, n_sas, len, false);
		(void)once(false, PKTS);
		sealed_len = pkts[0].len;
		memcpy(sealed, room, sizeof(sealed));
		for (unsigned i = 0; i < n_sas; i++)
			esp_sa_free(out[i]);
		for (unsigned dir = 0; dir < 2; dir++) {
			double single = 0;

			for (unsigned b = 0; b <= CHOSEN; b++) {
				double best = 0;

				if (b != CHOSEN && !crypto_force((enum esp_backend_id)b))
					continue;
				choose(b, chosen);
				sas_make(&suites[s], dir, n_sas, in);
				printf("%-14s%-5s%-9s", suites[s].name, dir ? "open" : "seal",
					b == CHOSEN ? "chosen" : crypto_name((enum esp_backend_id)b));
				for (unsigned c = 0; c < COLS; c++) {
					double ns = cell(in, n_sas, dir, len, sizes[c], ms);

					if (b == BACKEND_OPENSSL && c == 0)
						single = ns;
					if (best == 0 || ns < best)
						best = ns;
					printf("%6.0f", ns);
				}
				printf("%12.2fx %9.1f\n", single / best, (double)len * 8 / best);
				fflush(stdout);
				for (unsigned i = 0; i < n_sas; i++)
					esp_sa_free(in[i]);
			}
		}
	}
	memcpy(crypto_choice, chosen, sizeof(chosen));
}

/* What an SA takes, with the schedules that the choice asks for. */
static void memory(void)
{
	struct esp_sa *sas[SAS_MAX];

	printf("bytes per SA, in and out:");
	for (unsigned s = 0; s < N_ELEMENTS(suites); s++) {
		size_t used[2];

		for (unsigned dir = 0; dir < 2; dir++) {
			used[dir] = mallinfo2().uordblks;
			sas_make(&suites[s], !dir, SAS_MAX, sas);
			used[dir] = (mallinfo2().uordblks - used[dir]) / SAS_MAX;
			for (unsigned i = 0; i < SAS_MAX; i++)
				esp_sa_free(sas[i]);
		}
		printf(" %s %zu %zu", suites[s].name, used[0], used[1]);
	}
	printf("\n");
}

int main(int argc, char **argv)
{
	size_t lens[8];
	unsigned n_lens = 0, n_sas = 1, ms = 20;
	uint64_t at;
	int opt;

	while ((opt = getopt(argc, argv, "l:s:t:")) != -1) {
		long v = atol(optarg ? optarg : "");

		if (opt == 'l' && n_lens < N_ELEMENTS(lens) && v >= 0 && v <= ROOM - 100)
			lens[n_lens++] = (size_t)v;
		else if (opt == 's' && v >= 1 && v <= SAS_MAX)
			n_sas = (unsigned)v;
		else if (opt == 't' && v >= 1 && v <= 10000)
			ms = (unsigned)v;
		else
			errx(2, "usage: esp_bench [-l payload-bytes]... [-s SAs] [-t ms per cell]");
	}
	if (n_lens == 0)
		lens[n_lens++] = 1400;
	at = cpu_ns();
	if (!esp_init())
		errx(1, "the crypto library lacks something");
	printf("look and self-test: %.1f ms\n", (double)(cpu_ns() - at) / 1e6);
	at = cpu_ns();
	crypto_tune(cpu_ns, true);
	printf("measuring: %.1f ms\nchosen: %s\n", (double)(cpu_ns() - at) / 1e6, esp_crypto_text());
	memory();
	for (unsigned i = 0; i < n_lens; i++)
		table(lens[i], n_sas, ms);
	return 0;
}
