# SPDX-License-Identifier: GPL-2.0-or-later
# Configuration and users file
noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = l2tpd/conf.h l2tpd/conf_parse.h l2tpd/conf.c l2tpd/conf_print.c \
	l2tpd/keyword.h l2tpd/keyword.c l2tpd/parse.y l2tpd/users.h l2tpd/users.c
BUILT_SOURCES += l2tpd/parse.h
l2tpd/keyword.$(OBJEXT) l2tpd/conf_print.$(OBJEXT): l2tpd/parse.h
