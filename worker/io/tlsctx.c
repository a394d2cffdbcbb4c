/*
 * tlsctx.c - contexts: what all TLS connections of one side share.
 *
 * What settings say is in conf/tlsconf.c; here is what is always so, and what
 * is secret to this run: the keys of session tickets.
 */
#include "worker/io/tls_impl.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

enum { HMAC_BYTES = 32, TICKET_KEYS_MAX = 3 * HMAC_BYTES };

struct tls_ctx *
tls_ctx_ref(struct tls_ctx *x)
{
	x->refs++;
	return x;
}

void
tls_ctx_unref(struct tls_ctx *x)
{
	if (x == NULL || --x->refs > 0)
		return;
	SSL_CTX_free(x->ssl);
	free(x);
}

/* --- certificates of clients ------------------------------------------------ */

/*
 * Where a certificate is welcome but not demanded, a bad one is as good as
 * none: the connection goes on, and tls_peer_name() looks at the result.
 */
static int
verify_leniently(X509_STORE_CTX *s, void *arg)
{
	(void)arg;
	(void)ERR_set_mark();
	if (X509_verify_cert(s) <= 0 &&
	    X509_STORE_CTX_get_error(s) == X509_V_OK)
		X509_STORE_CTX_set_error(s, X509_V_ERR_UNSPECIFIED);
	(void)ERR_pop_to_mark();
	return 1;
}

static void
set_verify(struct tls_ctx *x, bool has_ca)
{
	bool must = x->sslmode >= SSLMODE_VERIFY_CA;

	if (x->side == TLS_CLIENTS && must)
		SSL_CTX_set_verify(x->ssl,
		    SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	else if (must)
		SSL_CTX_set_verify(x->ssl, SSL_VERIFY_PEER, NULL);
	else if (x->side == TLS_CLIENTS && has_ca) {
		SSL_CTX_set_verify(x->ssl, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(
		    x->ssl, verify_leniently, NULL);
	}
}

/* --- sessions ---------------------------------------------------------------- */

/*
 * All workers, and those born later, derive the same keys; other settings
 * give others, so that no session outlives what it was agreed under.
 */
static bool
set_ticket_keys(struct tls_ctx *x, const uint8_t secret[TLS_SECRET])
{
	uint8_t keys[TICKET_KEYS_MAX], label[TLSCONF_DIGEST + 1];
	long len = SSL_CTX_get_tlsext_ticket_keys(x->ssl, NULL, 0);
	bool is_ok = len > 0 && (size_t)len <= sizeof(keys);

	memcpy(label, x->digest, TLSCONF_DIGEST);
	for (uint8_t i = 0; is_ok && i < TICKET_KEYS_MAX / HMAC_BYTES; i++) {
		label[TLSCONF_DIGEST] = i;
		is_ok =
		    HMAC(EVP_sha256(), secret, TLS_SECRET, label, sizeof(label),
			keys + (size_t)i * HMAC_BYTES, NULL) != NULL;
	}
	is_ok = is_ok && SSL_CTX_set_tlsext_ticket_keys(x->ssl, keys, len) == 1;
	OPENSSL_cleanse(keys, sizeof(keys));
	return is_ok;
}

/* A resumed session brings no certificate that could be checked anew. */
static bool
set_sessions(struct tls_ctx *x, bool has_ca, const uint8_t *secret)
{
	(void)SSL_CTX_set_session_cache_mode(x->ssl, SSL_SESS_CACHE_OFF);
	if (x->side == TLS_CLIENTS && !has_ca && secret != NULL)
		return SSL_CTX_set_num_tickets(x->ssl, 1) == 1 &&
		    set_ticket_keys(x, secret);
	(void)SSL_CTX_set_options(x->ssl, SSL_OP_NO_TICKET);
	return SSL_CTX_set_num_tickets(x->ssl, 0) == 1;
}

/* --- the whole --------------------------------------------------------------- */

/* A client that names protocols must name ours. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	unsigned char *ours;

	(void)ssl, (void)arg;
	if (SSL_select_next_proto(&ours, out_len,
		(const unsigned char *)TLS_ALPN, TLS_ALPN_LEN, in,
		in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = ours;
	return SSL_TLSEXT_ERR_OK;
}

/*
 * Without SSL_MODE_AUTO_RETRY one call takes one record, so that a peer which
 * sends what is no data (key updates without end) has its turn and no more.
 */
static void
set_manners(struct tls_ctx *x)
{
	(void)SSL_CTX_set_mode(x->ssl,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_clear_mode(x->ssl, SSL_MODE_AUTO_RETRY);
	(void)SSL_CTX_set_options(x->ssl,
	    SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	if (x->side == TLS_CLIENTS)
		SSL_CTX_set_alpn_select_cb(x->ssl, on_alpn, NULL);
	else
		(void)SSL_CTX_set_options(x->ssl, SSL_OP_ENABLE_KTLS);
}

/* The first fault is the one that is told. */
static void
on_fault(void *arg, const char *key, const char *why)
{
	struct err *e = arg;

	if (e->sqlstate[0] == '\0')
		err_set(e, "F0000", "TLS cannot be set up", "%s: %s", key, why);
}

static struct tls_ctx *
ctx_new(enum tls_side side, const struct conf *c, const uint8_t *secret,
    struct err *e)
{
	const struct tlsconf_ear ear = { .tell = on_fault, .arg = e };
	struct tls_ctx *x = calloc(1, sizeof(*x));
	bool is_clients = side == TLS_CLIENTS;
	bool has_ca = (is_clients ? c->client_tls_ca : c->server_tls_ca).p;

	if (x == NULL) {
		err_set(e, "53200", "out of memory", "TLS: out of memory");
		return NULL;
	}
	x->refs = 1;
	x->side = side;
	x->sslmode = is_clients ? c->client_tls_sslmode : c->server_tls_sslmode;
	x->ssl = tlsconf_build(c, side, &ear);
	if (x->ssl == NULL)
		goto out;
	set_manners(x);
	set_verify(x, has_ca);
	if (tlsconf_digest(c, side, x->digest) == 0 &&
	    set_sessions(x, has_ca, secret))
		return x;
	err_set(e, "F0000", "TLS cannot be set up", "TLS sessions: %s",
	    tlsconf_reason());
out:
	tls_ctx_unref(x);
	return NULL;
}

/* Was `x` built from what `c` says? */
static bool
is_same(const struct tls_ctx *x, enum tls_side side, const struct conf *c)
{
	uint8_t digest[TLSCONF_DIGEST];

	return tlsconf_digest(c, side, digest) == 0 &&
	    memcmp(digest, x->digest, sizeof(digest)) == 0;
}

enum tls_change
tls_ctx_renew(struct tls_ctx **x, enum tls_side side, const struct conf *c,
    const uint8_t secret[TLS_SECRET], struct err *e)
{
	int sslmode =
	    side == TLS_CLIENTS ? c->client_tls_sslmode : c->server_tls_sslmode;
	struct tls_ctx *fresh = NULL;
	struct err why;

	if (sslmode == SSLMODE_DISABLE && *x == NULL)
		return TLS_KEPT;
	if (sslmode != SSLMODE_DISABLE && *x != NULL && is_same(*x, side, c))
		return TLS_KEPT;
	if (sslmode != SSLMODE_DISABLE) {
		err_clear(&why);
		fresh = ctx_new(side, c, secret, &why);
		if (fresh == NULL) {
			if (e != NULL)
				*e = why;
			return TLS_REFUSED;
		}
	}
	tls_ctx_unref(*x);
	*x = fresh;
	return TLS_RENEWED;
}
