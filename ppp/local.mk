# SPDX-License-Identifier: GPL-2.0-or-later
noinst_LIBRARIES += libppp.a
libppp_a_SOURCES = ppp/ppp.h ppp/ppp.c ppp/proto.h ppp/protos.c ppp/fsm.h ppp/fsm.c ppp/opt.h ppp/opt.c \
	ppp/lcp.c ppp/ipcp.c ppp/ipv6cp.c ppp/ccp.c ppp/auth.h ppp/auth.c ppp/pap.c ppp/chap.c ppp/eap.c \
	ppp/mschap.h ppp/mschap.c ppp/mppe.h ppp/mppe.c ppp/proxy.h ppp/proxy.c ppp/str.c
libppp_a_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
