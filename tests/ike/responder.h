/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * responder: libcharon and our plugin in this very process, for tests and a
 * fuzzer.  No thread of theirs runs, no socket is open and no clock goes: a
 * message is worked on, with all that follows from it, inside responder_input(),
 * and what waits for a time inside responder_advance().  What would go out, and
 * what engine 0 would be told, is kept until it is asked for.
 *
 * There is one, since libstrongswan is one.
 */
#ifndef CULVERT_RESPONDER_H
#define CULVERT_RESPONDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/rd.h"
#include "base/util.h"

struct msg;

enum { RESPONDER_DPD_S = 60, RESPONDER_CHILDLESS_S = 120 };

/* Our address is server, port 4500; psk is a string. False: libcharon does not start. */
MUST_USE bool responder_start(const struct addr *server, const char *psk);

/* IKE_SAs, jobs and what is kept go, at once and without a word; as after the start. */
void responder_clear(void);
void responder_stop(void);

/* A message to port 4500 of the server, without the four zero octets. */
void responder_input(const struct addr *peer, struct rd message);

/* Time passes, and what is due in it happens. */
void responder_advance(uint64_t ms);
uint64_t responder_now_ms(void);

/*
 * 1: what follows from messages in jobs of their own (charon's taking over of another
 * IKE_SA's SAs) waits until it is 0 again; 2: one such job is done after each message,
 * the newest first.
 */
void responder_hold(unsigned how);

/* The next message that was sent: false, there is none. It is valid until the next call of anything here. */
MUST_USE bool responder_sent(struct addr *ret_to, struct rd *ret_message);

/* The next message to engine 0; NULL: there is none. Valid likewise. */
const struct msg *responder_told(void);

/* The same from engine 0: ESP with this SPI was heard of, so many packets in all. */
void responder_used(uint32_t spi, uint64_t packets);

unsigned responder_ike_sas(void);

/* A counter, by its name: "ike_not_due". */
uint64_t responder_count(const char *name);

#endif
