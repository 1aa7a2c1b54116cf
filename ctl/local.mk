# SPDX-License-Identifier: GPL-2.0-or-later
noinst_LIBRARIES += libctl.a
libctl_a_SOURCES = ctl/args.h ctl/args.c ctl/format.h ctl/format.c
bin_PROGRAMS += culvertctl
culvertctl_SOURCES = ctl/culvertctl.c ctl/user.h ctl/user.c ctl/users_file.h ctl/users_file.c
culvertctl_CFLAGS = $(AM_CFLAGS) $(CRYPT_CFLAGS)
culvertctl_LDADD = libctl.a libconf.a libppp.a libbase.a $(CRYPT_LIBS) $(CRYPTO_LIBS)

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
