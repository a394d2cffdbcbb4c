/*
 * certs.h - certificates for tests, made by openssl(1).
 *
 * certs_dir() is a directory, made at a test's first call, with
 *   ca.crt                    an authority; ca2.crt: another one
 *   server.crt, server.key    of ca, for localhost and 127.0.0.1
 *   other.crt, other.key      of ca, for other.example
 *   alien.crt, alien.key      of ca2, for localhost
 *   old.crt, old.key          of ca, for localhost, expired
 *   app.crt, app.key          of ca, of the client app
 *   alienapp.crt, .key        of ca2, of the client app
 * Keys may be read by their owner alone: the user that servers run as.
 */
#ifndef T_LIB_CERTS_H
#define T_LIB_CERTS_H

const char *certs_dir(void);
/* The path of one of its files. */
const char *cert(const char *file);
/* One more: NAME.crt, NAME.key, of ca, of the client `name`. */
void certs_client(const char *name);

struct pg;
/* This server shows NAME.crt from now on; NULL: it has no TLS. */
void certs_serve(struct pg *server, const char *name);

#endif
