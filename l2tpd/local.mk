# SPDX-License-Identifier: GPL-2.0-or-later

noinst_LIBRARIES += libnetd.a
libnetd_a_SOURCES = l2tpd/netd.h l2tpd/netd.c l2tpd/tundev.h l2tpd/tundev.c \
	l2tpd/routes.h l2tpd/routes.c l2tpd/fw.h l2tpd/fw.c l2tpd/filterset.h l2tpd/filterset.c l2tpd/paths.h l2tpd/paths.c \
	l2tpd/uplink.h l2tpd/uplink.c l2tpd/xfrm.h l2tpd/xfrm.c
libnetd_a_CPPFLAGS = $(AM_CPPFLAGS) -DPKGLIBEXECDIR='"$(pkglibexecdir)"'
libnetd_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(MNL_CFLAGS)
noinst_LIBRARIES += libl2tp.a
libl2tp_a_SOURCES = l2tpd/l2tp.h l2tpd/avp.h l2tpd/avp.c l2tpd/msg.h l2tpd/msg.c l2tpd/secret.h l2tpd/secret.c l2tpd/xport.h l2tpd/xport.c \
	l2tpd/tunnel.h l2tpd/tunnel.c l2tpd/session.h l2tpd/session.c l2tpd/flow.h l2tpd/flow.c l2tpd/dseq.h \
	l2tpd/lineage.h l2tpd/lineage.c
libl2tp_a_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
# Configuration and users file
noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = l2tpd/conf.h l2tpd/conf_parse.h l2tpd/conf.c l2tpd/conf_check.c l2tpd/conf_print.c \
	l2tpd/conf_merge.h l2tpd/conf_merge.c l2tpd/conf_diff.c l2tpd/weak.h l2tpd/weak.c \
	l2tpd/keyword.h l2tpd/keyword.c l2tpd/parse.y l2tpd/users.h l2tpd/users.c l2tpd/users_row.h l2tpd/users_row.c \
	l2tpd/users_edit.h l2tpd/users_edit.c
libconf_a_CFLAGS = $(AM_CFLAGS) $(CRYPT_CFLAGS)
BUILT_SOURCES += l2tpd/parse.h
l2tpd/libconf_a-keyword.$(OBJEXT) l2tpd/libconf_a-conf_print.$(OBJEXT): l2tpd/parse.h

noinst_LIBRARIES += libdump.a
libdump_a_SOURCES = l2tpd/dump.h l2tpd/dump.c
# Who is who: the auth process, and the channels that all processes have
noinst_LIBRARIES += libauth.a
libauth_a_SOURCES = l2tpd/auth.h l2tpd/auth.c l2tpd/auth_radius.h l2tpd/auth_radius.c l2tpd/local.h l2tpd/local.c \
	l2tpd/backoff.h l2tpd/backoff.c l2tpd/child.h l2tpd/child.c l2tpd/peer.h l2tpd/peer.c
libauth_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(CRYPT_CFLAGS) $(CRYPTO_CFLAGS)

# RADIUS: packets are pure; what asks servers is a program of its own, the only one with libradcli
noinst_LIBRARIES += libradpkt.a
libradpkt_a_SOURCES = l2tpd/radpkt.h l2tpd/radpkt.c l2tpd/radserver.h l2tpd/daepkt.h l2tpd/daepkt.c \
	l2tpd/radrate.h l2tpd/radrate.c
libradpkt_a_CFLAGS = $(AM_CFLAGS) $(CRYPTO_CFLAGS)
pkglibexec_PROGRAMS += culvert-radius
culvert_radius_SOURCES = l2tpd/radius.c l2tpd/dae.h l2tpd/dae.c l2tpd/radcli.h l2tpd/radcli.c l2tpd/radtls.h l2tpd/radtls.c
culvert_radius_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(SSL_CFLAGS) $(CRYPTO_CFLAGS) $(RADCLI_CFLAGS)
culvert_radius_LDADD = libradpkt.a libauth.a libsandbox.a libconf.a libppp.a libbase.a $(EVENT_LIBS) $(SECCOMP_LIBS) \
	$(RADCLI_LIBS) $(SSL_LIBS) $(CRYPTO_LIBS)

sbin_PROGRAMS += culvertd
culvertd_SOURCES = l2tpd/culvertd.c l2tpd/parent.h l2tpd/parent.c l2tpd/parent_users.c l2tpd/parent_radius.c l2tpd/reload.h l2tpd/reload.c \
	l2tpd/steer.h l2tpd/steer.c l2tpd/raw_filter.h \
	l2tpd/daemon.h l2tpd/daemon.c l2tpd/notify.h l2tpd/notify.c l2tpd/engine.c \
	l2tpd/manager.h l2tpd/manager.c l2tpd/manager_reload.c l2tpd/manager_dae.c l2tpd/control.c l2tpd/acct.h l2tpd/acct.c
culvertd_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(CRYPTO_CFLAGS)
culvertd_LDADD = libengine.a libauth.a libdump.a libsandbox.a libnetd.a libseg.a libl2tp.a libppp.a libesp.a libconf.a \
	libspool.a libpool.a libbase.a $(EVENT_LIBS) $(MNL_LIBS) $(SECCOMP_LIBS) $(CRYPT_LIBS) $(CRYPTO_LIBS)

# What an engine does, without what makes it a process
noinst_LIBRARIES += libengine.a
libengine_a_SOURCES = l2tpd/engine.h l2tpd/idle.h l2tpd/sa.c l2tpd/plain.c l2tpd/call.c l2tpd/xauth.c \
	l2tpd/data.h l2tpd/data.c l2tpd/data_in.c l2tpd/data_out.c l2tpd/bucket.h l2tpd/turns.h
libengine_a_CFLAGS = $(AM_CFLAGS) $(EVENT_CFLAGS) $(CRYPTO_CFLAGS)

noinst_LIBRARIES += libsandbox.a
libsandbox_a_SOURCES = l2tpd/sandbox.h l2tpd/sandbox.c
libsandbox_a_CFLAGS = $(AM_CFLAGS) $(SECCOMP_CFLAGS)

noinst_LIBRARIES += libspool.a
libspool_a_SOURCES = l2tpd/spool.h l2tpd/spool.c
noinst_LIBRARIES += libpool.a
libpool_a_SOURCES = l2tpd/pool.h l2tpd/pool.c
# Super-packets cut and put together: pure
noinst_LIBRARIES += libseg.a
libseg_a_SOURCES = l2tpd/vnet.h l2tpd/csum.h l2tpd/seg.h l2tpd/seg.c l2tpd/coal.h l2tpd/coal.c
