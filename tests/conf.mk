# SPDX-License-Identifier: GPL-2.0-or-later
check_PROGRAMS += tests/conf/confcheck
tests_conf_confcheck_SOURCES = tests/conf/confcheck.c
tests_conf_confcheck_LDADD = libconf.a libbase.a $(CRYPTO_LIBS)
dist_check_SCRIPTS += tests/conf/golden.sh tests/conf/cli.sh tests/docs.sh
TESTS += tests/conf/golden.sh tests/conf/cli.sh tests/docs.sh
EXTRA_DIST += tests/conf

unit_tests += tests/unit/t_conf
tests_unit_t_conf_SOURCES = tests/unit/t_conf.c
tests_unit_t_conf_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_conf_LDADD = libconf.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
unit_tests += tests/unit/t_conf_words
tests_unit_t_conf_words_SOURCES = tests/unit/t_conf_words.c
tests_unit_t_conf_words_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_conf_words_LDADD = libconf.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
unit_tests += tests/unit/t_users
tests_unit_t_users_SOURCES = tests/unit/t_users.c
tests_unit_t_users_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_users_LDADD = libconf.a libbase.a $(CMOCKA_LIBS) $(CRYPT_LIBS) $(CRYPTO_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c $(FUZZ_MAIN)
tests_fuzz_fuzz_conf_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_conf_LDADD = libconf.a libbase.a $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_users
tests_fuzz_fuzz_users_SOURCES = tests/fuzz/fuzz_users.c $(FUZZ_MAIN)
tests_fuzz_fuzz_users_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_users_LDADD = libconf.a libbase.a $(CRYPT_LIBS) $(CRYPTO_LIBS)
unit_tests += tests/unit/t_reload
tests_unit_t_reload_SOURCES = tests/unit/t_reload.c
tests_unit_t_reload_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_reload_LDADD = libconf.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_reload
tests_fuzz_fuzz_reload_SOURCES = tests/fuzz/fuzz_reload.c $(FUZZ_MAIN)
tests_fuzz_fuzz_reload_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_reload_LDADD = libconf.a libbase.a $(CRYPTO_LIBS)
