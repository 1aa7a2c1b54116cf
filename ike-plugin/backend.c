/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backend: what charon asks about peers: which proposals, which key, which
 * child.  It all comes from the `ike` statement that match_ike() picks for the
 * pair of addresses, since IKEv1 needs the key before the peer has said who it
 * is (RFC 2409 5.4).
 */
#include <config/backend.h>
#include <credentials/credential_set.h>
#include <stdio.h>
#include <string.h>

#include "ike-plugin/match.h"
#include "ike-plugin/plugin.h"
#include "ike-plugin/proxy.h"
#include "ike-plugin/suite.h"

enum {
	/* Longer than any client's own (Windows, Apple 1 h, Android 8 h): the client rekeys. */
	SA_LIFE_S = 8 * 3600 + 3600,
	DPD_TRIES = 3,
};

/* One statement as charon's objects; counted. */
struct rule {
	refcount_t ref;
	ike_cfg_t *ike_cfg;
	peer_cfg_t *peer;		/* of every client, behind a proxy */
	child_cfg_t *child;		/* its only one */
	peer_cfg_t *xauth_peer;		/* of those that come by XAuth; NULL = they may not */
	child_cfg_t *xauth_child;
	shared_key_t *psk;
};

struct backend {
	backend_t backend;
	credential_set_t creds;
	rwlock_t *lock;			/* over what follows */
	struct conf *conf;		/* without secrets */
	struct rule *rule[CONF_IKES];
};

static void rule_put(struct rule *r)
{
	if (!r || !ref_put(&r->ref))
		return;
	DESTROY_IF(r->ike_cfg);
	DESTROY_IF(r->peer);
	DESTROY_IF(r->child);
	DESTROY_IF(r->xauth_peer);
	DESTROY_IF(r->xauth_child);
	DESTROY_IF(r->psk);
	free(r);
}

/* True when one of the algorithms that a crypto enumerator yields is alg. */
static bool listed(enumerator_t *e, uint16_t alg)
{
	const char *plugin;
	int have;		/* an enum in all of them */
	bool found = FALSE;

	while (!found && e->enumerate(e, &have, &plugin))
		found = have == alg;
	e->destroy(e);
	return found;
}

/* charon parses and even selects what no plugin can compute, and then fails. */
static bool supported(proposal_t *p)
{
	static const transform_type_t types[] = {
		ENCRYPTION_ALGORITHM, INTEGRITY_ALGORITHM, PSEUDO_RANDOM_FUNCTION, KEY_EXCHANGE_METHOD,
	};

	for (unsigned i = 0; i < countof(types); i++) {
		enumerator_t *e = p->create_enumerator(p, types[i]);
		uint16_t alg, key_len;
		bool ok = TRUE;

		while (ok && e->enumerate(e, &alg, &key_len)) {
			switch (types[i]) {
			case ENCRYPTION_ALGORITHM:
				ok = listed(lib->crypto->create_crypter_enumerator(lib->crypto), alg);
				break;
			case INTEGRITY_ALGORITHM:
				ok = listed(lib->crypto->create_signer_enumerator(lib->crypto), alg);
				break;
			case PSEUDO_RANDOM_FUNCTION:
				ok = listed(lib->crypto->create_prf_enumerator(lib->crypto), alg);
				break;
			default:
				ok = alg == KE_NONE || listed(lib->crypto->create_ke_enumerator(lib->crypto), alg);
				break;
			}
		}
		e->destroy(e);
		if (!ok)
			return FALSE;
	}
	return TRUE;
}

/* Suites that were left out, for one line about all of a configuration. */
struct missing {
	unsigned n;
	char text[400];
};

static void missing_add(struct missing *m, const char *suite)
{
	size_t len = strlen(m->text);

	/* Every statement has nearly the same ones. */
	if (strstr(m->text, suite))
		return;
	m->n++;
	snprintf(m->text + len, sizeof(m->text) - len, " %s", suite);
}

/* Add the suites that can be computed to a list, or with a second child to both; how many. */
static unsigned add_suites(const struct suites *s, protocol_id_t proto, ike_cfg_t *ike_cfg, child_cfg_t *child,
	child_cfg_t *second, struct missing *missing)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n; i++) {
		proposal_t *p = proposal_create_from_string(proto, s->s[i]);

		/* ESP is our engine's work, not libstrongswan's. */
		if (!p || (proto == PROTO_IKE && !supported(p))) {
			missing_add(missing, s->s[i]);
			DESTROY_IF(p);
			continue;
		}
		if (second)
			second->add_proposal(second, p->clone(p, 0));
		if (ike_cfg)
			ike_cfg->add_proposal(ike_cfg, p);
		else
			child->add_proposal(child, p);
		n++;
	}
	return n;
}

static auth_cfg_t *psk_auth(const char *id)
{
	auth_cfg_t *auth = auth_cfg_create();

	auth->add(auth, AUTH_RULE_AUTH_CLASS, AUTH_CLASS_PSK);
	/* Must be there: charon passes over configurations without a local identity when it looks for the key. */
	auth->add(auth, AUTH_RULE_IDENTITY, identification_create_from_string((char *)(id[0] ? id : "%any")));
	return auth;
}

/*
 * A second configuration for the same clients: which of the two one means, it
 * says in its first message.  Both are for the same key, and have the same IKE
 * proposals, since those are chosen before.
 */
static void xauth_add(struct rule *r, const struct conf_ike *k, const peer_cfg_create_t *peer,
	const child_cfg_create_t *like)
{
	child_cfg_create_t child = *like;
	auth_cfg_t *login = auth_cfg_create();

	child.mode = MODE_TUNNEL;
	r->xauth_child = child_cfg_create(XAUTH_PEER_NAME, &child);
	r->xauth_child->add_traffic_selector(r->xauth_child, TRUE,
		traffic_selector_create_from_cidr("0.0.0.0/0", 0, 0, 65535));
	/* The address that Mode Config gave. */
	r->xauth_child->add_traffic_selector(r->xauth_child, FALSE, traffic_selector_create_dynamic(0, 0, 65535));
	r->xauth_peer = peer_cfg_create(XAUTH_PEER_NAME, r->ike_cfg->get_ref(r->ike_cfg), (peer_cfg_create_t *)peer);
	r->xauth_peer->add_auth_cfg(r->xauth_peer, psk_auth(k->srcid), TRUE);
	r->xauth_peer->add_auth_cfg(r->xauth_peer, psk_auth(k->dstid), FALSE);
	login->add(login, AUTH_RULE_AUTH_CLASS, AUTH_CLASS_XAUTH);
	r->xauth_peer->add_auth_cfg(r->xauth_peer, login, FALSE);
	r->xauth_peer->add_pool(r->xauth_peer, "culvert");
	r->xauth_peer->add_child_cfg(r->xauth_peer, r->xauth_child->get_ref(r->xauth_child));
}

static struct rule *rule_new(const struct conf *c, unsigned i, struct missing *missing)
{
	const struct conf_ike *k = &c->ike[i];
	unsigned n_main = 0, n_quick = 0;
	ike_cfg_create_t ike = {
		.version = IKEV1,
		.local = "%any", .local_port = charon->socket->get_port(charon->socket, FALSE),
		.remote = "%any", .remote_port = 500,
		.no_certreq = TRUE,
		.fragmentation = FRAGMENTATION_YES,
	};
	peer_cfg_create_t peer = {
		.cert_policy = CERT_NEVER_SEND,
		/* Identities are private addresses that repeat from home to home. */
		.unique = UNIQUE_NEVER,
		.keyingtries = 1,
		.no_mobike = TRUE,
		.dpd = c->dpd_s,
		.dpd_timeout = c->dpd_s * DPD_TRIES,
	};
	child_cfg_create_t child = {
		.mode = MODE_TRANSPORT,
		.lifetime = { .time = { .life = SA_LIFE_S } },
	};
	struct suites *s;
	struct rule *r;
	const char *word = "";

	INIT(r,
		.ref = 1,
		.ike_cfg = ike_cfg_create(&ike),
		.child = child_cfg_create("l2tp", &child),
		.psk = shared_key_create(SHARED_IKE, chunk_clone(chunk_create((u_char *)k->psk, k->psk_len))),
	);
	r->peer = peer_cfg_create("l2tp", r->ike_cfg->get_ref(r->ike_cfg), &peer);
	r->peer->add_auth_cfg(r->peer, psk_auth(k->srcid), TRUE);
	r->peer->add_auth_cfg(r->peer, psk_auth(k->dstid), FALSE);
	/* Any port on our side too: racoon asks for 0.  The engine lets only 1701 pass. */
	r->child->add_traffic_selector(r->child, TRUE, traffic_selector_create_dynamic(IPPROTO_UDP, 0, 65535));
	r->child->add_traffic_selector(r->child, FALSE, traffic_selector_create_dynamic(IPPROTO_UDP, 0, 65535));
	r->peer->add_child_cfg(r->peer, r->child->get_ref(r->child));
	if (k->xauth)
		xauth_add(r, k, &peer, &child);
	s = malloc(sizeof(*s));
	/* What a tunnel and a transport statement for the same ends allow; match_ike() picks the first. */
	for (unsigned j = 0; j < c->n_ike; j++) {
		if (!conf_ike_same_ends(k, &c->ike[j]))
			continue;
		if (suite_main(&c->ike[j], c->proposals, s, &word))
			n_main += add_suites(s, PROTO_IKE, r->ike_cfg, NULL, NULL, missing);
		if (suite_quick(&c->ike[j], c->proposals, s, &word))
			n_quick += add_suites(s, PROTO_ESP, NULL, r->child, r->xauth_child, missing);
	}
	free(s);
	if (!n_main || !n_quick) {
		log_err("ike statement=%u ignored reason=\"no usable proposal\" word=%s", i + 1, word);
		rule_put(r);
		return NULL;
	}
	return r;
}

void backend_load(struct backend *this, const struct conf *c)
{
	struct rule *fresh[CONF_IKES] = { 0 };
	struct conf *copy = malloc(sizeof(*copy));
	struct missing missing = { 0 };
	unsigned n = 0;

	*copy = *c;
	for (unsigned i = 0; i < c->n_ike; i++) {
		struct conf_ike *k = &copy->ike[i];

		if (match_usable(k) && (fresh[i] = rule_new(c, i, &missing)))
			n++;
		else
			k->psk_len = 0;		/* so that match_ike() passes over it */
		explicit_bzero(k->psk, sizeof(k->psk));
	}
	if (missing.n)
		log_warn("ike proposals left out=%u reason=\"strongSwan has no such algorithm here\":%s", missing.n,
			missing.text);
	if (!n)
		log_err("ike has no usable statement: nobody can connect");
	this->lock->write_lock(this->lock);
	for (unsigned i = 0; i < CONF_IKES; i++) {
		struct rule *old = this->rule[i];

		this->rule[i] = fresh[i];
		rule_put(old);
	}
	free(this->conf);
	this->conf = copy;
	this->lock->unlock(this->lock);
}

/* The rule for a pair of addresses, counted, or NULL. */
static struct rule *rule_for(struct backend *this, host_t *me, host_t *other)
{
	struct addr local, peer;
	struct rule *r = NULL;
	int i;

	if (!me || !other)
		return NULL;
	local = addr_of_host(me);
	peer = addr_of_host(other);
	this->lock->read_lock(this->lock);
	i = this->conf ? match_ike(this->conf, &local, &peer) : -1;
	if (i >= 0 && (r = this->rule[i]))
		ref_get(&r->ref);
	this->lock->unlock(this->lock);
	return r;
}

/* The rule for the IKE_SA that this thread is at. */
static struct rule *rule_current(struct backend *this)
{
	ike_sa_t *ike_sa = charon->bus->get_sa(charon->bus);

	return ike_sa ? rule_for(this, ike_sa->get_my_host(ike_sa), ike_sa->get_other_host(ike_sa)) : NULL;
}

static void ike_cfg_put(void *p)
{
	ike_cfg_t *cfg = p;

	cfg->destroy(cfg);
}

METHOD(backend_t, create_ike_cfg_enumerator, enumerator_t *, struct backend *this, host_t *me, host_t *other)
{
	struct rule *r = rule_for(this, me, other);
	ike_cfg_t *cfg;

	if (!r)
		return enumerator_create_empty();
	cfg = r->ike_cfg->get_ref(r->ike_cfg);
	rule_put(r);
	return enumerator_create_single(cfg, ike_cfg_put);
}

/*
 * The child is named after the client.  charon takes an SA for the successor
 * of another one when their names are equal, and would then delete that one's
 * outbound SA: with equal names one client could so silence another whose NAT
 * port it got.
 */
static peer_cfg_t *peer_cfg_of(struct rule *r, uint64_t lineage)
{
	char name[32];

	snprintf(name, sizeof(name), "l2tp-%llu", (unsigned long long)lineage);
	return proxy_new(r->peer, r->child, name);
}

static bool same_client(uint64_t a, uint64_t b)
{
	bool ret;

	culvert->lock->lock(culvert->lock);
	ret = table_same_client(culvert->table, a, b);
	culvert->lock->unlock(culvert->lock);
	return ret;
}

/*
 * charon hands the SAs, and the address, of an IKE_SA to another one from the
 * same place.  Whether that is the same user it does not know; our engine does.
 */
static peer_cfg_t *xauth_peer_cfg_of(struct rule *r, uint64_t lineage)
{
	char name[32];

	snprintf(name, sizeof(name), XAUTH_PEER_NAME "-%llu", (unsigned long long)lineage);
	return proxy_new_own(r->xauth_peer, r->xauth_child, name, lineage, same_client);
}

static void peer_cfgs_put(void *p)
{
	linked_list_t *list = p;

	list->destroy_offset(list, offsetof(peer_cfg_t, destroy));
}

METHOD(backend_t, create_peer_cfg_enumerator, enumerator_t *, struct backend *this, identification_t *me,
	identification_t *other)
{
	ike_sa_t *ike_sa = charon->bus->get_sa(charon->bus);
	struct rule *r = rule_current(this);
	uint64_t lineage = 0;
	linked_list_t *cfgs;
	struct lin *l;

	if (!r)
		return enumerator_create_empty();
	culvert->lock->lock(culvert->lock);
	l = table_lin(culvert->table, ike_sa->get_unique_id(ike_sa));
	if (l)
		lineage = l->id.counter;
	culvert->lock->unlock(culvert->lock);
	cfgs = linked_list_create_with_items(peer_cfg_of(r, lineage), NULL);
	if (r->xauth_peer)
		cfgs->insert_last(cfgs, xauth_peer_cfg_of(r, lineage));
	rule_put(r);
	return enumerator_create_cleaner(cfgs->create_enumerator(cfgs), peer_cfgs_put, cfgs);
}

METHOD(backend_t, get_peer_cfg_by_name, peer_cfg_t *, struct backend *this, char *name)
{
	return NULL;		/* only a responder */
}

/* What the key's enumerator holds. */
struct key_enum {
	enumerator_t public;
	shared_key_t *key;		/* NULL when it was given out */
	shared_key_t *ref;
};

METHOD(enumerator_t, key_enumerate, bool, struct key_enum *this, va_list args)
{
	shared_key_t **key;
	id_match_t *me, *other;

	VA_ARGS_VGET(args, key, me, other);
	if (!this->key)
		return FALSE;
	*key = this->key;
	if (me)
		*me = ID_MATCH_ANY;
	if (other)
		*other = ID_MATCH_ANY;
	this->key = NULL;
	return TRUE;
}

METHOD(enumerator_t, key_destroy, void, struct key_enum *this)
{
	this->ref->destroy(this->ref);
	free(this);
}

METHOD(credential_set_t, create_shared_enumerator, enumerator_t *, credential_set_t *set, shared_key_type_t type,
	identification_t *me, identification_t *other)
{
	struct backend *this = CONTAINER_OF(set, struct backend, creds);
	struct key_enum *e;
	struct rule *r;

	if (type != SHARED_IKE || !(r = rule_current(this)))
		return NULL;
	INIT(e,
		.public = {
			.enumerate = enumerator_enumerate_default,
			.venumerate = _key_enumerate,
			.destroy = _key_destroy,
		},
	);
	e->key = e->ref = r->psk->get_ref(r->psk);
	rule_put(r);
	return &e->public;
}

struct backend *backend_new(const struct conf *c)
{
	struct backend *this;

	INIT(this,
		.backend = {
			.create_ike_cfg_enumerator = _create_ike_cfg_enumerator,
			.create_peer_cfg_enumerator = _create_peer_cfg_enumerator,
			.get_peer_cfg_by_name = _get_peer_cfg_by_name,
		},
		.creds = {
			.create_private_enumerator = (void *)return_null,
			.create_cert_enumerator = (void *)return_null,
			.create_shared_enumerator = _create_shared_enumerator,
			.create_cdp_enumerator = (void *)return_null,
			.cache_cert = (void *)nop,
		},
		.lock = rwlock_create(RWLOCK_TYPE_DEFAULT),
	);
	backend_load(this, c);
	charon->backends->add_backend(charon->backends, &this->backend);
	lib->credmgr->add_set(lib->credmgr, &this->creds);
	return this;
}

void backend_delete(struct backend *this)
{
	if (!this)
		return;
	lib->credmgr->remove_set(lib->credmgr, &this->creds);
	charon->backends->remove_backend(charon->backends, &this->backend);
	for (unsigned i = 0; i < CONF_IKES; i++)
		rule_put(this->rule[i]);
	free(this->conf);
	this->lock->destroy(this->lock);
	free(this);
}
