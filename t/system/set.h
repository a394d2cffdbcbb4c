/*
 * set.h - SET at the console, and what it says: for the tests of it.
 */
#ifndef T_SYSTEM_SET_H
#define T_SYSTEM_SET_H

#include <stdio.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

/* The last notice that came to a console. */
static char notice[1000];

static inline void
on_notice(void *arg, const PGresult *r)
{
	(void)arg;
	snprintf(notice, sizeof(notice), "%s", PQresultErrorMessage(r));
}

static inline PGconn *
console(const struct pooler *p)
{
	PGconn *c = pooler_console(p, "admin");

	PQsetNoticeReceiver(c, on_notice, NULL);
	return c;
}

/* SET KEY = 'VALUE': done, with its tag, and a notice only if it is wanted. */
static inline void
set_saying(PGconn *c, const char *key, const char *value, const char *saying)
{
	const char *tag = text("SET %s=%s", key, value);
	PGresult *r;

	notice[0] = '\0';
	r = PQexec(c, text("SET %s = '%s'", key, value));
	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK, "SET %s: %s", key,
	    PQresultErrorMessage(r));
	/* libpq keeps so much of it */
	ck_assert_str_eq(PQcmdStatus(r), text("%.63s", tag));
	if (saying)
		ck_assert_msg(
		    strstr(notice, saying) != NULL, "%s: %s", key, notice);
	else
		ck_assert_msg(notice[0] == '\0', "%s: %s", key, notice);
	PQclear(r);
}

static inline void
set(PGconn *c, const char *key, const char *value)
{
	set_saying(c, key, value, NULL);
}

/* It fails so, and its text has `why`. */
static inline void
refused(PGconn *c, const char *key, const char *value, const char *sqlstate,
    const char *why)
{
	PGresult *r = PQexec(c, text("SET %s = '%s'", key, value));
	const char *got = PQresultErrorField(r, PG_DIAG_SQLSTATE);

	ck_assert_msg(got && !strcmp(got, sqlstate), "SET %s: %s: %s", key,
	    got ? got : "done", PQresultErrorMessage(r));
	ck_assert_msg(strstr(PQresultErrorMessage(r), why) != NULL,
	    "SET %s: %s", key, PQresultErrorMessage(r));
	PQclear(r);
}

/* What SHOW CONFIG says. */
static inline const char *
config(PGconn *c, const char *key)
{
	PGresult *r = PQexec(c, "SHOW CONFIG");
	const char *got = "(none)";

	ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
	for (int i = 0; i < PQntuples(r); i++)
		if (!strcmp(PQgetvalue(r, i, 0), key))
			got = text("%s", PQgetvalue(r, i, 1));
	PQclear(r);
	return got;
}

#endif
