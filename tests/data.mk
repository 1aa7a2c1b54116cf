# SPDX-License-Identifier: GPL-2.0-or-later
# The engine's data path
unit_tests += tests/unit/t_seg tests/unit/t_coal
tests_unit_t_seg_SOURCES = tests/unit/t_seg.c tests/unit/gso_util.h
tests_unit_t_seg_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_seg_LDADD = libseg.a $(CMOCKA_LIBS)
tests_unit_t_coal_SOURCES = tests/unit/t_coal.c tests/unit/gso_util.h
tests_unit_t_coal_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_coal_LDADD = libseg.a $(CMOCKA_LIBS)
unit_tests += tests/unit/t_codel
tests_unit_t_codel_SOURCES = tests/unit/t_codel.c
tests_unit_t_codel_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_codel_LDADD = libbase.a $(CMOCKA_LIBS)
unit_tests += tests/unit/t_data
tests_unit_t_data_SOURCES = tests/unit/t_data.c tests/unit/data_rig.h tests/unit/gso_util.h
tests_unit_t_data_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_t_data_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=now_ms
tests_unit_t_data_LDADD = libengine.a libdump.a libseg.a libl2tp.a libppp.a libesp.a libbase.a \
	$(CMOCKA_LIBS) $(EVENT_LIBS) $(CRYPTO_LIBS)
unit_tests += tests/unit/t_xauth
tests_unit_t_xauth_SOURCES = tests/unit/t_xauth.c tests/unit/data_rig.h tests/unit/gso_util.h
tests_unit_t_xauth_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_t_xauth_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=now_ms
tests_unit_t_xauth_LDADD = $(tests_unit_t_data_LDADD)
unit_tests += tests/unit/t_plain
tests_unit_t_plain_SOURCES = tests/unit/t_plain.c tests/unit/data_rig.h tests/unit/gso_util.h tests/unit/l2tp_util.h
tests_unit_t_plain_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_t_plain_LDADD = $(tests_unit_t_data_LDADD)
unit_tests += tests/unit/t_raw
tests_unit_t_raw_SOURCES = tests/unit/t_raw.c tests/unit/data_rig.h tests/unit/gso_util.h
tests_unit_t_raw_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(EVENT_CFLAGS)
tests_unit_t_raw_LDADD = $(tests_unit_t_data_LDADD)
FUZZ_TARGETS += tests/fuzz/fuzz_seg tests/fuzz/fuzz_coal
tests_fuzz_fuzz_seg_SOURCES = tests/fuzz/fuzz_seg.c tests/unit/gso_util.h $(FUZZ_MAIN)
tests_fuzz_fuzz_seg_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_seg_LDADD = libseg.a
tests_fuzz_fuzz_coal_SOURCES = tests/fuzz/fuzz_coal.c tests/unit/gso_util.h $(FUZZ_MAIN)
tests_fuzz_fuzz_coal_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_coal_LDADD = libseg.a
check_PROGRAMS += bench/trace
bench_trace_SOURCES = bench/trace.c tests/unit/data_rig.h tests/unit/gso_util.h
bench_trace_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS)
bench_trace_LDADD = libengine.a libdump.a libseg.a libl2tp.a libppp.a libesp.a libbase.a $(EVENT_LIBS) $(CRYPTO_LIBS)
