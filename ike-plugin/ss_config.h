/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands for strongSwan's own config.h, which its headers demand: force-included
 * before everything else in the files that speak to libcharon.
 *
 * Only ME changes the layout of structs in public headers, and configure looks
 * whether the installed libcharon was built with it (abi.c looks again when the
 * plugin is loaded).  The others keep headers from declaring what libc has.
 */
#ifndef CULVERT_SS_CONFIG_H
#define CULVERT_SS_CONFIG_H

#define CONFIG_H_INCLUDED 1
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define USE_IKEV1 1
#define USE_IKEV2 1
#define HAVE_STDBOOL_H 1
#define HAVE_CLOSEFROM 1
#define HAVE_SIGWAITINFO 1
#define HAVE_EXPLICIT_BZERO 1
#define HAVE_MEMRCHR 1
#define HAVE_FMEMOPEN 1

#endif
