/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sa: what an SA is inside; for esp.c and its tests only. */
#ifndef CULVERT_ESP_SA_H
#define CULVERT_ESP_SA_H

#include "esp/crypto.h"
#include "esp/esp.h"
#include "esp/replay.h"

struct esp_sa {
	uint32_t spi;
	uint32_t seq;			/* outbound: the last one sent */
	bool inbound;
	uint8_t iv_len, icv_len;
	uint8_t block;			/* the ciphertext is a multiple of it */
	struct esp_key *key;		/* owned */
	struct replay replay[];		/* inbound: one */
};

#endif
