/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a login takes to be judged: of a user who is not there, with a wrong password, of
 * a disabled user.  A thousand of each by each method, one of each in turn, by the auth
 * process's own code; prints "METHOD CASE METRIC VALUE", times in microseconds.
 *
 *   bench/auth_time [N]
 *
 * ks_p is the two-sample Kolmogorov-Smirnov test against the user who is not there: how often two
 * samples of the same distribution are as different as these by chance.
 */
#include <crypt.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "l2tpd/auth.h"
#include "l2tpd/conf.h"
#include "ppp/mschap.h"

enum { USERS = 1000, CASES = 3, N_MAX = 100000 };

static const char *const cases[CASES] = { "unknown", "wrong", "disabled" };
static const char *const names[CASES] = { "nobody0", "present", "removed" };

static const struct {
	const char *name;
	uint32_t method;
	bool crypt;
} methods[] = {
	{ "mschapv2", AUTH_MSCHAPV2, false }, { "chap", AUTH_CHAP_MD5, false }, { "pap", AUTH_PAP, false },
	{ "pap-crypt", AUTH_PAP, true },
};

static const char text[] =
	"ike psk \"tail-gunner-osprey-lilac\"\n"
	"tunnel T protocol l2tp {\n\tauthentication-method pap chap mschapv2\n}\n"
	"ipcp I {\n\tpool-address 10.0.0.0/24\n}\n"
	"interface pppx0 address 10.1.0.1 ipcp I\n"
	"authentication LOCAL type local {\n\tusers-file \"/users\"\n}\n"
	"bind tunnel from T authenticated by LOCAL to pppx0\n";

static void die(const char *what)
{
	fprintf(stderr, "auth_time: %s\n", what);
	exit(1);
}

static struct auth *auth_of(bool with_crypt)
{
	static struct conf conf;
	struct conf_msgs m = { 0 };
	struct crypt_data data = { 0 };
	struct auth *a;
	int fd = memfd_create("users", MFD_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(dup(fd), "w");

	if (!f || conf_parse("bench", text, strlen(text), CONF_NO_FILES, &conf, &m) < 0 || auth_new(&conf, &a) < 0)
		die("no configuration, or no MD4 in OpenSSL");
	conf_msgs_free(&m);
	for (unsigned i = 0; i < USERS; i++)
		fprintf(f, "user%u:password=tail-gunner-%u:\n", i, i);
	fprintf(f, "present:password=tail-gunner-osprey:\nremoved:disabled:password=tail-gunner-osprey:\n");
	if (with_crypt)
		fprintf(f, "hashed:crypt=%s:\n", crypt_r("tail-gunner-osprey", "$y$j75$xy/3cwQK1AhmtSnwo5GBi0", &data));
	fclose(f);
	if (auth_load_users(a, 0, fd) < 0)
		die("no users");
	close(fd);
	return a;
}

/* As a client makes it that has this password. */
static void request(struct msg_judge *j, uint32_t method, const char *user, const char *password)
{
	struct msg_auth_req *r = &j->req;
	uint8_t hash[MSCHAP_HASH];

	*j = (struct msg_judge){ .req = { .method = method, .ident = 7, .peer = addr_v4(0xc0000201, 4500) } };
	r->user_len = (uint16_t)strlen(user);
	memcpy(r->user, user, r->user_len);
	r->challenge_len = method == AUTH_PAP ? 0 : 16;
	random_bytes(r->challenge, r->challenge_len);
	if (method == AUTH_PAP) {
		r->response_len = (uint8_t)strlen(password);
		memcpy(r->response, password, r->response_len);
	} else if (method == AUTH_CHAP_MD5) {
		r->response_len = CHAP_MD5_VALUE;
		if (!chap_md5(r->ident, password, strlen(password), rd_of(r->challenge, 16), r->response))
			die("no MD5");
	} else {
		r->response_len = MSCHAP_VALUE;
		random_bytes(r->response, 16);
		if (!mschap_nt_hash(password, strlen(password), hash) ||
		    !mschap_nt_response(r->challenge, r->response, rd_of(r->user, r->user_len), hash, r->response + 24))
			die("no MD4");
	}
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Both sorted, n of each. */
static double ks_p(const double *a, const double *b, unsigned n)
{
	double d = 0, lambda, p = 0;
	unsigned i = 0, k = 0;

	while (i < n && k < n) {
		double v = fmin(a[i], b[k]);

		while (i < n && a[i] <= v)
			i++;
		while (k < n && b[k] <= v)
			k++;
		d = fmax(d, fabs((double)i - (double)k) / n);
	}
	lambda = (sqrt(n / 2.0) + 0.12 + 0.11 / sqrt(n / 2.0)) * d;
	if (lambda < 0.2)
		return 1;
	for (int j = 1; j <= 100; j++)
		p += 2 * (j % 2 ? 1 : -1) * exp(-2 * j * j * lambda * lambda);
	return fmin(fmax(p, 0), 1);
}

int main(int argc, char **argv)
{
	static double t[CASES][N_MAX];
	unsigned n = argc > 1 ? (unsigned)atoi(argv[1]) : 1000;
	uint64_t ms = 1;

	if (n < 10 || n > N_MAX)
		die("from 10 to 100000 times");
	log_max = -1;
	for (unsigned m = 0; m < N_ELEMENTS(methods); m++) {
		struct auth *a = auth_of(methods[m].crypt);

		/* The first tenth is warming up. */
		for (unsigned i = 0; i < n + n / 10; i++) {
			for (unsigned c = 0; c < CASES; c++) {
				struct msg_judge j;
				struct msg_judged r;
				double begin;

				/* The disabled one has the right password, or the others would know it from his. */
				request(&j, methods[m].method, names[(i + c) % CASES],
					(i + c) % CASES == 2 ? "tail-gunner-osprey" : "tail-gunner-osprex");
				/* What failed before is forgotten: everybody is judged. */
				(void)auth_tick(a, ms += 7200000, 1);
				begin = now_us();
				auth_judge(a, &j, &r);
				if (i >= n / 10)
					t[(i + c) % CASES][i - n / 10] = now_us() - begin;
				if (r.verdict != VERDICT_DENY || strstr(r.why, "to wait"))
					die("somebody was let in, or held back");
			}
		}
		for (unsigned c = 0; c < CASES; c++)
			qsort(t[c], n, sizeof(t[c][0]), by_value);
		for (unsigned c = 0; c < CASES; c++) {
			static const unsigned quantiles[] = { 1, 10, 50, 90, 99 };

			for (unsigned q = 0; q < N_ELEMENTS(quantiles); q++)
				printf("%s %s p%u_us %.3f\n", methods[m].name, cases[c], quantiles[q],
					t[c][(n - 1) * quantiles[q] / 100]);
			printf("%s %s ks_p %.4f\n", methods[m].name, cases[c], ks_p(t[0], t[c], n));
		}
		auth_free(a);
	}
	return 0;
}
