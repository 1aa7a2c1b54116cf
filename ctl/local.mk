# SPDX-License-Identifier: GPL-2.0-or-later
noinst_LIBRARIES += libctl.a
libctl_a_SOURCES = ctl/args.h ctl/args.c ctl/format.h ctl/format.c
bin_PROGRAMS += culvertctl
culvertctl_SOURCES = ctl/culvertctl.c
culvertctl_LDADD = libctl.a libbase.a $(CRYPTO_LIBS)
