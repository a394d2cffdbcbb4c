/* ident_test.c - pg_ident.conf: who may be whom, and what is refused. */
#include "conf/ident.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include "t/unit/conf_text.h"
#include "t/unit/run.h"

static struct conf_files files;
static struct conf_faults faults;

static struct ident *
load_len(const char *text, size_t n)
{
	conf_files_free(&files);
	conf_faults_free(&faults);
	text_add_len(&files, "maps", text, n);
	text_add(&files, "more", "m inc included\n");
	return ident_new(&files, "maps", &faults);
}

static struct ident *
load(const char *text)
{
	return load_len(text, strlen(text));
}

static const struct {
	const char *text, *map, *system_user, *user;
	bool may;
} cases[] = {
	/* without a map the names are equal */
	{ "", NULL, "al", "al", true },
	{ "", NULL, "al", "Al", false },
	{ "", NULL, "al", "al2", false },
	{ "", NULL, "al2", "al", false },
	{ "m al bo", NULL, "al", "bo", false },
	{ "", "m", "al", "al", false },
	/* plain names */
	{ "m al bo", "m", "al", "bo", true },
	{ "m al bo", "m", "al", "al", false },
	{ "m al bo", "m", "bo", "bo", false },
	{ "m al bo", "n", "al", "bo", false },
	{ "m al bo", "m", "alx", "bo", false },
	{ "m al bo", "m", "al", "box", false },
	{ "m al bo\nm al cy", "m", "al", "cy", true },
	{ "m al bo\nn al cy", "m", "al", "cy", false },
	{ "n al bo\nm al bo", "m", "al", "bo", true },
	{ "# m al bo", "m", "al", "bo", false },
	{ "m al bo # and so on", "m", "al", "bo", true },
	{ "m \\\n al \\\n bo", "m", "al", "bo", true },
	{ "include more", "m", "inc", "included", true },
	{ "\"m x\" \"al x\" \"bo x\"", "m x", "al x", "bo x", true },
	{ "m \"a\"\"l\" bo", "m", "a\"l", "bo", true },
	/* all */
	{ "m al all", "m", "al", "anyone", true },
	{ "m al all", "m", "bo", "anyone", false },
	{ "m al \"all\"", "m", "al", "anyone", false },
	{ "m al \"all\"", "m", "al", "all", true },
	{ "m all bo", "m", "anyone", "bo", false },
	{ "m all bo", "m", "all", "bo", true },
	/* patterns */
	{ "m /^a bo", "m", "al", "bo", true },
	{ "m /^a bo", "m", "bal", "bo", false },
	{ "m /l bo", "m", "ald", "bo", true },
	{ "m al /^b", "m", "al", "bo", true },
	{ "m al /^b", "m", "al", "abo", false },
	{ "m /^a /^b", "m", "al", "bo", true },
	{ "m /^a all", "m", "al", "x", true },
	{ "m \"/^a b$\" bo", "m", "a b", "bo", true },
	/* \1 */
	{ "m /^(.*)@x$ \\1", "m", "al@x", "al", true },
	{ "m /^(.*)@x$ \\1", "m", "al@x", "bo", false },
	{ "m /^(.*)@x$ \\1", "m", "al@x", "al@x", false },
	{ "m /^(.*)@x$ \\1", "m", "al@y", "al", false },
	{ "m /^(.*)@x$ \\1", "m", "al@x", "a", false },
	{ "m /^(.*)@x$ \\1", "m", "al@x", "ald", false },
	{ "m /^(.*)@x$ \\1", "m", "al@x", "", false },
	{ "m /^(.*)@x$ \\1", "m", "@x", "", true },
	{ "m /^(.*)@x$ \\1", "m", "all@x", "all", true },
	{ "m /^(.*)@x$ \\1", "m", "all@x", "anyone", false },
	{ "m /^(.*)@x$ \\1", "m", "/.*@x", "anyone", false },
	{ "m /^(.*)@x$ p_\\1_s", "m", "al@x", "p_al_s", true },
	{ "m /^(.*)@x$ p_\\1_s", "m", "al@x", "p_al", false },
	{ "m /^(.*)@x$ p_\\1_s", "m", "al@x", "p_al_", false },
	{ "m /^(.*)@x$ p_\\1_s", "m", "al@x", "p", false },
	{ "m /^(.*)@x$ p_\\1_s", "m", "al@x", "p_", false },
	{ "m /^(.*)@x$ p_\\1_s", "m", "al@x", "q_al_s", false },
	{ "m /^(.*)@x$ \\1\\1", "m", "al@x", "al\\1", true }, /* the first */
	{ "m /^(.*)@(.*)$ \\1", "m", "al@x", "al", true },
	{ "m /^.*@(.*)$ \\1", "m", "al@x", "x", true },
	{ "m /^(.*)@x$ \"\\1\"", "m", "al@x", "al", true },
	{ "m /^(a)?b$ \\1", "m", "b", "", false },
	{ "m /^(a)?b$ \\1", "m", "ab", "a", true },
	{ "m /^(.*)@x$ \\1\nm al@x bo", "m", "al@x", "bo", true },
	{ "m al \\2", "m", "al", "\\2", true },
};

START_TEST(allows)
{
	struct ident *t = load(cases[_i].text);

	ck_assert_msg(t != NULL, "%s", text_faults(&faults));
	ck_assert_uint_eq(faults.count, 0);
	ck_assert_msg(ident_allows(t, cases[_i].map, cases[_i].system_user,
			  cases[_i].user) == cases[_i].may,
	    "%s: %s as %s", cases[_i].text, cases[_i].system_user,
	    cases[_i].user);
	ident_free(t);
}
END_TEST

static const struct {
	const char *text, *faults;
} refused[] = {
	{ "m", "maps:1: a line is a map, a system user and a database user\n" },
	{ "m al",
	    "maps:1: a line is a map, a system user and a database "
	    "user\n" },
	{ "\nm al bo cy",
	    "maps:2: a line is a map, a system user and a "
	    "database user\n" },
	{ "m,n al bo", "maps:1: a field has one value here\n" },
	{ "m al,bo bo", "maps:1: a field has one value here\n" },
	{ "m al bo,cy", "maps:1: a field has one value here\n" },
	{ "m al +bo", "maps:1: +group is not supported\n" },
	{ "m al \\1",
	    "maps:1: \\1 without a (group) in the system user's "
	    "regular expression\n" },
	{ "m /al \\1",
	    "maps:1: \\1 without a (group) in the system user's "
	    "regular expression\n" },
	{ "m /a\\1 bo",
	    "maps:1: regular expression \"a\\1\": back references "
	    "are not supported\n" },
	{ "m al /\\1",
	    "maps:1: regular expression \"\\1\": back references "
	    "are not supported\n" },
	{ "m /a* /b*?",
	    "maps:1: regular expression \"b*?\": non-greedy "
	    "counts are not supported\n" },
	{ "m \"al bo", "maps:1: a quote is not closed\n" },
	{ "include no", "maps:1: cannot read \"no\"\n" },
	{ "m\nm al bo\nm",
	    "maps:1: a line is a map, a system user and a "
	    "database user\n"
	    "maps:3: a line is a map, a system user and a "
	    "database user\n" },
};

START_TEST(refuses)
{
	ck_assert_ptr_null(load(refused[_i].text));
	ck_assert_str_eq(text_faults(&faults), refused[_i].faults);
}
END_TEST

/* A quoted + is a name like another. */
START_TEST(quoted_plus)
{
	struct ident *t = load("m al \"+bo\"");

	ck_assert_ptr_nonnull(t);
	ck_assert(ident_allows(t, "m", "al", "+bo"));
	ident_free(t);
}
END_TEST

START_TEST(names)
{
	struct ident *t = load("m al bo\nn al bo");

	ck_assert(ident_has(t, "m"));
	ck_assert(ident_has(t, "n"));
	ck_assert(!ident_has(t, "o"));
	ck_assert(!ident_has(t, ""));
	ck_assert(!ident_has(NULL, "m"));
	ck_assert(!ident_allows(NULL, "m", "al", "al"));
	ck_assert(ident_allows(NULL, NULL, "al", "al"));
	ident_free(t);
	ident_free(NULL);
	conf_files_free(&files);
	ck_assert_ptr_null(ident_new(&files, "maps", &faults));
}
END_TEST

START_TEST(torn)
{
	const char *text = cases[_i].text;

	for (size_t cut = 0; cut <= strlen(text); cut++)
		ident_free(load_len(text, cut));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ident");
	TCase *tc = tcase_create("ident");
	int n = sizeof(cases) / sizeof(*cases);

	suite_add_tcase(s, tc);
	tcase_add_loop_test(tc, allows, 0, n);
	tcase_add_loop_test(tc, refuses, 0, sizeof(refused) / sizeof(*refused));
	tcase_add_test(tc, quoted_plus);
	tcase_add_test(tc, names);
	tcase_add_loop_test(tc, torn, 0, n);
	return run_suite(s);
}
