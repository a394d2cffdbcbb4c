/* vars_test.c - sets of session settings. */
#include "worker/session/vars.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "t/unit/shmtest.h"

static struct vars_edit e;

static void
is(const char *bytes, size_t len)
{
	ck_assert_uint_eq(e.len, len);
	ck_assert_mem_eq(e.text, bytes, len);
}
#define IS(s) is(s, sizeof(s) - 1)

/* In order whatever the order they come in, each once, in lower case. */
START_TEST(put_and_drop)
{
	vars_edit_init(&e, NULL);
	ck_assert(vars_edit_put(&e, "work_mem", "5MB"));
	ck_assert(vars_edit_put(&e, "App.User", "Bob"));
	ck_assert(vars_edit_put(&e, "role", ""));
	IS("app.user\0Bob\0role\0\0work_mem\0005MB\0");
	ck_assert(vars_edit_put(&e, "ROLE", "longer"));
	IS("app.user\0Bob\0role\0longer\0work_mem\0005MB\0");
	ck_assert(vars_edit_put(&e, "work_mem", ""));
	vars_edit_drop(&e, "app.USER");
	vars_edit_drop(&e, "app.user");
	vars_edit_drop(&e, "zzz");
	IS("role\0longer\0work_mem\0\0");
	vars_edit_drop(&e, "work_mem");
	vars_edit_drop(&e, "role");
	ck_assert_uint_eq(e.len, 0);
	ck_assert(!vars_edit_put(&e, "", "x"));
}
END_TEST

START_TEST(values)
{
	vars_edit_init(&e, NULL);
	vars_edit_put(&e, "a", "1");
	vars_edit_put(&e, "b.c", "");
	ck_assert_str_eq(vars_value(e.text, e.len, "A"), "1");
	ck_assert_str_eq(vars_value(e.text, e.len, "b.C"), "");
	ck_assert_ptr_null(vars_value(e.text, e.len, "b"));
	/* a name is not a value, nor a part of one */
	ck_assert_ptr_null(vars_value(e.text, e.len, "1"));
	ck_assert_ptr_null(vars_value("", 0, "a"));
	ck_assert(vars_is_custom("b.c") && !vars_is_custom("b"));
	ck_assert(vars_is_fleeting("Transaction_Isolation"));
	ck_assert(!vars_is_fleeting("default_transaction_isolation"));
}
END_TEST

/* What is torn ends there. */
START_TEST(torn)
{
	const char *n, *v;
	uint32_t pos = 0;

	ck_assert(vars_next("a\0b\0c\0", 6, &pos, &n, &v));
	ck_assert_uint_eq(pos, 4);
	ck_assert(!vars_next("a\0b\0c\0", 6, &pos, &n, &v));
	pos = 0;
	ck_assert(!vars_next("a\0b", 3, &pos, &n, &v));
	ck_assert(!vars_next("abc", 3, &pos, &n, &v));
	ck_assert(!vars_next("", 0, &pos, &n, &v));
}
END_TEST

/* To the last byte, and not beyond; what does not fit changes nothing. */
START_TEST(full)
{
	static char big[VARS_MAX];

	memset(big, 'x', sizeof(big) - 1);
	vars_edit_init(&e, NULL);
	ck_assert(!vars_edit_put(&e, "n", big));
	ck_assert_uint_eq(e.len, 0);
	ck_assert(vars_edit_put(&e, "n", big + 2));
	ck_assert_uint_eq(e.len, VARS_MAX);
	ck_assert(!vars_edit_put(&e, "m", ""));
	ck_assert(!vars_edit_put(&e, "n", big + 1));
	ck_assert_uint_eq(e.len, VARS_MAX);
	ck_assert(vars_edit_put(&e, "n", "y"));
	IS("n\0y\0");
}
END_TEST

START_TEST(interned)
{
	struct interned *a, *b, *c;

	vars_edit_init(&e, NULL);
	ck_assert_int_eq(vars_intern(&e, &a), 0);
	ck_assert_ptr_null(a);
	ck_assert_uint_eq(vars_len(a), 0);
	vars_edit_put(&e, "a", "1");
	ck_assert_int_eq(vars_intern(&e, &a), 0);
	ck_assert_int_eq(vars_intern(&e, &b), 0);
	ck_assert_ptr_eq(a, b);
	vars_edit_put(&e, "a", "2");
	ck_assert_int_eq(vars_intern(&e, &c), 0);
	ck_assert_ptr_ne(a, c);
	vars_edit_init(&e, a);
	IS("a\0001\0");
	intern_drop(a);
	intern_drop(b);
	intern_drop(intern_share(c));
	intern_drop(c);
	intern_drop(NULL);
}
END_TEST

int
main(void)
{
	static const struct test_of tests[] = {
		TEST(put_and_drop),
		TEST(values),
		TEST(torn),
		TEST(full),
		TEST(interned),
		NO_MORE_TESTS,
	};

	return run_tests("vars", tests, 30);
}
