/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The message table: every message that one process of culvert may send to
 * another, who may send it to whom, and its body.  msg.c has the table itself
 * and refuses what does not match it; a receiver treats its sender as hostile.
 *
 * Bodies are fixed-size structs of host-order numbers, sent over
 * SOCK_SEQPACKET on this machine only; both ends are of one build.
 */
#ifndef CULVERT_PROTO_H
#define CULVERT_PROTO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/conf.h"

enum role {
	ROLE_NONE,
	ROLE_PARENT,
	ROLE_NETD,
	ROLE_ENGINE,
	ROLE_MANAGER,
	ROLE_AUTH,
	ROLE_IKED,
	ROLE_RADIUS,
	ROLE_CTL,		/* culvertctl: whoever may open the control socket */
	ROLES,
};

const char *role_name(enum role);

enum msg_type {
	MSG_NONE,

	/* parent → child, in this order, then MSG_START; the child answers MSG_READY.
	 * MSG_PEER (and MSG_TABLE) come again when the process at the other end was
	 * replaced: the old channel is closed and what was learnt over it is void */
	MSG_CONF,		/* → all; secrets only → iked */
	MSG_SOCK,		/* → engine, iked, radius; +fd: a bound socket */
	MSG_PEER,		/* → all; +fd: a channel to another child */
	MSG_TABLE,		/* → engine (writable), manager (read-only); +fd: a session table */
	MSG_USERS,		/* → auth; +fd: a users file, again whenever it changed */
	MSG_LISTEN,		/* → manager; +fd: the control socket */
	MSG_START,
	MSG_READY,		/* child → parent */
	MSG_SHUTDOWN,		/* parent → child: end the sessions, then exit */
	MSG_PING,		/* parent → child, every second; it answers from its event loop */
	MSG_PONG,

	/* iked → engine */
	MSG_SPI_NEW,		/* an SPI was allocated: ESP for it may come before its keys */
	MSG_SA_ADD,
	MSG_SA_MOVE,		/* IKE saw the peer at a new address */
	MSG_SA_DEL,
	MSG_FLOW_END,		/* the lineage's IKE_SA is gone and none of its SAs are left */

	/* engine → iked */
	MSG_SA_EXPIRED,		/* hard lifetime, and the engine dropped it; or sequence numbers used up: iked deletes it */
	MSG_SA_USE,		/* counters of an inbound SA, every few seconds while they change */
	MSG_SA_MOVED,		/* ESP proved the peer at a new address */
	MSG_FLOW_KILL,		/* end the lineage's IKE_SA (its client is gone) */
	MSG_FLOW_JOIN,		/* two lineages proved to be one client's */
	MSG_STRAY,		/* an IKE datagram that came in on the engine's socket */
	MSG_SPI_USED,		/* not iked's own: it must not issue this SPI's slot, or (used 0) may again */

	/* engine → manager, iked: first on a new channel. Its rows are in force; for iked, all
	 * MSG_SPI_USED are told */
	MSG_SYNC,

	/* engine → manager */
	MSG_AUTH_REQ,		/* again on a new channel, when it was not answered */
	MSG_SESSION_UP,		/* IPCP opened: the row is in the table */
	MSG_SESSION_DOWN,	/* the last message about a session that had asked; once */

	/* manager → engine */
	MSG_VERDICT,
	MSG_SESSION_TUN,	/* +fd: the session's TUN */
	MSG_SESSION_KILL,	/* culvertctl clear, or replaced by a newer login */

	/* manager → auth, and the answer */
	MSG_JUDGE,
	MSG_JUDGED,

	/* manager → netd, and its answers */
	MSG_TUN_ADD,
	MSG_TUN_DONE,		/* +fd when err is 0 */
	MSG_TUN_DEL,
	MSG_TUN_KEEP,		/* first on a new channel: these units are in use … */
	MSG_TUN_SYNC,		/* … and no others, no other shared device or route: netd removes them */

	/* manager → engine, iked, netd, and the answer */
	MSG_STATS_REQ,
	MSG_STATS,

	/* culvertctl → manager */
	MSG_CTL_LIST,		/* answered by MSG_CTL_ROW … MSG_CTL_END */
	MSG_CTL_CLEAR,		/* answered by MSG_CTL_END */
	MSG_CTL_STATUS,		/* answered by MSG_CTL_COUNTER … MSG_CTL_END */
	MSG_CTL_ROW,
	MSG_CTL_COUNTER,
	MSG_CTL_END,

	/* interface tunN: one TUN per engine for all of its sessions, each of them a route.
	 * manager → netd; before MSG_TUN_SYNC they say what is in use, too */
	MSG_SHARED_ADD,		/* make the device, or find it there */
	MSG_ROUTE_ADD,		/* a session's address is behind it; again does no harm */
	MSG_ROUTE_DEL,
	MSG_SHARED_DONE,	/* netd → manager; +fd unless err or the engine has it from a netd before */
	MSG_ROUTE_DONE,		/* netd → manager, the answer to MSG_ROUTE_ADD */
	MSG_SHARED_TUN,		/* manager → engine; +fd */
	MSG_SESSION_ROUTE,	/* manager → engine: its packets can be answered now */

	/* allow-user-selected-address: IPCP asked for an address; the answer is the one it gets */
	MSG_ADDR_WANT,		/* engine → manager */
	MSG_ADDR,		/* manager → engine */
	/* Reload.  culvertctl → manager → parent; then for one kind of child after the other
	 * MSG_CONF (and MSG_USERS), MSG_APPLY, and back MSG_APPLIED */
	MSG_CTL_RELOAD,		/* culvertctl → manager; answered by MSG_CTL_LINE … MSG_CTL_END */
	MSG_CTL_LINE,
	MSG_RELOAD,		/* manager → parent; answered by MSG_RELOAD_LINE … MSG_RELOAD_END */
	MSG_RELOAD_LINE,
	MSG_RELOAD_END,
	MSG_APPLY,		/* parent → all: what was sent since is in force now */
	MSG_APPLIED,		/* all → parent */
	MSG_APPLY_NOTE,		/* manager, auth → parent, before MSG_APPLIED: a line for the report */
	MSG_USER_CHECK,		/* manager → auth: may this user still log in? */
	MSG_USER_CHECKED,	/* the answer, in the order of the questions */

	/* auth → radius, and the answer; again on a new channel, when it was not answered */
	MSG_RADIUS_ASK,
	MSG_RADIUS_SAID,

	MSG_SPOOL,		/* parent → manager; +fd: the file of the accounting spool */
	MSG_ACCT,		/* manager → radius: tell a server; not repeated by radius on its own */
	MSG_ACCT_DONE,		/* the answer */

	/* XAuth: a client without L2TP and PPP, whose name and password came by IKE */
	MSG_XAUTH_REQ,		/* iked → engine; from there on as any login, by MSG_AUTH_REQ */
	MSG_XAUTH_DONE,		/* engine → iked, the answer: the verdict, and the lease with it */
	/* Users files.  auth tells the parent which one it took, so that its successor can be
	 * given it when the file itself is broken; and the manager, that users may be gone */
	MSG_USERS_MISSING,	/* parent → auth: in place of MSG_USERS */
	MSG_USERS_TAKEN,	/* auth → parent */
	MSG_USERS_CHANGED,	/* auth → manager: a user may not log in any more who could before */
	MSG_ALARM,		/* auth → manager: what culvertctl status shows first of all */
	MSG_CTL_USERS,		/* culvertctl → manager: the users files were changed; answered by MSG_CTL_END
				 * when they are in force and who has to go has been told so */
	MSG_USERS_LOOK,		/* manager → parent → auth → manager, behind what it is about */

	/* ESP in the kernel: a packet's client is its mark.  engine → netd, and the answers */
	MSG_MARK_SOCK,		/* a socket whose packets have a mark … */
	MSG_MARK_FD,		/* … +fd unless err */
	MSG_MARK_DEL,		/* SAs and policies of these marks are nobody's any more: remove them … */
	MSG_MARK_GONE,		/* … it is done */

	/* A session's filter of the firewall: before anything of it can pass, and after nothing can any more */
	MSG_FILTER_SET,		/* manager → netd; before MSG_TUN_SYNC it says what is in use, too */
	MSG_FILTER_DONE,	/* netd → manager, the answer */
	MSG_SESSION_FILTER,	/* manager → engine: its row shall say so */
	/* RFC 5176: a RADIUS server ends sessions, or changes them while they are up */
	MSG_DAE,		/* radius → manager; not repeated by radius on its own */
	MSG_DAE_DONE,		/* the answer, when it is done */
	MSG_SESSION_SET,	/* manager → engine */
	MSG_RADIUS_TLS,		/* parent → radius, behind MSG_CONF; +fd: a file of certificates, or a key */

	MSG_TYPES,
};

/* A client is its lineage: the IKE_SA (and, after a join, its predecessors)
 * whose Quick Modes made its SAs.  epoch is random per start of iked. */
struct lineage {
	uint64_t epoch;
	uint64_t counter;	/* from 1 */
};

static inline bool lineage_eq(const struct lineage *a, const struct lineage *b)
{
	return a->epoch == b->epoch && a->counter == b->counter;
}

/*
 * Our inbound SPIs: [engine 6 | slot 18 | generation 8], so that a socket
 * filter steers by the first bits and the engine finds the SA by index.  Slot
 * 0 is never used, so an SPI is never in 0..255 (RFC 4303 2.1).
 */
enum { SPI_SLOTS = 1 << 18, SPI_ENGINES = 1 << 6 };

static inline uint32_t spi_make(unsigned engine, unsigned slot, unsigned gen)
{
	return (uint32_t)engine << 26 | (uint32_t)slot << 8 | (gen & 0xff);
}

static inline unsigned spi_engine(uint32_t spi)
{
	return spi >> 26;
}

static inline unsigned spi_slot(uint32_t spi)
{
	return spi >> 8 & (SPI_SLOTS - 1);
}

/*
 * With ESP in the kernel (`set esp kernel`) a client is the mark that its SAs put on
 * what they open, and that is on what they shall seal: [sign 8 | engine 5 | number 19].
 * Each lineage has one.  The sign keeps them apart from other people's marks.
 */
enum { MARK_SIGN_SHIFT = 24, MARK_ENGINE_SHIFT = 19, MARK_NUMBERS = 1 << MARK_ENGINE_SHIFT };
#define MARK_SIGN UINT32_C(0xc5)
#define MARK_MASK_SIGN UINT32_C(0xff000000)	/* of all marks of ours */
#define MARK_MASK_ENGINE UINT32_C(0xfff80000)	/* of one engine's */

static inline uint32_t mark_make(unsigned engine, uint32_t number)
{
	return MARK_SIGN << MARK_SIGN_SHIFT | (uint32_t)engine << MARK_ENGINE_SHIFT | number;
}

static inline bool mark_is_ours(uint32_t mark)
{
	return mark >> MARK_SIGN_SHIFT == MARK_SIGN;
}

static inline unsigned mark_engine(uint32_t mark)
{
	return mark >> MARK_ENGINE_SHIFT & (CONF_ENGINES_MAX - 1);
}

/* ---- parent ---- */
enum sock_kind {
	SOCK_IKE_500 = 1, SOCK_IKE_4500, SOCK_ESP_4500,
	SOCK_L2TP,			/* plain L2TP */
	SOCK_ESP_RAW,
	SOCK_L2TP_ESP,			/* what the kernel opened, with marks */
	SOCK_DAE,			/* → radius, with each MSG_CONF all that this one names: RFC 5176 */
};

struct msg_conf {
	uint32_t self;			/* the engine's index; 0 for others */
	uint8_t ip_forward;		/* net.ipv4.ip_forward as it was before us: netd restores it */
	uint8_t first_life;		/* the receiver was not started again */
	uint32_t boot;			/* of this start of the server, at random */
	struct conf conf;
};

struct msg_sock {
	uint32_t kind;			/* enum sock_kind */
	struct addr at;			/* where it is bound, with its port; SOCK_ESP_RAW has none */
};

struct msg_peer {
	uint32_t role;			/* enum role at the other end */
	uint32_t index;			/* which engine, when that is one */
};

struct msg_table {
	uint32_t engine;
	uint32_t rows;
};

struct msg_users {			/* MSG_USERS */
	uint32_t auth;			/* index in conf.auth */
	uint32_t serial;		/* comes back in MSG_USERS_TAKEN */
};

struct msg_radius_tls {			/* MSG_RADIUS_TLS */
	uint8_t auth, acct;		/* whose list */
	uint8_t file;			/* enum radtls_file */
};

struct msg_users_missing {
	uint32_t auth;			/* index in conf.auth */
	char why[256];			/* the file cannot be had, for a person */
};

struct msg_users_of {			/* MSG_USERS_TAKEN, MSG_USERS_CHANGED */
	uint32_t auth;			/* index in conf.auth */
	uint32_t serial;		/* TAKEN: these users are in force */
};

struct msg_alarm {
	uint32_t auth;			/* index in conf.auth; each has one */
	char text[256];			/* "" = it is over */
};

/* ---- reload ---- */

/* What the new configuration is for: netd is asked twice, first and last of all. */
enum apply_phase {
	APPLY_CONF = 1,			/* take it */
	APPLY_DONE,			/* netd: everybody has it; what only the old one had goes */
};

struct msg_apply {
	uint32_t phase;			/* enum apply_phase */
};

struct msg_applied {
	uint32_t phase;			/* of the MSG_APPLY that it answers */
	int32_t err;			/* 0, or -errno: the old configuration is still in force there */
	uint32_t kept, ended;		/* manager: sessions */
	char text[128];			/* why not, for a person */
};

enum { LINE_TEXT_MAX = 1024 };

struct msg_line {			/* MSG_RELOAD_LINE, MSG_CTL_LINE */
	uint32_t diag;			/* an error or a warning, not a part of the report */
	char text[LINE_TEXT_MAX];
};

struct msg_note {			/* MSG_APPLY_NOTE; auth's is a warning */
	char text[512];
};

struct msg_user_check {
	uint32_t tag;			/* comes back */
	uint32_t auth;			/* index in conf.auth */
	char user[128];			/* as msg_verdict.user: escaped, maybe cut */
};

enum user_gone { USER_STAYS, USER_REMOVED, USER_IS_DISABLED, USER_HAS_EXPIRED };

struct msg_user_checked {
	uint32_t tag;
	uint8_t gone;			/* enum user_gone: why he could not log in any more */
};

/* ---- SAs ---- */
enum esp_enc {
	ESP_ENC_NONE, ESP_ENC_AES_CBC_128, ESP_ENC_AES_CBC_256, ESP_ENC_AES_GCM_128, ESP_ENC_AES_GCM_256, ESP_ENC_3DES_CBC,
};
/* NONE with GCM and only with it */
enum esp_auth {
	ESP_AUTH_NONE, ESP_AUTH_HMAC_SHA1_96, ESP_AUTH_HMAC_SHA2_256_128, ESP_AUTH_HMAC_SHA2_384_192,
	ESP_AUTH_HMAC_SHA2_512_256,
};

struct msg_spi_new {
	struct lineage lineage;
	uint32_t spi;			/* ours, inbound */
	uint8_t raw;			/* ESP will not come in UDP; SA_ADD knows for sure */
	uint32_t mark;			/* ESP in the kernel: the lineage's; else 0 */
	struct addr local, peer;	/* as IKE sees them now */
};

struct msg_sa_add {
	struct lineage lineage;
	uint32_t spi;
	uint32_t pair;			/* outbound: the inbound SPI it belongs to; inbound: 0 */
	uint8_t inbound;
	uint8_t raw;			/* ESP is not in UDP: the ports are IKE's alone */
	uint8_t enc;			/* enum esp_enc; NONE without any keys: the kernel has them */
	uint8_t auth;			/* enum esp_auth */
	uint8_t enc_len, auth_len;	/* bytes of key */
	uint8_t key_enc[36], key_auth[64];	/* GCM: 4 bytes of salt at the end (RFC 4106 8.1) */
	uint32_t life_s;		/* hard, from now; 0 = none */
	struct addr local, peer;
	char ike_id[64];		/* the peer's IKE identity, escaped */
	uint8_t tunnel;			/* tunnel mode: IP is in it, of a client that came by XAuth; else UDP of L2TP */
};

struct msg_sa_move {
	struct lineage lineage;
	uint32_t spi;			/* inbound */
	struct addr local, peer;
};

struct msg_sa_del {
	struct lineage lineage;
	uint32_t spi;			/* inbound, or the outbound one */
	uint32_t pair;			/* outbound: its inbound partner */
	uint8_t inbound;
};

struct msg_flow {			/* MSG_FLOW_END, MSG_FLOW_KILL */
	struct lineage lineage;
	uint8_t deleted;		/* FLOW_END: a DELETE ended its IKE_SA, not silence */
};

struct msg_flow_join {
	struct lineage lineage;
	struct lineage root;		/* the oldest of that client */
};

struct msg_spi_used {
	uint32_t spi;			/* inbound */
	uint8_t used;
};

struct msg_sa_expired {
	struct lineage lineage;
	uint32_t spi;			/* inbound */
};

struct msg_sa_use {
	uint32_t spi;			/* inbound */
	uint64_t bytes, packets;	/* opened since SA_ADD */
	uint64_t last_s;		/* CLOCK_MONOTONIC seconds, within MSG_SA_USE's interval */
};

enum { STRAY_MAX = 4096 };

struct msg_stray {
	struct addr local, peer;
	uint32_t len;
	uint8_t data[STRAY_MAX];	/* the UDP payload with its 4 zero bytes */
};

/* ---- logins and sessions ---- */
enum auth_method {
	AUTH_NONE, AUTH_PAP, AUTH_CHAP_MD5, AUTH_MSCHAPV2, AUTH_EAP_MD5, AUTH_EAP_MSCHAPV2,
	AUTH_XAUTH,			/* the password itself, by IKE */
	AUTH_EAP,			/* eap holds a Response: for a RADIUS server, whatever EAP's method (RFC 3579) */
};

/* A session in one engine; gen tells two users of one slot apart. */
struct sid {
	uint32_t slot;			/* its row in the engine's session table */
	uint32_t gen;
};

enum { EAP_MAX = 1500, RADIUS_STATE_MAX = 253 };

/*
 * EAP that a RADIUS server speaks with a peer: a packet, and where the conversation stands.  The
 * engine has it between two requests and gives it back, so that each process may be replaced meanwhile.
 */
struct eap_relay {
	struct addr server;		/* that it is with; no family: it begins */
	uint32_t ppp_id;		/* that the session will have; 0: it begins */
	uint32_t wait_s;		/* of a Request: how long the peer may take (RFC 2869 5.13); 0 = as ever */
	uint8_t round;			/* of a Response: how many came before it */
	uint8_t counted;		/* auth has counted it as a wrong password until it ends */
	uint8_t state_len;
	uint8_t state[RADIUS_STATE_MAX];	/* RFC 2865 5.24, of the server's last answer */
	uint16_t len;			/* 0 = no packet */
	uint8_t packet[EAP_MAX];	/* whole, from its Code on */
};

struct msg_auth_req {
	struct sid sid;
	uint32_t serial;		/* of the session's requests; the verdict has it, too */
	uint32_t tunnel;		/* index in conf.tunnel */
	uint32_t method;		/* enum auth_method */
	struct addr peer;
	uint16_t user_len;
	uint8_t user[256];		/* as the peer sent it */
	uint16_t mtu;			/* as LCP agreed: the TUN is made while the login goes on */
	uint16_t response_len;
	uint8_t challenge_len;
	uint8_t ident;			/* of the Challenge: RFC 1994 4.1 has it in the hash */
	uint8_t challenge[64];
	uint8_t response[255];		/* PAP, XAuth: the password; CHAP, EAP: the Value, of MS-CHAPv2 49 octets (RFC 2759 4) */
	char host_name[64];		/* of the tunnel's SCCRQ, escaped */
	char ike_id[64];
	uint8_t number_len;
	uint8_t number[64];		/* the call's Calling Number as the peer sent it (RFC 2661 4.4.4) */
	struct eap_relay eap;		/* AUTH_EAP */
};

enum { RADIUS_CLASS_MAX = 256, RADIUS_ROUTES_MAX = 8 };

/* A network behind a session's address (RFC 2865 5.22). */
struct radius_route {
	uint32_t net, mask;		/* host order; no host bits */
};

/* Are they networks that a client can have? */
bool radius_routes_ok(const struct radius_route *, unsigned n);

/*
 * What a RADIUS server says of whom it lets in, beside what a users file says,
 * too.  Numbers are 0 and texts "" where it says nothing.
 */
struct radius_says {
	uint32_t idle_timeout_s;	/* RFC 2865 5.28; in place of the tunnel's */
	uint32_t dns[2], nbns[2];	/* host order, RFC 2548 2.7; where the ipcp has none */
	uint32_t interim_s;		/* RFC 2869 5.16 */
	uint64_t rate_in_bps, rate_out_bps;	/* bits of IP per second, from the peer and to it; 0 = no limit */
	uint32_t mtu;			/* RFC 2865 5.12: the longest packet to the peer; from 64 */
	uint32_t port_limit;		/* RFC 2865 5.42: sessions of the user at once */
	char filter[CONF_NAME_MAX];	/* RFC 2865 5.11: a filter of the firewall block */
	char pool[CONF_NAME_MAX];	/* RFC 2869 5.18 */
	uint8_t n_routes;
	struct radius_route route[RADIUS_ROUTES_MAX];
	uint16_t class_len;
	uint8_t classes[RADIUS_CLASS_MAX];	/* Class attributes (RFC 2865 5.25), each: length, octets */
};

/* Bits: which of these a request to change a session has; the others stay. */
enum {
	SAYS_SESSION_TIMEOUT = 1, SAYS_IDLE_TIMEOUT = 2, SAYS_INTERIM = 4, SAYS_CLASS = 8, SAYS_RATE_IN = 16, SAYS_RATE_OUT = 32,
	SAYS_FILTER = 64,
	SAYS_ALL = 127,
	SAYS_ENGINE = SAYS_SESSION_TIMEOUT | SAYS_IDLE_TIMEOUT | SAYS_RATE_IN | SAYS_RATE_OUT,	/* what an engine does */
};

enum verdict {
	VERDICT_OK = 1,
	VERDICT_DENY,			/* wrong name or password */
	VERDICT_REFUSE,			/* known, but no session to be had (limit, pool); reason says */
	/* Of AUTH_EAP, and none yet: */
	VERDICT_EAP,			/* eap has the next Request */
	VERDICT_OWN_EAP,		/* no server's: ask by methods of ours */
};

struct msg_verdict {
	struct sid sid;
	uint32_t serial;		/* of the request that it answers */
	uint32_t verdict;		/* enum verdict */
	char reason[64];		/* for the log and the peer; "" with VERDICT_OK */
	uint32_t ppp_id;
	uint32_t interface;		/* index in conf.interface */
	char user[128];			/* as the session is known (stripped), escaped */
	char realm[CONF_NAME_MAX];	/* the authentication's name */
	uint8_t mschap_auth[20];	/* RFC 2759 8.7 AuthenticatorResponse, raw */
	uint8_t mppe_keys;		/* OK: the next two are there */
	uint8_t mppe_send[16], mppe_recv[16];	/* RFC 3079 3.4: the server's start keys */
	uint32_t ip, ip_local;		/* host order */
	uint32_t mask;			/* of the network behind ip; 0 = ip alone */
	uint8_t n_routes;
	struct radius_route route[RADIUS_ROUTES_MAX];	/* more networks there */
	uint16_t mtu;			/* no packet to the peer is longer; 0 = what LCP agreed on */
	uint64_t rate_in_bps, rate_out_bps;	/* as in struct radius_says */
	uint32_t dns[2], nbns[2];
	uint8_t may_choose;		/* the peer may ask for another address by MSG_ADDR_WANT */
	uint32_t session_timeout_s;	/* from UP on; 0 = none */
	uint32_t idle_timeout_s;	/* in place of the tunnel's; 0 = that one */
	uint32_t mschap_error;		/* DENY: E= of RFC 2759 6; 0 = 691 */
	char message[128];		/* for the peer, where the method has a place; escaped */
	struct eap_relay eap;		/* VERDICT_EAP */
	char filter[CONF_NAME_MAX];	/* for the row; "" = none */
};

/* The lineage's IKE_SA has one login, and no SA before it was good. */
struct msg_xauth_req {
	struct lineage lineage;
	struct addr local, peer;	/* as IKE sees them now */
	char ike_id[64];		/* the peer's IKE identity, escaped */
	uint16_t user_len;		/* from 1 */
	uint8_t user[256];		/* as the peer sent it */
	uint8_t password_len;
	uint8_t password[255];
};

struct msg_xauth_done {
	struct lineage lineage;
	uint32_t verdict;		/* enum verdict */
	uint32_t ip;			/* OK: the client's address, host order */
	uint32_t dns[2], nbns[2];
};

struct msg_addr {			/* MSG_ADDR_WANT, MSG_ADDR */
	struct sid sid;
	uint32_t ip;			/* host order */
};

/* What a session moved. */
struct acct_count {
	uint32_t time_s;		/* since it was up */
	uint64_t in_bytes, in_packets;	/* from the peer */
	uint64_t out_bytes, out_packets;
};

struct msg_session {			/* MSG_SESSION_UP, MSG_SESSION_DOWN, MSG_SESSION_KILL, MSG_SESSION_ROUTE */
	struct sid sid;
	char reason[64];		/* DOWN, KILL */
	struct acct_count count;	/* DOWN: its last */
};

struct msg_session_filter {
	struct sid sid;
	char filter[CONF_NAME_MAX];	/* "" = none */
};

struct msg_session_tun {
	struct sid sid;
	char ifname[CONF_IFNAME_MAX];
};

struct msg_judge {
	uint32_t engine;
	uint32_t ppp_id;		/* that the session will have */
	struct msg_auth_req req;
};

struct msg_judged {
	uint32_t engine;
	struct sid sid;
	uint32_t serial;
	uint32_t verdict;		/* any but VERDICT_REFUSE */
	uint32_t auth;			/* index in conf.auth that judged */
	uint32_t bind;			/* index in conf.bind that the login came by */
	char user[128];			/* stripped of domain and realm as configured, escaped */
	uint8_t mschap_auth[20];
	uint8_t mppe_keys;		/* as in struct msg_verdict */
	uint8_t mppe_send[16], mppe_recv[16];
	uint32_t framed_ip;		/* host order; 0 = dynamic */
	uint32_t framed_mask;		/* of its network; 0 = that address alone */
	uint32_t session_timeout_s;	/* 0 = none; a users file has no place for it, RADIUS has (RFC 2865 5.27) */
	uint8_t has_max_session;	/* the user has a limit of his own: */
	uint32_t max_session;		/* in place of both user-max-session; 0 = none */
	char why[64];			/* DENY: for the log */
	uint32_t mschap_error;		/* as in struct msg_verdict */
	char message[128];
	uint8_t by_radius;		/* framed_ip is a must, and says is there */
	struct radius_says says;
	struct eap_relay eap;		/* VERDICT_EAP */
};

struct msg_radius_ask {
	uint32_t tag;			/* comes back */
	uint32_t auth;			/* index in conf.auth, of type radius */
	uint16_t name_len;
	uint8_t name[256];		/* stripped of domain and realm as configured */
	struct msg_judge judge;
};

struct msg_radius_said {
	uint32_t tag;
	uint32_t verdict;		/* VERDICT_OK, VERDICT_DENY or VERDICT_EAP */
	uint8_t answered;		/* it is a server's word on the password, no fault and no silence */
	uint8_t mschap_auth[20];	/* as in struct msg_judged, all of them */
	uint8_t mppe_keys;
	uint8_t mppe_send[16], mppe_recv[16];
	uint32_t framed_ip, framed_mask;
	uint32_t session_timeout_s;
	uint32_t mschap_error;
	char message[128];
	char why[64];
	uint8_t user_len;		/* AUTH_EAP, OK: the name that the server gives him; 0 = none */
	uint8_t user[253];
	struct radius_says says;
	struct eap_relay eap;		/* VERDICT_EAP */
};

/* ---- accounting ---- */

/* RFC 2866 5.10 */
enum acct_cause {
	ACCT_USER_REQUEST = 1, ACCT_LOST_CARRIER, ACCT_LOST_SERVICE, ACCT_IDLE_TIMEOUT, ACCT_SESSION_TIMEOUT,
	ACCT_ADMIN_RESET, ACCT_ADMIN_REBOOT, ACCT_PORT_ERROR, ACCT_NAS_ERROR, ACCT_NAS_REQUEST, ACCT_NAS_REBOOT,
};

enum acct_kind { ACCT_SESSION = 1, ACCT_ON, ACCT_OFF };

/* Bits: what a server has still to be told; ON and OFF are a START of their kind. */
enum { ACCT_DUE_START = 1, ACCT_DUE_INTERIM = 2, ACCT_DUE_STOP = 4 };

/* A record: of a session, or of the server.  It stands in the spool's file as it is here. */
struct acct_rec {
	uint64_t seq;			/* the order of their beginnings */
	uint32_t boot;			/* of the server's start that it is of */
	uint8_t kind;			/* enum acct_kind */
	uint8_t due, asked;		/* ACCT_DUE_*: what is; the one that is under way */
	uint8_t renewed;		/* an Interim came due while one was under way */
	uint8_t owned;			/* a session of this manager has it */
	uint8_t up;			/* its session was up: there is something to tell */
	uint8_t cause;			/* enum acct_cause; 0 = it is up */
	uint8_t number_len;
	uint32_t time_s;		/* Acct-Session-Time, when the counters were read */
	int64_t start_s, last_s;	/* time(2): of Start; of the counters */
	int64_t row_start_s;		/* of its row in the session table */
	uint64_t in_bytes, in_packets, out_bytes, out_packets;
	uint32_t engine;
	struct sid sid;
	uint32_t ppp_id, ip;
	uint32_t interim_s;		/* 0 = none */
	struct addr peer;
	uint16_t tunnel_id, session_id;
	uint16_t class_len;
	uint8_t xauth;			/* without L2TP */
	char id[20];			/* Acct-Session-Id */
	char realm[CONF_NAME_MAX];	/* the authentication's name */
	char user[128];			/* escaped */
	uint8_t number[64];		/* of the caller */
	uint8_t classes[RADIUS_CLASS_MAX];
};

/* Is it one that a receiver can use?  For what comes from a disk, too. */
bool acct_rec_ok(const struct acct_rec *);

struct msg_acct {
	uint32_t tag;			/* comes back */
	uint32_t auth;			/* index in conf.auth: whose servers */
	uint32_t what;			/* one of ACCT_DUE_* */
	uint32_t delay_s;		/* Acct-Delay-Time */
	struct acct_rec rec;
};

struct msg_acct_done {
	uint32_t tag, auth;
	uint64_t seq;			/* of the record */
	uint8_t ok;			/* a server has it */
};

/* ---- RFC 5176 ---- */

/* RFC 5176 3.5 */
enum dae_cause {
	DAE_OK = 0,			/* no error: ACK */
	DAE_UNSUPPORTED_ATTRIBUTE = 401, DAE_MISSING_ATTRIBUTE, DAE_NAS_MISMATCH, DAE_INVALID_REQUEST,
	DAE_UNSUPPORTED_SERVICE, DAE_INVALID_VALUE = 407,
	DAE_PROHIBITED = 501, DAE_NO_SESSION = 503, DAE_NO_RESOURCES = 506,
};

enum dae_kind { DAE_DISCONNECT = 1, DAE_COA };

/* Bits: by what a session is known; all that are there must be right. */
enum { DAE_BY_USER = 1, DAE_BY_PORT = 2, DAE_BY_IP = 4, DAE_BY_CALLING = 8, DAE_BY_ACCT = 16, DAE_BY_ALL = 31 };

struct msg_dae {
	uint32_t tag;			/* comes back */
	uint32_t kind;			/* enum dae_kind */
	struct addr client;		/* who asks */
	uint32_t by;			/* DAE_BY_*, one at least */
	uint32_t port;			/* NAS-Port: the session's ppp_id */
	uint32_t ip;			/* Framed-IP-Address, host order */
	uint8_t user_len, calling_len, acct_len;
	uint8_t user[253], calling[253], acct[253];	/* User-Name, Calling-Station-Id, Acct-Session-Id: octets */
	uint32_t gives;			/* SAYS_*; DISCONNECT: CLASS, or nothing */
	uint32_t session_timeout_s;	/* since the session is up; 0 = none */
	struct radius_says says;
};

struct msg_dae_done {
	uint32_t tag;
	uint32_t cause;			/* enum dae_cause */
};

struct msg_session_set {
	struct sid sid;
	uint32_t gives;			/* of SAYS_ENGINE */
	uint32_t session_timeout_s;	/* as in struct msg_verdict, both */
	uint32_t idle_timeout_s;
	uint64_t rate_in_bps, rate_out_bps;	/* as in struct radius_says */
};

/* ---- netd ---- */
struct msg_mark {			/* MSG_MARK_SOCK, MSG_MARK_FD, MSG_MARK_DEL, MSG_MARK_GONE */
	uint32_t mark;
	uint32_t mask;			/* DEL, GONE: which bits of it count */
	struct addr at;			/* SOCK: of the engine's socket that it belongs to */
	int32_t err;			/* FD: 0 or -errno */
};

struct msg_tun_add {
	uint32_t tag;			/* comes back in MSG_TUN_DONE */
	uint32_t unit;			/* pppx<unit> */
	uint32_t ip_local, ip_peer;
	uint32_t mask;			/* of the network behind ip_peer; 0 = ip_peer alone */
	uint16_t mtu;
	uint8_t n_routes;
	struct radius_route route[RADIUS_ROUTES_MAX];	/* more networks there */
	char alias[128];		/* ifalias */
};

struct msg_tun_done {
	uint32_t tag;
	int32_t err;			/* 0 or -errno; -EBUSY: the unit is taken */
	char ifname[CONF_IFNAME_MAX];
};

struct msg_tun_del {			/* MSG_TUN_DEL, MSG_TUN_KEEP */
	uint32_t unit;
};

struct msg_shared {			/* MSG_SHARED_ADD, MSG_SHARED_TUN */
	uint32_t interface;		/* index in conf.interface */
	uint32_t engine;
};

struct msg_shared_done {
	uint32_t interface, engine;
	int32_t err;			/* 0 or -errno; -EBUSY: somebody else's device has the name */
};

struct msg_route {			/* MSG_ROUTE_ADD, MSG_ROUTE_DEL, MSG_ROUTE_DONE */
	uint32_t interface, engine;	/* whose device */
	uint32_t ip;			/* host order */
	uint32_t mask;			/* of the network behind ip; 0 = ip alone */
	uint32_t tag;			/* comes back in MSG_ROUTE_DONE */
	int32_t err;			/* there: 0 or -errno; -EADDRINUSE: one of route[] is a network of the host */
	uint16_t mtu;
	uint8_t n_routes;
	struct radius_route route[RADIUS_ROUTES_MAX];	/* more networks there */
};

struct msg_filter {			/* MSG_FILTER_SET, MSG_FILTER_DONE */
	uint32_t tag;			/* comes back */
	uint32_t net, mask;		/* host order, no host bits */
	int32_t err;			/* there: 0 or -errno; -ENOENT: there is no such filter */
	char filter[CONF_NAME_MAX];	/* "" = none: the block's own rules are for it */
};

/* The device of an interface tunN that is engine's: "tun0", "tun0-1", "tun0-2" … */
void shared_ifname(const struct conf_interface *, unsigned engine, char ret[static CONF_IFNAME_MAX]);

/* ---- counters ---- */
enum { STATS_MAX = 96 };

struct counter {
	char name[32];			/* "esp_bad_icv" */
	uint64_t value;
};

struct msg_stats {
	uint32_t n;
	struct counter c[STATS_MAX];
};

/* ---- session table: rows in a memfd, written by one engine ---- */
enum row_state { ROW_FREE, ROW_LOGIN, ROW_UP };

/*
 * seq is odd while the engine writes; a reader copies the row and takes it
 * only when seq was even and the same before and after.
 */
struct sess_row {
	uint32_t seq;
	uint32_t state;			/* enum row_state */
	struct sid sid;
	uint32_t ppp_id;
	uint16_t tunnel_id, session_id;	/* ours */
	char user[128];
	char realm[CONF_NAME_MAX];
	char ifname[CONF_IFNAME_MAX];
	char host_name[64];		/* L2TP Host Name */
	uint32_t ip;			/* host order; 0 until the login was granted */
	uint32_t mask;			/* of the network behind it; 0 = ip alone */
	uint8_t n_routes;
	struct radius_route route[RADIUS_ROUTES_MAX];	/* more networks there */
	uint64_t rate_in_bps, rate_out_bps;	/* limits; 0 = none */
	uint8_t tunnel, interface;	/* indices in conf */
	uint8_t xauth;			/* IP in ESP tunnel mode, by XAuth: no L2TP, no PPP */
	char filter[CONF_NAME_MAX];	/* of the firewall; "" = none */
	uint16_t mru;
	struct addr peer;		/* Tunnel From: where ESP comes from; without UDP, L2TP's port inside */
	struct lineage lineage;
	uint8_t number_len;
	uint8_t number[64];		/* of the caller, as in struct msg_auth_req */
	int64_t start_wall_s;		/* time(2) */
	uint64_t start_mono_ms;
	uint64_t in_bytes, in_packets, in_errors;
	uint64_t out_bytes, out_packets, out_errors;
};

/* Copy row to *ret. False when it is free or changed under us too often. */
bool row_read(const struct sess_row *row, struct sess_row *ret);
void row_write_begin(struct sess_row *row);
void row_write_end(struct sess_row *row);

/* ---- control socket ---- */
enum { CTL_VERSION = 1 };

struct msg_ctl_req {			/* MSG_CTL_LIST, MSG_CTL_CLEAR, MSG_CTL_STATUS */
	uint32_t version;		/* CTL_VERSION */
	uint32_t ppp_id;		/* CLEAR */
};

struct msg_ctl_row {
	struct sess_row row;
	uint64_t elapsed_s;
};

struct msg_ctl_counter {
	char process[16];		/* "engine0" */
	struct counter c;
};

struct msg_ctl_end {			/* MSG_CTL_END, MSG_RELOAD_END */
	int32_t err;			/* 0 or -errno */
	char text[128];			/* what went wrong, for a person; "" where lines said it */
};

#endif
