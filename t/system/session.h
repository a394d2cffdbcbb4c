/*
 * session.h - what the tests of sessions share: one backend for all.
 */
#ifndef T_SYSTEM_SESSION_H
#define T_SYSTEM_SESSION_H

#include "t/lib/pooler.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

/* One backend, which every client has in turn; `super`: as its owner. */
static inline struct pooler *
one_backend(const char *more)
{
	struct pooler *p = pooler_new();

	pooler_set(p, "default_pool_size = 1\n%s", more);
	pooler_auth(p, "postgres", "");
	pooler_start(p);
	return p;
}

static inline PGconn *
root(struct pooler *p)
{
	return pooler_conn(p, "user=postgres");
}

static inline void
roles(void)
{
	pg_ask(pg,
	    "DO $$BEGIN CREATE ROLE painter; CREATE ROLE \"odd, role\"; "
	    "EXCEPTION WHEN duplicate_object THEN NULL; END$$");
	pg_ask(pg, "GRANT painter, \"odd, role\" TO app");
}

#endif
