# SPDX-License-Identifier: GPL-2.0-or-later
unit_tests += tests/unit/t_fsm tests/unit/t_mschap tests/unit/t_mppe tests/unit/t_ppp
tests_unit_t_fsm_SOURCES = tests/unit/t_fsm.c
tests_unit_t_fsm_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_fsm_LDADD = libppp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
tests_unit_t_mschap_SOURCES = tests/unit/t_mschap.c
tests_unit_t_mschap_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_mschap_LDADD = libppp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
tests_unit_t_mppe_SOURCES = tests/unit/t_mppe.c
tests_unit_t_mppe_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_mppe_LDADD = libppp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
tests_unit_t_ppp_SOURCES = tests/unit/t_ppp.c
tests_unit_t_ppp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_ppp_LDADD = libppp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_ppp
tests_fuzz_fuzz_ppp_SOURCES = tests/fuzz/fuzz_ppp.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ppp_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_ppp_LDADD = libppp.a libbase.a $(CRYPTO_LIBS)
