/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/dh.h"

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct dh_group {
	unsigned id;
	unsigned private_bits;
	BIGNUM *(*prime)(BIGNUM *);	/* NULL = a curve */
	int nid;
	/* Set up once. */
	size_t len;			/* octets of a field element */
	BIGNUM *p, *p_minus_1, *g;
	BN_MONT_CTX *mont;
	EC_GROUP *curve;
	const BIGNUM *order;
};

/*
 * Strengths by NIST SP 800-57 part 1: 80 bits for 1024, 112 for 2048, 128 for
 * 3072.  RFC 7919 has 225, 275 and 325 bits for 2048, 3072 and 4096; these are
 * no less.
 */
static struct dh_group groups[DH_GROUPS] = {
	{ .id = DH_MODP_1024, .private_bits = 256, .prime = BN_get_rfc2409_prime_1024 },
	{ .id = DH_MODP_1536, .private_bits = 256, .prime = BN_get_rfc3526_prime_1536 },
	{ .id = DH_MODP_2048, .private_bits = 256, .prime = BN_get_rfc3526_prime_2048 },
	{ .id = DH_MODP_3072, .private_bits = 288, .prime = BN_get_rfc3526_prime_3072 },
	{ .id = DH_MODP_4096, .private_bits = 352, .prime = BN_get_rfc3526_prime_4096 },
	{ .id = DH_ECP_256, .private_bits = 256, .nid = NID_X9_62_prime256v1 },
	{ .id = DH_ECP_384, .private_bits = 384, .nid = NID_secp384r1 },
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static bool setup_modp(struct dh_group *g, BN_CTX *ctx)
{
	g->p = g->prime(NULL);
	g->p_minus_1 = g->p ? BN_dup(g->p) : NULL;
	g->g = BN_new();
	g->mont = BN_MONT_CTX_new();
	if (!g->p_minus_1 || !g->g || !g->mont)
		return false;
	g->len = (size_t)BN_num_bytes(g->p);
	return BN_sub_word(g->p_minus_1, 1) && BN_set_word(g->g, 2) && BN_MONT_CTX_set(g->mont, g->p, ctx);
}

static bool setup_curve(struct dh_group *g, BN_CTX *ctx)
{
	g->curve = EC_GROUP_new_by_curve_name(g->nid);
	g->p = BN_new();
	if (!g->curve || !g->p || !EC_GROUP_get_curve(g->curve, g->p, NULL, NULL, ctx))
		return false;
	g->order = EC_GROUP_get0_order(g->curve);
	g->len = (size_t)BN_num_bytes(g->p);
	return true;
}

/* Until the process ends. */
static void setup(void)
{
	BN_CTX *ctx = BN_CTX_new();

	for (unsigned i = 0; ctx && i < DH_GROUPS; i++) {
		struct dh_group *g = &groups[i];

		if (!(g->prime ? setup_modp(g, ctx) : setup_curve(g, ctx)))
			g->len = 0;		/* not available */
	}
	BN_CTX_free(ctx);
}

const struct dh_group *dh_group(unsigned id)
{
	pthread_once(&once, setup);
	for (unsigned i = 0; i < DH_GROUPS; i++)
		if (groups[i].id == id)
			return groups[i].len ? &groups[i] : NULL;
	return NULL;
}

unsigned dh_group_id(const struct dh_group *g)
{
	return g->id;
}

size_t dh_public_len(const struct dh_group *g)
{
	return g->prime ? g->len : 2 * g->len;
}

size_t dh_secret_len(const struct dh_group *g)
{
	return g->len;
}

unsigned dh_private_bits(const struct dh_group *g)
{
	return g->private_bits;
}

/* ---- arithmetic ---- */

/* base ^ x mod p, in time that does not depend on x. */
static bool power(const struct dh_group *g, const BIGNUM *base, const BIGNUM *x, uint8_t *ret, BN_CTX *ctx)
{
	BIGNUM *r = BN_CTX_get(ctx);

	return r && BN_mod_exp_mont_consttime(r, base, x, g->p, ctx, g->mont) &&
	       BN_bn2binpad(r, ret, (int)g->len) == (int)g->len;
}

/* The coordinates of x times a point, or of x times the generator where at is NULL; y may be NULL. */
static bool multiple(const struct dh_group *g, const EC_POINT *at, const BIGNUM *x, uint8_t *ret_x, uint8_t *ret_y,
	BN_CTX *ctx)
{
	BIGNUM *bx = BN_CTX_get(ctx), *by = BN_CTX_get(ctx);
	EC_POINT *r = EC_POINT_new(g->curve);
	bool ok = by && r &&
		  (at ? EC_POINT_mul(g->curve, r, NULL, at, x, ctx) : EC_POINT_mul(g->curve, r, x, NULL, NULL, ctx)) &&
		  EC_POINT_get_affine_coordinates(g->curve, r, bx, by, ctx) &&
		  BN_bn2binpad(bx, ret_x, (int)g->len) == (int)g->len &&
		  (!ret_y || BN_bn2binpad(by, ret_y, (int)g->len) == (int)g->len);

	EC_POINT_clear_free(r);
	return ok;
}

static bool modp_ok(const struct dh_group *g, const BIGNUM *y)
{
	return BN_cmp(y, BN_value_one()) > 0 && BN_cmp(y, g->p_minus_1) < 0;
}

/* The point X | Y, or NULL: not on the curve, or not written as it must be. */
static EC_POINT *point(const struct dh_group *g, const uint8_t *xy, BN_CTX *ctx)
{
	BIGNUM *x = BN_CTX_get(ctx), *y = BN_CTX_get(ctx);
	EC_POINT *p = EC_POINT_new(g->curve);

	/* It looks whether they fit the curve's equation, but takes them modulo p. */
	if (p && y && BN_bin2bn(xy, (int)g->len, x) && BN_bin2bn(xy + g->len, (int)g->len, y) && BN_cmp(x, g->p) < 0 &&
	    BN_cmp(y, g->p) < 0 && EC_POINT_set_affine_coordinates(g->curve, p, x, y, ctx))
		return p;
	EC_POINT_free(p);
	return NULL;
}

/* ---- pairs ---- */

/* A pair without its private value. */
static struct dh_pair *pair_alloc(const struct dh_group *g)
{
	size_t n = dh_public_len(g);
	struct dh_pair *p = calloc(1, sizeof(*p) + n);

	if (!p)
		return NULL;
	list_init(&p->link);
	p->group = g;
	p->n_public = n;
	return p;
}

void dh_pair_free(struct dh_pair *p)
{
	if (!p)
		return;
	list_del(&p->link);
	OPENSSL_cleanse(p->private, sizeof(p->private));
	free(p);
}

/* The public value of x, which is kept as the private one. */
static struct dh_pair *pair_make(const struct dh_group *g, const BIGNUM *x, BN_CTX *ctx)
{
	struct dh_pair *p = pair_alloc(g);
	bool ok;

	if (!p)
		return NULL;
	p->n_private = (g->private_bits + 7) / 8;
	ok = BN_bn2binpad(x, p->private, (int)p->n_private) == (int)p->n_private &&
	     (g->prime ? power(g, g->g, x, p->public, ctx) : multiple(g, NULL, x, p->public, p->public + g->len, ctx));
	if (ok)
		return p;
	dh_pair_free(p);
	return NULL;
}

/* 0 < x < order; or any x of the group's length whose top bit is set, so that all take the same time. */
static bool private_random(const struct dh_group *g, BIGNUM *x)
{
	if (g->prime)
		return BN_priv_rand(x, (int)g->private_bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY);
	do {
		if (!BN_priv_rand_range(x, g->order))
			return false;
	} while (BN_is_zero(x));
	return true;
}

struct dh_pair *dh_pair_new(const struct dh_group *g)
{
	BN_CTX *ctx = BN_CTX_new();
	struct dh_pair *p = NULL;
	BIGNUM *x;

	if (!ctx)
		return NULL;
	BN_CTX_start(ctx);
	x = BN_CTX_get(ctx);
	if (x) {
		BN_set_flags(x, BN_FLG_CONSTTIME);
		if (private_random(g, x))
			p = pair_make(g, x, ctx);
		BN_clear(x);
	}
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return p;
}

struct dh_pair *dh_pair_of(const struct dh_group *g, const uint8_t *private, size_t n)
{
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *x = BN_bin2bn(private, (int)n, NULL);
	struct dh_pair *p = NULL;

	if (ctx && x) {
		BN_CTX_start(ctx);
		p = pair_make(g, x, ctx);
		BN_CTX_end(ctx);
	}
	BN_clear_free(x);
	BN_CTX_free(ctx);
	return p;
}

/* ---- the exchange ---- */
bool dh_public_ok(const struct dh_group *g, const uint8_t *public, size_t n)
{
	BN_CTX *ctx;
	bool ok = false;

	if (n != dh_public_len(g) || !(ctx = BN_CTX_new()))
		return false;
	BN_CTX_start(ctx);
	if (g->prime) {
		BIGNUM *y = BN_CTX_get(ctx);

		ok = y && BN_bin2bn(public, (int)n, y) && modp_ok(g, y);
	} else {
		EC_POINT *at = point(g, public, ctx);

		ok = at != NULL;
		EC_POINT_free(at);
	}
	BN_CTX_end(ctx);
	BN_CTX_free(ctx);
	return ok;
}

bool dh_agree(struct dh_pair *p, const uint8_t *public, size_t n, uint8_t *ret)
{
	const struct dh_group *g = p->group;
	BN_CTX *ctx = n == dh_public_len(g) ? BN_CTX_new() : NULL;
	BIGNUM *x = NULL, *y;
	EC_POINT *at = NULL;
	bool ok = false;

	if (!ctx)
		goto out;
	BN_CTX_start(ctx);
	x = BN_CTX_get(ctx);
	y = BN_CTX_get(ctx);
	if (!y)
		goto out;
	BN_set_flags(x, BN_FLG_CONSTTIME);
	if (!BN_bin2bn(p->private, (int)p->n_private, x))
		goto out;
	if (g->prime)
		ok = BN_bin2bn(public, (int)n, y) && modp_ok(g, y) && power(g, y, x, ret, ctx);
	else
		ok = (at = point(g, public, ctx)) && multiple(g, at, x, ret, NULL, ctx);
out:
	if (x)
		BN_clear(x);
	if (ctx)
		BN_CTX_end(ctx);
	EC_POINT_free(at);
	BN_CTX_free(ctx);		/* clears what it lent */
	dh_pair_free(p);
	return ok;
}

/* ---- pairs made ahead ---- */
void dh_pool_init(struct dh_pool *pool)
{
	memset(pool, 0, sizeof(*pool));
}

void dh_pool_free(struct dh_pool *pool)
{
	for (unsigned i = 0; i < pool->n_groups; i++)
		LIST_EACH(&pool->of[i].pairs, e)
			dh_pair_free(CONTAINER_OF(e, struct dh_pair, link));
	dh_pool_init(pool);
}

static unsigned pool_index(const struct dh_pool *pool, const struct dh_group *g)
{
	unsigned i = 0;

	while (i < pool->n_groups && pool->of[i].group != g)
		i++;
	return i;
}

struct dh_pair *dh_pool_take(struct dh_pool *pool, const struct dh_group *g)
{
	unsigned i = pool_index(pool, g);
	struct dh_pair *p;

	if (i == pool->n_groups) {
		pool->n_groups++;
		pool->of[i].group = g;
		list_init(&pool->of[i].pairs);
	}
	if (!pool->of[i].n)
		return NULL;
	p = CONTAINER_OF(pool->of[i].pairs.next, struct dh_pair, link);
	list_del(&p->link);
	pool->of[i].n--;
	return p;
}

const struct dh_group *dh_pool_wants(const struct dh_pool *pool)
{
	const struct dh_group *g = NULL;
	unsigned fewest = DH_POOL_MAX;

	for (unsigned i = 0; i < pool->n_groups; i++) {
		if (pool->of[i].n < fewest) {
			fewest = pool->of[i].n;
			g = pool->of[i].group;
		}
	}
	return g;
}

void dh_pool_put(struct dh_pool *pool, struct dh_pair *p)
{
	unsigned i = pool_index(pool, p->group);

	if (i == pool->n_groups || pool->of[i].n >= DH_POOL_MAX) {
		dh_pair_free(p);
		return;
	}
	list_push(&pool->of[i].pairs, &p->link);
	pool->of[i].n++;
}
