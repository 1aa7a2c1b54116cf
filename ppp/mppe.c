/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ppp/mppe.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <stdlib.h>
#include <string.h>

/* RFC 3078 3.1: A = tables are fresh, B and C mean nothing here, D = encrypted, then 12 bits of count. */
enum { BIT_FLUSHED = 0x8000, BIT_ENCRYPTED = 0x1000, COUNT_MASK = 0x0fff };

enum {
	SHA1_LEN = 20,
	/* RFC 3078 8.2 has one Reset-Request for each lost packet; one of them may be lost as well, and a
	 * flood of packets that cannot be opened is no reason for a flood of requests. */
	RESET_EVERY_MS = 500,
	/* Key changes that a peer's jumps may cost in a second: one goes round the whole count. */
	SKIPS_MAX = 4096, SKIPS_WINDOW_MS = 1000,
	IP_PEEK = 6,			/* PPP's protocol number, and IPv4 up to its length */
	EXTRA_MAX = 16,			/* key changes of a sender that we have not seen */
};

/* One direction. */
struct stream {
	EVP_CIPHER_CTX *rc4;
	uint8_t start[MPPE_KEY], key[MPPE_KEY];
	uint8_t key_len;
	uint32_t bits;		/* enum mppe_bit, as agreed */
	uint16_t count;		/* of the last packet */
	bool flush;		/* sender: say so with the next one */
	bool lost;		/* receiver: waits for a packet with fresh tables */
};

struct mppe {
	struct stream send, recv;
	EVP_MD_CTX *sha1;
	uint64_t reset_ms;	/* when the last Reset-Request was asked for */
	uint64_t skips_ms;	/* window of the limit below */
	uint32_t skips;
};

/* The algorithms, fetched once; never freed: they are needed until the process ends. */
static EVP_CIPHER *rc4;
static EVP_MD *sha1;

bool mppe_init(void)
{
	if (rc4)
		return true;
	/* Loading any provider by hand switches off the implicit default one. */
	if (!OSSL_PROVIDER_load(NULL, "legacy") || !OSSL_PROVIDER_load(NULL, "default"))
		return false;
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	if (!sha1)
		return false;
	rc4 = EVP_CIPHER_fetch(NULL, "RC4", NULL);
	return rc4 != NULL;
}

const char *mppe_text(uint32_t bits)
{
	switch (bits & (MPPE_KEYS | MPPE_STATELESS)) {
	case MPPE_40:
		return "40bits,stateful";
	case MPPE_56:
		return "56bits,stateful";
	case MPPE_128:
		return "128bits,stateful";
	case MPPE_40 | MPPE_STATELESS:
		return "40bits,stateless";
	case MPPE_56 | MPPE_STATELESS:
		return "56bits,stateless";
	case MPPE_128 | MPPE_STATELESS:
		return "128bits,stateless";
	}
	return "none";
}

static bool set_key(struct stream *s, const uint8_t *key)
{
	return EVP_CipherInit_ex2(s->rc4, NULL, key, NULL, 1, NULL);
}

static bool crypt(struct stream *s, uint8_t *p, size_t n)
{
	int len = 0;

	return EVP_CipherUpdate(s->rc4, p, &len, p, (int)n) && len == (int)n;
}

/*
 * RFC 3078 7.3, GetNewKeyFromSHA(), and what it does to short keys; the same to
 * the first ones (RFC 3079 3.1, 3.2).
 * The first session key is the digest itself; each later one is the digest,
 * encrypted with itself.
 */
static bool change_key(struct mppe *m, struct stream *s, bool first)
{
	static const uint8_t pad1[40] = { 0 };
	static const uint8_t pad2[40] = { [0 ... 39] = 0xf2 };
	uint8_t d[SHA1_LEN];
	bool ok = EVP_DigestInit_ex2(m->sha1, sha1, NULL) && EVP_DigestUpdate(m->sha1, s->start, s->key_len) &&
		  EVP_DigestUpdate(m->sha1, pad1, sizeof(pad1)) &&
		  EVP_DigestUpdate(m->sha1, first ? s->start : s->key, s->key_len) &&
		  EVP_DigestUpdate(m->sha1, pad2, sizeof(pad2)) && EVP_DigestFinal_ex(m->sha1, d, NULL);

	memcpy(s->key, d, s->key_len);
	ok = ok && (first || (set_key(s, d) && crypt(s, s->key, s->key_len)));
	if (s->bits & MPPE_40)
		memcpy(s->key, "\xd1\x26\x9e", 3);
	else if (s->bits & MPPE_56)
		s->key[0] = 0xd1;
	OPENSSL_cleanse(d, sizeof(d));
	return ok && set_key(s, s->key);
}

static bool stream_init(struct mppe *m, struct stream *s, uint32_t bits, const uint8_t *key)
{
	uint32_t len = bits & MPPE_KEYS;

	if (len != MPPE_40 && len != MPPE_56 && len != MPPE_128)
		return false;
	s->bits = bits;
	s->key_len = len == MPPE_128 ? 16 : 8;
	s->rc4 = EVP_CIPHER_CTX_new();
	if (!s->rc4 || !EVP_CipherInit_ex2(s->rc4, rc4, NULL, NULL, 1, NULL) ||
	    !EVP_CIPHER_CTX_set_key_length(s->rc4, s->key_len))
		return false;
	memcpy(s->start, key, s->key_len);
	/* Whichever way, the first packet has count 0. */
	s->count = COUNT_MASK;
	return change_key(m, s, true);
}

struct mppe *mppe_new(uint32_t send_bits, const uint8_t send_key[MPPE_KEY], uint32_t recv_bits,
	const uint8_t recv_key[MPPE_KEY])
{
	struct mppe *m = rc4 ? calloc(1, sizeof(*m)) : NULL;

	if (!m)
		return NULL;
	m->sha1 = EVP_MD_CTX_new();
	if (m->sha1 && stream_init(m, &m->send, send_bits, send_key) && stream_init(m, &m->recv, recv_bits, recv_key))
		return m;
	mppe_free(m);
	return NULL;
}

void mppe_free(struct mppe *m)
{
	if (!m)
		return;
	EVP_CIPHER_CTX_free(m->send.rc4);
	EVP_CIPHER_CTX_free(m->recv.rc4);
	EVP_MD_CTX_free(m->sha1);
	OPENSSL_cleanse(m, sizeof(*m));
	free(m);
}

/* RFC 3078 7.1, 7.2: without state the key changes with every packet, else with every "flag" packet. */
static bool is_flag(const struct stream *s)
{
	return s->bits & MPPE_STATELESS || (s->count & 0xff) == 0xff;
}

void mppe_flush(struct mppe *m)
{
	m->send.flush = !(m->send.bits & MPPE_STATELESS);
}

/*
 * deviation: RFC 3078 3.1 has A set on the first packet, too, whose tables are
 * fresh.  Linux's receiver takes A for a change of key (its tables are fresh
 * without), and no receiver needs it.
 */
bool mppe_seal(struct mppe *m, uint8_t ret_header[MPPE_HEADER], uint8_t *p, size_t n)
{
	struct stream *s = &m->send;
	bool fresh = false;
	uint16_t head;

	s->count = (s->count + 1) & COUNT_MASK;
	/* Where A is set Linux changes the key, others do not, but for "flag" packets all of them do: so
	 * the next one is such a packet, as if those before it had been lost as well. */
	if (s->flush)
		s->count |= 0xff;
	if (is_flag(s)) {
		if (!change_key(m, s, false))
			return false;
		fresh = true;
	}
	s->flush = false;
	head = (uint16_t)(BIT_ENCRYPTED | s->count | (fresh ? BIT_FLUSHED : 0));
	ret_header[0] = (uint8_t)(head >> 8);
	ret_header[1] = (uint8_t)head;
	return crypt(s, p, n);
}

/* Each key change that a jump over lost packets costs is work that the peer did not do. */
static bool may_skip(struct mppe *m, unsigned n, uint64_t now_ms)
{
	if (now_ms - m->skips_ms >= SKIPS_WINDOW_MS) {
		m->skips_ms = now_ms;
		m->skips = 0;
	}
	if (m->skips + n > SKIPS_MAX)
		return false;
	m->skips += n;
	return true;
}

/* Go on to the packet with this count; the key is changed where it has to be on the way. */
static bool advance(struct mppe *m, struct stream *s, uint16_t count)
{
	while (s->count != count) {
		s->count = (s->count + 1) & COUNT_MASK;
		if (is_flag(s) && !change_key(m, s, false))
			return false;
	}
	return true;
}

static enum mppe_verdict lost(struct mppe *m, uint64_t now_ms)
{
	if (m->recv.lost && now_ms - m->reset_ms < RESET_EVERY_MS)
		return MPPE_DROP;
	m->recv.lost = true;
	m->reset_ms = now_ms;
	return MPPE_LOST;
}

/* Does an IPv4 packet of n octets with its PPP protocol number begin so? */
static bool begins_ip(const uint8_t p[static IP_PEEK], size_t n)
{
	size_t head = p[0] ? 1 : 2;	/* the number may be compressed */
	const uint8_t *ip = p + head;

	return p[head - 1] == 0x21 && ip[0] >> 4 == 4 && (ip[0] & 15) >= 5 && (ip[2] << 8 | ip[3]) == (int)(n - head);
}

/*
 * Fresh tables, of a sender with state.  Between two "flag" packets RFC 3078 8.2 begins anew with the
 * key that there is; Linux changes it first, also for those that got lost.  What is inside says how often.
 */
static bool begin_anew(struct mppe *m, struct stream *s, const uint8_t *p, size_t n, uint64_t now_ms)
{
	uint8_t was[MPPE_KEY], peek[IP_PEEK];
	unsigned extra = 0;
	bool found = n < sizeof(peek);

	memcpy(was, s->key, sizeof(was));
	while (!found) {
		memcpy(peek, p, sizeof(peek));
		if (!set_key(s, s->key) || !crypt(s, peek, sizeof(peek)))
			return false;
		found = begins_ip(peek, n);
		if (found)
			break;
		if (extra == EXTRA_MAX || (!extra && !may_skip(m, EXTRA_MAX, now_ms))) {
			memcpy(s->key, was, sizeof(was));	/* not to be told: as it should be */
			break;
		}
		extra++;
		if (!change_key(m, s, false))
			return false;
	}
	OPENSSL_cleanse(was, sizeof(was));
	return set_key(s, s->key);
}

enum mppe_verdict mppe_open(struct mppe *m, uint8_t *p, size_t n, uint64_t now_ms)
{
	struct stream *s = &m->recv;
	uint16_t head, count, ahead;
	bool stateless = s->bits & MPPE_STATELESS, flushed;

	/* A header and at least a compressed protocol field. */
	if (n < MPPE_HEADER + 1)
		return MPPE_DROP;
	head = (uint16_t)(p[0] << 8 | p[1]);
	count = head & COUNT_MASK;
	flushed = head & BIT_FLUSHED;
	ahead = (count - s->count) & COUNT_MASK;
	if (!(head & BIT_ENCRYPTED))
		return MPPE_DROP;
	if (ahead == 0 || ahead > COUNT_MASK / 2)
		return MPPE_LATE;
	/* RFC 3078 3.1: "MUST be set on every encrypted packet"; with state, where the key changed. */
	if (!flushed && (stateless || (count & 0xff) == 0xff))
		return stateless ? MPPE_DROP : lost(m, now_ms);
	if (!stateless && !flushed && (s->lost || ahead != 1))
		return lost(m, now_ms);
	if (ahead > 1 && !may_skip(m, stateless ? ahead : 1 + ahead / 256u, now_ms))
		return MPPE_DROP;
	if (!advance(m, s, count))
		return MPPE_DROP;
	if (!stateless && flushed && !begin_anew(m, s, p + MPPE_HEADER, n - MPPE_HEADER, now_ms))
		return MPPE_DROP;
	s->lost = false;
	return crypt(s, p + MPPE_HEADER, n - MPPE_HEADER) ? MPPE_OK : MPPE_DROP;
}
