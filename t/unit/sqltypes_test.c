/* sqltypes_test.c - the names of types, as their numbers. */
#include "worker/session/sqltypes.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/shmtest.h"

static uint32_t to[SQLTYPES_MAX];

static int
read_types(const char *text)
{
	return sqltypes_read(text, strlen(text), 0, to);
}

static const struct {
	const char *text;
	uint32_t oid; /* 0: not known */
} one[] = {
	{ "int", 23 },
	{ "INTEGER", 23 },
	{ " Int4 /* c */", 23 },
	{ "int[]", 1007 },
	{ "int[3][4]", 1007 },
	{ "int array", 1007 },
	{ "int ARRAY[7]", 1007 },
	{ "numeric(10, 2)", 1700 },
	{ "varchar(20)[]", 1015 },
	{ "character varying (7)", 1043 },
	{ "double\nprecision", 701 },
	{ "timestamp(3) with time zone", 1184 },
	{ "timestamp without time zone[]", 1115 },
	{ "timestamp with time zone", 1184 },
	{ "text", 25 },
	/* who knows */
	{ "", 0 },
	{ "mytype", 0 },
	{ "public.text", 0 },
	{ "\"char\"", 0 },
	{ "\"text\"", 0 },
	{ "setof int", 0 },
	{ "float(3)", 0 },
	{ "int[", 0 },
	{ "int[x]", 0 },
	{ "int(", 0 },
	{ "int(5", 0 },
	{ "(5)", 0 },
	{ "[]", 0 },
	{ "int[] int", 0 },
	{ "array", 0 },
	{ "int,", 0 },
	{ ",int", 0 },
	{ "int;", 0 },
	{ "int $1", 0 },
	{ "unknown", 0 },
	{ "tab.col%type", 0 },
	{ "interval year to month", 0 },
	{ "a123456789012345678901234567890 b123456789012345678901234567890 c",
	    0 },
};

START_TEST(one_type)
{
	for (size_t i = 0; i < sizeof(one) / sizeof(*one); i++) {
		int n = read_types(one[i].text);

		ck_assert_msg(n == (one[i].oid == 0 ? -1 : 1) &&
			(n == -1 || to[0] == one[i].oid),
		    "\"%s\": %d, %u", one[i].text, n, to[0]);
	}
}
END_TEST

START_TEST(a_list)
{
	ck_assert_int_eq(read_types("int, text , numeric(4,2), bool[]"), 4);
	ck_assert_uint_eq(to[0], 23);
	ck_assert_uint_eq(to[1], 25);
	ck_assert_uint_eq(to[2], 1700);
	ck_assert_uint_eq(to[3], 1000);
	ck_assert_int_eq(read_types("int, mine"), -1);
}
END_TEST

START_TEST(not_too_many)
{
	char text[4 * (SQLTYPES_MAX + 1) + 1] = "";

	for (int i = 0; i < SQLTYPES_MAX; i++)
		strcat(text, i > 0 ? ",int" : "int");
	ck_assert_int_eq(read_types(text), SQLTYPES_MAX);
	strcat(text, ",int");
	ck_assert_int_eq(read_types(text), -1);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = { TEST(one_type), TEST(a_list),
		TEST(not_too_many), NO_MORE_TESTS };

	return run_tests("sqltypes", tests, 10);
}
