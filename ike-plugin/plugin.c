/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plugin: how libstrongswan finds and starts us.  We provide charon's socket,
 * its kernel (IPsec and network) and all of its configuration.
 */
#include "ike-plugin/plugin.h"

#include <pthread.h>
#include <string.h>

struct culvert *culvert;

bool rate_ok(struct log_rate *rate)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	bool ok;

	pthread_mutex_lock(&lock);
	ok = log_rate_ok(rate, now_ms());
	pthread_mutex_unlock(&lock);
	return ok;
}

METHOD(plugin_t, get_name, char *, struct culvert *this)
{
	return "culvert";
}

/* Everything that needs charon's managers. */
static bool register_parts(struct culvert *this, plugin_feature_t *feature, bool reg, void *data)
{
	if (!reg) {
		xauth_delete(this->xauth);
		quick_delete(this->quick);
		guard_delete(this->guard);
		natd_delete(this->natd);
		events_delete(this->events);
		backend_delete(this->backend);
		hub_delete(this->hub);
		this->xauth = NULL;
		this->quick = NULL;
		this->guard = NULL;
		this->natd = NULL;
		this->events = NULL;
		this->backend = NULL;
		this->hub = NULL;
		return TRUE;
	}
	if (!abi_check_layout())
		return FALSE;
	this->backend = backend_new(&this->h->conf);
	explicit_bzero(&this->h->conf, sizeof(this->h->conf));
	this->events = events_new();
	if (!this->raw_esp)
		this->natd = natd_new();
	this->guard = guard_new();
	this->xauth = xauth_new();
	this->quick = quick_new();
	childless_start(this->h->childless_s);
	hub_start(this->hub);
	return TRUE;
}

METHOD(plugin_t, get_features, int, struct culvert *this, plugin_feature_t *features[])
{
	static plugin_feature_t f[] = {
		PLUGIN_CALLBACK(kernel_ipsec_register, culvert_ipsec_create),
			PLUGIN_PROVIDE(CUSTOM, "kernel-ipsec"),
		PLUGIN_CALLBACK(kernel_net_register, culvert_net_create),
			PLUGIN_PROVIDE(CUSTOM, "kernel-net"),
		PLUGIN_CALLBACK(socket_register, culvert_socket_create),
			PLUGIN_PROVIDE(CUSTOM, "socket"),
				PLUGIN_DEPENDS(CUSTOM, "kernel-ipsec"),
		PLUGIN_CALLBACK((plugin_feature_callback_t)register_parts, NULL),
			PLUGIN_PROVIDE(CUSTOM, "culvert"),
				PLUGIN_DEPENDS(CUSTOM, "libcharon-receiver"),
				PLUGIN_DEPENDS(CUSTOM, "libcharon-sa-managers"),
	};

	*features = f;
	return countof(f);
}

METHOD(plugin_t, destroy, void, struct culvert *this)
{
	ke_stop();
	hub_delete(this->hub);
	table_delete(this->table);
	this->lock->destroy(this->lock);
	culvert = NULL;
	free(this);
}

plugin_t *culvert_plugin_create(void)
{
	struct handover *h = lib->get(lib, HANDOVER_NAME);
	struct culvert *this;
	uint64_t rnd[2];

	if (!h) {
		DBG1(DBG_LIB, "the culvert plugin works inside culvert-iked only");
		return NULL;
	}
	log_init("iked", h->log_syslog);
	log_max = h->log_max;
	if (!abi_check_mediation())
		return NULL;
	random_bytes(rnd, sizeof(rnd));
	INIT(this,
		.plugin = {
			.get_name = _get_name,
			.get_features = _get_features,
			.destroy = _destroy,
		},
		.h = h,
		.raw_esp = h->conf.raw_esp,
		.lock = mutex_create(MUTEX_TYPE_DEFAULT),
		.table = table_new(rnd[0], rnd[1], h->conf.engines),
	);
	if (!this->table) {
		this->lock->destroy(this->lock);
		free(this);
		return NULL;
	}
	culvert = this;
	this->hub = hub_new(h);
	ke_start();
	return &this->plugin;
}
