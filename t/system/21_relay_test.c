/*
 * 21_relay_test.c - what passes through: both query protocols, pipelines,
 * COPY, errors, notices, function calls, and the parameters of a session.
 */
#include <stdlib.h>
#include <string.h>

#include "t/lib/pooler.h"
#include "t/lib/spawn.h"
#include "t/lib/sql.h"
#include "t/lib/suite.h"
#include "t/lib/wire.h"

START_TEST(simple_protocol)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);

	wire_query(w, "SELECT 'x'");
	wire_expect(w, "TDCZ");
	wire_query(w, "SELECT 1; SELECT 2; CREATE TEMP TABLE t (i int)");
	wire_expect(w, "TDCTDCCZ");
	wire_query(w, "");
	wire_expect(w, "IZ");
	wire_query(w, "SELECT 1; SELECT 1/0; SELECT 2");
	wire_expect(w, "TDCEZ");
	wire_query(w, "DO $$ BEGIN RAISE NOTICE 'hear this'; END $$");
	wire_expect(w, "N");
	ck_assert_str_eq(wire_field(w, 'M'), "hear this");
	wire_expect(w, "CZ");
	/* every field of the server's error comes through */
	wire_query(w, "SELECT * FROM no_such_table");
	wire_expect(w, "E");
	ck_assert_str_eq(wire_field(w, 'C'), "42P01");
	ck_assert_ptr_nonnull(wire_field(w, 'V'));
	ck_assert_ptr_nonnull(wire_field(w, 'P'));
	ck_assert_ptr_nonnull(wire_field(w, 'R'));
	wire_expect(w, "Z");
	wire_put(w, 'X', "");
	wire_end(w);
	wire_free(w);
	pooler_stop(p);
}
END_TEST

static void
put_select(struct wire *w, const char *param)
{
	wire_put(w, 'P', "ssh", "", "SELECT $1::text", 0);
	wire_put(w, 'B', "sshhixh", "", "", 0, 1, (uint32_t)strlen(param),
	    param, strlen(param), 0);
	wire_put(w, 'E', "si", "", 0);
}

START_TEST(extended_protocol)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);

	put_select(w, "one");
	wire_put(w, 'S', "");
	wire_expect(w, "12D");
	ck_assert_str_eq(wire_value(w), "one");
	wire_expect(w, "CZ");
	/* parts answered at a Flush, the server held all the while */
	wire_put(w, 'P', "ssh", "", "SELECT $1::text", 0);
	wire_put(w, 'D', "bs", 'S', "");
	wire_put(w, 'H', "");
	wire_expect(w, "1tT");
	wire_put(w, 'B', "sshhixh", "", "", 0, 1, 3, "two", (size_t)3, 0);
	wire_put(w, 'D', "bs", 'P', "");
	wire_put(w, 'E', "si", "", 0);
	wire_put(w, 'H', "");
	wire_expect(w, "2TD");
	ck_assert_str_eq(wire_value(w), "two");
	wire_expect(w, "C");
	wire_put(w, 'C', "bs", 'P', "");
	wire_put(w, 'S', "");
	wire_expect(w, "3Z");
	/* after an error everything up to Sync is skipped */
	wire_put(w, 'P', "ssh", "", "SELEC 1", 0);
	put_select(w, "skipped");
	wire_put(w, 'S', "");
	wire_expect(w, "EZ");
	/* Sync alone */
	wire_put(w, 'S', "");
	wire_expect(w, "Z");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* The server stays until the last Sync has its answer. */
START_TEST(pipelined_syncs)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p), *other = wire_to(p);

	for (int i = 0; i < 50; i++) {
		put_select(w, text("a%d", i));
		wire_put(w, 'S', "");
		put_select(other, text("b%d", i));
		wire_put(other, 'S', "");
	}
	for (int i = 0; i < 50; i++) {
		wire_expect(w, "12D");
		ck_assert_str_eq(wire_value(w), text("a%d", i));
		wire_expect(w, "CZ");
	}
	for (int i = 0; i < 50; i++) {
		wire_expect(other, "12D");
		ck_assert_str_eq(wire_value(other), text("b%d", i));
		wire_expect(other, "CZ");
	}
	ck_assert(wire_is_quiet(w, 50));
	ck_assert(wire_is_quiet(other, 50));
	wire_free(w);
	wire_free(other);
	pooler_stop(p);
}
END_TEST

START_TEST(pipelined_mix)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	char buf[65536];
	size_t n = 0;

	for (int i = 0; i < 100; i++) {
		n += wire_make(buf + n, sizeof(buf) - n, 'Q', "s",
		    i % 3 ? "SELECT 1" : "BEGIN; SELECT 2; COMMIT");
		n += wire_make(buf + n, sizeof(buf) - n, 'P', "ssh", "",
		    i % 7 ? "SELECT 3" : "SELECT 1/0", 0);
		n += wire_make(
		    buf + n, sizeof(buf) - n, 'B', "sshhh", "", "", 0, 0, 0);
		n += wire_make(buf + n, sizeof(buf) - n, 'E', "si", "", 0);
		n += wire_make(buf + n, sizeof(buf) - n, 'S', "");
	}
	wire_send(w, buf, n);
	for (int i = 0; i < 100; i++) {
		wire_expect(w, i % 3 ? "TDCZ" : "CTDCCZ");
		/* the constant is folded when the plan is made, at Bind */
		wire_expect(w, i % 7 ? "12DCZ" : "1EZ");
	}
	ck_assert(wire_is_quiet(w, 50));
	wire_free(w);
	pooler_stop(p);
}
END_TEST

START_TEST(copy_both_ways)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	PGconn *c = pooler_conn(p, "");
	char row[1000];
	PGresult *r;
	char *got;
	int rows = 0;

	sql_do(c, "DROP TABLE IF EXISTS cp");
	sql_do(c, "CREATE TABLE cp (t text)");
	r = PQexec(c, "COPY cp FROM STDIN");
	ck_assert_int_eq(PQresultStatus(r), PGRES_COPY_IN);
	PQclear(r);
	memset(row, 'x', sizeof(row));
	row[sizeof(row) - 1] = '\n';
	for (int i = 0; i < 5000; i++)
		ck_assert_int_eq(PQputCopyData(c, row, sizeof(row)), 1);
	ck_assert_int_eq(PQputCopyEnd(c, NULL), 1);
	sql_get(c);
	ck_assert_int_eq(sql_num(c, "SELECT count(*) FROM cp"), 5000);
	r = PQexec(c, "COPY cp TO STDOUT");
	ck_assert_int_eq(PQresultStatus(r), PGRES_COPY_OUT);
	PQclear(r);
	while (PQgetCopyData(c, &got, 0) > 0) {
		ck_assert_int_eq(memcmp(got, row, sizeof(row)), 0);
		PQfreemem(got);
		rows++;
	}
	ck_assert_int_eq(rows, 5000);
	sql_get(c);
	/* given up by the client; then the server is good for others */
	wire_query(w, "COPY cp FROM STDIN");
	wire_expect(w, "G");
	wire_put(w, 'd', "x", row, sizeof(row));
	wire_put(w, 'f', "s", "changed my mind");
	wire_expect(w, "EZ");
	ck_assert_int_eq(sql_num(c, "SELECT count(*) FROM cp"), 5000);
	wire_free(w);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* The server refuses a row while the client goes on sending. */
START_TEST(copy_error_while_sending)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	PGconn *c = pooler_conn(p, "");
	char rows[8000];

	sql_do(c, "DROP TABLE IF EXISTS ci");
	sql_do(c, "CREATE TABLE ci (i int)");
	memset(rows, '\n', sizeof(rows));
	wire_query(w, "COPY ci FROM STDIN");
	wire_expect(w, "G");
	for (int i = 0; i < 100; i++)
		wire_put(w, 'd', "x", i ? rows : "not a number\n",
		    i ? sizeof(rows) : (size_t)13);
	wire_put(w, 'c', "");
	wire_expect(w, "EZ");
	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	ck_assert_int_eq(sql_num(c, "SELECT 1"), 1);
	ck_assert_int_eq(pg_backends(pg, "state = 'active'"), 0);
	wire_free(w);
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

START_TEST(copy_by_extended_protocol)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);

	wire_query(w, "DROP TABLE IF EXISTS ce; CREATE TABLE ce (i int)");
	wire_expect(w, "CCZ");
	wire_put(w, 'P', "ssh", "", "COPY ce FROM STDIN", 0);
	wire_put(w, 'B', "sshhh", "", "", 0, 0, 0);
	wire_put(w, 'E', "si", "", 0);
	wire_put(w, 'S', "");
	wire_expect(w, "12G");
	wire_put(w, 'd', "x", "1\n2\n", (size_t)4);
	wire_put(w, 'c', "");
	wire_put(w, 'S', "");
	wire_expect(w, "CZ");
	wire_query(w, "SELECT count(*)::text FROM ce");
	wire_expect(w, "TD");
	ck_assert_str_eq(wire_value(w), "2");
	wire_expect(w, "CZ");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

START_TEST(function_call)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	struct wire *w = wire_to(p);
	uint32_t oid = (uint32_t)pg_num(
	    pg, "SELECT 'int4pl(int4, int4)'::regprocedure::oid::int");

	wire_put(w, 'F', "ihhixixh", oid, 0, 2, 2, "19", (size_t)2, 2, "23",
	    (size_t)2, 0);
	wire_expect(w, "V");
	ck_assert_int_eq(memcmp(w->body + 4, "42", 2), 0);
	wire_expect(w, "Z");
	wire_put(w, 'F', "ihhh", 1, 0, 0, 0);
	wire_expect(w, "EZ");
	wire_query(w, "SELECT 1");
	wire_expect(w, "TDCZ");
	wire_free(w);
	pooler_stop(p);
}
END_TEST

/* What the server reports of a client's session follows the client. */
START_TEST(parameters_are_replayed)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *a = pooler_conn(p, "application_name=a"),
	       *b = pooler_conn(p, "application_name=b client_encoding=LATIN1");

	sql_do(a, "SET DateStyle = German; SET TimeZone = 'Asia/Tokyo'");
	for (int i = 0; i < 4; i++) {
		ck_assert_str_eq(sql_one(a, "SHOW application_name"), "a");
		ck_assert_str_eq(sql_one(b, "SHOW application_name"), "b");
		ck_assert_str_eq(sql_one(a, "SHOW TimeZone"), "Asia/Tokyo");
		ck_assert_str_ne(sql_one(b, "SHOW TimeZone"), "Asia/Tokyo");
		ck_assert_str_eq(sql_one(b, "SHOW client_encoding"), "LATIN1");
		ck_assert_str_eq(sql_one(a, "SHOW client_encoding"), "UTF8");
		ck_assert_str_eq(
		    sql_one(a, "SELECT '2026-01-31'::date"), "31.01.2026");
		ck_assert_str_eq(
		    sql_one(b, "SELECT '2026-01-31'::date"), "2026-01-31");
	}
	/* changed in the session: it keeps the change, nobody else sees it */
	sql_do(a, "SET application_name = 'it''s; mine'");
	ck_assert_str_eq(sql_one(b, "SHOW application_name"), "b");
	ck_assert_str_eq(sql_one(a, "SHOW application_name"), "it's; mine");
	ck_assert_str_eq(
	    PQparameterStatus(a, "application_name"), "it's; mine");
	ck_assert_str_eq(PQparameterStatus(b, "application_name"), "b");
	PQfinish(a);
	PQfinish(b);
	pooler_stop(p);
}
END_TEST

START_TEST(client_learns_the_servers_parameters)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *c = pooler_conn(p, ""), *d = pooler_conn(p, "");
	const char *direct = pg_ask(pg, "SHOW server_version");

	ck_assert_str_eq(PQparameterStatus(c, "server_version"), direct);
	ck_assert_str_eq(PQparameterStatus(d, "server_version"), direct);
	ck_assert_str_eq(PQparameterStatus(d, "integer_datetimes"), "on");
	PQfinish(c);
	PQfinish(d);
	pooler_stop(p);
}
END_TEST

START_TEST(startup_parameters)
{
	struct pooler *p =
	    pooler_with("default_pool_size = 1\n"
			"ignore_startup_parameters = search_path");
	PGconn *c;

	c = pooler_conn(p,
	    "options='-c DateStyle=German --timezone=Etc/GMT-2 "
	    "-c application_name=a\\\\ b'");
	ck_assert_str_eq(sql_one(c, "SELECT '2026-01-31'::date"), "31.01.2026");
	ck_assert_str_eq(sql_one(c, "SHOW timezone"), "Etc/GMT-2");
	ck_assert_str_eq(sql_one(c, "SHOW application_name"), "a b");
	PQfinish(c);
	c = pooler_conn(p, "options='-c search_path=x'");
	ck_assert_str_ne(sql_one(c, "SHOW search_path"), "x");
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

/* "options" to be ignored: what is tracked counts all the same, as there. */
START_TEST(ignored_options)
{
	struct pooler *p =
	    pooler_with("ignore_startup_parameters = extra_float_digits, "
			"options");
	PGconn *c = pooler_conn(
	    p, "options='-c enable_seqscan=off -c DateStyle=German --jit=off'");

	ck_assert_str_eq(sql_one(c, "SELECT '2026-01-31'::date"), "31.01.2026");
	ck_assert_str_eq(sql_one(c, "SHOW enable_seqscan"), "on");
	PQfinish(c);
	sql_refused(pooler_at(p, "options='-B 5'"),
	    "unsupported options startup parameter");
	pooler_stop(p);
}
END_TEST

/* PostgreSQL cuts an application_name to the length of a name. */
START_TEST(long_application_name)
{
	struct pooler *p = pooler_with("default_pool_size = 1");
	char name[1200];
	PGconn *c;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	/* a character that the cut must not go through */
	memcpy(name + 62, "\xc3\xa4", 2);
	c = pooler_conn(p, text("application_name=%s", name));
	ck_assert_str_eq(
	    PQparameterStatus(c, "application_name"), text("%.62s", name));
	ck_assert_str_eq(
	    sql_one(c, "SHOW application_name"), text("%.62s", name));
	PQfinish(c);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("relay");
	TCase *tc = suite_case(s, "relay", 30);

	tcase_add_test(tc, simple_protocol);
	tcase_add_test(tc, extended_protocol);
	tcase_add_test(tc, pipelined_syncs);
	tcase_add_test(tc, pipelined_mix);
	tcase_add_test(tc, copy_both_ways);
	tcase_add_test(tc, copy_error_while_sending);
	tcase_add_test(tc, copy_by_extended_protocol);
	tcase_add_test(tc, function_call);
	tcase_add_test(tc, parameters_are_replayed);
	tcase_add_test(tc, client_learns_the_servers_parameters);
	tcase_add_test(tc, ignored_options);
	if (!is_standin()) {
		tcase_add_test(tc, startup_parameters);
		tcase_add_test(tc, long_application_name);
	}
	return suite_run(s, SUITE_PG);
}
