/* pin_test.c - what a text tells beforehand; the reasons in words. */
#include "worker/client/pin.h"

#include <check.h>
#include <string.h>

#include "t/unit/run.h"
#include "worker/session/audit.h"

static const struct {
	const char *sql;
	unsigned pins;
} texts[] = {
	{ "SELECT 1", 0 },
	{ "CREATE TEMP TABLE x (n int)", AUDIT_TEMP },
	{ "CREATE LOCAL TEMPORARY TABLE x AS SELECT 1", AUDIT_TEMP },
	{ "CREATE TEMP TABLE x (n int) ON COMMIT DROP", 0 },
	{ "CREATE OR REPLACE TEMP VIEW x AS SELECT 1", AUDIT_TEMP },
	{ "SELECT 1 INTO TEMP x", AUDIT_TEMP },
	{ "INSERT INTO temp VALUES (1)", 0 },
	{ "SELECT * FROM pg_temp.x", 0 },
	{ "DISCARD TEMP", 0 },
	{ "SELECT 1; LOAD 'x'", AUDIT_LOAD },
	{ "DECLARE c CURSOR WITH HOLD FOR SELECT 1", AUDIT_CURSOR },
	{ "DECLARE c CURSOR FOR SELECT 1", 0 },
	{ "CLOSE c", 0 },
	{ "SELECT pg_advisory_lock(1)", AUDIT_LOCK },
	{ "PREPARE s AS SELECT pg_try_advisory_lock(1)", AUDIT_LOCK },
	{ "SELECT pg_advisory_unlock(1)", 0 },
	{ "SELECT pg_advisory_xact_lock(1)", 0 },
	{ "/* a */ create view v AS SELECT pg_try_advisory_lock(1)", 0 },
	{ "EXPLAIN SELECT pg_advisory_lock(1)", 0 },
	{ "SELECT dblink_connect('x')", AUDIT_OTHER },
	{ "LOAD 'x'; CREATE TEMP TABLE x (n int)", AUDIT_LOAD | AUDIT_TEMP },
	{ "CREATE TEMP TABLE x (n int) 'not ended", 0 },
	{ "DO 'BEGIN END'", 0 },
};

START_TEST(told)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		unsigned got = pin_told(texts[i].sql, strlen(texts[i].sql), 0);

		ck_assert_msg(
		    got == texts[i].pins, "%s: %x", texts[i].sql, got);
	}
}
END_TEST

START_TEST(in_words)
{
	char to[PIN_TEXT];

	ck_assert_str_eq(pin_text(0, to), "");
	ck_assert_str_eq(pin_text(AUDIT_LOCK, to), "advisory lock");
	ck_assert_str_eq(pin_text(AUDIT_LOAD | AUDIT_TEMP, to),
	    "temporary table, loaded library");
	/* all of them at once do not run over */
	ck_assert_uint_lt(strlen(pin_text(AUDIT_PINS, to)), PIN_TEXT);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(told),
		TEST(in_words),
		NO_MORE_TESTS,
	};

	return run_tests("pin", tests, 30);
}
