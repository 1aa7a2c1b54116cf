# SPDX-License-Identifier: GPL-2.0-or-later
# What is pure is a library of its own, for the unit tests: it needs no strongSwan.
noinst_LIBRARIES += libike.a
libike_a_SOURCES = ike-plugin/admit.h ike-plugin/admit.c ike-plugin/answer.h ike-plugin/answer.c ike-plugin/dh.h ike-plugin/dh.c ike-plugin/hdr.h ike-plugin/hdr.c ike-plugin/match.h ike-plugin/match.c \
	ike-plugin/order.h ike-plugin/order.c \
	ike-plugin/seldom.h ike-plugin/seldom.c ike-plugin/spi.h ike-plugin/spi.c ike-plugin/suite.h ike-plugin/suite.c \
	ike-plugin/table.h ike-plugin/table.c
libike_a_CFLAGS = $(AM_CFLAGS) -fPIC

EXTRA_DIST += ike-plugin/compat.h ike-plugin/ss_config.h ike-plugin/ss.h ike-plugin/handover.h ike-plugin/plugin.h \
	ike-plugin/proxy.h
if IKE_PLUGIN
# Not AM_CPPFLAGS: its config.h and strongSwan's would clash.  -isystem: their headers, their warnings.
ike_cppflags = -I$(top_srcdir) -include ike-plugin/ss_config.h $(STRONGSWAN_CPPFLAGS:-I%=-isystem%) \
	-DPKGLIBDIR='"$(pkglibdir)"' -DIPSEC_PLUGINDIR='"$(IPSECLIBDIR)/plugins"'
# strongSwan's own printf conversions, and its way to write methods
ike_cflags = -std=gnu11 $(WARN_CFLAGS) -Wno-format -Wno-cast-function-type -Wno-sign-compare \
	-Wno-missing-field-initializers -fstack-protector-strong $(SAN_CFLAGS)
ike_ldflags = -L$(IPSECLIBDIR) -Wl,-rpath,$(IPSECLIBDIR) -Wl,-z,relro,-z,now

pkglibexec_PROGRAMS += culvert-iked
culvert_iked_SOURCES = ike-plugin/main.c ike-plugin/settings.h ike-plugin/settings.c
culvert_iked_CPPFLAGS = $(ike_cppflags)
culvert_iked_CFLAGS = $(ike_cflags) -fPIE
culvert_iked_LDFLAGS = $(SAN_CFLAGS) -pie $(ike_ldflags)
culvert_iked_LDADD = libbase.a -l:libcharon.so.0 -l:libstrongswan.so.0 $(CRYPTO_LIBS) -ldl

# The plugin without its name: tests have it in their own process.
noinst_LTLIBRARIES += libikeplugin.la
libikeplugin_la_SOURCES = ike-plugin/plugin.c ike-plugin/abi.c ike-plugin/backend.c \
	ike-plugin/childless.c ike-plugin/events.c ike-plugin/guard.c ike-plugin/hub.c ike-plugin/kernel_ipsec.c ike-plugin/kernel_net.c \
	ike-plugin/ke.c ike-plugin/natd.c ike-plugin/proxy.c ike-plugin/quick.c ike-plugin/sock.c ike-plugin/xauth.c
libikeplugin_la_CPPFLAGS = $(ike_cppflags)
libikeplugin_la_CFLAGS = $(ike_cflags)

pkglib_LTLIBRARIES += libstrongswan-culvert.la
libstrongswan_culvert_la_SOURCES =
libstrongswan_culvert_la_LDFLAGS = $(SAN_CFLAGS) -module -avoid-version $(ike_ldflags) \
	-export-symbols-regex '^culvert_plugin_create$$'
libstrongswan_culvert_la_LIBADD = libikeplugin.la libike.a libbase.a -l:libcharon.so.0 -l:libstrongswan.so.0 $(CRYPTO_LIBS)
endif
