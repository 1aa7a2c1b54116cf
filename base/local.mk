# SPDX-License-Identifier: GPL-2.0-or-later
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = base/rd.h base/wr.h base/util.h base/util.c base/rng.h base/rng.c \
	base/log.h base/log.c base/list.h base/addr.h base/addr.c base/msg.h base/msg.c base/proto.h base/conf.h base/fwreq.h
libbase_a_CFLAGS = $(AM_CFLAGS) -fPIC $(CRYPTO_CFLAGS)
