/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dial_ike: the initiator of one IKEv1 connection (RFC 2408, 2409): Main Mode
 * with a pre-shared key, one Quick Mode for a transport SA of UDP 1701, NAT
 * traversal (RFC 3947), dead peer detection answered (RFC 3706), DELETE.
 *
 * Or, with a name and a password (ike_ends.user), those are given by XAuth
 * (draft-beaulieu-ike-xauth), an address is taken by Mode Config
 * (draft-dukes-ike-mode-cfg), and Quick Mode is for a tunnel SA of all of IPv4
 * from that address.
 *
 * It shares no line with libcharon, which answers in our server, and so checks
 * it; and it can do what libcharon's initiator cannot: have any number of
 * connections with one identity, one address and one process, and misbehave.
 *
 * A pure core: messages and the time go in, effects come out.  libcrypto
 * makes DH keys with a generator of its own; everything else that is random
 * comes from the seed.
 *
 *	ike_out_init(&out);
 *	ike_input(&s->ike, message, now_ms, &out);
 *	for (unsigned i = 0; i < out.n; i++)
 *		apply(s, &out.eff[i]);
 *	timer_at(ike_deadline(&s->ike));
 *
 * Both phases can be done again: another Quick Mode is ike_rekey(), another Main
 * Mode is another struct ike, beside the one that it replaces.  When, and for how
 * long the old SAs stay, is for the owner to say.
 *
 * Not here: aggressive mode, certificates, IKEv2.
 */
#ifndef CULVERT_CTL_DIAL_IKE_H
#define CULVERT_CTL_DIAL_IKE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/rd.h"
#include "base/rng.h"
#include "base/wr.h"
#include "ctl/dial_crypto.h"

enum {
	IKE_NONCE = 32,
	IKE_MESSAGE_MAX = 1024,		/* the longest that we send */
	IKE_INPUT_MAX = 2048,		/* longer ones are dropped */
	IKE_OFFERS_MAX = 15,		/* of one list; Apple's has 14 */
};

#define IKE_NEVER UINT64_MAX

/* One proposal of Main Mode, one of Quick Mode. */
struct ike_main_suite {
	uint8_t cipher;			/* enum dial_cipher */
	uint8_t hash;			/* enum dial_hash */
	uint8_t group;			/* enum dial_group; 0 = main_group's */
};

struct ike_quick_suite {
	uint8_t enc;			/* enum esp_enc_alg; IKE_OFFER_ONLY: nothing that we could do ourselves */
	uint8_t auth;			/* enum esp_auth_alg; AES-GCM has none */
	uint8_t word[2];		/* in the tables of dial_ike.c */
};

enum { IKE_OFFER_ONLY = 255 };

/* Proposals in the order in which they are offered; n = 0: AES and SHA, whatever we can. */
struct ike_main_offers {
	uint8_t n;
	struct ike_main_suite s[IKE_OFFERS_MAX];
};

struct ike_quick_offers {
	uint8_t n;
	struct ike_quick_suite s[IKE_OFFERS_MAX];
};

/* "aes256-sha1-modp2048", "aes256-sha1" or "aes256gcm16", or several with commas: false for words that are
 * not known, and for too many. */
MUST_USE bool ike_main_offers_parse(const char *, struct ike_main_offers *ret);
MUST_USE bool ike_quick_offers_parse(const char *, struct ike_quick_offers *ret);

/* How proposals are written down; all of it is right by RFC 2407 and 2408. */
enum ike_manner {
	IKE_MANNER_OWN,			/* cipher first; a phase 1 lifetime last, a phase 2 lifetime first */
	IKE_MANNER_RACOON,		/* of Apple and old Androids: lifetimes first, in phase 2 as short attributes */
	IKE_MANNER_WINDOWS,		/* in phase 2 a proposal for each suite; lifetimes last, one in kilobytes too; no DPD */
};

/* "racoon": an enum ike_manner, or -1. */
int ike_manner_parse(const char *);

/* "modp2048": an enum dial_group, or 0. */
uint8_t ike_group_parse(const char *);

/* Settings; borrowed while the connection lives. */
struct ike_conf {
	const uint8_t *psk;
	size_t psk_len;
	struct ike_main_offers main;
	struct ike_quick_offers quick;
	uint8_t manner;			/* enum ike_manner */
	uint8_t main_group;		/* enum dial_group, where main leaves the choice; 0 = modp2048 */
	uint8_t quick_group;		/* likewise: perfect forward secrecy with it; 0 = without */
	const struct dial_dh *dh;	/* a key pair for all connections, for load; NULL: each makes its own */
	bool initial_contact;		/* say in phase 1 that the peer has no other SA of ours (RFC 2407 4.6.3.3) */
	bool force_natt;		/* claim a NAT in front of us, for servers that would use raw ESP */
	bool skip_login;		/* with XAuth: Quick Mode at once, for an address of our own choice */
	bool raw_esp;			/* where there is no NAT: ESP without UDP, and all of IKE on port 500; else it fails */
	uint32_t retransmit_ms;		/* first interval, then it doubles: 1000 */
	uint8_t retransmit_max;		/* 5 */
	uint32_t ike_life_s, esp_life_s;	/* 28800, 3600: asked for */
};

/* Who talks to whom; both addresses are of one family, and their ports are not looked at. */
struct ike_ends {
	struct addr id;			/* our address as we know it: identity, NAT-D, NAT-OA */
	uint16_t port;			/* our port for it: 500, or the one towards 4500 */
	struct addr peer;
	bool natt;			/* on port 4500 from the first message on: the path is known to have a NAT */
	const char *user, *password;	/* XAuth; borrowed while the connection lives. NULL = none */
};

enum ike_state {
	IKE_IDLE,
	IKE_MM1, IKE_MM3, IKE_MM5,	/* that message of Main Mode is sent, its answer is not in */
	IKE_XAUTH,			/* the peer asks for a name, or has yet to say whether it is good */
	IKE_CFG1,			/* an address was asked for */
	IKE_QM1,
	IKE_UP,				/* the SAs are there */
	IKE_GONE,
};

/* The pair of SAs; algorithms as enum esp_enc_alg and esp_auth_alg of esp/esp.h. */
struct ike_child {
	uint32_t spi_in, spi_out;
	uint8_t enc, auth;
	uint8_t enc_len, auth_len;
	uint8_t in_enc[36], in_auth[64], out_enc[36], out_auth[64];	/* GCM: with its salt */
};

enum ike_effect_type {
	IKE_EFF_SEND,			/* data, len; natt: to port 4500 behind four zero octets (RFC 3948 2.2),
					 * else to port 500 */
	IKE_EFF_SECURED,		/* phase 1 is done */
	IKE_EFF_CHILD,			/* ike.child: ESP starts; the owner may wipe its keys */
	IKE_EFF_GONE,			/* it failed or the peer ended it: ike.reason. The last effect, once */
};

struct ike_effect {
	enum ike_effect_type type;
	bool natt;
	const uint8_t *data;		/* into ike_out.buf */
	size_t len;
};

enum { IKE_EFFECTS_MAX = 8 };

struct ike_out {
	unsigned n;
	struct ike_effect eff[IKE_EFFECTS_MAX];
	struct wr w;			/* over buf */
	uint8_t buf[4 * IKE_MESSAGE_MAX];
};

enum { IKE_SUITE_LEN = 32 };

struct ike {
	const struct ike_conf *conf;	/* borrowed */
	struct ike_ends ends;
	struct rng rng;
	uint8_t state;			/* enum ike_state */
	bool natt;			/* NAT traversal: from MM5 on everything is on port 4500, ESP in UDP; else raw ESP */
	bool secured, paired;		/* both sides have the ISAKMP SA; the pair of ESP SAs */
	char reason[96];		/* why it is gone */
	uint8_t cky_i[8], cky_r[8];
	/* phase 1 */
	uint8_t sa[640];		/* body of our SA payload, which HASH_I covers */
	size_t sa_len;
	uint8_t group;			/* enum dial_group, agreed */
	struct dial_dh *dh;		/* owned; NULL where conf's is used */
	uint8_t gxi[DIAL_DH_MAX], gxr[DIAL_DH_MAX];	/* phase 2 has its own, where it has any */
	uint8_t ni[IKE_NONCE];
	uint8_t hash;			/* enum dial_hash, agreed */
	uint8_t cipher;			/* enum dial_cipher, agreed */
	uint8_t skeyid[DIAL_HASH_MAX], skeyid_d[DIAL_HASH_MAX], skeyid_a[DIAL_HASH_MAX], key[32];
	uint8_t iv[DIAL_BLOCK];		/* phase 1; then what phase 2's start from */
	/* XAuth and Mode Config */
	uint32_t asked_mid;		/* of the peer's last question, or 0 … */
	uint8_t answer[IKE_MESSAGE_MAX];	/* … and what it was answered */
	size_t answer_len;
	uint32_t ip;			/* ours, host order: Mode Config; then what Quick Mode is for */
	/* phase 2 */
	uint32_t mid;
	uint8_t qm_iv[DIAL_BLOCK], qni[IKE_NONCE];
	struct ike_child child;		/* the newest */
	struct ike_quick_offers quick;	/* what is offered next */
	char main_text[IKE_SUITE_LEN], quick_text[IKE_SUITE_LEN];	/* agreed: "aes256-sha1-modp2048" */
	/* the last message, for as long as it may have to be sent again */
	uint8_t last[IKE_MESSAGE_MAX];
	size_t last_len;
	bool last_natt;
	uint8_t tries;
	uint32_t wait_ms;
	uint64_t timer_ms;
	uint32_t resent, dropped;	/* messages sent again; messages that were nothing for us */
	/*
	 * NULL, or what a test does to each new message before it is hashed and encrypted:
	 * n bytes of payloads at p, the type of the first of them at type. Returns how many
	 * there are then, cap at most.
	 */
	size_t (*alter)(void *arg, uint8_t *type, uint8_t *p, size_t n, size_t cap);
	void *alter_arg;
};

void ike_out_init(struct ike_out *);

/* conf is borrowed; ends and seed are copied. Each connection needs a seed of its own. */
void ike_init(struct ike *, const struct ike_conf *, const struct ike_ends *, const struct rng *seed);

/* Free what it owns and wipe it. */
void ike_free(struct ike *);

void ike_start(struct ike *, uint64_t now_ms, struct ike_out *);

/*
 * Once IKE_UP, another Quick Mode with this suite (enc 0: any): IKE_EFF_CHILD comes
 * again.  The pair that there was stays; ike_delete() tells the peer that it goes.
 * False: it is busy.
 */
MUST_USE bool ike_rekey(struct ike *, const struct ike_quick_offers *, uint64_t now_ms, struct ike_out *);
void ike_delete(struct ike *, uint32_t spi_in, struct ike_out *);

/* Say one payload of this type (RFC 2408 3.1), say a Notification, in an Informational exchange of its own. */
void ike_inform(struct ike *, unsigned type, struct rd body, struct ike_out *);

/* Is this message of the connection? */
bool ike_is(const struct ike *, struct rd message);

/* Is this message that it wants sent the third one of Quick Mode? */
bool ike_is_quick3(const struct ike *, const struct ike_effect *);

/* One message from the peer, without the four zero octets. */
void ike_input(struct ike *, struct rd message, uint64_t now_ms, struct ike_out *);

/* Do what is due. Too early does no harm. */
void ike_expire(struct ike *, uint64_t now_ms, struct ike_out *);
uint64_t ike_deadline(const struct ike *);

/* End it: DELETE for the ESP SA and the ISAKMP SA that the peer still has, also after it failed. Once more says it
 * once more. No IKE_EFF_GONE. */
void ike_close(struct ike *, struct ike_out *);

#endif
