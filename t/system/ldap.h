/*
 * ldap.h - what the system tests of LDAP share: a pooler that asks slapd.h's
 * server, and those who log in.
 */
#ifndef T_SYSTEM_LDAP_H
#define T_SYSTEM_LDAP_H

#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/slapd.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

#define SIMPLE                                                  \
	"ldapserver=127.0.0.1 ldapport=%d ldapprefix=\"uid=\" " \
	"ldapsuffix=\"," SLAPD_PEOPLE "\""
#define SEARCH                                                     \
	"ldapserver=127.0.0.1 ldapport=%d ldapbasedn=\"dc=test\" " \
	"ldapbinddn=\"" SLAPD_READER "\" ldapbindpasswd=reads "

static struct slapd *ldap;

static inline void
set_up(void)
{
	ldap = slapd_new();
}

static inline void
tear_down(void)
{
	slapd_free(ldap);
}

/* A server that lets everybody in as the forced user: only LDAP asks. */
static inline struct pooler *
configure(const char *options)
{
	struct pooler *p = pooler_new();

	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "auth_type = ldap");
	pooler_set(p, "auth_ldap_options = %s", options);
	return p;
}

static inline struct pooler *
start(const char *options)
{
	struct pooler *p = configure(options);

	pooler_start(p);
	return p;
}

static inline const char *
as(const struct pooler *p, const char *user, const char *password)
{
	char u[256], pw[256];
	const char *in[] = { user, password };
	char *out[] = { u, pw };

	/* as libpq quotes them */
	for (int i = 0; i < 2; i++) {
		char *to = out[i];

		for (const char *s = in[i]; *s != '\0'; s++) {
			if (*s == '\'' || *s == '\\')
				*to++ = '\\';
			*to++ = *s;
		}
		*to = '\0';
	}
	return pooler_at(p, text("dbname=open user='%s' password='%s'", u, pw));
}

static inline void
let_in(const struct pooler *p, const char *user, const char *password)
{
	PGconn *c = sql_open(as(p, user, password));

	ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
	PQfinish(c);
}

static inline bool
is_in(const struct pooler *p, const char *user, const char *password)
{
	PGconn *c = PQconnectdb(as(p, user, password));
	bool is_ok = PQstatus(c) == CONNECTION_OK;

	PQfinish(c);
	return is_ok;
}

static inline void
keep_out(const struct pooler *p, const char *user, const char *password)
{
	sql_refused(as(p, user, password),
	    text("FATAL:  LDAP authentication failed for user \"%s\"", user));
}

#endif
