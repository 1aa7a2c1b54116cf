# SPDX-License-Identifier: GPL-2.0-or-later
noinst_LIBRARIES += libruleset.a
libruleset_a_SOURCES = firewall/ruleset.h firewall/ruleset.c
pkglibexec_PROGRAMS += culvert-firewall
culvert_firewall_SOURCES = firewall/culvert-firewall.c
culvert_firewall_CFLAGS = $(AM_CFLAGS) $(NFTABLES_CFLAGS)
culvert_firewall_LDADD = libruleset.a libbase.a $(NFTABLES_LIBS)
