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
