/*
 * sqlprep.h - a client that says the same to us and to PostgreSQL itself, and
 * must be told the same; and others, which have the same names for other
 * things on the same backends.
 */
#ifndef T_SYSTEM_SQLPREP_H
#define T_SYSTEM_SQLPREP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

enum { OTHERS = 2 };

/* A client, and one that says the same to the server itself. */
struct twin {
	PGconn *here, *there;
};

static inline PGconn *
direct(void)
{
	return sql_open(
	    text("host=127.0.0.1 port=%d user=app dbname=app2", pg->port));
}

static inline struct twin
twin_new(const struct pooler *p)
{
	return (struct twin){ pooler_conn(p, ""), direct() };
}

static inline void
twin_free(struct twin *t)
{
	PQfinish(t->here);
	PQfinish(t->there);
}

/* --- the same answers ----------------------------------------------------------- */

static inline const char *
or_none(const char *s)
{
	return s == NULL ? "" : s;
}

static bool is_placeless;

/* All that a client may see of an answer. */
static inline void
tell(PGresult *r, char *to, size_t size)
{
	size_t n = (size_t)snprintf(to, size, "%s|%s|%s|%s|%s|%s|",
	    PQresStatus(PQresultStatus(r)), PQcmdStatus(r),
	    or_none(PQresultErrorField(r, PG_DIAG_SQLSTATE)),
	    or_none(PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY)),
	    or_none(PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL)),
	    is_placeless
		? ""
		: or_none(PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION)));

	for (int f = 0; f < PQnfields(r) && n < size; f++)
		n += (size_t)snprintf(
		    to + n, size - n, "%s:%u ", PQfname(r, f), PQftype(r, f));
	for (int i = 0; i < PQntuples(r); i++)
		for (int f = 0; f < PQnfields(r) && n < size; f++)
			n += (size_t)snprintf(
			    to + n, size - n, "[%s]", PQgetvalue(r, i, f));
}

/* Both answers to `query`, as one text; each result a line. */
static inline void
gather(PGconn *c, char *to, size_t size)
{
	size_t n = 0;
	PGresult *r;

	to[0] = '\0';
	while ((r = PQgetResult(c)) != NULL) {
		ck_assert_uint_lt(n, size - 1);
		tell(r, to + n, size - n);
		n += strlen(to + n);
		if (n < size - 1)
			strcpy(to + n++, "\n");
		PQclear(r);
	}
}

enum way { SIMPLE, EXTENDED, NAMED };

static inline void
send(PGconn *c, enum way way, const char *query)
{
	int ok;

	if (way == SIMPLE)
		ok = PQsendQuery(c, query);
	else if (way == EXTENDED)
		ok = PQsendQueryParams(c, query, 0, NULL, NULL, NULL, NULL, 0);
	else
		ok = PQsendQueryPrepared(c, query, 0, NULL, NULL, NULL, 0);
	ck_assert_msg(ok == 1, "%s: %s", query, PQerrorMessage(c));
}

static inline void
compare(const struct twin *t, const char *what)
{
	static char here[65536], there[65536];

	gather(t->there, there, sizeof(there));
	gather(t->here, here, sizeof(here));
	ck_assert_msg(strcmp(here, there) == 0,
	    "%s\n--- PostgreSQL says\n%s--- we say\n%s", what, there, here);
	ck_assert_msg(
	    PQtransactionStatus(t->here) == PQtransactionStatus(t->there),
	    "%s: %d, %d", what, PQtransactionStatus(t->there),
	    PQtransactionStatus(t->here));
}

static inline void
say(const struct twin *t, enum way way, const char *query)
{
	send(t->there, way, query);
	send(t->here, way, query);
	compare(t, query);
}

/* --- from one backend to the other ------------------------------------------------- */

struct stage {
	struct pooler *p;
	PGconn *other[OTHERS];
	bool is_holding[OTHERS];
};

static inline struct stage
stage_new(const char *setting)
{
	struct stage s = { .p = pooler_with(text("default_pool_size = %d\n%s",
			       OTHERS + 1, setting)) };

	for (int i = 0; i < OTHERS; i++)
		s.other[i] = pooler_conn(s.p, "");
	return s;
}

static inline void
stage_free(struct stage *s)
{
	for (int i = 0; i < OTHERS; i++)
		PQfinish(s->other[i]);
	pooler_stop(s->p);
}

/* Some of the backends are somebody else's. */
static inline void
hold(struct stage *s, unsigned n)
{
	for (unsigned i = 0; i < OTHERS; i++) {
		if (s->is_holding[i] != (i < n))
			sql_do(s->other[i], i < n ? "BEGIN" : "COMMIT");
		s->is_holding[i] = i < n;
	}
}

/* Each has the same names for other things, on each backend. */
static inline void
disturb(struct stage *s)
{
	hold(s, 0);
	for (int i = 0; i < OTHERS; i++) {
		sql_do(s->other[i], "DEALLOCATE ALL");
		sql_do(s->other[i], "PREPARE a AS SELECT 'not yours'");
		sql_do(s->other[i], "PREPARE b AS SELECT 'nor this'");
		ck_assert_str_eq(
		    sql_one(s->other[i], "EXECUTE a"), "not yours");
	}
}

#endif
