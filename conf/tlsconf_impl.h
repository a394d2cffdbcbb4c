/*
 * tlsconf_impl.h - what the three files of tlsconf share.
 *
 *   tlsconf.c    the settings of one side, gathered; the whole
 *   tlsfiles.c   key, certificate, authorities
 *   tlsopts.c    versions, ciphers, key exchange
 */
#ifndef CONF_TLSCONF_IMPL_H
#define CONF_TLSCONF_IMPL_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include "conf/settings.h"
#include "conf/tlsconf.h"

/* One side's settings. */
struct tlsconf_side {
	const char *prefix; /* of the settings' names */
	enum tls_side which;
	int sslmode;
	const char *key_file, *cert_file, *ca_file;
	struct conf_bytes key, cert, ca;
	const char *protocols, *ciphers, *tls13_ciphers;
	const char *ecdhcurve, *dheparams; /* "" for servers */
	const struct tlsconf_ear *ear;
	bool is_bad; /* a fault was told */
};

/* Setting `name` of this side, without the side's prefix, is wrong. */
void tlsconf_tell(struct tlsconf_side *s, const char *name, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/* Put into `x` what the settings say; what is wrong is told. */
void tlsconf_set_options(struct tlsconf_side *s, SSL_CTX *x);
void tlsconf_set_files(struct tlsconf_side *s, SSL_CTX *x);

#endif
