/* faults_test.c - all that is wrong, in order, bounded. */
#include "conf/faults.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

START_TEST(kept_in_order)
{
	struct conf_faults f;
	char file[] = "a.ini";

	conf_faults_init(&f);
	conf_faults_add(&f, file, 3, "bad %s", "one");
	file[0] = 'X'; /* the name was copied */
	conf_faults_warn(&f, "b.ini", 0, "so so");
	conf_faults_add(&f, NULL, 0, "bad two");
	ck_assert_uint_eq(f.count, 3);
	ck_assert_uint_eq(f.faults, 2);
	ck_assert_str_eq(text_faults(&f),
	    "a.ini:3: bad one\nw b.ini:0: so so\n:0: bad two\n");
	conf_faults_free(&f);
	ck_assert_uint_eq(f.count, 0);
	conf_faults_free(&f);
}
END_TEST

START_TEST(bounded)
{
	struct conf_faults f;
	char longer[1000];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	conf_faults_init(&f);
	for (int i = 0; i < CONF_FAULTS_MAX + 50; i++)
		conf_faults_add(&f, "f", (unsigned)i, "%s", longer);
	ck_assert_uint_eq(f.count, CONF_FAULTS_MAX);
	ck_assert_uint_eq(f.faults, CONF_FAULTS_MAX + 50);
	ck_assert_uint_eq(f.v[999].line, 999);
	ck_assert_uint_eq(strlen(f.v[7].text), sizeof(f.v[7].text) - 1);
	conf_faults_free(&f);
}
END_TEST

START_TEST(logged)
{
	struct conf_faults f;
	char text[2000] = "";
	int p[2];

	ck_assert_int_eq(pipe(p), 0);
	ck_assert_int_eq(dup2(p[1], STDERR_FILENO), STDERR_FILENO);
	conf_faults_init(&f);
	conf_faults_add(&f, "a.ini", 3, "first");
	conf_faults_warn(&f, "a.ini", 0, "second");
	conf_faults_add(&f, NULL, 0, "third");
	conf_faults_log(&f);
	conf_faults_free(&f);
	ck_assert_int_gt(read(p[0], text, sizeof(text) - 1), 0);
	ck_assert_ptr_nonnull(strstr(text, "] ERROR a.ini:3: first\n"));
	ck_assert_ptr_nonnull(strstr(text, "] WARNING a.ini: second\n"));
	ck_assert_ptr_nonnull(strstr(text, "] ERROR third\n"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("faults");
	TCase *tc = tcase_create("faults");

	suite_add_tcase(s, tc);
	tcase_add_test(tc, kept_in_order);
	tcase_add_test(tc, bounded);
	tcase_add_test(tc, logged);
	return run_suite(s);
}
