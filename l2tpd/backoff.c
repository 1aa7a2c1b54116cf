/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/backoff.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	WAYS = 8,			/* places that a key may have */
	USERS = 4096, SOURCES = 8192, KNOWN = 65536,
};

/* Whose wrong passwords are counted. */
struct suspect {
	uint64_t key;			/* 0 = free */
	uint64_t since_ms;		/* its count is as of then */
	uint64_t until_ms;		/* locked */
	uint32_t failed;
};

struct known {
	uint64_t key;
	uint64_t last_ms;
};

struct backoff {
	uint64_t k0, k1;		/* of the hash */
	struct suspect user[USERS], source[SOURCES];
	struct known known[KNOWN];	/* addresses, and users at them */
};

/* The rules of the two tables. */
struct rule {
	uint32_t free, max_s;
};

static const struct rule user_rule = { BACKOFF_USER_FREE, BACKOFF_USER_MAX_S };
static const struct rule source_rule = { BACKOFF_SOURCE_FREE, BACKOFF_SOURCE_MAX_S };

/* ---- keys: SipHash-2-4, so that nobody can choose a name that shares another's place ---- */

struct sip {
	uint64_t v[4];
	uint64_t word;
	uint64_t n;			/* bytes so far */
};

static uint64_t rotl(uint64_t x, unsigned b)
{
	return x << b | x >> (64 - b);
}

static void sip_rounds(struct sip *s, unsigned n)
{
	uint64_t *v = s->v;

	while (n--) {
		v[0] += v[1];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[0] = rotl(v[0], 32);
		v[2] += v[3];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[2] = rotl(v[2], 32);
	}
}

static void sip_word(struct sip *s, uint64_t w)
{
	s->v[3] ^= w;
	sip_rounds(s, 2);
	s->v[0] ^= w;
}

static void sip_put(struct sip *s, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++) {
		s->word |= (uint64_t)b[i] << 8 * (s->n % 8);
		if (++s->n % 8 == 0) {
			sip_word(s, s->word);
			s->word = 0;
		}
	}
}

static uint64_t sip_end(struct sip *s)
{
	uint64_t h;

	sip_word(s, s->word | s->n << 56);
	s->v[2] ^= 0xff;
	sip_rounds(s, 4);
	h = s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
	return h ? h : 1;
}

enum about { ABOUT_USER = 1, ABOUT_SOURCE = 2, ABOUT_BOTH = 3 };

static uint64_t key_of(const struct backoff *b, const struct backoff_who *w, enum about about)
{
	struct sip s = { .v = {
		b->k0 ^ UINT64_C(0x736f6d6570736575), b->k1 ^ UINT64_C(0x646f72616e646f6d),
		b->k0 ^ UINT64_C(0x6c7967656e657261), b->k1 ^ UINT64_C(0x7465646279746573),
	} };
	uint8_t head[3] = { (uint8_t)about, 0, 0 };

	if (about & ABOUT_SOURCE) {
		head[1] = w->source.family;
		sip_put(&s, head, sizeof(head));
		sip_put(&s, w->source.ip, w->source.family == 4 ? 4 : 8);
	} else {
		sip_put(&s, head, sizeof(head));
	}
	if (about & ABOUT_USER) {
		head[2] = (uint8_t)w->auth;
		sip_put(&s, head + 2, 1);
		sip_put(&s, w->user.p, w->user.n);
	}
	return sip_end(&s);
}

/* ---- the tables ---- */

/* Its count as of now: one less for every BACKOFF_FORGET_S. */
static uint32_t failed_now(const struct suspect *e, uint64_t now_ms)
{
	uint64_t forgotten = (now_ms - e->since_ms) / (BACKOFF_FORGET_S * 1000);

	return forgotten < e->failed ? e->failed - (uint32_t)forgotten : 0;
}

static struct suspect *suspect_find(struct suspect t[], size_t n, uint64_t key)
{
	struct suspect *e = &t[key % (n / WAYS) * WAYS];

	for (unsigned i = 0; i < WAYS; i++)
		if (e[i].key == key)
			return &e[i];
	return NULL;
}

/* How long it is locked yet, in ms. */
static uint64_t locked_ms(struct suspect t[], size_t n, uint64_t key, uint64_t now_ms)
{
	const struct suspect *e = suspect_find(t, n, key);

	return e && e->until_ms > now_ms ? e->until_ms - now_ms : 0;
}

static void suspect_count(struct suspect t[], size_t n, const struct rule *r, uint64_t key, uint64_t now_ms)
{
	struct suspect *e = &t[key % (n / WAYS) * WAYS], *best = NULL;
	uint64_t wait_s = BACKOFF_FIRST_S;
	uint32_t failed, least = UINT32_MAX;

	for (unsigned i = 0; i < WAYS; i++) {
		failed = e[i].key ? failed_now(&e[i], now_ms) : 0;
		if (e[i].key == key) {
			best = &e[i];
			break;
		}
		if (failed < least) {
			least = failed;
			best = &e[i];
		}
	}
	if (best->key != key) {
		*best = (struct suspect){ .key = key, .since_ms = now_ms };
	} else {
		failed = failed_now(best, now_ms);
		/* What is left of the ten minutes goes on. */
		best->since_ms = failed ? best->since_ms + (uint64_t)(best->failed - failed) * BACKOFF_FORGET_S * 1000 : now_ms;
		best->failed = failed;
	}
	best->failed++;
	if (best->failed <= r->free)
		return;
	for (uint32_t i = r->free + 1; i < best->failed && wait_s < r->max_s; i++)
		wait_s *= 2;
	if (wait_s >= r->max_s) {
		wait_s = r->max_s;
		/* No use in counting on: it would only be longer until it is forgotten. */
		best->failed--;
	}
	best->until_ms = now_ms + wait_s * 1000;
}

static bool is_known(const struct backoff *b, uint64_t key)
{
	const struct known *e = &b->known[key % (KNOWN / WAYS) * WAYS];

	for (unsigned i = 0; i < WAYS; i++)
		if (e[i].key == key)
			return true;
	return false;
}

static void make_known(struct backoff *b, uint64_t key, uint64_t now_ms)
{
	struct known *e = &b->known[key % (KNOWN / WAYS) * WAYS], *best = e;

	for (unsigned i = 0; i < WAYS; i++) {
		if (e[i].key == key) {
			best = &e[i];
			break;
		}
		if (!e[i].key || (best->key && e[i].last_ms < best->last_ms))
			best = &e[i];
	}
	*best = (struct known){ key, now_ms };
}

enum backoff_answer backoff_ask(struct backoff *b, const struct backoff_who *w, uint64_t now_ms,
	unsigned *ret_wait_s)
{
	uint64_t source = key_of(b, w, ABOUT_SOURCE);
	uint64_t user_ms = locked_ms(b->user, USERS, key_of(b, w, ABOUT_USER), now_ms);
	uint64_t source_ms = locked_ms(b->source, SOURCES, source, now_ms);

	*ret_wait_s = 0;
	if (!user_ms && !source_ms)
		return BACKOFF_NONE;
	if (is_known(b, source))
		source_ms = 0;
	if ((!user_ms && !source_ms) || is_known(b, key_of(b, w, ABOUT_BOTH)))
		return BACKOFF_SPARED;
	*ret_wait_s = (unsigned)((MAX(user_ms, source_ms) + 999) / 1000);
	return user_ms >= source_ms ? BACKOFF_USER : BACKOFF_SOURCE;
}

void backoff_tell(struct backoff *b, const struct backoff_who *w, bool right, uint64_t now_ms)
{
	uint64_t source = key_of(b, w, ABOUT_SOURCE), both = key_of(b, w, ABOUT_BOTH);

	if (right) {
		make_known(b, source, now_ms);
		make_known(b, both, now_ms);
		return;
	}
	suspect_count(b->source, SOURCES, &source_rule, source, now_ms);
	if (!is_known(b, both))
		suspect_count(b->user, USERS, &user_rule, key_of(b, w, ABOUT_USER), now_ms);
}

static void suspect_uncount(struct suspect *e, uint64_t now_ms)
{
	/* What was forgotten meanwhile is not forgotten twice. */
	if (e && failed_now(e, now_ms))
		e->failed--;
}

void backoff_take_back(struct backoff *b, const struct backoff_who *w, uint64_t now_ms)
{
	suspect_uncount(suspect_find(b->source, SOURCES, key_of(b, w, ABOUT_SOURCE)), now_ms);
	if (!is_known(b, key_of(b, w, ABOUT_BOTH)))
		suspect_uncount(suspect_find(b->user, USERS, key_of(b, w, ABOUT_USER)), now_ms);
}

int backoff_new(const uint8_t seed[static 16], struct backoff **ret)
{
	struct backoff *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	memcpy(&b->k0, seed, sizeof(b->k0));
	memcpy(&b->k1, seed + sizeof(b->k0), sizeof(b->k1));
	*ret = b;
	return 0;
}

void backoff_free(struct backoff *b)
{
	free(b);
}
