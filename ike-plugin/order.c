/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/order.h"

#include "base/util.h"

enum {				/* RFC 2408 3.1; RFC 2409 appendix A */
	PAYLOAD_SA = 1,
	PAYLOAD_FRAGMENT = 132,	/* of no RFC; charon puts the message together and it comes here again */
	EXCHANGE_ID_PROT = 2,
	EXCHANGE_INFORMATIONAL = 5,
	EXCHANGE_QUICK = 32,
	FLAG_ENCRYPTED = 1,
};

struct head {
	uint8_t payload, exchange;
	bool encrypted;
	uint32_t mid;
};

static bool head_read(struct rd r, struct head *h)
{
	rd_skip(&r, 16);
	h->payload = rd_u8(&r);
	rd_skip(&r, 1);
	h->exchange = rd_u8(&r);
	h->encrypted = rd_u8(&r) & FLAG_ENCRYPTED;
	h->mid = rd_u32(&r);
	return !r.bad && h->payload != PAYLOAD_FRAGMENT;
}

static bool main_due(const struct order *o, const struct head *h, uint64_t digest)
{
	for (unsigned i = 0; i < o->n_main; i++)
		if (o->main[i] == digest)
			return digest == o->last;
	switch (o->n_main) {
	case 0:
		return !h->encrypted;
	case 1:
		return !h->encrypted && h->payload != PAYLOAD_SA;
	case 2:
		return h->encrypted;
	default:
		return false;
	}
}

/* Its place in o->quick, or -1. */
static int quick_of(const struct order *o, uint32_t mid)
{
	for (int i = 0; mid && i < ORDER_QUICKS; i++)
		if (o->quick[i].mid == mid)
			return i;
	return -1;
}

static bool quick_due(const struct order *o, const struct head *h, uint64_t digest)
{
	int i = quick_of(o, h->mid);

	if (!h->encrypted)
		return false;
	if (i < 0)
		return true;
	return !o->quick[i].used_up && (digest != o->quick[i].first || digest == o->last);
}

bool order_due(const struct order *o, struct rd message, uint64_t digest)
{
	struct head h;

	if (!head_read(message, &h))
		return true;
	switch (h.exchange) {
	case EXCHANGE_ID_PROT:
		return main_due(o, &h, digest);
	case EXCHANGE_QUICK:
		return quick_due(o, &h, digest);
	case EXCHANGE_INFORMATIONAL:
		return h.encrypted;
	default:
		return true;
	}
}

void order_took(struct order *o, struct rd message, uint64_t digest)
{
	struct head h;
	int i;

	if (!head_read(message, &h) || digest == o->last)
		return;
	o->last = digest;
	if (h.exchange == EXCHANGE_ID_PROT && o->n_main < N_ELEMENTS(o->main))
		o->main[o->n_main++] = digest;
	if (h.exchange != EXCHANGE_QUICK || !h.mid)
		return;
	i = quick_of(o, h.mid);
	if (i >= 0) {
		o->quick[i].used_up = true;
		return;
	}
	i = o->quick_next++ % ORDER_QUICKS;
	o->quick[i].mid = h.mid;
	o->quick[i].used_up = false;
	o->quick[i].first = digest;
}
