/*
 * 03_stop_session_test.c - SHUTDOWN, in its three ways, while clients have more
 * than a transaction: one keeps its backend for a temporary table, one listens,
 * one's backend is being asked what its session has come to, one is idle.
 */
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

#define OURS "datname = 'app' AND usename = 'app'"

static struct pooler *p;
static PGconn *pinned, *listening, *asked, *idle, *console;
static PGconn *holder; /* past the pooler: what the question waits for */

/* The question looks for temporary tables in pg_depend. */
static void
hold_question(void)
{
	holder = sql_open(
	    text("host=127.0.0.1 port=%d user=postgres dbname=app", pg->port));
	sql_do(holder, "BEGIN; LOCK pg_catalog.pg_depend");
	sql_send(asked, "DO 'BEGIN PERFORM 1; END'");
	UNTIL(5000,
	    pg_backends(pg,
		OURS " AND query LIKE '%%pg_depend%%'"
		     " AND wait_event_type = 'Lock'") == 1);
}

static void
begin(void)
{
	p = pooler_with("default_pool_size = 6");
	pinned = pooler_conn(p, "");
	listening = pooler_conn(p, "");
	asked = pooler_conn(p, "");
	idle = pooler_conn(p, "");
	console = pooler_console(p, "admin");
	sql_do(pinned, "CREATE TEMP TABLE mine AS SELECT 7 AS n");
	sql_do(listening, "LISTEN news");
	sql_do(idle, "SELECT 1");
	hold_question();
}

/* All are closed, by whomever; the pooler ends well, and nothing is left. */
static void
end(void)
{
	pooler_gone(p, 0);
	UNTIL(10000, pg_backends(pg, OURS) == 0);
	PQfinish(pinned);
	PQfinish(listening);
	PQfinish(asked);
	PQfinish(idle);
	PQfinish(console);
	PQfinish(holder);
}

static const char *
heard(PGconn *c)
{
	PGnotify *n = NULL;
	const char *extra;

	UNTIL(5000, PQconsumeInput(c) && (n = PQnotifies(c)) != NULL);
	extra = text("%s", n->extra);
	PQfreemem(n);
	return extra;
}

START_TEST(at_once)
{
	begin();
	/* the answer may not come any more */
	PQclear(PQexec(console, "SHUTDOWN"));
	sql_closed(pinned, 5000);
	sql_closed(listening, 5000);
	sql_closed(asked, 5000);
	sql_closed(idle, 5000);
	sql_do(holder, "ROLLBACK");
	end();
}
END_TEST

/* As if nothing were, until they leave by themselves. */
START_TEST(wait_for_clients)
{
	begin();
	sql_do(console, "SHUTDOWN WAIT_FOR_CLIENTS");
	UNTIL(5000, file_has(p->log, "shutting down"));
	ck_assert_int_eq(sql_num(pinned, "SELECT n FROM mine"), 7);
	sql_do(idle, "NOTIFY news, 'late'");
	ck_assert_str_eq(heard(listening), "late");
	sql_do(holder, "ROLLBACK");
	sql_get(asked);
	ck_assert_int_eq(sql_num(asked, "SELECT 5"), 5);
	sql_do(pinned, "DROP TABLE mine");
	ck_assert_int_eq(sql_num(pinned, "SELECT 6"), 6);
	ck_assert(is_alive(p->pid));
	/* every worker shuts the door when it hears of it */
	UNTIL(5000, (PQreset(idle), PQstatus(idle) != CONNECTION_OK));
	PQfinish(pinned);
	PQfinish(listening);
	PQfinish(asked);
	pinned = listening = asked = NULL;
	end();
}
END_TEST

/* Who has a backend goes on until it is given back. */
START_TEST(wait_for_servers)
{
	begin();
	sql_do(console, "SHUTDOWN WAIT_FOR_SERVERS");
	sql_closed(idle, 5000);
	sql_closed(listening, 5000);
	ck_assert_int_eq(sql_num(pinned, "SELECT n FROM mine"), 7);
	sql_do(holder, "ROLLBACK");
	/* its answer is whole */
	sql_get(asked);
	sql_closed(asked, 5000);
	ck_assert_int_eq(sql_num(pinned, "SELECT n + 1 FROM mine"), 8);
	ck_assert(is_alive(p->pid));
	sql_do(pinned, "DROP TABLE mine");
	sql_closed(pinned, 5000);
	end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stop session");
	TCase *tc = suite_case(s, "stop session", 60);

	if (is_standin())
		return EXIT_SUCCESS;
	tcase_add_test(tc, at_once);
	tcase_add_test(tc, wait_for_clients);
	tcase_add_test(tc, wait_for_servers);
	return suite_run(s, SUITE_PG);
}
