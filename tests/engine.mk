# SPDX-License-Identifier: GPL-2.0-or-later
unit_tests += tests/unit/t_pool
tests_unit_t_pool_SOURCES = tests/unit/t_pool.c
tests_unit_t_pool_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_pool_LDADD = libpool.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)

unit_tests += tests/unit/t_pair
tests_unit_t_pair_SOURCES = tests/unit/t_pair.c
tests_unit_t_pair_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_pair_LDADD = libl2tp.a libppp.a libesp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)

unit_tests += tests/unit/t_sandbox
tests_unit_t_sandbox_SOURCES = tests/unit/t_sandbox.c
tests_unit_t_sandbox_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_sandbox_LDADD = libsandbox.a libbase.a $(SECCOMP_LIBS) $(CMOCKA_LIBS) $(CRYPTO_LIBS)

# What the server does with bad input: tests/SECURITY.md says which test shows what.
EXTRA_DIST += tests/SECURITY.md tests/hostile.py tests/netns/20-hostile.sh

unit_tests += tests/unit/t_auth
tests_unit_t_auth_SOURCES = tests/unit/t_auth.c l2tpd/auth.h l2tpd/auth.c l2tpd/child.h l2tpd/child.c \
	l2tpd/peer.h l2tpd/peer.c
tests_unit_t_auth_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_t_auth_LDADD = libsandbox.a libppp.a libconf.a libbase.a $(CMOCKA_LIBS) $(EVENT_LIBS) $(SECCOMP_LIBS) \
	$(CRYPTO_LIBS)
