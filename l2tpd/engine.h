/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine: the process that holds sessions.  Shared-nothing and single-threaded:
 * a client's SAs, tunnels, PPP links and TUNs all live in one engine.
 *
 *   engine.c   start, messages from other processes, counters
 *   sa.c       flows and their SAs
 *   plain.c    flows without SAs: plain L2TP
 *   data.c     the way of packets: data_in.c, data_out.c
 *   call.c     the way of a login: effects of the L2TP and PPP cores
 *   xauth.c    logins by IKE, of clients that have neither
 *
 * Invariant: a packet reaches a tunnel only through an SA whose lineage has the
 * tunnel's flow for its root (lineage.h); tunnels and sessions are looked up
 * inside the flow, never across flows.  own_flow() makes sure of it.  Plain L2TP
 * has flows of its own, which never have an SA: they are found by the peer's
 * address and port, and only for what came to a socket of plain L2TP.
 */
#ifndef CULVERT_ENGINE_H
#define CULVERT_ENGINE_H

#include <event2/event.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/proto.h"
#include "esp/esp.h"
#include "l2tpd/bucket.h"
#include "l2tpd/codel.h"
#include "l2tpd/dseq.h"
#include "l2tpd/flow.h"
#include "l2tpd/idle.h"
#include "l2tpd/lineage.h"
#include "l2tpd/peer.h"
#include "l2tpd/turns.h"
#include "ppp/mppe.h"
#include "ppp/ppp.h"

struct engine;
struct flow;

enum {
	HELD_MAX = 8,		/* packets that wait for their keys, or for their TUN */
	HELD_MS = 1000,
	HELD_LEN = 2048,	/* longer ones are not worth it */
	ENGINE_USE_S = 5,	/* how often iked hears what was used */
};

/* A packet that came too early. */
struct held {
	uint64_t at_ms;
	struct addr peer;
	size_t len;
	uint8_t data[];
};

struct hold {
	struct held *pkt[HELD_MAX];	/* oldest first */
	unsigned n;
};

/* Where packets to a client leave from, and go to. */
struct path {
	struct addr local, peer;	/* outer addresses; an SA's peer moves after ICV and replay */
	int sock;			/* to send from: an index in engine.sock; -1 = there is none */
	bool raw;			/* ESP without UDP: it has no ports, and no NAT that could move the peer */
	int marked;			/* ESP in the kernel: the lineage's own socket instead; -1 = not yet there */
	bool no_train;			/* it takes no UDP_SEGMENT */
};

/* One IKE_SA of a client. */
struct lin_ike {
	struct lin lin;
	unsigned n_sas;
	bool kill_asked;
	uint32_t mark;			/* ESP in the kernel: on its packets; else 0 */
	int marked;			/* … and the socket whose packets have it; -1 until netd made it */
	int sock;			/* … which belongs to this of engine.sock */
	struct list by_mark;		/* … in engine.by_mark[] */
	bool orphan;			/* its iked is gone: its SAs are ours alone */
};

/* A pair of SAs: the slot of the inbound SPI. */
struct sa {
	struct list link;		/* in flow.sas, newest last */
	struct flow *flow;		/* the root of its lineage */
	struct lin_ike *ike;		/* its lineage, for ever */
	uint32_t spi;			/* inbound, ours */
	uint32_t spi_out;		/* the peer's; 0 until known */
	struct esp_sa *in, *out;	/* NULL until their keys are here … */
	bool kernel_in, kernel_out;	/* … or in the kernel */
	struct path path;
	bool proven;			/* a packet was opened with it */
	bool out_gone;			/* IKE deleted the outbound one: for want of another only */
	struct hold hold;
	struct event *life;		/* hard lifetime */
	bool exhausted;			/* its sequence numbers are used up */
	bool tell_move;			/* iked has not heard of the last move */
	uint64_t moved_ms;		/* when ESP moved the peer; 0 = never */
	uint64_t told_move_ms;		/* when iked heard of that last */
	uint64_t bytes, packets, told_packets;
};

/* It can open, or seal. */
static inline bool sa_opens(const struct sa *s)
{
	return s->in || s->kernel_in;
}

static inline bool sa_seals(const struct sa *s)
{
	return s->out || s->kernel_out;
}

/*
 * The settings of a tunnel statement as the cores want them.  They keep
 * pointers to it, so a reload makes new ones: what is up goes on with those
 * that it was made with.
 */
struct tunnel_conf {
	unsigned refs;
	bool removed;			/* a reload took the statement away: whoever came by it ends */
	struct l2tp_conf l2tp;
	struct ppp_conf ppp;
	bool data_use_seq;		/* number data whether the peer wants it or not */
	bool accept_dialin, lcp_renegotiation, force_lcp_renegotiation;	/* calls with proxied LCP */
};

/* One client: the root of its lineages, or one address and port that speak plain L2TP. */
struct flow {
	struct list link;		/* in engine.flows */
	struct list by_peer;		/* plain L2TP: in engine.by_peer[] */
	struct engine *e;
	struct lin_flow lin;		/* of struct lin_ike; none of plain L2TP, which is no virgin */
	struct lineage plain_lineage;	/* of plain L2TP: epoch 0 and a number, for people */
	struct hold join_hold;		/* of a virgin: UDP datagrams that wait for its join */
	struct tunnel_conf *conf;	/* as it was when the client came */
	unsigned tunnel;		/* its index in conf.tunnel; CONF_TUNNELS = none */
	struct list sas;
	struct sa *send;		/* the pair we send on; NULL = none */
	struct path *plain;		/* plain L2TP: the only one it ever has; owned. NULL = IPsec */
	bool bare;			/* not ours to seal: plain L2TP, or the kernel's work */
	struct list half_open;		/* in engine.half_open: plain, and never answered us */
	struct l2tp_flow l2tp;
	struct list sessions;		/* struct sess */
	bool tunnel_mode;		/* its client came by XAuth: what its SAs bring is IP, and never L2TP */
	struct sess *xauth;		/* then the only one, while that lives */
	struct turn in_turn;		/* in engine.in_turns */
	struct list in_queue;		/* datagrams that were received (data_in.c), oldest first … */
	size_t in_queued;		/* … and the bytes of them */
	struct codel in_codel;
	struct event *timer;		/* the L2TP core's deadline, or the lineage core's */
	uint64_t timer_at;
	struct event *idle;		/* no tunnel, or no SA, for too long */
	int idle_s;			/* what it was set to; 0 = off */
	bool killed;			/* its end was asked for */
	bool ending;			/* likewise, and what nobody else takes away goes next */
	unsigned quiet_s;		/* XAuth: no packet came for so long, since iked has not known it */
	char tag[96];			/* for the log: flow=N peer=A:P */
};

/* What a session has to send (data_out.c). */
struct sess_out {
	struct turn turn;		/* in engine.out_turns */
	struct list queue;		/* shared TUN: what was read from it, oldest first … */
	size_t queued;			/* … and the bytes of that */
	struct codel codel;
};

/* A network behind a session's address. */
struct sess_net {
	struct list link;		/* shared TUN: in engine.by_net[], while packets to it are this session's */
	struct sess *s;
	uint32_t net, mask;		/* mask 0: there is none */
};

/* One PPP link over one L2TP session; or, by XAuth, IP in ESP tunnel mode and neither. */
struct sess {
	struct list link;		/* in flow.sessions */
	struct list by_call;		/* in engine.by_call[] */
	struct flow *flow;
	struct sid sid;
	uint16_t tunnel_id, session_id;	/* ours */
	uint16_t peer_tunnel_id, peer_session_id;
	uint16_t port;			/* the peer's inner UDP port */
	struct tunnel_conf *conf;	/* as it was when the call came */
	struct ppp ppp;
	struct event *timer;		/* the PPP core's deadline, or idle's */
	uint64_t timer_at;
	struct idle idle;
	uint32_t session_timeout_s;	/* of the verdict; 0 = none */
	uint32_t idle_timeout_s;	/* likewise; 0 = the tunnel's */
	uint64_t ends_ms;		/* when that is over; PPP_NEVER */
	int tun;			/* -1 until netd made it; with a shared TUN always */
	struct event *tun_ev;
	struct shared_tun *shared;	/* instead; NULL = none */
	bool routed;			/* it has its route: what it sends can be answered */
	struct list by_ip;		/* in engine.by_ip[], while packets to ip are this session's */
	struct hold hold;		/* IP packets that wait for the TUN */
	struct sess_out out;
	struct dseq seq;		/* numbers of data messages */
	struct bucket in_limit, out_limit;
	struct mppe *mppe;		/* owned; NULL = packets are not encrypted by PPP */
	struct sess_row *row;
	bool xauth;			/* by XAuth: nothing of L2TP and PPP counts */
	uint16_t mtu;			/* how long its packets may be now */
	uint16_t mtu_max;		/* of the verdict, and no more than what LCP agrees on */
	struct eap_relay *eap;		/* owned; while a RADIUS server speaks EAP with the peer: its last answer */
	struct msg_xauth_req *login;	/* owned; of XAuth, the last one; its password until it is judged */
	uint32_t serial;		/* of the last AUTH_REQ */
	bool asking;			/* it has no verdict yet: SESSION_DOWN is owed */
	bool known;			/* it had VERDICT_OK: SESSION_DOWN is owed */
	bool up;
	char user[128];
	uint32_t ip;
	uint32_t mask;			/* what it may send from and is sent: of ip's network; all ones = ip alone */
	uint64_t start_ms;
	/* What goes in front of each IP packet to the peer: UDP (inside ESP only), L2TP (Ns and Nr
	 * where messages are numbered), PPP. */
	uint8_t head[8 + 10 + 4];
	uint8_t head_len;
	struct sess_net net[1 + RADIUS_ROUTES_MAX];	/* the first is ip's and mask's, the others a server's */
};

struct engine_sock {
	struct engine *e;
	int fd;
	struct addr at;
	bool plain;			/* of plain L2TP */
	bool opened;			/* of what the kernel opened, with marks; if neither, what comes is ESP, in UDP … */
	bool raw;			/* … or without */
	struct event *ev;
};

/* The TUN of all sessions of an interface tunN: our engine's. */
struct shared_tun {
	struct engine *e;
	int fd;				/* -1 until netd made it */
	struct event *ev;
	bool readable;			/* it was not yet read to its end */
	char ifname[CONF_IFNAME_MAX];	/* "" = that interface has a TUN per session */
};

/* X(name): every counter of an engine, as culvertctl status shows it. */
#define ENGINE_COUNTERS(X) \
	X(rx_packets) X(rx_bytes) X(tx_packets) X(tx_bytes) X(rx_keepalive) X(rx_stray) \
	X(esp_raw_packets) X(esp_unknown_spi) X(esp_wrong_way) X(esp_wrong_source) X(esp_held) X(esp_short) X(esp_replayed) X(esp_bad_icv) X(esp_bad_pad) X(esp_failed) \
	X(inner_not_1701) X(inner_bad) X(join_held) X(join_dropped) \
	X(l2tp_bad) X(l2tp_unknown_session) X(l2tp_late) X(l2tp_stale) \
	X(ppp_bad) X(mppe_bad) X(mppe_late) X(mppe_lost) X(mppe_clear) \
	X(ip_before_up) X(ip_spoofed) X(ip_nobody) X(ip_bad) X(ip_too_big) X(calls_refused) \
	X(tun_full) X(tun_reads) X(tun_writes) X(tun_bad) \
	X(tx_sends) X(tx_no_sa) X(tx_full) X(tx_exhausted) X(tx_failed) X(endpoint_moved) X(sa_expired) \
	X(in_dropped) X(out_dropped) X(in_slowed) X(out_slowed) X(in_limited) X(out_limited) \
	X(plain_stranger) X(plain_refused) X(plain_evicted) X(mark_unknown)

struct engine_count {
#define X(name) uint64_t name;
	ENGINE_COUNTERS(X)
#undef X
};

enum { ENGINE_BUCKETS = 4096, ENGINE_SOCKS = 3 * CONF_TUNNELS * CONF_LISTENS };

struct engine {
	struct event_base *base;
	unsigned self;
	struct conf conf;
	char host[64];			/* this machine's name */
	struct tunnel_conf *tunnel_conf[CONF_TUNNELS];	/* NULL where conf has none */
	struct tunnel_conf *no_tunnel;	/* of flows that came by none */
	struct l2tp_ids ids;
	struct peer parent, manager, iked, netd;
	bool kernel;			/* ESP is done there (conf.esp_kernel) */
	bool swept;			/* … and what it had of an engine before this one is gone */
	struct engine_sock sock[ENGINE_SOCKS];
	unsigned n_sock;
	struct sa **sa;			/* SPI_SLOTS */
	struct list flows;
	struct lin_book book;
	struct list by_mark[ENGINE_BUCKETS];	/* struct lin_ike */
	struct list by_peer[ENGINE_BUCKETS];	/* flows of plain L2TP */
	struct list half_open;			/* those of them that never answered us, oldest first */
	uint64_t plain_last;			/* number of the newest one */
	unsigned n_plain, n_half_open;
	unsigned n_flows, n_sas, n_sessions;
	struct sess_row *rows;
	uint32_t n_rows;
	struct sess **by_slot;		/* n_rows */
	struct shared_tun shared[CONF_INTERFACES];
	struct list by_ip[ENGINE_BUCKETS];	/* sessions with a shared TUN */
	struct list by_net[ENGINE_BUCKETS];	/* their networks (struct sess_net), by the first address … */
	unsigned n_net[33];		/* … so many with a prefix of this length */
	struct list by_call[ENGINE_BUCKETS];	/* all sessions, by their ids */
	uint32_t next_slot, next_gen;
	struct turns in_turns;		/* flows whose packets were received, and not yet looked at */
	struct turns out_turns;		/* sessions with something to send */
	struct event *in_pump, *out_pump;	/* do it */
	struct event *use_timer;
	struct event *removed_timer;	/* ends flows of removed tunnels */
	struct engine_count count;
	uint64_t l2tp_gone[L2TP_COUNTERS];	/* of flows that ended */
	bool dump_data;			/* some tunnel dumps packets of IP or MPPE, or L2TP's data messages */
	bool started, stopping;
};

/* The process. Never returns but by exiting. */
void engine_main(void) __attribute__((noreturn));

/* Hold on to, or let go of, a tunnel's settings. */
struct tunnel_conf *tunnel_conf_get(struct tunnel_conf *);
void tunnel_conf_put(struct tunnel_conf *);

/* May IP of the session pass? */
static inline bool sess_may_ip(const struct sess *s)
{
	return s->xauth ? s->up : ppp_may_ip(&s->ppp);
}

/* How long its packets may be. */
static inline unsigned sess_mtu(const struct sess *s)
{
	return s->mtu;
}

/* ---- sa.c ---- */

/* The index of the tunnel whose `listen on` fits best; CONF_TUNNELS: none. plain: of those that take plain L2TP. */
unsigned tunnel_of(const struct engine *, const struct addr *local, bool plain);

/* A flow without anything, of a tunnel or of CONF_TUNNELS. NULL: out of memory. */
struct flow *flow_new(struct engine *, unsigned tunnel);

/* The flow of a lineage that was not heard of before: a virgin. NULL: out of memory. */
struct flow *flow_begin(struct engine *, const struct lineage *, const struct addr *local, const struct addr *peer);

/* Silently, and with all that it has but sessions. */
void flow_free(struct flow *);

void sa_announce(struct engine *, const struct msg_spi_new *);
void sa_add(struct engine *, const struct msg_sa_add *);
void sa_move(struct engine *, const struct msg_sa_move *);
void sa_del(struct engine *, const struct msg_sa_del *);
void flow_end(struct engine *, const struct lineage *, bool deleted);

/* ---- ESP in the kernel: its marks ---- */

/* The pair that what comes with a mark is of: the newest of its lineage. NULL: nobody's. */
struct sa *sa_of_mark(struct engine *, uint32_t mark);

/* The kernel opened something for that pair, or another of its lineage. */
void sa_used(struct sa *);

/* Can it be answered? What comes before waits. */
static inline bool sa_ready(const struct sa *s)
{
	return sa_opens(s) && s->spi_out && (!s->ike->mark || s->ike->marked >= 0);
}

/* A socket that was asked for. fd is taken over; -1: there is none. */
void sa_mark_fd(struct engine *, const struct msg_mark *, int fd);

/* netd was replaced: ask again what its predecessor did not answer. */
void sa_marks_again(struct engine *);

/* The pair of an inbound SPI, or NULL. */
struct sa *sa_find(struct engine *, uint32_t spi);

/* A packet of sa passed ICV and replay; newest: no later one did before it. */
void sa_heard(struct sa *, const struct addr *peer, bool newest, size_t bytes);

/* Tell iked what was used since last time. */
void sa_tell_use(struct engine *);

/* The flow has lost its client: end everything it has, and its IKE_SA. */
void flow_kill(struct flow *, const char *reason);

/* Have iked end one IKE_SA of a client that keeps others. */
void ike_kill(struct engine *, struct lin_ike *);

/* End every flow that came by a tunnel which is no more in the configuration. */
void flow_end_removed(struct engine *);

/* Some tunnel or SA of the flow came or went: (re)arm the idle timer. */
void flow_watch(struct flow *);

/* Set the flow's timer to whatever is due next. */
void flow_arm(struct flow *, uint64_t now);

/* The oldest lineage of a flow: what its rows and messages call it by. */
const struct lineage *flow_lineage(const struct flow *);

/* The invariant: what is heard over an SA is for its lineage's root. */
static inline struct flow *own_flow(const struct sa *s)
{
	if (s->ike->lin.root != &s->flow->lin)
		abort();
	return s->flow;
}

/*
 * A UDP payload r came over a virgin's SA, from UDP port sport, in n bytes at p.
 * True: it goes its way in own_flow(s), which may be another one now; what waited
 * for that has gone before it.  False: it waits, or is forgotten.
 */
bool flow_joins(struct sa *, uint8_t *p, size_t n, struct rd r, uint16_t sport, uint64_t now);

/* One more IKE_SA of the flow's client, who has proved that to auth. False: no memory. */
bool flow_add_ike(struct flow *, const struct lineage *, uint64_t now);

/* iked was replaced: its successor may not issue the SPIs in use; their flows live on without it. */
void sa_orphan_all(struct engine *);

/* Send everything that ends every flow; the process is about to exit. */
void flow_stop_all(struct engine *);

/* Where packets to the client go now; NULL: nowhere. */
static inline struct path *flow_path(const struct flow *f)
{
	return f->plain ? f->plain : f->send ? &f->send->path : NULL;
}

/* ---- plain.c ---- */
void plain_init(struct engine *);

/* The flow of what came to a socket of plain L2TP; NULL: a stranger. */
struct flow *plain_find(struct engine *, const struct addr *local, const struct addr *peer);

/*
 * A stranger's datagram. Only an SCCRQ makes a flow of him, which is returned,
 * and the message went to it; everything else is counted and forgotten: NULL.
 */
struct flow *plain_stranger(struct engine_sock *, const struct addr *local, const struct addr *peer, struct rd datagram,
	uint64_t now);

/* The client answered what only it can have read: it is where it says it is. */
void plain_proven(struct flow *);

/* Some tunnel of it came or went: when it is through, it ends. */
void plain_watch(struct flow *);

/* It goes: out of the tables. */
void plain_forget(struct flow *);

/* A reload: clients of tunnels that want IPsec from now on are told, and end. */
void plain_end_unwanted(struct engine *);

/* ---- data.c, data_in.c, data_out.c ---- */
void data_init(struct engine *);
void data_sess_init(struct sess *);
void data_flow_init(struct flow *);

/* What was received of a flow that ends is forgotten. */
void data_flow_end(struct flow *);

/* What was received of a virgin is of root now. */
void data_flow_join(struct flow *virgin, struct flow *root);

/* What waited for its flow's join, and may be written to. */
void data_joined(struct sa *, struct held *, uint64_t now);
void data_readable(evutil_socket_t fd, short what, void *sock);

/* One packet that was held: ESP, or what the kernel opened. */
void data_held(struct sa *, const struct held *);

/* Queue n bytes (an L2TP message) for inner UDP port `port` of the flow's client. */
void data_send_l2tp(struct flow *, uint16_t port, const uint8_t *msg, size_t n);

/* Make a session's head of its ids, its port and whether it numbers: before anything is sent. */
void data_head(struct sess *);

/* Queue a PPP frame of a session; bytes from the protocol or the address field on. */
void data_send_ppp(struct sess *, const uint8_t *frame, size_t n);

/* Everything queued goes out now. */
void data_flush(struct engine *);

/* Give a session its TUN. fd is taken over. */
void data_tun_open(struct sess *, int fd);
void data_tun_close(struct sess *);

/* A shared TUN is there, or anew. fd is taken over. */
void data_shared_open(struct shared_tun *, int fd);

/* The interface is gone from the configuration, and the device from its sessions. */
void data_shared_close(struct shared_tun *);

/* Packets to the session's address are its own from now on, and nobody else's. */
void data_shared_join(struct sess *, struct shared_tun *);

/* Networks behind its address that a server named, in place of those it had; before data_shared_join(). */
void data_routes(struct sess *, const struct radius_route *, unsigned n);

/* They come by themselves from now on: its own may go out. */
void data_shared_routed(struct sess *);

/* Limit what a session may send and receive, in bits per second; 0 = no limit. What is too much is dropped. */
void data_limit(struct sess *, uint64_t in_bps, uint64_t out_bps, uint64_t now_ms);

/* Keep a copy; the oldest goes when there are HELD_MAX. peer may be NULL. */
void hold_put(struct hold *, const struct addr *peer, const uint8_t *p, size_t n, uint64_t now);
void hold_free(struct hold *);

/* ---- call.c ---- */
/* A control message of the flow's client. */
void call_l2tp(struct flow *, struct rd msg, uint16_t port, uint64_t now);
void call_l2tp_expire(struct flow *, uint64_t now);
/* Ask the flow's client whether it lives: one that stays silent loses its tunnels. */
void call_ask(struct flow *, uint64_t now);
/* Do what the lineage core wants done, but the join. */
void call_lineage(struct lin_out *, uint64_t now);
/* End all tunnels; with tell, StopCCN is sent. */
void call_close_all(struct flow *, const char *reason, bool tell);
/* A data message came for a session that is not there. */
void call_stray(struct flow *, uint16_t tunnel, uint16_t session, uint16_t port, uint64_t now);
/* A PPP frame that is not IP. */
void call_ppp(struct sess *, struct rd frame, uint64_t now);
/* debug-dump-pktin, -pktout of what does not come to call_ppp(): the information of a PPP frame of
 * protocol proto. For where engine.dump_data is set. */
void call_dump(const struct sess *, bool in, uint16_t proto, const uint8_t *p, size_t n);

/* l2tp-ctrl-in-pktdump and the others: an L2TP message of the flow's client, or one for him. */
void call_dump_l2tp(const struct flow *, bool in, struct rd msg);

/* Does the flow's tunnel dump the data messages that leave? */
static inline bool call_dumps_data_out(const struct flow *f)
{
	return f->e->dump_data && f->e->conf.tunnel[f->tunnel].l2tp_data_out_pktdump;
}
/* A packet of MPPE cannot be opened since others were lost: the peer is asked to begin anew. */
void call_mppe_lost(struct sess *, uint64_t now);
void call_verdict(struct engine *, const struct msg_verdict *);
void call_tun(struct engine *, const struct msg_session_tun *, int fd);
void call_route(struct engine *, const struct msg_session *);
void call_addr(struct engine *, const struct msg_addr *);
void call_filter(struct engine *, const struct msg_session_filter *);
void call_kill(struct engine *, const struct msg_session *);
void call_set(struct engine *, const struct msg_session_set *);
/* The manager was replaced: ask again what its predecessor did not answer. */
void call_ask_again(struct engine *);
/* The session of the flow with these ids of ours, or NULL: another flow's is never found. */
struct sess *call_find(struct flow *, uint16_t tunnel_id, uint16_t session_id);
/* Where the session's client is, in its row; with L2TP's port where the way to there has none. */
void call_row_peer(struct sess *, const struct addr *peer);
/* From now on call_find() finds it. Its flow and its ids are set. */
void call_join(struct sess *);

/* A session of the flow that nobody has logged in on, in no list; its row is not written. NULL: no room. */
struct sess *call_new(struct flow *, uint64_t now);
/* Its ids are set: the row says that somebody logs in. */
void call_row(struct sess *);
/* Have the manager judge its login. */
void call_judge(struct sess *);
/* Its packets may pass. */
void call_up(struct sess *);
/* Set its timer to what is due next. */
void call_arm(struct sess *, uint64_t now);
void call_free(struct sess *, const char *reason);

/* ---- xauth.c ---- */
/* iked has a name and a password: MSG_XAUTH_DONE follows. */
void xauth_login(struct engine *, const struct msg_xauth_req *);
/* The manager's answer, which the session has taken over already. */
void xauth_verdict(struct sess *, const struct msg_verdict *);
/* A pair of SAs of the flow is whole. */
void xauth_sa_up(struct flow *);

#endif
