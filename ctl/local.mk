# SPDX-License-Identifier: GPL-2.0-or-later
noinst_LIBRARIES += libctl.a
libctl_a_SOURCES = ctl/args.h ctl/args.c ctl/format.h ctl/format.c
bin_PROGRAMS += culvertctl
culvertctl_SOURCES = ctl/culvertctl.c
culvertctl_LDADD = libctl.a libbase.a $(CRYPTO_LIBS)

# The test client: its pure part is a library, for its tests.
noinst_LIBRARIES += libdial.a
libdial_a_SOURCES = ctl/dial_ike.h ctl/dial_ike.c ctl/dial_crypto.h ctl/dial_crypto.c \
	ctl/dial_ip.h ctl/dial_ip.c ctl/dial_stat.h ctl/dial_stat.c
libdial_a_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
bin_PROGRAMS += culvert-dial
culvert_dial_SOURCES = ctl/culvert-dial.c ctl/dial.h ctl/dial_opt.c ctl/dial_sess.c ctl/dial_rekey.c ctl/dial_wire.c ctl/dial_data.c \
	ctl/dial_tun.c ctl/dial_load.c ctl/dial_report.c
culvert_dial_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(MNL_CFLAGS) $(CRYPTO_CFLAGS)
culvert_dial_LDADD = libdial.a libl2tp.a libseg.a libppp.a libesp.a libbase.a $(EVENT_LIBS) $(MNL_LIBS) $(CRYPTO_LIBS)
