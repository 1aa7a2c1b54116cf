/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * natd: bring clients that are not behind NAT onto UDP 4500 too.
 *
 * In Main Mode each side sends hashes of the addresses it sees (RFC 3947 3.2):
 * first of the destination, then of the source.  We make the hash of the
 * client's own address wrong, so that the client believes itself behind NAT
 * and encapsulates ESP in UDP: one way for all of them, which firewalls let
 * pass.  With `set raw-esp yes` this is not done, and who is not behind NAT sends
 * protocol 50.  The hash of our address stays right: Windows refuses servers
 * behind NAT.
 */
#include <encoding/payloads/hash_payload.h>

#include "ike-plugin/plugin.h"

struct natd {
	listener_t listener;
};

METHOD(listener_t, message, bool, struct natd *this, ike_sa_t *ike_sa, message_t *message, bool incoming, bool plain)
{
	enumerator_t *e;
	payload_t *payload;

	if (incoming || !plain || message->get_exchange_type(message) != ID_PROT ||
	    ike_sa->has_condition(ike_sa, COND_NAT_THERE))
		return TRUE;
	e = message->create_payload_enumerator(message);
	while (e->enumerate(e, &payload)) {
		payload_type_t type = payload->get_type(payload);

		if (type == PLV1_NAT_D || type == PLV1_NAT_D_DRAFT_00_03) {
			hash_payload_t *hash = (hash_payload_t *)payload;
			chunk_t old = hash->get_hash(hash);
			uint8_t fake[64];

			random_bytes(fake, sizeof(fake));
			hash->set_hash(hash, chunk_create(fake, min(old.len, sizeof(fake))));
			/* Without it an address change later would turn the SA to protocol 50. */
			ike_sa->set_condition(ike_sa, COND_NAT_FAKE, TRUE);
			COUNT(ike_natd_faked);
			break;
		}
	}
	e->destroy(e);
	return TRUE;
}

struct natd *natd_new(void)
{
	struct natd *this;

	INIT(this, .listener = { .message = _message });
	charon->bus->add_listener(charon->bus, &this->listener);
	return this;
}

void natd_delete(struct natd *this)
{
	if (!this)
		return;
	charon->bus->remove_listener(charon->bus, &this->listener);
	free(this);
}
