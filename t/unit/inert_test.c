/* inert_test.c - what runs nothing of anybody's, and what may. */
#include "worker/session/inert.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

static const char *const inert[] = {
	"",
	" ; ",
	"BEGIN",
	"start transaction isolation level serializable",
	"BEGIN; SELECT 1; COMMIT",
	"ROLLBACK TO SAVEPOINT x",
	"SET work_mem = '7MB'",
	"SET LOCAL search_path = a, b",
	"reset all",
	"DISCARD ALL",
	"DEALLOCATE ALL",
	"LISTEN x; NOTIFY x, 'y'; UNLISTEN *",
	"SELECT 1",
	"select  42 ;",
	"/* ping */ SELECT 1",
	"SHOW work_mem",
};

static const char *const others[] = {
	"SELECT x()",
	"SELECT x",
	"SELECT 1+1",
	"SELECT -1",
	"SELECT '1'",
	"SELECT 1 FROM t",
	"SELECT 1; SELECT x()",
	"SELECT\"x\"()",
	"SELECT",
	"TABLE t",
	"VALUES (x())",
	"WITH a AS (SELECT x()) SELECT 1",
	"INSERT INTO t VALUES (1)",
	"COPY t FROM STDIN",
	"FETCH ALL FROM c",
	"DECLARE c CURSOR FOR SELECT x()",
	"CALL x()",
	"DO 'BEGIN END'",
	"PREPARE s AS SELECT x()",
	"EXECUTE s",
	"EXPLAIN ANALYZE SELECT x()",
	"CREATE TABLE t (n int)",
	"SET CONSTRAINTS ALL IMMEDIATE",
	"LOAD 'x'",
	"SHOWS",
	"BEGIN; EXECUTE s",
	"SELECT 'not ended",
	"SET work_mem = 'not ended",
};

START_TEST(texts)
{
	for (size_t i = 0; i < sizeof(inert) / sizeof(*inert); i++)
		ck_assert_msg(
		    inert_text(inert[i], strlen(inert[i]), 0), "%s", inert[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		ck_assert_msg(!inert_text(others[i], strlen(others[i]), 0),
		    "%s", others[i]);
}
END_TEST

/* Of these it is their oids that are told: loread, lo_truncate64; set_config,
 * query_to_xml, and none. */
START_TEST(functions)
{
	ck_assert(inert_function(954));
	ck_assert(inert_function(3172));
	ck_assert(!inert_function(2077));
	ck_assert(!inert_function(2930));
	ck_assert(!inert_function(0));
	ck_assert(!inert_function(65536 + 954));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("inert");
	TCase *tc = tcase_create("inert");

	tcase_add_test(tc, texts);
	tcase_add_test(tc, functions);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
