/*
 * certs.h - for tests: keys and certificates, made on the spot.
 */
#ifndef T_UNIT_CERTS_H
#define T_UNIT_CERTS_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct cert {
	EVP_PKEY *key;
	X509 *x;
};

struct cert_want {
	const char *cn;
	int cn_len;            /* 0: up to its NUL */
	const char *san;       /* "DNS:a,IP:127.0.0.1", or NULL */
	const struct cert *by; /* NULL: signs itself */
	bool is_ca;
	bool is_expired;
	bool is_ed25519;                 /* a signature without a hash */
	int rsa_bits;                    /* 0: a curve's key */
	bool is_md5, is_sha1, is_sha384; /* none: SHA-256 */
};

static inline EVP_PKEY *
cert_key(int rsa_bits, bool is_ed25519)
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_id(is_ed25519 ? EVP_PKEY_ED25519
		: rsa_bits > 0                           ? EVP_PKEY_RSA
							 : EVP_PKEY_EC,
	    NULL);
	EVP_PKEY *key = NULL;

	ck_assert_int_eq(EVP_PKEY_keygen_init(c), 1);
	if (rsa_bits > 0)
		ck_assert_int_eq(
		    EVP_PKEY_CTX_set_rsa_keygen_bits(c, rsa_bits), 1);
	else if (!is_ed25519)
		ck_assert_int_eq(EVP_PKEY_CTX_set_ec_paramgen_curve_nid(
				     c, NID_X9_62_prime256v1),
		    1);
	ck_assert_int_eq(EVP_PKEY_keygen(c, &key), 1);
	EVP_PKEY_CTX_free(c);
	return key;
}

static inline void
cert_extend(X509 *x, X509 *by, int nid, const char *value)
{
	X509V3_CTX c;
	X509_EXTENSION *e;

	X509V3_set_ctx(&c, by, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &c, nid, value);
	ck_assert_ptr_nonnull(e);
	ck_assert_int_eq(X509_add_ext(x, e, -1), 1);
	X509_EXTENSION_free(e);
}

static inline struct cert
cert_make(const struct cert_want *w)
{
	static long serial = 1;
	struct cert c = { .key = cert_key(w->rsa_bits, w->is_ed25519),
		.x = X509_new() };
	const struct cert *by = w->by != NULL ? w->by : &c;
	X509_NAME *name = X509_get_subject_name(c.x);
	const EVP_MD *sign_md = w->is_md5 ? EVP_md5()
	    : w->is_sha1                  ? EVP_sha1()
	    : w->is_sha384                ? EVP_sha384()
					  : EVP_sha256();

	if (EVP_PKEY_base_id(by->key) == EVP_PKEY_ED25519)
		sign_md = NULL; /* it hashes by itself */

	X509_set_version(c.x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c.x), serial++);
	X509_gmtime_adj(X509_getm_notBefore(c.x), -200000);
	X509_gmtime_adj(
	    X509_getm_notAfter(c.x), w->is_expired ? -100000 : 100000);
	X509_set_pubkey(c.x, c.key);
	/* OpenSSL does not look how long a ready string is: it may be empty */
	ck_assert_int_eq(X509_NAME_add_entry_by_txt(name, "CN",
			     V_ASN1_UTF8STRING, (const unsigned char *)w->cn,
			     w->cn_len > 0 ? w->cn_len : -1, -1, 0),
	    1);
	X509_set_issuer_name(c.x, X509_get_subject_name(by->x));
	if (w->is_ca)
		cert_extend(
		    c.x, by->x, NID_basic_constraints, "critical,CA:TRUE");
	if (w->san != NULL)
		cert_extend(c.x, by->x, NID_subject_alt_name, w->san);
	ck_assert_int_gt(X509_sign(c.x, by->key, sign_md), 0);
	return c;
}

static inline void
cert_free(struct cert *c)
{
	EVP_PKEY_free(c->key);
	X509_free(c->x);
}

/* The text that `bio` holds, for free(); `bio` is gone. */
static inline char *
cert_text(BIO *bio)
{
	char *p, *copy;
	long len = BIO_get_mem_data(bio, &p);

	copy = strndup(p, (size_t)len);
	BIO_free(bio);
	return copy;
}

static inline char *
cert_pem(const struct cert *c)
{
	BIO *bio = BIO_new(BIO_s_mem());

	ck_assert_int_eq(PEM_write_bio_X509(bio, c->x), 1);
	return cert_text(bio);
}

/* With a pass phrase, unless it is NULL. */
static inline char *
cert_key_pem(const struct cert *c, const char *phrase)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int len = phrase == NULL ? 0 : (int)strlen(phrase);
	unsigned char *copy =
	    phrase == NULL ? NULL : (unsigned char *)strdup(phrase);

	ck_assert_int_eq(PEM_write_bio_PrivateKey(bio, c->key,
			     phrase == NULL ? NULL : EVP_aes_128_cbc(), copy,
			     len, NULL, NULL),
	    1);
	free(copy);
	return cert_text(bio);
}

#endif
