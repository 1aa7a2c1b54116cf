# SPDX-License-Identifier: GPL-2.0-or-later
unit_tests += tests/unit/t_esp
tests_unit_t_esp_SOURCES = tests/unit/t_esp.c tests/unit/esp_kat.h
tests_unit_t_esp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_esp_LDADD = libesp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_esp
tests_fuzz_fuzz_esp_SOURCES = tests/fuzz/fuzz_esp.c $(FUZZ_MAIN)
tests_fuzz_fuzz_esp_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_esp_LDADD = libesp.a libbase.a $(CRYPTO_LIBS)
EXTRA_DIST += tests/unit/esp_kat.py
