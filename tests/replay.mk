# SPDX-License-Identifier: GPL-2.0-or-later
# Clients' messages played to the cores: tests/replay/README.md
check_PROGRAMS += tests/replay/replay tests/replay/record
REPLAY_SOURCES = tests/replay/lns.c tests/replay/lns.h tests/replay/note.c tests/replay/note.h
REPLAY_LIBS = libl2tp.a libppp.a libbase.a $(CRYPTO_LIBS)
tests_replay_replay_SOURCES = tests/replay/replay.c $(REPLAY_SOURCES)
tests_replay_replay_LDADD = $(REPLAY_LIBS)
tests_replay_record_SOURCES = tests/replay/record.c $(REPLAY_SOURCES)
tests_replay_record_LDADD = $(REPLAY_LIBS)
dist_check_SCRIPTS += tests/replay/run.sh
TESTS += tests/replay/run.sh
EXTRA_DIST += tests/replay
unit_tests += tests/unit/t_hostile
tests_unit_t_hostile_SOURCES = tests/unit/t_hostile.c $(REPLAY_SOURCES)
tests_unit_t_hostile_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_hostile_LDADD = libl2tp.a libppp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
unit_tests += tests/unit/t_pppreject tests/unit/t_l2reject
tests_unit_t_pppreject_SOURCES = tests/unit/t_pppreject.c tests/replay/note.c tests/replay/note.h
tests_unit_t_pppreject_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_pppreject_LDADD = libppp.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
tests_unit_t_l2reject_SOURCES = tests/unit/t_l2reject.c tests/unit/l2tp_util.h
tests_unit_t_l2reject_CFLAGS = $(L2TP_TEST_CFLAGS)
tests_unit_t_l2reject_LDADD = $(L2TP_TEST_LIBS)
# What the RFCs and clients ask for, and the tests that show it
dist_check_SCRIPTS += tests/conformance.sh
TESTS += tests/conformance.sh
EXTRA_DIST += tests/CONFORMANCE.md tests/mutate.py tests/mutate.equivalent
