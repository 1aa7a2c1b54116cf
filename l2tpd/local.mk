# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += libnetd.a
libnetd_a_SOURCES = l2tpd/netd.h l2tpd/netd.c l2tpd/tundev.h l2tpd/tundev.c \
	l2tpd/fw.h l2tpd/fw.c l2tpd/paths.h l2tpd/paths.c
libnetd_a_CPPFLAGS = $(AM_CPPFLAGS) -DPKGLIBEXECDIR='"$(pkglibexecdir)"'
libnetd_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(MNL_CFLAGS)
