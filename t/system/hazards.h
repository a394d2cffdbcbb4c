/*
 * hazards.h - what the tests of hazards share.
 */
#ifndef T_SYSTEM_HAZARDS_H
#define T_SYSTEM_HAZARDS_H

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

static inline void
put_statement(struct wire *w, const char *name, const char *sql)
{
	wire_put(w, 'P', "ssh", name, sql, 0);
	wire_put(w, 'B', "sshhh", "", name, 0, 0, 0);
	wire_put(w, 'E', "si", "", 0);
}

/* Everybody's answers are right, and no transaction is left open. */
static inline void
others_are_well(struct pooler *p)
{
	PGconn *c = pooler_conn(p, "");

	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(sql_num(c, "SELECT %d", i), i);
	UNTIL(
	    5000, pg_backends(pg, "datname = 'app' AND state <> 'idle'") == 0);
	PQfinish(c);
}

#endif
