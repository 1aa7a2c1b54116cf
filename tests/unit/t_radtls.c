/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RADIUS over TLS against OpenSSL's own server end, in memory: whose certificate is taken, and how replies
 * come out of the stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/radpkt.h"
#include "l2tpd/radtls.h"

enum { DAY = 86400 };

/* A certificate and its key. */
struct id {
	X509 *cert;
	EVP_PKEY *key;
};

static struct id ca, other_ca, server, by_address, expired, foreign, client;

static void ext(X509 *x, X509 *by, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, by, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	assert_int_equal(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

/* by NULL: of itself, an authority. */
static struct id make(const struct id *by, const char *alt, long from_s, long to_s)
{
	struct id r = { .cert = X509_new(), .key = EVP_EC_gen("P-256") };
	X509_NAME *name;
	static long serial = 1;

	assert_true(r.cert && r.key);
	name = X509_get_subject_name(r.cert);
	assert_int_equal(X509_set_version(r.cert, 2), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(r.cert), serial), 1);
	assert_non_null(X509_gmtime_adj(X509_getm_notBefore(r.cert), from_s));
	assert_non_null(X509_gmtime_adj(X509_getm_notAfter(r.cert), to_s));
	assert_int_equal(X509_set_pubkey(r.cert, r.key), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)(by ? "one" : "authority"),
		-1, -1, 0), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "serialNumber", MBSTRING_ASC,
		(const uint8_t *)(char[]){ (char)('A' + serial), '\0' }, -1, -1, 0), 1);
	serial++;
	assert_int_equal(X509_set_issuer_name(r.cert, X509_get_subject_name(by ? by->cert : r.cert)), 1);
	ext(r.cert, by ? by->cert : r.cert, NID_basic_constraints, by ? "CA:FALSE" : "critical,CA:TRUE");
	if (alt)
		ext(r.cert, by->cert, NID_subject_alt_name, alt);
	assert_true(X509_sign(r.cert, by ? by->key : r.key, EVP_sha256()) > 0);
	return r;
}

static void drop(struct id *i)
{
	X509_free(i->cert);
	EVP_PKEY_free(i->key);
}

static int setup(void **st)
{
	ca = make(NULL, NULL, -DAY, DAY);
	other_ca = make(NULL, NULL, -DAY, DAY);
	server = make(&ca, "DNS:radius.example", -DAY, DAY);
	by_address = make(&ca, "IP:192.0.2.9", -DAY, DAY);
	expired = make(&ca, "DNS:radius.example", -2 * DAY, -DAY);
	foreign = make(&other_ca, "DNS:radius.example", -DAY, DAY);
	client = make(&ca, NULL, -DAY, DAY);
	return 0;
}

static int teardown(void **st)
{
	struct id *all[] = { &ca, &other_ca, &server, &by_address, &expired, &foreign, &client };

	for (size_t i = 0; i < N_ELEMENTS(all); i++)
		drop(all[i]);
	return 0;
}

/* ---- files ---- */

static struct rd pem(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	return rd_of((const uint8_t *)p, (size_t)n);
}

static BIO *pem_cert(const struct id *i)
{
	BIO *b = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(b, i->cert), 1);
	return b;
}

static BIO *pem_key(const struct id *i, const char *password)
{
	BIO *b = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey(b, i->key, password ? EVP_aes_128_cbc() : NULL, NULL, 0, NULL, (void *)password), 1);
	return b;
}

static bool load(struct radtls *t, enum radtls_file file, BIO *b, const char **why)
{
	bool ok = radtls_load(t, file, pem(b), why);

	BIO_free(b);
	return ok;
}

static struct radtls *tls_new(const struct id *own)
{
	struct radtls *t = radtls_new();
	const char *why;

	assert_non_null(t);
	assert_true(load(t, RADTLS_CA, pem_cert(&ca), &why));
	if (own) {
		assert_true(load(t, RADTLS_CERT, pem_cert(own), &why));
		assert_true(load(t, RADTLS_KEY, pem_key(own, NULL), &why));
	}
	assert_true(radtls_ready(t, &why));
	return t;
}

static void t_files(void **st)
{
	static const char junk[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	struct radtls *t = radtls_new();
	const char *why;

	assert_false(radtls_ready(t, &why));
	assert_string_equal(why, "there is no certificate of an authority");
	for (enum radtls_file f = 0; f < RADTLS_FILES; f++) {
		assert_false(radtls_load(t, f, rd_of(NULL, 0), &why));
		assert_false(radtls_load(t, f, rd_of((const uint8_t *)junk, sizeof(junk) - 1), &why));
	}
	assert_false(radtls_ready(t, &why));
	assert_true(load(t, RADTLS_CA, pem_cert(&ca), &why));
	assert_true(radtls_ready(t, &why));
	/* A certificate without its key, one with another's, and one that asks for a password. */
	assert_true(load(t, RADTLS_CERT, pem_cert(&client), &why));
	assert_false(radtls_ready(t, &why));
	assert_string_equal(why, "certificate and key go together");
	assert_false(load(t, RADTLS_KEY, pem_key(&server, NULL), &why));
	assert_string_equal(why, "is not the key of the certificate");
	assert_false(load(t, RADTLS_KEY, pem_key(&client, "secret"), &why));
	assert_string_equal(why, "holds no private key in PEM without a password");
	assert_false(radtls_ready(t, &why));
	assert_true(load(t, RADTLS_KEY, pem_key(&client, NULL), &why));
	assert_true(radtls_ready(t, &why));
	radtls_free(t);
	radtls_free(NULL);
}

/* ---- the server's end ---- */

struct server {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
};

static struct server server_new(const struct id *i, int max_version, bool wants_client)
{
	struct server s = { .ctx = SSL_CTX_new(TLS_server_method()), .in = BIO_new(BIO_s_mem()), .out = BIO_new(BIO_s_mem()) };

	assert_int_equal(SSL_CTX_use_certificate(s.ctx, i->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(s.ctx, i->key), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(s.ctx, max_version), 1);
	SSL_CTX_set_security_level(s.ctx, max_version == TLS1_1_VERSION ? 0 : 1);
	if (wants_client) {
		assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(s.ctx), ca.cert), 1);
		SSL_CTX_set_verify(s.ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	}
	s.ssl = SSL_new(s.ctx);
	BIO_set_mem_eof_return(s.in, -1);
	SSL_set_bio(s.ssl, s.in, s.out);
	SSL_set_accept_state(s.ssl);
	return s;
}

static void server_free(struct server *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
}

/* All that is on its way goes there, `step` bytes at a time; true while the connection is. */
static bool turn(struct radtls_conn *c, struct server *s, size_t step, const char **why)
{
	bool there = true, moved = true;
	uint8_t buf[RAD_MAX];

	for (unsigned n = 0; moved && n < 100000; n++) {
		struct rd out = radtls_out(c);
		int got;

		moved = false;
		if (out.n) {
			size_t some = MIN(out.n, step);

			assert_int_equal(BIO_write(s->in, out.p, (int)some), some);
			radtls_sent(c, some);
			moved = true;
		}
		SSL_do_handshake(s->ssl);
		got = BIO_read(s->out, buf, (int)MIN(step, sizeof(buf)));
		if (got > 0 && there) {
			there = radtls_in(c, rd_of(buf, (size_t)got), why);
			moved = true;
		}
	}
	return there;
}

/* ---- who is believed ---- */

static void t_who(void **st)
{
	static const struct addr at = { .family = 4, .ip = { 192, 0, 2, 9 } }, elsewhere = { .family = 4, .ip = { 192, 0, 2, 8 } };
	const struct {
		const char *what;
		const struct id *shows, *own;
		const struct addr *to;
		const char *name;
		int max;
		bool wants_client, ok;
		const char *why;		/* of it a part */
	} rows[] = {
		{ "by its name", &server, NULL, &at, "radius.example", 0, false, true, "" },
		{ "in any case", &server, NULL, &at, "RADIUS.example", 0, false, true, "" },
		{ "TLS 1.2", &server, NULL, &at, "radius.example", TLS1_2_VERSION, false, true, "" },
		{ "by its address", &by_address, NULL, &at, "", 0, false, true, "" },
		{ "ours is wanted", &server, &client, &at, "radius.example", 0, true, true, "" },
		{ "ours is wanted, TLS 1.2", &server, &client, &at, "radius.example", TLS1_2_VERSION, true, true, "" },
		{ "another name", &server, NULL, &at, "radius2.example", 0, false, false, "certificate is not accepted: hostname" },
		{ "a part of its name", &server, NULL, &at, "example", 0, false, false, "certificate is not accepted: hostname" },
		{ "a name, and its address is wanted", &server, NULL, &at, "", 0, false, false, "certificate is not accepted: IP address" },
		{ "another address", &by_address, NULL, &elsewhere, "", 0, false, false, "certificate is not accepted: IP address" },
		{ "an address, and its name is wanted", &by_address, NULL, &at, "radius.example", 0, false, false, "not accepted: hostname" },
		{ "expired", &expired, NULL, &at, "radius.example", 0, false, false, "not accepted: certificate has expired" },
		{ "another authority", &foreign, NULL, &at, "radius.example", 0, false, false, "not accepted: unable to get" },
		{ "signed by itself", &other_ca, NULL, &at, "radius.example", 0, false, false, "certificate is not accepted" },
		{ "TLS 1.1", &server, NULL, &at, "radius.example", TLS1_1_VERSION, false, false, "protocol version" },
		{ "ours is wanted, TLS 1.2, and we have none", &server, NULL, &at, "radius.example", TLS1_2_VERSION, true, false, "handshake failure" },
		{ "ours is wanted, and we have none", &server, NULL, &at, "radius.example", 0, true, false, "certificate required" },
	};
	static const size_t steps[] = { 1, 7, RAD_MAX };

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		for (size_t k = 0; k < N_ELEMENTS(steps); k++) {
			struct radtls *t = tls_new(rows[i].own);
			struct radtls_conn *c = radtls_open(t, rows[i].to, rows[i].name);
			struct server s = server_new(rows[i].shows, rows[i].max, rows[i].wants_client);
			const char *why = "";
			bool there;

			assert_non_null(c);
			assert_false(radtls_is_up(c) || radtls_was_up(c) || radtls_is_over(c));
			assert_false(radtls_put(c, rd_of((const uint8_t *)"too early", 9)));
			there = turn(c, &s, steps[k], &why);
			if (there != rows[i].ok || radtls_is_up(c) != rows[i].ok || radtls_is_over(c) == rows[i].ok || !strstr(why, rows[i].why))
				fail_msg("%s, %zu bytes at a time: %d %s", rows[i].what, steps[k], there, why);
			assert_int_equal(radtls_put(c, rd_of((const uint8_t *)"request", 7)), rows[i].ok);
			radtls_close(c);
			server_free(&s);
			radtls_free(t);
		}
	}
}

/* What is no TLS ends it. */
static void t_junk(void **st)
{
	static const struct addr at = { .family = 4, .ip = { 192, 0, 2, 9 } };
	static const struct { const char *p; size_t n; } rows[] = {
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", 28 },
		{ "\x15\x03\x01\x00\x02\x02\x28", 7 },	/* an alert: handshake_failure */
		{ "\x16\x03\x01\xff\xff\x02", 6 },		/* a record that is too long */
	};
	struct radtls *t = tls_new(NULL);

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct radtls_conn *c = radtls_open(t, &at, "radius.example");
		const char *why;
		uint8_t buf[RAD_MAX];

		assert_true(radtls_out(c).n > 0);
		assert_false(radtls_in(c, rd_of((const uint8_t *)rows[i].p, rows[i].n), &why));
		assert_true(*why && radtls_is_over(c) && !radtls_was_up(c));
		assert_int_equal(radtls_get(c, buf, sizeof(buf)), 0);
		radtls_close(c);
	}
	radtls_free(t);
	radtls_close(NULL);
}

/* ---- replies ---- */

struct up {
	struct radtls *t;
	struct radtls_conn *c;
	struct server s;
};

static struct up up_new(void)
{
	static const struct addr at = { .family = 4, .ip = { 192, 0, 2, 9 } };
	struct up u = { .t = tls_new(NULL) };
	const char *why;

	u.c = radtls_open(u.t, &at, "radius.example");
	u.s = server_new(&server, 0, false);
	assert_true(turn(u.c, &u.s, RAD_MAX, &why));
	return u;
}

static void up_free(struct up *u)
{
	radtls_close(u->c);
	server_free(&u->s);
	radtls_free(u->t);
}

static size_t reply(uint8_t *p, uint8_t id, size_t len)
{
	memset(p, id, len);
	p[0] = 2;
	p[1] = id;
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	return len;
}

/* However the stream is cut, by the server's records or on the way. */
static void t_replies(void **st)
{
	static const size_t lens[] = { 20, 38, RAD_MAX, 20, 4095, 255 }, cuts[] = { 1, 3, 19, 20, 21, 4096, 20000 };
	static uint8_t stream[6 * RAD_MAX];
	uint8_t buf[RAD_MAX];
	size_t n = 0;

	for (size_t i = 0; i < N_ELEMENTS(lens); i++)
		n += reply(stream + n, (uint8_t)(i + 1), lens[i]);
	for (size_t k = 0; k < N_ELEMENTS(cuts); k++) {
		struct up u = up_new();
		const char *why;
		unsigned got = 0;
		size_t len;

		for (size_t at = 0; at < n; at += cuts[k]) {
			size_t some = MIN(cuts[k], n - at);

			assert_int_equal(SSL_write(u.s.ssl, stream + at, (int)some), some);
			assert_true(turn(u.c, &u.s, cuts[k], &why));
			while ((len = radtls_get(u.c, buf, sizeof(buf)))) {
				assert_int_equal(len, lens[got]);
				assert_int_equal(buf[1], ++got);
				assert_int_equal(buf[len - 1], len > 4 ? got : 0);
			}
		}
		assert_int_equal(got, N_ELEMENTS(lens));
		/* And what we say arrives. */
		assert_true(radtls_put(u.c, rd_of(stream, 58)));
		assert_true(turn(u.c, &u.s, cuts[k], &why));
		assert_int_equal(SSL_read(u.s.ssl, buf, sizeof(buf)), 58);
		assert_memory_equal(buf, stream, 58);
		up_free(&u);
	}
}

/* A length that cannot be: what follows is never taken for a reply. */
static void t_lengths(void **st)
{
	static const uint16_t rows[] = { 0, 19, RAD_MAX + 1, UINT16_MAX };
	uint8_t p[60], buf[RAD_MAX];

	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		struct up u = up_new();
		const char *why;

		reply(p, 1, 20);
		reply(p + 20, 2, 20);
		reply(p + 40, 3, 20);
		p[22] = (uint8_t)(rows[i] >> 8);
		p[23] = (uint8_t)rows[i];
		assert_int_equal(SSL_write(u.s.ssl, p, sizeof(p)), sizeof(p));
		assert_true(turn(u.c, &u.s, RAD_MAX, &why));
		assert_int_equal(radtls_get(u.c, buf, sizeof(buf)), 20);
		assert_int_equal(buf[1], 1);
		assert_int_equal(radtls_get(u.c, buf, sizeof(buf)), 0);
		assert_true(radtls_is_over(u.c) && radtls_was_up(u.c));
		assert_int_equal(radtls_get(u.c, buf, sizeof(buf)), 0);
		assert_false(radtls_in(u.c, rd_of(NULL, 0), &why));
		assert_string_equal(why, "a reply has a length that cannot be");
		up_free(&u);
	}
}

/* The end, after the last reply and in the middle of one. */
static void t_end(void **st)
{
	uint8_t p[40], buf[RAD_MAX];

	for (size_t cut = 0; cut < 2; cut++) {
		struct up u = up_new();
		const char *why;

		reply(p, 1, 20);
		reply(p + 20, 2, 20);
		assert_int_equal(SSL_write(u.s.ssl, p, cut ? 30 : 20), cut ? 30 : 20);
		SSL_shutdown(u.s.ssl);
		assert_false(turn(u.c, &u.s, RAD_MAX, &why));
		assert_string_equal(why, "it closed the connection");
		assert_int_equal(radtls_get(u.c, buf, sizeof(buf)), 20);
		assert_int_equal(radtls_get(u.c, buf, sizeof(buf)), 0);
		assert_false(radtls_put(u.c, rd_of(p, 20)));
		up_free(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t_files), cmocka_unit_test(t_who), cmocka_unit_test(t_junk), cmocka_unit_test(t_replies),
		cmocka_unit_test(t_lengths), cmocka_unit_test(t_end),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
