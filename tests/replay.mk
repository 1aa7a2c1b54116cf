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
