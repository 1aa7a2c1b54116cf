# SPDX-License-Identifier: GPL-2.0-or-later
# It runs the program that was just built, too.
unit_tests += tests/unit/t_ctl
tests_unit_t_ctl_SOURCES = tests/unit/t_ctl.c
tests_unit_t_ctl_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_ctl_LDADD = libctl.a libconf.a libbase.a $(CMOCKA_LIBS) $(CRYPT_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_ctl
tests_fuzz_fuzz_ctl_SOURCES = tests/fuzz/fuzz_ctl.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ctl_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_ctl_LDADD = libctl.a libconf.a libbase.a $(CRYPT_LIBS) $(CRYPTO_LIBS)
# The test client's initiator against a responder in the test.
unit_tests += tests/unit/t_dial
tests_unit_t_dial_SOURCES = tests/unit/t_dial.c
tests_unit_t_dial_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_dial_LDADD = libdial.a libesp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_dial
tests_fuzz_fuzz_dial_SOURCES = tests/fuzz/fuzz_dial.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dial_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_dial_LDADD = libdial.a libesp.a libbase.a $(CRYPTO_LIBS)
dist_check_SCRIPTS += tests/ctl/user.sh
TESTS += tests/ctl/user.sh
