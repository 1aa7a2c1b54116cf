/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spi: which slots of one engine are taken.
 *
 * Slots go round: a freed one comes again only after all the others, so that
 * packets that were under way for it find nothing.  The first one is random,
 * so that a restarted iked seldom meets an SA that the engine still has.  Pure.
 */
#ifndef CULVERT_SPI_H
#define CULVERT_SPI_H

#include <stdbool.h>
#include <stdint.h>

struct spi_pool {
	unsigned engine;
	uint32_t next;		/* the slot to try first */
	uint32_t used;
	uint64_t map[];		/* one bit a slot */
};

/* A pool for an engine, or NULL without memory; free() ends it.  start: any number. */
struct spi_pool *spi_pool_new(unsigned engine, uint32_t start);

/* A free slot's SPI, with this generation (its low 8 bits); false when all are taken. */
bool spi_take(struct spi_pool *, unsigned gen, uint32_t *ret_spi);

/* Take this very SPI's slot; false when it is taken or of another engine. */
bool spi_retake(struct spi_pool *, uint32_t spi);

void spi_free(struct spi_pool *, uint32_t spi);

#endif
