/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dial: culvert-dial, a client made of the server's own cores.  One process,
 * one loop, any number of sessions; each has sockets of its own.
 *
 *   culvert-dial.c   options, the run: start, hold, end
 *   dial_sess.c      one session: IKE, then L2TP, then PPP, and its end
 *   dial_wire.c      sockets, and what is done to datagrams on purpose
 *   dial_ip.c        packets inside: echo and UDP (pure)
 *   dial_report.c    times, failures, the last line
 *   dial_ike.c, dial_crypto.c   the IKEv1 initiator (pure)
 */
#ifndef CULVERT_CTL_DIAL_H
#define CULVERT_CTL_DIAL_H

#include <event2/event.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/list.h"
#include "ctl/dial_ike.h"
#include "ctl/dial_ip.h"
#include "esp/esp.h"
#include "l2tpd/flow.h"
#include "ppp/ppp.h"

enum dial_flood { FLOOD_NONE, FLOOD_IKE, FLOOD_L2TP, FLOOD_PPP };

/* What the command line says. */
struct dial_conf {
	uint32_t server;		/* host order, as all addresses here */
	char psk[256], password[128];
	const char *user;		/* "%d" in it is the session's number */
	unsigned sessions;
	unsigned rate;			/* logins started per second; 0 = no limit */
	unsigned window;		/* logins in progress at most */
	uint32_t from;			/* first source address; 0 = the kernel chooses */
	uint32_t from_n;		/* how many */
	uint32_t inner;			/* identity of all; 0 = each its source address */
	bool force_natt;
	const char *tun;
	uint32_t target;		/* of pings and of the source; 0 = the server's inside address */
	unsigned ping_ms;		/* 0 = none */
	unsigned source_pps;		/* UDP packets per second and session; 0 = none */
	unsigned size;			/* bytes of payload in both */
	unsigned timeout_s;		/* a login that takes longer has failed */
	unsigned hold_s;
	unsigned vanish_s;
	bool vanish;
	bool wrong_password;
	double loss, dup, reorder;	/* probabilities */
	unsigned max_outage_ms;
	bool has_max_outage;
	bool stop_ike;			/* a session is up with its ESP SAs: no L2TP, no PPP */
	enum dial_flood flood;
	unsigned flood_pps;		/* per session */
	bool each, verbose;		/* a line for every session; for every control packet of PPP */
	uint64_t seed;
	bool has_seed;
};

enum phase { PHASE_IKE, PHASE_L2TP, PHASE_PPP, PHASE_UP, PHASES };

enum sess_state {
	SESS_WAIT,			/* its turn has not come */
	SESS_LOGIN,
	SESS_UP,
	SESS_CLOSING,			/* StopCCN waits to be acknowledged */
	SESS_OVER,
};

enum {
	PING_RING = 64,
	GRACE_MS = 1000,		/* a ping without an answer after this long is lost */
};

/* The witness: pings go out at a steady pace; what is missing is an outage. */
struct witness {
	uint16_t next;			/* sequence number of the next one */
	uint16_t last;			/* highest answered */
	bool any;			/* one was answered */
	uint64_t sent_ms[PING_RING];
	uint64_t at_ms;			/* when to send the next one */
	uint32_t sent, got;
	uint32_t early;			/* not answered, before the first that was */
	uint64_t outage_ms;		/* the longest */
	uint64_t rtt_sum_ms;
};

struct dial;

struct dsess {
	struct dial *d;
	unsigned n;			/* from 0 */
	uint8_t state;			/* enum sess_state */
	uint8_t phase;			/* enum phase: where it is, or where it failed */
	bool failed;			/* never came up */
	bool lost;			/* was up, and ended without us */
	char reason[96];
	uint32_t local;			/* source address */
	int fd[2];			/* to the server's port 500 and 4500; -1 */
	struct event *ev[2];
	struct event *timer;
	uint64_t timer_at;
	uint64_t sent_ms;		/* last datagram on port 4500, for NAT keepalives */
	bool last_words;		/* the sockets are closed next: nothing is delayed any more */
	uint64_t close_ms;		/* SESS_CLOSING: until when */
	uint64_t start_ms, done_ms[PHASES];	/* when each phase was done; 0 = not */
	struct ike ike;
	struct esp_sa *in, *out;
	struct l2tp_flow l2tp;
	struct ppp_conf ppp_conf;
	struct ppp ppp;
	bool call;			/* the L2TP session is there: ppp lives */
	uint16_t tunnel, session, peer_tunnel, peer_session, port;
	struct witness w;
	uint64_t source_at_ms, flood_at_ms;
	uint64_t in_packets, out_packets, flooded;
	uint32_t ike_resent;
	uint32_t bad;			/* packets that were nothing */
};

struct dial {
	struct dial_conf conf;
	struct event_base *base;
	struct ike_conf ike_conf;
	struct l2tp_conf l2tp_conf;
	struct l2tp_ids ids;
	struct rng rng;			/* of everything that is done on purpose */
	struct dsess *sess;		/* conf.sessions of them */
	unsigned next;			/* the next one to start */
	unsigned logging_in, up, over;	/* how many are in these states */
	unsigned logins_done;		/* came up or failed */
	uint64_t start_ms, all_ms;	/* first started; last login done */
	bool ending;			/* no new logins, no pings */
	bool vanished;			/* nothing is sent, nothing is heard */
	int tun;			/* -1 */
	struct event *tun_ev, *tick;
	unsigned pending;		/* datagrams that are delayed now */
	uint64_t rx, tx, dropped, doubled, delayed;
};

/* ---- dial_wire.c ---- */

/* Make the sockets of a session and bind them to its source address. 0 or -errno. */
MUST_USE int wire_open(struct dsess *);
void wire_close(struct dsess *);

/* Send one datagram from the session; natt: to port 4500. Marked: behind four zero octets. */
void wire_send(struct dsess *, bool natt, bool marked, const uint8_t *p, size_t n);

/* ---- dial_sess.c ---- */
void sess_init(struct dial *, struct dsess *, unsigned n);
void sess_start(struct dsess *);

/* A datagram came from the server; p may be written to. */
void sess_input(struct dsess *, bool natt, uint8_t *p, size_t n);

/* Send an IP packet through the tunnel. */
void sess_send_ip(struct dsess *, const uint8_t *p, size_t n);

/* Orderly end: CDN, StopCCN, then DELETE. */
void sess_close(struct dsess *);

/* Everything of it goes, without a word. */
void sess_free(struct dsess *);

/* ---- culvert-dial.c: told by sessions ---- */
void dial_login_done(struct dsess *);
void dial_over(struct dsess *);
void dial_tun_up(struct dsess *);
void dial_tun_write(struct dial *, const uint8_t *p, size_t n);

/* ---- dial_report.c ---- */

/* "ike"; for PHASE_UP "up". */
const char *phase_name(unsigned phase);

/* All that there is to say. Returns the exit status. */
int report(const struct dial *, FILE *);

#endif
