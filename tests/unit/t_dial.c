/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The test client's IKEv1 initiator against a responder that is written here
 * from RFC 2409, and shares with it the primitives only; and its packets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/dial_ike.h"
#include "ctl/dial_ip.h"
#include "ctl/dial_stat.h"
#include "esp/esp.h"

enum { ME = 0xc6120001, PEER = 0xc0000201, HDR = 28, MSG = 1500 };

struct bytes {
	size_t n;
	uint8_t p[MSG];
};

/* The responder's side of one connection. */
struct resp {
	bool sha256, aes256, nat, wrong_psk;
	enum dial_hash h;		/* what it takes; 0: as the first two say */
	enum dial_cipher cipher;
	size_t hl, kl;
	uint8_t cky_i[8], cky_r[8];
	struct dial_dh *dh;
	struct addr me, peer;		/* the initiator's address and ours */
	bool no_pfs, other_group, other_way;	/* what a wrong answer of Quick Mode has */
	size_t dl;			/* length of a DH value */
	uint8_t qgxy[DIAL_DH_MAX];	/* of Quick Mode, with PFS */
	size_t qgxy_len;
	uint8_t gxi[DIAL_DH_MAX], gxr[DIAL_DH_MAX], ni[64], nr[20], sa[640];
	size_t ni_len, sa_len;
	uint8_t skeyid[DIAL_HASH_MAX], d[DIAL_HASH_MAX], a[DIAL_HASH_MAX], e[DIAL_HASH_MAX], key[2 * DIAL_HASH_MAX], iv[16], p1_iv[16];
	uint32_t mid, spi_i;
	uint8_t qni[64];
	size_t qni_len;
	struct bytes last;
};

struct pair {
	struct ike_conf conf;
	struct ike ike;
	struct ike_out out;
	struct resp r;
	uint64_t now;
};

static struct rd R(const void *p, size_t n)
{
	return rd_of(p, n);
}

static void hmac(const struct resp *r, const uint8_t *key, size_t n, const struct rd *part, unsigned parts, uint8_t *out)
{
	assert_true(dial_prf(r->h, rd_of(key, n), part, parts, out));
}

#define PRF(r, key, out, ...) do { \
	struct rd part_[] = { __VA_ARGS__ }; \
	hmac(r, key, (r)->hl, part_, N_ELEMENTS(part_), out); \
} while (0)

/* ---- reading what the initiator sent ---- */

static struct rd payload_of(const uint8_t *p, size_t n, uint8_t first, uint8_t type, unsigned nth)
{
	struct rd r = rd_of(p, n), body;
	uint8_t next = first;

	while (next) {
		uint8_t this = next;
		uint16_t len;

		next = rd_u8(&r);
		rd_skip(&r, 1);
		len = rd_u16(&r);
		assert_true(len >= 4);
		body = rd_sub(&r, len - 4u);
		assert_false(r.bad);
		if (this == type && !nth--)
			return body;
	}
	return (struct rd){ .bad = true };
}

static struct rd want(const struct bytes *m, uint8_t type, unsigned nth)
{
	struct rd b = payload_of(m->p + HDR, m->n - HDR, m->p[16], type, nth);

	assert_false(b.bad);
	return b;
}

static struct bytes sent(struct pair *p, unsigned nth)
{
	struct bytes b = { 0 };

	for (unsigned i = 0; i < p->out.n; i++) {
		if (p->out.eff[i].type != IKE_EFF_SEND || nth--)
			continue;
		b.n = p->out.eff[i].len;
		memcpy(b.p, p->out.eff[i].data, b.n);
		assert_int_equal(b.p[17], 0x10);
		assert_int_equal(b.n, (size_t)b.p[26] << 8 | b.p[27]);
		return b;
	}
	fail_msg("nothing was sent");
	return b;
}

static bool told(const struct pair *p, enum ike_effect_type type)
{
	for (unsigned i = 0; i < p->out.n; i++)
		if (p->out.eff[i].type == type)
			return true;
	return false;
}

/* ---- writing what it gets ---- */

struct w {
	struct wr w;
	size_t next, from;
	struct bytes *m;
};

static void begin(struct w *w, struct resp *r, struct bytes *m, uint8_t exchange, uint32_t mid)
{
	w->m = m;
	w->w = wr_of(m->p, MSG);
	wr_bytes(&w->w, r->cky_i, 8);
	wr_bytes(&w->w, r->cky_r, 8);
	w->next = w->w.len;
	wr_u8(&w->w, 0);
	wr_u8(&w->w, 0x10);
	wr_u8(&w->w, exchange);
	wr_u8(&w->w, 0);
	wr_u32(&w->w, mid);
	wr_u32(&w->w, 0);
}

static void put(struct w *w, uint8_t type, const void *p, size_t n)
{
	w->w.p[w->next] = type;
	w->next = w->w.len;
	wr_u16(&w->w, 0);
	wr_u16(&w->w, (uint16_t)(4 + n));
	wr_bytes(&w->w, p, n);
}

static void finish(struct w *w, struct resp *r, uint8_t *iv)
{
	if (iv) {
		while ((w->w.len - HDR) % dial_block_len(r->cipher))
			wr_u8(&w->w, 0);
		w->m->p[19] = 1;
		assert_true(dial_cbc(true, r->cipher, r->key, iv, w->m->p + HDR, w->w.len - HDR));
	}
	assert_false(w->w.bad);
	w->m->n = w->w.len;
	w->m->p[26] = (uint8_t)(w->m->n >> 8);
	w->m->p[27] = (uint8_t)w->m->n;
}

static size_t ip_len(const struct addr *a)
{
	return a->family == 6 ? 16 : 4;
}

static void nat_d(const struct resp *r, const struct addr *ip, uint16_t port, uint8_t *out)
{
	uint8_t be[2] = { (uint8_t)(port >> 8), (uint8_t)port };
	struct rd part[] = { R(r->cky_i, 8), R(r->cky_r, 8), R(ip->ip, ip_len(ip)), R(be, 2) };

	assert_true(dial_hash(r->h, part, N_ELEMENTS(part), out));
}

/* Body of an ID payload (RFC 2407 4.6.2), or of NAT-OA, which has protocol and port 0; its length. */
static size_t id_body(const struct addr *a, uint8_t proto, uint16_t port, uint8_t out[static 20])
{
	const uint8_t head[4] = { a->family == 6 ? 5 : 1, proto, (uint8_t)(port >> 8), (uint8_t)port };

	memcpy(out, head, 4);
	memcpy(out + 4, a->ip, ip_len(a));
	return 4 + ip_len(a);
}

static void is_id(struct rd got, const struct addr *a, uint8_t proto, uint16_t port)
{
	uint8_t want_id[20];

	assert_int_equal(got.n, id_body(a, proto, port, want_id));
	assert_memory_equal(got.p, want_id, got.n);
}

/* ---- the responder ---- */

/* An attribute of a transform's body; 0: it is not there. A long one's value is its last 16 bits. */
static uint16_t attr_of(struct rd t, uint16_t type)
{
	while (t.n) {
		uint16_t this = rd_u16(&t), value = rd_u16(&t);

		if (!(this & 0x8000)) {
			assert_int_equal(value, 4);
			rd_skip(&t, 2);
			value = rd_u16(&t);
		}
		assert_false(t.bad);
		if ((this & 0x7fff) == type)
			return value;
	}
	return 0;
}

/* Of RFC 2409 Appendix A; bits of key, where they are said. */
static const struct {
	uint16_t enc, bits;
} wire_cipher[] = { { 0, 0 }, { 7, 128 }, { 7, 192 }, { 7, 256 }, { 5, 0 } };
static const uint16_t wire_hash[] = { 0, 2, 4, 5, 6, 1 };

/* The offers start with AES-256 and SHA-256; the one that the case wants is answered as it stands. */
static struct bytes mm2(struct pair *p, const struct bytes *mm1)
{
	struct resp *r = &p->r;
	struct rd sa = want(mm1, 1, 0), at = sa;
	struct bytes m = { 0 };
	uint8_t body[128];
	struct wr b = wr_of(body, sizeof(body));
	struct w w;

	memcpy(r->cky_i, mm1->p, 8);
	memset(r->cky_r, 0x55, 8);
	memcpy(r->sa, sa.p, sa.n);
	r->sa_len = sa.n;
	if (!r->h)
		r->h = r->sha256 ? DIAL_SHA256 : DIAL_SHA1;
	if (!r->cipher)
		r->cipher = r->aes256 ? DIAL_AES256 : DIAL_AES128;
	r->hl = dial_hash_len(r->h);
	r->kl = dial_key_len(r->cipher);
	rd_skip(&at, 8 + 8);
	while (at.n) {
		struct rd t = at, whole;
		uint16_t len;

		rd_skip(&t, 2);
		len = rd_u16(&t);
		whole = rd_sub(&at, len);
		assert_false(whole.bad);
		t = whole;
		rd_skip(&t, 8);
		if (attr_of(t, 1) != wire_cipher[r->cipher].enc || attr_of(t, 14) != wire_cipher[r->cipher].bits ||
		    attr_of(t, 2) != wire_hash[r->h])
			continue;
		wr_u32(&b, 1);
		wr_u32(&b, 1);
		wr_u16(&b, 0);
		wr_u16(&b, (uint16_t)(8 + len));
		wr_u32(&b, 1 << 24 | 1 << 16 | 1);
		wr_u8(&b, 0);
		wr_bytes(&b, whole.p + 1, whole.n - 1);
		break;
	}
	assert_true(b.len > 0);
	begin(&w, r, &m, 2, 0);
	put(&w, 1, body, b.len);
	put(&w, 13, "some vendor", 11);
	finish(&w, r, NULL);
	return m;
}

static struct bytes mm4(struct pair *p, const struct bytes *mm3)
{
	struct resp *r = &p->r;
	struct rd ke = want(mm3, 4, 0), ni = want(mm3, 10, 0);
	struct bytes m = { 0 };
	uint8_t gxy[DIAL_DH_MAX], hash[DIAL_HASH_MAX];
	size_t shared;
	const char *psk = r->wrong_psk ? "another" : "the secret";
	struct w w;

	r->dl = dial_group_len(p->ike.group);
	assert_int_equal(ke.n, r->dl);
	memcpy(r->gxi, ke.p, ke.n);
	memcpy(r->ni, ni.p, ni.n);
	r->ni_len = ni.n;
	nat_d(r, &r->peer, 500, hash);
	assert_memory_equal(want(mm3, 20, 0).p, hash, r->hl);
	nat_d(r, &r->me, 500, hash);
	assert_memory_equal(want(mm3, 20, 1).p, hash, r->hl);
	memset(r->nr, 0x77, sizeof(r->nr));
	dial_dh_free(r->dh);
	r->dh = dial_dh_new(p->ike.group);
	assert_non_null(r->dh);
	memcpy(r->gxr, dial_dh_public(r->dh), r->dl);
	shared = dial_dh_shared(r->dh, r->gxi, gxy);
	assert_int_equal(shared, p->ike.group == DIAL_ECP256 || p->ike.group == DIAL_ECP384 ? r->dl / 2 : r->dl);
	hmac(r, (const uint8_t *)psk, strlen(psk), (struct rd[]){ R(r->ni, r->ni_len), R(r->nr, 20) }, 2, r->skeyid);
	PRF(r, r->skeyid, r->d, R(gxy, shared), R(r->cky_i, 8), R(r->cky_r, 8), R("\0", 1));
	PRF(r, r->skeyid, r->a, R(r->d, r->hl), R(gxy, shared), R(r->cky_i, 8), R(r->cky_r, 8), R("\1", 1));
	PRF(r, r->skeyid, r->e, R(r->a, r->hl), R(gxy, shared), R(r->cky_i, 8), R(r->cky_r, 8), R("\2", 1));
	memcpy(r->key, r->e, r->hl);
	if (r->kl > r->hl) {
		PRF(r, r->e, r->key, R("\0", 1));
		PRF(r, r->e, r->key + r->hl, R(r->key, r->hl));
	}
	assert_true(dial_hash(r->h, (struct rd[]){ R(r->gxi, r->dl), R(r->gxr, r->dl) }, 2, hash));
	memcpy(r->iv, hash, 16);
	begin(&w, r, &m, 2, 0);
	put(&w, 4, r->gxr, r->dl);
	put(&w, 10, r->nr, 20);
	nat_d(r, &r->me, r->nat ? 40000 : 500, hash);
	put(&w, 20, hash, r->hl);
	nat_d(r, &r->peer, 500, hash);
	put(&w, 20, hash, r->hl);
	finish(&w, r, NULL);
	return m;
}

static struct bytes decrypt(struct resp *r, const struct bytes *m, uint8_t *iv)
{
	struct bytes b = *m;

	assert_int_equal(b.p[19], 1);
	assert_true(dial_cbc(false, r->cipher, r->key, iv, b.p + HDR, b.n - HDR));
	return b;
}

static struct bytes mm6(struct pair *p, const struct bytes *mm5)
{
	struct resp *r = &p->r;
	struct bytes plain = decrypt(r, mm5, r->iv), m = { 0 };
	struct rd id = want(&plain, 5, 0);
	uint8_t me[20];
	size_t me_len = id_body(&r->peer, 0, 0, me);
	uint8_t hash[DIAL_HASH_MAX];
	struct w w;

	is_id(id, &r->me, 0, 0);
	PRF(r, r->skeyid, hash, R(r->gxi, r->dl), R(r->gxr, r->dl), R(r->cky_i, 8), R(r->cky_r, 8),
		R(r->sa, r->sa_len), id);
	assert_memory_equal(want(&plain, 8, 0).p, hash, r->hl);
	PRF(r, r->skeyid, hash, R(r->gxr, r->dl), R(r->gxi, r->dl), R(r->cky_r, 8), R(r->cky_i, 8),
		R(r->sa, r->sa_len), R(me, me_len));
	begin(&w, r, &m, 2, 0);
	put(&w, 5, me, me_len);
	put(&w, 8, hash, r->hl);
	finish(&w, r, r->iv);
	memcpy(r->p1_iv, r->iv, 16);
	return m;
}

static uint32_t mid_of(const struct bytes *m)
{
	struct rd r = rd_of(m->p, m->n);

	rd_skip(&r, 20);
	return rd_u32(&r);
}

static void phase2_iv(struct resp *r, uint32_t mid, uint8_t *iv)
{
	uint8_t be[4] = { (uint8_t)(mid >> 24), (uint8_t)(mid >> 16), (uint8_t)(mid >> 8), (uint8_t)mid }, hash[DIAL_HASH_MAX];

	assert_true(dial_hash(r->h, (struct rd[]){ R(r->p1_iv, dial_block_len(r->cipher)), R(be, 4) }, 2, hash));
	memcpy(iv, hash, 16);
}

/* What follows the first payload, up to the padding. */
static struct rd rest(const struct bytes *m, uint8_t first)
{
	struct rd r = rd_of(m->p + HDR, m->n - HDR), from;
	uint8_t next = first;
	bool one = true;
	size_t end;

	from = r;
	while (next) {
		uint16_t len;

		next = rd_u8(&r);
		rd_skip(&r, 1);
		len = rd_u16(&r);
		rd_skip(&r, len - 4u);
		assert_false(r.bad);
		if (one)
			from = r;
		one = false;
	}
	end = from.n - r.n;
	return rd_of(from.p, end);
}

static struct bytes qm2(struct pair *p, const struct bytes *qm1)
{
	struct resp *r = &p->r;
	struct bytes plain, m = { 0 };
	struct rd sa, ni, t;
	uint8_t be[4], hash[DIAL_HASH_MAX], body[64], id[20];
	struct wr b = wr_of(body, sizeof(body)), mid = wr_of(be, 4);
	static const uint8_t spi[4] = { 0xaa, 0xbb, 0xcc, 0xdd };
	struct w w;
	size_t at;

	r->mid = mid_of(qm1);
	wr_u32(&mid, r->mid);
	phase2_iv(r, r->mid, r->iv);
	plain = decrypt(r, qm1, r->iv);
	PRF(r, r->a, hash, R(be, 4), rest(&plain, plain.p[16]));
	assert_memory_equal(want(&plain, 8, 0).p, hash, r->hl);
	sa = want(&plain, 1, 0);
	ni = want(&plain, 10, 0);
	memcpy(r->qni, ni.p, ni.n);
	r->qni_len = ni.n;
	is_id(want(&plain, 5, 0), &r->me, 17, 1701);
	is_id(want(&plain, 5, 1), &r->peer, 17, 1701);
	/* RFC 3947 5.2: the original addresses, where there is a NAT. */
	if (r->nat) {
		is_id(want(&plain, 21, 0), &r->me, 0, 0);
		is_id(want(&plain, 21, 1), &r->peer, 0, 0);
	}
	assert_true(payload_of(plain.p + HDR, plain.n - HDR, plain.p[16], 21, r->nat ? 2 : 0).bad);
	rd_skip(&sa, 16);
	r->spi_i = rd_u32(&sa);
	t = rd_sub(&sa, (size_t)(sa.p[2] << 8 | sa.p[3]));	/* the first: AES-256, SHA-1 */
	wr_u32(&b, 1);
	wr_u32(&b, 1);
	wr_u16(&b, 0);
	wr_u16(&b, (uint16_t)(12 + t.n));
	wr_u32(&b, 1 << 24 | 3 << 16 | 4 << 8 | 1);
	wr_bytes(&b, spi, 4);
	wr_u8(&b, 0);
	wr_bytes(&b, t.p + 1, t.n - 1);
	/* RFC 2407 4.5, RFC 3947 5.1: how it is encapsulated. */
	assert_int_equal(attr_of(R(t.p + 8, t.n - 8), 4), r->nat ? 4 : 2);
	if (r->other_way)		/* behind the lifetime's 12 octets, in our own manner */
		body[b.len - t.n + 8 + 12 + 3] ^= 4 ^ 2;
	body[b.len - 1] ^= r->other_group;	/* the last attribute, where there is PFS */
	begin(&w, r, &m, 32, r->mid);
	put(&w, 8, hash, r->hl);
	at = w.w.len;
	put(&w, 1, body, b.len);
	put(&w, 10, r->nr, 20);
	if (p->conf.quick_group && !r->no_pfs) {
		struct rd ke = want(&plain, 4, 0);
		uint8_t theirs[DIAL_DH_MAX];

		assert_int_equal(ke.n, dial_group_len(p->conf.quick_group));
		assert_memory_equal(t.p + t.n - 4, ((uint8_t[]){ 0x80, 3, 0, p->conf.quick_group }), 4);
		dial_dh_free(r->dh);
		r->dh = dial_dh_new(p->conf.quick_group);
		assert_non_null(r->dh);
		memcpy(theirs, ke.p, ke.n);
		r->qgxy_len = dial_dh_shared(r->dh, theirs, r->qgxy);
		assert_true(r->qgxy_len > 0);
		put(&w, 4, dial_dh_public(r->dh), ke.n);
	}
	put(&w, 5, id, id_body(&r->me, 17, 1701, id));
	put(&w, 5, id, id_body(&r->peer, 17, 1701, id));
	PRF(r, r->a, hash, R(be, 4), R(r->qni, r->qni_len), R(m.p + at, w.w.len - at));
	memcpy(m.p + HDR + 4, hash, r->hl);
	finish(&w, r, r->iv);
	return m;
}

static struct bytes inform(struct pair *p, uint8_t type, const void *body, size_t n)
{
	struct resp *r = &p->r;
	struct bytes m = { 0 };
	uint8_t iv[16], hash[DIAL_HASH_MAX] = { 0 };
	struct w w;
	size_t at;

	phase2_iv(r, 0x12345678, iv);
	begin(&w, r, &m, 5, 0x12345678);
	put(&w, 8, hash, r->hl);
	at = w.w.len;
	put(&w, type, body, n);
	PRF(r, r->a, hash, R("\x12\x34\x56\x78", 4), R(m.p + at, w.w.len - at));
	memcpy(m.p + HDR + 4, hash, r->hl);
	finish(&w, r, iv);
	return m;
}

/* ---- driving ---- */

static void give(struct pair *p, const struct bytes *m)
{
	ike_out_init(&p->out);
	ike_input(&p->ike, rd_of(m->p, m->n), p->now, &p->out);
}

static const struct ike_conf conf_usual = {
	.psk = (const uint8_t *)"the secret", .psk_len = 10, .retransmit_ms = 1000, .retransmit_max = 5,
	.ike_life_s = 28800, .esp_life_s = 3600,
};

static void pair_init_at(struct pair *p, const struct ike_conf *conf, bool sha256, bool aes256, const struct addr *me,
	const struct addr *peer)
{
	struct ike_ends ends = { .id = *me, .port = 500, .peer = *peer };
	struct rng seed;

	*p = (struct pair){ .now = 5000 };
	p->r.me = *me;
	p->r.peer = *peer;
	p->conf = *conf;
	p->r.sha256 = sha256;
	p->r.aes256 = aes256;
	p->r.nat = true;
	rng_init_test(&seed, 1);
	ike_init(&p->ike, &p->conf, &ends, &seed);
	ike_out_init(&p->out);
	ike_start(&p->ike, p->now, &p->out);
	assert_int_equal(p->ike.state, IKE_MM1);
}

static void pair_init_with(struct pair *p, const struct ike_conf *conf, bool sha256, bool aes256)
{
	const struct addr me = addr_v4(ME, 0), peer = addr_v4(PEER, 0);

	pair_init_at(p, conf, sha256, aes256, &me, &peer);
}

static void pair_init(struct pair *p, bool sha256, bool aes256)
{
	pair_init_with(p, &conf_usual, sha256, aes256);
}

static void pair_free(struct pair *p)
{
	ike_free(&p->ike);
	dial_dh_free(p->r.dh);
}

/* The answer to what the initiator sent last, by its state. */
static struct bytes answer(struct pair *p)
{
	struct bytes m = sent(p, 0);

	switch (p->ike.state) {
	case IKE_MM1:
		return mm2(p, &m);
	case IKE_MM3:
		return mm4(p, &m);
	case IKE_MM5:
		return mm6(p, &m);
	default:
		return qm2(p, &m);
	}
}

static void drive(struct pair *p, enum ike_state until)
{
	while (p->ike.state < until) {
		enum ike_state was = p->ike.state;
		struct bytes m = answer(p);

		p->now += 10;
		give(p, &m);
		p->r.last = m;
		if (p->ike.state == IKE_GONE || p->ike.state == was)
			fail_msg("state %d: %s", p->ike.state, p->ike.reason);
	}
}

static void t_connect(void **st)
{
	static const uint8_t groups[][2] = {
		{ 0 }, { DIAL_MODP1024 }, { DIAL_MODP1024, DIAL_MODP1024 }, { DIAL_MODP2048, DIAL_MODP2048 },
		{ DIAL_MODP1024, DIAL_MODP2048 }, { DIAL_MODP2048, DIAL_ECP256 },
	};

	for (unsigned i = 0; i < 4 * N_ELEMENTS(groups); i++) {
		struct ike_conf conf = conf_usual;
		uint8_t k1[DIAL_HASH_MAX], k2[DIAL_HASH_MAX], head[5] = { 3, 0xaa, 0xbb, 0xcc, 0xdd }, mat[128] = { 0 };
		struct bytes qm3, plain;
		struct pair p;
		struct resp *r = &p.r;

		conf.main_group = groups[i / 4][0];
		conf.quick_group = groups[i / 4][1];
		pair_init_with(&p, &conf, i & 1, i & 2);
		drive(&p, IKE_UP);
		assert_int_equal(p.ike.group, conf.main_group ? conf.main_group : DIAL_MODP2048);
		assert_true(told(&p, IKE_EFF_CHILD));
		assert_true(p.ike.natt);
		assert_int_equal(ike_deadline(&p.ike), IKE_NEVER);
		assert_int_equal(p.ike.child.spi_in, r->spi_i);
		assert_int_equal(p.ike.child.spi_out, 0xaabbccdd);
		assert_int_equal(p.ike.child.enc, ESP_AES_CBC_256);
		assert_int_equal(p.ike.child.auth, ESP_HMAC_SHA1_96);
		/* HASH(3), and the keys of the direction that the responder chose the SPI of */
		qm3 = sent(&p, 0);
		plain = decrypt(r, &qm3, r->iv);
		PRF(r, r->a, k1, R("\0", 1), R((uint8_t[]){ (uint8_t)(r->mid >> 24), (uint8_t)(r->mid >> 16),
			(uint8_t)(r->mid >> 8), (uint8_t)r->mid }, 4), R(r->qni, r->qni_len), R(r->nr, 20));
		assert_memory_equal(want(&plain, 8, 0).p, k1, r->hl);
		PRF(r, r->d, k1, R(r->qgxy, r->qgxy_len), R(head, 5), R(r->qni, r->qni_len), R(r->nr, 20));
		PRF(r, r->d, k2, R(k1, r->hl), R(r->qgxy, r->qgxy_len), R(head, 5), R(r->qni, r->qni_len), R(r->nr, 20));
		memcpy(mat, k1, r->hl);
		memcpy(mat + r->hl, k2, r->hl);
		if (r->hl == 20) {
			memcpy(k1, k2, 20);
			PRF(r, r->d, mat + 40, R(k1, 20), R(r->qgxy, r->qgxy_len), R(head, 5), R(r->qni, r->qni_len),
				R(r->nr, 20));
		}
		assert_memory_equal(p.ike.child.out_enc, mat, 32);
		assert_memory_equal(p.ike.child.out_auth, mat + 32, 20);
		/* QM2 again: QM3 was lost */
		give(&p, &r->last);
		assert_int_equal(sent(&p, 0).n, qm3.n);
		assert_memory_equal(sent(&p, 0).p, qm3.p, qm3.n);
		pair_free(&p);
	}
}

/* Each suite alone is what is agreed on; also with one key pair for many connections. */
static void t_suites(void **st)
{
	static const struct {
		const char *main;
		enum dial_cipher cipher;
		enum dial_hash hash;
		enum dial_group group;
	} mains[] = {
		{ "aes256-sha256-modp2048", DIAL_AES256, DIAL_SHA256, DIAL_MODP2048 },
		{ "aes128-sha256-modp1024", DIAL_AES128, DIAL_SHA256, DIAL_MODP1024 },
		{ "aes256-sha1-ecp256", DIAL_AES256, DIAL_SHA1, DIAL_ECP256 },
		{ "aes128-sha1-modp2048", DIAL_AES128, DIAL_SHA1, DIAL_MODP2048 },
		{ "aes256-sha384-ecp384", DIAL_AES256, DIAL_SHA384, DIAL_ECP384 },
		{ "aes192-sha512-modp1536", DIAL_AES192, DIAL_SHA512, DIAL_MODP1536 },
		{ "3des-sha1-modp1024", DIAL_3DES, DIAL_SHA1, DIAL_MODP1024 },
		{ "3des-md5-modp1536", DIAL_3DES, DIAL_MD5, DIAL_MODP1536 },
		{ "aes256-md5-ecp256", DIAL_AES256, DIAL_MD5, DIAL_ECP256 },
	};
	static const struct {
		const char *quick;
		uint8_t enc, auth, enc_len, auth_len;
	} quicks[] = {
		{ "aes256-sha1", ESP_AES_CBC_256, ESP_HMAC_SHA1_96, 32, 20 },
		{ "aes128-sha1", ESP_AES_CBC_128, ESP_HMAC_SHA1_96, 16, 20 },
		{ "aes256-sha256", ESP_AES_CBC_256, ESP_HMAC_SHA2_256_128, 32, 32 },
		{ "aes128-sha256", ESP_AES_CBC_128, ESP_HMAC_SHA2_256_128, 16, 32 },
		{ "aes256gcm16", ESP_AES_GCM_256, ESP_AUTH_IN_ENC, 36, 0 },
		{ "aes128gcm16", ESP_AES_GCM_128, ESP_AUTH_IN_ENC, 20, 0 },
		{ "aes256-sha384", ESP_AES_CBC_256, ESP_HMAC_SHA2_384_192, 32, 48 },
		{ "aes128-sha512", ESP_AES_CBC_128, ESP_HMAC_SHA2_512_256, 16, 64 },
		{ "3des-sha1", ESP_3DES_CBC, ESP_HMAC_SHA1_96, 24, 20 },
	};
	static const char *const wrong_quick[] = { "", "aes256", "sha1", "aes256gcm16-sha1", "aes256gcm", "aes256-" };
	static const char *const wrong[] = {
		"", "aes256", "aes256-sha1", "aes256-sha1-modp2048-", "aes256-sha1-modp2048-x", "aes-sha1-modp2048",
		"sha1-aes256-modp2048", "aes256-sha1-modp204", "aes256gcm16", "aes256gcm16-sha1", "aes256-",
		"aes128gcm16-", "aes256--modp2048", "-aes256-sha1-modp2048",
	};

	for (unsigned q = 0; q < N_ELEMENTS(quicks); q++) {
		unsigned i = q % N_ELEMENTS(mains);
		struct ike_conf conf = conf_usual;
		struct dial_dh *dh = dial_dh_new(mains[i].group);

		assert_true(ike_main_offers_parse(mains[i].main, &conf.main));
		assert_true(ike_quick_offers_parse(quicks[q].quick, &conf.quick));
		conf.manner = (uint8_t)(q % 3);
		assert_int_equal(ike_group_parse(strrchr(mains[i].main, '-') + 1), mains[i].group);
		for (unsigned reuse = 0; reuse < 3; reuse++) {
			struct pair p;

			conf.dh = reuse ? dh : NULL;
			pair_init_with(&p, &conf, false, false);
			p.r.h = mains[i].hash;
			p.r.cipher = mains[i].cipher;
			drive(&p, IKE_UP);
			assert_int_equal(p.ike.group, mains[i].group);
			assert_string_equal(p.ike.main_text, mains[i].main);
			assert_string_equal(p.ike.quick_text, quicks[q].quick);
			assert_int_equal(p.ike.cipher, mains[i].cipher);
			assert_int_equal(p.ike.hash, mains[i].hash);
			assert_int_equal(p.ike.child.enc, quicks[q].enc);
			assert_int_equal(p.ike.child.auth, quicks[q].auth);
			assert_int_equal(p.ike.child.enc_len, quicks[q].enc_len);
			assert_int_equal(p.ike.child.auth_len, quicks[q].auth_len);
			assert_int_equal(reuse > 0, !memcmp(p.r.gxi, dial_dh_public(dh), p.r.dl));
			pair_free(&p);
		}
		dial_dh_free(dh);
	}
	for (unsigned i = 0; i < N_ELEMENTS(wrong); i++) {
		struct ike_main_offers m;
		struct ike_quick_offers q;

		assert_false(ike_main_offers_parse(wrong[i], &m));
		if (strcmp(wrong[i], "aes256-sha1") && strcmp(wrong[i], "aes256gcm16"))
			assert_false(ike_quick_offers_parse(wrong[i], &q));
		assert_int_equal(ike_group_parse(wrong[i]), 0);
	}
	for (unsigned i = 0; i < N_ELEMENTS(wrong_quick); i++) {
		struct ike_quick_offers q;

		assert_false(ike_quick_offers_parse(wrong_quick[i], &q));
	}
	for (unsigned i = 0; i < N_ELEMENTS(quicks); i++) {
		struct ike_quick_offers q;
		char buf[32];

		snprintf(buf, sizeof(buf), "%s-", quicks[i].quick);
		assert_false(ike_quick_offers_parse(buf, &q));
	}
}

/* A list goes out as it was given, in the manner of a client. */
static void t_lists(void **st)
{
	static const char apple[] = "aes256-sha256-modp2048,aes256-sha1-modp2048,aes256-md5-modp2048,"
		"aes256-sha512-modp2048,aes256-sha256-modp1536,aes256-sha1-modp1536,aes256-md5-modp1536,"
		"aes256-sha256-modp1024,aes256-sha1-modp1024,aes256-md5-modp1024,aes128-sha1-modp1024,"
		"aes128-md5-modp1024,3des-sha1-modp1024,3des-md5-modp1024";
	static const uint8_t second[] = {	/* SA as racoon writes it: lifetime, AES-256, key, SHA-1, group 14 */
		3, 0, 0, 40, 2, 1, 0, 0, 0x80, 11, 0, 1, 0, 12, 0, 4, 0, 0, 0x70, 0x80, 0x80, 1, 0, 7, 0x80, 14, 1, 0,
		0x80, 3, 0, 1, 0x80, 2, 0, 2, 0x80, 4, 0, 14,
	};
	static const uint8_t last[] = {		/* no key length with 3DES */
		0, 0, 0, 36, 14, 1, 0, 0, 0x80, 11, 0, 1, 0, 12, 0, 4, 0, 0, 0x70, 0x80, 0x80, 1, 0, 5,
		0x80, 3, 0, 1, 0x80, 2, 0, 1, 0x80, 4, 0, 2,
	};
	static const uint8_t windows[] = {	/* the second of three proposals, and its transform */
		2, 0, 0, 56, 2, 3, 4, 1, 0, 0, 0, 0, 0, 0, 0, 44, 1, 12, 0, 0, 0x80, 4, 0, 4, 0x80, 6, 0, 128, 0x80, 5, 0, 2,
		0x80, 1, 0, 1, 0, 2, 0, 4, 0, 0, 14, 16, 0x80, 1, 0, 2, 0, 2, 0, 4, 0, 3, 0xd0, 0x90,
	};
	struct ike_conf conf = conf_usual;
	struct bytes m, plain;
	struct ike_main_offers many;
	struct pair p;
	struct rd sa;
	uint8_t iv[16];
	char text[400];

	assert_true(ike_main_offers_parse(apple, &conf.main));
	assert_int_equal(conf.main.n, 14);
	conf.manner = IKE_MANNER_RACOON;
	pair_init_with(&p, &conf, false, false);
	m = sent(&p, 0);
	sa = want(&m, 1, 0);
	assert_int_equal(sa.n, 8 + 8 + 12 * 40 + 2 * 36);
	assert_int_equal(sa.p[15], 14);
	assert_memory_equal(sa.p + 16 + 40, second, sizeof(second));
	assert_memory_equal(sa.p + sa.n - 36, last, sizeof(last));
	pair_free(&p);
	snprintf(text, sizeof(text), "%s,3des-md5-modp1024", apple);
	assert_true(ike_main_offers_parse(text, &many));
	snprintf(text, sizeof(text), "%s,3des-md5-modp1024,3des-md5-modp1024", apple);
	assert_false(ike_main_offers_parse(text, &many));
	assert_false(ike_main_offers_parse("aes256-sha1-modp2048,", &many));

	conf = conf_usual;
	conf.manner = IKE_MANNER_WINDOWS;
	assert_true(ike_quick_offers_parse("aes256-sha1,aes128-sha1,3des-sha1", &conf.quick));
	pair_init_with(&p, &conf, false, true);
	drive(&p, IKE_QM1);
	m = sent(&p, 0);
	phase2_iv(&p.r, mid_of(&m), iv);
	plain = decrypt(&p.r, &m, iv);
	sa = want(&plain, 1, 0);
	assert_int_equal(sa.n, 8 + 2 * 56 + 52);
	assert_memory_equal(sa.p + 8 + 56, windows, 8);
	assert_memory_equal(sa.p + 8 + 56 + 12, windows + 12, sizeof(windows) - 12);
	pair_free(&p);
}

/* ---- XAuth and Mode Config ---- */

enum { EXCH_TRANSACTION = 6, PL_ATTR = 14 };

/* One message of attributes; iv: NULL = the first of its exchange, and then *ret_iv goes on with it. */
static struct bytes transaction(struct pair *p, uint32_t mid, const void *body, size_t n, const uint8_t *iv, uint8_t *ret_iv)
{
	uint8_t be[4] = { (uint8_t)(mid >> 24), (uint8_t)(mid >> 16), (uint8_t)(mid >> 8), (uint8_t)mid };
	struct resp *r = &p->r;
	struct bytes m = { 0 };
	uint8_t hash[DIAL_HASH_MAX] = { 0 };
	struct w w;
	size_t at;

	if (iv)
		memcpy(ret_iv, iv, 16);
	else
		phase2_iv(r, mid, ret_iv);
	begin(&w, r, &m, EXCH_TRANSACTION, mid);
	put(&w, 8, hash, r->hl);
	at = w.w.len;
	put(&w, PL_ATTR, body, n);
	PRF(r, r->a, hash, R(be, 4), R(m.p + at, w.w.len - at));
	memcpy(m.p + HDR + 4, hash, r->hl);
	finish(&w, r, ret_iv);
	return m;
}

/* What the initiator says in such a message, whose HASH is right. */
static struct bytes told_attrs(struct pair *p, const struct bytes *m, uint8_t *iv)
{
	uint32_t mid = mid_of(m);
	uint8_t be[4] = { (uint8_t)(mid >> 24), (uint8_t)(mid >> 16), (uint8_t)(mid >> 8), (uint8_t)mid };
	struct bytes plain = decrypt(&p->r, m, iv);
	uint8_t hash[DIAL_HASH_MAX];

	assert_int_equal(m->p[18], EXCH_TRANSACTION);
	PRF(&p->r, p->r.a, hash, R(be, 4), rest(&plain, plain.p[16]));
	assert_memory_equal(want(&plain, 8, 0).p, hash, p->r.hl);
	return plain;
}

#define ASK "\1\0\x12\x34" "\x40\x89\0\0" "\x40\x8a\0\0"
#define ANSWER "\2\0\x12\x34" "\x40\x89\0\3joe" "\x40\x8a\0\6secret"
#define STATUS(n) "\3\0\x12\x35" "\xc0\x8f\0" n
#define HEARD "\4\0\x12\x35" "\x40\x8f\0\0"
#define WANT "\1\0\0\1" "\0\1\0\0" "\0\2\0\0" "\0\3\0\0"
#define GIVE "\2\0\0\1" "\0\1\0\4\x0a\x37\0\x14" "\0\2\0\4\xff\xff\xff\xff" "\0\3\0\4\x09\x09\x09\x09"
#define GIVE_NONE "\2\0\0\1" "\0\3\0\4\x09\x09\x09\x09"
#define B(s) (s), sizeof(s) - 1

static void xauth_start(struct pair *p)
{
	struct bytes m;
	struct rd t;

	pair_init(p, true, true);
	ike_free(&p->ike);
	{
		struct ike_ends ends = { .id = addr_v4(ME, 0), .port = 500, .peer = addr_v4(PEER, 0), .user = "joe",
			.password = "secret" };
		struct rng seed;

		rng_init_test(&seed, 1);
		ike_init(&p->ike, &p->conf, &ends, &seed);
		ike_out_init(&p->out);
		ike_start(&p->ike, p->now, &p->out);
	}
	m = sent(p, 0);
	t = want(&m, 1, 0);
	rd_skip(&t, 8 + 8 + 8);
	assert_int_equal(attr_of(t, 3), 65001);
	assert_memory_equal(want(&m, 13, 2).p, "\x09\0\x26\x89\xdf\xd6\xb7\x12", 8);
}

static void xauth_init(struct pair *p)
{
	xauth_start(p);
	drive(p, IKE_XAUTH);
	assert_int_equal(p->ike.state, IKE_XAUTH);
	assert_true(told(p, IKE_EFF_SECURED));
	assert_int_equal(ike_deadline(&p->ike), IKE_NEVER);
}

/* Name and password, the status, an address, and a tunnel for it; each question again gets the same answer. */
static void t_xauth(void **st)
{
	struct bytes m, ask, first, plain;
	uint8_t iv[16], cfg_iv[16];
	struct pair p;
	struct rd sa;

	xauth_init(&p);
	ask = transaction(&p, 0x1001, B(ASK), NULL, iv);
	/* Whoever has not the keys asks in vain. */
	for (unsigned at = HDR; at < ask.n; at += 5) {
		struct bytes bad = ask;

		bad.p[at] ^= 1;
		give(&p, &bad);
		assert_int_equal(p.out.n, 0);
		assert_int_equal(p.ike.state, IKE_XAUTH);
	}
	give(&p, &ask);
	first = sent(&p, 0);
	assert_int_equal(mid_of(&first), 0x1001);
	plain = told_attrs(&p, &first, iv);
	assert_memory_equal(want(&plain, PL_ATTR, 0).p, ANSWER, sizeof(ANSWER) - 1);
	give(&p, &ask);
	m = sent(&p, 0);
	assert_int_equal(m.n, first.n);
	assert_memory_equal(m.p, first.p, m.n);

	ask = transaction(&p, 0x1002, B(STATUS("\1")), NULL, iv);
	give(&p, &ask);
	m = sent(&p, 0);
	plain = told_attrs(&p, &m, iv);
	assert_memory_equal(want(&plain, PL_ATTR, 0).p, HEARD, sizeof(HEARD) - 1);
	m = sent(&p, 1);
	assert_int_equal(p.ike.state, IKE_CFG1);
	phase2_iv(&p.r, mid_of(&m), cfg_iv);
	plain = told_attrs(&p, &m, cfg_iv);
	assert_memory_equal(want(&plain, PL_ATTR, 0).p, WANT, sizeof(WANT) - 1);
	/* It was not heard that it was heard. */
	give(&p, &ask);
	assert_int_equal(p.out.n, 1);
	ike_out_init(&p.out);
	ike_expire(&p.ike, ike_deadline(&p.ike), &p.out);
	assert_memory_equal(sent(&p, 0).p, m.p, m.n);

	ask = transaction(&p, mid_of(&m), B(GIVE), cfg_iv, iv);
	give(&p, &ask);
	assert_int_equal(p.ike.state, IKE_QM1);
	assert_int_equal(p.ike.ip, 0x0a370014);
	m = sent(&p, 0);
	phase2_iv(&p.r, mid_of(&m), iv);
	plain = decrypt(&p.r, &m, iv);
	assert_memory_equal(want(&plain, 5, 0).p, "\1\0\0\0\x0a\x37\0\x14", 8);
	assert_memory_equal(want(&plain, 5, 1).p, "\4\0\0\0\0\0\0\0\0\0\0\0", 12);
	assert_true(payload_of(plain.p + HDR, plain.n - HDR, plain.p[16], 21, 0).bad);
	sa = want(&plain, 1, 0);
	rd_skip(&sa, 8 + 12 + 8);
	assert_int_equal(attr_of(sa, 4), 3);
	pair_free(&p);
}

/* Who does without a login asks for an address of his own choice. */
static void t_skip_login(void **st)
{
	struct bytes m, plain;
	uint8_t iv[16];
	struct pair p;

	xauth_start(&p);
	p.conf.skip_login = true;
	drive(&p, IKE_MM5);
	m = answer(&p);
	give(&p, &m);
	assert_int_equal(p.ike.state, IKE_QM1);
	m = sent(&p, 0);
	phase2_iv(&p.r, mid_of(&m), iv);
	plain = decrypt(&p.r, &m, iv);
	assert_memory_equal(want(&plain, 5, 0).p, "\1\0\0\0\xc6\x12\0\1", 8);
	pair_free(&p);
}

/* What ends it: a login that is not good, and no address. */
static void t_xauth_no(void **st)
{
	uint8_t iv[16], cfg_iv[16];
	struct bytes m;
	struct pair p;

	xauth_init(&p);
	m = transaction(&p, 0x1001, B(STATUS("\0")), NULL, iv);
	give(&p, &m);
	assert_int_equal(sent(&p, 0).p[18], EXCH_TRANSACTION);
	assert_true(told(&p, IKE_EFF_GONE));
	assert_string_equal(p.ike.reason, "authentication failed");
	pair_free(&p);

	xauth_init(&p);
	m = transaction(&p, 0x1002, B(STATUS("\1")), NULL, iv);
	give(&p, &m);
	m = sent(&p, 1);
	phase2_iv(&p.r, mid_of(&m), cfg_iv);
	(void)told_attrs(&p, &m, cfg_iv);
	m = transaction(&p, mid_of(&m), B(GIVE_NONE), cfg_iv, iv);
	give(&p, &m);
	assert_true(told(&p, IKE_EFF_GONE));
	assert_string_equal(p.ike.reason, "the peer gives no address");
	pair_free(&p);

	/* Attributes that lie about their length, and messages of other kinds, are none. */
	xauth_init(&p);
	m = transaction(&p, 0x1003, B("\1\0\x12\x34" "\x40\x89\0\5x"), NULL, iv);
	give(&p, &m);
	m = transaction(&p, 0x1004, B("\2\0\x12\x34" "\x40\x89\0\0"), NULL, iv);
	give(&p, &m);
	m = transaction(&p, 0x1005, B("\1"), NULL, iv);
	give(&p, &m);
	assert_int_equal(p.ike.state, IKE_XAUTH);
	assert_int_equal(p.ike.dropped, 3);
	assert_int_equal(p.out.n, 0);
	pair_free(&p);
}

/* A value that is none of the group gives no secret. */
static void t_bad_dh(void **st)
{
	static const enum dial_group groups[] = {
		DIAL_MODP1024, DIAL_MODP1536, DIAL_MODP2048, DIAL_ECP256, DIAL_ECP384,
	};

	for (unsigned i = 0; i < N_ELEMENTS(groups); i++) {
		uint8_t bad[DIAL_DH_MAX], out[DIAL_DH_MAX];
		struct dial_dh *dh = dial_dh_new(groups[i]);
		size_t n = dial_group_len(groups[i]);

		assert_non_null(dh);
		memset(bad, 0, sizeof(bad));
		assert_int_equal(dial_dh_shared(dh, bad, out), 0);
		bad[n - 1] = 1;
		assert_int_equal(dial_dh_shared(dh, bad, out), 0);
		memset(bad, 0xff, sizeof(bad));
		assert_int_equal(dial_dh_shared(dh, bad, out), 0);
		dial_dh_free(dh);
	}
	assert_null(dial_dh_new((enum dial_group)6));
}

/* Every message is sent again after 1, 2, 4, 8, 16 s, and the sixth time it is given up. */
static void t_retransmit(void **st)
{
	for (enum ike_state s = IKE_MM1; s <= IKE_QM1; s++) {
		uint64_t at, wait = 1000;
		struct bytes first;
		struct pair p;

		if (s == IKE_XAUTH || s == IKE_CFG1)	/* t_xauth */
			continue;
		pair_init(&p, true, true);
		drive(&p, s);
		first = sent(&p, 0);
		at = p.now;
		for (unsigned i = 0; i < 5; i++, wait *= 2) {
			at += wait;
			assert_int_equal(ike_deadline(&p.ike), at);
			ike_out_init(&p.out);
			ike_expire(&p.ike, at - 1, &p.out);
			assert_int_equal(p.out.n, 0);
			ike_expire(&p.ike, at, &p.out);
			assert_memory_equal(sent(&p, 0).p, first.p, first.n);
		}
		ike_out_init(&p.out);
		ike_expire(&p.ike, ike_deadline(&p.ike), &p.out);
		assert_true(told(&p, IKE_EFF_GONE));
		assert_int_equal(p.ike.state, IKE_GONE);
		pair_free(&p);
	}
}

/* A flipped bit anywhere, a message cut anywhere: nothing follows from it that a right one would not
 * have brought, and whatever is authenticated does not pass. */
static void t_damage(void **st)
{
	for (enum ike_state s = IKE_MM1; s <= IKE_QM1; s++) {
		struct bytes good;
		struct pair p;

		if (s == IKE_XAUTH || s == IKE_CFG1)
			continue;
		pair_init(&p, true, true);
		drive(&p, s);
		good = answer(&p);
		for (size_t at = 0; at < 2 * good.n; at++) {
			struct pair q = p;
			struct bytes bad = good;

			/* The copy may not own the DH key twice. */
			if (s == IKE_MM3)
				break;
			if (at < good.n)
				bad.p[at] ^= 1 << at % 8;
			else
				bad.n = at - good.n;
			give(&q, &bad);
			if (s == IKE_QM1 && at < good.n && at >= 28)
				assert_int_equal(q.ike.state, IKE_QM1);
			if (s == IKE_MM5)
				assert_true(q.ike.state == IKE_MM5 || q.ike.state == IKE_GONE ||
					(at < 28 && q.ike.state == IKE_QM1));
			if (at >= good.n)
				assert_int_equal(q.ike.state, s);
			if (s == IKE_MM1)
				dial_dh_free(q.ike.dh);
		}
		pair_free(&p);
	}
}

static void t_wrong_psk(void **st)
{
	struct bytes mm5;
	struct pair p;

	pair_init(&p, true, true);
	p.r.wrong_psk = true;
	drive(&p, IKE_MM5);
	/* The responder cannot read it, and says so without proof. */
	mm5 = sent(&p, 0);
	assert_int_equal(mm5.p[19], 1);
	mm5 = (struct bytes){ 0 };
	{
		struct w w;

		begin(&w, &p.r, &mm5, 5, 99);
		put(&w, 11, "\0\0\0\1\1\0\0\x18", 8);
		finish(&w, &p.r, NULL);
	}
	give(&p, &mm5);
	assert_int_equal(p.ike.state, IKE_GONE);
	assert_string_equal(p.ike.reason, "the peer refuses: notify 24 AUTHENTICATION-FAILED");
	pair_free(&p);
}

/* Forward secrecy was asked for: an answer without it, or with another group, is none. */
static void t_pfs(void **st)
{
	for (unsigned i = 0; i < 2; i++) {
		struct ike_conf conf = conf_usual;
		struct bytes m;
		struct pair p;

		conf.quick_group = DIAL_MODP1024;
		pair_init_with(&p, &conf, true, true);
		p.r.no_pfs = !i;
		p.r.other_group = i;
		drive(&p, IKE_QM1);
		m = answer(&p);
		give(&p, &m);
		assert_int_equal(p.ike.state, IKE_GONE);
		assert_string_equal(p.ike.reason, i ? "the peer chose an ESP SA that was not offered" :
			"no DH value of the group that was agreed");
		pair_free(&p);
	}
}

static void t_no_nat(void **st)
{
	struct bytes m;
	struct pair p;

	pair_init(&p, true, true);
	p.r.nat = false;
	drive(&p, IKE_MM3);
	m = answer(&p);
	give(&p, &m);
	assert_int_equal(p.ike.state, IKE_GONE);
	assert_string_equal(p.ike.reason, "no NAT between us: the peer wants raw ESP");
	pair_free(&p);
}

/* IPv4 and IPv6, behind NAT and not; raw ESP is agreed on where there is none, and nothing else is taken for it. */
static void t_raw(void **st)
{
	static const struct addr v6[] = {
		{ .family = 6, .ip = { 0x20, 1, 0x0d, 0xb8, [15] = 0x10 } }, { .family = 6, .ip = { 0x20, 1, 0x0d, 0xb8, [15] = 1 } },
	};
	const struct addr v4[] = { addr_v4(ME, 0), addr_v4(PEER, 0) };

	for (unsigned i = 0; i < 8; i++) {
		const struct addr *at = i & 1 ? v6 : v4;
		bool nat = i & 2, other = i & 4;
		struct ike_conf conf = conf_usual;
		struct bytes m;
		struct pair p;

		conf.raw_esp = true;
		pair_init_at(&p, &conf, true, true, &at[0], &at[1]);
		p.r.nat = nat;
		p.r.other_way = other;
		drive(&p, IKE_QM1);
		assert_int_equal(p.ike.natt, nat);
		for (unsigned k = 0; k < p.out.n; k++)
			if (p.out.eff[k].type == IKE_EFF_SEND)
				assert_int_equal(p.out.eff[k].natt, nat);	/* port 4500, or all of it on 500 */
		m = answer(&p);
		give(&p, &m);
		assert_int_equal(p.ike.state, other ? IKE_GONE : IKE_UP);
		if (other)
			assert_string_equal(p.ike.reason, "the peer chose an ESP SA that was not offered");
		pair_free(&p);
	}
}

static void t_inform(void **st)
{
	static const uint8_t dpd[] = { 0, 0, 0, 1, 1, 16, 0x8d, 0x28, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9,
		0, 0, 1, 7 };
	static const uint8_t other[] = { 0, 0, 0, 1, 3, 4, 0, 1, 1, 2, 3, 4 };
	static const uint8_t ours[] = { 0, 0, 0, 1, 3, 4, 0, 1, 0xaa, 0xbb, 0xcc, 0xdd };
	struct bytes m, reply;
	uint8_t iv[16];
	struct pair p;

	pair_init(&p, true, true);
	drive(&p, IKE_UP);
	m = inform(&p, 11, dpd, sizeof(dpd));
	give(&p, &m);
	reply = sent(&p, 0);
	phase2_iv(&p.r, mid_of(&reply), iv);
	reply = decrypt(&p.r, &reply, iv);
	assert_memory_equal(want(&reply, 11, 0).p, "\0\0\0\1\1\x10\x8d\x29", 8);
	assert_memory_equal(want(&reply, 11, 0).p + 24, "\0\0\1\7", 4);
	/* Without a right hash it is nothing; an error that nobody proved is nothing either. */
	m.p[m.n - 1] ^= 1;
	give(&p, &m);
	assert_int_equal(p.out.n, 0);
	m = inform(&p, 12, other, sizeof(other));
	give(&p, &m);
	assert_int_equal(p.ike.state, IKE_UP);
	m = inform(&p, 12, ours, sizeof(ours));
	give(&p, &m);
	assert_true(told(&p, IKE_EFF_GONE));
	assert_string_equal(p.ike.reason, "the peer deleted the ESP SA");
	pair_free(&p);
}

static void t_close(void **st)
{
	struct bytes m;
	uint8_t iv[16];
	struct pair p;

	pair_init(&p, false, true);
	drive(&p, IKE_UP);
	ike_out_init(&p.out);
	ike_close(&p.ike, &p.out);
	for (unsigned i = 0; i < 2; i++) {
		m = sent(&p, i);
		phase2_iv(&p.r, mid_of(&m), iv);
		m = decrypt(&p.r, &m, iv);
		assert_memory_equal(want(&m, 12, 0).p, i ? "\0\0\0\1\1\x10\0\1" : "\0\0\0\1\3\4\0\1", 8);
	}
	assert_false(told(&p, IKE_EFF_GONE));
	pair_free(&p);
}

/* Quick Mode is refused: the peer is told that the ISAKMP SA is of no use, unless it said so itself. */
static void t_refused(void **st)
{
	static const uint8_t no_proposal[] = { 0, 0, 0, 1, 3, 4, 0, 14, 0, 0, 0, 0 };
	static const uint8_t isakmp[] = { 0, 0, 0, 1, 1, 16, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2 };

	for (unsigned deleted = 0; deleted < 2; deleted++) {
		struct bytes m;
		uint8_t iv[16];
		struct pair p;

		pair_init(&p, true, true);
		drive(&p, IKE_QM1);
		m = deleted ? inform(&p, 12, isakmp, sizeof(isakmp)) : inform(&p, 11, no_proposal, sizeof(no_proposal));
		give(&p, &m);
		assert_int_equal(p.ike.state, IKE_GONE);
		/* it may be said more than once */
		for (unsigned i = 0; i < 2; i++) {
			ike_out_init(&p.out);
			ike_close(&p.ike, &p.out);
			assert_int_equal(p.out.n, deleted ? 0 : 1);
			if (deleted)
				continue;
			m = sent(&p, 0);
			phase2_iv(&p.r, mid_of(&m), iv);
			m = decrypt(&p.r, &m, iv);
			assert_memory_equal(want(&m, 12, 0).p, "\0\0\0\1\1\x10\0\1", 8);
		}
		pair_free(&p);
	}
}

static void t_ip(void **st)
{
	uint8_t buf[100];
	struct wr w = wr_of(buf, sizeof(buf));
	uint16_t seq = 0;

	ip_write_echo(&w, 0x0a000002, 0x0a000001, 7, 513, 5);
	assert_int_equal(w.len, 33);
	assert_false(ip_read_echo_reply(rd_of(buf, w.len), 7, &seq));
	/* The reply: type 0 instead of 8 is 0x0800 less in the sum. */
	buf[20] = 0;
	if (buf[22] >= 0xf8 && ++buf[23] == 0)
		buf[22]++;
	buf[22] = (uint8_t)(buf[22] + 8);
	assert_true(ip_read_echo_reply(rd_of(buf, w.len), 7, &seq));
	assert_int_equal(seq, 513);
	assert_false(ip_read_echo_reply(rd_of(buf, w.len), 8, &seq));
	for (size_t n = 0; n < w.len; n++)
		assert_false(ip_read_echo_reply(rd_of(buf, n), 7, &seq));
	for (size_t i = 20; i < w.len; i++) {
		buf[i] ^= 0x10;
		assert_false(ip_read_echo_reply(rd_of(buf, w.len), 7, &seq));
		buf[i] ^= 0x10;
	}
	w = wr_of(buf, 20);
	ip_write_udp(&w, 1, 2, 3, 50);
	assert_true(w.bad);

	/* To the discard service, with options in the IP header or without. */
	w = wr_of(buf, sizeof(buf));
	ip_write_udp(&w, 0x0a000002, 0x0a000001, 3, 5);
	for (size_t n = 0; n < 24; n++)
		assert_false(ip_is_discard(rd_of(buf, n)));
	assert_true(ip_is_discard(rd_of(buf, 24)));
	buf[6] = 0x40;
	assert_true(ip_is_discard(rd_of(buf, w.len)));	/* don't fragment */
	buf[6] = 0x20;
	assert_true(ip_is_discard(rd_of(buf, w.len)));	/* the first fragment */
	for (unsigned k = 0; k < 4; k++) {
		static const struct { uint8_t at, byte; } not[] = { { 7, 1 }, { 0, 0x65 }, { 9, 6 }, { 23, 10 } };
		uint8_t was = buf[not[k].at];

		buf[not[k].at] = not[k].byte;
		assert_false(ip_is_discard(rd_of(buf, w.len)));
		buf[not[k].at] = was;
	}
	for (uint8_t ihl = 0; ihl < 5; ihl++) {
		buf[0] = 0x40 | ihl;
		assert_false(ip_is_discard(rd_of(buf, w.len)));
	}
	memmove(buf + 24, buf + 20, w.len - 20);
	memset(buf + 20, 0, 4);
	buf[0] = 0x46;
	assert_true(ip_is_discard(rd_of(buf, w.len + 4)));
	buf[0] = 0x45;
	assert_false(ip_is_discard(rd_of(buf, w.len + 4)));
	/* A right checksum, never 0 (RFC 768): with a pseudo header in front the sum is all ones. */
	for (uint32_t src = 1; src < 70000; src += 3) {
		uint32_t sum = 17 + 8 + 5 + (src >> 16) + (src & 0xffff) + 0xc633 + 0x6402;

		w = wr_of(buf, sizeof(buf));
		ip_write_udp(&w, src, 0xc6336402, 9, 5);
		assert_int_equal(w.len, 20 + 8 + 5);
		assert_int_equal(buf[6], 0x40);		/* DF: no identification is needed */
		assert_true(buf[26] || buf[27]);
		buf[33] = 0;
		for (size_t i = 20; i < 33; i += 2)
			sum += (uint32_t)(buf[i] << 8 | buf[i + 1]);
		sum = (sum >> 16) + (sum & 0xffff);
		assert_int_equal((sum >> 16) + (sum & 0xffff), 0xffff);
	}
}

static void t_hist(void **st)
{
	static const struct {
		uint64_t first, step, n;
	} rows[] = { { 0, 1, 16 }, { 5, 1, 1 }, { 0, 1, 1000 }, { 1, 977, 5000 }, { 100, 0, 10 }, { UINT64_C(1) << 40, 0, 3 } };
	struct hist all = { 0 };
	uint64_t n = 0;

	assert_int_equal(hist_quantile(&all, 500), 0);
	assert_int_equal(hist_mean(&all), 0);
	for (unsigned i = 0; i < N_ELEMENTS(rows); i++) {
		struct hist h = { 0 };

		for (uint64_t k = 0; k < rows[i].n; k++)
			hist_add(&h, rows[i].first + k * rows[i].step);
		for (unsigned q = 0; q <= 1000; q += 10) {
			uint64_t rank = MAX((rows[i].n * q + 999) / 1000, UINT64_C(1));
			uint64_t exact = MIN(rows[i].first + (rank - 1) * rows[i].step, UINT32_MAX);

			assert_in_range(hist_quantile(&h, q), exact, exact + exact / 16);
		}
		assert_int_equal(h.min_us, MIN(rows[i].first, UINT32_MAX));
		assert_int_equal(h.max_us, MIN(rows[i].first + (rows[i].n - 1) * rows[i].step, UINT32_MAX));
		assert_int_equal(hist_mean(&h), MIN(rows[i].first + (rows[i].n - 1) * rows[i].step / 2, UINT32_MAX));
		hist_merge(&all, &h);
		n += rows[i].n;
		assert_int_equal(all.n, n);
		assert_int_equal(all.min_us, 0);
	}
	assert_int_equal(hist_quantile(&all, 1000), UINT32_MAX);
}

static void t_sorted(void **st)
{
	static const struct {
		size_t n;
		unsigned q;
		uint64_t want;
	} rows[] = {
		{ 0, 500, 0 }, { 1, 0, 10 }, { 1, 500, 10 }, { 1, 1000, 10 }, { 2, 500, 10 }, { 2, 501, 20 }, { 4, 990, 40 },
		{ 4, 0, 10 }, { 3, 500, 20 },
	};
	static const uint64_t v[] = { 10, 20, 30, 40 };

	for (unsigned i = 0; i < N_ELEMENTS(rows); i++)
		assert_int_equal(sorted_quantile(v, rows[i].n, rows[i].q), rows[i].want);
}

static void t_seq_track(void **st)
{
	static const struct {
		uint32_t seq[6];
		uint32_t lost, late;
	} rows[] = {
		{ { 0 }, 0, 0 }, { { 1, 2, 3 }, 0, 0 }, { { 1, 3, 2 }, 0, 1 }, { { 2, 4, 6 }, 3, 0 }, { { 3, 2, 1 }, 0, 2 },
		{ { 5 }, 4, 0 }, { { 1, 2, 10, 9, 3 }, 5, 2 },
	};

	for (unsigned i = 0; i < N_ELEMENTS(rows); i++) {
		struct seq_track t = { 0 };

		for (unsigned k = 0; rows[i].seq[k]; k++)
			seq_track_add(&t, rows[i].seq[k]);
		assert_int_equal(seq_track_lost(&t), rows[i].lost);
		assert_int_equal(t.late, rows[i].late);
	}
}

static struct esp_pkt seal_one(struct esp_sa *sa, uint8_t *p)
{
	struct esp_pkt e = { .sa = sa, .p = p, .len = 8, .next_header = 17 };

	esp_seal(&e, 1);
	assert_int_equal(e.verdict, ESP_OK);
	return e;
}

/* A ring and what is sent in between, as dial_load.c and dial_data.c do it: every packet passes the
 * receiver's replay window, however far the ring is, however much comes in between, and behind it. */
static void t_ring(void **st)
{
	static const uint8_t key[32] = { 7 };
	static const struct {
		unsigned n;		/* of the ring */
		uint32_t before;	/* used before it */
		unsigned every, burst;	/* in between: one after so many, and so many at once in the middle */
		unsigned least;		/* that were possible */
	} rows[] = {
		{ 700, 0, 50, 0, 14 }, { 700, 5, 50, 300, 100 }, { 1, 0, 1, 0, 1 }, { 15, 9, 3, 0, 5 }, { 16, 9, 5, 0, 3 },
		{ 17, 77, 2, 20, 20 }, { 3000, 3, 40, 0, 75 }, { 3000, 0, 2, 0, 600 }, { 48, 1, 100, 20, 20 },
	};
	static uint8_t ring[3000][96];
	struct esp_keys k = { ESP_AES_CBC_256, ESP_HMAC_SHA1_96, key, 32, key, 20 };

	for (unsigned row = 0; row < N_ELEMENTS(rows); row++) {
		unsigned n = rows[row].n, between = 0;
		uint32_t first = rows[row].before + 1;
		struct esp_sa *in, *out, *ctl;
		size_t len = 0;

		assert_int_equal(esp_sa_new(99, &k, true, &in), 0);
		assert_int_equal(esp_sa_new(99, &k, false, &out), 0);
		assert_int_equal(esp_sa_new(99, &k, false, &ctl), 0);
		assert_true(esp_seq_raise(out, rows[row].before));
		for (unsigned i = 0; i < n; i++) {
			len = seal_one(out, ring[i]).len;
			assert_int_equal(esp_seq(out), ring_number(first, i));
			if (i % RING_RUN == RING_RUN - 1)
				assert_true(esp_seq_raise(out, (uint32_t)esp_seq(out) + RING_FREE));
		}
		assert_false(esp_seq_raise(out, (uint32_t)esp_seq(out) - 1));
		assert_false(esp_seq_raise(in, 5));
		for (unsigned i = 0; i <= n; i++) {
			unsigned more = (i % rows[row].every == 0) + (i == n / 2) * rows[row].burst + (i == n) * 40u;
			struct esp_pkt e;

			for (; more; more--) {
				uint64_t at = ring_between(first, n, i, esp_seq(ctl));
				uint8_t buf[96];

				if (!at) {
					assert_true(i < n);
					continue;
				}
				assert_true(esp_seq_raise(ctl, (uint32_t)at - 1));
				e = seal_one(ctl, buf);
				e.sa = in;
				esp_open(&e, 1);
				assert_int_equal(e.verdict, ESP_OK);
				between += i < n;
			}
			if (i == n)
				break;
			e = (struct esp_pkt){ .sa = in, .p = ring[i], .len = len };
			esp_open(&e, 1);
			assert_int_equal(e.verdict, ESP_OK);
		}
		assert_true(between >= rows[row].least);
		esp_sa_free(in);
		esp_sa_free(out);
		esp_sa_free(ctl);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_connect), cmocka_unit_test(t_suites), cmocka_unit_test(t_lists), cmocka_unit_test(t_bad_dh),
		cmocka_unit_test(t_retransmit), cmocka_unit_test(t_damage),
		cmocka_unit_test(t_wrong_psk), cmocka_unit_test(t_no_nat), cmocka_unit_test(t_raw), cmocka_unit_test(t_inform),
		cmocka_unit_test(t_close), cmocka_unit_test(t_refused), cmocka_unit_test(t_pfs), cmocka_unit_test(t_ip), cmocka_unit_test(t_hist),
		cmocka_unit_test(t_sorted), cmocka_unit_test(t_seq_track), cmocka_unit_test(t_ring), cmocka_unit_test(t_xauth), cmocka_unit_test(t_xauth_no),
		cmocka_unit_test(t_skip_login),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
