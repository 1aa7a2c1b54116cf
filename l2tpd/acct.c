/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/acct.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"

enum {
	WINDOW = 64,			/* records of one authentication that are under way */
	AGAIN_MIN_MS = 2000, AGAIN_MAX_MS = 60000,	/* between tries while its servers are away */
	INTERIM_MIN_S = 60,		/* RFC 2869 2.1 */
	SOON_MS = 50,			/* what comes meanwhile goes together */
};

/* One authentication with accounting servers. */
struct acct_auth {
	unsigned asked;			/* records under way */
	uint64_t again_ms;		/* its servers are away until then; 0 = they are there */
	uint32_t wait_ms;
};

struct acct {
	struct manager *m;
	struct spool *spool;
	unsigned first;			/* slot that is asked for first */
	uint32_t boot;
	uint32_t epoch, next_id;	/* of this manager: what makes ids unique */
	bool running;
	struct acct_auth auth[CONF_AUTHS];
	uint64_t sent, lost, failed;
};

enum acct_cause acct_cause(const char *reason)
{
	/* How it begins; what is not here is a fault of ours, or of the link before it was up. */
	static const struct { const char *reason; enum acct_cause cause; } causes[] = {
		{ "terminated by the peer", ACCT_USER_REQUEST },
		{ "network protocol terminated by the peer", ACCT_USER_REQUEST },
		{ "closed by peer", ACCT_USER_REQUEST },
		{ "Idle timeout", ACCT_IDLE_TIMEOUT },
		{ "Session timeout", ACCT_SESSION_TIMEOUT },
		{ "keepalive", ACCT_LOST_CARRIER },
		{ "hello timeout", ACCT_LOST_CARRIER },
		{ "no answer", ACCT_LOST_CARRIER },
		{ "no acknowledgement", ACCT_LOST_CARRIER },
		{ "tunnel gone", ACCT_LOST_CARRIER },
		{ "superseded", ACCT_LOST_CARRIER },
		{ "IKE_SA deleted by the peer", ACCT_USER_REQUEST },
		{ "IKE_SA ended", ACCT_LOST_CARRIER },
		{ "cleared by the administrator", ACCT_ADMIN_RESET },
		{ "disconnected by RADIUS", ACCT_ADMIN_RESET },	/* RFC 5176 2.1 */
		{ "closed by administrator", ACCT_ADMIN_RESET },
		{ "the server ends", ACCT_ADMIN_REBOOT },
		{ "shutdown", ACCT_ADMIN_REBOOT },
		{ "replaced by a newer login", ACCT_NAS_REQUEST },
		{ "not in the configuration any more", ACCT_NAS_REQUEST },
		{ "its interface is gone", ACCT_NAS_ERROR },
		{ "its engine ended", ACCT_NAS_ERROR },
		{ "its ", ACCT_NAS_REQUEST },
	};

	for (size_t i = 0; i < N_ELEMENTS(causes); i++)
		if (!strncmp(reason, causes[i].reason, strlen(causes[i].reason)))
			return causes[i].cause;
	return ACCT_NAS_ERROR;
}

struct acct *acct_new(struct manager *m)
{
	struct acct *a = calloc(1, sizeof(*a));

	if (!a)
		fatal("out of memory");
	a->m = m;
	random_bytes(&a->epoch, sizeof(a->epoch));
	return a;
}

void acct_free(struct acct *a)
{
	if (!a)
		return;
	spool_free(a->spool);
	free(a);
}

/* Is there anybody to tell? */
static bool wanted(const struct acct *a, unsigned auth)
{
	return conf_has_auth(&a->m->conf, auth) && a->m->conf.auth[auth].type == CONF_TYPE_RADIUS &&
	       a->m->conf.auth[auth].radius_acct.n_server;
}

/* The authentication of a record, which knows it by name: a reload may have moved it. */
static bool auth_of(const struct acct *a, const struct acct_rec *r, unsigned *ret)
{
	for (unsigned i = 0; i < a->m->conf.n_auth && i < CONF_AUTHS; i++) {
		if (wanted(a, i) && !strcmp(a->m->conf.auth[i].name, r->realm)) {
			*ret = i;
			return true;
		}
	}
	return false;
}

void acct_boot(struct acct *a, uint32_t boot)
{
	a->boot = boot;
}

void acct_open(struct acct *a, int fd)
{
	unsigned bad;
	int err;

	spool_free(a->spool);
	err = spool_open(fd, &a->spool, &bad);

	if (err < 0)
		fatal("the accounting spool cannot be read: %s", strerror(-err));
	if (bad)
		log_err("%u accounting records in the spool are damaged and lost", bad);
	for (unsigned i = 0; i < spool_end(a->spool); i++) {
		struct acct_rec *r = spool_at(a->spool, i);

		if (r)
			r->asked = r->owned = 0;
	}
}

/* A record that begins: in a slot, not in the file yet. */
static unsigned begin(struct acct *a, unsigned auth, enum acct_kind kind)
{
	struct acct_rec *r;
	bool lost;
	unsigned slot = spool_take(a->spool, &lost);
	static struct log_rate rate;

	if (lost || slot == SPOOL_SLOTS) {
		a->lost++;
		if (log_rate_ok(&rate, now_ms()))
			log_err("the accounting spool is full: a record is lost");
	}
	r = spool_at(a->spool, slot);
	if (!r)
		return SPOOL_SLOTS;
	r->kind = (uint8_t)kind;
	r->boot = a->boot;
	r->start_s = r->last_s = time(NULL);
	str_copy(r->realm, sizeof(r->realm), a->m->conf.auth[auth].name);
	snprintf(r->id, sizeof(r->id), "%08X%08X", a->epoch, a->next_id++);
	return slot;
}

/* Look again in so many milliseconds, or sooner where that is planned. */
static void wake(struct acct *a, unsigned ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (!event_pending(a->m->acct_timer, EV_TIMEOUT, NULL))
		event_add(a->m->acct_timer, &tv);
}

/* What is due of it, now with these contents. */
static void due(struct acct *a, unsigned slot, uint8_t bits)
{
	struct acct_rec *r = spool_at(a->spool, slot);

	r->due |= bits;
	spool_write(a->spool, slot);
	wake(a, SOON_MS);
}

static void note(struct acct *a, enum acct_kind kind)
{
	for (unsigned i = 0; i < CONF_AUTHS; i++) {
		unsigned slot = wanted(a, i) ? begin(a, i, kind) : SPOOL_SLOTS;

		if (slot < SPOOL_SLOTS)
			due(a, slot, ACCT_DUE_START);
	}
}

void acct_running(struct acct *a)
{
	unsigned n = 0;

	if (a->running)
		return;
	a->running = true;
	if (!a->spool)
		acct_open(a, -1);
	for (unsigned i = 0; i < spool_end(a->spool); i++) {
		struct acct_rec *r = spool_at(a->spool, i);

		if (!r || r->kind != ACCT_SESSION || r->due & ACCT_DUE_STOP || r->owned)
			continue;
		/* It was up when everything ended, or when its engine and the manager did. */
		r->cause = r->boot == a->boot ? ACCT_NAS_ERROR : ACCT_NAS_REBOOT;
		due(a, i, ACCT_DUE_STOP);
		n++;
	}
	if (n)
		log_notice("%u sessions that a crash ended get an accounting Stop", n);
	/* Once in the life of a server, not of a manager: who is told forgets our sessions. */
	if (a->m->first_life)
		note(a, ACCT_ON);
	/* What a manager before left. */
	if (spool_used(a->spool))
		wake(a, SOON_MS);
}

/* RFC 2869 2.1 */
static uint32_t interim_of(const struct radius_says *says)
{
	return says->interim_s ? MAX(says->interim_s, (uint32_t)INTERIM_MIN_S) : 0;
}

void acct_login(struct acct *a, struct msess *s, const struct msg_judge *j, const struct radius_says *says)
{
	struct acct_rec *r;

	if (!wanted(a, s->auth) || !a->spool)
		return;
	s->acct = begin(a, s->auth, ACCT_SESSION);
	r = spool_at(a->spool, s->acct);
	if (!r)
		return;
	r->owned = 1;
	str_copy(r->user, sizeof(r->user), s->user);
	r->engine = s->engine;
	r->sid = s->sid;
	r->ppp_id = s->ppp_id;
	r->peer = j->req.peer;
	r->xauth = j->req.method == AUTH_XAUTH;
	r->number_len = j->req.number_len;
	memcpy(r->number, j->req.number, MIN(sizeof(r->number), j->req.number_len));
	r->interim_s = interim_of(says);
	r->class_len = says->class_len;
	memcpy(r->classes, says->classes, sizeof(r->classes));
}

/* The next Interim, up to a tenth earlier or later: sessions that began together do not stay so. */
static void interim_plan(struct msess *s, const struct acct_rec *r)
{
	uint32_t spread;

	if (!r->interim_s) {
		s->interim_ms = 0;
		return;
	}
	random_bytes(&spread, sizeof(spread));
	s->interim_ms = now_ms() + r->interim_s * 900ull + spread % (r->interim_s * 200u);
}

const char *acct_id(const struct acct *a, const struct msess *s)
{
	const struct acct_rec *r = s->acct < SPOOL_SLOTS ? spool_at(a->spool, s->acct) : NULL;

	return r ? r->id : NULL;
}

void acct_change(struct acct *a, struct msess *s, uint32_t gives, const struct radius_says *says)
{
	struct acct_rec *r = s->acct < SPOOL_SLOTS ? spool_at(a->spool, s->acct) : NULL;

	if (!r || !(gives & (SAYS_INTERIM | SAYS_CLASS)))
		return;
	if (gives & SAYS_CLASS) {
		r->class_len = says->class_len;
		memcpy(r->classes, says->classes, sizeof(r->classes));
	}
	if (gives & SAYS_INTERIM) {
		r->interim_s = interim_of(says);
		/* One that is not up yet begins with it. */
		if (r->up)
			interim_plan(s, r);
	}
	spool_write(a->spool, s->acct);
	wake(a, SOON_MS);
}

static void take_counts(struct acct_rec *r, const struct acct_count *c)
{
	r->last_s = time(NULL);
	r->time_s = c->time_s;
	r->in_bytes = c->in_bytes;
	r->in_packets = c->in_packets;
	r->out_bytes = c->out_bytes;
	r->out_packets = c->out_packets;
}

static struct acct_count count_of(const struct sess_row *row)
{
	uint64_t now = now_ms();

	return (struct acct_count){
		.time_s = row->start_mono_ms && now > row->start_mono_ms ? (uint32_t)((now - row->start_mono_ms) / 1000) : 0,
		.in_bytes = row->in_bytes, .in_packets = row->in_packets,
		.out_bytes = row->out_bytes, .out_packets = row->out_packets,
	};
}

void acct_up(struct acct *a, struct msess *s, const struct sess_row *row)
{
	struct acct_rec *r = s->acct < SPOOL_SLOTS ? spool_at(a->spool, s->acct) : NULL;

	if (!r || r->up)
		return;
	r->up = 1;
	r->ip = s->ip;
	r->start_s = r->last_s = time(NULL);
	if (row) {
		r->tunnel_id = row->tunnel_id;
		r->session_id = row->session_id;
		r->row_start_s = row->start_wall_s;
	}
	due(a, s->acct, ACCT_DUE_START);
	interim_plan(s, r);
}

void acct_adopt(struct acct *a, struct msess *s, const struct sess_row *row)
{
	s->acct = SPOOL_SLOTS;
	if (!a->spool)
		return;
	for (unsigned i = 0; i < spool_end(a->spool); i++) {
		struct acct_rec *r = spool_at(a->spool, i);

		if (!r || r->kind != ACCT_SESSION || r->boot != a->boot || r->owned || r->due & ACCT_DUE_STOP ||
		    r->engine != s->engine || r->sid.slot != s->sid.slot || r->sid.gen != s->sid.gen ||
		    r->ppp_id != s->ppp_id || r->row_start_s != row->start_wall_s)
			continue;
		r->owned = 1;
		s->acct = i;
		/* As servers were told, be it somewhere else by now. */
		s->peer = r->peer;
		s->number_len = r->number_len;
		memcpy(s->number, r->number, sizeof(s->number));
		interim_plan(s, r);
		return;
	}
	/* It came up while no manager was there; or it was never told. */
	if (row->state == ROW_UP && wanted(a, s->auth)) {
		static const struct radius_says nothing;
		struct msg_judge j = { .req.peer = row->peer };

		acct_login(a, s, &j, &nothing);
		acct_up(a, s, row);
	}
}

void acct_down(struct acct *a, struct msess *s, const struct acct_count *c, const char *reason)
{
	struct acct_rec *r = s->acct < SPOOL_SLOTS ? spool_at(a->spool, s->acct) : NULL;
	unsigned slot = s->acct;

	s->acct = SPOOL_SLOTS;
	if (!r)
		return;
	r->owned = 0;
	if (!r->up) {
		spool_give(a->spool, slot);
		return;
	}
	take_counts(r, c);
	r->cause = (uint8_t)acct_cause(reason);
	/* What it says is older than what comes now. */
	r->due &= (uint8_t)~ACCT_DUE_INTERIM;
	due(a, slot, ACCT_DUE_STOP);
}

/* ---- to the servers ---- */

/* One thing of a record at a time, in their order. */
static uint8_t first_due(const struct acct_rec *r)
{
	return r->due & ACCT_DUE_START ? ACCT_DUE_START : r->due & ACCT_DUE_INTERIM ? ACCT_DUE_INTERIM : r->due;
}

static void ask(struct acct *a, unsigned slot, unsigned auth)
{
	struct acct_rec *r = spool_at(a->spool, slot);
	struct msg_acct m = { .tag = slot, .auth = auth };
	int64_t of, now = time(NULL);

	m.what = first_due(r);
	m.rec = *r;
	of = m.what == ACCT_DUE_START ? r->start_s : r->last_s;
	/* RFC 2866 5.2; a clock that was set back tells nothing. */
	m.delay_s = now > of ? (uint32_t)MIN(now - of, (int64_t)UINT32_MAX) : 0;
	if (!peer_send(&a->m->radius, MSG_ACCT, &m, sizeof(m), -1))
		return;
	r->asked = m.what;
	a->auth[auth].asked++;
}

/* Accounting-On first, and the Stops of those whom it would end before it; RFC 2866 5.1 */
static bool must_wait(const struct acct *a, const struct acct_rec *r, const uint64_t first_on[static CONF_AUTHS],
	const uint64_t first_other[static CONF_AUTHS], unsigned auth)
{
	if (r->kind == ACCT_SESSION)
		return first_on[auth] && r->seq > first_on[auth];
	return first_other[auth] && first_other[auth] < r->seq;
}

static void ask_all(struct acct *a)
{
	uint64_t now = now_ms(), first_on[CONF_AUTHS] = { 0 }, first_other[CONF_AUTHS] = { 0 };
	unsigned auth, end = a->spool ? spool_end(a->spool) : 0;

	for (unsigned i = 0; i < end; i++) {
		const struct acct_rec *r = spool_at(a->spool, i);
		uint64_t *first;

		if (!r || !r->due || !auth_of(a, r, &auth))
			continue;
		first = r->kind == ACCT_SESSION ? &first_other[auth] : &first_on[auth];
		if (!*first || r->seq < *first)
			*first = r->seq;
	}
	for (unsigned k = 0; k < end; k++) {
		unsigned i = (a->first + k) % end;
		const struct acct_rec *r = spool_at(a->spool, i);
		struct acct_auth *x;

		if (!r || !r->due || r->asked || !auth_of(a, r, &auth))
			continue;
		x = &a->auth[auth];
		/* While servers are away one record knocks; the others wait for it. */
		if (x->asked >= (x->wait_ms ? 1 : WINDOW) || now < x->again_ms ||
		    must_wait(a, r, first_on, first_other, auth))
			continue;
		ask(a, i, auth);
	}
}

void acct_done(struct acct *a, const struct msg_acct_done *d)
{
	struct acct_rec *r = a->spool ? spool_at(a->spool, d->tag) : NULL;
	struct acct_auth *x = &a->auth[d->auth];

	/* Not ours any more: the slot made way, or the channel is a new one. */
	if (!r || r->seq != d->seq || !r->asked)
		return;
	if (x->asked)
		x->asked--;
	wake(a, SOON_MS);
	if (!d->ok) {
		r->asked = 0;
		a->failed++;
		/* A server may not take this one, ever; the next one knocks. */
		a->first = d->tag + 1;
		if (!x->wait_ms)
			log_warn("no accounting server of %s answers: records wait in the spool", r->realm);
		/* Those that were under way together failed together, and count once. */
		if (now_ms() >= x->again_ms) {
			x->wait_ms = MIN(MAX(x->wait_ms * 2, (uint32_t)AGAIN_MIN_MS), (uint32_t)AGAIN_MAX_MS);
			x->again_ms = now_ms() + x->wait_ms;
		}
		return;
	}
	if (x->wait_ms)
		log_notice("an accounting server of %s answers again", r->realm);
	x->wait_ms = 0;
	x->again_ms = 0;
	a->sent++;
	/* An Interim that came due meanwhile is a newer one. */
	if (!(r->asked == ACCT_DUE_INTERIM && r->renewed))
		r->due &= (uint8_t)~r->asked;
	r->asked = r->renewed = 0;
	if (!r->due && (r->kind != ACCT_SESSION || r->cause))
		spool_give(a->spool, d->tag);
	else
		spool_write(a->spool, d->tag);
}

void acct_again(struct acct *a)
{
	for (unsigned i = 0; a->spool && i < spool_end(a->spool); i++)
		if (spool_at(a->spool, i))
			spool_at(a->spool, i)->asked = 0;
	for (unsigned i = 0; i < CONF_AUTHS; i++)
		a->auth[i] = (struct acct_auth){ 0 };
	if (a->running)
		wake(a, SOON_MS);
}

/* What is due of sessions that are up. */
static void interims(struct acct *a)
{
	uint64_t now = now_ms();

	LIST_EACH(&a->m->sessions, e) {
		struct msess *s = CONTAINER_OF(e, struct msess, link);
		struct acct_rec *r = s->interim_ms && now >= s->interim_ms ? spool_at(a->spool, s->acct) : NULL;
		struct acct_count c;
		struct sess_row row;

		if (!r)
			continue;
		if (manager_row(a->m, s, &row)) {
			c = count_of(&row);
			take_counts(r, &c);
			r->renewed = r->asked == ACCT_DUE_INTERIM;
			due(a, s->acct, ACCT_DUE_INTERIM);
		}
		interim_plan(s, r);
	}
}

void acct_sync(struct acct *a)
{
	static struct log_rate rate;
	int err;

	if (!a->spool || !spool_is_dirty(a->spool))
		return;
	err = spool_sync(a->spool);
	if (err && log_rate_ok(&rate, now_ms()))
		log_err("the accounting spool cannot be written (%s): records are only in memory", strerror(-err));
}

void acct_tick(struct acct *a)
{
	bool some = false;

	if (!a->running || !a->spool)
		return;
	interims(a);
	ask_all(a);
	acct_sync(a);
	for (unsigned i = 0; i < spool_end(a->spool) && !some; i++)
		some = spool_at(a->spool, i) != NULL;
	/* Sessions may have an Interim, records a server that is back. */
	if (some)
		wake(a, 1000);
}

void acct_off(struct acct *a)
{
	if (!a->running || !a->spool)
		return;
	note(a, ACCT_OFF);
	acct_tick(a);
}

bool acct_is_busy(const struct acct *a)
{
	unsigned auth;

	for (unsigned i = 0; a->running && a->spool && i < spool_end(a->spool); i++) {
		const struct acct_rec *r = spool_at(a->spool, i);

		/* Servers that are away are not waited for. */
		if (r && r->due && auth_of(a, r, &auth) && !a->auth[auth].wait_ms)
			return true;
	}
	return false;
}

void acct_counters(const struct acct *a, struct msg_stats *st)
{
	uint64_t waiting = 0;

	for (unsigned i = 0; a->spool && i < spool_end(a->spool); i++)
		waiting += spool_at(a->spool, i) && spool_at(a->spool, i)->due;

	const struct counter c[] = {
		{ "acct_waiting", waiting }, { "acct_slots", a->spool ? spool_used(a->spool) : 0 }, { "acct_sent", a->sent },
		{ "acct_failed", a->failed }, { "acct_lost", a->lost },
	};

	for (size_t i = 0; i < N_ELEMENTS(c) && st->n < STATS_MAX; i++)
		st->c[st->n++] = c[i];
}
