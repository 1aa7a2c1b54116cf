/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kernel_ipsec: charon's "kernel" is our engines.
 *
 * charon calls these with an IKE_SA checked out, on any of its threads: they
 * look into the table, send one message and return.  What add_sa and del_sa
 * say is the truth about SAs; charon's events are only remarks.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "ike-plugin/plugin.h"

struct ipsec {
	kernel_ipsec_t public;
};

/*
 * The inbound SPI that this thread installed last: the outbound SA of a pair
 * comes next, on the same thread, and does not say which pair it is of.
 */
static __thread uint32_t last_in_spi;

/* charon's id of the IKE_SA that this thread is at; 0 for none. */
static uint32_t current_uid(void)
{
	ike_sa_t *ike_sa = charon->bus->get_sa(charon->bus);

	return ike_sa ? ike_sa->get_unique_id(ike_sa) : 0;
}

/* Is the IKE_SA still on our port 500?  In Quick Mode: no NAT, or no NAT-T, so the client will send protocol 50. */
static bool on_500(const struct addr *local)
{
	return local->port == charon->socket->get_port(charon->socket, FALSE);
}

static int announce(struct sa *sa)
{
	struct msg_spi_new m = {
		.lineage = sa->lin->id, .spi = sa->spi, .raw = on_500(&sa->local), .local = sa->local, .peer = sa->peer,
	};
	int err = hub_engine(culvert->hub, sa->lin->engine, MSG_SPI_NEW, &m, sizeof(m));

	if (!err)
		sa->lin->announced = true;
	return err;
}

/* Forget a pair whose announcement or SA could not be told to its engine. */
static void drop(struct sa *sa)
{
	struct table_end end;

	sa->out = false;
	end = table_in_del(culvert->table, sa);
	hub_end(culvert->hub, &end);
}

METHOD(kernel_ipsec_t, get_features, kernel_feature_t, struct ipsec *this)
{
	return KERNEL_NO_POLICY_UPDATES | KERNEL_SA_USE_TIME;
}

/* A client has one pair, two while it rekeys; more are somebody's mischief. */
enum { LINEAGE_SAS_MAX = 8 };

METHOD(kernel_ipsec_t, get_spi, status_t, struct ipsec *this, host_t *src, host_t *dst, uint8_t proto, uint32_t *spi)
{
	static struct log_rate no_natt, no_engine;
	struct addr local = addr_of_host(dst), peer = addr_of_host(src);
	ike_sa_t *ike_sa = charon->bus->get_sa(charon->bus);
	uint32_t uid = current_uid(), rnd;
	char from[ADDR_STRLEN];
	struct lin *l;
	struct sa *sa = NULL;

	if (!uid || proto != IPPROTO_ESP)
		return FAILED;
	if (on_500(&local) && !culvert->raw_esp) {
		COUNT(ike_no_natt);
		if (rate_ok(&no_natt))
			log_warn("ike peer=%s refused=no-nat-traversal hint=\"set raw-esp yes admits it\"",
				addr_str(&peer, from));
		return FAILED;
	}
	random_bytes(&rnd, sizeof(rnd));
	culvert->lock->lock(culvert->lock);
	l = table_lin(culvert->table, uid);
	if (l) {
		ike_sa_id_t *id = ike_sa->get_id(ike_sa);

		l->spi_i = id->get_initiator_spi(id);
		l->spi_r = id->get_responder_spi(id);
	}
	if (l && l->n_sa < LINEAGE_SAS_MAX)
		sa = table_sa_new(culvert->table, l, &local, &peer, rnd);
	if (sa && announce(sa)) {
		drop(sa);
		sa = NULL;
	}
	if (sa)
		*spi = htonl(sa->spi);
	culvert->lock->unlock(culvert->lock);
	if (!sa && rate_ok(&no_engine))
		log_err("ike peer=%s refused=no-engine-or-too-many-sas", addr_str(&peer, from));
	return sa ? SUCCESS : FAILED;
}

METHOD(kernel_ipsec_t, get_cpi, status_t, struct ipsec *this, host_t *src, host_t *dst, uint16_t *cpi)
{
	return NOT_SUPPORTED;
}

/* charon's algorithm numbers as the message's; false for what the engine cannot do. */
static bool algs(const kernel_ipsec_add_sa_t *data, struct msg_sa_add *m)
{
	static const struct {
		uint16_t alg;
		size_t len;		/* GCM: with the salt */
		uint8_t enc;
		bool aead;
	} encs[] = {
		{ ENCR_AES_CBC, 16, ESP_ENC_AES_CBC_128, false },
		{ ENCR_AES_CBC, 32, ESP_ENC_AES_CBC_256, false },
		{ ENCR_AES_GCM_ICV16, 20, ESP_ENC_AES_GCM_128, true },
		{ ENCR_AES_GCM_ICV16, 36, ESP_ENC_AES_GCM_256, true },
		{ ENCR_3DES, 24, ESP_ENC_3DES_CBC, false },
	};
	static const struct {
		uint16_t alg;
		size_t len;
		uint8_t auth;
		bool aead;
	} auths[] = {
		{ AUTH_UNDEFINED, 0, ESP_AUTH_NONE, true },
		{ AUTH_HMAC_SHA1_96, 20, ESP_AUTH_HMAC_SHA1_96, false },
		{ AUTH_HMAC_SHA2_256_128, 32, ESP_AUTH_HMAC_SHA2_256_128, false },
		{ AUTH_HMAC_SHA2_384_192, 48, ESP_AUTH_HMAC_SHA2_384_192, false },
		{ AUTH_HMAC_SHA2_512_256, 64, ESP_AUTH_HMAC_SHA2_512_256, false },
	};
	unsigned e = 0, a = 0;

	while (e < N_ELEMENTS(encs) && (encs[e].alg != data->enc_alg || encs[e].len != data->enc_key.len))
		e++;
	while (a < N_ELEMENTS(auths) && (auths[a].alg != data->int_alg || auths[a].len != data->int_key.len))
		a++;
	if (e == N_ELEMENTS(encs) || a == N_ELEMENTS(auths) || encs[e].aead != auths[a].aead)
		return false;
	m->enc = encs[e].enc;
	m->auth = auths[a].auth;
	m->enc_len = (uint8_t)data->enc_key.len;
	m->auth_len = (uint8_t)data->int_key.len;
	memcpy(m->key_enc, data->enc_key.ptr, m->enc_len);
	if (m->auth_len)
		memcpy(m->key_auth, data->int_key.ptr, m->auth_len);
	return true;
}

/* The pair that add_sa is for, found or made; NULL when there is none to be had. */
static struct sa *pair_for(const kernel_ipsec_sa_id_t *id, const kernel_ipsec_add_sa_t *data, uint32_t uid,
	const struct addr *local, const struct addr *peer)
{
	struct lin *l = table_lin(culvert->table, uid);
	uint32_t spi = ntohl(id->spi);
	struct sa *sa;

	if (!l)
		return NULL;
	if (!data->inbound) {
		sa = table_sa(culvert->table, last_in_spi);
		return sa && sa->lin == l && sa->in && !sa->in_gone && !sa->out ? sa : NULL;
	}
	sa = table_sa(culvert->table, spi);
	if (sa)
		return sa->lin == l && !sa->in && !sa->in_gone ? sa : NULL;
	/*
	 * charon drops and remakes the child between Quick Mode's first and third
	 * message when a rekey turns up meanwhile, and then installs the SPI that
	 * it had us free.
	 */
	sa = table_sa_again(culvert->table, l, local, peer, spi);
	if (sa && announce(sa)) {
		drop(sa);
		sa = NULL;
	}
	return sa;
}

/* Tunnel mode is for who has logged in, and he has nothing else. */
static bool mode_ok(ike_sa_t *ike_sa, ipsec_mode_t mode)
{
	return mode == (xauth_login_of(ike_sa, NULL) == LOGIN_GOOD ? MODE_TUNNEL : MODE_TRANSPORT);
}

METHOD(kernel_ipsec_t, add_sa, status_t, struct ipsec *this, kernel_ipsec_sa_id_t *id, kernel_ipsec_add_sa_t *data)
{
	static struct log_rate rate;
	ike_sa_t *ike_sa = charon->bus->get_sa(charon->bus);
	struct msg_sa_add m = {
		.inbound = data->inbound, .raw = !data->encap, .tunnel = data->mode == MODE_TUNNEL,
		.life_s = (uint32_t)data->lifetime->time.life,
	};
	char raw[256], from[ADDR_STRLEN];
	struct sa *sa;
	int err = -1;

	m.local = addr_of_host(data->inbound ? id->dst : id->src);
	m.peer = addr_of_host(data->inbound ? id->src : id->dst);
	if (!ike_sa || id->proto != IPPROTO_ESP || !mode_ok(ike_sa, data->mode) || data->esn ||
	    data->ipcomp || (m.raw ? !culvert->raw_esp : on_500(&m.local)) || !algs(data, &m)) {
		if (rate_ok(&rate))
			log_warn("ike peer=%s refused=unsupported-sa mode=%d encap=%d enc=%u auth=%u",
				addr_str(&m.peer, from), data->mode, data->encap, data->enc_alg, data->int_alg);
		explicit_bzero(&m, sizeof(m));
		return FAILED;
	}
	snprintf(raw, sizeof(raw), "%Y", ike_sa->get_other_id(ike_sa));
	str_escape(m.ike_id, sizeof(m.ike_id), raw, strlen(raw));

	culvert->lock->lock(culvert->lock);
	sa = pair_for(id, data, ike_sa->get_unique_id(ike_sa), &m.local, &m.peer);
	if (sa) {
		m.lineage = sa->lin->id;
		m.spi = ntohl(id->spi);
		m.pair = data->inbound ? 0 : sa->spi;
		err = hub_engine(culvert->hub, sa->lin->engine, MSG_SA_ADD, &m, sizeof(m));
	}
	if (!err && data->inbound) {
		sa->in = true;
		sa->local = m.local;
		sa->peer = m.peer;
		last_in_spi = sa->spi;
	} else if (!err) {
		table_out_set(culvert->table, sa, m.spi, &m.peer);
	}
	culvert->lock->unlock(culvert->lock);
	explicit_bzero(&m, sizeof(m));
	if (err)
		return FAILED;
	COUNT(ike_sa_add);
	return SUCCESS;
}

/*
 * charon moves every SA that an IKE_SA holds when that IKE_SA's peer shows up
 * at another address; among them may be SAs of another client that it adopted
 * (same identity, and a NAT gave it the other's port).  Only the client's own
 * ones move in the engine.
 */
METHOD(kernel_ipsec_t, update_sa, status_t, struct ipsec *this, kernel_ipsec_sa_id_t *id,
	kernel_ipsec_update_sa_t *data)
{
	struct addr old_dst = addr_of_host(id->dst), src = addr_of_host(data->new_src), dst = addr_of_host(data->new_dst);
	uint32_t uid = current_uid(), spi = ntohl(id->spi);
	struct sa *sa;

	culvert->lock->lock(culvert->lock);
	/* Which direction?  Inbound ones are named by our address and by an SPI of ours. */
	sa = table_sa(culvert->table, spi);
	if (sa && addr_eq(&sa->local, &old_dst)) {
		struct msg_sa_move m = { .lineage = sa->lin->id, .spi = sa->spi, .local = dst, .peer = src };

		sa->local = dst;
		sa->peer = src;
		if (table_is_client(culvert->table, uid, sa)) {
			table_lin_move(culvert->table, sa->lin, &src);
			if (!hub_engine(culvert->hub, sa->lin->engine, MSG_SA_MOVE, &m, sizeof(m)))
				COUNT(ike_sa_moved);
		} else {
			COUNT(ike_move_refused);
		}
	} else if ((sa = table_sa_by_out(culvert->table, spi, &old_dst, uid))) {
		table_out_move(culvert->table, sa, &dst);
	}
	culvert->lock->unlock(culvert->lock);
	return SUCCESS;		/* anything else makes charon rekey */
}

METHOD(kernel_ipsec_t, query_sa, status_t, struct ipsec *this, kernel_ipsec_sa_id_t *id, kernel_ipsec_query_sa_t *data,
	uint64_t *bytes, uint64_t *packets, time_t *last)
{
	struct addr dst = addr_of_host(id->dst);
	struct sa *sa;

	/* Outbound counters are the engine's own; charon asks for inbound ones to see whether a client lives. */
	*bytes = *packets = 0;
	*last = 0;
	culvert->lock->lock(culvert->lock);
	sa = table_sa(culvert->table, ntohl(id->spi));
	if (sa && addr_eq(&sa->local, &dst)) {
		*bytes = sa->bytes;
		*packets = sa->packets;
		*last = (time_t)sa->last_s;
	}
	culvert->lock->unlock(culvert->lock);
	return SUCCESS;
}

METHOD(kernel_ipsec_t, del_sa, status_t, struct ipsec *this, kernel_ipsec_sa_id_t *id, kernel_ipsec_del_sa_t *data)
{
	struct addr dst = addr_of_host(id->dst);
	uint32_t uid = current_uid(), spi = ntohl(id->spi);
	struct msg_sa_del m = { .spi = spi };
	struct table_end end = { 0 };
	struct sa *sa;

	culvert->lock->lock(culvert->lock);
	sa = table_sa(culvert->table, spi);
	if (sa && !sa->in_gone && addr_eq(&sa->local, &dst)) {
		m.lineage = sa->lin->id;
		m.inbound = 1;
		(void)!hub_engine(culvert->hub, sa->lin->engine, MSG_SA_DEL, &m, sizeof(m));
		end = table_in_del(culvert->table, sa);
	} else if ((sa = table_sa_by_out(culvert->table, spi, &dst, uid))) {
		m.lineage = sa->lin->id;
		m.pair = sa->spi;
		(void)!hub_engine(culvert->hub, sa->lin->engine, MSG_SA_DEL, &m, sizeof(m));
		end = table_out_del(culvert->table, sa);
	}
	hub_end(culvert->hub, &end);
	culvert->lock->unlock(culvert->lock);
	if (!sa)
		return NOT_FOUND;
	COUNT(ike_sa_del);
	return SUCCESS;
}

METHOD(kernel_ipsec_t, flush_sas, status_t, struct ipsec *this)
{
	return SUCCESS;
}

METHOD(kernel_ipsec_t, add_policy, status_t, struct ipsec *this, kernel_ipsec_policy_id_t *id,
	kernel_ipsec_manage_policy_t *data)
{
	return SUCCESS;		/* the engine knows a packet's client by its SA */
}

METHOD(kernel_ipsec_t, query_policy, status_t, struct ipsec *this, kernel_ipsec_policy_id_t *id,
	kernel_ipsec_query_policy_t *data, time_t *use_time)
{
	*use_time = 0;
	return NOT_SUPPORTED;
}

METHOD(kernel_ipsec_t, del_policy, status_t, struct ipsec *this, kernel_ipsec_policy_id_t *id,
	kernel_ipsec_manage_policy_t *data)
{
	return SUCCESS;
}

METHOD(kernel_ipsec_t, flush_policies, status_t, struct ipsec *this)
{
	return SUCCESS;
}

METHOD(kernel_ipsec_t, bypass_socket, bool, struct ipsec *this, int fd, int family)
{
	return TRUE;
}

METHOD(kernel_ipsec_t, enable_udp_decap, bool, struct ipsec *this, int fd, int family, uint16_t port)
{
	return TRUE;
}

METHOD(kernel_ipsec_t, destroy, void, struct ipsec *this)
{
	free(this);
}

kernel_ipsec_t *culvert_ipsec_create(void)
{
	struct ipsec *this;

	INIT(this,
		.public = {
			.get_features = _get_features,
			.get_spi = _get_spi,
			.get_cpi = _get_cpi,
			.add_sa = _add_sa,
			.update_sa = _update_sa,
			.query_sa = _query_sa,
			.del_sa = _del_sa,
			.flush_sas = _flush_sas,
			.add_policy = _add_policy,
			.query_policy = _query_policy,
			.del_policy = _del_policy,
			.flush_policies = _flush_policies,
			.bypass_socket = _bypass_socket,
			.enable_udp_decap = _enable_udp_decap,
			.destroy = _destroy,
		},
	);
	return &this->public;
}
