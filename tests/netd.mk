# SPDX-License-Identifier: GPL-2.0-or-later
# netd and the firewall.  tests/netns/netd.sh needs root: ./setup.sh check runs it.
check_PROGRAMS += tests/netd/drive
tests_netd_drive_SOURCES = tests/netd/drive.c
tests_netd_drive_LDADD = libnetd.a libbase.a $(EVENT_LIBS) $(MNL_LIBS) $(CRYPTO_LIBS)
