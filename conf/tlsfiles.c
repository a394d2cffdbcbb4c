/*
 * tlsfiles.c - key, certificate and authorities, from bytes into a context.
 */
#include "conf/tlsconf_impl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <limits.h>
#include "conf/keys.h"
#include "conf/value.h"

/* An encrypted key has nobody to type its pass phrase. */
static int
no_phrase(char *buf, int size, int is_writing, void *arg)
{
	(void)buf, (void)size, (void)is_writing, (void)arg;
	return -1;
}

static BIO *
bytes_bio(const struct conf_bytes *b)
{
	return BIO_new_mem_buf(b->p, b->len > INT_MAX ? INT_MAX : (int)b->len);
}

/* Did the last PEM_read end because there is no more? */
static bool
is_pem_end(void)
{
	unsigned long code = ERR_peek_last_error();

	return ERR_GET_LIB(code) == ERR_LIB_PEM &&
	    ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

/*
 * Call take() with each certificate in `b`; how many it took, or -1 with
 * OpenSSL's error where one is torn or not taken.
 */
static int
each_cert(const struct conf_bytes *b, bool (*take)(SSL_CTX *, X509 *, int nth),
    SSL_CTX *x)
{
	BIO *bio = bytes_bio(b);
	X509 *cert;
	int n = 0;
	bool is_ok = bio != NULL;

	while (is_ok &&
	    (cert = PEM_read_bio_X509_AUX(bio, NULL, no_phrase, NULL)) !=
		NULL) {
		is_ok = take(x, cert, n++);
		X509_free(cert);
	}
	is_ok = is_ok && is_pem_end();
	if (is_ok)
		ERR_clear_error();
	BIO_free(bio);
	return is_ok ? n : -1;
}

/* The first is our own, the others lead from it to an authority. */
static bool
take_own(SSL_CTX *x, X509 *cert, int nth)
{
	return nth == 0 ? SSL_CTX_use_certificate(x, cert) == 1
			: SSL_CTX_add1_chain_cert(x, cert) == 1;
}

static bool
take_authority(SSL_CTX *x, X509 *cert, int nth)
{
	(void)nth;
	return X509_STORE_add_cert(SSL_CTX_get_cert_store(x), cert) == 1 &&
	    SSL_CTX_add_client_CA(x, cert) == 1;
}

static void
set_certs(struct tlsconf_side *s, SSL_CTX *x, const char *name,
    const char *file, const struct conf_bytes *b,
    bool (*take)(SSL_CTX *, X509 *, int))
{
	int n = each_cert(b, take, x);

	if (n == -1)
		tlsconf_tell(s, name,
		    "a certificate in \"%.100s\" is not usable: %s", file,
		    tlsconf_reason());
	else if (n == 0)
		tlsconf_tell(s, name, "\"%.100s\" holds no certificate", file);
}

/* What was just told is wrong with the pair, not with the one or the other. */
static void
count_half(struct tlsconf_side *s)
{
	if (s->ear->halves != NULL)
		++*s->ear->halves;
}

static void
set_key(struct tlsconf_side *s, SSL_CTX *x)
{
	X509 *cert = SSL_CTX_get0_certificate(x);
	BIO *bio = bytes_bio(&s->key);
	EVP_PKEY *key = bio == NULL
	    ? NULL
	    : PEM_read_bio_PrivateKey(bio, NULL, no_phrase, NULL);

	if (key == NULL)
		tlsconf_tell(s, "key_file",
		    "\"%.100s\" holds no private key that can be read (one "
		    "with a pass phrase cannot): %s",
		    s->key_file, tlsconf_reason());
	else if (cert != NULL && X509_check_private_key(cert, key) != 1) {
		tlsconf_tell(s, "key_file",
		    "the key in \"%.100s\" does not fit the certificate",
		    s->key_file);
		count_half(s);
	} else if (SSL_CTX_use_PrivateKey(x, key) != 1)
		tlsconf_tell(s, "key_file",
		    "the key in \"%.100s\" is not usable: %s", s->key_file,
		    tlsconf_reason());
	ERR_clear_error();
	EVP_PKEY_free(key);
	BIO_free(bio);
}

/* `name` is empty, and must not be. */
static void
tell_missing(struct tlsconf_side *s, const char *name, const char *why)
{
	tlsconf_tell(s, name, "%s", why);
	/* clients are not served without: that is nobody's first half */
	if (s->which == TLS_SERVERS)
		count_half(s);
}

/* Which files must be there, and what is in them. */
void
tlsconf_set_files(struct tlsconf_side *s, SSL_CTX *x)
{
	const char *mode = value_choice_name(keys_sslmode, s->sslmode);
	bool must = s->which == TLS_CLIENTS;

	if (s->cert.p != NULL)
		set_certs(s, x, "cert_file", s->cert_file, &s->cert, take_own);
	else if (s->cert_file[0] == '\0' && (must || s->key_file[0] != '\0'))
		tell_missing(s, "cert_file",
		    must ? "clients over TLS need a certificate"
			 : "a key needs its certificate");
	if (s->key.p != NULL)
		set_key(s, x);
	else if (s->key_file[0] == '\0' && (must || s->cert_file[0] != '\0'))
		tell_missing(s, "key_file", "a certificate needs its key");
	if (s->ca.p != NULL)
		set_certs(s, x, "ca_file", s->ca_file, &s->ca, take_authority);
	else if (s->ca_file[0] == '\0' && s->sslmode >= SSLMODE_VERIFY_CA)
		tlsconf_tell(s, "ca_file",
		    "sslmode = %s needs authorities to check against", mode);
}
