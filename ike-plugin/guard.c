/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard: keeps from charon what is not due (order.h).
 *
 * It has to stand where a message has its IKE_SA for itself: before that,
 * charon's threads may still overtake each other.  charon offers no such place
 * (listeners may look, and cannot refuse), but its objects are rows of method
 * pointers; so with an IKE_SA's first message its process_message becomes ours,
 * which calls charon's.
 */
#include <collections/hashtable.h>
#include <pthread.h>

#include "ike-plugin/order.h"
#include "ike-plugin/plugin.h"

typedef status_t (*process_t)(ike_sa_t *, message_t *);

struct guard {
	listener_t listener;
	pthread_mutex_t lock;		/* over orders */
	hashtable_t *orders;		/* ike_sa_t → struct order */
	u_char key[16];			/* of the digests */
	process_t charons;		/* the same of every IKE_SA */
};

static struct rd bytes_of(message_t *message)
{
	chunk_t data = message->get_packet_data(message);

	return rd_of(data.ptr, data.len);
}

static uint64_t digest_of(struct guard *this, message_t *message)
{
	return chunk_mac(message->get_packet_data(message), this->key);
}

static bool due(struct guard *this, ike_sa_t *ike_sa, message_t *message)
{
	struct order *o;
	bool ok;

	pthread_mutex_lock(&this->lock);
	o = this->orders->get(this->orders, ike_sa);
	ok = !o || order_due(o, bytes_of(message), digest_of(this, message));
	pthread_mutex_unlock(&this->lock);
	return ok;
}

static void took(struct guard *this, ike_sa_t *ike_sa, message_t *message)
{
	struct order *o;

	pthread_mutex_lock(&this->lock);
	o = this->orders->get(this->orders, ike_sa);
	if (o)
		order_took(o, bytes_of(message), digest_of(this, message));
	pthread_mutex_unlock(&this->lock);
}

static status_t process_message(ike_sa_t *ike_sa, message_t *message)
{
	struct guard *this = culvert->guard;
	status_t status;

	if (!due(this, ike_sa, message)) {
		COUNT(ike_not_due);
		DBG1(DBG_NET, "%N message is not due: a late copy, or forged", exchange_type_names,
			message->get_exchange_type(message));
		return SUCCESS;
	}
	status = this->charons(ike_sa, message);
	/* After any other status the IKE_SA is gone or as it was. */
	if (status == SUCCESS)
		took(this, ike_sa, message);
	return status;
}

/* The first message of an IKE_SA is with charon already; if that refuses it, the IKE_SA ends as well. */
METHOD(listener_t, message, bool, struct guard *this, ike_sa_t *ike_sa, message_t *message, bool incoming, bool plain)
{
	struct order *o;

	if (!incoming || plain || ike_sa->process_message == process_message)
		return TRUE;
	o = calloc(1, sizeof(*o));
	if (!o)
		return TRUE;
	pthread_mutex_lock(&this->lock);
	order_took(o, bytes_of(message), digest_of(this, message));
	this->orders->put(this->orders, ike_sa, o);
	if (!this->charons)
		this->charons = ike_sa->process_message;
	pthread_mutex_unlock(&this->lock);
	ike_sa->process_message = process_message;
	return TRUE;
}

METHOD(listener_t, ike_state_change, bool, struct guard *this, ike_sa_t *ike_sa, ike_sa_state_t state)
{
	if (state != IKE_DESTROYING)
		return TRUE;
	pthread_mutex_lock(&this->lock);
	free(this->orders->remove(this->orders, ike_sa));
	pthread_mutex_unlock(&this->lock);
	return TRUE;
}

struct guard *guard_new(void)
{
	struct guard *this;

	INIT(this,
		.listener = {
			.message = _message,
			.ike_state_change = _ike_state_change,
		},
		.orders = hashtable_create(hashtable_hash_ptr, hashtable_equals_ptr, 4096),
	);
	random_bytes(this->key, sizeof(this->key));
	pthread_mutex_init(&this->lock, NULL);
	culvert->guard = this;		/* a message may come before we return */
	charon->bus->add_listener(charon->bus, &this->listener);
	return this;
}

/* Its IKE_SAs are gone and charon's threads at rest when charon lets go of its plugins. */
void guard_delete(struct guard *this)
{
	if (!this)
		return;
	charon->bus->remove_listener(charon->bus, &this->listener);
	this->orders->destroy(this->orders);
	pthread_mutex_destroy(&this->lock);
	free(this);
}
