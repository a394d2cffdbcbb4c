/*
 * 68_hazards_session_test.c - sessions that were seen by others, or mangled, in
 * other poolers.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "t/system/hazards.h"

/* A path of schemas whose names try to be more, for two on one server. */
START_TEST(paths_that_try_to_be_more)
{
	static const char *const path[] = {
		"\"a'; DROP TABLE hazard_table; --\", public",
		"\"with \"\"quotes\"\"\", public",
		"\"\\\", public",
		"\"$user\", \"Upper, and comma\", public",
		"\"new\nline\", public",
		"\"$$\", \"%s\", public",
	};
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *c = pooler_conn(p, ""), *d = pooler_conn(p, "");

	sql_do(c, "DROP TABLE IF EXISTS hazard_table");
	sql_do(c, "CREATE TABLE hazard_table AS SELECT 7 AS n");
	for (size_t i = 0; i < sizeof(path) / sizeof(path[0]); i++) {
		sql_do(c, "SET search_path TO %s", path[i]);
		sql_param(d, "SELECT set_config('search_path', $1, false)",
		    path[sizeof(path) / sizeof(path[0]) - 1 - i]);
		for (int k = 0; k < 3; k++) {
			ck_assert_str_eq(
			    sql_one(c, "SHOW search_path"), path[i]);
			ck_assert_str_eq(sql_one(d, "SHOW search_path"),
			    path[sizeof(path) / sizeof(path[0]) - 1 - i]);
			ck_assert_int_eq(
			    sql_num(c, "SELECT n FROM hazard_table"), 7);
		}
	}
	sql_do(c, "RESET search_path");
	ck_assert_str_eq(sql_one(c, "SHOW search_path"), "\"$user\", public");
	sql_do(c, "DROP TABLE hazard_table");
	PQfinish(c);
	PQfinish(d);
	pooler_stop(p);
}
END_TEST

/* UNLISTEN counts at once, also while the client has a backend to itself. */
START_TEST(unlisten_while_pinned)
{
	struct pooler *p = pooler_with("default_pool_size = 4");
	PGconn *c = pooler_conn(p, ""), *d = pooler_conn(p, "");
	PGnotify *n;

	sql_do(c, "LISTEN hazard");
	sql_do(c, "CREATE TEMP TABLE mine(x int)");
	sql_do(d, "NOTIFY hazard");
	UNTIL(5000, (sql_do(c, "SELECT 1"), n = PQnotifies(c)) != NULL);
	PQfreemem(n);
	sql_do(c, "UNLISTEN hazard");
	sql_do(c, "LISTEN hazard2");
	for (int i = 0; i < 3; i++) {
		sql_do(d, "NOTIFY hazard; NOTIFY hazard2");
		UNTIL(5000, (sql_do(c, "SELECT 1"), n = PQnotifies(c)) != NULL);
		ck_assert_str_eq(n->relname, "hazard2");
		PQfreemem(n);
	}
	PQfinish(c);
	PQfinish(d);
	pooler_stop(p);
}
END_TEST

/*
 * Who listens sends ahead and is gone by a reset, just when it would be told
 * and what it has sent would be taken up: only it is gone.
 */
START_TEST(listener_vanishes)
{
	struct pooler *p = pooler_with("default_pool_size = 4\nworkers = 1");
	struct linger hard = { 1, 0 };
	PGconn *d = pooler_conn(p, "");

	for (int i = 0; i < 1500; i++) {
		struct wire *w = wire_to(p);
		char b[512];
		size_t n = 0;

		wire_query(w, "LISTEN hazard");
		wire_expect(w, "CZ");
		n += wire_make(b + n, sizeof(b) - n, 'Q', "s",
		    text("SET soak.a TO 'a%d'; NOTIFY hazard", i));
		for (int k = 0; k < 3; k++)
			n += wire_make(
			    b + n, sizeof(b) - n, 'Q', "s", "NOTIFY hazard");
		wire_send(w, b, n);
		if (i % 4)
			wire_recv(w, WIRE_MS);
		if (i % 8 > 3)
			sql_do(d, "NOTIFY hazard");
		setsockopt(w->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		wire_free(w);
	}
	sql_do(d, "SELECT 1");
	PQfinish(d);
	ck_assert(!file_has(p->log, "died"));
	others_are_well(p);
	pooler_stop(p);
}
END_TEST

/* RESET of what each has named at its login: back to its own name. */
START_TEST(names_after_a_reset)
{
	static const char *const ways[] = { "RESET application_name",
		"SET application_name TO DEFAULT", "RESET ALL", "DISCARD ALL" };
	struct pooler *p = pooler_with("default_pool_size = 1");
	PGconn *c = pooler_conn(p, "application_name=first"),
	       *d = pooler_conn(p, "application_name=second"),
	       *none = pooler_conn(p, "");

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		sql_do(c, "SET application_name TO 'for a while'");
		ck_assert_str_eq(
		    sql_one(c, "SHOW application_name"), "for a while");
		ck_assert_str_eq(sql_one(d, "SHOW application_name"), "second");
		sql_do(c, "%s", ways[i]);
		for (int k = 0; k < 3; k++) {
			ck_assert_str_eq(
			    sql_one(d, "SHOW application_name"), "second");
			ck_assert_str_eq(
			    sql_one(c, "SHOW application_name"), "first");
			ck_assert_str_eq(
			    sql_one(none, "SHOW application_name"), "");
		}
	}
	PQfinish(c);
	PQfinish(d);
	PQfinish(none);
	pooler_stop(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hazards session");
	TCase *tc = suite_case(s, "hazards session", 60);

	tcase_add_test(tc, paths_that_try_to_be_more);
	tcase_add_test(tc, names_after_a_reset);
	tcase_add_test(tc, unlisten_while_pinned);
	tcase_add_test(tc, listener_vanishes);
	return suite_run(s, SUITE_PG);
}
