/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SAs of a session, and new ones for old ones, as clients do it: both phases
 * again and again while traffic goes on.  The new pair is sent on at once; the old
 * one can be received on until it is deleted, --overlap later.
 *
 *   phase 2   another Quick Mode, then DELETE for the old pair
 *   phase 1   another Main Mode (from port 4500, but for raw ESP), its Quick Mode, then DELETE for the
 *             old pair and the old ISAKMP SA; the L2TP tunnel goes on
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "ctl/dial.h"

enum {
	BUSY_MS = 100,			/* one thing at a time */
	SETTLE_MS = 300,
};

/* ---- pairs ---- */
static void pair_free(struct dsess *s, struct dial_pair *p)
{
	data_flush(s->d);		/* what is queued uses it */
	s->esp_lost += seq_track_lost(&p->seen);
	s->esp_late += p->seen.late;
	if (s->out == p->out)
		s->out = NULL;
	esp_sa_free(p->in);
	esp_sa_free(p->out);
	*p = (struct dial_pair){ 0 };
}

void pairs_free(struct dsess *s)
{
	for (unsigned i = 0; i < PAIRS_MAX; i++)
		if (s->pair[i].in)
			pair_free(s, &s->pair[i]);
}

struct dial_pair *pair_find(struct dsess *s, uint32_t spi_in)
{
	for (unsigned i = 0; i < PAIRS_MAX; i++)
		if (s->pair[i].in && s->pair[i].spi_in == spi_in)
			return &s->pair[i];
	return NULL;
}

bool pair_new(struct dsess *s, struct ike *k)
{
	struct ike_child *c = &k->child;
	struct esp_keys in = { c->enc, c->auth, c->in_enc, c->enc_len, c->in_auth, c->auth_len };
	struct esp_keys out = { c->enc, c->auth, c->out_enc, c->enc_len, c->out_auth, c->auth_len };
	struct dial_pair *p = NULL;

	str_copy(s->d->main_text, sizeof(s->d->main_text), k->main_text);
	str_copy(s->d->quick_text, sizeof(s->d->quick_text), k->quick_text);
	for (unsigned i = 0; i < PAIRS_MAX && !p; i++)
		if (!s->pair[i].in)
			p = &s->pair[i];
	if (!p || esp_sa_new(c->spi_in, &in, true, &p->in))
		return false;
	if (esp_sa_new(c->spi_out, &out, false, &p->out)) {
		esp_sa_free(p->in);
		*p = (struct dial_pair){ 0 };
		return false;
	}
	p->spi_in = c->spi_in;
	p->ike = s->n_ikes;
	p->end_ms = UINT64_MAX;
	data_flush(s->d);
	s->out = p->out;
	return !s->raw || wire_raw(s) == 0;
}

uint64_t rekey_esp_lost(const struct dsess *s, uint64_t *late)
{
	uint64_t lost = s->esp_lost;

	*late = s->esp_late;
	for (unsigned i = 0; i < PAIRS_MAX; i++) {
		lost += seq_track_lost(&s->pair[i].seen);
		*late += s->pair[i].seen.late;
	}
	return lost;
}

/* ---- new for old ---- */
static uint64_t every(unsigned period_s, uint64_t now)
{
	return period_s ? now + period_s * 1000ull : UINT64_MAX;
}

void rekey_up(struct dsess *s, uint64_t now)
{
	const struct dial_conf *c = &s->d->conf;

	s->rekey_ms = every(c->rekey_s, now);
	s->reauth_ms = every(c->reauth_s, now);
	s->move_ms = every(c->move_s, now);
}

/* Pairs of IKE_SAs up to this one have been replaced. */
static void replace(struct dsess *s, unsigned ike, uint64_t now)
{
	for (unsigned i = 0; i < PAIRS_MAX; i++) {
		struct dial_pair *p = &s->pair[i];

		if (p->in && p->out != s->out && p->ike <= ike && p->end_ms == UINT64_MAX)
			p->end_ms = now + s->d->conf.overlap_ms;
	}
}

static void old_ike_end(struct dsess *s, uint64_t now)
{
	struct ike_out out;

	if (!s->old_ike)
		return;
	ike_out_init(&out);
	ike_close(s->old_ike, &out);
	sess_ike_effects(s, s->old_ike, &out, now);
	for (unsigned i = 0; i < PAIRS_MAX; i++)
		if (s->pair[i].in && s->pair[i].ike < s->n_ikes)
			pair_free(s, &s->pair[i]);
	ike_free(s->old_ike);
	free(s->old_ike);
	s->old_ike = NULL;
}

void rekey_done(struct dsess *s, struct ike *k, uint64_t now)
{
	bool phase1 = k == s->next_ike;

	if (phase1) {
		struct ike was = s->ike;

		old_ike_end(s, now);
		s->n_ikes++;
		s->ike = *s->next_ike;
		*s->next_ike = was;
		s->old_ike = s->next_ike;
		s->next_ike = NULL;
		s->old_ike_ms = now + s->d->conf.overlap_ms;
		explicit_bzero(&was, sizeof(was));
		k = &s->ike;
	}
	if (!pair_new(s, k)) {
		sess_fail(s, "no ESP SA");
		return;
	}
	if (s->d->conf.xauth && k->ip != s->ppp.ip_local) {
		sess_fail(s, "another address after phase 1 was done again");
		return;
	}
	if (phase1)
		s->reauths++;
	else
		s->rekeys++;
	if (!phase1)
		replace(s, s->n_ikes, now);
	if (s->d->conf.each)
		printf("session=%u phase=%u again spi=%08x enc=%u auth=%u\n", s->n, phase1 ? 1 : 2, k->child.spi_in, k->child.enc,
			k->child.auth);
}

static void rekey(struct dsess *s, uint64_t now)
{
	const struct dial_conf *c = &s->d->conf;
	struct ike_out out;

	ike_out_init(&out);
	if (s->next_ike || !ike_rekey(&s->ike, c->rekey_suite.n && !(s->rekeys & 1) ? &c->rekey_suite : &c->quick, now, &out)) {
		s->rekey_ms = now + BUSY_MS;
		return;
	}
	s->rekey_ms = every(c->rekey_s, now);
	sess_ike_effects(s, &s->ike, &out, now);
}

static void reauth(struct dsess *s, uint64_t now)
{
	struct ike_ends ends = sess_ends(s, !s->raw);
	struct ike_out out;
	struct rng seed;

	if (s->next_ike || s->ike.state != IKE_UP || !(s->next_ike = calloc(1, sizeof(*s->next_ike)))) {
		s->reauth_ms = now + BUSY_MS;
		return;
	}
	s->reauth_ms = every(s->d->conf.reauth_s, now);
	rng_init(&seed);
	ike_init(s->next_ike, &s->d->ike_conf, &ends, &seed);
	ike_out_init(&out);
	ike_start(s->next_ike, now, &out);
	sess_ike_effects(s, s->next_ike, &out, now);
}

static void move(struct dsess *s, uint64_t now)
{
	int err;

	/* Not within an exchange: libcharon answers a message that is sent again where it first came from. */
	if (s->next_ike || s->ike.state != IKE_UP) {
		s->move_ms = now + BUSY_MS;
		return;
	}
	s->move_ms = every(s->d->conf.move_s, now);
	/* The server hears first over the old SA where we are; at once from both new is a new client. */
	s->reauth_ms = MAX(s->reauth_ms, now + SETTLE_MS);
	data_flush(s->d);
	err = wire_move(s, (s->moves++ & 1) || s->raw);
	if (err)
		sess_fail(s, strerror(-err));
	else if (s->d->conf.each)
		printf("session=%u moved\n", s->n);
}

void rekey_expire(struct dsess *s, uint64_t now)
{
	struct ike_out out;

	for (unsigned i = 0; i < 2; i++) {
		struct ike *k = i ? s->old_ike : s->next_ike;

		if (!k)
			continue;
		ike_out_init(&out);
		ike_expire(k, now, &out);
		sess_ike_effects(s, k, &out, now);
	}
	for (unsigned i = 0; i < PAIRS_MAX; i++) {
		struct dial_pair *p = &s->pair[i];

		if (!p->in || now < p->end_ms)
			continue;
		ike_out_init(&out);
		ike_delete(p->ike == s->n_ikes || !s->old_ike ? &s->ike : s->old_ike, p->spi_in, &out);
		sess_ike_effects(s, &s->ike, &out, now);
		pair_free(s, p);
	}
	if (s->old_ike && now >= s->old_ike_ms)
		old_ike_end(s, now);
	if (s->state != SESS_UP)
		return;
	if (now >= s->move_ms)
		move(s, now);
	if (now >= s->reauth_ms)
		reauth(s, now);
	if (now >= s->rekey_ms)
		rekey(s, now);
}

uint64_t rekey_deadline(const struct dsess *s)
{
	uint64_t at = UINT64_MAX;

	if (s->state == SESS_UP)
		at = MIN(s->rekey_ms, MIN(s->reauth_ms, s->move_ms));
	if (s->next_ike)
		at = MIN(at, ike_deadline(s->next_ike));
	if (s->old_ike)
		at = MIN(at, s->old_ike_ms);
	for (unsigned i = 0; i < PAIRS_MAX; i++)
		if (s->pair[i].in)
			at = MIN(at, s->pair[i].end_ms);
	return at;
}

void rekey_close(struct dsess *s, struct ike_out *out)
{
	if (s->next_ike)
		ike_close(s->next_ike, out);
	if (s->old_ike)
		ike_close(s->old_ike, out);
}

void rekey_free(struct dsess *s)
{
	struct ike *k[] = { s->next_ike, s->old_ike };

	for (unsigned i = 0; i < N_ELEMENTS(k); i++) {
		if (!k[i])
			continue;
		ike_free(k[i]);
		free(k[i]);
	}
	s->next_ike = s->old_ike = NULL;
	pairs_free(s);
}
