/*
 * slapd.h - a private LDAP server for the tests.
 *
 * OpenLDAP's slapd(8) with a configuration, a directory and a certificate of
 * its own, on 127.0.0.1: a port for LDAP and StartTLS, one for LDAPS.  Below
 * dc=test everybody may log in as himself; SLAPD_READER alone may search.
 *
 *   uid=joe             "it's joe"
 *   uid=plain_u, md5_u, scram_u    PG_PASSWORD, as in PostgreSQL
 *   uid=twin, twice     "twins": of both, mail is twin@test
 *   cn="eve, jr"        "eve's"; uid=e*e
 *   cn=reader           "reads"
 */
#ifndef T_LIB_SLAPD_H
#define T_LIB_SLAPD_H

#include <stdbool.h>
#include <sys/types.h>

#define SLAPD_PEOPLE "ou=people,dc=test"
#define SLAPD_READER "cn=reader,dc=test"

struct slapd {
	pid_t pid;
	int port, tls_port;
	char dir[256];
	char ca[288]; /* the certificate, which is its own authority */
	char log[288];
};

/* Is there one to be started? */
bool slapd_is_there(void);

/* Started; ends with the test at the latest. */
struct slapd *slapd_new(void);
void slapd_free(struct slapd *s);

/* Binds that it has answered, or searches ("BIND", "SRCH"). */
int slapd_count(const struct slapd *s, const char *what);

#endif
