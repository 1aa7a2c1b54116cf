/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What culvert-iked (main.c) hands to the plugin: everything that the parent
 * sent up to MSG_START.  It is registered with libstrongswan under the name
 * "culvert"; where it is missing the plugin runs in somebody else's charon and
 * refuses to load.
 */
#ifndef CULVERT_HANDOVER_H
#define CULVERT_HANDOVER_H

#include "ike-plugin/ss.h"

#define HANDOVER_NAME "culvert"

enum { HANDOVER_SOCKS = 32, HANDOVER_PEERS = SPI_ENGINES + 1 };

struct handover {
	int log_max;
	bool log_syslog;
	unsigned childless_s;		/* so long an IKE_SA lives without a CHILD_SA */
	struct conf conf;		/* with the secrets: wiped by whoever is done with it */
	int parent_fd;			/* all descriptors belong to the plugin once it is loaded */
	struct {
		struct msg_sock at;
		int fd;
	} sock[HANDOVER_SOCKS];
	unsigned n_sock;
	struct {
		struct msg_peer who;
		int fd;
	} peer[HANDOVER_PEERS];
	unsigned n_peer;
};

#endif
