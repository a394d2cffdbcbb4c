/*
 * 64_pin_test.c - who needs the session itself keeps its backend, exactly as
 * long as that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/pin.h"

/* Why client `app` is pinned, as SHOW CLIENTS says. */
static const char *
why(PGconn *console, const char *app)
{
	PGresult *r = PQexec(console, "SHOW CLIENTS");
	int name = PQfnumber(r, "application_name");
	int pinned = PQfnumber(r, "pinned");
	const char *out = "gone";

	ck_assert_int_ge(pinned, 0);
	for (int i = 0; i < PQntuples(r); i++)
		if (strcmp(PQgetvalue(r, i, name), app) == 0)
			out = text("%s", PQgetvalue(r, i, pinned));
	PQclear(r);
	return out;
}

START_TEST(each)
{
	struct pooler *p = pooler_with("default_pool_size = 2");
	PGconn *console = pooler_console(p, "admin");
	PGconn *b = pooler_conn(p, "application_name=b");

	for (size_t i = 0; i < sizeof(pins) / sizeof(*pins); i++) {
		PGconn *a = pooler_conn(p, "application_name=a");
		int pid;

		ck_assert_str_eq(why(console, "a"), "");
		sql_do(a, "%s", pins[i].begin);
		UNTIL(2000, strcmp(why(console, "a"), pins[i].why) == 0);
		pid = sql_backend(a);
		for (int n = 0; n < 4; n++) {
			ck_assert_int_ne(sql_backend(b), pid);
			ck_assert_str_eq(sql_one(a, "%s", pins[i].use),
			    n > 0 && strncmp(pins[i].use, "FETCH ALL", 9) == 0
				? ""
				: pins[i].is);
			ck_assert_int_eq(sql_backend(a), pid);
		}
		sql_do(a, "%s", pins[i].end);
		UNTIL(2000, strcmp(why(console, "a"), "") == 0);
		/* now anybody may have it */
		sql_send(a, "SELECT pg_sleep(0.2)");
		sql_do(b, "BEGIN");
		sql_get(a);
		ck_assert_int_ne(sql_backend(b), sql_backend(a));
		sql_do(b, "COMMIT");
		PQfinish(a);
		/* each time is told, once */
		ck_assert_int_eq(pooler_show(console, "STATS", "database",
				     "app", "total_pin_count"),
		    (long)i + 1);
	}
	PQfinish(b);
	PQfinish(console);
	pooler_stop(p);
}
END_TEST

/* What does not outlive its transaction pins nobody. */
START_TEST(not_needed)
{
	static const char *const sets[] = {
		"CREATE TEMP TABLE tt (n int) ON COMMIT DROP",
		"BEGIN; CREATE TEMP TABLE tt (n int); ROLLBACK",
		"BEGIN; CREATE TEMP TABLE tt (n int); DROP TABLE tt; COMMIT",
		"SELECT pg_advisory_xact_lock(7)",
		"SELECT pg_advisory_lock(7), pg_advisory_unlock(7)",
		"BEGIN; DECLARE cc CURSOR FOR SELECT 7; COMMIT",
		"BEGIN; DECLARE cc CURSOR WITH HOLD FOR SELECT 7; ROLLBACK",
		"CREATE TEMP TABLE tt (n int, n int)",
		"SELECT 'create temp table pg_advisory_lock(1)'",
		"DO 'BEGIN CREATE TEMP TABLE tt (n int) ON COMMIT DROP; END'",
	};
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	/* with one backend b would wait for ever */
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		PQclear(PQexec(a, sets[i]));
		ck_assert_str_eq(
		    sql_one(b, "SELECT %d", (int)i), text("%d", (int)i));
		ck_assert_str_eq(
		    sql_one(b,
			"SELECT count(*) FROM pg_locks WHERE locktype = "
			"'advisory'"),
		    "0");
	}
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* A pinned client goes: with a goodbye, without one, in a transaction. */
START_TEST(leaves)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *b = pooler_conn(p, ""), *d = pooler_conn(p, "");

	/* the same as the one who goes: it must not be taken for done */
	sql_do(d, "SET work_mem = '7MB'");
	for (int i = 0; i < 3; i++) {
		PGconn *a = pooler_conn(p, "");

		sql_do(a,
		    "CREATE TEMP TABLE tt (n int); SELECT pg_advisory_lock(7); "
		    "SET work_mem = '7MB'; PREPARE s AS SELECT 1; "
		    "DECLARE cc CURSOR WITH HOLD FOR SELECT 7");
		if (i == 2)
			sql_do(a, "BEGIN; SET work_mem = '9MB'");
		if (i == 0)
			PQfinish(a);
		else
			shutdown(PQsocket(a), SHUT_RDWR);
		ck_assert_str_eq(sql_one(d, "SHOW work_mem"), "7MB");
		ck_assert_str_eq(
		    sql_one(b,
			"SELECT concat((SELECT count(*) FROM pg_locks WHERE "
			"locktype = 'advisory'), (SELECT count(*) FROM "
			"pg_class WHERE relname = 'tt'), (SELECT count(*) FROM "
			"pg_cursors), current_setting('work_mem'))"),
		    "0004MB");
		if (i > 0)
			PQfinish(a);
	}
	PQfinish(b);
	PQfinish(d);
	pooler_stop(p);
}
END_TEST

/* Until its end, and then nobody gets that backend. */
START_TEST(for_good)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *console = pooler_console(p, "admin");
	PGconn *a = pooler_conn(p, "user=app application_name=a"), *b;
	int pid;

	PQclear(PQexec(a, "LOAD '$libdir/plugins/nothing'"));
	UNTIL(2000, strcmp(why(console, "a"), "loaded library") == 0);
	pid = sql_backend(a);
	PQfinish(a);
	b = pooler_conn(p, "");
	ck_assert_int_ne(sql_backend(b), pid);
	PQfinish(b);
	PQfinish(console);
	pooler_stop(p);
}
END_TEST

/* Settings that are made while it is pinned go with it when it is over. */
START_TEST(settings_meanwhile)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, "options='-c geqo=off'");
	PGconn *b = pooler_conn(p, "");

	sql_do(a, "CREATE TEMP TABLE tt (n int)");
	sql_do(a, "SET work_mem = '7MB'");
	sql_do(a, "BEGIN; SET app.me = 'a'; COMMIT");
	sql_do(a, "SELECT 1");
	sql_do(a, "DROP TABLE tt");
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
		ck_assert_str_eq(sql_one(b, "SHOW geqo"), "on");
		ck_assert_str_ne(
		    sql_one(b, "SELECT current_setting('app.me', true)"), "a");
		ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
		ck_assert_str_eq(sql_one(a, "SHOW app.me"), "a");
		ck_assert_str_eq(sql_one(a, "SHOW geqo"), "off");
	}
	/* pinned, and reset: what it began with holds at once */
	sql_do(a, "CREATE TEMP TABLE tt (n int)");
	sql_do(a, "DISCARD ALL");
	ck_assert_str_eq(sql_one(a, "SHOW geqo"), "off");
	sql_do(a, "CREATE TEMP TABLE tt (n int)");
	sql_do(a, "SELECT pg_advisory_lock(7); RESET ALL");
	ck_assert_str_eq(sql_one(a, "SHOW geqo"), "off");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

static struct wire *
raw(struct pooler *p, const char *sql)
{
	struct wire *w = wire_to(p);

	wire_query(w, sql);
	do
		ck_assert_int_ne(wire_recv(w, WIRE_MS), 0);
	while (w->type != 'Z');
	return w;
}

/* Idle too long with it; busy is not idle. */
START_TEST(times_out)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 1\npin_timeout = 0.5");
	PGconn *b = pooler_conn(p, "");
	struct wire *w = raw(p, "CREATE TEMP TABLE tt (n int)");

	wire_query(w, "SELECT pg_sleep(1)");
	wire_expect(w, "TDCZ");
	wire_query(w, "BEGIN");
	wire_expect(w, "CZ");
	ck_assert(wire_is_quiet(w, 1000));
	wire_query(w, "COMMIT");
	wire_expect(w, "CZ");
	/* waits until it is closed */
	ck_assert_str_eq(
	    sql_one(b, "SELECT count(*) FROM pg_class WHERE relname = 'tt'"),
	    "0");
	wire_error(
	    w, 'M', "pin_timeout: idle with a server for its: temporary table");
	ck_assert_str_eq(wire_field(w, 'C'), "57P05");
	wire_end(w);
	wire_free(w);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* Who waits in vain learns why, and so does the log. */
START_TEST(all_are_pinned)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 2\nquery_wait_timeout = 1");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, ""),
	       *c = pooler_conn(p, ""), *console = pooler_console(p, "admin");

	sql_do(a, "CREATE TEMP TABLE tt (n int)");
	UNTIL(2000,
	    pooler_show(console, "POOLS", "database", "app", "sv_pinned") == 1);
	ck_assert(!file_has(p->log, "are kept by clients"));
	sql_do(b, "CREATE TEMP TABLE tt (n int)");
	UNTIL(2000, file_has(p->log, "all 2 servers of the pool are kept"));
	sql_send(c, "SELECT 1");
	ck_assert_ptr_nonnull(strstr(sql_get_error(c),
	    "query_wait_timeout (all servers are kept by clients"));
	sql_do(a, "DROP TABLE tt");
	UNTIL(2000,
	    pooler_show(console, "POOLS", "database", "app", "sv_pinned") == 1);
	PQfinish(console);
	PQfinish(a);
	PQfinish(b);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* currval() and lastval() tell nobody what another has drawn. */
START_TEST(sequences)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	sql_do(b, "CREATE SEQUENCE IF NOT EXISTS drawn");
	sql_do(a, "SELECT nextval('drawn')");
	sql_fails(b, "55000", "SELECT lastval()");
	sql_do(a, "SELECT nextval('drawn')");
	sql_fails(b, "55000", "SELECT currval('drawn')");
	sql_do(b, "BEGIN; SELECT nextval('drawn'); SELECT lastval(); COMMIT");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pin");
	TCase *tc = suite_case(s, "pin", 60);

	tcase_add_test(tc, each);
	tcase_add_test(tc, not_needed);
	tcase_add_test(tc, leaves);
	tcase_add_test(tc, for_good);
	tcase_add_test(tc, settings_meanwhile);
	tcase_add_test(tc, times_out);
	tcase_add_test(tc, all_are_pinned);
	tcase_add_test(tc, sequences);
	return suite_run(s, SUITE_PG);
}
