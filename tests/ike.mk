# SPDX-License-Identifier: GPL-2.0-or-later
if IKE_PLUGIN
# Not a test by itself: it plays culvertd to culvert-iked, with real clients at its sockets.
check_PROGRAMS += tests/ike/harness
tests_ike_harness_SOURCES = tests/ike/harness.c
tests_ike_harness_LDADD = libbase.a $(CRYPTO_LIBS)
endif
