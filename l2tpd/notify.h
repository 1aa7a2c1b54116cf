/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * notify: tell the service manager how the server is, by systemd's
 * notification protocol (sd_notify(3)): one datagram of NAME=VALUE lines to
 * the socket that NOTIFY_SOCKET names.  Without that variable nothing happens.
 */
#ifndef CULVERT_NOTIFY_H
#define CULVERT_NOTIFY_H

#include "base/util.h"

/*
 * Connect, and take NOTIFY_SOCKET out of the environment: children have no
 * business there.  Once, before the first child.
 */
void notify_open(void);

/* Send lines ("READY=1\nSTATUS=…").  A service manager that does not listen is no error. */
void notify_send(const char *fmt, ...) PRINTF(1, 2);

#endif
