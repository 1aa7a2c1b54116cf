# SPDX-License-Identifier: GPL-2.0-or-later
# Programs that measure; `make bench-programs` builds them.
EXTRA_PROGRAMS += bench/esp_bench
bench_programs = bench/esp_bench$(EXEEXT)
bench_esp_bench_SOURCES = bench/esp_bench.c
bench_esp_bench_LDADD = libesp.a libbase.a $(CRYPTO_LIBS)
CLEANFILES += $(bench_programs)
.PHONY: bench-programs
bench-programs: $(bench_programs)
