# SPDX-License-Identifier: GPL-2.0-or-later
# What ./setup.sh bench needs beside the programs; nothing of it is installed.
check_PROGRAMS += bench/udpload
bench_udpload_SOURCES = bench/udpload.c
bench_udpload_LDADD = libbase.a $(CRYPTO_LIBS)
EXTRA_DIST += bench/lib.sh bench/load.py
