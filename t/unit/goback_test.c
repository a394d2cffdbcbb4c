/* goback_test.c - what a RESET goes back to: as SETs, which texts want some. */
#include "worker/session/goback.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "t/unit/shmtest.h"
#include "worker/backend/params.h"
#include "worker/proto/sqllex.h"
#include "worker/session/vars.h"

static struct params_edit asked, has;
static struct vars_edit vars;
static uint8_t bytes[256 * 1024];
static char seen[8192];

static void
begin(void)
{
	params_init("");
	params_edit_init(&asked);
	params_edit_init(&has);
	vars_edit_init(&vars, NULL);
	ck_assert(
	    params_edit_set(&asked, params_find("application_name"), "me"));
	ck_assert(
	    params_edit_set(&has, params_find("application_name"), "you"));
	/* no server has told of it */
	ck_assert(params_edit_set(&asked, params_find("timezone"), "UTC"));
	ck_assert(vars_edit_put(&vars, "work_mem", "7MB"));
	ck_assert(vars_edit_put(&vars, "role", "painter"));
	ck_assert(vars_edit_put(&vars, "a.b", "it's"));
}

/* Its SETs, each with a semicolon behind it. */
static const char *
build(const char *text, unsigned flags)
{
	struct goback g = { .params = asked.text,
		.params_len = asked.len,
		.has = has.text,
		.has_len = has.len,
		.vars = vars.text,
		.vars_len = vars.len };
	struct wire w;
	struct frame f;
	size_t n = 0;

	seen[0] = '\0';
	wire_init(&w, bytes, sizeof(bytes));
	goback_build(&w, &g, text, strlen(text), flags);
	ck_assert(!w.full);
	for (size_t at = 0; at < w.len; at += FRAME_HEAD + f.body) {
		ck_assert_int_eq(
		    frame_parse(w.p + at, w.len - at, FRAME_MAX, &f), DONE);
		if (f.type == 'P')
			n += (size_t)snprintf(seen + n, sizeof(seen) - n, "%s;",
			    (const char *)w.p + at + FRAME_HEAD + 1);
		ck_assert_uint_lt(n, sizeof(seen));
	}
	return seen;
}

START_TEST(texts)
{
	static const char work_mem[] = "SET \"work_mem\" TO '7MB';";
	static const char everything[] =
	    "SET \"application_name\" TO 'me';SET \"a.b\" TO 'it''s';"
	    "SET \"work_mem\" TO '7MB';";
	static const struct {
		const char *text, *want;
	} t[] = {
		{ "RESET work_mem", work_mem },
		{ "reset \"WORK_MEM\";;", work_mem },
		{ "SET work_mem TO DEFAULT", work_mem },
		{ "SET SESSION work_mem = DEFAULT -- so", work_mem },
		{ "SELECT 1; RESET work_mem", work_mem },
		{ "RESET ROLE", "SET \"role\" TO 'painter';" },
		{ "RESET a.b", "SET \"a.b\" TO 'it''s';" },
		{ "RESET APPLICATION_NAME; RESET work_mem",
		    "SET \"application_name\" TO 'me';"
		    "SET \"work_mem\" TO '7MB';" },
		{ "RESET ALL", everything },
		/* not reported, not begun with */
		{ "RESET TIME ZONE", "" },
		{ "RESET geqo", "" },
		/* what may have been set since */
		{ "RESET work_mem; SELECT 1", "" },
		{ "RESET work_mem; SET work_mem = 1", "" },
		{ "RESET ALL; SET work_mem = 1; RESET geqo", "" },
		/* nothing is put back, or not in the session */
		{ "SET LOCAL work_mem TO DEFAULT", "" },
		{ "SET work_mem = 1", "" },
		{ "RESET SESSION AUTHORIZATION", "" },
		{ "DISCARD ALL", "" },
		{ "SELECT 'RESET work_mem'", "" },
		{ "", "" },
	};

	begin();
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++)
		ck_assert_msg(strcmp(build(t[i].text, 0), t[i].want) == 0,
		    "%s: %s", t[i].text, seen);
	/* in a client_encoding in which no quote is sure to be one */
	ck_assert_str_eq(build("RESET work_mem", SQLLEX_UNSAFE), work_mem);
}
END_TEST

START_TEST(too_many)
{
	char text[512] = "RESET work_mem";

	begin();
	for (int i = 1; i < 16; i++)
		strcat(text, "; RESET work_mem");
	ck_assert_uint_eq(strlen(build(text, 0)), 16 * 24);
	strcat(text, "; RESET work_mem");
	ck_assert_str_eq(build(text, 0), "");
}
END_TEST

START_TEST(lists)
{
	static const struct {
		const char *value, *want;
	} t[] = {
		{ "", "''" },
		{ " a", "'a'" },
		{ "\"$user\", public", "'$user','public'" },
		{ "$user,PUBLIC ,\"A \"\"b\"", "'$user','public','A \"b'" },
		{ "\"it's\\me\"", " E'it''s\\\\me'" },
		{ "\"\"", "''" },
		/* none */
		{ "a,", NULL },
		{ ",a", NULL },
		{ "a b", NULL },
		{ "\"a", NULL },
		{ "\"a\"\"", NULL },
		{ "\"", NULL },
		{ "\xc3\xa9", NULL },
	};

	begin();
	for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
		char want[128] = "";

		if (t[i].want != NULL)
			snprintf(want, sizeof(want),
			    "SET \"search_path\" TO %s;", t[i].want);
		ck_assert(vars_edit_put(&vars, "search_path", t[i].value));
		ck_assert_msg(strcmp(build("RESET search_path", 0), want) == 0,
		    "%s: %s", t[i].value, seen);
	}
}
END_TEST

/* As long as any that a client may begin with; and one that no SET holds. */
START_TEST(long_ones)
{
	static char value[VARS_MAX];
	struct goback g = { .has = "", .params = "", .vars = vars.text };
	struct wire w;

	begin();
	memset(value, '\'', sizeof(value) - 64);
	ck_assert(vars_edit_put(&vars, "a.b", value));
	g.vars_len = vars.len;
	wire_init(&w, bytes, sizeof(bytes));
	goback_build(&w, &g, "RESET a.b", 9, 0);
	ck_assert(!w.full);
	ck_assert_uint_gt(w.len, 2 * (sizeof(value) - 64));
	/* names, each in quotes of its own */
	memset(value, '\0', sizeof(value));
	for (size_t i = 0; i < sizeof(value) - 128; i += 2)
		memcpy(value + i, "a,", 2);
	strcat(value, "a");
	vars_edit_init(&vars, NULL);
	ck_assert(vars_edit_put(&vars, "search_path", value));
	g.vars_len = vars.len;
	wire_init(&w, bytes, 1024);
	goback_build(&w, &g, "RESET ALL", 9, 0);
	ck_assert(w.full);
	ck_assert_uint_eq(w.len, 0);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(texts),
		TEST(too_many),
		TEST(lists),
		TEST(long_ones),
		NO_MORE_TESTS,
	};

	return run_tests("goback", tests, 30);
}
