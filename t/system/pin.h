/*
 * pin.h - what the tests of pins share: what keeps a backend, and that nothing
 * of it is left.
 */
#ifndef T_SYSTEM_PIN_H
#define T_SYSTEM_PIN_H

#include <stdbool.h>

#include "t/lib/sql.h"

static const struct {
	const char *begin, *why, *use, *is, *end;
	bool is_hidden; /* from whoever reads the text alone */
} pins[] = {
	{ "CREATE TEMP TABLE tt (n int); INSERT INTO tt VALUES (7)",
	    "temporary table", "SELECT n FROM tt", "7", "DROP TABLE tt" },
	{ "SELECT 7 AS n INTO TEMPORARY tt", "temporary table",
	    "SELECT n FROM tt", "7", "drop table pg_temp.tt" },
	{ "CREATE TABLE pg_temp.tt AS SELECT 7 AS n", "temporary table",
	    "SELECT n FROM tt", "7", "DISCARD TEMP", true },
	{ "DO 'BEGIN EXECUTE ''create temp table tt as select 7 as n''; END'",
	    "temporary table", "SELECT n FROM tt", "7", "DISCARD ALL", true },
	{ "BEGIN; CREATE LOCAL TEMP VIEW tt AS SELECT 7 AS n; COMMIT",
	    "temporary table", "SELECT n FROM tt", "7", "DROP VIEW tt" },
	{ "SELECT pg_advisory_lock(7)", "advisory lock",
	    "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND "
	    "pid = pg_backend_pid()",
	    "7", "SELECT pg_advisory_unlock(7)" },
	{ "DO 'BEGIN PERFORM pg_advisory_lock(7); END'", "advisory lock",
	    "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND "
	    "pid = pg_backend_pid()",
	    "7", "SELECT pg_advisory_unlock(7)", true },
	{ "SELECT pg_try_advisory_lock_shared(7)", "advisory lock",
	    "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND "
	    "pid = pg_backend_pid()",
	    "7", "SELECT pg_advisory_unlock_all()" },
	{ "DECLARE cc CURSOR WITH HOLD FOR SELECT 7", "cursor with hold",
	    "FETCH ALL FROM cc", "7", "CLOSE cc" },
	{ "BEGIN; DECLARE cc SCROLL CURSOR WITH HOLD FOR SELECT 7; COMMIT",
	    "cursor with hold", "FETCH FIRST FROM cc", "7", "CLOSE ALL" },
};

/* Nothing is left of what was refused. */
static inline void
ck_nothing(PGconn *c)
{
	ck_assert_str_eq(
	    sql_one(c,
		"SELECT concat((SELECT count(*) FROM pg_locks WHERE "
		"locktype = 'advisory'), (SELECT count(*) FROM "
		"pg_class WHERE relname = 'tt'), (SELECT count(*) FROM "
		"pg_cursors))"),
	    "000");
}

#endif
