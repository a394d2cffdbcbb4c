/*
 * 63_session_test.c - what a client sets holds for it, on whichever backend,
 * and for nobody else.
 */
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"
#include "t/system/session.h"

/* --- each way to set something ------------------------------------------------ */

static const struct {
	const char *set, *ask, *is;
} forms[] = {
	{ "SET work_mem = '7MB'", "SHOW work_mem", "7MB" },
	{ "set SESSION \"Work_Mem\" to 7168", "SHOW work_mem", "7MB" },
	{ "/* x */ SeT work_mem=/**/'7MB' -- y", "SHOW work_mem", "7MB" },
	{ "SELECT set_config('work_mem', '7MB', false)", "SHOW work_mem",
	    "7MB" },
	{ "SELECT pg_catalog . \"set_config\" ($$work_mem$$,'7MB','f')",
	    "SHOW work_mem", "7MB" },
	{ "SELECT set_config('work' || '_mem', '7MB', false)", "SHOW work_mem",
	    "7MB" },
	{ "SET search_path = a, \"b,c\", 'd''e', \"f\"\"g\"",
	    "SHOW search_path", "a, \"b,c\", \"d'e\", \"f\"\"g\"" },
	{ "SET SCHEMA 'x y'", "SHOW search_path", "\"x y\"" },
	{ "SET search_path = ''", "SHOW search_path", "\"\"" },
	{ "SET TIME ZONE 'Asia/Tokyo'", "SHOW TimeZone", "Asia/Tokyo" },
	{ "SET TIME ZONE INTERVAL '+03:30' HOUR TO MINUTE", "SHOW TimeZone",
	    "<+03:30>-03:30" },
	{ "SET NAMES 'LATIN1'", "SHOW client_encoding", "LATIN1" },
	{ "SET XML OPTION DOCUMENT", "SHOW xmloption", "document" },
	{ "SET app.me = 'it''s \\me'", "SHOW app.me", "it's \\me" },
	{ "SELECT set_config('App.\303\234x', 'x', false)",
	    "SELECT current_setting('app.\303\234x', true)", "x" },
	{ "SET ROLE painter", "SELECT current_user", "painter" },
	{ "SET ROLE 'odd, role'", "SELECT current_user", "odd, role" },
	{ "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL "
	  "SERIALIZABLE, READ ONLY, DEFERRABLE",
	    "SHOW transaction_isolation", "serializable" },
	{ "SET default_transaction_read_only = on",
	    "SHOW transaction_read_only", "on" },
	{ "SET statement_timeout = 345", "SHOW statement_timeout", "345ms" },
	{ "SET idle_session_timeout = '1h'", "SHOW idle_session_timeout",
	    "1h" },
	{ "SET DateStyle = 'sql, dmy'", "SELECT '2026-01-31'::date",
	    "31/01/2026" },
	{ "SET application_name = 'mine'", "SHOW application_name", "mine" },
	{ "SELECT 1; SET work_mem = '7MB'; SELECT 2", "SHOW work_mem", "7MB" },
	{ "BEGIN; SET work_mem = '7MB'; COMMIT", "SHOW work_mem", "7MB" },
	{ "BEGIN; SAVEPOINT s; SET work_mem = '9MB'; ROLLBACK TO s; "
	  "SET work_mem = '7MB'; COMMIT",
	    "SHOW work_mem", "7MB" },
	{ "SET work_mem = '5MB'; SET work_mem = '7MB'", "SHOW work_mem",
	    "7MB" },
	{ "DO 'BEGIN SET work_mem = ''7MB''; END'", "SHOW work_mem", "7MB" },
	{ "DO $x$BEGIN EXECUTE 'set work' || '_mem = ''7MB'''; END$x$",
	    "SHOW work_mem", "7MB" },
	{ "CALL sets_work_mem()", "SHOW work_mem", "7MB" },
	{ "PREPARE s AS SELECT set_config('work_mem', $1, false); "
	  "EXECUTE s('7MB'); DEALLOCATE s",
	    "SHOW work_mem", "7MB" },
};

START_TEST(every_form)
{
	struct pooler *p = one_backend("");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	char was[256];

	roles();
	sql_do(b,
	    "CREATE OR REPLACE PROCEDURE sets_work_mem() LANGUAGE SQL "
	    "AS 'SELECT set_config(''work_mem'', ''7MB'', false)'");
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		bool is_app = strstr(forms[i].ask, "app.") != NULL;
		const char *ask = is_app ? "SELECT 1" : forms[i].ask;

		snprintf(was, sizeof(was), "%s", sql_one(b, "%s", ask));
		sql_do(a, "%s", forms[i].set);
		for (int n = 0; n < 2; n++) {
			ck_assert_str_eq(sql_one(b, "%s", ask), was);
			ck_assert_msg(strcmp(sql_one(a, "%s", forms[i].ask),
					  forms[i].is) == 0,
			    "%s: %s", forms[i].set,
			    sql_one(a, "%s", forms[i].ask));
		}
		ck_assert_str_ne(
		    sql_one(b,
			"SELECT current_setting('app.me', true) LIKE '%%me'"),
		    "t");
		PQfinish(a);
		a = pooler_conn(p, "");
		ck_assert_str_eq(sql_one(a, "%s", ask), was);
	}
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* The same in the extended protocol, where one statement stands alone. */
START_TEST(every_form_extended)
{
	struct pooler *p = one_backend("");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	char was[256];

	roles();
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		PGresult *r;

		if (strchr(forms[i].set, ';') != NULL ||
		    strstr(forms[i].ask, "app.") != NULL ||
		    strstr(forms[i].set, "CALL") != NULL)
			continue;
		snprintf(
		    was, sizeof(was), "%s", sql_one(b, "%s", forms[i].ask));
		/* it is not taken for what was there before */
		r = PQexecParams(a, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0);
		ck_assert_int_eq(PQresultStatus(r), PGRES_TUPLES_OK);
		PQclear(r);
		r = PQexecParams(a, forms[i].set, 0, NULL, NULL, NULL, NULL, 0);
		ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK ||
			PQresultStatus(r) == PGRES_TUPLES_OK,
		    "%s: %s", forms[i].set, PQresultErrorMessage(r));
		PQclear(r);
		ck_assert_str_eq(sql_one(b, "%s", forms[i].ask), was);
		ck_assert_str_eq(sql_one(a, "%s", forms[i].ask), forms[i].is);
		PQfinish(a);
		a = pooler_conn(p, "");
	}
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* What did not last leaves nothing, neither here nor there. */
START_TEST(what_does_not_last)
{
	static const char *const sets[] = {
		"BEGIN; SET work_mem = '7MB'; ROLLBACK",
		"BEGIN; SET LOCAL work_mem = '7MB'; COMMIT",
		"BEGIN; SELECT set_config('work_mem', '7MB', true); COMMIT",
		("BEGIN; SAVEPOINT s; SET work_mem = '7MB'; ROLLBACK TO s; "
		 "COMMIT"),
		"BEGIN; SET work_mem = '7MB'; PREPARE TRANSACTION 'none'",
		"SET work_mem = '7MB'; SELECT 1/0",
		"SET work_mem = '7MB'; SELECT nonsense",
		"SET work_mem = 'nonsense'",
		"SET work_mem = '7MB'; RESET work_mem",
		"SET work_mem = '7MB'; SET work_mem TO DEFAULT",
		"SET work_mem = '7MB'; RESET ALL",
		("SET work_mem = '7MB'; SELECT set_config('work_mem', NULL, "
		 "false)"),
		"BEGIN; SET LOCAL application_name = 'gone'; COMMIT",
		"BEGIN; SET application_name = 'gone'; ROLLBACK",
	};
	struct pooler *p = one_backend("");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	static const char was[] = "4MB";

	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		PQclear(PQexec(a, sets[i]));
		for (int n = 0; n < 2; n++) {
			ck_assert_str_eq(sql_one(b, "SHOW work_mem"), was);
			ck_assert_msg(
			    strcmp(sql_one(a, "SHOW work_mem"), was) == 0, "%s",
			    sets[i]);
			ck_assert_str_eq(
			    sql_one(a, "SHOW application_name"), "");
		}
	}
	/* DISCARD ALL stands alone */
	sql_do(a, "SET work_mem = '7MB'; SET app.me = 'me'");
	sql_do(a, "DISCARD ALL");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), was);
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* In a transaction that is open over many queries. */
START_TEST(over_queries)
{
	struct pooler *p = one_backend("");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	sql_do(a, "SET work_mem = '5MB'");
	sql_do(a, "BEGIN");
	sql_do(a, "SET work_mem = '7MB'");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
	sql_do(a, "ROLLBACK");
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "5MB");
	sql_do(a, "BEGIN");
	sql_do(a, "SET work_mem = '6MB'");
	sql_do(a, "SAVEPOINT s");
	sql_do(a, "SET work_mem = '7MB'");
	sql_do(a, "RELEASE s");
	sql_do(a, "SET LOCAL work_mem = '8MB'");
	sql_do(a, "COMMIT");
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* A superuser's session: another session user, and what only he may set. */
START_TEST(identity)
{
	struct pooler *p = one_backend("");
	PGconn *a = root(p), *b = root(p);

	roles();
	sql_do(a, "SET log_min_duration_statement = 12345");
	sql_do(a, "SET SESSION AUTHORIZATION app");
	sql_do(a, "SET ROLE painter");
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(
		    sql_one(b, "SELECT session_user || ' ' || current_user"),
		    "postgres postgres");
		ck_assert_str_eq(
		    sql_one(b, "SHOW log_min_duration_statement"), "-1");
		ck_assert_str_eq(
		    sql_one(a, "SELECT session_user || ' ' || current_user"),
		    "app painter");
		ck_assert_str_eq(sql_one(b, "SHOW is_superuser"), "on");
	}
	sql_do(a, "RESET ROLE");
	ck_assert_str_eq(sql_one(a, "SELECT current_user"), "app");
	sql_do(a, "RESET SESSION AUTHORIZATION");
	ck_assert_str_eq(sql_one(b, "SELECT current_user"), "postgres");
	ck_assert_str_eq(
	    sql_one(a, "SELECT session_user || ' ' || current_user"),
	    "postgres postgres");
	ck_assert_str_eq(
	    sql_one(a, "SHOW log_min_duration_statement"), "12345ms");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* --- what no text of this moment tells ------------------------------------------ */

static void
run_prepared(PGconn *c, const char *name)
{
	PGresult *r = PQexecPrepared(c, name, 0, NULL, NULL, NULL, 0);

	ck_assert_msg(PQresultStatus(r) == PGRES_COMMAND_OK ||
		PQresultStatus(r) == PGRES_TUPLES_OK,
	    "%s", PQresultErrorMessage(r));
	PQclear(r);
}

/* Prepared long before; also where nobody knows any more what it was. */
START_TEST(prepared_before)
{
	static const char *const texts[] = { "SET work_mem = '7MB'",
		"SELECT set_config('work_mem', '7MB', false)" };

	for (int i = 0; i < 3; i++) {
		struct pooler *p =
		    one_backend(i < 2 ? "" : "max_prepared_statements = 0");
		PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

		PQclear(PQprepare(a, "s", texts[i % 2], 0, NULL));
		for (int n = 0; n < 2; n++) {
			ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
			ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "4MB");
		}
		run_prepared(a, "s");
		ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
		ck_assert_msg(
		    strcmp(sql_one(a, "SHOW work_mem"), "7MB") == 0, "%d", i);
		sql_do(a, "RESET work_mem");
		PQfinish(a);
		PQfinish(b);
		pooler_stop(p);
	}
}
END_TEST

static void
parse(struct wire *w, const char *sql)
{
	wire_put(w, 'P', "ssh", "", sql, 0);
}

static void
execute(struct wire *w)
{
	wire_put(w, 'B', "sshhh", "", "", 0, 0, 0);
	wire_put(w, 'E', "si", "", 0);
}

/* The statement without a name, parsed in another transaction. */
START_TEST(parsed_before)
{
	struct pooler *p = one_backend("");
	PGconn *b = pooler_conn(p, "");
	struct wire *w = wire_to(p);

	parse(w, "SELECT set_config('work_mem', '7MB', false)");
	wire_put(w, 'S', "");
	wire_expect(w, "1Z");
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	execute(w);
	wire_put(w, 'S', "");
	wire_expect(w, "2DCZ");
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	wire_query(w, "SHOW work_mem");
	wire_expect(w, "TD");
	ck_assert_str_eq(wire_value(w), "7MB");
	wire_expect(w, "CZ");
	wire_free(w);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* Too long to be looked at, and in strings that are read in two ways. */
START_TEST(hidden_in_text)
{
	static char sql[200 * 1024];
	struct pooler *p = one_backend("");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	struct wire *w;

	snprintf(
	    sql, sizeof(sql), "SELECT 1 %100000s; SET work_mem = '7MB'", "");
	PQclear(PQexec(a, sql));
	/* a name that nobody can ask for: it is lost, and nobody sees it */
	sql_do(a,
	    "DO $$BEGIN PERFORM set_config('app.hid' || 'den', 'x', false); "
	    "END$$");
	ck_assert_str_ne(
	    sql_one(b, "SELECT current_setting('app.hidden', true)"), "x");
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
	sql_do(a, "RESET ALL; SET standard_conforming_strings = off");
	PQclear(PQexec(a, "SELECT '\\''; SET work_mem = '7MB' --'"));
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
	/* the same batch changes how its next text is read */
	w = wire_to(p);
	parse(w, "SET standard_conforming_strings = off");
	execute(w);
	parse(w,
	    "SELECT '\\'' || set_config('work_mem', '7MB', false) || '' --'");
	execute(w);
	wire_put(w, 'S', "");
	wire_expect(w, "12C12DCZ");
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	wire_free(w);
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* What would end an idle backend, or the next client's query, does not stay. */
START_TEST(rests)
{
	struct pooler *p = one_backend("");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");
	int pid = sql_backend(b);
	int64_t end;

	sql_do(a, "SET statement_timeout = '500ms'");
	sql_do(a, "SET idle_session_timeout = '300ms'");
	for (end = now_ms() + 900; now_ms() < end; nap())
		ck_assert_int_eq(pg_backends(pg, text("pid = %d", pid)), 1);
	ck_assert_str_eq(sql_one(a, "SHOW statement_timeout"), "500ms");
	ck_assert_str_eq(sql_one(a, "SHOW idle_session_timeout"), "300ms");
	sql_fails(a, "57014", "SELECT pg_sleep(5)");
	ck_assert_str_eq(sql_one(b, "SELECT 'x' FROM pg_sleep(0.6)"), "x");
	ck_assert_int_eq(sql_backend(a), pid);
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* More than a slot can carry. */
START_TEST(many_settings)
{
	struct pooler *p = one_backend("");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	for (int i = 0; i < 40; i++)
		sql_do(a, "SET app.number_%d = '%050d'", i, i);
	for (int n = 0; n < 3; n++) {
		ck_assert_str_eq(
		    sql_one(b, "SELECT current_setting('app.number_7', true)"),
		    "");
		for (int i = 0; i < 40; i += 13)
			ck_assert_int_eq(
			    sql_num(a, "SHOW app.number_%d", i), i);
		sql_do(b, "SET work_mem = '7MB'; SET DateStyle = German");
		ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "4MB");
		ck_assert_str_eq(sql_one(a, "SHOW DateStyle"), "ISO, MDY");
		ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "7MB");
		ck_assert_str_eq(sql_one(b, "SHOW DateStyle"), "German, DMY");
	}
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* Statement mode keeps settings as well. */
START_TEST(statement_mode)
{
	struct pooler *p = one_backend("pool_mode = statement");
	PGconn *a = pooler_conn(p, ""), *b = pooler_conn(p, "");

	sql_do(a, "SET work_mem = '7MB'");
	for (int i = 0; i < 2; i++) {
		ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
		ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
	}
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

/* Session mode keeps the backend itself; it is clean for the next. */
START_TEST(session_mode)
{
	struct pooler *p = one_backend("pool_mode = session");
	PGconn *a = pooler_conn(p, "options='-c work_mem=7MB'"), *b;
	int pid;

	ck_assert_str_eq(sql_one(a, "SHOW work_mem"), "7MB");
	sql_do(a, "SET geqo = off; CREATE TEMP TABLE tt (n int)");
	pid = sql_backend(a);
	PQfinish(a);
	b = pooler_conn(p, "");
	ck_assert_int_eq(sql_backend(b), pid);
	ck_assert_str_eq(sql_one(b, "SHOW work_mem"), "4MB");
	ck_assert_str_eq(sql_one(b, "SHOW geqo"), "on");
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("session");
	TCase *tc = suite_case(s, "session", 60);

	tcase_add_test(tc, every_form);
	tcase_add_test(tc, every_form_extended);
	tcase_add_test(tc, what_does_not_last);
	tcase_add_test(tc, over_queries);
	tcase_add_test(tc, identity);
	tcase_add_test(tc, prepared_before);
	tcase_add_test(tc, parsed_before);
	tcase_add_test(tc, hidden_in_text);
	tcase_add_test(tc, rests);
	tcase_add_test(tc, many_settings);
	tcase_add_test(tc, statement_mode);
	tcase_add_test(tc, session_mode);
	return suite_run(s, SUITE_PG);
}
