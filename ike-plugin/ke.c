/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ke: charon's key exchange out of dh.c, and the thread that makes pairs ahead.
 *
 * OpenSSL's own plugin of strongSwan does the same exchange for some five times
 * the price: exponents half as long again, and a third exponentiation that looks
 * whether the peer's value is of the large subgroup.  For a pair that is used once
 * that is worth nothing: all that such a value could tell is one bit of an
 * exponent that is gone.
 *
 * The thread runs at the same priority as the others, and gives way by waiting: it
 * starts when nobody took a pair for a while, and pauses after each.  One of the
 * lowest priority could hold a lock (malloc's, OpenSSL's) that a login wants while
 * a busy engine keeps it from the processor.
 */
#include <crypto/key_exchange.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>


#include "ike-plugin/dh.h"
#include "ike-plugin/plugin.h"

enum {
	QUIET_MS = 200,		/* without a login, before pairs are made again */
	PAUSE_TIMES = 9,	/* as long as a pair took, pause after it: a tenth of a core */
	PAUSE_MIN_MS = 1,
};

static const uint16_t ids[] = {
	DH_MODP_1024, DH_MODP_1536, DH_MODP_2048, DH_MODP_3072, DH_MODP_4096, DH_ECP_256, DH_ECP_384,
};

/* ---- the pool ---- */
struct ke_pool {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool running, stop;
	uint64_t taken_ms;
	struct dh_pool pairs;
};

static struct ke_pool pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Wait, with the lock held, for so long or until it is time to stop. */
static void pool_wait(unsigned ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += ms % 1000 * 1000000L;
	at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000L;
	at.tv_nsec %= 1000000000L;
	while (!pool.stop && pthread_cond_timedwait(&pool.wake, &pool.lock, &at) != ETIMEDOUT)
		;
}

/* What this thread has used of a processor. */
static uint64_t thread_cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void *pool_run(void *arg)
{
	pthread_mutex_lock(&pool.lock);
	while (!pool.stop) {
		const struct dh_group *g = dh_pool_wants(&pool.pairs);
		uint64_t quiet_ms = now_ms() - pool.taken_ms;
		uint64_t began_us;
		struct dh_pair *p;
		unsigned pause_ms;

		if (!g) {
			pthread_cond_wait(&pool.wake, &pool.lock);
			continue;
		}
		if (quiet_ms < QUIET_MS) {
			pool_wait((unsigned)(QUIET_MS - quiet_ms));
			continue;
		}
		pthread_mutex_unlock(&pool.lock);
		began_us = thread_cpu_us();
		p = dh_pair_new(g);
		pause_ms = (unsigned)MAX((thread_cpu_us() - began_us) * PAUSE_TIMES / 1000, PAUSE_MIN_MS);
		pthread_mutex_lock(&pool.lock);
		if (p)
			dh_pool_put(&pool.pairs, p);
		pool_wait(p ? pause_ms : QUIET_MS);
	}
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

static struct dh_pair *pair_get(const struct dh_group *g)
{
	struct dh_pair *p;

	pthread_mutex_lock(&pool.lock);
	p = dh_pool_take(&pool.pairs, g);
	pool.taken_ms = now_ms();
	pthread_cond_signal(&pool.wake);
	pthread_mutex_unlock(&pool.lock);
	if (p)
		COUNT(ike_dh_ahead);
	else
		COUNT(ike_dh_now);
	return p ? p : dh_pair_new(g);
}

/* ---- one exchange ---- */
struct ke {
	key_exchange_t public;
	const struct dh_group *group;
	struct dh_pair *own;		/* until the secret is there */
	chunk_t own_public, peer, secret;
};

/* Not when it is created: that is at a client's first message, which anybody can forge. */
static bool own_make(struct ke *this)
{
	if (!this->own && !this->own_public.len && (this->own = pair_get(this->group)))
		this->own_public = chunk_clone(chunk_create(this->own->public, this->own->n_public));
	return this->own_public.len != 0;
}

METHOD(key_exchange_t, get_shared_secret, bool, struct ke *this, chunk_t *secret)
{
	uint8_t buf[DH_SECRET_MAX];
	struct dh_pair *own;

	if (!this->secret.len) {
		if (!this->peer.len || !own_make(this) || !this->own)
			return FALSE;
		own = this->own;
		this->own = NULL;
		if (dh_agree(own, this->peer.ptr, this->peer.len, buf))
			this->secret = chunk_clone(chunk_create(buf, dh_secret_len(this->group)));
		explicit_bzero(buf, sizeof(buf));
		if (!this->secret.len)
			return FALSE;
	}
	*secret = chunk_clone(this->secret);
	return TRUE;
}

METHOD(key_exchange_t, set_public_key, bool, struct ke *this, chunk_t value)
{
	/* Another peer's value for a pair that was used: never. */
	if (this->secret.len || !dh_public_ok(this->group, value.ptr, value.len)) {
		DBG1(DBG_LIB, "a public value that cannot be");
		return FALSE;
	}
	chunk_free(&this->peer);
	this->peer = chunk_clone(value);
	return TRUE;
}

METHOD(key_exchange_t, get_public_key, bool, struct ke *this, chunk_t *value)
{
	if (!own_make(this))
		return FALSE;
	*value = chunk_clone(this->own_public);
	return TRUE;
}

METHOD(key_exchange_t, get_method, key_exchange_method_t, struct ke *this)
{
	return (key_exchange_method_t)dh_group_id(this->group);
}

METHOD(key_exchange_t, destroy, void, struct ke *this)
{
	dh_pair_free(this->own);
	chunk_free(&this->own_public);
	chunk_free(&this->peer);
	chunk_clear(&this->secret);
	free(this);
}

static key_exchange_t *ke_create(key_exchange_method_t method, ...)
{
	const struct dh_group *g = dh_group(method);
	struct ke *this;

	if (!g)
		return NULL;
	INIT(this,
		.public = {
			.get_shared_secret = _get_shared_secret,
			.set_public_key = _set_public_key,
			.get_public_key = _get_public_key,
			.get_method = _get_method,
			.destroy = _destroy,
		},
		.group = g,
	);
	return &this->public;
}

void ke_start(void)
{
	sigset_t all, was;
	pthread_condattr_t attr;

	/* Before other plugins have registered theirs: the first one for a group is taken. */
	for (unsigned i = 0; i < countof(ids); i++)
		if (dh_group(ids[i]))
			lib->crypto->add_ke(lib->crypto, ids[i], "culvert", (ke_constructor_t)ke_create);
	dh_pool_init(&pool.pairs);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool.wake, &attr);
	pthread_condattr_destroy(&attr);
	pool.stop = false;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	pool.running = !pthread_create(&pool.thread, NULL, pool_run, NULL);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (!pool.running)
		log_warn("no thread for Diffie-Hellman keys: each is made when it is needed");
}

void ke_stop(void)
{
	lib->crypto->remove_ke(lib->crypto, (ke_constructor_t)ke_create);
	if (pool.running) {
		pthread_mutex_lock(&pool.lock);
		pool.stop = true;
		pthread_cond_signal(&pool.wake);
		pthread_mutex_unlock(&pool.lock);
		pthread_join(pool.thread, NULL);
		pool.running = false;
	}
	pthread_cond_destroy(&pool.wake);
	dh_pool_free(&pool.pairs);
}
