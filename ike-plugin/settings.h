/* SPDX-License-Identifier: GPL-2.0-or-later */
/* settings: how we run charon.  There is no strongswan.conf. */
#ifndef CULVERT_SETTINGS_H
#define CULVERT_SETTINGS_H

#include <stddef.h>

/* Into lib->settings: after library_init(), before libcharon_init(). */
void settings_make(void);

/*
 * What there is of the plugins that we can use, for charon->initialize(): OpenSSL
 * first, it is the fastest.  Ours comes last, since it looks which algorithms there
 * are; nobody in the list competes with it for the kernel or the socket, and '!'
 * makes charon give up where somebody did.
 */
void plugin_list(char *list, size_t cap);

#endif
