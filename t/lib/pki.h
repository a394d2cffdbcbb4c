/*
 * pki.h - an authority for the tests, and certificates by it, as files.
 *
 * Everything lies in one directory, a pooler's say: ca.pem is the authority's
 * own certificate, stranger.pem that of one which nobody has asked; each
 * certificate NAME is NAME.pem with its key in NAME.key.
 */
#ifndef T_LIB_PKI_H
#define T_LIB_PKI_H

struct pki;

/* ca.pem and stranger.pem. */
struct pki *pki_new(const char *dir);
void pki_free(struct pki *p);

/*
 * NAME.pem for `cn`, valid for `san` ("IP:127.0.0.1,DNS:localhost"; NULL:
 * nothing).  NAME.key is for the servers that the test starts.
 */
void
pki_issue(struct pki *p, const char *name, const char *cn, const char *san);
/* The same, by the stranger. */
void pki_forge(struct pki *p, const char *name, const char *cn);

/* NAME.key is for the test itself instead: libpq uses no key of others. */
void pki_for_us(const struct pki *p, const char *name);

#endif
