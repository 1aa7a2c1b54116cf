# SPDX-License-Identifier: GPL-2.0-or-later
unit_tests += tests/unit/t_pool
tests_unit_t_pool_SOURCES = tests/unit/t_pool.c
tests_unit_t_pool_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_pool_LDADD = libpool.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)

unit_tests += tests/unit/t_auth
tests_unit_t_auth_SOURCES = tests/unit/t_auth.c
tests_unit_t_auth_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_auth_LDADD = libauth.a libsandbox.a libconf.a libppp.a libbase.a $(EVENT_LIBS) $(SECCOMP_LIBS) \
	$(CMOCKA_LIBS) $(CRYPT_LIBS) $(CRYPTO_LIBS)

unit_tests += tests/unit/t_dump
tests_unit_t_dump_SOURCES = tests/unit/t_dump.c
tests_unit_t_dump_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_dump_LDADD = libdump.a libl2tp.a libppp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)

unit_tests += tests/unit/t_idle
tests_unit_t_idle_SOURCES = tests/unit/t_idle.c
tests_unit_t_idle_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_idle_LDADD = $(CMOCKA_LIBS)

unit_tests += tests/unit/t_pair
tests_unit_t_pair_SOURCES = tests/unit/t_pair.c
tests_unit_t_pair_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_pair_LDADD = libl2tp.a libppp.a libesp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)

unit_tests += tests/unit/t_sandbox
tests_unit_t_sandbox_SOURCES = tests/unit/t_sandbox.c
tests_unit_t_sandbox_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_sandbox_LDADD = libsandbox.a libbase.a $(SECCOMP_LIBS) $(CMOCKA_LIBS) $(CRYPTO_LIBS)

# What the server does with bad input: tests/SECURITY.md says which test shows what.
EXTRA_DIST += tests/SECURITY.md tests/hostile.py tests/raw_esp.py tests/netns/20-hostile.sh

unit_tests += tests/unit/t_auth_reload
tests_unit_t_auth_reload_SOURCES = tests/unit/t_auth_reload.c
tests_unit_t_auth_reload_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_auth_reload_LDADD = libauth.a libsandbox.a libconf.a libppp.a libbase.a $(EVENT_LIBS) $(SECCOMP_LIBS) \
	$(CMOCKA_LIBS) $(CRYPT_LIBS) $(CRYPTO_LIBS)

unit_tests += tests/unit/t_lineage
tests_unit_t_lineage_SOURCES = tests/unit/t_lineage.c
tests_unit_t_lineage_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_lineage_LDADD = libl2tp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)

unit_tests += tests/unit/t_radpkt
tests_unit_t_radpkt_SOURCES = tests/unit/t_radpkt.c
tests_unit_t_radpkt_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_radpkt_LDADD = libradpkt.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_radpkt
tests_fuzz_fuzz_radpkt_SOURCES = tests/fuzz/fuzz_radpkt.c $(FUZZ_MAIN)
tests_fuzz_fuzz_radpkt_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_radpkt_LDADD = libradpkt.a libbase.a $(CRYPTO_LIBS)
unit_tests += tests/unit/t_radtls
tests_unit_t_radtls_SOURCES = tests/unit/t_radtls.c l2tpd/radtls.c
tests_unit_t_radtls_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(SSL_CFLAGS)
tests_unit_t_radtls_LDADD = libbase.a $(CMOCKA_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)
unit_tests += tests/unit/t_dae
tests_unit_t_dae_SOURCES = tests/unit/t_dae.c l2tpd/dae.c l2tpd/manager_dae.c
tests_unit_t_dae_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_t_dae_LDADD = libradpkt.a libauth.a libsandbox.a libconf.a libppp.a libpool.a libbase.a $(EVENT_LIBS) \
	$(SECCOMP_LIBS) $(CMOCKA_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_dae
tests_fuzz_fuzz_dae_SOURCES = tests/fuzz/fuzz_dae.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dae_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_dae_LDADD = libradpkt.a libbase.a $(CRYPTO_LIBS)
EXTRA_DIST += tests/radius.sh tests/radius

unit_tests += tests/unit/t_acct
tests_unit_t_acct_SOURCES = tests/unit/t_acct.c
tests_unit_t_acct_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_acct_LDADD = libspool.a libradpkt.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_spool
tests_fuzz_fuzz_spool_SOURCES = tests/fuzz/fuzz_spool.c $(FUZZ_MAIN)
tests_fuzz_fuzz_spool_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_spool_LDADD = libspool.a libradpkt.a libbase.a $(CRYPTO_LIBS)
unit_tests += tests/unit/t_acct_flow
tests_unit_t_acct_flow_SOURCES = tests/unit/t_acct_flow.c l2tpd/acct.c
tests_unit_t_acct_flow_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_t_acct_flow_LDADD = libspool.a libauth.a libsandbox.a libconf.a libppp.a libpool.a libbase.a $(EVENT_LIBS) \
	$(SECCOMP_LIBS) $(CMOCKA_LIBS) $(CRYPTO_LIBS)

unit_tests += tests/unit/t_filter
tests_unit_t_filter_SOURCES = tests/unit/t_filter.c
tests_unit_t_filter_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_t_filter_LDADD = libauth.a libsandbox.a libconf.a libppp.a libpool.a libbase.a $(EVENT_LIBS) \
	$(SECCOMP_LIBS) $(CMOCKA_LIBS) $(CRYPTO_LIBS)

unit_tests += tests/unit/t_backoff
tests_unit_t_backoff_SOURCES = tests/unit/t_backoff.c
tests_unit_t_backoff_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_backoff_LDADD = libauth.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)

# What a login costs, by what it calls: the linker puts counters in between.
unit_tests += tests/unit/t_local
tests_unit_t_local_SOURCES = tests/unit/t_local.c
tests_unit_t_local_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_local_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=EVP_DigestUpdate -Wl,--wrap=EVP_DigestFinal_ex \
	-Wl,--wrap=EVP_EncryptUpdate -Wl,--wrap=CRYPTO_memcmp -Wl,--wrap=crypt_r
tests_unit_t_local_LDADD = libauth.a libconf.a libppp.a libbase.a $(CMOCKA_LIBS) $(CRYPT_LIBS) $(CRYPTO_LIBS)
