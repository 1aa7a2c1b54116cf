/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The intel-ipsec-mb backend: AES-CBC and HMAC of up to 16 packets at once, in
 * parallel lanes of vector registers, each with its own key; so the packets of
 * many clients fill a batch as well as those of one.  GCM is fast packet by
 * packet.
 *
 * The library brings a build per vector extension; each is a manager here, and
 * crypto.c measures which is best for what.  Its newest is not always: the AVX2
 * build hashes slower than the SSE build, which has the SHA instructions.
 *
 * Whole bursts go in and come out done: no job stays in the library between
 * two calls.  The unchecked entry points are used, since esp.c has looked at
 * every length, and crypto_selftest() at every way in here.
 *
 * The library asks nothing of the kernel once a manager is made.
 */
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>
#include <string.h>

#include "esp/crypto.h"

_Static_assert(sizeof(struct gcm_key_data) <= GCM_SCHEDULE, "room for the library's GCM keys");
_Static_assert(ESP_BATCH <= IMB_MAX_BURST_SIZE, "a batch is one burst");

enum { GCM_SALT = 4, GCM_IV = 8, GCM_ICV = 16 };	/* RFC 4106 4, 3.1, 6 */

static IMB_MGR *mgrs[BACKENDS];
static IMB_JOB burst[ESP_BATCH];

/* What a build needs of the processor, and how it is set up. */
static const struct {
	uint64_t features;
	void (*init)(IMB_MGR *);
} builds[BACKENDS] = {
	[BACKEND_MB_SSE] = { IMB_CPUFLAGS_SSE, init_mb_mgr_sse },
#if IMB_VERSION_NUM < IMB_VERSION(2, 0, 0)
	[BACKEND_MB_AVX] = { IMB_CPUFLAGS_AVX, init_mb_mgr_avx },
#endif
	[BACKEND_MB_AVX2] = { IMB_CPUFLAGS_AVX2, init_mb_mgr_avx2 },
	[BACKEND_MB_AVX512] = { IMB_CPUFLAGS_AVX512, init_mb_mgr_avx512 },
};

bool mb_open(enum esp_backend_id id)
{
	IMB_MGR *m;

	if (mgrs[id])
		return true;
	if (!builds[id].init || !(m = alloc_mb_mgr(0)))
		return false;
	if ((m->features & builds[id].features) != builds[id].features) {
		free_mb_mgr(m);
		return false;
	}
	builds[id].init(m);
	/* The library's own known-answer tests among it. */
	if (imb_get_errno(m)) {
		free_mb_mgr(m);
		return false;
	}
	mgrs[id] = m;
	return true;
}

void mb_close(enum esp_backend_id id)
{
	if (mgrs[id])
		free_mb_mgr(mgrs[id]);
	mgrs[id] = NULL;
}

size_t mb_gcm_size(void)
{
	return sizeof(struct gcm_key_data);
}

const char *mb_version(void)
{
	return imb_get_version_str();
}

static bool key(enum esp_backend_id id, struct esp_key *k, const struct esp_keys *keys)
{
	uint8_t other[AES_SCHEDULE] __attribute__((aligned(16)));	/* of the other direction */
	struct gcm_key_data *g = (struct gcm_key_data *)k->gcm;
	IMB_MGR *m = mgrs[id];

	if (!m)
		return false;
	switch ((enum esp_op)k->cipher) {
	case OP_CBC_128_ENC:
		IMB_AES_KEYEXP_128(m, keys->enc_key, k->cbc.schedule, other);
		break;
	case OP_CBC_256_ENC:
		IMB_AES_KEYEXP_256(m, keys->enc_key, k->cbc.schedule, other);
		break;
	case OP_CBC_128_DEC:
		IMB_AES_KEYEXP_128(m, keys->enc_key, other, k->cbc.schedule);
		break;
	case OP_CBC_256_DEC:
		IMB_AES_KEYEXP_256(m, keys->enc_key, other, k->cbc.schedule);
		break;
	case OP_GCM_128_SEAL:
	case OP_GCM_128_OPEN:
		IMB_AES128_GCM_PRE(m, keys->enc_key, g);
		break;
	case OP_GCM_256_SEAL:
	case OP_GCM_256_OPEN:
		IMB_AES256_GCM_PRE(m, keys->enc_key, g);
		break;
	default:
		return false;
	}
	OPENSSL_cleanse(other, sizeof(other));
	k->gcm_backend = (uint8_t)id;
	return true;
}

static void cbc(IMB_MGR *m, enum esp_op op, struct esp_job *const *jobs, unsigned n)
{
	bool encrypt = op == OP_CBC_128_ENC || op == OP_CBC_256_ENC;
	IMB_KEY_SIZE_BYTES size = op == OP_CBC_128_ENC || op == OP_CBC_128_DEC ? IMB_KEY_128_BYTES : IMB_KEY_256_BYTES;

	for (unsigned i = 0; i < n; i++) {
		IMB_JOB *b = &burst[i];

		b->enc_keys = b->dec_keys = jobs[i]->key->cbc.schedule;
		b->src = b->dst = jobs[i]->data;
		b->cipher_start_src_offset_in_bytes = 0;
		b->msg_len_to_cipher_in_bytes = jobs[i]->len;
		b->iv = jobs[i]->iv;
		b->iv_len_in_bytes = ESP_BLOCK;
		b->status = IMB_STATUS_BEING_PROCESSED;
	}
	(void)IMB_SUBMIT_CIPHER_BURST_NOCHECK(m, burst, n, IMB_CIPHER_CBC,
		encrypt ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT, size);
	for (unsigned i = 0; i < n; i++)
		jobs[i]->ok = burst[i].status == IMB_STATUS_COMPLETED;
}

static void hash(IMB_MGR *m, enum esp_op op, struct esp_job *const *jobs, unsigned n)
{
	static const IMB_HASH_ALG algs[ESP_OPS] = {
		[OP_SHA1] = IMB_AUTH_HMAC_SHA_1, [OP_SHA256] = IMB_AUTH_HMAC_SHA_256,
		[OP_SHA384] = IMB_AUTH_HMAC_SHA_384, [OP_SHA512] = IMB_AUTH_HMAC_SHA_512,
	};

	for (unsigned i = 0; i < n; i++) {
		IMB_JOB *b = &burst[i];

		b->src = jobs[i]->data;
		b->hash_start_src_offset_in_bytes = 0;
		b->msg_len_to_hash_in_bytes = jobs[i]->len;
		b->auth_tag_output = jobs[i]->icv;
		b->auth_tag_output_len_in_bytes = hash_icv_len(op);
		b->u.HMAC._hashed_auth_key_xor_ipad = jobs[i]->key->cbc.inner;
		b->u.HMAC._hashed_auth_key_xor_opad = jobs[i]->key->cbc.outer;
		b->status = IMB_STATUS_BEING_PROCESSED;
	}
	(void)IMB_SUBMIT_HASH_BURST_NOCHECK(m, burst, n, algs[op]);
	for (unsigned i = 0; i < n; i++)
		jobs[i]->ok = burst[i].status == IMB_STATUS_COMPLETED;
}

static void gcm(IMB_MGR *m, enum esp_backend_id id, enum esp_op op, struct esp_job *j)
{
	const struct gcm_key_data *k = (const struct gcm_key_data *)j->key->gcm;
	uint8_t nonce[GCM_SALT + GCM_IV], icv[GCM_ICV];
	struct gcm_context_data ctx;

	/* The layout of a key differs from build to build. */
	j->authentic = false;
	j->ok = j->key->gcm_backend == id;
	if (!j->ok)
		return;
	memcpy(nonce, j->key->salt, GCM_SALT);
	memcpy(nonce + GCM_SALT, j->iv, GCM_IV);
	switch (op) {
	case OP_GCM_128_SEAL:
		IMB_AES128_GCM_ENC(m, k, &ctx, j->data, j->data, j->len, nonce, j->aad, ESP_HDR, j->icv, GCM_ICV);
		break;
	case OP_GCM_256_SEAL:
		IMB_AES256_GCM_ENC(m, k, &ctx, j->data, j->data, j->len, nonce, j->aad, ESP_HDR, j->icv, GCM_ICV);
		break;
	case OP_GCM_128_OPEN:
		IMB_AES128_GCM_DEC(m, k, &ctx, j->data, j->data, j->len, nonce, j->aad, ESP_HDR, icv, GCM_ICV);
		j->authentic = !CRYPTO_memcmp(icv, j->icv, GCM_ICV);
		break;
	default:
		IMB_AES256_GCM_DEC(m, k, &ctx, j->data, j->data, j->len, nonce, j->aad, ESP_HDR, icv, GCM_ICV);
		j->authentic = !CRYPTO_memcmp(icv, j->icv, GCM_ICV);
	}
}

static void run(enum esp_backend_id id, enum esp_op op, struct esp_job *const *jobs, unsigned n)
{
	IMB_MGR *m = mgrs[id];

	switch (op) {
	case OP_CBC_128_ENC:
	case OP_CBC_256_ENC:
	case OP_CBC_128_DEC:
	case OP_CBC_256_DEC:
		cbc(m, op, jobs, n);
		break;
	case OP_SHA1:
	case OP_SHA256:
	case OP_SHA384:
	case OP_SHA512:
		hash(m, op, jobs, n);
		break;
	default:
		for (unsigned i = 0; i < n; i++)
			gcm(m, id, op, jobs[i]);
	}
}

const struct esp_backend esp_backend_mb = {
	.lacks = 1u << OP_3DES_ENC | 1u << OP_3DES_DEC,
	.key = key,
	.run = run,
};
