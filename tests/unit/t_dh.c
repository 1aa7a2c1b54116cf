/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Diffie-Hellman: against the RFC's vectors, against OpenSSL's plain arithmetic, and what must not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <string.h>

#include "ike-plugin/dh.h"

static const struct {
	unsigned id;
	BIGNUM *(*prime)(BIGNUM *);	/* NULL = a curve */
	const char *curve;
	size_t len;			/* of the public value */
	unsigned bits_min;		/* RFC 7919 appendix A; below its sizes twice the strength */
} all[] = {
	{ DH_MODP_1024, BN_get_rfc2409_prime_1024, NULL, 128, 160 },
	{ DH_MODP_1536, BN_get_rfc3526_prime_1536, NULL, 192, 192 },
	{ DH_MODP_2048, BN_get_rfc3526_prime_2048, NULL, 256, 225 },
	{ DH_MODP_3072, BN_get_rfc3526_prime_3072, NULL, 384, 275 },
	{ DH_MODP_4096, BN_get_rfc3526_prime_4096, NULL, 512, 325 },
	{ DH_ECP_256, NULL, "P-256", 64, 256 },
	{ DH_ECP_384, NULL, "P-384", 96, 384 },
};

enum { ROUNDS = 8, FIELD_MAX = 512 };

static size_t unhex(const char *s, uint8_t *ret)
{
	BIGNUM *b = NULL;
	size_t n = strlen(s) / 2;

	assert_true(BN_hex2bn(&b, s) > 0);
	assert_int_equal(BN_bn2binpad(b, ret, (int)n), n);
	BN_free(b);
	return n;
}

/* RFC 5114 A.6, A.7: private a, private b, public a, public b, shared. */
static void t_vectors(void **st)
{
	static const struct {
		unsigned id;
		const char *v[5];
	} rows[] = {
		{ DH_ECP_256, {
		  "814264145f2f56f2e96a8e337a1284993faf432a5abce59e867b7291d507a3af",
		  "2ce1788ec197e096db95a200cc0ab26a19ce6bccad562b8eee1b593761cf7f41",
		  "2af502f3be8952f2c9b5a8d4160d09e97165be50bc42ae4a5e8d3b4ba83aeb15eb0faf4ca986c4d3"
		  "8681a0f9872d79d56795bd4bff6e6de3c0f5015ece5efd85",
		  "b120de4aa36492795346e8de6c2c8646ae06aaea279fa775b3ab0715f6ce51b09f1b7eece20d7b5e"
		  "d8ec685fa3f071d83727027092a8411385c34dde5708b2b6",
		  "dd0f5396219d1ea393310412d19a08f1f5811e9dc8ec8eea7f80d21c820c2788" } },
		{ DH_ECP_384, {
		  "d27335ea71664af244dd14e9fd1260715dfd8a7965571c48d709ee7a7962a156d706a90cbcb5df29"
		  "86f05feadb9376f1",
		  "52d1791fdb4b70f89c0f00d456c2f7023b6125262c36a7df1f80231121cce3d39be52e00c194a413"
		  "2c4a6c768bcd94d2",
		  "793148f1787634d5da4c6d9074417d05e057ab62f82054d10ee6b0403d6279547e6a8ea9d1fd7742"
		  "7d016fe27a8b8c66c6c41294331d23e6f480f4fb4cd40504c947392e94f4c3f06b8f398bb29e4236"
		  "8f7a685923de3b67baced214a1a1d128",
		  "5cd42ab9c41b5347f74b8d4efb708b3d5b36db65915359b44abc17647b6b9999789d72a84865ae2f"
		  "223f12b5a1abc120e171458feaa939aaa3a8bfac46b404bd8f6d5b348c0fa4d80ceca16356ca9332"
		  "40bde8723415a8ece035b0edf36755de",
		  "5ea1fc4af7256d2055981b110575e0a8cae53160137d904c59d926eb1b8456e427aa8a4540884c37"
		  "de159a58028abc0e" } },
	};

	for (unsigned i = 0; i < N_ELEMENTS(rows); i++) {
		const struct dh_group *g = dh_group(rows[i].id);
		uint8_t v[5][FIELD_MAX], secret[DH_SECRET_MAX];
		size_t n[5];

		for (unsigned k = 0; k < 5; k++)
			n[k] = unhex(rows[i].v[k], v[k]);
		for (unsigned side = 0; side < 2; side++) {
			struct dh_pair *p = dh_pair_of(g, v[side], n[side]);

			assert_non_null(p);
			assert_int_equal(p->n_public, n[2 + side]);
			assert_memory_equal(p->public, v[2 + side], n[2 + side]);
			assert_true(dh_agree(p, v[3 - side], n[3 - side], secret));
			assert_int_equal(dh_secret_len(g), n[4]);
			assert_memory_equal(secret, v[4], n[4]);
		}
	}
}

/* The other side by plain modular arithmetic: its public value, and the secret it comes to. */
static void peer_modp(unsigned i, const uint8_t *our, uint8_t *ret_public, uint8_t *ret_secret)
{
	BIGNUM *p = all[i].prime(NULL), *x = BN_new(), *y = BN_new(), *g = BN_new(), *r = BN_new();
	BN_CTX *ctx = BN_CTX_new();
	int n = (int)all[i].len;

	assert_true(BN_rand_range(x, p) && BN_set_word(g, 2));
	assert_true(BN_mod_exp(r, g, x, p, ctx));
	assert_int_equal(BN_bn2binpad(r, ret_public, n), n);
	assert_non_null(BN_bin2bn(our, n, y));
	assert_true(BN_mod_exp(r, y, x, p, ctx));
	assert_int_equal(BN_bn2binpad(r, ret_secret, n), n);
	BN_free(p);
	BN_free(x);
	BN_free(y);
	BN_free(g);
	BN_free(r);
	BN_CTX_free(ctx);
}

/* The same by EVP; its public values begin with 04. */
static void peer_curve(unsigned i, const uint8_t *our, uint8_t *ret_public, uint8_t *ret_secret)
{
	EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "EC", all[i].curve), *peer = EVP_PKEY_new();
	size_t n = all[i].len, len = n / 2;
	uint8_t enc[1 + FIELD_MAX] = { 4 };
	unsigned char *pub;
	EVP_PKEY_CTX *ctx;

	memcpy(enc + 1, our, n);
	assert_true(own && EVP_PKEY_copy_parameters(peer, own) && EVP_PKEY_set1_encoded_public_key(peer, enc, n + 1));
	assert_int_equal(EVP_PKEY_get1_encoded_public_key(own, &pub), n + 1);
	memcpy(ret_public, pub + 1, n);
	OPENSSL_free(pub);
	ctx = EVP_PKEY_CTX_new(own, NULL);
	assert_true(EVP_PKEY_derive_init(ctx) > 0 && EVP_PKEY_derive_set_peer(ctx, peer) > 0 &&
		    EVP_PKEY_derive(ctx, ret_secret, &len) > 0);
	assert_int_equal(len, n / 2);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(own);
	EVP_PKEY_free(peer);
}

static void t_openssl(void **st)
{
	for (unsigned i = 0; i < N_ELEMENTS(all); i++) {
		const struct dh_group *g = dh_group(all[i].id);

		assert_non_null(g);
		assert_int_equal(dh_group_id(g), all[i].id);
		assert_int_equal(dh_public_len(g), all[i].len);
		assert_int_equal(dh_secret_len(g), all[i].prime ? all[i].len : all[i].len / 2);
		for (unsigned k = 0; k < ROUNDS; k++) {
			uint8_t public[FIELD_MAX], want[FIELD_MAX], got[DH_SECRET_MAX];
			struct dh_pair *p = dh_pair_new(g);

			assert_non_null(p);
			assert_true(dh_public_ok(g, p->public, p->n_public));
			(all[i].prime ? peer_modp : peer_curve)(i, p->public, public, want);
			assert_true(dh_agree(p, public, all[i].len, got));
			assert_memory_equal(got, want, dh_secret_len(g));
		}
	}
	assert_null(dh_group(1));	/* modp768 */
	assert_null(dh_group(0));
}

/* Long enough, all of one length, and never the same. */
static void t_private(void **st)
{
	for (unsigned i = 0; i < N_ELEMENTS(all); i++) {
		const struct dh_group *g = dh_group(all[i].id);
		struct dh_pair *p[ROUNDS];

		assert_true(dh_private_bits(g) >= all[i].bits_min);
		for (unsigned k = 0; k < ROUNDS; k++) {
			assert_non_null(p[k] = dh_pair_new(g));
			assert_int_equal(p[k]->n_private * 8, dh_private_bits(g));
			if (all[i].prime)
				assert_true(p[k]->private[0] & 0x80);
			for (unsigned j = 0; j < k; j++) {
				assert_memory_not_equal(p[j]->private, p[k]->private, p[k]->n_private);
				assert_memory_not_equal(p[j]->public, p[k]->public, p[k]->n_public);
			}
		}
		for (unsigned k = 0; k < ROUNDS; k++)
			dh_pair_free(p[k]);
	}
}

static bool agrees(const struct dh_group *g, const uint8_t *public, size_t n)
{
	uint8_t secret[DH_SECRET_MAX];
	struct dh_pair *p = dh_pair_new(g);

	assert_non_null(p);
	return dh_agree(p, public, n, secret);
}

/* Both places refuse it. */
static void refused(const struct dh_group *g, const uint8_t *public, size_t n)
{
	assert_false(dh_public_ok(g, public, n));
	assert_false(agrees(g, public, n));
}

static void t_refused_modp(void **st)
{
	/* p + add, or add alone. */
	static const struct {
		bool of_p;
		int add;
		bool ok;
	} rows[] = {
		{ false, 0, false }, { false, 1, false }, { false, 2, true }, { true, -2, true }, { true, -1, false },
		{ true, 0, false }, { true, 1, false }, { true, 2, false },
	};

	for (unsigned i = 0; i < N_ELEMENTS(all) && all[i].prime; i++) {
		const struct dh_group *g = dh_group(all[i].id);
		uint8_t v[FIELD_MAX + 1] = { 0 };

		for (unsigned k = 0; k < N_ELEMENTS(rows); k++) {
			BIGNUM *b = BN_new();

			if (rows[k].of_p)
				all[i].prime(b);
			assert_true(rows[k].add < 0 ? BN_sub_word(b, (unsigned)-rows[k].add)
						    : BN_add_word(b, (unsigned)rows[k].add));
			assert_int_equal(BN_bn2binpad(b, v, (int)all[i].len), all[i].len);
			BN_free(b);
			if (!rows[k].ok)
				refused(g, v, all[i].len);
			else
				assert_true(dh_public_ok(g, v, all[i].len) && agrees(g, v, all[i].len));
		}
		memset(v, 0xff, sizeof(v));
		refused(g, v, all[i].len);
		/* A good value that is short of a zero, or has one too many. */
		memset(v, 0, sizeof(v));
		v[all[i].len - 2] = 3;
		refused(g, v, all[i].len - 1);
		refused(g, v, all[i].len + 1);
		refused(g, v, 0);
	}
}

static void t_refused_curve(void **st)
{
	for (unsigned i = 0; i < N_ELEMENTS(all); i++) {
		const struct dh_group *g = dh_group(all[i].id);
		size_t n = all[i].len, half = n / 2;
		uint8_t v[FIELD_MAX + 1] = { 0 };
		struct dh_pair *p;

		if (all[i].prime)
			continue;
		refused(g, v, n);		/* 0, 0 */
		p = dh_pair_new(g);
		memcpy(v, p->public, n);
		dh_pair_free(p);
		assert_true(dh_public_ok(g, v, n));
		refused(g, v, n - 1);
		refused(g, v, n + 1);
		v[n - 1] ^= 1;			/* beside the curve */
		refused(g, v, n);
		v[n - 1] ^= 1;
		v[0] ^= 1;
		refused(g, v, n);
		memset(v, 0xff, half);		/* X is no field element */
		refused(g, v, n);
	}
}

/* A point whose X would do modulo p, but is written as X + p. */
static void t_not_reduced(void **st)
{
	/* P-256 has points with a small X: 5 is one. */
	static const char p_256[] = "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF";
	const struct dh_group *g = dh_group(DH_ECP_256);
	static const uint8_t five[] = { 5 };
	uint8_t v[64], y[64];
	BIGNUM *x = NULL, *p = NULL, *yy = BN_new(), *b = NULL, *t = BN_new();
	BN_CTX *ctx = BN_CTX_new();

	/* y^2 = x^3 - 3x + b */
	assert_true(BN_hex2bn(&p, p_256) > 0);
	assert_true(BN_hex2bn(&b, "5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B") > 0);
	assert_non_null(x = BN_bin2bn(five, 1, NULL));
	assert_true(BN_set_word(t, 5 * 5 * 5 - 3 * 5) && BN_mod_add(t, t, b, p, ctx) && BN_mod_sqrt(yy, t, p, ctx));
	assert_int_equal(BN_bn2binpad(yy, y, 32), 32);
	assert_int_equal(BN_bn2binpad(x, v, 32), 32);
	memcpy(v + 32, y, 32);
	assert_true(dh_public_ok(g, v, sizeof(v)));
	assert_true(BN_add(x, x, p));
	assert_int_equal(BN_bn2binpad(x, v, 32), 32);
	refused(g, v, sizeof(v));
	BN_free(x);
	BN_free(p);
	BN_free(yy);
	BN_free(b);
	BN_free(t);
	BN_CTX_free(ctx);
}

/* RFC 2409 5: the secret keeps its leading zeros. */
static void t_leading_zeros(void **st)
{
	static const uint8_t one[] = { 1 };

	for (unsigned i = 0; i < N_ELEMENTS(all) && all[i].prime; i++) {
		const struct dh_group *g = dh_group(all[i].id);
		uint8_t peer[FIELD_MAX] = { 0 }, secret[DH_SECRET_MAX], want[FIELD_MAX] = { 0 };
		struct dh_pair *p = dh_pair_of(g, one, sizeof(one));

		want[all[i].len - 1] = 2;
		assert_memory_equal(p->public, want, all[i].len);
		peer[all[i].len - 1] = want[all[i].len - 1] = 3;
		memset(secret, 0xee, sizeof(secret));
		assert_true(dh_agree(p, peer, all[i].len, secret));
		assert_memory_equal(secret, want, all[i].len);
	}
}

/* Made ahead: each comes out once, a bounded number, only for groups that somebody uses. */
static void t_pool(void **st)
{
	static struct dh_pool pool;
	static struct dh_pair *out[DH_POOL_MAX];
	const struct dh_group *a = dh_group(DH_ECP_256), *b = dh_group(DH_MODP_1024);
	struct dh_pair *p;

	dh_pool_init(&pool);
	assert_null(dh_pool_wants(&pool));
	dh_pool_put(&pool, dh_pair_new(b));	/* nobody wants it: freed */
	assert_null(dh_pool_take(&pool, a));
	assert_ptr_equal(dh_pool_wants(&pool), a);
	assert_null(dh_pool_take(&pool, b));
	dh_pool_put(&pool, dh_pair_new(a));
	assert_ptr_equal(dh_pool_wants(&pool), b);	/* it has fewer */
	assert_null(dh_pool_take(&pool, b));
	p = dh_pool_take(&pool, a);
	assert_non_null(p);
	assert_ptr_equal(p->group, a);
	assert_null(dh_pool_take(&pool, a));
	dh_pair_free(p);

	for (unsigned i = 0; i < DH_POOL_MAX + 3; i++) {
		dh_pool_put(&pool, dh_pair_new(a));
		/* Full is full, for one group and for all. */
		assert_ptr_equal(dh_pool_wants(&pool), b);
	}
	for (unsigned i = 0; i < DH_POOL_MAX; i++) {
		assert_non_null(out[i] = dh_pool_take(&pool, a));
		for (unsigned k = 0; k < i; k++) {
			assert_ptr_not_equal(out[i], out[k]);
			assert_memory_not_equal(out[i]->public, out[k]->public, out[i]->n_public);
		}
	}
	assert_null(dh_pool_take(&pool, a));
	for (unsigned i = 0; i < DH_POOL_MAX; i++)
		dh_pair_free(out[i]);
	for (unsigned i = 0; i < 3; i++)
		dh_pool_put(&pool, dh_pair_new(b));
	dh_pool_free(&pool);
	assert_null(dh_pool_take(&pool, b));
	dh_pool_free(&pool);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_vectors), cmocka_unit_test(t_openssl), cmocka_unit_test(t_private),
		cmocka_unit_test(t_refused_modp), cmocka_unit_test(t_refused_curve), cmocka_unit_test(t_not_reduced),
		cmocka_unit_test(t_leading_zeros), cmocka_unit_test(t_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
