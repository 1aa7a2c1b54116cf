/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quick: says Quick Mode's second message again until the third one is in.
 *
 * The third is the client's last word (RFC 2409 5.5): nobody answers it, and
 * only a second message that comes once more tells the client that it was lost.
 * Until then it sends over SAs that we do not have.  charon waits four seconds
 * before it repeats itself, and forgets what it said when anything else comes,
 * say the DELETE for the pair that the new one replaces; then the client hangs
 * until it finds out by itself.
 *
 * When all was in vain the exchange is forgotten, with the SPI that it has, and
 * not the IKE_SA with the pairs that work.
 */
#include <processing/jobs/callback_job.h>
#include <sa/ikev1/tasks/quick_mode.h>

#include "ike-plugin/plugin.h"

enum {
	FIRST_MS = 500,			/* an engine keeps early ESP for a second; then it doubles */
	TRIES = 5,
};

struct quick {
	listener_t listener;
};

/* One exchange whose third message is not in. */
struct wait {
	ike_sa_id_t *id;
	uint32_t mid;
	packet_t *packet;		/* the second message */
	unsigned tries;
};

static void wait_free(struct wait *w)
{
	w->id->destroy(w->id);
	w->packet->destroy(w->packet);
	free(w);
}

/* Does the IKE_SA wait for the third message of this exchange? forget: not any more. */
static bool waits(ike_sa_t *ike_sa, uint32_t mid, bool forget)
{
	enumerator_t *e = ike_sa->create_task_enumerator(ike_sa, TASK_QUEUE_PASSIVE);
	bool ret = FALSE;
	task_t *task;

	while (!ret && e->enumerate(e, &task)) {
		quick_mode_t *quick = (quick_mode_t *)task;

		ret = task->get_type(task) == TASK_QUICK_MODE && quick->get_mid(quick) == mid;
		if (ret && forget) {
			ike_sa->remove_task(ike_sa, e);
			task->destroy(task);
		}
	}
	e->destroy(e);
	return ret;
}

static job_requeue_t again(struct wait *w)
{
	ike_sa_t *ike_sa = charon->ike_sa_manager->checkout(charon->ike_sa_manager, w->id);
	bool last = w->tries == TRIES, wanted;

	if (!ike_sa)
		return JOB_REQUEUE_NONE;
	wanted = waits(ike_sa, w->mid, last);
	if (wanted && !last) {
		host_t *to = ike_sa->get_other_host(ike_sa);

		/* It may have moved meanwhile. */
		w->packet->set_destination(w->packet, to->clone(to));
		charon->sender->send(charon->sender, w->packet->clone(w->packet));
		COUNT(ike_quick_again);
	}
	charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	if (!wanted || last)
		return JOB_REQUEUE_NONE;
	return JOB_RESCHEDULE_MS(FIRST_MS << ++w->tries);
}

METHOD(listener_t, message, bool, struct quick *this, ike_sa_t *ike_sa, message_t *message, bool incoming, bool plain)
{
	ike_sa_id_t *id = ike_sa->get_id(ike_sa);
	uint32_t mid = message->get_message_id(message);
	host_t *from, *to;
	struct wait *w;

	if (incoming || plain || message->get_exchange_type(message) != QUICK_MODE || !waits(ike_sa, mid, false))
		return TRUE;
	from = message->get_source(message);
	to = message->get_destination(message);
	INIT(w,
		.id = id->clone(id),
		.mid = mid,
		.packet = packet_create_from_data(from->clone(from), to->clone(to),
			chunk_clone(message->get_packet_data(message))),
	);
	lib->scheduler->schedule_job_ms(lib->scheduler,
		(job_t *)callback_job_create((callback_job_cb_t)again, w, (callback_job_cleanup_t)wait_free, NULL), FIRST_MS);
	return TRUE;
}

struct quick *quick_new(void)
{
	struct quick *this;

	INIT(this, .listener = { .message = _message });
	charon->bus->add_listener(charon->bus, &this->listener);
	return this;
}

void quick_delete(struct quick *this)
{
	if (!this)
		return;
	charon->bus->remove_listener(charon->bus, &this->listener);
	free(this);
}
