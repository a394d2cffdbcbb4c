/*
 * 63_session_switch_test.c - session_state and pool_mode change while the
 * program runs: what nobody has looked after is met by nobody who counts on it.
 */
#include <string.h>

#include "t/system/session.h"
#include "t/system/set.h"

static const char mess[] = "SET work_mem = '7MB'; SET app.me = 'me'; "
			   "CREATE TEMP TABLE tt (n int); "
			   "SELECT pg_advisory_lock(7); PREPARE s AS SELECT 1";

/* Nothing of the mess is seen. */
static void
ck_clean(PGconn *c)
{
	ck_assert_str_eq(
	    sql_one(c,
		"SELECT concat((SELECT count(*) FROM pg_locks WHERE locktype = "
		"'advisory' AND pid = pg_backend_pid()), (SELECT count(*) FROM "
		"pg_class WHERE oid = to_regclass('pg_temp.tt')), "
		"(SELECT count(*) FROM pg_prepared_statements WHERE name = "
		"'s'), current_setting('work_mem'), "
		"current_setting('app.me', true))"),
	    "0004MB");
}

/* Idle when it is switched on; _i: in which way it is on. */
START_TEST(idle)
{
	static const char *const on[] = { "track", "strict" };
	struct pooler *p = one_backend("session_state = off");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, ""),
	       *c = console(p);

	sql_do(a, mess);
	/* off: it stays with the server, for all */
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "7MB");
	ck_assert_str_eq(sql_one(b, "SELECT count(*) FROM tt"), "0");
	set(c, "session_state", on[_i]);
	ck_clean(b);
	ck_clean(a);
	PQfinish(a);
	PQfinish(b);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* A server that was looked after less strictly goes, once. */
START_TEST(once)
{
	struct pooler *p = one_backend("session_state = off");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, ""),
	       *c = console(p);
	int pid = sql_backend(a);

	set(c, "session_state", "track");
	ck_assert_int_ne(sql_backend(b), pid);
	pid = sql_backend(b);
	ck_assert_int_eq(sql_backend(a), pid);
	set(c, "session_state", "strict");
	ck_assert_int_ne(sql_backend(b), pid);
	pid = sql_backend(b);
	ck_assert_int_eq(sql_backend(a), pid);
	set(c, "session_state", "track");
	ck_assert_int_eq(sql_backend(b), pid);
	ck_assert_int_eq(sql_backend(a), pid);
	PQfinish(a);
	PQfinish(b);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* Lent when it is switched on, or off and on again. */
START_TEST(lent)
{
	struct pooler *p = one_backend(_i == 0 ? "session_state = off" : "");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, ""),
	       *c = console(p);

	sql_do(a, "BEGIN");
	if (_i == 1)
		set(c, "session_state", "off");
	sql_do(a, mess);
	set(c, "session_state", "track");
	sql_do(a, "COMMIT");
	ck_clean(b);
	PQfinish(a);
	PQfinish(b);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* It was there for session mode, without a reset that would do. */
START_TEST(session_mode)
{
	static const char *const reset[] = { "", "RESET work_mem",
		"DISCARD ALL" };
	struct pooler *p = one_backend(text("pool_mode = session\n"
					    "server_reset_query = %s",
	    reset[_i]));
	PGconn *a = pooler_conn(p, ""), *c = console(p), *b;
	int pid = sql_backend(a);

	sql_do(a, mess);
	PQfinish(a);
	UNTIL(2000,
	    pooler_show(c, "POOLS", "database", "app", "sv_idle") +
		    pooler_show(c, "POOLS", "database", "app", "sv_used") ==
		1);
	set(c, "pool_mode", "transaction");
	b = pooler_conn(p, "");
	ck_clean(b);
	ck_assert_int_eq(sql_backend(b) == pid, _i == 2);
	PQfinish(b);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("session_switch");
	TCase *tc = suite_case(s, "switch", 60);

	tcase_add_loop_test(tc, idle, 0, 2);
	tcase_add_test(tc, once);
	tcase_add_loop_test(tc, lent, 0, 2);
	tcase_add_loop_test(tc, session_mode, 0, 3);
	return suite_run(s, SUITE_PG);
}
