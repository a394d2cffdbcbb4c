/*
 * tlspeer.c - what a finished handshake has agreed on, and with whom.
 */
#include "worker/io/tls_impl.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

/* The hash that the certificate's signature is made with; NULL: none. */
static const EVP_MD *
signature_hash(X509 *cert)
{
	int hash;

	if (X509_get_signature_info(cert, &hash, NULL, NULL, NULL) != 1)
		return NULL;
	if (hash == NID_md5 || hash == NID_sha1)
		hash = NID_sha256; /* RFC 5929, 4.1 */
	return EVP_get_digestbynid(hash);
}

size_t
tls_server_end_point(const struct tls *t, uint8_t out[TLS_HASH_MAX])
{
	bool is_ours = t->ctx->side == TLS_CLIENTS;
	X509 *cert = is_ours ? SSL_get_certificate(t->ssl)
			     : SSL_get_peer_certificate(t->ssl);
	const EVP_MD *md = cert == NULL ? NULL : signature_hash(cert);
	unsigned len = 0;

	_Static_assert((int)TLS_HASH_MAX >= EVP_MAX_MD_SIZE, "any hash fits");
	if (md == NULL || X509_digest(cert, md, out, &len) != 1)
		len = 0;
	if (!is_ours)
		X509_free(cert); /* a reference of our own */
	ERR_clear_error();
	return len;
}

/* The first common name of `cert`, if it fits and is one C string. */
static bool
common_name(X509 *cert, char *cn, size_t size)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *utf8 = NULL;
	bool is_ok;
	int len;

	if (at < 0)
		return false;
	len = ASN1_STRING_to_UTF8(
	    &utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	is_ok = len > 0 && (size_t)len < size &&
	    memchr(utf8, '\0', (size_t)len) == NULL;
	if (is_ok) {
		memcpy(cn, utf8, (size_t)len);
		cn[len] = '\0';
	}
	OPENSSL_free(utf8);
	return is_ok;
}

bool
tls_peer_name(const struct tls *t, char *cn, size_t size)
{
	X509 *cert;
	bool is_ok;

	if (!t->is_agreed || SSL_get_verify_result(t->ssl) != X509_V_OK)
		return false;
	cert = SSL_get_peer_certificate(t->ssl);
	is_ok = cert != NULL && common_name(cert, cn, size);
	X509_free(cert);
	ERR_clear_error();
	return is_ok;
}

void
tls_describe(const struct tls *t, char *text, size_t size)
{
	int group = (int)SSL_get_negotiated_group(t->ssl);
	const char *name = group <= 0 ? NULL : OBJ_nid2sn(group);

	snprintf(text, size, "%s/%s%s%s", SSL_get_version(t->ssl),
	    SSL_get_cipher_name(t->ssl),
	    name == NULL                         ? ""
		: strncmp(name, "ffdhe", 5) == 0 ? "/DH="
						 : "/ECDH=",
	    name == NULL ? "" : name);
	ERR_clear_error();
}

bool
tls_is_kernel(const struct tls *t)
{
	return BIO_get_ktls_send(SSL_get_wbio(t->ssl)) &&
	    BIO_get_ktls_recv(SSL_get_rbio(t->ssl));
}

bool
tls_is_resumed(const struct tls *t)
{
	return SSL_session_reused(t->ssl) == 1;
}
