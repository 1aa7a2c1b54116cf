# SPDX-License-Identifier: GPL-2.0-or-later
# Built only when asked for: make bench-programs.  Nothing of it is installed.
EXTRA_PROGRAMS += bench/esp_bench bench/udpload bench/auth_time
bench_programs = bench/esp_bench$(EXEEXT) bench/udpload$(EXEEXT) bench/auth_time$(EXEEXT)
bench_esp_bench_SOURCES = bench/esp_bench.c
bench_esp_bench_LDADD = libesp.a libbase.a $(CRYPTO_LIBS)
bench_udpload_SOURCES = bench/udpload.c
bench_udpload_LDADD = libbase.a $(CRYPTO_LIBS)
bench_auth_time_SOURCES = bench/auth_time.c
bench_auth_time_LDADD = libauth.a libsandbox.a libconf.a libppp.a libbase.a $(EVENT_LIBS) $(SECCOMP_LIBS) $(CRYPT_LIBS) \
	$(CRYPTO_LIBS) -lm
CLEANFILES += $(bench_programs)
.PHONY: bench-programs
bench-programs: $(bench_programs)
EXTRA_DIST += bench/README.md bench/lib.sh bench/load.py bench/logins.sh bench/parts.sh bench/report.py bench/run.sh \
	bench/softether.sh bench/regress.py bench/baseline.tsv bench/radius.py bench/guest.sh tests/bench.sh
