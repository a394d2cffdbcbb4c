/*
 * confsim.h - for tests: configurations as text, loaded, and what was told.
 *
 * Included by one test program only, so all of it is static.
 */
#ifndef T_UNIT_CONFSIM_H
#define T_UNIT_CONFSIM_H

#include <check.h>

#include "conf/conf.h"
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct conf_files files;
static struct conf_faults faults;

static inline void
setup(void)
{
	conf_files_init(&files);
	conf_faults_init(&faults);
}

static inline void
teardown(void)
{
	conf_files_free(&files);
	conf_faults_free(&faults);
}

/* Load `text` alone; the faults of the last call are forgotten. */
static inline struct conf *
load(const char *text)
{
	conf_files_free(&files);
	conf_faults_free(&faults);
	text_add(&files, "main.ini", text);
	return conf_load(&files, &faults);
}

static inline struct conf *
good(const char *text)
{
	struct conf *c = load(text);

	ck_assert_msg(c != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(faults.count, 0);
	return c;
}

static inline void
bad(const char *text, const char *want)
{
	ck_assert_ptr_null(load(text));
	ck_assert_str_eq(text_faults(&faults), want);
}

/* A suite of one case; each test begins with no file and no fault. */
static inline TCase *
conf_case(Suite *s, const char *name)
{
	TCase *tc = tcase_create(name);

	suite_add_tcase(s, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	return tc;
}

#endif
