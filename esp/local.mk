# SPDX-License-Identifier: GPL-2.0-or-later
noinst_LIBRARIES += libesp.a
libesp_a_SOURCES = esp/esp.h esp/esp.c esp/sa.h esp/replay.h esp/replay.c esp/crypto.h esp/crypto.c \
	esp/crypto_openssl.c
if IPSEC_MB
if !NULL_CRYPTO
libesp_a_SOURCES += esp/crypto_mb.c
endif
endif
libesp_a_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
if NULL_CRYPTO
libesp_a_SOURCES += esp/crypto_null.c
install-exec-local:
	@echo "this build has no encryption (--enable-bench-null-crypto): it is not to be installed" >&2; exit 1
endif
