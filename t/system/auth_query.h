/*
 * auth_query.h - what the tests of auth_query share: a pooler whose auth_user
 * is the superuser, and a table of secrets in database app.
 */
#ifndef T_SYSTEM_AUTH_QUERY_H
#define T_SYSTEM_AUTH_QUERY_H

#include "t/lib/pooler.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

#define WRONG "password authentication failed"

/* What the look-ups' connections are called at the server. */
#define ASKERS "application_name = 'pooler auth_query'"

/* auth_user is the superuser, who needs no password. */
static inline struct pooler *
configure(const char *auth_type)
{
	struct pooler *p = pooler_new();

	pooler_set(p, "auth_type = %s", auth_type);
	pooler_set(p, "auth_user = postgres");
	return p;
}

static inline struct pooler *
start(const char *auth_type)
{
	struct pooler *p = configure(auth_type);

	pooler_start(p);
	return p;
}

/* A table of secrets beside the server's own. */
static inline struct pooler *
start_with_table(const char *auth_type)
{
	struct pooler *p = configure(auth_type);

	pooler_set(p,
	    "auth_query = SELECT name, secret FROM public.secrets WHERE name = "
	    "$1");
	pooler_start(p);
	return p;
}

/* Run as the superuser in database app. */
static inline void
in_app(const char *sql)
{
	PGconn *c = sql_open(text("host=127.0.0.1 port=%d dbname=app "
				  "user=postgres",
	    pg->port));

	sql_do(c, "%s", sql);
	PQfinish(c);
}

static inline void
make_table(void)
{
	in_app("DROP TABLE IF EXISTS public.secrets; "
	       "CREATE TABLE public.secrets (name text, secret text); "
	       "INSERT INTO public.secrets VALUES "
	       "('plain_u', '" PG_PASSWORD "'), ('md5_u', '" PG_PASSWORD "'), "
	       "('scram_u', '" PG_PASSWORD "'), ('null_u', NULL), "
	       "('empty_u', ''), ('two_u', 'a'), ('two_u', 'a')");
}

static inline const char *
as(const struct pooler *p, const char *user, const char *password)
{
	return pooler_at(
	    p, text("dbname=app user='%s' password='%s'", user, password));
}

/* In, and a query answered: the server has let the user in, too. */
static inline void
let_in(const struct pooler *p, const char *user)
{
	PGconn *c = sql_open(as(p, user, PG_PASSWORD));

	ck_assert_str_eq(sql_one(c, "SELECT current_user"), user);
	PQfinish(c);
}

static inline void
keep_out(const struct pooler *p, const char *user)
{
	sql_refused(as(p, user, PG_PASSWORD), WRONG);
}

#endif
