/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/radtls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "l2tpd/radpkt.h"

struct radtls {
	SSL_CTX *ctx;
	unsigned n_ca;
	bool cert, key;
};

struct radtls_conn {
	SSL *ssl;			/* owns both BIOs */
	BIO *in, *out;
	uint8_t buf[RAD_MAX];		/* of a reply, until it is whole */
	size_t n;
	bool up, over;
	char why[256];
};

struct radtls *radtls_new(void)
{
	struct radtls *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->ctx = SSL_CTX_new(TLS_client_method());
	/* RFC 9325 3.1.1 */
	if (!t->ctx || !SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION)) {
		radtls_free(t);
		return NULL;
	}
	SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, NULL);
	/* A connection lives long: a session to resume would be kept for nothing. */
	SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
	return t;
}

void radtls_free(struct radtls *t)
{
	if (!t)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

/* No password is asked for: nobody would be there to answer. */
static int no_password(char *buf, int size, int rwflag, void *arg)
{
	return -1;
}

static bool load_ca(struct radtls *t, BIO *b)
{
	X509_STORE *store = SSL_CTX_get_cert_store(t->ctx);
	X509 *x;

	while ((x = PEM_read_bio_X509(b, NULL, no_password, NULL))) {
		t->n_ca += X509_STORE_add_cert(store, x) == 1;
		X509_free(x);
	}
	return t->n_ca > 0;
}

/* Ours, and behind it those between it and the authority. */
static bool load_cert(struct radtls *t, BIO *b)
{
	X509 *x = PEM_read_bio_X509(b, NULL, no_password, NULL);

	t->cert = x && SSL_CTX_use_certificate(t->ctx, x) == 1;
	X509_free(x);
	while (t->cert && (x = PEM_read_bio_X509(b, NULL, no_password, NULL))) {
		if (SSL_CTX_add0_chain_cert(t->ctx, x) != 1) {
			X509_free(x);
			return false;
		}
	}
	return t->cert;
}

static bool load_key(struct radtls *t, BIO *b, const char **ret_why)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, no_password, NULL);

	t->key = key && SSL_CTX_use_PrivateKey(t->ctx, key) == 1;
	if (key && !t->key)
		*ret_why = "is not the key of the certificate";
	EVP_PKEY_free(key);
	return t->key;
}

bool radtls_load(struct radtls *t, enum radtls_file file, struct rd text, const char **ret_why)
{
	BIO *b = BIO_new_mem_buf(text.p, (int)text.n);
	bool ok = false;

	if (!b) {
		*ret_why = "out of memory";
		return false;
	}
	*ret_why = file == RADTLS_KEY ? "holds no private key in PEM without a password" : "holds no certificate in PEM";
	switch (file) {
	case RADTLS_CA:
		ok = load_ca(t, b);
		break;
	case RADTLS_CERT:
		ok = load_cert(t, b);
		break;
	case RADTLS_KEY:
		ok = load_key(t, b, ret_why);
		break;
	case RADTLS_FILES:
		break;
	}
	BIO_free(b);
	/* What a file ends with is no error of a connection. */
	ERR_clear_error();
	return ok;
}

bool radtls_ready(const struct radtls *t, const char **ret_why)
{
	*ret_why = !t->n_ca ? "there is no certificate of an authority" : "certificate and key go together";
	return t->n_ca && t->cert == t->key;
}

/* The name that its certificate must have, RFC 6125; without one its address, RFC 6614 2.3. */
static bool expect(SSL *ssl, const struct addr *to, const char *name)
{
	X509_VERIFY_PARAM *p = SSL_get0_param(ssl);

	if (!*name)
		return X509_VERIFY_PARAM_set1_ip(p, to->ip, to->family == 4 ? 4 : 16) == 1;
	X509_VERIFY_PARAM_set_hostflags(p, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(p, name, 0) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static void handshake(struct radtls_conn *c)
{
	int rc, err;
	long verify;

	if (c->up || c->over)
		return;
	ERR_clear_error();
	rc = SSL_do_handshake(c->ssl);
	if (rc == 1) {
		c->up = true;
		return;
	}
	err = SSL_get_error(c->ssl, rc);
	if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
		return;
	c->over = true;
	verify = SSL_get_verify_result(c->ssl);
	if (verify != X509_V_OK) {
		snprintf(c->why, sizeof(c->why), "its certificate is not accepted: %s", X509_verify_cert_error_string(verify));
	} else {
		const char *reason = ERR_reason_error_string(ERR_peek_last_error());

		snprintf(c->why, sizeof(c->why), "%s", reason ? reason : "the handshake failed");
	}
}

struct radtls_conn *radtls_open(struct radtls *t, const struct addr *to, const char *name)
{
	struct radtls_conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->ssl = SSL_new(t->ctx);
	c->in = BIO_new(BIO_s_mem());
	c->out = BIO_new(BIO_s_mem());
	if (!c->ssl || !c->in || !c->out || !expect(c->ssl, to, name)) {
		BIO_free(c->in);
		BIO_free(c->out);
		SSL_free(c->ssl);
		free(c);
		return NULL;
	}
	/* Nothing to read is not the end. */
	BIO_set_mem_eof_return(c->in, -1);
	SSL_set_bio(c->ssl, c->in, c->out);
	SSL_set_connect_state(c->ssl);
	handshake(c);
	return c;
}

void radtls_close(struct radtls_conn *c)
{
	if (!c)
		return;
	SSL_free(c->ssl);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

/* What TLS has of the stream, until a reply is whole. */
static void fill(struct radtls_conn *c)
{
	while (c->up && !c->over && c->n < sizeof(c->buf)) {
		int rc, err;

		ERR_clear_error();
		rc = SSL_read(c->ssl, c->buf + c->n, (int)(sizeof(c->buf) - c->n));
		if (rc > 0) {
			c->n += (size_t)rc;
			continue;
		}
		err = SSL_get_error(c->ssl, rc);
		if (err == SSL_ERROR_WANT_READ || err == SSL_ERROR_WANT_WRITE)
			return;
		c->over = true;
		if (err == SSL_ERROR_ZERO_RETURN) {
			snprintf(c->why, sizeof(c->why), "it closed the connection");
		} else {
			/* With TLS 1.3 a server that does not want our certificate says so here only. */
			const char *reason = ERR_reason_error_string(ERR_peek_last_error());

			snprintf(c->why, sizeof(c->why), "%s", reason ? reason : "TLS failed");
		}
	}
}

bool radtls_in(struct radtls_conn *c, struct rd came, const char **ret_why)
{
	*ret_why = c->why;
	if (came.n && BIO_write(c->in, came.p, (int)came.n) != (int)came.n) {
		snprintf(c->why, sizeof(c->why), "out of memory");
		c->over = true;
	}
	handshake(c);
	fill(c);
	return !c->over;
}

bool radtls_is_up(const struct radtls_conn *c)
{
	return c->up && !c->over;
}

bool radtls_was_up(const struct radtls_conn *c)
{
	return c->up;
}

bool radtls_is_over(const struct radtls_conn *c)
{
	return c->over;
}

bool radtls_put(struct radtls_conn *c, struct rd pkt)
{
	if (!radtls_is_up(c))
		return false;
	ERR_clear_error();
	/* Memory always has room: what fails will not get better. */
	if (SSL_write(c->ssl, pkt.p, (int)pkt.n) == (int)pkt.n)
		return true;
	c->over = true;
	snprintf(c->why, sizeof(c->why), "TLS cannot write");
	return false;
}

size_t radtls_get(struct radtls_conn *c, uint8_t *buf, size_t cap)
{
	size_t len;

	fill(c);
	if (c->n < RAD_HEADER)
		return 0;
	len = (size_t)c->buf[2] << 8 | c->buf[3];
	if (len < RAD_HEADER || len > sizeof(c->buf) || len > cap) {
		/* Where the next one begins nobody knows. */
		snprintf(c->why, sizeof(c->why), "a reply has a length that cannot be");
		c->over = true;
		c->n = 0;
		return 0;
	}
	if (c->n < len)
		return 0;
	memcpy(buf, c->buf, len);
	c->n -= len;
	memmove(c->buf, c->buf + len, c->n);
	return len;
}

struct rd radtls_out(struct radtls_conn *c)
{
	char *p = NULL;
	long n = BIO_get_mem_data(c->out, &p);

	return rd_of((const uint8_t *)p, n > 0 ? (size_t)n : 0);
}

void radtls_sent(struct radtls_conn *c, size_t n)
{
	uint8_t away[4096];

	while (n) {
		int got = BIO_read(c->out, away, (int)MIN(n, sizeof(away)));

		if (got <= 0)
			return;
		n -= (size_t)got;
	}
}
