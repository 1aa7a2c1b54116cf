/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uplink: is the way to the Internet set up so that many packets can be moved as
 * one?  Without GRO there every packet of a download is handled by itself, which
 * costs three times the CPU; without GSO the same goes for what leaves.
 */
#ifndef CULVERT_UPLINK_H
#define CULVERT_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/conf.h"

/*
 * The device of the IPv4 default route with the lowest metric, from the text
 * of /proc/net/route. False: there is none.
 */
bool uplink_default(FILE *route, char ret[static CONF_IFNAME_MAX]);

/*
 * Warn, with the command that helps, of each such setting that is off at the
 * uplinks: the device that clients are translated onto, and the default route's.
 */
void uplink_check(const struct conf *);

#endif
