/*
 * holders.h - who has a server and keeps it, and who has to wait for one.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_SYSTEM_HOLDERS_H
#define T_SYSTEM_HOLDERS_H

#include "t/lib/pooler.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

/* Holds a server by an open transaction. */
static inline PGconn *
holder(const struct pooler *p, const char *more)
{
	PGconn *c = pooler_conn(p, more);

	sql_do(c, "BEGIN");
	return c;
}

/*
 * The first client of a pool has to wait for a server before it is greeted;
 * later ones wait with their first query.
 */
static inline void
acquaint(const struct pooler *p, const char *more)
{
	PQfinish(pooler_conn(p, more));
}

/* Asks for a server and does not get one for a while. */
static inline PGconn *
waiter(const struct pooler *p, const char *more)
{
	PGconn *c = pooler_conn(p, more);

	sql_send(c, "SELECT 'served'");
	ck_assert(!sql_is_ready(c, 200));
	return c;
}

static inline void
served(PGconn *c, int ms)
{
	ck_assert(sql_is_ready(c, ms));
	ck_assert_str_eq(sql_get(c), "served");
}

#endif
