/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which backend does what: looked for, tested, measured, chosen. */
#include "esp/crypto.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	TEST_JOBS = 32,			/* twice the lanes there are */
	TEST_LEN = 1424,		/* what a 1400-byte packet's ciphertext has */
	TEST_ROOM = 1536,
	TUNE_JOBS = CHOICE_MAX,		/* measured at once */
	TUNE_TRIES = 3,			/* the best one counts: a disturbed one is only slower */
};

static const char *const ops[ESP_OPS] = {
	[OP_CBC_128_ENC] = "aes-128/out", [OP_CBC_256_ENC] = "aes-256/out",
	[OP_CBC_128_DEC] = "aes-128/in", [OP_CBC_256_DEC] = "aes-256/in",
	[OP_SHA1] = "hmac-sha1", [OP_SHA256] = "hmac-sha2-256",
	[OP_SHA384] = "hmac-sha2-384", [OP_SHA512] = "hmac-sha2-512",
	[OP_GCM_128_SEAL] = "aes-128-gcm/out", [OP_GCM_256_SEAL] = "aes-256-gcm/out",
	[OP_GCM_128_OPEN] = "aes-128-gcm/in", [OP_GCM_256_OPEN] = "aes-256-gcm/in",
	[OP_3DES_ENC] = "3des/out", [OP_3DES_DEC] = "3des/in",
};

static const struct {
	const char *name;
	const struct esp_backend *b;
} backends[BACKENDS] = {
#ifdef BENCH_NULL_CRYPTO
	[BACKEND_OPENSSL] = { "nothing", &esp_backend_null },
#else
	[BACKEND_OPENSSL] = { "openssl", &esp_backend_openssl },
#endif
#ifdef USE_IPSEC_MB
	[BACKEND_MB_SSE] = { "sse", &esp_backend_mb },
	[BACKEND_MB_AVX] = { "avx", &esp_backend_mb },
	[BACKEND_MB_AVX2] = { "avx2", &esp_backend_mb },
	[BACKEND_MB_AVX512] = { "avx512", &esp_backend_mb },
#endif
};

struct crypto_choice crypto_choice[ESP_OPS];	/* all zero: OpenSSL */
static bool there[BACKENDS] = { [BACKEND_OPENSSL] = true };
static const char *wrong[BACKENDS];		/* what the self-test did not like */
struct esp_crypto_counts crypto_counts;

const char *crypto_name(enum esp_backend_id id)
{
	return id < BACKENDS && backends[id].name ? backends[id].name : "?";
}

/* ---- keys ---- */

static bool has(const struct esp_backend *b, enum esp_op op)
{
	return !(b->lacks & 1u << op);
}

static bool is_gcm(enum esp_op op)
{
	return op >= OP_GCM_128_SEAL && op <= OP_GCM_256_OPEN;
}

static enum esp_op cipher_op(const struct esp_keys *keys, bool inbound)
{
	switch ((enum esp_enc_alg)keys->enc) {
	case ESP_AES_CBC_128:
		return inbound ? OP_CBC_128_DEC : OP_CBC_128_ENC;
	case ESP_AES_CBC_256:
		return inbound ? OP_CBC_256_DEC : OP_CBC_256_ENC;
	case ESP_AES_GCM_128:
		return inbound ? OP_GCM_128_OPEN : OP_GCM_128_SEAL;
	case ESP_AES_GCM_256:
		return inbound ? OP_GCM_256_OPEN : OP_GCM_256_SEAL;
	case ESP_3DES_CBC:
		return inbound ? OP_3DES_DEC : OP_3DES_ENC;
	}
	return OP_NONE;
}

static enum esp_op hash_op(const struct esp_keys *keys)
{
	switch ((enum esp_auth_alg)keys->auth) {
	case ESP_HMAC_SHA1_96:
		return OP_SHA1;
	case ESP_HMAC_SHA2_256_128:
		return OP_SHA256;
	case ESP_HMAC_SHA2_384_192:
		return OP_SHA384;
	case ESP_HMAC_SHA2_512_256:
		return OP_SHA512;
	case ESP_AUTH_IN_ENC:
		break;
	}
	return OP_NONE;
}

static size_t key_size(enum esp_op cipher, bool mb)
{
	size_t n;

	if (is_gcm(cipher))
		n = offsetof(struct esp_key, gcm) + (mb ? mb_gcm_size() : 0);
	else if (!mb)
		n = offsetof(struct esp_key, cbc.schedule);
	else
		n = offsetof(struct esp_key, cbc.schedule) +
		    (cipher == OP_CBC_128_ENC || cipher == OP_CBC_128_DEC ? 11 * 16 : 15 * 16);
	return (n + 63) / 64 * 64;
}

void crypto_key_free(struct esp_key *k)
{
	if (!k)
		return;
	crypto_openssl_key_free(k);
	OPENSSL_cleanse(k, k->size);
	free(k);
}

/* With a schedule for OpenSSL, for another backend (BACKEND_OPENSSL: none), or for both. */
static int key_make(const struct esp_keys *keys, bool inbound, bool openssl, const struct esp_backend *b,
	enum esp_backend_id id, struct esp_key **ret)
{
	enum esp_op cipher = cipher_op(keys, inbound);
	size_t size = key_size(cipher, id != BACKEND_OPENSSL);
	struct esp_key *k = aligned_alloc(64, size);

	if (!k)
		return -ENOMEM;
	memset(k, 0, size);
	k->size = (uint16_t)size;
	k->cipher = (uint8_t)cipher;
	k->hash = (uint8_t)hash_op(keys);
	if (is_gcm(cipher))
		memcpy(k->salt, keys->enc_key + keys->enc_len - sizeof(k->salt), sizeof(k->salt));
	if ((k->hash != OP_NONE && !crypto_hmac_key(k, keys)) ||
	    (openssl && !backends[BACKEND_OPENSSL].b->key(BACKEND_OPENSSL, k, keys)) ||
	    (id != BACKEND_OPENSSL && !b->key(id, k, keys))) {
		crypto_key_free(k);
		return -EINVAL;
	}
	*ret = k;
	return 0;
}

int crypto_key_new(const struct esp_keys *keys, bool inbound, struct esp_key **ret)
{
	const struct crypto_choice *c = &crypto_choice[cipher_op(keys, inbound)];
	enum esp_backend_id mb = BACKEND_OPENSSL;
	bool openssl = false;

	for (unsigned n = 1; n <= CHOICE_MAX; n++) {
		openssl |= c->by[n] == BACKEND_OPENSSL;
		/* An AES key schedule of one build is good for all of them. */
		if (c->by[n] != BACKEND_OPENSSL)
			mb = c->by[n];
	}
	return key_make(keys, inbound, openssl, backends[mb].b, mb, ret);
}

/* ---- batches ---- */

static void run_group(enum esp_op op, struct esp_job *const *jobs, unsigned n)
{
	enum esp_backend_id id = crypto_choice[op].by[MIN(n, (unsigned)CHOICE_MAX)];

	if (id == BACKEND_OPENSSL)
		crypto_counts.openssl += n;
	else
		crypto_counts.ipsec_mb += n;
	backends[id].b->run(id, op, jobs, n);
}

void crypto_run(struct esp_job *jobs, unsigned n)
{
	struct esp_job *group[ESP_BATCH];
	unsigned todo = 0;

	for (unsigned i = 0; i < n; i++)
		todo |= 1u << jobs[i].op;
	for (unsigned op = 0; todo; op++, todo >>= 1) {
		unsigned k = 0;

		if (!(todo & 1))
			continue;
		for (unsigned i = 0; i < n; i++)
			if (jobs[i].op == op)
				group[k++] = &jobs[i];
		run_group((enum esp_op)op, group, k);
	}
}

/* ---- test and measurement ---- */

/* Jobs of one operation over memory of their own. */
struct bench {
	enum esp_op op;
	struct esp_key *key;
	struct esp_job job[TEST_JOBS], *jobs[TEST_JOBS];
	uint8_t head[TEST_JOBS][ESP_HDR + ESP_IV_MAX];
	uint8_t data[TEST_JOBS][TEST_ROOM];
	uint8_t icv[TEST_JOBS][ESP_ICV_MAX];
};

/* Sealing and opening get the same keys. */
static bool bench_key(struct bench *t, enum esp_op op, const struct esp_backend *b, enum esp_backend_id id)
{
	static const struct {
		uint8_t enc, len;
		bool inbound;
	} of[ESP_OPS] = {
		[OP_CBC_128_ENC] = { ESP_AES_CBC_128, 16, false }, [OP_CBC_256_ENC] = { ESP_AES_CBC_256, 32, false },
		[OP_CBC_128_DEC] = { ESP_AES_CBC_128, 16, true }, [OP_CBC_256_DEC] = { ESP_AES_CBC_256, 32, true },
		[OP_SHA1] = { ESP_AES_CBC_128, 16, false }, [OP_SHA256] = { ESP_AES_CBC_128, 16, false },
		[OP_SHA384] = { ESP_AES_CBC_128, 16, false }, [OP_SHA512] = { ESP_AES_CBC_128, 16, false },
		[OP_GCM_128_SEAL] = { ESP_AES_GCM_128, 20, false }, [OP_GCM_256_SEAL] = { ESP_AES_GCM_256, 36, false },
		[OP_GCM_128_OPEN] = { ESP_AES_GCM_128, 20, true }, [OP_GCM_256_OPEN] = { ESP_AES_GCM_256, 36, true },
		[OP_3DES_ENC] = { ESP_3DES_CBC, 24, false }, [OP_3DES_DEC] = { ESP_3DES_CBC, 24, true },
	};
	static const struct {
		uint8_t auth, len;
	} hash[ESP_OPS] = {
		[OP_SHA256] = { ESP_HMAC_SHA2_256_128, 32 }, [OP_SHA384] = { ESP_HMAC_SHA2_384_192, 48 },
		[OP_SHA512] = { ESP_HMAC_SHA2_512_256, 64 },
	};
	uint8_t enc[36], auth[64];
	struct esp_keys keys = {
		.enc = of[op].enc, .enc_key = enc, .enc_len = of[op].len,
		.auth = hash[op].auth ? hash[op].auth : ESP_HMAC_SHA1_96, .auth_key = auth,
		.auth_len = hash[op].auth ? hash[op].len : 20,
	};

	if (is_gcm(op))
		keys.auth = ESP_AUTH_IN_ENC;
	for (size_t i = 0; i < sizeof(enc); i++)
		enc[i] = (uint8_t)(7 * i + 1);
	for (size_t i = 0; i < sizeof(auth); i++)
		auth[i] = (uint8_t)(11 * i + 2);
	crypto_key_free(t->key);
	t->key = NULL;
	t->op = op;
	return !key_make(&keys, of[op].inbound, id == BACKEND_OPENSSL, b, id, &t->key);
}

/* The same bytes each time. Lengths: TEST_LEN, or all kinds of. */
static void bench_fill(struct bench *t, bool lengths)
{
	uint8_t some[256];

	for (unsigned i = 0; i < TEST_JOBS; i++) {
		size_t len = TEST_LEN;

		if (lengths)
			len = (i + 1) * ESP_BLOCK + (i % 3) * 400;
		if (lengths && is_gcm(t->op))
			len -= i % ESP_BLOCK;
		for (size_t k = 0; k < sizeof(t->head[i]); k++)
			t->head[i][k] = (uint8_t)(i + 3 * k);
		/* Other bytes in each, at little cost: from another place on. */
		for (size_t k = 0; k < sizeof(some); k++)
			some[k] = (uint8_t)(k + i);
		for (size_t k = 0; k < TEST_ROOM; k += sizeof(some))
			memcpy(t->data[i] + k, some, sizeof(some));
		memset(t->icv[i], 0x5a, sizeof(t->icv[i]));
		t->job[i] = (struct esp_job){
			.key = t->key, .op = (uint8_t)t->op, .iv = t->head[i] + ESP_HDR, .aad = t->head[i],
			.data = t->data[i], .len = len, .icv = t->icv[i],
		};
		t->jobs[i] = &t->job[i];
	}
}

/* What is to be opened is what OpenSSL sealed, but some of it damaged. */
static void bench_seal(struct bench *to, const struct bench *sealer)
{
	memcpy(to->data, sealer->data, sizeof(to->data));
	memcpy(to->icv, sealer->icv, sizeof(to->icv));
	for (unsigned i = 0; i < TEST_JOBS; i += 5)
		to->icv[i][i % 16] ^= 0x10;
	for (unsigned i = 2; i < TEST_JOBS; i += 5)
		to->data[i][to->job[i].len - 1] ^= 0x01;
}

/* The first n, in groups of step. */
static void bench_run(struct bench *t, const struct esp_backend *b, enum esp_backend_id id, unsigned n,
	unsigned step)
{
	for (unsigned i = 0; i < n; i += step)
		b->run(id, t->op, t->jobs + i, MIN(step, n - i));
}

static bool bench_same(const struct bench *a, const struct bench *b)
{
	for (unsigned i = 0; i < TEST_JOBS; i++) {
		if (!a->job[i].ok || !b->job[i].ok || a->job[i].authentic != b->job[i].authentic)
			return false;
		/* What is not authentic may look as it likes. */
		if ((a->op != OP_GCM_128_OPEN && a->op != OP_GCM_256_OPEN) || a->job[i].authentic)
			if (memcmp(a->data[i], b->data[i], TEST_ROOM))
				return false;
	}
	return !memcmp(a->icv, b->icv, sizeof(a->icv));
}

/* Three times the memory of a bench: OpenSSL's, the other's, and who sealed. */
static bool op_right(struct bench t[static 3], enum esp_op op, const struct esp_backend *b,
	enum esp_backend_id id)
{
	static const uint8_t steps[] = { 1, 3, 8, TEST_JOBS };
	bool open = op == OP_GCM_128_OPEN || op == OP_GCM_256_OPEN;
	enum esp_op seal = op == OP_GCM_128_OPEN ? OP_GCM_128_SEAL : OP_GCM_256_SEAL;

	if (!bench_key(&t[0], op, &esp_backend_openssl, BACKEND_OPENSSL) || !bench_key(&t[1], op, b, id) ||
	    (open && !bench_key(&t[2], seal, &esp_backend_openssl, BACKEND_OPENSSL)))
		return false;
	bench_fill(&t[0], true);
	if (open) {
		bench_fill(&t[2], true);
		bench_run(&t[2], &esp_backend_openssl, BACKEND_OPENSSL, TEST_JOBS, 1);
		bench_seal(&t[0], &t[2]);
	}
	bench_run(&t[0], &esp_backend_openssl, BACKEND_OPENSSL, TEST_JOBS, 1);
	for (unsigned i = 0; i < N_ELEMENTS(steps); i++) {
		bench_fill(&t[1], true);
		if (open)
			bench_seal(&t[1], &t[2]);
		bench_run(&t[1], b, id, TEST_JOBS, steps[i]);
		if (!bench_same(&t[0], &t[1]))
			return false;
	}
	return true;
}

const char *crypto_selftest(const struct esp_backend *b, enum esp_backend_id id)
{
	struct bench *t = calloc(3, sizeof(*t));
	const char *ret = NULL;

	if (!t)
		return "out of memory";
	for (unsigned op = 0; op < ESP_OPS && !ret; op++)
		if (has(b, (enum esp_op)op) && !op_right(t, (enum esp_op)op, b, id))
			ret = ops[op];
	for (unsigned i = 0; i < 3; i++)
		crypto_key_free(t[i].key);
	free(t);
	return ret;
}

/* ---- choices ---- */

/* From n packets on, this one, if it can. */
static void choose(enum esp_op op, unsigned n, enum esp_backend_id id)
{
	if (!has(backends[id].b, op))
		id = BACKEND_OPENSSL;
	for (; n <= CHOICE_MAX; n++)
		crypto_choice[op].by[n] = (uint8_t)id;
}

/* What most machines like: the widest build, but few packets and hashes above all in OpenSSL. */
static void choose_usual(void)
{
	static const enum esp_backend_id worst_first[] = {
		BACKEND_MB_AVX2, BACKEND_MB_AVX, BACKEND_MB_SSE, BACKEND_MB_AVX512,
	};
	static const uint8_t from[ESP_OPS] = {
		[OP_CBC_128_ENC] = 2, [OP_CBC_256_ENC] = 2, [OP_CBC_128_DEC] = 1, [OP_CBC_256_DEC] = 1,
		[OP_SHA1] = 6, [OP_SHA256] = 8, [OP_SHA384] = 3, [OP_SHA512] = 3,
		[OP_GCM_128_SEAL] = 1, [OP_GCM_256_SEAL] = 1, [OP_GCM_128_OPEN] = 1, [OP_GCM_256_OPEN] = 1,
	};
	enum esp_backend_id id = BACKEND_OPENSSL;

	for (unsigned i = 0; i < N_ELEMENTS(worst_first); i++)
		if (there[worst_first[i]])
			id = worst_first[i];
	for (unsigned op = 0; op < ESP_OPS; op++)
		choose((enum esp_op)op, from[op], id);
}

void crypto_init(void)
{
	static bool done;

	if (done)
		return;
	done = true;
	for (unsigned id = BACKEND_OPENSSL + 1; id < BACKENDS; id++) {
		if (!mb_open((enum esp_backend_id)id))
			continue;
		wrong[id] = crypto_selftest(backends[id].b, (enum esp_backend_id)id);
		if (wrong[id])
			mb_close((enum esp_backend_id)id);
		else
			there[id] = true;
	}
	choose_usual();
}

bool crypto_force(enum esp_backend_id id)
{
	if (id >= BACKENDS || !there[id])
		return false;
	for (unsigned op = 0; op < ESP_OPS; op++)
		choose((enum esp_op)op, 0, id);
	return true;
}

static bool any_mb(void)
{
	bool any = false;

	for (unsigned id = BACKEND_OPENSSL + 1; id < BACKENDS; id++)
		any |= there[id];
	return any;
}

/* More than one that is there can do it. */
static bool contested(enum esp_op op)
{
	bool any = false;

	for (unsigned id = BACKEND_OPENSSL + 1; id < BACKENDS; id++)
		any |= there[id] && has(backends[id].b, op);
	return any;
}

/* From so many packets on, each: a choice is made for these. */
static const uint8_t tune_sizes[] = { 1, 2, 4, 8, CHOICE_MAX };

/* ns of TUNE_JOBS jobs in groups of each size; 0: not measured yet. */
struct cost {
	uint64_t ns[N_ELEMENTS(tune_sizes)];
};

static void op_measure(struct bench *t, enum esp_op op, enum esp_backend_id id, uint64_t (*cpu_ns)(void),
	struct cost *ret)
{
	uint64_t ns = 0;

	if (!bench_key(t, op, backends[id].b, id))
		return;
	bench_fill(t, false);
	for (unsigned i = 0; i < N_ELEMENTS(tune_sizes); i++) {
		/* What is done one by one costs the same in any group. */
		if (i == 0 || (id != BACKEND_OPENSSL && !is_gcm(op))) {
			ns = cpu_ns();
			bench_run(t, backends[id].b, id, TUNE_JOBS, tune_sizes[i]);
			ns = cpu_ns() - ns + 1;
		}
		if (!ret->ns[i] || ns < ret->ns[i])
			ret->ns[i] = ns;
	}
}

static void op_choose(enum esp_op op, const struct cost cost[static BACKENDS])
{
	enum esp_backend_id by[N_ELEMENTS(tune_sizes)];

	for (unsigned i = N_ELEMENTS(tune_sizes); i-- > 0;) {
		enum esp_backend_id best = BACKEND_OPENSSL;

		for (unsigned id = 0; id < BACKENDS; id++)
			if (cost[id].ns[i] && cost[id].ns[i] < cost[best].ns[i])
				best = (enum esp_backend_id)id;
		/* As good as the best is whoever has the next size: several builds share code. */
		if (i + 1 < N_ELEMENTS(tune_sizes) && cost[by[i + 1]].ns[i] < cost[best].ns[i] / 16 * 17)
			best = by[i + 1];
		by[i] = best;
	}
	for (unsigned i = 0; i < N_ELEMENTS(tune_sizes); i++)
		choose(op, tune_sizes[i], by[i]);
}

void crypto_tune(uint64_t (*cpu_ns)(void), bool keep)
{
	struct cost cost[ESP_OPS][BACKENDS] = { 0 };
	bool used[BACKENDS] = { false };
	struct bench *t;

	if (!any_mb() || !(t = calloc(1, sizeof(*t))))
		return;
	/* The tries of one thing lie apart, so that what disturbs the machine meets few of them. */
	for (unsigned i = 0; i < TUNE_TRIES; i++)
		for (unsigned op = 0; op < ESP_OPS; op++)
			for (unsigned id = 0; id < BACKENDS; id++)
				if (there[id] && contested((enum esp_op)op))
					op_measure(t, (enum esp_op)op, (enum esp_backend_id)id, cpu_ns, &cost[op][id]);
	for (unsigned op = 0; op < ESP_OPS; op++)
		if (contested((enum esp_op)op))
			op_choose((enum esp_op)op, cost[op]);
	crypto_key_free(t->key);
	free(t);
	for (unsigned op = 0; op < ESP_OPS; op++)
		for (unsigned n = 1; n <= CHOICE_MAX; n++)
			used[crypto_choice[op].by[n]] = true;
	for (unsigned id = BACKEND_OPENSSL + 1; id < BACKENDS; id++)
		if (!keep && there[id] && !used[id]) {
			mb_close((enum esp_backend_id)id);
			there[id] = false;
		}
}

static PRINTF(3, 4) void text_add(char *text, size_t cap, const char *fmt, ...)
{
	size_t n = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + n, cap - n, fmt, ap);
	va_end(ap);
}

const char *crypto_text(void)
{
	static char text[1000];
	bool any = any_mb();

	text[0] = '\0';
	if (any)
		text_add(text, sizeof(text), "ipsec-mb-%s, by packets at once:", mb_version());
	else if (*mb_version())
		text_add(text, sizeof(text), "openssl, ipsec-mb-%s is of no use here", mb_version());
	else
		text_add(text, sizeof(text), "%s, built without ipsec-mb", crypto_name(BACKEND_OPENSSL));
	for (unsigned op = 0; any && op < ESP_OPS; op++) {
		if (!contested((enum esp_op)op))
			continue;
		text_add(text, sizeof(text), " %s=", ops[op]);
		for (unsigned k = 1; k <= CHOICE_MAX; k++) {
			const uint8_t *by = crypto_choice[op].by;

			if (k == 1)
				text_add(text, sizeof(text), "%s", crypto_name(by[k]));
			else if (by[k] != by[k - 1])
				text_add(text, sizeof(text), ",%s:%u", crypto_name(by[k]), k);
		}
	}
	for (unsigned id = 0; id < BACKENDS; id++)
		if (wrong[id])
			text_add(text, sizeof(text), "; %s gives wrong results in %s",
				crypto_name((enum esp_backend_id)id), wrong[id]);
	return text;
}
