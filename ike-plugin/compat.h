/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * compat: releases of strongSwan that differ, under one name.  The source is
 * written for 6.0 (Debian 13); what 5.9 (Debian 12) does otherwise is put right
 * here.  SS_VERSION is of the headers, 0x060001 for 6.0.1: configure takes it
 * from their source tree.
 */
#ifndef CULVERT_COMPAT_H
#define CULVERT_COMPAT_H

#ifndef SS_VERSION
#error "configure did not say of which release of strongSwan the headers are"
#endif
#define SS_6 (SS_VERSION >= 0x060000)

#if !SS_6
/*
 * The time of an SA's last use: 6.0 asks query_sa() for it where the kernel says
 * that it tells, 5.9 wherever query_policy() does not.
 */
enum { KERNEL_SA_USE_TIME = 0 };
#endif

#ifdef ME
enum { SS_MEDIATION = 1 };
#else
enum { SS_MEDIATION = 0 };
#endif

#endif
