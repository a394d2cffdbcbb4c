/*
 * session.h - what the tests of sessions share: one backend for all.
 */
#ifndef T_SYSTEM_SESSION_H
#define T_SYSTEM_SESSION_H

#include "t/lib/pooler.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

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

/* Logged in on the wire, with this startup parameter. */
static inline struct wire *
session_wire(const struct pooler *p, const char *name, const char *value)
{
	struct wire *w = wire_open("127.0.0.1", p->port);
	char buf[512];

	wire_send(w, buf,
	    wire_startup(buf, sizeof(buf), 0x30000, "user", "app", "database",
		"app", name, value, NULL));
	wire_expect(w, "RKZ");
	return w;
}

#endif
