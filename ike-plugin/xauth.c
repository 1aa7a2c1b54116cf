/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xauth: clients that log in by IKE (draft-beaulieu-ike-xauth) and get their
 * address by it (Mode Config, draft-dukes-ike-mode-cfg).
 *
 * Whether a login is good, and what address it brings, other processes say, and
 * that may take its time.  charon has one thread for each message, and one that
 * waits for a verdict would keep the IKE_SA to itself, so that the next message
 * of the same client would keep a second one waiting.  So none ever waits: the
 * task that asked for name and password ends with the client's answer, and when
 * the verdict is here a second one, that knows it, tells the client:
 *
 *	charon's task    CFG_REQUEST(name, password) → client
 *	answered()       CFG_REPLY ← client; XAUTH_REQ → engine; the task ends
 *	xauth_done()     XAUTH_DONE ← engine; another of charon's tasks
 *	method           its initiate() has nothing to ask any more
 *	authorize()      good or not
 *	charon's task    CFG_SET(status) → client
 *	provider         Mode Config: the address
 *
 * A client that never answers, or whose verdict never comes, ends with charon's
 * time for half-open IKE_SAs.
 */
#include "ike-plugin/plugin.h"		/* first: see ss.h */

#include <attributes/attribute_provider.h>
#include <encoding/payloads/cp_payload.h>
#include <processing/jobs/callback_job.h>
#include <sa/ikev1/tasks/xauth.h>
#include <sa/xauth/xauth_method.h>
#include <stdio.h>
#include <string.h>

#include "ike-plugin/answer.h"

struct xauth {
	attribute_provider_t provider;
	listener_t listener;
};

enum lin_login xauth_login_of(ike_sa_t *ike_sa, struct lin_lease *ret)
{
	enum lin_login login = LOGIN_NONE;
	struct lin *l;

	culvert->lock->lock(culvert->lock);
	l = table_lin(culvert->table, ike_sa->get_unique_id(ike_sa));
	if (l)
		login = l->login;
	if (login == LOGIN_GOOD && ret)
		*ret = l->lease;
	culvert->lock->unlock(culvert->lock);
	return login;
}

/* ---- the verdict, on its way to the client ---- */
struct resume {
	uint64_t spi_i, spi_r;
	uint32_t uid;
};

static job_requeue_t resume_job(struct resume *r)
{
	ike_sa_id_t *id = ike_sa_id_create(IKEV1_MAJOR_VERSION, r->spi_i, r->spi_r, FALSE);
	ike_sa_t *ike_sa = charon->ike_sa_manager->checkout(charon->ike_sa_manager, id);
	status_t status = SUCCESS;

	id->destroy(id);
	if (!ike_sa)
		return JOB_REQUEUE_NONE;
	if (ike_sa->get_unique_id(ike_sa) == r->uid && ike_sa->get_state(ike_sa) == IKE_CONNECTING) {
		ike_sa->queue_task(ike_sa, (task_t *)xauth_create(ike_sa, TRUE));
		status = ike_sa->initiate(ike_sa, NULL, NULL);
	}
	if (status == DESTROY_ME)
		charon->ike_sa_manager->checkin_and_destroy(charon->ike_sa_manager, ike_sa);
	else
		charon->ike_sa_manager->checkin(charon->ike_sa_manager, ike_sa);
	return JOB_REQUEUE_NONE;
}

/* The IKE_SA waits until whoever is at it has finished. */
static void resume(const struct lin *l)
{
	struct resume *r = malloc(sizeof(*r));

	*r = (struct resume){ .spi_i = l->spi_i, .spi_r = l->spi_r, .uid = l->uid };
	lib->processor->queue_job(lib->processor,
		(job_t *)callback_job_create((callback_job_cb_t)resume_job, r, free, NULL));
}

void xauth_done(unsigned engine, const struct msg_xauth_done *m)
{
	struct lin *l;

	culvert->lock->lock(culvert->lock);
	l = table_lin_by_id(culvert->table, &m->lineage);
	if (l && !l->ike_gone && l->placed && l->engine == engine && l->login == LOGIN_ASKED) {
		l->login = m->verdict == VERDICT_OK ? LOGIN_GOOD : LOGIN_BAD;
		if (l->login == LOGIN_GOOD)
			COUNT(ike_xauth_good);
		else
			COUNT(ike_xauth_bad);
		l->lease.ip = m->ip;
		memcpy(l->lease.dns, m->dns, sizeof(l->lease.dns));
		memcpy(l->lease.nbns, m->nbns, sizeof(l->lease.nbns));
		resume(l);
	}
	culvert->lock->unlock(culvert->lock);
}

/* ---- the client's answer ---- */

/* Hand it on. False: there is nobody to judge it. */
static bool ask(struct lin *l, struct msg_xauth_req *m)
{
	if (!table_place(culvert->table, l, &m->peer))
		return false;
	m->lineage = l->id;
	if (hub_engine(culvert->hub, l->engine, MSG_XAUTH_REQ, m, sizeof(*m)))
		return false;
	l->announced = true;
	l->login = LOGIN_ASKED;
	return true;
}

static const char *read_answer(message_t *message, struct msg_xauth_req *m)
{
	cp_payload_t *cp = (cp_payload_t *)message->get_payload(message, PLV1_CONFIGURATION);
	configuration_attribute_t *attr;
	enumerator_t *e;
	struct answer a;

	answer_init(&a, m);
	if (!cp || cp->get_type(cp) != CFG_REPLY)
		return "no answer in it";
	e = cp->create_attribute_enumerator(cp);
	while (e->enumerate(e, &attr)) {
		chunk_t value = attr->get_chunk(attr);

		answer_attr(&a, (uint16_t)attr->get_type(attr), rd_of(value.ptr, value.len));
	}
	e->destroy(e);
	return answer_end(&a);
}

/* In place of the task's own: the message ends the task. */
static status_t answered(task_t *task, message_t *message)
{
	static struct log_rate rate;
	ike_sa_t *ike_sa = charon->bus->get_sa(charon->bus);
	ike_sa_id_t *id = ike_sa->get_id(ike_sa);
	struct msg_xauth_req m = {
		.local = addr_of_host(ike_sa->get_my_host(ike_sa)), .peer = addr_of_host(ike_sa->get_other_host(ike_sa)),
	};
	const char *fault = read_answer(message, &m);
	char raw[256], from[ADDR_STRLEN];
	struct lin *l;

	snprintf(raw, sizeof(raw), "%Y", ike_sa->get_other_id(ike_sa));
	str_escape(m.ike_id, sizeof(m.ike_id), raw, strlen(raw));
	if (fault)
		COUNT(ike_xauth_malformed);
	culvert->lock->lock(culvert->lock);
	l = table_lin(culvert->table, ike_sa->get_unique_id(ike_sa));
	if (l) {
		l->spi_i = id->get_initiator_spi(id);
		l->spi_r = id->get_responder_spi(id);
		if (!fault && !ask(l, &m))
			fault = "no engine to judge it";
		if (fault) {
			l->login = LOGIN_BAD;
			resume(l);
		}
	}
	culvert->lock->unlock(culvert->lock);
	if (fault && rate_ok(&rate))
		log_warn("ike=%u peer=%s xauth refused reason=\"%s\"", ike_sa->get_unique_id(ike_sa),
			addr_str(&m.peer, from), fault);
	explicit_bzero(&m, sizeof(m));
	return SUCCESS;
}

/* ---- the method, as charon's task knows it ---- */
struct method {
	xauth_method_t public;
	identification_t *peer;
};

/* What it asks for, and who takes the answer. */
static void request(ike_sa_t *ike_sa, cp_payload_t **out)
{
	enumerator_t *e = ike_sa->create_task_enumerator(ike_sa, TASK_QUEUE_ACTIVE);
	task_t *task;

	while (e->enumerate(e, &task))
		if (task->get_type(task) == TASK_XAUTH)
			task->process = (void *)answered;
	e->destroy(e);
	*out = cp_payload_create_type(PLV1_CONFIGURATION, CFG_REQUEST);
	(*out)->add_attribute(*out, configuration_attribute_create_chunk(PLV1_CONFIGURATION_ATTRIBUTE, XAUTH_USER_NAME,
		chunk_empty));
	(*out)->add_attribute(*out, configuration_attribute_create_chunk(PLV1_CONFIGURATION_ATTRIBUTE,
		XAUTH_USER_PASSWORD, chunk_empty));
}

static host_t *host_of_ip(uint32_t ip)
{
	uint32_t n = htonl(ip);

	return host_create_from_chunk(AF_INET, chunk_from_thing(n), 0);
}

static bool has_ip(ike_sa_t *ike_sa, host_t *ip)
{
	enumerator_t *e = ike_sa->create_virtual_ip_enumerator(ike_sa, FALSE);
	bool found = FALSE;
	host_t *h;

	while (!found && e->enumerate(e, &h))
		found = h->ip_equals(h, ip);
	e->destroy(e);
	return found;
}

/* The IKE_SA has the address from the login on: a client that does phase 1 again may not ask for it again. */
static void give_ip(ike_sa_t *ike_sa, host_t *ip)
{
	if (!has_ip(ike_sa, ip))
		ike_sa->add_virtual_ip(ike_sa, FALSE, ip);
}

METHOD(xauth_method_t, initiate, status_t, struct method *this, cp_payload_t **out)
{
	ike_sa_t *ike_sa = charon->bus->get_sa(charon->bus);
	struct lin_lease lease;
	host_t *ip;

	switch (xauth_login_of(ike_sa, &lease)) {
	case LOGIN_NONE:
		request(ike_sa, out);
		return NEED_MORE;
	case LOGIN_GOOD:
		ip = host_of_ip(lease.ip);
		give_ip(ike_sa, ip);
		ip->destroy(ip);
		return SUCCESS;
	case LOGIN_BAD:
		return SUCCESS;		/* authorize() says no, and the client is told */
	default:
		return FAILED;
	}
}

METHOD(xauth_method_t, process, status_t, struct method *this, cp_payload_t *in, cp_payload_t **out)
{
	return FAILED;			/* answered() is there before it */
}

METHOD(xauth_method_t, get_identity, identification_t *, struct method *this)
{
	return this->peer;
}

METHOD(xauth_method_t, method_destroy, void, struct method *this)
{
	this->peer->destroy(this->peer);
	free(this);
}

static xauth_method_t *method_create(identification_t *server, identification_t *peer, char *profile)
{
	struct method *this;

	INIT(this,
		.public = {
			.initiate = _initiate,
			.process = _process,
			.get_identity = _get_identity,
			.destroy = _method_destroy,
		},
		.peer = peer->clone(peer),
	);
	return &this->public;
}

/* charon asks before a client is in, for the last time with final. */
METHOD(listener_t, authorize, bool, listener_t *listener, ike_sa_t *ike_sa, bool final, bool *success)
{
	peer_cfg_t *peer = ike_sa->get_peer_cfg(ike_sa);

	if (final && peer && streq(peer->get_name(peer), XAUTH_PEER_NAME) &&
	    xauth_login_of(ike_sa, NULL) != LOGIN_GOOD)
		*success = FALSE;
	return TRUE;
}

/* ---- Mode Config ---- */
METHOD(attribute_provider_t, acquire_address, host_t *, struct xauth *this, linked_list_t *pools, ike_sa_t *ike_sa,
	host_t *requested)
{
	struct lin_lease lease;

	/* Whatever it asks for: there is one address for it. */
	if (requested->get_family(requested) != AF_INET || xauth_login_of(ike_sa, &lease) != LOGIN_GOOD)
		return NULL;
	return host_of_ip(lease.ip);
}

/* The manager takes addresses back when a session ends.  One that does not ask for its own again keeps it until then. */
METHOD(attribute_provider_t, release_address, bool, struct xauth *this, linked_list_t *pools, host_t *address,
	ike_sa_t *ike_sa)
{
	struct lin_lease lease;
	host_t *own;

	if (ike_sa->get_state(ike_sa) == IKE_DESTROYING || xauth_login_of(ike_sa, &lease) != LOGIN_GOOD)
		return TRUE;
	own = host_of_ip(lease.ip);
	if (own->ip_equals(own, address))
		give_ip(ike_sa, own);
	own->destroy(own);
	return TRUE;
}

struct attrs {
	enumerator_t public;
	unsigned n, at;
	struct {
		configuration_attribute_type_t type;
		uint32_t value;		/* network order */
	} a[5];
};

static void put(struct attrs *this, configuration_attribute_type_t type, uint32_t value)
{
	if (!value)
		return;
	this->a[this->n].type = type;
	this->a[this->n++].value = htonl(value);
}

METHOD(enumerator_t, attrs_enumerate, bool, struct attrs *this, va_list args)
{
	configuration_attribute_type_t *type;
	chunk_t *value;

	VA_ARGS_VGET(args, type, value);
	if (this->at == this->n)
		return FALSE;
	*type = this->a[this->at].type;
	*value = chunk_from_thing(this->a[this->at].value);
	this->at++;
	return TRUE;
}

METHOD(attribute_provider_t, create_attribute_enumerator, enumerator_t *, struct xauth *this, linked_list_t *pools,
	ike_sa_t *ike_sa, linked_list_t *vips)
{
	struct lin_lease lease;
	struct attrs *e;

	if (xauth_login_of(ike_sa, &lease) != LOGIN_GOOD)
		return enumerator_create_empty();
	INIT(e,
		.public = {
			.enumerate = enumerator_enumerate_default,
			.venumerate = _attrs_enumerate,
			.destroy = (void *)free,
		},
	);
	put(e, INTERNAL_IP4_NETMASK, UINT32_MAX);
	for (unsigned i = 0; i < countof(lease.dns); i++)
		put(e, INTERNAL_IP4_DNS, lease.dns[i]);
	for (unsigned i = 0; i < countof(lease.nbns); i++)
		put(e, INTERNAL_IP4_NBNS, lease.nbns[i]);
	return &e->public;
}

struct xauth *xauth_new(void)
{
	struct xauth *this;

	INIT(this,
		.provider = {
			.acquire_address = _acquire_address,
			.release_address = _release_address,
			.create_attribute_enumerator = _create_attribute_enumerator,
		},
		.listener = { .authorize = _authorize },
	);
	charon->attributes->add_provider(charon->attributes, &this->provider);
	charon->bus->add_listener(charon->bus, &this->listener);
	charon->xauth->add_method(charon->xauth, "culvert", XAUTH_SERVER, method_create);
	return this;
}

void xauth_delete(struct xauth *this)
{
	if (!this)
		return;
	charon->xauth->remove_method(charon->xauth, method_create);
	charon->bus->remove_listener(charon->bus, &this->listener);
	charon->attributes->remove_provider(charon->attributes, &this->provider);
	free(this);
}
