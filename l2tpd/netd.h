/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * netd: the one process that changes the kernel's network state.
 *
 * It keeps CAP_NET_ADMIN and nothing else, reads only messages of the table in
 * base/proto.h, and takes everything back when it ends: its TUN devices, the
 * firewall's table, and sysctls that it changed.
 */
#ifndef CULVERT_NETD_H
#define CULVERT_NETD_H

/*
 * The body of the process, run as root in a child of the parent.  parent_fd:
 * the channel to the parent, from chan_pair() called in the parent itself;
 * owned.  Returns the exit status: 0 after an ordered end (MSG_SHUTDOWN, the
 * parent's end, SIGTERM), 1 when it could not start.
 */
int netd_main(int parent_fd);

#endif
