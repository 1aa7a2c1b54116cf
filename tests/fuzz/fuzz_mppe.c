/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MPPE between two ends whose wire the input is: byte 0 says which kind, then
 * orders, one octet each: deliver the next packet, lose some, repeat the last,
 * change or cut one, forge one from what follows, let time pass.
 *
 * Must hold: what opens from a packet that was not touched is what was sealed,
 * unless a whole round of the 12-bit count was lost before it, which no receiver can
 * know; and after all of it the two come together again, with state by one flush.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/rd.h"
#include "ppp/mppe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROUND = 4096 };

struct packet {
	size_t n;
	uint8_t p[40];
};

static void must(bool what)
{
	if (!what)
		abort();
}

static struct packet next(struct mppe *m, uint32_t number)
{
	struct packet k = { .n = MPPE_HEADER + 8 };

	memset(k.p + MPPE_HEADER, 0x21, 8);
	memcpy(k.p + MPPE_HEADER + 4, &number, 4);
	must(mppe_seal(m, k.p, k.p + MPPE_HEADER, 8));
	return k;
}

/* From memory of its own size. */
static enum mppe_verdict give(struct mppe *m, const struct packet *k, uint64_t now_ms, uint8_t ret[40])
{
	uint8_t *p = malloc(k->n ? k->n : 1);
	enum mppe_verdict v;

	if (k->n)
		memcpy(p, k->p, k->n);
	v = mppe_open(m, p, k->n, now_ms);
	if (k->n)
		memcpy(ret, p, k->n);
	free(p);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t kinds[] = {
		MPPE_40, MPPE_56, MPPE_128, MPPE_40 | MPPE_STATELESS, MPPE_56 | MPPE_STATELESS, MPPE_128 | MPPE_STATELESS,
	};
	static const uint8_t key[MPPE_KEY] = { 1, 2, 3 };
	struct rd r = rd_of(data, size);
	uint8_t kind = rd_u8(&r), out[40];
	uint32_t bits = kinds[kind % N_ELEMENTS(kinds)], sent = 0, opened = 0;	/* of sent: the last that was opened */
	uint64_t now_ms = 1000;
	struct packet last = { 0 };
	struct mppe *a, *b;
	bool forged = false;

	if (r.bad || !mppe_init())
		return 0;
	a = mppe_new(bits, key, bits, key);
	b = mppe_new(bits, key, bits, key);
	must(a && b);
	while (r.n) {
		uint8_t o = rd_u8(&r), how = o >> 3;
		struct packet k = last;

		switch (o & 7) {
		case 0:
		case 1:
			last = k = next(a, sent++);
			forged |= sent - opened >= ROUND;
			/* With state a forged packet may have moved the receiver's place in the stream. */
			if (give(b, &k, now_ms, out) == MPPE_OK) {
				must(forged || !memcmp(out + MPPE_HEADER + 4, &(uint32_t){ sent - 1 }, 4));
				opened = sent;
			}
			break;
		case 2:
			for (unsigned i = 0; i < 1u + how * 8u; i++)
				last = next(a, sent++);
			break;
		case 3:
			/* It was opened, or something after it was; or it comes late for the first time. */
			(void)give(b, &k, now_ms, out);
			forged = true;
			break;
		case 4:
			mppe_flush(a);
			break;
		case 5:
			k.n = MIN((size_t)how, k.n);
			forged |= give(b, &k, now_ms, out) == MPPE_OK;
			break;
		case 6:
			k.n = MIN(MIN(r.n, (size_t)how), sizeof(k.p));
			if (k.n)
				memcpy(k.p, rd_bytes(&r, k.n), k.n);
			forged |= give(b, &k, now_ms, out) == MPPE_OK;
			break;
		default:
			now_ms += how * 100u;
		}
	}
	/* A round of the count at most until it is ahead again, then it can be read. */
	for (unsigned i = 0; i < 4200 && !forged; i++) {
		now_ms += 1000;
		mppe_flush(a);
		last = next(a, sent++);
		if (give(b, &last, now_ms, out) == MPPE_OK)
			break;
	}
	must(give(b, &(struct packet){ 0 }, now_ms, out) == MPPE_DROP);
	last = next(a, sent++);
	must(forged || give(b, &last, now_ms, out) == MPPE_OK);
	mppe_free(a);
	mppe_free(b);
	return 0;
}
