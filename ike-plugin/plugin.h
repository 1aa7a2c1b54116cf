/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of libstrongswan-culvert.so and what they share. */
#ifndef CULVERT_PLUGIN_H
#define CULVERT_PLUGIN_H

#include "ike-plugin/handover.h"

#include <stdatomic.h>
#include <threading/mutex.h>
#include <threading/rwlock.h>

#include "ike-plugin/table.h"

/* Counters, as MSG_STATS names them. */
#define COUNTERS(X)                                                                                \
	X(ike_up) X(ike_down) X(ike_psk_mismatch) X(ike_proposal_refused) X(ike_child_refused)     \
	X(ike_no_natt) X(ike_bad_message) X(ike_not_due) X(ike_childless) X(ike_half_open_timeout) X(ike_natd_faked) \
	X(ike_quick_again)               \
	X(ike_rx) X(ike_rx_stray) X(ike_rx_short) X(ike_rx_junk) X(ike_rx_esp) X(ike_rx_port_500)  \
	X(ike_rx_version) X(ike_rx_aggressive) X(ike_rx_overflow) X(ike_rx_limited) X(ike_tx_failed) \
	X(ike_sa_add) X(ike_sa_del) X(ike_sa_expired) X(ike_sa_moved) X(ike_move_refused)          \
	X(ike_xauth_good) X(ike_xauth_bad) X(ike_xauth_malformed)                                  \
	X(ike_dh_ahead) X(ike_dh_now) X(ike_flow_kill) X(ike_chan_bad) X(ike_chan_full) X(ike_log_dropped)

#define COUNTER_FIELD(n) _Atomic uint64_t n;
struct counters {
	COUNTERS(COUNTER_FIELD)
};

/* The one instance; charon's constructors take no argument. */
struct culvert {
	plugin_t plugin;
	struct handover *h;
	bool raw_esp;			/* clients without NAT may send ESP without UDP */
	struct counters count;
	mutex_t *lock;			/* over table and what hangs on it */
	struct table *table;
	struct hub *hub;
	struct backend *backend;
	struct events *events;
	struct natd *natd;
	struct guard *guard;
	struct xauth *xauth;
	struct quick *quick;
	struct sock *sock;
};

extern struct culvert *culvert;

#define COUNT(n) atomic_fetch_add_explicit(&culvert->count.n, 1, memory_order_relaxed)

/* plugin.c: what libstrongswan looks for. */
plugin_t *culvert_plugin_create(void);
/* log_rate_ok() for now, on any thread. */
bool rate_ok(struct log_rate *);

/* abi.c: is the libcharon in memory the one whose headers we were built with? */
bool abi_check_mediation(void);
bool abi_check_layout(void);

/* kernel_ipsec.c, kernel_net.c, sock.c: charon calls these constructors. */
kernel_ipsec_t *culvert_ipsec_create(void);
kernel_net_t *culvert_net_create(void);
socket_t *culvert_socket_create(void);

/* sock.c: an IKE datagram that came in on an engine's socket. Any thread. */
void sock_inject(const struct msg_stray *);
/* A login from there was good, so that the next one has precedence when many try. */
void sock_known(const struct addr *peer);

/* backend.c: peer configurations and keys from the `ike` statements. */
struct backend *backend_new(const struct conf *);
void backend_delete(struct backend *);
/* Put another configuration in force; IKE_SAs that exist keep theirs. */
void backend_load(struct backend *, const struct conf *);

/* ke.c: our own Diffie-Hellman, for all groups that we offer. */
void ke_start(void);
void ke_stop(void);

/* natd.c: every client believes itself behind NAT, and so comes onto UDP 4500; not with raw_esp. */
struct natd *natd_new(void);
void natd_delete(struct natd *);

/* guard.c: messages that are not due do not reach charon's state machines. */
struct guard *guard_new(void);
void guard_delete(struct guard *);

#define XAUTH_PEER_NAME "xauth"	/* of peer configurations: no other has it */

/* xauth.c: logins by IKE, and the addresses that go back by it. */
struct xauth *xauth_new(void);
void xauth_delete(struct xauth *);
/* Its engine's answer. */
void xauth_done(unsigned engine, const struct msg_xauth_done *);
/* The state of an IKE_SA's login; with LOGIN_GOOD *ret is set, which may be NULL. */
enum lin_login xauth_login_of(ike_sa_t *, struct lin_lease *ret);

/* quick.c: a third message of Quick Mode that got lost is asked for. */
struct quick *quick_new(void);
void quick_delete(struct quick *);

/* childless.c: from now on IKE_SAs end that have no CHILD_SA for after_s seconds. */
void childless_start(unsigned after_s);

/* events.c: counters, the log's lines about failed logins, the end of lineages. */
struct events *events_new(void);
void events_delete(struct events *);

/* hub.c: the channels to parent, engines and manager. */
struct hub *hub_new(struct handover *);
/* Start its thread; MSG_READY goes out when that runs. */
void hub_start(struct hub *);
void hub_delete(struct hub *);
/* Send to an engine or -EPIPE when it is gone; callable from any thread, never blocks. */
MUST_USE int hub_engine(struct hub *, unsigned engine, enum msg_type, const void *body, size_t len);
/* IKE_SA uid says that it has deleted its SA out_spi: that ends, whichever IKE_SA has it by now. */
void hub_deleted(uint32_t uid, uint32_t out_spi);
/* Tell an engine that a lineage has ended, if it has. */
void hub_end(struct hub *, const struct table_end *);

#endif
