/*
 * 69_meet_test.c - where the pieces of transaction pooling meet: settings that
 * change under live clients, and waits that overlap.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"

/* --- the mode changes ------------------------------------------------------- */

/* What a client of session mode has left, and how another would see it. */
static const struct {
	const char *begin, *look, *is;
} leaves[] = {
	{ "SET work_mem = '7MB'", "SHOW work_mem", "4MB" },
	{ "SET search_path = pg_catalog", "SHOW search_path",
	    "\"$user\", public" },
	{ "CREATE TEMP TABLE tt (n int)",
	    "SELECT count(*) FROM pg_class WHERE relname = 'tt'", "0" },
	{ "SELECT pg_advisory_lock(7)",
	    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", "0" },
	{ "PREPARE pp AS SELECT 1",
	    "SELECT count(*) FROM pg_prepared_statements WHERE name = 'pp'",
	    "0" },
	{ "LISTEN cc", "SELECT count(*) FROM pg_listening_channels()", "0" },
	{ "DECLARE cc CURSOR WITH HOLD FOR SELECT 1",
	    "SELECT count(*) FROM pg_cursors WHERE name = 'cc'", "0" },
};

/* Nobody has looked at what it did: it does not come to the next. */
START_TEST(session_to_transaction)
{
	struct pooler *p = pooler_with("pool_mode = session\n"
				       "default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *b, *o;

	sql_do(a, "%s", leaves[_i].begin);
	o = pooler_console(p, "admin");
	sql_do(o, "SET pool_mode = transaction");
	b = pooler_conn(p, "");
	sql_do(a, "SELECT 1");
	sql_send(b, "%s", leaves[_i].look);
	if (!sql_is_ready(b, 1000)) {
		/* it stays until it leaves */
		PQfinish(a);
		a = NULL;
	}
	ck_assert_str_eq(sql_get(b), leaves[_i].is);
	PQfinish(a);
	PQfinish(b);
	PQfinish(o);
	pooler_stop(p);
}
END_TEST

/* The other way: what has followed it until now goes on doing so. */
START_TEST(transaction_to_session)
{
	struct pooler *p = pooler_with("default_pool_size = 3");
	PGconn *a = pooler_conn(p, ""), *b, *o = pooler_console(p, "admin");
	PGresult *r;

	sql_do(a, "SET work_mem = '7MB'");
	sql_do(a, "PREPARE pp AS SELECT 'mine'");
	r = PQprepare(a, "ps", "SELECT 5", 0, NULL);
	ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
	PQclear(r);
	sql_do(a, "LISTEN cc");
	sql_do(o, "SET pool_mode = session");
	/* it keeps one, and one listens */
	b = pooler_conn(p, "");
	sql_do(b, "SET work_mem = '8MB'");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
	ck_assert_str_eq(sql_one(a, "EXECUTE pp"), "mine");
	r = PQexecPrepared(a, "ps", 0, NULL, NULL, NULL, 0);
	ck_assert_str_eq(PQgetvalue(r, 0, 0), "5");
	PQclear(r);
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "8MB");
	PQfinish(a);
	PQfinish(b);
	PQfinish(o);
	pooler_stop(p);
}
END_TEST

/* In the middle of a transaction: it comes to its end. */
START_TEST(transaction_to_statement)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *o = pooler_console(p, "admin"), *b;

	sql_do(a, "BEGIN");
	sql_do(o, "SET pool_mode = statement");
	b = pooler_conn(p, "");
	sql_do(a, "SELECT 1");
	sql_do(a, "COMMIT");
	sql_do(b, "SELECT 1");
	PQfinish(a);
	PQfinish(b);
	PQfinish(o);
	pooler_stop(p);
}
END_TEST

/* --- LISTEN ----------------------------------------------------------------- */

/* It holds the only place that the listener could have. */
START_TEST(listen_in_a_transaction)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, "");

	sql_do(a, "BEGIN");
	sql_send(a, "LISTEN cc");
	ck_assert(sql_is_ready(a, 15000));
	ck_assert_ptr_nonnull(strstr(sql_get_error(a), "left to listen"));
	PQfinish(a);
	pooler_stop(p);
}
END_TEST

/* --- what the server refuses -------------------------------------------------- */

/* Its settings are refused, ahead of its query or of our question: the server
 * skips that, and is others' again at once. */
START_TEST(refused_settings)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a, *b = pooler_conn(p, "");

	sql_do(b, "SELECT 1");
	if (_i == 0) {
		sql_refused(
		    pooler_at(p, "options='-c work_mem=nonsense'"), "work_mem");
	} else {
		a = pooler_conn(p, "user=app");
		pg_ask(pg, "CREATE ROLE goes; GRANT goes TO app");
		sql_do(a, "SET ROLE goes");
		sql_do(b, "SELECT 1");
		pg_ask(pg, "DROP ROLE goes");
		sql_send(a, "SELECT 2");
		ck_assert_ptr_nonnull(strstr(sql_get_error(a), "goes"));
		PQfinish(a);
	}
	sql_send(b, "SELECT 3");
	ck_assert(sql_is_ready(b, 15000));
	ck_assert_str_eq(sql_get(b), "3");
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* Its time-out may hit our question, too: that is asked again, or the client is
 * told so; nobody waits for ever. */
START_TEST(hardly_any_time)
{
	static const char *const sets[] = { "SET statement_timeout = 1",
		"RESET ALL; SET statement_timeout = 1" };
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	for (int n = 0; n < 400; n++) {
		sql_send(a, "%s", sets[_i]);
		ck_assert(sql_is_ready(a, 15000));
		while (PQgetResult(a) != NULL)
			;
		ck_assert_str_eq(sql_one(b, "SHOW statement_timeout"), "0");
		if (PQstatus(a) == CONNECTION_OK)
			continue;
		PQfinish(a);
		a = pooler_conn(p, "");
	}
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("meet");
	TCase *tc = suite_case(s, "meet", 60);

	tcase_add_loop_test(
	    tc, session_to_transaction, 0, sizeof(leaves) / sizeof(*leaves));
	tcase_add_test(tc, transaction_to_session);
	tcase_add_test(tc, transaction_to_statement);
	tcase_add_test(tc, listen_in_a_transaction);
	tcase_add_loop_test(tc, refused_settings, 0, 2);
	tcase_add_loop_test(tc, hardly_any_time, 0, 2);
	return suite_run(s, SUITE_PG);
}
