/*
 * rules.h - a pooler with auth_type = hba, rules and maps, and who is let in.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_SYSTEM_RULES_H
#define T_SYSTEM_RULES_H

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

static inline void
put_rules(const struct pooler *p, const char *rules)
{
	spew(text("%s/hba", p->dir), rules);
}

/* Not started; the server lets everybody in: only the pooler asks. */
static inline struct pooler *
prepare(const char *rules)
{
	struct pooler *p = pooler_new();

	pooler_db(
	    p, "open = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_db(
	    p, "other = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_db(
	    p, "clear = host=127.0.0.1 port=%d dbname=app user=app", pg->port);
	pooler_set(p, "listen_addr = 127.0.0.1,::1\nauth_type = hba");
	pooler_set(p, "auth_hba_file = %s/hba", p->dir);
	pooler_set(p, "auth_ident_file = %s/maps", p->dir);
	pooler_auth(p, "clear", PG_PASSWORD);
	pooler_auth(p, "md5_u", pg_secret(pg, "md5_u"));
	pooler_auth(p, "scram_u", pg_secret(pg, "scram_u"));
	put_rules(p, rules);
	spew(text("%s/maps", p->dir), "none nobody nobody\n");
	p->errors_ok = true;
	return p;
}

/* The console is asked from here; no rule of a test is about it. */
#define CONSOLE "local pgbouncer admin trust\n"

static inline struct pooler *
start(const char *rules)
{
	struct pooler *p = prepare(rules);

	pooler_start(p);
	return p;
}

/* At `host`, or by the Unix socket: "". */
static inline const char *
at(const struct pooler *p, const char *host, const char *db, const char *user,
    const char *password)
{
	return text("host=%s port=%d dbname='%s' user='%s' password='%s' "
		    "sslmode=disable gssencmode=disable connect_timeout=20",
	    host[0] ? host : p->dir, p->port, db, user, password);
}

static inline void
let_in(const char *conninfo)
{
	PGconn *c = sql_open(conninfo);

	ck_assert_int_eq(sql_num(c, "SELECT 42"), 42);
	PQfinish(c);
}

#define V4 "127.0.0.1"
#define V6 "::1"

static inline const char *
no_entry(const char *host, const char *user, const char *db)
{
	return text("FATAL:  no pg_hba.conf entry for host \"%s\", user "
		    "\"%s\", database \"%s\", no encryption\n",
	    host, user, db);
}

static inline const char *
rejects(const char *host, const char *user, const char *db)
{
	return text("FATAL:  pg_hba.conf rejects connection for host \"%s\", "
		    "user \"%s\", database \"%s\", no encryption\n",
	    host, user, db);
}

#endif
