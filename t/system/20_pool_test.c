/*
 * 20_pool_test.c - who gets which server, and when: the three pool modes,
 * reuse, the queue, and cleaning between clients.
 */
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

START_TEST(session_keeps_its_server)
{
	struct pooler *p = pooler_with("pool_mode = session");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	int pid = sql_backend(a);

	ck_assert_int_ne(pid, sql_backend(b));
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(sql_backend(a), pid);
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

START_TEST(session_waits_for_the_other_to_leave)
{
	struct pooler *p = pooler_with("pool_mode = session\n"
				       "default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	int pid = sql_backend(a);

	sql_send(b, "SELECT pg_backend_pid()");
	ck_assert(!sql_is_ready(b, 200));
	PQfinish(a);
	ck_assert(sql_is_ready(b, 15000));
	ck_assert_str_eq(sql_get(b), text("%d", pid));
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

START_TEST(transaction_shares_one_server)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *c[10];
	int pid;

	for (int i = 0; i < 10; i++)
		c[i] = pooler_conn(p, "");
	pid = sql_backend(c[0]);
	for (int round = 0; round < 5; round++)
		for (int i = 0; i < 10; i++)
			ck_assert_int_eq(sql_backend(c[i]), pid);
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 1);
	for (int i = 0; i < 10; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

START_TEST(transaction_holds_until_commit)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	sql_do(a, "BEGIN");
	sql_send(b, "SELECT 'b'");
	ck_assert(!sql_is_ready(b, 200));
	sql_fails(a, "22012", "SELECT 1/0");
	/* a failed transaction is still one */
	ck_assert(!sql_is_ready(b, 200));
	sql_fails(a, "25P02", "SELECT 1");
	sql_do(a, "ROLLBACK");
	ck_assert(sql_is_ready(b, 15000));
	ck_assert_str_eq(sql_get(b), "b");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

START_TEST(statement_refuses_transactions)
{
	struct pooler *p = pooler_with("pool_mode = statement\n"
				       "default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *b;
	PGresult *r;

	ck_assert_int_eq(sql_num(a, "SELECT 7"), 7);
	r = PQexec(a, "BEGIN");
	ck_assert_int_eq(PQresultStatus(r), PGRES_FATAL_ERROR);
	PQclear(r);
	sql_closed(a, 5000);
	/* and the server is not left in that transaction */
	b = pooler_conn(p, "");
	ck_assert_int_eq(sql_num(b, "SELECT 8"), 8);
	ck_assert_int_eq(
	    pg_backends(pg, "datname = 'app' AND state LIKE 'idle in%'"), 0);
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* An idle server is used before a new one is opened, the latest first. */
START_TEST(idle_before_new)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *c[8];

	for (int i = 0; i < 8; i++)
		c[i] = pooler_conn(p, "");
	/* so that no worker is there that has not been given the first one */
	for (int i = 0; i < 8; i++)
		ck_assert_int_eq(sql_num(c[i], "SELECT 1"), 1);
	pooler_set(p, "default_pool_size = 5");
	pooler_reload(p);
	for (int round = 0; round < 20; round++)
		for (int i = 0; i < 8; i++)
			ck_assert_int_eq(sql_num(c[i], "SELECT 1"), 1);
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 1);
	for (int i = 0; i < 8; i++)
		PQfinish(c[i]);
	pooler_stop(p);
}
END_TEST

START_TEST(queue_is_served)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *c[20];

	for (int i = 0; i < 20; i++)
		c[i] = pooler_conn(p, "");
	/* all at once, so that one server would be too few */
	for (int i = 0; i < 20; i++)
		sql_send(c[i], "SELECT %d FROM pg_sleep(0.02)", i);
	for (int i = 0; i < 20; i++) {
		ck_assert(sql_is_ready(c[i], 30000));
		ck_assert_str_eq(sql_get(c[i]), text("%d", i));
		PQfinish(c[i]);
	}
	ck_assert_int_eq(pg_backends(pg, "datname = 'app'"), 2);
	pooler_stop(p);
}
END_TEST

/* Who has waited longest is served first. */
START_TEST(oldest_first)
{
	struct pooler *p = pooler_new();
	PGconn *h, *w[12];

	pooler_workers(p, 1);
	pooler_set(p, "default_pool_size = 1");
	pooler_start(p);
	h = pooler_conn(p, "");
	sql_do(h, "DROP SEQUENCE IF EXISTS turn; CREATE SEQUENCE turn");
	sql_do(h, "BEGIN");
	for (int i = 0; i < 12; i++) {
		w[i] = pooler_conn(p, "");
		sql_send(w[i], "SELECT nextval('turn')");
		ck_assert(!sql_is_ready(w[i], 20));
	}
	sql_do(h, "COMMIT");
	for (int i = 0; i < 12; i++) {
		ck_assert_str_eq(sql_get(w[i]), text("%d", i + 1));
		PQfinish(w[i]);
	}
	PQfinish(h);
	pooler_stop(p);
}
END_TEST

/* A session's named statements are its own, and stay. */
START_TEST(statements_of_a_session)
{
	struct pooler *p = pooler_with("pool_mode = session");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	PGresult *r;

	for (int i = 0; i < 2; i++) {
		r = PQprepare(i ? b : a, "named",
		    i ? "SELECT 'b'" : "SELECT 'a'", 0, NULL);
		ck_assert_int_eq(PQresultStatus(r), PGRES_COMMAND_OK);
		PQclear(r);
	}
	for (int i = 0; i < 6; i++) {
		r = PQexecPrepared(
		    i % 2 ? b : a, "named", 0, NULL, NULL, NULL, 0);
		ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
		ck_assert_str_eq(PQgetvalue(r, 0, 0), i % 2 ? "b" : "a");
		PQclear(r);
	}
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

START_TEST(pools_are_apart)
{
	struct pooler *p = pooler_with("default_pool_size = 3");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "user=app2"),
	       *c = pooler_conn(p, "dbname=app2");

	for (int i = 0; i < 5; i++) {
		ck_assert_str_eq(sql_one(a, "SELECT current_user"), "app");
		ck_assert_str_eq(sql_one(b, "SELECT current_user"), "app2");
		ck_assert_str_eq(
		    sql_one(c, "SELECT current_database()"), "app2");
		ck_assert_str_eq(
		    sql_one(a, "SELECT current_database()"), "app");
	}
	ck_assert_int_eq(pg_backends(pg, "datname LIKE 'app%'"), 3);
	PQfinish(a);
	PQfinish(b);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(mode_and_user_per_database)
{
	struct pooler *p = pooler_new();
	PGconn *a, *b;

	pooler_db(p,
	    "sess = host=127.0.0.1 port=%d dbname=app user=app3 "
	    "pool_mode=session",
	    pg->port);
	pooler_user(p, "app2 = pool_mode=session");
	pooler_set(p, "default_pool_size = 4");
	pooler_start(p);
	a = pooler_conn(p, "dbname=sess");
	ck_assert_str_eq(sql_one(a, "SELECT current_user"), "app3");
	sql_do(a, "SET work_mem = '77kB'");
	b = pooler_conn(p, "dbname=sess user=app2");
	ck_assert_str_ne(sql_one(b, "SHOW work_mem"), "77kB");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "77kB");
	PQfinish(b);
	b = pooler_conn(p, "user=app2");
	sql_do(b, "SET work_mem = '88kB'");
	PQfinish(pooler_conn(p, "user=app2"));
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "88kB");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* What one session leaves behind is gone before the next one has it. */
START_TEST(reset_query_in_session_mode)
{
	struct pooler *p = pooler_with(
	    "pool_mode = session\n"
	    "default_pool_size = 1\nserver_reset_query = DISCARD ALL");
	PGconn *a = pooler_conn(p, ""), *b;
	int pid = sql_backend(a);

	sql_do(a, "SET work_mem = '77kB'");
	sql_do(a, "CREATE TEMP TABLE left_behind (i int)");
	sql_do(a, "PREPARE ps AS SELECT 1");
	sql_do(a, "SELECT pg_advisory_lock(1)");
	PQfinish(a);
	b = pooler_conn(p, "");
	ck_assert_int_eq(sql_backend(b), pid);
	ck_assert_str_ne(sql_one(b, "SHOW work_mem"), "77kB");
	sql_fails(b, "42P01", "SELECT * FROM left_behind");
	sql_fails(b, "26000", "EXECUTE ps");
	ck_assert_int_eq(
	    pg_num(pg,
		"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
	    0);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

START_TEST(reset_query_in_transaction_mode)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 1\n"
			"server_reset_query = SET work_mem = '99kB'");
	PGconn *a = pooler_conn(p, "");

	/* not without _always */
	sql_do(a, "SET work_mem = '77kB'");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "77kB");
	PQfinish(a);
	pooler_stop(p);
	p = pooler_with("default_pool_size = 1\n"
			"server_reset_query = SET work_mem = '99kB'\n"
			"server_reset_query_always = 1\n"
			"session_state = off");
	a = pooler_conn(p, "");
	sql_do(a, "SET work_mem = '77kB'");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "99kB");
	PQfinish(a);
	pooler_stop(p);
}
END_TEST

/* A reset query that fails ends the server, and the next client gets another */
START_TEST(failing_reset_query)
{
	struct pooler *p = pooler_new();
	PGconn *a, *b;
	int pid;

	p->errors_ok = true;
	pooler_set(p, "pool_mode = session\ndefault_pool_size = 1");
	pooler_set(p, "server_reset_query = SELECT 1/0");
	pooler_start(p);
	a = pooler_conn(p, "");
	pid = sql_backend(a);
	PQfinish(a);
	b = pooler_conn(p, "");
	ck_assert_int_ne(sql_backend(b), pid);
	UNTIL(5000, pg_backends(pg, "datname = 'app'") == 1);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pool");
	TCase *tc = suite_case(s, "pool", 30);

	tcase_add_test(tc, session_keeps_its_server);
	tcase_add_test(tc, session_waits_for_the_other_to_leave);
	tcase_add_test(tc, transaction_shares_one_server);
	tcase_add_test(tc, transaction_holds_until_commit);
	tcase_add_test(tc, statement_refuses_transactions);
	tcase_add_test(tc, idle_before_new);
	tcase_add_test(tc, queue_is_served);
	tcase_add_test(tc, oldest_first);
	tcase_add_test(tc, statements_of_a_session);
	tcase_add_test(tc, pools_are_apart);
	tcase_add_test(tc, mode_and_user_per_database);
	tcase_add_test(tc, reset_query_in_session_mode);
	tcase_add_test(tc, reset_query_in_transaction_mode);
	if (!is_standin())
		tcase_add_test(tc, failing_reset_query);
	return suite_run(s, SUITE_PG);
}
