/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events: what charon tells its listeners.  All of these run under the bus's
 * lock with an IKE_SA checked out: count, log, send, return.
 */
#include <encoding/payloads/delete_payload.h>
#include <encoding/payloads/notify_payload.h>

#include "base/rd.h"
#include "ike-plugin/plugin.h"
#include "ike-plugin/seldom.h"

struct events {
	listener_t listener;
	uint32_t failed[256];			/* IKE_SAs that were counted: a client sends again and again */
	struct log_rate rate;
	struct seldom seldom;
};

/* The one line about a login that goes well; charon's own are for -v. */
static void came_up(ike_sa_t *ike_sa)
{
	static struct log_rate rate;
	char from[ADDR_STRLEN], raw[128], id[128], suite[128];
	struct addr peer;

	if (!rate_ok(&rate))
		return;
	peer = addr_of_host(ike_sa->get_other_host(ike_sa));
	snprintf(raw, sizeof(raw), "%Y", ike_sa->get_other_id(ike_sa));
	str_escape(id, sizeof(id), raw, strlen(raw));
	snprintf(suite, sizeof(suite), "%P", ike_sa->get_proposal(ike_sa));
	log_info("ike=%u peer=%s id=\"%s\" proposal=%s is up", ike_sa->get_unique_id(ike_sa), addr_str(&peer, from), id,
		suite);
}

METHOD(listener_t, ike_updown, bool, struct events *this, ike_sa_t *ike_sa, bool up)
{
	if (up) {
		struct addr peer = addr_of_host(ike_sa->get_other_host(ike_sa));

		COUNT(ike_up);
		sock_known(&peer);
		came_up(ike_sa);
	}
	else if (ike_sa->get_state(ike_sa) != IKE_CONNECTING && ike_sa->get_state(ike_sa) != IKE_CREATED)
		COUNT(ike_down);
	return TRUE;
}

METHOD(listener_t, ike_state_change, bool, struct events *this, ike_sa_t *ike_sa, ike_sa_state_t state)
{
	struct table_end end;

	if (state == IKE_DELETING) {
		culvert->lock->lock(culvert->lock);
		table_ike_deleted(culvert->table, ike_sa->get_unique_id(ike_sa));
		culvert->lock->unlock(culvert->lock);
	}
	if (state != IKE_DESTROYING)
		return TRUE;
	/* Its SAs are deleted after this; the last one of them ends the lineage. */
	culvert->lock->lock(culvert->lock);
	end = table_ike_gone(culvert->table, ike_sa->get_unique_id(ike_sa));
	hub_end(culvert->hub, &end);
	culvert->lock->unlock(culvert->lock);
	return TRUE;
}

/* Counted for each IKE_SA that fails in Main Mode, however often its peer sends the message again; in the log once a
 * minute for each address. */
static void main_mode_failed(struct events *this, ike_sa_t *ike_sa, const char *why)
{
	char from[ADDR_STRLEN];
	uint32_t uid = ike_sa->get_unique_id(ike_sa), *known = &this->failed[uid % countof(this->failed)];
	struct addr peer;

	if (*known == uid)
		return;
	*known = uid;
	COUNT(ike_psk_mismatch);
	peer = addr_of_host(ike_sa->get_other_host(ike_sa));
	peer.port = 0;
	if (seldom_ok(&this->seldom, &peer, now_ms()) && rate_ok(&this->rate))
		log_warn("main mode from %s failed: %s", addr_str(&peer, from), why);
}

/* The E flag of an ISAKMP header, RFC 2408 3.1. */
static bool encrypted(message_t *msg)
{
	chunk_t data = msg->get_packet_data(msg);
	struct rd r = rd_of(data.ptr, data.len);

	rd_skip(&r, 19);
	return rd_u8(&r) & 1;
}

METHOD(listener_t, alert, bool, struct events *this, ike_sa_t *ike_sa, alert_t alert, va_list args)
{
	bool main_mode = ike_sa && ike_sa->get_state(ike_sa) == IKE_CONNECTING;
	message_t *msg;

	switch (alert) {
	case ALERT_PARSE_ERROR_BODY:
		msg = va_arg(args, message_t *);
		/*
		 * The peer's first encrypted message cannot be read: it derived
		 * other keys, and only the PSK can be what differs.
		 */
		if (main_mode && msg->get_exchange_type(msg) == ID_PROT && encrypted(msg))
			main_mode_failed(this, ike_sa, "wrong pre-shared key?");
		else
			COUNT(ike_bad_message);
		break;
	case ALERT_PEER_AUTH_FAILED:
		if (main_mode)
			main_mode_failed(this, ike_sa, "not authenticated");
		break;
	case ALERT_PARSE_ERROR_HEADER:
	case ALERT_INVALID_IKE_SPI:
		COUNT(ike_bad_message);
		break;
	case ALERT_HALF_OPEN_TIMEOUT:
		COUNT(ike_half_open_timeout);
		break;
	default:
		break;
	}
	return TRUE;
}

/*
 * A client deletes its old SAs on the IKE_SA that made them, and charon, which has
 * handed them on to its new one, does not find them there.
 */
static void deletes(ike_sa_t *ike_sa, message_t *message)
{
	enumerator_t *e = message->create_payload_enumerator(message), *spis;
	payload_t *payload;
	uint32_t spi;

	while (e->enumerate(e, &payload)) {
		delete_payload_t *d = (delete_payload_t *)payload;

		if (payload->get_type(payload) != PLV1_DELETE || d->get_protocol_id(d) != PROTO_ESP)
			continue;
		spis = d->create_spi_enumerator(d);
		while (spis->enumerate(spis, &spi))
			hub_deleted(ike_sa->get_unique_id(ike_sa), ntohl(spi));
		spis->destroy(spis);
	}
	e->destroy(e);
}

/* What we refuse leaves as an error notification. */
METHOD(listener_t, message, bool, struct events *this, ike_sa_t *ike_sa, message_t *message, bool incoming, bool plain)
{
	enumerator_t *e;
	payload_t *payload;

	/* In phase 1 nothing is proved yet. */
	if (incoming && plain && ike_sa->get_state(ike_sa) != IKE_CONNECTING &&
	    message->get_exchange_type(message) == INFORMATIONAL_V1)
		deletes(ike_sa, message);
	if (incoming || !plain || message->get_exchange_type(message) != INFORMATIONAL_V1)
		return TRUE;
	e = message->create_payload_enumerator(message);
	while (e->enumerate(e, &payload)) {
		if (payload->get_type(payload) != PLV1_NOTIFY)
			continue;
		switch (((notify_payload_t *)payload)->get_notify_type((notify_payload_t *)payload)) {
		case NO_PROPOSAL_CHOSEN:
			if (ike_sa->get_state(ike_sa) == IKE_ESTABLISHED)
				COUNT(ike_child_refused);
			else
				COUNT(ike_proposal_refused);
			break;
		case INVALID_ID_INFORMATION:
			COUNT(ike_child_refused);
			break;
		default:
			break;
		}
	}
	e->destroy(e);
	return TRUE;
}

struct events *events_new(void)
{
	struct events *this;

	INIT(this,
		.listener = {
			.alert = _alert,
			.message = _message,
			.ike_state_change = _ike_state_change,
			.ike_updown = _ike_updown,
		},
	);
	charon->bus->add_listener(charon->bus, &this->listener);
	return this;
}

void events_delete(struct events *this)
{
	if (!this)
		return;
	charon->bus->remove_listener(charon->bus, &this->listener);
	free(this);
}
