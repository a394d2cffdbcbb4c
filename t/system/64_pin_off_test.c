/*
 * 64_pin_off_test.c - session_pin = off: who would keep its backend is refused,
 * and stays where that can be.
 */
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/pin.h"

/* It is lost, and its client is told so. */
static void
expect_dropped(struct wire *w)
{
	wire_expect(w, "N");
	ck_assert_str_eq(wire_field(w, 'M'),
	    "session_pin is off: temporary tables are dropped");
	ck_assert_str_eq(wire_field(w, 'C'), "01000");
	ck_assert_str_eq(wire_field(w, 'V'), "WARNING");
}

/* What the text tells is not run, and its client stays; what the server alone
 * can tell was run, and its client goes; but tables go without it, and its
 * server stays, too. */
START_TEST(refused)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 1\nsession_pin = off");
	PGconn *b = pooler_conn(p, "");

	for (size_t i = 0; i < sizeof(pins) / sizeof(*pins); i++) {
		struct wire *w = wire_to(p);
		int pid = sql_backend(b);

		wire_query(w, pins[i].begin);
		if (pins[i].is_hidden)
			while (wire_recv(w, WIRE_MS) != 'Z')
				ck_assert_int_ne(w->type, 'E');
		if (pins[i].is_hidden && strstr(pins[i].why, "table")) {
			expect_dropped(w);
			wire_query(w, "SELECT n FROM tt");
			wire_error(w, 'C', "42P01");
			wire_expect(w, "Z");
			ck_nothing(b);
			ck_assert_int_eq(sql_backend(b), pid);
			wire_free(w);
			continue;
		}
		wire_error(w, 'M', text("session_pin is off: %s", pins[i].why));
		ck_assert_str_eq(wire_field(w, 'C'), "0A000");
		ck_assert_str_eq(
		    wire_field(w, 'V'), pins[i].is_hidden ? "FATAL" : "ERROR");
		if (pins[i].is_hidden) {
			wire_end(w);
		} else {
			wire_expect(w, "Z");
			ck_assert_int_eq(*w->body, 'I');
			wire_query(w, "SELECT 1");
			wire_expect(w, "TDCZ");
		}
		ck_nothing(b);
		wire_free(w);
	}
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* Whoever had it before that was so set, or has a lock beside it, is refused. */
START_TEST(not_dropped)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *console = pooler_console(p, "admin");
	PGconn *b = pooler_conn(p, "");

	for (int i = 0; i < 2; i++) {
		struct wire *w = wire_to(p);

		if (i == 0) {
			wire_query(w, "CREATE TEMP TABLE tt (n int)");
			wire_expect(w, "CZ");
			/* and what is asked behind it is answered */
			wire_query(w, "SELECT 1");
			wire_expect(w, "TDCZ");
		}
		sql_do(console, "SET session_pin = '0'");
		wire_query(w,
		    i == 0 ? "DISCARD PLANS"
			   : "DO 'BEGIN PERFORM pg_advisory_lock(7); EXECUTE "
			     "''create temp table tt (n int)''; END'");
		wire_expect(w, "CZ");
		if (i == 0)
			wire_query(w, "DO 'BEGIN END'");
		while (wire_recv(w, WIRE_MS) != 'E')
			;
		ck_assert_str_eq(wire_field(w, 'V'), "FATAL");
		wire_end(w);
		wire_free(w);
		ck_nothing(b);
		sql_do(console, "SET session_pin = '1'");
	}
	PQfinish(b);
	PQfinish(console);
	pooler_stop(p);
}
END_TEST

static void
expect_failed(struct wire *w, const char *why)
{
	wire_error(w, 'M', why);
	ck_assert_str_eq(wire_field(w, 'C'), "0A000");
	ck_assert_str_eq(wire_field(w, 'V'), "ERROR");
	wire_expect(w, "Z");
	ck_assert_int_eq(*w->body, 'E');
}

/* It is an error like any other: the transaction has failed. */
START_TEST(refused_inside)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 1\nsession_pin = off");
	PGconn *b = pooler_conn(p, "");
	struct wire *w = wire_open("127.0.0.1", p->port);

	sql_do(b, "DROP TABLE IF EXISTS kept_out");
	sql_do(b, "CREATE TABLE kept_out (n int)");
	wire_login(w, "app", "app");
	for (int i = 0; i < 2; i++) {
		wire_query(w, "BEGIN; INSERT INTO kept_out VALUES (1)");
		wire_expect(w, "CCZ");
		if (i == 0) {
			wire_query(w, "LOAD 'x'");
			expect_failed(w, "session_pin is off: loaded library");
		} else {
			wire_put(w, 'P', "ssh", "s",
			    "SELECT pg_advisory_lock(7)", 0);
			wire_put(w, 'B', "sshhh", "", "s", 0, 0, 0);
			wire_put(w, 'E', "si", "", 0);
			wire_put(w, 'S', "");
			expect_failed(w, "session_pin is off: advisory lock");
		}
		wire_query(w, "COMMIT");
		wire_expect(w, "CZ");
		ck_assert_int_eq(*w->body, 'I');
		ck_assert_str_eq(
		    sql_one(b, "SELECT count(*) FROM kept_out"), "0");
	}
	ck_nothing(b);
	wire_free(w);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* Nothing of this needs the session. */
START_TEST(not_refused)
{
	static const char *const texts[] = {
		"CREATE TEMP TABLE tt (n int) ON COMMIT DROP",
		"BEGIN; CREATE TEMP TABLE tt (n int) ON COMMIT DROP; "
		"SELECT * FROM pg_temp.tt; COMMIT",
		"SELECT pg_advisory_xact_lock(7)",
		"BEGIN; DECLARE cc CURSOR FOR SELECT 7; FETCH cc; COMMIT",
		"SELECT 'create temp table tt (n int); load x'",
		"CREATE OR REPLACE VIEW locks AS SELECT "
		"pg_try_advisory_lock(7); "
		"DROP VIEW locks",
		"EXPLAIN SELECT pg_advisory_lock(7)",
		"SELECT pg_advisory_unlock_all()",
		"DISCARD ALL",
	};
	struct pooler *p =
	    pooler_with("default_pool_size = 1\nsession_pin = off");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		sql_do(a, "%s", texts[i]);
		ck_nothing(b);
	}
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("pin off");
	TCase *tc = suite_case(s, "pin", 60);

	tcase_add_test(tc, refused);
	tcase_add_test(tc, not_dropped);
	tcase_add_test(tc, refused_inside);
	tcase_add_test(tc, not_refused);
	return suite_run(s, SUITE_PG);
}
