/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dial: culvert-dial, a client made of the server's own cores.  One process,
 * one loop, any number of sessions; each has sockets of its own.
 *
 *   culvert-dial.c   the run: start, hold, end, and again
 *   dial_opt.c       options
 *   dial_sess.c      one session: IKE, then L2TP, then PPP, and its end
 *   dial_rekey.c     its SAs, and new ones for old ones
 *   dial_wire.c      sockets, and what is done to datagrams on purpose
 *   dial_data.c      packets by the batch: ESP, TUN, trains
 *   dial_tun.c       TUN devices
 *   dial_load.c      what is sent on purpose: source, ring, pings, floods
 *   dial_ip.c        packets inside: echo and UDP (pure)
 *   dial_stat.c      counting (pure)
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
#include "ctl/dial_stat.h"
#include "esp/esp.h"
#include "l2tpd/coal.h"
#include "l2tpd/dseq.h"
#include "l2tpd/flow.h"
#include "ppp/mppe.h"
#include "ppp/ppp.h"

enum dial_flood { FLOOD_NONE, FLOOD_IKE, FLOOD_L2TP, FLOOD_PPP };

/* What the command line says. */
struct dial_conf {
	struct addr server;		/* port 0, as all addresses outside; those inside are IPv4 in host order */
	char psk[256], password[128];
	char tunnel_secret[L2TP_SECRET_MAX + 1];	/* "" = none */
	bool hide;			/* AVPs, by it */
	bool sequencing;		/* require numbered data */
	char calling_number[L2TP_NUMBER_MAX + 1];
	const char *user;		/* "%d" in it is the session's number */
	unsigned sessions;
	unsigned rate;			/* logins started per second; 0 = no limit */
	unsigned window;		/* logins in progress at most */
	struct addr from;		/* first source address; family 0 = the kernel chooses */
	uint32_t from_n;		/* how many */
	struct addr inner;		/* identity of all; family 0 = each its source address */
	bool initial_contact;
	bool force_natt;
	bool raw_esp;			/* without NAT, ESP without UDP */
	bool plain;			/* L2TP without IPsec, … */
	uint16_t port;			/* … to this port of the server */
	bool xauth;			/* IP in ESP, by XAuth: no L2TP, no PPP */
	bool skip_login;		/* … and without a login */
	bool reuse_dh;			/* one key pair for all */
	struct ike_main_offers main;
	struct ike_quick_offers quick;
	uint8_t manner;			/* enum ike_manner */
	uint8_t main_group, quick_group;	/* enum dial_group; 0 = modp2048; no PFS */
	uint8_t auth;			/* PPP_AUTH_*: what we let the server ask for */
	uint8_t mppe;			/* enum ppp_mppe … */
	uint32_t mppe_bits;		/* … and what for, as in ppp_conf */
	bool mppe_stateful;
	uint16_t mru;
	uint32_t ask;			/* inside address to ask for; 0 = any */
	const char *tun;		/* "%d" in it is the session's number */
	uint32_t target;		/* of pings and of the source; 0 = the server's inside address */
	unsigned ping_ms;		/* 0 = none */
	unsigned source_pps;		/* UDP packets per second and session; 0 = none */
	unsigned burst;			/* of one session in a row */
	unsigned ring;			/* packets of each session that are sealed beforehand; 0 = none */
	unsigned size;			/* bytes of payload in both */
	unsigned again;			/* after the end everything once more, so many times */
	unsigned timeout_s;		/* a login that takes longer has failed */
	unsigned hold_s;
	unsigned vanish_s;
	bool vanish;
	bool wrong_password;
	double loss, dup, reorder, lose_quick;	/* probabilities; the last: of third messages of Quick Mode alone */
	unsigned rekey_s, reauth_s, move_s;	/* do phase 2 again, phase 1, come from elsewhere so often; 0 = never */
	struct ike_quick_offers rekey_suite;	/* every other time; none = the same as before */
	unsigned overlap_ms;		/* old SAs are deleted so long after the new ones are there */
	bool replay;			/* before each message of IKE all earlier ones again */
	unsigned max_outage_ms;
	bool has_max_outage;
	bool stop_ike;			/* a session is up with its ESP SAs: no L2TP, no PPP */
	enum dial_flood flood;
	unsigned flood_pps;		/* per session */
	bool each, verbose;		/* a line for every session; for every control packet of PPP */
	bool stats;			/* a line for every session at its end */
	uint64_t seed;
	bool has_seed;
};

/* The sockets of a session: to the server's port 500 and 4500 (plain: its L2TP port), and for protocol 50. */
enum dial_way { WAY_500, WAY_4500, WAY_RAW, WAYS };

enum phase { PHASE_IKE, PHASE_L2TP, PHASE_PPP, PHASE_UP, PHASES };

/* A pair of SAs. */
struct dial_pair {
	uint32_t spi_in;
	struct esp_sa *in, *out;	/* owned; in NULL = none */
	unsigned ike;			/* which of the session's IKE_SAs made it */
	uint64_t end_ms;		/* it is deleted then; UINT64_MAX = not yet */
	struct seq_track seen;		/* what came in */
};

enum { PAIRS_MAX = 6 };

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
	IP_HEAD = IP_UDP_HEADER + 6 + 4,	/* UDP (inside ESP only), L2TP and PPP in front of IP */
	MAP_BUCKETS = 4096,
};

/* The witness: pings go out at a steady pace; what is missing is an outage. */
struct witness {
	uint16_t next;			/* sequence number of the next one */
	uint16_t last;			/* highest answered */
	bool any;			/* one was answered */
	uint64_t sent_us[PING_RING];
	uint64_t at_ms;			/* when to send the next one */
	uint32_t sent, got;
	uint32_t early;			/* not answered, before the first that was */
	uint64_t outage_ms;		/* the longest */
	struct hist *rtt;		/* owned */
};

/* Packets that were sealed beforehand, all of one length, one behind the other. */
struct ring {
	uint8_t *p;			/* owned; NULL = none */
	size_t len;			/* bytes of one packet */
	unsigned n, at;			/* all, sent */
	uint32_t first;			/* number of the first */
	struct esp_sa *ctl;		/* what is sent in between has the numbers that were left out */
};

struct dial;

/* A TUN device, of one session or of all. */
struct dial_tun {
	struct dial *d;
	struct dsess *s;		/* NULL: by source address */
	int fd;
	struct event *ev;
	unsigned index;
	char name[16];
};

struct dsess {
	struct dial *d;
	unsigned n;			/* from 0 */
	uint8_t state;			/* enum sess_state */
	uint8_t phase;			/* enum phase: where it is, or where it failed */
	bool failed;			/* never came up */
	bool lost;			/* was up, and ended without us */
	char reason[96];
	struct addr local;		/* source address */
	struct addr id;			/* the address that it believes to have: the first, however it moves */
	int fd[WAYS];			/* by enum dial_way; -1 */
	struct event *ev[WAYS];
	bool raw;			/* ESP has no UDP around it */
	struct event *timer;
	uint64_t timer_at;
	uint64_t sent_ms;		/* last datagram on port 4500, for NAT keepalives */
	bool no_train;			/* UDP_SEGMENT does not work towards the server */
	bool last_words;		/* the sockets are closed next: nothing is delayed any more */
	uint64_t close_ms;		/* SESS_CLOSING: until when */
	uint64_t start_ms;
	uint64_t start_us, done_us[PHASES];	/* when each phase was done; 0 = not */
	struct ike ike;
	struct ike *next_ike, *old_ike;	/* owned; NULL = none: one that shall replace it, one that it replaced */
	unsigned n_ikes;		/* IKE_SAs that came up */
	uint64_t old_ike_ms;		/* when that one is deleted */
	uint64_t rekey_ms, reauth_ms, move_ms;	/* what is due next; UINT64_MAX = never */
	unsigned rekeys, reauths, moves;
	struct said *said;		/* its messages, to be replayed; NULL = none */
	struct dial_pair pair[PAIRS_MAX];
	struct esp_sa *out;		/* of the newest; NULL = none is there */
	struct l2tp_flow l2tp;
	struct ppp_conf ppp_conf;
	struct ppp ppp;
	struct mppe *mppe;		/* owned; NULL = packets are not encrypted by PPP */
	bool call;			/* the L2TP session is there: ppp lives. With XAuth: IP may go */
	uint16_t tunnel, session, peer_tunnel, peer_session, port;
	struct dseq seq;		/* numbers of data messages */
	uint8_t head[IP_HEAD + 4];	/* what stands in front of its IP packets; UDP's length is 0, and Ns where there is one */
	uint8_t head_len;
	struct dial_tun *tun;		/* NULL = none */
	struct list by_ip;
	struct witness w;
	struct ring ring;
	uint64_t flood_at_ms;
	uint64_t in_packets, in_bytes, out_packets, out_bytes, flooded;	/* of IP */
	uint64_t in_discard;		/* of these, UDP datagrams to the discard service */
	uint64_t esp_lost, esp_late;	/* over SAs that are gone */
	uint32_t bad;			/* packets that were nothing */
};

/* Sessions of the same fate. */
struct fate {
	uint8_t phase;
	bool lost;
	char reason[96];
	unsigned n;
};

enum { FATES_MAX = 32 };

/* Over all sessions and rounds. */
struct totals {
	unsigned up, failed, lost;
	uint64_t pings, pings_got, pings_early, outage_ms;
	uint64_t in_packets, in_bytes, in_discard, out_packets, out_bytes, flooded;
	uint64_t esp_lost, esp_late, ike_resent, bad, rekeys, reauths, moves;
	struct hist rtt;
	struct fate fate[FATES_MAX];
	unsigned n_fates;
	uint64_t *took_us[PHASES];	/* of each login that finished the phase; PHASE_UP: the whole login */
	size_t n_took[PHASES];
	uint64_t took_ms;		/* of all rounds: from the first start to the end of the last login */
};

enum dial_timer { DIAL_HOLD, DIAL_VANISH, DIAL_GRACE, DIAL_TIMERS };

struct dial {
	struct dial_conf conf;
	struct event_base *base;
	struct ike_conf ike_conf;
	char main_text[IKE_SUITE_LEN], quick_text[IKE_SUITE_LEN];	/* what the last one agreed on */
	struct dial_dh *dh;		/* the one of all; NULL = each its own */
	struct l2tp_conf l2tp_conf;
	struct l2tp_ids ids;
	struct rng rng;			/* of everything that is done on purpose */
	struct dsess *sess;		/* conf.sessions of them */
	unsigned round;			/* from 0 */
	unsigned next;			/* the next one to start */
	unsigned logging_in, up, over;	/* how many are in these states */
	unsigned logins_done;		/* came up or failed */
	uint64_t start_ms, all_ms;	/* first started; last login done */
	bool ending;			/* no new logins, no pings */
	bool stop;			/* and not again */
	bool round_over;		/* the end of the round is near */
	bool vanished;			/* nothing is sent, nothing is heard */
	struct dial_tun *tun;		/* n_tun of them */
	unsigned n_tun;
	struct list by_ip[MAP_BUCKETS];	/* sessions behind a shared TUN */
	struct coal coal;
	struct event *tick, *timer[DIAL_TIMERS], *load_ev;
	/* the source */
	uint64_t load_us;		/* until when it has sent what was due */
	double load_due;		/* packets */
	unsigned load_at;		/* the session whose turn it is */
	uint64_t load_first_us, load_last_us, load_cpu_us, load_cpu_end_us;
	uint64_t sourced, source_short;	/* sent; due, but there was no time */
	unsigned pending;		/* datagrams that are delayed now */
	uint64_t rx, tx, dropped, doubled, delayed, tx_full, tun_full;
	struct totals sum;
};

enum { BURST_MAX = 64 };		/* packets of one train */

/* Microseconds: of CLOCK_MONOTONIC; user and system time of this process. */
uint64_t now_us(void);
uint64_t cpu_us(void);

/* ---- dial_opt.c ---- */

/* Read the command line, or end with a usage message. */
void options_read(struct dial_conf *, int argc, char **argv);

/* ---- dial_wire.c ---- */

/* Make the sockets of a session and bind them to its source address. 0 or -errno. */
MUST_USE int wire_open(struct dsess *);

/*
 * Come from another port from now on, and with address from another address of the
 * prefix, as after a NAT that forgot, or in another network. 0 or -errno.
 */
MUST_USE int wire_move(struct dsess *, bool address);

/* Can L2TP be sent? */
static inline bool wire_up(const struct dsess *s)
{
	return s->out || (s->d->conf.plain && s->fd[WAY_4500] >= 0);
}

/* Where ESP goes, or plain L2TP. */
static inline enum dial_way wire_data(const struct dsess *s)
{
	return s->raw ? WAY_RAW : WAY_4500;
}

/* It is known how ESP will go: the socket that is not needed for it, or for IKE, is not kept. */
void wire_moved(struct dsess *);

/* Raw ESP: take what comes for the SAs that are there now. 0 or -errno. */
MUST_USE int wire_raw(struct dsess *);
void wire_close(struct dsess *);

/* Does what has this probability happen now? */
bool wire_chance(struct dial *, double p);

/* Is something done to datagrams on purpose? */
bool wire_bad(const struct dial *);

/* Send one datagram from the session. Marked: behind four zero octets. */
void wire_send(struct dsess *, enum dial_way, bool marked, const uint8_t *p, size_t n);

/* Send datagrams of seg bytes each (the last may be shorter) where ESP goes, n bytes at p. */
void wire_send_train(struct dsess *, const uint8_t *p, size_t n, size_t seg);

/* A datagram came that is subject to what is done on purpose; it may be changed. */
void wire_take(struct dsess *, enum dial_way, uint8_t *p, size_t n);

/* ---- dial_data.c ---- */
void data_init(struct dial *);

/* Room for a UDP payload of n bytes (plain: of the datagram itself), for data_commit(); NULL: there is no SA. */
uint8_t *data_room(struct dsess *, size_t n);
void data_commit(struct dsess *, size_t n);

/* Seal and send all that was committed. Before a session's SA goes, too. */
void data_flush(struct dial *);

/* Something came to port 4500, or for protocol 50. */
void data_readable(struct dsess *);

/* One datagram came there; p may be written to. */
void data_input(struct dsess *, uint8_t *p, size_t n);

/* An IP packet of this batch for the session's TUN, if it has one. */
void data_tun_write(struct dsess *, uint8_t *p, size_t n);
void data_tun_readable(evutil_socket_t fd, short what, void *tun);

/* ---- dial_tun.c ---- */

/* Give a session that came up its device, or its address on the one of all. 0 or -errno. */
MUST_USE int tun_join(struct dsess *);
void tun_leave(struct dsess *);
void tun_close_all(struct dial *);

/* The session with this address behind the shared device, or NULL. */
struct dsess *tun_find(struct dial *, uint32_t ip);

/* ---- dial_load.c ---- */

/* A session is up: its pings begin. */
void load_up(struct dsess *, uint64_t now);

/* All logins are done. */
void load_all_up(struct dial *);
void load_end(struct dsess *);
void load_free(struct dsess *);

/* Do what is due of this session, and when to come again: UINT64_MAX never. */
void load_expire(struct dsess *, uint64_t now);
uint64_t load_deadline(const struct dsess *);

/* An answer to a ping? */
bool load_input(struct dsess *, struct rd ip);

/* ---- dial_sess.c ---- */
void sess_init(struct dial *, struct dsess *, unsigned n);
void sess_start(struct dsess *);

/* An IKE message, without the four zero octets. */
void sess_ike(struct dsess *, struct rd message, uint64_t now);

/* A UDP datagram that was inside ESP, n bytes at p. */
void sess_inner(struct dsess *, uint8_t *p, size_t n, uint64_t now);

/* An L2TP message from the server's port. */
void sess_l2tp(struct dsess *, uint8_t *p, size_t n, uint16_t port, uint64_t now);

/* Room for an IP packet of n bytes behind its headers; *ret_len is for data_commit(). NULL: there is no SA. */
uint8_t *sess_room(struct dsess *, size_t n, size_t *ret_len);

/* Over IPv6: the checksum of a UDP datagram that will be inside ESP, n bytes at p. */
void sess_udp_sum(const struct dsess *, uint8_t *p, size_t n);

/* To be called at the end of whatever happened to it: sends, and sets the timer. */
void sess_rearm(struct dsess *, uint64_t now);

/* One UDP datagram of port 1701, sealed with the next batch. head and body are its payload. */
void sess_send_inner(struct dsess *, const uint8_t *head, size_t n_head, const uint8_t *body, size_t n);

/* A PPP frame; an IP packet. */
void sess_send_frame(struct dsess *, const uint8_t *frame, size_t n);
void sess_send_ip(struct dsess *, const uint8_t *p, size_t n);

/* Orderly end: CDN, StopCCN, then DELETE. */
void sess_close(struct dsess *);

/* Everything of it goes, without a word. */
void sess_free(struct dsess *);

/* Do what an IKE core of the session's wants done. */
void sess_ike_effects(struct dsess *, struct ike *, struct ike_out *, uint64_t now);

/* Something of it went wrong that nobody here wanted. */
void sess_fail(struct dsess *, const char *reason);

/* Who it says that it is, towards port 4500 from the beginning or not. */
struct ike_ends sess_ends(const struct dsess *, bool natt);

/* ---- dial_rekey.c ---- */

/* The pair that was agreed on is there, and is sent on from now on. False: no memory, or there are too many. */
MUST_USE bool pair_new(struct dsess *, struct ike *);
struct dial_pair *pair_find(struct dsess *, uint32_t spi_in);
void pairs_free(struct dsess *);

/* It is up: from now on what was asked for is done, again and again. */
void rekey_up(struct dsess *, uint64_t now);

/* Another IKE_SA than the first has its SAs, or the first has others. */
void rekey_done(struct dsess *, struct ike *, uint64_t now);

/* Do what is due; when to come again. */
void rekey_expire(struct dsess *, uint64_t now);
uint64_t rekey_deadline(const struct dsess *);

/* Its IKE_SAs beside `ike` end, with a word. */
void rekey_close(struct dsess *, struct ike_out *);
void rekey_free(struct dsess *);

/* Packets of ESP that did not come, or late, over all of its SAs. */
uint64_t rekey_esp_lost(const struct dsess *, uint64_t *late);

/* ---- culvert-dial.c: told by sessions ---- */
void dial_login_done(struct dsess *);
void dial_over(struct dsess *);

/* ---- dial_report.c ---- */

/* "ike"; for PHASE_UP "up". */
const char *phase_name(unsigned phase);

/* 0 or -ENOMEM. */
MUST_USE int report_init(struct dial *);

/* A round is over: what its sessions have to say is kept. Before they are started again. */
void report_round(struct dial *);

/* All that there is to say. Returns the exit status. */
int report(const struct dial *, FILE *);
void report_free(struct dial *);

#endif
