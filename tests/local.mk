# SPDX-License-Identifier: GPL-2.0-or-later
# `make check`: no root, no network, seconds.  Each area has its own file; what
# needs root (namespaces, guests, real peers) is run by ./setup.sh check.
include tests/base.mk
include tests/ppp.mk
include tests/l2tp.mk
include tests/esp.mk
include tests/ike.mk
include tests/conf.mk
include tests/ctl.mk
include tests/netd.mk
include tests/engine.mk
include tests/data.mk
include tests/replay.mk

# A unit test is tests/unit/t_NAME.c (cmocka).  A fuzz target is
# tests/fuzz/fuzz_NAME.c (LLVMFuzzerTestOneInput) with seeds in
# tests/fuzz/corpus/NAME/ and old crashes in tests/fuzz/crash/NAME/; without
# --enable-fuzz it is linked with standalone.c, which replays the files.
EXTRA_DIST += tests/fuzz/standalone.c tests/fuzz/corpus tests/fuzz/run.sh \
	tests/lib.sh tests/server.sh tests/dial.sh tests/kernel.sh tests/httpd.py tests/guest tests/netns
if FUZZ
FUZZ_MAIN =
FUZZ_LINK = $(FUZZ_LDFLAGS)
else
FUZZ_MAIN = tests/fuzz/standalone.c
FUZZ_LINK =
endif
if UNIT_TESTS
check_PROGRAMS += $(unit_tests)
TESTS += $(unit_tests)
endif
check_PROGRAMS += $(FUZZ_TARGETS)
dist_check_SCRIPTS += tests/fuzz/replay.sh tests/layers.sh tests/spdx.sh
TESTS += tests/fuzz/replay.sh tests/layers.sh tests/spdx.sh
AM_TESTS_ENVIRONMENT += FUZZ_TARGETS='$(FUZZ_TARGETS)'; export FUZZ_TARGETS;
