# SPDX-License-Identifier: GPL-2.0-or-later
L2TP_TEST_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
L2TP_TEST_LIBS = libl2tp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
unit_tests += tests/unit/t_avp tests/unit/t_l2msg tests/unit/t_xport
tests_unit_t_avp_SOURCES = tests/unit/t_avp.c tests/unit/l2tp_util.h
tests_unit_t_avp_CFLAGS = $(L2TP_TEST_CFLAGS)
tests_unit_t_avp_LDADD = $(L2TP_TEST_LIBS)
tests_unit_t_l2msg_SOURCES = tests/unit/t_l2msg.c tests/unit/l2tp_util.h
tests_unit_t_l2msg_CFLAGS = $(L2TP_TEST_CFLAGS)
tests_unit_t_l2msg_LDADD = $(L2TP_TEST_LIBS)
tests_unit_t_xport_SOURCES = tests/unit/t_xport.c tests/unit/l2tp_util.h
tests_unit_t_xport_CFLAGS = $(L2TP_TEST_CFLAGS)
tests_unit_t_xport_LDADD = $(L2TP_TEST_LIBS)
unit_tests += tests/unit/t_secret
tests_unit_t_secret_SOURCES = tests/unit/t_secret.c tests/unit/l2tp_util.h
tests_unit_t_secret_CFLAGS = $(L2TP_TEST_CFLAGS)
tests_unit_t_secret_LDADD = $(L2TP_TEST_LIBS)
unit_tests += tests/unit/t_tunnel
tests_unit_t_tunnel_SOURCES = tests/unit/t_tunnel.c tests/unit/l2tp_util.h
tests_unit_t_tunnel_CFLAGS = $(L2TP_TEST_CFLAGS)
tests_unit_t_tunnel_LDADD = $(L2TP_TEST_LIBS)
unit_tests += tests/unit/t_l2pair
tests_unit_t_l2pair_SOURCES = tests/unit/t_l2pair.c tests/unit/l2tp_util.h
tests_unit_t_l2pair_CFLAGS = $(L2TP_TEST_CFLAGS)
tests_unit_t_l2pair_LDADD = $(L2TP_TEST_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_l2tp
tests_fuzz_fuzz_l2tp_SOURCES = tests/fuzz/fuzz_l2tp.c $(FUZZ_MAIN)
tests_fuzz_fuzz_l2tp_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_l2tp_LDADD = libl2tp.a libbase.a $(CRYPTO_LIBS)
unit_tests += tests/unit/t_proxy
tests_unit_t_proxy_SOURCES = tests/unit/t_proxy.c
tests_unit_t_proxy_CFLAGS = $(L2TP_TEST_CFLAGS)
tests_unit_t_proxy_LDADD = libppp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
unit_tests += tests/unit/t_call
tests_unit_t_call_SOURCES = tests/unit/t_call.c tests/unit/data_rig.h tests/unit/gso_util.h tests/unit/l2tp_util.h
tests_unit_t_call_CFLAGS = $(L2TP_TEST_CFLAGS) $(EVENT_CFLAGS) $(CRYPTO_CFLAGS)
tests_unit_t_call_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=now_ms
tests_unit_t_call_LDADD = libengine.a libdump.a libseg.a libl2tp.a libppp.a libesp.a libbase.a \
	$(CMOCKA_LIBS) $(EVENT_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_avp
tests_fuzz_fuzz_avp_SOURCES = tests/fuzz/fuzz_avp.c $(FUZZ_MAIN)
tests_fuzz_fuzz_avp_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_avp_LDADD = libl2tp.a libbase.a $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_l2msg
tests_fuzz_fuzz_l2msg_SOURCES = tests/fuzz/fuzz_l2msg.c $(FUZZ_MAIN)
tests_fuzz_fuzz_l2msg_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_l2msg_LDADD = libl2tp.a libbase.a $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_call
tests_fuzz_fuzz_call_SOURCES = tests/fuzz/fuzz_call.c tests/unit/data_rig.h tests/unit/gso_util.h $(FUZZ_MAIN)
tests_fuzz_fuzz_call_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(CRYPTO_CFLAGS)
tests_fuzz_fuzz_call_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK) -Wl,--wrap=now_ms -Wl,--wrap=rng_init
tests_fuzz_fuzz_call_LDADD = libengine.a libdump.a libseg.a libl2tp.a libppp.a libesp.a libpool.a libbase.a \
	$(EVENT_LIBS) $(CRYPTO_LIBS)
