/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * childless: ends IKE_SAs that hold no CHILD_SA.
 *
 * A client whose Quick Mode was refused, or that vanished after Main Mode,
 * leaves one.  DPD finds the second kind only with clients that speak it, and
 * the first one answers DPD for ever.  Without SAs there is nothing to keep it
 * for; a client that wants to come back gets a DELETE and begins anew.
 *
 * But a client that does phase 1 again may have its Quick Modes follow much
 * later, and may take a DELETE for the end of its connection: as long as
 * anybody at its address has SAs, none is ended there.
 */
#include <collections/array.h>
#include <collections/hashtable.h>
#include <processing/jobs/callback_job.h>

#include "ike-plugin/plugin.h"

enum { LOOKS = 4 };			/* in the time that an IKE_SA may be without */

struct childless {
	unsigned after_s;
	hashtable_t *since;		/* unique id → time_t, of those that the last look found */
};

/* One that was found without. */
struct found {
	ike_sa_id_t *id;
	uint32_t uid;
	struct addr peer;
};

static bool without(ike_sa_t *ike_sa)
{
	enumerator_t *e;
	task_t *task;
	bool busy;

	if (ike_sa->get_state(ike_sa) != IKE_ESTABLISHED || ike_sa->get_child_count(ike_sa))
		return false;
	/* a Quick Mode whose third message is not in yet */
	e = ike_sa->create_task_enumerator(ike_sa, TASK_QUEUE_PASSIVE);
	busy = e->enumerate(e, &task);
	e->destroy(e);
	return !busy;
}

static bool at_home(const struct addr *peer)
{
	bool ret;

	culvert->lock->lock(culvert->lock);
	ret = table_has_sa_at(culvert->table, peer);
	culvert->lock->unlock(culvert->lock);
	return ret;
}

static void end(const struct found *f)
{
	ike_sa_t *ike_sa;

	if (at_home(&f->peer))
		return;
	ike_sa = charon->ike_sa_manager->checkout(charon->ike_sa_manager, f->id);
	if (!ike_sa)
		return;
	/* One that has logged in ends with its session, which may live on SAs of an iked before us. */
	if (!without(ike_sa) || xauth_login_of(ike_sa, NULL) == LOGIN_GOOD) {
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
		return;
	}
	COUNT(ike_childless);
	log_info("ike=%u ended: it has had no SA for a while", f->uid);
	if (ike_sa->delete(ike_sa, FALSE) == DESTROY_ME)
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager, ike_sa);
	else
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
}

/*
 * Who has been without for too long; the others are in this->since afterwards.
 * Whoever is being worked on is passed over, and its time begins anew.
 */
static array_t *look(struct childless *this, time_t now)
{
	hashtable_t *since = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr, 32);
	array_t *ret = array_create(sizeof(struct found), 0);
	enumerator_t *e = charon->ike_sa_manager->create_enumerator(charon->ike_sa_manager, FALSE);
	ike_sa_t *ike_sa;

	while (e->enumerate(e, &ike_sa)) {
		uint32_t uid = ike_sa->get_unique_id(ike_sa);
		void *key = (void *)(uintptr_t)uid;
		uintptr_t from;

		if (!without(ike_sa))
			continue;
		from = (uintptr_t)this->since->get(this->since, key);
		if (!from)
			from = (uintptr_t)now;
		since->put(since, key, (void *)from);
		if (now - (time_t)from >= (time_t)this->after_s) {
			ike_sa_id_t *id = ike_sa->get_id(ike_sa);
			struct found f = {
				.id = id->clone(id), .uid = uid, .peer = addr_of_host(ike_sa->get_other_host(ike_sa)),
			};

			array_insert(ret, ARRAY_TAIL, &f);
		}
	}
	e->destroy(e);
	this->since->destroy(this->since);
	this->since = since;
	return ret;
}

static job_requeue_t run(struct childless *this)
{
	array_t *found = look(this, time_monotonic(NULL));
	struct found f;

	/* Not while they were enumerated, which holds charon's locks. */
	while (array_remove(found, ARRAY_HEAD, &f)) {
		end(&f);
		f.id->destroy(f.id);
	}
	array_destroy(found);
	return JOB_RESCHEDULE(MAX(this->after_s / LOOKS, 1u));
}

static void childless_free(struct childless *this)
{
	this->since->destroy(this->since);
	free(this);
}

void childless_start(unsigned after_s)
{
	struct childless *this;

	INIT(this,
		.after_s = after_s,
		.since = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr, 32),
	);
	/* It goes with charon's processor. */
	lib->scheduler->schedule_job(lib->scheduler, (job_t *)callback_job_create((callback_job_cb_t)run, this,
		(callback_job_cleanup_t)childless_free, NULL), MAX(after_s / LOOKS, 1u));
}
