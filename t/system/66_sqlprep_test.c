/*
 * 66_sqlprep_test.c - PREPARE, EXECUTE and DEALLOCATE in SQL, in transaction
 * mode: each client is told, to the letter, what PostgreSQL itself tells a
 * client that says the same.
 */
#include "t/system/sqlprep.h"

/* --- one after the other -------------------------------------------------------------- */

/* Each line a text; what begins with ! goes as an extended query, too; with
 * ~, where its errors are does not count. */
static const char *const lines[] = {
	"!PREPARE a AS SELECT 1",
	"!EXECUTE a",
	"!PREPARE a AS SELECT 2",
	"!EXECUTE a",
	"!EXECUTE A",
	"!EXECUTE \"A\"",
	"!PREPARE \"A\" AS SELECT 'big'",
	"!EXECUTE \"A\"",
	"!EXECUTE a()",
	"!EXECUTE a(1)",
	"!DEALLOCATE a",
	"!DEALLOCATE a",
	"!EXECUTE a",
	"!PREPARE a AS SELECT $1 + $2",
	"!EXECUTE a(3, 4)",
	"!EXECUTE a(3)",
	"!EXECUTE a('3', 'x')",
	"!EXECUTE a(bogus)",
	"!EXECUTE a(1, $1)",
	"!DEALLOCATE PREPARE a",
	"!PREPARE a (int, text) AS SELECT $2, $1, pg_typeof($1)",
	"!EXECUTE a(7, 'seven')",
	"!EXECUTE a('x', 'seven')",
	("!PREPARE b(numeric(8,2)[], varchar(3), timestamp with time zone, "
	 "double precision, bool, json, int[]) AS SELECT pg_typeof($1), "
	 "pg_typeof($2), pg_typeof($3), pg_typeof($4), pg_typeof($5), "
	 "pg_typeof($6), pg_typeof($7)"),
	"!EXECUTE b(NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
	"!DEALLOCATE ALL",
	"!EXECUTE a",
	"!EXECUTE b",
	"!DEALLOCATE ALL",
	/* what is refused leaves no name */
	"!PREPARE a AS SELECT nothing_like_it",
	"!EXECUTE a",
	"!PREPARE a AS SELECT FROM FROM",
	"!PREPARE a AS CREATE TABLE no_such(i int)",
	"!PREPARE a (no_such_type) AS SELECT $1",
	"!EXECUTE a",
	"!PREPARE a AS SELECT 1, \303\274ber",
	"SELECT '\303\274'; PREPARE a AS SELECT '\303\274', \303\274ber",
	"!EXECUTE nobody",
	"!DEALLOCATE nobody",
	"!EXECUTE \"no\"\"body\"",
	"EXECUTE",
	"PREPARE",
	"!EXECUTE a,",
	/* many in one */
	"PREPARE a AS SELECT 1; EXECUTE a; DEALLOCATE a",
	"PREPARE a AS SELECT 1; EXECUTE a; DEALLOCATE a",
	"EXECUTE a",
	"PREPARE a AS SELECT 1; PREPARE b AS SELECT 1; EXECUTE b; EXECUTE a",
	"EXECUTE a; DEALLOCATE a; PREPARE a AS SELECT 1; EXECUTE a",
	"DEALLOCATE a; DEALLOCATE b; EXECUTE b",
	"EXECUTE b",
	"PREPARE a AS SELECT 1; PREPARE a AS SELECT 2; SELECT 3",
	"EXECUTE a",
	"EXECUTE a; SELECT 1/0; DEALLOCATE a",
	"EXECUTE a",
	"DEALLOCATE a; SELECT 1/0; PREPARE b AS SELECT 1",
	"EXECUTE a",
	"EXECUTE b",
	"PREPARE a AS SELECT 4; DEALLOCATE ALL; EXECUTE a",
	("PREPARE a AS SELECT 4; DEALLOCATE ALL; PREPARE a AS SELECT 4; "
	 "EXECUTE a; PREPARE a AS SELECT 5"),
	"EXECUTE a; DISCARD ALL",
	"EXECUTE a",
	"DEALLOCATE ALL; PREPARE a AS SELECT 4; DEALLOCATE a; EXECUTE a",
	("PREPARE a AS SELECT 1; ; /* PREPARE a AS SELECT 9 */ "
	 "EXECUTE a -- EXECUTE a\n; SELECT 'EXECUTE a', $$EXECUTE a$$"),
	"!EXPLAIN (COSTS OFF) EXECUTE a",
	"!EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE a",
	"!DEALLOCATE a",
	/* transactions have no part in it */
	"BEGIN",
	"!PREPARE a AS SELECT 'kept'",
	"ROLLBACK",
	"!EXECUTE a",
	"BEGIN",
	"!DEALLOCATE a",
	"ROLLBACK",
	"!EXECUTE a",
	"BEGIN",
	"!EXECUTE a",
	"!PREPARE a AS SELECT 1",
	"!DEALLOCATE a",
	"!ROLLBACK",
	"BEGIN; PREPARE a AS SELECT 1; ROLLBACK; EXECUTE a",
	"!EXECUTE a",
	"BEGIN; SELECT 1/0",
	"!EXECUTE a",
	"!DEALLOCATE a",
	"!DEALLOCATE ALL",
	"ROLLBACK; SELECT 1",
	"BEGIN; SELECT 1/0",
	"ROLLBACK; DEALLOCATE a; PREPARE b AS SELECT 1; EXECUTE b",
	"!DISCARD ALL",
	"!EXECUTE b",
	/* tables */
	"CREATE TABLE IF NOT EXISTS sqlprep(i int)",
	"!PREPARE a AS SELECT count(*) FROM sqlprep",
	"!PREPARE b(int) AS INSERT INTO sqlprep VALUES ($1) RETURNING i",
	"!EXECUTE b(5)",
	"!EXECUTE a",
	"!EXECUTE b(6)",
	"!EXECUTE a",
	/* the position is one of a text that is long gone */
	"DROP TABLE sqlprep",
	"!~EXECUTE a",
	"!~EXECUTE b(7)",
	"~EXECUTE a; SELECT 2",
	"BEGIN",
	"!~EXECUTE a",
	"!EXECUTE a",
	"ROLLBACK",
	"!DEALLOCATE a",
	"!DEALLOCATE b",
	"!PREPARE a AS SELECT g FROM generate_series(1, 3) g",
	"BEGIN; CREATE TABLE sqlprep_as AS EXECUTE a",
	"SELECT * FROM sqlprep_as",
	"ROLLBACK",
	"!DEALLOCATE a",
	("PREPARE a(int) AS SELECT $1; BEGIN ISOLATION LEVEL SERIALIZABLE; "
	 "EXECUTE a(1); COMMIT"),
	"DEALLOCATE a",
};

/* On backends that were others' in between, in turn. */
static void
go_through(const char *setting, enum way way, unsigned moves)
{
	struct stage s = stage_new(setting);
	struct twin t = twin_new(s.p);

	for (int round = 0; round < 2; round++)
		for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
			const char *line = lines[i];
			bool is_single = *line == '!';

			line += is_single;
			is_placeless = *line == '~';
			line += is_placeless;

			if (PQtransactionStatus(t.here) == PQTRANS_IDLE) {
				disturb(&s);
				hold(&s, (unsigned)i % moves);
			}
			say(&t, is_single ? way : SIMPLE, line);
		}
	hold(&s, 0);
	twin_free(&t);
	stage_free(&s);
}

START_TEST(simple)
{
	go_through("", SIMPLE, OTHERS + 1);
}
END_TEST

START_TEST(extended)
{
	go_through("", EXTENDED, OTHERS + 1);
}
END_TEST

START_TEST(statement_by_statement)
{
	/* a set that is always full */
	go_through("max_prepared_statements = 1", SIMPLE, OTHERS + 1);
	go_through("max_prepared_statements = 1", EXTENDED, OTHERS + 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sqlprep");
	TCase *tc = suite_case(s, "sqlprep", 120);

	tcase_add_test(tc, simple);
	tcase_add_test(tc, extended);
	tcase_add_test(tc, statement_by_statement);
	return suite_run(s, SUITE_PG);
}
