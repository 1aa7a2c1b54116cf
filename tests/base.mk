# SPDX-License-Identifier: GPL-2.0-or-later
unit_tests += tests/unit/t_base
tests_unit_t_base_SOURCES = tests/unit/t_base.c
tests_unit_t_base_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_base_LDADD = libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_msg
tests_fuzz_fuzz_msg_SOURCES = tests/fuzz/fuzz_msg.c $(FUZZ_MAIN)
tests_fuzz_fuzz_msg_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_msg_LDADD = libbase.a $(CRYPTO_LIBS)
