# SPDX-License-Identifier: GPL-2.0-or-later
unit_tests += tests/unit/t_ike
tests_unit_t_ike_SOURCES = tests/unit/t_ike.c
tests_unit_t_ike_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_ike_LDADD = libike.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
unit_tests += tests/unit/t_dh
tests_unit_t_dh_SOURCES = tests/unit/t_dh.c
tests_unit_t_dh_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_dh_LDADD = libike.a libbase.a $(CMOCKA_LIBS) $(CRYPTO_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_ike_hdr
tests_fuzz_fuzz_ike_hdr_SOURCES = tests/fuzz/fuzz_ike_hdr.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ike_hdr_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_ike_hdr_LDADD = libike.a libbase.a $(CRYPTO_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_answer
tests_fuzz_fuzz_answer_SOURCES = tests/fuzz/fuzz_answer.c $(FUZZ_MAIN)
tests_fuzz_fuzz_answer_LDFLAGS = $(AM_LDFLAGS) $(FUZZ_LINK)
tests_fuzz_fuzz_answer_LDADD = libike.a libbase.a $(CRYPTO_LIBS)

# Needs root and a guest; ./setup.sh check runs it.
EXTRA_DIST += tests/netns/20-ike.sh
if IKE_PLUGIN
# Not a test by itself: it plays culvertd to culvert-iked, with real clients at its sockets.
check_PROGRAMS += tests/ike/harness
tests_ike_harness_SOURCES = tests/ike/harness.c
tests_ike_harness_LDADD = libbase.a $(CRYPTO_LIBS)

# libcharon with our plugin in the test's own process.  -export-dynamic: libstrongswan finds the plugin,
# and libcharon our clock, in the program.
check_LIBRARIES += libresponder.a
libresponder_a_SOURCES = tests/ike/responder.h tests/ike/responder.c ike-plugin/settings.c
libresponder_a_CPPFLAGS = $(ike_cppflags)
libresponder_a_CFLAGS = $(ike_cflags) -fPIE
responder_ldflags = $(AM_LDFLAGS) $(ike_ldflags) -export-dynamic
responder_ldadd = libresponder.a libikeplugin.la libdial.a libike.a libbase.a -l:libcharon.so.0 -l:libstrongswan.so.0 \
	$(CRYPTO_LIBS)
unit_tests += tests/unit/t_responder
tests_unit_t_responder_SOURCES = tests/unit/t_responder.c
tests_unit_t_responder_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_t_responder_LDFLAGS = $(responder_ldflags)
tests_unit_t_responder_LDADD = $(responder_ldadd) $(CMOCKA_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_ike
tests_fuzz_fuzz_ike_SOURCES = tests/fuzz/fuzz_ike.c $(FUZZ_MAIN)
tests_fuzz_fuzz_ike_LDFLAGS = $(responder_ldflags) $(FUZZ_LINK)
tests_fuzz_fuzz_ike_LDADD = $(responder_ldadd)
noinst_HEADERS += tests/ike/client.h
endif
