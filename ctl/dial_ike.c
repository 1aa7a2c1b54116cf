/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The messages of RFC 2409, in the order in which they go:
 *
 *   MM1 →  SA, vendor ids         proposals: AES, SHA, pre-shared key, one group
 *   ← MM2  SA                     what the peer took
 *   MM3 →  KE, Ni, NAT-D ×2
 *   ← MM4  KE, Nr, NAT-D ×2       keys are made; from here on encrypted
 *   MM5 →  IDii, HASH_I
 *   ← MM6  IDir, HASH_R           phase 1 is done
 *  (← ask  HASH, ATTR            XAuth, where there is a name: name and password, please
 *   →      HASH, ATTR            name and password
 *   ← set  HASH, ATTR            they are good
 *   →      HASH, ATTR            so I hear
 *   CFG1 → HASH, ATTR            an address, please
 *   ←      HASH, ATTR)           the address
 *   QM1 →  HASH, SA, Ni, [KE], IDs, NAT-OA ×2
 *   ← QM2  HASH, SA, Nr, [KE], IDs
 *   QM3 →  HASH                   the SAs are there
 */
#include "ctl/dial_ike.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "esp/esp.h"

enum {	/* RFC 2408 3.1, 3.13; RFC 3947 3.2, 5.2 */
	PL_NONE = 0, PL_SA = 1, PL_PROPOSAL = 2, PL_TRANSFORM = 3, PL_KE = 4, PL_ID = 5, PL_HASH = 8,
	PL_NONCE = 10, PL_NOTIFY = 11, PL_DELETE = 12, PL_VENDOR = 13, PL_ATTR = 14, PL_NAT_D = 20, PL_NAT_OA = 21,
};

enum { EXCH_MAIN = 2, EXCH_INFO = 5, EXCH_TRANSACTION = 6, EXCH_QUICK = 32, FLAG_ENCRYPTED = 1, ISAKMP_VERSION = 0x10, ISAKMP_HEADER = 28 };
enum { NEXT_AT = 16, PAYLOAD_HEADER = 4 };	/* RFC 2408 3.1, 3.2: the first Next Payload */
enum { PROTO_ISAKMP = 1, PROTO_ESP = 3, DOI_IPSEC = 1, SIT_IDENTITY_ONLY = 1, KEY_IKE = 1 };
enum { ESP_DES = 2, ESP_3DES = 3, ESP_AES = 12, ESP_AES_GCM_16 = 20 };	/* RFC 2407 4.4.4; RFC 4106 8.2 */
enum { NOTIFY_INITIAL_CONTACT = 24578 };	/* RFC 2407 4.6.3 */
enum { NOTIFY_ERROR_MAX = 16383, NOTIFY_DPD = 36136, NOTIFY_DPD_ACK = 36137 };	/* RFC 3706 5.4 */
enum { ATTR_SHORT = 0x8000 };

enum {	/* RFC 2409 Appendix A */
	IKE_ATTR_ENC = 1, IKE_ATTR_HASH = 2, IKE_ATTR_AUTH = 3, IKE_ATTR_GROUP = 4, IKE_ATTR_LIFE_TYPE = 11,
	IKE_ATTR_LIFE = 12, IKE_ATTR_KEYLEN = 14,
	IKE_ENC_3DES = 5, IKE_ENC_AES = 7, IKE_HASH_MD5 = 1, IKE_HASH_SHA1 = 2, IKE_HASH_SHA256 = 4,
	IKE_HASH_SHA384 = 5, IKE_HASH_SHA512 = 6, IKE_AUTH_PSK = 1,
	IKE_AUTH_XAUTH_PSK = 65001,	/* draft-beaulieu-ike-xauth 7.2: XAUTHInitPreShared */
	LIFE_SECONDS = 1, LIFE_KILOBYTES = 2,
};

enum {	/* RFC 2407 4.5 */
	ESP_ATTR_LIFE_TYPE = 1, ESP_ATTR_LIFE = 2, ESP_ATTR_GROUP = 3, ESP_ATTR_ENCAP = 4, ESP_ATTR_AUTH = 5,
	ESP_ATTR_KEYLEN = 6,
	ENCAP_TUNNEL = 1, ENCAP_TRANSPORT = 2, ENCAP_UDP_TUNNEL = 3, ENCAP_UDP_TRANSPORT = 4,	/* the last two: RFC 3947 5.1 */
	AUTH_MD5 = 1, AUTH_SHA1 = 2, AUTH_SHA256 = 5, AUTH_SHA384 = 6, AUTH_SHA512 = 7,	/* and RFC 4868 2.7 */
};

/* Of its lifetime in phase 2. */
enum { WINDOWS_KILOBYTES = 250000 };

enum {	/* draft-dukes-ike-mode-cfg 3.2, 3.3; draft-beaulieu-ike-xauth 6.2 */
	CFG_REQUEST = 1, CFG_REPLY = 2, CFG_SET = 3, CFG_ACK = 4,
	CFG_IP4_ADDRESS = 1, CFG_IP4_NETMASK = 2, CFG_IP4_DNS = 3,
	XAUTH_USER_NAME = 16521, XAUTH_USER_PASSWORD = 16522, XAUTH_STATUS = 16527, XAUTH_OK = 1,
};

enum { ID_IPV4 = 1, ID_IPV4_SUBNET = 4, ID_IPV6 = 5, UDP = 17, L2TP_PORT = 1701, IKE_PORT = 500, NATT_PORT = 4500 };

static const uint8_t vid_natt[16] = {	/* RFC 3947 3.1 */
	0x4a, 0x13, 0x1c, 0x81, 0x07, 0x03, 0x58, 0x45, 0x5c, 0x57, 0x28, 0xf2, 0x0e, 0x95, 0x45, 0x2f,
};
static const uint8_t vid_dpd[16] = {	/* RFC 3706 5.1 */
	0xaf, 0xca, 0xd7, 0x13, 0x68, 0xa1, 0xf1, 0xc9, 0x6b, 0x86, 0x96, 0xfc, 0x77, 0x57, 0x01, 0x00,
};

static const uint8_t vid_xauth[8] = {	/* draft-beaulieu-ike-xauth 7 */
	0x09, 0x00, 0x26, 0x89, 0xdf, 0xd6, 0xb7, 0x12,
};

/* What suites are made of: a word, and what goes over the wire for it. */
struct suite_word {
	const char *name;
	uint16_t ours;			/* enum dial_cipher, dial_hash, dial_group, esp_enc_alg, esp_auth_alg */
	uint16_t wire, key_bits;	/* key_bits: 0 where its length is not said */
};

static const struct suite_word ike_ciphers[] = {
	{ "aes256", DIAL_AES256, IKE_ENC_AES, 256 }, { "aes192", DIAL_AES192, IKE_ENC_AES, 192 },
	{ "aes128", DIAL_AES128, IKE_ENC_AES, 128 }, { "3des", DIAL_3DES, IKE_ENC_3DES, 0 },
};
static const struct suite_word ike_hashes[] = {
	{ "sha256", DIAL_SHA256, IKE_HASH_SHA256, 0 }, { "sha1", DIAL_SHA1, IKE_HASH_SHA1, 0 },
	{ "sha384", DIAL_SHA384, IKE_HASH_SHA384, 0 }, { "sha512", DIAL_SHA512, IKE_HASH_SHA512, 0 },
	{ "md5", DIAL_MD5, IKE_HASH_MD5, 0 },
};
static const struct suite_word ike_groups[] = {
	{ "modp2048", DIAL_MODP2048, DIAL_MODP2048, 0 }, { "modp1024", DIAL_MODP1024, DIAL_MODP1024, 0 },
	{ "ecp256", DIAL_ECP256, DIAL_ECP256, 0 }, { "ecp384", DIAL_ECP384, DIAL_ECP384, 0 },
	{ "modp1536", DIAL_MODP1536, DIAL_MODP1536, 0 },
};
/* The words of phase 2; what a client offers and no server should take is IKE_OFFER_ONLY. */
static const struct suite_word esp_ciphers[] = {
	{ "aes256", ESP_AES_CBC_256, ESP_AES, 256 }, { "aes128", ESP_AES_CBC_128, ESP_AES, 128 },
	{ "aes256gcm16", ESP_AES_GCM_256, ESP_AES_GCM_16, 256 }, { "aes128gcm16", ESP_AES_GCM_128, ESP_AES_GCM_16, 128 },
	{ "3des", ESP_3DES_CBC, ESP_3DES, 0 },
	{ "aes192", IKE_OFFER_ONLY, ESP_AES, 192 }, { "des", IKE_OFFER_ONLY, ESP_DES, 0 },
};
enum { GCM_SALT = 4 };			/* bytes of key material behind the key (RFC 4106 8.1) */
static const struct suite_word esp_hashes[] = {
	{ "sha1", ESP_HMAC_SHA1_96, AUTH_SHA1, 20 * 8 }, { "sha256", ESP_HMAC_SHA2_256_128, AUTH_SHA256, 32 * 8 },
	{ "sha384", ESP_HMAC_SHA2_384_192, AUTH_SHA384, 48 * 8 },
	{ "sha512", ESP_HMAC_SHA2_512_256, AUTH_SHA512, 64 * 8 },
	{ "md5", IKE_OFFER_ONLY, AUTH_MD5, 16 * 8 },
};

/* Without a choice: proposals of phase 1 and of phase 2, best first. */
static const struct ike_main_offers main_usual = { 4, {
	{ DIAL_AES256, DIAL_SHA256, 0 }, { DIAL_AES256, DIAL_SHA1, 0 }, { DIAL_AES128, DIAL_SHA256, 0 },
	{ DIAL_AES128, DIAL_SHA1, 0 },
} };
static const struct ike_quick_offers quick_usual = { 4, {
	{ ESP_AES_CBC_256, ESP_HMAC_SHA1_96, { 0, 0 } }, { ESP_AES_CBC_128, ESP_HMAC_SHA1_96, { 1, 0 } },
	{ ESP_AES_CBC_256, ESP_HMAC_SHA2_256_128, { 0, 1 } }, { ESP_AES_CBC_128, ESP_HMAC_SHA2_256_128, { 1, 1 } },
} };

static const struct ike_main_offers *main_offers(const struct ike_conf *c)
{
	return c->main.n ? &c->main : &main_usual;
}

static const struct ike_quick_offers *quick_offers(const struct ike *k)
{
	return k->quick.n ? &k->quick : &quick_usual;
}

static const struct suite_word *word_of(const struct suite_word *w, unsigned n, unsigned ours)
{
	for (unsigned i = 0; i < n; i++)
		if (w[i].ours == ours)
			return &w[i];
	return NULL;
}

#define WORD_OF(table, ours) word_of(table, N_ELEMENTS(table), ours)

/* The word at *at, which ends with `end`: *at moves behind that. */
static const struct suite_word *word_read(const char **at, char end, const struct suite_word *w, unsigned n)
{
	size_t len = strcspn(*at, "-");

	for (unsigned i = 0; i < n; i++) {
		if (strlen(w[i].name) == len && !strncmp(w[i].name, *at, len) && (*at)[len] == end) {
			*at += len + 1;
			return &w[i];
		}
	}
	return NULL;
}

#define WORD_READ(at, end, table) word_read(at, end, table, N_ELEMENTS(table))

static bool main_suite(const char *s, struct ike_main_suite *ret)
{
	const struct suite_word *enc = WORD_READ(&s, '-', ike_ciphers);
	const struct suite_word *hash = enc ? WORD_READ(&s, '-', ike_hashes) : NULL;
	const struct suite_word *group = hash ? WORD_READ(&s, '\0', ike_groups) : NULL;

	if (!group)
		return false;
	*ret = (struct ike_main_suite){ (uint8_t)enc->ours, (uint8_t)hash->ours, (uint8_t)group->ours };
	return true;
}

static bool quick_suite(const char *s, struct ike_quick_suite *ret)
{
	const struct suite_word *aead = WORD_READ(&s, '\0', esp_ciphers);
	const struct suite_word *enc = aead ? NULL : WORD_READ(&s, '-', esp_ciphers);
	const struct suite_word *hash = enc ? WORD_READ(&s, '\0', esp_hashes) : NULL;

	if (aead && aead->wire == ESP_AES_GCM_16)
		*ret = (struct ike_quick_suite){ (uint8_t)aead->ours, ESP_AUTH_IN_ENC,
			{ (uint8_t)(aead - esp_ciphers), 0 } };
	else if (hash && enc->wire != ESP_AES_GCM_16)
		*ret = (struct ike_quick_suite){ (uint8_t)enc->ours, (uint8_t)hash->ours,
			{ (uint8_t)(enc - esp_ciphers), (uint8_t)(hash - esp_hashes) } };
	else
		return false;
	return true;
}

/* One of a list: *at moves behind its comma, or becomes NULL. */
static bool list_next(const char **at, char word[static IKE_SUITE_LEN])
{
	size_t len = strcspn(*at, ",");

	if (len >= IKE_SUITE_LEN)
		return false;
	memcpy(word, *at, len);
	word[len] = '\0';
	*at = (*at)[len] ? *at + len + 1 : NULL;
	return true;
}

bool ike_main_offers_parse(const char *s, struct ike_main_offers *ret)
{
	char word[IKE_SUITE_LEN];

	ret->n = 0;
	do {
		if (ret->n == IKE_OFFERS_MAX || !list_next(&s, word) || !main_suite(word, &ret->s[ret->n]))
			return false;
		ret->n++;
	} while (s);
	return true;
}

bool ike_quick_offers_parse(const char *s, struct ike_quick_offers *ret)
{
	char word[IKE_SUITE_LEN];

	ret->n = 0;
	do {
		if (ret->n == IKE_OFFERS_MAX || !list_next(&s, word) || !quick_suite(word, &ret->s[ret->n]))
			return false;
		ret->n++;
	} while (s);
	return true;
}

int ike_manner_parse(const char *s)
{
	static const char *const names[] = {
		[IKE_MANNER_OWN] = "own", [IKE_MANNER_RACOON] = "racoon", [IKE_MANNER_WINDOWS] = "windows",
	};

	for (unsigned i = 0; i < N_ELEMENTS(names); i++)
		if (!strcmp(s, names[i]))
			return (int)i;
	return -1;
}

uint8_t ike_group_parse(const char *s)
{
	const struct suite_word *w = WORD_READ(&s, '\0', ike_groups);

	return w ? (uint8_t)w->ours : 0;
}

void ike_out_init(struct ike_out *o)
{
	o->n = 0;
	o->w = wr_of(o->buf, sizeof(o->buf));
}

static void effect(struct ike_out *o, enum ike_effect_type type)
{
	if (o->n < IKE_EFFECTS_MAX)
		o->eff[o->n++] = (struct ike_effect){ .type = type };
}

static void gone(struct ike *k, struct ike_out *o, const char *reason)
{
	if (k->state == IKE_GONE)
		return;
	str_copy(k->reason, sizeof(k->reason), reason);
	k->state = IKE_GONE;
	k->timer_ms = IKE_NEVER;
	effect(o, IKE_EFF_GONE);
}

/* ---- writing ---- */

/* A message that is written: each payload's type goes to where the one before it has its Next Payload. */
struct build {
	struct wr w;
	size_t next_at, from;
};

static void build_start(struct build *b, const struct ike *k, uint8_t *buf, unsigned exchange, uint32_t mid)
{
	b->w = wr_of(buf, IKE_MESSAGE_MAX);
	wr_bytes(&b->w, k->cky_i, 8);
	wr_bytes(&b->w, k->cky_r, 8);
	b->next_at = b->w.len;
	wr_u8(&b->w, PL_NONE);
	wr_u8(&b->w, ISAKMP_VERSION);
	wr_u8(&b->w, (uint8_t)exchange);
	wr_u8(&b->w, 0);
	wr_u32(&b->w, mid);
	wr_u32(&b->w, 0);
}

static void payload(struct build *b, unsigned type)
{
	if (!b->w.bad)
		b->w.p[b->next_at] = (uint8_t)type;
	b->next_at = b->from = b->w.len;
	wr_u16(&b->w, 0);
	wr_u16(&b->w, 0);
}

static void payload_end(struct build *b)
{
	wr_close16(&b->w, b->from + 2, b->from, 0);
}

static void payload_bytes(struct build *b, unsigned type, const void *p, size_t n)
{
	payload(b, type);
	wr_bytes(&b->w, p, n);
	payload_end(b);
}

/* What was written since offset `from`. */
static struct rd written(const struct build *b, size_t from)
{
	struct rd r = rd_of(b->w.p, b->w.bad ? 0 : b->w.len);

	rd_skip(&r, from);
	return r;
}

/* Flags and Length, which are known last. */
static void build_end(struct build *b, unsigned flags)
{
	struct wr tail = wr_of(b->w.p, b->w.cap);

	if (b->w.bad)
		return;
	(void)wr_room(&tail, 19);
	wr_u8(&tail, (uint8_t)flags);
	(void)wr_room(&tail, 4);
	wr_u32(&tail, (uint32_t)b->w.len);
}

/* A test may change the payloads from `from` on; next_at: where the type of the first of them stands. */
static void altered(const struct ike *k, struct build *b, size_t next_at, size_t from)
{
	if (k->alter && !b->w.bad)
		b->w.len = from + k->alter(k->alter_arg, b->w.p + next_at, b->w.p + from, b->w.len - from,
			b->w.cap - DIAL_BLOCK - from);
}

/* Encrypt all behind the header; iv moves on. */
static bool build_encrypt(struct build *b, const struct ike *k, uint8_t iv[static DIAL_BLOCK])
{
	static const uint8_t zero[DIAL_BLOCK];
	size_t block = dial_block_len(k->cipher);

	wr_bytes(&b->w, zero, (block - (b->w.len - ISAKMP_HEADER) % block) % block);
	build_end(b, FLAG_ENCRYPTED);
	return !b->w.bad &&
		dial_cbc(true, k->cipher, k->key, iv, b->w.p + ISAKMP_HEADER, b->w.len - ISAKMP_HEADER);
}

static void emit(struct ike_out *o, const uint8_t *p, size_t n, bool natt)
{
	uint8_t *at = wr_room(&o->w, n);

	if (!at || o->n == IKE_EFFECTS_MAX)
		return;
	memcpy(at, p, n);
	o->eff[o->n++] = (struct ike_effect){ .type = IKE_EFF_SEND, .natt = natt, .data = at, .len = n };
}

/* Send what was built in k->last and repeat it until an answer comes. */
static void send_last(struct ike *k, const struct build *b, uint64_t now_ms, struct ike_out *o)
{
	k->last_len = b->w.len;
	k->last_natt = k->natt;
	k->tries = 0;
	k->wait_ms = k->conf->retransmit_ms;
	k->timer_ms = now_ms + k->wait_ms;
	emit(o, k->last, k->last_len, k->last_natt);
}

static void attr(struct wr *w, unsigned type, uint16_t value)
{
	wr_u16(w, (uint16_t)(ATTR_SHORT | type));
	wr_u16(w, value);
}

static void attr_life(struct wr *w, unsigned type, unsigned value_type, unsigned unit, uint32_t n, bool brief)
{
	attr(w, type, (uint16_t)unit);
	if (brief && n <= UINT16_MAX) {
		attr(w, value_type, (uint16_t)n);
		return;
	}
	wr_u16(w, (uint16_t)value_type);
	wr_u16(w, 4);
	wr_u32(w, n);
}

/* A proposal's header up to its transforms; what it returns goes to wr_close16(). */
static size_t proposal_open(struct wr *w, unsigned i, unsigned n, unsigned proto, unsigned spi_size, uint32_t spi,
	unsigned transforms)
{
	size_t from = w->len;

	wr_u16(w, (uint16_t)((i + 1 < n ? PL_PROPOSAL : PL_NONE) << 8));
	wr_u16(w, 0);
	wr_u8(w, (uint8_t)(i + 1));
	wr_u8(w, (uint8_t)proto);
	wr_u8(w, (uint8_t)spi_size);
	wr_u8(w, (uint8_t)transforms);
	if (spi_size)
		wr_u32(w, spi);
	return from;
}

static size_t transform_open(struct wr *w, unsigned i, unsigned n, unsigned id)
{
	size_t from = w->len;

	wr_u16(w, (uint16_t)((i + 1 < n ? PL_TRANSFORM : PL_NONE) << 8));
	wr_u16(w, 0);
	wr_u8(w, (uint8_t)(i + 1));
	wr_u8(w, (uint8_t)id);
	wr_u16(w, 0);
	return from;
}

/* The group of an offer. */
static unsigned group_of(const struct ike_conf *c, const struct ike_main_suite *offer)
{
	unsigned open = c->main_group ? c->main_group : DIAL_MODP2048;

	return offer->group ? offer->group : open;
}

static uint16_t auth_method(const struct ike *k)
{
	return k->ends.user ? IKE_AUTH_XAUTH_PSK : IKE_AUTH_PSK;
}

static void main_sa(struct wr *w, const struct ike *k)
{
	const struct ike_conf *c = k->conf;
	const struct ike_main_offers *offer = main_offers(c);
	size_t from;

	wr_u32(w, DOI_IPSEC);
	wr_u32(w, SIT_IDENTITY_ONLY);
	from = proposal_open(w, 0, 1, PROTO_ISAKMP, 0, 0, offer->n);
	for (unsigned i = 0; i < offer->n; i++) {
		const struct suite_word *enc = WORD_OF(ike_ciphers, offer->s[i].cipher);
		size_t t = transform_open(w, i, offer->n, KEY_IKE);

		if (c->manner == IKE_MANNER_RACOON)
			attr_life(w, IKE_ATTR_LIFE_TYPE, IKE_ATTR_LIFE, LIFE_SECONDS, c->ike_life_s, false);
		attr(w, IKE_ATTR_ENC, enc->wire);
		if (enc->key_bits)
			attr(w, IKE_ATTR_KEYLEN, enc->key_bits);
		if (c->manner == IKE_MANNER_RACOON)
			attr(w, IKE_ATTR_AUTH, auth_method(k));
		attr(w, IKE_ATTR_HASH, WORD_OF(ike_hashes, offer->s[i].hash)->wire);
		attr(w, IKE_ATTR_GROUP, WORD_OF(ike_groups, group_of(c, &offer->s[i]))->wire);
		if (c->manner != IKE_MANNER_RACOON) {
			attr(w, IKE_ATTR_AUTH, auth_method(k));
			attr_life(w, IKE_ATTR_LIFE_TYPE, IKE_ATTR_LIFE, LIFE_SECONDS, c->ike_life_s, false);
		}
		wr_close16(w, t + 2, t, 0);
	}
	wr_close16(w, from + 2, from, 0);
}

/* 0: not said, since the cipher brings it along. */
static unsigned auth_wire(const struct ike_quick_suite *s)
{
	return s->auth == ESP_AUTH_IN_ENC ? 0 : esp_hashes[s->word[1]].wire;
}

static uint16_t encap_of(const struct ike *k)
{
	if (k->ends.user)
		return k->natt ? ENCAP_UDP_TUNNEL : ENCAP_TUNNEL;
	return k->natt ? ENCAP_UDP_TRANSPORT : ENCAP_TRANSPORT;
}

static void quick_transform(struct wr *w, const struct ike *k, unsigned i, unsigned n, const struct ike_quick_suite *s)
{
	const struct suite_word *enc = &esp_ciphers[s->word[0]];
	bool windows = k->conf->manner == IKE_MANNER_WINDOWS;
	size_t t = transform_open(w, i, n, enc->wire);

	if (!windows)
		attr_life(w, ESP_ATTR_LIFE_TYPE, ESP_ATTR_LIFE, LIFE_SECONDS, k->conf->esp_life_s,
			k->conf->manner == IKE_MANNER_RACOON);
	attr(w, ESP_ATTR_ENCAP, encap_of(k));
	if (enc->key_bits)
		attr(w, ESP_ATTR_KEYLEN, enc->key_bits);
	if (auth_wire(s))
		attr(w, ESP_ATTR_AUTH, (uint16_t)auth_wire(s));
	if (windows) {
		attr_life(w, ESP_ATTR_LIFE_TYPE, ESP_ATTR_LIFE, LIFE_SECONDS, k->conf->esp_life_s, false);
		attr_life(w, ESP_ATTR_LIFE_TYPE, ESP_ATTR_LIFE, LIFE_KILOBYTES, WINDOWS_KILOBYTES, false);
	}
	if (k->conf->quick_group)
		attr(w, ESP_ATTR_GROUP, k->conf->quick_group);
	wr_close16(w, t + 2, t, 0);
}

static void quick_sa(struct wr *w, const struct ike *k)
{
	const struct ike_quick_offers *offer = quick_offers(k);
	unsigned each = k->conf->manner == IKE_MANNER_WINDOWS ? 1 : offer->n;

	wr_u32(w, DOI_IPSEC);
	wr_u32(w, SIT_IDENTITY_ONLY);
	for (unsigned i = 0; i < offer->n; i += each) {
		size_t from = proposal_open(w, i / each, offer->n / each, PROTO_ESP, 4, k->child.spi_in, each);

		for (unsigned t = 0; t < each; t++)
			quick_transform(w, k, t, each, &offer->s[i + t]);
		wr_close16(w, from + 2, from, 0);
	}
}

/* What the peer chose, if we offered it. */
static bool main_chosen(const struct ike_conf *c, unsigned enc, unsigned key_bits, unsigned hash, unsigned group,
	struct ike_main_suite *ret)
{
	const struct ike_main_offers *offer = main_offers(c);

	for (unsigned i = 0; i < offer->n; i++) {
		const struct suite_word *w = WORD_OF(ike_ciphers, offer->s[i].cipher);

		*ret = offer->s[i];
		ret->group = (uint8_t)group_of(c, ret);
		if (enc == w->wire && key_bits == w->key_bits && hash == WORD_OF(ike_hashes, ret->hash)->wire &&
		    group == WORD_OF(ike_groups, ret->group)->wire)
			return true;
	}
	return false;
}

/* And if we can do it. */
static bool quick_chosen(const struct ike *k, unsigned transform, unsigned key_bits, unsigned auth,
	struct ike_quick_suite *ret)
{
	const struct ike_quick_offers *offer = quick_offers(k);

	for (unsigned i = 0; i < offer->n; i++) {
		const struct suite_word *w = &esp_ciphers[offer->s[i].word[0]];

		*ret = offer->s[i];
		if (transform == w->wire && key_bits == w->key_bits && auth == auth_wire(ret))
			return ret->enc != IKE_OFFER_ONLY && ret->auth != IKE_OFFER_ONLY;
	}
	return false;
}

/* ---- reading ---- */

/* Payloads of a message; one that is not there is empty. */
struct message {
	uint8_t exchange;
	bool encrypted;
	uint32_t mid;
	struct rd sa, ke, nonce, id[2], hash, nat_d[3], notify, delete, attr;
	unsigned n_id, n_nat_d;
	struct rd after_hash;		/* what a phase 2 HASH covers; padding is not in it */
};

/* The payload that r stands at: *type is the next one's afterwards. */
static bool payload_next(struct rd *r, uint8_t *type, struct rd *ret)
{
	uint16_t len;

	*type = rd_u8(r);
	rd_skip(r, 1);
	len = rd_u16(r);
	if (len < 4)
		rd_fail(r);
	*ret = rd_sub(r, len - 4u);
	return !r->bad;
}

static bool payloads(struct rd r, uint8_t type, struct message *m)
{
	bool hashed = false;

	while (type != PL_NONE) {
		uint8_t this = type;
		struct rd body;

		if (!payload_next(&r, &type, &body))
			return false;
		switch (this) {
		case PL_SA:
			m->sa = body;
			break;
		case PL_KE:
			m->ke = body;
			break;
		case PL_ID:
			if (m->n_id < N_ELEMENTS(m->id))
				m->id[m->n_id++] = body;
			break;
		case PL_HASH:
			m->hash = body;
			m->after_hash = r;
			hashed = true;
			break;
		case PL_NONCE:
			m->nonce = body;
			break;
		case PL_NAT_D:
			if (m->n_nat_d < N_ELEMENTS(m->nat_d))
				m->nat_d[m->n_nat_d++] = body;
			break;
		case PL_NOTIFY:
			m->notify = body;
			break;
		case PL_DELETE:
			m->delete = body;
			break;
		case PL_ATTR:
			m->attr = body;
			break;
		default:
			break;
		}
	}
	if (hashed)
		m->after_hash = rd_of(m->after_hash.p, m->after_hash.n - r.n);
	return true;
}

/* What the peer chose of one of our SAs; 0 where it did not say. */
struct choice {
	uint32_t spi;
	uint16_t enc, key_bits, hash, group, auth, encap;
	uint8_t transform;
};

static bool choice_read(struct rd r, bool esp, struct choice *c)
{
	struct rd proposal, transform;
	uint8_t next = PL_PROPOSAL, proto, spi_size, n;

	*c = (struct choice){ 0 };
	rd_skip(&r, 8);
	if (!payload_next(&r, &next, &proposal))
		return false;
	rd_skip(&proposal, 1);
	proto = rd_u8(&proposal);
	spi_size = rd_u8(&proposal);
	n = rd_u8(&proposal);
	if (esp && spi_size == 4)
		c->spi = rd_u32(&proposal);
	else
		rd_skip(&proposal, spi_size);
	if (proto != (esp ? PROTO_ESP : PROTO_ISAKMP) || n != 1 || !payload_next(&proposal, &next, &transform))
		return false;
	rd_skip(&transform, 1);
	c->transform = rd_u8(&transform);
	rd_skip(&transform, 2);
	while (transform.n && !transform.bad) {
		uint16_t type = rd_u16(&transform), value = rd_u16(&transform);

		if (!(type & ATTR_SHORT)) {
			rd_skip(&transform, value);
			continue;
		}
		type &= (uint16_t)~ATTR_SHORT;
		if (type == (esp ? ESP_ATTR_KEYLEN : IKE_ATTR_KEYLEN))
			c->key_bits = value;
		else if (type == (esp ? ESP_ATTR_AUTH : IKE_ATTR_AUTH))
			c->auth = value;
		else if (esp && type == ESP_ATTR_ENCAP)
			c->encap = value;
		else if (!esp && type == IKE_ATTR_ENC)
			c->enc = value;
		else if (!esp && type == IKE_ATTR_HASH)
			c->hash = value;
		else if (type == (esp ? ESP_ATTR_GROUP : IKE_ATTR_GROUP))
			c->group = value;
	}
	return !transform.bad && (!esp || c->spi);
}

/* ---- keys ---- */

/* prf with one of the SKEYIDs. */
static bool prf(const struct ike *k, const uint8_t *key, const struct rd *part, unsigned n, uint8_t *out)
{
	return dial_prf(k->hash, rd_of(key, dial_hash_len(k->hash)), part, n, out);
}

static void wr_ip(struct wr *w, const struct addr *a)
{
	wr_bytes(w, a->ip, a->family == 6 ? 16 : 4);
}

static bool nat_d(const struct ike *k, const struct addr *ip, uint16_t port, uint8_t out[static DIAL_HASH_MAX])
{
	uint8_t at[18];
	struct wr w = wr_of(at, sizeof(at));
	struct rd part[] = { rd_of(k->cky_i, 8), rd_of(k->cky_r, 8), { 0 } };

	wr_ip(&w, ip);
	wr_u16(&w, port);
	part[2] = rd_of(at, w.len);
	return dial_hash(k->hash, part, N_ELEMENTS(part), out);
}

/* A key pair of the group, the one of all if it fits; its public value goes to gxi. */
static bool dh_make(struct ike *k, enum dial_group group)
{
	const struct dial_dh *dh = k->conf->dh;

	if (!dh || dial_dh_group(dh) != group)
		dh = k->dh = dial_dh_new(group);
	if (dh)
		memcpy(k->gxi, dial_dh_public(dh), dial_group_len(group));
	return dh;
}

/* The peer's value is in gxr; the key pair is done with. 0: it is a bad one. */
static size_t dh_use(struct ike *k, uint8_t gxy[static DIAL_DH_MAX])
{
	size_t n = dial_dh_shared(k->dh ? k->dh : k->conf->dh, k->gxr, gxy);

	dial_dh_free(k->dh);
	k->dh = NULL;
	return n;
}

static struct rd public(const struct ike *k, bool ours)
{
	return rd_of(ours ? k->gxi : k->gxr, dial_group_len(k->group));
}

/* RFC 2409 5, Appendix B: SKEYID and what comes of it, once both nonces and g^xy are known. */
static bool keys_make(struct ike *k, struct rd nr)
{
	size_t n = dial_hash_len(k->hash), key_len = dial_key_len(k->cipher);
	uint8_t gxy[DIAL_DH_MAX], more[2][DIAL_HASH_MAX], skeyid_e[DIAL_HASH_MAX], iv[DIAL_HASH_MAX];
	const uint8_t digit[3] = { 0, 1, 2 };
	struct rd nonces[] = { rd_of(k->ni, sizeof(k->ni)), nr };
	struct rd publics[] = { public(k, true), public(k, false) };
	size_t shared = dh_use(k, gxy);
	struct rd part[] = { rd_of(k->skeyid_d, n), rd_of(gxy, shared), rd_of(k->cky_i, 8), rd_of(k->cky_r, 8), { 0 } };
	bool good;

	good = shared && dial_prf(k->hash, rd_of(k->conf->psk, k->conf->psk_len), nonces, 2, k->skeyid);
	part[4] = rd_of(&digit[0], 1);
	good = good && prf(k, k->skeyid, part + 1, 4, k->skeyid_d);
	part[4] = rd_of(&digit[1], 1);
	good = good && prf(k, k->skeyid, part, 5, k->skeyid_a);
	part[0] = rd_of(k->skeyid_a, n);
	part[4] = rd_of(&digit[2], 1);
	good = good && prf(k, k->skeyid, part, 5, skeyid_e) && dial_hash(k->hash, publics, 2, iv);
	memcpy(k->iv, iv, sizeof(k->iv));
	if (good && n >= key_len) {
		memcpy(k->key, skeyid_e, key_len);
	} else if (good) {		/* Appendix B: the key is longer than one output */
		struct rd zero = rd_of(&digit[0], 1), first = rd_of(more[0], n);

		good = prf(k, skeyid_e, &zero, 1, more[0]) && prf(k, skeyid_e, &first, 1, more[1]);
		memcpy(k->key, more[0], n);
		memcpy(k->key + n, more[1], key_len - n);
	}
	OPENSSL_cleanse(gxy, sizeof(gxy));
	OPENSSL_cleanse(skeyid_e, sizeof(skeyid_e));
	OPENSSL_cleanse(more, sizeof(more));
	return good;
}

/* HASH_I and HASH_R (5.4): each over its own side's values. */
static bool phase1_hash(const struct ike *k, bool ours, struct rd id, uint8_t out[static DIAL_HASH_MAX])
{
	struct rd part[] = {
		public(k, ours), public(k, !ours),
		rd_of(ours ? k->cky_i : k->cky_r, 8), rd_of(ours ? k->cky_r : k->cky_i, 8),
		rd_of(k->sa, k->sa_len), id,
	};

	return prf(k, k->skeyid, part, N_ELEMENTS(part), out);
}

/* Appendix B: what the first message of a phase 2 exchange is encrypted with. */
static bool phase2_iv(const struct ike *k, uint32_t mid, uint8_t iv[static DIAL_BLOCK])
{
	uint8_t id[4], out[DIAL_HASH_MAX];
	struct wr w = wr_of(id, sizeof(id));
	struct rd part[] = { rd_of(k->iv, dial_block_len(k->cipher)), rd_of(id, sizeof(id)) };

	wr_u32(&w, mid);
	if (!dial_hash(k->hash, part, N_ELEMENTS(part), out))
		return false;
	memcpy(iv, out, DIAL_BLOCK);
	return true;
}

/* HASH(1), HASH(2) and HASH(3) of 5.5, and that of 5.7: M-ID and what comes with it. */
static bool phase2_hash(const struct ike *k, uint32_t mid, const struct rd *before, struct rd a,
	struct rd b, uint8_t out[static DIAL_HASH_MAX])
{
	uint8_t id[4];
	struct wr w = wr_of(id, sizeof(id));
	struct rd part[4] = { { 0 } };
	unsigned n = 0;

	wr_u32(&w, mid);
	if (before)
		part[n++] = *before;
	part[n++] = rd_of(id, sizeof(id));
	part[n++] = a;
	part[n++] = b;
	return prf(k, k->skeyid_a, part, n, out);
}

static bool hash_right(const struct ike *k, struct rd got, const uint8_t *want)
{
	size_t n = dial_hash_len(k->hash);

	return got.n == n && !CRYPTO_memcmp(got.p, want, n);
}

/* KEYMAT of one direction (5.5): key of the cipher, then of the ICV. gxy: empty without PFS. */
static bool child_keys(const struct ike *k, struct rd gxy, uint32_t spi, struct rd nr, uint8_t *enc, uint8_t *auth)
{
	size_t n = dial_hash_len(k->hash), have = 0;
	size_t want = (size_t)k->child.enc_len + k->child.auth_len;
	uint8_t head[5], block[DIAL_HASH_MAX], mat[36 + 64 + DIAL_HASH_MAX];
	struct wr w = wr_of(head, sizeof(head));
	struct rd part[] = { rd_of(block, n), gxy, rd_of(head, sizeof(head)), rd_of(k->qni, sizeof(k->qni)), nr };
	bool good = true;

	wr_u8(&w, PROTO_ESP);
	wr_u32(&w, spi);
	for (; good && have < want; have += n) {
		good = have ? prf(k, k->skeyid_d, part, 5, block) : prf(k, k->skeyid_d, part + 1, 4, block);
		memcpy(mat + have, block, n);
	}
	if (good) {
		memcpy(enc, mat, k->child.enc_len);
		memcpy(auth, mat + k->child.enc_len, k->child.auth_len);
	}
	OPENSSL_cleanse(mat, sizeof(mat));
	OPENSSL_cleanse(block, sizeof(block));
	return good;
}

/* ---- Main Mode ---- */

/* HASH_I covers the SA payload as it was sent, whoever changed it. */
static void sa_said(struct ike *k, const struct build *b)
{
	struct rd r = written(b, ISAKMP_HEADER), sa;
	uint8_t type = PL_SA;

	if (k->alter && payload_next(&r, &type, &sa) && sa.n <= sizeof(k->sa)) {
		memcpy(k->sa, sa.p, sa.n);
		k->sa_len = sa.n;
	}
}

void ike_start(struct ike *k, uint64_t now_ms, struct ike_out *o)
{
	struct wr sa = wr_of(k->sa, sizeof(k->sa));
	struct build b;

	if (k->state != IKE_IDLE)
		return;
	do
		rng_bytes(&k->rng, k->cky_i, sizeof(k->cky_i));
	while (!memcmp(k->cky_i, k->cky_r, 8));		/* all zero means: none */
	main_sa(&sa, k);
	k->sa_len = sa.len;
	build_start(&b, k, k->last, EXCH_MAIN, 0);
	payload_bytes(&b, PL_SA, k->sa, k->sa_len);
	payload_bytes(&b, PL_VENDOR, vid_natt, sizeof(vid_natt));
	if (k->conf->manner != IKE_MANNER_WINDOWS)
		payload_bytes(&b, PL_VENDOR, vid_dpd, sizeof(vid_dpd));
	if (k->ends.user)
		payload_bytes(&b, PL_VENDOR, vid_xauth, sizeof(vid_xauth));
	altered(k, &b, NEXT_AT, ISAKMP_HEADER);
	sa_said(k, &b);
	build_end(&b, 0);
	k->state = IKE_MM1;
	send_last(k, &b, now_ms, o);
}

static void mm2(struct ike *k, const struct message *m, uint64_t now_ms, struct ike_out *o)
{
	uint8_t hash[DIAL_HASH_MAX];
	struct ike_main_suite suite;
	struct choice c;
	struct build b;

	if (!choice_read(m->sa, false, &c) || c.auth != auth_method(k) ||
	    !main_chosen(k->conf, c.enc, c.key_bits, c.hash, c.group, &suite)) {
		gone(k, o, "the peer chose what was not offered");
		return;
	}
	k->hash = suite.hash;
	k->cipher = suite.cipher;
	k->group = suite.group;
	snprintf(k->main_text, sizeof(k->main_text), "%s-%s-%s", WORD_OF(ike_ciphers, suite.cipher)->name,
		WORD_OF(ike_hashes, suite.hash)->name, WORD_OF(ike_groups, suite.group)->name);
	if (!dh_make(k, suite.group)) {
		gone(k, o, "no DH key");
		return;
	}
	rng_bytes(&k->rng, k->ni, sizeof(k->ni));
	build_start(&b, k, k->last, EXCH_MAIN, 0);
	payload_bytes(&b, PL_KE, k->gxi, dial_group_len(k->group));
	payload_bytes(&b, PL_NONCE, k->ni, sizeof(k->ni));
	/* RFC 3947 3.2: of the destination first, then of the source. */
	if (!nat_d(k, &k->ends.peer, k->ends.natt ? NATT_PORT : IKE_PORT, hash))
		b.w.bad = true;
	payload_bytes(&b, PL_NAT_D, hash, dial_hash_len(k->hash));
	if (!nat_d(k, &k->ends.id, k->ends.port, hash))
		b.w.bad = true;
	if (k->conf->force_natt)
		rng_bytes(&k->rng, hash, sizeof(hash));
	payload_bytes(&b, PL_NAT_D, hash, dial_hash_len(k->hash));
	altered(k, &b, NEXT_AT, ISAKMP_HEADER);
	build_end(&b, 0);
	if (b.w.bad) {
		gone(k, o, "MM3 cannot be made");
		return;
	}
	k->state = IKE_MM3;
	send_last(k, &b, now_ms, o);
}

/* Does NAT-D say that our address, or all of the peer's, was changed on the way? */
static bool behind_nat(const struct ike *k, const struct message *m)
{
	uint8_t us[DIAL_HASH_MAX], them[DIAL_HASH_MAX];
	bool nat = true;

	if (!nat_d(k, &k->ends.id, k->ends.port, us) || !nat_d(k, &k->ends.peer, k->ends.natt ? NATT_PORT : IKE_PORT, them))
		return false;
	if (!hash_right(k, m->nat_d[0], us))
		return true;
	for (unsigned i = 1; i < m->n_nat_d; i++)
		nat &= !hash_right(k, m->nat_d[i], them);
	return nat;
}

static uint8_t id_type(const struct addr *a)
{
	return a->family == 6 ? ID_IPV6 : ID_IPV4;
}

static void mm4(struct ike *k, const struct message *m, uint64_t now_ms, struct ike_out *o)
{
	uint8_t id[20], hash[DIAL_HASH_MAX];
	struct wr w = wr_of(id, sizeof(id));
	struct build b;

	if (m->ke.n != dial_group_len(k->group) || m->nonce.n < 8 || m->nonce.n > 256) {
		k->dropped++;
		return;
	}
	if (m->n_nat_d < 2) {
		gone(k, o, "the peer has no NAT traversal");
		return;
	}
	memcpy(k->gxr, m->ke.p, m->ke.n);
	if (!keys_make(k, m->nonce)) {
		gone(k, o, "bad DH value");
		return;
	}
	k->natt = k->conf->force_natt || behind_nat(k, m);
	if (!k->natt && !k->conf->raw_esp) {
		gone(k, o, "no NAT between us: the peer wants raw ESP");
		return;
	}
	wr_u8(&w, id_type(&k->ends.id));	/* RFC 2407 4.6.2; protocol and port 0 in phase 1 */
	wr_u8(&w, 0);
	wr_u16(&w, 0);
	wr_ip(&w, &k->ends.id);
	build_start(&b, k, k->last, EXCH_MAIN, 0);
	payload_bytes(&b, PL_ID, id, w.len);
	if (!phase1_hash(k, true, rd_of(id, w.len), hash))
		b.w.bad = true;
	payload_bytes(&b, PL_HASH, hash, dial_hash_len(k->hash));
	if (k->conf->initial_contact) {
		payload(&b, PL_NOTIFY);
		wr_u32(&b.w, DOI_IPSEC);
		wr_u8(&b.w, PROTO_ISAKMP);
		wr_u8(&b.w, 16);
		wr_u16(&b.w, NOTIFY_INITIAL_CONTACT);
		wr_bytes(&b.w, k->cky_i, 8);
		wr_bytes(&b.w, k->cky_r, 8);
		payload_end(&b);
	}
	altered(k, &b, NEXT_AT, ISAKMP_HEADER);
	if (!build_encrypt(&b, k, k->iv)) {
		gone(k, o, "MM5 cannot be made");
		return;
	}
	k->state = IKE_MM5;
	send_last(k, &b, now_ms, o);
}

/* ---- Quick Mode ---- */

/* All of IPv4 from our address of the tunnel, to anywhere. */
static void wr_tunnel_ids(struct build *b, const struct ike *k)
{
	payload(b, PL_ID);
	wr_u32(&b->w, (uint32_t)ID_IPV4 << 24);
	wr_u32(&b->w, k->ip);
	payload_end(b);
	payload(b, PL_ID);
	wr_u32(&b->w, (uint32_t)ID_IPV4_SUBNET << 24);
	wr_u32(&b->w, 0);
	wr_u32(&b->w, 0);
	payload_end(b);
}

static void wr_id(struct build *b, const struct addr *a)
{
	payload(b, PL_ID);
	wr_u8(&b->w, id_type(a));
	wr_u8(&b->w, UDP);
	wr_u16(&b->w, L2TP_PORT);
	wr_ip(&b->w, a);
	payload_end(b);
}

static void wr_nat_oa(struct build *b, const struct addr *a)
{
	payload(b, PL_NAT_OA);
	wr_u32(&b->w, (uint32_t)id_type(a) << 24);
	wr_ip(&b->w, a);
	payload_end(b);
}

/* A HASH payload whose bytes are filled in later: returns where they stand. */
static size_t hash_open(struct build *b, const struct ike *k)
{
	static const uint8_t zero[DIAL_HASH_MAX];

	payload_bytes(b, PL_HASH, zero, dial_hash_len(k->hash));
	return b->w.len - dial_hash_len(k->hash);
}

static void hash_fill(struct build *b, const struct ike *k, size_t at, const uint8_t *hash)
{
	if (!b->w.bad)
		memcpy(b->w.p + at, hash, dial_hash_len(k->hash));
}

static void qm1(struct ike *k, uint64_t now_ms, struct ike_out *o)
{
	enum dial_group pfs = k->conf->quick_group;
	uint8_t hash[DIAL_HASH_MAX];
	struct build b;
	size_t at, body;

	do
		k->mid = rng_u32(&k->rng);
	while (!k->mid);
	do
		k->child.spi_in = rng_u32(&k->rng);
	while (k->child.spi_in < 256);		/* RFC 4303 2.1: reserved */
	rng_bytes(&k->rng, k->qni, sizeof(k->qni));
	build_start(&b, k, k->last, EXCH_QUICK, k->mid);
	at = hash_open(&b, k);
	body = b.w.len;
	payload(&b, PL_SA);
	quick_sa(&b.w, k);
	payload_end(&b);
	payload_bytes(&b, PL_NONCE, k->qni, sizeof(k->qni));
	if (pfs) {
		b.w.bad |= !dh_make(k, pfs);
		payload_bytes(&b, PL_KE, k->gxi, dial_group_len(pfs));
	}
	if (k->ends.user) {
		wr_tunnel_ids(&b, k);
	} else {
		wr_id(&b, &k->ends.id);
		wr_id(&b, &k->ends.peer);
	}
	if (k->natt && !k->ends.user) {
		wr_nat_oa(&b, &k->ends.id);
		wr_nat_oa(&b, &k->ends.peer);
	}
	altered(k, &b, at - PAYLOAD_HEADER, body);
	if (!phase2_hash(k, k->mid, NULL, written(&b, body), rd_of(NULL, 0), hash))
		b.w.bad = true;
	hash_fill(&b, k, at, hash);
	if (!phase2_iv(k, k->mid, k->qm_iv) || !build_encrypt(&b, k, k->qm_iv)) {
		gone(k, o, "QM1 cannot be made");
		return;
	}
	k->state = IKE_QM1;
	send_last(k, &b, now_ms, o);
}

static void mm6(struct ike *k, const struct message *m, uint64_t now_ms, struct ike_out *o)
{
	uint8_t want[DIAL_HASH_MAX];

	if (!m->n_id || !phase1_hash(k, false, m->id[0], want) || !hash_right(k, m->hash, want)) {
		gone(k, o, "the peer's hash is wrong: not the same pre-shared key?");
		return;
	}
	k->secured = true;
	effect(o, IKE_EFF_SECURED);
	if (k->ends.user && k->conf->skip_login)
		k->ip = k->ends.id.family == 4 ? addr_v4_of(&k->ends.id) : 0x0a000001;
	if (k->ends.user && !k->conf->skip_login) {
		/* It asks; the owner's patience is the limit. */
		k->state = IKE_XAUTH;
		k->timer_ms = IKE_NEVER;
	} else {
		qm1(k, now_ms, o);
	}
}

/* ---- XAuth and Mode Config ---- */

/* A whole message of an exchange: HASH, and attributes that the caller writes between these two. */
static void cfg_open(struct build *b, const struct ike *k, uint8_t *buf, uint32_t mid, unsigned type, uint16_t id,
	size_t *ret_hash, size_t *ret_body)
{
	build_start(b, k, buf, EXCH_TRANSACTION, mid);
	*ret_hash = hash_open(b, k);
	*ret_body = b->w.len;
	payload(b, PL_ATTR);
	wr_u8(&b->w, (uint8_t)type);
	wr_u8(&b->w, 0);
	wr_u16(&b->w, id);
}

static bool cfg_close(struct build *b, const struct ike *k, uint32_t mid, size_t hash_at, size_t body,
	uint8_t iv[static DIAL_BLOCK])
{
	uint8_t hash[DIAL_HASH_MAX];

	payload_end(b);
	if (!phase2_hash(k, mid, NULL, written(b, body), rd_of(NULL, 0), hash))
		return false;
	hash_fill(b, k, hash_at, hash);
	return build_encrypt(b, k, iv);
}

static void attr_text(struct wr *w, unsigned type, const char *text)
{
	wr_u16(w, (uint16_t)type);
	wr_u16(w, (uint16_t)strlen(text));
	wr_bytes(w, text, strlen(text));
}

static void cfg1(struct ike *k, uint64_t now_ms, struct ike_out *o)
{
	static const uint16_t wanted[] = { CFG_IP4_ADDRESS, CFG_IP4_NETMASK, CFG_IP4_DNS };
	struct build b;
	size_t at, body;

	do
		k->mid = rng_u32(&k->rng);
	while (!k->mid);
	cfg_open(&b, k, k->last, k->mid, CFG_REQUEST, 1, &at, &body);
	for (unsigned i = 0; i < N_ELEMENTS(wanted); i++) {
		wr_u16(&b.w, wanted[i]);
		wr_u16(&b.w, 0);
	}
	if (!phase2_iv(k, k->mid, k->qm_iv) || !cfg_close(&b, k, k->mid, at, body, k->qm_iv)) {
		gone(k, o, "the request for an address cannot be made");
		return;
	}
	k->state = IKE_CFG1;
	send_last(k, &b, now_ms, o);
}

/* One attribute; false: there is none any more, or r is bad. */
static bool attr_next(struct rd *r, uint16_t *type, uint16_t *brief, struct rd *value)
{
	*type = rd_u16(r);
	*brief = rd_u16(r);
	*value = rd_of(NULL, 0);
	if (!(*type & ATTR_SHORT))
		*value = rd_sub(r, *brief);
	*type &= (uint16_t)~ATTR_SHORT;
	return !r->bad;
}

/* The peer asks, or tells; iv: what its message left. */
static void asked(struct ike *k, const struct message *m, uint8_t iv[static DIAL_BLOCK], uint64_t now_ms, struct ike_out *o)
{
	struct rd r = m->attr, value;
	uint8_t cfg = rd_u8(&r);
	uint16_t id, type, brief;
	int status = -1;
	struct build b;
	size_t at, body;

	rd_skip(&r, 1);
	id = rd_u16(&r);
	if (r.bad || (cfg != CFG_REQUEST && cfg != CFG_SET)) {
		k->dropped++;
		return;
	}
	cfg_open(&b, k, k->answer, m->mid, cfg == CFG_REQUEST ? CFG_REPLY : CFG_ACK, id, &at, &body);
	while (r.n && attr_next(&r, &type, &brief, &value)) {
		if (cfg == CFG_REQUEST && type == XAUTH_USER_NAME)
			attr_text(&b.w, type, k->ends.user);
		else if (cfg == CFG_REQUEST && type == XAUTH_USER_PASSWORD)
			attr_text(&b.w, type, k->ends.password);
		else if (cfg == CFG_SET && type == XAUTH_STATUS) {
			status = brief;
			attr_text(&b.w, type, "");
		}
	}
	if (r.bad || !cfg_close(&b, k, m->mid, at, body, iv)) {
		k->dropped++;
		return;
	}
	k->asked_mid = m->mid;
	k->answer_len = b.w.len;
	emit(o, k->answer, k->answer_len, k->natt);
	if (status == XAUTH_OK)
		cfg1(k, now_ms, o);
	else if (status >= 0)
		gone(k, o, "authentication failed");
}

/* The answer to cfg1(). */
static void cfg2(struct ike *k, const struct message *m, uint64_t now_ms, struct ike_out *o)
{
	struct rd r = m->attr, value;
	uint8_t cfg = rd_u8(&r);
	uint16_t type, brief;

	rd_skip(&r, 3);
	while (r.n && attr_next(&r, &type, &brief, &value))
		if (type == CFG_IP4_ADDRESS && value.n == 4)
			k->ip = rd_u32(&value);
	if (r.bad || cfg != CFG_REPLY || !k->ip)
		gone(k, o, "the peer gives no address");
	else
		qm1(k, now_ms, o);
}

static void qm2(struct ike *k, const struct message *m, const uint8_t iv[static DIAL_BLOCK], uint64_t now_ms,
	struct ike_out *o)
{
	uint8_t hash[DIAL_HASH_MAX], gxy[DIAL_DH_MAX];
	enum dial_group pfs = k->conf->quick_group;
	struct rd ni = rd_of(k->qni, sizeof(k->qni)), zero = rd_of("", 1), shared = rd_of(gxy, 0);
	struct ike_quick_suite suite;
	struct choice c;
	struct build b;
	size_t at;

	if (!phase2_hash(k, k->mid, NULL, ni, m->after_hash, hash) || !hash_right(k, m->hash, hash)) {
		k->dropped++;
		return;
	}
	memcpy(k->qm_iv, iv, DIAL_BLOCK);
	if (!choice_read(m->sa, true, &c) || !quick_chosen(k, c.transform, c.key_bits, c.auth, &suite) ||
	    c.encap != encap_of(k) || c.group != pfs || m->nonce.n < 8 || m->nonce.n > 256) {
		gone(k, o, "the peer chose an ESP SA that was not offered");
		return;
	}
	if (pfs) {
		if (m->ke.n != dial_group_len(pfs)) {
			gone(k, o, "no DH value of the group that was agreed");
			return;
		}
		memcpy(k->gxr, m->ke.p, m->ke.n);
		shared = rd_of(gxy, dh_use(k, gxy));
		if (!shared.n) {
			gone(k, o, "bad DH value");
			return;
		}
	}
	k->child.spi_out = c.spi;
	k->child.enc = suite.enc;
	k->child.enc_len = (uint8_t)(suite.enc == ESP_3DES_CBC ? 24 : c.key_bits / 8);
	if (suite.auth == ESP_AUTH_IN_ENC)
		k->child.enc_len += GCM_SALT;
	k->child.auth = suite.auth;
	k->child.auth_len = suite.auth == ESP_AUTH_IN_ENC ? 0 : (uint8_t)(WORD_OF(esp_hashes, suite.auth)->key_bits / 8);
	snprintf(k->quick_text, sizeof(k->quick_text), "%s%s%s%s%s", esp_ciphers[suite.word[0]].name,
		k->child.auth_len ? "-" : "", k->child.auth_len ? esp_hashes[suite.word[1]].name : "", pfs ? "-" : "",
		pfs ? WORD_OF(ike_groups, pfs)->name : "");
	build_start(&b, k, k->last, EXCH_QUICK, k->mid);
	at = hash_open(&b, k);
	/* HASH(3) = prf(SKEYID_a, 0 | M-ID | Ni | Nr) */
	if (!child_keys(k, shared, k->child.spi_in, m->nonce, k->child.in_enc, k->child.in_auth) ||
	    !child_keys(k, shared, k->child.spi_out, m->nonce, k->child.out_enc, k->child.out_auth) ||
	    !phase2_hash(k, k->mid, &zero, ni, m->nonce, hash))
		b.w.bad = true;
	OPENSSL_cleanse(gxy, sizeof(gxy));
	hash_fill(&b, k, at, hash);
	altered(k, &b, NEXT_AT, ISAKMP_HEADER);
	if (!build_encrypt(&b, k, k->qm_iv)) {
		gone(k, o, "QM3 cannot be made");
		return;
	}
	send_last(k, &b, now_ms, o);
	k->state = IKE_UP;
	k->paired = true;
	k->timer_ms = IKE_NEVER;	/* nobody answers it; QM2 comes again if it was lost */
	effect(o, IKE_EFF_CHILD);
}

/* ---- Informational ---- */

void ike_inform(struct ike *k, unsigned type, struct rd body, struct ike_out *o)
{
	uint8_t buf[IKE_MESSAGE_MAX], iv[DIAL_BLOCK], hash[DIAL_HASH_MAX];
	uint32_t mid = rng_u32(&k->rng) | 1;
	struct build b;
	size_t at, from;

	build_start(&b, k, buf, EXCH_INFO, mid);
	at = hash_open(&b, k);
	from = b.w.len;
	payload_bytes(&b, type, body.p, body.n);
	altered(k, &b, at - PAYLOAD_HEADER, from);
	if (!phase2_hash(k, mid, NULL, written(&b, from), rd_of(NULL, 0), hash))
		return;
	hash_fill(&b, k, at, hash);
	if (phase2_iv(k, mid, iv) && build_encrypt(&b, k, iv))
		emit(o, buf, b.w.len, k->natt);
}

static void notify(struct ike *k, struct rd r, struct ike_out *o)
{
	uint8_t buf[64], spi_size;
	uint16_t type;
	struct wr w = wr_of(buf, sizeof(buf));
	char reason[64];

	rd_skip(&r, 5);			/* DOI, protocol */
	spi_size = rd_u8(&r);
	type = rd_u16(&r);
	rd_skip(&r, spi_size);
	if (r.bad)
		return;
	if (type && type <= NOTIFY_ERROR_MAX && k->state != IKE_UP) {
		static const char *const names[] = { [14] = "NO-PROPOSAL-CHOSEN", [16] = "PAYLOAD-MALFORMED",
			[18] = "INVALID-ID-INFORMATION", [24] = "AUTHENTICATION-FAILED" };
		const char *name = type < N_ELEMENTS(names) ? names[type] : NULL;

		snprintf(reason, sizeof(reason), "the peer refuses: notify %u %s", type, name ? name : "");
		gone(k, o, reason);
	}
	if (type != NOTIFY_DPD || r.n != 4)
		return;
	wr_u32(&w, DOI_IPSEC);
	wr_u8(&w, PROTO_ISAKMP);
	wr_u8(&w, 16);
	wr_u16(&w, NOTIFY_DPD_ACK);
	wr_bytes(&w, k->cky_i, 8);
	wr_bytes(&w, k->cky_r, 8);
	wr_bytes(&w, r.p, r.n);
	ike_inform(k, PL_NOTIFY, rd_of(buf, w.len), o);
}

static void delete(struct ike *k, struct rd r, struct ike_out *o)
{
	uint8_t proto, spi_size;
	uint16_t n;

	rd_skip(&r, 4);
	proto = rd_u8(&r);
	spi_size = rd_u8(&r);
	n = rd_u16(&r);
	if (r.bad)
		return;
	if (proto == PROTO_ISAKMP) {
		k->secured = k->paired = false;
		gone(k, o, "the peer deleted the ISAKMP SA");
		return;
	}
	for (; proto == PROTO_ESP && spi_size == 4 && n && !r.bad; n--)
		if (rd_u32(&r) == k->child.spi_out && k->state == IKE_UP) {
			k->paired = false;
			gone(k, o, "the peer deleted the ESP SA");
			return;
		}
}

static void wr_delete(struct wr *w, unsigned proto, unsigned spi_size)
{
	wr_u32(w, DOI_IPSEC);
	wr_u8(w, (uint8_t)proto);
	wr_u8(w, (uint8_t)spi_size);
	wr_u16(w, 1);
}

bool ike_rekey(struct ike *k, const struct ike_quick_offers *offers, uint64_t now_ms, struct ike_out *o)
{
	if (k->state != IKE_UP)
		return false;
	k->quick = *offers;
	qm1(k, now_ms, o);
	return true;
}

void ike_delete(struct ike *k, uint32_t spi_in, struct ike_out *o)
{
	uint8_t buf[32];
	struct wr w = wr_of(buf, sizeof(buf));

	if (!k->secured)
		return;
	wr_delete(&w, PROTO_ESP, 4);
	wr_u32(&w, spi_in);
	ike_inform(k, PL_DELETE, rd_of(buf, w.len), o);
}

bool ike_is(const struct ike *k, struct rd r)
{
	const uint8_t *cky_i = rd_bytes(&r, 8);

	return !r.bad && !memcmp(cky_i, k->cky_i, 8);
}

bool ike_is_quick3(const struct ike *k, const struct ike_effect *eff)
{
	struct rd r = rd_of(eff->data, eff->len);

	rd_skip(&r, 18);
	return rd_u8(&r) == EXCH_QUICK && k->state == IKE_UP;
}

void ike_close(struct ike *k, struct ike_out *o)
{
	uint8_t buf[32];
	struct wr w = wr_of(buf, sizeof(buf));

	if (k->paired) {
		wr_delete(&w, PROTO_ESP, 4);
		wr_u32(&w, k->child.spi_in);
		ike_inform(k, PL_DELETE, rd_of(buf, w.len), o);
	}
	if (k->secured) {
		w = wr_of(buf, sizeof(buf));
		wr_delete(&w, PROTO_ISAKMP, 16);
		wr_bytes(&w, k->cky_i, 8);
		wr_bytes(&w, k->cky_r, 8);
		ike_inform(k, PL_DELETE, rd_of(buf, w.len), o);
	}
	k->state = IKE_GONE;
	k->timer_ms = IKE_NEVER;
}

/* ---- which message it is ---- */

/* Header and, after decryption, payloads. The plain text goes to buf. */
static bool message_read(const struct ike *k, struct rd r, struct message *m, uint8_t iv[static DIAL_BLOCK],
	uint8_t buf[static IKE_INPUT_MAX])
{
	const uint8_t *cky_i = rd_bytes(&r, 8), *cky_r = rd_bytes(&r, 8);
	uint8_t next = rd_u8(&r), version = rd_u8(&r), flags;
	uint32_t len;

	*m = (struct message){ 0 };
	m->exchange = rd_u8(&r);
	flags = rd_u8(&r);
	m->mid = rd_u32(&r);
	len = rd_u32(&r);
	if (r.bad || version != ISAKMP_VERSION || len < ISAKMP_HEADER || len - ISAKMP_HEADER > r.n ||
	    memcmp(cky_i, k->cky_i, 8))
		return false;
	/* The answer to MM1 brings the responder's cookie. */
	if (k->state != IKE_MM1 && memcmp(cky_r, k->cky_r, 8))
		return false;
	r = rd_sub(&r, len - ISAKMP_HEADER);
	m->encrypted = flags & FLAG_ENCRYPTED;
	if (m->encrypted) {
		if (k->state < IKE_MM5 || r.n > IKE_INPUT_MAX)
			return false;
		if (m->exchange == EXCH_MAIN)
			memcpy(iv, k->iv, DIAL_BLOCK);
		else if ((m->exchange == EXCH_QUICK || m->exchange == EXCH_TRANSACTION) && m->mid == k->mid)
			memcpy(iv, k->qm_iv, DIAL_BLOCK);
		else if ((m->exchange != EXCH_INFO && m->exchange != EXCH_TRANSACTION) || !phase2_iv(k, m->mid, iv))
			return false;
		memcpy(buf, r.p, r.n);
		if (!dial_cbc(false, k->cipher, k->key, iv, buf, r.n))
			return false;
		r = rd_of(buf, r.n);
	}
	return payloads(r, next, m);
}

static void informed(struct ike *k, const struct message *m, struct ike_out *o)
{
	uint8_t want[DIAL_HASH_MAX];

	if (!m->encrypted) {
		/* Nobody proved it; while nothing else is to be had it says why. */
		if (k->state <= IKE_MM5 && m->notify.n)
			notify(k, m->notify, o);
		return;
	}
	if (k->state < IKE_XAUTH || !phase2_hash(k, m->mid, NULL, m->after_hash, rd_of(NULL, 0), want) ||
	    !hash_right(k, m->hash, want)) {
		k->dropped++;
		return;
	}
	if (m->notify.n)
		notify(k, m->notify, o);
	if (m->delete.n)
		delete(k, m->delete, o);
}

/* An exchange of attributes: the peer's, or the answer to ours. */
static void transaction(struct ike *k, const struct message *m, uint8_t iv[static DIAL_BLOCK], uint64_t now_ms,
	struct ike_out *o)
{
	uint8_t want[DIAL_HASH_MAX];

	if (!m->encrypted || !phase2_hash(k, m->mid, NULL, m->after_hash, rd_of(NULL, 0), want) ||
	    !hash_right(k, m->hash, want))
		k->dropped++;
	else if (k->state == IKE_CFG1 && m->mid == k->mid)
		cfg2(k, m, now_ms, o);
	else if (k->state == IKE_XAUTH)
		asked(k, m, iv, now_ms, o);
	else
		k->dropped++;
}

void ike_input(struct ike *k, struct rd r, uint64_t now_ms, struct ike_out *o)
{
	uint8_t buf[IKE_INPUT_MAX], iv[DIAL_BLOCK];
	struct rd head = r;
	struct message m;
	uint8_t exchange;

	if (k->state == IKE_IDLE || k->state == IKE_GONE)
		return;
	rd_skip(&head, 18);
	exchange = rd_u8(&head);
	if (exchange == EXCH_TRANSACTION && k->asked_mid) {
		struct rd mid = head;

		rd_skip(&mid, 1);
		/* The same question again: our answer was lost. */
		if (rd_u32(&mid) == k->asked_mid) {
			if (k->resent++ < 32)
				emit(o, k->answer, k->answer_len, k->natt);
			return;
		}
	}
	if (k->state == IKE_UP && exchange == EXCH_QUICK) {
		rd_skip(&head, 1);
		/* QM2 again: our QM3 was lost (its state is past decrypting it). */
		if (rd_u32(&head) == k->mid && k->resent++ < 32)
			emit(o, k->last, k->last_len, k->last_natt);
		return;
	}
	if (!message_read(k, r, &m, iv, buf)) {
		k->dropped++;
		return;
	}
	if (m.exchange == EXCH_INFO) {
		informed(k, &m, o);
	} else if (m.exchange == EXCH_TRANSACTION) {
		transaction(k, &m, iv, now_ms, o);
	} else if (m.exchange == EXCH_MAIN && k->state == IKE_MM1 && !m.encrypted && m.sa.n) {
		rd_skip(&r, 8);
		memcpy(k->cky_r, rd_bytes(&r, 8), 8);
		mm2(k, &m, now_ms, o);
	} else if (m.exchange == EXCH_MAIN && k->state == IKE_MM3 && !m.encrypted && m.ke.n) {
		mm4(k, &m, now_ms, o);
	} else if (m.exchange == EXCH_MAIN && k->state == IKE_MM5 && m.encrypted) {
		memcpy(k->iv, iv, DIAL_BLOCK);
		mm6(k, &m, now_ms, o);
	} else if (m.exchange == EXCH_QUICK && k->state == IKE_QM1 && m.encrypted) {
		qm2(k, &m, iv, now_ms, o);
	} else {
		k->dropped++;		/* a repeated message, mostly */
	}
	OPENSSL_cleanse(buf, sizeof(buf));
}

void ike_expire(struct ike *k, uint64_t now_ms, struct ike_out *o)
{
	static const char *const waited[] = {
		[IKE_MM1] = "no answer to MM1", [IKE_MM3] = "no answer to MM3",
		[IKE_MM5] = "no answer to MM5: not the same pre-shared key?", [IKE_XAUTH] = "no question",
		[IKE_CFG1] = "no answer to the request for an address", [IKE_QM1] = "no answer to QM1",
	};

	if (now_ms < k->timer_ms || k->state < IKE_MM1 || k->state > IKE_QM1)
		return;
	if (k->tries++ >= k->conf->retransmit_max) {
		gone(k, o, waited[k->state]);
		return;
	}
	k->resent++;
	k->wait_ms *= 2;
	k->timer_ms = now_ms + k->wait_ms;
	emit(o, k->last, k->last_len, k->last_natt);
}

uint64_t ike_deadline(const struct ike *k)
{
	return k->timer_ms;
}

void ike_init(struct ike *k, const struct ike_conf *conf, const struct ike_ends *ends, const struct rng *seed)
{
	*k = (struct ike){ .conf = conf, .ends = *ends, .rng = *seed, .timer_ms = IKE_NEVER,
		.natt = ends->natt, .quick = conf->quick };
}

void ike_free(struct ike *k)
{
	dial_dh_free(k->dh);
	OPENSSL_cleanse(k, sizeof(*k));
	k->state = IKE_GONE;
	k->timer_ms = IKE_NEVER;
}
