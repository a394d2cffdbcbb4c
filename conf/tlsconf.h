/*
 * tlsconf.h - the TLS settings of one side: checked, and made into an SSL_CTX.
 *
 * The check at load and the context that a worker uses are the same code, so
 * what the check has let pass, works.  Keys and certificates come from the
 * bytes that were read with the configuration; no disk is looked at.
 *
 * Keeps no data.  Never blocks; an encrypted key is refused, not asked about.
 */
#ifndef CONF_TLSCONF_H
#define CONF_TLSCONF_H

#include <stdint.h>
#include "conf/files.h"
#include "conf/settings.h"

#define TLSCONF_DIGEST 32

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/* Who is told what is wrong: `key` is the setting's name. */
struct tlsconf_ear {
	void (*tell)(void *arg, const char *key, const char *why);
	void *arg;
	/* counts what another value of the key or the certificate would mend:
	 * each is good, but they are no pair; may be NULL */
	size_t *halves;
};

/*
 * Give `c` the bytes of the files that its TLS settings name (which live as
 * long as `c`), and try all settings.  A side with sslmode = disable is left
 * alone: its files need not even exist.
 */
void tlsconf_load(struct conf *c, const struct conf_files *files,
    const struct tlsconf_ear *ear);

/* NULL when there was any fault, or sslmode is disable: then none is told. */
struct ssl_ctx_st *tlsconf_build(
    const struct conf *c, enum tls_side side, const struct tlsconf_ear *ear);

/* Equal for two configurations exactly when they build the same context. */
int tlsconf_digest(
    const struct conf *c, enum tls_side side, uint8_t out[TLSCONF_DIGEST]);

/* The reason for OpenSSL's oldest error; its queue is empty afterwards. */
const char *tlsconf_reason(void);

#endif
