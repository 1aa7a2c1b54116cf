# SPDX-License-Identifier: GPL-2.0-or-later
check_PROGRAMS += tests/conf/confcheck
tests_conf_confcheck_SOURCES = tests/conf/confcheck.c
tests_conf_confcheck_LDADD = libconf.a libbase.a $(CRYPTO_LIBS)
