/*
 * run.h - the frame of a unit test program: one suite, run to its end.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_RUN_H
#define T_UNIT_RUN_H

#include <check.h>
#include <stdlib.h>

/* Run all of `s`; main's exit code. */
static inline int
run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	int failed;

	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* --- where all tests are alike ------------------------------------------- */

struct test_of {
	const TTest *const *test; /* NULL ends the list */
};

/* A test that hangs ends after `timeout_s`, but not before a minute: a busy
 * machine is no reason to fail. */
static inline int
run_tests(const char *name, const struct test_of *t, double timeout_s)
{
	Suite *s = suite_create(name);
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, timeout_s < 60 ? 60 : timeout_s);
	for (; t->test != NULL; t++)
		tcase_add_test(tc, *t->test);
	suite_add_tcase(s, tc);
	return run_suite(s);
}

#define TEST(name)    \
	{             \
		&name \
	}
#define NO_MORE_TESTS \
	{             \
		NULL  \
	}

#endif
