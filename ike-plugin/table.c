/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/table.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a, seeded: good enough against whoever can choose an address but not the seed. */
static uint64_t fnv(uint64_t seed, const void *p, size_t n)
{
	const uint8_t *b = p;
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed;

	while (n--)
		h = (h ^ *b++) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

static uint64_t hash(const struct table *t, const void *p, size_t n)
{
	return fnv(t->seed, p, n);
}

/* Where a client belongs: the same for every iked, so that one that was started again does not
 * part a client's new lineage from its old one. */
static uint64_t home(const struct addr *peer)
{
	uint64_t h = fnv(0, peer->ip, sizeof(peer->ip));

	/* The last bytes of IPv6 addresses would move the low bits only: neighbours would all be one engine's. */
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

static struct list *bucket(const struct table *t, struct list *index, const void *p, size_t n)
{
	return &index[hash(t, p, n) % TABLE_BUCKETS];
}

struct table *table_new(uint64_t epoch, uint64_t seed, unsigned n_engines)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->epoch = epoch;
	t->seed = seed;
	t->n_engines = n_engines;
	for (unsigned i = 0; i < TABLE_BUCKETS; i++) {
		list_init(&t->by_uid[i]);
		list_init(&t->by_id[i]);
		list_init(&t->by_ip[i]);
		list_init(&t->by_spi[i]);
		list_init(&t->by_out[i]);
	}
	for (unsigned i = 0; i < n_engines; i++) {
		t->pool[i] = spi_pool_new(i, (uint32_t)hash(t, &i, sizeof(i)));
		if (!t->pool[i]) {
			table_delete(t);
			return NULL;
		}
	}
	return t;
}

static void sa_free(struct table *t, struct sa *sa)
{
	spi_free(t->pool[spi_engine(sa->spi)], sa->spi);
	list_del(&sa->by_spi);
	list_del(&sa->by_out);
	list_del(&sa->of_lin);
	sa->lin->n_sa--;
	t->n_sa--;
	free(sa);
}

static void lin_free(struct table *t, struct lin *l)
{
	list_del(&l->by_uid);
	list_del(&l->by_id);
	list_del(&l->by_ip);
	if (t->marks)
		marks_free(t->marks, l->mark);
	t->n_lin--;
	free(l);
}

void table_delete(struct table *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < TABLE_BUCKETS; i++)
		LIST_EACH(&t->by_uid[i], e) {
			struct lin *l = CONTAINER_OF(e, struct lin, by_uid);

			LIST_EACH(&l->sas, s)
				sa_free(t, CONTAINER_OF(s, struct sa, of_lin));
			lin_free(t, l);
		}
	for (unsigned i = 0; i < t->n_engines; i++)
		free(t->pool[i]);
	free(t->marks);
	free(t);
}

/* The lineage of an IKE_SA that is there, or NULL. */
static struct lin *lin_of(struct table *t, uint32_t uid)
{
	LIST_EACH(bucket(t, t->by_uid, &uid, sizeof(uid)), e) {
		struct lin *l = CONTAINER_OF(e, struct lin, by_uid);

		if (l->uid == uid && !l->ike_gone)
			return l;
	}
	return NULL;
}

struct lin *table_lin(struct table *t, uint32_t uid)
{
	struct list *b = bucket(t, t->by_uid, &uid, sizeof(uid));
	struct lin *l = lin_of(t, uid);

	if (l)
		return l;
	if (!(l = calloc(1, sizeof(*l))))
		return NULL;
	l->uid = uid;
	l->id = (struct lineage){ .epoch = t->epoch, .counter = ++t->counter };
	l->client = l->id.counter;
	list_init(&l->sas);
	list_init(&l->by_ip);
	list_push(b, &l->by_uid);
	list_push(&t->by_id[l->id.counter % TABLE_BUCKETS], &l->by_id);
	t->n_lin++;
	return l;
}

struct lin *table_lin_by_id(struct table *t, const struct lineage *id)
{
	if (id->epoch != t->epoch)
		return NULL;
	LIST_EACH(&t->by_id[id->counter % TABLE_BUCKETS], e) {
		struct lin *l = CONTAINER_OF(e, struct lin, by_id);

		if (lineage_eq(&l->id, id))
			return l;
	}
	return NULL;
}

void table_join(struct table *t, const struct lineage *id, const struct lineage *root)
{
	struct lin *l = table_lin_by_id(t, id), *r = table_lin_by_id(t, root);

	/* One that is gone, or another iked's, holds nothing that could move. */
	if (l && r)
		l->client = r->client;
}

bool table_same_client(struct table *t, uint64_t a, uint64_t b)
{
	const struct lin *l = table_lin_by_id(t, &(struct lineage){ t->epoch, a });
	const struct lin *m = table_lin_by_id(t, &(struct lineage){ t->epoch, b });

	return l && m && l->client == m->client;
}

bool table_is_client(struct table *t, uint32_t uid, const struct sa *sa)
{
	const struct lin *l = lin_of(t, uid);

	return l && l->client == sa->lin->client;
}

unsigned table_made(struct table *t, uint32_t uid, uint32_t out_spi, uint32_t *ret, unsigned max)
{
	const struct lin *l = lin_of(t, uid);
	unsigned n = 0;

	if (!l)
		return 0;
	LIST_EACH(&l->sas, e) {
		const struct sa *sa = CONTAINER_OF(e, struct sa, of_lin);

		if (sa->out && sa->in && !sa->in_gone && sa->out_spi == out_spi && n < max)
			ret[n++] = sa->spi;
	}
	return n;
}

static struct list *ip_bucket(struct table *t, const struct addr *a)
{
	return bucket(t, t->by_ip, a->ip, sizeof(a->ip));
}

bool table_has_sa_at(struct table *t, const struct addr *a)
{
	LIST_EACH(ip_bucket(t, a), e)
		if (addr_ip_eq(&CONTAINER_OF(e, struct lin, by_ip)->peer, a))
			return true;
	return false;
}

bool table_place(struct table *t, struct lin *l, const struct addr *peer)
{
	unsigned want;

	if (l->placed)
		return t->alive[l->engine];
	LIST_EACH(ip_bucket(t, peer), e) {
		const struct lin *other = CONTAINER_OF(e, struct lin, by_ip);

		if (addr_ip_eq(&other->peer, peer) && t->alive[other->engine]) {
			l->engine = other->engine;
			l->placed = true;
			return true;
		}
	}
	want = (unsigned)(home(peer) >> 16) % t->n_engines;
	for (unsigned i = 0; i < t->n_engines; i++) {
		unsigned e = (want + i) % t->n_engines;

		if (t->alive[e]) {
			l->engine = e;
			l->placed = true;
			return true;
		}
	}
	return false;
}

static struct sa *sa_make(struct table *t, struct lin *l, const struct addr *local,
	const struct addr *peer, uint32_t spi)
{
	struct sa *sa = calloc(1, sizeof(*sa));

	if (!sa) {
		spi_free(t->pool[spi_engine(spi)], spi);
		return NULL;
	}
	sa->lin = l;
	sa->spi = spi;
	sa->local = *local;
	sa->peer = *peer;
	list_push(bucket(t, t->by_spi, &sa->spi, sizeof(sa->spi)), &sa->by_spi);
	list_init(&sa->by_out);
	list_push(&l->sas, &sa->of_lin);
	l->n_sa++;
	t->n_sa++;
	table_lin_move(t, l, peer);
	return sa;
}

struct sa *table_sa_new(struct table *t, struct lin *l, const struct addr *local,
	const struct addr *peer, uint32_t rnd)
{
	uint32_t spi;

	if (!table_place(t, l, peer))
		return NULL;
	if (t->marks && !l->mark)
		l->mark = marks_take(t->marks, l->engine);
	if ((t->marks && !l->mark) || !spi_take(t->pool[l->engine], rnd, &spi))
		return NULL;
	return sa_make(t, l, local, peer, spi);
}

struct sa *table_sa_again(struct table *t, struct lin *l, const struct addr *local,
	const struct addr *peer, uint32_t spi)
{
	if (!l->placed || !t->alive[l->engine] || !spi_retake(t->pool[l->engine], spi))
		return NULL;
	return sa_make(t, l, local, peer, spi);
}

struct sa *table_sa(struct table *t, uint32_t spi)
{
	LIST_EACH(bucket(t, t->by_spi, &spi, sizeof(spi)), e) {
		struct sa *sa = CONTAINER_OF(e, struct sa, by_spi);

		if (sa->spi == spi)
			return sa;
	}
	return NULL;
}

void table_out_set(struct table *t, struct sa *sa, uint32_t out_spi, const struct addr *peer)
{
	list_del(&sa->by_out);
	sa->out = true;
	sa->out_spi = out_spi;
	sa->out_peer = *peer;
	list_push(bucket(t, t->by_out, &sa->out_spi, sizeof(sa->out_spi)), &sa->by_out);
}

struct sa *table_sa_by_out(struct table *t, uint32_t out_spi, const struct addr *peer, uint32_t uid)
{
	struct sa *best = NULL;
	int best_rank = -1;

	LIST_EACH(bucket(t, t->by_out, &out_spi, sizeof(out_spi)), e) {
		struct sa *sa = CONTAINER_OF(e, struct sa, by_out);
		int rank = sa->in_gone * 2 + (sa->lin->uid == uid && !sa->lin->ike_gone);

		if (sa->out_spi == out_spi && addr_eq(&sa->out_peer, peer) && rank > best_rank) {
			best = sa;
			best_rank = rank;
		}
	}
	return best;
}

void table_out_move(struct table *t, struct sa *sa, const struct addr *peer)
{
	(void)t;			/* the index is by SPI alone */
	sa->out_peer = *peer;
}

void table_lin_move(struct table *t, struct lin *l, const struct addr *peer)
{
	list_del(&l->by_ip);
	l->peer = *peer;
	list_push(ip_bucket(t, peer), &l->by_ip);
}

/* Free what has ended; l may be gone afterwards. */
static struct table_end lin_check(struct table *t, struct lin *l)
{
	struct table_end end = { .lineage = l->id, .engine = l->engine };

	if (l->n_sa)
		return end;
	list_del(&l->by_ip);
	if (!l->ike_gone)
		return end;
	end.flow_end = l->announced;
	end.deleted = l->ike_deleted;
	lin_free(t, l);
	return end;
}

static struct table_end sa_check(struct table *t, struct sa *sa)
{
	struct lin *l = sa->lin;

	if (sa->in_gone && !sa->out)
		sa_free(t, sa);
	return lin_check(t, l);
}

struct table_end table_in_del(struct table *t, struct sa *sa)
{
	sa->in_gone = true;
	return sa_check(t, sa);
}

struct table_end table_out_del(struct table *t, struct sa *sa)
{
	sa->out = false;
	list_del(&sa->by_out);
	return sa_check(t, sa);
}

/* Of an IKE_SA that is there, or NULL. */
static struct lin *lin_of_ike(struct table *t, uint32_t uid)
{
	LIST_EACH(bucket(t, t->by_uid, &uid, sizeof(uid)), e) {
		struct lin *l = CONTAINER_OF(e, struct lin, by_uid);

		if (l->uid == uid && !l->ike_gone)
			return l;
	}
	return NULL;
}

struct table_end table_ike_gone(struct table *t, uint32_t uid)
{
	struct lin *l = lin_of_ike(t, uid);

	if (!l)
		return (struct table_end){ 0 };
	l->ike_gone = true;
	return lin_check(t, l);
}

void table_ike_deleted(struct table *t, uint32_t uid)
{
	struct lin *l = lin_of_ike(t, uid);

	if (l)
		l->ike_deleted = true;
}

void table_reserve(struct table *t, uint32_t spi)
{
	unsigned e = spi_engine(spi);

	if (e < t->n_engines && spi_slot(spi) && !table_sa(t, spi))
		(void)spi_retake(t->pool[e], spi);
}

void table_unreserve(struct table *t, uint32_t spi)
{
	unsigned e = spi_engine(spi);

	if (e < t->n_engines && !table_sa(t, spi))
		spi_free(t->pool[e], spi);
}
