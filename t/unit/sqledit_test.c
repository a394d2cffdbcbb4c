/* sqledit_test.c - names in a text are others, and errors are found again. */
#include "worker/session/sqledit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/shmtest.h"

static struct sqledit e;
static char out[1024];
static size_t used;

static void
take(void *arg, const void *p, size_t len)
{
	ck_assert_ptr_eq(arg, out);
	ck_assert_uint_lt(len, sizeof(out) - used);
	memcpy(out + used, p, len);
	used += len;
}

/* Every `a` of the text becomes `name`. */
static const char *
edit(const char *text, const char *name)
{
	sqledit_init(&e, text, strlen(text));
	for (const char *p = text; *p != '\0'; p++)
		if (*p == 'a')
			ck_assert(
			    sqledit_name(&e, (struct sql_span){ p, 1 }, name));
	used = 0;
	sqledit_put(&e, take, out);
	out[used] = '\0';
	ck_assert_uint_eq(used, e.edited);
	return out;
}

START_TEST(names_are_put)
{
	ck_assert_str_eq(edit("x", "n"), "x");
	ck_assert_str_eq(edit("", "n"), "");
	ck_assert_str_eq(edit("a", "name"), "\"name\"");
	ck_assert_str_eq(edit(" a;a ", "bcd"), " \"bcd\";\"bcd\" ");
	ck_assert_str_eq(edit("xay", "q\"\"r\""), "x\"q\"\"\"\"r\"\"\"y");
}
END_TEST

/* What has been run already; other edits may follow. */
START_TEST(blanks_are_put)
{
	const char *text = "\303\244 a long one, and some more; a";
	struct sqledit_shift s[4];

	sqledit_init(&e, text, strlen(text));
	ck_assert(sqledit_blank(&e, (struct sql_span){ text, 28 }));
	ck_assert(sqledit_name(&e, (struct sql_span){ text + 30, 1 }, "b"));
	used = 0;
	sqledit_put(&e, take, out);
	out[used] = '\0';
	ck_assert_str_eq(out, "                            ; \"b\"");
	ck_assert_uint_eq(used, e.edited);
	/* a character fewer than there are blanks */
	ck_assert_uint_eq(sqledit_shifts(&e, true, s, 4), 2);
	ck_assert_uint_eq(sqledit_back(s, 2, 29), 28);
	ck_assert_uint_eq(sqledit_back(s, 2, 31), 30);
	while (e.n < SQLEDIT_MAX)
		ck_assert(sqledit_blank(&e, (struct sql_span){ text, 1 }));
	ck_assert(!sqledit_blank(&e, (struct sql_span){ text, 1 }));
}
END_TEST

START_TEST(not_too_many)
{
	struct sql_span w = { "x", 1 };

	sqledit_init(&e, w.p, 1);
	for (int i = 0; i < SQLEDIT_MAX; i++)
		ck_assert(sqledit_name(&e, w, "n"));
	ck_assert(!sqledit_name(&e, w, "n"));
	ck_assert_uint_eq(e.n, SQLEDIT_MAX);
}
END_TEST

/* Each character of the client's text, wherever it went. */
START_TEST(positions_go_back)
{
	struct sqledit_shift s[4];
	/* \303\244 is one character; three bytes of "bcd", and quotes */
	const char *text = "x\303\244a;ay";

	edit(text, "bcd");
	ck_assert_uint_eq(sqledit_shifts(&e, true, s, 4), 2);
	/* x ae "bcd" ; "bcd" y */
	ck_assert_uint_eq(sqledit_back(s, 2, 1), 1);
	ck_assert_uint_eq(sqledit_back(s, 2, 2), 2);
	for (uint32_t pos = 3; pos < 8; pos++)
		ck_assert_uint_eq(sqledit_back(s, 2, pos), 3);
	ck_assert_uint_eq(sqledit_back(s, 2, 8), 4);
	ck_assert_uint_eq(sqledit_back(s, 2, 9), 5);
	ck_assert_uint_eq(sqledit_back(s, 2, 13), 5);
	ck_assert_uint_eq(sqledit_back(s, 2, 14), 6);
	ck_assert_uint_eq(sqledit_shifts(&e, false, s, 4), 2);
	ck_assert_uint_eq(sqledit_back(s, 2, 15), 7);
	ck_assert_uint_eq(sqledit_shifts(&e, true, s, 1), 1);
}
END_TEST

/* A name that got shorter. */
START_TEST(positions_go_on)
{
	struct sql_span w = { "0123456789;x", 10 };
	struct sqledit_shift s[1];

	sqledit_init(&e, w.p, 12);
	ck_assert(sqledit_name(&e, w, "n"));
	ck_assert_uint_eq(sqledit_shifts(&e, true, s, 1), 1);
	ck_assert_uint_eq(sqledit_back(s, 1, 3), 1);
	ck_assert_uint_eq(sqledit_back(s, 1, 4), 11);
	ck_assert_uint_eq(sqledit_back(s, 1, 5), 12);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = { TEST(names_are_put),
		TEST(blanks_are_put), TEST(not_too_many),
		TEST(positions_go_back), TEST(positions_go_on), NO_MORE_TESTS };

	return run_tests("sqledit", tests, 10);
}
