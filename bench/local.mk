# SPDX-License-Identifier: GPL-2.0-or-later
# What ./setup.sh bench needs beside the programs; nothing of it is installed.
check_PROGRAMS += bench/udpload
bench_udpload_SOURCES = bench/udpload.c
bench_udpload_LDADD = libbase.a $(CRYPTO_LIBS)
EXTRA_DIST += bench/lib.sh bench/load.py

# Built only when asked for: make bench-programs
EXTRA_PROGRAMS += bench/esp_bench
bench_programs = bench/esp_bench$(EXEEXT)
bench_esp_bench_SOURCES = bench/esp_bench.c
bench_esp_bench_LDADD = libesp.a libbase.a $(CRYPTO_LIBS)
CLEANFILES += $(bench_programs)
.PHONY: bench-programs
bench-programs: $(bench_programs)
