/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ike-plugin/spi.h"

#include <stdlib.h>

#include "base/proto.h"

static uint64_t bit(unsigned slot)
{
	return UINT64_C(1) << (slot & 63);
}

struct spi_pool *spi_pool_new(unsigned engine, uint32_t start)
{
	struct spi_pool *p = calloc(1, sizeof(*p) + SPI_SLOTS / 8);

	if (!p)
		return NULL;
	p->engine = engine;
	p->next = start % SPI_SLOTS;
	p->map[0] = 1;		/* slot 0 is no slot */
	return p;
}

bool spi_take(struct spi_pool *p, unsigned gen, uint32_t *ret_spi)
{
	for (unsigned n = 0; n < SPI_SLOTS; n++) {
		uint32_t slot = p->next;

		p->next = (slot + 1) % SPI_SLOTS;
		if (p->map[slot >> 6] & bit(slot))
			continue;
		p->map[slot >> 6] |= bit(slot);
		p->used++;
		*ret_spi = spi_make(p->engine, slot, gen);
		return true;
	}
	return false;
}

bool spi_retake(struct spi_pool *p, uint32_t spi)
{
	unsigned slot = spi_slot(spi);

	if (spi_engine(spi) != p->engine || p->map[slot >> 6] & bit(slot))
		return false;
	p->map[slot >> 6] |= bit(slot);
	p->used++;
	return true;
}

void spi_free(struct spi_pool *p, uint32_t spi)
{
	unsigned slot = spi_slot(spi);

	if (!slot || spi_engine(spi) != p->engine || !(p->map[slot >> 6] & bit(slot)))
		return;
	p->map[slot >> 6] &= ~bit(slot);
	p->used--;
}
