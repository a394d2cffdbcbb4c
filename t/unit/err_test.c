/* err_test.c - one fault for three readers; too long texts are cut. */
#include "conf/err.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/run.h"

START_TEST(fills)
{
	struct err e;

	memset(&e, 'x', sizeof(e));
	ck_assert_int_eq(err_set(&e, "08006", "server is not reachable",
			     "connect to %s: %d", "db", 7),
	    -1);
	ck_assert_str_eq(e.sqlstate, "08006");
	ck_assert_str_eq(e.say, "server is not reachable");
	ck_assert_str_eq(e.log, "connect to db: 7");
	err_clear(&e);
	ck_assert_str_eq(e.sqlstate, "");
	ck_assert_str_eq(e.say, "");
	ck_assert_str_eq(e.log, "");
}
END_TEST

START_TEST(no_line_no_reader)
{
	struct err e;

	memset(&e, 'x', sizeof(e));
	ck_assert_int_eq(err_set(&e, "28P01", "login failed", NULL), -1);
	ck_assert_str_eq(e.log, "");
	ck_assert_int_eq(err_set(NULL, "28P01", "login failed", "x"), -1);
}
END_TEST

START_TEST(cuts)
{
	char longer[600];
	struct err e;

	memset(longer, 'y', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	ck_assert_int_eq(err_set(&e, longer, longer, "%s", longer), -1);
	ck_assert_uint_eq(strlen(e.sqlstate), sizeof(e.sqlstate) - 1);
	ck_assert_uint_eq(strlen(e.say), sizeof(e.say) - 1);
	ck_assert_uint_eq(strlen(e.log), sizeof(e.log) - 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("err");
	TCase *tc = tcase_create("err");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, fills);
	tcase_add_test(tc, no_line_no_reader);
	tcase_add_test(tc, cuts);
	return run_suite(s);
}
