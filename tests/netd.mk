# SPDX-License-Identifier: GPL-2.0-or-later
# netd and the firewall.  tests/netns/netd.sh needs root: ./setup.sh check runs it.
unit_tests += tests/unit/t_fw
tests_unit_t_fw_SOURCES = tests/unit/t_fw.c
tests_unit_t_fw_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_fw_LDADD = libnetd.a libruleset.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
EXTRA_DIST += tests/fw

unit_tests += tests/unit/t_routes
tests_unit_t_routes_SOURCES = tests/unit/t_routes.c
tests_unit_t_routes_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_routes_LDADD = libnetd.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_fwreq
tests_fuzz_fuzz_fwreq_SOURCES = tests/fuzz/fuzz_fwreq.c $(FUZZ_MAIN)
tests_fuzz_fuzz_fwreq_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_fwreq_LDADD = libruleset.a libbase.a $(CRYPTO_LIBS)

check_PROGRAMS += tests/netd/drive
tests_netd_drive_SOURCES = tests/netd/drive.c
tests_netd_drive_LDADD = libnetd.a libbase.a $(EVENT_LIBS) $(MNL_LIBS) $(CRYPTO_LIBS)
EXTRA_DIST += tests/netns/30-install.sh tests/full
EXTRA_DIST += tests/netns/netd.sh tests/netd/netd.py
